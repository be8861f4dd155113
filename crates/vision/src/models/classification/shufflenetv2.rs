//! ShuffleNet v2 ("ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", N. Ma et al., 2018).

use crate::models::builder::{model_builder, model_functions};
use flambeau_nn::{BatchNorm2d, Call, Conv2d, Forward, Linear, MaxPool2d, Module, ReLU, Sequential};
use flambeau_tensor::{Result, Tensor, cat};

/// Half of the channels convolved, the other half not (or less), then shuffled.
#[derive(Module)]
struct InvertedResidual {
    branch1: Sequential,
    branch2: Sequential,
    stride: usize,
}

impl InvertedResidual {
    #[track_caller]
    fn new(from: usize, to: usize, stride: usize) -> Result<Self> {
        let half = to / 2;
        let by_channel =
            |channels: usize| Conv2d::new(channels, channels, 3).stride(stride).padding(1).groups(channels).bias(false);
        let by_place = |from: usize| Conv2d::new(from, half, 1).bias(false);
        let (norm, relu) = (BatchNorm2d::new, || ReLU::new().inplace(true));
        Ok(InvertedResidual {
            branch1: match stride {
                1 => Sequential::new(),
                _ => Sequential::of((by_channel(from), norm(from), by_place(from), norm(half), relu()))?,
            },
            branch2: Sequential::of((
                by_place(if stride > 1 { from } else { half }),
                norm(half),
                relu(),
                by_channel(half),
                norm(half),
                by_place(half),
                norm(half),
                relu(),
            ))?,
            stride,
        })
    }
}

impl Forward<&Tensor> for InvertedResidual {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let halves = if self.stride == 1 {
            let channels = x.size(1)?;
            let half = channels.div_ceil(2);
            [x.narrow(1, 0, half)?, self.branch2.call(&x.narrow(1, half as isize, channels - half)?)?]
        } else {
            [self.branch1.call(x)?, self.branch2.call(x)?]
        };
        cat(&halves, 1)?.channel_shuffle(2)
    }
}

/// Stages of blocks that shuffle channels, as `torchvision.models.ShuffleNetV2`; made by [`shufflenet_v2_x1_0`] and its
/// fellows. It takes images `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct ShuffleNetV2 {
    conv1: Sequential,
    maxpool: MaxPool2d,
    stage2: Sequential,
    stage3: Sequential,
    stage4: Sequential,
    conv5: Sequential,
    /// What tells the classes apart.
    pub fc: Linear,
}

impl Forward<&Tensor> for ShuffleNetV2 {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.stage2.call(&self.maxpool.call(&self.conv1.call(x)?)?)?;
        let x = self.conv5.call(&self.stage4.call(&self.stage3.call(&x)?)?)?;
        self.fc.call(&x.mean([2, 3])?)
    }
}

model_builder! {
    /// A [`ShuffleNetV2`] about to be made.
    pub struct ShuffleNetV2Builder => ShuffleNetV2;
    fixed { channels: [usize; 5] }
    options {}
}

impl ShuffleNetV2Builder {
    fn make(&self) -> Result<ShuffleNetV2> {
        let [stem, c2, c3, c4, last] = self.channels;
        let stage = |from: usize, to: usize, blocks: usize| {
            let mut stage = Sequential::new();
            for i in 0..blocks {
                stage.push(if i == 0 {
                    InvertedResidual::new(from, to, 2)
                } else {
                    InvertedResidual::new(to, to, 1)
                }?)?;
            }
            Ok::<_, flambeau_tensor::Error>(stage)
        };
        let relu = || ReLU::new().inplace(true);
        let first = Conv2d::new(3, stem, 3).stride(2).padding(1).bias(false);
        Ok(ShuffleNetV2 {
            conv1: Sequential::of((first, BatchNorm2d::new(stem), relu()))?,
            maxpool: MaxPool2d::new(3).stride(2).padding(1).build()?,
            stage2: stage(stem, c2, 4)?,
            stage3: stage(c2, c3, 8)?,
            stage4: stage(c3, c4, 4)?,
            conv5: Sequential::of((Conv2d::new(c4, last, 1).bias(false), BatchNorm2d::new(last), relu()))?,
            fc: Linear::new(last, self.classes(1000)).build()?,
        })
    }
}

model_functions! { ShuffleNetV2Builder:
    /// ShuffleNet v2, half as wide.
    shufflenet_v2_x0_5([24, 48, 96, 192, 1024]);
    /// ShuffleNet v2.
    shufflenet_v2_x1_0([24, 116, 232, 464, 1024]);
    /// ShuffleNet v2, one and a half times as wide.
    shufflenet_v2_x1_5([24, 176, 352, 704, 1024]);
    /// ShuffleNet v2, twice as wide.
    shufflenet_v2_x2_0([24, 244, 488, 976, 2048]);
}
