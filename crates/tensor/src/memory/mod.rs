//! Where a tensor's numbers lie: blocks and their reuse, storages with their locks, and who waits for whom.

pub mod alloc;
pub(crate) mod lists;
pub mod storage;
pub(crate) mod waits;
