//! What speaks: step by step it looks at the text, goes on from the frame before, and tells when it has ended.

use super::super::conformer::padding_mask;
use super::{OP, Tacotron2Builder, conv, linear};
use flambeau_nn::functional::dropout;
use flambeau_nn::init::Nonlinearity;
use flambeau_nn::{Call, Conv1d, Forward, LSTMCell, Linear, Mode, Module};
use flambeau_tensor::{Result, Tensor, cat, ensure, stack};

#[derive(Module)]
struct LocationLayer {
    location_conv: Conv1d,
    location_dense: Linear,
}

/// Attention that knows where it has looked.
#[derive(Module)]
struct Attention {
    query_layer: Linear,
    memory_layer: Linear,
    v: Linear,
    location_layer: LocationLayer,
}

impl Attention {
    #[track_caller]
    fn new(b: &Tacotron2Builder) -> Result<Self> {
        let (n, filters) = (b.attention_hidden_dim, b.attention_location_n_filter);
        Ok(Attention {
            query_layer: linear(b.attention_rnn_dim, n, false, Nonlinearity::Tanh)?,
            memory_layer: linear(b.encoder_embedding_dim, n, false, Nonlinearity::Tanh)?,
            v: linear(n, 1, false, Nonlinearity::Linear)?,
            location_layer: LocationLayer {
                location_conv: conv(2, filters, b.attention_location_kernel_size, false, Nonlinearity::Linear)?,
                location_dense: linear(filters, n, false, Nonlinearity::Tanh)?,
            },
        })
    }

    /// What is seen, `[batch, features]`, and the weights by which, `[batch, symbols]`. `looked` are the weights of the step
    /// before and the sums of all, `[batch, 2, symbols]`.
    #[track_caller]
    fn look(&self, state: &Tensor, text: &Text, looked: &Tensor) -> Result<(Tensor, Tensor)> {
        let query = self.query_layer.call(&state.unsqueeze(1)?)?;
        let places = self.location_layer.location_conv.call(looked)?.transpose(1, 2)?;
        let places = self.location_layer.location_dense.call(&places)?;
        let energies = self.v.call(&query.add(&places)?.add(&text.keys)?.tanh()?)?.squeeze(2)?;
        let weights = energies.masked_fill(&text.behind, f64::NEG_INFINITY)?.softmax(1)?;
        Ok((weights.unsqueeze(1)?.bmm(&text.memory)?.squeeze(1)?, weights))
    }
}

#[derive(Module)]
struct Prenet {
    layers: Vec<Linear>,
}

impl Forward<&Tensor> for Prenet {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = dropout(&layer.call(&x)?.relu()?, 0.5, true)?;
        }
        Ok(x)
    }
}

/// A text on its way into steps: symbols in their contexts, what they are compared by, and where there are none.
struct Text {
    memory: Tensor,
    keys: Tensor,
    behind: Tensor,
}

/// What a step hands to the next.
struct State {
    attention: (Tensor, Tensor),
    decoder: (Tensor, Tensor),
    weights: Tensor,
    weights_cum: Tensor,
    context: Tensor,
}

/// What was said, and over how many frames.
pub(super) struct Said {
    pub mel: Tensor,
    pub lengths: Vec<i32>,
    pub alignments: Tensor,
}

#[derive(Module)]
pub(super) struct Decoder {
    prenet: Prenet,
    attention_rnn: LSTMCell,
    attention_layer: Attention,
    decoder_rnn: LSTMCell,
    linear_projection: Linear,
    gate_layer: Linear,
    n_mels: usize,
    frames_per_step: usize,
    max_step: usize,
    early_stopping: bool,
    attention_dropout: f64,
    decoder_dropout: f64,
    sizes: [usize; 2],
    gate_threshold: f64,
    mode: Mode,
}

impl Decoder {
    #[track_caller]
    pub(super) fn new(b: &Tacotron2Builder) -> Result<Self> {
        let (frame, text, inside) = (b.n_mels * b.n_frames_per_step, b.encoder_embedding_dim, b.prenet_dim);
        let layer = |inputs| linear(inputs, inside, false, Nonlinearity::Linear);
        let prenet = Prenet { layers: vec![layer(frame)?, layer(inside)?] };
        let attention_rnn = LSTMCell::new(inside + text, b.attention_rnn_dim).build()?;
        let attention_layer = Attention::new(b)?;
        let decoder_rnn = LSTMCell::new(b.attention_rnn_dim + text, b.decoder_rnn_dim).build()?;
        Ok(Decoder {
            prenet,
            attention_rnn,
            attention_layer,
            decoder_rnn,
            linear_projection: linear(b.decoder_rnn_dim + text, frame, true, Nonlinearity::Linear)?,
            gate_layer: linear(b.decoder_rnn_dim + text, 1, true, Nonlinearity::Sigmoid)?,
            n_mels: b.n_mels,
            frames_per_step: b.n_frames_per_step,
            max_step: b.decoder_max_step,
            early_stopping: b.decoder_early_stopping,
            attention_dropout: b.attention_dropout,
            decoder_dropout: b.decoder_dropout,
            sizes: [b.attention_rnn_dim, b.decoder_rnn_dim],
            gate_threshold: b.gate_threshold,
            mode: Mode::new(),
        })
    }

