//! Dump for a comparison.
use flambeau_audio::transforms::*;
use flambeau_autograd::Autograd;
use flambeau_nn::{Layer, Sequential};
use flambeau_tensor::{Result, Tensor};
use std::time::Instant;
fn dump(name: String, x: &Tensor) {
    let x = if x.dtype().is_complex() { x.view_as_real().unwrap() } else { x.clone() };
    let bytes: Vec<u8> = x.to_vec::<f32>().unwrap().iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(format!("/tmp/acmp/{name}.bin"), bytes).unwrap();
}
fn median(mut f: impl FnMut()) -> f64 {
    for _ in 0..5 { f(); }
    let mut t: Vec<f64> = (0..30).map(|_| { let s = Instant::now(); f(); s.elapsed().as_secs_f64() * 1e3 }).collect();
    t.sort_by(f64::total_cmp);
    t[15]
}
fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("time") {
        let x = Tensor::randn([32, 16000]).build()?;
        let mel = MelSpectrogram::new(16_000).n_fft(400).hop_length(160).n_mels(64).build()?;
        let spec = Spectrogram::new().n_fft(400).hop_length(160).build()?;
        let specc = Spectrogram::new().n_fft(400).hop_length(160).power(None).build()?;
        let s = spec.forward(&x)?;
        let up = Resample::new(8000, 16_000).build()?;
        let down = Resample::new(44_100, 16_000).build()?;
        let db = AmplitudeToDB::new().build()?;
        let m = mel.forward(&x)?;
        println!("mel {:.2} spec {:.2} complex {:.2} melscale {:.2} db {:.2} up {:.2} down {:.2} ms",
            median(|| { mel.forward(&x).unwrap(); }), median(|| { spec.forward(&x).unwrap(); }), median(|| { specc.forward(&x).unwrap(); }),
            median(|| { mel.mel_scale.forward(&s).unwrap(); }), median(|| { db.forward(&m).unwrap(); }),
            median(|| { up.forward(&x).unwrap(); }), median(|| { down.forward(&x).unwrap(); }));
        return Ok(());
    }
    let cfg: Vec<(&str, Box<dyn Layer>)> = vec![
        ("spec", Box::new(Spectrogram::new().build()?)),
        ("spec1", Box::new(Spectrogram::new().n_fft(512).win_length(300).hop_length(100).power(1.0).pad(7).normalized(true).pad_mode(None).build()?)),
        ("specc", Box::new(Spectrogram::new().n_fft(256).power(None).normalized(Normalized::FrameLength).center(false).window_fn(hamming_window).build()?)),
        ("mel", Box::new(MelSpectrogram::new(8000).n_fft(400).hop_length(160).n_mels(64).build()?)),
        ("melsl", Box::new(MelSpectrogram::new(8000).n_fft(512).f_min(50.0).f_max(3800.0).n_mels(40).norm(MelNorm::Slaney).mel_scale(MelScaleKind::Slaney).power(1.0).build()?)),
        ("db", Box::new(Sequential::of((MelSpectrogram::new(8000).n_mels(40), AmplitudeToDB::new().top_db(60.0)))?)),
        ("mag", Box::new(Sequential::of((Spectrogram::new().power(1.0), AmplitudeToDB::new().stype(AmplitudeKind::Magnitude)))?)),
        ("mfcc", Box::new(MFCC::new(8000).n_mfcc(20).mel_spectrogram(MelSpectrogram::new(8000).n_fft(400).n_mels(40)).build()?)),
        ("mfccl", Box::new(MFCC::new(8000).n_mfcc(13).ortho(false).log_mels(true).mel_spectrogram(MelSpectrogram::new(8000).n_fft(256).hop_length(80).n_mels(30)).build()?)),
        ("up", Box::new(Resample::new(8000, 16_000).build()?)),
        ("down", Box::new(Resample::new(8000, 3000).lowpass_filter_width(10).rolloff(0.9).build()?)),
        ("kaiser", Box::new(Resample::new(8000, 11_025).resampling_method(ResamplingMethod::KAISER).build()?)),
        ("chain", Box::new(Sequential::of((Resample::new(8000, 16_000), MelSpectrogram::new(16_000).n_fft(400).hop_length(160).n_mels(64), AmplitudeToDB::new()))?)),
    ];
    let files = ["zero/029-alicia_nohash_0.wav", "seven/029-denis_nohash_0.wav", "eight/029-ed_nohash_0.wav"];
    for (i, f) in files.iter().enumerate() {
        let (x, _) = flambeau_audio::load(format!("/work/main/data/spoken_digits/{f}"))?;
        dump(format!("{i}.wave"), &x);
        for (name, layer) in &cfg { dump(format!("{i}.{name}"), &layer.forward(&x)?); }
        let x = x.requires_grad_()?;
        cfg.last().unwrap().1.forward(&x)?.sum(..)?.backward()?;
        dump(format!("{i}.grad"), &x.grad().unwrap());
    }
    Ok(())
}
