//! What becomes of the tensors that a tape keeps for the way back: hooks that put them elsewhere, and get them back.

use crate::forward;
use crate::meta::set_edge;
use crate::node::{Edge, Kind, Node};
use crate::vmap;
use flambeau_tensor::op::Meta;
use flambeau_tensor::{Device, Layout, Result, Tensor, no_grad};
use smallvec::smallvec;
use std::any::Any;
use std::cell::RefCell;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

type Kept = Arc<dyn Any + Send + Sync>;

/// Two functions: one that takes a tensor away, one that gives it back.
struct Hooks {
    pack: Box<dyn Fn(&Tensor) -> Result<Kept>>,
    unpack: Arc<dyn Fn(&Kept) -> Result<Tensor> + Send + Sync>,
}

thread_local! {
    static ON: RefCell<Vec<Rc<Hooks>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with hooks on what its ops keep for the way back: `torch.autograd.graph.saved_tensors_hooks`. `pack` gets each
/// tensor that is kept, and what it returns is kept in its place; `unpack` makes the tensor of it when a gradient needs
/// it. The innermost pair counts. In forward mode and inside of `vmap` tensors are kept as they are.
///
/// Where activations go to a file while the model runs on:
///
/// ```
/// use flambeau_autograd::{Autograd, saved_tensors_hooks};
/// use flambeau_tensor::Tensor;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let folder = std::env::temp_dir().join(format!("flambeau-saved-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let (files, place) = (AtomicUsize::new(0), folder.clone());
/// let pack = move |x: &Tensor| {
///     let path = place.join(files.fetch_add(1, Ordering::Relaxed).to_string());
///     std::fs::write(&path, x.to_bytes()?)?;
///     Ok((path, x.dtype(), x.shape().to_vec()))
/// };
/// let x = Tensor::ones([2, 3]).build()?.requires_grad_()?;
/// let y = saved_tensors_hooks(
///     pack,
///     |(path, dtype, shape)| Tensor::from_bytes(*dtype, &shape[..], &std::fs::read(path)?),
///     || x.exp()?.mul(&x)?.sum(..),
/// )?;
/// y.backward()?;
/// assert!((x.grad().unwrap().to_vec::<f32>()?[0] - 2.0 * std::f32::consts::E).abs() < 1e-5);
/// std::fs::remove_dir_all(folder)?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// None of its own: what `pack` returns is the error of the op whose tensor it got, what `unpack` returns that of
/// `backward`; and so is a tensor of another shape, dtype or device than the one that was kept.
pub fn saved_tensors_hooks<P: Send + Sync + 'static, R>(
    pack: impl Fn(&Tensor) -> Result<P> + 'static,
    unpack: impl Fn(&P) -> Result<Tensor> + Send + Sync + 'static,
    f: impl FnOnce() -> R,
) -> R {
    let pack = move |x: &Tensor| -> Result<Kept> { Ok(Arc::new(pack(x)?)) };
    let unpack = move |kept: &Kept| match kept.downcast_ref::<P>() {
        Some(kept) => unpack(kept),
        None => unreachable!("what the other hook of the pair returned"),
    };
    with(Hooks { pack: Box::new(pack), unpack: Arc::new(unpack) }, f)
}

fn with<R>(hooks: Hooks, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let last = ON.with_borrow_mut(Vec::pop);
            drop(last);
        }
    }
    ON.with_borrow_mut(|on| on.push(Rc::new(hooks)));
    let _leave = Leave;
    f()
}

/// Keeps what the ops of `f` save on the CPU, and brings it back to its device when a gradient needs it:
/// `torch.autograd.graph.save_on_cpu`.
pub fn save_on_cpu<R>(f: impl FnOnce() -> R) -> R {
    let pack = |x: &Tensor| Ok((x.device(), x.to_device(Device::Cpu)?));
    saved_tensors_hooks(pack, |(device, x): &(Device, Tensor)| x.to_device(*device), f)
}

/// A tensor that hooks took away.
#[derive(Clone)]
pub(crate) struct Packed {
    kept: Kept,
    unpack: Arc<dyn Fn(&Kept) -> Result<Tensor> + Send + Sync>,
    meta: Meta,
    device: Device,
    layout: Layout,
    /// Where the tensor came from.
    edge: Edge,
}

impl Packed {
    /// Hands `x` to the hooks that are on, if any are; `edge` is where its history goes on.
    pub fn of(x: &Tensor, edge: impl FnOnce() -> Edge) -> Result<Option<Packed>> {
        let Some(hooks) = ON.with_borrow(|on| on.last().cloned()) else { return Ok(None) };
        // A tangent, or what it stands for, would not come back.
        if forward::is_inside() || vmap::is_inside() {
            return Ok(None);
        }
        // The hooks' own ops are not theirs to take.
        let on = ON.take();
        let kept = no_grad(|| (hooks.pack)(&x.detach()));
        let _ = ON.replace(on);
        Ok(Some(Packed {
            kept: kept?,
            unpack: hooks.unpack.clone(),
            meta: Meta::like(x),
            device: x.device(),
            layout: x.layout().clone(),
            edge: edge(),
        }))
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The tensor, with its history.
    pub fn get(&self, node: &Node) -> Result<Tensor> {
        let x = no_grad(|| (self.unpack)(&self.kept))?;
        let (ours, theirs) = (Meta::like(&x), &self.meta);
        if ours != *theirs || x.device() != self.device {
            let message = format!(
                "the hooks on what {} saved gave back {} {:?} on {} for {} {:?} on {}",
                node.place(),
                ours.dtype,
                &ours.shape[..],
                x.device(),
                theirs.dtype,
                &theirs.shape[..],
                self.device
            );
            return Err(crate::node::backward_error(flambeau_tensor::ErrorKind::Autograd, message));
        }
        let x = x.detach();
        if !matches!(self.edge, Edge::None) {
            let edges = smallvec![self.edge.clone()];
            set_edge(&x, Node::new(Kind::Alias, edges, smallvec![ours], None, Location::caller()), 0);
        }
        Ok(x)
    }
}

/// Are hooks on?
#[inline]
pub(crate) fn are_on() -> bool {
    ON.with_borrow(|on| !on.is_empty())
}
