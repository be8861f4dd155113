//! How good a model is, over as many batches as there are.

mod auc;
mod confusion;

pub use auc::{Auc, roc_auc};
pub use confusion::{Average, ConfusionMatrix};

use flambeau_tensor::{DType, Result, Tensor, ensure, no_grad};

/// The mean of what was added, by weight: a loss over batches of different sizes.
///
/// ```
/// use flambeau_train::Mean;
///
/// let mut loss = Mean::new();
/// loss.add_weighted(0.5, 64);
/// loss.add_weighted(1.5, 64);
/// assert_eq!(loss.value(), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    mean: f64,
    weight: f64,
}

impl Mean {
    /// Of nothing yet.
    pub fn new() -> Self {
        Mean::default()
    }

    /// Adds one value.
    pub fn add(&mut self, value: f64) {
        self.add_weighted(value, 1);
    }

    /// Adds the mean of `n` values.
    pub fn add_weighted(&mut self, value: f64, n: usize) {
        if n > 0 {
            self.weight += n as f64;
            self.mean += (value - self.mean) * (n as f64 / self.weight);
        }
    }

    /// The mean; not a number where nothing was added.
    pub fn value(&self) -> f64 {
        if self.weight > 0.0 { self.mean } else { f64::NAN }
    }

    /// Of nothing again.
    pub fn reset(&mut self) {
        *self = Mean::new();
    }
}

/// How many samples scores and labels are about, after a check of their shapes.
fn samples(place: &'static str, scores: &Tensor, labels: &Tensor) -> Result<usize> {
    let (s, l) = (scores.shape(), labels.shape());
    let fits = scores.rank() >= 1 && labels.rank() >= 1 && s[0] == l[0] && labels.rank() == 1;
    ensure!(
        fits,
        Shape,
        place,
        "needs scores [samples, classes] or classes [samples], and labels [samples], got {s:?} and {l:?}"
    );
    ensure!(scores.rank() <= 2, Shape, place, "scores {s:?} have more than two dimensions");
    ensure!(!labels.dtype().is_float(), DType, place, "labels are integers, got {}", labels.dtype());
    Ok(l[0])
}

/// The class of each sample: of scores `[samples, classes]` the one with the highest, or the classes themselves.
fn classes(place: &'static str, scores: &Tensor) -> Result<Vec<i64>> {
    let classes = if scores.rank() == 2 { no_grad(|| scores.argmax(-1))? } else { scores.detach() };
    ensure!(
        !classes.dtype().is_float(),
        DType,
        place,
        "classes are integers, got {} {:?}",
        scores.dtype(),
        scores.shape()
    );
    integers(&classes)
}

fn integers(t: &Tensor) -> Result<Vec<i64>> {
    t.detach().to_dtype(DType::I64)?.to_vec::<i64>()
}

/// The part of the samples whose class is right. `scores` are `[samples, classes]`, or the classes `[samples]`;
/// `labels` are `[samples]`.
///
/// ```
/// use flambeau_tensor::tensor;
/// use flambeau_train::accuracy;
///
/// let scores = tensor!([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]);
/// assert_eq!(accuracy(&scores, &tensor!([1i64, 0, 0]))?, 2.0 / 3.0);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the shapes do not go together or labels are no integers.
#[track_caller]
pub fn accuracy(scores: &Tensor, labels: &Tensor) -> Result<f64> {
    topk_accuracy(scores, labels, 1)
}

/// The part of the samples whose label is among the `k` classes with the highest scores `[samples, classes]`.
///
/// # Errors
/// As [`accuracy`], and where there are not so many classes.
#[track_caller]
pub fn topk_accuracy(scores: &Tensor, labels: &Tensor, k: usize) -> Result<f64> {
    let mut accuracy = Accuracy::top(k);
    accuracy.update(scores, labels)?;
    Ok(accuracy.value())
}

/// The part of the samples whose label is among the classes with the highest scores, over batches.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy {
    k: usize,
    right: u64,
    all: u64,
}

impl Default for Accuracy {
    fn default() -> Self {
        Accuracy::new()
    }
}

impl Accuracy {
    /// The class with the highest score has to be right.
    pub fn new() -> Self {
        Accuracy::top(1)
    }

    /// One of the `k` classes with the highest scores has to be right.
    pub fn top(k: usize) -> Self {
        Accuracy { k, right: 0, all: 0 }
    }

    /// Adds a batch: scores `[samples, classes]`, or for the highest alone classes `[samples]`; labels `[samples]`.
    ///
    /// # Errors
    /// As [`topk_accuracy`].
    #[track_caller]
    pub fn update(&mut self, scores: &Tensor, labels: &Tensor) -> Result<()> {
        let (place, k) = ("accuracy", self.k);
        let n = samples(place, scores, labels)?;
        let labels = integers(labels)?;
        let right = if k == 1 {
            classes(place, scores)?.iter().zip(&labels).filter(|(class, label)| class == label).count()
        } else {
            let classes = scores.shape().get(1).copied().unwrap_or(0);
            ensure!((1..=classes).contains(&k), Argument, place, "the best {k} of {classes} classes");
            let best = no_grad(|| scores.topk(k))?.indices.to_vec::<i64>()?;
            best.chunks(k).zip(&labels).filter(|(best, label)| best.contains(label)).count()
        };
        self.right += right as u64;
        self.all += n as u64;
        Ok(())
    }

    /// The part that is right; not a number where nothing was added.
    pub fn value(&self) -> f64 {
        self.right as f64 / self.all as f64
    }

    /// Of nothing again.
    pub fn reset(&mut self) {
        *self = Accuracy::top(self.k);
    }
}
