//! Loads, stores, atomics and copies: where they go, whether they may, and what they cost.

use super::{Block, Warp};
use crate::fault::{Fault, FaultKind};
use crate::memory::misaligned;
use crate::program::{Arg, Atomic, Ins, Space};
use crate::shared::Access;
use crate::types::{Lane, Lanes, Ty, WARP};
use half::{bf16, f16};

fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    (0..WARP).filter(move |l| mask >> l & 1 == 1)
}

/// Where an address lies: its space, and where in that.
#[inline]
fn place(space: Space, address: u64) -> (Space, u64) {
    match (space, address >> 56) {
        (Space::Generic, 0x7f) => (Space::Shared, address & !(0xff << 56)),
        (Space::Generic, 0x7e) => (Space::Local, address & !(0xff << 56)),
        (Space::Generic, 0x7d) => (Space::Param, address & !(0xff << 56)),
        (Space::Generic | Space::Global, _) => (Space::Global, address),
        // Addresses of 32 bits.
        (Space::Shared, _) => (Space::Shared, address & 0xffff_ffff),
        (space, _) => (space, address),
    }
}

fn parts(arg: &Arg) -> &[Arg] {
    match arg {
        Arg::Vector(parts) => parts,
        one => std::slice::from_ref(one),
    }
}

