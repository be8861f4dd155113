//! Ops that draw: categories by weight, and which elements are left out.

use super::{Distribution, Random};
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::random::Generator;
use crate::{DType, Result, Shape, Tensor, bail, dispatch, dispatch_all, ensure};

/// Numbers of categories, drawn by weight: of `[categories]` or `[rows, categories]`, `samples` for each row.
#[derive(Clone, Debug)]
pub struct Multinomial {
    /// How many are drawn for each row.
    pub samples: usize,
    /// Whether one may come twice.
    pub replacement: bool,
    /// The generator that gives the numbers; the default one unless set.
    pub generator: Option<Generator>,
}

/// Each element is left out with probability `p`, the others are divided by 1 − p. The second output says which are
/// kept, in bool.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// The probability, not 1.
    pub p: f64,
    /// The generator that gives the numbers; the default one unless set.
    pub generator: Option<Generator>,
}

impl Infer for Multinomial {
    const NAME: &'static str = "multinomial";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, samples) = (inputs[0], self.samples);
        Generator::check(Self::NAME, self.generator.as_ref(), x.device())?;
        ensure!(x.dtype().is_float(), DType, Self::NAME, "weights are floating point, not {}", x.dtype());
        let (shape, categories) = match *x.shape() {
            [categories] => (Shape::from_slice(&[samples]), categories),
            [rows, categories] => (Shape::from_slice(&[rows, samples]), categories),
            ref other => {
                bail!(Shape, Self::NAME, "weights have shape [categories] or [rows, categories], not {other:?}")
            }
        };
        ensure!(samples > 0, Argument, Self::NAME, "cannot draw 0 samples");
        ensure!(categories > 0, Argument, Self::NAME, "there are no categories to draw from");
        ensure!(
            self.replacement || samples <= categories,
            Argument,
            Self::NAME,
            "cannot draw {samples} samples from {categories} categories without replacement"
        );
        Meta::new(shape, DType::I64).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.in_ops(inputs[0]).map(|drawn| Outputs::from_iter([drawn])))
    }
}

/// Samples that PyTorch's CUDA kernel draws together: a row takes so many numbers, or a multiple of that.
const TOGETHER: usize = 128;

impl Multinomial {
    /// The draw in other ops, in the order of PyTorch's on CUDA: categories are ranked by their weights over exponential
    /// numbers; with replacement a uniform number for each sample is looked up in the running sums.
    #[track_caller]
    fn in_ops(&self, weights: &Tensor) -> Result<Tensor> {
        if weights.numel() == 0 {
            return Tensor::zeros([0, self.samples]).dtype(DType::I64).device(weights.device()).build();
        }
        let fit = weights.ge(0)?.logical_and(&weights.isfinite()?)?.all(-1)?;
        let any = weights.gt(0)?.any(-1)?;
        ensure!(fit.all(..)?.item::<bool>()?, Argument, Self::NAME, "a weight is not a finite number of at least 0");
        ensure!(any.all(..)?.item::<bool>()?, Argument, Self::NAME, "the weights of a row are all 0");
        if self.replacement && self.samples > 1 { self.with_replacement(weights) } else { self.ranked(weights) }
    }

    fn ranked(&self, weights: &Tensor) -> Result<Tensor> {
        let drawn = self.drawn(Distribution::Exponential { lambda: 1.0 }, weights.shape(), weights)?;
        let order = weights.div(&drawn)?;
        Ok(order.topk(self.samples)?.indices)
    }

