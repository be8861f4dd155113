//! TFRecord: the length, its checksum, the bytes, their checksum.

use std::io::{self, Write};

/// The table of CRC-32C (Castagnoli), bits reflected.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| TABLE[((crc ^ u32::from(*byte)) & 255) as usize] ^ crc >> 8)
}

/// The checksum as the format keeps it, so that one of bytes that hold checksums is as good.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Debug)]
pub(crate) struct Records<W>(W);

impl<W: Write> Records<W> {
    pub(crate) fn new(to: W) -> Self {
        Records(to)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = (bytes.len() as u64).to_le_bytes();
        self.0.write_all(&length)?;
        self.0.write_all(&masked(&length).to_le_bytes())?;
        self.0.write_all(bytes)?;
        self.0.write_all(&masked(bytes).to_le_bytes())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
