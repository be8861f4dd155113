//! Integers, permutations and coin flips.

use super::element::{CHUNK, RandomElement, RandomFloat, unit};
use super::mt19937::{Mt19937, join};
use crate::ensure;
use crate::error::Result;

/// From this span on PyTorch draws 64 bits an element: the skew of the remainder
/// of 32 bits would show.
const WIDE_SPAN: u64 = 1 << 28;

/// From this length on a permutation is drawn with 64 bits a step, and by another
/// algorithm.
const LONG_PERMUTATION: usize = (u32::MAX / 20) as usize;

/// Fills with `make(word)` of one 32-bit draw each.
fn each_u32<T>(engine: &mut Mt19937, out: &mut [T], make: impl Fn(u32) -> T) {
    let mut words = [0; CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let words = &mut words[..part.len()];
        engine.fill(words);
        for (x, &word) in part.iter_mut().zip(words.iter()) {
            *x = make(word);
        }
    }
}

/// Fills with `make(word)` of one 64-bit draw each.
fn each_u64<T>(engine: &mut Mt19937, out: &mut [T], make: impl Fn(u64) -> T) {
    let mut words = [0; 2 * CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let words = &mut words[..2 * part.len()];
        engine.fill(words);
        for (x, pair) in part.iter_mut().zip(words.as_chunks::<2>().0) {
            *x = make(join(*pair));
        }
    }
}

/// Fills with integers of `base..base + span`; a span of 0 stands for 2^64.
pub(super) fn fill_span<T: RandomElement>(engine: &mut Mt19937, out: &mut [T], base: i64, span: u64) {
    if span == 0 {
        each_u64(engine, out, |word| T::from_i64(word as i64));
    } else if span >= WIDE_SPAN {
        each_u64(engine, out, |word| T::from_i64((word % span).wrapping_add_signed(base) as i64));
    } else {
        let span = span as u32;
        each_u32(engine, out, |word| T::from_i64(base.wrapping_add(i64::from(word % span))));
    }
}

/// `random_()` without bounds.
pub(super) fn fill_natural<T: RandomElement>(engine: &mut Mt19937, out: &mut [T]) {
    let span = T::RANDOM_SPAN;
    if T::RANDOM_WIDE {
        each_u64(engine, out, |word| T::from_i64((word % span) as i64));
    } else {
        each_u32(engine, out, |word| T::from_i64((u64::from(word) % span) as i64));
    }
}

/// `low..high` of `random_`, checked, and for floats drawn in so far that rounding
/// a sample cannot leave the range.
#[track_caller]
pub(super) fn span<T: RandomElement>(low: i64, high: i64) -> Result<(i64, u64)> {
    ensure!(low < high, Argument, "random_", "needs low < high, got low = {low}, high = {high}");
    let (low, high) = (next_exact::<T>(low), last_exact::<T>(high));
    ensure!(low < high, Argument, "random_", "no {} lies between the bounds, rounded: {low} and {high}", T::NAME);
    check_bound::<T>("low", low)?;
    check_bound::<T>("high - 1", high - 1)?;
    Ok((low, (high as u64).wrapping_sub(low as u64)))
}

/// The range of `random_(low, None)`: to the type's largest value, for floats the
/// largest to which all integers are exact.
#[track_caller]
pub(super) fn span_from<T: RandomElement>(low: i64) -> Result<(i64, u64)> {
    let top = match T::DIGITS {
        Some(digits) => 1 << digits,
        None => T::BOUNDS.1,
    };
    if low == i64::MIN {
        ensure!(
            T::BOUNDS.0 == i64::MIN && T::BOUNDS.1 == i64::MAX,
            Argument,
            "random_",
            "the range of all 64-bit integers does not fit {}",
            T::NAME
        );
        return Ok((low, 0));
    }
    let low = next_exact::<T>(low);
    ensure!(low <= top, Argument, "random_", "low = {low} is above {top}, the top of {}", T::NAME);
    check_bound::<T>("low", low)?;
    Ok((low, (top as u64).wrapping_sub(low as u64).wrapping_add(1)))
}

#[track_caller]
fn check_bound<T: RandomElement>(name: &str, value: i64) -> Result<()> {
    let (min, max) = T::BOUNDS;
    ensure!(
        (min..=max).contains(&value),
        Argument,
        "random_",
        "{name} = {value} is out of bounds for {}, which holds {min} to {max}",
        T::NAME
    );
    Ok(())
}

