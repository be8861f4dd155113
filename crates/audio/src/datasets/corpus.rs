//! What the sets of recordings have in common: files, and what is known of each.

use super::options::Ready;
use super::{Dataset, name};
use crate::io;
use flambeau_tensor::{Error, Result, Tensor, ensure};
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// What is known of a recording besides its sound; each set has its own.
pub trait About: Clone + fmt::Debug + Send + Sync + 'static {
    /// The set's name.
    const NAME: &'static str;
}

/// A set of recordings, each with what is known of it. The item is an [`Utterance`], read when it is asked for.
pub struct Corpus<A> {
    root: PathBuf,
    entries: Vec<Entry<A>>,
    transform: Ready,
}

/// A recording, or a part of one.
pub(super) struct Entry<A> {
    pub path: PathBuf,
    /// From and to which second.
    pub part: Option<(f64, f64)>,
    pub about: A,
}

impl<A> Entry<A> {
    pub fn new(path: PathBuf, about: A) -> Self {
        Entry { path, part: None, about }
    }
}

/// An item of a [`Corpus`].
#[derive(Clone, Debug)]
pub struct Utterance<A> {
    /// `[channels, frames]`, after the set's transform.
    pub waveform: Tensor,
    /// Of the file.
    pub sample_rate: u32,
    /// What is known of it.
    pub about: A,
}

/// What [`Corpus::get_metadata`] tells of an item without its sound.
#[derive(Clone, Debug)]
pub struct Metadata<A> {
    /// The file, from the set's folder on.
    pub path: PathBuf,
    /// Of the file.
    pub sample_rate: u32,
    /// Of the file.
    pub num_frames: usize,
    /// What is known of it.
    pub about: A,
}

impl<A: About> Corpus<A> {
    #[track_caller]
    pub(super) fn of(root: PathBuf, entries: Vec<Entry<A>>, transform: super::TransformSlot) -> Result<Self> {
        ensure!(
            !entries.is_empty(),
            Format,
            format!("read {}", root.display()),
            "there is no recording of {} in it",
            A::NAME
        );
        Ok(Corpus { root, entries, transform: transform.ready()? })
    }

    /// What is known of item `index` without its sound; reads the head of its file.
    ///
    /// # Errors
    /// Where there is no such item, or its file cannot be read.
    #[track_caller]
    pub fn get_metadata(&self, index: usize) -> Result<Metadata<A>> {
        let entry = self.entry(index)?;
        let info = io::info(&entry.path)?;
        Ok(Metadata {
            path: entry.path.strip_prefix(&self.root).unwrap_or(&entry.path).to_path_buf(),
            sample_rate: info.sample_rate,
            num_frames: info.num_frames,
            about: entry.about.clone(),
        })
    }

    /// What is known of each item, without a look at its file.
    pub fn abouts(&self) -> impl Iterator<Item = &A> {
        self.entries.iter().map(|entry| &entry.about)
    }

    #[track_caller]
    fn entry(&self, index: usize) -> Result<&Entry<A>> {
        let n = self.entries.len();
        ensure!(index < n, Index, A::NAME, "index {index} is out of range for {n} recordings");
        Ok(&self.entries[index])
    }
}

impl<A: About> Dataset for Corpus<A> {
    type Item = Utterance<A>;

    fn len(&self) -> usize {
        self.entries.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Utterance<A>> {
        let Entry { path, part, about } = self.entry(index)?;
        let load = match part {
            None => io::load_with(path),
            Some((from, to)) => {
                let rate = f64::from(io::info(path)?.sample_rate);
                let (from, to) = ((from * rate) as usize, (to * rate) as usize);
                io::load_with(path).frame_offset(from).num_frames(to.saturating_sub(from))
            }
        };
        let (waveform, sample_rate) = load.build()?;
        Ok(Utterance { waveform: self.transform.apply(waveform)?, sample_rate, about: about.clone() })
    }
}

impl<A: About> fmt::Debug for Corpus<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} recordings in {})", A::NAME, self.entries.len(), self.root.display())
    }
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

/// A path that a list tells, below `root`.
///
/// # Errors
/// Where it would lead out of there.
pub(super) fn below(root: &Path, told: &str, list: &Path) -> Result<PathBuf> {
    match Path::new(told).components().all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(root.join(told)),
        false => Err(Error::format(list, format!("{told:?} leads out of the set"))),
    }
}

/// The file's name without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A line of a list that has another form.
pub(super) fn malformed(list: &Path, number: usize, line: &str, form: &str) -> Error {
    Error::format(list, format!("line {} is {line:?}, not {form}", number + 1))
}

/// A number in a name.
pub(super) fn number<T: std::str::FromStr>(path: &Path, word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::format(path, format!("{word:?} in {:?} is no number", name(path))))
}

/// One of the words that an option may be.
#[track_caller]
pub(super) fn one_of(set: &'static str, option: &str, given: &str, words: &[&str]) -> Result<()> {
    ensure!(words.contains(&given), Argument, set, "{option} {given:?} must be one of {words:?}");
    Ok(())
}

/// The fields of lines with commas between them, quoted where they hold commas, quotes or ends of lines.
pub(super) fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut characters) = (false, text.chars().peekable());
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}
