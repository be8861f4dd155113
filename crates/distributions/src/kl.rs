//! The Kullback-Leibler divergence of two distributions, where there is a formula.

use crate::expr::{X, x};
use crate::util::sum_rightmost;
use crate::*;
use flambeau_tensor::{Result, Tensor, bail, ensure};
use std::f64::consts::PI;

const EULER: f64 = crate::families::EULER;

/// KL(p ‖ q), the expected value of log p − log q under p, for each of the batch: `torch.distributions.kl_divergence`.
///
/// There is a formula where both are of one family (Bernoulli, Beta, Binomial, Categorical, Cauchy, ContinuousBernoulli,
/// Dirichlet, Exponential, Gamma, Geometric, Gumbel, HalfNormal, Laplace, LowRankMultivariateNormal, MultivariateNormal,
/// Normal, OneHotCategorical, Pareto, Poisson, Uniform, Wishart, and [`Independent`] of these), and for LowRankMultivariateNormal
/// and MultivariateNormal, Bernoulli and Poisson, Exponential and Gamma or
/// Normal, Gamma and Exponential or Normal, Laplace and Normal, Normal and Laplace or Gumbel, Gumbel and Normal, Uniform
/// and Exponential or Normal, Beta and Normal or Uniform.
///
/// ```
/// use flambeau_distributions::{Normal, kl_divergence};
/// let (p, q) = (Normal::new(0.0, 1.0)?, Normal::new(1.0, 1.0)?);
/// assert_eq!(kl_divergence(&p, &q)?.item::<f32>()?, 0.5);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is none, or the shapes do not broadcast.
#[track_caller]
pub fn kl_divergence(p: &dyn Distribution, q: &dyn Distribution) -> Result<Tensor> {
    macro_rules! pairs {
        ($($P:ident, $Q:ident => $f:expr;)*) => {$(
            if let (Some(p), Some(q)) = (p.as_any().downcast_ref::<$P>(), q.as_any().downcast_ref::<$Q>()) {
                let formula: fn(&$P, &$Q) -> Result<Tensor> = $f;
                return formula(p, q);
            }
        )*};
    }
    pairs! {
        Normal, Normal => normal;
        MultivariateNormal, MultivariateNormal => MultivariateNormal::kl;
        LowRankMultivariateNormal, LowRankMultivariateNormal => |p, q| p.dense()?.kl(&q.dense()?);
        LowRankMultivariateNormal, MultivariateNormal => |p, q| p.dense()?.kl(q);
        MultivariateNormal, LowRankMultivariateNormal => |p, q| p.kl(&q.dense()?);
        Wishart, Wishart => Wishart::kl;
        Bernoulli, Bernoulli => bernoulli;
        Categorical, Categorical => categorical;
        OneHotCategorical, OneHotCategorical => |p, q| categorical(p.categorical(), q.categorical());
        Beta, Beta => |p, q| {
            let (a, b, c, d) = (x(&p.concentration1), x(&p.concentration0), x(&q.concentration1), x(&q.concentration0));
            let (all_p, all_q) = (&a + &b, &c + &d);
            let norms = c.lgamma() + d.lgamma() + all_p.lgamma() - a.lgamma() - b.lgamma() - all_q.lgamma();
            let rest = (all_q - &all_p) * all_p.digamma();
            (norms + (&a - c) * a.digamma() + (&b - d) * b.digamma() + rest).get()
        };
        Binomial, Binomial => binomial;
        Cauchy, Cauchy => |p, q| {
            let (s, t) = (x(&p.scale), x(&q.scale));
            let off = (x(&p.loc) - x(&q.loc)).square();
            (((&s + &t).square() + off).log() - (4.0 * s * t).log()).get()
        };
        ContinuousBernoulli, ContinuousBernoulli => |p, q| {
            let odds = X::from(p.mean()) * (X::from(p.logits()) - X::from(q.logits()));
            let own = p.log_norm() + (-X::from(p.probs())).log1p();
            (odds + own - q.log_norm() - (-X::from(q.probs())).log1p()).get()
        };
        Dirichlet, Dirichlet => |p, q| {
            let (a, b) = (x(&p.concentration), x(&q.concentration));
            let all = a.sum(-1);
            let norms = all.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1);
            (norms + ((&a - b) * (a.digamma() - all.digamma().unsqueeze(-1))).sum(-1)).get()
        };
        Exponential, Exponential => |p, q| {
            let ratio = x(&q.rate) / x(&p.rate);
            (&ratio - ratio.log() - 1.0).get()
        };
        Gamma, Gamma => |p, q| {
            let (a, r, b, s) = (x(&p.concentration), x(&p.rate), x(&q.concentration), x(&q.rate));
            let norms = &b * (&r / &s).log() + b.lgamma() - a.lgamma();
            (norms + (&a - b) * a.digamma() + (s - &r) * (&a / &r)).get()
        };
        Geometric, Geometric => |p, q| {
            let (a, b) = (X::from(p.probs()), X::from(q.probs()));
            (-X::from(p.entropy()) - (-b).log1p() / a - X::from(q.logits())).get()
        };
        Gumbel, Gumbel => |p, q| {
            let (m, s, n, t) = (x(&p.loc), x(&p.scale), x(&q.loc), x(&q.scale));
            let ratio = &s / &t;
            let moved = n / &t - m / &t;
            let tail = (&moved + (1.0 + &ratio).lgamma()).exp();
            (&ratio * EULER - ratio.log() - moved + tail - (1.0 + EULER)).get()
        };
        HalfNormal, HalfNormal => |p, q| {
            let ratio = (x(&p.scale) / x(&q.scale)).square();
            (0.5 * (&ratio - 1.0 - ratio.log())).get()
        };
        Laplace, Laplace => |p, q| {
            let (s, t) = (x(&p.scale), x(&q.scale));
            let (ratio, off) = (&s / &t, (x(&p.loc) - x(&q.loc)).abs());
            (&off / t + &ratio * (-off / s).exp() - ratio.log() - 1.0).get()
        };
        Pareto, Pareto => |p, q| {
            let (scale, alpha) = (x(&p.scale) / x(&q.scale), x(&q.alpha) / x(&p.alpha));
            let kl = x(&q.alpha) * scale.log() - alpha.log() + &alpha - 1.0;
            kl.masked_fill(&scale.lt(1.0), f64::INFINITY).get()
        };
        Poisson, Poisson => |p, q| {
            let (a, b) = (x(&p.rate), x(&q.rate));
            (&a * (a.log() - b.log()) - (&a - &b)).get()
        };
        Uniform, Uniform => |p, q| {
            let (a, b, c, d) = (x(&p.low), x(&p.high), x(&q.low), x(&q.high));
            ((&d - &c) / (&b - &a)).log().masked_fill(&c.gt(a).or(&d.lt(b)), f64::INFINITY).get()
        };
        Bernoulli, Poisson => |p, q| {
            let rate = x(&q.rate);
            (-X::from(p.entropy()) - (X::from(p.probs()) * rate.log() - &rate)).get()
        };
        Exponential, Gamma => |p, q| {
            let (ratio, a) = (x(&q.rate) / x(&p.rate), x(&q.concentration));
            (-&a * ratio.log() + &ratio + a.lgamma() + &a * EULER - (1.0 + EULER)).get()
        };
        Exponential, Normal => |p, q| {
            let (rate, loc, variance) = (x(&p.rate), x(&q.loc), x(&q.scale).square());
            let logs = 0.5 * (rate.square() * &variance * (2.0 * PI)).log();
            (logs - 1.0 + (rate.square().reciprocal() - &loc / rate + loc.square() * 0.5) / variance).get()
        };
        Gamma, Exponential => |p, q| {
            let rate = x(&q.rate);
            (-X::from(p.entropy()) - rate.log() + &rate * x(&p.concentration) / x(&p.rate)).get()
        };
        Gamma, Normal => |p, q| {
            let (a, rate, loc, variance) = (x(&p.concentration), x(&p.rate), x(&q.loc), x(&q.scale).square());
            let logs = 0.5 * (rate.square() * &variance * (2.0 * PI)).log() - &a - a.lgamma();
            let square = 0.5 * (a.square() + &a) / rate.square() - &loc * &a / rate + 0.5 * loc.square();
            (logs + (&a - 1.0) * a.digamma() + square / variance).get()
        };
        Laplace, Normal => |p, q| {
            let (m, n, variance) = (x(&p.loc), x(&q.loc), x(&q.scale).square());
            let ratio = x(&p.scale).square() / &variance;
            (&ratio - 0.5 * (2.0 / PI * &ratio).log() + 0.5 * (m - n).square() / variance - 1.0).get()
        };
        Normal, Laplace => |p, q| {
            let (off, s, t) = (x(&p.loc) - x(&q.loc), x(&p.scale), x(&q.scale));
            let z = &off / &s;
            let spread = (2.0 / PI).sqrt() * &s * (-0.5 * z.square()).exp() + &off * (0.5f64.sqrt() * z).erf();
            (spread / &t - (s / t).log() - 0.5 * (1.0 + (0.5 * PI).ln())).get()
        };
        Normal, Gumbel => |p, q| {
            let (off, ratio) = ((x(&p.loc) - x(&q.loc)) / x(&q.scale), (x(&p.scale) / x(&q.scale)).square());
            (&off - 0.5 * ratio.log() + (0.5 * ratio - &off).exp() - 0.5 * (1.0 + (2.0 * PI).ln())).get()
        };
        Gumbel, Normal => |p, q| {
            let (s, t) = (x(&p.scale), x(&q.scale));
            let ratio = &s / &t;
            let square = (ratio.square() * (PI * PI / 12.0)) + 0.5 * ((x(&p.loc) + s * EULER - x(&q.loc)) / t).square();
            (square - (ratio / (2.0 * PI).sqrt()).log() - (EULER + 1.0)).get()
        };
        Uniform, Exponential => |p, q| {
            let (a, b, rate) = (x(&p.low), x(&p.high), x(&q.rate));
            let kl = &rate * (&b + &a) / 2.0 - ((&b - &a) * rate).log();
            kl.masked_fill(&a.lt(0.0), f64::INFINITY).get()
        };
        Uniform, Normal => |p, q| {
            let (a, b, s) = (x(&p.low), x(&p.high), x(&q.scale));
            let (width, off) = (&b - &a, (&b + &a) / 2.0 - x(&q.loc));
            let logs = ((2.0 * PI).sqrt() * &s / &width).log();
            (logs + 0.5 * (width.square() / 12.0 + off.square()) / s.square()).get()
        };
        Beta, Normal => |p, q| {
            let (mean, loc, variance) = (X::from(p.mean()), x(&q.loc), x(&q.scale).square());
            let logs = 0.5 * (&variance * (2.0 * PI)).log() - X::from(p.entropy());
            (logs + 0.5 * (X::from(p.variance()) + (mean - loc).square()) / variance).get()
        };
        Beta, Uniform => |p, q| {
            let (low, high) = (x(&q.low), x(&q.high));
            let kl = (&high - &low).log() - X::from(p.entropy());
            kl.masked_fill(&low.gt(0.0).or(&high.lt(1.0)), f64::INFINITY).get()
        };
        Independent, Independent => |p, q| {
            let (a, b) = (p.reinterpreted_batch_ndims(), q.reinterpreted_batch_ndims());
            ensure!(a == b, Unsupported, "kl_divergence", "{a} and {b} dimensions of the batch are the event");
            sum_rightmost(&kl_divergence(p.base(), q.base()).into(), a).get()
        };
    }
    bail!(Unsupported, "kl_divergence", "no formula for {} and {}", p.name(), q.name())
}

