//! A network for images without its classes, and what tells classes apart at each place: fully convolutional networks
//! ("Fully Convolutional Networks for Semantic Segmentation", J. Long et al., 2015) and DeepLab v3 ("Rethinking Atrous
//! Convolution for Semantic Image Segmentation", L.-C. Chen et al., 2017).

use super::enlarged;
use crate::models::builder::{model_builder, model_functions};
use crate::models::layers::IntermediateLayerGetter;
use crate::models::{ResNetBuilder, WeightsEntry, mobilenet_v3_large, resnet50, resnet101};
use crate::ops::chains;
use flambeau_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Call, Conv2d, Dropout, Forward, Layer, Module, ReLU, Sequential, Tensors,
};
use flambeau_tensor::{Result, Tensor, bail, cat};

/// What a segmentation network gives: scores `[N, num_classes, H, W]` of each pixel.
#[derive(Clone, Debug, Tensors)]
pub struct SegmentationOutput {
    /// Those that count.
    pub out: Tensor,
    /// Those of a classifier on the way, where there is one.
    pub aux: Option<Tensor>,
}

chains! {
    /// What tells the classes apart in an FCN.
    FCNHead
    /// What tells the classes apart in DeepLab v3.
    DeepLabHead
    /// A convolution that looks far apart.
    ASPPConv
}

impl FCNHead {
    #[track_caller]
    fn of(from: usize, classes: usize) -> Result<Self> {
        let between = from / 4;
        Ok(FCNHead::from_chain(Sequential::of((
            Conv2d::new(from, between, 3).padding(1).bias(false),
            BatchNorm2d::new(between),
            ReLU::new(),
            Dropout::new(0.1),
            Conv2d::new(between, classes, 1),
        ))?))
    }
}

impl DeepLabHead {
    #[track_caller]
    fn of(from: usize, classes: usize) -> Result<Self> {
        Ok(DeepLabHead::from_chain(Sequential::of((
            ASPP::of(from, [12, 24, 36])?,
            Conv2d::new(256, 256, 3).padding(1).bias(false),
            BatchNorm2d::new(256),
            ReLU::new(),
            Conv2d::new(256, classes, 1),
        ))?))
    }
}

/// The mean of all places at each place.
struct ASPPPooling(Sequential);
flambeau_nn::named_module!(ASPPPooling, |_chain| String::new());

impl Forward<&Tensor> for ASPPPooling {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        enlarged(&self.0.forward(x)?, x)
    }
}

/// Convolutions that look differently far, side by side.
#[derive(Module)]
struct ASPP {
    convs: Vec<Box<dyn Layer>>,
    project: Sequential,
}

impl ASPP {
    #[track_caller]
    fn of(from: usize, rates: [usize; 3]) -> Result<Self> {
        let to = 256;
        let (norm, relu) = (|| BatchNorm2d::new(to), ReLU::new);
        let near = Sequential::of((Conv2d::new(from, to, 1).bias(false), norm(), relu()))?;
        let mut convs: Vec<Box<dyn Layer>> = vec![Box::new(near)];
        for rate in rates {
            let conv = Conv2d::new(from, to, 3).padding(rate).dilation(rate).bias(false);
            convs.push(Box::new(ASPPConv::from_chain(Sequential::of((conv, norm(), relu()))?)));
        }
        let conv = Conv2d::new(from, to, 1).bias(false);
        convs.push(Box::new(ASPPPooling(Sequential::of((AdaptiveAvgPool2d::new(1), conv, norm(), relu()))?)));
        let all = Conv2d::new(convs.len() * to, to, 1).bias(false);
        let project = Sequential::of((all, norm(), relu(), Dropout::new(0.5)))?;
        Ok(ASPP { convs, project })
    }
}

impl Forward<&Tensor> for ASPP {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let maps = self.convs.iter().map(|conv| conv.call(x)).collect::<Result<Vec<_>>>()?;
        self.project.call(&cat(&maps, 1)?)
    }
}

/// Which network the maps come from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Backbone {
    ResNet50,
    ResNet101,
    MobileNetV3Large,
}

