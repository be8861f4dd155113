//! The test images of Fashion-MNIST, out of Debian's package. The files are taken as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, run, workspace_root};

/// The package that the images are read from. Pinned, so that every machine fetches the same; nothing of it is run.
const PACKAGE: &str = "dataset-fashion-mnist=0.0~git20200523.55506a9-1";
/// Where they stand in it.
const FOLDER: &str = "usr/share/datasets/fashion-mnist";
/// The files with their sizes. The images to train on, 26 MB, stay out of the repository.
const FILES: [(&str, u64); 2] = [("t10k-images-idx3-ubyte.gz", 4_422_079), ("t10k-labels-idx1-ubyte.gz", 5_125)];

/// Writes the two files of the test part under `folder/FashionMNIST/raw`.
///
/// # Errors
/// If the package is not to be had or not as expected, or a file cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    let package = fetch()?;
    let unpacked = package.with_extension("unpacked");
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
    let raw = folder.join("FashionMNIST").join("raw");
    fs::create_dir_all(&raw)?;
    for (name, bytes) in FILES {
        let copied = fs::copy(unpacked.join(FOLDER).join(name), raw.join(name))?;
        if copied != bytes {
            return Err(format!("{name}: {copied} bytes, expected {bytes}").into());
        }
    }
    println!("fashion: 10,000 images, in {}", raw.display());
    Ok(())
}

/// Has apt fetch the pinned package into the target folder; one that is there already is used again.
fn fetch() -> Result<PathBuf> {
    let folder = workspace_root().join("target").join("xtask").join("fashion");
    if find_package(&folder).is_none() {
        fs::create_dir_all(&folder)?;
        run(Command::new("apt-get").arg("download").arg(PACKAGE).current_dir(&folder))?;
    }
    find_package(&folder).ok_or_else(|| format!("apt-get left no package in {}", folder.display()).into())
}

fn find_package(folder: &Path) -> Option<PathBuf> {
    let mut paths = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}
