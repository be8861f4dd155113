//! Sound: features, filters, effects, files, recognisers.

use crate::case::{Case, Work, call, derive, infer, leaf, randn};
use flambeau::audio::compliance::kaldi::{self, FbankOptions};
use flambeau::audio::functional::{self as sound, ConvolveMode, LfilterOptions, ResampleOptions, RnntLossOptions};
use flambeau::audio::io::{Format, load, save_with};
use flambeau::audio::models::{Conformer, conv_tasnet_base, wav2vec2_base};
use flambeau::audio::transforms::{MFCC, MelSpectrogram, Resample};
use flambeau::prelude::*;
use flambeau::tensor;
use std::hint::black_box;

/// Noise that is no louder than sound is.
fn noise(channels: usize, seconds: usize, rate: usize) -> Result<Tensor> {
    randn(&[channels, seconds * rate])?.mul(0.1)
}

fn of(channels: usize, seconds: usize, rate: usize, f: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Work> {
    let x = noise(channels, seconds, rate)?;
    infer(move || f(&x))
}

pub(super) fn cases() -> Vec<Case> {
    [features(), filters(), files(), networks()].into_iter().flatten().collect()
}

fn features() -> Vec<Case> {
    let mel = || MelSpectrogram::new(16_000).n_mels(80usize);
    vec![
        Case::new("mel_spectrogram_32", move || {
            let mel = mel().build()?;
            of(32, 10, 16_000, move |x| mel.call(x))
        }),
        Case::new("mel_spectrogram_1", move || {
            let mel = mel().build()?;
            of(1, 10, 16_000, move |x| mel.call(x))
        }),
        Case::new("mfcc_32", || {
            let mfcc = MFCC::new(16_000).build()?;
            of(32, 10, 16_000, move |x| mfcc.call(x))
        }),
        Case::new("resample_8", || {
            let resample = Resample::new(44_100, 16_000).build()?;
            of(8, 10, 44_100, move |x| resample.call(x))
        }),
        Case::new("resample_1", || {
            let resample = Resample::new(44_100, 16_000).build()?;
            of(1, 10, 44_100, move |x| resample.call(x))
        }),
        Case::new("resample_function", || {
            of(1, 10, 44_100, |x| sound::resample(x, 44_100, 16_000, &ResampleOptions::default()))
        }),
        Case::new("kaldi_fbank", || of(1, 10, 16_000, |x| kaldi::fbank(x, FbankOptions::new()))),
    ]
}

fn filters() -> Vec<Case> {
    vec![
        Case::new("lfilter_60s", || {
            let (a, b) = (tensor!([1.0, -1.6, 0.8]), tensor!([0.1, 0.2, 0.1]));
            of(1, 60, 16_000, move |x| sound::lfilter(x, &a, &b, LfilterOptions::new()))
        }),
        Case::new("lowpass_stereo", || of(2, 60, 44_100, |x| sound::lowpass_biquad(x, 44_100, 3000.0, 0.707))),
        Case::new("loudness", || of(2, 60, 44_100, |x| sound::loudness(x, 44_100))),
        Case::new("fftconvolve", || {
            let impulse = noise(1, 1, 16_000)?;
            of(1, 60, 16_000, move |x| sound::fftconvolve(x, &impulse, ConvolveMode::Full))
        }),
        Case::new("phaser", || of(1, 10, 16_000, |x| sound::phaser(x, 16_000, sound::PhaserOptions::new()))),
        Case::new("flanger", || of(1, 10, 16_000, |x| sound::flanger(x, 16_000, sound::FlangerOptions::new()))),
        Case::new("pitch_shift", || {
            of(1, 10, 16_000, |x| sound::pitch_shift(x, 16_000, 4, &sound::PitchShiftOptions::new()))
        }),
        Case::new("rnnt_loss_train", || {
            let logits = leaf(&[8, 100, 21, 64])?;
            let targets = Tensor::randint(0, 63, [8, 20]).dtype(DType::I32).build()?;
            let lengths = |n: i32| Tensor::from_vec(vec![n; 8], 8);
            let (frames, labels) = (lengths(100)?, lengths(20)?);
            let leaves = vec![logits.clone()];
            derive(leaves, move || sound::rnnt_loss(&logits, &targets, &frames, &labels, RnntLossOptions::new()))
        }),
    ]
}

/// A minute of stereo: two tones that swell, and noise below them.
fn minute() -> Result<Tensor> {
    let t = Tensor::arange_step(0.0, 60.0 * 44_100.0, 1.0).build()?.div(44_100.0)?;
    let tone = |f: f64, swell: f64| t.mul(f * std::f64::consts::TAU)?.sin()?.mul(&t.mul(swell)?.sin()?.mul(0.25)?);
    let tones = flambeau::stack(&[tone(220.0, 3.0)?, tone(331.0, 2.0)?], 0)?;
    tones.add(&randn(&[2, tones.shape()[1]])?.mul(0.01)?)
}

fn file(format: Format) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    save_with(&mut file, minute()?, 44_100).format(format).bits_per_sample(16).build()?;
    Ok(file)
}

fn files() -> Vec<Case> {
    let read = |format| {
        let file = file(format)?;
        call(move || Ok(load(&file)?.0))
    };
    vec![
        Case::new("load_wav", move || read(Format::Wav)),
        Case::new("load_flac", move || read(Format::Flac)),
        Case::new("save_flac", || {
            let x = minute()?;
            Ok(Box::new(move || {
                let mut file = Vec::new();
                save_with(&mut file, &x, 44_100).format(Format::Flac).bits_per_sample(16).build()?;
                black_box(file);
                Ok(())
            }))
        }),
    ]
}

fn networks() -> Vec<Case> {
    vec![
        Case::new("conformer", || {
            let model = Conformer::new(80, 4, 128, 4, 31).build()?;
            model.eval();
            let (x, lengths) = (randn(&[8, 400, 80])?, Tensor::from_vec(vec![400i64; 8], 8)?);
            infer(move || Ok(model.call((&x, &lengths))?.0))
        }),
        Case::new("conv_tasnet_base", || {
            let model = conv_tasnet_base(2)?;
            model.eval();
            let x = noise(1, 2, 8000)?.unsqueeze(0)?;
            infer(move || model.call(&x))
        }),
        Case::new("wav2vec2_base", || {
            let model = wav2vec2_base().build()?;
            model.eval();
            let x = noise(1, 5, 16_000)?;
            infer(move || Ok(model.call((&x, None))?.0))
        }),
    ]
}
