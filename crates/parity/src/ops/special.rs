//! Special functions.

use flambeau_tensor::{Operand, Tensor, special};

use super::Entry;
use crate::call::{Call, Outcome, Trouble, ok};

/// A function of one tensor and nothing else.
macro_rules! unary {
    ($($name:literal => $function:ident,)*) => {
        pub(super) const UNARY: &[Entry] = &[$(($name, |c| ok(special::$function(c.x()?)?)),)*];
    };
}

unary! {
    "digamma" => digamma,
    "i0" => i0,
    "lgamma" => gammaln,
    "special.airy_ai" => airy_ai,
    "special.bessel_j0" => bessel_j0,
    "special.bessel_j1" => bessel_j1,
    "special.bessel_y0" => bessel_y0,
    "special.bessel_y1" => bessel_y1,
    "special.entr" => entr,
    "special.erfcx" => erfcx,
    "special.i0e" => i0e,
    "special.i1" => i1,
    "special.i1e" => i1e,
    "special.log_ndtr" => log_ndtr,
    "special.modified_bessel_i0" => modified_bessel_i0,
    "special.modified_bessel_i1" => modified_bessel_i1,
    "special.modified_bessel_k0" => modified_bessel_k0,
    "special.modified_bessel_k1" => modified_bessel_k1,
    "special.ndtr" => ndtr,
    "special.ndtri" => ndtri,
    "special.scaled_modified_bessel_k0" => scaled_modified_bessel_k0,
    "special.scaled_modified_bessel_k1" => scaled_modified_bessel_k1,
    "special.spherical_bessel_j0" => spherical_bessel_j0,
}

/// A function of a tensor and another tensor or a number, which has this name.
macro_rules! pairs {
    ($($name:literal => $function:ident($other:literal),)*) => {
        pub(super) const PAIRS: &[Entry] = &[$(($name, |c| pair(c, $other, |x, other| special::$function(x, other))),)*];
    };
}

type Pair = fn(&Tensor, Operand<'_>) -> flambeau_tensor::Result<Tensor>;

fn pair(c: &Call, other: &str, f: Pair) -> Outcome {
    ok(f(c.x()?, c.operand(1, other)?)?)
}

pairs! {
    "igamma" => gammainc("other"),
    "igammac" => gammaincc("other"),
    "special.chebyshev_polynomial_t" => chebyshev_polynomial_t("n"),
    "special.chebyshev_polynomial_u" => chebyshev_polynomial_u("n"),
    "special.chebyshev_polynomial_v" => chebyshev_polynomial_v("n"),
    "special.chebyshev_polynomial_w" => chebyshev_polynomial_w("n"),
    "special.hermite_polynomial_h" => hermite_polynomial_h("n"),
    "special.hermite_polynomial_he" => hermite_polynomial_he("n"),
    "special.laguerre_polynomial_l" => laguerre_polynomial_l("n"),
    "special.legendre_polynomial_p" => legendre_polynomial_p("n"),
    "special.shifted_chebyshev_polynomial_t" => shifted_chebyshev_polynomial_t("n"),
    "special.shifted_chebyshev_polynomial_u" => shifted_chebyshev_polynomial_u("n"),
    "special.shifted_chebyshev_polynomial_v" => shifted_chebyshev_polynomial_v("n"),
    "special.shifted_chebyshev_polynomial_w" => shifted_chebyshev_polynomial_w("n"),
    "special.xlog1py" => xlog1py("other"),
    "special.zeta" => zeta("other"),
}

fn order(c: &Call, name: &str) -> Result<u32, Trouble> {
    Ok(u32::try_from(c.size(1, name)?).unwrap_or(u32::MAX))
}

pub(super) const ORDERS: &[Entry] = &[
    ("mvlgamma", |c| ok(special::multigammaln(c.x()?, order(c, "p")?)?)),
    ("polygamma", |c| ok(special::polygamma(order(c, "n")?, c.x()?)?)),
    ("special.polygamma", |c| ok(special::polygamma(order(c, "n")?, c.x()?)?)),
];
