//! A variational autoencoder learns the handwritten digits that ship with the repository, and draws new ones (Kingma and
//! Welling, arXiv:1312.6114).

use clap::Parser;
use flambeau::prelude::*;
use flambeau::vision::{datasets::Mnist, transforms::ToTensor, utils::make_grid};
use flambeau_examples::{device, loss_curve};
use std::path::PathBuf;
use std::time::Instant;

/// Learns digits, and draws some.
#[derive(Parser)]
struct Args {
    /// Folder with MNIST/raw/*-ubyte[.gz]
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits"))]
    data: PathBuf,
    #[arg(long, default_value_t = 100)]
    epochs: usize,
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where it is computed: cpu, cuda, cuda:1 and so on
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where weights, loss curve and pictures go
    #[arg(long, default_value = "runs/vae")]
    out: PathBuf,
}

/// Numbers that stand for an image.
const CODE: usize = 8;

#[derive(Module)]
struct Vae {
    encoder: Sequential,
    mean: Linear,
    log_variance: Linear,
    decoder: Sequential,
}

/// What [`Vae`] gives: logits of the pixels, and the distribution of the code.
#[derive(Clone, Tensors)]
struct Seen {
    pixels: Tensor,
    mean: Tensor,
    log_variance: Tensor,
}

impl Vae {
    fn new(pixels: usize) -> Result<Self> {
        Ok(Vae {
            encoder: Sequential::of((
                Flatten::new(),
                Linear::new(pixels, 256),
                ReLU::new(),
                Linear::new(256, 128),
                ReLU::new(),
            ))?,
            mean: Linear::new(128, CODE).build()?,
            log_variance: Linear::new(128, CODE).build()?,
            decoder: Sequential::of((
                Linear::new(CODE, 128),
                ReLU::new(),
                Linear::new(128, 256),
                ReLU::new(),
                Linear::new(256, pixels),
            ))?,
        })
    }
}

impl Forward<&Tensor> for Vae {
    type Output = Seen;

    fn forward(&self, images: &Tensor) -> Result<Seen> {
        let read = self.encoder.call(images)?;
        let (mean, log_variance) = (self.mean.call(&read)?, self.log_variance.call(&read)?);
        // A draw that gradients pass.
        let noise = mean.randn_like()?;
        let code = mean.add(&log_variance.mul(0.5)?.exp()?.mul(&noise)?)?;
        let pixels = self.decoder.call(&code)?.reshape(images.shape())?;
        Ok(Seen { pixels, mean, log_variance })
    }
}

/// Minus the bound on the logarithm of an image's probability, the mean over a batch.
fn loss(seen: &Seen, images: &Tensor) -> Result<Tensor> {
    let n = images.shape()[0] as f64;
    let pixels = BCEWithLogitsLoss::new().reduction(Reduction::Sum).build()?.call((&seen.pixels, images))?;
    let divergence = seen.mean.square()?.add(&seen.log_variance.exp()?)?.sub(&seen.log_variance)?.sub(1.0)?.sum(..)?;
    pixels.add(&divergence.mul(0.5)?)?.div(n)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);
    let data = |train| Mnist::new(&args.data).train(train).transform(ToTensor::new()).build();
    let loader = DataLoader::new(data(true)?).batch_size(args.batch_size).shuffle(true).build()?;
    let test = DataLoader::new(data(false)?).batch_size(64).build()?;
    let Some(first) = test.iter().next() else { return Err(Error::format(&args.data, "there are no images")) };
    let images = first?.0.to_device(args.device)?;

    let model = Vae::new(images.numel() / images.shape()[0])?.to(args.device)?;
    println!("{}\n", summary(&model, &images)?);
    let mut optimizer = Adam::new(model.parameters()).lr(args.lr).build()?;
    let (start, mut losses) = (Instant::now(), Vec::new());
    let bar = Progress::new(args.epochs);
    for _ in bar.over(0..args.epochs) {
        for batch in &loader {
            let images = batch?.0.to_device(args.device)?;
            let loss = loss(&model.call(&images)?, &images)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            losses.push(loss.item::<f64>()?);
        }
        bar.set("loss", format_args!("{:.3}", losses[losses.len() - 1]));
    }
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    loss_curve(&args.out.join("loss.svg"), &losses, loader.len())?;
    serialize::save(args.out.join("vae.safetensors"), &model.state_dict())?;

    no_grad(|| {
        let again = model.call(&images)?;
        println!("bound on unseen images: {:.3}", loss(&again, &images)?.item::<f64>()?);
        let large = |images: &Tensor| images.interpolate(flambeau::InterpolateOptions::scale(4.0));
        // Images, and what the code keeps of them, in rows one below the other.
        let rows = |x: &Tensor| x.narrow(0, 0, 32)?.split(16, 0);
        let (seen, drawn) = (rows(&images)?, rows(&again.pixels.sigmoid()?)?);
        let beside: Vec<&Tensor> = seen.iter().zip(&drawn).flat_map(|(a, b)| [a, b]).collect();
        make_grid(&large(&cat(&beside, 0)?)?).nrow(16).save(args.out.join("reconstructions.png"))?;
        let new = model.decoder.call(&Tensor::randn([64, CODE]).device(args.device).build()?)?.sigmoid()?;
        let size = images.shape()[3];
        make_grid(&large(&new.reshape([64, 1, size, size])?)?).nrow(16).save(args.out.join("drawn.png"))
    })?;
    println!("wrote vae.safetensors, loss.svg, reconstructions.png and drawn.png to {}", args.out.display());
    Ok(())
}
