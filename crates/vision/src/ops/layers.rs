//! Blocks that networks of many families share.

use super::drop::{StochasticDepthMode, drop_block2d, drop_block3d, stochastic_depth};
use flambeau_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, BatchNorm3d, Buffer, Call, Conv2d, Conv3d, Dropout, Forward, GELU, GroupNorm,
    Hardsigmoid, Hardswish, Identity, InstanceNorm2d, InstanceNorm3d, Layer, LayerNorm, Linear, Mode, Module, ReLU,
    ReLU6, Sequential, SiLU, Sigmoid, plain_parts,
};
use flambeau_tensor::{Build, Dims, Result, Tensor, bail, builder, ensure};

/// What stands behind a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// batch normalisation with these `eps` and `momentum`
    Batch {
        /// what is added to the variance
        eps: f64,
        /// how far the running statistics move
        momentum: f64,
    },
    /// batch normalisation whose numbers do not change, with this `eps`
    Frozen {
        /// what is added to the variance
        eps: f64,
    },
    /// layer normalisation over the channels with this `eps`
    Layer {
        /// what is added to the variance
        eps: f64,
    },
    /// group normalisation with as many groups
    Group {
        /// parts that the channels fall into
        groups: usize,
    },
    /// instance normalisation without factors
    Instance,
    /// nothing: the convolution has a bias
    None,
}

impl Default for Norm {
    fn default() -> Self {
        Norm::Batch { eps: 1e-5, momentum: 0.1 }
    }
}

/// What is not linear in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// `ReLU`
    #[default]
    Relu,
    /// `ReLU6`
    Relu6,
    /// `Hardswish`
    Hardswish,
    /// `SiLU`
    Silu,
    /// `GELU`
    Gelu,
    /// `Sigmoid`
    Sigmoid,
    /// `Hardsigmoid`
    Hardsigmoid,
    /// nothing
    None,
}
plain_parts!(Norm, Activation);

impl Activation {
    /// The layer, which writes over its input where it can and `inplace` says so; nothing for [`Activation::None`].
    pub(crate) fn layer(self, inplace: bool) -> Option<Box<dyn Layer>> {
        Some(match self {
            Activation::Relu => Box::new(ReLU::new().inplace(inplace)),
            Activation::Relu6 => Box::new(ReLU6::new().inplace(inplace)),
            Activation::Hardswish => Box::new(Hardswish::new().inplace(inplace)),
            Activation::Silu => Box::new(SiLU::new().inplace(inplace)),
            Activation::Gelu => Box::new(GELU::new()),
            Activation::Sigmoid => Box::new(Sigmoid::new()),
            Activation::Hardsigmoid => Box::new(Hardsigmoid::new().inplace(inplace)),
            Activation::None => return None,
        })
    }

    /// Puts it at the end of `layers`.
    #[track_caller]
    pub(crate) fn push_to(self, layers: &mut Sequential, inplace: bool) -> Result<()> {
        self.layer(inplace).map_or(Ok(()), |layer| layers.push(layer).map(drop))
    }
}

