//! Loss scaling.

use flambeau_autograd::Autograd;
use flambeau_optim::*;
use flambeau_tensor::profiler::profile;
use flambeau_tensor::{DType, Result, Tensor, tensor};

/// A step of the loss w · x.
fn step(scaler: &mut GradScaler, o: &mut dyn Optimizer, w: &Tensor, x: f32) -> Result<()> {
    o.zero_grad();
    scaler.scale(&w.mul(f64::from(x))?.sum(..)?)?.backward()?;
    scaler.step(o)?;
    scaler.update()
}

#[test]
fn a_step_with_an_infinity_is_left_out() -> Result<()> {
    let optimizers: [fn(&Tensor) -> Result<Box<dyn Optimizer>>; 4] = [
        |w| Ok(Box::new(SGD::new([w]).lr(0.1).momentum(0.9).build()?)),
        |w| Ok(Box::new(Adam::new([w]).lr(0.1).amsgrad(true).build()?)),
        |w| Ok(Box::new(AdamW::new([w]).lr(0.1).build()?)),
        |w| Ok(Box::new(RMSprop::new([w]).lr(0.1).build()?)),
    ];
    for make in optimizers {
        let (w, plain) = (tensor!([1.0f32, 2.0]).requires_grad_()?, tensor!([1.0f32, 2.0]).requires_grad_()?);
        let (mut o, mut right) = (make(&w)?, make(&plain)?);
        let mut scaler = GradScaler::new().init_scale(1024.0).growth_interval(3).build()?;
        for x in [0.5, f32::INFINITY, 0.25, f32::NAN, 0.125, 1.0, 2.0] {
            step(&mut scaler, &mut *o, &w, x)?;
            if x.is_finite() {
                plain.set_grad(Some(Tensor::full(2, x).build()?))?;
                right.step()?;
            }
            for (found, e) in w.to_vec::<f32>()?.iter().zip(plain.to_vec::<f32>()?) {
                assert!((found - e).abs() <= 1e-6, "{}: {found} where {e} is right", o.name());
            }
        }
        // Halved twice, doubled once after three good steps.
        assert_eq!(scaler.get_scale()?, 512.0);
        let state = scaler.state_dict()?;
        let mut again = GradScaler::new().build()?;
        again.load_state_dict(&state)?;
        assert_eq!(format!("{:?}", again.state_dict()?), format!("{state:?}"));
    }
    Ok(())
}

#[test]
fn scaled_steps_read_nothing() -> Result<()> {
    let w = Tensor::ones(3).dtype(DType::F16).build()?.requires_grad_()?;
    for o in [&mut Adam::new([&w]).build()? as &mut dyn Optimizer, &mut SGD::new([&w]).build()?] {
        let mut scaler = GradScaler::new().init_scale(4.0).build()?;
        for _ in 0..3 {
            let (result, seen) = profile(|| step(&mut scaler, o, &w, 0.5));
            result?;
            assert_eq!(seen.reads(), 0, "{}", o.name());
        }
    }
    Ok(())
}

#[test]
fn gradients_unscaled_by_hand_are_not_unscaled_again() -> Result<()> {
    let w = tensor!([1.0f32]).requires_grad_()?;
    let mut o = SGD::new([&w]).lr(1.0).build()?;
    let mut scaler = GradScaler::new().init_scale(8.0).build()?;
    assert!(scaler.update().is_err());
    scaler.scale(&w.sum(..)?)?.backward()?;
    assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [8.0]);
    scaler.unscale_(&o)?;
    assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [1.0]);
    assert!(scaler.unscale_(&o).is_err());
    scaler.step(&mut o)?;
    assert!(scaler.step(&mut o).is_err());
    scaler.update()?;
    assert_eq!(w.to_vec::<f32>()?, [0.0]);
    let mut off = GradScaler::new().enabled(false).build()?;
    assert!(off.scale(&w)?.is(&w) && off.get_scale()? == 1.0);
    Ok(())
}
