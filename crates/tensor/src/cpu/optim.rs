//! Kernels of the fused optimizer steps: lists of tensors, cut into pieces that threads share.

use super::halves::{bf16_to_f32, f32_to_bf16, narrow, widen};
use super::lanes::by_dtype;
use super::par::{self, GRAIN, simd};
use super::{CpuKernel, Dst, Src};
use crate::dtype::Stored;
use crate::ops::{AdamStep, SgdStep, StepScalars};
use crate::{DType, Result};
use half::{bf16, f16};
use std::borrow::Cow;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a step computes in.
trait Real:
    Stored
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    fn of(x: f64) -> Self;
    fn sqrt(self) -> Self;
}

macro_rules! real {
    ($($t:ty),*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn of(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn sqrt(self) -> $t {
                self.sqrt()
            }
        }
        impl Element for $t {
            type Compute = $t;
            #[inline(always)]
            fn compute<const N: usize>(grad: &[$t], targets: [&mut [$t]; N], f: impl Fn(&[$t], [&mut [$t]; N])) {
                f(grad, targets);
            }
        }
    )*};
}
real!(f32, f64);

/// What parameters are stored in.
trait Element: Stored {
    type Compute: Real;

    /// Calls `f` with the numbers in the type that is computed in, and stores what it leaves in `targets`.
    fn compute<const N: usize>(
        grad: &[Self],
        targets: [&mut [Self]; N],
        f: impl Fn(&[Self::Compute], [&mut [Self::Compute]; N]),
    );
}

/// Numbers of half precision that are computed at a time.
const BLOCK: usize = 512;

macro_rules! half {
    ($($t:ty, $load:expr, $store:expr;)*) => {$(
        impl Element for $t {
            type Compute = f32;
            fn compute<const N: usize>(grad: &[$t], mut targets: [&mut [$t]; N], f: impl Fn(&[f32], [&mut [f32]; N])) {
                let (mut slope, mut wide) = ([0f32; BLOCK], [[0f32; BLOCK]; N]);
                for (i, grad) in grad.chunks(BLOCK).enumerate() {
                    let (n, at) = (grad.len(), i * BLOCK);
                    $load(grad, &mut slope[..n]);
                    for (wide, target) in wide.iter_mut().zip(&targets) {
                        $load(&target[at..at + n], &mut wide[..n]);
                    }
                    f(&slope[..n], wide.each_mut().map(|w| &mut w[..n]));
                    for (wide, target) in wide.iter().zip(&mut targets) {
                        $store(&wide[..n], &mut target[at..at + n]);
                    }
                }
            }
        }
    )*};
}
half! {
    f16, widen, narrow;
    bf16, widen_bf16, narrow_bf16;
}

fn widen_bf16(from: &[bf16], to: &mut [f32]) {
    simd(
        #[inline(always)]
        || to.iter_mut().zip(from).for_each(|(to, from)| *to = bf16_to_f32(*from)),
    );
}

fn narrow_bf16(from: &[f32], to: &mut [bf16]) {
    simd(
        #[inline(always)]
        || to.iter_mut().zip(from).for_each(|(to, from)| *to = f32_to_bf16(*from)),
    );
}

/// A number that a tensor `[]` holds.
fn number(x: &Src<'_>) -> f64 {
    match x.dtype() {
        DType::F64 => x.contiguous::<f64>()[0],
        DType::F16 => x.contiguous::<f16>()[0].to_f64(),
        DType::BF16 => x.contiguous::<bf16>()[0].to_f64(),
        _ => x.contiguous::<f32>()[0].into(),
    }
}

/// The numbers of a step that may stand among its inputs.
struct Scalars {
    lr: f64,
    /// What gradients are multiplied with.
    unscale: f64,
    /// Nothing is to be changed.
    skip: bool,
}

