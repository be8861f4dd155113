//! Kernels of recurrent layers: the weight is packed once, and a step is one product into the place of its gates,
//! which are then computed where they lie, a row at a time, in the first-level cache.
//!
//! The states of all sequences are one buffer, of which a step changes the first rows, as many as have that step. So a
//! sequence that ends keeps its state, and one that begins late, in a reverse layer, finds its first one.
//!
//! Half precision is computed in `f32`, and where PyTorch computes a step op by op each result is rounded as there, where
//! it has one kernel what goes from step to step: [`Keep`] says how, and costs nothing where nothing is rounded.

use super::floats::{Compute, Wide, each2, read, update};
use super::halves::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use super::math::Float;
use super::matmul::{self, Factor, Sizes};
use super::micro::Real;
use super::packed::Packed;
use super::par::{self, Shared};
use super::scratch::Scratch;
use super::{CpuKernel, Dst, Src, list};
use crate::layout::Layout;
use crate::op::Infer;
use crate::ops::{RnnLayer, RnnLayerBackward, RnnMode, RnnSizes};
use crate::shape::{Shape, Strides};
use crate::{DType, Result, bail};
use std::borrow::Cow;

/// A number that recurrent layers compute in.
trait Scalar: Real + Compute + Factor {}
impl Scalar for f32 {}
impl Scalar for f64 {}

/// What is kept of the result of an op of a step.
trait Keep<T: Scalar> {
    /// Not all of it.
    const ROUNDS: bool;
    /// Not all of what goes from step to step, h and c, and the gradients of the gates.
    const CARRIES: bool = false;
    fn keep(x: T) -> T;

    /// What goes on of a number that is kept.
    #[inline(always)]
    fn carry(x: T) -> T {
        x
    }

    fn keep_all(all: &mut [T]) {
        if Self::ROUNDS {
            par::simd(
                #[inline(always)]
                || apply(all, Self::keep),
            );
        }
    }
}

/// All of it.
struct Whole;

impl<T: Scalar> Keep<T> for Whole {
    const ROUNDS: bool = false;
    #[inline(always)]
    fn keep(x: T) -> T {
        x
    }
}

/// All of it, but h, c and the gradients of the gates are what `bf16` holds: so oneDNN computes an LSTM.
struct Carried;

impl Keep<f32> for Carried {
    const ROUNDS: bool = false;
    const CARRIES: bool = true;
    #[inline(always)]
    fn keep(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn carry(x: f32) -> f32 {
        bf16_to_f32(f32_to_bf16(x))
    }
}

/// What `f16` holds.
struct Half;

impl Keep<f32> for Half {
    const ROUNDS: bool = true;
    #[inline(always)]
    fn keep(x: f32) -> f32 {
        f16_to_f32(f32_to_f16(x))
    }
}

/// What `bf16` holds.
struct Brain;

impl Keep<f32> for Brain {
    const ROUNDS: bool = true;
    #[inline(always)]
    fn keep(x: f32) -> f32 {
        bf16_to_f32(f32_to_bf16(x))
    }
}

/// Calls `$go` in what a layer computes in and keeps.
macro_rules! kept {
    ($layer:expr, $dtype:expr, $go:ident($($arg:expr),*)) => {
        match ($dtype, $layer.mode.rounds($dtype, $layer.projection)) {
            (DType::F16, true) => $go::<f32, Half>($($arg),*),
            (DType::BF16, true) => $go::<f32, Brain>($($arg),*),
            (DType::BF16, false) => $go::<f32, Carried>($($arg),*),
            (DType::F16 | DType::F32, _) => $go::<f32, Whole>($($arg),*),
            (DType::F64, _) => $go::<f64, Whole>($($arg),*),
            (dtype, _) => bail!(DType, RnnLayer::NAME, "not defined for {dtype}"),
        }
    };
}

/// Gates of this many numbers make one task.
const GATES: usize = 16 * 1024;

/// Rows that a layer writes before it reads them.
fn room<T: Scalar>(rows: usize, width: usize) -> Result<Scratch<T>> {
    Scratch::new(RnnLayer::NAME, &[rows.max(1), width.max(1)])
}

/// Rows of which each task gets some: `width` numbers at a time, from the start of a slice.
struct Rows<T>(Shared<T>, usize);

impl<T: Copy> Rows<T> {
    fn of(all: &mut [T], count: usize, width: usize) -> Rows<T> {
        assert!(count * width <= all.len());
        Rows(Shared::new(all.as_mut_ptr()), width)
    }

