//! What must be decoded to be read: FLAC, MP3 and MP2, Vorbis, AAC and ALAC, and Opus with the feature `opus`. Packets
//! are found by symphonia and decoded one after another; of what was decoded only the last packet is held. Decoders give
//! no more than 128 KiB for a byte of the file, which constant frames of FLAC come to.

use super::containers::{mp4, ogg};
use super::decoder::Decoder;
use super::fault::{Fault, fault};
use super::source::{Input, Seekable};
use super::{AudioMetaData, Encoding};
use flambeau_tensor::{Element, Result, Tensor};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};
use symphonia::core::audio::Channels;
use symphonia::core::audio::conv::ConvertibleSample;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, well_known as codec};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

/// A file whose head was read, and what of it was decoded last.
pub(super) struct Coded {
    /// As far as the head tells: frames may be missing.
    meta: AudioMetaData,
    format: Box<dyn FormatReader>,
    track: u32,
    parameters: AudioCodecParameters,
    /// Frames that the head tells of.
    frames: Option<usize>,
    /// Frames at the start that are not to be heard, beyond those that symphonia leaves out.
    lead: usize,
    strict: bool,
    /// Made when it is first asked for: what a file holds can be told without.
    decoder: Option<Decoder>,
    /// Which frame is the next.
    next: usize,
    ended: bool,
    floats: Part<f32>,
    integers: Part<i32>,
}

/// Samples of the packet that was decoded last, and how many of them were taken.
struct Part<S> {
    planes: Vec<Vec<S>>,
    taken: usize,
}

impl<S> Default for Part<S> {
    fn default() -> Self {
        Part { planes: Vec::new(), taken: 0 }
    }
}

impl<S> Part<S> {
    fn left(&self) -> usize {
        self.planes.first().map_or(0, Vec::len) - self.taken
    }
}

/// What samples are decoded to.
trait Sample: ConvertibleSample {
    fn part(coded: &mut Coded) -> &mut Part<Self>;
}

impl Sample for f32 {
    fn part(coded: &mut Coded) -> &mut Part<f32> {
        &mut coded.floats
    }
}

impl Sample for i32 {
    fn part(coded: &mut Coded) -> &mut Part<i32> {
        &mut coded.integers
    }
}

/// Frames of a packet of AAC.
const AAC_FRAMES: usize = 1024;

