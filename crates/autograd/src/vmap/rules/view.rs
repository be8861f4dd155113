//! Views: of one sample's dimensions, behind the one that counts the samples. The strides of a handle are those of its
//! value, so a view of the one is one of the other.

use super::Batch;
use crate::vmap::level::Level;
use flambeau_tensor::dispatch::dispatch;
use flambeau_tensor::ops::{AsStridedBackward, AsStridedScatter};
use flambeau_tensor::{Layout, Op, Outputs, Result, Tensor, ensure};

/// The view op on the value of `x`, which makes `made` of `x` itself.
pub(in crate::vmap) fn view(level: &Level, mut op: Op, x: &Tensor, made: &Tensor) -> Result<Op> {
    match &mut op {
        Op::Permute(op) => {
            op.order.iter_mut().for_each(|d| *d += 1);
            op.order.insert(0, 0);
        }
        Op::Expand(op) => op.shape.insert(0, level.size),
        Op::Reshape(op) => op.shape.insert(0, level.size),
        Op::Slice(op) => op.dim += 1,
        Op::Diagonal(op) => (op.dim1, op.dim2) = (op.dim1 + 1, op.dim2 + 1),
        // A scalar has one window, of itself: as large as the dimension that counts the samples is not.
        Op::Unfold(op) if x.rank() == 0 => {
            let shape = [level.size, op.size].as_slice().into();
            return Ok(flambeau_tensor::ops::Reshape { shape }.into());
        }
        Op::Unfold(op) => op.dim += 1,
        Op::AsStrided(op) => {
            let base = x.as_view().map_or(x, |view| &view.base).layout();
            let inside = made.numel() == 0
                || made.layout().offset >= base.offset
                    && made.layout().end().is_some_and(|end| Some(end) <= base.end());
            ensure!(
                inside,
                Index,
                "as_strided",
                "inside of `vmap` a view by strides may not reach beyond its own sample"
            );
            let stride = level.samples(x).map_or(0, |value| value.strides()[0]);
            op.layout.shape.insert(0, level.size);
            op.layout.strides.insert(0, stride);
        }
        _ => {}
    }
    Ok(op)
}

/// A layout for all samples, each `room` elements behind the one before.
fn repeated(layout: &Layout, size: usize, room: usize) -> Layout {
    let mut layout = layout.clone();
    layout.shape.insert(0, size);
    layout.strides.insert(0, room);
    layout
}

impl Batch<'_> {
    /// Both layouts for all samples, with a memory for each.
    fn apart(&self, base: &Layout, view: &Layout) -> (Layout, Layout) {
        let room = base.end().max(view.end()).unwrap_or(0);
        (repeated(base, self.size, room), repeated(view, self.size, room))
    }

    pub(super) fn strided_scatter(&self, op: &AsStridedScatter) -> Result<Outputs> {
        let (base, view) = self.apart(&op.base, &op.view);
        let made = dispatch(AsStridedScatter { base, view }, &[&self.spread(0)?, &self.spread(1)?])?;
        Ok(Outputs::from_iter([made]))
    }

    pub(super) fn strided_backward(&self, op: &AsStridedBackward) -> Result<Outputs> {
        let (base, view) = self.apart(&op.base, &op.view);
        let made = dispatch(AsStridedBackward { base, view }, &[&self.spread(0)?])?;
        Ok(Outputs::from_iter([made]))
    }
}
