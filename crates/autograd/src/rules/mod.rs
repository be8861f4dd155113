//! Derivatives: one [`Rule`] for each op of the vocabulary, in the file of the op's family.
//!
//! A rule is written in tensor ops, so that higher orders come by themselves, and reads like the formula
//! in a textbook. For a complex input it gives the conjugate Wirtinger gradient, as PyTorch does.

mod activation;
mod binary;
mod clamp;
mod conv;
mod factory;
mod fft;
mod index;
mod join;
mod matmul;
mod norm;
mod optim;
mod pad;
mod pool;
mod reduce;
mod scan;
mod scatter;
mod softmax;
mod sort;
mod ternary;
mod unary;
mod view;

use crate::node::{Node, SavedTensor, Slot, backward_error};
use flambeau_tensor::op::{Meta, Op};
use flambeau_tensor::ops::*;
use flambeau_tensor::{ErrorKind, Result, Tensor};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Gradients of an op's inputs; `None` for one that needs none, or that the output does not depend on.
pub type Grads = SmallVec<[Option<Tensor>; 4]>;

/// Whether an op has a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// It has.
    Rule,
    /// Its output is of integers or truth values, or constant: it is not recorded.
    NoGradient,
    /// Its output is a real number whose derivative is not defined or not there: asking for it is an error
    /// that names the op.
    NotDifferentiable,
}

/// What a rule needs kept for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    inputs: u32,
    outputs: u32,
    metas: u32,
}

impl Saves {
    /// Nothing.
    pub const NONE: Saves = Saves { inputs: 0, outputs: 0, metas: 0 };

    /// And input `i`.
    pub const fn input(mut self, i: usize) -> Saves {
        self.inputs |= 1 << i;
        self
    }

    /// And input `i`, if `needed`.
    pub const fn input_if(self, i: usize, needed: bool) -> Saves {
        if needed { self.input(i) } else { self }
    }

    /// And output `i`.
    pub const fn output(mut self, i: usize) -> Saves {
        self.outputs |= 1 << i;
        self
    }

    /// And output `i`, if `needed`.
    pub const fn output_if(self, i: usize, needed: bool) -> Saves {
        if needed { self.output(i) } else { self }
    }

    /// And shape and dtype of input `i`.
    pub const fn meta(mut self, i: usize) -> Saves {
        self.metas |= 1 << i;
        self
    }

    /// And shape and dtype of the first `n` inputs.
    pub const fn metas(mut self, n: usize) -> Saves {
        self.metas |= if n >= 32 { u32::MAX } else { (1 << n) - 1 };
        self
    }

    /// And the first `n` inputs.
    pub const fn inputs(mut self, n: usize) -> Saves {
        self.inputs |= if n >= 32 { u32::MAX } else { (1 << n) - 1 };
        self
    }

    pub(crate) fn wants_input(self, i: usize) -> bool {
        self.inputs >> i.min(31) & 1 == 1
    }

    pub(crate) fn wants_output(self, i: usize) -> bool {
        self.outputs >> i.min(31) & 1 == 1
    }

    pub(crate) fn wants_meta(self, i: usize) -> bool {
        self.metas >> i.min(31) & 1 == 1
    }
}

/// How an op differentiates.
pub trait Rule {
    /// Whether it does.
    const KIND: RuleKind = RuleKind::Rule;

    /// What is to be kept; `needs` says which inputs need a gradient.
    fn saves(&self, _needs: &[bool]) -> Saves {
        Saves::NONE
    }

    /// The gradients of the inputs, from that of the output: the vector-Jacobian product.
    fn vjp(&self, s: &Saved<'_>, _grad: &Tensor) -> Result<Grads> {
        Err(backward_error(ErrorKind::NotDifferentiable, format!("{} has no derivative", s.node.place())))
    }

    /// [`vjp`](Rule::vjp) for an op of several outputs; `None` where an output was not used.
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        match grads.first() {
            Some(Some(grad)) => self.vjp(s, grad),
            _ => Ok(smallvec![None; s.needs.len()]),
        }
    }
}

/// What a node kept, for its rule to read.
pub struct Saved<'a> {
    node: &'a Arc<Node>,
    needs: &'a [bool],
}

