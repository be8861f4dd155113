//! Elements counted, found in sorted lists, and without their repetitions.

use flambeau_tensor::{Bins, DType, Interpolation, Tensor, Unique};

use super::Entry;
use crate::{
    call::{Call, KEYWORD, Outcome, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("bincount", |c| ok(c.x()?.bincount(c.tensor_opt(1, "weights")?, c.size_or(2, "minlength", 0)?)?)),
    ("bucketize", |c| {
        let right = c.flag(KEYWORD, "right", false)?;
        placed(c, c.x()?.bucketize(c.tensor(1, "boundaries")?, right)?)
    }),
    ("histc", |c| {
        let (min, max) = (c.float_or(2, "min", 0.0)?, c.float_or(3, "max", 0.0)?);
        ok(c.x()?.histc(c.size_or(1, "bins", 100)?, min, max)?)
    }),
    ("histogram", |c| {
        let bins = match c.get(1, "bins") {
            Some(Value::Tensor(edges)) => Bins::Edges(edges.clone()),
            _ => {
                let range = c.pair_or(KEYWORD, "range", (f64::NAN, f64::NAN))?;
                Bins::Even(c.size(1, "bins")?, Some(range).filter(|r| !r.0.is_nan()))
            }
        };
        let (weight, density) = (c.tensor_opt(KEYWORD, "weight")?, c.flag(KEYWORD, "density", false)?);
        let found = c.x()?.histogram(&bins, weight, density)?;
        ok((found.hist, found.bin_edges))
    }),
    ("histogramdd", |c| {
        let dims = c.x()?.size(-1)?;
        let even = |n: usize| Bins::Even(n, None);
        let mut bins = match c.given(1, "bins") {
            Some(Value::Int(n)) => vec![even(*n as usize); dims],
            Some(Value::Seq(items) | Value::List(items)) if matches!(items.first(), Some(Value::Tensor(_))) => {
                c.tensors(1, "bins")?.into_iter().map(Bins::Edges).collect()
            }
            _ => c.ints(1, "bins")?.into_iter().map(|n| even(n as usize)).collect(),
        };
        if let Some(range) = c.floats_opt(KEYWORD, "range")? {
            for (bins, ends) in bins.iter_mut().zip(range.chunks_exact(2)) {
                if let Bins::Even(n, _) = bins {
                    *bins = Bins::Even(*n, Some((ends[0], ends[1])));
                }
            }
        }
        let (weight, density) = (c.tensor_opt(KEYWORD, "weight")?, c.flag(KEYWORD, "density", false)?);
        let (hist, edges) = c.x()?.histogramdd(&bins, weight, density)?;
        ok(Value::Seq(vec![hist.into(), edges.into()]))
    }),
    ("isin", |c| ok(c.x()?.isin(c.tensor(1, "test_elements")?)?)),
    ("nanquantile", |c| quantile(c, |x, q, d, k, i| x.nanquantile(q, d, k, i))),
    ("quantile", |c| quantile(c, |x, q, d, k, i| x.quantile(q, d, k, i))),
    ("searchsorted", |c| {
        let right = match c.text_opt(KEYWORD, "side")? {
            None => c.flag(KEYWORD, "right", false)?,
            Some(side) => {
                c.flag(KEYWORD, "right", false)?;
                side == "right"
            }
        };
        let sorted = match c.tensor_opt(KEYWORD, "sorter")? {
            None => c.x()?.clone(),
            Some(sorter) => c.x()?.gather(-1, sorter)?,
        };
        placed(c, sorted.searchsorted(c.tensor(1, "values")?, right)?)
    }),
    ("unique", |c| {
        // Ours are always in order, as PyTorch's on the CPU.
        c.flag(1, "sorted", true)?;
        let dim = c.int_opt(4, "dim")?.map(|d| d as isize);
        parts(c, 2, c.x()?.unique(dim)?)
    }),
    ("unique_consecutive", |c| {
        let dim = c.int_opt(3, "dim")?.map(|d| d as isize);
        parts(c, 1, c.x()?.unique_consecutive(dim)?)
    }),
    ("unravel_index", |c| ok(c.x()?.unravel_index(c.ints(1, "shape")?)?)),
];

fn placed(c: &Call, places: Tensor) -> Outcome {
    ok(if c.flag(KEYWORD, "out_int32", false)? { places.to_dtype(DType::I32)? } else { places })
}

fn parts(c: &Call, position: usize, found: Unique) -> Outcome {
    let (inverse, counts) = (c.flag(position, "return_inverse", false)?, c.flag(position + 1, "return_counts", false)?);
    match (inverse, counts) {
        (false, false) => ok(found.values),
        (true, false) => ok((found.values, found.inverse)),
        (false, true) => ok((found.values, found.counts)),
        (true, true) => ok((found.values, found.inverse, found.counts)),
    }
}

type Quantile = fn(&Tensor, &Tensor, Option<isize>, bool, Interpolation) -> flambeau_tensor::Result<Tensor>;

fn quantile(c: &Call, f: Quantile) -> Outcome {
    let q = match c.get(1, "q") {
        Some(Value::Tensor(q)) => q.clone(),
        _ => Tensor::full((), c.float(1, "q")?).dtype(c.x()?.dtype()).build()?,
    };
    let interpolation = match c.text_or(KEYWORD, "interpolation", "linear")? {
        "linear" => Interpolation::Linear,
        "lower" => Interpolation::Lower,
        "higher" => Interpolation::Higher,
        "nearest" => Interpolation::Nearest,
        "midpoint" => Interpolation::Midpoint,
        other => return unsupported(format!("interpolation {other}")),
    };
    let dim = c.int_opt(2, "dim")?.map(|d| d as isize);
    ok(f(c.x()?, &q, dim, c.flag(3, "keepdim", false)?, interpolation)?)
}
