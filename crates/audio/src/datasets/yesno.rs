//! One man saying yes and no, in Hebrew, eight words a recording.

use super::options::{Ready, TransformSlot};
use super::{Dataset, entries, name};
use crate::io;
use flambeau_tensor::{Error, Result, Tensor, builder, ensure};
use std::path::PathBuf;

/// Recordings of eight words each, yes or no, as `torchaudio.datasets.YESNO`: files named like
/// `0_1_1_0_1_0_1_1.wav`, 1 for yes. `root` is the folder with the files, or the one that holds it as
/// `waves_yesno`.
///
/// An item is a waveform `[channels, frames]` and its words, `i64` of shape `[words]`, of which the set has eight.
pub struct Yesno {
    root: PathBuf,
    items: Vec<(PathBuf, Vec<i64>)>,
    transform: Ready,
}

builder! {
    /// Options of [`Yesno`].
    pub struct YesnoBuilder => Yesno;
    new {
        /// The folder that holds the recordings.
        root: ~into PathBuf,
    }
    options {
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Yesno {
    fn from_builder(b: YesnoBuilder) -> Result<Self> {
        let inner = b.root.join("waves_yesno");
        let root = if inner.is_dir() { inner } else { b.root };
        let mut items = Vec::new();
        for path in entries(&root)? {
            let file = name(&path);
            let Some(stem) = file.strip_suffix(".wav") else { continue };
            let words: Option<Vec<i64>> =
                stem.split('_').map(|word| ["0", "1"].iter().position(|w| *w == word).map(|w| w as i64)).collect();
            match words {
                Some(words) => items.push((path, words)),
                None => return Err(Error::format(path, "its name is not of words 0 or 1, as 0_1_1_0_1_0_1_1.wav")),
            }
        }
        ensure!(!items.is_empty(), Format, format!("read {}", root.display()), "there is no recording in it");
        Ok(Yesno { root, items, transform: b.transform.ready()? })
    }

    /// The file and the words of each item.
    pub fn samples(&self) -> &[(PathBuf, Vec<i64>)] {
        &self.items
    }
}

impl Dataset for Yesno {
    type Item = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.items.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        let n = self.items.len();
        ensure!(index < n, Index, "Yesno", "index {index} is out of range for {n} recordings");
        let (path, words) = &self.items[index];
        let waveform = self.transform.apply(io::load(path)?.0)?;
        Ok((waveform, Tensor::from_slice(words, words.len())?))
    }
}

impl std::fmt::Debug for Yesno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Yesno({} recordings in {})", self.items.len(), self.root.display())
    }
}
