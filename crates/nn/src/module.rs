//! The [`Module`] trait: what `#[derive(Module)]` writes (the parts), and what everybody gets for it.

use crate::parametrize::ParametrizationList;
use crate::part::{Item, Visitor, VisitorMut};
use crate::rebuild::{self, Rebuild};
use crate::state::{self, LoadReport};
use flambeau_autograd::Autograd;
use flambeau_tensor::{Device, NamedTensors, Result, StateDict, Tensor, To, bail};
use std::any::Any;
use std::collections::HashSet;

/// State of a module that is neither parameter nor buffer: `get_extra_state` and `set_extra_state` of
/// `torch.nn.Module`. It stands in the state dict as `_extra_state`, after the module's own tensors. It is a tensor of any
/// dtype, bytes for what is no numbers. `#[module(extra_state)]` on the struct says that it has some.
///
/// ```
/// use flambeau_nn::{ExtraState, Linear, Module};
/// use flambeau_tensor::{Result, Tensor};
/// use std::sync::atomic::{AtomicI64, Ordering};
///
/// #[derive(Module)]
/// #[module(extra_state)]
/// struct Counted {
///     fc: Linear,
///     #[module(skip)]
///     calls: std::sync::Arc<AtomicI64>,
/// }
///
/// impl ExtraState for Counted {
///     fn get_extra_state(&self) -> Tensor {
///         Tensor::from_vec(vec![self.calls.load(Ordering::Relaxed)], ()).expect("one number")
///     }
///     fn set_extra_state(&self, state: &Tensor) -> Result<()> {
///         self.calls.store(state.item::<i64>()?, Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// let net = Counted { fc: Linear::new(2, 2).build()?, calls: std::sync::Arc::new(7.into()) };
/// let state = net.state_dict();
/// assert_eq!(state.names().collect::<Vec<_>>(), ["_extra_state", "fc.weight", "fc.bias"]);
/// net.calls.store(0, Ordering::Relaxed);
/// net.load_state_dict(&state)?;
/// assert_eq!(net.calls.load(Ordering::Relaxed), 7);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait ExtraState {
    /// The state as a tensor.
    fn get_extra_state(&self) -> Tensor;

    /// Takes such a state.
    ///
    /// # Errors
    /// Where it is not one; `load_state_dict` then changes no tensor.
    fn set_extra_state(&self, state: &Tensor) -> Result<()>;
}

/// Any module: what visitors see.
pub type DynModule = dyn Module + 'static;

/// A part of a model: its parameters, buffers and the modules inside it, as `torch.nn.Module`.
///
/// Derived by [`#[derive(Module)]`](macro@crate::Module). Names are PyTorch's: `layer1.0.bn1.running_mean`
/// is the buffer `running_mean` of the field `bn1` of element 0 of the field `layer1`. In every list a
/// module's own parameters stand before its buffers and these before the modules inside, as PyTorch lists
/// them.
///
/// ```
/// use flambeau_nn::{Linear, Module};
///
/// #[derive(Module)]
/// struct Net { hidden: Linear, heads: Vec<Linear> }
///
/// let net = Net {
///     hidden: Linear::new(4, 8).build()?,
///     heads: vec![Linear::new(8, 2).build()?, Linear::new(8, 1).bias(false).build()?],
/// };
/// let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["hidden.weight", "hidden.bias", "heads.0.weight", "heads.0.bias", "heads.1.weight"]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no module",
    note = "`#[derive(Module)]` makes a struct of parts a module"
)]
pub trait Module: Any + Send + Sync {
    /// What it is called when it is printed: `Linear`.
    fn type_name(&self) -> &'static str;

