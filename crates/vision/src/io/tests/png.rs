//! PNGs of every colour type.

use super::made::png;
use super::*;

#[test]
fn palette_with_transparency() {
    let colors = [10, 20, 30, 40, 50, 60];
    let file = png((2, 1), 8, 3, &[(b"PLTE", &colors), (b"tRNS", &[0, 128])], &[&[0, 1]]);
    let read = |mode| decode_image_as(&file, mode).unwrap();
    assert_eq!(read(ImageReadMode::Rgb).to_vec::<u8>().unwrap(), [10, 40, 20, 50, 30, 60]);
    assert_eq!(read(ImageReadMode::Gray).shape(), [1, 1, 2]);
    for mode in [ImageReadMode::RgbAlpha, ImageReadMode::Unchanged] {
        assert_eq!(read(mode).to_vec::<u8>().unwrap(), [10, 40, 20, 50, 30, 60, 0, 128]);
    }
}

/// Indices of 1, 2 and 4 bits; one beyond the palette is black.
#[test]
fn palettes_of_few_bits() {
    let colors: Vec<u8> = (1..=9).collect();
    for (bits, row) in [(1, &[0b0100_0000][..]), (2, &[0b0001_1011]), (4, &[0x01, 0x23])] {
        let file = png((if bits == 1 { 2 } else { 4 }, 1), bits, 3, &[(b"PLTE", &colors)], &[row]);
        let want: &[u8] = if bits == 1 { &[1, 4, 2, 5, 3, 6] } else { &[1, 4, 7, 0, 2, 5, 8, 0, 3, 6, 9, 0] };
        assert_eq!(decode_image(&file).unwrap().to_vec::<u8>().unwrap(), want, "{bits} bits");
    }
}

#[test]
fn a_palette_has_whole_colours() {
    for colors in [&[10, 20, 30, 40][..], &[], &[0; 771]] {
        let file = png((2, 1), 8, 3, &[(b"PLTE", colors)], &[&[0, 1]]);
        let len = colors.len();
        let text = format!("the palette at byte 33 has {len} bytes: it takes 3 for each of 1 to 256 colours");
        assert_eq!(fault(&file), text);
    }
    assert!(fault(&png((2, 1), 8, 3, &[], &[&[0, 1]])).contains("alette"));
}

/// vision#8524, #4731: 16 bits stay 16 bits, with the channels of any mode, and are written so.
#[test]
fn sixteen_bits() {
    let values = [0u16, 128, 129, 32768, 65535];
    let row: Vec<u8> = values.iter().flat_map(|x| x.to_be_bytes()).collect();
    let file = png((5, 1), 16, 0, &[], &[&row]);
    let image = decode_image(&file).unwrap();
    assert_eq!(image.to_vec::<u16>().unwrap(), values);
    let opaque = decode_image_as(&file, ImageReadMode::RgbAlpha).unwrap();
    assert_eq!(opaque.i(2).unwrap().to_vec::<u16>().unwrap(), values);
    assert_eq!(opaque.i(3).unwrap().to_vec::<u16>().unwrap(), [65535; 5]);
    assert!(decode_image(&encode_png(&opaque).unwrap()).unwrap().equal(&opaque).unwrap());

    let row: Vec<u8> = [65535u16, 0, 0, 1000, 2000, 3000].iter().flat_map(|x| x.to_be_bytes()).collect();
    let gray = decode_image_as(&png((2, 1), 16, 2, &[], &[&row]), ImageReadMode::Gray).unwrap();
    // libpng's 9794, 19234 and 3740 of 32768, rounded.
    assert_eq!(gray.to_vec::<u16>().unwrap(), [19588, 1815]);
    let scaled = crate::transforms::functional::to_dtype(&gray, flambeau_tensor::DType::F32, true).unwrap();
    assert_eq!(scaled.to_vec::<f32>().unwrap(), [19588.0 / 65535.0, 1815.0 / 65535.0]);
}

/// Gray of few bits covers all levels; a gray that is declared transparent is opaque, as in torchvision.
#[test]
fn gray_of_few_bits() {
    let read = |file: Vec<u8>| decode_image(&file).unwrap().to_vec::<u8>().unwrap();
    assert_eq!(read(png((4, 1), 2, 0, &[], &[&[0b0001_1011]])), [0, 85, 170, 255]);
    assert_eq!(read(png((4, 1), 2, 0, &[(b"tRNS", &[0, 1])], &[&[0b0001_1011]])), [0, 85, 170, 255]);
}
