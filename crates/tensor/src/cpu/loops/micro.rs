//! Register tiles: the small loops of fused multiply-adds that convolution and small matrix products
//! come down to, generic over `f32` and `f64` and over the machine's SIMD.
//!
//! Each takes operands where they lie, by a table of offsets, so that no columns are copied out of an
//! image first (`gemm` packs its operands; these need none).
//!
//! Loops run over indices and nothing that holds a register passes through a closure: one that the compiler
//! leaves out of line is compiled for the least machine, and its registers go through memory, at ten times
//! the cost of the product.
#![expect(clippy::needless_range_loop, reason = "see above")]

use crate::dtype::Stored;
use pulp::Simd;
use std::ops::{Add, AddAssign, Mul, Sub};

/// `f32` or `f64`: a number with a SIMD register of its own.
pub(crate) trait Real:
    Stored + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + AddAssign
{
    /// ½.
    const HALF: Self;
    /// A register.
    type V<S: Simd>: Copy;
    /// Numbers in a register.
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::V<S>>() / size_of::<Self>()
    }
    /// `x` in all lanes.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::V<S>;
    /// `a + b`.
    fn plus<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// `a − b`.
    fn minus<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// `a · b`.
    fn times<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// `a · b + c`.
    fn mul_add<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;
    /// The sum of all lanes.
    fn sum<S: Simd>(simd: S, a: Self::V<S>) -> Self;
}

impl Real for f32 {
    const HALF: f32 = 0.5;
    type V<S: Simd> = S::f32s;
    #[inline(always)]
    fn splat<S: Simd>(simd: S, x: f32) -> S::f32s {
        simd.splat_f32s(x)
    }
    #[inline(always)]
    fn plus<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.add_f32s(a, b)
    }
    #[inline(always)]
    fn minus<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.sub_f32s(a, b)
    }
    #[inline(always)]
    fn times<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.mul_f32s(a, b)
    }
    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(a, b, c)
    }
    #[inline(always)]
    fn sum<S: Simd>(simd: S, a: S::f32s) -> f32 {
        simd.reduce_sum_f32s(a)
    }
}

impl Real for f64 {
    const HALF: f64 = 0.5;
    type V<S: Simd> = S::f64s;
    #[inline(always)]
    fn splat<S: Simd>(simd: S, x: f64) -> S::f64s {
        simd.splat_f64s(x)
    }
    #[inline(always)]
    fn plus<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.add_f64s(a, b)
    }
    #[inline(always)]
    fn minus<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.sub_f64s(a, b)
    }
    #[inline(always)]
    fn times<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.mul_f64s(a, b)
    }
    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(a, b, c)
    }
    #[inline(always)]
    fn sum<S: Simd>(simd: S, a: S::f64s) -> f64 {
        simd.reduce_sum_f64s(a)
    }
}

/// A register tile: `M` rows of `N` registers.
pub(crate) type Tile<S, T, const M: usize, const N: usize> = [[<T as Real>::V<S>; N]; M];

/// # Safety
/// `ptr` leads to a register's worth of readable numbers.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, T: Real>(ptr: *const T) -> T::V<S> {
    // SAFETY: as promised; a register is plain bits, and no alignment is asked for.
    unsafe { ptr.cast::<T::V<S>>().read_unaligned() }
}

/// # Safety
/// `ptr` leads to a register's worth of writable numbers.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, T: Real>(ptr: *mut T, v: T::V<S>) {
    // SAFETY: as promised.
    unsafe { ptr.cast::<T::V<S>>().write_unaligned(v) }
}

/// Asks for the line at `at` before it is needed. The address may lead anywhere.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: it reads nothing that the program sees and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Where the numbers at `at` are; the last one again where there are fewer than `N`.
#[inline(always)]
pub(crate) fn starts<T, const N: usize>(numbers: &[T], at: &[u32]) -> [*const T; N] {
    let mut all = [numbers.as_ptr(); N];
    for n in 0..N {
        all[n] = numbers[at[n.min(at.len() - 1)] as usize..].as_ptr();
    }
    all
}

/// A tile of `x`.
#[inline(always)]
pub(crate) fn full<S: Simd, T: Real, const M: usize, const N: usize>(simd: S, x: T) -> Tile<S, T, M, N> {
    [[T::splat(simd, x); N]; M]
}

