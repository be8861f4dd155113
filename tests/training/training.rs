//! Training with single crates: the derives name the crate that a program depends on, not the facade.

use flambeau_autograd::Autograd;
use flambeau_data::{Collate, DataLoader, ListDataset};
use flambeau_nn::functional::mse_loss;
use flambeau_nn::{Build, Call, Forward, Linear, Module, Tanh, Tensors};
use flambeau_optim::{Adam, Optimizer, Scheduler, StepLR};
use flambeau_tensor::{Result, Tensor, manual_seed, no_grad, stack};

#[derive(Module)]
struct Net {
    hidden: Linear,
    act: Tanh,
    out: Linear,
}

/// A value and its half.
#[derive(Tensors)]
struct Halves {
    whole: Tensor,
    half: Tensor,
}

impl Forward<&Tensor> for Net {
    type Output = Halves;
    fn forward(&self, x: &Tensor) -> Result<Halves> {
        let whole = self.out.call(&self.act.call(&self.hidden.call(x)?)?)?;
        Ok(Halves { half: whole.mul(0.5)?, whole })
    }
}

#[derive(Clone, Collate)]
struct Point {
    x: Tensor,
    y: f32,
}

#[test]
fn a_network_learns_a_sine() -> Result<()> {
    manual_seed(0);
    let points: Vec<Point> = (0..64)
        .map(|i| i as f32 / 32.0 - 1.0)
        .map(|x| Ok(Point { x: Tensor::full([1], x).build()?, y: x.sin() }))
        .collect::<Result<_>>()?;
    let loader = DataLoader::new(ListDataset(points)).batch_size(16).shuffle(true).build()?;
    let net = Net { hidden: Linear::new(1, 16).build()?, act: Tanh::new().build()?, out: Linear::new(16, 1).build()? };
    let mut optimizer = Adam::new(net.parameters()).lr(1e-2).build()?;
    let mut schedule = StepLR::new(&optimizer, 20).build()?;
    let mut last = f64::INFINITY;
    for _ in 0..30 {
        for batch in &loader {
            let PointBatch { x, y } = batch?;
            let loss = mse_loss(&net.call(&x)?.whole, &y.unsqueeze(-1)?)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            last = loss.item()?;
        }
        schedule.step()?;
    }
    assert!(last < 5e-3, "{last}");
    let out = no_grad(|| net.call(&Tensor::ones([2, 1]).build()?))?;
    assert!(stack(&[&out.half, &out.half], 0)?.sum(0)?.allclose(&out.whole)?);
    Ok(())
}
