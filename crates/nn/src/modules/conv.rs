//! Convolution layers.

use crate::print::py_tuple;
use crate::{Forward, Module, Parameter, functional, init};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{
    ConvOptions, ConvTransposeOptions, DType, Device, PadMode, Padding, Result, Tensor, bail, builder, ensure,
};

/// What all convolution layers are asked, checked before a weight is made.
pub(super) struct Sizes {
    pub weight: Vec<usize>,
    pub bias: usize,
}

/// The shape of the weight `[first, second / groups, kernel…]`, where all of it goes together.
#[track_caller]
pub(super) fn sizes(
    name: &'static str,
    rank: usize,
    (input, output): (usize, usize),
    kernel: Spatial,
    groups: usize,
    transposed: bool,
) -> Result<Sizes> {
    ensure!(groups > 0, Argument, name, "groups must be at least 1");
    for (what, channels) in [("in_channels", input), ("out_channels", output)] {
        ensure!(channels % groups == 0, Argument, name, "{what} = {channels} does not split into {groups} groups");
    }
    let (first, second) = if transposed { (input, output) } else { (output, input) };
    let mut weight = vec![first, second / groups];
    weight.extend(kernel.at_least(1, name, "kernel_size", rank)?);
    Ok(Sizes { weight, bias: output })
}

/// Options that go with so many dimensions, and with each other.
#[track_caller]
pub(super) fn check(name: &'static str, rank: usize, o: &ConvOptions) -> Result<()> {
    o.stride.at_least(1, name, "stride", rank)?;
    o.dilation.at_least(1, name, "dilation", rank)?;
    match o.padding {
        Padding::Zeros(padding) => drop(padding.at_least(0, name, "padding", rank)?),
        Padding::Same => {
            ensure!(all(o.stride, 1), Argument, name, "padding `same` needs stride 1, not {:?}", o.stride);
        }
        Padding::Valid => {}
    }
    Ok(())
}

/// [`check`] for a transposed convolution.
#[track_caller]
pub(super) fn check_transposed(name: &'static str, rank: usize, o: &ConvTransposeOptions) -> Result<()> {
    for (what, value, least) in [
        ("stride", o.stride, 1),
        ("padding", o.padding, 0),
        ("output_padding", o.output_padding, 0),
        ("dilation", o.dilation, 1),
    ] {
        value.at_least(least, name, what, rank)?;
    }
    Ok(())
}

/// The sizes of a window, or what goes with one, as PyTorch prints them: a tuple of the right length.
fn tuple(values: Spatial, rank: usize) -> String {
    match values.given() {
        [one] => py_tuple(&vec![*one; rank]),
        each => py_tuple(each),
    }
}

/// True where all values are `value`.
fn all(values: Spatial, value: isize) -> bool {
    values.given().iter().all(|v| *v == value)
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $rank:literal, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            /// The kernels, `[out_channels, in_channels / groups, k…]`.
            pub weight: Parameter,
            /// Added to each output channel, `[out_channels]`.
            pub bias: Option<Parameter>,
            #[module(skip)]
            options: ConvOptions,
            #[module(skip)]
            padding_mode: Option<PadMode>,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                in_channels: usize,
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

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let name = stringify!($Name);
                let shape = sizes(name, $rank, (b.in_channels, b.out_channels), b.kernel_size, b.groups, false)?;
                let options = ConvOptions { stride: b.stride, padding: b.padding, dilation: b.dilation, groups: b.groups };
                check(name, $rank, &options)?;
                let weight = super::parameter(shape.weight, b.dtype, b.device)?;
                let bias = b.bias.then(|| super::parameter(shape.bias, b.dtype, b.device)).transpose()?;
                init::linear_defaults(&weight, bias.as_deref())?;
                Ok($Name { weight, bias, options, padding_mode: b.padding_mode })
            }

            /// One whose weight has no elements yet.
            pub(super) fn empty(weight: Parameter, bias: Option<Parameter>, options: ConvOptions, padding_mode: Option<PadMode>) -> Self {
                $Name { weight, bias, options, padding_mode }
            }

            fn describe(&self) -> String {
                self.describe_as(self.weight.shape())
            }

            /// With a weight of this shape.
            pub(super) fn describe_as(&self, weight: &[usize]) -> String {
                describe(weight, self.bias.is_some(), $rank, &self.options, self.padding_mode)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                match self.padding_mode {
                    None => functional::$function(x, &self.weight, self.bias.as_deref(), self.options),
                    Some(mode) => {
                        let padded = functional::pad_with(x, &around(&self.options, &self.weight.shape()[2..])?, mode)?;
                        functional::$function(&padded, &self.weight, self.bias.as_deref(), self.options.padding(Padding::Valid))
                    }
                }
            }
        }
    )*};
}

