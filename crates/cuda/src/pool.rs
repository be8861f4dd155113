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
    /// Has it a segment of its own, that goes with it?
    alone: bool,
    after: After,
}

/// The memory of one device.
#[derive(Default)]
pub(crate) struct Pool {
    pieces: BTreeMap<u64, Piece>,
    /// The free ones of small and of large segments, by size.
    free: [BTreeSet<(usize, u64)>; 2],
    /// Small blocks that were given back last, by size, for the next of that size; they are joined with others before a
    /// segment is taken.
    recent: Vec<Vec<(u64, After)>>,
    /// Sizes of segments.
    segments: BTreeMap<u64, usize>,
    stats: MemoryStats,
    /// Does every block have a segment of its own, that is given back with it?
    pub uncached: bool,
    /// The most bytes that are taken from the driver.
    pub limit: Option<usize>,
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
    /// What was asked for, in whole granules.
    size: usize,
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
        let Ok(gpu) = gpu(self.device) else { return };
        // Whatever thread this is: a segment may go.
        if gpu.enter().is_ok() {
            let after = gpu.each_queue(|q| (q.id(), q.last()));
            gpu.pool.lock().give_back(self.address, self.size, after);
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
    let mut found = pool.find(size);
    if found.is_err() {
        pool.empty()?;
        found = pool.find(size);
    }
    match found {
        Ok(Some((address, after))) => Ok(Block { device: gpu.index, address, size, after }),
        _ => Err(no_room(&pool, free_memory())),
    }
}

pub(crate) fn free_memory() -> usize {
    let (mut free, mut total) = (0, 0);
    // SAFETY: both may be written.
    unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) };
    free
}

fn is_large(segment: usize) -> usize {
    usize::from(segment != SMALL_SEGMENT)
}

/// Where blocks of a size are among the recent ones.
fn place(size: usize) -> usize {
    size / GRANULE - 1
}

impl Pool {
    pub fn stats(&self) -> MemoryStats {
        self.stats
    }

    pub fn reset_peaks(&mut self) {
        (self.stats.allocated_peak, self.stats.reserved_peak) = (self.stats.allocated, self.stats.reserved);
    }

    /// A block of `size`: one that is kept, or one of a new segment.
    fn find(&mut self, size: usize) -> Result<Option<(u64, After)>> {
        if self.uncached {
            let address = self.segment(size)?;
            self.pieces
                .insert(address, Piece { size, segment: address, free: false, alone: true, after: After::new() });
            self.count(size);
            return Ok(Some((address, After::new())));
        }
        if let Some((address, after)) = self.recent.get_mut(place(size)).and_then(Vec::pop) {
            self.count(size);
            return Ok(Some((address, after)));
        }
        if let Some(found) = self.take(size) {
            return Ok(Some(found));
        }
        self.join_recent();
        if let Some(found) = self.take(size) {
            return Ok(Some(found));
        }
        self.grow(size)?;
        Ok(self.take(size))
    }

    fn count(&mut self, size: usize) {
        self.stats.allocated += size;
        self.stats.allocated_peak = self.stats.allocated_peak.max(self.stats.allocated);
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
            self.pieces.insert(next, Piece { size: rest, segment, free: true, alone: false, after: after.clone() });
            self.free[large].insert((rest, next));
        }
        self.count(self.pieces.get(&address).map_or(0, |piece| piece.size));
        Some((address, after))
    }

    /// One more segment.
    fn grow(&mut self, size: usize) -> Result<()> {
        let bytes = match size {
            ..=SMALL => SMALL_SEGMENT,
            ..LARGE => LARGE_SEGMENT,
            _ => size.next_multiple_of(SMALL_SEGMENT),
        };
        let address = self.segment(bytes)?;
        let after = After::new();
        self.pieces.insert(address, Piece { size: bytes, segment: address, free: true, alone: false, after });
        self.free[is_large(bytes)].insert((bytes, address));
        Ok(())
    }

    /// So many bytes from the driver.
    fn segment(&mut self, bytes: usize) -> Result<u64> {
        if self.limit.is_some_and(|limit| bytes > limit.saturating_sub(self.stats.reserved)) {
            return Err(Error::new(ErrorKind::Memory, "cuda", "the program's share of the device is used up"));
        }
        let mut address = 0;
        // SAFETY: `address` may be written.
        unsafe { check("cuda", sys::cuMemAlloc_v2(&mut address, bytes))? };
        self.segments.insert(address, bytes);
        self.stats.reserved += bytes;
        self.stats.reserved_peak = self.stats.reserved_peak.max(self.stats.reserved);
        self.stats.segments_taken += 1;
        Ok(address)
    }

    fn give_back(&mut self, address: u64, size: usize, after: After) {
        if size > SMALL || self.uncached {
            return self.free(address, after);
        }
        if self.recent.is_empty() {
            self.recent.resize_with(place(SMALL) + 1, Vec::new);
        }
        self.stats.allocated -= size;
        self.recent[place(size)].push((address, after));
    }

    fn join_recent(&mut self) {
        for size in 0..self.recent.len() {
            while let Some((address, after)) = self.recent[size].pop() {
                self.stats.allocated += (size + 1) * GRANULE;
                self.free(address, after);
            }
        }
    }

    fn free(&mut self, address: u64, after: After) {
        let Some(piece) = self.pieces.get_mut(&address) else { return };
        self.stats.allocated -= piece.size;
        if piece.alone {
            // SAFETY: the segment came from `cuMemAlloc`, and its only block has no owner any more; the driver waits for
            // what is queued on it. Where it says no, after a fault, there is nothing to be done.
            unsafe { sys::cuMemFree_v2(address) };
            self.stats.reserved -= piece.size;
            self.pieces.remove(&address);
            self.segments.remove(&address);
            return;
        }
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
        self.join_recent();
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