impl Block<'_> {
    fn addresses(&self, warp: &Warp, ins: &Ins, i: usize) -> Result<Lanes, Fault> {
        match ins.args.get(i) {
            Some(Arg::Address(base, offset)) => Ok(self.address(warp, *base, *offset)),
            _ => Err(Fault::new(FaultKind::Unknown, "an access without an address")),
        }
    }

    fn thread(warp: &Warp, lane: usize) -> u16 {
        (warp.id * WARP + lane) as u16
    }

    pub(super) fn load(&mut self, warp: &mut Warp, ins: &Ins, space: Space, ty: Ty, mask: u32) -> Result<(), Fault> {
        let addresses = self.addresses(warp, ins, 1)?;
        let parts = parts(&ins.args[0]);
        let size = ty.size();
        let full = size * parts.len();
        self.count(space, &addresses, full, mask);
        let mut out = [[0; WARP]; 8];
        for l in lanes_of(mask) {
            let (space, at) = place(space, addresses[l]);
            match space {
                Space::Global => {
                    let (base, from) = self.memory.check(at, full, true)?;
                    for (i, out) in out[..parts.len()].iter_mut().enumerate() {
                        out[l] = self.memory.load((base, from + i * size), size);
                    }
                }
                Space::Shared => {
                    if at % full as u64 != 0 {
                        return Err(misaligned(at, full));
                    }
                    for (i, out) in out[..parts.len()].iter_mut().enumerate() {
                        out[l] = self.shared.load(Self::thread(warp, l), at + (i * size) as u64, size)?;
                    }
                }
                Space::Local => {
                    let from = self.local(l, at, full)?;
                    if !warp.local.is_written(from, full) {
                        return Err(Fault::new(
                            FaultKind::Unwritten,
                            format!("{full} bytes at {at} of local memory are read, which were never written"),
                        ));
                    }
                    for (i, out) in out[..parts.len()].iter_mut().enumerate() {
                        out[l] = warp.local.load(from + i * size, size);
                    }
                }
                _ => {
                    for (i, out) in out[..parts.len()].iter_mut().enumerate() {
                        out[l] = self.param(at + (i * size) as u64, size)?;
                    }
                }
            }
            // The sign goes on to the end of the register, which may be wider than the type.
            if ty.is_signed() {
                for out in &mut out[..parts.len()] {
                    out[l] = ty.integer(out[l]) as u64;
                }
            }
        }
        for (part, out) in parts.iter().zip(&out) {
            warp.put(part, out, mask);
        }
        Ok(())
    }

    pub(super) fn store(&mut self, warp: &mut Warp, ins: &Ins, space: Space, ty: Ty, mask: u32) -> Result<(), Fault> {
        let addresses = self.addresses(warp, ins, 0)?;
        let parts = parts(&ins.args[1]);
        let size = ty.size();
        let full = size * parts.len();
        self.count(space, &addresses, full, mask);
        let values: Vec<Lanes> = parts.iter().map(|part| self.value(warp, part)).collect();
        for l in lanes_of(mask) {
            let (space, at) = place(space, addresses[l]);
            match space {
                Space::Global => {
                    let (base, to) = self.memory.check(at, full, false)?;
                    for (i, value) in values.iter().enumerate() {
                        self.memory.store((base, to + i * size), size, value[l]);
                    }
                }
                Space::Shared => {
                    if at % full as u64 != 0 {
                        return Err(misaligned(at, full));
                    }
                    for (i, value) in values.iter().enumerate() {
                        let at = at + (i * size) as u64;
                        self.shared.store(Self::thread(warp, l), at, size, value[l], Access::Write)?;
                    }
                }
                Space::Local => {
                    let to = self.local(l, at, full)?;
                    for (i, value) in values.iter().enumerate() {
                        warp.local.store(to + i * size, size, value[l]);
                    }
                }
                _ => return Err(Fault::new(FaultKind::OutOfBounds, "a parameter of the kernel is written")),
            }
        }
        Ok(())
    }

    /// Where in the warp's local memory a lane's own byte `at` is.
    fn local(&self, lane: usize, at: u64, len: usize) -> Result<usize, Fault> {
        let size = self.launch.kernel.local;
        if at.checked_add(len as u64).is_none_or(|end| end > size) {
            return Err(Fault::new(
                FaultKind::OutOfBounds,
                format!("{len} bytes at {at} of local memory, which has {size}"),
            ));
        }
        if at % len as u64 != 0 {
            return Err(misaligned(at, len));
        }
        // Lanes lie side by side in whole pieces of the widest access.
        Ok(lane * size as usize + at as usize)
    }

    fn param(&self, at: u64, len: usize) -> Result<u64, Fault> {
        let params = self.launch.params;
        let range = usize::try_from(at).ok().and_then(|at| params.get(at..at.checked_add(len)?));
        let Some(range) = range else {
            let message = format!("{len} bytes at {at} of the parameters, of which there are {}", params.len());
            return Err(Fault::new(FaultKind::OutOfBounds, message));
        };
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(range);
        Ok(u64::from_le_bytes(bytes))
    }

    /// Counts what a warp's access costs.
    fn count(&mut self, space: Space, addresses: &Lanes, size: usize, mask: u32) {
        match place(space, addresses[mask.trailing_zeros() as usize % WARP]).0 {
            Space::Global => {
                let mut sectors: Vec<u64> = Vec::with_capacity(2 * WARP);
                let mut bytes: Vec<u64> = Vec::with_capacity(WARP);
                for l in lanes_of(mask) {
                    let (first, last) = (addresses[l] >> 5, addresses[l].saturating_add(size as u64 - 1) >> 5);
                    sectors.extend(first..=last.min(first + 1));
                    bytes.push(addresses[l]);
                }
                sectors.sort_unstable();
                sectors.dedup();
                // Lanes that want the same bytes share them.
                bytes.sort_unstable();
                bytes.dedup();
                self.counts.global_accesses += 1;
                self.counts.global_bytes += u64::from(mask.count_ones()) * size as u64;
                self.counts.sectors += sectors.len() as u64;
                self.counts.ideal_sectors += (bytes.len() as u64 * size as u64).div_ceil(32);
            }
            Space::Shared => {
                // Wide accesses are served in parts of 128 bytes.
                let together = (WARP * 4 / size.max(4)).min(WARP);
                let mut ways = 0;
                for first in (0..WARP).step_by(together) {
                    let mut words: Vec<u64> = Vec::with_capacity(WARP);
                    for l in lanes_of(mask).filter(|l| (first..first + together).contains(l)) {
                        let at = place(space, addresses[l]).1;
                        words.extend(at >> 2..=(at + size as u64 - 1) >> 2);
                    }
                    words.sort_unstable();
                    words.dedup();
                    let mut banks = [0u64; 32];
                    words.iter().for_each(|word| banks[*word as usize % 32] += 1);
                    ways += banks.iter().max().copied().unwrap_or(0);
                }
                // As often as an access of this width must ask the banks.
                let least = (mask.count_ones() as usize).div_ceil(together).max(1) as u64;
                self.counts.shared_accesses += least;
                self.counts.shared_ways += ways.max(least);
            }
            _ => {}
        }
    }

    pub(super) fn atomic(
        &mut self,
        warp: &mut Warp,
        ins: &Ins,
        (space, ty, what, answers): (Space, Ty, Atomic, bool),
        mask: u32,
    ) -> Result<(), Fault> {
        let first = usize::from(answers);
        let addresses = self.addresses(warp, ins, first)?;
        let operand = |i: usize| ins.args.get(i).map_or([0; WARP], |arg| self.value(warp, arg));
        let (x, y) = (operand(first + 1), operand(first + 2));
        let (size, mut out) = (ty.size(), [0; WARP]);
        self.count(space, &addresses, size, mask);
        for l in lanes_of(mask) {
            match place(space, addresses[l]) {
                (Space::Global, at) => {
                    let found = self.memory.check(at, size, true)?;
                    let old = self.memory.load(found, size);
                    self.memory.store(found, size, apply(what, ty, old, x[l], y[l]));
                    out[l] = old;
                }
                (Space::Shared, at) => {
                    let old = self.shared.atomic_load(Self::thread(warp, l), at, size)?;
                    let new = apply(what, ty, old, x[l], y[l]);
                    self.shared.store(Self::thread(warp, l), at, size, new, Access::Atomic)?;
                    out[l] = old;
                }
                _ => return Err(Fault::new(FaultKind::OutOfBounds, "an atomic outside of global and shared memory")),
            }
        }
        if answers {
            warp.put(&ins.args[0], &out, mask);
        }
        Ok(())
    }

    /// `cp.async`: the bytes are taken now and come when they are waited for; meanwhile nobody may look.
    pub(super) fn copy_async(&mut self, warp: &mut Warp, ins: &Ins, mask: u32) -> Result<(), Fault> {
        let (to, from) = (self.addresses(warp, ins, 0)?, self.addresses(warp, ins, 1)?);
        let operand = |i: usize| ins.args.get(i).map(|arg| self.value(warp, arg));
        let size = operand(2).map_or(0, |size| size[0] as usize);
        if !matches!(size, 4 | 8 | 16) {
            return Err(Fault::new(FaultKind::Unknown, format!("a copy of {size} bytes")));
        }
        let taken = operand(3).unwrap_or([size as u64; WARP]);
        self.count(Space::Global, &from, size, mask);
        for l in lanes_of(mask) {
            // What is beyond those taken is zero.
            let mut bytes = vec![0; size];
            let taken = (taken[l] as usize).min(size);
            if from[l] % size as u64 != 0 {
                return Err(misaligned(from[l], size));
            }
            for (i, byte) in bytes[..taken].iter_mut().enumerate() {
                let found = self.memory.check(from[l] + i as u64, 1, true)?;
                *byte = self.memory.load(found, 1) as u8;
            }
            let (_, at) = place(Space::Shared, to[l]);
            self.shared.coming(Self::thread(warp, l), at, size)?;
            let groups = &mut warp.copies[l];
            if groups.is_empty() {
                groups.push_back(Vec::new());
            }
            if let Some(open) = groups.back_mut() {
                open.push((at, bytes));
            }
        }
        Ok(())
    }

    /// Lets all copies come but those of the last `most` groups.
    pub(super) fn copy_wait(&mut self, warp: &mut Warp, most: Option<u64>, mask: u32) {
        for l in lanes_of(mask) {
            // The last group is open: not committed.
            let keep = most.map_or(0, |most| most as usize + 1);
            while warp.copies[l].len() > keep {
                for (at, bytes) in warp.copies[l].pop_front().unwrap_or_default() {
                    self.shared.arrived(Self::thread(warp, l), at, &bytes);
                }
            }
        }
    }

    /// The 32 bits at an address of shared memory that `ldmatrix` has a lane read.
    pub(super) fn word_of_row(&mut self, warp: &Warp, lane: usize, address: u64, word: usize) -> Result<u64, Fault> {
        let (_, at) = place(Space::Shared, address);
        if at % 16 != 0 {
            return Err(misaligned(at, 16));
        }
        self.shared.load(Self::thread(warp, lane), at + 4 * word as u64, 4)
    }

    /// Counts what the rows of an `ldmatrix` cost: eight of 16 bytes at once.
    pub(super) fn count_rows(&mut self, rows: &Lanes, matrices: usize) {
        for m in 0..matrices {
            let mask = 0xff << (8 * m);
            self.count(Space::Shared, rows, 16, mask);
        }
    }
}

