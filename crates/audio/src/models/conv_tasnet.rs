//! Conv-TasNet.

use flambeau_nn::{Call, Conv1d, ConvTranspose1d, Forward, GroupNorm, Module, PReLU, Sequential};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// What keeps masks from being negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MaskActivation {
    #[default]
    Sigmoid,
    Relu,
}

/// A convolution over each channel between two over all, whose outputs go on and out.
#[derive(Module)]
struct ConvBlock {
    conv_layers: Sequential,
    res_out: Option<Conv1d>,
    skip_out: Conv1d,
}

impl ConvBlock {
    #[track_caller]
    fn new(channels: usize, hidden: usize, kernel: usize, dilation: usize, last: bool) -> Result<Self> {
        let depthwise = Conv1d::new(hidden, hidden, kernel).padding(dilation).dilation(dilation).groups(hidden);
        let norm = || GroupNorm::new(1, hidden).eps(1e-8);
        Ok(ConvBlock {
            conv_layers: Sequential::of((
                Conv1d::new(channels, hidden, 1),
                PReLU::new(),
                norm(),
                depthwise,
                PReLU::new(),
                norm(),
            ))?,
            // What the last gives goes out alone.
            res_out: (!last).then(|| Conv1d::new(hidden, channels, 1).build()).transpose()?,
            skip_out: Conv1d::new(hidden, channels, 1).build()?,
        })
    }
}

impl Forward<&Tensor> for ConvBlock {
    type Output = (Option<Tensor>, Tensor);

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<(Option<Tensor>, Tensor)> {
        let feature = self.conv_layers.call(x)?;
        let residual = self.res_out.as_ref().map(|out| out.call(&feature)).transpose()?;
        Ok((residual, self.skip_out.call(&feature)?))
    }
}

/// A mask for each source: `[batch, features, frames]` to `[batch, sources, features, frames]`.
#[derive(Module)]
struct MaskGenerator {
    input_norm: GroupNorm,
    input_conv: Conv1d,
    conv_layers: Vec<ConvBlock>,
    output_prelu: PReLU,
    output_conv: Conv1d,
    mask_activate: MaskActivation,
    input_dim: usize,
    num_sources: usize,
}

impl MaskGenerator {
    #[track_caller]
    fn new(b: &ConvTasNetBuilder) -> Result<Self> {
        let (features, channels) = (b.enc_num_feats, b.msk_num_feats);
        let (input_norm, input_conv) = (GroupNorm::new(1, features).eps(1e-8), Conv1d::new(features, channels, 1));
        let (input_norm, input_conv) = (input_norm.build()?, input_conv.build()?);
        let all = b.msk_num_stacks * b.msk_num_layers;
        let block = |i: usize| {
            let dilation = 1usize << (i % b.msk_num_layers);
            ConvBlock::new(channels, b.msk_num_hidden_feats, b.msk_kernel_size, dilation, i + 1 == all)
        };
        Ok(MaskGenerator {
            input_norm,
            input_conv,
            conv_layers: (0..all).map(block).collect::<Result<_>>()?,
            output_prelu: PReLU::new().build()?,
            output_conv: Conv1d::new(channels, features * b.num_sources, 1).build()?,
            mask_activate: b.msk_activate,
            input_dim: features,
            num_sources: b.num_sources,
        })
    }
}

impl Forward<&Tensor> for MaskGenerator {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut features = self.input_conv.call(&self.input_norm.call(x)?)?;
        let mut output: Option<Tensor> = None;
        for block in &self.conv_layers {
            let (residual, skip) = block.call(&features)?;
            if let Some(residual) = residual {
                features = features.add(&residual)?;
            }
            output = Some(match output {
                Some(output) => output.add(&skip)?,
                None => skip,
            });
        }
        let output = self.output_conv.call(&self.output_prelu.call(&output.unwrap_or(features))?)?;
        let mask = match self.mask_activate {
            MaskActivation::Sigmoid => output.sigmoid()?,
            MaskActivation::Relu => output.relu()?,
        };
        mask.reshape([x.shape()[0], self.num_sources, self.input_dim, mask.size(-1)?])
    }
}

