//! Effects from SoX's words.

use crate::functional::{FlangerOptions, Modulation, PhaserOptions};
use flambeau_tensor::{Result, bail, ensure};

/// A place or a length in a sound.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    Seconds(f64),
    Samples(f64),
}

/// More samples than any sound has.
const MOST: f64 = 1e15;

impl Time {
    /// In samples.
    #[track_caller]
    pub fn at(&self, rate: u32) -> Result<usize> {
        let samples = match self {
            Time::Seconds(seconds) => (seconds * f64::from(rate)).round(),
            Time::Samples(samples) => *samples,
        };
        ensure!((0.0..MOST).contains(&samples), Argument, "EffectsChain", "a time of {samples} samples");
        Ok(samples as usize)
    }
}

/// A length behind the start, or a place of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Length(Time),
    Place(Time),
    BeforeEnd(Time),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Width {
    Q(f64),
    Hertz(f64),
    Octaves(f64),
}

#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub name: &'static str,
    pub frequency: f64,
    pub width: Width,
    pub gain: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Fade {
    pub shape: char,
    pub fade_in: Time,
    pub stop: Option<Time>,
    pub fade_out: Option<Time>,
}

/// What counts as silence, for how long sound must last, and the same at the end.
#[derive(Clone, Debug)]
pub(super) struct Silence {
    pub above: Option<(Time, f64)>,
    pub below: Option<(Time, f64)>,
    pub everywhere: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Reverb {
    pub wet_only: bool,
    pub numbers: [f64; 6],
}

#[derive(Clone, Debug)]
pub(super) struct Echo {
    pub gain_in: f64,
    pub gain_out: f64,
    /// Milliseconds and what is left of the sound.
    pub taps: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    pub delay: f64,
    pub decay: f64,
    pub speed: f64,
    pub depth: f64,
    pub sine: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Chorus {
    pub gain_in: f64,
    pub gain_out: f64,
    pub voices: Vec<Voice>,
}

#[derive(Clone, Debug)]
pub(super) struct Compand {
    pub attack: f64,
    pub decay: f64,
    /// Levels in and out, in decibels, ascending.
    pub curve: Vec<(f64, f64)>,
    pub gain: f64,
    pub first: f64,
}

#[derive(Clone, Debug)]
pub(super) enum Effect {
    Gain {
        decibel: f64,
        normalise: bool,
    },
    Volume(f64),
    Rate(u32),
    Speed(f64),
    Tempo(f64),
    Pitch(f64),
    Trim {
        start: Time,
        end: Option<End>,
    },
    Pad {
        before: Time,
        behind: Time,
    },
    Repeat(usize),
    Reverse,
    Fade(Fade),
    Silence(Silence),
    /// Inputs (from 0) and factors of each output.
    Remix(Vec<Mix>),
    Channels(usize),
    Reverb(Reverb),
    Echo(Echo),
    Chorus(Chorus),
    Tremolo {
        speed: f64,
        depth: f64,
    },
    Compand(Compand),
    Phaser(PhaserOptions),
    Flanger(FlangerOptions),
    Contrast(f64),
    DcShift(f64, Option<f64>),
    Overdrive(f64, f64),
    Filter(Filter),
    Biquad {
        b: [f64; 3],
        a: [f64; 3],
    },
    Deemph,
    Riaa,
}

/// What an output channel is mixed of.
#[derive(Clone, Debug)]
pub(super) enum Mix {
    All,
    Of(Vec<(usize, usize, Option<f64>)>),
}

/// The words behind a name, taken one by one.
struct Words<'a> {
    name: &'a str,
    whole: &'a str,
    rest: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    #[track_caller]
    fn wrong<T>(&self, what: &str) -> Result<T> {
        bail!(Argument, "EffectsChain", "in {:?}: {what}", self.whole)
    }

    #[track_caller]
    fn word(&mut self, what: &str) -> Result<&'a str> {
        match self.rest.next() {
            Some(word) => Ok(word),
            None => self.wrong(&format!("{what} is missing")),
        }
    }

    fn flag(&mut self, flag: &str) -> bool {
        self.rest.next_if(|word| *word == flag).is_some()
    }

