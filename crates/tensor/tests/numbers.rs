//! Numbers that go into tensors: what a dtype does not hold is an error, what is cast wraps or is cut, and ranges of
//! integers are computed in integers. Right values are PyTorch's (2.15, on x86-64).

use flambeau_tensor::{Complex, DType, Result, Scalar, Tensor, cat, einsum, masked, result_type, tensor};

const NAN: f64 = f64::NAN;

fn of(dtype: DType) -> Tensor {
    Tensor::from_slice(&[1u8, 2], 2).unwrap().to_dtype(dtype).unwrap()
}

fn reals(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// What each op stores of `value` into a tensor of `dtype`: the number, or an error.
fn stored(value: Scalar, dtype: DType) -> Vec<(&'static str, Result<Tensor>)> {
    let (x, mask) = (of(dtype), Tensor::from_slice(&[true, false], 2).unwrap());
    let index = Tensor::from_slice(&[0i64], 1).unwrap();
    let written = |f: &dyn Fn(&Tensor) -> Result<()>| {
        let y = x.copy()?;
        match f(&y) {
            Ok(()) => y.i(0),
            Err(error) => {
                // Nothing is written where it fails.
                assert_eq!(reals(&y), [1.0, 2.0]);
                Err(error)
            }
        }
    };
    vec![
        ("full", Tensor::full([2], value).dtype(dtype).build().and_then(|x| x.i(1))),
        ("full_like", x.full_like(value).and_then(|x| x.i(1))),
        ("fill_", written(&|x| x.fill_(value).map(|_| ()))),
        ("masked_fill", x.masked_fill(&mask, value).and_then(|x| x.i(0))),
        ("masked_fill_", written(&|x| x.masked_fill_(&mask, value).map(|_| ()))),
        ("index_fill", x.index_fill(0, &index, value).and_then(|x| x.i(0))),
        ("scatter", x.scatter(0, &index, value).and_then(|x| x.i(0))),
        ("scatter_", written(&|x| x.scatter_(0, &index, value).map(|_| ()))),
        ("pad", x.pad(&[1, 0], value).and_then(|x| x.i(0))),
        ("fit", x.fit(0, 3, value).and_then(|x| x.i(2))),
        ("set", written(&|x| x.set(..1, value).map(|_| ()))),
        ("set by a mask", written(&|x| x.set(&mask, value).map(|_| ()))),
        ("set by index", written(&|x| x.set(&index, value).map(|_| ()))),
    ]
}

#[test]
fn a_number_that_the_dtype_does_not_hold_is_not_stored() {
    use DType::*;
    let (whole, real) = (Scalar::Int, Scalar::Float);
    let imaginary = Scalar::Complex(Complex::new(1.0, 1.0));
    for (dtype, values) in [
        (U8, &[whole(300), whole(256), whole(-256), real(-1.0), real(-0.5), real(NAN), imaginary][..]),
        (I8, &[whole(128), whole(-129), real(128.0), real(f64::INFINITY)]),
        (I16, &[whole(70_000), real(1e20)]),
        (I32, &[whole(1 << 31), real(3e9)]),
        (I64, &[real(1e20), real(NAN), real(2f64.powi(63)), real(f64::NEG_INFINITY)]),
        (F16, &[whole(70_000), real(65_510.0), imaginary]),
        (F32, &[real(1e300), imaginary]),
        (Complex64, &[real(1e300), Scalar::Complex(Complex::new(0.0, 1e300))]),
    ] {
        for value in values {
            for (op, result) in stored(*value, dtype) {
                let message = result.expect_err(&format!("{op} of {value} in {dtype}")).to_string();
                assert!(message.contains(&format!("{value} does not fit {dtype}")), "{message}");
            }
        }
    }
}

#[test]
fn a_number_is_stored_as_the_dtype_has_it() {
    use DType::*;
    let (whole, real) = (Scalar::Int, Scalar::Float);
    for (dtype, value, right) in [
        (U8, whole(-1), 255.0),
        (U8, whole(-255), 1.0),
        (U8, whole(255), 255.0),
        (I8, real(-0.5), 0.0),
        (I64, real(-1.5), -1.0),
        (I64, real(-2f64.powi(63)), -2f64.powi(63)),
        (I64, Scalar::Bool(true), 1.0),
        (I32, Scalar::Complex(Complex::new(3.0, 0.0)), 3.0),
        (Bool, whole(300), 1.0),
        (Bool, real(NAN), 1.0),
        (Bool, Scalar::Complex(Complex::new(0.0, 1.0)), 1.0),
        (F16, real(65_504.0), 65_504.0),
        (F16, real(f64::INFINITY), f64::INFINITY),
        (F32, real(f64::NEG_INFINITY), f64::NEG_INFINITY),
    ] {
        for (op, result) in stored(value, dtype) {
            assert_eq!(reals(&result.unwrap()), [right], "{op} of {value} in {dtype}");
        }
    }
    for (op, result) in stored(real(NAN), BF16) {
        assert!(reals(&result.unwrap())[0].is_nan(), "{op}");
    }
}

#[test]
fn casts_of_floating_point_to_integers() {
    let x = [NAN, 1e20, -1e20, 3e9, -2f64.powi(40), 70_000.0, 300.0, -1.0, -1.9, f64::INFINITY];
    let (low64, low32) = (i64::MIN as f64, i32::MIN as f64);
    let right: [(DType, [f64; 10]); 5] = [
        (DType::I64, [low64, low64, low64, 3e9, -2f64.powi(40), 70_000.0, 300.0, -1.0, -1.0, low64]),
        (DType::I32, [low32, low32, low32, low32, low32, 70_000.0, 300.0, -1.0, -1.0, low32]),
        (DType::I16, [0.0, 0.0, 0.0, 0.0, 0.0, 4464.0, 300.0, -1.0, -1.0, 0.0]),
        (DType::I8, [0.0, 0.0, 0.0, 0.0, 0.0, 112.0, 44.0, -1.0, -1.0, 0.0]),
        (DType::U8, [0.0, 0.0, 0.0, 0.0, 0.0, 112.0, 44.0, 255.0, 255.0, 0.0]),
    ];
    // Alone, in vector code, and with gaps.
    let one = Tensor::from_slice(&x, x.len()).unwrap();
    let many = one.expand([50, x.len()]).unwrap().copy().unwrap();
    for (dtype, right) in right {
        assert_eq!(reals(&one.to_dtype(dtype).unwrap()), right, "{dtype}");
        for x in [many.clone(), many.t().unwrap().contiguous().unwrap().t().unwrap()] {
            let cast = reals(&x.to_dtype(dtype).unwrap());
            assert!(cast.chunks(right.len()).all(|row| row == right), "{dtype}");
        }
    }
    let far = Tensor::from_slice(&[2f64.powi(40) + 7.0], 1).unwrap();
    assert_eq!(reals(&far.to_dtype(DType::U8).unwrap()), [7.0]);
    let singles = Tensor::from_slice(&[f32::NAN, 1e20, 3e9, -7.9], 4).unwrap();
    assert_eq!(reals(&singles.to_dtype(DType::I64).unwrap()), [low64, low64, 3e9, -7.0]);
    assert_eq!(reals(&singles.to_dtype(DType::I32).unwrap()), [low32, low32, low32, -7.0]);
    let halves = Tensor::from_slice(&[f32::NAN, f32::INFINITY, -1.0, 300.0], 4).unwrap().to_dtype(DType::F16).unwrap();
    assert_eq!(reals(&halves.to_dtype(DType::U8).unwrap()), [0.0, 0.0, 255.0, 44.0]);
}

#[test]
fn ranges_of_integers() {
    let range =
        |a: f64, b: f64, step: f64, dtype| reals(&Tensor::arange_step(a, b, step).dtype(dtype).build().unwrap());
    // Start and step are cut to integers; how many there are is told before.
    for dtype in [DType::I64, DType::I32, DType::I8] {
        assert_eq!(range(-1.5, 1.5, 1.0, dtype), [-1.0, 0.0, 1.0]);
        assert_eq!(range(0.5, 3.5, 0.9, dtype), [0.0; 4]);
        assert_eq!(range(0.0, 5.0, 1.5, dtype), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(range(5.0, 0.0, -1.5, dtype), [5.0, 4.0, 3.0, 2.0]);
        assert_eq!(range(2.9, 0.1, -1.0, dtype), [2.0, 1.0, 0.0]);
    }
    assert_eq!(range(-1.5, 1.5, 1.0, DType::U8), [255.0, 0.0, 1.0]);
    assert_eq!(reals(&Tensor::arange(300, 303).dtype(DType::I8).build().unwrap()), [44.0, 45.0, 46.0]);
    let large = Tensor::arange(1i64 << 53, (1i64 << 53) + 3).build().unwrap();
    assert_eq!(large.to_vec::<i64>().unwrap(), [1 << 53, (1 << 53) + 1, (1 << 53) + 2]);
    for dtype in [DType::Bool, DType::Complex64] {
        assert!(Tensor::arange(0, 3).dtype(dtype).build().is_err(), "{dtype}");
    }
    assert!(Tensor::arange(0.0, NAN).build().is_err() && Tensor::arange(0.0, f64::INFINITY).build().is_err());
    assert!(Tensor::arange_step(1e20, 2e20, 1e19).dtype(DType::I64).build().is_err());
}

#[test]
fn how_many_a_range_has() {
    assert_eq!(Tensor::arange_step(0.1, 0.5, 0.05).build().unwrap().numel(), 8);
    assert_eq!(Tensor::arange(3, 3).build().unwrap().numel(), 0);
    assert!(Tensor::arange(3, 0).build().is_err() && Tensor::arange_step(0, 3, 0).build().is_err());
}

#[test]
fn values_between_two_ends() {
    let between = |a: f64, b: f64, n, dtype| reals(&Tensor::linspace(a, b, n).dtype(dtype).build().unwrap());
    for dtype in [DType::I64, DType::I32] {
        assert_eq!(between(0.9, 10.9, 4, dtype), [0.0, 3.0, 6.0, 10.0]);
        assert_eq!(between(-1.5, 1.5, 4, dtype), [-1.0, 0.0, 0.0, 1.0]);
        assert_eq!(between(-10.0, 0.0, 4, dtype), [-10.0, -6.0, -3.0, 0.0]);
        assert_eq!(between(1.0, 5.0, 1, dtype), [1.0]);
    }
    assert_eq!(reals(&Tensor::linspace(-5, 5, 4).dtype(DType::U8).build().unwrap()), [251.0, 169.0, 87.0, 5.0]);
    // Half precision rounds the step, and each multiple of it.
    assert_eq!(between(0.0, 1000.0, 7, DType::F16), [0.0, 166.625, 333.25, 500.0, 666.5, 833.5, 1000.0]);
    assert_eq!(between(0.0, 1000.0, 7, DType::BF16), [0.0, 167.0, 334.0, 500.0, 668.0, 832.0, 1000.0]);
    let far = Tensor::linspace(0.0, 8198.0, 4100).build().unwrap();
    assert_eq!(reals(&far.narrow(0, 4094, 3).unwrap()), [8188.0, 8190.0, 8192.0]);
    let complex = Tensor::linspace(0, Complex::new(10.0, 5.0), 3).build().unwrap().to_vec::<Complex<f32>>().unwrap();
    assert_eq!(complex, [Complex::new(0.0, 0.0), Complex::new(5.0, 2.5), Complex::new(10.0, 5.0)]);
    for (end, dtype) in [(300.0, DType::U8), (NAN, DType::I64), (1e300, DType::F32), (1.0, DType::Bool)] {
        assert!(Tensor::linspace(0.0, end, 4).dtype(dtype).build().is_err(), "{end} in {dtype}");
    }
}

#[test]
fn a_complex_number_beside_a_real_tensor_is_of_its_precision() {
    let one = |dtype| Tensor::full((), 1).dtype(dtype).build().unwrap();
    for (tensor, number, right) in [
        (DType::F32, DType::Complex128, DType::Complex64),
        (DType::F64, DType::Complex64, DType::Complex128),
        (DType::I64, DType::Complex128, DType::Complex128),
        (DType::Complex64, DType::Complex128, DType::Complex64),
        (DType::Complex64, DType::F64, DType::Complex64),
        (DType::I64, DType::F64, DType::F64),
    ] {
        assert_eq!(result_type(&of(tensor), &one(number)), right, "{tensor} and {number}");
        assert_eq!(of(tensor).mul(&one(number)).unwrap().dtype(), right, "{tensor} and {number}");
    }
    assert_eq!(result_type(&one(DType::F32), &one(DType::Complex128)), DType::Complex128);
}

#[test]
fn integer_division_at_its_edges() {
    let (a, b) = (Tensor::from_slice(&[i64::MIN, 7, -7], 3).unwrap(), Tensor::from_slice(&[-1i64, -2, 2], 3).unwrap());
    let whole = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
    assert_eq!(whole(a.floor_divide(&b)), [i64::MIN, -4, -4]);
    assert_eq!(whole(a.div_trunc(&b)), [i64::MIN, -3, -3]);
    assert_eq!(whole(a.remainder(&b)), [0, -1, 1]);
    assert_eq!(whole(a.fmod(&b)), [0, 1, -1]);
    let zero = Tensor::from_slice(&[1i64, 0, 1], 3).unwrap();
    assert!(a.remainder(&zero).is_err() && a.fmod(&zero).is_err() && a.floor_divide(&zero).is_err());
}

#[test]
fn powers_of_integers() {
    let x = Tensor::from_slice(&[1i64, 2, -1, 0], 4).unwrap();
    for x in [x.clone(), x.to_dtype(DType::U8).unwrap(), x.to_dtype(DType::Bool).unwrap()] {
        let message = x.pow(-1).unwrap_err().to_string();
        assert!(message.contains("no power of -1"), "{message}");
    }
    assert!(x.copy().unwrap().pow_(-2).is_err());
    assert!(x.to_dtype(DType::U8).unwrap().pow(300).is_err());
    // An exponent that is a tensor leaves what is whole of the quotient.
    let exponents = Tensor::from_slice(&[-1i64, -1, -3, -2], 4).unwrap();
    assert_eq!(x.pow(&exponents).unwrap().to_vec::<i64>().unwrap(), [1, 0, -1, 0]);
    assert_eq!(reals(&x.pow(-1.0).unwrap()), [1.0, 0.5, -1.0, f64::INFINITY]);
    let truth = x.to_dtype(DType::Bool).unwrap();
    assert_eq!(
        (reals(&truth.square().unwrap()), truth.square().unwrap().dtype()),
        (vec![1.0, 1.0, 1.0, 0.0], DType::I64)
    );
    assert_eq!(Tensor::from_slice(&[16u8, 3], 2).unwrap().square().unwrap().to_vec::<u8>().unwrap(), [0, 9]);
}

#[test]
fn bounds_beyond_the_dtype() {
    let x = Tensor::from_slice(&[0u8, 1, 5], 3).unwrap();
    assert_eq!(reals(&x.hardtanh(-1.0, 1.0).unwrap()), [0.0, 1.0, 1.0]);
    assert_eq!(reals(&x.clamp(-300, 2).unwrap()), [0.0, 1.0, 2.0]);
    assert_eq!(reals(&x.clamp(1, 300).unwrap()), [1.0, 1.0, 5.0]);
    // Between these bounds is nothing that the dtype has.
    assert!(x.clamp(300, ..).is_err() && x.clamp(.., -1).is_err() && x.copy().unwrap().clamp_(.., -1).is_err());
    assert!(of(DType::F16).clamp(.., 70_000.0).is_err() && of(DType::F32).clamp(1e300, ..).is_err());
    let wide = Tensor::from_slice(&[-3i64, 0, 5], 3).unwrap();
    assert_eq!(reals(&wide.hardtanh(-1.9, 1.9).unwrap()), [-1.0, 0.0, 1.0]);
}

/// `torch.uint16`, `uint32`, `uint64`, by what PyTorch 2.15 gives.
#[test]
fn wide_unsigned_integers_are_kept_moved_compared_and_cast() -> Result<()> {
    let big = Tensor::from_vec(vec![1u64, 1 << 63, u64::MAX], 3)?;
    assert_eq!(big.i(2)?.item::<u64>()?, u64::MAX);
    assert_eq!(format!("{}", big.i(1..)?), "tensor([ 9223372036854775808, 18446744073709551615], dtype=torch.uint64)");
    assert_eq!(big.to_dtype(DType::F64)?.to_vec::<f64>()?, [1.0, 2f64.powi(63), 2f64.powi(64)]);
    assert_eq!(big.to_dtype(DType::I64)?.to_vec::<i64>()?, [1, i64::MIN, -1]);
    assert_eq!(big.to_dtype(DType::U16)?.to_vec::<u16>()?, [1, 0, 65535]);
    assert_eq!(big.gt(&big.flip(0)?)?.to_vec::<bool>()?, [false, false, true]);
    assert_eq!(big.lt(7)?.to_vec::<bool>()?, [true, false, false]);
    assert_eq!(big.eq(u64::MAX)?.to_vec::<bool>()?, [false, false, true]);
    assert_eq!(big.masked_fill(big.gt(1)?, 5)?.to_vec::<u64>()?, [1, 5, 5]);

    let x = Tensor::from_vec(vec![1.5, -1.0, 70000.0, f64::NAN, 1e19, 1e20], 6)?;
    assert_eq!(x.i(..4)?.to_dtype(DType::U16)?.to_vec::<u16>()?, [1, 65535, 4464, 0]);
    let wide = [1, u64::MAX, 70000, 1 << 63, 10_000_000_000_000_000_000, 0];
    assert_eq!(x.to_dtype(DType::U64)?.to_vec::<u64>()?, wide);
    assert_eq!(tensor!([-1i64, 70000]).to_dtype(DType::U16)?.to_vec::<u16>()?, [65535, 4464]);

    let small = Tensor::from_vec(vec![3u16, 1, 65535], 3)?;
    assert_eq!(small.i(vec![2, 0])?.to_vec::<u16>()?, [65535, 3]);
    assert_eq!(cat(&[&small, &small.flip(0)?], 0)?.to_vec::<u16>()?, [3, 1, 65535, 65535, 1, 3]);
    assert_eq!(small.to_dtype(DType::F32)?.add(0.5)?.to_vec::<f32>()?, [3.5, 1.5, 65535.5]);
    assert_eq!(small.add(tensor!([0.5, 1.0, 2.0]))?.to_vec::<f32>()?, [3.5, 2.0, 65537.0]);
    assert_eq!(small.mul(2)?.to_vec::<u16>()?, [6, 2, 65534]);
    assert_eq!(Tensor::full(2, -1).dtype(DType::U32).build()?.to_vec::<u32>()?, [u32::MAX; 2]);
    assert_eq!(Tensor::full(1, u64::MAX).dtype(DType::U64).build()?.to_vec::<u64>()?, [u64::MAX]);
    assert!(small.fill_(70000).is_err() && Tensor::full(1, u64::MAX).dtype(DType::I64).build().is_err());
    for other in [DType::Bool, DType::U8, DType::I16, DType::U32] {
        let error = small.add(small.to_dtype(other)?).unwrap_err().to_string();
        assert!(error.contains("have no dtype in common"), "{error}");
    }
    assert!(small.exp()?.dtype() == DType::F32 && small.maximum(&small).is_err());
    Ok(())
}

/// An op that computes in floating point does not bring a number into the integers beside it first.
#[test]
fn a_number_beside_integers_is_taken_as_it_is() -> Result<()> {
    let x = Tensor::from_slice(&[0u8, 1, 5], 3)?;
    let close = |y: Tensor, right: [f32; 3]| {
        let y = y.to_vec::<f32>().unwrap();
        assert!(y.iter().zip(right).all(|(y, r)| (y - r).abs() <= 1e-6 * r.abs() || y.is_nan() && r.is_nan()), "{y:?}");
    };
    close(x.xlogy(300)?, [0.0, 5.703_782_6, 28.518_913]);
    close(x.xlogy(-1)?, [0.0, f32::NAN, f32::NAN]);
    close(flambeau_tensor::special::xlog1py(&x, 300)?, [0.0, 5.707_110_4, 28.535_552]);
    let turned = x.copysign(-1)?;
    close(turned.clone(), [0.0, -1.0, -5.0]);
    assert_eq!(turned.signbit()?.to_vec::<bool>()?, [true; 3]);
    close(x.ldexp(-1)?, [0.0, 0.5, 2.5]);
    Ok(())
}

#[test]
fn factors_that_the_dtype_does_not_hold() -> Result<()> {
    let x = Tensor::from_slice(&[0u8, 1, 5], 3)?;
    let (index, source) = (tensor!([1i64, 1]), x.i(1..)?);
    for alpha in [Scalar::Int(300), Scalar::Int(-300), Scalar::Float(-0.5), Scalar::Float(1e20), Scalar::Float(NAN)] {
        let message = x.index_add(0, &index, &source, alpha).unwrap_err().to_string();
        assert!(message.contains("does not fit uint8"), "{message}");
    }
    // Of integers what is behind the point does not count.
    assert_eq!(x.index_add(0, &index, &source, 3.5)?.to_vec::<u8>()?, [0, 19, 5]);
    assert_eq!(x.index_add(0, &index, &source, -1)?.to_vec::<u8>()?, [0, 251, 5]);
    // Half precision is computed in f32, which has such factors.
    let half = tensor!([[0.0, 1.0]]).to_dtype(DType::F16)?;
    let far = half.addmm(&half.i((.., 1..))?, &half, 0, 1i64 << 40)?;
    assert_eq!(far.to_dtype(DType::F32)?.to_vec::<f32>()?, [0.0, f32::INFINITY]);
    Ok(())
}

#[test]
fn truth_values_are_not_subtracted_and_widen_no_integers() -> Result<()> {
    let (mask, x) = (tensor!([false, true, true]), Tensor::from_slice(&[0u8, 1, 5], 3)?);
    for refused in [mask.sub(&mask), mask.sub(1), x.sub(&mask), mask.sub(&x), mask.rsub(1), mask.sub(0.5)] {
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("not defined for bool"), "{message}");
    }
    assert!(x.sub_(&mask).is_err() && mask.addcmul(&mask, &mask, 2).is_err());
    let sum = x.addcmul(&mask, &mask, 2)?;
    assert_eq!((sum.dtype(), sum.to_vec::<u8>()?), (DType::U8, vec![0, 3, 7]));
    assert!(x.lerp(&x, 0.5).is_err() && x.softshrink(0.5).is_err() && x.hardshrink(0.5).is_err());
    Ok(())
}

/// What PyTorch computes in `f32` and rounds once.
#[test]
fn half_precision_is_rounded_at_the_end() -> Result<()> {
    let half = |x: &[f64]| Tensor::from_slice(x, x.len()).unwrap().to_dtype(DType::F16).unwrap();
    assert_eq!(reals(&half(&[1e4, -1e4, 0.25]).round_decimals(1)?), [1e4, -1e4, 0.199_951_171_875]);
    assert_eq!(reals(&half(&[0.5, -2.5, 3.5]).sinc()?), [0.636_718_75, 0.127_319_335_937_5, -0.090_942_382_812_5]);
    let powers = half(&[1.0, 0.0, 2.5]).ldexp(tensor!([3i64, 1, 2]))?;
    assert_eq!((powers.dtype(), reals(&powers)), (DType::F16, vec![8.0, 0.0, 10.0]));
    // 2²⁰⁰ is no f32, the products are.
    assert_eq!(tensor!([1e-30, 1e-38]).ldexp(tensor!([200i64, 127]))?.isfinite()?.to_vec::<bool>()?, [true, true]);
    // A replacement beyond the dtype is its infinity.
    assert_eq!(reals(&half(&[NAN, 1.0]).nan_to_num(Some(1e20), None, None)?), [f64::INFINITY, 1.0]);
    assert_eq!(reals(&half(&[f64::INFINITY]).nan_to_num(None, Some(-1e20), None)?), [f64::NEG_INFINITY]);
    Ok(())
}

/// What PyTorch refuses is refused.
#[test]
fn what_has_no_truth_values_and_no_integers() -> Result<()> {
    let (mask, x) = (tensor!([true, false, true]), tensor!([1i64, 2, 3]));
    let of_bool = [
        mask.abs(),
        mask.relu(),
        mask.remainder(&mask),
        mask.fmod(true),
        mask.floor_divide(&mask),
        mask.div_trunc(true),
        mask.median_all(),
        mask.nanmedian_all(),
        mask.argmax(0),
        mask.argmin_all(),
        mask.median(0).map(|m| m.values),
        mask.kthvalue(1, 0).map(|m| m.values),
        mask.topk(1).map(|m| m.values),
        mask.logcumsumexp(0),
        mask.igamma(&mask),
        mask.prelu(&mask),
    ];
    for (i, refused) in of_bool.into_iter().enumerate() {
        let message = refused.unwrap_err().to_string();
        let said = message.contains("not defined for bool") || message.contains("the tensor is bool");
        assert!(said, "{i}: {message}");
    }
    for refused in [x.logcumsumexp(0), x.igamma(&x), x.igammac(&x), x.prelu(tensor!([2i64])), x.nextafter(&x)] {
        let message = refused.unwrap_err().to_string();
        let said = message.contains("not defined for int64") || message.contains("the tensor is int64");
        assert!(said, "{message}");
    }
    // What one of the two widens, is.
    assert_eq!(mask.remainder(2)?.to_vec::<i64>()?, [1, 0, 1]);
    for (found, right) in
        reals(&x.igamma(tensor!([1.0, 2.0, 3.0]))?).iter().zip([0.632_120_559, 0.593_994_150, 0.576_809_919])
    {
        assert!((found - right).abs() < 1e-6, "{found}, not {right}");
    }
    assert_eq!(mask.mode(0)?.values.item::<bool>()?, true);
    assert_eq!(mask.max_dim(0)?.indices.item::<i64>()?, 0);
    Ok(())
}

#[test]
fn neighbours_of_halves() -> Result<()> {
    let half = |x: &[f64]| Tensor::from_slice(x, x.len()).unwrap().to_dtype(DType::F16).unwrap();
    let x = half(&[1.0, 0.0, -0.0, 65504.0, f64::INFINITY, -1.0]);
    let least = 2f64.powi(-24);
    let up = x.nextafter(half(&[2.0, 1.0, -1.0, f64::INFINITY, 0.0, -1.0]))?;
    assert_eq!(reals(&up), [1.000_976_562_5, least, -least, f64::INFINITY, 65504.0, -1.0]);
    let down = x.nextafter(-1e4)?;
    assert_eq!(reals(&down), [0.999_511_718_75, -least, -least, 65472.0, 65504.0, -1.000_976_562_5]);
    assert!(x.nextafter(half(&[NAN]))?.isnan()?.all(..)?.item::<bool>()?);
    Ok(())
}

#[test]
fn sums_of_complex_exponentials() -> Result<()> {
    type C = Complex<f64>;
    let endless = f64::NEG_INFINITY;
    let x = [C::new(1.0, 2.0), C::new(-3.0, 0.5), C::new(endless, 0.0), C::new(endless, 0.0), C::new(1.0, 0.0)];
    let y = [
        C::new(0.5, -1.0),
        C::new(2.0, 1.0),
        C::new(endless, 0.0),
        C::new(1.0, 1.0),
        C::new(1.0, std::f64::consts::PI),
    ];
    let right = [
        C::new(0.104_993_014_324_468_73, 1.788_959_147_847_327_5),
        C::new(2.005_900_847_371_087_5, 0.996_788_656_247_560_6),
        C::new(endless, 0.0),
        C::new(1.0, 1.0),
    ];
    let found = Tensor::from_slice(&x, 5)?.logaddexp(Tensor::from_slice(&y, 5)?)?.to_vec::<C>()?;
    for (z, right) in found.iter().zip(right) {
        assert!(z.re == right.re && z.im == right.im || (z - right).norm() < 1e-14, "{z}, not {right}");
    }
    // Where the two undo each other what is left is rounding, far below them.
    assert!(found[4].re < -15.0);
    Ok(())
}

/// As in PyTorch: one element of half precision takes an infinity for what is beyond it, several are an error.
#[test]
fn one_element_set_beyond_half_precision() -> Result<()> {
    for dtype in [DType::F16, DType::BF16] {
        let x = Tensor::zeros([3]).dtype(dtype).build()?;
        x.set(1, 1e300)?;
        assert_eq!(reals(&x), [0.0, f64::INFINITY, 0.0]);
        let mask = tensor!([true, false, true]);
        assert!(x.set(..2, 1e300).is_err() && x.set(mask, 1e300).is_err() && x.set(.., 1e300).is_err());
    }
    let x = Tensor::zeros([2, 3]).dtype(DType::F16).build()?;
    x.set((1, 1), 70000)?;
    assert_eq!(reals(&x), [0.0, 0.0, 0.0, 0.0, f64::INFINITY, 0.0]);
    assert!(x.set(1, 70000).is_err(), "a row");
    assert!(Tensor::zeros([2]).build()?.set(1, 1e300).is_err(), "only halves");
    Ok(())
}

#[test]
fn powers_of_zero_among_complex_numbers() -> Result<()> {
    type C = Complex<f64>;
    let zero = Tensor::zeros(6).dtype(DType::Complex128).build()?;
    let exponents =
        [C::new(0.0, 0.0), C::new(2.0, 0.0), C::new(1.0, 1.0), C::new(0.0, 1.0), C::new(-1.0, 0.0), NAN.into()];
    let exponents = Tensor::from_slice(&exponents, 6)?;
    let (none, endless) = (|z: &C| z.re.is_nan() && z.im.is_nan(), |z: &C| z.re.is_infinite() && z.im.is_nan());
    for found in [zero.pow(&exponents)?, exponents.rpow(0)?] {
        let z = found.to_vec::<C>()?;
        assert!(none(&z[0]) && none(&z[3]) && none(&z[5]) && endless(&z[4]), "{z:?}");
        assert_eq!(z[1..3], [C::new(0.0, 0.0); 2]);
    }
    // An exponent that is a number counts for all of them.
    assert_eq!(zero.pow(0)?.to_vec::<C>()?, [C::new(1.0, 0.0); 6]);
    assert_eq!(zero.pow(C::new(0.0, 0.0))?.to_vec::<C>()?, [C::new(1.0, 0.0); 6]);
    assert_eq!(zero.add(1)?.pow(&zero)?.to_vec::<C>()?, [C::new(1.0, 0.0); 6]);
    Ok(())
}

#[test]
fn sums_of_small_integers_are_as_wide_as_they_are_in_pytorch() -> Result<()> {
    let x = tensor!([[100u8, 200], [100, 7]]);
    let wide = |equation: &str| einsum(equation, &[&x]).map(|sum| sum.dtype());
    assert_eq!((wide("ij->")?, wide("ij->i")?, wide("ii->i")?), (DType::I64, DType::I64, DType::U8));
    assert_eq!(einsum("ij,jk->ik", &[&x, &x])?.dtype(), DType::U8);
    assert_eq!(einsum("ij->", &[&x])?.item::<i64>()?, 407);
    let running = masked::cumsum(&x, 1, None)?;
    assert_eq!((running.dtype(), running.to_vec::<u8>()?), (DType::U8, vec![100, 44, 100, 107]));
    assert_eq!(masked::cumprod(&x, 0, None)?.dtype(), DType::U8);
    assert!(masked::cumsum(&x.gt(0)?, 1, None).is_err());
    Ok(())
}

#[test]
fn lengths_and_sums_of_exponentials_at_the_ends() -> Result<()> {
    let endless = f64::INFINITY;
    let x = Tensor::from_slice(&[endless, -endless, endless, NAN, 0.0, 3e300], 6)?;
    let y = Tensor::from_slice(&[endless, -endless, NAN, 1.0, 0.0, 4e300], 6)?;
    let same = |found: Tensor, right: [f64; 6]| {
        let found = reals(&found);
        let near = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-15 * b.abs();
        assert!(found.iter().zip(&right).all(near), "{found:?}, not {right:?}");
    };
    same(x.hypot(&y)?, [endless, endless, endless, NAN, 0.0, 5e300]);
    same(x.logaddexp(&y)?, [endless, -endless, NAN, NAN, 2f64.ln(), 4e300]);
    same(x.logaddexp2(&y)?, [endless, -endless, NAN, NAN, 1.0, 4e300]);
    let signed = tensor!([1.0, -2.0, 0.0]).copysign(tensor!([-0.0, 0.0, -1.0]))?;
    assert_eq!(reals(&signed).into_iter().map(f64::to_bits).collect::<Vec<_>>(), [-1.0, 2.0, -0.0].map(f64::to_bits));
    assert_eq!(tensor!([1i64, 2]).copysign(-1)?.dtype(), DType::F32);
    Ok(())
}

/// `torch.renorm(x, 2, 0, 1.5)`: a norm that is NaN is not above the bound.
#[test]
fn renorm_leaves_what_has_no_norm() -> Result<()> {
    let y = tensor!([[f64::NAN, 1.0], [3.0, 4.0]]).renorm(2.0, 0, 1.5)?.to_vec::<f32>()?;
    assert!(y[0].is_nan() && y[1] == 1.0 && (y[2] - 0.9).abs() < 1e-6 && (y[3] - 1.2).abs() < 1e-6, "{y:?}");
    Ok(())
}

#[test]
fn ldexp_goes_to_both_ends() -> Result<()> {
    let y = tensor!([f64::INFINITY, f64::NEG_INFINITY, 130.0, -140.0]);
    assert_eq!(
        tensor!([1.5, 1.5, 0.25, 8.0]).ldexp(&y)?.to_vec::<f32>()?,
        [f32::INFINITY, 0.0, f32::INFINITY, 2f32.powi(-137)]
    );
    Ok(())
}
