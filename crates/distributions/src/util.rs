//! What the families share: parameters of one shape, draws, probabilities and their logarithms.

use crate::expr::{X, x};
use crate::{Constraint, Distribution};
use flambeau_tensor::shape::{broadcast_shapes, checked_numel};
use flambeau_tensor::{DType, Operand, Result, Tensor, bail, broadcast_tensors, ensure};
use std::sync::atomic::{AtomicBool, Ordering};

static VALIDATE: AtomicBool = AtomicBool::new(true);

/// Whether parameters and values are checked against their constraints, which is so unless it was switched off for the
/// process: `Distribution.set_default_validate_args`. A check looks at values, so on a device it waits.
pub fn set_default_validate_args(on: bool) {
    VALIDATE.store(on, Ordering::Relaxed);
}

pub(crate) fn validates() -> bool {
    VALIDATE.load(Ordering::Relaxed)
}

/// The distance from 1 to the next number of `dtype`.
pub(crate) fn eps(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 0.5f64.powi(10),
        DType::BF16 => 0.5f64.powi(7),
        _ => f64::from(f32::EPSILON),
    }
}

/// The smallest normal number of `dtype`.
pub(crate) fn tiny(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MIN_POSITIVE,
        DType::F16 => 0.5f64.powi(14),
        _ => f64::from(f32::MIN_POSITIVE),
    }
}

