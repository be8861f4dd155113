//! Distributions of matrices, and of vectors whose covariance matrix is of low rank.

use super::{Beta, Chi2, MultivariateNormal};
use crate::expr::{X, x};
use crate::util::{broadcast_all, check_parameter, eps, extended, randn, samples, tiny, valid};
use crate::{Constraint, Distribution};
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::shape::broadcast_shapes;
use flambeau_tensor::{DType, Operand, Result, Tensor, ensure, linalg, no_grad};
use std::any::Any;
use std::f64::consts::{LN_2, PI};

/// 0, 1, …, n − 1.
fn counting(n: usize, like: &Tensor) -> X {
    Tensor::arange(0, n as i64).dtype(like.dtype()).device(like.device()).build().into()
}

/// The normal distribution of vectors whose covariance matrix is W Wᵀ + D with few columns in W and a diagonal D:
/// `torch.distributions.LowRankMultivariateNormal`.
#[derive(Clone, Debug)]
pub struct LowRankMultivariateNormal {
    loc: Tensor,
    factor: Tensor,
    diagonal: Tensor,
    /// The Cholesky factor of I + Wᵀ D⁻¹ W.
    capacitance: Tensor,
}

impl LowRankMultivariateNormal {
    /// Of means `[..., n]`, factors W `[..., n, m]` and diagonals `[..., n]`.
    ///
    /// # Errors
    /// Where the shapes do not fit or a number of the diagonal is not positive.
    #[track_caller]
    pub fn new(loc: impl AsRef<Tensor>, cov_factor: impl AsRef<Tensor>, cov_diag: impl AsRef<Tensor>) -> Result<Self> {
        let name = "LowRankMultivariateNormal";
        let (loc, factor, diagonal) = (loc.as_ref(), cov_factor.as_ref(), cov_diag.as_ref());
        let enough = loc.rank() >= 1 && factor.rank() >= 2 && diagonal.rank() >= 1;
        ensure!(enough, Shape, name, "means and diagonals are vectors, a factor is a matrix");
        let n = loc.shape()[loc.rank() - 1];
        let (rows, m) = (factor.shape()[factor.rank() - 2], factor.shape()[factor.rank() - 1]);
        let fits = rows == n && diagonal.shape()[diagonal.rank() - 1] == n;
        ensure!(
            fits,
            Shape,
            name,
            "means {:?}, factors {:?}, diagonals {:?}",
            loc.shape(),
            factor.shape(),
            diagonal.shape()
        );
        check_parameter(name, "loc", loc, &Constraint::Real)?;
        check_parameter(name, "cov_diag", diagonal, &Constraint::Positive)?;
        let outer = |t: &Tensor, own: usize| t.shape()[..t.rank() - own].to_vec();
        let batch = broadcast_shapes(name, &outer(loc, 1), &outer(factor, 2))?;
        let batch = broadcast_shapes(name, &batch, &outer(diagonal, 1))?;
        let loc = loc.expand([&batch[..], &[n]].concat())?;
        let factor = factor.expand([&batch[..], &[n, m]].concat())?;
        let diagonal = diagonal.expand([&batch[..], &[n]].concat())?;
        let (w, one) = (x(&factor), Tensor::eye(m).dtype(loc.dtype()).device(loc.device()).build());
        let inner = (w.mt() / x(&diagonal).unsqueeze(-2)).matmul(&w) + X::from(one);
        let capacitance = inner.then(|c| linalg::cholesky(c, false)).get()?;
        Ok(LowRankMultivariateNormal { loc, factor, diagonal, capacitance })
    }

    /// The means, `[..., n]`.
    pub fn loc(&self) -> &Tensor {
        &self.loc
    }

    /// The covariance matrices, `[..., n, n]`.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn covariance_matrix(&self) -> Result<Tensor> {
        let (w, d) = (x(&self.factor), x(&self.diagonal).then(|d| d.diag_embed(0, -2, -1)));
        (w.matmul(&w.mt()) + d).get()
    }

    /// The same as a family that keeps the whole matrix.
    pub(crate) fn dense(&self) -> Result<MultivariateNormal> {
        MultivariateNormal::from_scale_tril(&self.loc, &linalg::cholesky(&self.covariance_matrix()?, false)?)
    }

    fn log_det(&self) -> X {
        2.0 * x(&self.capacitance).diagonal().log().sum(-1) + x(&self.diagonal).log().sum(-1)
    }
}

