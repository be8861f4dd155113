//! Hooks: functions that are called around a module's forward and backward and with its state, on one module or on all.

use crate::identity::{self, Key, Mark};
use crate::{DynModule, LoadReport, Module};
use flambeau_autograd::{Context, MultiFunction};
use flambeau_tensor::{Error, ErrorKind, Result, StateDict, Tensor, Tensors, ensure};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

type Pre = dyn Fn(&DynModule, &mut dyn Tensors) -> Result<()> + Send + Sync;
type Post = dyn Fn(&DynModule, &dyn Tensors, &mut dyn Tensors) -> Result<()> + Send + Sync;
type Backward = dyn Fn(&mut [Option<Tensor>], &[Option<Tensor>]) -> Result<()> + Send + Sync;
type BackwardPre = dyn Fn(&mut [Option<Tensor>]) -> Result<()> + Send + Sync;
type StatePre = dyn Fn(&DynModule, &str) + Send + Sync;
type State = dyn Fn(&DynModule, &mut StateDict, &str) + Send + Sync;
type Load = dyn Fn(&DynModule, &mut StateDict, &str) -> Result<()> + Send + Sync;
type Loaded = dyn Fn(&DynModule, &LoadReport) -> Result<()> + Send + Sync;

#[derive(Clone)]
enum Hook {
    Pre(Arc<Pre>),
    Forward(Arc<Post>),
    Backward(Arc<Backward>),
    BackwardPre(Arc<BackwardPre>),
    StatePre(Arc<StatePre>),
    State(Arc<State>),
    Load(Arc<Load>),
    Loaded(Arc<Loaded>),
}

#[derive(Default)]
struct Registry {
    next: u64,
    /// What else hangs on modules.
    others: usize,
    global: Vec<(u64, Hook)>,
    of_modules: HashMap<Key, (Weak<Mark>, Vec<(u64, Hook)>)>,
}

/// How many hooks there are. While there is none, a call looks at nothing else.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: OnceLock<Mutex<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Forgets the hooks of modules that are gone, and counts the others. What is forgotten is returned, to be dropped
    /// without the lock.
    fn settle(&mut self) -> Vec<(Weak<Mark>, Vec<(u64, Hook)>)> {
        let gone = self.of_modules.extract_if(|_, (alive, hooks)| alive.strong_count() == 0 || hooks.is_empty());
        let gone = gone.map(|(_, entry)| entry).collect();
        let count = self.global.len() + self.of_modules.values().map(|(_, hooks)| hooks.len()).sum::<usize>();
        REGISTERED.store(count + self.others, Ordering::Release);
        gone
    }
}

#[track_caller]
fn register(module: Option<&DynModule>, hook: Hook) -> Result<RemovableHandle> {
    let at = std::panic::Location::caller();
    let key = match module {
        None => None,
        Some(module) => Some(identity::key(module).ok_or_else(|| {
            let message = format!(
                "{} has no parameter, buffer or mode to be known by: give it a field of type ModuleId",
                module.type_name()
            );
            Error::new(ErrorKind::Argument, "register_hook", message).located(at)
        })?),
    };
    let (id, _gone) = {
        let mut registry = registry();
        let id = registry.next;
        registry.next += 1;
        match key {
            None => registry.global.push((id, hook)),
            Some((key, alive)) => {
                registry.of_modules.entry(key).or_insert_with(|| (alive, Vec::new())).1.push((id, hook));
            }
        }
        (id, registry.settle())
    };
    Ok(RemovableHandle { id })
}

/// A hook's registration. Dropping it leaves the hook in place; the hooks of a module go with the module.
#[derive(Debug)]
pub struct RemovableHandle {
    id: u64,
}

impl RemovableHandle {
    /// Takes the hook away.
    pub fn remove(self) {
        let mut dropped = Vec::new();
        let mut registry = registry();
        let mut take = |hooks: &mut Vec<(u64, Hook)>| dropped.extend(hooks.extract_if(.., |(id, _)| *id == self.id));
        take(&mut registry.global);
        registry.of_modules.values_mut().for_each(|(_, hooks)| take(hooks));
        let _gone = registry.settle();
        drop(registry);
    }
}

/// Counts what hangs on modules beside hooks: parametrizations.
pub(crate) fn hang(more: isize) {
    let mut registry = registry();
    registry.others = registry.others.saturating_add_signed(more);
    let _gone = registry.settle();
    drop(registry);
}

/// Drops the hooks of modules that are gone, as one of them is now.
pub(crate) fn forget_gone() {
    if !none() {
        let gone = registry().settle();
        drop(gone);
    }
}

/// True where nothing hangs on any module.
#[inline]
pub(crate) fn none() -> bool {
    REGISTERED.load(Ordering::Acquire) == 0
}

