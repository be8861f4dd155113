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
    (1.0 - 4.0 * z)
        * poly!(z;
            1.0, -0.9348022005446793, 0.3195033242380491, -0.05724947190230902, 0.00633274274779624,
            -0.0004759203748335923, 2.589261930813222e-5, -1.06667867335233e-6, 3.3472424123300104e-8
        )
}

/// `x (x + 1) … (x + 7)`.
#[inline(always)]
fn rising(x: f64) -> f64 {
    // The factors pair into quadratics about the same middle.
    let z = x * (x + 7.0);
    (z * (z + 6.0)) * ((z + 10.0) * (z + 12.0))
}

/// `ln Γ(y)` for `y ≥ 8`.
#[inline(always)]
fn stirling(y: f64) -> f64 {
    let v = 1.0 / y;
    let tail = v * poly!(v * v;
        0.08333333333333333, -0.0027777777777740994, 0.0007936507898350285, -0.0005952366070114129,
        0.0008414728578952968, -0.0018905404930040493, 0.00506926129554169
    );
    ((y - 0.5) * (double::ln(y) - 1.0) + (HALF_LN_2PI - 0.5)) + tail
}

/// `ln |Γ(x)|` of an `x`, `y` but for the poles (and so far down that every number is whole) and infinity.
#[inline(always)]
fn lgamma_ends(x: f64, y: f64) -> f64 {
    let y = if (x <= 0.0) & (x.floor() == x) { f64::INFINITY } else { y };
    if x == f64::INFINITY { x } else { y }
}

/// `ln |Γ(x)|` in single precision, computed in double.
#[inline(always)]
pub(super) fn lgamma_f32(x: f32) -> f32 {
    let x = x as f64;
    let reflected = x < 0.5;
    let other = 1.0 - x;
    let a = if reflected { other } else { x };
    let carried = rising(a);
    let (product, up) = if a < 8.0 { (carried, 8.0) } else { (1.0, 0.0) };
    let y = stirling(a + up);
    // Γ(x) Γ(1 - x) = π / sin πx
    let sine = sin_pi(x - x.round_ties_even()).abs();
    let turned = std::f64::consts::PI * product;
    let (over, under, sign) = if reflected { (sine, turned, -1.0) } else { (product, 1.0, 1.0) };
    lgamma_ends(x, sign * y - double::ln(over / under)) as f32
}

/// `ln Γ(a)` for `0.5 ≤ a ≤ 2.5`: a quotient with the zeros at one and two as factors.
#[inline(always)]
fn lgamma_at_zeros(a: f64) -> f64 {
    let p = poly!(a;
        2.7588937575612715, 116.42825232682739, 1042.1229680216438, 3107.902316521916, 3576.9867479507734,
        1608.854194323474, 258.72978406234466, 11.148319547598645, 0.02922710319316969
    );
    let q = poly!(a;
        1.0, 69.118132461546, 905.3965195152051, 3840.978030530609, 6348.152596512804, 4349.576017535659,
        1209.9633287397467, 120.85117827124363, 3.018216717463012
    );
    (a - 1.0) * (a - 2.0) * (p / q)
}

/// `ln Γ(a)` for `2.5 ≤ a ≤ 8`.
#[inline(always)]
fn lgamma_middle(a: f64) -> f64 {
    let p = poly!(a;
        -1.931171002206857, -10.6393647098505, -5.045120352876289, 9.836336431825021, 6.570406762252948,
        1.1458613900410832, 0.062221028607219724, 0.0008388849014352147, 5.748644506283137e-7
    );
    let q = poly!(a;
        1.0, 12.863272641582656, 29.722538188911415, 21.405862175734224, 5.727502823894216,
        0.5845554650840379, 0.02058733323860325, 0.00017642989387410988
    );
    (a - 2.0) * (p / q)
}

