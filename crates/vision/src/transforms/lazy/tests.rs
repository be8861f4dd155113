//! Chains done in one pass are, bit for bit and draw for draw, those done step by step.

use super::*;
use crate::datasets::{Dataset, ImageFolder};
use crate::io::{ImageReadMode, encode_jpeg, encode_png, pil_loader, read_image_as};
use crate::transforms::*;
use flambeau_tensor::Generator;
use flambeau_tensor::random::with_generator;
use std::path::Path;

/// Hills with some noise.
fn hills(channels: usize, h: usize, w: usize) -> Tensor {
    let pixel = |i: usize| {
        let (y, x) = (i / w % h, i % w);
        ((x as f64 / 7.0).sin() * (y as f64 / 5.0).cos() * 90.0 + 128.0 + (i * 7919 % 61) as f64 - 30.0) as u8
    };
    Tensor::from_vec((0..channels * h * w).map(pixel).collect(), [channels, h, w]).unwrap()
}

/// `x` with its channels last in memory.
fn channels_last(x: &Tensor) -> Tensor {
    x.permute([1, 2, 0]).unwrap().contiguous().unwrap().permute([2, 0, 1]).unwrap()
}

type List = Vec<Box<dyn PartsTransform>>;

/// Chains that are put off as a whole, in part and not at all.
fn chains() -> Vec<List> {
    fn boxed<B: flambeau_tensor::Build>(transform: B) -> Box<dyn PartsTransform>
    where
        B::Output: PartsTransform + 'static,
    {
        Box::new(transform.build().unwrap())
    }
    let last = |mut list: List| {
        list.push(boxed(ToDtype::new(DType::F32).scale(true)));
        list.push(boxed(Normalize::new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])));
        list
    };
    vec![
        last(vec![boxed(RandomResizedCrop::new(24)), boxed(RandomHorizontalFlip::new())]),
        last(vec![boxed(RandomResizedCrop::new([70, 90]).interpolation(InterpolationMode::Bicubic))]),
        last(vec![boxed(Resize::new(30)), boxed(CenterCrop::new(24))]),
        last(vec![boxed(Resize::new(31).antialias(false)), boxed(RandomCrop::new([20, 26]))]),
        last(vec![boxed(RandomHorizontalFlip::new()), boxed(RandomVerticalFlip::new()), boxed(RandomCrop::new(19))]),
        last(vec![
            boxed(Resize::new([9, 100]).interpolation(InterpolationMode::NearestExact)),
            boxed(RandomVerticalFlip::new()),
        ]),
        vec![
            boxed(CenterCrop::new(64)),
            boxed(Resize::new(20)),
            boxed(RandomHorizontalFlip::new()),
            boxed(Resize::new(15)),
        ],
        vec![
            boxed(RandomCrop::new(33).padding(2).pad_if_needed(true)),
            boxed(ToTensor::new()),
            boxed(Normalize::new([0.5], [0.25])),
        ],
        vec![
            boxed(ToImage::new()),
            boxed(ToDtype::new(DType::F32)),
            boxed(Resize::new(18)),
            boxed(RandomHorizontalFlip::new()),
        ],
        last(vec![
            boxed(ColorJitter::new().brightness(0.4)),
            boxed(RandomResizedCrop::new(16)),
            boxed(RandomErasing::new()),
        ]),
        last(vec![
            boxed(RandomResizedCrop::new(22)),
            boxed(TrivialAugmentWide::new()),
            boxed(RandomHorizontalFlip::new()),
        ]),
        vec![
            boxed(RandomResizedCrop::new(12)),
            boxed(ConvertImageDtype::new(DType::F64)),
            boxed(RandomVerticalFlip::new()),
        ],
        vec![
            boxed(RandomResizedCrop::new(40)),
            boxed(Grayscale::new()),
            boxed(ToPureTensor::new()),
            boxed(ToTensor::new()),
        ],
        vec![boxed(Resize::new(25).interpolation(InterpolationMode::Lanczos)), boxed(CenterCrop::new([12, 25]))],
    ]
}

/// What comes of the transforms one by one, and the next number that the generator gives.
fn step_by_step(seed: u64, chain: &List, image: Tensor) -> (Result<Tensor>, f32) {
    with_generator(&Generator::with_seed(seed), || {
        let all = || {
            let mut parts = Parts::of(&image);
            chain.iter().try_for_each(|transform| transform.transform_parts(&mut parts))?;
            Ok(parts.get(0).unwrap().tensor().clone())
        };
        (all(), Tensor::rand([1]).build().unwrap().item().unwrap())
    })
}

fn drawn(seed: u64, f: impl FnOnce() -> Result<Tensor>) -> (Result<Tensor>, f32) {
    with_generator(&Generator::with_seed(seed), || (f(), Tensor::rand([1]).build().unwrap().item().unwrap()))
}

