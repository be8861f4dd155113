//! Bytes in another size: runs of neighbours mixed with integer weights, along rows ([`Along`]) and across them ([`across`]).
//!
//! Along a row four bytes are computed at a time. What they are mixed of stands within 16 bytes of the old row: one
//! instruction deals these out in pairs, another one multiplies the pairs by their weights and adds them up. Where it lies
//! farther apart (the row shrinks to less than a quarter), each new byte is a product of its run and its weights.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::Held;
use crate::cpu::{list, par, reserve};
use crate::ops::{Interpolate, Taps};
use crate::{DType, Result, ensure};
use smallvec::SmallVec;
use std::ops::Range;

/// Bytes that are computed together.
const BLOCK: usize = 32;

/// Integer weights of the runs that new bytes are mixed of.
struct Runs {
    first: Vec<usize>,
    /// Where the weights of each run end.
    ends: Vec<usize>,
    weights: Vec<i16>,
    /// Bits of the weights behind the point.
    bits: u32,
}

impl Runs {
    /// The runs of some new elements, without weights of zero at their ends, and the old elements that they are of, from
    /// whose first on their places are told.
    fn new(taps: &Taps, new: Range<usize>) -> Result<(Runs, Range<usize>)> {
        // Where the point of the weights is goes by all of them.
        let (weights, bits) = taps.integers()?;
        let mut runs = Runs { first: list(new.len(), 0)?, ends: list(new.len(), 0)?, weights: Vec::new(), bits };
        reserve(&mut runs.weights, new.clone().map(|o| taps.run(o).len()).sum())?;
        for (o, (first, end)) in new.zip(runs.first.iter_mut().zip(&mut runs.ends)) {
            let run = &weights[taps.run(o)];
            let start = run.iter().position(|w| *w != 0).unwrap_or(0);
            let stop = run.iter().rposition(|w| *w != 0).map_or(start, |last| last + 1);
            *first = taps.first()[o] + start;
            runs.weights.extend_from_slice(&run[start..stop]);
            *end = runs.weights.len();
        }
        let start = runs.first.iter().copied().min().unwrap_or(0);
        let end = (0..runs.first.len()).map(|o| runs.first[o] + runs.get(o).1.len()).max().unwrap_or(0);
        runs.first.iter_mut().for_each(|first| *first -= start);
        Ok((runs, start..end.max(start + 1)))
    }

    #[inline(always)]
    fn get(&self, o: usize) -> (usize, &[i16]) {
        let start = if o == 0 { 0 } else { self.ends[o - 1] };
        (self.first[o], &self.weights[start..self.ends[o]])
    }

    fn longest(&self) -> usize {
        (0..self.first.len()).map(|o| self.get(o).1.len()).max().unwrap_or(0)
    }
}

/// The rows of images of bytes in another size, one after the other: what [`Interpolate`] makes of `u8`, to the bit, for
/// whom goes on with each row at once, or needs only a part.
///
/// ```
/// use flambeau_tensor::{ByteRows, Interpolate, InterpolateMode};
///
/// let mode = InterpolateMode::Linear;
/// let halved = Interpolate { mode, size: [1, 2].into_iter().collect(), factors: Default::default(), align_corners: false, antialias: true };
/// // Of an image of two rows of four bytes.
/// let rows = ByteRows::new(&halved, [2, 4], [0..1, 0..2], 1)?;
/// let mut made = Vec::new();
/// rows.each(&[0, 10, 20, 30, 0, 10, 20, 30], 4, |_, row| made.extend_from_slice(row))?;
/// assert_eq!(made, [7, 23]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct ByteRows {
    rows: Option<Runs>,
    columns: Option<Along>,
    source: [Range<usize>; 2],
    /// New rows.
    tall: usize,
    /// Bytes of a row, before and after.
    line: usize,
    made: usize,
}

