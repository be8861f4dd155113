//! Where a batch lies: in page-locked memory, on a device.

use super::CollateWith;
use crate::dataset::Dataset;
use flambeau_tensor::{Device, Result, Tensors};

/// Batches whose tensors are put elsewhere by whoever made them. See
/// [`DataLoaderBuilder::device`](crate::DataLoaderBuilder::device).
#[derive(Clone, Copy, Debug)]
pub struct Placed<C> {
    pub(crate) inner: C,
    pub(crate) device: Device,
    /// Into memory that is page-locked for the device, and no further.
    pub(crate) pinned_only: bool,
}

impl<C> Placed<C> {
    fn place<B: Tensors>(&self, batch: B) -> Result<B> {
        let device = self.device;
        if matches!(device, Device::Cpu | Device::Meta) {
            return batch.tensors_to(device);
        }
        batch.map_tensors(|t| match t.device() {
            // From page-locked memory the copy is queued, and this thread makes the next batch meanwhile. A backend
            // without such memory copies at once.
            Device::Cpu => match t.pin_memory(device) {
                Ok(pinned) if self.pinned_only => Ok(pinned),
                Ok(pinned) => pinned.to_device_non_blocking(device),
                Err(e) if self.pinned_only => Err(e),
                Err(_) => t.to_device(device),
            },
            _ if self.pinned_only => Ok(t.clone()),
            _ => t.to_device(device),
        })
    }
}

impl<T, C: CollateWith<T, Batch: Tensors>> CollateWith<T> for Placed<C> {
    type Batch = C::Batch;
    fn collate(&self, items: Vec<T>) -> Result<C::Batch> {
        self.place(self.inner.collate(items)?)
    }
    fn fetch<D: Dataset<Item = T>>(&self, dataset: &D, indices: &[usize]) -> Option<Result<C::Batch>> {
        Some(self.inner.fetch(dataset, indices)?.and_then(|batch| self.place(batch)))
    }
}
