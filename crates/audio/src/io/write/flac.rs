//! FLAC (RFC 9639): blocks of 4096 frames, each predicted from what comes before it, and what is left over in Rice's
//! codes. Lossless: what is read is what was written.

use super::md5::Md5;
use super::{Form, integer_of};
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// Frames of a block.
const BLOCK: usize = 4096;
/// The most samples that a linear prediction looks back.
const ORDER: usize = 8;
/// The most often that residuals are halved into partitions.
const HALVINGS: u32 = 6;

#[track_caller]
pub(in crate::io) fn flac(form: &Form, wave: &Tensor) -> Result<Vec<u8>> {
    let &Form { bits, channels, frames, rate, .. } = form;
    ensure!(channels <= 8, Shape, "save", "a FLAC has 1 to 8 channels, the waveform has {channels}");
    ensure!(rate < 1 << 20, Argument, "save", "a FLAC has up to 1048575 Hz, not {rate}");
    ensure!(frames > 0, Shape, "save", "a FLAC of no frames is none that others read: take WAV");
    ensure!((frames as u64) < 1 << 36, Shape, "save", "a FLAC has up to 2^36 - 1 frames, not {frames}");
    let samples = integers(wave, bits)?;
    let mut file = b"fLaC".to_vec();
    // STREAMINFO, the only and last block of metadata, of 34 bytes.
    file.extend([0x80, 0, 0, 34]);
    let info = file.len();
    file.extend([0; 34]);
    let (mut least, mut most) = (usize::MAX, 0);
    let mut encoder = Encoder::new(bits);
    for (number, start) in (0..frames).step_by(BLOCK).enumerate() {
        let size = BLOCK.min(frames - start);
        let block: Vec<&[i32]> = (0..channels).map(|channel| &samples[channel * frames + start..][..size]).collect();
        let before = file.len();
        encoder.frame(&mut file, number as u64, &block);
        least = least.min(file.len() - before);
        most = most.max(file.len() - before);
    }
    let mut head = Bits::default();
    head.put(BLOCK as u64, 16);
    head.put(BLOCK as u64, 16);
    head.put(least as u64, 24);
    head.put(most as u64, 24);
    head.put(rate.into(), 20);
    head.put(channels as u64 - 1, 3);
    head.put(u64::from(bits) - 1, 5);
    head.put(frames as u64 >> 18, 18);
    head.put(frames as u64 & 0x3_ffff, 18);
    let mut head = head.bytes();
    head.extend(digest(&samples, channels, frames, bits));
    file[info..info + 34].copy_from_slice(&head);
    Ok(file)
}

/// The samples as integers of so many bits, channel after channel.
#[track_caller]
fn integers(wave: &Tensor, bits: u32) -> Result<Vec<i32>> {
    let full = 2f64.powi(bits as i32 - 1);
    Ok(match wave.dtype() {
        DType::F32 => wave.contiguous()?.data::<f32>()?.iter().map(|x| integer_of((*x).into(), full)).collect(),
        _ => super::unit_samples(wave)?.into_iter().map(|x| integer_of(x, full)).collect(),
    })
}

/// MD5 of the samples, frame after frame, lowest byte first.
fn digest(samples: &[i32], channels: usize, frames: usize, bits: u32) -> [u8; 16] {
    let (mut md5, width) = (Md5::new(), (bits / 8) as usize);
    let mut bytes = Vec::with_capacity(BLOCK * channels * width);
    for start in (0..frames).step_by(BLOCK) {
        bytes.clear();
        for frame in start..(start + BLOCK).min(frames) {
            for channel in 0..channels {
                bytes.extend(&samples[channel * frames + frame].to_le_bytes()[..width]);
            }
        }
        md5.update(&bytes);
    }
    md5.finish()
}

