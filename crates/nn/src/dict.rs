//! [`ModuleDict`], parts by name in the order in which they were put in; and the names of PyTorch's other containers.

use crate::part::{Visitor, VisitorMut};
use crate::sequential::check_name;
use crate::{DynModule, Layer, Module, Parameter, Part, Rebuild};
use flambeau_tensor::{Build, Result};
use std::fmt;

/// A list of modules: `torch.nn.ModuleList`. A `Vec` of modules is one.
pub type ModuleList<M = Box<dyn Layer>> = Vec<M>;

/// A list of parameters: `torch.nn.ParameterList`. A `Vec` of them is one.
pub type ParameterList = Vec<Parameter>;

/// Parameters by name: `torch.nn.ParameterDict`.
pub type ParameterDict = ModuleDict<Parameter>;

/// Modules by name, in the order in which they were put in: `torch.nn.ModuleDict`. (A `BTreeMap` of modules is a
/// part of a module, too, in the order of the names.)
///
/// ```
/// use flambeau_nn::{Call, Linear, Module, ModuleDict};
/// use flambeau_tensor::Tensor;
///
/// #[derive(Module)]
/// struct Net { heads: ModuleDict<Linear> }
///
/// let heads = ModuleDict::of([("words", Linear::new(8, 100)), ("tags", Linear::new(8, 5))])?;
/// let net = Net { heads };
/// let head = net.heads.get("tags").expect("there is one");
/// assert_eq!(head.call(&Tensor::zeros([1, 8]).build()?)?.shape(), [1, 5]);
/// assert_eq!(net.state_dict().keys().next(), Some("heads.words.weight"));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct ModuleDict<P: Part = Box<dyn Layer>> {
    parts: Vec<(String, P)>,
}

impl<P: Part> ModuleDict<P> {
    /// Without parts.
    pub fn new() -> Self {
        ModuleDict { parts: Vec::new() }
    }

    /// Named parts, or builders of them.
    ///
    /// # Errors
    /// Where a name is empty, has a dot or stands twice, or a builder's options do not go together.
    #[track_caller]
    pub fn of<N: Into<String>, B: Build<Output = P>>(parts: impl IntoIterator<Item = (N, B)>) -> Result<Self> {
        let mut dict = Self::new();
        for (name, part) in parts {
            let name = name.into();
            check_name("ModuleDict", &name, dict.contains_key(&name))?;
            dict.parts.push((name, part.build()?));
        }
        Ok(dict)
    }

    /// Puts a part under a name: at the end, or in the place of the one that has it, which is given back.
    ///
    /// # Errors
    /// Where the name is empty or has a dot.
    #[track_caller]
    pub fn insert(&mut self, name: impl Into<String>, part: P) -> Result<Option<P>> {
        let name = name.into();
        check_name("ModuleDict", &name, false)?;
        if let Some((_, own)) = self.parts.iter_mut().find(|(n, _)| *n == name) {
            return Ok(Some(std::mem::replace(own, part)));
        }
        self.parts.push((name, part));
        Ok(None)
    }

    /// Takes a part out: `pop`.
    pub fn remove(&mut self, name: &str) -> Option<P> {
        let at = self.parts.iter().position(|(n, _)| n == name)?;
        Some(self.parts.remove(at).1)
    }

    /// The part of this name.
    pub fn get(&self, name: &str) -> Option<&P> {
        self.parts.iter().find(|(n, _)| n == name).map(|(_, part)| part)
    }

    /// The part of this name, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut P> {
        self.parts.iter_mut().find(|(n, _)| n == name).map(|(_, part)| part)
    }

    /// True where there is a part of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The number of parts.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// True without parts.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Names and parts, in order: `items`.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &P)> + ExactSizeIterator {
        self.parts.iter().map(|(name, part)| (name.as_str(), part))
    }

    /// The names, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// The parts, in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &P> + ExactSizeIterator {
        self.parts.iter().map(|(_, part)| part)
    }
}

impl<P: Part> Default for ModuleDict<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Part> Module for ModuleDict<P> {
    fn type_name(&self) -> &'static str {
        if crate::part::holds_tensors(self) { "ParameterDict" } else { "ModuleDict" }
    }

    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        for (name, part) in &self.parts {
            part.visit_as(name, visitor);
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        for (name, part) in &mut self.parts {
            part.visit_as_mut(name, visitor);
        }
    }

    fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Self> {
        let rebuilt = |(name, part): &(String, P)| Ok((name.clone(), part.rebuild_part(with)?));
        Ok(ModuleDict { parts: self.parts.iter().map(rebuilt).collect::<Result<_>>()? })
    }

    fn as_module(&self) -> &DynModule {
        self
    }

    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }

    fn is_plain_list() -> bool {
        P::is_plain()
    }
}

impl<P: Part> fmt::Debug for ModuleDict<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::print_module(self, f)
    }
}
