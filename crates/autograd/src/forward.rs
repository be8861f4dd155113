//! Forward mode: the tangents of tensors, and the interpreter that carries them through every op.
//!
//! Each [`jvp`](crate::func::jvp) is a [`Level`] on the thread's stack of interpreters. It lets an op run as it
//! would, recorded or not, and computes the outputs' tangents by ops of its own, which only the levels further out
//! (and the tape) see: so forward mode nests in itself and with reverse mode.
//!
//! A tangent belongs to a tensor that is no view. That of a view is the same view of its base's tangent, and writing
//! to a view replaces these elements of the base's tangent, so what aliases what needs no care.

use crate::meta::GradMeta;
use crate::node::{Kind, Node, Slot};
use crate::rules::{self, Ran, Saved, Tangents};
use crate::transforms::{self, Kinds};
use crate::views::{seen_through, written_through};
use flambeau_tensor::dispatch::{Call, Interpreter, Output, interpret, is_interpreted};
use flambeau_tensor::{Cast, Outputs, Result, Tensor, bail};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

/// A tensor's tangent at one level; shared by handles that stand for the same value.
pub(crate) struct Tangent {
    level: u64,
    value: Mutex<Option<Tensor>>,
}

/// One forward pass.
pub(crate) struct Level {
    id: u64,
    /// All that was given out: a tangent whose history leads to its own tensor is a circle, which is cut at the end.
    given: RefCell<Vec<Weak<Tangent>>>,
}

thread_local! {
    /// The levels of this thread, the innermost last.
    static LEVELS: RefCell<Vec<Rc<Level>>> = const { RefCell::new(Vec::new()) };
}

fn levels() -> SmallVec<[Rc<Level>; 2]> {
    if is_interpreted() { LEVELS.with_borrow(|levels| levels.iter().cloned().collect()) } else { SmallVec::new() }
}

