//! How a sample moves with the parameters that it was drawn with, where no formula leads from a uniform to the sample:
//! −(∂F/∂α) / f for the distribution function F and the density f (M. Figurnov, S. Mohamed & A. Mnih, "Implicit
//! reparameterization gradients", 2018).
//!
//! The functions are approximated by parts as PyTorch does it, good to about three digits where a fit of PyTorch's
//! stands and better elsewhere, so that a gradient here is the one there.

use super::math::Float;

fn digamma(x: f64) -> f64 {
    if x == 0.0 { f64::INFINITY } else { Float::digamma(x) }
}

fn not_nan(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { x }
}

/// dx/dα of a sample `x` of the gamma distribution of shape `alpha` and rate 1.
pub(crate) fn gamma(alpha: f64, x: f64) -> f64 {
    if x < f64::from(0.8f32) {
        gamma_series(alpha, x)
    } else if alpha <= 8.0 {
        gamma_fit(alpha, x)
    } else if f64::from(0.9f32) * alpha <= x && x <= f64::from(1.1f32) * alpha {
        // Rice's saddle point expansion about its singularity at x = α.
        let first = 1.0 + 24.0 * alpha * (1.0 + 12.0 * alpha);
        let second =
            1440.0 * alpha * alpha + 6.0 * x * (53.0 - 120.0 * x) - 65.0 * x * x / alpha + alpha * (107.0 + 3600.0 * x);
        first * second / (1_244_160.0 * (alpha * alpha) * (alpha * alpha))
    } else {
        let (root, log, off) = ((8.0 * alpha).sqrt(), (x / alpha).ln(), alpha - x);
        let saddle = (x - alpha - alpha * log).powf(-1.5);
        let both = if x < alpha { root / off - saddle } else { root / off + saddle };
        let inner = log * both - (2.0 / alpha).sqrt() * (alpha + x) / (off * off);
        let stirling = 1.0 + 1.0 / (12.0 * alpha) * (1.0 + 1.0 / (24.0 * alpha));
        -stirling * x * inner / root
    }
}

/// By Taylor's series of the distribution function, for small x.
fn gamma_series(alpha: f64, x: f64) -> f64 {
    let (mut term, mut below) = (1.0, alpha);
    let (mut sum, mut slope) = (1.0 / alpha, 1.0 / (alpha * alpha));
    for i in 1..=5 {
        term *= -x / f64::from(i);
        below += 1.0;
        sum += term / below;
        slope += term / (below * below);
    }
    let power = x.powf(alpha);
    let density = x.powf(alpha - 1.0) * (-x).exp();
    not_nan(-((x.ln() - digamma(alpha)) * power * sum - power * slope) / density)
}

/// By a rational fit in ln (x / α) and ln α.
fn gamma_fit(alpha: f64, x: f64) -> f64 {
    const FIT: [[f64; 8]; 3] = [
        [0.16009398, -0.094634809, 0.025146376, -0.0030648343, 1.0, 0.32668115, 0.10406089, 0.0014179084],
        [0.53487893, 0.1298071, 0.065735949, -0.0015649758, 0.16639465, 0.020070113, -0.0035938915, -0.00058392623],
        [
            0.040121004,
            -0.0065914022,
            -0.0026286047,
            -0.0013441777,
            0.017050642,
            -0.0021309326,
            0.00085092367,
            -1.5247877e-07,
        ],
    ];
    let (u, v) = ((x / alpha).ln(), alpha.ln());
    let at = |i: usize| FIT[0][i] + u * (FIT[1][i] + u * FIT[2][i]);
    let cubic = |i: usize| at(i) + v * (at(i + 1) + v * (at(i + 2) + v * at(i + 3)));
    (cubic(0) / cubic(4)).exp()
}

/// (dx/dα) / (1 − x) of a share `x` of the Dirichlet distribution, whose own concentration is `alpha` and that of all
/// together `total`.
pub(crate) fn dirichlet(x: f64, alpha: f64, total: f64) -> f64 {
    let beta = total - alpha;
    let boundary = total * x * (1.0 - x);
    if x <= 0.5 && boundary < 2.5 {
        beta_near_0(x, alpha, beta)
    } else if x >= 0.5 && boundary < 0.75 {
        -beta_near_1(1.0 - x, beta, alpha)
    } else if alpha > 6.0 && beta > 6.0 {
        beta_between(x, alpha, beta)
    } else {
        beta_fit(x, alpha, total)
    }
}

/// Of a sample of the beta distribution near 0 by its first concentration: Taylor's series.
fn beta_near_0(x: f64, alpha: f64, beta: f64) -> f64 {
    let factor = digamma(alpha) - digamma(alpha + beta) - x.ln();
    let (mut term, mut series) = (1.0, 1.0 / alpha * (factor + 1.0 / alpha));
    for i in (1..=10).map(f64::from) {
        term *= (i - beta) * x / i;
        series += term / (alpha + i) * (factor + 1.0 / (alpha + i));
    }
    not_nan(x * (1.0 - x).powf(-beta) * series)
}