    fn with_replacement(&self, weights: &Tensor) -> Result<Tensor> {
        let wide = if weights.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let rows = if weights.rank() == 1 { weights.unsqueeze(0)? } else { weights.clone() }.to_dtype(wide)?;
        let (n, categories) = (rows.size(0)?, rows.size(1)?);
        let sums = rows.div(&rows.sum_keepdim(-1)?)?.cumsum(-1)?;
        let (ensured, samples) = (self.samples.checked_next_multiple_of(TOGETHER), self.samples);
        let Some(ensured) = ensured else { bail!(Argument, Self::NAME, "cannot draw {samples} samples") };
        let uniform = Distribution::Uniform { from: 0.0, to: 1.0 };
        let drawn = self.drawn(uniform, &[n, ensured], &Tensor::full([], 0.0).device(rows.device()).build()?)?;
        let drawn = drawn.narrow(1, 0, samples)?.to_dtype(wide)?.contiguous()?;
        // In (0, 1], as the generator has them: `uniform` has 0 in the place of 1.
        let drawn = drawn.masked_fill(&drawn.eq(0)?, 1)?;
        // Where sums fall short of 1, the last category that can come.
        let places = Tensor::arange(0, categories as i64).device(rows.device()).build()?;
        let last = places.where_cond(&rows.gt(0)?, 0)?.amax_keepdim(-1)?;
        let found = sums.searchsorted(&drawn, false)?.minimum(&last)?;
        if weights.rank() == 1 { found.squeeze(0) } else { Ok(found) }
    }

    /// Random numbers of the dtype and device of `like`.
    fn drawn(&self, distribution: Distribution, shape: &[usize], like: &Tensor) -> Result<Tensor> {
        let generator = self.generator.clone();
        let (shape, dtype, device) = (Shape::from_slice(shape), like.dtype(), like.device());
        dispatch(Random { distribution, generator, shape, dtype, device, strided: false }, &[])
    }
}

impl Infer for Dropout {
    const NAME: &'static str = "dropout";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        Generator::check(Self::NAME, self.generator.as_ref(), x.device())?;
        ensure!(x.dtype().is_float(), DType, Self::NAME, "not defined for {}", x.dtype());
        ensure!((0.0..1.0).contains(&self.p), Argument, Self::NAME, "p = {} is not in 0..1", self.p);
        Ok(Metas::from_iter([Meta::like(x), Meta::like(x).with_dtype(DType::Bool)]))
    }
}

impl Tensor {
    /// Numbers of categories, drawn by these weights, which need not add up to 1: `torch.multinomial`. Of
    /// `[categories]` or `[rows, categories]` it gives `[samples]` or `[rows, samples]`, in i64.
    ///
    /// ```
    /// use flambeau_tensor::tensor;
    ///
    /// let drawn = tensor!([0.0, 3.0, 0.0, 1.0]).multinomial(2, false)?.to_vec::<i64>()?;
    /// assert!(drawn == [1, 3] || drawn == [3, 1]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a weight is negative or not finite or a row is all zero, and where more samples than categories are asked
    /// for without replacement.
    #[track_caller]
    pub fn multinomial(&self, samples: usize, replacement: bool) -> Result<Tensor> {
        dispatch(Multinomial { samples, replacement, generator: None }, &[self])
    }

    /// Leaves out each element with probability `p` and divides the others by 1 − p; the second tensor says which are
    /// kept: `torch.native_dropout`. The numbers are drawn in the order of memory, from `generator` or the default one.
    ///
    /// # Errors
    /// Where `p` is no probability or the dtype is not floating point.
    #[track_caller]
    pub fn native_dropout(&self, p: f64, generator: Option<&Generator>) -> Result<(Tensor, Tensor)> {
        if p == 1.0 && self.dtype().is_float() {
            // Nothing is drawn, and nothing divided by 0.
            let none = Tensor::full(self.shape(), false).device(self.device()).build()?;
            return Ok((self.mul(&none.to_dtype(self.dtype())?)?, none));
        }
        let mut out = dispatch_all(Dropout { p, generator: generator.cloned() }.into(), &[self])?.into_iter();
        match (out.next(), out.next()) {
            (Some(y), Some(kept)) => Ok((y, kept)),
            _ => bail!(Argument, "dropout", "a result is missing"),
        }
    }
}
