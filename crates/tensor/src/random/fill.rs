//! What a generator of the host fills slices with; each call takes from the engine what PyTorch's kernel takes.

use super::element::{self, RandomElement, RandomFloat};
use super::{Generator, continuous, integers, multinomial, normal, rejection};
use crate::ensure;
use crate::error::Result;

/// `value` of the call's parameter `name` must be positive; NaN is not.
#[track_caller]
fn check_positive(op: &'static str, name: &str, value: f64) -> Result<()> {
    let positive = value > 0.0;
    ensure!(positive, Argument, op, "needs {name} > 0, got {value}");
    Ok(())
}

/// `std` of `normal_` must not be negative, nor NaN.
#[track_caller]
fn check_std(std: f64) -> Result<()> {
    let right = std >= 0.0;
    ensure!(right, Argument, "normal_", "needs std >= 0, got {std}");
    Ok(())
}

/// `len` parameters called `name` that are in `0..=most`; NaN is not.
#[track_caller]
fn check_parameters<T: RandomFloat>(op: &'static str, name: &str, len: usize, values: &[T], most: f64) -> Result<()> {
    ensure!(values.len() == len, Shape, op, "{} parameters for {len} elements", values.len());
    for (i, x) in values.iter().enumerate() {
        let x = element::DrawnIn::to_f64(x.widen());
        ensure!((0.0..=most).contains(&x), Argument, op, "{name} {i} is {x}, not in 0..={most}");
    }
    Ok(())
}

impl Generator {
    /// The next 32 bits.
    ///
    /// # Errors
    /// If it is a device's.
    #[track_caller]
    pub fn random_u32(&self) -> Result<u32> {
        Ok(self.host("random_u32")?.engine.next_u32())
    }

    /// The next 64 bits, two draws of 32.
    ///
    /// # Errors
    /// If it is a device's.
    #[track_caller]
    pub fn random_u64(&self) -> Result<u64> {
        Ok(self.host("random_u64")?.engine.next_u64())
    }

    /// Uniform samples from `[from, to)`, of 24 bits, for `f64` 53: `uniform_`, and
    /// with 0 and 1 `rand`.
    ///
    /// # Errors
    /// If `from > to`, or a bound or the distance is beyond the type's finite range.
    #[track_caller]
    pub fn uniform<T: RandomFloat>(&self, out: &mut [T], from: f64, to: f64) -> Result<()> {
        const OP: &str = "uniform_";
        let in_range = from.abs() <= T::MAX && to.abs() <= T::MAX;
        ensure!(in_range, Argument, OP, "from = {from} or to = {to} is out of bounds for {}", T::NAME);
        let distance = to - from;
        let (ordered, representable) = (from <= to, distance.abs() <= T::MAX);
        ensure!(ordered, Argument, OP, "needs from <= to, got from = {from}, to = {to}");
        ensure!(representable, Argument, OP, "to - from = {distance} is out of bounds for {}", T::NAME);
        continuous::uniform(&mut self.host("uniform_")?.engine, out, from, to);
        Ok(())
    }

    /// Normal samples: `normal_` of a contiguous tensor, and with 0 and 1 `randn`.
    ///
    /// # Errors
    /// If `std` is negative or NaN.
    #[track_caller]
    pub fn normal<T: RandomFloat>(&self, out: &mut [T], mean: f64, std: f64) -> Result<()> {
        check_std(std)?;
        normal::fill(&mut *self.host("normal_")?, out, mean, std);
        Ok(())
    }

    /// Normal samples drawn one by one: `normal_` of a tensor that is not contiguous,
    /// whose elements are to be given in the order of memory.
    ///
    /// # Errors
    /// If `std` is negative or NaN.
    #[track_caller]
    pub fn normal_serial<T: RandomFloat>(&self, out: &mut [T], mean: f64, std: f64) -> Result<()> {
        check_std(std)?;
        normal::fill_serial(&mut *self.host("normal_")?, out, mean, std);
        Ok(())
    }

    /// Exponentials of normal samples of `mean` and `std`: `log_normal_`.
    ///
    /// # Errors
    /// Unless `std > 0`.
    #[track_caller]
    pub fn log_normal<T: RandomFloat>(&self, out: &mut [T], mean: f64, std: f64) -> Result<()> {
        check_positive("log_normal_", "std", std)?;
        continuous::log_normal(&mut *self.host("log_normal_")?, out, mean, std);
        Ok(())
    }

    /// Exponential samples of rate `lambda` (mean `1 / lambda`): `exponential_`.
    ///
    /// # Errors
    /// Unless `lambda > 0`.
    #[track_caller]
    pub fn exponential<T: RandomFloat>(&self, out: &mut [T], lambda: f64) -> Result<()> {
        check_positive("exponential_", "lambda", lambda)?;
        continuous::exponential(&mut self.host("exponential_")?.engine, out, lambda);
        Ok(())
    }

