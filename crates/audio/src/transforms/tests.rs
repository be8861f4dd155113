//! Transforms of a spoken word against torchaudio 2.11: shape, five values here and there, and the sum.

use super::*;
use crate::load;
use flambeau_autograd::gradcheck;
use flambeau_nn::{Layer, Module, Sequential};
use flambeau_tensor::{Build, CloseOptions, DType, Tensor};

fn word() -> Tensor {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/spoken_digits/zero/029-alicia_nohash_0.wav");
    load(path).unwrap().0
}

/// Holds the output against `values` at j·n/7 + j for j of 1 to 5, and against `sum`; the sum of decibels
/// carries the rounding of values near silence, so its bound is relative to all magnitudes.
#[track_caller]
fn holds(transform: impl Build<Output: Layer>, shape: &[usize], values: [f64; 5], sum: f64) {
    let y = transform.build().unwrap().call(&word()).unwrap();
    let y = if y.dtype().is_complex() { y.view_as_real().unwrap() } else { y };
    assert_eq!(y.shape(), shape);
    let y: Vec<f64> = y.to_dtype(DType::F64).unwrap().to_vec().unwrap();
    let largest = y.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (j, value) in (1..).zip(values) {
        let got = y[y.len() * j / 7 + j];
        assert!((got - value).abs() <= 2e-5 * value.abs() + 3e-6 * largest, "value {j}: {got}, not {value}");
    }
    let (got, all) = (y.iter().sum::<f64>(), y.iter().map(|v| v.abs()).sum::<f64>());
    assert!((got - sum).abs() <= 1e-5 * all, "sum {got}, not {sum}");
}

#[test]
fn spectrograms() {
    holds(Spectrogram::new(), &[1, 201, 27], [1.49881, 0.00718606, 0.000182619, 1.83208e-05, 0.0174999], 20667.64);
    holds(
        Spectrogram::new().n_fft(512).win_length(300).hop_length(100).power(1.0).pad(7).normalized(true).pad_mode(None),
        &[1, 257, 54],
        [0.151128, 0.00611287, 0.00248285, 0.000225197, 0.00400975],
        707.0205,
    );
    holds(
        Spectrogram::new()
            .n_fft(256)
            .power(None)
            .normalized(Normalized::FrameLength)
            .center(false)
            .window_fn(hamming_window),
        &[1, 129, 40, 2],
        [-0.00659105, -0.0155806, 0.00129628, 0.000261299, 0.00186818],
        -0.25028,
    );
}

#[test]
fn mel_spectrograms() {
    holds(
        MelSpectrogram::new(8000).n_fft(400).hop_length(160).n_mels(64),
        &[1, 64, 34],
        [201.078, 2.10882, 49.5749, 5.5206, 0.00234136],
        25622.56,
    );
    let slaney = MelSpectrogram::new(8000).norm(MelNorm::Slaney).mel_scale(MelScaleKind::Slaney);
    holds(
        slaney.n_fft(512).f_min(50.0).f_max(3800.0).n_mels(40).power(1.0),
        &[1, 40, 21],
        [0.173079, 0.0203255, 0.00198245, 0.00274592, 0.00355729],
        46.27936,
    );
}

#[test]
fn decibels() {
    holds(
        Sequential::of((MelSpectrogram::new(8000).n_mels(40), AmplitudeToDB::new().top_db(60.0))).unwrap(),
        &[1, 40, 27],
        [12.3273, -11.0241, -30.4385, -30.6533, -18.935],
        -8439.413,
    );
    holds(
        Sequential::of((Spectrogram::new().power(1.0), AmplitudeToDB::new().stype(AmplitudeKind::Magnitude))).unwrap(),
        &[1, 201, 27],
        [1.75747, -21.4351, -37.3846, -47.3706, -17.5696],
        -120789.8,
    );
}

#[test]
fn cepstral_coefficients() {
    holds(
        MFCC::new(8000).n_mfcc(20).mel_spectrogram(MelSpectrogram::new(8000).n_fft(400).n_mels(40)),
        &[1, 20, 27],
        [-14.6882, -19.5829, -16.893, -3.51986, -3.38031],
        -3025.65,
    );
    let mel = MelSpectrogram::new(8000).n_fft(256).hop_length(80).n_mels(30);
    holds(
        MFCC::new(8000).n_mfcc(13).ortho(false).log_mels(true).mel_spectrogram(mel),
        &[1, 13, 68],
        [37.3954, -83.2258, 15.5833, -46.9351, -5.60291],
        -19870.67,
    );
}

#[test]
fn resampled() {
    holds(
        Resample::new(8000, 16_000),
        &[1, 10730],
        [-0.137132, 0.052788, -0.133155, 0.192311, -0.00680068],
        -0.8964747,
    );
    holds(
        Resample::new(8000, 3000).lowpass_filter_width(10).rolloff(0.9),
        &[1, 2012],
        [-0.090233, -0.0451103, 0.0479988, -0.0603397, -0.241797],
        -0.1678797,
    );
    holds(
        Resample::new(8000, 11_025).resampling_method(ResamplingMethod::KAISER),
        &[1, 7394],
        [-0.0947133, 0.0528097, -0.0645527, 0.204371, 0.0597658],
        -0.6173835,
    );
}

