//! Seeded transforms: each is made, seeded, and applied three times; then the generator has to stand where torchvision's
//! does.

use flambeau_tensor::{Build, DType, Tensor, manual_seed};
use flambeau_vision::{
    transforms::{
        AugMix, AutoAugment, AutoAugmentPolicy, ColorJitter, Compose, CutMix, ElasticTransform, Erased, Fill,
        GaussianBlur, GaussianNoise, JPEG, MixUp, Normalize, PartsTransform, RandAugment, RandomAdjustSharpness,
        RandomAffine, RandomApply, RandomAutocontrast, RandomChannelPermutation, RandomChoice, RandomCrop,
        RandomEqualize, RandomErasing, RandomGrayscale, RandomHorizontalFlip, RandomInvert, RandomIoUCrop, RandomOrder,
        RandomPerspective, RandomPhotometricDistort, RandomPosterize, RandomResize, RandomResizedCrop, RandomRotation,
        RandomShortestSize, RandomSolarize, RandomVerticalFlip, RandomZoomOut, Range, SampleTransform,
        SanitizeBoundingBoxes, ScaleJitter, Size, ToDtype, TrivialAugmentWide,
    },
    tv_tensors::TVKind,
};
use safetensors::SafeTensors;
use serde_json::{Map, Value as Json};

use super::{
    Allowance, Tree, revive_tv, same_tree,
    transform::{Words, interpolation, padding, padding_mode, size},
};
use crate::{
    call::{Call, KEYWORD, Trouble, unsupported},
    case::{Arguments, field, tensors},
    compare::What,
    run::same_tensors,
    value::Value,
};

type Boxed = Box<dyn PartsTransform>;

/// Runs one case.
///
/// # Errors
///
/// The transform is not in the table, failed, or gave other numbers than torchvision's.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let Some(seed) = json.get("seed").and_then(Json::as_u64) else {
        return Err(Trouble::Failed("damaged recording: a case without a seed".into()));
    };
    let Json::Array(args) = field(json, "args")? else {
        return Err(Trouble::Failed("damaged recording: args is not a list".into()));
    };
    let mut args =
        args.iter().map(|arg| Value::parse(arg, data)?.map(&mut revive_tv)).collect::<Result<Vec<_>, _>>()?;
    let sample = Tree(if args.len() == 1 { args.remove(0) } else { Value::Seq(args) });
    let Json::Array(outputs) = field(json, "outputs")? else {
        return Err(Trouble::Failed("damaged recording: outputs is not a list".into()));
    };
    let mut allowance = Allowance::default();
    manual_seed(seed);
    let transform = build(field(json, "transform")?, data, &mut allowance)?;
    for (i, theirs) in outputs.iter().enumerate() {
        let ours = transform.on(sample.clone())?;
        same_tree(&ours.0, &Value::parse(theirs, data)?, allowance)
            .map_err(|why| Trouble::Failed(format!("application {i}: {why}")))?;
    }
    let after = tensors(&Json::Array(vec![field(json, "after")?.clone()]), data)?;
    same_tensors("random", What::Random, "what is drawn after", &[Tensor::rand([2]).build()?], &after)
}

/// What the pixels of a transform of this name are made by.
fn loosen(allowance: &mut Allowance, name: &str, call: &Call) -> Result<(), Trouble> {
    let policies = matches!(name, "AutoAugment" | "RandAugment" | "TrivialAugmentWide" | "AugMix");
    let warps = matches!(name, "RandomAffine" | "RandomRotation" | "RandomPerspective" | "ElasticTransform");
    let colors = matches!(name, "ColorJitter" | "RandomPhotometricDistort" | "RandomAdjustSharpness" | "GaussianBlur");
    let default =
        if matches!(name, "RandomPerspective" | "ElasticTransform" | "AugMix") { "bilinear" } else { "nearest" };
    let nearest = call.text_or(KEYWORD, "interpolation", default)? == "nearest";
    allowance.blended |= policies || warps || colors;
    // Masks are looked up in any warp.
    allowance.picked |= warps || (policies && nearest);
    allowance.warped |= policies || (warps && !nearest);
    Ok(())
}

