//! Conversions between all kinds of elements: a loop for each pair that is worth one, and steps between the others.

use super::halves;
use super::lanes::{LaneKind, Truth};
use crate::DType;
use crate::scalar::{truncated, unsigned};
use half::bf16;
use num_complex::Complex;
use std::mem::MaybeUninit;

/// Conversion as PyTorch casts on x86-64: between integers by wrapping, to truth by "not zero", from complex by the
/// real part, and from floating point to integers by truncation, where what does not fit becomes the least `i64`, or
/// the least `i32` for numbers of 16 and 32 bits, of which the low bits are taken.
trait CastTo<D> {
    fn cast(self) -> D;
}

macro_rules! cast {
    ($($s:ty => $($d:ty),+ , |$x:ident| $f:expr;)*) => {$($(
        impl CastTo<$d> for $s { #[inline(always)] fn cast(self) -> $d { let $x = self; $f as $d } }
    )+)*};
}
cast! {
    u8 => u16, u32, u64, f32, f64, |x| x;
    i8 => u16, u32, u64, f32, f64, |x| x;
    u16 => u8, u32, u64, f32, f64, |x| x;
    i16 => u32, u64, f32, f64, |x| x;
    u32 => u8, u16, u64, f32, f64, |x| x;
    i32 => u64, f32, f64, |x| x;
    u64 => u8, u16, u32, f32, f64, |x| x;
    i64 => f32, f64, |x| x;
    f32 => i64, |x| truncated!(x);
    f32 => u64, |x| unsigned!(x);
    f32 => f64, |x| x;
    f64 => i64, |x| truncated!(x);
    f64 => u64, |x| unsigned!(x);
    f64 => f32, |x| x;
    Truth => u8, u64, |x| x.get();
    Complex<f32> => f32, |z| z.re;
    Complex<f64> => f64, |z| z.re;
}

macro_rules! cast_to {
    ($d:ty: $($s:ty),+ , |$x:ident| $f:expr) => {$(
        impl CastTo<$d> for $s { #[inline(always)] fn cast(self) -> $d { let $x = self; $f } }
    )+};
}
cast_to!(Truth: u8, u16, u32, u64, |x| Truth::from(x != 0));
cast_to!(Truth: f32, f64, |x| Truth::from(x != 0.0));
cast_to!(Truth: Complex<f32>, Complex<f64>, |z| Truth::from(z.re != 0.0 || z.im != 0.0));
cast_to!(Truth: Truth, |x| Truth::from(x.get()));
cast_to!(f32: Truth, |x| x.get() as u8 as f32);
cast_to!(Complex<f32>: f32, |x| Complex::new(x, 0.0));
cast_to!(Complex<f64>: f64, |x| Complex::new(x, 0.0));
cast_to!(Complex<f32>: Complex<f64>, |z| Complex::new(z.re as f32, z.im as f32));
cast_to!(Complex<f64>: Complex<f32>, |z| Complex::new(z.re as f64, z.im as f64));
cast_to!(bf16: f32, |x| halves::f32_to_bf16(x));
cast_to!(f32: bf16, |x| halves::bf16_to_f32(x));

/// From real numbers to integers of less than 64 bits. Those of the size of an `i32` go through one, for which
/// machines have an instruction.
trait ToInt<D>: Copy {
    fn is_far(self) -> bool;
    fn near(self) -> D;
    fn far(self) -> D;
}

/// By way of an `i32`, of which the least stands for all that it does not hold.
macro_rules! by_i32 {
    ($x:ident) => {
        if $x.abs() < 2_147_483_648.0 { $x as i32 } else { i32::MIN }
    };
}

macro_rules! to_int {
    ($($s:ty => $($d:ty: |$x:ident| $far:expr),+;)*) => {$($(
        impl ToInt<$d> for $s {
            #[inline(always)]
            fn is_far(self) -> bool { !(self.abs() < 2_147_483_648.0) }
            #[inline(always)]
            fn near(self) -> $d { self as i32 as $d }
            #[inline(always)]
            fn far(self) -> $d { let $x = self; $far as $d }
        }
    )+)*};
}
to_int! {
    f32 => u8: |x| truncated!(x), u16: |x| by_i32!(x), u32: |x| by_i32!(x);
    f64 => u8: |x| truncated!(x), u16: |x| by_i32!(x), u32: |x| by_i32!(x);
}

/// Converts `n` elements, one behind the other.
type CastFn = unsafe fn(src: *const u8, dst: *mut u8, n: usize);

/// # Safety
/// `src` holds `n` readable `S`s; `dst` has room for `n` `D`s, writable; the two do not overlap.
unsafe fn cast_all<S: Copy + CastTo<D>, D: Copy>(src: *const u8, dst: *mut u8, n: usize) {
    let (src, dst) = (src.cast::<S>(), dst.cast::<D>());
    super::par::simd(
        #[inline(always)]
        || {
            let (src, dst, n) = (src, dst, n);
            for i in 0..n {
                // SAFETY: the caller's promise.
                unsafe { *dst.add(i) = (*src.add(i)).cast() };
            }
        },
    );
}

/// # Safety
/// As for [`cast_all`].
unsafe fn to_int_all<S: ToInt<D>, D: Copy>(src: *const u8, dst: *mut u8, n: usize) {
    let (src, dst) = (src.cast::<S>(), dst.cast::<D>());
    let far = super::par::simd(
        #[inline(always)]
        || {
            let (src, dst, n) = (src, dst, n);
            let mut far = false;
            for i in 0..n {
                // SAFETY: the caller's promise.
                unsafe {
                    far |= (*src.add(i)).is_far();
                    *dst.add(i) = (*src.add(i)).near();
                }
            }
            far
        },
    );
    if far {
        // SAFETY: as above.
        (0..n).for_each(|i| unsafe { *dst.add(i) = (*src.add(i)).far() });
    }
}

/// # Safety
/// As for [`cast_all`].
unsafe fn widen_f16(src: *const u8, dst: *mut u8, n: usize) {
    // SAFETY: the caller's promise; stored elements are aligned and initialised.
    let (src, dst) =
        unsafe { (std::slice::from_raw_parts(src.cast(), n), std::slice::from_raw_parts_mut(dst.cast(), n)) };
    halves::widen(src, dst);
}

/// # Safety
/// As for [`cast_all`].
unsafe fn narrow_f16(src: *const u8, dst: *mut u8, n: usize) {
    // SAFETY: as above.
    let (src, dst) =
        unsafe { (std::slice::from_raw_parts(src.cast(), n), std::slice::from_raw_parts_mut(dst.cast(), n)) };
    halves::narrow(src, dst);
}

/// The loop from one to the other, where there is one.
fn direct(from: LaneKind, to: LaneKind) -> Option<CastFn> {
    macro_rules! table {
        ($($S:ident $s:ty => $($D:ident $d:ty),+;)*) => {
            match (from, to) {
                $($((LaneKind::$S, LaneKind::$D) => Some(cast_all::<$s, $d>),)+)*
                (LaneKind::F32, LaneKind::U8) => Some(to_int_all::<f32, u8>),
                (LaneKind::F32, LaneKind::U16) => Some(to_int_all::<f32, u16>),
                (LaneKind::F32, LaneKind::U32) => Some(to_int_all::<f32, u32>),
                (LaneKind::F64, LaneKind::U8) => Some(to_int_all::<f64, u8>),
                (LaneKind::F64, LaneKind::U16) => Some(to_int_all::<f64, u16>),
                (LaneKind::F64, LaneKind::U32) => Some(to_int_all::<f64, u32>),
                (LaneKind::F16, LaneKind::F32) => Some(widen_f16),
                (LaneKind::F32, LaneKind::F16) => Some(narrow_f16),
                _ => None,
            }
        };
    }
    // Integers as `canonical` names them.
    table! {
        Truth Truth => U8 u8, U64 u64, F32 f32;
        U8 u8 => Truth Truth, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64;
        I8 i8 => U16 u16, U32 u32, U64 u64, F32 f32, F64 f64;
        U16 u16 => Truth Truth, U8 u8, U32 u32, U64 u64, F32 f32, F64 f64;
        I16 i16 => U32 u32, U64 u64, F32 f32, F64 f64;
        U32 u32 => Truth Truth, U8 u8, U16 u16, U64 u64, F32 f32, F64 f64;
        I32 i32 => U64 u64, F32 f32, F64 f64;
        U64 u64 => Truth Truth, U8 u8, U16 u16, U32 u32, F32 f32, F64 f64;
        I64 i64 => F32 f32, F64 f64;
        BF16 bf16 => F32 f32;
        F32 f32 => Truth Truth, I64 i64, U64 u64, BF16 bf16, F64 f64, C64 Complex<f32>;
        F64 f64 => Truth Truth, I64 i64, U64 u64, F32 f32, C128 Complex<f64>;
        C64 Complex<f32> => Truth Truth, F32 f32, C128 Complex<f64>;
        C128 Complex<f64> => Truth Truth, F64 f64, C64 Complex<f32>;
    }
}

/// The pair whose loop does the same: a sign makes a difference only where an integer is widened or becomes a real
/// number, and where a real number becomes one of 64 bits.
fn canonical(from: LaneKind, to: LaneKind) -> (LaneKind, LaneKind) {
    let signless = to == LaneKind::Truth || to.is_int() && to.size() < from.size();
    let wide = matches!(from, LaneKind::F32 | LaneKind::F64) && to == LaneKind::I64;
    (if from.is_int() && signless { from.unsigned() } else { from }, if wide { to } else { to.unsigned() })
}

/// What lies on the way between two that have no loop of their own.
fn between(from: LaneKind, to: LaneKind) -> LaneKind {
    use LaneKind::*;
    match (from, to) {
        (Truth, _) => U8,
        (F16 | BF16 | C64, _) => F32,
        (C128, _) => F64,
        (_, C128) => F64,
        _ => F32,
    }
}

const MOST_STEPS: usize = 3;
/// Elements that are converted at a time where it takes several steps, or they do not lie one behind the other.
const CHUNK: usize = 64;

/// Memory for a chunk of any element.
#[repr(align(64))]
struct Chunk(#[allow(dead_code)] [MaybeUninit<u8>; 16 * CHUNK]);

/// A conversion from one kind of element to another.
#[derive(Clone, Copy)]
pub(crate) struct Convert {
    from: u8,
    to: u8,
    steps: [Option<CastFn>; MOST_STEPS],
}

impl Convert {
    fn new(from: LaneKind, to: LaneKind) -> Convert {
        let mut convert = Convert { from: from.size() as u8, to: to.size() as u8, steps: [None; MOST_STEPS] };
        let mut at = from;
        for step in &mut convert.steps {
            if at.is_stored_as(to) {
                break;
            }
            let (a, b) = canonical(at, to);
            *step = direct(a, b);
            if step.is_some() {
                break;
            }
            let next = between(at, to);
            let (a, b) = canonical(at, next);
            (*step, at) = (direct(a, b), next);
        }
        convert
    }

    /// Elements of `size` bytes as they are.
    pub(crate) fn copy(size: usize) -> Convert {
        Convert { from: size as u8, to: size as u8, steps: [None; MOST_STEPS] }
    }

    /// Converts `n` elements from `src` (`from` elements apart) to `dst` (`to` apart).
    ///
    /// # Safety
    /// `src` holds elements to convert from at the `n` places, aligned and readable; `dst` has room for those to
    /// convert to at its places, aligned and writable; the two do not overlap.
    pub(crate) unsafe fn run(&self, src: *const u8, from: usize, dst: *mut u8, to: usize, n: usize) {
        if n == 0 {
            return; // Where there is nothing, not even addresses need be right.
        }
        let Some(first) = self.steps[0] else {
            // SAFETY: the caller's promise.
            return unsafe { copier(self.from)(src, from, dst, to, n) };
        };
        if from == 1 && to == 1 && self.steps[1].is_none() {
            // SAFETY: the caller's promise.
            return unsafe { first(src, dst, n) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.run_chunks(src, from, dst, to, n) }
    }

    /// [`run`](Convert::run), chunk by chunk: gathered, converted step by step, spread.
    ///
    /// # Safety
    /// As for [`run`](Convert::run).
    unsafe fn run_chunks(&self, src: *const u8, from: usize, dst: *mut u8, to: usize, n: usize) {
        let mut chunks = [const { MaybeUninit::<Chunk>::uninit() }; 2];
        let [a, b] = &mut chunks;
        let (mut now, mut next) = (a.as_mut_ptr().cast::<u8>(), b.as_mut_ptr().cast::<u8>());
        let (gather, spread) = (copier(self.from), copier(self.to));
        // One value for all is converted once.
        let (distinct, size) = if from == 0 { (n.min(1), 1) } else { (n, CHUNK) };
        for start in (0..distinct).step_by(size) {
            let len = size.min(distinct - start);
            // SAFETY: `len` elements of at most 16 bytes fit a chunk, which is aligned for each; the rest is the
            // caller's promise.
            unsafe {
                gather(src.add(start * from * self.from as usize), from, now, 1, len);
                for step in self.steps.iter().flatten() {
                    step(now, next, len);
                    (now, next) = (next, now);
                }
                let (step, len) = if from == 0 { (0, n) } else { (1, len) };
                spread(now, step, dst.add(start * to * self.to as usize), to, len);
            }
        }
    }
}

/// # Safety
/// As for [`Convert::run`], for elements of the size of `T` that stay as they are.
unsafe fn copy<T: Copy>(src: *const u8, from: usize, dst: *mut u8, to: usize, n: usize) {
    let (src, dst) = (src.cast::<T>(), dst.cast::<T>());
    // SAFETY: the caller's promise covers each place that is read and written below.
    unsafe {
        if from == 1 && to == 1 {
            std::ptr::copy_nonoverlapping(src, dst, n);
        } else if from == 0 && n > 0 {
            let value = *src;
            if to == 1 {
                (0..n).for_each(|i| *dst.add(i) = value);
            } else {
                (0..n).for_each(|i| *dst.add(i * to) = value);
            }
        } else {
            let (mut src, mut dst) = (src, dst);
            for _ in 0..n {
                *dst = *src;
                (src, dst) = (src.wrapping_add(from), dst.wrapping_add(to));
            }
        }
    }
}

/// `n` copies of `value`, an element of `size` bytes, at `dst`.
///
/// # Safety
/// `dst` has room for them, writable and aligned for such elements.
#[inline]
pub(crate) unsafe fn fill(value: &[u64; 2], size: usize, dst: *mut u8, n: usize) {
    // SAFETY: the value holds an element of this size in its first bytes; the rest is the caller's promise.
    unsafe { copier(size as u8)(value.as_ptr().cast(), 0, dst, 1, n) }
}

#[inline]
fn copier(size: u8) -> unsafe fn(*const u8, usize, *mut u8, usize, usize) {
    match size {
        1 => copy::<u8>,
        2 => copy::<u16>,
        4 => copy::<u32>,
        8 => copy::<u64>,
        // Not `u128`, which asks for more alignment than a complex number has.
        _ => copy::<[u64; 2]>,
    }
}

/// From `dtype` into the lane.
pub(crate) fn loader(dtype: DType, lane: LaneKind) -> Convert {
    Convert::new(LaneKind::stored(dtype), lane)
}

/// From the lane into `dtype`.
pub(crate) fn storer(lane: LaneKind, dtype: DType) -> Convert {
    Convert::new(lane, LaneKind::stored(dtype))
}

#[cfg(test)]
mod tests {
    use super::LaneKind::*;
    use super::{Convert, LaneKind, between, canonical, direct};

    const ALL: [LaneKind; 15] = [Truth, U8, I8, U16, I16, U32, I32, U64, I64, F16, BF16, F32, F64, C64, C128];

    #[test]
    fn every_pair_has_a_way() {
        for from in ALL {
            for to in ALL {
                let steps = Convert::new(from, to).steps.iter().flatten().count();
                assert_eq!(steps == 0, from.is_stored_as(to), "{from:?} to {to:?}");
                // What a pair takes and gives is what the next one takes.
                let (mut at, mut left) = (from, steps);
                while left > 0 && direct(canonical(at, to).0, canonical(at, to).1).is_none() {
                    let next = between(at, to);
                    assert!(direct(canonical(at, next).0, canonical(at, next).1).is_some(), "{at:?} to {next:?}");
                    (at, left) = (next, left - 1);
                }
                assert!(left == usize::from(steps > 0), "{from:?} to {to:?}: {steps} steps");
            }
        }
    }

    #[test]
    fn large_and_odd_numbers_are_truncated_and_wrap() {
        let x = [0.0f32, -1.9, 300.7, -300.2, 3e9, -3e9, 1e30, f32::NAN];
        let mut to = [0u8; 8];
        // SAFETY: both hold eight elements.
        unsafe { Convert::new(F32, U8).run(x.as_ptr().cast(), 1, to.as_mut_ptr(), 1, 8) };
        assert_eq!(to, [0, 255, 44, 212, 0, 0, 0, 0]);
    }
}