#[test]
fn a_chain_of_them() {
    let chain = Sequential::of((
        Resample::new(8000, 16_000),
        MelSpectrogram::new(16_000).n_fft(400).hop_length(160).n_mels(64),
        AmplitudeToDB::new(),
    ));
    holds(chain.unwrap(), &[1, 64, 68], [-9.26499, -14.0957, -20.3195, 1.27585, 12.143], -89757.53);
}

#[test]
fn gradients_go_through() {
    flambeau_tensor::manual_seed(1);
    let x = Tensor::randn([2, 30]).dtype(DType::F64).build().unwrap();
    let mel = MelSpectrogram::new(8000).n_fft(16).hop_length(8).n_mels(4);
    let transforms: [(&str, Box<dyn Layer>); 4] = [
        (
            "Spectrogram",
            Box::new(Spectrogram::new().n_fft(16).normalized(true).build().unwrap().to(DType::F64).unwrap()),
        ),
        ("amplitude", Box::new(Spectrogram::new().n_fft(16).power(1.0).build().unwrap().to(DType::F64).unwrap())),
        ("MFCC", Box::new(MFCC::new(8000).n_mfcc(3).mel_spectrogram(mel).build().unwrap().to(DType::F64).unwrap())),
        ("Resample", Box::new(Resample::new(3, 2).dtype(DType::F64).build().unwrap())),
    ];
    for (name, transform) in &transforms {
        gradcheck(|inputs| Ok(vec![transform.call(&inputs[0])?]), &[x.clone()])
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn any_leading_dimensions() {
    let x = Tensor::randn([2, 3, 1000]).build().unwrap();
    let mel = MelSpectrogram::new(8000).n_fft(128).n_mels(16).build().unwrap();
    let all = mel.call(&x).unwrap();
    assert_eq!(all.shape(), [2, 3, 16, 16]);
    let one = mel.call(&x.select(0, 1).unwrap().select(0, 2).unwrap()).unwrap();
    let same = all.select(0, 1).unwrap().select(0, 2).unwrap();
    assert!(one.allclose_with(&same, CloseOptions::new().atol(1e-6)).unwrap());
    assert_eq!(Resample::new(2, 3).build().unwrap().call(&x).unwrap().shape(), [2, 3, 1500]);
}

#[test]
fn masks_are_torchaudios() {
    flambeau_tensor::manual_seed(7);
    let time = TimeMasking::new(5).build().unwrap().call(&Tensor::ones([1, 2, 8]).build().unwrap()).unwrap();
    assert_eq!(time.to_vec::<f32>().unwrap(), [1., 0., 0., 1., 1., 1., 1., 1., 1., 0., 0., 1., 1., 1., 1., 1.]);
    let frequency = FrequencyMasking::new(4).build().unwrap().call(&Tensor::ones([1, 6, 2]).build().unwrap()).unwrap();
    assert_eq!(frequency.to_vec::<f32>().unwrap(), [1., 1., 1., 1., 0., 0., 0., 0., 1., 1., 1., 1.]);
}

#[test]
fn prints_and_keeps_its_state_as_torchaudio() {
    let mfcc = MFCC::new(16_000).build().unwrap();
    let tree = "MFCC(
  (amplitude_to_DB): AmplitudeToDB()
  (MelSpectrogram): MelSpectrogram(
    (spectrogram): Spectrogram()
    (mel_scale): MelScale()
  )
)";
    assert_eq!(format!("{mfcc:?}"), tree);
    let state: Vec<(String, Vec<usize>)> =
        mfcc.named_buffers().into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect();
    let expected: [(&str, &[usize]); 3] = [
        ("dct_mat", &[128, 40]),
        ("MelSpectrogram.spectrogram.window", &[400]),
        ("MelSpectrogram.mel_scale.fb", &[201, 128]),
    ];
    assert_eq!(state, expected.map(|(name, shape)| (name.to_string(), shape.to_vec())));
}

#[test]
fn options_that_do_not_go_together() {
    let fault = |error: flambeau_tensor::Error| error.message().to_string();
    assert_eq!(
        fault(Spectrogram::new().n_fft(64).win_length(65).build().unwrap_err()),
        "win_length 65 must be from 1 to n_fft, which is 64"
    );
    assert_eq!(fault(Spectrogram::new().n_fft(1).build().unwrap_err()), "hop_length must not be zero");
    assert!(
        fault(MFCC::new(8000).n_mfcc(41).mel_spectrogram(MelSpectrogram::new(8000).n_mels(40)).build().unwrap_err())
            .contains("41")
    );
    let mel = MelScale::new(8000).n_stft(5).n_mels(2).build().unwrap();
    assert_eq!(
        fault(mel.call(&Tensor::zeros([6, 3]).build().unwrap()).unwrap_err()),
        "a spectrogram is [..., 5, time] by n_stft, this is [6, 3]"
    );
    let short = Spectrogram::new().build().unwrap().call(&Tensor::zeros([1, 100]).build().unwrap());
    assert!(short.is_err());
}
