//! VGG: small convolutions in a long chain ("Very Deep Convolutional Networks for Large-Scale Image Recognition",
//! K. Simonyan & A. Zisserman, 2015).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use flambeau_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Call, Conv2d, Dropout, Forward, Linear, MaxPool2d, Module, ReLU, Sequential, init,
};
use flambeau_tensor::{Result, Tensor};

/// A chain of convolutions of three by three pixels, as `torchvision.models.VGG`; made by [`vgg16`] and its fellows. It
/// takes images `[N, 3, H, W]` with sides of 32 pixels or more and gives `[N, num_classes]`.
#[derive(Module)]
pub struct VGG {
    /// The convolutions.
    pub features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for VGG {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.avgpool.call(&self.features.call(x)?)?.flatten(1, -1)?)
    }
}

model_builder! {
    /// A [`VGG`] about to be made.
    pub struct VGGBuilder => VGG;
    fixed { convolutions: [usize; 5], batch_norm: bool }
    options {
        /// Fill it as K. Simonyan & A. Zisserman's successors do; else the layers keep their own first values. True
        /// unless set.
        init_weights: bool = true,
        /// The probability of dropping a number after the linear layers; 0.5 unless set.
        dropout: f64 = 0.5,
    }
}

impl VGGBuilder {
    fn features(&self) -> Result<Sequential> {
        let (mut layers, mut before) = (Sequential::new(), 3);
        for (count, channels) in self.convolutions.into_iter().zip([64, 128, 256, 512, 512]) {
            for _ in 0..count {
                layers.push(Conv2d::new(before, channels, 3).padding(1))?;
                if self.batch_norm {
                    layers.push(BatchNorm2d::new(channels))?;
                }
                layers.push(ReLU::new().inplace(true))?;
                before = channels;
            }
            layers.push(MaxPool2d::new(2).stride(2))?;
        }
        Ok(layers)
    }

    fn make(&self) -> Result<VGG> {
        let relu = || ReLU::new().inplace(true);
        let model = VGG {
            features: self.features()?,
            avgpool: AdaptiveAvgPool2d::new([7, 7]),
            classifier: Sequential::of((
                Linear::new(512 * 7 * 7, 4096),
                relu(),
                Dropout::new(self.dropout),
                Linear::new(4096, 4096),
                relu(),
                Dropout::new(self.dropout),
                Linear::new(4096, self.classes(1000)),
            ))?,
        };
        if self.init_weights && self.weights.is_none() {
            fill(&model, |layer| {
                match &layer {
                    Weighted::Conv2d(conv) => {
                        init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::Relu)?
                    }
                    Weighted::Linear(linear) => init::normal_(&linear.weight, 0.0, 0.01)?,
                };
                layer.without_bias()
            })?;
        }
        Ok(model)
    }
}

model_functions! { VGGBuilder:
    /// VGG-11.
    vgg11([1, 1, 2, 2, 2], false);
    /// VGG-11 with batch normalisation.
    vgg11_bn([1, 1, 2, 2, 2], true);
    /// VGG-13.
    vgg13([2, 2, 2, 2, 2], false);
    /// VGG-13 with batch normalisation.
    vgg13_bn([2, 2, 2, 2, 2], true);
    /// VGG-16.
    vgg16([2, 2, 3, 3, 3], false);
    /// VGG-16 with batch normalisation.
    vgg16_bn([2, 2, 3, 3, 3], true);
    /// VGG-19.
    vgg19([2, 2, 4, 4, 4], false);
    /// VGG-19 with batch normalisation.
    vgg19_bn([2, 2, 4, 4, 4], true);
}
