//! ADPCM by Microsoft and by the IMA, as WAV files have it: four bits for a sample, which say how far it is from what
//! those before it let expect. Each block starts anew, so any of them can be read first.

use super::fault::{Fault, fault};
use super::{AudioMetaData, Encoding};
use flambeau_tensor::{Result, Tensor};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Microsoft,
    Ima,
}

impl Kind {
    /// Bytes of each channel at the start of a block.
    fn head(self) -> usize {
        if self == Kind::Microsoft { 7 } else { 4 }
    }
}

/// Samples in blocks, and where they lie.
#[derive(Clone, Debug)]
pub(super) struct Adpcm {
    pub meta: AudioMetaData,
    kind: Kind,
    /// Bytes of a block.
    block: usize,
    /// Frames of a whole block.
    each: usize,
    data_at: u64,
    size: usize,
}

impl Adpcm {
    /// Blocks of so many bytes and frames, as the chunk at byte `at` says.
    pub fn new(
        kind: Kind,
        (channels, sample_rate, bits): (u16, u32, u16),
        (block, frames): (u16, u16),
        at: u64,
    ) -> std::result::Result<Self, Fault> {
        let (block, each, num_channels) = (usize::from(block), usize::from(frames), usize::from(channels));
        let encoding = if kind == Kind::Microsoft { Encoding::MsAdpcm } else { Encoding::ImaAdpcm };
        if bits != 4 {
            fault!(Unsupported, "{encoding} of {bits} bits by the \"fmt \" at byte {at}; read are 4");
        }
        let meta = AudioMetaData { sample_rate, num_frames: 0, num_channels, bits_per_sample: 4, encoding, note: None };
        let adpcm = Adpcm { meta, kind, block, each, data_at: 0, size: 0 };
        let most = adpcm.frames_of(block);
        if each == 0 || each > most {
            fault!(
                Format,
                "blocks of {block} bytes hold up to {most} frames of {channels} channels, not {each}, by the \"fmt \" at byte {at}"
            );
        }
        Ok(adpcm)
    }

    /// Frames in so many bytes of a block.
    fn frames_of(&self, bytes: usize) -> usize {
        let channels = self.meta.num_channels;
        match bytes.checked_sub(self.kind.head() * channels) {
            None => 0,
            // Words of four bytes, one channel after the other.
            Some(rest) if self.kind == Kind::Ima => 1 + rest / (4 * channels) * 8,
            Some(rest) => 2 + 2 * rest / channels,
        }
    }

    /// With blocks from byte `data_at` on in `size` bytes.
    pub fn at(mut self, data_at: u64, size: u64, notes: Vec<String>) -> std::result::Result<Self, Fault> {
        let Ok(size) = usize::try_from(size) else {
            fault!(Unsupported, "more samples than this machine can address");
        };
        (self.data_at, self.size) = (data_at, size);
        let rest = self.frames_of(size % self.block).min(self.each);
        self.meta.num_frames = size / self.block * self.each + rest;
        self.meta.note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(self)
    }

    /// The bytes of the file that frames from `offset` on are in.
    pub fn bytes(&self, offset: usize, frames: usize) -> Range<u64> {
        let (first, end) = (offset / self.each, (offset + frames).div_ceil(self.each));
        let place = |block: usize| self.data_at + (block.saturating_mul(self.block)).min(self.size) as u64;
        place(first)..place(end).max(place(first))
    }