impl ByteRows {
    /// Of images of `from` rows and columns of pixels of `inner` bytes, the part of `op`'s result that lies in these
    /// `rows` and `columns`.
    ///
    /// # Errors
    /// Where `op` is of other than two dimensions or takes no bytes, or the part is not inside of its result.
    #[track_caller]
    pub fn new(
        op: &Interpolate,
        from: [usize; 2],
        [rows, columns]: [Range<usize>; 2],
        inner: usize,
    ) -> Result<ByteRows> {
        const OP: &str = "ByteRows::new";
        op.check(DType::U8)?;
        let size = &op.size;
        ensure!(
            size.len() == 2 && !from.contains(&0),
            Shape,
            OP,
            "from {from:?} to {size:?}: no image has such a size"
        );
        let inside = |part: &Range<usize>, size: usize| part.start <= part.end && part.end <= size;
        let fits = inside(&rows, size[0]) && inside(&columns, size[1]);
        ensure!(fits, Argument, OP, "rows {rows:?} and columns {columns:?} are not within {size:?}");
        let taps = op.taps(&from, DType::U8)?;
        let part = |taps: &Taps, part: Range<usize>| {
            if taps.is_identity() {
                Ok((None, part))
            } else {
                Runs::new(taps, part).map(|(runs, old)| (Some(runs), old))
            }
        };
        let (tall, made) = (rows.len(), columns.len() * inner);
        let ((rows, down), (columns, across)) = (part(&taps[0], rows)?, part(&taps[1], columns)?);
        let columns = columns.map(|runs| Along::new(runs, across.len(), inner)).transpose()?;
        Ok(ByteRows { rows, columns, line: across.len() * inner, source: [down, across], tall, made })
    }

    /// The rows and columns of the old image that are needed.
    pub fn source(&self) -> [Range<usize>; 2] {
        self.source.clone()
    }

    /// Calls `f` with the number of each new row and its bytes. The needed part of the old image is `x`, whose rows begin
    /// `stride` bytes apart.
    ///
    /// # Errors
    /// Where `x` is too short, or memory is.
    #[track_caller]
    pub fn each(&self, x: &[u8], stride: usize, mut f: impl FnMut(usize, &[u8])) -> Result<()> {
        const OP: &str = "ByteRows::each";
        let rows = self.source[0].len();
        let need = rows.saturating_sub(1).saturating_mul(stride).saturating_add(self.line);
        ensure!(x.len() >= need || self.tall == 0, Argument, OP, "{} bytes for {rows} rows {stride} apart", x.len());
        let (mut held, mut row) = (self.held(OP)?, list(self.made, 0)?);
        for o in 0..self.tall {
            self.row(o, x, stride, &mut held, &mut row);
            f(o, &row);
        }
        Ok(())
    }

    /// Room for the rows that one new row is mixed of.
    pub(super) fn held(&self, op: &'static str) -> Result<Held<u8>> {
        let both = self.rows.as_ref().filter(|_| self.columns.is_some());
        Held::new(op, both.map_or(1, Runs::longest).max(1), if both.is_some() { self.made } else { 0 })
    }

    /// What a new row costs, in products.
    pub(super) fn cost(&self) -> usize {
        let width = self.rows.as_ref().map_or(1, Runs::longest);
        self.made.saturating_mul(width + self.columns.as_ref().map_or(1, |columns| columns.runs.longest()))
    }

    /// New row `o` of an image.
    pub(super) fn row(&self, o: usize, x: &[u8], stride: usize, held: &mut Held<u8>, out: &mut [u8]) {
        let line = |i: usize| &x[i * stride..i * stride + self.line];
        match (&self.rows, &self.columns) {
            (None, None) => out.copy_from_slice(line(o)),
            (None, Some(columns)) => columns.row(line(o), out),
            (Some(rows), None) => {
                let (first, weights) = rows.get(o);
                across(|k| line(first + k), weights, rows.bits, out);
            }
            (Some(rows), Some(columns)) => {
                let (first, weights) = rows.get(o);
                for i in first..first + weights.len() {
                    if let Some(to) = held.lacking(i) {
                        columns.row(line(i), to);
                    }
                }
                across(|k| held.row(first + k), weights, rows.bits, out);
            }
        }
    }
}

