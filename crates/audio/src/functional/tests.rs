//! Functions against values from torchaudio 2.11.

use super::*;
use flambeau_autograd::{gradcheck, gradgradcheck};
use flambeau_tensor::{DType, ErrorKind};

#[track_caller]
fn close(x: &Tensor, expected: &[f64], tolerance: f64) {
    let got = x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= tolerance * e.abs().max(1.0), "{got:?} is not {expected:?}");
    }
}

#[test]
fn mel_filters() {
    let htk = melscale_fbanks(9, (0.0, 4000.0), 3, 8000, None, MelScaleKind::Htk).unwrap();
    let expected = [
        0.0, 0.0, 0.0, 0.8934592, 0.10654083, 0.0, 0.16569166, 0.8343083, 0.0, 0.0, 0.65082365, 0.34917632, 0.0,
        0.19871531, 0.8012847, 0.0, 0.0, 0.84258544, 0.0, 0.0, 0.5617236, 0.0, 0.0, 0.2808617, 0.0, 0.0, 0.0,
    ];
    assert_eq!(htk.shape(), [9, 3]);
    close(&htk, &expected, 2e-6);
    let slaney = melscale_fbanks(9, (0.0, 4000.0), 3, 8000, Some(MelNorm::Slaney), MelScaleKind::Slaney).unwrap();
    let expected = [
        0.0, 0.0, 0.0, 1.42877828, 0.0, 0.0, 0.53486635, 0.85100927, 0.0, 0.0, 0.86471421, 0.21984629, 0.0, 0.23411086,
        0.57935267, 0.0, 0.0, 0.58930943, 0.0, 0.0, 0.39287296, 0.0, 0.0, 0.19643648, 0.0, 0.0, 0.0,
    ];
    close(&slaney.mul(1000.0).unwrap(), &expected, 2e-6);
    let error = melscale_fbanks(9, (5000.0, 4000.0), 3, 8000, None, MelScaleKind::Htk).unwrap_err();
    assert_eq!(error.message(), "f_min 5000 must be from 0 to below f_max 4000");
}

#[test]
fn cosines() {
    close(
        &create_dct(2, 4, true).unwrap(),
        &[0.5, 0.65328145, 0.5, 0.27059805, 0.5, -0.27059811, 0.5, -0.6532815],
        1e-6,
    );
    close(&create_dct(2, 4, false).unwrap(), &[2.0, 1.847759, 2.0, 0.76536685, 2.0, -0.765367, 2.0, -1.847759], 1e-6);
}

#[test]
fn resampling() {
    let x = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 0.0, 2.0, -1.0], [1, 6]).unwrap();
    let up = resample(&x, 2, 3, &ResampleOptions::default()).unwrap();
    let expected =
        [0.98409742, 0.32999182, -0.02326337, -0.0276917, -0.36911327, 0.91983348, 1.96807396, 0.00417084, -1.17432261];
    assert_eq!(up.shape(), [1, 9]);
    close(&up, &expected, 1e-6);
    // Both rates count by their ratio alone.
    close(&resample(&x, 16_000, 24_000, &ResampleOptions::default()).unwrap(), &expected, 1e-6);
    let kaiser = ResampleOptions { resampling_method: ResamplingMethod::KAISER, ..Default::default() };
    let down = resample(&x.to_dtype(DType::F64).unwrap(), 3, 2, &kaiser).unwrap();
    // torchaudio takes I0 of β in f32.
    close(&down, &[0.69867032, -0.15059596, 0.60340024, 0.53729577], 1e-5);
    assert!(resample(&x, 5, 5, &kaiser).unwrap().is(&x));
}

#[test]
fn rates_that_share_nothing_are_no_reason_to_fill_the_memory() {
    let x = Tensor::zeros([1, 6]).build().unwrap();
    let error = resample(&x, 4_000_000_007, 4_000_000_009, &ResampleOptions::default()).unwrap_err();
    assert!(error.message().contains("take rates with a common divisor"), "{error}");
    for (options, what) in [
        (ResampleOptions { rolloff: 0.0, ..Default::default() }, "rolloff"),
        (ResampleOptions { lowpass_filter_width: 0, ..Default::default() }, "lowpass_filter_width"),
    ] {
        assert!(resample(&x, 1, 2, &options).unwrap_err().message().contains(what));
    }
    assert!(resample(&x, 0, 2, &ResampleOptions::default()).unwrap_err().message().contains("zero"));
    assert_eq!(
        resample(&Tensor::zeros([2, 0]).build().unwrap(), 1, 2, &ResampleOptions::default()).unwrap().shape(),
        [2, 0]
    );
}