/// Runs `f` as a forward pass.
pub(crate) fn run<R>(f: impl FnOnce(&Level) -> R) -> R {
    struct Leave(Rc<Level>, #[allow(dead_code)] transforms::Entered);
    impl Drop for Leave {
        fn drop(&mut self) {
            LEVELS.with_borrow_mut(|levels| levels.retain(|level| level.id != self.0.id));
            for tangent in self.0.given.take() {
                let value = tangent.upgrade().and_then(|tangent| tangent.value.lock().take());
                drop(value);
            }
        }
    }
    let level = Rc::new(Level { id: transforms::next_id(), given: RefCell::default() });
    let entered = transforms::enter(level.id, Kinds::Forward, level.clone());
    let level = Leave(level, entered);
    LEVELS.with_borrow_mut(|levels| levels.push(level.0.clone()));
    interpret(level.0.clone(), || f(&level.0))
}

/// Gives `to`, another handle on the value of `from`, the tangents of `from`, and inside of a `vmap` what it stands for
/// with its history on the tapes further out.
pub(crate) fn share(from: &Tensor, to: &Tensor) -> Result<()> {
    if !is_interpreted() {
        return Ok(());
    }
    if let Some(meta) = GradMeta::get(from) {
        let samples = meta.samples.lock().clone();
        if !samples.is_empty() {
            *GradMeta::of(to).samples.lock() = samples;
        }
    }
    if from.as_view().is_some() {
        for level in levels() {
            if let Some(tangent) = level.tangent(from)? {
                level.set(to, tangent);
            }
        }
    } else if let Some(meta) = GradMeta::get(from) {
        let tangents = meta.tangents.lock().clone();
        if !tangents.is_empty() {
            *GradMeta::of(to).tangents.lock() = tangents;
        }
    }
    Ok(())
}

/// Is a forward pass on?
pub(crate) fn is_on() -> bool {
    is_interpreted() && is_inside()
}

/// Is a forward pass on, though what runs may be an op as it is seen from outside of it?
pub(crate) fn is_inside() -> bool {
    LEVELS.with_borrow(|levels| !levels.is_empty())
}

/// Has `x` a tangent?
pub(crate) fn moves(x: &Tensor) -> bool {
    let of = x.as_view().map_or(x, |view| &view.base);
    levels().iter().any(|level| level.own(of).is_some())
}

/// The levels at which an input has a tangent, the outermost first, and these tangents.
pub(crate) type Seen = Vec<(Rc<Level>, SmallVec<[Option<Tensor>; 4]>)>;

/// What the forward passes of this thread know of `inputs`.
pub(crate) fn seen(inputs: &[&Tensor]) -> Result<Seen> {
    let mut seen = Seen::new();
    for level in levels() {
        let tangents = level.tangents(inputs)?;
        if tangents.iter().any(Option::is_some) {
            seen.push((level, tangents));
        }
    }
    Ok(seen)
}

/// Gives the outputs of a custom function, which ran unseen, their tangents: by its own backward.
pub(crate) fn custom(seen: &Seen, node: &Arc<Node>, inputs: &[&Tensor], outputs: &[Tensor]) -> Result<()> {
    let Kind::Custom(function) = &node.kind else { return Ok(()) };
    for (level, tangents) in seen {
        let needs: SmallVec<[bool; 4]> = tangents.iter().map(Option::is_some).collect();
        let vjp = |grads: &[Option<Tensor>]| crate::function::backward(&**function, &Saved::by(node, &needs), grads);
        // As an op's, the computation is seen by the levels further out alone.
        let made = transforms::outside_of(level.id, || rules::by_transpose(inputs, outputs, tangents, vjp))?;
        level.keep(outputs, made, Some(node));
    }
    Ok(())
}

impl Level {
    /// The tangent of `x`; `None` where it does not change.
    ///
    /// # Errors
    /// Where the tangent of a view cannot be taken from its base.
    pub fn tangent(&self, x: &Tensor) -> Result<Option<Tensor>> {
        if !x.dtype().is_differentiable() {
            return Ok(None);
        }
        match x.as_view() {
            None => Ok(self.own(x)),
            Some(view) => self.own(&view.base).map(|of_base| seen_through(view, x, &of_base)).transpose(),
        }
    }

    fn own(&self, x: &Tensor) -> Option<Tensor> {
        let tangents = GradMeta::get(x)?.tangents.lock();
        let found = tangents.iter().find(|t| t.level == self.id)?;
        found.value.lock().clone()
    }

    /// Sets the tangent of `x`, which is no view.
    pub fn set(&self, x: &Tensor, tangent: Tensor) {
        let mut tangents = GradMeta::of(x).tangents.lock();
        match tangents.iter().find(|t| t.level == self.id) {
            // Dropped after the lock.
            Some(there) => drop(std::mem::replace(&mut *there.value.lock(), Some(tangent))),
            None => {
                // Those of passes that have ended.
                tangents.retain(|t| t.value.lock().is_some());
                let made = Arc::new(Tangent { level: self.id, value: Mutex::new(Some(tangent)) });
                self.given.borrow_mut().push(Arc::downgrade(&made));
                tangents.push(made);
            }
        }
    }

    /// Sets the tangent of what was written to: all of a tensor, or a part of a view's base.
    fn write(&self, target: &Tensor, tangent: Tensor) -> Result<()> {
        let Some(view) = target.as_view() else {
            self.set(target, tangent);
            return Ok(());
        };
        let base = &view.base;
        let before = match self.own(base) {
            Some(before) => before,
            None => rules::zeros_like(base)?,
        };
        self.set(base, written_through(view, target, &before, &tangent)?);
        Ok(())
    }

    fn tangents(&self, tensors: &[&Tensor]) -> Result<SmallVec<[Option<Tensor>; 4]>> {
        tensors.iter().map(|t| self.tangent(t)).collect()
    }

    /// An op whose outputs are new.
    fn fresh(&self, call: Call<'_>, tangents: &[Option<Tensor>]) -> Result<Outputs> {
        let Call { op, inputs, output, at } = call;
        let outputs = Call { op: op.clone(), inputs, output, at }.run()?;
        let ran = Ran { op: &op, inputs, outputs: &outputs, at };
        let node = outputs.first().and_then(crate::meta::own_edge).map(|(node, _)| node);
        self.keep(&outputs, rules::jvp(ran, tangents)?, node.as_ref());
        Ok(outputs)
    }

    /// Sets the tangents of new outputs, and of what `node`, which recorded them, kept of them.
    fn keep(&self, outputs: &[Tensor], tangents: Tangents, node: Option<&Arc<Node>>) {
        for (nr, (out, tangent)) in outputs.iter().zip(tangents).enumerate() {
            let Some(tangent) = tangent else { continue };
            if let Some(kept) = node.and_then(|node| node.kept_value(Slot::Output(nr as u32))) {
                self.set(&kept, tangent.clone());
            }
            self.set(out, tangent);
        }
    }

    /// An in-place op with inputs that change: the op on the old values, and its result written.
    fn in_place(
        &self,
        call: Call<'_>,
        (name, target): (&'static str, &Tensor),
        tangents: &[Option<Tensor>],
    ) -> Result<()> {
        let Call { op, inputs, at, .. } = call;
        // The old value stays for whoever needs it on the way back.
        let old = target.copy()?;
        if let Some(tangent) = self.tangent(target)? {
            self.set(&old, tangent);
        }
        let inputs: SmallVec<[&Tensor; 4]> = inputs.iter().map(|t| if t.is(target) { &old } else { *t }).collect();
        let outputs = self.fresh(Call { op, inputs: &inputs, output: Output::Fresh, at }, tangents)?;
        let [value] = &outputs[..] else { bail!(Unsupported, name, "an in-place op of {} outputs", outputs.len()) };
        let cast = Cast { dtype: target.dtype(), rows: false }.into();
        Call { op: cast, inputs: &[value], output: Output::Into { name, target }, at }.run()?;
        let tangent = match self.own(value) {
            Some(tangent) => tangent.to_dtype(target.dtype())?,
            None => rules::zeros_like(target)?,
        };
        self.write(target, tangent)
    }
}

impl Interpreter for Level {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        match call.output {
            // What a view's tangent is, its base knows.
            Output::View => call.run(),
            Output::Fresh => {
                let tangents = self.tangents(call.inputs)?;
                if tangents.iter().all(Option::is_none) { call.run() } else { self.fresh(call, &tangents) }
            }
            Output::Into { name, target } => {
                let tangents = self.tangents(call.inputs)?;
                if tangents.iter().any(Option::is_some) {
                    self.in_place(call, (name, target), &tangents)?;
                    return Ok(Outputs::new());
                }
                let outputs = call.run()?;
                if self.tangent(target)?.is_some() {
                    self.write(target, rules::zeros_like(target)?)?;
                }
                Ok(outputs)
            }
            Output::Update { name, targets } => {
                for t in call.inputs.iter().chain(targets) {
                    if self.tangent(t)?.is_some() {
                        bail!(NotDifferentiable, name, "an update has no derivative, and one of its operands a tangent")
                    }
                }
                call.run()
            }
        }
    }
}
