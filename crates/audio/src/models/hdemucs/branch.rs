//! One layer of a branch, on the way down and on the way up.

use super::layers::DConv;
use super::{HDemucsBuilder, OP};
use flambeau_nn::functional::gelu;
use flambeau_nn::{Call, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Forward, GroupNorm, Module};
use flambeau_tensor::{Result, Tensor, bail, ensure};

/// How a layer convolves and normalises.
pub(super) struct LayerOptions {
    kernel: usize,
    stride: usize,
    freq: bool,
    pad: bool,
    norm_groups: Option<usize>,
    context: usize,
    context_enc: usize,
    pub dconv: DConvOptions,
}

/// The residual branch of a layer.
#[derive(Clone, Copy)]
pub(super) struct DConvOptions {
    pub depth: usize,
    pub compress: usize,
    pub init: f64,
    pub attn: bool,
    pub lstm: bool,
}

impl LayerOptions {
    #[track_caller]
    fn shared(b: &HDemucsBuilder, index: usize) -> LayerOptions {
        LayerOptions {
            kernel: b.kernel_size,
            stride: b.stride,
            freq: false,
            pad: true,
            norm_groups: (index >= b.norm_starts).then_some(b.norm_groups),
            context: b.context,
            context_enc: b.context_enc,
            dconv: DConvOptions {
                depth: b.dconv_depth,
                compress: b.dconv_comp,
                init: b.dconv_init,
                attn: index >= b.dconv_attn,
                lstm: index >= b.dconv_lstm,
            },
        }
    }

    /// Of the layer over so many frequencies, or over time behind the one that brought them down to one.
    #[track_caller]
    pub(super) fn of(b: &HDemucsBuilder, index: usize, freqs: usize) -> LayerOptions {
        let shared = LayerOptions::shared(b, index);
        match freqs {
            0 | 1 => LayerOptions { kernel: 2 * b.time_stride, stride: b.time_stride, ..shared },
            n if n <= b.kernel_size => LayerOptions { kernel: n, freq: true, pad: false, ..shared },
            _ => LayerOptions { freq: true, ..shared },
        }
    }

    /// Of the layer over time beside it.
    #[track_caller]
    pub(super) fn beside(b: &HDemucsBuilder, index: usize, last: bool) -> LayerOptions {
        let shared = LayerOptions::shared(b, index);
        if last && b.nfft == 2048 { LayerOptions { kernel: 4, stride: 2, ..shared } } else { shared }
    }

    #[track_caller]
    fn norm(&self, channels: usize) -> Result<Option<GroupNorm>> {
        self.norm_groups.map(|groups| GroupNorm::new(groups, channels).build()).transpose()
    }

    /// A convolution over frequencies or over time.
    #[track_caller]
    fn conv(&self, (inputs, outputs): (usize, usize), pad: usize) -> Result<Conv> {
        let Self { kernel, stride, .. } = *self;
        Ok(match self.freq {
            true => Conv::Two(Conv2d::new(inputs, outputs, [kernel, 1]).stride([stride, 1]).padding([pad, 0]).build()?),
            false => Conv::One(Conv1d::new(inputs, outputs, kernel).stride(stride).padding(pad).build()?),
        })
    }

    /// One that reaches `context` to either side, for twice the channels.
    #[track_caller]
    fn rewrite(&self, channels: usize, context: usize) -> Result<Conv> {
        let kernel = 1 + 2 * context;
        Ok(match self.freq {
            true => Conv::Two(Conv2d::new(channels, 2 * channels, kernel).padding(context).build()?),
            false => Conv::One(Conv1d::new(channels, 2 * channels, kernel).padding(context).build()?),
        })
    }
}

enum Conv {
    One(Conv1d),
    Two(Conv2d),
}

one_of!(Conv: One, Two);

impl Conv {
    #[track_caller]
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Conv::One(conv) => conv.call(x),
            Conv::Two(conv) => conv.call(x),
        }
    }
}

enum Transposed {
    One(ConvTranspose1d),
    Two(ConvTranspose2d),
}

one_of!(Transposed: One, Two);

#[track_caller]
fn normed(norm: Option<&GroupNorm>, x: Tensor) -> Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| norm.call(&x))
}

/// A layer on the way down: fewer steps, more channels. With the first convolution alone where it is the last over time.
#[derive(Module)]
pub(super) struct EncoderLayer {
    conv: Conv,
    norm1: Option<GroupNorm>,
    rewrite: Option<Conv>,
    norm2: Option<GroupNorm>,
    dconv: Option<DConv>,
    freq: bool,
    stride: usize,
}

impl EncoderLayer {
    #[track_caller]
    pub(super) fn new((inputs, outputs): (usize, usize), empty: bool, options: &LayerOptions) -> Result<Self> {
        let conv = options.conv((inputs, outputs), if options.pad { options.kernel / 4 } else { 0 })?;
        let norm1 = options.norm(outputs)?;
        let rewrite = (!empty).then(|| options.rewrite(outputs, options.context_enc)).transpose()?;
        let norm2 = if empty { None } else { options.norm(2 * outputs)? };
        let dconv = (!empty).then(|| DConv::new(outputs, options.dconv)).transpose()?;
        Ok(EncoderLayer { conv, norm1, rewrite, norm2, dconv, freq: options.freq, stride: options.stride })
    }