impl Distribution for LowRankMultivariateNormal {
    vectors_around!(LowRankMultivariateNormal: loc);
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let (n, m) = (self.event_shape()[0], self.capacitance.size(-1)?);
        Ok(Box::new(LowRankMultivariateNormal {
            loc: self.loc.expand([shape, &[n]].concat())?,
            factor: self.factor.expand([shape, &[n, m]].concat())?,
            diagonal: self.diagonal.expand([shape, &[n]].concat())?,
            capacitance: self.capacitance.expand([shape, &[m, m]].concat())?,
        }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let m = self.capacitance.size(-1)?;
        let common = randn(&[shape, self.batch_shape(), &[m]].concat(), &self.loc).unsqueeze(-1);
        let own = randn(&extended(self, shape), &self.loc);
        let moved = x(&self.factor).matmul(&common).then(|v| v.squeeze(-1));
        (x(&self.loc) + moved + x(&self.diagonal).sqrt() * own).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (n, off) = (self.event_shape()[0] as f64, valid(self, value)? - x(&self.loc));
        // The inverse of W Wᵀ + D by that of the small matrix (Woodbury).
        let scaled = &off / x(&self.diagonal);
        let inner = x(&self.factor).mt().matmul(&scaled.unsqueeze(-1));
        let solved = inner.then(|b| {
            let (batch, m) = (&b.shape()[..b.rank() - 2], b.size(-2)?);
            let l = self.capacitance.expand([batch, &[m, m]].concat())?;
            linalg::solve_triangular(&l, b, false, true, false)
        });
        let distance = (scaled * off).sum(-1) - solved.square().sum([-2, -1]);
        (-0.5 * (self.log_det() + distance + n * (2.0 * PI).ln())).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let n = self.event_shape()[0] as f64;
        (0.5 * (self.log_det() + n * (1.0 + (2.0 * PI).ln()))).get()
    }
    fn mean(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        (x(&self.factor).square().sum(-1) + x(&self.diagonal)).get()
    }
}

/// Cholesky factors of correlation matrices, drawn by the onion method of Lewandowski, Kurowicka and Joe 2009:
/// `torch.distributions.LKJCholesky`. Concentration 1 makes all matrices equally likely, a greater one those near the
/// identity.
#[derive(Debug)]
pub struct LKJCholesky {
    concentration: Tensor,
    event: [usize; 2],
}

impl LKJCholesky {
    /// Of matrices `[dim, dim]`.
    ///
    /// # Errors
    /// Where `dim` is below 2 or a concentration not positive.
    #[track_caller]
    pub fn new<'a>(dim: usize, concentration: impl Into<Operand<'a>>) -> Result<Self> {
        ensure!(dim >= 2, Argument, "LKJCholesky", "correlations of {dim} variables; two or more are right");
        check_bytes("LKJCholesky", dim.saturating_mul(dim).saturating_mul(DType::F64.size()))?;
        let [concentration] = broadcast_all([concentration.into()])?;
        check_parameter("LKJCholesky", "concentration", &concentration, &Constraint::Positive)?;
        Ok(LKJCholesky { concentration, event: [dim, dim] })
    }

    /// The parameter, of the batch's shape.
    pub fn concentration(&self) -> &Tensor {
        &self.concentration
    }

    /// How the squared lengths of the rows off the diagonal are distributed, `[..., dim]`.
    fn lengths(&self) -> Result<Beta> {
        let dim = self.event[0];
        let before: Vec<f64> = (0..dim).map(|i| i.saturating_sub(1) as f64).collect();
        let before = Tensor::from_vec(before, dim)?.to_dtype(self.concentration.dtype())?;
        let before = x(&before.to_device(self.concentration.device())?);
        let rest = (x(&self.concentration) + 0.5 * (dim as f64 - 2.0)).unsqueeze(-1) - 0.5 * &before;
        Beta::new(&(before + 0.5).get()?, &rest.get()?)
    }
}

