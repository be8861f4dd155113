//! Hybrid Demucs: takes music apart, by its spectrogram and by its samples at once.

mod branch;
mod layers;

use branch::{DecoderLayer, EncoderLayer, LayerOptions};
use flambeau_nn::{Call, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Embedding, Forward, Module};
use flambeau_tensor::{IstftOptions, PadMode, Result, StftOptions, Tensor, bail, builder, ensure, no_grad};

const OP: &str = "HDemucs";

/// A network that tells the sources of music apart, as `torchaudio.models.HDemucs`: mixtures `[batch, channels, frames]` to
/// `[batch, sources, channels, frames]`. See A. Défossez, *Hybrid spectrogram and waveform source separation*, 2021,
/// arXiv:2111.03600.
///
/// ```
/// use flambeau_audio::models::HDemucs;
/// use flambeau_nn::{Call, Module};
/// use flambeau_tensor::Tensor;
///
/// // A small one of the same form.
/// let model = HDemucs::new(["drums", "vocals"]).channels(4).nfft(64).depth(3).norm_starts(2).build()?;
/// model.eval();
/// assert_eq!(model.call(&Tensor::randn([1, 2, 500]).build()?)?.shape(), [1, 2, 2, 500]);
/// assert_eq!(model.sources(), ["drums", "vocals"]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct HDemucs {
    freq_encoder: Vec<EncoderLayer>,
    freq_decoder: Vec<DecoderLayer>,
    time_encoder: Vec<EncoderLayer>,
    time_decoder: Vec<DecoderLayer>,
    freq_emb: Option<ScaledEmbedding>,
    freq_emb_scale: f64,
    sources: SourceNames,
    audio_channels: usize,
    nfft: usize,
}

/// Names of sources: of a `Vec<String>`, or an array or slice of `&str`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceNames(Vec<String>);

flambeau_nn::plain_parts!(SourceNames);

impl From<Vec<String>> for SourceNames {
    fn from(names: Vec<String>) -> Self {
        SourceNames(names)
    }
}

