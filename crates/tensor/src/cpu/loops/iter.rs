//! The one iterator behind all elementwise kernels.
//!
//! A kernel is a loop over contiguous slices of lanes ([`map1`], [`map2`], [`map3`] wrap a closure into
//! one). The driver collapses the dimensions of all operands together, splits the work for threads by
//! size, and hands the kernel chunks: straight from memory where an operand is contiguous and stored as
//! its lane, else through a buffer on the stack that fits the first-level cache. A number is such a buffer,
//! filled once. So numbers, broadcasting, strides, casts and in-place writes need no second loop, and no two
//! slices ever alias.

use super::convert::{Convert, fill, loader, storer};
use super::lanes::{Lane, LaneKind};
use super::par;
use super::view::{Dst, Src};
use crate::Scalar;
use crate::dtype::Stored;
use crate::layout::Layout;
use crate::shape::{Shape, Strides, copied};
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ops::Range;

mod repeats;
mod turned;

use repeats::Repeats;
use turned::Turned;

/// Four of them take half of the first-level cache.
const STAGE_BYTES: usize = 2 * 1024;
const MAX_INPUTS: usize = 3;
/// Elements of a row from which rows are taken one by one.
const LONG: usize = 64;

#[repr(align(64))]
struct Stage(#[allow(dead_code)] [MaybeUninit<u8>; STAGE_BYTES]);

/// A loop over `n` lanes of each input into the output; the memory of all is apart.
type Kernel<'k> = &'k (dyn Fn(&[*const u8], *mut u8, usize) + Sync);

/// An input of an elementwise kernel: a tensor, which is broadcast to the output's shape, or a number.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    Tensor(Src<'a>),
    Scalar(Scalar),
    /// A number as it is stored, in the first bytes.
    Element([u64; 2]),
}

impl<'a> From<&Src<'a>> for Input<'a> {
    #[inline]
    fn from(src: &Src<'a>) -> Self {
        Input::Tensor(*src)
    }
}

/// An input as the driver sees it.
#[derive(Clone, Copy)]
struct Feed<'a> {
    from: Source<'a>,
    lane: LaneKind,
    /// Bytes of a lane.
    size: usize,
    /// A lane is what is stored, bit by bit.
    as_stored: bool,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Tensor(Src<'a>),
    /// One lane, in its first bytes.
    Value([u64; 2]),
}

impl<'a> Feed<'a> {
    #[inline]
    fn new<T: Lane>(input: impl Into<Input<'a>>) -> Self {
        const { assert!(size_of::<T>() <= 16 && align_of::<T>() <= 8) };
        let value = |bytes| Feed { from: Source::Value(bytes), lane: T::KIND, size: size_of::<T>(), as_stored: true };
        match input.into() {
            Input::Tensor(src) => Feed::of(src, T::KIND),
            Input::Element(bytes) => value(bytes),
            Input::Scalar(number) => {
                let mut bytes = [0; 2];
                // SAFETY: a lane fits these bytes, as asserted, and is written as such.
                unsafe { bytes.as_mut_ptr().cast::<T>().write(T::from_scalar(number)) };
                value(bytes)
            }
        }
    }

    #[inline(always)]
    fn of(src: Src<'a>, lane: LaneKind) -> Self {
        Feed { from: Source::Tensor(src), lane, size: lane.size(), as_stored: lane.stores(src.dtype()) }
    }
}

/// The output as the driver sees it.
struct Sink<'s, 'a> {
    out: &'s mut Dst<'a>,
    lane: LaneKind,
    /// Bytes of a lane.
    size: usize,
    /// A lane is what is stored, bit by bit.
    as_stored: bool,
}

impl<'s, 'a> Sink<'s, 'a> {
    #[inline(always)]
    fn of(out: &'s mut Dst<'a>, lane: LaneKind) -> Self {
        let (size, as_stored) = (lane.size(), lane.stores(out.dtype()));
        Sink { out, lane, size, as_stored }
    }
}

