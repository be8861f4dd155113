//! Diagonals and triangles of matrices, as composites over views and masks.

use crate::interpreters::autocast::in_full_precision;
use crate::shape::{Shape, dim_index};
use crate::{Result, Tensor, bail, ensure};
use std::ops::Range;

impl Tensor {
    /// The diagonal of a matrix, or the matrix with this list as its diagonal: `torch.diag`.
    ///
    /// # Errors
    /// Where this is neither list nor matrix.
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Result<Tensor> {
        match self.rank() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1)?.copy(),
            rank => bail!(Shape, "diag", "a tensor of rank {rank} is neither list nor matrix"),
        }
    }

    /// All elements in a row as the diagonal of a matrix: `torch.diagflat`.
    ///
    /// # Errors
    /// Where the matrix has more elements than memory.
    #[track_caller]
    pub fn diagflat(&self, offset: isize) -> Result<Tensor> {
        self.reshape(-1)?.diag_embed(offset, 0, 1)
    }

    /// The last dimension as the diagonal of two new ones, at `dim1` and `dim2`: `torch.diag_embed`.
    ///
    /// # Errors
    /// Where the two dimensions are one or not there, or the result has more elements than memory.
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let x = self.at_least(1)?;
        let (a, b) = (dim_index("diag_embed", dim1, x.rank() + 1)?, dim_index("diag_embed", dim2, x.rank() + 1)?);
        ensure!(a != b, Index, "diag_embed", "two dimensions are needed, {dim1} and {dim2} are one");
        let (batch, last) = (&x.shape()[..x.rank() - 1], x.shape()[x.rank() - 1]);
        let Some(len) = last.checked_add(offset.unsigned_abs()) else {
            bail!(Memory, "diag_embed", "a diagonal of {last} elements at {offset} is larger than can be counted")
        };
        let mut shape = Shape::from_slice(batch);
        for d in [a.min(b), a.max(b)] {
            shape.insert(d, len);
        }
        let zeros = Tensor::zeros(shape).dtype(x.dtype()).device(x.device()).build()?;
        zeros.diagonal_scatter(&x, offset, a as isize, b as isize)
    }

    /// The sum of a matrix's diagonal: `torch.trace`.
    ///
    /// # Errors
    /// Where it is no matrix.
    #[track_caller]
    pub fn trace(&self) -> Result<Tensor> {
        in_full_precision!(x = self => x.trace());
        ensure!(self.rank() == 2, Shape, "trace", "a tensor of shape {:?} is no matrix", self.shape());
        self.diagonal(0, 0, 1)?.sum(..)
    }

    /// True where column − row is at most (`below`) or at least `diagonal`, for the last two dimensions.
    #[track_caller]
    fn triangle(&self, op: &'static str, below: bool, diagonal: isize) -> Result<Tensor> {
        ensure!(self.rank() >= 2, Shape, op, "a tensor of shape {:?} holds no matrices", self.shape());
        let (rows, columns) = (self.shape()[self.rank() - 2] as i64, self.shape()[self.rank() - 1] as i64);
        let line = |n: i64| Tensor::arange(0, n).device(self.device()).build();
        let far = line(columns)?.sub(&line(rows)?.unsqueeze(1)?)?;
        if below { far.gt(diagonal as i64) } else { far.lt(diagonal as i64) }
    }

    /// The lower triangle of the last two dimensions, zero above `diagonal`: `torch.tril`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::ones([2, 2]).build()?.tril(0)?.to_vec::<f32>()?, [1.0, 0.0, 1.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it has less than two dimensions.
    #[track_caller]
    pub fn tril(&self, diagonal: isize) -> Result<Tensor> {
        if self.numel() == 0 && self.rank() >= 2 {
            return self.copy();
        }
        self.masked_fill(&self.triangle("tril", true, diagonal)?, false)
    }

    /// The upper triangle of the last two dimensions, zero below `diagonal`: `torch.triu`.
    ///
    /// # Errors
    /// Where it has less than two dimensions.
    #[track_caller]
    pub fn triu(&self, diagonal: isize) -> Result<Tensor> {
        if self.numel() == 0 && self.rank() >= 2 {
            return self.copy();
        }
        self.masked_fill(&self.triangle("triu", false, diagonal)?, false)
    }

    /// Rows and columns of the lower triangle of a matrix, `[2, n]`: `torch.tril_indices`.
    ///
    /// # Errors
    /// Where the system has no memory for them.
    #[track_caller]
    pub fn tril_indices(rows: usize, columns: usize, offset: isize) -> Result<Tensor> {
        // Row `r` has the columns up to `r + offset`.
        let first = offset.min(0).unsigned_abs().min(rows);
        let row = move |r: usize| 0..r.saturating_add_signed(offset).saturating_add(1).min(columns);
        triangle_indices("tril_indices", if columns == 0 { 0..0 } else { first..rows }, columns, row)
    }

    /// Rows and columns of the upper triangle of a matrix, `[2, n]`: `torch.triu_indices`.
    ///
    /// # Errors
    /// Where the system has no memory for them.
    #[track_caller]
    pub fn triu_indices(rows: usize, columns: usize, offset: isize) -> Result<Tensor> {
        // Row `r` has the columns from `r + offset` on.
        let end = (columns as i128 - offset as i128).clamp(0, rows as i128) as usize;
        let row = move |r: usize| r.saturating_add_signed(offset).min(columns)..columns;
        triangle_indices("triu_indices", if columns == 0 { 0..0 } else { 0..end }, columns, row)
    }
}

/// The numbers of rows, then of columns, of the elements of `rows`: those columns of each that `row` names, one at
/// least, and in the longest row `columns`; neighbouring rows differ by one, or are as long as that.
#[track_caller]
fn triangle_indices(
    op: &'static str,
    rows: Range<usize>,
    columns: usize,
    row: impl Fn(usize) -> Range<usize>,
) -> Result<Tensor> {
    let ends = [rows.start, rows.end.saturating_sub(1)].map(|r| row(r).len());
    let (shortest, n) = (ends[0].min(ends[1]) as u128, rows.len() as u128);
    let growing = n.min(columns as u128 - shortest);
    let count = growing * shortest + growing * growing.saturating_sub(1) / 2 + (n - growing) * columns as u128;
    let Ok(count) = usize::try_from(count) else { bail!(Memory, op, "{count} elements are more than can be counted") };
    super::list(op, &[2, count], |to| {
        let (up, along) = to.split_at_mut(count);
        let all = rows.flat_map(|r| row(r).map(move |c| (r, c)));
        up.iter_mut().zip(along).zip(all).for_each(|((up, along), (r, c))| (*up, *along) = (r as i64, c as i64));
    })
}