#[test]
fn decibels() {
    let x = Tensor::from_vec(vec![1.0f32, 10.0, 1e-3], [1, 3]).unwrap();
    close(&amplitude_to_db(&x, 10.0, 1e-10, 0.0, Some(20.0)).unwrap(), &[0.0, 10.0, -10.0], 1e-6);
    close(&amplitude_to_db(&x, 20.0, 1e-2, 1.0, None).unwrap(), &[-20.0, 0.0, -60.0], 1e-6);
    close(&db_to_amplitude(&Tensor::from_vec(vec![20.0f32], 1).unwrap(), 2.0, 0.5).unwrap(), &[20.0], 1e-6);
    // One limit for each of a batch, and one for all channels of it.
    let batch = Tensor::from_vec(vec![1.0f32, 1e-6, 1e3, 1e-6], [2, 1, 1, 2]).unwrap();
    close(&amplitude_to_db(&batch, 10.0, 1e-10, 0.0, Some(20.0)).unwrap(), &[0.0, -20.0, 30.0, 10.0], 1e-6);
    let channels = batch.reshape([2, 1, 2]).unwrap();
    close(&amplitude_to_db(&channels, 10.0, 1e-10, 0.0, Some(20.0)).unwrap(), &[10.0, 10.0, 30.0, 10.0], 1e-6);
}

fn drawn(shape: &[usize], seed: u64) -> Tensor {
    flambeau_tensor::manual_seed(seed);
    Tensor::randn(shape).dtype(DType::F64).build().unwrap().mul(0.3).unwrap()
}

#[test]
fn filters_differentiate_twice() {
    let (x, b) = (drawn(&[2, 2, 9], 1), drawn(&[2, 3], 2));
    let a = drawn(&[2, 3], 3).add(&Tensor::from_vec(vec![2.0f64, 0.0, 0.0], 3).unwrap()).unwrap();
    let all = |i: &[Tensor]| Ok(vec![lfilter(&i[0], &i[1], &i[2], LfilterOptions::new().clamp(false))?]);
    gradcheck(all, &[x.clone(), a.clone(), b.clone()]).unwrap();
    gradgradcheck(all, &[x.clone(), a.clone(), b.clone()]).unwrap();
    // Of first and fourth order, and of a signal that has a history and is not contiguous.
    for taps in [2, 5] {
        let (a, b) = (drawn(&[taps], 4).add(1.5).unwrap(), drawn(&[taps], 5));
        let bent = |i: &[Tensor]| {
            let x = i[0].tanh()?.transpose(0, 2)?;
            Ok(vec![lfilter(&x, &i[1], &i[2], LfilterOptions::new().clamp(false))?])
        };
        gradcheck(bent, &[x.clone(), a, b]).unwrap();
    }
}

#[test]
fn echoes_differentiate_twice() {
    let x = drawn(&[2, 40], 6);
    let phased = |i: &[Tensor]| Ok(vec![phaser(&i[0], 2000, PhaserOptions::new())?]);
    gradcheck(phased, std::slice::from_ref(&x)).unwrap();
    gradgradcheck(phased, std::slice::from_ref(&x)).unwrap();
    for quadratic in [false, true] {
        let options = FlangerOptions::new().delay(3.0).regen(40.0).speed(9.0).quadratic(quadratic);
        gradcheck(|i| Ok(vec![flanger(&i[0], 2000, options)?]), std::slice::from_ref(&x)).unwrap();
    }
    gradcheck(|i| Ok(vec![overdrive(&i[0], 12.0, 20.0)?]), std::slice::from_ref(&x)).unwrap();
}

