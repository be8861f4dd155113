//! Activation functions: those that cost one pass are ops with a backward op of one pass; the others are
//! put together from them.

use crate::op::{Infer, Meta, Metas, Outputs};
use crate::{DType, Result, Tensor, bail, dispatch, dispatch_into, ensure, result_type};
use smallvec::smallvec;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// x Φ(x), with the normal distribution function or its approximation by tanh (Hendrycks and Gimpel,
/// arXiv:1606.08415).
#[derive(Clone, Copy, Debug)]
pub struct Gelu {
    /// Approximate: PyTorch's `approximate="tanh"`.
    pub tanh: bool,
}

/// x σ(x).
#[derive(Clone, Copy, Debug)]
pub struct Silu;

/// x tanh(softplus(x)) (Misra, arXiv:1908.08681).
#[derive(Clone, Copy, Debug)]
pub struct Mish;

/// log(1 + exp(βx)) / β, and x itself where βx is above the threshold.
#[derive(Clone, Copy, Debug)]
pub struct Softplus {
    /// β.
    pub beta: f64,
    /// From where on the function is x.
    pub threshold: f64,
}

/// scale · x above 0, scale · α(exp(input_scale · x) − 1) below: ELU, SELU and CELU.
#[derive(Clone, Copy, Debug)]
pub struct Elu {
    /// α.
    pub alpha: f64,
    /// Factor of the result.
    pub scale: f64,
    /// Factor of x in the exponential.
    pub input_scale: f64,
}

/// x above 0, slope · x below.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The slope below 0.
    pub slope: f64,
}

/// x kept within two bounds; its derivative at a bound is 0.
#[derive(Clone, Copy, Debug)]
pub struct Hardtanh {
    /// The lower bound.
    pub min: f64,
    /// The upper bound.
    pub max: f64,
}

/// x · relu6(x + 3) / 6 (Howard et al., arXiv:1905.02244).
#[derive(Clone, Copy, Debug)]
pub struct Hardswish;

/// relu6(x + 3) / 6.
#[derive(Clone, Copy, Debug)]
pub struct Hardsigmoid;

/// log σ(x).
#[derive(Clone, Copy, Debug)]
pub struct LogSigmoid;

/// All inputs of one shape and dtype: a gradient and what it is of.
pub(crate) fn check_alike(op: &'static str, inputs: &[&Tensor]) -> Result<()> {
    let first = inputs[0];
    for t in &inputs[1..] {
        ensure!(
            t.shape() == first.shape() && t.dtype() == first.dtype(),
            Shape,
            op,
            "operands must be alike, they are {} {:?} and {} {:?}",
            first.dtype(),
            first.shape(),
            t.dtype(),
            t.shape()
        );
    }
    Ok(())
}

pub(crate) fn float_like(op: &'static str, x: &Tensor) -> Result<Metas> {
    ensure!(x.dtype().is_float(), DType, op, "not defined for {}, only for floating point", x.dtype());
    Meta::like(x).one()
}

/// 1 where the condition holds, else 0, in the dtype of `x`.
fn truth(condition: Tensor, x: &Tensor) -> Result<Tensor> {
    condition.to_dtype(x.dtype())
}

/// min(x, 0).
fn below(x: &Tensor) -> Result<Tensor> {
    x.neg()?.relu()?.neg()
}

/// log(1 + eˣ).
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()?.add(&x.abs()?.neg()?.exp()?.log1p()?)
}

/// The normal distribution function.
fn normal_cdf(x: &Tensor) -> Result<Tensor> {
    x.mul(FRAC_1_SQRT_2)?.erf()?.add(1)?.mul(0.5)
}

const GELU_TANH: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044715;

/// The tanh in the approximation of gelu.
fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    x.add(&x.pow(3)?.mul(GELU_CUBE)?)?.mul(GELU_TANH)?.tanh()
}

/// How [`Tensor::gelu_with`] computes Φ, the normal distribution's cumulative function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approximate {
    /// by the error function: `"none"`
    #[default]
    None,
    /// by a hyperbolic tangent: `"tanh"`
    Tanh,
}

