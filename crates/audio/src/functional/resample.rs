//! Waveforms at another sample rate: interpolation by a windowed sinc, which is a convolution.
//!
//! With both rates divided by their greatest common divisor, every `orig` samples of the input give `new`
//! of the output, each by a kernel of its own, which is zero but around the output's place: a sum of few taps. See
//! J. O. Smith, <https://ccrma.stanford.edu/~jos/resample/>.

use flambeau_autograd::{Context, Function};
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Device, Result, Stored, Tensor, bail, ensure};
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::PI;
use std::ops::{Add, AddAssign, Mul};
use std::sync::Arc;

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
/// Where a rate is zero, the kernels of rates that share nothing would not fit in memory, an option is out of range, or
/// the signal is not floating point.
#[track_caller]
pub fn resample(waveform: &Tensor, orig_freq: u32, new_freq: u32, options: &ResampleOptions) -> Result<Tensor> {
    match Sinc::new(orig_freq, new_freq, options, Some(waveform.dtype()))? {
        None => Ok(waveform.clone()),
        Some(sinc) => Arc::new(sinc.taps()?).apply(waveform),
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
pub(crate) fn speed_rates(orig_freq: u32, factor: f64) -> Result<(u32, u32)> {
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
pub(crate) fn scaled_lengths(lengths: &Tensor, source: u32, target: u32) -> Result<Tensor> {
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

/// The windowed sinc between two rates that differ, step by step in torchaudio's precision: at rates that share little
/// the rounding of time is what counts.
pub(crate) struct Sinc {
    orig: usize,
    new: usize,
    /// Samples on either side that a kernel reaches.
    width: usize,
    lobes: f64,
    base: f64,
    method: ResamplingMethod,
    /// Is everything but the phases rounded to `f32`?
    single: bool,
    /// And the phases?
    single_phase: bool,
}

impl Sinc {
    /// None where the rates are the same. A dtype that is not given means `f64`, but for the phases and the Bessel
    /// function of β.
    #[track_caller]
    pub fn new(orig_freq: u32, new_freq: u32, options: &ResampleOptions, dtype: Option<DType>) -> Result<Option<Sinc>> {
        let ResampleOptions { lowpass_filter_width, rolloff, resampling_method } = *options;
        let name = "resample";
        ensure!(
            orig_freq > 0 && new_freq > 0,
            Argument,
            name,
            "from {orig_freq} to {new_freq} Hz: a rate must not be zero"
        );
        ensure!(lowpass_filter_width > 0, Argument, name, "lowpass_filter_width must not be zero");
        ensure!(rolloff > 0.0 && rolloff <= 1.0, Argument, name, "rolloff {rolloff} must be above 0 and at most 1");
        if let Some(dtype) = dtype {
            ensure!(dtype.is_float(), DType, name, "a waveform is floating point here, not {dtype}");
        }
        if orig_freq == new_freq {
            return Ok(None);
        }
        let (orig, new) = reduced(orig_freq, new_freq);
        let (base, lobes) = (orig.min(new) as f64 * rolloff, lowpass_filter_width as f64);
        let width = (lobes * orig as f64 / base).ceil();
        ensure!(
            (2.0 * width + 1.0) * new as f64 <= KERNEL_LIMIT,
            Argument,
            name,
            "from {orig_freq} to {new_freq} Hz needs {new} kernels of {} values; take rates with a common divisor",
            2.0 * width + 1.0
        );
        let single = dtype.is_some_and(|d| d != DType::F64);
        let (width, single_phase) = (width as usize, dtype != Some(DType::F64));
        Ok(Some(Sinc { orig, new, width, lobes, base, method: resampling_method, single, single_phase }))
    }

    /// The values of the kernel of `phase` at `taps`, of `2 · width + orig`.
    fn row(&self, phase: usize, taps: impl Iterator<Item = usize>) -> impl Iterator<Item = f64> {
        let (near, near_phase) = (rounding(self.single), rounding(self.single_phase));
        let (sin, cos): (fn(f64) -> f64, fn(f64) -> f64) = match self.single {
            true => (|x| f64::from((x as f32).sin()), |x| f64::from((x as f32).cos())),
            false => (f64::sin, f64::cos),
        };
        let (pi, base, scale) = (near(PI), near(self.base), near(self.base / self.orig as f64));
        let shift = near_phase(-(phase as f64) / self.new as f64);
        let &Sinc { orig, width, lobes, method, .. } = self;
        taps.map(move |tap| {
            let index = near((tap as f64 - width as f64) / orig as f64);
            let t = near(near(shift + index) * base).clamp(-lobes, lobes);
            let window = match method {
                ResamplingMethod::SincInterpHann => near(cos(near(near(near(t * pi) / lobes) / 2.0)).powi(2)),
                ResamplingMethod::SincInterpKaiser(beta) => {
                    let beta = f64::from(beta as f32);
                    let arc = near(beta * near(near(1.0 - near(near(t / lobes).powi(2))).sqrt()));
                    near(near(bessel_i0(arc)) / f64::from(bessel_i0(beta) as f32))
                }
            };
            let angle = near(t * pi);
            let sinc = if angle == 0.0 { 1.0 } else { near(sin(angle) / angle) };
            near(sinc * near(window * scale))
        })
    }

    /// The kernels `[new, 1, 2 · width + orig]`, as torchaudio keeps them.
    #[track_caller]
    pub fn kernel(&self, dtype: DType) -> Result<Tensor> {
        let taps = 2 * self.width + self.orig;
        ensure!(
            taps as f64 * self.new as f64 <= KERNEL_LIMIT,
            Argument,
            "resample",
            "{} kernels of {taps} values are too many to keep; take rates with a common divisor, or the function",
            self.new
        );
        check_bytes("resample", self.new * taps * size_of::<f64>())?;
        let mut kernel = Vec::with_capacity(self.new * taps);
        (0..self.new).for_each(|phase| kernel.extend(self.row(phase, 0..taps)));
        Tensor::from_vec(kernel, [self.new, 1, taps])?.to_dtype(dtype)
    }

    /// What of the kernels is not zero.
    #[track_caller]
    pub fn taps(&self) -> Result<Polyphase> {
        let mut taps = Polyphase::empty(self.orig, self.new, self.width)?;
        for phase in 0..self.new {
            let first = taps.first(phase);
            taps.push(self.row(phase, first..first + 2 * self.width + 1));
        }
        Ok(taps)
    }
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

/// Kernels without their zeros: output n is the sum over k of `weights[phase][k] · x[⌊n · orig / new⌋ − width + k]`,
/// where phase is n modulo `new`.
#[derive(Debug)]
pub(crate) struct Polyphase {
    orig: usize,
    new: usize,
    width: usize,
    /// Weights of a phase: 2 · width + 1, and zeros up to a multiple of [`LANES`].
    each: usize,
    weights: Vec<f64>,
}

/// Products that are summed beside each other.
const LANES: usize = 8;

impl Polyphase {
    fn empty(orig: usize, new: usize, width: usize) -> Result<Self> {
        let each = (2 * width + 1).next_multiple_of(LANES);
        check_bytes("resample", new.saturating_mul(each * size_of::<f64>()))?;
        Ok(Polyphase { orig, new, width, each, weights: Vec::with_capacity(new * each) })
    }

    /// Frames of a group, frames that it gives, and how far before and behind a frame its kernel reaches.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.orig, self.new, self.width)
    }

    /// Where the first weight of a phase stands in torchaudio's kernel.
    fn first(&self, phase: usize) -> usize {
        (phase as u128 * self.orig as u128 / self.new as u128) as usize
    }

    /// The weights of the next phase.
    fn push(&mut self, row: impl Iterator<Item = f64>) {
        let end = self.weights.len() + self.each;
        self.weights.extend(row);
        self.weights.resize(end, 0.0);
    }

    /// Of a kernel `[new, 1, 2 · width + orig]`.
    #[track_caller]
    pub fn of(kernel: &Tensor, orig_freq: u32, new_freq: u32) -> Result<Self> {
        let (orig, new) = reduced(orig_freq, new_freq);
        let taps = kernel.size(-1)?;
        let width = taps.saturating_sub(orig) / 2;
        ensure!(
            kernel.shape() == [new, 1, 2 * width + orig],
            Shape,
            "resample",
            "the kernel of these rates is [{new}, 1, taps], this is {:?}",
            kernel.shape()
        );
        let values: Vec<f64> = kernel.detach().to_dtype(DType::F64)?.to_vec()?;
        let mut polyphase = Polyphase::empty(orig, new, width)?;
        for (phase, row) in values.chunks_exact(taps).enumerate() {
            let first = polyphase.first(phase);
            polyphase.push(row[first..first + 2 * width + 1].iter().copied());
        }
        Ok(polyphase)
    }

    /// `waveform` `[..., frames]` at the other rate.
    #[track_caller]
    pub fn apply(self: &Arc<Self>, waveform: &Tensor) -> Result<Tensor> {
        let name = "resample";
        let dtype = waveform.dtype();
        ensure!(dtype.is_float(), DType, name, "a waveform is floating point here, not {dtype}");
        ensure!(waveform.rank() > 0, Shape, name, "a waveform is [..., frames], this is a number");
        let (lead, frames) = (&waveform.shape()[..waveform.rank() - 1], waveform.size(-1)?);
        let target = (self.new as u128 * frames as u128).div_ceil(self.orig as u128);
        let Ok(target) = usize::try_from(target) else {
            bail!(Memory, name, "{target} samples are more than can be counted")
        };
        let signals: usize = lead.iter().product();
        let rate = Resampled { taps: Arc::clone(self), frames, target, transposed: false };
        let shape: Vec<usize> = lead.iter().copied().chain([target]).collect();
        rate.apply(&waveform.reshape([signals, frames])?)?.reshape(shape)
    }
}

/// Signals `[signals, frames]` to `[signals, target]`: linear, so its gradient is its transpose, whose gradient is itself
/// again.
struct Resampled {
    taps: Arc<Polyphase>,
    frames: usize,
    target: usize,
    transposed: bool,
}

impl Function for Resampled {
    fn forward(&self, _: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        let here = x.to_device(Device::Cpu)?;
        match x.dtype() {
            DType::F64 => self.run::<f64>(&here, |w| w),
            DType::F32 => self.run::<f32>(&here, |w| w as f32),
            other => self.run::<f32>(&here.to_dtype(DType::F32)?, |w| w as f32)?.to_dtype(other),
        }?
        .to_device(x.device())
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        let &Resampled { frames, target, transposed, .. } = self;
        Resampled { taps: Arc::clone(&self.taps), frames, target, transposed: !transposed }.apply(grad)
    }
}

impl Resampled {
    fn run<T>(&self, x: &Tensor, number: impl Fn(f64) -> T) -> Result<Tensor>
    where
        T: Stored + Number,
    {
        let Polyphase { orig, new, width, each, ref weights } = *self.taps;
        let weights: Vec<T> = weights.iter().map(|w| number(*w)).collect();
        let (signals, length) = (x.shape()[0], if self.transposed { self.frames } else { self.target });
        let y = Tensor::zeros([signals, length]).dtype(x.dtype()).build()?;
        if x.numel() == 0 || length == 0 {
            return Ok(y);
        }
        let x = x.contiguous()?;
        let (xs, mut ys) = (x.data::<T>()?, y.data_mut::<T>()?);
        let firsts: Vec<usize> = (0..new).map(|phase| self.taps.first(phase)).collect();
        // The signal with zeros around it, so that no tap lies outside.
        let (arch, mut padded) = (Arch::new(), vec![T::default(); width + self.frames + each]);
        for (x, y) in xs.chunks_exact(x.shape()[1]).zip(ys.chunks_exact_mut(length)) {
            if self.transposed {
                padded.fill(T::default());
                for (block, xs) in x.chunks(new).enumerate() {
                    for ((first, row), x) in firsts.iter().zip(weights.chunks_exact(each)).zip(xs) {
                        let at = block * orig + first;
                        for (p, w) in padded[at..at + each].iter_mut().zip(row) {
                            *p += *w * *x;
                        }
                    }
                }
                y.copy_from_slice(&padded[width..width + self.frames]);
            } else {
                padded[width..width + self.frames].copy_from_slice(x);
                let (padded, firsts, weights) = (&padded[..], &firsts[..], &weights[..]);
                arch.dispatch(Interpolation { padded, y, firsts, weights, orig });
            }
        }
        drop(ys);
        Ok(y)
    }
}

/// What a signal and its kernels are made of.
trait Number: Copy + Default + Add<Output = Self> + AddAssign + Mul<Output = Self> {
    /// Σ a · b for several a, which begin `apart` from each other; each is the same sum whatever stands beside it.
    fn dots<S: Simd, const N: usize>(simd: S, a: &[Self], apart: usize, b: &[Self]) -> [Self; N];
}

macro_rules! numbers {
    ($($t:ty: $V:ident $splat:ident $mul_add:ident $partial_load:ident $reduce_sum:ident;)*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn dots<S: Simd, const N: usize>(simd: S, a: &[$t], apart: usize, b: &[$t]) -> [$t; N] {
                let (lanes, len) = (size_of::<S::$V>() / size_of::<$t>(), b.len());
                assert!((N - 1) * apart + len <= a.len());
                let (mut sums, mut at) = ([simd.$splat(0.0); N], 0);
                while at + lanes <= len {
                    // SAFETY: a register from `at` on is inside `b`.
                    let weights = unsafe { b.as_ptr().add(at).cast::<S::$V>().read_unaligned() };
                    for i in 0..N {
                        // SAFETY: and inside each `a`, the last of which was just seen to end inside the slice.
                        let x = unsafe { a.as_ptr().add(i * apart + at).cast::<S::$V>().read_unaligned() };
                        sums[i] = simd.$mul_add(x, weights, sums[i]);
                    }
                    at += lanes;
                }
                if at < len {
                    let weights = simd.$partial_load(&b[at..]);
                    for i in 0..N {
                        let x = simd.$partial_load(&a[i * apart + at..i * apart + len]);
                        sums[i] = simd.$mul_add(x, weights, sums[i]);
                    }
                }
                let mut all = [0.0; N];
                for i in 0..N {
                    all[i] = simd.$reduce_sum(sums[i]);
                }
                all
            }
        }
    )*};
}

numbers! {
    f32: f32s splat_f32s mul_add_e_f32s partial_load_f32s reduce_sum_f32s;
    f64: f64s splat_f64s mul_add_e_f64s partial_load_f64s reduce_sum_f64s;
}

/// Groups that are computed beside each other: they share their kernels.
const TOGETHER: usize = 4;

/// All outputs of a signal, by the kernels of each phase and where they begin.
struct Interpolation<'a, T> {
    /// The signal with zeros around it.
    padded: &'a [T],
    y: &'a mut [T],
    firsts: &'a [usize],
    weights: &'a [T],
    orig: usize,
}

impl<T: Number> WithSimd for Interpolation<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Interpolation { padded, y, firsts, weights, orig } = self;
        let (new, each) = (firsts.len(), weights.len() / firsts.len());
        let (groups, mut group) = (y.len().div_ceil(new), 0);
        while group < groups {
            let whole = (group + TOGETHER) * new <= y.len();
            for phase in 0..new.min(y.len() - group * new) {
                let (row, at) = (&weights[phase * each..][..each], group * orig + firsts[phase]);
                if whole {
                    let sums = T::dots::<S, TOGETHER>(simd, &padded[at..], orig, row);
                    for i in 0..TOGETHER {
                        y[(group + i) * new + phase] = sums[i];
                    }
                } else {
                    y[group * new + phase] = T::dots::<S, 1>(simd, &padded[at..], orig, row)[0];
                }
            }
            group += if whole { TOGETHER } else { 1 };
        }
    }
}
