//! Every `f32` function against a double reference over the whole range, every `f64` function against
//! values recorded with 60 digits, and the special values.

use super::{Float, circular};
use recorded::*;

mod recorded;

/// The distance of `y` from the true value `r` in units of the last place that `r` has as an `f32`.
fn ulps(y: f32, r: f64) -> f64 {
    if r.is_nan() || y.is_nan() {
        return if r.is_nan() && y.is_nan() { 0.0 } else { f64::INFINITY };
    }
    // What rounds to infinity is infinity; elsewhere the last place is that of the exponent of `r`.
    let rounded = r as f32;
    if rounded.is_infinite() || y.is_infinite() {
        return if rounded == y { 0.0 } else { f64::INFINITY };
    }
    let exponent = ((r.abs().to_bits() >> 52) as i32 - 1023).max(-126);
    (y as f64 - r).abs() / 2f64.powi(exponent - 23)
}

/// The distance of `y` from `r` in units of the last place of `r`.
fn ulps_double(y: f64, r: f64) -> f64 {
    if y == r || (y.is_nan() && r.is_nan()) {
        return 0.0;
    }
    (y - r).abs() / (f64::from_bits(r.abs().to_bits() + 1) - r.abs())
}

struct Case {
    name: &'static str,
    f: fn(f32) -> f32,
    reference: fn(f64) -> f64,
    /// Units in the last place.
    bound: f64,
}

macro_rules! cases {
    ($($name:ident, $reference:expr, $bound:expr;)*) => {
        &[$(Case { name: stringify!($name), f: |x| Float::$name(x), reference: $reference, bound: $bound }),*]
    };
}

fn sigmoid(x: f64) -> f64 {
    if x > 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// The standard library's `asinh` and `atanh` lose digits beside zero.
fn asinh(x: f64) -> f64 {
    let a = x.abs();
    (a + a * a / (1.0 + a.hypot(1.0))).ln_1p().copysign(x)
}

fn atanh(x: f64) -> f64 {
    (0.5 * (2.0 * x.abs() / (1.0 - x.abs())).ln_1p()).copysign(x)
}

fn acosh(x: f64) -> f64 {
    let t = x - 1.0;
    if x < 1.0 { f64::NAN } else { (t + (t * (t + 2.0)).sqrt()).ln_1p() }
}

const CASES: &[Case] = cases! {
    exp, f64::exp, 1.0;
    exp2, f64::exp2, 1.6;
    expm1, f64::exp_m1, 2.0;
    ln, f64::ln, 1.0;
    log2, f64::log2, 1.5;
    log10, f64::log10, 0.51;
    log1p, f64::ln_1p, 1.5;
    asin, f64::asin, 0.51;
    acos, f64::acos, 0.51;
    atan, f64::atan, 1.5;
    sinh, f64::sinh, 0.51;
    cosh, f64::cosh, 0.51;
    tanh, f64::tanh, 1.5;
    asinh, asinh, 0.51;
    acosh, acosh, 0.51;
    atanh, atanh, 0.51;
    sigmoid, sigmoid, 2.25;
    erf, Float::erf, 1.6;
    erfc, Float::erfc, 0.6;
    erfinv, Float::erfinv, 0.6;
    lgamma, Float::lgamma, 0.6;
    digamma, Float::digamma, 0.6;
};

const CIRCULAR: &[Case] = cases! {
    sin, f64::sin, 1.5;
    cos, f64::cos, 1.5;
    tan, f64::tan, 0.51;
};

/// The worst distance over every `stride`-th `f32` up to `limit` in size, both signs, and where it is.
fn worst(case: &Case, stride: usize, limit: f32) -> (f64, f32) {
    let mut worst = (-1.0, 0.0);
    for bits in (0..=limit.to_bits()).step_by(stride) {
        for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
            let distance = ulps((case.f)(x), (case.reference)(x as f64));
            if distance > worst.0 {
                worst = (distance, x);
            }
        }
    }
    worst
}

