//! Sets whose items have several sounds: clean and noisy, a mixture and what is in it, two speakers to compare.

use super::corpus::{below, malformed, one_of, text};
use super::labels::voxceleb_id;
use super::libri::{folders, with_ending};
use super::{Dataset, name};
use crate::io;
use flambeau_tensor::{Error, Result, Tensor, builder, ensure, stack};
use std::fmt;
use std::path::{Path, PathBuf};

macro_rules! sets {
    ($($Set:ident: $Item:ty, |$this:ident, $entry:ident| $get:expr;)*) => {$(
        impl Dataset for $Set {
            type Item = $Item;

            fn len(&self) -> usize {
                self.entries.len()
            }

            #[track_caller]
            fn get(&self, index: usize) -> Result<$Item> {
                let n = self.entries.len();
                ensure!(index < n, Index, stringify!($Set), "index {index} is out of range for {n} items");
                let ($this, $entry) = (self, &self.entries[index]);
                $get
            }
        }

        impl fmt::Debug for $Set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} items in {})", stringify!($Set), self.entries.len(), self.root.display())
            }
        }
    )*};
}

/// Fails where a set is empty.
#[track_caller]
fn some<T>(entries: Vec<T>, root: &Path) -> Result<Vec<T>> {
    ensure!(!entries.is_empty(), Format, format!("read {}", root.display()), "there is nothing of the set in it");
    Ok(entries)
}

/// An item of [`DrVctk`]: waveforms `[channels, frames]`, and what is known of them.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct DrVctkItem {
    pub clean: Tensor,
    pub clean_rate: u32,
    pub noisy: Tensor,
    pub noisy_rate: u32,
    pub speaker_id: String,
    pub utterance_id: String,
    /// What was played back.
    pub source: String,
    pub channel_id: i64,
}

/// Speech recorded again by devices, and as it was, as `torchaudio.datasets.DR_VCTK`: `DR-VCTK/DR-VCTK` in `root`.
pub struct DrVctk {
    root: PathBuf,
    subset: String,
    /// File, source, channel.
    entries: Vec<(String, String, i64)>,
}

builder! {
    /// Options of [`DrVctk`].
    pub struct DrVctkBuilder => DrVctk;
    new {
        /// The folder that holds `DR-VCTK`.
        root: ~into PathBuf,
    }
    options {
        /// `train` (unless set) or `test`.
        subset: ~into String = "train".into(),
    }
}

impl DrVctk {
    fn from_builder(b: DrVctkBuilder) -> Result<Self> {
        one_of("DrVctk", "subset", &b.subset, &["train", "test"])?;
        let root = b.root.join("DR-VCTK").join("DR-VCTK");
        let list = root.join("configurations").join(format!("{}_ch_log.txt", b.subset));
        let heads = if b.subset == "train" { 2 } else { 1 };
        let mut entries = Vec::new();
        for (i, line) in text(&list)?.lines().enumerate().skip(heads).filter(|(_, line)| !line.is_empty()) {
            let form = || malformed(&list, i, line, "<file><tab><source><tab><channel>");
            let [file, source, channel] = line.trim().split('\t').collect::<Vec<_>>()[..] else { return Err(form()) };
            below(&root, file, &list)?;
            entries.push((file.to_string(), source.to_string(), channel.parse().map_err(|_| form())?));
        }
        entries.sort();
        Ok(DrVctk { entries: some(entries, &root)?, root, subset: b.subset })
    }

    #[track_caller]
    fn item(&self, (file, source, channel_id): &(String, String, i64)) -> Result<DrVctkItem> {
        let sound = |kind: &str| io::load(self.root.join(format!("{kind}_{}set_wav_16k", self.subset)).join(file));
        let ((clean, clean_rate), (noisy, noisy_rate)) = (sound("clean")?, sound("device-recorded")?);
        let stem = file.split('.').next().unwrap_or_default();
        let Some((speaker_id, utterance_id)) = stem.split_once('_') else {
            return Err(Error::format(file, "its name is not <speaker>_<utterance>.wav"));
        };
        let (speaker_id, utterance_id) = (speaker_id.into(), utterance_id.into());
        let (source, channel_id) = (source.clone(), *channel_id);
        Ok(DrVctkItem { clean, clean_rate, noisy, noisy_rate, speaker_id, utterance_id, source, channel_id })
    }
}

/// An item of [`LibriMix`]: a mixture and what is in it, `[channels, frames]` each.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct LibriMixItem {
    pub sample_rate: u32,
    pub mixture: Tensor,
    pub sources: Vec<Tensor>,
}

