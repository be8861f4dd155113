//! Networks that tell what every pixel shows.

mod lraspp;
mod simple;

pub use lraspp::{LRASPP, LRASPPBuilder, lraspp_mobilenet_v3_large};
pub use simple::{
    DeepLabV3, DeepLabV3Builder, FCN, FCNBuilder, SegmentationOutput, deeplabv3_mobilenet_v3_large, deeplabv3_resnet50,
    deeplabv3_resnet101, fcn_resnet50, fcn_resnet101,
};

use flambeau_tensor::{InterpolateMode, InterpolateOptions, Result, Tensor};

/// A map as large as the image `like` or another map.
#[track_caller]
fn enlarged(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    let (height, width) = (like.size(-2)?, like.size(-1)?);
    x.interpolate(InterpolateOptions::size([height, width]).mode(InterpolateMode::Linear))
}