/// The tile whose rows begin `row` numbers apart.
///
/// # Safety
/// From each `from + m·row`, `N` registers can be read.
#[inline(always)]
pub(crate) unsafe fn load_tile<S: Simd, T: Real, const M: usize, const N: usize>(
    simd: S,
    from: *const T,
    row: usize,
) -> Tile<S, T, M, N> {
    let mut tile = full::<S, T, M, N>(simd, T::default());
    for m in 0..M {
        for n in 0..N {
            // SAFETY: the caller's promise.
            tile[m][n] = unsafe { load::<S, T>(from.add(m * row + n * T::lanes::<S>())) };
        }
    }
    tile
}

/// Stores a tile's rows `row` numbers apart.
///
/// # Safety
/// From each `to + m·row`, `N` registers can be written.
#[inline(always)]
pub(crate) unsafe fn store_tile<S: Simd, T: Real, const M: usize, const N: usize>(
    tile: &Tile<S, T, M, N>,
    to: *mut T,
    row: usize,
) {
    for m in 0..M {
        for n in 0..N {
            // SAFETY: the caller's promise.
            unsafe { store::<S, T>(to.add(m * row + n * T::lanes::<S>()), tile[m][n]) };
        }
    }
}

/// `tile[m][n] += Σ_k panel[k][m] · lanes at (at[n] + off[k])`: rows are numbers of a packed panel
/// (`M` for each k), columns are registers read straight from the source.
///
/// # Safety
/// `panel` has `M` numbers for each of `off`; a register can be read at `at[n] + off[k]` for all n, k.
#[inline(always)]
pub(crate) unsafe fn rows_by_lanes<S: Simd, T: Real, const M: usize, const N: usize>(
    simd: S,
    tile: &mut Tile<S, T, M, N>,
    mut panel: *const T,
    off: &[u32],
    at: [*const T; N],
) {
    let mut acc = *tile;
    for &o in off {
        // SAFETY: the caller's promise.
        unsafe {
            let mut b = [T::splat(simd, T::default()); N];
            for n in 0..N {
                b[n] = load::<S, T>(at[n].add(o as usize));
            }
            for m in 0..M {
                let a = T::splat(simd, *panel.add(m));
                for n in 0..N {
                    acc[m][n] = T::mul_add(simd, a, b[n], acc[m][n]);
                }
            }
            panel = panel.add(M);
        }
    }
    *tile = acc;
}

/// `tile[m][n] += Σ_k number at (at[m] + off[k]) · panel[k][n]`: rows are single numbers of the source,
/// columns are registers of a packed panel (`N` registers for each k).
///
/// # Safety
/// A number can be read at `at[m] + off[k]` for all m, k; `panel` has `N` registers for each of `off`.
#[inline(always)]
pub(crate) unsafe fn numbers_by_panel<S: Simd, T: Real, const M: usize, const N: usize>(
    simd: S,
    tile: &mut Tile<S, T, M, N>,
    mut panel: *const T,
    off: &[u32],
    at: [*const T; M],
) {
    let mut acc = *tile;
    for &o in off {
        // SAFETY: the caller's promise.
        unsafe {
            let mut b = [T::splat(simd, T::default()); N];
            for n in 0..N {
                b[n] = load::<S, T>(panel.add(n * T::lanes::<S>()));
            }
            for m in 0..M {
                let a = T::splat(simd, *at[m].add(o as usize));
                for n in 0..N {
                    acc[m][n] = T::mul_add(simd, a, b[n], acc[m][n]);
                }
            }
            panel = panel.add(N * T::lanes::<S>());
        }
    }
    *tile = acc;
}

/// `tile[m][n] += lanes at (a[m] + i·lanes) · lanes at (b[n] + off[i])`, lane by lane: products that are
/// summed over the lanes at the end.
///
/// # Safety
/// A register can be read at `a[m] + i·lanes` and `b[n] + off[i]` for all m, n, i.
#[inline(always)]
pub(crate) unsafe fn lanes_by_lanes<S: Simd, T: Real, const M: usize, const N: usize>(
    simd: S,
    tile: &mut Tile<S, T, M, N>,
    a: [*const T; M],
    off: &[u32],
    b: [*const T; N],
) {
    let mut acc = *tile;
    for i in 0..off.len() {
        // SAFETY: the caller's promise.
        unsafe {
            let mut bs = [T::splat(simd, T::default()); N];
            for n in 0..N {
                bs[n] = load::<S, T>(b[n].add(off[i] as usize));
            }
            for m in 0..M {
                let a = load::<S, T>(a[m].add(i * T::lanes::<S>()));
                for n in 0..N {
                    acc[m][n] = T::mul_add(simd, a, bs[n], acc[m][n]);
                }
            }
        }
    }
    *tile = acc;
}
