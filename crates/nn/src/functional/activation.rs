//! Activation functions. What has parameters with defaults in PyTorch takes them all here: they are few.

use flambeau_tensor::{Result, Tensor};

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident ($($argument:ident: $t:ty),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Where the dtype does not take it or an argument is out of its range.
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, $($argument: $t),*) -> Result<Tensor> {
            let x = x.as_ref();
            x.$name($($argument),*)
        }
    )*};
}

activations! {
    /// max(x, 0).
    relu();
    /// Kept between 0 and 6.
    relu6();
    /// The hyperbolic tangent.
    tanh();
    /// 1 / (1 + e⁻ˣ).
    sigmoid();
    /// x σ(x).
    silu();
    /// x tanh(softplus(x)).
    mish();
    /// ELU that keeps mean 0 and variance 1.
    selu();
    /// x · relu6(x + 3) / 6.
    hardswish();
    /// relu6(x + 3) / 6.
    hardsigmoid();
    /// log σ(x).
    logsigmoid();
    /// x / (1 + |x|).
    softsign();
    /// x − tanh(x).
    tanhshrink();
    /// x above 0, `slope` · x below (PyTorch's default is 0.01).
    leaky_relu(slope: f64);
    /// x above 0, α(eˣ − 1) below (PyTorch's default is 1).
    elu(alpha: f64);
    /// log(1 + exp(βx)) / β, and x where βx is above the threshold (PyTorch's defaults are 1 and 20).
    softplus(beta: f64, threshold: f64);
    /// The first half along `dim` times σ of the second (PyTorch's default is −1).
    glu(dim: isize);
    /// x above 0, else `weight` · x, one weight for all or one for each channel.
    prelu(weight: &Tensor);
    /// eˣ divided by its sum along `dim`.
    softmax(dim: isize);
    /// The logarithm of [`softmax`].
    log_softmax(dim: isize);
    /// [`softmax`] of −x.
    softmin(dim: isize);
    /// x above 0, α(exp(x / α) − 1) below (PyTorch's default is 1).
    celu(alpha: f64);
    /// Kept between `min` and `max` (PyTorch's defaults are −1 and 1).
    hardtanh(min: f64, max: f64);
    /// 0 where |x| is at most `lambda`, else x (PyTorch's default is 0.5).
    hardshrink(lambda: f64);
    /// 0 where |x| is at most `lambda`, else `lambda` nearer to 0 (PyTorch's default is 0.5).
    softshrink(lambda: f64);
    /// x above `threshold`, else `value`.
    threshold(threshold: f64, value: f64);
}

pub use flambeau_tensor::Approximate;

/// x Φ(x).
///
/// # Errors
/// Where the dtype is not floating.
#[track_caller]
pub fn gelu(x: impl AsRef<Tensor>) -> Result<Tensor> {
    let x = x.as_ref();
    x.gelu()
}

/// x Φ(x), Φ approximated as said.
///
/// # Errors
/// Where the dtype is not floating.
#[track_caller]
pub fn gelu_with(x: impl AsRef<Tensor>, approximate: Approximate) -> Result<Tensor> {
    let x = x.as_ref();
    x.gelu_with(approximate)
}
