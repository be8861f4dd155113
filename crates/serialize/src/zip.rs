//! Zip archives as PyTorch and NumPy write them: entries that are stored, or deflated (`savez_compressed`),
//! with the long form for more than 4 GiB. Reading is our own, for common crates refuse genuine archives of
//! PyTorch's (they insist on checksums and local headers that PyTorch does not write), and a checkpoint needs
//! the place of an entry in the file rather than a stream of it.

use crate::source::Source;
use flambeau_tensor::{Result, bail};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::collections::HashMap;
use std::io::{Read, Write};

/// An entry of an archive.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    method: u16,
    flags: u16,
    crc: u32,
    /// Bytes in the file, and as it was.
    packed: u64,
    pub(crate) size: u64,
    header_at: u64,
}

/// An archive's entries, in the order of its directory.
pub(crate) struct Archive<'s, 'b> {
    pub(crate) source: &'s Source<'b>,
    pub(crate) entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
/// The sizes of the fixed parts of these.
const LOCAL_LEN: usize = 30;
const CENTRAL_LEN: usize = 46;
const END_LEN: usize = 22;
const END_64_LEN: usize = 56;
const LOCATOR_64_LEN: usize = 20;

/// True for bytes that begin a zip archive.
pub(crate) fn is_zip(start: &[u8]) -> bool {
    start.starts_with(LOCAL) || start.starts_with(END)
}

fn u16_at(bytes: &[u8], i: usize) -> u16 {
    u16::from_le_bytes([bytes[i], bytes[i + 1]])
}

fn u32_at(bytes: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]])
}

fn u64_at(bytes: &[u8], i: usize) -> u64 {
    u64::from(u32_at(bytes, i)) | u64::from(u32_at(bytes, i + 4)) << 32
}

impl<'s, 'b> Archive<'s, 'b> {
    /// Reads the directory at the end of the file.
    pub(crate) fn open(source: &'s Source<'b>) -> Result<Self> {
        let (at, len, count) = directory(source)?;
        let Ok(size) = usize::try_from(len) else {
            return Err(source.fault(format!("the directory of {len} bytes is larger than memory")));
        };
        let bytes = source.bytes(at, size)?;
        if count > len / CENTRAL_LEN as u64 {
            return Err(
                source.fault(format!("the directory at byte {at} has {len} bytes, too few for {count} entries"))
            );
        }
        let (mut entries, mut places) = (Vec::new(), HashMap::new());
        let (mut rest, mut total) = (&bytes[..], 0u64);
        for _ in 0..count {
            let here = at + (size - rest.len()) as u64;
            let (entry, tail) = central(source, rest, here)?;
            rest = tail;
            total = total.saturating_add(entry.packed);
            if places.insert(entry.name.clone(), entries.len()).is_some() {
                return Err(source.fault(format!("two entries are called {:?} (byte {here})", entry.name)));
            }
            entries.push(entry);
        }
        if total > source.len() {
            let message = format!("the entries have {total} bytes together, the file has {}", source.len());
            return Err(source.fault(message));
        }
        Ok(Archive { source, entries, places })
    }

    /// The entry called `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        Some(&self.entries[*self.places.get(name)?])
    }

    /// The byte of the file at which the entry's data begins, if it lies there as it is.
    pub(crate) fn stored_at(&self, entry: &Entry) -> Result<Option<u64>> {
        let at = self.data_at(entry)?;
        if entry.method != STORED {
            return Ok(None);
        }
        if entry.packed != entry.size {
            let Entry { name, packed, size, .. } = entry;
            return Err(self.source.fault(format!("the stored entry {name:?} has {packed} bytes and {size}")));
        }
        Ok(Some(at))
    }

    /// The entry's bytes.
    pub(crate) fn bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let Ok(size) = usize::try_from(entry.size) else {
            return Err(self.source.fault(format!("the entry {:?} is larger than memory", entry.name)));
        };
        if let Some(at) = self.stored_at(entry)? {
            return self.source.bytes(at, size);
        }
        // Deflate packs 1032 bytes into one at best.
        if entry.method != DEFLATED || entry.size > entry.packed.saturating_mul(1032) {
            let Entry { name, method, packed, size, .. } = entry;
            let message =
                format!("the entry {name:?}, method {method}, of {size} bytes in {packed} is no deflated one");
            return Err(self.source.fault(message));
        }
        let packed = self.source.bytes(self.data_at(entry)?, entry.packed as usize)?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size).is_err() {
            bail!(Memory, "load", "no memory for {size} bytes of {:?}", entry.name)
        }
        let read = DeflateDecoder::new(&packed[..]).take(entry.size).read_to_end(&mut bytes);
        if read.is_err() || bytes.len() != size {
            return Err(self.source.fault(format!("the entry {:?} does not unpack to {size} bytes", entry.name)));
        }
        Ok(bytes)
    }

    /// [`bytes`](Archive::bytes), held against the entry's checksum. PyTorch may be told to write none.
    pub(crate) fn checked_bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let bytes = self.bytes(entry)?;
        if checksum(&bytes) != entry.crc {
            return Err(self.source.fault(format!("the checksum of the entry {:?} is wrong", entry.name)));
        }
        Ok(bytes)
    }

    /// The byte at which the entry's data begins; it is inside the file.
    fn data_at(&self, entry: &Entry) -> Result<u64> {
        let (name, at) = (&entry.name, entry.header_at);
        if entry.flags & 1 != 0 {
            return Err(self.source.unsupported(format!("the entry {name:?} is encrypted")));
        }
        let mut head = [0; LOCAL_LEN];
        self.source.read(at, &mut head)?;
        if !head.starts_with(LOCAL) {
            return Err(self.source.fault(format!("the entry {name:?} has no header at byte {at}")));
        }
        let data = at + (LOCAL_LEN + usize::from(u16_at(&head, 26)) + usize::from(u16_at(&head, 28))) as u64;
        self.source.check(data, entry.packed)?;
        Ok(data)
    }
}