#[test]
fn a_transducers_gradient() {
    let logits = drawn(&[2, 4, 3, 5], 7);
    let targets = Tensor::from_vec(vec![1i64, 2, 3, 3], [2, 2]).unwrap();
    let lengths = Tensor::from_vec(vec![4i64, 3], 2).unwrap();
    let counts = Tensor::from_vec(vec![2i64, 1], 2).unwrap();
    for options in [RnntLossOptions::new(), RnntLossOptions::new().blank(0).reduction(Reduction::None)] {
        let loss = |i: &[Tensor]| Ok(vec![rnnt_loss(&i[0].mul(2.0)?, &targets, &lengths, &counts, options)?]);
        gradcheck(loss, std::slice::from_ref(&logits)).unwrap();
    }
    let too_long = Tensor::from_vec(vec![5i64, 3], 2).unwrap();
    let error = rnnt_loss(&logits, &targets, &too_long, &counts, RnntLossOptions::new()).unwrap_err();
    assert_eq!(error.message(), "logit_lengths must be from 1 to 4, they are [5, 3]");
    let blanks = RnntLossOptions::new().blank(3);
    assert!(rnnt_loss(&logits, &targets, &lengths, &counts, blanks).unwrap_err().message().contains("the blank"));
}

#[test]
fn kaldis_features_of_a_batch() {
    use crate::compliance::kaldi::{FbankOptions, FrameOptions, MfccOptions, fbank, mfcc};
    let x = drawn(&[2, 3, 900], 8);
    let frame = FrameOptions::new().sample_frequency(8000.0).snip_edges(false).subtract_mean(true);
    let options = FbankOptions::new().frame(frame).use_energy(true);
    let all = fbank(&x, options).unwrap();
    assert_eq!(all.shape(), [2, 3, 11, 24]);
    let one = fbank(&x.select(0, 1).unwrap().select(0, 2).unwrap(), options).unwrap();
    assert!(all.select(0, 1).unwrap().select(0, 2).unwrap().allclose(&one).unwrap());
    assert_eq!(mfcc(&x, MfccOptions::new().fbank(options)).unwrap().shape(), [2, 3, 11, 13]);
    assert!(mfcc(&x, MfccOptions::new().num_ceps(24)).unwrap_err().message().contains("1 to 23"));
}

#[test]
fn what_is_out_of_range_is_told() {
    let x = drawn(&[1, 50], 9);
    let told = |result: flambeau_tensor::Result<Tensor>, what: &str| {
        let error = result.unwrap_err();
        assert!(error.message().contains(what), "{error}");
    };
    told(lowpass_biquad(&x, 8000, 4001.0, DEFAULT_Q), "at most 4000");
    told(riaa_biquad(&x, 8000), "44100, 48000");
    told(loudness(&x, 8000), "3200 frames");
    told(detect_pitch_frequency(&x, 8000, PitchOptions::new()), "lower win_length");
    told(compute_deltas(&x, 2, None), "3 at least");
    told(mask_along_axis_iid(&x, 3, 0.0, MaskAxis::Time, 1.0), "a batch of");
    told(fftconvolve(&x, &drawn(&[2, 1, 3], 1), ConvolveMode::Full), "broadcast");
    told(flanger(&drawn(&[5, 20], 1), 8000, FlangerOptions::new()), "at most 4");
    told(phaser(&x, 8000, PhaserOptions::new().mod_speed(0.0)), "must be above 0");
    let probs = drawn(&[1, 3, 4], 2);
    let targets = |tokens: Vec<i64>| Tensor::from_vec(tokens.clone(), [1, tokens.len()]).unwrap();
    told(forced_align(&probs, &targets(vec![1, 1, 2]), 0).map(|p| p.0), "need 4 frames");
    told(forced_align(&probs, &targets(vec![0]), 0).map(|p| p.0), "not the blank");
    // Signals of one sample and of none.
    for frames in [0, 1] {
        let short = drawn(&[2, frames], 3);
        let one = Tensor::ones([1]).dtype(DType::F64).build().unwrap();
        assert_eq!(lfilter(&short, &one, &one, LfilterOptions::new()).unwrap().shape(), [2, frames]);
        assert_eq!(overdrive(&short, 20.0, 20.0).unwrap().shape(), [2, frames]);
        assert_eq!(phaser(&short, 8000, PhaserOptions::new()).unwrap().shape(), [2, frames]);
        assert_eq!(flanger(&short, 8000, FlangerOptions::new()).unwrap().shape(), [2, frames]);
        assert_eq!(preemphasis(&short, 0.97).unwrap().shape(), [2, frames]);
        assert_eq!(compute_deltas(&short, 5, Some(flambeau_tensor::PadMode::Replicate)).unwrap().shape(), [2, frames]);
        assert_eq!(vad(&short, 8000, VadOptions::new()).unwrap().shape(), [2, 0]);
    }
}

