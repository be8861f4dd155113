//! Initial values, as `torch.nn.init`: each function fills a tensor and returns it, records no gradient,
//! and draws from the generator in PyTorch's order, so that a seed gives PyTorch's values.

use flambeau_tensor::{Result, Tensor, bail, ensure, no_grad};
use std::cell::Cell;

/// Which side of a weight keeps its variance: the mode of [`kaiming_uniform_`] and [`kaiming_normal_`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fan {
    /// the forward pass: the number of inputs of one output
    #[default]
    In,
    /// the backward pass: the number of outputs of one input
    Out,
}

/// The function after a layer, which decides the [gain](calculate_gain) of its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Nonlinearity {
    /// none (a linear layer, a convolution)
    Linear,
    /// the logistic function
    Sigmoid,
    /// the hyperbolic tangent
    Tanh,
    /// max(0, x)
    Relu,
    /// x, or the slope times x below zero
    LeakyRelu(f64),
    /// the scaled exponential unit
    Selu,
}

/// PyTorch's default: a leaky relu of slope 0.
impl Default for Nonlinearity {
    fn default() -> Self {
        Nonlinearity::LeakyRelu(0.0)
    }
}

/// The factor of the standard deviation that makes up for a nonlinearity.
pub fn calculate_gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 5.0 / 3.0,
        Nonlinearity::Relu => 2f64.sqrt(),
        Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Nonlinearity::Selu => 0.75,
    }
}

/// The number of inputs of one output and of outputs of one input of the weight `tensor`, whose first
/// two dimensions are outputs and inputs and the others a kernel.
///
/// # Errors
/// Where it has fewer than two dimensions.
#[track_caller]
pub fn calculate_fan_in_and_fan_out(tensor: &Tensor) -> Result<(usize, usize)> {
    match tensor.shape() {
        [outputs, inputs, kernel @ ..] => {
            // A tensor without elements may name sizes whose product nobody can count.
            let by_kernel = |n: usize| kernel.iter().fold(n, |product, size| product.saturating_mul(*size));
            Ok((by_kernel(*inputs), by_kernel(*outputs)))
        }
        shape => bail!(
            Shape,
            "init",
            "a tensor of shape {shape:?} has no inputs and outputs to count: it needs two dimensions or more"
        ),
    }
}

thread_local! {
    /// Functions that draw first values are to leave them out.
    static SKIP: Cell<bool> = const { Cell::new(false) };
}

fn skipped() -> bool {
    SKIP.get()
}

/// Makes a module without drawing its first values, which it is about to get from elsewhere: `torch.nn.utils.skip_init`.
/// While `make` runs, this thread's functions of `init` that draw do nothing; parameters that they would fill are zero.
///
/// ```
/// use flambeau_nn::{Linear, utils::skip_init};
///
/// let layer = skip_init(|| Linear::new(100, 100).build())?;
/// assert_eq!(layer.weight.to_vec::<f32>()?[0], 0.0);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Those of `make`.
pub fn skip_init<M>(make: impl FnOnce() -> Result<M>) -> Result<M> {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            SKIP.set(self.0);
        }
    }
    let _back = Back(SKIP.replace(true));
    make()
}

/// Evenly distributed in `from..to`.
///
/// # Errors
/// Where `from > to`, or the tensor is not floating.
#[track_caller]
pub fn uniform_(tensor: &Tensor, from: f64, to: f64) -> Result<&Tensor> {
    if skipped() {
        return Ok(tensor);
    }
    no_grad(|| tensor.uniform_(from, to))
}

/// Normally distributed.
///
/// # Errors
/// Where `std` is negative, or the tensor is not floating.
#[track_caller]
pub fn normal_(tensor: &Tensor, mean: f64, std: f64) -> Result<&Tensor> {
    if skipped() {
        return Ok(tensor);
    }
    no_grad(|| tensor.normal_(mean, std))
}

/// `value` everywhere.
///
/// # Errors
/// Where the dtype does not take it.
#[track_caller]
pub fn constant_(tensor: &Tensor, value: f64) -> Result<&Tensor> {
    no_grad(|| tensor.fill_(value))
}

/// One everywhere.
///
/// # Errors
/// Where the tensor cannot be written.
#[track_caller]
pub fn ones_(tensor: &Tensor) -> Result<&Tensor> {
    no_grad(|| tensor.fill_(true))
}

/// Zero everywhere.
///
/// # Errors
/// Where the tensor cannot be written.
#[track_caller]
pub fn zeros_(tensor: &Tensor) -> Result<&Tensor> {
    no_grad(|| tensor.fill_(false))
}