struct Operand {
    ptr: *mut u8,
    strides: Strides,
    /// Bytes of a stored element.
    size: usize,
    lane: LaneKind,
    /// Set where the operand does not lie as it is to be seen, one element after another.
    staged: Option<Convert>,
    /// Does it lie so along the last dimension, at least?
    in_rows: bool,
    /// After how many elements it begins anew, where it is broadcast along the first dimensions.
    period: usize,
}

impl Operand {
    /// The element at `index`.
    #[inline]
    fn place(&self, index: &Index) -> *mut u8 {
        let mut place = 0;
        for d in 0..index.0.len().min(self.strides.len()) {
            place += index.0[d] * self.strides[d];
        }
        self.ptr.wrapping_add(place * self.size)
    }

    fn last_stride(&self) -> usize {
        self.strides.last().copied().unwrap_or(1)
    }
}

/// Operands and their common shape, collapsed.
struct LoopNest {
    shape: Shape,
    inputs: SmallVec<[Operand; MAX_INPUTS]>,
    out: Operand,
}

// SAFETY: the pointers lead to memory that dispatch holds locks on for the length of the op; threads
// write to disjoint parts of the output.
unsafe impl Sync for LoopNest {}

/// `out[i] = f(a[i])`.
///
/// The loop takes copies of what its closure captures, which the compiler cannot tell from what it writes to.
pub(crate) fn map1<A: Lane, R: Lane>(a: &Src<'_>, out: &mut Dst<'_>, f: impl Fn(A) -> R + Sync + Copy) {
    let kernel: Kernel<'_> = &|ins, out, n| {
        let (a, out) = (ins[0].cast::<A>(), out.cast::<R>());
        par::simd_over::<A, _>(
            #[inline(always)]
            || {
                let (a, out, n) = (a, out, n);
                for i in 0..n {
                    // SAFETY: the driver gives `n` initialised lanes for each operand, apart from one another.
                    unsafe { *out.add(i) = f(*a.add(i)) };
                }
            },
        );
    };
    if !run_plain(&[(*a, A::KIND)], out, R::KIND, kernel) {
        drive(&[Feed::new::<A>(a)], Sink::of(out, R::KIND), kernel);
    }
}

/// [`map1`] for a loop of its own over whole slices.
pub(crate) fn map_slices<A: Lane, R: Lane>(a: &Src<'_>, out: &mut Dst<'_>, f: impl Fn(&[A], &mut [R]) + Sync + Copy) {
    drive(&[Feed::new::<A>(a)], Sink::of(out, R::KIND), &|ins, out, n| {
        // SAFETY: the driver gives `n` initialised lanes for each operand, apart from one another.
        let (a, out) = unsafe { (lanes::<A>(ins[0], n), lanes_mut::<R>(out, n)) };
        par::simd_over::<A, _>(
            #[inline(always)]
            || f(a, out),
        );
    });
}

/// `out[i] = a[i]`, converted as PyTorch casts.
pub(crate) fn convert(a: &Src<'_>, out: &mut Dst<'_>) {
    let (from, to) = (LaneKind::stored(a.dtype()), LaneKind::stored(out.dtype()));
    let convert = loader(a.dtype(), to);
    drive(&[Feed::of(*a, from)], Sink::of(out, to), &|ins, out, n| {
        // SAFETY: the driver gives `n` initialised elements as they are stored, and room for as many of the
        // output, apart from them.
        unsafe { convert.run(ins[0], 1, out, 1, n) };
    });
}

/// `out[i] = f(a[i], b[i])`.
pub(crate) fn map2<'a, A: Lane, B: Lane, R: Lane>(
    a: impl Into<Input<'a>>,
    b: impl Into<Input<'a>>,
    out: &mut Dst<'_>,
    f: impl Fn(A, B) -> R + Sync + Copy,
) {
    let kernel: Kernel<'_> = &|ins, out, n| {
        let (a, b, out) = (ins[0].cast::<A>(), ins[1].cast::<B>(), out.cast::<R>());
        par::simd_over::<A, _>(
            #[inline(always)]
            || {
                let (a, b, out, n) = (a, b, out, n);
                for i in 0..n {
                    // SAFETY: the driver gives `n` initialised lanes for each operand, apart from one another.
                    unsafe { *out.add(i) = f(*a.add(i), *b.add(i)) };
                }
            },
        );
    };
    let (a, b) = (a.into(), b.into());
    let plain = match (&a, &b) {
        (Input::Tensor(a), Input::Tensor(b)) => run_plain(&[(*a, A::KIND), (*b, B::KIND)], out, R::KIND, kernel),
        _ => false,
    };
    if !plain {
        drive(&[Feed::new::<A>(a), Feed::new::<B>(b)], Sink::of(out, R::KIND), kernel);
    }
}

