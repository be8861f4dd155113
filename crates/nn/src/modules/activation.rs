//! Activation functions as layers.

use crate::functional::{self, Approximate};
use crate::print::py_float;
use crate::{Forward, Mode, Module, ModuleId, Parameter};
use flambeau_tensor::ops::Hardtanh as HardtanhOp;
use flambeau_tensor::{DType, Device, Result, Tensor, builder, dispatch_into, ensure};

macro_rules! plain {
    ($($(#[$doc:meta])* $Name:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Default, Clone)]
        pub struct $Name {
            id: ModuleId,
        }

        impl $Name {
            /// One.
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x)
            }
        }
    )*};
}

plain! {
    /// The hyperbolic tangent, as `torch.nn.Tanh`.
    Tanh, tanh;
    /// 1 / (1 + e⁻ˣ), as `torch.nn.Sigmoid`.
    Sigmoid, sigmoid;
    /// log σ(x), as `torch.nn.LogSigmoid`.
    LogSigmoid, logsigmoid;
    /// x / (1 + |x|), as `torch.nn.Softsign`.
    Softsign, softsign;
    /// x − tanh(x), as `torch.nn.Tanhshrink`.
    Tanhshrink, tanhshrink;
}

macro_rules! in_place {
    ($($(#[$doc:meta])* $Name:ident, $method:ident, $in_place:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Default, Clone)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            inplace: bool,
            id: ModuleId,
        }

        impl $Name {
            /// One that leaves its input alone.
            pub fn new() -> Self {
                Self::default()
            }

            /// Write the result into the input, which is then gone.
            #[must_use]
            pub fn inplace(mut self, inplace: bool) -> Self {
                self.inplace = inplace;
                self
            }

            fn describe(&self) -> String {
                // PyTorch's `Hardsigmoid` and `Hardswish` do not say it.
                let told = self.inplace && !matches!(stringify!($Name), "Hardsigmoid" | "Hardswish");
                if told { "inplace=True".to_string() } else { String::new() }
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                if self.inplace { x.$in_place().cloned() } else { x.$method() }
            }
        }
    )*};
}

in_place! {
    /// max(x, 0), as `torch.nn.ReLU`.
    ReLU, relu, relu_;
    /// x σ(x), as `torch.nn.SiLU`.
    SiLU, silu, silu_;
    /// x tanh(softplus(x)), as `torch.nn.Mish`.
    Mish, mish, mish_;
    /// ELU that keeps mean 0 and variance 1, as `torch.nn.SELU`.
    SELU, selu, selu_;
    /// relu6(x + 3) / 6, as `torch.nn.Hardsigmoid`.
    Hardsigmoid, hardsigmoid, hardsigmoid_;
    /// x · relu6(x + 3) / 6, as `torch.nn.Hardswish`.
    Hardswish, hardswish, hardswish_;
}

/// Kept between 0 and 6, as `torch.nn.ReLU6`.
#[derive(Module, Default, Clone)]
#[module(extra_repr = "Self::describe")]
pub struct ReLU6 {
    inplace: bool,
    id: ModuleId,
}

impl ReLU6 {
    /// One that leaves its input alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Write the result into the input, which is then gone.
    #[must_use]
    pub fn inplace(mut self, inplace: bool) -> Self {
        self.inplace = inplace;
        self
    }

    fn describe(&self) -> String {
        if self.inplace { "inplace=True".to_string() } else { String::new() }
    }
}

impl Forward<&Tensor> for ReLU6 {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.inplace { hardtanh_(x, 0.0, 6.0) } else { x.relu6() }
    }
}

/// The end of a layer's text.
fn told(inplace: bool) -> &'static str {
    if inplace { ", inplace=True" } else { "" }
}

/// Keeps the elements of x between two numbers, in place.
#[track_caller]
fn hardtanh_(x: &Tensor, min: f64, max: f64) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return x.copy_(&x.hardtanh(min, max)?).cloned();
    }
    ensure!(min <= max, Argument, "hardtanh_", "the lower bound {min} is above the upper bound {max}");
    dispatch_into("hardtanh_", HardtanhOp { min, max }, &[x], x)?;
    Ok(x.clone())
}

