//! Recursive filters by their difference equation, and the filters of second order made of it.

use flambeau_autograd::{Context, MultiFunction};
use flambeau_tensor::{DType, Result, Stored, Tensor, ensure, options};
use std::ops;

options! {
    /// Options of [`lfilter`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct LfilterOptions {
        /// Cut the result to −1..1? Yes.
        clamp: bool = true,
        /// With several filters: is each for one channel (the default), or all of them for every signal?
        batching: bool = true,
    }
}

/// Signals `[..., frames]` through the filter `a₀ y[n] = Σ b[k] x[n−k] − Σ a[k] y[n−k]` with zeros before the start. The
/// coefficients are `[order + 1]`, or `[filters, order + 1]`: then channel c of `[..., filters, frames]` goes through
/// filter c, or, without `batching`, each of `[..., frames]` through all of them, to `[..., filters, frames]`. Follows
/// `torchaudio.functional.lfilter`: the result is clamped to −1..1 unless that is turned off.
///
/// ```
/// use flambeau_audio::functional::{LfilterOptions, lfilter};
/// use flambeau_tensor::{Tensor, tensor};
///
/// let decay = lfilter(&tensor!([0.5, 0.0, 0.0]), &tensor!([1.0, -0.5]), &tensor!([1.0, 0.0]), LfilterOptions::new())?;
/// assert_eq!(decay.to_vec::<f32>()?, [0.5, 0.25, 0.125]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the coefficients differ in shape, are empty, or do not go with the signals in number or dtype.
#[track_caller]
pub fn lfilter(waveform: &Tensor, a_coeffs: &Tensor, b_coeffs: &Tensor, options: LfilterOptions) -> Result<Tensor> {
    let name = "lfilter";
    ensure!(
        a_coeffs.shape() == b_coeffs.shape() && matches!(a_coeffs.rank(), 1 | 2) && a_coeffs.numel() > 0,
        Shape,
        name,
        "coefficients are [order + 1] or [filters, order + 1], both alike; they are {:?} and {:?}",
        a_coeffs.shape(),
        b_coeffs.shape()
    );
    ensure!(waveform.rank() > 0, Shape, name, "a waveform is [..., frames], this is a number");
    let dtype = waveform.dtype();
    ensure!(
        dtype.is_float() && a_coeffs.dtype() == dtype && b_coeffs.dtype() == dtype,
        DType,
        name,
        "waveform and coefficients are floating point of one dtype, they are {dtype}, {} and {}",
        a_coeffs.dtype(),
        b_coeffs.dtype()
    );
    let several = a_coeffs.rank() == 2;
    let filters = if several { a_coeffs.shape()[0] } else { 1 };
    let waveform = if several && !options.batching {
        let mut shape = waveform.shape().to_vec();
        shape.insert(shape.len() - 1, filters);
        waveform.unsqueeze(-2)?.expand(shape)?
    } else {
        ensure!(
            !several || (waveform.rank() > 1 && waveform.shape()[waveform.rank() - 2] == filters),
            Shape,
            name,
            "{filters} filters are for [..., {filters}, frames], the waveform is {:?}",
            waveform.shape()
        );
        waveform.clone()
    };
    let taps = a_coeffs.shape()[a_coeffs.rank() - 1];
    let (a, b) = (a_coeffs.reshape([filters, taps])?, b_coeffs.reshape([filters, taps])?);
    let first = a.narrow(1, 0, 1)?;
    let shape = waveform.shape().to_vec();
    let frames = shape[shape.len() - 1];
    let signals: usize = shape[..shape.len() - 1].iter().product();
    let signal = waveform.reshape([signals / filters.max(1), filters, frames])?;
    let filtered = run(&signal, &a.div(&first)?, &b.div(&first)?)?.reshape(shape)?;
    if options.clamp { filtered.clamp(-1.0, 1.0) } else { Ok(filtered) }
}

/// Signals through [`lfilter`] forward and then backward, so that nothing is delayed. Follows
/// `torchaudio.functional.filtfilt`: only the second pass is clamped.
///
/// # Errors
/// As for [`lfilter`].
#[track_caller]
pub fn filtfilt(waveform: &Tensor, a_coeffs: &Tensor, b_coeffs: &Tensor, clamp: bool) -> Result<Tensor> {
    let once = lfilter(waveform, a_coeffs, b_coeffs, LfilterOptions::new().clamp(false))?;
    lfilter(&once.flip(-1)?, a_coeffs, b_coeffs, LfilterOptions::new().clamp(clamp))?.flip(-1)
}

/// Signals `[..., frames]` through filters of second order one after another, rows `b₀ b₁ b₂ a₀ a₁ a₂` of `sos` `[sections,
/// 6]`, clamped to −1..1 at the end where `clamp`. A long filter as one [`lfilter`] loses its poles to rounding; in sections
/// it keeps them. Follows `scipy.signal.sosfilt`.
///
/// ```
/// use flambeau_audio::functional::sosfilt;
/// use flambeau_tensor::tensor;
///
/// let twice = tensor!([[1.0, 0.0, 0.0, 1.0, -0.5, 0.0], [2.0, 0.0, 0.0, 2.0, -1.0, 0.0]]);
/// assert_eq!(sosfilt(&tensor!([0.5, 0.0, 0.0]), &twice, false)?.to_vec::<f32>()?, [0.5, 0.5, 0.375]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where `sos` has another shape, or is not of the signals' dtype.
#[track_caller]
pub fn sosfilt(waveform: &Tensor, sos: &Tensor, clamp: bool) -> Result<Tensor> {
    ensure!(
        sos.rank() == 2 && sos.shape()[1] == 6,
        Shape,
        "sosfilt",
        "sections are [sections, 6], these are {:?}",
        sos.shape()
    );
    let mut y = waveform.clone();
    for section in 0..sos.shape()[0] {
        let row = sos.select(0, section as isize)?;
        y = lfilter(&y, &row.narrow(0, 3, 3)?, &row.narrow(0, 0, 3)?, LfilterOptions::new().clamp(false))?;
    }
    if clamp { y.clamp(-1.0, 1.0) } else { Ok(y) }
}

