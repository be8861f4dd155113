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

mod calls;
mod cepstral;
mod db;
mod features;
mod masking;
mod mel;
mod multi_channel;
mod pad_trim;
mod resample;
mod spectrogram;
mod vocoder;
mod waveform;

pub use cepstral::{LFCC, LFCCBuilder, MFCC, MFCCBuilder};
pub use db::{AmplitudeKind, AmplitudeToDB, AmplitudeToDBBuilder};
pub use features::{ComputeDeltas, RNNTLoss, SlidingWindowCmn};
pub use masking::{
    FrequencyMasking, FrequencyMaskingBuilder, SpecAugment, SpecAugmentBuilder, TimeMasking, TimeMaskingBuilder,
};
pub use mel::{
    InverseMelScale, InverseMelScaleBuilder, MelScale, MelScaleBuilder, MelSpectrogram, MelSpectrogramBuilder,
};
pub use multi_channel::{MVDR, MVDRBuilder, MVDRSolution, PSD, PSDBuilder, RTFMVDR, SoudenMVDR};
pub use pad_trim::PadTrim;
pub use resample::{Resample, ResampleBuilder};
pub use spectrogram::{
    InverseSpectrogram, InverseSpectrogramBuilder, SpectralCentroid, SpectralCentroidBuilder, Spectrogram,
    SpectrogramBuilder, WindowFn, hamming_window, hann_window,
};
pub use vocoder::{GriffinLim, GriffinLimBuilder, PitchShift, PitchShiftBuilder, TimeStretch, TimeStretchBuilder};
pub use waveform::{
    AddNoise, Convolve, Deemphasis, FFTConvolve, Fade, FadeBuilder, FadeShape, GainType, Loudness, MuLawDecoding,
    MuLawEncoding, Preemphasis, Speed, SpeedPerturbation, Vad, Vol, VolBuilder,
};

pub use crate::functional::{
    ConvolveMode, DiagonalLoading, MelNorm, MelScaleKind, Normalized, ReferenceChannel, ResamplingMethod,
    RnntLossOptions, SlidingWindowCmnOptions, VadOptions,
};
#[doc(no_inline)]
pub use flambeau_nn::{Call, Forward};

flambeau_nn::plain_parts!(
    MelNorm,
    MelScaleKind,
    Normalized,
    ResamplingMethod,
    crate::functional::ConvolveMode,
    crate::functional::VadOptions,
    waveform::FadeShape,
    crate::functional::GriffinLimOptions,
    crate::functional::RnntLossOptions,
    crate::functional::SlidingWindowCmnOptions,
    crate::functional::ResampleOptions,
    crate::functional::SpectrogramOptions
);

#[cfg(test)]
mod tests;
