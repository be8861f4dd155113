//! Operands in rows, for kernels that take no other.

use super::elementwise::{Operand, copy_raw};
use crate::context::Gpu;
use crate::pool::{Block, allocate};
use crate::stream::Queue;
use flambeau_tensor::layout::contiguous_strides;
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};
use smallvec::SmallVec;

/// Memory that is needed until what is queued is over: kept until the use is written down, so that who gets it next
/// waits.
#[derive(Default)]
pub(super) struct Temporary(SmallVec<[Block; 4]>);

impl Temporary {
    /// So many bytes.
    pub fn bytes(&mut self, gpu: &'static Gpu, bytes: usize) -> Result<u64> {
        let block = allocate(gpu, bytes)?;
        let address = block.address();
        self.0.push(block);
        Ok(address)
    }

    /// Where the elements of `t` lie in rows: where they are, or in a copy that is queued.
    pub fn rows(&mut self, gpu: &'static Gpu, queue: &Queue, t: &Tensor) -> Result<u64> {
        let from = Operand::of(t)?;
        if t.is_contiguous() || t.numel() == 0 {
            return Ok(from.address);
        }
        let address = self.bytes(gpu, t.numel() * t.dtype().size())?;
        let strides = contiguous_strides(from.shape);
        let to = Operand { address, strides: &strides, ..from };
        // SAFETY: the block is as large as all elements, and is kept as long as it is used.
        if unsafe { copy_raw(gpu, queue, to, from)? } {
            return Ok(address);
        }
        Err(Error::new(ErrorKind::Unsupported, "cuda", format!("no kernel copies {}", t.dtype())))
    }
}
