//! ConvNeXt ("A ConvNet for the 2020s", Z. Liu et al., 2022).

use crate::models::builder::{fill, model_builder, model_functions};
use crate::ops::{Activation, Conv2dNormActivation, LayerNorm2d, Norm, Permute, StochasticDepth, StochasticDepthMode};
use flambeau_nn::{
    AdaptiveAvgPool2d, Call, Conv2d, Flatten, Forward, GELU, LayerNorm, Linear, Module, Parameter, Sequential, init,
};
use flambeau_tensor::{Result, Tensor};

/// Each channel convolved by itself, then a perceptron at each place, weighed by channel.
#[derive(Module)]
struct CNBlock {
    layer_scale: Parameter,
    block: Sequential,
    stochastic_depth: StochasticDepth,
}

impl CNBlock {
    #[track_caller]
    fn new(dim: usize, layer_scale: f64, depth_prob: f64) -> Result<Self> {
        Ok(CNBlock {
            block: Sequential::of((
                Conv2d::new(dim, dim, 7).padding(3).groups(dim),
                Permute::new([0, 2, 3, 1]),
                LayerNorm::new(dim).eps(1e-6),
                Linear::new(dim, 4 * dim),
                GELU::new(),
                Linear::new(4 * dim, dim),
                Permute::new([0, 3, 1, 2]),
            ))?,
            layer_scale: Parameter::new(Tensor::full([dim, 1, 1], layer_scale).build()?)?,
            stochastic_depth: StochasticDepth::new(depth_prob, StochasticDepthMode::Row),
        })
    }
}

impl Forward<&Tensor> for CNBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.stochastic_depth.call(&self.block.call(x)?.mul(&self.layer_scale)?)?.add(x)
    }
}

/// Stages of blocks with large windows, as `torchvision.models.ConvNeXt`; made by [`convnext_tiny`] and its fellows. It
/// takes images `[N, 3, H, W]` with sides of 32 pixels or more and gives `[N, num_classes]`.
#[derive(Module)]
pub struct ConvNeXt {
    features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for ConvNeXt {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.avgpool.call(&self.features.call(x)?)?)
    }
}

model_builder! {
    /// A [`ConvNeXt`] about to be made.
    pub struct ConvNeXtBuilder => ConvNeXt;
    fixed { channels: [usize; 4], layers: [usize; 4] }
    options {
        /// The probability of leaving out the last block in training; earlier ones less. What the paper says unless set.
        stochastic_depth_prob: f64 = 0.1,
        /// What every block is weighed with at first; 1e-6 unless set.
        layer_scale: f64 = 1e-6,
    }
}

impl ConvNeXtBuilder {
    fn make(&self) -> Result<ConvNeXt> {
        let norm = |channels| LayerNorm2d::new(channels, 1e-6);
        let stem = Conv2dNormActivation::new(3, self.channels[0]).kernel_size(4).stride(4).padding(0);
        let mut features = Sequential::new();
        features.push(stem.norm_layer(Norm::Layer { eps: 1e-6 }).activation_layer(Activation::None).bias(true))?;
        let (blocks, mut block): (usize, usize) = (self.layers.iter().sum(), 0);
        for (i, (&channels, &layers)) in self.channels.iter().zip(&self.layers).enumerate() {
            let mut stage = Sequential::new();
            for _ in 0..layers {
                let depth_prob = self.stochastic_depth_prob * block as f64 / (blocks as f64 - 1.0);
                stage.push(CNBlock::new(channels, self.layer_scale, depth_prob)?)?;
                block += 1;
            }
            features.push(stage)?;
            if let Some(&next) = self.channels.get(i + 1) {
                features.push(Sequential::of((norm(channels)?, Conv2d::new(channels, next, 2).stride(2)))?)?;
            }
        }
        let last = self.channels[3];
        let classifier = Sequential::of((norm(last)?, Flatten::new(), Linear::new(last, self.classes(1000))))?;
        let model = ConvNeXt { features, avgpool: AdaptiveAvgPool2d::new(1), classifier };
        fill(&model, |layer| {
            init::trunc_normal_(layer.weight(), 0.0, 0.02, -2.0, 2.0)?;
            layer.without_bias()
        })?;
        Ok(model)
    }
}

model_functions! { ConvNeXtBuilder:
    /// ConvNeXt-T.
    convnext_tiny([96, 192, 384, 768], [3, 3, 9, 3]);
    /// ConvNeXt-S.
    convnext_small([96, 192, 384, 768], [3, 3, 27, 3]).stochastic_depth_prob(0.4);
    /// ConvNeXt-B.
    convnext_base([128, 256, 512, 1024], [3, 3, 27, 3]).stochastic_depth_prob(0.5);
    /// ConvNeXt-L.
    convnext_large([192, 384, 768, 1536], [3, 3, 27, 3]).stochastic_depth_prob(0.5);
}
