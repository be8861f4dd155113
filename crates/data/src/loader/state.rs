//! Where an epoch is.

use flambeau_tensor::random::GeneratorState;
use flambeau_tensor::{Error, ErrorKind, Result, StateDict, Tensor};

/// Where an epoch is: enough to go on from there, with any number of workers, by `iter_from`. It holds what the order
/// was drawn from, not the order, so its size does not depend on the dataset's.
///
/// ```
/// use flambeau_data::{DataLoader, ListDataset, LoaderState};
///
/// let loader = DataLoader::new(ListDataset((0..10i64).collect())).batch_size(4).shuffle(true).build()?;
/// let mut epoch = loader.iter();
/// epoch.next();
/// let saved = epoch.state().expect("an epoch under way").state_dict()?;   // goes into a checkpoint
///
/// let resumed = loader.iter_from(LoaderState::from_state_dict(&saved)?);
/// let rest = |batches: flambeau_data::DataIter<ListDataset<i64>>| batches.map(|b| b?.to_vec::<i64>()).collect::<Result<Vec<_>, _>>();
/// assert_eq!(rest(epoch)?, rest(resumed)?);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderState {
    /// What the items' generators are seeded from.
    pub base_seed: u64,
    /// The state of the generator that the order was drawn from, before it was.
    pub generator: GeneratorState,
    /// The sampler's epoch.
    pub epoch: u64,
    /// Batches handed out.
    pub batches: usize,
    /// Items in them.
    pub items: u64,
}

impl LoaderState {
    /// As tensors, which any of the file formats holds.
    ///
    /// # Errors
    /// Where there is no room.
    pub fn state_dict(&self) -> Result<StateDict> {
        let mut state = StateDict::new();
        let bytes = self.generator.to_bytes();
        let n = bytes.len();
        state.insert("generator", Tensor::from_vec(bytes, n)?);
        let numbers = [self.base_seed, self.epoch, self.batches as u64, self.items];
        for (name, number) in ["base_seed", "epoch", "batches", "items"].into_iter().zip(numbers) {
            state.insert(name, Tensor::from_vec(vec![number as i64], [])?);
        }
        Ok(state)
    }

    /// What [`state_dict`](LoaderState::state_dict) gave.
    ///
    /// # Errors
    /// Where an entry is missing, or is not what it should be.
    #[track_caller]
    pub fn from_state_dict(state: &StateDict) -> Result<LoaderState> {
        let missing = |name: &str| {
            let message = format!("no entry \"{name}\": this is not the state of a loader");
            Error::new(ErrorKind::State, "LoaderState", message)
        };
        let entry = |name: &str| state.get(name).ok_or_else(|| missing(name));
        let number = |name: &str| -> Result<u64> {
            let value = entry(name)?.item::<i64>().map_err(|e| e.context("LoaderState", format_args!("\"{name}\"")))?;
            Ok(value as u64)
        };
        let generator = entry("generator")?.to_vec::<u8>().and_then(|bytes| GeneratorState::from_bytes(&bytes));
        Ok(LoaderState {
            generator: generator.map_err(|e| e.context("LoaderState", "\"generator\""))?,
            base_seed: number("base_seed")?,
            epoch: number("epoch")?,
            batches: usize::try_from(number("batches")?).unwrap_or(usize::MAX),
            items: number("items")?,
        })
    }
}
