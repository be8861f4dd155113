//! Every transform against what PyTorch 2.15 computed in f64 (`transforms.txt`): forward, back, Jacobian; the shapes that
//! it tells; and what the registries find.

use flambeau_autograd::gradcheck;
use flambeau_distributions::*;
use flambeau_tensor::{Result, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

fn tensor(shape: &str, numbers: &str) -> Tensor {
    let shape: Vec<usize> = shape.split(',').filter(|n| *n != "0d").map(|n| n.parse().unwrap()).collect();
    let numbers: Vec<f64> = numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
    Tensor::from_vec(numbers, &shape[..]).unwrap()
}

/// By the transform's name: x, y, back, jacobian.
fn recorded() -> BTreeMap<&'static str, BTreeMap<&'static str, Tensor>> {
    let (mut all, mut name) = (BTreeMap::<_, BTreeMap<_, _>>::new(), "");
    for line in include_str!("transforms.txt").lines() {
        match line.strip_prefix("# transform ") {
            Some(next) => name = next,
            None => {
                let (head, numbers) = line.split_once(" : ").unwrap();
                let (key, shape) = head.split_once(' ').unwrap();
                all.entry(name).or_default().insert(key, tensor(shape, numbers));
            }
        }
    }
    all
}

fn transform(name: &str) -> Result<Arc<dyn Transform>> {
    let list = |v: &[f64]| Tensor::from_vec(v.to_vec(), v.len()).unwrap();
    Ok(match name {
        "exp" => ExpTransform.shared(),
        "power" => PowerTransform::new(1.5)?.shared(),
        "sigmoid" => SigmoidTransform.shared(),
        "tanh" => TanhTransform.shared(),
        "softplus" => SoftplusTransform.shared(),
        "abs" => AbsTransform.shared(),
        "affine" => AffineTransform::new(&list(&[1.0, 0.5, -2.0]), &list(&[2.0, -0.5, 1.5]), 1)?.shared(),
        "cdf" => CumulativeDistributionTransform::new(Normal::new(&list(&[0.5]), 2.0)?).shared(),
        "softmax" => SoftmaxTransform.shared(),
        "sticks" => StickBreakingTransform.shared(),
        "corr" => CorrCholeskyTransform.shared(),
        "cholesky" => LowerCholeskyTransform.shared(),
        "definite" => PositiveDefiniteTransform.shared(),
        "independent" => IndependentTransform::new(TanhTransform, 1).shared(),
        "reshape" => ReshapeTransform::new(&[3], &[3, 1])?.shared(),
        "compose" => {
            let first = AffineTransform::new(0.5, 2.0, 0)?.shared();
            ComposeTransform::new([first, StickBreakingTransform.shared(), ExpTransform.shared()]).shared()
        }
        "inverse" => InverseTransform::new(TanhTransform).shared(),
        "cat" => CatTransform::new([ExpTransform.shared(), TanhTransform.shared()], -1, &[1, 2])?.shared(),
        "stack" => {
            let last = AffineTransform::new(1.0, 2.0, 0)?.shared();
            StackTransform::new([ExpTransform.shared(), SigmoidTransform.shared(), last], -1).shared()
        }
        other => panic!("{other} is not in the table"),
    })
}

fn same(name: &str, found: Result<Tensor>, right: &Tensor) {
    let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(found.shape(), right.shape(), "{name}");
    let (a, b) = (found.to_vec::<f64>().unwrap(), right.to_vec::<f64>().unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-7 * b.abs().max(1.0)), "{name}: {a:?} is not {b:?}");
}

