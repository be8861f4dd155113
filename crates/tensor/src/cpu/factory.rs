//! Kernels that fill from nothing.

use super::convert::storer;
use super::lanes::LaneKind;
use super::{CpuKernel, Dst, Src, halves, par};
use crate::ops::{Arange, Full, Linspace};
use crate::{DType, Result, Scalar};
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
