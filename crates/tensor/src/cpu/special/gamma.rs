//! What the gamma function has around it: polygamma and Hurwitz's zeta function, the incomplete gamma functions.

use crate::cpu::math::Float;
use std::f64::consts::PI;

/// ψ⁽ⁿ⁾(x), the derivatives of digamma.
pub(super) fn polygamma(n: u32, x: f64) -> f64 {
    match n {
        0 => Float::digamma(x),
        1 => trigamma(x),
        _ => {
            // (−1)ⁿ⁺¹ n! ζ(n + 1, x)
            let size = Float::exp(Float::lgamma(f64::from(n) + 1.0)) * zeta(f64::from(n) + 1.0, x);
            if n % 2 == 1 { size } else { -size }
        }
    }
}

fn trigamma(x: f64) -> f64 {
    if x >= 0.5 {
        return zeta(2.0, x);
    }
    // ψ′(x) + ψ′(1 − x) = (π / sin πx)²
    let turn = x - x.round_ties_even();
    let sine = (PI * turn).sin();
    PI * PI / (sine * sine) - zeta(2.0, 1.0 - x)
}

/// B₂ₖ / (2k)!, k from 1.
const BERNOULLI: [f64; 12] = [
    0.083_333_333_333_333_33,
    -0.001_388_888_888_888_889,
    3.306_878_306_878_307e-5,
    -8.267_195_767_195_768e-7,
    2.087_675_698_786_81e-8,
    -5.284_190_138_687_493e-10,
    1.338_253_653_068_468e-11,
    -3.389_680_296_322_583e-13,
    8.586_062_056_277_845e-15,
    -2.174_868_698_558_062e-16,
    5.509_002_828_360_229_5e-18,
    -1.395_446_468_581_252_4e-19,
];

/// Σ (q + k)⁻ˢ over k ≥ 0 (`torch.special.zeta`): NaN for s < 1 and, where s is not whole, for q < 0; infinite at the
/// poles.
pub(super) fn zeta(s: f64, q: f64) -> f64 {
    if s == 1.0 {
        return f64::INFINITY;
    }
    if !(s > 1.0) || q.is_nan() {
        return f64::NAN;
    }
    if q > 0.0 {
        return zeta_positive(s, q);
    }
    if q == q.floor() {
        return f64::INFINITY;
    }
    if s != s.floor() {
        return f64::NAN;
    }
    // The terms of negative numbers, |q| down to `low`, are the difference of two sums over positive ones.
    let (low, high) = (-q - (-q).floor(), -q + 1.0);
    let below = zeta_positive(s, low) - zeta_positive(s, high);
    let sign = if s % 2.0 == 0.0 { 1.0 } else { -1.0 };
    sign * below + zeta_positive(s, 1.0 - low)
}

/// [`zeta`] for s > 1 and q > 0, by Euler's and Maclaurin's formula after ten terms or so.
fn zeta_positive(s: f64, q: f64) -> f64 {
    let mut sum = q.powf(-s);
    let mut at = q;
    for i in 0.. {
        if i >= 9 && at > 9.0 {
            break;
        }
        at += 1.0;
        let term = at.powf(-s);
        sum += term;
        if term <= f64::EPSILON / 2.0 * sum {
            return sum;
        }
    }
    let last = at.powf(-s);
    sum += last * at / (s - 1.0) - 0.5 * last;
    let (mut rising, mut power) = (s, last / at);
    for (k, b) in BERNOULLI.iter().enumerate() {
        let term = b * rising * power;
        sum += term;
        if term.abs() < f64::EPSILON / 2.0 * sum.abs() {
            break;
        }
        let k = 2.0 * k as f64;
        rising *= (s + k + 1.0) * (s + k + 2.0);
        power /= at * at;
    }
    sum
}

/// P(a, x), the regularized lower incomplete gamma function: `torch.special.gammainc`.
pub(super) fn igamma(a: f64, x: f64) -> f64 {
    edges(a, x).map_or_else(|| incomplete(a, x).0, |upper| 1.0 - upper)
}

/// Q(a, x), the upper one: `torch.special.gammaincc`.
pub(super) fn igammac(a: f64, x: f64) -> f64 {
    edges(a, x).unwrap_or_else(|| incomplete(a, x).1)
}

/// Q at the ends of its arguments.
fn edges(a: f64, x: f64) -> Option<f64> {
    if !(a >= 0.0 && x >= 0.0) || (a == 0.0 && x == 0.0) || (a.is_infinite() && x.is_infinite()) {
        return Some(f64::NAN);
    }
    if a == 0.0 || x.is_infinite() {
        return Some(0.0);
    }
    (x == 0.0 || a.is_infinite()).then_some(1.0)
}

