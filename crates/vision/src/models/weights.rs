//! The weights that torchvision offers: what they are, and where their files are looked for. Nothing is fetched from the
//! network.

use flambeau_nn::Module;
use flambeau_serialize as serialize;
use flambeau_tensor::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// One set of weights of one network, as an entry of torchvision's enums.
#[derive(Debug, PartialEq)]
pub struct WeightsEntry {
    /// The function that makes the network.
    pub model: &'static str,
    /// What torchvision calls it: `IMAGENET1K_V1`.
    pub name: &'static str,
    /// The file as torchvision names it: the end of its URL.
    pub file: &'static str,
    /// Parameters of the network.
    pub num_params: usize,
    /// Right first answers on ImageNet-1K in percent.
    pub acc1: f64,
    /// Answers right within five on ImageNet-1K in percent.
    pub acc5: f64,
    /// The side that an image is resized to before it is cropped.
    pub resize_size: usize,
    /// The side of the crop that the network sees.
    pub crop_size: usize,
}

impl WeightsEntry {
    /// Where the file is looked for: in the folder `checkpoints` of `FLAMBEAU_HOME`, which is `~/.cache/flambeau` unless
    /// set.
    pub fn path(&self) -> PathBuf {
        let home = std::env::var_os("FLAMBEAU_HOME").map(PathBuf::from).unwrap_or_else(|| {
            std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".cache").join("flambeau")
        });
        home.join("checkpoints").join(self.file)
    }

    /// Loads them into a network.
    #[track_caller]
    pub(super) fn load_into(&self, model: &dyn Module) -> Result<()> {
        let path = self.path();
        if !path.is_file() {
            let message = format!(
                "the weights {} are in no file {}; put torchvision's {} there, or set FLAMBEAU_HOME",
                self.name,
                path.display(),
                self.file
            );
            return Err(Error::new(ErrorKind::Argument, self.model, message));
        }
        model.load_state_dict(&serialize::load(&path)?)
    }
}

macro_rules! weights {
    ($($Name:ident of $model:literal, default $default:ident { $($entry:ident: $file:literal, $params:literal, $acc1:literal, $acc5:literal, $resize:literal, $crop:literal;)* })*) => {$(
        #[doc = concat!("The weights of `", $model, "`.")]
        #[derive(Debug)]
        #[allow(non_camel_case_types)] // torchvision's names
        pub struct $Name;

        impl $Name {
            $(
                #[doc = concat!("`", stringify!($entry), "`: ", $acc1, " % of ImageNet-1K right.")]
                pub const $entry: &'static WeightsEntry = &WeightsEntry {
                    model: $model,
                    name: stringify!($entry),
                    file: $file,
                    num_params: $params,
                    acc1: $acc1,
                    acc5: $acc5,
                    resize_size: $resize,
                    crop_size: $crop,
                };
            )*

            /// The best ones.
            pub const DEFAULT: &'static WeightsEntry = Self::$default;
        }
    )*};
}

weights! {
    ResNet18Weights of "resnet18", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "resnet18-f37072fd.pth", 11689512, 69.758, 89.078, 256, 224;
    }
    ResNet34Weights of "resnet34", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "resnet34-b627a593.pth", 21797672, 73.314, 91.42, 256, 224;
    }
    ResNet50Weights of "resnet50", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnet50-0676ba61.pth", 25557032, 76.13, 92.862, 256, 224;
        IMAGENET1K_V2: "resnet50-11ad3fa6.pth", 25557032, 80.858, 95.434, 232, 224;
    }
    ResNet101Weights of "resnet101", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnet101-63fe2227.pth", 44549160, 77.374, 93.546, 256, 224;
        IMAGENET1K_V2: "resnet101-cd907fc2.pth", 44549160, 81.886, 95.78, 232, 224;
    }
    ResNet152Weights of "resnet152", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnet152-394f9c45.pth", 60192808, 78.312, 94.046, 256, 224;
        IMAGENET1K_V2: "resnet152-f82ba261.pth", 60192808, 82.284, 96.002, 232, 224;
    }
    ResNeXt50_32X4DWeights of "resnext50_32x4d", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnext50_32x4d-7cdf4587.pth", 25028904, 77.618, 93.698, 256, 224;
        IMAGENET1K_V2: "resnext50_32x4d-1a0047aa.pth", 25028904, 81.198, 95.34, 232, 224;
    }
    ResNeXt101_32X8DWeights of "resnext101_32x8d", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnext101_32x8d-8ba56ff5.pth", 88791336, 79.312, 94.526, 256, 224;
        IMAGENET1K_V2: "resnext101_32x8d-110c445d.pth", 88791336, 82.834, 96.228, 232, 224;
    }
    ResNeXt101_64X4DWeights of "resnext101_64x4d", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "resnext101_64x4d-173b62eb.pth", 83455272, 83.246, 96.454, 232, 224;
    }
    WideResNet50_2Weights of "wide_resnet50_2", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "wide_resnet50_2-95faca4d.pth", 68883240, 78.468, 94.086, 256, 224;
        IMAGENET1K_V2: "wide_resnet50_2-9ba9bcbe.pth", 68883240, 81.602, 95.758, 232, 224;
    }
    WideResNet101_2Weights of "wide_resnet101_2", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "wide_resnet101_2-32ee1156.pth", 126886696, 78.848, 94.284, 256, 224;
        IMAGENET1K_V2: "wide_resnet101_2-d733dc28.pth", 126886696, 82.51, 96.02, 232, 224;
    }
}
