//! Inception v3 ("Rethinking the Inception Architecture for Computer Vision", C. Szegedy et al., 2016).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use flambeau_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Call, Conv2d, Dropout, Forward, Linear, MaxPool2d, Mode, Module, Tensors, init,
};
use flambeau_tensor::{AvgPoolOptions, MaxPoolOptions, Result, Tensor, cat, shape::Spatial};

/// A convolution, batch normalisation and ReLU.
#[derive(Module)]
pub(super) struct BasicConv2d {
    conv: Conv2d,
    bn: BatchNorm2d,
}

impl BasicConv2d {
    #[track_caller]
    pub(super) fn new(
        from: usize,
        to: usize,
        kernel: impl Into<Spatial>,
        stride: usize,
        padding: impl Into<Spatial>,
    ) -> Result<Self> {
        Ok(BasicConv2d {
            conv: Conv2d::new(from, to, kernel).stride(stride).padding(padding.into()).bias(false).build()?,
            bn: BatchNorm2d::new(to).eps(0.001).build()?,
        })
    }
}

impl Forward<&Tensor> for BasicConv2d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.bn.call(&self.conv.call(x)?)?.relu_().cloned()
    }
}

/// Images that are normalised as ImageNet's, normalised to −1 … 1 instead.
#[track_caller]
pub(super) fn as_inception_wants(x: &Tensor) -> Result<Tensor> {
    let channel = |i: isize, mean: f64, std: f64| x.select(1, i)?.unsqueeze(1)?.mul(std / 0.5)?.add((mean - 0.5) / 0.5);
    cat(&[channel(0, 0.485, 0.229)?, channel(1, 0.456, 0.224)?, channel(2, 0.406, 0.225)?], 1)
}

fn averaged(x: &Tensor) -> Result<Tensor> {
    x.avg_pool2d(AvgPoolOptions::new(3).stride(1).padding(1))
}

/// The blocks: each a struct of ways whose outputs stand side by side.
macro_rules! blocks {
    ($($(#[$doc:meta])* $Name:ident($from:ident $(, $arg:ident)?) {
        $($field:ident: ($in:expr, $out:expr, $kernel:expr, $stride:expr, $padding:expr),)*
    } |$s:ident, $x:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        struct $Name {
            $($field: BasicConv2d,)*
        }

        impl $Name {
            #[track_caller]
            fn new($from: usize $(, $arg: usize)?) -> Result<Self> {
                Ok($Name { $($field: BasicConv2d::new($in, $out, $kernel, $stride, $padding)?,)* })
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                let $s = self;
                cat(&$forward, 1)
            }
        }
    )*};
}