macro_rules! activations {
    // Op, the op that gives its gradient, their names; the function and its derivative in primitive ops
    ($($Op:ident, $Backward:ident, $name:literal, |$op:ident, $x:ident| $value:expr, $slope:expr;)*) => {$(
        impl Infer for $Op {
            const NAME: &'static str = $name;
            const ELEMENTWISE: bool = true;
            fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                float_like($name, inputs[0])
            }
            fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
                fn value($op: &$Op, $x: &Tensor) -> Result<Tensor> { $value }
                Some(value(self, inputs[0]).map(|y| smallvec![y]))
            }
        }

        #[doc = concat!("Of a gradient and x: the gradient through [`", stringify!($Op), "`].")]
        #[derive(Clone, Copy, Debug)]
        pub struct $Backward(
            /// The op whose gradient it is.
            pub $Op,
        );

        impl Infer for $Backward {
            const NAME: &'static str = concat!($name, "_backward");
            const INPUTS: usize = 2;
            const ELEMENTWISE: bool = true;
            fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                check_alike(Self::NAME, &inputs[..2])?;
                float_like(Self::NAME, inputs[0])
            }
            fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
                fn slope($op: &$Op, $x: &Tensor) -> Result<Tensor> { $slope }
                let g = || inputs[0].mul(&slope(&self.0, inputs[1])?);
                Some(g().map(|g| smallvec![g]))
            }
        }
    )*};
}

activations! {
    Gelu, GeluBackward, "gelu", |op, x| {
        if op.tanh { x.mul(&gelu_tanh(x)?.add(1)?)?.mul(0.5) } else { x.mul(&normal_cdf(x)?) }
    }, {
        if op.tanh {
            let t = gelu_tanh(x)?;
            let inner = x.square()?.mul(3.0 * GELU_CUBE)?.add(1)?.mul(GELU_TANH)?;
            t.add(1)?.add(&t.square()?.rsub(1)?.mul(x)?.mul(&inner)?)?.mul(0.5)
        } else {
            let density = x.square()?.mul(-0.5)?.exp()?.mul(1.0 / (2.0 * PI).sqrt())?;
            normal_cdf(x)?.add(&x.mul(&density)?)
        }
    };
    Silu, SiluBackward, "silu", |_op, x| x.mul(&x.sigmoid()?), {
        let s = x.sigmoid()?;
        s.mul(&x.mul(&s.rsub(1)?)?.add(1)?)
    };
    Mish, MishBackward, "mish", |_op, x| x.mul(&softplus(x)?.tanh()?), {
        let t = softplus(x)?.tanh()?;
        t.add(&x.mul(&x.sigmoid()?)?.mul(&t.square()?.rsub(1)?)?)
    };
    Softplus, SoftplusBackward, "softplus", |op, x| {
        let z = x.mul(op.beta)?;
        x.where_cond(&z.gt(op.threshold)?, &softplus(&z)?.div(op.beta)?)
    }, {
        let z = x.mul(op.beta)?;
        z.sigmoid()?.masked_fill(&z.gt(op.threshold)?, 1)
    };
    Elu, EluBackward, "elu", |op, x| {
        let low = below(x)?.mul(op.input_scale)?.expm1()?.mul(op.alpha * op.scale)?;
        x.mul(op.scale)?.where_cond(&x.gt(0)?, &low)
    }, {
        let low = below(x)?.mul(op.input_scale)?.exp()?.mul(op.alpha * op.scale * op.input_scale)?;
        low.masked_fill(&x.gt(0)?, op.scale)
    };
    LeakyRelu, LeakyReluBackward, "leaky_relu", |op, x| x.where_cond(&x.gt(0)?, &x.mul(op.slope)?), {
        x.full_like(op.slope)?.masked_fill(&x.gt(0)?, 1)
    };
    Hardtanh, HardtanhBackward, "hardtanh", |op, x| x.maximum(op.min)?.minimum(op.max), {
        truth(x.gt(op.min)?.logical_and(&x.lt(op.max)?)?, x)
    };
    Hardswish, HardswishBackward, "hardswish", |_op, x| x.mul(&hard(x)?), {
        let inner = x.mul(1.0 / 3.0)?.add(0.5)?;
        inner.masked_fill(&x.le(-3)?, 0)?.masked_fill(&x.ge(3)?, 1)
    };
    Hardsigmoid, HardsigmoidBackward, "hardsigmoid", |_op, x| hard(x), {
        truth(x.gt(-3)?.logical_and(&x.lt(3)?)?, x)?.mul(1.0 / 6.0)
    };
    LogSigmoid, LogSigmoidBackward, "log_sigmoid", |_op, x| softplus(&x.neg()?)?.neg(), x.neg()?.sigmoid();
}

/// relu6(x + 3) / 6.
fn hard(x: &Tensor) -> Result<Tensor> {
    x.add(3)?.maximum(0)?.minimum(6)?.mul(1.0 / 6.0)
}