fn sum<T: Lane>(old: u64, x: u64, add: impl Fn(T, T) -> T) -> u64 {
    add(T::of(old), T::of(x)).bits()
}

/// What an atomic leaves.
pub(super) fn apply(what: Atomic, ty: Ty, old: u64, x: u64, y: u64) -> u64 {
    let half = |x: u64, i: u32| x >> (16 * i) & 0xffff;
    match (what, ty) {
        (Atomic::Add, Ty::F32) => sum::<f32>(old, x, |a, b| a + b),
        (Atomic::Add, Ty::F64) => sum::<f64>(old, x, |a, b| a + b),
        (Atomic::Add, Ty::F16) => sum::<f16>(old, x, |a, b| f16::from_f32(a.to_f32() + b.to_f32())),
        (Atomic::Add, Ty::BF16) => sum::<bf16>(old, x, |a, b| bf16::from_f32(a.to_f32() + b.to_f32())),
        (Atomic::Add, Ty::F16x2) => {
            apply(what, Ty::F16, half(old, 0), half(x, 0), 0) | apply(what, Ty::F16, half(old, 1), half(x, 1), 0) << 16
        }
        (Atomic::Add, Ty::BF16x2) => {
            apply(what, Ty::BF16, half(old, 0), half(x, 0), 0)
                | apply(what, Ty::BF16, half(old, 1), half(x, 1), 0) << 16
        }
        (Atomic::Add, _) => ty.cut(old.wrapping_add(x)),
        (Atomic::Exchange, _) => ty.cut(x),
        (Atomic::CompareSwap, _) => {
            if ty.cut(old) == ty.cut(x) {
                ty.cut(y)
            } else {
                old
            }
        }
        (Atomic::Min, _) => {
            if ty.integer(x) < ty.integer(old) {
                ty.cut(x)
            } else {
                old
            }
        }
        (Atomic::Max, _) => {
            if ty.integer(x) > ty.integer(old) {
                ty.cut(x)
            } else {
                old
            }
        }
        (Atomic::And, _) => old & x,
        (Atomic::Or, _) => old | ty.cut(x),
        (Atomic::Xor, _) => old ^ ty.cut(x),
        (Atomic::Inc, _) => {
            if ty.cut(old) >= ty.cut(x) {
                0
            } else {
                old + 1
            }
        }
        (Atomic::Dec, _) => {
            if old == 0 || ty.cut(old) > ty.cut(x) {
                ty.cut(x)
            } else {
                old - 1
            }
        }
    }
}
