//! `torchaudio.models`: how each network is made here, what it is filled with and what it makes of an input.

use flambeau_audio::models as m;
use flambeau_nn::{Call as _, utils::skip_init};
use flambeau_tensor::{DType, Device, StateDict, Tensor, manual_seed};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Words, transform};
use crate::{
    call::{Call, KEYWORD, Trouble, as_scalar, revive, unsupported},
    case::{Arguments, Expected, field},
    modules::{Built, layer, module, parameters},
    run::{Made, live, same_output},
    value::Value,
};

/// Runs one case: seeds the generator, makes the network, compares what it is filled with; loads the recorded state,
/// seeds again and calls it.
///
/// # Errors
///
/// The network is not in the table, or failed where torchaudio's did not.
pub(crate) fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    if json.get("factory").is_some() {
        return outline(json, data);
    }
    let seed = json.get("seed").and_then(Json::as_u64).unwrap_or(0);
    let constructor = Call::of(&Arguments::setting(json, "ctor", data)?)?;
    manual_seed(seed);
    let subject = made(name, &Words(&constructor), Device::Cpu)?;
    constructor.all_read()?;
    let mut same = filled(&subject.module().state_dict(), field(json, "init")?);
    if json.get("state").is_some_and(|state| !state.is_null()) {
        let mut state = StateDict::new();
        for (key, value) in Arguments::setting(json, "state", data)?.kwargs {
            let Value::Tensor(tensor) = value else { return unsupported(format!("`{key}` in the state")) };
            state.insert(key, revive(&tensor)?);
        }
        subject.module().load_state_dict(&state)?;
    }
    let training = json.get("training").and_then(Json::as_bool).unwrap_or(true);
    subject.module().train_mode(training);
    manual_seed(seed + 1);
    let calls = field(json, "calls")?.as_array().map_or(&[][..], Vec::as_slice);
    let mut last: Option<Value<Tensor>> = None;
    for (i, call) in calls.iter().enumerate() {
        let mut args = transform::positional(call, data)?;
        if let Some(method) = call.get("method").and_then(Json::as_str).filter(|method| *method != "forward") {
            args.kwargs.push((METHOD.into(), Value::Str(method.into())));
        }
        let mut leaves = Vec::new();
        let mut live = live(&args, &mut leaves)?;
        if call.get("state_from_last").and_then(Json::as_bool) == Some(true) {
            let state = last.as_ref().and_then(Value::items).and_then(|items| items.get(2));
            live.push(state.cloned().unwrap_or(Value::None));
        }
        let output = subject.call(&live)?;
        live.all_read()?;
        let expected = Expected::parse(call, data)?;
        let found = same_output(name, &output, &expected)?.map_err(|why| format!("call {i}: {why}"));
        same = same.and(found);
        if i + 1 == calls.len() {
            if let Some(names) = call.get("grad_params").and_then(Json::as_array) {
                let names: Vec<String> = names.iter().filter_map(Json::as_str).map(str::to_owned).collect();
                leaves.extend(parameters(subject.module(), &names)?);
            }
            return Ok(Made { output, leaves, expected, same });
        }
        last = Some(output);
    }
    unsupported("a case without a call")
}

