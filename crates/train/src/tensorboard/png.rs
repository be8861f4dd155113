//! The smallest PNG file there can be of a picture in memory.

use flambeau_tensor::Result;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(name);
    png.extend(data);
    let mut crc = flate2::Crc::new();
    crc.update(name);
    crc.update(data);
    png.extend(crc.sum().to_be_bytes());
}

/// `pixels` are rows of bytes, the channels (1, 3 or 4) side by side.
pub(crate) fn encode(pixels: &[u8], channels: usize, height: usize, width: usize) -> Result<Vec<u8>> {
    let colour = match channels {
        1 => 0,
        3 => 2,
        _ => 6,
    };
    let mut header = Vec::with_capacity(13);
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    header.extend([8, colour, 0, 0, 0]);
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in pixels.chunks(channels * width) {
        rows.write_all(&[0])?;
        rows.write_all(row)?;
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"IDAT", &rows.finish()?);
    chunk(&mut png, b"IEND", &[]);
    Ok(png)
}
