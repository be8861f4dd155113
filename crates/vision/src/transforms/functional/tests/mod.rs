//! Crops, padding, flips and conversions against values recorded from torchvision 0.29, the random ones
//! with its seeds.

mod extremes;
mod resize;
mod warp;

use super::super::*;
use super::*;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{ErrorKind, Generator};

fn ramp(shape: [usize; 3], step: usize) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::from_vec((0..n).map(|i| (i * step) as u8).collect(), shape).unwrap()
}

fn bytes(image: &Tensor) -> Vec<u8> {
    image.to_vec::<u8>().unwrap()
}

#[test]
fn random_crops_are_torchvisions() {
    let crop = RandomCrop::new(3).padding(1).build().unwrap();
    let want = [[0, 0, 0, 20, 30, 0, 60, 70, 0], [0, 0, 10, 0, 40, 50, 0, 80, 90], [100, 110, 0, 140, 150, 0, 0, 0, 0]];
    with_generator(&Generator::with_seed(0), || {
        for want in want {
            assert_eq!(bytes(&crop.call(&ramp([1, 4, 4], 10)).unwrap()), want);
        }
    });
}

#[test]
fn random_flips_are_torchvisions() {
    let (flip, image) = (RandomHorizontalFlip::new().build().unwrap(), ramp([1, 4, 4], 10));
    let flipped: Vec<bool> = with_generator(&Generator::with_seed(3), || {
        (0..10).map(|_| !flip.call(&image).unwrap().equal(&image).unwrap()).collect()
    });
    assert_eq!(flipped, [true, true, true, true, true, true, false, false, false, false]);
    assert_eq!(bytes(&hflip(&ramp([1, 2, 3], 1)).unwrap()), [2, 1, 0, 5, 4, 3]);
    assert_eq!(bytes(&vflip(&ramp([1, 2, 3], 1)).unwrap()), [3, 4, 5, 0, 1, 2]);
    let (never, always) = (RandomVerticalFlip::new().p(0.0), RandomVerticalFlip::new().p(1.0));
    assert!(never.build().unwrap().call(&image).unwrap().equal(&image).unwrap());
    assert!(always.build().unwrap().call(&image).unwrap().equal(&vflip(&image).unwrap()).unwrap());
}

#[test]
fn a_crop_draws_nothing_where_there_is_no_choice() {
    let generator = Generator::with_seed(5);
    with_generator(&generator.fork(), || {
        RandomCrop::new(4).build().unwrap().call(&ramp([1, 4, 4], 1)).unwrap();
        let after = Tensor::rand([1]).build().unwrap().item::<f32>().unwrap();
        assert_eq!(after, Tensor::rand([1]).generator(&generator).build().unwrap().item::<f32>().unwrap());
    });
}

#[test]
fn crops_reach_out_of_the_image() {
    let image = ramp([1, 3, 3], 1).add(1).unwrap().to_dtype(DType::U8).unwrap();
    assert_eq!(bytes(&crop(&image, -1, -1, 2, 3).unwrap()), [0, 0, 0, 0, 1, 2]);
    assert_eq!(bytes(&crop(&image, 2, 1, 2, 3).unwrap()), [8, 9, 0, 0, 0, 0]);
    assert_eq!(bytes(&crop(&image, -9, 50, 2, 2).unwrap()), [0; 4]);
    assert_eq!(bytes(&crop(&image, 1, 1, 2, 2).unwrap()), [5, 6, 8, 9]);
    assert_eq!(crop(&image, isize::MAX, isize::MIN, 2, 2).unwrap().shape(), [1, 2, 2]);
    // Inside it is a view.
    assert!(crop(&image, 1, 1, 2, 2).unwrap().storage().is(image.storage()));
    assert_eq!(bytes(&center_crop(&image, (1, 5)).unwrap()), [0, 4, 5, 6, 0]);
    // Half a pixel goes to the even side.
    assert_eq!(bytes(&center_crop(&ramp([1, 1, 4], 1), 1).unwrap()), [2]);
    assert_eq!(bytes(&center_crop(&ramp([1, 1, 6], 1), 1).unwrap()), [2]);
}

#[test]
fn padding_modes_are_torchvisions() {
    let image = ramp([1, 2, 3], 1);
    let cases: [(PaddingMode, [u8; 18]); 4] = [
        (PaddingMode::Edge, [0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 5, 5]),
        (PaddingMode::Reflect, [5, 4, 3, 4, 5, 4, 2, 1, 0, 1, 2, 1, 5, 4, 3, 4, 5, 4]),
        (PaddingMode::Symmetric, [1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 4, 3, 3, 4, 5, 5]),
        (PaddingMode::Constant, [7, 7, 7, 7, 7, 7, 7, 7, 0, 1, 2, 7, 7, 7, 3, 4, 5, 7]),
    ];
    for (mode, want) in cases {
        assert_eq!(bytes(&pad(&image, [2, 1, 1, 0], &7.into(), mode).unwrap()), want, "{mode:?}");
    }
    let colours = pad(&ramp([3, 1, 1], 1), [1, 0], &[7, 8, 9].into(), PaddingMode::Constant).unwrap();
    assert_eq!(bytes(&colours), [7, 0, 7, 8, 1, 8, 9, 2, 9]);
    let fault = |fill: Fill, by: usize, mode| pad(&image, by, &fill, mode).unwrap_err().to_string();
    assert!(
        fault(0.into(), 2, PaddingMode::Reflect).contains("reflect by 2 and 2 needs more than the 2 pixels there are")
    );
    assert!(fault(0.into(), 3, PaddingMode::Symmetric).contains("symmetric by 3 and 3 needs more than the 2"));
    assert!(fault([1, 2].into(), 3, PaddingMode::Constant).contains("2 values of fill for 1 channels"));
}

