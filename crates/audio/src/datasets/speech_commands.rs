//! Spoken words in a folder for each word.

use super::options::{Ready, TransformSlot};
use super::{Dataset, entries, name};
use crate::io;
use flambeau_tensor::{Error, Result, Tensor, builder, ensure};
use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// Which part of [`SpeechCommands`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subset {
    /// everything, in the order of the names
    #[default]
    All,
    /// what is in neither of the lists
    Training,
    /// what `validation_list.txt` names, in its order
    Validation,
    /// what `testing_list.txt` names, in its order
    Testing,
}

/// What is known of a recording besides its sound: torchaudio's further fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Frames a second, as the file says.
    pub sample_rate: u32,
    /// The word.
    pub label: String,
    /// Who speaks.
    pub speaker_id: String,
    /// The how-manieth time this speaker says this word, from 0.
    pub utterance_number: u32,
}

/// Spoken words, as `torchaudio.datasets.SPEECHCOMMANDS`: a folder for each word and in it
/// `<speaker>_nohash_<utterance>.wav`; beside the folders `validation_list.txt` and `testing_list.txt`.
/// `root` is the folder of these folders, or the one that holds torchaudio's
/// `SpeechCommands/speech_commands_v0.02`. The noises of `_background_noise_` are left out.
///
/// An item is a waveform `[channels, frames]` and the number of its word among
/// [`classes`](SpeechCommands::classes); [`recording`](SpeechCommands::recording) tells the rest.
///
/// ```
/// use flambeau_audio::datasets::{Dataset, SpeechCommands, Subset};
/// use flambeau_audio::transforms::PadTrim;
///
/// # let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/spoken_digits");
/// let words = SpeechCommands::new(root).subset(Subset::Testing).transform(PadTrim::new(8000)).build()?;
/// let (waveform, label) = words.get(0)?;
/// assert_eq!((waveform.shape(), words.len()), (&[1, 8000][..], 80));
/// assert_eq!(words.classes()[label as usize], "eight");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct SpeechCommands {
    root: PathBuf,
    classes: Vec<String>,
    items: Vec<(PathBuf, i64)>,
    transform: Ready,
}

builder! {
    /// Options of [`SpeechCommands`].
    pub struct SpeechCommandsBuilder => SpeechCommands;
    new {
        /// The folder that holds the folders of the words.
        root: ~into PathBuf,
    }
    options {
        /// The part to take, all unless set.
        subset: Subset = Subset::All,
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

const MARK: &str = "_nohash_";
const NOISE: &str = "_background_noise_";
const VALIDATION: &str = "validation_list.txt";
const TESTING: &str = "testing_list.txt";

impl SpeechCommands {
    fn from_builder(b: SpeechCommandsBuilder) -> Result<Self> {
        let archive = b.root.join("SpeechCommands").join("speech_commands_v0.02");
        let root = if archive.is_dir() { archive } else { b.root };
        let (mut classes, mut files) = (Vec::new(), Vec::new());
        for folder in entries(&root)?.into_iter().filter(|path| path.is_dir() && name(path) != NOISE) {
            let before = files.len();
            files.extend(entries(&folder)?.into_iter().filter(|path| {
                let file = name(path);
                file.ends_with(".wav") && file.contains(MARK)
            }));
            if files.len() > before {
                classes.push(name(&folder));
            }
        }
        ensure!(
            !classes.is_empty(),
            Format,
            format!("read {}", root.display()),
            "no folder in it holds a recording <speaker>{MARK}<utterance>.wav"
        );
        let paths = match b.subset {
            Subset::All => files,
            Subset::Validation => listed(&root, VALIDATION)?,
            Subset::Testing => listed(&root, TESTING)?,
            Subset::Training => {
                let mut held_out: HashSet<PathBuf> = listed(&root, VALIDATION)?.into_iter().collect();
                held_out.extend(listed(&root, TESTING)?);
                files.into_iter().filter(|path| !held_out.contains(path)).collect()
            }
        };
        let items = paths.into_iter().map(|path| labelled(path, &classes, &root)).collect::<Result<_>>()?;
        Ok(SpeechCommands { root, classes, items, transform: b.transform.ready()? })
    }

    /// The words in the order of the alphabet, by label.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The label of each word.
    pub fn class_to_idx(&self) -> BTreeMap<&str, i64> {
        self.classes.iter().enumerate().map(|(label, name)| (name.as_str(), label as i64)).collect()
    }

    /// The file and the label of each item.
    pub fn samples(&self) -> &[(PathBuf, i64)] {
        &self.items
    }

    /// The label of each item.
    pub fn targets(&self) -> Vec<i64> {
        self.items.iter().map(|(_, label)| *label).collect()
    }

    /// What is known of item `index` besides its sound; reads the header of its file.
    ///
    /// # Errors
    /// Where there is no such item, its name is of another form, or it is no WAV.
    #[track_caller]
    pub fn recording(&self, index: usize) -> Result<Recording> {
        let (path, label) = self.item(index)?;
        // The files of one of the set's archives end in `.wav.wav`.
        let file = name(path);
        let stem = file.trim_end_matches(".wav");
        let parts = stem.split_once(MARK).and_then(|(speaker, n)| Some((speaker, n.parse().ok()?)));
        let Some((speaker_id, utterance_number)) = parts else {
            return Err(Error::format(path, format!("its name is not <speaker>{MARK}<utterance>.wav")));
        };
        Ok(Recording {
            path: path.clone(),
            sample_rate: io::info(path)?.sample_rate,
            label: self.classes[*label as usize].clone(),
            speaker_id: speaker_id.to_string(),
            utterance_number,
        })
    }

    #[track_caller]
    fn item(&self, index: usize) -> Result<&(PathBuf, i64)> {
        let n = self.items.len();
        ensure!(index < n, Index, "SpeechCommands", "index {index} is out of range for {n} recordings");
        Ok(&self.items[index])
    }
}

impl Dataset for SpeechCommands {
    type Item = (Tensor, i64);

    fn len(&self) -> usize {
        self.items.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        let (path, label) = self.item(index)?;
        Ok((self.transform.apply(io::load(path)?.0)?, *label))
    }
}

impl std::fmt::Debug for SpeechCommands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (items, words) = (self.items.len(), self.classes.len());
        write!(f, "SpeechCommands({items} recordings of {words} words in {})", self.root.display())
    }
}

/// The files that a list beside the words names, one `word/file.wav` a line.
fn listed(root: &Path, list: &str) -> Result<Vec<PathBuf>> {
    let path = root.join(list);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| {
            // A list must not lead out of the set.
            let inside = Path::new(line).components().all(|part| matches!(part, Component::Normal(_)));
            if inside && Path::new(line).components().count() == 2 {
                Ok(Path::new(line).components().fold(root.to_path_buf(), |path, part| path.join(part)))
            } else {
                Err(Error::format(&path, format!("line {} is {line:?}, not word/file.wav", number + 1)))
            }
        })
        .collect()
}

/// A file with the number of its word.
fn labelled(path: PathBuf, classes: &[String], root: &Path) -> Result<(PathBuf, i64)> {
    let word = path.parent().map(name).unwrap_or_default();
    match classes.binary_search(&word) {
        Ok(label) => Ok((path, label as i64)),
        Err(_) => {
            Err(Error::format(root, format!("{} is listed, but there are no recordings of {word:?}", path.display())))
        }
    }
}
