//! Pooling: the largest element or the mean of each window, in one to three dimensions, with windows that
//! slide or that divide the input evenly (adaptive pooling). The leading dimensions are planes that are
//! pooled apart, so a batch may stand there or not.

use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas};
use crate::ops::results::{ValuesIndices, values_indices};
use crate::shape::{DimList, Shape, Spatial};
use crate::{DType, Result, Tensor, bail, dispatch, ensure};
use smallvec::{SmallVec, smallvec};

/// Which elements an output is made of. Spatial values are given for each dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Windows {
    /// Of one size, some distance apart.
    Sliding {
        /// Elements in a window.
        kernel: Spatial,
        /// Stride per spatial dimension.
        stride: Spatial,
        /// Places before and behind the input that count as empty.
        padding: Spatial,
        /// Dilation per spatial dimension.
        dilation: Spatial,
        /// Is a last window that reaches beyond the input taken too?
        ceil_mode: bool,
    },
    /// As many as outputs are wanted, from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉.
    Adaptive {
        /// The outputs.
        output: Spatial,
    },
}

/// The largest element of each window, and its place in its plane as `int64`.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    /// The windows.
    pub windows: Windows,
}

/// The gradient of [`MaxPool`]: each of the first input's elements added where the second says.
#[derive(Clone, Copy, Debug)]
pub struct MaxPoolBackward {
    /// The sizes of a plane that was pooled.
    pub size: Spatial,
}

/// The mean of each window.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool {
    /// The windows.
    pub windows: Windows,
    /// Do places of the padding count as elements?
    pub count_include_pad: bool,
    /// What the sum is divided by, instead of the number of elements.
    pub divisor_override: Option<isize>,
}

/// The gradient of [`AvgPool`]: each element shared out over its window.
#[derive(Clone, Copy, Debug)]
pub struct AvgPoolBackward {
    /// The pooling.
    pub pool: AvgPool,
    /// The sizes of a plane that was pooled.
    pub size: Spatial,
}

/// One window along one dimension: `start`, `start + step`, … below `end`; it counts as `count` elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolWindow {
    /// The first element.
    pub start: usize,
    /// One past the last element, at most.
    pub end: usize,
    /// From one element to the next.
    pub step: usize,
    /// As how many elements it counts for a mean.
    pub count: usize,
}

/// The windows along each of three dimensions; one or two dimensions are three, the first of size 1.
pub type PoolAxes = [Vec<PoolWindow>; 3];

pub(crate) use {PoolAxes as Axes, PoolWindow as Window};

impl Windows {
    /// How many dimensions are pooled.
    pub fn rank(&self) -> usize {
        match self {
            Windows::Sliding { kernel, .. } => kernel.given().len(),
            Windows::Adaptive { output } => output.given().len(),
        }
    }

    /// How many windows along each dimension of size `size`.
    #[track_caller]
    fn outputs(&self, op: &'static str, size: &[usize]) -> Result<SmallVec<[usize; 3]>> {
        let rank = size.len();
        let Windows::Sliding { kernel, stride, padding, dilation, ceil_mode } = self else {
            let Windows::Adaptive { output } = self else { return Ok(SmallVec::new()) };
            return output.at_least(0, op, "output size", rank);
        };
        let (k, s) = (kernel.at_least(1, op, "kernel size", rank)?, stride.at_least(1, op, "stride", rank)?);
        let (p, d) = (padding.at_least(0, op, "padding", rank)?, dilation.at_least(1, op, "dilation", rank)?);
        (0..rank)
            .map(|i| {
                let reach = (k[i] - 1).checked_mul(d[i]).and_then(|r| r.checked_add(1));
                let Some(reach) = reach.filter(|r| *r <= isize::MAX as usize / 4) else {
                    bail!(Argument, op, "a window of {} elements, {} apart, is too large", k[i], d[i])
                };
                ensure!(
                    p[i] <= reach / 2,
                    Argument,
                    op,
                    "padding {} is more than half of the window's size {reach}",
                    p[i]
                );
                // Below 2^64, each of the two being below 2^63; the stride makes them more only in `ceil_mode`.
                let padded = size[i] + 2 * p[i];
                let up = if *ceil_mode { s[i] - 1 } else { 0 };
                let room = padded.checked_add(up).and_then(|room| room.checked_sub(reach));
                ensure!(
                    size[i] > 0 && room.is_some(),
                    Shape,
                    op,
                    "a window of {reach} does not fit size {} padded by {}: there is no output",
                    size[i],
                    p[i]
                );
                let mut n = room.unwrap_or(0) / s[i] + 1;
                // A window that starts behind the last element is not taken.
                if *ceil_mode && (n - 1) * s[i] >= size[i] + p[i] {
                    n -= 1;
                }
                ensure!(n > 0, Shape, op, "a window of {reach} does not fit size {}: there is no output", size[i]);
                Ok(n)
            })
            .collect()
    }

