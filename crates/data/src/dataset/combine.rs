//! Datasets of datasets.

use super::{Dataset, check};
use crate::collate::Collate;
use crate::sampler::permutation;
use flambeau_tensor::random::default_generator;
use flambeau_tensor::{Generator, Result, ensure};
use std::sync::Arc;

/// Some items of another dataset: `torch.utils.data.Subset`.
#[derive(Clone, Debug)]
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

    /// Which items of the whole it has.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Their numbers in the whole; `None` where one is not there, which `get` tells.
    fn of_whole(&self, indices: &[usize]) -> Option<Vec<usize>> {
        indices.iter().map(|i| self.indices.as_slice().get(*i).copied()).collect()
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn get(&self, index: usize) -> Result<D::Item> {
        check(index, self.len())?;
        let whole = self.indices[index];
        self.inner.get(whole).map_err(|e| e.context("Subset", format_args!("item {whole} of the whole")))
    }
    fn get_many(&self, indices: &[usize]) -> Option<Result<Vec<D::Item>>> {
        self.inner.get_many(&self.of_whole(indices)?)
    }
    fn get_batch(&self, indices: &[usize]) -> Option<Result<<D::Item as Collate>::Batch>>
    where
        D::Item: Collate,
    {
        self.inner.get_batch(&self.of_whole(indices)?)
    }
}

/// Datasets after one another: `torch.utils.data.ConcatDataset`. Of several types, they are `Box<dyn Dataset>`s.
#[derive(Clone, Debug)]
pub struct ConcatDataset<D> {
    parts: Vec<D>,
    /// Where each part ends.
    ends: Vec<usize>,
}

impl<D: Dataset> ConcatDataset<D> {
    /// The items of all `parts`, in order.
    pub fn new(parts: Vec<D>) -> Self {
        let add = |end: &mut usize, part: &D| {
            *end = end.saturating_add(part.len());
            Some(*end)
        };
        let ends = parts.iter().scan(0, add).collect();
        ConcatDataset { parts, ends }
    }

    /// The part that has item `index`, and the item's number there.
    fn place(&self, index: usize) -> (usize, usize) {
        let part = self.ends.partition_point(|end| *end <= index);
        (part, if part == 0 { index } else { index - self.ends[part - 1] })
    }

    /// The part that has all of them, and their numbers there.
    fn one_part(&self, indices: &[usize]) -> Option<(&D, Vec<usize>)> {
        let (part, _) = self.place(*indices.first()?);
        let begin = if part == 0 { 0 } else { self.ends[part - 1] };
        let end = *self.ends.as_slice().get(part)?;
        let inside: Option<Vec<usize>> = indices.iter().map(|i| (begin..end).contains(i).then(|| i - begin)).collect();
        Some((&self.parts[part], inside?))
    }
}

impl<D: Dataset> Dataset for ConcatDataset<D> {
    type Item = D::Item;
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
    fn get(&self, index: usize) -> Result<D::Item> {
        check(index, self.len())?;
        let (part, inside) = self.place(index);
        let named =
            |e: flambeau_tensor::Error| e.context("ConcatDataset", format_args!("item {inside} of part {part}"));
        self.parts[part].get(inside).map_err(named)
    }
    fn get_many(&self, indices: &[usize]) -> Option<Result<Vec<D::Item>>> {
        let (part, inside) = self.one_part(indices)?;
        part.get_many(&inside)
    }
    fn get_batch(&self, indices: &[usize]) -> Option<Result<<D::Item as Collate>::Batch>>
    where
        D::Item: Collate,
    {
        let (part, inside) = self.one_part(indices)?;
        part.get_batch(&inside)
    }
}

/// Datasets side by side: an item is a tuple (or a `Vec`) of an item of each. `torch.utils.data.StackDataset`.
///
/// ```
/// use flambeau_data::{Dataset, ListDataset, StackDataset};
///
/// let pairs = StackDataset::new((ListDataset(vec![1i64, 2]), ListDataset(vec!["one", "two"])))?;
/// assert_eq!(pairs.get(1)?, (2, "two"));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StackDataset<P> {
    parts: P,
    len: usize,
}

/// What stands side by side in a [`StackDataset`]: a tuple of datasets, or a `Vec` of datasets of one type.
pub trait Parts: Send + Sync {
    /// An item of each.
    type Item;

    /// How many items each has.
    fn lens(&self) -> Vec<usize>;

    /// The item with number `index` of each.
    ///
    /// # Errors
    /// Where one cannot be read.
    fn get(&self, index: usize) -> Result<Self::Item>;
}

