//! JPEGs that other decoders have got wrong, and damaged ones.

use super::made::jpeg;
use super::*;
use flambeau_tensor::{DType, Every};

fn values(image: &Tensor) -> Vec<i64> {
    image.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap()
}

fn near(got: &[i64], right: &[i64]) -> bool {
    got.len() == right.len() && got.iter().zip(right).all(|(a, b)| (a - b).abs() <= 1)
}

/// zune-image#273: with halved chroma the last column but one was wrong, at widths that are multiples of 16. Right
/// values are libjpeg's.
#[test]
fn right_edge_of_halved_chroma() {
    let edge = |c: usize, _: usize, _: usize| if c == 2 { (0, 500) } else { (0, 0) };
    for (size, chroma, red) in [((32, 8), (2, 1), [34, 21, 10, 6]), ((32, 16), (2, 2), [34, 20, 12, 6])] {
        let image = decode_image(&jpeg(size, &[1, 2, 3], &[chroma, (1, 1), (1, 1)], true, edge)).unwrap();
        let end = values(&image.i((0, 4, 28..)).unwrap());
        assert!(near(&end, &red), "{end:?} is not {red:?}");
    }
}

/// zune-image#276, #311: chroma quartered along x and halved along y.
#[test]
fn quartered_chroma() {
    let steps = |c: usize, x: usize, y: usize| match c {
        0 => (40 * x as i32 - 100, 0),
        1 => (300 - 400 * x as i32, 0),
        _ => (200 * y as i32 - 100, 0),
    };
    for interleaved in [true, false] {
        let file = jpeg((64, 16), &[1, 2, 3], &[(4, 2), (1, 1), (1, 1)], interleaved, steps);
        let image = decode_image(&file).unwrap();
        let channels = [[99, 109, 119, 129], [111, 121, 149, 159], [183, 193, 115, 125]];
        for (c, right) in channels.iter().enumerate() {
            let row = values(&image.i((c, 4, (..).every(16))).unwrap());
            assert!(near(&row, right), "channel {c}: {row:?} is not {right:?}");
        }
    }
}

/// libjpeg's rule (and Pillow's, torchvision's): components called R, G, B are colours, without any marker.
#[test]
fn components_called_rgb() {
    let file = jpeg((16, 8), b"RGB", &[(1, 1); 3], true, |c, _, _| ([400, 0, -400][c], 0));
    let image = decode_image(&file).unwrap();
    assert_eq!(values(&image.i((.., 0, 0)).unwrap()), [178, 128, 78]);
    // Brightness by libjpeg's weights.
    let gray = decode_image_as(&file, ImageReadMode::Gray).unwrap();
    assert_eq!(gray.to_vec::<u8>().unwrap(), [137; 128]);
}

/// torchvision asks libjpeg for brightness alone: the first component as it is.
#[test]
fn brightness_is_the_first_component() {
    let file = jpeg((9, 9), &[1, 2, 3], &[(2, 2), (1, 1), (1, 1)], true, |c, x, _| ([80 * x as i32, 700, -700][c], 0));
    let gray = decode_image_as(&file, ImageReadMode::Gray).unwrap();
    assert_eq!(gray.shape(), [1, 9, 9]);
    assert_eq!(values(&gray.i((0, 0, ..)).unwrap()), [128, 128, 128, 128, 128, 128, 128, 128, 138]);
    for mode in [ImageReadMode::GrayAlpha, ImageReadMode::RgbAlpha] {
        assert!(decode_image_as(&file, mode).unwrap_err().message().contains("no opacity"), "{mode:?}");
    }
}

fn plain() -> Vec<u8> {
    jpeg((16, 16), &[1, 2, 3], &[(2, 1), (1, 1), (1, 1)], true, |c, x, y| (100 * c as i32, (30 * x + y) as i32))
}

/// Where the first segment `marker` starts.
fn place(file: &[u8], marker: u8) -> usize {
    file.windows(2).position(|w| w == [0xff, marker]).unwrap()
}

#[test]
fn what_a_scan_uses_must_be_there() {
    for (marker, lost) in [(0xc4, "Huffman table 0/0"), (0xdb, "quantization table 0")] {
        let mut file = plain();
        let at = place(&file, marker);
        let len = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        file.drain(at..at + 2 + len);
        let scan = place(&file, 0xda) + 2 + 12;
        assert_eq!(fault(&file), format!("the scan at byte {scan} uses {lost}, which is not defined"));
    }
    let mut file = plain();
    let at = place(&file, 0xda);
    file[at + 5] = 9;
    assert_eq!(fault(&file), format!("the scan at byte {} has component 9, which the frame has not", at + 14));
}

#[test]
fn damage_within_a_scan_is_an_error_that_says_where() {
    let file = plain();
    let start = place(&file, 0xda) + 14;
    let mut short = file[..start + 5].to_vec();
    short.extend([0xff, 0xd9]);
    let text = format!("the scan at byte {start} ends too early, at marker d9 at byte {}", start + 5);
    assert_eq!(fault(&short), text);
    // 1111 is no code here.
    let mut wrong = file.clone();
    wrong[start..start + 4].fill(0xfe);
    assert!(fault(&wrong).starts_with(&format!("the scan at byte {start} is damaged near byte ")), "{}", fault(&wrong));
    // A restart marker that is due.
    let mut restarts = file;
    restarts.splice(start - 14..start - 14, [0xff, 0xdd, 0, 4, 0, 1]);
    let message = fault(&restarts);
    assert!(
        message.starts_with("marker d9 at byte ") && message.ends_with("instead of restart marker d0"),
        "{message}"
    );
}

#[test]
fn what_is_not_supported_is_told() {
    let changed = |marker: u8, at: usize, to: u8| {
        let mut file = plain();
        let start = place(&file, marker);
        file[start + at] = to;
        fault(&file)
    };
    assert!(changed(0xc0, 1, 0xc9).contains("coding process c9 at byte"));
    assert!(changed(0xc0, 4, 12).contains("promises 12 bits a sample"));
    assert!(changed(0xc0, 9, 2).contains("does not describe its 2 components"));
    let thirds = jpeg((16, 8), &[1, 2, 3], &[(3, 1), (2, 1), (1, 1)], true, |_, _, _| (0, 0));
    assert!(fault(&thirds).contains("samples a component by a fraction of another"));
}
