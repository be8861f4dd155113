//! The entries of the networks that tell what an image shows, as torchvision lists them.

use super::{Labels, Preset, WeightsEntry, weights};
use crate::transforms::InterpolationMode::{Bicubic, Bilinear};

weights! {
    AlexNetWeights of "alexnet", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "alexnet-owt-7be5be79.pth", 61100840, (63, 63), ImageNet,
            [("ImageNet-1K", "acc@1", 56.522), ("ImageNet-1K", "acc@5", 79.066)],
            Preset::classify(224, 256, Bilinear);
    }
    ConvNeXt_BaseWeights of "convnext_base", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "convnext_base-6075fbad.pth", 88591464, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 84.062), ("ImageNet-1K", "acc@5", 96.87)],
            Preset::classify(224, 232, Bilinear);
    }
    ConvNeXt_LargeWeights of "convnext_large", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "convnext_large-ea097f82.pth", 197767336, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 84.414), ("ImageNet-1K", "acc@5", 96.976)],
            Preset::classify(224, 232, Bilinear);
    }
    ConvNeXt_SmallWeights of "convnext_small", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "convnext_small-0c510722.pth", 50223688, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 83.616), ("ImageNet-1K", "acc@5", 96.65)],
            Preset::classify(224, 230, Bilinear);
    }
    ConvNeXt_TinyWeights of "convnext_tiny", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "convnext_tiny-983f1562.pth", 28589128, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 82.52), ("ImageNet-1K", "acc@5", 96.146)],
            Preset::classify(224, 236, Bilinear);
    }
    DenseNet121Weights of "densenet121", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "densenet121-a639ec97.pth", 7978856, (29, 29), ImageNet,
            [("ImageNet-1K", "acc@1", 74.434), ("ImageNet-1K", "acc@5", 91.972)],
            Preset::classify(224, 256, Bilinear);
    }
    DenseNet161Weights of "densenet161", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "densenet161-8d451a50.pth", 28681000, (29, 29), ImageNet,
            [("ImageNet-1K", "acc@1", 77.138), ("ImageNet-1K", "acc@5", 93.56)],
            Preset::classify(224, 256, Bilinear);
    }
    DenseNet169Weights of "densenet169", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "densenet169-b2777c0a.pth", 14149480, (29, 29), ImageNet,
            [("ImageNet-1K", "acc@1", 75.6), ("ImageNet-1K", "acc@5", 92.806)],
            Preset::classify(224, 256, Bilinear);
    }
    DenseNet201Weights of "densenet201", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "densenet201-c1103571.pth", 20013928, (29, 29), ImageNet,
            [("ImageNet-1K", "acc@1", 76.896), ("ImageNet-1K", "acc@5", 93.37)],
            Preset::classify(224, 256, Bilinear);
    }
    EfficientNet_B0Weights of "efficientnet_b0", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b0_rwightman-7f5810bc.pth", 5288548, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 77.692), ("ImageNet-1K", "acc@5", 93.532)],
            Preset::classify(224, 256, Bicubic);
    }
    EfficientNet_B1Weights of "efficientnet_b1", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "efficientnet_b1_rwightman-bac287d4.pth", 7794184, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.642), ("ImageNet-1K", "acc@5", 94.186)],
            Preset::classify(240, 256, Bicubic);
        IMAGENET1K_V2: "efficientnet_b1-c27df63c.pth", 7794184, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 79.838), ("ImageNet-1K", "acc@5", 94.934)],
            Preset::classify(240, 255, Bilinear);
    }
    EfficientNet_B2Weights of "efficientnet_b2", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b2_rwightman-c35c1473.pth", 9109994, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.608), ("ImageNet-1K", "acc@5", 95.31)],
            Preset::classify(288, 288, Bicubic);
    }
    EfficientNet_B3Weights of "efficientnet_b3", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b3_rwightman-b3899882.pth", 12233232, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.008), ("ImageNet-1K", "acc@5", 96.054)],
            Preset::classify(300, 320, Bicubic);
    }
    EfficientNet_B4Weights of "efficientnet_b4", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b4_rwightman-23ab8bcd.pth", 19341616, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 83.384), ("ImageNet-1K", "acc@5", 96.594)],
            Preset::classify(380, 384, Bicubic);
    }
    EfficientNet_B5Weights of "efficientnet_b5", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b5_lukemelas-1a07897c.pth", 30389784, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 83.444), ("ImageNet-1K", "acc@5", 96.628)],
            Preset::classify(456, 456, Bicubic);
    }
    EfficientNet_B6Weights of "efficientnet_b6", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b6_lukemelas-24a108a5.pth", 43040704, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 84.008), ("ImageNet-1K", "acc@5", 96.916)],
            Preset::classify(528, 528, Bicubic);
    }
    EfficientNet_B7Weights of "efficientnet_b7", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_b7_lukemelas-c5b4e57e.pth", 66347960, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 84.122), ("ImageNet-1K", "acc@5", 96.908)],
            Preset::classify(600, 600, Bicubic);
    }
    EfficientNet_V2_LWeights of "efficientnet_v2_l", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_v2_l-59c71312.pth", 118515272, (33, 33), ImageNet,
            [("ImageNet-1K", "acc@1", 85.808), ("ImageNet-1K", "acc@5", 97.788)],
            Preset::classify(480, 480, Bicubic).normalized([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
    }
    EfficientNet_V2_MWeights of "efficientnet_v2_m", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_v2_m-dc08266a.pth", 54139356, (33, 33), ImageNet,
            [("ImageNet-1K", "acc@1", 85.112), ("ImageNet-1K", "acc@5", 97.156)],
            Preset::classify(480, 480, Bilinear);
    }
    EfficientNet_V2_SWeights of "efficientnet_v2_s", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "efficientnet_v2_s-dd5fe13b.pth", 21458488, (33, 33), ImageNet,
            [("ImageNet-1K", "acc@1", 84.228), ("ImageNet-1K", "acc@5", 96.878)],
            Preset::classify(384, 384, Bilinear);
    }
    GoogLeNetWeights of "googlenet", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "googlenet-1378be20.pth", 6624904, (15, 15), ImageNet,
            [("ImageNet-1K", "acc@1", 69.778), ("ImageNet-1K", "acc@5", 89.53)],
            Preset::classify(224, 256, Bilinear);
    }
    Inception_V3Weights of "inception_v3", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "inception_v3_google-0cc3c7bd.pth", 27161264, (75, 75), ImageNet,
            [("ImageNet-1K", "acc@1", 77.294), ("ImageNet-1K", "acc@5", 93.45)],
            Preset::classify(299, 342, Bilinear);
    }
    MaxVit_TWeights of "maxvit_t", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "maxvit_t-bc5ab103.pth", 30919624, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 83.7), ("ImageNet-1K", "acc@5", 96.722)],
            Preset::classify(224, 224, Bicubic);
    }
    MNASNet0_5Weights of "mnasnet0_5", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "mnasnet0.5_top1_67.823-3ffadce67e.pth", 2218512, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 67.734), ("ImageNet-1K", "acc@5", 87.49)],
            Preset::classify(224, 256, Bilinear);
    }
    MNASNet0_75Weights of "mnasnet0_75", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "mnasnet0_75-7090bc5f.pth", 3170208, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 71.18), ("ImageNet-1K", "acc@5", 90.496)],
            Preset::classify(224, 232, Bilinear);
    }
    MNASNet1_0Weights of "mnasnet1_0", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "mnasnet1.0_top1_73.512-f206786ef8.pth", 4383312, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 73.456), ("ImageNet-1K", "acc@5", 91.51)],
            Preset::classify(224, 256, Bilinear);
    }
    MNASNet1_3Weights of "mnasnet1_3", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "mnasnet1_3-a4c69d6f.pth", 6282256, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 76.506), ("ImageNet-1K", "acc@5", 93.522)],
            Preset::classify(224, 232, Bilinear);
    }
    MobileNet_V2Weights of "mobilenet_v2", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "mobilenet_v2-b0353104.pth", 3504872, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 71.878), ("ImageNet-1K", "acc@5", 90.286)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "mobilenet_v2-7ebf99e0.pth", 3504872, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 72.154), ("ImageNet-1K", "acc@5", 90.822)],
            Preset::classify(224, 232, Bilinear);
    }
    MobileNet_V3_LargeWeights of "mobilenet_v3_large", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "mobilenet_v3_large-8738ca79.pth", 5483032, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 74.042), ("ImageNet-1K", "acc@5", 91.34)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "mobilenet_v3_large-5c1a4163.pth", 5483032, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 75.274), ("ImageNet-1K", "acc@5", 92.566)],
            Preset::classify(224, 232, Bilinear);
    }
    MobileNet_V3_SmallWeights of "mobilenet_v3_small", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "mobilenet_v3_small-047dcff4.pth", 2542856, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 67.668), ("ImageNet-1K", "acc@5", 87.402)],
            Preset::classify(224, 256, Bilinear);
    }
    RegNet_X_16GFWeights of "regnet_x_16gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_16gf-2007eb11.pth", 54278536, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.058), ("ImageNet-1K", "acc@5", 94.944)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_16gf-ba3796d7.pth", 54278536, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.716), ("ImageNet-1K", "acc@5", 96.196)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_X_1_6GFWeights of "regnet_x_1_6gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_1_6gf-e3633e7f.pth", 9190136, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 77.04), ("ImageNet-1K", "acc@5", 93.44)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_1_6gf-a12f2b72.pth", 9190136, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 79.668), ("ImageNet-1K", "acc@5", 94.922)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_X_32GFWeights of "regnet_x_32gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_32gf-9d47f8d0.pth", 107811560, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.622), ("ImageNet-1K", "acc@5", 95.248)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_32gf-6eb8fdc6.pth", 107811560, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 83.014), ("ImageNet-1K", "acc@5", 96.288)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_X_3_2GFWeights of "regnet_x_3_2gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_3_2gf-f342aeae.pth", 15296552, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.364), ("ImageNet-1K", "acc@5", 93.992)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_3_2gf-7071aa85.pth", 15296552, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 81.196), ("ImageNet-1K", "acc@5", 95.43)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_X_400MFWeights of "regnet_x_400mf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_400mf-adf1edd5.pth", 5495976, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 72.834), ("ImageNet-1K", "acc@5", 90.95)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_400mf-62229a5f.pth", 5495976, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 74.864), ("ImageNet-1K", "acc@5", 92.322)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_X_800MFWeights of "regnet_x_800mf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_800mf-ad17e45c.pth", 7259656, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 75.212), ("ImageNet-1K", "acc@5", 92.348)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_800mf-94a99ebd.pth", 7259656, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 77.522), ("ImageNet-1K", "acc@5", 93.826)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_X_8GFWeights of "regnet_x_8gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_x_8gf-03ceed89.pth", 39572648, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 79.344), ("ImageNet-1K", "acc@5", 94.686)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_x_8gf-2b70d774.pth", 39572648, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 81.682), ("ImageNet-1K", "acc@5", 95.678)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_Y_128GFWeights of "regnet_y_128gf", default IMAGENET1K_SWAG_E2E_V1 {
        IMAGENET1K_SWAG_E2E_V1: "regnet_y_128gf_swag-c8ce3e52.pth", 644812894, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 88.228), ("ImageNet-1K", "acc@5", 98.682)],
            Preset::classify(384, 384, Bicubic);
        IMAGENET1K_SWAG_LINEAR_V1: "regnet_y_128gf_lc_swag-cbe8ce12.pth", 644812894, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 86.068), ("ImageNet-1K", "acc@5", 97.844)],
            Preset::classify(224, 224, Bicubic);
    }
    RegNet_Y_16GFWeights of "regnet_y_16gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_16gf-9e6ed7dd.pth", 83590140, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.424), ("ImageNet-1K", "acc@5", 95.24)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_16gf-3e4a00f9.pth", 83590140, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.886), ("ImageNet-1K", "acc@5", 96.328)],
            Preset::classify(224, 232, Bilinear);
        IMAGENET1K_SWAG_E2E_V1: "regnet_y_16gf_swag-43afe44d.pth", 83590140, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 86.012), ("ImageNet-1K", "acc@5", 98.054)],
            Preset::classify(384, 384, Bicubic);
        IMAGENET1K_SWAG_LINEAR_V1: "regnet_y_16gf_lc_swag-f3ec0043.pth", 83590140, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 83.976), ("ImageNet-1K", "acc@5", 97.244)],
            Preset::classify(224, 224, Bicubic);
    }
    RegNet_Y_1_6GFWeights of "regnet_y_1_6gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_1_6gf-b11a554e.pth", 11202430, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 77.95), ("ImageNet-1K", "acc@5", 93.966)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_1_6gf-0d7bc02a.pth", 11202430, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.876), ("ImageNet-1K", "acc@5", 95.444)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_Y_32GFWeights of "regnet_y_32gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_32gf-4dee3f7a.pth", 145046770, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.878), ("ImageNet-1K", "acc@5", 95.34)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_32gf-8db6d4b5.pth", 145046770, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 83.368), ("ImageNet-1K", "acc@5", 96.498)],
            Preset::classify(224, 232, Bilinear);
        IMAGENET1K_SWAG_E2E_V1: "regnet_y_32gf_swag-04fdfa75.pth", 145046770, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 86.838), ("ImageNet-1K", "acc@5", 98.362)],
            Preset::classify(384, 384, Bicubic);
        IMAGENET1K_SWAG_LINEAR_V1: "regnet_y_32gf_lc_swag-e1583746.pth", 145046770, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 84.622), ("ImageNet-1K", "acc@5", 97.48)],
            Preset::classify(224, 224, Bicubic);
    }
    RegNet_Y_3_2GFWeights of "regnet_y_3_2gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_3_2gf-b5a9779c.pth", 19436338, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.948), ("ImageNet-1K", "acc@5", 94.576)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_3_2gf-9180c971.pth", 19436338, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 81.982), ("ImageNet-1K", "acc@5", 95.972)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_Y_400MFWeights of "regnet_y_400mf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_400mf-c65dace8.pth", 4344144, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 74.046), ("ImageNet-1K", "acc@5", 91.716)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_400mf-e6988f5f.pth", 4344144, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 75.804), ("ImageNet-1K", "acc@5", 92.742)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_Y_800MFWeights of "regnet_y_800mf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_800mf-1b27b58c.pth", 6432512, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 76.42), ("ImageNet-1K", "acc@5", 93.136)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_800mf-58fc7688.pth", 6432512, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.828), ("ImageNet-1K", "acc@5", 94.502)],
            Preset::classify(224, 232, Bilinear);
    }
    RegNet_Y_8GFWeights of "regnet_y_8gf", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "regnet_y_8gf-d0d0e4a8.pth", 39381472, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.032), ("ImageNet-1K", "acc@5", 95.048)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "regnet_y_8gf-dc2b1b54.pth", 39381472, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.828), ("ImageNet-1K", "acc@5", 96.33)],
            Preset::classify(224, 232, Bilinear);
    }
    ResNet101Weights of "resnet101", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnet101-63fe2227.pth", 44549160, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 77.374), ("ImageNet-1K", "acc@5", 93.546)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "resnet101-cd907fc2.pth", 44549160, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 81.886), ("ImageNet-1K", "acc@5", 95.78)],
            Preset::classify(224, 232, Bilinear);
    }
    ResNet152Weights of "resnet152", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnet152-394f9c45.pth", 60192808, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.312), ("ImageNet-1K", "acc@5", 94.046)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "resnet152-f82ba261.pth", 60192808, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.284), ("ImageNet-1K", "acc@5", 96.002)],
            Preset::classify(224, 232, Bilinear);
    }
    ResNet18Weights of "resnet18", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "resnet18-f37072fd.pth", 11689512, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 69.758), ("ImageNet-1K", "acc@5", 89.078)],
            Preset::classify(224, 256, Bilinear);
    }
    ResNet34Weights of "resnet34", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "resnet34-b627a593.pth", 21797672, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 73.314), ("ImageNet-1K", "acc@5", 91.42)],
            Preset::classify(224, 256, Bilinear);
    }
    ResNet50Weights of "resnet50", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnet50-0676ba61.pth", 25557032, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 76.13), ("ImageNet-1K", "acc@5", 92.862)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "resnet50-11ad3fa6.pth", 25557032, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 80.858), ("ImageNet-1K", "acc@5", 95.434)],
            Preset::classify(224, 232, Bilinear);
    }
    ResNeXt101_32X8DWeights of "resnext101_32x8d", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnext101_32x8d-8ba56ff5.pth", 88791336, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 79.312), ("ImageNet-1K", "acc@5", 94.526)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "resnext101_32x8d-110c445d.pth", 88791336, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.834), ("ImageNet-1K", "acc@5", 96.228)],
            Preset::classify(224, 232, Bilinear);
    }
    ResNeXt101_64X4DWeights of "resnext101_64x4d", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "resnext101_64x4d-173b62eb.pth", 83455272, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 83.246), ("ImageNet-1K", "acc@5", 96.454)],
            Preset::classify(224, 232, Bilinear);
    }
    ResNeXt50_32X4DWeights of "resnext50_32x4d", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "resnext50_32x4d-7cdf4587.pth", 25028904, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 77.618), ("ImageNet-1K", "acc@5", 93.698)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "resnext50_32x4d-1a0047aa.pth", 25028904, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 81.198), ("ImageNet-1K", "acc@5", 95.34)],
            Preset::classify(224, 232, Bilinear);
    }
    ShuffleNet_V2_X0_5Weights of "shufflenet_v2_x0_5", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "shufflenetv2_x0.5-f707e7126e.pth", 1366792, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 60.552), ("ImageNet-1K", "acc@5", 81.746)],
            Preset::classify(224, 256, Bilinear);
    }
    ShuffleNet_V2_X1_0Weights of "shufflenet_v2_x1_0", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "shufflenetv2_x1-5666bf0f80.pth", 2278604, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 69.362), ("ImageNet-1K", "acc@5", 88.316)],
            Preset::classify(224, 256, Bilinear);
    }
    ShuffleNet_V2_X1_5Weights of "shufflenet_v2_x1_5", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "shufflenetv2_x1_5-3c479a10.pth", 3503624, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 72.996), ("ImageNet-1K", "acc@5", 91.086)],
            Preset::classify(224, 232, Bilinear);
    }
    ShuffleNet_V2_X2_0Weights of "shufflenet_v2_x2_0", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "shufflenetv2_x2_0-8be3c8ee.pth", 7393996, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 76.23), ("ImageNet-1K", "acc@5", 93.006)],
            Preset::classify(224, 232, Bilinear);
    }
    SqueezeNet1_0Weights of "squeezenet1_0", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "squeezenet1_0-b66bff10.pth", 1248424, (21, 21), ImageNet,
            [("ImageNet-1K", "acc@1", 58.092), ("ImageNet-1K", "acc@5", 80.42)],
            Preset::classify(224, 256, Bilinear);
    }
    SqueezeNet1_1Weights of "squeezenet1_1", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "squeezenet1_1-b8a52dc0.pth", 1235496, (17, 17), ImageNet,
            [("ImageNet-1K", "acc@1", 58.178), ("ImageNet-1K", "acc@5", 80.624)],
            Preset::classify(224, 256, Bilinear);
    }
    Swin_BWeights of "swin_b", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "swin_b-68c6b09e.pth", 87768224, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 83.582), ("ImageNet-1K", "acc@5", 96.64)],
            Preset::classify(224, 238, Bicubic);
    }
    Swin_SWeights of "swin_s", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "swin_s-5e29d889.pth", 49606258, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 83.196), ("ImageNet-1K", "acc@5", 96.36)],
            Preset::classify(224, 246, Bicubic);
    }
    Swin_TWeights of "swin_t", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "swin_t-704ceda3.pth", 28288354, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 81.474), ("ImageNet-1K", "acc@5", 95.776)],
            Preset::classify(224, 232, Bicubic);
    }
    Swin_V2_BWeights of "swin_v2_b", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "swin_v2_b-781e5279.pth", 87930848, (256, 256), ImageNet,
            [("ImageNet-1K", "acc@1", 84.112), ("ImageNet-1K", "acc@5", 96.864)],
            Preset::classify(256, 272, Bicubic);
    }
    Swin_V2_SWeights of "swin_v2_s", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "swin_v2_s-637d8ceb.pth", 49737442, (256, 256), ImageNet,
            [("ImageNet-1K", "acc@1", 83.712), ("ImageNet-1K", "acc@5", 96.816)],
            Preset::classify(256, 260, Bicubic);
    }
    Swin_V2_TWeights of "swin_v2_t", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "swin_v2_t-b137f0e2.pth", 28351570, (256, 256), ImageNet,
            [("ImageNet-1K", "acc@1", 82.072), ("ImageNet-1K", "acc@5", 96.132)],
            Preset::classify(256, 260, Bicubic);
    }
    VGG11Weights of "vgg11", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg11-8a719046.pth", 132863336, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 69.02), ("ImageNet-1K", "acc@5", 88.628)],
            Preset::classify(224, 256, Bilinear);
    }
    VGG11_BNWeights of "vgg11_bn", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg11_bn-6002323d.pth", 132868840, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 70.37), ("ImageNet-1K", "acc@5", 89.81)],
            Preset::classify(224, 256, Bilinear);
    }
    VGG13Weights of "vgg13", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg13-19584684.pth", 133047848, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 69.928), ("ImageNet-1K", "acc@5", 89.246)],
            Preset::classify(224, 256, Bilinear);
    }
    VGG13_BNWeights of "vgg13_bn", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg13_bn-abd245e5.pth", 133053736, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 71.586), ("ImageNet-1K", "acc@5", 90.374)],
            Preset::classify(224, 256, Bilinear);
    }
    VGG16Weights of "vgg16", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg16-397923af.pth", 138357544, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 71.592), ("ImageNet-1K", "acc@5", 90.382)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_FEATURES: "vgg16_features-amdegroot-88682ab5.pth", 138357544, (32, 32), None,
            [],
            Preset::classify(224, 256, Bilinear).normalized([0.48235, 0.45882, 0.40784], [0.00392156862745098, 0.00392156862745098, 0.00392156862745098]);
    }
    VGG16_BNWeights of "vgg16_bn", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg16_bn-6c64b313.pth", 138365992, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 73.36), ("ImageNet-1K", "acc@5", 91.516)],
            Preset::classify(224, 256, Bilinear);
    }
    VGG19Weights of "vgg19", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg19-dcbb9e9d.pth", 143667240, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 72.376), ("ImageNet-1K", "acc@5", 90.876)],
            Preset::classify(224, 256, Bilinear);
    }
    VGG19_BNWeights of "vgg19_bn", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vgg19_bn-c79401a0.pth", 143678248, (32, 32), ImageNet,
            [("ImageNet-1K", "acc@1", 74.218), ("ImageNet-1K", "acc@5", 91.842)],
            Preset::classify(224, 256, Bilinear);
    }
    ViT_B_16Weights of "vit_b_16", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vit_b_16-c867db91.pth", 86567656, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 81.072), ("ImageNet-1K", "acc@5", 95.318)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_SWAG_E2E_V1: "vit_b_16_swag-9ac1b537.pth", 86859496, (384, 384), ImageNet,
            [("ImageNet-1K", "acc@1", 85.304), ("ImageNet-1K", "acc@5", 97.65)],
            Preset::classify(384, 384, Bicubic);
        IMAGENET1K_SWAG_LINEAR_V1: "vit_b_16_lc_swag-4e70ced5.pth", 86567656, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 81.886), ("ImageNet-1K", "acc@5", 96.18)],
            Preset::classify(224, 224, Bicubic);
    }
    ViT_B_32Weights of "vit_b_32", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vit_b_32-d86f8d99.pth", 88224232, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 75.912), ("ImageNet-1K", "acc@5", 92.466)],
            Preset::classify(224, 256, Bilinear);
    }
    ViT_H_14Weights of "vit_h_14", default IMAGENET1K_SWAG_E2E_V1 {
        IMAGENET1K_SWAG_E2E_V1: "vit_h_14_swag-80465313.pth", 633470440, (518, 518), ImageNet,
            [("ImageNet-1K", "acc@1", 88.552), ("ImageNet-1K", "acc@5", 98.694)],
            Preset::classify(518, 518, Bicubic);
        IMAGENET1K_SWAG_LINEAR_V1: "vit_h_14_lc_swag-c1eb923e.pth", 632045800, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 85.708), ("ImageNet-1K", "acc@5", 97.73)],
            Preset::classify(224, 224, Bicubic);
    }
    ViT_L_16Weights of "vit_l_16", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vit_l_16-852ce7e3.pth", 304326632, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 79.662), ("ImageNet-1K", "acc@5", 94.638)],
            Preset::classify(224, 242, Bilinear);
        IMAGENET1K_SWAG_E2E_V1: "vit_l_16_swag-4f3808c9.pth", 305174504, (512, 512), ImageNet,
            [("ImageNet-1K", "acc@1", 88.064), ("ImageNet-1K", "acc@5", 98.512)],
            Preset::classify(512, 512, Bicubic);
        IMAGENET1K_SWAG_LINEAR_V1: "vit_l_16_lc_swag-4d563306.pth", 304326632, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 85.146), ("ImageNet-1K", "acc@5", 97.422)],
            Preset::classify(224, 224, Bicubic);
    }
    ViT_L_32Weights of "vit_l_32", default IMAGENET1K_V1 {
        IMAGENET1K_V1: "vit_l_32-c7638314.pth", 306535400, (224, 224), ImageNet,
            [("ImageNet-1K", "acc@1", 76.972), ("ImageNet-1K", "acc@5", 93.07)],
            Preset::classify(224, 256, Bilinear);
    }
    Wide_ResNet101_2Weights of "wide_resnet101_2", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "wide_resnet101_2-32ee1156.pth", 126886696, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.848), ("ImageNet-1K", "acc@5", 94.284)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "wide_resnet101_2-d733dc28.pth", 126886696, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 82.51), ("ImageNet-1K", "acc@5", 96.02)],
            Preset::classify(224, 232, Bilinear);
    }
    Wide_ResNet50_2Weights of "wide_resnet50_2", default IMAGENET1K_V2 {
        IMAGENET1K_V1: "wide_resnet50_2-95faca4d.pth", 68883240, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 78.468), ("ImageNet-1K", "acc@5", 94.086)],
            Preset::classify(224, 256, Bilinear);
        IMAGENET1K_V2: "wide_resnet50_2-9ba9bcbe.pth", 68883240, (1, 1), ImageNet,
            [("ImageNet-1K", "acc@1", 81.602), ("ImageNet-1K", "acc@5", 95.758)],
            Preset::classify(224, 232, Bilinear);
    }
}
