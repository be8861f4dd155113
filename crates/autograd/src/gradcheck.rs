//! Gradients against finite differences, in `f64`: `torch.autograd.gradcheck` and `gradgradcheck`.

use crate::{Autograd, GradOptions, grad_with};
use flambeau_tensor::{Complex, DType, Generator, Result, Tensor, bail, enable_grad, ensure, no_grad};
use std::panic::Location;

/// How [`gradcheck`] compares.
#[derive(Clone, Copy, Debug)]
pub struct GradCheck {
    /// The step of the differences.
    pub eps: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// Relative tolerance.
    pub rtol: f64,
}

impl Default for GradCheck {
    fn default() -> Self {
        GradCheck { eps: 1e-6, atol: 1e-5, rtol: 1e-3 }
    }
}

/// Compares the gradients of `f` at `inputs` with central differences, for a fixed random weighting of the
/// outputs; every element of every `f64` or `complex128` input is moved once.
///
/// # Errors
/// What `f` returns; and where a gradient differs, with input, element and both values.
#[track_caller]
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>, inputs: &[Tensor]) -> Result<()> {
    GradCheck::default().check(f, inputs)
}

/// [`gradcheck`] of the gradient itself: the derivatives of second order.
///
/// # Errors
/// As [`gradcheck`].
#[track_caller]
pub fn gradgradcheck(f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>, inputs: &[Tensor]) -> Result<()> {
    GradCheck::default().check_second(f, inputs)
}

type Fun<'a> = &'a dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>;

/// Fixed weights for the outputs, so that one number stands for all of them.
fn weights(outputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let generator = Generator::with_seed(3);
    outputs
        .iter()
        .map(|o| {
            let real = |o: &Tensor| Tensor::randn(o.shape()).dtype(DType::F64).generator(&generator).build();
            if o.dtype().is_complex() {
                let parts: Vec<f64> =
                    Tensor::randn([o.numel(), 2]).dtype(DType::F64).generator(&generator).build()?.to_vec()?;
                let values: Vec<Complex<f64>> = parts.chunks_exact(2).map(|p| Complex::new(p[0], p[1])).collect();
                Tensor::from_vec(values, o.shape())
            } else {
                real(o)
            }
        })
        .collect()
}

/// Σ Re(conj(w)·o) over all outputs.
fn weighted(outputs: &[Tensor], weights: &[Tensor]) -> Result<f64> {
    let mut total = 0.0;
    for (o, w) in outputs.iter().zip(weights) {
        if o.dtype().is_complex() {
            let (o, w) = (o.to_dtype(DType::Complex128)?.to_vec::<Complex<f64>>()?, w.to_vec::<Complex<f64>>()?);
            total += o.iter().zip(&w).map(|(o, w)| (o * w.conj()).re).sum::<f64>();
        } else {
            let (o, w) = (o.to_dtype(DType::F64)?.to_vec::<f64>()?, w.to_vec::<f64>()?);
            total += o.iter().zip(&w).map(|(o, w)| o * w).sum::<f64>();
        }
    }
    Ok(total)
}

fn differentiable(outputs: Vec<Tensor>) -> Vec<Tensor> {
    outputs.into_iter().filter(|o| o.dtype().is_differentiable()).collect()
}

/// Leaves with the inputs' values: a copy, whose layout is the input's own.
fn leaves(inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    inputs
        .iter()
        .map(|t| {
            if matches!(t.dtype(), DType::F64 | DType::Complex128) {
                t.detach().requires_grad_()
            } else {
                Ok(t.clone())
            }
        })
        .collect()
}

impl GradCheck {
    /// [`gradcheck`] with these tolerances.
    ///
    /// # Errors
    /// As [`gradcheck`].
    #[track_caller]
    pub fn check(&self, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>, inputs: &[Tensor]) -> Result<()> {
        self.first(&f, inputs)
    }

    /// [`gradgradcheck`] with these tolerances.
    ///
    /// # Errors
    /// As [`gradcheck`].
    #[track_caller]
    pub fn check_second(&self, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>, inputs: &[Tensor]) -> Result<()> {
        self.second(&f, inputs)
    }