/// Whether all tensors of a network are called, shaped and filled as recorded: the sum and the first values.
fn filled(state: &StateDict, recorded: &Json) -> Result<(), String> {
    let Some(recorded) = recorded.as_object() else { return Err("damaged recording: no init".into()) };
    let ours: Vec<&str> = state.iter().map(|(name, _)| name).collect();
    if !recorded.keys().map(String::as_str).eq(ours.iter().copied()) {
        return Err(format!("our state has {ours:?}, torchaudio's {:?}", recorded.keys().collect::<Vec<_>>()));
    }
    let number = |json: &Json| json.as_str().and_then(|s| s.parse::<f64>().ok()).or(json.as_f64()).unwrap_or(f64::NAN);
    for ((name, tensor), theirs) in state.iter().zip(recorded.values()) {
        let shape: Vec<usize> =
            theirs[0].as_array().into_iter().flatten().filter_map(Json::as_u64).map(|n| n as usize).collect();
        if tensor.shape() != shape {
            return Err(format!("{name} is {:?}, torchaudio's {shape:?}", tensor.shape()));
        }
        let values = tensor.detach().to_dtype(DType::F64).and_then(|t| t.to_vec::<f64>()).map_err(|e| e.to_string())?;
        let first = theirs[2].as_array().map_or(&[][..], Vec::as_slice);
        let differs = |(ours, theirs): (&f64, &Json)| (ours - number(theirs)).abs() > 1e-6 * (1.0 + ours.abs());
        let (sum, total) = (values.iter().sum::<f64>(), values.iter().map(|v| v.abs()).sum::<f64>());
        if values.iter().zip(first).any(differs) || (sum - number(&theirs[1])).abs() > 1e-6 * (1.0 + total) {
            return Err(format!(
                "{name} begins with {:?} and adds up to {sum}, torchaudio's with {first:?} and {}",
                &values[..values.len().min(3)],
                theirs[1]
            ));
        }
    }
    Ok(())
}

/// A network of full size: what it is made of.
fn outline(json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    let name = field(json, "factory")?.as_str().unwrap_or_default();
    let constructor = Call::of(&Arguments::setting(json, "kwargs", data)?)?;
    // Shapes alone: the largest would take 8 GB. Others have zeros.
    let mut subject = None;
    skip_init(|| {
        subject = Some(made(name, &Words(&constructor), Device::Meta));
        Ok(())
    })?;
    let Some(subject) = subject.transpose()? else { return unsupported("nothing was made") };
    constructor.all_read()?;
    let Some(recorded) = field(json, "state")?.as_object() else { return unsupported("no state") };
    let state = subject.module().state_dict();
    let ours: Vec<(String, Json)> =
        state.iter().map(|(name, t)| (name.to_owned(), serde_json::json!([t.dtype().name(), t.shape()]))).collect();
    let mut same = match ours.iter().zip(recorded).find(|((a, b), (c, d))| a != *c || b != *d) {
        Some((ours, theirs)) => Err(format!("our state has {ours:?}, torchaudio's {theirs:?}")),
        None if ours.len() != recorded.len() => {
            Err(format!("our state has {} tensors, torchaudio's {}", ours.len(), recorded.len()))
        }
        None => Ok(()),
    };
    let parameters = subject.module().num_parameters() as u64;
    if field(json, "parameters")?.as_u64() != Some(parameters) {
        same = same.and(Err(format!("we have {parameters} parameters")));
    }
    Ok(Made {
        output: Value::None,
        leaves: Vec::new(),
        expected: Expected { output: Value::None, gradients: None, slack: [1.0; 2] },
        same,
    })
}

/// Under this name a call says its method, where it is not `forward`.
const METHOD: &str = "method";

fn optional(tensor: Option<Tensor>) -> Value<Tensor> {
    tensor.map_or(Value::None, Value::Tensor)
}

fn sequence(tensors: Vec<Tensor>) -> Value<Tensor> {
    Value::Seq(tensors.into_iter().map(Value::Tensor).collect())
}

/// Sets those options of a builder that are given, by their names.
macro_rules! given {
    ($builder:ident, $words:ident; $($read:ident($zero:expr): $($name:ident),+;)+) => {$($(
        if $words.0.keyword(stringify!($name)).is_some() {
            $builder = $builder.$name($words.$read(stringify!($name), $zero)?);
        }
    )+)+};
}

