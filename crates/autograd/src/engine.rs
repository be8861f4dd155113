//! The engine: walks the graph from outputs to inputs, newest node first, with an explicit heap and no
//! recursion, freeing as it goes.

use crate::anomaly;
use crate::hooks;
use crate::meta::GradMeta;
use crate::node::{Edge, Kind, Node, backward_error};
use crate::rules::{self, Grads, Saved};
use crate::sparse::{self, Gradient};
use crate::vmap;
use flambeau_tensor::{DType, ErrorKind, ModeGuard, Result, Tensor, no_grad};
use smallvec::{SmallVec, smallvec};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What a walk is to do.
pub(crate) struct Walk<'a> {
    pub retain_graph: bool,
    pub create_graph: bool,
    /// Where given, gradients of these are returned and nothing accumulates; else leaves take theirs.
    pub inputs: Option<&'a [&'a Tensor]>,
}

/// Addresses are spread already; a multiplication mixes their low bits.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_usize(*b as usize));
    }
    fn write_usize(&mut self, n: usize) {
        self.0 = (self.0 ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

type Map<V> = HashMap<usize, V, BuildHasherDefault<AddressHasher>>;

struct Ready(Arc<Node>);

impl PartialEq for Ready {
    fn eq(&self, other: &Self) -> bool {
        self.0.seq == other.0.seq
    }
}
impl Eq for Ready {}
impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ready {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.seq.cmp(&other.0.seq)
    }
}

fn key(node: &Arc<Node>) -> usize {
    Arc::as_ptr(node) as usize
}

/// What has arrived at the outputs of a node.
type Arrived = SmallVec<[Option<Tensor>; 1]>;

struct State<'a> {
    walk: Walk<'a>,
    ready: BinaryHeap<Ready>,
    buffers: Map<Arrived>,
    /// Which asked-for input an output of a node is.
    wanted_nodes: Map<SmallVec<[(u32, usize); 1]>>,
    wanted_leaves: Map<SmallVec<[usize; 1]>>,
    /// What arrived at leaves that are asked for or have hooks, and where in it a leaf's sum is: they are
    /// served once, when the sum is complete.
    leaf_sums: Vec<(Tensor, Option<Gradient>)>,
    leaf_places: Map<usize>,
    /// How many edges are still to bring something to a leaf that has a hook for when all is there.
    to_come: Map<usize>,
    /// The nodes that lead to an input; only kept where inputs are asked for.
    leads: Option<Map<bool>>,
    found: Vec<Option<Tensor>>,
}

/// Runs back from `roots` with their gradients; returns the gradients of the walk's inputs.
pub(crate) fn run(roots: Vec<(Edge, Tensor)>, walk: Walk<'_>) -> Result<Vec<Option<Tensor>>> {
    let _mode = ModeGuard::backward(walk.create_graph);
    let ending = Ending::enter();
    let count = walk.inputs.map_or(0, |i| i.len());
    let mut state = State {
        walk,
        ready: BinaryHeap::new(),
        buffers: Map::default(),
        wanted_nodes: Map::default(),
        wanted_leaves: Map::default(),
        leaf_sums: Vec::new(),
        leaf_places: Map::default(),
        to_come: Map::default(),
        leads: None,
        found: vec![None; count],
    };
    state.find_inputs(&roots);
    if hooks::there_are_post_hooks() && state.walk.inputs.is_none() {
        state.count_what_comes(&roots);
    }
    for (edge, grad) in roots {
        state.send(&edge, grad, None)?;
        state.came(&edge)?;
    }
    while let Some(Ready(node)) = state.ready.pop() {
        state.step(node)?;
    }
    state.serve_leaves()?;
    ending.finish()?;
    Ok(state.found)
}

type AtEnd = Box<dyn FnOnce(bool) -> Result<()>>;

thread_local! {
    /// The passes of this thread, the innermost last: a number, and what is to be called at the end.
    static PASSES: RefCell<Vec<(u64, Vec<AtEnd>)>> = const { RefCell::new(Vec::new()) };
}

