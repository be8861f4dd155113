//! Steps along sparse gradients, with PyTorch 2.15's results, and what refuses them.

use crate::{ALL, make, quartic};
use flambeau_autograd::{Autograd, SparseTensor, no_grad, sparse_gradients};
use flambeau_optim::*;
use flambeau_tensor::{ErrorKind, Result, Tensor, tensor};

/// A table of six rows, row 0 the padding.
fn table() -> Result<Tensor> {
    Tensor::arange(0.0, 12.0).build()?.reshape([6, 2])?.div(4.0)?.sub(1.0)?.detach().requires_grad_()
}

/// The gradient of the sum of squares of the rows `batch`.
fn look_up(table: &Tensor, batch: &[i64]) -> Result<()> {
    table.clear_grad();
    let rows = sparse_gradients(|| table.embedding(Tensor::from_slice(batch, batch.len())?, Some(0)))?;
    rows.square()?.sum(..)?.backward()
}

fn train(table: &Tensor, optimizer: &mut dyn Optimizer) -> Result<()> {
    for batch in [[1, 3, 1].as_slice(), &[5, 0], &[3, 3, 2]] {
        look_up(table, batch)?;
        optimizer.step()?;
    }
    Ok(())
}

fn check(name: &str, table: &Tensor, optimizer: Result<impl Optimizer>, right: [f32; 12]) -> Result<()> {
    train(table, &mut optimizer?)?;
    for (x, e) in table.to_vec::<f32>()?.iter().zip(right) {
        assert!((x - e).abs() <= 2e-6, "{name}: {table:?} where {right:?} is right");
    }
    Ok(())
}

#[test]
fn sgd_adagrad_and_sparse_adam_step_as_in_pytorch() -> Result<()> {
    let w = table()?;
    let right = [-1.0, -0.75, -0.3, -0.15, 0.0, 0.2, 0.24, 0.36, 1.0, 1.25, 1.2, 1.4];
    check("SGD", &w, SGD::new([&w]).lr(0.1).build(), right)?;
    let w = table()?;
    let right = [-1.0, -0.75, 0.042, 0.021, 0.0, 0.2, 0.105, 0.1575, 1.0, 1.25, 0.9300001, 1.085];
    check("momentum", &w, SGD::new([&w]).lr(0.1).momentum(0.9).build(), right)?;
    let w = table()?;
    let right = [-1.0, -0.75, -1.1877998, -0.5938999, 0.0, 0.345, 1.4298599, 2.1447899, 1.0, 1.25, 2.313, 2.6984999];
    let o = SGD::new([&w]).lr(0.1).momentum(0.9).nesterov(true).maximize(true).build();
    check("nesterov, up", &w, o, right)?;
    let w = table()?;
    let right = [-1.0, -0.75, 0.042, 0.021, 0.0, 0.215, 0.1422, 0.2133, 1.0, 1.25, 1.101, 1.2845];
    check("dampening", &w, SGD::new([&w]).lr(0.1).momentum(0.9).dampening(0.3).build(), right)?;
    let w = table()?;
    let right = [-1.0, -0.75, -0.4, -0.15, 0.0, 0.15, 0.3152002, 0.5633814, 1.0, 1.25, 1.4, 1.65];
    check("Adagrad", &w, Adagrad::new([&w]).lr(0.1).build(), right)?;
    let w = table()?;
    let right =
        [-1.0, -0.75, -0.5942809, -0.3316497, 0.0, 0.2981125, 0.65539, 0.9151888, 1.0, 1.25, 1.5884844, 1.8391087];
    let o = Adagrad::new([&w]).lr(0.1).lr_decay(0.1).initial_accumulator_value(0.5).maximize(true).build();
    check("Adagrad, up", &w, o, right)?;
    let w = table()?;
    let right = [-1.0, -0.75, -0.4, -0.15, 0.0, 0.1861187, 0.3153455, 0.5659258, 1.0, 1.25, 1.4255863, 1.6755863];
    check("SparseAdam", &w, SparseAdam::new([&w]).lr(0.1).build(), right)?;
    let w = table()?;
    let right = [-1.0, -0.75, -0.6, -0.35, 0.0, 0.33926, 0.7010655, 0.9513449, 1.0, 1.25, 1.5894427, 1.8394427];
    let o = SparseAdam::new([&w]).lr(0.1).betas((0.5, 0.8)).maximize(true).build();
    check("SparseAdam, up", &w, o, right)
}

