//! Interpreters and gradients: mixed precision, moves between devices, programs, and passes of several orders.

use flambeau_autograd::{Autograd, grad};
use flambeau_tensor::autocast::autocast;
use flambeau_tensor::profiler::profile;
use flambeau_tensor::trace::trace;
use flambeau_tensor::{DType, Device, Result, Tensor, no_grad};

fn numbers(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i as f32 * 0.7).sin()).collect(), shape).unwrap()
}

/// The loss of a network of two layers, and the gradients of its weights.
fn step(x: &Tensor, [a, b]: [&Tensor; 2]) -> Result<(Tensor, [Tensor; 2])> {
    let loss = autocast(DType::BF16, || {
        // One weight is used twice.
        let h = x.linear(a, None)?.relu()?.linear(a, None)?.relu()?;
        h.linear(b, None)?.to_dtype(DType::F32)?.square()?.mean(..)
    })?;
    loss.backward()?;
    Ok((loss, [a.grad().unwrap(), b.grad().unwrap()]))
}

#[test]
fn gradients_under_autocast_are_those_of_casts_written_out() {
    let x = numbers(&[5, 4]);
    let leaf = |shape: &[usize]| numbers(shape).requires_grad_().unwrap();
    let (a, b) = (leaf(&[4, 4]), leaf(&[2, 4]));
    let (loss, grads) = step(&x, [&a, &b]).unwrap();

    let (c, d) = (leaf(&[4, 4]), leaf(&[2, 4]));
    let half = |t: &Tensor| t.to_dtype(DType::BF16).unwrap();
    let w = half(&c);
    let h = half(&x).linear(&w, None).unwrap().relu().unwrap().linear(&w, None).unwrap().relu().unwrap();
    let right = h.linear(&half(&d), None).unwrap().to_dtype(DType::F32).unwrap().square().unwrap().mean(..).unwrap();
    right.backward().unwrap();

    assert_eq!(loss.item::<f32>().unwrap(), right.item::<f32>().unwrap());
    for (got, right) in grads.iter().zip([c.grad().unwrap(), d.grad().unwrap()]) {
        assert_eq!(got.dtype(), DType::F32);
        assert_eq!(got.to_vec::<f32>().unwrap(), right.to_vec::<f32>().unwrap());
    }
}

#[test]
fn a_weight_is_cast_once_in_a_region_and_again_after_it_changed() {
    let (x, w) = (numbers(&[2, 3]), numbers(&[3, 3]).requires_grad_().unwrap());
    let (result, profile) = profile(|| {
        autocast(DType::BF16, || -> Result<[Tensor; 2]> {
            let before = x.linear(&w, None)?.linear(&w, None)?;
            no_grad(|| w.mul_(2.0).map(drop))?;
            Ok([before, x.linear(&w, None)?])
        })
    });
    let [_, after] = result.unwrap();
    // x twice, w before and after.
    assert_eq!(profile.count("to"), 4);
    let right = autocast(DType::BF16, || x.linear(&w, None)).unwrap();
    let values = |t: &Tensor| t.detach().to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(values(&after), values(&right));
    // A cast made without recording does not serve where recording is on.
    autocast(DType::BF16, || {
        no_grad(|| x.linear(&w, None)).unwrap();
        assert!(x.linear(&w, None).unwrap().requires_grad());
    });
}

#[test]
fn ops_of_a_backward_pass_keep_their_dtypes_inside_a_region() {
    let w = numbers(&[3, 3]).requires_grad_().unwrap();
    let inside = autocast(DType::BF16, || -> Result<Tensor> {
        let loss = w.exp()?.sum(..)?;
        grad(&[&loss], &[&w]).map(|mut g| g.remove(0))
    });
    assert_eq!(inside.unwrap().to_vec::<f32>().unwrap(), w.detach().exp().unwrap().to_vec::<f32>().unwrap());
}

#[test]
fn a_gradient_comes_back_from_another_device() {
    let w = numbers(&[3]).requires_grad_().unwrap();
    let there = w.mul(2.0).unwrap().to_device(Device::Meta).unwrap();
    assert!(there.requires_grad());
    there.sum(..).unwrap().backward().unwrap_err(); // a meta tensor has no data to bring back
}

#[test]
fn a_program_holds_forward_and_backward_and_can_be_differentiated() {
    let (x, w) = (numbers(&[4, 3]), numbers(&[2, 3]).requires_grad_().unwrap());
    let f = |x: &Tensor| -> Result<Vec<Tensor>> {
        let loss = x.linear(&w, None)?.tanh()?.square()?.sum(..)?;
        Ok(vec![grad(&[&loss], &[&w])?.remove(0)])
    };
    let program = trace(&[&x], |x| f(x[0])).unwrap();
    let other = numbers(&[3, 4]).t().unwrap();
    let values = |t: &[Tensor]| t[0].detach().to_vec::<f32>().unwrap();
    assert_eq!(values(&program.run(&[&other]).unwrap()), values(&f(&other).unwrap()));

    let forward = trace(&[&x], |x| Ok(vec![x[0].linear(&w, None)?.tanh()?.square()?.sum(..)?])).unwrap();
    forward.run(&[&other]).unwrap()[0].backward().unwrap();
    assert_eq!(w.grad().unwrap().to_vec::<f32>().unwrap(), values(&f(&other).unwrap()));
}