/// Where the directory begins, its length, and how many entries it has.
fn directory(source: &Source<'_>) -> Result<(u64, u64, u64)> {
    let len = source.len();
    // A comment of up to 65535 bytes may follow.
    let tail_len = len.min((END_LEN + usize::from(u16::MAX)) as u64);
    let tail_at = len - tail_len;
    let tail = source.bytes(tail_at, tail_len as usize)?;
    let found = (0..(tail.len() + 1).saturating_sub(END_LEN))
        .rev()
        .find(|i| tail[*i..].starts_with(END) && *i + END_LEN + usize::from(u16_at(&tail, i + 20)) == tail.len());
    let Some(i) = found else {
        return Err(source.fault(format!("the archive's directory is missing: the file is cut off at byte {len}")));
    };
    let (mut count, mut size, mut at) =
        (u64::from(u16_at(&tail, i + 10)), u64::from(u32_at(&tail, i + 12)), u64::from(u32_at(&tail, i + 16)));
    if let Some(locator) = i.checked_sub(LOCATOR_64_LEN).filter(|l| tail[*l..].starts_with(LOCATOR_64)) {
        let end_at = u64_at(&tail, locator + 8);
        let end = source.bytes(end_at, END_64_LEN)?;
        if !end.starts_with(END_64) {
            return Err(source.fault(format!("the long end of the directory is missing at byte {end_at}")));
        }
        (count, size, at) = (u64_at(&end, 32), u64_at(&end, 40), u64_at(&end, 48));
    }
    source.check(at, size)?;
    Ok((at, size, count))
}

/// The entry at the front of the directory's `bytes`, which lie at byte `at` of the file, and the bytes behind it.
fn central<'b>(source: &Source<'_>, bytes: &'b [u8], at: u64) -> Result<(Entry, &'b [u8])> {
    let cut = || source.fault(format!("the directory ends within the entry at byte {at}"));
    let (head, rest) = bytes.split_at_checked(CENTRAL_LEN).ok_or_else(cut)?;
    if !head.starts_with(CENTRAL) {
        return Err(source.fault(format!("no entry of the directory at byte {at}")));
    }
    let (name, rest) = rest.split_at_checked(u16_at(head, 28).into()).ok_or_else(cut)?;
    let (extra, rest) = rest.split_at_checked(u16_at(head, 30).into()).ok_or_else(cut)?;
    let (_comment, rest) = rest.split_at_checked(u16_at(head, 32).into()).ok_or_else(cut)?;
    let (mut packed, mut size, mut header_at) =
        (u64::from(u32_at(head, 20)), u64::from(u32_at(head, 24)), u64::from(u32_at(head, 42)));
    if let Some(mut long) = long_sizes(extra) {
        // Those that did not fit, in this order.
        for value in [&mut size, &mut packed, &mut header_at] {
            if *value == u64::from(u32::MAX) {
                let (first, tail) = long.split_at_checked(8).ok_or_else(cut)?;
                *value = u64_at(first, 0);
                long = tail;
            }
        }
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let (flags, method, crc) = (u16_at(head, 8), u16_at(head, 10), u32_at(head, 16));
    Ok((Entry { name, method, flags, crc, packed, size, header_at }, rest))
}

/// The extra field of the long form.
fn long_sizes(mut extra: &[u8]) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra[4..].get(..len)?;
        if id == 1 {
            return Some(field);
        }
        extra = &extra[4 + len..];
    }
    None
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Writes an archive of stored entries, one after another.
pub(crate) struct Writer<'w> {
    to: &'w mut dyn Write,
    at: u64,
    directory: Vec<u8>,
    count: u64,
}