    /// The first convolution alone?
    pub(super) fn is_empty(&self) -> bool {
        self.rewrite.is_none()
    }
}

/// `[batch, channels, frequencies, windows]` or `[batch, channels, frames]`, and what is added behind the convolution.
impl Forward<(&Tensor, Option<&Tensor>)> for EncoderLayer {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, inject): (&Tensor, Option<&Tensor>)) -> Result<Tensor> {
        let mut x = x.clone();
        if !self.freq {
            if x.rank() == 4 {
                let (batch, steps) = (x.shape()[0], x.shape()[3]);
                let channels = x.shape()[1] * x.shape()[2];
                x = x.reshape([batch, channels, steps])?;
            }
            let over = x.size(-1)? % self.stride;
            if over != 0 {
                x = x.pad(&[0, (self.stride - over) as isize], 0.0)?;
            }
        }
        let mut y = self.conv.of(&x)?;
        let (Some(rewrite), Some(dconv)) = (&self.rewrite, &self.dconv) else { return Ok(y) };
        if let Some(inject) = inject {
            let (ours, theirs) = (y.size(-1)?, inject.size(-1)?);
            ensure!(
                ours == theirs,
                Shape,
                OP,
                "the branches join at {ours} and {theirs} steps: strides do not fit nfft"
            );
            y = if inject.rank() == 3 && y.rank() == 4 { y.add(&inject.unsqueeze(2)?)? } else { y.add(inject)? };
        }
        let y = gelu(&normed(self.norm1.as_ref(), y)?)?;
        let y = if self.freq {
            let [batch, channels, freqs, steps] = y.dims()?;
            let rows = y.permute([0, 2, 1, 3])?.reshape([batch * freqs, channels, steps])?;
            dconv.call(&rows)?.reshape([batch, freqs, channels, steps])?.permute([0, 2, 1, 3])?
        } else {
            dconv.call(&y)?
        };
        normed(self.norm2.as_ref(), rewrite.of(&y)?)?.glu(1)
    }
}

/// A layer on the way up: more steps, fewer channels.
#[derive(Module)]
pub(super) struct DecoderLayer {
    conv_tr: Transposed,
    norm2: Option<GroupNorm>,
    rewrite: Option<Conv>,
    norm1: Option<GroupNorm>,
    freq: bool,
    last: bool,
    inputs: usize,
    pad: usize,
}

impl DecoderLayer {
    #[track_caller]
    pub(super) fn new(
        (inputs, outputs): (usize, usize),
        (last, empty): (bool, bool),
        options: &LayerOptions,
    ) -> Result<Self> {
        let LayerOptions { kernel, stride, .. } = *options;
        ensure!(
            !options.pad || (kernel >= stride && (kernel - stride) % 2 == 0),
            Argument,
            OP,
            "the kernel {kernel} must be longer than the stride {stride} by an even number"
        );
        let conv_tr = match options.freq {
            true => Transposed::Two(ConvTranspose2d::new(inputs, outputs, [kernel, 1]).stride([stride, 1]).build()?),
            false => Transposed::One(ConvTranspose1d::new(inputs, outputs, kernel).stride(stride).build()?),
        };
        let norm2 = options.norm(outputs)?;
        let rewrite = (!empty).then(|| options.rewrite(inputs, options.context)).transpose()?;
        let norm1 = if empty { None } else { options.norm(2 * inputs)? };
        let pad = if options.pad { (kernel - stride) / 2 } else { 0 };
        Ok(DecoderLayer { conv_tr, norm2, rewrite, norm1, freq: options.freq, last, inputs, pad })
    }

    /// The last convolution alone?
    pub(super) fn is_empty(&self) -> bool {
        self.rewrite.is_none()
    }
}

/// What comes from below, what was kept on the way down, and how many steps there were; gives what goes up, and the same
/// before the last convolution.
impl Forward<(&Tensor, Option<&Tensor>, usize)> for DecoderLayer {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, (x, skip, length): (&Tensor, Option<&Tensor>, usize)) -> Result<(Tensor, Tensor)> {
        let mut x = x.clone();
        if self.freq && x.rank() == 3 {
            let [batch, channels, steps] = x.dims()?;
            x = x.reshape([batch, self.inputs, channels / self.inputs, steps])?;
        }
        let y = match (&self.rewrite, skip) {
            (Some(rewrite), Some(skip)) => normed(self.norm1.as_ref(), rewrite.of(&x.add(skip)?)?)?.glu(1)?,
            (None, None) => x,
            _ => bail!(Argument, OP, "what was kept on the way down is missing or too much"),
        };
        let z = match &self.conv_tr {
            Transposed::One(conv) => conv.call(&y)?,
            Transposed::Two(conv) => conv.call(&y)?,
        };
        let z = normed(self.norm2.as_ref(), z)?;
        let z = if self.freq {
            let kept = z.size(-2)? - 2 * self.pad;
            z.narrow(-2, self.pad as isize, kept)?
        } else {
            z.narrow(-1, self.pad as isize, length)?
        };
        Ok((if self.last { z } else { gelu(&z)? }, y))
    }
}
