//! Device memory: blocks of segments, split and joined, kept for reuse as PyTorch's caching allocator keeps them.
//!
//! Blocks are multiples of 512 bytes. Up to 1 MiB they come from segments of 2 MiB, below 10 MiB from segments of
//! 20 MiB, above from a segment of their own, rounded to 2 MiB. A block that is free may still be used by what is
//! queued: who gets it next waits for that on other streams, and on the same one comes behind anyway.

use crate::context::{Gpu, gpu};
use crate::driver::check;
use cudarc::driver::sys;
use flambeau_tensor::{Error, ErrorKind, Result};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

const GRANULE: usize = 512;
const SMALL: usize = 1 << 20;
const SMALL_SEGMENT: usize = 2 << 20;
const LARGE: usize = 10 << 20;
const LARGE_SEGMENT: usize = 20 << 20;

/// What is queued on each stream, by its number and ticket.
type After = SmallVec<[(u64, u64); 1]>;

/// A part of a segment.
struct Piece {
    size: usize,
    segment: u64,
    free: bool,
    after: After,
}

/// The memory of one device.
#[derive(Default)]
pub(crate) struct Pool {
    pieces: BTreeMap<u64, Piece>,
    /// The free ones of small and of large segments, by size.
    free: [BTreeSet<(usize, u64)>; 2],
    /// Sizes of segments.
    segments: BTreeMap<u64, usize>,
    stats: MemoryStats,
}

/// How much of a device's memory is in use, in bytes: `torch.cuda.memory_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In blocks that tensors own, those that are kept for reuse among them.
    pub allocated: usize,
    /// The most there was of that.
    pub allocated_peak: usize,
    /// Taken from the driver.
    pub reserved: usize,
    /// The most there was of that.
    pub reserved_peak: usize,
    /// How often the driver was asked for memory.
    pub segments_taken: usize,
}

/// A block that a storage owns.
pub(crate) struct Block {
    device: u32,
    address: u64,
    after: After,
}

impl Block {
    /// Its first byte.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// What was queued on it before it was this owner's.
    pub fn after(&self) -> &[(u64, u64)] {
        &self.after
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Ok(gpu) = gpu(self.device) {
            let after = gpu.queues().iter().map(|q| (q.id(), q.last())).filter(|(_, ticket)| *ticket > 0).collect();
            gpu.pool.lock().give_back(self.address, after);
        }
    }
}

/// At least `bytes` bytes on a device.
///
/// # Errors
/// Where it has no room, after what is kept for reuse was given back.
pub(crate) fn allocate(gpu: &'static Gpu, bytes: usize) -> Result<Block> {
    gpu.enter()?;
    let no_room = |pool: &Pool, free: usize| {
        let MemoryStats { allocated, reserved, .. } = pool.stats;
        let message = format!(
            "cuda:{} has no room for {bytes} bytes: {free} are free of {}, {allocated} allocated, {reserved} reserved",
            gpu.index, gpu.properties.memory
        );
        Error::new(ErrorKind::Memory, "cuda", message)
    };
    let mut pool = gpu.pool.lock();
    let size = bytes.max(1).checked_next_multiple_of(GRANULE);
    let Some(size) = size.filter(|size| *size <= gpu.properties.memory) else {
        return Err(no_room(&pool, free_memory()));
    };
    if let Some((address, after)) = pool.take(size) {
        return Ok(Block { device: gpu.index, address, after });
    }
    let mut grown = pool.grow(size);
    if grown.is_err() {
        pool.empty()?;
        grown = pool.grow(size);
    }
    match grown.map(|()| pool.take(size)) {
        Ok(Some((address, after))) => Ok(Block { device: gpu.index, address, after }),
        _ => Err(no_room(&pool, free_memory())),
    }
}

fn free_memory() -> usize {
    let (mut free, mut total) = (0, 0);
    // SAFETY: both may be written.
    unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) };
    free
}

fn is_large(segment: usize) -> usize {
    usize::from(segment != SMALL_SEGMENT)
}

impl Pool {
    pub fn stats(&self) -> MemoryStats {
        self.stats
    }

    pub fn reset_peaks(&mut self) {
        (self.stats.allocated_peak, self.stats.reserved_peak) = (self.stats.allocated, self.stats.reserved);
    }

