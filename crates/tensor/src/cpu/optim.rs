//! Kernels of the fused optimizer steps: lists of tensors, cut into pieces that threads share.

mod pointwise;

use super::halves::{bf16_to_f32, f32_to_bf16, narrow, widen};
use super::lanes::by_dtype;
use super::par::{self, GRAIN, simd};
use super::{CpuKernel, Dst, Src};
use crate::dtype::Stored;
use crate::ops::{AdamStep, PointwiseStep, SgdStep, StepScalars};
use crate::{DType, Result};
use half::{bf16, f16};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a step computes in.
trait Real:
    Stored
    + PartialOrd
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    fn of(x: f64) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn is_nan(self) -> bool;
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
            #[inline(always)]
            fn abs(self) -> $t {
                self.abs()
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
        }
        impl Element for $t {
            type Wide = $t;
            #[inline(always)]
            fn load(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
            #[inline(always)]
            fn store(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
            #[inline(always)]
            fn as_wide(x: &[$t]) -> Option<&[$t]> {
                Some(x)
            }
            #[inline(always)]
            fn round(_: &mut [$t]) {}
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
    type Wide: Real;

    /// The numbers in the type that is computed in; both slices have one length.
    fn load(from: &[Self], to: &mut [Self::Wide]);

    /// As they are stored, rounded; both slices have one length.
    fn store(from: &[Self::Wide], to: &mut [Self]);

    /// The numbers themselves, where they are stored in the type that is computed in.
    fn as_wide(x: &[Self]) -> Option<&[Self::Wide]>;

    /// Leaves what would come back after a store, of up to [`BLOCK`] numbers.
    fn round(x: &mut [Self::Wide]);

    /// Calls `f` with the numbers in the type that is computed in, and stores what it leaves in `targets`.
    fn compute<const N: usize>(
        grad: &[Self],
        targets: [&mut [Self]; N],
        f: impl Fn(&[Self::Wide], [&mut [Self::Wide]; N]),
    );
}

/// Numbers of half precision that are computed at a time.
const BLOCK: usize = 512;

macro_rules! half {
    ($($t:ty, $load:expr, $store:expr;)*) => {$(
        impl Element for $t {
            type Wide = f32;
            fn load(from: &[$t], to: &mut [f32]) {
                $load(from, to);
            }
            fn store(from: &[f32], to: &mut [$t]) {
                $store(from, to);
            }
            fn as_wide(_: &[$t]) -> Option<&[f32]> {
                None
            }
            fn round(x: &mut [f32]) {
                let mut stored = [<$t>::ZERO; BLOCK];
                let stored = &mut stored[..x.len()];
                $store(x, stored);
                $load(stored, x);
            }
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
struct Piece<'a, T> {
    param: usize,
    grad: &'a [T],
    targets: SmallVec<[&'a mut [T]; 5]>,
}

/// Elements that [`walk`] takes at a time: two registers of 512 bits.
const LANES: usize = 16;

/// Replaces the elements of `targets` by what `f` makes of them and the gradient's. A block of each list is taken into
/// an array of its own, so that the compiler need not ask whether lists overlap and does the block in vectors.
#[inline(always)]
fn walk<C: Real, const N: usize>(grad: &[C], targets: [&mut [C]; N], f: impl Fn(C, [C; N]) -> [C; N] + Copy) {
    simd(
        #[inline(always)]
        || {
            // By value: what is read through the closure would be read again after each store.
            let step = f;
            let (blocks, rest) = grad.as_chunks::<LANES>();
            for (i, g) in blocks.iter().enumerate() {
                let at = i * LANES;
                let mut block = [[C::of(0.0); LANES]; N];
                for n in 0..N {
                    block[n].copy_from_slice(&targets[n][at..at + LANES]);
                }
                for k in 0..LANES {
                    // Loops over numbers: closures given to array functions are not inlined here.
                    let mut now = [C::of(0.0); N];
                    for n in 0..N {
                        now[n] = block[n][k];
                    }
                    let stepped = step(g[k], now);
                    for n in 0..N {
                        block[n][k] = stepped[n];
                    }
                }
                for n in 0..N {
                    targets[n][at..at + LANES].copy_from_slice(&block[n]);
                }
            }
            for (g, i) in rest.iter().zip(blocks.len() * LANES..) {
                let mut now = [C::of(0.0); N];
                for n in 0..N {
                    now[n] = targets[n][i];
                }
                let stepped = step(*g, now);
                for n in 0..N {
                    targets[n][i] = stepped[n];
                }
            }
        },
    );
}

/// Gives the parameters to `run`, small ones several at a time, large ones in pieces; threads share the calls.
fn for_pieces<T: Element>(grads: &[Src<'_>], outputs: &mut [Dst<'_>], run: impl Fn(Vec<Piece<'_, T>>) + Sync) {
    let grads: Vec<Cow<'_, [T]>> = grads.iter().map(|g| g.contiguous::<T>()).collect();
    let mut lists: SmallVec<[_; 5]> = outputs.chunks_mut(grads.len().max(1)).map(|list| list.iter_mut()).collect();
    let (mut batches, mut batch, mut filled) = (Vec::new(), Vec::new(), 0);
    for (param, grad) in grads.iter().enumerate() {
        let mut rest: SmallVec<[&mut [T]; 5]> =
            lists.iter_mut().map(|list| list.next().map(|d| d.slice::<T>()).unwrap_or_default()).collect();
        for grad in grad.chunks(GRAIN) {
            let targets = rest.iter_mut().map(|rest| {
                let (head, tail) = std::mem::take(rest).split_at_mut(grad.len());
                *rest = tail;
                head
            });
            batch.push(Piece { param, grad, targets: targets.collect() });
            filled += grad.len();
            if filled >= GRAIN {
                batches.push(std::mem::take(&mut batch));
                filled = 0;
            }
        }
    }
    batches.push(batch);
    par::each(batches, run);
}

/// Steps each parameter by the closure that `step` gives for its place in the list: of an element of the gradient and
/// those of what is updated, what these become.
fn for_each<T: Element, const N: usize, F>(grads: &[Src<'_>], outputs: &mut [Dst<'_>], step: impl Fn(usize) -> F + Sync)
where
    F: Fn(T::Wide, [T::Wide; N]) -> [T::Wide; N] + Copy,
{
    for_pieces(grads, outputs, |pieces| {
        for Piece { param, grad, mut targets } in pieces {
            let f = step(param);
            let targets = std::array::from_fn(|n| std::mem::take(&mut targets[n]));
            T::compute(grad, targets, |grad, targets| walk(grad, targets, f));
        }
    });
}

/// The gradient that a step goes down: scaled, with its sign, and with the L2 penalty.
fn slope<C: Real>(factor: f64, maximize: bool, weight_decay: f64) -> impl Fn(C, C) -> C + Copy + Sync {
    let (factor, decay) = (C::of(if maximize { -factor } else { factor }), C::of(weight_decay));
    let decays = weight_decay != 0.0;
    #[inline(always)]
    move |g, p| if decays { g * factor + p * decay } else { g * factor }
}

impl SgdStep {
    fn go<T: Element>(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) {
        let (grads, scalars) = inputs.split_at(outputs.len() / if self.momentum == 0.0 { 1 } else { 2 });
        let scalars = Scalars::read(self.scalars, self.lr, scalars);
        if scalars.skip {
            return;
        }
        let of = <T::Wide as Real>::of;
        let (lr, momentum, keep) = (of(scalars.lr), of(self.momentum), of(1.0 - self.dampening));
        let (nesterov, first) = (self.nesterov, self.first);
        let slope = slope::<T::Wide>(scalars.unscale, self.maximize, self.weight_decay);
        if self.momentum == 0.0 {
            return for_each::<T, 1, _>(grads, outputs, |_| {
                #[inline(always)]
                move |g, [p]| [p - lr * slope(g, p)]
            });
        }
        for_each::<T, 2, _>(grads, outputs, |_| {
            #[inline(always)]
            move |g, [p, b]| {
                let d = slope(g, p);
                let b = if first { d } else { b * momentum + d * keep };
                [p - lr * if nesterov { d + b * momentum } else { b }, b]
            }
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
        let of = <T::Wide as Real>::of;
        // The size of a step and the root of the second moment's correction.
        let factors = |step: f64| {
            let corrected = |beta: f64| 1.0 - beta.powf(step);
            (of(scalars.lr / corrected(self.beta1)), of(corrected(self.beta2).sqrt()))
        };
        let (state, steps) = outputs.split_at_mut(grads.len() * if self.amsgrad { 4 } else { 3 });
        let factors: Vec<(T::Wide, T::Wide)> = match self.step {
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
        // The decay of AdamW, which leaves what it multiplies by one as it is, or that of the gradient.
        let (shrink, penalty) = if self.decoupled { (self.weight_decay, 0.0) } else { (0.0, self.weight_decay) };
        let (eps, shrink) = (of(self.eps), of(1.0 - scalars.lr * shrink));
        let slope = slope::<T::Wide>(scalars.unscale, self.maximize, penalty);
        let moments = move |g: T::Wide, p: T::Wide, m: T::Wide, v: T::Wide| {
            let g = slope(g, p);
            (p * shrink, m + (g - m) * keep1, v * beta2 + g * g * keep2)
        };
        if self.amsgrad {
            return for_each::<T, 4, _>(grads, state, |i| {
                let (step_size, root) = factors[i];
                #[inline(always)]
                move |g, [p, m, v, top]| {
                    let (p, m, v) = moments(g, p, m, v);
                    let top = if v > top { v } else { top };
                    [p - step_size * (m / (top.sqrt() / root + eps)), m, v, top]
                }
            });
        }
        for_each::<T, 3, _>(grads, state, |i| {
            let (step_size, root) = factors[i];
            #[inline(always)]
            move |g, [p, m, v]| {
                let (p, m, v) = moments(g, p, m, v);
                [p - step_size * (m / (v.sqrt() / root + eps)), m, v]
            }
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
kernels!(SgdStep, AdamStep, PointwiseStep);