/// Bits put one after another, the highest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    /// The lower `bits` bits of `value`, up to 32.
    fn put(&mut self, value: u64, bits: u32) {
        self.held = self.held << bits | (value & ((1 << bits) - 1));
        self.count += bits;
        if self.count >= 32 {
            self.count -= 32;
            self.bytes.extend_from_slice(&((self.held >> self.count) as u32).to_be_bytes());
        }
    }

    /// Moves whole bytes to where they stay.
    fn flush(&mut self) {
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.held >> self.count) as u8);
        }
    }

    /// A number with a sign.
    fn signed(&mut self, value: i64, bits: u32) {
        match bits {
            0..=32 => self.put(value as u64, bits),
            _ => {
                self.put(value as u64 >> 32, bits - 32);
                self.put(value as u64, 32);
            }
        }
    }

    /// So many zeros, and a one.
    fn unary(&mut self, mut zeros: u64) {
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(1, zeros as u32 + 1);
    }

    /// The bytes, the last filled with zeros.
    fn bytes(mut self) -> Vec<u8> {
        self.put(0, (8 - self.count % 8) % 8);
        self.flush();
        self.bytes
    }
}

/// A channel of a block as it is written.
enum Subframe {
    Constant(i64),
    Verbatim,
    Predicted { coefficients: Vec<i32>, shift: u32, precision: u32, fixed: bool, rice: Rice, residual: Vec<i32> },
}

/// How residuals are coded: halved so many times, and the parameter of each part.
struct Rice {
    halvings: u32,
    parameters: Vec<u32>,
    bits: u64,
}

struct Encoder {
    bits: u32,
    window: Vec<f64>,
    crc8: [u8; 256],
    crc16: [u16; 256],
}

impl Encoder {
    fn new(bits: u32) -> Self {
        let crc8 = |byte: usize| (0..8).fold(byte as u8, |c, _| c << 1 ^ if c & 0x80 == 0 { 0 } else { 7 });
        let crc16 =
            |byte: usize| (0..8).fold((byte as u16) << 8, |c, _| c << 1 ^ if c & 0x8000 == 0 { 0 } else { 0x8005 });
        Encoder { bits, window: Vec::new(), crc8: std::array::from_fn(crc8), crc16: std::array::from_fn(crc16) }
    }

    /// Writes one frame of all channels.
    fn frame(&mut self, file: &mut Vec<u8>, number: u64, block: &[&[i32]]) {
        let size = block[0].len();
        let (assignment, planes) = self.channels(block);
        let mut bits = Bits::default();
        bits.put(0b1111_1111_1111_1000, 16);
        bits.put(if size == BLOCK { 0b1100 } else { 0b0111 }, 4);
        // The rate stands in STREAMINFO.
        bits.put(0, 4);
        bits.put(assignment, 4);
        bits.put(
            match self.bits {
                8 => 0b001,
                16 => 0b100,
                _ => 0b110,
            },
            3,
        );
        bits.put(0, 1);
        coded_number(&mut bits, number);
        if size != BLOCK {
            bits.put(size as u64 - 1, 16);
        }
        bits.flush();
        let crc = bits.bytes.iter().fold(0, |crc: u8, byte| self.crc8[usize::from(crc ^ byte)]);
        bits.put(crc.into(), 8);
        for (plane, width) in planes {
            self.subframe(&mut bits, plane, width);
        }
        let frame = bits.bytes();
        let crc = frame.iter().fold(0, |crc: u16, byte| crc << 8 ^ self.crc16[usize::from((crc >> 8) as u8 ^ byte)]);
        file.extend(&frame);
        file.extend(crc.to_be_bytes());
    }

    /// The channels as they are, or of two that are alike one and the difference: what it is called in the head of a
    /// frame, and each with the bits of its samples.
    fn channels(&self, block: &[&[i32]]) -> (u64, Vec<(Vec<i32>, u32)>) {
        let [left, right] = block else {
            return (block.len() as u64 - 1, block.iter().map(|plane| (plane.to_vec(), self.bits)).collect());
        };
        let side: Vec<i32> = left.iter().zip(*right).map(|(l, r)| l - r).collect();
        let middle: Vec<i32> = left.iter().zip(*right).map(|(l, r)| (l + r) >> 1).collect();
        let [l, r, m, s] = [left, right, &middle[..], &side[..]].map(roughness);
        let least = [(l + r, 0b0001), (l + s, 0b1000), (s + r, 0b1001), (m + s, 0b1010)];
        let assignment = least.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(1, |(_, code)| code);
        let (one, more) = (self.bits, self.bits + 1);
        let planes = match assignment {
            0b1000 => vec![(left.to_vec(), one), (side, more)],
            0b1001 => vec![(side, more), (right.to_vec(), one)],
            0b1010 => vec![(middle, one), (side, more)],
            _ => vec![(left.to_vec(), one), (right.to_vec(), one)],
        };
        (assignment, planes)
    }

