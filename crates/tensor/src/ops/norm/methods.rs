//! The methods that normalise.

use super::*;
use crate::ops::Cast;
use crate::shape::IntoShape;
use crate::{dispatch::dispatch_all, dispatch_into, no_grad};

/// How many dimensions `shape` names, which must be the last ones of `x`.
#[track_caller]
fn trailing(op: &'static str, x: &Tensor, shape: impl IntoShape) -> Result<usize> {
    let shape = shape.into_shape(op)?;
    ensure!(!shape.is_empty(), Shape, op, "normalized_shape is empty; it must name at least one dimension");
    ensure!(
        x.shape().ends_with(&shape),
        Shape,
        op,
        "normalized_shape {:?} is not the end of the input's shape {:?}",
        &shape[..],
        x.shape()
    );
    Ok(shape.len())
}

crate::options! {
    /// Parameters and options of [`Tensor::batch_norm`] and [`Tensor::instance_norm`], with PyTorch's names and
    /// defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct BatchNormOptions<'a> {
        /// The running mean of each channel; none.
        running_mean: ~into Option<&'a Tensor> = None,
        /// The running variance of each channel; none.
        running_var: ~into Option<&'a Tensor> = None,
        /// Factors of the channels; none.
        weight: ~into Option<&'a Tensor> = None,
        /// Summands of the channels; none.
        bias: ~into Option<&'a Tensor> = None,
        /// Take the input's own mean and variance, and move the running ones towards them? No.
        training: bool = false,
        /// How far the running statistics move; 0.1.
        momentum: f64 = 0.1,
        /// What is added to the variance; 1e-5.
        eps: f64 = 1e-5,
    }
}

impl Tensor {
    /// Mean 0 and variance 1 over the last dimensions, whose shape is `normalized_shape`, then times
    /// `weight`, plus `bias`, both of that shape: `nn.functional.layer_norm` (there eps = 1e-5 by default).
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let y = tensor!([[1.0, 3.0], [5.0, 5.0]]).layer_norm(2, None, None, 0.0)?;
    /// assert_eq!(y.i(0)?.to_vec::<f32>()?, [-1.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the shapes do not fit, or the dtype is not floating point.
    #[track_caller]
    pub fn layer_norm(
        &self,
        normalized_shape: impl IntoShape,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let dims = trailing("layer_norm", self, normalized_shape)?;
        let op = LayerNorm { dims, eps, weight: weight.is_some(), bias: bias.is_some() };
        first(dispatch_all(op.into(), &there([Some(self), weight, bias]))?)
    }

    /// Mean square 1 over the last dimensions, whose shape is `normalized_shape`, then times `weight` of that
    /// shape (Zhang and Sennrich, arXiv:1910.07467): `nn.functional.rms_norm`. Without `eps`, that of the dtype
    /// it is computed in: half precision takes that of `float32`.
    ///
    /// # Errors
    /// As [`layer_norm`](Tensor::layer_norm).
    #[track_caller]
    pub fn rms_norm(
        &self,
        normalized_shape: impl IntoShape,
        weight: Option<&Tensor>,
        eps: Option<f64>,
    ) -> Result<Tensor> {
        let dims = trailing("rms_norm", self, normalized_shape)?;
        let double = self.dtype().to_real() == DType::F64;
        let eps = eps.unwrap_or(if double { f64::EPSILON } else { f32::EPSILON as f64 });
        let op = RmsNorm { dims, eps, weight: weight.is_some() };
        let inputs = there([Some(self), weight]);
        // The squares are those of complex numbers, not of magnitudes. Asked for there alone, for it is computed at once.
        let apart = if self.dtype().is_complex() { op.decompose(&inputs) } else { None };
        match apart {
            Some(outputs) => first(outputs?),
            None => first(dispatch_all(op.into(), &inputs)?),
        }
    }

