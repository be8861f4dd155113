//! A transducer: an Emformer hears, a recurrent network remembers what was said, and the two together say what comes next.

use super::emformer::{Emformer, EmformerActivation, LayerState, WeightInitScaleStrategy};
use flambeau_nn::{Call, Dropout, Embedding, Forward, LayerNorm, Linear, Module};
use flambeau_tensor::{Result, Tensor, bail, builder, ensure, stack};

/// Several frames as one.
#[track_caller]
fn reduced(x: &Tensor, lengths: &Tensor, stride: usize) -> Result<(Tensor, Tensor)> {
    let [batch, frames, features] = x.dims()?;
    let kept = frames / stride;
    let x = x.narrow(1, 0, kept * stride)?.reshape([batch, kept, features * stride])?;
    Ok((x, lengths.floor_divide(stride as i64)?))
}

#[derive(Module)]
struct EmformerEncoder {
    input_linear: Linear,
    transformer: Emformer,
    output_linear: Linear,
    layer_norm: LayerNorm,
    stride: usize,
}

impl EmformerEncoder {
    #[track_caller]
    fn new(b: &RNNTBuilder) -> Result<Self> {
        let stride = b.time_reduction_stride;
        ensure!(
            stride > 0 && b.segment_length >= stride,
            Argument,
            "RNNT",
            "time_reduction_stride {stride} must be in 1..={}, segment_length",
            b.segment_length
        );
        let input_linear = Linear::new(b.input_dim, b.time_reduction_input_dim).bias(false).build()?;
        let inner = b.time_reduction_input_dim * stride;
        let (heads, hidden, layers) = (b.transformer_num_heads, b.transformer_ffn_dim, b.transformer_num_layers);
        let transformer = Emformer::new(inner, heads, hidden, layers, b.segment_length / stride)
            .dropout(b.transformer_dropout)
            .activation(b.transformer_activation)
            .left_context_length(b.transformer_left_context_length)
            .right_context_length(b.right_context_length / stride)
            .max_memory_size(b.transformer_max_memory_size)
            .weight_init_scale_strategy(b.transformer_weight_init_scale_strategy)
            .tanh_on_mem(b.transformer_tanh_on_mem)
            .build()?;
        Ok(EmformerEncoder {
            input_linear,
            transformer,
            output_linear: Linear::new(inner, b.encoding_dim).build()?,
            layer_norm: LayerNorm::new(b.encoding_dim).build()?,
            stride,
        })
    }

    #[track_caller]
    fn encoded(&self, x: &Tensor) -> Result<Tensor> {
        self.layer_norm.call(&self.output_linear.call(x)?)
    }

    #[track_caller]
    fn before(&self, input: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        ensure!(
            input.rank() == 3,
            Shape,
            "RNNT",
            "sources are [batch, frames, features], these are {:?}",
            input.shape()
        );
        reduced(&self.input_linear.call(input)?, lengths, self.stride)
    }
}

/// A recurrent layer whose gates and cell are normalised.
#[derive(Module)]
struct CustomLSTM {
    x2g: Linear,
    p2g: Linear,
    c_norm: Option<LayerNorm>,
    g_norm: Option<LayerNorm>,
    hidden: usize,
}

#[track_caller]
fn normalised(norm: Option<&LayerNorm>, x: Tensor) -> Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| norm.call(&x))
}

impl CustomLSTM {
    #[track_caller]
    fn new(inputs: usize, hidden: usize, eps: Option<f64>) -> Result<Self> {
        let norm = |n: usize| eps.map(|eps| LayerNorm::new(n).eps(eps).build()).transpose();
        Ok(CustomLSTM {
            x2g: Linear::new(inputs, 4 * hidden).bias(eps.is_none()).build()?,
            p2g: Linear::new(hidden, 4 * hidden).bias(false).build()?,
            c_norm: norm(hidden)?,
            g_norm: norm(4 * hidden)?,
            hidden,
        })
    }

