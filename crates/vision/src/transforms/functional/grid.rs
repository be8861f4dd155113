//! Pixels taken from places of an image: what affine, rotate, perspective and elastic come down to, as
//! `torch.nn.functional.grid_sample` does it for them.

use super::is_tracked;
use super::real::Real;
use crate::transforms::kinds::InterpolationMode;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Stored, Tensor, bail, ensure};

/// Where each new pixel looks, from −1 (the left or upper edge of the image) to 1.
pub(super) struct Grid<R> {
    pub(super) places: Vec<[R; 2]>,
    /// Height and width of the new image.
    pub(super) size: (usize, usize),
}

/// A grid in the precision of the image: `f64` for `float64`, else `f32`.
pub(super) trait MakeGrid {
    /// Height and width of the new image.
    fn size(&self) -> (usize, usize);

    /// Where each new pixel looks; memory for so many was asked for.
    fn grid<R: Real>(&self) -> Result<Grid<R>>;
}

/// The old pixels that each new one is mixed of.
struct Taps<R> {
    /// Where they are in a plane; 0 with weight 0 for one that is not in the image.
    at: Vec<[usize; 4]>,
    weight: Vec<[R; 4]>,
    /// Is each new pixel mixed of four, or one of them?
    bilinear: bool,
}

impl<R: Real> Taps<R> {
    fn new(grid: &Grid<R>, (h, w): (usize, usize), bilinear: bool) -> Taps<R> {
        let (one, half) = (R::of(1.0), R::of(0.5));
        let (wide, high) = (R::of(w as f64), R::of(h as f64));
        let (mut at, mut weight) = (Vec::with_capacity(grid.places.len()), Vec::with_capacity(grid.places.len()));
        let inside = |x: R, y: R| x >= R::default() && y >= R::default() && x < wide && y < high;
        let place = |x: R, y: R| y.wide() as usize * w + x.wide() as usize;
        for [gx, gy] in &grid.places {
            let (x, y) = ((*gx + one) * (wide * half) - half, (*gy + one) * (high * half) - half);
            let (mut spots, mut weights) = ([0; 4], [R::default(); 4]);
            if bilinear {
                let (left, top) = (x.floor(), y.floor());
                let (east, south) = (x - left, y - top);
                let (west, north) = (one - east, one - south);
                let around = [
                    (left, top, west * north),
                    (left + one, top, east * north),
                    (left, top + one, west * south),
                    (left + one, top + one, east * south),
                ];
                for (k, (x, y, share)) in around.into_iter().enumerate() {
                    if inside(x, y) {
                        (spots[k], weights[k]) = (place(x, y), share);
                    }
                }
            } else {
                let (x, y) = (x.round_ties_even(), y.round_ties_even());
                if inside(x, y) {
                    (spots[0], weights[0]) = (place(x, y), one);
                }
            }
            at.push(spots);
            weight.push(weights);
        }
        Taps { at, weight, bilinear }
    }
}

/// The image whose pixels are taken where `grid` says; beyond the edge there is black, or `fill` where it is given.
#[track_caller]
pub(super) fn sample(
    op: &'static str,
    image: &Tensor,
    grid: &impl MakeGrid,
    interpolation: InterpolationMode,
    fill: Option<&[f64]>,
) -> Result<Tensor> {
    let bilinear = match interpolation {
        InterpolationMode::Nearest => false,
        InterpolationMode::Bilinear => true,
        other => bail!(Argument, op, "{} is not possible here: nearest or bilinear is", other.python()),
    };
    let &[ref batch @ .., channels, _, _] = image.shape() else {
        bail!(Shape, op, "shape {:?} is not that of an image, [..., C, H, W]", image.shape())
    };
    if let Some(values) = fill {
        let n = values.len();
        ensure!(n == 1 || n == channels, Argument, op, "{n} values of fill for {channels} channels");
    }
    let (height, width) = grid.size();
    if image.numel() == 0 {
        // No pixel looks anywhere, however many there would be.
        return image.reshape([batch, &[channels, height, width]].concat());
    }
    // A pixel of the new image has a place, four old ones and their weights.
    let bytes = 2 * size_of::<[f64; 2]>() + size_of::<[usize; 4]>() + size_of::<[f64; 4]>();
    check_bytes(op, height.saturating_mul(width).saturating_mul(bytes))?;
    check_bytes(op, (image.numel() / (image.size(-1)? * image.size(-2)?)).saturating_mul(height * width * 8))?;
    match image.dtype() {
        DType::F64 => run::<f64>(image, &grid.grid()?, bilinear, fill),
        dtype if dtype.is_float() || dtype == DType::U8 => run::<f32>(image, &grid.grid()?, bilinear, fill),
        dtype => {
            let wide = run::<f32>(&image.to_dtype(DType::F32)?, &grid.grid()?, bilinear, fill)?;
            wide.round()?.to_dtype(dtype)
        }
    }
}

