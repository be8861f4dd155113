//! What must be decoded to be read: FLAC, MP3 and MP2, Vorbis, AAC and ALAC, by symphonia. Its decoders give no more
//! than 128 KiB for a byte of the file, which constant frames of FLAC come to.

use super::containers::mp4;
use super::fault::{Fault, fault};
use super::source::{Input, Seekable};
use super::{AudioMetaData, Encoding};
use flambeau_tensor::{Element, Result, Tensor};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};
use symphonia::core::audio::Channels;
use symphonia::core::audio::conv::ConvertibleSample;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known as codec};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

/// A file whose head was read.
pub(super) struct Coded {
    /// As far as the head tells: frames may be missing.
    meta: AudioMetaData,
    format: Box<dyn FormatReader>,
    track: u32,
    parameters: AudioCodecParameters,
    /// Frames that the head tells of.
    frames: Option<usize>,
    /// Frames at the start that are not to be heard, beyond those that symphonia leaves out.
    skip: usize,
}

/// Frames of a packet of AAC.
const AAC_FRAMES: usize = 1024;

impl Coded {
    pub fn open(mut input: Input, mp4: bool) -> std::result::Result<Self, Fault> {
        let length = input.length;
        let edit = if mp4 { mp4::edit_list(&mut input.reader, length)? } else { 0 };
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
        // What an Ogg counts of Opus has the samples to leave out in it, which its head tells.
        let head = parameters.extra_data.as_deref().unwrap_or_default();
        let frames = match (encoding, head.get(10..12)) {
            (Encoding::Opus, Some(skip)) => {
                frames.map(|n| n.saturating_sub(usize::from(u16::from_le_bytes([skip[0], skip[1]]))))
            }
            _ => frames,
        };
        // What an MP4 counts of AAC is not what comes out of the decoder.
        let aac = encoding == Encoding::Aac;
        let skip = if aac { usize::try_from(edit).unwrap_or(usize::MAX) } else { 0 };
        Ok(Coded { meta, format, track, parameters, frames: frames.filter(|_| !aac), skip })
    }

    pub fn sample_rate(&self) -> u32 {
        self.meta.sample_rate
    }

    /// What the file holds; where its head does not tell how much, its packets are counted.
    pub fn info(mut self) -> std::result::Result<AudioMetaData, Fault> {
        self.meta.num_frames = match self.frames {
            Some(frames) => frames,
            None => {
                let mut frames = 0usize;
                while let Some(packet) = next(&mut *self.format)? {
                    if packet.track_id == self.track {
                        let aac = self.meta.encoding == Encoding::Aac;
                        let more = if aac { AAC_FRAMES } else { usize::try_from(packet.dur.get()).unwrap_or(0) };
                        frames = frames.saturating_add(more);
                    }
                }
                frames.saturating_sub(self.skip)
            }
        };
        Ok(self.meta)
    }

    /// Frames from `offset` on, as many as there are up to `frames`.
    pub fn read(
        mut self,
        offset: usize,
        frames: Option<usize>,
        strict: bool,
        normalize: bool,
    ) -> std::result::Result<Planes, Fault> {
        if normalize || !self.is_lossless() {
            return self.planes(offset, frames, strict).map(Planes::F32);
        }
        let planes: Vec<Vec<i32>> = self.planes(offset, frames, strict)?;
        Ok(match self.meta.bits_per_sample {
            1..=8 => Planes::U8(mapped(&planes, |s| ((s >> 24) + 128) as u8)),
            9..=16 => Planes::I16(mapped(&planes, |s| (s >> 16) as i16)),
            _ => Planes::I32(planes),
        })
    }

    fn is_lossless(&self) -> bool {
        matches!(self.meta.encoding, Encoding::Flac | Encoding::Alac)
    }

