//! Resampling as a module.

use crate::functional::{Polyphase, ResampleOptions, ResamplingMethod, Sinc};
use flambeau_nn::{Buffer, Forward, Module};
use flambeau_tensor::{DType, Result, Tensor, builder};
use std::sync::Arc;

/// Signals `[..., frames]` at another rate, `[..., ⌈frames · new / orig⌉]`, by a windowed sinc; as
/// `torchaudio.transforms.Resample`.
#[derive(Module)]
pub struct Resample {
    orig_freq: u32,
    new_freq: u32,
    /// The kernels `[new, 1, taps]`; none where the rates are the same.
    pub kernel: Option<Buffer>,
}

builder! {
    /// Options of [`Resample`].
    pub struct ResampleBuilder => Resample;
    new {
        /// The rate that comes in.
        orig_freq: u32,
        /// The rate that goes out.
        new_freq: u32,
    }
    options {
        /// Zero crossings of the sinc on either side, 6 unless set: more cut sharper and cost more.
        lowpass_filter_width: usize = 6,
        /// Where the lowpass sets in, as a part of the lower rate's half; 0.99 unless set.
        rolloff: f64 = 0.99,
        /// The window over the sinc, a raised cosine unless set.
        resampling_method: ResamplingMethod = ResamplingMethod::SincInterpHann,
        /// The dtype of the signals, which the kernel is computed in; unless set float32, computed in more.
        dtype: ~into Option<DType> = None,
    }
}

impl Resample {
    #[track_caller]
    fn from_builder(b: ResampleBuilder) -> Result<Self> {
        let ResampleBuilder { orig_freq, new_freq, lowpass_filter_width, rolloff, resampling_method, dtype } = b;
        let options = ResampleOptions { lowpass_filter_width, rolloff, resampling_method };
        let sinc = Sinc::new(orig_freq, new_freq, &options, dtype)?;
        let kernel = sinc.map(|s| s.kernel(dtype.unwrap_or(DType::F32)).map(Buffer::new)).transpose()?;
        Ok(Resample { orig_freq, new_freq, kernel })
    }
}

impl Forward<&Tensor> for Resample {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.kernel {
            None => Ok(x.clone()),
            Some(kernel) => Arc::new(Polyphase::of(kernel, self.orig_freq, self.new_freq)?).apply(x),
        }
    }
}
