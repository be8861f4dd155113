//! A checkpoint that is open: its tensors are read one at a time, when they are asked for.

use crate::source::Source;
use crate::stored::Stored;
use crate::{Metadata, safetensors};
use flambeau_tensor::{DType, Result, StateDict, Tensor, bail};
use std::collections::HashMap;
use std::path::Path;

/// A tensor in a file, whose bytes the file has.
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
        for i in order {
            read[i] = Some(self.entries[i].load(source)?);
        }
        Ok(self.entries.iter().zip(read).filter_map(|(e, t)| Some((e.name.clone(), t?))).collect())
    }
}

impl Entry {
    fn load(&self, source: &Source<'_>) -> Result<Tensor> {
        self.stored.read(source, &self.shape, self.at, &self.name)
    }
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
    source: Source<'static>,
    contents: Contents,
    places: HashMap<String, usize>,
}

/// Opens the checkpoint `path` without reading its tensors. Follows `safetensors.safe_open`.
///
/// # Errors
/// Where the file cannot be read or is not what it says it is; the message names the file and the byte at
/// fault. A tensor of a type that flambeau lacks is none: asking for it is.
pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
    let source = Source::open(path.as_ref())?;
    let contents = safetensors::contents(&source)?;
    let places = contents.entries.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
    Ok(Checkpoint { source, contents, places })
}

impl Checkpoint {
    /// The names of the tensors, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.contents.entries.iter().map(|e| e.name.as_str())
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.contents.entries.len()
    }

    /// True without tensors.
    pub fn is_empty(&self) -> bool {
        self.contents.entries.is_empty()
    }

    /// The shape of the tensor called `name`.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.contents.entries[*self.places.get(name)?].shape)
    }

    /// The dtype in which the tensor called `name` is given: its own, or for a type that flambeau lacks the one it
    /// is widened to. None where there is no such tensor, or no dtype that holds it.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        self.contents.entries[*self.places.get(name)?].stored.dtype()
    }

    /// The text fields of the file.
    pub fn metadata(&self) -> &Metadata {
        &self.contents.metadata
    }

    /// Reads the tensor called `name`, on the CPU; types that flambeau lacks are widened as by
    /// [`load`](crate::load).
    ///
    /// # Errors
    /// Where there is none of that name, the file cannot be read, or its type has no dtype that holds it.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(&place) = self.places.get(name) else {
            bail!(Argument, format!("read {}", self.source.path().display()), "there is no tensor called {name:?}")
        };
        self.contents.entries[place].load(&self.source)
    }

    /// Reads all tensors, in the order of the file.
    ///
    /// # Errors
    /// As [`tensor`](Checkpoint::tensor).
    #[track_caller]
    pub fn load(&self) -> Result<StateDict> {
        self.contents.load(&self.source)
    }
}
