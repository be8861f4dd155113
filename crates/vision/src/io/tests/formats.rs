//! GIF, WebP and BMP, written by Pillow; the pixels are as torchvision reads them, of BMP as Pillow does.

use super::*;

const GIF_1: &str = "47494638396104000600810000000000ff000000ff000a14c821f90405000000002c00000000040006000008150003081810\
    0000000103090a5c0840a0c2000102020021f90405000000002c000000000400060081000000ff000000ff000a14c8081100\
    01001820508000810811062098506040003b";
const GIF_2: &str = "47494638396104000600810000000000ff000000ff000a14c821f90409000000002c00000000040006000008150003081810\
    0000000103090a5c0840a0c2000102020021f90409000000002c000000000400050081000000ff000000ff000a14c8081000\
    010018205080008108110620283020003b";
const WEBP_LOSSY: &str = "524946466c000000574542505650382060000000f001009d012a0400030000c01225b002744c8001d5a493c400fc3f4d9fa9\
    bfc76fffbaf9c9a705781affda0b2f7ffcf7d7f9ff9ffc7fbd467fade01f77ffe2877f9ff4e2d7fb9bffff6820067943fb1d\
    c4fc4f071ba5929891ffb83f82000000";
const WEBP_LOSSLESS: &str = "5249464670000000574542505650384c640000002f038000005fa02ab20deade0c1ac82086ff5713a38b3c22aa8924497170\
    119f7f1167e1647cc8947f959a00409a00cc1e24e022813380fdbf79ea31ff1174c307e267f13498afdd1420c7dd573e8266\
    b26f02410009471a910c31cd42ab46f43f986f00";
const WEBP_ALPHA: &str = "524946467e000000574542505650384c720000002f038000105fa02ab60d881242f8d665eb6384dc1ae8a3a091a4c6c1f742\
    47066ed0890a3499692345c34bf8f9edfc8c478208041126180c429222f1100f71080f1146300185104410a13e0b2d82f6c8\
    3b0588befc04cc9d3acaeca7a6f69abf0b04012418794433d80053cc1ad1ffe0a603";
const WEBP_ANIM: &str = "524946461c01000057454250565038580a00000002000000030000020000414e494d06000000000000000000414e4d467400\
    0000000000000000030000020000000000025650384c5c0000002f038000005f60a60112a8cac769086721f370fad9474d24\
    496af2207ac688d1c3ab0900a4c9402a5a5082022b1209b8a833d4cf63fee3042f2d5008f3e787da82fcb03989dbfb32f389\
    70200820b18925a13d569861d988fe07b91d414e4d4674000000000000000000030000020000000000005650384c5c000000\
    2f038000005f60a60112a8cac769086721f370fad9474d24496af2207ac688d1c3ab0900a4c9402a5a5082022b1209b8a833\
    d4cf63fee3042f2d5008f3e787da82fcb03989dbfb32f389702012208d662e70c52176b718d1ffe81e01";
const BMP_1: &str = "424d4a000000000000003e00000028000000040000000300000001000100000000000c000000c40e0000c40e000002000000\
    0200000000000000ffffff00900000005000000030000000";
const BMP_P: &str = "424d5e0000000000000046000000280000000400000006000000010008000000000018000000c40e0000c40e000004000000\
    04000000000000000000ff0000ff0000c8140a00010101010001020302010201030301010000020201020301";
const BMP_RGB: &str = "424d5a0000000000000036000000280000000400000003000000010018000000000024000000c40e0000c40e000000000000\
    0000000073e609d027d3f35715c5aef24d5843488cfb093ac394c1675824ac51572fa5467519d8c0";
const BMP_RGBA: &str = "424d660000000000000036000000280000000400000003000000010020000000000030000000c40e0000c40e000000000000\
    0000000073e609a0d027d3b4f35715c8c5aef2dc4d584350488cfb64093ac37894c1678c5824ac0051572f14a546752819d8\
    c03c";
