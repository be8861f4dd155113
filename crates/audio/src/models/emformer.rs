//! The Emformer: attention that goes on while the sound comes in.

use flambeau_nn::init;
use flambeau_nn::{AvgPool1d, Call, Dropout, Forward, GELU, LayerNorm, Linear, Mode, Module, ReLU, Sequential, SiLU};
use flambeau_tensor::{DType, Result, Tensor, bail, builder, cat, ensure};

/// What is between the two layers for each frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EmformerActivation {
    #[default]
    Relu,
    Gelu,
    Silu,
}

/// By what the first weights of attention are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightInitScaleStrategy {
    /// By 1/√k in the k-th layer.
    #[default]
    Depthwise,
    /// By 1/√2.
    Constant,
}

/// What a layer remembers of a stream: memory, keys and values of what came before, `[·, batch, features]`, and how many
/// frames came, `[1, batch]`.
pub type LayerState = Vec<Tensor>;

/// The options that all layers share.
#[derive(Clone, Copy)]
struct Sizes {
    input_dim: usize,
    num_heads: usize,
    segment: usize,
    left: usize,
    right: usize,
    memory: usize,
    dropout: f64,
    tanh_on_mem: bool,
    negative_inf: f64,
}

flambeau_nn::plain_parts!(Sizes);

#[derive(Module)]
struct EmformerAttention {
    emb_to_key_value: Linear,
    emb_to_query: Linear,
    out_proj: Linear,
    sizes: Sizes,
    mode: Mode,
}

/// What attention looks at, each `[·, batch, features]`.
struct Parts<'a> {
    utterance: &'a Tensor,
    right: &'a Tensor,
    summary: Option<Tensor>,
    mems: Option<Tensor>,
}

fn length(part: Option<&Tensor>) -> usize {
    part.map_or(0, |part| part.shape()[0])
}

/// Parts that are there, one behind the other.
#[track_caller]
fn joined(parts: &[Option<&Tensor>]) -> Result<Tensor> {
    let there: Vec<&Tensor> = parts.iter().flatten().copied().collect();
    cat(&there, 0)
}

impl EmformerAttention {
    #[track_caller]
    fn new(sizes: Sizes, gain: Option<f64>) -> Result<Self> {
        let n = sizes.input_dim;
        let emb_to_key_value = Linear::new(n, 2 * n).build()?;
        let emb_to_query = Linear::new(n, n).build()?;
        let out_proj = Linear::new(n, n).build()?;
        if let Some(gain) = gain {
            init::xavier_uniform_(&emb_to_key_value.weight, gain)?;
            init::xavier_uniform_(&emb_to_query.weight, gain)?;
        }
        Ok(EmformerAttention { emb_to_key_value, emb_to_query, out_proj, sizes, mode: Mode::new() })
    }

