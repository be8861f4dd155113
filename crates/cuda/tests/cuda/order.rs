//! Sorting, the largest, and elements by their place in the order; divisions of whole numbers; special functions.

use crate::{compare, gpu, home, numbers, on_device};
use flambeau_tensor::{DType, Result, SpecialFunction, SpecialPairFunction, Tensor, dispatch, ops};

/// Values and places in one line of doubles.
fn both(found: flambeau_tensor::ValuesIndices) -> Result<Tensor> {
    flambeau_tensor::cat(&[&found.values.to_dtype(DType::F64)?, &found.indices.to_dtype(DType::F64)?], -1)
}

#[test]
fn lines_are_sorted() {
    let gpu = gpu();
    for dtype in
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::I16, DType::I8, DType::U8]
    {
        for shape in [&[3, 5][..], &[2, 40], &[7, 1], &[1, 2, 3]] {
            let x = numbers(shape, dtype, 3);
            on_device("sort", || {
                for descending in [false, true] {
                    compare(&gpu, "sort", &[x.clone()], 0.0, |x| both(x[0].sort_stable(-1, descending)?));
                }
            });
        }
    }
    let bools = numbers(&[4, 9], DType::Bool, 5);
    on_device("sort", || compare(&gpu, "sort", &[bools], 0.0, |x| both(x[0].sort_stable(1, true)?)));
}

#[test]
fn nan_is_above_all_and_zeros_are_alike() {
    let gpu = gpu();
    let x = flambeau_tensor::tensor!([0.0f32, f32::NAN, -0.0, f32::INFINITY, -1.0, f32::NAN, f32::NEG_INFINITY]);
    compare(&gpu, "sort", &[x.clone()], 0.0, |x| both(x[0].sort_stable(0, false)?));
    compare(&gpu, "sort", &[x], 0.0, |x| both(x[0].sort_stable(0, true)?));
}

#[test]
fn long_lines_are_sorted_in_pieces() {
    let gpu = gpu();
    // More than a block holds, and not a power of two; many are alike.
    for n in [2049usize, 5000] {
        let x = numbers(&[2, n], DType::U8, 9).to_dtype(DType::F32).unwrap();
        on_device("sort", || {
            compare(&gpu, "sort", &[x.clone()], 0.0, |x| both(x[0].sort_stable(-1, false)?));
        });
        let x = Tensor::randperm(n).build().unwrap().to_dtype(DType::F32).unwrap();
        on_device("topk", || compare(&gpu, "topk", &[x], 0.0, |x| both(x[0].topk(7)?)));
    }
}

#[test]
fn places_in_the_order_are_found() {
    let gpu = gpu();
    let x = Tensor::randperm(60).build().unwrap().to_dtype(DType::F32).unwrap().reshape([4, 15]).unwrap();
    let x = x.contiguous().unwrap();
    on_device("kthvalue", || {
        compare(&gpu, "kthvalue", &[x.clone()], 0.0, |x| both(x[0].kthvalue_keepdim(4, -1)?));
        compare(&gpu, "median", &[x.clone()], 0.0, |x| both(x[0].median_keepdim(-1)?));
        compare(&gpu, "nanmedian", &[x.clone()], 0.0, |x| both(x[0].nanmedian_keepdim(-1)?));
    });
    let some = numbers(&[5, 12], DType::U8, 4).remainder(4.0).unwrap();
    on_device("mode", || compare(&gpu, "mode", &[some], 0.0, |x| both(x[0].mode_keepdim(-1)?)));
    let nan = flambeau_tensor::tensor!([[1.0f32, f32::NAN, 0.0, f32::NAN], [f32::NAN, f32::NAN, f32::NAN, f32::NAN]]);
    compare(&gpu, "nanmedian", &[nan.clone()], 0.0, |x| both(x[0].nanmedian_keepdim(-1)?));
    compare(&gpu, "median", &[nan], 0.0, |x| both(x[0].median_keepdim(-1)?));
}

#[test]
fn whole_numbers_are_divided() {
    let gpu = gpu();
    let signs = |dtype, seed| {
        let x = numbers(&[4, 6], dtype, seed);
        if dtype == DType::U8 { x } else { x.sub(30).unwrap() }
    };
    for dtype in [DType::I64, DType::I32, DType::I16, DType::I8, DType::U8] {
        let (a, b) = (signs(dtype, 1), signs(dtype, 2));
        let b = b.add(b.eq(0).unwrap().to_dtype(dtype).unwrap()).unwrap();
        on_device("division", || {
            let both = [a, b];
            compare(&gpu, "floor_divide", &both, 0.0, |x| x[0].floor_divide(&x[1]));
            compare(&gpu, "div_trunc", &both, 0.0, |x| x[0].div_trunc(&x[1]));
            compare(&gpu, "remainder", &both, 0.0, |x| x[0].remainder(&x[1]));
            compare(&gpu, "fmod", &both, 0.0, |x| x[0].fmod(&x[1]));
            compare(&gpu, "gcd", &both, 0.0, |x| x[0].gcd(&x[1]));
            compare(&gpu, "a number", &both, 0.0, |x| x[0].floor_divide(7)?.remainder(3));
        });
    }
    let least = flambeau_tensor::tensor!([i64::MIN, i64::MIN + 1, 7]);
    compare(&gpu, "by minus one", &[least.clone()], 0.0, |x| x[0].floor_divide(-1));
    compare(&gpu, "by minus one", &[least], 0.0, |x| x[0].remainder(-1));
}