macro_rules! from_output {
    // The gradient through a function by its output, which is kept anyway.
    ($($(#[$doc:meta])* $Backward:ident, $name:literal, |$g:ident, $y:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Backward;

        impl Infer for $Backward {
            const NAME: &'static str = $name;
            const INPUTS: usize = 2;
            const ELEMENTWISE: bool = true;
            fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                check_alike($name, &inputs[..2])?;
                float_like($name, inputs[0])
            }
            fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
                fn value($g: &Tensor, $y: &Tensor) -> Result<Tensor> { $value }
                Some(value(inputs[0], inputs[1]).map(|y| smallvec![y]))
            }
        }
    )*};
}

from_output! {
    /// Of a gradient and relu(x): the gradient through relu.
    ReluBackward, "relu_backward", |g, y| g.masked_fill(&y.le(0)?, 0.0);
    /// Of a gradient and tanh(x): the gradient through tanh.
    TanhBackward, "tanh_backward", |g, y| g.mul(&y.square()?.rsub(1)?);
    /// Of a gradient and σ(x): the gradient through σ.
    SigmoidBackward, "sigmoid_backward", |g, y| g.mul(&y.rsub(1)?.mul(y)?);
}

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident, $in_place:ident ($($arg:ident: $ty:ty),*) => $op:expr;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Where the dtype is not floating point.
                #[track_caller]
                pub fn $method(&self, $($arg: $ty),*) -> Result<Tensor> {
                    dispatch($op, &[self])
                }

                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") in place.\n\n# Errors\nAs [`", stringify!($method), "`](Tensor::", stringify!($method), "), and where autograd forbids to write.")]
                #[track_caller]
                pub fn $in_place(&self, $($arg: $ty),*) -> Result<&Tensor> {
                    dispatch_into(stringify!($in_place), $op, &[self], self)?;
                    Ok(self)
                }
            )*
        }
    };
}

methods! {
    /// x Φ(x), as `nn.functional.gelu`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert!(tensor!([1.0, 0.0]).gelu()?.allclose(&tensor!([0.8413447, 0.0]))?);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    gelu, gelu_() => Gelu { tanh: false };
    /// [`gelu`](Tensor::gelu) with Φ computed as `approximate` says.
    gelu_with, gelu_with_(approximate: Approximate) => Gelu { tanh: approximate == Approximate::Tanh };
    /// x tanh(softplus(x)), as `nn.functional.mish`.
    mish, mish_() => Mish;
    /// A smooth relu, as `nn.functional.softplus` (there β = 1, threshold = 20 by default).
    softplus, softplus_(beta: f64, threshold: f64) => Softplus { beta, threshold };
    /// x above 0, α(eˣ − 1) below, as `nn.functional.elu` (there α = 1 by default).
    elu, elu_(alpha: f64) => Elu { alpha, scale: 1.0, input_scale: 1.0 };
    /// [`elu`](Tensor::elu) that keeps mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515), as
    /// `nn.functional.selu`.
    selu, selu_() => Elu { alpha: SELU_ALPHA, scale: SELU_SCALE, input_scale: 1.0 };
    /// x above 0, α(exp(x / α) − 1) below, as `nn.functional.celu` (there α = 1 by default).
    celu, celu_(alpha: f64) => Elu { alpha, scale: 1.0, input_scale: 1.0 / alpha };
    /// x above 0, `slope` · x below, as `nn.functional.leaky_relu` (there slope = 0.01 by default).
    leaky_relu, leaky_relu_(slope: f64) => LeakyRelu { slope };
    /// x · relu6(x + 3) / 6, as `nn.functional.hardswish`.
    hardswish, hardswish_() => Hardswish;
    /// relu6(x + 3) / 6, as `nn.functional.hardsigmoid`.
    hardsigmoid, hardsigmoid_() => Hardsigmoid;
    /// log σ(x), as `nn.functional.logsigmoid`.
    logsigmoid, logsigmoid_() => LogSigmoid;
}

impl Tensor {
    /// x σ(x), as `nn.functional.silu`; also for complex numbers.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for the result.
    #[track_caller]
    pub fn silu(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { self.mul(&self.sigmoid()?) } else { dispatch(Silu, &[self]) }
    }

    /// [`silu`](Tensor::silu) in place.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or autograd forbids to write.
    #[track_caller]
    pub fn silu_(&self) -> Result<&Tensor> {
        dispatch_into("silu_", Silu, &[self], self)?;
        Ok(self)
    }

