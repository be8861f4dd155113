//! Samples: anything made of tensors that transforms walk through, part by part.

use super::{BoundingBoxes, Image, KeyPoints, Kind, Mask, TVKind, TVTensor, Video};
use flambeau_tensor::{Error, ErrorKind, Result, Tensor, bail, ensure};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

/// What a transform can be applied to: a tensor, one that says what it is, and whatever is made of them: tuples,
/// lists, maps, structs that derive it. Numbers, texts and truth values have no parts and pass through.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::tv_tensors::{Image, Mask, Parts};
///
/// let sample = (Image::new(Tensor::zeros([3, 8, 8]).build()?)?, Mask::new(Tensor::zeros([8, 8]).build()?)?, 7i64);
/// assert_eq!(Parts::of(&sample).size()?, (8, 8));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// A struct of one's own:
///
/// ```
/// use flambeau_tensor::{Tensor, tensor};
/// use flambeau_vision::transforms::{RandomHorizontalFlip, SampleTransform};
/// use flambeau_vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, Sample};
/// use std::sync::Arc;
///
/// #[derive(Sample)]
/// struct Street {
///     image: Image,
///     cars: BoundingBoxes,
///     labels: Tensor,
///     night: bool,
///     #[sample(skip)]
///     camera: Arc<str>,
/// }
///
/// let cars = BoundingBoxes::new(tensor!([[1.0, 2.0, 11.0, 8.0]]), BoundingBoxFormat::XYXY, (20, 30))?;
/// let image = Image::new(Tensor::rand([3, 20, 30]).build()?)?;
/// let street = Street { image, cars, labels: tensor!([1i64]), night: false, camera: "north".into() };
/// let turned = RandomHorizontalFlip::new().p(1.0).build()?.on(street)?;
/// assert_eq!(turned.cars.to_vec::<f32>()?, [19.0, 2.0, 29.0, 8.0]);
/// assert_eq!((turned.labels.to_vec::<i64>()?, turned.night, &*turned.camera), (vec![1], false, "north"));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no sample that a transform can walk through",
    note = "`#[derive(Sample)]` makes a struct of tensors one"
)]
pub trait Sample: Sized {
    /// Puts its parts into `parts` in order; `name` is what it is called where it stands.
    fn take_apart(&self, name: &str, parts: &mut Parts);

    /// The same with other parts, in the same order.
    ///
    /// # Errors
    /// Where a part is of another kind than its place is for.
    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self>;
}

/// The parts of a sample, each with its name: the name of a field, the key of a map, or the place in a tuple or
/// list.
#[derive(Clone, Debug, Default)]
pub struct Parts(Vec<(String, TVTensor)>);

impl Parts {
    /// The parts of `sample`.
    pub fn of(sample: &impl Sample) -> Parts {
        let mut parts = Parts::default();
        sample.take_apart("", &mut parts);
        parts
    }

    /// One more part.
    pub fn push(&mut self, name: impl Into<String>, part: impl Into<TVTensor>) {
        self.0.push((name.into(), part.into()));
    }