    /// What comes out for right context and utterance, new memory, keys and values. `mask` is true where a query (of right
    /// context, utterance, summary) may not look at a key (of memory, right context, what was before, utterance).
    #[track_caller]
    fn attend(
        &self,
        parts: &Parts<'_>,
        lengths: &Tensor,
        mask: &Tensor,
        before: Option<(&Tensor, &Tensor)>,
    ) -> Result<[Tensor; 4]> {
        let (batch, summaries, mems) =
            (parts.utterance.shape()[1], length(parts.summary.as_ref()), length(parts.mems.as_ref()));
        let queries = parts.right.shape()[0] + parts.utterance.shape()[0] + summaries;
        let query =
            self.emb_to_query.call(&joined(&[Some(parts.right), Some(parts.utterance), parts.summary.as_ref()])?)?;
        let sources = joined(&[parts.mems.as_ref(), Some(parts.right), Some(parts.utterance)])?;
        let both = self.emb_to_key_value.call(&sources)?;
        let n = self.sizes.input_dim;
        let (mut key, mut value) = (both.narrow(2, 0, n)?, both.narrow(2, n as isize, n)?);
        let longest = lengths.amax(..)?.to_dtype(DType::I64)?.item::<i64>()?.max(0) as usize;
        // The blocks of right context, by what is not of the utterances.
        let rights = (queries - summaries).saturating_sub(longest);
        if let Some((keys, values)) = before {
            let at = (mems + rights).min(key.shape()[0]);
            let spliced = |x: &Tensor, middle: &Tensor| {
                cat(&[&x.narrow(0, 0, at)?, middle, &x.narrow(0, at as isize, x.shape()[0] - at)?], 0)
            };
            (key, value) = (spliced(&key, keys)?, spliced(&value, values)?);
        }
        let heads = self.sizes.num_heads;
        let split = |x: &Tensor| x.reshape([x.shape()[0], batch * heads, n / heads])?.transpose(0, 1);
        let scaled = split(&query)?.mul(((n / heads) as f64).powf(-0.5))?;
        let weights = scaled.bmm(&split(&key)?.transpose(1, 2)?)?;
        let mut weights = weights.masked_fill(mask.unsqueeze(0)?, self.sizes.negative_inf)?;
        if batch > 1 {
            let counts = lengths.add((mems + rights + before.map_or(0, |(keys, _)| keys.shape()[0])) as i64)?;
            let filling = super::conformer::padding_mask(&counts)?;
            let keys = weights.shape()[2];
            ensure!(filling.shape()[1] == keys, Shape, "Emformer", "the longest of the lengths is not the input's");
            weights = weights.reshape([batch, heads, queries, keys])?;
            weights = weights.masked_fill(filling.unsqueeze(1)?.unsqueeze(1)?, self.sizes.negative_inf)?;
            weights = weights.reshape([batch * heads, queries, keys])?;
        }
        let probabilities = weights.softmax(-1)?;
        let dropout = self.sizes.dropout;
        let probabilities = if self.mode.is_training() {
            flambeau_nn::functional::dropout(&probabilities, dropout, true)?
        } else {
            probabilities
        };
        let attended = probabilities.bmm(&split(&value)?)?.transpose(0, 1)?.reshape([queries, batch, n])?;
        let out = self.out_proj.call(&attended)?;
        let kept = queries - summaries;
        let memory = out.narrow(0, kept as isize, summaries)?;
        let memory = if self.sizes.tanh_on_mem { memory.tanh()? } else { memory.clamp(-10.0, 10.0)? };
        Ok([out.narrow(0, 0, kept)?, memory, key, value])
    }
}

#[derive(Module)]
struct EmformerLayer {
    attention: EmformerAttention,
    dropout: Dropout,
    memory_op: AvgPool1d,
    pos_ff: Sequential,
    layer_norm_input: LayerNorm,
    layer_norm_output: LayerNorm,
    sizes: Sizes,
}

/// The mean of each segment of `[frames, batch, features]`.
#[track_caller]
fn means(pool: &AvgPool1d, x: &Tensor) -> Result<Tensor> {
    pool.call(&x.permute([1, 2, 0])?)?.permute([2, 0, 1])
}

#[track_caller]
fn segments(sizes: Sizes) -> Result<AvgPool1d> {
    AvgPool1d::new(sizes.segment).stride(sizes.segment).ceil_mode(true).build()
}

/// The first rows up to `at`, and those from there on.
#[track_caller]
fn cut(x: &Tensor, at: usize) -> Result<(Tensor, Tensor)> {
    Ok((x.narrow(0, 0, at)?, x.narrow(0, at as isize, x.shape()[0] - at)?))
}

/// The last `n` rows.
#[track_caller]
fn last(x: &Tensor, n: usize) -> Result<Tensor> {
    let rows = x.shape()[0];
    x.narrow(0, rows.saturating_sub(n) as isize, n.min(rows))
}