#[test]
fn spectrograms_come_back() {
    let x = drawn(&[2, 300], 11);
    let window = Tensor::hann_window(60, true, DType::F64).unwrap();
    let complex = |normalized| SpectrogramOptions {
        n_fft: 64,
        hop_length: 20,
        pad: 7,
        power: None,
        normalized,
        ..SpectrogramOptions::default()
    };
    for normalized in [Normalized::No, Normalized::Window, Normalized::FrameLength] {
        for onesided in [true, false] {
            let options = SpectrogramOptions { onesided, ..complex(normalized) };
            let there = spectrogram(&x, &window, &options).unwrap();
            let back = inverse_spectrogram(&there, 300, &window, &options).unwrap();
            assert!(back.allclose(&x).unwrap(), "{normalized:?}, one-sided: {onesided}");
        }
    }
    let options = complex(Normalized::No);
    let there = spectrogram(&x, &window, &options).unwrap();
    let real = there.abs().unwrap();
    assert!(inverse_spectrogram(&real, None, &window, &options).unwrap_err().message().contains("must be complex"));
    let wide = SpectrogramOptions { n_fft: 66, ..options };
    assert!(inverse_spectrogram(&there, None, &window, &wide).unwrap_err().message().contains("34 coefficients"));
    // The first sample has a window of 0 alone.
    let bare = SpectrogramOptions { center: false, ..options };
    assert!(inverse_spectrogram(&there, None, &window, &bare).unwrap_err().message().contains("windows are zero"));
}

#[test]
fn what_is_made_of_phases_differentiates() {
    let window = Tensor::hann_window(8, true, DType::F64).unwrap();
    let options = SpectrogramOptions { n_fft: 8, hop_length: 3, power: None, ..SpectrogramOptions::default() };
    let round = |i: &[Tensor]| {
        let spectrum = spectrogram(&i[0].tanh()?, &window, &options)?;
        Ok(vec![inverse_spectrogram(&spectrum.mul(&i[1])?, 20, &window, &options)?])
    };
    let (x, gain) = (drawn(&[2, 20], 12), drawn(&[5, 1], 13).add(1.0).unwrap());
    gradcheck(round, &[x.clone(), gain]).unwrap();
    let advance = Tensor::linspace(0.0, 9.0, 5).dtype(DType::F64).build().unwrap().unsqueeze(-1).unwrap();
    let stretched = |i: &[Tensor]| {
        let spectrum = spectrogram(&i[0], &window, &options)?;
        Ok(vec![phase_vocoder(&spectrum, 1.3, &advance)?.view_as_real()?])
    };
    gradcheck(stretched, std::slice::from_ref(&x)).unwrap();
    let shifted = PitchShiftOptions::new().n_fft(8).window(window.clone());
    gradcheck(|i| Ok(vec![pitch_shift(&i[0], 60, 2, &shifted)?]), std::slice::from_ref(&x)).unwrap();
}

#[test]
fn magnitudes_become_sound() {
    // A tone is found again: its spectrogram is that of what was made.
    let tone = Tensor::arange(0.0, 400.0).dtype(DType::F64).build().unwrap().mul(0.3).unwrap().sin().unwrap();
    let window = Tensor::hann_window(64, true, DType::F64).unwrap();
    let options = SpectrogramOptions { n_fft: 64, hop_length: 16, power: Some(1.0), ..SpectrogramOptions::default() };
    let there = spectrogram(&tone, &window, &options).unwrap();
    let made = GriffinLimOptions::new().n_fft(64).hop_length(16).power(1.0).rand_init(false).length(400);
    let sound = griffinlim(&there, &window, made).unwrap();
    let again = spectrogram(&sound, &window, &options).unwrap();
    let off = again.sub(&there).unwrap().norm(2.0, ..).unwrap().item::<f64>().unwrap();
    let all = there.norm(2.0, ..).unwrap().item::<f64>().unwrap();
    assert!(off < 0.2 * all, "{off} of {all}");
    assert!(griffinlim(&there, &window, made.momentum(1.0)).unwrap_err().message().contains("below 1"));
    assert!(griffinlim(&there, &window, made.length(90)).is_err(), "a length that has other windows");
    assert!(phase_vocoder(&there, 1.1, &window).unwrap_err().message().contains("is complex"));
    assert!(pitch_shift(&tone, 8000, i32::MAX, &PitchShiftOptions::new()).is_err());
    assert!(pitch_shift(&tone, 8000, i32::MIN, &PitchShiftOptions::new()).is_err());
}