    /// Calls `visitor` with each part and its name, without going into the modules among them.
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>);

    /// Calls `visitor` with each part to change and its name, without going into the modules among them.
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>);

    /// The same kind of module with what `with` makes of its tensors: each part by itself.
    ///
    /// # Errors
    /// Where a tensor cannot be changed.
    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self>
    where
        Self: Sized;

    /// As any module. (A box gives the module in it.)
    fn as_module(&self) -> &DynModule;

    /// As any module, to change.
    fn as_module_mut(&mut self) -> &mut DynModule;

    /// Its state beside tensors, where it has some: see [`ExtraState`].
    fn extra_state(&self) -> Option<&dyn ExtraState> {
        None
    }

    /// What stands between the brackets when it is printed: `in_features=1, out_features=64, bias=True`.
    fn extra_repr(&self) -> String {
        String::new()
    }

    /// True for a list of plain data.
    #[doc(hidden)]
    fn is_plain_list() -> bool
    where
        Self: Sized,
    {
        false
    }

    /// Calls `visitor` with all parts, those of the modules inside too, under their full names after `prefix`.
    fn walk<'a>(&'a self, prefix: &str, visitor: &mut Visitor<'_, 'a>) {
        walk(self.as_module(), prefix, visitor);
    }

    /// All parameters, each once, in PyTorch's order: what an optimizer takes.
    fn parameters(&self) -> Vec<Tensor> {
        unnamed(self.named_parameters())
    }

    /// All parameters, each once, with their full names.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        named_tensors(self.as_module(), |item| match item {
            Item::Parameter(parameter) => Some((parameter.id(), parameter.tensor())),
            _ => None,
        })
    }

    /// All buffers, each once.
    fn buffers(&self) -> Vec<Tensor> {
        unnamed(self.named_buffers())
    }

    /// All buffers, each once, with their full names, those that are not in the state dict too.
    fn named_buffers(&self) -> Vec<(String, Tensor)> {
        named_tensors(self.as_module(), |item| match item {
            Item::Buffer(buffer) => Some((buffer.id(), buffer.tensor())),
            _ => None,
        })
    }

    /// The modules that are parts of this one.
    fn children(&self) -> Vec<&DynModule> {
        unnamed(named_children(self.as_module()))
    }

    /// The modules that are parts of this one, with their names.
    fn named_children(&self) -> Vec<(String, &DynModule)> {
        named_children(self.as_module())
    }

    /// This module (its name empty) and all modules inside, with their full names.
    fn named_modules(&self) -> Vec<(String, &DynModule)> {
        named_modules(self.as_module())
    }

    /// This module and all modules inside.
    fn modules(&self) -> Vec<&DynModule> {
        unnamed(named_modules(self.as_module()))
    }

    /// The module at a path, `layers.0.attention`; this one at the empty path: `Module.get_submodule`.
    ///
    /// # Errors
    /// Where there is no module of that name; the error lists those there are.
    #[track_caller]
    fn get_submodule(&self, path: &str) -> Result<&DynModule> {
        submodule(self.as_module(), path)
    }

    /// The parameter at a path, `layers.0.weight`, by any of its names: `Module.get_parameter`.
    ///
    /// # Errors
    /// Where there is no parameter of that name.
    #[track_caller]
    fn get_parameter(&self, path: &str) -> Result<Tensor> {
        named_tensor(self.as_module(), path, "get_parameter", |item| match item {
            Item::Parameter(parameter) => Some(parameter.tensor()),
            _ => None,
        })
    }

    /// The buffer at a path, `bn1.running_mean`, by any of its names: `Module.get_buffer`.
    ///
    /// # Errors
    /// Where there is no buffer of that name.
    #[track_caller]
    fn get_buffer(&self, path: &str) -> Result<Tensor> {
        named_tensor(self.as_module(), path, "get_buffer", |item| match item {
            Item::Buffer(buffer) => Some(buffer.tensor()),
            _ => None,
        })
    }

    /// The number of elements of all parameters.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(Tensor::numel).sum()
    }

    /// Parameters and persistent buffers by name, detached; they share their storage with the module, so
    /// what trains on changes them (`copy()` one to keep it).
    fn state_dict(&self) -> StateDict {
        state::state_dict(self.as_module())
    }

    /// Copies the tensors of `state` into the parameters and buffers of the same names.
    ///
    /// # Errors
    /// Where a name is missing, one is too many, or sizes differ: one error tells them all, and nothing
    /// is changed.
    #[track_caller]
    fn load_state_dict(&self, state: &dyn NamedTensors) -> Result<()> {
        state::load(self.as_module(), state, true).map(drop)
    }

    /// [`load_state_dict`](Module::load_state_dict) that, where not `strict`, lets names that only one
    /// side has pass and reports them.
    ///
    /// # Errors
    /// Where sizes differ; where `strict`, also where a name is missing or one is too many.
    #[track_caller]
    fn load_state_dict_with(&self, state: &dyn NamedTensors, strict: bool) -> Result<LoadReport> {
        state::load(self.as_module(), state, strict)
    }

    /// Sets the module and all inside to training.
    fn train(&self) {
        self.train_mode(true);
    }

    /// Sets the module and all inside to training or evaluation.
    fn train_mode(&self, training: bool) {
        train_mode(self.as_module(), training);
    }

    /// Sets the module and all inside to evaluation.
    fn eval(&self) {
        self.train_mode(false);
    }

    /// True while the first of its modules that knows a difference trains; true where none does.
    fn is_training(&self) -> bool {
        is_training(self.as_module())
    }

    /// The module on another device, in another dtype, in another order of memory, or several of these:
    /// `to(Device::Meta)`, `to(DType::F64)`, `to((device, dtype))`, `to(MemoryFormat::ChannelsLast)`. Only floating and
    /// complex tensors change their dtype, only those of four or five dimensions their order; tensors and modules that
    /// were one stay one; hooks go along. The module itself stays as it was, also where the move fails.
    ///
    /// A parameter that has to move is a new leaf: an optimizer made before goes on with the old ones, so make it
    /// afterwards. One that is already there is the same, and an optimizer keeps it.
    ///
    /// # Errors
    /// Where the device cannot take them, and where the order of memory is for four dimensions and a tensor has five, or
    /// the other way round.
    #[track_caller]
    fn to(&self, to: impl Into<To>) -> Result<Self>
    where
        Self: Sized,
    {
        rebuild::to(self, to.into(), false)
    }

    /// The module on `device` with memory of any content: for one that was built on the meta device and is
    /// about to load its state.
    ///
    /// # Errors
    /// Where the device cannot take it.
    #[track_caller]
    fn to_empty(&self, device: Device) -> Result<Self>
    where
        Self: Sized,
    {
        rebuild::to(self, device.into(), true)
    }

    /// A copy with tensors of its own, for a target network or the best weights so far: `copy.deepcopy(module)`.
    /// What is shared inside is shared in the copy; hooks and gradients stay with the original.
    ///
    /// ```
    /// use flambeau_nn::{Linear, Module, Sequential, Tanh, init};
    ///
    /// let model = Sequential::of((Linear::new(2, 3), Tanh::new()))?;
    /// let best = model.deepcopy()?;
    /// init::zeros_(&model.parameters()[0])?;
    /// assert!(!best.parameters()[0].equal(&model.parameters()[0])?);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no memory for them.
    #[track_caller]
    fn deepcopy(&self) -> Result<Self>
    where
        Self: Sized,
    {
        rebuild::deepcopy(self)
    }

    /// Forgets the gradients of all parameters.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|parameter| parameter.clear_grad());
    }

    /// Sets whether the parameters are trained: `requires_grad_(false)` freezes the module.
    ///
    /// # Errors
    /// Where a parameter that is to be trained has a dtype without gradients.
    #[track_caller]
    fn requires_grad_(&self, requires_grad: bool) -> Result<()> {
        self.parameters().iter().try_for_each(|parameter| parameter.set_requires_grad(requires_grad))
    }

    /// Calls `f` with every module inside, those inside first, and this one last: `Module.apply`.
    /// `downcast_ref` tells what it is.
    ///
    /// ```
    /// use flambeau_nn::{Linear, Module, Sequential, Tanh, init};
    ///
    /// let model = Sequential::of((Linear::new(2, 3), Tanh::new(), Linear::new(3, 1)))?;
    /// model.apply(&mut |module| {
    ///     if let Some(linear) = module.downcast_ref::<Linear>() {
    ///         init::ones_(&linear.weight)?;
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(model.state_dict().get("2.weight").unwrap().to_vec::<f32>()?, [1.0; 3]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `f` returns; the modules after that one are left out.
    fn apply(&self, f: &mut dyn FnMut(&DynModule) -> Result<()>) -> Result<()> {
        apply(self.as_module(), f)
    }
}