/// Kernels and strides of convolutions.
fn conv_layers(w: &Words<'_>) -> Result<Option<Vec<m::ConvLayer>>, Trouble> {
    let Some(layers) = w.0.given(KEYWORD, "extractor_conv_layer_config").and_then(Value::items) else {
        return Ok(None);
    };
    let layer = |value: &Value<Tensor>| {
        let numbers: Vec<usize> = value.items()?.iter().filter_map(as_scalar).map(|s| s.to_f64() as usize).collect();
        numbers.try_into().ok().map(|[a, b, c]: [usize; 3]| (a, b, c))
    };
    match layers.iter().map(layer).collect() {
        Some(layers) => Ok(Some(layers)),
        None => unsupported("convolutions that are no triples"),
    }
}

/// The options of a network of samples that are given, upon those of a published one.
pub(super) fn wav2vec2(
    b: m::Wav2Vec2ModelBuilder,
    w: &Words<'_>,
    device: Device,
) -> Result<m::Wav2Vec2ModelBuilder, Trouble> {
    let mut b = b.device(device);
    if let Some(layers) = conv_layers(w)? {
        b = b.extractor_conv_layer_config(layers);
    }
    if w.0.keyword("extractor_mode").is_some() {
        b = b.extractor_mode(match w.text("extractor_mode", "group_norm")? {
            "group_norm" => m::ExtractorMode::GroupNorm,
            "layer_norm" => m::ExtractorMode::LayerNorm,
            other => return unsupported(format!("extractor mode {other}")),
        });
    }
    given! { b, w;
        flag(false): extractor_conv_bias, encoder_layer_norm_first;
        count(0): encoder_embed_dim, encoder_pos_conv_kernel, encoder_pos_conv_groups, encoder_num_layers,
            encoder_num_heads, encoder_ff_interm_features, encoder_num_buckets, encoder_max_distance;
        float(0.0): encoder_projection_dropout, encoder_attention_dropout, encoder_ff_interm_dropout, encoder_dropout,
            encoder_layer_drop;
    }
    Ok(b.aux_num_out(w.count_opt("aux_num_out")?))
}

fn samples(b: m::Wav2Vec2ModelBuilder, w: &Words<'_>, device: Device) -> Built {
    module(wav2vec2(b, w, device)?, |m, c| {
        let (x, lengths) = (c.x()?, c.tensor_opt(1, "lengths")?);
        if c.text_or(KEYWORD, METHOD, "forward")? == "extract_features" {
            let layers = c.int_opt(2, "num_layers")?.map(|n| n as usize);
            let (features, lengths) = m.extract_features(x, lengths, layers)?;
            return Ok(Value::Seq(vec![sequence(features), optional(lengths)]));
        }
        let (x, lengths) = m.call((x, lengths))?;
        Ok(Value::Seq(vec![x.into(), optional(lengths)]))
    })
}

fn selection(w: &Words<'_>, name: &str, other: &str) -> Result<m::MaskSelection, Trouble> {
    let other = w.float(other, 0.0)?;
    match w.text(name, "static")? {
        "static" => Ok(m::MaskSelection::Static),
        "uniform" => Ok(m::MaskSelection::Uniform(other as u32)),
        "normal" => Ok(m::MaskSelection::Normal(other)),
        other => unsupported(format!("spans that are {other}")),
    }
}

fn pretrained(b: m::HuBERTPretrainModelBuilder, w: &Words<'_>, device: Device) -> Built {
    let mut b = b.mask_selection(selection(w, "mask_selection", "mask_other")?).mask_channel_selection(selection(
        w,
        "mask_channel_selection",
        "mask_channel_other",
    )?);
    given! { b, w;
        flag(false): no_mask_overlap, no_mask_channel_overlap, skip_masked, skip_nomask;
        count(0): mask_length, mask_min_space, mask_channel_length, mask_channel_min_space, num_classes, final_dim;
        float(0.0): mask_prob, mask_channel_prob;
    }
    if w.0.keyword("feature_grad_mult").is_some() {
        b = b.feature_grad_mult(w.float_opt("feature_grad_mult")?);
    }
    let mut wrong = None;
    let b = b.with_wav2vec2(|inner| match wav2vec2(inner, w, device) {
        Ok(inner) => inner,
        Err(why) => {
            wrong = Some(why);
            m::wav2vec2_base()
        }
    });
    if let Some(why) = wrong {
        return Err(why);
    }
    module(b, |m, c| {
        let (masked, others, penalty) = m.call((c.x()?, c.tensor(1, "labels")?, c.tensor_opt(2, "audio_lengths")?))?;
        Ok(Value::Seq(vec![optional(masked), optional(others), penalty.into()]))
    })
}