    /// Mean 0 and variance 1 for each channel (dimension 1), then times `weight`, plus `bias`:
    /// `nn.functional.batch_norm`. In `training`, mean and
    /// variance are those of the input, and the running ones, where given, move towards them by `momentum`
    /// in place (the variance as the unbiased one); else the running ones are used.
    ///
    /// ```
    /// # use flambeau_tensor::{BatchNormOptions, tensor};
    /// let x = tensor!([[1.0, 10.0], [3.0, 30.0]]); // two samples of two channels
    /// let y = x.batch_norm(BatchNormOptions::new().training(true).eps(0.0))?;
    /// assert!(y.allclose(&tensor!([[-1.0, -1.0], [1.0, 1.0]]))?);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where shapes do not fit, where training has but one value for each channel, and where running
    /// statistics are missing without training.
    #[track_caller]
    pub fn batch_norm(&self, options: BatchNormOptions<'_>) -> Result<Tensor> {
        let BatchNormOptions { running_mean, running_var, weight, bias, training, momentum, eps } = options;
        const OP: &str = "batch_norm";
        if self.numel() == 0 {
            return empty(self, weight, bias);
        }
        ensure!(
            self.rank() >= 2,
            Shape,
            OP,
            "shape {:?} has no channels; [samples, channels, …] is expected",
            self.shape()
        );
        let op = BatchNorm { training, eps, weight: weight.is_some(), bias: bias.is_some() };
        if !training {
            ensure!(
                running_mean.is_some() && running_var.is_some(),
                Argument,
                OP,
                "without training, running_mean and running_var must be given"
            );
            return first(dispatch_all(op.into(), &there([Some(self), running_mean, running_var, weight, bias]))?);
        }
        let channels = &self.shape()[1..2];
        let n = self.numel() / channels[0];
        ensure!(
            n > 1,
            Argument,
            OP,
            "training needs more than one value for each channel, shape {:?} has one",
            self.shape()
        );
        check_parameters(OP, self, channels, &there([running_mean, running_var]))?;
        let outputs = dispatch_all(op.into(), &there([Some(self), weight, bias]))?;
        follow([running_mean, running_var], &outputs, (n, momentum))?;
        first(outputs)
    }

    /// Mean 0 and variance 1 for each sample and each of `groups` groups of channels, then times the channel's
    /// `weight`, plus its `bias` (Wu and He, arXiv:1803.08494): `nn.functional.group_norm` (there eps = 1e-5 by
    /// default).
    ///
    /// # Errors
    /// Where shapes do not fit, or the channels do not divide into `groups`.
    #[track_caller]
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let op = GroupNorm { groups, eps, weight: weight.is_some(), bias: bias.is_some() };
        first(dispatch_all(op.into(), &there([Some(self), weight, bias]))?)
    }

    /// [`batch_norm`](Tensor::batch_norm) of each sample by itself (Ulyanov et al., arXiv:1607.08022):
    /// `nn.functional.instance_norm`. `training` is its `use_input_stats`; the running statistics move towards the
    /// mean over the samples.
    ///
    /// # Errors
    /// As [`batch_norm`](Tensor::batch_norm).
    #[track_caller]
    pub fn instance_norm(&self, options: BatchNormOptions<'_>) -> Result<Tensor> {
        let BatchNormOptions { running_mean, running_var, weight, bias, training: use_input_stats, momentum, eps } =
            options;
        const OP: &str = "instance_norm";
        ensure!(self.rank() >= 3, Shape, OP, "shape {:?} is not [samples, channels, length, …]", self.shape());
        if !use_input_stats {
            return self.batch_norm(options);
        }
        let (channels, n) = (self.shape()[1], numel(&self.shape()[2..]));
        ensure!(
            n > 1,
            Argument,
            OP,
            "training needs more than one value for each channel, shape {:?} has one",
            self.shape()
        );
        check_parameters(OP, self, &[channels], &there([running_mean, running_var]))?;
        let outputs = if self.dtype().is_half() {
            // As PyTorch: batch norm of each sample's channels, which rounds their statistics.
            let samples = self.shape()[0];
            let each = |p: Option<&Tensor>| p.map(|p| p.repeat([samples])).transpose();
            let (weight, bias) = (each(weight)?, each(bias)?);
            let op = BatchNorm { training: true, eps, weight: weight.is_some(), bias: bias.is_some() };
            let flat = self.reshape([1, samples * channels, n])?;
            let outputs = dispatch_all(op.into(), &there([Some(&flat), weight.as_ref(), bias.as_ref()]))?;
            let shapes = [self.shape(), &[samples, channels], &[samples, channels]];
            outputs.iter().zip(shapes).map(|(x, shape)| x.reshape(shape)).collect::<Result<Outputs>>()?
        } else {
            let op = GroupNorm { groups: channels.max(1), eps, weight: weight.is_some(), bias: bias.is_some() };
            dispatch_all(op.into(), &there([Some(self), weight, bias]))?
        };
        follow([running_mean, running_var], &outputs, (n, momentum))?;
        first(outputs)
    }
}

