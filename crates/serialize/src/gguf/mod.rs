//! GGUF, the files of llama.cpp: fields, tensors, and their bytes behind these. Read only. Quantized tensors are
//! given as `float32` (`quants.rs`).

mod quants;

pub(crate) use quants::Quant;

use crate::Metadata;
use crate::checkpoint::{Contents, Entry};
use crate::json::write_string;
use crate::source::Source;
use crate::stored::Stored;
use flambeau_tensor::{DType, Result};
use std::collections::HashSet;

const MAGIC: &[u8; 4] = b"GGUF";
/// No tensor of ggml's has more dimensions.
const MOST_DIMS: u32 = 4;
/// Where tensors begin, unless a field says otherwise.
const ALIGN: u64 = 32;

/// True for the start of a file.
pub(crate) fn is_gguf(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// What the file says that it holds. Text and numbers of its fields are given as they are, lists as JSON.
pub(crate) fn contents(source: &Source<'_>) -> Result<Contents> {
    let mut reader = Reader { source, at: 4, buffer: Vec::new(), from: 0 };
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(source.unsupported(format!("version {version} of GGUF (byte 4); 2 and 3 are read")));
    }
    let (tensors, fields) = (reader.u64()?, reader.u64()?);
    let mut metadata = Metadata::new();
    let mut align = ALIGN;
    for _ in 0..fields {
        let at = reader.at;
        let name = reader.text()?;
        let kind = reader.u32()?;
        let value = reader.value(kind)?;
        if name == "general.alignment" {
            align = value.parse().ok().filter(|a: &u64| a.is_power_of_two()).ok_or_else(|| {
                source.fault(format!("`general.alignment` is {value:?}, no power of two (byte {at})"))
            })?;
        }
        metadata.push((name, value));
    }
    let (mut entries, mut names) = (Vec::new(), HashSet::new());
    for _ in 0..tensors {
        let entry = reader.entry()?;
        if !names.insert(entry.0.name.clone()) {
            return Err(source.fault(format!("two tensors are called {:?} (byte {})", entry.0.name, entry.1)));
        }
        entries.push(entry);
    }
    let data = reader.at.checked_next_multiple_of(align).unwrap_or(u64::MAX);
    for (entry, at) in &mut entries {
        place(source, entry, *at, data)?;
    }
    Ok(Contents { entries: entries.into_iter().map(|(entry, _)| entry).collect(), metadata })
}

/// Moves the entry from its place among the tensors to that in the file, where it must fit.
fn place(source: &Source<'_>, entry: &mut Entry, at: u64, data: u64) -> Result<()> {
    let fault = |what: String| source.fault(format!("{:?} {what} (byte {at})", entry.name));
    let Some(len) = entry.stored.bytes(&entry.shape) else {
        return Err(fault(format!("of shape {:?} has no whole number of blocks that can be counted", entry.shape)));
    };
    let end = data.checked_add(entry.at).and_then(|from| from.checked_add(len as u64));
    if end.is_none_or(|end| end > source.len()) {
        let message =
            format!("has {len} bytes from byte {} of the data on, the file ends at byte {}", entry.at, source.len());
        return Err(fault(message));
    }
    entry.at += data;
    Ok(())
}

/// Reads the header in order, through a buffer.
struct Reader<'s, 'b> {
    source: &'s Source<'b>,
    at: u64,
    buffer: Vec<u8>,
    /// The byte of the file at which the buffer begins.
    from: u64,
}

impl Reader<'_, '_> {
    fn take(&mut self, n: usize) -> Result<&[u8]> {
        self.source.check(self.at, n as u64)?;
        let begin = (self.at - self.from) as usize;
        if begin + n > self.buffer.len() {
            let there = self.source.len() - self.at;
            self.buffer = self.source.bytes(self.at, (n.max(1 << 16) as u64).min(there) as usize)?;
            self.from = self.at;
        }
        let begin = (self.at - self.from) as usize;
        self.at += n as u64;
        Ok(&self.buffer[begin..begin + n])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String> {
        let at = self.at;
        let len = self.u64()?;
        let bytes = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_string()),
            Err(_) => Err(self.source.fault(format!("the text at byte {at} is not UTF-8"))),
        }
    }

    /// A field's value of this type, as text.
    fn value(&mut self, kind: u32) -> Result<String> {
        if kind == 8 {
            return self.text();
        }
        let mut text = String::new();
        self.json(kind, &mut text, 0)?;
        Ok(text)
    }

    fn json(&mut self, kind: u32, to: &mut String, depth: usize) -> Result<()> {
        macro_rules! number {
            ($t:ty) => {
                to.push_str(&<$t>::from_le_bytes(self.array()?).to_string())
            };
        }
        match kind {
            0 => number!(u8),
            1 => number!(i8),
            2 => number!(u16),
            3 => number!(i16),
            4 => number!(u32),
            5 => number!(i32),
            6 => number!(f32),
            7 => to.push_str(if self.array::<1>()?[0] == 0 { "false" } else { "true" }),
            8 => write_string(to, &self.text()?),
            9 if depth < 8 => self.list(to, depth)?,
            10 => number!(u64),
            11 => number!(i64),
            12 => number!(f64),
            _ => {
                let message = format!("a field of type {kind}, {depth} lists deep, before byte {}", self.at);
                return Err(self.source.fault(message));
            }
        }
        Ok(())
    }

    fn list(&mut self, to: &mut String, depth: usize) -> Result<()> {
        let (kind, count) = (self.u32()?, self.u64()?);
        // Each item has a byte at least.
        self.source.check(self.at, count)?;
        to.push('[');
        for i in 0..count {
            to.push_str(if i == 0 { "" } else { "," });
            self.json(kind, to, depth + 1)?;
        }
        to.push(']');
        Ok(())
    }

    /// A tensor, whose place counts from the end of the header, and the byte at which its description stands.
    fn entry(&mut self) -> Result<(Entry, u64)> {
        let from = self.at;
        let name = self.text()?;
        let rank = self.u32()?;
        if rank > MOST_DIMS {
            return Err(self
                .source
                .fault(format!("{name:?} has {rank} dimensions (byte {from}); {MOST_DIMS} are the most")));
        }
        let mut shape = Vec::new();
        for _ in 0..rank {
            shape.push(usize::try_from(self.u64()?).unwrap_or(usize::MAX));
        }
        // ggml counts from the innermost dimension.
        shape.reverse();
        let (kind, at) = (self.u32()?, self.u64()?);
        let Some(stored) = stored(kind) else {
            let message = format!("{name:?} has elements of ggml's type {kind}, which are not read (byte {from})");
            return Err(self.source.unsupported(message));
        };
        Ok((Entry { name, stored, shape, at }, from))
    }
}

/// The type that ggml numbers `kind`.
fn stored(kind: u32) -> Option<Stored> {
    Some(match kind {
        0 => Stored::Is(DType::F32),
        1 => Stored::Is(DType::F16),
        24 => Stored::Is(DType::I8),
        25 => Stored::Is(DType::I16),
        26 => Stored::Is(DType::I32),
        27 => Stored::Is(DType::I64),
        28 => Stored::Is(DType::F64),
        30 => Stored::Is(DType::BF16),
        _ => Stored::Quantized(Quant::of(kind)?),
    })
}