fn activation(w: &Words<'_>, name: &str, default: &str) -> Result<m::EmformerActivation, Trouble> {
    match w.text(name, default)? {
        "relu" => Ok(m::EmformerActivation::Relu),
        "gelu" => Ok(m::EmformerActivation::Gelu),
        "silu" => Ok(m::EmformerActivation::Silu),
        other => unsupported(format!("activation {other}")),
    }
}

fn strategy(w: &Words<'_>, name: &str) -> Result<Option<m::WeightInitScaleStrategy>, Trouble> {
    match (w.0.keyword(name), w.0.text_opt(KEYWORD, name)?.unwrap_or("depthwise")) {
        (Some(Value::None), _) => Ok(None),
        (_, "depthwise") => Ok(Some(m::WeightInitScaleStrategy::Depthwise)),
        (_, "constant") => Ok(Some(m::WeightInitScaleStrategy::Constant)),
        (_, other) => unsupported(format!("strategy {other}")),
    }
}

/// The options of a transducer that are given, upon those of the published one.
pub(super) fn transducer(w: &Words<'_>) -> Result<m::RNNTBuilder, Trouble> {
    let mut b = m::emformer_rnnt_base(w.count("num_symbols", 0)?);
    given! { b, w;
        flag(false): transformer_tanh_on_mem, lstm_layer_norm;
        count(0): input_dim, encoding_dim, segment_length, right_context_length, time_reduction_input_dim,
            time_reduction_stride, transformer_num_heads, transformer_ffn_dim, transformer_num_layers,
            transformer_left_context_length, transformer_max_memory_size, symbol_embedding_dim, num_lstm_layers;
        float(0.0): transformer_dropout, lstm_layer_norm_epsilon, lstm_dropout;
    }
    Ok(b.transformer_activation(activation(w, "transformer_activation", "gelu")?)
        .transformer_weight_init_scale_strategy(strategy(w, "transformer_weight_init_scale_strategy")?))
}

/// What layers remember.
fn layer_states(c: &Call, position: usize) -> Result<Option<Vec<m::LayerState>>, Trouble> {
    let Some(value) = c.given(position, "state") else { return Ok(None) };
    let layers = value.items().unwrap_or_default();
    Ok(Some(layers.iter().map(|layer| layer.tensors().into_iter().cloned().collect()).collect()))
}

fn remembered(states: Vec<m::LayerState>) -> Value<Tensor> {
    Value::Seq(states.into_iter().map(sequence).collect())
}

/// The options of a network that speaks that are given.
pub(super) fn speaking(w: &Words<'_>) -> Result<m::Tacotron2Builder, Trouble> {
    let mut b = m::Tacotron2::new();
    given! { b, w;
        flag(false): mask_padding, decoder_early_stopping;
        count(0): n_mels, n_symbol, n_frames_per_step, symbol_embedding_dim, encoder_embedding_dim, encoder_n_convolution,
            encoder_kernel_size, decoder_rnn_dim, decoder_max_step, attention_rnn_dim, attention_hidden_dim,
            attention_location_n_filter, attention_location_kernel_size, prenet_dim, postnet_n_convolution,
            postnet_kernel_size, postnet_embedding_dim;
        float(0.0): decoder_dropout, attention_dropout, gate_threshold;
    }
    Ok(b)
}

