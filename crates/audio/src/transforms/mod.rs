//! What is done to a waveform on its way into a model, as `torchaudio.transforms`. Each is a module: its
//! window or matrix is a buffer, it stands in a `Sequential`, and gradients go through it.
//!
//! ```
//! use flambeau_audio::transforms::{AmplitudeToDB, MelSpectrogram, Resample};
//! use flambeau_nn::{Call, Sequential};
//! use flambeau_tensor::Tensor;
//!
//! let waveform = Tensor::randn([1, 8000]).build()?; // a second of it, 8 kHz
//! let features = Sequential::of((
//!     Resample::new(8000, 16_000),
//!     MelSpectrogram::new(16_000).n_fft(400).hop_length(160).n_mels(64),
//!     AmplitudeToDB::new(),
//! ))?
//! .call(&waveform)?;
//! assert_eq!(features.shape(), [1, 64, 101]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod db;
mod masking;
mod mel;
mod mfcc;
mod pad_trim;
mod resample;
mod spectrogram;

pub use db::{AmplitudeKind, AmplitudeToDB, AmplitudeToDBBuilder};
pub use masking::{FrequencyMasking, FrequencyMaskingBuilder, TimeMasking, TimeMaskingBuilder};
pub use mel::{MelScale, MelScaleBuilder, MelSpectrogram, MelSpectrogramBuilder};
pub use mfcc::{MFCC, MFCCBuilder};
pub use pad_trim::PadTrim;
pub use resample::{Resample, ResampleBuilder};
pub use spectrogram::{Spectrogram, SpectrogramBuilder, WindowFn, hamming_window, hann_window};

pub use crate::functional::{MelNorm, MelScaleKind, Normalized, ResamplingMethod};
#[doc(no_inline)]
pub use flambeau_nn::{Call, Forward};

flambeau_nn::plain_parts!(
    MelNorm,
    MelScaleKind,
    Normalized,
    ResamplingMethod,
    crate::functional::ResampleOptions,
    crate::functional::SpectrogramOptions
);

#[cfg(test)]
mod tests;
