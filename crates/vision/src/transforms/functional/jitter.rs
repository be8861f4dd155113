//! Brightness, contrast, saturation, hue and sharpness: an image blended with another one that is made of it.

use super::bytes::{byte, cut, each_byte, each_color, of_colors, replace, sum};
use super::color::{brightness, luminance, on_image, one_or_three};
use super::dtype::image_to_dtype;
use super::real::Real;
use super::{chw, is_tracked, max_value};
use crate::simd::simd;
use crate::tv_tensors::ImageKind;
use flambeau_tensor::{DType, Result, Tensor, ensure};

#[track_caller]
fn check(op: &'static str, factor: f64) -> Result<()> {
    ensure!(factor >= 0.0, Argument, op, "a factor of {factor} is negative");
    Ok(())
}

/// ratio · a + (1 − ratio) · b, cut to the range of `a`, in its dtype.
#[track_caller]
fn blend(a: &Tensor, b: &Tensor, ratio: f64) -> Result<Tensor> {
    let dtype = a.dtype();
    let float = if dtype.is_float() { a.clone() } else { a.to_dtype(DType::F32)? };
    float.mul(ratio)?.add(&b.mul(1.0 - ratio)?)?.clamp(0.0, max_value(dtype))?.to_dtype(dtype)
}

/// All pixels times `factor`. Follows `torchvision.transforms.v2.functional.adjust_brightness`.
///
/// # Errors
/// Where `factor` is negative, or the image has neither one nor three channels.
#[track_caller]
pub fn adjust_brightness<K: ImageKind>(x: &K, factor: f64) -> Result<K> {
    let op = "adjust_brightness";
    check(op, factor)?;
    on_image(x, |image| {
        one_or_three(op, image)?;
        let dtype = image.dtype();
        if dtype == DType::U8 {
            return each_byte(
                image,
                #[inline(always)]
                |v| byte(cut(f32::from(v) * factor as f32, 0.0, 255.0)),
            );
        }
        let float = if dtype.is_float() { image.clone() } else { image.to_dtype(DType::F32)? };
        float.mul(factor)?.clamp(0.0, max_value(dtype))?.to_dtype(dtype)
    })
}

/// Blended with its own mean brightness: 0 is gray, 1 the image. Follows
/// `torchvision.transforms.v2.functional.adjust_contrast`.
///
/// # Errors
/// Where `factor` is negative, or the image has neither one nor three channels.
#[track_caller]
pub fn adjust_contrast<K: ImageKind>(x: &K, factor: f64) -> Result<K> {
    let op = "adjust_contrast";
    check(op, factor)?;
    on_image(x, |image| {
        let channels = one_or_three(op, image)?;
        if image.dtype() == DType::U8 {
            return contrast_of_bytes(image, channels, factor);
        }
        let whole = !image.dtype().is_float();
        let gray = match (channels, whole) {
            (3, false) => luminance(image)?,
            (3, true) => luminance(image)?.floor()?,
            (_, false) => image.clone(),
            (_, true) => image.to_dtype(DType::F32)?,
        };
        blend(image, &gray.mean_keepdim([-3, -2, -1])?, factor)
    })
}

#[track_caller]
fn contrast_of_bytes(image: &Tensor, channels: usize, factor: f64) -> Result<Tensor> {
    let (_, h, w) = chw("adjust_contrast", image)?;
    let area = h * w;
    let pixels = image.contiguous()?;
    let x = pixels.data::<u8>()?;
    let (mut y, mut gray) = (vec![0; x.len()], vec![0; area]);
    let size = (channels * area).max(1);
    for (x, y) in x.chunks_exact(size).zip(y.chunks_exact_mut(size)) {
        let sum = if channels == 3 {
            of_colors(
                x,
                area,
                &mut gray,
                #[inline(always)]
                |[r, g, b]| byte(brightness(f32::from(r), f32::from(g), f32::from(b))),
            );
            sum(&gray)
        } else {
            sum(x)
        };
        let (mean, rest) = (sum as f32 / area as f32, (1.0 - factor) as f32);
        replace(
            x,
            y,
            #[inline(always)]
            |v| byte(cut(mean.mul_add(rest, f32::from(v) * factor as f32), 0.0, 255.0)),
        );
    }
    Tensor::from_vec(y, image.shape())
}

