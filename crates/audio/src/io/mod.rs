//! Sound files to tensors and back, as `torchaudio.load`, `save` and `info`: from a path, bytes in memory or a reader.
//!
//! | | read | written |
//! | --- | --- | --- |
//! | WAV, RF64, W64 | PCM of 8 to 32 bits, floating point, A-law, µ-law, ADPCM by Microsoft and IMA | WAV: all but ADPCM |
//! | AIFF, AIFC, AU | PCM, floating point, A-law, µ-law | the same |
//! | CAF, SPHERE | PCM, floating point, A-law, µ-law | |
//! | FLAC, also in Ogg | yes | FLAC of 8 to 24 bits |
//! | MP3, MP2, Vorbis, AAC and ALAC in MP4 | yes | |
//! | Opus in Ogg | with the feature `opus` | |
//!
//! [`load`] gives a file as a whole, [`StreamReader`] in chunks of so many frames, in memory that does not grow with the
//! file.
//!
//! A file is taken for hostile. Its structure is walked before a sample is read (`containers`): a file that ends
//! too early or whose header lies is an error that names the byte, and memory is asked for only where the
//! file has the bytes to fill it. Files that were written to a pipe leave their sizes open; they are read to
//! the end.

mod adpcm;
mod coded;
mod containers;
mod decoder;
mod fault;
mod load;
#[cfg(feature = "opus")]
mod opus;
mod pcm;
mod save;
mod source;
mod stream;
mod track;
mod write;

pub use load::LoadBuilder;
pub use save::{SaveBuilder, save, save_with};
pub use source::{Sink, Source};
pub use stream::{StreamReader, StreamReaderBuilder};

use adpcm::Adpcm;
use flambeau_tensor::{Result, Tensor, bail};
use pcm::Pcm;
use std::fmt;
use std::str::FromStr;
use track::Opening;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    /// also RF64
    Wav,
    W64,
    /// also AIFC
    Aiff,
    Au,
    Caf,
    Sphere,
    Flac,
    /// Vorbis, FLAC or Opus in it
    Ogg,
    /// MP3, MP2, and AAC in a stream of its own
    Mpeg,
    /// AAC or ALAC in it
    Mp4,
}

/// Of the ending of a file's name, as `"flac"`.
impl FromStr for Format {
    type Err = flambeau_tensor::Error;

    #[track_caller]
    fn from_str(ending: &str) -> Result<Format> {
        Ok(match ending.to_ascii_lowercase().as_str() {
            "wav" | "wave" | "rf64" | "amb" => Format::Wav,
            "w64" => Format::W64,
            "aiff" | "aif" | "aifc" => Format::Aiff,
            "au" | "snd" => Format::Au,
            "caf" => Format::Caf,
            "sph" | "nist" => Format::Sphere,
            "flac" => Format::Flac,
            "ogg" | "oga" | "opus" | "vorbis" => Format::Ogg,
            "mp3" | "mp2" | "mpga" | "aac" => Format::Mpeg,
            "m4a" | "mp4" | "m4b" | "mov" => Format::Mp4,
            other => bail!(
                Unsupported,
                "Format",
                "no form of sound files is called {other:?}: there are wav, w64, aiff, au, caf, sph, flac, ogg, mp3 and m4a"
            ),
        })
    }
}

/// Samples whose place in a file was found, where any of them can be gone to.
enum Plain {
    Pcm(Pcm),
    Adpcm(Adpcm),
}

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
    /// 4 bits by Microsoft's ADPCM
    MsAdpcm,
    /// 4 bits by the ADPCM of the IMA
    ImaAdpcm,
    /// lossless
    Flac,
    /// lossless, Apple's
    Alac,
    /// MPEG-1 and -2, layer III
    Mp3,
    /// MPEG-1 and -2, layers I and II
    Mp2,
    /// Xiph's, before Opus
    Vorbis,
    /// Xiph's; samples are decoded with the feature `opus`
    Opus,
    /// MPEG-4, low complexity
    Aac,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::PcmS => "PCM_S",
            Encoding::PcmU => "PCM_U",
            Encoding::PcmF => "PCM_F",
            Encoding::Ulaw => "ULAW",
            Encoding::Alaw => "ALAW",
            Encoding::MsAdpcm => "MS_ADPCM",
            Encoding::ImaAdpcm => "IMA_ADPCM",
            Encoding::Flac => "FLAC",
            Encoding::Alac => "ALAC",
            Encoding::Mp3 => "MP3",
            Encoding::Mp2 => "MP2",
            Encoding::Vorbis => "VORBIS",
            Encoding::Opus => "OPUS",
            Encoding::Aac => "AAC",
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
    /// Bits of a sample; 0 where it is not kept in bits, as in MP3.
    pub bits_per_sample: u32,
    /// How a sample is kept.
    pub encoding: Encoding,
    /// In what the file differs from its header though it can be read: sizes that a writer to a pipe left open
    /// or never set right, half a frame at the end.
    pub note: Option<String>,
}

/// What a file holds; no sample is read. `source` is a path, bytes, or a [`Source::reader`]. Follows `torchaudio.info`.
///
/// # Errors
/// Where the source cannot be read, or is no whole file of a known form; the error names it, the fault and, where it is
/// one of structure, the byte.
#[track_caller]
pub fn info(source: impl Into<Source>) -> Result<AudioMetaData> {
    load_with(source).info()
}

/// The waveform `[channels, frames]` of a file, `f32` in -1 to 1, and its sample rate. `source` is a path, bytes, or a
/// [`Source::reader`]. Follows `torchaudio.load`.
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
/// As [`info`].
#[track_caller]
pub fn load(source: impl Into<Source>) -> Result<(Tensor, u32)> {
    load_with(source).build()
}

/// [`load`] of a part of the file, or of its samples as they are:
/// `load_with(path).frame_offset(8000).num_frames(4000).build()?`.
pub fn load_with(source: impl Into<Source>) -> LoadBuilder {
    LoadBuilder {
        opening: Opening { source: source.into(), format: None, strict: true },
        frame_offset: 0,
        num_frames: None,
        normalize: true,
        channels_first: true,
    }
}

#[cfg(test)]
mod tests;
