//! Layers that learn the number of their inputs when they are first called. Until then their tensors have no elements; what
//! the first call gives them is drawn as PyTorch draws it. From then on such a layer prints as what it is a layer of.

use super::conv::{check, check_transposed, sizes};
use crate::{
    BatchNorm1d, BatchNorm1dBuilder, BatchNorm2d, BatchNorm2dBuilder, BatchNorm3d, BatchNorm3dBuilder, Conv1d, Conv2d,
    Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, DynModule, Forward, InstanceNorm1d,
    InstanceNorm1dBuilder, InstanceNorm2d, InstanceNorm2dBuilder, InstanceNorm3d, InstanceNorm3dBuilder, Linear,
    Module, Parameter, Rebuild, Visitor, VisitorMut, init,
};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{
    Build, ConvOptions, ConvTransposeOptions, DType, Device, PadMode, Padding, Result, Tensor, builder, ensure,
};
use std::fmt;
use std::ops::Deref;

/// A lazy layer is the layer in it, under a name of its own until that has its elements.
macro_rules! lazy {
    ($Lazy:ident, $Layer:ident, |$s:ident| empty: $empty:expr, describe: $describe:expr, rebuild: $($field:ident),*) => {
        impl Deref for $Lazy {
            type Target = $Layer;

            fn deref(&self) -> &$Layer {
                &self.layer
            }
        }

        impl Module for $Lazy {
            fn type_name(&self) -> &'static str {
                let $s = self;
                if $empty { stringify!($Lazy) } else { self.layer.type_name() }
            }

            fn extra_repr(&self) -> String {
                let $s = self;
                if $empty { $describe } else { self.layer.extra_repr() }
            }

            fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
                self.layer.visit(visitor);
            }

            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                self.layer.visit_mut(visitor);
            }

            fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
                Ok($Lazy { layer: self.layer.rebuild(with)?, $($field: self.$field.clone(),)* })
            }

            fn as_module(&self) -> &DynModule {
                self
            }

            fn as_module_mut(&mut self) -> &mut DynModule {
                self
            }
        }

        impl fmt::Debug for $Lazy {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::print_module(self, f)
            }
        }

        impl Build for $Lazy {
            type Output = Self;

            fn build(self) -> Result<Self> {
                Ok(self)
            }
        }
    };
}

/// Parameters of a layer, without elements.
#[track_caller]
fn empty(bias: bool, dtype: DType, device: Device) -> Result<(Parameter, Option<Parameter>)> {
    let bias = bias.then(|| Parameter::uninitialized(dtype, device)).transpose()?;
    Ok((Parameter::uninitialized(dtype, device)?, bias))
}

/// The first elements of a layer's parameters, where there are none.
#[track_caller]
fn fill(weight: &Parameter, bias: Option<&Parameter>, shape: &[usize], outputs: usize) -> Result<()> {
    if weight.is_uninitialized() {
        weight.materialize(shape)?;
        if let Some(bias) = bias.filter(|bias| bias.is_uninitialized()) {
            bias.materialize(outputs)?;
        }
        init::linear_defaults(weight, bias.map(Parameter::tensor))?;
    }
    Ok(())
}

/// A [`Linear`] whose `in_features` is the size of the last dimension of what it is first called with, as
/// `torch.nn.LazyLinear`.
///
/// ```
/// use flambeau_nn::{Call, LazyLinear};
/// use flambeau_tensor::Tensor;
///
/// let layer = LazyLinear::new(5).build()?;
/// assert!(layer.weight.is_uninitialized());
/// assert_eq!(layer.call(&Tensor::zeros([2, 3]).build()?)?.shape(), [2, 5]);
/// assert_eq!(layer.weight.shape(), [5, 3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct LazyLinear {
    layer: Linear,
    out_features: usize,
}

