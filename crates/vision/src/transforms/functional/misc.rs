//! Normalising, blur, noise, erasing, JPEG.

use super::color::on_image;
use super::{chw, is_tracked};
use crate::io::{decode_image, encode_jpeg};
use crate::simd::simd;
use crate::transforms::kinds::Size;
use crate::tv_tensors::ImageKind;
use flambeau_tensor::{ConvOptions, DType, PadMode, Result, Tensor, bail, ensure, stack};

/// (x − mean) / std, one mean and one standard deviation for each channel, or one for all. Follows
/// `torchvision.transforms.v2.functional.normalize`.
///
/// # Errors
/// Where the image is not floating point, a standard deviation is zero, or they are not as many as the
/// channels.
#[track_caller]
pub fn normalize<K: ImageKind>(x: &K, mean: &[f64], std: &[f64]) -> Result<K> {
    check_std(std)?;
    on_image(x, |image| {
        check_normalize(image, mean.len(), std.len())?;
        if let ([mean], [std]) = (mean, std) {
            return image.sub(*mean)?.div(*std);
        }
        let channels = |values: &[f64]| Tensor::from_slice(values, [values.len(), 1, 1])?.to_dtype(image.dtype());
        let centered = image.sub(&channels(mean)?)?;
        let std = channels(std)?;
        if is_tracked(image) {
            return centered.div(&std);
        }
        centered.div_(&std)?;
        Ok(centered)
    })
}

#[track_caller]
pub(in crate::transforms) fn check_std(std: &[f64]) -> Result<()> {
    let zero = std.iter().position(|s| *s == 0.0);
    ensure!(
        zero.is_none(),
        Argument,
        "normalize",
        "std is zero for channel {}: there is nothing to divide by",
        zero.unwrap_or(0)
    );
    Ok(())
}

#[track_caller]
fn check_normalize(image: &Tensor, means: usize, stds: usize) -> Result<()> {
    let (dtype, shape) = (image.dtype(), image.shape());
    ensure!(
        dtype.is_float(),
        DType,
        "normalize",
        "the image is {dtype}, it should be floating point: ToTensor comes first"
    );
    let &[.., channels, _, _] = shape else {
        bail!(Shape, "normalize", "shape {shape:?} is not that of an image, [..., C, H, W]")
    };
    for (n, what) in [(means, "mean"), (stds, "std")] {
        ensure!(
            n == 1 || n == channels,
            Argument,
            "normalize",
            "{n} values of {what} for the {channels} channels of shape {shape:?}"
        );
    }
    Ok(())
}

/// Blurred by a Gaussian of `sigma` (x, y) pixels over a window of `kernel_size` (two numbers are width and height, as
/// in torchvision); without `sigma` it goes with the window. Follows
/// `torchvision.transforms.v2.functional.gaussian_blur`: beyond the edge lies the mirror image.
///
/// # Errors
/// Where a side of the window is even or reaches over the whole image, or `sigma` is not positive.
#[track_caller]
pub fn gaussian_blur<K: ImageKind>(x: &K, kernel_size: impl Into<Size>, sigma: Option<[f64; 2]>) -> Result<K> {
    let op = "gaussian_blur";
    let (kx, ky) = kernel_size.into().square();
    ensure!(kx % 2 == 1 && ky % 2 == 1, Argument, op, "a window of {kx}×{ky}: both sides are odd");
    let [sx, sy] = sigma.unwrap_or([kx as f64 * 0.15 + 0.35, ky as f64 * 0.15 + 0.35]);
    ensure!(sx > 0.0 && sy > 0.0, Argument, op, "sigma = [{sx}, {sy}] is not positive");
    on_image(x, |image| {
        let (channels, h, w) = chw(op, image)?;
        if image.numel() == 0 {
            return Ok(image.clone());
        }
        ensure!(
            kx / 2 < w && ky / 2 < h,
            Shape,
            op,
            "a window of {kx}×{ky} reaches over the mirror image of {w}×{h} pixels"
        );
        let (across, down) = (gaussian(kx, sx), gaussian(ky, sy));
        let dtype = image.dtype();
        if is_tracked(image) || dtype == DType::F64 {
            let flat = image.reshape([image.numel() / (channels * h * w), channels, h, w])?;
            let [px, py] = [kx, ky].map(|k| (k / 2) as isize);
            let padded = flat.pad_with(&[px, px, py, py], PadMode::Reflect)?;
            let window: Vec<f64> = down.iter().flat_map(|y| across.iter().map(move |x| x * y)).collect();
            let window = Tensor::from_vec(window, [1, 1, ky, kx])?.to_dtype(dtype)?.expand([channels, 1, ky, kx])?;
            return padded.conv2d(&window, None, ConvOptions::new().groups(channels))?.reshape(image.shape());
        }
        let y = blurred(&image.to_dtype(DType::F32)?.to_vec::<f32>()?, (h, w), &across, &down);
        let y = Tensor::from_vec(y, image.shape())?;
        if dtype.is_float() { y.to_dtype(dtype) } else { y.round()?.to_dtype(dtype) }
    })
}

