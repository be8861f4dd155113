//! Wav2Letter.

use flambeau_nn::{Call, Conv1d, Forward, Module, ReLU, Sequential};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// What [`Wav2Letter`] hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wav2LetterInput {
    /// samples
    #[default]
    Waveform,
    /// powers of frequencies
    PowerSpectrum,
    /// cepstral coefficients
    Mfcc,
}

/// Convolutions from sound to letters, as `torchaudio.models.Wav2Letter`: `[batch, num_features, frames]` to logarithms of
/// probabilities `[batch, num_classes, steps]`, a step for 320 samples. See R. Collobert et al., *Wav2Letter: an
/// end-to-end ConvNet-based speech recognition system*, 2016.
#[derive(Module)]
pub struct Wav2Letter {
    acoustic_model: Sequential,
}

builder! {
    /// Options of [`Wav2Letter`].
    pub struct Wav2LetterBuilder => Wav2Letter;
    new {}
    options {
        /// Letters, 40 unless set.
        num_classes: usize = 40,
        /// What comes in, samples unless set.
        input_type: Wav2LetterInput = Wav2LetterInput::Waveform,
        /// Channels of samples, or features; 1 unless set.
        num_features: usize = 1,
    }
}

impl Wav2Letter {
    #[track_caller]
    fn from_builder(b: Wav2LetterBuilder) -> Result<Self> {
        let waveform = b.input_type == Wav2LetterInput::Waveform;
        let features = if waveform { 250 } else { b.num_features };
        let mut acoustic = Sequential::new();
        let mut layer = |inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize| {
            acoustic.push(Conv1d::new(inputs, outputs, kernel).stride(stride).padding(padding))?;
            acoustic.push(ReLU::new()).map(|_| ())
        };
        layer(features, 250, 48, 2, 23)?;
        for _ in 0..7 {
            layer(250, 250, 7, 1, 3)?;
        }
        layer(250, 2000, 32, 1, 16)?;
        layer(2000, 2000, 1, 1, 0)?;
        layer(2000, b.num_classes, 1, 1, 0)?;
        if !waveform {
            return Ok(Wav2Letter { acoustic_model: acoustic });
        }
        let conv = Conv1d::new(b.num_features, 250, 250).stride(160).padding(45);
        Ok(Wav2Letter { acoustic_model: Sequential::of((Sequential::of((conv, ReLU::new()))?, acoustic))? })
    }
}

impl Forward<&Tensor> for Wav2Letter {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ensure!(x.rank() == 3, Shape, "Wav2Letter", "the input is [batch, features, frames], this is {:?}", x.shape());
        self.acoustic_model.call(x)?.log_softmax(1)
    }
}