impl Backbone {
    /// The network's layers that are used, and the channels of the maps `aux` and `out`.
    #[track_caller]
    fn maps(self, weights: Option<&'static WeightsEntry>, aux: bool) -> Result<(IntermediateLayerGetter, [usize; 2])> {
        let returned = |out: usize, on_the_way: usize| {
            let mut returned = vec![(out, "out".to_string())];
            returned.extend(aux.then(|| (on_the_way, "aux".to_string())));
            returned
        };
        let resnet = |mut builder: ResNetBuilder| {
            if let Some(weights) = weights {
                builder = builder.weights(weights);
            }
            let resnet = builder.replace_stride_with_dilation([false, true, true]).build()?;
            Ok((IntermediateLayerGetter::new(resnet.into_body(4)?, returned(7, 6)), [1024, 2048]))
        };
        match self {
            Backbone::ResNet50 => resnet(resnet50()),
            Backbone::ResNet101 => resnet(resnet101()),
            Backbone::MobileNetV3Large => {
                let mut builder = mobilenet_v3_large().dilated(true);
                if let Some(weights) = weights {
                    builder = builder.weights(weights);
                }
                let network = builder.build()?;
                let stages = network.stages();
                let [.., (on_the_way, aux_width), _, _, (last, width)] = stages[..] else {
                    bail!(Argument, "deeplabv3", "the network has too few stages");
                };
                Ok((IntermediateLayerGetter::new(network.features, returned(last, on_the_way)), [aux_width, width]))
            }
        }
    }
}

/// A fully convolutional network, as `torchvision.models.segmentation.FCN`; made by [`fcn_resnet50`] and
/// [`fcn_resnet101`].
#[derive(Module)]
pub struct FCN {
    backbone: IntermediateLayerGetter,
    classifier: FCNHead,
    aux_classifier: Option<FCNHead>,
}

/// DeepLab v3, as `torchvision.models.segmentation.DeepLabV3`; made by [`deeplabv3_resnet50`] and its fellows.
#[derive(Module)]
pub struct DeepLabV3 {
    backbone: IntermediateLayerGetter,
    classifier: DeepLabHead,
    aux_classifier: Option<FCNHead>,
}

macro_rules! networks {
    ($($Name:ident, $Builder:ident, $Head:ident;)*) => {$(
        impl Forward<&Tensor> for $Name {
            type Output = SegmentationOutput;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<SegmentationOutput> {
                let maps = self.backbone.call(x)?.0;
                let map = |name: &str| maps.iter().find(|(n, _)| n == name).map(|(_, map)| map);
                let Some(last) = map("out") else { bail!(Argument, stringify!($Name), "the backbone gives no map") };
                let out = enlarged(&self.classifier.call(last)?, x)?;
                let aux = match (&self.aux_classifier, map("aux")) {
                    (Some(head), Some(map)) => Some(enlarged(&head.call(map)?, x)?),
                    _ => None,
                };
                Ok(SegmentationOutput { out, aux })
            }
        }

        model_builder! {
            #[doc = concat!("A [`", stringify!($Name), "`] about to be made.")]
            pub struct $Builder => $Name;
            fixed { backbone: Backbone }
            options {
                /// With a classifier on the way. False unless set; with weights true.
                aux_loss: ~into Option<bool> = None,
                /// Weights for the network that the maps come from. None unless set.
                weights_backbone: ~into Option<&'static WeightsEntry> = None,
            }
        }

        impl $Builder {
            fn make(&self) -> Result<$Name> {
                let classes = self.classes(21);
                let aux = self.aux_loss.unwrap_or(self.weights.is_some());
                let backbone_weights = self.weights_backbone.filter(|_| self.weights.is_none());
                let (backbone, [aux_width, width]) = self.backbone.maps(backbone_weights, aux)?;
                let aux_classifier = aux.then(|| FCNHead::of(aux_width, classes)).transpose()?;
                Ok($Name { backbone, classifier: $Head::of(width, classes)?, aux_classifier })
            }
        }
    )*};
}
networks! {
    FCN, FCNBuilder, FCNHead;
    DeepLabV3, DeepLabV3Builder, DeepLabHead;
}

model_functions! { FCNBuilder:
    /// An FCN on a ResNet-50.
    fcn_resnet50(Backbone::ResNet50);
    /// An FCN on a ResNet-101.
    fcn_resnet101(Backbone::ResNet101);
}
model_functions! { DeepLabV3Builder:
    /// DeepLab v3 on a ResNet-50.
    deeplabv3_resnet50(Backbone::ResNet50);
    /// DeepLab v3 on a ResNet-101.
    deeplabv3_resnet101(Backbone::ResNet101);
    /// DeepLab v3 on a large MobileNet v3.
    deeplabv3_mobilenet_v3_large(Backbone::MobileNetV3Large);
}
