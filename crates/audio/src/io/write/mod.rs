//! Sound files written: the bytes of the whole file.

mod flac;
mod md5;
mod pcm;

pub(super) use flac::flac;
pub(super) use pcm::{aiff, au, wav};

use super::Encoding;
use flambeau_tensor::{DType, Result, Tensor, bail};

/// What a file is written in.
pub(super) struct Form {
    pub encoding: Encoding,
    pub bits: u32,
    pub channels: usize,
    pub frames: usize,
    pub rate: u32,
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
    if (zero, scale) != (0.0, 1.0) {
        samples.iter_mut().for_each(|s| *s = (*s - zero) / scale);
    }
    Ok(samples)
}

/// The integer of so many bits that is nearest to a sample, kept in range; NaN is silence.
fn integer(x: f64, bits: u32) -> i32 {
    integer_of(x, 2f64.powi(bits as i32 - 1))
}

/// As [`integer`], by how many integers there are from 0 to 1.
#[inline]
fn integer_of(x: f64, full: f64) -> i32 {
    // A number of this size has no digits behind the point: adding it rounds, halves to the even one.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let kept = (x * full).clamp(-full, full - 1.0);
    (kept + ROUND - ROUND) as i32
}
