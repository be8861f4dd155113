//! Against values recorded from torchvision 0.29.

use super::super::super::*;
use super::super::resize;
use InterpolationMode::*;
use flambeau_tensor::{DType, ErrorKind, Result, Tensor};

fn image() -> Tensor {
    let pixels = vec![0u8, 50, 100, 150, 200, 10, 250, 30, 90, 70, 255, 0, 255, 0, 128, 7, 77, 177, 27, 99];
    Tensor::from_vec(pixels, [1, 4, 5]).unwrap()
}

#[test]
fn bytes_are_torchvisions() {
    let small: [(InterpolationMode, bool, [u8; 6]); 7] = [
        (Nearest, false, [0, 50, 150, 255, 0, 0]),
        (NearestExact, false, [10, 30, 70, 7, 177, 99]),
        (Bilinear, true, [78, 103, 121, 95, 126, 72]),
        (Bilinear, false, [54, 65, 130, 100, 216, 80]),
        (Bicubic, true, [77, 102, 123, 99, 127, 68]),
        (Bicubic, false, [50, 44, 134, 98, 237, 70]),
        (Lanczos, true, [80, 104, 122, 105, 123, 64]),
    ];
    for (mode, antialias, want) in small {
        let got = resize(&image(), (2, 3), mode, None, antialias).unwrap();
        assert_eq!((got.shape(), got.to_vec::<u8>().unwrap()), (&[1, 2, 3][..], want.to_vec()), "{mode:?} {antialias}");
    }
    let large: [(InterpolationMode, [u8; 35]); 3] = [
        (
            Bilinear,
            [
                0, 29, 64, 100, 136, 171, 200, 7, 112, 150, 51, 92, 108, 109, 133, 128, 130, 143, 73, 68, 99, 181, 90,
                83, 232, 72, 56, 119, 7, 47, 106, 177, 70, 58, 99,
            ],
        ),
        (
            Bicubic,
            [
                0, 19, 58, 103, 139, 179, 209, 0, 126, 183, 34, 90, 114, 102, 143, 139, 138, 143, 61, 56, 96, 202, 75,
                56, 249, 59, 39, 131, 0, 38, 114, 174, 61, 49, 102,
            ],
        ),
        (
            NearestExact,
            [
                0, 50, 50, 100, 150, 150, 200, 10, 250, 250, 30, 90, 90, 70, 255, 0, 0, 255, 0, 0, 128, 255, 0, 0, 255,
                0, 0, 128, 7, 77, 77, 177, 27, 27, 99,
            ],
        ),
    ];
    for (mode, want) in large {
        assert_eq!(resize(&image(), (5, 7), mode, None, true).unwrap().to_vec::<u8>().unwrap(), want, "{mode:?}");
    }
}

#[test]
fn floats_are_torchvisions() {
    let image = image().to_dtype(DType::F32).unwrap().div(255.0).unwrap();
    let cases = [
        (true, [0.302558, 0.401454, 0.485237, 0.387092, 0.496762, 0.26401]),
        (false, [0.194059, 0.172181, 0.525116, 0.383937, 0.929779, 0.275283]),
    ];
    for (antialias, want) in cases {
        for dtype in [DType::F32, DType::F64] {
            let got = resize(&image.to_dtype(dtype).unwrap(), (2, 3), Bicubic, None, antialias).unwrap();
            assert_eq!(got.dtype(), dtype);
            for (got, want) in got.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap().into_iter().zip(want) {
                assert!((got - want).abs() < 2e-6, "{got} for {want}");
            }
        }
    }
}

#[test]
fn one_number_is_the_shorter_side() {
    let size = |resize: ResizeBuilder, shape: [usize; 3]| {
        let image = Tensor::zeros(shape).build().unwrap();
        resize.build().unwrap().call(&image).unwrap().shape().to_vec()
    };
    assert_eq!(size(Resize::new(3), [1, 4, 5]), [1, 3, 3]);
    assert_eq!(size(Resize::new(8), [1, 4, 5]), [1, 8, 10]);
    assert_eq!(size(Resize::new(8), [1, 5, 4]), [1, 10, 8]);
    assert_eq!(size(Resize::new(8).max_size(20), [1, 10, 33]), [1, 6, 20]);
    assert_eq!(size(Resize::new([7, 2]), [3, 4, 5]), [3, 7, 2]);
}

#[test]
fn views_batches_and_even_colour() {
    let turned = image().transpose(1, 2).unwrap();
    let straight = turned.contiguous().unwrap();
    let small = |x: &Tensor| resize(x, (3, 2), Bilinear, None, true).unwrap().to_vec::<u8>().unwrap();
    assert_eq!(small(&turned), small(&straight));
    let batch = straight.unsqueeze(0).unwrap().expand([2, 3, 5, 4]).unwrap();
    assert_eq!(small(&batch), small(&straight).repeat(6));
    // Weights that add up to one leave what is even as it is.
    let even = Tensor::full([1, 9, 7], 201i64).dtype(DType::U8).build().unwrap();
    for mode in [Nearest, NearestExact, Bilinear, Bicubic, Lanczos] {
        for (h, w) in [(1, 1), (4, 20), (30, 2), (9, 3), (100, 100)] {
            let out = resize(&even, (h, w), mode, None, true).unwrap().to_vec::<u8>().unwrap();
            assert!(out.iter().all(|v| *v == 201), "{mode:?} to {h}×{w}");
        }
    }
}

#[test]
fn errors() {
    let fault = |result: Result<Tensor>| result.unwrap_err();
    assert_eq!(fault(resize(&image(), (0, 3), Bilinear, None, true)).kind(), ErrorKind::Argument);
    assert_eq!(
        fault(resize(&Tensor::zeros([0, 4, 4]).build().unwrap(), (2, 2), Bilinear, None, true)).kind(),
        ErrorKind::Shape
    );
    assert_eq!(
        fault(resize(&Tensor::zeros([4]).build().unwrap(), (2, 2), Bilinear, None, true)).kind(),
        ErrorKind::Shape
    );
    assert!(Resize::new([2, 2]).max_size(5).build().is_err());
    assert!(Resize::new(5).max_size(5).build().is_err());
    assert!(Resize::new(0).build().is_err());
    assert!(Resize::new(5).interpolation(Lanczos).antialias(false).build().is_err());
}

/// vision#2950, #7671, #8216: from large to small the weights sum up to one, and what overshoots is cut off.
#[test]
fn antialias_keeps_to_the_range() {
    let ones = resize(&Tensor::ones([1, 941, 941]).build().unwrap(), (10, 10), Bilinear, None, true).unwrap();
    assert!(ones.to_vec::<f32>().unwrap().iter().all(|x| (x - 1.0).abs() <= 1e-5));
    let steps = Tensor::from_slice(&[0u8, 0, 255, 255, 0, 255], [1, 1, 6]).unwrap();
    let smooth = resize(&steps, (1, 11), Bicubic, None, true).unwrap();
    assert_eq!(smooth.to_vec::<u8>().unwrap(), [0, 0, 0, 99, 248, 255, 248, 81, 13, 181, 255]);
}