impl EmformerLayer {
    #[track_caller]
    fn new(b: &EmformerBuilder, sizes: Sizes, gain: Option<f64>) -> Result<Self> {
        let attention = EmformerAttention::new(sizes, gain)?;
        let n = b.input_dim;
        let mut pos_ff = Sequential::of((LayerNorm::new(n), Linear::new(n, b.ffn_dim)))?;
        match b.activation {
            EmformerActivation::Relu => pos_ff.push(ReLU::new())?,
            EmformerActivation::Gelu => pos_ff.push(GELU::new())?,
            EmformerActivation::Silu => pos_ff.push(SiLU::new())?,
        };
        pos_ff.push(Dropout::new(b.dropout))?.push(Linear::new(b.ffn_dim, n))?.push(Dropout::new(b.dropout))?;
        Ok(EmformerLayer {
            attention,
            dropout: Dropout::new(b.dropout).build()?,
            memory_op: segments(sizes)?,
            pos_ff,
            layer_norm_input: LayerNorm::new(n).build()?,
            layer_norm_output: LayerNorm::new(n).build()?,
            sizes,
        })
    }

    /// Utterance and right context, normalised.
    #[track_caller]
    fn normalised(&self, utterance: &Tensor, right: &Tensor) -> Result<(Tensor, Tensor)> {
        let (right, utterance) =
            cut(&self.layer_norm_input.call(&joined(&[Some(right), Some(utterance)])?)?, right.shape()[0])?;
        Ok((utterance, right))
    }

    /// Utterance and right context behind attention.
    #[track_caller]
    fn finished(&self, attended: &Tensor, utterance: &Tensor, right: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.dropout.call(attended)?.add(&joined(&[Some(right), Some(utterance)])?)?;
        let x = self.layer_norm_output.call(&self.pos_ff.call(&x)?.add(&x)?)?;
        let (right, utterance) = cut(&x, right.shape()[0])?;
        Ok((utterance, right))
    }

