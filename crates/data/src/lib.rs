//! Loading data: datasets, samplers, batches, and the loader with its worker threads, as in
//! `torch.utils.data`.
//!
//! ```
//! use flambeau_data::{DataLoader, TensorDataset};
//! use flambeau_tensor::Tensor;
//!
//! let xs = Tensor::arange(0, 10).build()?.reshape([10, 1])?;
//! let ys = Tensor::arange(0, 10).build()?;
//! let loader = DataLoader::new(TensorDataset::new(xs, ys)?).batch_size(4).workers(2).build()?;
//! let sizes: Vec<usize> = loader.iter().map(|b| b.map(|(x, _)| x.shape()[0])).collect::<Result<_, _>>()?;
//! assert_eq!(sizes, [4, 4, 2]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod collate;
mod dataset;
mod loader;
mod sampler;

pub use collate::{Collate, CollateWith, DefaultCollate};
pub use dataset::{ConcatDataset, Dataset, Map, Subset, TensorDataset, random_split};
pub use loader::{DataIter, DataLoader, DataLoaderBuilder, LoaderState};
pub use sampler::{BatchSampler, Order, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler};