/// Signals `[..., frames]` through the filter of second order with these coefficients, clamped to −1..1. Follows
/// `torchaudio.functional.biquad`.
///
/// # Errors
/// Where the signals are not floating point.
#[track_caller]
pub fn biquad(waveform: &Tensor, b: [f64; 3], a: [f64; 3]) -> Result<Tensor> {
    ensure!(
        waveform.dtype().is_float(),
        DType,
        "biquad",
        "a waveform is floating point here, not {}",
        waveform.dtype()
    );
    let there = |c: [f64; 3]| Tensor::from_vec(c.to_vec(), 3)?.to_dtype(waveform.dtype())?.to_device(waveform.device());
    lfilter(waveform, &there(a)?, &there(b)?, LfilterOptions::new())
}

/// x `[n, filters, frames]` through filters whose first coefficient in `a` is 1.
#[track_caller]
fn run(x: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if x.dtype().is_half() {
        let wide = |t: &Tensor| t.to_dtype(DType::F32);
        return run(&wide(x)?, &wide(a)?, &wide(b)?)?.to_dtype(x.dtype());
    }
    Ok(Filter.apply(&[x, a, b])?.swap_remove(0))
}

/// The difference equation, with its gradient. A filter's adjoint is the same filter run from the end, so the backward
/// is made of filters again and can be differentiated itself.
struct Filter;

impl MultiFunction for Filter {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, a, b] = inputs else { unreachable!("a filter has three inputs") };
        let y = match x.dtype() {
            DType::F64 => filtered::<f64>(x, a, b)?,
            _ => filtered::<f32>(x, a, b)?,
        };
        for kept in [*x, *a, *b, &y] {
            ctx.save(kept);
        }
        Ok(vec![y])
    }

    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(grad) = &grads[0] else { return Ok(vec![None, None, None]) };
        let (x, a, b, y) = (ctx.saved(0)?, ctx.saved(1)?, ctx.saved(2)?, ctx.saved(3)?);
        let reversed = grad.flip(-1)?;
        let gx = ctx.needs_input_grad(0).then(|| run(&reversed, &a, &b)?.flip(-1)).transpose()?;
        if !ctx.needs_input_grad(1) && !ctx.needs_input_grad(2) {
            return Ok(vec![gx, None, None]);
        }
        // What reaches the sum that y[n] is: the gradient through the recursive part alone.
        let taps = a.shape()[1];
        let through = b.zeros_like()?.slice_scatter(&b.ones_like()?.narrow(1, 0, 1)?, 1, 0, 1, 1)?;
        let inner = run(&reversed, &a, &through)?.flip(-1)?;
        // Σ over n of inner[n] · s[n − k], for each k.
        let correlated = |s: &Tensor| {
            let frames = s.shape()[2];
            let of = |k: usize| -> Result<Tensor> {
                let k = k.min(frames);
                inner.narrow(2, k as isize, frames - k)?.mul(&s.narrow(2, 0, frames - k)?)?.sum([0, 2])
            };
            flambeau_tensor::stack(&(0..taps).map(of).collect::<Result<Vec<_>>>()?, 1)
        };
        let ga = ctx.needs_input_grad(1).then(|| correlated(&y)?.neg()).transpose()?;
        let gb = ctx.needs_input_grad(2).then(|| correlated(&x)).transpose()?;
        Ok(vec![gx, ga, gb])
    }
}

/// What a filter computes in.
trait Number: Copy + Default + ops::Add<Output = Self> + ops::Sub<Output = Self> + ops::Mul<Output = Self> {}
impl Number for f32 {}
impl Number for f64 {}

fn filtered<T: Stored + Number>(x: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, a, b) = (x.contiguous()?, a.contiguous()?, b.contiguous()?);
    let y = x.zeros_like()?;
    let (filters, taps, frames) = (a.shape()[0], a.shape()[1], x.shape()[2]);
    if frames == 0 {
        return Ok(y);
    }
    let (xs, aa, bb) = (x.data::<T>()?, a.data::<T>()?, b.data::<T>()?);
    let mut ys = y.data_mut::<T>()?;
    for (i, (x, y)) in xs.chunks_exact(frames).zip(ys.chunks_exact_mut(frames)).enumerate() {
        let at = i % filters * taps;
        signal(x, y, &aa[at..at + taps], &bb[at..at + taps]);
    }
    drop(ys);
    Ok(y)
}

/// One signal through one filter.
fn signal<T: Number>(x: &[T], y: &mut [T], a: &[T], b: &[T]) {
    if let (&[_, a1, a2], &[b0, b1, b2]) = (a, b) {
        let (mut x1, mut x2, mut y1, mut y2) = (T::default(), T::default(), T::default(), T::default());
        for (x, y) in x.iter().zip(y) {
            // The last output comes in last: all else is done while it is on its way.
            let now = b0 * *x + b1 * x1 + b2 * x2 - a2 * y2 - a1 * y1;
            (x2, x1, y2, y1) = (x1, *x, y1, now);
            *y = now;
        }
        return;
    }
    for n in 0..x.len() {
        let mut sum = T::default();
        for (k, b) in b.iter().enumerate().take(n + 1) {
            sum = sum + *b * x[n - k];
        }
        for (k, a) in a.iter().enumerate().take(n + 1).skip(1) {
            sum = sum - *a * y[n - k];
        }
        y[n] = sum;
    }
}
