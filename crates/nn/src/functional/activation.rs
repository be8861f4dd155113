//! Activation functions. What has parameters with defaults in PyTorch takes them all here: they are few.

use flambeau_tensor::{DType, Result, Tensor, ensure, no_grad};

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

/// x above 0, a slope times x elsewhere: where `training`, one that is drawn evenly between `lower` and `upper` for each
/// element, else their mean. (PyTorch's defaults are 1/8 and 1/3.)
///
/// # Errors
/// Where the dtype is not floating, or `lower` is above `upper`.
#[track_caller]
pub fn rrelu(x: impl AsRef<Tensor>, lower: f64, upper: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    ensure!(lower <= upper, Argument, "rrelu", "lower = {lower} is above upper = {upper}");
    ensure!(x.dtype().is_float(), DType, "rrelu", "not defined for {}", x.dtype());
    if !training {
        return x.leaky_relu((lower + upper) / 2.0);
    }
    let slopes = no_grad(|| {
        let ones = Tensor::full(x.shape(), 1.0).dtype(x.dtype()).device(x.device()).build()?;
        if !x.device().has_data() {
            return Ok(ones);
        }
        // One number, in double precision, for each element that is not above 0, as PyTorch draws them.
        let below = x.le(0.0)?;
        let count = below.to_dtype(DType::I64)?.sum(..)?.item::<i64>()?;
        let drawn = Tensor::zeros(count as usize).dtype(DType::F64).device(x.device()).build()?;
        // Between limits as the dtype computes with them, rounded after the product and after the sum (`uniform_` rounds
        // once).
        let limit = |limit: f64| if x.dtype() == DType::F64 { limit } else { f64::from(limit as f32) };
        let drawn = drawn.uniform_(0.0, 1.0)?.mul(limit(upper) - limit(lower))?.add(limit(lower))?;
        ones.masked_scatter(&below, &drawn.to_dtype(x.dtype())?)
    })?;
    x.contiguous()?.mul(&slopes)
}

/// A sample of one of the classes along `dim` by their `logits`, relaxed so that gradients pass (Jang et al. 2016):
/// the softmax of (logits + Gumbel noise) / `tau`; with `hard` its greatest element as 1 among zeros, whose gradient is
/// that of the softmax. `torch.nn.functional.gumbel_softmax`.
///
/// ```
/// # use flambeau_nn::functional::gumbel_softmax;
/// # use flambeau_tensor::tensor;
/// let one = gumbel_softmax(&tensor!([[0.1, 2.0, -1.0]]), 0.5, true, -1)?;
/// assert!((one.sum(..)?.item::<f32>()? - 1.0).abs() < 1e-6);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where `tau` is not positive, the dtype is not floating point, or there is no dimension `dim`.
#[track_caller]
pub fn gumbel_softmax(logits: impl AsRef<Tensor>, tau: f64, hard: bool, dim: isize) -> Result<Tensor> {
    let logits = logits.as_ref();
    ensure!(tau > 0.0, Argument, "gumbel_softmax", "tau = {tau} is not positive");
    let noise = no_grad(|| {
        // Row by row, however the logits lie.
        let drawn = Tensor::zeros(logits.shape()).dtype(logits.dtype()).device(logits.device()).build()?;
        drawn.exponential_(1.0)?.log()?.neg()
    })?;
    let soft = logits.add(&noise)?.div(tau)?.softmax(dim)?;
    if !hard {
        return Ok(soft);
    }
    let greatest = no_grad(|| soft.argmax_keepdim(dim))?;
    let one = soft.detach().zeros_like()?.scatter(dim, &greatest, 1.0)?;
    one.sub(soft.detach())?.add(&soft)
}
