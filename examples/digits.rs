//! A convolutional network learns to read handwritten digits.
//!
//! Runs on the 1,797 real 8×8 images that ship with the repository, or with `--data DIR` on MNIST.

use clap::Parser;
use flambeau::autocast;
use flambeau::prelude::*;
use flambeau::serialize::torch::{self, Value};
use flambeau::vision::{datasets::Mnist, transforms::*, utils::save_image};
use flambeau_examples::{device, labelled, loss_curve};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Learns to read handwritten digits.
#[derive(Parser)]
struct Args {
    /// Folder with MNIST/raw/*-ubyte[.gz]
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits"))]
    data: PathBuf,
    #[arg(long, default_value_t = 8)]
    epochs: usize,
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Batches whose gradients make one step
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    accumulate: u64,
    /// Compute convolutions and products in bfloat16
    #[arg(long)]
    bf16: bool,
    /// Threads that read and transform images
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Go on from this checkpoint
    #[arg(long)]
    resume: Option<PathBuf>,
    /// Where checkpoint, loss curve and pictures go
    #[arg(long, default_value = "runs/digits")]
    out: PathBuf,
}

#[derive(Module)]
struct Net {
    features: Sequential,
    classifier: Sequential,
}

impl Net {
    fn new() -> Result<Self> {
        let block = |from, to| {
            Sequential::of((Conv2d::new(from, to, 3).padding(1).bias(false), BatchNorm2d::new(to), ReLU::new()))
        };
        Ok(Self {
            features: Sequential::of((
                block(1, 32)?,
                block(32, 32)?,
                MaxPool2d::new(2),
                block(32, 64)?,
                block(64, 64)?,
            ))?,
            classifier: Sequential::of((
                AdaptiveAvgPool2d::new(2),
                Flatten::new(),
                Dropout::new(0.25),
                Linear::new(64 * 4, 10),
            ))?,
        })
    }
}

impl Forward<&Tensor> for Net {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.features.call(x)?)
    }
}

