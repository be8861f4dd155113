//! Padding: more elements at the ends of dimensions, or fewer.

use crate::op::{Infer, Meta, Metas};
use crate::ops::Index;
use crate::shape::{DimList, Shape};
use crate::{DType, Result, Scalar, Tensor, bail, cat, dispatch, ensure};
use smallvec::SmallVec;

/// `value` added before and behind each dimension; negative counts crop.
#[derive(Clone, Debug)]
pub struct Pad {
    /// Elements before and behind, one pair for each dimension.
    pub pads: SmallVec<[(isize, isize); 6]>,
    /// What is added, in the tensor's dtype.
    pub value: Scalar,
}

/// Where the elements added at the ends of a dimension come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// the mirror image, the edge itself not repeated
    Reflect,
    /// the edge repeated
    Replicate,
    /// the opposite end
    Circular,
}

impl PadMode {
    /// Dimension `d` of `size` elements must have what is added of its own, and elements left after what is cropped.
    #[track_caller]
    fn check(self, d: usize, size: usize, (before, behind): (isize, isize), cropped: bool) -> Result<()> {
        let more = [before, behind].map(|n| n.max(0) as usize);
        let most = more[0].max(more[1]);
        let enough = match self {
            PadMode::Reflect => most < size,
            PadMode::Circular => most <= size,
            PadMode::Replicate => size > 0,
        };
        ensure!(
            enough,
            Shape,
            "pad",
            "{self:?} by {before} and {behind} needs more than the {size} elements of dimension {d}"
        );
        let whole = more.iter().try_fold(size, |sum, n| sum.checked_add(*n));
        let crop = if cropped { 0 } else { before.min(0).unsigned_abs().saturating_add(behind.min(0).unsigned_abs()) };
        ensure!(
            whole.is_some_and(|whole| whole >= crop && isize::try_from(whole).is_ok()),
            Shape,
            "pad",
            "{before} before and {behind} behind leave nothing of dimension {d} of size {size}, or more than can be counted"
        );
        Ok(())
    }
}

impl Infer for Pad {
    const NAME: &'static str = "pad";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let mut meta = Meta::like(inputs[0]);
        let (pairs, rank) = (self.pads.len(), meta.shape.len());
        ensure!(pairs == rank, Argument, "pad", "{pairs} pairs of counts for {rank} dimensions");
        for (d, (size, (before, behind))) in meta.shape.iter_mut().zip(&self.pads).enumerate() {
            let padded = size.checked_add_signed(*before).and_then(|s| s.checked_add_signed(*behind));
            // A crop may not reach beyond the other end either.
            let crop = before.min(&0).unsigned_abs().saturating_add(behind.min(&0).unsigned_abs());
            match padded {
                Some(padded) if crop <= *size => *size = padded,
                _ => bail!(
                    Shape,
                    "pad",
                    "{before} before and {behind} behind leave nothing of dimension {d} of size {size}"
                ),
            }
        }
        meta.one()
    }
}

/// Counts from the last dimension on, as PyTorch gives them, as one pair for each dimension.
#[track_caller]
fn pairs(x: &Tensor, pads: &[isize]) -> Result<SmallVec<[(isize, isize); 6]>> {
    ensure!(
        pads.len().is_multiple_of(2),
        Argument,
        "pad",
        "{} counts: there must be one before and one behind for each dimension",
        pads.len()
    );
    let padded = pads.len() / 2;
    ensure!(
        padded <= x.rank(),
        Argument,
        "pad",
        "counts for {padded} dimensions, the tensor of shape {:?} has {}",
        x.shape(),
        x.rank()
    );
    let mut pairs = SmallVec::from_elem((0, 0), x.rank());
    pads.chunks_exact(2).zip(pairs.iter_mut().rev()).for_each(|(counts, pair)| *pair = (counts[0], counts[1]));
    Ok(pairs)
}

impl Tensor {
    /// With `value` around: `torch.nn.functional.pad`. `pads` counts elements before and behind the last
    /// dimension, then the one before it, and so on; negative counts crop.
    ///
    /// ```
    /// use flambeau_tensor::tensor;
    /// let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.pad(&[1, 0, 0, -1], 9.0)?.to_vec::<f32>()?, [9.0, 1.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the counts are not pairs, are for more dimensions than there are, or crop too much; where the dtype
    /// has no such number.
    #[track_caller]
    pub fn pad(&self, pads: &[isize], value: impl Into<Scalar>) -> Result<Tensor> {
        let value = value.into().stored_as("pad", self.dtype())?;
        dispatch(Pad { pads: pairs(self, pads)?, value }, &[self])
    }

