//! Averages of weights.

use flambeau_autograd::no_grad;
use flambeau_nn::{BatchNorm1d, Call, Linear, Module, Sequential};
use flambeau_optim::swa_utils::{AveragedModel, update_bn};
use flambeau_tensor::{Result, Tensor, tensor};

fn model(weight: f64) -> Result<Linear> {
    let model = Linear::new(1, 1).build()?;
    no_grad(|| model.parameters().iter().try_for_each(|p| p.fill_(weight).map(drop)))?;
    Ok(model)
}

#[test]
fn equal_and_exponential_averages() -> Result<()> {
    let (equal, moving) = (AveragedModel::new(model(9.0)?)?, AveragedModel::ema(model(9.0)?, 0.75)?);
    let mut seen = Vec::new();
    for weight in [1.0, 3.0, 8.0] {
        equal.update_parameters(&model(weight)?)?;
        moving.update_parameters(&model(weight)?)?;
        seen.push((equal.module.weight.item::<f64>()?, moving.module.weight.item::<f64>()?));
    }
    assert_eq!(seen, [(1.0, 1.0), (2.0, 1.5), (4.0, 3.125)]);
    assert_eq!(equal.n_averaged.item::<i64>()?, 3);
    let names: Vec<String> = equal.state_dict().keys().map(str::to_string).collect();
    assert_eq!(names, ["n_averaged", "module.weight", "module.bias"]);
    // The average is still trained by nobody else, and another form is refused whole.
    assert!(equal.module.weight.requires_grad());
    assert!(equal.update_parameters(&Linear::new(1, 2).build()?).is_err());
    assert_eq!(equal.module.weight.item::<f64>()?, 4.0);
    assert!(AveragedModel::ema(model(1.0)?, 1.5).is_err());
    Ok(())
}

#[test]
fn buffers_are_averaged_or_the_last() -> Result<()> {
    let norm = |mean: f64| -> Result<BatchNorm1d> {
        let norm = BatchNorm1d::new(1).build()?;
        norm.running_mean.as_ref().expect("tracked").fill_(mean)?;
        Ok(norm)
    };
    let mean = |m: &AveragedModel<BatchNorm1d>| m.module.running_mean.as_ref().expect("tracked").item::<f64>();
    let (last, average) = (AveragedModel::new(norm(0.0)?)?, AveragedModel::new(norm(0.0)?)?.use_buffers(true));
    for x in [2.0, 6.0] {
        last.update_parameters(&norm(x)?)?;
        average.update_parameters(&norm(x)?)?;
    }
    assert_eq!((mean(&last)?, mean(&average)?), (6.0, 4.0));
    Ok(())
}

#[test]
fn running_statistics_are_made_anew() -> Result<()> {
    for momentum in [Some(0.1), None] {
        let norm = BatchNorm1d::new(1).momentum(momentum).build()?;
        let model = Sequential::of((norm,))?;
        model.call(&tensor!([[100.0], [200.0]]))?;
        model.eval();
        let batches = [tensor!([[1.0], [3.0]]), tensor!([[5.0], [9.0]])];
        update_bn(&model, batches.map(Ok), |x: Tensor| model.call(&x).map(drop))?;
        let state = model.state_dict();
        let number = |name: &str| state.get(name).expect("a buffer").item::<f64>();
        let (mean, var, count) =
            (number("0.running_mean")?, number("0.running_var")?, number("0.num_batches_tracked")?);
        // The unbiased variances are 2 and 8.
        assert!((mean - 4.5).abs() < 1e-5 && (var - 5.0).abs() < 1e-5 && count == 2.0, "{mean} {var} {count}");
        assert!(!model.is_training());
    }
    Ok(())
}
