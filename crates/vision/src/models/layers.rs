//! What layers inside a chain give, as torchvision's `IntermediateLayerGetter`.

use flambeau_nn::{
    Build, Call, DynModule, Forward, Module, Rebuild, Sequential, Tensors, Visitor, VisitorMut, print_module,
};
use flambeau_tensor::{Result, Tensor};
use std::fmt;

/// A chain whose layers at some places are told under names. Its parts are those of the chain.
pub(crate) struct IntermediateLayerGetter {
    chain: Sequential,
    returned: Vec<(usize, String)>,
}

impl IntermediateLayerGetter {
    /// The layers of `chain` at these places, in order.
    pub(crate) fn new(chain: Sequential, returned: Vec<(usize, String)>) -> Self {
        IntermediateLayerGetter { chain, returned }
    }
}

/// Tensors under names.
#[derive(Clone, Debug)]
pub(crate) struct NamedMaps(pub(crate) Vec<(String, Tensor)>);

impl Tensors for NamedMaps {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        self.0.iter().for_each(|(_, map)| f(map));
    }

    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        self.0.iter_mut().for_each(|(_, map)| f(map));
    }
}

impl Forward<&Tensor> for IntermediateLayerGetter {
    type Output = NamedMaps;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<NamedMaps> {
        let (mut x, mut maps) = (x.clone(), Vec::with_capacity(self.returned.len()));
        for (i, layer) in self.chain.iter().enumerate() {
            x = layer.call(&x)?;
            let named = self.returned.iter().find(|(at, _)| *at == i);
            maps.extend(named.map(|(_, name)| (name.clone(), x.clone())));
        }
        Ok(NamedMaps(maps))
    }
}

impl Module for IntermediateLayerGetter {
    fn type_name(&self) -> &'static str {
        "IntermediateLayerGetter"
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        self.chain.visit(visitor);
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        self.chain.visit_mut(visitor);
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        Ok(IntermediateLayerGetter { chain: self.chain.rebuild(with)?, returned: self.returned.clone() })
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }
}

impl fmt::Debug for IntermediateLayerGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_module(self, f)
    }
}

impl Build for IntermediateLayerGetter {
    type Output = Self;
    fn build(self) -> Result<Self> {
        Ok(self)
    }
}
