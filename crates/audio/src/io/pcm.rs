//! Files whose samples lie there as they are: what a walk has found of one, and the samples to tensors. Frames lie
//! channel by channel in a file, and channel after channel in a tensor.

use super::fault::{Fault, fault};
use super::source::Input;
use super::{AudioMetaData, Encoding};
use flambeau_tensor::{Element, Tensor};

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
                let told = "the header leaves the number of samples open: all that are there are read";
                self.samples(data_at, there, vec![told.into()])
            }
        }
    }
}

impl Pcm {
    /// The `frames` frames from `from` on, which are there, as `[channels, frames]`.
    pub fn read(
        &self,
        input: &mut Input,
        from: usize,
        frames: usize,
        normalize: bool,
    ) -> std::result::Result<Tensor, Fault> {
        let place = Place { pcm: self, input, from, frames };
        match (self.meta.encoding, self.meta.bits_per_sample.div_ceil(8)) {
            (Encoding::PcmF, 8) if normalize => place.planes(|s| f64::from_le_bytes(s) as f32),
            (Encoding::PcmF, 8) => place.planes(f64::from_le_bytes),
            (Encoding::PcmF, _) => place.planes(f32::from_le_bytes),
            (Encoding::Ulaw, _) => place.planes(|[s]| f32::from(ulaw(s)) / 32768.0),
            (Encoding::Alaw, _) => place.planes(|[s]| f32::from(alaw(s)) / 32768.0),
            (_, 1) if normalize => place.planes(|[s]| (f32::from(s) - 128.0) / 128.0),
            (_, 1) => place.planes(|[s]: [u8; 1]| s),
            (_, 2) if normalize => place.planes(|s| f32::from(i16::from_le_bytes(s)) / 32768.0),
            (_, 2) => place.planes(i16::from_le_bytes),
            (_, 3) if normalize => place.planes(|s| unit(upper24(s))),
            (_, 3) => place.planes(upper24),
            _ if normalize => place.planes(|s| unit(i32::from_le_bytes(s))),
            _ => place.planes(i32::from_le_bytes),
        }
    }
}

/// About how many bytes are read at once: what a near cache holds.
const TILE: usize = 1 << 16;

/// Frames to be read of a file.
struct Place<'a> {
    pcm: &'a Pcm,
    input: &'a mut Input,
    from: usize,
    frames: usize,
}

impl Place<'_> {
    /// The samples of `N` bytes each by `read`, the channels taken apart.
    fn planes<const N: usize, T: Element + Default>(
        self,
        read: impl Fn([u8; N]) -> T,
    ) -> std::result::Result<Tensor, Fault> {
        let Place { pcm, input, from, frames } = self;
        let (channels, block) = (pcm.meta.num_channels, pcm.block);
        let flipped = pcm.signed && N == 1 && pcm.meta.encoding == Encoding::PcmS;
        let each = (TILE / block).max(1);
        // The products are below the length of the file, as the walk has seen.
        let mut all = vec![T::default(); channels * frames];
        for start in (0..frames).step_by(each) {
            let count = each.min(frames - start);
            let mut tile = input.part(pcm.data_at + ((from + start) * block) as u64, count * block)?;
            if pcm.big_endian && N > 1 {
                tile.as_chunks_mut::<N>().0.iter_mut().for_each(|sample| sample.reverse());
            }
            if flipped {
                tile.iter_mut().for_each(|b| *b ^= 0x80);
            }
            let samples = tile.as_chunks::<N>().0;
            let mut planes = all.chunks_exact_mut(frames).map(|plane| &mut plane[start..start + count]);
            if channels == 2 {
                if let (Some(left), Some(right)) = (planes.next(), planes.next()) {
                    for ((l, r), [a, b]) in left.iter_mut().zip(right).zip(samples.as_chunks::<2>().0) {
                        (*l, *r) = (read(*a), read(*b));
                    }
                }
                continue;
            }
            for (channel, plane) in planes.enumerate() {
                for (y, s) in plane.iter_mut().zip(samples[channel..].iter().step_by(channels)) {
                    *y = read(*s);
                }
            }
        }
        Ok(Tensor::from_vec(all, [channels, frames])?)
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
