//! Discrete Fourier transforms over one, two and any number of dimensions, as `torch.fft`.
//!
//! Three ops do the work, over the last dimension and unscaled: [`Rfft`], [`Irfft`] and [`Fft`]. The functions here
//! cut or fill the signal, bring the dimension to the end, and scale.
//!
//! ```
//! use flambeau_tensor::{Tensor, fft::{self, Norm}};
//! let x = Tensor::from_vec(vec![1.0f64, 2.0, 4.0, 3.0, 0.5], 5)?;
//! let spectrum = fft::rfft(&x, None, -1, Norm::Backward)?;
//! assert_eq!(spectrum.shape(), [3]);
//! assert!(fft::irfft(&spectrum, Some(5), -1, Norm::Backward)?.allclose(&x)?);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::shape::{DimList, Dims, dim_index};
use crate::{DType, Fft, Irfft, Result, Rfft, Tensor, bail, dispatch, ensure};

/// Which of the two transforms is scaled: PyTorch's `norm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// The inverse, by 1/n: `"backward"`.
    #[default]
    Backward,
    /// Both, by 1/√n: `"ortho"`.
    Ortho,
    /// The forward one, by 1/n: `"forward"`.
    Forward,
}

impl Norm {
    /// The factor of a transform of `n` samples.
    fn scale(self, inverse: bool, n: usize) -> f64 {
        match (self, inverse) {
            (Norm::Ortho, _) => (n as f64).sqrt().recip(),
            (Norm::Backward, true) | (Norm::Forward, false) => (n as f64).recip(),
            _ => 1.0,
        }
    }

    /// That of the transform with the other sign.
    fn swapped(self) -> Norm {
        match self {
            Norm::Backward => Norm::Forward,
            Norm::Ortho => Norm::Ortho,
            Norm::Forward => Norm::Backward,
        }
    }
}

/// `x` with dimension `dim` cut or filled with zeros to `n`.
#[track_caller]
fn resized(x: &Tensor, dim: isize, n: usize) -> Result<Tensor> {
    let size = x.size(dim)?;
    if size == n {
        return Ok(x.clone());
    }
    if size > n {
        return x.narrow(dim, 0, n);
    }
    let Ok(missing) = isize::try_from(n - size) else {
        bail!(Memory, "fft", "{n} samples are more than can be counted")
    };
    x.movedim(dim, -1)?.pad(&[0, missing], 0.0)?.movedim(-1, dim)
}

#[track_caller]
fn scaled(x: Tensor, scale: f64) -> Result<Tensor> {
    if scale == 1.0 { Ok(x) } else { x.mul(scale) }
}

/// The samples to transform along `dim`: `n`, or all there are.
#[track_caller]
fn samples(op: &'static str, x: &Tensor, n: Option<usize>, dim: isize) -> Result<usize> {
    ensure!(x.rank() > 0, Shape, op, "a tensor of rank 0 has no dimension to transform");
    dim_index(op, dim, x.rank())?;
    let n = n.unwrap_or(x.size(dim)?);
    ensure!(n > 0, Shape, op, "no samples along dimension {dim} of shape {:?}", x.shape());
    Ok(n)
}

/// Halves have no complex numbers to become; integers and bool become the default dtype.
fn transformable(op: &'static str, x: &Tensor) -> Result<()> {
    ensure!(!x.dtype().is_half(), DType, op, "not defined for {}", x.dtype());
    Ok(())
}

#[track_caller]
fn complex(op: &'static str, inverse: bool, x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    transformable(op, x)?;
    let n = samples(op, x, n, dim)?;
    let x = resized(&x.to_dtype(x.dtype().to_complex())?, dim, n)?;
    scaled(dispatch(Fft { inverse }, &[&x.movedim(dim, -1)?])?.movedim(-1, dim)?, norm.scale(inverse, n))
}

/// The transform along `dim`, of `n` samples (cut or filled with zeros; all unless given): `torch.fft.fft`. Complex,
/// of any real or complex input.
///
/// # Errors
/// Where there are no samples, or the dtype is a half.
#[track_caller]
pub fn fft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    complex("fft", false, x, n, dim, norm)
}

/// The inverse of [`fft()`]: `torch.fft.ifft`.
///
/// # Errors
/// As [`fft()`].
#[track_caller]
pub fn ifft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    complex("ifft", true, x, n, dim, norm)
}

