//! wav2vec 2.0, HuBERT and WavLM, and how HuBERT is pretrained.

mod attention;
mod encoder;
mod extractor;
mod masking;
mod pretrain;
mod sizes;

pub use extractor::{ConvLayer, ExtractorMode};
pub use masking::MaskSelection;
pub use pretrain::{HuBERTPretrainModel, HuBERTPretrainModelBuilder};
pub use sizes::{
    hubert_base, hubert_large, hubert_pretrain_base, hubert_pretrain_large, hubert_pretrain_xlarge, hubert_xlarge,
    wav2vec2_base, wav2vec2_large, wav2vec2_large_lv60k, wav2vec2_xlsr_1b, wav2vec2_xlsr_2b, wav2vec2_xlsr_300m,
    wavlm_base, wavlm_large,
};

use encoder::Encoder;
use extractor::{CONV_LAYERS, FeatureExtractor};
use flambeau_nn::{Call, Forward, Linear, Module};
use flambeau_tensor::{Device, Result, Tensor, builder, ensure};

/// Convolutions and a Transformer from samples to what they say, as `torchaudio.models.Wav2Vec2Model`: signals `[batch,
/// samples]` and, where they differ, their lengths `[batch]` to `[batch, steps, encoder_embed_dim]` (or `aux_num_out`
/// numbers, such as letters) and the lengths of these. See A. Baevski et al., *wav2vec 2.0*, 2020, arXiv:2006.11477; W.-N.
/// Hsu et al., *HuBERT*, 2021, arXiv:2106.07447; S. Chen et al., *WavLM*, 2021, arXiv:2110.13900.
///
/// ```
/// use flambeau_audio::models::wav2vec2_base;
/// use flambeau_nn::{Call, Module};
/// use flambeau_tensor::Tensor;
///
/// // A small one of the same form; without these lines it has 95 million parameters.
/// let small = wav2vec2_base().encoder_embed_dim(32).encoder_num_layers(2).encoder_num_heads(4);
/// let model = small.encoder_ff_interm_features(64).aux_num_out(29).build()?;
/// model.eval();
/// let (letters, _) = model.call((&Tensor::randn([1, 4000]).build()?, None))?;
/// assert_eq!(letters.shape(), [1, 12, 29]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct Wav2Vec2Model {
    feature_extractor: FeatureExtractor,
    encoder: Encoder,
    aux: Option<Linear>,
}

builder! {
    /// Options of [`Wav2Vec2Model`]; they begin as those of `wav2vec2_base`.
    pub struct Wav2Vec2ModelBuilder => Wav2Vec2Model;
    new {}
    options {
        /// Where features are normalised.
        extractor_mode: ExtractorMode = ExtractorMode::GroupNorm,
        /// Channels, kernel and stride of each convolution.
        extractor_conv_layer_config: ~into Vec<ConvLayer> = CONV_LAYERS.to_vec(),
        /// Do convolutions add a number to each channel? Not unless set.
        extractor_conv_bias: bool = false,
        /// Numbers of a step in the Transformer, 768 unless set.
        encoder_embed_dim: usize = 768,
        /// While training, the probability that a number going into the Transformer is dropped; 0.1 unless set.
        encoder_projection_dropout: f64 = 0.1,
        /// Steps that the convolution reaches over from which places are told, 128 unless set.
        encoder_pos_conv_kernel: usize = 128,
        /// Its groups of channels, 16 unless set.
        encoder_pos_conv_groups: usize = 16,
        /// Layers, 12 unless set.
        encoder_num_layers: usize = 12,
        /// Heads of attention, 12 unless set.
        encoder_num_heads: usize = 12,
        /// While training, the probability that a weight of attention is dropped; 0.1 unless set.
        encoder_attention_dropout: f64 = 0.1,
        /// Numbers inside a layer's two for each step, 3072 unless set.
        encoder_ff_interm_features: usize = 3072,
        /// While training, the probability that one of these is dropped; 0.1 unless set.
        encoder_ff_interm_dropout: f64 = 0.1,
        /// While training, the probability that a number coming out of a part is dropped; 0.1 unless set.
        encoder_dropout: f64 = 0.1,
        /// Normalise before attention and before the two layers, or behind them (unless set).
        encoder_layer_norm_first: bool = false,
        /// While training, the probability that a layer is left out; 0.1 unless set.
        encoder_layer_drop: f64 = 0.1,
        /// Numbers in the table of WavLM's biases by distance; without it, attention knows no distances.
        encoder_num_buckets: ~into Option<usize> = None,
        /// From here on all distances have one bias, 128 unless set.
        encoder_max_distance: usize = 128,
        /// Numbers that a layer behind the Transformer gives for each step; no such layer unless set.
        aux_num_out: ~into Option<usize> = None,
        /// Where parameters are made; on `Device::Meta` they have shapes alone.
        device: Device = Device::Cpu,
    }
}

impl Wav2Vec2Model {
    #[track_caller]
    fn from_builder(b: Wav2Vec2ModelBuilder) -> Result<Self> {
        let layers = &b.extractor_conv_layer_config;
        let Some(&(features, ..)) = layers.last() else {
            flambeau_tensor::bail!(Argument, "Wav2Vec2Model", "extractor_conv_layer_config is empty")
        };
        ensure!(
            layers.iter().all(|&(channels, kernel, stride)| channels > 0 && kernel > 0 && stride > 0),
            Argument,
            "Wav2Vec2Model",
            "channels, kernels and strides {layers:?} must be above 0"
        );
        let feature_extractor = FeatureExtractor::new(b.extractor_mode, layers, b.extractor_conv_bias, b.device)?;
        let encoder = Encoder::new(&b, features)?;
        let aux = |n: usize| Linear::new(b.encoder_embed_dim, n).device(b.device).build();
        Ok(Wav2Vec2Model { feature_extractor, encoder, aux: b.aux_num_out.map(aux).transpose()? })
    }

    /// What comes out of each of the first `num_layers` layers (of all unless given), `[batch, steps, encoder_embed_dim]`,
    /// and the lengths, where lengths were given.
    ///
    /// # Errors
    /// Where the signals are not `[batch, samples]` or too short, or there are not so many layers.
    #[track_caller]
    pub fn extract_features(
        &self,
        waveforms: &Tensor,
        lengths: Option<&Tensor>,
        num_layers: impl Into<Option<usize>>,
    ) -> Result<(Vec<Tensor>, Option<Tensor>)> {
        let (x, lengths) = self.feature_extractor.call((waveforms, lengths))?;
        Ok((self.encoder.extract_features(&x, lengths.as_ref(), num_layers.into())?, lengths))
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for Wav2Vec2Model {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(&self, (waveforms, lengths): (&Tensor, Option<&Tensor>)) -> Result<(Tensor, Option<Tensor>)> {
        let (x, lengths) = self.feature_extractor.call((waveforms, lengths))?;
        let x = self.encoder.call((&x, lengths.as_ref()))?;
        let x = match &self.aux {
            Some(aux) => aux.call(&x)?,
            None => x,
        };
        Ok((x, lengths))
    }
}
