//! Picking and placing elements by number or mask.

use flambeau_tensor::{IntoPick, Pick, Picks, Reduce, Tensor};

use super::Entry;
use crate::{
    call::{Call, Trouble, as_ints, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("__getitem__", |c| {
        let index = match c.get(1, "index") {
            Some(Value::Seq(places)) => places.iter().map(pick).collect::<Result<Picks, _>>()?,
            Some(place) => [pick(place)?].into_iter().collect(),
            None => return unsupported("no index"),
        };
        ok(c.x()?.i(index)?)
    }),
    ("argwhere", |c| ok(c.x()?.argwhere()?)),
    ("gather", |c| ok(c.x()?.gather(c.dim(1, "dim")?, c.tensor(2, "index")?)?)),
    ("index_add", |c| {
        let alpha = c.scalar_opt(4, "alpha")?.unwrap_or(1.into());
        ok(c.x()?.index_add(c.dim(1, "dim")?, c.tensor(2, "index")?, c.tensor(3, "source")?, alpha)?)
    }),
    ("index_copy", |c| ok(c.x()?.index_copy(c.dim(1, "dim")?, c.tensor(2, "index")?, c.tensor(3, "source")?)?)),
    ("index_fill", |c| ok(c.x()?.index_fill(c.dim(1, "dim")?, c.tensor(2, "index")?, c.operand(3, "value")?)?)),
    ("index_put", |c| {
        let indices = c.tensors(1, "indices")?;
        let indices: Vec<Option<&Tensor>> = indices.iter().map(Some).collect();
        ok(c.x()?.index_put(&indices, c.tensor(2, "values")?, c.flag(3, "accumulate", false)?)?)
    }),
    ("index_reduce", |c| {
        let (dim, index, source) = (c.dim(1, "dim")?, c.tensor(2, "index")?, c.tensor(3, "source")?);
        let own = c.flag(5, "include_self", true)?;
        ok(c.x()?.index_reduce(dim, index, source, reduce(c, 4)?, own)?)
    }),
    ("index_select", |c| ok(c.x()?.index_select(c.dim(1, "dim")?, c.tensor(2, "index")?)?)),
    ("masked_scatter", |c| ok(c.x()?.masked_scatter(c.tensor(1, "mask")?, c.tensor(2, "source")?)?)),
    ("masked_select", |c| ok(c.x()?.masked_select(c.tensor(1, "mask")?)?)),
    ("nn.functional.embedding", |c| {
        let padding = c.int_opt(2, "padding_idx")?.map(|i| i as isize);
        // The recorded input is the weight; the op's own first argument is the second.
        ok(c.x()?.embedding(c.tensor(1, "weight")?, padding)?)
    }),
    ("nn.functional.one_hot", |c| {
        let classes = c.int_or(1, "num_classes", -1)?;
        ok(c.x()?.one_hot(usize::try_from(classes).ok())?)
    }),
    ("nonzero", |c| match c.flag(1, "as_tuple", false)? {
        false => ok(c.x()?.nonzero()?),
        true => ok(c.x()?.atleast_1d()?.nonzero()?.unbind(1)?),
    }),
    ("nonzero_static", |c| {
        let fill = c.int_or(usize::MAX, "fill_value", -1)?;
        ok(c.x()?.nonzero_static(c.size(usize::MAX, "size")?, fill)?)
    }),
    ("put", |c| {
        let accumulate = c.flag(3, "accumulate", false)?;
        ok(c.x()?.put(c.tensor(1, "index")?, c.tensor(2, "source")?, accumulate)?)
    }),
    ("scatter", |c| {
        let (dim, index, source) = (c.dim(1, "dim")?, c.tensor(2, "index")?, c.operand(3, "src")?);
        let reduce = match c.text_opt(4, "reduce")? {
            None => return ok(c.x()?.scatter(dim, index, source)?),
            Some("add") => Reduce::Sum,
            Some("multiply") => Reduce::Prod,
            Some(other) => return unsupported(format!("reduce {other}")),
        };
        ok(c.x()?.scatter_reduce(dim, index, source, reduce, true)?)
    }),
    ("scatter_add", |c| ok(c.x()?.scatter_add(c.dim(1, "dim")?, c.tensor(2, "index")?, c.tensor(3, "src")?)?)),
    ("scatter_reduce", |c| {
        let (dim, index, source) = (c.dim(1, "dim")?, c.tensor(2, "index")?, c.tensor(3, "src")?);
        let own = c.flag(5, "include_self", true)?;
        ok(c.x()?.scatter_reduce(dim, index, source, reduce(c, 4)?, own)?)
    }),
    ("take", |c| ok(c.x()?.take(c.tensor(1, "index")?)?)),
    ("take_along_dim", |c| {
        let dim = c.int_opt(2, "dim")?.map(|d| d as isize);
        ok(c.x()?.take_along_dim(c.tensor(1, "indices")?, dim)?)
    }),
];

/// What stands at one place between the brackets.
fn pick(place: &Value<Tensor>) -> Result<Pick, Trouble> {
    let end = |v: &Value<Tensor>| match v {
        Value::Int(i) => Ok(Some(*i as isize)),
        Value::None => Ok(None),
        other => unsupported(format!("{} in a slice", other.kind())),
    };
    Ok(match place {
        Value::Int(i) => Pick::At(*i as isize),
        Value::None => Pick::NewAxis,
        Value::Ellipsis => Pick::Ellipsis,
        Value::Tensor(t) => Pick::Tensor(t.clone()),
        Value::Bool(b) => b.into_pick()?,
        Value::Slice(parts) => {
            let [start, stop, step] = &**parts;
            let step = end(step)?.unwrap_or(1);
            let Ok(step) = usize::try_from(step) else { return unsupported("a negative step") };
            Pick::Slice { start: end(start)?.unwrap_or(0), end: end(stop)?, step }
        }
        other => match as_ints(other) {
            Some(numbers) => numbers.into_pick()?,
            None => return unsupported(format!("{} in an index", other.kind())),
        },
    })
}

fn reduce(c: &Call, position: usize) -> Result<Reduce, Trouble> {
    Ok(match c.text_or(position, "reduce", "")? {
        "sum" => Reduce::Sum,
        "prod" => Reduce::Prod,
        "mean" => Reduce::Mean,
        "amax" => Reduce::Amax,
        "amin" => Reduce::Amin,
        other => return unsupported(format!("reduce {other}")),
    })
}
