//! Modules of one kind under names of their own, in the order in which they were put there.

use flambeau_nn::{Build, DynModule, Item, Module, ModuleId, Part, Rebuild, Visitor, VisitorMut, print_module};
use flambeau_tensor::Result;
use std::fmt;

/// A list of modules that have names, as PyTorch's `ModuleDict`.
pub(crate) struct Named<M> {
    id: ModuleId,
    modules: Vec<(String, M)>,
}

impl<M: Module> Named<M> {
    /// These ones.
    pub(crate) fn new(modules: Vec<(String, M)>) -> Self {
        Named { id: ModuleId::new(), modules }
    }

    /// The modules in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &M> + ExactSizeIterator {
        self.modules.iter().map(|(_, module)| module)
    }
}

impl<M: Module> Module for Named<M> {
    fn type_name(&self) -> &'static str {
        "ModuleDict"
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor("id", Item::Id(&self.id));
        for (name, module) in &self.modules {
            module.visit_as(name, visitor);
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        for (name, module) in &mut self.modules {
            module.visit_as_mut(name, visitor);
        }
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        let rebuilt = |(name, module): &(String, M)| Ok((name.clone(), module.rebuild(with)?));
        Ok(Named { modules: self.modules.iter().map(rebuilt).collect::<Result<_>>()?, id: self.id.rebuild_part(with)? })
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }
}

impl<M: Module> fmt::Debug for Named<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_module(self, f)
    }
}

impl<M: Module> Build for Named<M> {
    type Output = Self;
    fn build(self) -> Result<Self> {
        Ok(self)
    }
}
