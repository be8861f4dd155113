//! A Wasserstein GAN whose critic's slope is held near 1: a penalty on a gradient, differentiated again.

use flambeau::autograd::{GradOptions, grad_with};
use flambeau::prelude::*;

/// Points of a cloud around (2, 2).
fn real(n: usize) -> Result<Tensor> {
    Ok(2.0 + 0.3 * Tensor::randn([n, 2]).build()?)
}

/// How far the critic's slope is from 1, between real points and made ones.
fn gradient_penalty(critic: &Sequential, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
    let part = Tensor::rand([real.size(0)?, 1]).build()?;
    let between = real.lerp(fake, &part)?.detach().requires_grad_()?;
    let score = critic.call(&between)?.sum(..)?;
    let slope =
        grad_with(&[&score], &[&between], GradOptions::new().create_graph(true))?.remove(0).expect("a gradient");
    (slope.norm(2.0, 1)? - 1.0).square()?.mean(..)
}

#[test]
fn a_generator_finds_the_cloud() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let generator = Sequential::of((Linear::new(2, 32), LeakyReLU::new(), LayerNorm::new(32), Linear::new(32, 2)))?;
    let critic = Sequential::of((Linear::new(2, 32), SiLU::new(), LayerNorm::new(32), Linear::new(32, 1)))?;
    let mut for_critic = Adam::new(critic.parameters()).lr(1e-2).betas((0.0, 0.9)).build()?;
    let mut for_generator = Adam::new(generator.parameters()).lr(1e-2).betas((0.0, 0.9)).build()?;
    let made = || generator.call(&Tensor::randn([64, 2]).build()?);

    let off = |points: &Tensor| -> Result<f64> { (points.mean(0)? - 2.0).norm(2.0, 0)?.item() };
    let before = no_grad(|| off(&made()?))?;
    for _ in 0..60 {
        for _ in 0..3 {
            let (real, fake) = (real(64)?, no_grad(made)?);
            let penalty = gradient_penalty(&critic, &real, &fake)?;
            let loss = critic.call(&fake)?.mean(..)? - critic.call(&real)?.mean(..)? + 10.0 * penalty;
            for_critic.zero_grad();
            loss.backward()?;
            for_critic.step()?;
        }
        let loss = -critic.call(&made()?)?.mean(..)?;
        for_generator.zero_grad();
        loss.backward()?;
        for_generator.step()?;
    }
    let after = no_grad(|| off(&made()?))?;
    assert!(after < 0.6 * before, "{before} {after}");
    Ok(())
}
