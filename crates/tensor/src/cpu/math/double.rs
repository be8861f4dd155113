//! Exponentials and logarithms of `f64`, branch-free like those of `f32`.
//!
//! Those whose names end in `mid` keep about 37 bits: they serve functions of `f32` that are computed in
//! double, where the last bits would be rounded away, and take only what an `f32` can hold.

/// Adding this to a small `f64` rounds it to an integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
const ROUND_BITS: u64 = 0x4338_0000_0000_0000;
/// ln 2 in two parts: the first has 33 bits, so its product with an exponent is exact.
const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
/// The upper half of the bits of √½, where the mantissas of the logarithms begin.
const SQRT_HALF: u64 = 0x3fe6_a09e_0000_0000;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const TINY: f64 = 1e-17;

/// `hi + lo = n ln 2 + r`: the rounded sum that holds `n` in its low bits, and `r`.
#[inline(always)]
fn reduce(hi: f64, lo: f64) -> (u64, f64) {
    let t = hi * std::f64::consts::LOG2_E + ROUND;
    let n = t - ROUND;
    (t.to_bits(), (hi - n * LN2_HI) - (n * LN2_LO - lo))
}

/// `eʳ - 1` for `|r| ≤ ln 2 / 2`.
#[inline(always)]
fn expm1_reduced(r: f64) -> f64 {
    let q = poly!(r;
        0.5, 0.16666666666666677, 0.041666666666666505, 0.008333333333321513, 0.0013888888888963478,
        0.00019841269886477654, 2.4801587171080392e-5, 2.7557243803864466e-6, 2.755740327119817e-7,
        2.5109195223967164e-8, 2.0875324213321927e-9
    );
    r + r * r * q
}

/// `p · 2ⁿ`, `n` from -2044 to 2046 given as the bits of `n + ROUND`, in two factors.
#[inline(always)]
fn scale(p: f64, t: u64) -> f64 {
    let k = t.wrapping_sub(ROUND_BITS - 2046);
    let half = k >> 1;
    p * f64::from_bits(half << 52) * f64::from_bits(k.wrapping_sub(half) << 52)
}

/// `2ⁿ`, `n` from -1022 to 1023 given as the bits of `n + ROUND`.
#[inline(always)]
fn power_of_two(t: u64) -> f64 {
    f64::from_bits(t.wrapping_sub(ROUND_BITS - 1023) << 52)
}

#[inline(always)]
fn hold(x: f64, lo: f64, hi: f64) -> f64 {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}

#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    exp_sum(x, 0.0)
}

/// `exp(hi + lo)` for a `lo` that is small beside one.
#[inline(always)]
pub(super) fn exp_sum(hi: f64, lo: f64) -> f64 {
    let (t, r) = reduce(hold(hi, -746.0, 710.0), lo);
    scale(1.0 + expm1_reduced(r), t)
}

#[inline(always)]
pub(super) fn exp2(x: f64) -> f64 {
    let x = hold(x, -1076.0, 1025.0);
    let t = x + ROUND;
    let r = (x - (t - ROUND)) * std::f64::consts::LN_2;
    scale(1.0 + expm1_reduced(r), t.to_bits())
}

/// A quarter of `expm1(x)`, which stays in range as long as `sinh(x)` does, for `x` from -700 to 710.6.
#[inline(always)]
fn expm1_quarter(x: f64) -> f64 {
    let (t, r) = reduce(x, 0.0);
    let s = power_of_two(t.wrapping_sub(2));
    s * expm1_reduced(r) + (s - 0.25)
}

#[inline(always)]
pub(super) fn expm1(x: f64) -> f64 {
    let y = 4.0 * expm1_quarter(hold(x, -40.0, 710.6));
    if x.abs() < TINY { x } else { y }
}

/// `eˣ` for `|x| ≤ 700`, to 37 bits; beyond, as at the bound (which no `f32` can hold).
#[inline(always)]
pub(super) fn exp_mid(x: f64) -> f64 {
    let (t, r) = reduce(hold(x, -700.0, 700.0), 0.0);
    let q = poly!(r;
        0.5000000000106622, 0.16666666754922962, 0.04166666594629503, 0.0083332887879701,
        0.0013888985874050488, 0.00019905100295722187, 2.4796356728859117e-5
    );
    (1.0 + (r + r * r * q)) * power_of_two(t)
}

