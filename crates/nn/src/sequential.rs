//! [`Sequential`], the chain of layers.

use crate::forward::at_the_caller;
use crate::part::{Item, Visitor, VisitorMut};
use crate::{Call, DynModule, Forward, Layer, Module, ModuleId, Part, Rebuild};
use flambeau_tensor::{Build, Result, Tensor, ensure};
use std::fmt;
use std::panic::Location;

/// Layers one after another, as `torch.nn.Sequential`; called `0`, `1`, … in the state dict.
///
/// ```
/// use flambeau_nn::{Call, Linear, Module, Sequential, Tanh};
/// use flambeau_tensor::Tensor;
///
/// let model = Sequential::of((Linear::new(1, 64), Tanh::new(), Linear::new(64, 1)))?;
/// let y = model.call(&Tensor::zeros([5, 1]).build()?)?;
/// assert_eq!(y.shape(), [5, 1]);
/// assert_eq!(
///     format!("{model:?}"),
///     "Sequential(
///   (0): Linear(in_features=1, out_features=64, bias=True)
///   (1): Tanh()
///   (2): Linear(in_features=64, out_features=1, bias=True)
/// )"
/// );
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    id: ModuleId,
    layers: Vec<(String, Box<dyn Layer>)>,
}

impl Sequential {
    /// Without layers: gives what it is given.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// The layers of a tuple (or a `Vec`), each a module or a builder of one.
    ///
    /// # Errors
    /// Where a builder's options do not go together.
    #[track_caller]
    pub fn of(layers: impl Layers) -> Result<Sequential> {
        let mut sequential = Sequential::new();
        layers.append_to(&mut sequential)?;
        Ok(sequential)
    }

    /// Puts a layer, or what a builder makes, at the end.
    ///
    /// # Errors
    /// Where the builder's options do not go together.
    #[track_caller]
    pub fn push(&mut self, layer: impl Build<Output: Layer>) -> Result<&mut Self> {
        let name = self.layers.len().to_string();
        self.push_named(name, layer)
    }

    /// [`push`](Sequential::push) under a name of its own, as PyTorch's `OrderedDict` form gives them.
    ///
    /// # Errors
    /// Where the name is taken, empty or has a dot, or the builder's options do not go together.
    #[track_caller]
    pub fn push_named(&mut self, name: impl Into<String>, layer: impl Build<Output: Layer>) -> Result<&mut Self> {
        let name = name.into();
        check_name("Sequential", &name, self.layers.iter().any(|(n, _)| *n == name))?;
        self.layers.push((name, Box::new(layer.build()?)));
        Ok(self)
    }

    /// The chain with one more layer.
    ///
    /// # Errors
    /// As [`push`](Sequential::push).
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // it fails where `+` may not
    pub fn add(mut self, layer: impl Build<Output: Layer>) -> Result<Self> {
        self.push(layer)?;
        Ok(self)
    }

    /// The chain with one more layer under a name of its own.
    ///
    /// # Errors
    /// As [`push_named`](Sequential::push_named).
    #[track_caller]
    pub fn named(mut self, name: impl Into<String>, layer: impl Build<Output: Layer>) -> Result<Self> {
        self.push_named(name, layer)?;
        Ok(self)
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// True without layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Layer `index`.
    pub fn get(&self, index: usize) -> Option<&dyn Layer> {
        self.layers.get(index).map(|(_, layer)| layer.as_ref())
    }

    /// The layers in order, to put others in their places.
    pub(crate) fn layers_mut(&mut self) -> impl Iterator<Item = &mut Box<dyn Layer>> {
        self.layers.iter_mut().map(|(_, layer)| layer)
    }

    /// The layers in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &dyn Layer> + ExactSizeIterator {
        self.layers.iter().map(|(_, layer)| layer.as_ref())
    }
}

/// Refuses a name that no part of a container can have.
#[track_caller]
pub(crate) fn check_name(container: &'static str, name: &str, taken: bool) -> Result<()> {
    ensure!(!name.is_empty(), Argument, container, "the name of a part is empty");
    ensure!(
        !name.contains('.'),
        Argument,
        container,
        "the name {name:?} has a dot, which separates the levels of a state dict"
    );
    ensure!(!taken, Argument, container, "another part is called {name:?}");
    Ok(())
}

impl Forward<&Tensor> for Sequential {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (at, mut x) = (Location::caller(), x.clone());
        for (_, layer) in &self.layers {
            x = layer.call(&x).map_err(|e| at_the_caller(e, at))?;
        }
        Ok(x)
    }
}

impl Module for Sequential {
    fn type_name(&self) -> &'static str {
        "Sequential"
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor("id", Item::Id(&self.id));
        for (name, layer) in &self.layers {
            layer.visit_as(name, visitor);
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        for (name, layer) in &mut self.layers {
            layer.visit_as_mut(name, visitor);
        }
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        let rebuilt = |(name, layer): &(String, Box<dyn Layer>)| Ok((name.clone(), layer.rebuild(with)?));
        Ok(Sequential { layers: self.layers.iter().map(rebuilt).collect::<Result<_>>()?, id: with.id(&self.id) })
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::print_module(self, f)
    }
}

impl Build for Sequential {
    type Output = Self;
    fn build(self) -> Result<Self> {
        Ok(self)
    }
}

/// What [`Sequential::of`] takes: a tuple of up to 24 layers or builders, or a `Vec` of them. A longer
/// chain is made with [`add`](Sequential::add), or of chains in a chain.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of layers",
    note = "`Sequential::of((Linear::new(1, 8), Tanh::new()))` takes a tuple of at most 24 modules or builders whose product has a `forward`; a tuple of one is `(layer,)`"
)]
pub trait Layers {
    /// Builds the layers, in order, at the end of `sequential`.
    ///
    /// # Errors
    /// Where a builder's options do not go together.
    #[track_caller]
    fn append_to(self, sequential: &mut Sequential) -> Result<()>;
}

impl<B: Build<Output: Layer>> Layers for Vec<B> {
    #[track_caller]
    fn append_to(self, sequential: &mut Sequential) -> Result<()> {
        for layer in self {
            sequential.push(layer)?;
        }
        Ok(())
    }
}

macro_rules! layers {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Build<Output: Layer>, $($rest: Build<Output: Layer>),*> Layers for ($first, $($rest,)*) {
            #[track_caller]
            #[allow(non_snake_case)]
            fn append_to(self, sequential: &mut Sequential) -> Result<()> {
                let ($first, $($rest,)*) = self;
                sequential.push($first)?;
                $(sequential.push($rest)?;)*
                Ok(())
            }
        }
        layers!($($rest)*);
    };
    () => {};
}
layers!(A B C D E F G H I J K L M N O P Q R S T U V W X);
