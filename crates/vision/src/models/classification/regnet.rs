//! RegNet: networks whose widths lie on a line ("Designing Network Design Spaces", I. Radosavovic et al., 2020).

use crate::models::builder::{Weighted, fill, make_divisible, model_builder, model_functions};
use crate::ops::{Activation, Conv2dNormActivation, Norm, SqueezeExcitation, chains};
use flambeau_nn::{AdaptiveAvgPool2d, Call, Forward, Linear, Module, ReLU, Sequential, init};
use flambeau_tensor::{Result, Tensor};

chains! {
    /// What a network begins with.
    SimpleStemIN
    /// The convolutions of a block.
    BottleneckTransform
    /// Blocks of one width.
    AnyStage
}

/// Three convolutions, the middle one in groups, and what goes around them.
#[derive(Module)]
struct ResBottleneckBlock {
    proj: Option<Conv2dNormActivation>,
    f: BottleneckTransform,
    activation: ReLU,
}

impl Forward<&Tensor> for ResBottleneckBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let around = self.proj.as_ref().map_or_else(|| Ok(x.clone()), |proj| proj.call(x))?;
        self.activation.call(&around.add(&self.f.call(x)?)?)
    }
}

/// Four stages of blocks with grouped convolutions, as `torchvision.models.RegNet`; made by [`regnet_y_400mf`] and its
/// fellows. It takes images `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct RegNet {
    stem: SimpleStemIN,
    trunk_output: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub fc: Linear,
}

impl Forward<&Tensor> for RegNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.avgpool.call(&self.trunk_output.call(&self.stem.call(x)?)?)?;
        self.fc.call(&x.flatten(1, -1)?)
    }
}

/// The paper's numbers: blocks, the first width, by how much widths grow (as a line, and as steps), and the channels of
/// a group.
#[derive(Clone, Copy, Debug)]
struct Line {
    depth: usize,
    w_0: usize,
    w_a: f64,
    w_m: f64,
    group_width: usize,
}

const fn line(depth: usize, w_0: usize, w_a: f64, w_m: f64, group_width: usize) -> Line {
    Line { depth, w_0, w_a, w_m, group_width }
}

impl Line {
    /// Depth, width and channels of a group of each stage. In f32, as torchvision computes them.
    fn stages(self) -> Vec<(usize, usize, usize)> {
        let (w_0, w_a, w_m) = (self.w_0 as f32, self.w_a as f32, self.w_m as f32);
        let width = |block: usize| {
            let on_the_line = block as f32 * w_a + w_0;
            let step = ((on_the_line / w_0).ln() / self.w_m.ln() as f32).round_ties_even();
            (w_0 * w_m.powf(step) / 8.0).round_ties_even() as usize * 8
        };
        let mut stages: Vec<(usize, usize, usize)> = Vec::new();
        for block in 0..self.depth {
            let width = width(block);
            match stages.last_mut() {
                Some((depth, last, _)) if *last == width => *depth += 1,
                _ => stages.push((1, width, 0)),
            }
        }
        let fitting = |(depth, width, _): (usize, usize, usize)| {
            let group = self.group_width.min(width);
            (depth, make_divisible(width as f64, group), group)
        };
        stages.into_iter().map(fitting).collect()
    }
}

model_builder! {
    /// A [`RegNet`] about to be made.
    pub struct RegNetBuilder => RegNet;
    fixed { line: Line, se_ratio: Option<f64> }
    options {
        /// Channels after the first convolution; 32 unless set.
        stem_width: usize = 32,
        /// What follows the convolutions; batch normalisation unless set.
        norm_layer: Norm = Norm::default(),
    }
}

impl RegNetBuilder {
    fn block(&self, from: usize, to: usize, stride: usize, group_width: usize) -> Result<ResBottleneckBlock> {
        let conv =
            |from, to, kernel| Conv2dNormActivation::new(from, to).kernel_size(kernel).norm_layer(self.norm_layer);
        let proj = conv(from, to, 1).stride(stride).activation_layer(Activation::None);
        let proj = (from != to || stride != 1).then(|| proj.build()).transpose()?;
        let mut f = Sequential::new();
        f.push_named("a", conv(from, to, 1))?;
        f.push_named("b", conv(to, to, 3).stride(stride).groups(to / group_width))?;
        if let Some(ratio) = self.se_ratio {
            f.push_named("se", SqueezeExcitation::new(to, (ratio * from as f64).round_ties_even() as usize))?;
        }
        f.push_named("c", conv(to, to, 1).activation_layer(Activation::None))?;
        Ok(ResBottleneckBlock { proj, f: BottleneckTransform::from_chain(f), activation: ReLU::new().inplace(true) })
    }