/// The hooks of `module`: those of all modules, then its own.
fn hooks_of(module: &DynModule) -> Vec<Hook> {
    if none() {
        return Vec::new();
    }
    let key = identity::key(module);
    let registry = registry();
    let own = key.and_then(|(key, _)| registry.of_modules.get(&key)).map_or(&[][..], |(_, hooks)| hooks);
    registry.global.iter().chain(own).map(|(_, hook)| hook.clone()).collect()
}

/// Hooks on one module. They see all of its tensors and may put others in their places.
///
/// ```
/// use flambeau_nn::{Call, Linear, ModuleHooks, Sequential, Tanh};
/// use flambeau_tensor::Tensor;
/// use std::sync::{Arc, Mutex};
///
/// let model = Sequential::of((Linear::new(2, 3), Tanh::new()))?;
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let shapes = seen.clone();
/// let handle = model.get(0).unwrap().register_forward_hook(move |module, _inputs, outputs| {
///     for y in outputs.tensors() {
///         shapes.lock().unwrap().push((module.type_name(), y.shape().to_vec()));
///     }
///     Ok(())
/// })?;
/// model.call(&Tensor::zeros([5, 2]).build()?)?;
/// handle.remove();
/// model.call(&Tensor::zeros([5, 2]).build()?)?;
/// assert_eq!(*seen.lock().unwrap(), [("Linear", vec![5, 3])]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait ModuleHooks: Module {
    /// Calls `hook` with the module and its inputs before each forward: `Module.register_forward_pre_hook`.
    ///
    /// # Errors
    /// Where the module has no identity (see [`ModuleId`](crate::ModuleId)).
    #[track_caller]
    fn register_forward_pre_hook(
        &self,
        hook: impl Fn(&DynModule, &mut dyn Tensors) -> Result<()> + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::Pre(Arc::new(hook)))
    }

    /// Calls `hook` with the module, its inputs and its outputs after each forward: `Module.register_forward_hook`. A
    /// hook may put other tensors into the places of the outputs, of the same shapes: whoever wrote the call counts on
    /// them. One of another shape is an error of that call.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_forward_hook(
        &self,
        hook: impl Fn(&DynModule, &dyn Tensors, &mut dyn Tensors) -> Result<()> + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::Forward(Arc::new(hook)))
    }

    /// Calls `hook` in each backward with the gradients of the module's inputs, to be changed, and of its outputs, one for
    /// each tensor: `Module.register_full_backward_hook`. Where a tensor requires no grad there is none. A gradient keeps
    /// its shape. Where no input requires grad the list of their gradients is empty.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_full_backward_hook(
        &self,
        hook: impl Fn(&mut [Option<Tensor>], &[Option<Tensor>]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::Backward(Arc::new(hook)))
    }

    /// Calls `hook` in each backward with the gradients of the module's outputs, one for each tensor, to be changed before
    /// they go through the module: `Module.register_full_backward_pre_hook`. Where a tensor requires no grad there is
    /// none. A gradient keeps its shape.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_full_backward_pre_hook(
        &self,
        hook: impl Fn(&mut [Option<Tensor>]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::BackwardPre(Arc::new(hook)))
    }

    /// Calls `hook` with the module and its prefix before a state dict is made:
    /// `Module.register_state_dict_pre_hook`.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_state_dict_pre_hook(
        &self,
        hook: impl Fn(&DynModule, &str) + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::StatePre(Arc::new(hook)))
    }

    /// Calls `hook` with the module, the state dict so far and the module's prefix in it, once its tensors are there:
    /// `Module.register_state_dict_post_hook`.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_state_dict_post_hook(
        &self,
        hook: impl Fn(&DynModule, &mut StateDict, &str) + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::State(Arc::new(hook)))
    }

    /// Calls `hook` with the module, the state to be loaded and the module's prefix in it, before it is looked at:
    /// `Module.register_load_state_dict_pre_hook`. It may rename and change what is in the state.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_load_state_dict_pre_hook(
        &self,
        hook: impl Fn(&DynModule, &mut StateDict, &str) -> Result<()> + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::Load(Arc::new(hook)))
    }

    /// Calls `hook` with the module once a state is loaded, and with what the load let pass where it was not strict:
    /// `Module.register_load_state_dict_post_hook`. For what is computed from the tensors. A load that fails changes
    /// nothing and calls none; which names may be missing is for
    /// [`register_load_state_dict_pre_hook`](Self::register_load_state_dict_pre_hook) to say.
    ///
    /// # Errors
    /// Where the module has no identity.
    #[track_caller]
    fn register_load_state_dict_post_hook(
        &self,
        hook: impl Fn(&DynModule, &LoadReport) -> Result<()> + Send + Sync + 'static,
    ) -> Result<RemovableHandle> {
        register(Some(self.as_module()), Hook::Loaded(Arc::new(hook)))
    }
}

