//! Lanes: the few types that elementwise kernels compute in, and the conversions between them and the
//! twelve that tensors store.
//!
//! A kernel is written for `f32`, `f64`, `i64`, truth values and `Complex<f64>`; the iterator
//! converts a chunk at a time on the way in and out. Half precision is computed in `f32`, small
//! integers in `i64` (two's complement makes the truncated result right), `complex64` in `f64` parts.

use super::halves;
use crate::dtype::Stored;
use crate::{DType, Scalar};
use half::{bf16, f16};
use num_complex::Complex;

/// A truth value as stored: any byte, true where it is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(transparent)]
pub(crate) struct Truth(u8);

// SAFETY: a byte.
unsafe impl Stored for Truth {}

impl Truth {
    pub(crate) const FALSE: Truth = Truth(0);
    pub(crate) const TRUE: Truth = Truth(1);

    #[inline(always)]
    pub(crate) fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Truth {
    #[inline(always)]
    fn from(b: bool) -> Truth {
        Truth(b as u8)
    }
}

/// Which lane type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneKind {
    Truth,
    I64,
    F32,
    F64,
    C128,
}

/// A type that kernels compute in.
pub(crate) trait Lane: Stored {
    const KIND: LaneKind;
    /// True where a loop gains from wider registers than every machine has: those of the others are bound by
    /// memory or do not vectorise, and compiling them twice is time lost.
    const WIDE: bool = matches!(Self::KIND, LaneKind::F32 | LaneKind::F64);

    /// The number, converted as a tensor of one element is.
    fn from_scalar(value: Scalar) -> Self;
}

macro_rules! lanes {
    ($($t:ty => $kind:ident, |$v:ident| $from:expr;)*) => {$(
        impl Lane for $t {
            const KIND: LaneKind = LaneKind::$kind;
            #[inline]
            fn from_scalar($v: Scalar) -> $t { $from }
        }
    )*};
}
lanes! {
    Truth => Truth, |v| Truth::from(v.to_bool());
    i64 => I64, |v| v.to_i64();
    f32 => F32, |v| v.to_f64() as f32;
    f64 => F64, |v| v.to_f64();
    Complex<f64> => C128, |v| v.to_c128();
}

impl LaneKind {
    /// The lane that holds every value of `dtype`.
    pub(crate) fn of(dtype: DType) -> LaneKind {
        match dtype {
            DType::Bool => LaneKind::Truth,
            DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::I64 => LaneKind::I64,
            DType::F16 | DType::BF16 | DType::F32 => LaneKind::F32,
            DType::F64 => LaneKind::F64,
            DType::Complex64 | DType::Complex128 => LaneKind::C128,
        }
    }

    /// The dtype that is stored just as this lane.
    pub(crate) fn dtype(self) -> DType {
        match self {
            LaneKind::Truth => DType::Bool,
            LaneKind::I64 => DType::I64,
            LaneKind::F32 => DType::F32,
            LaneKind::F64 => DType::F64,
            LaneKind::C128 => DType::Complex128,
        }
    }

    pub(crate) fn size(self) -> usize {
        self.dtype().size()
    }
}

/// Conversion as PyTorch casts: to integers by truncation and wrapping, to truth by "not zero", from
/// complex by the real part.
pub(crate) trait CastTo<D> {
    fn cast(self) -> D;
}

