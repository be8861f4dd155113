//! Several microphones as one: spectral densities and what is made of them.

use flambeau_nn::{Inputs, Tensors};
use flambeau_tensor::{Result, Tensor, bail, ensure, linalg, options};

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

/// Which microphone the others are set against.
#[derive(Clone, Copy, Debug)]
pub enum ReferenceChannel<'a> {
    /// The one of this number.
    Index(usize),
    /// A mixture of all: `[..., channels]`, a one at the one that is meant.
    Weights(&'a Tensor),
}

impl From<usize> for ReferenceChannel<'_> {
    fn from(index: usize) -> Self {
        ReferenceChannel::Index(index)
    }
}

impl<'a> From<&'a Tensor> for ReferenceChannel<'a> {
    fn from(weights: &'a Tensor) -> Self {
        ReferenceChannel::Weights(weights)
    }
}

/// A [`ReferenceChannel`] that owns its weights.
#[doc(hidden)]
#[derive(Clone, Debug, Tensors)]
pub enum OwnedReference {
    Index(#[tensors(skip)] usize),
    Weights(Tensor),
}

impl Inputs for ReferenceChannel<'_> {
    type Owned = OwnedReference;
    type At<'a> = ReferenceChannel<'a>;

    fn to_owned_inputs(&self) -> OwnedReference {
        match *self {
            ReferenceChannel::Index(index) => OwnedReference::Index(index),
            ReferenceChannel::Weights(weights) => OwnedReference::Weights(weights.clone()),
        }
    }

    fn of_owned(owned: &OwnedReference) -> ReferenceChannel<'_> {
        match owned {
            OwnedReference::Index(index) => ReferenceChannel::Index(*index),
            OwnedReference::Weights(weights) => ReferenceChannel::Weights(weights),
        }
    }
}

options! {
    /// What makes a density of noise regular; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct DiagonalLoading {
        /// Is the trace, times `diag_eps`, added to the diagonal? Yes.
        diagonal_loading: bool = true,
        /// 1e-7.
        diag_eps: f64 = 1e-7,
        /// What is added to what is divided by, 1e-8.
        eps: f64 = 1e-8,
    }
}

impl DiagonalLoading {
    #[track_caller]
    fn of(&self, psd: &Tensor) -> Result<Tensor> {
        if !self.diagonal_loading {
            return Ok(psd.clone());
        }
        let load = trace(psd)?.real()?.mul(self.diag_eps)?.add(1e-8)?.unsqueeze(-1)?.unsqueeze(-1)?;
        let eye = Tensor::eye(psd.size(-1)?).dtype(psd.dtype()).device(psd.device()).build()?;
        psd.add(&eye.mul(&load)?)
    }
}

/// `[..., n, n]` to `[...]`.
#[track_caller]
fn trace(matrices: &Tensor) -> Result<Tensor> {
    matrices.diagonal(0, -2, -1)?.sum(-1)
}

#[track_caller]
fn densities(op: &'static str, psd_s: &Tensor, psd_n: &Tensor) -> Result<()> {
    let shape = psd_s.shape();
    ensure!(
        shape.len() >= 3
            && shape[shape.len() - 1] == shape[shape.len() - 2]
            && *shape == *psd_n.shape()
            && psd_s.dtype().is_complex()
            && psd_n.dtype().is_complex(),
        Shape,
        op,
        "densities of speech and noise are complex [..., freq, channels, channels], these are {} of {shape:?} and {} of {:?}",
        psd_s.dtype(),
        psd_n.dtype(),
        psd_n.shape()
    );
    Ok(())
}

/// The reference's column of `[..., freq, channels, channels]`: `[..., freq, channels]`.
#[track_caller]
fn column(op: &'static str, matrices: &Tensor, reference: ReferenceChannel<'_>) -> Result<Tensor> {
    match reference {
        ReferenceChannel::Index(index) => matrices.select(-1, checked(op, index, matrices.size(-1)?)?),
        ReferenceChannel::Weights(weights) => {
            let weights = mixture(op, weights, matrices, matrices.rank() - 1)?;
            matrices.mul(&weights.unsqueeze(-2)?.unsqueeze(-2)?)?.sum(-1)
        }
    }
}

