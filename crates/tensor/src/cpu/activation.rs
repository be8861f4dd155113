//! Kernels of activation functions and of the gradients through them.
//!
//! Closures say that they are to be inlined: one that the compiler leaves out of line is compiled for the least machine and
//! takes one number at a time.

use super::floats::{Compute, compute};
use super::iter::{map1, map2};
use super::math::Float;
use super::{CpuKernel, Dst, Src};
use crate::Result;
use crate::op::Infer;
use crate::ops::*;

macro_rules! kernels {
    // The function of x, and the gradient through it by g and x. `T` is the type computed in.
    ($($Op:ident, $Backward:ident, |$op:ident, $x:ident, $T:ident| $value:expr, |$g:ident| $gradient:expr;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                fn go<$T: Compute>($op: $Op, x: &Src<'_>, out: &mut Dst<'_>) {
                    map1::<$T, $T>(
                        x,
                        out,
                        #[inline(always)]
                        move |$x| $value,
                    );
                }
                compute!($Op::NAME, inputs[0].dtype(), go(*self, &inputs[0], &mut outputs[0]));
                Ok(())
            }
        }

        impl CpuKernel for $Backward {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                fn go<$T: Compute>($op: $Op, g: &Src<'_>, x: &Src<'_>, out: &mut Dst<'_>) {
                    map2::<$T, $T, $T>(
                        g,
                        x,
                        out,
                        #[inline(always)]
                        move |$g, $x| $gradient,
                    );
                }
                compute!($Backward::NAME, inputs[0].dtype(), go(self.0, &inputs[0], &inputs[1], &mut outputs[0]));
                Ok(())
            }
        }
    )*};
}

/// A constant in the type computed in.
#[inline(always)]
fn c<T: Float>(x: f64) -> T {
    T::from_f64(x)
}

kernels! {
    Silu, SiluBackward, |_op, x, T| Float::silu(x), |g| {
        let s: T = Float::sigmoid(x);
        g * s * (T::ONE + x * (T::ONE - s))
    };
    Mish, MishBackward, |_op, x, T| x * Float::tanh(Float::softplus(x, T::ONE, c(20.0))), |g| {
        let t: T = Float::tanh(Float::softplus(x, T::ONE, c(20.0)));
        g * (t + x * Float::sigmoid(x) * (T::ONE - t * t))
    };
    Softplus, SoftplusBackward, |op, x, T| Float::softplus(x, c(op.beta), c(op.threshold)), |g| {
        let z: T = x * c(op.beta);
        let inner = g * Float::sigmoid(z);
        if z > c(op.threshold) { g } else { inner }
    };
    Elu, EluBackward, |op, x, T| {
        let low: T = Float::expm1(x * c(op.input_scale)) * c(op.alpha * op.scale);
        let high = x * c(op.scale);
        if x > T::ZERO { high } else { low }
    }, |g| {
        let low: T = g * Float::exp(x * c(op.input_scale)) * c(op.alpha * op.scale * op.input_scale);
        let high = g * c(op.scale);
        if x > T::ZERO { high } else { low }
    };
    LeakyRelu, LeakyReluBackward, |op, x, T| {
        let low: T = x * c(op.slope);
        if x > T::ZERO { x } else { low }
    }, |g| {
        let low: T = g * c(op.slope);
        if x > T::ZERO { g } else { low }
    };
    Hardtanh, HardtanhBackward, |op, x, T| {
        let (min, max): (T, T) = (c(op.min), c(op.max));
        let high = if x > max { max } else { x };
        if x < min { min } else { high }
    }, |g| {
        let (min, max): (T, T) = (c(op.min), c(op.max));
        if (x <= min) | (x >= max) { T::ZERO } else { g }
    };
    Hardswish, HardswishBackward, |_op, x, T| x * hard::<T>(x), |g| {
        let inner: T = g * (x * c(1.0 / 3.0) + T::HALF);
        let low = if x <= c(-3.0) { T::ZERO } else { inner };
        if x >= c(3.0) { g } else { low }
    };
    Hardsigmoid, HardsigmoidBackward, |_op, x, T| hard::<T>(x), |g| {
        let inner: T = g * c(1.0 / 6.0);
        if (x > c(-3.0)) & (x < c(3.0)) { inner } else { T::ZERO }
    };
    LogSigmoid, LogSigmoidBackward, |_op, x, T| Float::log_sigmoid(x), |g| g * Float::sigmoid(-x);
}