macro_rules! with_options {
    ($(
        $(#[$doc:meta])* $Name:ident {
            $($(#[$option_doc:meta])* $option:ident: $t:ty = $default:expr),*
        }
        |$x:ident, $s:ident| $forward:expr, $describe:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            $(#[module(skip)] $option: $t,)*
            id: ModuleId,
        }

        impl $Name {
            /// One with PyTorch's defaults.
            pub fn new() -> Self {
                $Name { $($option: $default,)* id: ModuleId::new() }
            }

            $(
                $(#[$option_doc])*
                #[must_use]
                pub fn $option(mut self, $option: $t) -> Self {
                    self.$option = $option;
                    self
                }
            )*

            fn describe(&self) -> String {
                let $s = self;
                $describe
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                let $s = self;
                $forward
            }
        }
    )*};
}

with_options! {
    /// x Φ(x) with the normal distribution function, as `torch.nn.GELU`.
    GELU {
        /// How Φ is had.
        approximate: Approximate = Approximate::None
    }
    |x, s| functional::gelu_with(x, s.approximate),
    format!("approximate='{}'", if s.approximate == Approximate::Tanh { "tanh" } else { "none" });

    /// x above 0, a slope times x below, as `torch.nn.LeakyReLU`.
    LeakyReLU {
        /// The slope below 0, 0.01 unless set.
        negative_slope: f64 = 0.01,
        /// Write the result into the input, which is then gone.
        inplace: bool = false
    }
    |x, s| if s.inplace { x.leaky_relu_(s.negative_slope).cloned() } else { x.leaky_relu(s.negative_slope) },
    format!("negative_slope={}{}", py_float(s.negative_slope), told(s.inplace));

    /// x above 0, α(eˣ − 1) below, as `torch.nn.ELU`.
    ELU {
        /// α, 1 unless set.
        alpha: f64 = 1.0,
        /// Write the result into the input, which is then gone.
        inplace: bool = false
    }
    |x, s| if s.inplace { x.elu_(s.alpha).cloned() } else { x.elu(s.alpha) },
    format!("alpha={}{}", py_float(s.alpha), told(s.inplace));

    /// x above 0, α(exp(x / α) − 1) below, as `torch.nn.CELU`.
    CELU {
        /// α, 1 unless set.
        alpha: f64 = 1.0,
        /// Write the result into the input, which is then gone.
        inplace: bool = false
    }
    |x, s| if s.inplace { x.celu_(s.alpha).cloned() } else { x.celu(s.alpha) },
    format!("alpha={}{}", py_float(s.alpha), told(s.inplace));

    /// Kept between two numbers, as `torch.nn.Hardtanh`.
    Hardtanh {
        /// The lower one, −1 unless set.
        min_val: f64 = -1.0,
        /// The upper one, 1 unless set.
        max_val: f64 = 1.0,
        /// Write the result into the input, which is then gone.
        inplace: bool = false
    }
    |x, s| if s.inplace { hardtanh_(x, s.min_val, s.max_val) } else { x.hardtanh(s.min_val, s.max_val) },
    format!("min_val={}, max_val={}{}", py_float(s.min_val), py_float(s.max_val), told(s.inplace));

    /// 0 where |x| is at most λ, else x, as `torch.nn.Hardshrink`.
    Hardshrink {
        /// λ, 0.5 unless set.
        lambd: f64 = 0.5
    }
    |x, s| x.hardshrink(s.lambd), py_float(s.lambd);

    /// 0 where |x| is at most λ, else λ nearer to 0, as `torch.nn.Softshrink`.
    Softshrink {
        /// λ, 0.5 unless set.
        lambd: f64 = 0.5
    }
    |x, s| x.softshrink(s.lambd), py_float(s.lambd);

    /// log(1 + exp(βx)) / β, as `torch.nn.Softplus`.
    Softplus {
        /// β, 1 unless set.
        beta: f64 = 1.0,
        /// Where βx is above this the function is x; 20 unless set.
        threshold: f64 = 20.0
    }
    |x, s| functional::softplus(x, s.beta, s.threshold), format!("beta={}, threshold={}", py_float(s.beta), py_float(s.threshold));

    /// The first half along a dimension times σ of the second, as `torch.nn.GLU`.
    GLU {
        /// The dimension, −1 unless set.
        dim: isize = -1
    }
    |x, s| functional::glu(x, s.dim), format!("dim={}", s.dim);
}

macro_rules! along {
    ($($(#[$doc:meta])* $Name:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            dim: isize,
            id: ModuleId,
        }

        impl $Name {
            /// Along `dim`.
            pub fn new(dim: isize) -> Self {
                $Name { dim, id: ModuleId::new() }
            }

            fn describe(&self) -> String {
                format!("dim={}", self.dim)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.dim)
            }
        }
    )*};
}

along! {
    /// eˣ divided by its sum along a dimension, as `torch.nn.Softmax`.
    Softmax, softmax;
    /// The logarithm of [`Softmax`], as `torch.nn.LogSoftmax`.
    LogSoftmax, log_softmax;
    /// [`Softmax`] of −x, as `torch.nn.Softmin`.
    Softmin, softmin;
}

/// [`Softmax`] over the channels at each place of `[N, C, H, W]` or `[C, H, W]`, as `torch.nn.Softmax2d`.
#[derive(Module, Default, Clone)]
pub struct Softmax2d {
    id: ModuleId,
}

impl Softmax2d {
    /// One.
    pub fn new() -> Self {
        Softmax2d::default()
    }
}

impl Forward<&Tensor> for Softmax2d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ensure!(
            matches!(x.rank(), 3 | 4),
            Shape,
            "Softmax2d",
            "shape {:?} is neither [N, C, H, W] nor [C, H, W]",
            x.shape()
        );
        functional::softmax(x, -3)
    }
}

