//! The spoken digits: ten words, spoken by `espeak-ng` in many voices.
//!
//! This is synthetic speech. A speaker is an accent of espeak-ng with one of its voice variants,
//! which sets pitch and vocal tract, at a pitch and speed of its own. Each variant occurs in one
//! speaker only, so that a held-out speaker's voice is one that training has never heard.
//!
//! The files lie as in Google's Speech Commands: a folder a word, `<speaker>_nohash_<take>.wav`
//! in it, and the held-out files listed in `testing_list.txt` and `validation_list.txt`.

use std::fs;
use std::path::Path;
use std::process::Command;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::wave;
use crate::{Result, run};

/// The words, in the order of the digits.
pub const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// What a speaker's recordings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Train,
    Validate,
    Test,
}

/// The accents, taken in turn by the speakers.
const ACCENTS: [&str; 8] =
    ["en-us", "en-gb", "en-gb-scotland", "en-us-nyc", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd"];

/// The voice variants, one for each speaker: women and a child first, then men. Of variants that
/// differ little, such as `steph2` from `steph`, only one is here, and none that whispers, croaks
/// or sounds like a machine.
#[rustfmt::skip]
const VARIANTS: &[&str] = &[
    "f1", "f2", "f3", "f4", "f5", "Alicia", "Annie", "anika", "linda", "shelby",
    "steph", "zac", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8",
    "Andy", "Denis", "Gene", "Marco", "Michael", "Mike", "adam", "antonio", "david", "ed",
    "edward", "gustave", "iven", "max", "pablo", "pedro", "quincy", "rob", "sandro", "travis",
];

/// One voice and its manner of speaking.
struct Speaker {
    purpose: Use,
    accent: &'static str,
    variant: &'static str,
    /// espeak-ng's pitch, from 0 to 99; 50 is the variant's own.
    pitch: usize,
    /// Words a minute.
    speed: usize,
}

/// The speakers. Who is held out follows from the place in the list alone: nobody has chosen
/// voices that are easy to understand for the test.
fn speakers() -> impl Iterator<Item = Speaker> {
    VARIANTS.iter().enumerate().map(|(index, variant)| Speaker {
        purpose: match index % 10 {
            4 | 9 => Use::Test,
            2 => Use::Validate,
            _ => Use::Train,
        },
        accent: ACCENTS[index % ACCENTS.len()],
        variant,
        pitch: 40 + 7 * index % 25,
        speed: 145 + 13 * index % 40,
    })
}

impl Speaker {
    /// What espeak-ng calls the voice.
    fn voice(&self) -> String {
        format!("{}+{}", self.accent, self.variant)
    }

    /// The speaker in a file's name: `en-gb-x-rp+f5` is `gb-rp-f5`.
    fn name(&self) -> String {
        let accent = self.accent.strip_prefix("en-").unwrap_or(self.accent);
        format!("{}-{}", accent.replace("x-", ""), self.variant.to_lowercase())
    }
}

/// Samples a second in the files: what a telephone carries, and enough to tell the words apart.
const RATE: u32 = 8_000;
/// The magnitude of each recording's loudest sample: 3 dB below full scale.
const LEVEL: f64 = 0.708;
/// What counts as silence, as a part of the peak: 46 dB below it.
const SILENCE: f64 = 0.005;
/// What is kept of the silence at each end: 20 ms.
const MARGIN: usize = RATE as usize / 50;
/// A word outside these, in samples, was not spoken as it should be: 0.2 to 1 second.
const LENGTH: std::ops::RangeInclusive<usize> = RATE as usize / 5..=RATE as usize;
/// The most that the recordings may take together.
const BUDGET: usize = 3_000_000;

/// One recording, ready to be written.
struct Recording {
    /// `seven/us-f1_nohash_0.wav`, with `/` on every system: the form of the lists.
    path: String,
    purpose: Use,
    wav: Vec<u8>,
}

/// Makes the recordings and the lists under `folder`. Recordings of an earlier run that are not
/// made any more are removed; nothing is touched before all of them are made.
///
/// # Errors
/// If espeak-ng is absent or does not know a voice, a word comes out too short, too long or
/// silent, all together are too large, or a file cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    println!("spoken digits: {}", version()?);
    let scratch = std::env::temp_dir().join(format!("flambeau-spoken-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let made = synthesise(&scratch.join("word.wav"));
    fs::remove_dir_all(&scratch)?;
    let made = made?;
    let size: usize = made.iter().map(|recording| recording.wav.len()).sum();
    if size > BUDGET {
        return Err(format!("spoken digits: {size} bytes, at most {BUDGET} may ship").into());
    }
    write(folder, &made)?;
    println!(
        "spoken digits: {} recordings of {} speakers, {size} bytes, in {}",
        made.len(),
        speakers().count(),
        folder.display()
    );
    Ok(())
}

/// The first line of `espeak-ng --version`, up to its data path.
fn version() -> Result<String> {
    let absent = |error| format!("cannot start espeak-ng (on Debian: apt install espeak-ng): {error}");
    let output = Command::new("espeak-ng").arg("--version").output().map_err(absent)?;
    let line = String::from_utf8_lossy(&output.stdout);
    Ok(line.split("Data at").next().unwrap_or_default().trim().to_owned())
}

/// Every word by every speaker. `scratch` is a file that may be overwritten.
fn synthesise(scratch: &Path) -> Result<Vec<Recording>> {
    let mut made = Vec::new();
    for speaker in speakers() {
        let (voice, pitch, speed) = (speaker.voice(), speaker.pitch.to_string(), speaker.speed.to_string());
        for word in WORDS {
            let path = format!("{word}/{}_nohash_0.wav", speaker.name());
            let mut espeak = Command::new("espeak-ng");
            espeak.args(["-v", &voice, "-p", &pitch, "-s", &speed, "-w"]).arg(scratch).arg(word);
            run(&mut espeak)?;
            let wav = process(scratch).map_err(|error| format!("{path}: {error}"))?;
            made.push(Recording { path, purpose: speaker.purpose, wav });
        }
    }
    Ok(made)
}

/// Reads what espeak-ng wrote and gives the bytes of the WAV file that ships.
fn process(source: &Path) -> Result<Vec<u8>> {
    let reader = WavReader::open(source)?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != SampleFormat::Int {
        return Err(format!("expected 16-bit mono from espeak-ng, found {spec:?}").into());
    }
    let samples = reader.into_samples::<i16>().map(|sample| Ok(f64::from(sample?) / 32_768.0));
    let samples = samples.collect::<Result<Vec<f64>>>()?;
    let samples = wave::resample(&samples, spec.sample_rate, RATE);
    let samples = wave::trim(&samples, SILENCE, MARGIN);
    if !LENGTH.contains(&samples.len()) {
        let seconds = samples.len() as f64 / f64::from(RATE);
        return Err(format!("{seconds:.3} s long, expected 0.2 s to 1 s").into());
    }
    encode(&wave::quantise(samples, LEVEL))
}

/// A WAV file of 16-bit mono samples at [`RATE`].
fn encode(samples: &[i16]) -> Result<Vec<u8>> {
    let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(bytes.into_inner())
}

fn write(folder: &Path, made: &[Recording]) -> Result<()> {
    for word in WORDS {
        let folder = folder.join(word);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.contains("_nohash_") && name.ends_with(".wav") {
                fs::remove_file(&path)?;
            }
        }
    }
    for recording in made {
        fs::write(folder.join(&recording.path), &recording.wav)?;
    }
    fs::write(folder.join("validation_list.txt"), list(made, Use::Validate))?;
    fs::write(folder.join("testing_list.txt"), list(made, Use::Test))?;
    Ok(())
}

/// The paths of the recordings for one use, one a line, sorted.
fn list(made: &[Recording], purpose: Use) -> String {
    let kept = made.iter().filter(|recording| recording.purpose == purpose);
    let mut lines: Vec<String> = kept.map(|recording| format!("{}\n", recording.path)).collect();
    lines.sort();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_held_out_voice_is_heard_in_training() {
        let variants: HashSet<_> = speakers().map(|speaker| speaker.variant).collect();
        assert_eq!(variants.len(), speakers().count(), "each variant is one speaker's own");
        let held_out: HashSet<_> =
            speakers().filter(|speaker| speaker.purpose == Use::Test).map(|speaker| speaker.accent).collect();
        assert!(held_out.len() >= 4, "the test hears many accents: {held_out:?}");
    }

    #[test]
    fn every_word_has_at_least_24_variants() {
        assert!(speakers().count() >= 24);
    }

    #[test]
    fn speaker_names_are_plain_and_unique() {
        let names: HashSet<_> = speakers().map(|speaker| speaker.name()).collect();
        assert_eq!(names.len(), speakers().count());
        assert!(names.contains("gb-rp-f5"), "{names:?}");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(plain)), "{names:?}");
    }

    #[test]
    fn lists_name_the_recordings_of_one_use_sorted() {
        let recording = |path: &str, purpose| Recording { path: path.to_owned(), purpose, wav: vec![] };
        let made = [
            recording("two/b_nohash_0.wav", Use::Test),
            recording("one/b_nohash_0.wav", Use::Test),
            recording("one/a_nohash_0.wav", Use::Train),
        ];
        assert_eq!(list(&made, Use::Test), "one/b_nohash_0.wav\ntwo/b_nohash_0.wav\n");
        assert_eq!(list(&made, Use::Validate), "");
    }

    #[test]
    fn files_are_16_bit_mono_at_8_khz() {
        let bytes = encode(&[1, -2, 3]).unwrap();
        let reader = WavReader::new(&bytes[..]).unwrap();
        let spec = reader.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 8_000, 16));
        assert_eq!(reader.into_samples::<i16>().map(|s| s.unwrap()).collect::<Vec<_>>(), [1, -2, 3]);
        assert_eq!(bytes.len(), 44 + 6, "the plain header, no extension");
    }
}
