//! Sets of recordings with a label: genre, emotion, language, intent, speaker.

use super::corpus::{About, Corpus, Entry, below, csv, malformed, number, one_of, stem, text};
use super::libri::{folders, with_ending};
use super::name;
use super::options::TransformSlot;
use flambeau_tensor::{Error, Result, builder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is known of a piece of [`Gtzan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtzanAbout {
    /// The genre.
    pub label: String,
}

impl About for GtzanAbout {
    const NAME: &'static str = "Gtzan";
}

const GENRES: [&str; 10] =
    ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];

/// A thousand pieces of music of ten genres, as `torchaudio.datasets.GTZAN` without a subset: `genres/<genre>/*.wav` in
/// `root`.
pub type Gtzan = Corpus<GtzanAbout>;

builder! {
    /// Options of [`Gtzan`].
    pub struct GtzanBuilder => Gtzan;
    new {
        /// The folder that holds `genres`.
        root: ~into PathBuf,
    }
    options {
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Gtzan {
    fn from_builder(b: GtzanBuilder) -> Result<Self> {
        let root = b.root.join("genres");
        let mut all = Vec::new();
        for folder in GENRES.iter().map(|genre| root.join(genre)).filter(|folder| folder.is_dir()) {
            for path in with_ending(&folder, ".wav")? {
                let id = stem(&path);
                // `<genre>.<five digits>`
                let Some((genre, digits)) = id.split_once('.') else { continue };
                if GENRES.contains(&genre) && digits.len() == 5 && digits.bytes().all(|d| d.is_ascii_digit()) {
                    let label = genre.to_string();
                    // The name tells the genre, wherever the file lies.
                    let path = root.join(genre).join(name(&path));
                    all.push(Entry::new(path, GtzanAbout { label }));
                }
            }
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of an utterance of [`Iemocap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IemocapAbout {
    /// The file's name.
    pub utterance_id: String,
    /// `neu`, `hap`, `ang`, `sad`, `exc` or `fru`.
    pub label: String,
    /// Who speaks.
    pub speaker: String,
}

impl About for IemocapAbout {
    const NAME: &'static str = "Iemocap";
}

/// Dialogues with emotion, as `torchaudio.datasets.IEMOCAP`: `IEMOCAP/Session<n>` in `root`.
pub type Iemocap = Corpus<IemocapAbout>;

builder! {
    /// Options of [`Iemocap`].
    pub struct IemocapBuilder => Iemocap;
    new {
        /// The folder that holds `IEMOCAP`.
        root: ~into PathBuf,
    }
    options {
        /// Which sessions, all five unless set.
        sessions: ~into Vec<u32> = vec![1, 2, 3, 4, 5],
        /// `scripted` or `improvised`; both unless set.
        utterance_type: ~into Option<&'static str> = None,
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Iemocap {
    fn from_builder(b: IemocapBuilder) -> Result<Self> {
        if let Some(kind) = b.utterance_type {
            one_of("Iemocap", "utterance_type", kind, &["scripted", "improvised"])?;
        }
        let part = match b.utterance_type {
            None => "",
            Some("scripted") => "script",
            Some(_) => "impro",
        };
        let root = b.root.join("IEMOCAP");
        let mut all = Vec::new();
        for session in b.sessions {
            let session = root.join(format!("Session{session}"));
            let mut labels = HashMap::new();
            for list in with_ending(&session.join("dialog").join("EmoEvaluation"), ".txt")? {
                if !name(&list).contains(part) {
                    continue;
                }
                for line in text(&list)?.lines().filter(|line| line.starts_with('[')) {
                    let fields: Vec<&str> = line.split('\t').collect();
                    if let [_, id, label, ..] = fields[..] {
                        if ["neu", "hap", "ang", "sad", "exc", "fru"].contains(&label) {
                            labels.insert(id.to_string(), label.to_string());
                        }
                    }
                }
            }
            for dialog in folders(&session.join("sentences").join("wav"))? {
                for path in with_ending(&dialog, ".wav")? {
                    let id = stem(&path);
                    if let Some(label) = labels.get(&id) {
                        let speaker = id.split('_').next().unwrap_or("").to_string();
                        let about = IemocapAbout { utterance_id: id, label: label.clone(), speaker };
                        all.push(Entry::new(path, about));
                    }
                }
            }
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of a query or document of [`Quesst14`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quesst14About {
    /// The file's name.
    pub file_name: String,
    /// Which language is spoken.
    pub language: String,
}

impl About for Quesst14About {
    const NAME: &'static str = "Quesst14";
}

/// Spoken queries, and the documents to find them in, as `torchaudio.datasets.QUESST14`: `quesst14Database` in `root`.
pub type Quesst14 = Corpus<Quesst14About>;

builder! {
    /// Options of [`Quesst14`].
    pub struct Quesst14Builder => Quesst14;
    new {
        /// The folder that holds `quesst14Database`.
        root: ~into PathBuf,
        /// `docs`, `dev` or `eval`.
        subset: ~into String,
    }
    options {
        /// One language alone, as `nnenglish` (which is torchaudio's default); all unless set.
        language: ~into Option<String> = None,
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Quesst14 {
    fn from_builder(b: Quesst14Builder) -> Result<Self> {
        one_of("Quesst14", "subset", &b.subset, &["docs", "dev", "eval"])?;
        let root = b.root.join("quesst14Database");
        let list = if b.subset == "docs" { "utterances" } else { b.subset.as_str() };
        let list = root.join("scoring").join(format!("language_key_{list}.lst"));
        let mut all = Vec::new();
        for (i, line) in text(&list)?.lines().enumerate() {
            let form = || malformed(&list, i, line, "<path> <language>");
            let (path, language) = line.trim().split_once(char::is_whitespace).ok_or_else(form)?;
            if b.language.as_ref().is_some_and(|wanted| wanted != language.trim()) {
                continue;
            }
            let path = below(&root, path.split_once('/').ok_or_else(form)?.1, &list)?;
            let about = Quesst14About { file_name: stem(&path), language: language.trim().into() };
            all.push(Entry::new(path, about));
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of a command of [`FluentSpeechCommands`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluentSpeechAbout {
    /// The file's name.
    pub file_name: String,
    /// Who speaks.
    pub speaker_id: String,
    /// What is said.
    pub transcription: String,
    /// What is to be done.
    pub action: String,
    /// To what.
    pub object: String,
    /// Where.
    pub location: String,
}

impl About for FluentSpeechAbout {
    const NAME: &'static str = "FluentSpeechCommands";
}

/// Commands to a house, as `torchaudio.datasets.FluentSpeechCommands`: `fluent_speech_commands_dataset` in `root`.
pub type FluentSpeechCommands = Corpus<FluentSpeechAbout>;

builder! {
    /// Options of [`FluentSpeechCommands`].
    pub struct FluentSpeechCommandsBuilder => FluentSpeechCommands;
    new {
        /// The folder that holds `fluent_speech_commands_dataset`.
        root: ~into PathBuf,
    }
    options {
        /// `train` (unless set), `valid` or `test`.
        subset: ~into String = "train".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl FluentSpeechCommands {
    fn from_builder(b: FluentSpeechCommandsBuilder) -> Result<Self> {
        one_of("FluentSpeechCommands", "subset", &b.subset, &["train", "valid", "test"])?;
        let root = b.root.join("fluent_speech_commands_dataset");
        let list = root.join("data").join(format!("{}_data.csv", b.subset));
        let rows = csv(&text(&list)?);
        let mut all = Vec::new();
        for (i, row) in rows.iter().enumerate().skip(1) {
            let [_, path, speaker_id, transcription, action, object, location] = &row[..] else {
                return Err(malformed(&list, i, &row.join(","), "of seven columns"));
            };
            let file = path.rsplit('/').next().unwrap_or_default();
            let file_name = file.split('.').next().unwrap_or_default().to_string();
            let place = format!("wavs/speakers/{speaker_id}/{file_name}.wav");
            let about = FluentSpeechAbout {
                file_name,
                speaker_id: speaker_id.clone(),
                transcription: transcription.clone(),
                action: action.clone(),
                object: object.clone(),
                location: location.clone(),
            };
            all.push(Entry::new(below(&root, &place, &list)?, about));
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of a command of [`Snips`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnipsAbout {
    /// The file's name.
    pub file_name: String,
    /// What is said.
    pub transcript: String,
    /// What each word is to the intent: inside, outside, at the beginning.
    pub iob: String,
    /// What is wanted.
    pub intent: String,
}

impl About for SnipsAbout {
    const NAME: &'static str = "Snips";
}

const SPEAKERS: [&str; 16] = [
    "Aditi", "Amy", "Brian", "Emma", "Geraint", "Ivy", "Joanna", "Joey", "Justin", "Kendra", "Kimberly", "Matthew",
    "Nicole", "Raveena", "Russell", "Salli",
];

/// Commands to an assistant, by synthetic voices, as `torchaudio.datasets.Snips`: `SNIPS` in `root`.
pub type Snips = Corpus<SnipsAbout>;

builder! {
    /// Options of [`Snips`].
    pub struct SnipsBuilder => Snips;
    new {
        /// The folder that holds `SNIPS`.
        root: ~into PathBuf,
        /// `train`, `valid` or `test`.
        subset: ~into String,
    }
    options {
        /// These voices alone, all sixteen unless set.
        speakers: ~into Vec<String> = SPEAKERS.map(String::from).into(),
        /// `mp3` (unless set) or `wav`.
        audio_format: ~into String = "mp3".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl Snips {
    fn from_builder(b: SnipsBuilder) -> Result<Self> {
        one_of("Snips", "subset", &b.subset, &["train", "valid", "test"])?;
        one_of("Snips", "audio_format", &b.audio_format, &["mp3", "wav"])?;
        let root = b.root.join("SNIPS");
        let list = root.join("all.iob.snips.txt");
        let mut labels = HashMap::new();
        for (i, line) in text(&list)?.lines().enumerate() {
            let form = || malformed(&list, i, line, "<name> BOS <words> EOS<tab>O <marks> <intent>");
            let (id, rest) = line.trim().split_once(' ').ok_or_else(form)?;
            let (words, marks) = rest.split_once('\t').ok_or_else(form)?;
            // Without the first and the last.
            let inner =
                |text: &str| text.split_once(' ').and_then(|(_, t)| t.rsplit_once(' ')).map(|(t, _)| t.to_string());
            let intent = marks.rsplit(' ').next().unwrap_or_default().to_string();
            labels.insert(id.to_string(), (inner(words).unwrap_or_default(), inner(marks).unwrap_or_default(), intent));
        }
        let mut all = Vec::new();
        for path in with_ending(&root.join(&b.subset), &format!(".{}", b.audio_format))? {
            let file_name = stem(&path);
            if !b.speakers.iter().any(|speaker| file_name.split('-').next() == Some(speaker)) {
                continue;
            }
            let Some((transcript, iob, intent)) = labels.get(&file_name).cloned() else {
                return Err(Error::format(&list, format!("there is no line of {file_name}")));
            };
            all.push(Entry::new(path, SnipsAbout { file_name, transcript, iob, intent }));
        }
        Corpus::of(root, all, b.transform)
    }
}

/// What is known of an utterance of [`VoxCeleb1Identification`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoxCelebAbout {
    /// Who speaks, from 1.
    pub speaker_id: i64,
    /// Speaker, video and part of it.
    pub file_id: String,
}

impl About for VoxCelebAbout {
    const NAME: &'static str = "VoxCeleb1Identification";
}

/// Who speaks of 1251, as `torchaudio.datasets.VoxCeleb1Identification`: `wav` and `iden_split.txt` in `root`.
pub type VoxCeleb1Identification = Corpus<VoxCelebAbout>;

builder! {
    /// Options of [`VoxCeleb1Identification`].
    pub struct VoxCeleb1IdentificationBuilder => VoxCeleb1Identification;
    new {
        /// The folder that holds `wav`.
        root: ~into PathBuf,
    }
    options {
        /// `train` (unless set), `dev` or `test`.
        subset: ~into String = "train".into(),
        /// What is done to each waveform: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl VoxCeleb1Identification {
    fn from_builder(b: VoxCeleb1IdentificationBuilder) -> Result<Self> {
        one_of("VoxCeleb1Identification", "subset", &b.subset, &["train", "dev", "test"])?;
        let wanted = if b.subset == "train" {
            "1"
        } else if b.subset == "dev" {
            "2"
        } else {
            "3"
        };
        let (list, root) = (b.root.join("iden_split.txt"), b.root.join("wav"));
        let mut paths = Vec::new();
        for (i, line) in text(&list)?.lines().enumerate() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                [part, path] if part == wanted => paths.push(path.to_string()),
                [_, _] => {}
                _ => return Err(malformed(&list, i, line, "<part> <path>")),
            }
        }
        paths.sort();
        let mut all = Vec::new();
        for told in paths {
            let path = below(&root, &told, &list)?;
            let file_id = voxceleb_id(&list, &told)?;
            let digits = file_id.split('-').next().unwrap_or_default().replace("id10", "");
            let about = VoxCelebAbout { speaker_id: number(&path, &digits)?, file_id };
            all.push(Entry::new(path, about));
        }
        Corpus::of(root, all, b.transform)
    }
}

/// Speaker, video and part of a path `…/<speaker>/<video>/<part>.wav`.
pub(super) fn voxceleb_id(list: &Path, told: &str) -> Result<String> {
    let parts: Vec<&str> = told.rsplitn(4, '/').collect();
    let [part, video, speaker, ..] = parts[..] else {
        return Err(Error::format(list, format!("{told:?} is not <speaker>/<video>/<part>.wav")));
    };
    Ok(format!("{speaker}-{video}-{}", part.replace(".wav", "")))
}
