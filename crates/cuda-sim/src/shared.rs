//! Shared memory of a block, and who used which byte of it when: the check for races.
//!
//! Each warp has a clock for every warp, which says how much of that warp's work it has synchronised with. A barrier
//! joins the clocks of the warps that meet there. An access of one warp comes after another's where its clock has
//! passed it; among the lanes of a warp, where the warp has synchronised itself since.

use crate::fault::{Fault, FaultKind};
use crate::memory::misaligned;

/// The last accesses to a byte.
#[derive(Clone, Copy, Default)]
struct Note {
    /// The thread that wrote, and its warp's time.
    writer: u16,
    written: u32,
    value: u8,
    kind: Kind,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    /// Nobody wrote.
    #[default]
    Unwritten,
    Plain,
    Atomic,
    /// A copy is on its way there.
    Coming,
}

/// Who of a warp read a byte last: the warp's time above six bits for the lane, of which there may be several.
type Read = u32;
const SEVERAL: u32 = 32;

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    Atomic,
}

/// The shared memory of one block.
#[derive(Default)]
pub(crate) struct Shared {
    data: Vec<u8>,
    notes: Vec<Note>,
    /// For each byte one for each warp.
    reads: Vec<Read>,
    /// `clocks[w][v]`: up to when warp `w` knows what warp `v` did.
    clocks: Vec<Vec<u32>>,
}

impl Shared {
    /// For a new block.
    pub fn begin(&mut self, bytes: usize, warps: usize) {
        self.data.clear();
        self.data.resize(bytes, 0xa5);
        self.notes.clear();
        self.notes.resize(bytes, Note::default());
        self.reads.clear();
        self.reads.resize(bytes * warps, 0);
        self.clocks = vec![vec![0; warps]; warps];
        for (w, clock) in self.clocks.iter_mut().enumerate() {
            clock[w] = 1;
        }
    }

    /// The lanes of a warp have met.
    pub fn warp_met(&mut self, warp: usize) {
        self.clocks[warp][warp] += 1;
    }

    /// Some warps have met.
    pub fn met(&mut self, warps: &[usize]) {
        let count = self.clocks.len();
        let joined: Vec<u32> =
            (0..count).map(|v| warps.iter().map(|w| self.clocks[*w][v]).max().unwrap_or(0)).collect();
        for &w in warps {
            self.clocks[w].copy_from_slice(&joined);
            self.clocks[w][w] += 1;
        }
    }

    /// Does `thread` come after what `other` did at `time`?
    fn after(&self, thread: u16, other: u16, time: u32) -> bool {
        let (warp, theirs) = (usize::from(thread / 32), usize::from(other / 32));
        thread == other || self.clocks[warp][theirs] > time || warp != theirs && self.clocks[warp][theirs] >= time
    }

    fn now(&self, thread: u16) -> u32 {
        let warp = usize::from(thread / 32);
        self.clocks[warp][warp]
    }

    fn place(&self, address: u64, len: usize) -> Result<usize, Fault> {
        let size = self.data.len() as u64;
        if address.checked_add(len as u64).is_none_or(|end| end > size) {
            let message = format!("{len} bytes at {address} of shared memory, which has {size}");
            return Err(Fault::new(FaultKind::OutOfBounds, message));
        }
        if address % len as u64 != 0 {
            return Err(misaligned(address, len));
        }
        Ok(address as usize)
    }

    fn race(at: usize, thread: u16, does: &str, other: u16, did: &str) -> Fault {
        let message = format!(
            "byte {at} of shared memory: thread {thread} {does} what thread {other} {did}, and no barrier is between"
        );
        Fault::new(FaultKind::Race, message)
    }

