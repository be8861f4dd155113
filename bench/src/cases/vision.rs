//! Images: from files to what a network takes, transforms of bytes, ops of detectors.

use crate::case::{Case, Work, call, infer, randn};
use flambeau::data::DataLoader;
use flambeau::prelude::*;
use flambeau::vision::datasets::ImageFolder;
use flambeau::vision::io::{decode_image, encode_jpeg, read_image};
use flambeau::vision::ops::{self, DeformConvOptions};
use flambeau::vision::transforms::functional::{self as images, AffineOptions};
use flambeau::vision::transforms::{
    ColorJitter, Compose, InterpolationMode, Normalize, RandAugment, RandomHorizontalFlip, RandomResizedCrop,
    SampleTransform, ToDtype,
};
use std::hint::black_box;
use std::path::PathBuf;

/// A photograph of 500 × 375 pixels: a part of `data/photos/coffee.png`.
fn photo() -> Result<Tensor> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/photos/coffee.png");
    images::crop(&read_image(file)?, 0, 0, 375, 500)?.contiguous()
}

/// The same in 224 × 224.
fn small() -> Result<Tensor> {
    images::resize(&photo()?, (224, 224), InterpolationMode::Bilinear, None, true)
}

/// What ImageNet's networks are trained on.
fn chain() -> Result<Compose> {
    let normalize = Normalize::new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let to_float = ToDtype::new(DType::F32).scale(true);
    Compose::of((RandomResizedCrop::new(224), RandomHorizontalFlip::new(), to_float, normalize)).build()
}

/// A folder of one class that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, quality: u8, count: usize) -> Result<Folder> {
        let folder = std::env::temp_dir().join(format!("flambeau-bench-{}-{name}", std::process::id()));
        let file = encode_jpeg(&photo()?, quality)?;
        let io = |e| Error::io("write", &folder, e);
        std::fs::create_dir_all(folder.join("photos")).map_err(io)?;
        for i in 0..count {
            std::fs::write(folder.join(format!("photos/{i}.jpg")), &file).map_err(io)?;
        }
        Ok(Folder(folder))
    }

    fn images(&self) -> Result<ImageFolder> {
        ImageFolder::new(&self.0).transform(chain()?).build()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(super) fn cases() -> Vec<Case> {
    [chains(), of_bytes(), detection()].into_iter().flatten().collect()
}

fn chains() -> Vec<Case> {
    let read = |name: &'static str, quality| {
        Case::new(name, move || {
            let folder = Folder::new(name, quality, 1)?;
            let images = folder.images()?;
            call(move || {
                let _ = &folder;
                Ok(images.get(0)?.0)
            })
        })
    };
    let load = |name: &'static str, workers| {
        Case::new(name, move || {
            let folder = Folder::new(name, 90, 128)?;
            let loader = DataLoader::new(folder.images()?).batch_size(32).workers(workers).build()?;
            Ok(Box::new(move || {
                let _ = &folder;
                loader.iter().try_for_each(|batch| batch.map(|batch| drop(black_box(batch))))
            }))
        })
    };
    let decode = |name: &'static str, quality| {
        Case::new(name, move || {
            let file = encode_jpeg(&photo()?, quality)?;
            call(move || decode_image(&file))
        })
    };
    vec![
        read("chain_q75", 75),
        read("chain_q90", 90),
        read("chain_pillow_q90", 90),
        Case::new("chain_decoded", || {
            let (image, chain) = (photo()?, chain()?);
            call(move || chain.on(image.clone()))
        }),
        decode("decode_q75", 75),
        decode("decode_q90", 90),
        load("loader_1_worker", 1),
        load("loader_2_workers", 2),
    ]
}

