//! WaveRNN: from a mel spectrogram to the samples of a signal, one after another.

use flambeau_nn::{BatchNorm1d, Call, Conv1d, Conv2d, Forward, GRU, Linear, Module, ReLU, Sequential, init};
use flambeau_tensor::{Build, DType, Result, Tensor, builder, cat, ensure, no_grad, stack};

const OP: &str = "WaveRNN";

/// Two layers for each frame, added to what goes in: `[batch, channels, frames]`. `torchaudio.models.wavernn.ResBlock`.
#[derive(Module)]
struct ResBlock {
    resblock_model: Sequential,
}

impl ResBlock {
    #[track_caller]
    fn new(n: usize) -> Result<Self> {
        let conv = || Conv1d::new(n, n, 1).bias(false);
        let layers = (conv(), BatchNorm1d::new(n), ReLU::new(), conv(), BatchNorm1d::new(n));
        Ok(ResBlock { resblock_model: Sequential::of(layers)? })
    }
}

impl Forward<&Tensor> for ResBlock {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.resblock_model.call(x)?.add(x)
    }
}

/// Every number so often after another along time.
#[derive(Module)]
struct Stretch2d {
    time_scale: usize,
}

impl Forward<&Tensor> for Stretch2d {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.repeat_interleave(self.time_scale, Some(-1))
    }
}

#[derive(Module)]
struct MelResNet {
    melresnet_model: Sequential,
}

/// From frames to samples: the spectrogram itself, smoothed, and what a network sees in it.
#[derive(Module)]
struct UpsampleNetwork {
    resnet: MelResNet,
    resnet_stretch: Stretch2d,
    upsample_layers: Sequential,
    indent: usize,
}

impl UpsampleNetwork {
    #[track_caller]
    fn new(b: &WaveRNNBuilder) -> Result<Self> {
        // As torchaudio draws its weights: the blocks first, though a convolution comes before them.
        let blocks = (0..b.n_res_block).map(|_| ResBlock::new(b.n_hidden)).collect::<Result<Vec<_>>>()?;
        let mut resnet = Sequential::of((
            Conv1d::new(b.n_freq, b.n_hidden, b.kernel_size).bias(false),
            BatchNorm1d::new(b.n_hidden),
            ReLU::new(),
        ))?;
        for block in blocks {
            resnet.push(block)?;
        }
        resnet.push(Conv1d::new(b.n_hidden, b.n_output, 1))?;
        let mut upsample_layers = Sequential::new();
        for scale in &b.upsample_scales {
            let width = scale * 2 + 1;
            let smooth = Conv2d::new(1, 1, [1, width]).padding([0, *scale]).bias(false).build()?;
            init::constant_(&smooth.weight, 1.0 / width as f64)?;
            upsample_layers.push(Stretch2d { time_scale: *scale })?.push(smooth)?;
        }
        Ok(UpsampleNetwork {
            resnet: MelResNet { melresnet_model: resnet },
            resnet_stretch: Stretch2d { time_scale: b.hop_length },
            upsample_layers,
            indent: (b.kernel_size - 1) / 2 * b.hop_length,
        })
    }
}

impl Forward<&Tensor> for UpsampleNetwork {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let seen = self.resnet_stretch.call(&self.resnet.melresnet_model.call(x)?)?;
        let smooth = self.upsample_layers.call(&x.unsqueeze(1)?)?.squeeze(1)?;
        let samples = seen.size(-1)?;
        Ok((smooth.narrow(-1, self.indent as isize, samples)?, seen))
    }
}

/// Makes a signal of a spectrogram, as `torchaudio.models.WaveRNN`. Called with the signal `[batch, 1, samples]` and its
/// spectrogram `[batch, 1, n_freq, frames]`, of which `(frames - kernel_size + 1) * hop_length` are the samples, it gives the
/// logits of the next of `n_classes` levels at each, `[batch, 1, samples, n_classes]`. See N. Kalchbrenner et al., *Efficient
/// neural audio synthesis*, 2018, arXiv:1802.08435.
///
/// ```
/// use flambeau_audio::models::WaveRNN;
/// use flambeau_nn::Module;
/// use flambeau_tensor::Tensor;
///
/// // A small one of the same form.
/// let small = WaveRNN::new([2, 3], 16, 6).n_res_block(1).n_rnn(8).n_fc(8).n_freq(10).n_hidden(8).n_output(8);
/// let model = small.build()?;
/// model.eval();
/// let (waveform, _) = model.infer(&Tensor::rand([1, 10, 5]).build()?, None)?;
/// assert_eq!(waveform.shape(), [1, 1, 30]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct WaveRNN {
    upsample: UpsampleNetwork,
    fc: Linear,
    rnn1: GRU,
    rnn2: GRU,
    relu1: ReLU,
    relu2: ReLU,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
    kernel_size: usize,
    hop_length: usize,
    n_aux: usize,
    n_rnn: usize,
    n_classes: usize,
}

