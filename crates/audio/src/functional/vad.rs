//! Where speech begins: the detector of SoX, which follows a cepstral measure of the signal.

use flambeau_tensor::{DType, Result, Tensor, ensure, options};

options! {
    /// Options of [`vad`]; torchaudio's names and defaults. Times are in seconds, frequencies in Hertz.
    #[derive(Clone, Copy, Debug)]
    pub struct VadOptions {
        /// The measure that counts as speech, 7.
        trigger_level: f64 = 7.0,
        /// How slowly the measure's mean moves, 0.25.
        trigger_time: f64 = 0.25,
        /// How far back quieter speech is looked for, 1.
        search_time: f64 = 1.0,
        /// The longest gap between quieter speech and the trigger, 0.25.
        allowed_gap: f64 = 0.25,
        /// What is kept before the speech found, 0.
        pre_trigger_time: f64 = 0.0,
        /// How long the noise is learned at the start, 0.35.
        boot_time: f64 = 0.35,
        /// How slowly the estimate of the noise rises, 0.1.
        noise_up_time: f64 = 0.1,
        /// How slowly it falls, 0.01.
        noise_down_time: f64 = 0.01,
        /// How much of it is taken off, 1.35.
        noise_reduction_amount: f64 = 1.35,
        /// Measures a second, 20.
        measure_freq: f64 = 20.0,
        /// How long one lasts, two of their distances unless set.
        measure_duration: ~into Option<f64> = None,
        /// How slowly the spectrum moves, 0.4.
        measure_smooth_time: f64 = 0.4,
        /// The lowest frequency that counts, 50.
        hp_filter_freq: f64 = 50.0,
        /// The highest, 6000.
        lp_filter_freq: f64 = 6000.0,
        /// The lowest pitch that counts, 150.
        hp_lifter_freq: f64 = 150.0,
        /// The highest, 2000.
        lp_lifter_freq: f64 = 2000.0,
    }
}

/// What one channel remembers.
struct Channel {
    spectrum: Vec<f32>,
    noise: Vec<f32>,
    measures: Vec<f32>,
    mean: f32,
}

/// The settings in samples and bins.
struct Measure {
    length: usize,
    transform: usize,
    window: Vec<f32>,
    bins: std::ops::Range<usize>,
    lifter: Vec<f32>,
    quefrencies: std::ops::Range<usize>,
    noise_reduction: f32,
    smooth: f64,
    noise_up: f32,
    noise_down: f32,
}

/// A Hann window scaled so that its energy counts as that of one sample.
#[track_caller]
fn scaled_hann(n: usize) -> Result<Vec<f32>> {
    Tensor::hann_window(n, true, DType::F32)?.mul(2.0 / (n as f64).sqrt())?.to_vec()
}

/// The magnitudes of the spectrum of `signal`.
#[track_caller]
fn magnitudes(signal: Vec<f32>) -> Result<Vec<f32>> {
    let n = signal.len();
    Tensor::from_vec(signal, n)?.rfft(None, -1)?.abs()?.to_vec()
}

impl Measure {
    #[track_caller]
    fn new(sample_rate: u32, o: &VadOptions) -> Result<Self> {
        let rate = f64::from(sample_rate);
        let seconds = o.measure_duration.unwrap_or(2.0 / o.measure_freq);
        let positive = [
            ("measure_freq", o.measure_freq),
            ("measure_duration", seconds),
            ("noise_up_time", o.noise_up_time),
            ("noise_down_time", o.noise_down_time),
            ("measure_smooth_time", o.measure_smooth_time),
            ("trigger_time", o.trigger_time),
            ("hp_lifter_freq", o.hp_lifter_freq),
            ("lp_lifter_freq", o.lp_lifter_freq),
        ];
        for (name, value) in positive {
            ensure!(value > 0.0 && value.is_finite(), Argument, "vad", "{name} {value} must be above 0");
        }
        let samples = rate * seconds + 0.5;
        ensure!(
            (2.0..=f64::from(1 << 24)).contains(&samples),
            Argument,
            "vad",
            "a measure of {seconds} seconds at {sample_rate} Hz is of {samples} samples"
        );
        let length = samples as usize;
        let transform = length.next_power_of_two().max(16);
        let bin = |f: f64| (f / rate * transform as f64 + 0.5).max(0.0) as usize;
        let bins = bin(o.hp_filter_freq).max(1)..bin(o.lp_filter_freq).min(transform / 2);
        let quefrencies = (rate * 0.5 / o.lp_lifter_freq).ceil() as usize
            ..((rate * 0.5 / o.hp_lifter_freq).floor() as usize).min(transform / 4);
        ensure!(
            !bins.is_empty() && !quefrencies.is_empty(),
            Argument,
            "vad",
            "nothing is left between {} and {} Hz, or of pitches from {} to {} Hz, at {sample_rate} Hz",
            o.hp_filter_freq,
            o.lp_filter_freq,
            o.hp_lifter_freq,
            o.lp_lifter_freq
        );
        let decay = |seconds: f64| (-1.0 / (seconds * o.measure_freq)).exp();
        Ok(Measure {
            length,
            transform,
            window: scaled_hann(length)?,
            lifter: scaled_hann(bins.len())?,
            bins,
            quefrencies,
            noise_reduction: o.noise_reduction_amount as f32,
            smooth: decay(o.measure_smooth_time),
            noise_up: decay(o.noise_up_time) as f32,
            noise_down: decay(o.noise_down_time) as f32,
        })
    }

