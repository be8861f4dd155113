//! A small Conformer learns to write down strings of spoken digits from their sound alone, by the loss of connectionist
//! temporal classification: nobody tells it where one digit ends and the next begins. It is tested on voices that
//! training never heard, and says when each digit was spoken.

use clap::Parser;
use flambeau::audio::datasets::Subset;
use flambeau::audio::functional::{edit_distance, forced_align, merge_tokens};
use flambeau::audio::models::Conformer;
use flambeau::audio::models::decoder::{CTCDecoder, ctc_greedy};
use flambeau::audio::transforms::*;
use flambeau::nn::utils::rnn::pad_sequence;
use flambeau::prelude::*;
use flambeau::random::{Generator, with_generator};
use flambeau_examples::spoken::{DIGITS, RATE, Said, Voices, draw};
use flambeau_examples::{device, loss_curve};
use std::path::PathBuf;
use std::time::Instant;

/// Learns to write down strings of spoken digits.
#[derive(Parser)]
struct Args {
    /// Folder with a folder of WAV files for each word, and testing_list.txt
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/spoken_digits"))]
    data: PathBuf,
    #[arg(long, default_value_t = 600)]
    steps: u64,
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
    /// Strings that each unheard voice says in the end, of six digits each
    #[arg(long, default_value_t = 10)]
    strings: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where weights and loss curve go
    #[arg(long, default_value = "runs/ctc_digits")]
    out: PathBuf,
}

const MELS: usize = 40;
const WIDTH: usize = 64;
/// Samples between two frames of the features: a hundredth of a second.
const HOP: usize = 80;
/// Of so many frames the network makes one.
const STRIDE: usize = 4;
/// What is said between digits. Digit `d` is token `d + 1`.
const BLANK: usize = 0;

#[derive(Module)]
struct Recogniser {
    front: Sequential,
    conformer: Conformer,
    head: Linear,
}

impl Recogniser {
    fn new() -> Result<Self> {
        let half = |from| Conv1d::new(from, WIDTH, 5).stride(2).padding(2);
        Ok(Recogniser {
            front: Sequential::of((half(MELS), SiLU::new(), half(WIDTH), SiLU::new()))?,
            conformer: Conformer::new(WIDTH, 4, 2 * WIDTH, 2, 15).dropout(0.1).build()?,
            head: Linear::new(WIDTH, DIGITS.len() + 1).build()?,
        })
    }
}

/// Features `[N, MELS, frames]` with their lengths `[N]` to log-probabilities `[N, frames / STRIDE, tokens]` with theirs.
impl Forward<(&Tensor, &Tensor)> for Recogniser {
    type Output = (Tensor, Tensor);

    fn forward(&self, (x, lengths): (&Tensor, &Tensor)) -> Result<(Tensor, Tensor)> {
        let lengths = lengths.add(STRIDE as i64 - 1)?.floor_divide(STRIDE as i64)?;
        let frames = self.front.call(x)?.transpose(1, 2)?;
        let (frames, lengths) = self.conformer.call((&frames, &lengths))?;
        Ok((self.head.call(&frames)?.log_softmax(-1)?, lengths))
    }
}

/// Lengths as numbers.
fn counted(lengths: &Tensor) -> Result<Vec<usize>> {
    Ok(lengths.to_vec::<i64>()?.into_iter().map(|n| n as usize).collect())
}

/// Log-mel features with mean 0 and deviation 1: a voice's loudness says nothing about the digits.
struct Features(Sequential);

impl Features {
    fn new() -> Result<Self> {
        let mel = MelSpectrogram::new(RATE).n_fft(256).hop_length(HOP).n_mels(MELS);
        Ok(Features(Sequential::of((mel, AmplitudeToDB::new().top_db(80.0)))?))
    }

    /// Of waveforms `[frames]` features `[N, MELS, frames]`, filled up with zeros, and their lengths.
    fn of(&self, waveforms: &[Tensor], device: Device) -> Result<(Tensor, Tensor)> {
        let one = |waveform: &Tensor| {
            let x = self.0.call(&waveform.unsqueeze(0)?)?.select(0, 0)?.t()?;
            x.sub(x.mean(..)?)?.div(&x.std(.., 1.0)?.add(1e-5)?)
        };
        let features = waveforms.iter().map(one).collect::<Result<Vec<_>>>()?;
        let lengths = features.iter().map(|x| Ok(x.size(0)? as i64)).collect::<Result<Vec<_>>>()?;
        let features = pad_sequence(&features, true, 0.0)?.transpose(1, 2)?;
        Ok((features.to_device(device)?, tensor!(lengths).to_device(device)?))
    }
}

/// The tokens of what was said.
fn tokens(said: &Said) -> Vec<i64> {
    said.digits.iter().map(|digit| *digit as i64 + 1).collect()
}

/// The digits in writing.
fn written(digits: &[usize]) -> String {
    digits.iter().map(|digit| DIGITS[*digit]).collect::<Vec<_>>().join(" ")
}

/// What the network says to each string, `[frames, tokens]`.
fn listen(model: &Recogniser, features: &Features, strings: &[Said], device: Device) -> Result<Vec<Tensor>> {
    model.eval();
    let mut emissions = Vec::new();
    for some in strings.chunks(16) {
        let sounds: Vec<Tensor> = some.iter().map(|said| said.waveform.clone()).collect();
        let (x, lengths) = features.of(&sounds, device)?;
        let (scores, lengths) = no_grad(|| model.call((&x, &lengths)))?;
        let scores = scores.to_device(Device::Cpu)?;
        for (i, length) in counted(&lengths)?.into_iter().enumerate() {
            emissions.push(scores.select(0, i as isize)?.narrow(0, 0, length)?);
        }
    }
    Ok(emissions)
}

