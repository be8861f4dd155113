//! Derivatives: one [`Rule`] for each op of the vocabulary, in the file of the op's family.
//!
//! A rule is written in tensor ops, so that higher orders come by themselves, and reads like the formula
//! in a textbook. For a complex input it gives the conjugate Wirtinger gradient, as PyTorch does.

mod activation;
mod attention;
mod binary;
mod clamp;
mod conv;
mod ctc;
mod custom;
mod factory;
mod fft;
mod forward;
mod grid;
mod index;
mod join;
mod linalg;
mod matmul;
mod norm;
mod optim;
mod pad;
mod pool;
mod reduce;
mod resample;
mod rnn;
mod sampling;
mod saved;
mod scan;
mod scatter;
mod softmax;
mod sort;
mod special;
mod ternary;
mod unary;
mod view;

use crate::node::backward_error;
use flambeau_tensor::custom::Custom;
use flambeau_tensor::op::Op;
use flambeau_tensor::ops::*;
use flambeau_tensor::{ErrorKind, Result, Tensor};
use smallvec::{SmallVec, smallvec};

pub use forward::{Forward, Tangents};
pub(crate) use forward::{by_transpose, zeros_like};
pub(crate) use saved::Ran;
pub use saved::{Saved, Saves};

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

/// How an op differentiates.
pub trait Rule {
    /// Whether it does.
    const KIND: RuleKind = RuleKind::Rule;

    /// How tangents pass through it.
    const FORWARD: Forward = Forward::Transpose;

    /// What is to be kept; `needs` says which inputs need a gradient.
    fn saves(&self, _needs: &[bool]) -> Saves {
        Saves::NONE
    }

    /// The gradients of the inputs, from that of the output: the vector-Jacobian product.
    ///
    /// # Errors
    /// Where the op has no derivative, or an op of the rule fails.
    fn vjp(&self, s: &Saved<'_>, _grad: &Tensor) -> Result<Grads> {
        Err(backward_error(ErrorKind::NotDifferentiable, format!("{} has no derivative", s.place())))
    }

    /// [`vjp`](Rule::vjp) for an op of several outputs; `None` where an output was not used.
    ///
    /// # Errors
    /// As [`vjp`](Rule::vjp).
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        match grads.first() {
            Some(Some(grad)) => self.vjp(s, grad),
            _ => Ok(smallvec![None; s.inputs()]),
        }
    }

    /// The tangents of the outputs, from those of the inputs: the Jacobian-vector product. Asked of a rule whose
    /// [`FORWARD`](Rule::FORWARD) is `Forward::Stated`; the others have it from their vjp.
    ///
    /// # Errors
    /// As [`vjp`](Rule::vjp).
    fn jvp(&self, s: &Saved<'_>, _tangents: &[Option<Tensor>]) -> Result<Tangents> {
        Err(backward_error(ErrorKind::NotDifferentiable, format!("{} states no derivative forward", s.place())))
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
                s.by_decomposition(grads)
            }
        }
    )*};
}

#[allow(unused_imports)]
pub(crate) use {no_gradient, not_differentiable, via_decomposition};

macro_rules! lead_to_rules {
    (kernels { $($k:ident,)* } large { $($l:ident,)* } views { $($v:ident,)* }) => {
        /// Every op of the vocabulary, by the name of its struct and in the order of
        /// [`for_each_op!`](flambeau_tensor::for_each_op), and whether it has a derivative.
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

        /// [`Rule::FORWARD`] of an op.
        fn forward(op: &Op) -> Forward {
            match op {
                $(Op::$k(_) => <$k as Rule>::FORWARD,)*
                $(Op::$l(_) => <$l as Rule>::FORWARD,)*
                $(Op::$v(_) => <$v as Rule>::FORWARD,)*
            }
        }

        /// [`Rule::jvp`] of an op.
        fn stated(op: &Op, s: &Saved<'_>, tangents: &[Option<Tensor>]) -> Result<Tangents> {
            match op {
                $(Op::$k(op) => op.jvp(s, tangents),)*
                $(Op::$l(op) => op.jvp(s, tangents),)*
                $(Op::$v(op) => op.jvp(s, tangents),)*
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

/// The tangents of what has just run, from those of its inputs: the Jacobian-vector product.
pub(crate) fn jvp(ran: Ran<'_>, tangents: &[Option<Tensor>]) -> Result<Tangents> {
    match kind(ran.op) {
        RuleKind::NoGradient => return Ok(ran.outputs.iter().map(|_| None).collect()),
        RuleKind::NotDifferentiable => {
            let message = format!("{} has no derivative", Saved::of(ran, &[]).place());
            return Err(backward_error(ErrorKind::NotDifferentiable, message));
        }
        RuleKind::Rule => {}
    }
    let vjp = |s: &Saved<'_>, grads: &[Option<Tensor>]| vjp(ran.op, s, grads);
    let stated = |s: &Saved<'_>, tangents: &[Option<Tensor>]| stated(ran.op, s, tangents);
    let found = forward::tangents(forward(ran.op), ran, tangents, &vjp, &stated)?;
    let typed = |(tangent, out): (Option<Tensor>, &Tensor)| tangent.map(|t| t.to_dtype(out.dtype())).transpose();
    found.into_iter().zip(ran.outputs).map(typed).collect()
}
