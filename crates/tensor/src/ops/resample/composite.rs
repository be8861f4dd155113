//! Resampling in other ops: `index_select` along each dimension, the last one first.

use super::Taps;
use crate::lists::reserve;
use crate::{DType, Result, Tensor};

/// One input element for each output element.
pub(super) fn picked(x: &Tensor, all: &[Taps]) -> Result<Tensor> {
    let mut x = x.clone();
    for (taps, behind) in all.iter().rev().zip(0..) {
        x = x.index_select(-1 - behind, places(&x, taps, 0)?)?;
    }
    Ok(x)
}

/// Weighted sums: halves in single precision, rounded at the end, `u8` in integers, rounded in each dimension.
pub(super) fn weighted(x: &Tensor, all: &[Taps]) -> Result<Tensor> {
    let dtype = x.dtype();
    let mut x = x.to_dtype(match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        DType::U8 => DType::I32,
        other => other,
    })?;
    for (taps, behind) in all.iter().rev().zip(0..) {
        if taps.is_identity() {
            continue;
        }
        let (integers, bits) = if dtype == DType::U8 { taps.integers()? } else { Default::default() };
        let mut sum = part(&x, taps, behind, 0, &integers)?;
        for k in 1..taps.width() {
            sum = sum.add(part(&x, taps, behind, k, &integers)?)?;
        }
        x = match dtype {
            DType::U8 => sum.add(1i64 << (bits - 1))?.floor_divide(1i64 << bits)?.clamp(0, 255)?,
            _ => sum,
        };
    }
    x.to_dtype(dtype)
}

/// The `k`th element of each run, times its weight.
fn part(x: &Tensor, taps: &Taps, behind: isize, k: usize, integers: &[i16]) -> Result<Tensor> {
    let mut weights = Vec::new();
    reserve(&mut weights, taps.to())?;
    weights.extend((0..taps.to()).map(|o| match taps.run(o).nth(k) {
        Some(at) if integers.is_empty() => taps.weights()[at],
        Some(at) => f64::from(integers[at]),
        None => 0.0,
    }));
    let mut shape = vec![1; behind as usize + 1];
    shape[0] = taps.to();
    let weights = Tensor::from_vec(weights, shape)?.to_dtype(x.dtype())?.to_device(x.device())?;
    x.index_select(-1 - behind, places(x, taps, k)?)?.mul(&weights)
}

/// Where the `k`th element of each run stands, inside at least.
fn places(x: &Tensor, taps: &Taps, k: usize) -> Result<Tensor> {
    let mut places = Vec::new();
    reserve(&mut places, taps.to())?;
    places.extend(taps.first().iter().map(|first| (first + k).min(taps.from() - 1) as i64));
    Tensor::from_vec(places, [taps.to()])?.to_device(x.device())
}
