//! A small GPT learns to write Shakespeare, one character after another, and writes some with a cache of keys and values.
//!
//! Runs on *As You Like It*, which ships with the repository, or with `--data FILE` on any text.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::serialize::torch::{self, Value};
use flambeau_examples::{device, loss_curve};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Learns to write as a text is written.
#[derive(Parser)]
struct Args {
    /// The text
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/shakespeare/as_you_like_it.txt"))]
    data: PathBuf,
    #[arg(long, default_value_t = 500)]
    steps: usize,
    #[arg(long, default_value_t = 24)]
    batch_size: usize,
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Characters to write at the end
    #[arg(long, default_value_t = 500)]
    write: usize,
    /// What it goes on from
    #[arg(long, default_value = "ROSALIND\t")]
    prompt: String,
    /// Below 1 it writes what is likelier, above 1 what is less likely
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Go on from this checkpoint
    #[arg(long)]
    resume: Option<PathBuf>,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where checkpoint and loss curve go
    #[arg(long, default_value = "runs/char_gpt")]
    out: PathBuf,
}

/// How far back it looks.
const CONTEXT: usize = 64;
const WIDTH: usize = 96;
const HEADS: usize = 4;
const LAYERS: usize = 3;

/// The keys and values of what was read, `[N, heads, T, width / heads]`.
type Cache = (Tensor, Tensor);

/// Each place attends to itself and what is before it.
#[derive(Module)]
struct Attention {
    qkv: Linear,
    out: Linear,
}

/// Of the places `[N, T, width]`, behind those of a cache: what they give, and the cache with them.
impl Forward<(&Tensor, Option<&Cache>)> for Attention {
    type Output = (Tensor, Cache);

    fn forward(&self, (x, past): (&Tensor, Option<&Cache>)) -> Result<(Tensor, Cache)> {
        let [n, t, width] = x.dims()?;
        let heads = self.qkv.call(x)?.reshape([n, t, 3, HEADS, width / HEADS])?.permute([2, 0, 3, 1, 4])?;
        let (q, mut k, mut v) = (heads.select(0, 0)?, heads.select(0, 1)?, heads.select(0, 2)?);
        if let Some((keys, values)) = past {
            (k, v) = (cat(&[keys, &k], 2)?, cat(&[values, &v], 2)?);
        }
        // One place behind a cache may look at all of it.
        let options = nn::functional::Attention::new().is_causal(past.is_none());
        let y = scaled_dot_product_attention(&q, &k, &v, options)?;
        let y = y.transpose(1, 2)?.reshape([n, t, width])?;
        Ok((self.out.call(&y)?, (k, v)))
    }
}

#[derive(Module)]
struct Block {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    mlp: Sequential,
}

impl Block {
    fn new() -> Result<Self> {
        Ok(Block {
            norm1: LayerNorm::new(WIDTH).build()?,
            attention: Attention {
                qkv: Linear::new(WIDTH, 3 * WIDTH).bias(false).build()?,
                out: Linear::new(WIDTH, WIDTH).bias(false).build()?,
            },
            norm2: LayerNorm::new(WIDTH).build()?,
            mlp: Sequential::of((Linear::new(WIDTH, 4 * WIDTH), GELU::new(), Linear::new(4 * WIDTH, WIDTH)))?,
        })
    }
}

impl Forward<(&Tensor, Option<&Cache>)> for Block {
    type Output = (Tensor, Cache);

    fn forward(&self, (x, past): (&Tensor, Option<&Cache>)) -> Result<(Tensor, Cache)> {
        let (attended, cache) = self.attention.call((&self.norm1.call(x)?, past))?;
        let x = x.add(&attended)?;
        Ok((x.add(&self.mlp.call(&self.norm2.call(&x)?)?)?, cache))
    }
}