    /// Numbers of trials up to the first success, of probability `p` each: `geometric_`.
    ///
    /// # Errors
    /// Unless `0 < p < 1`.
    #[track_caller]
    pub fn geometric<T: RandomElement>(&self, out: &mut [T], p: f64) -> Result<()> {
        ensure!(p > 0.0 && p < 1.0, Argument, "geometric_", "needs 0 < p < 1, got {p}");
        continuous::geometric(&mut self.host("geometric_")?.engine, out, p);
        Ok(())
    }

    /// Cauchy samples around `median` with scale `sigma`: `cauchy_`.
    ///
    /// # Errors
    /// Unless `sigma > 0`.
    #[track_caller]
    pub fn cauchy<T: RandomFloat>(&self, out: &mut [T], median: f64, sigma: f64) -> Result<()> {
        check_positive("cauchy_", "sigma", sigma)?;
        continuous::cauchy(&mut self.host("cauchy_")?.engine, out, median, sigma);
        Ok(())
    }

    /// Integers of `low..high`: `randint`, `random_(low, high)`, of any real type.
    ///
    /// # Errors
    /// If the range is empty or does not fit the type.
    #[track_caller]
    pub fn randint<T: RandomElement>(&self, out: &mut [T], low: i64, high: i64) -> Result<()> {
        let (base, span) = integers::span::<T>(low, high)?;
        integers::fill_span(&mut self.host("randint")?.engine, out, base, span);
        Ok(())
    }

    /// Integers from `low` to the type's largest (for floats to 2 to the bits of their
    /// significand): `random_(low, None)`. `i64::MIN` asks for all 64 bits.
    ///
    /// # Errors
    /// If `low` does not fit the type.
    #[track_caller]
    pub fn random_from<T: RandomElement>(&self, out: &mut [T], low: i64) -> Result<()> {
        let (base, span) = integers::span_from::<T>(low)?;
        integers::fill_span(&mut self.host("random_")?.engine, out, base, span);
        Ok(())
    }

    /// Integers from 0 to the type's largest, for floats to 2 to the bits of their
    /// significand: `random_()`.
    ///
    /// # Errors
    /// If it is a device's.
    #[track_caller]
    pub fn random<T: RandomElement>(&self, out: &mut [T]) -> Result<()> {
        integers::fill_natural(&mut self.host("random_")?.engine, out);
        Ok(())
    }

    /// A permutation of `0..out.len()`: `randperm`.
    ///
    /// # Errors
    /// If the type cannot hold the numbers.
    #[track_caller]
    pub fn randperm<T: RandomElement>(&self, out: &mut [T]) -> Result<()> {
        integers::permutation(&mut self.host("randperm")?.engine, out)
    }

    /// 1 with probability `p`, else 0: `bernoulli_(p)` and what dropout draws.
    ///
    /// # Errors
    /// Unless `0 <= p <= 1`.
    #[track_caller]
    pub fn bernoulli<T: RandomElement>(&self, out: &mut [T], p: f64) -> Result<()> {
        ensure!((0.0..=1.0).contains(&p), Argument, "bernoulli_", "needs 0 <= p <= 1, got {p}");
        integers::flips(&mut self.host("bernoulli_")?.engine, out, p);
        Ok(())
    }

    /// 1 with the probability at the same place of `p`, else 0: `bernoulli(p)`,
    /// `bernoulli_(p)` with a tensor. The type of `p` decides what is drawn.
    ///
    /// # Errors
    /// If the lengths differ or a probability is not in `[0, 1]`.
    #[track_caller]
    pub fn bernoulli_each<T: RandomElement, P: RandomFloat>(&self, out: &mut [T], p: &[P]) -> Result<()> {
        const OP: &str = "bernoulli";
        ensure!(out.len() == p.len(), Shape, OP, "{} probabilities for {} elements", p.len(), out.len());
        for (i, &p) in p.iter().enumerate() {
            let p = element::DrawnIn::to_f64(p.widen());
            ensure!((0.0..=1.0).contains(&p), Argument, OP, "probability {i} is {p}, not in [0, 1]");
        }
        integers::flips_each(&mut self.host("bernoulli")?.engine, out, p);
        Ok(())
    }