/// Speakers of LibriSpeech at the same time, as `torchaudio.datasets.LibriMix`: `Libri2Mix` or `Libri3Mix` in `root`.
pub struct LibriMix {
    root: PathBuf,
    sample_rate: u32,
    folders: Vec<PathBuf>,
    /// A file in the folder of mixtures, which is the first, and in those of the sources.
    entries: Vec<String>,
}

builder! {
    /// Options of [`LibriMix`].
    pub struct LibriMixBuilder => LibriMix;
    new {
        /// The folder that holds `Libri2Mix`.
        root: ~into PathBuf,
    }
    options {
        /// `train-360` (unless set), `train-100`, `dev` or `test`.
        subset: ~into String = "train-360".into(),
        /// 2 (unless set) or 3.
        num_speakers: usize = 2,
        /// 8000 (unless set) or 16000.
        sample_rate: u32 = 8000,
        /// `sep_clean` (unless set), `sep_noisy`, `enh_single` or `enh_both`.
        task: ~into String = "sep_clean".into(),
        /// `min` (unless set): as long as the shortest of the sources; or `max`.
        mode: ~into String = "min".into(),
    }
}

impl LibriMix {
    fn from_builder(b: LibriMixBuilder) -> Result<Self> {
        one_of("LibriMix", "mode", &b.mode, &["min", "max"])?;
        one_of("LibriMix", "task", &b.task, &["sep_clean", "sep_noisy", "enh_single", "enh_both"])?;
        ensure!(
            matches!(b.sample_rate, 8000 | 16_000) && (1..=9).contains(&b.num_speakers),
            Argument,
            "LibriMix",
            "there are 8000 and 16000 Hz, and 2 or 3 speakers; not {} Hz, {} speakers",
            b.sample_rate,
            b.num_speakers
        );
        let root = b.root.join(format!("Libri{}Mix", b.num_speakers));
        let here = root.join(format!("wav{}k", b.sample_rate / 1000)).join(b.mode).join(b.subset);
        let mixture = match b.task.as_str() {
            "sep_clean" => "mix_clean",
            "enh_single" => "mix_single",
            _ => "mix_both",
        };
        let mut folders = vec![here.join(mixture)];
        match b.task.as_str() {
            "enh_both" => folders.push(here.join("mix_clean")),
            _ => folders.extend((1..=b.num_speakers).map(|i| here.join(format!("s{i}")))),
        }
        let entries = with_ending(&folders[0], ".wav")?.iter().map(|path| name(path)).collect();
        Ok(LibriMix { entries: some(entries, &root)?, root, sample_rate: b.sample_rate, folders })
    }

    /// The files of an item, from the set's folder on: that of the mixture and those of the sources.
    ///
    /// # Errors
    /// Where there is no such item.
    #[track_caller]
    pub fn get_metadata(&self, index: usize) -> Result<(u32, PathBuf, Vec<PathBuf>)> {
        let n = self.entries.len();
        ensure!(index < n, Index, "LibriMix", "index {index} is out of range for {n} items");
        let mut paths = self.folders.iter().map(|folder| {
            let path = folder.join(&self.entries[index]);
            path.strip_prefix(&self.root).map(Path::to_path_buf).unwrap_or(path)
        });
        Ok((self.sample_rate, paths.next().unwrap_or_default(), paths.collect()))
    }

    #[track_caller]
    fn item(&self, file: &str) -> Result<LibriMixItem> {
        let mut sounds = Vec::with_capacity(self.folders.len());
        for folder in &self.folders {
            let path = folder.join(file);
            let (waveform, rate) = io::load(&path)?;
            if rate != self.sample_rate {
                return Err(Error::format(&path, format!("it has {rate} Hz, not {}", self.sample_rate)));
            }
            sounds.push(waveform);
        }
        let mixture = sounds.remove(0);
        if let Some(other) = sounds.iter().find(|s| s.shape() != mixture.shape()) {
            let (a, b) = (mixture.shape(), other.shape());
            return Err(Error::format(self.folders[0].join(file), format!("a mixture {a:?}, and in it {b:?}")));
        }
        Ok(LibriMixItem { sample_rate: self.sample_rate, mixture, sources: sounds })
    }
}

/// An item of [`MusdbHq`].
#[derive(Clone, Debug)]
pub struct MusdbItem {
    /// `[sources, channels, frames]`
    pub sources: Tensor,
    /// 44100
    pub sample_rate: u32,
    /// Of each source.
    pub num_frames: usize,
    /// Of the song.
    pub name: String,
}

