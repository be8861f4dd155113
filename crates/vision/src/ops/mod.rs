//! What detection and segmentation need beside layers, as `torchvision.ops`: boxes and how far they overlap, losses of
//! boxes, regions of feature maps, deformable convolution, and what drops parts of a network at random.
//!
//! ```
//! use flambeau_tensor::tensor;
//! use flambeau_vision::ops::nms;
//!
//! let boxes = tensor!([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 20.0, 30.0, 30.0]]);
//! let scores = tensor!([0.8, 0.9, 0.7]);
//! assert_eq!(nms(&boxes, &scores, 0.5)?.to_vec::<i64>()?, [1, 2]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod boxes;
mod deform;
mod drop;
mod layers;
mod losses;
mod nms;
mod pyramid;
mod regions;
mod roi;

pub use boxes::{
    box_area, box_convert, box_iou, box_iou_as, clip_boxes_to_image, complete_box_iou, distance_box_iou,
    generalized_box_iou, masks_to_boxes, remove_small_boxes,
};
pub use deform::{DeformConvOptions, deform_conv2d};
pub use drop::{StochasticDepthMode, drop_block2d, drop_block3d, stochastic_depth};
pub(crate) use layers::chains;
pub use layers::{
    Activation, Conv2dNormActivation, Conv2dNormActivationBuilder, Conv3dNormActivation, Conv3dNormActivationBuilder,
    DropBlock2d, DropBlock3d, FrozenBatchNorm2d, FrozenBatchNorm2dBuilder, LayerNorm2d, MLP, MLPBuilder, Norm, Permute,
    SqueezeExcitation, SqueezeExcitationBuilder, StochasticDepth,
};
pub use losses::{complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, sigmoid_focal_loss};
pub use nms::{batched_nms, nms};
pub use pyramid::{
    DeformConv2d, DeformConv2dBuilder, ExtraBlocks, FeatureMaps, FeaturePyramidNetwork, FeaturePyramidNetworkBuilder,
    MultiScaleRoIAlign, MultiScaleRoIAlignBuilder, PSRoIAlign, PSRoIPool, RoIAlign, RoIPool,
};
pub use roi::{Rois, ps_roi_align, ps_roi_pool, roi_align, roi_pool};