builder! {
    /// Options of [`LazyLinear`].
    pub struct LazyLinearBuilder => LazyLinear;
    new {
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

impl LazyLinear {
    #[track_caller]
    fn from_builder(b: LazyLinearBuilder) -> Result<Self> {
        let (weight, bias) = empty(b.bias, b.dtype, b.device)?;
        Ok(LazyLinear { layer: Linear { weight, bias }, out_features: b.out_features })
    }
}

lazy!(LazyLinear, Linear, |s| empty: s.weight.is_uninitialized(), describe: {
    let bias = crate::print::py_bool(s.bias.is_some());
    format!("in_features=0, out_features={}, bias={bias}", s.out_features)
}, rebuild: out_features);

impl Forward<&Tensor> for LazyLinear {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.weight.is_uninitialized() {
            let [.., features] = x.shape() else {
                flambeau_tensor::bail!(Shape, "LazyLinear", "a scalar has no features")
            };
            let (out, bias) = (self.out_features, self.bias.as_ref());
            fill(&self.weight, bias, &[out, *features], out)?;
        }
        self.layer.forward(x)
    }
}

/// The channels of an input of a convolution over `rank` dimensions.
#[track_caller]
fn channels(name: &'static str, x: &Tensor, rank: usize) -> Result<usize> {
    ensure!(
        x.rank() == rank + 1 || x.rank() == rank + 2,
        Shape,
        name,
        "shape {:?} has neither {} dimensions nor {} without a batch",
        x.shape(),
        rank + 2,
        rank + 1
    );
    Ok(x.shape()[x.rank() - rank - 1])
}

/// A lazy convolution, of either direction: what it keeps until the channels of an input say the shape of its weight.
macro_rules! filled_by_channels {
    ($(#[$doc:meta])* $Lazy:ident, $Layer:ident, $rank:literal, transposed: $transposed:literal) => {
        $(#[$doc])*
        pub struct $Lazy {
            layer: $Layer,
            out_channels: usize,
            kernel_size: Spatial,
            groups: usize,
        }

        impl $Lazy {
            #[track_caller]
            fn weight(&self, channels: usize) -> Result<Vec<usize>> {
                let size = (channels, self.out_channels);
                Ok(sizes(stringify!($Lazy), $rank, size, self.kernel_size, self.groups, $transposed)?.weight)
            }
        }

        lazy!($Lazy, $Layer, |s| empty: s.layer.weight.is_uninitialized(), describe: {
            s.layer.describe_as(&s.weight(0).unwrap_or_default())
        }, rebuild: out_channels, kernel_size, groups);

        impl Forward<&Tensor> for $Lazy {
            type Output = Tensor;

            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let (weight, bias) = (&self.layer.weight, self.layer.bias.as_ref());
                if weight.is_uninitialized() {
                    fill(weight, bias, &self.weight(channels(stringify!($Lazy), x, $rank)?)?, self.out_channels)?;
                }
                self.layer.forward(x)
            }
        }
    };
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $Lazy:ident, $Builder:ident, $Layer:ident, $rank:literal;)*) => {$(
        filled_by_channels!($(#[$doc])* $Lazy, $Layer, $rank, transposed: false);

        builder! {
            #[doc = concat!("Options of [`", stringify!($Lazy), "`].")]
            pub struct $Builder => $Lazy;
            new {
                out_channels: usize,
                kernel_size: ~into Spatial,
            }
            options {
                /// Stride per spatial dimension, 1 unless set.
                stride: ~into Spatial = Spatial::from(1),
                /// So much around the input on both sides (0 unless set), or `Padding::Same`.
                padding: ~into Padding = Padding::from(0),
                /// Dilation per spatial dimension, 1 unless set.
                dilation: ~into Spatial = Spatial::from(1),
                /// Parts that the channels fall into, each with its own outputs; 1 unless set.
                groups: usize = 1,
                /// With a bias (the default).
                bias: bool = true,
                /// What is put around the input; zeros unless set.
                padding_mode: ~into Option<PadMode> = None,
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }

        impl $Lazy {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (name, out_channels, kernel_size, groups) = (stringify!($Lazy), b.out_channels, b.kernel_size, b.groups);
                sizes(name, $rank, (0, out_channels), kernel_size, groups, false)?;
                let options = ConvOptions { stride: b.stride, padding: b.padding, dilation: b.dilation, groups };
                check(name, $rank, &options)?;
                let (weight, bias) = empty(b.bias, b.dtype, b.device)?;
                let layer = $Layer::empty(weight, bias, options, b.padding_mode);
                Ok($Lazy { layer, out_channels, kernel_size, groups })
            }
        }
    )*};
}

convolutions! {
    /// A [`Conv1d`] that takes as many channels as what it is first called with, as `torch.nn.LazyConv1d`.
    LazyConv1d, LazyConv1dBuilder, Conv1d, 1;
    /// A [`Conv2d`] that takes as many channels as what it is first called with, as `torch.nn.LazyConv2d`.
    LazyConv2d, LazyConv2dBuilder, Conv2d, 2;
    /// A [`Conv3d`] that takes as many channels as what it is first called with, as `torch.nn.LazyConv3d`.
    LazyConv3d, LazyConv3dBuilder, Conv3d, 3;
}

macro_rules! transposed {
    ($($(#[$doc:meta])* $Lazy:ident, $Builder:ident, $Layer:ident, $rank:literal;)*) => {$(
        filled_by_channels!($(#[$doc])* $Lazy, $Layer, $rank, transposed: true);

        builder! {
            #[doc = concat!("Options of [`", stringify!($Lazy), "`].")]
            pub struct $Builder => $Lazy;
            new {
                out_channels: usize,
                kernel_size: ~into Spatial,
            }
            options {
                /// Stride per spatial dimension, 1 unless set.
                stride: ~into Spatial = Spatial::from(1),
                /// What is left out on both sides, 0 unless set.
                padding: ~into Spatial = Spatial::from(0),
                /// What is added at the end, 0 unless set.
                output_padding: ~into Spatial = Spatial::from(0),
                /// Parts that the channels fall into, each with its own outputs; 1 unless set.
                groups: usize = 1,
                /// With a bias (the default).
                bias: bool = true,
                /// Dilation per spatial dimension, 1 unless set.
                dilation: ~into Spatial = Spatial::from(1),
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }

        impl $Lazy {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (name, out_channels, kernel_size, groups) = (stringify!($Lazy), b.out_channels, b.kernel_size, b.groups);
                sizes(name, $rank, (0, out_channels), kernel_size, groups, true)?;
                let (stride, padding, output_padding, dilation) = (b.stride, b.padding, b.output_padding, b.dilation);
                let options = ConvTransposeOptions { stride, padding, output_padding, dilation, groups };
                check_transposed(name, $rank, &options)?;
                let (weight, bias) = empty(b.bias, b.dtype, b.device)?;
                Ok($Lazy { layer: $Layer::empty(weight, bias, options), out_channels, kernel_size, groups })
            }
        }
    )*};
}

transposed! {
    /// A [`ConvTranspose1d`] that takes as many channels as what it is first called with, as
    /// `torch.nn.LazyConvTranspose1d`.
    LazyConvTranspose1d, LazyConvTranspose1dBuilder, ConvTranspose1d, 1;
    /// A [`ConvTranspose2d`] that takes as many channels as what it is first called with, as
    /// `torch.nn.LazyConvTranspose2d`.
    LazyConvTranspose2d, LazyConvTranspose2dBuilder, ConvTranspose2d, 2;
    /// A [`ConvTranspose3d`] that takes as many channels as what it is first called with, as
    /// `torch.nn.LazyConvTranspose3d`.
    LazyConvTranspose3d, LazyConvTranspose3dBuilder, ConvTranspose3d, 3;
}

macro_rules! norms {
    ($($(#[$doc:meta])* $Lazy:ident, $Builder:ident, $Norm:ident, $NormBuilder:ident, |$x:ident| $channels:expr;)*) => {$(
        $(#[$doc])*
        pub struct $Lazy {
            layer: $Norm,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Lazy), "`].")]
            pub struct $Builder => $Lazy;
            new {}
            options {
                /// Added to the variance, 1e-5 unless set.
                eps: f64 = 1e-5,
                /// How far running statistics move towards those of a batch, 0.1 unless set; `None` makes them
                /// the average over all batches.
                momentum: ~into Option<f64> = Some(0.1),
                /// With γ and β (the default).
                affine: bool = true,
                /// With running statistics (the default).
                track_running_stats: bool = true,
                /// With β, where affine (the default).
                bias: bool = true,
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }

        impl $Lazy {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let $Builder { eps, momentum, affine, track_running_stats, bias, dtype, device } = b;
                let num_features = 0;
                let options = $NormBuilder { num_features, eps, momentum, affine, track_running_stats, bias, dtype, device };
                Ok($Lazy { layer: $Norm::empty(options)? })
            }
        }

        lazy!($Lazy, $Norm, |s| empty: s.layer.is_empty(), describe: s.layer.extra_repr(), rebuild:);

        impl Forward<&Tensor> for $Lazy {
            type Output = Tensor;

            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                if self.layer.is_empty() {
                    let channels: Option<&usize> = $channels;
                    let Some(channels) = channels else {
                        flambeau_tensor::bail!(Shape, stringify!($Lazy), "shape {:?} has no channels", $x.shape())
                    };
                    self.layer.fill(*channels)?;
                }
                self.layer.forward($x)
            }
        }
    )*};
}

norms! {
    /// A [`BatchNorm1d`] of as many channels as what it is first called with has, as `torch.nn.LazyBatchNorm1d`.
    LazyBatchNorm1d, LazyBatchNorm1dBuilder, BatchNorm1d, BatchNorm1dBuilder, |x| x.shape().get(1);
    /// A [`BatchNorm2d`] of as many channels as what it is first called with has, as `torch.nn.LazyBatchNorm2d`.
    LazyBatchNorm2d, LazyBatchNorm2dBuilder, BatchNorm2d, BatchNorm2dBuilder, |x| x.shape().get(1);
    /// A [`BatchNorm3d`] of as many channels as what it is first called with has, as `torch.nn.LazyBatchNorm3d`.
    LazyBatchNorm3d, LazyBatchNorm3dBuilder, BatchNorm3d, BatchNorm3dBuilder, |x| x.shape().get(1);
    /// An [`InstanceNorm1d`] of as many channels as what it is first called with has, as
    /// `torch.nn.LazyInstanceNorm1d`.
    LazyInstanceNorm1d, LazyInstanceNorm1dBuilder, InstanceNorm1d, InstanceNorm1dBuilder, |x| x.shape().iter().rev().nth(1);
    /// An [`InstanceNorm2d`] of as many channels as what it is first called with has, as
    /// `torch.nn.LazyInstanceNorm2d`.
    LazyInstanceNorm2d, LazyInstanceNorm2dBuilder, InstanceNorm2d, InstanceNorm2dBuilder, |x| x.shape().iter().rev().nth(2);
    /// An [`InstanceNorm3d`] of as many channels as what it is first called with has, as
    /// `torch.nn.LazyInstanceNorm3d`.
    LazyInstanceNorm3d, LazyInstanceNorm3dBuilder, InstanceNorm3d, InstanceNorm3dBuilder, |x| x.shape().iter().rev().nth(3);
}