// What the methods above do, once for all modules instead of once for each.

fn walk<'a>(module: &'a DynModule, prefix: &str, visitor: &mut Visitor<'_, 'a>) {
    let path = |name: &str| if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
    // Parameters that others are computed from stand behind the others, as in PyTorch.
    for originals in [false, true] {
        module.visit(&mut |name, item| {
            if matches!(item, Item::Parameter(parameter) if parameter.is_original() == originals) {
                visitor(&path(name), item);
            }
        });
    }
    module.visit(&mut |name, item| {
        if matches!(item, Item::Buffer(_) | Item::Mode(_)) {
            visitor(&path(name), item);
        }
    });
    if let Some(extra) = module.extra_state() {
        visitor(&path("_extra_state"), Item::Extra(extra));
    }
    // PyTorch keeps what parameters are computed from behind the other modules.
    for computed in [false, true] {
        module.visit(&mut |name, item| {
            if let Item::Module(inner) = item
                && inner.downcast_ref::<ParametrizationList>().is_some() == computed
            {
                let path = path(name);
                visitor(&path, item);
                walk(inner, &path, visitor);
            }
        });
    }
}

/// The tensors that `pick` finds among the items, each once, by its id.
fn named_tensors(
    module: &DynModule,
    pick: for<'a> fn(&Item<'a>) -> Option<(usize, &'a Tensor)>,
) -> Vec<(String, Tensor)> {
    let (mut list, mut seen) = (Vec::new(), HashSet::new());
    walk(module, "", &mut |name, item| {
        if let Some((id, tensor)) = pick(&item)
            && seen.insert(id)
        {
            list.push((name.to_string(), tensor.clone()));
        }
    });
    list
}

