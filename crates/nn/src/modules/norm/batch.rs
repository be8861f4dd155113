//! Layers that normalise each channel: over the batch, or each sample by itself.

use crate::print::{py_bool, py_float, py_option};
use crate::{Buffer, Forward, Layer, Mode, Module, Parameter, Sequential};
use flambeau_tensor::{BatchNormOptions, DType, Device, Result, Tensor, builder, ensure, no_grad};

/// What the builders of this family gather.
struct Options {
    num_features: usize,
    affine: bool,
    bias: bool,
    track_running_stats: bool,
    dtype: DType,
    device: Device,
}

/// The tensors of a layer of this family.
struct Parts {
    weight: Option<Parameter>,
    bias: Option<Parameter>,
    running_mean: Option<Buffer>,
    running_var: Option<Buffer>,
    num_batches_tracked: Option<Buffer>,
}

impl Options {
    #[track_caller]
    fn parts(&self) -> Result<Parts> {
        let Options { num_features: n, dtype, device, .. } = *self;
        let parameter =
            |on: bool, value: f64| on.then(|| super::super::parameter_of(value, n, dtype, device)).transpose();
        let buffer = |value: f64| {
            let tensor = || Tensor::full(n, value).dtype(dtype).device(device).build();
            self.track_running_stats.then(|| tensor().map(Buffer::new)).transpose()
        };
        let count = || Tensor::zeros(()).dtype(DType::I64).device(device).build();
        Ok(Parts {
            weight: parameter(self.affine, 1.0)?,
            bias: parameter(self.affine && self.bias, 0.0)?,
            running_mean: buffer(0.0)?,
            running_var: buffer(1.0)?,
            num_batches_tracked: self.track_running_stats.then(|| count().map(Buffer::optional)).transpose()?,
        })
    }
}

macro_rules! normalisations {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident, $function:ident, affine: $affine:literal, track: $track:literal, ranks: $ranks:pat, $shapes:literal, unbatched: $unbatched:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            /// γ, `[num_features]`.
            pub weight: Option<Parameter>,
            /// β, `[num_features]`.
            pub bias: Option<Parameter>,
            /// The mean that evaluation uses, `[num_features]`.
            pub running_mean: Option<Buffer>,
            /// The (unbiased) variance that evaluation uses, `[num_features]`.
            pub running_var: Option<Buffer>,
            /// How many batches the two have seen, `int64`.
            pub num_batches_tracked: Option<Buffer>,
            num_features: usize,
            eps: f64,
            momentum: Option<f64>,
            mode: Mode,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                num_features: usize,
            }
            options {
                /// Added to the variance, 1e-5 unless set.
                eps: f64 = 1e-5,
                /// How far running statistics move towards those of a batch, 0.1 unless set; `None` makes them
                /// the average over all batches.
                momentum: ~into Option<f64> = Some(0.1),
                #[doc = concat!("With γ and β; ", stringify!($affine), " unless set.")]
                affine: bool = $affine,
                #[doc = concat!("With running statistics; ", stringify!($track), " unless set. Without them, evaluation uses the input's own.")]
                track_running_stats: bool = $track,
                /// With β, where affine (the default).
                bias: bool = true,
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let $Builder { num_features, eps, momentum, affine, track_running_stats, bias, dtype, device } = b;
                let Parts { weight, bias, running_mean, running_var, num_batches_tracked } =
                    Options { num_features, affine, bias, track_running_stats, dtype, device }.parts()?;
                let mode = Mode::new();
                Ok($Name { weight, bias, running_mean, running_var, num_batches_tracked, num_features, eps, momentum, mode })
            }

            /// Forgets what the running statistics have seen.
            ///
            /// # Errors
            /// Where they cannot be written.
            #[track_caller]
            pub fn reset_running_stats(&self) -> Result<()> {
                no_grad(|| {
                    for (buffer, value) in [(&self.running_mean, 0), (&self.running_var, 1), (&self.num_batches_tracked, 0)] {
                        if let Some(buffer) = buffer {
                            buffer.fill_(value)?;
                        }
                    }
                    Ok(())
                })
            }

            /// The number of channels; of a lazy layer that has not been called it is 0.
            pub fn num_features(&self) -> usize {
                let tensor = self.weight.as_deref().or(self.running_mean.as_deref());
                tensor.map_or(self.num_features, Tensor::numel)
            }

            /// What is added to the variance.
            pub fn eps(&self) -> f64 {
                self.eps
            }

            /// How far running statistics move towards those of a batch; none where they are the average over all.
            pub fn momentum(&self) -> Option<f64> {
                self.momentum
            }

            fn describe(&self) -> String {
                format!(
                    "{}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
                    self.num_features(),
                    py_float(self.eps),
                    py_option(self.momentum),
                    py_bool(self.weight.is_some()),
                    py_bool(self.bias.is_some()),
                    py_bool(self.running_mean.is_some()),
                )
            }

            /// Counts a batch in training, and says how far the running statistics move.
            #[track_caller]
            fn count_batch(&self) -> Result<f64> {
                let (true, Some(count)) = (self.mode.is_training(), &self.num_batches_tracked) else {
                    return Ok(self.momentum.unwrap_or(0.0));
                };
                no_grad(|| count.add_(1).map(drop))?;
                match self.momentum {
                    Some(momentum) => Ok(momentum),
                    None if count.device().has_data() => Ok(1.0 / count.item::<f64>()?),
                    None => Ok(0.0),
                }
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let name = stringify!($Name);
                ensure!(matches!(x.rank(), $ranks), Shape, name, "shape {:?} is not {}", x.shape(), $shapes);
                let alone = x.rank() == $unbatched;
                let batch = if alone { x.unsqueeze(0)? } else { x.clone() };
                let channels = batch.shape()[1];
                let features = self.num_features();
                ensure!(channels == features, Shape, name, "shape {:?} has {channels} channels, {features} are normalised", x.shape());
                let training = self.mode.is_training();
                let momentum = if stringify!($function) == "batch_norm" { self.count_batch()? } else { self.momentum.unwrap_or(0.0) };
                let out = batch.$function(BatchNormOptions {
                    running_mean: self.running_mean.as_deref(),
                    running_var: self.running_var.as_deref(),
                    weight: self.weight.as_deref(),
                    bias: self.bias.as_deref(),
                    training: training || self.running_mean.is_none(),
                    momentum,
                    eps: self.eps,
                })?;
                if alone { out.squeeze(0) } else { Ok(out) }
            }
        }
    )*};
}

