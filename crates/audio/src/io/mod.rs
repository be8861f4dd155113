//! WAV files to tensors and back, as `torchaudio.load` and `torchaudio.save`.
//!
//! A file is taken for hostile. Its structure is walked before a sample is read (`wav.rs`): a file that ends
//! too early or whose header lies is an error that names the byte, and memory is asked for only where the
//! file has the bytes to fill it. Files that were written to a pipe leave their sizes open; they are read to
//! the end.

mod samples;
mod save;
mod wav;

pub use save::{SaveBuilder, save, save_with};

use flambeau_tensor::{Build, Error, Result, Tensor};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use wav::{Fault, Wav};

/// How a file keeps its samples; prints as torchaudio names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// integers with a sign
    PcmS,
    /// integers without a sign, silence in the middle: 8 bits
    PcmU,
    /// floating point numbers
    PcmF,
    /// 8 bits by the µ-law of G.711
    Ulaw,
    /// 8 bits by the A-law of G.711
    Alaw,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::PcmS => "PCM_S",
            Encoding::PcmU => "PCM_U",
            Encoding::PcmF => "PCM_F",
            Encoding::Ulaw => "ULAW",
            Encoding::Alaw => "ALAW",
        })
    }
}

/// What a file holds, as `torchaudio.AudioMetaData`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioMetaData {
    /// Frames a second.
    pub sample_rate: u32,
    /// Samples of each channel.
    pub num_frames: usize,
    /// Channels.
    pub num_channels: usize,
    /// Bits of a sample.
    pub bits_per_sample: u32,
    /// How a sample is kept.
    pub encoding: Encoding,
    /// In what the file differs from its header though it can be read: sizes that a writer to a pipe left open
    /// or never set right, half a frame at the end.
    pub note: Option<String>,
}

/// What the WAV file at `path` holds; no sample is read. Follows `torchaudio.info`.
///
/// # Errors
/// Where the file cannot be read, or is no whole WAV; the error names it, the fault and the byte.
#[track_caller]
pub fn info(path: impl AsRef<Path>) -> Result<AudioMetaData> {
    load_with(path.as_ref()).info()
}

/// The waveform `[channels, frames]` of a WAV file, `f32` in -1 to 1, and its sample rate. Follows
/// `torchaudio.load`.
///
/// Integers of b bits are divided by 2^(b - 1); floating point samples are as they are in the file. A size of
/// 0 or of all ones, as it stands in what was written to a pipe, means up to the end of the file; half a frame
/// at the end is left out. [`info`] says so in its `note`.
///
/// ```
/// use flambeau_audio::{load, save};
/// use flambeau_tensor::Tensor;
///
/// let path = std::env::temp_dir().join("flambeau-load.wav");
/// save(&path, &Tensor::from_vec(vec![0.0f32, 0.5, -1.0], [1, 3])?, 8000)?;
/// let (waveform, rate) = load(&path)?;
/// assert_eq!((waveform.to_vec::<f32>()?, rate), (vec![0.0, 0.5, -1.0], 8000));
/// # std::fs::remove_file(path).ok();
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the file cannot be read, or is no whole WAV; the error names it, the fault and the byte.
pub fn load(path: impl AsRef<Path>) -> Result<(Tensor, u32)> {
    load_with(path.as_ref()).build()
}

/// [`load`] of a part of the file, or of its samples as they are:
/// `load_with(path).frame_offset(8000).num_frames(4000).build()?`.
pub fn load_with(path: impl Into<PathBuf>) -> LoadBuilder {
    LoadBuilder { path: path.into(), frame_offset: 0, num_frames: None, normalize: true, strict: true }
}

/// Options of [`load_with`].
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `build()`"]
pub struct LoadBuilder {
    path: PathBuf,
    frame_offset: usize,
    num_frames: Option<usize>,
    normalize: bool,
    strict: bool,
}

impl LoadBuilder {
    /// Frames to skip, 0 unless set.
    pub fn frame_offset(mut self, frame_offset: usize) -> Self {
        self.frame_offset = frame_offset;
        self
    }

    /// The most frames to read; all that follow unless set.
    pub fn num_frames(mut self, num_frames: impl Into<Option<usize>>) -> Self {
        self.num_frames = num_frames.into();
        self
    }

    /// `f32` in -1 to 1 (the default), or the integers of the file: `u8` for 8 bits, `i16` for 16, `i32` for
    /// 24 (times 256) and 32, `f64` for floating point of 64. All else is `f32` either way.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// False to read what is there of a file that ends before what its header promises, as one whose download
    /// broke off; true unless set: that is an error.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// What the file holds; no sample is read.
    ///
    /// # Errors
    /// As [`info`].
    #[track_caller]
    pub fn info(&self) -> Result<AudioMetaData> {
        Ok(open(&self.path, self.strict)?.1.meta)
    }

    /// Reads the waveform `[channels, frames]`; gives it and the sample rate.
    ///
    /// # Errors
    /// As [`load`]; also where `frame_offset` is behind the end.
    #[track_caller]
    pub fn build(self) -> Result<(Tensor, u32)> {
        let path = &self.path;
        let (mut file, wav) = open(path, self.strict)?;
        let meta = &wav.meta;
        let Some(behind) = meta.num_frames.checked_sub(self.frame_offset) else {
            flambeau_tensor::bail!(
                Argument,
                format!("read {}", path.display()),
                "frame_offset {} is behind the end: the file has {} frames",
                self.frame_offset,
                meta.num_frames
            );
        };
        let frames = self.num_frames.unwrap_or(behind).min(behind);
        // Both products are below the length of the file, as the walk has seen.
        let from = wav.data_at + (self.frame_offset * wav.block) as u64;
        let bytes = read_part(&mut file, from, frames * wav.block).map_err(|e| Error::io("read", path, e))?;
        Ok((samples::tensor(&bytes, frames, meta, self.normalize)?, meta.sample_rate))
    }
}

impl Build for LoadBuilder {
    type Output = (Tensor, u32);
    #[track_caller]
    fn build(self) -> Result<Self::Output> {
        LoadBuilder::build(self)
    }
}

/// The file and what its header says, found true.
fn open(path: &Path, strict: bool) -> Result<(BufReader<File>, Wav)> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    let mut reader = BufReader::new(file);
    match wav::walk(&mut reader, length, strict) {
        Ok(wav) => Ok((reader, wav)),
        Err(Fault::Io(e)) => Err(Error::io("read", path, e)),
        Err(Fault::Format(fault)) => Err(Error::format(path, fault)),
        Err(Fault::Unsupported(what)) => {
            Err(Error::new(flambeau_tensor::ErrorKind::Unsupported, format!("read {}", path.display()), what))
        }
    }
}

/// `count` bytes from byte `from` on.
fn read_part(file: &mut BufReader<File>, from: u64, count: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count).map_err(|_| std::io::ErrorKind::OutOfMemory)?;
    file.seek(SeekFrom::Start(from))?;
    file.take(count as u64).read_to_end(&mut bytes)?;
    // The length was checked when the file was opened; it may have been cut since.
    if bytes.len() == count { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests;
