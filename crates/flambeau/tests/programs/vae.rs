//! A variational autoencoder of small pictures: noise with a gradient through it, transposed convolutions, a sum of
//! two losses, a grid of samples.

use super::data;
use flambeau::prelude::*;
use flambeau::vision::{datasets::Mnist, transforms::ToTensor, utils::make_grid};

#[derive(Module)]
struct Vae {
    encoder: Sequential,
    mu: Linear,
    logvar: Linear,
    decoder: Sequential,
}

impl Vae {
    fn new(latent: usize) -> Result<Self> {
        Ok(Self {
            encoder: Sequential::of((
                Conv2d::new(1, 8, 3).stride(2).padding(1),
                ReLU::new(),
                Conv2d::new(8, 16, 3).stride(2).padding(1),
                ReLU::new(),
                Flatten::new(),
            ))?,
            mu: Linear::new(64, latent).build()?,
            logvar: Linear::new(64, latent).build()?,
            decoder: Sequential::of((
                Linear::new(latent, 64),
                ReLU::new(),
                Unflatten::new(1, [16, 2, 2]),
                ConvTranspose2d::new(16, 8, 4).stride(2).padding(1),
                ReLU::new(),
                ConvTranspose2d::new(8, 1, 4).stride(2).padding(1),
            ))?,
        })
    }
}

impl Forward<&Tensor> for Vae {
    type Output = (Tensor, Tensor, Tensor);
    fn forward(&self, x: &Tensor) -> Result<Self::Output> {
        let hidden = self.encoder.call(x)?;
        let (mu, logvar) = (self.mu.call(&hidden)?, self.logvar.call(&hidden)?);
        let z = &mu + (0.5 * &logvar).exp()? * mu.randn_like()?;
        Ok((self.decoder.call(&z)?, mu, logvar))
    }
}

#[test]
fn a_variational_autoencoder_learns_digits() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let train = Mnist::new(data("digits")).train(true).transform(ToTensor::new()).build()?;
    let loader = DataLoader::new(train).batch_size(64).shuffle(true).build()?;
    let model = Vae::new(8)?;
    let mut optimizer = Adam::new(model.parameters()).lr(5e-3).build()?;
    let mut losses = Vec::new();
    for _ in 0..3 {
        let mut mean = Mean::new();
        for batch in &loader {
            let (images, _) = batch?;
            let (logits, mu, logvar) = model.call(&images)?;
            let options = BceWithLogits::new().reduction(Reduction::Sum);
            let reconstruction = binary_cross_entropy_with_logits_with(&logits, &images, options)?;
            let divergence = -0.5 * (1.0 + &logvar - mu.square()? - logvar.exp()?).sum(..)?;
            let loss = (reconstruction + divergence) / images.size(0)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            mean.add_weighted(loss.item()?, images.size(0)?);
        }
        losses.push(mean.value());
    }
    assert!(losses[2] < 0.8 * losses[0], "{losses:?}");

    let folder = tempfile::tempdir()?;
    let samples = no_grad(|| model.decoder.call(&Tensor::randn([16, 8]).build()?)?.sigmoid())?;
    make_grid(&samples).nrow(4).save(folder.path().join("samples.png"))?;
    assert_eq!(vision::io::read_image(folder.path().join("samples.png"))?.shape(), [3, 42, 42]);
    Ok(())
}
