//! Residual networks for videos ("A Closer Look at Spatiotemporal Convolutions for Action Recognition", D. Tran et al.,
//! 2018).

use crate::models::builder::{model_builder, model_functions};
use crate::ops::chains;
use flambeau_nn::{
    AdaptiveAvgPool3d, BatchNorm3d, Call, Conv3d, Forward, Layer, Linear, Module, ReLU, Sequential, init, named_module,
};
use flambeau_tensor::{Result, Tensor};

macro_rules! convolutions {
    ($($(#[$doc:meta])* $Name:ident, $frames:literal;)*) => {$(
        $(#[$doc])*
        struct $Name(Conv3d);
        named_module!($Name, |conv| conv.extra_repr());

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                self.0.forward(x)
            }
        }

        impl $Name {
            #[track_caller]
            fn new(from: usize, to: usize, stride: usize) -> Result<Self> {
                let along = |frames: usize, others: usize| if $frames == 3 { others } else { frames };
                let conv = Conv3d::new(from, to, [$frames, 3, 3]).stride([along(1, stride), stride, stride]);
                conv.padding([along(0, 1), 1, 1]).bias(false).build().map($Name)
            }
        }
    )*};
}
convolutions! {
    /// Over space and time.
    Conv3DSimple, 3;
    /// Over space alone.
    Conv3DNoTemporal, 1;
}

chains! {
    /// Over space, then over time.
    Conv2Plus1D
    /// The first layers, over space and time at once.
    BasicStem
    /// The first layers, over space, then over time.
    R2Plus1dStem
}

/// A convolution over space by `[1, size, size]` and one over time by `[3, 1, 1]`, `between` channels in between.
#[track_caller]
fn space_and_time(from: usize, between: usize, to: usize, size: usize, strides: [usize; 2]) -> Result<Sequential> {
    let [space, time] = strides;
    let (over_space, over_time) = (Conv3d::new(from, between, [1, size, size]), Conv3d::new(between, to, [3, 1, 1]));
    Sequential::of((
        over_space.stride([1, space, space]).padding([0, size / 2, size / 2]).bias(false),
        BatchNorm3d::new(between),
        ReLU::new().inplace(true),
        over_time.stride([time, 1, 1]).padding([1, 0, 0]).bias(false),
    ))
}

/// How the convolutions of a layer go over frames.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    SpaceTime,
    Space,
    SpaceThenTime,
}

impl Over {
    #[track_caller]
    fn conv(self, from: usize, to: usize, between: usize, stride: usize) -> Result<Box<dyn Layer>> {
        Ok(match self {
            Over::SpaceTime => Box::new(Conv3DSimple::new(from, to, stride)?),
            Over::Space => Box::new(Conv3DNoTemporal::new(from, to, stride)?),
            Over::SpaceThenTime => {
                Box::new(Conv2Plus1D::from_chain(space_and_time(from, between, to, 3, [stride, stride])?))
            }
        })
    }
}

/// Two convolutions and what goes around them.
#[derive(Module)]
struct BasicBlock {
    conv1: Sequential,
    conv2: Sequential,
    relu: ReLU,
    downsample: Option<Sequential>,
}

impl BasicBlock {
    #[track_caller]
    fn new(from: usize, to: usize, over: Over, stride: usize) -> Result<Self> {
        let downsample = if stride != 1 || from != to {
            let frames = if over == Over::Space { 1 } else { stride };
            let conv = Conv3d::new(from, to, 1).stride([frames, stride, stride]).bias(false);
            Some(Sequential::of((conv, BatchNorm3d::new(to)))?)
        } else {
            None
        };
        let between = from * to * 27 / (from * 9 + 3 * to);
        let relu = || ReLU::new().inplace(true);
        Ok(BasicBlock {
            conv1: Sequential::of((over.conv(from, to, between, stride)?, BatchNorm3d::new(to), relu()))?,
            conv2: Sequential::of((over.conv(to, to, between, 1)?, BatchNorm3d::new(to)))?,
            relu: relu(),
            downsample,
        })
    }
}

impl Forward<&Tensor> for BasicBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv2.call(&self.conv1.call(x)?)?;
        let around = self.downsample.as_ref().map_or(Ok(x.clone()), |layer| layer.call(x))?;
        self.relu.call(&y.add(&around)?)
    }
}

/// A residual network for videos, as `torchvision.models.video.VideoResNet`; made by [`r3d_18`] and its fellows. It takes
/// videos `[N, 3, T, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct VideoResNet {
    stem: Box<dyn Layer>,
    layer1: Sequential,
    layer2: Sequential,
    layer3: Sequential,
    layer4: Sequential,
    avgpool: AdaptiveAvgPool3d,
    /// What tells the classes apart.
    pub fc: Linear,
}

impl Forward<&Tensor> for VideoResNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let layers = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        let x = layers.iter().try_fold(self.stem.call(x)?, |x, layer| layer.call(&x))?;
        self.fc.call(&self.avgpool.call(&x)?.flatten(1, -1)?)
    }
}

model_builder! {
    /// A [`VideoResNet`] about to be made.
    pub struct VideoResNetBuilder => VideoResNet;
    fixed { first: Over, others: Over }
    options {}
}

impl VideoResNetBuilder {
    #[track_caller]
    fn stem(&self) -> Result<Box<dyn Layer>> {
        let relu = || ReLU::new().inplace(true);
        if self.first == Over::SpaceThenTime {
            let mut stem = space_and_time(3, 45, 64, 7, [2, 1])?;
            stem.push(BatchNorm3d::new(64))?.push(relu())?;
            return Ok(Box::new(R2Plus1dStem::from_chain(stem)));
        }
        let conv = Conv3d::new(3, 64, [3, 7, 7]).stride([1, 2, 2]).padding([1, 3, 3]).bias(false);
        Ok(Box::new(BasicStem::from_chain(Sequential::of((conv, BatchNorm3d::new(64), relu()))?)))
    }

    fn make(&self) -> Result<VideoResNet> {
        let layer = |from: usize, to: usize, over: Over, stride: usize| {
            Sequential::of((BasicBlock::new(from, to, over, stride)?, BasicBlock::new(to, to, over, 1)?))
        };
        let model = VideoResNet {
            stem: self.stem()?,
            layer1: layer(64, 64, self.first, 1)?,
            layer2: layer(64, 128, self.others, 2)?,
            layer3: layer(128, 256, self.others, 2)?,
            layer4: layer(256, 512, self.others, 2)?,
            avgpool: AdaptiveAvgPool3d::new(1),
            fc: Linear::new(512, self.classes(400)).build()?,
        };
        for (_, parameter) in model.named_parameters() {
            if parameter.rank() == 5 {
                init::kaiming_normal_(&parameter, init::Fan::Out, init::Nonlinearity::Relu)?;
            }
        }
        init::normal_(&model.fc.weight, 0.0, 0.01)?;
        model.fc.bias.as_ref().map_or(Ok(()), |bias| init::zeros_(bias).map(drop))?;
        Ok(model)
    }
}

model_functions! { VideoResNetBuilder:
    /// ResNet-18 whose convolutions go over space and time.
    r3d_18(Over::SpaceTime, Over::SpaceTime);
    /// ResNet-18 whose first layer goes over space and time, the others over space.
    mc3_18(Over::SpaceTime, Over::Space);
    /// ResNet-18 whose convolutions go over space, then over time.
    r2plus1d_18(Over::SpaceThenTime, Over::SpaceThenTime);
}