    /// All windows over planes of `size`. Padding counts where `padded`. As many as the output has places: it has
    /// elements.
    ///
    /// # Errors
    /// Where there is no window over such planes.
    #[track_caller]
    pub fn axes(&self, op: &'static str, size: &[usize], padded: bool) -> Result<PoolAxes> {
        let rank = size.len();
        let outputs = self.outputs(op, size)?;
        let mut axes: Axes = std::array::from_fn(|_| vec![Window { start: 0, end: 1, step: 1, count: 1 }]);
        for (i, (&n, &outputs)) in size.iter().zip(&outputs).enumerate() {
            axes[3 - rank + i] = match self {
                Windows::Adaptive { .. } => (0..outputs)
                    .map(|o| {
                        let at = |o: usize| o as u128 * n as u128;
                        let (start, end) = (at(o) / outputs as u128, at(o + 1).div_ceil(outputs as u128));
                        let (start, end) = (start as usize, end as usize);
                        Window { start, end, step: 1, count: end - start }
                    })
                    .collect(),
                Windows::Sliding { kernel, stride, padding, dilation, .. } => {
                    let each = |s: &Spatial| s.spread(op, "", rank).map(|v| v[i] as usize);
                    let (k, s, p, d) = (each(kernel)?, each(stride)?, each(padding)?, each(dilation)?);
                    (0..outputs)
                        .map(|o| {
                            let (from, to) = (o * s, o * s + (k - 1) * d + 1); // from the padding's start
                            let start = if from < p { from + (p - from).div_ceil(d) * d - p } else { from - p };
                            let end = to.saturating_sub(p).min(n);
                            let count = if padded { to.min(n + 2 * p) - from } else { end.saturating_sub(start) };
                            Window { start, end, step: d, count }
                        })
                        .collect()
                }
            };
        }
        Ok(axes)
    }

    /// The output's shape for an input of `shape`.
    #[track_caller]
    fn shape(&self, op: &'static str, shape: &[usize]) -> Result<Shape> {
        let rank = self.rank();
        ensure!(shape.len() >= rank, Shape, op, "the input {shape:?} has no {rank} dimensions to pool");
        let lead = shape.len() - rank;
        if let Windows::Adaptive { .. } = self {
            ensure!(
                shape[lead..].iter().all(|s| *s > 0),
                Shape,
                op,
                "the input {shape:?} has a dimension of size zero to pool"
            );
        }
        let mut out = Shape::from_slice(&shape[..lead]);
        out.extend(self.outputs(op, &shape[lead..])?);
        Ok(out)
    }
}

#[track_caller]
fn check_dtype(op: &'static str, x: &Tensor, integers: bool) -> Result<()> {
    let dtype = x.dtype();
    ensure!(dtype.is_float() || integers && dtype.is_int(), DType, op, "not defined for {dtype}");
    Ok(())
}

impl Infer for MaxPool {
    const NAME: &'static str = "max_pool";
    fn autocast(&self) -> Policy {
        // Of three dimensions, and of those alone, as PyTorch has it.
        if self.windows.rank() == 3 { Policy::Full } else { Policy::Keep }
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dtype("max_pool", inputs[0], true)?;
        let shape = self.windows.shape("max_pool", inputs[0].shape())?;
        Ok(smallvec![Meta::new(shape.clone(), inputs[0].dtype()), Meta::new(shape, DType::I64)])
    }
}