    /// The text as steps need it, and the state before the first.
    #[track_caller]
    fn begin(&self, memory: &Tensor, lengths: &Tensor) -> Result<(Text, State)> {
        let [batch, symbols, features] = memory.dims()?;
        let zeros = |n: usize| Tensor::zeros([batch, n]).dtype(memory.dtype()).device(memory.device()).build();
        let [attention, decoder] = self.sizes;
        let state = State {
            attention: (zeros(attention)?, zeros(attention)?),
            decoder: (zeros(decoder)?, zeros(decoder)?),
            weights: zeros(symbols)?,
            weights_cum: zeros(symbols)?,
            context: zeros(features)?,
        };
        let keys = self.attention_layer.memory_layer.call(memory)?;
        Ok((Text { memory: memory.clone(), keys, behind: padding_mask(lengths)? }, state))
    }

    /// The frames of a step `[batch, n_mels · n_frames_per_step]` and the logit of the end `[batch, 1]`, from what the layers
    /// before made of the frames of the step before.
    #[track_caller]
    fn step(&self, input: &Tensor, text: &Text, state: &mut State) -> Result<(Tensor, Tensor)> {
        let training = self.mode.is_training();
        let (h, c) = &state.attention;
        let (h, c) = self.attention_rnn.call((&cat(&[input, &state.context], -1)?, (h, c)))?;
        let h = dropout(&h, self.attention_dropout, training)?;
        let looked = stack(&[&state.weights, &state.weights_cum], 1)?;
        (state.context, state.weights) = self.attention_layer.look(&h, text, &looked)?;
        state.weights_cum = state.weights_cum.add(&state.weights)?;
        let (d, e) = &state.decoder;
        let (d, e) = self.decoder_rnn.call((&cat(&[&h, &state.context], -1)?, (d, e)))?;
        let d = dropout(&d, self.decoder_dropout, training)?;
        let both = cat(&[&d, &state.context], 1)?;
        (state.attention, state.decoder) = ((h, c), (d, e));
        Ok((self.linear_projection.call(&both)?, self.gate_layer.call(&both)?))
    }

    /// Frames of steps, `[batch, n_mels, frames]`.
    #[track_caller]
    fn frames(&self, steps: &[Tensor]) -> Result<Tensor> {
        let (count, batch) = (steps.len(), steps[0].shape()[0]);
        let frames = stack(steps, 0)?.transpose(0, 1)?;
        frames.reshape([batch, count * self.frames_per_step, self.n_mels])?.transpose(1, 2)
    }

    /// Speaks until it has ended.
    #[track_caller]
    pub(super) fn infer(&self, memory: &Tensor, lengths: &Tensor) -> Result<Said> {
        let batch = memory.shape()[0];
        let (text, mut state) = self.begin(memory, lengths)?;
        let silence = Tensor::zeros([batch, self.n_mels * self.frames_per_step]);
        let mut frame = silence.dtype(memory.dtype()).device(memory.device()).build()?;
        let (mut steps, mut alignments) = (Vec::new(), Vec::new());
        let (mut counts, mut ended) = (vec![0i32; batch], vec![false; batch]);
        for _ in 0..self.max_step {
            let gate;
            (frame, gate) = self.step(&self.prenet.call(&frame)?, &text, &mut state)?;
            steps.push(frame.clone());
            alignments.push(state.weights.clone());
            let reached = gate.squeeze(1)?.sigmoid()?.gt(self.gate_threshold)?.to_vec::<bool>()?;
            for ((count, ended), reached) in counts.iter_mut().zip(&mut ended).zip(reached) {
                *count += i32::from(!*ended);
                *ended |= reached;
            }
            if self.early_stopping && ended.iter().all(|ended| *ended) {
                break;
            }
        }
        Ok(Said { mel: self.frames(&steps)?, lengths: counts, alignments: stack(&alignments, 1)? })
    }
}

/// Goes along a spectrogram that is known: frames `[batch, n_mels, frames]`, logits of the end `[batch, steps]`, and what was
/// looked at, `[batch, steps, symbols]`.
impl Forward<(&Tensor, &Tensor, &Tensor)> for Decoder {
    type Output = (Tensor, Tensor, Tensor);

    #[track_caller]
    fn forward(&self, (memory, mel, lengths): (&Tensor, &Tensor, &Tensor)) -> Result<Self::Output> {
        let batch = memory.shape()[0];
        ensure!(
            mel.rank() == 3 && mel.shape()[..2] == [batch, self.n_mels],
            Shape,
            OP,
            "the spectrogram is [{batch}, {}, frames], this is {:?}",
            self.n_mels,
            mel.shape()
        );
        let frames = mel.shape()[2];
        ensure!(
            frames > 0 && frames % self.frames_per_step == 0,
            Shape,
            OP,
            "{frames} frames must be whole steps of {}, and one at least",
            self.frames_per_step
        );
        let (steps, size) = (frames / self.frames_per_step, self.n_mels * self.frames_per_step);
        let given = mel.transpose(1, 2)?.reshape([batch, steps, size])?.transpose(0, 1)?;
        let silence = Tensor::zeros([1, batch, size]).dtype(given.dtype()).device(given.device()).build()?;
        let inputs = self.prenet.call(&cat(&[&silence, &given], 0)?)?;
        let (text, mut state) = self.begin(memory, lengths)?;
        let (mut mels, mut gates, mut alignments) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..steps {
            let (frame, gate) = self.step(&inputs.select(0, step as isize)?, &text, &mut state)?;
            mels.push(frame);
            gates.push(gate.squeeze(1)?);
            alignments.push(state.weights.clone());
        }
        Ok((self.frames(&mels)?, stack(&gates, 1)?, stack(&alignments, 1)?))
    }
}