fn sweep(stride: usize) {
    let mut report = String::new();
    let mut wrong = 0;
    let all = CASES.iter().map(|c| (c, f32::INFINITY));
    for (case, limit) in all.chain(CIRCULAR.iter().map(|c| (c, f32::CIRCULAR_BOUND))) {
        let (distance, at) = worst(case, stride, limit);
        let mark = if distance <= case.bound { "" } else { "  <- beyond its bound" };
        wrong += (distance > case.bound) as usize;
        report += &format!("{:8} {distance:.3} ulp at {at:e}{mark}\n", case.name);
    }
    println!("{report}");
    assert_eq!(wrong, 0, "\n{report}");
}

#[test]
fn single_precision_is_right_over_the_whole_range() {
    sweep(65_521);
}

#[test]
#[ignore = "every f32 there is takes an hour; the test above always runs on one in 65,521"]
fn single_precision_is_right_everywhere() {
    sweep(1);
}

#[test]
fn pow_and_atan2_are_right_over_the_whole_range() {
    // Two walks through the bit patterns that share no period.
    let (mut p, mut q) = (0x1234_5678_u32, 0x9abc_def0_u32);
    let (mut worst_pow, mut worst_angle) = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0));
    for i in 0..200_000 {
        p = p.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        q = q.wrapping_mul(22_695_477).wrapping_add(1);
        let (x, y) = (f32::from_bits(p), f32::from_bits(q));
        // Half of the exponents such that the power stays in range, a quarter of them whole.
        let e = if i % 2 == 0 { y } else { (q >> 8) as f32 * 1e-6 - 8.0 };
        let e = if i % 8 == 1 { e.round() } else { e };
        let distance = ulps(Float::pow(x, e), (x as f64).powf(e as f64));
        if distance > worst_pow.0 {
            worst_pow = (distance, x, e);
        }
        let distance = ulps(Float::atan2(y, x), (y as f64).atan2(x as f64));
        if distance > worst_angle.0 {
            worst_angle = (distance, y, x);
        }
    }
    println!("pow {worst_pow:?}\natan2 {worst_angle:?}");
    assert!(worst_pow.0 < 0.51, "pow: {worst_pow:?}");
    assert!(worst_angle.0 < 2.0, "atan2: {worst_angle:?}");
}

/// The same value to the bit, or NaN both.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn special_values_of_two_arguments_are_those_of_c() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        3.0,
        0.5,
        -0.5,
        -2.5,
        1e-40,
        -1e-40,
        3e38,
        1e9,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    for x in values {
        for y in values {
            let (power, expected) = (Float::pow(x, y), (x as f64).powf(y as f64) as f32);
            assert!(same(power, expected), "pow({x:e}, {y:e}) is {power:e}, not {expected:e}");
            let (angle, expected) = (Float::atan2(x, y), x.atan2(y));
            let close = same(angle, expected) || (angle - expected).abs() <= 2.4e-7 * expected.abs();
            assert!(
                close && (angle.is_nan() || angle.is_sign_negative() == expected.is_sign_negative()),
                "atan2({x:e}, {y:e}) is {angle:e}, not {expected:e}"
            );
        }
    }
    for (base, exponent, power) in
        [(2.0, 3.0, 8.0), (-2.0, 3.0, -8.0), (3.0, 5.0, 243.0), (10.0, 10.0, 1e10), (2.0, -149.0, 1e-45)]
    {
        assert!(same(Float::pow(base, exponent), power), "pow({base}, {exponent})");
    }
}

#[test]
fn odd_functions_keep_the_sign_of_zero() {
    for case in CASES.iter().chain(CIRCULAR) {
        if (case.reference)(-0.0).to_bits() == (-0.0f64).to_bits() {
            assert!(same((case.f)(-0.0), -0.0), "{}(-0)", case.name);
            assert!(same((case.f)(0.0), 0.0), "{}(0)", case.name);
        }
    }
}

#[test]
fn whole_results_are_whole() {
    for i in -37..39 {
        let power = format!("1e{i}").parse::<f32>().unwrap();
        assert_eq!(Float::log10(power), i as f32);
        assert_eq!(Float::log2((i as f32).exp2()), i as f32);
        assert_eq!(Float::exp2(i as f32), 2f32.powi(i));
        assert_eq!(Float::exp2(i as f64), 2f64.powi(i));
    }
}