// Two functions each: the choice stands outside of the loop.
impl CpuKernel for Gelu {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Compute>(tanh: bool, x: &Src<'_>, out: &mut Dst<'_>) {
            if tanh { map1::<T, T>(x, out, Float::gelu_tanh) } else { map1::<T, T>(x, out, Float::gelu) }
        }
        compute!(Gelu::NAME, inputs[0].dtype(), go(self.tanh, &inputs[0], &mut outputs[0]));
        Ok(())
    }
}

impl CpuKernel for GeluBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Compute>(tanh: bool, g: &Src<'_>, x: &Src<'_>, out: &mut Dst<'_>) {
            if tanh {
                map2::<T, T, T>(
                    g,
                    x,
                    out,
                    #[inline(always)]
                    |g, x| g * gelu_tanh_slope(x),
                )
            } else {
                map2::<T, T, T>(
                    g,
                    x,
                    out,
                    #[inline(always)]
                    |g, x| g * gelu_slope(x),
                )
            }
        }
        compute!(GeluBackward::NAME, inputs[0].dtype(), go(self.0.tanh, &inputs[0], &inputs[1], &mut outputs[0]));
        Ok(())
    }
}

/// relu6(x + 3) / 6.
#[inline(always)]
fn hard<T: Float>(x: T) -> T {
    let moved = x + c(3.0);
    let low = if moved < T::ZERO { T::ZERO } else { moved };
    let kept = if low > c(6.0) { c(6.0) } else { low };
    kept * c(1.0 / 6.0)
}

/// d/dx x Φ(x) = Φ(x) + x φ(x).
#[inline(always)]
fn gelu_slope<T: Float>(x: T) -> T {
    let cdf = T::HALF * (T::ONE + Float::erf(x * c(std::f64::consts::FRAC_1_SQRT_2)));
    let density = Float::exp(-T::HALF * x * x) * c(0.398_942_280_401_432_7);
    cdf + x * density
}

#[inline(always)]
fn gelu_tanh_slope<T: Float>(x: T) -> T {
    let (k, cube): (T, T) = (c(0.797_884_560_802_865_4), c(0.044715));
    let t = Float::tanh(k * (x + cube * x * x * x));
    let inner = k * (T::ONE + c::<T>(3.0 * 0.044715) * x * x);
    T::HALF * (T::ONE + t) + T::HALF * x * (T::ONE - t * t) * inner
}

macro_rules! from_output {
    ($($Backward:ident, |$g:ident, $y:ident, $T:ident| $gradient:expr;)*) => {$(
        impl CpuKernel for $Backward {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                fn go<$T: Compute>(g: &Src<'_>, y: &Src<'_>, out: &mut Dst<'_>) {
                    map2::<$T, $T, $T>(
                        g,
                        y,
                        out,
                        #[inline(always)]
                        |$g, $y| $gradient,
                    );
                }
                compute!($Backward::NAME, inputs[0].dtype(), go(&inputs[0], &inputs[1], &mut outputs[0]));
                Ok(())
            }
        }
    )*};
}

from_output! {
    // Where y is NaN the gradient passes, as in PyTorch.
    ReluBackward, |g, y, T| if y <= T::ZERO { T::ZERO } else { g };
    TanhBackward, |g, y, T| g * (T::ONE - y * y);
    SigmoidBackward, |g, y, T| g * (T::ONE - y) * y;
}