/// P and Q for finite positive arguments. One of them is computed, so that it is right where it is small.
fn incomplete(a: f64, x: f64) -> (f64, f64) {
    let mu = (x - a) / a;
    if a > 1e4 && mu.abs() < 0.3 {
        return uniform(a, mu);
    }
    if x <= 1.0 && a < 1.0 {
        let upper = upper_of_small(a, x);
        // Of the two the one below a half is exact.
        return if upper < 0.5 { (1.0 - upper, upper) } else { (lower_series(a, x), upper) };
    }
    if x < a + 1.0 {
        let lower = lower_series(a, x);
        (lower, 1.0 - lower)
    } else {
        let upper = upper_fraction(a, x);
        (1.0 - upper, upper)
    }
}

/// xᵃ e⁻ˣ / Γ(a).
fn factor(a: f64, x: f64) -> f64 {
    if a < 10.0 {
        return (a * x.ln() - x - Float::lgamma(a)).exp();
    }
    let mu = (x - a) / a;
    let exponent = if mu.abs() < 0.3 { log1p_less(mu) } else { (x / a).ln() - mu };
    let v = 1.0 / (a * a);
    let stirling = (1.0 / 12.0 - v * (1.0 / 360.0 - v * (1.0 / 1260.0 - v * (1.0 / 1680.0 - v / 1188.0)))) / a;
    (a * exponent - stirling).exp() * (a / (2.0 * PI)).sqrt()
}

/// ln(1 + μ) − μ, |μ| < 0.3.
fn log1p_less(mu: f64) -> f64 {
    // ln(1 + μ) = 2 artanh r
    let r = mu / (2.0 + mu);
    let square = r * r;
    let (mut power, mut sum) = (r * square, 0.0);
    for k in 1..16 {
        sum += power / f64::from(2 * k + 1);
        power *= square;
    }
    2.0 * sum - r * mu
}

/// More terms than a sum below needs.
const MOST: u32 = 20_000;

/// P by its power series (DLMF 8.11.4).
fn lower_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..MOST {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * f64::EPSILON / 4.0 {
            break;
        }
    }
    sum * factor(a, x) / a
}

/// Q by its continued fraction (DLMF 8.9.2), from the front on (Lentz).
fn upper_fraction(a: f64, x: f64) -> f64 {
    let tiny = f64::MIN_POSITIVE;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / tiny, 1.0 / b);
    let mut h = d;
    for n in 1..MOST {
        let n = f64::from(n);
        let an = n * (a - n);
        b += 2.0;
        d = an * d + b;
        d = if d.abs() < tiny { tiny } else { d }.recip();
        c = b + an / c;
        c = if c.abs() < tiny { tiny } else { c };
        let step = c * d;
        h *= step;
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    h * factor(a, x)
}

/// Q for a < 1 and x ≤ 1: 1 − xᵃ / Γ(a + 1) and a series of what is left.
fn upper_of_small(a: f64, x: f64) -> f64 {
    let (mut power, mut sum) = (1.0, 0.0);
    for n in 1..40 {
        let n = f64::from(n);
        power *= -x / n;
        sum += power / (a + n);
    }
    let log = a * x.ln() - lgamma_after_one(a);
    -log.exp_m1() - a * log.exp() * sum
}

/// ln Γ(1 + a), 0 < a < 1, exact for a small a.
fn lgamma_after_one(a: f64) -> f64 {
    if a > 0.01 {
        return Float::lgamma(1.0 + a);
    }
    let terms = [
        -0.577_215_664_901_532_9,
        0.822_467_033_424_113_2,
        -0.400_685_634_386_531_43,
        0.270_580_808_427_784_55,
        -0.207_385_551_028_673_98,
        0.169_557_176_997_408_2,
        -0.144_049_896_768_846_1,
        0.125_509_669_524_743_04,
    ];
    a * terms.iter().rev().fold(0.0, |sum, c| sum * a + c)
}

/// P and Q of a large a near x (Temme; DLMF 8.12), x = a (1 + μ).
fn uniform(a: f64, mu: f64) -> (f64, f64) {
    let half_square = -log1p_less(mu);
    let eta = (2.0 * half_square).sqrt().copysign(mu);
    let c0 = if eta.abs() < 0.1 {
        let terms = [
            -1.0 / 3.0,
            1.0 / 12.0,
            -2.0 / 135.0,
            1.0 / 864.0,
            1.0 / 2835.0,
            -139.0 / 777_600.0,
            1.0 / 25_515.0,
            -571.0 / 261_273_600.0,
        ];
        terms.iter().rev().fold(0.0, |sum, c| sum * eta + c)
    } else {
        1.0 / mu - 1.0 / eta
    };
    let c1 = if eta.abs() < 0.1 {
        -1.0 / 540.0 + eta * (-1.0 / 288.0 + eta * (25.0 / 12_096.0 - eta * 223.0 / 414_720.0))
    } else {
        eta.powi(-3) - mu.powi(-3) - mu.powi(-2) - 1.0 / (12.0 * mu)
    };
    let rest = (-a * half_square).exp() / (2.0 * PI * a).sqrt() * (c0 + c1 / a);
    let at = eta * (0.5 * a).sqrt();
    (0.5 * Float::erfc(-at) - rest, 0.5 * Float::erfc(at) + rest)
}
