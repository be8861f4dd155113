//! Tensors to WAV files.

use super::Encoding;
use flambeau_serialize::file;
use flambeau_tensor::{Build, DType, Error, Result, Tensor, bail, ensure};
use std::path::{Path, PathBuf};

/// Writes `waveform` (`[channels, frames]`, or `[frames]` for one channel) as a WAV file of 16-bit
/// integers. Follows `torchaudio.save`, whose default this is for WAV.
///
/// A floating point sample x becomes the integer nearest to x·2^15, kept in range (NaN becomes silence); an
/// integer tensor (`u8`, `i16`, `i32`) stands for what [`load_with`](super::load_with) gives unnormalised. The file is
/// replaced as a whole or not at all.
///
/// # Errors
/// Where the tensor is no waveform, the WAV would be longer than 4 GiB, or the file cannot be written.
#[track_caller]
pub fn save(path: impl AsRef<Path>, waveform: impl AsRef<Tensor>, sample_rate: u32) -> Result<()> {
    save_with(path.as_ref(), waveform, sample_rate).build()
}

/// [`save`] in another encoding: `save_with(path, &x, 16_000).bits_per_sample(24).build()?`, or
/// `.encoding(Encoding::PcmF)` for floating point of 32 bits, or of 64.
pub fn save_with(path: impl Into<PathBuf>, waveform: impl AsRef<Tensor>, sample_rate: u32) -> SaveBuilder {
    let waveform = waveform.as_ref().clone();
    SaveBuilder { path: path.into(), waveform, sample_rate, encoding: None, bits_per_sample: None }
}

/// Options of [`save_with`].
#[derive(Clone, Debug)]
#[must_use = "nothing is written until `build()`"]
pub struct SaveBuilder {
    path: PathBuf,
    waveform: Tensor,
    sample_rate: u32,
    encoding: Option<Encoding>,
    bits_per_sample: Option<u32>,
}

impl SaveBuilder {
    /// How samples are kept: what goes with `bits_per_sample` unless set.
    pub fn encoding(mut self, encoding: impl Into<Option<Encoding>>) -> Self {
        self.encoding = encoding.into();
        self
    }

    /// 8, 16, 24, 32 or 64; 16 unless set, 8 for `PcmU`, 32 for `PcmF`.
    pub fn bits_per_sample(mut self, bits_per_sample: impl Into<Option<u32>>) -> Self {
        self.bits_per_sample = bits_per_sample.into();
        self
    }

    /// Writes the file.
    ///
    /// # Errors
    /// As [`save`]; also where encoding and bits do not go together.
    #[track_caller]
    pub fn build(self) -> Result<()> {
        let wave = self.waveform.detach();
        let wave = if wave.rank() == 1 { wave.unsqueeze(0)? } else { wave };
        ensure!(wave.rank() == 2, Shape, "save", "a waveform is [channels, frames], this is {:?}", wave.shape());
        let (channels, frames) = (wave.shape()[0], wave.shape()[1]);
        ensure!(
            (1..=usize::from(u16::MAX)).contains(&channels),
            Shape,
            "save",
            "a WAV has 1 to 65535 channels, the waveform {:?} has {channels}",
            self.waveform.shape()
        );
        ensure!(self.sample_rate > 0, Argument, "save", "the sample rate must not be zero");
        let (bits, encoding) = self.form()?;
        ensure!(
            channels * (bits / 8) as usize <= usize::from(u16::MAX),
            Shape,
            "save",
            "a WAV's frame has up to 65535 bytes, {channels} channels of {bits} bits have more"
        );
        let bytes = (channels * frames) as u128 * u128::from(bits / 8);
        let rate = u128::from(self.sample_rate) * channels as u128 * u128::from(bits / 8);
        ensure!(
            bytes < u128::from(u32::MAX) - 128,
            Argument,
            "save",
            "a WAV holds up to 4 GiB, these are {bytes} bytes"
        );
        ensure!(
            rate <= u128::from(u32::MAX),
            Argument,
            "save",
            "{rate} bytes a second are more than a WAV's header can say"
        );
        let form = Form { encoding, bits: bits as u16, channels: channels as u16, rate: self.sample_rate };
        let bytes = form.file(&unit_samples(&wave)?, frames);
        file::replace(&self.path, |out| out.write_all(&bytes).map_err(|e| Error::io("write", &self.path, e)))
    }

