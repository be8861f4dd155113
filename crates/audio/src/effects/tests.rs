//! Each effect by what it must do to signals whose answers are known.

use super::{EffectsChain, apply_effects_file};
use crate::io::save;
use flambeau_autograd::{Autograd, gradcheck};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, no_grad, tensor};
use std::f64::consts::PI;

const RATE: u32 = 16_000;

/// A tone of one second.
fn tone(frequency: f64) -> Result<Tensor> {
    let sample = |i: u32| 0.5 * (2.0 * PI * frequency * f64::from(i) / f64::from(RATE)).sin();
    Tensor::from_vec((0..RATE).map(sample).collect::<Vec<f64>>(), [1, RATE as usize])
}

fn with(effects: &[&str], x: &Tensor) -> Result<Tensor> {
    Ok(EffectsChain::of(effects)?.apply(x, RATE)?.0)
}

/// The frequency of the strongest bin.
fn strongest(x: &Tensor) -> Result<f64> {
    let spectrum = x.select(0, 0)?.rfft(None, -1)?.abs()?;
    Ok(spectrum.argmax(0)?.item::<i64>()? as f64 * f64::from(RATE) / x.size(-1)? as f64)
}

fn rms(x: &Tensor) -> Result<f64> {
    x.square()?.mean(..)?.sqrt()?.to_dtype(DType::F64)?.item::<f64>()
}

#[test]
fn levels() -> Result<()> {
    let x = tone(440.0)?;
    let peak = |x: &Tensor| x.abs()?.amax(..)?.item::<f64>();
    assert!((peak(&with(&["gain -6"], &x)?)? - 0.5 * 10f64.powf(-0.3)).abs() < 1e-9);
    assert!((peak(&with(&["norm -3"], &x)?)? - 10f64.powf(-0.15)).abs() < 1e-9);
    assert!((peak(&with(&["vol 6dB", "vol 0.5"], &x)?)? - 0.25 * 10f64.powf(0.3)).abs() < 1e-9);
    // Silence stays silence.
    assert_eq!(peak(&with(&["norm"], &x.mul(0.0)?)?)?, 0.0);
    // Half as many decibels: once settled, 0.5 becomes its root, but for the level's swing.
    let loud = with(&["compand 0.001,0.2 -90,-45"], &x)?.narrow(1, 8000, 8000)?;
    assert!((peak(&loud)? / 0.5f64.sqrt() - 1.0).abs() < 0.05, "{}", peak(&loud)?);
    Ok(())
}

#[test]
fn time_and_pitch() -> Result<()> {
    let x = tone(440.0)?;
    let fast = with(&["tempo 1.25"], &x)?;
    assert_eq!(fast.shape(), [1, 12_800]);
    assert!((strongest(&fast)? - 440.0).abs() < 5.0);
    let high = with(&["pitch 1200"], &x)?;
    assert_eq!(high.shape(), [1, 16_000]);
    assert!((strongest(&high)? - 880.0).abs() < 5.0);
    let (sped, rate) = EffectsChain::of(["speed 1.5"])?.then("rate 16k")?.apply(&x, RATE)?;
    assert_eq!((sped.shape()[1], rate), (10_667, 16_000));
    assert!((strongest(&sped)? - 660.0).abs() < 5.0);
    Ok(())
}

