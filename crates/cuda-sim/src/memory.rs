//! The memory of all devices: allocations with bounds, owners, and a note of which bytes were ever written.

use crate::fault::{Fault, FaultKind};
use std::collections::BTreeMap;

/// Bytes, and which of them were written.
#[derive(Debug, Default)]
pub(crate) struct Bytes {
    data: Vec<u8>,
    written: Vec<u64>,
}

impl Bytes {
    pub fn new(len: usize) -> Bytes {
        Bytes { data: vec![0; len], written: vec![0; len.div_ceil(64)] }
    }

    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Forgets that anything was written.
    pub fn forget(&mut self) {
        self.written.fill(0);
    }

    /// Were these bytes written, all of them?
    pub fn is_written(&self, at: usize, len: usize) -> bool {
        if at / 64 == (at + len - 1) / 64 {
            let mask = (!0u64 >> (64 - len)) << (at % 64);
            return self.written[at / 64] & mask == mask;
        }
        (at..at + len).all(|i| self.written[i / 64] >> (i % 64) & 1 == 1)
    }

    /// Notes that they were.
    pub fn set_written(&mut self, at: usize, len: usize) {
        if len == 0 {
            return;
        }
        if at / 64 == (at + len - 1) / 64 {
            self.written[at / 64] |= (!0u64 >> (64 - len)) << (at % 64);
            return;
        }
        let (first, last) = (at / 64, (at + len - 1) / 64);
        self.written[first] |= !0 << (at % 64);
        self.written[first + 1..last].fill(!0);
        self.written[last] |= !0 >> (63 - (at + len - 1) % 64);
    }

    /// The number of up to eight bytes there.
    #[inline]
    pub fn load(&self, at: usize, len: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.data[at..at + len]);
        u64::from_le_bytes(bytes)
    }

    #[inline]
    pub fn store(&mut self, at: usize, len: usize, value: u64) {
        self.data[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        self.set_written(at, len);
    }

    pub fn slice(&self, at: usize, len: usize) -> &[u8] {
        &self.data[at..at + len]
    }

    pub fn slice_mut(&mut self, at: usize, len: usize) -> &mut [u8] {
        self.set_written(at, len);
        &mut self.data[at..at + len]
    }
}

/// Who an allocation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A device, by number.
    Device(u32),
    /// The host: page-locked memory, at its own address, which all devices see.
    Host,
}

enum Place {
    Own(Bytes),
    /// `len` bytes of the program.
    Host(*mut u8, usize),
}

/// One allocation.
pub struct Allocation {
    owner: Owner,
    place: Place,
}

// SAFETY: the pointer of page-locked memory is used under the lock that holds the whole memory; the program keeps its
// own hands off while work on it is queued, as the driver's interface demands.
unsafe impl Send for Allocation {}

/// The memory of all devices.
#[derive(Default)]
pub struct Memory {
    allocations: BTreeMap<u64, Allocation>,
    next: u64,
    /// Devices that may look at another one's memory: (who, whose).
    peers: Vec<(u32, u32)>,
}

/// Device addresses start here: nothing of the program lies there.
const FIRST: u64 = 0x0007_0000_0000_0000;
/// Between two allocations: what runs over the end of one is found.
const GAP: u64 = 4096;

impl Memory {
    /// `bytes` bytes on a device.
    pub fn allocate(&mut self, device: u32, bytes: usize) -> u64 {
        let address = FIRST + self.next;
        self.next += (bytes as u64).next_multiple_of(512) + GAP;
        let place = Place::Own(Bytes::new(bytes));
        self.allocations.insert(address, Allocation { owner: Owner::Device(device), place });
        address
    }

    /// Makes memory of the program known, at its own address.
    ///
    /// # Safety
    /// `pointer` has `bytes` bytes, which are initialised and stay until they are freed here, and nobody else uses
    /// them while a device does.
    pub unsafe fn register(&mut self, pointer: *mut u8, bytes: usize) {
        let place = Place::Host(pointer, bytes);
        self.allocations.insert(pointer as u64, Allocation { owner: Owner::Host, place });
    }

    /// Gives an allocation back: its size and owner, if there is one that starts at this address.
    pub fn free(&mut self, address: u64) -> Option<(usize, Owner)> {
        let gone = self.allocations.remove(&address)?;
        Some((gone.len(), gone.owner))
    }

    /// Lets `device` look at the memory of `whose`.
    pub fn allow_peer(&mut self, device: u32, whose: u32) {
        self.peers.push((device, whose));
    }

    /// The allocation that holds these bytes, as a device sees it, and where in it they are.
    fn find(&self, device: Option<u32>, address: u64, len: usize) -> Result<(u64, usize), Fault> {
        let outside = |what: String| Fault::new(FaultKind::OutOfBounds, what);
        let below = self.allocations.range(..=address).next_back();
        let Some((base, allocation)) = below else {
            return Err(outside(format!("{len} bytes at {address:#x} lie in no allocation")));
        };
        let (size, at) = (allocation.len() as u64, address - base);
        if at.checked_add(len as u64).is_none_or(|end| end > size) {
            let message =
                format!("{len} bytes at {address:#x} lie in no allocation: {at} bytes into one of {size} bytes");
            return Err(outside(message));
        }
        match (device, allocation.owner) {
            (Some(device), Owner::Device(owner)) if owner != device && !self.peers.contains(&(device, owner)) => {
                Err(outside(format!(
                    "{len} bytes at {address:#x} are of device {owner}, which device {device} may not see"
                )))
            }
            _ => Ok((*base, at as usize)),
        }
    }