/// The number of the innermost pass of this thread.
pub(crate) fn current_walk() -> u64 {
    PASSES.with_borrow(|passes| passes.last().map_or(0, |pass| pass.0))
}

/// Has `f` called when the innermost pass is over: with true, or with false where it failed.
pub(crate) fn at_end(f: AtEnd) {
    PASSES.with_borrow_mut(|passes| {
        if let Some((_, list)) = passes.last_mut() {
            list.push(f);
        }
    });
}

/// The end of a pass.
struct Ending;

impl Ending {
    fn enter() -> Ending {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        PASSES.with_borrow_mut(|passes| passes.push((NEXT.fetch_add(1, Relaxed), Vec::new())));
        Ending
    }

    fn finish(self) -> Result<()> {
        loop {
            let next = PASSES.with_borrow_mut(|passes| passes.last_mut().and_then(|pass| pass.1.pop()));
            match next {
                Some(f) => f(true)?,
                None => return Ok(()),
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let pass = PASSES.with_borrow_mut(Vec::pop);
        for f in pass.into_iter().flat_map(|pass| pass.1) {
            let _ = f(false);
        }
    }
}

impl State<'_> {
    fn find_inputs(&mut self, roots: &[(Edge, Tensor)]) {
        let Some(inputs) = self.walk.inputs else { return };
        for (i, input) in inputs.iter().enumerate() {
            match crate::record::edge_of(input) {
                Edge::Node(node, nr) => self.wanted_nodes.entry(key(&node)).or_default().push((nr, i)),
                Edge::Leaf(leaf) => self.wanted_leaves.entry(leaf.id()).or_default().push(i),
                Edge::None => {}
            }
        }
        let mut leads: Map<bool> = Map::default();
        for (edge, _) in roots {
            if let Edge::Node(node, _) = edge {
                self.mark_leads(node, &mut leads);
            }
        }
        self.leads = Some(leads);
    }

    /// Notes for `root` and every node below it whether it leads to an input: depth first, so that a
    /// node's answer is known before its consumer's.
    fn mark_leads(&self, root: &Arc<Node>, leads: &mut Map<bool>) {
        let enter = |node: &Arc<Node>, leads: &mut Map<bool>, stack: &mut Vec<(Arc<Node>, usize)>| {
            leads.insert(key(node), self.wanted_nodes.contains_key(&key(node)));
            stack.push((node.clone(), 0));
        };
        let mut stack = Vec::new();
        if !leads.contains_key(&key(root)) {
            enter(root, leads, &mut stack);
        }
        while let Some((node, next)) = stack.last_mut() {
            let k = key(node);
            let Some(edge) = node.edges.get(*next).cloned() else {
                let answer = leads[&k];
                stack.pop();
                if let (true, Some((consumer, _))) = (answer, stack.last()) {
                    leads.insert(key(consumer), true);
                }
                continue;
            };
            *next += 1;
            match edge {
                Edge::None => {}
                Edge::Leaf(t) => {
                    if self.wanted_leaves.contains_key(&t.id()) {
                        leads.insert(k, true);
                    }
                }
                Edge::Node(below, _) => match leads.get(&key(&below)) {
                    Some(true) => drop(leads.insert(k, true)),
                    Some(false) => {}
                    None => enter(&below, leads, &mut stack),
                },
            }
        }
    }

    /// Should a gradient go along `edge` at all?
    fn is_needed(&self, edge: &Edge) -> bool {
        match (edge, &self.leads) {
            (Edge::None, _) => false,
            (_, None) => true,
            (Edge::Node(node, _), Some(leads)) => leads.get(&key(node)).copied().unwrap_or(false),
            (Edge::Leaf(leaf), Some(_)) => self.wanted_leaves.contains_key(&leaf.id()),
        }
    }

    /// Brings `grad`, which the rule of `from` made, to where `edge` leads.
    fn send(&mut self, edge: &Edge, grad: Tensor, from: Option<&Node>) -> Result<()> {
        if !self.is_needed(edge) {
            return Ok(());
        }
        match edge {
            Edge::None => Ok(()),
            Edge::Leaf(leaf) => {
                let grad = fit(grad, leaf.shape(), leaf.dtype(), from)?;
                self.send_to_leaf(leaf, Gradient::Dense(grad))
            }
            Edge::Node(node, nr) => {
                let meta = &node.outputs[*nr as usize];
                let grad = fit(grad, &meta.shape, meta.dtype, from)?;
                let create = self.walk.create_graph;
                let buffer = self.buffers.entry(key(node)).or_insert_with(|| {
                    self.ready.push(Ready(node.clone()));
                    smallvec![None; node.outputs.len()]
                });
                let slot = &mut buffer[*nr as usize];
                *slot = Some(match slot.take() {
                    None => grad,
                    Some(sum) => add_up(sum, grad, create)?,
                });
                Ok(())
            }
        }
    }

    /// Counts the edges that lead to leaves with a hook for when all gradients are there.
    fn count_what_comes(&mut self, roots: &[(Edge, Tensor)]) {
        let mut seen: Map<()> = Map::default();
        let mut stack: Vec<Edge> = roots.iter().map(|root| root.0.clone()).collect();
        while let Some(edge) = stack.pop() {
            match edge {
                Edge::None => {}
                Edge::Leaf(leaf) => {
                    if GradMeta::get(&leaf).is_some_and(|meta| !meta.cell.post_hooks.lock().is_empty()) {
                        *self.to_come.entry(leaf.id()).or_default() += 1;
                    }
                }
                Edge::Node(node, _) => {
                    if seen.insert(key(&node), ()).is_none() {
                        stack.extend(node.edges.iter().cloned());
                    }
                }
            }
        }
    }

    /// Something came along `edge`, or never will: where it was the last for a leaf, that is served.
    fn came(&mut self, edge: &Edge) -> Result<()> {
        let Edge::Leaf(leaf) = edge else { return Ok(()) };
        let Some(count) = self.to_come.get_mut(&leaf.id()) else { return Ok(()) };
        *count -= 1;
        if *count > 0 {
            return Ok(());
        }
        self.to_come.remove(&leaf.id());
        match self.leaf_places.get(&leaf.id()).and_then(|place| self.leaf_sums[*place].1.take()) {
            Some(sum) => self.serve(leaf, sum),
            None => Ok(()),
        }
    }

    fn send_to_leaf(&mut self, leaf: &Tensor, grad: Gradient) -> Result<()> {
        let create = self.walk.create_graph;
        let waits = self.wanted_leaves.contains_key(&leaf.id())
            || GradMeta::get(leaf)
                .is_some_and(|meta| !meta.cell.hooks.lock().is_empty() || !meta.cell.post_hooks.lock().is_empty());
        if !waits {
            return accumulate(leaf, grad, create);
        }
        let sums = &mut self.leaf_sums;
        let place = *self.leaf_places.entry(leaf.id()).or_insert_with(|| {
            sums.push((leaf.clone(), None));
            sums.len() - 1
        });
        let slot = &mut sums[place].1;
        *slot = Some(match slot.take() {
            None => grad,
            Some(sum) => add_gradients(sum, grad, create)?,
        });
        Ok(())
    }

    /// Runs the hooks of the leaves that waited, each once with the whole gradient, and brings it where it
    /// is wanted.
    fn serve_leaves(&mut self) -> Result<()> {
        for (leaf, sum) in std::mem::take(&mut self.leaf_sums) {
            if let Some(grad) = sum {
                self.serve(&leaf, grad)?;
            }
        }
        Ok(())
    }

    fn serve(&mut self, leaf: &Tensor, mut grad: Gradient) -> Result<()> {
        let cell = &GradMeta::of(leaf).cell;
        let hooks: SmallVec<[_; 2]> = cell.hooks.lock().iter().map(|h| h.1.clone()).collect();
        for hook in hooks {
            let seen = grad.to_dense()?;
            if let Some(new) = hook(&seen)? {
                grad = Gradient::Dense(replaced(&seen, new, || "a leaf".to_string())?);
            }
        }
        if let Some(places) = self.wanted_leaves.get(&leaf.id()) {
            let grad = grad.to_dense()?;
            places.iter().for_each(|i| self.found[*i] = Some(grad.clone()));
            return Ok(());
        }
        accumulate(leaf, grad, self.walk.create_graph)?;
        let hooks: SmallVec<[_; 2]> = cell.post_hooks.lock().iter().map(|h| h.1.clone()).collect();
        hooks.into_iter().try_for_each(|hook| hook(leaf))
    }

    fn step(&mut self, node: Arc<Node>) -> Result<()> {
        let mut grads = self.buffers.remove(&key(&node)).unwrap_or_default();
        run_hooks(&node, &mut grads)?;
        if let Some(wanted) = self.wanted_nodes.get(&key(&node)) {
            for (nr, i) in wanted {
                self.found[*i] = grads[*nr as usize].clone();
            }
        }
        let needs: SmallVec<[bool; 4]> = node.edges.iter().map(|e| self.is_needed(e)).collect();
        if !needs.contains(&true) {
            return Ok(());
        }
        if sparse::is_marked(&node) {
            return self.step_sparse(&node, &needs, &grads);
        }
        let made = match anomaly::mode() {
            None => apply(&node, &needs, &grads)?,
            Some(check_nan) => anomaly::checked(&node, check_nan, apply(&node, &needs, &grads))?,
        };
        drop(grads);
        if !self.walk.retain_graph {
            node.release();
        }
        for (edge, grad) in node.edges.iter().zip(made) {
            if let Some(grad) = grad {
                self.send(edge, grad, Some(&node))?;
            }
            if !self.to_come.is_empty() {
                self.came(edge)?;
            }
        }
        Ok(())
    }
}

impl State<'_> {
    /// The step of an embedding whose gradient is wanted sparse: straight to its leaf.
    fn step_sparse(&mut self, node: &Arc<Node>, needs: &[bool], grads: &[Option<Tensor>]) -> Result<()> {
        let made = sparse::gradient(node, needs, grads, self.walk.create_graph)?;
        if !self.walk.retain_graph {
            node.release();
        }
        if let (Some(grad), Edge::Leaf(leaf)) = (made, &node.edges[0]) {
            self.send_to_leaf(leaf, Gradient::Sparse(grad))?;
        }
        if !self.to_come.is_empty() {
            node.edges.iter().try_for_each(|edge| self.came(edge))?;
        }
        Ok(())
    }
}

