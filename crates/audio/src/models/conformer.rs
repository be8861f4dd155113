//! The Conformer.

use flambeau_nn::{
    AttentionMasks, BatchNorm1d, Call, Conv1d, Dropout, Forward, GLU, GroupNorm, LayerNorm, Linear, Module,
    MultiheadAttention, Sequential, SiLU,
};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// Depthwise convolution along time, between two layers for each frame: `[batch, frames, features]`.
#[derive(Module)]
struct ConvolutionModule {
    layer_norm: LayerNorm,
    sequential: Sequential,
}

impl ConvolutionModule {
    #[track_caller]
    fn new(features: usize, kernel: usize, dropout: f64, use_group_norm: bool) -> Result<Self> {
        ensure!(
            kernel % 2 == 1,
            Argument,
            "Conformer",
            "depthwise_conv_kernel_size {kernel} must be odd, so that there are as many frames as before"
        );
        let depthwise = Conv1d::new(features, features, kernel).padding(kernel / 2).groups(features);
        let layer_norm = LayerNorm::new(features).build()?;
        let mut sequential = Sequential::of((Conv1d::new(features, 2 * features, 1), GLU::new().dim(1), depthwise))?;
        if use_group_norm {
            sequential.push(GroupNorm::new(1, features))?;
        } else {
            sequential.push(BatchNorm1d::new(features))?;
        }
        sequential.push(SiLU::new())?.push(Conv1d::new(features, features, 1))?.push(Dropout::new(dropout))?;
        Ok(ConvolutionModule { layer_norm, sequential })
    }
}

impl Forward<&Tensor> for ConvolutionModule {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.sequential.call(&self.layer_norm.call(x)?.transpose(1, 2)?)?.transpose(1, 2)
    }
}

/// Two layers for each frame.
#[derive(Module)]
struct FeedForwardModule {
    sequential: Sequential,
}

impl FeedForwardModule {
    #[track_caller]
    fn new(features: usize, hidden: usize, dropout: f64) -> Result<Self> {
        let sequential = Sequential::of((
            LayerNorm::new(features),
            Linear::new(features, hidden),
            SiLU::new(),
            Dropout::new(dropout),
            Linear::new(hidden, features),
            Dropout::new(dropout),
        ))?;
        Ok(FeedForwardModule { sequential })
    }
}

impl Forward<&Tensor> for FeedForwardModule {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.sequential.call(x)
    }
}

/// One layer of a [`Conformer`]: half a step of a feed-forward part, attention, convolution, and half a step again.
#[derive(Module)]
pub struct ConformerLayer {
    ffn1: FeedForwardModule,
    self_attn_layer_norm: LayerNorm,
    self_attn: MultiheadAttention,
    self_attn_dropout: Dropout,
    conv_module: ConvolutionModule,
    ffn2: FeedForwardModule,
    final_layer_norm: LayerNorm,
    convolution_first: bool,
}

impl ConformerLayer {
    #[track_caller]
    fn new(b: &ConformerBuilder) -> Result<Self> {
        let &ConformerBuilder { input_dim, ffn_dim, num_heads, dropout, .. } = b;
        Ok(ConformerLayer {
            ffn1: FeedForwardModule::new(input_dim, ffn_dim, dropout)?,
            self_attn_layer_norm: LayerNorm::new(input_dim).build()?,
            self_attn: MultiheadAttention::new(input_dim, num_heads).dropout(dropout).build()?,
            self_attn_dropout: Dropout::new(dropout).build()?,
            conv_module: ConvolutionModule::new(input_dim, b.depthwise_conv_kernel_size, dropout, b.use_group_norm)?,
            ffn2: FeedForwardModule::new(input_dim, ffn_dim, dropout)?,
            final_layer_norm: LayerNorm::new(input_dim).build()?,
            convolution_first: b.convolution_first,
        })
    }

    #[track_caller]
    fn convolved(&self, x: &Tensor) -> Result<Tensor> {
        self.conv_module.call(&x.transpose(0, 1)?)?.transpose(0, 1)?.add(x)
    }
}

