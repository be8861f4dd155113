//! MobileNet v2 ("MobileNetV2: Inverted Residuals and Linear Bottlenecks", M. Sandler et al., 2018).

use crate::models::builder::{fill_mobile, make_divisible, model_builder, model_functions};
use crate::ops::{Activation, Conv2dNormActivation};
use flambeau_nn::{BatchNorm2d, Call, Conv2d, Dropout, Forward, Linear, Module, Sequential};
use flambeau_tensor::{Result, Tensor};

/// More channels, each convolved by itself, then few again.
#[derive(Module)]
struct InvertedResidual {
    conv: Sequential,
    use_res_connect: bool,
}

impl InvertedResidual {
    #[track_caller]
    fn new(from: usize, to: usize, stride: usize, expand_ratio: usize) -> Result<Self> {
        let hidden = from * expand_ratio;
        let mut conv = Sequential::new();
        if expand_ratio != 1 {
            conv.push(Conv2dNormActivation::new(from, hidden).kernel_size(1).activation_layer(Activation::Relu6))?;
        }
        let by_channel = Conv2dNormActivation::new(hidden, hidden).stride(stride).groups(hidden);
        conv.push(by_channel.activation_layer(Activation::Relu6))?
            .push(Conv2d::new(hidden, to, 1).bias(false))?
            .push(BatchNorm2d::new(to))?;
        Ok(InvertedResidual { conv, use_res_connect: stride == 1 && from == to })
    }
}

impl Forward<&Tensor> for InvertedResidual {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv.call(x)?;
        if self.use_res_connect { x.add(&y) } else { Ok(y) }
    }
}

/// A chain of inverted residual blocks, as `torchvision.models.MobileNetV2`; made by [`mobilenet_v2`]. It takes images
/// `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct MobileNetV2 {
    /// The blocks.
    pub features: Sequential,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for MobileNetV2 {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.features.call(x)?.adaptive_avg_pool2d([1, 1])?.flatten(1, -1)?)
    }
}

model_builder! {
    /// A [`MobileNetV2`] about to be made.
    pub struct MobileNetV2Builder => MobileNetV2;
    fixed {}
    options {
        /// The number of channels in units of the paper's; 1 unless set.
        width_mult: f64 = 1.0,
        /// What every number of channels is a multiple of; 8 unless set.
        round_nearest: usize = 8,
        /// The probability of dropping a number before the last layer; 0.2 unless set.
        dropout: f64 = 0.2,
    }
}

/// Expansion, channels, repetitions and stride of each stage.
const STAGES: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

impl MobileNetV2Builder {
    fn make(&self) -> Result<MobileNetV2> {
        flambeau_tensor::ensure!(
            self.round_nearest > 0 && self.width_mult > 0.0 && self.width_mult < 1000.0,
            Argument,
            self.name,
            "width_mult {} and round_nearest {} leave no channels, or too many",
            self.width_mult,
            self.round_nearest
        );
        let wide = |channels: usize, by: f64| make_divisible(channels as f64 * by, self.round_nearest);
        let (mut channels, last) = (wide(32, self.width_mult), wide(1280, self.width_mult.max(1.0)));
        let mut features = Sequential::new();
        features.push(Conv2dNormActivation::new(3, channels).stride(2).activation_layer(Activation::Relu6))?;
        for (expand_ratio, c, repetitions, stride) in STAGES {
            let to = wide(c, self.width_mult);
            for i in 0..repetitions {
                features.push(InvertedResidual::new(channels, to, if i == 0 { stride } else { 1 }, expand_ratio)?)?;
                channels = to;
            }
        }
        features.push(Conv2dNormActivation::new(channels, last).kernel_size(1).activation_layer(Activation::Relu6))?;
        let classifier = Sequential::of((Dropout::new(self.dropout), Linear::new(last, self.classes(1000))))?;
        let model = MobileNetV2 { features, classifier };
        fill_mobile(&model)?;
        Ok(model)
    }
}

model_functions! { MobileNetV2Builder:
    /// MobileNet v2.
    mobilenet_v2();
}