normalisations! {
    /// Mean 0 and variance 1 for each channel over a batch `[N, C]` or `[N, C, L]`, then γ x + β, as
    /// `torch.nn.BatchNorm1d` (Ioffe and Szegedy 2015). In training with the batch's statistics, in
    /// evaluation with the running ones.
    BatchNorm1d, BatchNorm1dBuilder, batch_norm, affine: true, track: true, ranks: 2 | 3, "[N, C] or [N, C, L]", unbatched: 0;
    /// Mean 0 and variance 1 for each channel over a batch `[N, C, H, W]`, then γ x + β, as
    /// `torch.nn.BatchNorm2d` (Ioffe and Szegedy 2015). In training with the batch's statistics, in
    /// evaluation with the running ones.
    ///
    /// ```
    /// use flambeau_nn::{BatchNorm2d, Call, Module};
    /// use flambeau_tensor::Tensor;
    ///
    /// let norm = BatchNorm2d::new(3).build()?;
    /// let x = Tensor::randn([4, 3, 8, 8]).build()?;
    /// norm.call(&x)?;
    /// norm.eval();
    /// assert_eq!(norm.call(&x)?.shape(), [4, 3, 8, 8]);
    /// assert_eq!(norm.num_batches_tracked.as_ref().unwrap().item::<i64>()?, 1);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    BatchNorm2d, BatchNorm2dBuilder, batch_norm, affine: true, track: true, ranks: 4, "[N, C, H, W]", unbatched: 0;
    /// Mean 0 and variance 1 for each channel over a batch `[N, C, D, H, W]`, then γ x + β, as
    /// `torch.nn.BatchNorm3d`.
    BatchNorm3d, BatchNorm3dBuilder, batch_norm, affine: true, track: true, ranks: 5, "[N, C, D, H, W]", unbatched: 0;
    /// Batch norm whose statistics are those of all processes that train together, over `[N, C, …]` of any number of
    /// dimensions, as `torch.nn.SyncBatchNorm`. Where there is one process, as here, it does what [`BatchNorm2d`] does.
    SyncBatchNorm, SyncBatchNormBuilder, batch_norm, affine: true, track: true, ranks: 2.., "[N, C, …]", unbatched: 0;
    /// Mean 0 and variance 1 for each channel of each sample, `[N, C, L]` or `[C, L]`, as
    /// `torch.nn.InstanceNorm1d` (Ulyanov et al. 2016).
    InstanceNorm1d, InstanceNorm1dBuilder, instance_norm, affine: false, track: false, ranks: 2 | 3, "[N, C, L] or [C, L]", unbatched: 2;
    /// Mean 0 and variance 1 for each channel of each sample, `[N, C, H, W]` or `[C, H, W]`, as
    /// `torch.nn.InstanceNorm2d` (Ulyanov et al. 2016).
    InstanceNorm2d, InstanceNorm2dBuilder, instance_norm, affine: false, track: false, ranks: 3 | 4, "[N, C, H, W] or [C, H, W]", unbatched: 3;
    /// Mean 0 and variance 1 for each channel of each sample, `[N, C, D, H, W]` or `[C, D, H, W]`, as
    /// `torch.nn.InstanceNorm3d`.
    InstanceNorm3d, InstanceNorm3dBuilder, instance_norm, affine: false, track: false, ranks: 4 | 5, "[N, C, D, H, W] or [C, D, H, W]", unbatched: 4;
}

