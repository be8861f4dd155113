//! What the tests of the families share: sample values, and checks of a rule and of a fused kernel.
#![allow(dead_code)] // Each test file takes what it needs.

use flambeau_autograd::func::jvp_all;
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
                t.permute(order.clone()).unwrap().contiguous().unwrap().permute(order).unwrap()
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

/// ⟨a, b⟩ over all of both: the real part of Σ ā·b.
pub fn inner(a: &[Tensor], b: &[Tensor]) -> Result<Tensor> {
    let real = |t: &Tensor| if t.dtype().is_complex() { t.view_as_real() } else { Ok(t.clone()) };
    a.iter()
        .zip(b)
        .try_fold(Tensor::zeros(()).dtype(DType::F64).build()?, |sum, (a, b)| sum.add(real(a)?.mul(real(b)?)?.sum(..)?))
}

/// Fixed values like `x`, of its dtype.
pub fn direction(seed: u64, x: &Tensor) -> Result<Tensor> {
    let real = |seed| seeded(seed, x.shape(), -1.0, 1.0);
    match x.dtype().is_complex() {
        true => flambeau_tensor::stack(&[real(seed), real(seed + 1)], -1)?.view_as_complex(),
        false => real(seed).to_dtype(x.dtype()),
    }
}

/// Forward mode of `f` against reverse mode, by itself and in each other: ⟨v, J t⟩ = ⟨Jᵀ v, t⟩; the Hessian of
/// ⟨v, f⟩ times t forward over reverse, reverse over forward, and reverse over reverse; tᵀ H t forward over forward.
pub fn check_forward(name: &str, f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    forward(f, inputs, name).unwrap_or_else(|e| panic!("{name}, forward: {e}"));
}

fn forward(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], name: &str) -> Result<()> {
    // Real numbers and complex ones have tangents; an input of integers stands still.
    let moving: Vec<&Tensor> = inputs.iter().filter(|x| x.dtype().is_differentiable()).collect();
    let with = |moved: &[Tensor]| -> Vec<Tensor> {
        let mut moved = moved.iter().cloned();
        inputs.iter().map(|x| if x.dtype().is_differentiable() { moved.next().unwrap() } else { x.clone() }).collect()
    };
    let one = |x: &[Tensor]| Ok(vec![f(&with(x))?]);
    let t = moving.iter().zip(41..).map(|(x, seed)| direction(seed, x)).collect::<Result<Vec<_>>>()?;
    let along: Vec<&Tensor> = t.iter().collect();
    let (y, dy) = jvp_all(one, &moving, &along)?;
    let v = vec![direction(59, &y[0])?];
    close(&format!("{name}, value"), &numbers(&y)?, &numbers(&one(&owned(&moving))?)?, 0.0);

    let leaves = || moving.iter().map(|x| x.detach().requires_grad_()).collect::<Result<Vec<_>>>();
    let scalar = |x: &[Tensor]| inner(&v, &one(x)?);
    let all = |found: Vec<Option<Tensor>>, x: &[Tensor]| -> Result<Vec<Tensor>> {
        found.into_iter().zip(x).map(|(g, x)| g.map_or_else(|| x.zeros_like(), Ok)).collect()
    };
    // Of what does not depend on an input the gradient is 0.
    let by = |y: &Tensor, x: &[Tensor], create_graph: bool| -> Result<Vec<Tensor>> {
        let found = match y.requires_grad() {
            true => {
                let options = GradOptions { create_graph, allow_unused: true, ..GradOptions::default() };
                grad_with(&[y], &x.iter().collect::<Vec<_>>(), options)?
            }
            false => vec![None; x.len()],
        };
        all(found, x)
    };
    let x = leaves()?;
    let g = by(&scalar(&x)?, &x, true)?;
    close(&format!("{name}, ⟨v, J t⟩"), &values(&inner(&v, &dy)?), &values(&inner(&g, &t)?), 1e-9);
    let h = by(&inner(&g, &t)?, &x, false)?;

    for create_graph in [false, true] {
        let gradient = |x: &[Tensor]| {
            let x = x.iter().map(|x| x.requires_grad_()).collect::<Result<Vec<_>>>()?;
            by(&scalar(&x)?, &x, create_graph)
        };
        let (_, of_gradient) = jvp_all(gradient, &moving, &along)?;
        close(&format!("{name}, forward over reverse"), &numbers(&of_gradient)?, &numbers(&h)?, 1e-8);
    }

    let x = leaves()?;
    let (_, dy) = jvp_all(one, &x.iter().collect::<Vec<_>>(), &along)?;
    let of_tangent = by(&inner(&v, &dy)?, &x, false)?;
    close(&format!("{name}, reverse over forward"), &numbers(&of_tangent)?, &numbers(&h)?, 1e-8);

    let inside = |x: &[Tensor]| Ok(jvp_all(one, &x.iter().collect::<Vec<_>>(), &along)?.1);
    let (_, twice) = jvp_all(inside, &moving, &along)?;
    close(&format!("{name}, forward over forward"), &values(&inner(&v, &twice)?), &values(&inner(&h, &t)?), 1e-8);
    Ok(())
}

fn owned(list: &[&Tensor]) -> Vec<Tensor> {
    list.iter().map(|t| (*t).clone()).collect()
}

/// All numbers in `tensors`.
fn numbers(tensors: &[Tensor]) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for t in tensors {
        let t = t.detach();
        all.extend(values(&if t.dtype().is_complex() { t.view_as_real()? } else { t }));
    }
    Ok(all)
}