#[track_caller]
fn checked(op: &'static str, index: usize, channels: usize) -> Result<isize> {
    ensure!(index < channels, Index, op, "the reference channel {index} is not one of {channels} channels");
    Ok(index as isize)
}

/// Weights of a mixture in the dtype of what they stand beside, which has `rank` dimensions with them.
#[track_caller]
fn mixture(op: &'static str, weights: &Tensor, beside: &Tensor, rank: usize) -> Result<Tensor> {
    let channels = beside.size(-1)?;
    ensure!(
        (1..=rank).contains(&weights.rank()) && weights.size(-1)? == channels,
        Shape,
        op,
        "weights of the reference are [..., {channels}], these are {:?}",
        weights.shape()
    );
    weights.to_dtype(beside.dtype())
}

/// Weights `[..., freq, channels]` of the beamformer that leaves the least noise of those that keep the reference
/// channel's speech, from densities `[..., freq, channels, channels]` of speech and noise. Follows
/// `torchaudio.functional.mvdr_weights_souden`; see M. Souden, J. Benesty and S. Affes, *On optimal frequency-domain
/// multichannel linear filtering for noise reduction*, 2009.
///
/// # Errors
/// Where the densities are not complex or do not go together, or the density of noise is singular.
#[track_caller]
pub fn mvdr_weights_souden<'a>(
    psd_s: &Tensor,
    psd_n: &Tensor,
    reference_channel: impl Into<ReferenceChannel<'a>>,
    loading: DiagonalLoading,
) -> Result<Tensor> {
    let op = "mvdr_weights_souden";
    densities(op, psd_s, psd_n)?;
    let numerator = linalg::solve(&loading.of(psd_n)?, psd_s, true)?;
    let scale = trace(&numerator)?.add(loading.eps)?.unsqueeze(-1)?.unsqueeze(-1)?;
    column(op, &numerator.div(&scale)?, reference_channel.into())
}

/// Weights `[..., freq, channels]` of the beamformer that leaves the least noise, of density `psd_n` `[..., freq, channels,
/// channels]`, and lets through what has the relative transfer function `rtf` `[..., freq, channels]`; with a reference
/// channel scaled to it. Follows `torchaudio.functional.mvdr_weights_rtf`.
///
/// # Errors
/// Where they are not complex or do not go together, or the density of noise is singular.
#[track_caller]
pub fn mvdr_weights_rtf(
    rtf: &Tensor,
    psd_n: &Tensor,
    reference_channel: Option<ReferenceChannel<'_>>,
    loading: DiagonalLoading,
) -> Result<Tensor> {
    let op = "mvdr_weights_rtf";
    densities(op, psd_n, psd_n)?;
    ensure!(
        *rtf.shape() == psd_n.shape()[..psd_n.rank() - 1] && rtf.dtype().is_complex(),
        Shape,
        op,
        "transfer functions beside densities {:?} are complex {:?}, these are {} of {:?}",
        psd_n.shape(),
        &psd_n.shape()[..psd_n.rank() - 1],
        rtf.dtype(),
        rtf.shape()
    );
    let numerator = linalg::solve(&loading.of(psd_n)?, &rtf.unsqueeze(-1)?, true)?.squeeze(-1)?;
    let conjugate = rtf.conj()?;
    let denominator = conjugate.mul(&numerator)?.sum(-1)?.real()?.add(loading.eps)?;
    let weights = numerator.div(&denominator.unsqueeze(-1)?)?;
    let scale = match reference_channel {
        None => return Ok(weights),
        Some(ReferenceChannel::Index(index)) => conjugate.select(-1, checked(op, index, rtf.size(-1)?)?)?,
        Some(ReferenceChannel::Weights(reference)) => {
            let reference = mixture(op, reference, rtf, rtf.rank())?;
            conjugate.mul(&reference.unsqueeze(-2)?)?.sum(-1)?
        }
    };
    weights.mul(&scale.unsqueeze(-1)?)
}

