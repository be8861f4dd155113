//! Sets of recordings, as `torchaudio.datasets`.
//!
//! Each reads what lies in a folder, in the form in which its archive comes; nothing is downloaded. A recording is read
//! when it is asked for. Most are a [`Corpus`]: an item is an [`Utterance`], and [`Corpus::get_metadata`] tells what is
//! known of one without reading its sound.
//!
//! ```no_run
//! use flambeau_audio::datasets::{Dataset, LibriSpeech};
//!
//! let books = LibriSpeech::new("/data").url("dev-clean").build()?;
//! let first = books.get(0)?;
//! println!("{:?} {} Hz: {}", first.waveform.shape(), first.sample_rate, first.about.transcript);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod corpus;
mod labels;
mod libri;
mod options;
mod pairs;
mod speech;
mod speech_commands;
mod yesno;

pub use corpus::{About, Corpus, Metadata, Utterance};
pub use labels::{
    FluentSpeechAbout, FluentSpeechCommands, FluentSpeechCommandsBuilder, Gtzan, GtzanAbout, GtzanBuilder, Iemocap,
    IemocapAbout, IemocapBuilder, Quesst14, Quesst14About, Quesst14Builder, Snips, SnipsAbout, SnipsBuilder,
    VoxCeleb1Identification, VoxCeleb1IdentificationBuilder, VoxCelebAbout,
};
pub use libri::{
    LibriLightAbout, LibriLightLimited, LibriLightLimitedBuilder, LibriSpeech, LibriSpeechAbout, LibriSpeechBiasing,
    LibriSpeechBiasingAbout, LibriSpeechBiasingBuilder, LibriSpeechBuilder, LibriTts, LibriTtsAbout, LibriTtsBuilder,
};
pub use options::TransformSlot;
pub use pairs::{
    CmuDict, CmuDictBuilder, DrVctk, DrVctkBuilder, DrVctkItem, LibriMix, LibriMixBuilder, LibriMixItem, MusdbHq,
    MusdbHqBuilder, MusdbItem, VoxCeleb1Verification, VoxCeleb1VerificationBuilder, VoxCelebPair,
};
pub use speech::{
    CmuArctic, CmuArcticAbout, CmuArcticBuilder, CommonVoice, CommonVoiceAbout, CommonVoiceBuilder, LjSpeech,
    LjSpeechAbout, LjSpeechBuilder, Tedlium, TedliumAbout, TedliumBuilder, Vctk092, Vctk092Builder, VctkAbout,
};
pub use speech_commands::{Recording, SpeechCommands, SpeechCommandsBuilder, Subset};
pub use yesno::{Yesno, YesnoBuilder};

#[doc(no_inline)]
pub use flambeau_data::Dataset;

use flambeau_tensor::{Error, Result};
use std::path::{Path, PathBuf};

/// What is in `folder`, in the order of the names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))?;
    let mut paths = list.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>();
    if let Ok(paths) = &mut paths {
        paths.sort();
    }
    paths.map_err(|e| Error::io("read", folder, e))
}

/// The last part of a path as text.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
