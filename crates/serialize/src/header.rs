//! The header of a safetensors file: what it promises, checked against the length of the file before
//! anything is allocated for it.

use crate::Metadata;
use crate::json::{Cursor, Fault};
use flambeau_tensor::shape::checked_numel;
use flambeau_tensor::{DType, ErrorKind};
use std::collections::HashSet;

/// A tensor as the header describes it.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub name: String,
    pub dtype: DType,
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

/// A fault and its kind: a file that lies, or one that holds what flambeau lacks.
pub(crate) type Faulty = (ErrorKind, Fault);

fn lie(fault: Fault) -> Faulty {
    (ErrorKind::Format, fault)
}

/// The name of `dtype` in the format.
pub(crate) fn dtype_name(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::Bool => "BOOL",
        DType::U8 => "U8",
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

/// The names of the format that stand for nothing here.
const FOREIGN: [&str; 13] = [
    "F4",
    "F6_E2M3",
    "F6_E3M2",
    "F8_E4M3",
    "F8_E5M2",
    "F8_E8M0",
    "F8_E4M3FNUZ",
    "F8_E5M2FNUZ",
    "U16",
    "U32",
    "U64",
    "I4",
    "U4",
];

/// Reads the header `text`, which begins at byte 8; `data` bytes follow it in the file.
pub(crate) fn parse(text: &str, data: usize) -> Result<Header, Faulty> {
    let mut header = Header::default();
    let (mut names, mut with_metadata, mut foreign) = (HashSet::new(), false, None);
    let mut cursor = Cursor::new(text, 8);
    let object = cursor.object(|cursor, name, at| {
        if name == "__metadata__" {
            if std::mem::replace(&mut with_metadata, true) {
                return Err(Fault::new(at, "`__metadata__` stands twice"));
            }
            header.metadata = metadata(cursor)?;
            return Ok(());
        }
        if !names.insert(name.clone()) {
            return Err(Fault::new(at, format!("two tensors are called {name:?}")));
        }
        match entry(cursor, name, at)? {
            Ok(entry) => header.entries.push(entry),
            Err(fault) => foreign = foreign.take().or(Some(fault)),
        }
        Ok(())
    });
    object.and_then(|()| cursor.end()).map_err(lie)?;
    if let Some(fault) = foreign {
        return Err((ErrorKind::Unsupported, fault));
    }
    check_data(&header.entries, 8 + text.len(), data).map_err(lie)?;
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

/// One tensor's description; `Ok(Err(_))` for one of a dtype that flambeau lacks.
fn entry(cursor: &mut Cursor<'_>, name: String, at: usize) -> Result<Result<Entry, Fault>, Fault> {
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    cursor.object(|cursor, field, field_at| {
        let twice = match field.as_str() {
            "dtype" => dtype.replace(cursor.string()?).is_some(),
            "shape" => shape.replace(cursor.numbers(MOST_DIMS)?).is_some(),
            "data_offsets" => offsets.replace(cursor.numbers(2)?).is_some(),
            _ => return Err(Fault::new(field_at, format!("{name:?} has an unknown field {field:?}"))),
        };
        if twice { Err(Fault::new(field_at, format!("{name:?} has two fields {field:?}"))) } else { Ok(()) }
    })?;
    let (Some(dtype), Some(shape), Some(offsets)) = (dtype, shape, offsets) else {
        return Err(Fault::new(at, format!("{name:?} needs the fields `dtype`, `shape` and `data_offsets`")));
    };
    let [begin, end] = offsets[..] else {
        return Err(Fault::new(at, format!("{name:?} needs two `data_offsets`, it has {}", offsets.len())));
    };
    let Some(known) = DType::ALL.into_iter().find(|d| dtype_name(*d) == Some(dtype.as_str())) else {
        let foreign = FOREIGN.contains(&dtype.as_str());
        let fault = |what: &str| Fault::new(at, format!("{name:?} has the dtype {dtype:?}, {what}"));
        return if foreign {
            Ok(Err(fault("which flambeau lacks")))
        } else {
            Err(fault("which the format does not know"))
        };
    };
    let size = checked_numel(&shape).and_then(|n| n.checked_mul(known.size()));
    if begin > end || size != Some(end - begin) {
        let needed = size.map_or("more bytes than can be counted".into(), |s| format!("{s} bytes"));
        let message = format!("{name:?}, {known} {shape:?}, needs {needed}, its data_offsets are {begin}..{end}");
        return Err(Fault::new(at, message));
    }
    Ok(Ok(Entry { name, dtype: known, shape, bytes: begin..end, at }))
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
