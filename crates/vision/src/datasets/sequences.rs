//! Moving digits, pairs of faces, pieces of photographs of the same places, digits with all that is known of them.

use super::idx::read_idx_of;
use super::listed::{lfw, lfw_file};
use super::options::{Loader, TargetTransform, TransformSlot, Transforms};
use super::readers::{fault, glob, lines};
use super::split::Split;
use super::{Dataset, TvSamples};
use crate::io::{pil_loader, read_image};
use crate::tv_tensors::Image;
use flambeau_tensor::{DType, Error, Result, Tensor, bail, builder, ensure};
use std::path::{Path, PathBuf};

/// Digits that move about, as `torchvision.datasets.MovingMNIST`: `MovingMNIST/mnist_test_seq.npy`.
///
/// An item is a sequence of images, `u8` `[T, 1, 64, 64]` where no transform makes something else of it.
pub struct MovingMnist {
    data: Tensor,
    transforms: Transforms<()>,
}

builder! {
    /// Options of [`MovingMnist`].
    pub struct MovingMnistBuilder => MovingMnist;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// The first frames of each sequence (Train), those behind them (Test), or all; all unless set.
        split: Split = Split::All,
        /// How many frames Train has, 1 to 19; 10 unless set.
        split_ratio: usize = 10,
        /// What is done to each sequence: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

impl MovingMnist {
    #[track_caller]
    fn from_builder(b: MovingMnistBuilder) -> Result<Self> {
        let op = "MovingMNIST";
        let split = b.split.among(op, &[(Split::Train, "train"), (Split::Test, "test"), (Split::All, "all")])?;
        ensure!((1..=19).contains(&b.split_ratio), Argument, op, "split_ratio {} is not in 1 to 19", b.split_ratio);
        let path = b.root.join("MovingMNIST").join("mnist_test_seq.npy");
        let data = flambeau_serialize::npy::load(&path)?;
        if data.rank() < 2 {
            return Err(Error::format(&path, format!("has the shape {:?}, not [T, N, H, W]", data.shape())));
        }
        let (frames, at) = (data.shape()[0], b.split_ratio.min(data.shape()[0]));
        let data = match split {
            "train" => data.narrow(0, 0, at)?,
            "test" => data.narrow(0, at, frames - at)?,
            _ => data,
        };
        let data = data.transpose(0, 1)?.unsqueeze(2)?.contiguous()?;
        Ok(MovingMnist { data, transforms: Transforms::new(b.transform, TargetTransform::default())? })
    }

    /// All sequences: `u8`, `[N, T, 1, 64, 64]`.
    pub fn data(&self) -> &Tensor {
        &self.data
    }
}

impl Dataset for MovingMnist {
    type Item = Tensor;

    fn len(&self) -> usize {
        self.data.shape()[0]
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Tensor> {
        let n = self.len();
        ensure!(index < n, Index, "MovingMNIST", "index {index} is out of range for {n} samples");
        self.transforms.image(self.data.select(0, index as isize)?)
    }
}

impl std::fmt::Debug for MovingMnist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MovingMNIST({} sequences of {:?})", self.len(), &self.data.shape()[1..])
    }
}

/// Pairs of faces that are one person's or two, as `torchvision.datasets.LFWPairs`: `lfw-py/pairsDevTrain.txt`,
/// `lfw-py/lfw_funneled/NAME/NAME_0001.jpg`.
///
/// An item is two images, `u8` `[3, H, W]` where no transform makes something else of them, and 1 where they are one person's.
pub struct LfwPairs {
    pairs: Vec<([PathBuf; 2], i64)>,
    loader: Loader,
    transforms: Transforms,
}

builder! {
    /// Options of [`LfwPairs`].
    pub struct LfwPairsBuilder => LfwPairs;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// TenFold, Train or Test; TenFold unless set.
        split: Split = Split::TenFold,
        /// `original`, `funneled` or `deepfunneled`; funneled unless set.
        image_set: &'static str = "funneled",
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
        /// What makes an image of a file: a function of its path.
        loader: ~into Loader = Loader::default(),
    }
}

