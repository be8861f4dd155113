//! Pixels taken from places of an image: what affine, rotate, perspective and elastic come down to, as
//! `torch.nn.functional.grid_sample` does it for them.

use super::is_tracked;
use super::real::Real;
use crate::simd::simd;
use crate::transforms::kinds::InterpolationMode;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Stored, Tensor, bail, ensure};

/// Where each new pixel looks, in the precision of the image: `f64` for `float64`, else `f32`.
pub(super) trait Grid {
    /// Height and width of the new image.
    fn size(&self) -> (usize, usize);

    /// Calls `give` with each row's number and where its pixels look, x and y, from −1 (the left or upper edge of the
    /// image) to 1.
    fn rows<R: Real>(&self, give: impl FnMut(usize, &[R], &[R])) -> Result<()>;
}

/// The old pixels that those of a new row are mixed of.
struct Taps<R> {
    /// Height and width of the old image.
    from: (usize, usize),
    /// Is each new pixel mixed of four, or one of them?
    bilinear: bool,
    /// Where they are in a plane; [`OUTSIDE`], and of weight 0, for one that is not in the image.
    at: [Vec<u32>; 4],
    weight: [Vec<R>; 4],
}

/// The place of no pixel.
const OUTSIDE: u32 = u32::MAX;

impl<R: Real> Taps<R> {
    fn new(from: (usize, usize), width: usize, bilinear: bool) -> Taps<R> {
        let (at, weight) =
            (std::array::from_fn(|_| vec![0; width]), std::array::from_fn(|_| vec![R::default(); width]));
        Taps { from, bilinear, at, weight }
    }

    /// For the new pixels that look there.
    fn find(&mut self, xs: &[R], ys: &[R]) {
        simd(
            #[inline(always)]
            || match self.bilinear {
                true => self.find_four(xs, ys),
                false => self.find_one(xs, ys),
            },
        );
    }

    /// Where it looks in pixels, from the middle of the first.
    #[inline(always)]
    fn pixels(at: R, size: R) -> R {
        (at + R::of(1.0)) * (size * R::of(0.5)) - R::of(0.5)
    }

    /// The place of whole coordinates.
    #[inline(always)]
    fn place(&self, x: R, y: R) -> (u32, bool) {
        let (h, w) = self.from;
        let inside = (x >= R::default()) & (y >= R::default()) & (x < R::of(w as f64)) & (y < R::of(h as f64));
        let place = (y.whole() as u32).wrapping_mul(w as u32).wrapping_add(x.whole() as u32);
        (if inside { place } else { OUTSIDE }, inside)
    }

    #[inline(always)]
    fn find_four(&mut self, xs: &[R], ys: &[R]) {
        let n = self.at[0].len();
        let (xs, ys, one) = (&xs[..n], &ys[..n], R::of(1.0));
        let (h, w) = (R::of(self.from.0 as f64), R::of(self.from.1 as f64));
        for k in 0..4 {
            for j in 0..n {
                let (x, y) = (Self::pixels(xs[j], w), Self::pixels(ys[j], h));
                let (left, top) = (x.floor(), y.floor());
                let (east, south) = (x - left, y - top);
                let (x, share_x) = if k % 2 == 0 { (left, one - east) } else { (left + one, east) };
                let (y, share_y) = if k / 2 == 0 { (top, one - south) } else { (top + one, south) };
                let (place, inside) = self.place(x, y);
                self.at[k][j] = place;
                self.weight[k][j] = if inside { share_x * share_y } else { R::default() };
            }
        }
    }

    #[inline(always)]
    fn find_one(&mut self, xs: &[R], ys: &[R]) {
        let n = self.at[0].len();
        let (xs, ys) = (&xs[..n], &ys[..n]);
        let (h, w) = (R::of(self.from.0 as f64), R::of(self.from.1 as f64));
        for j in 0..n {
            let (x, y) = (Self::pixels(xs[j], w).round_ties_even(), Self::pixels(ys[j], h).round_ties_even());
            let (place, inside) = self.place(x, y);
            self.at[0][j] = place;
            self.weight[0][j] = if inside { R::of(1.0) } else { R::default() };
        }
    }
}

