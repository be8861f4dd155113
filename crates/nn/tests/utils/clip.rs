//! Clipping of gradients, against PyTorch 2.15.

use flambeau_autograd::Autograd;
use flambeau_nn::utils::{ClipGradNorm, clip_grad_norm_, clip_grad_norm_with, clip_grad_value_, get_total_norm};
use flambeau_nn::{Call, Linear};
use flambeau_tensor::{DType, Result, Tensor};

/// A leaf with the gradient `grad`.
fn leaf(grad: &[f64], dtype: DType) -> Result<Tensor> {
    let grad = Tensor::from_slice(grad, grad.len())?.to_dtype(dtype)?;
    let leaf = grad.zeros_like()?.requires_grad_()?;
    leaf.set_grad(Some(grad))?;
    Ok(leaf)
}

#[track_caller]
fn near(tensor: &Tensor, right: &[f64], tolerance: f64) {
    let found = tensor.detach().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs();
    assert!(
        found.len() == right.len() && found.iter().zip(right).all(|(a, b)| same(*a, *b)),
        "{found:?} for {right:?}"
    );
}

#[test]
fn half_precision_is_squared_in_single() -> Result<()> {
    for dtype in [DType::F16, DType::BF16] {
        let large = leaf(&[300.0, 400.0], dtype)?;
        near(&clip_grad_norm_([&large], 1.0)?, &[500.0], 1e-3);
        near(&large.grad().unwrap(), &[0.6, 0.8], 4e-3);
        let small = leaf(&[3e-4, 4e-4], dtype)?;
        near(&clip_grad_norm_([&small], 1e-4)?, &[5e-4], 4e-3);
        near(&small.grad().unwrap(), &[5.984e-5, 7.981e-5], 1e-2);
    }
    Ok(())
}

#[test]
fn norms_of_every_order() -> Result<()> {
    for (order, norm, first) in [
        (1.0, 10.5, 0.190_476_17),
        (2.0, 5.500_000_086, 0.363_636_285),
        (3.0, 4.643_522_196, 0.430_707_455),
        (f64::INFINITY, 4.0, 0.499_999_88),
        (0.0, 2.0, 0.999_999_5),
    ] {
        let (p, q) = (leaf(&[1.0, -2.0, 0.0, 4.0], DType::F32)?, leaf(&[3.0, -0.5], DType::F64)?);
        let clipped = clip_grad_norm_with([&p, &q], 2.0, ClipGradNorm::new().norm_type(order))?;
        assert_eq!((clipped.dtype(), clipped.rank()), (DType::F64, 0));
        near(&clipped, &[norm], 1e-7);
        near(&p.grad().unwrap(), &[first, -2.0 * first, 0.0, 4.0 * first], 1e-6);
        near(&q.grad().unwrap(), &[3.0 * first, -0.5 * first], 1e-6);
    }
    Ok(())
}

#[test]
fn gradients_below_the_norm_stay() -> Result<()> {
    let p = leaf(&[0.3, 0.4], DType::F64)?;
    near(&clip_grad_norm_([&p], 1.0)?, &[0.5], 1e-12);
    near(&p.grad().unwrap(), &[0.3, 0.4], 0.0);
    // Nothing to clip: a parameter without a gradient, and none at all.
    near(&clip_grad_norm_([&Tensor::zeros(2).build()?.requires_grad_()?], 1.0)?, &[0.0], 0.0);
    near(&clip_grad_norm_(Vec::<Tensor>::new(), 1.0)?, &[0.0], 0.0);
    Ok(())
}

#[test]
fn strided_complex_and_single_gradients() -> Result<()> {
    let p = Tensor::zeros([2, 2]).build()?.requires_grad_()?;
    p.set_grad(Some(Tensor::from_slice(&[3.0f32, 0.0, 4.0, 0.0], [2, 2])?.t()?))?;
    near(&clip_grad_norm_([&p], 2.5)?, &[5.0], 1e-6);
    near(&p.grad().unwrap(), &[1.5, 2.0, 0.0, 0.0], 1e-6);
    let scalar = Tensor::zeros(()).dtype(DType::F16).build()?.requires_grad_()?;
    scalar.set_grad(Some(Tensor::full((), 4.0).dtype(DType::F16).build()?))?;
    near(&clip_grad_norm_([&scalar], 1.0)?, &[4.0], 0.0);
    near(&scalar.grad().unwrap(), &[1.0], 1e-3);
    let z = Tensor::zeros(1).dtype(DType::Complex64).build()?.requires_grad_()?;
    z.set_grad(Some(Tensor::from_slice(&[3.0f32, 4.0], [1, 2])?.view_as_complex()?))?;
    near(&clip_grad_norm_([&z], 1.0)?, &[5.0], 1e-6);
    near(&z.grad().unwrap().view_as_real()?, &[0.6, 0.8], 1e-6);
    Ok(())
}

#[test]
fn what_is_not_finite_is_an_error_where_asked() -> Result<()> {
    let p = leaf(&[f64::INFINITY, 1.0], DType::F32)?;
    let fault = clip_grad_norm_with([&p], 1.0, ClipGradNorm::new().error_if_nonfinite(true)).unwrap_err();
    assert!(fault.message().contains("the gradients' norm is inf"), "{fault}");
    assert_eq!(fault.location().unwrap().file(), file!());
    near(&p.grad().unwrap(), &[f64::INFINITY, 1.0], 0.0);
    near(&clip_grad_norm_([&p], 1.0)?, &[f64::INFINITY], 0.0);
    near(&p.grad().unwrap(), &[f64::NAN, 0.0], 0.0);
    Ok(())
}

#[test]
fn values_are_cut_on_both_sides() -> Result<()> {
    let p = leaf(&[-3.0, 0.5, 2.0, f64::NAN], DType::F16)?;
    clip_grad_value_([&p], 1.0)?;
    near(&p.grad().unwrap(), &[-1.0, 0.5, 1.0, f64::NAN], 0.0);
    Ok(())
}

#[test]
fn parameters_are_taken_owned_and_borrowed() -> Result<()> {
    let layer = Linear::new(2, 1).build()?;
    layer.call(&Tensor::ones([1, 2]).build()?)?.sum(..)?.backward()?;
    let norm = 3f64.sqrt();
    near(
        &get_total_norm([layer.weight.grad().unwrap(), layer.bias.as_ref().unwrap().grad().unwrap()], 2.0)?,
        &[norm],
        1e-6,
    );
    near(&clip_grad_norm_([&layer.weight, layer.bias.as_ref().unwrap()], 9.0)?, &[norm], 1e-6);
    near(&clip_grad_norm_([layer.weight.clone()], 9.0)?, &[2f64.sqrt()], 1e-6);
    Ok(())
}