    /// How much like speech `samples` are; `boot` counts the measures of the start.
    #[track_caller]
    fn take(&self, samples: &[f32], channel: &mut Channel, boot: Option<usize>) -> Result<f32> {
        let mut buffer: Vec<f32> = samples.iter().zip(&self.window).map(|(x, w)| x * w).collect();
        buffer.resize(self.transform, 0.0);
        let now = magnitudes(buffer)?;
        let keep = boot.map_or(self.smooth, |n| n as f64 / (1.0 + n as f64));
        let mut cepstrum = vec![0.0; self.transform / 2];
        for (k, lifter) in self.bins.clone().zip(&self.lifter) {
            let (spectrum, noise) = (&mut channel.spectrum[k], &mut channel.noise[k]);
            *spectrum = *spectrum * keep as f32 + now[k] * (1.0 - keep) as f32;
            let power = *spectrum * *spectrum;
            let hold = match boot {
                Some(_) => 0.0,
                None if power > *noise => self.noise_up,
                None => self.noise_down,
            };
            *noise = *noise * hold + power * (1.0 - hold);
            cepstrum[k] = (power - self.noise_reduction * *noise).max(0.0).sqrt() * lifter;
        }
        let pitched = &magnitudes(cepstrum)?[self.quefrencies.clone()];
        let energy = f64::from(pitched.iter().map(|x| x * x).sum::<f32>());
        Ok((21.0 + (energy / pitched.len() as f64).ln()).max(0.0) as f32)
    }
}

/// A waveform `[frames]` or `[channels, frames]` from where speech begins in any channel, by a measure of its cepstrum.
/// What is before the speech is cut; to cut what is behind, turn the waveform round. Follows
/// `torchaudio.functional.vad`; where there is no speech, `pre_trigger_time` of the start is left.
///
/// # Errors
/// Where an option is out of range, or leaves nothing to measure at this sample rate.
#[track_caller]
pub fn vad(waveform: &Tensor, sample_rate: u32, options: VadOptions) -> Result<Tensor> {
    ensure!(
        waveform.rank() > 0 && waveform.dtype().is_float(),
        Shape,
        "vad",
        "a waveform is floating point [channels, frames], this is {} of {:?}",
        waveform.dtype(),
        waveform.shape()
    );
    let measure = Measure::new(sample_rate, &options)?;
    let (rate, frames) = (f64::from(sample_rate), waveform.size(-1)?);
    let channels = waveform.numel().checked_div(frames).unwrap_or(0);
    // More samples than a signal has, and few enough to reckon with.
    let whole = |x: f64| x.clamp(0.0, 1e11) as usize;
    let period = whole(rate / options.measure_freq + 0.5).max(1);
    let count = whole((options.search_time * options.measure_freq).ceil()).max(1);
    ensure!(count < 1 << 24, Argument, "vad", "search_time {} is too long", options.search_time);
    let gap = whole(options.allowed_gap * options.measure_freq + 0.5);
    let before = whole(options.pre_trigger_time * rate + 0.5);
    let kept = before + count * period + measure.length;
    let hold = (-1.0 / (options.trigger_time * options.measure_freq)).exp();
    let boots = whole(options.boot_time * options.measure_freq - 0.5);
    let all = waveform.detach().to_dtype(DType::F32)?.reshape([channels, frames])?.to_vec::<f32>()?;
    let fresh = || Channel {
        spectrum: vec![0.0; measure.transform],
        noise: vec![0.0; measure.transform],
        measures: vec![0.0; count],
        mean: 0.0,
    };
    let mut states: Vec<Channel> = (0..channels).map(|_| fresh()).collect();
    let (mut at, mut boot, mut flush) = (0, Some(0), 0);
    let mut found = None;
    let mut last = 0;
    let heard = if channels > 0 { frames } else { 0 };
    for position in (measure.length..heard).step_by(period) {
        last = position;
        let mut triggered = false;
        for (signal, state) in all.chunks_exact(frames).zip(&mut states) {
            let value = measure.take(&signal[position - measure.length..position], state, boot)?;
            state.measures[at] = value;
            state.mean = state.mean * hold as f32 + (f64::from(value) * (1.0 - hold)) as f32;
            triggered |= f64::from(state.mean) >= options.trigger_level;
            if triggered {
                flush = flush.max(reach(&state.measures, at, options.trigger_level, gap)).min(count);
            }
        }
        at = (at + 1) % count;
        boot = boot.filter(|n| *n != boots).map(|n| n + 1);
        if triggered {
            found = Some(position + (count - flush) * period);
            break;
        }
    }
    match found {
        None if frames >= before => waveform.narrow(-1, 0, before),
        _ => {
            let start = found.unwrap_or(last).saturating_sub(kept).min(frames);
            waveform.narrow(-1, start as isize, frames - start)
        }
    }
}

/// How many measures back speech goes that ends at the newest.
fn reach(measures: &[f32], newest: usize, level: f64, gap: usize) -> usize {
    let n = measures.len();
    let (mut trigger, mut zero) = (n, n);
    for j in 0..n {
        let measure = f64::from(measures[(newest + n - j) % n]);
        if measure >= level && j <= trigger + gap {
            (zero, trigger) = (j, j);
        } else if measure == 0.0 && trigger >= zero {
            zero = j;
        }
    }
    (n - 1).min(zero)
}