impl Coded {
    pub fn open(mut input: Input, mp4: bool, strict: bool) -> std::result::Result<Self, Fault> {
        let length = input.length;
        let edit = if mp4 { mp4::edit_list(&mut input.reader, length)? } else { 0 };
        let chained = ogg::is_chained(&mut input.reader, length)?;
        let mut reader = input.reader.into_inner();
        reader.rewind()?;
        let media = Media { reader: Mutex::new(reader), length };
        let stream = MediaSourceStream::new(Box::new(media), MediaSourceStreamOptions::default());
        let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
        let format = symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata)?;
        let Some((track, parameters, frames)) = sound(&*format) else {
            fault!(Unsupported, "there is no track of sound; read are FLAC, MP3, MP2, Vorbis, AAC and ALAC");
        };
        let encoding = encoding(&parameters)?;
        let (Some(sample_rate), Some(channels)) = (parameters.sample_rate, &parameters.channels) else {
            fault!(Format, "the file does not tell its sample rate and channels");
        };
        let num_channels = channels.count();
        if sample_rate == 0 || num_channels == 0 {
            fault!(Format, "the file tells of {num_channels} channels at {sample_rate} Hz");
        }
        let lossless = matches!(encoding, Encoding::Flac | Encoding::Alac);
        let bits_per_sample = if lossless { parameters.bits_per_sample.unwrap_or(0) } else { 0 };
        let meta = AudioMetaData { sample_rate, num_frames: 0, num_channels, bits_per_sample, encoding, note: None };
        let (lead, frames) = match encoding {
            // What an Ogg counts of Opus has the samples to leave out in it.
            Encoding::Opus => (pre_skip(&parameters), frames.map(|n| n.saturating_sub(pre_skip(&parameters)))),
            // What an MP4 counts of AAC is not what comes out of the decoder.
            Encoding::Aac => (usize::try_from(edit).unwrap_or(usize::MAX), None),
            _ => (0, frames),
        };
        // Of streams one behind the other the head knows the first.
        let frames = frames.filter(|_| !chained);
        Ok(Coded {
            meta,
            format,
            track,
            parameters,
            frames,
            lead,
            strict,
            decoder: None,
            next: 0,
            ended: false,
            floats: Part::default(),
            integers: Part::default(),
        })
    }

    pub fn sample_rate(&self) -> u32 {
        self.meta.sample_rate
    }

    pub fn num_channels(&self) -> usize {
        self.meta.num_channels
    }

    /// The next frame.
    pub fn position(&self) -> usize {
        self.next
    }

    /// What the file holds; where its head does not tell how much, its packets are counted.
    pub fn info(mut self) -> std::result::Result<AudioMetaData, Fault> {
        self.meta.num_frames = match self.frames {
            Some(frames) => frames,
            None => {
                let mut frames = 0usize;
                while let Some(packet) = self.packet()? {
                    let aac = self.meta.encoding == Encoding::Aac;
                    let more = if aac { AAC_FRAMES } else { usize::try_from(packet.dur.get()).unwrap_or(0) };
                    let out = self.lead.min(more);
                    self.lead -= out;
                    frames = frames.saturating_add(more - out);
                }
                frames
            }
        };
        Ok(self.meta)
    }

    /// The next `frames` frames, fewer only at the end; all that follow where none is said.
    pub fn read(&mut self, frames: Option<usize>, normalize: bool) -> std::result::Result<Planes, Fault> {
        if normalize || !self.is_lossless() {
            return self.planes(frames).map(Planes::F32);
        }
        let planes: Vec<Vec<i32>> = self.planes(frames)?;
        Ok(match self.meta.bits_per_sample {
            1..=8 => Planes::U8(mapped(&planes, |s| ((s >> 24) + 128) as u8)),
            9..=16 => Planes::I16(mapped(&planes, |s| (s >> 16) as i16)),
            _ => Planes::I32(planes),
        })
    }

    /// Makes `frame`, which is not before the next one, the next.
    pub fn forward(&mut self, frame: usize) -> std::result::Result<(), Fault> {
        // What is lossless says how long it is.
        if let Some(there) = self.frames.filter(|_| self.is_lossless()) {
            if frame > there {
                fault!(Behind, "frame_offset {frame} is behind the end: the file has {there} frames");
            }
            if frame == there {
                (self.next, self.ended) = (frame, true);
                (self.floats, self.integers) = (Part::default(), Part::default());
                return Ok(());
            }
        }
        let is_flac = self.meta.encoding == Encoding::Flac && self.frames.is_some();
        if is_flac && frame - self.next > self.floats.left() {
            self.jump(frame)?;
        }
        while self.next < frame {
            if self.floats.left() == 0 && !self.advance::<f32>()? {
                fault!(Behind, "frame_offset {frame} is behind the end: the file has {} frames", self.next);
            }
            let count = self.floats.left().min(frame - self.next);
            self.floats.taken += count;
            self.next += count;
        }
        Ok(())
    }

    fn is_lossless(&self) -> bool {
        matches!(self.meta.encoding, Encoding::Flac | Encoding::Alac)
    }

    fn planes<S: Sample>(&mut self, frames: Option<usize>) -> std::result::Result<Vec<Vec<S>>, Fault> {
        let wanted = frames.unwrap_or(usize::MAX);
        let mut all: Vec<Vec<S>> = vec![Vec::new(); self.meta.num_channels];
        while all[0].len() < wanted && (S::part(self).left() > 0 || self.advance::<S>()?) {
            let part = S::part(self);
            let count = part.left().min(wanted - all[0].len());
            for (plane, part_plane) in all.iter_mut().zip(&part.planes) {
                plane.try_reserve(count).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
                plane.extend_from_slice(&part_plane[part.taken..part.taken + count]);
            }
            part.taken += count;
            self.next += count;
        }
        Ok(all)
    }

    /// Decodes on to the next frames to be heard; false at the end.
    fn advance<S: Sample>(&mut self) -> std::result::Result<bool, Fault> {
        let mut part = std::mem::take(S::part(self));
        while !self.ended {
            let Some(packet) = self.packet()? else {
                self.ended = true;
                break;
            };
            let mut decoder = match self.decoder.take() {
                Some(decoder) => decoder,
                None => Decoder::new(&self.parameters, self.meta.encoding)?,
            };
            let decoded = decoder.decode(&packet, &mut part.planes);
            self.decoder = Some(decoder);
            let count = match decoded {
                Ok(count) => count,
                // Players pass over a broken frame of MPEG.
                Err(Symphonia::DecodeError(_)) if !self.strict || self.is_mpeg() => continue,
                Err(e) => return Err(e.into()),
            };
            let (there, channels) = (part.planes.len(), self.meta.num_channels);
            if there != channels {
                fault!(Format, "{there} channels in the midst of a sound of {channels}");
            }
            part.taken = self.lead.min(count);
            self.lead -= part.taken;
            if part.left() > 0 {
                *S::part(self) = part;
                return Ok(true);
            }
        }
        if let Some(promised) = self.frames.filter(|n| self.strict && self.is_lossless() && *n > self.next) {
            fault!(Format, "the header promises {promised} frames, the file has {}", self.next);
        }
        Ok(false)
    }

    /// The next packet of the sound; none at the end.
    fn packet(&mut self) -> std::result::Result<Option<Packet>, Fault> {
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                // Another stream follows in the same file.
                Err(Symphonia::ResetRequired) => {
                    let Some((track, parameters, _)) = sound(&*self.format) else { return Ok(None) };
                    let channels = parameters.channels.as_ref().map(Channels::count);
                    let same = parameters.sample_rate == self.parameters.sample_rate
                        && channels == Some(self.meta.num_channels);
                    if !same || encoding(&parameters)? != self.meta.encoding {
                        fault!(Unsupported, "a stream of another rate, channels or coding follows in the same file");
                    }
                    if self.meta.encoding == Encoding::Opus {
                        self.lead = pre_skip(&parameters);
                    }
                    (self.track, self.parameters, self.decoder) = (track, parameters, None);
                }
                Err(_) if !self.strict => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Goes to a frame of a FLAC that is near `frame` and not behind it.
    fn jump(&mut self, frame: usize) -> std::result::Result<(), Fault> {
        let Ok(ts) = i64::try_from(frame) else { return Ok(()) };
        let to = SeekTo::Timestamp { ts: Timestamp::new(ts), track_id: self.track };
        let found = self.format.seek(SeekMode::Accurate, to)?;
        self.next = usize::try_from(found.actual_ts.get()).unwrap_or(0).min(frame);
        (self.floats, self.integers, self.decoder) = (Part::default(), Part::default(), None);
        Ok(())
    }

    fn is_mpeg(&self) -> bool {
        matches!(self.meta.encoding, Encoding::Mp3 | Encoding::Mp2)
    }
}

