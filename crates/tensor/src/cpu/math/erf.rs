//! The error function, its complement and its inverse.
//!
//! Near zero `erf` is an odd polynomial; elsewhere the complement is `exp(-x²)` times `erfcx`, the scaled
//! complement, which falls so gently that one polynomial in `t = (x - k) / (x + k)` holds it from zero to
//! where `erfc` vanishes.

use super::double;

const TWO_OVER_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;
const SQRT_PI_OVER_2: f64 = 0.886_226_925_452_758;

/// `erf a - a` for `|a| ≤ 0.9`.
#[inline(always)]
fn erf_small(a: f64) -> f64 {
    let z = a * a;
    a * poly!(z;
        0.1283791670955126, -0.37612638903183726, 0.11283791670953704, -0.026866170644806585,
        0.0052239776216027435, -0.0008548326754893656, 0.00012055321041311339, -1.4925299720137108e-5,
        1.6455213658079043e-6, -1.6275473699077126e-7, 1.4046035224509641e-8, -8.481823824189512e-10
    )
}

/// `erfc a` for `a ≥ 0.8`.
#[inline(always)]
fn erfc_large(a: f64) -> f64 {
    let a = if a > 27.3 { 27.3 } else { a };
    // a² = head² + rest, the first exact: a rounded square would cost the exponential its last digits.
    let head = f64::from_bits(a.to_bits() & 0xffff_ffff_f800_0000);
    let e = double::exp_sum(-head * head, -(a - head) * (a + head));
    e * erfcx_large(a)
}

/// `exp(a²) erfc a` for `0.8 ≤ a ≤ 27.3`.
#[inline(always)]
pub(crate) fn erfcx_large(a: f64) -> f64 {
    let t = (a - 4.0) / (a + 4.0);
    let p = poly!(t;
        1.2329951186255526, -0.13962111684056247, 0.015379652102619998, 0.06809705425468732,
        -0.10103906603632103, 0.09373283499860025, -0.0663303658118, 0.037167515532126515,
        -0.01619773406292828, 0.005031970041027578, -0.0007577732551055438, -0.00019925714325562445,
        0.00015062156847625162, -2.4397190594837273e-5, -1.1221980472651326e-5, 5.703858424744869e-6,
        2.9460681973834424e-7, -8.146383640139882e-7, 7.197039804141878e-8, 9.82578800095331e-8,
        -1.433007897682212e-8, -7.465704713949533e-9
    );
    p / (1.0 + 2.0 * a)
}

#[inline(always)]
pub(super) fn erf(x: f64) -> f64 {
    let a = x.abs();
    let (small, large) = (a + erf_small(a), 1.0 - erfc_large(a));
    let y = if a < 0.8 { small } else { large };
    y.copysign(x)
}

#[inline(always)]
pub(super) fn erfc(x: f64) -> f64 {
    let a = x.abs();
    let small = 1.0 - (x + erf_small(x));
    let tail = erfc_large(a);
    let rest = 2.0 - tail;
    let large = if x < 0.0 { rest } else { tail };
    if a < 0.8 { small } else { large }
}

/// `erfc` in single precision, computed in double.
#[inline(always)]
pub(super) fn erfc_f32(x: f32) -> f32 {
    let a = (x as f64).abs();
    let b = if a > 10.2 { 10.2 } else { a };
    let t = (b - 3.0) / (b + 3.0);
    let p = poly!(t;
        0.17900115126474117, -0.3262335638272783, 0.24560379755895448, -0.15011578180456614,
        0.07166586424860372, -0.024394231639417764, 0.004268875897108032, 0.0007157310962135127,
        -0.0005945692198279417, 2.8880336567411952e-5, 5.591579928843033e-5
    );
    let tail = double::exp_mid(-b * b) * p;
    let rest = 2.0 - tail;
    let y = if x < 0.0 { rest } else { tail };
    y as f32
}

/// `erfinv` in single precision: `x` times a polynomial in `w / (w + 8)`, where `w = -ln(1 - x²)` (after
/// M. Giles, "Approximating the erfinv function", with another variable and fit).
#[inline(always)]
pub(super) fn erfinv_f32(x: f32) -> f32 {
    let d = x as f64;
    let w = -double::ln_mid(1.0 - d * d);
    let t = w / (w + 8.0);
    let p = poly!(t;
        0.8862269229616894, 1.8561106848146491, 2.595149651781263, 2.1425406664445945, -0.08613522936650361,
        -2.806335634340492, 0.7860735124380166, -60.565493480247106, 449.32122803575606, -1851.622718698389,
        5204.178401121919, -9327.480077616232, 10036.782481104558, -5921.903023871575, 1483.379083055508
    );
    erfinv_ends(d, d * p) as f32
}

#[inline(always)]
fn erfinv_ends(x: f64, y: f64) -> f64 {
    let a = x.abs();
    let y = if a == 1.0 { f64::INFINITY.copysign(x) } else { y };
    if a <= 1.0 { y } else { f64::NAN }
}

#[inline(always)]
pub(super) fn erfinv(x: f64) -> f64 {
    let a = x.abs();
    let w = -double::ln((1.0 - a) * (1.0 + a));
    let t = w / (w + 12.0);
    let p = poly!(t;
        0.8862269956207602, 2.784114237004645, 4.453024645415587, 1.816955908503986, -1.0166489919817214,
        -95.30940594210628, 718.300076915044, -4046.1131294137817, 16320.305527744751, -43434.34312348522,
        76086.5213823299, -87620.5757927692, 64344.32078919935, -27511.5253520601, 5250.637874012961
    );
    let guess = a * p;
    // One of Halley's steps takes 23 bits beyond 53. The residue is that of the complement where it is the
    // smaller one.
    let tail = erfc_large(guess);
    let slope = TWO_OVER_SQRT_PI * double::exp(-guess * guess);
    let (near, far) = ((guess + erf_small(guess)) - a, (1.0 - a) - tail);
    let residue = if guess < 0.8 { near } else { far };
    let step = residue / slope;
    let y = guess - step / (1.0 + guess * step);
    let line = a * SQRT_PI_OVER_2;
    let y = if a < 1e-9 { line } else { y };
    erfinv_ends(x, y.copysign(x))
}