fn build(json: &Json, data: &SafeTensors<'_>, allowance: &mut Allowance) -> Result<Boxed, Trouble> {
    let inner = field(json, "transform")?;
    let name = field(inner, "name")?.as_str().unwrap_or_default();
    let Json::Object(kwargs) = field(inner, "kwargs")? else {
        return Err(Trouble::Failed("damaged recording: kwargs is not a dict".into()));
    };
    let transforms = match kwargs.get("transforms") {
        None => Vec::new(),
        Some(list) => match field(list, "list")? {
            Json::Array(items) => items.iter().map(|t| build(t, data, allowance)).collect::<Result<_, _>>()?,
            _ => return Err(Trouble::Failed("damaged recording: transforms is not a list".into())),
        },
    };
    let others: Map<String, Json> =
        kwargs.iter().filter(|(key, _)| *key != "transforms").map(|(k, v)| (k.clone(), v.clone())).collect();
    let wrapped = Json::Object(Map::from_iter([("kwargs".to_owned(), Json::Object(others))]));
    let call = Call::of(&Arguments::setting(&wrapped, "kwargs", data)?)?;
    loosen(allowance, name, &call)?;
    let transform = table(name, transforms, &Words(&call))?;
    call.all_read()?;
    Ok(transform)
}

fn boxed<B: Build<Output: PartsTransform>>(builder: B) -> Result<Boxed, Trouble> {
    Ok(Box::new(builder.build()?))
}

/// A chain of options, each set where it is given.
macro_rules! with {
    ($builder:expr; $($option:ident = $value:expr;)*) => {{
        let mut builder = $builder;
        $(if let Some(value) = $value { builder = builder.$option(value); })*
        boxed(builder)
    }};
}

fn range(words: &Words<'_>, name: &str) -> Result<Option<Range>, Trouble> {
    Ok(match words.floats(name)?.as_deref() {
        None => None,
        Some([n]) => Some(Range::from(*n)),
        Some([a, b]) => Some(Range(*a, *b)),
        Some(more) => return unsupported(format!("`{name}` has {} numbers", more.len())),
    })
}

fn pair(words: &Words<'_>, name: &str) -> Result<Option<(f64, f64)>, Trouble> {
    Ok(words.pair(name)?.map(|[a, b]| (a, b)))
}

/// One value, one for each channel, or a dict from kind to those.
fn fill(words: &Words<'_>) -> Result<Option<Fill>, Trouble> {
    let Some(Value::Dict(items)) = words.0.given(KEYWORD, "fill") else {
        return Ok(words.floats("fill")?.map(Fill::from));
    };
    let mut fill = Fill::none();
    let one = |value: &Value<Tensor>| match value {
        Value::None => Ok(Fill::none()),
        Value::Int(n) => Ok(Fill::from(*n as f64)),
        Value::Float(n) => Ok(Fill::from(*n)),
        other => unsupported(format!("a fill of {}", other.kind())),
    };
    if let Some((_, others)) = items.iter().find(|(kind, _)| kind == "others") {
        fill = one(others)?;
    }
    let kinds = [TVKind::Image, TVKind::Video, TVKind::Mask, TVKind::BoundingBoxes, TVKind::KeyPoints];
    for (name, value) in items {
        if let Some(kind) = kinds.iter().find(|kind| format!("{kind:?}") == *name) {
            fill = fill.with(*kind, one(value)?);
        }
    }
    Ok(Some(fill))
}

