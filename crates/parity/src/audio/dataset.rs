//! Sets of recordings: a folder, and what is made of it.

use flambeau_audio::datasets::{self as d, About, Corpus, Dataset, LibriSpeechAbout};
use flambeau_tensor::{Result as TensorResult, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::Words;
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, plain, unsupported},
    case::{Arguments, field},
    compare::{Tolerance, same},
    value::Value,
};

/// Runs one case: lays the folder out, makes the set, compares its items.
///
/// # Errors
///
/// The set is not in the table, cannot be read, or has other items.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let name = field(json, "dataset")?.as_str().unwrap_or_default();
    let folder = Folder::new();
    folder.lay_out(json, data)?;
    let options = Call::of(&Arguments::setting(json, "kwargs", data)?)?;
    let items = made(name, &folder.0, &Words(&options)).map_err(|trouble| match trouble {
        Trouble::Failed(why) => Trouble::Failed(format!("{name}: {why}")),
        other => other,
    })?;
    options.all_read()?;
    let theirs = Value::parse(field(json, "items")?, data)?;
    // Samples of integers and FLAC are exact, those of MP3 nearly so.
    let exact = |_| Tolerance { relative: 0.0, absolute: 2e-5 };
    same(&items.map(&mut plain)?, &theirs, &exact).map_err(|why| Trouble::Failed(format!("{name}: {why}")))
}