    /// Which device an address belongs to.
    pub fn owner(&self, address: u64) -> Option<Owner> {
        let (base, _) = self.find(None, address, 1).ok()?;
        self.allocations.get(&base).map(|a| a.owner)
    }

    /// Copies `from` into device memory.
    ///
    /// # Errors
    /// Where the bytes lie outside.
    pub fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        if from.is_empty() {
            return Ok(());
        }
        let (base, at) = self.find(None, address, from.len())?;
        let allocation = self.allocations.get_mut(&base).expect("it was just found");
        allocation.bytes_mut(at, from.len()).copy_from_slice(from);
        Ok(())
    }

    /// Bytes of device memory.
    ///
    /// # Errors
    /// Where they lie outside.
    pub fn read(&self, address: u64, len: usize) -> Result<Vec<u8>, Fault> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let (base, at) = self.find(None, address, len)?;
        Ok(self.allocations[&base].bytes(at, len).to_vec())
    }

    /// Copies within device memory. What was never written stays so.
    ///
    /// # Errors
    /// Where the bytes lie outside.
    pub fn copy(&mut self, to: u64, from: u64, len: usize) -> Result<(), Fault> {
        let bytes = self.read(from, len)?;
        let unwritten: Vec<usize> = match self.find(None, from, len.max(1)) {
            Ok((base, at)) => (0..len).filter(|i| !self.allocations[&base].is_written(at + i, 1)).collect(),
            Err(_) => Vec::new(),
        };
        self.write(to, &bytes)?;
        if !unwritten.is_empty() {
            self.forget(to, &unwritten);
        }
        Ok(())
    }

    fn forget(&mut self, address: u64, offsets: &[usize]) {
        let Ok((base, at)) = self.find(None, address, 1) else { return };
        if let Some(Allocation { place: Place::Own(bytes), .. }) = self.allocations.get_mut(&base) {
            offsets.iter().map(|i| at + i).for_each(|i| bytes.written[i / 64] &= !(1 << (i % 64)));
        }
    }
}

impl Allocation {
    fn len(&self) -> usize {
        match &self.place {
            Place::Own(bytes) => bytes.len(),
            Place::Host(_, len) => *len,
        }
    }

    fn is_written(&self, at: usize, len: usize) -> bool {
        match &self.place {
            Place::Own(bytes) => bytes.is_written(at, len),
            Place::Host(..) => true,
        }
    }

    fn bytes(&self, at: usize, len: usize) -> &[u8] {
        match &self.place {
            Place::Own(bytes) => bytes.slice(at, len),
            Place::Host(pointer, size) => {
                assert!(at + len <= *size, "outside of page-locked memory");
                // SAFETY: who registered the memory promised that it is there, initialised, and not used meanwhile;
                // the range was checked.
                unsafe { std::slice::from_raw_parts(pointer.add(at), len) }
            }
        }
    }

    fn bytes_mut(&mut self, at: usize, len: usize) -> &mut [u8] {
        match &mut self.place {
            Place::Own(bytes) => bytes.slice_mut(at, len),
            Place::Host(pointer, size) => {
                assert!(at + len <= *size, "outside of page-locked memory");
                // SAFETY: as in `bytes`.
                unsafe { std::slice::from_raw_parts_mut(pointer.add(at), len) }
            }
        }
    }
}

/// Global memory as the threads of a launch see it: the allocation that was used last is looked at first.
pub(crate) struct View<'a> {
    memory: &'a mut Memory,
    device: u32,
    last: (u64, u64),
}

impl<'a> View<'a> {
    pub fn new(memory: &'a mut Memory, device: u32) -> View<'a> {
        View { memory, device, last: (0, 0) }
    }

    fn find(&mut self, address: u64, len: usize) -> Result<(u64, usize), Fault> {
        let (base, size) = self.last;
        if address >= base && (address - base).saturating_add(len as u64) <= size {
            return Ok((base, (address - base) as usize));
        }
        let (base, at) = self.memory.find(Some(self.device), address, len)?;
        self.last = (base, self.memory.allocations[&base].len() as u64);
        Ok((base, at))
    }

    /// Checks that an access may be, and says where it is.
    pub fn check(&mut self, address: u64, len: usize, reads: bool) -> Result<(u64, usize), Fault> {
        let (base, at) = self.find(address, len)?;
        if address % len as u64 != 0 {
            return Err(misaligned(address, len));
        }
        if reads && !self.memory.allocations[&base].is_written(at, len) {
            let message =
                format!("{len} bytes at {address:#x} are read, which nobody wrote: byte {at} of an allocation");
            return Err(Fault::new(FaultKind::Unwritten, message));
        }
        Ok((base, at))
    }

    pub fn load(&mut self, (base, at): (u64, usize), len: usize) -> u64 {
        match &self.memory.allocations[&base].place {
            Place::Own(bytes) => bytes.load(at, len),
            Place::Host(..) => {
                let mut bytes = [0; 8];
                bytes[..len].copy_from_slice(self.memory.allocations[&base].bytes(at, len));
                u64::from_le_bytes(bytes)
            }
        }
    }

    pub fn store(&mut self, (base, at): (u64, usize), len: usize, value: u64) {
        if let Some(allocation) = self.memory.allocations.get_mut(&base) {
            match &mut allocation.place {
                Place::Own(bytes) => bytes.store(at, len, value),
                Place::Host(..) => allocation.bytes_mut(at, len).copy_from_slice(&value.to_le_bytes()[..len]),
            }
        }
    }
}

pub(crate) fn misaligned(address: u64, len: usize) -> Fault {
    Fault::new(FaultKind::Misaligned, format!("{len} bytes at {address:#x}, which is no multiple of {len}"))
}
