//! Images and volumes sampled at places that a tensor names: [`grid_sample`](Tensor::grid_sample).

use crate::interpreters::autocast::in_full_precision;
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::shape::Shape;
use crate::{DType, Result, Tensor, dispatch, ensure, stack};

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

/// Samples of an input at the places of a grid. Inputs: `[n, c, …]` with two or three dimensions behind, and the grid,
/// `[n, …, 2]` or `[n, …, 3]`. Output: `[n, c, …]`, as large as the grid.
#[derive(Clone, Copy, Debug)]
pub struct GridSample {
    /// How an element between others is found.
    pub mode: GridMode,
    /// What is found outside.
    pub padding: GridPadding,
    /// Are −1 and 1 the centres of the corner elements? Else the borders.
    pub align_corners: bool,
}

/// The gradients through [`GridSample`]. Inputs: gradient, input and grid. Outputs: the gradients of the input and of the
/// grid, those of them that are asked for.
#[derive(Clone, Copy, Debug)]
pub struct GridSampleBackward {
    /// The op whose gradients they are.
    pub of: GridSample,
    /// Which are asked for.
    pub grads: [bool; 2],
}

impl GridSample {
    /// The output's shape, once the inputs are seen to fit.
    #[track_caller]
    fn shape(&self, x: &Tensor, grid: &Tensor) -> Result<Shape> {
        let rank = x.rank().wrapping_sub(2);
        ensure!(
            matches!(rank, 2 | 3)
                && grid.rank() == x.rank()
                && grid.shape()[0] == x.shape()[0]
                && grid.shape()[rank + 1] == rank,
            Shape,
            OP,
            "a grid of shape {:?} does not go with an input of shape {:?}",
            grid.shape(),
            x.shape()
        );
        ensure!(
            x.dtype().is_float() && x.dtype() == grid.dtype(),
            DType,
            OP,
            "the input is {}, the grid {}, both must be of one floating-point dtype",
            x.dtype(),
            grid.dtype()
        );
        ensure!(self.mode != GridMode::Bicubic || rank == 2, Shape, OP, "the cubic mode is of two dimensions");
        let sizes = &x.shape()[2..];
        ensure!(sizes.iter().all(|s| *s > 0), Shape, OP, "the input {:?} has a dimension of size zero", x.shape());
        Ok(x.shape()[..2].iter().chain(&grid.shape()[1..=rank]).copied().collect())
    }
}

impl Infer for GridSample {
    const NAME: &'static str = OP;
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let shape = self.shape(inputs[0], inputs[1])?;
        let dtype = inputs[0].dtype();
        ensure!(!dtype.is_half(), DType, OP, "not defined for {dtype}");
        Meta::new(shape, dtype).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (x, grid) = (inputs[0], inputs[1]);
            let samples = Samples::new(self, x, grid)?;
            let flat = x.flatten(2, -1)?;
            let mut sum: Option<Tensor> = None;
            for corner in 0..samples.corners() {
                let (at, there) = samples.element(corner)?;
                let part = samples.pick(&flat, &at, &there)?;
                let part = match samples.weight(corner, None)? {
                    Some(weight) => part.mul(&weight.unsqueeze(1)?)?,
                    None => part,
                };
                sum = Some(match sum {
                    Some(sum) => sum.add(&part)?,
                    None => part,
                });
            }
            let shape = self.shape(x, grid)?;
            let sum = sum.map_or_else(|| Tensor::zeros_like(x), Ok)?;
            Ok(Outputs::from_iter([sum.reshape(shape)?]))
        };
        Some(run())
    }
}

