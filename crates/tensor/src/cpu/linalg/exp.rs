//! eᴬ by scaling and squaring of a Padé approximant of degree 13 (Higham 2005).

use super::{Field, Mat, lu};

const COEFFICIENTS: [f64; 14] = [
    64_764_752_532_480_000.0,
    32_382_376_266_240_000.0,
    7_771_770_303_897_600.0,
    1_187_353_796_428_800.0,
    129_060_195_264_000.0,
    10_559_470_521_600.0,
    670_442_572_800.0,
    33_522_128_640.0,
    1_323_241_920.0,
    40_840_800.0,
    960_960.0,
    16_380.0,
    182.0,
    1.0,
];

pub(super) fn exp<F: Field>(mut a: Mat<F>) -> Mat<F> {
    let n = a.rows;
    let norm = (0..n).map(|j| (0..n).map(|i| a[(i, j)].abs()).sum::<f64>()).fold(0.0, f64::max);
    if !norm.is_finite() {
        a.data.fill(F::of(f64::NAN));
        return a;
    }
    // The approximant is right up to this norm.
    let squarings = if norm > 5.37 { (norm / 5.37).log2().ceil() as i32 } else { 0 };
    a.data.iter_mut().for_each(|x| *x = x.times(2f64.powi(-squarings)));
    let a2 = a.mul(&a);
    let a4 = a2.mul(&a2);
    let a6 = a4.mul(&a2);
    let c = COEFFICIENTS;
    let mix = |top: [f64; 3], low: [f64; 4]| {
        let mut sum = Mat::zeros(n, n);
        for (i, x) in sum.data.iter_mut().enumerate() {
            *x = a6.data[i].times(top[0]) + a4.data[i].times(top[1]) + a2.data[i].times(top[2]);
        }
        let mut sum = a6.mul(&sum);
        for (i, x) in sum.data.iter_mut().enumerate() {
            *x += a6.data[i].times(low[0]) + a4.data[i].times(low[1]) + a2.data[i].times(low[2]);
        }
        (0..n).for_each(|i| sum[(i, i)] += F::of(low[3]));
        sum
    };
    let odd = a.mul(&mix([c[13], c[11], c[9]], [c[7], c[5], c[3], c[1]]));
    let even = mix([c[12], c[10], c[8]], [c[6], c[4], c[2], c[0]]);
    let (mut above, mut below) = (even.clone(), even);
    for (i, u) in odd.data.iter().enumerate() {
        above.data[i] += *u;
        below.data[i] -= *u;
    }
    let mut pivots = vec![0; n];
    lu::factor(&mut below, &mut pivots, true);
    lu::solve(&below, &pivots, &mut above);
    (0..squarings).fold(above, |x, _| x.mul(&x))
}
