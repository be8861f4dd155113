//! The meta backend: shapes and dtypes pass through every op, data does not exist. It proves that
//! the dispatcher carries everything a device needs.

use crate::backend::{Backend, Ran, Work};
use crate::storage::Memory;
use crate::{Device, Error, ErrorKind, Result, Tensor};

pub(crate) struct MetaBackend;

impl Backend for MetaBackend {
    fn allocate(&self, _: Device, _: usize) -> Result<Memory> {
        Ok(Memory::None)
    }

    unsafe fn run(&self, _: Work<'_>) -> Result<Ran> {
        Ok(Ran::Queued)
    }

    unsafe fn upload(&self, _: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        Ok(())
    }

    unsafe fn download(&self, from: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        let message = format!("a meta tensor of shape {:?} has no data", from.shape());
        Err(Error::new(ErrorKind::Device, "read", message))
    }
}
