//! What tells one module from another, wherever it moves: hooks hang on it.

use crate::DynModule;
use crate::hooks;
use crate::parametrize::ParametrizationList;
use crate::part::Item;
use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

/// The identity of a module. Every parameter, buffer and [`Mode`](crate::Mode) has one of its own, and a module is
/// known by the first of its parts; one without any of them, or whose parts are replaced while hooks hang on it, keeps
/// a `ModuleId` as a field.
///
/// A clone is another identity.
///
/// ```
/// use flambeau_nn::{Forward, Module, ModuleId};
/// use flambeau_tensor::{Result, Tensor};
///
/// #[derive(Module, Default)]
/// struct Swish { id: ModuleId }
///
/// impl Forward<&Tensor> for Swish {
///     type Output = Tensor;
///     fn forward(&self, x: &Tensor) -> Result<Tensor> { x.mul(&x.sigmoid()?) }
/// }
/// ```
pub struct ModuleId(Arc<Mark>);

/// What an identity is. The hooks that hang on one go with it.
pub(crate) struct Mark;

impl Drop for Mark {
    fn drop(&mut self) {
        hooks::forget_gone();
    }
}

impl ModuleId {
    /// A new one.
    pub fn new() -> ModuleId {
        ModuleId(Arc::new(Mark))
    }

    /// The same identity, for the same module rebuilt.
    pub(crate) fn same(&self) -> ModuleId {
        ModuleId(self.0.clone())
    }
}

impl Default for ModuleId {
    fn default() -> ModuleId {
        ModuleId::new()
    }
}

impl Clone for ModuleId {
    fn clone(&self) -> ModuleId {
        ModuleId::new()
    }
}

impl fmt::Debug for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModuleId")
    }
}

/// What a module is known by: the identity of one of its parts, and the types from the module down to it, for a
/// module and the first one inside share that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    id: usize,
    types: u64,
}

/// The key of `module`, and a witness that it is still there.
pub(crate) fn key(module: &DynModule) -> Option<(Key, Weak<Mark>)> {
    let (id, types) = find(module)?;
    Some((Key { id: Arc::as_ptr(&id.0) as usize, types }, Arc::downgrade(&id.0)))
}

fn find(module: &DynModule) -> Option<(&ModuleId, u64)> {
    let own_type = (module as &dyn Any).type_id();
    let hashed = |inner: u64| {
        let mut hasher = DefaultHasher::new();
        (own_type, inner).hash(&mut hasher);
        hasher.finish()
    };
    let (mut own, mut first) = (None, None);
    module.visit(&mut |_, item| match item {
        Item::Id(id) => own = own.or(Some(id)),
        Item::Parameter(parameter) if first.is_none() => first = Some((parameter.place(), 0)),
        Item::Buffer(buffer) if first.is_none() => first = Some((buffer.place(), 0)),
        Item::Mode(mode) if first.is_none() => first = Some((mode.place(), 0)),
        // A parameter that is computed is still the module's.
        Item::Module(inner) if first.is_none() => {
            first = match inner.downcast_ref::<ParametrizationList>() {
                Some(list) => Some((list.place(), 0)),
                None => find(inner),
            }
        }
        _ => {}
    });
    let (id, inner) = own.map(|id| (id, 0)).or(first)?;
    Some((id, hashed(inner)))
}
