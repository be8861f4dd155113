//! Orthogonal polynomials of degree n, by their recurrences, and those of Chebyshev between their ends as functions of
//! an angle. A degree below 0 is the zero polynomial, as in PyTorch.

/// Recurrences of more steps than this are not run: the result is NaN.
const MOST: i64 = 1_000_000;

/// Hermite's polynomials beyond this degree are NaN, as in PyTorch.
const HERMITE: i64 = 512;

/// p₀ = 1, p₁ = `first`, pₖ₊₁ = `next(k, pₖ, pₖ₋₁)`.
fn recur(n: i64, first: f64, next: impl Fn(f64, f64, f64) -> f64) -> f64 {
    match n {
        ..0 => return 0.0,
        0 => return 1.0,
        MOST.. => return f64::NAN,
        _ => {}
    }
    let (mut before, mut p) = (1.0, first);
    for k in 1..n {
        if p.is_nan() {
            break;
        }
        (before, p) = (p, next(k as f64, p, before));
    }
    p
}

/// The four kinds of Chebyshev's polynomials.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    T,
    U,
    V,
    W,
}

pub(super) fn chebyshev(kind: Kind, x: f64, n: i64) -> f64 {
    if n < 0 {
        return 0.0;
    }
    let degree = n as f64;
    let alternating = |size: f64| if n % 2 == 0 { size } else { -size };
    if x.abs() == 1.0 {
        return match (kind, x > 0.0) {
            (Kind::T | Kind::V, true) => 1.0,
            (Kind::T | Kind::W, false) => alternating(1.0),
            (Kind::U, true) => degree + 1.0,
            (Kind::U, false) => alternating(degree + 1.0),
            (Kind::V, false) => alternating(2.0 * degree + 1.0),
            (Kind::W, true) => 2.0 * degree + 1.0,
        };
    }
    if n > 8 && x.abs() < 1.0 {
        let angle = x.acos();
        let middle = (degree + 0.5) * angle;
        return match kind {
            Kind::T => (degree * angle).cos(),
            Kind::U => ((degree + 1.0) * angle).sin() / angle.sin(),
            Kind::V => middle.cos() / (0.5 * angle).cos(),
            Kind::W => middle.sin() / (0.5 * angle).sin(),
        };
    }
    let first = match kind {
        Kind::T => x,
        Kind::U => x + x,
        Kind::V => x + x - 1.0,
        Kind::W => x + x + 1.0,
    };
    recur(n, first, |_, p, before| (x + x) * p - before)
}

pub(super) fn hermite_h(x: f64, n: i64) -> f64 {
    if n > HERMITE { f64::NAN } else { recur(n, x + x, |k, p, before| (x + x) * p - 2.0 * k * before) }
}

pub(super) fn hermite_he(x: f64, n: i64) -> f64 {
    if n > HERMITE { f64::NAN } else { recur(n, x, |k, p, before| x * p - k * before) }
}

pub(super) fn laguerre(x: f64, n: i64) -> f64 {
    if x == 0.0 && n >= 0 {
        return 1.0;
    }
    recur(n, 1.0 - x, |k, p, before| ((2.0 * k + 1.0 - x) * p - k * before) / (k + 1.0))
}

pub(super) fn legendre(x: f64, n: i64) -> f64 {
    if x.abs() == 1.0 && n >= 0 {
        return if x > 0.0 || n % 2 == 0 { 1.0 } else { -1.0 };
    }
    recur(n, x, |k, p, before| ((2.0 * k + 1.0) * x * p - k * before) / (k + 1.0))
}
