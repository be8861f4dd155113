//! How a tensor's elements lie in its storage: shape, strides, offset, and the arithmetic of views.

use crate::shape::{DimList, Shape, Strides, checked_numel, copied, inverse, numel};
use smallvec::SmallVec;
use std::cmp::Ordering;

/// The order of an image's dimensions in memory, as `torch.memory_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryFormat {
    /// rows: neighbours of the last dimension lie side by side
    #[default]
    Contiguous,
    /// `[N, C, H, W]` with the channels of a pixel side by side
    ChannelsLast,
    /// `[N, C, D, H, W]` with the channels of a voxel side by side
    ChannelsLast3d,
}

impl MemoryFormat {
    /// The dimensions of a tensor of `rank` in the order of memory; none where the format is for another rank.
    pub(crate) fn order(self, rank: usize) -> Option<DimList> {
        match (self, rank) {
            (MemoryFormat::Contiguous, _) => Some((0..rank).collect()),
            (MemoryFormat::ChannelsLast, 4) => Some(DimList::from_slice(&[0, 2, 3, 1])),
            (MemoryFormat::ChannelsLast3d, 5) => Some(DimList::from_slice(&[0, 2, 3, 4, 1])),
            _ => None,
        }
    }

    /// The channels-last format of a rank.
    pub(crate) fn channels_last(rank: usize) -> Option<MemoryFormat> {
        match rank {
            4 => Some(MemoryFormat::ChannelsLast),
            5 => Some(MemoryFormat::ChannelsLast3d),
            _ => None,
        }
    }
}

/// Shape, strides and offset, in elements.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// Sizes.
    pub shape: Shape,
    /// Elements between neighbours in each dimension; 0 where one element serves for all.
    pub strides: Strides,
    /// The first element's place in the storage.
    pub offset: usize,
}

impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Layout {
        Layout { shape: copied(&self.shape), strides: copied(&self.strides), offset: self.offset }
    }
}

impl Layout {
    /// Rows after one another from the start of the storage.
    #[inline]
    pub fn contiguous(shape: impl Into<Shape>) -> Layout {
        let shape = shape.into();
        let strides = contiguous_strides(&shape);
        Layout { shape, strides, offset: 0 }
    }

    /// [`contiguous`](Layout::contiguous), where another layout was: nothing is moved.
    #[inline]
    pub(crate) fn set_contiguous(&mut self, shape: &[usize]) {
        let rank = shape.len();
        if self.shape.len() != rank || rank > 6 {
            *self = Layout::contiguous(Shape::from_slice(shape));
            return;
        }
        let (sizes, strides) = (&mut self.shape[..], &mut self.strides[..]);
        let mut step = 1usize;
        // Number by number: a call to copy a few costs more.
        for d in (0..rank).rev() {
            (sizes[d], strides[d]) = (shape[d], step);
            step = step.wrapping_mul(shape[d].max(1));
        }
        self.offset = 0;
    }

    /// The number of dimensions.
    #[inline]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }

