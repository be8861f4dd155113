//! Packed recordings: one `.tar.zst` for each kind, small enough to be committed. Both layers are
//! standard (`tar --zstd -xf` unpacks them), and reading them is pure Rust, so that running the
//! workspace's tests needs no C compiler. Packing calls the `zstd` program at its level 19 where it
//! is installed; where it is not, a Rust encoder makes archives of about two and a half times that
//! size.
//!
//! The archive is a plain `ustar` with regular files only. JSON comes first, then the tensors:
//! like compresses best beside like.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    process::Command,
};

use ruzstd::{
    decoding::StreamingDecoder,
    encoding::{CompressionLevel, compress_to_vec},
};

const BLOCK: usize = 512;
/// No recording comes near this; an archive that claims more is damaged.
const MOST: u64 = 1 << 30;

/// Packs a folder of recordings (or each of the folders in a folder) into `out/KIND.tar.zst`.
/// Returns the archives with their sizes in bytes.
///
/// # Errors
///
/// `dir` cannot be read, holds no recordings, or `out` cannot be written.
pub fn pack(dir: &Path, out: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut folders = vec![dir.to_path_buf()];
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    fs::create_dir_all(out)?;
    let mut written = Vec::new();
    for folder in folders {
        let files = recordings(&folder)?;
        let Some(name) = folder.file_name().filter(|_| !files.is_empty()) else {
            continue;
        };
        let target = out.join(format!("{}.tar.zst", name.to_string_lossy()));
        compress(&tar(&files)?, &target)?;
        let size = fs::metadata(&target)?.len();
        written.push((target, size));
    }
    if written.is_empty() {
        return Err(invalid(format!("{}: no recordings here", dir.display())));
    }
    Ok(written)
}

fn compress(archive: &[u8], target: &Path) -> io::Result<()> {
    let plain = target.with_extension("");
    fs::write(&plain, archive)?;
    let mut zstd = Command::new("zstd");
    let status = zstd.args(["-19", "--quiet", "--force", "-o"]).arg(target).arg(&plain).status();
    fs::remove_file(&plain)?;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("zstd: {status}"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::write(target, compress_to_vec(archive, CompressionLevel::Fastest))
        }
        Err(e) => Err(e),
    }
}

fn recordings(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kept = path.extension().is_some_and(|e| e == "json" || e == "safetensors");
        if path.is_file() && kept {
            found.push(path);
        }
    }
    found.sort_by_key(|p| (p.extension().map(ToOwned::to_owned), p.clone()));
    Ok(found)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn tar(files: &[PathBuf]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let data = fs::read(path)?;
        archive.extend(header(&name, data.len())?);
        archive.extend(&data);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

fn header(name: &str, size: usize) -> io::Result<[u8; BLOCK]> {
    if name.len() > 100 {
        return Err(invalid(format!("{name}: longer than the 100 bytes a ustar name may have")));
    }
    let mut block = [0u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// Unpacks an archive into memory: name → contents.
///
/// # Errors
///
/// The file cannot be read, is no zstd stream, or its tar is damaged.
pub fn read(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let damaged = |what: &str| invalid(format!("{}: {what}", path.display()));
    let mut stream = StreamingDecoder::new(BufReader::new(File::open(path)?)).map_err(|e| damaged(&e.to_string()))?;
    let mut archive = Vec::new();
    stream.by_ref().take(MOST).read_to_end(&mut archive)?;
    let mut files = BTreeMap::new();
    let mut rest = archive.as_slice();
    while let Some((head, body)) = rest.split_first_chunk::<BLOCK>() {
        if head.iter().all(|&b| b == 0) {
            return Ok(files);
        }
        let field = |at: usize, len: usize| {
            let text = head[at..at + len].split(|&b| b == 0 || b == b' ').next();
            text.and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default()
        };
        let size = usize::from_str_radix(field(124, 12), 8).map_err(|_| damaged("a bad size"))?;
        let data = body.get(..size).ok_or_else(|| damaged("it ends inside a file"))?;
        files.insert(field(0, 100).to_owned(), data.to_vec());
        rest = body.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    Err(damaged("it has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again() -> io::Result<()> {
        let from = tempfile::tempdir()?;
        let kind = from.path().join("ops");
        fs::create_dir(&kind)?;
        let noise: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2654435761) >> 23) as u8).collect();
        fs::write(kind.join("a.json"), b"{}")?;
        fs::write(kind.join("a.safetensors"), &noise)?;
        fs::write(kind.join("b.json"), vec![b' '; BLOCK])?;
        fs::write(kind.join("notes.txt"), b"not a recording")?;
        let to = tempfile::tempdir()?;
        let written = pack(from.path(), to.path())?;
        assert_eq!(written.len(), 1);
        let files = read(&to.path().join("ops.tar.zst"))?;
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.json", "a.safetensors", "b.json"]);
        assert_eq!(files["a.safetensors"], noise);
        assert_eq!(files["b.json"].len(), BLOCK);
        Ok(())
    }

    #[test]
    fn a_cut_archive_is_an_error() -> io::Result<()> {
        let from = tempfile::tempdir()?;
        fs::write(from.path().join("a.json"), vec![b'x'; 5000])?;
        let whole = tar(&recordings(from.path())?)?;
        let cut = compress_to_vec(&whole[..3000], CompressionLevel::Fastest);
        let file = from.path().join("cut.tar.zst");
        fs::write(&file, cut)?;
        assert!(read(&file).is_err());
        fs::write(&file, b"no zstd at all")?;
        assert!(read(&file).is_err());
        Ok(())
    }
}