fn unnamed<T>(list: Vec<(String, T)>) -> Vec<T> {
    list.into_iter().map(|(_, item)| item).collect()
}

fn named_children(module: &DynModule) -> Vec<(String, &DynModule)> {
    let mut list = Vec::new();
    module.visit(&mut |name, item| {
        if let Item::Module(inner) = item {
            list.push((name.to_string(), inner));
        }
    });
    list
}

#[track_caller]
fn submodule<'a>(module: &'a DynModule, path: &str) -> Result<&'a DynModule> {
    let (mut at, mut rest) = (module, path);
    while !rest.is_empty() {
        let children = named_children(at);
        // A name may have dots of its own: `parametrizations.weight`.
        let below = |own: &str| match rest.strip_prefix(own) {
            Some("") => Some(""),
            Some(more) => more.strip_prefix('.').filter(|more| !more.is_empty()),
            None => None,
        };
        let Some((child, more)) = children.iter().find_map(|(own, child)| Some((*child, below(own)?))) else {
            let names: Vec<&str> = children.iter().map(|(own, _)| own.as_str()).collect();
            bail!(Argument, "get_submodule", "{path:?}: {} has no module {rest:?} among {names:?}", at.type_name())
        };
        (at, rest) = (child, more);
    }
    Ok(at)
}

/// The tensor that `pick` finds at `path`.
#[track_caller]
fn named_tensor(
    module: &DynModule,
    path: &str,
    who: &'static str,
    pick: for<'a> fn(&Item<'a>) -> Option<&'a Tensor>,
) -> Result<Tensor> {
    let owner = path.rsplit_once('.').map_or("", |(owner, _)| owner);
    let (mut found, mut beside) = (None, Vec::new());
    walk(module, "", &mut |name, item| {
        if let Some(tensor) = pick(&item) {
            if name == path {
                found = Some(tensor.clone());
            } else if name.rsplit_once('.').map_or("", |(owner, _)| owner) == owner {
                beside.push(name.to_string());
            }
        }
    });
    match found {
        Some(tensor) => Ok(tensor),
        None => bail!(Argument, who, "there is no {path:?} among {beside:?}"),
    }
}

fn named_modules(module: &DynModule) -> Vec<(String, &DynModule)> {
    let mut list = vec![(String::new(), module)];
    let mut seen = HashSet::new();
    walk(module, "", &mut |name, item| {
        // A module that stands at several places is listed once. (Those without size have no address to know them by.)
        if let Item::Module(inner) = item
            && (size_of_val(inner) == 0
                || seen.insert((std::ptr::from_ref(inner).cast::<()>() as usize, (inner as &dyn Any).type_id())))
        {
            list.push((name.to_string(), inner));
        }
    });
    list
}

fn train_mode(module: &DynModule, training: bool) {
    walk(module, "", &mut |_, item| {
        if let Item::Mode(mode) = item {
            mode.set(training);
        }
    });
}

fn is_training(module: &DynModule) -> bool {
    let mut first = None;
    walk(module, "", &mut |_, item| {
        if let Item::Mode(mode) = item {
            first.get_or_insert(mode.is_training());
        }
    });
    first.unwrap_or(true)
}

fn apply(module: &DynModule, f: &mut dyn FnMut(&DynModule) -> Result<()>) -> Result<()> {
    for (_, child) in named_children(module) {
        apply(child, f)?;
    }
    f(module)
}

impl DynModule {
    /// The module as a `T`, if it is one.
    pub fn downcast_ref<T: Module>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }

    /// The module as a `T` to change, if it is one.
    pub fn downcast_mut<T: Module>(&mut self) -> Option<&mut T> {
        (self as &mut dyn Any).downcast_mut()
    }
}

/// As PyTorch prints it.
impl std::fmt::Debug for DynModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::print_module(self, f)
    }
}