#[test]
fn resampling_differentiates_twice_and_takes_any_rates() {
    let x = drawn(&[2, 23], 14);
    for (from, to) in [(3, 2), (2, 3), (7, 1), (1, 4)] {
        let there = |i: &[Tensor]| Ok(vec![resample(&i[0].tanh()?, from, to, &ResampleOptions::default())?]);
        gradcheck(there, std::slice::from_ref(&x)).unwrap();
        gradgradcheck(there, std::slice::from_ref(&x)).unwrap();
    }
    // Of signals that are not contiguous, of no frames, of rates that share nothing.
    let across = x.transpose(0, 1).unwrap();
    assert_eq!(resample(&across, 3, 2, &ResampleOptions::default()).unwrap().shape(), [23, 2]);
    assert_eq!(resample(&drawn(&[2, 0], 1), 3, 2, &ResampleOptions::default()).unwrap().shape(), [2, 0]);
    assert_eq!(resample(&x, 44_100, 44_099, &ResampleOptions::default()).unwrap().shape(), [2, 23]);
    // A tone stays that tone.
    let tone = |rate: f64, n: usize| {
        let t = Tensor::arange(0.0, n as f64).dtype(DType::F64).build().unwrap();
        t.mul(2.0 * std::f64::consts::PI * 440.0 / rate).unwrap().sin().unwrap()
    };
    let made = resample(&tone(44_100.0, 44_100), 44_100, 16_000, &ResampleOptions::default()).unwrap();
    let off = made.sub(&tone(16_000.0, 16_000)).unwrap().narrow(0, 200, 15_600).unwrap();
    let most = off.abs().unwrap().amax(..).unwrap().item::<f64>().unwrap();
    assert!(most < 2e-3, "{most}");
}

/// Sizes that no memory holds, rates that no signal has: an answer or an error, and soon.
#[test]
fn extremes() -> Result<()> {
    let (none, x) = (Tensor::zeros([1usize << 50, 0]).build()?, Tensor::ones([1, 400]).build()?);
    let long = Tensor::zeros([0, (1usize << 50) + 7]).build()?;
    for y in [&none, &long, &x] {
        for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
            assert!(fftconvolve(y, &long, mode).is_err() || y.numel() == 0);
        }
        assert!(vad(y, 16_000, VadOptions::default()).is_ok());
    }
    assert_eq!(sliding_window_cmn(&none, Default::default()).unwrap_err().kind(), ErrorKind::Memory);
    let windows = SlidingWindowCmnOptions::default().cmn_window(usize::MAX).min_cmn_window(usize::MAX);
    let mean = sliding_window_cmn(&x.transpose(0, 1)?, windows)?;
    assert_eq!(mean.to_vec::<f32>()?, [0.0; 400]);

    let (window, image) = (Tensor::ones([4]).build()?, Tensor::zeros([3, 5]).dtype(DType::Complex64).build()?);
    let options = SpectrogramOptions { n_fft: 4, hop_length: 2, pad: usize::MAX, ..Default::default() };
    assert!(inverse_spectrogram(&image, usize::MAX, &window, &options).is_err());
    assert!(inverse_spectrogram(&image, 8, &window, &options).is_err());

    // Fifty million lags, of which four hundred can be told apart.
    let pitch = detect_pitch_frequency(&x, u32::MAX, PitchOptions::default().frame_time(1e-300).win_length(1))?;
    assert_eq!(pitch.shape(), [1, 400]);
    Ok(())
}