impl Scalars {
    fn read(named: StepScalars, lr: f64, inputs: &[Src<'_>]) -> Scalars {
        let mut rest = inputs.iter();
        let mut next = |there: bool| if there { rest.next().map(number) } else { None };
        Scalars {
            lr: next(named.lr).unwrap_or(lr),
            unscale: next(named.grad_scale).map_or(1.0, f64::recip),
            skip: next(named.found_inf).is_some_and(|x| x != 0.0),
        }
    }
}

/// Some elements of a parameter's gradient and of what is updated with it, and the parameter's place in the list.
type Piece<'a, T, const N: usize> = (usize, &'a [T], [&'a mut [T]; N]);

/// Calls `f` with the elements of each parameter: its place, its gradient, and the tensors to update. Small tensors
/// go to a thread together, large ones in pieces.
fn for_each<T: Element, const N: usize>(
    grads: &[Src<'_>],
    outputs: &mut [Dst<'_>],
    f: impl Fn(usize, &[T::Compute], [&mut [T::Compute]; N]) + Sync,
) {
    let count = grads.len();
    let grads: Vec<Cow<'_, [T]>> = grads.iter().map(|g| g.contiguous::<T>()).collect();
    let mut lists = outputs.chunks_mut(count);
    let mut lists: [_; N] = std::array::from_fn(|_| lists.next().unwrap_or_default().iter_mut());
    let run = |(i, grad, targets): Piece<'_, T, N>| T::compute(grad, targets, |grad, targets| f(i, grad, targets));
    let (mut batches, mut batch, mut filled) = (Vec::new(), Vec::new(), 0);
    for (i, grad) in grads.iter().enumerate() {
        let mut rest: [&mut [T]; N] =
            std::array::from_fn(|n| lists[n].next().map(|d| d.slice::<T>()).unwrap_or_default());
        for grad in grad.chunks(GRAIN) {
            let mut tails: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
            let heads = std::array::from_fn(|n| {
                let (head, tail) = std::mem::take(&mut rest[n]).split_at_mut(grad.len());
                tails[n] = tail;
                head
            });
            batch.push((i, grad, heads));
            rest = tails;
            filled += grad.len();
            if filled >= GRAIN {
                batches.push(std::mem::take(&mut batch));
                filled = 0;
            }
        }
    }
    batches.push(batch);
    par::each(batches, |batch| batch.into_iter().for_each(run));
}

impl SgdStep {
    fn go<T: Element>(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) {
        let (grads, scalars) = inputs.split_at(outputs.len() / if self.momentum == 0.0 { 1 } else { 2 });
        let scalars = Scalars::read(self.scalars, self.lr, scalars);
        if scalars.skip {
            return;
        }
        let of = <T::Compute as Real>::of;
        let (lr, momentum, weight_decay) = (of(scalars.lr), of(self.momentum), of(self.weight_decay));
        let (keep, unscale) = (of(1.0 - self.dampening), of(scalars.unscale));
        let (maximize, decays, nesterov, first) = (self.maximize, self.weight_decay != 0.0, self.nesterov, self.first);
        let slope = move |g: T::Compute, p: T::Compute| {
            let g = if maximize { -(g * unscale) } else { g * unscale };
            if decays { g + p * weight_decay } else { g }
        };
        if self.momentum == 0.0 {
            return for_each::<T, 1>(grads, outputs, |_, grad, [param]| {
                simd(
                    #[inline(always)]
                    || {
                        for (p, g) in param.iter_mut().zip(grad) {
                            *p = *p - lr * slope(*g, *p);
                        }
                    },
                );
            });
        }
        for_each::<T, 2>(grads, outputs, |_, grad, [param, buffer]| {
            simd(
                #[inline(always)]
                || {
                    for ((p, b), g) in param.iter_mut().zip(&mut *buffer).zip(grad) {
                        let d = slope(*g, *p);
                        *b = if first { d } else { *b * momentum + d * keep };
                        let d = if nesterov { d + *b * momentum } else { *b };
                        *p = *p - lr * d;
                    }
                },
            );
        });
    }
}

impl AdamStep {
    fn go<T: Element>(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) {
        let lists = 3 + usize::from(self.amsgrad) + usize::from(self.step.is_none());
        let (grads, scalars) = inputs.split_at(outputs.len() / lists);
        let scalars = Scalars::read(self.scalars, self.lr, scalars);
        if scalars.skip {
            return;
        }
        let of = <T::Compute as Real>::of;
        // The size of a step and the root of the second moment's correction.
        let factors = |step: f64| {
            let corrected = |beta: f64| 1.0 - beta.powf(step);
            (of(scalars.lr / corrected(self.beta1)), of(corrected(self.beta2).sqrt()))
        };
        let (state, steps) = outputs.split_at_mut(grads.len() * if self.amsgrad { 4 } else { 3 });
        let factors: Vec<(T::Compute, T::Compute)> = match self.step {
            Some(step) => vec![factors(step as f64); grads.len()],
            None => {
                let counted = steps.iter_mut().map(|step| {
                    let step = &mut step.slice::<f32>()[0];
                    *step += 1.0;
                    factors((*step).into())
                });
                counted.collect()
            }
        };
        let (keep1, beta2, keep2) = (of(1.0 - self.beta1), of(self.beta2), of(1.0 - self.beta2));
        let (eps, decay, shrink) = (of(self.eps), of(self.weight_decay), of(1.0 - scalars.lr * self.weight_decay));
        let (decays, decoupled, maximize) = (self.weight_decay != 0.0, self.decoupled, self.maximize);
        let unscale = of(scalars.unscale);
        type C<T> = <T as Element>::Compute;
        let moments = move |p: &mut C<T>, m: &mut C<T>, v: &mut C<T>, g: C<T>| {
            let mut g = if maximize { -(g * unscale) } else { g * unscale };
            if decays && decoupled {
                *p = *p * shrink;
            } else if decays {
                g = g + *p * decay;
            }
            *m = *m + (g - *m) * keep1;
            *v = *v * beta2 + g * g * keep2;
        };
        if self.amsgrad {
            return for_each::<T, 4>(grads, state, |i, grad, [param, first, second, largest]| {
                let (step_size, root) = factors[i];
                simd(
                    #[inline(always)]
                    || {
                        for ((((p, m), v), top), g) in
                            param.iter_mut().zip(&mut *first).zip(&mut *second).zip(&mut *largest).zip(grad)
                        {
                            moments(p, m, v, *g);
                            *top = if *v > *top { *v } else { *top };
                            *p = *p - step_size * (*m / (top.sqrt() / root + eps));
                        }
                    },
                );
            });
        }
        for_each::<T, 3>(grads, state, |i, grad, [param, first, second]| {
            let (step_size, root) = factors[i];
            simd(
                #[inline(always)]
                || {
                    for (((p, m), v), g) in param.iter_mut().zip(&mut *first).zip(&mut *second).zip(grad) {
                        moments(p, m, v, *g);
                        *p = *p - step_size * (*m / (v.sqrt() / root + eps));
                    }
                },
            );
        });
    }
}

macro_rules! kernels {
    ($($Op:ident),*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                by_dtype!(stringify!($Op), inputs[0].dtype(), { float T => self.go::<T>(inputs, outputs), });
                Ok(())
            }
        }
    )*};
}
kernels!(SgdStep, AdamStep);