impl Distribution for LKJCholesky {
    fn name(&self) -> &'static str {
        "LKJCholesky"
    }
    fn batch_shape(&self) -> &[usize] {
        self.concentration.shape()
    }
    fn event_shape(&self) -> &[usize] {
        &self.event
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Constraint::CorrCholesky
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        Ok(Box::new(LKJCholesky { concentration: self.concentration.expand(shape)?, event: self.event }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| {
            let lengths = X::from(self.lengths()?.sample(shape)).unsqueeze(-1);
            let ways = randn(&extended(self, shape), &self.concentration).then(|n| n.tril(-1));
            let norm = ways.square().sum_keepdim(-1).sqrt();
            // The first row has no element off the diagonal.
            let ways = ways / norm.masked_fill(&norm.eq(0.0), 1.0);
            let rows = lengths.sqrt() * ways;
            let diagonal = (1.0 - rows.square().sum(-1)).clamp_min(tiny(self.concentration.dtype())).sqrt();
            (rows + diagonal.then(|d| d.diag_embed(0, -2, -1))).get()
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (dim, c) = (self.event[0], x(&self.concentration));
        let diagonal = valid(self, value)?.diagonal().then(|d| d.narrow(-1, 1, dim - 1));
        let order = counting(dim - 1, &self.concentration) * -1.0 + (dim as f64 - 2.0);
        let density = ((2.0 * (&c - 1.0)).unsqueeze(-1) + order) * diagonal.log();
        let (m, half) = (dim as f64 - 1.0, &c + 0.5 * (dim as f64 - 1.0));
        let norm = (&half - 0.5).then(|a| a.mvlgamma(dim as u32 - 1)) - half.lgamma() * m + 0.5 * m * PI.ln();
        (density.sum(-1) - norm).get()
    }
}

/// Positive definite matrices, the scatter of normal vectors: `torch.distributions.Wishart`.
#[derive(Debug)]
pub struct Wishart {
    df: Tensor,
    scale_tril: Tensor,
}

impl Wishart {
    /// Of degrees of freedom, above n − 1, and covariance matrices `[..., n, n]`.
    ///
    /// # Errors
    /// Where the shapes do not fit, the degrees are too few or a matrix is not symmetric and positive definite.
    #[track_caller]
    pub fn new<'a>(df: impl Into<Operand<'a>>, covariance: impl AsRef<Tensor>) -> Result<Self> {
        let covariance = covariance.as_ref();
        check_parameter("Wishart", "covariance_matrix", covariance, &Constraint::PositiveDefinite)?;
        Self::of(df.into(), &linalg::cholesky(covariance, false)?)
    }

    /// Of degrees of freedom and lower Cholesky factors of the covariance matrices, `[..., n, n]`.
    ///
    /// # Errors
    /// Where the shapes do not fit, the degrees are too few or a matrix is not lower triangular with a positive diagonal.
    #[track_caller]
    pub fn from_scale_tril<'a>(df: impl Into<Operand<'a>>, scale_tril: impl AsRef<Tensor>) -> Result<Self> {
        let scale_tril = scale_tril.as_ref();
        ensure!(scale_tril.rank() >= 2, Shape, "Wishart", "the factor has no two dimensions");
        check_parameter("Wishart", "scale_tril", scale_tril, &Constraint::LowerCholesky)?;
        Self::of(df.into(), scale_tril)
    }

    #[track_caller]
    fn of(df: Operand<'_>, tril: &Tensor) -> Result<Self> {
        let (name, outer, n) = ("Wishart", &tril.shape()[..tril.rank() - 2], tril.size(-1)?);
        let df = df.to_tensor(tril)?.to_dtype(tril.dtype())?;
        let batch = broadcast_shapes(name, df.shape(), outer)?;
        let (df, scale_tril) = (df.expand(&batch[..])?, tril.expand([&batch[..], &[n, n]].concat())?);
        let least = Tensor::full((), n as f64 - 1.0).dtype(df.dtype()).device(df.device()).build()?;
        check_parameter(name, "df", &df, &Constraint::GreaterThan(least))?;
        Ok(Wishart { df, scale_tril })
    }

    /// The degrees of freedom, of the batch's shape.
    pub fn df(&self) -> &Tensor {
        &self.df
    }

    /// The covariance matrices, `[..., n, n]`.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn covariance_matrix(&self) -> Result<Tensor> {
        let l = x(&self.scale_tril);
        l.matmul(&l.mt()).get()
    }

    fn size(&self) -> usize {
        self.event_shape()[0]
    }

    /// The degrees of freedom with two dimensions of size 1 for a matrix's.
    fn degrees(&self) -> X {
        x(&self.df).unsqueeze(-1).unsqueeze(-1)
    }

    /// n log 2 / 2 and half the logarithm of the covariance's determinant.
    fn half_logs(&self) -> X {
        x(&self.scale_tril).diagonal().log().sum(-1) + self.size() as f64 * LN_2 / 2.0
    }

    /// KL(self ‖ other).
    #[track_caller]
    pub(crate) fn kl(&self, other: &Wishart) -> Result<Tensor> {
        let (n, m) = (self.size(), other.size());
        ensure!(n == m, Shape, "kl_divergence", "the matrices have {n} and {m} rows");
        let (p, q) = (x(&self.df), x(&other.df));
        // The trace of other⁻¹ · self, by the factors.
        let factor = linalg::solve_triangular(&other.scale_tril, &self.scale_tril, false, true, false);
        let trace = X::from(factor).square().sum([-2, -1]);
        let norm = |df: &X| (0.5 * df).then(|a| a.mvlgamma(n as u32));
        let digammas = (0.5 * (p.unsqueeze(-1) - counting(n, &self.df))).digamma().sum(-1);
        let logs = &q * (other.half_logs() - self.half_logs());
        (logs + 0.5 * &p * (trace - n as f64) + norm(&q) - norm(&p) + 0.5 * (&p - &q) * digammas).get()
    }

    /// Draws by Bartlett's decomposition: a triangle of χ and normal numbers.
    fn draw(&self, shape: &[usize]) -> Result<Tensor> {
        let n = self.size();
        let degrees = x(&self.df).unsqueeze(-1) - counting(n, &self.df);
        let roots = X::from(Chi2::new(&degrees.get()?)?.rsample(shape)).sqrt().clamp_min(eps(self.df.dtype()));
        let count = n * (n - 1) / 2;
        let below = randn(&[shape, self.batch_shape(), &[count]].concat(), &self.df).then(|noise| {
            let places: Vec<i64> = (0..n).flat_map(|i| (0..i).map(move |j| (i * n + j) as i64)).collect();
            let places = Tensor::from_vec(places, count)?.to_device(noise.device())?.expand(noise.shape())?;
            let flat = [shape, self.batch_shape(), &[n * n]].concat();
            noise.new_zeros(flat)?.scatter(-1, places, noise)?.unflatten(-1, [n, n])
        });
        let l = x(&self.scale_tril).matmul(&(roots.then(|r| r.diag_embed(0, -2, -1)) + below));
        l.matmul(&l.mt()).get()
    }

    /// Of draws `[k, …]` the numbers of those of which any matrix (or, unless `any`, every one) is `definite`.
    fn rows(&self, draws: &Tensor, definite: bool) -> Result<Vec<usize>> {
        let inside = Constraint::PositiveDefinite.check(&draws.detach())?;
        let each = inside.eq(definite)?.reshape([draws.size(0)?, self.df.numel()])?.any([1])?;
        Ok(each.to_vec::<bool>()?.iter().enumerate().filter(|(_, hit)| **hit).map(|(i, _)| i).collect())
    }
}