/// The parameters as tensors of one shape. A number takes the dtype of the first tensor.
#[track_caller]
pub(crate) fn broadcast_all<const N: usize>(parameters: [Operand<'_>; N]) -> Result<[Tensor; N]> {
    let first = parameters.iter().find_map(|p| match p {
        Operand::Tensor(t) => Some((t.dtype().to_float(), t.device())),
        Operand::Scalar(_) => None,
    });
    let tensors = parameters.into_iter().map(|p| match p {
        Operand::Tensor(t) => t.to_dtype(t.dtype().to_float()),
        Operand::Scalar(n) => match first {
            Some((dtype, device)) => Tensor::full((), n).dtype(dtype).device(device).build(),
            None => Tensor::full((), n).dtype(DType::F32).build(),
        },
    });
    let tensors = tensors.collect::<Result<Vec<_>>>()?;
    let all = broadcast_tensors(&tensors.iter().collect::<Vec<_>>())?;
    Ok(std::array::from_fn(|i| all[i].clone()))
}

/// Checks a parameter, unless that is switched off.
#[track_caller]
pub(crate) fn check_parameter(family: &'static str, name: &str, value: &Tensor, constraint: &Constraint) -> Result<()> {
    if validates() {
        let inside = constraint.check(value)?.all(..)?.item::<bool>()?;
        ensure!(inside, Argument, family, "{name} (shape {:?}) is not in {constraint:?}: {value:?}", value.shape());
    }
    Ok(())
}

/// `value` for a density or a distribution function: of the right shape, and inside the support.
#[track_caller]
pub(crate) fn valid<D: Distribution + ?Sized>(d: &D, value: &Tensor) -> Result<X> {
    if validates() {
        let (event, batch, shape) = (d.event_shape(), d.batch_shape(), value.shape());
        let tail = shape.len().checked_sub(event.len()).map(|cut| shape.split_at(cut));
        let fits = tail.is_some_and(|(_, last)| last.iter().zip(event).all(|(a, b)| a == b || *a == 1 || *b == 1));
        ensure!(fits, Shape, d.name(), "a value of shape {shape:?} for events of shape {event:?}");
        broadcast_shapes(d.name(), &shape[..shape.len() - event.len()], batch)?;
        let inside = d.support().check(value)?.all(..)?.item::<bool>()?;
        ensure!(inside, Argument, d.name(), "the value is not in the support, {:?}: {value:?}", d.support());
    }
    Ok(x(value))
}

/// A sample's shape: that of the call, of the batch, of the event.
pub(crate) fn extended<D: Distribution + ?Sized>(d: &D, sample: &[usize]) -> Vec<usize> {
    [sample, d.batch_shape(), d.event_shape()].concat()
}

/// How many samples a shape asks for.
#[track_caller]
pub(crate) fn samples<D: Distribution + ?Sized>(d: &D, shape: &[usize]) -> Result<usize> {
    match checked_numel(shape) {
        Some(n) => Ok(n),
        None => bail!(Memory, d.name(), "samples of shape {shape:?} are more than can be counted"),
    }
}

/// The sum over the last `dims` dimensions.
#[track_caller]
pub(crate) fn sum_rightmost(value: &X, dims: usize) -> X {
    if dims == 0 {
        return value.clone();
    }
    value.then(|a| {
        ensure!(a.rank() >= dims, Shape, "distributions", "{:?} has no {dims} dimensions", a.shape());
        a.sum((-(dims as isize)..0).collect::<Vec<_>>())
    })
}

/// Standard normal numbers.
#[track_caller]
pub(crate) fn randn(shape: &[usize], like: &Tensor) -> X {
    Tensor::randn(shape).dtype(like.dtype()).device(like.device()).build().into()
}

/// Numbers evenly in [0, 1).
#[track_caller]
pub(crate) fn rand(shape: &[usize], like: &Tensor) -> X {
    Tensor::rand(shape).dtype(like.dtype()).device(like.device()).build().into()
}

/// An empty tensor, filled by `fill`.
#[track_caller]
pub(crate) fn filled(shape: &[usize], like: &Tensor, fill: impl FnOnce(&Tensor) -> Result<()>) -> X {
    let make = || {
        let t = Tensor::zeros(shape).dtype(like.dtype()).device(like.device()).build()?;
        fill(&t)?;
        Ok(t)
    };
    make().into()
}

/// The number `n` for each of the batch and event.
#[track_caller]
pub(crate) fn constant<D: Distribution + ?Sized>(d: &D, n: f64, like: &Tensor) -> Result<Tensor> {
    Tensor::full(extended(d, &[]), n).dtype(like.dtype()).device(like.device()).build()
}

/// Away from 0 and 1 by the dtype's precision.
pub(crate) fn clamp_probs(p: &X, dtype: DType) -> X {
    p.clamp(eps(dtype), 1.0 - eps(dtype))
}

/// `−log p(y)` of truth values `y` by log odds.
pub(crate) fn cross_entropy(logits: &X, y: &X) -> X {
    (1.0 - y) * logits - logits.logsigmoid()
}

/// Probabilities of a yes, given as they are or as log odds.
#[derive(Clone, Debug)]
pub(crate) enum Odds {
    Probs(Tensor),
    Logits(Tensor),
}

impl Odds {
    #[track_caller]
    pub(crate) fn probs_of(family: &'static str, p: Operand<'_>) -> Result<Odds> {
        let [p] = broadcast_all([p])?;
        check_parameter(family, "probs", &p, &Constraint::UnitInterval)?;
        Ok(Odds::Probs(p))
    }

    #[track_caller]
    pub(crate) fn logits_of(family: &'static str, logits: Operand<'_>) -> Result<Odds> {
        let [logits] = broadcast_all([logits])?;
        check_parameter(family, "logits", &logits, &Constraint::Real)?;
        Ok(Odds::Logits(logits))
    }

    pub(crate) fn param(&self) -> &Tensor {
        let (Odds::Probs(t) | Odds::Logits(t)) = self;
        t
    }

    pub(crate) fn map(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Odds> {
        Ok(match self {
            Odds::Probs(t) => Odds::Probs(f(t)?),
            Odds::Logits(t) => Odds::Logits(f(t)?),
        })
    }

    pub(crate) fn probs(&self) -> X {
        match self {
            Odds::Probs(p) => x(p),
            Odds::Logits(l) => x(l).sigmoid(),
        }
    }

    pub(crate) fn logits(&self) -> X {
        match self {
            Odds::Probs(p) => {
                let p = clamp_probs(&x(p), p.dtype());
                p.log() - (-&p).log1p()
            }
            Odds::Logits(l) => x(l),
        }
    }
}
