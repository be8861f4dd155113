//! Parts of JPEGs are parts of the whole, bit for bit.

use super::made::jpeg;
use super::*;
use crate::io::jpeg as files;

/// The whole and some parts, in all modes.
fn parts_of(file: &[u8], what: &str) {
    for mode in [ImageReadMode::Unchanged, ImageReadMode::Rgb, ImageReadMode::Gray] {
        let whole = files::decode(file, mode).unwrap();
        let (h, w) = (whole.height, whole.width);
        assert_eq!(files::size(file), Some((h, w)));
        let corners = [(0, 0), (1, 1), (h / 2, w / 3), (h / 3, w / 2), (h - 1, w - 1), (7, 9), (8, 16), (h / 2, 0)];
        let sizes = [(1, 1), (2, 3), (8, 8), (17, 15), (h / 2 + 1, w / 2 + 1), (h, w)];
        for ((top, left), (height, width)) in corners.into_iter().flat_map(|c| sizes.map(|s| (c, s))) {
            if top >= h || left >= w {
                continue;
            }
            let region = Region { top, left, height: height.min(h - top), width: width.min(w - left) };
            let part = files::decode_region(file, mode, region).unwrap();
            let mut right = Vec::new();
            for row in
                whole.samples.chunks_exact(w).enumerate().filter(|(y, _)| (top..top + region.height).contains(&(y % h)))
            {
                right.extend_from_slice(&row.1[left..left + region.width]);
            }
            assert!(part.samples == right, "{what}, {mode:?}, {region:?} of {h}×{w}");
        }
    }
}

#[test]
fn all_samplings_and_sizes() {
    let noise = |c: usize, x: usize, y: usize| {
        let n = (c * 7919 + x * 104_729 + y * 1_299_709) % 1009;
        (n as i32 - 500, (n * 31 % 401) as i32 - 200)
    };
    let samplings = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2), (1, 4)];
    for (sampling, size) in samplings.iter().flat_map(|s| [(3, 2), (16, 16), (33, 50), (70, 41)].map(|size| (*s, size)))
    {
        for interleaved in [true, false] {
            let file = jpeg(size, &[1, 2, 3], &[sampling, (1, 1), (1, 1)], interleaved, noise);
            parts_of(&file, &format!("{sampling:?}, interleaved: {interleaved}"));
        }
    }
    parts_of(&jpeg((45, 30), &[1], &[(1, 1)], true, noise), "gray");
    parts_of(&jpeg((45, 30), b"RGB", &[(1, 1); 3], true, noise), "RGB");
    parts_of(&jpeg((45, 30), &[1, 2, 3, 4], &[(2, 2), (1, 1), (1, 1), (2, 2)], true, noise), "inks");
}

#[test]
fn photographs() {
    let hills = |i: u32| ((f64::from(i % 100) / 9.0).sin() * f64::from(i / 100).cos() * 120.0 + 128.0) as u8;
    let image = Tensor::from_vec((0..3 * 90 * 100).map(hills).collect(), [3, 90, 100]).unwrap();
    parts_of(&encode_jpeg(&image, 90).unwrap(), "hills");
    // Each scan of a progressive file has to be read to its end.
    parts_of(include_bytes!("progressive.jpg"), "progressive");
}

#[test]
fn a_file_that_is_cut_behind_the_part_is_an_error_still() {
    let file = jpeg((64, 64), &[1, 2, 3], &[(2, 2), (1, 1), (1, 1)], true, |c, x, y| ((c + x) as i32, y as i32));
    let region = Region { top: 0, left: 0, height: 4, width: 4 };
    let part = |file: &[u8], region| files::decode_region(file, ImageReadMode::Rgb, region).map(|part| part.samples);
    assert!(part(&file, region).is_ok());
    let cut = &file[..file.len() - 20];
    assert!(part(cut, region).unwrap_err().contains("before the end of the image"));
    let outside = Region { top: 60, left: 0, height: 5, width: 4 };
    assert!(part(&file, outside).unwrap_err().contains("is not within 64×64"));
}
