//! Files that would take much memory or time: see also `hostile_files.rs` of the facade, which watches the allocator.

use super::made::{png_of, scan_data, segment};
use super::*;

/// 984 KB can hold the compressed rows of 90,000 × 90,000 single bits, but not 8 GB of samples.
#[test]
fn bits_do_not_become_bytes_without_bound() {
    let file = png_of((90_000, 90_000), 1, 0, &[], &vec![0; 984_000]);
    assert_eq!(
        fault(&file),
        format!(
            "header promises 90000×90000 pixels of 1 bytes, more than the {} that a file of {} bytes may come to",
            file.len() * 1032,
            file.len()
        )
    );
}

/// A progressive JPEG may say "nothing new in the next 32,767 blocks" with two bytes, as often as it likes.
#[test]
fn scans_that_say_nothing_are_bounded() {
    let mut file = vec![0xff, 0xd8];
    segment(&mut file, 0xdb, &[&[0u8][..], &[1; 64]].concat());
    segment(&mut file, 0xc2, &[8, 16, 0, 16, 0, 1, 1, 0x11, 0]);
    let one = [1u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    segment(&mut file, 0xc4, &[&[0u8][..], &one, &[0]].concat());
    segment(&mut file, 0xc4, &[&[0x10u8][..], &one, &[0xe0]].concat());
    segment(&mut file, 0xda, &[1, 1, 0, 0, 0, 1]);
    file.resize(file.len() + 512 * 512 / 8, 0);
    let empty: Vec<bool> = (0..9 * 15).map(|i| i % 15 > 0).collect();
    let scan = |file: &mut Vec<u8>, bits: u8| {
        segment(file, 0xda, &[1, 1, 0, 1, 63, bits]);
        scan_data(file, empty.clone());
    };
    scan(&mut file, 0x01);
    let mut honest = file.clone();
    scan(&mut honest, 0x10);
    honest.extend([0xff, 0xd9]);
    assert_eq!(decode_image(&honest).unwrap().shape(), [1, 4096, 4096]);
    for _ in 0..3000 {
        scan(&mut file, 0x10);
    }
    file.extend([0xff, 0xd9]);
    let message = fault(&file);
    assert!(message.ends_with("refines more empty blocks than a file of this size has"), "{message}");
}

#[test]
fn a_panic_in_a_decoder_is_an_error() {
    let text = |f: fn() -> Result<(), Fault>| guarded(f).unwrap_err();
    assert_eq!(text(|| panic!("at {}", 7)), "its decoder failed: at 7");
    assert_eq!(text(|| panic!("here")), "its decoder failed: here");
    assert_eq!(text(|| std::panic::panic_any(7)), "its decoder failed: a panic");
}