impl<M: Module + ?Sized> ModuleHooks for M {}

/// [`register_forward_pre_hook`](ModuleHooks::register_forward_pre_hook) on every module there is:
/// `torch.nn.modules.module.register_module_forward_pre_hook`.
///
/// # Errors
/// None today.
pub fn register_module_forward_pre_hook(
    hook: impl Fn(&DynModule, &mut dyn Tensors) -> Result<()> + Send + Sync + 'static,
) -> Result<RemovableHandle> {
    register(None, Hook::Pre(Arc::new(hook)))
}

/// [`register_forward_hook`](ModuleHooks::register_forward_hook) on every module there is:
/// `torch.nn.modules.module.register_module_forward_hook`.
///
/// # Errors
/// None today.
pub fn register_module_forward_hook(
    hook: impl Fn(&DynModule, &dyn Tensors, &mut dyn Tensors) -> Result<()> + Send + Sync + 'static,
) -> Result<RemovableHandle> {
    register(None, Hook::Forward(Arc::new(hook)))
}

/// [`register_full_backward_hook`](ModuleHooks::register_full_backward_hook) on every module there is:
/// `torch.nn.modules.module.register_module_full_backward_hook`.
///
/// # Errors
/// None today.
pub fn register_module_full_backward_hook(
    hook: impl Fn(&mut [Option<Tensor>], &[Option<Tensor>]) -> Result<()> + Send + Sync + 'static,
) -> Result<RemovableHandle> {
    register(None, Hook::Backward(Arc::new(hook)))
}

/// [`register_full_backward_pre_hook`](ModuleHooks::register_full_backward_pre_hook) on every module there is:
/// `torch.nn.modules.module.register_module_full_backward_pre_hook`.
///
/// # Errors
/// None today.
pub fn register_module_full_backward_pre_hook(
    hook: impl Fn(&mut [Option<Tensor>]) -> Result<()> + Send + Sync + 'static,
) -> Result<RemovableHandle> {
    register(None, Hook::BackwardPre(Arc::new(hook)))
}

/// What hangs on one module, during one call.
pub(crate) struct Around<'m> {
    module: &'m DynModule,
    hooks: Vec<Hook>,
    gate: Option<Arc<Gate>>,
}

impl<'m> Around<'m> {
    /// Nothing where nothing hangs on `module`.
    pub(crate) fn of(module: &'m DynModule) -> Option<Around<'m>> {
        let hooks = hooks_of(module);
        (!hooks.is_empty()).then_some(Around { module, hooks, gate: None })
    }

    #[track_caller]
    pub(crate) fn before(&mut self, inputs: &mut dyn Tensors) -> Result<()> {
        for hook in &self.hooks {
            if let Hook::Pre(hook) = hook {
                hook(self.module, inputs)?;
            }
        }
        let (mut pre, mut hooks) = (Vec::new(), Vec::new());
        for hook in &self.hooks {
            match hook {
                Hook::BackwardPre(hook) => pre.push(hook.clone()),
                Hook::Backward(hook) => hooks.push(hook.clone()),
                _ => {}
            }
        }
        if pre.is_empty() && hooks.is_empty() {
            return Ok(());
        }
        let (wanted, any) = (requires_grad(inputs), !hooks.is_empty());
        let gate = Arc::new(Gate { pre, hooks, reached: wanted.contains(&true), outputs: Mutex::default() });
        if any {
            through(inputs, Entry(gate.clone(), wanted))?;
        }
        self.gate = Some(gate);
        Ok(())
    }

    #[track_caller]
    pub(crate) fn after(&self, inputs: &dyn Tensors, outputs: &mut dyn Tensors) -> Result<()> {
        for hook in &self.hooks {
            if let Hook::Forward(hook) = hook {
                let given = outputs.tensors();
                hook(self.module, inputs, outputs)?;
                same_shapes(self.module, &given, &outputs.tensors())?;
            }
        }
        match &self.gate {
            Some(gate) => {
                let wanted = requires_grad(outputs);
                through(outputs, Exit(gate.clone(), wanted))
            }
            None => Ok(()),
        }
    }
}

/// An error where a hook put an output of another shape into the place of one that `module` gave.
#[track_caller]
fn same_shapes(module: &DynModule, given: &[Tensor], left: &[Tensor]) -> Result<()> {
    for (i, (given, left)) in given.iter().zip(left).enumerate() {
        ensure!(
            left.shape() == given.shape(),
            Shape,
            "register_forward_hook",
            "the hook on {} gives an output {i} of shape {:?} where the module's has {:?}: a hook may replace an output by one \
             of its shape; what gives another is a layer of its own behind the module",
            module.type_name(),
            left.shape(),
            given.shape()
        );
    }
    Ok(())
}

/// Those of `tensors` that require grad, through `function`.
#[track_caller]
fn through(tensors: &mut dyn Tensors, function: impl MultiFunction) -> Result<()> {
    let all: Vec<Tensor> = tensors.tensors().into_iter().filter(Tensor::requires_grad).collect();
    if all.is_empty() {
        return Ok(());
    }
    let mut passed = function.apply(&all.iter().collect::<Vec<_>>())?.into_iter();
    tensors.visit_tensors_mut(&mut |tensor| {
        if tensor.requires_grad()
            && let Some(fresh) = passed.next()
        {
            *tensor = fresh;
        }
    });
    Ok(())
}

/// Which of `tensors` require grad.
fn requires_grad(tensors: &dyn Tensors) -> Vec<bool> {
    tensors.tensors().iter().map(Tensor::requires_grad).collect()
}

/// `grads`, one for each tensor that requires grad, as one for each tensor.
fn spread(wanted: &[bool], grads: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
    let mut grads = grads.iter();
    wanted.iter().map(|wanted| if *wanted { grads.next().cloned().flatten() } else { None }).collect()
}

/// What the two ends of a module have in common in a backward.
struct Gate {
    pre: Vec<Arc<BackwardPre>>,
    hooks: Vec<Arc<Backward>>,
    /// Gradients reach the inputs, and the hooks are called there; else they are called at the outputs.
    reached: bool,
    outputs: Mutex<Vec<Option<Tensor>>>,
}

impl Gate {
    fn call(&self, inputs: &mut [Option<Tensor>]) -> Result<()> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.hooks.iter().try_for_each(|hook| hook(inputs, &outputs))
    }
}