    #[track_caller]
    fn first(&self, f: Fun<'_>, inputs: &[Tensor]) -> Result<()> {
        let leaves = leaves(inputs)?;
        let checked: Vec<usize> = (0..inputs.len()).filter(|i| leaves[*i].requires_grad()).collect();
        ensure!(!checked.is_empty(), DType, "gradcheck", "no input is float64 or complex128");
        let outputs = enable_grad(|| f(&leaves)).map(differentiable)?;
        let seeds = weights(&outputs)?;
        let recorded: Vec<usize> = (0..outputs.len()).filter(|i| outputs[*i].requires_grad()).collect();
        let outs: Vec<&Tensor> = recorded.iter().map(|i| &outputs[*i]).collect();
        let grad_outputs =
            recorded.iter().map(|i| Ok(Some(seeds[*i].to_dtype(outputs[*i].dtype())?))).collect::<Result<_>>()?;
        let wanted: Vec<&Tensor> = checked.iter().map(|i| &leaves[*i]).collect();
        let options = GradOptions { grad_outputs, allow_unused: true, ..GradOptions::default() };
        // Without history the gradient is zero, which the differences will confirm or not.
        let found = if outs.is_empty() { vec![None; wanted.len()] } else { grad_with(&outs, &wanted, options)? };
        for (i, analytic) in checked.iter().zip(found) {
            self.compare(f, inputs, *i, analytic, &seeds)?;
        }
        Ok(())
    }

    #[track_caller]
    fn compare(
        &self,
        f: Fun<'_>,
        inputs: &[Tensor],
        i: usize,
        analytic: Option<Tensor>,
        seeds: &[Tensor],
    ) -> Result<()> {
        let complex = inputs[i].dtype().is_complex();
        let parts = if complex { 2 } else { 1 };
        let values: Vec<f64> = match analytic {
            Some(g) if complex => g.to_vec::<Complex<f64>>()?.iter().flat_map(|z| [z.re, z.im]).collect(),
            Some(g) => g.to_vec()?,
            None => vec![0.0; inputs[i].numel() * parts],
        };
        for (at, ours) in values.iter().enumerate() {
            let moved = |by: f64| -> Result<f64> {
                let mut inputs = inputs.to_vec();
                inputs[i] = nudge(&inputs[i], at / parts, at % parts, by)?;
                weighted(&differentiable(no_grad(|| f(&inputs))?), seeds)
            };
            let numeric = (moved(self.eps)? - moved(-self.eps)?) / (2.0 * self.eps);
            let near = (ours - numeric).abs() <= self.atol + self.rtol * numeric.abs();
            // Not near is NaN on either side, too: a derivative that is nowhere proves nothing.
            if !near {
                bail!(
                    Autograd,
                    "gradcheck",
                    "input {i}, element {}: the rule gives {ours}, differences give {numeric}",
                    at / parts
                )
            }
        }
        Ok(())
    }

    #[track_caller]
    fn second(&self, f: Fun<'_>, inputs: &[Tensor]) -> Result<()> {
        let at = Location::caller();
        let outputs = no_grad(|| f(inputs)).map(differentiable)?;
        let n = inputs.len();
        let seeds: Vec<Tensor> = weights(&outputs)?;
        let all: Vec<Tensor> = inputs.iter().cloned().chain(seeds).collect();
        let gradient = |all: &[Tensor]| -> Result<Vec<Tensor>> {
            // The gradient is to be had wherever it is asked, also where the outer check does not record.
            enable_grad(|| {
                let given: Vec<Tensor> = all[..n]
                    .iter()
                    .map(|t| {
                        if t.requires_grad() || !t.dtype().is_differentiable() {
                            Ok(t.clone())
                        } else {
                            t.detach().requires_grad_()
                        }
                    })
                    .collect::<Result<_>>()?;
                let outputs = f(&given).map(differentiable)?;
                let recorded: Vec<usize> = (0..outputs.len()).filter(|i| outputs[*i].requires_grad()).collect();
                let outs: Vec<&Tensor> = recorded.iter().map(|i| &outputs[*i]).collect();
                let grad_outputs = recorded
                    .iter()
                    .map(|i| Ok(Some(all[n + i].to_dtype(outputs[*i].dtype())?)))
                    .collect::<Result<_>>()?;
                let wanted: Vec<&Tensor> = given.iter().filter(|t| t.requires_grad()).collect();
                let options =
                    GradOptions { grad_outputs, create_graph: true, allow_unused: true, ..GradOptions::default() };
                let found = grad_with(&outs, &wanted, options).map_err(|e| e.located(at))?;
                Ok(found.into_iter().flatten().collect())
            })
        };
        self.first(&gradient, &all)
    }
}

/// A copy of `x` in which one part of one element is moved; the copy's layout is `x`'s own.
fn nudge(x: &Tensor, element: usize, part: usize, by: f64) -> Result<Tensor> {
    let room = x.layout().end().unwrap_or(0);
    let whole = x.as_strided([room], [1], 0)?.copy()?.detach();
    let place = x.layout().place(element);
    if x.dtype().is_complex() {
        let mut data = whole.data_mut::<Complex<f64>>()?;
        data[place] += if part == 0 { Complex::new(by, 0.0) } else { Complex::new(0.0, by) };
    } else {
        whole.data_mut::<f64>()?[place] += by;
    }
    whole.as_strided(x.shape(), x.strides(), x.storage_offset()).map(|t| t.detach())
}
