//! Special functions.

use flambeau_tensor::special;

use super::Entry;
use crate::call::ok;

pub(super) const TABLE: &[Entry] = &[
    ("special.entr", |c| ok(special::entr(c.x()?)?)),
    ("special.ndtr", |c| ok(special::ndtr(c.x()?)?)),
    ("special.xlog1py", |c| ok(special::xlog1py(c.x()?, c.operand(1, "other")?)?)),
];