const GIF_1_PIXELS: [u8; 144] = [
    255, 0, 10, 255, 0, 0, 0, 0, 10, 10, 255, 255, 0, 255, 0, 255, 0, 255, 0, 10, 255, 255, 255, 255, 0, 255, 20, 0, 0,
    0, 255, 255, 20, 20, 0, 0, 255, 0, 255, 0, 0, 0, 255, 20, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 200, 200, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 255, 0, 10, 255, 0, 0, 0, 0, 10, 10, 255, 255, 0, 255, 0, 255, 10, 255, 0, 10,
    255, 255, 255, 255, 0, 255, 20, 0, 0, 255, 255, 255, 20, 20, 0, 0, 255, 0, 255, 0, 20, 0, 255, 20, 0, 0, 0, 0, 0,
    0, 200, 0, 0, 0, 0, 0, 200, 200, 0, 0, 0, 0, 0, 0, 200, 0, 0, 200, 0, 0, 0, 0,
];
const GIF_2_PIXELS: [u8; 144] = [
    255, 0, 10, 255, 0, 0, 0, 0, 10, 10, 255, 255, 0, 255, 0, 255, 0, 255, 0, 10, 255, 255, 255, 255, 0, 255, 20, 0, 0,
    0, 255, 255, 20, 20, 0, 0, 255, 0, 255, 0, 0, 0, 255, 20, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 200, 200, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 10, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 20, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0,
];
const LOSSY: [u8; 36] = [
    109, 97, 125, 215, 99, 180, 108, 178, 147, 108, 80, 190, 75, 63, 94, 186, 76, 158, 87, 157, 149, 110, 80, 188, 64,
    45, 59, 141, 77, 156, 78, 146, 174, 141, 125, 241,
];
const EXACT: [u8; 36] = [
    172, 47, 117, 192, 67, 251, 195, 103, 9, 211, 21, 242, 36, 87, 70, 216, 88, 140, 58, 193, 230, 39, 87, 174, 88, 81,
    165, 25, 77, 72, 9, 148, 115, 208, 243, 197,
];

fn read(file: &str) -> Tensor {
    decode_image(&bytes(file)).unwrap()
}

fn levels(image: &Tensor) -> Vec<u8> {
    image.to_vec().unwrap()
}

/// Two interlaced frames, the second with transparent pixels: over the first one, or over the background.
#[test]
fn frames_of_a_gif() {
    for (file, pixels) in [(GIF_1, GIF_1_PIXELS), (GIF_2, GIF_2_PIXELS)] {
        let image = read(file);
        assert_eq!(image.shape(), [2, 3, 6, 4]);
        assert_eq!(levels(&image), pixels);
        let first = decode_image_rgb(&bytes(file)).unwrap();
        assert_eq!((first.shape(), levels(&first)), (&[3, 6, 4][..], pixels[..72].to_vec()));
        // torchvision's: the mode changes nothing.
        assert_eq!(decode_image_as(&bytes(file), ImageReadMode::Gray).unwrap().shape(), [2, 3, 6, 4]);
    }
}

#[test]
fn webp_lossy_and_lossless() {
    assert_eq!((read(WEBP_LOSSY).shape(), levels(&read(WEBP_LOSSY))), (&[3, 3, 4][..], LOSSY.to_vec()));
    assert_eq!((read(WEBP_LOSSLESS).shape(), levels(&read(WEBP_LOSSLESS))), (&[3, 3, 4][..], EXACT.to_vec()));
    let alpha = read(WEBP_ALPHA);
    assert_eq!(alpha.shape(), [4, 3, 4]);
    assert_eq!(levels(&alpha), [&EXACT[..], &std::array::from_fn::<u8, 12, _>(|i| 20 * i as u8)].concat());
    let rgb = decode_image_as(&bytes(WEBP_ALPHA), ImageReadMode::Rgb).unwrap();
    assert_eq!(levels(&rgb), EXACT);
    let opaque = decode_image_as(&bytes(WEBP_LOSSLESS), ImageReadMode::RgbAlpha).unwrap();
    assert_eq!(levels(&opaque)[36..], [255; 12]);
}

