//! Sound files to tensors.

use super::coded::Coded;
use super::containers::{aiff, au, caf, sphere, w64, wav};
use super::fault::{Fault, fault, printable};
use super::source::{Input, Source};
use super::{AudioMetaData, Format, Opened};
use flambeau_tensor::{Build, Error, ErrorKind, Result, Tensor};
use std::path::Path;

/// Options of [`load_with`](super::load_with).
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `build()`"]
pub struct LoadBuilder {
    pub(super) source: Source,
    pub(super) frame_offset: usize,
    pub(super) num_frames: Option<usize>,
    pub(super) normalize: bool,
    pub(super) channels_first: bool,
    pub(super) format: Option<Format>,
    pub(super) strict: bool,
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

    /// `[channels, frames]` (the default), or `[frames, channels]`.
    pub fn channels_first(mut self, channels_first: bool) -> Self {
        self.channels_first = channels_first;
        self
    }

    /// What the file is; told by how it starts unless set.
    pub fn format(mut self, format: impl Into<Option<Format>>) -> Self {
        self.format = format.into();
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
    /// As [`info`](super::info).
    #[track_caller]
    pub fn info(&self) -> Result<AudioMetaData> {
        self.told(|| {
            Ok(match self.open()?.1 {
                Opened::Pcm(pcm) => pcm.meta,
                Opened::Adpcm(adpcm) => adpcm.meta,
                Opened::Coded(coded) => coded.info()?,
            })
        })
    }

    /// Reads the waveform `[channels, frames]`; gives it and the sample rate.
    ///
    /// # Errors
    /// As [`load`](super::load); also where `frame_offset` is behind the end.
    #[track_caller]
    pub fn build(self) -> Result<(Tensor, u32)> {
        let (waveform, rate) = self.told(|| {
            let (input, opened) = self.open()?;
            match opened {
                Opened::Pcm(pcm) => {
                    let (mut input, frames) = (present(input)?, self.frames(&pcm.meta)?);
                    // Both products are below the length of the file, as the walk has seen.
                    let from = pcm.data_at + (self.frame_offset * pcm.block) as u64;
                    let bytes = input.part(from, frames * pcm.block)?;
                    Ok((pcm.tensor(bytes, frames, self.normalize), pcm.meta.sample_rate))
                }
                Opened::Adpcm(adpcm) => {
                    let (mut input, frames) = (present(input)?, self.frames(&adpcm.meta)?);
                    let place = adpcm.bytes(self.frame_offset, frames);
                    let bytes = input.part(place.start, (place.end - place.start) as usize)?;
                    let waveform = adpcm.tensor(&bytes, self.frame_offset, frames, self.normalize);
                    Ok((waveform, adpcm.meta.sample_rate))
                }
                Opened::Coded(coded) => {
                    let rate = coded.sample_rate();
                    let planes = coded.read(self.frame_offset, self.num_frames, self.strict, self.normalize)?;
                    Ok((planes.tensor(), rate))
                }
            }
        })?;
        let waveform = waveform?;
        Ok((if self.channels_first { waveform } else { waveform.transpose(0, 1)? }, rate))
    }

    /// Frames to read of those that there are.
    fn frames(&self, meta: &AudioMetaData) -> std::result::Result<usize, Fault> {
        match meta.num_frames.checked_sub(self.frame_offset) {
            Some(behind) => Ok(self.num_frames.unwrap_or(behind).min(behind)),
            None => fault!(
                Behind,
                "frame_offset {} is behind the end: the file has {} frames",
                self.frame_offset,
                meta.num_frames
            ),
        }
    }

    /// What `read` gives, or its fault as an error of this source.
    #[track_caller]
    fn told<T>(&self, read: impl FnOnce() -> std::result::Result<T, Fault>) -> Result<T> {
        let name = self.source.name();
        let (kind, message) = match read() {
            Ok(value) => return Ok(value),
            Err(Fault::Io(e)) => return Err(Error::io("read", name, e)),
            Err(Fault::Format(message)) => return Err(Error::format(name, message)),
            Err(Fault::Chained) => return Err(Error::format(name, "another stream follows in the same file")),
            Err(Fault::Unsupported(message)) => (ErrorKind::Unsupported, message),
            Err(Fault::Behind(message)) => (ErrorKind::Argument, message),
        };
        Err(Error::new(kind, format!("read {}", name.display()), message))
    }

    /// The source and what its header says, found true.
    fn open(&self) -> std::result::Result<(Option<Input>, Opened), Fault> {
        let mut input = self.source.open()?;
        let start = input.start::<16>()?;
        if start.is_empty() {
            fault!(Format, "the file is empty");
        }
        let format = match self.format.or_else(|| sniffed(&start)).or_else(|| named(self.source.name())) {
            Some(format) => format,
            None => fault!(
                Format,
                "not a sound file: it starts with {:?}; read are WAV, W64, AIFF, AU, CAF, SPHERE, FLAC, Ogg, MP3 and MP4",
                printable(&start)
            ),
        };
        let (file, length, strict) = (&mut input.reader, input.length, self.strict);
        let opened = match format {
            Format::Wav => wav::walk(file, length, strict)?,
            Format::W64 => w64::walk(file, length, strict)?,
            Format::Aiff => aiff::walk(file, length, strict)?,
            Format::Au => au::walk(file, length, strict)?,
            Format::Caf => caf::walk(file, length, strict)?,
            Format::Sphere => sphere::walk(file, length, strict)?,
            Format::Flac | Format::Ogg | Format::Mpeg | Format::Mp4 => {
                return Ok((None, Opened::Coded(Box::new(Coded::open(input, format == Format::Mp4)?))));
            }
        };
        Ok((Some(input), opened))
    }
}

impl Build for LoadBuilder {
    type Output = (Tensor, u32);
    #[track_caller]
    fn build(self) -> Result<Self::Output> {
        LoadBuilder::build(self)
    }
}

/// The input of a file whose samples lie there as they are; only decoders keep theirs to themselves.
fn present(input: Option<Input>) -> std::result::Result<Input, Fault> {
    input.ok_or(Fault::Chained)
}

/// What stands at which byte of files of each form.
const STARTS: [(usize, &[u8], Format); 14] = [
    (0, b"RIFF", Format::Wav),
    (0, b"RIFX", Format::Wav),
    (0, b"RF64", Format::Wav),
    (0, b"BW64", Format::Wav),
    (0, &w64::START, Format::W64),
    (0, b"FORM", Format::Aiff),
    (0, b".snd", Format::Au),
    (0, b"dns.", Format::Au),
    (0, b"caff", Format::Caf),
    (0, b"NIST_1A", Format::Sphere),
    (0, b"fLaC", Format::Flac),
    (0, b"OggS", Format::Ogg),
    (0, b"ID3", Format::Mpeg),
    (4, b"ftyp", Format::Mp4),
];

/// What a file is that starts so.
fn sniffed(start: &[u8]) -> Option<Format> {
    let there = |(place, name, _): &&(usize, &[u8], Format)| start.get(*place..).is_some_and(|s| s.starts_with(name));
    match STARTS.iter().find(there) {
        Some((_, _, format)) => Some(*format),
        // Eleven bits of ones are where a frame of MPEG begins.
        None => matches!(start, [0xff, second, ..] if second & 0xe0 == 0xe0).then_some(Format::Mpeg),
    }
}

/// What a file is by its name, where its start does not tell: the reader of that form says what is wrong, and a stream of
/// MPEG may have other things before it.
fn named(path: &Path) -> Option<Format> {
    path.extension()?.to_str()?.parse().ok()
}
