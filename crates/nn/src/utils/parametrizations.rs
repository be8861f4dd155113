//! The parametrizations of `torch.nn.utils.parametrizations`: weights of given length and direction, of spectral norm one,
//! and orthogonal ones; and their older forms under other names.

use crate::parametrize::{self, Parametrization};
use crate::{Buffer, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, DynModule, Item, Mode, Module, ModuleId, init};
use flambeau_tensor::{DType, Result, Tensor, bail, ensure, no_grad, options, stack};

/// The weight as its direction v times its length g, along `dim` or, without one, as a whole.
#[derive(Module)]
#[module(name = "_WeightNorm")]
struct WeightNorm {
    dim: Option<isize>,
    id: ModuleId,
}

impl WeightNorm {
    /// The lengths of the slices of `v` along the dimension, of its rank.
    #[track_caller]
    fn lengths(&self, v: &Tensor) -> Result<Tensor> {
        let Some(dim) = self.dim else { return v.norm(2.0, ..) };
        let rank = v.rank() as isize;
        ensure!((-rank..rank).contains(&dim), Index, "weight_norm", "a weight {:?} has no dimension {dim}", v.shape());
        let others: Vec<usize> = (0..v.rank()).filter(|d| *d as isize != dim.rem_euclid(rank)).collect();
        if others.is_empty() { v.abs() } else { v.norm_keepdim(2.0, others) }
    }
}

impl Parametrization for WeightNorm {
    #[track_caller]
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [g, v] = originals else {
            bail!(Argument, "weight_norm", "{} originals, a length and a direction are right", originals.len())
        };
        v.mul(&g.div(&self.lengths(v)?)?)
    }

    #[track_caller]
    fn right_inverse(&self, value: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.lengths(value)?, value.clone()])
    }

    fn old_names(&self) -> &'static [(&'static str, &'static str)] {
        &[("_g", "original0"), ("_v", "original1")]
    }
}

/// The weight divided by its largest singular value, which is found by power iteration while the module trains.
#[derive(Module)]
#[module(name = "_SpectralNorm")]
struct SpectralNorm {
    #[module(name = "_u")]
    u: Option<Buffer>,
    #[module(name = "_v")]
    v: Option<Buffer>,
    dim: usize,
    iterations: usize,
    eps: f64,
    /// An iteration begins with v, as in the older form.
    v_first: bool,
    mode: Mode,
}

impl SpectralNorm {
    /// For `weight`, with so many iterations before the first use.
    #[track_caller]
    fn new(weight: &Tensor, options: SpectralNormOptions, dim: isize, first: usize) -> Result<Self> {
        const NAME: &str = "spectral_norm";
        let SpectralNormOptions { n_power_iterations: iterations, eps, .. } = options;
        let rank = weight.rank() as isize;
        ensure!((-rank..rank).contains(&dim), Index, NAME, "a weight {:?} has no dimension {dim}", weight.shape());
        ensure!(iterations > 0, Argument, NAME, "n_power_iterations must be at least 1");
        let dim = dim.rem_euclid(rank) as usize;
        let mode = Mode::new();
        let mut norm = SpectralNorm { u: None, v: None, dim, iterations, eps, v_first: false, mode };
        if rank > 1 {
            no_grad(|| {
                let matrix = norm.matrix(&weight.detach())?;
                let [h, w] = matrix.dims()?;
                let drawn = |n: usize| {
                    let tensor = Tensor::zeros(n).dtype(matrix.dtype()).device(matrix.device()).build()?;
                    tensor.normal_(0.0, 1.0).cloned()
                };
                let (u, v) = (drawn(h)?, drawn(w)?);
                norm.u = Some(Buffer::new(u.normalize(2.0, 0, eps)?));
                norm.v = Some(Buffer::new(v.normalize(2.0, 0, eps)?));
                norm.iterate(&matrix, first)
            })?;
        }
        Ok(norm)
    }

    #[track_caller]
    fn matrix(&self, weight: &Tensor) -> Result<Tensor> {
        let first = self.dim as isize;
        let weight = if first == 0 { weight.clone() } else { weight.movedim(first, 0)? };
        weight.flatten(1, -1)
    }

