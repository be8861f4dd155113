//! What the tests of the families share: sample values, and checks of a rule and of a fused kernel.
#![allow(dead_code)] // Each test file takes what it needs.

use flambeau_autograd::{Autograd, GradOptions, enable_grad, grad_with, gradcheck, gradgradcheck};
use flambeau_tensor::{DType, Generator, Op, Result, Tensor, dispatch::dispatch_all};

/// Values in `low..high`, always the same, some distance from 0 so that kinks are not stepped over.
pub fn sample(shape: &[usize], low: f64, high: f64) -> Tensor {
    seeded(7, shape, low, high)
}

/// [`sample`] with other values for another seed.
pub fn seeded(seed: u64, shape: &[usize], low: f64, high: f64) -> Tensor {
    let generator = Generator::with_seed(seed);
    let n: usize = shape.iter().product();
    let unit: Vec<f64> = Tensor::rand(n).dtype(DType::F64).generator(&generator).build().unwrap().to_vec().unwrap();
    let values =
        unit.iter().map(|u| low + (high - low) * u).map(|v| if v.abs() < 0.05 { v + 0.1 } else { v }).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// First and second derivatives of `f` against finite differences; then those of f², whose gradient reaches the
/// rule of `f` with a history, up to the third.
pub fn check(name: &str, f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    let one = |x: &[Tensor]| Ok(vec![f(x)?]);
    gradcheck(one, inputs).unwrap_or_else(|e| panic!("{name}: {e}"));
    gradgradcheck(one, inputs).unwrap_or_else(|e| panic!("{name}, second order: {e}"));
    let of_square = |x: &[Tensor]| gradients(&sum_of_squares(&[f(x)?])?, x);
    gradcheck(|x| tracked(x, of_square), inputs).unwrap_or_else(|e| panic!("{name}, second order of f²: {e}"));
    let of_gradient = |x: &[Tensor]| gradients(&sum_of_squares(&of_square(x)?)?, x);
    gradcheck(|x| tracked(x, of_gradient), inputs).unwrap_or_else(|e| panic!("{name}, third order: {e}"));
}

/// `f` of `inputs` as they are tracked, recorded wherever it is called from.
pub fn tracked(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
    enable_grad(|| {
        let tracked = |t: &Tensor| match t.requires_grad() || !t.dtype().is_differentiable() {
            true => Ok(t.clone()),
            false => t.detach().requires_grad_(),
        };
        f(&inputs.iter().map(tracked).collect::<Result<Vec<_>>>()?)
    })
}

/// Σ |x|² over all of `tensors`.
pub fn sum_of_squares(tensors: &[Tensor]) -> Result<Tensor> {
    tensors.iter().try_fold(Tensor::zeros(()).dtype(DType::F64).build()?, |sum, t| {
        let t = if t.dtype().is_complex() { t.view_as_real()? } else { t.clone() };
        sum.add(t.square()?.sum(..)?)
    })
}

/// The gradients of `y` by those of `inputs` that it depends on, with their own history.
pub fn gradients(y: &Tensor, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    if !y.requires_grad() {
        return Ok(Vec::new());
    }
    let options = GradOptions { create_graph: true, allow_unused: true, ..GradOptions::default() };
    let wanted: Vec<&Tensor> = inputs.iter().filter(|t| t.requires_grad()).collect();
    Ok(grad_with(&[y], &wanted, options)?.into_iter().flatten().collect())
}

pub fn values(x: &Tensor) -> Vec<f64> {
    x.detach().to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// Equal up to `tolerance`, relative to 1 or the value, whichever is larger; NaN equals NaN.
pub fn close(name: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{name}: number of elements");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let near = a == b || (a - b).abs() <= tolerance * b.abs().max(1.0) || a.is_nan() && b.is_nan();
        assert!(near, "{name}, element {i}: {a} instead of {b}");
    }
}

/// The kernel against the op's decomposition: in both precisions, on rows and on other layouts.
pub fn kernel_is_decomposition(op: impl Into<Op>, inputs: &[Tensor]) {
    let op = op.into();
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-5), (DType::BF16, 4e-2)] {
        let rows: Vec<Tensor> =
            inputs.iter().map(|t| if t.dtype().is_float() { t.to_dtype(dtype).unwrap() } else { t.clone() }).collect();
        let exact: Vec<Tensor> =
            rows.iter()
                .map(|t| {
                    if dtype == DType::BF16 && t.dtype().is_float() {
                        t.to_dtype(DType::F64).unwrap()
                    } else {
                        t.clone()
                    }
                })
                .collect();
        let theirs = op.decompose(&exact.iter().collect::<Vec<_>>()).expect("a decomposition").unwrap();
        // The same values in reversed memory order.
        let turned: Vec<Tensor> = rows
            .iter()
            .map(|t| {
                let order: Vec<usize> = (0..t.rank()).rev().collect();
                t.permute(order.clone()).unwrap().copy().unwrap().permute(order).unwrap()
            })
            .collect();
        for given in [&rows, &turned] {
            let ours = dispatch_all(op.clone(), &given.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(ours.len(), theirs.len(), "{op:?}");
            for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                assert_eq!(a.shape(), b.shape(), "{op:?}, output {i}");
                close(&format!("{op:?} in {dtype}, output {i}"), &values(a), &values(b), tolerance);
            }
        }
    }
}
