//! Colours that follow from the pixel itself, or from the histogram of its channel.

use super::bytes::{each_byte, of_colors, range};
use super::dtype::{image_to_dtype, integer_range};
use super::{chw, max_value};
use crate::tv_tensors::{ImageKind, TVTensor};
use flambeau_tensor::{DType, Result, Tensor, bail, ensure};

/// What `f` makes of an image, a video, a plain tensor.
#[track_caller]
pub(super) fn on_image<K: ImageKind>(x: &K, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<K> {
    let part: TVTensor = x.clone().into();
    K::from_tv(part.map_image(f)?)
}

/// A `u8` image whose every pixel is looked up.
#[track_caller]
pub(super) fn look_up(image: &Tensor, table: &[u8; 256]) -> Result<Tensor> {
    let pixels = image.contiguous()?;
    let x = pixels.data::<u8>()?;
    Tensor::from_vec(x.iter().map(|v| table[*v as usize]).collect::<Vec<u8>>(), image.shape())
}

/// A `u8` image whose pixels are looked up in a table of their plane.
#[track_caller]
fn look_up_planes(image: &Tensor, table: impl Fn(&[u8]) -> [u8; 256]) -> Result<Tensor> {
    let (_, h, w) = chw("image", image)?;
    let pixels = image.contiguous()?;
    let x = pixels.data::<u8>()?;
    let mut y = Vec::with_capacity(x.len());
    for plane in x.chunks_exact((h * w).max(1)) {
        let table = table(plane);
        y.extend(plane.iter().map(|v| table[*v as usize]));
    }
    Tensor::from_vec(y, image.shape())
}

/// The table of a function of bytes.
pub(super) fn table(f: impl Fn(u8) -> u8) -> [u8; 256] {
    std::array::from_fn(|v| f(v as u8))
}

/// Refuses an image of other than one or three channels.
#[track_caller]
pub(super) fn one_or_three(op: &'static str, image: &Tensor) -> Result<usize> {
    let (channels, _, _) = chw(op, image)?;
    ensure!(
        channels == 1 || channels == 3,
        Shape,
        op,
        "{channels} channels: the image is gray or RGB, of one channel or three"
    );
    Ok(channels)
}

/// Brightness of an RGB image, 0.2989 R + 0.587 G + 0.114 B, in one channel or thrice. Follows
/// `torchvision.transforms.v2.functional.rgb_to_grayscale`.
///
/// # Errors
/// Where the image has neither one nor three channels, or `channels` is neither.
#[track_caller]
pub fn rgb_to_grayscale<K: ImageKind>(x: &K, channels: usize) -> Result<K> {
    let op = "rgb_to_grayscale";
    ensure!(channels == 1 || channels == 3, Argument, op, "{channels} channels: a gray image has one or three");
    on_image(x, |image| {
        let gray = match one_or_three(op, image)? {
            1 => image.clone(),
            _ => luminance(image)?.to_dtype(image.dtype())?,
        };
        if channels == 1 {
            return Ok(gray);
        }
        let mut wide = gray.shape().to_vec();
        let at = wide.len() - 3;
        wide[at] = 3;
        gray.expand(&wide)
    })
}

/// The brightness of an RGB image in one channel, in the image's dtype where that is floating point, else in `f32`.
#[track_caller]
pub(super) fn luminance(image: &Tensor) -> Result<Tensor> {
    if image.dtype() == DType::U8 {
        let (_, h, w) = chw("rgb_to_grayscale", image)?;
        let mut shape = image.shape().to_vec();
        let at = shape.len() - 3;
        shape[at] = 1;
        let pixels = image.contiguous()?;
        let x = pixels.data::<u8>()?;
        let mut gray = vec![0.0; x.len() / 3];
        let area = (h * w).max(1);
        for (image, gray) in x.chunks_exact(3 * area).zip(gray.chunks_exact_mut(area)) {
            of_colors(
                image,
                area,
                gray,
                #[inline(always)]
                |[r, g, b]| brightness(f32::from(r), f32::from(g), f32::from(b)),
            );
        }
        return Tensor::from_vec(gray, shape);
    }
    let float = if image.dtype().is_float() { image.dtype() } else { DType::F32 };
    let weighed = |channel: usize, weight: f64| image.narrow(-3, channel as isize, 1)?.to_dtype(float)?.mul(weight);
    weighed(0, 0.2989)?.add(&weighed(1, 0.587)?)?.add(&weighed(2, 0.114)?)
}

/// As PyTorch adds a multiple: with one rounding.
#[inline(always)]
pub(super) fn brightness(r: f32, g: f32, b: f32) -> f32 {
    b.mul_add(0.114, g.mul_add(0.587, r * 0.2989))
}

/// A gray image in three channels that are alike; an RGB image as it is. Follows
/// `torchvision.transforms.v2.functional.grayscale_to_rgb`.
///
/// # Errors
/// Where the image has two channels or none.
#[track_caller]
pub fn grayscale_to_rgb<K: ImageKind>(x: &K) -> Result<K> {
    if super::get_num_channels(x)? >= 3 { Ok(x.clone()) } else { rgb_to_grayscale(x, 3) }
}

/// gain · xᵞ, 0 to 1 being the range of the image. Follows `torchvision.transforms.v2.functional.adjust_gamma`.
///
/// # Errors
/// Where `gamma` is negative.
#[track_caller]
pub fn adjust_gamma<K: ImageKind>(x: &K, gamma: f64, gain: f64) -> Result<K> {
    ensure!(gamma >= 0.0, Argument, "adjust_gamma", "gamma = {gamma} is negative");
    on_image(x, |image| {
        let dtype = image.dtype();
        if dtype == DType::U8 {
            let one = |v: u8| {
                let y = (f32::from(v) * (1.0 / 255.0) as f32).powf(gamma as f32);
                let y = if gain == 1.0 { y } else { (y * gain as f32).clamp(0.0, 1.0) };
                (y * 255.999f32) as u8
            };
            return look_up(image, &table(one));
        }
        let float = if dtype.is_float() { image.clone() } else { image_to_dtype(image, DType::F32, true)? };
        let y = float.pow(gamma)?;
        let y = if gain == 1.0 { y } else { y.mul(gain)?.clamp(0.0, 1.0)? };
        image_to_dtype(&y, dtype, true)
    })
}

/// Only the upper `bits` bits of every pixel. Follows `torchvision.transforms.v2.functional.posterize`.
///
/// # Errors
/// Where there are more than 8 bits.
#[track_caller]
pub fn posterize<K: ImageKind>(x: &K, bits: usize) -> Result<K> {
    ensure!(bits <= 8, Argument, "posterize", "{bits} bits: there are 0 to 8");
    on_image(x, |image| match integer_range(image.dtype()) {
        Some((_, have)) if bits >= have as usize => Ok(image.clone()),
        Some((_, have)) => {
            let mask = ((1i64 << bits) - 1) << (have as usize - bits);
            if image.dtype() == DType::U8 {
                return each_byte(
                    image,
                    #[inline(always)]
                    |v| v & mask as u8,
                );
            }
            image.bitwise_and(mask)
        }
        None => {
            let levels = f64::from(1u32 << bits);
            image.mul(levels)?.floor()?.clamp(0.0, levels - 1.0)?.mul(1.0 / levels)
        }
    })
}

/// Pixels of at least `threshold` inverted. Follows `torchvision.transforms.v2.functional.solarize`.
///
/// # Errors
/// Where `threshold` is beyond the range of the image.
#[track_caller]
pub fn solarize<K: ImageKind>(x: &K, threshold: f64) -> Result<K> {
    on_image(x, |image| {
        let most = max_value(image.dtype());
        ensure!(
            threshold <= most,
            Argument,
            "solarize",
            "threshold = {threshold} is above the {most} of {}",
            image.dtype()
        );
        if image.dtype() == DType::U8 {
            // Above 255 is none.
            let least = threshold.max(0.0).ceil() as u16;
            return each_byte(
                image,
                #[inline(always)]
                |v| if u16::from(v) >= least { !v } else { v },
            );
        }
        inverted(image)?.where_cond(&image.ge(threshold)?, image)
    })
}

/// Every channel stretched to the whole range. Follows `torchvision.transforms.v2.functional.autocontrast`.
///
/// # Errors
/// Where the image has neither one nor three channels.
#[track_caller]
pub fn autocontrast<K: ImageKind>(x: &K) -> Result<K> {
    on_image(x, |image| {
        one_or_three("autocontrast", image)?;
        if image.numel() == 0 {
            return Ok(image.clone());
        }
        let (dtype, bound) = (image.dtype(), max_value(image.dtype()));
        if dtype == DType::U8 {
            return look_up_planes(image, |plane| {
                let (least, most) = range(plane);
                let (from, scale) = match least == most {
                    true => (0.0, 1.0),
                    false => (f32::from(least), (f32::from(most) - f32::from(least)) * (1.0 / 255.0) as f32),
                };
                table(|v| ((f32::from(v) - from) / scale).clamp(0.0, 255.0) as u8)
            });
        }
        let float = if dtype.is_float() { image.clone() } else { image.to_dtype(DType::F32)? };
        let (least, most) = (float.amin_keepdim([-2, -1])?, float.amax_keepdim([-2, -1])?);
        let even = most.eq(&least)?;
        let scale = most.sub(&least)?.mul(1.0 / bound)?.masked_fill(&even, 1.0)?;
        let from = least.masked_fill(&even, 0.0)?;
        float.sub(&from)?.div(&scale)?.clamp(0.0, bound)?.to_dtype(dtype)
    })
}

/// Every channel with its levels spread so that they are equally frequent, as far as can be. Follows
/// `torchvision.transforms.v2.functional.equalize`: 256 levels are told apart whatever the dtype is.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn equalize<K: ImageKind>(x: &K) -> Result<K> {
    on_image(x, |image| {
        if image.numel() == 0 {
            return Ok(image.clone());
        }
        let bytes = image_to_dtype(&image.detach(), DType::U8, true)?;
        image_to_dtype(&look_up_planes(&bytes, equal_levels)?, image.dtype(), true)
    })
}