/// Separates speakers by masks over learned features, as `torchaudio.models.ConvTasNet`: `[batch, 1, frames]` to `[batch,
/// num_sources, frames]`. See Y. Luo and N. Mesgarani, *Conv-TasNet: surpassing ideal time-frequency magnitude masking for
/// speech separation*, 2019, arXiv:1809.07454.
#[derive(Module)]
pub struct ConvTasNet {
    encoder: Conv1d,
    mask_generator: MaskGenerator,
    decoder: ConvTranspose1d,
    kernel: usize,
}

builder! {
    /// Options of [`ConvTasNet`].
    pub struct ConvTasNetBuilder => ConvTasNet;
    new {}
    options {
        /// Sources to separate, 2 unless set.
        num_sources: usize = 2,
        /// Samples of a window, 16 unless set; they are half a window apart.
        enc_kernel_size: usize = 16,
        /// Features of a window, 512 unless set.
        enc_num_feats: usize = 512,
        /// Windows that a convolution reaches over, 3 unless set.
        msk_kernel_size: usize = 3,
        /// Channels between blocks, 128 unless set.
        msk_num_feats: usize = 128,
        /// Channels within a block, 512 unless set.
        msk_num_hidden_feats: usize = 512,
        /// Blocks of a stack, each of twice the dilation of the one before; 8 unless set.
        msk_num_layers: usize = 8,
        /// Stacks, 3 unless set.
        msk_num_stacks: usize = 3,
        /// What keeps masks from being negative, the logistic function unless set.
        msk_activate: MaskActivation = MaskActivation::Sigmoid,
    }
}

impl ConvTasNet {
    #[track_caller]
    fn from_builder(b: ConvTasNetBuilder) -> Result<Self> {
        ensure!(
            b.enc_kernel_size >= 2 && b.num_sources > 0 && (1..32).contains(&b.msk_num_layers) && b.msk_num_stacks > 0,
            Argument,
            "ConvTasNet",
            "enc_kernel_size {} must be 2 at least, {} sources, {} layers (31 at most) and {} stacks 1",
            b.enc_kernel_size,
            b.num_sources,
            b.msk_num_layers,
            b.msk_num_stacks
        );
        let (kernel, features) = (b.enc_kernel_size, b.enc_num_feats);
        let stride = kernel / 2;
        Ok(ConvTasNet {
            encoder: Conv1d::new(1, features, kernel).stride(stride).padding(stride).bias(false).build()?,
            mask_generator: MaskGenerator::new(&b)?,
            decoder: ConvTranspose1d::new(features, 1, kernel).stride(stride).padding(stride).bias(false).build()?,
            kernel,
        })
    }
}

impl Forward<&Tensor> for ConvTasNet {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ensure!(
            x.rank() == 3 && x.shape()[1] == 1,
            Shape,
            "ConvTasNet",
            "the input is [batch, 1, frames], this is {:?}",
            x.shape()
        );
        let (batch, frames, stride) = (x.shape()[0], x.shape()[2], self.kernel / 2);
        ensure!(frames > 0, Shape, "ConvTasNet", "the input {:?} has no frames", x.shape());
        // Whole strides, and one sample more where the window is odd.
        let rest = (frames - self.kernel % 2) % stride;
        let missing = if rest == 0 { 0 } else { stride - rest };
        let padded = if missing == 0 { x.clone() } else { x.pad(&[0, missing as isize], 0.0)? };
        let features = self.encoder.call(&padded)?;
        let masked = self.mask_generator.call(&features)?.mul(&features.unsqueeze(1)?)?;
        let (sources, windows) = (masked.shape()[1], masked.size(-1)?);
        let decoded = self.decoder.call(&masked.reshape([batch * sources, features.shape()[1], windows])?)?;
        decoded.reshape([batch, sources, padded.size(-1)?])?.narrow(-1, 0, frames)
    }
}

/// The network of the paper, as `torchaudio.models.conv_tasnet_base`.
///
/// # Errors
/// Where `num_sources` is 0, or there is no memory.
#[track_caller]
pub fn conv_tasnet_base(num_sources: usize) -> Result<ConvTasNet> {
    ConvTasNet::new().num_sources(num_sources).msk_activate(MaskActivation::Relu).build()
}
