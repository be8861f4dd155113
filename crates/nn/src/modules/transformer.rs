//! The transformer of "Attention Is All You Need" (Vaswani et al. 2017): layers, their stacks, and the whole.

use super::{AttentionMasks, Dropout, LayerNorm, Linear, MultiheadAttention};
use crate::{Call, Forward, Module, functional, init};
use flambeau_tensor::{DType, Device, Result, Tensor, builder, ensure};

/// The function between the two linear layers of a transformer's layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransformerActivation {
    /// max(x, 0)
    #[default]
    Relu,
    /// x Φ(x)
    Gelu,
}

crate::plain_parts!(TransformerActivation);

impl TransformerActivation {
    #[track_caller]
    fn of(self, x: &Tensor) -> Result<Tensor> {
        match self {
            TransformerActivation::Relu => functional::relu(x),
            TransformerActivation::Gelu => functional::gelu(x),
        }
    }
}

macro_rules! transformer_builder {
    ($Name:ident, $Builder:ident { $($(#[$doc:meta])* $option:ident: $t:ty = $default:expr,)* }) => {
        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                d_model: usize,
                nhead: usize,
            }
            options {
                $($(#[$doc])* $option: $t = $default,)*
                /// The width between the two linear layers, 2048 unless set.
                dim_feedforward: usize = 2048,
                /// While training, the probability that an element is dropped; 0.1 unless set.
                dropout: f64 = 0.1,
                /// The function between the two linear layers, relu unless set.
                activation: TransformerActivation = TransformerActivation::Relu,
                /// Added to variances, 1e-5 unless set.
                layer_norm_eps: f64 = 1e-5,
                /// Batches are `[N, L, E]` instead of `[L, N, E]`.
                batch_first: bool = false,
                /// Normalise before attention and feed-forward instead of after.
                norm_first: bool = false,
                /// With biases (the default).
                bias: bool = true,
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }
    };
}

macro_rules! layer_parts {
    ($b:ident: $($attention:ident)* | $($norm:ident $dropout:ident)*) => {{
        let attention = || {
            MultiheadAttention::new($b.d_model, $b.nhead)
                .dropout($b.dropout)
                .bias($b.bias)
                .batch_first($b.batch_first)
                .dtype($b.dtype)
                .device($b.device)
                .build()
        };
        let linear = |from, to| Linear::new(from, to).bias($b.bias).dtype($b.dtype).device($b.device).build();
        let norm =
            || LayerNorm::new($b.d_model).eps($b.layer_norm_eps).bias($b.bias).dtype($b.dtype).device($b.device).build();
        Ok(Self {
            $($attention: attention()?,)*
            linear1: linear($b.d_model, $b.dim_feedforward)?,
            dropout: Dropout::new($b.dropout).build()?,
            linear2: linear($b.dim_feedforward, $b.d_model)?,
            $($norm: norm()?,)*
            $($dropout: Dropout::new($b.dropout).build()?,)*
            activation: $b.activation,
            norm_first: $b.norm_first,
        })
    }};
}

/// Self-attention and a feed-forward network, each with what it was given added and normalised:
/// `torch.nn.TransformerEncoderLayer`. Of `[L, N, E]`, `[N, L, E]` where `batch_first`, or `[L, E]`.
///
/// ```
/// use flambeau_nn::{Call, TransformerEncoder, TransformerEncoderLayer};
/// use flambeau_tensor::Tensor;
///
/// let layer = TransformerEncoderLayer::new(8, 2).dim_feedforward(16).batch_first(true).build()?;
/// let encoder = TransformerEncoder::new(&layer, 3)?;
/// assert_eq!(encoder.call(&Tensor::randn([4, 10, 8]).build()?)?.shape(), [4, 10, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct TransformerEncoderLayer {
    /// Attention of the sequence to itself.
    pub self_attn: MultiheadAttention,
    /// From `d_model` to `dim_feedforward`.
    pub linear1: Linear,
    dropout: Dropout,
    /// From `dim_feedforward` to `d_model`.
    pub linear2: Linear,
    /// Of the attention.
    pub norm1: LayerNorm,
    /// Of the feed-forward network.
    pub norm2: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    activation: TransformerActivation,
    norm_first: bool,
}

transformer_builder!(TransformerEncoderLayer, TransformerEncoderLayerBuilder {});

/// What a residual branch does: before the sum or after it the norm.
#[track_caller]
fn residual(
    x: &Tensor,
    norm: &LayerNorm,
    first: bool,
    branch: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if first { x.add(&branch(&norm.call(x)?)?) } else { norm.call(&x.add(&branch(x)?)?) }
}

macro_rules! feed_forward {
    ($s:ident, $x:ident, $dropout:ident) => {{
        let hidden = $s.activation.of(&$s.linear1.call($x)?)?;
        $s.$dropout.call(&$s.linear2.call(&$s.dropout.call(&hidden)?)?)
    }};
}

impl TransformerEncoderLayer {
    #[track_caller]
    fn from_builder(b: TransformerEncoderLayerBuilder) -> Result<Self> {
        layer_parts!(b: self_attn | norm1 dropout1 norm2 dropout2)
    }
}

impl Forward<&Tensor> for TransformerEncoderLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward((x, AttentionMasks::new()))
    }
}

/// With masks: PyTorch's `src_mask` is `attn_mask`, its `src_key_padding_mask` is `key_padding_mask`.
impl Forward<(&Tensor, AttentionMasks<'_>)> for TransformerEncoderLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, masks): (&Tensor, AttentionMasks<'_>)) -> Result<Tensor> {
        let x = residual(x, &self.norm1, self.norm_first, |x| {
            let (y, _) = self.self_attn.call((x, x, x, masks.need_weights(false)))?;
            self.dropout1.call(&y)
        })?;
        residual(&x, &self.norm2, self.norm_first, |x| feed_forward!(self, x, dropout2))
    }
}

