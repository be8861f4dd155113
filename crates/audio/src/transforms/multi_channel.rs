//! What is made of several microphones, as modules.

use crate::functional;
use flambeau_nn::{Forward, Module};
use flambeau_tensor::{Result, Tensor, builder};

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
