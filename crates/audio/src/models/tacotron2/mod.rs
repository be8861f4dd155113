//! Tacotron 2: from the letters or sounds of a text to the mel spectrogram of somebody saying it.

mod decoder;
mod encoder;

use super::conformer::padding_mask;
use decoder::Decoder;
use encoder::Encoder;
use flambeau_nn::functional::dropout;
use flambeau_nn::init::{Nonlinearity, calculate_gain, xavier_uniform_};
use flambeau_nn::{BatchNorm1d, Call, Conv1d, Embedding, Forward, Linear, Mode, Module, Sequential};
use flambeau_tensor::{DType, Result, Tensor, builder, ensure};

const OP: &str = "Tacotron2";

/// A layer whose weights begin as Xavier's, for what follows it.
#[track_caller]
fn linear(inputs: usize, outputs: usize, bias: bool, before: Nonlinearity) -> Result<Linear> {
    let linear = Linear::new(inputs, outputs).bias(bias).build()?;
    xavier_uniform_(&linear.weight, calculate_gain(before))?;
    Ok(linear)
}

/// A convolution that gives as many steps as it is given, its weights likewise.
#[track_caller]
fn conv(inputs: usize, outputs: usize, kernel: usize, bias: bool, before: Nonlinearity) -> Result<Conv1d> {
    ensure!(
        kernel % 2 == 1,
        Argument,
        OP,
        "the kernel size {kernel} must be odd, so that there are as many steps as before"
    );
    let conv = Conv1d::new(inputs, outputs, kernel).padding(kernel / 2).bias(bias).build()?;
    xavier_uniform_(&conv.weight, calculate_gain(before))?;
    Ok(conv)
}

/// The same, normalised over the batch.
#[track_caller]
fn normalised(inputs: usize, outputs: usize, kernel: usize, before: Nonlinearity) -> Result<Sequential> {
    Sequential::of((conv(inputs, outputs, kernel, true, before)?, BatchNorm1d::new(outputs)))
}

/// What makes spectrograms finer: `[batch, n_mels, frames]`.
#[derive(Module)]
struct Postnet {
    convolutions: Vec<Sequential>,
    mode: Mode,
}

impl Postnet {
    #[track_caller]
    fn new(b: &Tacotron2Builder) -> Result<Self> {
        let (layers, hidden) = (b.postnet_n_convolution, b.postnet_embedding_dim);
        let one = |i: usize| {
            let (first, last) = (i == 0, i + 1 == layers);
            let before = if last { Nonlinearity::Linear } else { Nonlinearity::Tanh };
            let inputs = if first { b.n_mels } else { hidden };
            normalised(inputs, if last { b.n_mels } else { hidden }, b.postnet_kernel_size, before)
        };
        Ok(Postnet { convolutions: (0..layers).map(one).collect::<Result<_>>()?, mode: Mode::new() })
    }
}

impl Forward<&Tensor> for Postnet {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.convolutions.iter().enumerate() {
            let y = layer.call(&x)?;
            let y = if i + 1 < self.convolutions.len() { y.tanh()? } else { y };
            x = dropout(&y, 0.5, self.mode.is_training())?;
        }
        Ok(x)
    }
}

