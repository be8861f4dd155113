//! Transforms of functions: `torch.func`.
//!
//! A transform takes a function of tensors, or of any value that is [made of them](Tensors) (a tuple, a list, a
//! state dict), and where to evaluate it. They compose: inside of the function any of them may be called again.
//!
//! ```
//! use flambeau_autograd::func::{grad, vmap};
//! use flambeau_tensor::tensor;
//!
//! let (w, xs) = (tensor!([1.0, -2.0]), tensor!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
//! // The gradient of each sample's own loss by the weights that all share.
//! let per_sample = vmap(|x| grad(|w| w.dot(x)?.square(), &w), &xs)?;
//! assert_eq!(per_sample.shape(), [3, 2]);
//! assert_eq!(per_sample.to_vec::<f32>()?, [-6.0, -12.0, -30.0, -40.0, -70.0, -84.0]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod forward;
mod jacobian;
mod reverse;
mod vmap;

pub use crate::vmap::Randomness;
pub use forward::{jvp, jvp_all, linearize};
pub use jacobian::{JacobianOptions, PerOutput, hessian, jacfwd, jacfwd_with, jacrev, jacrev_with};
pub use reverse::{Linear, grad, grad_and_value, grad_and_value_with_aux, vjp};
pub use vmap::{MappedDims, VmapOptions, vmap, vmap_with};

use flambeau_tensor::{Result, Tensor, Tensors, bail};

/// `like` with `tensors` in the places of its own, which are as many.
fn with_tensors<T: Tensors + Clone>(like: &T, tensors: Vec<Tensor>) -> Result<T> {
    let mut tensors = tensors.into_iter();
    like.clone().map_tensors(|old| match tensors.next() {
        Some(new) => Ok(new),
        None => bail!(Argument, "func", "a value has more tensors than before, one of shape {:?}", old.shape()),
    })
}
