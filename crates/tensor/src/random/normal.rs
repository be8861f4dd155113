//! Normal samples: PyTorch's two ways of drawing them, and the Box-Muller transform.
//!
//! PyTorch draws short fills one by one with the cosine and the sine of each pair
//! (the sine waits in the generator for the next call), and contiguous fills of 16
//! and more by sixteens: eight radii, then eight angles. The two ways differ in bits
//! drawn, in order and in precision, so both are here.

use super::element::{CHUNK, DrawnIn, RandomElement, RandomFloat, unit};
use super::simd::vectorized;
use super::state::HostState;

/// Elements that one Box-Muller block turns from uniform to normal.
const BLOCK: usize = 16;

/// `normal_` of a contiguous tensor.
pub(super) fn fill<T: RandomFloat>(state: &mut HostState, out: &mut [T], mean: f64, std: f64) {
    if out.len() < BLOCK {
        return fill_serial(state, out, mean, std);
    }
    let tail = out.len() % BLOCK;
    let whole = out.len() - tail;
    for part in out[..whole].chunks_mut(CHUNK) {
        fill_blocks(state, part, mean, std);
    }
    if tail != 0 {
        if T::IN_PLACE {
            // PyTorch fills the whole tensor with uniform samples first and then
            // writes over what is left of the last block.
            state.engine.skip(tail * T::DrawnIn::WORDS);
        }
        let last = out.len() - BLOCK;
        fill_blocks(state, &mut out[last..], mean, std);
    }
}

/// One [`CHUNK`] at most, a whole number of blocks.
fn fill_blocks<T: RandomFloat>(state: &mut HostState, out: &mut [T], mean: f64, std: f64) {
    let mut buffer = [T::DrawnIn::default(); CHUNK];
    let buffer = &mut buffer[..out.len()];
    unit(&mut state.engine, buffer);
    T::DrawnIn::box_muller(buffer, T::DrawnIn::from_f64(mean), T::DrawnIn::from_f64(std));
    for (x, &value) in out.iter_mut().zip(buffer.iter()) {
        *x = T::narrow(value);
    }
}

/// `normal_` of a short or non-contiguous tensor: element by element in `f64`.
pub(super) fn fill_serial<T: RandomElement>(state: &mut HostState, out: &mut [T], mean: f64, std: f64) {
    for x in out {
        *x = T::from_f64(sample(state).mul_add(std, mean));
    }
}

/// One standard normal sample: the one left over from the last pair, or the first of
/// a new pair.
pub(super) fn sample(state: &mut HostState) -> f64 {
    if let Some(value) = state.next_double_normal_sample.take() {
        return value;
    }
    let mut u = [0.0f64; 2];
    unit(&mut state.engine, &mut u);
    let radius = (-2.0 * (-u[1]).ln_1p()).sqrt();
    let angle = 2.0 * std::f64::consts::PI * u[0];
    state.next_double_normal_sample = Some(radius * angle.sin());
    radius * angle.cos()
}

/// Box-Muller in `f64`: of each 16 uniform samples, the first eight become
/// `radius * cos(angle)` and the others `radius * sin(angle)`, scaled and shifted.
pub(super) fn box_muller_f64(values: &mut [f64], mean: f64, std: f64) {
    for block in values.as_chunks_mut::<BLOCK>().0 {
        let (first, second) = block.split_at_mut(BLOCK / 2);
        for (a, b) in first.iter_mut().zip(second) {
            // From (0, 1], so that the logarithm is finite.
            let radius = (-2.0 * (1.0 - *a).ln()).sqrt();
            let angle = 2.0 * std::f64::consts::PI * *b;
            *a = (radius * angle.cos()).mul_add(std, mean);
            *b = (radius * angle.sin()).mul_add(std, mean);
        }
    }
}

vectorized! {
    /// Box-Muller in `f32`, eight pairs abreast. The logarithm, sine and cosine are
    /// Cephes' single-precision ones with a fused step wherever a product is added,
    /// which is what PyTorch's AVX2 build computes: the samples agree to the bit.
    pub(super) fn box_muller_f32(values: &mut [f32], mean: f32, std: f32) {
        for block in values.as_chunks_mut::<BLOCK>().0 {
            let (first, second) = block.split_at_mut(BLOCK / 2);
            for (a, b) in first.iter_mut().zip(second) {
                let radius = (-2.0 * ln(1.0 - *a)).sqrt();
                let (sin, cos) = sin_cos(std::f32::consts::TAU * *b);
                *a = (radius * cos).mul_add(std, mean);
                *b = (radius * sin).mul_add(std, mean);
            }
        }
    }
}

/// The polynomial with these coefficients, highest power first.
#[inline(always)]
fn horner<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut y = coefficients[0];
    for &c in &coefficients[1..] {
        y = y.mul_add(x, c);
    }
    y
}

/// Natural logarithm of a normal positive number (Cephes `logf`).
#[inline(always)]
fn ln(x: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    // ln 2 in two parts, the first short enough that its multiples are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let bits = x.to_bits();
    // x = m * 2^e with m from [1/2, 1), then from [sqrt(1/2), sqrt(2)).
    let exponent = (bits >> 23) as i32 - 126;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let small = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = exponent as f32 - if small { 1.0 } else { 0.0 };
    let x = (m - 1.0) + if small { m } else { 0.0 };
    let z = x * x;
    let y = horner(x, P) * x;
    let y = y.mul_add(z, e * LN_2_LOW);
    let y = z.mul_add(-0.5, y);
    e.mul_add(LN_2_HIGH, x + y)
}

/// Sine and cosine of an angle from `[0, 2π]` (Cephes `sinf`, `cosf`).
#[inline(always)]
fn sin_cos(angle: f32) -> (f32, f32) {
    const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
    const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
    // π/4 in three parts.
    const PI_4: [f32; 3] = [0.785_156_25, 2.418_756_5e-4, 3.774_895e-8];
    // The even multiple of π/4 next to the angle.
    let octant = ((angle * (4.0 / std::f32::consts::PI)) as i32 + 1) & !1;
    let y = octant as f32;
    let x = PI_4.iter().fold(angle, |x, part| y.mul_add(-part, x));
    let z = x * x;
    let cos = (horner(z, COS) * z).mul_add(z, -0.5 * z) + 1.0;
    let sin = (horner(z, SIN) * z).mul_add(x, x);
    let swap = octant & 2 != 0;
    let (s, c) = if swap { (cos, sin) } else { (sin, cos) };
    let sin_sign = ((octant & 4) as u32) << 29;
    let cos_sign = (((octant + 2) & 4) as u32) << 29;
    (f32::from_bits(s.to_bits() ^ sin_sign), f32::from_bits(c.to_bits() ^ cos_sign))
}