#[derive(Module)]
struct Gpt {
    characters: Embedding,
    places: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Gpt {
    fn new(vocabulary: usize) -> Result<Self> {
        let (characters, places) =
            (Embedding::new(vocabulary, WIDTH).build()?, Embedding::new(CONTEXT, WIDTH).build()?);
        init::normal_(&characters.weight, 0.0, 0.02)?;
        init::normal_(&places.weight, 0.0, 0.02)?;
        let mut head = Linear::new(WIDTH, vocabulary).bias(false).build()?;
        // What reads a character and what predicts it are one table.
        head.weight = characters.weight.clone();
        Ok(Gpt {
            characters,
            places,
            blocks: (0..LAYERS).map(|_| Block::new()).collect::<Result<_>>()?,
            norm: LayerNorm::new(WIDTH).build()?,
            head,
        })
    }
}

/// The logits of the next character at each place of `[N, T]`, and the caches of all blocks.
impl Forward<(&Tensor, Option<&Vec<Cache>>)> for Gpt {
    type Output = (Tensor, Vec<Cache>);

    fn forward(&self, (text, past): (&Tensor, Option<&Vec<Cache>>)) -> Result<(Tensor, Vec<Cache>)> {
        let (read, t) = (past.map_or(0, |caches| caches[0].0.shape()[2]), text.shape()[1]);
        let places = Tensor::arange(read as i64, (read + t) as i64).build()?;
        let mut x = self.characters.call(text)?.add(&self.places.call(&places)?)?;
        let mut caches = Vec::with_capacity(LAYERS);
        for (i, block) in self.blocks.iter().enumerate() {
            let (y, cache) = block.call((&x, past.map(|caches| &caches[i])))?;
            x = y;
            caches.push(cache);
        }
        Ok((self.head.call(&self.norm.call(&x)?)?, caches))
    }
}

/// The characters of a text, and their numbers.
struct Vocabulary(Vec<char>);

impl Vocabulary {
    fn of(text: &str) -> Self {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        Vocabulary(characters)
    }

    fn numbers(&self, text: &str) -> Vec<i64> {
        text.chars().filter_map(|c| self.0.binary_search(&c).ok()).map(|i| i as i64).collect()
    }
}

/// Pieces of the text, and the same one character later: `[batch, CONTEXT]` both.
fn batch(text: &Tensor, size: usize) -> Result<(Tensor, Tensor)> {
    let device = text.device();
    let starts = Tensor::randint(0, (text.numel() - CONTEXT) as i64, [size, 1]).device(device).build()?;
    let places = starts.add(&Tensor::arange(0, CONTEXT as i64).device(device).build()?)?.reshape(-1)?;
    let piece = |places: &Tensor| text.index_select(0, places)?.reshape([size, CONTEXT]);
    Ok((piece(&places)?, piece(&places.add(1)?)?))
}

fn loss(model: &Gpt, text: &Tensor, size: usize) -> Result<Tensor> {
    let (x, y) = batch(text, size)?;
    let (logits, _) = model.call((&x, None))?;
    cross_entropy(logits.flatten(0, 1)?, y.reshape(-1)?)
}

/// Goes on from `prompt`. Each character is read once: what was read is in the cache, until the context is full.
fn write(model: &Gpt, vocabulary: &Vocabulary, args: &Args) -> Result<String> {
    let Args { prompt, write: count, temperature, device, .. } = args;
    let (mut numbers, mut caches) = (vocabulary.numbers(prompt), None);
    if numbers.is_empty() {
        numbers.push(0);
    }
    let mut text = prompt.clone();
    for _ in 0..*count {
        let full = caches.as_ref().is_none_or(|caches: &Vec<Cache>| caches[0].0.shape()[2] == CONTEXT);
        // A full context is read again from its second half on.
        let new =
            if full { &numbers[numbers.len().saturating_sub(CONTEXT / 2)..] } else { &numbers[numbers.len() - 1..] };
        let new = Tensor::from_slice(new, [1, new.len()])?.to_device(*device)?;
        let (logits, read) = model.call((&new, if full { None } else { caches.as_ref() }))?;
        caches = Some(read);
        // The largest of logits with Gumbel noise is a draw from their softmax.
        let logits = logits.select(1, -1)?.div(*temperature)?;
        let noise = Tensor::rand(logits.shape()).device(*device).build()?.log()?.neg()?.log()?;
        let next = logits.sub(&noise)?.argmax(-1)?.item::<i64>()?;
        numbers.push(next);
        text.push(vocabulary.0[next as usize]);
    }
    Ok(text)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let text = std::fs::read_to_string(&args.data).map_err(|e| Error::io("read", &args.data, e))?;
    let vocabulary = Vocabulary::of(&text);
    let numbers = vocabulary.numbers(&text);
    let all = Tensor::from_slice(&numbers, numbers.len())?.to_device(args.device)?;
    // The last tenth is held out.
    let cut = numbers.len() * 9 / 10;
    let (train, test) = (all.narrow(0, 0, cut)?, all.narrow(0, cut as isize, numbers.len() - cut)?);
    println!("{} characters, {} different ones", numbers.len(), vocabulary.0.len());

    let model = Gpt::new(vocabulary.0.len())?.to(args.device)?;
    println!("{} parameters", model.num_parameters());
    let mut optimizer = AdamW::new(model.parameters()).weight_decay(0.01).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, args.lr, args.steps as u64).build()?;
    let checkpoint = args.out.join("char_gpt.pt");
    let first = match &args.resume {
        Some(path) => resume(path, &model, &mut optimizer, &mut scheduler)?,
        None => 0,
    };