#[test]
fn cuts_and_fades() -> Result<()> {
    let x = tensor!([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]; DType::F64);
    let values = |effects: &[&str]| with(effects, &x)?.select(0, 0)?.to_vec::<f64>();
    assert_eq!(values(&["trim 1s 2s"])?, [2.0, 3.0]);
    assert_eq!(values(&["trim 1s =3s"])?, [2.0, 3.0]);
    assert_eq!(values(&["trim 0 -1s"])?, [1.0, 2.0, 3.0]);
    assert_eq!(values(&["pad 1s 2s"])?, [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
    assert_eq!(values(&["trim 2s", "repeat", "reverse"])?, [4.0, 3.0, 4.0, 3.0]);
    assert_eq!(values(&["fade t 2s"])?, [0.0, 1.0, 3.0, 4.0]);
    assert_eq!(values(&["fade t 0s 4s 2s"])?, [1.0, 2.0, 1.5, 0.0]);
    assert_eq!(values(&["remix 1,2"])?, [3.0, 4.0, 5.0, 6.0]);
    assert_eq!(values(&["remix 2v0.5 0 -"])?, [2.5, 3.0, 3.5, 4.0]);
    assert_eq!(with(&["remix 1 0 1-2"], &x)?.shape(), [3, 4]);
    assert_eq!(values(&["channels 1"])?, [3.0, 4.0, 5.0, 6.0]);
    let x = tensor!([[0.0, 0.01, 0.5, 0.0, 0.0, 0.6, 0.0, 0.0, 0.0]]; DType::F64);
    let left = |effect: &str| with(&[effect], &x)?.select(0, 0)?.to_vec::<f64>();
    assert_eq!(left("silence 1 1s 10%")?[..2], [0.5, 0.0]);
    assert_eq!(left("silence 1 1s 10% 1 3s 10%")?, [0.5, 0.0, 0.0, 0.6]);
    assert_eq!(left("silence 1 1s 10% -1 2s 10%")?, [0.5, 0.6]);
    assert!(left("silence 1 1s 90%")?.is_empty());
    Ok(())
}

#[test]
fn rooms_and_echoes() -> Result<()> {
    let click = Tensor::zeros([2, 8000]).dtype(DType::F64).build()?.index_fill(1, &tensor!([0i64]), 1.0)?;
    let echo = with(&["echo 0.8 0.5 100 0.4 200 0.2"], &click)?;
    assert_eq!(echo.shape(), [2, 8000 + 3200]);
    let at = |x: &Tensor, i: isize| x.select(0, 0)?.select(0, i)?.item::<f64>();
    assert_eq!([at(&echo, 0)?, at(&echo, 1600)?, at(&echo, 3200)?, at(&echo, 1)?], [0.4, 0.2, 0.1, 0.0]);
    let chorus = with(&["chorus 0.6 1 50 0.4 0.25 2 -s"], &click)?;
    assert_eq!(
        (at(&chorus, 0)?, chorus.select(0, 0)?.ne(0.0)?.to_dtype(DType::I64)?.sum(..)?.item::<i64>()?),
        (0.6, 2)
    );
    // A click is heard on, the longer the more it reverberates, and otherwise on either side.
    let (little, much) = (with(&["reverb -w 10"], &click)?, with(&["reverb -w 90"], &click)?);
    let tail = |x: &Tensor| rms(&x.narrow(1, 4000, 4000)?);
    assert!(tail(&much)? > 3.0 * tail(&little)? && tail(&little)? > 0.0);
    assert!(!much.select(0, 0)?.allclose(&much.select(0, 1)?)?);
    assert!(much.abs()?.amax(..)?.item::<f64>()? < 1.0);
    Ok(())
}

#[test]
fn filters() -> Result<()> {
    let (low, high) = (tone(200.0)?, tone(4000.0)?);
    assert!(rms(&with(&["lowpass 1k"], &high)?)? < 0.1 * rms(&with(&["lowpass 1k"], &low)?)?);
    assert!(rms(&with(&["highpass 1k 0.7q"], &low)?)? < 0.1 * rms(&with(&["highpass 1k"], &high)?)?);
    assert!(rms(&with(&["bandreject 200 1o"], &low)?.narrow(1, 8000, 8000)?)? < 0.01);
    let louder = with(&["vol 0.1", "equalizer 200 50 6"], &low)?.narrow(1, 8000, 8000)?;
    assert!((rms(&louder)? / (0.05 / 2f64.sqrt()) - 10f64.powf(0.3)).abs() < 0.01);
    for effect in [
        "bass 3",
        "treble -3",
        "band 1k",
        "allpass 1k",
        "bandpass 1k",
        "biquad 1 0 0 1 0 0",
        "contrast",
        "dcshift 0.1",
        "overdrive",
        "phaser 0.8 0.7 3 0.4 0.5 -t",
        "flanger",
        "tremolo 5 50",
    ] {
        let y = with(&[effect], &low)?;
        assert!(y.shape() == low.shape() && y.isfinite()?.to_vec::<bool>()?.iter().all(|x| *x), "{effect}");
    }
    Ok(())
}

#[test]
fn wrong_words_are_told() -> Result<()> {
    for words in [
        "",
        "louder 3",
        "gain x",
        "rate",
        "rate 0",
        "trim",
        "trim 1 2 3",
        "fade t",
        "echo 0.8 0.9 100",
        "remix",
        "remix 0x",
        "compand 1 -10,-20",
        "compand 0.1,0.2 -10,-20,-30,-40",
        "chorus 0.6 1 50 0.4 0.25 2 -x",
        "lowpass 1k 0q",
        "biquad 1 1 1 0 0 0",
        "tempo 0",
        "pad -1 0 nan",
        "silence 1 x 3%",
    ] {
        assert!(EffectsChain::of([words]).is_err(), "{words:?}");
    }
    let x = tone(440.0)?;
    for words in
        ["trim 2", "lowpass 9k", "remix 2", "fade t 0.6 0 0.6", "deemph", "trim 0.5 =0.2", "pad -1", "channels 0.5"]
    {
        assert!(EffectsChain::of([words]).is_err() || with(&[words], &x).is_err(), "{words:?}");
    }
    assert!(EffectsChain::of(["gain 1"])?.apply(&x.select(0, 0)?, RATE).is_err());
    Ok(())
}

#[test]
fn gradients_arrive_or_are_refused() -> Result<()> {
    let x = Tensor::from_vec(vec![0.1_f64, -0.8, 0.3, 0.2], [1, 4])?.requires_grad_()?;
    let through = |effect: &str, x: &Tensor| with(&[effect], x);
    // The peak, too, has its share.
    for effect in ["gain -n", "norm -3", "gain -6", "echo 0.8 0.9 0.1 0.5", "tremolo 5 40", "remix 1v0.5"] {
        gradcheck(|x| Ok(vec![through(effect, &x[0])?]), std::slice::from_ref(&x))?;
    }
    for effect in ["reverb", "compand 0.3,1 -90,-45"] {
        assert_eq!(through(effect, &x).unwrap_err().kind(), ErrorKind::NotDifferentiable, "{effect}");
        assert!(through(effect, &x.detach()).is_ok() && no_grad(|| through(effect, &x)).is_ok());
    }
    Ok(())
}

#[test]
fn of_a_file() -> Result<()> {
    let mut file = Vec::new();
    save(&mut file, &tone(440.0)?, RATE)?;
    let (x, rate) = apply_effects_file(file, &EffectsChain::of(["trim 0 0.5", "rate 8000"])?)?;
    assert_eq!((x.shape(), rate), (&[1, 4000][..], 8000));
    Ok(())
}