/// From text to a spectrogram, as `torchaudio.models.Tacotron2`. While it learns it is given the spectrogram `[batch,
/// n_mels, frames]` too: called with tokens `[batch, symbols]`, their lengths (sorted, the longest first), the spectrogram
/// and its lengths it gives the spectrogram, the same made finer, the logits of the end after each step `[batch, steps]`,
/// and what each step looked at, `[batch, steps, symbols]`. See J. Shen et al., *Natural TTS synthesis by conditioning
/// WaveNet on mel spectrogram predictions*, 2018, arXiv:1712.05884.
///
/// The two layers before each step drop half of their numbers, in evaluation as well: what is said differs from call to
/// call.
///
/// ```
/// use flambeau_audio::models::Tacotron2;
/// use flambeau_nn::Module;
/// use flambeau_tensor::tensor;
///
/// // A small one of the same form.
/// let small = Tacotron2::new().n_mels(8).symbol_embedding_dim(16).encoder_embedding_dim(16).decoder_rnn_dim(16);
/// let small = small.attention_rnn_dim(16).prenet_dim(8).postnet_embedding_dim(8).decoder_max_step(20);
/// let model = small.decoder_early_stopping(false).build()?;
/// model.eval();
/// let (mel, lengths, alignments) = model.infer(&tensor!([[1i64, 5, 9]]), None)?;
/// assert_eq!((mel.shape(), alignments.shape()), (&[1, 8, 20][..], &[1, 20, 3][..]));
/// assert!(lengths.item::<i32>()? <= 20);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct Tacotron2 {
    embedding: Embedding,
    encoder: Encoder,
    decoder: Decoder,
    postnet: Postnet,
    mask_padding: bool,
}

builder! {
    /// Options of [`Tacotron2`].
    pub struct Tacotron2Builder => Tacotron2;
    new {}
    options {
        /// Fill what is behind the end of a spectrogram: with 0, and the logits of the end with 1000. Not unless set.
        mask_padding: bool = false,
        /// Bands of the spectrogram, 80 unless set.
        n_mels: usize = 80,
        /// Symbols that there are, 148 unless set.
        n_symbol: usize = 148,
        /// Frames of a step, 1 unless set.
        n_frames_per_step: usize = 1,
        /// Numbers of a symbol, 512 unless set; as many as `encoder_embedding_dim`.
        symbol_embedding_dim: usize = 512,
        /// Numbers of a symbol in its context, an even number; 512 unless set.
        encoder_embedding_dim: usize = 512,
        /// Convolutions over the text, 3 unless set.
        encoder_n_convolution: usize = 3,
        /// Symbols that they reach over, 5 unless set.
        encoder_kernel_size: usize = 5,
        /// Numbers of the decoder's state, 1024 unless set.
        decoder_rnn_dim: usize = 1024,
        /// Steps after which it ends at the latest, 2000 unless set.
        decoder_max_step: usize = 2000,
        /// While training, the probability that a number of that state is dropped; 0.1 unless set.
        decoder_dropout: f64 = 0.1,
        /// End when all have ended, as it does unless unset, or go on to the last step.
        decoder_early_stopping: bool = true,
        /// Numbers of the state that attention goes by, 1024 unless set.
        attention_rnn_dim: usize = 1024,
        /// Numbers in which states and symbols are compared, 128 unless set.
        attention_hidden_dim: usize = 128,
        /// Filters over what was looked at before, 32 unless set.
        attention_location_n_filter: usize = 32,
        /// Symbols that they reach over, 31 unless set.
        attention_location_kernel_size: usize = 31,
        /// While training, the probability that a number of that state is dropped; 0.1 unless set.
        attention_dropout: f64 = 0.1,
        /// Numbers of a frame on its way into a step, 256 unless set.
        prenet_dim: usize = 256,
        /// Convolutions that make the spectrogram finer, 5 unless set.
        postnet_n_convolution: usize = 5,
        /// Frames that they reach over, 5 unless set.
        postnet_kernel_size: usize = 5,
        /// Channels between them, 512 unless set.
        postnet_embedding_dim: usize = 512,
        /// From which probability on the end is reached, 0.5 unless set.
        gate_threshold: f64 = 0.5,
    }
}

