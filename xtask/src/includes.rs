//! Files that a crate's source includes must lie in the crate: a package holds nothing else, so a crate that reaches
//! out of its folder compiles in the workspace and nowhere else.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::Result;

/// Finds what the sources under `crates` include from outside of their crate.
///
/// # Errors
/// Names each file and what it includes; or a file cannot be read.
pub fn check(crates: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for folder in fs::read_dir(crates)? {
        let folder = folder?.path();
        for source in sources(&folder.join("src"))? {
            let text = fs::read_to_string(&source)?;
            faults.extend(leaving(&text, &source, &folder).into_iter().map(|f| format!("{}: {f}", source.display())));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("included from outside:\n{}", faults.join("\n")).into()) }
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(sources(&path)?),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
    Ok(found)
}

/// The included files of `text`, the source `file`, that lie outside of `folder`. What stands behind
/// `#[cfg(doctest)]` is for the workspace's own tests.
fn leaving(text: &str, file: &Path, folder: &Path) -> Vec<String> {
    let text = text.split("#[cfg(doctest)]").next().unwrap_or(text);
    let here = file.parent().unwrap_or(folder);
    ["include_str!(\"", "include_bytes!(\"", "include!(\""]
        .iter()
        .flat_map(|call| text.split(call).skip(1).filter_map(|rest| rest.split('"').next()))
        .filter(|name| !normal(&here.join(name)).starts_with(normal(folder)))
        .map(str::to_owned)
        .collect()
}

/// Without `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_found() {
        let at = |text: &str| leaving(text, Path::new("/w/crates/a/src/lib.rs"), Path::new("/w/crates/a"));
        assert_eq!(at("include_str!(\"../../../README.md\")"), ["../../../README.md"]);
        assert!(at("include_str!(\"../README.md\") include_bytes!(\"x/y.png\")").is_empty());
        assert!(at("#[cfg(doctest)] include_str!(\"../../../README.md\")").is_empty());
    }

    #[test]
    fn the_workspace_is_closed() {
        check(&crate::workspace_root().join("crates")).unwrap();
    }
}
