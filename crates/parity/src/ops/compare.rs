//! Bounds and closeness.

use flambeau_tensor::{CloseOptions, Operand};

use super::Entry;
use crate::{
    call::{Call, Trouble, ok},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("allclose", |c| {
        let (rtol, atol, equal_nan) = closeness(c)?;
        ok(c.x()?.allclose_with(c.tensor(1, "other")?, CloseOptions { rtol, atol, equal_nan })?)
    }),
    ("clamp", |c| ok(c.x()?.clamp(bound(c, 1, "min")?, bound(c, 2, "max")?)?)),
    ("clamp_max", |c| ok(c.x()?.clamp_max(c.operand(1, "max")?)?)),
    ("clamp_min", |c| ok(c.x()?.clamp_min(c.operand(1, "min")?)?)),
    ("equal", |c| ok(c.x()?.equal(c.tensor(1, "other")?)?)),
    ("isclose", |c| {
        let (rtol, atol, equal_nan) = closeness(c)?;
        ok(c.x()?.isclose_with(c.tensor(1, "other")?, CloseOptions { rtol, atol, equal_nan })?)
    }),
];

fn closeness(c: &Call) -> Result<(f64, f64, bool), Trouble> {
    let (rtol, atol) = (c.float_or(2, "rtol", 1e-5)?, c.float_or(3, "atol", 1e-8)?);
    Ok((rtol, atol, c.flag(4, "equal_nan", false)?))
}

fn bound<'a>(c: &'a Call, position: usize, name: &str) -> Result<Option<Operand<'a>>, Trouble> {
    match c.get(position, name) {
        None | Some(Value::None) => Ok(None),
        Some(_) => c.operand(position, name).map(Some),
    }
}