impl<'a> Saved<'a> {
    pub(crate) fn new(node: &'a Arc<Node>, needs: &'a [bool]) -> Self {
        Saved { node, needs }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        self.node
    }

    /// Does input `i` need a gradient?
    pub fn needs(&self, i: usize) -> bool {
        self.needs.get(i).copied().unwrap_or(false)
    }

    /// How many inputs the op had.
    pub fn inputs(&self) -> usize {
        self.needs.len()
    }

    /// Input `i`, as it was.
    ///
    /// # Errors
    /// Where it was overwritten since, or freed by an earlier backward.
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let saved = self.node.with_saved(|s| s.tensor(Slot::Input(i as u32)).cloned())?;
        self.there(saved, "input", i)?.get(self.node)
    }

    /// The layout of input `i`, which was saved; its elements may have changed since.
    ///
    /// # Errors
    /// Where it was freed by an earlier backward.
    pub fn input_layout(&self, i: usize) -> Result<flambeau_tensor::Layout> {
        let saved = self.node.with_saved(|s| s.tensor(Slot::Input(i as u32)).map(SavedTensor::layout))?;
        self.there(saved, "input", i)
    }

    /// Output `i`, as it was, with its history.
    ///
    /// # Errors
    /// Where it was overwritten since, or freed by an earlier backward.
    pub fn output(&self, i: usize) -> Result<Tensor> {
        let saved = self.node.with_saved(|s| s.tensor(Slot::Output(i as u32)).cloned())?;
        let value = self.there(saved, "output", i)?.get(self.node)?.detach();
        crate::meta::set_edge(&value, self.node.clone(), i as u32);
        Ok(value)
    }

    /// Shape and dtype of input `i`.
    ///
    /// # Errors
    /// Where they were freed by an earlier backward.
    pub fn meta(&self, i: usize) -> Result<Meta> {
        let saved = self.node.with_saved(|s| s.meta(i as u32).cloned())?;
        self.there(saved, "meta", i)
    }

    /// Shape and dtype of output `i`.
    pub fn output_meta(&self, i: usize) -> &Meta {
        &self.node.outputs[i]
    }

    fn there<T>(&self, saved: Option<T>, what: &str, i: usize) -> Result<T> {
        saved.ok_or_else(|| {
            backward_error(ErrorKind::Autograd, format!("the rule of {} did not save {what} {i}", self.node.place()))
        })
    }

    /// The gradient of the only input.
    pub fn one(&self, f: impl FnOnce() -> Result<Tensor>) -> Result<Grads> {
        Ok(smallvec![if self.needs(0) { Some(f()?) } else { None }])
    }

    /// The gradients of two inputs, each computed only where needed.
    pub fn two(&self, f: impl FnOnce() -> Result<Tensor>, g: impl FnOnce() -> Result<Tensor>) -> Result<Grads> {
        Ok(smallvec![if self.needs(0) { Some(f()?) } else { None }, if self.needs(1) { Some(g()?) } else { None }])
    }

    /// The gradients of three inputs, each computed only where needed.
    pub fn three(
        &self,
        f: impl FnOnce() -> Result<Tensor>,
        g: impl FnOnce() -> Result<Tensor>,
        h: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Grads> {
        let mut grads = self.two(f, g)?;
        grads.push(if self.needs(2) { Some(h()?) } else { None });
        Ok(grads)
    }

    /// The gradients by differentiating `decompose` of the saved inputs (all of them must be saved): the
    /// second order of fused ops.
    pub fn by_decomposition(&self, op: &Op, grads: &[Option<Tensor>]) -> Result<Grads> {
        let inputs: Vec<Tensor> = (0..self.inputs()).map(|i| self.input(i)).collect::<Result<_>>()?;
        let refs: Vec<&Tensor> = inputs.iter().collect();
        let outputs = flambeau_tensor::enable_grad(|| match op.decompose(&refs) {
            Some(outputs) => outputs,
            None => {
                Err(backward_error(ErrorKind::NotDifferentiable, format!("{} has no decomposition", self.node.place())))
            }
        })?;
        let (mut outs, mut seeds) = (Vec::new(), Vec::new());
        for (out, grad) in outputs.iter().zip(grads) {
            if let (true, Some(grad)) = (out.requires_grad(), grad) {
                outs.push(out);
                seeds.push(Some(grad.clone()));
            }
        }
        let wanted: Vec<&Tensor> = (0..self.inputs()).filter(|i| self.needs(*i)).map(|i| &inputs[i]).collect();
        let create_graph = flambeau_tensor::grad_enabled();
        let options = crate::GradOptions {
            grad_outputs: seeds,
            create_graph,
            retain_graph: Some(create_graph),
            allow_unused: true,
        };
        let mut made = crate::grad_with(&outs, &wanted, options)?.into_iter();
        Ok((0..self.inputs()).map(|i| if self.needs(i) { made.next().flatten() } else { None }).collect())
    }
}

