//! The Transformer of wav2vec 2.0, HuBERT and WavLM.

use super::Wav2Vec2ModelBuilder;
use super::attention::{Distances, SelfAttention, WavLMSelfAttention};
use flambeau_nn::functional::gelu;
use flambeau_nn::utils::parametrizations::weight_norm;
use flambeau_nn::{Call, Conv1d, Dropout, Forward, LayerNorm, Linear, Mode, Module};
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// From features to what the Transformer computes in.
#[derive(Module)]
struct FeatureProjection {
    layer_norm: LayerNorm,
    projection: Linear,
    dropout: Dropout,
}

impl Forward<&Tensor> for FeatureProjection {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.dropout.call(&self.projection.call(&self.layer_norm.call(x)?)?)
    }
}

/// A convolution over neighbours, from which places are told: `[batch, steps, features]` to the same.
#[derive(Module)]
pub(super) struct ConvolutionalPositionalEmbedding {
    pub(super) conv: Conv1d,
    pub(super) kernel_size: usize,
}

impl ConvolutionalPositionalEmbedding {
    #[track_caller]
    fn new(b: &Wav2Vec2ModelBuilder) -> Result<Self> {
        let (features, kernel_size) = (b.encoder_embed_dim, b.encoder_pos_conv_kernel);
        let conv = Conv1d::new(features, features, kernel_size).padding(kernel_size / 2);
        let mut conv = conv.groups(b.encoder_pos_conv_groups).device(b.device).build()?;
        weight_norm(&mut conv, "weight", 2)?;
        Ok(ConvolutionalPositionalEmbedding { conv, kernel_size })
    }
}

impl Forward<&Tensor> for ConvolutionalPositionalEmbedding {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let steps = x.size(1)?;
        let y = self.conv.call(&x.transpose(1, 2)?)?;
        // A kernel of even size gives one step more.
        gelu(y.narrow(-1, 0, steps)?)?.transpose(1, 2)
    }
}

/// Two layers for each step.
#[derive(Module)]
pub(super) struct FeedForward {
    pub(super) intermediate_dense: Linear,
    intermediate_dropout: Dropout,
    pub(super) output_dense: Linear,
    output_dropout: Dropout,
}

impl FeedForward {
    #[track_caller]
    fn new(b: &Wav2Vec2ModelBuilder) -> Result<Self> {
        let (features, hidden) = (b.encoder_embed_dim, b.encoder_ff_interm_features);
        Ok(FeedForward {
            intermediate_dense: Linear::new(features, hidden).device(b.device).build()?,
            intermediate_dropout: Dropout::new(b.encoder_ff_interm_dropout).build()?,
            output_dense: Linear::new(hidden, features).device(b.device).build()?,
            output_dropout: Dropout::new(b.encoder_dropout).build()?,
        })
    }
}

impl Forward<&Tensor> for FeedForward {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.intermediate_dropout.call(&gelu(self.intermediate_dense.call(x)?)?)?;
        self.output_dropout.call(&self.output_dense.call(&x)?)
    }
}

pub(super) enum AnyAttention {
    Plain(SelfAttention),
    WavLM(WavLMSelfAttention),
}

one_of!(AnyAttention: Plain, WavLM);

/// Attention and two layers for each step.
#[derive(Module)]
pub(super) struct EncoderLayer {
    pub(super) attention: AnyAttention,
    dropout: Dropout,
    layer_norm: LayerNorm,
    pub(super) feed_forward: FeedForward,
    final_layer_norm: LayerNorm,
    layer_norm_first: bool,
}

impl EncoderLayer {
    #[track_caller]
    fn new(b: &Wav2Vec2ModelBuilder, first: bool) -> Result<Self> {
        let (features, heads, dropout) = (b.encoder_embed_dim, b.encoder_num_heads, b.encoder_attention_dropout);
        let attention = match (b.encoder_num_buckets, b.encoder_max_distance) {
            (None, _) => AnyAttention::Plain(SelfAttention::new(features, heads, dropout, b.device)?),
            (Some(buckets), farthest) => {
                let distances = Distances { buckets, farthest };
                let made = WavLMSelfAttention::new((features, heads), dropout, first, distances, b.device)?;
                AnyAttention::WavLM(made)
            }
        };
        let feed_forward = FeedForward::new(b)?;
        let norm = || LayerNorm::new(features).device(b.device).build();
        Ok(EncoderLayer {
            attention,
            dropout: Dropout::new(b.encoder_dropout).build()?,
            layer_norm: norm()?,
            feed_forward,
            final_layer_norm: norm()?,
            layer_norm_first: b.encoder_layer_norm_first,
        })
    }

    /// `[batch, steps, features]`, with WavLM's bias for the layer behind this one.
    #[track_caller]
    fn layer(&self, x: &Tensor, mask: Option<&Tensor>, bias: Option<Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        let normal = if self.layer_norm_first { self.layer_norm.call(x)? } else { x.clone() };
        let (attended, bias) = match &self.attention {
            AnyAttention::Plain(attention) => (attention.call((&normal, mask))?, None),
            AnyAttention::WavLM(attention) => {
                ensure!(
                    mask.is_none(),
                    Argument,
                    "Wav2Vec2Model",
                    "WavLM takes no lengths, as in torchaudio: give signals of one length"
                );
                attention.call((&normal, bias.as_ref()))?
            }
        };
        let x = x.add(&self.dropout.call(&attended)?)?;
        if self.layer_norm_first {
            return Ok((x.add(&self.feed_forward.call(&self.final_layer_norm.call(&x)?)?)?, bias));
        }
        let x = self.layer_norm.call(&x)?;
        Ok((self.final_layer_norm.call(&x.add(&self.feed_forward.call(&x)?)?)?, bias))
    }
}

