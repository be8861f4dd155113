//! Where a parameter or a sample may lie.

use crate::expr::{X, x};
use crate::util::{eps, sum_rightmost};
use flambeau_tensor::{DType, Result, Tensor, linalg};

/// A set that numbers, vectors or matrices lie in: `torch.distributions.constraints`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Constraint {
    /// Any number but NaN.
    Real,
    /// 0 or 1.
    Boolean,
    /// Whole numbers from 0 on.
    NonnegativeInteger,
    /// Whole numbers from 1 on.
    PositiveInteger,
    /// Whole numbers from the first to the second, both included.
    IntegerInterval(f64, Tensor),
    /// Whole numbers from 0 on, below a number.
    NonnegativeIntegerBelow(usize),
    /// Above 0.
    Positive,
    /// 0 and above.
    Nonnegative,
    /// Above a bound.
    GreaterThan(Tensor),
    /// A bound and above.
    GreaterThanEq(Tensor),
    /// Below a bound.
    LessThan(Tensor),
    /// From 0 to 1, both included.
    UnitInterval,
    /// From the first to the second, both included.
    Interval(Tensor, Tensor),
    /// From the first to the second, which is excluded.
    HalfOpenInterval(Tensor, Tensor),
    /// Vectors of which one element is 1 and the others are 0.
    OneHot,
    /// Vectors of numbers from 0 on that add up to 1.
    Simplex,
    /// Vectors of counts that add up to no more than a bound.
    Multinomial(f64),
    /// Matrices with nothing above the diagonal.
    LowerTriangular,
    /// Lower triangular matrices with a positive diagonal.
    LowerCholesky,
    /// Cholesky factors of correlation matrices: rows of length 1.
    CorrCholesky,
    /// Symmetric matrices.
    Symmetric,
    /// Symmetric matrices without negative eigenvalues.
    PositiveSemidefinite,
    /// Symmetric matrices with positive eigenvalues alone.
    PositiveDefinite,
    /// A constraint on each of the last dimensions' elements, as one on the whole.
    Independent(Box<Constraint>, usize),
    /// Constraints on the parts of these lengths along a dimension.
    Cat(Vec<Constraint>, isize, Vec<usize>),
    /// A constraint on each slice along a dimension.
    Stack(Vec<Constraint>, isize),
}

impl Constraint {
    /// Vectors of any numbers but NaN.
    pub fn real_vector() -> Constraint {
        Constraint::Real.independent(1)
    }

    /// This of `dims` last dimensions together.
    #[must_use]
    pub fn independent(self, dims: usize) -> Constraint {
        if dims == 0 { self } else { Constraint::Independent(Box::new(self), dims) }
    }

    /// How many last dimensions are one value: 0 for numbers, 1 for vectors, 2 for matrices.
    pub fn event_dim(&self) -> usize {
        use Constraint::*;
        match self {
            OneHot | Simplex | Multinomial(_) => 1,
            LowerTriangular | LowerCholesky | CorrCholesky | Symmetric | PositiveSemidefinite | PositiveDefinite => 2,
            Independent(base, dims) => base.event_dim() + dims,
            Cat(parts, ..) => parts.iter().map(Constraint::event_dim).max().unwrap_or(0),
            Stack(parts, dim) => {
                let dims = parts.iter().map(Constraint::event_dim).max().unwrap_or(0);
                dims + usize::from(dim + (dims as isize) < 0)
            }
            _ => 0,
        }
    }

    /// Whether the values are countable.
    pub fn is_discrete(&self) -> bool {
        use Constraint::*;
        match self {
            Boolean
            | NonnegativeInteger
            | PositiveInteger
            | IntegerInterval(..)
            | NonnegativeIntegerBelow(_)
            | OneHot
            | Multinomial(_) => true,
            Independent(base, _) => base.is_discrete(),
            Cat(parts, ..) | Stack(parts, _) => parts.iter().any(Constraint::is_discrete),
            _ => false,
        }
    }

