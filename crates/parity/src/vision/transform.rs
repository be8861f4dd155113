//! `torchvision.transforms.v2.functional`: how each function is spelled here.

use flambeau_tensor::Tensor;
use flambeau_vision::{
    transforms::{Fill, InterpolationMode, Padding, PaddingMode, Size, functional as f},
    tv_tensors::{BoundingBoxes, KeyPoints, TVTensor},
};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Allowance, as_recorded, box_format, clamping_mode, same_tree};
use crate::{
    call::{Call, KEYWORD, Trouble, revive, unsupported},
    case::{Arguments, Expected, field},
    run::Made,
    tape,
    value::{Recorded, Value},
};

type Outcome = Result<Value<TVTensor>, Trouble>;

/// A mode of interpolation by torchvision's name.
pub fn interpolation(name: &str) -> Result<InterpolationMode, Trouble> {
    Ok(match name {
        "nearest" => InterpolationMode::Nearest,
        "nearest-exact" => InterpolationMode::NearestExact,
        "bilinear" => InterpolationMode::Bilinear,
        "bicubic" => InterpolationMode::Bicubic,
        "lanczos" => InterpolationMode::Lanczos,
        other => return unsupported(format!("interpolation {other}")),
    })
}

/// A mode of padding by torchvision's name.
pub fn padding_mode(name: &str) -> Result<PaddingMode, Trouble> {
    Ok(match name {
        "constant" => PaddingMode::Constant,
        "edge" => PaddingMode::Edge,
        "reflect" => PaddingMode::Reflect,
        "symmetric" => PaddingMode::Symmetric,
        other => return unsupported(format!("padding mode {other}")),
    })
}

/// One number or two as a size.
pub fn size(numbers: &[isize]) -> Result<Size, Trouble> {
    match *numbers {
        [n] => Ok(Size::One(n as usize)),
        [h, w] => Ok(Size::Both(h as usize, w as usize)),
        _ => unsupported(format!("a size of {} numbers", numbers.len())),
    }
}

/// One, two or four numbers as padding.
pub fn padding(numbers: &[isize]) -> Result<Padding, Trouble> {
    let n = |i: usize| numbers[i];
    match numbers.len() {
        1 => Ok(n(0).into()),
        2 => Ok([n(0), n(1)].into()),
        4 => Ok([n(0), n(1), n(2), n(3)].into()),
        other => unsupported(format!("padding of {other} numbers")),
    }
}

/// The keyword arguments as the table reads them.
pub struct Words<'a>(pub &'a Call);

impl Words<'_> {
    /// A real number.
    pub fn float(&self, name: &str) -> Result<f64, Trouble> {
        self.0.float(KEYWORD, name)
    }

    /// A count.
    pub fn count(&self, name: &str) -> Result<usize, Trouble> {
        self.0.size(KEYWORD, name)
    }

    /// An integer.
    pub fn int(&self, name: &str) -> Result<isize, Trouble> {
        Ok(self.0.int(KEYWORD, name)? as isize)
    }

    /// Integers, one or several.
    pub fn ints(&self, name: &str) -> Result<Vec<isize>, Trouble> {
        self.0.ints(KEYWORD, name)
    }

    /// Real numbers, one or several; `None` where there are none.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f64>>, Trouble> {
        let number = |v: &Value<Tensor>| match v {
            Value::Float(v) => Some(*v),
            Value::Int(v) => Some(*v as f64),
            _ => None,
        };
        match self.0.given(KEYWORD, name) {
            None => Ok(None),
            Some(value) => {
                let found = match value.items() {
                    Some(items) => items.iter().map(number).collect::<Option<Vec<_>>>(),
                    None => number(value).map(|v| vec![v]),
                };
                found.map_or_else(|| unsupported(format!("`{name}` is {}", value.kind())), |v| Ok(Some(v)))
            }
        }
    }

    /// Two real numbers; one counts twice.
    pub fn pair(&self, name: &str) -> Result<Option<[f64; 2]>, Trouble> {
        match self.floats(name)?.as_deref() {
            None => Ok(None),
            Some([n]) => Ok(Some([*n, *n])),
            Some([a, b]) => Ok(Some([*a, *b])),
            Some(more) => unsupported(format!("`{name}` has {} numbers", more.len())),
        }
    }

    /// A mode of interpolation.
    pub fn interpolation(&self, default: &str) -> Result<InterpolationMode, Trouble> {
        interpolation(self.0.text_or(KEYWORD, "interpolation", default)?)
    }

    /// `None`, one value or one for each channel.
    pub fn fill(&self) -> Result<Fill, Trouble> {
        Ok(self.floats("fill")?.map_or_else(Fill::none, Fill::from))
    }

    fn size(&self, name: &str) -> Result<Size, Trouble> {
        size(&self.ints(name)?)
    }
}

fn boxes(x: &TVTensor) -> Result<&BoundingBoxes, Trouble> {
    match x {
        TVTensor::BoundingBoxes(boxes) => Ok(boxes),
        other => unsupported(format!("{:?} for boxes", other.kind())),
    }
}

