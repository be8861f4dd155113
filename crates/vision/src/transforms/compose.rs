//! Transforms made of transforms and functions.

use super::Forward;
use flambeau_nn::{DynModule, Layers, Module, Sequential, Visitor, VisitorMut};
use flambeau_tensor::{Build, Result, Tensor};
use std::fmt;

/// Transforms one after another, as `torchvision.transforms.Compose`.
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
pub struct Compose(Sequential);

/// A [`Compose`] about to be made; what is wrong with its parts shows when it is.
#[must_use = "a builder makes nothing until `build()`"]
pub struct ComposeBuilder(Result<Sequential>);

impl Compose {
    /// The transforms of a tuple (or a `Vec`), each a transform or the builder of one.
    #[track_caller]
    pub fn of(transforms: impl Layers) -> ComposeBuilder {
        ComposeBuilder(Sequential::of(transforms))
    }
}

impl ComposeBuilder {
    /// Makes it.
    ///
    /// # Errors
    /// Where the options of a transform do not go together.
    pub fn build(self) -> Result<Compose> {
        self.0.map(Compose)
    }
}

impl Build for ComposeBuilder {
    type Output = Compose;
    fn build(self) -> Result<Compose> {
        ComposeBuilder::build(self)
    }
}

impl Build for Compose {
    type Output = Self;
    fn build(self) -> Result<Self> {
        Ok(self)
    }
}

impl Forward for Compose {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}

impl Module for Compose {
    fn type_name(&self) -> &'static str {
        "Compose"
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        self.0.visit(visitor);
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        self.0.visit_mut(visitor);
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }
}

impl fmt::Debug for Compose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        flambeau_nn::print_module(self, f)
    }
}

/// A function as a transform, as `torchvision.transforms.Lambda`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Compose, Forward, Lambda, ToTensor};
///
/// let transform = Compose::of((ToTensor::new(), Lambda::new(|x| x.flatten(0, -1)))).build()?;
/// let image = Tensor::from_vec(vec![255u8; 4], [1, 2, 2])?;
/// assert_eq!(transform.forward(&image)?.to_vec::<f32>()?, [1.0; 4]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct Lambda {
    #[module(skip)]
    f: Box<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>,
}

impl Lambda {
    /// The function `f` as a transform.
    pub fn new(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Self {
        Lambda { f: Box::new(f) }
    }
}

impl Forward for Lambda {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        (self.f)(x)
    }
}
