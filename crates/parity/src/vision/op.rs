//! `torchvision.ops`: functions and modules, and `torchvision.utils`.

use flambeau_nn::{Call as _, Forward, Module, Reduction, StateDict};
use flambeau_tensor::{Build, Tensor, manual_seed};
use flambeau_vision::{
    ops::{
        self, Conv2dNormActivation, Conv3dNormActivation, DeformConv2d, DeformConvOptions, DropBlock2d, DropBlock3d,
        ExtraBlocks, FeaturePyramidNetwork, FrozenBatchNorm2d, MLP, MultiScaleRoIAlign, PSRoIAlign, PSRoIPool, Permute,
        RoIAlign, RoIPool, Rois, SqueezeExcitation, StochasticDepth, StochasticDepthMode,
    },
    tv_tensors::BoundingBoxFormat,
    utils::{Colors, draw_bounding_boxes, draw_keypoints, draw_segmentation_masks, flow_to_image, make_grid},
};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::box_format;
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, ok, revive, unsupported},
    case::{Arguments, Expected, field},
    run::{Made, live, same_output},
    value::{Recorded, Value},
};

/// Runs one case.
///
/// # Errors
///
/// The function or module is not in the table, or failed.
pub(crate) fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    let arguments = Arguments::parse(json, "args", "kwargs", data)?;
    let expected = Expected::parse(json, data)?;
    // What is floating point of a differentiated case requires a gradient; the recordings do not say so.
    let differentiated = json.get("grads").is_some();
    let mark = |r: &Recorded| {
        Ok::<_, Trouble>(Recorded { requires_grad: differentiated && r.element.is_float(), ..r.clone() })
    };
    let expected = Expected { output: flat(expected.output).map(&mut { mark })?, ..expected };
    let mut leaves = Vec::new();
    let call = live(&arguments, &mut leaves)?;
    let seed = json.get("seed").and_then(Json::as_u64);
    let output = match json.get("ctor_kwargs") {
        Some(_) => {
            let constructor = Call::of(&Arguments::setting(json, "ctor_kwargs", data)?)?;
            let made = module(name, &constructor)?;
            constructor.all_read()?;
            let mut state = StateDict::new();
            if let Some(Json::Object(recorded)) = json.get("state") {
                for (key, value) in recorded {
                    if let Value::Tensor(t) = Value::parse(value, data)? {
                        state.insert(key.clone(), revive(&t)?);
                    }
                }
            }
            made.module.load_state_dict(&state)?;
            made.module.train_mode(field(json, "training")?.as_bool().unwrap_or(true));
            let names: Vec<&str> = json
                .get("grad_params")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .collect();
            let parameters = made.module.named_parameters();
            if !parameters.iter().map(|(name, _)| name.as_str()).eq(names.iter().copied())
                && json.get("grads").is_some()
            {
                let ours: Vec<&String> = parameters.iter().map(|(name, _)| name).collect();
                return Err(Trouble::Failed(format!("our parameters are {ours:?}, torchvision's {names:?}")));
            }
            leaves.extend(parameters.into_iter().map(|(_, parameter)| parameter));
            if let Some(seed) = seed {
                manual_seed(seed);
            }
            (made.forward)(&*made.module, &call)?
        }
        None => {
            if let Some(seed) = seed {
                manual_seed(seed);
            }
            function(name, &call)?
        }
    };
    call.all_read()?;
    let same = same_output(name, &output, &expected)?;
    Ok(Made { output, leaves, expected, same })
}

/// A dict as the list of its values; their order is the maps'.
fn flat(value: Value<Recorded>) -> Value<Recorded> {
    match value {
        Value::Dict(items) => Value::Seq(items.into_iter().map(|(_, item)| flat(item)).collect()),
        other => other,
    }
}

fn reduction(c: &Call) -> Result<Reduction, Trouble> {
    Ok(match c.text_or(KEYWORD, "reduction", "none")? {
        "none" => Reduction::None,
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        other => return unsupported(format!("reduction {other}")),
    })
}

fn format(c: &Call, position: usize, name: &str) -> Result<BoundingBoxFormat, Trouble> {
    box_format(&c.text_or(position, name, "xyxy")?.to_uppercase())
}

fn rois(c: &Call, position: usize) -> Result<Rois, Trouble> {
    match c.get(position, "boxes") {
        Some(Value::Tensor(rois)) => Ok(Rois::from(rois)),
        _ => Ok(Rois::from(c.tensors(position, "boxes")?)),
    }
}

