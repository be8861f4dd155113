//! Sparse gradients: of a table from which a batch looked up a few rows, these rows and their numbers.
//!
//! An embedding that ran inside [`sparse_gradients`] has a mark at its node. Where its table is a leaf, backward brings
//! the leaf a [`SparseTensor`] instead of a gradient as large as the table; everywhere else it is as always.

use crate::node::{Edge, Kind, Node, backward_error};
use crate::rules::{Grads, Saved};
use crate::{anomaly, vmap};
use flambeau_tensor::op::Op;
use flambeau_tensor::{DType, Device, ErrorKind, Result, Tensor, cat, ensure, no_grad};
use std::cell::Cell;
use std::sync::Arc;

/// A tensor of which only some elements are stored, each with its place; the others are zero: `torch.sparse_coo_tensor`.
///
/// It is what a gradient can be beside dense, see [`sparse_gradients`], and no more: ops do not take it.
///
/// ```
/// use flambeau_autograd::SparseTensor;
/// use flambeau_tensor::tensor;
///
/// // Row 2 twice and row 0 once, of a table of three rows.
/// let rows = SparseTensor::new(tensor!([[2i64, 0, 2]]), tensor!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), &[3, 2])?;
/// let once = rows.coalesce()?;
/// assert_eq!(once.indices().to_vec::<i64>()?, [0, 2]);
/// assert_eq!(once.values().to_vec::<f32>()?, [3.0, 4.0, 6.0, 8.0]);
/// assert_eq!(rows.to_dense()?.to_vec::<f32>()?, [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SparseTensor {
    indices: Tensor,
    values: Tensor,
    shape: Vec<usize>,
    coalesced: bool,
}