/// A chain of layers with a name of its own.
macro_rules! chains {
    ($($(#[$doc:meta])* $Name:ident)*) => {$(
        $(#[$doc])*
        pub struct $Name(Sequential);

        #[allow(dead_code)] // not every one is made of a chain and taken apart
        impl $Name {
            /// The chain under this name.
            pub(crate) fn from_chain(chain: Sequential) -> Self {
                $Name(chain)
            }

            /// The chain without its name.
            pub(crate) fn into_chain(self) -> Sequential {
                self.0
            }
        }

        impl std::ops::Deref for $Name {
            type Target = Sequential;
            fn deref(&self) -> &Sequential {
                &self.0
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                self.0.forward(x)
            }
        }

        flambeau_nn::named_module!($Name, |_chain| String::new());
    )*};
}
pub(crate) use chains;

macro_rules! conv_norm_activation {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $Conv:ident, $BatchNorm:ident, $InstanceNorm:ident, $layer_norm:expr;)*) => {
        chains! { $($(#[$doc])* $Name)* }
        $(
            builder! {
                #[doc = concat!("Options of [`", stringify!($Name), "`].")]
                pub struct $Builder => $Name;
                new {
                    /// Channels that come in.
                    in_channels: usize,
                    /// Channels that go out.
                    out_channels: usize,
                }
                options {
                    /// The window; 3 unless set.
                    kernel_size: usize = 3,
                    /// Stride per spatial dimension, 1 unless set.
                    stride: usize = 1,
                    /// Zeros around the input; as many as keep its size unless set.
                    padding: ~into Option<usize> = None,
                    /// Parts that the channels fall into; 1 unless set.
                    groups: usize = 1,
                    /// What follows the convolution; batch normalisation unless set.
                    norm_layer: Norm = Norm::default(),
                    /// What follows then; ReLU unless set.
                    activation_layer: Activation = Activation::Relu,
                    /// Dilation per spatial dimension, 1 unless set.
                    dilation: usize = 1,
                    /// Let the activation write over its input. True unless set.
                    inplace: bool = true,
                    /// With a bias; unless set only where no normalisation follows.
                    bias: ~into Option<bool> = None,
                }
            }

            impl $Name {
                #[track_caller]
                fn from_builder(b: $Builder) -> Result<Self> {
                    let padding = b.padding.unwrap_or((b.kernel_size.saturating_sub(1)) / 2 * b.dilation);
                    let conv = $Conv::new(b.in_channels, b.out_channels, b.kernel_size)
                        .stride(b.stride)
                        .padding(padding)
                        .dilation(b.dilation)
                        .groups(b.groups)
                        .bias(b.bias.unwrap_or(b.norm_layer == Norm::None));
                    let mut layers = Sequential::new();
                    layers.push(conv)?;
                    match b.norm_layer {
                        Norm::Batch { eps, momentum } => {
                            layers.push($BatchNorm::new(b.out_channels).eps(eps).momentum(momentum))?;
                        }
                        Norm::Frozen { eps } => {
                            layers.push(FrozenBatchNorm2d::new(b.out_channels).eps(eps))?;
                        }
                        Norm::Layer { eps } => $layer_norm(&mut layers, b.out_channels, eps)?,
                        Norm::Group { groups } => {
                            layers.push(GroupNorm::new(groups, b.out_channels))?;
                        }
                        Norm::Instance => {
                            layers.push($InstanceNorm::new(b.out_channels))?;
                        }
                        Norm::None => {}
                    }
                    b.activation_layer.push_to(&mut layers, b.inplace)?;
                    Ok($Name(layers))
                }
            }
        )*
    };
}
conv_norm_activation! {
    /// A convolution, what normalises it and an activation, as `torchvision.ops.Conv2dNormActivation`.
    Conv2dNormActivation, Conv2dNormActivationBuilder, Conv2d, BatchNorm2d, InstanceNorm2d,
        LayerNorm2d::push_to;
    /// The same for volumes and videos, as `torchvision.ops.Conv3dNormActivation`.
    Conv3dNormActivation, Conv3dNormActivationBuilder, Conv3d, BatchNorm3d, InstanceNorm3d,
        no_layer_norm;
}

#[track_caller]
fn no_layer_norm(_: &mut Sequential, _: usize, _: f64) -> Result<()> {
    bail!(Argument, "Conv3dNormActivation", "layer normalisation is for maps of two dimensions")
}

/// Layer normalisation over the channels of `[N, C, H, W]`, as `torchvision.models.convnext.LayerNorm2d`.
pub struct LayerNorm2d(LayerNorm);
flambeau_nn::named_module!(LayerNorm2d, |norm| norm.extra_repr());

impl LayerNorm2d {
    /// Over `channels` channels, `eps` added to the variance.
    ///
    /// # Errors
    /// Where there is no memory for its weights.
    #[track_caller]
    pub fn new(channels: usize, eps: f64) -> Result<Self> {
        Ok(LayerNorm2d(LayerNorm::new(channels).eps(eps).build()?))
    }

    #[track_caller]
    fn push_to(layers: &mut Sequential, channels: usize, eps: f64) -> Result<()> {
        layers.push(LayerNorm2d::new(channels, eps)?).map(drop)
    }
}

impl Forward<&Tensor> for LayerNorm2d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(&x.permute([0, 2, 3, 1])?)?.permute([0, 3, 1, 2])
    }
}

/// Batch normalisation by numbers that are loaded and do not change, as `torchvision.ops.FrozenBatchNorm2d`.
#[derive(Module)]
#[module(extra_repr = "FrozenBatchNorm2d::describe")]
pub struct FrozenBatchNorm2d {
    /// Factors of the channels.
    pub weight: Buffer,
    /// Summands of the channels.
    pub bias: Buffer,
    /// Their means.
    pub running_mean: Buffer,
    /// Their variances.
    pub running_var: Buffer,
    eps: f64,
}

builder! {
    /// Options of [`FrozenBatchNorm2d`].
    pub struct FrozenBatchNorm2dBuilder => FrozenBatchNorm2d;
    new {
        /// The number of channels.
        num_features: usize,
    }
    options {
        /// What is added to the variance; 1e-5 unless set.
        eps: f64 = 1e-5,
    }
}

impl FrozenBatchNorm2d {
    #[track_caller]
    fn from_builder(b: FrozenBatchNorm2dBuilder) -> Result<Self> {
        let of =
            |value: f64| Ok::<_, flambeau_tensor::Error>(Buffer::new(Tensor::full([b.num_features], value).build()?));
        Ok(FrozenBatchNorm2d {
            weight: of(1.0)?,
            bias: of(0.0)?,
            running_mean: of(0.0)?,
            running_var: of(1.0)?,
            eps: b.eps,
        })
    }

    fn describe(&self) -> String {
        format!(
            "{}, eps={}",
            self.weight.tensor().numel(),
            if self.eps == 1e-5 { "1e-05".into() } else { self.eps.to_string() }
        )
    }
}

impl Forward<&Tensor> for FrozenBatchNorm2d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let wide = |buffer: &Buffer| buffer.tensor().reshape([1, buffer.tensor().numel(), 1, 1]);
        let scale = wide(&self.weight)?.mul(&wide(&self.running_var)?.add(self.eps)?.rsqrt()?)?;
        let bias = wide(&self.bias)?.sub(&wide(&self.running_mean)?.mul(&scale)?)?;
        x.mul(&scale)?.add(&bias)
    }
}