#[test]
fn poles_and_ends_of_doubles() {
    let inf = f64::INFINITY;
    for (name, got, expected) in [
        ("exp(-inf)", Float::exp(-inf), 0.0),
        ("exp(inf)", Float::exp(inf), inf),
        ("expm1(-inf)", Float::expm1(-inf), -1.0),
        ("expm1(inf)", Float::expm1(inf), inf),
        ("ln(0)", Float::ln(0.0), -inf),
        ("ln(inf)", Float::ln(inf), inf),
        ("ln(-1)", Float::ln(-1.0), f64::NAN),
        ("log1p(-1)", Float::log1p(-1.0), -inf),
        ("log1p(inf)", Float::log1p(inf), inf),
        ("sinh(-inf)", Float::sinh(-inf), -inf),
        ("cosh(-inf)", Float::cosh(-inf), inf),
        ("tanh(-inf)", Float::tanh(-inf), -1.0),
        ("asinh(-inf)", Float::asinh(-inf), -inf),
        ("acosh(0.5)", Float::acosh(0.5), f64::NAN),
        ("acosh(-3)", Float::acosh(-3.0), f64::NAN),
        ("acosh(inf)", Float::acosh(inf), inf),
        ("atanh(-1)", Float::atanh(-1.0), -inf),
        ("atanh(2)", Float::atanh(2.0), f64::NAN),
        ("sigmoid(-inf)", Float::sigmoid(-inf), 0.0),
        ("sigmoid(inf)", Float::sigmoid(inf), 1.0),
        ("erf(-inf)", Float::erf(-inf), -1.0),
        ("erfc(inf)", Float::erfc(inf), 0.0),
        ("erfc(-inf)", Float::erfc(-inf), 2.0),
        ("erfinv(-1)", Float::erfinv(-1.0), -inf),
        ("erfinv(1.5)", Float::erfinv(1.5), f64::NAN),
        ("lgamma(0)", Float::lgamma(0.0), inf),
        ("lgamma(-3)", Float::lgamma(-3.0), inf),
        ("lgamma(-inf)", Float::lgamma(-inf), inf),
        ("lgamma(inf)", Float::lgamma(inf), inf),
        ("lgamma(1)", Float::lgamma(1.0), 0.0),
        ("lgamma(2)", Float::lgamma(2.0), 0.0),
        ("digamma(0)", Float::digamma(0.0), -inf),
        ("digamma(-0)", Float::digamma(-0.0), inf),
        ("digamma(-2)", Float::digamma(-2.0), f64::NAN),
        ("digamma(inf)", Float::digamma(inf), inf),
    ] {
        assert!(got == expected || (got.is_nan() && expected.is_nan()), "{name} is {got}, not {expected}");
    }
    let unary: &[fn(f64) -> f64] = &[
        Float::exp,
        Float::exp2,
        Float::expm1,
        Float::ln,
        Float::log1p,
        Float::tanh,
        Float::sinh,
        Float::cosh,
        Float::asinh,
        Float::acosh,
        Float::atanh,
        Float::sigmoid,
        Float::erf,
        Float::erfc,
        Float::erfinv,
        Float::lgamma,
        Float::digamma,
        Float::gelu,
        Float::gelu_tanh,
        Float::silu,
        Float::log_sigmoid,
    ];
    for (i, f) in unary.iter().enumerate() {
        assert!(f(f64::NAN).is_nan(), "function {i} of NaN");
    }
    let single: &[fn(f32) -> f32] = &[
        Float::exp,
        Float::exp2,
        Float::expm1,
        Float::ln,
        Float::log1p,
        Float::tanh,
        Float::sinh,
        Float::cosh,
        Float::asinh,
        Float::acosh,
        Float::atanh,
        Float::sigmoid,
        Float::erf,
        Float::erfc,
        Float::erfinv,
        Float::lgamma,
        Float::digamma,
        Float::gelu,
        Float::gelu_tanh,
        Float::silu,
        Float::log_sigmoid,
    ];
    for (i, f) in single.iter().enumerate() {
        assert!(f(f32::NAN).is_nan(), "function {i} of NaN in f32");
    }
}