/// Songs in their four parts, as `torchaudio.datasets.MUSDB_HQ`: `musdb18hq` in `root`.
pub struct MusdbHq {
    root: PathBuf,
    sources: Vec<String>,
    /// The folders of songs.
    entries: Vec<PathBuf>,
}

const PARTS: [&str; 4] = ["bass", "drums", "other", "vocals"];
/// Songs of the training set that are kept for validation.
const VALIDATION: [&str; 14] = [
    "Actions - One Minute Smile",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Johnny Lokke - Promises & Lies",
    "Patrick Talbot - A Reason To Leave",
    "Triviul - Angelsaint",
    "Alexander Ross - Goodbye Bolero",
    "Fergessen - Nos Palpitants",
    "Leaf - Summerghost",
    "Skelpolu - Human Mistakes",
    "Young Griffo - Pennies",
    "ANiMAL - Rockshow",
    "James May - On The Line",
    "Meaxic - Take A Step",
    "Traffic Experiment - Sirens",
];

builder! {
    /// Options of [`MusdbHq`].
    pub struct MusdbHqBuilder => MusdbHq;
    new {
        /// The folder that holds `musdb18hq`.
        root: ~into PathBuf,
        /// `train` or `test`.
        subset: ~into String,
    }
    options {
        /// Which parts: bass, drums, other and vocals unless set; `mixture` is one, too.
        sources: ~into Vec<String> = PARTS.map(String::from).into(),
        /// `train` or `validation`, of the training set; all of it unless set.
        split: ~into Option<&'static str> = None,
    }
}

impl MusdbHq {
    fn from_builder(b: MusdbHqBuilder) -> Result<Self> {
        one_of("MusdbHq", "subset", &b.subset, &["train", "test"])?;
        for source in &b.sources {
            one_of("MusdbHq", "sources", source, &["bass", "drums", "other", "vocals", "mixture"])?;
        }
        ensure!(!b.sources.is_empty(), Argument, "MusdbHq", "there are no sources to read");
        if let Some(split) = b.split {
            one_of("MusdbHq", "split", split, &["train", "validation"])?;
            ensure!(b.subset == "train", Argument, "MusdbHq", "the subset {:?} has no split", b.subset);
        }
        let root = b.root.join("musdb18hq");
        let kept = |path: &PathBuf| VALIDATION.contains(&name(path).as_str());
        let entries = folders(&root.join(&b.subset))?
            .into_iter()
            .filter(|path| b.split.is_none_or(|split| kept(path) == (split == "validation")))
            .collect();
        Ok(MusdbHq { entries: some(entries, &root)?, root, sources: b.sources })
    }

    #[track_caller]
    fn item(&self, song: &Path) -> Result<MusdbItem> {
        let (mut sounds, mut sample_rate) = (Vec::new(), 0);
        for source in &self.sources {
            let (waveform, rate) = io::load(song.join(format!("{source}.wav")))?;
            sample_rate = rate;
            sounds.push(waveform);
        }
        let num_frames = sounds[0].size(-1)?;
        Ok(MusdbItem { sources: stack(&sounds, 0)?, sample_rate, num_frames, name: name(song) })
    }
}

/// An item of [`VoxCeleb1Verification`]: two waveforms `[channels, frames]`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct VoxCelebPair {
    pub first: Tensor,
    pub second: Tensor,
    pub sample_rate: u32,
    /// 1 where both are of one speaker, else 0.
    pub label: i64,
    pub first_id: String,
    pub second_id: String,
}

/// Whether two utterances are of one speaker, as `torchaudio.datasets.VoxCeleb1Verification`: `wav` and `veri_test.txt` in
/// `root`.
pub struct VoxCeleb1Verification {
    root: PathBuf,
    /// Label, and two paths and their names.
    entries: Vec<(i64, [(PathBuf, String); 2])>,
}

builder! {
    /// Options of [`VoxCeleb1Verification`].
    pub struct VoxCeleb1VerificationBuilder => VoxCeleb1Verification;
    new {
        /// The folder that holds `wav`.
        root: ~into PathBuf,
    }
    options {
        /// The list of pairs, `veri_test.txt` unless set.
        list: ~into String = "veri_test.txt".into(),
    }
}