impl LfwPairs {
    #[track_caller]
    fn from_builder(b: LfwPairsBuilder) -> Result<Self> {
        let (folder, list) = lfw(&b.root, "pairs", b.split, b.image_set)?;
        let lines = lines(&list)?;
        let first = lines.first().map(String::as_str).unwrap_or_default();
        let counts: Option<Vec<usize>> = first.split('\t').map(|word| word.trim().parse().ok()).collect();
        let (folds, n) = match (b.split, counts.as_deref()) {
            (Split::TenFold, Some([folds, n])) => (*folds, *n),
            (Split::Train | Split::Test, Some([n, ..])) => (1, *n),
            _ => return Err(fault(&list, 0, first, "FOLDS\\tPAIRS, or PAIRS")),
        };
        let all = folds.checked_mul(n).and_then(|n| n.checked_mul(2)).filter(|all| *all < lines.len());
        let all = all
            .ok_or_else(|| Error::format(&list, format!("promises {folds} times {n} pairs of both kinds, but ends")))?;
        let pair = |i: usize| {
            let line = &lines[i + 1];
            let parts: Vec<&str> = line.split('\t').collect();
            let file = |person: &str, number: &str| Some(lfw_file(&folder, person, number.trim().parse().ok()?));
            // Of each fold the first half are pairs of one person.
            let pair = match (i / n % 2 == 0, &parts[..]) {
                (true, [person, one, two, ..]) => file(person, one).zip(file(person, two)).map(|pair| (pair, 1)),
                (false, [a, one, b, two, ..]) => file(a, one).zip(file(b, two)).map(|pair| (pair, 0)),
                _ => None,
            };
            let ((a, b), same) = pair.ok_or_else(|| fault(&list, i + 1, line, "NAME\\tNUMBER\\t(NAME\\t)NUMBER"))?;
            Ok(([a, b], same))
        };
        let pairs = (0..all).map(pair).collect::<Result<_>>()?;
        Ok(LfwPairs { pairs, loader: b.loader, transforms: Transforms::new(b.transform, b.target_transform)? })
    }

    #[track_caller]
    fn raw(&self, index: usize) -> Result<(Tensor, Tensor, i64)> {
        let n = self.pairs.len();
        ensure!(index < n, Index, "LFWPairs", "index {index} is out of range for {n} samples");
        let ([a, b], same) = &self.pairs[index];
        let image = |path: &PathBuf| self.loader.load(path, |path| pil_loader(path));
        Ok((image(a)?, image(b)?, *same))
    }
}

impl Dataset for LfwPairs {
    type Item = (Tensor, Tensor, i64);

    fn len(&self) -> usize {
        self.pairs.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        let (a, b, same) = self.raw(index)?;
        let a = self.transforms.image(a)?;
        let (b, same) = self.transforms.apply(b, same)?;
        Ok((a, b, same))
    }
}

impl TvSamples for LfwPairs {
    type Sample = (Image, Image, i64);

    #[track_caller]
    fn tv_sample(&self, index: usize) -> Result<Self::Sample> {
        let (a, b, same) = self.raw(index)?;
        Ok((Image::new(a)?, Image::new(b)?, same))
    }
}

impl std::fmt::Debug for LfwPairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LFWPairs({} pairs)", self.pairs.len())
    }
}

/// An item of [`PhotoTour`].
#[derive(Clone, Debug)]
pub enum PhotoTourItem {
    /// to train on: a piece, `u8` `[64, 64]` where no transform makes something else of it
    Patch(Tensor),
    /// to test on: two pieces, and 1 where they are of one place
    Pair(Tensor, Tensor, i64),
}

/// Pieces of photographs of three places, as `torchvision.datasets.PhotoTour`: `notredame/patches0000.bmp` with 64×64 pixels a
/// piece, `notredame/info.txt`, `notredame/m50_100000_100000_0.txt`. torchvision's own copy, `notredame.pt`, is not asked for.
pub struct PhotoTour {
    data: Tensor,
    labels: Vec<i64>,
    matches: Vec<[i64; 3]>,
    train: bool,
    statistics: (f64, f64),
    transforms: Transforms<()>,
}

builder! {
    /// Options of [`PhotoTour`].
    pub struct PhotoTourBuilder => PhotoTour;
    new {
        /// The folder that holds that of the place.
        root: ~into PathBuf,
        /// `notredame`, `yosemite`, `liberty`, or one of these with `_harris` behind it.
        name: ~into String,
    }
    options {
        /// The pieces, or the pairs of them. True unless set.
        train: bool = true,
        /// What is done to each piece: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
    }
}

/// Of each place how many pieces there are, their mean and their standard deviation.
const PLACES: [(&str, usize, f64, f64); 6] = [
    ("notredame", 468_159, 0.4854, 0.1864),
    ("yosemite", 633_587, 0.4844, 0.1818),
    ("liberty", 450_092, 0.4437, 0.2019),
    ("liberty_harris", 379_587, 0.4437, 0.2019),
    ("yosemite_harris", 450_912, 0.4844, 0.1818),
    ("notredame_harris", 325_295, 0.4854, 0.1864),
];