/// Frames `[frames, batch, features]`, and true where one is only filling, `[batch, frames]`.
impl Forward<(&Tensor, Option<&Tensor>)> for ConformerLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, key_padding_mask): (&Tensor, Option<&Tensor>)) -> Result<Tensor> {
        let mut x = self.ffn1.call(x)?.mul(0.5)?.add(x)?;
        if self.convolution_first {
            x = self.convolved(&x)?;
        }
        let normal = self.self_attn_layer_norm.call(&x)?;
        let masks = AttentionMasks::new().key_padding_mask(key_padding_mask).need_weights(false);
        let (attended, _) = self.self_attn.call((&normal, &normal, &normal, masks))?;
        x = self.self_attn_dropout.call(&attended)?.add(&x)?;
        if !self.convolution_first {
            x = self.convolved(&x)?;
        }
        let x = self.ffn2.call(&x)?.mul(0.5)?.add(&x)?;
        self.final_layer_norm.call(&x)
    }
}

/// Attention and convolution in turn, as `torchaudio.models.Conformer`: features `[batch, frames, input_dim]` and their
/// lengths `[batch]` to as many of the same. See A. Gulati et al., *Conformer: convolution-augmented transformer for
/// speech recognition*, 2020, arXiv:2005.08100.
#[derive(Module)]
pub struct Conformer {
    conformer_layers: Vec<ConformerLayer>,
}

builder! {
    /// Options of [`Conformer`].
    pub struct ConformerBuilder => Conformer;
    new {
        /// Features of a frame.
        input_dim: usize,
        /// Heads of attention.
        num_heads: usize,
        /// Numbers inside a feed-forward part.
        ffn_dim: usize,
        /// Layers.
        num_layers: usize,
        /// Frames that a convolution reaches over, an odd number.
        depthwise_conv_kernel_size: usize,
    }
    options {
        /// While training, the probability that a number is dropped; 0 unless set.
        dropout: f64 = 0.0,
        /// Normalise convolutions over one group of channels, or over the batch (unless set).
        use_group_norm: bool = false,
        /// Convolve before attention, or behind it (unless set).
        convolution_first: bool = false,
    }
}

impl Conformer {
    #[track_caller]
    fn from_builder(b: ConformerBuilder) -> Result<Self> {
        let layers = (0..b.num_layers).map(|_| ConformerLayer::new(&b)).collect::<Result<_>>()?;
        Ok(Conformer { conformer_layers: layers })
    }
}

/// True where a frame of `[batch, frames]` is behind the end of its sequence; as many frames as the longest has.
#[track_caller]
pub(super) fn padding_mask(lengths: &Tensor) -> Result<Tensor> {
    let longest = lengths.amax(..)?.item::<i64>()?;
    Tensor::arange(0, longest).device(lengths.device()).build()?.ge(&lengths.unsqueeze(1)?)
}

impl Forward<(&Tensor, &Tensor)> for Conformer {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, (input, lengths): (&Tensor, &Tensor)) -> Result<(Tensor, Tensor)> {
        ensure!(
            input.rank() == 3 && lengths.rank() == 1 && lengths.numel() > 0 && lengths.shape()[0] == input.shape()[0],
            Shape,
            "Conformer",
            "the input is [batch, frames, features], lengths [batch]; these are {:?} and {:?}",
            input.shape(),
            lengths.shape()
        );
        let mask = padding_mask(lengths)?;
        ensure!(
            mask.shape()[1] == input.shape()[1],
            Shape,
            "Conformer",
            "the longest of the lengths is {}, the input {:?} has {} frames",
            mask.shape()[1],
            input.shape(),
            input.shape()[1]
        );
        let mut x = input.transpose(0, 1)?;
        for layer in &self.conformer_layers {
            x = layer.call((&x, Some(&mask)))?;
        }
        Ok((x.transpose(0, 1)?, lengths.clone()))
    }
}
