//! Random numbers, to the bit as PyTorch's CPU generator gives them.
//!
//! A [`Generator`] is a shared handle on a Mersenne Twister; its methods fill slices.
//! A fill holds the generator's lock once, and takes from the engine what PyTorch's
//! CPU kernel for the same call takes, in the same order, so that the same seed gives
//! the same tensors, and the calls after them agree too. What that means call by call:
//!
//! | PyTorch | here | drawn |
//! | --- | --- | --- |
//! | `rand`, `uniform_` | [`uniform`](Generator::uniform) | 32 bits an element; `f64` 64 |
//! | `randn`, `normal_` | [`normal`](Generator::normal) | fewer than 16: 53-bit pairs, the odd one waits; else blocks of 16 |
//! | `normal_` of a non-contiguous tensor | [`normal_serial`](Generator::normal_serial) | 53-bit pairs |
//! | `randint`, `random_(a, b)` | [`randint`](Generator::randint) | 32 bits an element; 64 where `b - a >= 2^28` |
//! | `random_()` | [`random`](Generator::random) | 32 bits an element; `i64`, `f64` 64 |
//! | `randperm` | [`randperm`](Generator::randperm) | 32 bits for all but the last; from 214,748,364 elements on 64 for each |
//! | `bernoulli_(p)`, `bernoulli(x, p)`, dropout | [`bernoulli`](Generator::bernoulli) | 64 bits an element |
//! | `bernoulli(x)`, `bernoulli_(tensor)` | [`bernoulli_each`](Generator::bernoulli_each) | 32 bits an element; 64 where the probabilities are `f64` |
//! | `exponential_`, `geometric_`, `cauchy_` | the same names | 64 bits an element |
//! | `log_normal_` | [`log_normal`](Generator::log_normal) | 53-bit pairs, as short `normal_` |
//! | `poisson`, `binomial`, `_standard_gamma`, `_sample_dirichlet` | [`poisson`](Generator::poisson) and so on | 64 bits a trial, gamma 53-bit pairs, too |
//! | `multinomial` | [`multinomial`](Generator::multinomial) | replacement: 64 bits a sample; else, or for one sample: 64 bits a weight |
//!
//! Complex tensors are filled as their real view, `normal_` with `std / sqrt(2)`.
//! PyTorch fills in the order of memory, not of indices: a transposed tensor is
//! filled as the dense one below it.
//!
//! PyTorch on Intel processors draws `bernoulli_(p)` from MKL instead; this is what
//! it does on all others.

mod continuous;
mod element;
mod integers;
mod mt19937;
mod multinomial;
mod normal;
mod rejection;
mod simd;
mod state;
#[cfg(test)]
mod tests;

use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

pub use element::{RandomElement, RandomFloat};
pub use state::GeneratorState;

/// The seed of a generator that was given none, as in PyTorch.
pub const DEFAULT_SEED: u64 = 67_280_421_310_721;

/// A source of random numbers: a handle, cheap to clone, on a shared state. Clones
/// draw from the same sequence; [`fork`](Generator::fork) makes an independent one.
///
/// Follows `torch.Generator` on the CPU.
#[derive(Clone)]
pub struct Generator {
    state: Arc<Mutex<GeneratorState>>,
}

thread_local! {
    /// What [`with_generator`] put in the default generator's place on this thread.
    static CURRENT: RefCell<Option<Generator>> = const { RefCell::new(None) };
}

/// The generator that calls without one draw from: seeded anew in every process, one for all threads.
/// Inside [`with_generator`] it is the one given there.
pub fn default_generator() -> Generator {
    static DEFAULT: LazyLock<Generator> = LazyLock::new(|| Generator::with_seed(entropy()));
    CURRENT.with_borrow(|current| current.as_ref().unwrap_or(&DEFAULT).clone())
}

/// Runs `f` with `generator` as this thread's default generator: what draws inside without naming a
/// generator draws from it, and [`manual_seed`] seeds it. Other threads see nothing of it.
///
/// ```
/// use flambeau_tensor::{Generator, Tensor, random::with_generator};
///
/// let draw = || with_generator(&Generator::with_seed(7), || Tensor::rand(3).build()?.to_vec::<f32>());
/// assert_eq!(draw()?, draw()?);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn with_generator<R>(generator: &Generator, f: impl FnOnce() -> R) -> R {
    /// Puts the one before back, after a panic too.
    struct Restore(Option<Generator>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(generator.clone())));
    f()
}

/// Seeds the default generator, as `torch.manual_seed`.
pub fn manual_seed(seed: u64) {
    default_generator().manual_seed(seed);
}

/// The default generator's seed, as `torch.initial_seed`.
pub fn initial_seed() -> u64 {
    default_generator().initial_seed()
}