/// `low`, or the first value of the type above it where the type rounds it down.
fn next_exact<T: RandomElement>(low: i64) -> i64 {
    let Some(digits) = T::DIGITS else { return low };
    let rounded = T::from_i64(low.saturating_add(1)).to_i64();
    if rounded < low {
        let exponent = low.saturating_add(1).unsigned_abs().checked_ilog2().unwrap_or(0);
        rounded.saturating_add(1 << (exponent + 1).saturating_sub(digits))
    } else {
        low
    }
}

/// `high`, or the last value of the type below it where the type rounds it up.
fn last_exact<T: RandomElement>(high: i64) -> i64 {
    let Some(digits) = T::DIGITS else { return high };
    let rounded = T::from_i64(high.saturating_sub(1)).to_i64();
    if rounded >= high {
        let exponent = high.saturating_sub(1).unsigned_abs().checked_ilog2().unwrap_or(0);
        rounded.saturating_sub(1 << (exponent + 1).saturating_sub(digits))
    } else {
        high
    }
}

/// A random permutation of `0..out.len()`.
#[track_caller]
pub(super) fn permutation<T: RandomElement>(engine: &mut Mt19937, out: &mut [T]) -> Result<()> {
    let n = out.len();
    // Integers that the type cannot tell apart make no permutation.
    let top = match T::DIGITS {
        Some(digits) => (1i64 << digits) + 1,
        None => T::BOUNDS.1,
    };
    let n_signed = i64::try_from(n).unwrap_or(i64::MAX);
    ensure!(n_signed <= top, Argument, "randperm", "n = {n} is too large for {}, which counts to {top}", T::NAME);
    if n >= LONG_PERMUTATION {
        long_permutation(engine, out);
    } else {
        short_permutation(engine, out);
    }
    Ok(())
}

/// Fisher and Yates from the front: place `i` is swapped with one from `i` on. The
/// last place needs no draw.
fn short_permutation<T: RandomElement>(engine: &mut Mt19937, out: &mut [T]) {
    for (i, x) in out.iter_mut().enumerate() {
        *x = T::from_i64(i as i64);
    }
    let n = out.len();
    let mut words = [0; CHUNK];
    let steps = n.saturating_sub(1);
    for start in (0..steps).step_by(CHUNK) {
        let words = &mut words[..CHUNK.min(steps - start)];
        engine.fill(words);
        for (i, &word) in (start..).zip(words.iter()) {
            // n is below 2^32 here.
            let pick = word % (n - i) as u32;
            out.swap(i, i + pick as usize);
        }
    }
}

/// The "inside-out" form, which needs no first pass: number `i` goes to a place up
/// to `i`, and what was there moves to place `i`.
fn long_permutation<T: RandomElement>(engine: &mut Mt19937, out: &mut [T]) {
    let mut picks = [0; CHUNK];
    for start in (0..out.len()).step_by(CHUNK) {
        let picks = &mut picks[..CHUNK.min(out.len() - start)];
        each_u64(engine, picks, |word| word);
        for (i, &word) in (start..).zip(picks.iter()) {
            let pick = (word % (i as u64 + 1)) as usize;
            out[i] = out[pick];
            out[pick] = T::from_i64(i as i64);
        }
    }
}

/// True with probability `p`, which is in `[0, 1]`.
pub(super) fn flips<T: RandomElement>(engine: &mut Mt19937, out: &mut [T], p: f64) {
    // A 53-bit uniform u = k / 2^53 is below p where k is below p * 2^53, which is
    // exact: the comparison needs no floating point.
    const SCALE: u64 = 1 << 53;
    let below = (p * SCALE as f64).ceil() as u64;
    let (one, zero) = (T::from_i64(1), T::from_i64(0));
    each_u64(engine, out, |word| if word & (SCALE - 1) < below { one } else { zero });
}

/// True with the probability that stands at the same place of `p`.
pub(super) fn flips_each<T, P>(engine: &mut Mt19937, out: &mut [T], p: &[P])
where
    T: RandomElement,
    P: RandomFloat,
{
    let (one, zero) = (T::from_i64(1), T::from_i64(0));
    let mut buffer = [P::DrawnIn::default(); CHUNK];
    for (part, p) in out.chunks_mut(CHUNK).zip(p.chunks(CHUNK)) {
        let u = &mut buffer[..part.len()];
        unit(engine, u);
        for ((x, &u), &p) in part.iter_mut().zip(u.iter()).zip(p) {
            *x = if u < p.widen() { one } else { zero };
        }
    }
}
