//! The transforms of functions that a thread is inside of, in the order of their nesting: those of forward mode and of
//! `vmap`, which are interpreters.

use flambeau_tensor::dispatch::{Interpreter, interpret, uninterpreted};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which transform.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    Forward,
    Vmap,
}

#[derive(Clone)]
struct Transform {
    id: u64,
    kind: Kinds,
    interpreter: Rc<dyn Interpreter>,
}

thread_local! {
    /// The outermost first.
    static ON: RefCell<Vec<Transform>> = const { RefCell::new(Vec::new()) };
}

/// A number for a transform, which nobody else has.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// As long as it lives, the thread is inside of the transform.
pub(crate) struct Entered(u64);

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ON.with_borrow_mut(|on| {
            let at = on.iter().rposition(|transform| transform.id == self.0);
            at.map(|at| on.remove(at))
        });
        drop(left);
    }
}

/// Notes that this thread goes into a transform.
pub(crate) fn enter(id: u64, kind: Kinds, interpreter: Rc<dyn Interpreter>) -> Entered {
    ON.with_borrow_mut(|on| on.push(Transform { id, kind, interpreter }));
    Entered(id)
}

fn within<R>(list: &[Transform], f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    let mut made = None;
    nested(list, &mut || made = f.take().map(|f| f()));
    made.unwrap_or_else(|| unreachable!("it was called"))
}

fn nested(list: &[Transform], f: &mut dyn FnMut()) {
    match list.split_first() {
        Some((transform, rest)) => interpret(transform.interpreter.clone(), || nested(rest, f)),
        None => f(),
    }
}

/// Runs `f` as what the transforms further out than `id` alone see.
pub(crate) fn outside_of<R>(id: u64, f: impl FnOnce() -> R) -> R {
    let list = ON.with_borrow(|on| on.iter().take_while(|transform| transform.id != id).cloned().collect::<Vec<_>>());
    uninterpreted(|| within(&list, f))
}

/// Runs `f` inside of the thread's `vmap`s, and of nothing else.
pub(crate) fn vmaps_alone<R>(f: impl FnOnce() -> R) -> R {
    let vmaps = |on: &Vec<Transform>| on.iter().filter(|t| t.kind == Kinds::Vmap).cloned().collect::<Vec<_>>();
    let list = ON.with_borrow(vmaps);
    uninterpreted(|| within(&list, f))
}
