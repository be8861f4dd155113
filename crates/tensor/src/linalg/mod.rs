//! Linear algebra, as `torch.linalg`: products and norms of matrices, factorizations, and what is solved by them.
//!
//! A matrix is the last two dimensions of a tensor, those before are a batch, and batches broadcast. Single and double
//! precision, real and complex, computed in double. Derivatives are of any order; where a factor is determined up to a
//! sign or a phase only (eigenvectors, singular vectors), so is what depends on more of it.
//!
//! ```
//! use flambeau_tensor::{linalg, tensor};
//! let a = tensor!([[4.0, 1.0], [1.0, 3.0]]);
//! let x = linalg::solve(&a, &tensor!([1.0, 2.0]), true)?;
//! assert!(a.matmul(&x)?.allclose(&tensor!([1.0, 2.0]))?);
//! let eigen = linalg::eigh(&a, linalg::Triangle::Lower)?;
//! assert!(eigen.eigenvalues.prod(0)?.allclose(&linalg::det(&a)?)?);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod factor;
mod functions;
mod methods;
mod norms;
mod products;
mod solve;

pub use factor::*;
pub use functions::*;
pub use norms::*;
pub use products::*;
pub use solve::*;

use crate::dispatch::dispatch_all;
use crate::op::Op;
use crate::shape::{Shape, broadcast_shapes};
use crate::{Error, ErrorKind, Result, Tensor};

/// The `N` outputs of an op.
#[track_caller]
fn outputs<const N: usize>(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<[Tensor; N]> {
    let found = dispatch_all(op.into(), inputs)?;
    found
        .into_vec()
        .try_into()
        .map_err(|_| Error::new(ErrorKind::Unsupported, "dispatch", format!("an op without its {N} outputs")))
}

/// The conjugate transpose of the matrices: `x.mH`.
#[track_caller]
fn adjoint(x: &Tensor) -> Result<Tensor> {
    x.transpose(-2, -1)?.conj()
}

/// `x` with its batch broadcast to `batch`.
#[track_caller]
fn in_batch(x: &Tensor, batch: &[usize]) -> Result<Tensor> {
    let last = x.rank().saturating_sub(2);
    if x.shape()[..last] == *batch {
        return Ok(x.clone());
    }
    x.expand([batch, &x.shape()[last..]].concat())
}

/// Both with one batch.
#[track_caller]
fn batched(op: &'static str, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
    let of = |x: &Tensor| Shape::from_slice(&x.shape()[..x.rank().saturating_sub(2)]);
    let batch = broadcast_shapes(op, &of(x), &of(y))?;
    Ok((in_batch(x, &batch)?, in_batch(y, &batch)?))
}

/// Identity matrices of size n, of the dtype, the device and the batch of `x`.
#[track_caller]
fn identity(x: &Tensor, n: usize) -> Result<Tensor> {
    let batch = &x.shape()[..x.rank().saturating_sub(2)];
    Tensor::eye(n).dtype(x.dtype()).device(x.device()).build()?.expand([batch, &[n, n]].concat())
}