fn equal_levels(plane: &[u8]) -> [u8; 256] {
    let mut counts = [0usize; 256];
    plane.iter().for_each(|v| counts[*v as usize] += 1);
    let highest = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
    let step = (plane.len() - counts[highest]) / 255;
    if step == 0 {
        return table(|v| v);
    }
    let (mut levels, mut below) = ([0u8; 256], 0);
    for (level, count) in levels[1..].iter_mut().zip(counts) {
        below += count;
        *level = ((below + step / 2) / step).min(255) as u8;
    }
    levels
}

/// Black for white and white for black. Follows `torchvision.transforms.v2.functional.invert`.
///
/// # Errors
/// Where memory is short.
#[track_caller]
pub fn invert<K: ImageKind>(x: &K) -> Result<K> {
    on_image(x, inverted)
}

#[track_caller]
fn inverted(image: &Tensor) -> Result<Tensor> {
    match image.dtype() {
        DType::U8 => each_byte(
            image,
            #[inline(always)]
            |v| !v,
        ),
        dtype => match integer_range(dtype) {
            None => image.rsub(1.0),
            Some((_, bits)) => image.bitwise_xor(((1u64 << bits) - 1) as i64),
        },
    }
}

/// The channels in another order. Follows `torchvision.transforms.v2.functional.permute_channels`.
///
/// # Errors
/// Where `permutation` has other than as many numbers as there are channels, or one that is no channel's.
#[track_caller]
pub fn permute_channels<K: ImageKind>(x: &K, permutation: &[usize]) -> Result<K> {
    on_image(x, |image| {
        let (channels, _, _) = chw("permute_channels", image)?;
        let fits = permutation.len() == channels && permutation.iter().all(|c| *c < channels);
        if !fits {
            bail!(Argument, "permute_channels", "{permutation:?} is no order of {channels} channels");
        }
        let order: Vec<i64> = permutation.iter().map(|c| *c as i64).collect();
        image.index_select(-3, &Tensor::from_vec(order, [channels])?)
    })
}
