//! Differences and sums along a dimension, and what statistics makes of several variables.

use crate::shape::{Shape, dim_index};
use crate::{DType, Result, Tensor, bail, cat, ensure};

/// How far apart the samples of [`gradient`](Tensor::gradient) stand along a dimension.
#[derive(Clone, Debug)]
pub enum Spacing {
    /// all equally far
    Even(f64),
    /// at these coordinates
    At(Tensor),
}

impl Tensor {
    /// The differences between neighbours along `dim`, taken `n` times, of the elements with `prepend` in front and
    /// `append` behind: `torch.diff`.
    ///
    /// # Errors
    /// Where the tensor has no dimensions.
    #[track_caller]
    pub fn diff(&self, n: usize, dim: isize, prepend: Option<&Tensor>, append: Option<&Tensor>) -> Result<Tensor> {
        ensure!(self.rank() > 0, Shape, "diff", "a tensor without dimensions has no neighbours");
        let d = dim_index("diff", dim, self.rank())? as isize;
        let all: Vec<&Tensor> = prepend.into_iter().chain([self]).chain(append).collect();
        let mut x = if n == 0 || all.len() == 1 { self.clone() } else { cat(&all, d)? };
        if x.numel() == 0 {
            // None of them has a difference, however often it is taken.
            return x.narrow(d, 0, x.size(d)?.saturating_sub(n));
        }
        for _ in 0..n {
            let size = x.size(d)?;
            if size == 0 {
                break;
            }
            let (after, before) = (x.narrow(d, 1, size - 1)?, x.narrow(d, 0, size - 1)?);
            x = if x.dtype() == DType::Bool { after.logical_xor(&before)? } else { after.sub(&before)? };
        }
        Ok(x)
    }

    /// The derivative along each of `dims`, estimated from neighbours (of the second order inside, of `edge_order` at
    /// the ends): `torch.gradient`. There is one spacing for all dimensions, or one for each.
    ///
    /// # Errors
    /// Where a dimension has fewer than `edge_order + 1` elements, or the spacings are not as many as the dimensions.
    #[track_caller]
    pub fn gradient(
        &self,
        spacing: &[Spacing],
        dims: impl Into<crate::Dims>,
        edge_order: usize,
    ) -> Result<Vec<Tensor>> {
        let dims = dims.into().resolve("gradient", self.rank())?;
        ensure!(matches!(edge_order, 1 | 2), Argument, "gradient", "edge_order is {edge_order}, it must be 1 or 2");
        ensure!(
            spacing.len() <= 1 || spacing.len() == dims.len(),
            Argument,
            "gradient",
            "{} spacings for {} dimensions",
            spacing.len(),
            dims.len()
        );
        let one = Spacing::Even(1.0);
        let each = dims.iter().enumerate().map(|(i, &d)| {
            let spacing = spacing.get(i).or(spacing.first()).unwrap_or(&one);
            self.slope(spacing, d as isize, edge_order)
        });
        each.collect()
    }

    /// The derivative along one dimension.
    #[track_caller]
    fn slope(&self, spacing: &Spacing, d: isize, edge_order: usize) -> Result<Tensor> {
        let size = self.size(d)?;
        ensure!(
            size > edge_order,
            Shape,
            "gradient",
            "dimension {d} of size {size} has fewer than {} elements",
            edge_order + 1
        );
        let x = self.to_dtype(self.dtype().to_float())?;
        let at = |start: usize, len: usize| x.narrow(d, start as isize, len);
        let rise = |a: usize, b: usize| at(b, 1)?.sub(&at(a, 1)?);
        let mut parts = Vec::with_capacity(3);
        let places = match spacing {
            Spacing::Even(h) => {
                let first = match edge_order {
                    1 => rise(0, 1)?,
                    _ => at(0, 1)?.mul(-1.5)?.add(&at(1, 1)?.mul(2)?)?.sub(&at(2, 1)?.mul(0.5)?)?,
                };
                parts.push(first.div(*h)?);
                if size > 2 {
                    parts.push(at(2, size - 2)?.sub(&at(0, size - 2)?)?.div(2.0 * h)?);
                }
                let last = match edge_order {
                    1 => rise(size - 2, size - 1)?,
                    _ => {
                        let [a, b, c] = [at(size - 3, 1)?, at(size - 2, 1)?, at(size - 1, 1)?];
                        a.mul(0.5)?.sub(&b.mul(2)?)?.add(&c.mul(1.5)?)?
                    }
                };
                parts.push(last.div(*h)?);
                return cat(&parts, d);
            }
            Spacing::At(places) => places,
        };
        ensure!(
            places.shape() == [size],
            Shape,
            "gradient",
            "coordinates of shape {:?} for dimension {d} of size {size}",
            places.shape()
        );
        // The distance to the left and to the right of each element inside, along this dimension.
        let places = places.to_dtype(if x.dtype().is_complex() { places.dtype() } else { x.dtype() })?;
        let shape: Shape = (0..x.rank()).map(|k| if k as isize == d { size - 1 } else { 1 }).collect();
        let gaps = places.diff(1, 0, None, None)?.reshape(shape)?;
        let gap = |start: usize, len: usize| gaps.narrow(d, start as isize, len);
        if edge_order == 1 {
            parts.push(rise(0, 1)?.div(&gap(0, 1)?)?);
        } else {
            parts.push(three([&at(0, 1)?, &at(1, 1)?, &at(2, 1)?], &gap(0, 1)?, &gap(1, 1)?)?);
        }
        if size > 2 {
            let n = size - 2;
            let (left, right) = (gap(0, n)?, gap(1, n)?);
            let sum = left.add(&right)?;
            let a = right.neg()?.div(&left.mul(&sum)?)?;
            let b = right.sub(&left)?.div(&left.mul(&right)?)?;
            let c = left.div(&right.mul(&sum)?)?;
            parts.push(at(0, n)?.mul(&a)?.add(&at(1, n)?.mul(&b)?)?.add(&at(2, n)?.mul(&c)?)?);
        }
        if edge_order == 1 {
            parts.push(rise(size - 2, size - 1)?.div(&gap(size - 2, 1)?)?);
        } else {
            let points = [&at(size - 1, 1)?, &at(size - 2, 1)?, &at(size - 3, 1)?];
            parts.push(three(points, &gap(size - 2, 1)?, &gap(size - 3, 1)?)?.neg()?);
        }
        cat(&parts, d)
    }

