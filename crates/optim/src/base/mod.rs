//! What optimizers have in common: parameters in groups, options that each group may override, state by parameter,
//! hooks, saving and loading. An optimizer is a [`Rule`]; [`Optim`] is everything around it.

mod coefficient;
mod formula;
pub(crate) mod lists;
mod load;
mod options;
mod state;

pub use coefficient::Coefficient;
pub use formula::{Each, Formula};
pub use options::{GroupOptions, Groups, OptionValue, ParamGroup, Params};
pub(crate) use options::{Shown, is_of_kind};
pub(crate) use state::rows_of;
pub use state::{Kind, Slot, State, Stepped};

use flambeau_autograd::{Autograd, enable_grad, no_grad};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{Result, Tensor, bail, ensure};
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

/// What computes a loss and its gradients anew: for [`step_with`](Optimizer::step_with).
pub type Closure<'a> = &'a mut dyn FnMut() -> Result<Tensor>;

/// What is called before or after each step.
pub type Hook = Box<dyn FnMut(&mut dyn Optimizer) -> Result<()> + Send>;

/// A hook that is in place, to [remove](Optimizer::remove_hook) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookId(usize);

/// The numbers of a step in mixed precision, tensors `[]` on the parameters' device: of [`GradScaler`](crate::GradScaler).
#[derive(Clone, Debug, Default)]
pub struct Scaling {
    /// Gradients are divided by it.
    pub grad_scale: Option<Tensor>,
    /// Where it is not zero, nothing is changed.
    pub found_inf: Option<Tensor>,
}

/// Something that moves parameters along their gradients: `torch.optim.Optimizer`.
pub trait Optimizer {
    /// PyTorch's name.
    fn name(&self) -> &'static str;

    /// One step from the gradients that `backward` left; a parameter without one stays.
    ///
    /// # Errors
    /// Where a gradient does not fit its parameter, a hook fails, or the optimizer needs a closure
    /// ([`LBFGS`](crate::LBFGS)).
    #[track_caller]
    fn step(&mut self) -> Result<()>;

    /// One step with `closure`, which clears the gradients, computes the loss, calls `backward` and returns the loss;
    /// once, or for [`LBFGS`](crate::LBFGS) as often as it asks. Returns the first loss.
    ///
    /// # Errors
    /// Those of the closure and of [`step`](Optimizer::step).
    #[track_caller]
    fn step_with(&mut self, closure: Closure<'_>) -> Result<Tensor>;

    /// True where [`step_scaled`](Optimizer::step_scaled) is there.
    fn takes_scaling(&self) -> bool {
        false
    }

    /// A step that divides by the scale and leaves everything where an infinity was found, without reading either.
    ///
    /// # Errors
    /// Where the optimizer has no such step; as [`step`](Optimizer::step).
    #[track_caller]
    fn step_scaled(&mut self, _: &Scaling) -> Result<()> {
        bail!(Unsupported, self.name(), "it has no step with a scale; unscale the gradients first")
    }

    /// The parameters of all groups.
    fn parameters(&self) -> Vec<Tensor>;

    /// The options of the groups, shared with schedulers.
    fn groups(&self) -> Groups;

    /// Adds a group of parameters; what it does not set is as the optimizer was made.
    ///
    /// # Errors
    /// Where an option is unknown or out of bounds, or a parameter is there already or is no leaf of floating point;
    /// nothing is changed then.
    #[track_caller]
    fn add_param_group(&mut self, group: ParamGroup) -> Result<()>;

    /// State and options of all groups in PyTorch's form, to save and resume.
    ///
    /// ```
    /// # use flambeau_autograd::Autograd;
    /// # use flambeau_optim::{Adam, Optimizer};
    /// # use flambeau_tensor::Tensor;
    /// # let w = Tensor::ones(2).build()?.requires_grad_()?;
    /// # let folder = tempfile::tempdir().expect("a temporary folder");
    /// # let path = folder.path().join("adam.pt");
    /// let mut optimizer = Adam::new([&w]).lr(0.1).build()?;
    /// flambeau_serialize::torch::save(&path, &optimizer.state_dict()?)?; // torch.load reads it
    /// optimizer.load_state_dict(&flambeau_serialize::torch::load(&path)?)?;
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a number does not go into a tensor.
    fn state_dict(&self) -> Result<Value>;

    /// Takes what [`state_dict`](Optimizer::state_dict) gave, here or in PyTorch: every option of every group, and
    /// the state, in the parameters' precision.
    ///
    /// # Errors
    /// Where it is that of another optimizer, of other groups, or of other shapes: one error that lists the
    /// differences; nothing is changed then.
    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()>;

    /// Calls `hook` before each step.
    fn register_step_pre_hook(&mut self, hook: Hook) -> HookId;

    /// Calls `hook` after each step.
    fn register_step_post_hook(&mut self, hook: Hook) -> HookId;

    /// Removes a hook; false where it is not there.
    fn remove_hook(&mut self, id: HookId) -> bool;

    /// Clears the gradients of all parameters, to none.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|p| p.clear_grad());
    }

