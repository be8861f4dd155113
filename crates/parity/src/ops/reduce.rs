//! Reductions over dimensions, running reductions, order.

use super::{Entry, view::dims};
use crate::call::{Call, Outcome, Trouble, ok, unsupported};
use crate::value::Value;
use flambeau_tensor::linalg::{self, MatrixOrd};
use flambeau_tensor::{DType, Dims, Result, Tensor, TopkOptions};

/// The dtype that the call asks for.
fn dtype(c: &Call) -> Result<Option<DType>, Trouble> {
    c.dtype_opt(usize::MAX, "dtype")
}

/// `input`, in the dtype that the call asks for.
fn x_as(c: &Call) -> Result<Tensor, Trouble> {
    match dtype(c)? {
        None => Ok(c.x()?.clone()),
        Some(dtype) => Ok(c.x()?.to_dtype(dtype)?),
    }
}

type Along<T> = fn(&Tensor, isize) -> Result<T>;

/// Over `dim` (all where it is not given), by `drop` or, with `keepdim`, by `keep`.
fn over<T: Into<Value<Tensor>>>(
    c: &Call,
    drop: impl Fn(&Tensor, Dims) -> Result<T>,
    keep: impl Fn(&Tensor, Dims) -> Result<T>,
) -> Outcome {
    let (x, dims) = (x_as(c)?, dims(c, 1)?);
    if c.flag(2, "keepdim", false)? { ok(keep(&x, dims)?) } else { ok(drop(&x, dims)?) }
}

/// Along `dim`, which starts at `position`; without it `all`.
fn along<T: Into<Value<Tensor>>>(
    c: &Call,
    position: usize,
    drop: Along<T>,
    keep: Along<T>,
    all: impl FnOnce(&Tensor) -> Outcome,
) -> Outcome {
    let x = c.x()?;
    let keepdim = c.flag(position + 1, "keepdim", false)?;
    match c.int_opt(position, "dim")? {
        None => all(x),
        Some(dim) if keepdim => ok(keep(x, dim as isize)?),
        Some(dim) => ok(drop(x, dim as isize)?),
    }
}

/// Whether `keepdim`, and `correction` as `var` and its like take it: directly, or as `unbiased`.
struct Spread {
    dims: Dims,
    correction: f64,
    keepdim: bool,
}

impl Spread {
    fn read(c: &Call) -> Result<Spread, Trouble> {
        // `unbiased` alone may stand where `dim` stands.
        if c.count() == 2 && matches!(c.given(1, "unbiased"), Some(Value::Bool(_))) {
            let unbiased = c.flag(1, "unbiased", true)?;
            return Ok(Spread { dims: Dims::All, correction: f64::from(u8::from(unbiased)), keepdim: false });
        }
        let dims = dims(c, 1)?;
        let unbiased = c.flag(2, "unbiased", true)?;
        let correction = c.float_or(usize::MAX, "correction", f64::from(u8::from(unbiased)))?;
        Ok(Spread { dims, correction, keepdim: c.flag(3, "keepdim", false)? })
    }
}

type Spreads<T> = fn(&Tensor, Dims, f64) -> Result<T>;

fn spread<T: Into<Value<Tensor>>>(c: &Call, drop: Spreads<T>, keep: Spreads<T>) -> Outcome {
    let s = Spread::read(c)?;
    let f = if s.keepdim { keep } else { drop };
    ok(f(c.x()?, s.dims, s.correction)?)
}

/// The order of a norm; of matrix norms only the one that is a vector's too.
fn order(c: &Call, name: &str, default: f64) -> Result<f64, Trouble> {
    match c.given(1, name) {
        Some(Value::Str(s)) if s == "fro" => Ok(2.0),
        Some(Value::Str(s)) => unsupported(format!("norm {s}")),
        _ => c.float_or(1, name, default),
    }
}

fn norm(c: &Call, name: &str) -> Outcome {
    let (x, ord) = (x_as(c)?, order(c, name, 2.0)?);
    let dims = dims(c, 2)?;
    if c.flag(3, "keepdim", false)? { ok(x.norm_keepdim(ord, dims)?) } else { ok(x.norm(ord, dims)?) }
}

