//! What wav2vec 2.0 hears with: convolutions from samples to features.

use flambeau_nn::functional::gelu;
use flambeau_nn::{Call, Conv1d, Forward, GroupNorm, LayerNorm, Module};
use flambeau_tensor::{Device, Result, Tensor, ensure};

/// Where features are normalised on their way from samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtractorMode {
    /// Behind the first convolution alone, each channel over time.
    #[default]
    GroupNorm,
    /// Behind every convolution, each step over the channels.
    LayerNorm,
}

/// Channels, kernel and stride of a convolution.
pub type ConvLayer = (usize, usize, usize);

/// What all published networks have.
pub(super) const CONV_LAYERS: [ConvLayer; 7] =
    [(512, 10, 5), (512, 3, 2), (512, 3, 2), (512, 3, 2), (512, 3, 2), (512, 2, 2), (512, 2, 2)];

enum Norm {
    Group(GroupNorm),
    Layer(LayerNorm),
}

one_of!(Norm: Group, Layer);

impl Norm {
    /// Of `[batch, channels, steps]`.
    #[track_caller]
    fn normalised(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Norm::Group(norm) => norm.call(x),
            Norm::Layer(norm) => norm.call(&x.transpose(-2, -1)?)?.transpose(-2, -1),
        }
    }
}

#[derive(Module)]
pub(super) struct ConvLayerBlock {
    layer_norm: Option<Norm>,
    pub(super) conv: Conv1d,
    kernel_size: usize,
    stride: usize,
}

/// Signals `[batch, samples]` with their lengths to features `[batch, steps, features]` with theirs.
#[derive(Module)]
pub(super) struct FeatureExtractor {
    pub(super) conv_layers: Vec<ConvLayerBlock>,
}

impl FeatureExtractor {
    #[track_caller]
    pub(super) fn new(mode: ExtractorMode, layers: &[ConvLayer], bias: bool, device: Device) -> Result<Self> {
        let mut channels = 1;
        let mut conv_layers = Vec::with_capacity(layers.len());
        for (i, &(out, kernel_size, stride)) in layers.iter().enumerate() {
            let layer_norm = match mode {
                ExtractorMode::GroupNorm if i == 0 => {
                    Some(Norm::Group(GroupNorm::new(out, out).device(device).build()?))
                }
                ExtractorMode::GroupNorm => None,
                ExtractorMode::LayerNorm => Some(Norm::Layer(LayerNorm::new(out).device(device).build()?)),
            };
            let conv = Conv1d::new(channels, out, kernel_size).stride(stride).bias(bias).device(device).build()?;
            conv_layers.push(ConvLayerBlock { layer_norm, conv, kernel_size, stride });
            channels = out;
        }
        Ok(FeatureExtractor { conv_layers })
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for FeatureExtractor {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(&self, (x, lengths): (&Tensor, Option<&Tensor>)) -> Result<(Tensor, Option<Tensor>)> {
        let op = "Wav2Vec2Model";
        ensure!(x.rank() == 2, Shape, op, "signals are [batch, samples], these are {:?}", x.shape());
        if let Some(lengths) = lengths {
            let fits = *lengths.shape() == x.shape()[..1] && !lengths.dtype().is_float();
            let (dtype, shape) = (lengths.dtype(), lengths.shape());
            ensure!(
                fits,
                Shape,
                op,
                "lengths of signals {:?} are whole numbers [batch], not {dtype} {shape:?}",
                x.shape()
            );
        }
        let (mut x, mut lengths) = (x.unsqueeze(1)?, lengths.cloned());
        for layer in &self.conv_layers {
            ensure!(
                x.shape()[2] >= layer.kernel_size,
                Shape,
                op,
                "the signals are too short: {} steps are left for a kernel of {}",
                x.shape()[2],
                layer.kernel_size
            );
            x = layer.conv.call(&x)?;
            if let Some(norm) = &layer.layer_norm {
                x = norm.normalised(&x)?;
            }
            x = gelu(&x)?;
            if let Some(n) = &lengths {
                let steps = n.sub(layer.kernel_size as i64)?.floor_divide(layer.stride as i64)?.add(1i64)?;
                lengths = Some(steps.clamp_min(0)?);
            }
        }
        Ok((x.transpose(1, 2)?, lengths))
    }
}