/// The image whose pixels are taken where `grid` says; beyond the edge there is black, or `fill` where it is given.
#[track_caller]
pub(super) fn sample(
    op: &'static str,
    image: &Tensor,
    grid: &impl Grid,
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
    let (area, planes) =
        (image.size(-1)? * image.size(-2)?, image.shape()[..image.rank() - 2].iter().product::<usize>());
    ensure!(area < OUTSIDE as usize, Argument, op, "images of {:?} are too large", image.shape());
    // Of each pixel of a row its places and weights; the new image.
    check_bytes(op, width.saturating_mul(6 * size_of::<[f64; 2]>()))?;
    check_bytes(op, planes.saturating_mul(height).saturating_mul(width).saturating_mul(8))?;
    match image.dtype() {
        DType::F64 => run::<f64>(image, grid, bilinear, fill),
        dtype if dtype.is_float() || dtype == DType::U8 => run::<f32>(image, grid, bilinear, fill),
        dtype => run::<f32>(&image.to_dtype(DType::F32)?, grid, bilinear, fill)?.round()?.to_dtype(dtype),
    }
}

#[track_caller]
fn run<R: Real>(image: &Tensor, grid: &impl Grid, bilinear: bool, fill: Option<&[f64]>) -> Result<Tensor>
where
    u8: Pixel<R>,
    R: Pixel<R>,
{
    let &[ref batch @ .., channels, h, w] = image.shape() else {
        bail!(Shape, "grid_sample", "shape {:?} is not that of an image", image.shape())
    };
    let (height, width) = grid.size();
    let shape = [batch, &[channels, height, width]].concat();
    let mut taps = Taps::new((h, w), width, bilinear);
    if is_tracked(image) {
        return by_ops(image, grid, taps, shape, fill);
    }
    let fills = |plane: usize| fill.map(|f| R::of(f[if f.len() == 1 { 0 } else { plane % channels }]));
    let pixels = image.contiguous()?;
    match image.dtype() {
        DType::U8 => Tensor::from_vec(planes(&pixels.data::<u8>()?, grid, &mut taps, fills)?, shape),
        dtype => {
            let pixels = pixels.to_dtype(R::DTYPE)?;
            Tensor::from_vec(planes(&pixels.data::<R>()?, grid, &mut taps, fills)?, shape)?.to_dtype(dtype)
        }
    }
}

/// What a pixel is stored as, and computed in as `R`.
trait Pixel<R>: Stored + Copy + Default {
    fn load(self) -> R;
    fn store(v: R) -> Self;
}

macro_rules! pixels {
    ($($r:ident),*) => {$(
        impl Pixel<$r> for $r {
            #[inline(always)]
            fn load(self) -> $r { self }
            #[inline(always)]
            fn store(v: $r) -> $r { v }
        }
        impl Pixel<$r> for u8 {
            #[inline(always)]
            fn load(self) -> $r { <$r>::from(self) }
            #[inline(always)]
            fn store(v: $r) -> u8 { (v.round_ties_even() as i32).clamp(0, 255) as u8 }
        }
    )*};
}
pixels!(f32, f64);