fn of(image: fn() -> Result<Tensor>, f: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Work> {
    let image = image()?;
    infer(move || f(&image))
}

fn of_bytes() -> Vec<Case> {
    vec![
        Case::new("u8_jitter", || {
            let jitter = ColorJitter::new().brightness(0.4).contrast(0.4).saturation(0.4).hue(0.1).build()?;
            of(small, move |x| jitter.call(x))
        }),
        Case::new("u8_blur_23", || of(small, |x| images::gaussian_blur(x, 23, Some([1.5, 1.5])))),
        Case::new("u8_hue", || of(small, |x| images::adjust_hue(x, 0.1))),
        Case::new("u8_affine", || {
            let options = || {
                AffineOptions::new()
                    .angle(15.0)
                    .translate([10.0, 5.0])
                    .scale(1.1)
                    .shear([5.0, 0.0])
                    .interpolation(InterpolationMode::Bilinear)
            };
            of(small, move |x| images::affine(x, options()))
        }),
        Case::new("u8_equalize", || of(small, images::equalize)),
        Case::new("u8_autocontrast", || of(small, images::autocontrast)),
        Case::new("u8_rand_augment", || {
            let augment = RandAugment::new().build()?;
            of(small, move |x| augment.call(x))
        }),
        Case::new("u8_resize", || {
            of(photo, |x| images::resize(x, (224, 224), InterpolationMode::Bilinear, None, true))
        }),
        Case::new("u8_jpeg", || of(small, |x| images::jpeg(x, 75))),
    ]
}

/// `n` boxes of up to 100 × 100 in a picture of 1000 × 1000, and their scores.
fn boxes(n: usize) -> Result<(Tensor, Tensor)> {
    let corner = Tensor::rand([n, 2]).build()?.mul(900.0)?;
    let size = Tensor::rand([n, 2]).build()?.mul(100.0)?;
    Ok((flambeau::cat(&[&corner, &corner.add(&size)?], 1)?, Tensor::rand([n]).build()?))
}

/// Features of 50 × 50, and 512 regions in a picture 16 times as large.
fn regions(channels: usize) -> Result<(Tensor, Tensor)> {
    let (boxes, _) = boxes(512)?;
    let rois = flambeau::cat(&[&Tensor::zeros([512, 1]).build()?, &boxes.mul(0.8)?], 1)?;
    Ok((randn(&[1, channels, 50, 50])?, rois))
}

fn detection() -> Vec<Case> {
    vec![
        Case::new("nms_10k", || {
            let (boxes, scores) = boxes(10_000)?;
            infer(move || ops::nms(&boxes, &scores, 0.5))
        }),
        Case::new("batched_nms_10k", || {
            let (boxes, scores) = boxes(10_000)?;
            let classes = Tensor::randint(0, 80, [10_000]).build()?;
            infer(move || ops::batched_nms(&boxes, &scores, &classes, 0.5))
        }),
        Case::new("roi_align", || {
            let (x, rois) = regions(256)?;
            infer(move || ops::roi_align(&x, &rois, (7, 7), 1.0 / 16.0, Some(2), false))
        }),
        Case::new("roi_pool", || {
            let (x, rois) = regions(256)?;
            infer(move || ops::roi_pool(&x, &rois, (7, 7), 1.0 / 16.0))
        }),
        Case::new("ps_roi_align", || {
            let (x, rois) = regions(490)?;
            infer(move || ops::ps_roi_align(&x, &rois, (7, 7), 1.0 / 16.0, Some(2)))
        }),
        Case::new("ps_roi_pool", || {
            let (x, rois) = regions(490)?;
            infer(move || ops::ps_roi_pool(&x, &rois, (7, 7), 1.0 / 16.0))
        }),
        Case::new("deform_conv2d", || {
            let (x, weight) = (randn(&[1, 64, 56, 56])?, randn(&[64, 64, 3, 3])?);
            let (offset, mask) = (randn(&[1, 18, 56, 56])?, Tensor::rand([1, 9, 56, 56]).build()?);
            infer(move || {
                ops::deform_conv2d(&x, &offset, &weight, DeformConvOptions::new().padding((1, 1)).mask(&mask))
            })
        }),
    ]
}