/// The default generator's state, `u8 [5056]`: `torch.get_rng_state`, whose tensors are of the same form.
///
/// ```
/// use flambeau_tensor::{Tensor, random::{get_rng_state, set_rng_state}};
///
/// let state = get_rng_state()?;
/// let first = Tensor::rand(3).build()?.to_vec::<f32>()?;
/// set_rng_state(&state)?;
/// assert_eq!(Tensor::rand(3).build()?.to_vec::<f32>()?, first);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is no memory for it.
#[track_caller]
pub fn get_rng_state() -> Result<Tensor> {
    let bytes = default_generator().get_state().to_bytes();
    let len = bytes.len();
    Tensor::from_vec(bytes, len)
}

/// Puts the default generator into `state`, which [`get_rng_state`] or PyTorch's function of that name gave:
/// `torch.set_rng_state`.
///
/// # Errors
/// Where `state` is not `u8 [5056]` or no generator can be in it.
#[track_caller]
pub fn set_rng_state(state: &Tensor) -> Result<()> {
    let bytes = state.to_vec::<u8>()?;
    default_generator().set_state(&GeneratorState::from_bytes(&bytes)?);
    Ok(())
}

/// 53 bits that differ from run to run: as many as a double holds, so that a seed
/// survives a passage through JSON.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // Each `RandomState` has other keys, which come from the operating system.
    let mut hasher = RandomState::new().build_hasher();
    if let Ok(now) = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        hasher.write_u128(now.as_nanos());
    }
    hasher.write_u32(std::process::id());
    hasher.finish() & ((1 << 53) - 1)
}

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
        let x = element::Compute::to_f64(x.widen());
        ensure!((0.0..=most).contains(&x), Argument, op, "{name} {i} is {x}, not in 0..={most}");
    }
    Ok(())
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("seed", &self.initial_seed()).finish_non_exhaustive()
    }
}

/// So that builders take `.generator(&g)` where a generator is optional.
impl From<&Generator> for Option<Generator> {
    fn from(generator: &Generator) -> Option<Generator> {
        Some(generator.clone())
    }
}

impl Generator {
    /// A generator seeded with [`DEFAULT_SEED`], as `torch.Generator()`.
    pub fn new() -> Self {
        Self::with_seed(DEFAULT_SEED)
    }

