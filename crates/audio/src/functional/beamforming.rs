//! Several microphones as one: spectral densities and what is made of them.

use flambeau_tensor::{Result, Tensor, ensure};

/// The power spectral density `[..., freq, channels, channels]` of complex spectrograms `[..., channels, freq, time]`:
/// the products of channels summed over time, weighted by `mask` `[..., freq, time]`, which `normalize` divides by its
/// sum (and `eps`) first. Follows `torchaudio.functional.psd`.
///
/// # Errors
/// Where the spectrogram is not complex, or the mask does not go with it.
#[track_caller]
pub fn psd(specgram: &Tensor, mask: Option<&Tensor>, normalize: bool, eps: f64) -> Result<Tensor> {
    ensure!(
        specgram.rank() >= 3 && specgram.dtype().is_complex(),
        Shape,
        "psd",
        "a spectrogram is complex [..., channels, freq, time], this is {} of {:?}",
        specgram.dtype(),
        specgram.shape()
    );
    let x = specgram.transpose(-3, -2)?;
    let weighted = match mask {
        None => x.clone(),
        Some(mask) => {
            let mut expected = specgram.shape().to_vec();
            expected.remove(expected.len() - 3);
            ensure!(
                mask.shape() == expected,
                Shape,
                "psd",
                "a mask of spectrograms {:?} is {expected:?}, this is {:?}",
                specgram.shape(),
                mask.shape()
            );
            let mask = if normalize { mask.div(&mask.sum_keepdim(-1)?.add(eps)?)? } else { mask.clone() };
            x.mul(&mask.unsqueeze(-2)?)?
        }
    };
    weighted.matmul(&x.conj()?.transpose(-1, -2)?)
}

/// Weights `[..., freq, channels]` applied to complex spectrograms `[..., channels, freq, time]`: `[..., freq, time]`.
/// Follows `torchaudio.functional.apply_beamforming`.
///
/// # Errors
/// Where one is not complex, or the shapes do not go together.
#[track_caller]
pub fn apply_beamforming(beamform_weights: &Tensor, specgram: &Tensor) -> Result<Tensor> {
    let (w, x) = (beamform_weights.shape(), specgram.shape());
    let fits = w.len() >= 2
        && x.len() == w.len() + 1
        && w[..w.len() - 2] == x[..x.len() - 3]
        && w[w.len() - 2] == x[x.len() - 2]
        && w[w.len() - 1] == x[x.len() - 3];
    ensure!(
        fits && beamform_weights.dtype().is_complex() && specgram.dtype().is_complex(),
        Shape,
        "apply_beamforming",
        "weights are complex [..., freq, channels] for spectrograms [..., channels, freq, time], these are {w:?} and {x:?}"
    );
    beamform_weights.conj()?.unsqueeze(-2)?.matmul(&specgram.transpose(-3, -2)?)?.squeeze(-2)
}
