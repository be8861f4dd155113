//! The sets that are made of LibriVox's books: LibriSpeech and what was made of it.

use super::corpus::{About, Corpus, Entry, malformed, number, one_of, stem, text};
use super::options::TransformSlot;
use super::{entries, name};
use flambeau_tensor::{Error, Result, builder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is known of an utterance of [`LibriSpeech`] or [`LibriLightLimited`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibriSpeechAbout {
    /// What is said, in capitals.
    pub transcript: String,
    /// Who speaks.
    pub speaker_id: u32,
    /// Of which chapter.
    pub chapter_id: u32,
    /// The how-manieth of it, from 0.
    pub utterance_id: u32,
}

impl About for LibriSpeechAbout {
    const NAME: &'static str = "LibriSpeech";
}

/// Read books, as `torchaudio.datasets.LIBRISPEECH`: `LibriSpeech/<url>/<speaker>/<chapter>/*.flac` in `root`, and
/// the texts of a chapter beside them.
pub type LibriSpeech = Corpus<LibriSpeechAbout>;

builder! {
    /// Options of [`LibriSpeech`].
    pub struct LibriSpeechBuilder => LibriSpeech;
    new {
        /// The folder that holds `LibriSpeech`.
        root: ~into PathBuf,
    }
    options {
        /// The part, a folder's name; `train-clean-100` unless set.
        url: ~into String = "train-clean-100".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl LibriSpeech {
    fn from_builder(b: LibriSpeechBuilder) -> Result<Self> {
        let root = b.root.join("LibriSpeech");
        Corpus::of(root.clone(), chapters(&root.join(b.url))?, b.transform)
    }
}

/// All recordings of `<speaker>/<chapter>/*.flac`, in the order of their names.
fn chapters(folder: &Path) -> Result<Vec<Entry<LibriSpeechAbout>>> {
    let mut all = Vec::new();
    for speaker in folders(folder)? {
        for chapter in folders(&speaker)? {
            let files: Vec<PathBuf> = with_ending(&chapter, ".flac")?;
            if files.is_empty() {
                continue;
            }
            let list = chapter.join(format!("{}-{}.trans.txt", name(&speaker), name(&chapter)));
            let texts = text(&list)?;
            let mut lines = HashMap::new();
            for (i, line) in texts.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
                let (id, words) = line.split_once(' ').ok_or_else(|| malformed(&list, i, line, "a name and words"))?;
                lines.insert(id, words);
            }
            for path in files {
                let id = stem(&path);
                let Some(transcript) = lines.get(id.as_str()) else {
                    return Err(Error::format(&list, format!("there is no text of {id}")));
                };
                let parts: Vec<&str> = id.split('-').collect();
                let [speaker, chapter, utterance] = parts[..] else {
                    return Err(Error::format(&path, "its name is not <speaker>-<chapter>-<utterance>.flac"));
                };
                let about = LibriSpeechAbout {
                    transcript: (*transcript).to_string(),
                    speaker_id: number(&path, speaker)?,
                    chapter_id: number(&path, chapter)?,
                    utterance_id: number(&path, utterance)?,
                };
                all.push(Entry::new(path, about));
            }
        }
    }
    all.sort_by_key(|entry| stem(&entry.path));
    Ok(all)
}

pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

pub(super) fn with_ending(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| name(path).ends_with(ending)).collect())
}

/// What is known of an utterance of [`LibriSpeechBiasing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibriSpeechBiasingAbout {
    /// As in [`LibriSpeech`].
    pub utterance: LibriSpeechAbout,
    /// The words of the list that are said, each once, in their order.
    pub biasing: Vec<String>,
}

impl About for LibriSpeechBiasingAbout {
    const NAME: &'static str = "LibriSpeechBiasing";
}

/// [`LibriSpeech`] with those words of a list that each utterance has, as `torchaudio.datasets.LibriSpeechBiasing`.
pub type LibriSpeechBiasing = Corpus<LibriSpeechBiasingAbout>;

