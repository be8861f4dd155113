//! Networks that tell what an image shows.

mod alexnet;
mod convnext;
mod densenet;
mod efficientnet;
mod googlenet;
mod inception;
mod maxvit;
mod mnasnet;
mod mobilenetv2;
pub(crate) mod mobilenetv3;
mod regnet;
pub(crate) mod resnet;
mod shufflenetv2;
mod squeezenet;
pub(crate) mod swin_transformer;
mod vgg;
pub(crate) mod vision_transformer;

pub use alexnet::{AlexNet, AlexNetBuilder, alexnet};
pub use convnext::{ConvNeXt, ConvNeXtBuilder, convnext_base, convnext_large, convnext_small, convnext_tiny};
pub use densenet::{DenseNet, DenseNetBuilder, densenet121, densenet161, densenet169, densenet201};
pub use efficientnet::{
    EfficientNet, EfficientNetBuilder, efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3,
    efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7, efficientnet_v2_l, efficientnet_v2_m,
    efficientnet_v2_s,
};
pub use googlenet::{GoogLeNet, GoogLeNetBuilder, GoogLeNetOutputs, googlenet};
pub use inception::{Inception3, Inception3Builder, InceptionOutputs, inception_v3};
pub use maxvit::{MaxVit, MaxVitBuilder, maxvit_t};
pub use mnasnet::{MNASNet, MNASNetBuilder, mnasnet0_5, mnasnet0_75, mnasnet1_0, mnasnet1_3};
pub use mobilenetv2::{MobileNetV2, MobileNetV2Builder, mobilenet_v2};
pub use mobilenetv3::{MobileNetV3, MobileNetV3Builder, mobilenet_v3_large, mobilenet_v3_small};
pub use regnet::{
    RegNet, RegNetBuilder, regnet_x_1_6gf, regnet_x_3_2gf, regnet_x_8gf, regnet_x_16gf, regnet_x_32gf, regnet_x_400mf,
    regnet_x_800mf, regnet_y_1_6gf, regnet_y_3_2gf, regnet_y_8gf, regnet_y_16gf, regnet_y_32gf, regnet_y_128gf,
    regnet_y_400mf, regnet_y_800mf,
};
pub use resnet::{
    BasicBlock, Bottleneck, ResNet, ResNetBuilder, resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d,
    resnext101_32x8d, resnext101_64x4d, wide_resnet50_2, wide_resnet101_2,
};
pub use shufflenetv2::{
    ShuffleNetV2, ShuffleNetV2Builder, shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0,
};
pub use squeezenet::{SqueezeNet, SqueezeNetBuilder, squeezenet1_0, squeezenet1_1};
pub use swin_transformer::{
    SwinTransformer, SwinTransformerBuilder, swin_b, swin_s, swin_t, swin_v2_b, swin_v2_s, swin_v2_t,
};
pub use vgg::{VGG, VGGBuilder, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn};
pub use vision_transformer::{
    VisionTransformer, VisionTransformerBuilder, vit_b_16, vit_b_32, vit_h_14, vit_l_16, vit_l_32,
};
