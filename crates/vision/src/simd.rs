//! Loops compiled for what the machine has.

use pulp::Arch;
use std::sync::LazyLock;

/// The widest instructions of this machine.
pub(crate) static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Runs `f` with them. What `f` calls has to be inlined into it (`#[inline(always)]`) to profit.
pub(crate) fn simd<R>(f: impl FnOnce() -> R) -> R {
    ARCH.dispatch(f)
}
