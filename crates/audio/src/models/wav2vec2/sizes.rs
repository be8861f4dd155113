//! The sizes that were published. Each is a chain of options, which go on: `wav2vec2_base().aux_num_out(29).build()?`.

use super::{
    ExtractorMode::LayerNorm, HuBERTPretrainModel, HuBERTPretrainModelBuilder, Wav2Vec2Model, Wav2Vec2ModelBuilder,
};

/// Numbers of a step, layers, heads, numbers inside of a layer.
fn sized([features, layers, heads, inside]: [usize; 4]) -> Wav2Vec2ModelBuilder {
    Wav2Vec2Model::new()
        .encoder_embed_dim(features)
        .encoder_num_layers(layers)
        .encoder_num_heads(heads)
        .encoder_ff_interm_features(inside)
}

const BASE: [usize; 4] = [768, 12, 12, 3072];
const LARGE: [usize; 4] = [1024, 24, 16, 4096];
const XLARGE: [usize; 4] = [1280, 48, 16, 5120];

/// All normalised first, with these probabilities: of numbers going in, of weights, inside, coming out, of layers.
fn normalised(builder: Wav2Vec2ModelBuilder, dropout: [f64; 5]) -> Wav2Vec2ModelBuilder {
    let [projection, attention, inside, out, layers] = dropout;
    builder
        .extractor_mode(LayerNorm)
        .encoder_layer_norm_first(true)
        .encoder_projection_dropout(projection)
        .encoder_attention_dropout(attention)
        .encoder_ff_interm_dropout(inside)
        .encoder_dropout(out)
        .encoder_layer_drop(layers)
}

/// As `torchaudio.models.wav2vec2_base`: 94 million parameters.
pub fn wav2vec2_base() -> Wav2Vec2ModelBuilder {
    sized(BASE)
}

/// As `torchaudio.models.wav2vec2_large`: 315 million parameters.
pub fn wav2vec2_large() -> Wav2Vec2ModelBuilder {
    sized(LARGE)
}

/// As `torchaudio.models.wav2vec2_large_lv60k`: 315 million parameters.
pub fn wav2vec2_large_lv60k() -> Wav2Vec2ModelBuilder {
    normalised(sized(LARGE), [0.1, 0.0, 0.1, 0.0, 0.1]).extractor_conv_bias(true)
}

/// As `torchaudio.models.wav2vec2_xlsr_300m`: 315 million parameters.
pub fn wav2vec2_xlsr_300m() -> Wav2Vec2ModelBuilder {
    normalised(sized(LARGE), [0.0; 5]).extractor_conv_bias(true)
}

/// As `torchaudio.models.wav2vec2_xlsr_1b`: 962 million parameters.
pub fn wav2vec2_xlsr_1b() -> Wav2Vec2ModelBuilder {
    normalised(sized(XLARGE), [0.1, 0.0, 0.0, 0.0, 0.0]).extractor_conv_bias(true)
}

/// As `torchaudio.models.wav2vec2_xlsr_2b`: 2.2 thousand million parameters.
pub fn wav2vec2_xlsr_2b() -> Wav2Vec2ModelBuilder {
    normalised(sized([1920, 48, 16, 7680]), [0.1, 0.0, 0.0, 0.0, 0.0]).extractor_conv_bias(true)
}

/// As `torchaudio.models.hubert_base`: 94 million parameters.
pub fn hubert_base() -> Wav2Vec2ModelBuilder {
    sized(BASE).encoder_ff_interm_dropout(0.0).encoder_layer_drop(0.05)
}

/// As `torchaudio.models.hubert_large`: 315 million parameters.
pub fn hubert_large() -> Wav2Vec2ModelBuilder {
    normalised(sized(LARGE), [0.0; 5])
}

/// As `torchaudio.models.hubert_xlarge`: 962 million parameters.
pub fn hubert_xlarge() -> Wav2Vec2ModelBuilder {
    normalised(sized(XLARGE), [0.0; 5])
}

fn wavlm(builder: Wav2Vec2ModelBuilder) -> Wav2Vec2ModelBuilder {
    builder.encoder_num_buckets(320).encoder_max_distance(800)
}

/// As `torchaudio.models.wavlm_base`: 94 million parameters.
pub fn wavlm_base() -> Wav2Vec2ModelBuilder {
    wavlm(sized(BASE))
}

/// As `torchaudio.models.wavlm_large`: 315 million parameters.
pub fn wavlm_large() -> Wav2Vec2ModelBuilder {
    wavlm(normalised(sized(LARGE), [0.1, 0.1, 0.0, 0.1, 0.1]))
}

/// As `torchaudio.models.hubert_pretrain_base`.
pub fn hubert_pretrain_base() -> HuBERTPretrainModelBuilder {
    HuBERTPretrainModel::new(hubert_base())
}

/// As `torchaudio.models.hubert_pretrain_large`.
pub fn hubert_pretrain_large() -> HuBERTPretrainModelBuilder {
    HuBERTPretrainModel::new(hubert_large()).num_classes(500).final_dim(768).feature_grad_mult(None)
}

/// As `torchaudio.models.hubert_pretrain_xlarge`.
pub fn hubert_pretrain_xlarge() -> HuBERTPretrainModelBuilder {
    HuBERTPretrainModel::new(hubert_xlarge()).num_classes(500).final_dim(1024).feature_grad_mult(None)
}
