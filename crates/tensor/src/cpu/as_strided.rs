//! Kernels that write a view's elements back into what they are a view of.

use super::convert::Convert;
use super::{CpuKernel, Dst, Src};
use crate::dtype::Stored;
use crate::layout::Layout;
use crate::ops::{AsStridedBackward, AsStridedScatter};
use crate::{DType, Result, bail, ensure};
use half::{bf16, f16};
use num_complex::Complex;

/// The place in a storage of each element, in row-major order.
fn places(layout: &Layout) -> impl Iterator<Item = usize> + '_ {
    (0..layout.numel()).map(|i| layout.place(i))
}

impl CpuKernel for AsStridedScatter {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let size = outputs[0].dtype().size();
        let (base, source) = (row_bytes(&inputs[0]), row_bytes(&inputs[1]));
        let room = self.base.end().unwrap_or(0).max(self.view.end().unwrap_or(0));
        let mut memory = Vec::new();
        fill_memory(&mut memory, room.saturating_mul(size), 0u8)?;
        let mut put = |layout: &Layout, from: &[u8]| {
            for (place, element) in places(layout).zip(from.chunks_exact(size)) {
                memory[place * size..(place + 1) * size].copy_from_slice(element);
            }
        };
        put(&self.base, &base);
        put(&self.view, &source);
        for (to, place) in outputs[0].bytes_mut().chunks_exact_mut(size).zip(places(&self.base)) {
            to.copy_from_slice(&memory[place * size..(place + 1) * size]);
        }
        Ok(())
    }
}

/// A stand-in for a storage, as large as layouts ask.
fn fill_memory<T: Copy>(memory: &mut Vec<T>, room: usize, value: T) -> Result<()> {
    let got = memory.try_reserve_exact(room);
    ensure!(got.is_ok(), Memory, "as_strided", "the system has no memory for the {room} places that layouts span");
    memory.resize(room, value);
    Ok(())
}

/// The elements in row-major order, as bytes.
fn row_bytes(x: &Src<'_>) -> Vec<u8> {
    let (size, copy) = (x.dtype().size(), Convert::copy(x.dtype().size()));
    let mut rows = vec![0u8; x.numel() * size];
    for (to, i) in rows.chunks_exact_mut(size).zip(0..) {
        let from = x.ptr().wrapping_add((x.layout().place(i) - x.layout().offset) * size);
        // Through an aligned cell: the vector of bytes need not be aligned for the element.
        let mut cell = [0u128; 1];
        // SAFETY: `from` is a place of the layout, inside the locked storage; the cell has room for any element.
        unsafe { copy.run(from, 1, cell.as_mut_ptr().cast(), 1, 1) };
        to.copy_from_slice(&cell[0].to_ne_bytes()[..size]);
    }
    rows
}

impl CpuKernel for AsStridedBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Stored + Default + std::ops::AddAssign>(
            op: &AsStridedBackward,
            grad: &Src<'_>,
            out: &mut Dst<'_>,
            scale: impl Fn(T, usize) -> T,
        ) -> Result<()> {
            let room = op.base.end().unwrap_or(0).max(op.view.end().unwrap_or(0));
            let mut memory = Vec::new();
            fill_memory(&mut memory, room, T::default())?;
            for (place, g) in places(&op.view).zip(grad.contiguous::<T>().iter()) {
                memory[place] += *g;
            }
            let mut shared = Vec::new();
            fill_memory(&mut shared, if op.base.may_overlap() { room } else { 0 }, 0usize)?;
            if !shared.is_empty() {
                places(&op.base).for_each(|p| shared[p] += 1);
            }
            for (to, place) in out.slice::<T>().iter_mut().zip(places(&op.base)) {
                *to = if shared.is_empty() { memory[place] } else { scale(memory[place], shared[place]) };
            }
            Ok(())
        }
        let (grad, out) = (&inputs[0], &mut outputs[0]);
        match grad.dtype() {
            DType::F32 => go::<f32>(self, grad, out, |x, n| x / n as f32),
            DType::F64 => go::<f64>(self, grad, out, |x, n| x / n as f64),
            DType::F16 => go::<f16>(self, grad, out, |x, n| x / f16::from_f64(n as f64)),
            DType::BF16 => go::<bf16>(self, grad, out, |x, n| x / bf16::from_f64(n as f64)),
            DType::Complex64 => go::<Complex<f32>>(self, grad, out, |x, n| x / n as f32),
            DType::Complex128 => go::<Complex<f64>>(self, grad, out, |x, n| x / n as f64),
            other => bail!(DType, "as_strided", "{other} has no gradient"),
        }
    }
}
