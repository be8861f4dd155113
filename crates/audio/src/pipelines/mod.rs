//! Published networks with what belongs to them, as `torchaudio.pipelines`: labels, sample rate, sizes. The weights are
//! read from a local file, torchaudio's or Hugging Face's.
//!
//! ```
//! use flambeau_audio::pipelines::WAV2VEC2_ASR_BASE_960H;
//!
//! let bundle = WAV2VEC2_ASR_BASE_960H;
//! assert_eq!((bundle.sample_rate(), bundle.labels().len()), (16_000, 29));
//! // let model = bundle.model("wav2vec2_fairseq_base_ls960_asr_ls960.pth")?;
//! ```

mod alignment;
mod bundles;
mod hugging_face;
mod separation;
mod speech;
mod transducer;

pub use alignment::{Aligner, Tokenizer, Wav2Vec2FABundle};
pub use bundles::*;
pub use hugging_face::from_hugging_face;
pub use separation::{
    CONVTASNET_BASE_LIBRI2MIX, HDEMUCS_HIGH_MUSDB, HDEMUCS_HIGH_MUSDB_PLUS, SEPARATION, SQUIM_OBJECTIVE,
    SQUIM_SUBJECTIVE, SeparationModel, SourceSeparationBundle, SquimObjectiveBundle, SquimSubjectiveBundle,
};
pub use speech::{
    SPEAKING, TACOTRON2_GRIFFINLIM_CHAR_LJSPEECH, TACOTRON2_GRIFFINLIM_PHONE_LJSPEECH, TACOTRON2_WAVERNN_CHAR_LJSPEECH,
    TACOTRON2_WAVERNN_PHONE_LJSPEECH, Tacotron2TTSBundle, TextProcessor, Vocoder,
};
pub use transducer::{EMFORMER_RNNT_BASE_LIBRISPEECH, RNNTBundle, RNNTFeatures, SentencePieces};

use crate::models::{ExtractorMode, Wav2Vec2Model, Wav2Vec2ModelBuilder, wav2vec2_base, wavlm_base};
use flambeau_nn::{Call, Forward, Module, utils::skip_init};
use flambeau_tensor::{Result, StateDict, Tensor};
use std::path::Path;

/// Where a network normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Norms {
    /// Behind the first convolution and behind each part of a layer.
    Once,
    /// Signals, behind each convolution, and before each part of a layer.
    All,
    /// The same, with numbers that convolutions add.
    AllBiased,
}

/// A network of the family of wav2vec 2.0 that was published, as `torchaudio.pipelines.Wav2Vec2Bundle` and, where it has
/// labels, `Wav2Vec2ASRBundle`.
#[derive(Clone, Copy, Debug)]
pub struct Wav2Vec2Bundle {
    name: &'static str,
    size: [usize; 4],
    norms: Norms,
    dropout: [f64; 5],
    wavlm: bool,
    labels: Option<&'static str>,
}

impl Wav2Vec2Bundle {
    /// torchaudio's name of it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Of the signals that it hears, in Hertz.
    pub fn sample_rate(&self) -> u32 {
        16_000
    }

    /// What its last layer tells apart, the blank `-` first; empty where it gives features alone.
    pub fn labels(&self) -> Vec<char> {
        self.labels.unwrap_or_default().chars().collect()
    }

    /// Are signals brought to a mean of 0 and a variance of 1 first?
    pub fn normalizes_waveform(&self) -> bool {
        self.norms != Norms::Once
    }

    /// The options of its network.
    pub fn options(&self) -> Wav2Vec2ModelBuilder {
        let [features, layers, heads, inside] = self.size;
        let [projection, attention, within, out, layer] = self.dropout;
        let all = self.norms != Norms::Once;
        let builder = if self.wavlm { wavlm_base() } else { wav2vec2_base() };
        builder
            .extractor_mode(if all { ExtractorMode::LayerNorm } else { ExtractorMode::GroupNorm })
            .extractor_conv_bias(self.norms == Norms::AllBiased)
            .encoder_layer_norm_first(all)
            .encoder_embed_dim(features)
            .encoder_num_layers(layers)
            .encoder_num_heads(heads)
            .encoder_ff_interm_features(inside)
            .encoder_projection_dropout(projection)
            .encoder_attention_dropout(attention)
            .encoder_ff_interm_dropout(within)
            .encoder_dropout(out)
            .encoder_layer_drop(layer)
            .aux_num_out(self.labels.map(|labels| labels.chars().count()))
    }

    /// The network with weights from a local file (`.pth`, `.pt`, `.safetensors`), for evaluation. Hugging Face's names are
    /// known by their beginnings.
    ///
    /// # Errors
    /// Where the file cannot be read or has other weights; the error lists them.
    #[track_caller]
    pub fn model(&self, path: impl AsRef<Path>) -> Result<BundleModel> {
        self.model_from(&flambeau_serialize::load(path)?)
    }

    /// The same with weights that are in memory.
    ///
    /// # Errors
    /// Where they are other weights.
    #[track_caller]
    pub fn model_from(&self, state: &StateDict) -> Result<BundleModel> {
        let model = skip_init(|| self.options().build())?;
        load(&model, state)?;
        model.eval();
        let normalize_waveform = self.normalizes_waveform();
        Ok(BundleModel { model, normalize_waveform, log_softmax: false, append_star: false })
    }
}

/// Loads torchaudio's weights, or Hugging Face's.
#[track_caller]
fn load(model: &Wav2Vec2Model, state: &StateDict) -> Result<()> {
    let theirs = state.names().any(|name| name.contains("feature_projection.") && !name.starts_with("encoder."));
    if theirs {
        model.load_state_dict(&from_hugging_face(state)?)?;
    } else {
        model.load_state_dict(state)?;
    }
    Ok(())
}

/// A bundle's network: as [`Wav2Vec2Model`], of signals that are normalised first where it was trained so.
#[derive(Module)]
pub struct BundleModel {
    /// The network itself.
    pub model: Wav2Vec2Model,
    normalize_waveform: bool,
    log_softmax: bool,
    append_star: bool,
}

impl BundleModel {
    #[track_caller]
    fn normalised(&self, waveforms: &Tensor) -> Result<Tensor> {
        if !self.normalize_waveform {
            return Ok(waveforms.clone());
        }
        flambeau_nn::functional::layer_norm(waveforms, waveforms.shape(), None, None, 1e-5)
    }

    /// [`Wav2Vec2Model::extract_features`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn extract_features(
        &self,
        waveforms: &Tensor,
        lengths: Option<&Tensor>,
        num_layers: impl Into<Option<usize>>,
    ) -> Result<(Vec<Tensor>, Option<Tensor>)> {
        self.model.extract_features(&self.normalised(waveforms)?, lengths, num_layers)
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for BundleModel {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(&self, (waveforms, lengths): (&Tensor, Option<&Tensor>)) -> Result<(Tensor, Option<Tensor>)> {
        let (mut x, lengths) = self.model.call((&self.normalised(waveforms)?, lengths))?;
        if self.log_softmax {
            x = x.log_softmax(-1)?;
        }
        if self.append_star {
            x = x.pad(&[0, 1], 0.0)?;
        }
        Ok((x, lengths))
    }
}