    /// # Safety
    /// `i` is below the count, and the row is nobody else's.
    #[inline(always)]
    unsafe fn row<'a>(&self, i: usize) -> &'a mut [T] {
        // SAFETY: the caller's promise; `of` saw to the length.
        unsafe { self.0.part(i * self.1..(i + 1) * self.1) }
    }
}

/// Calls `f` with each of `0..rows` of so many numbers, compiled for the machine's vectors.
fn by_row(rows: usize, width: usize, f: impl Fn(usize) + Sync) {
    par::ranges(rows, (GATES / width.max(1)).max(1), |range| range.for_each(&f));
}

/// `y = f(y)`.
#[inline(always)]
fn apply<T: Float>(all: &mut [T], f: impl Fn(T) -> T) {
    for y in all.iter_mut() {
        *y = f(*y);
    }
}

/// What is given of the inputs from number `at` on: those that are there, one by one.
struct Given<'a, T: Clone> {
    h: Cow<'a, [T]>,
    weight: Cow<'a, [T]>,
    bias: Option<Cow<'a, [T]>>,
    c: Option<Cow<'a, [T]>>,
    projection: Option<Cow<'a, [T]>>,
}

impl<'a, T: Scalar> Given<'a, T> {
    fn read(op: &RnnLayer, inputs: &[Src<'a>], bias: bool) -> Result<Given<'a, T>> {
        let mut rest = inputs.iter().map(read::<T>);
        let mut next = |there: bool| if there { rest.next().transpose() } else { Ok(None) };
        let (h, weight) = (next(true)?.unwrap_or_default(), next(true)?.unwrap_or_default());
        let (bias, c) = (next(bias)?, next(op.mode == RnnMode::Lstm)?);
        Ok(Given { h, weight, bias, c, projection: next(op.projection)? })
    }
}

/// The sizes, from the shapes of h before the first step and the weight.
fn sizes(op: &RnnLayer, h: &Src<'_>, weight: &Src<'_>) -> RnnSizes {
    let (h, weight) = (h.shape(), weight.shape());
    let gates = weight[0];
    RnnSizes { rows: op.batch_sizes.iter().sum(), n: h[0], hidden: gates / op.mode.gates(), out: weight[1], gates }
}

/// Numbers of the rows of a step.
fn part(start: usize, len: usize, width: usize) -> std::ops::Range<usize> {
    start * width..(start + len) * width
}

fn forward<T: Scalar, K: Keep<T>>(op: &RnnLayer, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
    let s = sizes(op, &inputs[1], &inputs[2]);
    let (gx, given) = (read::<T>(&inputs[0])?, Given::<T>::read(op, &inputs[1..], op.bias)?);
    let mut out: Vec<Wide<'_, '_, T>> = outputs.iter_mut().map(Wide::of).collect::<Result<_>>()?;
    let (states, saved) = out.split_at_mut(op.states());
    let (y, states) = states.split_first_mut().expect("all h");
    let (h, c) = states.split_first_mut().expect("the last h");
    let (y, h) = (y.numbers(), h.numbers());
    let mut c = c.first_mut().map(Wide::numbers);
    h.copy_from_slice(&given.h);
    if let (Some(c), Some(first)) = (&mut c, &given.c) {
        c.copy_from_slice(first);
    }
    let (gates, all_c) = saved.split_at_mut(saved.len().min(1));
    let (mut gates, mut all_c) = (gates.first_mut().map(Wide::numbers), all_c.first_mut().map(Wide::numbers));

    let weight = Packed::new((s.out, s.gates), &given.weight, 1, s.out)?;
    let projection = given.projection.as_ref().map(|w| Packed::new((s.hidden, s.out), w, 1, s.hidden)).transpose()?;
    let gru = op.mode == RnnMode::Gru;
    // Of a GRU r, z, n and what h contributes to n.
    let width = if gru { s.gates + s.hidden } else { s.gates };
    let mut own = room(if gates.is_some() { 0 } else { s.n }, width)?;
    let own = own.slice();
    // What h contributes, where it is not added to what the input does at once.
    let apart = gru || K::ROUNDS;
    let mut product = list(if apart { s.n * s.gates } else { 0 }, T::ZERO)?;
    let mut inner = list(if projection.is_some() { s.n * s.hidden } else { 0 }, T::ZERO)?;
    let offsets = op.offsets();
    for t in op.order() {
        let (start, size) = (offsets[t], op.batch_sizes[t]);
        let gx = &gx[part(start, size, s.gates)];
        let gates = match &mut gates {
            Some(all) => &mut all[part(start, size, width)],
            None => &mut own[..size * width],
        };
        if apart {
            let product = &mut product[..size * s.gates];
            if let Some(bias) = &given.bias {
                product.chunks_exact_mut(s.gates).for_each(|row| row.copy_from_slice(bias));
            }
            weight.multiply(size, (h, s.out), product, s.gates, given.bias.is_some());
            K::keep_all(product);
        }
        if gru {
            gru_gates::<T, K>(&s, size, gx, &product, gates, h);
        } else {
            gates.copy_from_slice(gx);
            if apart {
                add_kept::<T, K>(gates, &product);
            } else {
                if let Some(bias) = &given.bias {
                    gates
                        .chunks_exact_mut(s.gates)
                        .for_each(|row| row.iter_mut().zip(&bias[..]).for_each(|(to, b)| *to += *b));
                }
                weight.multiply(size, (h, s.out), gates, s.gates, true);
            }
            match (&mut c, &projection) {
                (Some(c), Some(projection)) => {
                    lstm_gates::<T, K>(&s, size, gates, c, &mut inner);
                    projection.multiply(size, (&inner, s.hidden), h, s.out, false);
                    K::keep_all(&mut h[..size * s.out]);
                }
                (Some(c), None) => lstm_gates::<T, K>(&s, size, gates, c, h),
                (None, _) => rnn_gates::<T, K>(&s, size, op.mode, gates, h),
            }
        }
        y[part(start, size, s.out)].copy_from_slice(&h[..size * s.out]);
        if let (Some(all), Some(c)) = (&mut all_c, &c) {
            all[part(start, size, s.hidden)].copy_from_slice(&c[..size * s.hidden]);
        }
    }
    out.into_iter().for_each(Wide::finish);
    Ok(())
}

/// `to += more`, which is as long or longer.
fn add_kept<T: Scalar, K: Keep<T>>(to: &mut [T], more: &[T]) {
    let more = &more[..to.len()];
    par::simd(
        #[inline(always)]
        || update(to, [more, more, more], |x, y, _, _| K::keep(x + y)),
    );
}

/// h = tanh or relu of the gates.
fn rnn_gates<T: Scalar, K: Keep<T>>(s: &RnnSizes, size: usize, mode: RnnMode, gates: &[T], h: &mut [T]) {
    let h = Rows::of(h, size, s.hidden);
    by_row(size, s.hidden, |i| {
        // SAFETY: each row is one call's.
        let (h, gates) = (unsafe { h.row(i) }, &gates[part(i, 1, s.hidden)]);
        par::simd(
            #[inline(always)]
            || match mode {
                RnnMode::RnnRelu => each2(h, gates, gates, |x, _| if x <= T::ZERO { T::ZERO } else { x }),
                _ => each2(h, gates, gates, |x, _| K::keep(Float::tanh(x))),
            },
        );
    });
}

/// The gates from what they are functions of, in their place; c and h after the step.
fn lstm_gates<T: Scalar, K: Keep<T>>(s: &RnnSizes, size: usize, gates: &mut [T], c: &mut [T], h: &mut [T]) {
    let n = s.hidden;
    let (gates, c, h) = (Rows::of(gates, size, 4 * n), Rows::of(c, size, n), Rows::of(h, size, n));
    by_row(size, 4 * n, |row| {
        // SAFETY: each row is one call's.
        let (gates, c, h) = unsafe { (gates.row(row), c.row(row), h.row(row)) };
        let (i, rest) = gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        par::simd(
            #[inline(always)]
            || {
                let keep = K::keep;
                apply(i, |x| keep(Float::sigmoid(x)));
                apply(f, |x| keep(Float::sigmoid(x)));
                apply(g, |x| keep(Float::tanh(x)));
                apply(o, |x| keep(Float::sigmoid(x)));
                update(c, [f, i, g], |c, f, i, g| keep(keep(f * c) + keep(i * g)));
                each2(h, o, c, |o, c| K::carry(keep(o * keep(Float::tanh(c)))));
                if K::CARRIES {
                    apply(c, K::carry);
                }
            },
        );
    });
}

/// r, z, n and what h contributes to n, and h after the step.
fn gru_gates<T: Scalar, K: Keep<T>>(s: &RnnSizes, size: usize, gx: &[T], gh: &[T], gates: &mut [T], h: &mut [T]) {
    let n = s.hidden;
    let (gates, h) = (Rows::of(gates, size, 4 * n), Rows::of(h, size, n));
    by_row(size, 4 * n, |row| {
        // SAFETY: each row is one call's.
        let (gates, h) = unsafe { (gates.row(row), h.row(row)) };
        let (gx, gh) = (&gx[part(row, 1, 3 * n)], &gh[part(row, 1, 3 * n)]);
        let (rz, rest) = gates.split_at_mut(2 * n);
        let (new, hn) = rest.split_at_mut(n);
        par::simd(
            #[inline(always)]
            || {
                let keep = K::keep;
                each2(rz, gx, gh, |x, h| keep(Float::sigmoid(keep(x + h))));
                hn.copy_from_slice(&gh[2 * n..]);
                update(new, [&gx[2 * n..], &rz[..n], hn], |_, x, r, h| keep(Float::tanh(keep(x + keep(r * h)))));
                update(h, [&rz[n..], new, new], |h, z, new, _| keep(keep(keep(h - new) * z) + new));
            },
        );
    });
}

/// What a step needs on the way back, rows of the step alone.
struct Step<'a, T> {
    size: usize,
    /// h, or what a GRU and an LSTM saved.
    gates: &'a [T],
    /// The states before it; c after it.
    h: &'a [T],
    c: &'a [T],
    new_c: &'a [T],
}

fn backward<T: Scalar, K: Keep<T>>(op: &RnnLayerBackward, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
    let (of, at) = (&op.of, op.place());
    let rest = at + 1 + of.saved();
    let s = sizes(of, &inputs[rest], &inputs[rest + 1]);
    let mut grads = inputs[..at].iter().map(read::<T>);
    let mut next = |there: bool| if there { grads.next().transpose() } else { Ok(None) };
    let (gy, gh, gc) = (next(op.grads[0])?, next(op.grads[1])?, next(op.grads[2])?);
    let y = read::<T>(&inputs[at])?;
    let saved: Vec<Cow<'_, [T]>> = inputs[at + 1..rest].iter().map(read::<T>).collect::<Result<_>>()?;
    let given = Given::<T>::read(of, &inputs[rest..], false)?;
    let mut out: Vec<Wide<'_, '_, T>> = outputs.iter_mut().map(Wide::of).collect::<Result<_>>()?;
    let (gx, others) = out.split_first_mut().expect("the gradient of the gates");
    let (dh, others) = others.split_first_mut().expect("that of h");
    let (gx, dh) = (gx.numbers(), dh.numbers());
    let begin = |to: &mut [T], from: &Option<Cow<'_, [T]>>| match from {
        Some(from) => to.copy_from_slice(from),
        None => to.fill(T::ZERO),
    };
    begin(dh, &gh);
    let mut dc = list(if of.mode == RnnMode::Lstm { s.n * s.hidden } else { 0 }, T::ZERO)?;
    begin(&mut dc, &gc);

