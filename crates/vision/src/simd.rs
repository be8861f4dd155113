//! Loops compiled for what the machine has.

use pulp::{Arch, Simd, WithSimd};
use std::sync::LazyLock;

/// The widest instructions of this machine.
pub(crate) static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Runs `f` with them. What `f` calls has to be inlined into it (`#[inline(always)]`) to profit.
#[inline(always)]
pub(crate) fn simd<R>(f: impl FnMut() -> R) -> R {
    // A struct of our own: pulp's path for `FnOnce` closures is not always inlined.
    struct Call<F>(F);
    impl<R, F: FnMut() -> R> WithSimd for Call<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    ARCH.dispatch(Call(f))
}
