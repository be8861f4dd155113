//! JPEG files, byte for byte as libjpeg writes them by its defaults (which torchvision and Pillow leave as they
//! are): baseline, chroma halved along both sides, the standard Huffman tables.

use super::frame::ZIGZAG;
use super::idct::Block;

/// Steps of quality 50, for brightness and for colour.
const STEPS: [[u16; 64]; 2] = [
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
        51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
        120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ],
    [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
    ],
];

/// How many codes there are of each length, and the symbols in their order: Annex K.3 of the standard. First
/// coefficients, then the others; of brightness, then of colour.
const CODES: [[([u8; 16], &[u8]); 2]; 2] = [
    [
        ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ],
    [
        (
            [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
            b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\
              \x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\
              \x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\
              \x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\
              \x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\
              \xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\
              \xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa",
        ),
        (
            [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
            b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\
              \xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\
              \x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\
              \x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\
              \x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\
              \xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\
              \xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa",
        ),
    ],
];

/// The file of an image of 1 or 3 channels, one plane after the other, each of `width * height` samples.
pub(in crate::io) fn encode(planes: &[u8], width: u16, height: u16, quality: u8) -> Vec<u8> {
    let (w, h) = (usize::from(width), usize::from(height));
    let color = planes.len() > w * h;
    let steps = STEPS.map(|steps| steps.map(|step| scaled(step, quality)));
    let mut out = vec![0xff, 0xd8];
    segment(&mut out, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (table, steps) in steps.iter().enumerate().take(if color { 2 } else { 1 }) {
        let ordered = ZIGZAG[..64].iter().map(|place| steps[usize::from(*place)] as u8);
        segment(&mut out, 0xdb, &[table as u8].into_iter().chain(ordered).collect::<Vec<u8>>());
    }
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.extend_from_slice(if color { &[3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1] } else { &[1, 1, 0x11, 0] });
    segment(&mut out, 0xc0, &frame);
    for table in 0..if color { 2 } else { 1 } {
        for (class, codes) in CODES.iter().enumerate() {
            let (lengths, symbols) = codes[table];
            segment(&mut out, 0xc4, &[&[(class * 16 + table) as u8], &lengths[..], symbols].concat());
        }
    }
    segment(&mut out, 0xda, if color { &[3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0] } else { &[1, 1, 0, 0, 63, 0] });
    let components = if color { in_components(planes, w, h) } else { vec![Plane::new(planes, w, h, 1, 0)] };
    Writer { out, waiting: 0, count: 0 }.scan(&components, &steps.map(|steps| steps.map(Divisor::of)))
}

/// libjpeg's scale of quality: 50 leaves the steps, 100 makes all of them 1.
fn scaled(step: u16, quality: u8) -> u16 {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as u16
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// Samples of a component, filled up to whole blocks by their last column and row.
struct Plane {
    samples: Vec<u8>,
    /// Blocks along x and y.
    blocks: (usize, usize),
    /// Blocks in a unit along each side.
    unit: usize,
    /// Its tables.
    table: usize,
}

impl Plane {
    fn new(samples: &[u8], width: usize, height: usize, unit: usize, table: usize) -> Plane {
        let blocks = (width.div_ceil(8), height.div_ceil(8));
        let mut filled = Vec::with_capacity(64 * blocks.0 * blocks.1);
        for y in 0..8 * blocks.1 {
            let row = &samples[y.min(height - 1) * width..][..width];
            filled.extend_from_slice(row);
            filled.resize((y + 1) * 8 * blocks.0, row[width - 1]);
        }
        Plane { samples: filled, blocks, unit, table }
    }

    fn block(&self, x: usize, y: usize) -> [[i32; 8]; 8] {
        let mut block = [[0; 8]; 8];
        for (i, row) in block.iter_mut().enumerate() {
            let from = &self.samples[(8 * y + i) * 8 * self.blocks.0 + 8 * x..][..8];
            for (to, from) in row.iter_mut().zip(from) {
                *to = i32::from(*from) - 128;
            }
        }
        block
    }
}

/// Red, green and blue as brightness, and as two colours of half the width and height.
fn in_components(planes: &[u8], width: usize, height: usize) -> Vec<Plane> {
    let n = width * height;
    let each = |weights: [i32; 3], offset: i32| -> Vec<u8> {
        let (red, rest) = planes.split_at(n);
        let (green, blue) = rest.split_at(n);
        let level = |((r, g), b): ((&u8, &u8), &u8)| {
            let sum = weights[0] * i32::from(*r) + weights[1] * i32::from(*g) + weights[2] * i32::from(*b);
            ((sum + offset) >> 16) as u8
        };
        red.iter().zip(green).zip(blue).map(level).collect()
    };
    let color = (128 << 16) + 32767;
    let chroma = |weights| {
        let (half, columns) = halved(&each(weights, color), width, height);
        Plane::new(&half, columns, height.div_ceil(2), 1, 1)
    };
    vec![
        Plane::new(&each([19595, 38470, 7471], 32768), width, height, 2, 0),
        chroma([-11059, -21709, 32768]),
        chroma([32768, -27439, -5329]),
    ]
}

/// Means of two by two samples, in rows of whole blocks, and the length of such a row. What is beyond the edge is as at
/// the edge; halves are rounded down and up by turns.
fn halved(samples: &[u8], width: usize, height: usize) -> (Vec<u8>, usize) {
    let columns = 8 * width.div_ceil(16);
    let mut out = Vec::with_capacity(columns * height.div_ceil(2));
    for y in 0..height.div_ceil(2) {
        let row = |y: usize| &samples[y.min(height - 1) * width..][..width];
        let (above, below) = (row(2 * y), row(2 * y + 1));
        for x in 0..columns {
            let (left, right) = ((2 * x).min(width - 1), (2 * x + 1).min(width - 1));
            let sum = [above[left], above[right], below[left], below[right]].iter().map(|s| u16::from(*s)).sum::<u16>();
            out.push(((sum + 1 + (x % 2) as u16) >> 2) as u8);
        }
    }
    (out, columns)
}

/// One dimension of the cosine transform, as in libjpeg's `jfdctint.c`: the sums of even places before they are
/// scaled, everything else with 13 more fraction bits.
fn pass(d: [i32; 8]) -> [i32; 8] {
    let (t0, t1, t2, t3) = (d[0] + d[7], d[1] + d[6], d[2] + d[5], d[3] + d[4]);
    let (t7, t6, t5, t4) = (d[0] - d[7], d[1] - d[6], d[2] - d[5], d[3] - d[4]);
    let (t10, t13, t11, t12) = (t0 + t3, t0 - t3, t1 + t2, t1 - t2);
    let z1 = (t12 + t13) * 4433;
    let (z5, y1, y2) = ((t4 + t6 + t5 + t7) * 9633, (t4 + t7) * -7373, (t5 + t6) * -20995);
    let (y3, y4) = ((t4 + t6) * -16069 + z5, (t5 + t7) * -3196 + z5);
    [
        t10 + t11,
        t7 * 12299 + y1 + y4,
        z1 + t13 * 6270,
        t6 * 25172 + y2 + y3,
        t10 - t11,
        t5 * 16819 + y2 + y4,
        z1 - t12 * 15137,
        t4 * 2446 + y1 + y3,
    ]
}

/// What a coefficient is divided by: half of it, and 2³² by it, rounded up. Exact for numbers below 2¹⁶.
#[derive(Clone, Copy)]
struct Divisor {
    half: u32,
    inverse: u64,
}

impl Divisor {
    /// Eight times a step: the transform leaves so much.
    fn of(step: u16) -> Divisor {
        let step = u32::from(step) << 3;
        Divisor { half: step / 2, inverse: (1 << 32) / u64::from(step) + 1 }
    }
}

/// The quantised coefficients of a block, in natural order.
fn coefficients(mut block: [[i32; 8]; 8], steps: &[Divisor; 64]) -> Block {
    let round = |x: i32, bits: u32| (x + (1 << (bits - 1))) >> bits;
    for row in &mut block {
        let done = pass(*row);
        for (x, (to, done)) in row.iter_mut().zip(done).enumerate() {
            *to = if x % 4 == 0 { done << 2 } else { round(done, 11) };
        }
    }
    let mut out = [0; 64];
    for x in 0..8 {
        let at = |y: usize| block[y][x];
        let done = pass([at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)]);
        for (y, done) in done.into_iter().enumerate() {
            let value = if y % 4 == 0 { round(done, 2) } else { round(done, 15) };
            let step = steps[8 * y + x];
            let size = (u64::from(value.unsigned_abs() + step.half) * step.inverse >> 32) as i16;
            out[8 * y + x] = if value < 0 { -size } else { size };
        }
    }
    out
}

/// For each symbol its code and the code's length.
type Codes = [(u32, u32); 256];

fn codes(table: usize) -> [Codes; 2] {
    CODES.map(|class| {
        let (lengths, symbols) = class[table];
        let (mut codes, mut code, mut rest) = ([(0, 0); 256], 0, symbols.iter());
        for (length, count) in (1..=16).zip(lengths) {
            for symbol in rest.by_ref().take(usize::from(count)) {
                codes[usize::from(*symbol)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        codes
    })
}

/// The bits of a scan, behind what is before it.
struct Writer {
    out: Vec<u8>,
    waiting: u64,
    count: u32,
}

impl Writer {
    #[inline(always)]
    fn bits(&mut self, bits: u32, n: u32) {
        self.waiting = self.waiting << n | u64::from(bits);
        self.count += n;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.waiting >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }

    /// A code, and the number behind it, whose length the symbol says.
    #[inline(always)]
    fn number(&mut self, codes: &Codes, run: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, length) = codes[(run << 4 | size) as usize & 255];
        self.bits(code, length);
        let bits = if value < 0 { value + (1 << size) - 1 } else { value };
        self.bits(bits as u32, size);
    }

    fn block(&mut self, block: &Block, level: &mut i32, codes: &[Codes; 2]) {
        self.number(&codes[0], 0, i32::from(block[0]) - *level);
        *level = i32::from(block[0]);
        let mut zeros = 0;
        for place in &ZIGZAG[1..64] {
            let value = i32::from(block[usize::from(*place)]);
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.number(&codes[1], 15, 0);
                zeros -= 16;
            }
            self.number(&codes[1], zeros, value);
            zeros = 0;
        }
        if zeros > 0 {
            self.number(&codes[1], 0, 0);
        }
    }

    /// All blocks, unit by unit, and the end of the file. Blocks that fill up a unit are flat, at the level of the one
    /// before.
    fn scan(mut self, components: &[Plane], steps: &[[Divisor; 64]; 2]) -> Vec<u8> {
        let codes = [codes(0), codes(1)];
        let mut levels = vec![0; components.len()];
        let Some(first) = components.first() else { return self.out };
        for y in 0..first.blocks.1.div_ceil(first.unit) {
            for x in 0..first.blocks.0.div_ceil(first.unit) {
                for (plane, level) in components.iter().zip(&mut levels) {
                    for (v, h) in (0..plane.unit).flat_map(|v| (0..plane.unit).map(move |h| (v, h))) {
                        let (x, y) = (x * plane.unit + h, y * plane.unit + v);
                        let block = if x < plane.blocks.0 && y < plane.blocks.1 {
                            coefficients(plane.block(x, y), &steps[plane.table])
                        } else {
                            let mut flat = [0; 64];
                            flat[0] = *level as i16;
                            flat
                        };
                        self.block(&block, level, &codes[plane.table]);
                    }
                }
            }
        }
        // The last byte is filled up with ones.
        let open = (8 - self.count % 8) % 8;
        self.bits((1 << open) - 1, open);
        self.out.extend([0xff, 0xd9]);
        self.out
    }
}
