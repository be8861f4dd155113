//! Sparse tensors as PyTorch's files hold them.

use flambeau_tensor::{DType, Result, Tensor, ensure, shape::checked_numel};

/// A sparse tensor in coordinates (COO) of a checkpoint: `torch.sparse_coo_tensor`.
///
/// Files hold its parts, and so does this: nothing as large as the whole tensor is made unless somebody asks for it.
///
/// ```
/// use flambeau_serialize::torch::{self, Sparse, Value};
/// use flambeau_tensor::tensor;
///
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("sparse.pt");
/// // 5 in row 0, column 2.
/// let sparse = Sparse::new(tensor!([[0i64], [2]]), tensor!([5.0]), &[2, 3])?;
/// torch::save(&path, &Value::Sparse(sparse))?; // torch.load reads it
/// let Value::Sparse(sparse) = torch::load(&path)? else { panic!("another value") };
/// assert_eq!(sparse.to_dense()?.to_vec::<f32>()?, [0.0, 0.0, 5.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sparse {
    indices: Tensor,
    values: Tensor,
    shape: Vec<usize>,
    coalesced: bool,
}

impl Sparse {
    /// Of `shape`: column `i` of `indices` `[s, n]`, int64, is the place along the first `s` dimensions of element (or
    /// row, or slice) `i` of `values` `[n, …]`. A place that occurs more than once counts for the sum.
    ///
    /// # Errors
    /// Where shapes do not go together, the indices are no int64, or one is out of range.
    #[track_caller]
    pub fn new(indices: Tensor, values: Tensor, shape: &[usize]) -> Result<Sparse> {
        Sparse::read(indices, values, shape, false)
    }

    #[track_caller]
    pub(super) fn read(indices: Tensor, values: Tensor, shape: &[usize], coalesced: bool) -> Result<Sparse> {
        const OP: &str = "Sparse";
        let (places, stored) = (indices.shape(), values.shape());
        let fits = indices.dtype() == DType::I64
            && matches!(places, [dims, n] if *dims <= shape.len() && stored.first() == Some(n) && stored[1..] == shape[*dims..]);
        ensure!(
            fits && checked_numel(shape).is_some(),
            Shape,
            OP,
            "indices {} {places:?} and values {stored:?} do not go together in shape {shape:?}",
            indices.dtype()
        );
        if indices.numel() > 0 {
            for (k, size) in shape[..places[0]].iter().enumerate() {
                let row = indices.select(0, k as isize)?;
                let (least, most) = (row.min_all()?.item::<i64>()?, row.max_all()?.item::<i64>()?);
                let wrong = if least < 0 { least } else { most };
                let inside = least >= 0 && (most as u64) < *size as u64;
                ensure!(inside, Index, OP, "an index {wrong} of dimension {k} is not in 0..{size}");
            }
        }
        Ok(Sparse { indices: indices.detach(), values: values.detach(), shape: shape.to_vec(), coalesced })
    }

    /// The places, `[s, n]` of int64: `Tensor._indices`.
    pub fn indices(&self) -> &Tensor {
        &self.indices
    }

    /// What stands there, `[n, …]`: `Tensor._values`.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The shape of the whole.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// True where the file says that every place occurs once, in rising order.
    pub fn is_coalesced(&self) -> bool {
        self.coalesced
    }

    /// The whole tensor, of zeros where nothing stands: `Tensor.to_dense`.
    ///
    /// # Errors
    /// Where memory runs out: a small file may tell of a tensor of any size.
    #[track_caller]
    pub fn to_dense(&self) -> Result<Tensor> {
        let dense = Tensor::zeros(&self.shape[..]).dtype(self.values.dtype()).device(self.values.device()).build()?;
        let places = (0..self.indices.shape()[0]).map(|k| self.indices.select(0, k as isize));
        let places = places.collect::<Result<Vec<_>>>()?;
        let places: Vec<Option<&Tensor>> = places.iter().map(Some).collect();
        if places.is_empty() {
            // No dimension is sparse: every value stands for the whole.
            return dense.add(&self.values.sum(0)?.to_dtype(dense.dtype())?);
        }
        dense.index_put_(&places, &self.values, true)?;
        Ok(dense)
    }
}
