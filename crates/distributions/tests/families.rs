//! Every family and pair against what PyTorch 2.15 computed in f64 (`recorded.txt`): samples after `manual_seed(7)`,
//! densities, moments, divergences, and the gradients of densities and of samples.

use flambeau_autograd::Autograd;
use flambeau_distributions::*;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor};

/// The answers of one family: a name, its number where it has one, and values.
type Answers<'a> = Vec<(&'a str, &'a str, Vec<f64>)>;

fn sections() -> Vec<(&'static str, Answers<'static>)> {
    let mut sections: Vec<(&str, Answers<'_>)> = Vec::new();
    for line in include_str!("recorded.txt").lines() {
        if let Some(name) = line.strip_prefix("# ") {
            sections.push((name, Vec::new()));
            continue;
        }
        let (head, values) = line.split_once(':').unwrap();
        let (key, argument) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
        let values = values.split_whitespace().map(|v| v.parse().unwrap()).collect();
        sections.last_mut().unwrap().1.push((key, argument, values));
    }
    sections
}

fn parameters(answers: &Answers<'_>) -> Vec<Tensor> {
    let tensor = |shape: &str, values: &[f64]| {
        let sizes = shape.split(',').filter(|n| *n != "0d");
        let shape: Vec<usize> = sizes.map(|n| n.parse().unwrap()).collect();
        Tensor::from_vec(values.to_vec(), &shape[..]).unwrap()
    };
    answers.iter().filter(|a| a.0 == "param").map(|(_, shape, v)| tensor(shape, v)).collect()
}

fn family(name: &str, p: &[Tensor]) -> Result<Box<dyn Distribution>> {
    macro_rules! families {
        ($($text:literal => $make:expr;)*) => {
            match name {
                $($text => Box::new($make?) as Box<dyn Distribution>,)*
                other => panic!("{other} is not in the table"),
            }
        };
    }
    Ok(families! {
        "Normal" => Normal::new(&p[0], &p[1]);
        "Laplace" => Laplace::new(&p[0], &p[1]);
        "Cauchy" => Cauchy::new(&p[0], &p[1]);
        "StudentT" => StudentT::new(&p[0], &p[1], &p[2]);
        "Gumbel" => Gumbel::new(&p[0], &p[1]);
        "HalfNormal" => HalfNormal::new(&p[0]);
        "HalfCauchy" => HalfCauchy::new(&p[0]);
        "Exponential" => Exponential::new(&p[0]);
        "Gamma" => Gamma::new(&p[0], &p[1]);
        "Chi2" => Chi2::new(&p[0]);
        "InverseGamma" => InverseGamma::new(&p[0], &p[1]);
        "FisherSnedecor" => FisherSnedecor::new(&p[0], &p[1]);
        "LogNormal" => LogNormal::new(&p[0], &p[1]);
        "Weibull" => Weibull::new(&p[0], &p[1]);
        "Pareto" => Pareto::new(&p[0], &p[1]);
        "GeneralizedPareto" => GeneralizedPareto::new(&p[0], &p[1], &p[2]);
        "Uniform" => Uniform::new(&p[0], &p[1]);
        "Beta" => Beta::new(&p[0], &p[1]);
        "Kumaraswamy" => Kumaraswamy::new(&p[0], &p[1]);
        "Dirichlet" => Dirichlet::new(&p[0]);
        "ContinuousBernoulli" => ContinuousBernoulli::new(&p[0]);
        "ContinuousBernoulli/logits" => ContinuousBernoulli::from_logits(&p[0]);
        "Bernoulli" => Bernoulli::new(&p[0]);
        "Bernoulli/logits" => Bernoulli::from_logits(&p[0]);
        "Geometric" => Geometric::new(&p[0]);
        "Geometric/logits" => Geometric::from_logits(&p[0]);
        "Binomial" => Binomial::new(40, &p[0]);
        "Binomial/logits" => Binomial::from_logits(5, &p[0]);
        "NegativeBinomial" => NegativeBinomial::new(&p[0], &p[1]);
        "NegativeBinomial/logits" => NegativeBinomial::from_logits(&p[0], &p[1]);
        "Poisson" => Poisson::new(&p[0]);
        "Categorical" => Categorical::new(&p[0]);
        "Categorical/logits" => Categorical::from_logits(&p[0]);
        "OneHotCategorical" => OneHotCategorical::new(&p[0]);
        "OneHotCategoricalStraightThrough" => OneHotCategoricalStraightThrough::new(&p[0]);
        "Multinomial" => Multinomial::new(6, &p[0]);
        "VonMises" => VonMises::new(&p[0], &p[1]);
        "MultivariateNormal" => MultivariateNormal::new(&p[0], &p[1]);
        "MultivariateNormal/tril" => MultivariateNormal::from_scale_tril(&p[0], &p[1]);
        "Independent" => Independent::new(Normal::new(&p[0], &p[1])?, 1);
        "LogisticNormal" => LogisticNormal::new(&p[0], &p[1]);
        "RelaxedBernoulli" => RelaxedBernoulli::new(&p[0], &p[1]);
        "RelaxedBernoulli/logits" => RelaxedBernoulli::from_logits(&p[0], &p[1]);
        "RelaxedOneHotCategorical" => RelaxedOneHotCategorical::new(&p[0], &p[1]);
        "RelaxedOneHotCategorical/logits" => RelaxedOneHotCategorical::from_logits(&p[0], &p[1]);
        "LowRankMultivariateNormal" => LowRankMultivariateNormal::new(&p[0], &p[1], &p[2]);
        "LKJCholesky" => LKJCholesky::new(3, &p[0]);
        "Wishart" => Wishart::new(&p[0], &p[1]);
        "Wishart/tril" => Wishart::from_scale_tril(&p[0], p[1].tril(0)?);
        "TransformedDistribution" => {
            let turned = ComposeTransform::new([AffineTransform::new(1.0, -2.0, 0)?.shared(), SigmoidTransform.shared()]);
            TransformedDistribution::new(Normal::new(&p[0], &p[1])?, turned)
        };
        "TransformedDistribution/power" => {
            TransformedDistribution::new(Exponential::new(&p[0])?, PowerTransform::new(0.5)?)
        };
        "TransformedDistribution/sticks" => {
            TransformedDistribution::new(Normal::new(&p[0], &p[1])?, StickBreakingTransform)
        };
        "MixtureSameFamily" => MixtureSameFamily::new(Categorical::new(&p[0])?, Normal::new(&p[1], &p[2])?);
    })
}

/// What is not PyTorch's, or nothing.
fn differs(found: &Tensor, expected: &[f64]) -> Option<String> {
    let found = found.detach().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let near = |x: f64, e: f64| x == e || (x.is_nan() && e.is_nan()) || (x - e).abs() <= 1e-6 * e.abs().max(1.0);
    let same = found.len() == expected.len() && found.iter().zip(expected).all(|(x, e)| near(*x, *e));
    (!same).then(|| format!("{found:?}, not {expected:?}"))
}

fn answer(name: &str, answers: &Answers<'_>, key: &str, argument: &str) -> Result<Tensor> {
    let p = parameters(answers);
    let with_history = |on: bool| p.iter().map(move |t| if on { t.detach().requires_grad_() } else { Ok(t.clone()) });
    let p = with_history(key.starts_with("d_")).collect::<Result<Vec<_>>>()?;
    let d = family(name, &p)?;
    let sample = with_generator(&Generator::with_seed(7), || d.sample(&[2]))?;
    let gradient = |y: Tensor| {
        y.sum(..)?.backward()?;
        Ok(p[argument.parse::<usize>().unwrap()].grad().expect("the parameter has a gradient"))
    };
    match key {
        "sample" => Ok(sample),
        "mean" => d.mean(),
        "mode" => d.mode(),
        "variance" => d.variance(),
        "stddev" => d.stddev(),
        "log_prob" => d.log_prob(&sample),
        "cdf" => d.cdf(&sample),
        "icdf" => d.icdf(&Tensor::from_vec(vec![0.3, 0.8], 2)?),
        "entropy" => d.entropy(),
        "enumerate_support" => d.enumerate_support(true),
        "d_log_prob" => gradient(d.log_prob(&sample)?),
        "d_rsample" => {
            assert!(d.has_rsample());
            gradient(with_generator(&Generator::with_seed(7), || d.rsample(&[2]))?.square()?)
        }
        other => panic!("{other} is no answer"),
    }
}

#[test]
fn families_are_pytorchs() {
    let mut wrong = Vec::new();
    let sections = sections();
    for (name, answers) in sections.iter().filter(|(name, _)| !name.starts_with("kl ")) {
        for (key, argument, expected) in answers.iter().filter(|a| a.0 != "param") {
            let trouble = match answer(name, answers, key, argument) {
                Ok(found) => differs(&found, expected),
                Err(e) => Some(e.to_string()),
            };
            wrong.extend(trouble.map(|t| format!("{name} {key} {argument}: {t}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The distribution of a pair, moved by `i`.
fn side(name: &str, i: f64) -> Result<Box<dyn Distribution>> {
    let t = |v: &[f64]| Tensor::from_vec(v.to_vec(), v.len()).unwrap();
    let (loc, scale) = (t(&[0.5 + i, -1.0 + i]), t(&[0.7 + i, 2.0 + i]));
    let probs = t(&[0.2, 0.75]).mul(1.0 - i / 2.0)?;
    let weights = t(&[1.0 + i, 2.0 + i, 3.0 + i]);
    Ok(match name {
        "Normal" => Box::new(Normal::new(&loc, &scale)?),
        "Laplace" => Box::new(Laplace::new(&loc, &scale)?),
        "Cauchy" => Box::new(Cauchy::new(&loc, &scale)?),
        "Gumbel" => Box::new(Gumbel::new(&loc, &scale)?),
        "HalfNormal" => Box::new(HalfNormal::new(&scale)?),
        "Exponential" => Box::new(Exponential::new(&scale)?),
        "Gamma" => Box::new(Gamma::new(&t(&[0.5 + i, 9.0 + i]), &scale)?),
        "Beta" => Box::new(Beta::new(&t(&[0.5 + i, 3.0 + i]), &t(&[2.0 + i, 7.0 + i]))?),
        "Dirichlet" => Box::new(Dirichlet::new(&t(&[0.5 + i, 2.0 + i, 3.0 + i]))?),
        "Bernoulli" => Box::new(Bernoulli::new(&probs)?),
        "Geometric" => Box::new(Geometric::new(&probs)?),
        "Binomial" => Box::new(Binomial::new(5, &probs)?),
        "ContinuousBernoulli" => Box::new(ContinuousBernoulli::new(&probs)?),
        "Poisson" => Box::new(Poisson::new(&t(&[0.5 + i, 20.0 + i]))?),
        "Categorical" => Box::new(Categorical::new(&weights)?),
        "OneHotCategorical" => Box::new(OneHotCategorical::new(&weights)?),
        "Pareto" => Box::new(Pareto::new(&scale.sub(1.5 * i)?, &t(&[1.5 + i, 3.0 + i]))?),
        "Uniform" => Box::new(Uniform::new(&t(&[0.5 - i, -1.0 - i]), &t(&[1.5 + i, 0.25 + i]))?),
        "MultivariateNormal" => {
            let covariance = t(&[2.0 + i, 0.5, 0.5, 1.0 + i]).reshape([2, 2])?;
            Box::new(MultivariateNormal::new(&loc, &covariance)?)
        }
        "Independent" => Box::new(Independent::new(Normal::new(&loc, &scale)?, 1)?),
        other => panic!("{other} is not in the table"),
    })
}

#[test]
fn divergences_are_pytorchs() {
    let mut wrong = Vec::new();
    for (name, answers) in sections() {
        let Some((p, q)) = name.strip_prefix("kl ").and_then(|pair| pair.split_once(' ')) else { continue };
        let found = kl_divergence(&*side(p, 0.0).unwrap(), &*side(q, 1.0).unwrap());
        let trouble = found.map_or_else(|e| Some(e.to_string()), |kl| differs(&kl, &answers[0].2));
        wrong.extend(trouble.map(|t| format!("{name}: {t}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(kl_divergence(&*side("Cauchy", 0.0).unwrap(), &*side("Poisson", 0.0).unwrap()).is_err());
}

#[test]
fn wrong_arguments_are_errors() {
    let t = |v: &[f64]| Tensor::from_vec(v.to_vec(), v.len()).unwrap();
    assert!(Normal::new(0.0, -1.0).is_err() && Normal::new(f64::NAN, 1.0).is_err());
    assert!(Normal::new(&t(&[0.0, 1.0]), &t(&[1.0, 2.0, 3.0])).is_err());
    assert!(Bernoulli::new(1.5).is_err() && Geometric::new(0.0).is_err() && Uniform::new(1.0, 1.0).is_err());
    assert!(Categorical::new(&t(&[0.5, -0.5])).is_err() && Binomial::new(-1, 0.5).is_err());
    assert!(Dirichlet::new(1.0).is_err());
    let matrix = t(&[1.0, 2.0, 2.0, 1.0]).reshape([2, 2]).unwrap();
    assert!(MultivariateNormal::new(&t(&[0.0, 0.0]), &matrix).is_err());
    assert!(MultivariateNormal::from_scale_tril(&t(&[0.0]), &t(&[1.0])).is_err());
    let gamma = Gamma::new(1.0, 1.0).unwrap();
    assert!(gamma.log_prob(&t(&[-1.0])).is_err() && gamma.icdf(&t(&[0.5])).is_err());
    assert!(Independent::new(gamma, 1).is_err());
    let pair = Normal::new(&t(&[0.0, 1.0]), 1.0).unwrap();
    assert!(pair.log_prob(&t(&[0.0, 0.0, 0.0])).is_err() && pair.expand(&[3]).is_err());
    assert_eq!(pair.expand(&[4, 2]).unwrap().batch_shape(), [4, 2]);
    assert!(MixtureSameFamily::new(Categorical::new(&t(&[1.0, 1.0, 1.0])).unwrap(), pair).is_err());
    assert!(RelaxedBernoulli::new(0.0, 0.5).is_err() && RelaxedBernoulli::new(1.0, 1.5).is_err());
    assert!(RelaxedOneHotCategorical::new(&t(&[1.0, 2.0, 3.0]), &t(&[0.5, 0.5])).is_err());
    assert!(LKJCholesky::new(1, 1.0).is_err() && LKJCholesky::new(2, 0.0).is_err());
    let eye = Tensor::eye(2).dtype(DType::F64).build().unwrap();
    assert!(Wishart::new(1.0, &eye).is_err() && Wishart::from_scale_tril(3.0, &t(&[1.0])).is_err());
    assert!(LowRankMultivariateNormal::new(&t(&[0.0; 3]), &eye, &t(&[1.0; 3])).is_err());
    assert!(LowRankMultivariateNormal::new(&t(&[0.0; 2]), &eye, &t(&[1.0, -1.0])).is_err());
    let number = Normal::new(0.0, 1.0).unwrap();
    assert!(TransformedDistribution::new(number.clone(), StickBreakingTransform).is_err());
    let positive = TransformedDistribution::new(number, ExpTransform).unwrap();
    assert!(positive.log_prob(&t(&[-1.0])).is_err() && positive.entropy().is_err());
    assert_eq!(LogisticNormal::new(0.0, 1.0).unwrap().expand(&[4]).unwrap().sample(&[3]).unwrap().shape(), [3, 4, 2]);
}

/// The divergences of a covariance matrix that is kept in parts are those of the whole one.
#[test]
fn low_rank_is_the_same_family() {
    let t = |v: &[f64]| Tensor::from_vec(v.to_vec(), v.len()).unwrap();
    let low = |s: f64| {
        let w = t(&[1.0, -0.5]).reshape([2, 1]).unwrap();
        LowRankMultivariateNormal::new(&t(&[0.5, s]), &w, &t(&[s, 2.0])).unwrap()
    };
    let whole =
        |d: &LowRankMultivariateNormal| MultivariateNormal::new(d.loc(), &d.covariance_matrix().unwrap()).unwrap();
    let (p, q) = (low(1.0), low(3.0));
    let right = kl_divergence(&whole(&p), &whole(&q)).unwrap().item::<f64>().unwrap();
    for found in [kl_divergence(&p, &q), kl_divergence(&p, &whole(&q)), kl_divergence(&whole(&p), &q)] {
        assert!((found.unwrap().item::<f64>().unwrap() - right).abs() < 1e-12);
    }
}

#[test]
fn kl_of_wisharts_is_pytorchs_for_each_pair() {
    // What PyTorch gives for each pair alone; for a batch it adds up what is not of one pair.
    let wide = |numbers: &[f64]| Tensor::from_slice(numbers, [2, 2]).unwrap();
    let p = Wishart::new(3.5, wide(&[2.0, 0.5, 0.5, 1.0])).unwrap();
    let q = Wishart::new(Tensor::from_slice(&[5.0, 2.5], 2).unwrap(), wide(&[1.0, -0.3, -0.3, 2.0])).unwrap();
    let found = kl_divergence(&p, &q).unwrap().to_vec::<f64>().unwrap();
    for (found, theirs) in found.iter().zip([2.0270812155034386, 1.7630717925993507]) {
        assert!((found - theirs).abs() < 1e-12, "{found} {theirs}");
    }
    let small = Wishart::new(3.5, Tensor::from_slice(&[2.0], [1, 1]).unwrap()).unwrap();
    assert!(kl_divergence(&p, &small).unwrap_err().to_string().contains("2 and 1 rows"));
}

/// PyTorch draws on for ever.
#[test]
fn von_mises_of_any_concentration_ends() -> Result<()> {
    let of = Tensor::from_vec(vec![1e-300, 3.0, 1e14, 1e16, 1e17, 1e300, f64::INFINITY], 7)?;
    let drawn = VonMises::new(1.0, of)?.sample(&[100])?;
    assert!(drawn.isfinite()?.all(..)?.item::<bool>()?);
    let close = drawn.narrow(1, 2, 5)?.sub(1.0)?.abs()?.max_all()?.item::<f64>()?;
    assert!(close < 1e-6, "{close}");
    Ok(())
}
