//! The meta backend: shapes and dtypes pass through every op, data does not exist. It proves that
//! the dispatch seam carries everything a device needs.

use crate::backend::Backend;
use crate::op::Op;
use crate::storage::Buffer;
use crate::{Device, Error, ErrorKind, Result, Tensor};

pub(crate) struct MetaBackend;

impl Backend for MetaBackend {
    fn allocate(&self, _: Device, _: usize) -> Result<Buffer> {
        Ok(Buffer::Meta)
    }

    unsafe fn run(&self, _: &Op, _: &[&Tensor], _: &[&Tensor]) -> Result<()> {
        Ok(())
    }

    unsafe fn upload(&self, _: &[u8], _: &Tensor) -> Result<()> {
        Ok(())
    }

    unsafe fn download(&self, from: &Tensor) -> Result<Vec<u8>> {
        let message = format!("a meta tensor of shape {:?} has no data", from.shape());
        Err(Error::new(ErrorKind::Device, "read", message))
    }
}
