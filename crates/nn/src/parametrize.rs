//! Parametrizations: a parameter that is computed from others, its originals, as `torch.nn.utils.parametrize`. They hang
//! on a [`Parameter`] of any module; whoever [calls](crate::Call::call) the module computes with what they give.

use crate::part::{Item, Visitor, VisitorMut};
use crate::{DynModule, ItemMut, Module, ModuleId, Parameter, Part, Rebuild, hooks};
use flambeau_autograd::Autograd;
use flambeau_tensor::{Result, Tensor, bail, ensure, no_grad};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a parameter is had from its originals. It is a module: it may have parameters and buffers of its own.
///
/// ```
/// use flambeau_nn::{Call, Linear, Module, ModuleId, utils::parametrize};
/// use flambeau_tensor::{Result, Tensor};
///
/// #[derive(Module, Default)]
/// struct Symmetric { id: ModuleId }
///
/// impl parametrize::Parametrization for Symmetric {
///     fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
///         let upper = originals[0].triu(0)?;
///         upper.add(&originals[0].triu(1)?.t()?)
///     }
/// }
///
/// let mut layer = Linear::new(3, 3).build()?;
/// parametrize::register_parametrization(&mut layer, "weight", Symmetric::default())?;
/// let weight = layer.weight.value()?;
/// assert!(weight.equal(&weight.t()?)?);
/// assert_eq!(layer.named_parameters()[1].0, "parametrizations.weight.original");
/// layer.call(&Tensor::ones([1, 3]).build()?)?.sum(..)?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait Parametrization: Module + RebuildParametrization {
    /// The parameter. The first parametrization of a parameter is given its originals, every other one what the one
    /// before made.
    ///
    /// # Errors
    /// Where it cannot be computed.
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor>;

    /// Originals that give `value`, or one near to it: the value itself unless said. It is asked once, when the
    /// parametrization is registered.
    ///
    /// # Errors
    /// Where there are none.
    fn right_inverse(&self, value: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![value.clone()])
    }

    /// The names of originals and of the parametrization's tensors in PyTorch's states from before parametrizations: what
    /// stood behind the parameter's name, and what the tensor is called now, `("_g", "original0")`.
    fn old_names(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// What a [`Parametrization`] is rebuilt by in a box; every one is.
pub trait RebuildParametrization {
    /// [`Module::rebuild`] in a box.
    #[doc(hidden)]
    fn rebuild_parametrization(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Parametrization>>;
}

impl<P: Parametrization> RebuildParametrization for P {
    fn rebuild_parametrization(&self, with: &mut Rebuild<'_>) -> Result<Box<dyn Parametrization>> {
        Ok(Box::new(self.rebuild(with)?))
    }
}

/// The parametrizations of one parameter, and its originals: what stands under `parametrizations.weight` in the names of
/// a module's parts.
pub struct ParametrizationList {
    originals: Vec<Parameter>,
    parametrizations: Vec<Box<dyn Parametrization>>,
    /// The identity of the parameter, by which its module may be known.
    place: ModuleId,
    /// Its tensors have their old names, beside the module's own: `weight_g`.
    flat: bool,
    _count: Count,
}

/// How many lists there are. While there is none, no call looks for them.
static LISTS: AtomicUsize = AtomicUsize::new(0);

/// One list among the [`LISTS`], and for calls something that hangs on modules.
struct Count;

impl Count {
    fn new() -> Count {
        LISTS.fetch_add(1, Ordering::AcqRel);
        hooks::hang(1);
        Count
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        LISTS.fetch_sub(1, Ordering::AcqRel);
        hooks::hang(-1);
    }
}

/// True where there is a parametrized parameter anywhere.
#[inline]
pub(crate) fn any() -> bool {
    LISTS.load(Ordering::Acquire) > 0
}

thread_local! {
    /// What was computed in the scope of [`cached`], by the address of the list, which is kept.
    static CACHE: RefCell<Option<HashMap<usize, (Arc<ParametrizationList>, Tensor)>>> = const { RefCell::new(None) };
}

/// While `f` runs, each parametrized parameter is computed once, on this thread: `parametrize.cached`. Inside, its
/// originals are not to be changed.
///
/// ```
/// use flambeau_nn::{Call, LSTMCell, utils::parametrize, utils::weight_norm};
/// use flambeau_tensor::Tensor;
///
/// let mut cell = LSTMCell::new(4, 8).build()?;
/// weight_norm(&mut cell, "weight_hh", 0)?;
/// let x = Tensor::randn([2, 4]).build()?;
/// let (h, _) = parametrize::cached(|| {
///     let mut state = cell.call(&x)?;
///     for _ in 0..10 {
///         state = cell.call((&x, (&state.0, &state.1)))?;
///     }
///     Ok(state)
/// })?;
/// assert_eq!(h.shape(), [2, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Those of `f`.
pub fn cached<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            if self.0 {
                let gone = CACHE.with(|cache| cache.borrow_mut().take());
                drop(gone);
            }
        }
    }
    let outermost = CACHE.with(|cache| {
        let mut cache = cache.borrow_mut();
        let fresh = cache.is_none();
        cache.get_or_insert_with(HashMap::new);
        fresh
    });
    let _back = Back(outermost);
    f()
}