    /// Frames from `offset` on as `[channels, frames]`, of the bytes that [`bytes`](Adpcm::bytes) says.
    #[track_caller]
    pub fn tensor(&self, bytes: &[u8], offset: usize, frames: usize, normalize: bool) -> Result<Tensor> {
        let channels = self.meta.num_channels;
        let mut planes: Vec<Vec<i16>> = vec![Vec::with_capacity(frames + 2 * self.each); channels];
        for block in bytes.chunks(self.block) {
            let until = planes[0].len() + self.frames_of(block.len()).min(self.each);
            if planes[0].len() < until {
                match self.kind {
                    Kind::Microsoft => microsoft(block, &mut planes),
                    Kind::Ima => ima(block, &mut planes),
                }
            }
            planes.iter_mut().for_each(|plane| plane.truncate(until));
        }
        let skip = offset % self.each;
        let samples = planes.iter().flat_map(|plane| plane[skip..skip + frames].iter());
        match normalize {
            true => Tensor::from_vec(samples.map(|s| f32::from(*s) / 32768.0).collect(), [channels, frames]),
            false => Tensor::from_vec(samples.copied().collect::<Vec<i16>>(), [channels, frames]),
        }
    }
}

fn clamped(sample: i32) -> i32 {
    sample.clamp(i16::MIN.into(), i16::MAX.into())
}

fn i16_at(bytes: &[u8], i: usize) -> i32 {
    i16::from_le_bytes([bytes[i], bytes[i + 1]]).into()
}

/// What is expected of the two samples before, of 256.
const COEFFICIENTS: [(i32, i32); 7] = [(256, 0), (512, -256), (0, 0), (192, 64), (240, 0), (460, -208), (392, -232)];
/// How the step grows after each of sixteen differences, of 256.
const GROWTH: [i32; 16] = [230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230];

/// A block that has its head at least.
fn microsoft(block: &[u8], planes: &mut [Vec<i16>]) {
    struct State {
        coefficients: (i32, i32),
        step: i32,
        last: [i32; 2],
    }
    let channels = planes.len();
    let mut states: Vec<State> = (0..channels)
        .map(|c| State {
            // A number that there is none for: the first, as other readers have it.
            coefficients: COEFFICIENTS.get(usize::from(block[c])).copied().unwrap_or(COEFFICIENTS[0]),
            step: i16_at(block, channels + 2 * c),
            last: [i16_at(block, 3 * channels + 2 * c), i16_at(block, 5 * channels + 2 * c)],
        })
        .collect();
    for (plane, state) in planes.iter_mut().zip(&states) {
        plane.extend([state.last[1] as i16, state.last[0] as i16]);
    }
    let halves = block[7 * channels..].iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (i, half) in halves.enumerate() {
        let State { coefficients: (a, b), step, last } = &mut states[i % channels];
        let expected = (last[0] * *a + last[1] * *b) >> 8;
        let difference = i32::from(half) - if half & 8 == 0 { 0 } else { 16 };
        let sample = clamped(expected.saturating_add(difference.saturating_mul(*step)));
        *last = [sample, last[0]];
        *step = (step.saturating_mul(GROWTH[usize::from(half)]) >> 8).max(16);
        planes[i % channels].push(sample as i16);
    }
}

const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
];
const INDEX: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];

/// A block that has its head at least.
fn ima(block: &[u8], planes: &mut [Vec<i16>]) {
    let channels = planes.len();
    let mut states: Vec<(i32, i32)> =
        (0..channels).map(|c| (i16_at(block, 4 * c), i32::from(block[4 * c + 2]).min(88))).collect();
    for (plane, state) in planes.iter_mut().zip(&states) {
        plane.push(state.0 as i16);
    }
    for (i, word) in block[4 * channels..].as_chunks::<4>().0.iter().enumerate() {
        let (sample, index) = &mut states[i % channels];
        for half in word.iter().flat_map(|byte| [byte & 15, byte >> 4]) {
            let step = STEPS[*index as usize];
            let parts = [(1, step >> 2), (2, step >> 1), (4, step)];
            let size = parts.iter().filter(|(bit, _)| half & bit != 0).map(|(_, part)| part).sum::<i32>() + (step >> 3);
            *sample = clamped(*sample + if half & 8 == 0 { size } else { -size });
            *index = (*index + INDEX[usize::from(half & 7)]).clamp(0, 88);
            planes[i % channels].push(*sample as i16);
        }
    }
}
