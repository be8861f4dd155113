//! MNIST and what has taken its form: Fashion-MNIST, Kuzushiji-MNIST, EMNIST.

use super::idx::read_idx_of;
use super::images::Images;
use super::options::{TargetTransform, TransformSlot};
use super::split::Split;
use flambeau_tensor::{DType, Error, Result, Tensor, builder, ensure};
use std::path::{Path, PathBuf};

macro_rules! mnist_form {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident, $folder:literal, new { $($req:ident: $req_ty:ty)? }, |$b:ident| $files:expr, $classes:expr;
    )*) => {$(
        $(#[$doc])*
        pub struct $Name(Images);

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The folder that holds the set's folder.
                root: ~into PathBuf,
                $(
                    /// Which part of the set.
                    $req: $req_ty
                )?
            }
            options {
                /// The images to train on, or those held out. True unless set.
                train: bool = true,
                /// What is done to each image: a transform, or the builder of one.
                transform: ~into TransformSlot = TransformSlot::default(),
                /// What is done to each label: a function from `i64` to `i64`.
                target_transform: ~into TargetTransform = TargetTransform::default(),
            }
        }

        impl $Name {
            fn from_builder($b: $Builder) -> Result<Self> {
                let classes: Vec<String> = $classes;
                let folder = $b.root.join($folder).join("raw");
                let (images, labels) = read(&folder, &$files)?;
                Ok($Name(Images::new($folder, images, labels, classes, $b.transform, $b.target_transform)?))
            }
        }

        super::images::labelled_images!($Name);
    )*};
}