blocks! {
    /// Windows of one, five and twice three.
    InceptionA(from, pooled) {
        branch1x1: (from, 64, 1, 1, 0),
        branch5x5_1: (from, 48, 1, 1, 0),
        branch5x5_2: (48, 64, 5, 1, 2),
        branch3x3dbl_1: (from, 64, 1, 1, 0),
        branch3x3dbl_2: (64, 96, 3, 1, 1),
        branch3x3dbl_3: (96, 96, 3, 1, 1),
        branch_pool: (from, pooled, 1, 1, 0),
    } |s, x| [
        s.branch1x1.call(x)?,
        s.branch5x5_2.call(&s.branch5x5_1.call(x)?)?,
        s.branch3x3dbl_3.call(&s.branch3x3dbl_2.call(&s.branch3x3dbl_1.call(x)?)?)?,
        s.branch_pool.call(&averaged(x)?)?,
    ];

    /// Half as high and wide.
    InceptionB(from) {
        branch3x3: (from, 384, 3, 2, 0),
        branch3x3dbl_1: (from, 64, 1, 1, 0),
        branch3x3dbl_2: (64, 96, 3, 1, 1),
        branch3x3dbl_3: (96, 96, 3, 2, 0),
    } |s, x| [
        s.branch3x3.call(x)?,
        s.branch3x3dbl_3.call(&s.branch3x3dbl_2.call(&s.branch3x3dbl_1.call(x)?)?)?,
        x.max_pool2d(MaxPoolOptions::new(3).stride(2))?,
    ];

    /// Windows of seven, one direction after the other.
    InceptionC(from, c7) {
        branch1x1: (from, 192, 1, 1, 0),
        branch7x7_1: (from, c7, 1, 1, 0),
        branch7x7_2: (c7, c7, [1, 7], 1, [0, 3]),
        branch7x7_3: (c7, 192, [7, 1], 1, [3, 0]),
        branch7x7dbl_1: (from, c7, 1, 1, 0),
        branch7x7dbl_2: (c7, c7, [7, 1], 1, [3, 0]),
        branch7x7dbl_3: (c7, c7, [1, 7], 1, [0, 3]),
        branch7x7dbl_4: (c7, c7, [7, 1], 1, [3, 0]),
        branch7x7dbl_5: (c7, 192, [1, 7], 1, [0, 3]),
        branch_pool: (from, 192, 1, 1, 0),
    } |s, x| [
        s.branch1x1.call(x)?,
        s.branch7x7_3.call(&s.branch7x7_2.call(&s.branch7x7_1.call(x)?)?)?,
        {
            let y = s.branch7x7dbl_3.call(&s.branch7x7dbl_2.call(&s.branch7x7dbl_1.call(x)?)?)?;
            s.branch7x7dbl_5.call(&s.branch7x7dbl_4.call(&y)?)?
        },
        s.branch_pool.call(&averaged(x)?)?,
    ];

    /// Half as high and wide, once more.
    InceptionD(from) {
        branch3x3_1: (from, 192, 1, 1, 0),
        branch3x3_2: (192, 320, 3, 2, 0),
        branch7x7x3_1: (from, 192, 1, 1, 0),
        branch7x7x3_2: (192, 192, [1, 7], 1, [0, 3]),
        branch7x7x3_3: (192, 192, [7, 1], 1, [3, 0]),
        branch7x7x3_4: (192, 192, 3, 2, 0),
    } |s, x| [
        s.branch3x3_2.call(&s.branch3x3_1.call(x)?)?,
        {
            let y = s.branch7x7x3_2.call(&s.branch7x7x3_1.call(x)?)?;
            s.branch7x7x3_4.call(&s.branch7x7x3_3.call(&y)?)?
        },
        x.max_pool2d(MaxPoolOptions::new(3).stride(2))?,
    ];

    /// Windows of three, both directions side by side.
    InceptionE(from) {
        branch1x1: (from, 320, 1, 1, 0),
        branch3x3_1: (from, 384, 1, 1, 0),
        branch3x3_2a: (384, 384, [1, 3], 1, [0, 1]),
        branch3x3_2b: (384, 384, [3, 1], 1, [1, 0]),
        branch3x3dbl_1: (from, 448, 1, 1, 0),
        branch3x3dbl_2: (448, 384, 3, 1, 1),
        branch3x3dbl_3a: (384, 384, [1, 3], 1, [0, 1]),
        branch3x3dbl_3b: (384, 384, [3, 1], 1, [1, 0]),
        branch_pool: (from, 192, 1, 1, 0),
    } |s, x| {
        let once = s.branch3x3_1.call(x)?;
        let twice = s.branch3x3dbl_2.call(&s.branch3x3dbl_1.call(x)?)?;
        [
            s.branch1x1.call(x)?,
            s.branch3x3_2a.call(&once)?,
            s.branch3x3_2b.call(&once)?,
            s.branch3x3dbl_3a.call(&twice)?,
            s.branch3x3dbl_3b.call(&twice)?,
            s.branch_pool.call(&averaged(x)?)?,
        ]
    };
}

/// A classifier on the way, which helps gradients while it trains.
#[derive(Module)]
struct InceptionAux {
    conv0: BasicConv2d,
    conv1: BasicConv2d,
    fc: Linear,
}

impl InceptionAux {
    #[track_caller]
    fn new(from: usize, classes: usize) -> Result<Self> {
        Ok(InceptionAux {
            conv0: BasicConv2d::new(from, 128, 1, 1, 0)?,
            conv1: BasicConv2d::new(128, 768, 5, 1, 0)?,
            fc: Linear::new(768, classes).build()?,
        })
    }
}

impl Forward<&Tensor> for InceptionAux {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv0.call(&x.avg_pool2d(AvgPoolOptions::new(5).stride(3))?)?;
        self.fc.call(&self.conv1.call(&x)?.adaptive_avg_pool2d([1, 1])?.flatten(1, -1)?)
    }
}

/// What [`Inception3`] gives, `[N, num_classes]` each.
#[derive(Clone, Debug, Tensors)]
pub struct InceptionOutputs {
    /// The scores of the classes.
    pub logits: Tensor,
    /// Those of the classifier on the way; in training where there is one.
    pub aux_logits: Option<Tensor>,
}

/// Blocks of windows that are taken apart into smaller ones, as `torchvision.models.Inception3`; made by
/// [`inception_v3`]. It takes images `[N, 3, H, W]` with sides of 75 pixels or more (299 are meant).
#[derive(Module)]
#[allow(non_snake_case)] // torchvision's names
pub struct Inception3 {
    Conv2d_1a_3x3: BasicConv2d,
    Conv2d_2a_3x3: BasicConv2d,
    Conv2d_2b_3x3: BasicConv2d,
    maxpool1: MaxPool2d,
    Conv2d_3b_1x1: BasicConv2d,
    Conv2d_4a_3x3: BasicConv2d,
    maxpool2: MaxPool2d,
    Mixed_5b: InceptionA,
    Mixed_5c: InceptionA,
    Mixed_5d: InceptionA,
    Mixed_6a: InceptionB,
    Mixed_6b: InceptionC,
    Mixed_6c: InceptionC,
    Mixed_6d: InceptionC,
    Mixed_6e: InceptionC,
    AuxLogits: Option<InceptionAux>,
    Mixed_7a: InceptionD,
    Mixed_7b: InceptionE,
    Mixed_7c: InceptionE,
    avgpool: AdaptiveAvgPool2d,
    dropout: Dropout,
    /// What tells the classes apart.
    pub fc: Linear,
    transform_input: bool,
    training: Mode,
}

