//! Linear algebra and Fourier transforms.

use crate::case::{Case, call, randn};
use flambeau::prelude::*;
use flambeau::{StftOptions, fft};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::missing("solve_512"),
        Case::missing("svd_256"),
        Case::missing("eigh_256"),
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