/// `out[i] = f(a[i], b[i], c[i])`.
pub(crate) fn map3<A: Lane, B: Lane, C: Lane, R: Lane>(
    [a, b, c]: [Input<'_>; 3],
    out: &mut Dst<'_>,
    f: impl Fn(A, B, C) -> R + Sync + Copy,
) {
    drive(&[Feed::new::<A>(a), Feed::new::<B>(b), Feed::new::<C>(c)], Sink::of(out, R::KIND), &|ins, out, n| {
        let (a, b, c) = (ins[0].cast::<A>(), ins[1].cast::<B>(), ins[2].cast::<C>());
        let out = out.cast::<R>();
        par::simd_over::<A, _>(
            #[inline(always)]
            || {
                let (a, b, c, out, n) = (a, b, c, out, n);
                for i in 0..n {
                    // SAFETY: the driver gives `n` initialised lanes for each operand, apart from one another.
                    unsafe { *out.add(i) = f(*a.add(i), *b.add(i), *c.add(i)) };
                }
            },
        );
    });
}

/// # Safety
/// `ptr` leads to `n` initialised, aligned `T`s that nobody writes while the slice lives.
#[inline(always)]
unsafe fn lanes<'a, T: Lane>(ptr: *const u8, n: usize) -> &'a [T] {
    // SAFETY: as promised.
    unsafe { std::slice::from_raw_parts(ptr.cast(), n) }
}

/// # Safety
/// As for [`lanes`], and nobody else reads them either.
#[inline(always)]
unsafe fn lanes_mut<'a, T: Lane>(ptr: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: as promised; storage and stages that kernels write are initialised or plainly overwritten.
    unsafe { std::slice::from_raw_parts_mut(ptr.cast(), n) }
}

/// Runs the kernel at once on what most small tensors are: as many lanes in each input as in the output, one after
/// another as they are stored, and no work for several threads. False where they are not.
fn run_plain(inputs: &[(Src<'_>, LaneKind)], out: &Dst<'_>, lane: LaneKind, kernel: Kernel<'_>) -> bool {
    let n = out.numel();
    if n > par::GRAIN || !out.is_contiguous() || !lane.stores(out.dtype()) {
        return false;
    }
    let mut rows = [std::ptr::null(); MAX_INPUTS];
    for i in 0..inputs.len().min(MAX_INPUTS) {
        let (src, lane) = &inputs[i];
        if src.numel() != n || !src.is_contiguous() || !lane.stores(src.dtype()) || src.shares_storage(out) {
            return false;
        }
        rows[i] = src.ptr();
    }
    kernel(&rows, out.ptr(), n);
    true
}

fn drive(inputs: &[Feed<'_>], to: Sink<'_, '_>, kernel: Kernel<'_>) {
    let Sink { out, lane, size, as_stored } = to;
    let n = out.numel();
    if n == 0 {
        return;
    }
    // In place: the input is the output.
    let same = |s: &Src<'_>| s.ptr() == out.ptr().cast_const() && s.dtype().size() == out.dtype().size();
    let apart = |s: &Src<'_>| {
        let out = span_bytes(out.ptr(), out.layout(), out.dtype().size());
        let range = span_bytes(s.ptr(), s.layout(), s.dtype().size());
        range.1 <= out.0 || out.1 <= range.0
    };
    let straight = |feed: &Feed<'_>| match &feed.from {
        Source::Value(_) => true,
        Source::Tensor(s) => {
            feed.as_stored && s.is_contiguous() && s.numel() == n && (!s.shares_storage(out) || same(s) || apart(s))
        }
    };
    let in_rows = as_stored && out.is_contiguous();
    if in_rows && inputs.iter().all(straight) {
        let to = Row { ptr: out.ptr(), len: n, size };
        if n <= par::GRAIN {
            return run_rows(inputs, &to, kernel, 0..n);
        }
        return par::ranges(n, par::GRAIN, |part| run_rows(inputs, &to, kernel, part));
    }
    if in_rows {
        if let Some(repeats) = Repeats::new(inputs, out, &same, &apart) {
            let to = Row { ptr: out.ptr(), len: n, size };
            if n <= par::GRAIN {
                return repeats.run(inputs, &to, kernel, 0..n);
            }
            return par::ranges(n, par::GRAIN, |part| repeats.run(inputs, &to, kernel, part));
        }
    }
    let signed = |feed: &Feed<'_>| match &feed.from {
        Source::Tensor(s) => Some(s.dtype()),
        Source::Value(_) => None,
    };
    let lane = inputs.iter().find_map(signed).map_or(lane, |dtype| lane.with_sign_of(dtype));
    let plan = plan(inputs, out, lane, &apart);
    if let Some(turned) = Turned::new(&plan) {
        return turned.run(&plan, kernel);
    }
    let chunk = plan.chunk();
    let long = plan.shape.last().is_some_and(|row| *row >= LONG);
    par::ranges(n, par::GRAIN, |part| {
        if long { run_long(&plan, kernel, chunk, part) } else { run_part(&plan, kernel, chunk, part.start, part.end) }
    });
}

