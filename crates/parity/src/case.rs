//! Recordings as files: a folder, a folder of such folders, or a packed archive of one. What is
//! read here is one subject at a time (`NAME.json` with `NAME.safetensors` beside it); nothing
//! here knows what a case means.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    pack,
    value::{Malformed, Recorded, Value},
};

/// Where recordings are read from.
pub enum Source {
    /// Files on disk, by their path without the extension.
    Folder(BTreeMap<String, PathBuf>),
    /// Files of an archive, unpacked in memory, by name.
    Archive(BTreeMap<String, Vec<u8>>),
}

impl Source {
    /// Opens a folder of recordings, a folder of such folders, or a packed `.tar.zst`.
    ///
    /// # Errors
    ///
    /// The path cannot be read, or the archive is damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path.is_file() {
            return Ok(Self::Archive(pack::read(path)?));
        }
        let mut subjects = BTreeMap::new();
        list(path, "", &mut subjects)?;
        Ok(Self::Folder(subjects))
    }

    /// The names of the subjects, in order, with the folder before them where there are several.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Folder(files) => files.keys().cloned().collect(),
            Self::Archive(files) => files
                .keys()
                .filter_map(|f| f.strip_suffix(".json"))
                .filter(|f| !is_index(f))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Reads one subject.
    ///
    /// # Errors
    ///
    /// A file is missing or is not of the recordings' form.
    pub fn subject(&self, name: &str) -> Result<Subject, Malformed> {
        let (json, tensors) = match self {
            Self::Folder(files) => {
                let path = files.get(name).ok_or_else(|| Malformed(format!("no {name}")))?;
                (read_file(path)?, read_file(&path.with_extension("safetensors"))?)
            }
            Self::Archive(files) => {
                let file = |ending: &str| {
                    let file = format!("{name}.{ending}");
                    files.get(&file).cloned().ok_or_else(|| Malformed(format!("no {file}")))
                };
                (file("json")?, file("safetensors")?)
            }
        };
        Subject::parse(name, &json, tensors)
    }
}

fn is_index(name: &str) -> bool {
    name.rsplit('/').next() == Some("_index")
}

fn list(folder: &Path, prefix: &str, into: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|f| f.to_str()) else {
            continue;
        };
        if path.is_dir() {
            list(&path, &format!("{prefix}{file}/"), into)?;
        } else if let Some(stem) = file.strip_suffix(".json").filter(|s| !is_index(s)) {
            into.insert(format!("{prefix}{stem}"), path);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>, Malformed> {
    fs::read(path).map_err(|e| Malformed(format!("{}: {e}", path.display())))
}

/// What kind of cases a subject holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A function or tensor method with inputs, outputs and gradients.
    Op,
    /// A module with its state, a call of it, outputs and gradients.
    Module,
    /// Steps of an optimizer from given gradients.
    Optim,
    /// The learning rates that a scheduler sets.
    Scheduler,
    /// Seeded calls of the generator.
    Random,
    /// Files and their decoded samples.
    Image,
    /// A function of `torchvision.transforms.v2.functional` on one input.
    VisionTransform,
    /// A function or module of `torchvision.ops`, or a function of `torchvision.utils`.
    VisionOp,
    /// A network: its outline, or its values and output from a seed.
    VisionModel,
    /// A seeded transform applied three times.
    VisionRandom,
    /// Image files of all formats, decoded and encoded.
    VisionIo,
    /// A function of `torchaudio.functional`.
    AudioFunctional,
    /// A function of `torchaudio.compliance.kaldi`.
    AudioKaldi,
    /// A module of `torchaudio.transforms`, called several times.
    AudioTransform,
    /// A network of `torchaudio.models`.
    AudioModel,
    /// A sound file.
    AudioIo,
    /// A set of `torchaudio.datasets`.
    AudioDataset,
    /// A search of `torchaudio.models.decoder`.
    AudioDecoder,
    /// A bundle of `torchaudio.pipelines`.
    AudioPipeline,
    /// A kind that this runner does not know: all its cases are unsupported.
    Other(String),
}

impl Kind {
    fn from_name(name: &str) -> Self {
        match name {
            "op" => Self::Op,
            "module" => Self::Module,
            "optim" => Self::Optim,
            "scheduler" => Self::Scheduler,
            "random" => Self::Random,
            "image" => Self::Image,
            "vision_transform" => Self::VisionTransform,
            "vision_op" => Self::VisionOp,
            "vision_model" => Self::VisionModel,
            "vision_random" => Self::VisionRandom,
            "vision_io" => Self::VisionIo,
            "audio_functional" => Self::AudioFunctional,
            "audio_kaldi" => Self::AudioKaldi,
            "audio_transform" => Self::AudioTransform,
            "audio_model" => Self::AudioModel,
            "audio_io" => Self::AudioIo,
            "audio_dataset" => Self::AudioDataset,
            "audio_decoder" => Self::AudioDecoder,
            "audio_pipeline" => Self::AudioPipeline,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The recordings' word for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Op => "op",
            Self::Module => "module",
            Self::Optim => "optim",
            Self::Scheduler => "scheduler",
            Self::Random => "random",
            Self::Image => "image",
            Self::VisionTransform => "vision_transform",
            Self::VisionOp => "vision_op",
            Self::VisionModel => "vision_model",
            Self::VisionRandom => "vision_random",
            Self::VisionIo => "vision_io",
            Self::AudioFunctional => "audio_functional",
            Self::AudioKaldi => "audio_kaldi",
            Self::AudioTransform => "audio_transform",
            Self::AudioModel => "audio_model",
            Self::AudioIo => "audio_io",
            Self::AudioDataset => "audio_dataset",
            Self::AudioDecoder => "audio_decoder",
            Self::AudioPipeline => "audio_pipeline",
            Self::Other(name) => name,
        }
    }

