//! The inverse cosine transform, number for number that of libjpeg (`jidctint.c`: "accurate integer").

use crate::simd::ARCH;
use pulp::{Simd, WithSimd};
use std::ops::{Add, Mul, Sub};

/// Coefficients of 8×8 samples, row by row.
pub(super) type Block = [i16; 64];

/// A row of blocks as eight rows of samples, `stride` apart.
pub(super) fn row(blocks: &[Block], quantization: &[u16; 64], samples: &mut [u8], stride: usize) {
    struct Row<'a>(&'a [Block], &'a [u16; 64], &'a mut [u8], usize);
    impl WithSimd for Row<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Row(blocks, quantization, samples, stride) = self;
            for (i, block) in blocks.iter().enumerate() {
                let done = if only_level(block) {
                    [[level(block[0].wrapping_mul(quantization[0] as i16)); 8]; 8]
                } else {
                    inverse(block, quantization)
                };
                for (y, done) in done.iter().enumerate() {
                    let at = y * stride + 8 * i;
                    samples[at..at + 8].copy_from_slice(done);
                }
            }
        }
    }
    ARCH.dispatch(Row(blocks, quantization, samples, stride));
}

/// Whether all coefficients but the first are zero.
#[inline(always)]
pub(super) fn only_level(block: &Block) -> bool {
    let mut all = 0;
    for coefficient in &block[1..] {
        all |= *coefficient;
    }
    all == 0
}

/// What all samples of a block are that has no other coefficient.
#[inline(always)]
fn level(coefficient: i16) -> u8 {
    (((i32::from(coefficient) + 4) >> 3) + 128).clamp(0, 255) as u8
}

/// Fraction bits of the constants.
const BITS: u32 = 13;
/// Fraction bits that the first pass keeps.
const KEPT: u32 = 2;

/// What one dimension of the transform computes with: one number, or eight side by side. Damaged files may overflow
/// it, which wraps.
trait Number: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<i32, Output = Self> {}

impl Number for Wrapping {}

#[derive(Clone, Copy)]
struct Wrapping(i32);

impl Add for Wrapping {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Wrapping(self.0.wrapping_add(other.0))
    }
}

impl Sub for Wrapping {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Wrapping(self.0.wrapping_sub(other.0))
    }
}

impl Mul<i32> for Wrapping {
    type Output = Self;
    #[inline(always)]
    fn mul(self, by: i32) -> Self {
        Wrapping(self.0.wrapping_mul(by))
    }
}

/// One dimension of the transform, as in C. Leaves `BITS` more fraction bits.
#[inline(always)]
fn pass<N: Number>([i0, i1, i2, i3, i4, i5, i6, i7]: [N; 8]) -> [N; 8] {
    let z1 = (i2 + i6) * 4433;
    let (t2, t3) = (z1 + i6 * -15137, z1 + i2 * 6270);
    let (t0, t1) = ((i0 + i4) * (1 << BITS), (i0 - i4) * (1 << BITS));
    let (e0, e3, e1, e2) = (t0 + t3, t0 - t3, t1 + t2, t1 - t2);
    let (z1, z2, z3, z4) = (i7 + i1, i5 + i3, i7 + i3, i5 + i1);
    let z5 = (z3 + z4) * 9633;
    let (z1, z2) = (z1 * -7373, z2 * -20995);
    let (z3, z4) = (z3 * -16069 + z5, z4 * -3196 + z5);
    let o0 = i7 * 2446 + z1 + z3;
    let o1 = i5 * 16819 + z2 + z4;
    let o2 = i3 * 25172 + z2 + z3;
    let o3 = i1 * 12299 + z1 + z4;
    [e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3]
}

/// A block's samples, row by row.
#[inline(always)]
fn inverse(block: &Block, quantization: &[u16; 64]) -> [[u8; 8]; 8] {
    let round = |x: Wrapping, bits: u32| x.0.wrapping_add(1 << (bits - 1)) >> bits;
    let mut columns = [[0i32; 8]; 8];
    for x in 0..8 {
        let at = |y: usize| Wrapping(i32::from(block[8 * y + x].wrapping_mul(quantization[8 * y + x] as i16)));
        let done = pass([at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)]);
        for y in 0..8 {
            columns[y][x] = round(done[y], BITS - KEPT);
        }
    }
    let mut samples = [[0; 8]; 8];
    for (row, to) in columns.iter().zip(&mut samples) {
        let at = |x: usize| Wrapping(row[x]);
        let done = pass([at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)]);
        for x in 0..8 {
            to[x] = (round(done[x], BITS + KEPT + 3) + 128).clamp(0, 255) as u8;
        }
    }
    samples
}