/// How many digits are wrong, missing or too many, as a part of those said.
fn error_rate(strings: &[Said], heard: &[Vec<usize>]) -> f64 {
    let errors: usize = strings.iter().zip(heard).map(|(said, heard)| edit_distance(&said.digits, heard)).sum();
    errors as f64 / strings.iter().map(|said| said.digits.len()).sum::<usize>() as f64
}

/// The likeliest token of each frame.
fn greedy(emissions: &[Tensor]) -> Result<Vec<Vec<usize>>> {
    let digits = |scores| Ok(ctc_greedy(scores, BLANK)?.into_iter().map(|token| token - 1).collect());
    emissions.iter().map(digits).collect()
}

/// The likeliest strings: unlike frame by frame, all the ways to say a string count together.
fn beam_search(emissions: &[Tensor]) -> Result<Vec<Vec<usize>>> {
    // The search begins and ends in silence, which for this network is the blank.
    let names = ["-"].into_iter().chain(DIGITS);
    let decoder = CTCDecoder::new(names).sil_token("-").log_add(true).build()?;
    let digits = |scores: &Tensor| {
        let found = decoder.decode(&scores.unsqueeze(0)?, None)?.remove(0);
        let tokens = found.into_iter().next().map_or_else(Vec::new, |best| best.tokens);
        Ok(tokens.into_iter().filter(|token| *token != BLANK).map(|token| token - 1).collect())
    };
    emissions.iter().map(digits).collect()
}

/// When each digit was said by what the network heard, beside when it was.
fn timetable(said: &Said, emissions: &Tensor) -> Result<()> {
    let targets = tensor!(tokens(said)).unsqueeze(0)?;
    let (path, scores) = forced_align(&emissions.unsqueeze(0)?, &targets, BLANK)?;
    let spans = merge_tokens(&path.select(0, 0)?, &scores.select(0, 0)?.exp()?, BLANK as i64)?;
    let second = |frame: usize| (frame * STRIDE * HOP) as f64 / f64::from(RATE);
    println!("digit  heard at        probability  said at");
    for (span, (from, to)) in spans.iter().zip(&said.times) {
        let (start, end) = (second(span.start), second(span.end));
        let digit = DIGITS[span.token as usize - 1];
        println!("{digit:<5}  {start:>5.2} to {end:>5.2}  {:>11.3}  {from:>5.2} to {to:>5.2} s", span.score);
    }
    Ok(())
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let voices = Voices::read(&args.data, Subset::Training)?;
    // The same strings whatever the seed.
    let unheard = with_generator(&Generator::with_seed(1), || {
        let voices = Voices::read(&args.data, Subset::Testing)?;
        let all = (0..voices.count() * args.strings).map(|i| voices.say_any(i % voices.count(), 6, 6));
        all.collect::<Result<Vec<_>>>()
    })?;

    let features = Features::new()?;
    let speeds = SpeedPerturbation::new(RATE, &[0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15])?;
    let masks = SpecAugment::new(2, 12, 2, 8).zero_masking(true).build()?;
    let model = Recogniser::new()?.to(args.device)?;
    println!("{} parameters, {} voices to learn from", model.num_parameters(), voices.count());
    let mut optimizer = AdamW::new(model.parameters()).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, args.lr, args.steps).build()?;

    let (start, mut losses) = (Instant::now(), Vec::new());
    let bar = Progress::new(args.steps as usize).label("ctc_digits");
    for _ in bar.over(0..args.steps) {
        let (mut sounds, mut targets, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..args.batch_size {
            let said = voices.say_any(draw(0, voices.count())?, 2, 5)?;
            sounds.push(speeds.call((&said.waveform, None))?.0);
            counts.push(said.digits.len());
            targets.extend(tokens(&said));
        }
        let (x, lengths) = features.of(&sounds, args.device)?;
        let (scores, lengths) = model.call((&masks.call(&x)?, &lengths))?;
        let loss = ctc_loss(scores.transpose(0, 1)?, tensor!(targets), &counted(&lengths)?, &counts)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 5.0)?;
        optimizer.step()?;
        scheduler.step()?;
        losses.push(loss.item::<f64>()?);
        bar.set("loss", format_args!("{:.3}", losses[losses.len() - 1]));
    }
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    serialize::save(args.out.join("ctc_digits.safetensors"), &model.state_dict())?;
    loss_curve(&args.out.join("loss.svg"), &losses, 1)?;
    println!("wrote ctc_digits.safetensors and loss.svg to {}", args.out.display());

    let emissions = listen(&model, &features, &unheard, args.device)?;
    let (quick, best) = (greedy(&emissions)?, beam_search(&emissions)?);
    if let (Some(said), Some(heard), Some(scores)) = (unheard.first(), best.first(), emissions.first()) {
        println!("\nsaid:  {}\nheard: {}", written(&said.digits), written(heard));
        timetable(said, scores)?;
    }
    let all: usize = unheard.iter().map(|said| said.digits.len()).sum();
    println!("\n{} strings of {all} digits, in voices never heard:", unheard.len());
    println!("token error rate, greedy: {:.4}", error_rate(&unheard, &quick));
    println!("token error rate, beam search: {:.4}", error_rate(&unheard, &best));
    Ok(())
}
