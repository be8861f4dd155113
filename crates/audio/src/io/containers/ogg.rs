//! An Ogg, as far as it must be known here: whether one stream follows the other in it.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The most bytes of a page.
const PAGE: u64 = 27 + 255 + 255 * 255;

/// Is the last page of a file of `length` bytes of another stream than the first?
pub(in crate::io) fn is_chained<F: Read + Seek>(file: &mut BufReader<F>, length: u64) -> io::Result<bool> {
    let serial = |page: &[u8]| page.get(14..18).map(<[u8]>::to_vec);
    let mut first = Vec::new();
    file.rewind()?;
    file.by_ref().take(18).read_to_end(&mut first)?;
    if !first.starts_with(b"OggS") {
        return Ok(false);
    }
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(PAGE)))?;
    file.by_ref().take(PAGE).read_to_end(&mut end)?;
    let last = end.windows(4).rposition(|bytes| bytes == b"OggS").map(|at| &end[at..]);
    Ok(last.and_then(serial).is_some_and(|last| Some(last) != serial(&first)))
}
