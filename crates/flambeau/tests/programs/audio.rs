//! Spoken digits: waveforms to mel spectrograms, masked while learning, read by a small network.

use super::data;
use flambeau::audio::{
    datasets::{SpeechCommands, Subset},
    transforms::*,
};
use flambeau::prelude::*;

/// Features of all recordings of a part, and their words.
fn features(subset: Subset) -> Result<(Tensor, Tensor)> {
    let transform = Sequential::of((
        PadTrim::new(8000),
        MelSpectrogram::new(8000).n_fft(256).hop_length(128).n_mels(32),
        AmplitudeToDB::new().top_db(80.0),
    ))?;
    let words = SpeechCommands::new(data("spoken_digits")).subset(subset).build()?;
    let loader = DataLoader::new(words).batch_size(None).workers(2).build()?;
    let (mut sounds, mut labels) = (Vec::new(), Vec::new());
    for item in loader.iter().take(160) {
        let (waveform, label) = item?;
        sounds.push(transform.call(&waveform)?);
        labels.push(label);
    }
    Ok((stack(&sounds, 0)?, tensor!(labels)))
}

#[test]
fn spoken_digits_are_learned() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let (sounds, labels) = features(Subset::Training)?;
    let (mean, std) = (sounds.mean(..)?, sounds.std(.., 1.0)?);
    let sounds = (sounds - mean) / std;
    let masked = Sequential::of((FrequencyMasking::new(6), TimeMasking::new(10)))?;
    let model = Sequential::of((
        Conv2d::new(1, 8, 3).stride(2).padding(1),
        BatchNorm2d::new(8),
        ReLU::new(),
        Conv2d::new(8, 16, 3).stride(2).padding(1),
        BatchNorm2d::new(16),
        ReLU::new(),
        AdaptiveAvgPool2d::new((4, 2)),
        Flatten::new(),
        Dropout::new(0.1),
        Linear::new(16 * 8, 10),
    ))?;
    let mut optimizer = Adam::new(model.parameters()).lr(1e-2).build()?;
    let loader = DataLoader::new(TensorDataset::new(sounds, labels)?).batch_size(32).shuffle(true).build()?;
    let mut losses = Vec::new();
    for _ in 0..6 {
        let mut mean = Mean::new();
        for batch in &loader {
            let (x, y) = batch?;
            let loss = cross_entropy(model.call(&masked.call(&x)?)?, &y)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            mean.add(loss.item()?);
        }
        losses.push(mean.value());
    }
    assert!(losses[5] < 0.6 * losses[0], "{losses:?}");

    // A sound of one's own goes to a file and back, at another rate.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tone.wav");
    let time = Tensor::arange(0, 8000).build()? / 8000.0;
    audio::save(&path, (2.0 * PI * 440.0 * &time).sin()?.unsqueeze(0)?, 8000)?;
    let (tone, rate) = audio::load(&path)?;
    let tone = Resample::new(rate, 16_000).build()?.call(&tone)?;
    let spectrum = flambeau::fft::rfft(&tone, None, -1, flambeau::fft::Norm::Backward)?.abs()?;
    assert_eq!(spectrum.argmax_all()?.item::<i64>()?, 440);
    Ok(())
}