    fn make(&self) -> Result<RegNet> {
        let stem = Conv2dNormActivation::new(3, self.stem_width).stride(2).norm_layer(self.norm_layer).build()?;
        let (mut trunk_output, mut width) = (Sequential::new(), self.stem_width);
        for (i, (depth, to, group_width)) in self.line.stages().into_iter().enumerate() {
            let mut stage = Sequential::new();
            for k in 0..depth {
                let block = self.block(width, to, if k == 0 { 2 } else { 1 }, group_width)?;
                stage.push_named(format!("block{}-{k}", i + 1), block)?;
                width = to;
            }
            trunk_output.push_named(format!("block{}", i + 1), AnyStage::from_chain(stage))?;
        }
        let model = RegNet {
            stem: SimpleStemIN::from_chain(stem.into_chain()),
            trunk_output,
            avgpool: AdaptiveAvgPool2d::new([1, 1]),
            fc: Linear::new(width, self.classes(1000)).build()?,
        };
        fill(&model, |layer| match &layer {
            Weighted::Conv2d(conv) => {
                let [out, _, height, width] = conv.weight.shape() else { return Ok(()) };
                let fan_out = (height * width * out) as f64;
                init::normal_(&conv.weight, 0.0, (2.0 / fan_out).sqrt()).map(drop)
            }
            Weighted::Linear(linear) => {
                init::normal_(&linear.weight, 0.0, 0.01)?;
                layer.without_bias()
            }
        })?;
        Ok(model)
    }
}

model_functions! { RegNetBuilder:
    /// RegNetY of 400 million multiplications.
    regnet_y_400mf(line(16, 48, 27.89, 2.09, 8), Some(0.25));
    /// RegNetY of 800 million multiplications.
    regnet_y_800mf(line(14, 56, 38.84, 2.4, 16), Some(0.25));
    /// RegNetY of 1.6 thousand million multiplications.
    regnet_y_1_6gf(line(27, 48, 20.71, 2.65, 24), Some(0.25));
    /// RegNetY of 3.2 thousand million multiplications.
    regnet_y_3_2gf(line(21, 80, 42.63, 2.66, 24), Some(0.25));
    /// RegNetY of 8 thousand million multiplications.
    regnet_y_8gf(line(17, 192, 76.82, 2.19, 56), Some(0.25));
    /// RegNetY of 16 thousand million multiplications.
    regnet_y_16gf(line(18, 200, 106.23, 2.48, 112), Some(0.25));
    /// RegNetY of 32 thousand million multiplications.
    regnet_y_32gf(line(20, 232, 115.89, 2.53, 232), Some(0.25));
    /// RegNetY of 128 thousand million multiplications.
    regnet_y_128gf(line(27, 456, 160.83, 2.52, 264), Some(0.25));
    /// RegNetX of 400 million multiplications.
    regnet_x_400mf(line(22, 24, 24.48, 2.54, 16), None);
    /// RegNetX of 800 million multiplications.
    regnet_x_800mf(line(16, 56, 35.73, 2.28, 16), None);
    /// RegNetX of 1.6 thousand million multiplications.
    regnet_x_1_6gf(line(18, 80, 34.01, 2.25, 24), None);
    /// RegNetX of 3.2 thousand million multiplications.
    regnet_x_3_2gf(line(25, 88, 26.31, 2.25, 48), None);
    /// RegNetX of 8 thousand million multiplications.
    regnet_x_8gf(line(23, 80, 49.56, 2.88, 120), None);
    /// RegNetX of 16 thousand million multiplications.
    regnet_x_16gf(line(22, 216, 55.59, 2.1, 128), None);
    /// RegNetX of 32 thousand million multiplications.
    regnet_x_32gf(line(23, 320, 69.86, 2.0, 168), None);
}
