//! Against values recorded from torchvision 0.29, the random ones with its seeds.

use super::super::super::*;
use super::super::{AffineOptions, affine, rotate};
use InterpolationMode::{Bicubic, Bilinear, Nearest};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{ErrorKind, Generator, Result, Tensor};

fn image() -> Tensor {
    Tensor::from_vec((0..16).map(|i| i * 10).collect::<Vec<u8>>(), [1, 4, 4]).unwrap()
}

#[test]
fn turns_and_shears_are_torchvisions() {
    let zero = Fill::default();
    let moved = AffineOptions::new().angle(30.0).translate([1.0, 0.0]).scale(1.2).shear([5.0, 0.0]);
    let got = affine(&image(), moved.interpolation(Bilinear).fill(7)).unwrap();
    assert_eq!(got.to_vec::<u8>().unwrap(), [7, 25, 29, 20, 29, 73, 63, 53, 116, 107, 97, 87, 22, 84, 130, 121]);
    let got = rotate(&image(), 90.0, Nearest, false, &zero, None).unwrap();
    assert_eq!(got.to_vec::<u8>().unwrap(), [30, 70, 110, 150, 20, 60, 100, 140, 10, 50, 90, 130, 0, 40, 80, 120]);
    let got = rotate(&image(), 45.0, Nearest, true, &9.into(), None).unwrap();
    let want = [
        9, 9, 9, 9, 9, 9, 9, 9, 20, 70, 9, 9, 9, 10, 60, 100, 110, 9, 9, 40, 90, 100, 140, 9, 9, 9, 80, 130, 9, 9, 9,
        9, 9, 9, 9, 9,
    ];
    assert_eq!((got.shape(), got.to_vec::<u8>().unwrap()), (&[1, 6, 6][..], want.to_vec()));
    // About its own corner a quarter turn leaves only that corner's row and column in sight.
    let got = rotate(&image(), 0.0, Bilinear, false, &zero, Some([0.0, 0.0])).unwrap();
    assert!(got.equal(&image()).unwrap());
}

#[test]
fn random_ones_are_torchvisions() {
    let shake = RandomAffine::new(20).translate([0.3, 0.3]).scale([0.8, 1.2]).shear(10).build().unwrap();
    let turn = RandomRotation::new(90).interpolation(Bilinear).build().unwrap();
    with_generator(&Generator::with_seed(1), || {
        let want = [10, 20, 30, 0, 50, 60, 70, 0, 90, 100, 110, 0, 130, 140, 150, 0];
        assert_eq!(shake.call(&image()).unwrap().to_vec::<u8>().unwrap(), want);
        let want = [3, 33, 70, 17, 10, 48, 86, 125, 25, 64, 102, 138, 8, 78, 117, 22];
        assert_eq!(turn.call(&image()).unwrap().to_vec::<u8>().unwrap(), want);
    });
}

#[test]
fn a_batch_of_colours_with_its_fill() {
    let batch = image().unsqueeze(0).unwrap().expand([2, 3, 4, 4]).unwrap();
    let got = affine(&batch, AffineOptions::new().translate([4.0, 0.0]).fill([1, 2, 3])).unwrap();
    let planes: Vec<u8> = got.to_vec::<u8>().unwrap().chunks(16).map(|plane| plane[5]).collect();
    assert_eq!(planes, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn errors() {
    let zero = Fill::default();
    let fault = |result: Result<Tensor>| result.unwrap_err().kind();
    assert_eq!(fault(rotate(&image(), 1.0, Bicubic, false, &zero, None)), ErrorKind::Argument);
    assert_eq!(fault(affine(&image(), AffineOptions::new().scale(0.0))), ErrorKind::Argument);
    assert_eq!(fault(rotate(&image(), 1.0, Nearest, false, &[1, 2].into(), None)), ErrorKind::Argument);
    assert_eq!(fault(rotate(&Tensor::zeros([3]).build().unwrap(), 1.0, Nearest, false, &zero, None)), ErrorKind::Shape);
    assert!(RandomAffine::new(5).scale([0.0, 1.0]).build().is_err());
    assert!(RandomAffine::new(5).translate([0.0, 1.1]).build().is_err());
    assert!(RandomRotation::new([5.0, -5.0]).build().is_err());
    assert!(RandomRotation::new(f64::NAN).build().is_err());
    // An image without pixels stays one.
    let none = Tensor::zeros([2, 0, 3]).build().unwrap();
    assert_eq!(rotate(&none, 10.0, Nearest, false, &zero, None).unwrap().shape(), [2, 0, 3]);
}