fn tacotron2(w: &Words<'_>) -> Built {
    module(speaking(w)?, |m, c| {
        let (tokens, lengths) = (c.x()?, c.tensor_opt(1, "lengths")?);
        if c.text_or(KEYWORD, METHOD, "forward")? == "infer" {
            let (mel, lengths, alignments) = m.infer(tokens, lengths)?;
            return Ok(Value::Seq(vec![mel.into(), lengths.into(), alignments.into()]));
        }
        let Some(lengths) = lengths else { return unsupported("tokens without lengths") };
        let (mel, mel_lengths) = (c.tensor(2, "mel_specgram")?, c.tensor(3, "mel_specgram_lengths")?);
        let (mel, finer, gates, alignments) = m.call((tokens, lengths, mel, mel_lengths))?;
        Ok(Value::Seq(vec![mel.into(), finer.into(), gates.into(), alignments.into()]))
    })
}

/// The options of a network that makes samples of a spectrogram.
pub(super) fn sampling(w: &Words<'_>) -> Result<m::WaveRNNBuilder, Trouble> {
    let scales = w.0.given(KEYWORD, "upsample_scales").and_then(Value::items).unwrap_or_default();
    let scales: Vec<usize> = scales.iter().filter_map(as_scalar).map(|scale| scale.to_f64() as usize).collect();
    let mut b = m::WaveRNN::new(scales, w.count("n_classes", 0)?, w.count("hop_length", 0)?);
    given! { b, w;
        count(0): n_res_block, n_rnn, n_fc, kernel_size, n_freq, n_hidden, n_output;
    }
    Ok(b)
}

fn wavernn(w: &Words<'_>) -> Built {
    module(sampling(w)?, |m, c| {
        if c.text_or(KEYWORD, METHOD, "forward")? == "infer" {
            let (waveform, lengths) = m.infer(c.x()?, c.tensor_opt(1, "lengths")?)?;
            return Ok(Value::Seq(vec![waveform.into(), optional(lengths)]));
        }
        Ok(m.call((c.x()?, c.tensor(1, "specgram")?))?.into())
    })
}

/// Names of sources.
fn names(w: &Words<'_>) -> Result<Vec<String>, Trouble> {
    let names = w.0.given(KEYWORD, "sources").and_then(Value::items).unwrap_or_default();
    let name = |value: &Value<Tensor>| match value {
        Value::Str(name) => Ok(name.clone()),
        other => unsupported(format!("a source that is {}", other.kind())),
    };
    names.iter().map(name).collect()
}

fn hdemucs(b: m::HDemucsBuilder, w: &Words<'_>) -> Built {
    let mut b = b;
    given! { b, w;
        flag(false): emb_smooth;
        count(0): audio_channels, channels, growth, nfft, depth, kernel_size, time_stride, stride, context, context_enc,
            norm_starts, norm_groups, dconv_depth, dconv_comp, dconv_attn, dconv_lstm;
        float(0.0): freq_emb, emb_scale, dconv_init;
    }
    layer(b)
}

fn subjective(b: m::SquimSubjectiveBuilder, w: &Words<'_>) -> Built {
    let mut b = b;
    given! { b, w;
        count(0): feat_dim, proj_dim, att_dim;
    }
    module(b, |m, c| Ok(m.call((c.x()?, c.tensor(1, "reference")?))?.into()))
}

