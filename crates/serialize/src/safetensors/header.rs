//! The header of a safetensors file: what it promises, checked against the length of the file before
//! anything is allocated for it.

use crate::Metadata;
use crate::json::{Cursor, Fault};
use crate::stored::{F8, Stored};
use flambeau_tensor::DType;
use std::collections::HashSet;

/// A tensor as the header describes it.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub name: String,
    pub stored: Stored,
    pub shape: Vec<usize>,
    /// Its bytes, counted from the end of the header.
    pub bytes: std::ops::Range<usize>,
    /// Where in the file its description stands.
    pub at: usize,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Header {
    /// In the order of the header.
    pub entries: Vec<Entry>,
    pub metadata: Metadata,
}

/// More dimensions no tensor of PyTorch's has.
const MOST_DIMS: usize = 64;

/// The name of `dtype` in the format.
pub(crate) fn dtype_name(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::Bool => "BOOL",
        DType::U8 => "U8",
        DType::U16 => "U16",
        DType::U32 => "U32",
        DType::U64 => "U64",
        DType::I8 => "I8",
        DType::I16 => "I16",
        DType::I32 => "I32",
        DType::I64 => "I64",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F32 => "F32",
        DType::F64 => "F64",
        DType::Complex64 => "C64",
        DType::Complex128 => return None,
    })
}

/// The types of the format that are not a dtype of flambeau.
const FOREIGN: [(&str, Stored); 10] = [
    ("F8_E4M3", Stored::F8(F8::E4M3)),
    ("F8_E5M2", Stored::F8(F8::E5M2)),
    ("F8_E8M0", Stored::F8(F8::E8M0)),
    ("F8_E4M3FNUZ", Stored::F8(F8::E4M3Fnuz)),
    ("F8_E5M2FNUZ", Stored::F8(F8::E5M2Fnuz)),
    ("F6_E2M3", Stored::Bits(6)),
    ("F6_E3M2", Stored::Bits(6)),
    ("F4", Stored::Bits(4)),
    ("I4", Stored::Bits(4)),
    ("U4", Stored::Bits(4)),
];

/// The type that the format calls `name`.
fn stored(name: &str) -> Option<Stored> {
    let own = DType::ALL.into_iter().find(|d| dtype_name(*d) == Some(name)).map(Stored::Is);
    own.or_else(|| FOREIGN.iter().find(|(n, _)| *n == name).map(|(_, stored)| *stored))
}

/// Reads the header `text`, which begins at byte 8; `data` bytes follow it in the file.
pub(crate) fn parse(text: &str, data: usize) -> Result<Header, Fault> {
    let mut header = Header::default();
    let (mut names, mut with_metadata) = (HashSet::new(), false);
    let mut cursor = Cursor::new(text, 8);
    cursor.object(|cursor, name, at| {
        if name == "__metadata__" {
            if std::mem::replace(&mut with_metadata, true) {
                return Err(Fault::new(at, "`__metadata__` stands twice"));
            }
            if !cursor.null() {
                header.metadata = metadata(cursor)?;
            }
            return Ok(());
        }
        if !names.insert(name.clone()) {
            return Err(Fault::new(at, format!("two tensors are called {name:?}")));
        }
        header.entries.push(entry(cursor, name, at)?);
        Ok(())
    })?;
    cursor.end()?;
    check_data(&header.entries, 8 + text.len(), data)?;
    Ok(header)
}

fn metadata(cursor: &mut Cursor<'_>) -> Result<Metadata, Fault> {
    let (mut fields, mut names) = (Metadata::new(), HashSet::new());
    cursor.object(|cursor, name, at| {
        if !names.insert(name.clone()) {
            return Err(Fault::new(at, format!("two fields of the metadata are called {name:?}")));
        }
        cursor.skip_space();
        fields.push((name, cursor.string()?));
        Ok(())
    })?;
    Ok(fields)
}

/// One tensor's description. Fields that the format does not know are passed over, as its own reader does.
fn entry(cursor: &mut Cursor<'_>, name: String, at: usize) -> Result<Entry, Fault> {
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    cursor.object(|cursor, field, field_at| {
        let twice = match field.as_str() {
            "dtype" => dtype.replace(cursor.string()?).is_some(),
            "shape" => shape.replace(cursor.numbers(MOST_DIMS)?).is_some(),
            "data_offsets" => offsets.replace(cursor.numbers(2)?).is_some(),
            _ => return cursor.skip_value(),
        };
        if twice { Err(Fault::new(field_at, format!("{name:?} has two fields {field:?}"))) } else { Ok(()) }
    })?;
    let (Some(dtype), Some(shape), Some(offsets)) = (dtype, shape, offsets) else {
        return Err(Fault::new(at, format!("{name:?} needs the fields `dtype`, `shape` and `data_offsets`")));
    };
    let [begin, end] = offsets[..] else {
        return Err(Fault::new(at, format!("{name:?} needs two `data_offsets`, it has {}", offsets.len())));
    };
    let Some(stored) = stored(&dtype) else {
        return Err(Fault::new(at, format!("{name:?} has the dtype {dtype:?}, which the format does not know")));
    };
    let size = stored.bytes(&shape);
    if begin > end || size != Some(end - begin) {
        let needed = size.map_or("more bytes than can be counted".into(), |s| format!("{s} bytes"));
        let message = format!("{name:?}, {dtype} {shape:?}, needs {needed}, its data_offsets are {begin}..{end}");
        return Err(Fault::new(at, message));
    }
    Ok(Entry { name, stored, shape, bytes: begin..end, at })
}

/// The format wants the data used up: no gap, no overlap, nothing left over.
fn check_data(entries: &[Entry], start: usize, data: usize) -> Result<(), Fault> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|e| (e.bytes.start, e.bytes.end));
    let mut used = 0;
    for entry in order {
        let (name, std::ops::Range { start: begin, end }) = (&entry.name, entry.bytes.clone());
        if end > data {
            let (from, to, last) = (start.saturating_add(begin), start.saturating_add(end), start.saturating_add(data));
            return Err(Fault::new(
                entry.at,
                format!("{name:?} lies at bytes {from}..{to}, the file ends at byte {last}"),
            ));
        }
        if begin != used {
            let what = if begin < used { "overlaps the tensor before it" } else { "leaves a gap before it" };
            let (begin, used) = (start + begin, start + used);
            return Err(Fault::new(
                entry.at,
                format!("{name:?} {what}: it begins at byte {begin}, the one before ends at byte {used}"),
            ));
        }
        used = end;
    }
    if used != data {
        let message = format!("{} bytes belong to no tensor: the last one ends at byte {}", data - used, start + used);
        return Err(Fault::new(start + used, message));
    }
    Ok(())
}
