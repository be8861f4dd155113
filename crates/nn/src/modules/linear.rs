//! Linear layers.

use crate::print::py_bool;
use crate::{Forward, Module, Parameter, functional, init};
use flambeau_tensor::{DType, Device, Result, Tensor, builder};

/// x Aᵀ + b, as `torch.nn.Linear`: `[…, in_features]` becomes `[…, out_features]`. Weight and bias start
/// evenly distributed in ±1/√in_features.
///
/// ```
/// use flambeau_nn::{Call, Linear};
/// use flambeau_tensor::Tensor;
///
/// let layer = Linear::new(20, 30).build()?;
/// assert_eq!(layer.call(&Tensor::randn([128, 20]).build()?)?.shape(), [128, 30]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Linear::describe")]
pub struct Linear {
    /// A, `[out_features, in_features]`.
    pub weight: Parameter,
    /// b, `[out_features]`.
    pub bias: Option<Parameter>,
}

builder! {
    /// Options of [`Linear`].
    pub struct LinearBuilder => Linear;
    new {
        in_features: usize,
        out_features: usize,
    }
    options {
        /// With b (the default).
        bias: bool = true,
        /// The parameters' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameters are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl Linear {
    #[track_caller]
    fn from_builder(b: LinearBuilder) -> Result<Self> {
        let weight = super::parameter([b.out_features, b.in_features], b.dtype, b.device)?;
        let bias = b.bias.then(|| super::parameter(b.out_features, b.dtype, b.device)).transpose()?;
        init::linear_defaults(&weight, bias.as_deref())?;
        Ok(Linear { weight, bias })
    }

    fn describe(&self) -> String {
        let (out_features, in_features) = match self.weight.shape() {
            [o, i] => (*o, *i),
            _ => (0, 0),
        };
        format!("in_features={in_features}, out_features={out_features}, bias={}", py_bool(self.bias.is_some()))
    }
}

impl Forward<&Tensor> for Linear {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::linear(x, &self.weight, self.bias.as_deref())
    }
}
