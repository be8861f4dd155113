//! Pooling undone, and pools and norms made of means over windows.

use crate::shape::{Shape, Spatial};
use crate::{AvgPoolOptions, DType, MaxPoolOptions, Result, Tensor, bail, ensure};
use smallvec::SmallVec;

impl Tensor {
    /// Elements back at their places in planes of `output`, zeros elsewhere.
    #[track_caller]
    fn unpooled(&self, op: &'static str, rank: usize, indices: &Tensor, output: Spatial) -> Result<Tensor> {
        crate::interpreters::autocast::in_full_precision!(x = self => x.unpooled(op, rank, indices, output));
        ensure!(
            self.rank() == rank + 1 || self.rank() == rank + 2,
            Shape,
            op,
            "the input {:?} must have {} dimensions, or {} without a batch",
            self.shape(),
            rank + 2,
            rank + 1
        );
        ensure!(
            indices.shape() == self.shape() && indices.dtype() == DType::I64,
            Shape,
            op,
            "places {} {:?} are not int64 of the input's shape {:?}",
            indices.dtype(),
            indices.shape(),
            self.shape()
        );
        let sizes = output.at_least(0, op, "output size", rank)?;
        let lead = &self.shape()[..self.rank() - rank];
        let Some(plane) = sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) else {
            bail!(Memory, op, "planes of {sizes:?} are larger than can be counted")
        };
        let flat = |x: &Tensor| x.flatten(lead.len() as isize, -1);
        let shape: Shape = lead.iter().copied().chain([plane]).collect();
        let none = Tensor::zeros(&shape).dtype(self.dtype()).device(self.device()).build()?;
        let whole: Shape = lead.iter().chain(&sizes).copied().collect();
        none.scatter(-1, flat(indices)?, flat(self)?)?.reshape(whole)
    }

    /// The default size of an unpooled plane.
    #[track_caller]
    fn unpooled_size(&self, op: &'static str, rank: usize, o: &UnpoolOptions) -> Result<Spatial> {
        if let Some(size) = o.output_size {
            return Ok(size);
        }
        let k = o.kernel.at_least(1, op, "kernel size", rank)?;
        let s = o.stride.unwrap_or(o.kernel).at_least(1, op, "stride", rank)?;
        let p = o.padding.at_least(0, op, "padding", rank)?;
        let Some(lead) = self.rank().checked_sub(rank) else {
            bail!(Shape, op, "the input {:?} has no {rank} dimensions to unpool", self.shape())
        };
        let sizes: Option<SmallVec<[isize; 3]>> = (0..rank)
            .map(|i| {
                let n = (self.shape()[lead + i] as isize).checked_sub(1)?.checked_mul(s[i] as isize)?;
                n.checked_add(k[i] as isize)?.checked_sub((p[i] as isize).checked_mul(2)?)
            })
            .collect();
        match sizes {
            Some(sizes) => Spatial::from_slice(&sizes),
            None => bail!(Shape, op, "the windows cover more than can be counted"),
        }
    }

    /// Each element divided by (k + α · the mean of squares of `size` channels around it)^β:
    /// `torch.nn.functional.local_response_norm`.
    ///
    /// # Errors
    /// Where `size` is 0 or the input has fewer than three dimensions.
    #[track_caller]
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
        const OP: &str = "local_response_norm";
        ensure!(self.rank() >= 3, Shape, OP, "the input {:?} has fewer than three dimensions", self.shape());
        ensure!(size > 0 && size <= isize::MAX as usize / 4, Argument, OP, "{size} channels are no window");
        if self.numel() == 0 {
            return Ok(self.clone());
        }
        // Channels become the last dimension but one, which the windows slide over.
        let (n, c) = (self.shape()[0], self.shape()[1]);
        let square = self.square()?.reshape([n, c, self.numel() / (n * c)])?;
        let padded = square.pad(&[0, 0, (size / 2) as isize, ((size - 1) / 2) as isize], 0)?;
        let mean = padded.unsqueeze(1)?.avg_pool2d(AvgPoolOptions::new((size, 1)).stride(1))?.reshape(self.shape())?;
        self.div(&mean.mul(alpha)?.add(k)?.pow(beta)?)
    }
}