    /// The learning rate of each group; one on a device is read.
    fn lr(&self) -> Vec<f64> {
        self.groups().numbers("lr").unwrap_or_default()
    }

    /// Sets the learning rate of every group.
    ///
    /// # Errors
    /// Where one on a device cannot be written.
    fn set_lr(&mut self, lr: f64) -> Result<()> {
        self.groups().update(|_, options| options.set_number("lr", lr))
    }
}

macro_rules! delegate {
    ($([$($generics:tt)*] $t:ty;)*) => {$(
        impl<$($generics)*> Optimizer for $t {
            fn name(&self) -> &'static str { (**self).name() }
            #[track_caller]
            fn step(&mut self) -> Result<()> { (**self).step() }
            #[track_caller]
            fn step_with(&mut self, closure: Closure<'_>) -> Result<Tensor> { (**self).step_with(closure) }
            fn takes_scaling(&self) -> bool { (**self).takes_scaling() }
            #[track_caller]
            fn step_scaled(&mut self, scaling: &Scaling) -> Result<()> { (**self).step_scaled(scaling) }
            fn parameters(&self) -> Vec<Tensor> { (**self).parameters() }
            fn groups(&self) -> Groups { (**self).groups() }
            #[track_caller]
            fn add_param_group(&mut self, group: ParamGroup) -> Result<()> { (**self).add_param_group(group) }
            fn state_dict(&self) -> Result<Value> { (**self).state_dict() }
            #[track_caller]
            fn load_state_dict(&mut self, state: &Value) -> Result<()> { (**self).load_state_dict(state) }
            fn register_step_pre_hook(&mut self, hook: Hook) -> HookId { (**self).register_step_pre_hook(hook) }
            fn register_step_post_hook(&mut self, hook: Hook) -> HookId { (**self).register_step_post_hook(hook) }
            fn remove_hook(&mut self, id: HookId) -> bool { (**self).remove_hook(id) }
        }
    )*};
}
delegate! {
    [O: Optimizer + ?Sized] Box<O>;
    [O: Optimizer + ?Sized] &mut O;
}

/// What makes an optimizer the one it is: its name, what it keeps for a parameter, the bounds of its options, and
/// its update. [`Optim`] of it is the optimizer.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_optim::rule::*;
/// use flambeau_optim::{Optimizer, ParamGroup};
/// use flambeau_tensor::{Result, Tensor};
///
/// /// Goes by the gradient's sign alone.
/// struct SignDescent;
///
/// impl Rule for SignDescent {
///     const NAME: &'static str = "SignDescent";
///     const SLOTS: &'static [Slot] = &[];
///     fn check(_: &GroupOptions) -> Result<()> {
///         Ok(())
///     }
///     fn update(options: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
///         let lr = options.coefficient("lr")?;
///         Formula::each("SignDescent", params, |_, f| {
///             f.set_param(f.param().add_scaled(f.grad().sign(), lr.neg()?));
///             Ok(())
///         })
///     }
/// }
///
/// let w = Tensor::ones(2).build()?.requires_grad_()?;
/// let mut optimizer = Optim::<SignDescent>::of([&w], [("lr", 0.25.into())], [])?;
/// w.sum(..)?.backward()?;
/// optimizer.step()?;
/// assert_eq!(w.to_vec::<f32>()?, [0.75, 0.75]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait Rule: Sized + 'static {
    /// PyTorch's name.
    const NAME: &'static str;

    /// What is kept for a parameter.
    const SLOTS: &'static [Slot];

    /// The update heeds [`Scaling`] itself.
    const TAKES_SCALING: bool = false;

    /// Which gradients it takes; [sparse](flambeau_autograd::sparse_gradients) ones it finds in [`Stepped::sparse`].
    const TAKES: Takes = Takes::Dense;

    /// Sets the options that follow from others.
    fn settle(_: &mut GroupOptions) {}

    /// The bounds of a group's options.
    ///
    /// # Errors
    /// Where one is out of bounds.
    fn check(options: &GroupOptions) -> Result<()>;

    /// What a parameter must be beside a leaf of floating point.
    ///
    /// # Errors
    /// Where it is not.
    fn check_parameter(_: &Tensor) -> Result<()> {
        Ok(())
    }

    /// Moves the parameters of a group that have gradients, under `no_grad`.
    ///
    /// # Errors
    /// Where an op fails.
    fn update(options: &GroupOptions, params: &mut [Stepped<'_>], scaling: &Scaling) -> Result<()>;

    /// A step with a closure: calls it once and updates.
    ///
    /// # Errors
    /// Those of the closure and of the update.
    fn step_with(optimizer: &mut Optim<Self>, closure: Option<Closure<'_>>) -> Result<Option<Tensor>> {
        let loss = closure.map(|closure| enable_grad(closure)).transpose()?;
        optimizer.update(&Scaling::default())?;
        Ok(loss)
    }
}

/// Which gradients a [`Rule`] takes; others are PyTorch's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Dense ones alone.
    Dense,
    /// Sparse ones alone.
    Sparse,
    /// Both.
    Both,
}

/// One parameter and what its optimizer keeps for it.
pub(crate) struct Param {
    pub tensor: Tensor,
    pub group: usize,
    pub state: State,
}

/// An optimizer: a [`Rule`] with parameters, groups and state.
pub struct Optim<R> {
    pub(crate) params: Vec<Param>,
    pub(crate) groups: Groups,
    defaults: GroupOptions,
    before: Vec<(HookId, Hook)>,
    after: Vec<(HookId, Hook)>,
    hooks: usize,
    rule: PhantomData<fn() -> R>,
}

impl<R: Rule> Optim<R> {
    /// The optimizer of `params` with `defaults`, and of further groups.
    ///
    /// # Errors
    /// Where there are no parameters, one appears twice or is no leaf of floating point, or an option is unknown or
    /// out of bounds.
    pub fn of(
        params: impl Into<Params>,
        defaults: impl IntoIterator<Item = (&'static str, Value)>,
        groups: impl IntoIterator<Item = ParamGroup>,
    ) -> Result<Self> {
        let first = ParamGroup::new(params);
        let mut optimizer = Optim {
            params: Vec::new(),
            groups: Groups::default(),
            defaults: GroupOptions::new(defaults),
            before: Vec::new(),
            after: Vec::new(),
            hooks: 0,
            rule: PhantomData,
        };
        R::check(&optimizer.defaults)?;
        for group in std::iter::once(first).chain(groups).filter(|g| !g.params.is_empty()) {
            optimizer.add(group)?;
        }
        ensure!(!optimizer.params.is_empty(), Argument, R::NAME, "there are no parameters");
        Ok(optimizer)
    }

    fn add(&mut self, group: ParamGroup) -> Result<()> {
        let mut options = self.defaults.clone();
        for (name, value) in group.options {
            match self.defaults.get(&name) {
                Some(default) if is_of_kind(default, &value) => options.set(name, value),
                Some(default) => bail!(
                    Argument,
                    R::NAME,
                    "the option \"{name}\" is {} where one like {} is right",
                    Shown(&value),
                    Shown(default)
                ),
                None => {
                    let known: Vec<&str> = self.defaults.iter().map(|(name, _)| name).collect();
                    bail!(Argument, R::NAME, "there is no option \"{name}\"; there are {}", known.join(", "))
                }
            }
        }
        R::settle(&mut options);
        R::check(&options)?;
        let there = self.params.len();
        for (i, tensor) in (there..).zip(&group.params) {
            let dtype = tensor.dtype();
            ensure!(dtype.is_differentiable(), DType, R::NAME, "parameter {i} is {dtype}, which has no gradient");
            ensure!(tensor.is_leaf(), Autograd, R::NAME, "parameter {i} is not a leaf: an op made it");
            let known = self.params.iter().map(|p| &p.tensor).chain(&group.params[..i - there]);
            ensure!(!known.into_iter().any(|p| p.is(tensor)), Argument, R::NAME, "parameter {i} appears twice");
            R::check_parameter(tensor)?;
        }
        let number = self.groups.len();
        let param = |tensor| Param { tensor, group: number, state: State::default() };
        self.params.extend(group.params.into_iter().map(param));
        self.groups.push(options);
        Ok(())
    }

    /// Are there gradients that the rule does not take? Looked for before anything is changed.
    fn check_gradients(&self) -> Result<()> {
        let name = R::NAME;
        for (i, Param { tensor, .. }) in self.params.iter().enumerate() {
            let sparse = tensor.sparse_grad().is_some();
            match R::TAKES {
                Takes::Dense if sparse => {
                    let instead = if name.starts_with("Adam") { ", please consider SparseAdam instead" } else { "" };
                    bail!(Unsupported, name, "{name} does not support sparse gradients{instead}; parameter {i} has one")
                }
                Takes::Sparse if !sparse && tensor.grad().is_some() => bail!(
                    Unsupported,
                    name,
                    "{name} does not support dense gradients, please consider Adam instead; parameter {i} has one"
                ),
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes on with the elements of lazy layers' parameters where there are some by now.
    fn meet_lazy(&mut self) {
        for param in &mut self.params {
            if let Some(made) = flambeau_nn::materialized(&param.tensor) {
                param.tensor = made;
            }
        }
    }

    /// The rule's update of all groups, without hooks.
    pub(crate) fn update(&mut self, scaling: &Scaling) -> Result<()> {
        self.meet_lazy();
        self.check_gradients()?;
        no_grad(|| {
            let mut rest = &mut self.params[..];
            for (number, options) in self.groups.all().iter().enumerate() {
                let count = rest.iter().take_while(|p| p.group == number).count();
                let (group, others) = std::mem::take(&mut rest).split_at_mut(count);
                rest = others;
                // Where a step may be left out, only the device knows how many there were.
                let on_device = options.flag("capturable") || scaling.found_inf.is_some();
                let mut stepped = Vec::with_capacity(count);
                for Param { tensor, state, .. } in group {
                    let sparse = tensor.sparse_grad();
                    let Some(grad) = sparse.as_ref().map(|s| s.values().clone()).or_else(|| tensor.grad()) else {
                        continue;
                    };
                    let (param, complex) = (tensor.detach(), tensor.dtype().is_complex());
                    stepped.push(if complex {
                        let (param, grad) = (param.view_as_real()?, grad.contiguous()?.view_as_real()?);
                        let sparse = sparse.map(|s| s.view_as_real()).transpose()?;
                        Stepped { param, grad, sparse, state, complex, on_device }
                    } else {
                        Stepped { param, grad, sparse, state, complex, on_device }
                    });
                }
                if !stepped.is_empty() {
                    R::update(options, &mut stepped, scaling)?;
                }
            }
            Ok(())
        })
    }

    /// `f` between the hooks.
    fn hooked<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.meet_lazy();
        self.call_hooks(|o| &mut o.before)?;
        let result = f(self)?;
        self.call_hooks(|o| &mut o.after)?;
        Ok(result)
    }

    fn call_hooks(&mut self, which: fn(&mut Self) -> &mut Vec<(HookId, Hook)>) -> Result<()> {
        if which(self).is_empty() {
            return Ok(());
        }
        let mut hooks = std::mem::take(which(self));
        let called = hooks.iter_mut().try_for_each(|(_, hook)| hook(self));
        // Those that hooks registered stand behind those that were there.
        hooks.append(which(self));
        *which(self) = hooks;
        called
    }

    fn hook(&mut self) -> HookId {
        self.hooks += 1;
        HookId(self.hooks)
    }
}

impl<R: Rule> Optimizer for Optim<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    #[track_caller]
    fn step(&mut self) -> Result<()> {
        let line = Location::caller();
        self.hooked(|o| R::step_with(o, None)).map(drop).map_err(|e| e.located(line))
    }

    #[track_caller]
    fn step_with(&mut self, closure: Closure<'_>) -> Result<Tensor> {
        let line = Location::caller();
        match self.hooked(|o| R::step_with(o, Some(closure))).map_err(|e| e.located(line))? {
            Some(loss) => Ok(loss),
            None => bail!(Argument, R::NAME, "the closure was not called"),
        }
    }

    fn takes_scaling(&self) -> bool {
        R::TAKES_SCALING
    }

    #[track_caller]
    fn step_scaled(&mut self, scaling: &Scaling) -> Result<()> {
        ensure!(R::TAKES_SCALING, Unsupported, R::NAME, "it has no step with a scale; unscale the gradients first");
        let line = Location::caller();
        self.hooked(|o| o.update(scaling)).map_err(|e| e.located(line))
    }

    fn parameters(&self) -> Vec<Tensor> {
        let now = |tensor: &Tensor| flambeau_nn::materialized(tensor).unwrap_or_else(|| tensor.clone());
        self.params.iter().map(|p| now(&p.tensor)).collect()
    }

    fn groups(&self) -> Groups {
        self.groups.clone()
    }

    #[track_caller]
    fn add_param_group(&mut self, group: ParamGroup) -> Result<()> {
        ensure!(!group.params.is_empty(), Argument, R::NAME, "the group has no parameters");
        let line = Location::caller();
        self.add(group).map_err(|e| e.located(line))
    }

    fn state_dict(&self) -> Result<Value> {
        load::state_dict::<R>(&self.params, &self.groups.all())
    }

    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let (line, groups) = (Location::caller(), self.groups.all());
        let loaded = load::read::<R>(state, &self.params, &groups, &self.defaults).map_err(|e| e.located(line))?;
        self.groups.replace(loaded.groups);
        self.params.iter_mut().zip(loaded.states).for_each(|(p, state)| p.state = state);
        Ok(())
    }

    fn register_step_pre_hook(&mut self, hook: Hook) -> HookId {
        let id = self.hook();
        self.before.push((id, hook));
        id
    }

    fn register_step_post_hook(&mut self, hook: Hook) -> HookId {
        let id = self.hook();
        self.after.push((id, hook));
        id
    }

    fn remove_hook(&mut self, id: HookId) -> bool {
        let hooks = self.before.len() + self.after.len();
        self.before.retain(|(i, _)| *i != id);
        self.after.retain(|(i, _)| *i != id);
        self.before.len() + self.after.len() < hooks
    }
}

/// The groups with their options, as PyTorch prints them.
impl<R: Rule> fmt::Debug for Optim<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (", R::NAME)?;
        for (i, options) in self.groups.all().iter().enumerate() {
            write!(f, "{}Parameter Group {i}\n{options:?}", if i > 0 { "\n" } else { "" })?;
        }
        write!(f, ")")
    }
}

/// Writes an optimizer: its builder, with the options that every group has under PyTorch's names, and its type.
/// Behind `kept` stands what PyTorch's groups hold beside, without a meaning here.
macro_rules! optimizer {
    (
        $(#[$meta:meta])*
        pub struct $Optimizer:ident ($Builder:ident): $Rule:ident;
        options { $($(#[$opt_meta:meta])* $opt:ident : $(~ $into:ident)? $ty:ty = $default:expr),* $(,)? }
        kept { $($kept:ident = $value:expr),* $(,)? }
    ) => {
        $(#[$meta])*
        pub type $Optimizer = $crate::base::Optim<$Rule>;

        flambeau_tensor::builder! {
            #[doc = concat!("Options of [`", stringify!($Optimizer), "`].")]
            pub struct $Builder => $Optimizer;
            new { params: ~into $crate::base::Params }
            options {
                $($(#[$opt_meta])* $opt: $(~ $into)? $ty = $default,)*
                /// More parameters, each group with options of its own.
                groups: ~into Vec<$crate::base::ParamGroup> = Vec::new(),
            }
        }

        impl $Optimizer {
            fn from_builder(b: $Builder) -> flambeau_tensor::Result<Self> {
                use $crate::base::OptionValue as _;
                let options = [
                    $((stringify!($opt), b.$opt.to_value()),)*
                    $((stringify!($kept), $value.to_value()),)*
                ];
                $crate::base::Optim::of(b.params, options, b.groups)
            }
        }
    };
}
pub(crate) use optimizer;

/// An option that must lie in bounds.
macro_rules! bound {
    ($rule:expr, $name:expr, $x:expr, $bounds:expr) => {{
        let x: f64 = $x;
        flambeau_tensor::ensure!(
            ($bounds).contains(&x),
            Argument,
            $rule,
            "{} = {x} is not in {}",
            $name,
            stringify!($bounds)
        );
    }};
}
pub(crate) use bound;
