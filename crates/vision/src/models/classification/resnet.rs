//! Residual networks: ResNet ("Deep Residual Learning for Image Recognition", K. He et al., 2016), ResNeXt ("Aggregated
//! Residual Transformations for Deep Neural Networks", S. Xie et al., 2017) and wide ResNet ("Wide Residual Networks",
//! S. Zagoruyko & N. Komodakis, 2016).

use crate::models::builder::{model_builder, model_functions};
use crate::ops::{FrozenBatchNorm2d, Norm};
use flambeau_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Call, Conv2d, Forward, Layer, Linear, MaxPool2d, Module, ReLU, Sequential, init,
};
use flambeau_tensor::{Result, Tensor, bail, ensure};

fn conv3x3(from: usize, to: usize, stride: usize, groups: usize, dilation: usize) -> Result<Conv2d> {
    let conv = Conv2d::new(from, to, 3).stride(stride).padding(dilation).groups(groups).bias(false).dilation(dilation);
    conv.build()
}

fn conv1x1(from: usize, to: usize, stride: usize) -> Result<Conv2d> {
    Conv2d::new(from, to, 1).stride(stride).bias(false).build()
}

/// What stands behind a convolution of `channels` outputs.
#[track_caller]
fn normalization(norm: Norm, channels: usize) -> Result<Box<dyn Layer>> {
    Ok(match norm {
        Norm::Batch { eps, momentum } => Box::new(BatchNorm2d::new(channels).eps(eps).momentum(momentum).build()?),
        Norm::Frozen { eps } => Box::new(FrozenBatchNorm2d::new(channels).eps(eps).build()?),
        other => bail!(Argument, "ResNet", "{other:?} is no batch normalisation"),
    })
}

/// Two convolutions and what went around them.
#[derive(Module)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: Box<dyn Layer>,
    relu: ReLU,
    conv2: Conv2d,
    bn2: Box<dyn Layer>,
    downsample: Option<Sequential>,
}

impl Forward<&Tensor> for BasicBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = self.relu.call(&self.bn1.call(&self.conv1.call(x)?)?)?;
        let out = self.bn2.call(&self.conv2.call(&out)?)?;
        let identity = self.downsample.as_ref().map_or_else(|| Ok(x.clone()), |down| down.call(x))?;
        self.relu.call(&out.add(&identity)?)
    }
}

/// Three convolutions, the middle one of fewer channels, and what went around them.
#[derive(Module)]
pub struct Bottleneck {
    conv1: Conv2d,
    bn1: Box<dyn Layer>,
    conv2: Conv2d,
    bn2: Box<dyn Layer>,
    conv3: Conv2d,
    bn3: Box<dyn Layer>,
    relu: ReLU,
    downsample: Option<Sequential>,
}

impl Forward<&Tensor> for Bottleneck {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = self.relu.call(&self.bn1.call(&self.conv1.call(x)?)?)?;
        let out = self.relu.call(&self.bn2.call(&self.conv2.call(&out)?)?)?;
        let out = self.bn3.call(&self.conv3.call(&out)?)?;
        let identity = self.downsample.as_ref().map_or_else(|| Ok(x.clone()), |down| down.call(x))?;
        self.relu.call(&out.add(&identity)?)
    }
}

/// A residual network, as `torchvision.models.ResNet`; made by [`resnet18`] and its fellows.
#[derive(Module)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: Box<dyn Layer>,
    relu: ReLU,
    maxpool: MaxPool2d,
    layer1: Sequential,
    layer2: Sequential,
    layer3: Sequential,
    layer4: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub fc: Linear,
}

impl ResNet {
    /// Channels of the last map.
    pub(crate) fn width(&self) -> usize {
        self.fc.weight.shape()[1]
    }

    /// What comes before the classes, as a chain: the stem in four places, then the layers 1 to `last`.
    #[track_caller]
    pub(crate) fn into_body(self, last: usize) -> Result<Sequential> {
        let mut body = Sequential::new()
            .named("conv1", self.conv1)?
            .named("bn1", self.bn1)?
            .named("relu", self.relu)?
            .named("maxpool", self.maxpool)?;
        let layers = [self.layer1, self.layer2, self.layer3, self.layer4];
        for (i, layer) in layers.into_iter().enumerate().take(last) {
            body.push_named(format!("layer{}", i + 1), layer)?;
        }
        Ok(body)
    }
}

impl Forward<&Tensor> for ResNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.maxpool.call(&self.relu.call(&self.bn1.call(&self.conv1.call(x)?)?)?)?;
        let x =
            [&self.layer1, &self.layer2, &self.layer3, &self.layer4].iter().try_fold(x, |x, layer| layer.call(&x))?;
        self.fc.call(&self.avgpool.call(&x)?.flatten(1, -1)?)
    }
}

/// Which block a network is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Basic,
    Bottleneck,
}

impl Block {
    /// Channels that go out, in units of those in between.
    fn expansion(self) -> usize {
        if self == Block::Basic { 1 } else { 4 }
    }
}

model_builder! {
    /// A [`ResNet`] about to be made.
    pub struct ResNetBuilder => ResNet;
    fixed { block: Block, layers: [usize; 4], groups: usize, width_per_group: usize }
    options {
        /// Let every block begin as what goes around it. False unless set.
        zero_init_residual: bool = false,
        /// Which of the last three layers look farther apart instead of making the map smaller. None unless set.
        replace_stride_with_dilation: [bool; 3] = [false; 3],
        /// What follows the convolutions; batch normalisation unless set.
        norm_layer: Norm = Norm::default(),
    }
}