#[derive(Module)]
pub(super) struct Transformer {
    pub(super) pos_conv_embed: ConvolutionalPositionalEmbedding,
    layer_norm: LayerNorm,
    dropout: Dropout,
    pub(super) layers: Vec<EncoderLayer>,
    /// The other way round than in the layers.
    layer_norm_first: bool,
    layer_drop: f64,
    mode: Mode,
}

impl Transformer {
    #[track_caller]
    fn preprocess(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.add(&self.pos_conv_embed.call(x)?)?;
        let x = if self.layer_norm_first { self.layer_norm.call(&x)? } else { x };
        self.dropout.call(&x)
    }

    /// The outputs of the first `num_layers` layers.
    #[track_caller]
    fn intermediate(&self, x: &Tensor, mask: Option<&Tensor>, num_layers: Option<usize>) -> Result<Vec<Tensor>> {
        let all = self.layers.len();
        let wanted = num_layers.unwrap_or(all);
        ensure!(
            num_layers.is_none() || (1..=all).contains(&wanted),
            Argument,
            "extract_features",
            "num_layers {wanted} must be in 1..={all}"
        );
        let (mut x, mut bias) = (self.preprocess(x)?, None);
        let mut outputs = Vec::with_capacity(wanted);
        for layer in &self.layers[..wanted] {
            (x, bias) = layer.layer(&x, mask, bias)?;
            outputs.push(x.clone());
        }
        Ok(outputs)
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for Transformer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, mask): (&Tensor, Option<&Tensor>)) -> Result<Tensor> {
        let (mut x, mut bias) = (self.preprocess(x)?, None);
        for layer in &self.layers {
            let left_out =
                self.mode.is_training() && f64::from(Tensor::rand(1).build()?.to_vec::<f32>()?[0]) <= self.layer_drop;
            if !left_out {
                (x, bias) = layer.layer(&x, mask, bias)?;
            }
        }
        if self.layer_norm_first { Ok(x) } else { self.layer_norm.call(&x) }
    }
}

/// Features `[batch, steps, features]` to `[batch, steps, encoder_embed_dim]`.
#[derive(Module)]
pub(super) struct Encoder {
    feature_projection: FeatureProjection,
    pub(super) transformer: Transformer,
}

/// True where a step of `[batch, steps]` is behind the end of its signal.
#[track_caller]
pub(super) fn behind(steps: usize, lengths: &Tensor) -> Result<Tensor> {
    Tensor::arange(0, steps as i64).device(lengths.device()).build()?.ge(&lengths.unsqueeze(1)?)
}

impl Encoder {
    #[track_caller]
    pub(super) fn new(b: &Wav2Vec2ModelBuilder, features: usize) -> Result<Self> {
        let norm = |n: usize| LayerNorm::new(n).device(b.device).build();
        let feature_projection = FeatureProjection {
            layer_norm: norm(features)?,
            projection: Linear::new(features, b.encoder_embed_dim).device(b.device).build()?,
            dropout: Dropout::new(b.encoder_projection_dropout).build()?,
        };
        let pos_conv_embed = ConvolutionalPositionalEmbedding::new(b)?;
        let layers = (0..b.encoder_num_layers).map(|i| EncoderLayer::new(b, i == 0)).collect::<Result<_>>()?;
        let transformer = Transformer {
            pos_conv_embed,
            layer_norm: norm(b.encoder_embed_dim)?,
            dropout: Dropout::new(b.encoder_dropout).build()?,
            layers,
            layer_norm_first: !b.encoder_layer_norm_first,
            layer_drop: b.encoder_layer_drop,
            mode: Mode::new(),
        };
        Ok(Encoder { feature_projection, transformer })
    }

    /// What goes into the Transformer, with zeros behind the ends, and what keeps attention from these.
    #[track_caller]
    pub(super) fn preprocess(&self, features: &Tensor, lengths: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        let x = self.feature_projection.call(features)?;
        let Some(lengths) = lengths else { return Ok((x, None)) };
        let [batch, steps, _] = x.dims()?;
        let filling = behind(steps, lengths)?;
        let x = x.masked_fill(filling.unsqueeze(-1)?, 0.0)?;
        let mask = filling.to_dtype(if x.dtype().is_float() { x.dtype() } else { DType::F32 })?.mul(-10000.0)?;
        Ok((x, Some(mask.unsqueeze(1)?.unsqueeze(1)?.expand([batch, 1, steps, steps])?)))
    }

    #[track_caller]
    pub(super) fn extract_features(
        &self,
        features: &Tensor,
        lengths: Option<&Tensor>,
        num_layers: Option<usize>,
    ) -> Result<Vec<Tensor>> {
        let (x, mask) = self.preprocess(features, lengths)?;
        self.transformer.intermediate(&x, mask.as_ref(), num_layers)
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for Encoder {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (features, lengths): (&Tensor, Option<&Tensor>)) -> Result<Tensor> {
        let (x, mask) = self.preprocess(features, lengths)?;
        self.transformer.call((&x, mask.as_ref()))
    }
}
