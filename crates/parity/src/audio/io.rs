//! Sound files: what they are, decoded to a reference decoder's samples, written and read again.

use flambeau_audio::io::{AudioMetaData, Format, StreamReader, load_with, save_with};
use flambeau_tensor::{ErrorKind, Tensor, cat};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::Words;
use crate::{
    call::{Call, Trouble, plain, revive, unsupported},
    case::{Arguments, field},
    compare::{Plain, Tolerance, same_tensor},
    value::{Element, Recorded, Value},
};

/// Runs one case.
///
/// # Errors
///
/// The file cannot be read here, is told to be something else, or gave other samples.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let about = json.get("about").and_then(Json::as_str).unwrap_or_default();
    let ran = if json.get("save").is_some() { saved(json, data) } else { loaded(json, data) };
    ran.map_err(|trouble| match trouble {
        Trouble::Failed(why) => Trouble::Failed(format!("{about}: {why}")),
        Trouble::Unsupported(why) => Trouble::Unsupported(format!("{about}: {why}")),
    })
}

fn failed<T>(why: String) -> Result<T, Trouble> {
    Err(Trouble::Failed(why))
}

/// A tensor of the case.
fn tensor(json: &Json, name: &str, data: &SafeTensors<'_>) -> Result<Recorded, Trouble> {
    match Value::parse(field(json, name)?, data)? {
        Value::Tensor(t) => Ok(t),
        other => unsupported(format!("`{name}` is {}", other.kind())),
    }
}

fn loaded(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let key = field(json, "file")?.get("bytes").and_then(Json::as_str).unwrap_or_default();
    let Ok(file) = data.tensor(key) else { return failed(format!("no bytes {key:?}")) };
    let options = Call::of(&Arguments::setting(json, "load", data)?)?;
    let w = Words(&options);
    // Options are given where the recording gives them: the defaults are part of what is compared.
    let mut load =
        load_with(file.data()).frame_offset(w.count("frame_offset", 0)?).num_frames(w.count_opt("num_frames")?);
    if options.keyword("normalize").is_some() {
        load = load.normalize(w.flag("normalize", true)?);
    }
    if options.keyword("channels_first").is_some() {
        load = load.channels_first(w.flag("channels_first", true)?);
    }
    options.all_read()?;
    told(json, &load.info()?)?;
    let whole = field(json, "load")?.as_object().is_some_and(serde_json::Map::is_empty);
    let (waveform, rate) = match load.build() {
        Err(e) if e.kind() == ErrorKind::Unsupported => return unsupported(e.to_string()),
        loaded => loaded?,
    };
    let expected = field(json, "sample_rate")?.as_u64();
    if expected != Some(rate.into()) {
        return failed(format!("{rate} Hz, not {expected:?}"));
    }
    if whole {
        streamed(file.data(), &waveform)?;
    }
    let theirs = tensor(json, "output", data)?;
    let absolute = match field(json, "atol")? {
        number if number.is_number() => number.as_f64().unwrap_or(0.0),
        _ => match Value::parse(field(json, "atol")?, data)? {
            Value::Float(f) => f,
            other => return unsupported(format!("`atol` is {}", other.kind())),
        },
    };
    same_tensor(&plain(&waveform)?, &Plain::from(&theirs), Tolerance { relative: 0.0, absolute })
        .map_err(Trouble::Failed)
}

/// The same file in chunks, and from some frames on, must be what was loaded.
fn streamed(file: &[u8], all: &Tensor) -> Result<(), Trouble> {
    let mut reader = StreamReader::new(file, 512).build()?;
    let chunks = reader.by_ref().collect::<flambeau_tensor::Result<Vec<Tensor>>>()?;
    let frames = all.shape()[1];
    if frames > 0 && !same(&cat(&chunks, 1)?, all)? {
        return failed("the chunks of a stream are not what is loaded as a whole".into());
    }
    for frame in [frames / 2, frames / 3, frames.saturating_sub(1), 0, frames] {
        reader.seek(frame)?;
        let expected = all.narrow(1, frame as isize, 512.min(frames - frame))?;
        let there = match reader.next() {
            Some(chunk) => same(&chunk?, &expected)?,
            None => expected.numel() == 0,
        };
        if !there {
            return failed(format!(
                "a stream that goes to frame {frame} gives other samples than are loaded from there"
            ));
        }
    }
    Ok(())
}

fn same(ours: &Tensor, theirs: &Tensor) -> flambeau_tensor::Result<bool> {
    Ok(ours.shape() == theirs.shape() && ours.equal(theirs)?)
}

/// What the file is said to be. What the recording does not know is null there.
fn told(json: &Json, meta: &AudioMetaData) -> Result<(), Trouble> {
    let numbers = [
        ("sample_rate", u64::from(meta.sample_rate)),
        ("num_channels", meta.num_channels as u64),
        ("num_frames", meta.num_frames as u64),
        ("bits_per_sample", u64::from(meta.bits_per_sample)),
    ];
    for (name, ours) in numbers {
        if let Some(theirs) = field(json, name)?.as_u64().filter(|theirs| *theirs != ours) {
            return failed(format!("{name} is {ours}, not {theirs}"));
        }
    }
    match (field(json, "encoding")?.as_str(), meta.encoding.to_string()) {
        (Some(theirs), ours) if theirs != ours => failed(format!("the encoding is {ours}, not {theirs}")),
        _ => Ok(()),
    }
}

fn saved(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let options = Call::of(&Arguments::setting(json, "save", data)?)?;
    let w = Words(&options);
    let (rate, format) = (w.rate("sample_rate")?, w.text("format", "wav")?.parse::<Format>()?);
    options.all_read()?;
    let mut file = Vec::new();
    save_with(&mut file, &revive(&tensor(json, "waveform", data)?)?, rate).format(format).build()?;
    let theirs = tensor(json, "samples", data)?;
    let (ours, told) = load_with(file).normalize(false).build()?;
    if told != rate {
        return failed(format!("{told} Hz, not {rate}"));
    }
    same_tensor(&plain(&ours)?, &Plain::from(&theirs), Tolerance::forward(Element::I32)).map_err(Trouble::Failed)
}
