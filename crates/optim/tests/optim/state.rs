//! The state that optimizers keep: what is counted, saved, loaded in another precision, and refused.

use crate::{ALL, make};
use flambeau_autograd::Autograd;
use flambeau_optim::rule::Value;
use flambeau_optim::*;
use flambeau_tensor::{DType, ErrorKind, Result, Tensor};

fn ones(dtype: DType) -> Result<Tensor> {
    Tensor::ones(1).dtype(dtype).build()
}

/// After `steps` steps of Adam in `dtype`.
fn trained(dtype: DType, steps: usize) -> Result<(Tensor, Adam)> {
    let p = ones(dtype)?.requires_grad_()?;
    let mut o = Adam::new([&p]).build()?;
    for _ in 0..steps {
        p.set_grad(Some(ones(dtype)?))?;
        o.step()?;
    }
    Ok((p, o))
}

/// What is kept for the first parameter under `name`.
fn kept(state: &Value, name: &str) -> Tensor {
    let kept = state.get("state").and_then(|s| s.at(0)).and_then(|s| s.get(name)).and_then(Value::as_tensor);
    kept.expect("a tensor").clone()
}

#[test]
fn steps_are_not_counted_in_half_precision() -> Result<()> {
    let (_, o) = trained(DType::BF16, 300)?;
    assert_eq!(kept(&o.state_dict()?, "step").item::<f64>()?, 300.0);
    Ok(())
}

/// As in PyTorch, which casts moments to the parameter's dtype.
#[test]
fn state_of_another_precision_is_cast() -> Result<()> {
    for (from, to) in [(DType::BF16, DType::F32), (DType::F64, DType::F32), (DType::F32, DType::F16)] {
        let state = trained(from, 3)?.1.state_dict()?;
        let (p, mut o) = trained(to, 1)?;
        o.load_state_dict(&state)?;
        let loaded = o.state_dict()?;
        for name in ["exp_avg", "exp_avg_sq"] {
            let (old, new) = (kept(&state, name), kept(&loaded, name));
            assert_eq!(new.dtype(), to);
            assert!(new.equal(&old.to_dtype(to)?)?, "{new} of {old}");
        }
        assert_eq!(kept(&loaded, "step").item::<f64>()?, 3.0);
        let before = kept(&state, "exp_avg").to_dtype(DType::F64)?.copy()?;
        p.set_grad(Some(ones(to)?))?;
        o.step()?;
        // What was loaded is the optimizer's own.
        assert_eq!(kept(&state, "step").item::<f64>()?, 3.0);
        assert!(kept(&state, "exp_avg").to_dtype(DType::F64)?.equal(&before)?);
    }
    Ok(())
}

#[test]
fn parameters_are_taken_owned_and_borrowed() -> Result<()> {
    let p = ones(DType::F32)?.requires_grad_()?;
    assert_eq!(SGD::new([&p]).build()?.parameters().len(), 1);
    assert_eq!(Adam::new(&vec![p.clone()]).build()?.parameters().len(), 1);
    assert_eq!(AdamW::new(vec![p]).build()?.parameters().len(), 1);
    Ok(())
}