#[test]
fn a_divisor_of_zero_is_told_by_op_and_line() {
    let gpu = gpu();
    let x = flambeau_tensor::tensor!([5i64, 6]).to_device(gpu.device).unwrap();
    let zeros = flambeau_tensor::tensor!([1i64, 0]).to_device(gpu.device).unwrap();
    let y = x.floor_divide(&zeros).unwrap();
    let error = y.to_device(flambeau_tensor::Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("integer division by zero") && error.contains("order.rs"), "{error}");
    // The device is as it was.
    assert_eq!(home(&x.remainder(4).unwrap()).to_vec::<i64>().unwrap(), [1, 2]);
    let error = x.floor_divide(0).unwrap_err().to_string();
    assert!(error.contains("integer division by zero"), "{error}");
}

#[test]
fn next_numbers() {
    let gpu = gpu();
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let inputs = [numbers(&[3, 8], dtype, 1), numbers(&[3, 8], dtype, 2)];
        on_device("nextafter", || compare(&gpu, "nextafter", &inputs, 0.0, |x| x[0].nextafter(&x[1])));
    }
    let ends = [flambeau_tensor::tensor!([0.0f32, -0.0, 1.0]), flambeau_tensor::tensor!([1.0f32, -1.0, 1.0])];
    let ends = ends.map(|x| x.to_dtype(DType::BF16).unwrap());
    compare(&gpu, "nextafter", &ends, 0.0, |x| x[0].nextafter(&x[1]));
}

#[test]
fn special_functions_are_the_cpus() {
    use SpecialFunction::*;
    let gpu = gpu();
    let line: Vec<f64> =
        (-60..60).map(|i| f64::from(i) * 0.37 + 0.01).chain([0.0, 1.0, 2.0, 8.0, 30.0, 300.0]).collect();
    let x = Tensor::from_vec(line.clone(), line.len()).unwrap();
    let inside = x.abs().unwrap().div(310.0).unwrap();
    for function in [
        Lgamma,
        Polygamma(0),
        Polygamma(1),
        Polygamma(3),
        Erfcx,
        LogNdtr,
        I0,
        I0e,
        I1,
        I1e,
        BesselJ0,
        BesselJ1,
        BesselY0,
        BesselY1,
        ModifiedBesselK0,
        ModifiedBesselK1,
        ScaledModifiedBesselK0,
        ScaledModifiedBesselK1,
        SphericalBesselJ0,
        AiryAi,
        Exponent,
        Ndtri,
    ] {
        let x = if function == Ndtri { &inside } else { &x };
        for dtype in [DType::F64, DType::F32] {
            let x = x.to_dtype(dtype).unwrap();
            let what = format!("{function:?} of {dtype}");
            // Doubles: what two libraries' functions differ by.
            let factor = if dtype == DType::F64 { 2e3 } else { 4.0 };
            on_device(&what, || compare(&gpu, &what, &[x], factor, |x| dispatch(ops::Special { function }, &[&x[0]])));
        }
    }
}

#[test]
fn special_functions_of_two_are_the_cpus() {
    use SpecialPairFunction::*;
    let gpu = gpu();
    let of = |line: &[f64]| Tensor::from_vec(line.to_vec(), line.len()).unwrap();
    let a = of(&[0.0, 0.3, 0.5, 0.9, 1.0, 2.0, 5.5, 30.0, 2e4, 2e4, 3.0, 7.0]);
    let b = of(&[0.5, 0.2, 0.9, 3.0, 1.0, 9.0, 2.5, 31.0, 2e4, 1.98e4, 0.0, 1e3]);
    let (x, n) = (of(&[-1.0, -0.7, -0.2, 0.0, 0.4, 1.0, 1.5, -2.0]), of(&[0.0, 1.0, 5.0, 12.0, 3.0, 4.0, 6.0, 2.0]));
    for function in [Igamma, Igammac, Zeta] {
        let inputs = [a.clone(), b.clone()];
        on_device("special_pair", || {
            compare(&gpu, &format!("{function:?}"), &inputs, 2e4, |x| {
                dispatch(ops::SpecialPair { function }, &[&x[0], &x[1]])
            });
        });
    }
    let ends = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 0.0, 3.0, -4.0, 1e300];
    let pairs: Vec<[f64; 2]> = ends.iter().flat_map(|a| ends.iter().map(move |b| [*a, *b])).collect();
    let of = |k: usize| of(&pairs.iter().map(|pair| pair[k]).collect::<Vec<_>>());
    for function in [Hypot, LogAddExp, LogAddExp2, Copysign] {
        for dtype in [DType::F64, DType::F32, DType::BF16] {
            let inputs = [of(0).to_dtype(dtype).unwrap(), of(1).to_dtype(dtype).unwrap()];
            on_device("special_pair", || {
                compare(&gpu, &format!("{function:?} of {dtype}"), &inputs, 4.0, |x| {
                    dispatch(ops::SpecialPair { function }, &[&x[0], &x[1]])
                });
            });
        }
    }
    for function in [
        ChebyshevT,
        ChebyshevU,
        ChebyshevV,
        ChebyshevW,
        ShiftedChebyshevT,
        ShiftedChebyshevU,
        ShiftedChebyshevV,
        ShiftedChebyshevW,
        HermiteH,
        HermiteHe,
        Laguerre,
        Legendre,
    ] {
        let inputs = [x.clone(), n.clone()];
        compare(&gpu, &format!("{function:?}"), &inputs, 1e3, |x| {
            dispatch(ops::SpecialPair { function }, &[&x[0], &x[1]])
        });
    }
}
