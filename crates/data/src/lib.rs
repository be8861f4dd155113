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

// The derive names this crate as its users do.
extern crate self as flambeau_data;

pub use collate::{
    Collate, CollateWith, DefaultCollate, IntoSequence, PadCollate, Placed, Transformed, Unbatched, pad_collate,
};
pub use dataset::{
    ChainDataset, Columns, ConcatDataset, Dataset, IterableDataset, ListDataset, Map, Parts, Split, StackDataset,
    Stream, Subset, TensorDataset, random_split,
};
pub use flambeau_nn_derive::Collate;
pub use loader::{
    BatchSize, DataIter, DataLoader, DataLoaderBuilder, LoaderState, StreamIter, StreamLoader, StreamLoaderBuilder,
    WorkerInfo, worker_info,
};
pub use sampler::{
    BatchSampler, BucketBatchSampler, BucketBatchSamplerBuilder, DistributedSampler, DistributedSamplerBuilder, Draws,
    InfiniteSampler, RandomSampler, RandomSamplerBuilder, Sampler, SequentialSampler, SubsetRandomSampler,
    WeightedRandomSampler,
};

/// What the derive's code names.
#[doc(hidden)]
pub mod derive {
    pub use flambeau_tensor::{Result, Tensor, Tensors};
}

/// True for the files of this crate.
fn is_ours(file: &str) -> bool {
    let here = file!();
    file.starts_with(&here[..here.len() - "lib.rs".len()])
}
