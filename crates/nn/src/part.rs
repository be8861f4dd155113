//! What a field of a module can be: a parameter, a buffer, a module, a list, a tuple or an option of those, or
//! plain data. `#[derive(Module)]` hands every field to a visitor by [`Part`]; everything that people do
//! with a module's parts is such a visitor.

use crate::{Boxed, Buffer, DynModule, ExtraState, Mode, Module, ModuleId, Parameter, Rebuild};
use flambeau_tensor::{DType, Device, Error, ErrorKind, Result, Scalar};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// One part of a module, as a visitor sees it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Item<'a> {
    /// a tensor that training changes
    Parameter(&'a Parameter),
    /// a tensor that is state but not trained
    Buffer(&'a Buffer),
    /// whether the module trains
    Mode(&'a Mode),
    /// what the module is known by
    Id(&'a ModuleId),
    /// a module inside the module
    Module(&'a DynModule),
    /// what the module's state has beside tensors
    Extra(&'a dyn ExtraState),
}

/// One part of a module that may be replaced.
#[non_exhaustive]
pub enum ItemMut<'a> {
    /// a tensor that training changes
    Parameter(&'a mut Parameter),
    /// a tensor that is state but not trained
    Buffer(&'a mut Buffer),
    /// a module inside the module
    Module(&'a mut DynModule),
}

/// What [`Module::visit`] calls with the name of each part and the part.
pub type Visitor<'f, 'a> = dyn FnMut(&str, Item<'a>) + 'f;

/// What [`Module::visit_mut`] calls with the name of each part and the part.
pub type VisitorMut<'f> = dyn FnMut(&str, ItemMut<'_>) + 'f;

/// A type that can stand in a field of a module.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a part of a module",
    label = "neither parameter, buffer, module nor plain data",
    note = "a trained tensor is a `Parameter`, another tensor that belongs to the state a `Buffer`, a module derives `Module`;",
    note = "put `#[module(skip)]` on a field that is none of these"
)]
pub trait Part: Send + Sync + 'static {
    /// Calls `visitor` with this part under `name`; not at all where there is nothing to see.
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>);

    /// Calls `visitor` with this part under `name`, to replace what is in it.
    fn visit_as_mut(&mut self, name: &str, visitor: &mut VisitorMut<'_>);

    /// This part for the module that is made from its module, with other tensors.
    ///
    /// # Errors
    /// Where a tensor cannot be changed.
    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<Self>
    where
        Self: Sized;

    /// True for data that has no tensors in it by its type.
    #[doc(hidden)]
    fn is_plain() -> bool
    where
        Self: Sized,
    {
        false
    }
}

impl<M: Module> Part for M {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        if !M::is_plain_list() {
            visitor(name, Item::Module(self.as_module()));
        }
    }

    fn visit_as_mut(&mut self, name: &str, visitor: &mut VisitorMut<'_>) {
        if !M::is_plain_list() {
            visitor(name, ItemMut::Module(self.as_module_mut()));
        }
    }

    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<M> {
        self.rebuild(with)
    }

    fn is_plain() -> bool {
        M::is_plain_list()
    }
}

/// Where it is computed from others, these are the parts.
impl Part for Parameter {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        match self.parametrizations() {
            Some(list) => list.visit_in(name, visitor),
            None => visitor(name, Item::Parameter(self)),
        }
    }

    fn visit_as_mut(&mut self, name: &str, visitor: &mut VisitorMut<'_>) {
        visitor(name, ItemMut::Parameter(self));
    }

    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<Parameter> {
        self.rebuilt(with)
    }
}

impl Part for Buffer {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        visitor(name, Item::Buffer(self));
    }

    fn visit_as_mut(&mut self, name: &str, visitor: &mut VisitorMut<'_>) {
        visitor(name, ItemMut::Buffer(self));
    }

    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<Buffer> {
        self.rebuilt(with)
    }
}

impl Part for Mode {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        visitor(name, Item::Mode(self));
    }

    fn visit_as_mut(&mut self, _: &str, _: &mut VisitorMut<'_>) {}

    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<Mode> {
        Ok(self.rebuilt(with.id(self.place())))
    }
}

impl Part for ModuleId {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        visitor(name, Item::Id(self));
    }

    fn visit_as_mut(&mut self, _: &str, _: &mut VisitorMut<'_>) {}

    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<ModuleId> {
        Ok(with.id(self))
    }
}

/// `None` is no part: it has no name in the state dict.
impl<P: Part> Part for Option<P> {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut Visitor<'_, 'a>) {
        if let Some(part) = self {
            part.visit_as(name, visitor);
        }
    }

    fn visit_as_mut(&mut self, name: &str, visitor: &mut VisitorMut<'_>) {
        if let Some(part) = self {
            part.visit_as_mut(name, visitor);
        }
    }

    fn rebuild_part(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        self.as_ref().map(|part| part.rebuild_part(with)).transpose()
    }

    fn is_plain() -> bool {
        P::is_plain()
    }
}

