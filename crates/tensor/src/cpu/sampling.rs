//! Kernels that draw: categories by weight, and which elements are left out.

use super::lanes::by_dtype;
use super::{CpuKernel, Dst, Src, par};
use crate::dtype::Stored;
use crate::layout::Layout;
use crate::ops::{Dropout, Multinomial};
use crate::random::{Generator, generator_on_host};
use crate::shape::inverse;
use crate::{DType, Result, Shape, bail};
use half::{bf16, f16};

impl CpuKernel for Multinomial {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (weights, out) = (&inputs[0], outputs[0].slice::<i64>());
        let generator = generator_on_host(&self.generator);
        let categories = weights.shape().last().copied().unwrap_or(0);
        by_dtype!("multinomial", weights.dtype(), {
            float T => {
                generator.multinomial(out, &weights.contiguous::<T>(), categories, self.samples, self.replacement)
            },
        })
    }
}

impl CpuKernel for Dropout {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let [y, kept] = outputs else { bail!(Argument, "dropout", "two outputs are needed") };
        let x = &inputs[0];
        let generator = generator_on_host(&self.generator);
        keep(&generator, 1.0 - self.p, x, kept.slice::<u8>())?;
        let kept: &[u8] = kept.slice::<u8>();
        let (factor, narrow) = (1.0 / (1.0 - self.p), 1.0 / (1.0 - self.p) as f32);
        match x.dtype() {
            DType::F32 => thin(&x.contiguous(), kept, narrow, y.slice()),
            DType::F64 => thin(&x.contiguous(), kept, factor, y.slice()),
            DType::F16 => thin(&x.contiguous(), kept, f16::from_f32(narrow), y.slice()),
            DType::BF16 => thin(&x.contiguous(), kept, bf16::from_f32(narrow), y.slice()),
            other => bail!(DType, "dropout", "not defined for {other}"),
        }
        Ok(())
    }
}

/// Draws for each element of `x` whether it is kept, in the order of its memory.
fn keep(generator: &Generator, p: f64, x: &Src<'_>, kept: &mut [u8]) -> Result<()> {
    if x.is_contiguous() {
        return generator.bernoulli(kept, p);
    }
    let (order, mut drawn) = (x.layout().memory_order(), vec![0u8; kept.len()]);
    generator.bernoulli(&mut drawn, p)?;
    let back = inverse(&order);
    let sizes: Shape = order.iter().map(|d| x.shape()[*d]).collect();
    let memory = Layout::contiguous(sizes).permute(&back);
    kept.iter_mut().enumerate().for_each(|(i, to)| *to = drawn[memory.place(i)]);
    Ok(())
}

/// `x` times `factor` where it is kept and times 0 where not.
fn thin<T>(x: &[T], kept: &[u8], factor: T, out: &mut [T])
where
    T: Stored + Default + std::ops::Mul<Output = T>,
{
    let size = par::GRAIN;
    par::chunks(out, size, size, |part, out| {
        let at = part * size;
        for ((to, x), kept) in out.iter_mut().zip(&x[at..]).zip(&kept[at..]) {
            *to = *x * if *kept == 1 { factor } else { T::default() };
        }
    });
}
