//! Transforms made of transforms.

use super::Transform;
use crate::Constraint;
use crate::expr::X;
use crate::util::sum_rightmost;
use flambeau_tensor::{Result, Tensor, cat, ensure, stack};
use std::sync::Arc;

/// One after the other: `torch.distributions.ComposeTransform`. Of none it is the identity.
#[derive(Clone, Debug)]
pub struct ComposeTransform {
    parts: Vec<Arc<dyn Transform>>,
}

impl ComposeTransform {
    /// The first of `parts` comes first.
    ///
    /// ```
    /// use flambeau_distributions::{AffineTransform, ComposeTransform, ExpTransform, Transform};
    /// use flambeau_tensor::tensor;
    ///
    /// let t = ComposeTransform::new([AffineTransform::new(1.0, 2.0, 0)?.shared(), ExpTransform.shared()]);
    /// assert_eq!(t.forward(&tensor!([-0.5]))?.to_vec::<f32>()?, [1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn new(parts: impl IntoIterator<Item = Arc<dyn Transform>>) -> Self {
        ComposeTransform { parts: parts.into_iter().collect() }
    }
}

/// How many more dimensions of a value there are behind a transform than before.
fn growth(t: &Arc<dyn Transform>) -> isize {
    t.codomain().event_dim() as isize - t.domain().event_dim() as isize
}

/// `constraint` of values with at least `dims` dimensions.
fn widened(constraint: Constraint, dims: isize) -> Constraint {
    let own = constraint.event_dim();
    constraint.independent(usize::try_from(dims).unwrap_or(0).saturating_sub(own))
}

impl Transform for ComposeTransform {
    fn name(&self) -> &'static str {
        "ComposeTransform"
    }
    fn domain(&self) -> Constraint {
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else { return Constraint::Real };
        let mut dims = last.codomain().event_dim() as isize;
        for part in self.parts.iter().rev() {
            dims = (dims - growth(part)).max(part.domain().event_dim() as isize);
        }
        widened(first.domain(), dims)
    }
    fn codomain(&self) -> Constraint {
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else { return Constraint::Real };
        let mut dims = first.domain().event_dim() as isize;
        for part in &self.parts {
            dims = (dims + growth(part)).max(part.codomain().event_dim() as isize);
        }
        widened(last.codomain(), dims)
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.parts.iter().try_fold(x.clone(), |x, part| part.forward(&x))
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        self.parts.iter().rev().try_fold(y.clone(), |y, part| part.inverse(&y))
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        let (mut x, mut sum) = (x.clone(), None::<Tensor>);
        let mut dims = self.domain().event_dim() as isize;
        for part in &self.parts {
            let y = part.forward(&x)?;
            let more = (dims - part.domain().event_dim() as isize) as usize;
            let own = sum_rightmost(&X::from(part.log_abs_det_jacobian(&x, &y)), more).get()?;
            sum = Some(match sum {
                Some(sum) => sum.add(&own)?,
                None => own,
            });
            dims += growth(part);
            x = y;
        }
        sum.map_or_else(|| x.zeros_like(), Ok)
    }
    fn sign(&self) -> Result<Tensor> {
        let one = Tensor::ones(()).build()?;
        self.parts.iter().try_fold(one, |sign, part| part.sign()?.mul(&sign))
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.parts.iter().try_fold(shape.to_vec(), |shape, part| part.forward_shape(&shape))
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.parts.iter().rev().try_fold(shape.to_vec(), |shape, part| part.inverse_shape(&shape))
    }
}

/// A transform turned round: PyTorch's `t.inv`.
#[derive(Clone, Debug)]
pub struct InverseTransform(Arc<dyn Transform>);

impl InverseTransform {
    /// Of `base`.
    pub fn new(base: impl Transform) -> Self {
        InverseTransform(base.shared())
    }
}