impl VoxCeleb1Verification {
    fn from_builder(b: VoxCeleb1VerificationBuilder) -> Result<Self> {
        let (list, root) = (b.root.join(b.list), b.root.join("wav"));
        let mut entries = Vec::new();
        for (i, line) in text(&list)?.lines().enumerate() {
            let form = || malformed(&list, i, line, "<label> <path> <path>");
            let [label, first, second] = line.split_whitespace().collect::<Vec<_>>()[..] else { return Err(form()) };
            let told = |path: &str| Ok::<_, Error>((below(&root, path, &list)?, voxceleb_id(&list, path)?));
            entries.push((label.parse().map_err(|_| form())?, [told(first)?, told(second)?]));
        }
        Ok(VoxCeleb1Verification { entries: some(entries, &root)?, root })
    }
}

#[track_caller]
fn voxceleb_pair((label, [first, second]): &(i64, [(PathBuf, String); 2])) -> Result<VoxCelebPair> {
    let ((one, sample_rate), (two, _)) = (io::load(&first.0)?, io::load(&second.0)?);
    let (first_id, second_id) = (first.1.clone(), second.1.clone());
    Ok(VoxCelebPair { first: one, second: two, sample_rate, label: *label, first_id, second_id })
}

sets! {
    DrVctk: DrVctkItem, |this, entry| this.item(entry);
    LibriMix: LibriMixItem, |this, entry| this.item(entry);
    MusdbHq: MusdbItem, |this, entry| this.item(entry);
    VoxCeleb1Verification: VoxCelebPair, |_this, entry| voxceleb_pair(entry);
}

/// How words are pronounced, as `torchaudio.datasets.CMUDict`: `cmudict-0.7b` in `root`. An item is a word, in capitals,
/// and its phones; a word that is said in several ways is there several times.
pub struct CmuDict {
    root: PathBuf,
    entries: Vec<(String, Vec<String>)>,
    symbols: Vec<String>,
}

builder! {
    /// Options of [`CmuDict`].
    pub struct CmuDictBuilder => CmuDict;
    new {
        /// The folder that holds `cmudict-0.7b` and `cmudict-0.7b.symbols`.
        root: ~into PathBuf,
    }
    options {
        /// Leave out what signs are called, as `!EXCLAMATION-POINT` (unless set), or have the signs themselves.
        exclude_punctuations: bool = true,
    }
}

impl CmuDict {
    fn from_builder(b: CmuDictBuilder) -> Result<Self> {
        let list = b.root.join("cmudict-0.7b");
        // Names are in Latin-1.
        let bytes = std::fs::read(&list).map_err(|e| Error::io("read", &list, e))?;
        let text_of_words: String = bytes.iter().map(|b| char::from(*b)).collect();
        let mut entries = Vec::new();
        for (i, line) in text_of_words.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with(";;;")) {
            let Some((word, phones)) = line.trim().split_once("  ") else {
                return Err(malformed(&list, i, line, "<word>  <phones>"));
            };
            let mut word = without_number(word);
            if word.len() > 1 && !word.starts_with(|c: char| c.is_alphanumeric()) && is_sign(word) {
                if b.exclude_punctuations {
                    continue;
                }
                let sign = if word.starts_with("...") {
                    3
                } else if word.starts_with("--") {
                    2
                } else {
                    1
                };
                word = &word[..sign];
            }
            entries.push((word.to_string(), phones.split(' ').map(String::from).collect()));
        }
        let symbols = text(&b.root.join("cmudict-0.7b.symbols"))?.lines().map(|l| l.trim().to_string()).collect();
        Ok(CmuDict { entries: some(entries, &b.root)?, root: b.root, symbols })
    }

    /// The phones that there are, those of vowels with and without their stress.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }
}

/// `ABLE(1)` to `ABLE`.
fn without_number(word: &str) -> &str {
    match word.strip_suffix(')').and_then(|w| w.rsplit_once('(')) {
        Some((stem, digits)) if !digits.is_empty() && digits.bytes().all(|d| d.is_ascii_digit()) => stem,
        _ => word,
    }
}

/// Is it the name of a sign, which stands before it, and not a word such as `'TIS`?
fn is_sign(word: &str) -> bool {
    match word.as_bytes()[0] {
        // Words begin with an apostrophe, too.
        b'\'' => ["'END-INNER-QUOTE", "'END-QUOTE", "'INNER-QUOTE", "'QUOTE", "'SINGLE-QUOTE"].contains(&word),
        first => first.is_ascii_punctuation(),
    }
}

sets! {
    CmuDict: (String, Vec<String>), |_this, entry| Ok(entry.clone());
}