    /// True where the elements lie one after another in row-major order (whatever the offset).
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let (shape, strides) = (&self.shape[..], &self.strides[..]);
        let mut expected = 1;
        for d in (0..shape.len()).rev() {
            let (size, stride) = (shape[d], strides[d]);
            if size != 1 {
                if stride != expected {
                    return shape.contains(&0);
                }
                expected *= size;
            }
        }
        true
    }

    /// True where the elements lie one after another in the order of `format`, whatever the offset. Of one channel or
    /// one pixel both orders are one.
    pub fn is_in(&self, format: MemoryFormat) -> bool {
        format.order(self.rank()).is_some_and(|order| self.permute(&order).is_contiguous())
    }

    /// True where they lie in the channels-last order of the rank and not in rows as well.
    pub(crate) fn is_channels_last(&self) -> bool {
        let format = MemoryFormat::channels_last(self.rank());
        !self.is_contiguous() && format.is_some_and(|format| self.is_in(format))
    }

    /// A layout of `shape` without gaps whose dimensions lie in memory in the order `order`, the widest strides first.
    pub(crate) fn in_order(shape: &[usize], order: &[usize]) -> Layout {
        Layout::contiguous(order.iter().map(|d| shape[*d]).collect::<Shape>()).permute(&inverse(order))
    }

    /// One past the highest element that is touched, `offset` included; 0 for no elements at all.
    /// `None` where that does not fit a `usize`.
    pub fn end(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut last = self.offset;
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add((size - 1).checked_mul(stride)?)?;
        }
        last.checked_add(1)
    }

    /// True where two indices may lead to the same element (never false for such a layout).
    pub fn may_overlap(&self) -> bool {
        if self.shape.contains(&0) {
            return false;
        }
        let mut dims: SmallVec<[(usize, usize); 6]> =
            self.strides.iter().copied().zip(self.shape.iter().copied()).filter(|d| d.1 > 1).collect();
        dims.sort_unstable();
        let mut reach = 0;
        for (stride, size) in dims {
            if stride <= reach {
                return true;
            }
            reach += stride * (size - 1);
        }
        false
    }

    /// The dimensions from the one with the widest strides to the one with the narrowest: walked in this order, a
    /// tensor's elements are met in the order of memory.
    pub fn memory_order(&self) -> DimList {
        memory_order(&self.shape, &[&self.strides])
    }

    /// The same elements with dimensions in the order `perm`.
    pub fn permute(&self, perm: &[usize]) -> Layout {
        Layout {
            shape: perm.iter().map(|&d| self.shape[d]).collect(),
            strides: perm.iter().map(|&d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    /// Broadcast to `shape`, which must be reachable (see [`broadcast_shapes`](crate::shape::broadcast_shapes)).
    pub fn expand(&self, shape: &[usize]) -> Layout {
        let lead = shape.len() - self.rank();
        let strides = (0..shape.len())
            .map(|d| if d < lead || self.shape[d - lead] != shape[d] { 0 } else { self.strides[d - lead] })
            .collect();
        Layout { shape: Shape::from_slice(shape), strides, offset: self.offset }
    }

    /// The same elements under another shape of the same size, where strides can say it without a copy.
    pub fn reshape(&self, shape: &[usize]) -> Option<Layout> {
        if checked_numel(shape)? != self.numel() {
            return None;
        }
        let strides = if self.is_contiguous() { contiguous_strides(shape) } else { view_strides(self, shape)? };
        Some(Layout { shape: copied(shape), strides, offset: self.offset })
    }

    /// The dimension `dim` cut to `len` elements from `start`, `step` apart.
    pub fn slice(&self, dim: usize, start: usize, len: usize, step: usize) -> Layout {
        let mut out = self.clone();
        out.shape[dim] = len;
        out.offset += if len == 0 { 0 } else { start * self.strides[dim] };
        out.strides[dim] = stride(self.strides[dim], step);
        out
    }

    /// Without the dimension `dim`, at its element `index`.
    pub fn select(&self, dim: usize, index: usize) -> Layout {
        let mut out = self.clone();
        out.offset += index * self.strides[dim];
        out.shape.remove(dim);
        out.strides.remove(dim);
        out
    }

    /// With a dimension of size 1 before `dim`.
    pub fn unsqueeze(&self, dim: usize) -> Layout {
        let mut out = self.clone();
        let stride = if dim < self.rank() { self.shape[dim].saturating_mul(self.strides[dim]) } else { 1 };
        out.shape.insert(dim, 1);
        out.strides.insert(dim, stride);
        out
    }

    /// The place in the storage of the element with row-major index `linear`.
    #[inline]
    pub fn place(&self, linear: usize) -> usize {
        let (mut rest, mut place) = (linear, self.offset);
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            place += rest % size * stride;
            rest /= size;
        }
        place
    }
}

/// `stride` times `by`. Where that cannot be counted, there is no second element to step to, and any stride is right.
pub(crate) fn stride(stride: usize, by: usize) -> usize {
    stride.checked_mul(by).unwrap_or(stride)
}

/// The dimensions of `shape` from the one with the widest strides to the one with the narrowest, by the strides of several
/// operands, of which the first that tells two dimensions apart decides. As PyTorch's iterators have it, ties included;
/// an expanded dimension stays beside its neighbours.
pub(crate) fn memory_order(shape: &[usize], strides: &[&[usize]]) -> DimList {
    // Greater where `near` steps further than `far`.
    let compare = |near: usize, far: usize| {
        for strides in strides {
            match (strides[near], strides[far]) {
                (0, _) | (_, 0) => {}
                (a, b) if a < b => return Ordering::Less,
                (a, b) if a > b => return Ordering::Greater,
                _ if shape[near] > shape[far] => return Ordering::Greater,
                _ => {}
            }
        }
        Ordering::Equal
    };
    let mut order: DimList = (0..shape.len()).rev().collect();
    for i in 1..order.len() {
        let mut at = i;
        for before in (0..i).rev() {
            match compare(order[before], order[at]) {
                Ordering::Greater => {
                    order.swap(before, at);
                    at = before;
                }
                Ordering::Less => break,
                Ordering::Equal => {}
            }
        }
    }
    order.reverse();
    order
}

/// Row-major strides.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut few = [0; 6];
    let mut many = Strides::new();
    let strides = if shape.len() <= few.len() {
        &mut few[..shape.len()]
    } else {
        many.resize(shape.len(), 0);
        &mut many[..]
    };
    let mut step = 1usize;
    for d in (0..shape.len()).rev() {
        strides[d] = step;
        step = step.saturating_mul(shape[d].max(1));
    }
    if many.is_empty() { Strides::from_buf_and_len(few, shape.len()) } else { many }
}

