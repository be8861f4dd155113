//! Operands that lie in another order of dimensions than the output, as a transposed matrix does.
//!
//! Element by element they would be read a cache line for each number. Instead squares of rows and columns go through
//! the stages: a turned operand is read, or written, along its own rows, a cache line at a time.

use super::{Index, Kernel, LoopNest, MAX_INPUTS, Operand, copied, par};
use crate::shape::Shape;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Four of them take the first-level cache, of which mostly one or two are used.
const SQUARE_BYTES: usize = 8 * 1024;

#[repr(align(64))]
struct Square(#[allow(dead_code)] [MaybeUninit<u8>; SQUARE_BYTES]);

/// The least size of both dimensions for which squares pay.
const LEAST: usize = 8;

/// How a plan is cut into squares.
pub(super) struct Turned {
    /// The dimension along which turned operands lie element after element.
    dim: usize,
    /// Rows and columns of a square.
    rows: usize,
    columns: usize,
    /// Strips of `rows` rows along `dim`, in the place of its elements; the last dimension has one element.
    strips: Shape,
}

/// Lies the operand across the rows?
fn is_turned(o: &Operand) -> bool {
    o.staged.is_some() && !o.in_rows && o.last_stride() > 1
}

impl Turned {
    /// None where no operand is turned, or not by enough.
    pub(super) fn new(plan: &LoopNest) -> Option<Turned> {
        let last = plan.shape.len() - 1;
        let mut operands = plan.inputs.iter().chain([&plan.out]);
        let dim = operands.find_map(|o| (0..last).find(|d| is_turned(o) && o.strides[*d] == 1))?;
        if plan.shape[dim] < LEAST || plan.shape[last] < LEAST {
            return None;
        }
        let all = || plan.inputs.iter().chain([&plan.out]);
        let widest = all().fold(1, |widest, o| widest.max(o.lane.size()));
        // A few cache lines of what is stored, one after another.
        let rows = (256 / all().fold(1, |widest, o| widest.max(o.size))).clamp(LEAST, 64);
        let mut strips = copied(&plan.shape);
        (strips[dim], strips[last]) = (plan.shape[dim].div_ceil(rows), 1);
        Some(Turned { dim, rows, columns: SQUARE_BYTES / widest / rows, strips })
    }

    pub(super) fn run(&self, plan: &LoopNest, kernel: Kernel<'_>) {
        let row = plan.shape.last().copied().unwrap_or(1);
        let count = self.strips.iter().product();
        par::ranges(count, (par::GRAIN / (self.rows * row)).max(1), |part| self.run_strips(plan, kernel, part));
    }

    fn run_strips(&self, plan: &LoopNest, kernel: Kernel<'_>, strips: Range<usize>) {
        let mut stages: [MaybeUninit<Square>; MAX_INPUTS + 1] = [const { MaybeUninit::uninit() }; MAX_INPUTS + 1];
        let [stages @ .., to_stage] = &mut stages;
        let to_stage = to_stage.as_mut_ptr().cast::<u8>();
        // SAFETY: the stage is ours; the kernel may then view it as lanes.
        unsafe { std::ptr::write_bytes(to_stage, 0, SQUARE_BYTES) };
        let row = plan.shape.last().copied().unwrap_or(1);
        let mut ptrs = [std::ptr::null::<u8>(); MAX_INPUTS];
        for strip in strips {
            let mut index = Index::new(&self.strips, strip);
            let first = index.0[self.dim] * self.rows;
            let rows = self.rows.min(plan.shape[self.dim] - first);
            for column in (0..row).step_by(self.columns) {
                let columns = self.columns.min(row - column);
                let last = index.0.len() - 1;
                index.0[last] = column;
                index.0[self.dim] = first;
                for (i, o) in plan.inputs.iter().enumerate() {
                    let stage = stages[i].as_mut_ptr().cast::<u8>();
                    // SAFETY: places of the operand's layout, which lies inside its storage; the stage has room for
                    // a square of lanes and is memory of our own.
                    unsafe { self.load(o, o.place(&index), stage, rows, columns) };
                }
                let to = plan.out.place(&index);
                for r in 0..rows {
                    for (i, o) in plan.inputs.iter().enumerate() {
                        let stage = stages[i].as_mut_ptr().cast::<u8>();
                        ptrs[i] = match o.staged {
                            Some(_) if !o.in_rows => stage.wrapping_add(r * self.columns * o.lane.size()),
                            _ => self.row(o, o.place(&index), r),
                        };
                    }
                    let out = match plan.out.staged {
                        Some(_) if !plan.out.in_rows => to_stage.wrapping_add(r * self.columns * plan.out.lane.size()),
                        _ => self.row(&plan.out, to, r),
                    };
                    kernel(&ptrs[..plan.inputs.len()], out, columns);
                }
                // SAFETY: as above; the places are the output's own.
                unsafe { self.store(&plan.out, to_stage, to, rows, columns) };
            }
        }
    }

    /// Row `r` of the square at `place`.
    fn row(&self, o: &Operand, place: *mut u8, r: usize) -> *mut u8 {
        place.wrapping_add(r * o.strides[self.dim] * o.size)
    }

    /// A square into its stage, where it needs one.
    ///
    /// # Safety
    /// The operand has a square of `rows` by `columns` elements at `place`, and the stage room for its lanes.
    unsafe fn load(&self, o: &Operand, place: *mut u8, stage: *mut u8, rows: usize, columns: usize) {
        let (Some(load), false) = (o.staged, o.in_rows) else { return };
        let (size, step) = (o.lane.size(), o.last_stride());
        // SAFETY: the caller's promise.
        unsafe {
            if step > 1 {
                for c in 0..columns {
                    let from = place.wrapping_add(c * step * o.size);
                    load.run(from, o.strides[self.dim], stage.wrapping_add(c * size), self.columns, rows);
                }
            } else {
                for r in 0..rows {
                    load.run(self.row(o, place, r), step, stage.wrapping_add(r * self.columns * size), 1, columns);
                }
            }
        }
    }

    /// A square from its stage, where it went there.
    ///
    /// # Safety
    /// As for [`load`](Turned::load), and the places may be written.
    unsafe fn store(&self, o: &Operand, stage: *mut u8, place: *mut u8, rows: usize, columns: usize) {
        let (Some(store), false) = (o.staged, o.in_rows) else { return };
        let (size, step) = (o.lane.size(), o.last_stride());
        // SAFETY: the caller's promise.
        unsafe {
            if step > 1 {
                for c in 0..columns {
                    let to = place.wrapping_add(c * step * o.size);
                    store.run(stage.wrapping_add(c * size), self.columns, to, o.strides[self.dim], rows);
                }
            } else {
                for r in 0..rows {
                    store.run(stage.wrapping_add(r * self.columns * size), 1, self.row(o, place, r), step, columns);
                }
            }
        }
    }
}
