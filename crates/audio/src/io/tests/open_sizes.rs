//! W64 and AIFF as programs write them to a pipe: with the sizes left open.

use super::{fmt, le16, load, load_with};
use crate::io::{containers::w64, info};

const SAMPLES: [i16; 3] = [16384, -16384, 8192];
const WAVE: [f32; 3] = [0.5, -0.5, 0.25];

/// What is read of a file, and the note on it.
fn read(file: &[u8]) -> (Vec<f32>, Option<String>) {
    (load(file).unwrap().0.to_vec().unwrap(), info(file).unwrap().note)
}

/// A W64 whose chunk `data` states this size, its header counted.
fn wave64(size: u64) -> Vec<u8> {
    let tail = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];
    let chunk = |name: &[u8], size: u64, body: &[u8]| [name, &tail, &size.to_le_bytes(), body].concat();
    let fmt = chunk(b"fmt ", 40, &fmt(1, 1, 8000, 16));
    let data = chunk(b"data", size, &le16(&SAMPLES));
    [&w64::START[..], &u64::MAX.to_le_bytes(), b"wave", &tail, &fmt, &data].concat()
}

#[test]
fn w64() {
    assert_eq!(read(&wave64(30)), (WAVE.to_vec(), None));
    // ffmpeg leaves the largest number of 63 bits, others 0 or all ones.
    for open in [i64::MAX as u64, u64::MAX, 0, 0xffff_ffff] {
        let (wave, note) = read(&wave64(open));
        assert_eq!(wave, WAVE, "{open:#x}");
        assert!(note.is_some_and(|note| note.contains("leaves its size open")), "{open:#x}");
    }
    let mut half = wave64(u64::MAX);
    half.push(7);
    let (wave, note) = read(&half);
    assert!(wave == WAVE && note.is_some_and(|note| note.contains("no whole frame")));
    let error = load(wave64(1 << 40)).unwrap_err();
    assert!(error.message().contains("promises 1099511627752 bytes"), "{error}");
    assert_eq!(load_with(wave64(1 << 40)).strict(false).build().unwrap().0.to_vec::<f32>().unwrap(), WAVE);
    assert!(load(wave64(5)).unwrap_err().message().contains("its header alone has 24"));
}

/// An AIFF with these numbers of frames and of bytes in its chunk `SSND`.
fn aiff(frames: u32, size: u32) -> Vec<u8> {
    let rate = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];
    let comm = [&18u32.to_be_bytes()[..], &[0, 1], &frames.to_be_bytes(), &[0, 16], &rate].concat();
    let data: Vec<u8> = SAMPLES.iter().flat_map(|s| s.to_be_bytes()).collect();
    [b"FORM\0\0\0\0AIFFCOMM", &comm[..], b"SSND", &size.to_be_bytes(), &[0; 8], &data].concat()
}

#[test]
fn aiff_of_open_sizes() {
    assert_eq!(read(&aiff(3, 14)), (WAVE.to_vec(), None));
    // ffmpeg, sox, others; and sizes of which one was set right.
    let open = [(0, 0), (0x7f00_0000 / 2, 0x7f00_0008), (u32::MAX / 2, u32::MAX), (0, 14), (0x7fff_ffff, 14)];
    for (frames, size) in open {
        let (wave, note) = read(&aiff(frames, size));
        assert_eq!(wave, WAVE, "{frames:#x}, {size:#x}");
        assert!(note.is_some_and(|note| note.contains("open")), "{frames:#x}, {size:#x}");
    }
    // The frames are known, and that is enough.
    assert_eq!(read(&aiff(2, 0)), (WAVE[..2].to_vec(), None));
    assert_eq!(read(&aiff(0, 8)), (vec![], None));
    for (frames, size) in [(4, 0), (4, 14), (3, 16)] {
        assert!(load(aiff(frames, size)).is_err(), "{frames}, {size}");
        let wave = load_with(aiff(frames, size)).strict(false).build().unwrap().0;
        assert_eq!(wave.to_vec::<f32>().unwrap(), WAVE, "{frames}, {size}");
    }
}
