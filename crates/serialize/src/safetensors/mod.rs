//! The safetensors format: eight bytes with the length of the header, the header (JSON), the elements of
//! the tensors one after another, little-endian.

mod header;
mod write;

pub(crate) use write::Plan;

use crate::checkpoint::{Contents, Entry};
use crate::source::Source;
use flambeau_tensor::{Error, Result};

/// True for the start of a file: a header of less than 2^48 bytes, which opens with a brace.
pub(crate) fn is_safetensors(start: &[u8]) -> bool {
    matches!(start, [_, _, _, _, _, _, 0, 0, b'{', ..])
}

/// What the header says, held against the length of the file.
pub(crate) fn contents(source: &Source<'_>) -> Result<Contents> {
    let len = source.len();
    let Some(rest) = len.checked_sub(8) else {
        let message = format!("the file ends at byte {len}, within the 8 bytes of the header's length");
        return Err(source.fault(message));
    };
    let mut first = [0; 8];
    source.read(0, &mut first)?;
    let promised = u64::from_le_bytes(first);
    let sizes = (promised <= rest)
        .then(|| Some((usize::try_from(promised).ok()?, usize::try_from(rest - promised).ok()?)))
        .flatten();
    let Some((header_len, data_len)) = sizes else {
        return Err(source
            .fault(format!("the header is said to have {promised} bytes (at byte 0), the file ends at byte {len}")));
    };
    let bytes = source.bytes(8, header_len)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| source.fault(format!("the header is not UTF-8 at byte {}", 8 + e.valid_up_to())))?;
    let fault = |f: crate::json::Fault| -> Error { source.fault(format!("{} (byte {})", f.message, f.at)) };
    let header = header::parse(text, data_len).map_err(fault)?;
    let start = 8 + header_len as u64;
    let entry =
        |e: header::Entry| Entry { name: e.name, stored: e.stored, shape: e.shape, at: start + e.bytes.start as u64 };
    Ok(Contents { entries: header.entries.into_iter().map(entry).collect(), metadata: header.metadata })
}
