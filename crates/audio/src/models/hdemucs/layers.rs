//! Residual branches: dilated convolutions, with a recurrent layer and attention where the signal is short.

use super::OP;
use super::branch::DConvOptions;
use flambeau_nn::{Call, Conv1d, Forward, GELU, GLU, GroupNorm, LSTM, Linear, Module, Parameter, Sequential};
use flambeau_tensor::{Result, Tensor, cat, ensure, no_grad};

/// Steps that a recurrent layer goes over at once; longer signals are cut into pieces of so many.
const MAX_STEPS: usize = 200;

/// Heads of attention, and numbers by which each may look less far.
const HEADS: usize = 4;
const DECAYS: usize = 4;

/// `[batch, channels, steps]`, with what each layer makes of it added.
#[derive(Module)]
pub(super) struct DConv {
    layers: Vec<Sequential>,
}

impl DConv {
    #[track_caller]
    pub(super) fn new(channels: usize, options: DConvOptions) -> Result<Self> {
        let hidden = channels / options.compress.max(1);
        ensure!(
            hidden > 0,
            Argument,
            OP,
            "{channels} channels are too few to have dconv_comp {} times fewer",
            options.compress
        );
        let one = |i: usize| {
            let dilation = u32::try_from(i).ok().and_then(|i| 2usize.checked_pow(i)).unwrap_or(usize::MAX);
            ensure!(dilation < 1 << 24, Argument, OP, "dconv_depth {} is too deep", options.depth);
            let wide = Conv1d::new(channels, hidden, 3).dilation(dilation).padding(dilation).build()?;
            let back = Conv1d::new(hidden, 2 * channels, 1).build()?;
            let scale = LayerScale::new(channels, options.init)?;
            // As torchaudio draws its weights: attention first, though the recurrent layer comes before it.
            let attention = options.attn.then(|| LocalState::new(hidden)).transpose()?;
            let recurrent = options.lstm.then(|| BLSTM::new(hidden)).transpose()?;
            let mut layer = Sequential::of((wide, GroupNorm::new(1, hidden), GELU::new()))?;
            if let Some(recurrent) = recurrent {
                layer.push(recurrent)?;
            }
            if let Some(attention) = attention {
                layer.push(attention)?;
            }
            layer.push(back)?.push(GroupNorm::new(1, 2 * channels))?.push(GLU::new().dim(1))?.push(scale)?;
            Ok(layer)
        };
        Ok(DConv { layers: (0..options.depth).map(one).collect::<Result<_>>()? })
    }
}

impl Forward<&Tensor> for DConv {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = x.add(&layer.call(&x)?)?;
        }
        Ok(x)
    }
}

/// A factor for each channel.
#[derive(Module)]
struct LayerScale {
    scale: Parameter,
}

impl LayerScale {
    #[track_caller]
    fn new(channels: usize, init: f64) -> Result<Self> {
        Ok(LayerScale { scale: Parameter::new(Tensor::full([channels], init as f32).build()?)? })
    }
}

impl Forward<&Tensor> for LayerScale {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.mul(&self.scale.unsqueeze(-1)?)
    }
}

/// Two recurrent layers in both directions, added to what goes in.
#[derive(Module)]
struct BLSTM {
    lstm: LSTM,
    linear: Linear,
}

impl BLSTM {
    #[track_caller]
    fn new(n: usize) -> Result<Self> {
        let lstm = LSTM::new(n, n).num_layers(2).bidirectional(true).build()?;
        Ok(BLSTM { lstm, linear: Linear::new(2 * n, n).build()? })
    }

    /// `[batch, channels, steps]`.
    #[track_caller]
    fn recurrent(&self, x: &Tensor) -> Result<Tensor> {
        let (y, _) = self.lstm.call(&x.permute([2, 0, 1])?)?;
        self.linear.call(&y)?.permute([1, 2, 0])
    }
}

impl Forward<&Tensor> for BLSTM {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [batch, channels, steps] = x.dims()?;
        if steps <= MAX_STEPS {
            return self.recurrent(x)?.add(x);
        }
        // Pieces that overlap by half, of which the middles are kept.
        let stride = MAX_STEPS / 2;
        let pieces = steps.div_ceil(stride);
        let padded = x.pad(&[0, ((pieces - 1) * stride + MAX_STEPS - steps) as isize], 0.0)?;
        let all = padded.unfold(-1, MAX_STEPS, stride)?.permute([0, 2, 1, 3])?;
        let all = self.recurrent(&all.reshape([batch * pieces, channels, MAX_STEPS])?)?;
        let all = all.reshape([batch, pieces, channels, MAX_STEPS])?;
        let limit = stride / 2;
        let middle = |i: usize| {
            let (start, end) =
                (if i == 0 { 0 } else { limit }, if i + 1 == pieces { MAX_STEPS } else { MAX_STEPS - limit });
            all.select(1, i as isize)?.narrow(-1, start as isize, end - start)
        };
        let middles = (0..pieces).map(middle).collect::<Result<Vec<_>>>()?;
        cat(&middles, -1)?.narrow(-1, 0, steps)?.add(x)
    }
}

/// Attention by content, and the less the further away, as each step wants it; added to what goes in.
#[derive(Module)]
struct LocalState {
    content: Conv1d,
    query: Conv1d,
    key: Conv1d,
    query_decay: Conv1d,
    proj: Conv1d,
}

impl LocalState {
    #[track_caller]
    fn new(n: usize) -> Result<Self> {
        ensure!(
            n % HEADS == 0,
            Argument,
            OP,
            "{n} channels of a residual branch do not divide among {HEADS} heads of attention"
        );
        let conv = |outputs| Conv1d::new(n, outputs, 1).build();
        let (content, query, key, query_decay) = (conv(n)?, conv(n)?, conv(n)?, conv(HEADS * DECAYS)?);
        // Almost nothing, so that it looks far at the beginning.
        no_grad(|| {
            query_decay.weight.mul_(0.01)?;
            query_decay.bias.as_deref().map(|bias| bias.fill_(-2.0).map(drop)).transpose()
        })?;
        Ok(LocalState { content, query, key, query_decay, proj: conv(n)? })
    }
}

impl Forward<&Tensor> for LocalState {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [batch, channels, steps] = x.dims()?;
        let heads = |y: &Tensor, n: usize| y.reshape([batch, HEADS, n, steps]);
        let of = channels / HEADS;
        let (queries, keys) = (heads(&self.query.call(x)?, of)?, heads(&self.key.call(x)?, of)?);
        // [batch, heads, keys, queries]
        let dots = keys.transpose(2, 3)?.matmul(&queries)?.div((of as f64).sqrt())?;
        let decays = heads(&self.query_decay.call(x)?, DECAYS)?.sigmoid()?.div(2.0)?;
        let places = Tensor::arange(0, steps as i64).device(x.device()).build()?;
        let apart = places.unsqueeze(1)?.sub(&places.unsqueeze(0)?)?.abs()?;
        let rates = Tensor::arange(1, DECAYS as i64 + 1).device(x.device()).build()?.to_dtype(x.dtype())?;
        let rate = decays.mul(&rates.unsqueeze(-1)?)?.sum_keepdim(2)?.div((DECAYS as f64).sqrt())?;
        let dots = dots.sub(&rate.mul(&apart.to_dtype(x.dtype())?)?)?;
        // Nothing looks at itself.
        let weights = dots.masked_fill(&apart.eq(0)?, -100.0)?.softmax(2)?;
        let seen = heads(&self.content.call(x)?, of)?.matmul(&weights)?.reshape([batch, channels, steps])?;
        x.add(&self.proj.call(&seen)?)
    }
}