impl SparseTensor {
    /// Of `shape`: column `i` of `indices` `[s, n]`, integers, is the place along the first `s` dimensions of element
    /// (or row, or slice) `i` of `values` `[n, …]`. A place that occurs more than once counts for the sum.
    ///
    /// # Errors
    /// Where the shapes do not go together, or an index is out of range, for which indices are read from a device.
    #[track_caller]
    pub fn new(indices: impl AsRef<Tensor>, values: impl AsRef<Tensor>, shape: &[usize]) -> Result<SparseTensor> {
        const OP: &str = "SparseTensor";
        let (indices, values) = (indices.as_ref(), values.as_ref());
        let (places, stored) = (indices.shape(), values.shape());
        ensure!(
            indices.rank() == 2 && indices.dtype().is_int(),
            Shape,
            OP,
            "indices of {} {places:?} are no matrix of integers",
            indices.dtype()
        );
        let dims = places[0];
        ensure!(
            (1..=shape.len()).contains(&dims) && stored.first() == Some(&places[1]) && stored[1..] == shape[dims..],
            Shape,
            OP,
            "indices {places:?} and values {stored:?} do not go together in shape {shape:?}"
        );
        ensure!(
            indices.device() == values.device(),
            Device,
            OP,
            "the indices are on {}, the values on {}",
            indices.device(),
            values.device()
        );
        ensure!(
            shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size)).is_some(),
            Shape,
            OP,
            "shape {shape:?} has more elements than can be counted"
        );
        let indices = indices.detach().to_dtype(DType::I64)?;
        if places[1] > 0 && indices.device().has_data() {
            for (k, size) in shape[..dims].iter().enumerate() {
                let row = indices.select(0, k as isize)?;
                let (least, most) = (row.min_all()?.item::<i64>()?, row.max_all()?.item::<i64>()?);
                ensure!(
                    least >= 0 && (most as u64) < *size as u64,
                    Index,
                    OP,
                    "an index {} of dimension {k} is not in 0..{size}",
                    if least < 0 { least } else { most }
                );
            }
        }
        Ok(SparseTensor { indices, values: values.detach(), shape: shape.to_vec(), coalesced: false })
    }

    /// The places, `[s, n]` of int64, not to write to: `Tensor._indices`.
    pub fn indices(&self) -> &Tensor {
        &self.indices
    }

    /// What stands there, `[n, …]`, shared: what is written into it is written into the tensor. `Tensor._values`.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The shape of the whole.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements (or rows, or slices) are stored: `Tensor._nnz`.
    pub fn nnz(&self) -> usize {
        self.values.shape()[0]
    }

    /// The dtype of the elements.
    pub fn dtype(&self) -> DType {
        self.values.dtype()
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        self.values.device()
    }

    /// True where it is known that every place occurs once, in rising order.
    pub fn is_coalesced(&self) -> bool {
        self.coalesced
    }

    /// Each dimension's places.
    fn places(&self) -> Result<Vec<Tensor>> {
        (0..self.indices.shape()[0]).map(|k| self.indices.select(0, k as isize)).collect()
    }

    /// The same with every place once, in rising order, and the sum of what stood there: `Tensor.coalesce`. Reads from a
    /// device how many there are.
    ///
    /// # Errors
    /// Where memory runs out, or the tensor has no data.
    #[track_caller]
    pub fn coalesce(&self) -> Result<SparseTensor> {
        if self.coalesced {
            return Ok(self.clone());
        }
        no_grad(|| {
            let places = self.places()?;
            let mut key = places[0].clone();
            for (place, size) in places.iter().zip(&self.shape).skip(1) {
                key = key.mul(*size as i64)?.add(place)?;
            }
            let unique = key.unique(None)?;
            let (n, device) = (unique.values.numel(), self.device());
            let mut rest = vec![n];
            rest.extend_from_slice(&self.values.shape()[1..]);
            let none = Tensor::zeros(&rest[..]).dtype(self.dtype()).device(device).build()?;
            let values = none.index_add(0, &unique.inverse, &self.values, 1)?;
            let none = Tensor::zeros(n).dtype(DType::I64).device(device).build()?;
            let rows =
                places.iter().map(|place| none.index_copy(0, &unique.inverse, place)).collect::<Result<Vec<_>>>()?;
            let indices = flambeau_tensor::stack(&rows, 0)?;
            Ok(SparseTensor { indices, values, shape: self.shape.clone(), coalesced: true })
        })
    }

    /// The whole tensor: `Tensor.to_dense`.
    ///
    /// # Errors
    /// Where memory runs out.
    #[track_caller]
    pub fn to_dense(&self) -> Result<Tensor> {
        no_grad(|| {
            let dense = Tensor::zeros(&self.shape[..]).dtype(self.dtype()).device(self.device()).build()?;
            self.add_to(&dense, 1.0)?;
            Ok(dense)
        })
    }

    /// dense ← dense + alpha · this: `dense.add_(sparse, alpha=…)`.
    ///
    /// # Errors
    /// Where shapes, dtypes or devices differ, or autograd forbids to write.
    #[track_caller]
    pub fn add_to(&self, dense: &Tensor, alpha: f64) -> Result<()> {
        self.fits(dense, "add_to")?;
        let values = if alpha == 1.0 { self.values.clone() } else { self.values.mul(alpha)? };
        let places = self.places()?;
        let places: Vec<Option<&Tensor>> = places.iter().map(Some).collect();
        dense.index_put_(&places, &values, true).map(drop)
    }

    /// What stands in `dense` at the places of this one, `[n, …]`: the values of `dense.sparse_mask(this)`.
    ///
    /// # Errors
    /// Where shapes or devices differ.
    #[track_caller]
    pub fn mask(&self, dense: &Tensor) -> Result<Tensor> {
        self.fits(dense, "sparse_mask")?;
        let places = self.places()?;
        let places: Vec<Option<&Tensor>> = places.iter().map(Some).collect();
        dense.index(&places)
    }

    #[track_caller]
    fn fits(&self, dense: &Tensor, op: &'static str) -> Result<()> {
        let (ours, theirs) = (&self.shape[..], dense.shape());
        ensure!(ours == theirs, Shape, op, "the sparse tensor has shape {ours:?}, the dense one {theirs:?}");
        let (ours, theirs) = (self.device(), dense.device());
        ensure!(ours == theirs, Device, op, "the sparse tensor is on {ours}, the dense one on {theirs}");
        Ok(())
    }

    /// The sum; a place of both is there twice, until it is [coalesced](SparseTensor::coalesce).
    ///
    /// # Errors
    /// Where shapes, dtypes or devices differ.
    #[track_caller]
    pub fn add(&self, other: &SparseTensor) -> Result<SparseTensor> {
        let dims = |x: &SparseTensor| (x.indices.shape()[0], x.dtype());
        ensure!(
            self.shape == other.shape && dims(self) == dims(other),
            Shape,
            "SparseTensor::add",
            "{} {:?} with {} sparse dimensions and {} {:?} with {} cannot be added",
            self.dtype(),
            self.shape,
            dims(self).0,
            other.dtype(),
            other.shape,
            dims(other).0
        );
        let indices = cat(&[&self.indices, &other.indices], 1)?;
        let values = no_grad(|| cat(&[&self.values, &other.values], 0))?;
        Ok(SparseTensor { indices, values, shape: self.shape.clone(), coalesced: false })
    }

    /// Of complex numbers the pairs of real ones, in a last dimension: `torch.view_as_real`.
    ///
    /// # Errors
    /// Where they are not complex.
    #[track_caller]
    pub fn view_as_real(&self) -> Result<SparseTensor> {
        let values = self.values.contiguous()?.view_as_real()?;
        let mut shape = self.shape.clone();
        shape.push(2);
        Ok(SparseTensor { values, shape, ..self.clone() })
    }

    /// The same places with `values` `[n, …]` instead.
    ///
    /// # Errors
    /// Where they have another shape or device.
    #[track_caller]
    pub fn with_values(&self, values: impl AsRef<Tensor>) -> Result<SparseTensor> {
        let values = values.as_ref();
        let (ours, theirs) = (self.values.shape(), values.shape());
        ensure!(ours == theirs, Shape, "SparseTensor", "values of shape {theirs:?} stand in for {ours:?}");
        let (ours, theirs) = (self.device(), values.device());
        ensure!(ours == theirs, Device, "SparseTensor", "values on {theirs} stand in for values on {ours}");
        Ok(SparseTensor { values: values.detach(), ..self.clone() })
    }
}

