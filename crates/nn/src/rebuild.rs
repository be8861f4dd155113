//! A module made anew from another one, part by part, with other tensors: the one mechanism behind deep copies, moves
//! to a device or dtype, and calls with parameters that are given.

use crate::forward::at_the_caller;
use crate::identity::ModuleId;
use crate::parametrize::{self, ParametrizationList};
use crate::part::Item;
use crate::state::moves_with_dtype;
use crate::{Calls, DynModule, Forward, Layer, Module, Part};
use flambeau_autograd::Autograd;
use flambeau_tensor::{NamedTensors, Result, StateDict, Tensor, To, bail, ensure, no_grad, stack};
use std::any::Any;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

/// A rebuilding under way: what becomes of each tensor. [`Module::rebuild`] hands it from part to part.
///
/// A tensor that several parts share becomes one that they share, and so does a module that stands at several places
/// in an [`Arc`].
pub struct Rebuild<'f> {
    change: &'f mut dyn FnMut(Item<'_>) -> Result<Tensor>,
    /// The result is the same module, hooks and all; else it is another one.
    same: bool,
    /// It has the same tensors wherever it is not given others.
    keeps: bool,
    /// What each tensor became, by its id; the old one is kept so that the id stays its own.
    done: HashMap<usize, (Tensor, Tensor)>,
    /// What each shared module became, by its address.
    shared: HashMap<usize, Box<dyn Any>>,
    /// Parameters that are computed become what they are.
    resolves: bool,
    /// What each parametrized parameter is, by the address of its parametrizations.
    values: HashMap<usize, Tensor>,
    /// What each place for elements to come became, by its address; the old one is kept.
    lazies: HashMap<usize, [Arc<OnceLock<Tensor>>; 2]>,
}

impl<'f> Rebuild<'f> {
    fn new(same: bool, change: &'f mut dyn FnMut(Item<'_>) -> Result<Tensor>) -> Self {
        let (done, shared, values, lazies) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Rebuild { change, same, keeps: false, done, shared, resolves: false, values, lazies }
    }

    pub(crate) fn resolves(&self) -> bool {
        self.resolves
    }

    /// What these parametrizations give, computed once.
    pub(crate) fn value_of(&mut self, list: &Arc<ParametrizationList>) -> Result<Tensor> {
        let key = Arc::as_ptr(list) as usize;
        if let Some(value) = self.values.get(&key) {
            return Ok(value.clone());
        }
        let value = list.value()?;
        self.values.insert(key, value.clone());
        Ok(value)
    }

    /// The place for elements to come of the module that is made: the same one where it is to be the same module with
    /// the same tensors.
    pub(crate) fn lazy(&mut self, place: &Arc<OnceLock<Tensor>>) -> Arc<OnceLock<Tensor>> {
        if self.keeps {
            return place.clone();
        }
        let key = Arc::as_ptr(place) as usize;
        self.lazies.entry(key).or_insert_with(|| [place.clone(), Arc::default()])[1].clone()
    }

    pub(crate) fn tensor(&mut self, old: &Tensor, item: Item<'_>) -> Result<Tensor> {
        if let Some((_, fresh)) = self.done.get(&old.id()) {
            return Ok(fresh.clone());
        }
        let fresh = (self.change)(item)?;
        self.done.insert(old.id(), (old.clone(), fresh.clone()));
        Ok(fresh)
    }

    pub(crate) fn id(&self, id: &ModuleId) -> ModuleId {
        if self.same { id.same() } else { ModuleId::new() }
    }

    pub(crate) fn shared<M: Boxed + ?Sized>(&mut self, module: &Arc<M>) -> Result<Arc<M>> {
        let address = Arc::as_ptr(module).cast::<()>() as usize;
        if let Some(done) = self.shared.get(&address).and_then(|done| done.downcast_ref::<(Arc<M>, Arc<M>)>()) {
            return Ok(done.1.clone());
        }
        let fresh: Arc<M> = Arc::from((**module).rebuild_boxed(self)?);
        // The old one is kept so that its address stays its own.
        self.shared.insert(address, Box::new((module.clone(), fresh.clone())));
        Ok(fresh)
    }
}