    #[track_caller]
    fn iterate(&self, matrix: &Tensor, times: usize) -> Result<()> {
        let (Some(u), Some(v)) = (&self.u, &self.v) else { return Ok(()) };
        no_grad(|| {
            for _ in 0..times {
                if self.v_first {
                    v.copy_(&matrix.t()?.mv(u)?.normalize(2.0, 0, self.eps)?)?;
                    u.copy_(&matrix.mv(v)?.normalize(2.0, 0, self.eps)?)?;
                    continue;
                }
                u.copy_(&matrix.mv(v)?.normalize(2.0, 0, self.eps)?)?;
                v.copy_(&matrix.t()?.mv(u)?.normalize(2.0, 0, self.eps)?)?;
            }
            Ok(())
        })
    }
}

impl Parametrization for SpectralNorm {
    #[track_caller]
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [weight, ..] = originals else { bail!(Argument, "spectral_norm", "there is no weight") };
        let (Some(u), Some(v)) = (&self.u, &self.v) else { return weight.normalize(2.0, 0, self.eps) };
        let matrix = self.matrix(weight)?;
        if self.mode.is_training() {
            self.iterate(&matrix.detach(), self.iterations)?;
        }
        // Copies: the next call overwrites them, and backward needs these.
        let (u, v) = (u.copy()?, v.copy()?);
        weight.div(&u.dot(&matrix.mv(&v)?)?)
    }

    fn old_names(&self) -> &'static [(&'static str, &'static str)] {
        &[("_orig", "original"), ("_u", "0._u"), ("_v", "0._v")]
    }
}

options! {
    /// The options of [`spectral_norm_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct SpectralNormOptions {
        /// Steps of power iteration at each call while the module trains.
        n_power_iterations: usize = 1,
        /// What lengths are taken to be at least.
        eps: f64 = 1e-12,
        /// The weight's dimension of outputs: 1 for transposed convolutions and 0 for all others unless set.
        dim: Option<isize> = None,
    }
}

/// How an orthogonal matrix is had from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrthogonalMap {
    /// the exponential of a skew-symmetric matrix
    MatrixExp,
    /// the Cayley transform (1 − A/2)⁻¹ (1 + A/2) of a skew-symmetric matrix A
    Cayley,
    /// a product of Householder reflections
    Householder,
}

options! {
    /// The options of [`orthogonal_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct OrthogonalOptions {
        /// How the weight is had: the exponential for a square one and reflections for others unless set.
        orthogonal_map: Option<OrthogonalMap> = None,
        /// The map starts at the weight's nearest orthogonal matrix, which is kept as the buffer `base`.
        use_trivialization: bool = true,
    }
}

/// An orthogonal weight (Lezcano-Casado, arXiv:1909.09501).
#[derive(Module)]
#[module(name = "_Orthogonal")]
struct Orthogonal {
    base: Option<Buffer>,
    #[module(skip)]
    map: OrthogonalMap,
    id: ModuleId,
}

/// The matrix, or its transpose where it is wide, and whether it was.
#[track_caller]
fn tall(x: &Tensor) -> Result<(Tensor, bool)> {
    let wide = x.shape()[x.rank() - 2] < x.shape()[x.rank() - 1];
    Ok((if wide { x.mt()? } else { x.clone() }, wide))
}

/// `f` of each matrix of a batch.
#[track_caller]
fn each_matrix(x: &Tensor, f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.rank() == 2 {
        return f(x);
    }
    let parts = x.unbind(0)?.iter().map(|part| each_matrix(part, f)).collect::<Result<Vec<_>>>()?;
    stack(&parts, 0)
}

impl Orthogonal {
    #[track_caller]
    fn new(weight: &Tensor, options: OrthogonalOptions) -> Result<Self> {
        const NAME: &str = "orthogonal";
        let shape = weight.shape();
        ensure!(shape.len() >= 2 && weight.numel() > 0, Shape, NAME, "a weight {shape:?} is no matrix");
        ensure!(weight.dtype().is_float(), DType, NAME, "not defined for {}", weight.dtype());
        let square = shape[shape.len() - 1] == shape[shape.len() - 2];
        let usual = if square { OrthogonalMap::MatrixExp } else { OrthogonalMap::Householder };
        let map = options.orthogonal_map.unwrap_or(usual);
        let base = options.use_trivialization.then(|| no_grad(|| base(&weight.detach()))).transpose()?;
        Ok(Orthogonal { base: base.map(Buffer::new), map, id: ModuleId::new() })
    }
}

