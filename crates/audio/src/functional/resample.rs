//! Waveforms at another sample rate: interpolation by a windowed sinc, which is a convolution.
//!
//! With both rates divided by their greatest common divisor, every `orig` samples of the input give `new`
//! of the output, each by a kernel of its own: a strided convolution with `new` output channels. See
//! J. O. Smith, <https://ccrma.stanford.edu/~jos/resample/>.

use flambeau_tensor::{ConvOptions, DType, Result, Tensor, ensure};
use std::f64::consts::PI;

/// The window over the sinc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResamplingMethod {
    /// a raised cosine: `sinc_interp_hann`
    SincInterpHann,
    /// Kaiser's window, of the given β: `sinc_interp_kaiser`
    SincInterpKaiser(f64),
}

impl ResamplingMethod {
    /// Kaiser's window with torchaudio's β.
    pub const KAISER: ResamplingMethod = ResamplingMethod::SincInterpKaiser(14.769656459379492);
}

/// Options of [`resample`]; torchaudio's names and defaults.
#[derive(Clone, Copy, Debug)]
pub struct ResampleOptions {
    /// Zero crossings of the sinc on either side: more cut sharper and cost more.
    pub lowpass_filter_width: usize,
    /// Where the lowpass sets in, as a part of the lower rate's half.
    pub rolloff: f64,
    /// The window over the sinc.
    pub resampling_method: ResamplingMethod,
}

impl Default for ResampleOptions {
    fn default() -> Self {
        ResampleOptions { lowpass_filter_width: 6, rolloff: 0.99, resampling_method: ResamplingMethod::SincInterpHann }
    }
}

/// Signals `[..., frames]` of `orig_freq` frames a second at `new_freq`: `[..., ⌈frames · new / orig⌉]`.
/// Follows `torchaudio.functional.resample`. For many signals use
/// [`Resample`](crate::transforms::Resample), which makes the kernel once.
///
/// # Errors
/// Where a rate is zero, the rates share too small a divisor (the kernel would not fit in memory), an
/// option is out of range, or the signal is not floating point.
#[track_caller]
pub fn resample(waveform: &Tensor, orig_freq: u32, new_freq: u32, options: &ResampleOptions) -> Result<Tensor> {
    match sinc_kernel(orig_freq, new_freq, options, Some(waveform.dtype()))? {
        None => Ok(waveform.clone()),
        Some(kernel) => apply_kernel(waveform, &kernel, orig_freq, new_freq),
    }
}

/// Signals `[..., frames]` played `factor` times as fast, and how long they then are, where `lengths` says how long they
/// were. Follows `torchaudio.functional.speed`.
///
/// # Errors
/// As for [`resample`], and where the factor leaves no rate.
#[track_caller]
pub fn speed(
    waveform: &Tensor,
    orig_freq: u32,
    factor: f64,
    lengths: Option<&Tensor>,
) -> Result<(Tensor, Option<Tensor>)> {
    let (source, target) = speed_rates(orig_freq, factor)?;
    let lengths = lengths.map(|l| scaled_lengths(l, source, target)).transpose()?;
    Ok((resample(waveform, source, target, &ResampleOptions::default())?, lengths))
}

/// The rates that a signal played `factor` times as fast is resampled from and to.
#[track_caller]
fn speed_rates(orig_freq: u32, factor: f64) -> Result<(u32, u32)> {
    let source = factor * f64::from(orig_freq);
    ensure!(
        (1.0..=f64::from(u32::MAX)).contains(&source),
        Argument,
        "speed",
        "factor {factor} times {orig_freq} Hz is no sample rate"
    );
    let (source, target) = reduced(source as u32, orig_freq);
    Ok((source as u32, target as u32))
}

/// ⌈lengths · target / source⌉
#[track_caller]
fn scaled_lengths(lengths: &Tensor, source: u32, target: u32) -> Result<Tensor> {
    lengths.mul(i64::from(target))?.div(i64::from(source))?.ceil()?.to_dtype(lengths.dtype())
}

/// Both rates divided by what they share.
fn reduced(orig: u32, new: u32) -> (usize, usize) {
    let (mut a, mut b) = (orig, new);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    ((orig / a) as usize, (new / a) as usize)
}

/// The most elements of a kernel: what 1 GiB holds. (44100 to 48000 Hz take 27 thousand.)
const KERNEL_LIMIT: f64 = (1u64 << 28) as f64;