#[track_caller]
fn run<R: Real>(image: &Tensor, grid: &Grid<R>, bilinear: bool, fill: Option<&[f64]>) -> Result<Tensor> {
    let &[ref batch @ .., channels, h, w] = image.shape() else {
        bail!(Shape, "grid_sample", "shape {:?} is not that of an image", image.shape())
    };
    let shape = [batch, &[channels, grid.size.0, grid.size.1]].concat();
    let taps = Taps::new(grid, (h, w), bilinear);
    if is_tracked(image) {
        return by_ops(image, &taps, shape, fill);
    }
    let fills = |plane: usize| fill.map(|f| R::of(f[if f.len() == 1 { 0 } else { plane % channels }]));
    let pixels = image.contiguous()?;
    match image.dtype() {
        DType::U8 => {
            let x = pixels.data::<u8>()?;
            let store = |v: R| v.round_ties_even().wide() as u8;
            let y = planes(&x, h * w, &taps, fills, |v| R::of(f64::from(v)), store);
            Tensor::from_vec(y, shape)
        }
        dtype => {
            let pixels = pixels.to_dtype(R::DTYPE)?;
            let x = pixels.data::<R>()?;
            let y = planes(&x, h * w, &taps, fills, |v| v, |v| v);
            Tensor::from_vec(y, shape)?.to_dtype(dtype)
        }
    }
}

/// All planes of an image, each pixel loaded as a number and stored again.
fn planes<P: Stored + Copy + Default, R: Real>(
    x: &[P],
    area: usize,
    taps: &Taps<R>,
    fill: impl Fn(usize) -> Option<R>,
    load: impl Fn(P) -> R,
    store: impl Fn(R) -> P,
) -> Vec<P> {
    let mut y = Vec::with_capacity(x.len() / area * taps.at.len());
    let pairs = || taps.at.iter().zip(&taps.weight);
    for (plane, x) in x.chunks_exact(area).enumerate() {
        match (taps.bilinear, fill(plane)) {
            (false, fill) => {
                let fill = store(fill.unwrap_or_default());
                y.extend(pairs().map(|(at, w)| if w[0] == R::default() { fill } else { x[at[0]] }));
            }
            (true, None) => y.extend(pairs().map(|(at, w)| store(mixed(x, at, w, &load)))),
            (true, Some(fill)) => y.extend(pairs().map(|(at, w)| {
                // As torchvision mixes it: what is inside counts by its share once more.
                let inside = w[0] + w[1] + w[2] + w[3];
                store((mixed(x, at, w, &load) - fill) * inside + fill)
            })),
        }
    }
    y
}

#[inline]
fn mixed<P: Copy, R: Real>(x: &[P], at: &[usize; 4], w: &[R; 4], load: impl Fn(P) -> R) -> R {
    load(x[at[0]]) * w[0] + load(x[at[1]]) * w[1] + load(x[at[2]]) * w[2] + load(x[at[3]]) * w[3]
}

/// The same in ops that have derivatives.
#[track_caller]
fn by_ops<R: Real>(image: &Tensor, taps: &Taps<R>, shape: Vec<usize>, fill: Option<&[f64]>) -> Result<Tensor> {
    let (n, dtype) = (taps.at.len(), image.dtype());
    let flat = image.flatten(-2, -1)?;
    let mut sum: Option<Tensor> = None;
    for k in 0..if taps.bilinear { 4 } else { 1 } {
        let at = Tensor::from_vec(taps.at.iter().map(|at| at[k] as i64).collect::<Vec<_>>(), [n])?;
        let weight: Vec<R> = taps.weight.iter().map(|w| w[k]).collect();
        let part = flat.index_select(-1, &at)?.mul(&Tensor::from_vec(weight, [n])?.to_dtype(dtype)?)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.add(&part)?,
        });
    }
    let Some(sum) = sum else { return Ok(image.clone()) };
    let sum = match fill {
        None => sum,
        Some(values) => {
            let inside: Vec<R> = taps.weight.iter().map(|w| w[0] + w[1] + w[2] + w[3]).collect();
            let inside = Tensor::from_vec(inside, [n])?.to_dtype(dtype)?;
            let fill = Tensor::from_slice(values, [values.len(), 1])?.to_dtype(dtype)?;
            if taps.bilinear {
                sum.sub(&fill)?.mul(&inside)?.add(&fill)?
            } else {
                sum.add(&fill.mul(&inside.rsub(1.0)?)?)?
            }
        }
    };
    sum.reshape(shape)
}
