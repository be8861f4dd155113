//! Sets of read and spoken sentences with their texts.

use super::corpus::{About, Corpus, Entry, below, malformed, one_of, stem, text};
use super::libri::{folders, with_ending};
use super::name;
use super::options::TransformSlot;
use flambeau_tensor::{Error, Result, builder};
use std::path::PathBuf;

/// What is known of an utterance of [`CmuArctic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmuArcticAbout {
    /// What is said.
    pub transcript: String,
    /// The sentence, as `a0001`.
    pub utterance_id: String,
}

impl About for CmuArcticAbout {
    const NAME: &'static str = "CmuArctic";
}

/// Sentences by one of eighteen speakers, as `torchaudio.datasets.CMUARCTIC`: `ARCTIC/cmu_us_<url>_arctic` in `root`.
pub type CmuArctic = Corpus<CmuArcticAbout>;

builder! {
    /// Options of [`CmuArctic`].
    pub struct CmuArcticBuilder => CmuArctic;
    new {
        /// The folder that holds `ARCTIC`.
        root: ~into PathBuf,
    }
    options {
        /// Who speaks, `aew` unless set.
        url: ~into String = "aew".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl CmuArctic {
    fn from_builder(b: CmuArcticBuilder) -> Result<Self> {
        let root = b.root.join("ARCTIC").join(format!("cmu_us_{}_arctic", b.url));
        let list = root.join("etc").join("txt.done.data");
        let mut all = Vec::new();
        for (i, line) in text(&list)?.lines().enumerate() {
            let form = || malformed(&list, i, line, "( <name> \"<text>\" )");
            let inner = line.trim().strip_prefix("( ").and_then(|l| l.strip_suffix(" )")).ok_or_else(form)?;
            let (id, quoted) = inner.split_once(' ').ok_or_else(form)?;
            let transcript = quoted.strip_prefix('"').and_then(|t| t.strip_suffix('"')).ok_or_else(form)?;
            let about = CmuArcticAbout {
                transcript: transcript.into(),
                utterance_id: id.split('_').nth(1).ok_or_else(form)?.into(),
            };
            all.push(Entry::new(below(&root.join("wav"), &format!("{id}.wav"), &list)?, about));
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of an utterance of [`LjSpeech`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LjSpeechAbout {
    /// As it is written in the book.
    pub transcript: String,
    /// As it is said, numbers in words.
    pub normalized_transcript: String,
}

impl About for LjSpeechAbout {
    const NAME: &'static str = "LjSpeech";
}

/// One woman reading from seven books, as `torchaudio.datasets.LJSPEECH`: `LJSpeech-1.1` in `root`.
pub type LjSpeech = Corpus<LjSpeechAbout>;

builder! {
    /// Options of [`LjSpeech`].
    pub struct LjSpeechBuilder => LjSpeech;
    new {
        /// The folder that holds `LJSpeech-1.1`.
        root: ~into PathBuf,
    }
    options {
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl LjSpeech {
    fn from_builder(b: LjSpeechBuilder) -> Result<Self> {
        let root = b.root.join("LJSpeech-1.1");
        let list = root.join("metadata.csv");
        let mut all = Vec::new();
        for (i, line) in text(&list)?.lines().enumerate() {
            let fields: Vec<&str> = line.split('|').collect();
            let [id, transcript, normalized] = fields[..] else {
                return Err(malformed(&list, i, line, "<name>|<text>|<text>"));
            };
            let about = LjSpeechAbout { transcript: transcript.into(), normalized_transcript: normalized.into() };
            all.push(Entry::new(below(&root.join("wavs"), &format!("{id}.wav"), &list)?, about));
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of an utterance of [`Vctk092`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VctkAbout {
    /// What is said, the first line of its file.
    pub transcript: String,
    /// Who speaks, as `p225`.
    pub speaker_id: String,
    /// The sentence, as `001`.
    pub utterance_id: String,
}

impl About for VctkAbout {
    const NAME: &'static str = "Vctk092";
}

/// Sentences by 110 speakers, as `torchaudio.datasets.VCTK_092`: `VCTK-Corpus-0.92` in `root`. Of p280 there is no second
/// microphone, and of p362 some recordings are missing; both are left out.
pub type Vctk092 = Corpus<VctkAbout>;

builder! {
    /// Options of [`Vctk092`].
    pub struct Vctk092Builder => Vctk092;
    new {
        /// The folder that holds `VCTK-Corpus-0.92`.
        root: ~into PathBuf,
    }
    options {
        /// The microphone, `mic1` or `mic2` (unless set).
        mic_id: ~into String = "mic2".into(),
        /// What the files end in, `.flac` unless set.
        audio_ext: ~into String = ".flac".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Vctk092 {
    fn from_builder(b: Vctk092Builder) -> Result<Self> {
        one_of("Vctk092", "mic_id", &b.mic_id, &["mic1", "mic2"])?;
        let root = b.root.join("VCTK-Corpus-0.92");
        let mut all = Vec::new();
        for folder in folders(&root.join("txt"))? {
            let speaker = name(&folder);
            if speaker == "p280" && b.mic_id == "mic2" {
                continue;
            }
            for file in with_ending(&folder, ".txt")? {
                let id = stem(&file);
                let sound = root.join("wav48_silence_trimmed").join(&speaker);
                let path = sound.join(format!("{id}_{}{}", b.mic_id, b.audio_ext));
                if speaker == "p362" && !path.is_file() {
                    continue;
                }
                let Some((speaker_id, utterance_id)) = id.split_once('_') else {
                    return Err(Error::format(&file, "its name is not <speaker>_<utterance>.txt"));
                };
                let about = VctkAbout {
                    transcript: text(&file)?.split_inclusive('\n').next().unwrap_or("").into(),
                    speaker_id: speaker_id.into(),
                    utterance_id: utterance_id.into(),
                };
                all.push(Entry::new(path, about));
            }
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of an utterance of [`CommonVoice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonVoiceAbout {
    /// The columns of the list, by the names in its first line.
    pub fields: Vec<(String, String)>,
}

impl CommonVoiceAbout {
    /// The column of this name, as `"sentence"`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl About for CommonVoiceAbout {
    const NAME: &'static str = "CommonVoice";
}

/// Sentences that everybody may give, as `torchaudio.datasets.COMMONVOICE`: `clips` and lists in `root`, the folder of a
/// language.
pub type CommonVoice = Corpus<CommonVoiceAbout>;

builder! {
    /// Options of [`CommonVoice`].
    pub struct CommonVoiceBuilder => CommonVoice;
    new {
        /// The folder that holds `clips`.
        root: ~into PathBuf,
    }
    options {
        /// The list, `train.tsv` unless set.
        tsv: ~into String = "train.tsv".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl CommonVoice {
    fn from_builder(b: CommonVoiceBuilder) -> Result<Self> {
        let (list, clips) = (b.root.join(b.tsv), b.root.join("clips"));
        let all = text(&list)?;
        let mut lines = all.lines().enumerate();
        let header: Vec<&str> = lines.next().map(|(_, line)| line.split('\t').collect()).unwrap_or_default();
        if header.get(1) != Some(&"path") {
            return Err(Error::format(&list, "its second column is not \"path\""));
        }
        let mut entries = Vec::new();
        for (i, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let fields: Vec<&str> = line.split('\t').collect();
            let Some(file) = fields.get(1) else { return Err(malformed(&list, i, line, "of several columns")) };
            let file = if file.ends_with(".mp3") { (*file).to_string() } else { format!("{file}.mp3") };
            let fields = header.iter().zip(&fields).map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect();
            entries.push(Entry::new(below(&clips, &file, &list)?, CommonVoiceAbout { fields }));
        }
        Corpus::of(b.root, entries, b.transform)
    }
}

/// What is known of an utterance of [`Tedlium`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TedliumAbout {
    /// What is said, to the end of its line.
    pub transcript: String,
    /// Of which talk.
    pub talk_id: String,
    /// Who speaks.
    pub speaker_id: String,
    /// What else is told, as `<o,f0,male>`.
    pub identifier: String,
}

impl About for TedliumAbout {
    const NAME: &'static str = "Tedlium";
}

/// Sentences from talks, as `torchaudio.datasets.TEDLIUM`: `TEDLIUM_release1` or another release in `root`. Each is a part
/// of a file.
pub type Tedlium = Corpus<TedliumAbout>;

builder! {
    /// Options of [`Tedlium`].
    pub struct TedliumBuilder => Tedlium;
    new {
        /// The folder that holds the release.
        root: ~into PathBuf,
    }
    options {
        /// `release1` (unless set), `release2` or `release3`.
        release: ~into String = "release1".into(),
        /// `train` (unless set), `dev` or `test`.
        subset: ~into String = "train".into(),
        /// What the files end in, `.sph` unless set.
        audio_ext: ~into String = ".sph".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Tedlium {
    fn from_builder(b: TedliumBuilder) -> Result<Self> {
        one_of("Tedlium", "subset", &b.subset, &["train", "dev", "test"])?;
        one_of("Tedlium", "release", &b.release, &["release1", "release2", "release3"])?;
        let root = match (b.release.as_str(), b.subset.as_str()) {
            ("release3", "train") => b.root.join("TEDLIUM_release-3").join("data"),
            ("release3", subset) => b.root.join("TEDLIUM_release-3").join("legacy").join(subset),
            (release, subset) => b.root.join(format!("TEDLIUM_{release}")).join(subset),
        };
        let mut all = Vec::new();
        for list in with_ending(&root.join("stm"), ".stm")? {
            for (i, line) in text(&list)?.split_inclusive('\n').enumerate() {
                let words: Vec<&str> = line.splitn(7, ' ').collect();
                let form = || malformed(&list, i, line, "<talk> <channel> <speaker> <from> <to> <more> <text>");
                let [talk, _, speaker, from, to, identifier, transcript] = words[..] else { return Err(form()) };
                let second = |word: &str| match word.parse::<f64>() {
                    Ok(second) if second >= 0.0 => Ok(second),
                    _ => Err(form()),
                };
                let about = TedliumAbout {
                    transcript: transcript.into(),
                    talk_id: talk.into(),
                    speaker_id: speaker.into(),
                    identifier: identifier.into(),
                };
                let path = below(&root.join("sph"), &format!("{talk}{}", b.audio_ext), &list)?;
                all.push(Entry { path, part: Some((second(from)?, second(to)?)), about });
            }
        }
        Corpus::of(root, all, b.transform)
    }
}
