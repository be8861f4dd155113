//! GoogLeNet ("Going Deeper with Convolutions", C. Szegedy et al., 2015).

use super::inception::{BasicConv2d, as_inception_wants};
use crate::models::builder::{fill, model_builder, model_functions};
use flambeau_nn::{
    AdaptiveAvgPool2d, Call, Dropout, Forward, Linear, MaxPool2d, Mode, Module, Sequential, Tensors, init,
};
use flambeau_tensor::{Result, Tensor, cat};

/// Four ways through windows of different sizes, side by side.
#[derive(Module)]
struct Inception {
    branch1: BasicConv2d,
    branch2: Sequential,
    branch3: Sequential,
    branch4: Sequential,
}

impl Inception {
    /// Channels of the four ways: one by one; three by three, squeezed and not; five by five, squeezed and not; pooled.
    #[track_caller]
    fn new(from: usize, one: usize, three: [usize; 2], five: [usize; 2], pooled: usize) -> Result<Self> {
        let conv =
            |from, to, kernel: usize, stride, padding: usize| BasicConv2d::new(from, to, kernel, stride, padding);
        Ok(Inception {
            branch1: conv(from, one, 1, 1, 0)?,
            branch2: Sequential::of((conv(from, three[0], 1, 1, 0)?, conv(three[0], three[1], 3, 1, 1)?))?,
            // The paper has windows of five; torchvision's weights have three.
            branch3: Sequential::of((conv(from, five[0], 1, 1, 0)?, conv(five[0], five[1], 3, 1, 1)?))?,
            branch4: Sequential::of((
                MaxPool2d::new(3).stride(1).padding(1).ceil_mode(true),
                conv(from, pooled, 1, 1, 0)?,
            ))?,
        })
    }
}

impl Forward<&Tensor> for Inception {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        cat(&[self.branch1.call(x)?, self.branch2.call(x)?, self.branch3.call(x)?, self.branch4.call(x)?], 1)
    }
}

/// A classifier on the way, which helps gradients while it trains.
#[derive(Module)]
struct InceptionAux {
    conv: BasicConv2d,
    fc1: Linear,
    fc2: Linear,
    dropout: Dropout,
}

impl InceptionAux {
    #[track_caller]
    fn new(from: usize, classes: usize, dropout: f64) -> Result<Self> {
        Ok(InceptionAux {
            conv: BasicConv2d::new(from, 128, 1, 1, 0)?,
            fc1: Linear::new(2048, 1024).build()?,
            fc2: Linear::new(1024, classes).build()?,
            dropout: Dropout::new(dropout).build()?,
        })
    }
}

impl Forward<&Tensor> for InceptionAux {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv.call(&x.adaptive_avg_pool2d([4, 4])?)?.flatten(1, -1)?;
        self.fc2.call(&self.dropout.call(&self.fc1.call(&x)?.relu()?)?)
    }
}

/// What [`GoogLeNet`] gives, `[N, num_classes]` each.
#[derive(Clone, Debug, Tensors)]
pub struct GoogLeNetOutputs {
    /// The scores of the classes.
    pub logits: Tensor,
    /// Those of the second classifier on the way; in training where there is one.
    pub aux_logits2: Option<Tensor>,
    /// Those of the first classifier on the way; in training where there is one.
    pub aux_logits1: Option<Tensor>,
}

/// Blocks of windows of different sizes, as `torchvision.models.GoogLeNet`; made by [`googlenet`]. It takes images
/// `[N, 3, H, W]` with sides of 15 pixels or more.
#[derive(Module)]
pub struct GoogLeNet {
    conv1: BasicConv2d,
    maxpool1: MaxPool2d,
    conv2: BasicConv2d,
    conv3: BasicConv2d,
    maxpool2: MaxPool2d,
    inception3a: Inception,
    inception3b: Inception,
    maxpool3: MaxPool2d,
    inception4a: Inception,
    inception4b: Inception,
    inception4c: Inception,
    inception4d: Inception,
    inception4e: Inception,
    maxpool4: MaxPool2d,
    inception5a: Inception,
    inception5b: Inception,
    aux1: Option<InceptionAux>,
    aux2: Option<InceptionAux>,
    avgpool: AdaptiveAvgPool2d,
    dropout: Dropout,
    /// What tells the classes apart.
    pub fc: Linear,
    transform_input: bool,
    training: Mode,
}