/// How a row of pixels is resized along itself.
struct Along {
    runs: Runs,
    inner: usize,
    #[cfg(target_arch = "x86_64")]
    fast: Option<x86::Along>,
}

impl Along {
    /// Of rows of `from` pixels of `inner` bytes.
    fn new(runs: Runs, from: usize, inner: usize) -> Result<Along> {
        #[cfg(target_arch = "x86_64")]
        let fast = x86::Along::new(&runs, from, inner)?;
        Ok(Along {
            runs,
            inner,
            #[cfg(target_arch = "x86_64")]
            fast,
        })
    }

    fn row(&self, x: &[u8], out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(fast) = &self.fast {
            return fast.row(self.runs.bits, x, out);
        }
        match self.inner {
            1 => self.pixels::<1>(x, out),
            2 => self.pixels::<2>(x, out),
            3 => self.pixels::<3>(x, out),
            4 => self.pixels::<4>(x, out),
            inner => {
                for (o, out) in out.chunks_exact_mut(inner).enumerate() {
                    let (first, weights) = self.runs.get(o);
                    across(|k| &x[(first + k) * inner..(first + k + 1) * inner], weights, self.runs.bits, out);
                }
            }
        }
    }

    /// Pixels of a few bytes.
    fn pixels<const C: usize>(&self, x: &[u8], out: &mut [u8]) {
        let ((x, _), (out, _)) = (x.as_chunks::<C>(), out.as_chunks_mut::<C>());
        for o in 0..out.len() {
            let (first, weights) = self.runs.get(o);
            let x = &x[first..first + weights.len()];
            let mut sums = [1 << (self.runs.bits - 1); C];
            for k in 0..x.len() {
                for c in 0..C {
                    sums[c] += i32::from(x[k][c]) * i32::from(weights[k]);
                }
            }
            for c in 0..C {
                out[o][c] = (sums[c] >> self.runs.bits).clamp(0, 255) as u8;
            }
        }
    }
}

/// Rows added up by their weights; `row(k)` is as long as `out`.
fn across<'x>(row: impl Fn(usize) -> &'x [u8], weights: &[i16], bits: u32, out: &mut [u8]) {
    let n = out.len();
    let rows: SmallVec<[&[u8]; 8]> = (0..weights.len()).map(|k| &row(k)[..n]).collect();
    #[cfg(target_arch = "x86_64")]
    if x86::across(&rows, weights, bits, out) {
        return;
    }
    par::simd(
        #[inline(always)]
        || plainly_across(&rows, weights, bits, out),
    );
}

