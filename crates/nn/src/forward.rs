//! How a module is called. Its author writes [`Forward`]; everybody calls it by [`call`](Call::call), which runs
//! what hangs on the module around its `forward`.

use crate::{Boxed, Module, ModuleId, Rebuild, hooks, parametrize, rebuild};
use flambeau_tensor::{Build, Error, Result, Tensor, Tensors};
use std::panic::Location;
use std::path::{Component, Path};

/// What a module makes of an input `I`: a tensor, or a tuple of several things. A module may have several.
///
/// It is called by [`call`](Call::call), not by `forward`, so that hooks and parametrizations take part.
///
/// ```
/// use flambeau_nn::{Call, Forward, Linear, Module};
/// use flambeau_tensor::{Result, Tensor, cat};
///
/// #[derive(Module)]
/// struct Joined { fc: Linear }
///
/// impl Forward<(&Tensor, &Tensor)> for Joined {
///     type Output = Tensor;
///     fn forward(&self, (left, right): (&Tensor, &Tensor)) -> Result<Tensor> {
///         self.fc.call(&cat(&[left, right], -1)?)
///     }
/// }
///
/// let net = Joined { fc: Linear::new(5, 2).build()? };
/// let (left, right) = (Tensor::zeros([4, 2]).build()?, Tensor::zeros([4, 3]).build()?);
/// assert_eq!(net.call((&left, &right))?.shape(), [4, 2]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `forward` for an input `{I}`",
    note = "`impl Forward<{I}> for {Self}`; what takes one tensor and gives one is a `Forward<&Tensor, Output = Tensor>`"
)]
pub trait Forward<I>: Module {
    /// What it gives.
    type Output: Tensors;

    /// The output for the input `x`.
    ///
    /// # Errors
    /// Where `x` does not fit.
    fn forward(&self, x: I) -> Result<Self::Output>;
}

/// Calls modules; every module has it.
pub trait Call: Module {
    /// The output for the input `x`: [`forward`](Forward::forward), with what hangs on the module.
    ///
    /// ```
    /// use flambeau_nn::{Call, LSTM};
    /// use flambeau_tensor::Tensor;
    ///
    /// let lstm = LSTM::new(10, 20).build()?;
    /// let x = Tensor::randn([5, 3, 10]).build()?;
    /// let (_, (h, c)) = lstm.call(&x)?;
    /// let (y, _) = lstm.call((&x, (&h, &c)))?;
    /// assert_eq!(y.shape(), [5, 3, 20]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where `x` does not fit.
    #[track_caller]
    #[inline]
    fn call<I: Calls<Self>>(&self, x: I) -> Result<<Self as Forward<I>>::Output>
    where
        Self: Forward<I>,
    {
        x.call_on(self)
    }
}

impl<M: Module + ?Sized> Call for M {}

/// An input that `M` can be called with. Every [`Inputs`] is one for every module that has a `forward` for it.
#[diagnostic::on_unimplemented(
    message = "`{M}` cannot be called with `{Self}`",
    note = "a module with `impl Forward<&Tensor>` is called with `&Tensor`: `model.call(&x)`, or `model.call(x)` where `x` is a reference"
)]
pub trait Calls<M: Forward<Self> + ?Sized>: Sized {
    /// What [`Call::call`] does.
    #[doc(hidden)]
    #[track_caller]
    fn call_on(self, module: &M) -> Result<M::Output>;

    /// The same with the input's tensors as `change` leaves them.
    #[doc(hidden)]
    #[track_caller]
    fn call_changed(self, module: &M, change: &mut dyn FnMut(&mut Tensor)) -> Result<M::Output>;
}

impl<I: Inputs, M: Boxed + ?Sized> Calls<M> for I
where
    M: Forward<I> + for<'a> Forward<I::At<'a>, Output = <M as Forward<I>>::Output>,
{
    #[track_caller]
    #[inline]
    fn call_on(self, module: &M) -> Result<<M as Forward<I>>::Output> {
        if hooks::none() { <M as Forward<I>>::forward(module, self) } else { call_with_hooks(module, self) }
    }

    #[track_caller]
    fn call_changed(self, module: &M, change: &mut dyn FnMut(&mut Tensor)) -> Result<<M as Forward<I>>::Output> {
        let mut inputs = self.to_owned_inputs();
        inputs.visit_tensors_mut(change);
        call_owned::<I, M>(module, inputs)
    }
}

#[cold]
#[track_caller]
fn call_with_hooks<I: Inputs, M: Boxed + ?Sized>(module: &M, x: I) -> Result<<M as Forward<I>>::Output>
where
    M: Forward<I> + for<'a> Forward<I::At<'a>, Output = <M as Forward<I>>::Output>,
{
    let resolved = if parametrize::any() { rebuild::resolved(module)? } else { None };
    let module = resolved.as_deref().unwrap_or(module);
    match hooks::Around::of(module.as_module()) {
        None => <M as Forward<I>>::forward(module, x),
        Some(around) => call_around::<I, M>(module, around, x.to_owned_inputs()),
    }
}

/// Calls `module` with inputs that are its own, hooks and all.
#[track_caller]
fn call_owned<I: Inputs, M: Boxed + ?Sized>(module: &M, inputs: I::Owned) -> Result<<M as Forward<I>>::Output>
where
    M: Forward<I> + for<'a> Forward<I::At<'a>, Output = <M as Forward<I>>::Output>,
{
    let resolved = if parametrize::any() { rebuild::resolved(module)? } else { None };
    let module = resolved.as_deref().unwrap_or(module);
    match hooks::Around::of(module.as_module()) {
        None => <M as Forward<I::At<'_>>>::forward(module, I::of_owned(&inputs)),
        Some(around) => call_around::<I, M>(module, around, inputs),
    }
}