/// The part of the loader's images that the network reads right.
fn accuracy(model: &Net, loader: &DataLoader<Mnist>, device: Device) -> Result<f64> {
    model.eval();
    let (mut right, mut all) = (0, 0);
    for batch in loader {
        let (images, labels) = batch?;
        let predicted = model.call(&images.to_device(device)?)?.argmax(-1)?;
        right += predicted.eq(&labels.to_device(device)?)?.sum(..)?.item::<i64>()?;
        all += labels.numel();
    }
    Ok(right as f64 / all as f64)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let normalize = || Normalize::new([0.3], [0.38]);
    let train = Mnist::new(&args.data).train(true);
    let train = train.transform(Compose::of((
        RandomCrop::new(size_of_images(&args.data)?).padding(1),
        ToTensor::new(),
        normalize(),
    )));
    let test = Mnist::new(&args.data).train(false).transform(Compose::of((ToTensor::new(), normalize()))).build()?;
    let loader =
        DataLoader::new(train.build()?).batch_size(args.batch_size).shuffle(true).workers(args.workers).build()?;
    let test_loader = DataLoader::new(test).batch_size(256).build()?;

    let model = Net::new()?.to(args.device)?;
    println!("{model:?}\n{} parameters", model.num_parameters());
    let mut optimizer = Adam::new(model.parameters()).build()?;
    let accumulate = args.accumulate as usize;
    let steps = args.epochs * loader.len().div_ceil(accumulate);
    let mut scheduler = OneCycleLR::new(&optimizer, args.lr, steps as u64).build()?;
    let checkpoint = args.out.join("digits.pt");
    let first = match &args.resume {
        Some(path) => resume(path, &model, &mut optimizer, &mut scheduler)?,
        None => 0,
    };

    let (start, mut losses) = (Instant::now(), Vec::new());
    for epoch in first..args.epochs {
        // Every epoch has a seed of its own, so that a resumed run draws what an unbroken one would.
        flambeau::manual_seed(args.seed.wrapping_add(epoch as u64));
        model.train();
        let bar = Progress::new(loader.len()).label(format!("epoch {:>2}/{}", epoch + 1, args.epochs));
        for (i, batch) in bar.over(&loader).enumerate() {
            let (images, labels) = batch?;
            let (images, labels) = (images.to_device(args.device)?, labels.to_device(args.device)?);
            let forward = || cross_entropy(&model.call(&images)?, &labels);
            let loss = if args.bf16 { autocast::autocast(DType::BF16, forward) } else { forward() }?;
            // The mean over the batches of this step; an epoch's last step may have fewer.
            let together = accumulate.min(loader.len() - i / accumulate * accumulate);
            loss.div(together as f64)?.backward()?;
            if (i + 1) % accumulate == 0 || i + 1 == loader.len() {
                clip_grad_norm_(model.parameters(), 5.0)?;
                optimizer.step()?;
                scheduler.step()?;
                optimizer.zero_grad();
            }
            losses.push(loss.item::<f64>()?);
            bar.set("loss", format_args!("{:.4}", losses[losses.len() - 1]));
            bar.set("lr", format_args!("{:.1e}", optimizer.lr()[0]));
        }
        let accuracy = no_grad(|| accuracy(&model, &test_loader, args.device))?;
        println!(
            "epoch {:>2}  loss {:.4}  accuracy {accuracy:.4}",
            epoch + 1,
            losses.last().copied().unwrap_or(f64::NAN)
        );
        save(&checkpoint, &model, &optimizer, &scheduler, epoch + 1)?;
    }

    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    loss_curve(&args.out.join("loss.svg"), &losses, loader.len())?;
    samples(&args.out.join("samples.png"), &args.data, &model, args.device)?;
    println!("wrote {}, loss.svg and samples.png", checkpoint.display());
    println!("test accuracy: {:.4}", no_grad(|| accuracy(&model, &test_loader, args.device))?);
    Ok(())
}

/// The height of the images in `data`.
fn size_of_images(data: &Path) -> Result<usize> {
    Mnist::new(data).train(false).build()?.get(0)?.0.size(1)
}

fn save(path: &Path, model: &Net, optimizer: &Adam, scheduler: &OneCycleLR, epochs: usize) -> Result<()> {
    let all = Value::dict([
        ("model", Value::of(&model.state_dict())),
        ("optimizer", optimizer.state_dict()?),
        ("scheduler", scheduler.state_dict()?),
        ("epochs", epochs.into()),
    ]);
    torch::save(path, &all)
}

fn resume(path: &Path, model: &Net, optimizer: &mut Adam, scheduler: &mut OneCycleLR) -> Result<usize> {
    let all = torch::load(path)?;
    let (Some(net), Some(optim), Some(rates), Some(epochs)) =
        (all.get("model"), all.get("optimizer"), all.get("scheduler"), all.get("epochs").and_then(Value::as_i64))
    else {
        return Err(Error::format(path, "this is not a checkpoint of `digits`"));
    };
    model.load_state_dict(&net.state_dict())?;
    optimizer.load_state_dict(optim)?;
    scheduler.load_state_dict(rates)?;
    Ok(usize::try_from(epochs).unwrap_or(0))
}

/// A picture of test images with what the network reads in them.
fn samples(path: &Path, data: &Path, model: &Net, device: Device) -> Result<()> {
    let plain = Mnist::new(data).train(false).transform(ToTensor::new()).build()?;
    let n = plain.len().min(64);
    let (images, labels): (Vec<Tensor>, Vec<i64>) =
        (0..n).map(|i| plain.get(i)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let images = stack(&images, 0)?;
    let seen = images.to_device(device)?.sub(0.3)?.div(0.38)?;
    let predicted = no_grad(|| model.call(&seen)?.argmax(-1))?.to_vec::<i64>()?;
    save_image(&labelled(&images, &predicted, &labels)?, path)
}
