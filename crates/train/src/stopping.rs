//! When to stop.

use flambeau_tensor::{Result, builder, ensure};

/// What is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Goal {
    /// A loss.
    #[default]
    Lower,
    /// An accuracy.
    Higher,
}

/// Says when a figure has not become better for some time.
///
/// ```
/// use flambeau_train::{EarlyStopping, Goal};
///
/// let mut stopping = EarlyStopping::new(2).goal(Goal::Higher).build()?;
/// let stops: Vec<bool> = [0.5, 0.7, 0.6, 0.7, 0.9].map(|accuracy| stopping.update(accuracy)).into();
/// assert_eq!(stops, [false, false, false, true, false]);
/// assert!(stopping.is_best());
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    patience: usize,
    goal: Goal,
    min_delta: f64,
    best: Option<(usize, f64)>,
    seen: usize,
}

builder! {
    /// Options of [`EarlyStopping`].
    pub struct EarlyStoppingBuilder => EarlyStopping;
    new {
        /// Updates in a row that are no better before it says stop.
        patience: usize
    }
    options {
        /// What is better ([`Goal::Lower`]).
        goal: Goal = Goal::Lower,
        /// How much better it has to be (0).
        min_delta: f64 = 0.0,
    }
}

impl EarlyStopping {
    fn from_builder(b: EarlyStoppingBuilder) -> Result<Self> {
        let EarlyStoppingBuilder { patience, goal, min_delta } = b;
        ensure!(min_delta >= 0.0, Argument, "EarlyStopping", "needs min_delta >= 0, got {min_delta}");
        Ok(EarlyStopping { patience, goal, min_delta, best: None, seen: 0 })
    }

    /// Takes the next figure: true where it is time to stop. What is not a number is no better than anything.
    pub fn update(&mut self, value: f64) -> bool {
        let better = match (self.best, self.goal) {
            (None, _) => !value.is_nan(),
            (Some((_, best)), Goal::Lower) => value < best - self.min_delta,
            (Some((_, best)), Goal::Higher) => value > best + self.min_delta,
        };
        if better {
            self.best = Some((self.seen, value));
        }
        self.seen += 1;
        self.waited() >= self.patience.max(1)
    }

    /// Updates since the best one.
    fn waited(&self) -> usize {
        self.seen - self.best.map_or(0, |(at, _)| at + 1)
    }

    /// True where the last figure was the best: the time to keep the model.
    pub fn is_best(&self) -> bool {
        self.best.is_some() && self.waited() == 0
    }

    /// The best figure and the update it came with, counted from 0.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best
    }
}