    /// Whether its cases are differentiated. (The `grads` of an optimizer are what it is fed.)
    pub fn has_gradients(&self) -> bool {
        matches!(
            self,
            Self::Op
                | Self::Module
                | Self::VisionTransform
                | Self::VisionOp
                | Self::AudioFunctional
                | Self::AudioKaldi
                | Self::AudioTransform
                | Self::AudioModel
        )
    }
}

/// One subject: a name, and its cases still as JSON.
pub struct Subject {
    /// The recorded name (`nn.functional.pad.reflect`).
    pub name: String,
    /// What its cases are.
    pub kind: Kind,
    /// The cases.
    pub cases: Vec<Json>,
    tensors: Vec<u8>,
}

impl Subject {
    fn parse(file: &str, json: &[u8], tensors: Vec<u8>) -> Result<Self, Malformed> {
        let mut whole: Json = serde_json::from_slice(json).map_err(|e| Malformed(format!("{file}.json: {e}")))?;
        let kind = whole.get("kind").and_then(Json::as_str).unwrap_or_default().to_owned();
        // The name stands under the kind's own word; `random` has none, there the file's name serves.
        let name = whole.get(&kind).and_then(Json::as_str);
        let name = name.or_else(|| file.rsplit('/').next()).unwrap_or(file).to_owned();
        let Some(Json::Array(cases)) = whole.get_mut("cases").map(Json::take) else {
            return Err(Malformed(format!("{file}.json: no list of cases")));
        };
        Ok(Self { name, kind: Kind::from_name(&kind), cases, tensors })
    }

    /// The tensors of all cases.
    ///
    /// # Errors
    ///
    /// The safetensors file is damaged.
    pub fn tensors(&self) -> Result<SafeTensors<'_>, Malformed> {
        SafeTensors::deserialize(&self.tensors).map_err(|e| Malformed(format!("{}.safetensors: {e}", self.name)))
    }
}

/// The arguments of a recorded call.
#[derive(Default)]
pub struct Arguments {
    /// Those without a name.
    pub args: Vec<Value<Recorded>>,
    /// Keyword arguments, in the order they were given.
    pub kwargs: Vec<(String, Value<Recorded>)>,
}

impl Arguments {
    /// The positional and the keyword arguments under these keys.
    ///
    /// # Errors
    ///
    /// A field is missing or holds no values.
    pub fn parse(json: &Json, args: &str, kwargs: &str, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        let args = match field(json, args)? {
            Json::Array(items) => items.iter().map(|i| Value::parse(i, data)).collect::<Result<_, _>>()?,
            _ => return Err(Malformed(format!("{args} is not a list"))),
        };
        Ok(Self { args, kwargs: named(json, kwargs, data)? })
    }

    /// The keyword arguments under `key`, of a call that has no others.
    ///
    /// # Errors
    ///
    /// The field is missing or is no dict of values.
    pub fn setting(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        Ok(Self { args: Vec::new(), kwargs: named(json, key, data)? })
    }
}

/// What PyTorch returned, and its gradients.
pub struct Expected {
    /// The results.
    pub output: Value<Recorded>,
    /// Cotangents and gradients, where the case was differentiated.
    pub gradients: Option<Gradients>,
    /// How many tolerances results and gradients may be off: more than one where the recorded numbers are far from
    /// those in double precision themselves.
    pub slack: [f64; 2],
}

/// What PyTorch's `autograd.grad` was given and gave.
pub struct Gradients {
    /// One for each output that required grad.
    pub cotangents: Vec<Recorded>,
    /// One for each input (of a module: and parameter) that required grad; `None` where PyTorch
    /// gave none.
    pub expected: Vec<Option<Recorded>>,
}

impl Expected {
    /// Reads output, cotangents and gradients of a case.
    ///
    /// # Errors
    ///
    /// A field is missing or holds something else than it should.
    pub fn parse(json: &Json, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        let gradients = match (json.get("cotangent"), json.get("grads")) {
            (Some(cotangents), Some(grads)) => {
                Some(Gradients { cotangents: tensors(cotangents, data)?, expected: tensors_of(grads, data)? })
            }
            _ => None,
        };
        let off = |i: usize| json.get("slack").and_then(|s| s.get(i)).and_then(Json::as_f64).unwrap_or(0.0);
        let slack = [0, 1].map(|i| (4.0 * off(i)).max(1.0));
        Ok(Self { output: Value::parse(field(json, "output")?, data)?, gradients, slack })
    }
}

