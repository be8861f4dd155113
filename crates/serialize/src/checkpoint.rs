//! A checkpoint that is open: its tensors are read one at a time, when they are asked for.

use crate::source::Source;
use crate::stored::Stored;
use crate::{Metadata, gguf, npy, safetensors, sharded, torch, zip};
use flambeau_tensor::{DType, Result, StateDict, Tensor, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A tensor in a file, whose bytes the file has.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) stored: Stored,
    pub(crate) shape: Vec<usize>,
    /// The byte of the file at which it begins.
    pub(crate) at: u64,
}

/// What a file says that it holds.
pub(crate) struct Contents {
    /// In the order of the file's header.
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: Metadata,
}

impl Contents {
    /// All tensors, in the order of the header.
    pub(crate) fn load(&self, source: &Source<'_>) -> Result<StateDict> {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        // From the front of the file to its end.
        order.sort_by_key(|i| self.entries[*i].at);
        let mut read: Vec<Option<Tensor>> = self.entries.iter().map(|_| None).collect();
        let mut before: Option<usize> = None;
        for i in order {
            // Names of one tensor are names of one tensor again.
            let known = before.filter(|b| self.entries[*b].is_also(&self.entries[i])).and_then(|b| read[b].clone());
            read[i] = Some(match known {
                Some(tensor) => tensor,
                None => self.entries[i].load(source)?,
            });
            before = Some(i);
        }
        Ok(self.entries.iter().zip(read).filter_map(|(e, t)| Some((e.name.clone(), t?))).collect())
    }
}

impl Entry {
    /// True for the same bytes under another name.
    fn is_also(&self, other: &Entry) -> bool {
        self.at == other.at && self.stored == other.stored && self.shape == other.shape
    }

    fn load(&self, source: &Source<'_>) -> Result<Tensor> {
        self.stored.read(source, &self.shape, self.at, &self.name)
    }
}

/// What the file says that it holds: safetensors or GGUF.
pub(crate) fn contents(source: &Source<'_>) -> Result<Contents> {
    let mut start = [0; 32];
    let there = usize::try_from(source.len()).unwrap_or(usize::MAX).min(start.len());
    source.read(0, &mut start[..there])?;
    let start = &start[..there];
    if gguf::is_gguf(start) {
        return gguf::contents(source);
    }
    let other = zip::is_zip(start) || torch::is_legacy(start) || npy::is_npy(start);
    if other && !safetensors::is_safetensors(start) {
        return Err(
            source.unsupported("tensor by tensor safetensors and GGUF are read; `load` reads this file as a whole")
        );
    }
    safetensors::contents(source)
}

/// An open checkpoint: names and shapes are known, each tensor is read when it is asked for. Made by [`open`].
///
/// ```
/// # use flambeau_tensor::{StateDict, Tensor};
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("model.safetensors");
/// # let state: StateDict = [("fc.weight", Tensor::ones([10, 512]).build()?)].into_iter().collect();
/// # flambeau_serialize::save(&path, &state)?;
/// let checkpoint = flambeau_serialize::open(&path)?;
/// assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["fc.weight"]);
/// let weight = checkpoint.tensor("fc.weight")?;
/// assert_eq!(weight.shape(), [10, 512]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct Checkpoint {
    path: PathBuf,
    /// One for each file, with what each holds.
    files: Vec<(Source<'static>, Contents)>,
    /// The file of each tensor, and its place there.
    tensors: Vec<(usize, usize)>,
    places: HashMap<String, usize>,
    metadata: Metadata,
}

/// Opens the checkpoint `path` (safetensors, GGUF, or the index of safetensors in several files) without reading
/// its tensors. Follows `safetensors.safe_open`.
///
/// # Errors
/// Where a file cannot be read or is not what it says it is; the message names the file and the byte at
/// fault. A tensor of a type that flambeau lacks is none: asking for it is.
pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
    open_by(path.as_ref(), Source::open)
}