impl PhotoTour {
    #[track_caller]
    fn from_builder(b: PhotoTourBuilder) -> Result<Self> {
        let Some((_, most, mean, deviation)) = PLACES.iter().find(|(name, ..)| *name == b.name) else {
            bail!(Argument, "PhotoTour", "{:?} is not among {:?}", b.name, PLACES.map(|(name, ..)| name))
        };
        let folder = b.root.join(&b.name);
        let mut pieces = Vec::new();
        for path in glob(&folder, "*bmp") {
            pieces.extend(photo_pieces(&path)?);
        }
        pieces.truncate(most.saturating_mul(64 * 64));
        let n = pieces.len() / (64 * 64);
        let word = |path: &Path, i: usize, line: &str, place: usize| {
            let number = line.split_whitespace().nth(place).and_then(|word| word.parse::<i64>().ok());
            number.ok_or_else(|| fault(path, i, line, "a line of numbers"))
        };
        let info = folder.join("info.txt");
        let labels =
            lines(&info)?.iter().enumerate().map(|(i, line)| word(&info, i, line, 0)).collect::<Result<_>>()?;
        let list = folder.join("m50_100000_100000_0.txt");
        let pair = |(i, line): (usize, &String)| {
            let of = |place| word(&list, i, line, place);
            let (one, two, same) = (of(0)?, of(3)?, i64::from(of(1)? == of(4)?));
            let inside = |piece: i64| usize::try_from(piece).is_ok_and(|piece| piece < n);
            if !inside(one) || !inside(two) {
                return Err(fault(&list, i, line, &format!("a pair of {n} pieces")));
            }
            Ok([one, two, same])
        };
        let matches = lines(&list)?.iter().enumerate().map(pair).collect::<Result<_>>()?;
        Ok(PhotoTour {
            data: Tensor::from_vec(pieces, [n, 64, 64])?,
            labels,
            matches,
            train: b.train,
            statistics: (*mean, *deviation),
            transforms: Transforms::new(b.transform, TargetTransform::default())?,
        })
    }

    /// All pieces: `u8`, `[N, 64, 64]`.
    pub fn data(&self) -> &Tensor {
        &self.data
    }

    /// Which place each piece shows.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The pairs: two pieces, and 1 where they show one place.
    pub fn matches(&self) -> &[[i64; 3]] {
        &self.matches
    }

    /// Mean and standard deviation of the pieces, in 0 to 1.
    pub fn mean_and_std(&self) -> (f64, f64) {
        self.statistics
    }

    fn piece(&self, index: i64) -> Result<Tensor> {
        self.transforms.image(self.data.select(0, index as isize)?)
    }
}

/// The pieces of one image, row by row; what reaches out of it is black.
fn photo_pieces(path: &Path) -> Result<Vec<u8>> {
    let image = read_image(path)?;
    let &[1, height, width] = image.shape() else {
        return Err(Error::format(path, format!("has the shape {:?}, not one channel", image.shape())));
    };
    let pixels = image.to_vec::<u8>()?;
    let mut pieces = Vec::new();
    for top in (0..height).step_by(64) {
        for left in (0..width).step_by(64) {
            for y in top..top + 64 {
                let row = if y < height { &pixels[y * width + left..y * width + (left + 64).min(width)] } else { &[] };
                pieces.extend_from_slice(row);
                pieces.resize(pieces.len() + 64 - row.len(), 0);
            }
        }
    }
    Ok(pieces)
}

impl Dataset for PhotoTour {
    type Item = PhotoTourItem;

    fn len(&self) -> usize {
        if self.train { self.data.shape()[0] } else { self.matches.len() }
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<PhotoTourItem> {
        let n = self.len();
        ensure!(index < n, Index, "PhotoTour", "index {index} is out of range for {n} samples");
        if self.train {
            return Ok(PhotoTourItem::Patch(self.piece(index as i64)?));
        }
        let [one, two, same] = self.matches[index];
        Ok(PhotoTourItem::Pair(self.piece(one)?, self.piece(two)?, same))
    }
}

impl std::fmt::Debug for PhotoTour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PhotoTour({} pieces, {} pairs)", self.data.shape()[0], self.matches.len())
    }
}

/// Digits with who wrote them and where they come from: `QMNIST`'s images `[N, 1, H, W]` and records `[N, 8]`.
#[track_caller]
pub(super) fn qmnist(root: &Path, what: Split) -> Result<(Tensor, Tensor)> {
    let known = [
        (Split::Train, "qmnist-train"),
        (Split::Test, "qmnist-test"),
        (Split::Test10k, "qmnist-test"),
        (Split::Test50k, "qmnist-test"),
        (Split::Nist, "xnist"),
    ];
    let name = what.among("QMNIST", &known)?;
    let folder = root.join("QMNIST").join("raw");
    let file = |end: &str| super::mnist::find(&folder, &format!("{name}-{end}"));
    let (images_path, labels_path) = (file("images-idx3-ubyte")?, file("labels-idx2-int")?);
    let (images, labels) = (read_idx_of("images", &images_path)?, read_idx_of("labels", &labels_path)?);
    let fits = images.dtype() == DType::U8 && images.rank() == 3 && labels.rank() == 2 && labels.shape()[1] > 0;
    if !fits || labels.shape()[0] != images.shape()[0] {
        let text = format!("labels {:?} for {} images {:?}", labels.shape(), images.dtype(), images.shape());
        return Err(Error::format(&labels_path, text));
    }
    let n = images.shape()[0];
    let (start, end) = match what {
        Split::Test10k => (0, n.min(10_000)),
        Split::Test50k => (n.min(10_000), n),
        _ => (0, n),
    };
    let part = |tensor: &Tensor| tensor.narrow(0, start, end - start)?.contiguous();
    Ok((part(&images)?.unsqueeze(1)?, part(&labels)?.to_dtype(DType::I64)?))
}
