//! Cepstral coefficients: on the mel scale, and on a linear one.

use super::db::AmplitudeToDB;
use super::mel::{MelSpectrogram, MelSpectrogramBuilder};
use super::spectrogram::{Spectrogram, SpectrogramBuilder};
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
        cepstrum(&self.mel_spectrogram.call(x)?, self.log_mels, &self.amplitude_to_db, &self.dct_mat)
    }
}

/// The cosine transform of the loudness of `[..., bands, windows]`.
#[track_caller]
fn cepstrum(bands: &Tensor, log: bool, decibels: &AmplitudeToDB, dct_mat: &Tensor) -> Result<Tensor> {
    let loudness = if log { bands.add(1e-6)?.log()? } else { decibels.call(bands)? };
    loudness.transpose(-1, -2)?.matmul(dct_mat)?.transpose(-1, -2)
}

/// Linear-frequency cepstral coefficients `[..., n_lfcc, windows]` of signals `[..., frames]`: the cosine transform of
/// the spectrogram in bands of one width, in decibels (of at most 80), as `torchaudio.transforms.LFCC`.
#[derive(Module)]
pub struct LFCC {
    #[module(name = "amplitude_to_DB")]
    amplitude_to_db: AmplitudeToDB,
    /// The spectrogram that it starts from.
    #[module(name = "Spectrogram")]
    pub spectrogram: Spectrogram,
    /// The bands, `[n_fft / 2 + 1, n_filter]`.
    pub filter_mat: Buffer,
    /// The matrix of the transform, `[n_filter, n_lfcc]`.
    pub dct_mat: Buffer,
    log_lf: bool,
}

builder! {
    /// Options of [`LFCC`].
    pub struct LFCCBuilder => LFCC;
    new {
        /// Of the signals that come in.
        sample_rate: u32,
    }
    options {
        /// Bands, 128 unless set.
        n_filter: usize = 128,
        /// The lowest frequency in Hertz, 0 unless set.
        f_min: f64 = 0.0,
        /// The highest frequency in Hertz, half the sample rate unless set.
        f_max: ~into Option<f64> = None,
        /// Coefficients, 40 unless set.
        n_lfcc: usize = 40,
        /// Orthonormal cosines (unless set), or such with a factor 2: torchaudio's `norm` of `"ortho"` or `None`.
        ortho: bool = true,
        /// Take the natural logarithm in place of decibels.
        log_lf: bool = false,
        /// The spectrogram; its defaults unless set.
        spectrogram: ~into Option<SpectrogramBuilder> = None,
    }
}

impl LFCC {
    #[track_caller]
    fn from_builder(b: LFCCBuilder) -> Result<Self> {
        let spectrogram = b.spectrogram.unwrap_or_else(Spectrogram::new);
        let n_fft = spectrogram.frame();
        ensure!(
            (1..=b.n_filter).contains(&b.n_lfcc),
            Argument,
            "LFCC",
            "{} coefficients of {} bands: there must be 1 to {1}",
            b.n_lfcc,
            b.n_filter
        );
        let band = (b.f_min, b.f_max.unwrap_or(f64::from(b.sample_rate / 2)));
        Ok(LFCC {
            amplitude_to_db: AmplitudeToDB::new().top_db(80.0).build()?,
            spectrogram: spectrogram.build()?,
            filter_mat: Buffer::new(functional::linear_fbanks(n_fft / 2 + 1, band, b.n_filter, b.sample_rate)?),
            dct_mat: Buffer::new(functional::create_dct(b.n_lfcc, b.n_filter, b.ortho)?),
            log_lf: b.log_lf,
        })
    }
}

impl Forward<&Tensor> for LFCC {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let spectrum = self.spectrogram.call(x)?.transpose(-1, -2)?;
        let bands = spectrum.matmul(&self.filter_mat)?.transpose(-1, -2)?;
        cepstrum(&bands, self.log_lf, &self.amplitude_to_db, &self.dct_mat)
    }
}