/// Where inputs go in and their gradients come out.
struct Entry(Arc<Gate>, Vec<bool>);

impl MultiFunction for Entry {
    fn forward(&self, _: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(inputs.iter().map(|x| (*x).clone()).collect())
    }

    fn backward(&self, _: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let mut all = spread(&self.1, grads);
        self.0.call(&mut all)?;
        Ok(all.into_iter().zip(&self.1).filter_map(|(grad, wanted)| wanted.then_some(grad)).collect())
    }
}

/// Where outputs come out and their gradients go in.
struct Exit(Arc<Gate>, Vec<bool>);

impl MultiFunction for Exit {
    fn forward(&self, _: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(inputs.iter().map(|x| (*x).clone()).collect())
    }

    fn backward(&self, _: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let mut all = spread(&self.1, grads);
        self.0.pre.iter().try_for_each(|hook| hook(&mut all))?;
        *self.0.outputs.lock().unwrap_or_else(PoisonError::into_inner) = all.clone();
        if !self.0.reached {
            self.0.call(&mut [])?;
        }
        Ok(all.into_iter().zip(&self.1).filter_map(|(grad, wanted)| wanted.then_some(grad)).collect())
    }
}

/// Calls the hooks before a state dict of `module` and all inside, those outside first.
pub(crate) fn before_state_dict(module: &DynModule) {
    for (prefix, module) in prefixed(module) {
        for hook in hooks_of(module) {
            if let Hook::StatePre(hook) = hook {
                hook(module, &prefix);
            }
        }
    }
}

/// Calls the hooks after a load of `module` and all inside, those inside first.
pub(crate) fn loaded(module: &DynModule, report: &LoadReport) -> Result<()> {
    for (_, module) in prefixed(module).into_iter().rev() {
        for hook in hooks_of(module) {
            if let Hook::Loaded(hook) = hook {
                hook(module, report)?;
            }
        }
    }
    Ok(())
}

/// Calls the state-dict hooks of `module` and all inside, those inside first.
pub(crate) fn state_dict(module: &DynModule, state: &mut StateDict) {
    for (prefix, module) in prefixed(module).into_iter().rev() {
        for hook in hooks_of(module) {
            if let Hook::State(hook) = hook {
                hook(module, state, &prefix);
            }
        }
    }
}

/// Calls the loading hooks of `module` and all inside, those outside first.
pub(crate) fn load(module: &DynModule, state: &mut StateDict) -> Result<()> {
    for (prefix, module) in prefixed(module) {
        for hook in hooks_of(module) {
            if let Hook::Load(hook) = hook {
                hook(module, state, &prefix)?;
            }
        }
    }
    Ok(())
}

fn prefixed(module: &DynModule) -> Vec<(String, &DynModule)> {
    let prefix = |path: String| if path.is_empty() { path } else { path + "." };
    module.named_modules().into_iter().map(|(path, module)| (prefix(path), module)).collect()
}
