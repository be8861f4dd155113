//! `torchaudio.models`: how each network is made here, what it is filled with and what it makes of an input.

use flambeau_audio::models as m;
use flambeau_nn::Call as _;
use flambeau_tensor::{DType, StateDict, manual_seed};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Words, transform};
use crate::{
    call::{Call, Trouble, revive, unsupported},
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
    let subject = made(name, &Words(&constructor))?;
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
    for (i, call) in calls.iter().enumerate() {
        if call.get("method").and_then(Json::as_str).is_some_and(|method| method != "forward") {
            return unsupported("a method other than `forward`");
        }
        let args = transform::positional(call, data)?;
        let mut leaves = Vec::new();
        let live = live(&args, &mut leaves)?;
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
    let subject = made(name, &Words(&constructor))?;
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

fn made(name: &str, w: &Words<'_>) -> Built {
    match name {
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
