//! The kernel that fills with random numbers: which of the generator's streams, by distribution and dtype.

use super::{CpuKernel, Dst, Src};
use crate::ops::{Distribution, Random};
use crate::random::generator_on_host;
use crate::{DType, Result, bail};
use half::{bf16, f16};

impl CpuKernel for Random {
    fn run(&self, _: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let out = &mut outputs[0];
        let generator = generator_on_host(&self.generator);
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
