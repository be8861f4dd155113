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

pub use flambeau_data::Dataset;