    /// The smallest free block that holds `size`, cut to it where the rest is worth keeping.
    fn take(&mut self, size: usize) -> Option<(u64, After)> {
        let large = usize::from(size > SMALL);
        let (found, address) = *self.free[large].range((size, 0)..).next()?;
        self.free[large].remove(&(found, address));
        let rest = found - size;
        let piece = self.pieces.get_mut(&address)?;
        let (segment, after) = (piece.segment, std::mem::take(&mut piece.after));
        piece.free = false;
        if rest >= if large == 1 { SMALL } else { GRANULE } {
            piece.size = size;
            let next = address + size as u64;
            self.pieces.insert(next, Piece { size: rest, segment, free: true, after: after.clone() });
            self.free[large].insert((rest, next));
        }
        self.stats.allocated += self.pieces.get(&address).map_or(0, |piece| piece.size);
        self.stats.allocated_peak = self.stats.allocated_peak.max(self.stats.allocated);
        Some((address, after))
    }

    /// One more segment.
    fn grow(&mut self, size: usize) -> Result<()> {
        let bytes = match size {
            ..=SMALL => SMALL_SEGMENT,
            ..LARGE => LARGE_SEGMENT,
            _ => size.next_multiple_of(SMALL_SEGMENT),
        };
        let mut address = 0;
        // SAFETY: `address` may be written.
        unsafe { check("cuda", sys::cuMemAlloc_v2(&mut address, bytes))? };
        self.segments.insert(address, bytes);
        self.pieces.insert(address, Piece { size: bytes, segment: address, free: true, after: After::new() });
        self.free[is_large(bytes)].insert((bytes, address));
        self.stats.reserved += bytes;
        self.stats.reserved_peak = self.stats.reserved_peak.max(self.stats.reserved);
        self.stats.segments_taken += 1;
        Ok(())
    }

    fn give_back(&mut self, address: u64, after: After) {
        let Some(piece) = self.pieces.get_mut(&address) else { return };
        self.stats.allocated -= piece.size;
        (piece.free, piece.after) = (true, after);
        let (mut at, mut size, segment) = (address, piece.size, piece.segment);
        let large = is_large(self.segments.get(&segment).copied().unwrap_or(SMALL_SEGMENT));
        // Joined with free neighbours; what is queued on any of them is queued on all.
        let next = at + size as u64;
        if self.pieces.get(&next).is_some_and(|p| p.free && p.segment == segment) {
            if let Some(gone) = self.pieces.remove(&next) {
                self.free[large].remove(&(gone.size, next));
                size += gone.size;
                self.join(address, gone.after);
            }
        }
        let before = self.pieces.range(..at).next_back().map(|(a, p)| (*a, p.size, p.free && p.segment == segment));
        if let Some((before, before_size, true)) = before {
            if let Some(gone) = self.pieces.remove(&address) {
                self.free[large].remove(&(before_size, before));
                self.join(before, gone.after);
                (at, size) = (before, size + before_size);
            }
        }
        if let Some(piece) = self.pieces.get_mut(&at) {
            piece.size = size;
        }
        self.free[large].insert((size, at));
    }

    /// Adds to what is queued on a piece.
    fn join(&mut self, address: u64, more: After) {
        let Some(piece) = self.pieces.get_mut(&address) else { return };
        for (stream, ticket) in more {
            match piece.after.iter_mut().find(|(s, _)| *s == stream) {
                Some((_, there)) => *there = ticket.max(*there),
                None => piece.after.push((stream, ticket)),
            }
        }
    }

    /// Gives segments back that nobody uses: `torch.cuda.empty_cache`. The driver waits for what is queued on them.
    pub fn empty(&mut self) -> Result<()> {
        let whole =
            |(at, p): (&u64, &Piece)| (p.free && self.segments.get(at) == Some(&p.size)).then_some((*at, p.size));
        let unused: Vec<(u64, usize)> = self.pieces.iter().filter_map(whole).collect();
        for (address, size) in unused {
            // SAFETY: the segment came from `cuMemAlloc`, and no block in it has an owner.
            unsafe { check("cuda", sys::cuMemFree_v2(address))? };
            self.pieces.remove(&address);
            self.segments.remove(&address);
            self.free[is_large(size)].remove(&(size, address));
            self.stats.reserved -= size;
        }
        Ok(())
    }
}