    /// The widths and mean heights of the trapezoids under the points along `dim`.
    #[track_caller]
    fn trapezoids(&self, op: &'static str, widths: &Spacing, dim: isize) -> Result<(Tensor, isize)> {
        ensure!(self.rank() > 0, Shape, op, "a tensor without dimensions has no neighbours");
        let d = dim_index(op, dim, self.rank())? as isize;
        let size = self.size(d)?;
        let n = size.saturating_sub(1);
        let sum = self.narrow(d, size.min(1) as isize, n)?.add(&self.narrow(d, 0, n)?)?;
        let widths = match widths {
            Spacing::Even(dx) => return Ok((sum.mul(*dx / 2.0)?, d)),
            Spacing::At(x) if x.rank() == 1 => {
                let shape: Shape = (0..self.rank()).map(|k| if k as isize == d { x.numel() } else { 1 }).collect();
                x.reshape(shape)?
            }
            Spacing::At(x) => {
                // Its dimensions stand at the end, as broadcasting has it.
                let Some(lead) = self.rank().checked_sub(x.rank()) else {
                    bail!(Shape, op, "coordinates of shape {:?} for points of shape {:?}", x.shape(), self.shape())
                };
                let shape: Shape = (0..lead).map(|_| 1).chain(x.shape().iter().copied()).collect();
                x.reshape(shape)?
            }
        };
        let widths = if widths.size(d)? == 1 && size != 1 { widths } else { widths.diff(1, d, None, None)? };
        Ok((sum.mul(&widths)?.div(2)?, d))
    }

    /// The area under the points along `dim`: `torch.trapezoid`.
    ///
    /// # Errors
    /// Where the coordinates do not go with the points.
    #[track_caller]
    pub fn trapezoid(&self, x: &Spacing, dim: isize) -> Result<Tensor> {
        let (parts, d) = self.trapezoids("trapezoid", x, dim)?;
        parts.sum(d)
    }

    /// The area under the points along `dim` up to each: `torch.cumulative_trapezoid`.
    ///
    /// # Errors
    /// Where the coordinates do not go with the points.
    #[track_caller]
    pub fn cumulative_trapezoid(&self, x: &Spacing, dim: isize) -> Result<Tensor> {
        let (parts, d) = self.trapezoids("cumulative_trapezoid", x, dim)?;
        parts.cumsum(d)
    }

    /// The vector product of the vectors of three elements along `dim`: `torch.cross`; without `dim` along the first
    /// dimension of that size.
    ///
    /// # Errors
    /// Where the ranks differ, the shapes do not broadcast, or a vector has not three elements.
    #[track_caller]
    pub fn cross(&self, other: impl AsRef<Tensor>, dim: Option<isize>) -> Result<Tensor> {
        let other = other.as_ref();
        ensure!(
            self.rank() == other.rank(),
            Shape,
            "cross",
            "operands {:?} and {:?} have not as many dimensions",
            self.shape(),
            other.shape()
        );
        let both = crate::broadcast_tensors(&[self, other])?;
        let d = match dim {
            Some(dim) => dim_index("cross", dim, self.rank())?,
            None => both[0].shape().iter().position(|s| *s == 3).unwrap_or(usize::MAX),
        };
        ensure!(
            both[0].shape().get(d) == Some(&3),
            Shape,
            "cross",
            "the vectors of {:?} have not three elements",
            both[0].shape()
        );
        let d = d as isize;
        let turned = |x: &Tensor, by: isize| x.roll(by, d);
        let (a, b) = (&both[0], &both[1]);
        turned(a, -1)?.mul(&turned(b, -2)?)?.sub(&turned(a, -2)?.mul(&turned(b, -1)?)?)
    }