/// [`open`], the file mapped into memory: tensors lie where the file is and are read from the disk as they are
/// used. What is written into them does not reach the file. Small, unaligned and widened ones are read as by
/// [`open`], and so is one that is asked for again.
///
/// # Errors
/// As [`open`].
///
/// # Safety
/// Nobody changes or cuts the file as long as one of its tensors lives. ([`save`](crate::save) does not: it puts a
/// new file in its place.)
pub unsafe fn open_mapped(path: impl AsRef<Path>) -> Result<Checkpoint> {
    // SAFETY: the caller's promise.
    open_by(path.as_ref(), |path| unsafe { Source::map(path) })
}

fn open_by(path: &Path, source: impl Fn(&Path) -> Result<Source<'static>>) -> Result<Checkpoint> {
    let first = source(path)?;
    let path = path.to_path_buf();
    if sharded::is_index(&first) {
        return open_sharded(path, &first, source);
    }
    let mut contents = contents(&first)?;
    let metadata = std::mem::take(&mut contents.metadata);
    let tensors = (0..contents.entries.len()).map(|i| (0, i)).collect();
    let places = contents.entries.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
    Ok(Checkpoint { path, files: vec![(first, contents)], tensors, places, metadata })
}

fn open_sharded(
    path: PathBuf,
    index_file: &Source<'_>,
    source: impl Fn(&Path) -> Result<Source<'static>>,
) -> Result<Checkpoint> {
    let index = sharded::read(index_file)?;
    let (mut files, mut found) = (Vec::new(), Vec::new());
    for path in &index.files {
        let shard = source(path)?;
        let contents = contents(&shard)?;
        let names: HashMap<String, usize> =
            contents.entries.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
        found.push(names);
        files.push((shard, contents));
    }
    let place = |(name, file): &(String, usize)| match found[*file].get(name) {
        Some(place) => Ok((*file, *place)),
        None => Err(index.missing(index_file, name, *file)),
    };
    let tensors = index.tensors.iter().map(place).collect::<Result<_>>()?;
    let places = index.tensors.iter().enumerate().map(|(i, (name, _))| (name.clone(), i)).collect();
    Ok(Checkpoint { path, files, tensors, places, metadata: Metadata::new() })
}

impl Checkpoint {
    /// The names of the tensors, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.tensors.len()).map(|i| self.entry(i).name.as_str())
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// True without tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The shape of the tensor called `name`.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.entry(*self.places.get(name)?).shape)
    }

    /// The dtype in which the tensor called `name` is given: its own, or for a type that flambeau lacks the one it
    /// is widened to. None where there is no such tensor, or no dtype that holds it.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        self.entry(*self.places.get(name)?).stored.dtype()
    }

    /// The text fields of the file, in order; of GGUF all fields, numbers as text and lists as JSON.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Reads the tensor called `name`, on the CPU; types that flambeau lacks are widened as by
    /// [`load`](crate::load).
    ///
    /// # Errors
    /// Where there is none of that name, the file cannot be read, or its type has no dtype that holds it.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(&place) = self.places.get(name) else {
            bail!(Argument, format!("read {}", self.path.display()), "there is no tensor called {name:?}")
        };
        self.entry(place).load(&self.files[self.tensors[place].0].0)
    }

    /// Reads all tensors, in the order of the file.
    ///
    /// # Errors
    /// As [`tensor`](Checkpoint::tensor).
    #[track_caller]
    pub fn load(&self) -> Result<StateDict> {
        // From the front of each file to its end.
        let mut order: Vec<usize> = (0..self.tensors.len()).collect();
        order.sort_by_key(|i| (self.tensors[*i].0, self.entry(*i).at));
        let mut read: Vec<Option<Tensor>> = vec![None; order.len()];
        for i in order {
            read[i] = Some(self.entry(i).load(&self.files[self.tensors[i].0].0)?);
        }
        Ok(self.names().zip(read).filter_map(|(name, t)| Some((name.to_string(), t?))).collect())
    }

    fn entry(&self, i: usize) -> &Entry {
        let (file, place) = self.tensors[i];
        &self.files[file].1.entries[place]
    }
}