impl Forward<&Tensor> for Inception3 {
    type Output = InceptionOutputs;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<InceptionOutputs> {
        let x = if self.transform_input { as_inception_wants(x)? } else { x.clone() };
        let x = self.Conv2d_2b_3x3.call(&self.Conv2d_2a_3x3.call(&self.Conv2d_1a_3x3.call(&x)?)?)?;
        let x = self.Conv2d_4a_3x3.call(&self.Conv2d_3b_1x1.call(&self.maxpool1.call(&x)?)?)?;
        let x = self.Mixed_5b.call(&self.maxpool2.call(&x)?)?;
        let x = self.Mixed_6a.call(&self.Mixed_5d.call(&self.Mixed_5c.call(&x)?)?)?;
        let x = self.Mixed_6c.call(&self.Mixed_6b.call(&x)?)?;
        let x = self.Mixed_6e.call(&self.Mixed_6d.call(&x)?)?;
        let head = self.AuxLogits.as_ref().filter(|_| self.training.is_training());
        let aux_logits = head.map(|head| head.call(&x)).transpose()?;
        let x = self.Mixed_7c.call(&self.Mixed_7b.call(&self.Mixed_7a.call(&x)?)?)?;
        let x = self.dropout.call(&self.avgpool.call(&x)?)?.flatten(1, -1)?;
        Ok(InceptionOutputs { logits: self.fc.call(&x)?, aux_logits })
    }
}

model_builder! {
    /// An [`Inception3`] about to be made.
    pub struct Inception3Builder => Inception3;
    fixed {}
    options {
        /// With a classifier on the way, which answers in training. True unless set.
        aux_logits: bool = true,
        /// Take images normalised as ImageNet's and bring them to −1 … 1. False unless set; with weights true.
        transform_input: ~into Option<bool> = None,
        /// Fill it from a truncated normal distribution; else the layers keep their own first values. True unless set.
        init_weights: bool = true,
        /// The probability of dropping a number before the last layer; 0.5 unless set.
        dropout: f64 = 0.5,
    }
    then drop_aux
}

impl Inception3Builder {
    fn make(&self) -> Result<Inception3> {
        let (classes, trained) = (self.classes(1000), self.weights.is_some());
        let conv =
            |from, to, kernel: usize, stride, padding: usize| BasicConv2d::new(from, to, kernel, stride, padding);
        let pool = || MaxPool2d::new(3).stride(2).build();
        let model = Inception3 {
            Conv2d_1a_3x3: conv(3, 32, 3, 2, 0)?,
            Conv2d_2a_3x3: conv(32, 32, 3, 1, 0)?,
            Conv2d_2b_3x3: conv(32, 64, 3, 1, 1)?,
            maxpool1: pool()?,
            Conv2d_3b_1x1: conv(64, 80, 1, 1, 0)?,
            Conv2d_4a_3x3: conv(80, 192, 3, 1, 0)?,
            maxpool2: pool()?,
            Mixed_5b: InceptionA::new(192, 32)?,
            Mixed_5c: InceptionA::new(256, 64)?,
            Mixed_5d: InceptionA::new(288, 64)?,
            Mixed_6a: InceptionB::new(288)?,
            Mixed_6b: InceptionC::new(768, 128)?,
            Mixed_6c: InceptionC::new(768, 160)?,
            Mixed_6d: InceptionC::new(768, 160)?,
            Mixed_6e: InceptionC::new(768, 192)?,
            AuxLogits: (trained || self.aux_logits).then(|| InceptionAux::new(768, classes)).transpose()?,
            Mixed_7a: InceptionD::new(768)?,
            Mixed_7b: InceptionE::new(1280)?,
            Mixed_7c: InceptionE::new(2048)?,
            avgpool: AdaptiveAvgPool2d::new([1, 1]),
            dropout: Dropout::new(self.dropout).build()?,
            fc: Linear::new(2048, classes).build()?,
            transform_input: self.transform_input.unwrap_or(trained),
            training: Mode::new(),
        };
        if self.init_weights && !trained {
            // torchvision marks the linear layer on the way with 0.001; its mark of 0.01 on the block before it
            // reaches no convolution.
            let on_the_way = model.AuxLogits.as_ref().map(|aux| aux.fc.weight.tensor().clone());
            fill(&model, |layer| {
                let marked = on_the_way.as_ref().is_some_and(|weight| layer.weight().is(weight));
                let std = if marked && matches!(layer, Weighted::Linear(_)) { 0.001 } else { 0.1 };
                init::trunc_normal_(layer.weight(), 0.0, std, -2.0, 2.0).map(drop)
            })?;
        }
        Ok(model)
    }

    /// The classifier on the way stands in the weights' file.
    fn drop_aux(&self, model: &mut Inception3) {
        if !self.aux_logits {
            model.AuxLogits = None;
        }
    }
}

model_functions! { Inception3Builder:
    /// Inception v3.
    inception_v3();
}
