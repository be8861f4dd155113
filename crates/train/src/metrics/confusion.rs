//! Which classes are taken for which.

use super::{classes, integers, samples};
use flambeau_tensor::{Result, Tensor, ensure};
use std::fmt;

/// How often samples of each class were taken for each class, over batches: rows are labels, columns what was
/// predicted, as in scikit-learn. Precision, recall and F1 follow from it.
///
/// ```
/// use flambeau_tensor::tensor;
/// use flambeau_train::{Average, ConfusionMatrix};
///
/// let mut matrix = ConfusionMatrix::new(3)?;
/// matrix.update(&tensor!([0i64, 2, 1, 0, 0, 1]), &tensor!([0i64, 1, 2, 0, 1, 2]))?;
/// assert_eq!(matrix.count(1, 2), 1);
/// assert_eq!(matrix.accuracy(), 2.0 / 6.0);
/// assert!((matrix.f1(Average::Macro) - 0.26667).abs() < 1e-4);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

/// How the figures of classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Average {
    /// Every class counts the same.
    #[default]
    Macro,
    /// Every sample counts the same: all classes' samples together.
    Micro,
    /// A class counts by its number of samples.
    Weighted,
}

/// Right ones, those predicted and those there are, of a class or of several.
#[derive(Clone, Copy)]
struct Tally {
    right: u64,
    predicted: u64,
    labelled: u64,
}

/// 0 where there is nothing to divide by, as in scikit-learn.
fn part(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

impl Tally {
    fn precision(&self) -> f64 {
        part(self.right, self.predicted)
    }
    fn recall(&self) -> f64 {
        part(self.right, self.labelled)
    }
    fn f1(&self) -> f64 {
        part(2 * self.right, self.predicted + self.labelled)
    }
}

impl ConfusionMatrix {
    /// Of `classes` classes.
    ///
    /// # Errors
    /// Where there are none, or more than 65,536.
    #[track_caller]
    pub fn new(classes: usize) -> Result<Self> {
        let right = (1..=1 << 16).contains(&classes);
        ensure!(right, Argument, "ConfusionMatrix", "needs 1 to 65536 classes, got {classes}");
        Ok(ConfusionMatrix { classes, counts: vec![0; classes * classes] })
    }

    /// Adds a batch: scores `[samples, classes]` or classes `[samples]`, and labels `[samples]`.
    ///
    /// # Errors
    /// Where the shapes do not go together, or a class is not among those there are; nothing is added then.
    #[track_caller]
    pub fn update(&mut self, scores: &Tensor, labels: &Tensor) -> Result<()> {
        let place = "ConfusionMatrix";
        samples(place, scores, labels)?;
        let (predicted, labels, n) = (classes(place, scores)?, integers(labels)?, self.classes);
        for (what, list) in [("predicted", &predicted), ("labelled", &labels)] {
            for (i, &class) in list.iter().enumerate() {
                let known = (0..n as i64).contains(&class);
                ensure!(known, Index, place, "sample {i} is {what} {class}: there are {n} classes");
            }
        }
        for (class, label) in predicted.into_iter().zip(labels) {
            self.counts[label as usize * n + class as usize] += 1;
        }
        Ok(())
    }

    /// How often a sample of class `label` was taken for `predicted`; 0 for classes that are not there.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        let inside = label < self.classes && predicted < self.classes;
        if inside { self.counts[label * self.classes + predicted] } else { 0 }
    }

    /// All counts, `[classes, classes]` of i64.
    ///
    /// # Errors
    /// Where there is no room.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Tensor::from_vec(self.counts.iter().map(|n| *n as i64).collect(), [self.classes, self.classes])
    }

    fn tallies(&self) -> Vec<Tally> {
        let n = self.classes;
        let tally = |c: usize| Tally {
            right: self.counts[c * n + c],
            predicted: (0..n).map(|label| self.counts[label * n + c]).sum(),
            labelled: self.counts[c * n..(c + 1) * n].iter().sum(),
        };
        (0..n).map(tally).collect()
    }

    fn averaged(&self, average: Average, figure: fn(&Tally) -> f64) -> f64 {
        let tallies = self.tallies();
        let all: u64 = tallies.iter().map(|t| t.labelled).sum();
        match average {
            // A class that is neither labelled nor predicted says nothing.
            Average::Macro => {
                let met: Vec<&Tally> = tallies.iter().filter(|t| t.labelled + t.predicted > 0).collect();
                met.iter().map(|t| figure(t)).sum::<f64>() / met.len().max(1) as f64
            }
            Average::Micro => {
                let right = tallies.iter().map(|t| t.right).sum();
                figure(&Tally { right, predicted: all, labelled: all })
            }
            Average::Weighted => tallies.iter().map(|t| figure(t) * part(t.labelled, all)).sum(),
        }
    }

    /// The part of all samples that is right.
    pub fn accuracy(&self) -> f64 {
        self.averaged(Average::Micro, Tally::recall)
    }

    /// Of what was predicted to be of a class, the part that is.
    pub fn precision(&self, average: Average) -> f64 {
        self.averaged(average, Tally::precision)
    }

    /// Of what is of a class, the part that was predicted to be.
    pub fn recall(&self, average: Average) -> f64 {
        self.averaged(average, Tally::recall)
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self, average: Average) -> f64 {
        self.averaged(average, Tally::f1)
    }

    /// Precision, recall and F1 of each class.
    pub fn per_class(&self) -> Vec<[f64; 3]> {
        self.tallies().iter().map(|t| [t.precision(), t.recall(), t.f1()]).collect()
    }

    /// Of nothing again.
    pub fn reset(&mut self) {
        self.counts.fill(0);
    }
}

/// A table, a row for each label.
impl fmt::Debug for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.counts.iter().max().map_or(1, |n| n.to_string().len());
        for (i, row) in self.counts.chunks(self.classes).enumerate() {
            let line = if i == 0 { "" } else { "\n" };
            write!(f, "{line}{}", row.iter().map(|n| format!("{n:>widest$}")).collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }
}