fn run_hooks(node: &Node, grads: &mut Arrived) -> Result<()> {
    let Some(extras) = node.extras() else { return Ok(()) };
    let (hooks, retain) = {
        let extras = extras.lock();
        (extras.hooks.clone(), extras.retain.clone())
    };
    for (nr, _, hook) in hooks {
        if let Some(grad) = &grads[nr as usize] {
            if let Some(new) = hook(grad)? {
                grads[nr as usize] = Some(replaced(grad, new, || node.place())?);
            }
        }
    }
    for (nr, cell) in retain {
        if let (Some(cell), Some(grad)) = (cell.upgrade(), &grads[nr as usize]) {
            let _alone = cell.accumulating.lock();
            let sum = match cell.get() {
                Some(old) => old.add(grad)?,
                None => grad.clone(),
            };
            cell.set(Some(sum));
        }
    }
    Ok(())
}

fn apply(node: &Arc<Node>, needs: &[bool], grads: &[Option<Tensor>]) -> Result<Grads> {
    let saved = Saved::by(node, needs);
    match &node.kind {
        Kind::Op(op) => {
            if rules::kind(op) == rules::RuleKind::NotDifferentiable {
                return Err(backward_error(
                    ErrorKind::NotDifferentiable,
                    format!("{} has no derivative", node.place()),
                ));
            }
            rules::vjp(op, &saved, grads)
        }
        Kind::Alias | Kind::Origin(_) => Ok(grads.iter().cloned().collect()),
        Kind::Replaced(replaced) => match grads {
            [Some(grad)] => replaced.vjp(grad, needs),
            _ => Ok(needs.iter().map(|_| None).collect()),
        },
        Kind::Custom(custom) => crate::function::backward(&**custom, &saved, grads),
    }
}