/// A learning rate on the device does not change the step.
#[test]
fn rates_on_the_device_are_the_same() -> Result<()> {
    for of in [
        (|w, lr| Ok(Box::new(SGD::new([w]).lr(lr).momentum(0.5).build()?)))
            as fn(&Tensor, rule::Coefficient) -> Result<Box<dyn Optimizer>>,
        |w, lr| Ok(Box::new(Adagrad::new([w]).lr(lr).build()?)),
        |w, lr| Ok(Box::new(SparseAdam::new([w]).lr(lr).build()?)),
    ] {
        let (host, device) = (table()?, table()?);
        train(&host, &mut *of(&host, 0.25.into())?)?;
        train(&device, &mut *of(&device, tensor!(0.25).into())?)?;
        assert!(host.detach().sub(&device.detach())?.abs()?.max_all()?.item::<f32>()? < 1e-6, "{host} {device}");
    }
    Ok(())
}

#[test]
fn the_others_refuse_before_anything_is_changed() -> Result<()> {
    for (name, _) in ALL {
        let (first, w) = (table()?, table()?);
        let mut o = make(name, &[ParamGroup::new([&first, &w])])?;
        first.set_grad(Some(first.detach().copy()?))?;
        look_up(&w, &[1, 2])?;
        let before = first.to_vec::<f32>()?;
        match *name {
            "SGD" | "Adagrad" => o.step()?,
            // As in PyTorch it makes one dense vector of all gradients.
            "LBFGS" => drop(o.step_with(&mut || {
                let loss = quartic(&[first.clone()])?;
                look_up(&w, &[1, 2])?;
                Ok(loss)
            })?),
            _ => {
                let fault = o.step().unwrap_err();
                assert_eq!((fault.kind(), first.to_vec::<f32>()?), (ErrorKind::Unsupported, before), "{fault}");
                let what = if *name == "SparseAdam" { "dense" } else { "sparse" };
                assert!(fault.message().contains(&format!("{name} does not support {what} gradients")), "{fault}");
            }
        }
    }
    let w = table()?;
    look_up(&w, &[1])?;
    for mut o in [
        Box::new(SGD::new([&w]).weight_decay(0.1).build()?) as Box<dyn Optimizer>,
        Box::new(Adagrad::new([&w]).weight_decay(0.1).build()?),
    ] {
        assert!(o.step().unwrap_err().message().contains("weight"));
    }
    Ok(())
}

/// A row that was looked up and has a gradient of zeros is touched; one that was not looked up keeps its moments.
#[test]
fn rows_go_by_their_numbers() -> Result<()> {
    let w = Tensor::ones([3, 1]).build()?.requires_grad_()?;
    let mut o = SparseAdam::new([&w]).lr(0.5).build()?;
    let sparse = |rows: Tensor, values: Tensor| w.set_sparse_grad(SparseTensor::new(rows, values, &[3, 1])?);
    sparse(tensor!([[0i64, 1]]), tensor!([[1.0f32], [2.0]]))?;
    o.step()?;
    let before = w.to_vec::<f32>()?;
    sparse(tensor!([[0i64]]), tensor!([[0.0f32]]))?;
    o.step()?;
    let after = w.to_vec::<f32>()?;
    assert!(after[0] < before[0] && after[1..] == before[1..], "{before:?} {after:?}");
    // Nothing was looked up: the step counts, nothing moves.
    sparse(Tensor::zeros([1, 0]).dtype(flambeau_tensor::DType::I64).build()?, Tensor::zeros([0, 1]).build()?)?;
    o.step()?;
    assert_eq!(w.to_vec::<f32>()?, after);
    Ok(())
}

#[test]
fn a_scale_is_taken_out_of_sparse_gradients() -> Result<()> {
    let (w, plain) = (table()?, table()?);
    let mut scaler = GradScaler::new().init_scale(1024.0).build()?;
    let mut o = SGD::new([&w]).lr(0.5).build()?;
    let loss = |w: &Tensor| sparse_gradients(|| w.embedding(tensor!([1, 4, 4]), None))?.square()?.sum(..);
    scaler.scale(&loss(&w)?)?.backward()?;
    scaler.step(&mut o)?;
    scaler.update()?;
    loss(&plain)?.backward()?;
    SGD::new([&plain]).lr(0.5).build()?.step()?;
    assert_eq!(w.to_vec::<f32>()?, plain.to_vec::<f32>()?);
    // An infinity leaves the step out.
    w.clear_grad();
    no_grad(|| w.fill_(f32::MAX).map(drop))?;
    scaler.scale(&loss(&w)?)?.backward()?;
    scaler.step(&mut o)?;
    assert_eq!(w.to_vec::<f32>()?, [f32::MAX; 12]);
    Ok(())
}
