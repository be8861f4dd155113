//! EfficientNet ("EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", M. Tan & Q. Le, 2019) and
//! EfficientNetV2 ("EfficientNetV2: Smaller Models and Faster Training", 2021).

use crate::models::builder::{Weighted, fill, make_divisible, model_builder, model_functions};
use crate::ops::{Activation, Conv2dNormActivation, Norm, SqueezeExcitation, StochasticDepth, StochasticDepthMode};
use flambeau_nn::{AdaptiveAvgPool2d, Call, Dropout, Forward, Linear, Module, Sequential, init};
use flambeau_tensor::{Result, Tensor};

/// A stage: blocks of one kind.
#[derive(Clone, Copy, Debug)]
struct Stage {
    fused: bool,
    expand_ratio: usize,
    kernel: usize,
    stride: usize,
    input_channels: usize,
    out_channels: usize,
    num_layers: usize,
}

macro_rules! blocks {
    ($($(#[$doc:meta])* $Name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        struct $Name {
            block: Sequential,
            stochastic_depth: StochasticDepth,
            use_res_connect: bool,
        }

        impl $Name {
            fn around(block: Sequential, stage: &Stage, depth_prob: f64) -> Self {
                $Name {
                    block,
                    stochastic_depth: StochasticDepth::new(depth_prob, StochasticDepthMode::Row),
                    use_res_connect: stage.stride == 1 && stage.input_channels == stage.out_channels,
                }
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let y = self.block.call(x)?;
                if self.use_res_connect { self.stochastic_depth.call(&y)?.add(x) } else { Ok(y) }
            }
        }
    )*};
}
blocks! {
    /// More channels, each convolved by itself and weighed, then few again.
    MBConv;
    /// More channels by one convolution of all, then few again.
    FusedMBConv;
}

impl Stage {
    #[track_caller]
    fn push_block(&self, layers: &mut Sequential, depth_prob: f64, norm: Norm) -> Result<()> {
        let conv = |from, to, kernel| {
            let conv = Conv2dNormActivation::new(from, to).kernel_size(kernel).norm_layer(norm);
            conv.activation_layer(Activation::Silu)
        };
        let (from, to) = (self.input_channels, self.out_channels);
        let expanded = make_divisible((from * self.expand_ratio) as f64, 8);
        let mut block = Sequential::new();
        if self.fused {
            if expanded != from {
                block.push(conv(from, expanded, self.kernel).stride(self.stride))?;
                block.push(conv(expanded, to, 1).activation_layer(Activation::None))?;
            } else {
                block.push(conv(from, to, self.kernel).stride(self.stride))?;
            }
            return layers.push(FusedMBConv::around(block, self, depth_prob)).map(drop);
        }
        if expanded != from {
            block.push(conv(from, expanded, 1))?;
        }
        block.push(conv(expanded, expanded, self.kernel).stride(self.stride).groups(expanded))?;
        let squeeze = SqueezeExcitation::new(expanded, (from / 4).max(1));
        block.push(squeeze.activation(Activation::Silu).inplace(true))?;
        block.push(conv(expanded, to, 1).activation_layer(Activation::None))?;
        layers.push(MBConv::around(block, self, depth_prob)).map(drop)
    }
}

/// Stages of inverted residual blocks, as `torchvision.models.EfficientNet`; made by [`efficientnet_b0`] and its
/// fellows. It takes images `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct EfficientNet {
    features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for EfficientNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.avgpool.call(&self.features.call(x)?)?.flatten(1, -1)?)
    }
}

