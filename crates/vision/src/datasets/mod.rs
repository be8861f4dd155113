//! Data sets, as `torchvision.datasets`: labelled images in folders, lists and single files, masks, boxes, sentences, optical
//! flow, disparity.
//!
//! Each reads what lies in a folder, in the layout that torchvision has it in; nothing is downloaded, and no check sum is
//! asked for. A sample that no transform touched is a `u8` tensor `[C, H, W]`, which stands for the PIL image of torchvision.
//! [`wrap_dataset_for_transforms_v2`] gives samples whose parts say what they are. Files are taken for hostile: an error names
//! file and fault, and memory is asked for as bytes arrive.

mod arrays;
mod captions;
mod cifar;
mod coco;
mod flow;
mod folder;
mod idx;
mod images;
mod items;
mod kinds;
mod listed;
mod masks;
mod mnist;
mod names;
mod options;
mod pairs;
mod readers;
mod sequences;
mod split;
mod stereo;
mod target;
mod things;
mod video;
mod wrap;

pub use arrays::{
    FakeData, FakeDataBuilder, Fer2013, Fer2013Builder, Semeion, SemeionBuilder, Stl10, Stl10Builder, Svhn,
    SvhnBuilder, Usps, UspsBuilder,
};
pub use captions::{
    CocoCaptions, CocoCaptionsBuilder, Flickr8k, Flickr8kBuilder, Flickr30k, Flickr30kBuilder, Sbu, SbuBuilder,
};
pub use cifar::{Cifar10, Cifar10Builder, Cifar100, Cifar100Builder};
pub use coco::{CocoAnnotation, CocoDetection, CocoDetectionBuilder};
pub use flow::{
    FlyingChairs, FlyingChairsBuilder, FlyingThings3D, FlyingThings3DBuilder, Hd1k, Hd1kBuilder, KittiFlow,
    KittiFlowBuilder, Sintel, SintelBuilder,
};
pub use folder::{DatasetFolder, DatasetFolderBuilder, ImageFolder, ImageFolderBuilder};
pub use idx::read_idx;
pub use kinds::{
    Caltech101, Caltech101Builder, CelebA, CelebABuilder, Cityscapes, CityscapesBuilder, INaturalist,
    INaturalistBuilder, OxfordIiitPet, OxfordIiitPetBuilder, TargetTypes,
};
pub use listed::{
    Caltech256, Caltech256Builder, ClevrClassification, ClevrClassificationBuilder, Country211, Country211Builder, Dtd,
    DtdBuilder, EuroSat, EuroSatBuilder, FgvcAircraft, FgvcAircraftBuilder, Flowers102, Flowers102Builder, Food101,
    Food101Builder, Gtsrb, GtsrbBuilder, ImageNet, ImageNetBuilder, Imagenette, ImagenetteBuilder, LfwPeople,
    LfwPeopleBuilder, Omniglot, OmniglotBuilder, Places365, Places365Builder, RenderedSst2, RenderedSst2Builder,
    StanfordCars, StanfordCarsBuilder, Sun397, Sun397Builder,
};
pub use masks::CocoSegmentation;
pub use mnist::{
    Emnist, EmnistBuilder, EmnistSplit, FashionMnist, FashionMnistBuilder, Kmnist, KmnistBuilder, Mnist, MnistBuilder,
    Qmnist, QmnistBuilder,
};
pub use options::{Loader, PathFunction, TargetTransform, TransformSlot, ValidFile};
pub use readers::{Mat, MatVar, XmlElement, read_flo, read_mat, read_pfm};
pub use sequences::{
    LfwPairs, LfwPairsBuilder, MovingMnist, MovingMnistBuilder, PhotoTour, PhotoTourBuilder, PhotoTourItem,
};
pub use split::Split;
pub use stereo::{
    CarlaStereo, CarlaStereoBuilder, CreStereo, CreStereoBuilder, Eth3dStereo, Eth3dStereoBuilder, FallingThingsStereo,
    FallingThingsStereoBuilder, InStereo2k, InStereo2kBuilder, Kitti2012Stereo, Kitti2012StereoBuilder,
    Kitti2015Stereo, Kitti2015StereoBuilder, Middlebury2014Stereo, Middlebury2014StereoBuilder, SceneFlowStereo,
    SceneFlowStereoBuilder, SintelStereo, SintelStereoBuilder,
};
pub use target::{CityscapesPolygons, Target};
pub use things::{
    Kitti, KittiBuilder, KittiObject, SbDataset, SbDatasetBuilder, VocDetection, VocDetectionBuilder, VocSegmentation,
    VocSegmentationBuilder, WiderFace, WiderFaceBuilder, WiderFaceTarget,
};
pub use video::{
    Decoder, FrameFolders, Hmdb51, Hmdb51Builder, Kinetics, KineticsBuilder, RandomClipSampler, Ucf101, Ucf101Builder,
    UniformClipSampler, VideoClips, VideoDecoder, VideoFormat, VideoInfo,
};
pub use wrap::{TvSamples, Wrapped, wrap_dataset_for_transforms_v2};

pub use flambeau_data::Dataset;
