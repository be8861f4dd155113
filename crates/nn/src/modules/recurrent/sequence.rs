//! What a recurrent layer takes: a padded batch, one sequence, or a packed batch.

use crate::Inputs;
use crate::utils::rnn::PackedSequence;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{Result, Tensor, Tensors, bail, ensure};

/// The input of a recurrent layer: a tensor, `[T, N, features]` (`[N, T, features]` where `batch_first`) or one
/// sequence `[T, features]`; or a [`PackedSequence`]. The output is of the same kind.
pub trait Sequence: Copy + Inputs + private::Sealed {
    /// A tensor of a tensor, packed of packed.
    type Output: Tensors;

    /// All steps after one another, of so many features.
    #[doc(hidden)]
    fn steps(self, name: &'static str, features: usize, batch_first: bool) -> Result<Steps>;

    /// What the layer made of the steps, in the form of this input.
    #[doc(hidden)]
    fn output(self, steps: &Steps, data: Tensor) -> Result<Self::Output>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for &flambeau_tensor::Tensor {}
    impl Sealed for &crate::utils::rnn::PackedSequence {}
}

/// Sequences step by step.
#[doc(hidden)]
pub struct Steps {
    /// `[Σ sizes, features]`
    pub(super) data: Tensor,
    /// How many sequences have each step, at least one number.
    pub(super) sizes: Vec<usize>,
    form: Form,
}

enum Form {
    /// Padded, with the numbers of steps and sequences.
    Padded { steps: usize, sequences: usize, batch_first: bool },
    /// One sequence, without a dimension for the batch.
    One,
    /// Packed, with the orders of sequences in states from and to the user's.
    Packed { sorted: Option<Tensor>, unsorted: Option<Tensor> },
}

#[track_caller]
fn check_features(name: &'static str, given: usize, right: usize) -> Result<()> {
    ensure!(given == right, Shape, name, "the input has {given} features, its last dimension; input_size is {right}");
    Ok(())
}

impl Sequence for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn steps(self, name: &'static str, features: usize, batch_first: bool) -> Result<Steps> {
        let (data, form) = match self.shape() {
            [_, given] => {
                check_features(name, *given, features)?;
                (self.clone(), Form::One)
            }
            [a, b, given] => {
                check_features(name, *given, features)?;
                let (steps, sequences) = if batch_first { (*b, *a) } else { (*a, *b) };
                let by_step = if batch_first { self.transpose(0, 1)? } else { self.clone() };
                // Without a sequence, one step stands for all.
                let rows = if sequences == 0 { 0 } else { steps * sequences };
                (by_step.reshape([rows, features])?, Form::Padded { steps, sequences, batch_first })
            }
            shape => bail!(
                Shape,
                name,
                "the input has shape {shape:?}; it must be {} or [T, features]",
                if batch_first { "[N, T, features]" } else { "[T, N, features]" }
            ),
        };
        let (steps, sequences) = match form {
            Form::Padded { steps, sequences, .. } => (steps, sequences),
            _ => (self.shape()[0], 1),
        };
        ensure!(steps > 0, Shape, name, "the input has no steps: shape {:?}", self.shape());
        let steps = if sequences == 0 { 1 } else { steps };
        check_bytes(name, steps.saturating_mul(size_of::<usize>()))?;
        Ok(Steps { data, sizes: vec![sequences; steps], form })
    }

    #[track_caller]
    fn output(self, steps: &Steps, data: Tensor) -> Result<Tensor> {
        match steps.form {
            Form::Padded { steps, sequences, batch_first } => {
                let width = data.shape()[1];
                let by_step = data.reshape([steps, sequences, width])?;
                if batch_first { by_step.transpose(0, 1) } else { Ok(by_step) }
            }
            _ => Ok(data),
        }
    }
}

impl Sequence for &PackedSequence {
    type Output = PackedSequence;

    #[track_caller]
    fn steps(self, name: &'static str, features: usize, _: bool) -> Result<Steps> {
        let [_, given] = self.data().shape() else {
            bail!(Shape, name, "packed elements of shape {:?} are not [n, features]", self.data().shape())
        };
        check_features(name, *given, features)?;
        let form = Form::Packed { sorted: self.sorted_indices().cloned(), unsorted: self.unsorted_indices().cloned() };
        Ok(Steps { data: self.data().clone(), sizes: self.batch_sizes().to_vec(), form })
    }

    #[track_caller]
    fn output(self, _: &Steps, data: Tensor) -> Result<PackedSequence> {
        Ok(self.with_data(data))
    }
}

impl Steps {
    /// A state of the user's, as `[layers, N, size]` with the sequences in the order of the steps.
    #[track_caller]
    pub(super) fn enter(&self, name: &'static str, what: &str, state: &Tensor, shape: &[usize; 3]) -> Result<Tensor> {
        let right = if matches!(self.form, Form::One) { vec![shape[0], shape[2]] } else { shape.to_vec() };
        ensure!(
            *state.shape() == right[..],
            Shape,
            name,
            "the state {what} has shape {:?}; for this input it must be {right:?}",
            state.shape()
        );
        match &self.form {
            Form::One => state.unsqueeze(1),
            Form::Packed { sorted: Some(order), .. } => state.index_select(1, order),
            _ => Ok(state.clone()),
        }
    }

    /// A state `[layers, N, size]`, as the user has them.
    #[track_caller]
    pub(super) fn leave(&self, state: &Tensor) -> Result<Tensor> {
        match &self.form {
            Form::One => state.squeeze(1),
            Form::Packed { unsorted: Some(order), .. } => state.index_select(1, order),
            _ => Ok(state.clone()),
        }
    }
}
