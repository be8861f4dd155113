//! Rows of tensors side by side.

use super::{Dataset, check};
use flambeau_tensor::{Result, Tensor, ensure, no_grad};

use crate::collate::Collate;

/// The rows of tensors side by side: `torch.utils.data.TensorDataset`. A batch is one `index_select` of each.
///
/// ```
/// use flambeau_data::{Dataset, TensorDataset};
/// use flambeau_tensor::Tensor;
///
/// let xs = Tensor::arange(0, 6).build()?.reshape([3, 2])?;
/// let ys = Tensor::arange(0, 3).build()?;
/// let (x, y) = TensorDataset::new(xs.clone(), ys.clone())?.get(1)?;
/// assert_eq!((x.to_vec::<i64>()?, y.item::<i64>()?), (vec![2, 3], 1));
///
/// // Any number of tensors: a tuple of them, or a `Vec`.
/// let triples = TensorDataset::of((xs, ys.clone(), ys))?;
/// assert_eq!(triples.len(), 3);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorDataset<T = (Tensor, Tensor)> {
    columns: T,
    len: usize,
}

impl TensorDataset {
    /// Rows of `inputs` with rows of `targets`.
    ///
    /// # Errors
    /// Where they have different numbers of rows.
    #[track_caller]
    pub fn new(inputs: Tensor, targets: Tensor) -> Result<Self> {
        TensorDataset::of((inputs, targets))
    }
}

impl<T: Columns> TensorDataset<T> {
    /// Rows of all `columns`: a tensor, a tuple of tensors, or a `Vec` of them.
    ///
    /// # Errors
    /// Where they have different numbers of rows, or there are none.
    #[track_caller]
    pub fn of(columns: T) -> Result<Self> {
        let all = columns.tensors();
        ensure!(!all.is_empty(), Argument, "TensorDataset", "needs at least one tensor");
        let rows = all[0].shape().first().copied();
        for (i, t) in all.iter().enumerate() {
            ensure!(t.rank() > 0, Shape, "TensorDataset", "tensor {i} is a scalar and has no rows");
            let (first, this) = (all[0].shape(), t.shape());
            let equal = t.shape().first().copied() == rows;
            ensure!(
                equal,
                Shape,
                "TensorDataset",
                "tensors 0 {first:?} and {i} {this:?} differ in their number of rows"
            );
        }
        Ok(TensorDataset { len: rows.unwrap_or(0), columns })
    }

    /// The tensors.
    pub fn columns(&self) -> &T {
        &self.columns
    }
}

/// Tensors whose rows make a [`TensorDataset`]: a tensor, a tuple of tensors, a `Vec` of them.
pub trait Columns: Collate<Batch = Self> + Clone + Send + Sync + 'static {
    /// The tensors in order.
    fn tensors(&self) -> Vec<&Tensor>;

    /// Each through `f`.
    ///
    /// # Errors
    /// That of `f`.
    fn each(&self, f: &mut dyn FnMut(&Tensor) -> Result<Tensor>) -> Result<Self>;
}

impl Columns for Tensor {
    fn tensors(&self) -> Vec<&Tensor> {
        vec![self]
    }
    fn each(&self, f: &mut dyn FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
        f(self)
    }
}

impl Columns for Vec<Tensor> {
    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().collect()
    }
    fn each(&self, f: &mut dyn FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
        self.iter().map(f).collect()
    }
}

macro_rules! tuples {
    ($(($($T:ident $x:ident),+))*) => {$(
        impl Columns for ($($T,)+) {
            fn tensors(&self) -> Vec<&Tensor> {
                let ($($x,)+) = self;
                vec![$($x),+]
            }
            fn each(&self, f: &mut dyn FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
                let ($($x,)+) = self;
                Ok(($(f($x)?,)+))
            }
        }
    )*};
}
tuples! {
    (Tensor a)
    (Tensor a, Tensor b)
    (Tensor a, Tensor b, Tensor c)
    (Tensor a, Tensor b, Tensor c, Tensor d)
    (Tensor a, Tensor b, Tensor c, Tensor d, Tensor e)
    (Tensor a, Tensor b, Tensor c, Tensor d, Tensor e, Tensor f_)
}

impl<T: Columns> TensorDataset<T> {
    /// The rows `indices` of all columns.
    fn rows(&self, indices: &[usize]) -> Result<T> {
        let mut list = Vec::with_capacity(indices.len());
        for &i in indices {
            check(i, self.len)?;
            list.push(i as i64);
        }
        let rows = list.len();
        let index = Tensor::from_vec(list, rows)?;
        no_grad(|| self.columns.each(&mut |t| t.index_select(0, index.to_device(t.device())?)))
    }
}

impl<T: Columns> Dataset for TensorDataset<T> {
    type Item = T;
    fn len(&self) -> usize {
        self.len
    }
    fn get(&self, index: usize) -> Result<T> {
        check(index, self.len)?;
        self.columns.each(&mut |t| t.select(0, index as isize))
    }
    fn get_many(&self, indices: &[usize]) -> Option<Result<Vec<T>>> {
        let rows = || {
            let rows = self.rows(indices)?;
            (0..indices.len()).map(|i| rows.each(&mut |t| t.select(0, i as isize))).collect()
        };
        Some(rows())
    }
    fn get_batch(&self, indices: &[usize]) -> Option<Result<T>> {
        Some(self.rows(indices))
    }
}
