//! Folders as torchvision 0.29 read them: the same files with the same labels in the same order.

use super::*;
use crate::datasets::{Dataset, OxfordIiitPet};
use crate::io::encode_png;

/// A folder in which every image has a red of its own: 1, 2, …
struct Made {
    root: tempfile::TempDir,
    images: usize,
}

impl Made {
    fn new() -> Self {
        Made { root: tempfile::tempdir().unwrap(), images: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn images(&mut self, folder: &str, names: &[&str]) {
        for name in names {
            self.images += 1;
            let red = vec![self.images as u8, self.images as u8, 0, 0, 0, 0];
            let png = encode_png(&Tensor::from_vec(red, [3, 1, 2]).unwrap()).unwrap();
            std::fs::write(self.path(&format!("{folder}/{name}")), png).unwrap();
        }
    }

    fn text(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn root(&self) -> &Path {
        self.root.path()
    }
}

/// The red and the label of each item.
fn items(set: &dyn Dataset<Item = (Tensor, i64)>) -> Vec<(u8, i64)> {
    let item = |i: usize| {
        let (image, label) = set.get(i).unwrap();
        assert_eq!(image.shape(), [3, 1, 2]);
        (image.contiguous().unwrap().to_vec::<u8>().unwrap()[0], label)
    };
    (0..set.len()).map(item).collect()
}

fn labels(set: &OxfordIiitPet) -> Vec<i64> {
    (0..set.len()).map(|i| set.get(i).unwrap().1.label().unwrap()).collect()
}

#[test]
fn a_folder_for_each_class() {
    let mut made = Made::new();
    for part in ["train", "valid"] {
        made.images(&format!("country211/{part}/AD"), &["b.jpg", "a.jpg"]);
        made.images(&format!("country211/{part}/ZW"), &["b.jpg", "a.jpg"]);
    }
    made.images("eurosat/2750/River", &["River_1.jpg"]);
    made.images("eurosat/2750/Forest", &["Forest_1.jpg"]);
    for part in ["train", "valid", "test"] {
        made.images(&format!("rendered-sst2/{part}/positive"), &["1.png"]);
        made.images(&format!("rendered-sst2/{part}/negative"), &["1.png"]);
    }
    let country = Country211::new(made.root()).split(Split::Val).build().unwrap();
    assert_eq!(country.classes(), ["AD", "ZW"]);
    assert_eq!(items(&country), [(6, 0), (5, 0), (8, 1), (7, 1)]);
    let land = EuroSat::new(made.root()).target_transform(|label| label + 10).build().unwrap();
    assert_eq!((land.classes(), items(&land)), (&["Forest".to_string(), "River".into()][..], vec![(10, 10), (9, 11)]));
    let sentences = RenderedSst2::new(made.root()).split(Split::Val).build().unwrap();
    assert_eq!(items(&sentences), [(14, 0), (13, 1)]);
    assert!(sentences.get(2).is_err());
    assert!(RenderedSst2::new(made.root()).split(Split::TrainVal).build().is_err());
    assert!(EuroSat::new(made.root().join("none")).build().is_err());
}

#[test]
fn a_list_that_tells_the_labels() {
    let mut made = Made::new();
    made.images("dtd/dtd/images", &["zigzagged/z_1.jpg", "banded/b_2.jpg", "banded/b_1.jpg"]);
    made.text("dtd/dtd/labels/val3.txt", "zigzagged/z_1.jpg\nbanded/b_2.jpg\nbanded/b_1.jpg\n");
    made.images("fgvc-aircraft-2013b/data/images", &["100.jpg", "200.jpg", "300.jpg"]);
    made.text("fgvc-aircraft-2013b/data/families.txt", "Boeing 707\nA300\n");
    made.text("fgvc-aircraft-2013b/data/images_family_test.txt", "300 A300\n100 Boeing 707\n200 A300\n");
    made.images("oxford-iiit-pet/images", &["Abyssinian_2.jpg", "american_bulldog_10.jpg", "Abyssinian_1.jpg"]);
    let pets = "oxford-iiit-pet/annotations/test.txt";
    made.text(pets, "Abyssinian_2 1 1 1\namerican_bulldog_10 2 2 1\nAbyssinian_1 1 1 1\n");

    let textures = Dtd::new(made.root()).split(Split::Val).partition(3).build().unwrap();
    assert_eq!((textures.classes()[1].as_str(), items(&textures)), ("zigzagged", vec![(1, 1), (2, 0), (3, 0)]));
    assert!(Dtd::new(made.root()).partition(11).build().is_err());
    let planes = FgvcAircraft::new(made.root()).split(Split::Test).annotation_level("family").build().unwrap();
    assert_eq!((planes.classes()[0].as_str(), items(&planes)), ("Boeing 707", vec![(6, 1), (4, 0), (5, 1)]));
    let breeds = OxfordIiitPet::new(made.root()).split(Split::Test).build().unwrap();
    assert_eq!(breeds.classes(), ["Abyssinian", "American Bulldog"]);
    assert_eq!(labels(&breeds), [0, 1, 0]);
    let kinds = OxfordIiitPet::new(made.root()).split(Split::Test).target_types("binary-category").build().unwrap();
    assert_eq!(labels(&kinds), [0, 1, 0]);

    made.text(pets, "Abyssinian_2 one 1 1\n");
    let fault = OxfordIiitPet::new(made.root()).split(Split::Test).build().unwrap_err();
    assert!(fault.message().contains("line 1"), "{fault}");
    made.text("fgvc-aircraft-2013b/data/images_family_test.txt", "300 Concorde\n");
    assert!(FgvcAircraft::new(made.root()).split(Split::Test).annotation_level("family").build().is_err());
}

#[test]
fn scenes_lie_in_folders_of_their_letters() {
    let mut made = Made::new();
    made.images("SUN397", &["a/abbey/sun_2.jpg", "a/abbey/sun_1.jpg", "b/bar/outdoor/sun_9.jpg", "a/abbey/x.jpg"]);
    made.text("SUN397/ClassName.txt", "/a/abbey\n/b/bar/outdoor\n");
    let scenes = Sun397::new(made.root()).build().unwrap();
    assert_eq!(scenes.classes(), ["abbey", "bar/outdoor"]);
    assert_eq!(items(&scenes), [(2, 0), (1, 0), (3, 1)]);
    made.text("SUN397/ClassName.txt", "/a/abbey\n");
    assert!(Sun397::new(made.root()).build().is_err());
}