    let weight = Packed::new((s.gates, s.out), &given.weight, s.out, 1)?;
    let projection = given.projection.as_ref().map(|w| Packed::new((s.out, s.hidden), w, s.hidden, 1)).transpose()?;
    let gru = of.mode == RnnMode::Gru;
    // A GRU's gates have another gradient by what h contributes.
    let mut by_h = room(if gru { s.rows } else { 0 }, s.gates)?;
    let mut before = room(s.rows, s.out)?;
    let (by_h, before) = (by_h.slice(), before.slice());
    let mut before_c = list(dc.len(), T::ZERO)?;
    let projected = if projection.is_some() { s.rows } else { 0 };
    let (mut outer, mut inner) = (list(projected * s.out, T::ZERO)?, list(projected * s.hidden, T::ZERO)?);
    let mut by_inner = list(if projection.is_some() { s.n * s.hidden } else { 0 }, T::ZERO)?;
    let mut by_gates = list(if K::ROUNDS { s.n * s.out } else { 0 }, T::ZERO)?;
    let offsets = of.offsets();
    // Rows of a step whose gradient was added in the step behind it.
    let mut early = 0;
    for t in of.order().into_iter().rev() {
        let (start, size) = (offsets[t], of.batch_sizes[t]);
        let begun = |to: &mut [T], all: &[T], first: &[T], width: usize| {
            let there = of.before(t).map_or(0, |b| of.batch_sizes[b].min(size));
            let (new, old) = to.split_at_mut(there * width);
            if let Some(b) = of.before(t) {
                new.copy_from_slice(&all[part(offsets[b], there, width)]);
            }
            old.copy_from_slice(&first[part(there, size - there, width)]);
        };
        let h = &mut before[part(start, size, s.out)];
        begun(h, &y, &given.h, s.out);
        if let (Some(first), Some(all)) = (&given.c, saved.get(1)) {
            begun(&mut before_c[..size * s.hidden], all, first, s.hidden);
        }
        let dh = &mut dh[..size * s.out];
        if let Some(gy) = &gy {
            add_kept::<T, K>(&mut dh[early * s.out..], &gy[part(start + early, size - early, s.out)]);
        }
        let width = if gru { s.gates + s.hidden } else { s.gates };
        let step = Step {
            size,
            gates: saved.first().map_or(&y[..], |all| &all[..]).get(part(start, size, width)).unwrap_or_default(),
            h,
            c: &before_c,
            new_c: saved.get(1).map_or(&[], |all| &all[part(start, size, s.hidden)]),
        };
        let gx = &mut gx[part(start, size, s.gates)];
        match (of.mode, &projection) {
            (RnnMode::Lstm, Some(projection)) => {
                let (o, m) = (part(start, size, s.out), part(start, size, s.hidden));
                outer[o].copy_from_slice(dh);
                projection.multiply(size, (dh, s.out), &mut by_inner, s.hidden, false);
                K::keep_all(&mut by_inner[..size * s.hidden]);
                lstm_back::<T, K>(&s, &step, &by_inner, &mut dc, gx, Some(&mut inner[m]));
            }
            (RnnMode::Lstm, None) => lstm_back::<T, K>(&s, &step, dh, &mut dc, gx, None),
            (RnnMode::Gru, _) => gru_back::<T, K>(&s, &step, dh, gx, &mut by_h[part(start, size, s.gates)]),
            (mode, _) => rnn_back::<T, K>(&s, &step, mode, dh, gx),
        }
        let gates: &[T] = if gru { &by_h[part(start, size, s.gates)] } else { gx };
        if K::ROUNDS {
            let by_gates = &mut by_gates[..size * s.out];
            weight.multiply(size, (gates, s.gates), by_gates, s.out, false);
            K::keep_all(by_gates);
            early = 0;
            if gru {
                // Of three sums PyTorch's first is that of the output.
                if let (Some(gy), Some(b)) = (&gy, of.before(t)) {
                    early = size.min(of.batch_sizes[b]);
                    add_kept::<T, K>(&mut dh[..early * s.out], &gy[part(offsets[b], early, s.out)]);
                }
                add_kept::<T, K>(dh, by_gates);
            } else {
                dh.copy_from_slice(by_gates);
            }
        } else {
            weight.multiply(size, (gates, s.gates), dh, s.out, gru);
        }
    }
    let gates: &[T] = if gru { by_h } else { gx };
    // What is rounded is summed step by step, the last one first.
    let runs: Vec<_> = if K::ROUNDS {
        of.order().into_iter().rev().map(|t| (offsets[t], of.batch_sizes[t])).collect()
    } else {
        vec![(0, s.rows)]
    };
    weight_gradients::<T, K>(&s, of, &runs, (gates, before), others)?;
    if let (Some(dst), true) = (others.get_mut(1 + usize::from(of.bias)), of.mode == RnnMode::Lstm) {
        dst.numbers().copy_from_slice(&dc);
    }
    if let (Some(dst), true) = (others.last_mut(), of.projection) {
        by_rows::<T, K>(&runs, (&outer, s.out), (&inner, s.hidden), dst.numbers())?;
    }
    out.into_iter().for_each(Wide::finish);
    Ok(())
}