fn pair(c: &Call, position: usize, name: &str, default: usize) -> Result<(usize, usize), Trouble> {
    Ok(match c.ints_opt(position, name)?.as_deref() {
        None => (default, default),
        Some([n]) => (*n as usize, *n as usize),
        Some([a, b]) => (*a as usize, *b as usize),
        Some(more) => return unsupported(format!("`{name}` has {} numbers", more.len())),
    })
}

fn samples(c: &Call, position: usize) -> Result<Option<usize>, Trouble> {
    Ok(Some(c.int_or(position, "sampling_ratio", -1)?).filter(|n| *n > 0).map(|n| n as usize))
}

fn mode(c: &Call, position: usize) -> Result<StochasticDepthMode, Trouble> {
    Ok(match c.text_or(position, "mode", "")? {
        "batch" => StochasticDepthMode::Batch,
        "row" => StochasticDepthMode::Row,
        other => return unsupported(format!("mode {other}")),
    })
}

fn function(name: &str, c: &Call) -> Outcome {
    let two = || Ok::<_, Trouble>((c.tensor(0, "boxes1")?, c.tensor(1, "boxes2")?));
    match name {
        "nms" => ok(ops::nms(c.tensor(0, "boxes")?, c.tensor(1, "scores")?, c.float(2, "iou_threshold")?)?),
        "batched_nms" => {
            let (boxes, scores) = (c.tensor(0, "boxes")?, c.tensor(1, "scores")?);
            ok(ops::batched_nms(boxes, scores, c.tensor(2, "idxs")?, c.float(3, "iou_threshold")?)?)
        }
        "box_area" => {
            let boxes = c.tensor(0, "boxes")?;
            ok(ops::box_area(&ops::box_convert(boxes, format(c, 1, "fmt")?, BoundingBoxFormat::XYXY)?)?)
        }
        "box_convert" => {
            ok(ops::box_convert(c.tensor(0, "boxes")?, format(c, 1, "in_fmt")?, format(c, 2, "out_fmt")?)?)
        }
        "box_iou" => {
            let (a, b) = two()?;
            ok(ops::box_iou_as(a, b, format(c, 2, "fmt")?)?)
        }
        "generalized_box_iou" => two().and_then(|(a, b)| ok(ops::generalized_box_iou(a, b)?)),
        "distance_box_iou" => two().and_then(|(a, b)| ok(ops::distance_box_iou(a, b)?)),
        "complete_box_iou" => two().and_then(|(a, b)| ok(ops::complete_box_iou(a, b)?)),
        "generalized_box_iou_loss" => two().and_then(|(a, b)| ok(ops::generalized_box_iou_loss(a, b, reduction(c)?)?)),
        "distance_box_iou_loss" => two().and_then(|(a, b)| ok(ops::distance_box_iou_loss(a, b, reduction(c)?)?)),
        "complete_box_iou_loss" => two().and_then(|(a, b)| ok(ops::complete_box_iou_loss(a, b, reduction(c)?)?)),
        "sigmoid_focal_loss" => {
            let alpha = Some(c.float_or(KEYWORD, "alpha", 0.25)?).filter(|alpha| *alpha >= 0.0);
            let (x, y, gamma) = (c.tensor(0, "inputs")?, c.tensor(1, "targets")?, c.float_or(KEYWORD, "gamma", 2.0)?);
            ok(ops::sigmoid_focal_loss(x, y, alpha, gamma, reduction(c)?)?)
        }
        "remove_small_boxes" => ok(ops::remove_small_boxes(c.tensor(0, "boxes")?, c.float(1, "min_size")?)?),
        "clip_boxes_to_image" => ok(ops::clip_boxes_to_image(c.tensor(0, "boxes")?, pair(c, 1, "size", 0)?)?),
        "masks_to_boxes" => ok(ops::masks_to_boxes(c.tensor(0, "masks")?)?),
        "roi_align" => {
            let (x, rois, size) = (c.tensor(0, "input")?, rois(c, 1)?, pair(c, 2, "output_size", 1)?);
            let (scale, aligned) = (c.float_or(3, "spatial_scale", 1.0)?, c.flag(5, "aligned", false)?);
            ok(ops::roi_align(x, rois, size, scale, samples(c, 4)?, aligned)?)
        }
        "roi_pool" => {
            let (x, rois, size) = (c.tensor(0, "input")?, rois(c, 1)?, pair(c, 2, "output_size", 1)?);
            ok(ops::roi_pool(x, rois, size, c.float_or(3, "spatial_scale", 1.0)?)?)
        }
        "ps_roi_align" => {
            let (x, rois, size) = (c.tensor(0, "input")?, rois(c, 1)?, pair(c, 2, "output_size", 1)?);
            ok(ops::ps_roi_align(x, rois, size, c.float_or(3, "spatial_scale", 1.0)?, samples(c, 4)?)?)
        }
        "ps_roi_pool" => {
            let (x, rois, size) = (c.tensor(0, "input")?, rois(c, 1)?, pair(c, 2, "output_size", 1)?);
            ok(ops::ps_roi_pool(x, rois, size, c.float_or(3, "spatial_scale", 1.0)?)?)
        }
        "deform_conv2d" => {
            let (x, offset, weight) = (c.tensor(0, "input")?, c.tensor(1, "offset")?, c.tensor(2, "weight")?);
            let options = DeformConvOptions::new()
                .bias(c.tensor_opt(3, "bias")?)
                .stride(pair(c, KEYWORD, "stride", 1)?)
                .padding(pair(c, KEYWORD, "padding", 0)?)
                .dilation(pair(c, KEYWORD, "dilation", 1)?)
                .mask(c.tensor_opt(KEYWORD, "mask")?);
            ok(ops::deform_conv2d(x, offset, weight, options)?)
        }
        "stochastic_depth" => {
            let (x, p) = (c.tensor(0, "input")?, c.float(1, "p")?);
            ok(ops::stochastic_depth(x, p, mode(c, 2)?, c.flag(3, "training", true)?)?)
        }
        "drop_block2d" | "drop_block3d" => {
            let (x, p, size) = (c.tensor(0, "input")?, c.float(1, "p")?, c.size(2, "block_size")?);
            let training = c.flag(KEYWORD, "training", true)?;
            let drop = if name == "drop_block2d" { ops::drop_block2d } else { ops::drop_block3d };
            ok(drop(x, p, size, training)?)
        }
        "utils.make_grid" => {
            let images = c.tensor(0, "tensor")?;
            let mut grid = make_grid(images)
                .nrow(c.size_or(KEYWORD, "nrow", 8)?)
                .padding(c.size_or(KEYWORD, "padding", 2)?)
                .normalize(c.flag(KEYWORD, "normalize", false)?)
                .scale_each(c.flag(KEYWORD, "scale_each", false)?)
                .pad_value(c.float_or(KEYWORD, "pad_value", 0.0)?);
            if c.given(KEYWORD, "value_range").is_some() {
                grid = grid.value_range(c.pair_or(KEYWORD, "value_range", (0.0, 1.0))?);
            }
            ok(grid.build()?)
        }
        "utils.draw_bounding_boxes" => {
            let drawing = draw_bounding_boxes(c.tensor(0, "image")?, c.tensor(1, "boxes")?)
                .colors(colors(c)?)
                .fill(c.flag(KEYWORD, "fill", false)?)
                .width(c.size_or(KEYWORD, "width", 1)?);
            ok(drawing.build()?)
        }
        "utils.draw_segmentation_masks" => {
            let drawing = draw_segmentation_masks(c.tensor(0, "image")?, c.tensor(1, "masks")?)
                .alpha(c.float_or(KEYWORD, "alpha", 0.8)?)
                .colors(colors(c)?);
            ok(drawing.build()?)
        }
        "utils.draw_keypoints" => {
            let pairs = match c.given(KEYWORD, "connectivity").and_then(Value::items) {
                Some(pairs) => pairs.iter().map(pair_of).collect::<Option<Vec<_>>>(),
                None => Some(Vec::new()),
            };
            let Some(pairs) = pairs else { return unsupported("such a connectivity") };
            let mut drawing = draw_keypoints(c.tensor(0, "image")?, c.tensor(1, "keypoints")?)
                .connectivity(pairs)
                .radius(c.size_or(KEYWORD, "radius", 2)?)
                .width(c.size_or(KEYWORD, "width", 3)?);
            if let Some(color) = c.given(KEYWORD, "colors") {
                let Some(rgb) = rgb(color) else { return unsupported("such a colour") };
                drawing = drawing.colors(rgb);
            }
            if let Some(seen) = c.tensor_opt(KEYWORD, "visibility")? {
                drawing = drawing.visibility(seen);
            }
            ok(drawing.build()?)
        }
        "utils.flow_to_image" => ok(flow_to_image(c.tensor(0, "flow")?)?),
        other => unsupported(format!("`{other}` is not in the runner's table")),
    }
}