/// Blended with the gray image: 0 is gray, 1 the image. Follows
/// `torchvision.transforms.v2.functional.adjust_saturation`.
///
/// # Errors
/// Where `factor` is negative, or the image has neither one nor three channels.
#[track_caller]
pub fn adjust_saturation<K: ImageKind>(x: &K, factor: f64) -> Result<K> {
    let op = "adjust_saturation";
    check(op, factor)?;
    on_image(x, |image| {
        if one_or_three(op, image)? == 1 {
            return Ok(image.clone());
        }
        if image.dtype() == DType::U8 {
            let (ratio, rest) = (factor as f32, (1.0 - factor) as f32);
            return each_color(
                image,
                #[inline(always)]
                |[r, g, b]| {
                    let (r, g, b) = (f32::from(r), f32::from(g), f32::from(b));
                    let gray = brightness(r, g, b).floor();
                    let blended = |v: f32| byte(cut(gray.mul_add(rest, v * ratio), 0.0, 255.0));
                    [blended(r), blended(g), blended(b)]
                },
            );
        }
        let gray = luminance(image)?;
        let gray = if image.dtype().is_float() { gray } else { gray.floor()? };
        blend(image, &gray, factor)
    })
}

/// All hues moved by `factor` of the circle, −0.5 to 0.5. Follows
/// `torchvision.transforms.v2.functional.adjust_hue`; as there it has no derivative.
///
/// # Errors
/// Where `factor` is beyond a half of the circle, the image has neither one nor three channels, or its gradient is
/// recorded.
#[track_caller]
pub fn adjust_hue<K: ImageKind>(x: &K, factor: f64) -> Result<K> {
    let op = "adjust_hue";
    ensure!((-0.5..=0.5).contains(&factor), Argument, op, "a factor of {factor} is not in -0.5 to 0.5");
    on_image(x, |image| {
        if one_or_three(op, image)? == 1 || image.numel() == 0 {
            return Ok(image.clone());
        }
        refuse_gradient(op, image)?;
        if image.dtype() == DType::U8 {
            let unit = (1.0 / 255.0) as f32;
            return each_color(
                image,
                #[inline(always)]
                |[r, g, b]| {
                    let color = [f32::from(r) * unit, f32::from(g) * unit, f32::from(b) * unit];
                    let [r, g, b] = turn_hue(color, factor as f32);
                    [byte(r * 255.999), byte(g * 255.999), byte(b * 255.999)]
                },
            );
        }
        let float = image_to_dtype(image, DType::F32, true)?.contiguous()?;
        let (_, h, w) = chw(op, image)?;
        let area = h * w;
        let mut y = float.to_vec::<f32>()?;
        for image in y.chunks_exact_mut(3 * area) {
            let (r, rest) = image.split_at_mut(area);
            let (g, b) = rest.split_at_mut(area);
            simd(
                #[inline(always)]
                || {
                    let (r, g, b) = (&mut r[..area], &mut g[..area], &mut b[..area]);
                    for i in 0..area {
                        (r[i], g[i], b[i]) = turn_hue([r[i], g[i], b[i]], factor as f32).into();
                    }
                },
            );
        }
        image_to_dtype(&Tensor::from_vec(y, image.shape())?, image.dtype(), true)
    })
}

#[track_caller]
fn refuse_gradient(op: &'static str, image: &Tensor) -> Result<()> {
    ensure!(
        !is_tracked(image),
        NotDifferentiable,
        op,
        "this records no gradient; `detach` the image, or use `no_grad`"
    );
    Ok(())
}

