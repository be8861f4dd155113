//! Views: the same storage under another layout. No data moves, writes are seen by all, and gradients
//! pass back through the rule of each.

use crate::layout::{Layout, stride};
use crate::op::ViewOp;
use crate::shape::{DimList, MAX_RANK, Shape, Strides, check_dims, checked_numel};
use crate::{DType, Result, Tensor, bail, ensure};
use smallvec::SmallVec;

mod copies;
mod methods;
pub(in crate::ops) use methods::pieces;

/// Dimensions in the order `order`.
#[derive(Clone, Debug)]
pub struct Permute {
    /// Which dimension of the input stands at each place; every one once.
    pub order: DimList,
}

/// Broadcast to `shape`.
#[derive(Clone, Debug)]
pub struct Expand {
    /// The shape.
    pub shape: Shape,
}

/// Under another shape of the same size, without a copy.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// The shape.
    pub shape: Shape,
}

/// `len` elements of dimension `dim` from `start`, `step` apart.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The dimension.
    pub dim: usize,
    /// The first index.
    pub start: usize,
    /// How many.
    pub len: usize,
    /// From one to the next.
    pub step: usize,
}

/// The diagonal of two dimensions, as a new last dimension.
#[derive(Clone, Debug)]
pub struct Diagonal {
    /// Above (positive) or below (negative) the main diagonal.
    pub offset: isize,
    /// The rows' dimension.
    pub dim1: usize,
    /// The columns' dimension.
    pub dim2: usize,
}

/// Windows of `size` along `dim`, `step` apart, as a new last dimension.
#[derive(Clone, Debug)]
pub struct Unfold {
    /// The dimension.
    pub dim: usize,
    /// Elements in a window.
    pub size: usize,
    /// Stride: elements between the starts of neighbouring windows.
    pub step: usize,
}

/// Any layout inside the storage.
#[derive(Clone, Debug)]
pub struct AsStrided {
    /// The layout; its offset counts from the start of the storage.
    pub layout: Box<Layout>,
}

/// A complex tensor as real numbers, with a last dimension of size 2.
#[derive(Clone, Copy, Debug)]
pub struct ViewAsReal;

/// Real numbers with a last dimension of size 2 as complex ones.
#[derive(Clone, Copy, Debug)]
pub struct ViewAsComplex;

/// The same elements without history.
#[derive(Clone, Copy, Debug)]
pub struct Detach;

impl ViewOp for Detach {
    const NAME: &'static str = "detach";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        Ok((x.layout().clone(), x.dtype()))
    }
}

impl ViewOp for Permute {
    const NAME: &'static str = "permute";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let (named, rank) = (self.order.len(), x.rank());
        ensure!(named == rank, Shape, "permute", "{named} dimensions are named, the tensor has {rank}");
        check_dims("permute", &self.order, rank)?;
        Ok((x.layout().permute(&self.order), x.dtype()))
    }
}

impl ViewOp for Expand {
    const NAME: &'static str = "expand";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let (from, to) = (x.shape(), &self.shape[..]);
        let reached = to
            .len()
            .checked_sub(from.len())
            .is_some_and(|lead| from.iter().zip(&to[lead..]).all(|(from, to)| from == to || *from == 1));
        ensure!(reached, Shape, "expand", "shape {from:?} does not expand to {to:?}");
        Ok((x.layout().expand(&self.shape), x.dtype()))
    }
}

impl ViewOp for Reshape {
    const NAME: &'static str = "view";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        match x.layout().reshape(&self.shape) {
            Some(layout) => Ok((layout, x.dtype())),
            None => bail!(
                Shape,
                "view",
                "shape {:?} with strides {:?} has no view of shape {:?}; `reshape` copies where it must",
                x.shape(),
                x.strides(),
                &self.shape[..]
            ),
        }
    }
}

impl ViewOp for Slice {
    const NAME: &'static str = "slice";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let &Slice { dim, start, len, step } = self;
        let Some(&size) = x.shape().get(dim) else {
            bail!(Index, "slice", "dimension {dim} is out of range for a tensor of rank {}", x.rank())
        };
        let last = len.checked_sub(1).map(|n| n.checked_mul(step).and_then(|n| n.checked_add(start)));
        ensure!(
            step > 0 && last.is_none_or(|last| last.is_some_and(|last| last < size)),
            Index,
            "slice",
            "{len} elements from {start}, {step} apart, are not inside dimension {dim} of size {size}"
        );
        Ok((x.layout().slice(self.dim, self.start, self.len, self.step), x.dtype()))
    }
}

