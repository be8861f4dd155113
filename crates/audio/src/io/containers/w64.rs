//! Sony's Wave64: a WAV whose chunks have names of 16 bytes and sizes of 8.

use super::is_open;
use super::wav::{Samples, opened, read_form};
use crate::io::Plain;
use crate::io::fault::{Fault, bytes, fault, go};
use std::io::{BufReader, Read, Seek};

/// What a file starts with.
pub(in crate::io) const START: [u8; 16] =
    guid(b"riff", [0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 4, 0xc1, 0, 0]);
const TAIL: [u8; 12] = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];
const WAVE: [u8; 16] = guid(b"wave", TAIL);
const FMT: [u8; 16] = guid(b"fmt ", TAIL);
const DATA: [u8; 16] = guid(b"data", TAIL);

const fn guid(name: &[u8; 4], tail: [u8; 12]) -> [u8; 16] {
    let mut all = [0; 16];
    let mut i = 0;
    while i < 16 {
        all[i] = if i < 4 { name[i] } else { tail[i - 4] };
        i += 1;
    }
    all
}

/// Walks the chunks up to the samples of a file of `length` bytes that starts with [`START`].
pub(in crate::io) fn walk<F: Read + Seek>(file: &mut BufReader<F>, length: u64, strict: bool) -> Result<Plain, Fault> {
    if length < 40 {
        fault!(Format, "the header of a W64 needs 40 bytes, the file ends at byte {length}");
    }
    let head: [u8; 40] = bytes(file)?;
    if head[24..] != WAVE {
        fault!(Format, "a W64 has the name of \"wave\" at byte 24, this file has not");
    }
    let (mut form, mut at): (Option<Samples>, u64) = (None, 40);
    while at < length {
        if length - at < 24 {
            fault!(Format, "the header of the chunk at byte {at} needs 24 bytes, the file ends at byte {length}");
        }
        go(file, at)?;
        let name: [u8; 16] = bytes(file)?;
        let whole = u64::from_le_bytes(bytes(file)?);
        let (body, there) = (at + 24, length - (at + 24));
        let open = name == DATA && is_open(whole) && (whole == 0 || whole - 24 > there);
        // A size counts the header.
        let Some(mut size) = (if open { Some(there) } else { whole.checked_sub(24) }) else {
            fault!(Format, "the chunk at byte {at} promises {whole} bytes, its header alone has 24");
        };
        let mut notes = Vec::new();
        if open {
            notes.push(format!(
                "the chunk \"data\" at byte {at} leaves its size open: it is read to the end of the file"
            ));
        }
        if size > there {
            let told = format!("the chunk at byte {at} promises {size} bytes, the file ends at byte {length}");
            if strict || name != DATA {
                return Err(Fault::Format(told));
            }
            notes.push(told);
            size = there;
        }
        match (name, &form) {
            (FMT, None) => form = Some(read_form(file, at, size)?),
            (FMT, Some(_)) => fault!(Format, "a second chunk \"fmt \" at byte {at}"),
            (DATA, Some(form)) => return opened(form, body, size, notes),
            (DATA, None) => fault!(Format, "the chunk \"data\" at byte {at} comes before any \"fmt \""),
            _ => {}
        }
        at = body + size.next_multiple_of(8);
    }
    fault!(Format, "there is no chunk \"data\" up to the end at byte {length}")
}