/// `ln |Γ(x)|`, without the carrying: its product costs three bits of the 53, which [`lgamma_f32`] can spare.
#[inline(always)]
pub(super) fn lgamma(x: f64) -> f64 {
    let a = x.abs();
    // Γ(a) = Γ(a + 1) / a
    let low = a < 0.5;
    let next = a + 1.0;
    let b = if low { next } else { a };
    let (zeros, middle, far) = (lgamma_at_zeros(b), lgamma_middle(b), stirling(b));
    let y = if b < 2.5 { zeros } else { middle };
    let y = if b < 8.0 { y } else { far };
    // |Γ(-a) Γ(a)| = π / (a |sin πa|)
    let negative = x < 0.0;
    let sine = sin_pi(a - a.round_ties_even()).abs();
    let (turn, sign) = if negative { (sine / std::f64::consts::PI, -1.0) } else { (1.0, 1.0) };
    let factor = if low != negative { a } else { 1.0 };
    lgamma_ends(x, sign * y - double::ln(factor * turn))
}

/// `ψ(x)`: NaN at the negative integers, infinite at zero with the opposite of its sign, as in PyTorch.
#[inline(always)]
pub(super) fn digamma(x: f64) -> f64 {
    let reflected = x < 0.5;
    let other = 1.0 - x;
    let a = if reflected { other } else { x };
    let (near, far) = (digamma_at_root(a), digamma_carried(a));
    let value = if (1.0..=4.0).contains(&a) { near } else { far };
    digamma_reflected(x, value)
}

/// [`digamma`] in single precision, computed in double.
#[inline(always)]
pub(super) fn digamma_f32(x: f32) -> f32 {
    let x = x as f64;
    let other = 1.0 - x;
    let a = if x < 0.5 { other } else { x };
    digamma_reflected(x, digamma_carried(a)) as f32
}

/// `ψ(a)` for `1 ≤ a ≤ 4`: a quotient with the root there as a factor.
#[inline(always)]
fn digamma_at_root(a: f64) -> f64 {
    const ROOT: f64 = 1.4616321449683622;
    const ROOT_REST: f64 = 9.549995429965697e-17;
    let p = poly!(a;
        0.684167060526159, 2.1946318374143647, 1.9860400199817172, 0.6913805553574601, 0.09555510210028524,
        0.004562352281930821, 4.757982579298878e-5
    );
    let q = poly!(a;
        5.1430116618138766e-8, 1.0, 1.9463645109272933, 1.2296812086276316, 0.3143181353013768,
        0.032244110809695824, 0.0011162686286961708, 7.6081467886207e-6
    );
    ((a - ROOT) - ROOT_REST) * (p / q)
}

/// `ψ(a)` for `a ≥ 0.5`.
#[inline(always)]
fn digamma_carried(a: f64) -> f64 {
    // Σ 1/(a + k) for k < 8 as one quotient: 1/(a + k) + 1/(a + 7 - k) = (2a + 7) / (z + k (7 - k)).
    let z = a * (a + 7.0);
    let (p, q) = (z * (z + 6.0), (z + 10.0) * (z + 12.0));
    let sum = (2.0 * a + 7.0) * ((2.0 * z + 6.0) * q + (2.0 * z + 22.0) * p) / (p * q);
    let (carried, up) = if a < 8.0 { (sum, 8.0) } else { (0.0, 0.0) };
    let y = a + up;
    let v = 1.0 / y;
    let w = v * v;
    let tail = w * poly!(w;
        0.08333333333333333, -0.00833333333328043, 0.0039682539132864765, -0.004166645185949954,
        0.007571734317574503, -0.02070052594108159, 0.06367558971124841
    );
    ((double::ln(y) - 0.5 * v) - tail) - carried
}

/// `ψ(x)` from `ψ(1 - x)` where `x < 0.5`, else what is given.
#[inline(always)]
fn digamma_reflected(x: f64, value: f64) -> f64 {
    // ψ(x) = ψ(1 - x) - π cot πx
    let f = x - x.round_ties_even();
    let cot = std::f64::consts::PI * cos_pi(f) / sin_pi(f);
    let cot = if x < 0.5 { cot } else { 0.0 };
    let value = value - cot;
    let value = if (x < 0.0) & (x.floor() == x) { f64::NAN } else { value };
    let pole = f64::INFINITY.copysign(-x);
    if x == 0.0 { pole } else { value }
}
