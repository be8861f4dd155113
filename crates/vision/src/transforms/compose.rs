//! Transforms made of transforms and functions.

use super::kinds::check_probability;
use super::transform::forwards;
use super::{LazyImage, PartsTransform, SampleTransform, Transform, draw};
use crate::tv_tensors::{Parts, TVKind, TVTensor};
use flambeau_nn::{DynModule, Item, ItemMut, Module, Rebuild, Visitor, VisitorMut};
use flambeau_tensor::{Build, Result, Tensor, builder, ensure};
use std::fmt;
use std::sync::Arc;

/// What the containers take: a tuple of up to 12 transforms or builders of them, or a `Vec` of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of transforms",
    note = "`Compose::of((Resize::new(224), ToTensor::new()))` takes a tuple of at most 12 transforms or builders of them; a tuple of one is `(transform,)`"
)]
pub trait Transforms {
    /// Builds them, in order.
    ///
    /// # Errors
    /// Where a builder's options do not go together.
    fn transforms(self) -> Result<Vec<Arc<dyn PartsTransform>>>;
}

impl<B: Build<Output: SampleTransform>> Transforms for Vec<B> {
    #[track_caller]
    fn transforms(self) -> Result<Vec<Arc<dyn PartsTransform>>> {
        self.into_iter().map(|b| Ok(Arc::new(b.build()?) as Arc<dyn PartsTransform>)).collect()
    }
}

macro_rules! lists {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Build<Output: SampleTransform>, $($rest: Build<Output: SampleTransform>),*> Transforms
            for ($first, $($rest,)*)
        {
            #[track_caller]
            #[allow(non_snake_case)]
            fn transforms(self) -> Result<Vec<Arc<dyn PartsTransform>>> {
                let ($first, $($rest,)*) = self;
                Ok(vec![Arc::new($first.build()?), $(Arc::new($rest.build()?)),*])
            }
        }
        lists!($($rest)*);
    };
    () => {};
}
lists!(A B C D E F G H I J K L);

/// A list of transforms that is to be built with what contains it.
pub struct TransformList(Result<Vec<Arc<dyn PartsTransform>>>);

impl TransformList {
    #[track_caller]
    fn of(transforms: impl Transforms) -> Self {
        TransformList(transforms.transforms())
    }

    #[track_caller]
    fn built(self, op: &'static str) -> Result<Vec<Arc<dyn PartsTransform>>> {
        let transforms = self.0?;
        ensure!(!transforms.is_empty(), Argument, op, "there is no transform in it");
        Ok(transforms)
    }
}

macro_rules! containers {
    ($($Name:ident)*) => {$(
        impl Module for $Name {
            fn type_name(&self) -> &'static str {
                stringify!($Name)
            }

            fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
                for (i, transform) in self.transforms.iter().enumerate() {
                    visitor(&i.to_string(), Item::Module(transform.as_module()));
                }
            }

            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                for (i, transform) in self.transforms.iter_mut().enumerate() {
                    if let Some(transform) = Arc::get_mut(transform) {
                        visitor(&i.to_string(), ItemMut::Module(transform.as_module_mut()));
                    }
                }
            }

            /// Transforms have no tensors that change, so the parts are shared.
            fn rebuild(&self, _: &mut Rebuild<'_>) -> Result<Self> {
                Ok(self.clone())
            }

            fn as_module(&self) -> &DynModule {
                self
            }

            fn as_module_mut(&mut self) -> &mut DynModule {
                self
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                flambeau_nn::print_module(self, f)
            }
        }

        impl Build for $Name {
            type Output = Self;
            fn build(self) -> Result<Self> {
                Ok(self)
            }
        }

        forwards!($Name);
    )*};
}
containers!(Compose RandomApply RandomChoice RandomOrder);

