//! A small convolutional network learns ten spoken words from log-mel features, and is tested on voices that
//! training never heard. Runs on the synthetic speech that ships with the repository.

use clap::Parser;
use flambeau::audio::{
    datasets::{SpeechCommands, Subset},
    load,
    transforms::*,
};
use flambeau::prelude::*;
use flambeau::vision::utils::save_image;
use flambeau_examples::{device, heat, loss_curve};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Learns ten spoken words.
#[derive(Parser)]
struct Args {
    /// Folder with a folder of WAV files for each word, and testing_list.txt
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/spoken_digits"))]
    data: PathBuf,
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    #[arg(long, default_value_t = 5e-3)]
    lr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads that read sound and make features
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where checkpoint, loss curve and spectrogram go
    #[arg(long, default_value = "runs/spoken_digits")]
    out: PathBuf,
}

/// The word begins up to `most` frames later.
#[derive(Module)]
struct RandomDelay {
    most: i64,
}

impl Forward<&Tensor> for RandomDelay {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let frames = Tensor::randint(0, self.most + 1, [1]).build()?.item::<i64>()?;
        x.pad(&[frames as isize, 0], 0.0)
    }
}

/// Mean 0 and deviation 1 over each spectrogram: a voice's loudness says nothing about the word.
#[derive(Module)]
struct Standardize;

impl Forward<&Tensor> for Standardize {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.sub(x.mean(..)?)?;
        let deviation = centred.square()?.mean(..)?.sqrt()?.add(1e-5)?;
        centred.div(&deviation)
    }
}

/// Waveform to log-mel features `[1, 40 mels, 63 frames]`: a second at 8 kHz.
fn features(augment: bool) -> Result<Sequential> {
    let delay = RandomDelay { most: if augment { 800 } else { 0 } };
    let mel = MelSpectrogram::new(8000).n_fft(256).hop_length(128).n_mels(40);
    Sequential::of((delay, PadTrim::new(8000), mel, AmplitudeToDB::new().top_db(80.0), Standardize))
}

fn network(classes: usize) -> Result<Sequential> {
    let block = |from, to| {
        Sequential::of((
            Conv2d::new(from, to, 3).padding(1).bias(false),
            BatchNorm2d::new(to),
            ReLU::new(),
            MaxPool2d::new(2),
        ))
    };
    Sequential::of((
        block(1, 16)?,
        block(16, 32)?,
        block(32, 64)?,
        AdaptiveAvgPool2d::new((1, 4)),
        Flatten::new(),
        Dropout::new(0.3),
        Linear::new(64 * 4, classes),
    ))
}

fn accuracy(model: &Sequential, loader: &DataLoader<SpeechCommands>, device: Device) -> Result<f64> {
    model.eval();
    let (mut right, mut all) = (0, 0);
    for batch in loader {
        let (sounds, labels) = batch?;
        let (sounds, labels) = (sounds.to_device(device)?, labels.to_device(device)?);
        right += model.call(&sounds)?.argmax(-1)?.eq(&labels)?.sum(..)?.item::<i64>()?;
        all += labels.numel();
    }
    Ok(right as f64 / all as f64)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let words = |subset, augment| SpeechCommands::new(&args.data).subset(subset).transform(features(augment)?).build();
    let train = words(Subset::Training, true)?;
    let classes = train.classes().to_vec();
    let loader = DataLoader::new(train).batch_size(args.batch_size).shuffle(true).workers(args.workers).build()?;
    let held_out = |subset| DataLoader::new(words(subset, false)?).batch_size(80).build();
    let (validation, test) = (held_out(Subset::Validation)?, held_out(Subset::Testing)?);

    let model = network(classes.len())?.to(args.device)?;
    println!("{model:?}\n{} parameters; words: {}", model.num_parameters(), classes.join(", "));
    let mut optimizer = AdamW::new(model.parameters()).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, args.lr, (args.epochs * loader.len()) as u64).build()?;

    let (start, mut losses) = (Instant::now(), Vec::new());
    for epoch in 0..args.epochs {
        model.train();
        let bar = Progress::new(loader.len()).label(format!("epoch {:>2}/{}", epoch + 1, args.epochs));
        for batch in bar.over(&loader) {
            let (sounds, labels) = batch?;
            let (sounds, labels) = (sounds.to_device(args.device)?, labels.to_device(args.device)?);
            let loss = cross_entropy(&model.call(&sounds)?, &labels)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            scheduler.step()?;
            losses.push(loss.item::<f64>()?);
            bar.set("loss", format_args!("{:.4}", losses[losses.len() - 1]));
        }
        let accuracy = no_grad(|| accuracy(&model, &validation, args.device))?;
        println!(
            "epoch {:>2}  loss {:.4}  validation {accuracy:.4}",
            epoch + 1,
            losses.last().copied().unwrap_or(f64::NAN)
        );
    }

    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    serialize::save(args.out.join("spoken_digits.safetensors"), &model.state_dict())?;
    loss_curve(&args.out.join("loss.svg"), &losses, loader.len())?;
    let (file, _) = &test.dataset().samples()[0];
    picture(&args.data.join(file), &args.out.join("spectrogram.png"))?;
    println!("wrote spoken_digits.safetensors, loss.svg and spectrogram.png to {}", args.out.display());
    println!("test accuracy: {:.4}", no_grad(|| accuracy(&model, &test, args.device))?);
    Ok(())
}

/// The log-mel spectrogram of a WAV file as a picture, low pitches at the bottom, 2 ms a column.
fn picture(wav: &Path, png: &Path) -> Result<()> {
    let (waveform, rate) = load(wav)?;
    let mel = MelSpectrogram::new(rate).n_fft(256).hop_length(16).n_mels(40);
    let db = Sequential::of((mel, AmplitudeToDB::new().top_db(80.0)))?.call(&waveform)?.select(0, 0)?;
    let (low, high) = (db.amin(..)?, db.amax(..)?);
    let large = db.repeat_interleave(8, Some(0))?.repeat_interleave(4, Some(1))?;
    save_image(&heat(&large, low.item()?, high.item()?)?, png)
}
