//! The area under the ROC curve.

use super::integers;
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// The area under the ROC curve of two classes: how often a sample of class 1 has a higher score than one of class 0,
/// equal scores counting half (Mann and Whitney 1947). `scores` are of any shape, `labels` of the same, 0 or 1.
///
/// ```
/// use flambeau_tensor::tensor;
/// use flambeau_train::roc_auc;
///
/// assert_eq!(roc_auc(&tensor!([0.1, 0.4, 0.35, 0.8]), &tensor!([0i64, 0, 1, 1]))?, 0.75);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where shapes differ, a score is not a number, a label is neither 0 nor 1, or one of the classes has no sample.
#[track_caller]
pub fn roc_auc(scores: &Tensor, labels: &Tensor) -> Result<f64> {
    let mut auc = Auc::new();
    auc.update(scores, labels)?;
    auc.value()
}

/// [`roc_auc`] over batches. Keeps all scores.
#[derive(Clone, Debug, Default)]
pub struct Auc {
    scored: Vec<(f64, bool)>,
}

impl Auc {
    /// Of nothing yet.
    pub fn new() -> Self {
        Auc::default()
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// As [`roc_auc`]; nothing is added then.
    #[track_caller]
    pub fn update(&mut self, scores: &Tensor, labels: &Tensor) -> Result<()> {
        let place = "roc_auc";
        let (s, l) = (scores.shape(), labels.shape());
        ensure!(s == l, Shape, place, "scores {s:?} and labels {l:?} differ in shape");
        let scores = scores.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
        let labels = integers(labels)?;
        for (i, (score, label)) in scores.iter().zip(&labels).enumerate() {
            ensure!(!score.is_nan(), Argument, place, "score {i} is not a number");
            ensure!(*label == 0 || *label == 1, Argument, place, "label {i} is {label}, neither 0 nor 1");
        }
        self.scored.extend(scores.into_iter().zip(labels.into_iter().map(|label| label == 1)));
        Ok(())
    }

    /// The area.
    ///
    /// # Errors
    /// Where one of the classes has no sample.
    #[track_caller]
    pub fn value(&self) -> Result<f64> {
        let positive = self.scored.iter().filter(|(_, label)| *label).count();
        let negative = self.scored.len() - positive;
        let both = positive > 0 && negative > 0;
        ensure!(both, Argument, "roc_auc", "{negative} samples of class 0 and {positive} of class 1: needs both");
        let mut sorted = self.scored.clone();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut below, mut wins) = (0.0, 0.0);
        for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
            let ones = tied.iter().filter(|(_, label)| *label).count() as f64;
            let zeros = tied.len() as f64 - ones;
            wins += ones * (below + zeros / 2.0);
            below += zeros;
        }
        Ok(wins / (positive as f64 * negative as f64))
    }

    /// Of nothing again.
    pub fn reset(&mut self) {
        self.scored.clear();
    }
}
