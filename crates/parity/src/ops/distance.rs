//! Distances, differences along a dimension, and statistics of several variables.

use flambeau_tensor::{Scalar, Spacing, Tensor, einsum};

use super::Entry;
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, as_scalar, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("cdist", |c| {
        // Which way it is computed changes no more than the last digits.
        c.text_opt(3, "compute_mode")?;
        ok(c.x()?.cdist(c.tensor(1, "x2")?, c.float_or(2, "p", 2.0)?)?)
    }),
    ("corrcoef", |c| ok(c.x()?.corrcoef()?)),
    ("cov", |c| {
        let (f, a) = (c.tensor_opt(KEYWORD, "fweights")?, c.tensor_opt(KEYWORD, "aweights")?);
        ok(c.x()?.cov(c.int_or(KEYWORD, "correction", 1)?, f, a)?)
    }),
    ("cross", |c| ok(c.x()?.cross(c.tensor(1, "other")?, c.int_opt(2, "dim")?.map(|d| d as isize))?)),
    ("linalg.cross", |c| ok(c.x()?.cross(c.tensor(1, "other")?, Some(c.dim_or(KEYWORD, "dim", -1)?))?)),
    ("cumulative_trapezoid", |c| area(c, Tensor::cumulative_trapezoid)),
    ("diff", |c| {
        let (prepend, append) = (c.tensor_opt(3, "prepend")?, c.tensor_opt(4, "append")?);
        ok(c.x()?.diff(c.size_or(1, "n", 1)?, c.dim_or(2, "dim", -1)?, prepend, append)?)
    }),
    ("dist", |c| ok(c.x()?.dist(c.tensor(1, "other")?, c.float_or(2, "p", 2.0)?)?)),
    ("einsum", |c| match c.text_opt(1, "equation")? {
        Some(equation) => ok(einsum(equation, &c.tensors(0, "operands")?)?),
        None => unsupported("einsum without an equation"),
    }),
    ("gradient", |c| {
        let one = |v: &Value<Tensor>| match v {
            Value::Tensor(t) => Some(Spacing::At(t.clone())),
            other => as_scalar(other).map(|s: Scalar| Spacing::Even(s.to_f64())),
        };
        let spacing = match c.given(KEYWORD, "spacing") {
            None => Some(vec![]),
            Some(Value::Seq(all) | Value::List(all)) => all.iter().map(one).collect(),
            Some(value) => one(value).map(|s| vec![s]),
        };
        let Some(spacing) = spacing else { return unsupported("spacing is neither numbers nor tensors") };
        let dims = c.ints_opt(KEYWORD, "dim")?.map_or(flambeau_tensor::Dims::All, Into::into);
        ok(c.x()?.gradient(&spacing, dims, c.size_or(KEYWORD, "edge_order", 1)?)?)
    }),
    ("kron", |c| ok(c.x()?.kron(c.tensor(1, "other")?)?)),
    ("nn.functional.bilinear", |c| {
        ok(c.x()?.bilinear(c.tensor(1, "input2")?, c.tensor(2, "weight")?, c.tensor_opt(3, "bias")?)?)
    }),
    ("nn.functional.cosine_similarity", |c| {
        let (dim, eps) = (c.dim_or(2, "dim", 1)?, c.float_or(3, "eps", 1e-8)?);
        ok(c.x()?.cosine_similarity(c.tensor(1, "x2")?, dim, eps)?)
    }),
    ("nn.functional.normalize", |c| {
        let (p, dim) = (c.float_or(1, "p", 2.0)?, c.dim_or(2, "dim", 1)?);
        ok(c.x()?.normalize(p, dim, c.float_or(3, "eps", 1e-12)?)?)
    }),
    ("nn.functional.pairwise_distance", |c| {
        let (p, eps) = (c.float_or(2, "p", 2.0)?, c.float_or(3, "eps", 1e-6)?);
        ok(c.x()?.pairwise_distance(c.tensor(1, "x2")?, p, eps, c.flag(4, "keepdim", false)?)?)
    }),
    ("nn.functional.pdist", |c| ok(c.x()?.pdist(c.float_or(1, "p", 2.0)?)?)),
    ("renorm", |c| ok(c.x()?.renorm(c.float(1, "p")?, c.dim(2, "dim")?, c.float(3, "maxnorm")?)?)),
    ("trapezoid", |c| area(c, Tensor::trapezoid)),
    ("trapz", |c| area(c, Tensor::trapezoid)),
];

type Area = fn(&Tensor, &Spacing, isize) -> flambeau_tensor::Result<Tensor>;

fn area(c: &Call, f: Area) -> Outcome {
    let spacing = match (c.tensor_opt(1, "x")?, c.float_opt(KEYWORD, "dx")?) {
        (Some(x), None) => Spacing::At(x.clone()),
        (None, dx) => Spacing::Even(dx.unwrap_or(1.0)),
        _ => return Err(Trouble::Unsupported("both `x` and `dx`".into())),
    };
    ok(f(c.x()?, &spacing, c.dim_or(KEYWORD, "dim", -1)?)?)
}
