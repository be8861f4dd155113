//! What the fuzz targets share.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use tempfile::NamedTempFile;

/// Calls `read` with a file that holds `bytes`: the readers under test take paths. One file for the whole run.
pub fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    static FILE: LazyLock<Mutex<NamedTempFile>> =
        LazyLock::new(|| Mutex::new(NamedTempFile::new().expect("a temporary file")));
    let mut file = FILE.lock().expect("a reader that panicked ends the run");
    let written = file
        .as_file_mut()
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(bytes));
    written.expect("room for a temporary file");
    read(file.path());
}
