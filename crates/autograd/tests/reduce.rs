//! The rules of reductions, running reductions and order: finite differences of first and second order,
//! and PyTorch's conventions at ties and zeros.

mod common;

use common::{check, close, sample, values};
use flambeau_autograd::{Autograd, GradOptions, grad_with};
use flambeau_tensor::{Complex, DType, Result, StdAndMean, Tensor, TopkOptions, VarAndMean};

type F = fn(&Tensor) -> Result<Tensor>;

fn vector(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, values.len()).unwrap()
}

/// The gradient of the sum of `f(x)`.
fn gradient(f: impl Fn(&Tensor) -> Result<Tensor>, x: &[f64]) -> Vec<f64> {
    let x = vector(x).requires_grad_().unwrap();
    f(&x).unwrap().sum(..).unwrap().backward().unwrap();
    values(&x.grad().unwrap())
}

#[test]
fn reductions() {
    let cases: &[(&str, F)] = &[
        ("sum", |x| x.sum([0, 2])),
        ("mean", |x| x.mean(1)),
        ("mean of all", |x| x.mean(..)),
        ("prod", |x| x.prod(1)),
        ("prod of all", |x| x.narrow(0, 0, 1)?.prod(..)),
        ("prod of two", |x| x.prod([0, 2])),
        ("amax", |x| x.amax([0, 1])),
        ("amin", |x| x.amin(..)),
        ("max", |x| Ok(x.max_dim(1)?.values)),
        ("min", |x| Ok(x.min_dim_keepdim(-1)?.values)),
        ("logsumexp", |x| x.logsumexp([0, 2])),
        ("var", |x| x.var([1, 2], 1.0)),
        ("var of the population", |x| x.var(0, 0.0)),
        ("std", |x| x.std(1, 1.0)),
        ("var_mean", |x| {
            let VarAndMean { var, mean } = x.var_mean(-1, 0.5)?;
            var.mul(&mean)
        }),
        ("std_mean", |x| {
            let StdAndMean { std, mean } = x.std_mean_keepdim([0, 1], 1.0)?;
            std.add(&mean)
        }),
        ("norm", |x| x.norm(2.0, 1)),
        ("norm 1", |x| x.norm(1.0, ..)),
        ("norm 3", |x| x.norm(3.0, [0, 2])),
        ("norm 1.5", |x| x.norm(1.5, 0)),
        ("norm -1", |x| x.norm(-1.0, 0)),
        ("norm inf", |x| x.norm(f64::INFINITY, 2)),
        ("norm -inf", |x| x.norm(f64::NEG_INFINITY, 2)),
        ("nanmean", |x| x.nanmean(1)),
    ];
    for (name, f) in cases {
        check(name, |x| f(&x[0])?.square(), &[sample(&[2, 3, 4], -1.5, 1.5)]);
        check(name, |x| f(&x[0].transpose(0, 2)?)?.square(), &[sample(&[4, 3, 2], -1.5, 1.5)]);
    }
    for (name, f) in cases {
        f(&sample(&[2, 3, 4], -1.5, 1.5).to_dtype(DType::F32).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn complex_reductions() {
    let z =
        || Tensor::from_vec(vec![Complex::new(0.5, 1.0), Complex::new(-1.0, 0.3), Complex::new(0.2, -0.7)], 3).unwrap();
    let cases: &[(&str, F)] = &[
        ("sum", |z| z.sum(..)),
        ("mean", |z| z.mean(..)),
        ("prod", |z| z.prod(0)),
        ("cumsum", |z| z.cumsum(0)),
        ("cumprod", |z| z.cumprod(0)),
        ("norm", |z| z.norm(2.0, 0)),
        ("var", |z| z.var(0, 1.0)),
    ];
    for (name, f) in cases {
        check(name, |z| f(&z[0]), &[z()]);
    }
}

#[test]
fn running() {
    let cases: &[(&str, F)] = &[
        ("cumsum", |x| x.cumsum(1)),
        ("cumsum from the end", |x| x.cumsum_reversed(0)),
        ("cumprod", |x| x.cumprod(1)),
        ("cumprod from the end", |x| x.cumprod_reversed(-1)),
        ("logcumsumexp", |x| x.logcumsumexp(1)),
        ("cummax", |x| Ok(x.cummax(1)?.values)),
        ("cummin", |x| Ok(x.cummin(0)?.values)),
    ];
    for (name, f) in cases {
        check(name, |x| f(&x[0])?.square(), &[sample(&[2, 4, 3], -1.5, 1.5)]);
    }
    for reverse in [false, true] {
        let inputs = [sample(&[2, 4], -1.5, 1.5), common::seeded(8, &[2, 4], -1.0, 1.0)];
        check("recurrence", |x| x[0].recurrence(&x[1], 1, reverse)?.square(), &inputs);
    }
}

#[test]
fn order() {
    let cases: &[(&str, F)] = &[
        ("sort", |x| Ok(x.sort(1, true)?.values.select(1, 1)?.mul(&x.sort(1, false)?.values.select(1, 0)?)?)),
        ("topk", |x| Ok(x.topk_with(2, TopkOptions::new().dim(0))?.values)),
        ("kthvalue", |x| Ok(x.kthvalue(2, 1)?.values)),
        ("median", |x| Ok(x.median(-1)?.values)),
        ("nanmedian", |x| Ok(x.nanmedian_keepdim(0)?.values)),
        ("mode", |x| Ok(x.mode(0)?.values)),
        ("median of all", |x| x.median_all()),
    ];
    for (name, f) in cases {
        check(name, |x| f(&x[0])?.square(), &[sample(&[3, 4], -1.5, 1.5)]);
    }
}

/// Too steep for differences: |x|^2.5 has the second slope 0 at 0; that of |x|^0.5 is none, like the first, and counts as 0.
#[test]
fn a_norm_has_a_second_slope_where_an_element_is_zero() {
    for p in [2.5, 0.5] {
        let x = vector(&[0.0, 1.0]).requires_grad_().unwrap();
        let norm = x.norm(p, 0).unwrap();
        let options = GradOptions { create_graph: true, ..Default::default() };
        let slope = grad_with(&[&norm], &[&x], options).unwrap().remove(0).unwrap();
        slope.sum(..).unwrap().backward().unwrap();
        close(&format!("norm {p}"), &values(&x.grad().unwrap()), &[0.0, 0.0], 1e-12);
    }
}

/// Values that `torch.autograd` gives.
#[test]
fn conventions() {
    close("amax: equals share", &gradient(|x| x.amax(0), &[1.0, 3.0, 3.0]), &[0.0, 0.5, 0.5], 0.0);
    close("max_all: equals share", &gradient(|x| x.max_all(), &[2.0, 2.0, 1.0]), &[0.5, 0.5, 0.0], 0.0);
    close("max_dim: the first", &gradient(|x| Ok(x.max_dim(0)?.values), &[1.0, 3.0, 3.0]), &[0.0, 1.0, 0.0], 0.0);
    close("norm inf: equals share", &gradient(|x| x.norm(f64::INFINITY, 0), &[-2.0, 2.0, 1.0]), &[-0.5, 0.5, 0.0], 0.0);
    close("norm at 0", &gradient(|x| x.norm(2.0, 0), &[0.0, 0.0]), &[0.0, 0.0], 0.0);
    close("norm 3 at 0", &gradient(|x| x.norm(3.0, 0), &[0.0, 0.0]), &[0.0, 0.0], 0.0);
    close("norm 1.5 at 0", &gradient(|x| x.norm(1.5, 0), &[0.0, 1.0]), &[0.0, 1.0], 0.0);
    close("norm 0", &gradient(|x| x.norm(0.0, 0), &[0.0, 1.0]), &[0.0, 0.0], 0.0);
    close("std at 0", &gradient(|x| x.std(0, 1.0), &[4.0, 4.0]), &[0.0, 0.0], 0.0);
    close("prod, one zero", &gradient(|x| x.prod(0), &[2.0, 0.0, 3.0]), &[0.0, 6.0, 0.0], 0.0);
    close("prod, two zeros", &gradient(|x| x.prod(0), &[0.0, 0.0, 3.0]), &[0.0; 3], 0.0);
    close("cumprod, a zero", &gradient(|x| x.cumprod(0), &[2.0, 0.0, 3.0]), &[1.0, 8.0, 0.0], 0.0);
    close(
        "cummax: the last of equals",
        &gradient(|x| Ok(x.cummax(0)?.values), &[1.0, 1.0, 0.0]),
        &[1.0, 2.0, 0.0],
        0.0,
    );
    close("nansum", &gradient(|x| x.nansum(0), &[1.0, f64::NAN]), &[1.0, 0.0], 0.0);
    let low = f64::NEG_INFINITY;
    close("logcumsumexp from -inf", &gradient(|x| x.logcumsumexp(0), &[low, 0.0, 0.0]), &[0.0, 1.5, 0.5], 1e-12);
    close(
        "a scalar",
        &gradient(|x| x.select(0, 0)?.max_dim(0)?.values.add(&x.select(0, 0)?.sort(0, true)?.values), &[3.0]),
        &[2.0],
        0.0,
    );
}

#[test]
fn equal_elements_share_the_gradient_of_the_median_of_all() {
    assert_eq!(gradient(|x| x.median_all(), &[3.0, 1.0, 1.0, 2.0]), [0.0, 0.5, 0.5, 0.0]);
    assert_eq!(gradient(|x| x.nanmedian_all(), &[3.0, 1.0, 1.0, f64::NAN, 2.0]), [0.0, 0.5, 0.5, 0.0, 0.0]);
    assert_eq!(gradient(|x| x.median_all(), &[3.0, f64::NAN, 1.0, f64::NAN]), [0.0, 0.5, 0.0, 0.5]);
    assert_eq!(gradient(|x| Ok(x.median(0)?.values), &[3.0, 1.0, 1.0, 2.0]).iter().sum::<f64>(), 1.0);
}

#[test]
fn slopes_of_powers_at_zero() {
    // PyTorch 2.15.
    let (b, e) = ([0.0, 2.0, 0.0], [1.0, 1.0, 0.0]);
    let by_exponent = gradient(|e| vector(&b).pow(e), &e);
    assert!((by_exponent[1] - 2.0 * 2f64.ln()).abs() < 1e-12, "{by_exponent:?}");
    assert_eq!((by_exponent[0], by_exponent[2]), (0.0, 0.0));
    assert_eq!(gradient(|b| b.pow(&vector(&e)), &b), [1.0, 1.0, 0.0]);
    assert_eq!(gradient(|b| b.pow(0.0), &b), [0.0; 3]);
}

/// What is divided by a small norm, and powers of it, leave the range of half precision.
#[test]
fn norms_of_small_numbers_have_slopes() {
    let slope = |dtype: DType, values: &[f64], p: f64| {
        let x = vector(values).to_dtype(dtype).unwrap().requires_grad_().unwrap();
        x.norm(p, ..).unwrap().backward().unwrap();
        x.grad().unwrap().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap()
    };
    // torch.norm; 1e-7 is the second number above 0 of float16.
    assert_eq!(slope(DType::F16, &[1e-7, 2e-7, 3e-7], 2.0), [0.333_251_953_125, 0.5, 0.833_496_093_75]);
    for p in [1.5, 2.0, 3.0] {
        let (small, right) = (slope(DType::F16, &[3e-4, -4e-4], p), slope(DType::F64, &[3.0, -4.0], p));
        assert!(small.iter().zip(&right).all(|(s, r)| (s - r).abs() < 4e-3), "{p}: {small:?}, not {right:?}");
    }
    let rows = vector(&[1.0, 2.0, 0.0, 0.0]).to_dtype(DType::F16).unwrap().reshape([2, 2]).unwrap();
    let rows = rows.requires_grad_().unwrap();
    rows.renorm(f64::INFINITY, 0, 1.0).unwrap().sum(..).unwrap().backward().unwrap();
    assert_eq!(values(&rows.grad().unwrap().narrow(0, 1, 1).unwrap().to_dtype(DType::F64).unwrap()), [1.0, 1.0]);
}

#[test]
fn equal_elements_share_the_gradient_of_fmax_and_fmin() {
    for f in [|x: &Tensor, y: &Tensor| x.fmax(y), |x: &Tensor, y: &Tensor| x.fmin(y)] {
        let x = vector(&[1.0, 2.0, f64::NAN, 3.0]).requires_grad_().unwrap();
        let y = vector(&[1.0, 5.0, 4.0, f64::NAN]).requires_grad_().unwrap();
        f(&x, &y).unwrap().sum(..).unwrap().backward().unwrap();
        let (x, y) = (values(&x.grad().unwrap()), values(&y.grad().unwrap()));
        // torch.fmax, torch.fmin: a half each, all of it to one of them, and none to a NaN.
        assert_eq!(([x[0], y[0]], x[1] + y[1], [x[2], y[2]], [x[3], y[3]]), ([0.5; 2], 1.0, [0.0, 1.0], [1.0, 0.0]));
    }
    assert_eq!(gradient(|x| x.logit(None), &[1.0, 0.0, 0.5]), [f64::INFINITY, f64::INFINITY, 4.0]);
}
