//! Functions against values from torchaudio 2.11.

use super::*;
use flambeau_tensor::DType;

#[track_caller]
fn close(x: &Tensor, expected: &[f64], tolerance: f64) {
    let got = x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= tolerance * e.abs().max(1.0), "{got:?} is not {expected:?}");
    }
}

#[test]
fn mel_filters() {
    let htk = melscale_fbanks(9, (0.0, 4000.0), 3, 8000, None, MelScaleKind::Htk).unwrap();
    let expected = [
        0.0, 0.0, 0.0, 0.8934592, 0.10654083, 0.0, 0.16569166, 0.8343083, 0.0, 0.0, 0.65082365, 0.34917632, 0.0,
        0.19871531, 0.8012847, 0.0, 0.0, 0.84258544, 0.0, 0.0, 0.5617236, 0.0, 0.0, 0.2808617, 0.0, 0.0, 0.0,
    ];
    assert_eq!(htk.shape(), [9, 3]);
    close(&htk, &expected, 2e-6);
    let slaney = melscale_fbanks(9, (0.0, 4000.0), 3, 8000, Some(MelNorm::Slaney), MelScaleKind::Slaney).unwrap();
    let expected = [
        0.0, 0.0, 0.0, 1.42877828, 0.0, 0.0, 0.53486635, 0.85100927, 0.0, 0.0, 0.86471421, 0.21984629, 0.0, 0.23411086,
        0.57935267, 0.0, 0.0, 0.58930943, 0.0, 0.0, 0.39287296, 0.0, 0.0, 0.19643648, 0.0, 0.0, 0.0,
    ];
    close(&slaney.mul(1000.0).unwrap(), &expected, 2e-6);
    let error = melscale_fbanks(9, (5000.0, 4000.0), 3, 8000, None, MelScaleKind::Htk).unwrap_err();
    assert_eq!(error.message(), "f_min 5000 must be from 0 to below f_max 4000");
}

#[test]
fn cosines() {
    close(
        &create_dct(2, 4, true).unwrap(),
        &[0.5, 0.65328145, 0.5, 0.27059805, 0.5, -0.27059811, 0.5, -0.6532815],
        1e-6,
    );
    close(&create_dct(2, 4, false).unwrap(), &[2.0, 1.847759, 2.0, 0.76536685, 2.0, -0.765367, 2.0, -1.847759], 1e-6);
}

#[test]
fn resampling() {
    let x = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 0.0, 2.0, -1.0], [1, 6]).unwrap();
    let up = resample(&x, 2, 3, &ResampleOptions::default()).unwrap();
    let expected =
        [0.98409742, 0.32999182, -0.02326337, -0.0276917, -0.36911327, 0.91983348, 1.96807396, 0.00417084, -1.17432261];
    assert_eq!(up.shape(), [1, 9]);
    close(&up, &expected, 1e-6);
    // Both rates count by their ratio alone.
    close(&resample(&x, 16_000, 24_000, &ResampleOptions::default()).unwrap(), &expected, 1e-6);
    let kaiser = ResampleOptions { resampling_method: ResamplingMethod::KAISER, ..Default::default() };
    let down = resample(&x.to_dtype(DType::F64).unwrap(), 3, 2, &kaiser).unwrap();
    // torchaudio takes I0 of β in f32.
    close(&down, &[0.69867032, -0.15059596, 0.60340024, 0.53729577], 1e-5);
    assert!(resample(&x, 5, 5, &kaiser).unwrap().is(&x));
}

#[test]
fn rates_that_share_nothing_are_no_reason_to_fill_the_memory() {
    let x = Tensor::zeros([1, 6]).build().unwrap();
    let error = resample(&x, 4_000_000_007, 4_000_000_009, &ResampleOptions::default()).unwrap_err();
    assert!(error.message().contains("take rates with a common divisor"), "{error}");
    for (options, what) in [
        (ResampleOptions { rolloff: 0.0, ..Default::default() }, "rolloff"),
        (ResampleOptions { lowpass_filter_width: 0, ..Default::default() }, "lowpass_filter_width"),
    ] {
        assert!(resample(&x, 1, 2, &options).unwrap_err().message().contains(what));
    }
    assert!(resample(&x, 0, 2, &ResampleOptions::default()).unwrap_err().message().contains("zero"));
    assert_eq!(
        resample(&Tensor::zeros([2, 0]).build().unwrap(), 1, 2, &ResampleOptions::default()).unwrap().shape(),
        [2, 0]
    );
}

#[test]
fn decibels() {
    let x = Tensor::from_vec(vec![1.0f32, 10.0, 1e-3], [1, 3]).unwrap();
    close(&amplitude_to_db(&x, 10.0, 1e-10, 0.0, Some(20.0)).unwrap(), &[0.0, 10.0, -10.0], 1e-6);
    close(&amplitude_to_db(&x, 20.0, 1e-2, 1.0, None).unwrap(), &[-20.0, 0.0, -60.0], 1e-6);
    close(&db_to_amplitude(&Tensor::from_vec(vec![20.0f32], 1).unwrap(), 2.0, 0.5).unwrap(), &[20.0], 1e-6);
    // One limit for each of a batch, and one for all channels of it.
    let batch = Tensor::from_vec(vec![1.0f32, 1e-6, 1e3, 1e-6], [2, 1, 1, 2]).unwrap();
    close(&amplitude_to_db(&batch, 10.0, 1e-10, 0.0, Some(20.0)).unwrap(), &[0.0, -20.0, 30.0, 10.0], 1e-6);
    let channels = batch.reshape([2, 1, 2]).unwrap();
    close(&amplitude_to_db(&channels, 10.0, 1e-10, 0.0, Some(20.0)).unwrap(), &[10.0, 10.0, 30.0, 10.0], 1e-6);
}