    #[track_caller]
    fn form(&self) -> Result<(u32, Encoding)> {
        let default = match self.encoding {
            Some(Encoding::PcmU | Encoding::Ulaw | Encoding::Alaw) => 8,
            Some(Encoding::PcmF) => 32,
            Some(Encoding::PcmS) | None => 16,
        };
        let bits = self.bits_per_sample.unwrap_or(default);
        match (self.encoding, bits) {
            (Some(Encoding::PcmF), 32 | 64) => Ok((bits, Encoding::PcmF)),
            (Some(Encoding::PcmU) | None, 8) => Ok((bits, Encoding::PcmU)),
            (Some(Encoding::PcmS) | None, 16 | 24 | 32) => Ok((bits, Encoding::PcmS)),
            (Some(encoding @ (Encoding::Ulaw | Encoding::Alaw)), _) => {
                bail!(Unsupported, "save", "{encoding} is read, but not written")
            }
            (encoding, _) => bail!(
                Argument,
                "save",
                "no WAV of {bits} bits{}: PCM_U has 8, PCM_S 16, 24 or 32, PCM_F 32 or 64",
                encoding.map_or(String::new(), |e| format!(" and {e}"))
            ),
        }
    }
}

impl Build for SaveBuilder {
    type Output = ();
    #[track_caller]
    fn build(self) -> Result<()> {
        SaveBuilder::build(self)
    }
}

/// All samples in -1 to 1, channel after channel; `f64` holds every kind of them.
#[track_caller]
fn unit_samples(wave: &Tensor) -> Result<Vec<f64>> {
    let (zero, scale) = match wave.dtype() {
        DType::U8 => (128.0, 128.0),
        DType::I16 => (0.0, 32768.0),
        DType::I32 => (0.0, 2147483648.0),
        dtype if dtype.is_float() => (0.0, 1.0),
        dtype => bail!(DType, "save", "a waveform is floating point, uint8, int16 or int32, not {dtype}"),
    };
    let mut samples = wave.to_dtype(DType::F64)?.to_vec::<f64>()?;
    samples.iter_mut().for_each(|s| *s = (*s - zero) / scale);
    Ok(samples)
}

/// What a file is written in.
struct Form {
    encoding: Encoding,
    bits: u16,
    channels: u16,
    rate: u32,
}

impl Form {
    /// The whole file: RIFF, `fmt `, for floating point `fact`, and `data`. The caller has checked that it is
    /// shorter than 4 GiB.
    fn file(&self, samples: &[f64], frames: usize) -> Vec<u8> {
        let data = samples.len() * usize::from(self.bits / 8);
        let mut file = Vec::with_capacity(data + 64);
        file.extend(b"RIFF\0\0\0\0WAVE");
        self.put_form(&mut file, frames);
        file.extend(b"data");
        file.extend((data as u32).to_le_bytes());
        for frame in 0..frames {
            samples[frame..].iter().step_by(frames).for_each(|x| self.put_sample(&mut file, *x));
        }
        if data % 2 == 1 {
            file.push(0);
        }
        let size = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        file
    }

    fn put_form(&self, file: &mut Vec<u8>, frames: usize) {
        let float = self.encoding == Encoding::PcmF;
        let block = self.channels * (self.bits / 8);
        file.extend(b"fmt ");
        file.extend(if float { 18u32 } else { 16 }.to_le_bytes());
        file.extend(if float { 3u16 } else { 1 }.to_le_bytes());
        file.extend(self.channels.to_le_bytes());
        file.extend(self.rate.to_le_bytes());
        file.extend((self.rate * u32::from(block)).to_le_bytes());
        file.extend(block.to_le_bytes());
        file.extend(self.bits.to_le_bytes());
        if float {
            // The size of an extension that there is none of, and the chunk that all forms but PCM have.
            file.extend(b"\0\0fact\x04\0\0\0");
            file.extend((frames as u32).to_le_bytes());
        }
    }

    fn put_sample(&self, file: &mut Vec<u8>, x: f64) {
        let full = 2f64.powi(i32::from(self.bits) - 1);
        let integer = || (x * full).round_ties_even().clamp(-full, full - 1.0) as i32;
        match (self.encoding, self.bits) {
            (Encoding::PcmF, 64) => file.extend(x.to_le_bytes()),
            (Encoding::PcmF, _) => file.extend((x as f32).to_le_bytes()),
            (Encoding::PcmU, _) => file.push((integer() + 128) as u8),
            (_, bits) => file.extend(&integer().to_le_bytes()[..usize::from(bits / 8)]),
        }
    }
}