/// A colour by hue, saturation and value, its hue turned, and back. Without branches, so that vectors compute it.
#[inline(always)]
fn turn_hue([r, g, b]: [f32; 3], by: f32) -> [f32; 3] {
    let more = |a: f32, b: f32| if a > b { a } else { b };
    let less = |a: f32, b: f32| if a < b { a } else { b };
    let (most, least) = (more(more(r, g), b), less(less(r, g), b));
    let (even, range) = (most == least, most - least);
    let saturation = range / if even { 1.0 } else { most };
    let divisor = if even { 1.0 } else { range };
    let (from_r, from_g, from_b) = ((most - r) / divisor, (most - g) / divisor, (most - b) / divisor);
    let hue = if most == r {
        from_b - from_g
    } else if most == g {
        from_r + 2.0 - from_b
    } else {
        from_g + 4.0 - from_r
    };
    // Above 0, so that this is the remainder by one.
    let turns = hue * (1.0 / 6.0) + 1.0;
    let hue = turns - turns.floor() + by;
    let hue = hue - hue.floor();
    let hue = if hue >= 1.0 { 0.0 } else { hue };
    let sixth = hue * 6.0;
    let whole = sixth.floor();
    let part = saturation * (sixth - whole);
    let rest = 1.0 - saturation;
    let q = cut((1.0 - part) * most, 0.0, 1.0);
    let t = cut((part + rest) * most, 0.0, 1.0);
    let p = cut(rest * most, 0.0, 1.0);
    // Sixths 0 to 5: (most, t, p), (q, most, p), (p, most, t), (p, q, most), (t, p, most), (most, p, q).
    let at = |n: f32| whole == n;
    let either = |is: bool, a: f32, b: f32| if is { a } else { b };
    [
        either(at(1.0), q, either(at(2.0) | at(3.0), p, either(at(4.0), t, most))),
        either(at(1.0) | at(2.0), most, either(at(3.0), q, either(at(4.0) | at(5.0), p, t))),
        either(at(3.0) | at(4.0), most, either(at(2.0), t, either(at(5.0), q, p))),
    ]
}

/// Blended with a smoothed image: 0 is smooth, 1 the image, 2 sharper. Follows
/// `torchvision.transforms.v2.functional.adjust_sharpness`; as there it has no derivative.
///
/// # Errors
/// Where `factor` is negative, the image has neither one nor three channels, or its gradient is recorded.
#[track_caller]
pub fn adjust_sharpness<K: ImageKind>(x: &K, factor: f64) -> Result<K> {
    let op = "adjust_sharpness";
    check(op, factor)?;
    on_image(x, |image| {
        one_or_three(op, image)?;
        let (_, h, w) = chw(op, image)?;
        if image.numel() == 0 || h <= 2 || w <= 2 {
            return Ok(image.clone());
        }
        refuse_gradient(op, image)?;
        let (dtype, bound) = (image.dtype(), max_value(image.dtype()));
        if dtype == DType::F64 {
            return Tensor::from_vec(sharpened(&image.to_vec::<f64>()?, (h, w), factor, bound, false), image.shape());
        }
        let pixels = image.to_dtype(DType::F32)?.to_vec::<f32>()?;
        let sharp = sharpened(&pixels, (h, w), factor, bound, !dtype.is_float());
        Tensor::from_vec(sharp, image.shape())?.to_dtype(dtype)
    })
}

fn sharpened<R: Real>(x: &[R], (h, w): (usize, usize), factor: f64, bound: f64, whole: bool) -> Vec<R> {
    let (zero, rest, bound) = (R::default(), R::of(1.0 - factor), R::of(bound));
    let mut y = x.to_vec();
    simd(
        #[inline(always)]
        || {
            for v in y.iter_mut() {
                *v = within(*v, zero, bound);
            }
            for (x, y) in x.chunks_exact(h * w).zip(y.chunks_exact_mut(h * w)) {
                for i in 1..h - 1 {
                    let rows = [&x[(i - 1) * w..i * w], &x[i * w..(i + 1) * w], &x[(i + 1) * w..(i + 2) * w]];
                    sharpen_row(rows, rest, bound, whole, &mut y[i * w + 1..(i + 1) * w - 1]);
                }
            }
        },
    );
    y
}

#[inline(always)]
fn within<R: Real>(v: R, low: R, high: R) -> R {
    let v = if v < low { low } else { v };
    if v > high { high } else { v }
}

/// A row between two others, but for its ends.
#[inline(always)]
fn sharpen_row<R: Real>([a, b, c]: [&[R]; 3], rest: R, bound: R, whole: bool, y: &mut [R]) {
    let (side, middle) = (R::of(1.0 / 13.0), R::of(5.0 / 13.0));
    let n = y.len();
    let (a, b, c) = (&a[..n + 2], &b[..n + 2], &c[..n + 2]);
    for i in 0..n {
        let smooth = a[i] * side
            + a[i + 1] * side
            + a[i + 2] * side
            + b[i] * side
            + b[i + 1] * middle
            + b[i + 2] * side
            + c[i] * side
            + c[i + 1] * side
            + c[i + 2] * side;
        let smooth = if whole { smooth.round_ties_even() } else { smooth };
        y[i] = within(b[i + 1] + (smooth - b[i + 1]) * rest, R::default(), bound);
    }
}
