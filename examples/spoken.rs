//! Voices that say strings of digits, put together from the recordings that ship with the repository: what `ctc_digits`,
//! `effects` and `denoise` hear.

use flambeau::audio::datasets::{SpeechCommands, Subset};
use flambeau::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Frames a second of the recordings.
pub const RATE: u32 = 8000;

/// Their folders, from 0 on.
pub const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// A string of digits as one voice says it.
pub struct Said {
    /// `[frames]`.
    pub waveform: Tensor,
    /// What was said.
    pub digits: Vec<usize>,
    /// Where each digit begins and ends, in seconds.
    pub times: Vec<(f64, f64)>,
}

/// Voices with a recording of each digit.
pub struct Voices(Vec<Vec<Tensor>>);

impl Voices {
    /// The voices of one part of the recordings in `folder`.
    ///
    /// # Errors
    /// Where it is no such folder, or a voice lacks a digit.
    pub fn read(folder: &Path, part: Subset) -> Result<Self> {
        let words = SpeechCommands::new(folder).subset(part).build()?;
        let mut voices: BTreeMap<String, BTreeMap<usize, Tensor>> = BTreeMap::new();
        for i in 0..words.len() {
            let recording = words.recording(i)?;
            let digit = DIGITS.iter().position(|name| *name == recording.label);
            if let Some(digit) = digit {
                voices.entry(recording.speaker_id).or_default().insert(digit, words.get(i)?.0.select(0, 0)?);
            }
        }
        let all = |(name, digits): (String, BTreeMap<usize, Tensor>)| match digits.len() {
            10 => Ok(digits.into_values().collect()),
            n => Err(Error::format(folder, format!("the voice {name} says {n} of ten digits"))),
        };
        Ok(Voices(voices.into_iter().map(all).collect::<Result<_>>()?))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// `digits` by one voice, with a pause drawn from 0.02 to 0.25 s before each and behind the last.
    ///
    /// # Errors
    /// Where there is no such voice or digit.
    pub fn say(&self, voice: usize, digits: &[usize]) -> Result<Said> {
        let pause = || Tensor::zeros(draw(160, 2000)?).build();
        let (mut parts, mut times, mut at) = (vec![pause()?], Vec::new(), 0);
        at += parts[0].numel();
        for digit in digits {
            let word = self.0.get(voice).and_then(|voice| voice.get(*digit));
            let word = word.ok_or_else(|| {
                Error::new(ErrorKind::Index, "say", format!("no digit {digit} by voice {voice} of {}", self.count()))
            })?;
            times.push((seconds(at), seconds(at + word.numel())));
            let silence = pause()?;
            at += word.numel() + silence.numel();
            parts.extend([word.clone(), silence]);
        }
        Ok(Said { waveform: cat(&parts, 0)?, digits: digits.to_vec(), times })
    }

    /// From `least` to `most` digits drawn by chance, by one voice.
    ///
    /// # Errors
    /// Where there is no such voice.
    pub fn say_any(&self, voice: usize, least: usize, most: usize) -> Result<Said> {
        let n = draw(least, most + 1)?;
        self.say(voice, &(0..n).map(|_| draw(0, 10)).collect::<Result<Vec<_>>>()?)
    }
}

/// A whole number drawn from `low` up to `high`, which is not drawn.
///
/// # Errors
/// Where there is none.
pub fn draw(low: usize, high: usize) -> Result<usize> {
    Ok(Tensor::randint(low as i64, high as i64, []).build()?.item::<i64>()? as usize)
}

fn seconds(frames: usize) -> f64 {
    frames as f64 / f64::from(RATE)
}
