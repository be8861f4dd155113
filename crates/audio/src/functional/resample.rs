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
    match sinc_kernel(orig_freq, new_freq, options, waveform.dtype())? {
        None => Ok(waveform.clone()),
        Some(kernel) => apply_kernel(waveform, &kernel, orig_freq, new_freq),
    }
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
    dtype: DType,
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
    ensure!(dtype.is_float(), DType, "resample", "a waveform is floating point here, not {dtype}");
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
    let mut kernel = Vec::with_capacity(taps as usize * new);
    for phase in 0..new {
        for tap in 0..taps as usize {
            let time = (tap as f64 - width) / orig as f64 - phase as f64 / new as f64;
            let t = (time * base).clamp(-lobes, lobes);
            let window = match resampling_method {
                ResamplingMethod::SincInterpHann => (t * PI / lobes / 2.0).cos().powi(2),
                ResamplingMethod::SincInterpKaiser(beta) => {
                    bessel_i0(beta * (1.0 - (t / lobes).powi(2)).sqrt()) / bessel_i0(beta)
                }
            };
            let sinc = if t == 0.0 { 1.0 } else { (t * PI).sin() / (t * PI) };
            kernel.push(sinc * window * base / orig as f64);
        }
    }
    Tensor::from_vec(kernel, [new, 1, taps as usize])?.to_dtype(dtype).map(Some)
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