/// Moves running mean and variance in place by `momentum`, towards those of a batch of `n` numbers a channel,
/// `[channels]`, or towards the mean over those of its samples, `[samples, channels]`.
fn follow(running: [Option<&Tensor>; 2], outputs: &Outputs, (n, momentum): (usize, f64)) -> Result<()> {
    let over_samples = |t: &Tensor| {
        if t.rank() > 1 { mean(t, &DimList::from_slice(&[0]))?.squeeze(0) } else { Ok(t.clone()) }
    };
    let unbiased = n as f64 / (n - 1) as f64;
    no_grad(|| {
        let mut moved: SmallVec<[(&Tensor, Tensor); 2]> = SmallVec::new();
        for (i, factor) in [(0, 1.0), (1, unbiased)] {
            let Some(running) = running[i] else { continue };
            let Some(now) = outputs.get(1 + i) else {
                bail!(Argument, "batch_norm", "an interpreter answered without mean and variance")
            };
            let next = if running.dtype().is_half() {
                // As PyTorch, which rounds those of each sample.
                let each = moved_half(running, &now.mul(factor)?, momentum, i == 1)?;
                over_samples(&each.to_dtype(DType::F32)?)?
            } else {
                let now = over_samples(now)?.mul(momentum * factor)?;
                running.mul(1.0 - momentum)?.add(&now.to_dtype(running.dtype())?)?
            };
            moved.push((running, next));
        }
        // Both are known, and known to fit, before either is written.
        for (running, next) in &moved {
            let fits = next.device() == running.device() && next.dtype().can_cast(running.dtype());
            ensure!(fits, Argument, "batch_norm", "an interpreter answered with statistics of another kind");
        }
        moved.iter().try_for_each(|(running, next)| {
            dispatch_into("copy_", Cast { dtype: running.dtype(), rows: false }, &[next], running)
        })
    })
}

/// Running statistics of half precision moved towards `now`, with PyTorch's roundings: once for `f16`, of the factors and
/// of each product for `bf16`, but not of a variance's.
fn moved_half(running: &Tensor, now: &Tensor, momentum: f64, variance: bool) -> Result<Tensor> {
    let dtype = running.dtype();
    if dtype == DType::F16 {
        let left = running.to_dtype(DType::F32)?.mul(1.0 - momentum)?;
        return now.to_dtype(DType::F32)?.mul(momentum)?.add(&left)?.to_dtype(dtype);
    }
    let kept = |factor: f64| half::bf16::from_f64(factor).to_f64();
    let (left, now) = (running.mul(kept(1.0 - momentum))?, now.to_dtype(dtype)?);
    if !variance {
        return left.add(&now.mul(kept(momentum))?);
    }
    left.to_dtype(DType::F32)?.add(&now.to_dtype(DType::F32)?.mul(kept(momentum))?)?.to_dtype(dtype)
}

/// Batch norm of nothing, which still depends on its parameters.
#[track_caller]
fn empty(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    let one = |p: Option<&Tensor>| p.filter(|p| p.numel() > 0).map(|p| p.flatten(0, -1)?.select(0, 0)).transpose();
    affine(x.copy()?, one(weight)?, one(bias)?)
}
