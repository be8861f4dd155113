//! The play that `char_gpt` and `lstm_tagger` read: out of the source release of Brotli, which carries it to be compressed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, run, workspace_root};

/// The release that the text is read from. Nothing of it is run.
const RELEASE: &str = "brotli==1.1.0";
/// Where the text stands in it.
const ENTRY: &str = "Brotli-1.1.0/tests/testdata/asyoulik.txt";
/// How it begins, and how long it is.
const TITLE: &str = "\tAS YOU LIKE IT\n";
const BYTES: usize = 125_179;

/// Writes `folder/as_you_like_it.txt`.
///
/// # Errors
/// If the release is not to be had or is not as expected, or the file cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    let source = fetch()?;
    let archive = find_archive(&source).ok_or_else(|| format!("pip left no archive in {}", source.display()))?;
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&source).arg(ENTRY))?;
    let text = fs::read_to_string(source.join(ENTRY))?;
    if text.len() != BYTES || !text.starts_with(TITLE) {
        return Err(format!("{ENTRY}: {} bytes, expected {BYTES} that begin with {TITLE:?}", text.len()).into());
    }
    fs::create_dir_all(folder)?;
    let file = folder.join("as_you_like_it.txt");
    fs::write(&file, text)?;
    println!("text: {BYTES} bytes, in {}", file.display());
    Ok(())
}

/// Has pip fetch the pinned release into the target folder; one that is there already is used again.
fn fetch() -> Result<PathBuf> {
    let folder = workspace_root().join("target").join("xtask").join(RELEASE);
    if find_archive(&folder).is_none() {
        fs::create_dir_all(&folder)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]);
        run(pip.arg("--dest").arg(&folder).arg(RELEASE))?;
    }
    Ok(folder)
}

fn find_archive(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|extension| extension == "gz"))
}
