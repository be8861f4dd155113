//! Networks by name, with the options of their makers.

use flambeau_vision::models::{self, Network, get_model, list_models};

use crate::call::{Call, KEYWORD, Trouble, unsupported};

/// Sets the options that the case gives, and makes it.
macro_rules! with {
    ($call:ident, $builder:expr $(, $option:ident: $read:expr)*) => {{
        let mut builder = $builder;
        if let Some(classes) = $call.int_opt(KEYWORD, "num_classes")? {
            builder = builder.num_classes(classes as usize);
        }
        $(
            if $call.keyword(stringify!($option)).is_some() {
                builder = builder.$option($read);
            }
        )*
        Ok(Box::new(builder.build()?))
    }};
}

/// The options that all networks of two stages have.
macro_rules! rcnn {
    ($call:ident, $builder:expr) => {
        with!($call, $builder, min_size: vec![$call.int(KEYWORD, "min_size")? as usize],
            max_size: $call.int(KEYWORD, "max_size")? as usize,
            box_score_thresh: $call.float(KEYWORD, "box_score_thresh")?,
            box_detections_per_img: $call.int(KEYWORD, "box_detections_per_img")? as usize)
    };
}

/// The options that all networks of one stage have, and these.
macro_rules! one_stage {
    ($call:ident, $builder:expr $(, $option:ident: $read:expr)*) => {
        with!($call, $builder, score_thresh: $call.float(KEYWORD, "score_thresh")?,
            nms_thresh: $call.float(KEYWORD, "nms_thresh")?,
            detections_per_img: $call.int(KEYWORD, "detections_per_img")? as usize,
            topk_candidates: $call.int(KEYWORD, "topk_candidates")? as usize $(, $option: $read)*)
    };
}

/// Makes the network.
///
/// # Errors
///
/// There is none of this name, or its options do not go together.
pub fn build(name: &str, call: &Call) -> Result<Box<dyn Network>, Trouble> {
    let flag = |name: &str| call.flag(KEYWORD, name, false);
    let float = |name: &str| call.float(KEYWORD, name);
    let size = |name: &str| call.int(KEYWORD, name).map(|side| side as usize);
    match name {
        "vit_b_16" => with!(call, models::vit_b_16(), image_size: call.size(KEYWORD, "image_size")?),
        "vit_b_32" => with!(call, models::vit_b_32(), image_size: call.size(KEYWORD, "image_size")?),
        "vit_l_16" => with!(call, models::vit_l_16(), image_size: call.size(KEYWORD, "image_size")?),
        "vit_l_32" => with!(call, models::vit_l_32(), image_size: call.size(KEYWORD, "image_size")?),
        "vit_h_14" => with!(call, models::vit_h_14(), image_size: call.size(KEYWORD, "image_size")?),
        "googlenet" => with!(call, models::googlenet(), init_weights: flag("init_weights")?,
            aux_logits: flag("aux_logits")?, transform_input: flag("transform_input")?),
        "inception_v3" => with!(call, models::inception_v3(), init_weights: flag("init_weights")?,
            aux_logits: flag("aux_logits")?, transform_input: flag("transform_input")?),
        "alexnet" => with!(call, models::alexnet(), dropout: float("dropout")?),
        "mobilenet_v2" => with!(call, models::mobilenet_v2(), width_mult: float("width_mult")?,
            dropout: float("dropout")?),
        "fcn_resnet50" => with!(call, models::fcn_resnet50(), aux_loss: flag("aux_loss")?),
        "fcn_resnet101" => with!(call, models::fcn_resnet101(), aux_loss: flag("aux_loss")?),
        "deeplabv3_resnet50" => with!(call, models::deeplabv3_resnet50(), aux_loss: flag("aux_loss")?),
        "deeplabv3_resnet101" => with!(call, models::deeplabv3_resnet101(), aux_loss: flag("aux_loss")?),
        "deeplabv3_mobilenet_v3_large" => {
            with!(call, models::deeplabv3_mobilenet_v3_large(), aux_loss: flag("aux_loss")?)
        }
        "densenet121" => with!(call, models::densenet121(), drop_rate: float("drop_rate")?),
        "fasterrcnn_mobilenet_v3_large_320_fpn" => rcnn!(call, models::fasterrcnn_mobilenet_v3_large_320_fpn()),
        "fasterrcnn_mobilenet_v3_large_fpn" => rcnn!(call, models::fasterrcnn_mobilenet_v3_large_fpn()),
        "fasterrcnn_resnet50_fpn" => rcnn!(call, models::fasterrcnn_resnet50_fpn()),
        "fasterrcnn_resnet50_fpn_v2" => rcnn!(call, models::fasterrcnn_resnet50_fpn_v2()),
        "maskrcnn_resnet50_fpn" => rcnn!(call, models::maskrcnn_resnet50_fpn()),
        "maskrcnn_resnet50_fpn_v2" => rcnn!(call, models::maskrcnn_resnet50_fpn_v2()),
        "keypointrcnn_resnet50_fpn" => rcnn!(call, models::keypointrcnn_resnet50_fpn()),
        "retinanet_resnet50_fpn" => {
            one_stage!(call, models::retinanet_resnet50_fpn(), min_size: vec![size("min_size")?],
            max_size: size("max_size")?)
        }
        "retinanet_resnet50_fpn_v2" => one_stage!(call, models::retinanet_resnet50_fpn_v2(),
            min_size: vec![size("min_size")?], max_size: size("max_size")?),
        "fcos_resnet50_fpn" => one_stage!(call, models::fcos_resnet50_fpn(), min_size: vec![size("min_size")?],
            max_size: size("max_size")?, center_sampling_radius: float("center_sampling_radius")?),
        "ssd300_vgg16" => one_stage!(call, models::ssd300_vgg16(), iou_thresh: float("iou_thresh")?),
        "ssdlite320_mobilenet_v3_large" => one_stage!(call, models::ssdlite320_mobilenet_v3_large(),
            iou_thresh: float("iou_thresh")?),
        name if list_models().contains(&name) => {
            let mut builder = get_model(name);
            if let Some(classes) = call.int_opt(KEYWORD, "num_classes")? {
                builder = builder.num_classes(classes as usize);
            }
            Ok(builder.build()?)
        }
        name => unsupported(format!("the network `{name}` is not in the runner's table")),
    }
}