#[test]
fn every_option_of_every_group_is_kept() -> Result<()> {
    let (a, b) = (ones(DType::F32)?.requires_grad_()?, ones(DType::F32)?.requires_grad_()?);
    let group = ParamGroup::new([&b]).set("betas", (0.5, 0.75)).set("weight_decay", 0.3).set("maximize", true);
    let first = Adam::new([&a]).lr(0.5).amsgrad(true).groups([group]).build()?;
    let mut second = Adam::new([&a]).groups([ParamGroup::new([&b])]).build()?;
    second.load_state_dict(&first.state_dict()?)?;
    assert_eq!(format!("{second:?}"), format!("{first:?}"));
    assert_eq!(second.groups().number(1, "betas")?, 0.5);
    assert!(format!("{first:?}").contains("Parameter Group 1\n    amsgrad: True\n    betas: (0.5, 0.75)"), "{first:?}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_told_at_once_and_changes_nothing() -> Result<()> {
    let matrix = || Tensor::ones([2, 3]).build()?.requires_grad_();
    let (p, q) = (matrix()?, matrix()?);
    let step = |o: &mut dyn Optimizer| {
        o.parameters().iter().try_for_each(|p| p.set_grad(Some(p.detach().ones_like()?)))?;
        o.step()
    };
    let mut adam = Adam::new([&p]).lr(0.25).build()?;
    step(&mut adam)?;
    let before = format!("{adam:?}{:?}", kept(&adam.state_dict()?, "exp_avg").to_vec::<f32>()?);
    let mut faults = Vec::new();
    let mut refused = |state: &Value, adam: &mut Adam| {
        let fault = adam.load_state_dict(state).unwrap_err();
        assert_eq!((fault.kind(), fault.location().unwrap().file()), (ErrorKind::State, file!()), "{fault}");
        faults.push(fault.to_string());
    };
    // Another optimizer, other groups, another shape, no state at all.
    let mut sgd = SGD::new([&q]).momentum(0.9).build()?;
    step(&mut sgd)?;
    refused(&sgd.state_dict()?, &mut adam);
    let mut two = Adam::new([&p]).groups([ParamGroup::new([&q])]).build()?;
    step(&mut two)?;
    refused(&two.state_dict()?, &mut adam);
    let r = Tensor::ones([3, 2]).build()?.requires_grad_()?;
    let mut other = Adam::new([&r]).build()?;
    step(&mut other)?;
    refused(&other.state_dict()?, &mut adam);
    refused(&Value::from(3), &mut adam);
    let text = faults.join("\n");
    for part in [
        "there is no option \"momentum\" here",
        "\"betas\" is missing",
        "state 0 has \"momentum_buffer\", Adam keeps step, exp_avg, exp_avg_sq, max_exp_avg_sq",
        "1 parameter groups here and 2 in the state",
        "state 0: \"exp_avg\" is float32 [3, 2] where float32 [2, 3] is right",
        "there is no list \"param_groups\"; there is no dict \"state\"",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(format!("{adam:?}{:?}", kept(&adam.state_dict()?, "exp_avg").to_vec::<f32>()?), before);
    Ok(())
}

#[test]
fn options_that_are_unknown_or_out_of_bounds_are_refused() -> Result<()> {
    let p = Tensor::ones([2, 2]).build()?.requires_grad_()?;
    for (name, _) in ALL {
        for (option, value) in [("learning_rate", Value::from(0.1)), ("lr", (-1.0).into()), ("lr", "much".into())] {
            let fault = make(name, &[ParamGroup::new([&p]).set(option, value)]).map(drop).unwrap_err();
            assert_eq!(fault.kind(), ErrorKind::Argument, "{name}: {fault}");
            assert!(fault.to_string().contains(option) || option == "lr", "{name}: {fault}");
        }
        assert!(make(name, &[ParamGroup::new([&p, &p])]).is_err(), "{name}");
        assert!(make(name, &[]).is_err(), "{name}");
    }
    let mut o = Adam::new([&p]).build()?;
    assert!(o.add_param_group(ParamGroup::new([&p])).is_err());
    let q = Tensor::ones(2).build()?.requires_grad_()?;
    assert!(o.add_param_group(ParamGroup::new([&q]).set("eps", -1.0)).is_err());
    assert_eq!(o.groups().len(), 1);
    o.add_param_group(ParamGroup::new([&q]).set("lr", 0.5))?;
    assert_eq!((o.lr(), o.parameters().len()), (vec![1e-3, 0.5], 2));
    Ok(())
}

#[test]
fn one_made_before_the_first_call_trains_a_lazy_layer() -> Result<()> {
    use flambeau_nn::{Call, LazyLinear, Module};

    let layer = LazyLinear::new(2).build()?;
    let mut before = SGD::new(layer.parameters()).lr(0.1).momentum(0.9).build()?;
    // Nothing to train yet.
    before.step()?;
    let x = Tensor::ones([3, 4]).build()?;
    layer.call(&x)?;
    let twin = layer.deepcopy()?;
    let mut after = SGD::new(twin.parameters()).lr(0.1).momentum(0.9).build()?;
    let start = layer.weight.detach().copy()?;
    for _ in 0..3 {
        for (layer, optimizer) in [(&layer, &mut before), (&twin, &mut after)] {
            optimizer.zero_grad();
            layer.call(&x)?.square()?.sum(..)?.backward()?;
            optimizer.step()?;
        }
    }
    assert!(layer.weight.equal(&twin.weight)? && !layer.weight.equal(&start)?);
    assert!(before.parameters()[0].is(&layer.weight));
    Ok(())
}