    /// `[steps, batch, features]` to `[steps, batch, hidden]` and the state `[h, c]`.
    #[track_caller]
    fn steps(&self, x: &Tensor, state: Option<&LayerState>) -> Result<(Tensor, LayerState)> {
        let zeros = || Tensor::zeros([x.shape()[1], self.hidden]).dtype(x.dtype()).device(x.device()).build();
        let (mut h, mut c) = match state.map(Vec::as_slice) {
            None => (zeros()?, zeros()?),
            Some([h, c]) => (h.clone(), c.clone()),
            Some(other) => bail!(Argument, "RNNT", "the state of a recurrent layer is 2 tensors, not {}", other.len()),
        };
        let gated = self.x2g.call(x)?;
        let mut outputs = Vec::with_capacity(x.shape()[0]);
        for step in 0..x.shape()[0] {
            let gates = gated.select(0, step as isize)?.add(&self.p2g.call(&h)?)?;
            let gates = normalised(self.g_norm.as_ref(), gates)?;
            let gate = |i: usize| gates.narrow(1, (i * self.hidden) as isize, self.hidden);
            let kept = gate(1)?.sigmoid()?.mul(&c)?;
            c = normalised(self.c_norm.as_ref(), kept.add(&gate(0)?.sigmoid()?.mul(&gate(2)?.tanh()?)?)?)?;
            h = gate(3)?.sigmoid()?.mul(&c.tanh()?)?;
            outputs.push(h.clone());
        }
        Ok((stack(&outputs, 0)?, vec![h, c]))
    }
}

#[derive(Module)]
struct Predictor {
    embedding: Embedding,
    input_layer_norm: LayerNorm,
    lstm_layers: Vec<CustomLSTM>,
    dropout: Dropout,
    linear: Linear,
    output_layer_norm: LayerNorm,
}

#[derive(Module)]
struct Joiner {
    linear: Linear,
}

/// A transducer, as `torchaudio.models.RNNT` (made by `emformer_rnnt_model`): features `[batch, frames, input_dim]` with
/// their lengths and targets `[batch, symbols]` with theirs to logits `[batch, frames', symbols, num_symbols]`, the lengths
/// of both, and the state of the recurrent layers. Its loss is [`rnnt_loss`](crate::functional::rnnt_loss). See A. Graves,
/// *Sequence transduction with recurrent neural networks*, 2012, arXiv:1211.3711.
#[derive(Module)]
pub struct RNNT {
    transcriber: EmformerEncoder,
    predictor: Predictor,
    joiner: Joiner,
}

builder! {
    /// Options of [`RNNT`]; they begin as those of `emformer_rnnt_base`.
    pub struct RNNTBuilder => RNNT;
    new {
        /// Symbols, the blank among them.
        num_symbols: usize,
    }
    options {
        /// Features of a frame, 80 unless set.
        input_dim: usize = 80,
        /// Numbers in which sound and symbols meet, 1024 unless set.
        encoding_dim: usize = 1024,
        /// Frames of a segment, 16 unless set.
        segment_length: usize = 16,
        /// Frames behind a segment that it looks at, 4 unless set.
        right_context_length: usize = 4,
        /// Features of a frame before several become one, 128 unless set.
        time_reduction_input_dim: usize = 128,
        /// How many become one, 4 unless set.
        time_reduction_stride: usize = 4,
        /// Heads of attention, 8 unless set.
        transformer_num_heads: usize = 8,
        /// Numbers inside of a layer, 2048 unless set.
        transformer_ffn_dim: usize = 2048,
        /// Layers, 20 unless set.
        transformer_num_layers: usize = 20,
        /// While training, the probability that a number in them is dropped; 0.1 unless set.
        transformer_dropout: f64 = 0.1,
        /// What is between the two layers for each frame, GELU unless set.
        transformer_activation: EmformerActivation = EmformerActivation::Gelu,
        /// Frames (of those that were made one) before a segment that it looks at, 30 unless set.
        transformer_left_context_length: usize = 30,
        /// Segments that are remembered, 0 unless set.
        transformer_max_memory_size: usize = 0,
        /// By what the first weights are scaled, by depth unless set.
        transformer_weight_init_scale_strategy: ~into Option<WeightInitScaleStrategy> = Some(WeightInitScaleStrategy::Depthwise),
        /// Does memory go through a hyperbolic tangent? Yes unless set.
        transformer_tanh_on_mem: bool = true,
        /// Numbers of a symbol, 512 unless set.
        symbol_embedding_dim: usize = 512,
        /// Recurrent layers, 3 unless set.
        num_lstm_layers: usize = 3,
        /// Are their gates and cells normalised? Yes unless set.
        lstm_layer_norm: bool = true,
        /// What is added to variances there, 1e-3 unless set.
        lstm_layer_norm_epsilon: f64 = 1e-3,
        /// While training, the probability that a number behind one is dropped; 0.3 unless set.
        lstm_dropout: f64 = 0.3,
    }
}