fn normal(p: &Normal, q: &Normal) -> Result<Tensor> {
    let ratio = (x(&p.scale) / x(&q.scale)).square();
    let off = ((x(&p.loc) - x(&q.loc)) / x(&q.scale)).square();
    (0.5 * (&ratio + off - 1.0 - ratio.log())).get()
}

fn bernoulli(p: &Bernoulli, q: &Bernoulli) -> Result<Tensor> {
    let (a, b) = (X::from(p.probs()), X::from(q.probs()));
    let (l, m) = (X::from(p.logits()), X::from(q.logits()));
    let yes = &a * ((-&m).softplus() - (-&l).softplus());
    let yes = yes.masked_fill(&b.eq(0.0), f64::INFINITY).masked_fill(&a.eq(0.0), 0.0);
    let no = (1.0 - &a) * (m.softplus() - l.softplus());
    (yes + no.masked_fill(&b.eq(1.0), f64::INFINITY).masked_fill(&a.eq(1.0), 0.0)).get()
}

fn categorical(p: &Categorical, q: &Categorical) -> Result<Tensor> {
    let (a, b) = (X::from(p.probs()), X::from(q.probs()));
    let each = &a * (X::from(p.logits()) - X::from(q.logits()));
    each.masked_fill(&b.eq(0.0), f64::INFINITY).masked_fill(&a.eq(0.0), 0.0).sum(-1).get()
}

fn binomial(p: &Binomial, q: &Binomial) -> Result<Tensor> {
    let (n, m) = (x(p.total_count()), x(q.total_count()));
    let fewer = n.lt(&m).get()?.any(..)?.item::<bool>()?;
    ensure!(!fewer, Unsupported, "kl_divergence", "no formula for Binomial with fewer trials on the left");
    let (a, b) = (X::from(p.probs()), X::from(q.probs()));
    let each = &a * (X::from(p.logits()) - X::from(q.logits())) + (-&a).log1p() - (-b).log1p();
    (&n * each).masked_fill(&n.gt(m), f64::INFINITY).get()
}