    #[track_caller]
    fn parsed(&self, word: &str, what: &str) -> Result<f64> {
        let (digits, factor) = match word.strip_suffix('k') {
            Some(digits) => (digits, 1000.0),
            None => (word.strip_suffix("dB").unwrap_or(word), 1.0),
        };
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number * factor),
            _ => self.wrong(&format!("{what} is {word:?}, no number")),
        }
    }

    #[track_caller]
    fn number(&mut self, what: &str) -> Result<f64> {
        let word = self.word(what)?;
        self.parsed(word, what)
    }

    #[track_caller]
    fn number_or(&mut self, what: &str, default: f64) -> Result<f64> {
        if self.rest.peek().is_some() { self.number(what) } else { Ok(default) }
    }

    /// One from `low` to `high`.
    #[track_caller]
    fn within(&mut self, what: &str, default: Option<f64>, low: f64, high: f64) -> Result<f64> {
        let number = match default {
            Some(default) => self.number_or(what, default)?,
            None => self.number(what)?,
        };
        if (low..=high).contains(&number) {
            return Ok(number);
        }
        self.wrong(&format!("{what} {number} must be from {low} to {high}"))
    }

    /// Seconds, minutes and seconds, or samples.
    #[track_caller]
    fn time_of(&self, word: &str, what: &str) -> Result<Time> {
        if let Some(samples) = word.strip_suffix('s') {
            return Ok(Time::Samples(self.parsed(samples, what)?));
        }
        let mut seconds = 0.0;
        for part in word.split(':') {
            seconds = seconds * 60.0 + self.parsed(part, what)?;
        }
        Ok(Time::Seconds(seconds))
    }

    #[track_caller]
    fn time(&mut self, what: &str) -> Result<Time> {
        let word = self.word(what)?;
        self.time_of(word, what)
    }

    #[track_caller]
    fn time_opt(&mut self, what: &str) -> Result<Option<Time>> {
        if self.rest.peek().is_some() { self.time(what).map(Some) } else { Ok(None) }
    }

    #[track_caller]
    fn width_or(&mut self, default: Width) -> Result<Width> {
        let Some(word) = self.rest.next() else { return Ok(default) };
        let (digits, of): (&str, fn(f64) -> Width) = match word.as_bytes().last() {
            Some(b'q') => (&word[..word.len() - 1], Width::Q),
            Some(b'o') => (&word[..word.len() - 1], Width::Octaves),
            Some(b'h') => (&word[..word.len() - 1], Width::Hertz),
            _ => (word, Width::Hertz),
        };
        let width = self.parsed(digits, "the width")?;
        if width > 0.0 { Ok(of(width)) } else { self.wrong("the width must be above 0") }
    }
}

/// An effect of a string of words.
#[track_caller]
pub(super) fn parsed(whole: &str) -> Result<Effect> {
    let mut rest = whole.split_whitespace().peekable();
    let name = rest.next().unwrap_or_default();
    let mut w = Words { name, whole, rest };
    let effect = effect(&mut w)?;
    match w.rest.next() {
        None => Ok(effect),
        Some(word) => w.wrong(&format!("{word:?} is one word too many")),
    }
}