/// An output whose elements lie one after another, how many, and the bytes of one.
struct Row {
    ptr: *mut u8,
    len: usize,
    size: usize,
}
// SAFETY: as for `LoopNest`.
unsafe impl Sync for Row {}

/// Runs the kernel on part of rows that lie one element after another.
#[inline(always)]
fn run_rows(inputs: &[Feed<'_>], to: &Row, kernel: Kernel<'_>, part: Range<usize>) {
    let mut rows = [std::ptr::null(); MAX_INPUTS];
    let mut staged = false;
    for i in 0..inputs.len().min(MAX_INPUTS) {
        match &inputs[i].from {
            Source::Tensor(s) => {
                staged |= s.ptr() == to.ptr.cast_const();
                rows[i] = s.ptr().wrapping_add(part.start * inputs[i].size);
            }
            Source::Value(_) => staged = true,
        }
    }
    let out = to.ptr.wrapping_add(part.start * to.size);
    if staged {
        run_staged(inputs, &rows, (out, to.size), kernel, part.len());
    } else {
        kernel(&rows, out, part.len());
    }
}

/// Chunk by chunk, with a stage for each number, and a copy of the output for the inputs that are the output: the
/// kernel takes slices, and these may not overlap.
fn run_staged(
    inputs: &[Feed<'_>],
    rows: &[*const u8; MAX_INPUTS],
    (out, size): (*mut u8, usize),
    kernel: Kernel<'_>,
    n: usize,
) {
    let mut stages: [MaybeUninit<Stage>; MAX_INPUTS] = [const { MaybeUninit::uninit() }; MAX_INPUTS];
    let widest = inputs.iter().fold(size, |widest, feed| widest.max(feed.size));
    let chunk = (STAGE_BYTES / widest).min(n);
    let mut at = *rows;
    for i in 0..inputs.len().min(MAX_INPUTS) {
        if let Source::Value(value) = &inputs[i].from {
            let stage = stages[i].as_mut_ptr().cast::<u8>();
            // SAFETY: the value holds one lane, and `chunk` lanes fit the stage.
            unsafe { fill(value, inputs[i].size, stage, chunk) };
            at[i] = stage;
        }
    }
    let mut start = 0;
    while start < n {
        let (len, to) = (chunk.min(n - start), out.wrapping_add(start * size));
        for i in 0..inputs.len().min(MAX_INPUTS) {
            if let Source::Value(_) = &inputs[i].from {
                continue;
            }
            at[i] = rows[i].wrapping_add(start * inputs[i].size);
            if rows[i] == out.cast_const() {
                let stage = stages[i].as_mut_ptr().cast::<u8>();
                // SAFETY: `len` elements of the output, which this input is, fit the stage.
                unsafe { stage.copy_from_nonoverlapping(to, len * size) };
                at[i] = stage;
            }
        }
        kernel(&at, to, len);
        start += len;
    }
}

struct Ptrs(*const u8, *mut u8);
// SAFETY: as for `LoopNest`.
unsafe impl Sync for Ptrs {}

fn span_bytes(ptr: *const u8, layout: &Layout, size: usize) -> (usize, usize) {
    let elements = layout.end().map_or(0, |end| end.saturating_sub(layout.offset));
    (ptr as usize, ptr as usize + elements * size)
}

/// The strides of a tensor broadcast to `shape`.
fn broadcast_strides(layout: &Layout, shape: &[usize]) -> Strides {
    let mut strides = copied(shape);
    let lead = shape.len().saturating_sub(layout.rank());
    for d in 0..shape.len() {
        strides[d] = if d < lead || layout.shape[d - lead] != shape[d] { 0 } else { layout.strides[d - lead] };
    }
    strides
}

impl LoopNest {
    /// How many elements of each operand are staged at a time: as many as fit, and whole periods of one that
    /// repeats.
    fn chunk(&self) -> usize {
        let all = || self.inputs.iter().chain([&self.out]);
        let fit = STAGE_BYTES / all().fold(1, |widest, o| widest.max(o.lane.size()));
        let period = self.inputs.iter().map(|o| o.period).filter(|p| *p <= fit).max().unwrap_or(1);
        fit - fit % period
    }
}

fn plan(inputs: &[Feed<'_>], out: &Dst<'_>, out_lane: LaneKind, apart: &dyn Fn(&Src<'_>) -> bool) -> LoopNest {
    let mut strides: SmallVec<[Strides; MAX_INPUTS + 1]> = SmallVec::new();
    for feed in inputs {
        strides.push(match &feed.from {
            Source::Tensor(s) => broadcast_strides(s.layout(), out.shape()),
            Source::Value(_) => SmallVec::from_elem(0, out.shape().len()),
        });
    }
    strides.push(copied(&out.layout().strides));
    let mut shape = copied(out.shape());
    if !out.is_contiguous() {
        // Walked as the output lies in memory.
        let order = out.layout().memory_order();
        shape = order.iter().map(|d| shape[*d]).collect();
        strides.iter_mut().for_each(|s| *s = order.iter().map(|d| s[*d]).collect());
    }
    let shape = collapse(&shape, &mut strides);
    let rows = crate::layout::contiguous_strides(&shape);
    let Some(out_strides) = strides.pop() else { unreachable!("the output's were pushed last") };
    let mut operands = SmallVec::new();
    for (feed, strides) in inputs.iter().zip(strides) {
        let lane = feed.lane;
        let (ptr, as_stored, load, size) = match &feed.from {
            Source::Tensor(s) => {
                let load = loader(s.dtype(), lane);
                (s.ptr().cast_mut(), feed.as_stored && apart(s), load, s.dtype().size())
            }
            Source::Value(value) => (value.as_ptr().cast::<u8>().cast_mut(), true, Convert::copy(feed.size), feed.size),
        };
        let staged = (!as_stored || strides != rows).then_some(load);
        let in_rows = as_stored && strides.last() == Some(&1);
        let repeats = strides.iter().take_while(|s| **s == 0).count();
        let period = shape[repeats..].iter().product();
        operands.push(Operand { ptr, strides, size, lane, staged, in_rows, period });
    }
    let (strides, dtype) = (out_strides, out.dtype());
    let as_stored = out_lane.stores(dtype);
    let staged = (!as_stored || strides != rows).then(|| storer(out_lane, dtype));
    let in_rows = as_stored && strides.last() == Some(&1);
    let out = Operand { ptr: out.ptr(), strides, size: dtype.size(), lane: out_lane, staged, in_rows, period: 0 };
    LoopNest { shape, inputs: operands, out }
}

/// Drops dimensions of size 1 and joins neighbours that every operand steps through as one; rewrites
/// `strides` to the result. Never empty.
pub(crate) fn collapse(shape: &[usize], strides: &mut [Strides]) -> Shape {
    let mut sizes = copied(shape);
    let mut kept = 0;
    for d in 0..shape.len() {
        if shape[d] == 1 {
            continue;
        }
        let joins = kept > 0 && strides.iter().all(|s| s[kept - 1] == s[d] * shape[d]);
        if joins {
            sizes[kept - 1] *= shape[d];
            strides.iter_mut().for_each(|s| s[kept - 1] = s[d]);
        } else {
            sizes[kept] = shape[d];
            strides.iter_mut().for_each(|s| s[kept] = s[d]);
            kept += 1;
        }
    }
    sizes.truncate(kept);
    strides.iter_mut().for_each(|s| s.truncate(kept));
    if kept == 0 {
        sizes.push(1);
        strides.iter_mut().for_each(|s| s.push(1));
    }
    sizes
}

/// Calls `f(place, stride, length)` for each run along the last dimension, for the elements with linear
/// index `start..start + len`; `place` in elements.
fn walk(shape: &[usize], strides: &[usize], start: usize, len: usize, mut f: impl FnMut(usize, usize, usize)) {
    let last = shape.len() - 1;
    let mut index = Index::new(shape, start);
    let mut place: usize = index.0.iter().zip(strides).map(|(i, s)| i * s).sum();
    let mut left = len;
    while left > 0 {
        let run = (shape[last] - index.0[last]).min(left);
        f(place, strides[last], run);
        left -= run;
        place += run * strides[last];
        index.advance(shape, run, |d| place = place - shape[d] * strides[d] + strides[d - 1]);
    }
}

/// Where an element is in each dimension.
struct Index(SmallVec<[usize; 6]>);

impl Index {
    /// Of the element with linear index `at`.
    fn new(shape: &[usize], at: usize) -> Index {
        let mut index = SmallVec::from_elem(0, shape.len());
        let mut rest = at;
        for d in (0..shape.len()).rev() {
            index[d] = rest % shape[d];
            rest /= shape[d];
        }
        Index(index)
    }

    /// `n` elements on, of which the row has as many; calls `carried` with each dimension that is through.
    #[inline]
    fn advance(&mut self, shape: &[usize], n: usize, mut carried: impl FnMut(usize)) {
        let mut d = shape.len() - 1;
        self.0[d] += n;
        while d > 0 && self.0[d] == shape[d] {
            carried(d);
            self.0[d] = 0;
            d -= 1;
            self.0[d] += 1;
        }
    }
}

/// Row by row of the last dimension: what lies along it one element after another is not staged, and one value
/// for a row is spread once.
fn run_long(plan: &LoopNest, kernel: Kernel<'_>, chunk: usize, part: Range<usize>) {
    let mut stages: [MaybeUninit<Stage>; MAX_INPUTS + 1] = [const { MaybeUninit::uninit() }; MAX_INPUTS + 1];
    let mut stage = |i: usize| stages[i].as_mut_ptr().cast::<u8>();
    let mut ptrs = [std::ptr::null::<u8>(); MAX_INPUTS];
    let mut spread = [std::ptr::null_mut::<u8>(); MAX_INPUTS];
    let row = plan.shape.last().copied().unwrap_or(1);
    let direct = |o: &Operand| o.staged.is_none() || o.in_rows;
    let chunk = if plan.inputs.iter().chain([&plan.out]).all(direct) { row } else { chunk };
    let (mut at, mut index) = (part.start, Index::new(&plan.shape, part.start));
    while at < part.end {
        let n = chunk.min(row - index.0[plan.shape.len() - 1]).min(part.end - at);
        for (i, o) in plan.inputs.iter().enumerate() {
            let place = o.place(&index);
            ptrs[i] = match o.staged {
                Some(load) if !o.in_rows => {
                    // SAFETY: places of the operand's layout, which lies inside its storage; the stage has room
                    // for `chunk` lanes and is memory of our own.
                    unsafe {
                        if o.last_stride() > 0 {
                            load.run(place, o.last_stride(), stage(i), 1, n);
                        } else if spread[i] != place {
                            load.run(place, 0, stage(i), 1, chunk);
                            spread[i] = place;
                        }
                    }
                    stage(i)
                }
                _ => place,
            };
        }
        let (ptrs, place) = (&ptrs[..plan.inputs.len()], plan.out.place(&index));
        match plan.out.staged {
            Some(store) if !plan.out.in_rows => {
                let stage = stage(MAX_INPUTS);
                // SAFETY: the stage has room for `n` lanes, which the kernel may view as lanes once they hold
                // some; the places are the output's own.
                unsafe {
                    if at == part.start {
                        std::ptr::write_bytes(stage, 0, STAGE_BYTES);
                    }
                    kernel(ptrs, stage, n);
                    store.run(stage, 1, place, plan.out.last_stride(), n);
                }
            }
            _ => kernel(ptrs, place, n),
        }
        index.advance(&plan.shape, n, |_| ());
        at += n;
    }
}

/// Rows too short to be worth a call each: a chunk of all of them at a time.
fn run_part(plan: &LoopNest, kernel: Kernel<'_>, chunk: usize, start: usize, end: usize) {
    let mut stages: [MaybeUninit<Stage>; MAX_INPUTS + 1] = [const { MaybeUninit::uninit() }; MAX_INPUTS + 1];
    let mut ptrs = [std::ptr::null::<u8>(); MAX_INPUTS];
    let mut at = start;
    while at < end {
        let n = chunk.min(end - at);
        for (i, o) in plan.inputs.iter().enumerate() {
            ptrs[i] = match o.staged {
                None => o.ptr.wrapping_add(at * o.size),
                Some(load) => {
                    let stage = stages[i].as_mut_ptr().cast::<u8>();
                    // What repeats itself with each chunk is there already.
                    if at == start || chunk % o.period.max(1) != 0 {
                        let mut to = stage;
                        walk(&plan.shape, &o.strides, at, n, |place, stride, run| {
                            // SAFETY: `walk` gives places of the operand's layout, which lies inside its
                            // storage; the stage has room for `chunk` lanes and is memory of our own.
                            unsafe { load.run(o.ptr.add(place * o.size), stride, to, 1, run) };
                            to = to.wrapping_add(run * o.lane.size());
                        });
                    }
                    stage
                }
            };
        }
        let ptrs = &ptrs[..plan.inputs.len()];
        match plan.out.staged {
            None => kernel(ptrs, plan.out.ptr.wrapping_add(at * plan.out.size), n),
            Some(store) => {
                let stage = stages[MAX_INPUTS].as_mut_ptr().cast::<u8>();
                if at == start {
                    // SAFETY: the stage is ours and has room for `chunk` lanes; the kernel may then view it as lanes.
                    unsafe { std::ptr::write_bytes(stage, 0, n * plan.out.lane.size()) };
                }
                kernel(ptrs, stage, n);
                let mut from: *const u8 = stage;
                walk(&plan.shape, &plan.out.strides, at, n, |place, stride, run| {
                    // SAFETY: as above; the kernel has filled `n` lanes of the stage.
                    unsafe { store.run(from, 1, plan.out.ptr.add(place * plan.out.size), stride, run) };
                    from = from.wrapping_add(run * plan.out.lane.size());
                });
            }
        }
        at += n;
    }
}

/// The elements of `src` in row-major order into `to`, which has as many.
pub(crate) fn gather<T: Stored>(src: &Src<'_>, to: &mut [T]) {
    let n = src.numel();
    assert!(to.len() == n && size_of::<T>() == src.dtype().size());
    if n == 0 {
        return;
    }
    let mut strides = [src.layout().strides.clone()];
    let shape = collapse(src.shape(), &mut strides);
    let (copy, size) = (Convert::copy(size_of::<T>()), size_of::<T>());
    let from = Ptrs(src.ptr(), to.as_mut_ptr().cast());
    let from = &from;
    par::ranges(n, par::GRAIN, |part| {
        let mut to = from.1.wrapping_add(part.start * size);
        walk(&shape, &strides[0], part.start, part.len(), |place, stride, run| {
            // SAFETY: places of the layout, inside the locked storage; parts of `to` are disjoint.
            unsafe { copy.run(from.0.add(place * size), stride, to, 1, run) };
            to = to.wrapping_add(run * size);
        });
    });
}