/// A recorded case of an op.
pub struct OpCase {
    /// Its arguments; the first one is the input.
    pub arguments: Arguments,
    /// What PyTorch made of them.
    pub expected: Expected,
}

impl OpCase {
    /// Reads one case.
    ///
    /// # Errors
    ///
    /// A field is missing or holds something else than it should.
    pub fn parse(json: &Json, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        let mut arguments = Arguments::parse(json, "args", "kwargs", data)?;
        arguments.args.insert(0, Value::parse(field(json, "input")?, data)?);
        Ok(Self { arguments, expected: Expected::parse(json, data)? })
    }
}

/// A recorded case of a module.
pub struct ModuleCase {
    /// What it was made of.
    pub constructor: Arguments,
    /// The seed it was made from, where its state is that of a module just made.
    pub made_from: Option<u64>,
    /// How it prints, before the call.
    pub repr: Option<String>,
    /// How a lazy one prints after its first call, which gave it its state.
    pub lazy: Option<String>,
    /// Whether it was in training.
    pub training: bool,
    /// The seed of what the call drew.
    pub seed: Option<u64>,
    /// Its state before the call.
    pub state: Vec<(String, Recorded)>,
    /// What it was called with.
    pub arguments: Arguments,
    /// What PyTorch made of it.
    pub expected: Expected,
    /// Its buffers after the call.
    pub buffers_after: Vec<(String, Recorded)>,
    /// The parameters whose gradients stand after those of the inputs; `None` where the case was
    /// not differentiated.
    pub grad_params: Option<Vec<String>>,
}

impl ModuleCase {
    /// Reads one case.
    ///
    /// # Errors
    ///
    /// A field is missing or holds something else than it should.
    pub fn parse(json: &Json, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        let name = |v: &Json| v.as_str().map(str::to_owned);
        let grad_params = match json.get("grad_params") {
            None => None,
            Some(list) => match list.as_array().and_then(|list| list.iter().map(name).collect()) {
                Some(names) => Some(names),
                None => return Err(Malformed("grad_params is not a list of names".into())),
            },
        };
        let Some(training) = field(json, "training")?.as_bool() else {
            return Err(Malformed("training is not a bool".into()));
        };
        Ok(Self {
            constructor: Arguments::parse(json, "ctor_args", "ctor_kwargs", data)?,
            made_from: json.get("made_from").and_then(Json::as_u64),
            repr: json.get("repr").and_then(Json::as_str).map(str::to_owned),
            lazy: json.get("lazy").and_then(Json::as_str).map(str::to_owned),
            training,
            seed: json.get("seed").and_then(Json::as_u64),
            state: named_tensors(json, "state", data)?,
            arguments: Arguments::parse(json, "args", "kwargs", data)?,
            expected: Expected::parse(json, data)?,
            buffers_after: named_tensors(json, "buffers_after", data)?,
            grad_params,
        })
    }
}

/// What a case has under `key`.
///
/// # Errors
///
/// There is nothing.
pub fn field<'a>(json: &'a Json, key: &str) -> Result<&'a Json, Malformed> {
    json.get(key).ok_or_else(|| Malformed(format!("a case without {key}")))
}

fn named(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Vec<(String, Value<Recorded>)>, Malformed> {
    match field(json, key)? {
        Json::Object(items) => items.iter().map(|(k, v)| Ok((k.clone(), Value::parse(v, data)?))).collect(),
        _ => Err(Malformed(format!("{key} is not a dict"))),
    }
}

fn named_tensors(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Vec<(String, Recorded)>, Malformed> {
    let tensor = |(name, value): (String, Value<Recorded>)| match value {
        Value::Tensor(t) => Ok((name, t)),
        other => Err(Malformed(format!("{name} in {key} is {}", other.kind()))),
    };
    named(json, key, data)?.into_iter().map(tensor).collect()
}

/// A list of tensors and nulls.
pub fn tensors_of(json: &Json, data: &SafeTensors<'_>) -> Result<Vec<Option<Recorded>>, Malformed> {
    let Json::Array(items) = json else {
        return Err(Malformed("not a list of tensors".into()));
    };
    items
        .iter()
        .map(|i| match Value::parse(i, data)? {
            Value::Tensor(t) => Ok(Some(t)),
            Value::None => Ok(None),
            other => Err(Malformed(format!("{} where a tensor should be", other.kind()))),
        })
        .collect()
}

/// A list of tensors; nulls in it do not count.
pub fn tensors(json: &Json, data: &SafeTensors<'_>) -> Result<Vec<Recorded>, Malformed> {
    Ok(tensors_of(json, data)?.into_iter().flatten().collect())
}
