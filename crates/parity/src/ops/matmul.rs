//! Products of matrices and vectors.

use flambeau_tensor::{Scalar, Tensor};

use super::Entry;
use crate::call::{Call, Trouble, ok, unsupported};

/// A product of two tensors and nothing else.
macro_rules! product {
    ($($name:literal => $method:ident,)*) => {
        pub(super) const PRODUCTS: &[Entry] =
            &[$(($name, |c| ok(c.x()?.$method(c.tensor(1, "other")?)?)),)*];
    };
}

product! {
    "bmm" => bmm,
    "dot" => dot,
    "inner" => inner,
    "matmul" => matmul,
    "mm" => mm,
    "mv" => mv,
    "outer" => outer,
    "vdot" => vdot,
}

/// β·self + α·(a product of two).
macro_rules! added {
    ($($name:literal => $method:ident,)*) => {
        pub(super) const ADDED: &[Entry] = &[$(($name, |c| {
            let (a, b, beta, alpha) = operands(c)?;
            ok(c.x()?.$method(a, b, beta, alpha)?)
        }),)*];
    };
}

added! {
    "addbmm" => addbmm,
    "addmm" => addmm,
    "addmv" => addmv,
    "addr" => addr,
    "baddbmm" => baddbmm,
}

pub(super) const OTHERS: &[Entry] = &[
    ("__rmatmul__", |c| ok(c.tensor(1, "other")?.matmul(c.x()?)?)),
    ("nn.functional.linear", |c| ok(c.x()?.linear(c.tensor(1, "weight")?, c.tensor_opt(2, "bias")?)?)),
    ("tensordot", |c| {
        if c.is_int(2, "dims") {
            // The last n dimensions of the one with the first n of the other.
            let n = c.size(2, "dims")?;
            if n > c.x()?.rank() {
                return unsupported(format!("`dims` is {n}, the rank {}", c.x()?.rank()));
            }
            let n = n as isize;
            return ok(c.x()?.tensordot(
                c.tensor(1, "other")?,
                (-n..0).collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>(),
            )?);
        }
        let pairs = c.lists(2, "dims")?;
        let [ours, theirs] = pairs.as_slice() else {
            return crate::call::unsupported("dims of tensordot are not a pair");
        };
        ok(c.x()?.tensordot(c.tensor(1, "other")?, ours.clone(), theirs.clone())?)
    }),
];

fn operands(c: &Call) -> Result<(&Tensor, &Tensor, Scalar, Scalar), Trouble> {
    let one = Scalar::from(1);
    let beta = c.scalar_opt(usize::MAX, "beta")?.unwrap_or(one);
    let alpha = c.scalar_opt(usize::MAX, "alpha")?.unwrap_or(one);
    Ok((c.tensor(1, "a")?, c.tensor(2, "b")?, beta, alpha))
}
