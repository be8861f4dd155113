//! Recording: the hook that the tensor crate calls after an op, and what keeps the history of views and
//! in-place ops right.
//!
//! An in-place op is recorded as the op itself on the old value, and the tensor takes the new node. Where the tensor
//! is a view, its base and the other views have a history to renew; see [`views`](crate::views).

use crate::Autograd;
use crate::forward;
use crate::meta::{GradMeta, is_leaf, own_edge, set_edge};
use crate::node::{Edge, Edges, Kind, Node, Origin, SavedTensors, select};
use crate::rules::{self, RuleKind, Saves};
use crate::saved_hooks;
use crate::sparse;
use crate::views::{Replaced, take_history_from_base};
use flambeau_tensor::dispatch::{AutogradHook, set_autograd_hook};
use flambeau_tensor::op::{Meta, Op};
use flambeau_tensor::{Result, Tensor, bail, ensure, no_grad, set_grad_fn_name};
use smallvec::smallvec;
use std::borrow::Cow;
use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) struct Recorder;

/// Installs the hook; the first gradient that is asked for does.
pub(crate) fn install() {
    set_autograd_hook(&Recorder);
    set_grad_fn_name(|x| x.grad_fn());
}

/// Where the gradient of `tensor` goes.
#[inline]
pub(crate) fn edge_of(tensor: &Tensor) -> Edge {
    if !tensor.requires_grad() {
        return Edge::None;
    }
    if let Some(view) = tensor.as_view() {
        let now = tensor.version();
        if !view.no_grad && view.base.requires_grad() && view.version.load(Ordering::Acquire) != now {
            take_history_from_base(tensor, view);
            view.version.store(now, Ordering::Release);
        }
    }
    match own_edge(tensor) {
        Some((node, nr)) => Edge::Node(node, nr),
        None => Edge::Leaf(tensor.clone()),
    }
}

/// `x` under a node of its own that hands its gradient on: a walk that is asked for the gradient of an alias ends
/// there, whatever `x` came from, and two aliases of one tensor have a gradient each.
pub(crate) fn alias(x: &Tensor) -> Result<Tensor> {
    let out = x.detach();
    forward::share(x, &out)?;
    let edge = edge_of(x);
    if !matches!(edge, Edge::None) {
        set_edge(&out, Node::new(Kind::Alias, smallvec![edge], smallvec![Meta::like(x)], None, Location::caller()), 0);
    }
    Ok(out)
}

/// The inputs of a transform of functions while its function runs.
#[derive(Default)]
pub(crate) struct Origins(Vec<Arc<Node>>);

impl Origins {
    /// An [`alias`] of `x` that is recorded in any case.
    pub fn alias(&mut self, x: &Tensor) -> Result<Tensor> {
        let out = x.detach();
        forward::share(x, &out)?;
        let edges = smallvec![edge_of(x)];
        let node =
            Node::new(Kind::Origin(Origin::default()), edges, smallvec![Meta::like(x)], None, Location::caller());
        set_edge(&out, node.clone(), 0);
        self.0.push(node);
        Ok(out)
    }
}

impl Drop for Origins {
    fn drop(&mut self) {
        for node in &self.0 {
            if let Kind::Origin(origin) = &node.kind {
                origin.end();
            }
        }
    }
}

/// `x` without its history; what it stands for inside of a `vmap`, and its tangents, it keeps.
pub(crate) fn cut(x: &Tensor) -> Result<Tensor> {
    if !x.requires_grad() {
        return Ok(x.clone());
    }
    let out = x.detach();
    forward::share(x, &out)?;
    Ok(out)
}

/// Does the history of `x` lead anywhere but to inputs of transforms that have ended? What leads nowhere is noted in
/// `nowhere`.
fn leads_out(x: &Tensor, nowhere: &mut HashSet<*const Node>) -> bool {
    let (mut seen, mut stack) = (HashSet::new(), vec![edge_of(x)]);
    while let Some(edge) = stack.pop() {
        match edge {
            Edge::None => {}
            Edge::Leaf(_) => return true,
            Edge::Node(node, _) => {
                if matches!(&node.kind, Kind::Origin(origin) if !origin.has_ended()) {
                    return true;
                }
                let place = Arc::as_ptr(&node);
                if !nowhere.contains(&place) && seen.insert(place) {
                    stack.extend(node.edges.iter().cloned());
                }
            }
        }
    }
    nowhere.extend(seen);
    false
}

/// Is a derivative of `x` going to be asked for on the tape, or, of what it stands for inside of a `vmap`, on one
/// further out?
pub(crate) fn is_tracked_outside(x: &Tensor) -> bool {
    let samples = || GradMeta::get(x).map(|meta| meta.samples.lock().clone()).unwrap_or_default();
    x.requires_grad() && leads_out(x, &mut HashSet::new())
        || samples().iter().any(|(_, value)| is_tracked_outside(value))
}

/// Takes tensors, and gives them back without a history that leads to nothing but inputs of transforms that have ended.
pub(crate) fn without_ended() -> impl FnMut(&Tensor) -> Result<Tensor> {
    let mut nowhere = HashSet::new();
    move |x| if x.requires_grad() && !leads_out(x, &mut nowhere) { cut(x) } else { Ok(x.clone()) }
}

