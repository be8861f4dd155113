//! Freeing graphs: all that a node or a tensor's gradient owns is dropped by a queue.
//!
//! A node owns tensors (by its edges, by what its rule saved, by a custom function's fields, by what its hooks
//! captured), and these own nodes. Dropped by nested calls, a chain of a million of them would need a stack to
//! match. So whatever is dropped inside the drop of another leaves its [`Remains`] to the outermost one.

use crate::meta::GradCell;
use crate::node::{Edges, Extras, Kind, SavedTensors};
use flambeau_tensor::Tensor;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// What is left of something dropped.
#[allow(dead_code)] // Held only to be dropped.
pub(crate) enum Remains {
    Node { edges: Edges, saved: Option<SavedTensors>, kind: Kind, extras: Option<Box<Mutex<Extras>>> },
    Gradient { cell: Arc<GradCell>, samples: SmallVec<[(u64, Tensor); 1]> },
}

#[derive(Default)]
struct Queue {
    /// Set while this thread drops what waits.
    draining: Cell<bool>,
    waiting: RefCell<SmallVec<[Remains; 2]>>,
}

thread_local! {
    // Without a destructor, so that it is there for graphs that the destructors of other thread-locals free.
    // Nothing is lost: it is empty whenever nobody drains it.
    static QUEUE: ManuallyDrop<Queue> = ManuallyDrop::new(Queue::default());
}

/// Drops `remains`: now, or after what is being dropped.
pub(crate) fn later(remains: Remains) {
    QUEUE.with(|queue| {
        queue.waiting.borrow_mut().push(remains);
        if !queue.draining.replace(true) {
            queue.drain();
        }
    });
}

impl Queue {
    /// Drops what waits until nothing does. A destructor of the user's that panics stops none of the others; the
    /// first panic goes on afterwards.
    fn drain(&self) {
        let mut panic: Option<Box<dyn Any + Send>> = None;
        loop {
            // The queue is not borrowed while something is dropped.
            let next = self.waiting.borrow_mut().pop();
            let Some(remains) = next else { break };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(remains))) {
                panic.get_or_insert(payload);
            }
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.spilled() {
            *waiting = SmallVec::new();
        }
        drop(waiting);
        self.draining.set(false);
        if let (Some(payload), false) = (panic, std::thread::panicking()) {
            resume_unwind(payload);
        }
    }
}
