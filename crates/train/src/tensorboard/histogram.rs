//! Values in buckets that grow by a tenth: PyTorch's, called `tensorflow`.

/// What a histogram's message holds.
pub(crate) struct Histogram {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) sum_of_squares: f64,
    /// The upper end of each bucket.
    pub(crate) limits: Vec<f64>,
    pub(crate) counts: Vec<f64>,
}

/// The limits of all buckets: 0, and 1e-12 · 1.1ⁿ up to 1e20 on both sides of it.
fn limits() -> Vec<f64> {
    let positive: Vec<f64> = std::iter::successors(Some(1e-12), |x| Some(x * 1.1)).take_while(|x| *x < 1e20).collect();
    positive.iter().rev().map(|x| -x).chain([0.0]).chain(positive.iter().copied()).collect()
}

impl Histogram {
    /// Of finite values, at least one.
    pub(crate) fn of(values: &[f64]) -> Histogram {
        let limits = limits();
        // Bucket i lies from limit i to limit i + 1; what is beyond the ends goes to the outermost.
        let buckets = limits.len() - 1;
        let mut counts = vec![0.0; buckets];
        for x in values {
            let bucket = limits.partition_point(|limit| limit <= x).saturating_sub(1).min(buckets - 1);
            counts[bucket] += 1.0;
        }
        // From an empty bucket before the first value to the bucket of the last one.
        let first = counts.iter().position(|n| *n > 0.0).unwrap_or(0);
        let last = counts.iter().rposition(|n| *n > 0.0).unwrap_or(0);
        let (counts, limits) = match first.checked_sub(1) {
            Some(before) => (counts[before..=last].to_vec(), limits[first..=last + 1].to_vec()),
            None => {
                let counts = [&[0.0], &counts[..=last]].concat();
                (counts, limits[..=last + 1].to_vec())
            }
        };
        Histogram {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count: values.len() as f64,
            sum: values.iter().sum(),
            sum_of_squares: values.iter().map(|x| x * x).sum(),
            limits,
            counts,
        }
    }
}
