//! What is made of several microphones, as modules.

use crate::functional::{self, DiagonalLoading, ReferenceChannel};
use flambeau_nn::{Buffer, Call, Forward, Module};
use flambeau_tensor::{DType, Result, Tensor, builder, cat, ensure};
use std::sync::{Mutex, PoisonError};

/// The power spectral density `[..., freq, channels, channels]` of complex spectrograms `[..., channels, freq, time]`:
/// [`functional::psd`]; as `torchaudio.transforms.PSD`.
#[derive(Module)]
pub struct PSD {
    multi_mask: bool,
    normalize: bool,
    eps: f64,
}

builder! {
    /// Options of [`PSD`].
    pub struct PSDBuilder => PSD;
    new {}
    options {
        /// Have masks a dimension of channels, over which the mean is taken? Not unless set.
        multi_mask: bool = false,
        /// Divide masks by their sum over time? Yes unless set.
        normalize: bool = true,
        /// What is added to that sum, 1e-15 unless set.
        eps: f64 = 1e-15,
    }
}

impl PSD {
    fn from_builder(b: PSDBuilder) -> Result<Self> {
        Ok(PSD { multi_mask: b.multi_mask, normalize: b.normalize, eps: b.eps })
    }
}

/// Without a mask.
impl Forward<&Tensor> for PSD {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, specgram: &Tensor) -> Result<Tensor> {
        functional::psd(specgram, None, self.normalize, self.eps)
    }
}

/// With a mask `[..., freq, time]`, or `[..., channels, freq, time]` where there are several.
impl Forward<(&Tensor, &Tensor)> for PSD {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (specgram, mask): (&Tensor, &Tensor)) -> Result<Tensor> {
        let mask = if self.multi_mask { mask.mean(-3)? } else { mask.clone() };
        functional::psd(specgram, Some(&mask), self.normalize, self.eps)
    }
}

/// Complex spectrograms `[..., channels, freq, time]`, densities of speech and noise `[..., freq, channels, channels]` and a
/// reference channel to `[..., freq, time]`: [`functional::mvdr_weights_souden`] applied; as
/// `torchaudio.transforms.SoudenMVDR`.
#[derive(Default, Module)]
pub struct SoudenMVDR {
    /// What makes the density of noise regular.
    pub loading: DiagonalLoading,
}

impl<'a> Forward<(&Tensor, &Tensor, &Tensor, ReferenceChannel<'a>)> for SoudenMVDR {
    type Output = Tensor;

    #[track_caller]
    fn forward(
        &self,
        (x, psd_s, psd_n, reference): (&Tensor, &Tensor, &Tensor, ReferenceChannel<'a>),
    ) -> Result<Tensor> {
        functional::apply_beamforming(&functional::mvdr_weights_souden(psd_s, psd_n, reference, self.loading)?, x)
    }
}

/// Complex spectrograms `[..., channels, freq, time]`, transfer functions `[..., freq, channels]`, densities of noise
/// `[..., freq, channels, channels]` and a reference channel to `[..., freq, time]`: [`functional::mvdr_weights_rtf`]
/// applied; as `torchaudio.transforms.RTFMVDR`.
#[derive(Default, Module)]
pub struct RTFMVDR {
    /// What makes the density of noise regular.
    pub loading: DiagonalLoading,
}

impl<'a> Forward<(&Tensor, &Tensor, &Tensor, ReferenceChannel<'a>)> for RTFMVDR {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, rtf, psd_n, reference): (&Tensor, &Tensor, &Tensor, ReferenceChannel<'a>)) -> Result<Tensor> {
        let weights = functional::mvdr_weights_rtf(rtf, psd_n, Some(reference), self.loading)?;
        functional::apply_beamforming(&weights, x)
    }
}

/// How [`MVDR`] finds its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MVDRSolution {
    /// From densities alone: [`functional::mvdr_weights_souden`].
    #[default]
    RefChannel,
    /// By the eigenvector of the density of speech: [`functional::rtf_evd`].
    StvEvd,
    /// By the power method: [`functional::rtf_power`].
    StvPower,
}

/// What an [`MVDR`] that hears a stream knows of what was before.
#[derive(Debug, Default)]
struct Heard(Mutex<Option<Densities>>);

#[derive(Clone, Debug)]
struct Densities {
    /// Speech and noise, `[..., freq, channels, channels]`.
    psd: [Tensor; 2],
    /// The sums of their masks over time, `[..., freq]`.
    mask: [Tensor; 2],
}