impl ParametrizationList {
    /// The parameter that the originals stand for, with its history.
    #[track_caller]
    pub(crate) fn value(self: &Arc<Self>) -> Result<Tensor> {
        let key = Arc::as_ptr(self) as usize;
        let known = CACHE.with(|cache| Some(cache.borrow().as_ref()?.get(&key)?.1.clone()));
        if let Some(known) = known {
            return Ok(known);
        }
        let value = self.compute()?;
        CACHE.with(|cache| {
            if let Some(cache) = &mut *cache.borrow_mut() {
                cache.insert(key, (self.clone(), value.clone()));
            }
        });
        Ok(value)
    }

    #[track_caller]
    fn compute(&self) -> Result<Tensor> {
        let mut tensors: Vec<Tensor> = self.originals.iter().map(|original| original.tensor().clone()).collect();
        for parametrization in &self.parametrizations {
            tensors = vec![parametrization.forward(&tensors)?];
        }
        match tensors.pop() {
            Some(value) => Ok(value),
            None => bail!(Argument, "parametrize", "a parameter without originals"),
        }
    }

    /// What the parameter is computed from.
    pub fn originals(&self) -> &[Parameter] {
        &self.originals
    }

    /// How it is computed, one after another.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &dyn Parametrization> + ExactSizeIterator {
        self.parametrizations.iter().map(Box::as_ref)
    }

    pub(crate) fn place(&self) -> &ModuleId {
        &self.place
    }

    /// The names of its tensors in states from before parametrizations.
    pub(crate) fn old_names(&self) -> &'static [(&'static str, &'static str)] {
        self.parametrizations.first().map_or(&[], |first| first.old_names())
    }

    /// Its parts for a visitor of the parameter's module.
    pub(crate) fn visit_in<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        if !self.flat {
            return visitor(&format!("parametrizations.{name}"), Item::Module(self));
        }
        let table = self.old_names();
        self.walk("", &mut |path, item| {
            if let Some((suffix, _)) = table.iter().find(|(_, new)| *new == path) {
                visitor(&format!("{name}{suffix}"), item);
            } else if matches!(item, Item::Mode(_)) {
                visitor(&format!("{name}.{path}"), item);
            }
        });
    }
}

impl Module for ParametrizationList {
    fn type_name(&self) -> &'static str {
        "ParametrizationList"
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        match &self.originals[..] {
            [one] => one.visit_as("original", visitor),
            several => {
                for (i, original) in several.iter().enumerate() {
                    original.visit_as(&format!("original{i}"), visitor);
                }
            }
        }
        for (i, parametrization) in self.parametrizations.iter().enumerate() {
            visitor(&i.to_string(), Item::Module(parametrization.as_module()));
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        for (i, parametrization) in self.parametrizations.iter_mut().enumerate() {
            visitor(&i.to_string(), ItemMut::Module(parametrization.as_module_mut()));
        }
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        let originals = self.originals.iter().map(|original| original.rebuild_part(with)).collect::<Result<_>>()?;
        let rebuilt = |p: &Box<dyn Parametrization>| p.rebuild_parametrization(with);
        let parametrizations = self.parametrizations.iter().map(rebuilt).collect::<Result<_>>()?;
        let place = with.id(&self.place);
        Ok(ParametrizationList { originals, parametrizations, place, flat: self.flat, _count: Count::new() })
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }
}

