//! A generator's state as a value: to save, restore, compare, and to exchange with
//! PyTorch, whose `torch.get_rng_state()` is a byte tensor of this layout.

use super::mt19937::{Mt19937, STATE_WORDS};
use crate::error::Result;
use crate::{bail, ensure};

/// Length of [`GeneratorState::to_bytes`]: PyTorch's C struct with its padding.
const BYTES: usize = 5056;
// Offsets of that struct's fields. It is an older struct (up to `FLOAT_SAMPLE`),
// which kept state words in 64 bits each, with the float sample put behind it.
const SEED: usize = 0;
const LEFT: usize = 8;
const SEEDED: usize = 12;
const NEXT: usize = 16;
const WORDS: usize = 24;
const DOUBLE_SAMPLE: usize = WORDS + 8 * STATE_WORDS + 8;
const DOUBLE_VALID: usize = DOUBLE_SAMPLE + 16;
const FLOAT_SAMPLE: usize = DOUBLE_VALID + 8;
const FLOAT_VALID: usize = FLOAT_SAMPLE + 4;

/// Where a [`Generator`](super::Generator) stands: everything that decides what it gives next. On the host that is the
/// state of a Mersenne Twister, on a device with an engine of its own whatever that engine says.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorState(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Host(Box<HostState>),
    Device(Vec<u8>),
}

impl GeneratorState {
    pub(super) fn of_host(state: HostState) -> Self {
        Self(Kind::Host(Box::new(state)))
    }

    /// The state of a device's own engine, as [`DeviceGenerator::state`](super::DeviceGenerator::state) wrote it.
    pub fn of_device(bytes: Vec<u8>) -> Self {
        Self(Kind::Device(bytes))
    }

    /// As bytes: on the host in the form of `torch.get_rng_state()`, 5056 bytes, little endian; else as the device's
    /// engine has them.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Host(state) => state.to_bytes(),
            Kind::Device(bytes) => bytes.clone(),
        }
    }

    /// Reads a state of the host's generator, as [`to_bytes`](Self::to_bytes) or `torch.get_rng_state()` wrote it.
    ///
    /// # Errors
    /// If the length is not 5056 or the counters are none that an engine can have.
    #[track_caller]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        HostState::from_bytes(bytes).map(Self::of_host)
    }

    /// The host's.
    #[track_caller]
    pub(super) fn host(&self) -> Result<&HostState> {
        match &self.0 {
            Kind::Host(state) => Ok(state),
            Kind::Device(_) => bail!(Device, "set_state", "the state is a device's, the generator the host's"),
        }
    }

    /// That of a device's own engine.
    #[track_caller]
    pub(super) fn device(&self) -> Result<&[u8]> {
        match &self.0 {
            Kind::Device(bytes) => Ok(bytes),
            Kind::Host(_) => bail!(Device, "set_state", "the state is the host's, the generator a device's"),
        }
    }
}

/// The Mersenne Twister's state, its place in the current block, the seed, and the second half of a Box-Muller pair
/// that has not been handed out yet.
#[derive(Clone)]
pub(super) struct HostState {
    pub(super) engine: Mt19937,
    /// The sine half of the last pair drawn one by one (`normal` of fewer than 16
    /// elements, `log_normal`).
    pub(super) next_double_normal_sample: Option<f64>,
    /// PyTorch keeps a single-precision one beside it. No CPU kernel reads it; it
    /// is carried so that a state read from PyTorch is written back whole.
    pub(super) next_float_normal_sample: Option<f32>,
}

impl HostState {
    pub(super) fn seeded(seed: u64) -> Self {
        Self { engine: Mt19937::new(seed), next_double_normal_sample: None, next_float_normal_sample: None }
    }

    /// The state in the form of `torch.get_rng_state()`: 5056 bytes, little endian.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let used = self.engine.used();
        // PyTorch counts the block down as well as up, and a fresh seed stands as
        // "one left": the next draw makes a block.
        let left = if used == 0 { 1 } else { STATE_WORDS + 1 - used };
        put(SEED, &self.engine.seed().to_le_bytes());
        put(LEFT, &(left as u32).to_le_bytes());
        put(SEEDED, &1u32.to_le_bytes());
        put(NEXT, &(used as u64).to_le_bytes());
        for (i, &word) in self.engine.state().iter().enumerate() {
            put(WORDS + 8 * i, &u64::from(word).to_le_bytes());
        }
        if let Some(sample) = self.next_double_normal_sample {
            put(DOUBLE_SAMPLE, &sample.to_le_bytes());
            put(DOUBLE_VALID, &1u32.to_le_bytes());
        }
        if let Some(sample) = self.next_float_normal_sample {
            put(FLOAT_SAMPLE, &sample.to_le_bytes());
            put(FLOAT_VALID, &[1]);
        }
        bytes
    }

    #[track_caller]
    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        const OP: &str = "set_rng_state";
        ensure!(bytes.len() == BYTES, Format, OP, "a generator state has {BYTES} bytes, got {}", bytes.len());
        let left = u32::from_le_bytes(field(bytes, LEFT)) as usize;
        let next = u64::from_le_bytes(field(bytes, NEXT));
        let seeded = u32::from_le_bytes(field(bytes, SEEDED)) != 0;
        let used = usize::try_from(next).unwrap_or(usize::MAX);
        let fresh = used == 0 && left == 1;
        let running = (1..=STATE_WORDS).contains(&used) && left + used == STATE_WORDS + 1;
        ensure!(
            seeded && (fresh || running),
            Format,
            OP,
            "not a generator's state: {next} words used and {left} left of a block of {STATE_WORDS} (offset {LEFT})"
        );
        let mut state = [0; STATE_WORDS];
        for (i, word) in state.iter_mut().enumerate() {
            // The upper half of each 64-bit slot is always zero.
            *word = u64::from_le_bytes(field(bytes, WORDS + 8 * i)) as u32;
        }
        let double_valid = u32::from_le_bytes(field(bytes, DOUBLE_VALID)) != 0;
        let float_valid = bytes[FLOAT_VALID] != 0;
        Ok(Self {
            engine: Mt19937::resume(u64::from_le_bytes(field(bytes, SEED)), state, used),
            next_double_normal_sample: double_valid.then(|| f64::from_le_bytes(field(bytes, DOUBLE_SAMPLE))),
            next_float_normal_sample: float_valid.then(|| f32::from_le_bytes(field(bytes, FLOAT_SAMPLE))),
        })
    }
}

/// `N` bytes from offset `at`. The caller has checked the length.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl PartialEq for HostState {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl std::fmt::Debug for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GeneratorState")
            .field("seed", &self.engine.seed())
            .field("used", &self.engine.used())
            .finish_non_exhaustive()
    }
}
