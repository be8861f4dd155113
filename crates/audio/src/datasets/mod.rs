//! Sets of recordings, as `torchaudio.datasets`: Speech Commands and what lies in its form, YesNo.
//!
//! Each reads what lies in a folder; nothing is downloaded. A recording is read when it is asked for.

mod options;
mod speech_commands;
mod yesno;

pub use options::TransformSlot;
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