impl From<&[&str]> for SourceNames {
    fn from(names: &[&str]) -> Self {
        SourceNames(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

impl<const N: usize> From<[&str; N]> for SourceNames {
    fn from(names: [&str; N]) -> Self {
        names[..].into()
    }
}

builder! {
    /// Options of [`HDemucs`].
    pub struct HDemucsBuilder => HDemucs;
    new {
        /// The sources, in the order of what comes out.
        sources: ~into SourceNames,
    }
    options {
        /// Channels of the sound, 2 unless set.
        audio_channels: usize = 2,
        /// Channels behind the first layer, 48 unless set.
        channels: usize = 48,
        /// How many times as many each layer has, 2 unless set.
        growth: usize = 2,
        /// Samples of a window, 4096 unless set; they are a quarter of it apart.
        nfft: usize = 4096,
        /// Layers on the way down, and up again; 6 unless set.
        depth: usize = 6,
        /// The weight of what tells frequencies apart, added behind the first layer; 0.2 unless set, nothing where 0.
        freq_emb: f64 = 0.2,
        /// By how much these numbers are scaled, so that they learn faster; 10 unless set.
        emb_scale: f64 = 10.0,
        /// Do they begin alike for neighbouring frequencies? Yes unless unset.
        emb_smooth: bool = true,
        /// What a convolution reaches over, 8 unless set.
        kernel_size: usize = 8,
        /// The stride of the last layer, behind the one that joins both branches; 2 unless set.
        time_stride: usize = 2,
        /// The stride of the others, 4 unless set.
        stride: usize = 4,
        /// How far to either side the second convolution of a layer reaches on the way up, 1 unless set.
        context: usize = 1,
        /// The same on the way down, 0 unless set.
        context_enc: usize = 0,
        /// The layer from which on there is normalisation, 4 unless set.
        norm_starts: usize = 4,
        /// Its groups of channels, 4 unless set.
        norm_groups: usize = 4,
        /// Layers of a residual branch, 2 unless set.
        dconv_depth: usize = 2,
        /// How many times fewer channels it has, 4 unless set.
        dconv_comp: usize = 4,
        /// The layer from which on it has attention, 4 unless set.
        dconv_attn: usize = 4,
        /// The layer from which on it has recurrent layers, 4 unless set.
        dconv_lstm: usize = 4,
        /// By what it is scaled at the beginning, 1e-4 unless set.
        dconv_init: f64 = 1e-4,
    }
}

/// A table whose numbers are scaled up when they are read.
#[derive(Module)]
struct ScaledEmbedding {
    embedding: Embedding,
    scale: f64,
}

impl ScaledEmbedding {
    #[track_caller]
    fn new(rows: usize, features: usize, scale: f64, smooth: bool) -> Result<Self> {
        let embedding = Embedding::new(rows, features).build()?;
        no_grad(|| {
            let mut weight = embedding.weight.detach();
            if smooth {
                // A sum of n numbers has √n times their spread.
                let counts = Tensor::arange(1, rows as i64 + 1).build()?.to_dtype(weight.dtype())?.sqrt()?;
                weight = weight.cumsum(0)?.div(&counts.unsqueeze(1)?)?;
            }
            embedding.weight.copy_(&weight.div(scale)?).map(drop)
        })?;
        Ok(ScaledEmbedding { embedding, scale })
    }
}

/// Brings the spread of each convolution's weights nearer to a tenth.
fn rescale(model: &HDemucs) -> Result<()> {
    let scaled = |weight: &Tensor, bias: Option<&Tensor>| -> Result<()> {
        let scale = weight.detach().std(.., 1.0)?.div(0.1)?.sqrt()?;
        weight.div_(&scale)?;
        bias.map(|bias| bias.div_(&scale).map(drop)).transpose().map(drop)
    };
    macro_rules! each {
        ($part:ident: $($Conv:ident),+) => {
            $(if let Some(conv) = $part.downcast_ref::<$Conv>() {
                scaled(&conv.weight, conv.bias.as_deref())?;
            })+
        };
    }
    no_grad(|| {
        for part in model.modules() {
            each!(part: Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d);
        }
        Ok(())
    })
}

impl HDemucs {
    #[track_caller]
    fn from_builder(b: HDemucsBuilder) -> Result<Self> {
        let sources = b.sources.0.len();
        ensure!(
            sources > 0 && b.audio_channels > 0 && b.depth > 0 && b.growth > 0,
            Argument,
            OP,
            "there must be sources ({sources}), audio_channels ({}), depth ({}) and growth ({})",
            b.audio_channels,
            b.depth,
            b.growth
        );
        ensure!(
            b.nfft >= 8 && b.nfft % 4 == 0,
            Argument,
            OP,
            "nfft {} must be a multiple of 4, and 8 at least",
            b.nfft
        );
        ensure!(
            b.stride > 1 && b.time_stride > 0,
            Argument,
            OP,
            "stride {} must be above 1, time_stride above 0",
            b.stride
        );
        let mut net = HDemucs {
            freq_encoder: Vec::new(),
            freq_decoder: Vec::new(),
            time_encoder: Vec::new(),
            time_decoder: Vec::new(),
            freq_emb: None,
            freq_emb_scale: b.freq_emb,
            sources: b.sources.clone(),
            audio_channels: b.audio_channels,
            nfft: b.nfft,
        };
        let (mut inputs, mut inputs_z) = (b.audio_channels, 2 * b.audio_channels);
        let (mut outputs, mut outputs_z, mut freqs) = (b.channels, b.channels, b.nfft / 2);
        let mut joined = false;
        for index in 0..b.depth {
            let freq = freqs > 1;
            let last_freq = freq && freqs <= b.kernel_size;
            let of_frequencies = LayerOptions::of(&b, index, freqs);
            let of_time = LayerOptions::beside(&b, index, last_freq);
            joined |= last_freq;
            net.freq_encoder.push(EncoderLayer::new((inputs_z, outputs_z), false, &of_frequencies)?);
            if freq {
                net.time_encoder.push(EncoderLayer::new((inputs, outputs), last_freq, &of_time)?);
            }
            if index == 0 {
                inputs = b.audio_channels * sources;
                inputs_z = 2 * inputs;
            }
            let last = index == 0;
            net.freq_decoder.push(DecoderLayer::new((outputs_z, inputs_z), (last, false), &of_frequencies)?);
            if freq {
                net.time_decoder.push(DecoderLayer::new((outputs, inputs), (last, last_freq), &of_time)?);
            }
            (inputs, inputs_z) = (outputs, outputs_z);
            (outputs, outputs_z) = (b.growth * outputs, b.growth * outputs_z);
            if freq {
                freqs = if last_freq { 1 } else { freqs / b.stride };
            }
            if index == 0 && b.freq_emb != 0.0 {
                net.freq_emb = Some(ScaledEmbedding::new(freqs, inputs_z, b.emb_scale, b.emb_smooth)?);
            }
        }
        ensure!(
            joined,
            Argument,
            OP,
            "{} layers of stride {} do not bring the {} frequencies of nfft {} down to one: the branches never join",
            b.depth,
            b.stride,
            b.nfft / 2,
            b.nfft
        );
        net.freq_decoder.reverse();
        net.time_decoder.reverse();
        rescale(&net)?;
        Ok(net)
    }

    /// The names of what comes out.
    pub fn sources(&self) -> &[String] {
        &self.sources.0
    }

    fn hop(&self) -> usize {
        self.nfft / 4
    }

    /// Complex coefficients `[batch, channels, nfft / 2, windows]`, one window for each whole or begun quarter.
    #[track_caller]
    fn spectrum(&self, x: &Tensor) -> Result<Tensor> {
        let (hop, [batch, channels, frames]) = (self.hop(), x.dims()?);
        let windows = frames.div_ceil(hop);
        let (before, behind) = (hop / 2 * 3, hop / 2 * 3 + windows * hop - frames);
        // A reflection takes more samples than it adds: zeros stand in for those of a short signal.
        let most = before.max(behind);
        let longer = if frames <= most { x.pad(&[0, (most - frames + 1) as isize], 0.0)? } else { x.clone() };
        let padded = longer.pad_with(&[before as isize, behind as isize], PadMode::Reflect)?;
        let options = StftOptions::new().hop_length(hop).window(self.window(x)?).normalized(true);
        let signals = padded.reshape([batch * channels, padded.size(-1)?])?;
        let z = signals.stft(self.nfft, &options)?;
        let z = z.narrow(1, 0, self.nfft / 2)?.narrow(2, 2, windows)?;
        z.reshape([batch, channels, self.nfft / 2, windows])
    }

    #[track_caller]
    fn window(&self, like: &Tensor) -> Result<Tensor> {
        Tensor::hann_window(self.nfft, true, like.dtype())?.to_device(like.device())
    }

    /// Signals `[…, frames]` of coefficients `[…, nfft / 2, windows]`.
    #[track_caller]
    fn signal(&self, z: &Tensor, frames: usize) -> Result<Tensor> {
        let hop = self.hop();
        let padded = z.pad(&[2, 2, 0, 1], 0.0)?;
        let (lead, pad) = (padded.shape()[..padded.rank() - 2].to_vec(), hop / 2 * 3);
        let (freqs, windows) = (padded.size(-2)?, padded.size(-1)?);
        let flat = padded.reshape([lead.iter().product::<usize>(), freqs, windows])?;
        let real = z.narrow(-1, 0, 1)?.view_as_real()?;
        let options = IstftOptions::new().hop_length(hop).window(self.window(&real)?).normalized(true);
        let x = flat.istft(self.nfft, &options.length(hop * frames.div_ceil(hop) + 2 * pad))?;
        let x = x.narrow(-1, pad as isize, frames)?;
        x.reshape([&lead[..], &[frames]].concat())
    }

    /// Down through both branches: what goes on at the bottom, and what is kept of each layer.
    #[track_caller]
    fn down(&self, mut x: Tensor, mut xt: Tensor) -> Result<(Tensor, Kept, Kept)> {
        let (mut kept, mut kept_t) = (Vec::new(), Vec::new());
        for (i, layer) in self.freq_encoder.iter().enumerate() {
            let length = x.size(-1)?;
            let mut inject = None;
            if let Some(beside) = self.time_encoder.get(i) {
                let length = xt.size(-1)?;
                xt = beside.call((&xt, None))?;
                kept_t.push((length, xt.clone()));
                // The last of them has the first convolution alone: what it gives goes into the other branch.
                inject = beside.is_empty().then(|| xt.clone());
            }
            x = layer.call((&x, inject.as_ref()))?;
            if let (0, Some(table)) = (i, &self.freq_emb) {
                let rows = table.embedding.weight.narrow(0, 0, x.size(-2)?)?.mul(table.scale)?;
                x = x.add(&rows.t()?.unsqueeze(-1)?.unsqueeze(0)?.mul(self.freq_emb_scale)?)?;
            }
            kept.push((length, x.clone()));
        }
        Ok((x, kept, kept_t))
    }

    /// And up again, beginning with nothing but what was kept: the spectrogram's numbers, and signals.
    #[track_caller]
    fn up(&self, bottom: &Tensor, mut kept: Kept, mut kept_t: Kept) -> Result<(Tensor, Tensor)> {
        let mut x = bottom.zeros_like()?;
        let mut xt = x.clone();
        let first = self.freq_decoder.len() - self.time_decoder.len();
        for (i, layer) in self.freq_decoder.iter().enumerate() {
            let Some((length, skip)) = kept.pop() else { bail!(Argument, OP, "a layer was left out") };
            let before;
            (x, before) = layer.call((&x, Some(&skip), length))?;
            let Some(beside) = i.checked_sub(first).and_then(|i| self.time_decoder.get(i)) else { continue };
            let Some((length, skip)) = kept_t.pop() else { bail!(Argument, OP, "a layer was left out") };
            (xt, _) = match beside.is_empty() {
                true => beside.call((&before.squeeze(2)?, None, length))?,
                false => beside.call((&xt, Some(&skip), length))?,
            };
        }
        Ok((x, xt))
    }
}

/// The length that went into each layer, and what came out.
type Kept = Vec<(usize, Tensor)>;

/// Numbers brought to a mean of 0 and a spread of 1, with both, `[batch, 1, …]`.
#[track_caller]
fn normalised(x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let dims: Vec<isize> = (1..x.rank() as isize).collect();
    let (mean, std) = (x.mean_keepdim(&dims[..])?, x.std_keepdim(&dims[..], 1.0)?);
    Ok((x.sub(&mean)?.div(&std.add(1e-5)?)?, mean, std))
}

impl Forward<&Tensor> for HDemucs {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        ensure!(
            input.rank() == 3 && input.shape()[1] == self.audio_channels && input.shape()[2] > 0,
            Shape,
            OP,
            "the input is [batch, {}, frames] and has frames, this is {:?}",
            self.audio_channels,
            input.shape()
        );
        let (frames, sources) = (input.shape()[2], self.sources.0.len());
        // Real and imaginary parts as channels.
        let parts = self.spectrum(input)?.view_as_real()?.permute([0, 1, 4, 2, 3])?;
        let [batch, channels, _, freqs, windows] = parts.dims()?;
        let (x, mean, std) = normalised(&parts.reshape([batch, 2 * channels, freqs, windows])?)?;
        let (xt, mean_t, std_t) = normalised(input)?;
        let (bottom, kept, kept_t) = self.down(x, xt)?;
        let (x, xt) = self.up(&bottom, kept, kept_t)?;
        let x = x.reshape([batch, sources, 2 * channels, freqs, windows])?;
        let x = x.mul(&std.unsqueeze(1)?)?.add(&mean.unsqueeze(1)?)?;
        let parts = x.reshape([batch, sources, channels, 2, freqs, windows])?.permute([0, 1, 2, 4, 5, 3])?;
        let x = self.signal(&parts.contiguous()?.view_as_complex()?, frames)?;
        let xt = xt.reshape([batch, sources, channels, frames])?;
        xt.mul(&std_t.unsqueeze(1)?)?.add(&mean_t.unsqueeze(1)?)?.add(&x)
    }
}

/// The options of `torchaudio.models.hdemucs_low`, for rates around 8 kHz.
pub fn hdemucs_low(sources: impl Into<SourceNames>) -> HDemucsBuilder {
    HDemucs::new(sources).nfft(1024).depth(5)
}

/// The options of `torchaudio.models.hdemucs_medium`, for 16 to 32 kHz.
pub fn hdemucs_medium(sources: impl Into<SourceNames>) -> HDemucsBuilder {
    HDemucs::new(sources).nfft(2048).depth(6)
}

/// The options of `torchaudio.models.hdemucs_high`, for 44.1 and 48 kHz.
pub fn hdemucs_high(sources: impl Into<SourceNames>) -> HDemucsBuilder {
    HDemucs::new(sources).nfft(4096).depth(6)
}
