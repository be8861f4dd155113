//! Loops over the bytes of images, compiled for what the machine has. The functions that they call are to be inlined:
//! `#[inline(always)]`.

use super::chw;
use crate::simd::simd;
use flambeau_tensor::{Result, Tensor};

/// A float from 0 to 255 as a byte, rounded down.
#[inline(always)]
pub(super) fn byte(v: f32) -> u8 {
    // By way of an integer, which vectors have instructions for.
    v as i32 as u8
}

/// Between `low` and `high`.
#[inline(always)]
pub(super) fn cut(v: f32, low: f32, high: f32) -> f32 {
    let v = if v > low { v } else { low };
    if v < high { v } else { high }
}

/// An image whose every byte is replaced.
#[track_caller]
pub(super) fn each_byte(image: &Tensor, f: impl Fn(u8) -> u8) -> Result<Tensor> {
    let pixels = image.contiguous()?;
    let x = pixels.data::<u8>()?;
    let mut y = vec![0; x.len()];
    replace(&x, &mut y, f);
    Tensor::from_vec(y, image.shape())
}

/// `y[i] = f(x[i])`.
pub(super) fn replace(x: &[u8], y: &mut [u8], f: impl Fn(u8) -> u8) {
    let (n, f) = (y.len(), &f);
    simd(
        #[inline(always)]
        || {
            let x = &x[..n];
            for i in 0..n {
                y[i] = f(x[i]);
            }
        },
    );
}

/// An RGB image whose every colour is replaced.
#[track_caller]
pub(super) fn each_color(image: &Tensor, f: impl Fn([u8; 3]) -> [u8; 3]) -> Result<Tensor> {
    let (_, h, w) = chw("image", image)?;
    let area = h * w;
    let pixels = image.contiguous()?;
    let x = pixels.data::<u8>()?;
    let mut y = vec![0; x.len()];
    for (x, y) in x.chunks_exact((3 * area).max(1)).zip(y.chunks_exact_mut((3 * area).max(1))) {
        let ((r, rest), (to_r, to_rest)) = (x.split_at(area), y.split_at_mut(area));
        let ((g, b), (to_g, to_b)) = (rest.split_at(area), to_rest.split_at_mut(area));
        let f = &f;
        simd(
            #[inline(always)]
            || {
                let (r, g, b) = (&r[..area], &g[..area], &b[..area]);
                let (to_r, to_g, to_b) = (&mut to_r[..area], &mut to_g[..area], &mut to_b[..area]);
                for i in 0..area {
                    let [r, g, b] = f([r[i], g[i], b[i]]);
                    (to_r[i], to_g[i], to_b[i]) = (r, g, b);
                }
            },
        );
    }
    Tensor::from_vec(y, image.shape())
}

/// `f` of every colour of an RGB image of `area` pixels.
pub(super) fn of_colors<T>(image: &[u8], area: usize, to: &mut [T], f: impl Fn([u8; 3]) -> T) {
    let (r, rest) = image.split_at(area);
    let (g, b) = rest.split_at(area);
    let f = &f;
    simd(
        #[inline(always)]
        || {
            let (r, g, b, to) = (&r[..area], &g[..area], &b[..area], &mut to[..area]);
            for i in 0..area {
                to[i] = f([r[i], g[i], b[i]]);
            }
        },
    );
}

/// The sum of bytes.
pub(super) fn sum(x: &[u8]) -> u64 {
    // As many as a sum of 32 bits holds.
    let part = |x: &[u8]| {
        simd(
            #[inline(always)]
            || {
                let mut sum = 0u32;
                for i in 0..x.len() {
                    sum += u32::from(x[i]);
                }
                u64::from(sum)
            },
        )
    };
    x.chunks(1 << 20).map(part).sum()
}

/// The smallest and the largest byte.
pub(super) fn range(x: &[u8]) -> (u8, u8) {
    simd(
        #[inline(always)]
        || {
            let (mut least, mut most) = (u8::MAX, 0);
            for i in 0..x.len() {
                least = if x[i] < least { x[i] } else { least };
                most = if x[i] > most { x[i] } else { most };
            }
            (least, most)
        },
    )
}