/// A square orthogonal matrix whose first columns are those of `weight`, made orthogonal.
#[track_caller]
fn base(weight: &Tensor) -> Result<Tensor> {
    let (q, _) = tall(weight)?;
    let (n, k) = (q.shape()[q.rank() - 2], q.shape()[q.rank() - 1]);
    if n == k {
        let away = q.mt()?.matmul(&q)?.sub(&Tensor::eye(n).dtype(q.dtype()).device(q.device()).build()?)?;
        let epsilon = match q.dtype() {
            DType::F64 => f64::EPSILON,
            DType::F16 => 2f64.powi(-10),
            DType::BF16 => 2f64.powi(-7),
            _ => f64::from(f32::EPSILON),
        };
        let near = 10.0 * n as f64 * epsilon;
        if away.abs()?.max_all()?.item::<f64>()? <= near {
            return q.copy();
        }
        return each_matrix(&q, &init::orthonormal_columns);
    }
    let mut shape = q.shape().to_vec();
    let last = shape.len() - 1;
    shape[last] = n - k;
    let more = Tensor::randn(shape).dtype(q.dtype()).device(q.device()).build()?;
    each_matrix(&flambeau_tensor::cat(&[q, more], -1)?, &init::orthonormal_columns)
}

impl Parametrization for Orthogonal {
    #[track_caller]
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [x, ..] = originals else { bail!(Argument, "orthogonal", "there is no weight") };
        let (x, wide) = tall(x)?;
        let q = match self.map {
            OrthogonalMap::MatrixExp => of_skew(&x, matrix_exp)?,
            OrthogonalMap::Cayley => of_skew(&x, cayley)?,
            OrthogonalMap::Householder => reflections(&x)?,
        };
        let q = match &self.base {
            Some(base) => base.matmul(&q)?,
            None => q,
        };
        if wide { q.mt() } else { Ok(q) }
    }

    #[track_caller]
    fn right_inverse(&self, value: &Tensor) -> Result<Vec<Tensor>> {
        if self.base.is_some() {
            let start = value.zeros_like()?;
            start.diagonal(0, -2, -1)?.fill_(-1.0)?;
            return Ok(vec![start]);
        }
        match self.map {
            OrthogonalMap::MatrixExp | OrthogonalMap::Cayley => Ok(vec![value.clone()]),
            OrthogonalMap::Householder => {
                let (q, wide) = tall(value)?;
                let factors = each_matrix(&q, &init::reflectors)?;
                Ok(vec![if wide { factors.mt()?.contiguous()? } else { factors }])
            }
        }
    }
}

/// The first columns of `map` of A − Aᵀ for the lower triangle A of `x`, filled up to a square.
#[track_caller]
fn of_skew(x: &Tensor, map: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (n, k) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let mut a = x.tril(0)?;
    if n != k {
        a = a.pad(&[0, (n - k) as isize], 0)?;
    }
    let q = map(&a.sub(&a.mt()?)?)?;
    if n == k { Ok(q) } else { q.narrow(-1, 0, k) }
}

/// The Cayley transform (1 − A/2)⁻¹ (1 + A/2) of square matrices, orthogonal where they are skew-symmetric.
#[track_caller]
fn cayley(a: &Tensor) -> Result<Tensor> {
    let n = a.shape()[a.rank() - 1];
    let one = Tensor::eye(n).dtype(a.dtype()).device(a.device()).build()?;
    let half = a.mul(0.5)?;
    flambeau_tensor::linalg::solve(&one.sub(&half)?, &one.add(&half)?, true)
}