impl Forward<&Tensor> for GoogLeNet {
    type Output = GoogLeNetOutputs;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<GoogLeNetOutputs> {
        let x = if self.transform_input { as_inception_wants(x)? } else { x.clone() };
        let aux = |head: &Option<InceptionAux>, x: &Tensor| {
            head.as_ref().filter(|_| self.training.is_training()).map(|head| head.call(x)).transpose()
        };
        let x = self.maxpool1.call(&self.conv1.call(&x)?)?;
        let x = self.maxpool2.call(&self.conv3.call(&self.conv2.call(&x)?)?)?;
        let x = self.maxpool3.call(&self.inception3b.call(&self.inception3a.call(&x)?)?)?;
        let x = self.inception4a.call(&x)?;
        let aux_logits1 = aux(&self.aux1, &x)?;
        let x = self.inception4d.call(&self.inception4c.call(&self.inception4b.call(&x)?)?)?;
        let aux_logits2 = aux(&self.aux2, &x)?;
        let x = self.maxpool4.call(&self.inception4e.call(&x)?)?;
        let x = self.inception5b.call(&self.inception5a.call(&x)?)?;
        let x = self.dropout.call(&self.avgpool.call(&x)?.flatten(1, -1)?)?;
        Ok(GoogLeNetOutputs { logits: self.fc.call(&x)?, aux_logits2, aux_logits1 })
    }
}

model_builder! {
    /// A [`GoogLeNet`] about to be made.
    pub struct GoogLeNetBuilder => GoogLeNet;
    fixed {}
    options {
        /// With classifiers on the way, which answer in training. True unless set; with weights false, as theirs are not
        /// trained.
        aux_logits: ~into Option<bool> = None,
        /// Take images normalised as ImageNet's and bring them to −1 … 1. False unless set; with weights true.
        transform_input: ~into Option<bool> = None,
        /// Fill it from a truncated normal distribution; else the layers keep their own first values. True unless set.
        init_weights: bool = true,
        /// The probability of dropping a number before the last layer; 0.2 unless set.
        dropout: f64 = 0.2,
        /// The probability of dropping a number before the last layers of the classifiers on the way; 0.7 unless set.
        dropout_aux: f64 = 0.7,
    }
    then drop_untrained
}

impl GoogLeNetBuilder {
    fn make(&self) -> Result<GoogLeNet> {
        let (classes, trained) = (self.classes(1000), self.weights.is_some());
        let pool = |size: usize| MaxPool2d::new(size).stride(2).ceil_mode(true).build();
        let conv =
            |from, to, kernel: usize, stride, padding: usize| BasicConv2d::new(from, to, kernel, stride, padding);
        let block = Inception::new;
        let conv1 = conv(3, 64, 7, 2, 3)?;
        let (conv2, conv3) = (conv(64, 64, 1, 1, 0)?, conv(64, 192, 3, 1, 1)?);
        let inception3a = block(192, 64, [96, 128], [16, 32], 32)?;
        let inception3b = block(256, 128, [128, 192], [32, 96], 64)?;
        let inception4a = block(480, 192, [96, 208], [16, 48], 64)?;
        let inception4b = block(512, 160, [112, 224], [24, 64], 64)?;
        let inception4c = block(512, 128, [128, 256], [24, 64], 64)?;
        let inception4d = block(512, 112, [144, 288], [32, 64], 64)?;
        let inception4e = block(528, 256, [160, 320], [32, 128], 128)?;
        let inception5a = block(832, 256, [160, 320], [32, 128], 128)?;
        let inception5b = block(832, 384, [192, 384], [48, 128], 128)?;
        let with_aux = trained || self.aux_logits.unwrap_or(true);
        let aux = |from: usize| with_aux.then(|| InceptionAux::new(from, classes, self.dropout_aux)).transpose();
        let model = GoogLeNet {
            conv1,
            maxpool1: pool(3)?,
            conv2,
            conv3,
            maxpool2: pool(3)?,
            inception3a,
            inception3b,
            maxpool3: pool(3)?,
            inception4a,
            inception4b,
            inception4c,
            inception4d,
            inception4e,
            maxpool4: pool(2)?,
            inception5a,
            inception5b,
            aux1: aux(512)?,
            aux2: aux(528)?,
            avgpool: AdaptiveAvgPool2d::new([1, 1]),
            dropout: Dropout::new(self.dropout).build()?,
            fc: Linear::new(1024, classes).build()?,
            transform_input: self.transform_input.unwrap_or(trained),
            training: Mode::new(),
        };
        if self.init_weights && !trained {
            fill(&model, |layer| init::trunc_normal_(layer.weight(), 0.0, 0.01, -2.0, 2.0).map(drop))?;
        }
        Ok(model)
    }

    /// The classifiers on the way stand in the weights' file, but nobody trained them.
    fn drop_untrained(&self, model: &mut GoogLeNet) {
        if self.weights.is_some() && !self.aux_logits.unwrap_or(false) {
            (model.aux1, model.aux2) = (None, None);
        }
    }
}

model_functions! { GoogLeNetBuilder:
    /// GoogLeNet, which is the first Inception.
    googlenet();
}
