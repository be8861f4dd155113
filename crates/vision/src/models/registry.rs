//! Networks by name, as `torchvision.models.list_models` and `get_model`.

use super::*;
use flambeau_nn::{Call, Module, Tensors};
use flambeau_tensor::{Build, Error, ErrorKind, Result, Tensor, ensure};

/// A network of any family: what [`get_model`] makes.
pub trait Network: Module {
    /// What it gives for `x`, every tensor of it in order: images `[N, 3, H, W]`, videos `[N, 3, T, H, W]` for the networks
    /// that take them, and the two images between which things moved as `[2, N, 3, H, W]` for RAFT.
    ///
    /// # Errors
    /// Where `x` does not fit.
    fn outputs(&self, x: &Tensor) -> Result<Vec<Tensor>>;

    /// The network as one that finds things, with its losses; none where it does not.
    fn as_detector(&self) -> Option<&dyn Detector> {
        None
    }
}

macro_rules! networks {
    ($($Model:ty: $($name:ident)*;)*) => {
        $(
            impl Network for $Model {
                #[track_caller]
                fn outputs(&self, x: &Tensor) -> Result<Vec<Tensor>> {
                    Ok(self.call(x)?.tensors())
                }
            }
        )*

        makers! { MAKERS: $($($name)*)* }
    };
}

/// Lists what makes each network, by name.
macro_rules! makers {
    ($LIST:ident: $($name:ident)*) => {
        const $LIST: &[(&str, Maker)] = &[$((stringify!($name), |b| {
            let mut builder = $name();
            if let Some(classes) = b.num_classes {
                builder = builder.num_classes(classes);
            }
            if let Some(weights) = b.weights {
                builder = builder.weights(weights);
            }
            Ok(Box::new(builder.build()?))
        }),)*];
    };
}

macro_rules! detectors {
    ($($Model:ty: $($name:ident)*;)*) => {
        $(
            impl Network for $Model {
                #[track_caller]
                fn outputs(&self, x: &Tensor) -> Result<Vec<Tensor>> {
                    let images = (0..x.size(0)?).map(|i| x.select(0, i as isize)).collect::<Result<Vec<_>>>()?;
                    Ok(self.detect(&images)?.into_iter().flat_map(Detection::into_tensors).collect())
                }

                fn as_detector(&self) -> Option<&dyn Detector> {
                    Some(self)
                }
            }
        )*

        makers! { DETECTORS: $($($name)*)* }
    };
}

type Maker = fn(&ModelBuilder) -> Result<Box<dyn Network>>;

networks! {
    AlexNet: alexnet;
    DeepLabV3: deeplabv3_mobilenet_v3_large deeplabv3_resnet101 deeplabv3_resnet50;
    FCN: fcn_resnet101 fcn_resnet50;
    LRASPP: lraspp_mobilenet_v3_large;
    ConvNeXt: convnext_base convnext_large convnext_small convnext_tiny;
    DenseNet: densenet121 densenet161 densenet169 densenet201;
    EfficientNet: efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5
        efficientnet_b6 efficientnet_b7 efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s;
    GoogLeNet: googlenet;
    Inception3: inception_v3;
    MaxVit: maxvit_t;
    MNASNet: mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3;
    MobileNetV2: mobilenet_v2;
    MobileNetV3: mobilenet_v3_large mobilenet_v3_small;
    RegNet: regnet_x_16gf regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf
        regnet_y_128gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf
        regnet_y_8gf;
    ResNet: resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d resnext101_64x4d resnext50_32x4d
        wide_resnet101_2 wide_resnet50_2;
    ShuffleNetV2: shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0;
    SqueezeNet: squeezenet1_0 squeezenet1_1;
    SwinTransformer: swin_b swin_s swin_t swin_v2_b swin_v2_s swin_v2_t;
    VGG: vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn;
    VideoResNet: mc3_18 r2plus1d_18 r3d_18;
    S3D: s3d;
    MViT: mvit_v1_b mvit_v2_s;
    SwinTransformer3d: swin3d_b swin3d_s swin3d_t;
    VisionTransformer: vit_b_16 vit_b_32 vit_h_14 vit_l_16 vit_l_32;
}

detectors! {
    RCNN: fasterrcnn_mobilenet_v3_large_320_fpn fasterrcnn_mobilenet_v3_large_fpn fasterrcnn_resnet50_fpn
        fasterrcnn_resnet50_fpn_v2 keypointrcnn_resnet50_fpn maskrcnn_resnet50_fpn maskrcnn_resnet50_fpn_v2;
    RetinaNet: retinanet_resnet50_fpn retinanet_resnet50_fpn_v2;
    FCOS: fcos_resnet50_fpn;
    SSD: ssd300_vgg16 ssdlite320_mobilenet_v3_large;
}

impl Network for RAFT {
    #[track_caller]
    fn outputs(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        ensure!(x.rank() == 5 && x.shape()[0] == 2, Shape, "RAFT", "shape {:?} is not [2, N, 3, H, W]", x.shape());
        self.flows(&x.select(0, 0)?, &x.select(0, 1)?, 12)
    }
}
makers! { FLOWS: raft_large raft_small }

/// What makes each network, by name.
fn makers() -> impl Iterator<Item = &'static (&'static str, Maker)> {
    MAKERS.iter().chain(DETECTORS).chain(FLOWS)
}

/// The names of all networks, in the order of the alphabet, as `torchvision.models.list_models` without the quantized
/// ones.
pub fn list_models() -> Vec<&'static str> {
    let mut names: Vec<&str> = makers().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names
}

/// The network that the function `name` makes, of whatever family.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::models::get_model;
///
/// let model = get_model("squeezenet1_1").num_classes(5).build()?;
/// model.eval();
/// assert_eq!(model.outputs(&Tensor::zeros([1, 3, 64, 64]).build()?)?[0].shape(), [1, 5]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn get_model(name: impl Into<String>) -> ModelBuilder {
    ModelBuilder { name: name.into(), num_classes: None, weights: None }
}

/// A network of any family about to be made.
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build()`"]
pub struct ModelBuilder {
    name: String,
    num_classes: Option<usize>,
    weights: Option<&'static WeightsEntry>,
}

impl ModelBuilder {
    /// How many classes there are; as many as torchvision's weights tell apart unless set.
    pub fn num_classes(mut self, num_classes: usize) -> Self {
        self.num_classes = Some(num_classes);
        self
    }

    /// With weights of torchvision's. None unless set.
    pub fn weights(mut self, weights: &'static WeightsEntry) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// Where there is no network of this name, the weights are another network's, or their file is missing.
    #[track_caller]
    pub fn build(self) -> Result<Box<dyn Network>> {
        match makers().find(|(name, _)| *name == self.name) {
            Some((_, make)) => make(&self),
            None => {
                let message = format!("there is no network {:?}; `list_models()` lists them", self.name);
                Err(Error::new(ErrorKind::Argument, "get_model", message))
            }
        }
    }
}

impl Build for ModelBuilder {
    type Output = Box<dyn Network>;
    #[track_caller]
    fn build(self) -> Result<Box<dyn Network>> {
        ModelBuilder::build(self)
    }
}
