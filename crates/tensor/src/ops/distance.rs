//! Distances between vectors.

use crate::interpreters::autocast::{in_full_precision, paused};
use crate::ops::cast::rounded_once;
use crate::shape::product;
use crate::{Result, Tensor, ensure};

/// From how many vectors on [`cdist`](Tensor::cdist) goes through a matrix product, as PyTorch does.
const BY_PRODUCT: usize = 25;

impl Tensor {
    /// The distances, in the `p`-norm, from each row of `[…, n, m]` to each row of `other`, `[…, k, m]`: `[…, n, k]`,
    /// as `torch.cdist`. For p = 2 and more than 25 rows through a matrix product.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([[0.0, 0.0], [3.0, 4.0]]);
    /// assert_eq!(x.cdist(&x, 2.0)?.to_vec::<f32>()?, [0., 5., 5., 0.]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the two are not of one floating-point dtype, or do not have rows of one length.
    #[track_caller]
    pub fn cdist(&self, other: impl AsRef<Tensor>, p: f64) -> Result<Tensor> {
        let other = other.as_ref();
        in_full_precision!(a = self, b = other => a.cdist(&b, p));
        ensure!(p >= 0.0, Argument, "cdist", "p = {p}, a norm's order must not be negative");
        ensure!(
            self.dtype().is_float() && self.dtype() == other.dtype(),
            DType,
            "cdist",
            "the operands are {} and {}, both must be of one floating-point dtype",
            self.dtype(),
            other.dtype()
        );
        let (n, k) = (self.rank(), other.rank());
        ensure!(
            n >= 2 && k >= 2 && self.shape()[n - 1] == other.shape()[k - 1],
            Shape,
            "cdist",
            "operands {:?} and {:?} must be matrices with rows of one length",
            self.shape(),
            other.shape()
        );
        if p == 2.0 && self.shape()[n - 2].max(other.shape()[k - 2]) > BY_PRODUCT {
            let squares = |x: &Tensor| x.square()?.sum_keepdim(-1);
            let product = self.matmul(&other.mt()?)?.mul(-2)?;
            let square = product.add(&squares(self)?)?.add(&squares(other)?.mt()?)?.clamp_min(0)?;
            // The root of 0 has no derivative; the distance's is taken to be 0 there.
            let zero = square.eq(0)?;
            return square.masked_fill(&zero, 1)?.sqrt()?.masked_fill(&zero, 0);
        }
        self.unsqueeze(-2)?.sub(&other.unsqueeze(-3)?)?.norm(p, -1)
    }

