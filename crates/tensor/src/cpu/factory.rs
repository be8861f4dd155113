//! Kernels that fill from nothing, and those that write a view's elements back.

use super::convert::{Convert, storer};
use super::lanes::LaneKind;
use super::{CpuKernel, Dst, Src, halves, par};
use crate::dtype::Stored;
use crate::layout::Layout;
use crate::ops::{Arange, AsStridedBackward, AsStridedScatter, Distribution, Full, Linspace, Random};
use crate::random::default_generator;
use crate::{DType, Result, Scalar, bail, ensure};
use half::{bf16, f16};
use num_complex::Complex;

/// Fills `out` with `f(i)`, computed in the lane and stored in the dtype.
fn fill<L: super::lanes::Lane>(out: &mut Dst<'_>, f: impl Fn(usize) -> L) {
    let (n, size, store) = (out.numel(), out.dtype().size(), storer(L::KIND, out.dtype()));
    let bytes = out.bytes_mut();
    for i in 0..n {
        let value = f(i);
        let to = &mut bytes[i * size..(i + 1) * size];
        // SAFETY: `value` is one lane, `to` has room for one element; storage is aligned for its dtype.
        unsafe { store.run((&raw const value).cast(), 1, to.as_mut_ptr(), 1, 1) };
    }
}

impl CpuKernel for Full {
    fn run(&self, _: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (out, v) = (&mut outputs[0], self.value);
        macro_rules! all {
            ($($dtype:ident => $t:ty, $value:expr);* $(;)?) => {
                match self.dtype { $(DType::$dtype => {
                    let value: $t = $value;
                    par::chunks(out.slice::<$t>(), par::GRAIN, par::GRAIN, |_, part| part.fill(value));
                })* }
            };
        }
        let z = v.to_c128();
        all! {
            Bool => u8, v.to_bool() as u8; U8 => u8, v.to_i64() as u8; U16 => u16, v.to_i64() as u16; U32 => u32, v.to_i64() as u32; U64 => u64, v.to_u64(); I8 => i8, v.to_i64() as i8; I16 => i16, v.to_i64() as i16;
            I32 => i32, v.to_i64() as i32; I64 => i64, v.to_i64(); F16 => f16, f16::from_f64(v.to_f64()); BF16 => bf16, bf16::from_f64(v.to_f64());
            F32 => f32, v.to_f64() as f32; F64 => f64, v.to_f64(); Complex64 => Complex<f32>, Complex::new(z.re as f32, z.im as f32);
            Complex128 => Complex<f64>, z
        }
        Ok(())
    }
}

impl CpuKernel for Arange {
    fn run(&self, _: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let out = &mut outputs[0];
        match (self.start, self.step) {
            (Scalar::Int(a), Scalar::Int(s)) => fill::<i64>(out, |i| a.wrapping_add(s.wrapping_mul(i as i64))),
            (a, s) => {
                let (a, s) = (a.to_f64(), s.to_f64());
                fill::<f64>(out, |i| a + s * i as f64)
            }
        }
        Ok(())
    }
}

/// Fills `out` with `n` values from `a` to `b`: as PyTorch from both ends, so that the last one is exact.
fn spread<L: super::lanes::Lane>(
    out: &mut Dst<'_>,
    n: usize,
    from_start: impl Fn(f64) -> L,
    from_end: impl Fn(f64) -> L,
) {
    fill::<L>(out, |i| if i < n / 2 || n == 1 { from_start(i as f64) } else { from_end((n - i - 1) as f64) });
}

impl CpuKernel for Linspace {
    fn run(&self, _: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (n, out, gaps) = (self.len, &mut outputs[0], (self.len.max(2) - 1) as f64);
        let (a, b) = (self.start.to_f64(), self.end.to_f64());
        match LaneKind::of(self.dtype) {
            LaneKind::F32 => {
                let (a, b) = (halves::rounded(self.dtype, a as f32), halves::rounded(self.dtype, b as f32));
                let step = (b - a) / gaps as f32;
                spread::<f32>(out, n, |i| a + step * i as f32, |i| b - step * i as f32);
            }
            LaneKind::C128 => {
                let (a, b) = (self.start.to_c128(), self.end.to_c128());
                let step = (b - a) / gaps;
                spread::<Complex<f64>>(out, n, |i| a + step * i, |i| b - step * i);
            }
            // What is whole is truncated when it is stored.
            _ => {
                let step = (b - a) / gaps;
                spread::<f64>(out, n, |i| a + step * i, |i| b - step * i);
            }
        }
        Ok(())
    }
}

impl CpuKernel for Random {
    fn run(&self, _: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let out = &mut outputs[0];
        let generator = self.generator.clone().unwrap_or_else(default_generator);
        macro_rules! fill {
            ($out:ident, $call:expr; $($dtype:ident: $t:ty),+) => {
                match self.dtype {
                    $(DType::$dtype => {
                        let $out = out.slice::<$t>();
                        $call
                    })+
                    other => bail!(DType, "random", "{:?} is not defined for {other}", self.distribution),
                }
            };
        }
        macro_rules! floats {
            (|$out:ident| $call:expr) => { fill!($out, $call; F16: f16, BF16: bf16, F32: f32, F64: f64) };
        }
        macro_rules! reals {
            (|$out:ident| $call:expr) => {
                fill!($out, $call; Bool: u8, U8: u8, I8: i8, I16: i16, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64)
            };
        }
        match self.distribution {
            Distribution::Uniform { from, to } => floats!(|out| generator.uniform(out, from, to)),
            Distribution::Normal { mean, std } if self.strided => {
                floats!(|out| generator.normal_serial(out, mean, std))
            }
            Distribution::Normal { mean, std } => floats!(|out| generator.normal(out, mean, std)),
            Distribution::LogNormal { mean, std } => floats!(|out| generator.log_normal(out, mean, std)),
            Distribution::Exponential { lambda } => floats!(|out| generator.exponential(out, lambda)),
            Distribution::Cauchy { median, sigma } => floats!(|out| generator.cauchy(out, median, sigma)),
            Distribution::Geometric { p } => reals!(|out| generator.geometric(out, p)),
            Distribution::Bernoulli { p } => reals!(|out| generator.bernoulli(out, p)),
            Distribution::Integers { low, high } => reals!(|out| generator.randint(out, low, high)),
            Distribution::Permutation => reals!(|out| generator.randperm(out)),
        }
    }
}

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