/// A container's builder: the list, and what `with` sets beside it.
macro_rules! container_builder {
    ($Name:ident, $Builder:ident { $($(#[$doc:meta])* $option:ident: $t:ty = $default:expr),* }) => {
        #[doc = concat!("A [`", stringify!($Name), "`] about to be made; what is wrong with its parts shows when it is.")]
        #[must_use = "a builder makes nothing until `build()`"]
        pub struct $Builder {
            transforms: TransformList,
            $($option: $t,)*
        }

        impl $Name {
            /// The transforms of a tuple (or a `Vec`), each a transform or the builder of one.
            #[track_caller]
            pub fn of(transforms: impl Transforms) -> $Builder {
                $Builder { transforms: TransformList::of(transforms), $($option: $default,)* }
            }
        }

        impl $Builder {
            $(
                $(#[$doc])*
                pub fn $option(mut self, $option: impl Into<$t>) -> Self {
                    self.$option = $option.into();
                    self
                }
            )*

            /// Makes it.
            ///
            /// # Errors
            /// Where the options of a transform do not go together, or there is no transform.
            #[track_caller]
            pub fn build(self) -> Result<$Name> {
                $Name::from_builder(self)
            }
        }

        impl Build for $Builder {
            type Output = $Name;
            #[track_caller]
            fn build(self) -> Result<$Name> {
                $Builder::build(self)
            }
        }
    };
}

/// Transforms one after another, as `torchvision.transforms.v2.Compose`.
///
/// ```
/// use flambeau_vision::transforms::{Compose, Normalize, RandomCrop, ToTensor};
///
/// let transform = Compose::of((RandomCrop::new(28).padding(2), ToTensor::new(), Normalize::new([0.1307], [0.3081]))).build()?;
/// assert_eq!(
///     format!("{transform:?}"),
///     "Compose(
///   (0): RandomCrop(size=(28, 28), padding=2)
///   (1): ToTensor()
///   (2): Normalize(mean=[0.1307], std=[0.3081])
/// )"
/// );
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Compose {
    transforms: Vec<Arc<dyn PartsTransform>>,
}
container_builder!(Compose, ComposeBuilder {});

impl Compose {
    #[track_caller]
    fn from_builder(b: ComposeBuilder) -> Result<Self> {
        Ok(Compose { transforms: b.transforms.built("Compose")? })
    }
}

impl PartsTransform for Compose {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        if let Some(mut image) = LazyImage::of_parts(parts) {
            self.transform_lazily(&mut image)?;
            parts.set(0, image.into_part()?);
            return Ok(());
        }
        self.transforms.iter().try_for_each(|transform| transform.transform_parts(parts))
    }

    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        self.transforms.iter().try_for_each(|transform| transform.transform_lazily(image))
    }
}

/// Transforms one after another, all or none of them, as `torchvision.transforms.v2.RandomApply`.
#[derive(Clone)]
pub struct RandomApply {
    transforms: Vec<Arc<dyn PartsTransform>>,
    p: f64,
}
container_builder!(
    RandomApply,
    RandomApplyBuilder {
        /// The probability of being applied. 0.5 unless set.
        p: f64 = 0.5
    }
);

impl RandomApply {
    #[track_caller]
    fn from_builder(b: RandomApplyBuilder) -> Result<Self> {
        check_probability("RandomApply", b.p)?;
        Ok(RandomApply { transforms: b.transforms.built("RandomApply")?, p: b.p })
    }
}

impl PartsTransform for RandomApply {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        if !draw::happens(self.p)? {
            return Ok(());
        }
        self.transforms.iter().try_for_each(|transform| transform.transform_parts(parts))
    }

    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        if !draw::happens(self.p)? {
            return Ok(());
        }
        self.transforms.iter().try_for_each(|transform| transform.transform_lazily(image))
    }
}

/// One of several transforms, as `torchvision.transforms.v2.RandomChoice`.
#[derive(Clone)]
pub struct RandomChoice {
    transforms: Vec<Arc<dyn PartsTransform>>,
    p: Vec<f32>,
}
container_builder!(RandomChoice, RandomChoiceBuilder {
    /// How likely each is, in any unit. All alike unless set.
    p: Vec<f64> = Vec::new()
});