#[track_caller]
fn effect(w: &mut Words<'_>) -> Result<Effect> {
    Ok(match w.name {
        "gain" => Effect::Gain { normalise: w.flag("-n"), decibel: w.number_or("the gain", 0.0)? },
        "norm" => Effect::Gain { normalise: true, decibel: w.number_or("the level", 0.0)? },
        "vol" => {
            let word = w.word("the factor")?;
            let number = w.parsed(word, "the factor")?;
            Effect::Volume(if word.ends_with("dB") { 10f64.powf(number / 20.0) } else { number })
        }
        "rate" => Effect::Rate(w.within("the rate", None, 1.0, f64::from(u32::MAX))? as u32),
        "speed" => Effect::Speed(w.within("the factor", None, 1e-3, 1e3)?),
        "tempo" => Effect::Tempo(w.within("the factor", None, 0.01, 100.0)?),
        "pitch" => Effect::Pitch(w.within("the cents", None, -4800.0, 4800.0)?),
        "trim" => trim(w)?,
        "pad" => {
            let before = w.time("the time before")?;
            Effect::Pad { before, behind: w.time_opt("the time behind")?.unwrap_or(Time::Samples(0.0)) }
        }
        "repeat" => Effect::Repeat(w.within("the count", Some(1.0), 0.0, 1e6)? as usize),
        "reverse" => Effect::Reverse,
        "fade" => fade(w)?,
        "silence" => silence(w)?,
        "remix" => remix(w)?,
        "channels" => Effect::Channels(w.within("the count", None, 1.0, 65_535.0)? as usize),
        "reverb" => reverb(w)?,
        "echo" => echo(w)?,
        "chorus" => chorus(w)?,
        "tremolo" => Effect::Tremolo {
            speed: w.within("the speed", None, 0.01, 1e5)?,
            depth: w.within("the depth", Some(40.0), 0.0, 100.0)? / 100.0,
        },
        "compand" => compand(w)?,
        "phaser" => phaser(w)?,
        "flanger" => flanger(w)?,
        "contrast" => Effect::Contrast(w.within("the amount", Some(75.0), 0.0, 100.0)?),
        "dcshift" => {
            let shift = w.within("the shift", None, -2.0, 2.0)?;
            Effect::DcShift(shift, if w.rest.peek().is_some() { Some(w.number("the limiter")?) } else { None })
        }
        "overdrive" => Effect::Overdrive(
            w.within("the gain", Some(20.0), 0.0, 100.0)?,
            w.within("the colour", Some(20.0), 0.0, 100.0)?,
        ),
        "biquad" => {
            let mut six = [0.0; 6];
            for (number, name) in six.iter_mut().zip(["b0", "b1", "b2", "a0", "a1", "a2"]) {
                *number = w.number(name)?;
            }
            let [b0, b1, b2, a0, a1, a2] = six;
            if a0 == 0.0 {
                return w.wrong("a0 must not be 0");
            }
            Effect::Biquad { b: [b0, b1, b2], a: [a0, a1, a2] }
        }
        "deemph" => Effect::Deemph,
        "riaa" => Effect::Riaa,
        _ => return filter(w),
    })
}

#[track_caller]
fn filter(w: &mut Words<'_>) -> Result<Effect> {
    let butterworth = Width::Q(crate::functional::DEFAULT_Q);
    const PASSING: [&str; 6] = ["highpass", "lowpass", "bandpass", "bandreject", "band", "allpass"];
    if let Some(name) = PASSING.into_iter().find(|name| *name == w.name) {
        let frequency = w.number("the frequency")?;
        return Ok(Effect::Filter(Filter { name, frequency, width: w.width_or(butterworth)?, gain: 0.0 }));
    }
    match w.name {
        "bass" | "treble" => {
            let bass = w.name == "bass";
            let gain = w.number("the gain")?;
            let frequency = w.number_or("the frequency", if bass { 100.0 } else { 3000.0 })?;
            let name = if bass { "bass" } else { "treble" };
            Ok(Effect::Filter(Filter { name, frequency, width: w.width_or(butterworth)?, gain }))
        }
        "equalizer" => {
            let frequency = w.number("the frequency")?;
            let width = w.width_or(butterworth)?;
            Ok(Effect::Filter(Filter { name: "equalizer", frequency, width, gain: w.number("the gain")? }))
        }
        "" => w.wrong("there is no effect"),
        _ => w.wrong("no effect is called so; the documentation of flambeau_audio::effects lists them"),
    }
}

#[track_caller]
fn trim(w: &mut Words<'_>) -> Result<Effect> {
    let start = w.time("the start")?;
    let end = match w.rest.next() {
        None => None,
        Some(word) => Some(match (word.strip_prefix('='), word.strip_prefix('-')) {
            (Some(place), _) => End::Place(w.time_of(place, "the end")?),
            (_, Some(before)) => End::BeforeEnd(w.time_of(before, "the end")?),
            _ => End::Length(w.time_of(word, "the length")?),
        }),
    };
    Ok(Effect::Trim { start, end })
}

