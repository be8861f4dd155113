//! Cases recorded from torchvision: tensors that say what they are, and when pixels count as its pixels.

pub mod io;
pub mod model;
pub mod op;
pub mod random;
pub mod transform;

use flambeau_tensor::{Result as TensorResult, Tensor};
use flambeau_vision::tv_tensors::{
    BoundingBoxFormat, BoundingBoxes, ClampingMode, Image, KeyPoints, Mask, Parts, Sample, TVKind, TVTensor, Video,
};

use crate::{
    call::{Trouble, plain, revive, unsupported},
    compare::{Numbers, Plain, Tolerance, same_tensor},
    value::{Element, Recorded, Tv, Value},
};

/// The format that the recordings call `name`.
pub fn box_format(name: &str) -> Result<BoundingBoxFormat, Trouble> {
    Ok(match name {
        "XYXY" => BoundingBoxFormat::XYXY,
        "XYWH" => BoundingBoxFormat::XYWH,
        "CXCYWH" => BoundingBoxFormat::CXCYWH,
        "XYWHR" => BoundingBoxFormat::XYWHR,
        "CXCYWHR" => BoundingBoxFormat::CXCYWHR,
        "XYXYXYXY" => BoundingBoxFormat::XYXYXYXY,
        other => return unsupported(format!("boxes as {other}")),
    })
}

/// The mode that the recordings call `name`.
pub fn clamping_mode(name: Option<&str>) -> Result<Option<ClampingMode>, Trouble> {
    Ok(match name {
        None => None,
        Some("soft") => Some(ClampingMode::Soft),
        Some("hard") => Some(ClampingMode::Hard),
        Some(other) => return unsupported(format!("clamping mode {other}")),
    })
}

/// `tensor` as what `recorded` says it is.
pub fn as_recorded(tensor: Tensor, recorded: &Recorded) -> Result<TVTensor, Trouble> {
    let Some(tv) = &recorded.tv else { return Ok(tensor.into()) };
    let canvas = || tv.canvas_size.ok_or_else(|| Trouble::Failed("damaged recording: no canvas".into()));
    Ok(match tv.kind.as_str() {
        "Image" => Image::new(tensor)?.into(),
        "Video" => Video::new(tensor)?.into(),
        "Mask" => Mask::new(tensor)?.into(),
        "KeyPoints" => KeyPoints::new(tensor, canvas()?)?.into(),
        "BoundingBoxes" => {
            let boxes = BoundingBoxes::new(tensor, box_format(tv.format.as_deref().unwrap_or_default())?, canvas()?)?;
            boxes.with_clamping_mode(clamping_mode(tv.clamping_mode.as_deref())?).into()
        }
        other => return unsupported(format!("tensors that are {other}")),
    })
}

/// A live tensor that says what it is.
pub fn revive_tv(recorded: &Recorded) -> Result<TVTensor, Trouble> {
    as_recorded(revive(recorded)?, recorded)
}

/// What a tensor says it is, in the recordings' words.
fn says(x: &TVTensor) -> Option<Tv> {
    let plain = |kind: TVKind| Tv { kind: format!("{kind:?}"), format: None, canvas_size: None, clamping_mode: None };
    match x {
        TVTensor::Tensor(_) => None,
        TVTensor::BoundingBoxes(boxes) => Some(Tv {
            format: Some(format!("{:?}", boxes.format())),
            canvas_size: Some(boxes.canvas_size()),
            clamping_mode: boxes.clamping_mode().map(|mode| format!("{mode:?}").to_lowercase()),
            ..plain(x.kind())
        }),
        TVTensor::KeyPoints(points) => Some(Tv { canvas_size: Some(points.canvas_size()), ..plain(x.kind()) }),
        other => Some(plain(other.kind())),
    }
}

/// How far pixels may be off, as `shared/parity/vision` allows for what made them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// Pixels were blended: one byte in 500 may be off by one.
    pub blended: bool,
    /// Pixels were looked up at places: one in 500 may be another.
    pub picked: bool,
    /// Pixels were mixed at places: floating point within 1e-4.
    pub warped: bool,
}

impl Allowance {
    /// Of a function of `torchvision.transforms.v2.functional`.
    pub fn of(name: &str, interpolation: Option<&str>) -> Self {
        let warp = matches!(name, "affine" | "rotate" | "perspective" | "elastic");
        let nearest = interpolation == Some("nearest");
        Self {
            blended: name == "gaussian_blur" || name.starts_with("adjust_") || warp,
            picked: warp && nearest,
            warped: warp && !nearest,
        }
    }

    fn tolerance(self, element: Element) -> Tolerance {
        match self.warped && element == Element::F32 {
            true => Tolerance { relative: 1e-4, absolute: 1e-4 },
            false => Tolerance::forward(element),
        }
    }

