//! Mel-frequency cepstral coefficients.

use super::db::AmplitudeToDB;
use super::mel::{MelSpectrogram, MelSpectrogramBuilder};
use crate::functional;
use flambeau_nn::{Buffer, Call, Forward, Module};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// Mel-frequency cepstral coefficients `[..., n_mfcc, windows]` of signals `[..., frames]`: the cosine
/// transform of the mel spectrogram in decibels (of at most 80), as `torchaudio.transforms.MFCC`.
#[derive(Module)]
pub struct MFCC {
    #[module(name = "amplitude_to_DB")]
    amplitude_to_db: AmplitudeToDB,
    /// The spectrogram that it starts from.
    #[module(name = "MelSpectrogram")]
    pub mel_spectrogram: MelSpectrogram,
    /// The matrix of the transform, `[n_mels, n_mfcc]`.
    pub dct_mat: Buffer,
    log_mels: bool,
}

builder! {
    /// Options of [`MFCC`].
    pub struct MFCCBuilder => MFCC;
    new {
        /// Of the signals that come in.
        sample_rate: u32,
    }
    options {
        /// Coefficients, 40 unless set.
        n_mfcc: usize = 40,
        /// Orthonormal cosines (unless set), or such with a factor 2: torchaudio's `norm` of `"ortho"` or `None`.
        ortho: bool = true,
        /// Take the natural logarithm in place of decibels.
        log_mels: bool = false,
        /// The mel spectrogram; its defaults unless set.
        mel_spectrogram: ~into Option<MelSpectrogramBuilder> = None,
    }
}

impl MFCC {
    #[track_caller]
    fn from_builder(b: MFCCBuilder) -> Result<Self> {
        let mel = b.mel_spectrogram.unwrap_or_else(|| MelSpectrogram::new(b.sample_rate));
        let n_mels = mel.bands();
        ensure!(
            (1..=n_mels).contains(&b.n_mfcc),
            Argument,
            "MFCC",
            "{} coefficients of {n_mels} mel bands: there must be 1 to {n_mels}",
            b.n_mfcc
        );
        Ok(MFCC {
            amplitude_to_db: AmplitudeToDB::new().top_db(80.0).build()?,
            mel_spectrogram: mel.build()?,
            dct_mat: Buffer::new(functional::create_dct(b.n_mfcc, n_mels, b.ortho)?),
            log_mels: b.log_mels,
        })
    }
}

impl Forward<&Tensor> for MFCC {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mel = self.mel_spectrogram.call(x)?;
        let loudness = if self.log_mels { mel.add(1e-6)?.log()? } else { self.amplitude_to_db.call(&mel)? };
        loudness.transpose(-1, -2)?.matmul(&self.dct_mat)?.transpose(-1, -2)
    }
}