thread_local! {
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which every embedding of a leaf is recorded so that `backward` brings the leaf a sparse gradient: what
/// `sparse=True` means in `torch.nn.Embedding` and `torch.nn.EmbeddingBag`, whose modules here use it.
///
/// The gradient holds the rows that were looked up, without those of the padding index, each as often as it was looked
/// up; further ones are added behind them, and together with a dense one they become dense.
/// [`sparse_grad`](crate::Autograd::sparse_grad) has it. Hooks of the leaf, [`grad`](fn@crate::grad) and
/// [`Autograd::grad`](crate::Autograd::grad) see the dense form. It has no history: a backward pass with `create_graph`
/// is an error.
///
/// ```
/// use flambeau_autograd::{Autograd, sparse_gradients};
/// use flambeau_tensor::{Tensor, tensor};
///
/// let table = Tensor::ones([1000, 2]).build()?.requires_grad_()?;
/// sparse_gradients(|| table.embedding(tensor!([7, 3, 7]), None))?.sum(..)?.backward()?;
/// let grad = table.sparse_grad().expect("it is sparse");
/// assert_eq!((grad.nnz(), grad.coalesce()?.indices().to_vec::<i64>()?), (3, vec![3, 7]));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn sparse_gradients<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WANTED.set(self.0);
        }
    }
    let _restore = Restore(WANTED.replace(true));
    f()
}

/// Marks a node that was just recorded, where it is an embedding and sparse gradients are wanted.
#[inline]
pub(crate) fn mark(node: &Arc<Node>) {
    if WANTED.get() && matches!(node.kind, Kind::Op(Op::Embedding(_))) {
        node.extras_mut().lock().sparse = true;
    }
}

/// Does `node` bring a leaf a sparse gradient?
pub(crate) fn is_marked(node: &Node) -> bool {
    node.extras().is_some_and(|extras| extras.lock().sparse)
        && matches!(node.edges.first(), Some(Edge::Leaf(_)))
        && !vmap::is_on()
}