fn made(name: &str, w: &Words<'_>, device: Device) -> Built {
    match name {
        "wav2vec2_model" | "wav2vec2_base" | "wavlm_model" => {
            samples(if name == "wavlm_model" { m::wavlm_base() } else { m::wav2vec2_base() }, w, device)
        }
        "wav2vec2_large" => samples(m::wav2vec2_large(), w, device),
        "wav2vec2_large_lv60k" => samples(m::wav2vec2_large_lv60k(), w, device),
        "wav2vec2_xlsr_300m" => samples(m::wav2vec2_xlsr_300m(), w, device),
        "wav2vec2_xlsr_1b" => samples(m::wav2vec2_xlsr_1b(), w, device),
        "wav2vec2_xlsr_2b" => samples(m::wav2vec2_xlsr_2b(), w, device),
        "hubert_base" => samples(m::hubert_base(), w, device),
        "hubert_large" => samples(m::hubert_large(), w, device),
        "hubert_xlarge" => samples(m::hubert_xlarge(), w, device),
        "wavlm_base" => samples(m::wavlm_base(), w, device),
        "wavlm_large" => samples(m::wavlm_large(), w, device),
        "hubert_pretrain_model" | "hubert_pretrain_base" => pretrained(m::hubert_pretrain_base(), w, device),
        "Emformer" => {
            let mut b = m::Emformer::new(
                w.count("input_dim", 0)?,
                w.count("num_heads", 0)?,
                w.count("ffn_dim", 0)?,
                w.count("num_layers", 0)?,
                w.count("segment_length", 0)?,
            )
            .activation(activation(w, "activation", "relu")?)
            .weight_init_scale_strategy(strategy(w, "weight_init_scale_strategy")?);
            given! { b, w;
                flag(false): tanh_on_mem;
                count(0): left_context_length, right_context_length, max_memory_size;
                float(0.0): dropout, negative_inf;
            }
            module(b, |m, c| {
                let (x, lengths) = (c.x()?, c.tensor(1, "lengths")?);
                if c.text_or(KEYWORD, METHOD, "forward")? == "infer" {
                    let (x, lengths, states) = m.infer(x, lengths, layer_states(c, 2)?.as_ref())?;
                    return Ok(Value::Seq(vec![x.into(), lengths.into(), remembered(states)]));
                }
                let (x, lengths) = m.call((x, lengths))?;
                Ok(Value::Seq(vec![x.into(), lengths.into()]))
            })
        }
        "emformer_rnnt_model" | "emformer_rnnt_base" => module(transducer(w)?, |m, c| {
            let (x, lengths) = (c.x()?, c.tensor(1, "lengths")?);
            match c.text_or(KEYWORD, METHOD, "forward")? {
                "transcribe_streaming" => {
                    let (x, lengths, states) = m.transcribe_streaming(x, lengths, layer_states(c, 2)?.as_ref())?;
                    Ok(Value::Seq(vec![x.into(), lengths.into(), remembered(states)]))
                }
                "predict" => {
                    let (x, states) = m.predict(x, layer_states(c, 2)?.as_ref())?;
                    Ok(Value::Seq(vec![x.into(), lengths.clone().into(), remembered(states)]))
                }
                "forward" => {
                    let (targets, counts) = (c.tensor(2, "targets")?, c.tensor(3, "target_lengths")?);
                    let (logits, lengths, counts, states) = m.call((x, lengths, targets, counts))?;
                    Ok(Value::Seq(vec![logits.into(), lengths.into(), counts.into(), remembered(states)]))
                }
                other => unsupported(format!("the method `{other}`")),
            }
        }),
        "hubert_pretrain_large" => pretrained(m::hubert_pretrain_large(), w, device),
        "hubert_pretrain_xlarge" => pretrained(m::hubert_pretrain_xlarge(), w, device),
        "Conformer" => module(
            m::Conformer::new(
                w.count("input_dim", 0)?,
                w.count("num_heads", 0)?,
                w.count("ffn_dim", 0)?,
                w.count("num_layers", 0)?,
                w.count("depthwise_conv_kernel_size", 0)?,
            )
            .dropout(w.float("dropout", 0.0)?)
            .use_group_norm(w.flag("use_group_norm", false)?)
            .convolution_first(w.flag("convolution_first", false)?),
            |m, c| {
                let (x, lengths) = m.call((c.x()?, c.tensor(1, "lengths")?))?;
                Ok(Value::Seq(vec![x.into(), lengths.into()]))
            },
        ),
        "ConvTasNet" | "conv_tasnet_base" => {
            let given = if name == "ConvTasNet" { "sigmoid" } else { "relu" };
            let activation = match w.text("msk_activate", given)? {
                "sigmoid" => m::MaskActivation::Sigmoid,
                "relu" => m::MaskActivation::Relu,
                other => return unsupported(format!("activation {other}")),
            };
            layer(
                m::ConvTasNet::new()
                    .num_sources(w.count("num_sources", 2)?)
                    .enc_kernel_size(w.count("enc_kernel_size", 16)?)
                    .enc_num_feats(w.count("enc_num_feats", 512)?)
                    .msk_kernel_size(w.count("msk_kernel_size", 3)?)
                    .msk_num_feats(w.count("msk_num_feats", 128)?)
                    .msk_num_hidden_feats(w.count("msk_num_hidden_feats", 512)?)
                    .msk_num_layers(w.count("msk_num_layers", 8)?)
                    .msk_num_stacks(w.count("msk_num_stacks", 3)?)
                    .msk_activate(activation),
            )
        }
        "DeepSpeech" => layer(
            m::DeepSpeech::new(w.count("n_feature", 0)?)
                .n_hidden(w.count("n_hidden", 2048)?)
                .n_class(w.count("n_class", 40)?)
                .dropout(w.float("dropout", 0.0)?),
        ),
        "Tacotron2" => tacotron2(w),
        "WaveRNN" => wavernn(w),
        "HDemucs" => hdemucs(m::HDemucs::new(names(w)?), w),
        "hdemucs_low" => hdemucs(m::hdemucs_low(names(w)?), w),
        "hdemucs_medium" => hdemucs(m::hdemucs_medium(names(w)?), w),
        "hdemucs_high" => hdemucs(m::hdemucs_high(names(w)?), w),
        "squim_objective_model" | "squim_objective_base" => {
            let mut b = m::squim_objective_base();
            given! { b, w;
                count(0): feat_dim, win_len, d_model, nhead, hidden_dim, num_blocks, chunk_size;
            }
            let b = b.chunk_stride(w.count_opt("chunk_stride")?).rnn_type(match w.text("rnn_type", "LSTM")? {
                "RNN" => m::SquimRnn::Rnn,
                "LSTM" => m::SquimRnn::Lstm,
                "GRU" => m::SquimRnn::Gru,
                other => return unsupported(format!("recurrent layers {other}")),
            });
            module(b, |m, c| {
                let (stoi, pesq, sisdr) = m.call(c.x()?)?;
                Ok(Value::Seq(vec![stoi.into(), pesq.into(), sisdr.into()]))
            })
        }
        "squim_subjective_base" => {
            subjective(m::squim_subjective_base().ssl_model(m::wav2vec2_base().device(device)), w)
        }
        // As the recorded networks of samples.
        "squim_subjective_small" => {
            let small = m::wav2vec2_base().extractor_conv_layer_config([(6, 10, 5), (6, 3, 2), (8, 2, 2)]);
            let small = small.encoder_embed_dim(8).encoder_pos_conv_kernel(4).encoder_pos_conv_groups(2);
            let small = small.encoder_num_layers(2).encoder_num_heads(2).encoder_ff_interm_features(12);
            subjective(m::squim_subjective_base().ssl_model(small).feat_dim(8), w)
        }
        "Wav2Letter" => {
            let input = match w.text("input_type", "waveform")? {
                "waveform" => m::Wav2LetterInput::Waveform,
                "power_spectrum" => m::Wav2LetterInput::PowerSpectrum,
                "mfcc" => m::Wav2LetterInput::Mfcc,
                other => return unsupported(format!("input {other}")),
            };
            layer(
                m::Wav2Letter::new()
                    .num_classes(w.count("num_classes", 40)?)
                    .input_type(input)
                    .num_features(w.count("num_features", 1)?),
            )
        }
        other => unsupported(format!("the network `{other}` is not in the runner's table")),
    }
}
