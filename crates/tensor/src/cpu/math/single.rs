//! Exponentials and logarithms of `f32`, and what is made of them at once: tanh, sigmoid, softplus.
//!
//! Arithmetic is single precision throughout, so a loop over these fills whole vectors. The
//! coefficients are minimax fits of the named function, found with the Remez exchange in 50 digits
//! and rounded.

use super::double;

/// Adding this to a small `f32` rounds it to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
const ROUND_BITS: u32 = 0x4b40_0000;
/// ln 2 in two parts: the first has ten bits, so its product with an exponent is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -0.000_212_194_44;
/// The bits of √½, where the mantissas of the logarithms begin.
const SQRT_HALF: u32 = 0x3f35_04f3;
/// Below this magnitude `f(x)` rounds to `x` for every function here with `f(0) = 0`, `f'(0) = 1`.
const TINY: f32 = 1e-8;

/// `x = n ln 2 + r` with `|r| ≤ ln 2 / 2`: the rounded sum that holds `n` in its low bits, `n` and `r`.
#[inline(always)]
fn reduce(x: f32) -> (u32, f32, f32) {
    let t = x * std::f32::consts::LOG2_E + ROUND;
    let n = t - ROUND;
    (t.to_bits(), n, (x - n * LN2_HI) - n * LN2_LO)
}

/// `eʳ` for `|r| ≤ ln 2 / 2`.
#[inline(always)]
fn exp_reduced(r: f32) -> f32 {
    1.0 + (r + r * r * poly!(r; 0.5, 0.166_665_33, 0.041_667_24, 0.008_367_609, 0.001_386_366_9))
}

/// `p · 2ⁿ`, `n` from -252 to 254 given as the bits of `n + ROUND`: two factors, so that what is
/// subnormal or overflows is rounded once and rightly.
#[inline(always)]
fn scale(p: f32, t: u32) -> f32 {
    let k = t.wrapping_sub(ROUND_BITS - 254);
    let half = k >> 1;
    p * f32::from_bits(half << 23) * f32::from_bits(k.wrapping_sub(half) << 23)
}

/// `2ⁿ`, `n` from -126 to 127 given as the bits of `n + ROUND`.
#[inline(always)]
fn power_of_two(t: u32) -> f32 {
    f32::from_bits(t.wrapping_sub(ROUND_BITS - 127) << 23)
}

/// `x` held to `lo..=hi`; NaN stays.
#[inline(always)]
fn hold(x: f32, lo: f32, hi: f32) -> f32 {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (t, _, r) = reduce(hold(x, -104.0, 89.0));
    scale(exp_reduced(r), t)
}

#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    let x = hold(x, -151.0, 129.0);
    let t = x + ROUND;
    let r = x - (t - ROUND);
    let q =
        poly!(r; std::f32::consts::LN_2, 0.240_226_48, 0.055_503_32, 0.009_618_439, 0.001_339_900_3, 0.000_153_532_54);
    scale(1.0 + r * q, t.to_bits())
}

#[inline(always)]
pub(super) fn expm1(x: f32) -> f32 {
    let (t, _, r) = reduce(hold(x, -18.0, 89.0));
    let p = r + r * r * poly!(r; 0.5, 0.166_666_66, 0.041_666_48, 0.008_333_42, 0.001_393_342_2, 0.000_198_240_7);
    // Half of it first: 2ⁿ is out of range where the result no longer is.
    let s = power_of_two(t.wrapping_sub(1));
    let y = 2.0 * (s * p + (s - 0.5));
    if x.abs() < TINY { x } else { y }
}