/// Those of the weight and the bias, the first of `out`, each summed run by run of rows (start and number).
fn weight_gradients<T: Scalar, K: Keep<T>>(
    s: &RnnSizes,
    of: &RnnLayer,
    runs: &[(usize, usize)],
    (gates, h): (&[T], &[T]),
    out: &mut [Wide<'_, '_, T>],
) -> Result<()> {
    let Some((weight, rest)) = out.split_first_mut() else { return Ok(()) };
    by_rows::<T, K>(runs, (gates, s.gates), (h, s.out), weight.numbers())?;
    if let (Some(bias), true) = (rest.first_mut(), of.bias) {
        let bias = bias.numbers();
        bias.fill(T::ZERO);
        let mut own = list(bias.len(), T::ZERO)?;
        for &(start, size) in runs {
            own.fill(T::ZERO);
            for row in gates[part(start, size, s.gates)].chunks_exact(s.gates) {
                own.iter_mut().zip(row).for_each(|(to, g)| *to += *g);
            }
            K::keep_all(&mut own);
            add_kept::<T, K>(bias, &own);
        }
    }
    Ok(())
}

/// `out = aᵀ b`, summed run by run of rows.
fn by_rows<T: Scalar, K: Keep<T>>(
    runs: &[(usize, usize)],
    (a, m): (&[T], usize),
    (b, n): (&[T], usize),
    out: &mut [T],
) -> Result<()> {
    let product = |(start, rows): (usize, usize), out: &mut [T]| {
        let turned = Layout { shape: Shape::from_slice(&[m, rows]), strides: Strides::from_slice(&[1, m]), offset: 0 };
        let straight = Layout::contiguous(Shape::from_slice(&[rows, n]));
        let (a, b) = (&a[part(start, rows, m)], &b[part(start, rows, n)]);
        matmul::products(Sizes { m, n, k: rows }, (a, &turned), (b, &straight), out, false);
    };
    let Some((first, rest)) = runs.split_first() else { return Ok(()) };
    product(*first, out);
    K::keep_all(out);
    let mut own = list(if rest.is_empty() { 0 } else { out.len() }, T::ZERO)?;
    for run in rest {
        product(*run, &mut own);
        K::keep_all(&mut own);
        add_kept::<T, K>(out, &own);
    }
    Ok(())
}

