//! What a view remembers of the tensor it looks into.

use crate::layout::Layout;
use crate::ops::{AsStrided, ViewAsComplex, ViewAsReal};
use crate::{DType, Op, Tensor};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU32, Ordering};
use triomphe::Arc;

/// What a view remembers of the tensor it looks into.
pub struct View {
    /// The tensor that owns the storage; never itself a view.
    pub base: Tensor,
    /// The view ops that lead from the base to it.
    pub ops: ViewOps,
    /// Made under `no_grad`: an in-place op that records a gradient is refused.
    pub no_grad: bool,
    /// The storage's version when the view's history was last right.
    pub version: AtomicU32,
}

/// The view ops that lead from a tensor to a view of it, which a view of the view shares.
#[derive(Clone)]
pub struct ViewOps(Arc<Last>);

struct Last {
    op: Op,
    before: Option<ViewOps>,
    count: usize,
}

impl ViewOps {
    /// What takes more ops than these is made straight from the base.
    const MOST: usize = 8;

    fn new(op: Op, before: Option<ViewOps>) -> ViewOps {
        let count = before.as_ref().map_or(0, |ops| ops.0.count) + 1;
        ViewOps(Arc::new(Last { op, before, count }))
    }

    /// From the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = &Op> {
        let backwards = std::iter::successors(Some(self), |ops| ops.0.before.as_ref());
        let ops: SmallVec<[&Op; ViewOps::MOST]> = backwards.map(|ops| &ops.0.op).collect();
        ops.into_iter().rev()
    }

    /// Straight from `base` to a view of it with `layout` and `dtype`, whatever the ops were that made it.
    fn direct(base: &Tensor, layout: &Layout, dtype: DType) -> ViewOps {
        let place = |layout: Layout| Op::from(AsStrided { layout: Box::new(layout) });
        match (base.dtype().is_complex(), dtype.is_complex()) {
            (true, false) => ViewOps::new(place(layout.clone()), Some(ViewOps::new(Op::ViewAsReal(ViewAsReal), None))),
            (false, true) => {
                let mut pairs = layout.clone();
                pairs.strides.iter_mut().for_each(|stride| *stride *= 2);
                pairs.offset *= 2;
                pairs.shape.push(2);
                pairs.strides.push(1);
                ViewOps::new(Op::ViewAsComplex(ViewAsComplex), Some(ViewOps::new(place(pairs), None)))
            }
            _ => ViewOps::new(place(layout.clone()), None),
        }
    }
}

impl View {
    /// What the view with `layout` and `dtype` that `op` makes of `x` remembers.
    #[inline]
    pub(crate) fn of(x: &Tensor, op: Op, layout: &Layout, dtype: DType, no_grad: bool) -> View {
        let version = AtomicU32::new(x.version());
        let Some(v) = x.as_view() else {
            return View { base: x.clone(), ops: ViewOps::new(op, None), no_grad, version };
        };
        let ops = if v.ops.0.count < ViewOps::MOST {
            ViewOps::new(op, Some(v.ops.clone()))
        } else {
            ViewOps::direct(&v.base, layout, dtype)
        };
        View { base: v.base.clone(), ops, no_grad: no_grad || v.no_grad, version }
    }

    /// The same, for another tensor over the same elements.
    pub(crate) fn again(&self) -> View {
        let version = AtomicU32::new(self.version.load(Ordering::Relaxed));
        View { base: self.base.clone(), ops: self.ops.clone(), no_grad: self.no_grad, version }
    }
}