    fn subframe(&mut self, bits: &mut Bits, mut plane: Vec<i32>, width: u32) {
        // Zeros that all samples end in are told once.
        let wasted = plane.iter().fold(0, |all, s| all | s).trailing_zeros();
        let wasted = if wasted == 32 { 0 } else { wasted };
        if wasted > 0 {
            plane.iter_mut().for_each(|s| *s >>= wasted);
        }
        let width = width - wasted;
        let subframe = self.best(&plane, width);
        let kind = match &subframe {
            Subframe::Constant(_) => 0,
            Subframe::Verbatim => 1,
            Subframe::Predicted { coefficients, fixed: true, .. } => 8 + coefficients.len() as u64,
            Subframe::Predicted { coefficients, .. } => 31 + coefficients.len() as u64,
        };
        bits.put(kind, 7);
        bits.put(u64::from(wasted > 0), 1);
        if wasted > 0 {
            bits.unary(u64::from(wasted) - 1);
        }
        match subframe {
            Subframe::Constant(value) => bits.signed(value, width),
            Subframe::Verbatim => plane.iter().for_each(|s| bits.signed((*s).into(), width)),
            Subframe::Predicted { coefficients, shift, precision, fixed, rice, residual } => {
                plane[..coefficients.len()].iter().for_each(|s| bits.signed((*s).into(), width));
                if !fixed {
                    bits.put(u64::from(precision) - 1, 4);
                    bits.put(shift.into(), 5);
                    coefficients.iter().for_each(|c| bits.signed((*c).into(), precision));
                }
                put_residual(bits, &residual, &rice, plane.len(), coefficients.len());
            }
        }
    }

    /// What takes the fewest bits.
    fn best(&mut self, plane: &[i32], width: u32) -> Subframe {
        if plane.iter().all(|s| *s == plane[0]) {
            return Subframe::Constant(plane[0].into());
        }
        let mut best = (u64::from(width) * plane.len() as u64, Subframe::Verbatim);
        let mut consider = |coefficients: Vec<i32>, shift: u32, precision: u32, fixed: bool| {
            let order = coefficients.len();
            let Some(residual) = residual(plane, &coefficients, shift, fixed) else { return };
            let rice = rice(&residual, plane.len(), order);
            let own = if fixed { 0 } else { 9 + order as u64 * u64::from(precision) };
            let bits = order as u64 * u64::from(width) + own + rice.bits;
            if bits < best.0 {
                best = (bits, Subframe::Predicted { coefficients, shift, precision, fixed, rice, residual });
            }
        };
        if plane.len() > 4 {
            consider(FIXED[smoothest(plane)].to_vec(), 0, 0, true);
        }
        if plane.len() > 2 * ORDER {
            if let Some((coefficients, shift, precision)) = self.prediction(plane, width) {
                consider(coefficients, shift, precision, false);
            }
        }
        best.1
    }

