//! Folders of images, well and badly kept.

use super::*;
use crate::io::{encode_jpeg, write_image};

fn picture(path: &Path, value: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_image(&Tensor::from_vec(vec![value; 4], [1, 2, 2]).unwrap(), path).unwrap();
}

#[test]
fn classes_and_files_in_order() {
    let root = tempfile::tempdir().unwrap();
    let names = ["dog/2.png", "dog/10.png", "cat/deep/er/1.PNG", "cat/9.jpg", "cat/deep/8.png", "cat/a b/3.png"];
    names.iter().enumerate().for_each(|(i, name)| picture(&root.path().join(name), i as u8 * 10));
    std::fs::write(root.path().join("cat/notes.txt"), "no image").unwrap();
    std::fs::write(root.path().join("readme.png"), "in no class").unwrap();
    let set = ImageFolder::new(root.path()).build().unwrap();
    assert_eq!(set.classes(), ["cat", "dog"]);
    assert_eq!(set.class_to_idx()["dog"], 1);
    let files: Vec<String> =
        set.samples().iter().map(|(path, _)| path.strip_prefix(root.path()).unwrap().display().to_string()).collect();
    assert_eq!(files, ["cat/9.jpg", "cat/a b/3.png", "cat/deep/8.png", "cat/deep/er/1.PNG", "dog/10.png", "dog/2.png"]);
    assert_eq!(set.targets(), [0, 0, 0, 0, 1, 1]);
    let (image, label) = set.get(5).unwrap();
    assert_eq!((image.to_vec::<u8>().unwrap(), image.shape(), label), (vec![0; 12], &[3, 2, 2][..], 1));
    assert!(set.get(6).is_err());
    let gray = ImageFolder::new(root.path()).mode(ImageReadMode::Gray).extensions(["png"]).build().unwrap();
    assert_eq!((gray.len(), gray.get(0).unwrap().0.shape()), (5, &[1, 2, 2][..]));
}

#[test]
fn images_are_turned_upright_where_asked() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("cat/1.png"), 1);
    let mut file = encode_jpeg(&Tensor::from_vec(vec![9u8; 24], [3, 2, 4]).unwrap(), 75).unwrap();
    let exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    file.splice(2..2, exif.iter().copied());
    std::fs::write(root.path().join("cat/2.jpg"), file).unwrap();
    let shape = |set: &ImageFolder| set.get(1).unwrap().0.shape().to_vec();
    assert_eq!(shape(&ImageFolder::new(root.path()).build().unwrap()), [3, 2, 4]);
    assert_eq!(shape(&ImageFolder::new(root.path()).apply_exif_orientation(true).build().unwrap()), [3, 4, 2]);
}

#[test]
fn what_is_missing_is_named() {
    let root = tempfile::tempdir().unwrap();
    let fault = || ImageFolder::new(root.path()).build().unwrap_err().to_string();
    assert!(fault().contains("there is no folder in it, so no class"));
    picture(&root.path().join("cat/1.png"), 1);
    std::fs::create_dir(root.path().join("dog")).unwrap();
    assert!(fault().contains("no file to take in the folder of dog; the endings are jpg, jpeg, png"), "{}", fault());
    assert_eq!(ImageFolder::new(root.path()).allow_empty(true).build().unwrap().len(), 1);
    let error = ImageFolder::new(root.path().join("nowhere")).build().unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
    // A damaged image is an error when it is asked for, and by name.
    std::fs::write(root.path().join("dog/broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let error = ImageFolder::new(root.path()).build().unwrap().get(1).unwrap_err().to_string();
    assert!(error.contains("broken.png: the file ends at byte 8, before the end of the image"), "{error}");
}

#[test]
fn files_are_taken_by_endings_or_by_a_function() {
    let root = tempfile::tempdir().unwrap();
    ["a/1.png", "a/2.png", "b/1.png"].iter().for_each(|name| picture(&root.path().join(name), 3));
    let ones = |path: &Path| path.file_stem().is_some_and(|name| name == "1");
    assert_eq!(ImageFolder::new(root.path()).is_valid_file(ones).build().unwrap().targets(), [0, 1]);
    let only_a = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("a"));
    let folder = || ImageFolder::new(root.path()).is_valid_file(only_a);
    let error = folder().build().unwrap_err().to_string();
    assert!(error.contains("no file to take in the folder of b") && !error.contains("endings"), "{error}");
    assert_eq!(folder().allow_empty(true).build().unwrap().targets(), [0, 0]);

    let files = || DatasetFolder::new(root.path(), |path: &Path| crate::io::read_image(path));
    let set = files().extensions([".PNG"]).target_transform(|label| label + 10).build().unwrap();
    assert_eq!((set.len(), set.classes(), set.class_to_idx()["b"]), (3, &["a".into(), "b".into()][..], 1));
    assert_eq!((set.get(2).unwrap().0.shape(), set.get(2).unwrap().1), (&[1, 2, 2][..], 11));
    assert!(set.get(3).unwrap_err().to_string().contains("index 3 is out of range for 3 samples"));
    assert_eq!(files().is_valid_file(ones).build().unwrap().targets(), [0, 1]);
    for (wrong, what) in [(files(), "both missing"), (files().extensions(["png"]).is_valid_file(ones), "both given")] {
        let error = wrong.build().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    assert!(files().extensions(["jpg"]).build().is_err());
}

#[cfg(unix)]
#[test]
fn a_circle_of_links_ends() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("cat/1.png"), 1);
    std::os::unix::fs::symlink(root.path().join("cat"), root.path().join("cat/again")).unwrap();
    assert_eq!(ImageFolder::new(root.path()).build().unwrap().len(), 1);
}