impl RNNT {
    #[track_caller]
    fn from_builder(b: RNNTBuilder) -> Result<Self> {
        let transcriber = EmformerEncoder::new(&b)?;
        let n = b.symbol_embedding_dim;
        let embedding = Embedding::new(b.num_symbols, n).build()?;
        let eps = b.lstm_layer_norm.then_some(b.lstm_layer_norm_epsilon);
        let layers = (0..b.num_lstm_layers).map(|_| CustomLSTM::new(n, n, eps)).collect::<Result<_>>()?;
        let predictor = Predictor {
            embedding,
            input_layer_norm: LayerNorm::new(n).build()?,
            lstm_layers: layers,
            dropout: Dropout::new(b.lstm_dropout).build()?,
            linear: Linear::new(n, b.encoding_dim).build()?,
            output_layer_norm: LayerNorm::new(b.encoding_dim).build()?,
        };
        let joiner = Joiner { linear: Linear::new(b.encoding_dim, b.num_symbols).build()? };
        Ok(RNNT { transcriber, predictor, joiner })
    }

    /// What is heard, `[batch, frames, encoding_dim]`, and its lengths, of features `[batch, frames + right context,
    /// input_dim]`.
    ///
    /// # Errors
    /// Where the shapes do not go together.
    #[track_caller]
    pub fn transcribe(&self, sources: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        let (x, lengths) = self.transcriber.before(sources, lengths)?;
        let (x, lengths) = self.transcriber.transformer.call((&x, &lengths))?;
        Ok((self.transcriber.encoded(&x)?, lengths))
    }

    /// The same of one segment of a stream, with what was remembered of those before.
    ///
    /// # Errors
    /// As [`Emformer::infer`].
    #[track_caller]
    pub fn transcribe_streaming(
        &self,
        sources: &Tensor,
        lengths: &Tensor,
        state: Option<&Vec<LayerState>>,
    ) -> Result<(Tensor, Tensor, Vec<LayerState>)> {
        let (x, lengths) = self.transcriber.before(sources, lengths)?;
        let (x, lengths, state) = self.transcriber.transformer.infer(&x, &lengths, state)?;
        Ok((self.transcriber.encoded(&x)?, lengths, state))
    }

    /// What is expected behind each of the symbols `[batch, symbols]`: `[batch, symbols, encoding_dim]`, and the state of
    /// the recurrent layers.
    ///
    /// # Errors
    /// Where there is no such symbol, or the state is of another network.
    #[track_caller]
    pub fn predict(&self, targets: &Tensor, state: Option<&Vec<LayerState>>) -> Result<(Tensor, Vec<LayerState>)> {
        let p = &self.predictor;
        ensure!(targets.rank() == 2, Shape, "RNNT", "targets are [batch, symbols], these are {:?}", targets.shape());
        ensure!(
            state.is_none_or(|state| state.len() == p.lstm_layers.len()),
            Argument,
            "RNNT",
            "the state is not of {} layers",
            p.lstm_layers.len()
        );
        let mut x = p.input_layer_norm.call(&p.embedding.call(&targets.transpose(0, 1)?)?)?;
        let mut after = Vec::with_capacity(p.lstm_layers.len());
        for (i, layer) in p.lstm_layers.iter().enumerate() {
            let (y, state) = layer.steps(&x, state.map(|state| &state[i]))?;
            x = p.dropout.call(&y)?;
            after.push(state);
        }
        Ok((p.output_layer_norm.call(&p.linear.call(&x)?)?.transpose(0, 1)?, after))
    }

    /// Logits `[batch, frames, symbols, num_symbols]` of what was heard `[batch, frames, encoding_dim]` and what is expected
    /// `[batch, symbols, encoding_dim]`.
    ///
    /// # Errors
    /// Where the shapes do not go together.
    #[track_caller]
    pub fn join(&self, heard: &Tensor, expected: &Tensor) -> Result<Tensor> {
        self.joiner.linear.call(&heard.unsqueeze(2)?.add(&expected.unsqueeze(1)?)?.relu()?)
    }
}

/// Features, their lengths, targets, their lengths.
impl Forward<(&Tensor, &Tensor, &Tensor, &Tensor)> for RNNT {
    type Output = (Tensor, Tensor, Tensor, Vec<LayerState>);

    #[track_caller]
    fn forward(
        &self,
        (sources, source_lengths, targets, target_lengths): (&Tensor, &Tensor, &Tensor, &Tensor),
    ) -> Result<Self::Output> {
        let (heard, lengths) = self.transcribe(sources, source_lengths)?;
        let (expected, state) = self.predict(targets, None)?;
        Ok((self.join(&heard, &expected)?, lengths, target_lengths.clone(), state))
    }
}

/// The options of `torchaudio.models.emformer_rnnt_base`: 76 million parameters with 4097 symbols.
pub fn emformer_rnnt_base(num_symbols: usize) -> RNNTBuilder {
    RNNT::new(num_symbols)
}