#[test]
fn crops_of_small_images() {
    let error = RandomCrop::new([5, 2]).build().unwrap().call(&ramp([1, 3, 3], 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert!(error.to_string().contains("a crop of 5×2 is larger than the image of 3×3"), "{error}");
    let crop = RandomCrop::new([5, 2]).pad_if_needed(true).fill(9).build().unwrap();
    assert_eq!(crop.call(&ramp([1, 3, 3], 1)).unwrap().shape(), [1, 5, 2]);
    for mode in [PaddingMode::Edge, PaddingMode::Reflect, PaddingMode::Symmetric] {
        let crop = RandomCrop::new(5).padding([1, 2]).padding_mode(mode).build().unwrap();
        assert_eq!(crop.call(&ramp([3, 3, 3], 1)).unwrap().shape(), [3, 5, 5]);
    }
}

#[test]
fn dtypes_and_their_ranges_are_torchvisions() {
    let floats = Tensor::from_slice(&[0.0f32, 0.2, 0.999, 1.0], 4).unwrap();
    assert_eq!(to_dtype(&floats, DType::U8, true).unwrap().to_vec::<u8>().unwrap(), [0, 51, 255, 255]);
    let u8s = Tensor::from_slice(&[0u8, 100, 255], 3).unwrap();
    assert_eq!(to_dtype(&u8s, DType::I32, true).unwrap().to_vec::<i32>().unwrap(), [0, 838_860_800, 2_139_095_040]);
    let i16s = Tensor::from_slice(&[0i16, 32767, 12345], 3).unwrap();
    assert_eq!(to_dtype(&i16s, DType::U8, true).unwrap().to_vec::<u8>().unwrap(), [0, 255, 96]);
    let u8s = Tensor::from_slice(&[0u8, 51, 255], 3).unwrap();
    assert_eq!(to_dtype(&u8s, DType::F32, true).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.200_000_02, 1.0]);
    assert_eq!(to_dtype(&u8s, DType::F32, false).unwrap().to_vec::<f32>().unwrap(), [0.0, 51.0, 255.0]);
    assert_eq!(to_dtype(&floats, DType::I64, true).unwrap_err().kind(), ErrorKind::DType);
    let ints = Tensor::from_slice(&[1i32], 1).unwrap();
    assert_eq!(to_tensor(&ints).unwrap_err().kind(), ErrorKind::DType);
    assert!(to_tensor(&floats).unwrap().is(&floats));
}

#[test]
fn normalize_checks_its_numbers() {
    let image = Tensor::ones([3, 2, 2]).build().unwrap();
    let got = normalize(&image, &[0.0, 1.0, 2.0], &[1.0, 2.0, 4.0]).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(got, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, -0.25, -0.25, -0.25, -0.25]);
    // The image itself is as it was.
    assert_eq!(image.to_vec::<f32>().unwrap(), [1.0; 12]);
    let fault =
        |image: &Tensor, mean: &[f64], std: &[f64]| normalize(image, mean, std).unwrap_err().message().to_string();
    assert_eq!(fault(&image, &[0.0; 2], &[1.0]), "2 values of mean for the 3 channels of shape [3, 2, 2]");
    assert_eq!(fault(&image, &[0.0], &[1.0, 0.0]), "std is zero for channel 1: there is nothing to divide by");
    assert_eq!(
        fault(&ramp([1, 2, 2], 1), &[0.0], &[1.0]),
        "the image is uint8, it should be floating point: ToTensor comes first"
    );
}

#[test]
fn gray_is_torchvisions() {
    let image = Tensor::from_vec(vec![255u8, 10, 20, 0, 30, 40, 7, 50, 60], [3, 1, 3]).unwrap();
    assert_eq!(bytes(&rgb_to_grayscale(&image, 1).unwrap()), [77, 26, 36]);
    assert_eq!(
        bytes(&Grayscale::new().num_output_channels(3).build().unwrap().call(&image).unwrap()),
        [77, 26, 36].repeat(3)
    );
    assert!(rgb_to_grayscale(&ramp([2, 2, 2], 1), 1).is_err());
    assert!(Grayscale::new().num_output_channels(2).build().is_err());
}

#[test]
fn transforms_print_as_torchvisions() {
    let text = Compose::of((
        RandomCrop::new([3, 4]).padding([1, 2]),
        CenterCrop::new(3),
        RandomHorizontalFlip::new(),
        Pad::new([1, 2, 3, 4]).fill([1, 2, 3]),
        Resize::new(5),
        Grayscale::new(),
        ToTensor::new(),
        ConvertImageDtype::new(DType::F32),
        RandomRotation::new(30),
        RandomAffine::new([0, 5]).translate([0.5, 0.0]).shear(5),
    ));
    let want = "Compose(
  (0): RandomCrop(size=(3, 4), padding=(1, 2))
  (1): CenterCrop(size=(3, 3))
  (2): RandomHorizontalFlip(p=0.5)
  (3): Pad(padding=(1, 2, 3, 4), fill=[1.0, 2.0, 3.0], padding_mode=constant)
  (4): Resize(size=5, interpolation=bilinear, max_size=None, antialias=True)
  (5): Grayscale(num_output_channels=1)
  (6): ToTensor()
  (7): ConvertImageDtype(dtype=torch.float32)
  (8): RandomRotation(degrees=[-30.0, 30.0], interpolation=nearest, expand=False, fill=0.0)
  (9): RandomAffine(degrees=[0.0, 5.0], translate=[0.5, 0.0], shear=[-5.0, 5.0])
)";
    assert_eq!(format!("{:?}", text.build().unwrap()), want);
}
