//! What reads a text: convolutions and a recurrent layer in both directions.

use super::{Tacotron2Builder, normalised};
use flambeau_nn::functional::dropout;
use flambeau_nn::init::Nonlinearity;
use flambeau_nn::utils::rnn::{pack_padded_sequence, pad_packed_sequence};
use flambeau_nn::{Call, Forward, LSTM, Mode, Module, Sequential};
use flambeau_tensor::{DType, Result, Tensor};

/// Symbols `[batch, features, symbols]` and their lengths to `[batch, symbols, features]`.
#[derive(Module)]
pub(super) struct Encoder {
    convolutions: Vec<Sequential>,
    lstm: LSTM,
    mode: Mode,
}

impl Encoder {
    #[track_caller]
    pub(super) fn new(b: &Tacotron2Builder) -> Result<Self> {
        let (n, kernel) = (b.encoder_embedding_dim, b.encoder_kernel_size);
        let convolutions = (0..b.encoder_n_convolution).map(|_| normalised(n, n, kernel, Nonlinearity::Relu));
        Ok(Encoder {
            convolutions: convolutions.collect::<Result<_>>()?,
            lstm: LSTM::new(n, n / 2).batch_first(true).bidirectional(true).build()?,
            mode: Mode::new(),
        })
    }
}

impl Forward<(&Tensor, &Tensor)> for Encoder {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, lengths): (&Tensor, &Tensor)) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.convolutions {
            x = dropout(&layer.call(&x)?.relu()?, 0.5, self.mode.is_training())?;
        }
        let lengths = lengths.to_dtype(DType::I64)?.to_vec::<i64>()?;
        // One that is negative is no length either.
        let lengths: Vec<usize> = lengths.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
        let packed = pack_padded_sequence(&x.transpose(1, 2)?, &lengths, true, true)?;
        let (outputs, _) = self.lstm.call(&packed)?;
        Ok(pad_packed_sequence(&outputs, true, 0.0, None)?.0)
    }
}
