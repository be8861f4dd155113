//! Images and volumes sampled at places that a tensor names: [`grid_sample`](Tensor::grid_sample).

use crate::interpreters::autocast::in_full_precision;
use crate::{DType, Result, Tensor, bail, ensure, stack};

/// How [`grid_sample`](Tensor::grid_sample) finds an element between others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridMode {
    /// linear in each dimension
    #[default]
    Bilinear,
    /// the nearest element
    Nearest,
    /// cubic in both dimensions of an image
    Bicubic,
}

/// What [`grid_sample`](Tensor::grid_sample) finds outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridPadding {
    /// zeros
    #[default]
    Zeros,
    /// the nearest element at the border
    Border,
    /// the image mirrored at its border
    Reflection,
}

const OP: &str = "grid_sample";

/// One dimension of the input, and how places in it are meant.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    padding: GridPadding,
    align_corners: bool,
}

impl Axis {
    /// Elements from −1 … 1.
    fn element(&self, x: &Tensor) -> Result<Tensor> {
        let n = self.size as f64;
        if self.align_corners { x.add(1)?.mul((n - 1.0) / 2.0) } else { x.add(1)?.mul(n)?.sub(1)?.div(2) }
    }

    /// Places outside moved inside, as the padding has it.
    fn inside(&self, x: &Tensor) -> Result<Tensor> {
        let last = self.size as f64 - 1.0;
        match self.padding {
            GridPadding::Zeros => Ok(x.clone()),
            GridPadding::Border => x.clamp(0.0, last),
            GridPadding::Reflection => {
                let (low, span) = if self.align_corners { (0.0, last) } else { (-0.5, self.size as f64) };
                if span == 0.0 {
                    return x.mul(0);
                }
                let away = x.sub(low)?.abs()?;
                let flips = away.detach().div(span)?.floor()?;
                let over = away.sub(&flips.mul(span)?)?;
                let odd = flips.remainder(2)?.ne(0)?;
                over.rsub(span)?.where_cond(&odd, &over)?.add(low)?.clamp(0.0, last)
            }
        }
    }
}

/// A place along one dimension and its weight.
type Tap = (Tensor, Option<Tensor>);

/// The weights of four neighbours at distance t behind the second.
fn cubic(t: &Tensor) -> Result<[Tensor; 4]> {
    const A: f64 = -0.75;
    let near = |x: &Tensor| x.mul(A + 2.0)?.sub(A + 3.0)?.mul(x)?.mul(x)?.add(1);
    let far = |x: &Tensor| x.mul(A)?.sub(5.0 * A)?.mul(x)?.add(8.0 * A)?.mul(x)?.sub(4.0 * A);
    let rest = t.rsub(1)?;
    Ok([far(&t.add(1)?)?, near(t)?, near(&rest)?, far(&rest.add(1)?)?])
}