    /// `sample` with these parts instead of its own.
    ///
    /// # Errors
    /// Where a part is of another kind than its place is for.
    #[track_caller]
    pub fn into_sample<S: Sample>(self, sample: &S) -> Result<S> {
        sample.put_together(&mut self.0.into_iter().map(|(_, part)| part))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts in order.
    pub fn iter(&self) -> impl Iterator<Item = &TVTensor> {
        self.0.iter().map(|(_, part)| part)
    }

    /// The part at `index`.
    pub fn get(&self, index: usize) -> Option<&TVTensor> {
        self.0.get(index).map(|(_, part)| part)
    }

    /// Another part at `index`.
    pub(crate) fn set(&mut self, index: usize, part: TVTensor) {
        self.0[index].1 = part;
    }

    /// Each part replaced by what `f` makes of it; `f` is given its index.
    ///
    /// # Errors
    /// As `f`; the parts before are replaced.
    pub fn try_map(&mut self, mut f: impl FnMut(usize, TVTensor) -> Result<TVTensor>) -> Result<()> {
        for (i, (_, part)) in self.0.iter_mut().enumerate() {
            *part = f(i, part.clone())?;
        }
        Ok(())
    }

    /// Whether each part is to be transformed. By torchvision's rule a plain tensor is only where there is neither
    /// an image nor a video, and then only the first.
    pub fn to_transform(&self) -> Vec<bool> {
        let mut plain = !self.iter().any(|part| matches!(part.kind(), TVKind::Image | TVKind::Video));
        let one = |part: &TVTensor| part.kind() != TVKind::Tensor || std::mem::take(&mut plain);
        self.iter().map(one).collect()
    }

    /// Height and width of all parts that have them.
    ///
    /// # Errors
    /// Where they differ, or no part has any.
    #[track_caller]
    pub fn size(&self) -> Result<(usize, usize)> {
        query_size(&self.iter().collect::<Vec<_>>())
    }

    /// Where the labels are, as torchvision looks for them: in a sample of two parts the second if it is a plain
    /// tensor; else the first plain tensor called `labels`, else the first whose name has `label` in it.
    pub fn labels(&self) -> Option<usize> {
        let plain = |i: &usize| self.0[*i].1.kind() == TVKind::Tensor;
        let name = |i: usize| self.0[i].0.to_lowercase();
        let all = || (0..self.len()).filter(plain);
        if self.0.len() == 2 && self.0[1].0 == "1" && plain(&1) {
            return Some(1);
        }
        all().find(|&i| name(i) == "labels").or_else(|| all().find(|&i| name(i).contains("label")))
    }
}

/// Height and width of the parts.
#[track_caller]
pub(crate) fn query_size(parts: &[&TVTensor]) -> Result<(usize, usize)> {
    let mut sizes = parts.iter().map(|part| crate::transforms::functional::get_size(*part));
    let Some(first) = sizes.next() else {
        bail!(Argument, "query_size", "there is no image, video, mask, box or key point in the sample")
    };
    let first = first?;
    for size in sizes {
        let size = size?;
        ensure!(size == first, Shape, "query_size", "parts of sizes {first:?} and {size:?} in one sample");
    }
    Ok(first)
}

/// Channels, height and width of the images and videos among the parts.
#[track_caller]
pub(crate) fn query_chw(parts: &[&TVTensor]) -> Result<(usize, usize, usize)> {
    let images = parts.iter().filter(|part| part.is_image());
    let mut sizes = images.map(|part| crate::transforms::functional::get_dimensions(*part));
    let Some(first) = sizes.next() else {
        bail!(Argument, "query_chw", "there is no image and no video in the sample")
    };
    let first = first?;
    for size in sizes {
        let size = size?;
        ensure!(size == first, Shape, "query_chw", "images of {first:?} and {size:?} in one sample");
    }
    Ok(first)
}

macro_rules! leaves {
    ($($Name:ident)*) => {$(
        impl Sample for $Name {
            fn take_apart(&self, name: &str, parts: &mut Parts) {
                parts.push(name, self.clone());
            }

            #[track_caller]
            fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
                $Name::from_tv(parts.next().ok_or_else(too_few)?)
            }
        }
    )*};
}
leaves!(Tensor Image Video Mask BoundingBoxes KeyPoints TVTensor);

fn too_few() -> Error {
    Error::new(ErrorKind::Argument, "Sample", "there are fewer parts than the sample had")
}

macro_rules! passing {
    ($($t:ty)*) => {$(
        impl Sample for $t {
            fn take_apart(&self, _: &str, _: &mut Parts) {}

            fn put_together(&self, _: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
                Ok(self.clone())
            }
        }
    )*};
}
passing!(() bool char u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64 String &'static str std::path::PathBuf);

impl<S: Sample> Sample for Option<S> {
    fn take_apart(&self, name: &str, parts: &mut Parts) {
        self.iter().for_each(|sample| sample.take_apart(name, parts));
    }

    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
        self.as_ref().map(|sample| sample.put_together(parts)).transpose()
    }
}

impl<S: Sample> Sample for Vec<S> {
    fn take_apart(&self, _: &str, parts: &mut Parts) {
        self.iter().enumerate().for_each(|(i, sample)| sample.take_apart(&i.to_string(), parts));
    }

    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
        self.iter().map(|sample| sample.put_together(parts)).collect()
    }
}

impl<S: Sample> Sample for BTreeMap<String, S> {
    fn take_apart(&self, _: &str, parts: &mut Parts) {
        self.iter().for_each(|(name, sample)| sample.take_apart(name, parts));
    }

    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
        self.iter().map(|(name, sample)| Ok((name.clone(), sample.put_together(parts)?))).collect()
    }
}

/// Its parts in the order of their names, so that a transform draws the same numbers every time.
impl<K, S, H> Sample for HashMap<K, S, H>
where
    K: AsRef<str> + Clone + Eq + Hash + Ord,
    S: Sample,
    H: BuildHasher + Default,
{
    fn take_apart(&self, _: &str, parts: &mut Parts) {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        sorted.into_iter().for_each(|(name, sample)| sample.take_apart(name.as_ref(), parts));
    }

    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        sorted.into_iter().map(|(name, sample)| Ok((name.clone(), sample.put_together(parts)?))).collect()
    }
}

macro_rules! tuples {
    ($(($($T:ident $i:tt),+))*) => {$(
        impl<$($T: Sample),+> Sample for ($($T,)+) {
            fn take_apart(&self, _: &str, parts: &mut Parts) {
                $(self.$i.take_apart(stringify!($i), parts);)+
            }

            fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
                Ok(($(self.$i.put_together(parts)?,)+))
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}