/// x above a threshold, else a number, as `torch.nn.Threshold`.
#[derive(Module, Clone)]
#[module(extra_repr = "Threshold::describe")]
pub struct Threshold {
    threshold: f64,
    value: f64,
    inplace: bool,
    id: ModuleId,
}

impl Threshold {
    /// `value` where x is not above `threshold`.
    pub fn new(threshold: f64, value: f64) -> Self {
        Threshold { threshold, value, inplace: false, id: ModuleId::new() }
    }

    /// Write the result into the input, which is then gone.
    #[must_use]
    pub fn inplace(mut self, inplace: bool) -> Self {
        self.inplace = inplace;
        self
    }

    fn describe(&self) -> String {
        format!("threshold={}, value={}{}", py_float(self.threshold), py_float(self.value), told(self.inplace))
    }
}

impl Forward<&Tensor> for Threshold {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.inplace {
            return x.masked_fill_(x.le(self.threshold)?, self.value).cloned();
        }
        x.threshold(self.threshold, self.value)
    }
}

/// x above 0, a slope times x elsewhere, as `torch.nn.RReLU` (Xu et al., arXiv:1505.00853): in training one that is drawn
/// evenly between two numbers for each element, in evaluation their mean.
#[derive(Module)]
#[module(extra_repr = "RReLU::describe")]
pub struct RReLU {
    lower: f64,
    upper: f64,
    inplace: bool,
    mode: Mode,
}

builder! {
    /// Options of [`RReLU`].
    pub struct RReLUBuilder => RReLU;
    new {}
    options {
        /// The least slope, 1/8 unless set.
        lower: f64 = 1.0 / 8.0,
        /// The largest slope, 1/3 unless set.
        upper: f64 = 1.0 / 3.0,
        /// Write the result into the input, which is then gone.
        inplace: bool = false,
    }
}

impl RReLU {
    #[track_caller]
    fn from_builder(b: RReLUBuilder) -> Result<Self> {
        ensure!(b.lower <= b.upper, Argument, "RReLU", "lower = {} is above upper = {}", b.lower, b.upper);
        Ok(RReLU { lower: b.lower, upper: b.upper, inplace: b.inplace, mode: Mode::new() })
    }

    fn describe(&self) -> String {
        format!("lower={}, upper={}{}", py_float(self.lower), py_float(self.upper), told(self.inplace))
    }
}

impl Forward<&Tensor> for RReLU {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match (self.inplace, self.mode.is_training()) {
            (false, training) => functional::rrelu(x, self.lower, self.upper, training),
            (true, true) => x.copy_(&functional::rrelu(x, self.lower, self.upper, true)?).cloned(),
            (true, false) => x.leaky_relu_((self.lower + self.upper) / 2.0).cloned(),
        }
    }
}

/// x above 0, a trained slope times x below, as `torch.nn.PReLU`.
#[derive(Module)]
#[module(extra_repr = "PReLU::describe")]
pub struct PReLU {
    /// The slopes, one for all or one for each channel.
    pub weight: Parameter,
}

builder! {
    /// Options of [`PReLU`].
    pub struct PReLUBuilder => PReLU;
    new {}
    options {
        /// The number of slopes: 1, or the number of channels.
        num_parameters: usize = 1,
        /// What the slopes start from, 0.25 unless set.
        init: f64 = 0.25,
        /// The slopes' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the slopes are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl PReLU {
    #[track_caller]
    fn from_builder(b: PReLUBuilder) -> Result<Self> {
        Ok(PReLU { weight: super::parameter_of(b.init, b.num_parameters, b.dtype, b.device)? })
    }

    fn describe(&self) -> String {
        format!("num_parameters={}", self.weight.numel())
    }
}

impl Forward<&Tensor> for PReLU {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::prelu(x, &self.weight)
    }
}