/// Adds `grad` to the gradient of `leaf`: by one thread at a time, and in place unless the sum is to have a
/// history.
fn accumulate(leaf: &Tensor, grad: Gradient, create_graph: bool) -> Result<()> {
    let cell = &GradMeta::of(leaf).cell;
    let _alone = cell.accumulating.lock();
    let sum = match (cell.held(), grad) {
        (Some(Gradient::Dense(old)), Gradient::Dense(grad)) if create_graph => old.add(&grad)?,
        (Some(Gradient::Dense(old)), Gradient::Dense(grad)) => return no_grad(|| old.add_(&grad).map(drop)),
        (Some(Gradient::Dense(old)), Gradient::Sparse(grad)) => return no_grad(|| grad.add_to(&old, 1.0)),
        (None, Gradient::Dense(grad)) if create_graph => grad,
        // Nobody else holds it: it becomes the gradient itself.
        (None, Gradient::Dense(grad)) if grad.is_sole_owner() && grad.is_contiguous() => grad,
        (None, Gradient::Dense(grad)) => no_grad(|| grad.copy())?,
        (old, grad) => {
            let sum = match old {
                Some(old) => add_gradients(old, grad, create_graph)?,
                None => grad,
            };
            match sum {
                Gradient::Dense(sum) => sum,
                Gradient::Sparse(sum) => {
                    cell.set_sparse(sum);
                    return Ok(());
                }
            }
        }
    };
    cell.set(Some(sum));
    Ok(())
}