fn points(x: &TVTensor) -> Result<&KeyPoints, Trouble> {
    match x {
        TVTensor::KeyPoints(points) => Ok(points),
        other => unsupported(format!("{:?} for key points", other.kind())),
    }
}

fn one(x: impl Into<TVTensor>) -> Outcome {
    Ok(Value::Tensor(x.into()))
}

fn many<const N: usize>(x: [TVTensor; N]) -> Outcome {
    Ok(Value::Seq(x.into_iter().map(Value::Tensor).collect()))
}

fn numbers(x: &[usize]) -> Outcome {
    Ok(Value::List(x.iter().map(|n| Value::Int(*n as i64)).collect()))
}

fn quad(words: &Words<'_>, name: &str) -> Result<[[i64; 2]; 4], Trouble> {
    let lists = words.0.lists(KEYWORD, name)?;
    match lists.iter().map(|p| <[isize; 2]>::try_from(p.as_slice())).collect::<Result<Vec<_>, _>>().as_deref() {
        Ok([a, b, c, d]) => Ok([*a, *b, *c, *d].map(|p| p.map(|n| n as i64))),
        _ => unsupported(format!("`{name}` is not four points")),
    }
}

fn apply(name: &str, x: &TVTensor, words: &Words<'_>) -> Outcome {
    let call = words.0;
    match name {
        "adjust_brightness" => one(f::adjust_brightness(x, words.float("brightness_factor")?)?),
        "adjust_contrast" => one(f::adjust_contrast(x, words.float("contrast_factor")?)?),
        "adjust_gamma" => one(f::adjust_gamma(x, words.float("gamma")?, call.float_or(KEYWORD, "gain", 1.0)?)?),
        "adjust_hue" => one(f::adjust_hue(x, words.float("hue_factor")?)?),
        "adjust_saturation" => one(f::adjust_saturation(x, words.float("saturation_factor")?)?),
        "adjust_sharpness" => one(f::adjust_sharpness(x, words.float("sharpness_factor")?)?),
        "affine" => {
            let (translate, shear) = (words.pair("translate")?, words.pair("shear")?);
            let (translate, shear) = (translate.unwrap_or_default(), shear.unwrap_or_default());
            let (angle, scale) = (words.float("angle")?, words.float("scale")?);
            let (interpolation, fill, center) = (words.interpolation("nearest")?, words.fill()?, words.pair("center")?);
            one(f::affine(x, f::AffineOptions { angle, translate, scale, shear, interpolation, fill, center })?)
        }
        "autocontrast" => one(f::autocontrast(x)?),
        "center_crop" => one(f::center_crop(x, words.size("output_size")?)?),
        "clamp_bounding_boxes" => {
            let boxes = boxes(x)?.clone();
            one(f::clamp_bounding_boxes(&match call.text_opt(KEYWORD, "clamping_mode")? {
                Some("auto") => boxes,
                mode => boxes.with_clamping_mode(clamping_mode(mode)?),
            })?
            .with_clamping_mode(self::boxes(x)?.clamping_mode()))
        }
        "clamp_keypoints" => one(f::clamp_keypoints(points(x)?)?),
        "convert_bounding_box_format" => {
            let format = box_format(call.text_or(KEYWORD, "new_format", "")?)?;
            one(f::convert_bounding_box_format(boxes(x)?, format)?)
        }
        "crop" => {
            one(f::crop(x, words.int("top")?, words.int("left")?, words.count("height")?, words.count("width")?)?)
        }
        "elastic" => {
            let displacement = call.tensor(KEYWORD, "displacement")?;
            one(f::elastic(x, displacement, words.interpolation("bilinear")?, &words.fill()?)?)
        }
        "equalize" => one(f::equalize(x)?),
        "erase" => {
            let value = call.tensor(KEYWORD, "v")?;
            one(f::erase(x, words.count("i")?, words.count("j")?, words.count("h")?, words.count("w")?, value)?)
        }
        "five_crop" => many(f::five_crop(x, words.size("size")?)?),
        "gaussian_blur" => one(f::gaussian_blur(x, words.size("kernel_size")?, words.pair("sigma")?)?),
        "get_dimensions" => {
            let (c, h, w) = f::get_dimensions(x)?;
            numbers(&[c, h, w])
        }
        "get_num_channels" => Ok(Value::Int(f::get_num_channels(x)? as i64)),
        "get_num_frames" => Ok(Value::Int(f::get_num_frames(x)? as i64)),
        "get_size" => {
            let (h, w) = f::get_size(x)?;
            numbers(&[h, w])
        }
        "grayscale_to_rgb" => one(f::grayscale_to_rgb(x)?),
        "horizontal_flip" => one(f::horizontal_flip(x)?),
        "invert" => one(f::invert(x)?),
        "jpeg" => one(f::jpeg(x, words.count("quality")?)?),
        "normalize" => {
            let (mean, std) = (words.floats("mean")?.unwrap_or_default(), words.floats("std")?.unwrap_or_default());
            one(f::normalize(x, &mean, &std)?)
        }
        "pad" => {
            let mode = padding_mode(call.text_or(KEYWORD, "padding_mode", "constant")?)?;
            one(f::pad(x, padding(&words.ints("padding")?)?, &words.fill()?, mode)?)
        }
        "permute_channels" => {
            let order: Vec<usize> = words.ints("permutation")?.into_iter().map(|n| n as usize).collect();
            one(f::permute_channels(x, &order)?)
        }
        "perspective" => {
            let (start, end) = (quad(words, "startpoints")?, quad(words, "endpoints")?);
            one(f::perspective(x, start, end, words.interpolation("bilinear")?, &words.fill()?)?)
        }
        "posterize" => one(f::posterize(x, words.count("bits")?)?),
        "resize" => {
            let most = call.int_opt(KEYWORD, "max_size")?.map(|n| n as usize);
            let (size, most) = match (call.given(KEYWORD, "size"), most) {
                (None, Some(most)) => (Size::Longest(most), None),
                _ => (words.size("size")?, most),
            };
            one(f::resize(x, size, words.interpolation("bilinear")?, most, call.flag(KEYWORD, "antialias", true)?)?)
        }
        "resized_crop" => {
            let (top, left) = (words.int("top")?, words.int("left")?);
            let (height, width, size) = (words.count("height")?, words.count("width")?, words.size("size")?);
            let (mode, antialias) = (words.interpolation("bilinear")?, call.flag(KEYWORD, "antialias", true)?);
            one(f::resized_crop(x, (top, left, height, width), size, mode, antialias)?)
        }
        "rgb_to_grayscale" => one(f::rgb_to_grayscale(x, call.size_or(KEYWORD, "num_output_channels", 1)?)?),
        "rotate" => {
            let (mode, expand) = (words.interpolation("nearest")?, call.flag(KEYWORD, "expand", false)?);
            one(f::rotate(x, words.float("angle")?, mode, expand, &words.fill()?, words.pair("center")?)?)
        }
        "sanitize_bounding_boxes" => {
            let (kept, valid) =
                f::sanitize_bounding_boxes(boxes(x)?, words.float("min_size")?, words.float("min_area")?)?;
            many([kept.into(), valid.into()])
        }
        "sanitize_keypoints" => {
            let (kept, valid) = f::sanitize_keypoints(points(x)?)?;
            many([kept.into(), valid.into()])
        }
        "solarize" => one(f::solarize(x, words.float("threshold")?)?),
        "ten_crop" => many(f::ten_crop(x, words.size("size")?, call.flag(KEYWORD, "vertical_flip", false)?)?),
        "to_dtype" => {
            let Some(dtype) = call.dtype_opt(KEYWORD, "dtype")? else { return unsupported("no dtype") };
            one(f::to_dtype(x, dtype, call.flag(KEYWORD, "scale", false)?)?)
        }
        "uniform_temporal_subsample" => one(f::uniform_temporal_subsample(x, words.count("num_samples")?)?),
        "vertical_flip" => one(f::vertical_flip(x)?),
        other => unsupported(format!("the function `{other}` is not in the runner's table")),
    }
}

