//! What is done to an image on its way into a batch, as `torchvision.transforms`.
//!
//! A transform is a module ([`Module`](flambeau_nn::Module) and [`Forward`]) without parameters, so it can
//! stand in a [`Sequential`](flambeau_nn::Sequential) as well as in a [`Compose`], and anybody can write
//! one:
//!
//! ```
//! use flambeau_nn::{Forward, Module};
//! use flambeau_tensor::{Result, Tensor};
//! use flambeau_vision::transforms::{Compose, RandomCrop, ToTensor};
//!
//! #[derive(Module)]
//! struct Invert;
//!
//! impl Forward for Invert {
//!     fn forward(&self, x: &Tensor) -> Result<Tensor> { x.rsub(1.0) }
//! }
//!
//! let transform = Compose::of((RandomCrop::new(28).padding(2), ToTensor::new(), Invert)).build()?;
//! let image = Tensor::zeros([1, 28, 28]).dtype(flambeau_tensor::DType::U8).build()?;
//! assert_eq!(transform.forward(&image)?.sum(..)?.item::<f32>()?, 784.0);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```
//!
//! An image is a tensor whose last two dimensions are height and width: `u8` as it comes from a file (what
//! torchvision takes as a PIL image), or floating point. What is random draws from the default generator in
//! torchvision's order, so that seeded results are torchvision's; `flambeau_data`'s loader gives each sample
//! numbers of its own. [`functional`] has the same without chance.

mod affine;
mod compose;
mod convert;
mod crop;
pub mod functional;
mod kinds;
mod resample;
mod resize;

pub use affine::{RandomAffine, RandomAffineBuilder, RandomRotation, RandomRotationBuilder, Shear};
pub use compose::{Compose, ComposeBuilder, Lambda};
pub use convert::{
    ConvertImageDtype, ConvertImageDtypeBuilder, Grayscale, GrayscaleBuilder, Normalize, NormalizeBuilder, ToDtype,
    ToDtypeBuilder, ToTensor,
};
pub use crop::{
    CenterCrop, CenterCropBuilder, Pad, PadBuilder, RandomCrop, RandomCropBuilder, RandomHorizontalFlip,
    RandomHorizontalFlipBuilder, RandomVerticalFlip, RandomVerticalFlipBuilder,
};
pub use flambeau_nn::Forward;
pub use kinds::{Fill, InterpolationMode, Padding, PaddingMode, Range, Size};
pub use resize::{Resize, ResizeBuilder};
