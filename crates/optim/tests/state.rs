//! The state that optimizers keep: what is counted, saved, and loaded in another precision.

use flambeau_autograd::Autograd;
use flambeau_optim::*;
use flambeau_tensor::{DType, Result, Tensor};

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

#[test]
fn steps_are_not_counted_in_half_precision() -> Result<()> {
    let (_, o) = trained(DType::BF16, 300)?;
    assert_eq!(o.state_dict()?.get("state.0.step").unwrap().item::<f64>()?, 300.0);
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
        for name in ["state.0.exp_avg", "state.0.exp_avg_sq"] {
            let (old, new) = (state.get(name).unwrap(), loaded.get(name).unwrap());
            assert_eq!(new.dtype(), to);
            assert!(new.equal(&old.to_dtype(to)?)?, "{new} of {old}");
        }
        assert_eq!(loaded.get("state.0.step").unwrap().item::<f64>()?, 3.0);
        p.set_grad(Some(ones(to)?))?;
        o.step()?;
        // What was loaded is the optimizer's own.
        assert_eq!(state.get("state.0.step").unwrap().item::<f64>()?, 3.0);
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