macro_rules! cast_numbers {
    ($($s:ty => [$($d:ty),*]);* $(;)?) => {$($(
        impl CastTo<$d> for $s { #[inline(always)] fn cast(self) -> $d { self as $d } }
    )*)*};
}
cast_numbers! {
    u8 => [f32, f64, i64]; i8 => [f32, f64, i64]; i16 => [f32, f64, i64]; i32 => [f32, f64, i64];
    i64 => [f32, f64, i64, u8, i8, i16, i32]; f32 => [f32, f64, i64]; f64 => [f32, f64, i64];
}

macro_rules! cast_via_i64 {
    ($($s:ty),*) => {$(
        impl CastTo<u8> for $s { #[inline(always)] fn cast(self) -> u8 { self as i64 as u8 } }
        impl CastTo<i8> for $s { #[inline(always)] fn cast(self) -> i8 { self as i64 as i8 } }
        impl CastTo<i16> for $s { #[inline(always)] fn cast(self) -> i16 { self as i64 as i16 } }
        impl CastTo<i32> for $s { #[inline(always)] fn cast(self) -> i32 { self as i64 as i32 } }
    )*};
}
cast_via_i64!(f32, f64);

macro_rules! cast_general {
    // to truth, to complex, to halves
    ($($s:ty),*) => {$(
        impl CastTo<Truth> for $s { #[inline(always)] fn cast(self) -> Truth { Truth::from(self != 0 as $s) } }
        impl CastTo<Complex<f64>> for $s { #[inline(always)] fn cast(self) -> Complex<f64> { Complex::new(self as f64, 0.0) } }
        impl CastTo<Complex<f32>> for $s { #[inline(always)] fn cast(self) -> Complex<f32> { Complex::new(self as f32, 0.0) } }
    )*};
}
cast_general!(u8, i8, i16, i32, i64, f32, f64);

macro_rules! cast_to_half {
    ($($s:ty),*) => {$(
        impl CastTo<f16> for $s { #[inline(always)] fn cast(self) -> f16 { halves::f32_to_f16(self as f32) } }
        impl CastTo<bf16> for $s { #[inline(always)] fn cast(self) -> bf16 { halves::f32_to_bf16(self as f32) } }
    )*};
}
cast_to_half!(i64, f32, f64);

macro_rules! cast_via {
    // $s first becomes $via by $how, then whatever is asked for
    ($($s:ty, $via:ty, $how:expr => [$($d:ty),*]);* $(;)?) => {$($(
        impl CastTo<$d> for $s { #[inline(always)] fn cast(self) -> $d { let via: $via = ($how)(self); CastTo::<$d>::cast(via) } }
    )*)*};
}
cast_via! {
    f16, f32, halves::f16_to_f32 => [f32, f64, i64, Truth, Complex<f64>];
    bf16, f32, halves::bf16_to_f32 => [f32, f64, i64, Truth, Complex<f64>];
    Truth, i64, |x: Truth| x.get() as i64 => [f32, f64, i64, u8, i8, i16, i32, f16, bf16, Complex<f32>, Complex<f64>];
    Complex<f32>, f32, |z: Complex<f32>| z.re => [f32, f64, i64];
    Complex<f64>, f64, |z: Complex<f64>| z.re => [f32, f64, i64, u8, i8, i16, i32, f16, bf16];
}
impl CastTo<Truth> for Truth {
    #[inline(always)]
    fn cast(self) -> Truth {
        Truth::from(self.get())
    }
}
impl CastTo<Truth> for Complex<f32> {
    #[inline(always)]
    fn cast(self) -> Truth {
        Truth::from(self.re != 0.0 || self.im != 0.0)
    }
}
impl CastTo<Truth> for Complex<f64> {
    #[inline(always)]
    fn cast(self) -> Truth {
        Truth::from(self.re != 0.0 || self.im != 0.0)
    }
}
impl CastTo<Complex<f64>> for Complex<f32> {
    #[inline(always)]
    fn cast(self) -> Complex<f64> {
        Complex::new(self.re as f64, self.im as f64)
    }
}
impl CastTo<Complex<f32>> for Complex<f64> {
    #[inline(always)]
    fn cast(self) -> Complex<f32> {
        Complex::new(self.re as f32, self.im as f32)
    }
}
impl CastTo<Complex<f64>> for Complex<f64> {
    #[inline(always)]
    fn cast(self) -> Complex<f64> {
        self
    }
}

/// Converts `n` elements from `src` (`from` elements apart) to `dst` (`to` apart).
pub(crate) type Convert = unsafe fn(src: *const u8, from: usize, dst: *mut u8, to: usize, n: usize);

/// # Safety
/// `src` holds `S`s at the `n` places, readable; `dst` has room for `D`s at its places, writable, and
/// the two do not overlap.
unsafe fn convert<S: Copy + CastTo<D>, D: Copy>(src: *const u8, from: usize, dst: *mut u8, to: usize, n: usize) {
    let (src, dst) = (src.cast::<S>(), dst.cast::<D>());
    // SAFETY: the caller's promise covers each place that is read and written below.
    unsafe {
        if from == 1 && to == 1 {
            super::par::simd(
                #[inline(always)]
                || {
                    let (src, dst, n) = (src, dst, n);
                    for i in 0..n {
                        *dst.add(i) = (*src.add(i)).cast();
                    }
                },
            );
        } else if from == 0 {
            spread((*src).cast(), dst, to, n);
        } else {
            (0..n).for_each(|i| *dst.add(i * to) = (*src.add(i * from)).cast());
        }
    }
}

/// # Safety
/// `dst` has room for `n` values `to` apart.
#[inline(always)]
unsafe fn spread<T: Copy>(value: T, dst: *mut T, to: usize, n: usize) {
    // SAFETY: the caller's promise; a loop of its own for neighbours, which becomes vector code.
    unsafe {
        if to == 1 {
            (0..n).for_each(|i| *dst.add(i) = value);
        } else {
            (0..n).for_each(|i| *dst.add(i * to) = value);
        }
    }
}

/// # Safety
/// As for [`convert`], for elements of the size of `T`.
unsafe fn copy<T: Copy>(src: *const u8, from: usize, dst: *mut u8, to: usize, n: usize) {
    let (src, dst) = (src.cast::<T>(), dst.cast::<T>());
    // SAFETY: the caller's promise covers each place that is read and written below.
    unsafe {
        if from == 1 && to == 1 {
            std::ptr::copy_nonoverlapping(src, dst, n);
        } else if from == 0 {
            spread(*src, dst, to, n);
        } else {
            (0..n).for_each(|i| *dst.add(i * to) = *src.add(i * from));
        }
    }
}

/// The copy of elements of `dtype` unconverted.
pub(crate) fn copier(dtype: DType) -> Convert {
    match dtype.size() {
        1 => copy::<u8>,
        2 => copy::<u16>,
        4 => copy::<u32>,
        8 => copy::<u64>,
        // Not `u128`, which asks for more alignment than a complex number has.
        _ => copy::<[u64; 2]>,
    }
}

macro_rules! for_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::Bool => {
                type $t = Truth;
                $body
            }
            DType::U8 => {
                type $t = u8;
                $body
            }
            DType::I8 => {
                type $t = i8;
                $body
            }
            DType::I16 => {
                type $t = i16;
                $body
            }
            DType::I32 => {
                type $t = i32;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::F16 => {
                type $t = f16;
                $body
            }
            DType::BF16 => {
                type $t = bf16;
                $body
            }
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::Complex64 => {
                type $t = Complex<f32>;
                $body
            }
            DType::Complex128 => {
                type $t = Complex<f64>;
                $body
            }
        }
    };
}

macro_rules! for_lane {
    ($kind:expr, $t:ident => $body:expr) => {
        match $kind {
            LaneKind::Truth => {
                type $t = Truth;
                $body
            }
            LaneKind::I64 => {
                type $t = i64;
                $body
            }
            LaneKind::F32 => {
                type $t = f32;
                $body
            }
            LaneKind::F64 => {
                type $t = f64;
                $body
            }
            LaneKind::C128 => {
                type $t = Complex<f64>;
                $body
            }
        }
    };
}

/// From `dtype` into the lane.
pub(crate) fn loader(dtype: DType, lane: LaneKind) -> Convert {
    if dtype == lane.dtype() {
        return copier(dtype);
    }
    for_dtype!(dtype, S => for_lane!(lane, D => convert::<S, D>))
}

/// From the lane into `dtype`.
pub(crate) fn storer(lane: LaneKind, dtype: DType) -> Convert {
    if dtype == lane.dtype() {
        return copier(dtype);
    }
    for_lane!(lane, S => for_dtype!(dtype, D => convert::<S, D>))
}