/// The colours of what is drawn: by name, one for all, or a list.
fn colors(c: &Call) -> Result<Colors, Trouble> {
    let found = match c.given(KEYWORD, "colors") {
        None => Some(Colors::default()),
        Some(Value::Str(name)) => Some(name.as_str().into()),
        Some(Value::List(list)) => list.iter().map(rgb).collect::<Option<Vec<_>>>().map(Colors::from),
        Some(one) => rgb(one).map(Colors::from),
    };
    found.map_or_else(|| unsupported("such colours"), Ok)
}

fn rgb(value: &Value<Tensor>) -> Option<[u8; 3]> {
    match value.items()? {
        [Value::Int(r), Value::Int(g), Value::Int(b)] => Some([*r as u8, *g as u8, *b as u8]),
        _ => None,
    }
}

fn pair_of(value: &Value<Tensor>) -> Option<(usize, usize)> {
    match value.items()? {
        [Value::Int(a), Value::Int(b)] => Some((*a as usize, *b as usize)),
        _ => None,
    }
}

/// A module and how it is called.
struct Subject {
    module: Box<dyn Module>,
    forward: Box<dyn Fn(&dyn Module, &Call) -> Outcome>,
}

fn subject<M: Module>(builder: impl Build<Output = M>, forward: fn(&M, &Call) -> Outcome) -> Result<Subject, Trouble> {
    let forward = Box::new(move |module: &dyn Module, call: &Call| match module.as_module().downcast_ref::<M>() {
        Some(module) => forward(module, call),
        None => unsupported("another module"),
    });
    Ok(Subject { module: Box::new(builder.build()?), forward })
}

