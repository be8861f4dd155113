//! Kernels of the fused optimizer steps.

use super::par::{self, GRAIN, simd};
use super::{CpuKernel, Dst, Src};
use crate::dtype::Stored;
use crate::ops::{AdamStep, SgdStep};
use crate::{DType, Result, bail};
use std::ops::{Add, Div, Mul, Neg, Sub};

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

impl Real for f32 {
    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        self.sqrt()
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        self.sqrt()
    }
}

/// Calls `f` with the same part of the gradient and of each of the `N` targets, on all threads.
fn zip_chunks<T: Stored, const N: usize>(grad: &[T], targets: [&mut [T]; N], f: impl Fn(&[T], [&mut [T]; N]) + Sync) {
    if grad.len() <= GRAIN {
        return f(grad, targets);
    }
    let mut parts: Vec<(&[T], [&mut [T]; N])> = Vec::new();
    let mut rest = targets;
    for grad in grad.chunks(GRAIN) {
        let mut tails: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
        let heads = std::array::from_fn(|i| {
            let (head, tail) = std::mem::take(&mut rest[i]).split_at_mut(grad.len());
            tails[i] = tail;
            head
        });
        parts.push((grad, heads));
        rest = tails;
    }
    par::each(parts, |(grad, targets)| f(grad, targets));
}

fn all<'a, T: Stored, const N: usize>(outputs: &'a mut [Dst<'_>]) -> [&'a mut [T]; N] {
    let mut slices = outputs.iter_mut();
    std::array::from_fn(|_| slices.next().map(|d| d.slice::<T>()).unwrap_or_default())
}

impl SgdStep {
    fn go<T: Real>(&self, grad: &Src<'_>, outputs: &mut [Dst<'_>]) {
        let grad = grad.contiguous::<T>();
        let (lr, momentum, weight_decay) = (T::of(self.lr), T::of(self.momentum), T::of(self.weight_decay));
        let keep = T::of(1.0 - self.dampening);
        let (maximize, decays, nesterov, first) = (self.maximize, self.weight_decay != 0.0, self.nesterov, self.first);
        let slope = move |g: T, p: T| {
            let g = if maximize { -g } else { g };
            if decays { g + p * weight_decay } else { g }
        };
        if self.momentum == 0.0 {
            return zip_chunks(&grad, all::<T, 1>(outputs), |grad, [param]| {
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
        zip_chunks(&grad, all::<T, 2>(outputs), |grad, [param, buffer]| {
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
    fn go<T: Real>(&self, grad: &Src<'_>, outputs: &mut [Dst<'_>]) {
        let grad = grad.contiguous::<T>();
        let correction1 = 1.0 - self.beta1.powi(self.step.min(i32::MAX as u64) as i32);
        let correction2 = (1.0 - self.beta2.powi(self.step.min(i32::MAX as u64) as i32)).sqrt();
        let (step_size, root) = (T::of(self.lr / correction1), T::of(correction2));
        let (keep1, beta2, keep2) = (T::of(1.0 - self.beta1), T::of(self.beta2), T::of(1.0 - self.beta2));
        let (eps, decay, shrink) =
            (T::of(self.eps), T::of(self.weight_decay), T::of(1.0 - self.lr * self.weight_decay));
        let (decays, decoupled, maximize) = (self.weight_decay != 0.0, self.decoupled, self.maximize);
        let moments = move |p: &mut T, m: &mut T, v: &mut T, g: T| {
            let mut g = if maximize { -g } else { g };
            if decays && decoupled {
                *p = *p * shrink;
            } else if decays {
                g = g + *p * decay;
            }
            *m = *m + (g - *m) * keep1;
            *v = *v * beta2 + g * g * keep2;
        };
        if self.amsgrad {
            return zip_chunks(&grad, all::<T, 4>(outputs), |grad, [param, first, second, largest]| {
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
        zip_chunks(&grad, all::<T, 3>(outputs), |grad, [param, first, second]| {
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
                match inputs[0].dtype() {
                    DType::F32 => self.go::<f32>(&inputs[0], outputs),
                    DType::F64 => self.go::<f64>(&inputs[0], outputs),
                    other => bail!(Unsupported, stringify!($Op), "no fused step for {other}"),
                }
                Ok(())
            }
        }
    )*};
}
kernels!(SgdStep, AdamStep);