mnist_form! {
    /// Handwritten digits, as `torchvision.datasets.MNIST`: the files `train-images-idx3-ubyte`,
    /// `train-labels-idx1-ubyte`, `t10k-…` of `root/MNIST/raw`, plain or with `.gz`.
    ///
    /// An item is an image and its label. Without a transform the image is `u8` of shape `[1, H, W]` and a
    /// view of [`data`](Mnist::data).
    ///
    /// ```
    /// use flambeau_vision::datasets::{Dataset, Mnist};
    /// use flambeau_vision::transforms::{Compose, Normalize, RandomCrop, ToTensor};
    ///
    /// # let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits");
    /// let digits = Mnist::new(root)
    ///     .train(false)
    ///     .transform(Compose::of((RandomCrop::new(8).padding(1), ToTensor::new(), Normalize::new([0.3], [0.4]))))
    ///     .build()?;
    /// let (image, label) = digits.get(0)?;
    /// assert_eq!((image.shape(), digits.len()), (&[1, 8, 8][..], 355));
    /// assert!((0..10).contains(&label));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Mnist, MnistBuilder, "MNIST", new {}, |b| files(b.train), mnist_classes();

    /// Articles of clothing, as `torchvision.datasets.FashionMNIST`: the files of [`Mnist`], in
    /// `root/FashionMNIST/raw`.
    FashionMnist, FashionMnistBuilder, "FashionMNIST", new {}, |b| files(b.train), strings(&[
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]);

    /// Cursive Japanese characters, as `torchvision.datasets.KMNIST`: the files of [`Mnist`], in
    /// `root/KMNIST/raw`.
    Kmnist, KmnistBuilder, "KMNIST", new {}, |b| files(b.train), strings(&["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]);

    /// Handwritten letters and digits, as `torchvision.datasets.EMNIST`: the files
    /// `emnist-letters-train-images-idx3-ubyte` and so on of `root/EMNIST/raw`, plain or with `.gz`.
    ///
    /// The set's files hold every image transposed. As in torchvision it is given as it is stored:
    /// `image.mt()` sets it upright. The labels of `letters` count from 1.
    Emnist, EmnistBuilder, "EMNIST", new { split: EmnistSplit }, |b| emnist_files(b.split, b.train), b.split.classes();
}

/// Handwritten digits with who wrote them and where they come from, as `torchvision.datasets.QMNIST`: the files
/// `qmnist-train-images-idx3-ubyte`, `qmnist-train-labels-idx2-int`, `qmnist-test-…`, `xnist-…` of `root/QMNIST/raw`, plain or
/// with `.gz`.
///
/// An item is an image, `u8` `[1, 28, 28]` where no transform makes something else of it, and its label. All that is known of
/// the images, torchvision's `compat=False`, is [`records`](Qmnist::records).
pub struct Qmnist(Images, Tensor);

builder! {
    /// Options of [`Qmnist`].
    pub struct QmnistBuilder => Qmnist;
    new {
        /// The folder that holds the set's folder.
        root: ~into PathBuf,
    }
    options {
        /// Train, Test, Test10k, Test50k or Nist; Train unless set.
        what: Split = Split::Train,
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
    }
}

impl Qmnist {
    #[track_caller]
    fn from_builder(b: QmnistBuilder) -> Result<Self> {
        let (images, records) = super::sequences::qmnist(&b.root, b.what)?;
        let labels = records.select(1, 0)?.contiguous()?.to_vec::<i64>()?;
        Ok(Qmnist(Images::new("QMNIST", images, labels, mnist_classes(), b.transform, b.target_transform)?, records))
    }

    /// Of each image the digit, the series, the writer, the number of the image of this writer, the class of the glyph, its
    /// number, and two that stand for nothing: `int64`, `[N, 8]`.
    pub fn records(&self) -> &Tensor {
        &self.1
    }
}

super::images::labelled_images!(Qmnist);

/// A part of [`Emnist`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmnistSplit {
    /// 62 classes: digits, capitals, small letters
    ByClass,
    /// 47 classes: small letters that look like their capitals are one with them
    ByMerge,
    /// the classes of `ByMerge`, the same number of images of each
    Balanced,
    /// 26 letters, labelled 1 to 26
    Letters,
    /// 10 digits
    Digits,
    /// 10 digits, chosen as MNIST's
    Mnist,
}

impl EmnistSplit {
    /// As the files call it.
    pub fn name(self) -> &'static str {
        match self {
            EmnistSplit::ByClass => "byclass",
            EmnistSplit::ByMerge => "bymerge",
            EmnistSplit::Balanced => "balanced",
            EmnistSplit::Letters => "letters",
            EmnistSplit::Digits => "digits",
            EmnistSplit::Mnist => "mnist",
        }
    }

    fn classes(self) -> Vec<String> {
        let (digits, capitals) = ('0'..='9', 'A'..='Z');
        let of = |chars: Vec<char>| chars.into_iter().map(String::from).collect();
        match self {
            EmnistSplit::ByClass => of(digits.chain(capitals).chain('a'..='z').collect()),
            EmnistSplit::ByMerge | EmnistSplit::Balanced => {
                of(digits.chain(capitals).chain("abdefghnqrt".chars()).collect())
            }
            EmnistSplit::Letters => std::iter::once("N/A".to_string()).chain(('a'..='z').map(String::from)).collect(),
            EmnistSplit::Digits | EmnistSplit::Mnist => of(digits.collect()),
        }
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn mnist_classes() -> Vec<String> {
    let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    names.iter().enumerate().map(|(digit, name)| format!("{digit} - {name}")).collect()
}

/// The names of the files with images and labels.
fn files(train: bool) -> [String; 2] {
    let part = if train { "train" } else { "t10k" };
    [format!("{part}-images-idx3-ubyte"), format!("{part}-labels-idx1-ubyte")]
}

fn emnist_files(split: EmnistSplit, train: bool) -> [String; 2] {
    let part = format!("emnist-{}-{}", split.name(), if train { "train" } else { "test" });
    [format!("{part}-images-idx3-ubyte"), format!("{part}-labels-idx1-ubyte")]
}

/// Images `[N, 1, H, W]` and labels `[N]` from `folder`.
fn read(folder: &Path, [images, labels]: &[String; 2]) -> Result<(Tensor, Vec<i64>)> {
    let (images_path, labels_path) = (find(folder, images)?, find(folder, labels)?);
    let images = read_idx_of("images", &images_path)?;
    let labels = read_idx_of("labels", &labels_path)?;
    let kind = |path: &Path, tensor: &Tensor, rank: usize, what: &str| {
        let (dtype, shape) = (tensor.dtype(), tensor.shape());
        let good = dtype == DType::U8 && shape.len() == rank;
        if good { Ok(()) } else { Err(Error::format(path, format!("holds {dtype} of shape {shape:?}, not {what}"))) }
    };
    kind(&images_path, &images, 3, "uint8 images [N, H, W]")?;
    kind(&labels_path, &labels, 1, "uint8 labels [N]")?;
    let (n, count) = (images.shape()[0], labels.shape()[0]);
    ensure!(
        n == count,
        Format,
        format!("read {}", labels_path.display()),
        "{count} labels for {n} images of {}",
        images_path.display()
    );
    let labels = labels.to_vec::<u8>()?.into_iter().map(i64::from).collect();
    Ok((images.unsqueeze(1)?, labels))
}

/// `name` in `folder`, plain or with `.gz`.
pub(super) fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let (plain, zipped) = (folder.join(name), folder.join(format!("{name}.gz")));
    let found = [&plain, &zipped].into_iter().find(|path| path.exists()).cloned();
    found.ok_or_else(|| {
        Error::io(
            "read",
            &plain,
            std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "there is no such file, nor one with .gz behind its name",
            ),
        )
    })
}

#[cfg(test)]
mod tests;