/// The shape of planes that were pooled to `pooled`.
#[track_caller]
fn planes(op: &'static str, pooled: &[usize], size: &Spatial) -> Result<Shape> {
    let rank = size.given().len();
    ensure!(pooled.len() >= rank, Shape, op, "the gradient {pooled:?} has no {rank} dimensions");
    let mut shape = Shape::from_slice(&pooled[..pooled.len() - rank]);
    shape.extend(size.at_least(0, op, "size", rank)?);
    Ok(shape)
}

impl Infer for MaxPoolBackward {
    const NAME: &'static str = "max_pool_backward";
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (g, places) = (inputs[0], inputs[1]);
        ensure!(
            g.shape() == places.shape(),
            Shape,
            "max_pool_backward",
            "gradient {:?} and places {:?} differ",
            g.shape(),
            places.shape()
        );
        ensure!(
            places.dtype() == DType::I64,
            DType,
            "max_pool_backward",
            "the places are {}, int64 is right",
            places.dtype()
        );
        Meta::new(planes("max_pool_backward", g.shape(), &self.size)?, g.dtype()).one()
    }
}

impl Infer for AvgPool {
    const NAME: &'static str = "avg_pool";
    fn autocast(&self) -> Policy {
        // Of three dimensions, and of those alone, as PyTorch has it.
        if self.windows.rank() == 3 { Policy::Full } else { Policy::Keep }
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        // As PyTorch: of integers only `int64`, truncated, and not in adaptive windows.
        let sliding = matches!(self.windows, Windows::Sliding { .. });
        check_dtype("avg_pool", inputs[0], sliding && inputs[0].dtype() == DType::I64)?;
        ensure!(self.divisor_override != Some(0), Argument, "avg_pool", "the divisor must not be zero");
        Meta::new(self.windows.shape("avg_pool", inputs[0].shape())?, inputs[0].dtype()).one()
    }
}

impl Infer for AvgPoolBackward {
    const NAME: &'static str = "avg_pool_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (rank, sizes) = (self.pool.windows.rank(), self.size.given().len());
        ensure!(rank == sizes, Argument, "avg_pool_backward", "windows of {rank} dimensions over planes of {sizes}");
        ensure!(self.pool.divisor_override != Some(0), Argument, "avg_pool", "the divisor must not be zero");
        let shape = planes("avg_pool_backward", inputs[0].shape(), &self.size)?;
        let pooled = self.pool.windows.shape("avg_pool_backward", &shape)?;
        ensure!(
            pooled[..] == *inputs[0].shape(),
            Shape,
            "avg_pool_backward",
            "the gradient has shape {:?} where {pooled:?} is right",
            inputs[0].shape()
        );
        Meta::new(shape, inputs[0].dtype()).one()
    }
}

/// Kernel and options of [`Tensor::max_pool2d`] and its fellows, with PyTorch's names and defaults. A number,
/// a pair or a triple alone is a kernel.
#[derive(Clone, Copy, Debug)]
pub struct MaxPoolOptions {
    /// Elements in a window.
    pub kernel: Spatial,
    /// Stride per spatial dimension; the window's size unless set.
    pub stride: Option<Spatial>,
    /// Empty places around the input, at most half of a window; 0.
    pub padding: Spatial,
    /// Dilation per spatial dimension; 1.
    pub dilation: Spatial,
    /// Is a last window that reaches beyond the input taken too? No.
    pub ceil_mode: bool,
}

/// Kernel and options of [`Tensor::avg_pool2d`] and its fellows, with PyTorch's names and defaults. A number,
/// a pair or a triple alone is a kernel.
#[derive(Clone, Copy, Debug)]
pub struct AvgPoolOptions {
    /// Elements in a window.
    pub kernel: Spatial,
    /// Stride per spatial dimension; the window's size unless set.
    pub stride: Option<Spatial>,
    /// Zeros around the input, at most half of a window; 0.
    pub padding: Spatial,
    /// Is a last window that reaches beyond the input taken too? No.
    pub ceil_mode: bool,
    /// Do zeros of the padding count as elements? Yes.
    pub count_include_pad: bool,
    /// What sums are divided by, instead of the number of elements.
    pub divisor_override: Option<isize>,
}

