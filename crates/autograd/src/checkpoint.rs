//! Computing again instead of keeping: `torch.utils.checkpoint`.
//!
//! What the ops of the function would save is not kept. The first gradient that needs some of it runs the function
//! again and takes what those ops save, in their order, which is the order of before.

use crate::node::backward_error;
use crate::record::install;
use crate::saved_hooks::saved_tensors_hooks;
use crate::{forward, vmap};
use flambeau_tensor::autocast::{autocast, autocast_dtype};
use flambeau_tensor::random::{default_generators, with_generators};
use flambeau_tensor::{DType, ErrorKind, Generator, ModeGuard, Result, Tensor, Tensors, bail, grad_enabled};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `f` of `x`, recorded without what its ops would keep for the way back: `backward` computes `f` once more for it.
/// Memory for time; follows `torch.utils.checkpoint.checkpoint` with `use_reentrant=False`. The second time `f` sees the
/// default generators as they were, so that dropout drops the same.
///
/// `f` must do the same both times, and owns what it uses: a module by an `Arc`, a tensor by a clone. Gradients reach
/// what it uses as ever.
///
/// ```
/// use flambeau_autograd::{Autograd, checkpoint};
/// use flambeau_tensor::tensor;
///
/// let w = tensor!([1.0, 2.0]).requires_grad_()?;
/// let (own, x) = (w.clone(), tensor!([3.0, 4.0]));
/// let y = checkpoint(move |x| x.mul(&own)?.sin()?.exp(), &x)?;
/// y.sum(..)?.backward()?;
/// assert!(w.grad().is_some());
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; in `backward` also where `f` saves other tensors the second time.
pub fn checkpoint<I, O>(f: impl Fn(&I) -> Result<O> + Send + Sync + 'static, x: &I) -> Result<O>
where
    I: Tensors + Clone + Send + Sync + 'static,
    O: Tensors,
{
    install();
    // Inside of `vmap` and forward mode values are kept as they are: there is nothing to be spared.
    if !grad_enabled() || vmap::is_on() || forward::is_on() {
        return f(x);
    }
    let f = Arc::new(f);
    let (again, inputs) = (f.clone(), x.clone());
    let again = move || {
        let own = inputs.clone().map_tensors(|x| {
            let own = x.detach();
            own.set_tracks(x.requires_grad());
            Ok(own)
        })?;
        again(&own).map(drop)
    };
    let frame = Arc::new(Rerun {
        again: Box::new(again),
        generators: default_generators().iter().map(Generator::fork).collect(),
        dtype: autocast_dtype(),
        saved: AtomicUsize::new(0),
        made: Mutex::default(),
    });
    let pack = move |_: &Tensor| {
        let i = frame.saved.fetch_add(1, Ordering::Relaxed);
        Ok(Place { frame: frame.clone(), i })
    };
    saved_tensors_hooks(pack, Place::get, || f(x))
}

/// One run of a function, whose saved tensors are made when they are asked for.
struct Rerun {
    again: Box<dyn Fn() -> Result<()> + Send + Sync>,
    /// As the default ones were.
    generators: Vec<Generator>,
    /// The dtype of autocast, if that was on.
    dtype: Option<DType>,
    /// How many tensors its ops would have saved.
    saved: AtomicUsize,
    /// Those that are there, by number.
    made: Mutex<HashMap<usize, Tensor>>,
}

/// Stands for a tensor that was not kept.
struct Place {
    frame: Arc<Rerun>,
    i: usize,
}

/// With the node that asked for it goes what was made for it.
impl Drop for Place {
    fn drop(&mut self) {
        let made = self.frame.made.lock().remove(&self.i);
        drop(made);
    }
}

impl Place {
    fn get(&self) -> Result<Tensor> {
        let there = |made: &HashMap<usize, Tensor>| made.get(&self.i).cloned();
        if let Some(made) = there(&self.frame.made.lock()) {
            return Ok(made);
        }
        let all = self.frame.run_again()?;
        let mut made = self.frame.made.lock();
        made.extend(all.into_iter().enumerate());
        there(&made).ok_or_else(|| backward_error(ErrorKind::Autograd, "checkpoint: a saved tensor is gone".into()))
    }
}

impl Rerun {
    /// What the function's ops save.
    fn run_again(&self) -> Result<Vec<Tensor>> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let list = all.clone();
        let pack = move |x: &Tensor| {
            list.lock().push(x.clone());
            Ok(())
        };
        let unpack = |(): &()| -> Result<Tensor> {
            bail!(Autograd, "checkpoint", "what is computed again has no way back of its own")
        };
        let run = || saved_tensors_hooks(pack, unpack, || (self.again)());
        let run = || match self.dtype {
            Some(dtype) => autocast(dtype, run),
            None => run(),
        };
        let _mode = ModeGuard::forward();
        let generators: Vec<Generator> = self.generators.iter().map(Generator::fork).collect();
        with_generators(&generators, run)?;
        let all = std::mem::take(&mut *all.lock());
        let (now, before) = (all.len(), self.saved.load(Ordering::Relaxed));
        if now != before {
            let message = format!(
                "checkpoint: the function saved {before} tensors the first time and {now} the second; it must do the \
                 same both times"
            );
            return Err(backward_error(ErrorKind::Autograd, message));
        }
        Ok(all)
    }
}