/// Every channel weighed by what all channels are on average, as `torchvision.ops.SqueezeExcitation` (J. Hu et al.,
/// 2018).
#[derive(Module)]
pub struct SqueezeExcitation {
    avgpool: AdaptiveAvgPool2d,
    fc1: Conv2d,
    fc2: Conv2d,
    activation: Box<dyn Layer>,
    scale_activation: Box<dyn Layer>,
}

builder! {
    /// Options of [`SqueezeExcitation`].
    pub struct SqueezeExcitationBuilder => SqueezeExcitation;
    new {
        /// Channels.
        input_channels: usize,
        /// Channels in between.
        squeeze_channels: usize,
    }
    options {
        /// What stands in between; ReLU unless set.
        activation: Activation = Activation::Relu,
        /// What makes the weights; a sigmoid unless set.
        scale_activation: Activation = Activation::Sigmoid,
        /// Let the activation in between write over its input. False unless set.
        inplace: bool = false,
    }
}

impl SqueezeExcitation {
    #[track_caller]
    fn from_builder(b: SqueezeExcitationBuilder) -> Result<Self> {
        let (fc1, fc2) = (
            Conv2d::new(b.input_channels, b.squeeze_channels, 1).build()?,
            Conv2d::new(b.squeeze_channels, b.input_channels, 1).build()?,
        );
        let layer = |activation: Activation, inplace: bool| {
            activation.layer(inplace).unwrap_or_else(|| Box::new(Identity::new()))
        };
        let (activation, scale_activation) = (layer(b.activation, b.inplace), layer(b.scale_activation, false));
        Ok(SqueezeExcitation { avgpool: AdaptiveAvgPool2d::new(1).build()?, fc1, fc2, activation, scale_activation })
    }
}

