//! Tensors to sound files.

use super::source::Sink;
use super::write::{self, Form};
use super::{Encoding, Format};
use flambeau_serialize::file::replace;
use flambeau_tensor::{Build, Error, Result, Tensor, bail, ensure};
use std::io::Write;

/// Writes `waveform` (`[channels, frames]`, or `[frames]` for one channel) as a file of the form that the ending of its
/// name says: WAV or AIFF or AU of 16-bit integers, or FLAC of 24 bits. `sink` is a path, `&mut Vec<u8>`, which becomes a
/// WAV, or a [`Sink::writer`]. Follows `torchaudio.save`, whose defaults these are.
///
/// A floating point sample x becomes the integer nearest to x·2^15, kept in range (NaN becomes silence); an
/// integer tensor (`u8`, `i16`, `i32`) stands for what [`load_with`](super::load_with) gives unnormalised, and of `i16`
/// FLAC keeps 16 bits. A file is replaced as a whole or not at all.
///
/// # Errors
/// Where the tensor is no waveform, the form is none that is written, a WAV, AIFF or AU would be longer than 4 GiB, or
/// the file cannot be written.
#[track_caller]
pub fn save<'a>(sink: impl Into<Sink<'a>>, waveform: impl AsRef<Tensor>, sample_rate: u32) -> Result<()> {
    save_with(sink, waveform, sample_rate).build()
}

/// [`save`] in another form or encoding: `save_with(path, &x, 16_000).bits_per_sample(24).build()?`, or
/// `.encoding(Encoding::PcmF)` for floating point of 32 bits, or of 64.
///
/// ```
/// use flambeau_audio::io::{Format, load, save_with};
/// use flambeau_tensor::Tensor;
///
/// let wave = Tensor::from_vec(vec![0.0f32, 0.5, -1.0], [1, 3])?;
/// let mut bytes = Vec::new();
/// save_with(&mut bytes, &wave, 8000).format(Format::Flac).build()?;
/// assert_eq!(load(bytes)?.0.to_vec::<f32>()?, [0.0, 0.5, -1.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn save_with<'a>(sink: impl Into<Sink<'a>>, waveform: impl AsRef<Tensor>, sample_rate: u32) -> SaveBuilder<'a> {
    SaveBuilder {
        sink: sink.into(),
        waveform: waveform.as_ref().clone(),
        sample_rate,
        format: None,
        encoding: None,
        bits_per_sample: None,
        channels_first: true,
    }
}

/// Options of [`save_with`].
#[derive(Debug)]
#[must_use = "nothing is written until `build()`"]
pub struct SaveBuilder<'a> {
    sink: Sink<'a>,
    waveform: Tensor,
    sample_rate: u32,
    format: Option<Format>,
    encoding: Option<Encoding>,
    bits_per_sample: Option<u32>,
    channels_first: bool,
}