/// The kernels `[new, 1, 2 · width + orig]`; none where the rates are the same.
#[track_caller]
pub(crate) fn sinc_kernel(
    orig_freq: u32,
    new_freq: u32,
    options: &ResampleOptions,
    dtype: Option<DType>,
) -> Result<Option<Tensor>> {
    let ResampleOptions { lowpass_filter_width, rolloff, resampling_method } = *options;
    ensure!(
        orig_freq > 0 && new_freq > 0,
        Argument,
        "resample",
        "from {orig_freq} to {new_freq} Hz: a rate must not be zero"
    );
    ensure!(lowpass_filter_width > 0, Argument, "resample", "lowpass_filter_width must not be zero");
    ensure!(rolloff > 0.0 && rolloff <= 1.0, Argument, "resample", "rolloff {rolloff} must be above 0 and at most 1");
    if let Some(dtype) = dtype {
        ensure!(dtype.is_float(), DType, "resample", "a waveform is floating point here, not {dtype}");
    }
    if orig_freq == new_freq {
        return Ok(None);
    }
    let (orig, new) = reduced(orig_freq, new_freq);
    let base = orig.min(new) as f64 * rolloff;
    let lobes = lowpass_filter_width as f64;
    let width = (lobes * orig as f64 / base).ceil();
    let taps = 2.0 * width + orig as f64;
    ensure!(
        taps * new as f64 <= KERNEL_LIMIT,
        Argument,
        "resample",
        "from {orig_freq} to {new_freq} Hz needs {new} kernels of {taps} values; take rates with a common divisor"
    );
    // Step by step in torchaudio's precision: at rates that share little the rounding of time is what counts. A dtype
    // that is not given means f64, but for the phases, and the Bessel function of β.
    let single = dtype.is_some_and(|d| d != DType::F64);
    let (near, near_phase) = (rounding(single), rounding(dtype != Some(DType::F64)));
    let (sin, cos) = if single {
        ((|x| f64::from((x as f32).sin())) as fn(f64) -> f64, (|x| f64::from((x as f32).cos())) as fn(f64) -> f64)
    } else {
        (f64::sin as fn(f64) -> f64, f64::cos as fn(f64) -> f64)
    };
    let (pi, base_near, scale) = (near(PI), near(base), near(base / orig as f64));
    let (mut kernel, taps) = (Vec::with_capacity(taps as usize * new), taps as usize);
    for phase in 0..new {
        let shift = near_phase(-(phase as f64) / new as f64);
        for tap in 0..taps {
            let index = near((tap as f64 - width) / orig as f64);
            let t = near(near(shift + index) * base_near).clamp(-lobes, lobes);
            let window = match resampling_method {
                ResamplingMethod::SincInterpHann => near(cos(near(near(near(t * pi) / lobes) / 2.0)).powi(2)),
                ResamplingMethod::SincInterpKaiser(beta) => {
                    let beta = f64::from(beta as f32);
                    let arc = near(beta * near(near(1.0 - near(near(t / lobes).powi(2))).sqrt()));
                    near(near(bessel_i0(arc)) / f64::from(bessel_i0(beta) as f32))
                }
            };
            let angle = near(t * pi);
            let sinc = if angle == 0.0 { 1.0 } else { near(sin(angle) / angle) };
            kernel.push(near(sinc * near(window * scale)));
        }
    }
    Tensor::from_vec(kernel, [new, 1, taps])?.to_dtype(dtype.unwrap_or(DType::F32)).map(Some)
}

/// Rounds to `f32`, or not.
fn rounding(single: bool) -> fn(f64) -> f64 {
    if single { |x| f64::from(x as f32) } else { |x| x }
}

/// The modified Bessel function of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= (x / 2.0 / k).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

/// `waveform` at the rate that `kernel` was made for.
#[track_caller]
pub(crate) fn apply_kernel(waveform: &Tensor, kernel: &Tensor, orig_freq: u32, new_freq: u32) -> Result<Tensor> {
    ensure!(
        waveform.dtype().is_float(),
        DType,
        "resample",
        "a waveform is floating point here, not {}",
        waveform.dtype()
    );
    ensure!(waveform.rank() > 0, Shape, "resample", "a waveform is [..., frames], this is a number");
    let (orig, new) = reduced(orig_freq, new_freq);
    let (lead, frames) = (&waveform.shape()[..waveform.rank() - 1], waveform.size(-1)?);
    let signals: usize = lead.iter().product();
    let width = (kernel.size(-1)? - orig) / 2;
    let padded = waveform.reshape([signals, 1, frames])?.pad(&[width as isize, (width + orig) as isize], 0.0)?;
    let phases = padded.conv1d(kernel, None, ConvOptions::new().stride(orig))?;
    let target = (new as u128 * frames as u128).div_ceil(orig as u128) as usize;
    let all = phases.transpose(1, 2)?.reshape([signals, phases.size(1)? * phases.size(2)?])?;
    let shape: Vec<usize> = lead.iter().copied().chain([target]).collect();
    all.narrow(-1, 0, target)?.reshape(shape)
}
