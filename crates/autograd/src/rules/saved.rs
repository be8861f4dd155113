//! What passes between an op and its rule: what the rule asks to be kept ([`Saves`]), and what it reads
//! ([`Saved`]).

use super::Grads;
use crate::node::{Edge, Kind, Node, Slot, backward_error};
use crate::record::alias;
use flambeau_tensor::op::{Meta, Op};
use flambeau_tensor::{ErrorKind, Layout, Result, Tensor};
use smallvec::smallvec;
use std::panic::Location;
use std::sync::Arc;

/// What a rule needs kept for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    inputs: Set,
    outputs: Set,
    metas: Set,
}

/// A set of numbers. The last bit stands for every number from its own on, so that an op may have any number of
/// inputs: of those that far behind, all are kept or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set(u64);

impl Set {
    const LAST: usize = 63;

    const fn with(self, i: usize) -> Set {
        Set(self.0 | 1 << if i < Set::LAST { i } else { Set::LAST })
    }

    const fn with_first(self, n: usize) -> Set {
        Set(self.0 | if n > Set::LAST { u64::MAX } else { (1 << n) - 1 })
    }

    const fn has(self, i: usize) -> bool {
        self.0 >> (if i < Set::LAST { i } else { Set::LAST }) & 1 == 1
    }
}

impl Saves {
    /// Nothing.
    pub const NONE: Saves = Saves { inputs: Set(0), outputs: Set(0), metas: Set(0) };

    /// And input `i`.
    pub const fn input(mut self, i: usize) -> Saves {
        self.inputs = self.inputs.with(i);
        self
    }

    /// And input `i`, if `needed`.
    pub const fn input_if(self, i: usize, needed: bool) -> Saves {
        if needed { self.input(i) } else { self }
    }

    /// And output `i`.
    pub const fn output(mut self, i: usize) -> Saves {
        self.outputs = self.outputs.with(i);
        self
    }

    /// And output `i`, if `needed`.
    pub const fn output_if(self, i: usize, needed: bool) -> Saves {
        if needed { self.output(i) } else { self }
    }

    /// And shape and dtype of input `i`.
    pub const fn meta(mut self, i: usize) -> Saves {
        self.metas = self.metas.with(i);
        self
    }

    /// And shape and dtype of the first `n` inputs.
    pub const fn metas(mut self, n: usize) -> Saves {
        self.metas = self.metas.with_first(n);
        self
    }

    /// And the first `n` inputs.
    pub const fn inputs(mut self, n: usize) -> Saves {
        self.inputs = self.inputs.with_first(n);
        self
    }

    pub(crate) fn wants_input(self, i: usize) -> bool {
        self.inputs.has(i)
    }

    pub(crate) fn wants_output(self, i: usize) -> bool {
        self.outputs.has(i)
    }

    pub(crate) fn wants_meta(self, i: usize) -> bool {
        self.metas.has(i)
    }
}

/// What a rule reads: the inputs and outputs of its op, as they were when it ran.
pub struct Saved<'a> {
    needs: &'a [bool],
    values: Values<'a>,
}

/// Where the values are.
#[derive(Clone, Copy)]
enum Values<'a> {
    /// With the node that recorded the op: what its rule had asked for.
    Kept(&'a Arc<Node>),
    /// All there: the op has just run.
    Live(Ran<'a>),
}

/// An op that has just run.
#[derive(Clone, Copy)]
pub(crate) struct Ran<'a> {
    pub op: &'a Op,
    pub inputs: &'a [&'a Tensor],
    pub outputs: &'a [Tensor],
    pub at: &'static Location<'static>,
}

impl<'a> Saved<'a> {
    /// What `node` kept.
    pub(crate) fn by(node: &'a Arc<Node>, needs: &'a [bool]) -> Self {
        Saved { needs, values: Values::Kept(node) }
    }

    /// What has just run.
    pub(crate) fn of(ran: Ran<'a>, needs: &'a [bool]) -> Self {
        Saved { needs, values: Values::Live(ran) }
    }

    /// The op and the line it was called on, for messages.
    pub(crate) fn place(&self) -> String {
        match self.values {
            Values::Kept(node) => node.place(),
            Values::Live(Ran { op, at, .. }) => format!("`{}` ({}:{})", op.name(), at.file(), at.line()),
        }
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
        match self.values {
            Values::Live(ran) => self.there(ran.inputs.get(i).map(|t| (*t).clone()), "input", i),
            Values::Kept(node) => self.there(node.kept(Slot::Input(i as u32))?, "input", i)?.get(node),
        }
    }

