//! The segmentation head of MobileNet v3 ("Searching for MobileNetV3", A. Howard et al., 2019).

use super::{SegmentationOutput, enlarged};
use crate::models::builder::{model_builder, model_functions};
use crate::models::layers::IntermediateLayerGetter;
use crate::models::{WeightsEntry, mobilenet_v3_large};
use flambeau_nn::{AdaptiveAvgPool2d, BatchNorm2d, Call, Conv2d, Forward, Module, ReLU, Sequential, Sigmoid};
use flambeau_tensor::{Result, Tensor, bail};

/// Classes by a fine and a coarse map, the coarse one weighed by what it is on average.
#[derive(Module)]
struct LRASPPHead {
    cbr: Sequential,
    scale: Sequential,
    low_classifier: Conv2d,
    high_classifier: Conv2d,
}

impl Forward<(&Tensor, &Tensor)> for LRASPPHead {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (low, high): (&Tensor, &Tensor)) -> Result<Tensor> {
        let x = enlarged(&self.cbr.call(high)?.mul(&self.scale.call(high)?)?, low)?;
        self.low_classifier.call(low)?.add(&self.high_classifier.call(&x)?)
    }
}

/// A light segmentation network, as `torchvision.models.segmentation.LRASPP`; made by [`lraspp_mobilenet_v3_large`].
#[derive(Module)]
pub struct LRASPP {
    backbone: IntermediateLayerGetter,
    classifier: LRASPPHead,
}

impl Forward<&Tensor> for LRASPP {
    type Output = SegmentationOutput;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<SegmentationOutput> {
        let maps = self.backbone.call(x)?.0;
        let [(_, low), (_, high)] = &maps[..] else { bail!(Argument, "LRASPP", "the backbone gives no two maps") };
        Ok(SegmentationOutput { out: enlarged(&self.classifier.call((low, high))?, x)?, aux: None })
    }
}

model_builder! {
    /// An [`LRASPP`] about to be made.
    pub struct LRASPPBuilder => LRASPP;
    fixed {}
    options {
        /// Weights for the network that the maps come from. None unless set.
        weights_backbone: ~into Option<&'static WeightsEntry> = None,
    }
}

impl LRASPPBuilder {
    fn make(&self) -> Result<LRASPP> {
        let (classes, between) = (self.classes(21), 128);
        let mut network = mobilenet_v3_large().dilated(true);
        if let Some(weights) = self.weights_backbone.filter(|_| self.weights.is_none()) {
            network = network.weights(weights);
        }
        let network = network.build()?;
        let stages = network.stages();
        let [.., (low, low_width), _, _, (high, width)] = stages[..] else {
            bail!(Argument, self.name, "the network has too few stages");
        };
        let returned = vec![(low, "low".to_string()), (high, "high".to_string())];
        let conv = || Conv2d::new(width, between, 1).bias(false);
        Ok(LRASPP {
            backbone: IntermediateLayerGetter::new(network.features, returned),
            classifier: LRASPPHead {
                cbr: Sequential::of((conv(), BatchNorm2d::new(between), ReLU::new().inplace(true)))?,
                scale: Sequential::of((AdaptiveAvgPool2d::new(1), conv(), Sigmoid::new()))?,
                low_classifier: Conv2d::new(low_width, classes, 1).build()?,
                high_classifier: Conv2d::new(between, classes, 1).build()?,
            },
        })
    }
}

model_functions! { LRASPPBuilder:
    /// LR-ASPP on a large MobileNet v3.
    lraspp_mobilenet_v3_large();
}
