//! MobileNet v3 ("Searching for MobileNetV3", A. Howard et al., 2019).

use crate::models::builder::{fill_mobile, make_divisible, model_builder, model_functions};
use crate::ops::{Activation, Conv2dNormActivation, Conv2dNormActivationBuilder, Norm, SqueezeExcitation};
use flambeau_nn::{AdaptiveAvgPool2d, Call, Dropout, Forward, Hardswish, Layer, Linear, Module, Sequential};
use flambeau_tensor::{Result, Tensor, ensure};

/// One block, as a row of the paper's tables 1 and 2.
#[derive(Clone, Copy)]
pub(crate) struct BlockConfig {
    input_channels: usize,
    kernel: usize,
    expanded_channels: usize,
    out_channels: usize,
    use_se: bool,
    use_hs: bool,
    stride: usize,
    dilation: usize,
}

const NORM: Norm = Norm::Batch { eps: 0.001, momentum: 0.01 };

/// More channels, each convolved by itself and weighed, then few again.
#[derive(Module)]
pub(crate) struct InvertedResidual {
    block: Sequential,
    use_res_connect: bool,
    /// Channels that come out.
    pub(crate) out_channels: usize,
    /// Where the map becomes smaller (in a network without dilation).
    pub(crate) strided: bool,
}

impl InvertedResidual {
    /// The chain of a block.
    #[track_caller]
    fn layers(c: BlockConfig, norm: Norm) -> Result<Vec<Box<dyn Layer>>> {
        let activation = if c.use_hs { Activation::Hardswish } else { Activation::Relu };
        let conv = |from, to, kernel| {
            Conv2dNormActivation::new(from, to).kernel_size(kernel).norm_layer(norm).activation_layer(activation)
        };
        let mut block: Vec<Box<dyn Layer>> = Vec::new();
        if c.expanded_channels != c.input_channels {
            block.push(Box::new(conv(c.input_channels, c.expanded_channels, 1).build()?));
        }
        let stride = if c.dilation > 1 { 1 } else { c.stride };
        let by_channel = conv(c.expanded_channels, c.expanded_channels, c.kernel).stride(stride);
        block.push(Box::new(by_channel.dilation(c.dilation).groups(c.expanded_channels).build()?));
        if c.use_se {
            let squeezed = make_divisible((c.expanded_channels / 4) as f64, 8);
            let squeeze = SqueezeExcitation::new(c.expanded_channels, squeezed);
            block.push(Box::new(squeeze.scale_activation(Activation::Hardsigmoid).build()?));
        }
        let last = conv(c.expanded_channels, c.out_channels, 1).activation_layer(Activation::None);
        block.push(Box::new(last.build()?));
        Ok(block)
    }

    #[track_caller]
    fn new(c: BlockConfig, norm: Norm) -> Result<Self> {
        let block = Sequential::of(Self::layers(c, norm)?)?;
        let use_res_connect = c.stride == 1 && c.input_channels == c.out_channels;
        Ok(InvertedResidual { block, use_res_connect, out_channels: c.out_channels, strided: c.stride > 1 })
    }
}

impl Forward<&Tensor> for InvertedResidual {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.block.call(x)?;
        if self.use_res_connect { y.add(x) } else { Ok(y) }
    }
}

/// A chain of inverted residual blocks with weighed channels, as `torchvision.models.MobileNetV3`; made by
/// [`mobilenet_v3_large`] and [`mobilenet_v3_small`]. It takes images `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct MobileNetV3 {
    /// The blocks.
    pub features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl MobileNetV3 {
    /// The places in `features` where the map becomes smaller, the first and the last with them, and the channels there.
    pub(crate) fn stages(&self) -> Vec<(usize, usize)> {
        let blocks = self.features.iter().enumerate();
        let strided = blocks.filter_map(|(i, layer)| {
            let block = layer.as_module().downcast_ref::<InvertedResidual>()?;
            block.strided.then_some((i, block.out_channels))
        });
        let width = |i: usize| {
            let weights = self.features.get(i).map(|layer| layer.named_parameters()).unwrap_or_default();
            weights.first().map_or(0, |(_, weight)| weight.shape()[0])
        };
        let last = self.features.len() - 1;
        std::iter::once((0, width(0))).chain(strided).chain(std::iter::once((last, width(last)))).collect()
    }
}

impl Forward<&Tensor> for MobileNetV3 {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.avgpool.call(&self.features.call(x)?)?.flatten(1, -1)?)
    }
}

model_builder! {
    /// A [`MobileNetV3`] about to be made.
    pub struct MobileNetV3Builder => MobileNetV3;
    fixed { large: bool }
    options {
        /// The number of channels in units of the paper's; 1 unless set.
        width_mult: f64 = 1.0,
        /// Half of the channels in the last stage, for detection. False unless set.
        reduced_tail: bool = false,
        /// Look farther apart in the last stage instead of making the map smaller. False unless set.
        dilated: bool = false,
        /// What follows the convolutions; batch normalisation with `eps` 0.001 and `momentum` 0.01 unless set.
        norm_layer: Norm = NORM,
        /// The probability of dropping a number before the last layer; 0.2 unless set.
        dropout: f64 = 0.2,
    }
}