/// The gradient by the gate, of h's: h is a function of the gate that is known by itself.
fn rnn_back<T: Scalar, K: Keep<T>>(s: &RnnSizes, step: &Step<'_, T>, mode: RnnMode, dh: &[T], gx: &mut [T]) {
    let gx = Rows::of(gx, step.size, s.hidden);
    by_row(step.size, s.hidden, |row| {
        let at = part(row, 1, s.hidden);
        // SAFETY: each row is one call's.
        let (gx, dh, h) = (unsafe { gx.row(row) }, &dh[at.clone()], &step.gates[at]);
        par::simd(
            #[inline(always)]
            || match mode {
                RnnMode::RnnRelu => each2(gx, dh, h, |g, h| if h > T::ZERO { g } else { T::ZERO }),
                _ => each2(gx, dh, h, |g, h| K::keep(g * (T::ONE - h * h))),
            },
        );
    });
}

/// The gradients by the gates, of h's and c's; that by c before the step takes the place of c's. `inner` is for h before
/// it is projected.
fn lstm_back<T: Scalar, K: Keep<T>>(
    s: &RnnSizes,
    step: &Step<'_, T>,
    dh: &[T],
    dc: &mut [T],
    gx: &mut [T],
    inner: Option<&mut [T]>,
) {
    let n = s.hidden;
    let inner = inner.map(|inner| Rows::of(inner, step.size, n));
    let (gx, dc) = (Rows::of(gx, step.size, 4 * n), Rows::of(dc, step.size, n));
    by_row(step.size, 4 * n, |row| {
        let at = part(row, 1, n);
        let (dh, c, new_c) = (&dh[at.clone()], &step.c[at.clone()], &step.new_c[at]);
        let gates = &step.gates[part(row, 1, 4 * n)];
        let (i, f, g, o) = (&gates[..n], &gates[n..2 * n], &gates[2 * n..3 * n], &gates[3 * n..]);
        // SAFETY: each row is one call's.
        let (gx, dc) = unsafe { (gx.row(row), dc.row(row)) };
        // SAFETY: as above.
        let mut inner = inner.as_ref().map(|inner| unsafe { inner.row(row) });
        let (di, rest) = gx.split_at_mut(n);
        let (df, rest) = rest.split_at_mut(n);
        let (dg, d_o) = rest.split_at_mut(n);
        par::simd(
            #[inline(always)]
            || {
                // tanh c, for now.
                let keep = K::keep;
                each2(di, new_c, new_c, |c, _| keep(Float::tanh(c)));
                update(d_o, [dh, di, o], |_, dh, t, o| keep(keep(dh * t) * (o * (T::ONE - o))));
                update(dc, [dh, di, o], |dc, dh, t, o| keep(dc + keep(keep(dh * o) * (T::ONE - t * t))));
                if let Some(inner) = &mut inner {
                    each2(inner, di, o, |t, o| keep(t * o));
                }
                update(di, [dc, g, i], |_, dc, g, i| keep(keep(dc * g) * (i * (T::ONE - i))));
                update(df, [dc, c, f], |_, dc, c, f| keep(keep(dc * c) * (f * (T::ONE - f))));
                update(dg, [dc, i, g], |_, dc, i, g| keep(keep(dc * i) * (T::ONE - g * g)));
                update(dc, [f, f, f], |dc, f, _, _| keep(dc * f));
                if K::CARRIES {
                    apply(di, K::carry);
                    apply(df, K::carry);
                    apply(dg, K::carry);
                    apply(d_o, K::carry);
                }
            },
        );
    });
}

