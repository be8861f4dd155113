//! The digits that ship with the repository, and IDX files that lie.

use super::*;
use crate::datasets::{Dataset, read_idx};
use crate::transforms::{Compose, Normalize, ToTensor};
use flambeau_tensor::ErrorKind;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file of bytes with the header `sizes`.
fn idx(kind: u8, sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, kind, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(content);
    file
}

/// What is wrong with a file of these bytes.
fn fault(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let error = read_idx_of("images", file.path()).expect_err("this is no IDX file");
    assert_eq!(error.kind(), ErrorKind::Format, "{error}");
    assert_eq!(error.place(), format!("read {}", file.path().display()));
    error.message().to_string()
}

/// A folder with `MNIST/raw` and the files given.
fn set(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let raw = root.path().join("MNIST/raw");
    std::fs::create_dir_all(&raw).unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(raw.join(name), bytes).unwrap());
    root
}

#[test]
fn the_shipped_digits() {
    let train = Mnist::new(ROOT).build().unwrap();
    let test = Mnist::new(ROOT).train(false).build().unwrap();
    assert_eq!((train.len(), test.len()), (1442, 355));
    assert_eq!(train.data().shape(), [1442, 1, 8, 8]);
    assert_eq!(train.targets()[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(test.targets()[..10], [5, 0, 9, 8, 7, 1, 2, 6, 3, 4]);
    let (image, label) = test.get(0).unwrap();
    assert_eq!((image.shape(), image.dtype(), label), (&[1, 8, 8][..], DType::U8, 5));
    let five = [
        0, 96, 207, 80, 128, 128, 16, 0, 0, 128, 255, 255, 255, 255, 96, 0, 0, 96, 255, 143, 96, 64, 0, 0, 0, 96, 255,
        255, 239, 80, 0, 0, 0, 0, 64, 80, 239, 191, 0, 0, 0, 0, 0, 48, 255, 143, 0, 0, 0, 16, 128, 207, 239, 48, 0, 0,
        0, 64, 255, 239, 48, 0, 0, 0,
    ];
    assert_eq!(image.to_vec::<u8>().unwrap(), five);
    let ink: u64 = train.data().to_vec::<u8>().unwrap().iter().map(|b| u64::from(*b)).sum();
    assert_eq!((ink, train.targets().iter().sum::<i64>()), (7_182_008, 6475));
    assert_eq!(train.classes()[5], "5 - five");
    assert_eq!(format!("{train:?}"), "Mnist(1442 images of [1, 8, 8])");
}

#[test]
fn transforms_are_applied() {
    let set = Mnist::new(ROOT)
        .train(false)
        .transform(Compose::of((ToTensor::new(), Normalize::new([0.5], [0.5]))))
        .target_transform(|label: i64| label + 100)
        .build()
        .unwrap();
    let (image, label) = set.get(0).unwrap();
    assert_eq!((image.dtype(), label), (DType::F32, 105));
    let ink = image.to_vec::<f32>().unwrap();
    assert_eq!((ink[0], ink[10]), (-1.0, 1.0));
    // What is wrong with a transform is said when the set is built.
    let error = Mnist::new(ROOT).transform(Normalize::new([0.5], [0.0])).build().unwrap_err();
    assert_eq!(error.place(), "normalize");
    assert!(set.get(355).unwrap_err().to_string().starts_with("MNIST: index 355 is out of range for 355 samples"));
}

#[test]
fn all_types_plain_and_in_gzip() {
    let cases: [(u8, &[u8], DType); 6] = [
        (0x08, &[7, 255], DType::U8),
        (0x09, &[7, 255], DType::I8),
        (0x0b, &[0, 7, 255, 254], DType::I16),
        (0x0c, &[0, 0, 1, 0, 255, 255, 255, 255], DType::I32),
        (0x0d, &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], DType::F32),
        (0x0e, &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], DType::F64),
    ];
    let want = [[7.0, 255.0], [7.0, -1.0], [7.0, -2.0], [256.0, -1.0], [1.0, -2.0], [1.0, -2.0]];
    let file = tempfile::NamedTempFile::new().unwrap();
    for ((kind, content, dtype), want) in cases.into_iter().zip(want) {
        let plain = idx(kind, &[1, 2], content);
        for bytes in [gzip(&plain), plain] {
            std::fs::write(file.path(), bytes).unwrap();
            let tensor = read_idx(file.path()).unwrap();
            assert_eq!((tensor.dtype(), tensor.shape()), (dtype, &[1, 2][..]));
            assert_eq!(tensor.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap(), want);
        }
    }
    std::fs::write(file.path(), idx(8, &[0, 28, 28], &[])).unwrap();
    assert_eq!(read_idx(file.path()).unwrap().shape(), [0, 28, 28]);
}

#[test]
fn a_file_that_is_cut_is_an_error_that_says_where() {
    let whole = idx(8, &[2, 3, 2], &[1; 12]);
    for end in 0..whole.len() {
        let want = match end {
            0..16 => format!("the file ends at byte {end}, inside the header"),
            _ => format!("header promises 2 images of 3×2 (28 bytes), the file ends at byte {end}"),
        };
        assert_eq!(fault(&whole[..end]), want);
        // The same, cut before it was compressed; and cut after.
        assert_eq!(fault(&gzip(&whole[..end])), want);
    }
    let zipped = gzip(&whole);
    for end in 2..zipped.len() {
        let fault = fault(&zipped[..end]);
        assert!(fault.contains("the compressed file ends at byte") || fault.contains("gzip: "), "{end}: {fault}");
    }
}