macro_rules! parts {
    ($($($D:ident $x:ident),+;)*) => {$(
        impl<$($D: Dataset),+> Parts for ($($D,)+) {
            type Item = ($($D::Item,)+);
            fn lens(&self) -> Vec<usize> {
                let ($($x,)+) = self;
                vec![$($x.len()),+]
            }
            fn get(&self, index: usize) -> Result<Self::Item> {
                let ($($x,)+) = self;
                Ok(($($x.get(index)?,)+))
            }
        }
    )*};
}
parts! { A a; A a, B b; A a, B b, C c; A a, B b, C c, D d; A a, B b, C c, D d, E e; }

impl<D: Dataset> Parts for Vec<D> {
    type Item = Vec<D::Item>;
    fn lens(&self) -> Vec<usize> {
        self.iter().map(Dataset::len).collect()
    }
    fn get(&self, index: usize) -> Result<Vec<D::Item>> {
        self.iter().map(|part| part.get(index)).collect()
    }
}

impl<P: Parts> StackDataset<P> {
    /// `parts` side by side.
    ///
    /// # Errors
    /// Where they have different numbers of items.
    #[track_caller]
    pub fn new(parts: P) -> Result<Self> {
        let lens = parts.lens();
        let len = lens.first().copied().unwrap_or(0);
        let equal = lens.iter().all(|n| *n == len);
        ensure!(equal, Shape, "StackDataset", "the parts have different numbers of items: {lens:?}");
        Ok(StackDataset { parts, len })
    }
}

impl<P: Parts> Dataset for StackDataset<P> {
    type Item = P::Item;
    fn len(&self) -> usize {
        self.len
    }
    fn get(&self, index: usize) -> Result<P::Item> {
        check(index, self.len)?;
        self.parts.get(index)
    }
}

/// How [`random_split`] splits: sizes that sum to the number of items, or fractions that sum to 1, by PyTorch's rule
/// (each part gets the whole items of its fraction, and those that are left over go to the parts in turn).
pub trait Split {
    /// The sizes of the parts of `n` items.
    ///
    /// # Errors
    /// Where they do not sum up.
    fn sizes(&self, n: usize) -> Result<Vec<usize>>;
}

impl Split for [usize] {
    #[track_caller]
    fn sizes(&self, n: usize) -> Result<Vec<usize>> {
        ensure!(
            self.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) == Some(n),
            Argument,
            "random_split",
            "sizes {self:?} do not sum to {n}, the number of items"
        );
        Ok(self.to_vec())
    }
}

impl Split for [f64] {
    #[track_caller]
    fn sizes(&self, n: usize) -> Result<Vec<usize>> {
        let sum: f64 = self.iter().sum();
        let fractions = self.iter().all(|f| (0.0..=1.0).contains(f));
        // As `math.isclose(sum, 1) and sum <= 1`.
        ensure!(
            fractions && (1.0 - 1e-9..=1.0).contains(&sum),
            Argument,
            "random_split",
            "fractions {self:?} do not sum to 1"
        );
        let mut sizes: Vec<usize> = self.iter().map(|f| (n as f64 * f).floor() as usize).collect();
        let left = n.saturating_sub(sizes.iter().sum());
        let parts = sizes.len();
        (0..left).for_each(|i| sizes[i % parts] += 1);
        Ok(sizes)
    }
}

impl<T, const N: usize> Split for [T; N]
where
    [T]: Split,
{
    #[track_caller]
    fn sizes(&self, n: usize) -> Result<Vec<usize>> {
        self.as_slice().sizes(n)
    }
}

impl<T> Split for Vec<T>
where
    [T]: Split,
{
    #[track_caller]
    fn sizes(&self, n: usize) -> Result<Vec<usize>> {
        self.as_slice().sizes(n)
    }
}

/// Splits `dataset` at random into parts of the sizes or fractions given: `torch.utils.data.random_split`, in its
/// order to the number.
///
/// ```
/// use flambeau_data::{ListDataset, random_split};
/// use flambeau_tensor::Generator;
///
/// let parts = random_split(ListDataset((0..11i64).collect()), &[0.3, 0.3, 0.4], Some(&Generator::with_seed(42)))?;
/// assert_eq!(parts[0].indices(), [6, 8, 9, 2]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the sizes do not sum to the number of items, or the fractions not to 1.
#[track_caller]
pub fn random_split<D: Dataset, S: Split + ?Sized>(
    dataset: D,
    split: &S,
    generator: Option<&Generator>,
) -> Result<Vec<Subset<Arc<D>>>> {
    let n = dataset.len();
    let sizes = split.sizes(n)?;
    let generator = generator.cloned().unwrap_or_else(default_generator);
    let mut order = permutation("random_split", n, &generator)?.into_iter().map(|i| i as usize);
    let whole = Arc::new(dataset);
    let parts = sizes.iter().map(|size| Subset { inner: whole.clone(), indices: order.by_ref().take(*size).collect() });
    Ok(parts.collect())
}