impl Infer for GridSampleBackward {
    const NAME: &'static str = "grid_sample_backward";
    const INPUTS: usize = 3;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (g, x, grid) = (inputs[0], inputs[1], inputs[2]);
        let shape = self.of.shape(x, grid)?;
        let fits = *g.shape() == shape[..] && g.dtype() == x.dtype();
        ensure!(fits, Shape, Self::NAME, "a gradient of {} {:?} for {} {shape:?}", g.dtype(), g.shape(), x.dtype());
        ensure!(!x.dtype().is_half(), DType, Self::NAME, "not defined for {}", x.dtype());
        Ok([x, grid].into_iter().zip(self.grads).filter(|(_, asked)| *asked).map(|(t, _)| Meta::like(t)).collect())
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (g, x, grid) = (inputs[0].flatten(2, -1)?, inputs[1], inputs[2]);
            let samples = Samples::new(&self.of, x, grid)?;
            let flat = x.flatten(2, -1)?;
            let rank = samples.axes.len();
            let mut to_input = if self.grads[0] { Some(Tensor::zeros_like(&flat)?) } else { None };
            let mut to_grid: Vec<Option<Tensor>> = vec![None; rank];
            for corner in 0..samples.corners() {
                let (at, there) = samples.element(corner)?;
                if let Some(sum) = to_input {
                    let part = match samples.weight(corner, None)? {
                        Some(weight) => g.mul(&weight.unsqueeze(1)?)?,
                        None => g.clone(),
                    };
                    let part = part.masked_fill(&there.logical_not()?.unsqueeze(1)?, 0)?;
                    to_input = Some(sum.scatter_add(2, at.unsqueeze(1)?.expand(g.shape())?, &part)?);
                }
                if self.grads[1] && self.of.mode != GridMode::Nearest {
                    let product = samples.pick(&flat, &at, &there)?.mul(&g)?.sum([1])?;
                    for (k, sum) in to_grid.iter_mut().enumerate() {
                        let Some(slope) = samples.weight(corner, Some(k))? else { continue };
                        let part = product.mul(&slope)?;
                        *sum = Some(match sum.take() {
                            Some(sum) => sum.add(&part)?,
                            None => part,
                        });
                    }
                }
            }
            let mut outputs = Outputs::new();
            if let Some(sum) = to_input {
                outputs.push(sum.reshape(x.shape())?);
            }
            if self.grads[1] {
                // The grid has x, the last dimension, first.
                let columns = to_grid.into_iter().zip(&samples.axes).rev().map(|(sum, taps)| match sum {
                    Some(sum) => sum.mul(&taps.factor),
                    None => Tensor::zeros_like(&taps.factor),
                });
                let columns = columns.collect::<Result<Vec<_>>>()?;
                outputs.push(stack(&columns, -1)?.reshape(grid.shape())?);
            }
            Ok(outputs)
        };
        Some(run())
    }
}

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

    /// Places outside moved inside, as the padding has it, and NaN with them.
    fn inside(&self, x: &Tensor) -> Result<Tensor> {
        let last = self.size as f64 - 1.0;
        let x = &match self.padding {
            GridPadding::Zeros => return Ok(x.clone()),
            _ => x.masked_fill(&x.isnan()?, if self.align_corners { 0.0 } else { -0.5 })?,
        };
        match self.padding {
            GridPadding::Zeros | GridPadding::Border => x.clamp(0.0, last),
            GridPadding::Reflection => {
                let (low, span) = if self.align_corners { (0.0, last) } else { (-0.5, self.size as f64) };
                if span == 0.0 {
                    return Tensor::zeros_like(x);
                }
                let away = x.sub(low)?.abs()?;
                let flips = away.detach().div(span)?.floor()?;
                let over = away.sub(&flips.mul(span)?)?;
                let odd = flips.remainder(2)?.ne(0)?;
                over.rsub(span)?.where_cond(&odd, &over)?.add(low)?.clamp(0.0, last)
            }
        }
    }

    /// The derivative of [`inside`](Axis::inside), 0 where a place was moved to the border.
    fn slope(&self, x: &Tensor) -> Result<Tensor> {
        let (last, x) = (self.size as f64 - 1.0, x.detach());
        let kept = |place: &Tensor| place.gt(0)?.logical_and(&place.lt(last)?)?.to_dtype(x.dtype());
        match self.padding {
            GridPadding::Zeros => Tensor::ones_like(&x),
            GridPadding::Border => kept(&x),
            GridPadding::Reflection => {
                let (low, span) = if self.align_corners { (0.0, last) } else { (-0.5, self.size as f64) };
                if span == 0.0 {
                    return Tensor::zeros_like(&x);
                }
                let odd = x.sub(low)?.abs()?.div(span)?.floor()?.remainder(2)?.ne(0)?;
                let turned = x.lt(low)?.logical_xor(&odd)?.to_dtype(x.dtype())?;
                turned.mul(-2)?.add(1)?.mul(&kept(&self.inside(&x)?)?)
            }
        }
    }
}

/// A place along one dimension, its weight, and the weight's derivative by the sample's place.
struct Tap {
    place: Tensor,
    weight: Option<(Tensor, Tensor)>,
}

/// What all samples are made of along one dimension, and the derivative of the samples' places by the grid.
struct Taps {
    list: Vec<Tap>,
    factor: Tensor,
}

/// The weights of four neighbours at distance t behind the second, and their derivatives.
fn cubic(t: &Tensor) -> Result<[(Tensor, Tensor); 4]> {
    const A: f64 = -0.75;
    let near = |x: &Tensor, sign: f64| -> Result<(Tensor, Tensor)> {
        let weight = x.mul(A + 2.0)?.sub(A + 3.0)?.mul(x)?.mul(x)?.add(1)?;
        Ok((weight, x.mul(3.0 * (A + 2.0))?.sub(2.0 * (A + 3.0))?.mul(x)?.mul(sign)?))
    };
    let far = |x: &Tensor, sign: f64| -> Result<(Tensor, Tensor)> {
        let weight = x.mul(A)?.sub(5.0 * A)?.mul(x)?.add(8.0 * A)?.mul(x)?.sub(4.0 * A)?;
        Ok((weight, x.mul(3.0 * A)?.sub(10.0 * A)?.mul(x)?.add(8.0 * A)?.mul(sign)?))
    };
    let rest = t.rsub(1)?;
    Ok([far(&t.add(1)?, 1.0)?, near(t, 1.0)?, near(&rest, -1.0)?, far(&rest.add(1)?, -1.0)?])
}

