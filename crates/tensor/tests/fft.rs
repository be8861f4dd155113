//! The short-time Fourier transform of complex signals. Right values are PyTorch's (2.15).

use flambeau_tensor::{Complex, DType, StftOptions, Tensor};

fn z(re: f64, im: f64) -> Complex<f64> {
    Complex::new(re, im)
}

fn near(got: &Tensor, shape: &[usize], right: &[Complex<f64>]) {
    assert_eq!(got.shape(), shape);
    let got = got.to_vec::<Complex<f64>>().unwrap();
    assert!(got.iter().zip(right).all(|(a, b)| (a - b).norm() < 1e-13), "{got:?}");
}

#[test]
fn complex_signals_have_two_sides() {
    let x = [z(1.0, 0.0), z(0.0, 2.0), z(3.0, 0.0), z(4.0, 0.0), z(5.0, -1.0), z(6.0, 0.0), z(7.0, 0.0), z(8.0, 0.0)];
    let x = Tensor::from_slice(&x, 8).unwrap();
    let options = StftOptions { hop_length: Some(2), center: false, ..StftOptions::default() };
    let right = [
        [z(8.0, 2.0), z(18.0, -1.0), z(26.0, -1.0)],
        [z(0.0, 4.0), z(-2.0, 3.0), z(-2.0, 1.0)],
        [z(0.0, -2.0), z(-2.0, -1.0), z(-2.0, -1.0)],
        [z(-4.0, -4.0), z(-2.0, -1.0), z(-2.0, -3.0)],
    ];
    near(&x.stft(4, &options).unwrap(), &[4, 3], right.as_flattened());
    assert_eq!(x.stft(4, &StftOptions::default()).unwrap().shape(), [4, 9]);
}

#[test]
fn complex_windows_make_signals_complex() {
    let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0, 4.0, 5.0], 5).unwrap();
    let window = Tensor::full([3], z(0.0, 1.0)).dtype(DType::Complex128).build().unwrap();
    let options = StftOptions { hop_length: Some(1), center: false, window: Some(window), ..StftOptions::default() };
    let s = 0.8660254037844386;
    let right = [[z(0.0, 6.0), z(0.0, 9.0), z(0.0, 12.0)], [z(-s, -1.5); 3], [z(s, -1.5); 3]];
    near(&x.stft(3, &options).unwrap(), &[3, 3], right.as_flattened());
}
