//! SqueezeNet ("SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", F. Iandola et al.,
//! 2016).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use flambeau_nn::{AdaptiveAvgPool2d, Call, Conv2d, Dropout, Forward, MaxPool2d, Module, ReLU, Sequential, init};
use flambeau_tensor::{Result, Tensor, cat};

/// Few channels, then many again by windows of one and of three.
#[derive(Module)]
struct Fire {
    squeeze: Conv2d,
    squeeze_activation: ReLU,
    expand1x1: Conv2d,
    expand1x1_activation: ReLU,
    expand3x3: Conv2d,
    expand3x3_activation: ReLU,
}

impl Fire {
    #[track_caller]
    fn new(inplanes: usize, squeeze: usize, expand: usize) -> Result<Self> {
        let relu = || ReLU::new().inplace(true);
        Ok(Fire {
            squeeze: Conv2d::new(inplanes, squeeze, 1).build()?,
            squeeze_activation: relu(),
            expand1x1: Conv2d::new(squeeze, expand, 1).build()?,
            expand1x1_activation: relu(),
            expand3x3: Conv2d::new(squeeze, expand, 3).padding(1).build()?,
            expand3x3_activation: relu(),
        })
    }
}

impl Forward<&Tensor> for Fire {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.squeeze_activation.call(&self.squeeze.call(x)?)?;
        let small = self.expand1x1_activation.call(&self.expand1x1.call(&x)?)?;
        let large = self.expand3x3_activation.call(&self.expand3x3.call(&x)?)?;
        cat(&[small, large], 1)
    }
}

/// A chain of squeezing and expanding blocks, as `torchvision.models.SqueezeNet`; made by [`squeezenet1_0`] and
/// [`squeezenet1_1`]. It takes images `[N, 3, H, W]` with sides of 21 pixels (1.1: 17) or more and gives
/// `[N, num_classes]`.
#[derive(Module)]
pub struct SqueezeNet {
    features: Sequential,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for SqueezeNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.features.call(x)?)?.flatten(1, -1)
    }
}

model_builder! {
    /// A [`SqueezeNet`] about to be made.
    pub struct SqueezeNetBuilder => SqueezeNet;
    fixed { second: bool }
    options {
        /// The probability of dropping a number before the last convolution; 0.5 unless set.
        dropout: f64 = 0.5,
    }
}

impl SqueezeNetBuilder {
    fn features(&self) -> Result<Sequential> {
        let (relu, pool) = (ReLU::new().inplace(true), || MaxPool2d::new(3).stride(2).ceil_mode(true));
        if self.second {
            return Sequential::of((
                Conv2d::new(3, 64, 3).stride(2),
                relu,
                pool(),
                Fire::new(64, 16, 64)?,
                Fire::new(128, 16, 64)?,
                pool(),
                Fire::new(128, 32, 128)?,
                Fire::new(256, 32, 128)?,
                pool(),
                Fire::new(256, 48, 192)?,
                Fire::new(384, 48, 192)?,
                Fire::new(384, 64, 256)?,
                Fire::new(512, 64, 256)?,
            ));
        }
        Sequential::of((
            Conv2d::new(3, 96, 7).stride(2),
            relu,
            pool(),
            Fire::new(96, 16, 64)?,
            Fire::new(128, 16, 64)?,
            Fire::new(128, 32, 128)?,
            pool(),
            Fire::new(256, 32, 128)?,
            Fire::new(256, 48, 192)?,
            Fire::new(384, 48, 192)?,
            Fire::new(384, 64, 256)?,
            pool(),
            Fire::new(512, 64, 256)?,
        ))
    }

    fn make(&self) -> Result<SqueezeNet> {
        let features = self.features()?;
        let last = Conv2d::new(512, self.classes(1000), 1).build()?;
        let last_weight = last.weight.tensor().clone();
        let classifier = Sequential::of((
            Dropout::new(self.dropout),
            last,
            ReLU::new().inplace(true),
            AdaptiveAvgPool2d::new([1, 1]),
        ))?;
        let model = SqueezeNet { features, classifier };
        fill(&model, |layer| {
            if let Weighted::Conv2d(conv) = &layer {
                if conv.weight.is(&last_weight) {
                    init::normal_(&conv.weight, 0.0, 0.01)?;
                } else {
                    init::kaiming_uniform_(&conv.weight, init::Fan::In, init::Nonlinearity::default())?;
                }
            }
            layer.without_bias()
        })?;
        Ok(model)
    }
}

model_functions! { SqueezeNetBuilder:
    /// SqueezeNet 1.0.
    squeezenet1_0(false);
    /// SqueezeNet 1.1: as good, with 2.4 times less to compute.
    squeezenet1_1(true);
}