/// Which stages a network has.
#[derive(Clone, Copy, Debug)]
enum Stages {
    /// those of the first paper, wider and deeper
    Scaled { width: f64, depth: f64 },
    /// those of the second paper
    Listed(&'static [Stage]),
}

/// The stages of EfficientNet-B0.
const FIRST: [Stage; 7] = [
    mb(1, 3, 1, 32, 16, 1),
    mb(6, 3, 2, 16, 24, 2),
    mb(6, 5, 2, 24, 40, 2),
    mb(6, 3, 2, 40, 80, 3),
    mb(6, 5, 1, 80, 112, 3),
    mb(6, 5, 2, 112, 192, 4),
    mb(6, 3, 1, 192, 320, 1),
];

const V2_S: &[Stage] = &[
    fused(1, 3, 1, 24, 24, 2),
    fused(4, 3, 2, 24, 48, 4),
    fused(4, 3, 2, 48, 64, 4),
    mb(4, 3, 2, 64, 128, 6),
    mb(6, 3, 1, 128, 160, 9),
    mb(6, 3, 2, 160, 256, 15),
];

const V2_M: &[Stage] = &[
    fused(1, 3, 1, 24, 24, 3),
    fused(4, 3, 2, 24, 48, 5),
    fused(4, 3, 2, 48, 80, 5),
    mb(4, 3, 2, 80, 160, 7),
    mb(6, 3, 1, 160, 176, 14),
    mb(6, 3, 2, 176, 304, 18),
    mb(6, 3, 1, 304, 512, 5),
];

const V2_L: &[Stage] = &[
    fused(1, 3, 1, 32, 32, 4),
    fused(4, 3, 2, 32, 64, 7),
    fused(4, 3, 2, 64, 96, 7),
    mb(4, 3, 2, 96, 192, 10),
    mb(6, 3, 1, 192, 224, 19),
    mb(6, 3, 2, 224, 384, 25),
    mb(6, 3, 1, 384, 640, 7),
];

const fn mb(expand_ratio: usize, kernel: usize, stride: usize, from: usize, to: usize, num_layers: usize) -> Stage {
    Stage { fused: false, expand_ratio, kernel, stride, input_channels: from, out_channels: to, num_layers }
}

const fn fused(expand_ratio: usize, kernel: usize, stride: usize, from: usize, to: usize, num_layers: usize) -> Stage {
    Stage { fused: true, expand_ratio, kernel, stride, input_channels: from, out_channels: to, num_layers }
}

impl Stages {
    fn list(self) -> Vec<Stage> {
        match self {
            Stages::Listed(stages) => stages.to_vec(),
            Stages::Scaled { width, depth } => FIRST
                .iter()
                .map(|stage| Stage {
                    input_channels: make_divisible(stage.input_channels as f64 * width, 8),
                    out_channels: make_divisible(stage.out_channels as f64 * width, 8),
                    num_layers: (stage.num_layers as f64 * depth).ceil() as usize,
                    ..*stage
                })
                .collect(),
        }
    }
}

model_builder! {
    /// An [`EfficientNet`] about to be made.
    pub struct EfficientNetBuilder => EfficientNet;
    fixed { stages: Stages }
    options {
        /// The probability of dropping a number before the last layer; what the paper says unless set.
        dropout: f64 = 0.2,
        /// The probability of leaving out the last block in training; earlier ones less. 0.2 unless set.
        stochastic_depth_prob: f64 = 0.2,
        /// What follows the convolutions; batch normalisation unless set.
        norm_layer: Norm = Norm::default(),
    }
}

impl EfficientNetBuilder {
    fn make(&self) -> Result<EfficientNet> {
        let conv = |from, to| {
            Conv2dNormActivation::new(from, to).norm_layer(self.norm_layer).activation_layer(Activation::Silu)
        };
        let stages = self.stages.list();
        let blocks: usize = stages.iter().map(|stage| stage.num_layers).sum();
        let mut features = Sequential::new();
        features.push(conv(3, stages[0].input_channels).stride(2))?;
        let mut block = 0;
        for stage in &stages {
            let mut layers = Sequential::new();
            for i in 0..stage.num_layers {
                let later = Stage { input_channels: stage.out_channels, stride: 1, ..*stage };
                let depth_prob = self.stochastic_depth_prob * block as f64 / blocks as f64;
                if i == 0 { stage } else { &later }.push_block(&mut layers, depth_prob, self.norm_layer)?;
                block += 1;
            }
            features.push(layers)?;
        }
        let from = stages[stages.len() - 1].out_channels;
        let last = if matches!(self.stages, Stages::Listed(_)) { 1280 } else { 4 * from };
        features.push(conv(from, last).kernel_size(1))?;
        let model = EfficientNet {
            features,
            avgpool: AdaptiveAvgPool2d::new(1),
            classifier: Sequential::of((
                Dropout::new(self.dropout).inplace(true),
                Linear::new(last, self.classes(1000)),
            ))?,
        };
        fill(&model, |layer| {
            match &layer {
                Weighted::Conv2d(conv) => {
                    init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::default())?
                }
                Weighted::Linear(linear) => {
                    let bound = 1.0 / (linear.weight.shape()[0] as f64).sqrt();
                    init::uniform_(&linear.weight, -bound, bound)?
                }
            };
            layer.without_bias()
        })?;
        Ok(model)
    }
}

/// What the large networks of the first paper normalise with.
const SLOW: Norm = Norm::Batch { eps: 0.001, momentum: 0.01 };
/// What those of the second paper normalise with.
const SECOND: Norm = Norm::Batch { eps: 0.001, momentum: 0.1 };

model_functions! { EfficientNetBuilder:
    /// EfficientNet-B0.
    efficientnet_b0(Stages::Scaled { width: 1.0, depth: 1.0 });
    /// EfficientNet-B1.
    efficientnet_b1(Stages::Scaled { width: 1.0, depth: 1.1 });
    /// EfficientNet-B2.
    efficientnet_b2(Stages::Scaled { width: 1.1, depth: 1.2 }).dropout(0.3);
    /// EfficientNet-B3.
    efficientnet_b3(Stages::Scaled { width: 1.2, depth: 1.4 }).dropout(0.3);
    /// EfficientNet-B4.
    efficientnet_b4(Stages::Scaled { width: 1.4, depth: 1.8 }).dropout(0.4);
    /// EfficientNet-B5.
    efficientnet_b5(Stages::Scaled { width: 1.6, depth: 2.2 }).dropout(0.4).norm_layer(SLOW);
    /// EfficientNet-B6.
    efficientnet_b6(Stages::Scaled { width: 1.8, depth: 2.6 }).dropout(0.5).norm_layer(SLOW);
    /// EfficientNet-B7.
    efficientnet_b7(Stages::Scaled { width: 2.0, depth: 3.1 }).dropout(0.5).norm_layer(SLOW);
    /// EfficientNetV2-S.
    efficientnet_v2_s(Stages::Listed(V2_S)).norm_layer(SECOND);
    /// EfficientNetV2-M.
    efficientnet_v2_m(Stages::Listed(V2_M)).dropout(0.3).norm_layer(SECOND);
    /// EfficientNetV2-L.
    efficientnet_v2_l(Stages::Listed(V2_L)).dropout(0.4).norm_layer(SECOND);
}