    let (start, mut losses) = (Instant::now(), Vec::new());
    let bar = Progress::new(args.steps.saturating_sub(first));
    for step in bar.over(first..args.steps) {
        // Every step has a seed of its own, so that a resumed run reads what an unbroken one would.
        flambeau::manual_seed(args.seed.wrapping_add(step as u64));
        let loss = loss(&model, &train, args.batch_size)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 1.0)?;
        optimizer.step()?;
        scheduler.step()?;
        losses.push(loss.item::<f64>()?);
        bar.set("loss", format_args!("{:.3}", losses[losses.len() - 1]));
        if (step + 1) % 100 == 0 || step + 1 == args.steps {
            save(&checkpoint, &model, &optimizer, &scheduler, step + 1)?;
        }
    }
    let held_out = no_grad(|| loss(&model, &test, 64)?.item::<f64>())?;
    println!("trained in {:.1} s, loss {held_out:.3} on what it has not read", start.elapsed().as_secs_f64());
    loss_curve(&args.out.join("loss.svg"), &losses, 100)?;
    println!("wrote {} and loss.svg\n", checkpoint.display());
    println!("{}", no_grad(|| write(&model, &vocabulary, &args))?);
    Ok(())
}

fn save(path: &Path, model: &Gpt, optimizer: &AdamW, scheduler: &OneCycleLR, steps: usize) -> Result<()> {
    let all = Value::dict([
        ("model", Value::of(&model.state_dict())),
        ("optimizer", optimizer.state_dict()?),
        ("scheduler", scheduler.state_dict()?),
        ("steps", steps.into()),
    ]);
    torch::save(path, &all)
}

fn resume(path: &Path, model: &Gpt, optimizer: &mut AdamW, scheduler: &mut OneCycleLR) -> Result<usize> {
    let all = torch::load(path)?;
    let (Some(net), Some(optim), Some(rates), Some(steps)) =
        (all.get("model"), all.get("optimizer"), all.get("scheduler"), all.get("steps").and_then(Value::as_i64))
    else {
        return Err(Error::format(path, "this is not a checkpoint of `char_gpt`"));
    };
    model.load_state_dict(&net.state_dict())?;
    optimizer.load_state_dict(optim)?;
    scheduler.load_state_dict(rates)?;
    Ok(usize::try_from(steps).unwrap_or(0))
}
