//! Four microphones hear a voice and a fan in a room; what they hear is put together so that the voice stays as it is and
//! the fan becomes quiet: a beamformer of minimum variance without distortion (MVDR). What is voice and what is noise it
//! learns from a second and a half before anybody speaks.

use clap::Parser;
use flambeau::audio::datasets::Subset;
use flambeau::audio::functional::{
    ConvolveMode, DiagonalLoading, ReferenceChannel, apply_beamforming, fftconvolve, lowpass_biquad, mvdr_weights_rtf,
    rtf_power,
};
use flambeau::audio::save;
use flambeau::audio::transforms::*;
use flambeau::prelude::*;
use flambeau_examples::spectrograms;
use flambeau_examples::spoken::{RATE, Voices};
use std::path::PathBuf;

/// Frees a voice from noise with four microphones.
#[derive(Parser)]
struct Args {
    /// How loud the voice is against the noise at the first microphone, in decibels
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true)]
    snr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the sounds and the picture go
    #[arg(long, default_value = "runs/denoise")]
    out: PathBuf,
}

const MICROPHONES: usize = 4;
/// From one microphone to the next, in metres.
const DISTANCE: f64 = 0.08;
/// Metres a second.
const SOUND: f64 = 343.0;
/// Seconds before anybody speaks.
const QUIET: f64 = 1.5;
const FRAME: usize = 512;
const HOP: usize = 128;

/// What the microphones, in a line, hear of a sound `[frames]` that comes from so many degrees: `[MICROPHONES, frames]`. It
/// comes to each a little later, and again from the walls, weaker and weaker for an eighth of a second.
fn heard(sound: &Tensor, degrees: f64) -> Result<Tensor> {
    let taps = RATE as usize / 8;
    let time = Tensor::arange(0, taps as i64).dtype(DType::F64).build()?;
    let walls = Tensor::randn([MICROPHONES, taps]).dtype(DType::F64).build()?;
    let walls = walls.mul(&time.mul(-60.0 / taps as f64)?.mul(10f64.ln() / 20.0)?.exp()?)?.mul(0.02)?;
    let mut paths = Vec::new();
    for microphone in 0..MICROPHONES {
        let metres = microphone as f64 * DISTANCE * degrees.to_radians().cos();
        let delay = 40.0 + metres / SOUND * f64::from(RATE);
        // Nothing comes from the walls before the sound itself.
        let echo = walls.select(0, microphone as isize)?.mul(&time.gt(delay)?.to_dtype(DType::F64)?)?;
        paths.push(time.sub(delay)?.sinc()?.add(&echo)?);
    }
    let paths = stack(&paths, 0)?.to_dtype(DType::F32)?;
    fftconvolve(&sound.unsqueeze(0)?, &paths, ConvolveMode::Full)?.narrow(-1, 0, sound.numel())
}

fn power(x: &Tensor) -> Result<f64> {
    x.square()?.mean(..)?.item()
}

/// How loud one is against another, in decibels.
fn ratio(voice: &Tensor, noise: &Tensor) -> Result<f64> {
    Ok(10.0 * (power(voice)? / power(noise)?).log10())
}

/// Where in a power spectrogram `[freq, frames]` the voice is, and where nothing but noise: 1 there and else 0. Noise is what
/// the quiet frames at the beginning hold; what is eight times as loud as it is there is voice.
fn masks(spectrum: &Tensor) -> Result<(Tensor, Tensor)> {
    let quiet = (QUIET * f64::from(RATE)) as usize / HOP - 2;
    let louder = spectrum.div(&spectrum.narrow(1, 0, quiet)?.mean_keepdim(1)?)?;
    let frames = Tensor::arange(0, spectrum.size(1)? as i64).build()?;
    let noise = frames.lt(quiet as i64)?.to_dtype(DType::F32)?.expand(spectrum.shape())?;
    Ok((louder.gt(8.0)?.to_dtype(DType::F32)?, noise))
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/spoken_digits");
    let said = Voices::read(data.as_ref(), Subset::Testing)?.say(2, &[2, 7, 1, 8, 2, 8])?;
    let voice = said.waveform.pad(&[(QUIET * f64::from(RATE)) as isize, 0], 0.0)?;
    let fan = lowpass_biquad(&Tensor::randn(voice.numel()).build()?.mul(0.1)?, RATE, 1200.0, 0.7)?;
    let (voice, noise) = (heard(&voice, 70.0)?, heard(&fan, 140.0)?);
    // The microphones themselves hiss a little.
    let noise = noise.add(&Tensor::randn(voice.shape()).build()?.mul(0.002)?)?;
    let louder = 10f64.powf((ratio(&voice.select(0, 0)?, &noise.select(0, 0)?)? - args.snr) / 20.0);
    let noise = noise.mul(louder)?;
    let recording = voice.add(&noise)?;

    let spectrogram = Spectrogram::new().n_fft(FRAME).hop_length(HOP).power(None).build()?;
    let mixed = spectrogram.call(&recording)?;
    let (of_voice, of_noise) = masks(&mixed.abs()?.square()?.mean(0)?)?;
    let psd = PSD::new().build()?;
    let (of_voice, of_noise) = (psd.call((&mixed, &of_voice))?, psd.call((&mixed, &of_noise))?);
    // The mask of the voice lets noise in where both are; the direction of the voice is what is most unlike noise. A
    // frequency in which no voice was heard becomes silent.
    let (first, loading) = (ReferenceChannel::Index(0), DiagonalLoading::new());
    let direction = rtf_power(&of_voice, &of_noise, first, 3, loading)?;
    let weights = mvdr_weights_rtf(&direction, &of_noise, Some(first), loading)?;

    let back = InverseSpectrogram::new().n_fft(FRAME).hop_length(HOP).build()?;
    let denoised = back.call((&apply_beamforming(&weights, &mixed)?, recording.size(1)?))?;
    // What is lost of the voice counts as noise, too.
    let voice = voice.select(0, 0)?;
    let noisy = recording.select(0, 0)?;
    let before = ratio(&voice, &noisy.sub(&voice)?)?;
    let after = ratio(&voice, &denoised.sub(&voice)?)?;

    let sounds = [("one microphone", noisy), ("four microphones, MVDR", denoised), ("the voice alone", voice)];
    for ((_, sound), file) in sounds.iter().zip(["noisy.wav", "denoised.wav", "voice.wav"]) {
        save(args.out.join(file), &sound.unsqueeze(0)?, RATE)?;
    }
    let sounds = sounds.map(|(name, sound)| (name.to_string(), sound));
    spectrograms(&args.out.join("denoise.png"), &sounds, RATE, 1)?;
    println!("wrote noisy.wav, denoised.wav, voice.wav and denoise.png to {}", args.out.display());
    println!("voice against all else: before {before:.2} dB, after {after:.2} dB");
    Ok(())
}
