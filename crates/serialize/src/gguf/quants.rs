//! The block formats of ggml: elements in blocks of 32 or 256, each with its scale, of a few bits each. The
//! arithmetic is that of `dequantize_row_…` in ggml, in its order, so the numbers are the same to the bit.

use flambeau_tensor::f16;

/// A block format, named as in ggml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quant {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
}

impl Quant {
    /// The format that ggml numbers `kind`.
    pub(super) fn of(kind: u32) -> Option<Quant> {
        Some(match kind {
            2 => Quant::Q4_0,
            3 => Quant::Q4_1,
            6 => Quant::Q5_0,
            7 => Quant::Q5_1,
            8 => Quant::Q8_0,
            10 => Quant::Q2K,
            11 => Quant::Q3K,
            12 => Quant::Q4K,
            13 => Quant::Q5K,
            14 => Quant::Q6K,
            15 => Quant::Q8K,
            _ => return None,
        })
    }

    /// Elements and bytes of a block.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Quant::Q4_0 => (32, 18),
            Quant::Q4_1 => (32, 20),
            Quant::Q5_0 => (32, 22),
            Quant::Q5_1 => (32, 24),
            Quant::Q8_0 => (32, 34),
            Quant::Q2K => (256, 84),
            Quant::Q3K => (256, 110),
            Quant::Q4K => (256, 144),
            Quant::Q5K => (256, 176),
            Quant::Q6K => (256, 210),
            Quant::Q8K => (256, 292),
        }
    }

    /// The numbers of whole blocks, into as many places for an `f32` of native byte order.
    pub(crate) fn unpack(self, bytes: &[u8], to: &mut [u8]) {
        let (elements, size) = self.block();
        let mut numbers = [0f32; 256];
        let numbers = &mut numbers[..elements];
        for (block, to) in bytes.chunks_exact(size).zip(to.chunks_exact_mut(4 * elements)) {
            self.unpack_block(block, numbers);
            to.as_chunks_mut().0.iter_mut().zip(&*numbers).for_each(|(to, x)| *to = x.to_ne_bytes());
        }
    }

    fn unpack_block(self, block: &[u8], to: &mut [f32]) {
        match self {
            Quant::Q4_0 => four(block, 2, |q, d, _| (q - 8.0) * d, to),
            Quant::Q4_1 => four(block, 4, |q, d, m| q * d + m, to),
            Quant::Q5_0 => five(block, 2, |q, d, _| (q - 16.0) * d, to),
            Quant::Q5_1 => five(block, 4, |q, d, m| q * d + m, to),
            Quant::Q8_0 => eight(&block[2..], half(block, 0), to),
            Quant::Q8K => eight(&block[4..260], f32::from_le_bytes([block[0], block[1], block[2], block[3]]), to),
            Quant::Q2K => two_k(block, to),
            Quant::Q3K => three_k(block, to),
            Quant::Q4K => four_k(block, &[0; 32], &block[16..], to),
            Quant::Q5K => four_k(block, &block[16..48], &block[48..], to),
            Quant::Q6K => six_k(block, to),
        }
    }
}

/// The half-precision number at byte `at`.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Four bits: the lower ones are the first half of the block.
fn four(block: &[u8], head: usize, value: impl Fn(f32, f32, f32) -> f32, to: &mut [f32]) {
    let (d, m) = (half(block, 0), half(block, head - 2));
    for (i, q) in block[head..].iter().enumerate() {
        to[i] = value(f32::from(q & 15), d, m);
        to[i + 16] = value(f32::from(q >> 4), d, m);
    }
}

/// Four bits, and the fifth ones in a word before them.
fn five(block: &[u8], head: usize, value: impl Fn(f32, f32, f32) -> f32, to: &mut [f32]) {
    let (d, m) = (half(block, 0), half(block, head - 2));
    let fifth = u32::from_le_bytes([block[head], block[head + 1], block[head + 2], block[head + 3]]);
    let high = |i: usize| if fifth >> i & 1 == 1 { 16 } else { 0 };
    for (i, q) in block[head + 4..].iter().enumerate() {
        to[i] = value(f32::from(q & 15 | high(i)), d, m);
        to[i + 16] = value(f32::from(q >> 4 | high(i + 16)), d, m);
    }
}

