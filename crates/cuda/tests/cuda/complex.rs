//! Complex numbers, element by element.

use crate::{compare, gpu, numbers, on_device};
use flambeau_tensor::{DType, Result, Tensor, tensor};

/// Some complex numbers.
fn some(dtype: DType, seed: u64) -> Tensor {
    let part = if dtype == DType::Complex64 { DType::F32 } else { DType::F64 };
    numbers(&[3, 10, 2], part, seed).view_as_complex().unwrap()
}

type Function = fn(&Tensor) -> Result<Tensor>;

#[test]
fn functions_of_complex_numbers_are_the_cpus() {
    let gpu = gpu();
    let all: [(&str, Function); 30] = [
        ("conj_physical", |x| x.conj()?.contiguous()),
        ("neg", Tensor::neg),
        ("square", Tensor::square),
        ("reciprocal", Tensor::reciprocal),
        ("sqrt", Tensor::sqrt),
        ("rsqrt", Tensor::rsqrt),
        ("exp", Tensor::exp),
        ("exp2", Tensor::exp2),
        ("expm1", Tensor::expm1),
        ("log", Tensor::log),
        ("log2", Tensor::log2),
        ("log10", Tensor::log10),
        ("log1p", Tensor::log1p),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("tan", Tensor::tan),
        ("asin", Tensor::asin),
        ("acos", Tensor::acos),
        ("atan", Tensor::atan),
        ("sinh", Tensor::sinh),
        ("cosh", Tensor::cosh),
        ("tanh", Tensor::tanh),
        ("asinh", Tensor::asinh),
        ("acosh", Tensor::acosh),
        ("atanh", Tensor::atanh),
        ("sigmoid", Tensor::sigmoid),
        ("add", |x| x.add(2.5)),
        ("rsub", |x| x.rsub(1.0)),
        ("mul", |x| x.mul(0.1)),
        ("pow", |x| x.pow(2.5)),
    ];
    for dtype in [DType::Complex64, DType::Complex128] {
        let x = some(dtype, 1);
        for (name, function) in all {
            let what = format!("{name} of {dtype}");
            on_device(&what, || compare(&gpu, &what, &[x.clone()], 20.0, |x| function(&x[0])?.view_as_real()));
        }
        on_device("abs", || compare(&gpu, "abs", &[x.clone()], 4.0, |x| x[0].abs()));
    }
}

#[test]
fn ends_of_complex_functions_are_the_cpus() {
    let gpu = gpu();
    let parts = [0.0, -0.0, 1.0, -1.0, 1e-310, -1e300, 1e308, 30.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let pairs: Vec<f64> = parts.iter().flat_map(|re| parts.iter().flat_map(move |im| [*re, *im])).collect();
    let x = Tensor::from_vec(pairs, [parts.len() * parts.len(), 2]).unwrap().view_as_complex().unwrap();
    let functions: [(&str, Function); 12] = [
        ("reciprocal", Tensor::reciprocal),
        ("rsqrt", Tensor::rsqrt),
        ("log1p", Tensor::log1p),
        ("exp", Tensor::exp),
        ("log", Tensor::log),
        ("sqrt", Tensor::sqrt),
        ("sinh", Tensor::sinh),
        ("cosh", Tensor::cosh),
        ("tanh", Tensor::tanh),
        ("asinh", Tensor::asinh),
        ("acos", Tensor::acos),
        ("atanh", Tensor::atanh),
    ];
    for (name, function) in functions {
        compare(&gpu, name, &[x.clone()], 1e3, |x| function(&x[0])?.view_as_real());
    }
    for (name, function) in [("isnan", Tensor::isnan as Function), ("isfinite", Tensor::isfinite)] {
        compare(&gpu, name, &[x.clone()], 0.0, |x| function(&x[0]));
    }
    // A number of an infinite part and one that is none is infinite, as in PyTorch.
    let parts = x.view_as_real().unwrap().isinf().unwrap();
    let infinite = parts.select(-1, 0).unwrap().logical_or(&parts.select(-1, 1).unwrap()).unwrap();
    crate::assert_close("isinf", &x.to_device(gpu.device).unwrap().isinf().unwrap(), &infinite, 0.0);
    compare(&gpu, "logical_not", &[x], 0.0, |x| x[0].logical_not());
}

#[test]
fn two_complex_numbers() {
    let gpu = gpu();
    for dtype in [DType::Complex64, DType::Complex128] {
        let both = [some(dtype, 1), some(dtype, 2)];
        compare(&gpu, "pow by the number 0", &[some(dtype, 3).mul(0.0).unwrap()], 0.0, |x| {
            x[0].pow(0.0)?.view_as_real()
        });
        on_device("two", || {
            compare(&gpu, "add", &both, 4.0, |x| x[0].add(&x[1])?.view_as_real());
            compare(&gpu, "sub", &both, 4.0, |x| x[0].sub(&x[1])?.view_as_real());
            compare(&gpu, "mul", &both, 4.0, |x| x[0].mul(&x[1])?.view_as_real());
            compare(&gpu, "div", &both, 20.0, |x| x[0].div(&x[1])?.view_as_real());
            compare(&gpu, "pow", &both, 200.0, |x| x[0].pow(&x[1])?.view_as_real());
            let some_by_sign = both[1].view_as_real().unwrap().sign().unwrap().view_as_complex().unwrap();
            let zeros = [both[0].mul(0.0).unwrap(), some_by_sign];
            compare(&gpu, "pow of 0", &zeros, 0.0, |x| x[0].pow(&x[1])?.view_as_real());
            compare(&gpu, "eq", &both, 0.0, |x| x[0].eq(&x[1]));
            compare(&gpu, "ne", &both, 0.0, |x| x[0].ne(&x[0]));
        });
        on_device("to", || {
            compare(&gpu, "to complex", &[numbers(&[4, 5], DType::I32, 3)], 0.0, |x| {
                x[0].to_dtype(dtype)?.view_as_real()
            });
            compare(&gpu, "to real", &both[..1], 0.0, |x| x[0].to_dtype(DType::F32));
            let other = if dtype == DType::Complex64 { DType::Complex128 } else { DType::Complex64 };
            compare(&gpu, "to another", &both[..1], 0.0, |x| x[0].to_dtype(other)?.view_as_real());
        });
    }
    let zero = tensor!([0.0f32, 1.0]).to_dtype(DType::Complex64).unwrap();
    compare(&gpu, "truth", &[zero], 0.0, |x| x[0].to_dtype(DType::Bool));
}