    /// Utterance, right context and memory for the next layer.
    #[track_caller]
    fn layer(
        &self,
        (utterance, right): (&Tensor, &Tensor),
        lengths: &Tensor,
        mems: Option<Tensor>,
        mask: &Tensor,
    ) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let (normal, normal_right) = self.normalised(utterance, right)?;
        let summary = mems.is_some().then(|| means(&self.memory_op, &normal)).transpose()?;
        let parts = Parts { utterance: &normal, right: &normal_right, summary, mems };
        let [out, memory, ..] = self.attention.attend(&parts, lengths, mask, None)?;
        let (utterance, right) = self.finished(&out, utterance, right)?;
        let memory = match parts.mems {
            Some(_) => Some(memory.narrow(0, 0, memory.shape()[0].saturating_sub(1))?),
            None => None,
        };
        Ok((utterance, right, memory))
    }

    #[track_caller]
    fn first_state(&self, like: &Tensor) -> Result<LayerState> {
        let (batch, n) = (like.shape()[1], self.sizes.input_dim);
        let zeros = |rows: usize| Tensor::zeros([rows, batch, n]).dtype(like.dtype()).device(like.device()).build();
        let past = Tensor::zeros([1, batch]).dtype(DType::I32).device(like.device()).build()?;
        Ok(vec![zeros(self.sizes.memory)?, zeros(self.sizes.left)?, zeros(self.sizes.left)?, past])
    }

    /// One segment of a stream.
    #[track_caller]
    fn infer(
        &self,
        (utterance, right): (&Tensor, &Tensor),
        lengths: &Tensor,
        state: Option<&LayerState>,
        mems: Option<Tensor>,
    ) -> Result<(Tensor, Tensor, LayerState, Option<Tensor>)> {
        let (normal, normal_right) = self.normalised(utterance, right)?;
        let state = state.map_or_else(|| self.first_state(utterance), |state| Ok(state.clone()))?;
        let [memory, keys, values, past] = &state[..] else {
            bail!(Argument, "Emformer", "the state of a layer is 4 tensors, not {}", state.len())
        };
        let seen = past.narrow(1, 0, 1)?.to_dtype(DType::I64)?.item::<i64>()?.max(0) as usize;
        let Sizes { segment, left, memory: most, .. } = self.sizes;
        let past_mems = last(memory, most.min(seen.div_ceil(segment)))?;
        let (keys_before, values_before) = (last(keys, left.min(seen))?, last(values, left.min(seen))?);
        let summary = match most {
            0 => None,
            _ => Some(means(&self.memory_op, &normal)?.narrow(0, 0, 1)?),
        };
        let queries = right.shape()[0] + utterance.shape()[0] + length(summary.as_ref());
        let (remembered, all) = (past_mems.shape()[0], right.shape()[0] + utterance.shape()[0]);
        let columns = all + remembered + keys_before.shape()[0];
        // The last query makes the memory, which does not look at memory.
        let hidden = (0..queries * columns).map(|i| i / columns + 1 == queries && i % columns < remembered);
        let mask =
            Tensor::from_vec(hidden.collect::<Vec<bool>>(), [queries, columns])?.to_device(utterance.device())?;
        let parts = Parts { utterance: &normal, right: &normal_right, summary, mems: Some(past_mems) };
        let before = Some((&keys_before, &values_before));
        let [out, output_mems, key, value] = self.attention.attend(&parts, lengths, &mask, before)?;
        let from = remembered + right.shape()[0];
        let kept = |old: &Tensor, new: &Tensor| last(&cat(&[old, &cut(new, from)?.1], 0)?, left);
        let next_memory = match &mems {
            Some(mems) => last(&cat(&[memory, mems], 0)?, most)?,
            None => memory.clone(),
        };
        let state = vec![next_memory, kept(keys, &key)?, kept(values, &value)?, past.add(utterance.shape()[0] as i64)?];
        let (utterance, right) = self.finished(&out, utterance, right)?;
        Ok((utterance, right, state, mems.map(|_| output_mems)))
    }
}

/// Attention over segments, a few frames to either side and a memory, as `torchaudio.models.Emformer`: `[batch, frames +
/// right_context_length, input_dim]` and lengths `[batch]` (of the frames without the right context) to `[batch, frames,
/// input_dim]` and these lengths. [`infer`](Emformer::infer) takes a stream segment by segment. See Y. Shi et al.,
/// *Emformer: efficient memory transformer based acoustic model for low latency streaming speech recognition*, 2020,
/// arXiv:2010.10759.
#[derive(Module)]
pub struct Emformer {
    emformer_layers: Vec<EmformerLayer>,
    memory_op: AvgPool1d,
    sizes: Sizes,
}

builder! {
    /// Options of [`Emformer`].
    pub struct EmformerBuilder => Emformer;
    new {
        /// Features of a frame.
        input_dim: usize,
        /// Heads of attention.
        num_heads: usize,
        /// Numbers inside the two layers for each frame.
        ffn_dim: usize,
        /// Layers.
        num_layers: usize,
        /// Frames of a segment.
        segment_length: usize,
    }
    options {
        /// While training, the probability that a number is dropped; 0 unless set.
        dropout: f64 = 0.0,
        /// What is between the two layers for each frame, zeros below zero unless set.
        activation: EmformerActivation = EmformerActivation::Relu,
        /// Frames before a segment that it looks at, 0 unless set.
        left_context_length: usize = 0,
        /// Frames behind a segment that it looks at, 0 unless set.
        right_context_length: usize = 0,
        /// Segments before that are remembered by their means, 0 unless set.
        max_memory_size: usize = 0,
        /// By what the first weights are scaled, by depth unless set.
        weight_init_scale_strategy: ~into Option<WeightInitScaleStrategy> = Some(WeightInitScaleStrategy::Depthwise),
        /// Does memory go through a hyperbolic tangent? Not unless set; it is cut off at ±10 then.
        tanh_on_mem: bool = false,
        /// What weights are set to that do not count, -1e8 unless set.
        negative_inf: f64 = -1e8,
    }
}

