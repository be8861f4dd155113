//! What a transform is: something that draws its numbers once for a sample and then treats every part by its kind.

use crate::tv_tensors::{Parts, Sample, TVKind, TVTensor};
use flambeau_nn::{Boxed, Module, Rebuild};
use flambeau_tensor::{Build, Result};

use super::{LazyImage, draw};

/// Everything that can be applied to a sample: every [`Transform`], and what is made of them, as
/// [`Compose`](super::Compose).
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{RandomCrop, SampleTransform};
/// use flambeau_vision::tv_tensors::{Image, Mask};
///
/// let crop = RandomCrop::new(8).build()?;
/// let image = Image::new(Tensor::rand([3, 20, 30]).build()?)?;
/// let mask = Mask::new(Tensor::zeros([20, 30]).build()?)?;
/// let (image, mask, label) = crop.on((image, mask, 7))?;
/// assert_eq!((image.shape(), mask.shape(), label), (&[3, 8, 8][..], &[8, 8][..], 7));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transform",
    note = "`impl Transform for {Self}` says what it draws and what it does to a part of a sample; a function is a transform as `Lambda::new(f)`"
)]
pub trait SampleTransform: PartsTransform {
    /// The transform of a sample: a tensor, a tensor that says what it is, or anything made of them.
    ///
    /// # Errors
    /// Where the transform and the sample do not go together.
    #[track_caller]
    fn on<S: Sample>(&self, sample: S) -> Result<S> {
        let line = std::panic::Location::caller();
        let mut parts = Parts::of(&sample);
        self.transform_parts(&mut parts).map_err(|e| e.located(line))?;
        parts.into_sample(&sample)
    }
}

impl<T: PartsTransform + ?Sized> SampleTransform for T {}

/// What a [`SampleTransform`] is underneath: something that changes the parts of a sample. What treats each part by
/// itself implements [`Transform`] instead; what looks at several at once, this.
pub trait PartsTransform: Module + InABox {
    /// Changes the parts of one sample.
    ///
    /// # Errors
    /// Where the transform and the sample do not go together.
    fn transform_parts(&self, parts: &mut Parts) -> Result<()>;

    /// Does the same to an image whose pixels are computed later, or puts it off: the same draws, and in the end the
    /// same pixels.
    ///
    /// # Errors
    /// As [`transform_parts`](PartsTransform::transform_parts).
    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        image.through(|parts| self.transform_parts(parts))
    }
}

/// A boxed transform is the transform.
/// What makes a boxed transform again for a copy of its module.
#[doc(hidden)]
pub trait InABox {
    fn rebuild_in_a_box(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn PartsTransform>>;
}

impl<T: PartsTransform> InABox for T {
    fn rebuild_in_a_box(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn PartsTransform>> {
        Ok(Box::new(self.rebuild(with)?))
    }
}

impl Boxed for dyn PartsTransform {
    fn rebuild_boxed(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn PartsTransform>> {
        self.rebuild_in_a_box(with)
    }
}

impl PartsTransform for Box<dyn PartsTransform> {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        (**self).transform_parts(parts)
    }

    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        (**self).transform_lazily(image)
    }
}

impl Build for Box<dyn PartsTransform> {
    type Output = Self;
    fn build(self) -> Result<Self> {
        Ok(self)
    }
}

/// A transform that treats every part of a sample by itself, all by the same numbers; what one of one's own
/// implements, as `torchvision.transforms.v2.Transform`.
///
/// ```
/// use flambeau_nn::Module;
/// use flambeau_tensor::{Result, Tensor};
/// use flambeau_vision::transforms::{SampleTransform, Transform, functional};
/// use flambeau_vision::tv_tensors::{Image, TVTensor};
///
/// /// Darker by up to a half.
/// #[derive(Module)]
/// struct Dusk;
///
/// impl Transform for Dusk {
///     type Params = f64;
///
///     fn make_params(&self, _: &[&TVTensor]) -> Result<f64> {
///         Ok(1.0 - Tensor::rand([1]).build()?.item::<f32>()? as f64 / 2.0)
///     }
///
///     fn transform(&self, part: TVTensor, factor: &f64) -> Result<TVTensor> {
///         if part.is_image() { functional::adjust_brightness(&part, *factor) } else { Ok(part) }
///     }
/// }
///
/// let image = Image::new(Tensor::ones([3, 4, 4]).build()?)?;
/// let (image, name) = Dusk.on((image, "a wall"))?;
/// assert!(image.max_all()?.item::<f32>()? <= 1.0 && name == "a wall");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait Transform: Module {
    /// The numbers of one application.
    type Params;

    /// Draws the numbers for a sample of these parts.
    ///
    /// # Errors
    /// Where they are not what the transform is for.
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Self::Params>;

    /// What becomes of one part.
    ///
    /// # Errors
    /// Where it is not what the transform is for.
    fn transform(&self, part: TVTensor, params: &Self::Params) -> Result<TVTensor>;

    /// Refuses samples that the transform is not for.
    ///
    /// # Errors
    /// Where this is one.
    fn check_inputs(&self, _: &Parts) -> Result<()> {
        Ok(())
    }

    /// Whether parts of this kind are given to [`transform`](Transform::transform); others pass through.
    fn takes(&self, _: TVKind) -> bool {
        true
    }

    /// How often the transform is applied at all, where that is by chance: a number is drawn for it before all others.
    fn probability(&self) -> Option<f64> {
        None
    }