/// Ops whose output is of integers or truth values, or constant.
macro_rules! no_gradient {
    ($($Op:ident),* $(,)?) => {
        $(impl $crate::rules::Rule for $Op { const KIND: $crate::rules::RuleKind = $crate::rules::RuleKind::NoGradient; })*
    };
}

/// Ops whose gradient is an error that names them.
#[allow(unused_macros)]
macro_rules! not_differentiable {
    ($($Op:ident),* $(,)?) => {
        $(impl $crate::rules::Rule for $Op { const KIND: $crate::rules::RuleKind = $crate::rules::RuleKind::NotDifferentiable; })*
    };
}

/// Ops whose rule is to differentiate their decomposition.
#[allow(unused_macros)]
macro_rules! via_decomposition {
    ($($Op:ident),* $(,)?) => {$(
        impl $crate::rules::Rule for $Op {
            fn saves(&self, needs: &[bool]) -> $crate::rules::Saves {
                $crate::rules::Saves::NONE.inputs(needs.len())
            }
            fn vjp_all(&self, s: &$crate::rules::Saved<'_>, grads: &[Option<flambeau_tensor::Tensor>]) -> flambeau_tensor::Result<$crate::rules::Grads> {
                s.by_decomposition(&self.clone().into(), grads)
            }
        }
    )*};
}

#[allow(unused_imports)]
pub(crate) use {no_gradient, not_differentiable, via_decomposition};

macro_rules! lead_to_rules {
    (kernels { $($k:ident,)* } large { $($l:ident,)* } views { $($v:ident,)* }) => {
        /// Every op of the vocabulary, by the name of its struct and in the order of
        /// [`for_each_op!`](flambeau_tensor::for_each_op), and whether it has a derivative. (PyTorch's names would
        /// not do: `Add` and `AddScalar` are both `add`.)
        pub const RULES: &[(&str, RuleKind)] =
            &[$((stringify!($k), <$k as Rule>::KIND),)* $((stringify!($l), <$l as Rule>::KIND),)* $((stringify!($v), <$v as Rule>::KIND),)*];

        /// The name of an op's struct.
        pub(crate) fn struct_name(op: &Op) -> &'static str {
            match op {
                $(Op::$k(_) => stringify!($k),)*
                $(Op::$l(_) => stringify!($l),)*
                $(Op::$v(_) => stringify!($v),)*
            }
        }

        /// [`Rule::KIND`] of an op.
        pub(crate) fn kind(op: &Op) -> RuleKind {
            match op {
                $(Op::$k(_) => <$k as Rule>::KIND,)*
                $(Op::$l(_) => <$l as Rule>::KIND,)*
                $(Op::$v(_) => <$v as Rule>::KIND,)*
            }
        }

        /// [`Rule::saves`] of an op.
        pub(crate) fn saves(op: &Op, needs: &[bool]) -> Saves {
            match op {
                $(Op::$k(op) => op.saves(needs),)*
                $(Op::$l(op) => op.saves(needs),)*
                $(Op::$v(op) => op.saves(needs),)*
            }
        }

        /// [`Rule::vjp_all`] of an op.
        pub(crate) fn vjp(op: &Op, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
            match op {
                $(Op::$k(op) => op.vjp_all(s, grads),)*
                $(Op::$l(op) => op.vjp_all(s, grads),)*
                $(Op::$v(op) => op.vjp_all(s, grads),)*
            }
        }
    };
}
flambeau_tensor::for_each_op!(lead_to_rules);
