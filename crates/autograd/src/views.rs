//! Histories of views and of what they look into.
//!
//! A view remembers the ops that lead to it from its base, the tensor that owns the memory. After an in-place op
//! through a view the base is "the base with the view's elements replaced" ([`Replaced`]), and every other view
//! takes its history from the base again, by the same ops, the next time it is used.

use crate::meta::{own_edge, set_edge};
use crate::rules::Grads;
use crate::vmap;
use flambeau_tensor::dispatch::uninterpreted;
use flambeau_tensor::{Layout, Result, Tensor, View, ViewOps, dispatch_view, enable_grad};
use smallvec::smallvec;

/// What an in-place op through a view did to the view's base.
pub(crate) struct Replaced {
    ops: ViewOps,
    layout: Layout,
    room: usize,
}

impl Replaced {
    pub fn through(view: &View, tensor: &Tensor) -> Replaced {
        Replaced { ops: view.ops.clone(), layout: view.base.layout().clone(), room: room(&view.base, tensor) }
    }

    /// The gradients of the old base and of the view's new value.
    ///
    /// # Errors
    /// Where the gradient does not have the shape of the base.
    pub fn vjp(&self, grad: &Tensor, needs: &[bool]) -> Result<Grads> {
        let (of_base, of_view) = (needs[0], needs[1]);
        let grad = laid_as(grad, &self.layout, self.room)?;
        let view = if of_view { Some(replay(&self.ops, &grad)?) } else { None };
        let base = if of_base {
            let kept = laid_as(&grad.copy()?, &self.layout, self.room)?;
            replay(&self.ops, &kept)?.zero_()?;
            Some(kept)
        } else {
            None
        };
        Ok(smallvec![base, view])
    }
}

/// The view that `ops` make of `base`.
pub(crate) fn replay(ops: &ViewOps, base: &Tensor) -> Result<Tensor> {
    ops.iter().try_fold(base.clone(), |x, op| dispatch_view(op.clone(), &x))
}

/// The view of the tangent (or gradient) of `view.base` that `tensor` is of the base.
pub(crate) fn seen_through(view: &View, tensor: &Tensor, of_base: &Tensor) -> Result<Tensor> {
    replay(&view.ops, &laid_as(of_base, view.base.layout(), room(&view.base, tensor))?)
}

/// `of_base` with `values` where `tensor`, a view, has its elements.
pub(crate) fn written_through(view: &View, tensor: &Tensor, of_base: &Tensor, values: &Tensor) -> Result<Tensor> {
    let whole = laid_as(&vmap::apart(of_base.copy()?, values)?, view.base.layout(), room(&view.base, tensor))?;
    replay(&view.ops, &whole)?.copy_(values)?;
    Ok(whole)
}

/// Gives `tensor` the history that its base has now, by the ops that made it a view.
pub(crate) fn take_history_from_base(tensor: &Tensor, view: &View) {
    match uninterpreted(|| enable_grad(|| replay(&view.ops, &view.base))) {
        Ok(again) => {
            if let Some((node, nr)) = own_edge(&again) {
                set_edge(tensor, node, nr);
            }
        }
        Err(e) => unreachable!("the same ops made a view of the same base before: {e}"),
    }
}

/// The elements of the memory that `base` and `view` reach.
fn room(base: &Tensor, view: &Tensor) -> usize {
    let ends = view.layout().end().unwrap_or(0).saturating_mul(view.dtype().size());
    base.layout().end().unwrap_or(0).max(ends.div_ceil(base.dtype().size()))
}

/// `x` with its elements where those of a tensor of `layout` lie, in a memory of `room` elements: what view ops
/// made of that tensor they make of this one.
fn laid_as(x: &Tensor, layout: &Layout, room: usize) -> Result<Tensor> {
    if layout.is_contiguous() && layout.offset == 0 && room <= layout.numel() {
        let rows = x.contiguous()?;
        return if rows.storage_offset() == 0 { Ok(rows) } else { rows.copy() };
    }
    let memory = Tensor::zeros([room]).dtype(x.dtype()).device(x.device()).build()?;
    memory.as_strided_scatter(x, layout)?.as_strided(&layout.shape, &layout.strides, layout.offset)
}