macro_rules! plain {
    ($($t:ty),* $(,)?) => {$(
        /// Plain data: no part of the state.
        #[allow(clippy::clone_on_copy)]
        impl Part for $t {
            fn visit_as<'a>(&'a self, _: &str, _: &mut Visitor<'_, 'a>) {}
            fn visit_as_mut(&mut self, _: &str, _: &mut VisitorMut<'_>) {}
            fn rebuild_part(&self, _: &mut Rebuild<'_>) -> Result<Self> { Ok(self.clone()) }
            fn is_plain() -> bool { true }
        }
    )*};
}
plain!(
    (),
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    isize,
    f32,
    f64,
    String,
    &'static str,
    DType,
    Device,
    Scalar,
    std::time::Duration,
    std::path::PathBuf,
);

/// What the derive calls for a field whose parts stand among those of its module. With a `pattern` the field is a list of
/// modules, and a part of one is called by it: `weight_ih_l0` by `{name}_l{index}`.
#[doc(hidden)]
pub fn visit_flat<'a, P: Part>(part: &'a P, pattern: &str, visitor: &mut Visitor<'_, 'a>) {
    part.visit_as("", &mut |_, item| {
        let Item::Module(module) = item else { return };
        module.visit(&mut |outer, item| match item {
            // What the field is known by is not what its module is known by.
            Item::Id(_) => {}
            Item::Module(inner) if !pattern.is_empty() => inner.visit(&mut |name, item| {
                if !matches!(item, Item::Id(_)) {
                    visitor(&flat_name(pattern, name, outer), item);
                }
            }),
            item => visitor(outer, item),
        });
    });
}

/// [`visit_flat`] for what may be replaced.
#[doc(hidden)]
pub fn visit_flat_mut<P: Part>(part: &mut P, pattern: &str, visitor: &mut VisitorMut<'_>) {
    part.visit_as_mut("", &mut |_, item| {
        let ItemMut::Module(module) = item else { return };
        module.visit_mut(&mut |outer, item| match item {
            ItemMut::Module(inner) if !pattern.is_empty() => {
                inner.visit_mut(&mut |name, item| visitor(&flat_name(pattern, name, outer), item));
            }
            item => visitor(outer, item),
        });
    });
}

fn flat_name(pattern: &str, name: &str, index: &str) -> String {
    pattern.replace("{name}", name).replace("{index}", index)
}

/// Says of a type of one's own that it is plain data: an enum of options, say, that a module keeps.
///
/// ```
/// #[derive(Clone, Copy)]
/// enum Pooling { Mean, Max }
/// flambeau_nn::plain_parts!(Pooling);
///
/// #[derive(flambeau_nn::Module)]
/// struct Head { pooling: Pooling }
/// assert!(flambeau_nn::Module::state_dict(&Head { pooling: Pooling::Max }).is_empty());
/// # let _ = Pooling::Mean;
/// ```
#[macro_export]
macro_rules! plain_parts {
    ($($t:ty),* $(,)?) => {$(
        #[allow(clippy::clone_on_copy)]
        impl $crate::Part for $t {
            fn visit_as<'a>(&'a self, _: &str, _: &mut $crate::Visitor<'_, 'a>) {}
            fn visit_as_mut(&mut self, _: &str, _: &mut $crate::VisitorMut<'_>) {}
            fn rebuild_part(&self, _: &mut $crate::Rebuild<'_>) -> $crate::Result<Self> { Ok(self.clone()) }
            fn is_plain() -> bool { true }
        }
    )*};
}

impl<T: Send + Sync + 'static> Part for PhantomData<T> {
    fn visit_as<'a>(&'a self, _: &str, _: &mut Visitor<'_, 'a>) {}
    fn visit_as_mut(&mut self, _: &str, _: &mut VisitorMut<'_>) {}
    fn rebuild_part(&self, _: &mut Rebuild<'_>) -> Result<Self> {
        Ok(PhantomData)
    }
    fn is_plain() -> bool {
        true
    }
}