/// `x = 2ᵉ (1 + f)` with `√½ ≤ 1 + f < √2`, of a positive normal `x`: `e`, `f` and `2⁻ᵉ`.
#[inline(always)]
fn split(x: f64) -> (f64, f64, f64) {
    let b = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    // The biased exponent becomes a double by standing in the low bits of 2⁵².
    let e = f64::from_bits(0x4330_0000_0000_0000 | (b >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    let f = f64::from_bits((b & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    let s = f64::from_bits((2 * ONE).wrapping_sub(b & 0xfff0_0000_0000_0000));
    (e, f, s)
}

/// `e ln 2 + ln(1 + f)` on the mantissas of [`split`], through `s = f / (2 + f)`: the odd series of
/// `ln((1 + s) / (1 - s))` converges twice as fast as that of the logarithm.
#[inline(always)]
fn ln_split(e: f64, f: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let q = poly!(z;
        0.6666666666666734, 0.39999999999414676, 0.2857142874238834, 0.22222198573106874,
        0.18183564330542235, 0.15314050428776485, 0.14795951026321655
    );
    let half = 0.5 * f * f;
    e * LN2_HI - ((half - (s * (half + z * q) + e * LN2_LO)) - f)
}

/// What a logarithm is at the ends of its domain, `y` inside: `-inf` at zero, NaN below, `inf` at infinity.
#[inline(always)]
fn ln_ends(x: f64, y: f64) -> f64 {
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x > 0.0 { y } else { f64::NAN };
    if x == 0.0 { f64::NEG_INFINITY } else { y }
}

#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    let tiny = x < f64::MIN_POSITIVE;
    let (up, down) = if tiny { (18_014_398_509_481_984.0, 54.0) } else { (1.0, 0.0) };
    let (e, f, _) = split(x * up);
    ln_ends(x, ln_split(e - down, f))
}

/// `ln x` to 37 bits. Zero gives a large negative number and infinity a large positive one; NaN and
/// negative numbers give anything: the callers know their domain.
#[inline(always)]
pub(super) fn ln_mid(x: f64) -> f64 {
    let (e, f, _) = split(x);
    ln_split_mid(e, f)
}

#[inline(always)]
fn ln_split_mid(e: f64, f: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let q = poly!(z; 0.6666666564546557, 0.40000335189367614, 0.28537308606018, 0.23582150534197);
    e * std::f64::consts::LN_2 + (2.0 * s + s * z * q)
}

/// The parts of `1 + x` as [`split`] gives them, with what the rounding of the sum would lose.
#[inline(always)]
fn split_1p(x: f64) -> (f64, f64) {
    let (e, rounded, s) = split(1.0 + x);
    let exact = x * s + (s - 1.0);
    (e, if x < 9e15 { exact } else { rounded })
}

#[inline(always)]
pub(super) fn log1p(x: f64) -> f64 {
    let (e, f) = split_1p(x);
    let y = ln_ends(1.0 + x, ln_split(e, f));
    if x.abs() < TINY { x } else { y }
}

/// `log1p` to 37 bits for finite `x ≥ 0`.
#[inline(always)]
fn log1p_mid(x: f64) -> f64 {
    let (e, f) = split_1p(x);
    ln_split_mid(e, f)
}

#[inline(always)]
pub(super) fn tanh(x: f64) -> f64 {
    let a = x.abs();
    let t = 4.0 * expm1_quarter(-2.0 * if a > 20.0 { 20.0 } else { a });
    let y = -t / (2.0 + t);
    if a < TINY { x } else { y.copysign(x) }
}

#[inline(always)]
pub(super) fn sigmoid(x: f64) -> f64 {
    let e = exp(-x.abs());
    let top = if x > 0.0 { 1.0 } else { e };
    top / (1.0 + e)
}

#[inline(always)]
pub(super) fn sinh(x: f64) -> f64 {
    let a = x.abs();
    let q = expm1_quarter(if a > 710.6 { 710.6 } else { a });
    let y = 2.0 * q + q / (2.0 * q + 0.5);
    if a < TINY { x } else { y.copysign(x) }
}

#[inline(always)]
pub(super) fn cosh(x: f64) -> f64 {
    let a = x.abs();
    let q = expm1_quarter(if a > 710.6 { 710.6 } else { a }) + 0.25;
    2.0 * q + 0.125 / q
}

#[inline(always)]
pub(super) fn asinh(x: f64) -> f64 {
    let a = x.abs();
    let z = a * a;
    // From 2²⁸ on asinh a = ln 2a to the last bit; the square would overflow later.
    let large = a > 268_435_456.0;
    let near = a + z / (1.0 + (1.0 + z).sqrt());
    let far = a - 1.0;
    let (u, more) = if large { (far, std::f64::consts::LN_2) } else { (near, 0.0) };
    (log1p(u) + more).copysign(x)
}

#[inline(always)]
pub(super) fn acosh(x: f64) -> f64 {
    let t = x - 1.0;
    let large = x > 268_435_456.0;
    let near = t + (t * (t + 2.0)).sqrt();
    let (u, more) = if large { (t, std::f64::consts::LN_2) } else { (near, 0.0) };
    let y = log1p(u) + more;
    if x < 1.0 { f64::NAN } else { y }
}

#[inline(always)]
pub(super) fn atanh(x: f64) -> f64 {
    let a = x.abs();
    (0.5 * log1p(2.0 * a / (1.0 - a))).copysign(x)
}

/// Functions of `f32` computed in double precision.
pub(super) mod of_f32 {
    use super::{exp_mid, expm1_reduced, ln_mid, log1p_mid, power_of_two, reduce};

    #[inline(always)]
    pub(in super::super) fn sinh(x: f32) -> f32 {
        let a = (x as f64).abs();
        let (t, r) = reduce(if a > 100.0 { 100.0 } else { a }, 0.0);
        let s = power_of_two(t);
        let e = s * expm1_reduced(r) + (s - 1.0);
        ((0.5 * (e + e / (e + 1.0))) as f32).copysign(x)
    }

    #[inline(always)]
    pub(in super::super) fn cosh(x: f32) -> f32 {
        let e = exp_mid(x as f64);
        (0.5 * (e + 1.0 / e)) as f32
    }

    #[inline(always)]
    pub(in super::super) fn asinh(x: f32) -> f32 {
        let a = (x as f64).abs();
        let z = a * a;
        let y = log1p_mid(a + z / (1.0 + (1.0 + z).sqrt()));
        let y = if a < f64::INFINITY { y } else { a };
        (y as f32).copysign(x)
    }

    #[inline(always)]
    pub(in super::super) fn acosh(x: f32) -> f32 {
        let t = x as f64 - 1.0;
        let y = log1p_mid(t + (t * (t + 2.0)).sqrt()) as f32;
        let y = if x == f32::INFINITY { x } else { y };
        if x >= 1.0 { y } else { f32::NAN }
    }

    #[inline(always)]
    pub(in super::super) fn atanh(x: f32) -> f32 {
        let a = (x as f64).abs();
        let y = 0.5 * log1p_mid(2.0 * a / (1.0 - a));
        let y = if a == 1.0 { f64::INFINITY } else { y };
        let y = if a <= 1.0 { y } else { f64::NAN };
        (y as f32).copysign(x)
    }

    /// `xʸ` with the special cases of C's `pow`.
    #[inline(always)]
    pub(in super::super) fn pow(x: f32, y: f32) -> f32 {
        let a = x.abs();
        let l = ln_mid(a as f64);
        let l = if a == 0.0 { f64::NEG_INFINITY } else { l };
        let l = if a == f32::INFINITY { f64::INFINITY } else { l };
        let l = if x.is_nan() { f64::NAN } else { l };
        let size = exp_mid(y as f64 * l) as f32;
        // |x| = 1 with an infinite y is 0 · inf above, and is one by the rules.
        let size = if (a == 1.0) & !y.is_nan() { 1.0 } else { size };
        let whole = y.trunc() == y;
        let half = 0.5 * y;
        let odd = whole & (half.trunc() != half);
        let signed = if odd { size.copysign(x) } else { size };
        let rooted = (x < 0.0) & (a != f32::INFINITY) & !whole;
        let signed = if rooted { f32::NAN } else { signed };
        if (y == 0.0) | (x == 1.0) { 1.0 } else { signed }
    }
}