#[test]
fn transforms_are_pytorchs() -> Result<()> {
    let recorded = recorded();
    assert_eq!(recorded.len(), 19);
    for (name, is) in &recorded {
        let (t, x, y) = (transform(name)?, &is["x"], &is["y"]);
        same(name, t.forward(x), y);
        same(&format!("{name}, back"), t.inverse(y), &is["back"]);
        match is.get("jacobian") {
            Some(right) => same(&format!("{name}, Jacobian"), t.log_abs_det_jacobian(x, y), right),
            None => assert!(t.log_abs_det_jacobian(x, y).is_err(), "{name}"),
        }
        assert_eq!(t.forward_shape(x.shape())?, y.shape(), "{name}");
        assert_eq!(t.inverse_shape(y.shape())?, x.shape(), "{name}");
        assert!(t.codomain().check(y)?.all(..)?.item::<bool>()?, "{name} leaves {:?}", t.codomain());
    }
    Ok(())
}

/// Both ways and the Jacobian, also of what has a history.
#[test]
fn transforms_are_differentiable() -> Result<()> {
    for (name, is) in recorded() {
        let t = transform(name)?;
        let both = |x: &[Tensor]| {
            let x = x[0].mul(1.0)?;
            let y = t.forward(&x)?;
            let jacobian = t.log_abs_det_jacobian(&x, &y).or_else(|_| x.zeros_like())?;
            Ok(vec![t.inverse(&y)?, y, jacobian])
        };
        gradcheck(both, std::slice::from_ref(&is["x"])).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    Ok(())
}

#[test]
fn registries_lead_into_every_constraint() -> Result<()> {
    let number = |n: f64| Tensor::from_vec(vec![n], [1]);
    let x = tensor("3,3", "0.5 -1.2 3 0.1 0.7 -0.4 1 0.3 0.9");
    let some = [
        Constraint::Real,
        Constraint::Positive,
        Constraint::Nonnegative,
        Constraint::GreaterThan(number(2.0)?),
        Constraint::LessThan(number(-1.0)?),
        Constraint::UnitInterval,
        Constraint::Interval(number(-2.0)?, number(5.0)?),
        Constraint::Simplex,
        Constraint::CorrCholesky,
        Constraint::Positive.independent(1),
        Constraint::Cat(vec![Constraint::Positive, Constraint::UnitInterval], -1, vec![1, 2]),
        Constraint::Stack(vec![Constraint::Positive, Constraint::Real, Constraint::UnitInterval], -1),
    ];
    for constraint in some {
        let t = biject_to(&constraint)?;
        let y = t.forward(&x)?;
        assert!(constraint.check(&y)?.all(..)?.item::<bool>()?, "{constraint:?}");
        same(&format!("{constraint:?}"), t.inverse(&y), &x);
    }
    for constraint in [Constraint::Simplex, Constraint::LowerCholesky, Constraint::PositiveDefinite] {
        let y = transform_to(&constraint)?.forward(&x)?;
        assert!(constraint.check(&y)?.all(..)?.item::<bool>()?, "{constraint:?}");
    }
    assert!(biject_to(&Constraint::Boolean).is_err() && transform_to(&Constraint::OneHot).is_err());
    Ok(())
}

#[test]
fn wrong_arguments_are_errors() -> Result<()> {
    let number = Tensor::from_vec(vec![1.0f64], [])?;
    for t in [StickBreakingTransform.shared(), SoftmaxTransform.shared(), CorrCholeskyTransform.shared()] {
        assert!(t.forward(&number).is_err() && t.inverse(&number).is_err(), "{}", t.name());
    }
    let four = tensor("4", "1 2 3 4");
    assert!(CorrCholeskyTransform.forward(&four).is_err(), "4 numbers fill no triangle");
    assert!(LowerCholeskyTransform.forward(&four).is_err());
    assert!(ReshapeTransform::new(&[2], &[3]).is_err());
    assert!(ReshapeTransform::new(&[2], &[2, 1])?.forward(&four).is_err());
    assert!(CatTransform::new([ExpTransform.shared()], 0, &[1, 2]).is_err());
    assert!(StackTransform::new([ExpTransform.shared()], 0).forward(&four).is_err());
    assert!(AbsTransform.sign().is_err());
    Ok(())
}
