//! Files by their structure: each walker finds what the samples are and where they lie, before one is read. All that
//! is promised is held against the length of the file, and every fault is told by its byte.

pub(super) mod aiff;
pub(super) mod au;
pub(super) mod caf;
pub(super) mod mp4;
pub(super) mod ogg;
pub(super) mod sphere;
pub(super) mod w64;
pub(super) mod wav;

/// True for what stands in the place of a size that was not known when a pipe was written to: 0, or the largest number
/// of 31, 32, 63 or 64 bits, by some writers less a header or rounded to whole frames, in sox's AIFF 0x7f000000.
fn is_open(size: u64) -> bool {
    const MARKS: [u64; 5] = [0x7f00_0000, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
    const NEAR: u64 = 0x1000;
    MARKS.iter().any(|mark| size.abs_diff(*mark) <= NEAR) || size == 0
}