impl Tacotron2 {
    #[track_caller]
    fn from_builder(b: Tacotron2Builder) -> Result<Self> {
        ensure!(
            b.symbol_embedding_dim == b.encoder_embedding_dim && b.encoder_embedding_dim % 2 == 0,
            Argument,
            OP,
            "symbol_embedding_dim {} and encoder_embedding_dim {} must be the same even number",
            b.symbol_embedding_dim,
            b.encoder_embedding_dim
        );
        ensure!(
            b.n_mels > 0 && b.n_frames_per_step > 0 && b.decoder_max_step > 0,
            Argument,
            OP,
            "n_mels {}, n_frames_per_step {} and decoder_max_step {} must be above 0",
            b.n_mels,
            b.n_frames_per_step,
            b.decoder_max_step
        );
        let embedding = Embedding::new(b.n_symbol, b.symbol_embedding_dim).build()?;
        xavier_uniform_(&embedding.weight, 1.0)?;
        let (encoder, decoder) = (Encoder::new(&b)?, Decoder::new(&b)?);
        Ok(Tacotron2 { embedding, encoder, decoder, postnet: Postnet::new(&b)?, mask_padding: b.mask_padding })
    }

    /// The symbols in their contexts, `[batch, symbols, encoder_embedding_dim]`.
    #[track_caller]
    fn encoded(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        ensure!(
            tokens.rank() == 2 && lengths.rank() == 1 && lengths.shape()[0] == tokens.shape()[0],
            Shape,
            OP,
            "tokens are [batch, symbols], their lengths [batch]; these are {:?} and {:?}",
            tokens.shape(),
            lengths.shape()
        );
        let embedded = self.embedding.call(tokens)?.transpose(1, 2)?;
        self.encoder.call((&embedded, lengths))
    }

    /// Says what stands in tokens `[batch, symbols]`, of which in each row `lengths` (sorted, the longest first; all unless
    /// given) are valid: the spectrogram `[batch, n_mels, frames]`, its lengths `[batch]` in i32, and what each step looked
    /// at, `[batch, steps, symbols]`. A spectrogram that has not ended is cut off at `decoder_max_step`.
    ///
    /// # Errors
    /// Where the shapes do not fit or a symbol is not known.
    #[track_caller]
    pub fn infer(&self, tokens: &Tensor, lengths: Option<&Tensor>) -> Result<(Tensor, Tensor, Tensor)> {
        ensure!(tokens.rank() == 2, Shape, OP, "tokens are [batch, symbols], these are {:?}", tokens.shape());
        let all = || Tensor::full([tokens.shape()[0]], tokens.shape()[1] as i64).device(tokens.device()).build();
        let lengths = lengths.map_or_else(all, |lengths| Ok(lengths.clone()))?;
        let memory = self.encoded(tokens, &lengths)?;
        let said = self.decoder.infer(&memory, &lengths)?;
        let finer = said.mel.add(&self.postnet.call(&said.mel)?)?;
        let counts = Tensor::from_vec(said.lengths, [tokens.shape()[0]])?.to_device(tokens.device())?;
        Ok((finer, counts, said.alignments))
    }
}

/// Tokens, their lengths, a spectrogram, its lengths.
impl Forward<(&Tensor, &Tensor, &Tensor, &Tensor)> for Tacotron2 {
    type Output = (Tensor, Tensor, Tensor, Tensor);

    #[track_caller]
    fn forward(
        &self,
        (tokens, token_lengths, mel, mel_lengths): (&Tensor, &Tensor, &Tensor, &Tensor),
    ) -> Result<Self::Output> {
        let memory = self.encoded(tokens, token_lengths)?;
        let (mel, gates, alignments) = self.decoder.call((&memory, mel, token_lengths))?;
        let finer = mel.add(&self.postnet.call(&mel)?)?;
        if !self.mask_padding {
            return Ok((mel, finer, gates, alignments));
        }
        let behind = padding_mask(&mel_lengths.to_dtype(DType::I64)?)?;
        ensure!(
            behind.shape() == [mel.shape()[0], mel.shape()[2]],
            Shape,
            OP,
            "the lengths of spectrograms {:?} must be as many, and the longest {} frames",
            mel.shape(),
            mel.shape()[2]
        );
        let wide = behind.unsqueeze(1)?;
        Ok((mel.masked_fill(&wide, 0.0)?, finer.masked_fill(&wide, 0.0)?, gates.masked_fill(&behind, 1e3)?, alignments))
    }
}
