//! Files whose samples lie there as they are: what a walk has found of one, and the samples to tensors. Frames lie
//! channel by channel in a file, and channel after channel in a tensor.

use super::fault::{Fault, fault};
use super::{AudioMetaData, Encoding};
use flambeau_tensor::{Element, Result, Tensor};

/// A file whose structure was found whole.
#[derive(Debug)]
pub(super) struct Pcm {
    pub meta: AudioMetaData,
    /// Bytes of a frame.
    pub block: usize,
    /// The byte at which the samples start.
    pub data_at: u64,
    /// Does the highest byte of a sample come first?
    pub big_endian: bool,
    /// Are samples of 8 bits signed?
    pub signed: bool,
}

/// What samples are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub encoding: Encoding,
    pub channels: usize,
    pub rate: u32,
    pub bits: u32,
    pub big_endian: bool,
    pub signed: bool,
}

impl Form {
    /// Bytes of a frame, each sample in the least whole bytes.
    pub fn block(&self) -> u64 {
        self.channels as u64 * u64::from(self.bits.div_ceil(8))
    }

    /// What lies from byte `data_at` on in `size` bytes.
    pub fn samples(&self, data_at: u64, size: u64, mut notes: Vec<String>) -> std::result::Result<Pcm, Fault> {
        let block = self.block();
        let (Ok(frames), Ok(bytes)) = (usize::try_from(size / block), usize::try_from(block)) else {
            fault!(Unsupported, "more samples than this machine can address");
        };
        if !size.is_multiple_of(block) {
            let (end, rest) = (data_at + size, size % block);
            notes.push(format!("the last {rest} bytes up to byte {end} are no whole frame of {block} and left out"));
        }
        let meta = AudioMetaData {
            sample_rate: self.rate,
            num_frames: frames,
            num_channels: self.channels,
            bits_per_sample: self.bits,
            encoding: self.encoding,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        };
        Ok(Pcm { meta, block: bytes, data_at, big_endian: self.big_endian, signed: self.signed })
    }

    /// As [`samples`](Form::samples), of a file of `length` bytes whose header promises `promised` from there on, or
    /// leaves it open.
    pub fn promised(
        &self,
        data_at: u64,
        promised: Option<u64>,
        length: u64,
        strict: bool,
    ) -> std::result::Result<Pcm, Fault> {
        let Some(there) = length.checked_sub(data_at) else {
            fault!(Format, "the samples start at byte {data_at}, the file ends at byte {length}");
        };
        match promised {
            Some(promised) if promised <= there => self.samples(data_at, promised, Vec::new()),
            Some(promised) => {
                let told = format!(
                    "the header promises {promised} bytes of samples from byte {data_at} on, the file ends at byte {length}"
                );
                if strict {
                    return Err(Fault::Format(told));
                }
                self.samples(data_at, there, vec![told])
            }
            None => {
                let told = "the header leaves the number of samples open: they are read to the end of the file";
                self.samples(data_at, there, vec![told.into()])
            }
        }
    }
}

impl Pcm {
    /// The samples of `frames` whole frames as `[channels, frames]`.
    #[track_caller]
    pub fn tensor(&self, mut bytes: Vec<u8>, frames: usize, normalize: bool) -> Result<Tensor> {
        let (channels, encoding) = (self.meta.num_channels, self.meta.encoding);
        let size = self.meta.bits_per_sample.div_ceil(8) as usize;
        if self.big_endian && size > 1 {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if self.signed && size == 1 && encoding == Encoding::PcmS {
            bytes.iter_mut().for_each(|b| *b ^= 0x80);
        }
        let bytes = &bytes[..];
        match (encoding, size) {
            (Encoding::PcmF, 8) if normalize => planes(bytes, channels, frames, |s| f64::from_le_bytes(s) as f32),
            (Encoding::PcmF, 8) => planes(bytes, channels, frames, f64::from_le_bytes),
            (Encoding::PcmF, _) => planes(bytes, channels, frames, f32::from_le_bytes),
            (Encoding::Ulaw, _) => planes(bytes, channels, frames, |[s]| f32::from(ulaw(s)) / 32768.0),
            (Encoding::Alaw, _) => planes(bytes, channels, frames, |[s]| f32::from(alaw(s)) / 32768.0),
            (_, 1) if normalize => planes(bytes, channels, frames, |[s]| (f32::from(s) - 128.0) / 128.0),
            (_, 1) => planes(bytes, channels, frames, |[s]: [u8; 1]| s),
            (_, 2) if normalize => planes(bytes, channels, frames, |s| f32::from(i16::from_le_bytes(s)) / 32768.0),
            (_, 2) => planes(bytes, channels, frames, i16::from_le_bytes),
            (_, 3) if normalize => planes(bytes, channels, frames, |s| unit(upper24(s))),
            (_, 3) => planes(bytes, channels, frames, upper24),
            _ if normalize => planes(bytes, channels, frames, |s| unit(i32::from_le_bytes(s))),
            _ => planes(bytes, channels, frames, i32::from_le_bytes),
        }
    }
}

/// 24 bits as the upper ones of 32.
fn upper24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_le_bytes([0, a, b, c])
}

/// A sample of 32 bits in -1 to 1.
pub(super) fn unit(sample: i32) -> f32 {
    sample as f32 / 2147483648.0
}

/// Samples of `N` bytes each by `read`, the channels taken apart.
#[track_caller]
fn planes<const N: usize, T: Element>(
    bytes: &[u8],
    channels: usize,
    frames: usize,
    read: impl Fn([u8; N]) -> T,
) -> Result<Tensor> {
    let samples = bytes.as_chunks::<N>().0;
    let all = if channels == 1 {
        samples.iter().map(|s| read(*s)).collect()
    } else {
        let mut all = Vec::with_capacity(samples.len());
        for channel in 0..channels {
            all.extend(samples.iter().skip(channel).step_by(channels).map(|s| read(*s)));
        }
        all
    };
    Tensor::from_vec(all, [channels, frames])
}

/// A sample by the µ-law of G.711: sign, exponent of 3 bits, mantissa of 4, all inverted.
pub(super) fn ulaw(sample: u8) -> i16 {
    let s = !sample;
    let magnitude = (((i16::from(s & 0x0f) << 3) + 0x84) << ((s >> 4) & 7)) - 0x84;
    if s & 0x80 == 0 { magnitude } else { -magnitude }
}

/// A sample by the A-law of G.711: sign, exponent of 3 bits, mantissa of 4, every second bit inverted.
pub(super) fn alaw(sample: u8) -> i16 {
    let s = sample ^ 0x55;
    let (exponent, mantissa) = ((s >> 4) & 7, i16::from(s & 0x0f) << 4);
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if s & 0x80 == 0 { -magnitude } else { magnitude }
}