macro_rules! chain {
    ($Options:ident { $($fixed:ident: $value:expr),* } $($name:ident: $T:ty),*) => {
        impl $Options {
            /// Windows of `kernel` elements, and PyTorch's defaults.
            pub fn new(kernel: impl Into<Spatial>) -> Self {
                $Options { kernel: kernel.into(), stride: None, padding: 0.into(), ceil_mode: false, $($fixed: $value),* }
            }
            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](", stringify!($Options), "::", stringify!($name), ").")]
                #[must_use]
                pub fn $name(mut self, $name: impl Into<$T>) -> Self {
                    self.$name = $name.into();
                    self
                }
            )*
            /// Sets the distance from one window to the next.
            #[must_use]
            pub fn stride(mut self, stride: impl Into<Spatial>) -> Self {
                self.stride = Some(stride.into());
                self
            }
        }

        impl<S: Into<Spatial>> From<S> for $Options {
            fn from(kernel: S) -> Self {
                $Options::new(kernel)
            }
        }
    };
}
chain!(MaxPoolOptions { dilation: 1.into() } padding: Spatial, dilation: Spatial, ceil_mode: bool);
chain!(AvgPoolOptions { count_include_pad: true, divisor_override: None }
    padding: Spatial, ceil_mode: bool, count_include_pad: bool, divisor_override: Option<isize>);

/// A value for each of `rank` dimensions.
#[track_caller]
fn each(op: &'static str, what: &str, value: Spatial, rank: usize) -> Result<Spatial> {
    Spatial::from_slice(&value.spread(op, what, rank)?)
}

#[track_caller]
fn sliding(op: &'static str, rank: usize, o: &MaxPoolOptions) -> Result<Windows> {
    let each = |what, value| each(op, what, value, rank);
    Ok(Windows::Sliding {
        kernel: each("kernel size", o.kernel)?,
        stride: each("stride", o.stride.unwrap_or(o.kernel))?,
        padding: each("padding", o.padding)?,
        dilation: each("dilation", o.dilation)?,
        ceil_mode: o.ceil_mode,
    })
}

impl Tensor {
    #[track_caller]
    fn check_planes(&self, op: &'static str, rank: usize) -> Result<()> {
        ensure!(
            self.rank() == rank + 1 || self.rank() == rank + 2,
            Shape,
            op,
            "the input {:?} must have {} dimensions, or {} without a batch",
            self.shape(),
            rank + 2,
            rank + 1
        );
        Ok(())
    }

    #[track_caller]
    fn max_pooled(&self, op: &'static str, rank: usize, windows: Windows) -> Result<ValuesIndices> {
        self.check_planes(op, rank)?;
        values_indices(MaxPool { windows }, &[self])
    }

    /// `output` with the input's own size where it is −1.
    #[track_caller]
    fn adaptive(&self, op: &'static str, rank: usize, output: Spatial) -> Result<Windows> {
        self.check_planes(op, rank)?;
        let mut sizes = output.spread(op, "output size", rank)?;
        let own = &self.shape()[self.rank() - rank..];
        sizes.iter_mut().zip(own).filter(|(s, _)| **s == -1).for_each(|(s, own)| *s = *own as isize);
        Ok(Windows::Adaptive { output: Spatial::from_slice(&sizes)? })
    }
}

/// Whether there is one window, of the whole plane.
fn is_one_window(windows: &Windows) -> bool {
    matches!(windows, Windows::Adaptive { output } if output.given().iter().all(|n| *n == 1))
}

