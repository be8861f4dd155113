//! MNASNet ("MnasNet: Platform-Aware Neural Architecture Search for Mobile", M. Tan et al., 2019).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use flambeau_nn::{BatchNorm2d, Call, Conv2d, Dropout, Forward, Linear, Module, ReLU, Sequential, init};
use flambeau_tensor::{Result, Tensor};

const MOMENTUM: f64 = 1.0 - 0.9997;

fn norm(channels: usize) -> flambeau_nn::BatchNorm2dBuilder {
    BatchNorm2d::new(channels).momentum(MOMENTUM)
}

/// More channels, each convolved by itself, then few again.
#[derive(Module)]
#[module(name = "_InvertedResidual")]
struct InvertedResidual {
    layers: Sequential,
    apply_residual: bool,
}

impl InvertedResidual {
    #[track_caller]
    fn new(from: usize, to: usize, kernel: usize, stride: usize, expansion: usize) -> Result<Self> {
        let (mid, relu) = (from * expansion, || ReLU::new().inplace(true));
        let by_channel = Conv2d::new(mid, mid, kernel).padding(kernel / 2).stride(stride).groups(mid).bias(false);
        Ok(InvertedResidual {
            layers: Sequential::of((
                Conv2d::new(from, mid, 1).bias(false),
                norm(mid),
                relu(),
                by_channel,
                norm(mid),
                relu(),
                Conv2d::new(mid, to, 1).bias(false),
                norm(to),
            ))?,
            apply_residual: from == to && stride == 1,
        })
    }
}

impl Forward<&Tensor> for InvertedResidual {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.layers.call(x)?;
        if self.apply_residual { y.add(x) } else { Ok(y) }
    }
}

/// Stages of inverted residual blocks, as `torchvision.models.MNASNet`; made by [`mnasnet1_0`] and its fellows. It takes
/// images `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct MNASNet {
    layers: Sequential,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for MNASNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.layers.call(x)?.mean([2, 3])?)
    }
}

model_builder! {
    /// An [`MNASNet`] about to be made.
    pub struct MNASNetBuilder => MNASNet;
    fixed { alpha: f64 }
    options {
        /// The probability of dropping a number before the last layer; 0.2 unless set.
        dropout: f64 = 0.2,
    }
}

/// `channels` times `alpha`, a multiple of eight, not more than a tenth less.
fn scaled(channels: usize, alpha: f64) -> usize {
    let value = channels as f64 * alpha;
    let nearest = ((value + 4.0) as usize / 8 * 8).max(8);
    if nearest as f64 >= 0.9 * value { nearest } else { nearest + 8 }
}

impl MNASNetBuilder {
    fn make(&self) -> Result<MNASNet> {
        let d = [32, 16, 24, 40, 80, 96, 192, 320].map(|channels| scaled(channels, self.alpha));
        let relu = || ReLU::new().inplace(true);
        let stack = |from: usize, to: usize, kernel: usize, stride: usize, expansion: usize, blocks: usize| {
            let mut stack = Sequential::new();
            for i in 0..blocks {
                let (from, stride) = if i == 0 { (from, stride) } else { (to, 1) };
                stack.push(InvertedResidual::new(from, to, kernel, stride, expansion)?)?;
            }
            Ok::<_, flambeau_tensor::Error>(stack)
        };
        let layers = Sequential::of((
            Conv2d::new(3, d[0], 3).padding(1).stride(2).bias(false),
            norm(d[0]),
            relu(),
            Conv2d::new(d[0], d[0], 3).padding(1).groups(d[0]).bias(false),
            norm(d[0]),
            relu(),
            Conv2d::new(d[0], d[1], 1).bias(false),
            norm(d[1]),
        ))?;
        let layers = layers
            .add(stack(d[1], d[2], 3, 2, 3, 3)?)?
            .add(stack(d[2], d[3], 5, 2, 3, 3)?)?
            .add(stack(d[3], d[4], 5, 2, 6, 3)?)?
            .add(stack(d[4], d[5], 3, 1, 6, 2)?)?
            .add(stack(d[5], d[6], 5, 2, 6, 4)?)?
            .add(stack(d[6], d[7], 3, 1, 6, 1)?)?
            .add(Conv2d::new(d[7], 1280, 1).bias(false))?
            .add(norm(1280))?
            .add(relu())?;
        let dropout = Dropout::new(self.dropout).inplace(true);
        let classifier = Sequential::of((dropout, Linear::new(1280, self.classes(1000))))?;
        let model = MNASNet { layers, classifier };
        fill(&model, |layer| {
            match &layer {
                Weighted::Conv2d(conv) => {
                    init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::Relu)?
                }
                Weighted::Linear(linear) => {
                    init::kaiming_uniform_(&linear.weight, init::Fan::Out, init::Nonlinearity::Sigmoid)?
                }
            };
            layer.without_bias()
        })?;
        Ok(model)
    }
}

model_functions! { MNASNetBuilder:
    /// MNASNet, half as wide.
    mnasnet0_5(0.5);
    /// MNASNet, three quarters as wide.
    mnasnet0_75(0.75);
    /// MNASNet.
    mnasnet1_0(1.0);
    /// MNASNet, 1.3 times as wide.
    mnasnet1_3(1.3);
}