impl ViewOp for Diagonal {
    const NAME: &'static str = "diagonal";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let mut layout = x.layout().clone();
        let (one, other, rank) = (self.dim1, self.dim2, layout.rank());
        ensure!(
            one != other && one.max(other) < rank,
            Index,
            "diagonal",
            "dimensions {one} and {other} are not two of a tensor of rank {rank}"
        );
        let (rows, columns) = (layout.shape[self.dim1], layout.shape[self.dim2]);
        let (step1, step2) = (layout.strides[self.dim1], layout.strides[self.dim2]);
        let below = self.offset.min(0).unsigned_abs();
        let above = self.offset.max(0).unsigned_abs();
        let len = rows.saturating_sub(below).min(columns.saturating_sub(above));
        if len > 0 {
            layout.offset += below * step1 + above * step2;
        }
        let (first, last) = (self.dim1.min(self.dim2), self.dim1.max(self.dim2));
        for d in [last, first] {
            layout.shape.remove(d);
            layout.strides.remove(d);
        }
        layout.shape.push(len);
        // Where they do not add up, there are no two elements.
        layout.strides.push(step1.checked_add(step2).unwrap_or(step1));
        Ok((layout, x.dtype()))
    }
}

impl ViewOp for Unfold {
    const NAME: &'static str = "unfold";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let mut layout = x.layout().clone();
        let &Unfold { dim, size, step } = self;
        let whole = if layout.rank() == 0 { Some(1) } else { layout.shape.get(dim).copied() };
        ensure!(step > 0, Argument, "unfold", "a step of zero leads nowhere");
        ensure!(
            whole.is_some_and(|whole| size <= whole),
            Shape,
            "unfold",
            "a window of {size} does not fit dimension {dim} of shape {:?}",
            x.shape()
        );
        if layout.rank() == 0 {
            layout.shape.push(self.size);
            layout.strides.push(1);
            return Ok((layout, x.dtype()));
        }
        let along = layout.strides[dim];
        layout.shape[dim] = (layout.shape[dim] - size) / step + 1;
        layout.strides[dim] = stride(along, step);
        layout.shape.push(size);
        layout.strides.push(along);
        Ok((layout, x.dtype()))
    }
}

impl ViewOp for AsStrided {
    const NAME: &'static str = "as_strided";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        Ok(((*self.layout).clone(), x.dtype()))
    }
}

/// A view's layout must be one that a tensor may have, and lie inside the storage.
pub(crate) fn check_inside(op: &'static str, layout: &Layout, dtype: DType, x: &Tensor) -> Result<()> {
    let (shape, rank) = (&layout.shape[..], layout.rank());
    ensure!(rank <= MAX_RANK, Shape, op, "{rank} dimensions, at most {MAX_RANK} are possible");
    ensure!(
        rank == layout.strides.len(),
        Shape,
        op,
        "shape {shape:?} and strides {:?} have different lengths",
        &layout.strides[..]
    );
    ensure!(checked_numel(shape).is_some(), Memory, op, "shape {shape:?} has more elements than can be counted");
    let bytes = x.storage().bytes();
    // By a product: a division costs as much as the rest.
    match layout.end().and_then(|end| end.max(layout.offset).checked_mul(dtype.size())) {
        Some(end) if end <= bytes => Ok(()),
        _ => bail!(
            Index,
            op,
            "shape {:?} with strides {:?} from offset {} reaches beyond the {} elements of the storage",
            &layout.shape[..],
            &layout.strides[..],
            layout.offset,
            bytes / dtype.size()
        ),
    }
}

impl ViewOp for ViewAsReal {
    const NAME: &'static str = "view_as_real";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        ensure!(x.dtype().is_complex(), DType, "view_as_real", "the tensor is {}, not complex", x.dtype());
        let mut layout = x.layout().clone();
        layout.strides.iter_mut().for_each(|s| *s = stride(*s, 2));
        layout.offset *= 2;
        layout.shape.push(2);
        layout.strides.push(1);
        Ok((layout, x.dtype().to_real()))
    }
}

impl ViewOp for ViewAsComplex {
    const NAME: &'static str = "view_as_complex";
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let mut layout = x.layout().clone();
        ensure!(
            matches!(x.dtype(), DType::F32 | DType::F64),
            DType,
            "view_as_complex",
            "the tensor is {}, not float32 or float64",
            x.dtype()
        );
        let (size, stride) = (layout.shape.pop(), layout.strides.pop());
        let pairs =
            size == Some(2) && stride == Some(1) && layout.offset % 2 == 0 && layout.strides.iter().all(|s| s % 2 == 0);
        ensure!(
            pairs,
            Shape,
            "view_as_complex",
            "the last dimension of shape {:?} and strides {:?} does not hold pairs",
            x.shape(),
            x.strides()
        );
        layout.strides.iter_mut().for_each(|s| *s /= 2);
        layout.offset /= 2;
        Ok((layout, x.dtype().to_complex()))
    }
}