/// The counts of elements around the input, for `pad`: the last dimension first.
fn around(options: &ConvOptions, kernel: &[usize]) -> Result<Vec<isize>> {
    let rank = kernel.len();
    let dilation = options.dilation.spread("conv", "dilation", rank)?;
    let padding = match options.padding {
        Padding::Zeros(padding) => padding.spread("conv", "padding", rank)?.iter().map(|p| (*p, *p)).collect(),
        Padding::Valid => vec![(0, 0); rank],
        Padding::Same => (0..rank)
            .map(|d| {
                let total = dilation[d] * (kernel[d] as isize - 1);
                (total / 2, total - total / 2)
            })
            .collect(),
    };
    Ok(padding.into_iter().rev().flat_map(|(before, behind)| [before, behind]).collect())
}

fn describe(shape: &[usize], bias: bool, rank: usize, options: &ConvOptions, mode: Option<PadMode>) -> String {
    let groups = options.groups;
    let mut text = format!(
        "{}, {}, kernel_size={}, stride={}",
        shape[1] * groups,
        shape[0],
        py_tuple(&shape[2..]),
        tuple(options.stride, rank)
    );
    match options.padding {
        Padding::Zeros(padding) if all(padding, 0) => {}
        Padding::Zeros(padding) => text += &format!(", padding={}", tuple(padding, rank)),
        Padding::Same => text += ", padding=same",
        Padding::Valid => text += ", padding=valid",
    }
    if !all(options.dilation, 1) {
        text += &format!(", dilation={}", tuple(options.dilation, rank));
    }
    if groups != 1 {
        text += &format!(", groups={groups}");
    }
    if !bias {
        text += ", bias=False";
    }
    if let Some(mode) = mode {
        text += match mode {
            PadMode::Reflect => ", padding_mode=reflect",
            PadMode::Replicate => ", padding_mode=replicate",
            PadMode::Circular => ", padding_mode=circular",
        };
    }
    text
}

convolutions! {
    /// Cross-correlation along one dimension, as `torch.nn.Conv1d`: `[N, in_channels, L]` (or without `N`)
    /// becomes `[N, out_channels, L′]`. Weight and bias start evenly distributed in ±1/√(inputs of an output).
    Conv1d, Conv1dBuilder, 1, conv1d;
    /// Cross-correlation over two dimensions, as `torch.nn.Conv2d`: `[N, in_channels, H, W]` (or without `N`)
    /// becomes `[N, out_channels, H′, W′]`. Weight and bias start evenly distributed in ±1/√(inputs of an
    /// output).
    ///
    /// ```
    /// use flambeau_nn::{Conv2d, Call};
    /// use flambeau_tensor::Tensor;
    ///
    /// let conv = Conv2d::new(16, 33, (3, 5)).stride((2, 1)).padding((4, 2)).dilation((3, 1)).build()?;
    /// let y = conv.call(&Tensor::randn([2, 16, 50, 100]).build()?)?;
    /// assert_eq!(y.shape(), [2, 33, 26, 100]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Conv2d, Conv2dBuilder, 2, conv2d;
    /// Cross-correlation over three dimensions, as `torch.nn.Conv3d`: `[N, in_channels, D, H, W]` (or without
    /// `N`) becomes `[N, out_channels, D′, H′, W′]`.
    Conv3d, Conv3dBuilder, 3, conv3d;
}