builder! {
    /// Options of [`WaveRNN`].
    pub struct WaveRNNBuilder => WaveRNN;
    new {
        /// By how much each layer stretches; all together by `hop_length`.
        upsample_scales: ~into Vec<usize>,
        /// Levels of a sample.
        n_classes: usize,
        /// Samples from one frame to the next.
        hop_length: usize,
    }
    options {
        /// Blocks of two layers over frames, 10 unless set.
        n_res_block: usize = 10,
        /// Numbers of the two recurrent states, 512 unless set.
        n_rnn: usize = 512,
        /// Numbers between the last layers, 512 unless set.
        n_fc: usize = 512,
        /// Frames that the first convolution reaches over, 5 unless set.
        kernel_size: usize = 5,
        /// Bands of the spectrogram, 128 unless set.
        n_freq: usize = 128,
        /// Channels within the blocks, 128 unless set.
        n_hidden: usize = 128,
        /// Channels that come out of them, a multiple of 4; 128 unless set.
        n_output: usize = 128,
    }
}

impl WaveRNN {
    #[track_caller]
    fn from_builder(b: WaveRNNBuilder) -> Result<Self> {
        let total = b.upsample_scales.iter().try_fold(1usize, |total, scale| total.checked_mul(*scale));
        ensure!(
            total == Some(b.hop_length) && b.hop_length > 0,
            Argument,
            OP,
            "upsample_scales {:?} must have the product {}, hop_length, and that be above 0",
            b.upsample_scales,
            b.hop_length
        );
        ensure!(
            b.n_classes >= 2 && b.kernel_size > 0 && b.n_output >= 4 && b.n_output % 4 == 0,
            Argument,
            OP,
            "n_classes {} must be 2 at least, kernel_size {} 1, n_output {} a multiple of 4",
            b.n_classes,
            b.kernel_size,
            b.n_output
        );
        let n_aux = b.n_output / 4;
        let gru = |inputs| GRU::new(inputs, b.n_rnn).batch_first(true).build();
        Ok(WaveRNN {
            upsample: UpsampleNetwork::new(&b)?,
            fc: Linear::new(b.n_freq + n_aux + 1, b.n_rnn).build()?,
            rnn1: gru(b.n_rnn)?,
            rnn2: gru(b.n_rnn + n_aux)?,
            relu1: ReLU::new().build()?,
            relu2: ReLU::new().build()?,
            fc1: Linear::new(b.n_rnn + n_aux, b.n_fc).build()?,
            fc2: Linear::new(b.n_fc + n_aux, b.n_fc).build()?,
            fc3: Linear::new(b.n_fc, b.n_classes).build()?,
            kernel_size: b.kernel_size,
            hop_length: b.hop_length,
            n_aux,
            n_rnn: b.n_rnn,
            n_classes: b.n_classes,
        })
    }

    /// Levels of a sample.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Bits of a sample, the logarithm of the levels.
    pub fn n_bits(&self) -> u32 {
        self.n_classes.ilog2()
    }

    /// The spectrogram and the four parts of what is seen in it, `[batch, samples, ·]`.
    #[track_caller]
    fn conditions(&self, specgram: &Tensor) -> Result<(Tensor, [Tensor; 4])> {
        ensure!(
            specgram.rank() == 3 && specgram.shape()[2] >= self.kernel_size,
            Shape,
            OP,
            "the spectrogram is [batch, bands, frames] with {} frames at least, this is {:?}",
            self.kernel_size,
            specgram.shape()
        );
        let (smooth, seen) = self.upsample.call(specgram)?;
        let seen = seen.transpose(1, 2)?;
        let part = |i: usize| seen.narrow(2, (i * self.n_aux) as isize, self.n_aux);
        Ok((smooth.transpose(1, 2)?, [part(0)?, part(1)?, part(2)?, part(3)?]))
    }

