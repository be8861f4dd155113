//! What the files of data sets are read with: lists of lines and of file names, tables, and the formats that only data sets
//! have. Each takes its file for hostile: sizes are held against the bytes that are there before memory is asked for, and an
//! error names the file and the place in it.

mod bzip2;
mod csv;
mod flow;
mod mat;
mod xml;

pub(super) use bzip2::decompress as bunzip2;
pub(super) use csv::Table;
pub(super) use flow::{read_depth, read_flow_png};
pub use flow::{read_flo, read_pfm};
pub use mat::{Mat, MatVar, read_mat};
pub use xml::XmlElement;
pub(super) use xml::read as read_xml;

use flambeau_tensor::{Error, Result, ensure};
use std::path::{Path, PathBuf};

/// The bytes of a file.
#[track_caller]
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// A file's text.
#[track_caller]
pub(super) fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

/// The lines of a text, without the blanks around them.
#[track_caller]
pub(super) fn lines(path: &Path) -> Result<Vec<String>> {
    Ok(text(path)?.lines().map(|line| line.trim().to_string()).collect())
}

/// A file of JSON.
#[track_caller]
pub(super) fn json(path: &Path) -> Result<serde_json::Value> {
    serde_json::from_slice(&bytes(path)?).map_err(|e| Error::format(path, e.to_string()))
}

/// The fault of a line.
pub(super) fn fault(path: &Path, line: usize, text: &str, wanted: &str) -> Error {
    Error::format(path, format!("line {}: {text:?} is not {wanted}", line + 1))
}

/// The numbers in a line, of which there are at least `least`.
pub(super) fn numbers<T: std::str::FromStr>(path: &Path, line: usize, text: &str, least: usize) -> Result<Vec<T>> {
    let found: Option<Vec<T>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
    found
        .filter(|found| found.len() >= least)
        .ok_or_else(|| fault(path, line, text, &format!("{least} numbers or more")))
}

/// The names in `folder`, in order.
#[track_caller]
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map(|e| e.file_name().to_string_lossy().into_owned()).map_err(|e| Error::io("read", folder, e))
    };
    let mut names = list.map(name).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The paths that fit a pattern below `root`, in the order of their whole texts: parts between slashes in which `*` stands
/// for anything, but for no dot at the start. Where a folder is missing there is none.
pub(super) fn glob(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    for part in pattern.split('/') {
        found = if part.contains('*') {
            let fits = |name: &String| !name.starts_with('.') && matches(part, name);
            let below = |folder: &PathBuf| {
                let names = if folder.is_dir() { names(folder).unwrap_or_default() } else { Vec::new() };
                names.into_iter().filter(fits).map(|name| folder.join(name)).collect::<Vec<_>>()
            };
            found.iter().flat_map(below).collect()
        } else {
            found.into_iter().map(|folder| folder.join(part)).filter(|path| path.exists()).collect()
        };
    }
    found.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    found
}

/// Whether `name` fits a pattern with stars.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// [`glob`] that finds something.
#[track_caller]
pub(super) fn some(root: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let found = glob(root, pattern);
    ensure!(!found.is_empty(), Format, format!("read {}", root.display()), "there is nothing that fits {pattern}");
    Ok(found)
}
