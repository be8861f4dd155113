//! What is made of products of vectors and matrices.

use crate::autocast::autocast_dtype;
use crate::interpreters::autocast::{in_lower_precision, lower_precision, paused};
use crate::shape::dim_index;
use crate::{Result, Tensor, bail, ensure, stack};

/// Σ conj(x) y along `dim`: `torch.linalg.vecdot`. The shapes broadcast.
///
/// # Errors
/// Where the shapes do not broadcast or `dim` is out of range.
#[track_caller]
pub fn vecdot(x: &Tensor, y: &Tensor, dim: isize) -> Result<Tensor> {
    in_lower_precision!(x = x, y = y => vecdot(&x, &y, dim));
    x.conj()?.mul(y)?.sum(dim)
}

/// The cross product of vectors of three along `dim`: `torch.linalg.cross`. The shapes broadcast.
///
/// # Errors
/// Where the ranks differ, the shapes do not broadcast, or `dim` does not have size 3 in both.
#[track_caller]
pub fn cross(x: &Tensor, y: &Tensor, dim: isize) -> Result<Tensor> {
    ensure!(
        x.rank() == y.rank() && x.rank() > 0,
        Shape,
        "cross",
        "the ranks of shapes {:?} and {:?} must be the same and above 0",
        x.shape(),
        y.shape()
    );
    let at = dim_index("cross", dim, x.rank())?;
    ensure!(
        x.shape()[at] == 3 && y.shape()[at] == 3,
        Shape,
        "cross",
        "dimension {dim} of shapes {:?} and {:?} must have size 3",
        x.shape(),
        y.shape()
    );
    let minor = |i, j| x.select(dim, i)?.mul(y.select(dim, j)?)?.sub(x.select(dim, j)?.mul(y.select(dim, i)?)?);
    stack(&[minor(1, 2)?, minor(2, 0)?, minor(0, 1)?], at as isize)
}

/// The diagonal of matrices, a view: `torch.linalg.diagonal`. By default PyTorch's dimensions are the last two, −2 and
/// −1.
///
/// # Errors
/// As [`Tensor::diagonal`].
#[track_caller]
pub fn diagonal(x: &Tensor, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
    x.diagonal(offset, dim1, dim2)
}

/// Powers 0 to `n` − 1 of each element, as rows of a Vandermonde matrix `[…, len, n]`: `torch.linalg.vander`; `n` is
/// the length unless given.
///
/// # Errors
/// Where the tensor is of bool or `n` is below 2, as it is for PyTorch.
#[track_caller]
pub fn vander(x: &Tensor, n: Option<usize>) -> Result<Tensor> {
    let x = x.atleast_1d()?;
    let n = n.unwrap_or(x.size(-1)?);
    ensure!(n > 1, Argument, "vander", "the number of columns must be above 1, it is {n}");
    let mut columns = x.unsqueeze(-1)?.expand([x.shape(), &[n - 1]].concat())?;
    columns = columns.cumprod(-1)?;
    let ones = x.ones_like()?.unsqueeze(-1)?.to_dtype(columns.dtype())?;
    crate::cat(&[&ones, &columns], -1)
}

/// The product of matrices in the order of least work (dynamic programming over where to split): as
/// `torch.linalg.multi_dot`. The first and the last may be vectors.
///
/// # Errors
/// Where there are fewer than two, ranks are wrong, or sizes do not go together.
#[track_caller]
pub fn multi_dot<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    let ts: Vec<&Tensor> = tensors.iter().map(AsRef::as_ref).collect();
    if autocast_dtype().is_some() {
        let lower: Vec<Tensor> =
            ts.iter().map(|&t| lower_precision([t]).map(|[t]| t.into_owned())).collect::<Result<_>>()?;
        let _region = paused();
        return multi_dot(&lower);
    }
    let [first, inner @ .., last] = ts.as_slice() else {
        bail!(Argument, "multi_dot", "at least two tensors are needed, there are {}", ts.len())
    };
    for (what, t) in [("first", first), ("last", last)] {
        ensure!(matches!(t.rank(), 1 | 2), Shape, "multi_dot", "the {what} tensor has shape {:?}", t.shape());
    }
    for t in inner {
        ensure!(t.rank() == 2, Shape, "multi_dot", "a tensor between the ends has shape {:?}", t.shape());
    }
    let mut matrices: Vec<Tensor> = ts.iter().map(|&t| t.clone()).collect();
    let n = matrices.len();
    if first.rank() == 1 {
        matrices[0] = first.unsqueeze(0)?;
    }
    if last.rank() == 1 {
        matrices[n - 1] = last.unsqueeze(1)?;
    }
    let mut sizes = vec![matrices[0].shape()[0]];
    for (i, m) in matrices.iter().enumerate() {
        ensure!(
            m.shape()[0] == sizes[i] || i == 0,
            Shape,
            "multi_dot",
            "tensors {} and {i} of shapes {:?} and {:?} cannot be multiplied",
            i.max(1) - 1,
            ts[i.max(1) - 1].shape(),
            ts[i].shape()
        );
        sizes.push(m.shape()[1]);
    }
    let mut product = multiply(&matrices, &splits(&sizes), 0, n - 1)?;
    if last.rank() == 1 {
        product = product.squeeze(-1)?;
    }
    if first.rank() == 1 { product.squeeze(0) } else { Ok(product) }
}

/// For matrices i to j, after which of them to split: `splits[i][j]`. Matrix i is `sizes[i]` by `sizes[i + 1]`.
fn splits(sizes: &[usize]) -> Vec<Vec<usize>> {
    let n = sizes.len() - 1;
    let (mut cost, mut split) = (vec![vec![0.0f64; n]; n], vec![vec![0; n]; n]);
    for length in 1..n {
        for i in 0..n - length {
            let j = i + length;
            cost[i][j] = f64::INFINITY;
            for k in i..j {
                let product = sizes[i] as f64 * sizes[k + 1] as f64 * sizes[j + 1] as f64;
                let all = cost[i][k] + cost[k + 1][j] + product;
                if all < cost[i][j] {
                    (cost[i][j], split[i][j]) = (all, k);
                }
            }
        }
    }
    split
}

#[track_caller]
fn multiply(matrices: &[Tensor], splits: &[Vec<usize>], i: usize, j: usize) -> Result<Tensor> {
    if i == j {
        return Ok(matrices[i].clone());
    }
    let k = splits[i][j];
    multiply(matrices, splits, i, k)?.mm(multiply(matrices, splits, k + 1, j)?)
}