#[test]
fn a_header_that_lies_is_an_error_in_so_many_words() {
    let short = idx(8, &[60000, 28, 28], &[0; 1194]);
    let want = "header promises 60000 images of 28×28 (47040016 bytes), the file ends at byte 1210";
    assert_eq!(fault(&short), want);
    assert_eq!(fault(&gzip(&short)), want);
    // More than memory, more than numbers can tell: nothing is reserved for either.
    for sizes in [&[u32::MAX, 65536, 65536][..], &[u32::MAX; 8][..]] {
        let fault = fault(&gzip(&idx(8, sizes, &[0; 10])));
        assert!(
            fault.starts_with("header promises 4294967295 images of") && fault.contains("the file ends at byte"),
            "{fault}"
        );
    }
    let long = idx(8, &[1, 2, 2], &[0; 5]);
    let want = "header promises 1 images of 2×2 (20 bytes), the file goes on after that";
    assert_eq!(fault(&long), want);
    assert_eq!(fault(&gzip(&long)), want);
}

#[test]
fn what_is_no_idx_is_an_error() {
    assert_eq!(fault(b"PK\x03\x04 a zip file"), "magic number 504b0304 at byte 0 is not that of an IDX file");
    assert_eq!(fault(&idx(0x0a, &[1], &[0])), "magic number 00000a01 at byte 0 is not that of an IDX file");
    assert_eq!(fault(&[0, 0, 8, 0]), "magic number 00000800 at byte 0 promises 0 dimensions; 1 to 8 can be");
    assert_eq!(fault(&[0, 0, 8, 255]), "magic number 000008ff at byte 0 promises 255 dimensions; 1 to 8 can be");
    assert!(fault(b"\x1f\x8b\x08\x00 garbage, garbage, garbage").starts_with("gzip: "));
    let mut zipped = gzip(&idx(8, &[2, 2], &[1, 2, 3, 4]));
    let sum = zipped.len() - 6;
    zipped[sum] ^= 1;
    assert!(fault(&zipped).starts_with("gzip: "), "a check sum that is wrong");
}

#[test]
fn a_bomb_is_not_unpacked_beyond_its_header() {
    // 64 MiB of zeros behind a header for four bytes.
    let mut bomb = idx(8, &[4], &[]);
    bomb.resize(64 << 20, 0);
    let bomb = gzip(&bomb);
    assert!(bomb.len() < 1 << 17);
    assert_eq!(fault(&bomb), "header promises 4 images (12 bytes), the file goes on after that");
}

#[test]
fn files_that_do_not_belong_together_are_an_error() {
    let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz");
    let pixels = idx(8, &[2, 2, 2], &[0; 8]);
    let read = |set: &tempfile::TempDir| Mnist::new(set.path()).build().map(|_| ()).unwrap_err().to_string();

    let three = set(&[(images, pixels.clone()), (labels, gzip(&idx(8, &[3], &[1, 2, 3])))]);
    assert!(read(&three).contains("train-labels-idx1-ubyte.gz: 3 labels for 2 images of"), "{}", read(&three));
    let swapped = set(&[(images, idx(8, &[3], &[1, 2, 3])), (labels, pixels.clone())]);
    assert!(read(&swapped).contains("train-images-idx3-ubyte: holds uint8 of shape [3], not uint8 images [N, H, W]"));
    let shorts = set(&[(images, pixels.clone()), (labels, idx(0x0b, &[2], &[0; 4]))]);
    assert!(read(&shorts).contains("holds int16 of shape [2], not uint8 labels [N]"));
    let missing = set(&[(images, pixels)]);
    assert!(
        read(&missing).contains("train-labels-idx1-ubyte: there is no such file, nor one with .gz behind its name")
    );
}

#[test]
fn the_family_has_its_own_folders_and_files() {
    let root = tempfile::tempdir().unwrap();
    let put = |folder: &str, part: &str| {
        let raw = root.path().join(folder).join("raw");
        std::fs::create_dir_all(&raw).unwrap();
        std::fs::write(raw.join(format!("{part}-images-idx3-ubyte")), idx(8, &[1, 2, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        std::fs::write(raw.join(format!("{part}-labels-idx1-ubyte.gz")), gzip(&idx(8, &[1], &[3]))).unwrap();
    };
    put("FashionMNIST", "t10k");
    put("KMNIST", "train");
    put("EMNIST", "emnist-letters-test");
    let fashion = FashionMnist::new(root.path()).train(false).build().unwrap();
    assert_eq!(fashion.classes()[fashion.get(0).unwrap().1 as usize], "Dress");
    let kuzushiji = Kmnist::new(root.path()).build().unwrap();
    assert_eq!(kuzushiji.classes()[3], "tsu");
    let letters = Emnist::new(root.path(), EmnistSplit::Letters).train(false).build().unwrap();
    assert_eq!((letters.classes().len(), &letters.classes()[3][..]), (27, "c"));
    assert_eq!(letters.get(0).unwrap().0.to_vec::<u8>().unwrap(), [1, 2, 3, 4, 5, 6]);
    let error = Emnist::new(root.path(), EmnistSplit::ByClass).build().unwrap_err().to_string();
    assert!(error.contains("emnist-byclass-train-images-idx3-ubyte"), "{error}");
    let counts = [
        (EmnistSplit::ByClass, 62),
        (EmnistSplit::ByMerge, 47),
        (EmnistSplit::Balanced, 47),
        (EmnistSplit::Digits, 10),
    ];
    counts.iter().for_each(|(split, n)| assert_eq!(split.classes().len(), *n, "{split:?}"));
}
