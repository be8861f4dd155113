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
    /// Seeded calls of the generator.
    Random,
    /// A kind that this runner does not run (yet): all its cases are unsupported.
    Other(String),
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
        let kind = match kind.as_str() {
            "op" => Kind::Op,
            "random" => Kind::Random,
            _ => Kind::Other(kind),
        };
        Ok(Self { name, kind, cases, tensors })
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

/// A recorded case of an op.
pub struct OpCase {
    /// The first argument.
    pub input: Value<Recorded>,
    /// The arguments after it.
    pub args: Vec<Value<Recorded>>,
    /// Keyword arguments, in the order they were given.
    pub kwargs: Vec<(String, Value<Recorded>)>,
    /// What PyTorch returned.
    pub output: Value<Recorded>,
    /// Cotangents and gradients, where the case was differentiated.
    pub gradients: Option<Gradients>,
}

/// What PyTorch's `autograd.grad` was given and gave.
pub struct Gradients {
    /// One for each output that required grad.
    pub cotangents: Vec<Recorded>,
    /// One for each input that required grad; `None` where PyTorch gave none.
    pub expected: Vec<Option<Recorded>>,
}

impl OpCase {
    /// Reads one case.
    ///
    /// # Errors
    ///
    /// A field is missing or holds something else than it should.
    pub fn parse(json: &Json, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        let field = |key: &str| json.get(key).ok_or_else(|| Malformed(format!("a case without {key}")));
        let args = match field("args")? {
            Json::Array(items) => items.iter().map(|i| Value::parse(i, data)).collect::<Result<_, _>>()?,
            _ => return Err(Malformed("args is not a list".into())),
        };
        let kwargs = match field("kwargs")? {
            Json::Object(items) => {
                items.iter().map(|(k, v)| Ok((k.clone(), Value::parse(v, data)?))).collect::<Result<_, Malformed>>()?
            }
            _ => return Err(Malformed("kwargs is not a dict".into())),
        };
        let gradients = match (json.get("cotangent"), json.get("grads")) {
            (Some(cotangents), Some(grads)) => Some(Gradients {
                cotangents: tensors_of(cotangents, data)?.into_iter().flatten().collect(),
                expected: tensors_of(grads, data)?,
            }),
            _ => None,
        };
        Ok(Self {
            input: Value::parse(field("input")?, data)?,
            args,
            kwargs,
            output: Value::parse(field("output")?, data)?,
            gradients,
        })
    }
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
