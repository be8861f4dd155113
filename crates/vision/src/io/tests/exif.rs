//! EXIF orientations.

use super::made::{jpeg, png, segment};
use super::*;

/// EXIF data with one entry before the orientation.
fn exif(little: bool, orientation: u16) -> Vec<u8> {
    let two = |x: u16| if little { x.to_le_bytes() } else { x.to_be_bytes() };
    let four = |x: u32| if little { x.to_le_bytes() } else { x.to_be_bytes() };
    let mut out = if little { b"II".to_vec() } else { b"MM".to_vec() };
    out.extend(two(42));
    out.extend(four(8));
    out.extend(two(2));
    for (tag, value) in [(0x010f, 7), (0x0112, orientation)] {
        out.extend(two(tag));
        out.extend(two(3));
        out.extend(four(1));
        out.extend(two(value));
        out.extend(two(0));
    }
    out.extend(four(0));
    out
}

fn upright(file: &[u8]) -> Tensor {
    decode_image_as(file, ImageReadOptions::new().apply_exif_orientation(true)).unwrap()
}

fn with_exif(exif: &[u8]) -> Vec<u8> {
    png((3, 2), 8, 0, &[(b"eXIf", exif)], &[&[1, 2, 3], &[4, 5, 6]])
}

/// torchvision's `exif_orientation_transform`.
#[test]
fn orientations_turn_and_mirror() {
    let wants: [(&[usize], [u8; 6]); 8] = [
        (&[1, 2, 3], [1, 2, 3, 4, 5, 6]),
        (&[1, 2, 3], [3, 2, 1, 6, 5, 4]),
        (&[1, 2, 3], [6, 5, 4, 3, 2, 1]),
        (&[1, 2, 3], [4, 5, 6, 1, 2, 3]),
        (&[1, 3, 2], [1, 4, 2, 5, 3, 6]),
        (&[1, 3, 2], [4, 1, 5, 2, 6, 3]),
        (&[1, 3, 2], [6, 3, 5, 2, 4, 1]),
        (&[1, 3, 2], [3, 6, 2, 5, 1, 4]),
    ];
    for (little, (i, (shape, pixels))) in
        [true, false].into_iter().flat_map(|l| wants.iter().enumerate().map(move |w| (l, w)))
    {
        let file = with_exif(&exif(little, i as u16 + 1));
        let image = upright(&file);
        assert_eq!((image.shape(), image.to_vec::<u8>().unwrap()), (*shape, pixels.to_vec()), "orientation {}", i + 1);
        // As it lies in the file, unless asked for.
        assert_eq!(decode_image(&file).unwrap().to_vec::<u8>().unwrap(), wants[0].1);
    }
}

#[test]
fn jpeg_has_it_in_a_segment() {
    let plain = jpeg((16, 8), &[1, 2, 3], &[(1, 1); 3], true, |c, x, _| (200 * x as i32, 100 * c as i32));
    // Another use of the same segment comes before.
    let mut file = plain[..2].to_vec();
    segment(&mut file, 0xe1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
    segment(&mut file, 0xe1, &[b"Exif\0\0", &exif(false, 6)[..]].concat());
    file.extend(&plain[2..]);
    let turned = decode_image(&plain).unwrap().transpose(1, 2).unwrap().flip(2).unwrap();
    assert_eq!(upright(&file).shape(), [3, 16, 8]);
    assert!(upright(&file).equal(&turned).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned.jpg");
    std::fs::write(&path, &file).unwrap();
    let options = ImageReadOptions::new().mode(ImageReadMode::Gray).apply_exif_orientation(true);
    assert_eq!(read_image_as(&path, options).unwrap().shape(), [1, 16, 8]);
    assert_eq!(read_image(&path).unwrap().shape(), [3, 8, 16]);
}

/// As in torchvision, data that make no sense change nothing.
#[test]
fn senseless_data_change_nothing() {
    let whole = exif(true, 8);
    // What is cut off behind the orientation does no harm.
    let needed = 8 + 2 + 12 + 12;
    let mut hostile: Vec<Vec<u8>> = (0..needed).map(|n| whole[..n].to_vec()).collect();
    hostile.extend([0, 9, 0x100, 0xffff].map(|o| exif(true, o)));
    for (at, bytes) in [(0, &b"IM"[..]), (2, &[0, 0]), (4, &[0xff; 4]), (4, &[0xfe, 0xff, 0xff, 0x7f]), (8, &[0, 0])] {
        let mut damaged = whole.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        hostile.push(damaged);
    }
    // More entries than there are, none of them an orientation.
    let mut endless = whole.clone();
    endless[8..10].fill(0xff);
    endless[22..24].fill(0);
    hostile.push(endless);
    for exif in hostile {
        assert_eq!(upright(&with_exif(&exif)).to_vec::<u8>().unwrap(), [1, 2, 3, 4, 5, 6], "{exif:02x?}");
    }
}
