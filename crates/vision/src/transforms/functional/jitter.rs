//! Brightness, contrast, saturation, hue and sharpness: an image blended with another one that is made of it.

use super::color::{brightness, look_up, luminance, on_image, one_or_three, table};
use super::dtype::image_to_dtype;
use super::real::Real;
use super::{chw, is_tracked, max_value};
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
            return look_up(image, &table(|v| (f32::from(v) * factor as f32).clamp(0.0, 255.0) as u8));
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
    let mut y = Vec::with_capacity(x.len());
    for image in x.chunks_exact((channels * area).max(1)) {
        let sum: u64 = match channels {
            3 => {
                let (r, rest) = image.split_at(area);
                let (g, b) = rest.split_at(area);
                let gray =
                    |((r, g), b): ((&u8, &u8), &u8)| brightness(f32::from(*r), f32::from(*g), f32::from(*b)) as u64;
                r.iter().zip(g).zip(b).map(gray).sum()
            }
            _ => image.iter().map(|v| u64::from(*v)).sum(),
        };
        let mean = sum as f32 / area as f32 * (1.0 - factor) as f32;
        let table = table(|v| (f32::from(v) * factor as f32 + mean).clamp(0.0, 255.0) as u8);
        y.extend(image.iter().map(|v| table[*v as usize]));
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
            return on_colors(image, |[r, g, b]| {
                let gray = brightness(f32::from(r), f32::from(g), f32::from(b)).floor() * rest;
                [r, g, b].map(|v| (f32::from(v) * ratio + gray).clamp(0.0, 255.0) as u8)
            });
        }
        let gray = luminance(image)?;
        let gray = if image.dtype().is_float() { gray } else { gray.floor()? };
        blend(image, &gray, factor)
    })
}

/// An RGB image of bytes with every colour replaced.
#[track_caller]
fn on_colors(image: &Tensor, f: impl Fn([u8; 3]) -> [u8; 3]) -> Result<Tensor> {
    let (_, h, w) = chw("image", image)?;
    let area = h * w;
    let pixels = image.contiguous()?;
    let x = pixels.data::<u8>()?;
    let mut y = vec![0u8; x.len()];
    for (x, y) in x.chunks_exact((3 * area).max(1)).zip(y.chunks_exact_mut((3 * area).max(1))) {
        let ((r, rest), (to_r, to_rest)) = (x.split_at(area), y.split_at_mut(area));
        let ((g, b), (to_g, to_b)) = (rest.split_at(area), to_rest.split_at_mut(area));
        let from = r.iter().zip(g).zip(b);
        let to = to_r.iter_mut().zip(to_g).zip(to_b);
        for (((r, g), b), ((to_r, to_g), to_b)) in from.zip(to) {
            [*to_r, *to_g, *to_b] = f([*r, *g, *b]);
        }
    }
    Tensor::from_vec(y, image.shape())
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
            return on_colors(image, |color| {
                turn_hue(color.map(|v| f32::from(v) * unit), factor as f32).map(|v| (v * 255.999f32) as u8)
            });
        }
        let float = image_to_dtype(image, DType::F32, true)?.contiguous()?;
        let (_, h, w) = chw(op, image)?;
        let area = h * w;
        let mut y = float.to_vec::<f32>()?;
        for image in y.chunks_exact_mut(3 * area) {
            let (r, rest) = image.split_at_mut(area);
            let (g, b) = rest.split_at_mut(area);
            for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
                [*r, *g, *b] = turn_hue([*r, *g, *b], factor as f32);
            }
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

/// A colour by hue, saturation and value, its hue turned, and back.
#[inline]
fn turn_hue([r, g, b]: [f32; 3], by: f32) -> [f32; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let (even, range) = (most == least, most - least);
    let saturation = range / if even { 1.0 } else { most };
    let divisor = if even { 1.0 } else { range };
    let [from_r, from_g, from_b] = [r, g, b].map(|v| (most - v) / divisor);
    let hue = if most == r {
        from_b - from_g
    } else if most == g {
        from_r + 2.0 - from_b
    } else {
        from_g + 4.0 - from_r
    };
    let hue = (hue * (1.0 / 6.0) + 1.0) % 1.0 + by;
    let hue = hue - hue.floor();
    let hue = if hue >= 1.0 { 0.0 } else { hue };
    let sixth = hue * 6.0;
    let whole = sixth.floor();
    let part = saturation * (sixth - whole);
    let rest = 1.0 - saturation;
    let q = ((1.0 - part) * most).clamp(0.0, 1.0);
    let t = ((part + rest) * most).clamp(0.0, 1.0);
    let p = (rest * most).clamp(0.0, 1.0);
    match whole as u8 {
        1 => [q, most, p],
        2 => [p, most, t],
        3 => [p, q, most],
        4 => [t, p, most],
        5 => [most, p, q],
        _ => [most, t, p],
    }
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
    let (side, middle) = (R::of(1.0 / 13.0), R::of(5.0 / 13.0));
    let (rest, zero, bound) = (R::of(1.0 - factor), R::default(), R::of(bound));
    let cut = |v: R| {
        if v < zero {
            zero
        } else if v > bound {
            bound
        } else {
            v
        }
    };
    let mut y: Vec<R> = x.iter().map(|v| cut(*v)).collect();
    for (x, y) in x.chunks_exact(h * w).zip(y.chunks_exact_mut(h * w)) {
        for i in 1..h - 1 {
            let [above, here, below] = [i - 1, i, i + 1].map(|i| &x[i * w..(i + 1) * w]);
            let row = &mut y[i * w + 1..(i + 1) * w - 1];
            let around = above.windows(3).zip(here.windows(3)).zip(below.windows(3));
            for (y, ((a, b), c)) in row.iter_mut().zip(around) {
                let smooth = a[0] * side
                    + a[1] * side
                    + a[2] * side
                    + b[0] * side
                    + b[1] * middle
                    + b[2] * side
                    + c[0] * side
                    + c[1] * side
                    + c[2] * side;
                let smooth = if whole { smooth.round_ties_even() } else { smooth };
                *y = cut(b[1] + (smooth - b[1]) * rest);
            }
        }
    }
    y
}
