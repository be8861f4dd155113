"""The cases of `src/cases/sound.rs`. torchaudio is asked for when a case is made, so that the others run without it."""

import torch

from cases import case, derive, infer, randn


def noise(channels, seconds, rate):
    return randn(channels, seconds * rate) * 0.1


def torchaudio():
    import torchaudio.compliance.kaldi
    import torchaudio.functional
    import torchaudio.models
    import torchaudio.transforms

    return torchaudio


FEATURES = {
    "mel_spectrogram_32": (32, 16_000, lambda t: t.MelSpectrogram(16_000, n_mels=80)),
    "mel_spectrogram_1": (1, 16_000, lambda t: t.MelSpectrogram(16_000, n_mels=80)),
    "mfcc_32": (32, 16_000, lambda t: t.MFCC(16_000)),
    "resample_8": (8, 44_100, lambda t: t.Resample(44_100, 16_000)),
    "resample_1": (1, 44_100, lambda t: t.Resample(44_100, 16_000)),
}


@case(*FEATURES)
def feature(name):
    channels, rate, make = FEATURES[name]
    x, transform = noise(channels, 10, rate), make(torchaudio().transforms)
    return infer(lambda: transform(x))


FILTERS = {
    "resample_function": (1, 10, 44_100, lambda f, x: f.resample(x, 44_100, 16_000)),
    "lowpass_stereo": (2, 60, 44_100, lambda f, x: f.lowpass_biquad(x, 44_100, 3000.0)),
    "loudness": (2, 60, 44_100, lambda f, x: f.loudness(x, 44_100)),
    "phaser": (1, 10, 16_000, lambda f, x: f.phaser(x, 16_000)),
    "flanger": (1, 10, 16_000, lambda f, x: f.flanger(x, 16_000)),
    "pitch_shift": (1, 10, 16_000, lambda f, x: f.pitch_shift(x, 16_000, 4)),
}


@case(*FILTERS)
def filtered(name):
    channels, seconds, rate, work = FILTERS[name]
    x, functional = noise(channels, seconds, rate), torchaudio().functional
    return infer(lambda: work(functional, x))


@case("kaldi_fbank")
def kaldi_fbank():
    x, kaldi = noise(1, 10, 16_000), torchaudio().compliance.kaldi
    return infer(lambda: kaldi.fbank(x))


@case("lfilter_60s")
def lfilter():
    x, functional = noise(1, 60, 16_000), torchaudio().functional
    a, b = torch.tensor([1.0, -1.6, 0.8]), torch.tensor([0.1, 0.2, 0.1])
    return infer(lambda: functional.lfilter(x, a, b))


@case("fftconvolve")
def fftconvolve():
    x, impulse, functional = noise(1, 60, 16_000), noise(1, 1, 16_000), torchaudio().functional
    return infer(lambda: functional.fftconvolve(x, impulse))


@case("rnnt_loss_train")
def rnnt_loss():
    functional = torchaudio().functional
    logits = torch.randn(8, 100, 21, 64, requires_grad=True)
    targets = torch.randint(0, 63, (8, 20), dtype=torch.int32)
    frames, labels = (torch.full((8,), n, dtype=torch.int32) for n in (100, 20))
    return derive([logits], lambda: functional.rnnt_loss(logits, targets, frames, labels))


@case("conformer")
def conformer():
    model = torchaudio().models.Conformer(80, 4, 128, 4, 31).eval()
    x, lengths = randn(8, 400, 80), torch.full((8,), 400)
    return infer(lambda: model(x, lengths))


@case("conv_tasnet_base")
def conv_tasnet():
    model, x = torchaudio().models.conv_tasnet_base().eval(), noise(1, 2, 8000)[None]
    return infer(lambda: model(x))


@case("wav2vec2_base")
def wav2vec2():
    model, x = torchaudio().models.wav2vec2_base().eval(), noise(1, 5, 16_000)
    return infer(lambda: model(x))
