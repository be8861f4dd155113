//! `cargo xtask data`: makes the data that ships with the repository again from its sources.
//!
//! [`digits`] turns the handwritten digits of the scikit-learn wheel into MNIST's files,
//! [`spoken`] has `espeak-ng` speak ten words in many voices, [`text`] takes a play out of an archive,
//! [`photos`] takes photographs out of the scikit-image wheel, [`fashion`] articles of clothing out of a Debian package. They give the same bytes from the same sources, so that a
//! rerun shows in version control only if a source has changed.

pub mod digits;
pub mod fashion;
pub mod photos;
pub mod spoken;
pub mod text;
mod wave;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::{Result, workspace_root};

/// A part of the data that can be made alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// A photograph of coins.
    Coins,
    /// Handwritten digits in MNIST's files.
    Digits,
    /// Articles of clothing in MNIST's files.
    Fashion,
    /// Photographs.
    Photos,
    /// Spoken digits, one folder a word.
    Spoken,
    /// A play.
    Text,
}

/// Makes the data, all of it or one part, in `out` or else in the repository's `data/`.
///
/// # Errors
/// If a source cannot be had or is not what it should be, or the result cannot be written.
pub fn run(only: Option<Part>, out: Option<PathBuf>, wheel: Option<&Path>) -> Result<()> {
    let out = out.unwrap_or_else(|| workspace_root().join("data"));
    let wanted = |part: Part| only.is_none_or(|only| only == part);
    if wanted(Part::Coins) {
        photos::make_coins(&out.join("coins"))?;
    }
    if wanted(Part::Photos) {
        photos::make_photos(&out.join("photos"))?;
    }
    if wanted(Part::Digits) {
        digits::make(&out.join("digits"), wheel)?;
    }
    if wanted(Part::Fashion) {
        fashion::make(&out.join("fashion"))?;
    }
    if wanted(Part::Spoken) {
        spoken::make(&out.join("spoken_digits"))?;
    }
    if wanted(Part::Text) {
        text::make(&out.join("shakespeare"))?;
    }
    Ok(())
}