#[track_caller]
fn fade(w: &mut Words<'_>) -> Result<Effect> {
    let shape = w.rest.next_if(|word| matches!(*word, "q" | "h" | "t" | "l" | "p"));
    let shape = shape.and_then(|word| word.chars().next()).unwrap_or('l');
    let fade_in = w.time("the time of fading in")?;
    let stop = match w.rest.next_if(|word| matches!(*word, "0" | "-0")) {
        Some(_) => None,
        None => w.time_opt("the place where it stops")?,
    };
    // As in SoX, a sound that is to stop fades out as long as it fades in.
    let out = w.time_opt("the time of fading out")?;
    Ok(Effect::Fade(Fade { shape, fade_in, stop, fade_out: out.or(stop.map(|_| fade_in)) }))
}

#[track_caller]
fn silence(w: &mut Words<'_>) -> Result<Effect> {
    let level = |w: &mut Words<'_>| -> Result<(Time, f64)> {
        let duration = w.time("the duration")?;
        let word = w.word("the level")?;
        let level = match word.strip_suffix('%') {
            Some(percent) => w.parsed(percent, "the level")? / 100.0,
            None if word.ends_with('d') => 10f64.powf(w.parsed(&word[..word.len() - 1], "the level")? / 20.0),
            None => w.parsed(word, "the level")?,
        };
        Ok((duration, level))
    };
    let above = match w.within("the periods at the start", None, 0.0, 1.0)? {
        0.0 => None,
        _ => Some(level(w)?),
    };
    let (mut below, mut everywhere) = (None, false);
    if w.rest.peek().is_some() {
        let periods = w.within("the periods at the end", None, -1.0, 1.0)?;
        everywhere = periods < 0.0;
        below = if periods == 0.0 { None } else { Some(level(w)?) };
    }
    Ok(Effect::Silence(Silence { above, below, everywhere }))
}

#[track_caller]
fn remix(w: &mut Words<'_>) -> Result<Effect> {
    let mut outputs = Vec::new();
    while let Some(word) = w.rest.next() {
        let mut inputs = Vec::new();
        for part in word.split(',').filter(|part| *part != "0" && word != "-") {
            let (range, factor) = match part.split_once('v') {
                Some((range, factor)) => (range, Some(w.parsed(factor, "a factor")?)),
                None => (part, None),
            };
            let channel = |text: &str| match text.parse::<usize>() {
                Ok(channel) if channel > 0 => Ok(channel - 1),
                _ => w.wrong(&format!("{text:?} is no channel; the first is 1")),
            };
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            inputs.push((channel(first)?, channel(last)?, factor));
        }
        outputs.push(if word == "-" { Mix::All } else { Mix::Of(inputs) });
    }
    if outputs.is_empty() { w.wrong("no channel is left") } else { Ok(Effect::Remix(outputs)) }
}

#[track_caller]
fn reverb(w: &mut Words<'_>) -> Result<Effect> {
    let wet_only = w.flag("-w");
    let percent = [("the reverberance", 50.0), ("the damping", 50.0), ("the room", 100.0), ("the stereo depth", 100.0)];
    let mut numbers = [0.0; 6];
    for (number, (what, default)) in numbers.iter_mut().zip(percent) {
        *number = w.within(what, Some(default), 0.0, 100.0)?;
    }
    numbers[4] = w.within("the delay", Some(0.0), 0.0, 500.0)?;
    numbers[5] = w.within("the wet gain", Some(0.0), -10.0, 10.0)?;
    Ok(Effect::Reverb(Reverb { wet_only, numbers }))
}

#[track_caller]
fn echo(w: &mut Words<'_>) -> Result<Effect> {
    let (gain_in, gain_out) = (w.within("gain-in", None, 0.0, 1.0)?, w.within("gain-out", None, 0.0, 100.0)?);
    let mut taps = Vec::new();
    while taps.is_empty() || w.rest.peek().is_some() {
        taps.push((w.within("the delay", None, 0.0, 1e6)?, w.within("the decay", None, 0.0, 1.0)?));
    }
    Ok(Effect::Echo(Echo { gain_in, gain_out, taps }))
}