impl Tensor {
    /// The input `[n, c, height, width]` at the places (x, y) of `grid`, `[n, h, w, 2]`, or `[n, c, depth, height,
    /// width]` at the places (x, y, z) of `[n, d, h, w, 3]`; −1 and 1 are the borders, with `align_corners` the centres
    /// of the corner elements: `torch.nn.functional.grid_sample`.
    ///
    /// # Errors
    /// Where shapes or dtypes do not go together, or the cubic mode is asked for in three dimensions.
    #[track_caller]
    pub fn grid_sample(
        &self,
        grid: impl AsRef<Tensor>,
        mode: GridMode,
        padding: GridPadding,
        align_corners: bool,
    ) -> Result<Tensor> {
        let grid = grid.as_ref();
        in_full_precision!(x = self, grid = grid => x.grid_sample(&grid, mode, padding, align_corners));
        let rank = self.rank().wrapping_sub(2);
        ensure!(
            matches!(rank, 2 | 3)
                && grid.rank() == self.rank()
                && grid.shape()[0] == self.shape()[0]
                && grid.shape()[rank + 1] == rank,
            Shape,
            OP,
            "a grid of shape {:?} does not go with an input of shape {:?}",
            grid.shape(),
            self.shape()
        );
        ensure!(
            self.dtype().is_float() && self.dtype() == grid.dtype(),
            DType,
            OP,
            "the input is {}, the grid {}, both must be of one floating-point dtype",
            self.dtype(),
            grid.dtype()
        );
        ensure!(mode != GridMode::Bicubic || rank == 2, Shape, OP, "the cubic mode is of two dimensions");
        let sizes = &self.shape()[2..];
        ensure!(sizes.iter().all(|s| *s > 0), Shape, OP, "the input {:?} has a dimension of size zero", self.shape());
        let dtype = self.dtype();
        if matches!(dtype, DType::F16 | DType::BF16) {
            let single = |x: &Tensor| x.to_dtype(DType::F32);
            return single(self)?.grid_sample(single(grid)?, mode, padding, align_corners)?.to_dtype(dtype);
        }
        let (n, c) = (self.shape()[0], self.shape()[1]);
        // The number of samples of a grid, in rows.
        let samples = crate::shape::product(OP, &grid.shape()[1..=rank])?;
        let mut axes: Vec<Vec<Tap>> = Vec::with_capacity(rank);
        for (k, &size) in sizes.iter().enumerate() {
            let axis = Axis { size, padding, align_corners };
            // The grid has x, the last dimension, first.
            let x = grid.select(-1, (rank - 1 - k) as isize)?.reshape([n, samples])?;
            let place = axis.element(&x)?;
            axes.push(match mode {
                GridMode::Nearest => vec![(axis.inside(&place)?.detach().round()?, None)],
                GridMode::Bilinear => {
                    let place = axis.inside(&place)?;
                    let first = place.detach().floor()?;
                    let share = place.sub(&first)?;
                    vec![(first.clone(), Some(share.rsub(1)?)), (first.add(1)?, Some(share))]
                }
                GridMode::Bicubic => {
                    let first = place.detach().floor()?;
                    let weights = cubic(&place.sub(&first)?)?;
                    let tap =
                        |(k, w): (usize, Tensor)| Ok((axis.inside(&first.add(k as f64 - 1.0)?)?.round()?, Some(w)));
                    weights.into_iter().enumerate().map(tap).collect::<Result<_>>()?
                }
            });
        }
        let flat = self.reshape([n, c, crate::shape::product(OP, sizes)?])?;
        let count: usize = axes.iter().map(Vec::len).product();
        let mut sum: Option<Tensor> = None;
        for corner in 0..count {
            let (mut rest, mut number, mut weight, mut there): (_, Option<Tensor>, Option<Tensor>, Option<Tensor>) =
                (corner, None, None, None);
            for (taps, &size) in axes.iter().zip(sizes) {
                let (place, w) = &taps[rest % taps.len()];
                rest /= taps.len();
                let last = size as f64 - 1.0;
                // NaN is nowhere.
                let within = place.ge(0)?.logical_and(&place.le(last)?)?;
                let at = place.masked_fill(&within.logical_not()?, 0)?.to_dtype(DType::I64)?;
                number = Some(match number {
                    Some(number) => number.mul(size as i64)?.add(&at)?,
                    None => at,
                });
                there = Some(match there {
                    Some(there) => there.logical_and(&within)?,
                    None => within,
                });
                weight = match (weight, w) {
                    (Some(a), Some(b)) => Some(a.mul(b)?),
                    (a, b) => a.or(b.clone()),
                };
            }
            let (Some(number), Some(there)) = (number, there) else { bail!(Shape, OP, "the input has no dimensions") };
            let picked = flat.gather(2, number.unsqueeze(1)?.expand([n, c, samples])?)?;
            let picked = picked.masked_fill(&there.logical_not()?.unsqueeze(1)?, 0)?;
            let part = match weight {
                Some(weight) => picked.mul(&weight.unsqueeze(1)?)?,
                None => picked,
            };
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        let Some(sum) = sum else { bail!(Shape, OP, "the input has no dimensions") };
        let shape: Vec<usize> = [n, c].into_iter().chain(grid.shape()[1..=rank].iter().copied()).collect();
        sum.reshape(shape)
    }

    /// The grid of [`grid_sample`](Tensor::grid_sample) for the affine maps `self`, `[n, 2, 3]` over an output of `size`
    /// `[n, c, h, w]`, or `[n, 3, 4]` over `[n, c, d, h, w]`: `torch.nn.functional.affine_grid`.
    ///
    /// # Errors
    /// Where the shapes do not go together, or the maps are not of floating point.
    #[track_caller]
    pub fn affine_grid(&self, size: impl crate::IntoShape, align_corners: bool) -> Result<Tensor> {
        const OP: &str = "affine_grid";
        let size = size.into_shape(OP)?;
        let rank = size.len().wrapping_sub(2);
        ensure!(
            matches!(rank, 2 | 3) && self.shape() == [size[0], rank, rank + 1],
            Shape,
            OP,
            "maps of shape {:?} do not go with an output of shape {:?}",
            self.shape(),
            &size[..]
        );
        ensure!(self.dtype().is_float(), DType, OP, "not defined for {}", self.dtype());
        let sizes = &size[2..];
        let mut columns = Vec::with_capacity(rank + 1);
        for k in (0..rank).rev() {
            let n = sizes[k];
            // One element stands in the middle.
            let end = match n {
                0 | 1 => 0.0,
                _ if align_corners => 1.0,
                n => 1.0 - 1.0 / n as f64,
            };
            let list = Tensor::linspace(-end, end, n).dtype(self.dtype()).device(self.device()).build()?;
            let shape: Vec<usize> = (0..rank).map(|j| if j == k { n } else { 1 }).collect();
            columns.push(list.reshape(shape)?.expand(sizes)?);
        }
        columns.push(Tensor::ones(sizes).dtype(self.dtype()).device(self.device()).build()?);
        let points = stack(&columns, -1)?.reshape([-1, rank as isize + 1])?;
        let shape: Vec<usize> = [size[0]].into_iter().chain(sizes.iter().copied()).chain([rank]).collect();
        points.unsqueeze(0)?.matmul(&self.mt()?)?.reshape(shape)
    }
}
