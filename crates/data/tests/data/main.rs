//! Datasets, samplers, batches and the loader, by what they give.

mod batches;
mod datasets;
mod loader;
mod samplers;
mod streams;
mod workers;

use flambeau_data::Dataset;
use flambeau_tensor::Result;

/// Items that are their numbers.
struct Numbered(usize);

impl Dataset for Numbered {
    type Item = i64;
    fn len(&self) -> usize {
        self.0
    }
    fn get(&self, i: usize) -> Result<i64> {
        Ok(i as i64)
    }
}

/// The numbers of all batches of a loop.
fn numbers(batches: impl Iterator<Item = Result<flambeau_tensor::Tensor>>) -> Result<Vec<Vec<i64>>> {
    batches.map(|b| b?.to_vec::<i64>()).collect()
}
