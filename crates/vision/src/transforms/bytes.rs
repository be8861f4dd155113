//! Resizing of bytes, plane by plane: runs of neighbours mixed with integer weights, along rows and then along columns, in
//! loops of constant length that compile to vectors. To mix along rows, tiles of 64 rows are turned on their side.

/// Rows that are turned together, and columns that are mixed together.
const LANES: usize = 64;

/// Integer weights of the runs that each new pixel is mixed from.
pub(super) struct Weights {
    /// The first old pixel of each run.
    pub(super) first: Vec<usize>,
    /// The weights of each run, `width` of them.
    pub(super) weights: Vec<i16>,
    pub(super) width: usize,
    /// Bits of the weights behind the point.
    pub(super) bits: u32,
}

/// How many weights of a run count; one at the least.
pub(super) fn len(run: &[i16]) -> usize {
    run.iter().rposition(|w| *w != 0).map_or(1, |last| last + 1)
}

impl Weights {
    /// The last old pixel that counts.
    pub(super) fn last(&self) -> usize {
        let runs = self.first.iter().zip(self.weights.chunks_exact(self.width));
        runs.map(|(first, run)| first + len(run) - 1).max().unwrap_or(0)
    }

    #[inline(always)]
    fn run(&self, i: usize) -> (usize, &[i16]) {
        (self.first[i], &self.weights[i * self.width..(i + 1) * self.width])
    }
}

/// Bytes that [`across`] works with beside what it is given and gives.
pub(super) fn room(from: usize, to: usize) -> usize {
    from.saturating_add(to).saturating_mul(LANES)
}

/// Rows of `from` bytes as rows of as many as there are runs.
#[inline(always)]
pub(super) fn across(weights: &Weights, from: usize, x: &[u8]) -> Vec<u8> {
    let to = weights.first.len();
    let mut y = vec![0; x.len() / from * to];
    let (mut tile, mut mixed) = (vec![0; from * LANES], vec![0; to * LANES]);
    for (x, y) in x.chunks(from * LANES).zip(y.chunks_mut(to * LANES)) {
        let rows = x.len() / from;
        turn(x, from, (rows, from), &mut tile, LANES);
        for i in 0..to {
            let (first, run) = weights.run(i);
            if let Some(to) = mixed[i * LANES..].first_chunk_mut() {
                mix(&tile[first * LANES..], LANES, run, weights.bits, to);
            }
        }
        turn(&mixed, LANES, (to, rows), y, to);
    }
    y
}

/// New row `i` of a plane whose rows are as long as `y`.
#[inline(always)]
pub(super) fn down(weights: &Weights, i: usize, x: &[u8], y: &mut [u8]) {
    let (stride, (first, run)) = (y.len(), weights.run(i));
    let x = &x[first * stride..];
    let mut at = 0;
    // The last columns are some of those before, too, where their number is not even.
    while stride - at >= LANES || (at > 0 && at < stride) {
        let start = at.min(stride - LANES);
        if let Some(to) = y[start..].first_chunk_mut() {
            mix(&x[start..], stride, run, weights.bits, to);
        }
        at = start + LANES;
    }
    for (j, y) in y.iter_mut().enumerate().skip(at) {
        let mut sum = 1 << (weights.bits - 1);
        for (x, w) in x[j..].iter().step_by(stride).zip(run) {
            sum += i32::from(*x) * i32::from(*w);
        }
        *y = (sum >> weights.bits).clamp(0, 255) as u8;
    }
}

/// Sums of rows `stride` apart, weighted; the run ends where they do.
#[inline(always)]
fn mix(x: &[u8], stride: usize, run: &[i16], bits: u32, y: &mut [u8; LANES]) {
    let mut sums = [1i32 << (bits - 1); LANES];
    let row = |k: usize| x.get(k * stride..).and_then(|rest| rest.first_chunk::<LANES>());
    let mut k = 0;
    while k + 4 <= run.len()
        && let (Some(a), Some(b), Some(c), Some(d)) = (row(k), row(k + 1), row(k + 2), row(k + 3))
    {
        let w = [run[k], run[k + 1], run[k + 2], run[k + 3]];
        for j in 0..LANES {
            sums[j] += i32::from(a[j]) * i32::from(w[0])
                + i32::from(b[j]) * i32::from(w[1])
                + i32::from(c[j]) * i32::from(w[2])
                + i32::from(d[j]) * i32::from(w[3]);
        }
        k += 4;
    }
    while k < run.len()
        && let Some(a) = row(k)
    {
        for j in 0..LANES {
            sums[j] += i32::from(a[j]) * i32::from(run[k]);
        }
        k += 1;
    }
    for j in 0..LANES {
        y[j] = (sums[j] >> bits).clamp(0, 255) as u8;
    }
}

/// `y[j * to + i] = x[i * from + j]` for `(i, j)` below `size`.
#[inline(always)]
pub(super) fn turn(x: &[u8], from: usize, (rows, columns): (usize, usize), y: &mut [u8], to: usize) {
    if rows < SQUARE || columns < SQUARE {
        for i in 0..rows {
            for j in 0..columns {
                y[j * to + i] = x[i * from + j];
            }
        }
        return;
    }
    // The last square lies upon the one before it where there is no room.
    for i in 0..rows.div_ceil(SQUARE) {
        let i = (i * SQUARE).min(rows - SQUARE);
        for j in 0..columns.div_ceil(SQUARE) {
            let j = (j * SQUARE).min(columns - SQUARE);
            let mut square = [[0; SQUARE]; SQUARE];
            for k in 0..SQUARE {
                if let Some(row) = x[(i + k) * from + j..].first_chunk::<SQUARE>() {
                    square[k] = *row;
                }
            }
            let square = turned(square);
            for k in 0..SQUARE {
                if let Some(row) = y[(j + k) * to + i..].first_chunk_mut::<SQUARE>() {
                    *row = square[k];
                }
            }
        }
    }
}

/// The side of what is turned at once.
const SQUARE: usize = 16;

/// Four times each row of the upper half is dealt out with one of the lower.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn turned(mut square: [[u8; SQUARE]; SQUARE]) -> [[u8; SQUARE]; SQUARE] {
    use std::arch::x86_64::{__m128i, _mm_unpackhi_epi8, _mm_unpacklo_epi8};
    for _ in 0..4 {
        let before = square;
        for k in 0..SQUARE / 2 {
            let (a, b): (__m128i, __m128i) = (pulp::cast(before[k]), pulp::cast(before[k + SQUARE / 2]));
            // SAFETY: every machine of this kind has the two instructions.
            let (low, high) = unsafe { (_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)) };
            (square[2 * k], square[2 * k + 1]) = (pulp::cast(low), pulp::cast(high));
        }
    }
    square
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn turned(square: [[u8; SQUARE]; SQUARE]) -> [[u8; SQUARE]; SQUARE] {
    let mut turned = square;
    for i in 0..SQUARE {
        for j in 0..SQUARE {
            turned[j][i] = square[i][j];
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_squares_and_what_is_left() {
        for (rows, columns) in [(1, 1), (15, 40), (16, 16), (17, 33), (64, 50)] {
            let (from, to) = (columns + 3, rows + 2);
            let x: Vec<u8> = (0..rows * from).map(|i| (i * 7 % 251) as u8).collect();
            let mut y = vec![0; columns * to];
            turn(&x, from, (rows, columns), &mut y, to);
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                assert_eq!(y[j * to + i], x[i * from + j], "{rows}×{columns} at {i}, {j}");
            }
        }
    }
}