#[inline(always)]
fn plainly_across(rows: &[&[u8]], weights: &[i16], bits: u32, out: &mut [u8]) {
    let mut start = 0;
    while start < out.len() {
        let n = (out.len() - start).min(BLOCK);
        let mut sums = [1i32 << (bits - 1); BLOCK];
        for k in 0..weights.len() {
            let (x, w) = (&rows[k][start..start + n], i32::from(weights[k]));
            for i in 0..n {
                sums[i] += i32::from(x[i]) * w;
            }
        }
        let out = &mut out[start..start + n];
        for i in 0..n {
            out[i] = (sums[i] >> bits).clamp(0, 255) as u8;
        }
        start += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generator;
    use crate::ops::InterpolateMode;

    fn bytes(n: usize, generator: &Generator) -> Vec<u8> {
        crate::Tensor::randint(0, 256, [n]).dtype(DType::U8).generator(generator).build().unwrap().to_vec().unwrap()
    }

    /// Each byte by itself, as the weights say.
    fn plainly(runs: &Runs, x: &[u8], inner: usize) -> Vec<u8> {
        let of = |j: usize| {
            let (first, weights) = runs.get(j / inner);
            let at = |k: usize| i32::from(x[(first + k) * inner + j % inner]);
            let sum: i32 = weights.iter().enumerate().map(|(k, w)| at(k) * i32::from(*w)).sum();
            ((sum + (1 << (runs.bits - 1))) >> runs.bits).clamp(0, 255) as u8
        };
        (0..runs.first.len() * inner).map(of).collect()
    }

    #[test]
    fn every_way_along_a_row_gives_what_the_weights_say() {
        let generator = Generator::with_seed(3);
        let modes = [
            (InterpolateMode::Linear, true),
            (InterpolateMode::Linear, false),
            (InterpolateMode::Bicubic, true),
            (InterpolateMode::Bicubic, false),
            (InterpolateMode::Lanczos, true),
            (InterpolateMode::Nearest, false),
        ];
        // Rows that grow, keep about their size, shrink, and shrink to less than a quarter; too short for vectors.
        for (from, to) in
            [(7, 90), (40, 300), (100, 101), (230, 112), (500, 224), (331, 80), (900, 64), (1100, 33), (9, 4)]
        {
            for (mode, antialias) in modes {
                for inner in [1, 2, 3, 4, 5] {
                    let size = [1, to].into_iter().collect();
                    let op = Interpolate { mode, size, factors: Default::default(), align_corners: false, antialias };
                    let taps = &op.taps(&[1, from], DType::U8).unwrap()[1];
                    for part in [0..to, to / 3..to] {
                        let (runs, old) = Runs::new(taps, part.clone()).unwrap();
                        let x = bytes(old.len() * inner, &generator);
                        let want = plainly(&runs, &x, inner);
                        let along = Along::new(runs, old.len(), inner).unwrap();
                        let mut y = vec![1; part.len() * inner];
                        along.row(&x, &mut y);
                        assert_eq!(y, want, "{mode:?} {antialias} {from} to {part:?} of {to}, {inner}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_of_any_number_and_length() {
        let generator = Generator::with_seed(4);
        for n in [1, 31, 32, 33, 64, 95] {
            for count in 0..12 {
                let x = bytes(n * count, &generator);
                let weights: Vec<i16> = (0..count).map(|k| [9000, -7000, 12000, 300, 15000][k % 5]).collect();
                let runs = Runs { first: vec![0], ends: vec![count], weights: weights.clone(), bits: 14 };
                let want: Vec<u8> = (0..n)
                    .flat_map(|j| {
                        plainly(&runs, &x[j.min(x.len())..].iter().step_by(n).copied().collect::<Vec<_>>(), 1)
                    })
                    .collect();
                let mut y = vec![1; n];
                across(|k| &x[k * n..(k + 1) * n], &weights, 14, &mut y);
                assert_eq!(y, want, "{count} rows of {n}");
            }
        }
    }

    #[test]
    fn a_part_is_a_part_of_the_whole() {
        let generator = Generator::with_seed(5);
        let (from, to) = ([50, 70], [20, 40]);
        let x = bytes(from[0] * from[1] * 3, &generator);
        let op = Interpolate {
            mode: InterpolateMode::Bicubic,
            size: to.into_iter().collect(),
            factors: Default::default(),
            align_corners: false,
            antialias: true,
        };
        let made = |part: [Range<usize>; 2]| {
            let rows = ByteRows::new(&op, from, part, 3).unwrap();
            let [down, right] = rows.source();
            let mut all = Vec::new();
            let x = &x[(down.start * from[1] + right.start) * 3..];
            rows.each(x, from[1] * 3, |_, row| all.push(row.to_vec())).unwrap();
            all
        };
        let (whole, part) = (made([0..20, 0..40]), made([7..15, 11..33]));
        assert_eq!(part.len(), 8);
        for (row, of) in part.iter().zip(&whole[7..]) {
            assert_eq!(row[..], of[33..99]);
        }
        let bad = ByteRows::new(&op, from, [0..21, 0..40], 3).err().unwrap();
        assert!(bad.to_string().contains("not within"), "{bad}");
        let rows = ByteRows::new(&op, from, [0..20, 0..40], 3).unwrap();
        assert!(rows.each(&x[..x.len() - 1], 210, |_, _| ()).is_err());
    }
}