/// Eight bits with a sign.
fn eight(quants: &[u8], d: f32, to: &mut [f32]) {
    to.iter_mut().zip(quants).for_each(|(to, q)| *to = f32::from(*q as i8) * d);
}

/// Two bits, in groups of 16 with a scale and a least value of four bits each.
fn two_k(block: &[u8], to: &mut [f32]) {
    let (scales, quants) = block.split_at(16);
    let (d, least) = (half(block, 80), half(block, 82));
    for (group, to) in to.chunks_exact_mut(16).enumerate() {
        let (scale, offset) = (d * f32::from(scales[group] & 15), least * f32::from(scales[group] >> 4));
        let (from, shift) = (group / 8 * 32 + group % 2 * 16, group % 8 / 2 * 2);
        for (to, q) in to.iter_mut().zip(&quants[from..]) {
            *to = scale * f32::from(q >> shift & 3) - offset;
        }
    }
}

/// Two bits and a third one elsewhere, in groups of 16 with a scale of six bits.
fn three_k(block: &[u8], to: &mut [f32]) {
    let (mask, quants, scales, d) = (&block[..32], &block[32..96], &block[96..108], half(block, 108));
    for (group, to) in to.chunks_exact_mut(16).enumerate() {
        let low = if group < 8 { scales[group] & 15 } else { scales[group - 8] >> 4 };
        let high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
        let scale = d * (f32::from(low | high << 4) - 32.0);
        let (half, shift, bit) = (group % 2 * 16, group % 8 / 2 * 2, group / 2);
        let from = group / 8 * 32 + half;
        for (i, to) in to.iter_mut().enumerate() {
            let third = if mask[half + i] >> bit & 1 == 1 { 0.0 } else { 4.0 };
            *to = scale * (f32::from(quants[from + i] >> shift & 3) - third);
        }
    }
}

/// Four bits, with a fifth one in `high` where that is set, in groups of 32 with a scale and a least value of six
/// bits each.
fn four_k(block: &[u8], high: &[u8], quants: &[u8], to: &mut [f32]) {
    let (d, least, scales) = (half(block, 0), half(block, 2), &block[4..16]);
    for (group, to) in to.chunks_exact_mut(32).enumerate() {
        let (scale, offset) = if group < 4 {
            (scales[group] & 63, scales[group + 4] & 63)
        } else {
            let (low, first, second) = (scales[group + 4], scales[group - 4], scales[group]);
            (low & 15 | first >> 6 << 4, low >> 4 | second >> 6 << 4)
        };
        let (scale, offset) = (d * f32::from(scale), least * f32::from(offset));
        let (from, shift) = (group / 2 * 32, group % 2 * 4);
        for (i, to) in to.iter_mut().enumerate() {
            let fifth = if high[i] >> group & 1 == 1 { 16 } else { 0 };
            *to = scale * f32::from((quants[from + i] >> shift & 15) + fifth) - offset;
        }
    }
}

/// Four bits and two elsewhere, in groups of 16 with a scale of eight bits.
fn six_k(block: &[u8], to: &mut [f32]) {
    let (low, high, scales, d) = (&block[..128], &block[128..192], &block[192..208], half(block, 208));
    for (group, to) in to.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[group] as i8);
        let (part, row, half) = (group / 8, group % 8 / 2, group % 2 * 16);
        let (from, shift) = (part * 64 + row % 2 * 32 + half, row / 2 * 4);
        for (i, to) in to.iter_mut().enumerate() {
            let q = low[from + i] >> shift & 15 | (high[part * 32 + half + i] >> (2 * row) & 3) << 4;
            *to = scale * (f32::from(q) - 32.0);
        }
    }
}