    /// Samples of the gamma distribution with rate 1 and the shape at the same place of `alpha`: `_standard_gamma`.
    ///
    /// # Errors
    /// If the lengths differ or a shape is negative or NaN.
    #[track_caller]
    pub fn standard_gamma<T: RandomFloat>(&self, out: &mut [T], alpha: &[T]) -> Result<()> {
        check_parameters("standard_gamma", "alpha", out.len(), alpha, f64::INFINITY)?;
        let (state, smallest) = (&mut self.host("standard_gamma")?, rejection::smallest::<T>());
        for (x, alpha) in out.iter_mut().zip(alpha) {
            let sample = rejection::gamma::<T::DrawnIn>(state, element::DrawnIn::to_f64(alpha.widen()));
            *x = T::from_f64(sample.max(smallest));
        }
        Ok(())
    }

    /// Rows of `categories` shares that add up to one, of the Dirichlet distribution with the concentrations at the same
    /// place of `alpha`: `_sample_dirichlet`. Never quite 0, never quite 1.
    ///
    /// # Errors
    /// If the lengths differ or are not whole rows, or a concentration is negative or NaN.
    #[track_caller]
    pub fn dirichlet<T: RandomFloat>(&self, out: &mut [T], alpha: &[T], categories: usize) -> Result<()> {
        const OP: &str = "dirichlet";
        check_parameters(OP, "alpha", out.len(), alpha, f64::INFINITY)?;
        let whole = categories > 0 && alpha.len().is_multiple_of(categories);
        ensure!(whole || alpha.is_empty(), Shape, OP, "{} numbers are no rows of {categories}", alpha.len());
        let state = &mut self.host("dirichlet")?;
        // All are drawn in double precision: a small concentration gives numbers far below what a float holds.
        let gammas: Vec<f64> = (alpha.iter())
            .map(|a| rejection::gamma::<f64>(state, element::DrawnIn::to_f64(a.widen())).max(f64::MIN_POSITIVE))
            .collect();
        let digits = T::DIGITS.unwrap_or(f64::MANTISSA_DIGITS) as i32;
        let (smallest, largest) = (rejection::smallest::<T>(), 1.0 - 0.5f64.powi(digits));
        for (out, gammas) in out.chunks_mut(categories.max(1)).zip(gammas.chunks(categories.max(1))) {
            let sum: f64 = gammas.iter().sum();
            for (x, gamma) in out.iter_mut().zip(gammas) {
                *x = T::from_f64((gamma / sum).clamp(smallest, largest));
            }
        }
        Ok(())
    }

    /// Numbers of events where the mean is the number at the same place of `rate`: `poisson`.
    ///
    /// # Errors
    /// If the lengths differ or a rate is negative, infinite or NaN.
    #[track_caller]
    pub fn poisson<T: RandomFloat>(&self, out: &mut [T], rate: &[T]) -> Result<()> {
        check_parameters("poisson", "rate", out.len(), rate, f64::MAX)?;
        let state = &mut self.host("poisson")?;
        for (x, rate) in out.iter_mut().zip(rate) {
            *x = T::from_f64(rejection::poisson(state, element::DrawnIn::to_f64(rate.widen())));
        }
        Ok(())
    }

    /// Numbers of successes in `count` trials of probability `p` each, the numbers at the same place: `binomial`.
    ///
    /// # Errors
    /// If the lengths differ, a count is negative, infinite or NaN, or a probability is not in `[0, 1]`.
    #[track_caller]
    pub fn binomial<T: RandomFloat>(&self, out: &mut [T], count: &[T], p: &[T]) -> Result<()> {
        check_parameters("binomial", "count", out.len(), count, f64::MAX)?;
        check_parameters("binomial", "probability", out.len(), p, 1.0)?;
        let state = &mut self.host("binomial")?;
        for ((x, count), p) in out.iter_mut().zip(count).zip(p) {
            let (count, p) = (element::DrawnIn::to_f64(count.widen()), element::DrawnIn::to_f64(p.widen()));
            *x = T::from_f64(rejection::binomial::<T::DrawnIn>(state, count, p));
        }
        Ok(())
    }

    /// Categories drawn by weight: `multinomial`. `weights` is one row of `categories`
    /// weights, or several; they need not add up to 1. `out` gets `samples` category
    /// numbers for each row.
    ///
    /// # Errors
    /// If the lengths do not fit, a weight is negative or not finite, a row is all
    /// zero, or more samples than categories are asked for without replacement.
    #[track_caller]
    pub fn multinomial<T: RandomFloat>(
        &self,
        out: &mut [i64],
        weights: &[T],
        categories: usize,
        samples: usize,
        replacement: bool,
    ) -> Result<()> {
        multinomial::check(out, weights, categories, samples, replacement)?;
        if weights.is_empty() {
            return Ok(());
        }
        let engine = &mut self.host("multinomial")?.engine;
        if replacement && samples > 1 {
            multinomial::with_replacement(engine, out, weights, categories)
        } else {
            multinomial::races(engine, out, weights, categories)
        }
    }
}
