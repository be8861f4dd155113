//! Sequences of different lengths in one batch.

use super::{Collate, CollateWith};
use flambeau_tensor::{Element, Result, Scalar, Tensor, ensure, no_grad};

/// A sequence that can be filled up: a tensor `[length, …]`, or a `Vec` of numbers.
pub trait IntoSequence {
    /// It as a tensor `[length, …]`.
    ///
    /// # Errors
    /// Where there is no room.
    fn into_tensor(self) -> Result<Tensor>;
}

impl IntoSequence for Tensor {
    fn into_tensor(self) -> Result<Tensor> {
        Ok(self)
    }
}

impl<T: Element> IntoSequence for Vec<T> {
    fn into_tensor(self) -> Result<Tensor> {
        let n = self.len();
        Tensor::from_vec(self, n)
    }
}

/// Sequences filled up to the longest one. See [`pad_collate`].
#[derive(Clone, Copy, Debug)]
pub struct PadCollate {
    value: Scalar,
}

/// Makes a batch of sequences `[length, …]` of different lengths: `[batch, longest, …]`, filled up with `value`, and
/// the lengths, `[batch]` of i64. Of items `(sequence, target)` it makes `(sequences, lengths, targets)`. As
/// `torch.nn.utils.rnn.pad_sequence(batch_first=True)` in a `collate_fn`.
///
/// ```
/// use flambeau_data::{DataLoader, ListDataset, pad_collate};
///
/// let words = vec![(vec![3i64, 1], 0i64), (vec![4], 1)];
/// let loader = DataLoader::new(ListDataset(words)).batch_size(2).collate(pad_collate(0)).build()?;
/// let (words, lengths, labels) = loader.iter().next().expect("a batch")?;
/// assert_eq!(words.to_vec::<i64>()?, [3, 1, 4, 0]);
/// assert_eq!((lengths.to_vec::<i64>()?, labels.to_vec::<i64>()?), (vec![2, 1], vec![0, 1]));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn pad_collate(value: impl Into<Scalar>) -> PadCollate {
    PadCollate { value: value.into() }
}

impl PadCollate {
    fn pad(&self, items: Vec<impl IntoSequence>) -> Result<(Tensor, Tensor)> {
        let items = items.into_iter().map(IntoSequence::into_tensor).collect::<Result<Vec<_>>>()?;
        let first = &items[0];
        for (i, t) in items.iter().enumerate() {
            let fits = t.rank() > 0 && t.shape().get(1..) == first.shape().get(1..) && t.dtype() == first.dtype();
            ensure!(
                fits,
                Shape,
                "pad_collate",
                "item {i} is {} {:?}, the first one {} {:?}: more than the lengths differ",
                t.dtype(),
                t.shape(),
                first.dtype(),
                first.shape()
            );
        }
        let lengths: Vec<i64> = items.iter().map(|t| t.shape()[0] as i64).collect();
        let longest = items.iter().map(|t| t.shape()[0]).max().unwrap_or(0);
        let mut shape = vec![items.len(), longest];
        shape.extend_from_slice(&first.shape()[1..]);
        no_grad(|| {
            let batch = Tensor::full(&shape[..], self.value).dtype(first.dtype()).device(first.device()).build()?;
            for (i, t) in items.iter().enumerate() {
                batch.select(0, i as isize)?.narrow(0, 0, t.shape()[0])?.copy_(t)?;
            }
            Ok((batch, Tensor::from_vec(lengths, items.len())?))
        })
    }
}

impl<S: IntoSequence> CollateWith<S> for PadCollate {
    type Batch = (Tensor, Tensor);
    fn collate(&self, items: Vec<S>) -> Result<Self::Batch> {
        self.pad(items)
    }
}

impl<S: IntoSequence, T: Collate<Batch: Send + 'static>> CollateWith<(S, T)> for PadCollate {
    type Batch = (Tensor, Tensor, T::Batch);
    fn collate(&self, items: Vec<(S, T)>) -> Result<Self::Batch> {
        let (sequences, targets): (Vec<S>, Vec<T>) = items.into_iter().unzip();
        let (batch, lengths) = self.pad(sequences)?;
        Ok((batch, lengths, T::collate(targets)?))
    }
}