impl fmt::Debug for ParametrizationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::print_module(self, f)
    }
}

/// Computes the parameter `name` of `module` by `parametrization` from now on, whenever the module, or one that it is in,
/// is called. The name may be a path, `0.weight`. The parameter's place among the parts is taken by its originals, under
/// `parametrizations.weight`, which an optimizer made afterwards trains. On a parameter that is parametrized already it
/// is put behind what is there.
///
/// # Errors
/// Where there is no such parameter, or what is computed has another shape or dtype.
#[track_caller]
pub fn register_parametrization<M: Module + ?Sized>(
    module: &mut M,
    name: &str,
    parametrization: impl Parametrization,
) -> Result<()> {
    register(module, name, Box::new(parametrization), false)
}

/// [`register_parametrization`], its tensors under their old names where `flat`.
#[track_caller]
pub(crate) fn register<M: Module + ?Sized>(
    module: &mut M,
    name: &str,
    parametrization: Box<dyn Parametrization>,
    flat: bool,
) -> Result<()> {
    change(module, name, |parameter| parametrize(parameter, parametrization, flat))
}

/// Takes the parametrizations of the parameter `name` away. Where `leave_parametrized`, it keeps the value that they gave
/// it; else it gets its original back. Where there is one original, the parameter is that tensor, so an optimizer that
/// trains the original goes on with the parameter.
///
/// # Errors
/// Where there is no such parameter, it is not parametrized, or it has several originals and is to be one of them.
#[track_caller]
pub fn remove_parametrizations<M: Module + ?Sized>(module: &mut M, name: &str, leave_parametrized: bool) -> Result<()> {
    const NAME: &str = "remove_parametrizations";
    change(module, name, |parameter| {
        let Some(list) = parameter.parametrizations().cloned() else {
            bail!(Argument, NAME, "{name:?} is not parametrized")
        };
        let original = match list.originals() {
            [one] => Some(one.tensor().clone()),
            _ => None,
        };
        let tensor = match (original, leave_parametrized) {
            (Some(original), false) => original,
            (Some(original), true) => {
                let value = no_grad(|| list.value())?;
                if original.shape() == value.shape() && original.dtype() == value.dtype() && original.is_leaf() {
                    no_grad(|| original.copy_(&value).map(drop))?;
                    original
                } else {
                    leaf(&value, original.requires_grad())?
                }
            }
            (None, true) => leaf(&no_grad(|| list.value())?, list.originals().iter().any(|o| o.requires_grad()))?,
            (None, false) => bail!(
                Argument,
                NAME,
                "{name:?} is computed from {} originals, none of which it could be: leave it parametrized",
                list.originals().len()
            ),
        };
        parameter.put(tensor, None);
        Ok(())
    })
}

/// True where a parameter of `module` itself, that `name` or any, is parametrized.
pub fn is_parametrized<M: Module + ?Sized>(module: &M, name: Option<&str>) -> bool {
    let mut found = false;
    module.visit(&mut |part, item| {
        found |= matches!(item, Item::Module(m) if m.downcast_ref::<ParametrizationList>().is_some())
            && name.is_none_or(|name| part.strip_prefix("parametrizations.") == Some(name));
    });
    found
}

/// True where a parameter of `module` or of a module inside is parametrized.
pub(crate) fn anywhere_in(module: &DynModule) -> bool {
    let mut found = module.downcast_ref::<ParametrizationList>().is_some();
    module.visit(&mut |_, item| match item {
        Item::Module(inner) if !found => found = anywhere_in(inner),
        // One whose parts have their old names.
        Item::Parameter(parameter) if !found => found = parameter.is_original(),
        _ => {}
    });
    found
}

