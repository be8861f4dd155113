//! Functions with an inverse and a Jacobian, between the spaces of a distribution's values: `torch.distributions.transforms`.

mod combined;
mod elementwise;
mod vectors;

pub use combined::{
    CatTransform, ComposeTransform, IndependentTransform, InverseTransform, ReshapeTransform, StackTransform,
};
pub use elementwise::{
    AbsTransform, AffineTransform, CumulativeDistributionTransform, ExpTransform, PowerTransform, SigmoidTransform,
    SoftplusTransform, TanhTransform,
};
pub use vectors::{
    CorrCholeskyTransform, LowerCholeskyTransform, PositiveDefiniteTransform, SoftmaxTransform, StickBreakingTransform,
};

use crate::Constraint;
use crate::distribution::lacking;
use flambeau_tensor::{Result, Tensor, bail};
use std::fmt::Debug;
use std::sync::Arc;

/// A function of tensors that can be turned round: `torch.distributions.Transform`.
///
/// ```
/// use flambeau_distributions::{ExpTransform, Transform};
/// use flambeau_tensor::tensor;
///
/// let (t, x) = (ExpTransform, tensor!([0.5, -1.0]));
/// let y = t.forward(&x)?;
/// assert!(t.inverse(&y)?.sub(&x)?.abs()?.amax(..)?.item::<f32>()? < 1e-6);
/// assert_eq!(t.log_abs_det_jacobian(&x, &y)?.to_vec::<f32>()?, [0.5, -1.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait Transform: Debug + Send + Sync + 'static {
    /// PyTorch's name.
    fn name(&self) -> &'static str;

    /// Where what goes in may lie; its [`event_dim`](Constraint::event_dim) says how many dimensions are one value.
    fn domain(&self) -> Constraint {
        Constraint::Real
    }

    /// Where what comes out lies.
    fn codomain(&self) -> Constraint;

    /// What becomes of `x`.
    ///
    /// # Errors
    /// Where the shape does not fit.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// What became `y`; of several such, one.
    ///
    /// # Errors
    /// Where the shape does not fit.
    #[track_caller]
    fn inverse(&self, y: &Tensor) -> Result<Tensor>;

    /// The logarithm of the Jacobian determinant's magnitude at `x`, which became `y`: one number for each value.
    ///
    /// # Errors
    /// Where there is none, or the shapes do not fit.
    #[track_caller]
    fn log_abs_det_jacobian(&self, _x: &Tensor, _y: &Tensor) -> Result<Tensor> {
        lacking(self.name(), "log_abs_det_jacobian")
    }

    /// 1 where it grows, −1 where it falls, for each number.
    ///
    /// # Errors
    /// Where it does neither everywhere.
    #[track_caller]
    fn sign(&self) -> Result<Tensor> {
        lacking(self.name(), "sign")
    }

    /// The shape of what becomes of a tensor of this shape.
    ///
    /// # Errors
    /// Where the shape does not fit.
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        Ok(shape.to_vec())
    }

    /// The shape of what becomes a tensor of this shape.
    ///
    /// # Errors
    /// Where the shape does not fit.
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        Ok(shape.to_vec())
    }

    /// As one that several can hold: what [`ComposeTransform`] and its like are made of.
    fn shared(self) -> Arc<dyn Transform>
    where
        Self: Sized,
    {
        Arc::new(self)
    }
}

// So that what takes a transform takes a shared one.
impl Transform for Arc<dyn Transform> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn domain(&self) -> Constraint {
        (**self).domain()
    }
    fn codomain(&self) -> Constraint {
        (**self).codomain()
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        (**self).forward(x)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        (**self).inverse(y)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        (**self).log_abs_det_jacobian(x, y)
    }
    fn sign(&self) -> Result<Tensor> {
        (**self).sign()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        (**self).forward_shape(shape)
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        (**self).inverse_shape(shape)
    }
    fn shared(self) -> Arc<dyn Transform> {
        self
    }
}

/// The one-to-one transform from all numbers to where a constraint lets values lie: `torch.distributions.biject_to`.
///
/// # Errors
/// Where there is none.
#[track_caller]
pub fn biject_to(constraint: &Constraint) -> Result<Arc<dyn Transform>> {
    Ok(match constraint {
        Constraint::Simplex => StickBreakingTransform.shared(),
        Constraint::Independent(base, dims) => IndependentTransform::new(biject_to(base)?, *dims).shared(),
        Constraint::Cat(parts, dim, lengths) => CatTransform::new(each(parts, biject_to)?, *dim, lengths)?.shared(),
        Constraint::Stack(parts, dim) => StackTransform::new(each(parts, biject_to)?, *dim).shared(),
        other => match of_numbers(other)? {
            Some(found) => found,
            None => bail!(Unsupported, "biject_to", "no one-to-one transform leads to {other:?}"),
        },
    })
}

/// The transform from all numbers to where a constraint lets values lie that is best for optimisation, which several
/// values may lead to one: `torch.distributions.transform_to`.
///
/// # Errors
/// Where there is none.
#[track_caller]
pub fn transform_to(constraint: &Constraint) -> Result<Arc<dyn Transform>> {
    Ok(match constraint {
        Constraint::Simplex => SoftmaxTransform.shared(),
        Constraint::LowerCholesky => LowerCholeskyTransform.shared(),
        Constraint::PositiveDefinite | Constraint::PositiveSemidefinite => PositiveDefiniteTransform.shared(),
        Constraint::Independent(base, dims) => IndependentTransform::new(transform_to(base)?, *dims).shared(),
        Constraint::Cat(parts, dim, lengths) => CatTransform::new(each(parts, transform_to)?, *dim, lengths)?.shared(),
        Constraint::Stack(parts, dim) => StackTransform::new(each(parts, transform_to)?, *dim).shared(),
        other => match of_numbers(other)? {
            Some(found) => found,
            None => bail!(Unsupported, "transform_to", "no transform leads to {other:?}"),
        },
    })
}

type To = fn(&Constraint) -> Result<Arc<dyn Transform>>;

fn each(parts: &[Constraint], to: To) -> Result<Vec<Arc<dyn Transform>>> {
    parts.iter().map(to).collect()
}

/// What both registries have in common.
#[track_caller]
fn of_numbers(constraint: &Constraint) -> Result<Option<Arc<dyn Transform>>> {
    let between = |low: &Tensor, high: &Tensor| -> Result<Arc<dyn Transform>> {
        let onto = AffineTransform::new(low, &high.sub(low)?, 0)?;
        Ok(ComposeTransform::new([SigmoidTransform.shared(), onto.shared()]).shared())
    };
    let beyond = |bound: &Tensor, way: f64| -> Result<Arc<dyn Transform>> {
        Ok(ComposeTransform::new([ExpTransform.shared(), AffineTransform::new(bound, way, 0)?.shared()]).shared())
    };
    Ok(Some(match constraint {
        Constraint::Real => ComposeTransform::new([]).shared(),
        Constraint::Positive | Constraint::Nonnegative => ExpTransform.shared(),
        Constraint::GreaterThan(bound) | Constraint::GreaterThanEq(bound) => beyond(bound, 1.0)?,
        Constraint::LessThan(bound) => beyond(bound, -1.0)?,
        Constraint::UnitInterval => SigmoidTransform.shared(),
        Constraint::Interval(low, high) | Constraint::HalfOpenInterval(low, high) => between(low, high)?,
        Constraint::CorrCholesky => CorrCholeskyTransform.shared(),
        _ => return Ok(None),
    }))
}