/// The gradients by the gates through what the input and what h contributes, of h's, which becomes its own share of that
/// by h before the step.
fn gru_back<T: Scalar, K: Keep<T>>(s: &RnnSizes, step: &Step<'_, T>, dh: &mut [T], gx: &mut [T], by_h: &mut [T]) {
    let n = s.hidden;
    let (gx, by_h) = (Rows::of(gx, step.size, 3 * n), Rows::of(by_h, step.size, 3 * n));
    let dh = Rows::of(dh, step.size, n);
    by_row(step.size, 4 * n, |row| {
        let (h, gates) = (&step.h[part(row, 1, n)], &step.gates[part(row, 1, 4 * n)]);
        let (r, z, new, hn) = (&gates[..n], &gates[n..2 * n], &gates[2 * n..3 * n], &gates[3 * n..]);
        // SAFETY: each row is one call's.
        let (gx, by_h, dh) = unsafe { (gx.row(row), by_h.row(row), dh.row(row)) };
        let (dr, rest) = gx.split_at_mut(n);
        let (dz, dn) = rest.split_at_mut(n);
        par::simd(
            #[inline(always)]
            || {
                let keep = K::keep;
                each2(dz, h, new, |h, n| keep(h - n));
                update(dz, [dh, z, z], |dz, g, z, _| keep(keep(dz * g) * (z * (T::ONE - z))));
                // h's share first, of which what is left is n's.
                each2(dr, dh, z, |g, z| keep(g * z));
                update(dn, [dh, dr, new], |_, g, share, n| keep(keep(g - share) * (T::ONE - n * n)));
                dh.copy_from_slice(dr);
                update(dr, [dn, hn, r], |_, dn, hn, r| keep(keep(dn * hn) * (r * (T::ONE - r))));
                by_h[..n].copy_from_slice(dr);
                by_h[n..2 * n].copy_from_slice(dz);
                each2(&mut by_h[2 * n..], dn, r, |dn, r| keep(dn * r));
            },
        );
    });
}

impl CpuKernel for RnnLayer {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        kept!(self, inputs[1].dtype(), forward(self, inputs, outputs))
    }
}

impl CpuKernel for RnnLayerBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        kept!(self.of, inputs[0].dtype(), backward(self, inputs, outputs))
    }
}