    /// Kept between `min` and `max`, as `nn.functional.hardtanh` (there −1 and 1 by default).
    ///
    /// # Errors
    /// Where `min` is above `max`.
    #[track_caller]
    pub fn hardtanh(&self, min: f64, max: f64) -> Result<Tensor> {
        hardtanh("hardtanh", self, min, max)
    }

    /// Kept between 0 and 6, as `nn.functional.relu6`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn relu6(&self) -> Result<Tensor> {
        hardtanh("relu6", self, 0.0, 6.0)
    }

    /// x − tanh(x), as `nn.functional.tanhshrink`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for the result.
    #[track_caller]
    pub fn tanhshrink(&self) -> Result<Tensor> {
        self.sub(&self.tanh()?)
    }

    /// x / (1 + |x|), as `nn.functional.softsign`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for the result.
    #[track_caller]
    pub fn softsign(&self) -> Result<Tensor> {
        self.div(&self.abs()?.add(1)?)
    }

    /// x above `threshold`, else `value`, as `nn.functional.threshold`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn threshold(&self, threshold: f64, value: f64) -> Result<Tensor> {
        self.masked_fill(&self.le(threshold)?, value)
    }

    /// 0 where |x| is at most `lambda`, else x, as `nn.functional.hardshrink` (there λ = 0.5 by default).
    ///
    /// # Errors
    /// Where the dtype is not floating point.
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Result<Tensor> {
        ensure!(self.dtype().is_float(), DType, "hardshrink", "not defined for {}", self.dtype());
        self.masked_fill(&self.ge(-lambda)?.logical_and(&self.le(lambda)?)?, 0)
    }

    /// x moved towards 0 by `lambda`, as `nn.functional.softshrink` (there λ = 0.5 by default).
    ///
    /// # Errors
    /// Where λ is negative, or the dtype is not floating point.
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Result<Tensor> {
        ensure!(lambda >= 0.0, Argument, "softshrink", "lambda is {lambda}, it must not be negative");
        ensure!(self.dtype().is_float(), DType, "softshrink", "not defined for {}", self.dtype());
        let moved = self.sub(&self.sign()?.mul(lambda)?)?;
        moved.masked_fill(&self.abs()?.le(lambda)?, 0)
    }

    /// The first half along `dim` times σ of the second, as `nn.functional.glu` (there dim = −1 by default).
    ///
    /// # Errors
    /// Where the size of `dim` is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        ensure!(self.rank() > 0, Shape, "glu", "a scalar has no halves");
        let size = self.size(dim)?;
        ensure!(
            size % 2 == 0,
            Shape,
            "glu",
            "dimension {dim} of shape {:?} has odd size {size}; it must have two halves",
            self.shape()
        );
        let half = size / 2;
        self.narrow(dim, 0, half)?.mul(&self.narrow(dim, half as isize, half)?.sigmoid()?)
    }

    /// x above 0, else `weight` · x, with one weight for all or one for each channel (dimension 1), as
    /// `nn.functional.prelu`.
    ///
    /// # Errors
    /// Where the input is not of floating point, or `weight` has neither one element nor one for each channel.
    #[track_caller]
    pub fn prelu(&self, weight: impl AsRef<Tensor>) -> Result<Tensor> {
        let weight = weight.as_ref();
        ensure!(self.dtype().is_float(), DType, "prelu", "not defined for {}, only for floating point", self.dtype());
        ensure!(
            result_type(self, weight) == self.dtype(),
            DType,
            "prelu",
            "input is {}, weight {}",
            self.dtype(),
            weight.dtype()
        );
        let channels = if self.rank() >= 2 { self.shape()[1] } else { 1 };
        let n = weight.numel();
        if n != 1 && (n != channels || weight.rank() != 1) {
            bail!(
                Shape,
                "prelu",
                "weight has shape {:?}; input {:?} needs 1 weight or {channels}",
                weight.shape(),
                self.shape()
            )
        }
        let mut shape = vec![1usize; self.rank()];
        if n != 1 {
            shape[1] = n;
        }
        let weight = weight.reshape(shape)?;
        self.where_cond(&self.gt(0)?, &self.mul(&weight)?)
    }
}

#[track_caller]
fn hardtanh(name: &'static str, x: &Tensor, min: f64, max: f64) -> Result<Tensor> {
    ensure!(min <= max, Argument, name, "the lower bound {min} is above the upper bound {max}");
    ensure!(x.dtype() != DType::Bool, DType, name, "not defined for bool");
    if x.dtype().is_int() {
        return x.clamp(min as i64, max as i64);
    }
    dispatch(Hardtanh { min, max }, &[x])
}