    pub fn load(&mut self, thread: u16, address: u64, len: usize) -> Result<u64, Fault> {
        let at = self.place(address, len)?;
        let now = self.now(thread);
        for i in at..at + len {
            self.note_read(i, thread, now)?;
        }
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.data[at..at + len]);
        Ok(u64::from_le_bytes(bytes))
    }

    fn note_read(&mut self, i: usize, thread: u16, now: u32) -> Result<(), Fault> {
        let note = self.notes[i];
        match note.kind {
            Kind::Unwritten => {
                let message = format!("byte {i} of shared memory is read, which nobody wrote");
                return Err(Fault::new(FaultKind::Unwritten, message));
            }
            Kind::Coming => {
                let message = format!("byte {i} of shared memory is read while a copy is on its way there");
                return Err(Fault::new(FaultKind::Race, message));
            }
            _ if !self.after(thread, note.writer, note.written) => {
                return Err(Shared::race(i, thread, "reads", note.writer, "wrote"));
            }
            _ => {}
        }
        let read = &mut self.reads[i * self.clocks.len() + usize::from(thread / 32)];
        let lane = u32::from(thread % 32);
        let same = *read >> 6 == now && *read & 63 != lane;
        *read = now << 6 | if same { SEVERAL } else { lane };
        Ok(())
    }

    pub fn store(&mut self, thread: u16, address: u64, len: usize, value: u64, access: Access) -> Result<(), Fault> {
        let at = self.place(address, len)?;
        let now = self.now(thread);
        let bytes = value.to_le_bytes();
        let kind = if access == Access::Atomic { Kind::Atomic } else { Kind::Plain };
        for (i, byte) in (at..).zip(&bytes[..len]) {
            let note = self.notes[i];
            self.check_write(i, thread, kind, note.value != *byte)?;
            self.notes[i] = Note { writer: thread, written: now, value: *byte, kind };
            self.data[i] = *byte;
        }
        Ok(())
    }

    /// May `thread` write there? Two that write the same value at once do no harm, nor do two atomics.
    fn check_write(&self, i: usize, thread: u16, kind: Kind, differs: bool) -> Result<(), Fault> {
        let note = self.notes[i];
        let atomics = kind == Kind::Atomic && note.kind == Kind::Atomic;
        match note.kind {
            Kind::Coming => {
                let message = format!("byte {i} of shared memory is written while a copy is on its way there");
                return Err(Fault::new(FaultKind::Race, message));
            }
            Kind::Unwritten => {}
            _ if !atomics && (differs || kind != note.kind) && !self.after(thread, note.writer, note.written) => {
                return Err(Shared::race(i, thread, "writes", note.writer, "wrote"));
            }
            _ => {}
        }
        if !differs || atomics {
            return Ok(());
        }
        let warps = self.clocks.len();
        for (warp, read) in self.reads[i * warps..(i + 1) * warps].iter().enumerate().filter(|(_, read)| **read > 0) {
            let (time, lane) = (read >> 6, read & 63);
            let reader = (warp * 32) as u16 + (lane % 32) as u16;
            let several = lane == SEVERAL && usize::from(thread / 32) == warp && self.clocks[warp][warp] <= time;
            if several || !self.after(thread, reader, time) {
                return Err(Shared::race(i, thread, "writes", reader, "read"));
            }
        }
        Ok(())
    }

    /// What an atomic finds.
    pub fn atomic_load(&mut self, thread: u16, address: u64, len: usize) -> Result<u64, Fault> {
        let at = self.place(address, len)?;
        for i in at..at + len {
            let note = self.notes[i];
            if note.kind == Kind::Unwritten {
                let message = format!("byte {i} of shared memory is read, which nobody wrote");
                return Err(Fault::new(FaultKind::Unwritten, message));
            }
            self.check_write(i, thread, Kind::Atomic, true)?;
        }
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.data[at..at + len]);
        Ok(u64::from_le_bytes(bytes))
    }

    /// A copy to there is on its way.
    pub fn coming(&mut self, thread: u16, address: u64, len: usize) -> Result<(), Fault> {
        let at = self.place(address, len)?;
        for i in at..at + len {
            self.check_write(i, thread, Kind::Plain, true)?;
            self.notes[i].kind = Kind::Coming;
        }
        Ok(())
    }

    /// A copy has come.
    pub fn arrived(&mut self, thread: u16, address: u64, bytes: &[u8]) {
        let now = self.now(thread);
        for (i, byte) in (address as usize..).zip(bytes) {
            self.notes[i] = Note { writer: thread, written: now, value: *byte, kind: Kind::Plain };
            self.data[i] = *byte;
        }
    }
}
