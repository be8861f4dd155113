//! Decibels.

use crate::functional;
use flambeau_nn::{Forward, Module};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// What a spectrogram's values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AmplitudeKind {
    /// squares of amplitudes: 10 dB for a factor of 10
    #[default]
    Power,
    /// amplitudes: 20 dB for a factor of 10
    Magnitude,
}

/// A spectrogram in decibels over 1, as `torchaudio.transforms.AmplitudeToDB`: same shape.
#[derive(Module)]
pub struct AmplitudeToDB {
    multiplier: f64,
    top_db: Option<f64>,
}

builder! {
    /// Options of [`AmplitudeToDB`].
    pub struct AmplitudeToDBBuilder => AmplitudeToDB;
    new {}
    options {
        /// Whether values are powers (unless set) or magnitudes.
        stype: AmplitudeKind = AmplitudeKind::Power,
        /// The most decibels below the loudest value; no limit unless set. 80 is usual.
        top_db: ~into Option<f64> = None,
    }
}

impl AmplitudeToDB {
    #[track_caller]
    fn from_builder(b: AmplitudeToDBBuilder) -> Result<Self> {
        if let Some(top_db) = b.top_db {
            ensure!(top_db >= 0.0, Argument, "AmplitudeToDB", "top_db {top_db} must not be negative");
        }
        let multiplier = if b.stype == AmplitudeKind::Power { 10.0 } else { 20.0 };
        Ok(AmplitudeToDB { multiplier, top_db: b.top_db })
    }
}

impl Forward<&Tensor> for AmplitudeToDB {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::amplitude_to_db(x, self.multiplier, 1e-10, 0.0, self.top_db)
    }
}
