//! A small residual network learns to tell articles of clothing apart, on the 10,000 test images of Fashion-MNIST that ship
//! with the repository: it trains on the first of them and is tested on the last.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::vision::datasets::FashionMnist;
use flambeau::vision::ops::{Activation, Conv2dNormActivation};
use flambeau::vision::transforms::*;
use flambeau_examples::{device, loss_curve};
use std::path::PathBuf;
use std::time::Instant;

/// Learns to tell articles of clothing apart.
#[derive(Parser)]
struct Args {
    /// Folder with FashionMNIST/raw/t10k-*-ubyte[.gz]
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/fashion"))]
    data: PathBuf,
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
    /// Images to train on, the first ones
    #[arg(long, default_value_t = 8500)]
    train: usize,
    /// Images to test on, the last ones
    #[arg(long, default_value_t = 1500)]
    test: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads that read and transform images
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where weights and loss curve go
    #[arg(long, default_value = "runs/fashion")]
    out: PathBuf,
}

/// Two convolutions, around which the input goes as well.
#[derive(Module)]
struct Residual {
    body: Sequential,
    shortcut: Conv2dNormActivation,
}

impl Residual {
    /// From so many channels to so many others, in each direction half as large.
    fn new(from: usize, to: usize) -> Result<Self> {
        Ok(Residual {
            body: Sequential::of((
                Conv2dNormActivation::new(from, to).stride(2),
                Conv2dNormActivation::new(to, to).activation_layer(Activation::None),
            ))?,
            shortcut: Conv2dNormActivation::new(from, to)
                .kernel_size(1)
                .stride(2)
                .activation_layer(Activation::None)
                .build()?,
        })
    }
}

impl Forward<&Tensor> for Residual {
    type Output = Tensor;

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.body.call(x)?.add(&self.shortcut.call(x)?)?.relu()
    }
}

fn network(classes: usize) -> Result<Sequential> {
    Sequential::of((
        Conv2dNormActivation::new(1, 16),
        Residual::new(16, 32)?,
        Residual::new(32, 64)?,
        AdaptiveAvgPool2d::new(1),
        Flatten::new(),
        Dropout::new(0.1),
        Linear::new(64, classes),
    ))
}

/// What part of the images is told right, and of each class.
fn accuracy(model: &Sequential, loader: &DataLoader<Subset<FashionMnist>>, device: Device) -> Result<(f64, Vec<f64>)> {
    model.eval();
    let (mut right, mut all) = (vec![0.0; 10], vec![0.0; 10]);
    for batch in loader {
        let (images, labels) = batch?;
        let found = no_grad(|| model.call(&images.to_device(device)?))?.argmax(-1)?.to_vec::<i64>()?;
        for (found, label) in found.into_iter().zip(labels.to_vec::<i64>()?) {
            all[label as usize] += 1.0;
            right[label as usize] += f64::from(u8::from(found == label));
        }
    }
    let whole = right.iter().sum::<f64>() / all.iter().sum::<f64>();
    Ok((whole, right.iter().zip(&all).map(|(right, all)| right / all).collect()))
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let usual = || (ToDtype::new(DType::F32).scale(true), Normalize::new([0.286], [0.353]));
    let images = |transform: ComposeBuilder| FashionMnist::new(&args.data).train(false).transform(transform).build();
    let (scale, normalize) = usual();
    let varied = images(Compose::of((RandomHorizontalFlip::new(), RandomCrop::new(28).padding(2), scale, normalize)))?;
    let plain = images(Compose::of(usual()))?;
    let (classes, count) = (plain.classes().to_vec(), plain.len());
    let train = Subset::new(varied, (0..args.train).collect())?;
    let test = Subset::new(plain, (count.saturating_sub(args.test)..count).collect())?;
    let loader = DataLoader::new(train).batch_size(args.batch_size).shuffle(true).workers(args.workers).build()?;
    let test = DataLoader::new(test).batch_size(250).build()?;

    let model = network(classes.len())?.to(args.device)?;
    println!("{} parameters, {} images to learn from", model.num_parameters(), args.train);
    let mut optimizer = AdamW::new(model.parameters()).weight_decay(1e-2).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, args.lr, (args.epochs * loader.len()) as u64).build()?;
    let (start, mut losses) = (Instant::now(), Vec::new());
    for epoch in 0..args.epochs {
        model.train();
        let bar = Progress::new(loader.len()).label(format!("epoch {:>2}/{}", epoch + 1, args.epochs));
        for batch in bar.over(&loader) {
            let (images, labels) = batch?;
            let (images, labels) = (images.to_device(args.device)?, labels.to_device(args.device)?);
            let loss = cross_entropy(&model.call(&images)?, &labels)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            scheduler.step()?;
            losses.push(loss.item::<f64>()?);
            bar.set("loss", format_args!("{:.4}", losses[losses.len() - 1]));
        }
    }
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    serialize::save(args.out.join("fashion.safetensors"), &model.state_dict())?;
    loss_curve(&args.out.join("loss.svg"), &losses, loader.len())?;
    println!("wrote fashion.safetensors and loss.svg to {}", args.out.display());

    let (whole, each) = accuracy(&model, &test, args.device)?;
    for (class, accuracy) in classes.iter().zip(each) {
        println!("{class:<12} {accuracy:.3}");
    }
    println!("test accuracy on {} images never seen: {whole:.4}", args.test);
    Ok(())
}
