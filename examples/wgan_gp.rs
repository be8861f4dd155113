//! Two networks learn the handwritten digits that ship with the repository against each other: one draws, the other tells
//! drawn ones from real ones. A Wasserstein GAN with a penalty on the critic's gradient, whose own gradient is of second
//! order (Gulrajani et al., arXiv:1704.00028).

use clap::Parser;
use flambeau::autograd::{GradOptions, grad_with};
use flambeau::prelude::*;
use flambeau::vision::{datasets::Mnist, transforms::ToTensor, utils::make_grid};
use flambeau_examples::{device, loss_curve};
use std::path::PathBuf;
use std::time::Instant;

/// Learns to draw digits.
#[derive(Parser)]
struct Args {
    /// Folder with MNIST/raw/*-ubyte[.gz]
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits"))]
    data: PathBuf,
    #[arg(long, default_value_t = 150)]
    epochs: usize,
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    #[arg(long, default_value_t = 5e-4)]
    lr: f64,
    /// Steps of the critic for one of the generator
    #[arg(long, default_value_t = 4)]
    critic: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where weights, curve and pictures go
    #[arg(long, default_value = "runs/wgan_gp")]
    out: PathBuf,
}

const NOISE: usize = 16;
const PENALTY: f64 = 10.0;

/// From noise `[N, NOISE]` to the pixels of images.
fn generator(pixels: usize) -> Result<Sequential> {
    Sequential::of((
        Linear::new(NOISE, 128),
        ReLU::new(),
        Linear::new(128, 128),
        ReLU::new(),
        Linear::new(128, pixels),
        Sigmoid::new(),
    ))
}

/// From pixels to how real they are. It has no batch norm: each image's gradient is its own.
fn critic(pixels: usize) -> Result<Sequential> {
    Sequential::of((
        Linear::new(pixels, 128),
        LeakyReLU::new().negative_slope(0.2),
        Linear::new(128, 128),
        LeakyReLU::new().negative_slope(0.2),
        Linear::new(128, 1),
    ))
}

/// The mean of (|∇| − 1)² between real and drawn images.
fn penalty(critic: &Sequential, real: &Tensor, drawn: &Tensor) -> Result<Tensor> {
    let part = Tensor::rand([real.shape()[0], 1]).device(real.device()).build()?;
    let between = real.mul(&part)?.add(&drawn.mul(&part.rsub(1.0)?)?)?.detach().requires_grad_()?;
    let judged = critic.call(&between)?.sum(..)?;
    let options = GradOptions { create_graph: true, ..GradOptions::default() };
    let slopes = grad_with(&[&judged], &[&between], options)?;
    let Some(slope) = slopes.into_iter().flatten().next() else {
        return Err(Error::new(ErrorKind::Autograd, "penalty", "the critic has no gradient"));
    };
    slope.square()?.sum(1)?.add(1e-12)?.sqrt()?.sub(1.0)?.square()?.mean(..)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);
    let data = Mnist::new(&args.data).train(true).transform(ToTensor::new()).build()?;
    let size = data.get(0)?.0.size(1)?;
    let pixels = size * size;
    let loader = DataLoader::new(data).batch_size(args.batch_size).shuffle(true).drop_last(true).build()?;

    let (generator, critic) = (generator(pixels)?.to(args.device)?, critic(pixels)?.to(args.device)?);
    println!("{generator:?}\n{critic:?}");
    let adam = |module: &Sequential| Adam::new(module.parameters()).lr(args.lr).betas((0.5, 0.9)).build();
    let (mut draws, mut judges) = (adam(&generator)?, adam(&critic)?);
    let (start, mut distances, mut step) = (Instant::now(), Vec::new(), 0);
    let bar = Progress::new(args.epochs);
    for _ in bar.over(0..args.epochs) {
        for batch in &loader {
            let real = batch?.0.to_device(args.device)?.flatten(1, -1)?;
            let noise = |n: usize| Tensor::randn([n, NOISE]).device(args.device).build();
            let drawn = no_grad(|| generator.call(&noise(real.shape()[0])?))?;
            let apart = critic.call(&real)?.mean(..)?.sub(&critic.call(&drawn)?.mean(..)?)?;
            let loss = penalty(&critic, &real, &drawn)?.mul(PENALTY)?.sub(&apart)?;
            judges.zero_grad();
            loss.backward()?;
            judges.step()?;
            distances.push(apart.item::<f64>()?);

            step += 1;
            if step % args.critic == 0 {
                let loss = critic.call(&generator.call(&noise(args.batch_size)?)?)?.mean(..)?.neg()?;
                draws.zero_grad();
                loss.backward()?;
                draws.step()?;
            }
        }
        bar.set("distance", format_args!("{:.3}", distances[distances.len() - 1]));
    }
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    loss_curve(&args.out.join("distance.svg"), &distances, loader.len())?;
    serialize::save(args.out.join("generator.safetensors"), &generator.state_dict())?;
    let drawn = no_grad(|| {
        generator.call(&Tensor::randn([96, NOISE]).device(args.device).build()?)?.reshape([96, 1, size, size])
    })?;
    let large = drawn.interpolate(flambeau::InterpolateOptions::scale(4.0))?;
    make_grid(&large).nrow(16).save(args.out.join("drawn.png"))?;
    println!("wrote generator.safetensors, distance.svg and drawn.png to {}", args.out.display());
    Ok(())
}