/// Self-attention, attention to what an encoder gave, and a feed-forward network: `torch.nn.TransformerDecoderLayer`.
#[derive(Module)]
pub struct TransformerDecoderLayer {
    /// Attention of the sequence to itself.
    pub self_attn: MultiheadAttention,
    /// Attention to the encoder's output.
    pub multihead_attn: MultiheadAttention,
    /// From `d_model` to `dim_feedforward`.
    pub linear1: Linear,
    dropout: Dropout,
    /// From `dim_feedforward` to `d_model`.
    pub linear2: Linear,
    /// Of the self-attention.
    pub norm1: LayerNorm,
    /// Of the attention to the encoder's output.
    pub norm2: LayerNorm,
    /// Of the feed-forward network.
    pub norm3: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    dropout3: Dropout,
    activation: TransformerActivation,
    norm_first: bool,
}

transformer_builder!(TransformerDecoderLayer, TransformerDecoderLayerBuilder {});

impl TransformerDecoderLayer {
    #[track_caller]
    fn from_builder(b: TransformerDecoderLayerBuilder) -> Result<Self> {
        layer_parts!(b: self_attn multihead_attn | norm1 dropout1 norm2 dropout2 norm3 dropout3)
    }
}

impl Forward<(&Tensor, &Tensor)> for TransformerDecoderLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (tgt, memory): (&Tensor, &Tensor)) -> Result<Tensor> {
        self.forward((tgt, memory, AttentionMasks::new(), AttentionMasks::new()))
    }
}

/// With masks of the self-attention and of the attention to the memory.
impl Forward<(&Tensor, &Tensor, AttentionMasks<'_>, AttentionMasks<'_>)> for TransformerDecoderLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(
        &self,
        (tgt, memory, own, of_memory): (&Tensor, &Tensor, AttentionMasks<'_>, AttentionMasks<'_>),
    ) -> Result<Tensor> {
        let x = residual(tgt, &self.norm1, self.norm_first, |x| {
            let (y, _) = self.self_attn.call((x, x, x, own.need_weights(false)))?;
            self.dropout1.call(&y)
        })?;
        let x = residual(&x, &self.norm2, self.norm_first, |x| {
            let (y, _) = self.multihead_attn.call((x, memory, memory, of_memory.need_weights(false)))?;
            self.dropout2.call(&y)
        })?;
        residual(&x, &self.norm3, self.norm_first, |x| feed_forward!(self, x, dropout3))
    }
}

macro_rules! stacks {
    ($($(#[$doc:meta])* $Name:ident of $Layer:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            /// The layers, each on the output of the one before.
            pub layers: Vec<$Layer>,
            /// Of the last output.
            pub norm: Option<LayerNorm>,
        }

        impl $Name {
            /// Of `num_layers` deep copies of `layer`, without a norm at the end.
            ///
            /// # Errors
            /// Where there is no memory for them.
            #[track_caller]
            pub fn new(layer: &$Layer, num_layers: usize) -> Result<Self> {
                let layers = (0..num_layers).map(|_| layer.deepcopy()).collect::<Result<_>>()?;
                Ok($Name { layers, norm: None })
            }

            /// With a norm at the end.
            #[must_use]
            pub fn with_norm(self, norm: LayerNorm) -> Self {
                $Name { norm: Some(norm), ..self }
            }

            #[track_caller]
            fn finish(&self, x: Tensor) -> Result<Tensor> {
                self.norm.as_ref().map_or(Ok(x.clone()), |norm| norm.call(&x))
            }
        }
    )*};
}

stacks! {
    /// Encoder layers one after another: `torch.nn.TransformerEncoder`.
    TransformerEncoder of TransformerEncoderLayer;
    /// Decoder layers one after another: `torch.nn.TransformerDecoder`.
    TransformerDecoder of TransformerDecoderLayer;
}