#[track_caller]
fn call_around<I: Inputs, M: ?Sized>(
    module: &M,
    mut around: hooks::Around<'_>,
    mut inputs: I::Owned,
) -> Result<<M as Forward<I>>::Output>
where
    M: Forward<I> + for<'a> Forward<I::At<'a>, Output = <M as Forward<I>>::Output>,
{
    around.before(&mut inputs)?;
    let mut output = <M as Forward<I::At<'_>>>::forward(module, I::of_owned(&inputs))?;
    around.after(&inputs, &mut output)?;
    Ok(output)
}

/// The inputs of a module: references to what has tensors, plain data, and tuples and options of those. A hook takes
/// them as owned values, may replace the tensors in them, and hands them on.
pub trait Inputs {
    /// The same with tensors instead of references to them.
    type Owned: Tensors;

    /// The same kind of inputs, for another life.
    type At<'a>;

    /// A copy that owns its tensors (they share their storage).
    fn to_owned_inputs(&self) -> Self::Owned;

    /// The inputs that `owned` holds.
    fn of_owned(owned: &Self::Owned) -> Self::At<'_>;
}

impl<T: Tensors + Clone + 'static> Inputs for &T {
    type Owned = T;
    type At<'a> = &'a T;

    fn to_owned_inputs(&self) -> T {
        (*self).clone()
    }

    fn of_owned(owned: &T) -> &T {
        owned
    }
}

impl<I: Inputs> Inputs for Option<I> {
    type Owned = Option<I::Owned>;
    type At<'a> = Option<I::At<'a>>;

    fn to_owned_inputs(&self) -> Self::Owned {
        self.as_ref().map(I::to_owned_inputs)
    }

    fn of_owned(owned: &Self::Owned) -> Self::At<'_> {
        owned.as_ref().map(I::of_owned)
    }
}

macro_rules! tuples {
    ($(($($I:ident $i:tt),+))*) => {$(
        impl<$($I: Inputs),+> Inputs for ($($I,)+) {
            type Owned = ($($I::Owned,)+);
            type At<'a> = ($($I::At<'a>,)+);

            fn to_owned_inputs(&self) -> Self::Owned {
                ($(self.$i.to_owned_inputs(),)+)
            }

            fn of_owned(owned: &Self::Owned) -> Self::At<'_> {
                ($($I::of_owned(&owned.$i),)+)
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

macro_rules! owned {
    ($($t:ty),*) => {$(
        impl Inputs for $t {
            type Owned = $t;
            type At<'a> = $t;

            fn to_owned_inputs(&self) -> $t {
                self.clone()
            }

            fn of_owned(owned: &$t) -> $t {
                owned.clone()
            }
        }
    )*};
}
#[allow(clippy::clone_on_copy)]
mod owned {
    use super::{Inputs, Tensor};
    owned!(Tensor, (), bool, usize, isize, u32, u64, i32, i64, f32, f64, String);
}

/// A module that makes one tensor of another: what a [`Sequential`](crate::Sequential) is made of. Every module
/// with `impl Forward<&Tensor>` and `type Output = Tensor` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no layer: it has no `forward` from one tensor to one tensor",
    note = "`impl Forward<&Tensor> for {Self}` with `type Output = Tensor`"
)]
pub trait Layer: Module + for<'a> Forward<&'a Tensor, Output = Tensor> {
    /// [`Module::rebuild`] in a box.
    #[doc(hidden)]
    fn rebuild_layer(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Layer>>;
}

impl<M: for<'a> Forward<&'a Tensor, Output = Tensor>> Layer for M {
    fn rebuild_layer(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(self.rebuild(with)?))
    }
}

/// A layer whose kind is not known stands in a chain as it is.
impl Build for Box<dyn Layer> {
    type Output = Self;
    fn build(self) -> Result<Self> {
        Ok(self)
    }
}

impl<I, M: Forward<I> + Boxed + ?Sized> Forward<I> for Box<M> {
    type Output = M::Output;

    #[track_caller]
    fn forward(&self, x: I) -> Result<M::Output> {
        let at = Location::caller();
        (**self).forward(x).map_err(|e| at_the_caller(e, at))
    }
}

/// `error` with the line `at` in the place of one of this library's: what is called through `dyn` or by a closure does not
/// know who asked for it. A line of somebody's own layer stays.
#[cold]
pub(crate) fn at_the_caller(error: Error, at: &'static Location<'static>) -> Error {
    // The folder of all crates, and the crate's own: `crates/nn/src/forward.rs`.
    let root = Path::new(file!()).ancestors().nth(3);
    let inside = |at: &Location<'_>| {
        let path = root.and_then(|root| Path::new(at.file()).strip_prefix(root).ok());
        path.is_some_and(|path| path.components().nth(1) == Some(Component::Normal("src".as_ref())))
    };
    if error.location().is_some_and(inside) { error.located(at) } else { error }
}

/// A function as a module, from one tensor to one.
///
/// ```
/// use flambeau_nn::{Call, FnLayer, Linear, Sequential};
/// use flambeau_tensor::Tensor;
///
/// let model = Sequential::of((Linear::new(2, 3), FnLayer::new(|x| x.sin())))?;
/// assert_eq!(model.call(&Tensor::zeros([1, 2]).build()?)?.shape(), [1, 3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module, Clone)]
pub struct FnLayer {
    id: ModuleId,
    #[module(skip)]
    f: std::sync::Arc<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>,
}

impl FnLayer {
    /// The function `f` as a module.
    pub fn new(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Self {
        FnLayer { id: ModuleId::new(), f: std::sync::Arc::new(f) }
    }
}

impl Forward<&Tensor> for FnLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        (self.f)(x)
    }
}