    /// Draws, and says what is to be done with an image whose pixels are computed later. Has to come to the same as
    /// [`make_params`](Transform::make_params) and [`transform`](Transform::transform) of a sample of that image alone, chance
    /// included, and is that unless it is overridden.
    ///
    /// # Errors
    /// As those.
    fn lazily(&self, image: &mut LazyImage) -> Result<()> {
        image.through(|parts| part_by_part(self, parts))
    }
}

impl<T: Transform> PartsTransform for T {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        part_by_part(self, parts)
    }

    fn transform_lazily(&self, image: &mut LazyImage) -> Result<()> {
        self.lazily(image)
    }
}

fn part_by_part<T: Transform + ?Sized>(transform: &T, parts: &mut Parts) -> Result<()> {
    transform.check_inputs(parts)?;
    if let Some(p) = transform.probability()
        && !draw::happens(p)?
    {
        return Ok(());
    }
    let mut wanted = parts.to_transform();
    for (wanted, part) in wanted.iter_mut().zip(parts.iter()) {
        *wanted &= transform.takes(part.kind());
    }
    let seen: Vec<&TVTensor> = parts.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(p, _)| p).collect();
    let params = transform.make_params(&seen)?;
    parts.try_map(|i, part| if wanted[i] { transform.transform(part, &params) } else { Ok(part) })
}

/// A transform takes one tensor to one, too, and can so stand among layers.
macro_rules! forwards {
    ($($T:ident),* $(,)?) => {$(
        impl flambeau_nn::Forward<&flambeau_tensor::Tensor> for $T {
            type Output = flambeau_tensor::Tensor;
            #[track_caller]
            fn forward(&self, x: &flambeau_tensor::Tensor) -> flambeau_tensor::Result<flambeau_tensor::Tensor> {
                $crate::transforms::SampleTransform::on(self, x.clone())
            }
        }
    )*};
}
pub(super) use forwards;

/// A transform without chance; behind the arrow stands what it does to a [`LazyImage`], if it is made for one.
macro_rules! steady {
    ($($T:ident: |$this:ident, $part:ident| $body:expr $(=> |$image:ident| $lazily:expr)?;)*) => {$(
        impl $crate::transforms::Transform for $T {
            type Params = ();

            fn make_params(&self, _: &[&$crate::tv_tensors::TVTensor]) -> flambeau_tensor::Result<()> {
                Ok(())
            }

            #[track_caller]
            fn transform(
                &self,
                $part: $crate::tv_tensors::TVTensor,
                (): &(),
            ) -> flambeau_tensor::Result<$crate::tv_tensors::TVTensor> {
                let $this = self;
                $body
            }

            $(
                #[track_caller]
                fn lazily(&self, $image: &mut $crate::transforms::LazyImage) -> flambeau_tensor::Result<()> {
                    let $this = self;
                    $lazily
                }
            )?
        }
        $crate::transforms::transform::forwards!($T);
    )*};
}
pub(super) use steady;

/// A transform that is applied with probability p and draws nothing else.
macro_rules! by_chance {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident, $p:literal, new { $($(#[$req_doc:meta])* $req:ident: $t:ty),* } check |$b:ident| $check:expr;
        |$this:ident, $part:ident| $body:expr $(=> |$image:ident| $lazily:expr)?;
    )*) => {$(
        $(#[$doc])*
        #[derive(flambeau_nn::Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            $($req: $t,)*
            p: f64,
        }

        flambeau_tensor::builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new { $($(#[$req_doc])* $req: $t,)* }
            options {
                #[doc = concat!("The probability of being applied. ", stringify!($p), " unless set.")]
                p: f64 = $p,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder($b: $Builder) -> flambeau_tensor::Result<Self> {
                $crate::transforms::kinds::check_probability(stringify!($Name), $b.p)?;
                $check?;
                Ok($Name { $($req: $b.$req,)* p: $b.p })
            }

            fn describe(&self) -> String {
                let parts: Vec<String> = vec![
                    format!("p={}", $crate::transforms::kinds::number(self.p)),
                    $(format!(concat!(stringify!($req), "={:?}"), self.$req),)*
                ];
                parts.join(", ")
            }
        }

        impl $crate::transforms::Transform for $Name {
            type Params = ();

            fn make_params(&self, _: &[&$crate::tv_tensors::TVTensor]) -> flambeau_tensor::Result<()> {
                Ok(())
            }

            #[track_caller]
            fn transform(
                &self,
                $part: $crate::tv_tensors::TVTensor,
                (): &(),
            ) -> flambeau_tensor::Result<$crate::tv_tensors::TVTensor> {
                let $this = self;
                let _ = $this;
                $body
            }

            fn probability(&self) -> Option<f64> {
                Some(self.p)
            }

            $(
                #[track_caller]
                fn lazily(&self, $image: &mut $crate::transforms::LazyImage) -> flambeau_tensor::Result<()> {
                    if $crate::transforms::draw::happens(self.p)? { $lazily } else { Ok(()) }
                }
            )?
        }
        $crate::transforms::transform::forwards!($Name);
    )*};
}
pub(super) use by_chance;

/// What becomes of the part if it has pixels of an image; others pass.
macro_rules! if_image {
    ($part:expr, |$x:ident| $body:expr) => {{
        let $x = $part;
        if $x.is_image() {
            let $x = &$x;
            $body
        } else {
            Ok($x)
        }
    }};
}
pub(super) use if_image;