fn same((got, next): (Result<Tensor>, f32), (right, other): (Result<Tensor>, f32), what: &str) {
    match (got, right) {
        (Ok(got), Ok(right)) => {
            assert_eq!((got.shape(), got.dtype()), (right.shape(), right.dtype()), "{what}");
            let bits = |x: &Tensor| x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
            assert!(bits(&got) == bits(&right), "{what}: other pixels");
            assert_eq!(next, other, "{what}: other draws");
        }
        (Err(got), Err(right)) => assert_eq!(got.message(), right.message(), "{what}"),
        (got, right) => panic!("{what}: {got:?} instead of {right:?}"),
    }
}

#[test]
fn of_tensors() {
    for (i, chain) in chains().into_iter().enumerate() {
        let compose = Compose::of(chains().swap_remove(i)).build().unwrap();
        for (seed, (h, w)) in [(40, 60), (75, 50), (64, 64), (33, 200), (20, 20), (300, 17)].into_iter().enumerate() {
            for image in
                [hills(3, h, w), channels_last(&hills(3, h, w)), hills(3, h + 4, w + 9).narrow(1, 3, h).unwrap()]
            {
                let right = step_by_step(seed as u64, &chain, image.clone());
                same(
                    drawn(seed as u64, || {
                        let mut parts = Parts::of(&image);
                        compose.transform_parts(&mut parts)?;
                        Ok(parts.get(0).unwrap().tensor().clone())
                    }),
                    right,
                    &format!("{compose:?} of {h}×{w}"),
                );
            }
        }
    }
}

/// The same file read as a whole and transformed step by step, and read by the data set.
fn of_file(path: &Path, set: impl Fn() -> crate::datasets::ImageFolderBuilder, whole: impl Fn() -> Result<Tensor>) {
    for (i, chain) in chains().into_iter().enumerate() {
        let set = set().transform(Compose::of(chains().swap_remove(i))).build().unwrap();
        let index = set.samples().iter().position(|(p, _)| p == path).unwrap();
        for seed in 0..6 {
            let got = drawn(seed, || Ok(set.get(index)?.0));
            let right = match whole() {
                Ok(image) => step_by_step(seed, &chain, image),
                Err(error) => (Err(error), 0.0),
            };
            same(got, right, &format!("{}: chain {i}, seed {seed}", path.display()));
        }
    }
}

#[test]
fn of_files() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("hills");
    std::fs::create_dir(&folder).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    };
    let mut files = vec![put("progressive.jpg", include_bytes!("../../io/tests/progressive.jpg"))];
    for (h, w) in [(48, 64), (61, 47), (120, 85), (16, 16), (7, 130)] {
        files.push(put(&format!("{h}x{w}.jpg"), &encode_jpeg(&hills(3, h, w), 85).unwrap()));
    }
    files.push(put("gray.jpg", &encode_jpeg(&hills(1, 50, 70), 85).unwrap()));
    files.push(put("gray.png", &encode_png(&hills(1, 50, 70)).unwrap()));
    files.push(put("color.png", &encode_png(&hills(3, 44, 57)).unwrap()));
    let jpeg = encode_jpeg(&hills(3, 48, 64), 85).unwrap();
    files.push(put("cut.jpg", &jpeg[..jpeg.len() - 30]));
    for file in &files {
        of_file(file, || ImageFolder::new(root.path()), || pil_loader(file));
    }
}

#[test]
fn of_files_that_are_to_be_turned() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("hills")).unwrap();
    for orientation in [1, 6] {
        let mut file = encode_jpeg(&hills(3, 40, 60), 85).unwrap();
        let mut exif = *b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        exif[28] = orientation;
        file.splice(2..2, exif.iter().copied());
        let path = root.path().join("hills/1.jpg");
        std::fs::write(&path, file).unwrap();
        for turned in [true, false] {
            let options = crate::io::ImageReadOptions::new().mode(ImageReadMode::Rgb).apply_exif_orientation(turned);
            let set = || ImageFolder::new(root.path()).apply_exif_orientation(turned);
            of_file(&path, set, || read_image_as(&path, options));
        }
    }
}

#[test]
fn nothing_is_copied_where_nothing_is_done() {
    let image = hills(3, 5, 6);
    let same = Compose::of((Identity::new(), ToPureTensor::new())).build().unwrap().on(image.clone()).unwrap();
    same.fill_(7).unwrap();
    assert_eq!(image.to_vec::<u8>().unwrap(), [7; 90]);
    // A crop is a view, as by itself.
    let part = Compose::of((CenterCrop::new(2),)).build().unwrap().on(image.clone()).unwrap();
    part.fill_(9).unwrap();
    assert_eq!(image.i((0, 2, 2)).unwrap().item::<u8>().unwrap(), 9);
}
