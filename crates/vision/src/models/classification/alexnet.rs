//! AlexNet ("One weird trick for parallelizing convolutional neural networks", A. Krizhevsky, 2014).

use crate::models::builder::{model_builder, model_functions};
use flambeau_nn::{AdaptiveAvgPool2d, Call, Conv2d, Dropout, Forward, Linear, MaxPool2d, Module, ReLU, Sequential};
use flambeau_tensor::{Result, Tensor};

/// Five convolutions and three linear layers, as `torchvision.models.AlexNet`; made by [`alexnet`]. It takes images
/// `[N, 3, H, W]` with sides of 63 pixels or more and gives `[N, num_classes]`.
#[derive(Module)]
pub struct AlexNet {
    features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for AlexNet {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.avgpool.call(&self.features.call(x)?)?.flatten(1, -1)?)
    }
}

model_builder! {
    /// An [`AlexNet`] about to be made.
    pub struct AlexNetBuilder => AlexNet;
    fixed {}
    options {
        /// The probability of dropping a number before the linear layers; 0.5 unless set.
        dropout: f64 = 0.5,
    }
}

impl AlexNetBuilder {
    fn make(&self) -> Result<AlexNet> {
        let relu = || ReLU::new().inplace(true);
        Ok(AlexNet {
            features: Sequential::of((
                Conv2d::new(3, 64, 11).stride(4).padding(2),
                relu(),
                MaxPool2d::new(3).stride(2),
                Conv2d::new(64, 192, 5).padding(2),
                relu(),
                MaxPool2d::new(3).stride(2),
                Conv2d::new(192, 384, 3).padding(1),
                relu(),
                Conv2d::new(384, 256, 3).padding(1),
                relu(),
                Conv2d::new(256, 256, 3).padding(1),
                relu(),
                MaxPool2d::new(3).stride(2),
            ))?,
            avgpool: AdaptiveAvgPool2d::new([6, 6]),
            classifier: Sequential::of((
                Dropout::new(self.dropout),
                Linear::new(256 * 6 * 6, 4096),
                relu(),
                Dropout::new(self.dropout),
                Linear::new(4096, 4096),
                relu(),
                Linear::new(4096, self.classes(1000)),
            ))?,
        })
    }
}

model_functions! { AlexNetBuilder:
    /// AlexNet.
    alexnet();
}