/// A module that can be rebuilt in a box: every one whose size is known, and `dyn Layer`. A trait of one's own that
/// stands in a `Box` in a module is one by a trait behind it that all of its implementors have:
///
/// ```
/// use flambeau_nn::{Boxed, Linear, Module, Rebuild};
/// use flambeau_tensor::Result;
///
/// trait Head: Module + RebuildHead {}
///
/// trait RebuildHead {
///     fn rebuild_head(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Head>>;
/// }
/// impl<H: Head> RebuildHead for H {
///     fn rebuild_head(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Head>> { Ok(Box::new(self.rebuild(with)?)) }
/// }
/// impl Boxed for dyn Head {
///     fn rebuild_boxed(&self, with: &mut Rebuild<'_>) -> Result<Box<Self>> { self.rebuild_head(with) }
/// }
///
/// impl Head for Linear {}
///
/// #[derive(Module)]
/// struct Net { head: Box<dyn Head> }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` in a box cannot be copied with its module",
    note = "`impl Boxed for {Self}`, as the documentation of `Boxed` shows"
)]
pub trait Boxed: Module {
    /// [`Module::rebuild`] in a box.
    ///
    /// # Errors
    /// Where a tensor cannot be changed.
    fn rebuild_boxed(&self, with: &mut Rebuild<'_>) -> Result<Box<Self>>;
}

impl<M: Module> Boxed for M {
    fn rebuild_boxed(&self, with: &mut Rebuild<'_>) -> Result<Box<M>> {
        Ok(Box::new(self.rebuild(with)?))
    }
}

impl Boxed for dyn Layer {
    fn rebuild_boxed(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Layer>> {
        self.rebuild_layer(with)
    }
}

/// A module that stands at several places. It is listed, counted, moved and copied once.
impl<M: Boxed + ?Sized> Module for Arc<M> {
    fn type_name(&self) -> &'static str {
        (**self).type_name()
    }

    fn extra_repr(&self) -> String {
        (**self).extra_repr()
    }

    fn visit<'a>(&'a self, visitor: &mut crate::Visitor<'_, 'a>) {
        (**self).visit(visitor);
    }

    /// Only where it stands at one place.
    fn visit_mut(&mut self, visitor: &mut crate::VisitorMut<'_>) {
        if let Some(module) = Arc::get_mut(self) {
            module.visit_mut(visitor);
        }
    }

    fn as_module(&self) -> &DynModule {
        (**self).as_module()
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        with.shared(self)
    }
}

impl<I, M: Forward<I> + Boxed + ?Sized> Forward<I> for Arc<M> {
    type Output = M::Output;

    #[track_caller]
    fn forward(&self, x: I) -> Result<M::Output> {
        let at = Location::caller();
        (**self).forward(x).map_err(|e| at_the_caller(e, at))
    }
}

/// `tensor` as a parameter in the place of `old`: a leaf, trained where the old one was.
fn leaf(old: &Tensor, tensor: &Tensor) -> Result<Tensor> {
    let fresh = tensor.detach();
    if old.requires_grad() {
        fresh.set_requires_grad(true)?;
    }
    Ok(fresh)
}

#[track_caller]
pub(crate) fn deepcopy<M: Module>(module: &M) -> Result<M> {
    let at = Location::caller();
    no_grad(|| {
        module.rebuild(&mut Rebuild::new(false, &mut |item| match item {
            Item::Parameter(parameter) => leaf(parameter, &parameter.detach().copy()?),
            Item::Buffer(buffer) => buffer.detach().copy(),
            _ => bail!(Argument, "deepcopy", "a part that is no tensor"),
        }))
    })
    .map_err(|e| at_the_caller(e, at))
}

#[track_caller]
pub(crate) fn to<M: Module>(module: &M, to: To, empty: bool) -> Result<M> {
    let moved = |tensor: &Tensor| -> Result<Tensor> {
        let dtype = to.dtype.filter(|_| moves_with_dtype(tensor.dtype())).unwrap_or(tensor.dtype());
        let device = to.device.unwrap_or(tensor.device());
        let tensor = tensor.detach();
        if empty && device != tensor.device() {
            return Tensor::zeros(tensor.shape()).dtype(dtype).device(device).build();
        }
        let moved = tensor.to(To::new().device(device).dtype(dtype).non_blocking(to.non_blocking))?;
        match to.memory_format {
            Some(format) if matches!(moved.rank(), 4 | 5) => moved.contiguous_in(format),
            _ => Ok(moved),
        }
    };
    let at = Location::caller();
    no_grad(|| {
        module.rebuild(&mut Rebuild::new(true, &mut |item| match item {
            Item::Parameter(parameter) => {
                let fresh = moved(parameter)?;
                // What stays is the same parameter.
                if fresh.storage().is(parameter.storage()) {
                    Ok(parameter.tensor().clone())
                } else {
                    leaf(parameter, &fresh)
                }
            }
            Item::Buffer(buffer) => moved(buffer),
            _ => bail!(Argument, "to", "a part that is no tensor"),
        }))
    })
    .map_err(|e| at_the_caller(e, at))
}

