//! Small files in CIFAR's form, whole and not.

use super::*;
use crate::datasets::Dataset;

/// `n` records with `labels` label bytes; the pixels of each are its number.
fn records(n: usize, labels: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    (0..n).flat_map(|i| labels(i).into_iter().chain(std::iter::repeat_n(i as u8, PIXELS))).collect()
}

fn cifar10(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&folder).unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
    root
}

fn fault(test_batch: Vec<u8>) -> String {
    let root = cifar10(&[("test_batch.bin", test_batch)]);
    let error = Cifar10::new(root.path()).train(false).build().unwrap_err();
    assert!(error.place().ends_with("test_batch.bin"), "{error}");
    error.message().to_string()
}

#[test]
fn all_batches_in_order() {
    let names = ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
    let files: Vec<(&str, Vec<u8>)> =
        names.iter().enumerate().map(|(b, name)| (*name, records(2, |i| vec![(b + i) as u8]))).collect();
    let root = cifar10(&files);
    let set = Cifar10::new(root.path()).build().unwrap();
    assert_eq!(set.targets(), [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    let (image, label) = set.get(3).unwrap();
    assert_eq!((image.shape(), label), (&[3, 32, 32][..], 2));
    assert_eq!(image.to_vec::<u8>().unwrap(), [1; PIXELS]);
    assert_eq!(set.classes()[2], "bird");
    std::fs::write(root.path().join("cifar-10-batches-bin/batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n")
        .unwrap();
    assert_eq!(Cifar10::new(root.path()).build().unwrap().classes()[2], "c");
    std::fs::write(root.path().join("cifar-10-batches-bin/batches.meta.txt"), "a\nb\n").unwrap();
    assert!(Cifar10::new(root.path()).build().unwrap_err().to_string().contains("names 2 classes instead of 10"));
    std::fs::remove_file(root.path().join("cifar-10-batches-bin/data_batch_4.bin")).unwrap();
    assert!(Cifar10::new(root.path()).build().unwrap_err().to_string().contains("data_batch_4.bin"));
}

#[test]
fn fine_and_coarse_labels() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar-100-binary");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("test.bin"), records(3, |i| vec![i as u8 + 10, i as u8 + 90])).unwrap();
    let fine = Cifar100::new(root.path()).train(false).build().unwrap();
    let coarse = Cifar100::new(root.path()).train(false).coarse(true).build().unwrap();
    assert_eq!((fine.targets(), coarse.targets()), (&[90, 91, 92][..], &[10, 11, 12][..]));
    assert_eq!((fine.classes().len(), coarse.classes().len()), (100, 20));
    assert_eq!(fine.get(2).unwrap().0.to_vec::<u8>().unwrap(), [2; PIXELS]);
}

#[test]
fn files_that_lie_are_errors() {
    let whole = records(3, |_| vec![9]);
    assert_eq!(fault(Vec::new()), "the file is empty");
    for end in [1, PIXELS, PIXELS + 2, whole.len() - 1] {
        let n = end / (PIXELS + 1);
        let want = format!("record {n} of 3073 bytes starts at byte {}, the file ends at byte {end}", n * 3073);
        assert_eq!(fault(whole[..end].to_vec()), want);
    }
    assert_eq!(fault(records(3, |i| vec![8 + i as u8])), "label 10 at byte 6146 is not one of 10 classes");
}