/// How often singular draws are drawn again.
const TRIES: usize = 10;

impl Distribution for Wishart {
    fn name(&self) -> &'static str {
        "Wishart"
    }
    fn batch_shape(&self) -> &[usize] {
        self.df.shape()
    }
    fn event_shape(&self) -> &[usize] {
        &self.scale_tril.shape()[self.df.rank()..]
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Constraint::PositiveDefinite
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let n = self.size();
        let scale_tril = self.scale_tril.expand([shape, &[n, n]].concat())?;
        Ok(Box::new(Wishart { df: self.df.expand(shape)?, scale_tril }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let count = samples(self, shape)?;
        let whole = extended(self, shape);
        let mut sample = self.draw(shape)?.reshape([&[count], &whole[shape.len()..]].concat())?;
        // PyTorch draws those again first that are not singular, and after these the singular ones. Its samples are these.
        let mut again = self.rows(&sample, true)?;
        for _ in 0..TRIES {
            if again.is_empty() {
                break;
            }
            let new = self.draw(&[again.len()])?;
            let places: Vec<i64> = again.iter().map(|&i| i as i64).collect();
            let places = Tensor::from_vec(places, again.len())?.to_device(sample.device())?;
            sample = sample.index_copy(0, places, &new)?;
            again = self.rows(&new, false)?.into_iter().map(|i| again[i]).collect();
        }
        sample.reshape(whole)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (n, value, df) = (self.size() as f64, valid(self, value)?, x(&self.df));
        let det = value.then(|v| Ok(linalg::slogdet(v)?.logabsdet));
        let solved = value.then(|v| {
            let l = self.scale_tril.expand(v.shape())?;
            linalg::cholesky_solve(v, &l, false)
        });
        let norm = (0.5 * &df).then(|a| a.mvlgamma(n as u32));
        let trace = solved.diagonal().sum(-1);
        ((df.clone() - (n + 1.0)) * 0.5 * det - df * self.half_logs() - norm - 0.5 * trace).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let (n, df) = (self.size(), x(&self.df));
        let (half, size) = (0.5 * &df, n as f64);
        let norm = half.then(|a| a.mvlgamma(n as u32));
        let slopes = (half.unsqueeze(-1) - 0.5 * counting(n, &self.df)).digamma().sum(-1);
        let logs = self.half_logs() * (size + 1.0);
        (logs + norm - (&df - (size + 1.0)) * 0.5 * slopes + df * (size / 2.0)).get()
    }
    fn mean(&self) -> Result<Tensor> {
        (self.degrees() * X::from(self.covariance_matrix())).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let factor = self.degrees() - (self.size() as f64 + 1.0);
        (factor.masked_fill(&factor.le(0.0), f64::NAN) * X::from(self.covariance_matrix())).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let v = X::from(self.covariance_matrix());
        let diagonal = v.diagonal();
        let outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2);
        (self.degrees() * (v.square() + outer)).get()
    }
}
