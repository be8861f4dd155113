//! Datasets: items by number.

use flambeau_tensor::{Generator, Result, Tensor, ensure};
use std::sync::Arc;

/// This file, as errors that start here name it.
pub(crate) const FILE: &str = file!();

/// Items by number: `torch.utils.data.Dataset`.
pub trait Dataset: Send + Sync {
    /// What one item is.
    type Item;

    /// How many there are.
    fn len(&self) -> usize;

    /// The item with number `index`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    fn get(&self, index: usize) -> Result<Self::Item>;

    /// True where there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each item through `f` as it is read.
    fn map<U, F: Fn(Self::Item) -> Result<U> + Send + Sync>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
    {
        Map { inner: self, f }
    }
}

macro_rules! through_pointer {
    ($($P:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $P {
            type Item = D::Item;
            fn len(&self) -> usize { (**self).len() }
            fn get(&self, index: usize) -> Result<D::Item> { (**self).get(index) }
        }
    )*};
}
through_pointer!(Arc<D>, Box<D>, &D);

impl<T: Clone + Send + Sync> Dataset for Vec<T> {
    type Item = T;
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn get(&self, index: usize) -> Result<T> {
        check(index, Vec::len(self))?;
        Ok(self[index].clone())
    }
}

#[track_caller]
fn check(index: usize, len: usize) -> Result<()> {
    ensure!(index < len, Index, "Dataset::get", "there is no item {index}, the dataset has {len}");
    Ok(())
}

/// A dataset whose items pass through a function. See [`Dataset::map`].
pub struct Map<D, F> {
    inner: D,
    f: F,
}

impl<D: Dataset, U, F: Fn(D::Item) -> Result<U> + Send + Sync> Dataset for Map<D, F> {
    type Item = U;
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn get(&self, index: usize) -> Result<U> {
        (self.f)(self.inner.get(index)?)
    }
}

/// The rows of two tensors side by side: inputs and targets.
pub struct TensorDataset {
    inputs: Tensor,
    targets: Tensor,
}

impl TensorDataset {
    /// Rows of `inputs` with rows of `targets`.
    ///
    /// # Errors
    /// Where they have different numbers of rows.
    #[track_caller]
    pub fn new(inputs: Tensor, targets: Tensor) -> Result<Self> {
        let rows = |t: &Tensor| t.shape().first().copied();
        ensure!(
            rows(&inputs).is_some() && rows(&inputs) == rows(&targets),
            Shape,
            "TensorDataset",
            "inputs {:?} and targets {:?} have different numbers of rows",
            inputs.shape(),
            targets.shape()
        );
        Ok(TensorDataset { inputs, targets })
    }
}

impl Dataset for TensorDataset {
    type Item = (Tensor, Tensor);
    fn len(&self) -> usize {
        self.inputs.shape()[0]
    }
    fn get(&self, index: usize) -> Result<(Tensor, Tensor)> {
        check(index, self.len())?;
        Ok((self.inputs.select(0, index as isize)?, self.targets.select(0, index as isize)?))
    }
}

/// Some items of another dataset.
pub struct Subset<D> {
    inner: D,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The items of `inner` with the numbers `indices`.
    ///
    /// # Errors
    /// Where it has no such item.
    #[track_caller]
    pub fn new(inner: D, indices: Vec<usize>) -> Result<Self> {
        for &i in &indices {
            check(i, inner.len())?;
        }
        Ok(Subset { inner, indices })
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn get(&self, index: usize) -> Result<D::Item> {
        check(index, self.len())?;
        self.inner.get(self.indices[index])
    }
}

/// Datasets after one another.
pub struct ConcatDataset<D>(Vec<D>);

impl<D: Dataset> ConcatDataset<D> {
    /// The items of all `parts`, in order.
    pub fn new(parts: Vec<D>) -> Self {
        ConcatDataset(parts)
    }
}

impl<D: Dataset> Dataset for ConcatDataset<D> {
    type Item = D::Item;
    fn len(&self) -> usize {
        self.0.iter().fold(0, |n, d| n.saturating_add(d.len()))
    }
    fn get(&self, index: usize) -> Result<D::Item> {
        check(index, self.len())?;
        let mut left = index;
        for part in &self.0 {
            if left < part.len() {
                return part.get(left);
            }
            left -= part.len();
        }
        self.0[0].get(index)
    }
}

/// Splits `dataset` at random into parts of the sizes given: `torch.utils.data.random_split`, in its order.
///
/// # Errors
/// Where the sizes do not sum to the number of items.
#[track_caller]
pub fn random_split<D: Dataset>(
    dataset: D,
    sizes: &[usize],
    generator: Option<&Generator>,
) -> Result<Vec<Subset<Arc<D>>>> {
    let n = dataset.len();
    ensure!(
        sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) == Some(n),
        Argument,
        "random_split",
        "sizes {sizes:?} do not sum to {n}, the number of items"
    );
    let builder = Tensor::randperm(n);
    let order = match generator {
        Some(g) => builder.generator(g).build()?,
        None => builder.build()?,
    };
    let mut order = order.to_vec::<i64>()?.into_iter().map(|i| i as usize);
    let whole = Arc::new(dataset);
    let parts = sizes.iter().map(|size| Subset { inner: whole.clone(), indices: order.by_ref().take(*size).collect() });
    Ok(parts.collect())
}
