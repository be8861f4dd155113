//! Files known and hostile. The known ones were written by Pillow; their pixels are as torchvision reads
//! them. Every kind of JPEG is compared with libjpeg in the packed recordings of `flambeau-parity`.

mod exif;
mod formats;
mod jpeg;
mod limits;
mod made;
mod part;
mod png;
mod tiff;

use super::*;
use flambeau_tensor::{DType, ErrorKind};

const RGBA: &str = "89504e470d0a1a0a0000000d49484452000000030000000208060000009d74661a000000234944415478da63f8cfc0f09fe13f4303\
    03c37f06062e11398d132946ffffffffcf080076cb0a3cc864a1f70000000049454e44ae426082";
const RGB: &str = "89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d000000184944415478da63f8cfc0c000c15c2272\
    27528cfeffff0f003c19079507c2ad920000000049454e44ae426082";
const PALETTE: &str = "89504e470d0a1a0a0000000d49484452000000030000000204030000006f5a7b2900000012504c5445ffffff00ff00c864320a141eff\
    00000000ff124f27070000000e4944415478da6374e4673062000001f10084ad1633170000000049454e44ae426082";
const JPEG: &str = "ffd8ffe000104a46494600010100000100010000ffdb00430002010101010102010101020202020204030202020205040403\
    04060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc0000b08000800080101\
    1100ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b51000020103030204030505\
    04040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a\
    25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a8384858687\
    88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2\
    e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f00aff0dbfe0db8ff0057ff001417a7fcbb7ff5abffd9";
const JPEG_PIXELS: [u8; 64] = [
    0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 49, 52, 56, 60, 63, 68, 72, 75, 80, 84, 87, 92, 96, 101, 105, 108,
    113, 116, 120, 125, 127, 132, 136, 139, 144, 147, 151, 156, 160, 165, 168, 172, 177, 180, 184, 189, 192, 196, 200,
    203, 208, 212, 216, 220, 224, 228, 232, 236, 240, 244, 248, 252,
];
const RED: [u8; 6] = [255, 0, 0, 10, 200, 255];
const GREEN: [u8; 6] = [0, 255, 0, 20, 100, 255];
const BLUE: [u8; 6] = [0, 0, 255, 30, 50, 255];
const OPACITY: [u8; 6] = [255, 128, 0, 40, 255, 1];
const BRIGHTNESS: [u8; 6] = [76, 149, 29, 18, 124, 255];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter_map(|c| char::from(c).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|d| d[0] << 4 | d[1]).collect()
}

fn fault(bytes: &[u8]) -> String {
    decode_image(bytes).expect_err("this is no image").message().to_string()
}

#[test]
fn modes_give_the_channels_of_torchvision() {
    use ImageReadMode::*;
    let full = [255u8; 6];
    for (file, opacity, unchanged) in [(RGBA, OPACITY, 4), (RGB, full, 3), (PALETTE, full, 3)] {
        let all: [&[u8]; 4] = [&RED, &GREEN, &BLUE, &opacity];
        let cases = [
            (Unchanged, all[..unchanged].concat()),
            (Rgb, all[..3].concat()),
            (RgbAlpha, all.concat()),
            (Gray, BRIGHTNESS.to_vec()),
            (GrayAlpha, [BRIGHTNESS, opacity].concat()),
        ];
        for (mode, want) in cases {
            let image = decode_image_as(&bytes(file), mode).unwrap();
            assert_eq!(image.shape(), [want.len() / 6, 2, 3], "{mode:?}");
            assert_eq!(image.to_vec::<u8>().unwrap(), want, "{mode:?}");
        }
    }
}

#[test]
fn jpeg_has_the_levels_of_libjpeg() {
    let image = decode_image(&bytes(JPEG)).unwrap();
    assert_eq!(image.shape(), [1, 8, 8]);
    assert_eq!(image.to_vec::<u8>().unwrap(), JPEG_PIXELS);
}

#[test]
fn png_gives_back_what_was_written() {
    for channels in 1..=4 {
        let n = channels * 5 * 7;
        let image = Tensor::from_vec((0..n).map(|i| (i * 37 % 251) as u8).collect(), [channels, 5, 7]).unwrap();
        let back = decode_image(&encode_png(&image).unwrap()).unwrap();
        assert!(back.equal(&image).unwrap(), "{channels} channels");
        // A view whose pixels do not lie in order.
        let turned = image.transpose(1, 2).unwrap();
        let back = decode_image(&encode_png(&turned).unwrap()).unwrap();
        assert!(back.equal(&turned).unwrap(), "{channels} channels, transposed");
    }
}

