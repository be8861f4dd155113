//! Masks over spectrograms by chance, in torchaudio's order of draws. See D. S. Park et al., *SpecAugment*, 2019,
//! arXiv:1904.08779.

use flambeau_tensor::{DType, Operand, Result, Tensor, ensure};

/// What a mask runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskAxis {
    /// the last dimension but one
    Frequency,
    /// the last dimension
    Time,
}

impl MaskAxis {
    fn dim(self) -> isize {
        if self == MaskAxis::Frequency { -2 } else { -1 }
    }
}

/// The bound of a mask's length, or none where nothing is masked.
#[track_caller]
fn bound(name: &'static str, x: &Tensor, least: usize, param: usize, axis: MaskAxis, p: f64) -> Result<Option<usize>> {
    ensure!(
        x.rank() >= least,
        Shape,
        name,
        "a spectrogram is {}[..., freq, time], this is {:?}",
        if least > 2 { "a batch of " } else { "" },
        x.shape()
    );
    ensure!((0.0..=1.0).contains(&p), Argument, name, "p {p} must be from 0 to 1");
    let size = x.size(axis.dim())?;
    let most = if p == 1.0 { param } else { param.min((size as f64 * p) as usize) };
    Ok((most > 0).then_some(most))
}

/// Spectrograms `[..., freq, time]` with one run along `axis`, the same in all, set to `mask_value`: shorter than
/// `mask_param` and than the part `p` of the axis. Length and start are drawn, in this order, from the default
/// generator. Follows `torchaudio.functional.mask_along_axis`.
///
/// # Errors
/// Where there are fewer than two dimensions, or `p` is not from 0 to 1.
#[track_caller]
pub fn mask_along_axis<'a>(
    specgram: &Tensor,
    mask_param: usize,
    mask_value: impl Into<Operand<'a>>,
    axis: MaskAxis,
    p: f64,
) -> Result<Tensor> {
    let Some(most) = bound("mask_along_axis", specgram, 2, mask_param, axis, p)? else { return Ok(specgram.clone()) };
    let size = specgram.size(axis.dim())?;
    let draw = || Tensor::rand([1]).build()?.item::<f32>();
    let length = draw()? * most as f32;
    let start = draw()? * (size as f32 - length);
    // Truncation toward zero, as `long()`: a mask longer than the spectrogram starts before it.
    let (start, end) = (start as i64, start as i64 + length as i64);
    let along = Tensor::arange(0, size as i64).device(specgram.device()).build()?;
    let hidden = along.ge(start)?.logical_and(&along.lt(end)?)?;
    specgram.masked_fill(&if axis == MaskAxis::Time { hidden } else { hidden.unsqueeze(-1)? }, mask_value)
}

/// As [`mask_along_axis`] with a run of its own for each of `[..., freq, time]`: first all lengths are drawn, then all
/// starts, in the spectrogram's dtype. Follows `torchaudio.functional.mask_along_axis_iid`.
///
/// # Errors
/// Where there are fewer than three dimensions, or `p` is not from 0 to 1.
#[track_caller]
pub fn mask_along_axis_iid<'a>(
    specgrams: &Tensor,
    mask_param: usize,
    mask_value: impl Into<Operand<'a>>,
    axis: MaskAxis,
    p: f64,
) -> Result<Tensor> {
    let name = "mask_along_axis_iid";
    let Some(most) = bound(name, specgrams, 3, mask_param, axis, p)? else { return Ok(specgrams.clone()) };
    let (dim, dtype) = (axis.dim(), specgrams.dtype());
    ensure!(dtype.is_float(), DType, name, "a spectrogram is floating point here, not {dtype}");
    let size = specgrams.size(dim)?;
    let draw =
        || Tensor::rand(&specgrams.shape()[..specgrams.rank() - 2]).dtype(dtype).device(specgrams.device()).build();
    let length = draw()?.mul(most as f64)?;
    let start = draw()?.mul(&length.rsub(size as f64)?)?;
    let whole = |x: &Tensor| x.to_dtype(DType::I64)?.unsqueeze(-1)?.unsqueeze(-1);
    let (length, start) = (whole(&length)?, whole(&start)?);
    let along = Tensor::arange(0, size as i64).device(specgrams.device()).build()?;
    let hidden = along.ge(&start)?.logical_and(&along.lt(&start.add(&length)?)?)?;
    specgrams.masked_fill(&hidden.transpose(dim, -1)?, mask_value)
}