macro_rules! transposed {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $rank:literal, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            /// The kernels, `[in_channels, out_channels / groups, k…]`.
            pub weight: Parameter,
            /// Added to each output channel, `[out_channels]`.
            pub bias: Option<Parameter>,
            #[module(skip)]
            options: ConvTransposeOptions,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                in_channels: usize,
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

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let name = stringify!($Name);
                let shape = sizes(name, $rank, (b.in_channels, b.out_channels), b.kernel_size, b.groups, true)?;
                let (stride, padding, output_padding, dilation) = (b.stride, b.padding, b.output_padding, b.dilation);
                let options = ConvTransposeOptions { stride, padding, output_padding, dilation, groups: b.groups };
                check_transposed(name, $rank, &options)?;
                let weight = super::parameter(shape.weight, b.dtype, b.device)?;
                let bias = b.bias.then(|| super::parameter(shape.bias, b.dtype, b.device)).transpose()?;
                init::linear_defaults(&weight, bias.as_deref())?;
                Ok($Name { weight, bias, options })
            }

            /// One whose weight has no elements yet.
            pub(super) fn empty(weight: Parameter, bias: Option<Parameter>, options: ConvTransposeOptions) -> Self {
                $Name { weight, bias, options }
            }

            fn describe(&self) -> String {
                self.describe_as(self.weight.shape())
            }

            /// With a weight of this shape.
            pub(super) fn describe_as(&self, shape: &[usize]) -> String {
                let o = &self.options;
                let mut text = format!(
                    "{}, {}, kernel_size={}, stride={}",
                    shape[0], shape[1] * o.groups, py_tuple(&shape[2..]), tuple(o.stride, $rank)
                );
                for (what, value, default) in [("padding", o.padding, 0), ("dilation", o.dilation, 1), ("output_padding", o.output_padding, 0)] {
                    if !all(value, default) {
                        text += &format!(", {what}={}", tuple(value, $rank));
                    }
                }
                if o.groups != 1 {
                    text += &format!(", groups={}", o.groups);
                }
                if self.bias.is_none() {
                    text += ", bias=False";
                }
                text
            }

            /// With the size of a plane of the output, one of those that a convolution takes to the input's: `output_size`. The
            /// layer's `output_padding` does not count then.
            ///
            /// # Errors
            /// Where the convolution does not take that size to the input's, or the input does not fit.
            #[track_caller]
            pub fn forward_to_size(&self, x: &Tensor, output_size: impl Into<Spatial>) -> Result<Tensor> {
                let kernel = &self.weight.shape()[2..];
                let missing = to_reach(stringify!($Name), x, kernel, &self.options, output_size.into())?;
                let options = ConvTransposeOptions { output_padding: missing, ..self.options };
                functional::$function(x, &self.weight, self.bias.as_deref(), options)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, &self.weight, self.bias.as_deref(), self.options)
            }
        }
    )*};
}

/// The `output_padding` by which the planes of x become planes of `size`.
#[track_caller]
fn to_reach(
    name: &'static str,
    x: &Tensor,
    kernel: &[usize],
    o: &ConvTransposeOptions,
    size: Spatial,
) -> Result<Spatial> {
    let rank = kernel.len();
    let Some(planes) = x.rank().checked_sub(rank).map(|first| &x.shape()[first..]) else {
        bail!(Shape, name, "the input {:?} has no {rank} dimensions of a plane", x.shape())
    };
    let spread = |values: Spatial, what| values.spread(name, what, rank);
    let (stride, padding, dilation) =
        (spread(o.stride, "stride")?, spread(o.padding, "padding")?, spread(o.dilation, "dilation")?);
    let (wanted, mut missing) = (spread(size, "output_size")?, [0; 3]);
    for d in 0..rank {
        let reach = dilation[d].saturating_mul(kernel[d] as isize - 1);
        let least = (planes[d] as isize - 1).saturating_mul(stride[d]).saturating_sub(padding[d].saturating_mul(2));
        let least = least.saturating_add(reach).saturating_add(1);
        let most = least.saturating_add(stride[d] - 1);
        ensure!(
            (least..=most).contains(&wanted[d]),
            Argument,
            name,
            "planes {planes:?} do not become {:?}: dimension {d} may be {least} to {most}",
            &wanted[..]
        );
        missing[d] = wanted[d] - least;
    }
    let [x, y, z] = missing;
    Ok(match rank {
        1 => x.into(),
        2 => (x, y).into(),
        _ => (x, y, z).into(),
    })
}

transposed! {
    /// The gradient of a [`Conv1d`] with respect to its input, as a layer: `torch.nn.ConvTranspose1d`.
    ConvTranspose1d, ConvTranspose1dBuilder, 1, conv_transpose1d;
    /// The gradient of a [`Conv2d`] with respect to its input, as a layer: `torch.nn.ConvTranspose2d`.
    ConvTranspose2d, ConvTranspose2dBuilder, 2, conv_transpose2d;
    /// The gradient of a [`Conv3d`] with respect to its input, as a layer: `torch.nn.ConvTranspose3d`.
    ConvTranspose3d, ConvTranspose3dBuilder, 3, conv_transpose3d;
}
