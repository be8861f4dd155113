//! Sets of labelled images, as `torchvision.datasets`: those in MNIST's form, CIFAR, folders of images, COCO.
//!
//! Each reads what lies in a folder; nothing is downloaded. A sample that no transform touched is a `u8`
//! tensor `[C, H, W]`, which stands for the PIL image of torchvision. Files are taken for hostile: an error
//! names file and fault, and memory is asked for as bytes arrive.

mod cifar;
mod coco;
mod folder;
mod idx;
mod images;
mod listed;
mod mnist;
mod options;

pub use cifar::{Cifar10, Cifar10Builder, Cifar100, Cifar100Builder};
pub use coco::{CocoAnnotation, CocoDetection, CocoDetectionBuilder};
pub use folder::{ImageFolder, ImageFolderBuilder};
pub use idx::read_idx;
pub use listed::{
    Country211, Country211Builder, Dtd, DtdBuilder, EuroSat, EuroSatBuilder, FgvcAircraft, FgvcAircraftBuilder,
    OxfordIiitPet, OxfordIiitPetBuilder, RenderedSst2, RenderedSst2Builder, Split, Sun397, Sun397Builder,
};
pub use mnist::{
    Emnist, EmnistBuilder, EmnistSplit, FashionMnist, FashionMnistBuilder, Kmnist, KmnistBuilder, Mnist, MnistBuilder,
};
pub use options::{TargetTransform, TransformSlot};

pub use flambeau_data::Dataset;
