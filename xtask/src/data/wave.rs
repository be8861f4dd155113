//! What is done to a recording between the synthesiser and the file: change of rate, trimming,
//! level. Samples are `f64` in -1..1 from the reader to the writer.

use std::f64::consts::PI;

/// How many zero crossings of the sinc lie on each side of its centre.
const CROSSINGS: f64 = 32.0;
/// Where the low pass has fallen to one half, as a part of the new Nyquist frequency. With the
/// window and width here it passes all below 0.83 of it and lets through nothing above it.
const CUTOFF: f64 = 0.91;

/// Resamples to a lower rate with a sinc low pass under a Blackman window.
///
/// Each output sample is a weighted mean of the input around its own instant. The weights are
/// scaled to sum to one, so that a constant stays as it is, also at the ends.
pub(super) fn resample(samples: &[f64], from: u32, to: u32) -> Vec<f64> {
    let step = f64::from(from) / f64::from(to);
    // In cycles per input sample; never above the input's own Nyquist frequency.
    let cutoff = 0.5 * CUTOFF * (1.0 / step).min(1.0);
    let reach = CROSSINGS / (2.0 * cutoff);
    let length = (samples.len() as f64 / step).floor() as usize;
    let sample_at = |index: usize| {
        let centre = index as f64 * step;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(samples.len().saturating_sub(1));
        let (mut sum, mut total) = (0.0, 0.0);
        for (k, &sample) in samples.iter().enumerate().take(last + 1).skip(first) {
            let offset = k as f64 - centre;
            let weight = sinc(2.0 * cutoff * offset) * blackman(offset / reach);
            sum += weight * sample;
            total += weight;
        }
        sum / total
    };
    (0..length).map(sample_at).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Blackman window, from -1 to 1 with its peak of 1 at 0.
fn blackman(x: f64) -> f64 {
    0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos()
}

/// The loudest sample, as a magnitude.
pub(super) fn peak(samples: &[f64]) -> f64 {
    samples.iter().fold(0.0, |peak, sample| f64::max(peak, sample.abs()))
}

/// Cuts the silence at both ends: what is quieter than `threshold` times the peak, but for
/// `margin` samples before the first sound and after the last. Empty if there is no sound.
pub(super) fn trim(samples: &[f64], threshold: f64, margin: usize) -> &[f64] {
    let floor = peak(samples) * threshold;
    let sounds = |sample: &f64| sample.abs() > floor;
    let (Some(first), Some(last)) = (samples.iter().position(sounds), samples.iter().rposition(sounds)) else {
        return &[];
    };
    &samples[first.saturating_sub(margin)..(last + 1 + margin).min(samples.len())]
}

/// Scales so that the loudest sample has the magnitude `level`, and rounds to 16 bits.
pub(super) fn quantise(samples: &[f64], level: f64) -> Vec<i16> {
    let peak = peak(samples);
    let scale = if peak > 0.0 { level * f64::from(i16::MAX) / peak } else { 0.0 };
    samples.iter().map(|sample| (sample * scale).round() as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: u32 = 22_050;
    const TO: u32 = 8_000;

    /// The root mean square of a tone after resampling, away from the ends, over that before.
    fn gain(frequency: f64) -> f64 {
        let tone = |k: usize| (2.0 * PI * frequency * k as f64 / f64::from(FROM)).sin();
        let tone: Vec<f64> = (0..11_025).map(tone).collect();
        let out = resample(&tone, FROM, TO);
        assert_eq!(out.len(), 4_000);
        let middle = &out[200..3_800];
        (middle.iter().map(|y| y * y).sum::<f64>() / middle.len() as f64 * 2.0).sqrt()
    }

    #[test]
    fn speech_passes_and_what_would_alias_does_not() {
        for frequency in [100.0, 1_000.0, 3_000.0, 3_300.0] {
            let gain = gain(frequency);
            assert!((gain - 1.0).abs() < 0.005, "{frequency} Hz: {gain}");
        }
        for frequency in [4_000.5, 4_400.0, 5_000.0, 7_500.0, 9_000.0] {
            let gain = gain(frequency);
            assert!(gain < 1e-3, "{frequency} Hz: {gain}");
        }
    }

    #[test]
    fn a_tone_keeps_its_phase() {
        let tone = |rate: u32| move |k: usize| (2.0 * PI * 500.0 * k as f64 / f64::from(rate)).sin();
        let long: Vec<f64> = (0..4_410).map(tone(FROM)).collect();
        let out = resample(&long, FROM, TO);
        let expected: Vec<f64> = (0..out.len()).map(tone(TO)).collect();
        for k in 200..out.len() - 200 {
            assert!((out[k] - expected[k]).abs() < 1e-3, "sample {k}: {} {}", out[k], expected[k]);
        }
    }

    #[test]
    fn a_constant_stays_constant_to_the_ends() {
        let out = resample(&[0.25; 1_000], FROM, TO);
        assert!(out.iter().all(|y| (y - 0.25).abs() < 1e-12));
        assert!(resample(&[], FROM, TO).is_empty());
    }

    #[test]
    fn trimming_keeps_a_margin_within_the_recording() {
        let mut samples = vec![0.001; 100];
        samples[40] = -0.5;
        samples[59] = 0.3;
        assert_eq!(trim(&samples, 0.01, 5), &samples[35..65]);
        assert_eq!(trim(&samples, 0.01, 80), &samples[..]);
        assert_eq!(trim(&[0.0; 10], 0.01, 5), &[] as &[f64]);
    }

    #[test]
    fn the_peak_is_set_and_never_clips() {
        assert_eq!(quantise(&[0.1, -0.2, 0.05], 0.5), [8192, -16384, 4096]);
        assert_eq!(quantise(&[0.0; 3], 0.5), [0; 3]);
    }
}
