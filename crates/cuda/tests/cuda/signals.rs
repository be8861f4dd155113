//! Fourier transforms and the CTC loss.

use crate::{assert_close, compare, gpu, home, numbers, on_device};
use flambeau_tensor::ops::{CtcLoss, CtcLossBackward};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, dispatch, fft};

/// Passes of eight, four, two, of other primes, of all of them; primes that make a convolution; one sample.
const LENGTHS: [usize; 9] = [1, 2, 8, 60, 64, 77, 67, 134, 251];

#[test]
fn fourier_transforms() {
    let gpu = gpu();
    for dtype in [DType::F32, DType::F64] {
        for n in LENGTHS {
            let (re, im) = (numbers(&[3, n], dtype, 1), numbers(&[3, n], dtype, 2));
            let x = re.complex(&im).unwrap();
            // Sums of n numbers.
            let factor = 8.0 * n as f64;
            let parts = |y: Tensor| y.view_as_real();
            on_device("fft", || {
                let norm = fft::Norm::Backward;
                compare(&gpu, &format!("fft of {n}"), std::slice::from_ref(&x), factor, |x| {
                    parts(fft::fft(&x[0], None, -1, norm)?)
                });
                compare(&gpu, &format!("ifft of {n}"), std::slice::from_ref(&x), factor, |x| {
                    parts(fft::ifft(&x[0], None, -1, norm)?)
                });
                compare(&gpu, &format!("rfft of {n}"), std::slice::from_ref(&re), factor, |x| {
                    parts(fft::rfft(&x[0], None, -1, norm)?)
                });
                let half = x.narrow(1, 0, n / 2 + 1).unwrap();
                compare(&gpu, &format!("irfft to {n}"), &[half], factor, |x| fft::irfft(&x[0], Some(n), -1, norm));
            });
        }
    }
    // Rows of nothing, and a transform of the first dimension.
    let none = Tensor::zeros([0, 4]).device(gpu.device).build().unwrap();
    assert_eq!(fft::rfft(&none, None, -1, fft::Norm::Ortho).unwrap().shape(), [0, 3]);
    let x = numbers(&[6, 5], DType::F64, 3);
    compare(&gpu, "columns", &[x], 8.0, |x| fft::rfft(&x[0], None, 0, fft::Norm::Ortho)?.view_as_real());
}

fn ctc(lengths: &[(usize, usize)], zero_infinity: bool) -> CtcLoss {
    CtcLoss {
        blank: 1,
        input_lengths: lengths.iter().map(|l| l.0).collect(),
        target_lengths: lengths.iter().map(|l| l.1).collect(),
        zero_infinity,
    }
}

#[test]
fn ctc_losses_and_gradients() {
    let gpu = gpu();
    // A target that is too long, one of repeats, an empty one, no frames; and more sequences than a launch takes.
    let few = [(12, 4), (2, 4), (9, 3), (12, 0), (0, 0), (0, 2)];
    let many: Vec<(usize, usize)> = (0..70).map(|b| (b % 7 + 4, b % 3)).collect();
    for (dtype, lengths) in [(DType::F32, &few[..]), (DType::F64, &few), (DType::F64, &many)] {
        let (n, s) = (lengths.len(), 4);
        let x = numbers(&[12, n, 5], dtype, 1).log_softmax(-1).unwrap();
        let targets: Vec<i64> = (0..n * s).map(|i| [2, 2, 0, 3, 4][i % 5]).collect();
        let targets = Tensor::from_vec(targets, [n, s]).unwrap();
        let g = numbers(&[n], dtype, 2);
        for zero_infinity in [true, false] {
            on_device("ctc_loss", || {
                let of = ctc(lengths, zero_infinity);
                compare(&gpu, "ctc_loss", &[x.clone(), targets.clone()], 10.0, |x| {
                    dispatch(of.clone(), &[&x[0], &x[1]])
                });
                let back = CtcLossBackward { of: Box::new(of.clone()) };
                compare(&gpu, "ctc_loss_backward", &[g.clone(), x.clone(), targets.clone()], 10.0, |x| {
                    dispatch(back.clone(), &[&x[0], &x[1], &x[2]])
                });
            });
        }
    }
}

#[test]
fn a_class_that_is_not_there_is_told() {
    let gpu = gpu();
    let x = numbers(&[4, 1, 3], DType::F32, 1).to_device(gpu.device).unwrap();
    let targets = Tensor::from_vec(vec![0i64, 3], [1, 2]).unwrap().to_device(gpu.device).unwrap();
    let loss = || -> Result<Tensor> {
        dispatch(ctc(&[(4, 2)], false), &[&x, &targets])?.to_device(flambeau_tensor::Device::Cpu)
    };
    let error = loss().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Index);
    assert!(error.message().contains("index 3"), "{}", error.message());
    assert_close("the next op", &x.add(0.0).unwrap(), &home(&x), 0.0);
}