/// Frames at the start of a stream of Opus that are not to be heard, by its head.
fn pre_skip(parameters: &AudioCodecParameters) -> usize {
    let head = parameters.extra_data.as_deref().unwrap_or_default();
    head.get(10..12).map_or(0, |skip| usize::from(u16::from_le_bytes([skip[0], skip[1]])))
}

/// Decoded samples, channel by channel.
pub(super) enum Planes {
    F32(Vec<Vec<f32>>),
    U8(Vec<Vec<u8>>),
    I16(Vec<Vec<i16>>),
    I32(Vec<Vec<i32>>),
}

impl Planes {
    /// `[channels, frames]`
    #[track_caller]
    pub fn tensor(self) -> Result<Tensor> {
        #[track_caller]
        fn stacked<T: Element>(mut planes: Vec<Vec<T>>) -> Result<Tensor> {
            let shape = [planes.len(), planes[0].len()];
            let all = if planes.len() == 1 { planes.swap_remove(0) } else { planes.concat() };
            Tensor::from_vec(all, shape)
        }
        match self {
            Planes::F32(planes) => stacked(planes),
            Planes::U8(planes) => stacked(planes),
            Planes::I16(planes) => stacked(planes),
            Planes::I32(planes) => stacked(planes),
        }
    }
}

fn mapped<T>(planes: &[Vec<i32>], f: impl Fn(i32) -> T) -> Vec<Vec<T>> {
    planes.iter().map(|plane| plane.iter().map(|s| f(*s)).collect()).collect()
}

/// The number of the track of sound, what it is coded in, and its frames, as far as told.
fn sound(format: &dyn FormatReader) -> Option<(u32, AudioCodecParameters, Option<usize>)> {
    let track = format.default_track(TrackType::Audio)?;
    match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => {
            let frames = track.num_frames.and_then(|n| usize::try_from(n).ok());
            Some((track.id, parameters.clone(), frames))
        }
        _ => None,
    }
}

fn encoding(parameters: &AudioCodecParameters) -> std::result::Result<Encoding, Fault> {
    Ok(match parameters.codec {
        codec::CODEC_ID_FLAC => Encoding::Flac,
        codec::CODEC_ID_ALAC => Encoding::Alac,
        codec::CODEC_ID_MP3 => Encoding::Mp3,
        codec::CODEC_ID_MP1 | codec::CODEC_ID_MP2 => Encoding::Mp2,
        codec::CODEC_ID_VORBIS => Encoding::Vorbis,
        codec::CODEC_ID_AAC => Encoding::Aac,
        codec::CODEC_ID_OPUS => Encoding::Opus,
        other => fault!(Unsupported, "sound in the coding {other}; read are FLAC, MP3, MP2, Vorbis, AAC and ALAC"),
    })
}

impl From<Symphonia> for Fault {
    fn from(e: Symphonia) -> Self {
        match e {
            Symphonia::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Fault::Format("the file ends in the midst of what its header promises".into())
            }
            Symphonia::IoError(e) => Fault::Io(e),
            Symphonia::DecodeError(what) => Fault::Format(what.into()),
            Symphonia::Unsupported(what) => Fault::Unsupported(what.into()),
            Symphonia::ResetRequired => Fault::Chained,
            other => Fault::Format(other.to_string()),
        }
    }
}

/// A source as symphonia takes it.
struct Media {
    /// Only one reads; the lock is for the bound on threads alone.
    reader: Mutex<Box<dyn Seekable>>,
    length: u64,
}

impl Media {
    fn reader(&mut self) -> &mut Box<dyn Seekable> {
        self.reader.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Media {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader().read(buffer)
    }
}

impl Seek for Media {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader().seek(to)
    }
}

impl MediaSource for Media {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
