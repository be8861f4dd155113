//! What a case is, and the forms that most of them have.

use flambeau::autograd::grad;
use flambeau::nn::functional::cross_entropy;
use flambeau::optim::Optimizer;
use flambeau::{Result, Tensor, no_grad};
use std::hint::black_box;

/// One call of a case.
pub type Work = Box<dyn FnMut() -> Result<()>>;

/// How a case is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Call by call, in a process kept alive.
    Time,
    /// A whole process, from its start to its end.
    Process,
    /// The most memory that a process of its own holds.
    Memory,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Time => "time",
            Kind::Process => "process",
            Kind::Memory => "memory",
        }
    }
}

/// A name, what it costs at least, and how to make it.
pub struct Case {
    pub name: &'static str,
    pub kind: Kind,
    /// Bytes that must be read and written, 0 where that says nothing.
    pub bytes: f64,
    /// Multiplications and additions of `f32` that the plain method takes, 0 where that says nothing.
    pub flops: f64,
    make: Box<dyn Fn() -> Result<Work>>,
}

impl Case {
    pub fn new(name: &'static str, make: impl Fn() -> Result<Work> + 'static) -> Case {
        Case { name, kind: Kind::Time, bytes: 0.0, flops: 0.0, make: Box::new(make) }
    }

    pub fn kind(self, kind: Kind) -> Case {
        Case { kind, ..self }
    }

    pub fn bytes(self, bytes: usize) -> Case {
        Case { bytes: bytes as f64, ..self }
    }

    pub fn flops(self, flops: usize) -> Case {
        Case { flops: flops as f64, ..self }
    }

    /// Everything that the case works on, ready to be called.
    pub fn make(&self) -> Result<Work> {
        flambeau::manual_seed(0);
        (self.make)()
    }
}

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