fn table(name: &str, transforms: Vec<Boxed>, words: &Words<'_>) -> Result<Boxed, Trouble> {
    let call = words.0;
    let p = || call.float_opt(KEYWORD, "p");
    let count = |name: &str| Ok::<_, Trouble>(call.int_opt(KEYWORD, name)?.map(|n| n as usize));
    let flag = |name: &str| {
        Ok::<_, Trouble>(match call.given(KEYWORD, name) {
            None => None,
            Some(_) => Some(call.flag(KEYWORD, name, false)?),
        })
    };
    let mode = || call.text_opt(KEYWORD, "interpolation")?.map(interpolation).transpose();
    let sized = |name: &str| size(&words.ints(name)?);
    let jitter = |name: &str| {
        use flambeau_vision::transforms::Jitter;
        Ok::<_, Trouble>(words.floats(name)?.map(|v| match v[..] {
            [a, b] => Jitter::Between(a, b),
            _ => Jitter::By(v.first().copied().unwrap_or_default()),
        }))
    };
    match name {
        "AugMix" => with!(AugMix::new(); severity = count("severity")?; interpolation = mode()?; fill = fill(words)?;),
        "AutoAugment" => {
            let policy = match call.text_or(KEYWORD, "policy", "imagenet")? {
                "cifar10" => AutoAugmentPolicy::Cifar10,
                "svhn" => AutoAugmentPolicy::Svhn,
                _ => AutoAugmentPolicy::ImageNet,
            };
            with!(AutoAugment::new().policy(policy); interpolation = mode()?; fill = fill(words)?;)
        }
        "ColorJitter" => with!(ColorJitter::new();
            brightness = jitter("brightness")?; contrast = jitter("contrast")?;
            saturation = jitter("saturation")?; hue = jitter("hue")?;),
        "Compose" => boxed(Compose::of(transforms)),
        "CutMix" => {
            with!(CutMix::new(); alpha = call.float_opt(KEYWORD, "alpha")?; num_classes = count("num_classes")?;)
        }
        "ElasticTransform" => with!(ElasticTransform::new();
            alpha = words.pair("alpha")?; sigma = words.pair("sigma")?; interpolation = mode()?; fill = fill(words)?;),
        "GaussianBlur" => with!(GaussianBlur::new(sized("kernel_size")?); sigma = pair(words, "sigma")?;),
        "GaussianNoise" => with!(GaussianNoise::new();
            mean = call.float_opt(KEYWORD, "mean")?; sigma = call.float_opt(KEYWORD, "sigma")?; clip = flag("clip")?;),
        "JPEG" => match words.ints("quality")?[..] {
            [n] => boxed(JPEG::new(n as usize)),
            [a, b] => boxed(JPEG::new([a as usize, b as usize])),
            _ => unsupported("more than two qualities"),
        },
        "MixUp" => with!(MixUp::new(); alpha = call.float_opt(KEYWORD, "alpha")?; num_classes = count("num_classes")?;),
        "Normalize" => {
            boxed(Normalize::new(words.floats("mean")?.unwrap_or_default(), words.floats("std")?.unwrap_or_default()))
        }
        "RandAugment" => with!(RandAugment::new();
            num_ops = count("num_ops")?; magnitude = count("magnitude")?;
            num_magnitude_bins = count("num_magnitude_bins")?; interpolation = mode()?; fill = fill(words)?;),
        "RandomAdjustSharpness" => with!(RandomAdjustSharpness::new(words.float("sharpness_factor")?); p = p()?;),
        "RandomAffine" => {
            let builder = RandomAffine::new(range(words, "degrees")?.unwrap_or(Range(0.0, 0.0)));
            let builder = match words.floats("shear")?.as_deref() {
                None => builder,
                Some([n]) => builder.shear(*n),
                Some([a, b]) => builder.shear([*a, *b]),
                Some([a, b, c, d]) => builder.shear([*a, *b, *c, *d]),
                Some(_) => return unsupported("shear of other than 1, 2 or 4 numbers"),
            };
            with!(builder; translate = words.pair("translate")?; scale = words.pair("scale")?;
                interpolation = mode()?; fill = fill(words)?; center = words.pair("center")?;)
        }
        "RandomApply" => with!(RandomApply::of(transforms); p = p()?;),
        "RandomAutocontrast" => with!(RandomAutocontrast::new(); p = p()?;),
        "RandomChannelPermutation" => boxed(RandomChannelPermutation::new()),
        "RandomChoice" => with!(RandomChoice::of(transforms); p = words.floats("p")?;),
        "RandomCrop" => {
            let padded = match call.given(KEYWORD, "padding") {
                None => None,
                Some(_) => Some(padding(&words.ints("padding")?)?),
            };
            let padding_mode = call.text_opt(KEYWORD, "padding_mode")?.map(padding_mode).transpose()?;
            with!(RandomCrop::new(sized("size")?); padding = padded; pad_if_needed = flag("pad_if_needed")?;
                fill = fill(words)?; padding_mode = padding_mode;)
        }
        "RandomEqualize" => with!(RandomEqualize::new(); p = p()?;),
        "RandomErasing" => {
            let value = match call.given(KEYWORD, "value") {
                None => None,
                Some(Value::Str(_)) => Some(Erased::Random),
                Some(_) => words.floats("value")?.map(Erased::Value),
            };
            with!(RandomErasing::new(); p = p()?; scale = pair(words, "scale")?; ratio = pair(words, "ratio")?;
                value = value;)
        }
        "RandomGrayscale" => with!(RandomGrayscale::new(); p = p()?;),
        "RandomHorizontalFlip" => with!(RandomHorizontalFlip::new(); p = p()?;),
        "RandomInvert" => with!(RandomInvert::new(); p = p()?;),
        "RandomIoUCrop" => with!(RandomIoUCrop::new(); sampler_options = words.floats("sampler_options")?;
            trials = count("trials")?;),
        "RandomOrder" => boxed(RandomOrder::of(transforms)),
        "RandomPerspective" => with!(RandomPerspective::new();
            distortion_scale = call.float_opt(KEYWORD, "distortion_scale")?; p = p()?;
            interpolation = mode()?; fill = fill(words)?;),
        "RandomPhotometricDistort" => with!(RandomPhotometricDistort::new();
            brightness = pair(words, "brightness")?; contrast = pair(words, "contrast")?;
            saturation = pair(words, "saturation")?; hue = pair(words, "hue")?; p = p()?;),
        "RandomPosterize" => with!(RandomPosterize::new(words.count("bits")?); p = p()?;),
        "RandomResize" => with!(RandomResize::new(words.count("min_size")?, words.count("max_size")?);
            interpolation = mode()?; antialias = flag("antialias")?;),
        "RandomResizedCrop" => with!(RandomResizedCrop::new(sized("size")?);
            scale = pair(words, "scale")?; ratio = pair(words, "ratio")?;
            interpolation = mode()?; antialias = flag("antialias")?;),
        "RandomRotation" => with!(RandomRotation::new(range(words, "degrees")?.unwrap_or(Range(0.0, 0.0)));
            interpolation = mode()?; expand = flag("expand")?; center = words.pair("center")?; fill = fill(words)?;),
        "RandomShortestSize" => {
            let sizes: Vec<usize> = words.ints("min_size")?.into_iter().map(|n| n as usize).collect();
            with!(RandomShortestSize::new(sizes); max_size = count("max_size")?; interpolation = mode()?;
                antialias = flag("antialias")?;)
        }
        "RandomSolarize" => with!(RandomSolarize::new(words.float("threshold")?); p = p()?;),
        "RandomVerticalFlip" => with!(RandomVerticalFlip::new(); p = p()?;),
        "RandomZoomOut" => with!(RandomZoomOut::new(); fill = fill(words)?; side_range = pair(words, "side_range")?;
            p = p()?;),
        "SanitizeBoundingBoxes" => with!(SanitizeBoundingBoxes::new();
            min_size = call.float_opt(KEYWORD, "min_size")?; min_area = call.float_opt(KEYWORD, "min_area")?;),
        "ScaleJitter" => match sized("target_size")? {
            Size::Both(h, w) => with!(ScaleJitter::new((h, w)); scale_range = pair(words, "scale_range")?;
                interpolation = mode()?; antialias = flag("antialias")?;),
            _ => unsupported("a target of one size"),
        },
        "ToDtype" => match call.dtype_opt(KEYWORD, "dtype")? {
            Some(dtype) => with!(ToDtype::new(dtype); scale = flag("scale")?;),
            None => boxed(ToDtype::new(DType::F32)),
        },
        "TrivialAugmentWide" => with!(TrivialAugmentWide::new();
            num_magnitude_bins = count("num_magnitude_bins")?; interpolation = mode()?; fill = fill(words)?;),
        other => unsupported(format!("the transform `{other}` is not in the runner's table")),
    }
}
