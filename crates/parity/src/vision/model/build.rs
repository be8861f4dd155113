//! Networks by name, with the options of their makers.

use flambeau_vision::models::{self, Network, RCNN, get_model, list_models};

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

/// Makes the network.
///
/// # Errors
///
/// There is none of this name, or its options do not go together.
pub fn build(name: &str, call: &Call) -> Result<Box<dyn Network>, Trouble> {
    let flag = |name: &str| call.flag(KEYWORD, name, false);
    let float = |name: &str| call.float(KEYWORD, name);
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

/// Makes a network that finds things; none where there is none of this name.
///
/// # Errors
///
/// Its options do not go together.
pub fn detector(name: &str, call: &Call) -> Result<Option<RCNN>, Trouble> {
    let mut builder = match name {
        "fasterrcnn_mobilenet_v3_large_320_fpn" => models::fasterrcnn_mobilenet_v3_large_320_fpn(),
        "fasterrcnn_mobilenet_v3_large_fpn" => models::fasterrcnn_mobilenet_v3_large_fpn(),
        "fasterrcnn_resnet50_fpn" => models::fasterrcnn_resnet50_fpn(),
        "fasterrcnn_resnet50_fpn_v2" => models::fasterrcnn_resnet50_fpn_v2(),
        "maskrcnn_resnet50_fpn" => models::maskrcnn_resnet50_fpn(),
        "maskrcnn_resnet50_fpn_v2" => models::maskrcnn_resnet50_fpn_v2(),
        "keypointrcnn_resnet50_fpn" => models::keypointrcnn_resnet50_fpn(),
        _ => return Ok(None),
    };
    if let Some(classes) = call.int_opt(KEYWORD, "num_classes")? {
        builder = builder.num_classes(classes as usize);
    }
    if let Some(size) = call.int_opt(KEYWORD, "min_size")? {
        builder = builder.min_size(vec![size as usize]);
    }
    if let Some(size) = call.int_opt(KEYWORD, "max_size")? {
        builder = builder.max_size(size as usize);
    }
    if let Some(thresh) = call.float_opt(KEYWORD, "box_score_thresh")? {
        builder = builder.box_score_thresh(thresh);
    }
    if let Some(most) = call.int_opt(KEYWORD, "box_detections_per_img")? {
        builder = builder.box_detections_per_img(most as usize);
    }
    Ok(Some(builder.build()?))
}