fn layer<M>(builder: impl Build<Output = M>) -> Result<Subject, Trouble>
where
    M: for<'a> Forward<&'a Tensor, Output = Tensor>,
{
    subject(builder, |m: &M, c| ok(m.forward(c.tensor(0, "input")?)?))
}

fn maps(c: &Call) -> Result<Vec<(String, Tensor)>, Trouble> {
    match c.get(0, "x") {
        Some(Value::Dict(items)) => items
            .iter()
            .map(|(name, item)| match item {
                Value::Tensor(x) => Ok((name.clone(), x.clone())),
                other => unsupported(format!("a map that is {}", other.kind())),
            })
            .collect(),
        _ => unsupported("no feature maps"),
    }
}

fn sizes(list: Vec<isize>) -> Vec<usize> {
    list.into_iter().map(|n| n as usize).collect()
}

fn module(name: &str, c: &Call) -> Result<Subject, Trouble> {
    let key = |name: &str, default: usize| c.size_or(KEYWORD, name, default);
    macro_rules! convolution {
        ($Name:ident) => {{
            let builder = $Name::new(key("in_channels", 0)?, key("out_channels", 0)?)
                .kernel_size(key("kernel_size", 3)?)
                .stride(key("stride", 1)?)
                .groups(key("groups", 1)?)
                .dilation(key("dilation", 1)?);
            layer(match c.given(KEYWORD, "bias") {
                None => builder,
                Some(_) => builder.bias(c.flag(KEYWORD, "bias", true)?),
            })
        }};
    }
    match name {
        "Conv2dNormActivation" => convolution!(Conv2dNormActivation),
        "Conv3dNormActivation" => convolution!(Conv3dNormActivation),
        "FrozenBatchNorm2d" => layer(FrozenBatchNorm2d::new(key("num_features", 0)?)),
        "SqueezeExcitation" => layer(SqueezeExcitation::new(key("input_channels", 0)?, key("squeeze_channels", 0)?)),
        "MLP" => layer(
            MLP::new(key("in_channels", 0)?, sizes(c.ints(KEYWORD, "hidden_channels")?))
                .bias(c.flag(KEYWORD, "bias", true)?)
                .dropout(c.float_or(KEYWORD, "dropout", 0.0)?),
        ),
        "Permute" => layer(Permute::new(c.ints(KEYWORD, "dims")?)),
        "StochasticDepth" => layer(StochasticDepth::new(c.float(KEYWORD, "p")?, mode(c, KEYWORD)?)),
        "DropBlock2d" => layer(DropBlock2d::new(c.float(KEYWORD, "p")?, key("block_size", 1)?)),
        "DropBlock3d" => layer(DropBlock3d::new(c.float(KEYWORD, "p")?, key("block_size", 1)?)),
        "RoIAlign" => {
            let (size, scale) = (pair(c, KEYWORD, "output_size", 1)?, c.float(KEYWORD, "spatial_scale")?);
            let made = RoIAlign::new(size, scale, samples(c, KEYWORD)?, c.flag(KEYWORD, "aligned", false)?);
            subject(made, |m: &RoIAlign, c| ok(m.call((c.tensor(0, "input")?, c.tensor(1, "rois")?))?))
        }
        "RoIPool" => {
            let made = RoIPool::new(pair(c, KEYWORD, "output_size", 1)?, c.float(KEYWORD, "spatial_scale")?);
            subject(made, |m: &RoIPool, c| ok(m.call((c.tensor(0, "input")?, c.tensor(1, "rois")?))?))
        }
        "PSRoIAlign" => {
            let (size, scale) = (pair(c, KEYWORD, "output_size", 1)?, c.float(KEYWORD, "spatial_scale")?);
            let made = PSRoIAlign::new(size, scale, samples(c, KEYWORD)?);
            subject(made, |m: &PSRoIAlign, c| ok(m.call((c.tensor(0, "input")?, c.tensor(1, "rois")?))?))
        }
        "PSRoIPool" => {
            let made = PSRoIPool::new(pair(c, KEYWORD, "output_size", 1)?, c.float(KEYWORD, "spatial_scale")?);
            subject(made, |m: &PSRoIPool, c| ok(m.call((c.tensor(0, "input")?, c.tensor(1, "rois")?))?))
        }
        "DeformConv2d" => {
            let builder =
                DeformConv2d::new(key("in_channels", 0)?, key("out_channels", 0)?, pair(c, KEYWORD, "kernel_size", 1)?)
                    .stride(pair(c, KEYWORD, "stride", 1)?)
                    .padding(pair(c, KEYWORD, "padding", 0)?)
                    .dilation(pair(c, KEYWORD, "dilation", 1)?)
                    .groups(key("groups", 1)?);
            subject(builder, |m: &DeformConv2d, c| {
                let (x, offset) = (c.tensor(0, "input")?, c.tensor(1, "offset")?);
                ok(match c.tensor_opt(2, "mask")? {
                    None => m.call((x, offset))?,
                    Some(mask) => m.call((x, offset, mask))?,
                })
            })
        }
        "FeaturePyramidNetwork" => {
            let (list, out) = (sizes(c.ints(KEYWORD, "in_channels_list")?), key("out_channels", 0)?);
            let extra = match c.text_opt(KEYWORD, "extra_blocks")? {
                None => ExtraBlocks::None,
                Some("LastLevelMaxPool") => ExtraBlocks::MaxPool,
                Some("LastLevelP6P7") => ExtraBlocks::P6P7 { in_channels: list.last().copied().unwrap_or(0) },
                Some(other) => return unsupported(format!("extra blocks {other}")),
            };
            subject(FeaturePyramidNetwork::new(list, out).extra_blocks(extra), |m: &FeaturePyramidNetwork, c| {
                ok(m.pyramid(&maps(c)?)?.into_iter().map(|(_, map)| map).collect::<Vec<_>>())
            })
        }
        "MultiScaleRoIAlign" => {
            let Some(Value::List(names) | Value::Seq(names)) = c.get(KEYWORD, "featmap_names") else {
                return unsupported("no names of maps");
            };
            let names: Vec<String> =
                names.iter().filter_map(|n| if let Value::Str(n) = n { Some(n.clone()) } else { None }).collect();
            let made = MultiScaleRoIAlign::new(names, pair(c, KEYWORD, "output_size", 1)?, samples(c, KEYWORD)?);
            subject(made, |m: &MultiScaleRoIAlign, c| {
                let sizes =
                    c.lists(2, "image_shapes")?.iter().map(|s| (s[0] as usize, s[1] as usize)).collect::<Vec<_>>();
                ok(m.regions(&maps(c)?, &c.tensors(1, "boxes")?, &sizes)?)
            })
        }
        other => unsupported(format!("the module `{other}` is not in the runner's table")),
    }
}