/// `x = 2ᵉ (1 + f)` with `√½ ≤ 1 + f < √2`, of a positive normal `x`.
#[inline(always)]
fn split(x: f32) -> (f32, f32, u32) {
    let b = x.to_bits().wrapping_sub(SQRT_HALF);
    let f = f32::from_bits((b & 0x007f_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    (((b as i32) >> 23) as f32, f, b)
}

/// As [`split`], of a positive number that may be subnormal.
#[inline(always)]
fn split_any(x: f32) -> (f32, f32) {
    let tiny = x < f32::MIN_POSITIVE;
    let (up, down) = if tiny { (8_388_608.0, 23.0) } else { (1.0, 0.0) };
    let (e, f, _) = split(x * up);
    (e - down, f)
}

/// `ln(1 + f) - f + f²/2` on the mantissas of [`split`].
#[inline(always)]
fn ln_cubic(f: f32) -> f32 {
    let p = poly!(f; 0.333_333_3, -0.250_008_2, 0.200_012_28, -0.166_233_6, 0.142_017_32, -0.131_601_45, 0.127_617_2, -0.076_347_455);
    f * f * f * p
}

/// What a logarithm is at the ends of its domain, `y` inside: `-inf` at zero, NaN below, `inf` at infinity.
#[inline(always)]
fn ln_ends(x: f32, y: f32) -> f32 {
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x > 0.0 { y } else { f32::NAN };
    if x == 0.0 { f32::NEG_INFINITY } else { y }
}

#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    let (e, f) = split_any(x);
    let y = (f + ((ln_cubic(f) + e * LN2_LO) - 0.5 * f * f)) + e * LN2_HI;
    ln_ends(x, y)
}

#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    // log2 e = 1 + 0.44…: the one is exact, which keeps the error of the product below that of the sum.
    const LOG2_E_M1: f32 = 0.442_695_05;
    let (e, f) = split_any(x);
    let w = ln_cubic(f) - 0.5 * f * f;
    let y = (f + (w + LOG2_E_M1 * (f + w))) + e;
    ln_ends(x, y)
}

#[inline(always)]
pub(super) fn log10(x: f32) -> f32 {
    // In double, so that powers of ten come out whole.
    ln_ends(x, (double::ln_mid(x as f64) * std::f64::consts::LOG10_E) as f32)
}

#[inline(always)]
pub(super) fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    let (e, rounded, b) = split(u);
    // 2⁻ᵉ x + (2⁻ᵉ - 1) has what the sum 1 + x lost; beyond 2²⁵ the sum is x, and 2⁻ᵉ may be subnormal.
    let s = f32::from_bits(0x3f80_0000_u32.wrapping_sub(b & 0xff80_0000));
    let exact = x * s + (s - 1.0);
    let f = if x < 33_554_432.0 { exact } else { rounded };
    let y = (f + ((ln_cubic(f) + e * LN2_LO) - 0.5 * f * f)) + e * LN2_HI;
    let y = ln_ends(u, y);
    if x.abs() < TINY { x } else { y }
}

#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let (t, _, r) = reduce(2.0 * if a > 10.0 { 10.0 } else { a });
    let large = 1.0 - 2.0 / (exp_reduced(r) * power_of_two(t) + 1.0);
    let z = a * a;
    let small = a + a * z * poly!(z; -0.333_332_8, 0.133_314_42, -0.053_739_715, 0.020_639_09, -0.005_704_988_7);
    let y = if a < 0.625 { small } else { large };
    y.copysign(x)
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    // Of -|x|, so that nothing overflows and the lower tail keeps its digits.
    let e = exp(-x.abs());
    let top = if x > 0.0 { 1.0 } else { e };
    top / (1.0 + e)
}

/// `erf`, as `1 - 2^L(x)` with a polynomial for `L = log2 erfc` where `x` is not small.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let b = if a > 4.0 { 4.0 } else { a };
    // The complement is below 0.22 here, so neither it nor the power needs all the digits.
    let l = poly!(b; -0.000_192_704_97, -1.627_267_8, -0.918_617_6, -0.150_512_78, 0.032_345_537, -0.004_461_234, 0.000_289_976_07);
    let t = l + ROUND;
    let r = l - (t - ROUND);
    let p = poly!(r; 1.0, std::f32::consts::LN_2, 0.240_222_41, 0.055_507_35, 0.009_671_619, 0.001_326_459);
    let large = 1.0 - p * power_of_two(t.to_bits());
    let z = a * a;
    let q = poly!(z; 0.128_379_15, -0.376_125_25, 0.112_821_41, -0.026_778_908, 0.005_011_963, -0.000_609_036_07);
    let small = a + a * q;
    let y = if a < 0.9 { small } else { large };
    y.copysign(x)
}
