//! Sizes that no memory holds and images without pixels: an error, not the end of the program.

use super::*;
use crate::ops::{ps_roi_align, roi_align, roi_pool};
use flambeau_autograd::Autograd;

const HUGE: [usize; 3] = [1 << 50, isize::MAX as usize, usize::MAX];

fn images() -> Vec<Tensor> {
    let empty = |shape: [usize; 3]| Tensor::zeros(shape).build().unwrap();
    vec![ramp([1, 1, 1], 0), empty([1, 1, 1]), empty([3, 0, 5]), empty([3, 5, 0]), empty([0, 5, 5])]
}

/// What does not go is an error; with pixels none of it goes.
fn refused<T>(image: &Tensor, what: &str, outcome: Result<T>) {
    assert!(outcome.is_err() || image.numel() == 0, "{what} of {:?}", image.shape());
}

#[test]
fn images_of_sizes_beyond_memory() {
    let modes = [
        InterpolationMode::Nearest,
        InterpolationMode::NearestExact,
        InterpolationMode::Bilinear,
        InterpolationMode::Bicubic,
        InterpolationMode::Lanczos,
    ];
    for image in images() {
        for n in HUGE {
            for mode in modes {
                refused(&image, "resize", resize(&image, n, mode, None, true));
                refused(&image, "resize", resize(&image, (n, 3), mode, None, true));
                refused(&image, "resize", resize(&image, Size::Longest(n), mode, None, true));
            }
            let tracked = image.to_dtype(DType::F64).unwrap().copy().unwrap().requires_grad_().unwrap();
            refused(&image, "resize", resize(&tracked, (n, 3), InterpolationMode::Bilinear, None, false));
            for mode in [PaddingMode::Constant, PaddingMode::Edge, PaddingMode::Reflect, PaddingMode::Symmetric] {
                refused(&image, "pad", pad(&image, n, &Fill::none(), mode));
            }
            refused(&image, "crop", crop(&image, 0, 0, n, n));
            refused(&image, "center_crop", center_crop(&image, n));
        }
    }
}

#[test]
fn regions_of_sizes_beyond_memory() {
    let rois = Tensor::from_vec(vec![0.0f32, 0.0, 0.0, 2.0, 2.0], [1, 5]).unwrap();
    for map in [[1, 4, 3, 3], [1, 0, 3, 3], [1, 4, 0, 3]].map(|shape| Tensor::zeros(shape).build().unwrap()) {
        for n in HUGE {
            refused(&map, "roi_align", roi_align(&map, &rois, (2, n), 1.0, None, true));
            refused(&map, "roi_align", roi_align(&map, &rois, (2, 2), 1.0, Some(n), true));
            // No bins, no points: whatever comes of it, it comes.
            let _ = roi_align(&map, &rois, (0, 2), 1.0, Some(n), true);
            refused(&map, "roi_pool", roi_pool(&map, &rois, (n, 2), 1.0));
            refused(&map, "ps_roi_align", ps_roi_align(&map, &rois, (2, 2), 1.0, Some(n)));
        }
    }
}
