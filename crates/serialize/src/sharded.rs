//! Checkpoints in several files, with an index that says which tensor is in which: the
//! `model.safetensors.index.json` and `pytorch_model.bin.index.json` of the Hugging Face hub.

use crate::json::{Cursor, Fault, write_string};
use crate::source::Source;
use crate::{file, safetensors};
use flambeau_tensor::{Error, NamedTensors, Result, StateDict, Tensor, ensure};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What an index says.
pub(crate) struct Index {
    /// The names of the tensors, in order, and which of the files each is in.
    pub(crate) tensors: Vec<(String, usize)>,
    pub(crate) files: Vec<PathBuf>,
}

/// True for a file that is called as indices are.
pub(crate) fn is_index(source: &Source<'_>) -> bool {
    matches!(source, Source::File { path, .. } if path.extension() == Some(OsStr::new("json")))
}

/// Reads an index. Its files lie in its folder, so that it cannot lead anywhere else.
pub(crate) fn read(source: &Source<'_>) -> Result<Index> {
    let bytes = source.bytes(0, usize::try_from(source.len()).unwrap_or(usize::MAX))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| source.fault(format!("the index is not UTF-8 at byte {}", e.valid_up_to())))?;
    let (mut tensors, mut files, mut places) = (Vec::new(), Vec::new(), HashMap::new());
    let (mut cursor, mut names, mut found) = (Cursor::new(text, 0), HashSet::new(), false);
    let folder = source.path().parent().unwrap_or(Path::new(""));
    let parsed = cursor.object(|cursor, field, _| {
        if field != "weight_map" {
            return cursor.skip_value();
        }
        found = true;
        cursor.object(|cursor, name, at| {
            cursor.skip_space();
            let file = cursor.string()?;
            let plain = Path::new(&file).file_name() == Some(OsStr::new(&file)) && !file.contains(['/', '\\']);
            if !plain {
                return Err(Fault::new(at, format!("{name:?} is in {file:?}, no plain name of a file")));
            }
            if !names.insert(name.clone()) {
                return Err(Fault::new(at, format!("two tensors are called {name:?}")));
            }
            let place = *places.entry(file.clone()).or_insert_with(|| {
                files.push(folder.join(&file));
                files.len() - 1
            });
            tensors.push((name, place));
            Ok(())
        })
    });
    parsed.and_then(|()| cursor.end()).map_err(|f| source.fault(format!("{} (byte {})", f.message, f.at)))?;
    if !found {
        return Err(source.fault("no index of a checkpoint in several files: it has no `weight_map`"));
    }
    Ok(Index { tensors, files })
}

impl Index {
    /// The error for a tensor that its file has not.
    pub(crate) fn missing(&self, source: &Source<'_>, name: &str, file: usize) -> Error {
        source.fault(format!("{name:?} is said to be in {}, which has none of that name", self.files[file].display()))
    }

    /// The tensors, in the order of the index, each of its files read by `read`.
    pub(crate) fn load(&self, source: &Source<'_>, read: impl Fn(&Path) -> Result<StateDict>) -> Result<StateDict> {
        let mut found: Vec<Option<Tensor>> = vec![None; self.tensors.len()];
        for (file, path) in self.files.iter().enumerate() {
            let state = read(path)?;
            for ((name, of), found) in self.tensors.iter().zip(&mut found).filter(|((_, of), _)| *of == file) {
                *found = Some(state.get(name).ok_or_else(|| self.missing(source, name, *of))?.clone());
            }
        }
        Ok(self.tensors.iter().zip(found).filter_map(|((name, _), t)| Some((name.clone(), t?))).collect())
    }
}

/// Writes `tensors` to safetensors files of at most `most_bytes` each (a larger tensor has one to itself), and an
/// index of them: for `model.safetensors` these are `model-00001-of-00003.safetensors` and so on, and
/// `model.safetensors.index.json`, which [`load`](crate::load) and [`open`](crate::open) take. Follows
/// `huggingface_hub.save_torch_state_dict`.
///
/// # Errors
/// As [`save`](crate::save). Each file is replaced as a whole or not at all, the index last.
#[track_caller]
pub fn save_sharded(path: impl AsRef<Path>, tensors: &(impl NamedTensors + ?Sized), most_bytes: usize) -> Result<()> {
    let path = path.as_ref();
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    ensure!(
        path.extension() == Some(OsStr::new("safetensors")),
        Argument,
        "save_sharded",
        "{}: the files are called after a name that ends in `.safetensors`",
        path.display()
    );
    let mut shards: Vec<Vec<(String, Tensor)>> = vec![Vec::new()];
    let mut used = 0usize;
    tensors.each_named(&mut |name, tensor| {
        let bytes = tensor.numel() * tensor.dtype().size();
        if used.saturating_add(bytes) > most_bytes && shards.last().is_some_and(|s| !s.is_empty()) {
            shards.push(Vec::new());
            used = 0;
        }
        used += bytes;
        if let Some(shard) = shards.last_mut() {
            shard.push((name.to_string(), tensor.detach()));
        }
    });
    // All names together must do, as if it were one file.
    safetensors::Plan::new(&shards.concat(), &[])?;
    let total: usize = shards.iter().flatten().map(|(_, t)| t.numel() * t.dtype().size()).sum();
    let mut index = format!("{{\"metadata\":{{\"total_size\":{total}}},\"weight_map\":{{");
    let mut comma = "";
    for (i, shard) in shards.iter().enumerate() {
        let name = format!("{stem}-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        for (tensor, _) in shard {
            index.push_str(comma);
            write_string(&mut index, tensor);
            index.push(':');
            write_string(&mut index, &name);
            comma = ",";
        }
        let plan = safetensors::Plan::new(shard, &[("format", "pt")])?;
        let path = path.with_file_name(name);
        file::replace(&path, |to| plan.write(to, &path))?;
    }
    index.push_str("}}\n");
    let mut name = path.as_os_str().to_os_string();
    name.push(".index.json");
    let path = PathBuf::from(name);
    file::replace(&path, |to| to.write_all(index.as_bytes()).map_err(|e| Error::io("write", &path, e)))
}