impl Transform for InverseTransform {
    fn name(&self) -> &'static str {
        "InverseTransform"
    }
    fn domain(&self) -> Constraint {
        self.0.codomain()
    }
    fn codomain(&self) -> Constraint {
        self.0.domain()
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.inverse(x)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        self.0.forward(y)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.0.log_abs_det_jacobian(y, x)?.neg()
    }
    fn sign(&self) -> Result<Tensor> {
        self.0.sign()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.0.inverse_shape(shape)
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.0.forward_shape(shape)
    }
}

/// A transform with more dimensions taken for one value: `torch.distributions.IndependentTransform`.
#[derive(Clone, Debug)]
pub struct IndependentTransform {
    base: Arc<dyn Transform>,
    dims: usize,
}

impl IndependentTransform {
    /// `base` with `dims` more dimensions.
    pub fn new(base: impl Transform, dims: usize) -> Self {
        IndependentTransform { base: base.shared(), dims }
    }

    #[track_caller]
    fn fits(&self, x: &Tensor, least: usize) -> Result<()> {
        ensure!(x.rank() >= least, Shape, self.name(), "{:?} has fewer than {least} dimensions", x.shape());
        Ok(())
    }
}

impl Transform for IndependentTransform {
    fn name(&self) -> &'static str {
        "IndependentTransform"
    }
    fn domain(&self) -> Constraint {
        self.base.domain().independent(self.dims)
    }
    fn codomain(&self) -> Constraint {
        self.base.codomain().independent(self.dims)
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fits(x, self.domain().event_dim())?;
        self.base.forward(x)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        self.fits(y, self.codomain().event_dim())?;
        self.base.inverse(y)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        sum_rightmost(&X::from(self.base.log_abs_det_jacobian(x, y)), self.dims).get()
    }
    fn sign(&self) -> Result<Tensor> {
        self.base.sign()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.base.forward_shape(shape)
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.base.inverse_shape(shape)
    }
}

/// The same numbers under another shape: `torch.distributions.ReshapeTransform`.
#[derive(Clone, Debug)]
pub struct ReshapeTransform {
    from: Vec<usize>,
    to: Vec<usize>,
}

impl ReshapeTransform {
    /// From the shape of one value to another.
    ///
    /// # Errors
    /// Where the shapes have different numbers of elements.
    #[track_caller]
    pub fn new(from: &[usize], to: &[usize]) -> Result<Self> {
        let count = |shape: &[usize]| shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
        let fits = count(from).is_some() && count(from) == count(to);
        ensure!(fits, Shape, "ReshapeTransform", "{from:?} and {to:?} have different numbers of elements");
        Ok(ReshapeTransform { from: from.to_vec(), to: to.to_vec() })
    }
}

/// `shape` with `from` at its end replaced.
#[track_caller]
fn ending(shape: &[usize], from: &[usize], to: &[usize]) -> Result<Vec<usize>> {
    let Some(batch) = shape.strip_suffix(from) else {
        flambeau_tensor::bail!(Shape, "ReshapeTransform", "{shape:?} does not end with {from:?}")
    };
    Ok([batch, to].concat())
}

impl Transform for ReshapeTransform {
    fn name(&self) -> &'static str {
        "ReshapeTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Real.independent(self.from.len())
    }
    fn codomain(&self) -> Constraint {
        Constraint::Real.independent(self.to.len())
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.reshape(self.forward_shape(x.shape())?)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        y.reshape(self.inverse_shape(y.shape())?)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        let batch = ending(x.shape(), &self.from, &[])?;
        Tensor::zeros(batch).dtype(x.dtype()).device(x.device()).build()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        ending(shape, &self.from, &self.to)
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        ending(shape, &self.to, &self.from)
    }
}

/// A transform for each part along a dimension: `torch.distributions.CatTransform`.
#[derive(Clone, Debug)]
pub struct CatTransform {
    parts: Vec<Arc<dyn Transform>>,
    dim: isize,
    lengths: Vec<usize>,
}

impl CatTransform {
    /// `parts` of `lengths` elements of dimension `dim`.
    ///
    /// # Errors
    /// Where there are not as many of both.
    #[track_caller]
    pub fn new(parts: impl IntoIterator<Item = Arc<dyn Transform>>, dim: isize, lengths: &[usize]) -> Result<Self> {
        let parts: Vec<_> = parts.into_iter().collect();
        let (n, m) = (parts.len(), lengths.len());
        ensure!(n == m && n > 0, Argument, "CatTransform", "{n} transforms for {m} lengths");
        Ok(CatTransform { parts, dim, lengths: lengths.to_vec() })
    }