/// What the elements of a list are, to name it as PyTorch does.
#[derive(Clone, Copy, PartialEq)]
enum Elements {
    None,
    Modules,
    Tensors,
}

/// True for a list of parameters or buffers.
pub(crate) fn holds_tensors(list: &dyn Module) -> bool {
    elements(list) == Elements::Tensors
}

fn elements(list: &dyn Module) -> Elements {
    let mut kind = Elements::None;
    list.visit(&mut |_, item| {
        kind = match item {
            Item::Parameter(_) | Item::Buffer(_) if kind == Elements::None => Elements::Tensors,
            Item::Module(_) => Elements::Modules,
            _ => kind,
        }
    });
    kind
}

macro_rules! list {
    ($(#[$doc:meta])* [$($generics:tt)*] $t:ty, |$parts:ident| $collect:expr) => {
        $(#[$doc])*
        impl<$($generics)*> Module for $t {
            fn type_name(&self) -> &'static str {
                if holds_tensors(self) { "ParameterList" } else { "ModuleList" }
            }

            fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
                for (i, part) in self.iter().enumerate() {
                    part.visit_as(&i.to_string(), visitor);
                }
            }

            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                for (i, part) in self.iter_mut().enumerate() {
                    part.visit_as_mut(&i.to_string(), visitor);
                }
            }

            fn as_module(&self) -> &DynModule {
                self
            }

            fn as_module_mut(&mut self) -> &mut DynModule {
                self
            }

            fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
                let $parts = self.iter().map(|part| part.rebuild_part(with)).collect::<Result<Vec<P>>>()?;
                $collect
            }

            fn is_plain_list() -> bool {
                P::is_plain()
            }
        }
    };
}
list!(
    /// PyTorch's `ModuleList` (and `ParameterList`): the elements are called `0`, `1`, ….
    [P: Part] Vec<P>, |parts| Ok(parts)
);
list!(
    /// As a `Vec`.
    [P: Part, const N: usize] [P; N], |parts| <[P; N]>::try_from(parts)
        .map_err(|_| Error::new(ErrorKind::Argument, "rebuild", "a list changed its length".to_string()))
);

macro_rules! tuples {
    ($(($($P:ident $i:tt),+))*) => {$(
        /// As a `Vec`, of parts of different kinds.
        impl<$($P: Part),+> Module for ($($P,)+) {
            fn type_name(&self) -> &'static str {
                if holds_tensors(self) { "ParameterList" } else { "ModuleList" }
            }

            fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
                $(self.$i.visit_as(stringify!($i), visitor);)+
            }

            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                $(self.$i.visit_as_mut(stringify!($i), visitor);)+
            }

            fn as_module(&self) -> &DynModule {
                self
            }

            fn as_module_mut(&mut self) -> &mut DynModule {
                self
            }

            fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
                Ok(($(self.$i.rebuild_part(with)?,)+))
            }

            fn is_plain_list() -> bool {
                $($P::is_plain())&&+
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
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// PyTorch's `ModuleDict`, its elements in the order of their names.
impl<P: Part> Module for BTreeMap<String, P> {
    fn type_name(&self) -> &'static str {
        if holds_tensors(self) { "ParameterDict" } else { "ModuleDict" }
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        for (name, part) in self {
            part.visit_as(name, visitor);
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        for (name, part) in self {
            part.visit_as_mut(name, visitor);
        }
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        self.iter().map(|(name, part)| Ok((name.clone(), part.rebuild_part(with)?))).collect()
    }

    fn is_plain_list() -> bool {
        P::is_plain()
    }
}

/// A boxed module is the module.
impl<M: Boxed + ?Sized> Module for Box<M> {
    fn type_name(&self) -> &'static str {
        (**self).type_name()
    }

    fn extra_repr(&self) -> String {
        (**self).extra_repr()
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        (**self).visit(visitor);
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        (**self).visit_mut(visitor);
    }

    fn as_module(&self) -> &DynModule {
        (**self).as_module()
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        (**self).as_module_mut()
    }
    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        (**self).rebuild_boxed(with)
    }
}