impl ResNetBuilder {
    fn make(&self) -> Result<ResNet> {
        let op = self.name;
        let basic = self.block == Block::Basic;
        let dilated = self.replace_stride_with_dilation.contains(&true);
        ensure!(!(basic && dilated), Argument, op, "its blocks know no dilation");
        let mut stem = Stem { builder: self, inplanes: 64, dilation: 1 };
        let conv1 = Conv2d::new(3, 64, 7).stride(2).padding(3).bias(false).build()?;
        let bn1 = normalization(self.norm_layer, 64)?;
        let [d2, d3, d4] = self.replace_stride_with_dilation;
        let model = ResNet {
            conv1,
            bn1,
            relu: ReLU::new().inplace(true),
            maxpool: MaxPool2d::new(3).stride(2).padding(1).build()?,
            layer1: stem.layer(64, self.layers[0], 1, false)?,
            layer2: stem.layer(128, self.layers[1], 2, d2)?,
            layer3: stem.layer(256, self.layers[2], 2, d3)?,
            layer4: stem.layer(512, self.layers[3], 2, d4)?,
            avgpool: AdaptiveAvgPool2d::new([1, 1]),
            fc: Linear::new(512 * self.block.expansion(), self.classes(1000)).build()?,
        };
        for (_, module) in model.named_modules() {
            if let Some(conv) = module.downcast_ref::<Conv2d>() {
                init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::Relu)?;
            }
        }
        if self.zero_init_residual {
            for (_, module) in model.named_modules() {
                let last = module
                    .downcast_ref::<Bottleneck>()
                    .map(|block| &block.bn3)
                    .or_else(|| module.downcast_ref::<BasicBlock>().map(|block| &block.bn2));
                let norm = last.and_then(|norm| norm.as_module().downcast_ref::<BatchNorm2d>());
                if let Some(weight) = norm.and_then(|norm| norm.weight.as_ref()) {
                    init::zeros_(weight)?;
                }
            }
        }
        Ok(model)
    }
}

/// How far a network is built.
struct Stem<'a> {
    builder: &'a ResNetBuilder,
    inplanes: usize,
    dilation: usize,
}

impl Stem<'_> {
    #[track_caller]
    fn layer(&mut self, planes: usize, blocks: usize, stride: usize, dilate: bool) -> Result<Sequential> {
        let (before, out) = (self.dilation, planes * self.builder.block.expansion());
        let stride = if dilate {
            self.dilation *= stride;
            1
        } else {
            stride
        };
        let mut layer = Sequential::new();
        for i in 0..blocks {
            let (stride, dilation) = if i == 0 { (stride, before) } else { (1, self.dilation) };
            let downsample = if i == 0 && (stride != 1 || self.inplanes != out) {
                let norm = normalization(self.builder.norm_layer, out)?;
                Some(Sequential::of((conv1x1(self.inplanes, out, stride)?, norm))?)
            } else {
                None
            };
            self.push_block(&mut layer, planes, stride, dilation, downsample)?;
            self.inplanes = out;
        }
        Ok(layer)
    }

    #[track_caller]
    fn push_block(
        &self,
        layer: &mut Sequential,
        planes: usize,
        stride: usize,
        dilation: usize,
        downsample: Option<Sequential>,
    ) -> Result<()> {
        let (inplanes, relu) = (self.inplanes, ReLU::new().inplace(true));
        let norm = |channels: usize| normalization(self.builder.norm_layer, channels);
        if self.builder.block == Block::Basic {
            layer.push(BasicBlock {
                conv1: conv3x3(inplanes, planes, stride, 1, 1)?,
                bn1: norm(planes)?,
                relu,
                conv2: conv3x3(planes, planes, 1, 1, 1)?,
                bn2: norm(planes)?,
                downsample,
            })?;
            return Ok(());
        }
        let groups = self.builder.groups;
        let width = planes * self.builder.width_per_group / 64 * groups;
        layer.push(Bottleneck {
            conv1: conv1x1(inplanes, width, 1)?,
            bn1: norm(width)?,
            conv2: conv3x3(width, width, stride, groups, dilation)?,
            bn2: norm(width)?,
            conv3: conv1x1(width, planes * 4, 1)?,
            bn3: norm(planes * 4)?,
            relu,
            downsample,
        })?;
        Ok(())
    }
}

model_functions! { ResNetBuilder:
    /// ResNet-18.
    resnet18(Block::Basic, [2, 2, 2, 2], 1, 64);
    /// ResNet-34.
    resnet34(Block::Basic, [3, 4, 6, 3], 1, 64);
    /// ResNet-50.
    resnet50(Block::Bottleneck, [3, 4, 6, 3], 1, 64);
    /// ResNet-101.
    resnet101(Block::Bottleneck, [3, 4, 23, 3], 1, 64);
    /// ResNet-152.
    resnet152(Block::Bottleneck, [3, 8, 36, 3], 1, 64);
    /// ResNeXt-50 32×4d.
    resnext50_32x4d(Block::Bottleneck, [3, 4, 6, 3], 32, 4);
    /// ResNeXt-101 32×8d.
    resnext101_32x8d(Block::Bottleneck, [3, 4, 23, 3], 32, 8);
    /// ResNeXt-101 64×4d.
    resnext101_64x4d(Block::Bottleneck, [3, 4, 23, 3], 64, 4);
    /// Wide ResNet-50-2: twice as many channels in between.
    wide_resnet50_2(Block::Bottleneck, [3, 4, 6, 3], 1, 128);
    /// Wide ResNet-101-2: twice as many channels in between.
    wide_resnet101_2(Block::Bottleneck, [3, 4, 23, 3], 1, 128);
}
