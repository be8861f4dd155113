//! Window functions.

use flambeau_tensor::{DType, signal::windows};

use super::Entry;
use crate::call::{Call, KEYWORD, Trouble, ok, unsupported};

/// The size, whether symmetric, the dtype.
fn common(c: &Call) -> Result<(usize, bool, DType), Trouble> {
    Ok((c.size(0, "M")?, c.flag(KEYWORD, "sym", true)?, c.dtype_opt(KEYWORD, "dtype")?.unwrap_or(DType::F32)))
}

/// Windows with no parameters of their own.
macro_rules! plain {
    ($($name:literal => $window:ident,)*) => {
        pub(super) const PLAIN: &[Entry] = &[$(($name, |c| {
            let (m, sym, dtype) = common(c)?;
            ok(windows::$window(m, sym, dtype)?)
        }),)*];
    };
}

plain! {
    "signal.windows.bartlett" => bartlett,
    "signal.windows.blackman" => blackman,
    "signal.windows.cosine" => cosine,
    "signal.windows.hamming" => hamming,
    "signal.windows.hann" => hann,
    "signal.windows.nuttall" => nuttall,
}

pub(super) const OTHERS: &[Entry] = &[
    ("signal.windows.exponential", |c| {
        let (m, sym, dtype) = common(c)?;
        let (center, tau) = (c.float_opt(KEYWORD, "center")?, c.float_or(KEYWORD, "tau", 1.0)?);
        ok(windows::exponential(m, center, tau, sym, dtype)?)
    }),
    ("signal.windows.gaussian", |c| {
        let (m, sym, dtype) = common(c)?;
        ok(windows::gaussian(m, c.float_or(KEYWORD, "std", 1.0)?, sym, dtype)?)
    }),
    ("signal.windows.general_cosine", |c| {
        let (m, sym, dtype) = common(c)?;
        let Some(a) = c.floats_opt(KEYWORD, "a")? else {
            return unsupported("no coefficients are given");
        };
        ok(windows::general_cosine(m, &a, sym, dtype)?)
    }),
    ("signal.windows.general_hamming", |c| {
        let (m, sym, dtype) = common(c)?;
        ok(windows::general_hamming(m, c.float_or(KEYWORD, "alpha", 0.54)?, sym, dtype)?)
    }),
    ("signal.windows.kaiser", |c| {
        let (m, sym, dtype) = common(c)?;
        ok(windows::kaiser(m, c.float_or(KEYWORD, "beta", 12.0)?, sym, dtype)?)
    }),
];
