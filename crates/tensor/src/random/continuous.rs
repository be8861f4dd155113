//! Uniform samples and the distributions made from one 53-bit uniform each. PyTorch
//! computes these in `f64` whatever the output's type, with the C library's
//! logarithm and tangent; so does this.

use super::element::{CHUNK, DrawnIn, RandomElement, RandomFloat, unit};
use super::mt19937::Mt19937;
use super::normal;
use super::state::HostState;

/// Samples from `[from, to)`.
pub(super) fn uniform<T: RandomFloat>(engine: &mut Mt19937, out: &mut [T], from: f64, to: f64) {
    let (low, high) = (T::DrawnIn::from_f64(from), T::DrawnIn::from_f64(to));
    let (lowest, excluded) = (T::from_f64(from), T::from_f64(to));
    let mut buffer = [T::DrawnIn::default(); CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let buffer = &mut buffer[..part.len()];
        unit(engine, buffer);
        T::DrawnIn::affine(buffer, high - low, low);
        for (x, &value) in part.iter_mut().zip(buffer.iter()) {
            // Rounding can reach the bound that is excluded.
            let value = T::narrow(value);
            *x = if value == excluded { lowest } else { value };
        }
    }
}

/// Fills with `make(u)` of one uniform `f64` from `[0, 1)` each.
fn each<T: RandomElement>(engine: &mut Mt19937, out: &mut [T], make: impl Fn(f64) -> f64) {
    let mut buffer = [0.0f64; CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let buffer = &mut buffer[..part.len()];
        unit(engine, buffer);
        for (x, &u) in part.iter_mut().zip(buffer.iter()) {
            *x = T::from_f64(make(u));
        }
    }
}

/// Exponential samples of rate `lambda`.
pub(super) fn exponential<T: RandomElement>(engine: &mut Mt19937, out: &mut [T], lambda: f64) {
    let scale = -1.0 / lambda;
    each(engine, out, |u| scale * (-u).ln_1p());
}

/// Trials up to and with the first success, each with probability `p`.
pub(super) fn geometric<T: RandomElement>(engine: &mut Mt19937, out: &mut [T], p: f64) {
    let ln_failure = (-p).ln_1p();
    each(engine, out, |u| (u.ln() / ln_failure).ceil());
}

/// Cauchy samples around `median`, of half-width `sigma` at half maximum.
pub(super) fn cauchy<T: RandomElement>(engine: &mut Mt19937, out: &mut [T], median: f64, sigma: f64) {
    each(engine, out, |u| sigma.mul_add((std::f64::consts::PI * (u - 0.5)).tan(), median));
}

/// Exponentials of normal samples, drawn one by one with their waiting halves.
pub(super) fn log_normal<T: RandomElement>(state: &mut HostState, out: &mut [T], mean: f64, std: f64) {
    for x in out {
        *x = T::from_f64(normal::sample(state).mul_add(std, mean).exp());
    }
}