#[track_caller]
fn chorus(w: &mut Words<'_>) -> Result<Effect> {
    let (gain_in, gain_out) = (w.within("gain-in", None, 0.0, 1.0)?, w.within("gain-out", None, 0.0, 100.0)?);
    let mut voices = Vec::new();
    while voices.is_empty() || w.rest.peek().is_some() {
        let (delay, decay) = (w.within("the delay", None, 0.0, 1000.0)?, w.within("the decay", None, 0.0, 1.0)?);
        let (speed, depth) = (w.within("the speed", None, 0.01, 100.0)?, w.within("the depth", None, 0.0, 100.0)?);
        let sine = match w.word("-s or -t")? {
            "-s" => true,
            "-t" => false,
            _ => return w.wrong("a voice ends with -s or -t"),
        };
        voices.push(Voice { delay, decay, speed, depth, sine });
    }
    Ok(Effect::Chorus(Chorus { gain_in, gain_out, voices }))
}

#[track_caller]
fn compand(w: &mut Words<'_>) -> Result<Effect> {
    let numbers = |w: &mut Words<'_>, what: &str| -> Result<Vec<f64>> {
        let word = w.word(what)?;
        word.split(',').map(|part| w.parsed(part, what)).collect()
    };
    let times = numbers(w, "attack and decay")?;
    let &[attack, decay] = &times[..] else { return w.wrong("attack and decay are two numbers, for all channels") };
    let curve = numbers(w, "the curve")?;
    if attack < 0.0 || decay < 0.0 || curve.is_empty() || curve.len() % 2 != 0 {
        return w.wrong("times must not be negative, and levels stand in pairs of in and out");
    }
    let mut curve: Vec<(f64, f64)> = curve.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    // Full scale stays what it is, unless it is told.
    if curve.last().is_some_and(|last| last.0 < 0.0) {
        curve.push((0.0, 0.0));
    }
    if curve.windows(2).any(|two| two[0].0 >= two[1].0) || curve.last().is_some_and(|last| last.0 > 0.0) {
        return w.wrong("levels that come in must ascend, up to 0");
    }
    let gain = w.number_or("the gain", 0.0)?;
    Ok(Effect::Compand(Compand { attack, decay, curve, gain, first: w.number_or("the first level", 0.0)? }))
}

#[track_caller]
fn phaser(w: &mut Words<'_>) -> Result<Effect> {
    let options = PhaserOptions::new()
        .gain_in(w.within("gain-in", None, 0.0, 1.0)?)
        .gain_out(w.within("gain-out", None, 0.0, 1e9)?)
        .delay_ms(w.within("the delay", None, 0.0, 5.0)?)
        .decay(w.within("the decay", None, 0.0, 0.99)?)
        .mod_speed(w.within("the speed", None, 0.1, 2.0)?);
    let triangle = w.flag("-t") || !w.flag("-s");
    Ok(Effect::Phaser(options.sinusoidal(!triangle)))
}

#[track_caller]
fn flanger(w: &mut Words<'_>) -> Result<Effect> {
    let mut options = FlangerOptions::new()
        .delay(w.within("the delay", Some(0.0), 0.0, 30.0)?)
        .depth(w.within("the depth", Some(2.0), 0.0, 10.0)?)
        .regen(w.within("the regeneration", Some(0.0), -95.0, 95.0)?)
        .width(w.within("the width", Some(71.0), 0.0, 100.0)?)
        .speed(w.within("the speed", Some(0.5), 0.1, 10.0)?);
    match w.rest.next() {
        None | Some("sine" | "sin") => {}
        Some("triangle" | "tri") => options = options.modulation(Modulation::Triangular),
        Some(_) => return w.wrong("the form is sine or triangle"),
    }
    options = options.phase(w.within("the phase", Some(25.0), 0.0, 100.0)?);
    match w.rest.next() {
        None | Some("linear" | "lin") => {}
        Some("quadratic" | "quad") => options = options.quadratic(true),
        Some(_) => return w.wrong("delays between samples are linear or quadratic"),
    }
    Ok(Effect::Flanger(options))
}