#[test]
fn an_animation_of_webp_has_a_first_frame() {
    assert_eq!(fault(&bytes(WEBP_ANIM)), "it is an animation of WebP, which is not read");
    assert_eq!(levels(&decode_image_rgb(&bytes(WEBP_ANIM)).unwrap()), EXACT);
}

#[test]
fn bmp_of_palettes_and_colours() {
    assert_eq!(
        (read(BMP_1).shape(), levels(&read(BMP_1))),
        (&[1, 3, 4][..], vec![0, 0, 255, 255, 0, 255, 0, 255, 255, 0, 0, 255])
    );
    let palette = read(BMP_P);
    assert_eq!((palette.shape(), levels(&palette)), (&[3, 6, 4][..], GIF_1_PIXELS[..72].to_vec()));
    for file in [BMP_RGB, BMP_RGBA] {
        assert_eq!((read(file).shape(), levels(&read(file))), (&[3, 3, 4][..], EXACT.to_vec()));
    }
}

/// What `ImageFolder` of torchvision makes of 16 bits: gray is cut, colours lose their lower byte.
#[test]
fn sixteen_bits_as_pillow_has_them() {
    let words = |values: Vec<u16>, shape: [usize; 3]| {
        decode_image_rgb(&encode_png(&Tensor::from_vec(values, shape).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(levels(&words(vec![7, 300], [1, 1, 2])), [7, 255, 7, 255, 7, 255]);
    assert_eq!(levels(&words(vec![7, 300, 65535], [3, 1, 1])), [0, 1, 255]);
}

#[test]
fn cut_and_damaged_files_are_errors_or_images() {
    for file in [GIF_1, WEBP_LOSSY, WEBP_LOSSLESS, WEBP_ALPHA, WEBP_ANIM, BMP_1, BMP_P, BMP_RGB, BMP_RGBA].map(bytes) {
        for end in 0..file.len() {
            assert!(decode_image(&file[..end]).is_err() && decode_image_rgb(&file[..end]).is_err(), "{end}");
        }
        for (at, bit) in (0..file.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            for read in [decode_image(&damaged), decode_image_rgb(&damaged)] {
                if let Err(error) = read
                    && !file.starts_with(b"RIFF")
                {
                    assert!(!error.message().contains("its decoder failed"), "byte {at}, bit {bit}: {error}");
                }
            }
        }
    }
}

#[test]
fn faults_say_what_is_wrong() {
    let changed = |file: &str, at: usize, to: &[u8]| {
        let mut file = bytes(file);
        file[at..at + to.len()].copy_from_slice(to);
        fault(&file)
    };
    let frame = bytes(GIF_1).iter().position(|b| *b == 0x2c).unwrap();
    let over = format!("the frame at byte {frame}, 5×6 pixels at (0, 0), reaches over the canvas of 4×6");
    assert_eq!(changed(GIF_1, frame + 5, &[5]), over);
    assert_eq!(changed(GIF_1, frame, &[0x2d]), format!("block 2d at byte {frame} does not exist"));
    assert_eq!(changed(GIF_1, 6, &[0, 0]), "header promises 0×6 pixels (byte 6)");
    assert!(changed(GIF_1, 6, &[255; 4]).starts_with("header promises 65535×65535 pixels of 3 bytes"));
    // The frame claims 16,383 pixels along each side, the file has 120 bytes.
    assert!(changed(WEBP_LOSSLESS, 21, &[0xfe, 0xff, 0xff, 0x0f]).starts_with("header promises 16383×16384 pixels"));
    assert!(changed(BMP_RGB, 18, &[0, 0, 0, 0x10]).contains("header promises 268435456×3 pixels"));
    assert!(changed(BMP_RGB, 30, &[1]).contains("packed by method 1"));
}