    /// The coefficients of a linear prediction, of the order that promises the fewest bits, as integers.
    fn prediction(&mut self, plane: &[i32], width: u32) -> Option<(Vec<i32>, u32, u32)> {
        let n = plane.len();
        if self.window.len() != n {
            self.window = tukey(n);
        }
        let windowed: Vec<f64> = plane.iter().zip(&self.window).map(|(s, w)| f64::from(*s) * w).collect();
        let mut lags = [0.0; ORDER + 1];
        for (lag, sum) in lags.iter_mut().enumerate() {
            *sum = product(&windowed[lag..], &windowed[..n - lag]);
        }
        if lags[0] <= 0.0 {
            return None;
        }
        let precision = match (width, n) {
            (..=16, ..=1152) => 10,
            (..=16, ..=2304) => 11,
            (..=16, _) => 12,
            _ => 14,
        };
        // Levinson and Durbin's recursion: each order from the one before.
        let (mut coefficients, mut error) = ([0.0; ORDER], lags[0]);
        let mut best: Option<(f64, Vec<f64>)> = None;
        for order in 1..=ORDER {
            let mut reflection = lags[order];
            for (c, lag) in coefficients[..order - 1].iter().zip(lags[1..order].iter().rev()) {
                reflection -= c * lag;
            }
            reflection /= error;
            let before = coefficients;
            for (c, mirrored) in coefficients[..order - 1].iter_mut().zip(before[..order - 1].iter().rev()) {
                *c -= reflection * mirrored;
            }
            coefficients[order - 1] = reflection;
            error *= 1.0 - reflection * reflection;
            if error.is_nan() || error <= 0.0 {
                break;
            }
            // Bits of a residual whose variance is that error, and of the coefficients.
            let each = (0.5 * (error * 0.5 * std::f64::consts::LN_2.powi(2) / n as f64).log2()).max(0.0);
            let bits = each * (n - order) as f64 + (order as u32 * (width + precision)) as f64;
            if best.as_ref().is_none_or(|best| bits < best.0) {
                best = Some((bits, coefficients[..order].to_vec()));
            }
        }
        let (_, coefficients) = best?;
        let largest = coefficients.iter().fold(0.0f64, |all, c| all.max(c.abs()));
        if largest <= 0.0 || !largest.is_finite() {
            return None;
        }
        let shift = precision as i32 - 2 - largest.log2().floor() as i32;
        if shift < 0 {
            return None;
        }
        let (shift, full) = (shift.min(15) as u32, 1i32 << (precision - 1));
        // What rounding leaves is carried on to the next.
        let mut carried = 0.0;
        let quantized = coefficients.iter().map(|c| {
            carried += c * f64::from(1u32 << shift);
            let whole = carried.round().clamp(f64::from(-full), f64::from(full - 1));
            carried -= whole;
            whole as i32
        });
        Some((quantized.collect(), shift, precision))
    }
}

/// Predictions by the differences of the last samples.
const FIXED: [&[i32]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];

/// The order of the fixed prediction that leaves least.
fn smoothest(plane: &[i32]) -> usize {
    let mut sums = [0u64; 5];
    let mut last = [0i64; 4];
    for (i, s) in plane.iter().enumerate() {
        let mut difference = i64::from(*s);
        for (order, last) in last.iter_mut().enumerate() {
            if i >= 4 {
                sums[order] += difference.unsigned_abs();
            }
            (difference, *last) = (difference - *last, difference);
        }
        if i >= 4 {
            sums[4] += difference.unsigned_abs();
        }
    }
    (0..5).min_by_key(|order| sums[*order]).unwrap_or(0)
}

/// How much differences of second order leave, in bits.
fn roughness(plane: &[i32]) -> f64 {
    let sum: u64 = plane.windows(3).map(|w| u64::from((w[2] - 2 * w[1] + w[0]).unsigned_abs())).sum();
    ((sum + 1) as f64).log2()
}

/// A window that is 1 in the middle half and falls to 0 at both ends as a raised cosine.
fn tukey(n: usize) -> Vec<f64> {
    let edge = (n / 4).max(1);
    let rise = |i: usize| 0.5 - 0.5 * (std::f64::consts::PI * (i as f64 + 0.5) / edge as f64).cos();
    (0..n).map(|i| rise(i.min(n - 1 - i).min(edge - 1))).collect()
}

/// Σ a · b
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.0.iter().zip(b.0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a.1.iter().zip(b.1).map(|(a, b)| a * b).sum::<f64>()
}

/// What a prediction leaves of all samples but those that it starts from; none where that is more than 31 bits.
fn residual(plane: &[i32], coefficients: &[i32], shift: u32, fixed: bool) -> Option<Vec<i32>> {
    macro_rules! of_order {
        ($($n:literal)*) => {
            match coefficients.len() {
                $($n => predicted::<$n>(plane, std::array::from_fn(|i| coefficients[i].into()), shift),)*
                _ => None,
            }
        };
    }
    if fixed && coefficients.is_empty() {
        return Some(plane.to_vec());
    }
    of_order!(1 2 3 4 5 6 7 8)
}

fn predicted<const N: usize>(plane: &[i32], coefficients: [i64; N], shift: u32) -> Option<Vec<i32>> {
    let (mut all, mut fits) = (Vec::with_capacity(plane.len() - N), true);
    for window in plane.windows(N + 1) {
        let mut sum = 0i64;
        for (i, c) in coefficients.iter().enumerate() {
            sum += c * i64::from(window[N - 1 - i]);
        }
        let left = i64::from(window[N]) - (sum >> shift);
        fits &= left.unsigned_abs() < 1 << 30;
        all.push(left as i32);
    }
    fits.then_some(all)
}