/// What samples are made of, in tensor ops: `[n, samples]` for each element and dimension.
struct Samples {
    axes: Vec<Taps>,
    sizes: Vec<usize>,
}

impl Samples {
    fn new(op: &GridSample, x: &Tensor, grid: &Tensor) -> Result<Samples> {
        let (n, sizes) = (x.shape()[0], x.shape()[2..].to_vec());
        let rank = sizes.len();
        let samples = crate::shape::product(OP, &grid.shape()[1..=rank])?;
        let mut axes = Vec::with_capacity(rank);
        for (k, &size) in sizes.iter().enumerate() {
            let axis = Axis { size, padding: op.padding, align_corners: op.align_corners };
            // The grid has x, the last dimension, first.
            let x = grid.select(-1, (rank - 1 - k) as isize)?.reshape([n, samples])?;
            let place = axis.element(&x)?;
            let scale = if op.align_corners { (size as f64 - 1.0) / 2.0 } else { size as f64 / 2.0 };
            axes.push(match op.mode {
                GridMode::Nearest => {
                    let place = axis.inside(&place)?.detach().round()?;
                    Taps { factor: Tensor::zeros_like(&place)?, list: vec![Tap { place, weight: None }] }
                }
                GridMode::Bilinear => {
                    let factor = axis.slope(&place)?.mul(scale)?;
                    let place = axis.inside(&place)?;
                    let first = place.detach().floor()?;
                    let share = place.sub(&first)?;
                    let one = Tensor::ones_like(&first)?;
                    let second = first.add(1)?;
                    let list = vec![
                        Tap { place: first, weight: Some((share.rsub(1)?, one.neg()?)) },
                        Tap { place: second, weight: Some((share, one)) },
                    ];
                    Taps { list, factor }
                }
                GridMode::Bicubic => {
                    let first = place.detach().floor()?;
                    let weights = cubic(&place.sub(&first)?)?;
                    let tap = |(k, weight): (usize, _)| {
                        let place = axis.inside(&first.add(k as f64 - 1.0)?)?.round()?;
                        Ok(Tap { place, weight: Some(weight) })
                    };
                    let list = weights.into_iter().enumerate().map(tap).collect::<Result<_>>()?;
                    Taps { list, factor: Tensor::ones_like(&first)?.mul(scale)? }
                }
            });
        }
        Ok(Samples { axes, sizes })
    }

    /// How many elements a sample is made of.
    fn corners(&self) -> usize {
        self.axes.iter().map(|taps| taps.list.len()).product()
    }

    /// The tap of each dimension.
    fn taps(&self, corner: usize) -> impl Iterator<Item = &Tap> {
        let mut rest = corner;
        self.axes.iter().map(move |taps| {
            let tap = &taps.list[rest % taps.list.len()];
            rest /= taps.list.len();
            tap
        })
    }

    /// The numbers of the elements in their planes, and which of them are inside.
    fn element(&self, corner: usize) -> Result<(Tensor, Tensor)> {
        let mut found: Option<(Tensor, Tensor)> = None;
        for (tap, &size) in self.taps(corner).zip(&self.sizes) {
            // NaN is nowhere.
            let within = tap.place.ge(0)?.logical_and(&tap.place.le(size as f64 - 1.0)?)?;
            let at = tap.place.masked_fill(&within.logical_not()?, 0)?.to_dtype(DType::I64)?;
            found = Some(match found {
                Some((number, there)) => (number.mul(size as i64)?.add(&at)?, there.logical_and(&within)?),
                None => (at, within),
            });
        }
        found.ok_or_else(|| crate::Error::new(crate::ErrorKind::Shape, OP, "the input has no dimensions"))
    }

    /// The weights, or their derivatives by the place along dimension `by`; none where they are 1.
    fn weight(&self, corner: usize, by: Option<usize>) -> Result<Option<Tensor>> {
        let mut product: Option<Tensor> = None;
        for (k, tap) in self.taps(corner).enumerate() {
            let Some((weight, slope)) = &tap.weight else { continue };
            let own = if by == Some(k) { slope } else { weight };
            product = Some(match product {
                Some(product) => product.mul(own)?,
                None => own.clone(),
            });
        }
        Ok(product)
    }

    /// Elements of planes `[n, c, elements]`, 0 for those outside.
    fn pick(&self, flat: &Tensor, at: &Tensor, there: &Tensor) -> Result<Tensor> {
        let shape = [flat.shape()[0], flat.shape()[1], at.shape()[1]];
        let picked = flat.gather(2, at.unsqueeze(1)?.expand(shape)?)?;
        picked.masked_fill(&there.logical_not()?.unsqueeze(1)?, 0)
    }
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
        let op = GridSample { mode, padding, align_corners };
        let dtype = self.dtype();
        if dtype.is_half() && grid.dtype() == dtype {
            // Rounded once.
            let single = |x: &Tensor| x.to_dtype(DType::F32);
            return dispatch(op, &[&single(self)?, &single(grid)?])?.to_dtype(dtype);
        }
        dispatch(op, &[self, grid])
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
