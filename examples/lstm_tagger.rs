//! A recurrent network learns which letters of a text are capitals, from the text in small letters: it tags each character
//! with what it reads before and behind it. Runs on the play that ships with the repository.

use clap::Parser;
use flambeau::prelude::*;
use flambeau_examples::{device, loss_curve};
use std::path::PathBuf;
use std::time::Instant;

/// Learns to put capitals where they belong.
#[derive(Parser)]
struct Args {
    /// The text
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/shakespeare/as_you_like_it.txt"))]
    data: PathBuf,
    #[arg(long, default_value_t = 300)]
    steps: usize,
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    #[arg(long, default_value_t = 1e-2)]
    lr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where weights and loss curve go
    #[arg(long, default_value = "runs/lstm_tagger")]
    out: PathBuf,
}

/// Characters read at once.
const LENGTH: usize = 64;

#[derive(Module)]
struct Tagger {
    characters: Embedding,
    lstm: LSTM,
    score: Linear,
}

impl Tagger {
    fn new() -> Result<Self> {
        Ok(Tagger {
            characters: Embedding::new(128, 24).build()?,
            lstm: LSTM::new(24, 48).batch_first(true).bidirectional(true).build()?,
            score: Linear::new(2 * 48, 1).build()?,
        })
    }
}

/// Of characters `[N, T]` the logits that they are capitals, `[N, T]`.
impl Forward<&Tensor> for Tagger {
    type Output = Tensor;

    fn forward(&self, text: &Tensor) -> Result<Tensor> {
        let (read, _) = self.lstm.call(&self.characters.call(text)?)?;
        self.score.call(&read)?.squeeze(-1)
    }
}

/// The text in small letters as numbers, and which letters were capitals.
struct Lines {
    small: Tensor,
    capital: Tensor,
}

impl Lines {
    fn of(text: &[u8], device: Device) -> Result<Self> {
        let small: Vec<i64> = text.iter().map(|c| i64::from(c.to_ascii_lowercase())).collect();
        let capital: Vec<f32> = text.iter().map(|c| f32::from(u8::from(c.is_ascii_uppercase()))).collect();
        let (small, capital) = (Tensor::from_vec(small, text.len())?, Tensor::from_vec(capital, text.len())?);
        Ok(Lines { small: small.to_device(device)?, capital: capital.to_device(device)? })
    }

    /// Pieces from these starts, `[N, LENGTH]` both.
    fn pieces(&self, starts: &Tensor) -> Result<(Tensor, Tensor)> {
        let n = starts.numel();
        let within = Tensor::arange(0, LENGTH as i64).device(starts.device()).build()?;
        let places = starts.reshape([n, 1])?.add(&within)?.reshape(-1)?;
        let piece = |from: &Tensor| from.index_select(0, &places)?.reshape([n, LENGTH]);
        Ok((piece(&self.small)?, piece(&self.capital)?))
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let text = std::fs::read(&args.data).map_err(|e| Error::io("read", &args.data, e))?;
    let text: Vec<u8> = text.into_iter().filter(u8::is_ascii).collect();
    let cut = text.len() * 9 / 10;
    let (train, test) = (Lines::of(&text[..cut], args.device)?, Lines::of(&text[cut..], args.device)?);

    let model = Tagger::new()?.to(args.device)?;
    let (seen, _) = test.pieces(&Tensor::zeros(1).dtype(DType::I64).device(args.device).build()?)?;
    println!("{}\n", summary(&model, &seen)?);
    let mut optimizer = Adam::new(model.parameters()).lr(args.lr).build()?;
    let (start, mut losses) = (Instant::now(), Vec::new());
    let bar = Progress::new(args.steps);
    for _ in bar.over(0..args.steps) {
        let starts = Tensor::randint(0, (cut - LENGTH) as i64, args.batch_size).device(args.device).build()?;
        let (small, capital) = train.pieces(&starts)?;
        let loss = binary_cross_entropy_with_logits(model.call(&small)?, &capital)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 1.0)?;
        optimizer.step()?;
        losses.push(loss.item::<f64>()?);
        bar.set("loss", format_args!("{:.4}", losses[losses.len() - 1]));
    }
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    loss_curve(&args.out.join("loss.svg"), &losses, 100)?;
    serialize::save(args.out.join("lstm_tagger.safetensors"), &model.state_dict())?;

    // The held-out tenth, piece after piece.
    let pieces = (text.len() - cut) / LENGTH;
    let starts = Tensor::arange(0, pieces as i64).device(args.device).build()?.mul(LENGTH as i64)?;
    let (small, capital) = test.pieces(&starts)?;
    let tagged = no_grad(|| model.call(&small)?.gt(0.0)?.to_vec::<bool>())?;
    let right: Vec<f32> = capital.to_vec()?;
    let count = |f: &dyn Fn(bool, bool) -> bool| tagged.iter().zip(&right).filter(|(t, r)| f(**t, **r > 0.5)).count();
    let (both, told, true_) = (count(&|t, r| t && r), count(&|t, _| t), count(&|_, r| r));
    let restored: String = text[cut..]
        .iter()
        .zip(&tagged)
        .take(400)
        .map(|(c, up)| {
            let small = c.to_ascii_lowercase();
            char::from(if *up { small.to_ascii_uppercase() } else { small })
        })
        .collect();
    println!("with its capitals restored, the held-out part begins:\n\n{restored}\n");
    println!("precision {:.3}, recall {:.3}", both as f64 / told.max(1) as f64, both as f64 / true_.max(1) as f64);
    Ok(())
}