    /// The Kronecker product: `torch.kron`.
    ///
    /// # Errors
    /// Where the product has more elements than memory.
    #[track_caller]
    pub fn kron(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        let rank = self.rank().max(other.rank());
        let size = |t: &Tensor, d: usize| (d + t.rank()).checked_sub(rank).map_or(1, |k| t.shape()[k]);
        let (mut left, mut right, mut all) = (Shape::new(), Shape::new(), Shape::new());
        for d in 0..rank {
            let (a, b) = (size(self, d), size(other, d));
            left.extend([a, 1]);
            right.extend([1, b]);
            let Some(both) = a.checked_mul(b) else {
                bail!(Memory, "kron", "{a} by {b} elements are more than can be counted")
            };
            all.push(both);
        }
        self.reshape(left)?.mul(&other.reshape(right)?)?.reshape(all)
    }

    /// How variables (rows) vary together over observations (columns): `torch.cov`. `fweights` says how often each
    /// observation was made, `aweights` how much it counts.
    ///
    /// # Errors
    /// Where the tensor has more than two dimensions or is of `bool`, or weights are not one for each observation.
    #[track_caller]
    pub fn cov(&self, correction: i64, fweights: Option<&Tensor>, aweights: Option<&Tensor>) -> Result<Tensor> {
        ensure!(self.rank() <= 2, Shape, "cov", "the tensor {:?} has more than two dimensions", self.shape());
        ensure!(self.dtype() != DType::Bool, DType, "cov", "not defined for bool");
        let x = if self.rank() < 2 { self.reshape([1, -1])? } else { self.clone() };
        let x = x.to_dtype(x.dtype().to_float())?;
        let n = x.shape()[1];
        for (name, w) in [("fweights", fweights), ("aweights", aweights)] {
            let fits = w.is_none_or(|w| w.rank() <= 1 && w.numel() == n);
            ensure!(fits, Shape, "cov", "`{name}` is not a list of {n} weights, one for each observation");
        }
        if let Some(f) = fweights {
            ensure!(f.dtype().is_int(), DType, "cov", "`fweights` is of {}, integers are right", f.dtype());
        }
        let real = if x.dtype().is_complex() { x.real()?.dtype() } else { x.dtype() };
        let weights = match (fweights, aweights) {
            (None, None) => None,
            (Some(w), None) | (None, Some(w)) => Some(w.clone()),
            (Some(f), Some(a)) => Some(f.mul(a)?),
        };
        let (mean, sum) = match &weights {
            None => (x.mean_keepdim(1)?, None),
            Some(w) => {
                let sum = w.sum(..)?;
                (x.mul(w)?.sum_keepdim(1)?.div(&sum)?, Some(sum))
            }
        };
        let norm = match (&weights, sum, aweights) {
            (Some(w), Some(sum), Some(a)) if correction != 0 => {
                let spread = w.mul(a)?.sum(..)?.mul(correction)?.div(&sum)?;
                sum.sub(&spread)?
            }
            (_, Some(sum), _) => sum.sub(if aweights.is_some() { 0 } else { correction })?,
            _ => Tensor::scalar_on(crate::Scalar::Float(n as f64 - correction as f64), real, x.device())?,
        };
        let norm = norm.clamp_min(0)?;
        let apart = x.sub(&mean)?;
        let weighted = match &weights {
            Some(w) => apart.mul(w)?,
            None => apart.clone(),
        };
        let cov = apart.matmul(&weighted.t()?.conj()?)?.div(&norm)?;
        if cov.numel() == 1 { cov.reshape(()) } else { Ok(cov) }
    }

    /// The correlation of variables (rows) over observations (columns), each between −1 and 1: `torch.corrcoef`.
    ///
    /// # Errors
    /// As for [`cov`](Tensor::cov).
    #[track_caller]
    pub fn corrcoef(&self) -> Result<Tensor> {
        let cov = self.cov(1, None, None)?;
        if cov.rank() == 0 {
            return cov.div(&cov);
        }
        let spread = cov.diagonal(0, 0, 1)?.real()?.sqrt()?;
        let c = cov.div(&spread.unsqueeze(1)?)?.div(&spread.unsqueeze(0)?)?;
        match c.dtype().is_complex() {
            true => c.real()?.clamp(-1, 1)?.complex(c.imag()?.clamp(-1, 1)?),
            false => c.clamp(-1, 1),
        }
    }
}

/// The slope at the first of three points, `near` and `far` apart.
fn three(points: [&Tensor; 3], near: &Tensor, far: &Tensor) -> Result<Tensor> {
    let sum = near.add(far)?;
    let a = near.mul(2)?.add(far)?.neg()?.div(&near.mul(&sum)?)?;
    let b = sum.div(&near.mul(far)?)?;
    let c = near.neg()?.div(&far.mul(&sum)?)?;
    points[0].mul(&a)?.add(&points[1].mul(&b)?)?.add(&points[2].mul(&c)?)
}
