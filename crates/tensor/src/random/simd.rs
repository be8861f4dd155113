//! Run-time choice of the instruction set for the few hot loops of this module.
//!
//! The loops are plain Rust that the compiler vectorises; `vectorized!` compiles
//! each twice, once for AVX2 with FMA and once for the target's baseline. Both
//! give the same bits: Rust never contracts a product and a sum on its own.

/// Compiles the function for AVX2+FMA and for the baseline, and calls the one that
/// the processor can run.
macro_rules! vectorized {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) {
            #[inline(always)]
            fn portable($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) {
                    portable($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the function is safe but for the instructions it may
                    // use, and the processor was just found to have them.
                    return unsafe { avx2($($arg),*) };
                }
            }
            portable($($arg),*)
        }
    };
}

pub(super) use vectorized;
