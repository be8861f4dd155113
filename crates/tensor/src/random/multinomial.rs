//! Drawing categories by weight.

use super::element::{CHUNK, DrawnIn, RandomElement, RandomFloat, unit};
use super::mt19937::Mt19937;
use crate::ensure;
use crate::error::Result;
use crate::lists::{list, reserve};

const OP: &str = "multinomial";

/// What [`Generator::multinomial`](super::Generator::multinomial) checks: shapes and
/// weights, of all rows before anything is drawn.
#[track_caller]
pub(super) fn check<T: RandomFloat>(
    out: &[i64],
    weights: &[T],
    categories: usize,
    samples: usize,
    replacement: bool,
) -> Result<()> {
    ensure!(categories > 0, Argument, OP, "there are no categories to draw from");
    ensure!(samples > 0, Argument, OP, "cannot draw 0 samples");
    let rows = weights.len() / categories;
    ensure!(
        weights.len() == rows * categories && rows.checked_mul(samples) == Some(out.len()),
        Shape,
        OP,
        "{} weights in rows of {categories} and {} places for {samples} samples a row do not fit",
        weights.len(),
        out.len()
    );
    ensure!(
        replacement || samples <= categories,
        Argument,
        OP,
        "cannot draw {samples} samples from {categories} categories without replacement"
    );
    for (row, weights) in weights.chunks_exact(categories).enumerate() {
        let mut any = false;
        for (i, w) in weights.iter().enumerate() {
            let w = w.widen();
            // Written so that NaN fails too.
            ensure!(
                w >= T::DrawnIn::default() && w.to_f64() <= T::MAX,
                Argument,
                OP,
                "weight {i} of row {row} is {}, not a finite number of at least 0",
                w.to_f64()
            );
            any |= w > T::DrawnIn::default();
        }
        ensure!(any, Argument, OP, "the weights of row {row} are all 0");
    }
    Ok(())
}

/// Independent draws: a binary search of a 53-bit uniform in the running sums.
pub(super) fn with_replacement<T: RandomFloat>(
    engine: &mut Mt19937,
    out: &mut [i64],
    weights: &[T],
    categories: usize,
) -> Result<()> {
    let rows = weights.len() / categories;
    let samples = out.len() / rows;
    let mut sums = list(categories, T::DrawnIn::default())?;
    let mut uniform = [0.0f64; CHUNK];
    for (out, weights) in out.chunks_exact_mut(samples).zip(weights.chunks_exact(categories)) {
        running_sums(weights, &mut sums);
        for part in out.chunks_mut(CHUNK) {
            let uniform = &mut uniform[..part.len()];
            unit(engine, uniform);
            for (x, &u) in part.iter_mut().zip(uniform.iter()) {
                *x = sums.partition_point(|sum| sum.to_f64() < u) as i64;
            }
        }
    }
    Ok(())
}

/// Running sums in the computing type, divided by their total; the last is exactly
/// 1, whatever rounding made of it.
fn running_sums<T: RandomFloat>(weights: &[T], sums: &mut [T::DrawnIn]) {
    let mut total = T::DrawnIn::default();
    for (sum, w) in sums.iter_mut().zip(weights) {
        total = total + w.widen();
        *sum = total;
    }
    for sum in sums.iter_mut() {
        *sum = *sum / total;
    }
    if let Some(last) = sums.last_mut() {
        *last = T::DrawnIn::from_i64(1);
    }
}

/// Distinct draws: weights divided by standard exponential samples, of which the
/// largest win, in falling order (exponential races; Efraimidis & Spirakis 2006).
/// One sample is drawn this way with replacement too, as in PyTorch.
pub(super) fn races<T: RandomFloat>(
    engine: &mut Mt19937,
    out: &mut [i64],
    weights: &[T],
    categories: usize,
) -> Result<()> {
    let rows = weights.len() / categories;
    let samples = out.len() / rows;
    let mut keys = list(categories, T::from_i64(0))?;
    let mut order: Vec<usize> = Vec::new();
    reserve(&mut order, categories)?;
    for (out, weights) in out.chunks_exact_mut(samples).zip(weights.chunks_exact(categories)) {
        super::continuous::exponential(engine, &mut keys, 1.0);
        for (key, w) in keys.iter_mut().zip(weights) {
            *key = T::narrow(w.widen() / key.widen());
        }
        order.clear();
        order.extend(0..categories);
        // Falling keys; NaN (0 / 0) first as PyTorch's topk has it; ties by place.
        let falling = |&a: &usize, &b: &usize| {
            let (x, y) = (keys[a].widen().to_f64(), keys[b].widen().to_f64());
            let by_key = y.is_nan().cmp(&x.is_nan()).reverse();
            by_key.then(y.total_cmp(&x)).then(a.cmp(&b))
        };
        if samples < categories {
            order.select_nth_unstable_by(samples - 1, falling);
        }
        let first = &mut order[..samples];
        first.sort_unstable_by(falling);
        for (x, &i) in out.iter_mut().zip(first.iter()) {
            *x = i as i64;
        }
    }
    Ok(())
}
