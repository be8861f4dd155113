//! Sets of labelled images, as `torchvision.datasets`: those in MNIST's form, CIFAR, folders of images.
//!
//! Each reads what lies in a folder; nothing is downloaded. A sample that no transform touched is a `u8`
//! tensor `[C, H, W]`, which stands for the PIL image of torchvision. Files are taken for hostile: an error
//! names file and fault, and memory is asked for as bytes arrive.

mod cifar;
mod folder;
mod idx;
mod images;
mod mnist;
mod options;

pub use cifar::{Cifar10, Cifar10Builder, Cifar100, Cifar100Builder};
pub use folder::{ImageFolder, ImageFolderBuilder};
pub use idx::read_idx;
pub use mnist::{
    Emnist, EmnistBuilder, EmnistSplit, FashionMnist, FashionMnistBuilder, Kmnist, KmnistBuilder, Mnist, MnistBuilder,
};
pub use options::{TargetTransform, TransformSlot};

/// Samples by number.
pub trait Dataset: Send + Sync {
    /// What a sample is.
    type Item;
    /// How many there are.
    fn len(&self) -> usize;
    /// Sample `index`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    fn get(&self, index: usize) -> flambeau_tensor::Result<Self::Item>;
}
