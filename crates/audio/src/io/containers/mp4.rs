//! The edit list of an MP4, which says how many samples at the start of a track are not to be heard: what an encoder
//! of AAC put there. (symphonia does not read it.)

use crate::io::fault::{Fault, bytes, go};
use std::io::{BufReader, Read, Seek};

/// The boxes from the file down to the list.
const PATH: [&[u8; 4]; 4] = [b"moov", b"trak", b"edts", b"elst"];

/// Frames to leave out, in units of the track's time; 0 where there is no edit list. Looks at one `trak` after another
/// for the first with a list.
pub(in crate::io) fn edit_list<F: Read + Seek>(file: &mut BufReader<F>, length: u64) -> Result<u64, Fault> {
    search(file, 0, length, 0).map(|found| found.unwrap_or(0))
}

fn search<F: Read + Seek>(file: &mut BufReader<F>, from: u64, end: u64, depth: usize) -> Result<Option<u64>, Fault> {
    let mut at = from;
    while end.saturating_sub(at) >= 8 {
        go(file, at)?;
        let short = u64::from(u32::from_be_bytes(bytes(file)?));
        let name: [u8; 4] = bytes(file)?;
        // A size of 1 stands before one of 64 bits, 0 means up to the end.
        let (head, size) = match short {
            0 => (8, end - at),
            1 if end - at >= 16 => (16, u64::from_be_bytes(bytes(file)?)),
            _ => (8, short),
        };
        if size < head || size > end - at {
            return Ok(None);
        }
        if &name == PATH[depth] {
            let body = at + head;
            let found = match depth + 1 == PATH.len() {
                true => first_edit(file, at + size - body)?,
                false => search(file, body, at + size, depth + 1)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        at += size;
    }
    Ok(None)
}

/// Where the first edit that is not empty begins.
fn first_edit(file: &mut impl Read, size: u64) -> Result<Option<u64>, Fault> {
    if size < 8 {
        return Ok(None);
    }
    let [version, ..]: [u8; 4] = bytes(file)?;
    let count = u64::from(u32::from_be_bytes(bytes(file)?));
    let each = if version == 1 { 20 } else { 12 };
    for _ in 0..count.min((size - 8) / each) {
        // Its length, where it begins (−1 where it is silence), and its speed.
        let start = if version == 1 {
            let _length: [u8; 8] = bytes(file)?;
            i64::from_be_bytes(bytes(file)?)
        } else {
            let _length: [u8; 4] = bytes(file)?;
            i32::from_be_bytes(bytes(file)?).into()
        };
        let _speed: [u8; 4] = bytes(file)?;
        if let Ok(start) = u64::try_from(start) {
            return Ok(Some(start));
        }
    }
    Ok(None)
}