/// Of a sample near 0 by its second concentration.
fn beta_near_1(x: f64, alpha: f64, beta: f64) -> f64 {
    let factor = digamma(alpha + beta) - digamma(beta);
    let (mut term, mut falling, mut slope, mut series) = (1.0, 1.0, 0.0, factor / alpha);
    for i in (1..=8).map(f64::from) {
        term *= -x / i;
        slope = slope * (beta - i) + falling;
        falling *= beta - i;
        series += term / (alpha + i) * (slope + factor * falling);
    }
    not_nan(-(1.0 - x).powf(1.0 - beta) * series)
}

/// Of a sample where both concentrations are large: Rice's saddle point expansion.
fn beta_between(x: f64, alpha: f64, beta: f64) -> f64 {
    let total = alpha + beta;
    let mean = alpha / total;
    let deviation = (alpha * beta / (total + 1.0)).sqrt() / total;
    if (x - mean).abs() <= 0.1 * deviation {
        // About the singularity at the mean.
        let square = beta * beta;
        let inner =
            (453.0 + 1620.0 * beta * (1.0 - x) - 455.0 * x) * beta + alpha * (8.0 * (1.0 - x) * (135.0 * beta - 11.0));
        let inner = 3.0 * (59.0 + 180.0 * beta - 90.0 * x) * square + alpha * inner;
        let inner = (43.0 + 20.0 * (16.0 + 27.0 * beta) * x) * square * beta + alpha * inner;
        let polynomial = 47.0 * x * square * square + alpha * inner;
        let above = (1.0 + 12.0 * alpha) * (1.0 + 12.0 * beta) / (total * total);
        let below = 12_960.0 * alpha * alpha * alpha * square * (1.0 + 12.0 * total);
        return above / (1.0 - x) * polynomial / below;
    }
    let stirling = |y: f64| 1.0 + 1.0 / (12.0 * y) + 1.0 / (288.0 * y * y);
    let factor = -x / (2.0 * alpha * beta / total).sqrt() * stirling(alpha) * stirling(beta) / stirling(total);
    let off = alpha * (x - 1.0) + beta * x;
    let pole = (2.0 * alpha * alpha * (x - 1.0) + alpha * beta * (x - 1.0) - x * beta * beta)
        / ((2.0 * alpha / beta).sqrt() * total.powf(1.5) * off * off);
    let (log, log_rest) = ((alpha / (total * x)).ln(), (beta / (total * (1.0 - x))).ln());
    let saddle = (beta * log_rest + alpha * log).powf(-1.5);
    let signed = if x < mean { saddle } else { -saddle };
    factor * (pole + 0.5 * log * ((8.0 * alpha * beta / total).sqrt() / off + signed))
}

/// By a rational fit in the logarithms, of the quotient with a first approximation.
fn beta_fit(x: f64, alpha: f64, total: f64) -> f64 {
    const ABOVE: [[[f64; 4]; 3]; 3] = [
        [
            [1.003668233, -0.01061107488, -0.0657888334, 0.01201642863],
            [0.6336835991, -0.3557432599, 0.05486251648, -0.001465281033],
            [-0.03276231906, 0.004474107445, 0.002429354597, -0.0001557569013],
        ],
        [
            [0.221950385, -0.3187676331, 0.01799915743, 0.01074823814],
            [-0.2951249643, 0.06219954479, 0.01535556598, 0.001550077057],
            [0.02155310298, 0.004170831599, 0.001292462449, 6.976601077e-05],
        ],
        [
            [-0.05980841433, 0.008441916499, 0.01085618172, 0.002319392565],
            [0.02911413504, 0.01400243777, -0.002721828457, 0.000751041181],
            [0.005900514878, -0.001936558688, -9.495446725e-06, 5.385558597e-05],
        ],
    ];
    const BELOW: [[[f64; 4]; 3]; 3] = [
        [
            [1.0, -0.02924021934, -0.04438342661, 0.007285809825],
            [0.6357567472, -0.3473456711, 0.05454656494, -0.002407477521],
            [-0.03301322327, 0.004845219414, 0.00231480583, -0.0002307248149],
        ],
        [
            [0.5925320577, -0.1757678135, 0.01505928619, 0.000564515273],
            [0.1014815858, -0.06589186703, 0.01272886114, -0.0007316646956],
            [-0.007258481865, 0.001096195486, 0.0003934994223, -4.12701925e-05],
        ],
        [
            [0.06469649321, -0.0236701437, 0.002902096474, -5.896963079e-05],
            [0.001925008108, -0.002869809258, 0.0008000589141, -6.063713228e-05],
            [-0.0003477407336, 6.959756487e-05, 1.097287507e-05, -1.650964693e-06],
        ],
    ];
    let u = x.ln();
    let a = alpha.ln() - u;
    let b = total.ln() - a;
    let at = |fit: &[[[f64; 4]; 3]; 3]| -> f64 {
        let cubic = |c: &[f64; 4]| c[0] + b * (c[1] + b * (c[2] + b * c[3]));
        let row = |row: &[[f64; 4]; 3]| cubic(&row[0]) + a * (cubic(&row[1]) + a * cubic(&row[2]));
        row(&fit[0]) + u * (row(&fit[1]) + u * row(&fit[2]))
    };
    at(&ABOVE) / at(&BELOW) * x * (digamma(total) - digamma(alpha)) / (total - alpha)
}
