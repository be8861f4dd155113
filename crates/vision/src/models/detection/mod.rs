//! Networks that find things in images, as `torchvision.models.detection`.

mod anchors;
mod backbone;
mod coder;
mod fcos;
mod masks;
mod one_stage;
mod rcnn;
mod retinanet;
mod roi_heads;
mod rpn;
mod ssd;
mod transform;

pub use anchors::AnchorGenerator;
pub use backbone::BackboneWithFPN;
pub use fcos::{FCOS, FCOSBuilder, fcos_resnet50_fpn};
pub use rcnn::{
    RCNN, RCNNBuilder, fasterrcnn_mobilenet_v3_large_320_fpn, fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn, fasterrcnn_resnet50_fpn_v2, keypointrcnn_resnet50_fpn, maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
};

pub use retinanet::{RetinaNet, RetinaNetBuilder, retinanet_resnet50_fpn, retinanet_resnet50_fpn_v2};
pub use ssd::{SSD, SSDBuilder, ssd300_vgg16, ssdlite320_mobilenet_v3_large};

use super::Network;
use flambeau_tensor::{Result, Tensor};

/// A network that finds things in images: in training it tells losses, else detections.
///
/// It takes images `[3, H, W]` in 0 to 1, each of its own size. torchvision's networks are called with both and give one
/// or the other; here each has its name.
pub trait Detector: Network {
    /// What training makes smaller, by the names that torchvision gives.
    ///
    /// # Errors
    /// Where the images or targets do not fit, or a box has no area.
    #[track_caller]
    fn losses(&self, images: &[Tensor], targets: &[Target]) -> Result<Losses>;

    /// What is in the images.
    ///
    /// # Errors
    /// Where the images do not fit.
    #[track_caller]
    fn detect(&self, images: &[Tensor]) -> Result<Vec<Detection>>;
}

/// What is in an image.
#[derive(Clone, Debug)]
pub struct Target {
    /// Corners of boxes in pixels, `[N, 4]`.
    pub boxes: Tensor,
    /// Their classes, `int64` `[N]`; 0 is the background.
    pub labels: Tensor,
    /// Which pixels belong to each, `[N, H, W]`; for Mask R-CNN.
    pub masks: Option<Tensor>,
    /// The places of their key points and whether they are seen, `[N, K, 3]`; for Keypoint R-CNN.
    pub keypoints: Option<Tensor>,
}

/// What was found in an image, the most likely first.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Corners of boxes in pixels, `[N, 4]`.
    pub boxes: Tensor,
    /// Their classes, `int64` `[N]`.
    pub labels: Tensor,
    /// How likely they are, `[N]`.
    pub scores: Tensor,
    /// How likely each pixel belongs to each, `[N, 1, H, W]`; of Mask R-CNN.
    pub masks: Option<Tensor>,
    /// The places of their key points, `[N, K, 3]`; of Keypoint R-CNN.
    pub keypoints: Option<Tensor>,
    /// How likely those are, `[N, K]`; of Keypoint R-CNN.
    pub keypoints_scores: Option<Tensor>,
}

impl Detection {
    /// All its tensors, in the order of torchvision's dict.
    pub(crate) fn into_tensors(self) -> impl Iterator<Item = Tensor> {
        let first = [Some(self.boxes), Some(self.labels), Some(self.scores)];
        first.into_iter().chain([self.masks, self.keypoints, self.keypoints_scores]).flatten()
    }
}

/// What training makes smaller, by name; its sum is the loss.
pub type Losses = Vec<(&'static str, Tensor)>;
