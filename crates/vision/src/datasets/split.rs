//! The parts that the makers of data sets divided them into.

use flambeau_tensor::{Result, bail};

/// A part of a data set, as its makers divided it. Which parts a set has stands with its option; another is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// to train on
    Train,
    /// to choose by
    Val,
    /// both of these
    TrainVal,
    /// to test on
    Test,
    /// all of it
    All,
    /// more to train on, which is easier
    Extra,
    /// more to train on, which is labelled coarsely
    TrainExtra,
    /// to train on, without what another set has to choose by
    TrainNoVal,
    /// to train on, of the challenge
    TrainChallenge,
    /// without labels
    Unlabeled,
    /// to train on, and what has no labels behind it
    TrainUnlabeled,
    /// more scenes
    Additional,
    /// ten parts, of which each is to be held out once
    TenFold,
    /// the first 10,000 to test on
    Test10k,
    /// the other 50,000 to test on
    Test50k,
    /// all that the set was drawn from
    Nist,
}

impl Split {
    /// The name of this part among those that there are.
    #[track_caller]
    pub(super) fn among(self, op: &'static str, known: &[(Split, &'static str)]) -> Result<&'static str> {
        match known.iter().find(|(split, _)| *split == self) {
            Some((_, name)) => Ok(name),
            None => {
                bail!(Argument, op, "{self:?}: its parts are {:?}", known.iter().map(|(s, _)| s).collect::<Vec<_>>())
            }
        }
    }
}
