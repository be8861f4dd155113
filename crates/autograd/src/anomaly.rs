//! Anomaly mode: a backward pass that says which op's derivative failed, and on which line that op was called.

use crate::node::{Node, backward_error};
use crate::rules::Grads;
use crate::vmap;
use flambeau_tensor::{ErrorKind, Result};
use std::cell::Cell;

thread_local! {
    /// Is it on, and does it look for NaN?
    static MODE: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether anomaly mode is on, and looks for NaN.
pub(crate) fn mode() -> Option<bool> {
    MODE.get()
}

/// Runs `f` with a check of every derivative in its backward passes: one that fails, or gives NaN, is an error that
/// names the op and the line that called it. For finding faults: every gradient is looked at. Follows
/// `torch.autograd.detect_anomaly`.
///
/// ```
/// use flambeau_autograd::{Autograd, detect_anomaly};
/// use flambeau_tensor::tensor;
///
/// let x = tensor!([0.0, 4.0]).requires_grad_()?;
/// let y = x.mul(0.0)?.sqrt()?; // the slope at 0 is infinite, and the one before it 0
/// let error = detect_anomaly(|| y.sum(..)?.backward()).unwrap_err().to_string();
/// assert!(error.contains("MulBackward0") && error.contains("NaN"), "{error}");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn detect_anomaly<R>(f: impl FnOnce() -> R) -> R {
    detect_anomaly_with(true, f)
}

/// [`detect_anomaly`], where `check_nan` says whether NaN is an error.
pub fn detect_anomaly_with<R>(check_nan: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<bool>);
    impl Drop for Restore {
        fn drop(&mut self) {
            MODE.set(self.0);
        }
    }
    let _restore = Restore(MODE.replace(Some(check_nan)));
    f()
}

/// What the rule of `node` made, checked.
pub(crate) fn checked(node: &Node, check_nan: bool, made: Result<Grads>) -> Result<Grads> {
    let made = made.map_err(|e| {
        let message = format!("`{}`, the derivative of {}, failed: {e}", node.grad_fn(), node.place());
        backward_error(e.kind(), message)
    })?;
    if check_nan {
        for (i, grad) in made.iter().enumerate() {
            if let Some(grad) = grad
                && grad.device().has_data()
                && vmap::any(&grad.isnan()?)?
            {
                let message =
                    format!("`{}`, the derivative of {}, gave NaN for input {i}", node.grad_fn(), node.place());
                return Err(backward_error(ErrorKind::Autograd, message));
            }
        }
    }
    Ok(made)
}