/// Runs one case.
///
/// # Errors
///
/// The function is not in the table, or failed where torchvision's did not.
pub(crate) fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    let input = match Value::parse(field(json, "input")?, data)? {
        Value::Tensor(input) => input,
        other => return unsupported(format!("the input is {}", other.kind())),
    };
    let arguments = Arguments::parse(json, "args", "kwargs", data)?;
    let mut leaves = Vec::new();
    let tensor = revive(&input)?;
    if json.get("grads").is_some() {
        tape::require_grad(&tensor)?;
        leaves.push(tensor.clone());
    }
    let x = as_recorded(tensor, &input)?;
    let call = Call::of(&arguments)?;
    let ours = apply(name, &x, &Words(&call));
    if json.get("error").is_some() {
        return match ours {
            Err(Trouble::Failed(_)) => {
                let expected = Expected { output: Value::None, gradients: None, slack: [1.0; 2] };
                Ok(Made { output: Value::None, leaves: Vec::new(), expected, same: Ok(()) })
            }
            Err(other) => Err(other),
            Ok(_) => Err(Trouble::Failed("this works, torchvision refuses it".into())),
        };
    }
    let ours = ours?;
    call.all_read()?;
    let expected = Expected::parse(json, data)?;
    let mode = call.text_opt(KEYWORD, "interpolation")?;
    let allowance = Allowance::of(name, mode);
    let same = same_tree(&ours, &expected.output, allowance);
    let output = ours.map(&mut |x: &TVTensor| Ok::<_, Trouble>(x.tensor().clone()))?;
    // Which results require a gradient is not recorded for every one: those of floating point do.
    let expected =
        Expected { output: expected.output.map(&mut |r: &Recorded| tracked(r, !leaves.is_empty()))?, ..expected };
    Ok(Made { output, leaves, expected, same })
}

fn tracked(recorded: &Recorded, on: bool) -> Result<Recorded, Trouble> {
    Ok(Recorded { requires_grad: on && recorded.element.is_float(), ..recorded.clone() })
}