/// The gradient that a marked node brings its leaf.
pub(crate) fn gradient(
    node: &Arc<Node>,
    needs: &[bool],
    grads: &[Option<Tensor>],
    create_graph: bool,
) -> Result<Option<SparseTensor>> {
    let (Kind::Op(Op::Embedding(op)), Some(Some(grad))) = (&node.kind, grads.first()) else { return Ok(None) };
    if create_graph {
        let message =
            format!("{} gives a sparse gradient, which has no history: `create_graph` needs a dense one", node.place());
        return Err(backward_error(ErrorKind::NotDifferentiable, message));
    }
    let made = rows(&Saved::by(node, needs), op.padding, grad);
    let (indices, values) = match anomaly::mode() {
        None => made?,
        Some(check_nan) => {
            let mut indices = None;
            let values = made.map(|(i, values)| {
                indices = Some(i);
                Grads::from_iter([Some(values)])
            });
            let mut values = anomaly::checked(node, check_nan, values)?;
            match (indices, values.pop().flatten()) {
                (Some(indices), Some(values)) => (indices, values),
                _ => return Ok(None),
            }
        }
    };
    let Edge::Leaf(leaf) = &node.edges[0] else { return Ok(None) };
    Ok(Some(SparseTensor {
        indices: indices.unsqueeze(0)?,
        values: values.to_dtype(leaf.dtype())?,
        shape: leaf.shape().to_vec(),
        coalesced: false,
    }))
}

/// The rows' numbers and the rows of the gradient, without those of the padding.
fn rows(saved: &Saved<'_>, padding: Option<usize>, grad: &Tensor) -> Result<(Tensor, Tensor)> {
    let index = saved.input(1)?;
    let width = grad.shape().last().copied().unwrap_or(0);
    // A copy: the caller's tensor of numbers may change later.
    let index = index.reshape(-1)?.to_dtype(DType::I64)?.copy()?;
    let values = grad.reshape([index.numel(), width])?;
    // A copy here, too: a gradient belongs to its leaf alone.
    let Some(row) = padding else { return Ok((index, values.copy()?)) };
    let counts = index.ne(row as i64)?.nonzero()?.reshape(-1)?;
    Ok((index.index_select(0, &counts)?, values.index_select(0, &counts)?))
}

/// A gradient on its way to a leaf, or there.
#[derive(Clone)]
pub(crate) enum Gradient {
    Dense(Tensor),
    Sparse(SparseTensor),
}

impl Gradient {
    pub fn to_dense(&self) -> Result<Tensor> {
        self.clone().into_dense()
    }

    /// [`to_dense`](Gradient::to_dense) without another handle on one that is dense.
    pub fn into_dense(self) -> Result<Tensor> {
        match self {
            Gradient::Dense(grad) => Ok(grad),
            Gradient::Sparse(grad) => grad.to_dense(),
        }
    }
}

/// A sparse gradient that a leaf has, and its dense form where somebody asked for that: they are kept together, so that
/// what is written into either is the gradient.
pub(crate) struct Stored {
    sparse: SparseTensor,
    dense: Option<Shown>,
}

struct Shown {
    tensor: Tensor,
    /// The versions when it was made: its own, and that of the sparse values.
    version: u32,
    of: u32,
}

impl Stored {
    pub fn new(sparse: SparseTensor) -> Stored {
        Stored { sparse, dense: None }
    }

    /// The gradient: the dense form where that was written to.
    pub fn now(&self) -> Gradient {
        match &self.dense {
            Some(shown) if shown.tensor.version() != shown.version => Gradient::Dense(shown.tensor.clone()),
            _ => Gradient::Sparse(self.sparse.clone()),
        }
    }

    /// The dense form, where it is there and right.
    pub fn shown(&self) -> Option<Tensor> {
        let right = |shown: &&Shown| shown.of == self.sparse.values.version();
        self.dense.as_ref().filter(right).map(|shown| shown.tensor.clone())
    }

    /// Keeps the dense form of `sparse`, unless something else is here by now.
    pub fn show(&mut self, sparse: &SparseTensor, dense: &Tensor) {
        if self.sparse.values.is(&sparse.values) {
            let (version, of) = (dense.version(), sparse.values.version());
            self.dense = Some(Shown { tensor: dense.clone(), version, of });
        }
    }
}