    /// Each part of `x` with its transform.
    fn split<'a>(&'a self, x: &Tensor) -> Result<Vec<(&'a Arc<dyn Transform>, Tensor)>> {
        Ok(self.parts.iter().zip(x.split_with_sizes(&self.lengths, self.dim)?).collect())
    }

    fn event_dim(&self) -> usize {
        self.parts.iter().map(|p| p.domain().event_dim().max(p.codomain().event_dim())).max().unwrap_or(0)
    }
}

impl Transform for CatTransform {
    fn name(&self) -> &'static str {
        "CatTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Cat(self.parts.iter().map(|p| p.domain()).collect(), self.dim, self.lengths.clone())
    }
    fn codomain(&self) -> Constraint {
        Constraint::Cat(self.parts.iter().map(|p| p.codomain()).collect(), self.dim, self.lengths.clone())
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let made = self.split(x)?.into_iter().map(|(part, x)| part.forward(&x)).collect::<Result<Vec<_>>>()?;
        cat(&made, self.dim)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        let made = self.split(y)?.into_iter().map(|(part, y)| part.inverse(&y)).collect::<Result<Vec<_>>>()?;
        cat(&made, self.dim)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let dims = self.event_dim();
        let mut each = Vec::with_capacity(self.parts.len());
        for ((part, x), (_, y)) in self.split(x)?.into_iter().zip(self.split(y)?) {
            let more = dims.saturating_sub(part.domain().event_dim());
            each.push(sum_rightmost(&X::from(part.log_abs_det_jacobian(&x, &y)), more).get()?);
        }
        let dim = if self.dim >= 0 { self.dim - x.rank() as isize } else { self.dim } + dims as isize;
        if dim < 0 {
            return cat(&each, dim);
        }
        let mut each = each.into_iter();
        let Some(first) = each.next() else { return x.zeros_like() };
        each.try_fold(first, |sum, own| sum.add(&own))
    }
}

/// A transform for each slice along a dimension: `torch.distributions.StackTransform`.
#[derive(Clone, Debug)]
pub struct StackTransform {
    parts: Vec<Arc<dyn Transform>>,
    dim: isize,
}

impl StackTransform {
    /// `parts` for the slices of dimension `dim`.
    pub fn new(parts: impl IntoIterator<Item = Arc<dyn Transform>>, dim: isize) -> Self {
        StackTransform { parts: parts.into_iter().collect(), dim }
    }

    #[track_caller]
    fn slices(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let slices = x.unbind(self.dim)?;
        let (n, m) = (slices.len(), self.parts.len());
        ensure!(n == m, Shape, "StackTransform", "{m} transforms for {n} slices of a tensor of shape {:?}", x.shape());
        Ok(slices)
    }
}

impl Transform for StackTransform {
    fn name(&self) -> &'static str {
        "StackTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Stack(self.parts.iter().map(|p| p.domain()).collect(), self.dim)
    }
    fn codomain(&self) -> Constraint {
        Constraint::Stack(self.parts.iter().map(|p| p.codomain()).collect(), self.dim)
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let slices = self.slices(x)?;
        let made = self.parts.iter().zip(&slices).map(|(part, x)| part.forward(x)).collect::<Result<Vec<_>>>()?;
        stack(&made, self.dim)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        let slices = self.slices(y)?;
        let made = self.parts.iter().zip(&slices).map(|(part, y)| part.inverse(y)).collect::<Result<Vec<_>>>()?;
        stack(&made, self.dim)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let (x, y) = (self.slices(x)?, self.slices(y)?);
        let each = self.parts.iter().zip(x.iter().zip(&y)).map(|(part, (x, y))| part.log_abs_det_jacobian(x, y));
        stack(&each.collect::<Result<Vec<_>>>()?, self.dim)
    }
}
