//! Linear algebra and Fourier transforms.

use crate::case::{Case, call, randn};
use flambeau::prelude::*;
use flambeau::{StftOptions, fft, linalg};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("solve_512", || {
            let (a, b) = (randn(&[512, 512])?, randn(&[512, 512])?);
            call(move || linalg::solve(&a, &b, true))
        }),
        Case::new("svd_256", || {
            let a = randn(&[256, 256])?;
            call(move || Ok(linalg::svd(&a, true)?.u))
        }),
        Case::new("eigh_256", || {
            let a = randn(&[256, 256])?;
            let a = a.add(&a.t()?)?;
            call(move || Ok(linalg::eigh(&a, linalg::Triangle::Lower)?.eigenvectors))
        }),
        Case::new("rfft_1m", || {
            let x = randn(&[1_000_000])?;
            call(move || x.rfft(None, -1))
        }),
        Case::new("fft_1000003", || {
            let x = randn(&[1_000_003, 2])?.view_as_complex()?;
            call(move || fft::fft(&x, None, -1, fft::Norm::Backward))
        }),
        Case::new("stft_10s", || {
            let (x, window) = (randn(&[160_000])?, Tensor::hann_window(400, true, DType::F32)?);
            call(move || x.stft(400, &StftOptions::new().hop_length(160usize).window(window.clone())))
        }),
    ]
}
