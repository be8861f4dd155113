//! One recording through ten effects, written in SoX's words: a WAV file of each, a table of what they did to length, peak
//! and loudness, and one picture of their spectrograms.

use clap::Parser;
use flambeau::audio::datasets::Subset;
use flambeau::audio::effects::EffectsChain;
use flambeau::audio::functional::loudness;
use flambeau::audio::{load, save};
use flambeau::prelude::*;
use flambeau_examples::spectrograms;
use flambeau_examples::spoken::{RATE, Voices};
use std::path::PathBuf;

/// Puts a recording through ten effects.
#[derive(Parser)]
struct Args {
    /// A sound file; digits spoken by one of the repository's voices unless given
    sound: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the sounds and the picture go
    #[arg(long, default_value = "runs/effects")]
    out: PathBuf,
}

const EFFECTS: [&str; 10] = [
    "lowpass 600",
    "highpass 1500",
    "equalizer 1000 100 -30",
    "reverb 70",
    "echo 0.8 0.9 150 0.5",
    "chorus 0.7 0.9 55 0.4 0.25 2 -t",
    "flanger",
    "overdrive 30",
    "pitch 500",
    "tempo 0.75",
];

/// Its peak and its loudness in decibels below full scale, and its length.
fn measured(name: &str, sound: &Tensor, rate: u32) -> Result<()> {
    let peak = 20.0 * sound.abs()?.amax(..)?.item::<f64>()?.log10();
    let loudness = loudness(sound, rate)?.mean(..)?.item::<f64>()?;
    println!("{name:<32} {:>7.2} s {peak:>8.2} dB {loudness:>8.2} LUFS", sound.size(-1)? as f64 / f64::from(rate));
    Ok(())
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);
    let (sound, rate) = match &args.sound {
        Some(path) => load(path)?,
        None => {
            let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/spoken_digits");
            let said = Voices::read(data.as_ref(), Subset::Testing)?.say(5, &[3, 1, 4, 1, 5])?;
            (said.waveform.unsqueeze(0)?, RATE)
        }
    };

    println!("{:<32} {:>9} {:>11} {:>13}", "", "length", "peak", "loudness");
    measured("as it is", &sound, rate)?;
    let mut pictures = vec![("as it is".to_string(), sound.mean(0)?)];
    for (i, effect) in EFFECTS.iter().enumerate() {
        // An effect may last longer than the sound, and make it louder than a file can hold.
        let (changed, rate) = EffectsChain::of(["pad 0 0.5", effect, "norm -1"])?.apply(&sound, rate)?;
        measured(effect, &changed, rate)?;
        let name = effect.split(' ').next().unwrap_or(effect);
        save(args.out.join(format!("{:02}_{name}.wav", i + 1)), &changed, rate)?;
        pictures.push((effect.to_string(), changed.mean(0)?));
    }
    save(args.out.join("00_as_it_is.wav"), &sound, rate)?;
    spectrograms(&args.out.join("effects.png"), &pictures, rate, 3)?;
    println!("wrote {} sounds and effects.png to {}", pictures.len(), args.out.display());
    Ok(())
}