/// The weights of a window of `n` pixels; they add up to one.
fn gaussian(n: usize, sigma: f64) -> Vec<f64> {
    let reach = (n - 1) as f64 / (2.0 * std::f64::consts::SQRT_2);
    let place = |i: usize| if n == 1 { 0.0 } else { reach * (2.0 * i as f64 / (n - 1) as f64 - 1.0) };
    let weights: Vec<f64> = (0..n).map(|i| (-(place(i) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// The pixel that the mirror image has at `at`.
fn mirror(at: isize, n: usize) -> usize {
    let at = at.unsigned_abs();
    if at < n { at } else { 2 * (n - 1) - at }
}

/// Rows first, then columns.
fn blurred(x: &[f32], (h, w): (usize, usize), across: &[f64], down: &[f64]) -> Vec<f32> {
    let (across, down): (Vec<f32>, Vec<f32>) =
        (across.iter().map(|v| *v as f32).collect(), down.iter().map(|v| *v as f32).collect());
    let (px, py) = (across.len() / 2, down.len() / 2);
    let mut y = vec![0.0f32; x.len()];
    let (mut padded, mut rows) = (vec![0.0f32; w + 2 * px], vec![0.0f32; h * w]);
    for (x, y) in x.chunks_exact(h * w).zip(y.chunks_exact_mut(h * w)) {
        rows.fill(0.0);
        for (x, row) in x.chunks_exact(w).zip(rows.chunks_exact_mut(w)) {
            for (i, pixel) in padded.iter_mut().enumerate() {
                *pixel = x[mirror(i as isize - px as isize, w)];
            }
            weigh(row, |k| &padded[k..], &across);
        }
        for (i, y) in y.chunks_exact_mut(w).enumerate() {
            weigh(y, |k| &rows[mirror(i as isize + k as isize - py as isize, h) * w..], &down);
        }
    }
    y
}

/// Rows added to `sum`, each times its weight.
fn weigh<'x>(sum: &mut [f32], row: impl Fn(usize) -> &'x [f32], weights: &[f32]) {
    let (n, row) = (sum.len(), &row);
    simd(
        #[inline(always)]
        || {
            for k in 0..weights.len() {
                let (x, weight) = (&row(k)[..n], weights[k]);
                for i in 0..n {
                    sum[i] += x[i] * weight;
                }
            }
        },
    );
}

/// With noise added, drawn from the default generator; `mean` and `sigma` count in the range 0 to 1, also for `u8`.
/// Follows `torchvision.transforms.v2.functional.gaussian_noise`; with `clip` the result is cut to the range.
///
/// # Errors
/// Where `sigma` is negative, or the image is neither floating point nor `u8`.
#[track_caller]
pub fn gaussian_noise<K: ImageKind>(x: &K, mean: f64, sigma: f64, clip: bool) -> Result<K> {
    let op = "gaussian_noise";
    ensure!(sigma >= 0.0, Argument, op, "sigma = {sigma} is negative");
    on_image(x, |image| match image.dtype() {
        DType::U8 => {
            let noise = image.to_dtype(DType::F32)?.randn_like()?.mul(sigma * 255.0)?.add(mean * 255.0)?;
            let y = image.to_dtype(DType::I16)?.add(&noise.to_dtype(DType::I16)?)?;
            let y = if clip { y.clamp(0, 255)? } else { y };
            y.to_dtype(DType::U8)
        }
        dtype if dtype.is_float() => {
            let y = image.add(&image.randn_like()?.mul(sigma)?.add(mean)?)?;
            if clip { y.clamp(0.0, 1.0) } else { Ok(y) }
        }
        dtype => bail!(DType, op, "an image is uint8 or floating point, not {dtype}"),
    })
}

/// With the part of `height` × `width` pixels whose corner is at `top` and `left` replaced by `value`, which is as
/// large or broadcasts to it. Follows `torchvision.transforms.v2.functional.erase`.
///
/// # Errors
/// Where the part is not inside the image, or `value` does not broadcast to it.
#[track_caller]
pub fn erase<K: ImageKind>(x: &K, top: usize, left: usize, height: usize, width: usize, value: &Tensor) -> Result<K> {
    on_image(x, |image| {
        let (_, h, w) = chw("erase", image)?;
        let inside = |start: usize, len: usize, n: usize| start.checked_add(len).is_some_and(|end| end <= n);
        ensure!(
            inside(top, height, h) && inside(left, width, w),
            Shape,
            "erase",
            "{height}×{width} pixels at {top}, {left} are not inside an image of {h}×{w}"
        );
        if height == 0 || width == 0 {
            return Ok(image.clone());
        }
        let rows = image.narrow(-2, top as isize, height)?;
        let part = rows.narrow(-1, left as isize, width)?;
        let value = value.to_dtype(image.dtype())?.expand(part.shape())?;
        let rows = rows.slice_scatter(&value, -1, left as isize, (left + width) as isize, 1)?;
        image.slice_scatter(&rows, -2, top as isize, (top + height) as isize, 1)
    })
}

/// As it is after being written to a JPEG file of `quality` 1 to 100 and read again. Follows
/// `torchvision.transforms.v2.functional.jpeg`.
///
/// # Errors
/// Where the image is not `u8` of one or three channels.
#[track_caller]
pub fn jpeg<K: ImageKind>(x: &K, quality: usize) -> Result<K> {
    ensure!((1..=100).contains(&quality), Argument, "jpeg", "quality = {quality} is not in 1 to 100");
    on_image(x, |image| {
        let (channels, h, w) = chw("jpeg", image)?;
        if image.numel() == 0 {
            return image.copy();
        }
        let flat = image.reshape([image.numel() / (channels * h * w), channels, h, w])?;
        let through = |image: Tensor| decode_image(&encode_jpeg(&image, quality as u8)?);
        let images = flat.unbind(0)?.into_iter().map(through).collect::<Result<Vec<_>>>()?;
        stack(&images, 0)?.reshape(image.shape())
    })
}
