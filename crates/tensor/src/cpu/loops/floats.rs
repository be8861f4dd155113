//! Whole operands in the type that a kernel computes in (`f32` or `f64`), and sums over them: for the
//! fused kernels, which need rows rather than elements.

use super::convert::{loader, storer};
use super::halves::rounded;
use super::lanes::{Lane, LaneKind};
use super::par;
use super::view::{Dst, Src};
use crate::cpu::math::Float;
use crate::cpu::{check_room, list, lists};
use crate::{DType, Result};
use half::{bf16, f16};
use std::borrow::Cow;

/// `f32`, which half precision computes in too, or `f64`.
pub(crate) trait Compute: Float + Lane {}
impl Compute for f32 {}
impl Compute for f64 {}

/// Calls `$go::<f32>` or `$go::<f64>`, whichever a tensor of floating-point `$dtype` computes in.
macro_rules! compute {
    ($op:expr, $dtype:expr, $($go:ident)::+($($arg:expr),* $(,)?)) => {
        match $crate::cpu::lanes::LaneKind::of($dtype) {
            $crate::cpu::lanes::LaneKind::F32 => $($go)::+::<f32>($($arg),*),
            $crate::cpu::lanes::LaneKind::F64 => $($go)::+::<f64>($($arg),*),
            _ => $crate::bail!(DType, $op, "not defined for {}", $dtype),
        }
    };
}
pub(crate) use compute;

/// The elements in row-major order: borrowed where they lie so as `T`, else copied.
///
/// # Errors
/// Where there is no memory for a copy.
///
/// # Panics
/// Where the dtype is not floating point, or does not compute in `T`.
pub(crate) fn read<'a, T: Compute>(src: &Src<'a>) -> Result<Cow<'a, [T]>> {
    fn widen<S: crate::dtype::Stored, T: Compute>(src: &Src<'_>) -> Result<Vec<T>> {
        let from = src.contiguous::<S>();
        let mut to = list(from.len(), T::default())?;
        let load = loader(src.dtype(), T::KIND);
        // SAFETY: both slices hold `from.len()` elements, of the dtype and of its lane; they are apart.
        unsafe { load.run(from.as_ptr().cast(), 1, to.as_mut_ptr().cast(), 1, from.len()) };
        Ok(to)
    }
    assert!(LaneKind::of(src.dtype()) == T::KIND, "{} does not compute in {}", src.dtype(), std::any::type_name::<T>());
    check_room(lists::PLACE, &[*src])?;
    Ok(match src.dtype() {
        DType::F16 => Cow::Owned(widen::<f16, T>(src)?),
        DType::BF16 => Cow::Owned(widen::<bf16, T>(src)?),
        _ => src.contiguous::<T>(),
    })
}

/// Lets `f` fill a contiguous output as `T`s: its memory where it is stored so, else a buffer that is
/// then rounded into it.
///
/// # Panics
/// As [`read`].
pub(crate) fn write<T: Compute, R>(dst: &mut Dst<'_>, f: impl FnOnce(&mut [T]) -> R) -> Result<R> {
    assert!(LaneKind::of(dst.dtype()) == T::KIND, "{} does not compute in {}", dst.dtype(), std::any::type_name::<T>());
    if T::KIND.stores(dst.dtype()) {
        return Ok(f(dst.slice::<T>()));
    }
    let mut rows = list(dst.numel(), T::default())?;
    let result = f(&mut rows);
    store(&rows, dst);
    Ok(result)
}

/// An output as `T`s while a kernel fills it: its memory where it is stored so, else a buffer, which
/// [`finish`](Wide::finish) rounds into it. For kernels with several outputs.
pub(crate) enum Wide<'a, 'b, T> {
    Own(&'b mut [T]),
    Buffer(Vec<T>, &'b mut Dst<'a>),
}

impl<'a, 'b, T: Compute> Wide<'a, 'b, T> {
    /// # Panics
    /// As [`read`].
    pub(crate) fn of(dst: &'b mut Dst<'a>) -> Result<Self> {
        if T::KIND.stores(dst.dtype()) {
            Ok(Wide::Own(dst.slice::<T>()))
        } else {
            Ok(Wide::Buffer(list(dst.numel(), T::default())?, dst))
        }
    }

    pub(crate) fn numbers(&mut self) -> &mut [T] {
        match self {
            Wide::Own(numbers) => numbers,
            Wide::Buffer(numbers, _) => numbers,
        }
    }

