//! Writing a file as a whole or not at all.

use flambeau_tensor::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
/// the disk.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    // A link stays a link: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&target).is_ok_and(|m| !m.is_file()) {
        // A device or a pipe cannot be replaced, only written to; a folder refuses.
        let file = OpenOptions::new().write(true).open(&target).map_err(|e| Error::io("write", path, e))?;
        return fill(file, path, write).map(drop);
    }
    let (file, mut draft) = create_beside(&target, path)?;
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
    if let Some(Ok(folder)) = target.parent().map(File::open) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn fill(file: File, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<File> {
    let mut buffered = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffered)?;
    buffered.into_inner().map_err(|e| Error::io("write", path, e.into_error()))
}

/// A new file in the folder of `target`, under a name that nobody has.
fn create_beside(target: &Path, path: &Path) -> Result<(File, Draft)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let draft = target.with_file_name(format!(".{name}.{}-{number}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&draft) {
            Ok(file) => return Ok((file, Draft { path: draft, arrived: false })),
            // Left behind by a process of the same number that died.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io("create", path, e)),
        }
    }
}