/// The relative transfer function `[..., freq, channels]`, up to a phase: the eigenvector of a density of speech `[..., freq,
/// channels, channels]` with the greatest eigenvalue. Follows `torchaudio.functional.rtf_evd`.
///
/// # Errors
/// Where the density is not complex, not square or not finite.
#[track_caller]
pub fn rtf_evd(psd_s: &Tensor) -> Result<Tensor> {
    densities("rtf_evd", psd_s, psd_s)?;
    linalg::eigh(psd_s, linalg::Triangle::Lower)?.eigenvectors.select(-1, -1)
}

/// The relative transfer function `[..., freq, channels]` by `n_iter` steps of the power method. Follows
/// `torchaudio.functional.rtf_power`.
///
/// # Errors
/// As [`mvdr_weights_souden`], and where `n_iter` is 0.
#[track_caller]
pub fn rtf_power<'a>(
    psd_s: &Tensor,
    psd_n: &Tensor,
    reference_channel: impl Into<ReferenceChannel<'a>>,
    n_iter: usize,
    loading: DiagonalLoading,
) -> Result<Tensor> {
    let op = "rtf_power";
    densities(op, psd_s, psd_n)?;
    if n_iter == 0 {
        bail!(Argument, op, "n_iter must be 1 at least");
    }
    let noise = loading.of(psd_n)?;
    let phi = linalg::solve(&noise, psd_s, true)?;
    let mut rtf = column(op, &phi, reference_channel.into())?.unsqueeze(-1)?;
    for _ in 2..n_iter {
        rtf = phi.matmul(&rtf)?;
    }
    // Noise brings back what one step took, speech is the step that is left.
    let last = if n_iter == 1 { &noise } else { psd_s };
    last.matmul(&rtf)?.squeeze(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_autograd::gradcheck;
    use flambeau_tensor::DType;
    use flambeau_tensor::random::{Generator, with_generator};

    /// Densities `[2, 3, 3]` of full rank, from parts that were drawn.
    fn density(parts: &Tensor) -> Result<Tensor> {
        let x = parts.view_as_complex()?;
        x.matmul(&x.conj()?.transpose(-1, -2)?)
    }

    fn drawn(seed: u64, shape: &[usize]) -> Tensor {
        with_generator(&Generator::with_seed(seed), || Tensor::randn(shape).dtype(DType::F64).build()).unwrap()
    }

    #[test]
    fn weights_differentiate_and_keep_the_reference() {
        let (s, n) = (drawn(1, &[2, 3, 5, 2]), drawn(2, &[2, 3, 5, 2]));
        let parts = |t: Tensor| Ok(vec![t.view_as_real()?]);
        let loading = DiagonalLoading::new();
        gradcheck(
            |i| parts(mvdr_weights_souden(&density(&i[0])?, &density(&i[1])?, 1, loading)?),
            &[s.clone(), n.clone()],
        )
        .unwrap();
        gradcheck(|i| parts(rtf_power(&density(&i[0])?, &density(&i[1])?, 0, 3, loading)?), &[s.clone(), n.clone()])
            .unwrap();
        // A vector of the basis is that channel.
        let (speech, noise) = (density(&s).unwrap(), density(&n).unwrap());
        let second = Tensor::from_slice(&[0.0, 1.0, 0.0], [3]).unwrap();
        let by_number = mvdr_weights_souden(&speech, &noise, 1, loading).unwrap();
        assert!(by_number.allclose(&mvdr_weights_souden(&speech, &noise, &second, loading).unwrap()).unwrap());
        // What has the transfer function comes through as the reference hears it: wᴴ·rtf = rtf[0].
        let rtf = rtf_evd(&speech).unwrap();
        let w = mvdr_weights_rtf(&rtf, &noise, Some(0.into()), loading).unwrap();
        let through = w.conj().unwrap().mul(&rtf).unwrap().sum(-1).unwrap();
        let heard = rtf.select(-1, 0).unwrap();
        assert!(through.sub(&heard).unwrap().abs().unwrap().amax(..).unwrap().item::<f64>().unwrap() < 1e-6);
        assert!(mvdr_weights_souden(&speech, &noise, 3, loading).unwrap_err().message().contains("3 channels"));
        assert!(rtf_power(&speech, &noise, 0, 0, loading).is_err());
        assert!(rtf_evd(&speech.real().unwrap()).is_err());
    }
}