macro_rules! methods {
    ($($rank:literal, $sizes:literal, $max:ident, $max_at:ident, $avg:ident, $amax:ident, $amax_at:ident, $aavg:ident;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("The largest element of each window of `[n, c, ", $sizes, "]` (or without `n`): `torch.nn.functional.", stringify!($max), "`.")]
                #[doc = concat!("`x.", stringify!($max), "(2)` has windows of 2 side by side; [`MaxPoolOptions`] says more.\n\n```\n# use flambeau_tensor::Tensor;")]
                #[doc = concat!("let x = Tensor::ones([6; 2 + ", $rank, "]).build()?;\nassert_eq!(x.", stringify!($max), "(2)?.shape()[2..], [3; ", $rank, "]);")]
                #[doc = "# Ok::<(), flambeau_tensor::Error>(())\n```\n\n# Errors"]
                /// Where no window fits, or the padding is more than half of one.
                #[track_caller]
                pub fn $max(&self, options: impl Into<MaxPoolOptions>) -> Result<Tensor> {
                    Ok(self.$max_at(options)?.values)
                }

                #[doc = concat!("[`", stringify!($max), "`](Tensor::", stringify!($max), ") and the place of each element in its plane: `return_indices=True`.\n\n# Errors\nAs [`", stringify!($max), "`](Tensor::", stringify!($max), ").")]
                #[track_caller]
                pub fn $max_at(&self, options: impl Into<MaxPoolOptions>) -> Result<ValuesIndices> {
                    self.max_pooled(stringify!($max), $rank, sliding(stringify!($max), $rank, &options.into())?)
                }

                #[doc = concat!("The mean of each window of `[n, c, ", $sizes, "]` (or without `n`): `torch.nn.functional.", stringify!($avg), "`.\n\n```\n# use flambeau_tensor::Tensor;")]
                #[doc = concat!("let x = Tensor::ones([6; 2 + ", $rank, "]).build()?;\nassert_eq!(x.", stringify!($avg), "(3)?.shape()[2..], [2; ", $rank, "]);")]
                #[doc = "# Ok::<(), flambeau_tensor::Error>(())\n```\n\n# Errors"]
                /// Where no window fits, or the padding is more than half of one.
                #[track_caller]
                pub fn $avg(&self, options: impl Into<AvgPoolOptions>) -> Result<Tensor> {
                    self.check_planes(stringify!($avg), $rank)?;
                    let o = options.into();
                    let like = MaxPoolOptions { kernel: o.kernel, stride: o.stride, padding: o.padding, dilation: 1.into(), ceil_mode: o.ceil_mode };
                    let windows = sliding(stringify!($avg), $rank, &like)?;
                    dispatch(AvgPool { windows, count_include_pad: o.count_include_pad, divisor_override: o.divisor_override }, &[self])
                }

                #[doc = concat!("The largest elements of `output` windows that cover `[n, c, ", $sizes, "]`: `torch.nn.functional.", stringify!($amax), "`.")]
                /// −1 keeps a size.
                ///
                /// # Errors
                /// Where the input has no such dimensions, or nothing in them.
                #[track_caller]
                pub fn $amax(&self, output: impl Into<Spatial>) -> Result<Tensor> {
                    Ok(self.$amax_at(output)?.values)
                }

                #[doc = concat!("[`", stringify!($amax), "`](Tensor::", stringify!($amax), ") and the place of each element in its plane: `return_indices=True`.\n\n# Errors\nAs [`", stringify!($amax), "`](Tensor::", stringify!($amax), ").")]
                #[track_caller]
                pub fn $amax_at(&self, output: impl Into<Spatial>) -> Result<ValuesIndices> {
                    self.max_pooled(stringify!($amax), $rank, self.adaptive(stringify!($amax), $rank, output.into())?)
                }

                #[doc = concat!("The means of `output` windows that cover `[n, c, ", $sizes, "]`: `torch.nn.functional.", stringify!($aavg), "`. −1 keeps a size.\n\n# Errors\nWhere the input has no such dimensions, or nothing in them.")]
                #[track_caller]
                pub fn $aavg(&self, output: impl Into<Spatial>) -> Result<Tensor> {
                    let windows = self.adaptive(stringify!($aavg), $rank, output.into())?;
                    // Volumes of halves, whose sums PyTorch rounds on the way then.
                    if $rank == 3 && self.dtype().is_half() && self.numel() > 0 && is_one_window(&windows) {
                        let planes: DimList = (self.rank() - $rank..self.rank()).collect();
                        return self.mean_keepdim(planes);
                    }
                    dispatch(AvgPool { windows, count_include_pad: false, divisor_override: None }, &[self])
                }
            )*
        }
    };
}
methods! {
    1, "length", max_pool1d, max_pool1d_with_indices, avg_pool1d, adaptive_max_pool1d, adaptive_max_pool1d_with_indices, adaptive_avg_pool1d;
    2, "height, width", max_pool2d, max_pool2d_with_indices, avg_pool2d, adaptive_max_pool2d, adaptive_max_pool2d_with_indices, adaptive_avg_pool2d;
    3, "depth, height, width", max_pool3d, max_pool3d_with_indices, avg_pool3d, adaptive_max_pool3d, adaptive_max_pool3d_with_indices, adaptive_avg_pool3d;
}