impl Forward<&Tensor> for TransformerEncoder {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward((x, AttentionMasks::new()))
    }
}

/// With masks, the same in every layer.
impl Forward<(&Tensor, AttentionMasks<'_>)> for TransformerEncoder {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, masks): (&Tensor, AttentionMasks<'_>)) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.call((&x, masks))?;
        }
        self.finish(x)
    }
}

impl Forward<(&Tensor, &Tensor)> for TransformerDecoder {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (tgt, memory): (&Tensor, &Tensor)) -> Result<Tensor> {
        self.forward((tgt, memory, AttentionMasks::new(), AttentionMasks::new()))
    }
}

/// With masks, the same in every layer.
impl Forward<(&Tensor, &Tensor, AttentionMasks<'_>, AttentionMasks<'_>)> for TransformerDecoder {
    type Output = Tensor;

    #[track_caller]
    fn forward(
        &self,
        (tgt, memory, own, of_memory): (&Tensor, &Tensor, AttentionMasks<'_>, AttentionMasks<'_>),
    ) -> Result<Tensor> {
        let mut x = tgt.clone();
        for layer in &self.layers {
            x = layer.call((&x, memory, own, of_memory))?;
        }
        self.finish(x)
    }
}

/// Encoder and decoder: `torch.nn.Transformer`, called with source and target.
#[derive(Module)]
pub struct Transformer {
    /// What reads the source.
    pub encoder: TransformerEncoder,
    /// What writes the target.
    pub decoder: TransformerDecoder,
}

transformer_builder!(
    Transformer,
    TransformerBuilder {
        /// Layers of the encoder, 6 unless set.
        num_encoder_layers: usize = 6,
        /// Layers of the decoder, 6 unless set.
        num_decoder_layers: usize = 6,
    }
);

impl Transformer {
    #[track_caller]
    fn from_builder(b: TransformerBuilder) -> Result<Self> {
        const MOST: usize = 1 << 16;
        for (what, n) in [("num_encoder_layers", b.num_encoder_layers), ("num_decoder_layers", b.num_decoder_layers)] {
            ensure!(n <= MOST, Argument, "Transformer", "{what} = {n}: {MOST} is the most");
        }
        macro_rules! layer {
            ($Layer:ident) => {
                $Layer::new(b.d_model, b.nhead)
                    .dim_feedforward(b.dim_feedforward)
                    .dropout(b.dropout)
                    .activation(b.activation)
                    .layer_norm_eps(b.layer_norm_eps)
                    .batch_first(b.batch_first)
                    .norm_first(b.norm_first)
                    .bias(b.bias)
                    .dtype(b.dtype)
                    .device(b.device)
                    .build()?
            };
        }
        let norm =
            || LayerNorm::new(b.d_model).eps(b.layer_norm_eps).bias(b.bias).dtype(b.dtype).device(b.device).build();
        let encoder =
            TransformerEncoder::new(&layer!(TransformerEncoderLayer), b.num_encoder_layers)?.with_norm(norm()?);
        let decoder =
            TransformerDecoder::new(&layer!(TransformerDecoderLayer), b.num_decoder_layers)?.with_norm(norm()?);
        let transformer = Transformer { encoder, decoder };
        for parameter in transformer.parameters() {
            if parameter.rank() > 1 {
                init::xavier_uniform_(&parameter, 1.0)?;
            }
        }
        Ok(transformer)
    }

    /// The mask `[size, size]` that lets each place attend to itself and those before it: −∞ above the diagonal, else 0.
    ///
    /// # Errors
    /// Where there is no memory for it.
    #[track_caller]
    pub fn generate_square_subsequent_mask(size: usize) -> Result<Tensor> {
        Tensor::full([size, size], f64::NEG_INFINITY).build()?.triu(1)
    }
}

impl Forward<(&Tensor, &Tensor)> for Transformer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (src, tgt): (&Tensor, &Tensor)) -> Result<Tensor> {
        let none = AttentionMasks::new;
        self.forward((src, tgt, none(), none(), none()))
    }
}

/// With masks of the source, the target, and of what the target sees of the source.
impl Forward<(&Tensor, &Tensor, AttentionMasks<'_>, AttentionMasks<'_>, AttentionMasks<'_>)> for Transformer {
    type Output = Tensor;

    #[track_caller]
    fn forward(
        &self,
        (src, tgt, of_src, of_tgt, of_memory): (
            &Tensor,
            &Tensor,
            AttentionMasks<'_>,
            AttentionMasks<'_>,
            AttentionMasks<'_>,
        ),
    ) -> Result<Tensor> {
        let memory = self.encoder.call((src, of_src))?;
        self.decoder.call((tgt, &memory, of_tgt, of_memory))
    }
}