/// What lazy layers need of theirs.
macro_rules! fillable {
    ($($Name:ident, $Builder:ident;)*) => {$(
        impl $Name {
            /// One whose tensors, those that the options ask for, have no elements yet.
            #[track_caller]
            pub(in crate::modules) fn empty(b: $Builder) -> Result<Self> {
                let parameter = |on: bool| on.then(|| Parameter::uninitialized(b.dtype, b.device)).transpose();
                let buffer = || b.track_running_stats.then(|| Buffer::uninitialized(b.dtype, b.device)).transpose();
                let count = || Tensor::zeros(()).dtype(DType::I64).device(b.device).build();
                Ok($Name {
                    weight: parameter(b.affine)?,
                    bias: parameter(b.affine && b.bias)?,
                    running_mean: buffer()?,
                    running_var: buffer()?,
                    num_batches_tracked: b.track_running_stats.then(|| count().map(Buffer::optional)).transpose()?,
                    num_features: 0,
                    eps: b.eps,
                    momentum: b.momentum,
                    mode: Mode::new(),
                })
            }

            /// True while a tensor has no elements.
            pub(in crate::modules) fn is_empty(&self) -> bool {
                [&self.weight, &self.bias].into_iter().flatten().any(Parameter::is_uninitialized)
                    || [&self.running_mean, &self.running_var].into_iter().flatten().any(Buffer::is_uninitialized)
            }

            /// Gives tensors without elements those of so many channels.
            #[track_caller]
            pub(in crate::modules) fn fill(&self, features: usize) -> Result<()> {
                no_grad(|| {
                    for (parameter, value) in [(&self.weight, 1), (&self.bias, 0)] {
                        if let Some(parameter) = parameter.as_ref().filter(|p| p.is_uninitialized()) {
                            parameter.materialize(features)?;
                            parameter.fill_(value)?;
                        }
                    }
                    for (buffer, value) in [(&self.running_mean, 0), (&self.running_var, 1)] {
                        if let Some(buffer) = buffer.as_ref().filter(|b| b.is_uninitialized()) {
                            buffer.materialize(features)?;
                            buffer.fill_(value)?;
                        }
                    }
                    Ok(())
                })
            }
        }
    )*};
}

fillable! {
    BatchNorm1d, BatchNorm1dBuilder;
    BatchNorm2d, BatchNorm2dBuilder;
    BatchNorm3d, BatchNorm3dBuilder;
    InstanceNorm1d, InstanceNorm1dBuilder;
    InstanceNorm2d, InstanceNorm2dBuilder;
    InstanceNorm3d, InstanceNorm3dBuilder;
}

macro_rules! synchronized {
    ($($Norm:ident),*) => {
        $(
            /// The same layer under another kind: its parameters, buffers and hooks are the other one's.
            impl From<&$Norm> for SyncBatchNorm {
                fn from(norm: &$Norm) -> SyncBatchNorm {
                    SyncBatchNorm {
                        weight: norm.weight.clone(),
                        bias: norm.bias.clone(),
                        running_mean: norm.running_mean.clone(),
                        running_var: norm.running_var.clone(),
                        num_batches_tracked: norm.num_batches_tracked.clone(),
                        num_features: norm.num_features,
                        eps: norm.eps,
                        momentum: norm.momentum,
                        mode: norm.mode.rebuilt(norm.mode.place().same()),
                    }
                }
            }
        )*

        /// The layer as a synchronized one, if it normalises a batch.
        fn synchronized(layer: &dyn Layer) -> Option<SyncBatchNorm> {
            let module = layer.as_module();
            $(if let Some(norm) = module.downcast_ref::<$Norm>() {
                return Some(norm.into());
            })*
            None
        }
    };
}
synchronized!(BatchNorm1d, BatchNorm2d, BatchNorm3d);

impl SyncBatchNorm {
    /// Puts a [`SyncBatchNorm`] with the same tensors in the place of every batch norm of a chain and of the chains in it:
    /// `torch.nn.SyncBatchNorm.convert_sync_batchnorm`. (A field whose type is `BatchNorm2d` stays one; write
    /// `SyncBatchNorm::from(&norm)` where the struct is made.)
    ///
    /// ```
    /// use flambeau_nn::{BatchNorm2d, Conv2d, Sequential, SyncBatchNorm};
    ///
    /// let mut model = Sequential::of((Conv2d::new(3, 8, 3), BatchNorm2d::new(8)))?;
    /// SyncBatchNorm::convert_sync_batchnorm(&mut model);
    /// assert!(format!("{model:?}").contains("(1): SyncBatchNorm(8, eps=1e-05"));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn convert_sync_batchnorm(model: &mut Sequential) {
        for layer in model.layers_mut() {
            if let Some(inner) = layer.as_module_mut().downcast_mut::<Sequential>() {
                SyncBatchNorm::convert_sync_batchnorm(inner);
            } else if let Some(norm) = synchronized(layer.as_ref()) {
                *layer = Box::new(norm);
            }
        }
    }
}