/// The strides of `layout`'s elements under `shape`, if any say it: each run of old dimensions that
/// lie behind one another takes a run of new ones of the same size.
fn view_strides(layout: &Layout, shape: &[usize]) -> Option<Strides> {
    let mut strides = Strides::from_elem(0, shape.len());
    let mut new = shape.len();
    let (mut run_old, mut run_new) = (1, 1);
    let mut base = layout.strides.last().copied().unwrap_or(1);
    for old in (0..layout.rank()).rev() {
        run_old *= layout.shape[old];
        let run_ends =
            old == 0 || (layout.shape[old - 1] != 1 && layout.strides[old - 1] != run_old.wrapping_mul(base));
        if run_ends {
            while new > 0 && (run_new < run_old || shape[new - 1] == 1) {
                new -= 1;
                strides[new] = run_new.wrapping_mul(base);
                run_new *= shape[new];
            }
            if run_new != run_old {
                return None;
            }
            if old > 0 {
                base = layout.strides[old - 1];
                (run_old, run_new) = (1, 1);
            }
        }
    }
    (new == 0).then_some(strides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_finds_views_only_where_they_exist() {
        let l = Layout::contiguous(Shape::from_slice(&[4, 6]));
        assert_eq!(&l.reshape(&[2, 2, 6]).unwrap().strides[..], [12, 6, 1]);
        let t = l.permute(&[1, 0]);
        assert_eq!(&t.reshape(&[2, 3, 4]).unwrap().strides[..], [3, 1, 6]);
        assert_eq!(t.reshape(&[24]), None);
        let e = Layout::contiguous(Shape::from_slice(&[3, 1])).expand(&[3, 4]);
        assert_eq!(e.reshape(&[12]), None);
        assert_eq!(&e.reshape(&[3, 2, 2]).unwrap().strides[..], [1, 0, 0]);
    }

    #[test]
    fn memory_order_is_that_of_the_strides() {
        let order = |shape: &[usize], strides: &[usize]| {
            let layout = Layout { shape: Shape::from_slice(shape), strides: Strides::from_slice(strides), offset: 0 };
            layout.memory_order().to_vec()
        };
        assert_eq!(order(&[2, 3, 4], &[12, 4, 1]), [0, 1, 2]);
        assert_eq!(order(&[3, 4, 2], &[4, 1, 12]), [2, 0, 1]);
        // `torch.empty_like` of [4, 3] expanded from [4, 1], and of its transpose, has strides (3, 1) and (1, 3).
        assert_eq!(order(&[4, 3], &[1, 0]), [0, 1]);
        assert_eq!(order(&[3, 4], &[0, 1]), [0, 1]);
        assert_eq!(order(&[], &[]), [0; 0]);
    }

    #[test]
    fn overlap_is_seen() {
        let l = Layout::contiguous(Shape::from_slice(&[3, 4]));
        assert!(!l.may_overlap() && !l.permute(&[1, 0]).may_overlap());
        assert!(Layout::contiguous(Shape::from_slice(&[1])).expand(&[3]).may_overlap());
        assert!(
            Layout { shape: Shape::from_slice(&[3, 3]), strides: Strides::from_slice(&[1, 1]), offset: 0 }
                .may_overlap()
        );
    }
}
