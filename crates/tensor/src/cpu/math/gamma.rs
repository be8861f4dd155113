//! The logarithm of the gamma function and its derivative, digamma.
//!
//! Arguments below one half are reflected, those below eight are carried up by the recurrence (kept as one
//! product or one quotient), and Stirling's series does the rest.

use super::double;

const HALF_LN_2PI: f64 = 0.9189385332046728;

/// `sin πf` for `|f| ≤ 1/2`.
#[inline(always)]
fn sin_pi(f: f64) -> f64 {
    f * poly!(f * f;
        std::f64::consts::PI, -5.167712780049969, 2.550164039877294, -0.5992645293187382, 0.0821458865698927,
        -0.00737043047876143, 0.0004662996887628297, -2.190318538657532e-5, 7.694726928297692e-7
    )
}

/// `cos πf` for `|f| ≤ 1/2`: the zeros stand as a factor, so that it is right beside them.
#[inline(always)]
fn cos_pi(f: f64) -> f64 {
    let z = f * f;
    (1.0 - 4.0 * z) * poly!(z;
        1.0, -0.9348022005446793, 0.3195033242380491, -0.05724947190230902, 0.00633274274779624,
        -0.0004759203748335923, 2.589261930813222e-5, -1.0666786733523301e-6, 3.3472424123300104e-8
    )
}

/// `x (x + 1) … (x + 7)`.
#[inline(always)]
fn rising(x: f64) -> f64 {
    // The factors pair into quadratics about the same middle.
    let z = x * (x + 7.0);
    (z * (z + 6.0)) * ((z + 10.0) * (z + 12.0))
}

#[inline(always)]
pub(super) fn lgamma_double(x: f64) -> f64 {
    let reflected = x < 0.5;
    let a = if reflected { 1.0 - x } else { x };
    let low = a < 8.0;
    let y = if low { a + 8.0 } else { a };
    let product = if low { rising(a) } else { 1.0 };
    let v = 1.0 / y;
    let tail = v * poly!(v * v;
        0.08333333333333333, -0.0027777777777740994, 0.0007936507898350285, -0.0005952366070114129,
        0.0008414728578952968, -0.0018905404930040493, 0.00506926129554169
    );
    let stirling = ((y - 0.5) * (double::ln(y) - 1.0) + (HALF_LN_2PI - 0.5)) + tail;
    // Γ(x) Γ(1 - x) = π / sin πx
    let sine = sin_pi(x - x.round_ties_even()).abs();
    let factor = if reflected { std::f64::consts::PI * product / sine } else { 1.0 / product };
    // Beside zero it is -ln |x|, and the factor would overflow.
    let near_zero = x.abs() < 1e-100;
    let rest = double::ln(if near_zero { x.abs() } else { factor });
    let value = if reflected { rest - stirling } else { rest + stirling };
    let value = if near_zero { -rest } else { value };
    // The poles; and so far down that every number is whole.
    let value = if (x <= 0.0) & (x.floor() == x) { f64::INFINITY } else { value };
    if x == f64::INFINITY { x } else { value }
}

/// `ln |Γ(x)|`. Between its zeros at one and two, and around them, a quotient that has them as factors.
#[inline(always)]
pub(super) fn lgamma(x: f64) -> f64 {
    let p = poly!(x;
        2.6467137303539823, 87.76200954351555, 624.1043068437306, 1490.5716286166341, 1382.7493788662698,
        507.2966286373012, 67.29374628184365, 2.412738362592011, 0.005207346061853353
    );
    let q = poly!(x;
        1.0, 55.3566977198305, 583.2309959006391, 1998.2089291189643, 2683.5331057460085, 1513.1208115031811,
        350.80232454539134, 29.520883558693267, 0.6270309883356772
    );
    let between = (x - 1.0) * (x - 2.0) * (p / q);
    if (x > 0.75) & (x < 2.5) { between } else { lgamma_double(x) }
}

#[inline(always)]
pub(super) fn digamma_double(x: f64) -> f64 {
    let reflected = x < 0.5;
    let a = if reflected { 1.0 - x } else { x };
    let low = a < 8.0;
    let y = if low { a + 8.0 } else { a };
    // Σ 1/(a + k) for k < 8 as one quotient: 1/(a + k) + 1/(a + 7 - k) = (2a + 7) / (z + k (7 - k)).
    let z = a * (a + 7.0);
    let (p, q) = (z * (z + 6.0), (z + 10.0) * (z + 12.0));
    let carried = (2.0 * a + 7.0) * ((2.0 * z + 6.0) * q + (2.0 * z + 22.0) * p) / (p * q);
    let carried = if low { carried } else { 0.0 };
    let v = 1.0 / y;
    let w = v * v;
    let tail = w * poly!(w;
        0.08333333333333333, -0.00833333333328043, 0.0039682539132864765, -0.004166645185949954,
        0.007571734317574503, -0.02070052594108159, 0.06367558971124841
    );
    let value = ((double::ln(y) - 0.5 * v) - tail) - carried;
    // ψ(x) = ψ(1 - x) - π cot πx
    let f = x - x.round_ties_even();
    let cot = std::f64::consts::PI * cos_pi(f) / sin_pi(f);
    let value = if reflected { value - cot } else { value };
    let value = if (x < 0.0) & (x.floor() == x) { f64::NAN } else { value };
    if x == 0.0 { f64::NEG_INFINITY.copysign(-x) } else { value }
}

/// `ψ(x)`: NaN at the negative integers, infinite at zero with the opposite of its sign, as in PyTorch.
/// Between one and two a quotient that has the root there as a factor.
#[inline(always)]
pub(super) fn digamma(x: f64) -> f64 {
    const ROOT: f64 = 1.4616321449683622;
    const ROOT_REST: f64 = 9.549995429965697e-17;
    let p = poly!(x;
        0.6841674426829002, 2.1045482358542373, 1.717419172057242, 0.488672017002336, 0.04561154802117381,
        0.0009150361959536653
    );
    let q = poly!(x;
        9.419773048015716e-8, 1.0, 1.8146982347896934, 1.0031282217695807, 0.20087161179951246,
        0.012980705116795107, 0.00016177071023945963
    );
    let between = ((x - ROOT) - ROOT_REST) * (p / q);
    if (x >= 1.0) & (x <= 2.0) { between } else { digamma_double(x) }
}
