//! The generator: a handle on an engine, the host's or a device's own.

use super::state::{GeneratorState, HostState};
use super::{DEFAULT_SEED, entropy};
use crate::backend::backend_for;
use crate::error::Result;
use crate::{Device, bail, ensure};
use parking_lot::{Mutex, MutexGuard};
use std::any::Any;
use std::sync::Arc;

/// The engine of a device's random numbers, where it is not the host's Mersenne Twister: what a backend's kernels draw
/// from. A backend gives it by [`Backend::generator`](crate::backend::Backend::generator) and gets it back, with what it
/// keeps inside, by [`Generator::engine`].
pub trait DeviceGenerator: Any + Send + Sync {
    /// Starts anew from `seed`.
    fn manual_seed(&self, seed: u64);

    /// The seed it was last given.
    fn initial_seed(&self) -> u64;

    /// Where it stands, as bytes of its own form.
    fn state(&self) -> Vec<u8>;

    /// Goes on from where [`state`](DeviceGenerator::state) said.
    ///
    /// # Errors
    /// Where the bytes are no state of such an engine. It stands where it stood then.
    fn set_state(&self, bytes: &[u8]) -> Result<()>;

    /// An independent one that stands where this one stands.
    fn fork(&self) -> Arc<dyn DeviceGenerator>;
}

/// A source of random numbers: a handle, cheap to clone, on a shared state. Clones
/// draw from the same sequence; [`fork`](Generator::fork) makes an independent one.
///
/// It belongs to a device, and its kind is the device's affair: a Mersenne Twister on the host, and for devices that
/// draw by way of the host; what the backend gives for others ([`Backend::generator`](crate::backend::Backend::generator)).
///
/// Follows `torch.Generator`.
#[derive(Clone)]
pub struct Generator {
    device: Device,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Host(Arc<Mutex<HostState>>),
    Device(Arc<dyn DeviceGenerator>),
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Generator");
        if self.device != Device::Cpu {
            out.field("device", &self.device);
        }
        out.field("seed", &self.initial_seed()).finish_non_exhaustive()
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

    /// A generator of the host, seeded with `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self { device: Device::Cpu, engine: Engine::of_host(HostState::seeded(seed)) }
    }

    /// A generator of `device`, of the kind that the device draws from, seeded with `seed`: `torch.Generator(device)`.
    ///
    /// ```
    /// use flambeau_tensor::{Device, Generator};
    ///
    /// let generator = Generator::on(Device::Cpu, 7)?;
    /// assert_eq!((generator.device(), generator.initial_seed()), (Device::Cpu, 7));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the program has no such device.
    #[track_caller]
    pub fn on(device: Device, seed: u64) -> Result<Self> {
        Ok(match backend_for("Generator", device)?.generator(device, seed) {
            Some(engine) => Self::of_device(device, engine),
            None => Self { device, engine: Engine::of_host(HostState::seeded(seed)) },
        })
    }

    pub(super) fn of_device(device: Device, engine: Arc<dyn DeviceGenerator>) -> Self {
        Self { device, engine: Engine::Device(engine) }
    }

    /// The device whose ops draw from it.
    pub fn device(&self) -> Device {
        self.device
    }

    /// True where it is a Mersenne Twister of the host; else its device has an engine of its own.
    pub fn draws_on_host(&self) -> bool {
        matches!(self.engine, Engine::Host(_))
    }

    /// The engine of a device's own, for the backend that gave it, by its type.
    pub fn engine<E: DeviceGenerator>(&self) -> Option<&E> {
        match &self.engine {
            Engine::Device(engine) => (&**engine as &dyn Any).downcast_ref(),
            Engine::Host(_) => None,
        }
    }

    /// The host's engine, locked; `op` is what wants to draw.
    #[track_caller]
    pub(super) fn host(&self, op: &'static str) -> Result<MutexGuard<'_, HostState>> {
        match &self.engine {
            Engine::Host(state) => Ok(state.lock()),
            Engine::Device(_) => {
                bail!(Device, op, "the generator is one of {}, which draws there and not on the host", self.device)
            }
        }
    }

    /// An op on `device` may draw from `generator`, which is one of the device, or one of the host where the device draws
    /// there, too.
    #[track_caller]
    pub(crate) fn check(op: &'static str, generator: Option<&Generator>, device: Device) -> Result<()> {
        let Some(generator) = generator.filter(|g| g.device != device && device.has_data()) else { return Ok(()) };
        let on_host = backend_for(op, device)?.generator(device, 0).is_none();
        ensure!(
            generator.device == Device::Cpu && on_host,
            Device,
            op,
            "the generator is one of {}, the result is on {device}",
            generator.device
        );
        Ok(())
    }

    /// Starts anew from `seed`. As in PyTorch the low 32 bits decide the sequence on the host.
    pub fn manual_seed(&self, seed: u64) {
        match &self.engine {
            Engine::Host(state) => *state.lock() = HostState::seeded(seed),
            Engine::Device(engine) => engine.manual_seed(seed),
        }
    }

    /// Starts anew from a seed that nobody can foresee, and returns it.
    pub fn seed(&self) -> u64 {
        let seed = entropy();
        self.manual_seed(seed);
        seed
    }

    /// The seed it was last given, all 64 bits.
    pub fn initial_seed(&self) -> u64 {
        match &self.engine {
            Engine::Host(state) => state.lock().engine.seed(),
            Engine::Device(engine) => engine.initial_seed(),
        }
    }

    /// Its state, to come back to.
    pub fn get_state(&self) -> GeneratorState {
        match &self.engine {
            Engine::Host(state) => GeneratorState::of_host(state.lock().clone()),
            Engine::Device(engine) => GeneratorState::of_device(engine.state()),
        }
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// Where the state is that of another kind of engine.
    #[track_caller]
    pub fn set_state(&self, state: &GeneratorState) -> Result<()> {
        match &self.engine {
            Engine::Host(own) => *own.lock() = state.host()?.clone(),
            Engine::Device(engine) => engine.set_state(state.device()?)?,
        }
        Ok(())
    }

    /// An independent generator that stands where this one stands, as
    /// `torch.Generator.clone_state`.
    pub fn fork(&self) -> Self {
        let engine = match &self.engine {
            Engine::Host(state) => Engine::of_host(state.lock().clone()),
            Engine::Device(engine) => Engine::Device(engine.fork()),
        };
        Self { device: self.device, engine }
    }

    /// True if both are handles on the same state.
    pub fn same_as(&self, other: &Self) -> bool {
        match (&self.engine, &other.engine) {
            (Engine::Host(a), Engine::Host(b)) => Arc::ptr_eq(a, b),
            (Engine::Device(a), Engine::Device(b)) => std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)),
            _ => false,
        }
    }
}

impl Engine {
    fn of_host(state: HostState) -> Engine {
        Engine::Host(Arc::new(Mutex::new(state)))
    }
}
