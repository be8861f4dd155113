//! Circular functions of `f32` and their inverses.
//!
//! The argument is reduced to an eighth of a turn in double precision, which is exact enough for every
//! `f32` up to [`BOUND`] in size; beyond it the standard library's functions are right.

/// Up to this size the functions of a circular argument are right to the last bits.
pub(super) const BOUND: f32 = 33_554_432.0;

/// Adding this to a small `f64` rounds it to an integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// π/2 in two parts: the first has 28 bits, so its product with a quadrant is exact.
const HALF_PI_HI: f64 = 1.570796325802803;
const HALF_PI_LO: f64 = 9.920935796805404e-10;

/// `|x| = q π/2 + r` with `|r| ≤ π/4`: the bits whose lowest two are those of `q`, and `r`.
#[inline(always)]
fn reduce(x: f32) -> (u32, f64) {
    let a = x.abs() as f64;
    let t = a * std::f64::consts::FRAC_2_PI + ROUND;
    let q = t - ROUND;
    (t.to_bits() as u32, (a - q * HALF_PI_HI) - q * HALF_PI_LO)
}

/// Sine and cosine of `|r| ≤ π/4`.
#[inline(always)]
fn sin_cos_reduced(r: f32) -> (f32, f32) {
    let z = r * r;
    let s = r + r * z * poly!(z; -0.166_666_67, 0.008_333_329, -0.000_198_393_04, 2.718_046_5e-6);
    let c = 1.0 - (0.5 * z - z * z * poly!(z; 0.041_666_646, -0.001_388_731, 0.000_024_432_413));
    (s, c)
}

#[inline(always)]
pub(super) fn sin(x: f32) -> f32 {
    let (q, r) = reduce(x);
    let (s, c) = sin_cos_reduced(r as f32);
    let y = if q & 1 == 0 { s } else { c };
    f32::from_bits(y.to_bits() ^ (((q << 30) ^ x.to_bits()) & 0x8000_0000))
}

#[inline(always)]
pub(super) fn cos(x: f32) -> f32 {
    let (q, r) = reduce(x);
    let (s, c) = sin_cos_reduced(r as f32);
    let y = if q & 1 == 0 { c } else { s };
    f32::from_bits(y.to_bits() ^ ((q.wrapping_add(1) << 30) & 0x8000_0000))
}

#[inline(always)]
pub(super) fn tan(x: f32) -> f32 {
    let (q, r) = reduce(x);
    let z = r * r;
    let s =
        r + r * z * poly!(z; -0.16666666640588287, 0.008333329280531885, -0.00019839304417044356, 2.718046480799249e-6);
    let c = 1.0 - 0.5 * z
        + z * z * poly!(z; 0.04166666661910833, -0.001388888346730165, 2.4799451551580013e-5, -2.720504596747133e-7);
    let (over, under) = if q & 1 == 0 { (s, c) } else { (-c, s) };
    let y = (over / under) as f32;
    f32::from_bits(y.to_bits() ^ (x.to_bits() & 0x8000_0000))
}

/// `atan t - t` for `0 ≤ t ≤ 1`.
#[inline(always)]
fn atan_unit(t: f32) -> f32 {
    let z = t * t;
    let p = poly!(z;
        -0.333_333, 0.199_985_49, -0.142_642_42, 0.109_521_86, -0.084_034_5, 0.057_957_597, -0.031_177_852,
        0.010_914_61, -0.001_793_622_9
    );
    t * z * p
}

/// π/2 and what is lacking to it.
const HALF_PI: f32 = std::f32::consts::FRAC_PI_2;
const HALF_PI_REST: f32 = -4.371_139e-8;

#[inline(always)]
pub(super) fn atan(x: f32) -> f32 {
    let a = x.abs();
    let inverted = a > 1.0;
    let inverse = 1.0 / a;
    let t = if inverted { inverse } else { a };
    let p = atan_unit(t);
    let (near, far) = (t + p, HALF_PI - (t + (p - HALF_PI_REST)));
    let y = if inverted { far } else { near };
    y.copysign(x)
}

#[inline(always)]
pub(super) fn atan2(y: f32, x: f32) -> f32 {
    let (ay, ax) = (y.abs(), x.abs());
    let steep = ay > ax;
    let (lo, hi) = if steep { (ax, ay) } else { (ay, ax) };
    let t = lo / hi;
    // 0/0 is the angle of an axis, inf/inf that of a diagonal.
    let t = if hi == 0.0 { 0.0 } else { t };
    let t = if lo == f32::INFINITY { 1.0 } else { t };
    let p = atan_unit(t);
    let left = x.is_sign_negative();
    // The angle is ±(t + p) from 0, π/2 or π.
    let (base, rest) = if left { (2.0 * HALF_PI, 2.0 * HALF_PI_REST) } else { (0.0, 0.0) };
    let (base, rest) = if steep { (HALF_PI, HALF_PI_REST) } else { (base, rest) };
    let (less, more) = (base - (t + (p - rest)), base + (t + (p + rest)));
    let angle = if steep != left { less } else { more };
    let angle = if x.is_nan() | y.is_nan() { f32::NAN } else { angle };
    angle.copysign(y)
}

/// `asin t - t` for `0 ≤ t ≤ 1/2`, with `z = t²`.
#[inline(always)]
fn asin_half(t: f64, z: f64) -> f64 {
    t * z
        * poly!(z;
            0.16666659991393765, 0.07500504180861867, 0.04451695542367549, 0.03180771930057463, 0.01443859324056403,
            0.03751647518570049
        )
}

/// `asin |x|` where `|x| ≤ 1/2`, otherwise `acos |x|`; and which of them.
#[inline(always)]
fn asin_or_acos(x: f32) -> (f64, bool) {
    let a = (x as f64).abs();
    let small = a <= 0.5;
    // acos a = 2 asin √((1 - a) / 2)
    let (square, half) = (a * a, 0.5 * (1.0 - a));
    let root = half.sqrt();
    let (t, z) = if small { (a, square) } else { (root, half) };
    let y = t + asin_half(t, z);
    let times = if small { 1.0 } else { 2.0 };
    (times * y, small)
}

#[inline(always)]
pub(super) fn asin(x: f32) -> f32 {
    let (y, small) = asin_or_acos(x);
    let rest = std::f64::consts::FRAC_PI_2 - y;
    let y = if small { y } else { rest };
    (y as f32).copysign(x)
}

#[inline(always)]
pub(super) fn acos(x: f32) -> f32 {
    let (y, small) = asin_or_acos(x);
    // acos x = π/2 - asin x, and acos(-x) = π - acos x.
    let (sign, turn) = if x < 0.0 { (-1.0, std::f64::consts::PI) } else { (1.0, 0.0) };
    let (sign, turn) = if small { (-sign, std::f64::consts::FRAC_PI_2) } else { (sign, turn) };
    (turn + sign * y) as f32
}
