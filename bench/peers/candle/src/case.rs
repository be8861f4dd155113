//! The forms that most cases have.

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::{Optimizer, VarBuilder, VarMap};
use std::collections::HashMap;
use std::hint::black_box;

pub type Work = flambeau_bench_worker::Work<candle_core::Error>;
pub type Case = flambeau_bench_worker::Case<candle_core::Error>;

/// Normally distributed numbers.
pub fn randn(shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::randn(0f32, 1f32, shape, &Device::Cpu)
}

/// The same, whose gradient is asked for.
pub fn leaf(shape: impl Into<Shape>) -> Result<Var> {
    Var::from_tensor(&randn(shape)?)
}

/// Integers below `high`.
pub fn ids(high: u32, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::rand(0f32, high as f32, shape, &Device::Cpu)?.minimum(f64::from(high - 1))?.to_dtype(DType::U32)
}

fn check(what: &str, shape: &[usize], is: &Tensor) -> Result<()> {
    if is.dims() != shape {
        bail!("{what} is {:?} instead of {shape:?}", is.dims());
    }
    Ok(())
}

/// An op that gives a tensor of this shape, called again and again. Nothing that it works on may be a leaf.
pub fn call<const R: usize>(shape: [usize; R], f: impl Fn() -> Result<Tensor> + 'static) -> Result<Work> {
    let result = f()?;
    check("the result", &shape, &result)?;
    if result.track_op() {
        bail!("the call is tracked for gradients");
    }
    Ok(Box::new(move || f().map(|y| drop(black_box(y)))))
}

/// Forward, and the gradients of the sum by `leaves`.
pub fn derive(leaves: Vec<Var>, f: impl Fn() -> Result<Tensor> + 'static) -> Result<Work> {
    let gradients = f()?.sum_all()?.backward()?;
    for leaf in &leaves {
        match gradients.get(leaf) {
            Some(gradient) => check("a gradient", leaf.dims(), gradient)?,
            None => bail!("there is no gradient of a leaf of {:?}", leaf.dims()),
        }
    }
    Ok(Box::new(move || {
        black_box((f()?.sum_all()?.backward()?, &leaves));
        Ok(())
    }))
}

/// A step of training, which must change every parameter.
pub fn step(
    map: VarMap,
    mut optimizer: impl Optimizer + 'static,
    loss: impl Fn() -> Result<Tensor> + 'static,
) -> Result<Work> {
    let parameters = map.all_vars();
    let before = parameters.iter().map(|p| p.as_tensor().copy()).collect::<Result<Vec<_>>>()?;
    let mut work = move || optimizer.backward_step(&loss()?);
    work()?;
    for (parameter, before) in parameters.iter().zip(&before) {
        if parameter.sub(before)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0 {
            bail!("a parameter of {:?} is not trained", parameter.dims());
        }
    }
    Ok(Box::new(work))
}

/// Weights to be trained.
pub fn trained<M>(make: impl Fn(VarBuilder) -> Result<M>) -> Result<(VarMap, M)> {
    let map = VarMap::new();
    let model = make(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu))?;
    Ok((map, model))
}

/// Weights that nothing is tracked for.
pub fn frozen<M>(make: impl Fn(VarBuilder) -> Result<M>) -> Result<M> {
    let (map, _) = trained(&make)?;
    let vars = map.data().lock().expect("no thread of ours panics");
    let weights: HashMap<String, Tensor> =
        vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
    make(VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu))
}
