//! A file that is open, and its frames from any of them on: what loading and streaming are made of.

use super::coded::Coded;
use super::containers::{aiff, au, caf, sphere, w64, wav};
use super::fault::{Fault, fault, printable};
use super::source::{Input, Source};
use super::{AudioMetaData, Format, Plain};
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};
use std::path::Path;

/// Which file to open, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub source: Source,
    /// What it is; told by how it starts where none.
    pub format: Option<Format>,
    /// Is it an error where the file ends before what its header promises?
    pub strict: bool,
}

/// A file whose head was read and found true, and which of its frames is the next.
pub(super) struct Track {
    opening: Opening,
    file: File,
    next: usize,
}

enum File {
    /// Samples that lie there as they are, or in blocks of their own.
    Plain(Input, Plain),
    /// Samples that are decoded one packet after another.
    Coded(Box<Coded>),
}

impl Opening {
    pub fn open(&self) -> std::result::Result<Track, Fault> {
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
        let (reader, length, strict) = (&mut input.reader, input.length, self.strict);
        let plain = match format {
            Format::Wav => wav::walk(reader, length, strict)?,
            Format::W64 => w64::walk(reader, length, strict)?,
            Format::Aiff => aiff::walk(reader, length, strict)?,
            Format::Au => au::walk(reader, length, strict)?,
            Format::Caf => caf::walk(reader, length, strict)?,
            Format::Sphere => sphere::walk(reader, length, strict)?,
            Format::Flac | Format::Ogg | Format::Mpeg | Format::Mp4 => {
                let coded = Box::new(Coded::open(input, format == Format::Mp4, strict)?);
                return Ok(Track { opening: self.clone(), file: File::Coded(coded), next: 0 });
            }
        };
        Ok(Track { opening: self.clone(), file: File::Plain(input, plain), next: 0 })
    }

    /// What `read` gives, or its fault as an error of this source.
    #[track_caller]
    pub fn told<T>(&self, read: impl FnOnce() -> std::result::Result<T, Fault>) -> Result<T> {
        let name = self.source.name();
        let (kind, message) = match read() {
            Ok(value) => return Ok(value),
            Err(Fault::Io(e)) => return Err(Error::io("read", name, e)),
            Err(Fault::Format(message)) => return Err(Error::format(name, message)),
            Err(Fault::Chained) => return Err(Error::format(name, "another stream follows in the same file")),
            Err(Fault::Unsupported(message)) => (ErrorKind::Unsupported, message),
            Err(Fault::Behind(message)) => (ErrorKind::Argument, message),
            Err(Fault::Tensor(error)) => return Err(*error),
        };
        Err(Error::new(kind, format!("read {}", name.display()), message))
    }
}

impl Track {
    /// What the file holds; where its head does not tell how much, its packets are counted.
    pub fn info(self) -> std::result::Result<AudioMetaData, Fault> {
        match self.file {
            File::Plain(_, plain) => Ok(plain.meta().clone()),
            File::Coded(coded) => coded.info(),
        }
    }

    pub fn sample_rate(&self) -> u32 {
        match &self.file {
            File::Plain(_, plain) => plain.meta().sample_rate,
            File::Coded(coded) => coded.sample_rate(),
        }
    }

    pub fn num_channels(&self) -> usize {
        match &self.file {
            File::Plain(_, plain) => plain.meta().num_channels,
            File::Coded(coded) => coded.num_channels(),
        }
    }

    /// The next frame.
    pub fn position(&self) -> usize {
        self.next
    }

    /// Makes `frame` the next to be read. What is decoded and cannot be entered in its midst is decoded up to there.
    pub fn seek(&mut self, frame: usize) -> std::result::Result<(), Fault> {
        match &mut self.file {
            File::Plain(_, plain) => {
                let there = plain.meta().num_frames;
                if frame > there {
                    fault!(Behind, "frame_offset {frame} is behind the end: the file has {there} frames");
                }
            }
            File::Coded(coded) => {
                if frame < coded.position() {
                    // From the start again.
                    *self = self.opening.open()?;
                    return self.seek(frame);
                }
                coded.forward(frame)?;
            }
        }
        self.next = frame;
        Ok(())
    }

    /// The next `frames` frames `[channels, frames]`, fewer only at the end; all that follow where none is said. As `f32`
    /// where `normalize`, else as the file has them.
    pub fn read(&mut self, frames: Option<usize>, normalize: bool) -> std::result::Result<Tensor, Fault> {
        let next = self.next;
        let read = match &mut self.file {
            File::Plain(input, plain) => {
                let behind = plain.meta().num_frames.saturating_sub(next);
                plain.frames(input, next, frames.unwrap_or(behind).min(behind), normalize)?
            }
            File::Coded(coded) => coded.read(frames, normalize)?.tensor()?,
        };
        self.next += read.shape()[1];
        Ok(read)
    }
}

impl Plain {
    fn meta(&self) -> &AudioMetaData {
        match self {
            Plain::Pcm(pcm) => &pcm.meta,
            Plain::Adpcm(adpcm) => &adpcm.meta,
        }
    }

    /// `frames` frames from `from` on, which are there.
    fn frames(
        &self,
        input: &mut Input,
        from: usize,
        frames: usize,
        normalize: bool,
    ) -> std::result::Result<Tensor, Fault> {
        Ok(match self {
            Plain::Pcm(pcm) => pcm.read(input, from, frames, normalize)?,
            Plain::Adpcm(adpcm) => {
                let place = adpcm.bytes(from, frames);
                let bytes = input.part(place.start, (place.end - place.start) as usize)?;
                adpcm.tensor(&bytes, from, frames, normalize)?
            }
        })
    }
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
