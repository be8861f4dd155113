//! The matrices of the transforms: triangles on the mel scale, and the cosines of the DCT. They are
//! computed in `f32` step by step as torchaudio does, so that they come out the same.

use flambeau_tensor::{Result, Tensor, ensure};

/// Which formula turns Hertz into mels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MelScaleKind {
    /// 2595 · log10(1 + f / 700), as in the HTK book
    #[default]
    Htk,
    /// linear to 1000 Hz, logarithmic above, as in Slaney's Auditory Toolbox
    Slaney,
}

/// How the triangles are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MelNorm {
    /// to the same area, each divided by half its width in Hertz
    Slaney,
}

/// Slaney's scale: mels a Hertz below 1000 Hz, and the mels of a natural logarithm above.
const SLANEY_HZ: f64 = 200.0 / 3.0;
const SLANEY_BREAK_HZ: f64 = 1000.0;

fn slaney_step() -> f64 {
    6.4f64.ln() / 27.0
}

impl MelScaleKind {
    /// A frequency in mels.
    fn mel(self, hz: f64) -> f64 {
        match self {
            MelScaleKind::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            MelScaleKind::Slaney if hz < SLANEY_BREAK_HZ => hz / SLANEY_HZ,
            MelScaleKind::Slaney => SLANEY_BREAK_HZ / SLANEY_HZ + (hz / SLANEY_BREAK_HZ).ln() / slaney_step(),
        }
    }

    /// Mels as frequencies.
    fn hz(self, mels: &Tensor) -> Result<Tensor> {
        match self {
            MelScaleKind::Htk => mels.full_like(10.0)?.pow(&mels.div(2595.0)?)?.sub(1.0)?.mul(700.0),
            MelScaleKind::Slaney => {
                let edge = SLANEY_BREAK_HZ / SLANEY_HZ;
                let above = mels.sub(edge)?.mul(slaney_step())?.exp()?.mul(SLANEY_BREAK_HZ)?;
                above.where_cond(&mels.ge(edge)?, &mels.mul(SLANEY_HZ)?)
            }
        }
    }
}

/// The weights `[n_freqs, n_mels]` that gather `n_freqs` frequencies from 0 to half the sample rate into
/// `n_mels` overlapping triangles, spaced evenly in mels from `f_min` to `f_max`. Follows
/// `torchaudio.functional.melscale_fbanks`.
///
/// # Errors
/// Where `f_min` is negative or not below `f_max`, or a count is zero.
#[track_caller]
pub fn melscale_fbanks(
    n_freqs: usize,
    (f_min, f_max): (f64, f64),
    n_mels: usize,
    sample_rate: u32,
    norm: Option<MelNorm>,
    mel_scale: MelScaleKind,
) -> Result<Tensor> {
    ensure!(
        f_min >= 0.0 && f_min < f_max && f_max.is_finite(),
        Argument,
        "melscale_fbanks",
        "f_min {f_min} must be from 0 to below f_max {f_max}"
    );
    ensure!(
        n_freqs > 0 && n_mels > 0,
        Argument,
        "melscale_fbanks",
        "{n_freqs} frequencies and {n_mels} mels: neither may be zero"
    );
    let frequencies = Tensor::linspace(0.0, f64::from(sample_rate / 2), n_freqs).build()?;
    let mels = Tensor::linspace(mel_scale.mel(f_min), mel_scale.mel(f_max), n_mels.saturating_add(2)).build()?;
    let corners = mel_scale.hz(&mels)?;
    let triangles = triangles(&frequencies, &corners)?;
    match norm {
        None => Ok(triangles),
        Some(MelNorm::Slaney) => {
            triangles.mul(&corners.narrow(0, 2, n_mels)?.sub(&corners.narrow(0, 0, n_mels)?)?.rdiv(2.0)?)
        }
    }
}

/// A triangle over `frequencies` for each three of `corners` that follow each other: `[frequencies, corners - 2]`.
#[track_caller]
fn triangles(frequencies: &Tensor, corners: &Tensor) -> Result<Tensor> {
    let n = corners.numel() - 2;
    let widths = corners.narrow(0, 1, n + 1)?.sub(&corners.narrow(0, 0, n + 1)?)?;
    let slopes = corners.unsqueeze(0)?.sub(&frequencies.unsqueeze(1)?)?;
    let up = slopes.narrow(1, 0, n)?.neg()?.div(&widths.narrow(0, 0, n)?)?;
    let down = slopes.narrow(1, 2, n)?.div(&widths.narrow(0, 1, n)?)?;
    up.minimum(&down)?.clamp_min(0.0)
}

/// As [`melscale_fbanks`], with `n_filter` triangles spaced evenly in Hertz: `[n_freqs, n_filter]`. Follows
/// `torchaudio.functional.linear_fbanks`.
///
/// # Errors
/// Where `f_min` is negative or not below `f_max`, or a count is zero.
#[track_caller]
pub fn linear_fbanks(n_freqs: usize, (f_min, f_max): (f64, f64), n_filter: usize, sample_rate: u32) -> Result<Tensor> {
    ensure!(
        f_min >= 0.0 && f_min < f_max && f_max.is_finite() && n_freqs > 0 && n_filter > 0,
        Argument,
        "linear_fbanks",
        "f_min {f_min} must be from 0 to below f_max {f_max}, {n_freqs} frequencies and {n_filter} filters not zero"
    );
    let frequencies = Tensor::linspace(0.0, f64::from(sample_rate / 2), n_freqs).build()?;
    triangles(&frequencies, &Tensor::linspace(f_min, f_max, n_filter.saturating_add(2)).build()?)
}

/// The matrix `[n_mels, n_mfcc]` of the discrete cosine transform of type 2; an orthonormal one with
/// `ortho`, else with a factor 2. Follows `torchaudio.functional.create_dct`.
///
/// # Errors
/// Where a count is zero.
#[track_caller]
pub fn create_dct(n_mfcc: usize, n_mels: usize, ortho: bool) -> Result<Tensor> {
    ensure!(
        n_mfcc > 0 && n_mels > 0,
        Argument,
        "create_dct",
        "{n_mfcc} coefficients of {n_mels} mels: neither may be zero"
    );
    let n = Tensor::arange(0.0, n_mels as f64).build()?;
    let k = Tensor::arange(0.0, n_mfcc as f64).build()?.unsqueeze(1)?;
    let cosines = n.add(0.5)?.mul(std::f64::consts::PI / n_mels as f64)?.mul(&k)?.cos()?;
    if !ortho {
        return cosines.mul(2.0)?.t()?.contiguous();
    }
    cosines.select(0, 0)?.mul_(1.0 / 2f64.sqrt())?;
    cosines.mul((2.0 / n_mels as f64).sqrt())?.t()?.contiguous()
}
