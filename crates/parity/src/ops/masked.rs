//! Reductions and normalizations with a mask.

use flambeau_tensor::{Dims, Result, Tensor, masked};

use super::{Entry, view::dims};
use crate::call::{Call, KEYWORD, Outcome, Trouble, ok};

fn mask(c: &Call) -> Result<Option<&Tensor>, Trouble> {
    c.tensor_opt(KEYWORD, "mask")
}

/// `input` in the dtype that is asked for.
fn x_as(c: &Call) -> Result<Tensor, Trouble> {
    match c.dtype_opt(KEYWORD, "dtype")? {
        None => Ok(c.x()?.clone()),
        Some(dtype) => Ok(c.x()?.to_dtype(dtype)?),
    }
}

type Over = fn(&Tensor, Dims, bool, Option<&Tensor>) -> Result<Tensor>;

fn over(c: &Call, f: Over) -> Outcome {
    ok(f(&x_as(c)?, dims(c, 1)?, c.flag(KEYWORD, "keepdim", false)?, mask(c)?)?)
}

type Place = fn(&Tensor, Option<isize>, bool, Option<&Tensor>) -> Result<Tensor>;

/// PyTorch returns places in the dtype of the elements.
fn place(c: &Call, f: Place) -> Outcome {
    let (x, dim) = (c.x()?, c.int_opt(1, "dim")?.map(|d| d as isize));
    let dtype = c.dtype_opt(KEYWORD, "dtype")?.unwrap_or(x.dtype());
    ok(f(x, dim, c.flag(KEYWORD, "keepdim", false)?, mask(c)?)?.to_dtype(dtype)?)
}

type Along = fn(&Tensor, isize, Option<&Tensor>) -> Result<Tensor>;

fn along(c: &Call, f: Along) -> Outcome {
    ok(f(&x_as(c)?, c.dim(1, "dim")?, mask(c)?)?)
}

type Spread = fn(&Tensor, Dims, f64, bool, Option<&Tensor>) -> Result<Tensor>;

fn spread(c: &Call, f: Spread) -> Outcome {
    let unbiased = c.flag(2, "unbiased", true)?;
    let correction = c.float_or(KEYWORD, "correction", f64::from(u8::from(unbiased)))?;
    ok(f(&x_as(c)?, dims(c, 1)?, correction, c.flag(KEYWORD, "keepdim", false)?, mask(c)?)?)
}

pub(super) const TABLE: &[Entry] = &[
    ("masked.amax", |c| over(c, |x, d, k, m| masked::amax(x, d, k, m))),
    ("masked.amin", |c| over(c, |x, d, k, m| masked::amin(x, d, k, m))),
    ("masked.argmax", |c| place(c, masked::argmax)),
    ("masked.argmin", |c| place(c, masked::argmin)),
    ("masked.cumprod", |c| along(c, masked::cumprod)),
    ("masked.cumsum", |c| along(c, masked::cumsum)),
    ("masked.log_softmax", |c| along(c, masked::log_softmax)),
    ("masked.logaddexp", |c| {
        let (mask, other) = (c.tensor_opt(KEYWORD, "input_mask")?, c.tensor_opt(KEYWORD, "other_mask")?);
        ok(masked::logaddexp(&x_as(c)?, c.tensor(1, "other")?, mask, other)?)
    }),
    ("masked.logsumexp", |c| over(c, |x, d, k, m| masked::logsumexp(x, d, k, m))),
    ("masked.mean", |c| over(c, |x, d, k, m| masked::mean(x, d, k, m))),
    ("masked.median", |c| {
        ok(masked::median(&x_as(c)?, c.dim_or(1, "dim", -1)?, c.flag(KEYWORD, "keepdim", false)?, mask(c)?)?)
    }),
    ("masked.norm", |c| {
        let (ord, keepdim) = (c.float_or(1, "ord", 2.0)?, c.flag(KEYWORD, "keepdim", false)?);
        ok(masked::norm(&x_as(c)?, ord, dims(c, 2)?, keepdim, mask(c)?)?)
    }),
    ("masked.normalize", |c| {
        let (ord, dim) = (c.float_or(1, "ord", 2.0)?, c.dim(2, "dim")?);
        ok(masked::normalize(&x_as(c)?, ord, dim, c.float_or(KEYWORD, "eps", 1e-12)?, mask(c)?)?)
    }),
    ("masked.prod", |c| over(c, |x, d, k, m| masked::prod(x, d, k, m))),
    ("masked.softmax", |c| along(c, masked::softmax)),
    ("masked.softmin", |c| along(c, masked::softmin)),
    ("masked.std", |c| spread(c, |x, d, n, k, m| masked::std(x, d, n, k, m))),
    ("masked.sum", |c| over(c, |x, d, k, m| masked::sum(x, d, k, m))),
    ("masked.var", |c| spread(c, |x, d, n, k, m| masked::var(x, d, n, k, m))),
];
