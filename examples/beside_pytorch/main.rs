//! Trains a convolutional and a recurrent network from a seed, and compares every loss with what PyTorch lost.
//!
//! `train.py` beside it trains the same two in PyTorch: the same seed gives the same weights, order of data and dropout.
//! The convolutional one is trained in f64, too: in f32 it magnifies rounding, so that no two programs that add in
//! different orders stay together.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::serialize::torch::{self, Value};
use flambeau::vision::{datasets::Mnist, transforms::ToTensor};
use flambeau_examples::{device, loss_curves};
use std::path::PathBuf;

/// Trains two networks from a seed, beside PyTorch.
#[derive(Parser)]
struct Args {
    /// What `train.py` wrote
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/beside_pytorch/losses.pt"))]
    losses: PathBuf,
    /// Folder with MNIST/raw/*-ubyte[.gz]
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits"))]
    data: PathBuf,
    /// Where the pictures go
    #[arg(long, default_value = "runs/beside_pytorch")]
    out: PathBuf,
    /// Where it is computed: cpu, cuda, cuda:1 and so on. Devices draw dropout from a generator of their own, so that
    /// losses are PyTorch's on the CPU alone
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// How many steps
    #[arg(long, default_value_t = STEPS, value_parser = steps)]
    steps: usize,
}

const BATCH: usize = 32;
const STEPS: usize = 200;

/// `Cnn` of `train.py`, the network of `digits`.
#[derive(Module)]
struct Cnn {
    features: Sequential,
    classifier: Sequential,
}

impl Cnn {
    fn new() -> Result<Self> {
        let block = |inputs, outputs| {
            let conv = Conv2d::new(inputs, outputs, 3).padding(1).bias(false);
            Sequential::of((conv, BatchNorm2d::new(outputs), ReLU::new()))
        };
        let (first, second, pool) = (block(1, 32)?, block(32, 32)?, MaxPool2d::new(2));
        Ok(Self {
            features: Sequential::of((first, second, pool, block(32, 64)?, block(64, 64)?))?,
            classifier: Sequential::of((
                AdaptiveAvgPool2d::new(2),
                Flatten::new(),
                Dropout::new(0.25),
                Linear::new(64 * 4, 10),
            ))?,
        })
    }
}

impl Forward<&Tensor> for Cnn {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.features.call(x)?)
    }
}

/// `Rows` of `train.py`: reads a digit row by row.
#[derive(Module)]
struct Rows {
    lstm: LSTM,
    last: Linear,
}

impl Rows {
    fn new() -> Result<Self> {
        let lstm = LSTM::new(8, 64).num_layers(2).batch_first(true).dropout(0.25).build()?;
        Ok(Self { lstm, last: Linear::new(64, 10).build()? })
    }
}

impl Forward<&Tensor> for Rows {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (out, _) = self.lstm.call(&x.flatten(0, 1)?)?;
        self.last.call(&out.select(1, -1)?)
    }
}

/// As many as PyTorch took, or fewer.
fn steps(text: &str) -> Result<usize, String> {
    let steps = text.parse().ok().filter(|steps| (1..=STEPS).contains(steps));
    steps.ok_or_else(|| format!("not a number from 1 to {STEPS}"))
}

/// The losses of all steps.
fn train<M: Layer>(make: fn() -> Result<M>, dtype: DType, args: &Args, digits: &[Tensor; 2]) -> Result<Vec<f64>> {
    flambeau::manual_seed(0);
    let (model, images, labels) = (make()?.to(dtype)?.to(args.device)?, digits[0].to_dtype(dtype)?, &digits[1]);
    let mut optimizer = Adam::new(model.parameters()).lr(4e-3).build()?;
    let whole = labels.numel() / BATCH * BATCH;
    let mut losses = Vec::new();
    while losses.len() < args.steps {
        for batch in Tensor::randperm(labels.numel()).build()?.narrow(0, 0, whole)?.split(BATCH, 0)? {
            if losses.len() == args.steps {
                break;
            }
            let (x, y) = (images.index_select(0, &batch)?, labels.index_select(0, &batch)?);
            let loss = cross_entropy(&model.call(&x.to_device(args.device)?)?, &y.to_device(args.device)?)?;
            optimizer.zero_grad();
            loss.backward()?;
            clip_grad_norm_(model.parameters(), 5.0)?;
            optimizer.step()?;
            losses.push(loss.item::<f64>()?);
        }
    }
    Ok(losses)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    let saved = torch::load(&args.losses)?;
    let digits = Mnist::new(&args.data).train(true).transform(ToTensor::new()).build()?;
    let (images, labels): (Vec<Tensor>, Vec<i64>) =
        (0..digits.len()).map(|i| digits.get(i)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let digits = [stack(&images, 0)?, Tensor::new(labels)?];

    let runs = [
        ("cnn", train(Cnn::new, DType::F64, &args, &digits)?),
        ("cnn_f32", train(Cnn::new, DType::F32, &args, &digits)?),
        ("lstm", train(Rows::new, DType::F32, &args, &digits)?),
    ];
    for (name, losses) in &runs {
        let theirs: Vec<f64> = match saved.get(name) {
            Some(list) => list.items().iter().filter_map(Value::as_f64).collect(),
            None => return Err(Error::format(&args.losses, format!("there are no losses of `{name}`"))),
        };
        let apart = |step: usize| (losses[step - 1] - theirs[step - 1]).abs() / theirs[step - 1];
        println!("{name}: step     loss   PyTorch's  relative difference");
        for step in [1, 10, 50, 100, 150, args.steps].into_iter().filter(|step| *step <= args.steps) {
            println!("{step:>9}  {:.6}  {:.6}  {:.1e}", losses[step - 1], theirs[step - 1], apart(step));
        }
        println!("largest at any step: {:.1e}", (1..=args.steps).map(apart).fold(0.0, f64::max));
        loss_curves(&args.out.join(format!("{name}.svg")), &[("flambeau", losses), ("PyTorch", &theirs)], 1)?;
    }
    println!("wrote the curves to {}", args.out.display());
    Ok(())
}