impl Emformer {
    #[track_caller]
    fn from_builder(b: EmformerBuilder) -> Result<Self> {
        ensure!(
            b.num_heads > 0 && b.input_dim % b.num_heads == 0 && b.segment_length > 0,
            Argument,
            "Emformer",
            "input_dim {} must be a multiple of num_heads {}, and segment_length {} above 0",
            b.input_dim,
            b.num_heads,
            b.segment_length
        );
        let sizes = Sizes {
            input_dim: b.input_dim,
            num_heads: b.num_heads,
            segment: b.segment_length,
            left: b.left_context_length,
            right: b.right_context_length,
            memory: b.max_memory_size,
            dropout: b.dropout,
            tanh_on_mem: b.tanh_on_mem,
            negative_inf: b.negative_inf,
        };
        let gain = |i: usize| match b.weight_init_scale_strategy {
            None => None,
            Some(WeightInitScaleStrategy::Depthwise) => Some(1.0 / ((i + 1) as f64).sqrt()),
            Some(WeightInitScaleStrategy::Constant) => Some(std::f64::consts::FRAC_1_SQRT_2),
        };
        let layers = (0..b.num_layers).map(|i| EmformerLayer::new(&b, sizes, gain(i))).collect::<Result<_>>()?;
        Ok(Emformer { emformer_layers: layers, memory_op: segments(sizes)?, sizes })
    }

    /// What may not look at what where all segments are there at once: rows of right contexts, utterance and summaries,
    /// columns of memory, right contexts and utterance.
    fn mask(&self, frames: usize) -> (Vec<bool>, [usize; 2]) {
        let Sizes { segment, left, right, memory, .. } = self.sizes;
        let count = frames.div_ceil(segment);
        let mems = if memory > 0 { count - 1 } else { 0 };
        let columns = mems + right * count + frames;
        let row = |of: usize, remembers: bool| {
            let own = (of * segment).saturating_sub(left)..((of + 1) * segment).min(frames);
            let memories = of.saturating_sub(memory)..of;
            (0..columns).map(move |column| match column {
                c if c < mems => !(remembers && memories.contains(&c)),
                c if c < mems + right * count => (c - mems) / right != of,
                c => !own.contains(&(c - mems - right * count)),
            })
        };
        let rights = (0..count).flat_map(|of| (0..right).map(move |_| of));
        let utterance = (0..frames).map(|frame| frame / segment);
        let mut hidden: Vec<bool> = rights.chain(utterance).flat_map(|of| row(of, true)).collect();
        if memory > 0 {
            hidden.extend((0..count).flat_map(|of| row(of, false)));
        }
        let rows = hidden.len() / columns.max(1);
        (hidden, [rows, columns])
    }

    #[track_caller]
    fn checked(&self, input: &Tensor, lengths: &Tensor) -> Result<()> {
        let shape = input.shape();
        let fits = shape.len() == 3 && shape[2] == self.sizes.input_dim && *lengths.shape() == shape[..1];
        ensure!(
            fits && shape[0] > 0 && shape[1] > self.sizes.right && !lengths.dtype().is_float(),
            Shape,
            "Emformer",
            "the input is [batch, more than {} frames, {}] with whole lengths [batch], these are {shape:?} and {:?}",
            self.sizes.right,
            self.sizes.input_dim,
            lengths.shape()
        );
        Ok(())
    }

