//! The bytes of samples to tensors: frames lie channel by channel in a file, and channel after channel in a
//! tensor.

use super::{AudioMetaData, Encoding};
use flambeau_tensor::{Element, Result, Tensor};

/// The samples of `frames` whole frames as `[channels, frames]`.
#[track_caller]
pub(super) fn tensor(bytes: &[u8], frames: usize, meta: &AudioMetaData, normalize: bool) -> Result<Tensor> {
    let channels = meta.num_channels;
    match (meta.encoding, meta.bits_per_sample.div_ceil(8)) {
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

/// 24 bits as the upper ones of 32.
fn upper24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_le_bytes([0, a, b, c])
}

fn unit(sample: i32) -> f32 {
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
fn ulaw(sample: u8) -> i16 {
    let s = !sample;
    let magnitude = (((i16::from(s & 0x0f) << 3) + 0x84) << ((s >> 4) & 7)) - 0x84;
    if s & 0x80 == 0 { magnitude } else { -magnitude }
}

/// A sample by the A-law of G.711: sign, exponent of 3 bits, mantissa of 4, every second bit inverted.
fn alaw(sample: u8) -> i16 {
    let s = sample ^ 0x55;
    let (exponent, mantissa) = ((s >> 4) & 7, i16::from(s & 0x0f) << 4);
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if s & 0x80 == 0 { -magnitude } else { magnitude }
}
