//! Fourier transforms.

use flambeau_tensor::{
    IstftOptions, Result as TensorResult, StftOptions, Tensor,
    fft::{self, Norm},
};

use super::Entry;
use crate::call::{Call, Outcome, Trouble, ok, unsupported};

fn norm(c: &Call, position: usize) -> Result<Norm, Trouble> {
    match c.text_or(position, "norm", "backward")? {
        "backward" => Ok(Norm::Backward),
        "ortho" => Ok(Norm::Ortho),
        "forward" => Ok(Norm::Forward),
        other => unsupported(format!("norm {other}")),
    }
}

/// Over one dimension.
fn line(c: &Call, f: fn(&Tensor, Option<usize>, isize, Norm) -> TensorResult<Tensor>) -> Outcome {
    let n = if c.given(1, "n").is_some() { Some(c.size(1, "n")?) } else { None };
    ok(f(c.x()?, n, c.dim_or(2, "dim", -1)?, norm(c, 3)?)?)
}

type Over = fn(&Tensor, Option<&[usize]>, Option<&[isize]>, Norm) -> TensorResult<Tensor>;

/// Over several dimensions.
fn over(c: &Call, f: Over) -> Outcome {
    let sizes = match c.ints_opt(1, "s")? {
        None => None,
        Some(s) => match s.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>() {
            Ok(s) => Some(s),
            Err(_) => return unsupported("a size of -1"),
        },
    };
    ok(f(c.x()?, sizes.as_deref(), c.ints_opt(2, "dim")?.as_deref(), norm(c, 3)?)?)
}

/// The functions of `torch.fft`.
pub(super) const TRANSFORMS: &[Entry] = &[
    ("fft.fft", |c| line(c, fft::fft)),
    ("fft.ifft", |c| line(c, fft::ifft)),
    ("fft.rfft", |c| line(c, fft::rfft)),
    ("fft.irfft", |c| line(c, fft::irfft)),
    ("fft.hfft", |c| line(c, fft::hfft)),
    ("fft.ihfft", |c| line(c, fft::ihfft)),
    ("fft.fft2", |c| over(c, fft::fft2)),
    ("fft.ifft2", |c| over(c, fft::ifft2)),
    ("fft.rfft2", |c| over(c, fft::rfft2)),
    ("fft.irfft2", |c| over(c, fft::irfft2)),
    ("fft.hfft2", |c| over(c, fft::hfft2)),
    ("fft.ihfft2", |c| over(c, fft::ihfft2)),
    ("fft.fftn", |c| over(c, fft::fftn)),
    ("fft.ifftn", |c| over(c, fft::ifftn)),
    ("fft.rfftn", |c| over(c, fft::rfftn)),
    ("fft.irfftn", |c| over(c, fft::irfftn)),
    ("fft.hfftn", |c| over(c, fft::hfftn)),
    ("fft.ihfftn", |c| over(c, fft::ihfftn)),
    ("fft.fftshift", |c| ok(fft::fftshift(c.x()?, c.ints_opt(1, "dim")?.as_deref())?)),
    ("fft.ifftshift", |c| ok(fft::ifftshift(c.x()?, c.ints_opt(1, "dim")?.as_deref())?)),
];

pub(super) const INVERSE: &[Entry] = &[("istft", |c| {
    let given = |position, name| c.int_opt(position, name).map(|n| n.map(|n| n as usize));
    let onesided = if c.given(7, "onesided").is_some() { Some(c.flag(7, "onesided", true)?) } else { None };
    let options = IstftOptions {
        hop_length: given(2, "hop_length")?,
        win_length: given(3, "win_length")?,
        window: c.tensor_opt(4, "window")?.cloned(),
        center: c.flag(5, "center", true)?,
        normalized: c.flag(6, "normalized", false)?,
        onesided,
        length: given(8, "length")?,
        return_complex: c.flag(9, "return_complex", false)?,
    };
    ok(c.x()?.istft(c.size(1, "n_fft")?, &options)?)
})];

pub(super) const TABLE: &[Entry] = &[("stft", |c| {
    let reflect = match c.text_or(6, "pad_mode", "reflect")? {
        "reflect" => true,
        "constant" => false,
        other => return unsupported(format!("pad_mode {other}")),
    };
    let given = |position, name| c.int_opt(position, name).map(|n| n.map(|n| n as usize));
    let options = StftOptions {
        hop_length: given(2, "hop_length")?,
        win_length: given(3, "win_length")?,
        window: c.tensor_opt(4, "window")?.cloned(),
        center: c.flag(5, "center", true)?,
        reflect,
        normalized: c.flag(7, "normalized", false)?,
        onesided: if c.given(8, "onesided").is_some() { Some(c.flag(8, "onesided", true)?) } else { None },
    };
    let complex = c.x()?.dtype().is_complex() || options.window.as_ref().is_some_and(|w| w.dtype().is_complex());
    let spectrum = c.x()?.stft(c.size(1, "n_fft")?, &options)?;
    ok(if c.flag(9, "return_complex", complex)? { spectrum } else { spectrum.view_as_real()? })
})];