    pub(crate) fn finish(self) {
        if let Wide::Buffer(numbers, dst) = self {
            store(&numbers, dst);
        }
    }
}

/// Each of `all` as half-precision `dtype` holds it. Where each step of a kernel is rounded, see there.
pub(crate) fn keep_all<T: Compute>(dtype: DType, all: &mut [T]) {
    par::simd(
        #[inline(always)]
        || {
            for x in all.iter_mut() {
                *x = keep(dtype, *x);
            }
        },
    );
}

/// What `dtype` holds of `x` where it is of half precision, else `x`.
#[inline(always)]
pub(crate) fn keep<T: Compute>(dtype: DType, x: T) -> T {
    if dtype.is_half() { T::from_f64(rounded(dtype, x.to_f64() as f32).into()) } else { x }
}

/// Rounds `rows` into a contiguous output of as many elements.
///
/// # Panics
/// As [`read`], and where the output has another number of elements.
pub(crate) fn store<T: Compute>(rows: &[T], dst: &mut Dst<'_>) {
    assert!(LaneKind::of(dst.dtype()) == T::KIND && dst.is_contiguous() && dst.numel() == rows.len());
    let convert = storer(T::KIND, dst.dtype());
    let bytes = dst.bytes_mut();
    // SAFETY: the output holds as many elements of its dtype as `rows` has lanes; they are apart.
    unsafe { convert.run(rows.as_ptr().cast(), 1, bytes.as_mut_ptr(), 1, rows.len()) };
}

/// Sums run in this many lanes side by side: enough to keep two vector units busy, and the same on
/// every machine, so that the result is.
const LANES: usize = 32;

/// `a[i]`, `b[i]` and `c[i]` folded by `f` in a fixed order. Call inside [`par::simd`](super::par::simd).
#[inline(always)]
fn fold<T: Float>([a, b, c]: [&[T]; 3], start: T, f: impl Fn(T, T, T, T) -> T, join: impl Fn(T, T) -> T) -> T {
    let (b, c) = (&b[..a.len()], &c[..a.len()]);
    let mut lanes = [start; LANES];
    let ((whole_a, rest_a), (whole_b, rest_b), (whole_c, rest_c)) =
        (a.as_chunks::<LANES>(), b.as_chunks::<LANES>(), c.as_chunks::<LANES>());
    // By index, here and below: rows are often short, and what a `zip` costs to make is not.
    for k in 0..whole_a.len() {
        let (a, b, c) = (&whole_a[k], &whole_b[k], &whole_c[k]);
        for i in 0..LANES {
            lanes[i] = f(lanes[i], a[i], b[i], c[i]);
        }
    }
    for i in 0..rest_a.len() {
        lanes[i] = f(lanes[i], rest_a[i], rest_b[i], rest_c[i]);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest element; NaN if any is.
#[inline(always)]
pub(crate) fn max<T: Float>(x: &[T]) -> T {
    fold([x, x, x], T::NEG_INFINITY, |m, x, _, _| Float::maximum(m, x), Float::maximum)
}

/// Σ x.
#[inline(always)]
pub(crate) fn sum<T: Float>(x: &[T]) -> T {
    fold([x, x, x], T::ZERO, |s, x, _, _| s + x, |a, b| a + b)
}

/// Σ f(a, b).
#[inline(always)]
pub(crate) fn sum_of<T: Float>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    fold([a, b, b], T::ZERO, |s, a, b, _| s + f(a, b), |a, b| a + b)
}

/// Σ f(a, b, c).
#[inline(always)]
pub(crate) fn sum_of3<T: Float>(a: &[T], b: &[T], c: &[T], f: impl Fn(T, T, T) -> T) -> T {
    fold([a, b, c], T::ZERO, |s, a, b, c| s + f(a, b, c), |a, b| a + b)
}

/// `out[i] = f(a[i])`.
#[inline(always)]
pub(crate) fn each<T: Float>(out: &mut [T], a: &[T], f: impl Fn(T) -> T) {
    let n = out.len();
    let a = &a[..n];
    for i in 0..n {
        out[i] = f(a[i]);
    }
}

/// `out[i] = f(a[i], b[i])`.
#[inline(always)]
pub(crate) fn each2<T: Float>(out: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T) {
    let n = out.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        out[i] = f(a[i], b[i]);
    }
}

/// `out[i] = f(out[i], a[i], b[i], c[i])`.
#[inline(always)]
pub(crate) fn update<T: Float>(out: &mut [T], [a, b, c]: [&[T]; 3], f: impl Fn(T, T, T, T) -> T) {
    let n = out.len();
    let (a, b, c) = (&a[..n], &b[..n], &c[..n]);
    for i in 0..n {
        out[i] = f(out[i], a[i], b[i], c[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_take_every_element_once() {
        for n in [0, 1, 31, 32, 33, 100] {
            let x: Vec<f64> = (0..n).map(|i| i as f64 + 1.0).collect();
            assert_eq!(sum(&x), (n * (n + 1) / 2) as f64);
            assert_eq!(sum_of(&x, &x, |a, b| a * b), x.iter().map(|x| x * x).sum::<f64>());
            assert_eq!(max(&x), if n == 0 { f64::NEG_INFINITY } else { n as f64 });
        }
        let mut x = vec![1.0f32; 40];
        x[35] = f32::NAN;
        assert!(max(&x).is_nan());
    }
}