    /// The layout of input `i`, which was saved; its elements may have changed since.
    ///
    /// # Errors
    /// Where it was freed by an earlier backward.
    pub fn input_layout(&self, i: usize) -> Result<Layout> {
        let layout = match self.values {
            Values::Live(ran) => ran.inputs.get(i).map(|t| t.layout().clone()),
            Values::Kept(node) => node.kept(Slot::Input(i as u32))?.map(|kept| kept.layout()),
        };
        self.there(layout, "input", i)
    }

    /// Output `i`, as it was, with its history.
    ///
    /// # Errors
    /// Where it was overwritten since, or freed by an earlier backward.
    pub fn output(&self, i: usize) -> Result<Tensor> {
        match self.values {
            Values::Live(ran) => self.there(ran.outputs.get(i).cloned(), "output", i),
            Values::Kept(node) => {
                let kept = self.there(node.kept(Slot::Output(i as u32))?, "output", i)?.get(node)?;
                let value = kept.detach();
                crate::forward::share(&kept, &value)?;
                crate::meta::set_edge(&value, node.clone(), i as u32);
                Ok(value)
            }
        }
    }

    /// Shape and dtype of input `i`, which were saved.
    ///
    /// # Errors
    /// Where they were not.
    pub fn meta(&self, i: usize) -> Result<Meta> {
        let meta = match self.values {
            Values::Live(ran) => ran.inputs.get(i).map(|t| Meta::like(t)),
            Values::Kept(node) => node.kept_meta(i as u32),
        };
        self.there(meta, "meta", i)
    }

    /// A gradient of the output's shape as that of input `i`: summed over the dimensions in which the op broadcast
    /// the input.
    ///
    /// # Errors
    /// Where the input does not broadcast to that shape.
    pub fn sum_to_input(&self, i: usize, grad: Tensor) -> Result<Tensor> {
        let shape = match self.values {
            Values::Live(ran) => ran.inputs.get(i).map(|t| t.shape()),
            Values::Kept(node) => match node.edges.get(i) {
                Some(Edge::Node(node, nr)) => node.outputs.get(*nr as usize).map(|meta| &meta.shape[..]),
                Some(Edge::Leaf(leaf)) => Some(leaf.shape()),
                Some(Edge::None) | None => None,
            },
        };
        match shape {
            Some(shape) if grad.shape() != shape => grad.sum_to_size(shape),
            _ => Ok(grad),
        }
    }

    fn there<T>(&self, saved: Option<T>, what: &str, i: usize) -> Result<T> {
        saved.ok_or_else(|| {
            backward_error(ErrorKind::Autograd, format!("the rule of {} did not save {what} {i}", self.place()))
        })
    }

    /// The gradient of the only input.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn one(&self, f: impl FnOnce() -> Result<Tensor>) -> Result<Grads> {
        Ok(smallvec![if self.needs(0) { Some(f()?) } else { None }])
    }

    /// The gradients of two inputs, each computed only where needed.
    ///
    /// # Errors
    /// Those of `f` and `g`.
    pub fn two(&self, f: impl FnOnce() -> Result<Tensor>, g: impl FnOnce() -> Result<Tensor>) -> Result<Grads> {
        Ok(smallvec![if self.needs(0) { Some(f()?) } else { None }, if self.needs(1) { Some(g()?) } else { None }])
    }

    /// The gradients of three inputs, each computed only where needed.
    ///
    /// # Errors
    /// Those of the three functions.
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

    /// An alias of input `i`, which is tracked where its gradient is wanted.
    fn own_input(&self, i: usize) -> Result<Tensor> {
        let x = alias(&self.input(i)?)?;
        if self.needs(i) && !x.requires_grad() {
            x.set_tracks(true);
        }
        Ok(x)
    }

    /// The gradients by differentiating `decompose` of the saved inputs (all of them must be saved): the
    /// second order of fused ops. The inputs may have histories, also in each other: their aliases are where the
    /// walk ends.
    ///
    /// # Errors
    /// Where the op has no decomposition, a saved value is gone, or the decomposition has no derivative.
    pub fn by_decomposition(&self, grads: &[Option<Tensor>]) -> Result<Grads> {
        let op = match self.values {
            Values::Live(ran) => Some(ran.op),
            Values::Kept(node) => match &node.kind {
                Kind::Op(op) => Some(op),
                Kind::Alias | Kind::Origin(_) | Kind::Replaced(_) | Kind::Custom(_) => None,
            },
        };
        let inputs: Vec<Tensor> = (0..self.inputs()).map(|i| self.own_input(i)).collect::<Result<_>>()?;
        let refs: Vec<&Tensor> = inputs.iter().collect();
        let outputs = flambeau_tensor::enable_grad(|| match op.and_then(|op| op.decompose(&refs)) {
            Some(outputs) => outputs,
            None => Err(backward_error(ErrorKind::NotDifferentiable, format!("{} has no decomposition", self.place()))),
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
