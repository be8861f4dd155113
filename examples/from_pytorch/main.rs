//! Goes on with a training run that PyTorch began: the same weights, moments, rates, order and dropout, so the same losses.
//!
//! `train.py` beside it wrote the checkpoint with `torch.save`, and what PyTorch itself lost in the epoch after.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::random::set_rng_state;
use flambeau::serialize::torch::{self, Value};
use flambeau::vision::{datasets::Mnist, transforms::ToTensor};
use flambeau_examples::{device, loss_curves};
use std::path::PathBuf;

/// Goes on with a training run that PyTorch began.
#[derive(Parser)]
struct Args {
    /// What `train.py` wrote
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/from_pytorch/checkpoint.pt"))]
    checkpoint: PathBuf,
    /// Folder with MNIST/raw/*-ubyte[.gz]
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits"))]
    data: PathBuf,
    /// Where the picture and the checkpoint for PyTorch go
    #[arg(long, default_value = "runs/from_pytorch")]
    out: PathBuf,
    /// Where it is computed: cpu, cuda, cuda:1 and so on. Devices draw dropout from a generator of their own, so that
    /// losses are PyTorch's on the CPU alone
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
}

const BATCH: usize = 32;

/// `Net` of `train.py`, line by line.
#[derive(Module)]
struct Net {
    features: Sequential,
    classifier: Sequential,
}

impl Net {
    fn new() -> Result<Self> {
        Ok(Self {
            features: Sequential::of((
                Conv2d::new(1, 16, 3).padding(1).bias(false),
                BatchNorm2d::new(16),
                ReLU::new(),
                MaxPool2d::new(2),
                Conv2d::new(16, 32, 3).padding(1).bias(false),
                BatchNorm2d::new(32),
                ReLU::new(),
                MaxPool2d::new(2),
            ))?,
            classifier: Sequential::of((Flatten::new(), Dropout::new(0.25), Linear::new(32 * 4, 10)))?,
        })
    }
}

impl Forward<&Tensor> for Net {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.features.call(x)?)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    let saved = torch::load(&args.checkpoint)?;
    let part = |key: &str| {
        saved.get(key).ok_or_else(|| Error::format(&args.checkpoint, format!("the checkpoint has no `{key}`")))
    };

    let digits = Mnist::new(&args.data).train(true).transform(ToTensor::new()).build()?;
    let (images, labels): (Vec<Tensor>, Vec<i64>) =
        (0..digits.len()).map(|i| digits.get(i)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let (images, labels) = (stack(&images, 0)?, Tensor::new(labels)?);

    let model = Net::new()?.to(args.device)?;
    let (matrices, others): (Vec<_>, Vec<_>) = model.parameters().into_iter().partition(|p| p.rank() > 1);
    let mut optimizer = AdamW::new(matrices).groups([ParamGroup::new(others).set("weight_decay", 0.0)]).build()?;
    let steps = labels.numel() / BATCH;
    let mut scheduler = CosineAnnealingLR::new(&optimizer, 3 * steps as u64).build()?;
    model.load_state_dict(&part("model")?.state_dict())?;
    optimizer.load_state_dict(part("optimizer")?)?;
    scheduler.load_state_dict(part("scheduler")?)?;
    if let Some(state) = part("rng_state")?.as_tensor() {
        set_rng_state(state)?;
    }
    let theirs: Vec<f64> = part("losses")?.items().iter().filter_map(Value::as_f64).collect();

    let mut losses = Vec::new();
    println!("step     loss   PyTorch's");
    for batch in Tensor::randperm(labels.numel()).build()?.narrow(0, 0, steps * BATCH)?.split(BATCH, 0)? {
        let (x, y) = (images.index_select(0, &batch)?, labels.index_select(0, &batch)?);
        let loss = cross_entropy(&model.call(&x.to_device(args.device)?)?, &y.to_device(args.device)?)?;
        optimizer.zero_grad();
        loss.backward()?;
        optimizer.step()?;
        scheduler.step()?;
        losses.push(loss.item::<f64>()?);
        let step = losses.len();
        println!("{step:>4}  {:.5}  {:.5}", losses[step - 1], theirs.get(step - 1).unwrap_or(&f64::NAN));
    }

    let apart = losses.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / b).fold(0.0, f64::max);
    println!("largest relative difference: {apart:.1e}");
    loss_curves(&args.out.join("loss.svg"), &[("flambeau", &losses), ("PyTorch", &theirs)], 1)?;
    // And back: `torch.load(…, weights_only=True)` reads it.
    let back = [
        ("model", Value::of(&model.state_dict())),
        ("optimizer", optimizer.state_dict()?),
        ("scheduler", scheduler.state_dict()?),
    ];
    torch::save(args.out.join("flambeau.pt"), &Value::dict(back))?;
    println!("wrote {0}/flambeau.pt and {0}/loss.svg", args.out.display());
    Ok(())
}