/// Sizes and offsets above this stand in the long form.
const SHORT: u64 = u32::MAX as u64 - 1;

impl<'w> Writer<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Writer { to, at: 0, directory: Vec::new(), count: 0 }
    }

    /// Writes the entry `name`, its data at a multiple of `align` bytes from the start of the file.
    pub(crate) fn entry(&mut self, name: &str, bytes: &[u8], align: u64) -> std::io::Result<()> {
        let (size, crc, header_at) = (bytes.len() as u64, checksum(bytes), self.at);
        let mut extra = Vec::new();
        if size > SHORT {
            extra.extend([1u16, 16].map(u16::to_le_bytes).concat());
            extra.extend([size, size].map(u64::to_le_bytes).concat());
        }
        let end = header_at + (LOCAL_LEN + name.len() + extra.len()) as u64;
        if !end.is_multiple_of(align) {
            // PyTorch's field of padding: its name, its length, what fills up.
            let fill = (end + 4).next_multiple_of(align) - (end + 4);
            extra.extend(b"FB");
            extra.extend((fill as u16).to_le_bytes());
            extra.extend(vec![b'Z'; fill as usize]);
        }
        let short = size.min(u64::from(u32::MAX)) as u32;
        let short = if size > SHORT { u32::MAX } else { short };
        let mut head = LOCAL.to_vec();
        put_common(&mut head, crc, short, name.len(), extra.len());
        head.extend(name.as_bytes());
        head.extend(&extra);
        self.put(&head)?;
        self.put(bytes)?;
        self.list(name, crc, size, header_at);
        Ok(())
    }

    /// Adds an entry to the directory.
    fn list(&mut self, name: &str, crc: u32, size: u64, header_at: u64) {
        let mut extra = Vec::new();
        if size > SHORT {
            extra.extend([size, size].map(u64::to_le_bytes).concat());
        }
        if header_at > SHORT {
            extra.extend(header_at.to_le_bytes());
        }
        if !extra.is_empty() {
            let head = [1u16, extra.len() as u16].map(u16::to_le_bytes).concat();
            extra.splice(0..0, head);
        }
        let short = |n: u64| if n > SHORT { u32::MAX } else { n as u32 };
        self.directory.extend(CENTRAL);
        self.directory.extend([0, 0]);
        put_common(&mut self.directory, crc, short(size), name.len(), extra.len());
        // No comment, the first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(short(header_at).to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.directory.extend(&extra);
        self.count += 1;
    }

    /// Writes the directory.
    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        let (at, len) = (self.at, self.directory.len() as u64);
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory)?;
        let mut end = Vec::new();
        if at > SHORT || len > SHORT || self.count >= u64::from(u16::MAX) {
            end.extend(END_64);
            end.extend((END_64_LEN as u64 - 12).to_le_bytes());
            end.extend([45u16, 45, 0, 0, 0, 0].map(u16::to_le_bytes).concat());
            end.extend([self.count, self.count, len, at].map(u64::to_le_bytes).concat());
            end.extend(LOCATOR_64);
            end.extend([0; 4]);
            end.extend(self.at.to_le_bytes());
            end.extend(1u32.to_le_bytes());
        }
        let short = |n: u64| if n > SHORT { u32::MAX } else { n as u32 };
        let count = self.count.min(u16::MAX.into()) as u16;
        end.extend(END);
        end.extend([0, 0, count, count].map(u16::to_le_bytes).concat());
        end.extend([short(len), short(at)].map(u32::to_le_bytes).concat());
        end.extend([0, 0]);
        self.put(&end)
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.at += bytes.len() as u64;
        self.to.write_all(bytes)
    }
}

/// The fields that the header of an entry and its line in the directory share, from the version needed on.
fn put_common(to: &mut Vec<u8>, crc: u32, size: u32, name: usize, extra: usize) {
    let version = if size == u32::MAX { 45u16 } else { 20 };
    // Names are UTF-8, the entry is stored; the time is midnight of the first of January 1980.
    to.extend([version, 1 << 11, STORED, 0, 0x21].map(u16::to_le_bytes).concat());
    to.extend([crc, size, size].map(u32::to_le_bytes).concat());
    to.extend([name as u16, extra as u16].map(u16::to_le_bytes).concat());
}