/// The identity: one on the diagonal of a matrix, else zero.
///
/// # Errors
/// Where it is no matrix.
#[track_caller]
pub fn eye_(tensor: &Tensor) -> Result<&Tensor> {
    ensure!(tensor.rank() == 2, Shape, "eye_", "shape {:?} is no matrix", tensor.shape());
    no_grad(|| {
        tensor.fill_(false)?;
        tensor.diagonal(0, 0, 1)?.fill_(true)?;
        Ok(tensor)
    })
}

/// A convolution's weight that passes its inputs on: one in the middle of the kernel between an output
/// and the input of the same number, in each group.
///
/// # Errors
/// Where the tensor has not 3 to 5 dimensions or its outputs do not split into `groups`.
#[track_caller]
pub fn dirac_(tensor: &Tensor, groups: usize) -> Result<&Tensor> {
    let shape = tensor.shape();
    ensure!(
        (3..=5).contains(&shape.len()),
        Shape,
        "dirac_",
        "shape {shape:?} is no weight of a convolution: it has 3 to 5 dimensions"
    );
    ensure!(
        groups > 0 && shape[0].is_multiple_of(groups),
        Argument,
        "dirac_",
        "{} outputs do not split into {groups} groups",
        shape[0]
    );
    let outputs = shape[0] / groups;
    no_grad(|| {
        tensor.fill_(false)?;
        for group in 0..if tensor.numel() == 0 { 0 } else { groups } {
            for channel in 0..outputs.min(shape[1]) {
                let mut middle = tensor.select(0, (group * outputs + channel) as isize)?.select(0, channel as isize)?;
                for size in &shape[2..] {
                    middle = middle.select(0, (size / 2) as isize)?;
                }
                middle.fill_(true)?;
            }
        }
        Ok(tensor)
    })
}

/// Normally distributed, in each column so large a part of zeros as `sparsity` says, at random (Martens 2010).
///
/// # Errors
/// Where it is no matrix, `sparsity` is not between 0 and 1, or `std` is negative.
#[track_caller]
pub fn sparse_(tensor: &Tensor, sparsity: f64, std: f64) -> Result<&Tensor> {
    ensure!(tensor.rank() == 2, Shape, "sparse_", "shape {:?} is no matrix", tensor.shape());
    ensure!((0.0..=1.0).contains(&sparsity), Argument, "sparse_", "sparsity = {sparsity} is not between 0 and 1");
    let (rows, columns) = (tensor.shape()[0], tensor.shape()[1]);
    let zeros = (sparsity * rows as f64).ceil() as usize;
    normal_(tensor, 0.0, std)?;
    if skipped() || !tensor.device().has_data() || zeros == 0 {
        return Ok(tensor);
    }
    no_grad(|| {
        for column in 0..columns {
            let gone = Tensor::randperm(rows).build()?.narrow(0, 0, zeros)?.to_device(tensor.device())?;
            let none = Tensor::zeros(zeros).dtype(tensor.dtype()).device(tensor.device()).build()?;
            tensor.select(1, column as isize)?.index_put_(&[Some(&gone)], &none, false)?;
        }
        Ok(tensor)
    })
}

/// Evenly distributed so that forward and backward keep their variance (Glorot and Bengio 2010).
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn xavier_uniform_(tensor: &Tensor, gain: f64) -> Result<&Tensor> {
    let bound = 3f64.sqrt() * xavier_std(tensor, gain)?;
    uniform_(tensor, -bound, bound)
}

/// Normally distributed so that forward and backward keep their variance (Glorot and Bengio 2010).
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn xavier_normal_(tensor: &Tensor, gain: f64) -> Result<&Tensor> {
    normal_(tensor, 0.0, xavier_std(tensor, gain)?)
}

#[track_caller]
fn xavier_std(tensor: &Tensor, gain: f64) -> Result<f64> {
    let (fan_in, fan_out) = calculate_fan_in_and_fan_out(tensor)?;
    let both = fan_in as f64 + fan_out as f64;
    Ok(if both == 0.0 { 0.0 } else { gain * (2.0 / both).sqrt() })
}

/// Evenly distributed so that the variance survives `nonlinearity` on the side `fan` (He et al. 2015).
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn kaiming_uniform_(tensor: &Tensor, fan: Fan, nonlinearity: Nonlinearity) -> Result<&Tensor> {
    let Some(std) = kaiming_std(tensor, fan, nonlinearity)? else { return Ok(tensor) };
    let bound = 3f64.sqrt() * std;
    uniform_(tensor, -bound, bound)
}

/// Normally distributed so that the variance survives `nonlinearity` on the side `fan` (He et al. 2015).
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn kaiming_normal_(tensor: &Tensor, fan: Fan, nonlinearity: Nonlinearity) -> Result<&Tensor> {
    match kaiming_std(tensor, fan, nonlinearity)? {
        Some(std) => normal_(tensor, 0.0, std),
        None => Ok(tensor),
    }
}