impl MobileNetV3Builder {
    fn blocks(&self) -> Vec<BlockConfig> {
        let (less, dilation) = (if self.reduced_tail { 2 } else { 1 }, if self.dilated { 2 } else { 1 });
        let wide = |channels: usize| make_divisible(channels as f64 * self.width_mult, 8);
        let block = |input, kernel, expanded, out, use_se, use_hs, stride, dilation| BlockConfig {
            input_channels: wide(input),
            kernel,
            expanded_channels: wide(expanded),
            out_channels: wide(out),
            use_se,
            use_hs,
            stride,
            dilation,
        };
        if self.large {
            let tail = 160 / less;
            return vec![
                block(16, 3, 16, 16, false, false, 1, 1),
                block(16, 3, 64, 24, false, false, 2, 1),
                block(24, 3, 72, 24, false, false, 1, 1),
                block(24, 5, 72, 40, true, false, 2, 1),
                block(40, 5, 120, 40, true, false, 1, 1),
                block(40, 5, 120, 40, true, false, 1, 1),
                block(40, 3, 240, 80, false, true, 2, 1),
                block(80, 3, 200, 80, false, true, 1, 1),
                block(80, 3, 184, 80, false, true, 1, 1),
                block(80, 3, 184, 80, false, true, 1, 1),
                block(80, 3, 480, 112, true, true, 1, 1),
                block(112, 3, 672, 112, true, true, 1, 1),
                block(112, 5, 672, tail, true, true, 2, dilation),
                block(tail, 5, 960 / less, tail, true, true, 1, dilation),
                block(tail, 5, 960 / less, tail, true, true, 1, dilation),
            ];
        }
        let tail = 96 / less;
        vec![
            block(16, 3, 16, 16, true, false, 2, 1),
            block(16, 3, 72, 24, false, false, 2, 1),
            block(24, 3, 88, 24, false, false, 1, 1),
            block(24, 5, 96, 40, true, true, 2, 1),
            block(40, 5, 240, 40, true, true, 1, 1),
            block(40, 5, 240, 40, true, true, 1, 1),
            block(40, 5, 120, 48, true, true, 1, 1),
            block(48, 5, 144, 48, true, true, 1, 1),
            block(48, 5, 288, tail, true, true, 2, dilation),
            block(tail, 5, 576 / less, tail, true, true, 1, dilation),
            block(tail, 5, 576 / less, tail, true, true, 1, dilation),
        ]
    }

    /// The convolutions before and behind the blocks.
    fn ends(&self, blocks: &[BlockConfig]) -> (Conv2dNormActivationBuilder, Conv2dNormActivationBuilder) {
        let conv = |from, to| {
            let conv = Conv2dNormActivation::new(from, to).norm_layer(self.norm_layer);
            conv.activation_layer(Activation::Hardswish)
        };
        let last = blocks[blocks.len() - 1].out_channels;
        (conv(3, blocks[0].input_channels).stride(2), conv(last, 6 * last).kernel_size(1))
    }

    /// The blocks in two chains, as SSDlite has them: the first ends behind the widening of block `middle` (as counted in
    /// `features`), the second goes on inside it.
    #[track_caller]
    pub(crate) fn halves(self, middle: usize) -> Result<Sequential> {
        let blocks = self.blocks();
        let (mut front, mut back) = (Sequential::new(), Sequential::new());
        front.push(self.ends(&blocks).0)?;
        for (i, config) in blocks.iter().enumerate() {
            if i + 1 == middle {
                let mut layers = InvertedResidual::layers(*config, self.norm_layer)?.into_iter();
                layers.next().map_or(Ok(()), |widening| front.push(widening).map(drop))?;
                // A slice of a chain keeps the layers' numbers there.
                let mut rest = Sequential::new();
                for (k, layer) in layers.enumerate() {
                    rest.push_named((k + 1).to_string(), layer)?;
                }
                back.push(rest)?;
            } else {
                let part = if i + 1 < middle { &mut front } else { &mut back };
                part.push(InvertedResidual::new(*config, self.norm_layer)?)?;
            }
        }
        back.push(self.ends(&blocks).1)?;
        Sequential::of((front, back))
    }

    fn make(&self) -> Result<MobileNetV3> {
        ensure!(
            self.width_mult > 0.0 && self.width_mult < 1000.0,
            Argument,
            self.name,
            "width_mult {} leaves no channels, or too many",
            self.width_mult
        );
        let blocks = self.blocks();
        let mut features = Sequential::new();
        features.push(self.ends(&blocks).0)?;
        for config in &blocks {
            features.push(InvertedResidual::new(*config, self.norm_layer)?)?;
        }
        features.push(self.ends(&blocks).1)?;
        let from = blocks[blocks.len() - 1].out_channels;
        let last = if self.large { 1280 } else { 1024 } / if self.reduced_tail { 2 } else { 1 };
        let last = make_divisible(last as f64 * self.width_mult, 8);
        let model = MobileNetV3 {
            features,
            avgpool: AdaptiveAvgPool2d::new(1),
            classifier: Sequential::of((
                Linear::new(6 * from, last),
                Hardswish::new().inplace(true),
                Dropout::new(self.dropout).inplace(true),
                Linear::new(last, self.classes(1000)),
            ))?,
        };
        fill_mobile(&model)?;
        Ok(model)
    }
}

model_functions! { MobileNetV3Builder:
    /// MobileNet v3, the large one.
    mobilenet_v3_large(true);
    /// MobileNet v3, the small one.
    mobilenet_v3_small(false);
}