/// The one-sided transform of a real signal, n to n/2 + 1: `torch.fft.rfft`.
///
/// # Errors
/// Where there are no samples, or the tensor is complex or of halves.
#[track_caller]
pub fn rfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    transformable("rfft", x)?;
    ensure!(!x.dtype().is_complex(), DType, "rfft", "not defined for {}", x.dtype());
    let n = samples("rfft", x, n, dim)?;
    let x = resized(&x.to_dtype(x.dtype().to_float())?, dim, n)?;
    scaled(dispatch(Rfft, &[&x.movedim(dim, -1)?])?.movedim(-1, dim)?, norm.scale(false, n))
}

/// The real signal of `n` samples (twice the coefficients less two unless given) that one-sided coefficients stand
/// for: `torch.fft.irfft`.
///
/// # Errors
/// Where there are no samples, or the dtype is a half.
#[track_caller]
pub fn irfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    transformable("irfft", x)?;
    ensure!(x.rank() > 0, Shape, "irfft", "a tensor of rank 0 has no dimension to transform");
    dim_index("irfft", dim, x.rank())?;
    let n = n.unwrap_or((x.size(dim)?.max(1) - 1) * 2);
    ensure!(n > 0, Shape, "irfft", "no samples are asked for");
    let x = resized(&x.to_dtype(x.dtype().to_complex())?, dim, n / 2 + 1)?;
    scaled(dispatch(Irfft { n }, &[&x.movedim(dim, -1)?])?.movedim(-1, dim)?, norm.scale(true, n))
}

/// The real transform of a signal whose one half is given, the other being its conjugate: `torch.fft.hfft`.
///
/// # Errors
/// As [`irfft`].
#[track_caller]
pub fn hfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    irfft(&x.conj()?, n, dim, norm.swapped())
}

/// The inverse of [`hfft`]: `torch.fft.ihfft`.
///
/// # Errors
/// As [`rfft`].
#[track_caller]
pub fn ihfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    rfft(x, n, dim, norm.swapped())?.conj()
}

/// The dimensions of a transform and the samples along each that were asked for.
#[track_caller]
fn plan(
    op: &'static str,
    x: &Tensor,
    s: Option<&[usize]>,
    dims: Option<&[isize]>,
) -> Result<Vec<(isize, Option<usize>)>> {
    let rank = x.rank();
    let dims: DimList = match (dims, s) {
        (Some(dims), _) => Dims::from(dims.to_vec()).resolve(op, rank)?,
        (None, None) => (0..rank).collect(),
        (None, Some(s)) => {
            ensure!(s.len() <= rank, Shape, op, "{} sizes for the {rank} dimensions of shape {:?}", s.len(), x.shape());
            (rank - s.len()..rank).collect()
        }
    };
    if let Some(s) = s {
        ensure!(s.len() == dims.len(), Argument, op, "{} sizes for {} dimensions", s.len(), dims.len());
    }
    Ok(dims.iter().enumerate().map(|(i, &d)| (d as isize, s.map(|s| s[i]))).collect())
}

/// A transform of the last dimension of the plan that is not `complex`, split off.
#[track_caller]
fn split_last(
    op: &'static str,
    plan: Vec<(isize, Option<usize>)>,
) -> Result<(Vec<(isize, Option<usize>)>, (isize, Option<usize>))> {
    let mut plan = plan;
    match plan.pop() {
        Some(last) => Ok((plan, last)),
        None => bail!(Argument, op, "at least one dimension must be transformed"),
    }
}

/// The transform over `dims`, `s` samples along each: `torch.fft.fftn`. Unless `dims` are given, they are the last
/// ones that `s` has sizes for, or all.
///
/// # Errors
/// As [`fft()`]; and where `s` and `dims` do not go together or a dimension appears twice.
#[track_caller]
pub fn fftn(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    let plan = plan("fftn", x, s, dims)?;
    transformable("fftn", x)?;
    plan.into_iter().try_fold(x.to_dtype(x.dtype().to_complex())?, |x, (dim, n)| fft(&x, n, dim, norm))
}

/// The inverse of [`fftn`]: `torch.fft.ifftn`.
///
/// # Errors
/// As [`fftn`].
#[track_caller]
pub fn ifftn(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    let plan = plan("ifftn", x, s, dims)?;
    transformable("ifftn", x)?;
    plan.into_iter().try_fold(x.to_dtype(x.dtype().to_complex())?, |x, (dim, n)| ifft(&x, n, dim, norm))
}

/// The transform of a real signal over `dims`, one-sided in the last of them: `torch.fft.rfftn`.
///
/// # Errors
/// As [`fftn`], and where the tensor is complex.
#[track_caller]
pub fn rfftn(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    let (others, (dim, n)) = split_last("rfftn", plan("rfftn", x, s, dims)?)?;
    others.into_iter().try_fold(rfft(x, n, dim, norm)?, |x, (dim, n)| fft(&x, n, dim, norm))
}

