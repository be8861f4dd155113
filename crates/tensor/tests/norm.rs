//! Normalisation of large means, without an eps, and of complex numbers. Right values are PyTorch's (2.15).

use flambeau_tensor::profiler::profile;
use flambeau_tensor::{Complex, DType, Tensor};

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_dtype(DType::F32).unwrap().to_vec().unwrap()
}

fn near(got: &[f32], right: &[f32], tolerance: f32) {
    assert!(got.len() == right.len() && got.iter().zip(right).all(|(a, b)| (a - b).abs() <= tolerance), "{got:?}");
}

#[test]
fn rows_whose_mean_is_far_above_their_spread() {
    let row: Vec<f32> = (0..16).map(|i| 1000.0 + i as f32 * 0.25).collect();
    let y = floats(&Tensor::from_slice(&row, [1, 16]).unwrap().layer_norm([16], None, None, 1e-5).unwrap());
    near(&[y[0], y[15]], &[-1.626_975, 1.626_975], 2e-3);
    let flat = Tensor::full([1, 256], 1234.0).build().unwrap().layer_norm([256], None, None, 1e-5).unwrap();
    assert!(floats(&flat).iter().all(|y| *y == 0.0));
}

#[test]
fn half_precision_without_an_eps_takes_that_of_float32() {
    for (dtype, tolerance) in [(DType::F16, 1e-3), (DType::BF16, 1e-2), (DType::F32, 1e-4f32)] {
        let x = Tensor::from_slice(&[1e-2f32, -1e-2], [1, 2]).unwrap().to_dtype(dtype).unwrap();
        near(&floats(&x.rms_norm([2], None, None).unwrap()), &[0.9994, -0.9994], tolerance);
    }
}

#[test]
fn complex_numbers_by_the_root_of_their_mean_square() {
    let z = |re: f64, im: f64| Complex::new(re, im);
    let x = Tensor::from_slice(&[z(1.0, 2.0), z(-0.5, 1.0), z(3.0, -1.0)], 3).unwrap();
    let y = x.rms_norm([3], None, Some(1e-3)).unwrap().to_vec::<Complex<f64>>().unwrap();
    let right = [
        z(0.26457135611100585, 1.6769197945957282),
        z(-0.5913965110049895, 0.6089044808231208),
        z(2.4006019836562205, -0.035015939636262566),
    ];
    assert!(y.iter().zip(right).all(|(y, r)| (y - r).norm() < 1e-14), "{y:?}");
}

#[test]
fn a_row_norm_is_one_op() {
    let x = Tensor::ones([2, 4]).build().unwrap();
    let (y, profile) = profile(|| x.rms_norm([4], None, None));
    assert_eq!(floats(&y.unwrap()), [1.0; 8]);
    let names: Vec<_> = profile.events().iter().map(|event| event.name).collect();
    assert_eq!(names, ["rms_norm"]);
}