    /// With elements of its own around: `torch.nn.functional.pad` with a mode. `pads` as for
    /// [`pad`](Tensor::pad).
    ///
    /// # Errors
    /// As for [`pad`](Tensor::pad); and where there are fewer elements than the mode needs: one more than
    /// is added for `Reflect`, as many for `Circular`, one for `Replicate`.
    #[track_caller]
    pub fn pad_with(&self, pads: &[isize], mode: PadMode) -> Result<Tensor> {
        let images = pads.len() <= 4;
        if mode == PadMode::Replicate || mode == PadMode::Reflect && images {
            crate::interpreters::autocast::in_full_precision!(x = self => x.pad_with(pads, mode));
        }
        let pairs = pairs(self, pads)?;
        // In a circle crops come first: what they take away does not come round. The other modes count
        // from the edges that were there before.
        let circular = mode == PadMode::Circular;
        let crop: Vec<isize> = pads.iter().map(|n| if circular { (*n).min(0) } else { 0 }).collect();
        let mut x = if crop.iter().any(|n| *n < 0) { self.pad(&crop, 0)? } else { self.clone() };
        for (d, pair) in pairs.iter().enumerate().filter(|(_, pair)| **pair != (0, 0)) {
            mode.check(d, x.shape()[d], *pair, circular)?;
        }
        if !circular && self.dtype().is_half() {
            return self.picked_around(&pairs, mode);
        }
        // The last dimension first: so gradients are added up in PyTorch's order.
        for (d, &(before, behind)) in pairs.iter().enumerate().rev() {
            let (before, behind) = if circular { (before.max(0), behind.max(0)) } else { (before, behind) };
            if before == 0 && behind == 0 {
                continue;
            }
            let whole = x.surrounded(d, [before, behind].map(|n| n.max(0) as usize), mode)?;
            // What is cropped goes from the end that it is counted at, with what was added at the other.
            let crop = [before, behind].map(|n| n.min(0).unsigned_abs());
            let left = whole.shape()[d] - crop[0] - crop[1];
            x = if crop == [0, 0] { whole } else { whole.narrow(d as isize, crop[0] as isize, left)?.copy()? };
        }
        if x.is(self) { self.copy() } else { Ok(x) }
    }

    /// Reflected or replicated around by one index of all dimensions: so its gradient is added up in PyTorch's order,
    /// which is seen where every sum is rounded to half precision.
    #[track_caller]
    fn picked_around(&self, pairs: &[(isize, isize)], mode: PadMode) -> Result<Tensor> {
        let padded = |pair: &(isize, isize)| *pair != (0, 0);
        let (Some(first), Some(last)) = (pairs.iter().position(padded), pairs.iter().rposition(padded)) else {
            return self.copy();
        };
        let (mut index, mut shape) = (Tensor::zeros(()).dtype(DType::I64).device(self.device()).build()?, Shape::new());
        for (&size, &(before, behind)) in self.shape()[first..=last].iter().zip(&pairs[first..=last]) {
            let (end, edge) = (size as i64 - 1, size as i64 + behind as i64);
            let at = Tensor::arange(-(before as i64), edge).dtype(DType::I64).device(self.device()).build()?;
            let at = match mode {
                PadMode::Reflect => at.abs()?.neg()?.add(end)?.abs()?.neg()?.add(end)?,
                _ => at.clamp(0, end)?,
            };
            index = index.mul(size as i64)?.unsqueeze(-1)?.add(&at)?;
            shape.push(at.numel());
        }
        let (before, behind) = (&self.shape()[..first], &self.shape()[last + 1..]);
        let dims = DimList::from_slice(&[first]);
        let flat = self.flatten(first as isize, last as isize)?;
        dispatch(Index { op: "pad", dims, wrap: false }, &[&flat, &index.reshape(-1)?])?
            .reshape([before, &shape, behind].concat())
    }

    /// With as many elements of its own before and behind dimension `d` as `more` says, which the mode allows.
    #[track_caller]
    fn surrounded(&self, d: usize, more: [usize; 2], mode: PadMode) -> Result<Tensor> {
        let (dim, size) = (d as isize, self.shape()[d]);
        let part = |start: usize, len: usize| self.narrow(dim, start as isize, len);
        let repeated = |at: usize, len: usize| {
            let mut shape = Shape::from_slice(self.shape());
            shape[d] = len;
            part(at, 1)?.expand(shape)
        };
        let [before, behind] = more;
        let side = |first: bool| match (mode, if first { before } else { behind }) {
            (_, 0) => Ok(None),
            (PadMode::Reflect, n) => part(if first { 1 } else { size - 1 - n }, n)?.flip(dim).map(Some),
            (PadMode::Replicate, n) => repeated(if first { 0 } else { size - 1 }, n).map(Some),
            (PadMode::Circular, n) => part(if first { size - n } else { 0 }, n).map(Some),
        };
        let (first, last) = (side(true)?, side(false)?);
        let all: SmallVec<[Tensor; 3]> = first.into_iter().chain([self.clone()]).chain(last).collect();
        if let [one] = &all[..] { Ok(one.clone()) } else { cat(&all, dim) }
    }

    /// Padded to `size` in dimension `dim`, behind, with `value`; or cropped there.
    ///
    /// # Errors
    /// Where there is no such dimension, or the dtype has no such number.
    #[track_caller]
    pub fn fit(&self, dim: isize, size: usize, value: impl Into<Scalar>) -> Result<Tensor> {
        let d = crate::shape::dim_index("fit", dim, self.rank())?;
        let have = self.size(dim)?;
        let Some(missing) = isize::try_from(size).ok().and_then(|size| size.checked_sub(have as isize)) else {
            bail!(Memory, "fit", "{size} elements are more than can be counted")
        };
        let mut pads: SmallVec<[(isize, isize); 6]> = SmallVec::from_elem((0, 0), self.rank());
        pads[d] = (0, missing);
        dispatch(Pad { pads, value: value.into().stored_as("fit", self.dtype())? }, &[self])
    }
}
