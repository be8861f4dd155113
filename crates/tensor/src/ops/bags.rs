//! Sums, means and maxima over bags of embeddings.

use crate::{DType, Result, Tensor, bail, ensure};

/// What [`embedding_bag`](Tensor::embedding_bag) makes of a bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// the sum
    Sum,
    /// the mean
    #[default]
    Mean,
    /// the maximum
    Max,
}

/// The options of [`embedding_bag`](Tensor::embedding_bag).
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddingBagOptions<'a> {
    /// Where each bag starts in a list of indices.
    pub offsets: Option<&'a Tensor>,
    /// Sum, mean or maximum.
    pub mode: BagMode,
    /// How much each vector counts in a sum.
    pub per_sample_weights: Option<&'a Tensor>,
    /// The last offset is the end of the last bag.
    pub include_last_offset: bool,
    /// An index that does not count.
    pub padding_idx: Option<isize>,
}

impl Tensor {
    /// For each of the vectors that `self`, an embedding's weight, has for `indices`, the sum, mean or maximum over bags:
    /// the rows of a matrix of indices, or the parts of a list that start at `offsets`. As
    /// `torch.nn.functional.embedding_bag`.
    ///
    /// # Errors
    /// Where shapes do not go together, weights come with another mode than the sum, or an index is out of range.
    #[track_caller]
    pub fn embedding_bag(&self, indices: impl AsRef<Tensor>, options: EmbeddingBagOptions<'_>) -> Result<Tensor> {
        const OP: &str = "embedding_bag";
        let EmbeddingBagOptions { offsets, mode, per_sample_weights, include_last_offset, padding_idx } = options;
        let indices = indices.as_ref();
        ensure!(self.rank() == 2, Shape, OP, "the weight must be a matrix, its shape is {:?}", self.shape());
        if let Some(w) = per_sample_weights {
            ensure!(mode == BagMode::Sum, Argument, OP, "weights of samples go with the sum only");
            ensure!(
                w.shape() == indices.shape() && w.dtype() == self.dtype(),
                Shape,
                OP,
                "weights {} {:?} are not {} for indices of shape {:?}",
                w.dtype(),
                w.shape(),
                self.dtype(),
                indices.shape()
            );
        }
        let (n, bags, device) = (indices.numel(), indices.shape().first().copied().unwrap_or(0), self.device());
        let list = |end: usize| Tensor::arange(0, end as i64).dtype(DType::I64).device(device).build();
        let (bag, bags) = match (indices.rank(), offsets) {
            (2, None) => {
                let width = indices.shape()[1];
                (list(bags)?.unsqueeze(1)?.expand([bags, width])?.reshape(-1)?, bags)
            }
            (1, Some(offsets)) => {
                let count = offsets.numel().checked_sub(usize::from(include_last_offset));
                let Some(count) = count.filter(|_| offsets.rank() == 1 && offsets.dtype().is_int()) else {
                    bail!(Shape, OP, "offsets of {} {:?} are no list of integers", offsets.dtype(), offsets.shape())
                };
                let starts = offsets.to_device(device)?.to_dtype(DType::I64)?.narrow(0, 0, count)?;
                if count == 0 {
                    ensure!(n == 0, Argument, OP, "{n} indices are in no bag");
                } else if device.has_data() {
                    let first = starts.select(0, 0)?.item::<i64>()?;
                    ensure!(first == 0, Argument, OP, "the first bag starts at {first}, 0 is right");
                    let last = starts.max_all()?.item::<i64>()?;
                    ensure!(last <= n as i64, Argument, OP, "a bag starts at {last}, there are {n} indices");
                }
                (starts.searchsorted(&list(n)?, true)?.sub(1)?, count)
            }
            (rank, _) => {
                bail!(Shape, OP, "indices have rank {rank}: a matrix of bags, or a list with `offsets`, is right")
            }
        };
        let (flat, width) = (indices.reshape(-1)?, self.shape()[1]);
        let rows = self.embedding(&flat, padding_idx)?;
        let none = Tensor::zeros([bags, width]).dtype(self.dtype()).device(device).build()?;
        let padding = padding_idx.map(|p| if p < 0 { p + self.shape()[0] as isize } else { p } as i64);
        // Which samples count, and these.
        let (rows, bag, weights) = match padding {
            Some(padding) => {
                let there = flat.to_device(device)?.ne(padding)?.nonzero()?.reshape(-1)?;
                let weights = per_sample_weights.map(|w| w.reshape(-1)?.index_select(0, &there)).transpose()?;
                (rows.index_select(0, &there)?, bag.index_select(0, &there)?, weights)
            }
            None => (rows, bag, per_sample_weights.map(|w| w.reshape(-1)).transpose()?),
        };
        match mode {
            BagMode::Sum => match weights {
                // The products of halves are not rounded before they are added.
                Some(w) if self.dtype().is_half() => {
                    let wide = |x: Tensor| x.to_dtype(DType::F32);
                    let rows = wide(rows)?.mul(&wide(w)?.unsqueeze(1)?)?;
                    wide(none)?.index_add(0, &bag, &rows, 1)?.to_dtype(self.dtype())
                }
                Some(w) => none.index_add(0, &bag, rows.mul(&w.unsqueeze(1)?)?, 1),
                None => none.index_add(0, &bag, &rows, 1),
            },
            BagMode::Mean => {
                let count = bag.bincount(None, bags)?.clamp_min(1)?.to_dtype(self.dtype())?;
                none.index_add(0, &bag, &rows, 1)?.div(&count.unsqueeze(1)?)
            }
            BagMode::Max => {
                // The place of the first largest of each bag passes the gradient on.
                none.index_reduce(0, &bag, &rows, crate::Reduce::Amax, false)
            }
        }
    }
}
