//! Images: reading and writing them, sets of them, transforms, grids. Laid out like torchvision.
//!
//! - [`io`]: PNG, JPEG, GIF, WebP and BMP to tensors, PNG and JPEG back.
//! - [`datasets`]: those of torchvision: folders of images, masks, boxes, sentences, optical flow, stereo.
//! - [`models`]: networks that classify, segment and detect, into which the weights of torchvision load.
//! - [`ops`]: boxes, regions of feature maps and what else detection needs.
//! - [`transforms`]: what is done to an image on its way into a batch.
//! - [`tv_tensors`]: images, masks, boxes and key points that say what they are.
//! - [`utils`]: many images in one picture; boxes, masks, key points and flow to look at.
//!
//! An image is a tensor `[C, H, W]`: `u8` as it comes from a file, floating point in 0 to 1 after
//! [`ToTensor`](transforms::ToTensor).

pub mod datasets;
pub mod io;
pub mod models;
pub mod ops;
mod simd;
pub mod transforms;
pub mod tv_tensors;
pub mod utils;

// What a program that depends on this crate alone needs a name for.
#[doc(no_inline)]
pub use flambeau_tensor::{Build, DType, Device, Error, Result, Tensor};