/// eᴬ of square matrices, by halving A until a Taylor polynomial is exact in its dtype, and squaring.
#[track_caller]
fn matrix_exp(a: &Tensor) -> Result<Tensor> {
    // The term of degree 19 of a matrix of norm ½ is below the rounding of double precision.
    const DEGREE: usize = 18;
    let halvings = if a.device().has_data() && a.numel() > 0 {
        let norm = no_grad(|| a.detach().abs()?.sum(-2)?.max_all()?.item::<f64>())?;
        ensure!(norm.is_finite(), Argument, "orthogonal", "the original is not finite");
        (norm * 2.0).log2().ceil().max(0.0) as i32
    } else {
        0
    };
    let a = a.mul(0.5f64.powi(halvings))?;
    let n = a.shape()[a.rank() - 1];
    let one = Tensor::eye(n).dtype(a.dtype()).device(a.device()).build()?;
    let mut sum = a.div(DEGREE as f64)?.add(&one)?;
    for i in (1..DEGREE).rev() {
        sum = a.matmul(&sum)?.div(i as f64)?.add(&one)?;
    }
    for _ in 0..halvings {
        sum = sum.matmul(&sum)?;
    }
    Ok(sum)
}

/// The first columns of the product of the reflections whose vectors stand below the diagonal of `x`, with the signs that
/// stand on it.
#[track_caller]
fn reflections(x: &Tensor) -> Result<Tensor> {
    let (n, k) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let a = x.tril(-1)?;
    let tau = a.square()?.sum(-2)?.add(1.0)?.rdiv(2.0)?;
    let unit = Tensor::eye(n).dtype(x.dtype()).device(x.device()).build()?;
    let vectors = a.add(&unit.narrow(1, 0, k)?)?;
    let mut q = unit.narrow(1, 0, k)?.expand(x.shape())?;
    for i in (0..k as isize).rev() {
        let v = vectors.select(-1, i)?.unsqueeze(-1)?;
        let scale = tau.select(-1, i)?.unsqueeze(-1)?.unsqueeze(-1)?;
        q = q.sub(&v.matmul(&v.mt()?.matmul(&q)?)?.mul(&scale)?)?;
    }
    // The signs are not trained.
    let signs = no_grad(|| x.detach().diagonal(0, -2, -1)?.to_dtype(DType::I64)?.to_dtype(x.dtype())?.unsqueeze(-2))?;
    q.mul(&signs)
}

/// The weight that a function here is asked to normalise.
#[track_caller]
fn weight_of<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<Tensor> {
    let mut weight = None;
    parametrize::change(module, name, |parameter| {
        weight = Some(parameter.value()?);
        Ok(())
    })?;
    match weight {
        Some(weight) => Ok(weight.detach()),
        None => bail!(Argument, "parametrize", "there is no parameter {name:?}"),
    }
}

/// Computes the parameter `name` of `module` as a length and a direction that are trained apart:
/// `torch.nn.utils.parametrizations.weight_norm` (Salimans and Kingma 2016). Lengths are those of the slices along `dim`,
/// 0 in PyTorch's default, or without one that of the whole. States with `weight_g` and `weight_v` load.
///
/// ```
/// use flambeau_nn::{Linear, Module, utils::parametrizations::weight_norm};
///
/// let mut layer = Linear::new(20, 40).build()?;
/// weight_norm(&mut layer, "weight", 0)?;
/// assert_eq!(layer.state_dict().get("parametrizations.weight.original0").unwrap().shape(), [40, 1]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is no such parameter or dimension.
#[track_caller]
pub fn weight_norm<M: Module + ?Sized>(module: &mut M, name: &str, dim: impl Into<Option<isize>>) -> Result<()> {
    let norm = WeightNorm { dim: dim.into(), id: ModuleId::new() };
    parametrize::register(module, name, Box::new(norm), false)
}

/// Divides the parameter `name` of `module` by its largest singular value: `torch.nn.utils.parametrizations.spectral_norm`
/// (Miyato et al., arXiv:1802.05957). States with `weight_orig`, `weight_u` and `weight_v` load.
///
/// # Errors
/// Where there is no such parameter.
#[track_caller]
pub fn spectral_norm<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<()> {
    spectral_norm_with(module, name, SpectralNormOptions::new())
}

/// [`spectral_norm`] with options.
///
/// # Errors
/// Where there is no such parameter or dimension, or no iteration is to be made.
#[track_caller]
pub fn spectral_norm_with<M: Module + ?Sized>(module: &mut M, name: &str, options: SpectralNormOptions) -> Result<()> {
    let norm = SpectralNorm::new(&weight_of(module, name)?, options, outputs(module.as_module(), name, options), 15)?;
    parametrize::register(module, name, Box::new(norm), false)
}