/// A residual without its sign, which is the last bit.
fn folded(r: i32) -> u32 {
    (r << 1 ^ r >> 31) as u32
}

/// The partitions and parameters that take the fewest bits.
fn rice(residual: &[i32], size: usize, order: usize) -> Rice {
    // All parts but the first are as long as the others, which is shorter by what the prediction starts from.
    let most = size.trailing_zeros().min(HALVINGS);
    let most = (0..=most).rev().find(|h| size >> h > order).unwrap_or(0);
    let part = size >> most;
    let mut sums: Vec<u64> = Vec::with_capacity(1 << most);
    let (first, rest) = residual.split_at((part - order).min(residual.len()));
    sums.push(first.iter().map(|r| u64::from(folded(*r))).sum());
    sums.extend(rest.chunks(part).map(|part| part.iter().map(|r| u64::from(folded(*r))).sum::<u64>()));
    let mut best: Option<Rice> = None;
    for halvings in (0..=most).rev() {
        let part = size >> halvings;
        let mut parameters = Vec::with_capacity(sums.len());
        let mut bits = 0;
        for (i, sum) in sums.iter().enumerate() {
            let count = (part - if i == 0 { order } else { 0 }) as u64;
            let (parameter, own) = parameter(*sum, count);
            parameters.push(parameter);
            bits += own;
        }
        let width = if parameters.iter().any(|p| *p > 14) { 5 } else { 4 };
        bits += 6 + (width << halvings);
        if best.as_ref().is_none_or(|best| bits < best.bits) {
            best = Some(Rice { halvings, parameters, bits });
        }
        sums = sums.chunks(2).map(|two| two.iter().sum()).collect();
    }
    best.unwrap_or(Rice { halvings: 0, parameters: vec![0], bits: u64::MAX })
}

/// The parameter for `count` numbers that add up to `sum`, and about how many bits they take.
fn parameter(sum: u64, count: u64) -> (u32, u64) {
    let mean = sum.checked_div(count).unwrap_or(0);
    let near = mean.max(1).ilog2();
    let bits = |p: u32| count * u64::from(p + 1) + (sum >> p) - if p == 0 { 0 } else { (count >> 1).min(sum >> p) };
    let choice = [near.saturating_sub(1), near, (near + 1).min(30)];
    choice.into_iter().map(|p| (p.min(30), bits(p.min(30)))).min_by_key(|c| c.1).unwrap_or((0, 0))
}

fn put_residual(bits: &mut Bits, residual: &[i32], rice: &Rice, size: usize, order: usize) {
    let width = if rice.parameters.iter().any(|p| *p > 14) { 5 } else { 4 };
    bits.put(u64::from(width == 5), 2);
    bits.put(rice.halvings.into(), 4);
    let (part, mut rest) = (size >> rice.halvings, residual);
    for (i, &parameter) in rice.parameters.iter().enumerate() {
        let (now, behind) = rest.split_at(part - if i == 0 { order } else { 0 });
        rest = behind;
        bits.put(parameter.into(), width);
        for r in now {
            let r = folded(*r);
            let zeros = u64::from(r >> parameter);
            let end = u64::from(r) & ((1 << parameter) - 1);
            // Mostly all of it is one number of few bits.
            if zeros + u64::from(parameter) < 32 {
                bits.put(1 << parameter | end, zeros as u32 + 1 + parameter);
            } else {
                bits.unary(zeros);
                bits.put(end, parameter);
            }
        }
    }
}

/// A number as UTF-8 codes characters, up to 36 bits.
fn coded_number(bits: &mut Bits, number: u64) {
    if number < 0x80 {
        return bits.put(number, 8);
    }
    // How many bytes follow of six bits each.
    let more = (1..7).find(|more| number < 1 << (6 * more + if *more == 6 { 0 } else { 6 - more })).unwrap_or(6);
    let lead = 0xffu64 << (7 - more) & 0xff;
    bits.put(lead | (number >> (6 * more) & (0x3f >> more)), 8);
    for i in (0..more).rev() {
        bits.put(0x80 | (number >> (6 * i) & 0x3f), 8);
    }
}
