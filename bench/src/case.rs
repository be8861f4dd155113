//! The forms that most cases have.

use flambeau::autograd::grad;
use flambeau::nn::functional::cross_entropy;
use flambeau::optim::Optimizer;
use flambeau::{Result, Tensor, no_grad};
use std::hint::black_box;

pub use flambeau_bench_worker::Kind;

/// One call of a case.
pub type Work = flambeau_bench_worker::Work<flambeau::Error>;

/// A name, what it costs at least, and how to make it.
pub type Case = flambeau_bench_worker::Case<flambeau::Error>;

/// Normally distributed numbers.
pub fn randn(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(shape).build()
}

/// The same, whose gradient is asked for.
pub fn leaf(shape: &[usize]) -> Result<Tensor> {
    use flambeau::autograd::Autograd;
    randn(shape)?.requires_grad_()
}

/// Integers below `high`.
pub fn ids(high: i64, shape: &[usize]) -> Result<Tensor> {
    Tensor::randint(0, high, shape).build()
}

/// An op, called again and again.
pub fn call(f: impl Fn() -> Result<Tensor> + 'static) -> Result<Work> {
    Ok(Box::new(move || f().map(|y| drop(black_box(y)))))
}

/// A model's forward pass alone.
pub fn infer(f: impl Fn() -> Result<Tensor> + 'static) -> Result<Work> {
    call(move || no_grad(&f))
}

/// Forward, and the gradients of the sum by `leaves`.
pub fn derive(leaves: Vec<Tensor>, f: impl Fn() -> Result<Tensor> + 'static) -> Result<Work> {
    Ok(Box::new(move || {
        let leaves: Vec<&Tensor> = leaves.iter().collect();
        black_box(grad(&[&f()?.sum(..)?], &leaves)?);
        Ok(())
    }))
}

/// A step of training with a loss.
pub fn step(mut optimizer: impl Optimizer + 'static, loss: impl Fn() -> Result<Tensor> + 'static) -> Result<Work> {
    use flambeau::autograd::Autograd;
    Ok(Box::new(move || {
        let loss = loss()?;
        optimizer.zero_grad();
        loss.backward()?;
        optimizer.step()
    }))
}

/// A step of training a classifier on one batch.
pub fn classify(
    optimizer: impl Optimizer + 'static,
    x: Tensor,
    classes: Tensor,
    model: impl Fn(&Tensor) -> Result<Tensor> + 'static,
) -> Result<Work> {
    step(optimizer, move || cross_entropy(&model(&x)?, &classes))
}