/// The standard deviation; none for a tensor without elements, which draws nothing.
#[track_caller]
fn kaiming_std(tensor: &Tensor, fan: Fan, nonlinearity: Nonlinearity) -> Result<Option<f64>> {
    let (fan_in, fan_out) = calculate_fan_in_and_fan_out(tensor)?;
    let fan = match fan {
        Fan::In => fan_in,
        Fan::Out => fan_out,
    };
    Ok((tensor.numel() > 0).then(|| calculate_gain(nonlinearity) / (fan as f64).sqrt()))
}

/// What PyTorch gives linear and convolution layers: the weight evenly in ±1/√fan_in, the bias likewise.
///
/// # Errors
/// Where the weight has fewer than two dimensions.
#[track_caller]
pub(crate) fn linear_defaults(weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
    kaiming_uniform_(weight, Fan::In, Nonlinearity::LeakyRelu(5f64.sqrt()))?;
    if let Some(bias) = bias {
        let (fan_in, _) = calculate_fan_in_and_fan_out(weight)?;
        let bound = if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 };
        uniform_(bias, -bound, bound)?;
    }
    Ok(())
}

/// Normally distributed, what falls outside of `a..=b` drawn again.
///
/// Where most of the distribution lies inside, all elements are drawn and those outside again until none
/// is; otherwise candidates are drawn evenly and accepted by their density. Both draw whole tensors, as
/// PyTorch does.
///
/// # Errors
/// Where `std` is not positive or `a > b`.
#[track_caller]
pub fn trunc_normal_(tensor: &Tensor, mean: f64, std: f64, a: f64, b: f64) -> Result<&Tensor> {
    ensure!(
        std > 0.0 && a <= b,
        Argument,
        "trunc_normal_",
        "no normal distribution of standard deviation {std} lies in {a}..={b}"
    );
    if skipped() || !tensor.device().has_data() {
        return Ok(tensor);
    }
    let below = |x: f64| normal_cdf((x - mean) / std);
    no_grad(|| {
        let result = if below(b) - below(a) > 0.3 {
            draw_until_inside(tensor, mean, std, a, b)?
        } else {
            draw_by_density(tensor, mean, std, a, b)?
        };
        tensor.copy_(&result)
    })
}

fn draw_until_inside(like: &Tensor, mean: f64, std: f64, a: f64, b: f64) -> Result<Tensor> {
    let mut result = like.zeros_like()?;
    result.normal_(mean, std)?;
    loop {
        let outside = result.lt(a)?.bitwise_or(&result.gt(b)?)?;
        if !some(&outside)? {
            return Ok(result);
        }
        let fresh = result.zeros_like()?;
        fresh.normal_(mean, std)?;
        result = fresh.where_cond(&outside, &result)?;
    }
}

fn draw_by_density(like: &Tensor, mean: f64, std: f64, a: f64, b: f64) -> Result<Tensor> {
    let mode = mean.clamp(a, b);
    let log_peak = -0.5 * ((mode - mean) / std).powi(2);
    let mut result = like.zeros_like()?;
    let mut pending: Option<Tensor> = None;
    loop {
        let candidates = like.zeros_like()?;
        candidates.uniform_(a, b)?;
        result = match &pending {
            Some(pending) => candidates.where_cond(pending, &result)?,
            None => candidates.clone(),
        };
        let log_density = candidates.sub(mean)?.div(std)?.square()?.mul(-0.5)?.sub(log_peak)?;
        let accept = like.zeros_like()?;
        accept.uniform_(0.0, 1.0)?;
        let refused = accept.log()?.gt(&log_density)?;
        let still = match &pending {
            Some(pending) => pending.bitwise_and(&refused)?,
            None => refused,
        };
        if !some(&still)? {
            return Ok(result);
        }
        pending = Some(still);
    }
}

/// True where a mask has a true element.
fn some(mask: &Tensor) -> Result<bool> {
    Ok(mask.to_vec::<bool>()?.contains(&true))
}

/// The standard normal distribution function, through the tail's continued fraction or the series:
/// accurate to 1e-12, for a decision at 0.3 only.
fn normal_cdf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    // Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …)
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// A matrix of orthonormal rows or columns (whichever are fewer) times `gain`, distributed evenly over
/// all such (Saxe et al. 2013); the dimensions after the first count as one.
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn orthogonal_(tensor: &Tensor, gain: f64) -> Result<&Tensor> {
    ensure!(
        tensor.rank() >= 2,
        Shape,
        "orthogonal_",
        "shape {:?} is no matrix: two dimensions or more are needed",
        tensor.shape()
    );
    if skipped() || tensor.numel() == 0 || !tensor.device().has_data() {
        return Ok(tensor);
    }
    let rows = tensor.shape()[0];
    let cols = tensor.numel() / rows;
    no_grad(|| {
        let drawn = Tensor::zeros([rows, cols]).dtype(tensor.dtype()).device(tensor.device()).build()?;
        drawn.normal_(0.0, 1.0)?;
        let tall = if rows < cols { drawn.clone() } else { drawn.t()? };
        // Row i of `tall` is column i of the matrix to be made orthogonal.
        let (n, m) = (rows.min(cols), rows.max(cols));
        let mut columns = host(&tall)?;
        orthonormalise(&mut columns, m, n);
        let q = Tensor::from_vec(columns, [n, m])?;
        let q = if rows < cols { q } else { q.t()? };
        tensor.copy_(&q.reshape(tensor.shape())?)?;
        tensor.mul_(gain)
    })
}

