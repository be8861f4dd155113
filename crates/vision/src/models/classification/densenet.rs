//! DenseNet: every layer sees what all before it made ("Densely Connected Convolutional Networks", G. Huang et al.,
//! 2017).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::models::named::Named;
use flambeau_nn::{
    AvgPool2d, BatchNorm2d, Call, Conv2d, Forward, Linear, MaxPool2d, Mode, Module, ReLU, Sequential, functional, init,
};
use flambeau_tensor::{Result, Tensor, cat};

/// What adds `growth_rate` channels to those before it.
#[derive(Module)]
#[module(name = "_DenseLayer")]
struct DenseLayer {
    norm1: BatchNorm2d,
    relu1: ReLU,
    conv1: Conv2d,
    norm2: BatchNorm2d,
    relu2: ReLU,
    conv2: Conv2d,
    drop_rate: f64,
    training: Mode,
}

impl Forward<&Tensor> for DenseLayer {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv1.call(&self.relu1.call(&self.norm1.call(x)?)?)?;
        let x = self.conv2.call(&self.relu2.call(&self.norm2.call(&x)?)?)?;
        if self.drop_rate > 0.0 { functional::dropout(&x, self.drop_rate, self.training.is_training()) } else { Ok(x) }
    }
}

/// Layers each of which takes the outputs of all before it.
struct DenseBlock(Named<DenseLayer>);
flambeau_nn::named_module!(DenseBlock as "_DenseBlock", |_layers| String::new());

impl Forward<&Tensor> for DenseBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut features = vec![x.clone()];
        for layer in self.0.iter() {
            features.push(layer.call(&cat(&features, 1)?)?);
        }
        cat(&features, 1)
    }
}

/// Half of the channels and a quarter of the places.
struct Transition(Sequential);
flambeau_nn::named_module!(Transition as "_Transition", |_layers| String::new());

impl Forward<&Tensor> for Transition {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}

/// Blocks of layers that see all before them, as `torchvision.models.DenseNet`; made by [`densenet121`] and its fellows.
/// It takes images `[N, 3, H, W]` with sides of 29 pixels or more and gives `[N, num_classes]`.
#[derive(Module)]
pub struct DenseNet {
    features: Sequential,
    /// What tells the classes apart.
    pub classifier: Linear,
}

impl Forward<&Tensor> for DenseNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.features.call(x)?.relu()?.adaptive_avg_pool2d([1, 1])?;
        self.classifier.call(&x.flatten(1, -1)?)
    }
}

model_builder! {
    /// A [`DenseNet`] about to be made.
    pub struct DenseNetBuilder => DenseNet;
    fixed { growth_rate: usize, block_config: [usize; 4], num_init_features: usize }
    options {
        /// Channels between the two convolutions of a layer, in units of those it adds; 4 unless set.
        bn_size: usize = 4,
        /// The probability of dropping a number that a layer adds; 0 unless set.
        drop_rate: f64 = 0.0,
    }
}

impl DenseNetBuilder {
    fn layer(&self, before: usize) -> Result<DenseLayer> {
        let between = self.bn_size.saturating_mul(self.growth_rate);
        Ok(DenseLayer {
            norm1: BatchNorm2d::new(before).build()?,
            relu1: ReLU::new().inplace(true),
            conv1: Conv2d::new(before, between, 1).bias(false).build()?,
            norm2: BatchNorm2d::new(between).build()?,
            relu2: ReLU::new().inplace(true),
            conv2: Conv2d::new(between, self.growth_rate, 3).padding(1).bias(false).build()?,
            drop_rate: self.drop_rate,
            training: Mode::new(),
        })
    }

    fn make(&self) -> Result<DenseNet> {
        let mut channels = self.num_init_features;
        let mut features = Sequential::new()
            .named("conv0", Conv2d::new(3, channels, 7).stride(2).padding(3).bias(false))?
            .named("norm0", BatchNorm2d::new(channels))?
            .named("relu0", ReLU::new().inplace(true))?
            .named("pool0", MaxPool2d::new(3).stride(2).padding(1))?;
        for (i, count) in self.block_config.into_iter().enumerate() {
            let layers = (0..count)
                .map(|k| Ok((format!("denselayer{}", k + 1), self.layer(channels + k * self.growth_rate)?)))
                .collect::<Result<_>>()?;
            features.push_named(format!("denseblock{}", i + 1), DenseBlock(Named::new(layers)))?;
            channels += count * self.growth_rate;
            if i + 1 < self.block_config.len() {
                let transition = Sequential::new()
                    .named("norm", BatchNorm2d::new(channels))?
                    .named("relu", ReLU::new().inplace(true))?
                    .named("conv", Conv2d::new(channels, channels / 2, 1).bias(false))?
                    .named("pool", AvgPool2d::new(2).stride(2))?;
                features.push_named(format!("transition{}", i + 1), Transition(transition))?;
                channels /= 2;
            }
        }
        features.push_named("norm5", BatchNorm2d::new(channels))?;
        let model = DenseNet { features, classifier: Linear::new(channels, self.classes(1000)).build()? };
        fill(&model, |layer| match &layer {
            Weighted::Conv2d(conv) => {
                init::kaiming_normal_(&conv.weight, init::Fan::In, init::Nonlinearity::default()).map(drop)
            }
            Weighted::Linear(_) => layer.without_bias(),
        })?;
        Ok(model)
    }
}

model_functions! { DenseNetBuilder:
    /// DenseNet-121.
    densenet121(32, [6, 12, 24, 16], 64);
    /// DenseNet-161.
    densenet161(48, [6, 12, 36, 24], 96);
    /// DenseNet-169.
    densenet169(32, [6, 12, 32, 32], 64);
    /// DenseNet-201.
    densenet201(32, [6, 12, 48, 32], 64);
}