    /// The layers behind the recurrent ones.
    #[track_caller]
    fn logits(&self, x: &Tensor, a3: &Tensor, a4: &Tensor) -> Result<Tensor> {
        let x = self.relu1.call(&self.fc1.call(&cat(&[x, a3], -1)?)?)?;
        let x = self.relu2.call(&self.fc2.call(&cat(&[&x, a4], -1)?)?)?;
        self.fc3.call(&x)
    }

    /// A signal `[batch, 1, frames * hop_length]` in -1 to 1 for a spectrogram `[batch, n_freq, frames]`, each sample drawn
    /// from the default generator by its probability; and where `lengths` (in frames, `[batch]`) are given, in samples.
    ///
    /// # Errors
    /// Where the spectrogram has another shape or other bands.
    #[track_caller]
    pub fn infer(&self, specgram: &Tensor, lengths: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        let lengths = lengths.map(|lengths| lengths.mul(self.hop_length as i64)).transpose()?;
        ensure!(
            specgram.rank() == 3,
            Shape,
            OP,
            "the spectrogram is [batch, bands, frames], this is {:?}",
            specgram.shape()
        );
        // Without gradients there is no tape of every sample.
        let waveform = no_grad(|| self.samples(specgram))?;
        Ok((waveform, lengths))
    }

    #[track_caller]
    fn samples(&self, specgram: &Tensor) -> Result<Tensor> {
        let pad = (if self.kernel_size % 2 == 1 { self.kernel_size - 1 } else { self.kernel_size }) / 2;
        let (mel, [a1, a2, a3, a4]) = self.conditions(&specgram.pad(&[pad as isize, pad as isize], 0.0)?)?;
        let [batch, samples, _] = mel.dims()?;
        let zeros = |n: usize| Tensor::zeros([batch, n]).dtype(mel.dtype()).device(mel.device()).build();
        let (mut h1, mut h2) = (zeros(self.n_rnn)?.unsqueeze(0)?, zeros(self.n_rnn)?.unsqueeze(0)?);
        let mut x = zeros(1)?;
        let levels = 2f64.powi(self.n_bits() as i32) - 1.0;
        let mut output = Vec::with_capacity(samples);
        for i in 0..samples as isize {
            let at = |t: &Tensor| t.select(1, i);
            let y = self.fc.call(&cat(&[&x, &at(&mel)?, &at(&a1)?], 1)?)?;
            (_, h1) = self.rnn1.call((&y.unsqueeze(1)?, &h1))?;
            let y = y.add(&h1.select(0, 0)?)?;
            (_, h2) = self.rnn2.call((&cat(&[&y, &at(&a2)?], 1)?.unsqueeze(1)?, &h2))?;
            let y = y.add(&h2.select(0, 0)?)?;
            let drawn = self.logits(&y, &at(&a3)?, &at(&a4)?)?.softmax(1)?.multinomial(1, false)?;
            x = drawn.to_dtype(DType::F32)?.mul(2.0)?.div(levels)?.sub(1.0)?.to_dtype(mel.dtype())?;
            output.push(x.clone());
        }
        stack(&output, 0)?.permute([1, 2, 0])
    }
}

/// A signal and its spectrogram.
impl Forward<(&Tensor, &Tensor)> for WaveRNN {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (waveform, specgram): (&Tensor, &Tensor)) -> Result<Tensor> {
        ensure!(
            waveform.rank() == 3 && waveform.shape()[1] == 1 && specgram.rank() == 4 && specgram.shape()[1] == 1,
            Shape,
            OP,
            "the signal is [batch, 1, samples], its spectrogram [batch, 1, bands, frames]; these are {:?} and {:?}",
            waveform.shape(),
            specgram.shape()
        );
        let (mel, [a1, a2, a3, a4]) = self.conditions(&specgram.squeeze(1)?)?;
        ensure!(
            mel.shape()[..2] == [waveform.shape()[0], waveform.shape()[2]],
            Shape,
            OP,
            "the spectrogram {:?} is of signals [{}, 1, {}], not {:?}",
            specgram.shape(),
            mel.shape()[0],
            mel.shape()[1],
            waveform.shape()
        );
        let x = self.fc.call(&cat(&[&waveform.transpose(1, 2)?, &mel, &a1], -1)?)?;
        let x = self.rnn1.call(&x)?.0.add(&x)?;
        let x = self.rnn2.call(&cat(&[&x, &a2], -1)?)?.0.add(&x)?;
        self.logits(&x, &a3, &a4)?.unsqueeze(1)
    }
}
