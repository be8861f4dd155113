//! Families take any parameters, values and shapes of samples: the right answer or an error, soon, in little memory.

#[path = "../../../tensor/tests/attack/thrown.rs"]
mod thrown;

use flambeau_autograd as _;
use flambeau_distributions::*;
use flambeau_tensor::{Result, Tensor};
use thrown::{Given, Thrown};

/// Asks for all that a family gives. What it lacks or refuses is no fault; that is seen at the parameters.
fn ask(family: &impl Distribution, shape: &[usize], value: &Tensor) -> Result<()> {
    for given in [
        family.sample(shape),
        family.rsample(shape),
        family.log_prob(value),
        family.cdf(value),
        family.icdf(value),
        family.entropy(),
        family.mean(),
        family.mode(),
        family.variance(),
        family.enumerate_support(true),
    ] {
        drop(given);
    }
    drop(family.expand(shape));
    drop(kl_divergence(family, family));
    Ok(())
}

fn shapes(t: &mut Thrown) -> Vec<usize> {
    let size = t.size();
    t.pick(&[vec![], vec![2], vec![3, 2], vec![0], vec![size], vec![size, size], vec![0, size]])
}

/// Parameters that families mostly take.
fn positive(t: &mut Thrown, shape: &[usize]) -> Tensor {
    let x: Given = t.tensor(shape);
    if t.one_in(4) { (*x).clone() } else { x.abs().and_then(|x| x.add(0.25)).unwrap_or_else(|_| (*x).clone()) }
}

fn share(t: &mut Thrown, shape: &[usize]) -> Tensor {
    let x: Given = t.tensor(shape);
    if t.one_in(4) { (*x).clone() } else { x.sigmoid().unwrap_or_else(|_| (*x).clone()) }
}

/// Told of by shape: a failed call prints what it was given.
struct By<T>(T);

impl std::fmt::Debug for By<Tensor> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.0.dtype(), self.0.shape())
    }
}

#[test]
fn families_of_numbers() {
    let mut t = Thrown::default();
    macro_rules! of_two {
        ($($Family:ident)*) => {
            throw! { t; $(
                $Family(a = By(positive(&mut t, &[2, 3])), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = By(positive(&mut t, &[2, 3]))) =>
                    ask(&$Family::new(&a.0, &b.0)?, &s, &v.0);
            )* }
        };
    }
    macro_rules! of_one {
        ($make:ident: $($Family:ident)*) => {
            throw! { t; $(
                $Family(a = By($make(&mut t, &[2, 3])), s = shapes(&mut t), v = By(share(&mut t, &[2, 3]))) => ask(&$Family::new(&a.0)?, &s, &v.0);
            )* }
        };
    }
    of_two! { Normal LogNormal Laplace Cauchy Gumbel Gamma Beta FisherSnedecor InverseGamma Kumaraswamy Pareto Weibull VonMises LogisticNormal Binomial NegativeBinomial }
    of_one! { positive: Exponential HalfNormal HalfCauchy Chi2 Poisson Dirichlet }
    of_one! { share: Bernoulli Geometric ContinuousBernoulli Categorical OneHotCategorical OneHotCategoricalStraightThrough }
    throw! { t;
        uniform(a = t.tensor(&[2, 3]), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&Uniform::new(&*a, &a.add(&b.0)?)?, &s, &v);
        student(d = By(positive(&mut t, &[2, 3])), a = t.tensor(&[3]), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&StudentT::new(&d.0, &*a, &b.0)?, &s, &v);
        generalized_pareto(d = t.tensor(&[2, 3]), a = By(positive(&mut t, &[3])), b = t.tensor(&[3]), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&GeneralizedPareto::new(&*d, &a.0, &*b)?, &s, &v);
        relaxed(a = t.number(), b = By(share(&mut t, &[3])), s = shapes(&mut t), v = By(share(&mut t, &[3]))) => ask(&RelaxedBernoulli::new(a, &b.0)?, &s, &v.0);
        relaxed_categories(a = t.number(), b = By(share(&mut t, &[3])), s = shapes(&mut t), v = By(share(&mut t, &[3]))) => ask(&RelaxedOneHotCategorical::new(a, &b.0)?, &s, &v.0);
        normal_of_numbers(a = t.number(), b = t.number(), s = shapes(&mut t), v = t.tensor(&[3])) => ask(&Normal::new(a, b)?, &s, &v);
        gamma_of_numbers(a = t.number(), b = t.number(), s = shapes(&mut t), v = t.tensor(&[3])) => ask(&Gamma::new(a, b)?, &s, &v);
        poisson_of_a_number(a = t.number(), s = shapes(&mut t), v = t.tensor(&[3])) => ask(&Poisson::new(a)?, &s, &v);
        binomial_of_numbers(a = t.number(), b = t.number(), s = shapes(&mut t), v = t.tensor(&[3])) => ask(&Binomial::new(a, b)?, &s, &v);
        von_mises_of_numbers(a = t.number(), b = t.number(), s = shapes(&mut t), v = t.tensor(&[3])) => ask(&VonMises::new(a, b)?, &s, &v);
    }
    t.report();
}

#[test]
fn families_of_vectors_and_matrices() {
    let mut t = Thrown::default();
    throw! { t;
        multinomial(n = t.size(), p = By(share(&mut t, &[2, 3])), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&Multinomial::new(n, &p.0)?, &s, &v);
        multivariate(a = t.tensor(&[2, 3]), m = t.tensor(&[3, 3]), s = shapes(&mut t), v = t.tensor(&[2, 3])) =>
            ask(&MultivariateNormal::new(&*a, &m.matmul(&m.t()?)?.add(&Tensor::eye(3).build()?)?)?, &s, &v);
        low_rank(a = t.tensor(&[2, 3]), f = t.tensor(&[3, 2]), d = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&LowRankMultivariateNormal::new(&*a, &*f, &d.0)?, &s, &v);
        lkj(n = t.size(), c = By(positive(&mut t, &[2])), s = shapes(&mut t), v = t.tensor(&[3, 3])) => ask(&LKJCholesky::new(n, &c.0)?, &s, &v);
        wishart(d = By(positive(&mut t, &[2])), m = t.tensor(&[3, 3]), s = shapes(&mut t), v = t.tensor(&[3, 3])) =>
            ask(&Wishart::new(&d.0.add(3.0)?, &m.matmul(&m.t()?)?.add(&Tensor::eye(3).build()?)?)?, &s, &v);
        independent(a = t.tensor(&[2, 3]), b = By(positive(&mut t, &[3])), n = t.size(), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&Independent::new(Normal::new(&*a, &b.0)?, n)?, &s, &v);
        mixture(p = By(share(&mut t, &[3])), a = t.tensor(&[3]), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2])) =>
            ask(&MixtureSameFamily::new(Categorical::new(&p.0)?, Normal::new(&*a, &b.0)?)?, &s, &v);
        cholesky_of_correlations(a = t.tensor(&[2, 3]), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2, 3, 3])) =>
            ask(&TransformedDistribution::new(Normal::new(&*a, &b.0)?, CorrCholeskyTransform)?, &s, &v);
        sticks(a = t.tensor(&[2, 3]), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2, 4])) =>
            ask(&TransformedDistribution::new(Normal::new(&*a, &b.0)?, StickBreakingTransform)?, &s, &v);
        transformed(a = t.tensor(&[2, 3]), b = By(positive(&mut t, &[3])), s = shapes(&mut t), v = t.tensor(&[2, 3])) => ask(&TransformedDistribution::new(Normal::new(&*a, &b.0)?, ExpTransform)?, &s, &v);
    }
    t.report();
}