/// The dimension of the outputs of the weight `path` of a module.
fn outputs(module: &DynModule, path: &str, options: SpectralNormOptions) -> isize {
    if let Some(dim) = options.dim {
        return dim;
    }
    if let Some((owner, _)) = path.rsplit_once('.') {
        let mut dim = 0;
        module.walk("", &mut |name, item| {
            if let Item::Module(inner) = item
                && name == owner
            {
                dim = outputs(inner, "", options);
            }
        });
        return dim;
    }
    let transposed = module.downcast_ref::<ConvTranspose1d>().is_some()
        || module.downcast_ref::<ConvTranspose2d>().is_some()
        || module.downcast_ref::<ConvTranspose3d>().is_some();
    isize::from(transposed)
}

/// Computes the parameter `name` of `module` as an orthogonal matrix (or batch of such, in the last two dimensions; one
/// that is not square has orthonormal rows or columns): `torch.nn.utils.parametrizations.orthogonal`.
///
/// ```
/// use flambeau_nn::{Linear, utils::parametrizations::orthogonal};
/// use flambeau_tensor::Tensor;
///
/// let mut layer = Linear::new(20, 40).build()?;
/// orthogonal(&mut layer, "weight")?;
/// let q = layer.weight.value()?;
/// let away = q.t()?.matmul(&q)?.sub(&Tensor::eye(20).build()?)?.abs()?.max_all()?;
/// assert!(away.item::<f64>()? < 1e-5);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is no such parameter, or it is no matrix of floating point.
#[track_caller]
pub fn orthogonal<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<()> {
    orthogonal_with(module, name, OrthogonalOptions::new())
}

/// [`orthogonal`] with options.
///
/// # Errors
/// As [`orthogonal`].
#[track_caller]
pub fn orthogonal_with<M: Module + ?Sized>(module: &mut M, name: &str, options: OrthogonalOptions) -> Result<()> {
    let map = Orthogonal::new(&weight_of(module, name)?, options)?;
    parametrize::register(module, name, Box::new(map), false)
}

/// The forms that PyTorch has had before parametrizations: `torch.nn.utils.weight_norm` and `spectral_norm`, whose tensors
/// stand beside those of the module, `weight_g` and `weight_v`.
pub mod old {
    use super::*;

    /// [`parametrizations::weight_norm`](super::weight_norm) under the old names: `torch.nn.utils.weight_norm`.
    ///
    /// # Errors
    /// Where there is no such parameter or dimension.
    #[track_caller]
    pub fn weight_norm<M: Module + ?Sized>(module: &mut M, name: &str, dim: impl Into<Option<isize>>) -> Result<()> {
        let norm = WeightNorm { dim: dim.into(), id: ModuleId::new() };
        parametrize::register(module, name, Box::new(norm), true)
    }

    /// Makes the parameter what [`weight_norm`] computed: `torch.nn.utils.remove_weight_norm`.
    ///
    /// # Errors
    /// Where it is not computed.
    #[track_caller]
    pub fn remove_weight_norm<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<()> {
        parametrize::remove_parametrizations(module, name, true)
    }

    /// [`parametrizations::spectral_norm`](super::spectral_norm) under the old names: `torch.nn.utils.spectral_norm`.
    ///
    /// # Errors
    /// Where there is no such parameter.
    #[track_caller]
    pub fn spectral_norm<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<()> {
        let options = SpectralNormOptions::new();
        let dim = outputs(module.as_module(), name, options);
        let mut norm = SpectralNorm::new(&weight_of(module, name)?, options, dim, 0)?;
        norm.v_first = true;
        // PyTorch's older form makes its first iteration at the first call, not here.
        norm.mode.set(false);
        parametrize::register(module, name, Box::new(norm), true)?;
        let inside = format!("{name}.");
        module.walk("", &mut |path, item| {
            if let Item::Mode(mode) = item
                && path.starts_with(&inside)
            {
                mode.set(true);
            }
        });
        Ok(())
    }

    /// Makes the parameter what [`spectral_norm`] computed: `torch.nn.utils.remove_spectral_norm`.
    ///
    /// # Errors
    /// Where it is not computed.
    #[track_caller]
    pub fn remove_spectral_norm<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<()> {
        parametrize::remove_parametrizations(module, name, true)
    }
}
