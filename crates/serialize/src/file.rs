//! Writing a file as a whole or not at all.

use flambeau_tensor::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a draft is called: `.flambeau-PROCESS-NUMBER.tmp`. The name of the file it will be is no part of it,
/// for that may be as long as the system lets a name be.
const DRAFT: (&str, &str) = (".flambeau-", ".tmp");

/// A draft that nobody has written to for so long is of a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A file on its way, taken away again unless it arrives.
struct Draft {
    path: PathBuf,
    arrived: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.arrived {
            // The first error is the one to tell; a draft that cannot be removed does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Lets `write` fill a new file beside `path`, and puts it in the place of `path` once all of it is on
/// the disk. A full disk, a crash or an error of `write` leaves what was there. A device or a pipe is written to.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("notes.txt");
/// use flambeau_serialize::file::replace;
/// use flambeau_tensor::Error;
///
/// replace(&path, |out| out.write_all(b"epoch 3").map_err(|e| Error::io("write", &path, e)))?;
/// assert_eq!(std::fs::read(&path)?, b"epoch 3");
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// Those of `write`, and where the file cannot be written or put in its place.
#[track_caller]
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let target = behind_links(path)?;
    if fs::metadata(&target).is_ok_and(|m| !m.is_file()) {
        // A device or a pipe cannot be replaced, only written to; a folder refuses.
        let file = OpenOptions::new().write(true).open(&target).map_err(|e| Error::io("write", path, e))?;
        return fill(file, path, write).map(drop);
    }
    // The folder of a name without one is the current one.
    let folder = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    remove_abandoned(folder);
    let (file, mut draft) = create_in(folder, path)?;
    let file = fill(file, path, write)?;
    file.sync_all().map_err(|e| Error::io("write", path, e))?;
    drop(file);
    if let Ok(old) = fs::metadata(&target) {
        // The new file is as public as the old one was.
        let _ = fs::set_permissions(&draft.path, old.permissions());
    }
    fs::rename(&draft.path, &target).map_err(|e| Error::io("replace", path, e))?;
    draft.arrived = true;
    // The rename lasts when the folder is on the disk too. Not every system lets a folder be opened.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The file that `path` leads to, there or not: a link stays a link, what it leads to is replaced.
fn behind_links(path: &Path) -> Result<PathBuf> {
    // As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut target = path.to_path_buf();
    for _ in 0..=MOST_LINKS {
        let Ok(next) = fs::read_link(&target) else { return Ok(target) };
        // A relative link counts from the folder that it stands in.
        target.pop();
        target.push(next);
    }
    let message = format!("more than {MOST_LINKS} links lead on from each other");
    Err(Error::io("write", path, std::io::Error::other(message)))
}

fn fill(file: File, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<File> {
    let mut buffered = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffered)?;
    buffered.into_inner().map_err(|e| Error::io("write", path, e.into_error()))
}

/// A new file in `folder`, under a name that nobody has.
fn create_in(folder: &Path, path: &Path) -> Result<(File, Draft)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let draft = folder.join(format!("{}{}-{number}{}", DRAFT.0, std::process::id(), DRAFT.1));
        match OpenOptions::new().write(true).create_new(true).open(&draft) {
            Ok(file) => return Ok((file, Draft { path: draft, arrived: false })),
            // Left behind by a process of the same number that died.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io("create", path, e)),
        }
    }
}

/// Takes away the drafts in `folder` that processes left behind which were killed. What cannot be looked at or
/// removed stays: it does no harm to what is saved.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|e| is_draft(&e.file_name().to_string_lossy())) {
        let age = entry.metadata().ok().filter(|m| m.is_file()).and_then(|m| m.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_draft(name: &str) -> bool {
    let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let middle = name.strip_prefix(DRAFT.0).and_then(|rest| rest.strip_suffix(DRAFT.1));
    middle.and_then(|m| m.split_once('-')).is_some_and(|(process, count)| number(process) && number(count))
}
