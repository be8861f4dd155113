//! Samples that are proposed and accepted or thrown away: gamma, Poisson and binomial.
//!
//! How many uniforms one sample takes depends on what they are, so the order of every comparison is part of the
//! contract with PyTorch. It computes in `f64`, but for what it does in the type of the parameters: there `round`
//! is the rounding to that type.

use super::element::{DrawnIn, RandomFloat, unit};
use super::normal;
use super::state::HostState;
use crate::cpu::math::Float;

fn uniform(state: &mut HostState) -> f64 {
    let mut u = [0.0f64];
    unit(&mut state.engine, &mut u);
    u[0]
}

/// `x` as the type `C` holds it.
fn round<C: DrawnIn>(x: f64) -> f64 {
    C::from_f64(x).to_f64()
}

/// A sample of the gamma distribution of shape `alpha` and rate 1 by G. Marsaglia & W. W. Tsang, "A simple method for
/// generating gamma variables" (2000). PyTorch's constants are numbers of single precision.
pub(super) fn gamma<C: DrawnIn>(state: &mut HostState, alpha: f64) -> f64 {
    let (mut alpha, mut scale) = (alpha, 1.0);
    if alpha < 1.0 {
        if alpha == 0.0 {
            return 0.0;
        }
        // A sample of α + 1 times a power of a uniform is one of α.
        scale = (1.0 - uniform(state)).powf(round::<C>(1.0 / alpha));
        alpha = round::<C>(alpha + 1.0);
    }
    let d = round::<C>(alpha - f64::from(1.0f32 / 3.0));
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let (mut x, mut y) = (0.0, 0.0);
        while y <= 0.0 {
            x = normal::sample(state);
            y = 1.0 + c * x;
        }
        let (v, u, xx) = (y * y * y, 1.0 - uniform(state), x * x);
        if u < 1.0 - f64::from(0.0331f32) * xx * xx || u.ln() < 0.5 * xx + d * (1.0 - v + v.ln()) {
            return scale * d * v;
        }
    }
}

/// A sample of the Poisson distribution of mean `rate`: from 10 on by W. Hörmann, "The transformed rejection method for
/// generating Poisson random variables" (1993), below by a product of uniforms.
pub(super) fn poisson(state: &mut HostState, rate: f64) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if rate < 10.0 {
        let (end, mut product, mut k) = ((-rate).exp(), 1.0, 0.0);
        loop {
            product *= uniform(state);
            if product <= end {
                return k;
            }
            k += 1.0;
        }
    }
    let (root, log) = (rate.sqrt(), rate.ln());
    let b = 0.931 + 2.53 * root;
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = uniform(state) - 0.5;
        let v = uniform(state);
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + rate + 0.43).floor();
        if us >= 0.07 && v <= v_r {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let proposed = v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln();
        if proposed <= k * log - rate - Float::lgamma(k + 1.0) {
            return k;
        }
    }
}

/// A sample of the binomial distribution: successes of `count` trials, each of probability `p`.
pub(super) fn binomial<C: DrawnIn>(state: &mut HostState, count: f64, p: f64) -> f64 {
    if count <= 0.0 || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return count;
    }
    // The rarer outcome is counted.
    let rare = if p <= 0.5 { p } else { round::<C>(1.0 - p) };
    let k = if round::<C>(count * rare) >= 10.0 {
        transformed::<C>(state, count, rare)
    } else {
        inversion::<C>(state, count, rare)
    };
    if p <= 0.5 { k } else { count - k }
}

/// Successes as the number of geometric waits that fit into `count` trials.
fn inversion<C: DrawnIn>(state: &mut HostState, count: f64, p: f64) -> f64 {
    let log_failure = round::<C>((-p).ln_1p());
    let (mut trials, mut k) = (0.0, 0.0);
    loop {
        trials += (uniform(state).ln() / log_failure).ceil();
        if trials > count {
            return k;
        }
        k += 1.0;
    }
}

/// What is left of Stirling's formula for `ln k!`.
fn stirling_tail(k: f64) -> f64 {
    const FIRST: [f64; 10] = [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.02079067210376509,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.010411265261972,
        0.00925546218271273,
        0.00833056343336287,
    ];
    match FIRST.get(k as usize) {
        Some(&tail) => tail,
        None => {
            let square = (k + 1.0) * (k + 1.0);
            (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0)
        }
    }
}

/// Transformed rejection (BTRS) by W. Hörmann, "The generation of binomial random variates" (1993), with the logarithm
/// that the paper leaves out.
fn transformed<C: DrawnIn>(state: &mut HostState, count: f64, p: f64) -> f64 {
    let deviation = round::<C>(round::<C>(round::<C>(count * p) * round::<C>(1.0 - p)).sqrt());
    let b = 1.15 + 2.53 * deviation;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let c = round::<C>(count * p) + 0.5;
    let v_r = 0.92 - 4.2 / b;
    let odds = round::<C>(p / round::<C>(1.0 - p));
    let alpha = (2.83 + 5.1 / b) * deviation;
    let most_likely = round::<C>(round::<C>(count + 1.0) * p).floor();
    loop {
        let u = uniform(state) - 0.5;
        let v = uniform(state);
        let us = 0.5 - u.abs();
        let k = round::<C>(((2.0 * a / us + b) * u + c).floor());
        if k < 0.0 || k > count {
            continue;
        }
        if us >= 0.07 && v <= v_r {
            return k;
        }
        let v = (v * alpha / (a / (us * us) + b)).ln();
        let (m, left) = (most_likely, count - k + 1.0);
        let bound = (m + 0.5) * ((m + 1.0) / (odds * (count - m + 1.0))).ln()
            + (count + 1.0) * ((count - m + 1.0) / left).ln()
            + (k + 0.5) * (odds * left / (k + 1.0)).ln()
            + stirling_tail(m)
            + stirling_tail(count - m)
            - stirling_tail(k)
            - stirling_tail(count - k);
        if v <= bound {
            return k;
        }
    }
}

/// The smallest positive number of `T` that is not subnormal.
pub(super) fn smallest<T: RandomFloat>() -> f64 {
    match T::DIGITS {
        Some(53) => f64::MIN_POSITIVE,
        Some(11) => f64::from(half::f16::MIN_POSITIVE),
        _ => f64::from(f32::MIN_POSITIVE),
    }
}
