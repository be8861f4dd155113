//! Fourier transforms, and the short-time one of complex signals. Right values are PyTorch's (2.15).

use flambeau_tensor::fft::{self, Norm};
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

/// The sum that the transform is defined by, along the last dimension.
fn by_definition(x: &[Complex<f64>], inverse: bool) -> Vec<Complex<f64>> {
    let n = x.len();
    let sign = if inverse { 1.0 } else { -1.0 };
    let turn = |k: usize, i: usize| Complex::cis(sign * 2.0 * std::f64::consts::PI * (k * i % n) as f64 / n as f64);
    (0..n).map(|k| x.iter().enumerate().map(|(i, x)| x * turn(k, i)).sum()).collect()
}

#[test]
fn transforms_are_their_sums_and_inverses_bring_the_signal_back() {
    for n in [1, 2, 3, 5, 8, 12, 17, 31] {
        let x: Vec<_> = (0..2 * n).map(|i| z((i as f64 * 1.3).sin(), (i as f64 * 0.7).cos())).collect();
        // A strided signal: columns.
        let t = Tensor::from_slice(&x, [2, n]).unwrap().t().unwrap().contiguous().unwrap().t().unwrap();
        for inverse in [false, true] {
            let right: Vec<_> = x.chunks(n).flat_map(|row| by_definition(row, inverse)).collect();
            let f = if inverse { fft::ifft } else { fft::fft };
            near(&f(&t, None, -1, if inverse { Norm::Forward } else { Norm::Backward }).unwrap(), &[2, n], &right);
        }
        for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
            near(&fft::ifftn(&fft::fftn(&t, None, None, norm).unwrap(), None, None, norm).unwrap(), &[2, n], &x);
            let half = fft::ihfft(&Tensor::ones([2, n]).build().unwrap(), None, -1, norm).unwrap();
            assert!(
                fft::hfft(&half, Some(n), -1, norm).unwrap().allclose(&Tensor::ones([2, n]).build().unwrap()).unwrap()
            );
        }
    }
}

#[test]
fn transforms_refuse_what_they_cannot_do() {
    let x = Tensor::ones([2, 3]).build().unwrap();
    assert!(fft::fft(&x, Some(0), -1, Norm::Backward).is_err());
    assert!(fft::fft(&x, None, 2, Norm::Backward).is_err());
    assert!(fft::fft(&x, Some(usize::MAX), 0, Norm::Backward).is_err());
    assert!(fft::irfft(&x, Some(usize::MAX), 0, Norm::Backward).is_err());
    assert!(fft::fft(&x.to_dtype(DType::F16).unwrap(), None, -1, Norm::Backward).is_err());
    assert!(fft::fft(&Tensor::ones(()).build().unwrap(), None, -1, Norm::Backward).is_err());
    assert!(fft::fftn(&x, Some(&[1, 2, 3]), None, Norm::Backward).is_err());
    assert!(fft::fftn(&x, Some(&[1]), Some(&[0, 1]), Norm::Backward).is_err());
    assert!(fft::fftn(&x, None, Some(&[0, -2]), Norm::Backward).is_err());
    assert!(fft::rfftn(&x, None, Some(&[]), Norm::Backward).is_err());
    assert!(fft::rfft(&x.to_dtype(DType::Complex64).unwrap(), None, -1, Norm::Backward).is_err());
    assert!(fft::fftshift(&x, Some(&[2])).is_err());
}

#[test]
fn frequencies_are_numpys() {
    let right = [0.0, 0.5, 1.0, -1.0, -0.5];
    assert_eq!(fft::fftfreq(5, 0.4, DType::F64).unwrap().to_vec::<f64>().unwrap(), right);
    assert_eq!(fft::fftfreq(4, 0.5, DType::F64).unwrap().to_vec::<f64>().unwrap(), [0.0, 0.5, -1.0, -0.5]);
    assert_eq!(fft::rfftfreq(4, 0.5, DType::F64).unwrap().to_vec::<f64>().unwrap(), [0.0, 0.5, 1.0]);
}