#[test]
fn jpeg_gives_back_nearly_what_was_written() {
    let pixels: Vec<u8> = (0..3 * 16 * 24).map(|i| (i % 24 * 5 + i / 24 % 16 * 6) as u8).collect();
    for channels in [1, 3] {
        let image = Tensor::from_slice(&pixels[..channels * 16 * 24], [channels, 16, 24]).unwrap();
        let back = decode_image(&encode_jpeg(&image, 95).unwrap()).unwrap();
        assert_eq!(back.shape(), image.shape());
        let worst = back.to_vec::<u8>().unwrap().iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(8), "{channels} channels: {worst:?}");
    }
}

#[test]
fn a_file_that_is_cut_is_an_error_that_says_where() {
    for file in [RGBA, RGB, PALETTE, JPEG].map(bytes) {
        for end in 0..file.len() {
            let fault = fault(&file[..end]);
            let told =
                fault.contains(&format!("ends at byte {end}")) || fault.contains("neither PNG, JPEG") || end == 0;
            assert!(told, "{end}: {fault}");
        }
    }
    assert_eq!(fault(&bytes(RGB)[..60]), "chunk IDAT at byte 33 promises 24 bytes, the file ends at byte 60");
    assert_eq!(
        fault(&bytes(JPEG)[..150]),
        "segment c4 at byte 118 promises 181 bytes, the file ends at byte 150".replace("118", &place_of_c4())
    );
}

/// Where the segment with the second table of the JPEG starts.
fn place_of_c4() -> String {
    let file = bytes(JPEG);
    let starts: Vec<usize> = (0..file.len() - 1).filter(|i| file[*i..].starts_with(&[0xff, 0xc4])).collect();
    starts[1].to_string()
}

#[test]
fn a_header_that_promises_too_much_gets_no_memory() {
    let mut png = bytes(RGB);
    png[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    assert_eq!(
        fault(&png),
        "header promises 100000×100000 pixels (30000000000 bytes), 24 compressed bytes cannot hold them"
    );
    let mut jpeg = bytes(JPEG);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert_eq!(fault(&jpeg), "header promises 65535×65535 pixels, a file of 349 bytes cannot hold them");
}

#[test]
fn what_is_no_image_is_an_error() {
    assert_eq!(fault(b""), "the file is empty");
    assert_eq!(fault(b"PK\x03\x04"), "neither PNG, JPEG, GIF, WebP, BMP, TIFF nor PNM: it starts with 50 4b 03 04");
    let mut png = bytes(RGB);
    png[25] = 5;
    assert_eq!(fault(&png), "color type 5 does not exist (byte 25)");
    let mut png = bytes(RGB);
    png[19] = 0;
    assert_eq!(fault(&png), "header promises 0×2 pixels (byte 16)");
}

#[test]
fn damage_anywhere_never_panics() {
    for (file, checked) in [(RGBA, true), (PALETTE, true), (JPEG, false)] {
        let file = bytes(file);
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                let read = decode_image(&damaged);
                // A PNG has check sums, so damage to the pixels is seen.
                let seen = read.is_err() || read.unwrap().equal(&decode_image(&file).unwrap()).unwrap_or(false);
                assert!(seen || !checked, "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.png");
    let error = read_image(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with(&format!("read {}", missing.display())), "{error}");
    let cut = folder.path().join("cut.png");
    std::fs::write(&cut, &bytes(RGB)[..30]).unwrap();
    let error = read_image(&cut).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert_eq!(
        error.to_string(),
        format!("read {}: chunk IHDR at byte 8 promises 13 bytes, the file ends at byte 30", cut.display())
    );
    let image = Tensor::zeros([1, 2, 2]).dtype(DType::U8).build().unwrap();
    let nowhere = folder.path().join("no/such/folder.png");
    assert!(write_image(&image, &nowhere).unwrap_err().to_string().starts_with("create "));
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let u8s = |shape: &[usize]| Tensor::zeros(shape).dtype(DType::U8).build().unwrap();
    let message = |result: Result<Vec<u8>>| result.unwrap_err().message().to_string();
    let floats = Tensor::zeros([3, 2, 2]).build().unwrap();
    assert_eq!(message(encode_png(&floats)), "such a file holds uint8 or uint16, the tensor is float32");
    assert_eq!(message(encode_jpeg(&u8s(&[4, 2, 2]), 75)), "shape [4, 2, 2] is not [C, H, W] with C one of 1, 3");
    assert_eq!(message(encode_png(&u8s(&[2, 2]))), "shape [2, 2] is not [C, H, W] with C one of 1, 2, 3, 4");
    assert_eq!(message(encode_png(&u8s(&[1, 0, 2]))), "an image of 2×0 pixels has nothing in it");
    assert_eq!(message(encode_jpeg(&u8s(&[1, 2, 2]), 0)), "quality 0 is not in 1 to 100");
    assert_eq!(message(encode_jpeg(&u8s(&[1, 1, 65_501]), 75)), "65501×1 pixels: a side of a JPEG has at most 65500");
    assert!(write_image(&u8s(&[1, 2, 2]), "picture.gif").unwrap_err().message().contains("picture.gif"));
}
