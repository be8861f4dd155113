//! The safetensors format: eight bytes with the length of the header, the header (JSON), the elements of
//! the tensors one after another, little-endian.

mod header;
mod write;

pub(crate) use write::Plan;

use crate::checkpoint::{Contents, Entry};
use crate::source::Source;
use flambeau_tensor::{Error, Result};
use std::collections::HashMap;

/// What a field of the metadata begins with whose value is a tensor that has the rest of the field as another name.
const ALIAS: &str = "alias:";

/// The other name that a field of the metadata gives to the tensor `of`. Files of other programs may have fields that begin
/// alike: one that names no tensor, or whose name a tensor has, is no more than a field.
fn alias<'a>(field: &'a str, of: &str, is_tensor: impl Fn(&str) -> bool) -> Option<&'a str> {
    field.strip_prefix(ALIAS).filter(|name| is_tensor(of) && !is_tensor(name))
}

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
    let mut entries: Vec<Entry> = header.entries.into_iter().map(entry).collect();
    let mut metadata = header.metadata;
    let places: HashMap<String, usize> = entries.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
    metadata.retain(|(field, of)| match alias(field, of, |name| places.contains_key(name)) {
        Some(name) => {
            entries.push(Entry { name: name.to_string(), ..entries[places[of]].clone() });
            false
        }
        None => true,
    });
    Ok(Contents { entries, metadata })
}