/// The windows that [`max_unpool2d`](Tensor::max_unpool2d) and its like undo.
#[derive(Clone, Copy, Debug)]
pub struct UnpoolOptions {
    /// The size of a window.
    pub kernel: Spatial,
    /// Stride per spatial dimension; the window's size.
    pub stride: Option<Spatial>,
    /// How far windows reach over the border; 0.
    pub padding: Spatial,
    /// The size of a plane, where several would be right.
    pub output_size: Option<Spatial>,
}

impl UnpoolOptions {
    /// Windows of this size side by side.
    pub fn new(kernel: impl Into<Spatial>) -> Self {
        UnpoolOptions { kernel: kernel.into(), stride: None, padding: 0.into(), output_size: None }
    }

    /// Sets [`stride`](UnpoolOptions::stride).
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Spatial>) -> Self {
        self.stride = Some(stride.into());
        self
    }

    /// Sets [`padding`](UnpoolOptions::padding).
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Spatial>) -> Self {
        self.padding = padding.into();
        self
    }

    /// Sets [`output_size`](UnpoolOptions::output_size).
    #[must_use]
    pub fn output_size(mut self, size: impl Into<Spatial>) -> Self {
        self.output_size = Some(size.into());
        self
    }
}

impl<S: Into<Spatial>> From<S> for UnpoolOptions {
    fn from(kernel: S) -> Self {
        UnpoolOptions::new(kernel)
    }
}

macro_rules! unpools {
    ($($rank:literal, $sizes:literal, $unpool:ident;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("The largest elements of windows of `[n, c, ", $sizes, "]` back at their places, `indices`, and zeros elsewhere: `torch.nn.functional.", stringify!($unpool), "`.\n\n# Errors\nWhere the places have another shape, or one is outside.")]
                #[track_caller]
                pub fn $unpool(&self, indices: impl AsRef<Tensor>, options: impl Into<UnpoolOptions>) -> Result<Tensor> {
                    let output = self.unpooled_size(stringify!($unpool), $rank, &options.into())?;
                    self.unpooled(stringify!($unpool), $rank, indices.as_ref(), output)
                }
            )*
        }
    };
}
unpools! {
    1, "length", max_unpool1d;
    2, "height, width", max_unpool2d;
    3, "depth, height, width", max_unpool3d;
}

macro_rules! lp_pools {
    ($($rank:literal, $pool:ident, $avg:ident, $max:ident;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("The `p`-norm of each window: `torch.nn.functional.", stringify!($pool), "`; windows take `stride` and `ceil_mode`. The norm of order ∞ is the largest absolute value, of order −∞ the smallest.\n\n# Errors\nWhere a window does not fit, or `p` is 0 or NaN.")]
                #[track_caller]
                pub fn $pool(&self, p: f64, options: impl Into<AvgPoolOptions>) -> Result<Tensor> {
                    let options = options.into();
                    ensure!(p != 0.0 && !p.is_nan(), Argument, stringify!($pool), "there is no norm of order {p}");
                    if p.is_infinite() {
                        let (AvgPoolOptions { stride, ceil_mode, .. }, sizes) = (options, self.abs()?);
                        let windows = MaxPoolOptions { stride, ceil_mode, ..MaxPoolOptions::new(options.kernel) };
                        return if p > 0.0 { sizes.$max(windows) } else { sizes.neg()?.$max(windows)?.neg() };
                    }
                    let size = options.kernel.at_least(1, stringify!($pool), "kernel size", $rank)?;
                    let count = size.iter().map(|k| *k as f64).product::<f64>();
                    let mean = self.pow(p)?.$avg(options)?;
                    mean.sign()?.mul(&mean.abs()?.relu()?)?.mul(count)?.pow(1.0 / p)
                }
            )*
        }
    };
}
lp_pools! {
    1, lp_pool1d, avg_pool1d, max_pool1d;
    2, lp_pool2d, avg_pool2d, max_pool2d;
    3, lp_pool3d, avg_pool3d, max_pool3d;
}