impl SaveBuilder<'_> {
    /// What the file becomes: WAV, AIFF, AU or FLAC. By the ending of its name unless set, WAV where it has none.
    pub fn format(mut self, format: impl Into<Option<Format>>) -> Self {
        self.format = format.into();
        self
    }

    /// How samples are kept: what goes with `bits_per_sample` unless set.
    pub fn encoding(mut self, encoding: impl Into<Option<Encoding>>) -> Self {
        self.encoding = encoding.into();
        self
    }

    /// 8, 16, 24, 32 or 64; 16 unless set, 8 for `PcmU`, `Ulaw` and `Alaw`, 32 for `PcmF`, 24 for FLAC.
    pub fn bits_per_sample(mut self, bits_per_sample: impl Into<Option<u32>>) -> Self {
        self.bits_per_sample = bits_per_sample.into();
        self
    }

    /// Is the waveform `[channels, frames]` (the default) or `[frames, channels]`?
    pub fn channels_first(mut self, channels_first: bool) -> Self {
        self.channels_first = channels_first;
        self
    }

    /// Writes the file.
    ///
    /// # Errors
    /// As [`save`]; also where form, encoding and bits do not go together.
    #[track_caller]
    pub fn build(self) -> Result<()> {
        let wave = self.waveform.detach();
        let wave = match wave.rank() {
            1 => wave.unsqueeze(0)?,
            2 if !self.channels_first => wave.transpose(0, 1)?,
            _ => wave,
        };
        ensure!(wave.rank() == 2, Shape, "save", "a waveform is [channels, frames], this is {:?}", wave.shape());
        ensure!(wave.shape()[0] > 0, Shape, "save", "the waveform {:?} has no channels", self.waveform.shape());
        ensure!(self.sample_rate > 0, Argument, "save", "the sample rate must not be zero");
        let format = self.file_format()?;
        let (bits, encoding) = self.form(format)?;
        let form = Form { encoding, bits, channels: wave.shape()[0], frames: wave.shape()[1], rate: self.sample_rate };
        let file = match format {
            Format::Wav => write::wav(&form, &wave)?,
            Format::Aiff => write::aiff(&form, &wave)?,
            Format::Au => write::au(&form, &wave)?,
            _ => write::flac(&form, &wave)?,
        };
        match self.sink {
            Sink::Path(path) => replace(&path, |out| out.write_all(&file).map_err(|e| Error::io("write", &path, e))),
            Sink::Writer(mut writer) => {
                let written = writer.write_all(&file).and_then(|()| writer.flush());
                written.map_err(|e| Error::io("write", "to a writer", e))
            }
        }
    }

    #[track_caller]
    fn file_format(&self) -> Result<Format> {
        let format = match (self.format, &self.sink) {
            (Some(format), _) => format,
            (None, Sink::Path(path)) => match path.extension().and_then(|e| e.to_str()) {
                Some(ending) => ending.parse()?,
                None => Format::Wav,
            },
            (None, Sink::Writer(_)) => Format::Wav,
        };
        match format {
            Format::Wav | Format::Aiff | Format::Au | Format::Flac => Ok(format),
            Format::Mpeg | Format::Ogg | Format::Mp4 => bail!(
                Unsupported,
                "save",
                "{format:?} is read, but not written: the encoders of MP3, Vorbis, Opus and AAC are in C; take FLAC or WAV"
            ),
            other => bail!(Unsupported, "save", "{other:?} is read, but not written; take WAV, AIFF, AU or FLAC"),
        }
    }

    #[track_caller]
    fn form(&self, format: Format) -> Result<(u32, Encoding)> {
        use Encoding::{Alaw, Flac, PcmF, PcmS, PcmU, Ulaw};
        if format == Format::Flac {
            let default = match self.waveform.dtype() {
                flambeau_tensor::DType::I16 => 16,
                flambeau_tensor::DType::U8 => 8,
                _ => 24,
            };
            return match (self.encoding, self.bits_per_sample.unwrap_or(default)) {
                (None | Some(Flac | PcmS), bits @ (8 | 16 | 24)) => Ok((bits, PcmS)),
                (encoding, bits) => bail!(
                    Argument,
                    "save",
                    "no FLAC of {bits} bits{}: integers with a sign of 8, 16 or 24",
                    encoding.map_or(String::new(), |e| format!(" and {e}"))
                ),
            };
        }
        let default = match self.encoding {
            Some(PcmU | Ulaw | Alaw) => 8,
            Some(PcmF) => 32,
            _ => 16,
        };
        let bits = self.bits_per_sample.unwrap_or(default);
        // A WAV keeps 8 bits without a sign, the others with one.
        let byte = if format == Format::Wav { PcmU } else { PcmS };
        match (self.encoding, bits) {
            (Some(PcmF), 32 | 64) => Ok((bits, PcmF)),
            (Some(encoding @ (Ulaw | Alaw)), 8) => Ok((bits, encoding)),
            (Some(PcmU | PcmS), 8) if self.encoding == Some(byte) => Ok((bits, byte)),
            (None, 8) => Ok((bits, byte)),
            (Some(PcmS) | None, 16 | 24 | 32) => Ok((bits, PcmS)),
            (encoding, _) => bail!(
                Argument,
                "save",
                "no {} of {bits} bits{}: {byte} has 8, PCM_S 16, 24 or 32, PCM_F 32 or 64, ULAW and ALAW 8",
                name(format),
                encoding.map_or(String::new(), |e| format!(" and {e}"))
            ),
        }
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Wav => "WAV",
        Format::Aiff => "AIFF",
        Format::Au => "AU",
        _ => "file",
    }
}

impl Build for SaveBuilder<'_> {
    type Output = ();
    #[track_caller]
    fn build(self) -> Result<()> {
        SaveBuilder::build(self)
    }
}