/// All planes of an image.
fn planes<P: Pixel<R>, R: Real>(
    x: &[P],
    grid: &impl Grid,
    taps: &mut Taps<R>,
    fill: impl Fn(usize) -> Option<R>,
) -> Result<Vec<P>> {
    let ((height, width), area) = (grid.size(), taps.from.0 * taps.from.1);
    let mut y = vec![P::default(); x.len() / area * height * width];
    let mut found: [Vec<P>; 4] = std::array::from_fn(|_| vec![P::default(); width]);
    grid.rows(|i, xs: &[R], ys: &[R]| {
        taps.find(xs, ys);
        for (plane, x) in x.chunks_exact(area).enumerate() {
            let y = &mut y[(plane * height + i) * width..][..width];
            let fill = fill(plane);
            if !taps.bilinear {
                let fill = P::store(fill.unwrap_or_default());
                y.iter_mut().zip(&taps.at[0]).for_each(|(y, at)| *y = x.get(*at as usize).copied().unwrap_or(fill));
                continue;
            }
            for (found, at) in found.iter_mut().zip(&taps.at) {
                look_up(x, at, found);
            }
            simd(
                #[inline(always)]
                || mix(&found, &taps.weight, fill, y),
            );
        }
    })?;
    Ok(y)
}

/// The pixels at these places, 0 outside.
fn look_up<P: Copy + Default>(x: &[P], at: &[u32], found: &mut [P]) {
    let at = &at[..found.len()];
    for j in 0..found.len() {
        found[j] = x.get(at[j] as usize).copied().unwrap_or_default();
    }
}

/// Four pixels by their weights, with `fill` where they are outside.
#[inline(always)]
fn mix<P: Pixel<R>, R: Real>(found: &[Vec<P>; 4], weight: &[Vec<R>; 4], fill: Option<R>, y: &mut [P]) {
    let n = y.len();
    let [a, b, c, d] = [&found[0][..n], &found[1][..n], &found[2][..n], &found[3][..n]];
    let [p, q, r, s] = [&weight[0][..n], &weight[1][..n], &weight[2][..n], &weight[3][..n]];
    match fill {
        None => {
            for j in 0..n {
                y[j] = P::store(a[j].load() * p[j] + b[j].load() * q[j] + c[j].load() * r[j] + d[j].load() * s[j]);
            }
        }
        Some(fill) => {
            for j in 0..n {
                let mixed = a[j].load() * p[j] + b[j].load() * q[j] + c[j].load() * r[j] + d[j].load() * s[j];
                // As torchvision mixes it: what is inside counts by its share once more.
                y[j] = P::store((mixed - fill) * (p[j] + q[j] + r[j] + s[j]) + fill);
            }
        }
    }
}

/// The same in ops that have derivatives.
#[track_caller]
fn by_ops<R: Real>(
    image: &Tensor,
    grid: &impl Grid,
    mut taps: Taps<R>,
    shape: Vec<usize>,
    fill: Option<&[f64]>,
) -> Result<Tensor> {
    let (n, dtype, count) = (grid.size().0 * grid.size().1, image.dtype(), if taps.bilinear { 4 } else { 1 });
    let (mut at, mut weight) = (vec![Vec::with_capacity(n); count], vec![Vec::with_capacity(n); count]);
    grid.rows(|_, xs: &[R], ys: &[R]| {
        taps.find(xs, ys);
        for k in 0..count {
            at[k].extend(taps.at[k].iter().map(|at| if *at == OUTSIDE { 0 } else { i64::from(*at) }));
            weight[k].extend_from_slice(&taps.weight[k]);
        }
    })?;
    let flat = image.flatten(-2, -1)?;
    let (mut sum, mut inside): (Option<Tensor>, Option<Tensor>) = (None, None);
    let add = |sum: &mut Option<Tensor>, part: Tensor| -> Result<()> {
        *sum = Some(match sum.take() {
            None => part,
            Some(sum) => sum.add(&part)?,
        });
        Ok(())
    };
    for (at, weight) in at.into_iter().zip(weight) {
        let (at, weight) = (Tensor::from_vec(at, [n])?, Tensor::from_vec(weight, [n])?.to_dtype(dtype)?);
        add(&mut sum, flat.index_select(-1, &at)?.mul(&weight)?)?;
        add(&mut inside, weight)?;
    }
    let (Some(sum), Some(inside)) = (sum, inside) else { return Ok(image.clone()) };
    let sum = match fill {
        None => sum,
        Some(values) => {
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
