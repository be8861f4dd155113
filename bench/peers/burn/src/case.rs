//! The forms that most cases have.

use burn::module::{Module, list_param_ids};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Gradients, Int, Shape, Tensor};
use std::hint::black_box;

/// burn panics, so nothing but what is looked at here is ever an error.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Fault>;
pub type Work = flambeau_bench_worker::Work<Fault>;
pub type Case = flambeau_bench_worker::Case<Fault>;

/// Where nothing is tracked for gradients.
pub fn device() -> Device {
    Device::flex()
}

/// Where what asks for gradients is tracked.
pub fn tracking() -> Device {
    device().autodiff()
}

/// Normally distributed numbers.
pub fn randn<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device())
}

/// The same beside leaves.
pub fn beside<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &tracking())
}

/// The same, whose gradient is asked for.
pub fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    beside(shape).require_grad()
}

/// Integers below `high`.
pub fn ids<const D: usize>(high: i64, shape: [usize; D], device: &Device) -> Tensor<D, Int> {
    Tensor::random(shape, Distribution::Uniform(0.0, high as f64), device)
}

/// What an op gives: a tensor of some kind.
pub trait Made {
    fn shape(&self) -> Shape;
    fn is_tracked(&self) -> bool;
}

impl<const D: usize> Made for Tensor<D> {
    fn shape(&self) -> Shape {
        Tensor::shape(self)
    }
    fn is_tracked(&self) -> bool {
        Tensor::is_tracked(self)
    }
}

impl<const D: usize> Made for Tensor<D, Int> {
    fn shape(&self) -> Shape {
        Tensor::shape(self)
    }
    fn is_tracked(&self) -> bool {
        false
    }
}

/// An op that gives a tensor of this shape, called again and again. Nothing that it works on may be a leaf.
pub fn call<const D: usize, T: Made>(shape: [usize; D], f: impl Fn() -> T + 'static) -> Result<Work> {
    let made = f();
    if made.shape() != Shape::from(shape) {
        return Err(format!("the result is {:?} instead of {shape:?}", made.shape()).into());
    }
    if made.is_tracked() {
        return Err("the call is tracked for gradients".into());
    }
    Ok(Box::new(move || {
        drop(black_box(f()));
        Ok(())
    }))
}

/// A leaf, by how one looks at its gradient.
pub type Leaf = Box<dyn Fn(&Gradients) -> Result<()>>;

pub fn wanted<const D: usize>(leaf: &Tensor<D>) -> Leaf {
    let leaf = leaf.clone();
    Box::new(move |gradients| match leaf.grad(gradients) {
        Some(gradient) if gradient.shape() == leaf.shape() => Ok(()),
        Some(gradient) => Err(format!("a gradient is {:?} instead of {:?}", gradient.shape(), leaf.shape()).into()),
        None => Err(format!("there is no gradient of a leaf of {:?}", leaf.shape()).into()),
    })
}

/// Forward, and the gradients of the sum by `leaves`.
pub fn derive<const D: usize>(leaves: Vec<Leaf>, f: impl Fn() -> Tensor<D> + 'static) -> Result<Work> {
    let gradients = f().sum().backward();
    leaves.iter().try_for_each(|leaf| leaf(&gradients))?;
    Ok(Box::new(move || {
        drop(black_box(f().sum().backward()));
        Ok(())
    }))
}

/// A step of training, in which every parameter must have a gradient.
pub fn step<M: Module + 'static>(
    model: M,
    mut optimizer: ModuleOptimizer,
    loss: impl Fn(&M) -> Tensor<1> + 'static,
) -> Result<Work> {
    let gradients = GradientsParams::from_grads(loss(&model).backward(), &model);
    let parameters = list_param_ids(&model).len();
    if gradients.len() != parameters {
        return Err(format!("{} of {parameters} parameters are trained", gradients.len()).into());
    }
    let mut model = Some(model);
    Ok(Box::new(move || {
        let before = model.take().ok_or("a step that failed")?;
        let gradients = GradientsParams::from_grads(loss(&before).backward(), &before);
        model = Some(optimizer.step(1e-3, before, gradients));
        Ok(())
    }))
}