    /// A generator seeded with `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(GeneratorState::seeded(seed))) }
    }

    /// Starts anew from `seed`. As in PyTorch the low 32 bits decide the sequence.
    pub fn manual_seed(&self, seed: u64) {
        *self.state.lock() = GeneratorState::seeded(seed);
    }

    /// Starts anew from a seed that nobody can foresee, and returns it.
    pub fn seed(&self) -> u64 {
        let seed = entropy();
        self.manual_seed(seed);
        seed
    }

    /// The seed it was last given, all 64 bits.
    pub fn initial_seed(&self) -> u64 {
        self.state.lock().engine.seed()
    }

    /// Its state, to come back to.
    pub fn get_state(&self) -> GeneratorState {
        self.state.lock().clone()
    }

    /// Goes on from a saved state.
    pub fn set_state(&self, state: &GeneratorState) {
        *self.state.lock() = state.clone();
    }

    /// An independent generator that stands where this one stands, as
    /// `torch.Generator.clone_state`.
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.get_state())) }
    }

    /// True if both are handles on the same state.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// The next 32 bits.
    pub fn random_u32(&self) -> u32 {
        self.state.lock().engine.next_u32()
    }

    /// The next 64 bits, two draws of 32.
    pub fn random_u64(&self) -> u64 {
        self.state.lock().engine.next_u64()
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
        continuous::uniform(&mut self.state.lock().engine, out, from, to);
        Ok(())
    }

    /// Normal samples: `normal_` of a contiguous tensor, and with 0 and 1 `randn`.
    ///
    /// # Errors
    /// If `std` is negative or NaN.
    #[track_caller]
    pub fn normal<T: RandomFloat>(&self, out: &mut [T], mean: f64, std: f64) -> Result<()> {
        check_std(std)?;
        normal::fill(&mut self.state.lock(), out, mean, std);
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
        normal::fill_serial(&mut self.state.lock(), out, mean, std);
        Ok(())
    }

    /// Exponentials of normal samples of `mean` and `std`: `log_normal_`.
    ///
    /// # Errors
    /// Unless `std > 0`.
    #[track_caller]
    pub fn log_normal<T: RandomFloat>(&self, out: &mut [T], mean: f64, std: f64) -> Result<()> {
        check_positive("log_normal_", "std", std)?;
        continuous::log_normal(&mut self.state.lock(), out, mean, std);
        Ok(())
    }

    /// Exponential samples of rate `lambda` (mean `1 / lambda`): `exponential_`.
    ///
    /// # Errors
    /// Unless `lambda > 0`.
    #[track_caller]
    pub fn exponential<T: RandomFloat>(&self, out: &mut [T], lambda: f64) -> Result<()> {
        check_positive("exponential_", "lambda", lambda)?;
        continuous::exponential(&mut self.state.lock().engine, out, lambda);
        Ok(())
    }

    /// Numbers of trials up to the first success, of probability `p` each: `geometric_`.
    ///
    /// # Errors
    /// Unless `0 < p < 1`.
    #[track_caller]
    pub fn geometric<T: RandomElement>(&self, out: &mut [T], p: f64) -> Result<()> {
        ensure!(p > 0.0 && p < 1.0, Argument, "geometric_", "needs 0 < p < 1, got {p}");
        continuous::geometric(&mut self.state.lock().engine, out, p);
        Ok(())
    }

    /// Cauchy samples around `median` with scale `sigma`: `cauchy_`.
    ///
    /// # Errors
    /// Unless `sigma > 0`.
    #[track_caller]
    pub fn cauchy<T: RandomFloat>(&self, out: &mut [T], median: f64, sigma: f64) -> Result<()> {
        check_positive("cauchy_", "sigma", sigma)?;
        continuous::cauchy(&mut self.state.lock().engine, out, median, sigma);
        Ok(())
    }

    /// Integers of `low..high`: `randint`, `random_(low, high)`, of any real type.
    ///
    /// # Errors
    /// If the range is empty or does not fit the type.
    #[track_caller]
    pub fn randint<T: RandomElement>(&self, out: &mut [T], low: i64, high: i64) -> Result<()> {
        let (base, span) = integers::span::<T>(low, high)?;
        integers::fill_span(&mut self.state.lock().engine, out, base, span);
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
        integers::fill_span(&mut self.state.lock().engine, out, base, span);
        Ok(())
    }

    /// Integers from 0 to the type's largest, for floats to 2 to the bits of their
    /// significand: `random_()`.
    pub fn random<T: RandomElement>(&self, out: &mut [T]) {
        integers::fill_natural(&mut self.state.lock().engine, out);
    }

    /// A permutation of `0..out.len()`: `randperm`.
    ///
    /// # Errors
    /// If the type cannot hold the numbers.
    #[track_caller]
    pub fn randperm<T: RandomElement>(&self, out: &mut [T]) -> Result<()> {
        integers::permutation(&mut self.state.lock().engine, out)
    }

    /// 1 with probability `p`, else 0: `bernoulli_(p)` and what dropout draws.
    ///
    /// # Errors
    /// Unless `0 <= p <= 1`.
    #[track_caller]
    pub fn bernoulli<T: RandomElement>(&self, out: &mut [T], p: f64) -> Result<()> {
        ensure!((0.0..=1.0).contains(&p), Argument, "bernoulli_", "needs 0 <= p <= 1, got {p}");
        integers::flips(&mut self.state.lock().engine, out, p);
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
            let p = element::Compute::to_f64(p.widen());
            ensure!((0.0..=1.0).contains(&p), Argument, OP, "probability {i} is {p}, not in [0, 1]");
        }
        integers::flips_each(&mut self.state.lock().engine, out, p);
        Ok(())
    }

    /// Samples of the gamma distribution with rate 1 and the shape at the same place of `alpha`: `_standard_gamma`.
    ///
    /// # Errors
    /// If the lengths differ or a shape is negative or NaN.
    #[track_caller]
    pub fn standard_gamma<T: RandomFloat>(&self, out: &mut [T], alpha: &[T]) -> Result<()> {
        check_parameters("standard_gamma", "alpha", out.len(), alpha, f64::INFINITY)?;
        let (state, smallest) = (&mut self.state.lock(), rejection::smallest::<T>());
        for (x, alpha) in out.iter_mut().zip(alpha) {
            let sample = rejection::gamma::<T::Compute>(state, element::Compute::to_f64(alpha.widen()));
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
        let state = &mut self.state.lock();
        // All are drawn in double precision: a small concentration gives numbers far below what a float holds.
        let gammas: Vec<f64> = (alpha.iter())
            .map(|a| rejection::gamma::<f64>(state, element::Compute::to_f64(a.widen())).max(f64::MIN_POSITIVE))
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
        let state = &mut self.state.lock();
        for (x, rate) in out.iter_mut().zip(rate) {
            *x = T::from_f64(rejection::poisson(state, element::Compute::to_f64(rate.widen())));
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
        let state = &mut self.state.lock();
        for ((x, count), p) in out.iter_mut().zip(count).zip(p) {
            let (count, p) = (element::Compute::to_f64(count.widen()), element::Compute::to_f64(p.widen()));
            *x = T::from_f64(rejection::binomial::<T::Compute>(state, count, p));
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
        let engine = &mut self.state.lock().engine;
        if replacement && samples > 1 {
            multinomial::with_replacement(engine, out, weights, categories)
        } else {
            multinomial::races(engine, out, weights, categories)
        }
    }
}