impl Forward<&Tensor> for SqueezeExcitation {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let squeezed = self.activation.call(&self.fc1.call(&self.avgpool.call(x)?)?)?;
        x.mul(&self.scale_activation.call(&self.fc2.call(&squeezed)?)?)
    }
}

chains! {
    /// Linear layers with activations and dropout, as `torchvision.ops.MLP`.
    MLP
}

builder! {
    /// Options of [`MLP`].
    pub struct MLPBuilder => MLP;
    new {
        /// Numbers that come in.
        in_channels: usize,
        /// Numbers after each layer.
        hidden_channels: ~into Vec<usize>,
    }
    options {
        /// What follows each layer but the last; ReLU unless set.
        activation_layer: Activation = Activation::Relu,
        /// Let activations and dropout write over their input; false unless set.
        inplace: bool = false,
        /// With biases. True unless set.
        bias: bool = true,
        /// The probability of a number being dropped after each layer. 0 unless set.
        dropout: f64 = 0.0,
    }
}

impl MLP {
    #[track_caller]
    fn from_builder(b: MLPBuilder) -> Result<Self> {
        let (mut layers, mut before) = (Sequential::new(), b.in_channels);
        ensure!(!b.hidden_channels.is_empty(), Argument, "MLP", "there is no layer in it");
        let last = b.hidden_channels.len() - 1;
        for (i, channels) in b.hidden_channels.into_iter().enumerate() {
            layers.push(Linear::new(before, channels).bias(b.bias))?;
            if i < last {
                b.activation_layer.push_to(&mut layers, b.inplace)?;
            }
            layers.push(Dropout::new(b.dropout).inplace(b.inplace))?;
            before = channels;
        }
        Ok(MLP(layers))
    }
}

/// The dimensions in another order, as `torchvision.ops.Permute`.
#[derive(Module)]
pub struct Permute {
    #[module(skip)]
    dims: Dims,
}

impl Permute {
    /// The dimensions in the order `dims`.
    pub fn new(dims: impl Into<Dims>) -> Self {
        Permute { dims: dims.into() }
    }
}

impl Forward<&Tensor> for Permute {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.permute(self.dims.clone())
    }
}

/// A branch dropped at random while it trains, as `torchvision.ops.StochasticDepth`; see [`stochastic_depth`].
#[derive(Module)]
#[module(extra_repr = "StochasticDepth::describe")]
pub struct StochasticDepth {
    p: f64,
    mode: StochasticDepthMode,
    training: Mode,
}

impl StochasticDepth {
    /// Dropped with probability `p`.
    pub fn new(p: f64, mode: StochasticDepthMode) -> Self {
        StochasticDepth { p, mode, training: Mode::new() }
    }

    fn describe(&self) -> String {
        format!("p={:?}, mode={}", self.p, format!("{:?}", self.mode).to_lowercase())
    }
}

impl Forward<&Tensor> for StochasticDepth {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        stochastic_depth(x, self.p, self.mode, self.training.is_training())
    }
}

macro_rules! drop_blocks {
    ($($(#[$doc:meta])* $Name:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            p: f64,
            block_size: usize,
            training: Mode,
        }

        impl $Name {
            /// A share `p` of all pixels, in blocks of `block_size`.
            pub fn new(p: f64, block_size: usize) -> Self {
                $Name { p, block_size, training: Mode::new() }
            }

            fn describe(&self) -> String {
                format!("p={:?}, block_size={}, inplace=False", self.p, self.block_size)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                $function(x, self.p, self.block_size, self.training.is_training())
            }
        }
    )*};
}
drop_blocks! {
    /// Blocks of pixels dropped at random while it trains, as `torchvision.ops.DropBlock2d`; see [`drop_block2d`].
    DropBlock2d, drop_block2d;
    /// Blocks of volumes dropped at random while it trains, as `torchvision.ops.DropBlock3d`; see [`drop_block3d`].
    DropBlock3d, drop_block3d;
}
