//! Random numbers, to the bit as PyTorch's CPU generator gives them.
//!
//! A [`Generator`] is a shared handle on a Mersenne Twister (or on the engine of a device that has one of its own, see
//! [`DeviceGenerator`]); its methods fill slices.
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
mod fill;
mod generator;
mod integers;
mod mt19937;
mod multinomial;
mod normal;
mod rejection;
mod simd;
mod state;
#[cfg(test)]
mod tests;

use crate::backend::backend_for;
use crate::error::Result;
use crate::{Device, Tensor};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::LazyLock;

pub use element::{RandomElement, RandomFloat};
pub use generator::{DeviceGenerator, Generator};
pub use state::GeneratorState;

/// The seed of a generator that was given none, as in PyTorch.
pub const DEFAULT_SEED: u64 = 67_280_421_310_721;

/// The default generators of all devices: the host's, and those of devices with an engine of their own, as far as
/// somebody drew there.
pub fn default_generators() -> Vec<Generator> {
    let known: Vec<Device> = OF_DEVICES.lock().iter().map(Generator::device).collect();
    let of_devices = known.into_iter().filter_map(|device| default_generator_of(device).ok());
    std::iter::once(default_generator()).chain(of_devices).collect()
}

thread_local! {
    /// What [`with_generator`] put in the default generators' place on this thread, the innermost last.
    static CURRENT: RefCell<Vec<Generator>> = const { RefCell::new(Vec::new()) };
}

/// The default generators of devices with an engine of their own, as far as somebody drew there.
static OF_DEVICES: Mutex<Vec<Generator>> = Mutex::new(Vec::new());

/// The generator that calls without one draw from: seeded anew in every process, one for all threads.
/// Inside [`with_generator`] it is the one given there.
pub fn default_generator() -> Generator {
    let given = CURRENT.with_borrow(|current| current.iter().rev().find(|g| g.draws_on_host()).cloned());
    given.unwrap_or_else(|| process_generator().clone())
}

/// What a kernel of the host draws from for an op that was `given` this generator, or none: a device's own engine cannot
/// draw there, so whoever runs a device's op on the host says by [`with_generator`] what stands in for it.
pub(crate) fn generator_on_host(given: &Option<Generator>) -> Generator {
    given.as_ref().filter(|g| g.draws_on_host()).cloned().unwrap_or_else(default_generator)
}

fn process_generator() -> &'static Generator {
    static DEFAULT: LazyLock<Generator> = LazyLock::new(|| Generator::with_seed(entropy()));
    &DEFAULT
}

/// The generator that calls on `device` without one draw from. A device with an engine of its own has one, seeded as
/// [`default_generator`] was; the others draw from [`default_generator`].
///
/// # Errors
/// Where the program has no such device.
#[track_caller]
pub fn default_generator_of(device: Device) -> Result<Generator> {
    let backend = backend_for("default_generator_of", device)?;
    let own = |g: &&Generator| g.device() == device && !g.draws_on_host();
    if let Some(given) = CURRENT.with_borrow(|current| current.iter().rev().find(own).cloned()) {
        return Ok(given);
    }
    let mut all = OF_DEVICES.lock();
    if let Some(known) = all.iter().find(own) {
        return Ok(known.clone());
    }
    let Some(engine) = backend.generator(device, process_generator().initial_seed()) else {
        return Ok(default_generator());
    };
    let generator = Generator::of_device(device, engine);
    all.push(generator.clone());
    Ok(generator)
}

/// Runs `f` with `generator` as this thread's default generator of its device: what draws inside without naming a
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
    with_generators(std::slice::from_ref(generator), f)
}

/// [`with_generator`] for several devices at once, as [`default_generators`] lists them.
pub fn with_generators<R>(generators: &[Generator], f: impl FnOnce() -> R) -> R {
    /// Takes them away again, after a panic too.
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(|current| current.truncate(self.0));
        }
    }
    let _restore = CURRENT.with_borrow_mut(|current| {
        let before = current.len();
        current.extend_from_slice(generators);
        Restore(before)
    });
    f()
}

/// Seeds the default generators of all devices, as `torch.manual_seed`; inside [`with_generator`] those given there.
pub fn manual_seed(seed: u64) {
    let own = CURRENT.with_borrow(|current| current.clone());
    if own.is_empty() {
        OF_DEVICES.lock().iter().for_each(|generator| generator.manual_seed(seed));
    }
    own.iter().filter(|generator| !generator.draws_on_host()).for_each(|generator| generator.manual_seed(seed));
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
    default_generator().set_state(&GeneratorState::from_bytes(&bytes)?)
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