/// A leaf of its own with the elements of `value`.
fn leaf(value: &Tensor, requires_grad: bool) -> Result<Tensor> {
    let tensor = value.detach();
    if requires_grad {
        tensor.set_requires_grad(true)?;
    }
    Ok(tensor)
}

/// Calls `f` with the parameter that `path` names.
#[track_caller]
pub(crate) fn change<M: Module + ?Sized>(
    module: &mut M,
    path: &str,
    f: impl FnOnce(&mut Parameter) -> Result<()>,
) -> Result<()> {
    let (mut f, mut done) = (Some(f), None);
    find(module.as_module_mut(), path, &mut |parameter| done = f.take().map(|f| f(parameter)));
    match done {
        Some(done) => done,
        None if module_has(module.as_module(), path) => bail!(
            Argument,
            "parametrize",
            "{path:?} is in a module that stands at several places: change it before it is put there"
        ),
        None => bail!(Argument, "parametrize", "{} has no parameter {path:?}", module.type_name()),
    }
}

fn module_has(module: &DynModule, path: &str) -> bool {
    let mut found = false;
    module.walk("", &mut |name, item| found |= name == path && matches!(item, Item::Parameter(_)));
    found
}

fn find(module: &mut DynModule, path: &str, f: &mut dyn FnMut(&mut Parameter)) {
    module.visit_mut(&mut |name, item| match item {
        ItemMut::Parameter(parameter) if name == path => f(parameter),
        ItemMut::Module(inner) => {
            if let Some(rest) = path.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
                find(inner, rest, f);
            }
        }
        _ => {}
    });
}

#[track_caller]
fn parametrize(parameter: &mut Parameter, parametrization: Box<dyn Parametrization>, flat: bool) -> Result<()> {
    const NAME: &str = "register_parametrization";
    ensure!(
        !parameter.is_uninitialized(),
        Argument,
        NAME,
        "the parameter has no elements yet: call its module once before it is parametrized"
    );
    let kind = parametrization.type_name();
    let same = |fresh: &Tensor, old: &Tensor| {
        ensure!(
            fresh.shape() == old.shape() && fresh.dtype() == old.dtype(),
            Argument,
            NAME,
            "{kind} makes {} {:?} of a parameter that is {} {:?}",
            fresh.dtype(),
            fresh.shape(),
            old.dtype(),
            old.shape()
        );
        Ok(())
    };
    if let Some(list) = parameter.parametrizations_mut() {
        let Some(list) = Arc::get_mut(list) else {
            bail!(Argument, NAME, "a clone of the parameter is parametrized, too: parametrize it before it is cloned")
        };
        let (before, fresh) = no_grad(|| -> Result<_> {
            let before = list.compute()?;
            Ok((before.clone(), parametrization.forward(&[before])?))
        })?;
        same(&fresh, &before)?;
        list.parametrizations.push(parametrization);
        parameter.set_value(fresh.detach());
        return Ok(());
    }
    let old = parameter.tensor().clone();
    let (inverse, fresh) = no_grad(|| -> Result<_> {
        let inverse = parametrization.right_inverse(&old.detach())?;
        let fresh = parametrization.forward(&inverse)?;
        Ok((inverse, fresh))
    })?;
    ensure!(!inverse.is_empty(), Argument, NAME, "{kind} gives no originals");
    same(&fresh, &old)?;
    let alone = inverse.len() == 1;
    let originals = inverse.into_iter().map(|original| {
        // The tensor itself stays the leaf that an optimizer may know.
        let itself = alone && original.storage().is(old.storage()) && original.layout() == old.layout();
        let tensor = if itself { old.clone() } else { leaf(&original, old.requires_grad())? };
        Ok(Parameter::original(tensor))
    });
    let originals = originals.collect::<Result<Vec<_>>>()?;
    let place = parameter.place().same();
    let list =
        ParametrizationList { originals, parametrizations: vec![parametrization], place, flat, _count: Count::new() };
    parameter.put(fresh.detach(), Some(Arc::new(list)));
    Ok(())
}