impl RandomChoice {
    #[track_caller]
    fn from_builder(b: RandomChoiceBuilder) -> Result<Self> {
        let transforms = b.transforms.built("RandomChoice")?;
        let p = if b.p.is_empty() { vec![1.0; transforms.len()] } else { b.p };
        let (n, total) = (transforms.len(), p.iter().sum::<f64>());
        ensure!(p.len() == n, Argument, "RandomChoice", "{} probabilities for {n} transforms", p.len());
        let good = total > 0.0 && total.is_finite() && p.iter().all(|p| *p >= 0.0);
        ensure!(good, Argument, "RandomChoice", "{p:?} are no probabilities");
        Ok(RandomChoice { transforms, p: p.into_iter().map(|p| (p / total) as f32).collect() })
    }
}

impl PartsTransform for RandomChoice {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        self.transforms[draw::category(&self.p)?].transform_parts(parts)
    }

    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        self.transforms[draw::category(&self.p)?].transform_lazily(image)
    }
}

/// Transforms one after another in a random order, as `torchvision.transforms.v2.RandomOrder`.
#[derive(Clone)]
pub struct RandomOrder {
    transforms: Vec<Arc<dyn PartsTransform>>,
}
container_builder!(RandomOrder, RandomOrderBuilder {});

impl RandomOrder {
    #[track_caller]
    fn from_builder(b: RandomOrderBuilder) -> Result<Self> {
        Ok(RandomOrder { transforms: b.transforms.built("RandomOrder")? })
    }
}

impl PartsTransform for RandomOrder {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let order = draw::permutation(self.transforms.len())?;
        order.into_iter().try_for_each(|i| self.transforms[i].transform_parts(parts))
    }

    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        let order = draw::permutation(self.transforms.len())?;
        order.into_iter().try_for_each(|i| self.transforms[i].transform_lazily(image))
    }
}

/// A function as a transform, as `torchvision.transforms.v2.Lambda`: it is given the tensor of every part, or of those
/// of some kinds.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Compose, Lambda, SampleTransform, ToTensor};
///
/// let transform = Compose::of((ToTensor::new(), Lambda::new(|x| x.flatten(0, -1)))).build()?;
/// let image = Tensor::from_vec(vec![255u8; 4], [1, 2, 2])?;
/// assert_eq!(transform.on(image)?.to_vec::<f32>()?, [1.0; 4]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct Lambda {
    #[module(skip)]
    f: Arc<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>,
    #[module(skip)]
    kinds: Option<Vec<TVKind>>,
}

impl Lambda {
    /// The function `f` as a transform.
    pub fn new(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Self {
        Lambda { f: Arc::new(f), kinds: None }
    }

    /// For these kinds only.
    #[must_use]
    pub fn kinds(mut self, kinds: impl Into<Vec<TVKind>>) -> Self {
        self.kinds = Some(kinds.into());
        self
    }
}

impl Transform for Lambda {
    type Params = ();

    fn make_params(&self, _: &[&TVTensor]) -> Result<()> {
        Ok(())
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, (): &()) -> Result<TVTensor> {
        Ok(part.wrap((self.f)(part.tensor())?))
    }

    fn takes(&self, kind: TVKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// Nothing, as `torchvision.transforms.v2.Identity`.
#[derive(Module)]
pub struct Identity {}

builder! {
    /// Options of [`Identity`]: none.
    pub struct IdentityBuilder => Identity;
    new {}
    options {}
}

impl Identity {
    fn from_builder(_: IdentityBuilder) -> Result<Self> {
        Ok(Identity {})
    }
}

super::transform::steady! {
    Identity: |_this, part| Ok(part) => |_image| Ok(());
}
forwards!(Lambda);
