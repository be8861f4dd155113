//! Memory that a kernel works in, from the caching allocator: what it held before is not cleared, and no page is touched
//! for the first time but once.

use crate::dtype::Stored;
use crate::{DType, Device, Result, Tensor, bail};
use std::marker::PhantomData;

/// Memory for one task, from the caching allocator.
pub(crate) struct Scratch<T> {
    memory: Tensor,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Stored> Scratch<T> {
    /// Numbers of any value, as many as the product of `sizes`.
    ///
    /// # Errors
    /// Where they cannot be counted, or the system has no memory for them.
    pub(crate) fn new(op: &'static str, sizes: &[usize]) -> Result<Scratch<T>> {
        let len = sizes.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
        let (len, bytes) = match len.and_then(|n| Some((n, n.checked_mul(size_of::<T>())?))) {
            Some(both) => both,
            None => bail!(Memory, op, "{sizes:?} numbers are more than memory has addresses"),
        };
        Ok(Scratch { memory: Tensor::uninit(op, &[bytes], DType::U8, Device::Cpu)?, len, of: PhantomData })
    }

    /// How many numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where they are, to be read.
    pub(crate) fn start(&self) -> *const T {
        self.memory.storage().host_ptr().cast_const().cast()
    }

    pub(crate) fn get(&self) -> &[T] {
        // SAFETY: as for `slice`; who writes has the only reference.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }

    pub(crate) fn slice(&mut self) -> &mut [T] {
        // SAFETY: the memory is ours alone, initialised, aligned to 64 and holds `len` numbers, as `new` counted.
        unsafe { std::slice::from_raw_parts_mut(self.memory.storage().host_ptr().cast(), self.len) }
    }
}