    /// The distances between all pairs of rows of a matrix, in the `p`-norm, as a list: `torch.nn.functional.pdist`.
    ///
    /// # Errors
    /// Where the tensor is no matrix of floating point, or `p` is negative.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Result<Tensor> {
        in_full_precision!(x = self => x.pdist(p));
        ensure!(p >= 0.0, Argument, "pdist", "p = {p}, a norm's order must not be negative");
        ensure!(self.rank() == 2, Shape, "pdist", "the tensor {:?} is no matrix", self.shape());
        let n = self.shape()[0];
        let pairs = Tensor::triu_indices(n, n, 1)?.to_device(self.device())?;
        let row = |i: isize| self.index_select(0, pairs.select(0, i)?);
        row(0)?.sub(&row(1)?)?.norm(p, -1)
    }

    /// The distance in the `p`-norm of the vectors along the last dimension, `eps` added to each difference:
    /// `torch.nn.functional.pairwise_distance`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn pairwise_distance(&self, other: impl AsRef<Tensor>, p: f64, eps: f64, keepdim: bool) -> Result<Tensor> {
        let apart = self.sub(other.as_ref())?.add(eps)?;
        if keepdim { apart.norm_keepdim(p, -1) } else { apart.norm(p, -1) }
    }

    /// The cosine of the angle between the vectors along `dim`, their lengths taken to be at least `eps`:
    /// `torch.nn.functional.cosine_similarity`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or the operands are not of floating point.
    #[track_caller]
    pub fn cosine_similarity(&self, other: impl AsRef<Tensor>, dim: isize, eps: f64) -> Result<Tensor> {
        let dtype = crate::result_type(self, other.as_ref());
        ensure!(dtype.is_float(), DType, "cosine_similarity", "not defined for {dtype}");
        let both = crate::broadcast_tensors(&[&self.to_dtype(dtype)?, &other.as_ref().to_dtype(dtype)?])?;
        let unit = |x: &Tensor| x.div(&x.norm_keepdim(2.0, dim)?.clamp_min(eps)?);
        unit(&both[0])?.mul(&unit(&both[1])?)?.sum(dim)
    }

    /// Vectors along `dim` divided by their `p`-norm, which is taken to be at least `eps`:
    /// `torch.nn.functional.normalize`.
    ///
    /// # Errors
    /// Where the tensor is not of floating point.
    #[track_caller]
    pub fn normalize(&self, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
        self.div(&self.norm_keepdim(p, dim)?.clamp_min(eps)?)
    }

    /// The `p`-norm of the difference, over all elements: `torch.dist`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn dist(&self, other: impl AsRef<Tensor>, p: f64) -> Result<Tensor> {
        self.sub(other.as_ref())?.norm(p, ..)
    }

    /// The slices along `dim` whose `p`-norm is above `maxnorm` made so long: `torch.renorm`.
    ///
    /// # Errors
    /// Where there are fewer than two dimensions, or `p` is not above 0, or `maxnorm` is negative.
    #[track_caller]
    pub fn renorm(&self, p: f64, dim: isize, maxnorm: f64) -> Result<Tensor> {
        ensure!(p > 0.0, Argument, "renorm", "p = {p}, it must be above 0");
        ensure!(maxnorm >= 0.0, Argument, "renorm", "maxnorm = {maxnorm} is negative");
        ensure!(self.rank() > 1, Shape, "renorm", "the tensor {:?} has fewer than two dimensions", self.shape());
        let d = crate::shape::dim_index("renorm", dim, self.rank())?;
        let others: Vec<usize> = (0..self.rank()).filter(|k| *k != d).collect();
        // The summand is nothing to half precision, and what is divided by it would be infinite.
        rounded_once([self], |[x]| {
            let norm = x.norm_keepdim(p, others)?;
            let scale = norm.add(1e-7)?.rdiv(maxnorm)?;
            // A norm that is NaN is not above it.
            let scale = scale.masked_fill(&norm.gt(maxnorm)?.logical_not()?, 1)?;
            x.mul(&scale)
        })
    }

    /// x₁ᵀ · W · x₂ + b for each matrix of `weight`, `[out, n, m]`, of the vectors `[…, n]` and `[…, m]`: `[…, out]`, as
    /// `torch.nn.functional.bilinear`.
    ///
    /// # Errors
    /// Where the shapes do not go together.
    #[track_caller]
    pub fn bilinear(
        &self,
        other: impl AsRef<Tensor>,
        weight: impl AsRef<Tensor>,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (other, weight) = (other.as_ref(), weight.as_ref());
        let (a, b, w) = (self.shape(), other.shape(), weight.shape());
        let fits = a.len() == b.len()
            && !a.is_empty()
            && w.len() == 3
            && a[..a.len() - 1] == b[..b.len() - 1]
            && a.last() == Some(&w[1])
            && b.last() == Some(&w[2]);
        ensure!(fits, Shape, "bilinear", "vectors {a:?} and {b:?} do not go with a weight of shape {w:?}");
        let (lead, out, n, m) = (&a[..a.len() - 1], w[0], w[1], w[2]);
        let rows = product("bilinear", lead)?;
        // Mixed precision has no say in it, as in PyTorch: its products are not ours.
        let _own = paused();
        let through = self
            .reshape([rows, n])?
            .matmul(&weight.permute([1, 0, 2])?.reshape([n, product("bilinear", &[out, m])?])?)?;
        let summed = through.reshape([rows, out, m])?.matmul(&other.reshape([rows, m, 1])?)?;
        let shape: Vec<usize> = lead.iter().copied().chain([out]).collect();
        let y = summed.reshape(shape)?;
        match bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }
}