pub(super) const TABLE: &[Entry] = &[
    ("all", |c| over(c, |x, d| x.all(d), |x, d| x.all_keepdim(d))),
    ("amax", |c| over(c, |x, d| x.amax(d), |x, d| x.amax_keepdim(d))),
    ("amin", |c| over(c, |x, d| x.amin(d), |x, d| x.amin_keepdim(d))),
    ("aminmax", |c| {
        let (x, dims) = (c.x()?, c.ints_opt(usize::MAX, "dim")?.map_or(Dims::All, Dims::from));
        match c.flag(usize::MAX, "keepdim", false)? {
            false => ok(x.aminmax(dims)?),
            true => ok(x.aminmax_keepdim(dims)?),
        }
    }),
    ("any", |c| over(c, |x, d| x.any(d), |x, d| x.any_keepdim(d))),
    ("argmax", |c| along(c, 1, |x, d| x.argmax(d), |x, d| x.argmax_keepdim(d), |x| ok(x.argmax_all()?))),
    ("argmin", |c| along(c, 1, |x, d| x.argmin(d), |x, d| x.argmin_keepdim(d), |x| ok(x.argmin_all()?))),
    ("argsort", |c| {
        let (dim, descending) = (c.dim_or(1, "dim", -1)?, c.flag(2, "descending", false)?);
        let stable = c.flag(usize::MAX, "stable", false)?;
        ok(if stable { c.x()?.argsort_stable(dim, descending)? } else { c.x()?.argsort(dim, descending)? })
    }),
    ("count_nonzero", |c| ok(c.x()?.count_nonzero(dims(c, 1)?)?)),
    ("cummax", |c| ok(c.x()?.cummax(c.dim(1, "dim")?)?)),
    ("cummin", |c| ok(c.x()?.cummin(c.dim(1, "dim")?)?)),
    ("cumprod", |c| {
        let (x, dim) = (c.x()?, c.dim(1, "dim")?);
        ok(dtype(c)?.map_or_else(|| x.cumprod(dim), |dtype| x.cumprod_as(dim, dtype))?)
    }),
    ("cumsum", |c| {
        let (x, dim) = (c.x()?, c.dim(1, "dim")?);
        ok(dtype(c)?.map_or_else(|| x.cumsum(dim), |dtype| x.cumsum_as(dim, dtype))?)
    }),
    ("kthvalue", |c| {
        let (x, k, dim) = (c.x()?, c.size(1, "k")?, c.dim_or(2, "dim", -1)?);
        if c.flag(3, "keepdim", false)? { ok(x.kthvalue_keepdim(k, dim)?) } else { ok(x.kthvalue(k, dim)?) }
    }),
    ("logcumsumexp", |c| ok(c.x()?.logcumsumexp(c.dim(1, "dim")?)?)),
    ("logsumexp", |c| over(c, |x, d| x.logsumexp(d), |x, d| x.logsumexp_keepdim(d))),
    ("max.reduction_no_dim", |c| ok(c.x()?.max_all()?)),
    ("max.reduction_with_dim", |c| {
        along(c, 1, |x, d| x.max_dim(d), |x, d| x.max_dim_keepdim(d), |_| unsupported("no dim"))
    }),
    ("mean", |c| over(c, |x, d| x.mean(d), |x, d| x.mean_keepdim(d))),
    ("median", |c| along(c, 1, |x, d| x.median(d), |x, d| x.median_keepdim(d), |x| ok(x.median_all()?))),
    ("min.reduction_no_dim", |c| ok(c.x()?.min_all()?)),
    ("min.reduction_with_dim", |c| {
        along(c, 1, |x, d| x.min_dim(d), |x, d| x.min_dim_keepdim(d), |_| unsupported("no dim"))
    }),
    ("mode", |c| along(c, 1, |x, d| x.mode(d), |x, d| x.mode_keepdim(d), |x| ok(x.mode(-1)?))),
    ("msort", |c| ok(c.x()?.msort()?)),
    ("nanmean", |c| over(c, |x, d| x.nanmean(d), |x, d| x.nanmean_keepdim(d))),
    ("nanmedian", |c| along(c, 1, |x, d| x.nanmedian(d), |x, d| x.nanmedian_keepdim(d), |x| ok(x.nanmedian_all()?))),
    ("nansum", |c| over(c, |x, d| x.nansum(d), |x, d| x.nansum_keepdim(d))),
    ("norm", |c| norm(c, "p")),
    ("norm.nuc", |c| {
        c.text_opt(1, "p")?;
        let dims = c.ints_opt(2, "dim")?;
        ok(linalg::norm(&x_as(c)?, Some(MatrixOrd::Nuc), dims.as_deref(), c.flag(3, "keepdim", false)?)?)
    }),
    ("prod", |c| match dtype(c)? {
        None => over(c, |x, d| x.prod(d), |x, d| x.prod_keepdim(d)),
        Some(dtype) => over(c, |x, d| x.prod_as(dtype, d), |x, d| x.prod_as_keepdim(dtype, d)),
    }),
    ("sort", |c| {
        let (dim, descending) = (c.dim_or(1, "dim", -1)?, c.flag(2, "descending", false)?);
        let stable = c.flag(usize::MAX, "stable", false)?;
        ok(if stable { c.x()?.sort_stable(dim, descending)? } else { c.x()?.sort(dim, descending)? })
    }),
    ("std", |c| spread(c, |x, d, n| x.std(d, n), |x, d, n| x.std_keepdim(d, n))),
    ("std_mean", |c| spread(c, |x, d, n| x.std_mean(d, n), |x, d, n| x.std_mean_keepdim(d, n))),
    ("sum", |c| match dtype(c)? {
        None => over(c, |x, d| x.sum(d), |x, d| x.sum_keepdim(d)),
        Some(dtype) => over(c, |x, d| x.sum_as(dtype, d), |x, d| x.sum_as_keepdim(dtype, d)),
    }),
    ("sum_to_size", |c| {
        let sizes: Vec<usize> = c.sizes(1, "size")?.iter().map(|&s| s as usize).collect();
        ok(c.x()?.sum_to_size(&sizes)?)
    }),
    ("topk", |c| {
        let (k, dim, largest) = (c.size(1, "k")?, c.dim_or(2, "dim", -1)?, c.flag(3, "largest", true)?);
        // Ours is always in order.
        c.flag(4, "sorted", true)?;
        ok(c.x()?.topk_with(k, TopkOptions::new().dim(dim).largest(largest))?)
    }),
    ("var", |c| spread(c, |x, d, n| x.var(d, n), |x, d, n| x.var_keepdim(d, n))),
    ("var_mean", |c| spread(c, |x, d, n| x.var_mean(d, n), |x, d, n| x.var_mean_keepdim(d, n))),
];