/// The sum of two gradients of a leaf: sparse where both are, as in PyTorch.
fn add_gradients(sum: Gradient, grad: Gradient, create_graph: bool) -> Result<Gradient> {
    Ok(match (sum, grad) {
        (Gradient::Sparse(a), Gradient::Sparse(b)) => Gradient::Sparse(a.add(&b)?),
        (a, b) => Gradient::Dense(add_up(a.into_dense()?, b.into_dense()?, create_graph)?),
    })
}

/// The gradient in the dtype of what it is the gradient of. A rule that makes one of another shape is wrong.
fn fit(grad: Tensor, shape: &[usize], dtype: DType, from: Option<&Node>) -> Result<Tensor> {
    if grad.shape() != shape {
        let from = from.map_or("the start".to_string(), |node| format!("the rule of {}", node.place()));
        let message = format!("{from} gave a gradient of shape {:?} to a value of shape {shape:?}", grad.shape());
        return Err(backward_error(ErrorKind::Shape, message));
    }
    // A real value's gradient is real: the rest of a complex one leads nowhere.
    if grad.dtype() == dtype { Ok(grad) } else { grad.to_dtype(dtype) }
}

/// What a hook of `of` returned to go on in place of `grad`. Rules rely on its shape, dtype and device.
fn replaced(grad: &Tensor, new: Tensor, of: impl Fn() -> String) -> Result<Tensor> {
    let changed = |kind, what: &str, from: &dyn Debug, to: &dyn Debug| {
        let message = format!("a hook of {} changed the {what} of the value: it was {from:?} and is {to:?}", of());
        Err(backward_error(kind, message))
    };
    if new.shape() != grad.shape() {
        return changed(ErrorKind::Shape, "size", &grad.shape(), &new.shape());
    }
    if new.dtype() != grad.dtype() {
        return changed(ErrorKind::DType, "type", &grad.dtype(), &new.dtype());
    }
    if new.device() != grad.device() {
        return changed(ErrorKind::Device, "device", &grad.device(), &new.device());
    }
    Ok(new)
}

fn add_up(sum: Tensor, grad: Tensor, create_graph: bool) -> Result<Tensor> {
    // Inside of a `vmap` one of them may differ between the samples and the other not.
    let in_place = !create_graph && !vmap::is_on();
    if in_place && sum.is_sole_owner() && sum.is_contiguous() {
        sum.add_(&grad)?;
        return Ok(sum);
    }
    if in_place && grad.is_sole_owner() && grad.is_contiguous() {
        grad.add_(&sum)?;
        return Ok(grad);
    }
    sum.add(&grad)
}