/// The `n` columns of a matrix `[m, n]`, m ≥ n, made orthonormal, each in the half space of the old one.
#[track_caller]
pub(crate) fn orthonormal_columns(matrix: &Tensor) -> Result<Tensor> {
    let [m, n] = matrix.dims()?;
    let mut columns = host(&matrix.t()?)?;
    orthonormalise(&mut columns, m, n);
    Tensor::from_vec(columns, [n, m])?.t()?.to_dtype(matrix.dtype())?.to_device(matrix.device())
}

/// The Householder reflections of the QR decomposition of a matrix `[m, n]`, m ≥ n: their vectors below the diagonal, on
/// it the signs that make Q of the reflections the one whose R has a positive diagonal.
#[track_caller]
pub(crate) fn reflectors(matrix: &Tensor) -> Result<Tensor> {
    let [m, n] = matrix.dims()?;
    let mut a = host(&matrix.t()?)?;
    for k in 0..n {
        let (done, rest) = a.split_at_mut((k + 1) * m);
        let column = &mut done[k * m + k..];
        let tail = column[1..].iter().map(|x| x * x).sum::<f64>();
        if tail == 0.0 {
            // R keeps the element; a vector of zeros is here a reflection all the same, which the sign takes back.
            column[0] = if column[0] < 0.0 { 1.0 } else { -1.0 };
            continue;
        }
        let head = column[0];
        let norm = -(head * head + tail).sqrt().copysign(head);
        let tau = (norm - head) / norm;
        column[1..].iter_mut().for_each(|x| *x /= head - norm);
        column[0] = norm.signum();
        for other in rest.chunks_exact_mut(m) {
            let other = &mut other[k..];
            let along = other[0] + column[1..].iter().zip(&other[1..]).map(|(v, x)| v * x).sum::<f64>();
            other[0] -= tau * along;
            other[1..].iter_mut().zip(&column[1..]).for_each(|(x, v)| *x -= tau * along * v);
        }
    }
    Tensor::from_vec(a, [n, m])?.t()?.contiguous()?.to_dtype(matrix.dtype())?.to_device(matrix.device())
}

/// The elements in `f64`, row by row.
fn host(t: &Tensor) -> Result<Vec<f64>> {
    t.detach().to_dtype(flambeau_tensor::DType::F64)?.contiguous()?.to_vec::<f64>()
}

/// Replaces the `n` columns of length `m ≥ n`, one after another in `a`, by Q of their QR decomposition
/// whose R has a positive diagonal. Householder reflections, in `f64`.
fn orthonormalise(a: &mut [f64], m: usize, n: usize) {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let reflect = |v: &[f64], column: &mut [f64]| {
        let factor = 2.0 * dot(v, column);
        column.iter_mut().zip(v).for_each(|(c, v)| *c -= factor * v);
    };
    // Column k's reflection v (of unit length, on the elements from k on) takes the place of column k.
    let mut signs = vec![1.0; n];
    for k in 0..n {
        let (done, rest) = a.split_at_mut((k + 1) * m);
        let v = &mut done[k * m + k..];
        let norm = dot(v, v).sqrt();
        // Away from zero, so that nothing cancels; R's diagonal element is then -sign · norm.
        let sign = if v[0] < 0.0 { -1.0 } else { 1.0 };
        v[0] += sign * norm;
        signs[k] = -sign;
        let length = dot(v, v).sqrt();
        if length > 0.0 {
            v.iter_mut().for_each(|v| *v /= length);
        }
        rest.chunks_exact_mut(m).for_each(|column| reflect(v, &mut column[k..]));
    }
    // Q's column j = H₀ H₁ … H_j e_j (later reflections leave e_j alone).
    let reflections = a.to_vec();
    for (j, column) in a.chunks_exact_mut(m).enumerate() {
        column.fill(0.0);
        column[j] = signs[j];
        for k in (0..=j).rev() {
            reflect(&reflections[k * m + k..(k + 1) * m], &mut column[k..]);
        }
    }
}

#[cfg(test)]
mod tests;