    /// Whether a result is the recorded one, in what it says it is and in number.
    pub fn same(self, place: &str, ours: &TVTensor, theirs: &Recorded) -> Result<(), String> {
        let (we, they) = (says(ours), theirs.tv.as_deref());
        if we.as_ref() != they {
            return Err(format!("{place}: ours is {we:?}, torchvision's {they:?}"));
        }
        let numbers = plain(ours.tensor()).map_err(|e| format!("{place}: {e:?}"))?;
        let geometry = matches!(ours.kind(), TVKind::BoundingBoxes | TVKind::KeyPoints);
        let allowance = if geometry { Self::default() } else { self };
        allowance.same_pixels(&numbers, &Plain::from(theirs)).map_err(|e| format!("{place}: {e}"))
    }

    fn same_pixels(self, ours: &Plain, theirs: &Plain) -> Result<(), String> {
        let exact = same_tensor(ours, theirs, self.tolerance(theirs.element));
        let Err(why) = exact else { return Ok(()) };
        if ours.shape != theirs.shape || ours.element != theirs.element {
            return Err(why);
        }
        let (off, further, n) = match (&ours.numbers, &theirs.numbers) {
            (Numbers::Integers(a), Numbers::Integers(b)) => {
                let by: Vec<u64> = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).filter(|by| *by > 0).collect();
                (by.len(), by.iter().any(|by| *by > 1), a.len())
            }
            (Numbers::Reals(a), Numbers::Reals(b)) => {
                let near = |(a, b): &(&f64, &f64)| (*a - *b).abs() <= 1e-4 * (1.0 + b.abs());
                (a.iter().zip(b).filter(|pair| !near(pair)).count(), true, a.len())
            }
            _ => return Err(why),
        };
        let few = off * 500 <= n;
        let fine = few && (self.picked || (self.blended && theirs.element == Element::U8 && !further));
        if fine { Ok(()) } else { Err(why) }
    }
}

/// A recorded value as a sample: tensors with everything around them.
#[derive(Clone)]
pub struct Tree(pub Value<TVTensor>);

impl Sample for Tree {
    fn take_apart(&self, name: &str, parts: &mut Parts) {
        fn walk(value: &Value<TVTensor>, name: &str, parts: &mut Parts) {
            match value {
                Value::Tensor(x) => parts.push(name, x.clone()),
                Value::Seq(items) | Value::List(items) => {
                    items.iter().enumerate().for_each(|(i, item)| walk(item, &i.to_string(), parts));
                }
                Value::Dict(items) => items.iter().for_each(|(name, item)| walk(item, name, parts)),
                _ => {}
            }
        }
        walk(&self.0, name, parts);
    }

    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> TensorResult<Self> {
        self.0.map(&mut |part: &TVTensor| part.put_together(parts)).map(Tree)
    }
}

/// Whether all tensors of a value are the recorded ones, and everything around them.
pub fn same_tree(ours: &Value<TVTensor>, theirs: &Value<Recorded>, allowance: Allowance) -> Result<(), String> {
    fn walk(place: &str, ours: &Value<TVTensor>, theirs: &Value<Recorded>, allowance: Allowance) -> Result<(), String> {
        if let (Some(a), Some(b)) = (ours.items(), theirs.items()) {
            if a.len() != b.len() {
                return Err(format!("{place}: ours has {} parts, torchvision's {}", a.len(), b.len()));
            }
            let mut pairs = a.iter().zip(b).enumerate();
            return pairs.try_for_each(|(i, (a, b))| walk(&format!("{place}[{i}]"), a, b, allowance));
        }
        match (ours, theirs) {
            (Value::Tensor(a), Value::Tensor(b)) => allowance.same(place, a, b),
            (Value::Dict(a), Value::Dict(b)) if a.len() == b.len() => {
                a.iter().zip(b).try_for_each(|((name, a), (other, b))| {
                    if name != other {
                        return Err(format!("{place}: {name} where torchvision has {other}"));
                    }
                    walk(&format!("{place}.{name}"), a, b, allowance)
                })
            }
            (Value::Int(a), Value::Int(b)) if a == b => Ok(()),
            (Value::Bool(a), Value::Bool(b)) if a == b => Ok(()),
            (Value::Float(a), Value::Float(b)) if a == b => Ok(()),
            (Value::Str(a), Value::Str(b)) if a == b => Ok(()),
            (Value::None, Value::None) => Ok(()),
            _ => Err(format!("{place}: ours is {}, torchvision's {}", ours.kind(), theirs.kind())),
        }
    }
    walk("output", ours, theirs, allowance)
}