    /// One segment of a stream with its right context, `[batch, segment_length + right_context_length, input_dim]`, with
    /// what was remembered of those before (`None` at the beginning): what comes out, `[batch, segment_length, input_dim]`,
    /// the lengths without right context, and what is remembered.
    ///
    /// # Errors
    /// Where the input is of another shape, or the state of another network.
    #[track_caller]
    pub fn infer(
        &self,
        input: &Tensor,
        lengths: &Tensor,
        states: Option<&Vec<LayerState>>,
    ) -> Result<(Tensor, Tensor, Vec<LayerState>)> {
        self.checked(input, lengths)?;
        let Sizes { segment, right, memory, .. } = self.sizes;
        ensure!(
            input.shape()[1] == segment + right && states.is_none_or(|s| s.len() == self.emformer_layers.len()),
            Shape,
            "Emformer",
            "a segment and its right context are {} frames of {:?}, and there are {} layers",
            segment + right,
            input.shape(),
            self.emformer_layers.len()
        );
        let (mut x, mut context) = cut(&input.permute([1, 0, 2])?, segment)?;
        let lengths = lengths.sub(right as i64)?.clamp_min(0)?;
        let mut mems = (memory > 0).then(|| means(&self.memory_op, &x)).transpose()?;
        let mut after = Vec::with_capacity(self.emformer_layers.len());
        for (i, layer) in self.emformer_layers.iter().enumerate() {
            let state;
            (x, context, state, mems) = layer.infer((&x, &context), &lengths, states.map(|s| &s[i]), mems)?;
            after.push(state);
        }
        Ok((x.permute([1, 0, 2])?, lengths, after))
    }
}

impl Forward<(&Tensor, &Tensor)> for Emformer {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, (input, lengths): (&Tensor, &Tensor)) -> Result<(Tensor, Tensor)> {
        self.checked(input, lengths)?;
        let Sizes { segment, right, memory, .. } = self.sizes;
        let input_first = input.permute([1, 0, 2])?;
        let frames = input_first.shape()[0] - right;
        // Each segment's right context; the last one's is what is behind all.
        let count = frames.div_ceil(segment);
        let contexts = (1..count).map(|i| input_first.narrow(0, (i * segment) as isize, right));
        let contexts = contexts.chain([input_first.narrow(0, frames as isize, right)]).collect::<Result<Vec<_>>>()?;
        let mut context = cat(&contexts, 0)?;
        let mut x = input_first.narrow(0, 0, frames)?;
        let (hidden, shape) = self.mask(frames);
        let mask = Tensor::from_vec(hidden, shape)?.to_device(input.device())?;
        let mut mems = match memory {
            0 => None,
            _ => Some(means(&self.memory_op, &x)?.narrow(0, 0, count - 1)?),
        };
        for layer in &self.emformer_layers {
            (x, context, mems) = layer.layer((&x, &context), lengths, mems, &mask)?;
        }
        Ok((x.permute([1, 0, 2])?, lengths.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_what_the_whole_gives() -> Result<()> {
        // Without memory a segment sees the same frames either way.
        let model = Emformer::new(8, 2, 12, 1, 4).left_context_length(4).right_context_length(2).build()?;
        model.eval();
        let x = Tensor::randn([1, 14, 8]).build()?;
        let (whole, _) = model.call((&x, &Tensor::from_vec(vec![12i64], 1)?))?;
        let mut state = None;
        for i in 0..3 {
            let part = x.narrow(1, 4 * i, 6)?;
            let (y, n, after) = model.infer(&part, &Tensor::from_vec(vec![6i64], 1)?, state.as_ref())?;
            assert_eq!(n.to_vec::<i64>()?, [4]);
            let off = y.sub(&whole.narrow(1, 4 * i, 4)?)?.abs()?.amax(..)?.item::<f32>()?;
            assert!(off < 1e-5, "segment {i}: {off}");
            state = Some(after);
        }
        let short = Tensor::zeros([1, 5, 8]).build()?;
        assert!(model.infer(&short, &Tensor::from_vec(vec![5i64], 1)?, None).is_err());
        assert!(Emformer::new(8, 3, 12, 1, 4).build().is_err());
        Ok(())
    }
}
