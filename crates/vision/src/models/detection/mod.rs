//! Networks that find things in images, as `torchvision.models.detection`.

mod anchors;
mod backbone;
mod coder;
mod masks;
mod rcnn;
mod roi_heads;
mod rpn;
mod transform;

pub use anchors::AnchorGenerator;
pub use backbone::BackboneWithFPN;
pub use rcnn::{
    RCNN, RCNNBuilder, fasterrcnn_mobilenet_v3_large_320_fpn, fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn, fasterrcnn_resnet50_fpn_v2, keypointrcnn_resnet50_fpn, maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
};

use flambeau_tensor::Tensor;

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

/// What training makes smaller, by name; its sum is the loss.
pub type Losses = Vec<(&'static str, Tensor)>;
