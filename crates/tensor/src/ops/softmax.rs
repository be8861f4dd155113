//! Softmax and its logarithm: fused, for two passes over each row in cache instead of five over memory.

use crate::op::{Infer, Metas, Outputs};
use crate::ops::activation::{check_alike, float_like};
use crate::shape::{check_dims, dim_index};
use crate::{DType, Result, Tensor, dispatch};
use smallvec::smallvec;

macro_rules! ops {
    ($($(#[$doc:meta])* $Op:ident, $name:literal of $n:literal, |$inputs:ident, $dim:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Op {
            /// The dimension along which the exponentials add up to 1; 0 for a scalar.
            pub dim: usize,
        }

        impl Infer for $Op {
            const NAME: &'static str = $name;
            const INPUTS: usize = $n;
            fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                check_dims($name, &[self.dim], inputs[0].rank())?;
                check_alike($name, &inputs[..$n])?;
                float_like($name, inputs[0])
            }
            fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
                fn value($inputs: &[&Tensor], $dim: usize) -> Result<Tensor> { $value }
                Some(value(inputs, self.dim).map(|y| smallvec![y]))
            }
        }
    )*};
}

ops! {
    /// exp(x) / Σ exp(x).
    Softmax, "softmax" of 1, |x, dim| {
        let e = shifted(x[0], dim)?.exp()?;
        e.div(&e.sum_keepdim(dim)?)
    };
    /// x − log Σ exp(x).
    LogSoftmax, "log_softmax" of 1, |x, dim| {
        let shifted = shifted(x[0], dim)?;
        shifted.sub(&shifted.exp()?.sum_keepdim(dim)?.log()?)
    };
    /// Of a gradient g and y = softmax(x): y (g − Σ g y).
    SoftmaxBackward, "softmax_backward" of 2, |x, dim| {
        let (g, y) = (x[0], x[1]);
        y.mul(&g.sub(&g.mul(y)?.sum_keepdim(dim)?)?)
    };
    /// Of a gradient g and y = log_softmax(x): g − exp(y) Σ g.
    LogSoftmaxBackward, "log_softmax_backward" of 2, |x, dim| {
        let (g, y) = (x[0], x[1]);
        g.sub(&y.exp()?.mul(&g.sum_keepdim(dim)?)?)
    };
}

/// x less its largest value, which changes nothing but that exponentials stay finite.
fn shifted(x: &Tensor, dim: usize) -> Result<Tensor> {
    if x.numel() == 0 {
        return Ok(x.clone());
    }
    x.sub(&x.detach().amax_keepdim(dim)?)
}

impl Tensor {
    /// exp(x) / Σ exp(x) along `dim`, as `torch.softmax`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![0.0f32, 0.0, 3f32.ln()], 3)?;
    /// let p = x.softmax(-1)?.to_vec::<f32>()?;
    /// assert!((p[0] - 0.2).abs() < 1e-6 && (p[2] - 0.6).abs() < 1e-6);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no such dimension, or the dtype is not floating point
    /// (see [`softmax_in`](Tensor::softmax_in)).
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        dispatch(Softmax { dim: dim_index("softmax", dim, self.rank())? }, &[self])
    }

    /// [`softmax`](Tensor::softmax) of the tensor cast to `dtype`: PyTorch's `dtype` argument.
    ///
    /// # Errors
    /// As [`softmax`](Tensor::softmax).
    #[track_caller]
    pub fn softmax_in(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        self.to_dtype(dtype)?.softmax(dim)
    }

    /// log softmax(x) along `dim`, exact where softmax is small, as `torch.log_softmax`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let sum = tensor!([1.0, 3.0]).log_softmax(-1)?.exp()?.sum(..)?;
    /// assert!((sum.item::<f64>()? - 1.0).abs() < 1e-6);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`softmax`](Tensor::softmax).
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        dispatch(LogSoftmax { dim: dim_index("log_softmax", dim, self.rank())? }, &[self])
    }

    /// [`log_softmax`](Tensor::log_softmax) of the tensor cast to `dtype`.
    ///
    /// # Errors
    /// As [`log_softmax`](Tensor::log_softmax).
    #[track_caller]
    pub fn log_softmax_in(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        self.to_dtype(dtype)?.log_softmax(dim)
    }

    /// softmax(−x) along `dim`, as `nn.functional.softmin`.
    ///
    /// # Errors
    /// As [`softmax`](Tensor::softmax).
    #[track_caller]
    pub fn softmin(&self, dim: isize) -> Result<Tensor> {
        self.neg()?.softmax(dim)
    }

    /// softmax along `dim` of −x cast to `dtype`.
    ///
    /// # Errors
    /// As [`softmax`](Tensor::softmax).
    #[track_caller]
    pub fn softmin_in(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        self.neg()?.softmax_in(dim, dtype)
    }
}