builder! {
    /// Options of [`LibriSpeechBiasing`].
    pub struct LibriSpeechBiasingBuilder => LibriSpeechBiasing;
    new {
        /// The folder that holds `LibriSpeech`.
        root: ~into PathBuf,
    }
    options {
        /// The part, a folder's name; `train-clean-100` unless set.
        url: ~into String = "train-clean-100".into(),
        /// The words to look for, none unless set.
        blist: ~into Vec<String> = Vec::<String>::new(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl LibriSpeechBiasing {
    fn from_builder(b: LibriSpeechBiasingBuilder) -> Result<Self> {
        let root = b.root.join("LibriSpeech");
        let looked_for: std::collections::HashSet<&str> = b.blist.iter().map(String::as_str).collect();
        let with_words = |entry: Entry<LibriSpeechAbout>| {
            let mut biasing: Vec<String> = Vec::new();
            for word in entry.about.transcript.split_whitespace() {
                if looked_for.contains(word) && !biasing.iter().any(|b| b == word) {
                    biasing.push(word.to_string());
                }
            }
            Entry::new(entry.path, LibriSpeechBiasingAbout { utterance: entry.about, biasing })
        };
        let all = chapters(&root.join(b.url))?.into_iter().map(with_words).collect();
        Corpus::of(root.clone(), all, b.transform)
    }
}

/// What is known of an utterance of [`LibriLightLimited`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibriLightAbout(pub LibriSpeechAbout);

impl About for LibriLightAbout {
    const NAME: &'static str = "LibriLightLimited";
}

/// Ten minutes, one hour or ten hours of LibriSpeech, as `torchaudio.datasets.LibriLightLimited`:
/// `librispeech_finetuning` in `root`.
pub type LibriLightLimited = Corpus<LibriLightAbout>;

builder! {
    /// Options of [`LibriLightLimited`].
    pub struct LibriLightLimitedBuilder => LibriLightLimited;
    new {
        /// The folder that holds `librispeech_finetuning`.
        root: ~into PathBuf,
    }
    options {
        /// `10min` (unless set), `1h` or `10h`.
        subset: ~into String = "10min".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl LibriLightLimited {
    fn from_builder(b: LibriLightLimitedBuilder) -> Result<Self> {
        one_of("LibriLightLimited", "subset", &b.subset, &["10min", "1h", "10h"])?;
        let root = b.root.join("librispeech_finetuning");
        let hour = root.join("1h");
        let mut parts = if b.subset == "10min" { vec![hour.join("0")] } else { folders(&hour)? };
        if b.subset == "10h" {
            parts.push(root.join("9h"));
        }
        let mut all = Vec::new();
        for part in parts {
            for kind in folders(&part)? {
                all.extend(chapters(&kind)?.into_iter().map(|e| (kind.clone(), e)));
            }
        }
        all.sort_by_key(|(kind, entry)| format!("{}{}", kind.display(), stem(&entry.path)));
        let all = all.into_iter().map(|(_, e)| Entry::new(e.path, LibriLightAbout(e.about))).collect();
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of an utterance of [`LibriTts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibriTtsAbout {
    /// As it is written in the book.
    pub original_text: String,
    /// As it is said, numbers in words.
    pub normalized_text: String,
    /// Who speaks.
    pub speaker_id: u32,
    /// Of which chapter.
    pub chapter_id: u32,
    /// The file's name.
    pub utterance_id: String,
}

impl About for LibriTtsAbout {
    const NAME: &'static str = "LibriTts";
}

/// Read books in sentences, as `torchaudio.datasets.LIBRITTS`: `LibriTTS/<url>/<speaker>/<chapter>/*.wav` in `root`,
/// each with two texts beside it.
pub type LibriTts = Corpus<LibriTtsAbout>;

builder! {
    /// Options of [`LibriTts`].
    pub struct LibriTtsBuilder => LibriTts;
    new {
        /// The folder that holds `LibriTTS`.
        root: ~into PathBuf,
    }
    options {
        /// The part, a folder's name; `train-clean-100` unless set.
        url: ~into String = "train-clean-100".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl LibriTts {
    fn from_builder(b: LibriTtsBuilder) -> Result<Self> {
        let root = b.root.join("LibriTTS");
        let mut all = Vec::new();
        for speaker in folders(&root.join(b.url))? {
            for chapter in folders(&speaker)? {
                for path in with_ending(&chapter, ".wav")? {
                    let id = stem(&path);
                    let first = |kind: &str| -> Result<String> {
                        Ok(text(&chapter.join(format!("{id}.{kind}.txt")))?
                            .split_inclusive('\n')
                            .next()
                            .unwrap_or("")
                            .into())
                    };
                    let about = LibriTtsAbout {
                        original_text: first("original")?,
                        normalized_text: first("normalized")?,
                        speaker_id: number(&path, id.split('_').next().unwrap_or(""))?,
                        chapter_id: number(&path, id.split('_').nth(1).unwrap_or(""))?,
                        utterance_id: id,
                    };
                    all.push(Entry::new(path, about));
                }
            }
        }
        all.sort_by(|a, b| a.about.utterance_id.cmp(&b.about.utterance_id));
        Corpus::of(root, all, b.transform)
    }
}