    /// For each value of `value` whether it lies inside: a bool tensor, without the last
    /// [`event_dim`](Constraint::event_dim) dimensions.
    ///
    /// # Errors
    /// Where `value` has too few dimensions or does not broadcast with a bound.
    #[track_caller]
    pub fn check(&self, value: &Tensor) -> Result<Tensor> {
        use Constraint::*;
        let v = x(value);
        let whole = || v.then(|a| a.remainder(1.0)).eq(0.0);
        let all = |truth: X, dims: usize| sum_rightmost(&(1.0 - truth.to_dtype(DType::F32)), dims).eq(0.0);
        let inside = match self {
            Real => v.eq(&v),
            Boolean => v.eq(0.0).or(&v.eq(1.0)),
            NonnegativeInteger => whole().and(&v.ge(0.0)),
            PositiveInteger => whole().and(&v.ge(1.0)),
            IntegerInterval(low, high) => whole().and(&v.ge(*low)).and(&v.le(x(high))),
            NonnegativeIntegerBelow(n) => whole().and(&v.ge(0.0)).and(&v.lt(*n as f64)),
            Positive => v.gt(0.0),
            Nonnegative => v.ge(0.0),
            GreaterThan(low) => v.gt(x(low)),
            GreaterThanEq(low) => v.ge(x(low)),
            LessThan(high) => v.lt(x(high)),
            UnitInterval => v.ge(0.0).and(&v.le(1.0)),
            Interval(low, high) => v.ge(x(low)).and(&v.le(x(high))),
            HalfOpenInterval(low, high) => v.ge(x(low)).and(&v.lt(x(high))),
            OneHot => all(v.eq(0.0).or(&v.eq(1.0)), 1).and(&v.sum(-1).eq(1.0)),
            Simplex => all(v.ge(0.0), 1).and(&(v.sum(-1) - 1.0).abs().lt(1e-6)),
            Multinomial(most) => all(v.ge(0.0), 1).and(&v.sum(-1).le(*most)),
            LowerTriangular => all(v.then(|a| a.tril(0)).eq(&v), 2),
            LowerCholesky => X::from(LowerTriangular.check(value)).and(&all(v.diagonal().gt(0.0), 1)),
            CorrCholesky => {
                let tolerance = eps(value.dtype()) * value.size(-1)? as f64 * 10.0;
                let length = v.detach().square().sum(-1).sqrt();
                X::from(LowerCholesky.check(value)).and(&all((length - 1.0).abs().le(tolerance), 1))
            }
            Symmetric => {
                let square = value.rank() >= 2 && value.size(-1)? == value.size(-2)?;
                if !square {
                    let batch = value.shape().get(..value.rank().saturating_sub(2)).unwrap_or(&[]);
                    return Tensor::full(batch, false).device(value.device()).build();
                }
                let near = (&v - v.mt()).abs().le(v.mt().abs() * 1e-5 + 1e-6);
                all(near, 2)
            }
            PositiveSemidefinite => {
                let symmetric = Symmetric.check(value)?;
                if !symmetric.all(..)?.item::<bool>()? {
                    return Ok(symmetric);
                }
                all(X::from(linalg::eigvalsh(value, linalg::Triangle::Lower)).ge(0.0), 1)
            }
            PositiveDefinite => {
                let symmetric = Symmetric.check(value)?;
                if !symmetric.all(..)?.item::<bool>()? {
                    return Ok(symmetric);
                }
                X::from(linalg::cholesky_ex(&value.detach(), false, false).map(|(_, info)| info)).eq(0.0)
            }
            Independent(base, dims) => all(X::from(base.check(value)), *dims),
            Cat(parts, dim, lengths) => {
                let (mut checks, mut start) = (Vec::new(), 0);
                for (part, length) in parts.iter().zip(lengths) {
                    checks.push(part.check(&value.narrow(*dim, start, *length)?)?);
                    start += length;
                }
                return flambeau_tensor::cat(&checks, *dim);
            }
            Stack(parts, dim) => {
                let slices = value.unbind(*dim)?;
                let checks = parts.iter().zip(&slices).map(|(part, v)| part.check(v)).collect::<Result<Vec<_>>>()?;
                return flambeau_tensor::stack(&checks, *dim);
            }
        };
        inside.get()
    }
}