impl Clone for Heard {
    fn clone(&self) -> Self {
        Heard(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }
}

flambeau_nn::plain_parts!(DiagonalLoading, MVDRSolution, Heard);

/// The least noise from several microphones, as `torchaudio.transforms.MVDR`: complex spectrograms `[..., channels, freq,
/// time]` with masks of speech and noise `[..., freq, time]` (of every channel, `[..., channels, freq, time]`, with
/// `multi_mask`) to `[..., freq, time]`; without a mask of noise it is what the mask of speech leaves. It computes in
/// `f64`. With `online` each call goes on from the densities of those before; [`reset`](MVDR::reset) begins anew. (These
/// densities are not in the state dict, whose four entries stay zeros as in a module that has heard nothing.)
#[derive(Module)]
pub struct MVDR {
    psd: PSD,
    psd_s: Buffer,
    psd_n: Buffer,
    mask_sum_s: Buffer,
    mask_sum_n: Buffer,
    ref_channel: usize,
    solution: MVDRSolution,
    multi_mask: bool,
    loading: DiagonalLoading,
    online: bool,
    heard: Heard,
}

builder! {
    /// Options of [`MVDR`].
    pub struct MVDRBuilder => MVDR;
    new {}
    options {
        /// The microphone that the others are set against, 0 unless set.
        ref_channel: usize = 0,
        /// How weights are found, from densities unless set.
        solution: MVDRSolution = MVDRSolution::RefChannel,
        /// Have masks a dimension of channels, over which the mean is taken? Not unless set.
        multi_mask: bool = false,
        /// Is the trace of the density of noise, times `diag_eps`, added to its diagonal? Yes unless set.
        diag_loading: bool = true,
        /// 1e-7 unless set.
        diag_eps: f64 = 1e-7,
        /// Does a call go on from the calls before? Not unless set.
        online: bool = false,
    }
}

impl MVDR {
    #[track_caller]
    fn from_builder(b: MVDRBuilder) -> Result<Self> {
        let zero = || Tensor::zeros(1).build().map(Buffer::new);
        Ok(MVDR {
            psd: PSD { multi_mask: b.multi_mask, normalize: true, eps: 1e-15 },
            psd_s: zero()?,
            psd_n: zero()?,
            mask_sum_s: zero()?,
            mask_sum_n: zero()?,
            ref_channel: b.ref_channel,
            solution: b.solution,
            multi_mask: b.multi_mask,
            loading: DiagonalLoading::new().diagonal_loading(b.diag_loading).diag_eps(b.diag_eps),
            online: b.online,
            heard: Heard::default(),
        })
    }

    /// Forgets what was heard before.
    pub fn reset(&self) {
        *self.heard.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The densities of all that was heard, this call's with them.
    #[track_caller]
    fn updated(&self, psd: [Tensor; 2], masks: [&Tensor; 2]) -> Result<[Tensor; 2]> {
        let sum = |mask: &Tensor| if self.multi_mask { mask.mean(-3)?.sum(-1) } else { mask.sum(-1) };
        let mask = [sum(masks[0])?, sum(masks[1])?];
        let mut heard = self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match &*heard {
            None => Densities { psd, mask },
            Some(before) => {
                ensure!(
                    before.psd[0].shape() == psd[0].shape(),
                    Shape,
                    "MVDR",
                    "densities were {:?} before and are {:?}: reset begins anew",
                    before.psd[0].shape(),
                    psd[0].shape()
                );
                let both = |i: usize| {
                    let all = before.mask[i].add(&mask[i])?;
                    let of = |t: &Tensor| t.unsqueeze(-1)?.unsqueeze(-1);
                    let old = before.psd[i].mul(&of(&before.mask[i].div(&all)?)?)?;
                    Ok::<_, flambeau_tensor::Error>((old.add(&psd[i].mul(&of(&all.reciprocal()?)?)?)?, all))
                };
                let ((speech, speech_sum), (noise, noise_sum)) = (both(0)?, both(1)?);
                Densities { psd: [speech, noise], mask: [speech_sum, noise_sum] }
            }
        };
        let psd = now.psd.clone();
        *heard = Some(now);
        Ok(psd)
    }

    #[track_caller]
    fn weights(&self, psd_s: &Tensor, psd_n: &Tensor, reference: &Tensor) -> Result<Tensor> {
        let reference = ReferenceChannel::Weights(reference);
        let rtf = match self.solution {
            MVDRSolution::RefChannel => {
                return functional::mvdr_weights_souden(psd_s, psd_n, reference, self.loading);
            }
            MVDRSolution::StvEvd => functional::rtf_evd(psd_s)?,
            MVDRSolution::StvPower => functional::rtf_power(psd_s, psd_n, reference, 3, self.loading)?,
        };
        functional::mvdr_weights_rtf(&rtf, psd_n, Some(reference), self.loading)
    }
}

/// A spectrogram, the mask of speech, and that of noise.
impl Forward<(&Tensor, &Tensor, Option<&Tensor>)> for MVDR {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (specgram, mask_s, mask_n): (&Tensor, &Tensor, Option<&Tensor>)) -> Result<Tensor> {
        ensure!(
            specgram.rank() >= 3 && specgram.dtype().is_complex(),
            Shape,
            "MVDR",
            "a spectrogram is complex [..., channels, freq, time], this is {} of {:?}",
            specgram.dtype(),
            specgram.shape()
        );
        let channels = specgram.size(-3)?;
        ensure!(
            self.ref_channel < channels,
            Index,
            "MVDR",
            "ref_channel {} is not one of {channels} channels",
            self.ref_channel
        );
        let wide = specgram.to_dtype(DType::Complex128)?;
        let rest = mask_n.map_or_else(|| mask_s.neg()?.add(1.0), |mask| Ok(mask.clone()))?;
        let mut psd = [self.psd.call((&wide, mask_s))?, self.psd.call((&wide, &rest))?];
        if self.online {
            psd = self.updated(psd, [mask_s, &rest])?;
        }
        // A one at the reference, in every batch.
        let zeros = |n: usize| Tensor::zeros([n]).dtype(DType::Complex128).device(specgram.device()).build();
        let one = zeros(1)?.add(1.0)?;
        let reference = cat(&[zeros(self.ref_channel)?, one, zeros(channels - 1 - self.ref_channel)?], 0)?;
        functional::apply_beamforming(&self.weights(&psd[0], &psd[1], &reference)?, &wide)?.to_dtype(specgram.dtype())
    }
}