/// Which inputs need a gradient; a short list stands in `room`.
#[inline(always)]
fn needs_of<'r>(inputs: &[&Tensor], room: &'r mut [bool; 4]) -> Cow<'r, [bool]> {
    let need = |t: &Tensor| t.requires_grad() && t.dtype().is_differentiable();
    if inputs.len() > room.len() {
        return inputs.iter().map(|t| need(t)).collect();
    }
    for i in 0..inputs.len() {
        room[i] = need(inputs[i]);
    }
    Cow::Borrowed(&room[..inputs.len()])
}

/// The list is written where it stands: what is moved as a whole right after its parts were written waits for
/// these.
#[inline(always)]
fn edges_of(inputs: &[&Tensor], needs: &[bool]) -> Edges {
    let mut edges = Edges::new();
    if inputs.len() <= 3 {
        edges = Edges::from_buf_and_len([const { Edge::None }; 3], inputs.len());
    } else {
        edges.resize(inputs.len(), Edge::None);
    }
    for (i, t) in inputs.iter().enumerate() {
        if needs[i] {
            edges[i] = edge_of(t);
        }
    }
    edges
}

#[inline(always)]
fn make_node(
    op: Op,
    saves: Saves,
    needs: &[bool],
    inputs: &[&Tensor],
    outputs: &[Tensor],
    at: &'static Location<'static>,
) -> Result<Arc<Node>> {
    if inputs.iter().any(|t| t.is_inference()) {
        let kept = inputs.iter().enumerate().position(|(i, t)| saves.wants_input(i) && t.is_inference());
        ensure!(
            kept.is_none(),
            Autograd,
            op.name(),
            "input {} was made under inference_mode and cannot be kept for backward; `copy()` it outside",
            kept.unwrap_or_default()
        );
    }
    let metas = match outputs {
        [out] => smallvec![Meta::like(out)],
        all => all.iter().map(Meta::like).collect(),
    };
    let mut saved = select(saves, inputs, outputs);
    if saved_hooks::are_on() {
        saved.iter_mut().try_for_each(SavedTensors::pack)?;
    }
    Ok(Node::new(Kind::Op(op), edges_of(inputs, needs), metas, saved, at))
}

impl AutogradHook for Recorder {
    fn record(
        &self,
        op: Op,
        inputs: &[&Tensor],
        outputs: &[Tensor],
        at: &'static Location<'static>,
    ) -> Result<Option<flambeau_tensor::Node>> {
        let mut room = [false; 4];
        let needs = needs_of(inputs, &mut room);
        if rules::kind(&op) == RuleKind::NoGradient || !needs.contains(&true) {
            return Ok(None);
        }
        let saves = rules::saves(&op, &needs);
        let node = make_node(op, saves, &needs, inputs, outputs, at)?;
        sparse::mark(&node);
        Ok(Some(node))
    }

    fn check_in_place(&self, op: &'static str, target: &Tensor) -> Result<()> {
        let tracked_leaf = |t: &Tensor| t.requires_grad() && is_leaf(t);
        if tracked_leaf(target) {
            bail!(
                Autograd,
                op,
                "a leaf that requires grad cannot be written in place; do it under `no_grad`, or on a copy"
            )
        }
        if let Some(view) = target.as_view() {
            if view.no_grad {
                bail!(
                    Autograd,
                    op,
                    "the tensor is a view made under `no_grad`: its base would never learn of this op's gradient; make the view outside, or write under `no_grad`"
                )
            }
            if tracked_leaf(&view.base) {
                bail!(
                    Autograd,
                    op,
                    "the tensor is a view of a leaf that requires grad, which cannot be written in place; do it under `no_grad`"
                )
            }
        }
        Ok(())
    }

    fn before_in_place(&self, op: &Op, inputs: &[&Tensor], target: &Tensor) -> Result<Tensor> {
        let mut room = [false; 4];
        let mut needs = needs_of(inputs, &mut room);
        if target.dtype().is_differentiable() {
            // Another operand's history may reach the target, too.
            needs.to_mut().iter_mut().zip(inputs).for_each(|(n, t)| *n |= t.is(target) && target.requires_grad());
        }
        let saves = rules::saves(op, &needs);
        let keeps = inputs.iter().enumerate().any(|(i, t)| t.is(target) && saves.wants_input(i));
        let old = if keeps { no_grad(|| target.copy())? } else { target.shadow() };
        if let Edge::Node(node, nr) = edge_of(target) {
            set_edge(&old, node, nr);
        }
        Ok(old)
    }

    fn record_in_place(
        &self,
        op: Op,
        inputs: &[&Tensor],
        target: &Tensor,
        at: &'static Location<'static>,
    ) -> Result<()> {
        let mut room = [false; 4];
        let needs = needs_of(inputs, &mut room);
        // The base as it was, before the target takes its new node.
        let base = target.as_view().map(|view| (&view.base, edge_of(&view.base)));
        let saves = if rules::kind(&op) == RuleKind::Rule { rules::saves(&op, &needs) } else { Saves::NONE };
        let node = make_node(op, saves, &needs, inputs, std::slice::from_ref(target), at)?;
        set_edge(target, node.clone(), 0);
        if let (Some((base, old)), Some(view)) = (base, target.as_view()) {
            let kind = Kind::Replaced(Box::new(Replaced::through(view, target)));
            let edges = smallvec![old, Edge::Node(node, 0)];
            set_edge(base, Node::new(kind, edges, smallvec![Meta::like(base)], None, at), 0);
            view.version.store(target.version(), Ordering::Release);
        }
        Ok(())
    }
}