#[test]
fn circular_functions_are_right_at_any_size() {
    let x: Vec<f32> =
        (0..100).map(|i| (i as f32 - 50.0) * 10f32.powi(i % 38)).chain([f32::INFINITY, f32::NAN]).collect();
    let mut y = vec![0.0; x.len()];
    circular(&x, &mut y, Float::sin, Float::sin_any);
    for (x, y) in x.iter().zip(&y) {
        assert!(ulps(*y, (*x as f64).sin()) < 1.5, "sin({x:e}) is {y}");
    }
    circular(&x, &mut y, Float::tan, Float::tan_any);
    for (x, y) in x.iter().zip(&y) {
        assert!(ulps(*y, (*x as f64).tan()) < 1.5, "tan({x:e}) is {y}");
    }
}

/// What PyTorch gives for these, in double.
#[test]
fn activations() {
    for (x, gelu, gelu_tanh, silu, softplus, log_sigmoid) in ACTIVATIONS {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-14 * (1.0 + b.abs());
        assert!(near(Float::gelu(*x), *gelu), "gelu({x})");
        assert!(near(Float::gelu_tanh(*x), *gelu_tanh), "gelu_tanh({x})");
        assert!(near(Float::silu(*x), *silu), "silu({x})");
        assert!(near(Float::softplus(*x, 2.0, 5.0), *softplus), "softplus({x})");
        assert!(near(Float::log_sigmoid(*x), *log_sigmoid), "log_sigmoid({x})");
        assert!((Float::gelu(*x as f32) as f64 - gelu).abs() < 3e-7, "gelu({x}) in single precision");
    }
    assert!(Float::maximum(1.0, f64::NAN).is_nan() && Float::minimum(f64::NAN, 1.0).is_nan());
    assert_eq!((Float::maximum(1.0, 2.0), Float::minimum(1.0, 2.0), Float::round(2.5)), (2.0, 1.0, 2.0));
}

/// The worst distance of `f` from the recorded values.
fn worst_recorded(f: fn(f64) -> f64, recorded: &[(f64, f64)]) -> (f64, f64) {
    recorded.iter().map(|&(x, y)| (ulps_double(f(x), y), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
}

#[test]
fn double_precision_is_right_where_recorded() {
    let mut report = String::new();
    let mut wrong = 0;
    for (name, f, recorded, bound) in [
        ("erf", Float::erf as fn(f64) -> f64, ERF, 1.5),
        ("erfc", Float::erfc as fn(f64) -> f64, ERFC, 4.0),
        ("erfinv", Float::erfinv as fn(f64) -> f64, ERFINV, 3.0),
        ("lgamma", Float::lgamma as fn(f64) -> f64, LGAMMA, 4.0),
        ("digamma", Float::digamma as fn(f64) -> f64, DIGAMMA, 8.0),
        ("ln", Float::ln as fn(f64) -> f64, LN, 1.0),
        ("log1p", Float::log1p as fn(f64) -> f64, LOG1P, 2.0),
        ("exp", Float::exp as fn(f64) -> f64, EXP, 1.5),
        ("exp2", Float::exp2 as fn(f64) -> f64, EXP2, 1.5),
        ("expm1", Float::expm1 as fn(f64) -> f64, EXPM1, 2.0),
        ("tanh", Float::tanh as fn(f64) -> f64, TANH, 2.0),
        ("sinh", Float::sinh as fn(f64) -> f64, SINH, 2.0),
        ("cosh", Float::cosh as fn(f64) -> f64, COSH, 2.0),
        ("asinh", Float::asinh as fn(f64) -> f64, ASINH, 2.0),
        ("acosh", Float::acosh as fn(f64) -> f64, ACOSH, 2.0),
        ("atanh", Float::atanh as fn(f64) -> f64, ATANH, 2.0),
        ("sigmoid", Float::sigmoid as fn(f64) -> f64, SIGMOID, 2.0),
    ] {
        let (distance, at) = worst_recorded(f, recorded);
        let mark = if distance <= bound { "" } else { "  <- beyond its bound" };
        wrong += (distance > bound) as usize;
        report += &format!("{name:8} {distance:.2} ulp at {at:e}{mark}\n");
    }
    println!("{report}");
    assert_eq!(wrong, 0, "\n{report}");
}
