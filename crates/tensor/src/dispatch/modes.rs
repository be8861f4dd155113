//! The modes of a thread: is recording on, is inference mode on, does an interpreter listen.
//!
//! One byte holds them all, so an op asks for them with one test. A guard changes the bits that are its own and
//! puts back just these, so modes that end in any order do not disturb each other.

use std::cell::Cell;

pub(super) const GRAD: u8 = 1;
pub(super) const INFERENCE: u8 = 2;
/// An interpreter stands on the thread's stack (see [`interpret`](super::interpret)).
pub(super) const INTERPRETED: u8 = 4;
/// The thread walks back through a graph.
pub(super) const BACKWARD: u8 = 8;

thread_local! {
    static MODES: Cell<u8> = const { Cell::new(GRAD) };
}

/// True where all bits of `mask` are as in `wanted`.
#[inline]
pub(super) fn are(mask: u8, wanted: u8) -> bool {
    MODES.get() & mask == wanted
}

/// The bits of `mask` become those of `bits`.
pub(super) fn put(mask: u8, bits: u8) {
    MODES.set(MODES.get() & !mask | bits & mask);
}

/// True where ops are recorded on this thread: PyTorch's `is_grad_enabled`.
#[inline]
pub fn grad_enabled() -> bool {
    are(GRAD | INFERENCE, GRAD)
}

/// True under [`inference_mode`].
#[inline]
pub fn inference_mode_enabled() -> bool {
    are(INFERENCE, INFERENCE)
}

/// True while this thread runs `backward` (or `grad`): the ops are those of derivatives.
pub fn in_backward() -> bool {
    are(BACKWARD, BACKWARD)
}

/// A mode of the thread, put back when this is dropped.
#[must_use = "the mode ends when the guard is dropped"]
pub struct ModeGuard {
    mask: u8,
    before: u8,
    /// The modes are the thread's own.
    not_send: std::marker::PhantomData<*const ()>,
}

impl ModeGuard {
    /// The bits of `mask` become those of `bits`.
    pub(super) fn set(mask: u8, bits: u8) -> ModeGuard {
        let before = MODES.get();
        put(mask, bits);
        ModeGuard { mask, before, not_send: std::marker::PhantomData }
    }

    /// Turns recording on or off.
    pub fn grad(on: bool) -> ModeGuard {
        ModeGuard::set(GRAD, if on { GRAD } else { 0 })
    }

    /// For what a backward pass computes again: a forward pass, recorded.
    pub fn forward() -> ModeGuard {
        ModeGuard::set(GRAD | BACKWARD, GRAD)
    }

    /// For autograd's engine: what follows is a backward pass, recorded where `create_graph`.
    pub fn backward(create_graph: bool) -> ModeGuard {
        ModeGuard::set(GRAD | BACKWARD, if create_graph { GRAD | BACKWARD } else { BACKWARD })
    }
}

impl Drop for ModeGuard {
    fn drop(&mut self) {
        put(self.mask, self.before);
    }
}

/// Runs `f` without recording, as `torch.no_grad`.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _mode = ModeGuard::grad(false);
    f()
}

/// Runs `f` with recording on, as `torch.enable_grad`; without effect under [`inference_mode`].
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    let _mode = ModeGuard::grad(true);
    f()
}

/// Runs `f` without recording, as `torch.inference_mode`: tensors made inside can never take part in a
/// recorded op.
pub fn inference_mode<R>(f: impl FnOnce() -> R) -> R {
    let _mode = ModeGuard::set(INFERENCE, INFERENCE);
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_puts_back_its_own_bits_alone() {
        let outer = ModeGuard::grad(false);
        let inference = ModeGuard::set(INFERENCE, INFERENCE);
        drop(outer);
        assert!(inference_mode_enabled() && !grad_enabled(), "inference mode outlives the guard made before it");
        drop(inference);
        assert!(grad_enabled() && !inference_mode_enabled());
        enable_grad(|| inference_mode(|| enable_grad(|| assert!(!grad_enabled()))));
    }
}