/// A folder of its own, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("flambeau-parity-{}-{number}", std::process::id())))
    }

    fn lay_out(&self, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
        let Some(tree) = field(json, "tree")?.as_object() else { return unsupported("a tree that is no folder") };
        for (path, content) in tree {
            let bytes = match (content.as_str(), content.get("bytes").and_then(Json::as_str)) {
                (Some(text), _) => text.as_bytes().to_vec(),
                (None, Some(key)) => match data.tensor(key) {
                    Ok(tensor) => tensor.data().to_vec(),
                    Err(e) => return Err(Trouble::Failed(format!("{key}: {e}"))),
                },
                _ => return unsupported("a file that is neither text nor bytes"),
            };
            let path = self.0.join(path);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
            made.map_err(|e| Trouble::Failed(format!("{}: {e}", path.display())))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// All items of a set.
fn all<D: Dataset>(set: TensorResult<D>, item: impl Fn(D::Item) -> Vec<Value<Tensor>>) -> Outcome {
    let set = set?;
    let items = (0..set.len()).map(|i| Ok(Value::Seq(item(set.get(i)?)))).collect::<TensorResult<_>>()?;
    Ok(Value::List(items))
}

/// All items of a corpus: the waveform, its rate, and what the set knows. That much must be known without the sound.
fn corpus<A: About>(set: TensorResult<Corpus<A>>, about: impl Fn(A) -> Vec<Value<Tensor>>) -> Outcome {
    let set = set?;
    for i in 0..set.len() {
        set.get_metadata(i)?;
    }
    all(Ok(set), |u| [u.waveform.into(), Value::Int(u.sample_rate.into())].into_iter().chain(about(u.about)).collect())
}

fn word(text: impl Into<String>) -> Value<Tensor> {
    Value::Str(text.into())
}

fn words(texts: &[String]) -> Value<Tensor> {
    Value::List(texts.iter().map(word).collect())
}

fn libri(a: LibriSpeechAbout) -> Vec<Value<Tensor>> {
    let numbers = [a.speaker_id, a.chapter_id, a.utterance_id].map(|n| Value::Int(n.into()));
    [word(a.transcript)].into_iter().chain(numbers).collect()
}

fn texts(w: &Words<'_>, name: &str) -> Option<Vec<String>> {
    let items = w.0.given(KEYWORD, name)?.items()?;
    items.iter().map(|i| if let Value::Str(s) = i { Some(s.clone()) } else { None }).collect()
}

fn made(name: &str, root: &Path, w: &Words<'_>) -> Outcome {
    let text = |name: &str, default: &'static str| w.text(name, default).map(str::to_string);
    match name {
        "CMUARCTIC" => corpus(d::CmuArctic::new(root).url(text("url", "aew")?).build(), |a| {
            vec![word(a.transcript), word(a.utterance_id)]
        }),
        "CMUDict" => {
            let set = d::CmuDict::new(root).exclude_punctuations(w.flag("exclude_punctuations", true)?);
            all(set.build(), |(spelled, phones)| vec![word(spelled), words(&phones)])
        }
        "COMMONVOICE" => corpus(d::CommonVoice::new(root).tsv(text("tsv", "train.tsv")?).build(), |a| {
            vec![Value::Dict(a.fields.into_iter().map(|(name, value)| (name, word(value))).collect())]
        }),
        "DR_VCTK" => all(d::DrVctk::new(root).subset(text("subset", "train")?).build(), |i| {
            vec![
                i.clean.into(),
                Value::Int(i.clean_rate.into()),
                i.noisy.into(),
                Value::Int(i.noisy_rate.into()),
                word(i.speaker_id),
                word(i.utterance_id),
                word(i.source),
                Value::Int(i.channel_id),
            ]
        }),
        "FluentSpeechCommands" => {
            corpus(d::FluentSpeechCommands::new(root).subset(text("subset", "train")?).build(), |a| {
                [a.file_name, a.speaker_id, a.transcription, a.action, a.object, a.location].map(word).into()
            })
        }
        "GTZAN" => corpus(d::Gtzan::new(root).build(), |a| vec![word(a.label)]),
        "IEMOCAP" => {
            let kind = match w.0.text_opt(KEYWORD, "utterance_type")? {
                None => None,
                Some("scripted") => Some("scripted"),
                Some("improvised") => Some("improvised"),
                Some(other) => return unsupported(format!("utterances of type {other}")),
            };
            let mut set = d::Iemocap::new(root).utterance_type(kind);
            if let Some(sessions) = w.0.ints_opt(KEYWORD, "sessions")? {
                set = set.sessions(sessions.iter().map(|s| *s as u32).collect::<Vec<_>>());
            }
            corpus(set.build(), |a| vec![word(a.utterance_id), word(a.label), word(a.speaker)])
        }
        "LIBRISPEECH" => corpus(d::LibriSpeech::new(root).url(text("url", "train-clean-100")?).build(), libri),
        "LIBRITTS" => corpus(d::LibriTts::new(root).url(text("url", "train-clean-100")?).build(), |a| {
            let numbers = [a.speaker_id, a.chapter_id].map(|n| Value::Int(n.into()));
            let texts = [a.original_text, a.normalized_text].map(word);
            texts.into_iter().chain(numbers).chain([word(a.utterance_id)]).collect()
        }),
        "LJSPEECH" => {
            corpus(d::LjSpeech::new(root).build(), |a| vec![word(a.transcript), word(a.normalized_transcript)])
        }
        "LibriLightLimited" => {
            corpus(d::LibriLightLimited::new(root).subset(text("subset", "10min")?).build(), |a| libri(a.0))
        }
        "LibriMix" => {
            let set = d::LibriMix::new(root)
                .subset(text("subset", "train-360")?)
                .num_speakers(w.count("num_speakers", 2)?)
                .sample_rate(w.count("sample_rate", 8000)? as u32)
                .task(text("task", "sep_clean")?)
                .mode(text("mode", "min")?);
            all(set.build(), |i| {
                let sources = i.sources.into_iter().map(Value::from).collect();
                vec![Value::Int(i.sample_rate.into()), i.mixture.into(), Value::List(sources)]
            })
        }
        "LibriSpeechBiasing" => {
            let set = d::LibriSpeechBiasing::new(root).url(text("url", "train-clean-100")?);
            let set = set.blist(texts(w, "blist").unwrap_or_default());
            corpus(set.build(), |a| libri(a.utterance).into_iter().chain([words(&a.biasing)]).collect())
        }
        "MUSDB_HQ" => {
            let mut set = d::MusdbHq::new(root, text("subset", "")?);
            if let Some(sources) = texts(w, "sources") {
                set = set.sources(sources);
            }
            set = match w.0.text_opt(KEYWORD, "split")? {
                Some("train") => set.split("train"),
                Some(_) => set.split("validation"),
                None => set,
            };
            all(set.build(), |i| {
                let (rate, frames) = (Value::Int(i.sample_rate.into()), Value::Int(i.num_frames as i64));
                vec![i.sources.into(), rate, frames, word(i.name)]
            })
        }
        "QUESST14" => {
            let set = d::Quesst14::new(root, text("subset", "")?);
            // Where it is not given it is this one there.
            let language = match w.0.keyword("language") {
                None => Some("nnenglish".to_string()),
                Some(Value::Str(s)) => Some(s.clone()),
                Some(_) => None,
            };
            corpus(set.language(language).build(), |a| vec![word(a.file_name)])
        }
        "SPEECHCOMMANDS" => {
            let subset = match w.0.text_opt(KEYWORD, "subset")? {
                None => d::Subset::All,
                Some("training") => d::Subset::Training,
                Some("validation") => d::Subset::Validation,
                Some("testing") => d::Subset::Testing,
                Some(other) => return unsupported(format!("subset {other}")),
            };
            let set = d::SpeechCommands::new(root).subset(subset).build()?;
            let mut items = Vec::new();
            for i in 0..set.len() {
                let (waveform, about) = (set.get(i)?.0, set.recording(i)?);
                let numbers = [about.sample_rate, about.utterance_number].map(|n| Value::Int(n.into()));
                let [rate, utterance] = numbers;
                items.push(Value::Seq(vec![
                    waveform.into(),
                    rate,
                    word(about.label),
                    word(about.speaker_id),
                    utterance,
                ]));
            }
            Ok(Value::List(items))
        }
        "Snips" => {
            let mut set = d::Snips::new(root, text("subset", "")?).audio_format(text("audio_format", "mp3")?);
            if let Some(speakers) = texts(w, "speakers") {
                set = set.speakers(speakers);
            }
            corpus(set.build(), |a| [a.file_name, a.transcript, a.iob, a.intent].map(word).into())
        }
        "TEDLIUM" => {
            let set = d::Tedlium::new(root).release(text("release", "release1")?).subset(text("subset", "train")?);
            corpus(set.build(), |a| [a.transcript, a.talk_id, a.speaker_id, a.identifier].map(word).into())
        }
        "VCTK_092" => corpus(d::Vctk092::new(root).mic_id(text("mic_id", "mic2")?).build(), |a| {
            [a.transcript, a.speaker_id, a.utterance_id].map(word).into()
        }),
        "VoxCeleb1Identification" => {
            corpus(d::VoxCeleb1Identification::new(root).subset(text("subset", "train")?).build(), |a| {
                vec![Value::Int(a.speaker_id), word(a.file_id)]
            })
        }
        "VoxCeleb1Verification" => all(d::VoxCeleb1Verification::new(root).build(), |i| {
            let numbers = [i64::from(i.sample_rate), i.label].map(Value::Int);
            let names = [i.first_id, i.second_id].map(word);
            [i.first.into(), i.second.into()].into_iter().chain(numbers).chain(names).collect()
        }),
        "YESNO" => {
            let set = d::Yesno::new(root).build()?;
            let mut items = Vec::new();
            for (i, (path, said)) in set.samples().iter().enumerate() {
                let rate = Value::Int(flambeau_audio::info(path)?.sample_rate.into());
                let said = said.iter().map(|w| Value::Int(*w)).collect();
                items.push(Value::Seq(vec![set.get(i)?.0.into(), rate, Value::List(said)]));
            }
            Ok(Value::List(items))
        }
        other => unsupported(format!("the set `{other}` is not in the runner's table")),
    }
}