/// The inverse of [`rfftn`]: `torch.fft.irfftn`.
///
/// # Errors
/// As [`fftn`].
#[track_caller]
pub fn irfftn(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    let (others, (dim, n)) = split_last("irfftn", plan("irfftn", x, s, dims)?)?;
    let x = others.into_iter().try_fold(x.clone(), |x, (dim, n)| ifft(&x, n, dim, norm))?;
    irfft(&x, n, dim, norm)
}

/// The real transform over `dims` of a signal of which one half is given along the last of them: `torch.fft.hfftn`.
///
/// # Errors
/// As [`irfftn`].
#[track_caller]
pub fn hfftn(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    irfftn(&x.conj()?, s, dims, norm.swapped())
}

/// The inverse of [`hfftn`]: `torch.fft.ihfftn`.
///
/// # Errors
/// As [`rfftn`].
#[track_caller]
pub fn ihfftn(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    rfftn(x, s, dims, norm.swapped())?.conj()
}

/// Functions over the last two dimensions unless others are given.
macro_rules! over_two {
    ($($name:ident => $n:ident;)*) => {$(
        #[doc = concat!("[`", stringify!($n), "`] over the last two dimensions unless `dims` are given: `torch.fft.", stringify!($name), "`.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($n), "`].")]
        #[track_caller]
        pub fn $name(x: &Tensor, s: Option<&[usize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
            $n(x, s, Some(dims.unwrap_or(&[-2, -1])), norm)
        }
    )*};
}

over_two! { fft2 => fftn; ifft2 => ifftn; rfft2 => rfftn; irfft2 => irfftn; hfft2 => hfftn; ihfft2 => ihfftn; }

#[track_caller]
fn shift(op: &'static str, x: &Tensor, dims: Option<&[isize]>, by: impl Fn(usize) -> usize) -> Result<Tensor> {
    let dims: DimList = match dims {
        Some(dims) => Dims::from(dims.to_vec()).resolve(op, x.rank())?,
        None => (0..x.rank()).collect(),
    };
    if dims.is_empty() || x.rank() == 0 {
        return Ok(x.clone());
    }
    let shifts: Vec<isize> = dims.iter().map(|&d| by(x.shape()[d]) as isize).collect();
    x.roll(shifts, dims)
}

/// The zero frequency moved to the middle of `dims` (all unless given): `torch.fft.fftshift`.
///
/// # Errors
/// Where a dimension is out of range.
#[track_caller]
pub fn fftshift(x: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    shift("fftshift", x, dims, |n| n / 2)
}

/// The inverse of [`fftshift`]: `torch.fft.ifftshift`.
///
/// # Errors
/// As [`fftshift`].
#[track_caller]
pub fn ifftshift(x: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    shift("ifftshift", x, dims, |n| n.div_ceil(2))
}

/// Numbers `start..end` times 1 / (n d).
#[track_caller]
fn frequencies(
    op: &'static str,
    n: usize,
    d: f64,
    dtype: DType,
    bins: impl Fn(usize) -> i64,
    len: usize,
) -> Result<Tensor> {
    ensure!(dtype.is_float(), DType, op, "frequencies are floating point numbers, not {dtype}");
    let out = Tensor::zeros(len).dtype(DType::F64).build()?;
    let step = 1.0 / (n as f64 * d);
    out.data_mut::<f64>()?.iter_mut().enumerate().for_each(|(i, f)| *f = bins(i) as f64 * step);
    out.to_dtype(dtype)
}

/// The frequencies of the coefficients of [`fft()`] of `n` samples `d` apart: `torch.fft.fftfreq`.
///
/// # Errors
/// Where `dtype` is not of floating point numbers.
#[track_caller]
pub fn fftfreq(n: usize, d: f64, dtype: DType) -> Result<Tensor> {
    let bin = |i: usize| if i < n.div_ceil(2) { i as i64 } else { i as i64 - n as i64 };
    frequencies("fftfreq", n, d, dtype, bin, n)
}

/// The frequencies of the coefficients of [`rfft`] of `n` samples `d` apart: `torch.fft.rfftfreq`.
///
/// # Errors
/// As [`fftfreq`].
#[track_caller]
pub fn rfftfreq(n: usize, d: f64, dtype: DType) -> Result<Tensor> {
    frequencies("rfftfreq", n, d, dtype, |i| i as i64, n / 2 + 1)
}
