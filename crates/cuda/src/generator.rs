//! The generator of a device: Philox 4×32-10, as PyTorch's CUDA generator keeps it, a seed and a place in its streams.

use flambeau_tensor::random::DeviceGenerator;
use flambeau_tensor::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::sync::Arc;

/// Numbers that a draw of the generator gives a thread at once: offsets are multiples of it.
pub(crate) const ROUND: u64 = 4;

/// Where a generator stands.
#[derive(Clone, Copy, Debug)]
struct State {
    seed: u64,
    offset: u64,
}

/// The engine behind a [`Generator`](flambeau_tensor::Generator) of a device.
pub(crate) struct Philox(Mutex<State>);

impl Philox {
    pub fn seeded(seed: u64) -> Philox {
        Philox(Mutex::new(State { seed, offset: 0 }))
    }

    /// The seed, and the offset at which a draw begins that takes `numbers` of each thread; the next one begins behind,
    /// at a multiple of four.
    pub fn reserve(&self, numbers: u64) -> (u64, u64) {
        let mut state = self.0.lock();
        let State { seed, offset } = *state;
        state.offset = offset.wrapping_add(numbers.div_ceil(ROUND).wrapping_mul(ROUND));
        (seed, offset)
    }
}

impl DeviceGenerator for Philox {
    fn manual_seed(&self, seed: u64) {
        *self.0.lock() = State { seed, offset: 0 };
    }

    fn initial_seed(&self) -> u64 {
        self.0.lock().seed
    }

    /// 16 bytes, as `torch.cuda.get_rng_state` has them: the seed and the offset, in little endian.
    fn state(&self) -> Vec<u8> {
        let State { seed, offset } = *self.0.lock();
        [seed.to_le_bytes(), offset.to_le_bytes()].concat()
    }

    fn set_state(&self, bytes: &[u8]) -> Result<()> {
        let (words, rest) = bytes.as_chunks::<8>();
        // Without an offset it is the beginning, as in states that PyTorch wrote once.
        let (seed, offset) = match (words, rest) {
            ([seed], []) => (u64::from_le_bytes(*seed), 0),
            ([seed, offset], []) => (u64::from_le_bytes(*seed), u64::from_le_bytes(*offset)),
            _ => {
                let message = format!("the state of a CUDA generator has 16 bytes, not {}", bytes.len());
                return Err(Error::new(ErrorKind::Format, "set_rng_state", message));
            }
        };
        if offset % ROUND != 0 {
            let message = format!("the offset of a CUDA generator is a multiple of {ROUND}, not {offset}");
            return Err(Error::new(ErrorKind::Format, "set_rng_state", message));
        }
        *self.0.lock() = State { seed, offset };
        Ok(())
    }

    fn fork(&self) -> Arc<dyn DeviceGenerator> {
        Arc::new(Philox(Mutex::new(*self.0.lock())))
    }
}
