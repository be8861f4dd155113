//! The entries of the networks that find things, segment, tell what a video shows and follow motion, as torchvision lists
//! them.

use super::{Labels, Preset, WeightsEntry, weights};

weights! {
    FasterRCNN_MobileNet_V3_Large_320_FPNWeights of "fasterrcnn_mobilenet_v3_large_320_fpn", default COCO_V1 {
        COCO_V1: "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth", 19386354, (1, 1), Coco,
            [("COCO-val2017", "box_map", 22.8)],
            Preset::ObjectDetection;
    }
    FasterRCNN_MobileNet_V3_Large_FPNWeights of "fasterrcnn_mobilenet_v3_large_fpn", default COCO_V1 {
        COCO_V1: "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", 19386354, (1, 1), Coco,
            [("COCO-val2017", "box_map", 32.8)],
            Preset::ObjectDetection;
    }
    FasterRCNN_ResNet50_FPNWeights of "fasterrcnn_resnet50_fpn", default COCO_V1 {
        COCO_V1: "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 41755286, (1, 1), Coco,
            [("COCO-val2017", "box_map", 37.0)],
            Preset::ObjectDetection;
    }
    FasterRCNN_ResNet50_FPN_V2Weights of "fasterrcnn_resnet50_fpn_v2", default COCO_V1 {
        COCO_V1: "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 43712278, (1, 1), Coco,
            [("COCO-val2017", "box_map", 46.7)],
            Preset::ObjectDetection;
    }
    KeypointRCNN_ResNet50_FPNWeights of "keypointrcnn_resnet50_fpn", default COCO_V1 {
        COCO_LEGACY: "keypointrcnn_resnet50_fpn_coco-9f466800.pth", 59137258, (1, 1), CocoPerson,
            [("COCO-val2017", "box_map", 50.6), ("COCO-val2017", "kp_map", 61.1)],
            Preset::ObjectDetection;
        COCO_V1: "keypointrcnn_resnet50_fpn_coco-fc266e95.pth", 59137258, (1, 1), CocoPerson,
            [("COCO-val2017", "box_map", 54.6), ("COCO-val2017", "kp_map", 65.0)],
            Preset::ObjectDetection;
    }
    MaskRCNN_ResNet50_FPNWeights of "maskrcnn_resnet50_fpn", default COCO_V1 {
        COCO_V1: "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 44401393, (1, 1), Coco,
            [("COCO-val2017", "box_map", 37.9), ("COCO-val2017", "mask_map", 34.6)],
            Preset::ObjectDetection;
    }
    MaskRCNN_ResNet50_FPN_V2Weights of "maskrcnn_resnet50_fpn_v2", default COCO_V1 {
        COCO_V1: "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", 46359409, (1, 1), Coco,
            [("COCO-val2017", "box_map", 47.4), ("COCO-val2017", "mask_map", 41.8)],
            Preset::ObjectDetection;
    }
    DeepLabV3_MobileNet_V3_LargeWeights of "deeplabv3_mobilenet_v3_large", default COCO_WITH_VOC_LABELS_V1 {
        COCO_WITH_VOC_LABELS_V1: "deeplabv3_mobilenet_v3_large-fc3c493d.pth", 11029328, (1, 1), Voc,
            [("COCO-val2017-VOC-labels", "miou", 60.3), ("COCO-val2017-VOC-labels", "pixel_acc", 91.2)],
            Preset::SemanticSegmentation { resize_size: 520 };
    }
    DeepLabV3_ResNet101Weights of "deeplabv3_resnet101", default COCO_WITH_VOC_LABELS_V1 {
        COCO_WITH_VOC_LABELS_V1: "deeplabv3_resnet101_coco-586e9e4e.pth", 60996202, (1, 1), Voc,
            [("COCO-val2017-VOC-labels", "miou", 67.4), ("COCO-val2017-VOC-labels", "pixel_acc", 92.4)],
            Preset::SemanticSegmentation { resize_size: 520 };
    }
    DeepLabV3_ResNet50Weights of "deeplabv3_resnet50", default COCO_WITH_VOC_LABELS_V1 {
        COCO_WITH_VOC_LABELS_V1: "deeplabv3_resnet50_coco-cd0a2569.pth", 42004074, (1, 1), Voc,
            [("COCO-val2017-VOC-labels", "miou", 66.4), ("COCO-val2017-VOC-labels", "pixel_acc", 92.4)],
            Preset::SemanticSegmentation { resize_size: 520 };
    }
    FCN_ResNet101Weights of "fcn_resnet101", default COCO_WITH_VOC_LABELS_V1 {
        COCO_WITH_VOC_LABELS_V1: "fcn_resnet101_coco-7ecb50ca.pth", 54314346, (1, 1), Voc,
            [("COCO-val2017-VOC-labels", "miou", 63.7), ("COCO-val2017-VOC-labels", "pixel_acc", 91.9)],
            Preset::SemanticSegmentation { resize_size: 520 };
    }
    FCN_ResNet50Weights of "fcn_resnet50", default COCO_WITH_VOC_LABELS_V1 {
        COCO_WITH_VOC_LABELS_V1: "fcn_resnet50_coco-1167a1af.pth", 35322218, (1, 1), Voc,
            [("COCO-val2017-VOC-labels", "miou", 60.5), ("COCO-val2017-VOC-labels", "pixel_acc", 91.4)],
            Preset::SemanticSegmentation { resize_size: 520 };
    }
    LRASPP_MobileNet_V3_LargeWeights of "lraspp_mobilenet_v3_large", default COCO_WITH_VOC_LABELS_V1 {
        COCO_WITH_VOC_LABELS_V1: "lraspp_mobilenet_v3_large-d234d4ea.pth", 3221538, (1, 1), Voc,
            [("COCO-val2017-VOC-labels", "miou", 57.9), ("COCO-val2017-VOC-labels", "pixel_acc", 91.2)],
            Preset::SemanticSegmentation { resize_size: 520 };
    }
    RetinaNet_ResNet50_FPNWeights of "retinanet_resnet50_fpn", default COCO_V1 {
        COCO_V1: "retinanet_resnet50_fpn_coco-eeacb38b.pth", 34014999, (1, 1), Coco,
            [("COCO-val2017", "box_map", 36.4)],
            Preset::ObjectDetection;
    }
    RetinaNet_ResNet50_FPN_V2Weights of "retinanet_resnet50_fpn_v2", default COCO_V1 {
        COCO_V1: "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", 38198935, (1, 1), Coco,
            [("COCO-val2017", "box_map", 41.5)],
            Preset::ObjectDetection;
    }
    FCOS_ResNet50_FPNWeights of "fcos_resnet50_fpn", default COCO_V1 {
        COCO_V1: "fcos_resnet50_fpn_coco-99b0c9b7.pth", 32269600, (1, 1), Coco,
            [("COCO-val2017", "box_map", 39.2)],
            Preset::ObjectDetection;
    }
    SSD300_VGG16Weights of "ssd300_vgg16", default COCO_V1 {
        COCO_V1: "ssd300_vgg16_coco-b556d3b4.pth", 35641826, (1, 1), Coco,
            [("COCO-val2017", "box_map", 25.1)],
            Preset::ObjectDetection;
    }
    SSDLite320_MobileNet_V3_LargeWeights of "ssdlite320_mobilenet_v3_large", default COCO_V1 {
        COCO_V1: "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", 3440060, (1, 1), Coco,
            [("COCO-val2017", "box_map", 21.3)],
            Preset::ObjectDetection;
    }
    R3D_18Weights of "r3d_18", default KINETICS400_V1 {
        KINETICS400_V1: "r3d_18-b3b3357e.pth", 33371472, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 63.2), ("Kinetics-400", "acc@5", 83.479)],
            Preset::video((112, 112), (128, Some(171)), [0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989]);
    }
    MC3_18Weights of "mc3_18", default KINETICS400_V1 {
        KINETICS400_V1: "mc3_18-a90a0ba3.pth", 11695440, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 63.96), ("Kinetics-400", "acc@5", 84.13)],
            Preset::video((112, 112), (128, Some(171)), [0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989]);
    }
    R2Plus1D_18Weights of "r2plus1d_18", default KINETICS400_V1 {
        KINETICS400_V1: "r2plus1d_18-91a641e6.pth", 31505325, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 67.463), ("Kinetics-400", "acc@5", 86.175)],
            Preset::video((112, 112), (128, Some(171)), [0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989]);
    }
    S3DWeights of "s3d", default KINETICS400_V1 {
        KINETICS400_V1: "s3d-d76dad2f.pth", 8320048, (224, 224), Kinetics,
            [("Kinetics-400", "acc@1", 68.368), ("Kinetics-400", "acc@5", 88.05)],
            Preset::video((224, 224), (256, Some(256)), [0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989]);
    }
    MViT_V1_BWeights of "mvit_v1_b", default KINETICS400_V1 {
        KINETICS400_V1: "mvit_v1_b-dbeb1030.pth", 36610672, (224, 224), Kinetics,
            [("Kinetics-400", "acc@1", 78.477), ("Kinetics-400", "acc@5", 93.582)],
            Preset::video((224, 224), (256, None), [0.45, 0.45, 0.45], [0.225, 0.225, 0.225]);
    }
    MViT_V2_SWeights of "mvit_v2_s", default KINETICS400_V1 {
        KINETICS400_V1: "mvit_v2_s-ae3be167.pth", 34537744, (224, 224), Kinetics,
            [("Kinetics-400", "acc@1", 80.757), ("Kinetics-400", "acc@5", 94.665)],
            Preset::video((224, 224), (256, None), [0.45, 0.45, 0.45], [0.225, 0.225, 0.225]);
    }
    Swin3D_TWeights of "swin3d_t", default KINETICS400_V1 {
        KINETICS400_V1: "swin3d_t-7615ae03.pth", 28158070, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 77.715), ("Kinetics-400", "acc@5", 93.519)],
            Preset::video((224, 224), (256, None), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    }
    Swin3D_SWeights of "swin3d_s", default KINETICS400_V1 {
        KINETICS400_V1: "swin3d_s-da41c237.pth", 49816678, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 79.521), ("Kinetics-400", "acc@5", 94.158)],
            Preset::video((224, 224), (256, None), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    }
    Swin3D_BWeights of "swin3d_b", default KINETICS400_V1 {
        KINETICS400_V1: "swin3d_b_1k-24f7c7c6.pth", 88048984, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 79.427), ("Kinetics-400", "acc@5", 94.386)],
            Preset::video((224, 224), (256, None), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        KINETICS400_IMAGENET22K_V1: "swin3d_b_22k-7c6ae6fa.pth", 88048984, (1, 1), Kinetics,
            [("Kinetics-400", "acc@1", 81.643), ("Kinetics-400", "acc@5", 95.574)],
            Preset::video((224, 224), (256, None), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    }
    Raft_LargeWeights of "raft_large", default C_T_SKHT_V2 {
        C_T_V1: "raft_large_C_T_V1-22a6c225.pth", 5257536, (128, 128), None,
            [("Sintel-Train-Cleanpass", "epe", 1.4411), ("Sintel-Train-Finalpass", "epe", 2.7894), ("Kitti-Train", "per_image_epe", 5.0172), ("Kitti-Train", "fl_all", 17.4506)],
            Preset::OpticalFlow;
        C_T_V2: "raft_large_C_T_V2-1bb1363a.pth", 5257536, (128, 128), None,
            [("Sintel-Train-Cleanpass", "epe", 1.3822), ("Sintel-Train-Finalpass", "epe", 2.7161), ("Kitti-Train", "per_image_epe", 4.5118), ("Kitti-Train", "fl_all", 16.0679)],
            Preset::OpticalFlow;
        C_T_SKHT_V1: "raft_large_C_T_SKHT_V1-0b8c9e55.pth", 5257536, (128, 128), None,
            [("Sintel-Test-Cleanpass", "epe", 1.94), ("Sintel-Test-Finalpass", "epe", 3.18)],
            Preset::OpticalFlow;
        C_T_SKHT_V2: "raft_large_C_T_SKHT_V2-ff5fadd5.pth", 5257536, (128, 128), None,
            [("Sintel-Test-Cleanpass", "epe", 1.819), ("Sintel-Test-Finalpass", "epe", 3.067)],
            Preset::OpticalFlow;
        C_T_SKHT_K_V1: "raft_large_C_T_SKHT_K_V1-4a6a5039.pth", 5257536, (128, 128), None,
            [("Kitti-Test", "fl_all", 5.1)],
            Preset::OpticalFlow;
        C_T_SKHT_K_V2: "raft_large_C_T_SKHT_K_V2-b5c70766.pth", 5257536, (128, 128), None,
            [("Kitti-Test", "fl_all", 5.19)],
            Preset::OpticalFlow;
    }
    Raft_SmallWeights of "raft_small", default C_T_V2 {
        C_T_V1: "raft_small_C_T_V1-ad48884c.pth", 990162, (128, 128), None,
            [("Sintel-Train-Cleanpass", "epe", 2.1231), ("Sintel-Train-Finalpass", "epe", 3.279), ("Kitti-Train", "per_image_epe", 7.6557), ("Kitti-Train", "fl_all", 25.2801)],
            Preset::OpticalFlow;
        C_T_V2: "raft_small_C_T_V2-01064c6d.pth", 990162, (128, 128), None,
            [("Sintel-Train-Cleanpass", "epe", 1.9901), ("Sintel-Train-Finalpass", "epe", 3.2831), ("Kitti-Train", "per_image_epe", 7.5978), ("Kitti-Train", "fl_all", 25.2369)],
            Preset::OpticalFlow;
    }
}