/// The module with the tensors of `state` in the places of the parameters and buffers of the same names, and its own
/// everywhere else. The tensors are taken as they are, with their history, so gradients reach them.
#[track_caller]
fn substituted<M: Boxed + ?Sized>(module: &M, state: &dyn NamedTensors) -> Result<Box<M>> {
    const NAME: &str = "functional_call";
    let mut places: HashMap<String, Tensor> = HashMap::new();
    module.walk("", &mut |name, item| {
        let tensor = match item {
            Item::Parameter(parameter) => parameter.tensor(),
            Item::Buffer(buffer) => buffer.tensor(),
            _ => return,
        };
        places.insert(name.to_string(), tensor.clone());
    });
    let mut given: HashMap<usize, (String, Tensor)> = HashMap::new();
    let mut faults: Vec<String> = Vec::new();
    state.each_named(&mut |name, tensor| match places.get(name) {
        None => faults.push(format!("there is no parameter or buffer {name:?}")),
        Some(place) if place.shape() != tensor.shape() => {
            faults.push(format!("{name:?} is {:?} in the module and {:?} here", place.shape(), tensor.shape()));
        }
        Some(place) => match given.insert(place.id(), (name.to_string(), tensor.clone())) {
            Some((other, before)) if !before.is(tensor) => {
                faults.push(format!("{other:?} and {name:?} are one tensor in the module and two here"));
            }
            _ => {}
        },
    });
    ensure!(faults.is_empty(), State, NAME, "{}", faults.join("; "));
    let taken = |old: &Tensor| given.get(&old.id()).map_or_else(|| old.clone(), |(_, tensor)| tensor.clone());
    let mut change = |item: Item<'_>| match item {
        Item::Parameter(parameter) => Ok(taken(parameter)),
        Item::Buffer(buffer) => Ok(taken(buffer)),
        _ => bail!(Argument, NAME, "a part that is no tensor"),
    };
    module.rebuild_boxed(&mut Rebuild { keeps: true, ..Rebuild::new(true, &mut change) })
}

/// The module with what its parametrized parameters are in their places, where it has any.
#[track_caller]
pub(crate) fn resolved<M: Boxed + ?Sized>(module: &M) -> Result<Option<Box<M>>> {
    if !parametrize::anywhere_in(module.as_module()) {
        return Ok(None);
    }
    let mut change = |item: Item<'_>| match item {
        Item::Parameter(parameter) => Ok(parameter.tensor().clone()),
        Item::Buffer(buffer) => Ok(buffer.tensor().clone()),
        _ => bail!(Argument, "call", "a part that is no tensor"),
    };
    let mut with = Rebuild { keeps: true, resolves: true, ..Rebuild::new(true, &mut change) };
    module.rebuild_boxed(&mut with).map(Some)
}

/// Calls `module` with the tensors of `state` in the places of the parameters and buffers of the same names:
/// `torch.func.functional_call`. Gradients reach the tensors given; names that are not given keep the module's own. Of
/// tied names one is enough.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_nn::{Linear, functional_call};
/// use flambeau_tensor::Tensor;
///
/// let fc = Linear::new(2, 1).bias(false).build()?;
/// let weight = Tensor::ones([1, 2]).build()?.requires_grad_()?;
/// let y = functional_call(&fc, &[("weight", weight.mul(3.0)?)], &Tensor::ones([1, 2]).build()?)?;
/// assert_eq!(y.item::<f32>()?, 6.0);
/// y.sum(..)?.backward()?;
/// assert_eq!(weight.grad().unwrap().to_vec::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where a name is none of the module's, sizes differ, two tensors are given for one, or the call fails.
#[track_caller]
pub fn functional_call<I, M>(module: &M, state: &dyn NamedTensors, input: I) -> Result<<M as Forward<I>>::Output>
where
    M: Boxed + Forward<I> + ?Sized,
    I: Calls<M>,
{
    let module = substituted(module, state)?;
    input.call_on(&*module)
}

/// The parameters and the buffers of several models of one architecture, each stacked along a new first dimension:
/// `torch.func.stack_module_state`. What is trained in the first model is a leaf that requires grad.
///
/// # Errors
/// Where there is no model, or their names or sizes differ.
#[track_caller]
pub fn stack_module_state<M: Module>(models: &[&M]) -> Result<(StateDict, StateDict)> {
    const NAME: &str = "stack_module_state";
    ensure!(!models.is_empty(), Argument, NAME, "there is no model");
    let stacked = |lists: Vec<Vec<(String, Tensor)>>| -> Result<StateDict> {
        let mut state = StateDict::new();
        for (i, (name, first)) in lists[0].iter().enumerate() {
            let mut all = Vec::with_capacity(lists.len());
            for (number, list) in lists.iter().enumerate() {
                match list.get(i) {
                    Some((other, tensor)) if other == name && tensor.shape() == first.shape() => {
                        all.push(tensor.detach())
                    }
                    _ => bail!(
                        State,
                        NAME,
                        "model {number} has no {name:?} of shape {:?}, as model 0 has",
                        first.shape()
                    ),
                }
            }
            state.insert(name, leaf(first, &no_grad(|| stack(&all, 0))?)?);
        }
        let most = lists.iter().map(Vec::len).max().unwrap_or(0);
        ensure!(most == lists[0].len(), State, NAME, "a model has {most} tensors, model 0 has {}", lists[0].len());
        Ok(state)
    };
    let parameters = stacked(models.iter().map(|model| model.named_parameters()).collect())?;
    Ok((parameters, stacked(models.iter().map(|model| model.named_buffers()).collect())?))
}

/// What the derive calls for a field that is no part.
#[doc(hidden)]
pub fn kept<T: Clone>(value: &T) -> T {
    value.clone()
}

/// What the derive calls for a part.
#[doc(hidden)]
pub fn rebuilt<P: Part>(part: &P, with: &mut Rebuild<'_>) -> Result<P> {
    part.rebuild_part(with)
}
