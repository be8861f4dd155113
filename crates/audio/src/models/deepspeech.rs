//! DeepSpeech.

use flambeau_nn::{Call, Dropout, Forward, Linear, Module, RNN, RNNNonlinearity};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// A layer that is cut off above.
#[derive(Module)]
struct FullyConnected {
    fc: Linear,
    dropout: Option<Dropout>,
}

/// What outputs are cut off at.
const CLIP: f64 = 20.0;

impl FullyConnected {
    #[track_caller]
    fn new(inputs: usize, outputs: usize, dropout: f64) -> Result<Self> {
        let dropout = (dropout != 0.0).then(|| Dropout::new(dropout).build()).transpose()?;
        Ok(FullyConnected { fc: Linear::new(inputs, outputs).build()?, dropout })
    }
}

impl Forward<&Tensor> for FullyConnected {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.fc.call(x)?.relu()?.hardtanh(0.0, CLIP)?;
        match &self.dropout {
            Some(dropout) => dropout.call(&x),
            None => Ok(x),
        }
    }
}

/// Layers around a recurrent one in both directions, as `torchaudio.models.DeepSpeech`: features
/// `[batch, 1, frames, n_feature]` to logarithms of probabilities `[batch, frames, n_class]`. See A. Hannun et al., *Deep
/// Speech: scaling up end-to-end speech recognition*, 2014, arXiv:1412.5567.
#[derive(Module)]
pub struct DeepSpeech {
    fc1: FullyConnected,
    fc2: FullyConnected,
    fc3: FullyConnected,
    bi_rnn: RNN,
    fc4: FullyConnected,
    out: Linear,
    n_hidden: usize,
}

builder! {
    /// Options of [`DeepSpeech`].
    pub struct DeepSpeechBuilder => DeepSpeech;
    new {
        /// Features of a frame.
        n_feature: usize,
    }
    options {
        /// Numbers of a hidden state, 2048 unless set.
        n_hidden: usize = 2048,
        /// Letters, 40 unless set.
        n_class: usize = 40,
        /// While training, the probability that a number is dropped; 0 unless set.
        dropout: f64 = 0.0,
    }
}

impl DeepSpeech {
    #[track_caller]
    fn from_builder(b: DeepSpeechBuilder) -> Result<Self> {
        let DeepSpeechBuilder { n_feature, n_hidden, n_class, dropout } = b;
        Ok(DeepSpeech {
            fc1: FullyConnected::new(n_feature, n_hidden, dropout)?,
            fc2: FullyConnected::new(n_hidden, n_hidden, dropout)?,
            fc3: FullyConnected::new(n_hidden, n_hidden, dropout)?,
            bi_rnn: RNN::new(n_hidden, n_hidden).nonlinearity(RNNNonlinearity::Relu).bidirectional(true).build()?,
            fc4: FullyConnected::new(n_hidden, n_hidden, dropout)?,
            out: Linear::new(n_hidden, n_class).build()?,
            n_hidden,
        })
    }
}

impl Forward<&Tensor> for DeepSpeech {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ensure!(
            x.rank() == 4 && x.shape()[1] == 1,
            Shape,
            "DeepSpeech",
            "the input is [batch, 1, frames, features], this is {:?}",
            x.shape()
        );
        let x = self.fc3.call(&self.fc2.call(&self.fc1.call(x)?)?)?;
        let (x, _) = self.bi_rnn.call(&x.squeeze(1)?.transpose(0, 1)?)?;
        let half = |start: usize| x.narrow(2, start as isize, self.n_hidden);
        let x = self.fc4.call(&half(0)?.add(&half(self.n_hidden)?)?)?;
        self.out.call(&x)?.transpose(0, 1)?.log_softmax(2)
    }
}