    fn planes<S: ConvertibleSample>(
        &mut self,
        offset: usize,
        frames: Option<usize>,
        strict: bool,
    ) -> std::result::Result<Vec<Vec<S>>, Fault> {
        let channels = self.meta.num_channels;
        let mut decoder = decoder(&self.parameters, self.meta.encoding)?;
        // What is lossless says how long it is.
        if let Some(there) = self.frames.filter(|_| self.is_lossless()) {
            if offset > there {
                fault!(Behind, "frame_offset {offset} is behind the end: the file has {there} frames");
            }
            if offset == there {
                return Ok(vec![Vec::new(); channels]);
            }
        }
        let mut skip = self.skip.saturating_add(offset) - self.sought(offset)?;
        let (mut all, mut part): (Vec<Vec<S>>, Vec<Vec<S>>) = (vec![Vec::new(); channels], Vec::new());
        let mut ended = true;
        loop {
            if frames.is_some_and(|frames| all[0].len() >= frames) {
                ended = false;
                break;
            }
            let packet = match next(&mut *self.format) {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Fault::Chained) => {
                    // Another stream follows in the same file.
                    let Some((track, parameters, _)) = sound(&*self.format) else { break };
                    let same = parameters.sample_rate == self.parameters.sample_rate
                        && parameters.channels.as_ref().map(Channels::count) == Some(channels);
                    if !same || encoding(&parameters)? != self.meta.encoding {
                        fault!(Unsupported, "a stream of another rate, channels or coding follows in the same file");
                    }
                    decoder = self::decoder(&parameters, self.meta.encoding)?;
                    self.track = track;
                    continue;
                }
                Err(_) if !strict => break,
                Err(fault) => return Err(fault),
            };
            if packet.track_id != self.track {
                continue;
            }
            let buffer = match decoder.decode(&packet) {
                Ok(buffer) => buffer,
                // Players pass over a broken frame of MPEG.
                Err(Symphonia::DecodeError(_)) if !strict || self.is_mpeg() => continue,
                Err(e) => return Err(e.into()),
            };
            if buffer.num_planes() != channels {
                fault!(Format, "{} channels in the midst of a sound of {channels}", buffer.num_planes());
            }
            let count = buffer.frames();
            if skip >= count {
                skip -= count;
                continue;
            }
            buffer.copy_to_vecs_planar(&mut part);
            for (plane, part) in all.iter_mut().zip(&part) {
                plane.try_reserve(count - skip).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
                plane.extend_from_slice(&part[skip..]);
            }
            skip = 0;
        }
        if let Some(frames) = frames {
            all.iter_mut().for_each(|plane| plane.truncate(frames));
        }
        if ended {
            let there = if skip > 0 { offset.saturating_sub(skip) } else { offset + all[0].len() };
            if skip > 0 && offset > there {
                fault!(Behind, "frame_offset {offset} is behind the end: the file has {there} frames");
            }
            if let Some(promised) = self.frames.filter(|promised| strict && self.is_lossless() && *promised > there) {
                fault!(Format, "the header promises {promised} frames, the file has {there}");
            }
        }
        Ok(all)
    }

    /// Goes near a frame of a FLAC, and says to which; the start of other files.
    fn sought(&mut self, offset: usize) -> std::result::Result<usize, Fault> {
        if offset == 0 || self.meta.encoding != Encoding::Flac {
            return Ok(0);
        }
        let Ok(ts) = i64::try_from(offset) else { return Ok(0) };
        let to = SeekTo::Timestamp { ts: Timestamp::new(ts), track_id: self.track };
        let found = self.format.seek(SeekMode::Accurate, to)?;
        Ok(usize::try_from(found.actual_ts.get()).unwrap_or(0).min(offset))
    }

    fn is_mpeg(&self) -> bool {
        matches!(self.meta.encoding, Encoding::Mp3 | Encoding::Mp2)
    }
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

fn decoder(parameters: &AudioCodecParameters, encoding: Encoding) -> std::result::Result<Box<dyn AudioDecoder>, Fault> {
    if encoding == Encoding::Opus {
        fault!(Unsupported, "samples of {encoding} are not decoded; its length, rate and channels can be asked for");
    }
    Ok(symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())?)
}

/// The next packet; none at the end.
fn next(format: &mut dyn FormatReader) -> std::result::Result<Option<Packet>, Fault> {
    Ok(format.next_packet()?)
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
