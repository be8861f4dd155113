//! Convolution in one to three dimensions, and its two gradients, which are ops of their own: each is the
//! derivative of the others, so any order of derivative exists. Transposed convolution is the gradient
//! with respect to the input.

use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas};
use crate::shape::{Shape, Spatial};
use crate::{DType, Result, Tensor, bail, dispatch, ensure};
use smallvec::SmallVec;

/// Cross-correlation of `[n, c, d…]` with a weight `[o, c / groups, k…]`, plus a bias `[o]` where a third
/// input is given.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// Stride per spatial dimension, at least 1.
    pub stride: Spatial,
    /// Zeros before the first element.
    pub padding: Spatial,
    /// Zeros behind the last one; a negative number leaves elements out.
    pub end: Spatial,
    /// Dilation per spatial dimension, at least 1.
    pub dilation: Spatial,
    /// Parts that the channels fall into, each with its own outputs.
    pub groups: usize,
}

/// The gradient of [`Conv`] with respect to its input, from that of the output `[n, o, …]` and the weight; plus a bias for
/// each of its channels where a third input is given.
#[derive(Clone, Copy, Debug)]
pub struct ConvInputGrad {
    /// The convolution.
    pub conv: Conv,
    /// The spatial sizes of its input.
    pub size: Spatial,
    /// It is called for itself, as a transposed convolution.
    pub transposed: bool,
}

/// The gradient of [`Conv`] with respect to its weight, from its input and the gradient of its output.
#[derive(Clone, Copy, Debug)]
pub struct ConvWeightGrad {
    /// The convolution.
    pub conv: Conv,
    /// The spatial sizes of its weight.
    pub kernel: Spatial,
}

/// One spatial dimension of a convolution, in elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvDim {
    /// The input's size.
    pub input: usize,
    /// The output's size.
    pub output: usize,
    /// The kernel's size.
    pub kernel: usize,
    /// Stride, at least 1.
    pub stride: usize,
    /// Zeros before the input.
    pub padding: usize,
    /// Dilation, at least 1.
    pub dilation: usize,
}

/// All sizes of a convolution, for a kernel of it; one and two dimensions are three, the first of them of size 1. No place
/// of the padded input is beyond an `isize`, and the kernel lies inside of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGeometry {
    /// Images.
    pub batch: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Input channels of one group.
    pub channels: usize,
    /// Output channels of one group.
    pub features: usize,
    /// The spatial dimensions.
    pub dims: [ConvDim; 3],
    /// How many of `dims` there are.
    pub rank: usize,
}

pub(crate) use {ConvDim as Dim, ConvGeometry as Geometry};

/// How the CPU computes a convolution of images in channels-last order as they lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum InPixels {
    /// The kernel has one element: pixels by channels, times channels by features.
    Product,
    /// Each channel for itself.
    Depthwise,
}

impl ConvGeometry {
    /// How it is computed with the channels of each pixel side by side, where the CPU does not put them in rows for it.
    pub(crate) fn in_pixels(&self, dtype: DType) -> Option<InPixels> {
        let one = |d: &ConvDim| {
            *d == ConvDim { input: d.input, output: d.input, kernel: 1, stride: 1, padding: 0, dilation: d.dilation }
        };
        match (self.groups, self.channels, self.features) {
            _ if !dtype.is_float() || self.batch == 0 => None,
            (1, ..) => self.dims.iter().all(one).then_some(InPixels::Product),
            (_, 1, 1) => Some(InPixels::Depthwise),
            _ => None,
        }
    }

    /// The output's shape.
    pub fn output(&self) -> Shape {
        let mut shape = Shape::from_slice(&[self.batch, self.groups * self.features]);
        shape.extend(self.dims[3 - self.rank..].iter().map(|d| d.output));
        shape
    }
}

impl Conv {
    /// The sizes for an input of shape `x` and a weight of shape `w`.
    ///
    /// # Errors
    /// Where they do not go together.
    #[track_caller]
    pub fn geometry(&self, op: &'static str, x: &[usize], w: &[usize]) -> Result<ConvGeometry> {
        let rank = w.len().saturating_sub(2);
        ensure!(
            (1..=3).contains(&rank) && x.len() == w.len(),
            Shape,
            op,
            "input {x:?} and weight {w:?} must both have a dimension for each of one to three spatial ones, and two more"
        );
        let groups = self.groups;
        ensure!(groups > 0, Argument, op, "groups must be at least 1");
        ensure!(
            w[0] % groups == 0,
            Shape,
            op,
            "the weight {w:?} has {} output channels, which do not split into {groups} groups",
            w[0]
        );
        ensure!(
            w[1].checked_mul(groups) == Some(x[1]),
            Shape,
            op,
            "the weight {w:?} with {groups} groups takes {} channels, the input {x:?} has {}",
            w[1].saturating_mul(groups),
            x[1]
        );
        let (stride, dilation) =
            (self.stride.at_least(1, op, "stride", rank)?, self.dilation.at_least(1, op, "dilation", rank)?);
        let (padding, end) = (self.padding.at_least(0, op, "padding", rank)?, self.end.spread(op, "padding", rank)?);
        // What follows is the one place where sizes are computed from attributes. It bounds them: no place of the
        // padded input is beyond an `isize`, and a kernel lies inside of it. Kernels rely on that.
        let one = ConvDim { input: 1, output: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };
        let mut dims = [one; 3];
        for d in 0..rank {
            let (input, kernel) = (x[d + 2], w[d + 2]);
            ensure!(kernel > 0, Shape, op, "the weight {w:?} has a kernel of size zero");
            let reach = (kernel - 1).checked_mul(dilation[d]).and_then(|r| r.checked_add(1));
            let padded = input
                .checked_add(padding[d])
                .and_then(|p| p.checked_add_signed(end[d]))
                .filter(|p| *p <= isize::MAX as usize);
            let room = match (padded, reach) {
                (Some(padded), Some(reach)) if reach <= padded => padded - reach,
                _ => bail!(
                    Shape,
                    op,
                    "a kernel of size {kernel} with dilation {} does not fit size {input} padded by {} and {}",
                    dilation[d],
                    padding[d],
                    end[d]
                ),
            };
            let output = room / stride[d] + 1;
            dims[3 - rank + d] =
                ConvDim { input, output, kernel, stride: stride[d], padding: padding[d], dilation: dilation[d] };
        }
        Ok(Geometry { batch: x[0], groups, channels: w[1], features: w[0] / groups, dims, rank })
    }
}

#[track_caller]
fn check_dtypes(op: &'static str, inputs: &[&Tensor]) -> Result<()> {
    let dtype = inputs[0].dtype();
    for t in inputs {
        ensure!(t.dtype() == dtype, DType, op, "operands are {dtype} and {}; all must have one dtype", t.dtype());
    }
    ensure!(dtype != DType::Bool, DType, op, "not defined for bool");
    Ok(())
}

impl Infer for Conv {
    const NAME: &'static str = "conv";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Lower
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dtypes("conv", inputs)?;
        let (x, w) = (inputs[0].shape(), inputs[1].shape());
        if let Some(b) = inputs.get(2) {
            ensure!(
                *b.shape() == w[..1.min(w.len())],
                Shape,
                "conv",
                "the bias has shape {:?}, the weight {w:?} asks for {:?}",
                b.shape(),
                &w[..1.min(w.len())]
            );
        }
        Meta::new(self.geometry("conv", x, w)?.output(), inputs[0].dtype()).one()
    }
}

impl ConvInputGrad {
    /// The sizes, from the shapes of the output's gradient and of the weight.
    ///
    /// # Errors
    /// Where they do not go together.
    #[track_caller]
    pub fn geometry(&self, g: &[usize], w: &[usize]) -> Result<ConvGeometry> {
        let op = "conv_transpose";
        ensure!(
            (3..=5).contains(&w.len()) && g.len() == w.len(),
            Shape,
            op,
            "input {g:?} and weight {w:?} must both have a dimension for each of one to three spatial ones, and two more"
        );
        ensure!(g[1] == w[0], Shape, op, "the weight {w:?} takes {} channels, the input {g:?} has {}", w[0], g[1]);
        let mut x = Shape::from_slice(&[g[0], w[1].saturating_mul(self.conv.groups)]);
        x.extend(self.size.at_least(0, op, "size", w.len() - 2)?);
        let sizes = self.conv.geometry(op, &x, w)?;
        ensure!(sizes.output()[..] == *g, Shape, op, "the input has shape {g:?} where {:?} is right", sizes.output());
        Ok(sizes)
    }
}

impl Infer for ConvInputGrad {
    const NAME: &'static str = "conv_transpose";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Lower
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dtypes("conv_transpose", inputs)?;
        let sizes = self.geometry(inputs[0].shape(), inputs[1].shape())?;
        let mut shape = Shape::from_slice(&[sizes.batch, sizes.groups * sizes.channels]);
        inputs.get(2).map_or(Ok(()), |bias| check_bias("conv_transpose", bias, shape[1]))?;
        shape.extend(sizes.dims[3 - sizes.rank..].iter().map(|d| d.input));
        Meta::new(shape, inputs[0].dtype()).one()
    }
}

impl ConvWeightGrad {
    /// The sizes, from the shapes of the input and of the output's gradient.
    ///
    /// # Errors
    /// Where they do not go together.
    #[track_caller]
    pub fn geometry(&self, x: &[usize], g: &[usize]) -> Result<ConvGeometry> {
        let op = "conv_weight_grad";
        ensure!(
            (3..=5).contains(&x.len()) && g.len() == x.len(),
            Shape,
            op,
            "input {x:?} and gradient {g:?} do not go together"
        );
        ensure!(self.conv.groups > 0, Argument, op, "groups must be at least 1");
        let mut w = Shape::from_slice(&[g[1], x[1] / self.conv.groups]);
        w.extend(self.kernel.at_least(1, op, "kernel", x.len() - 2)?);
        let sizes = self.conv.geometry(op, x, &w)?;
        ensure!(
            sizes.output()[..] == *g,
            Shape,
            op,
            "the gradient has shape {g:?} where {:?} is right",
            sizes.output()
        );
        Ok(sizes)
    }
}

impl Infer for ConvWeightGrad {
    const NAME: &'static str = "conv_weight_grad";
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dtypes("conv_weight_grad", inputs)?;
        let sizes = self.geometry(inputs[0].shape(), inputs[1].shape())?;
        let mut shape = Shape::from_slice(&[sizes.groups * sizes.features, sizes.channels]);
        shape.extend(sizes.dims[3 - sizes.rank..].iter().map(|d| d.kernel));
        Meta::new(shape, inputs[0].dtype()).one()
    }
}

/// What stands around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// So many zeros on both sides.
    Zeros(Spatial),
    /// As many as make the output as large as the input, for stride 1: PyTorch's `"same"`.
    Same,
    /// None: PyTorch's `"valid"`.
    Valid,
}

impl<S: Into<Spatial>> From<S> for Padding {
    fn from(zeros: S) -> Padding {
        Padding::Zeros(zeros.into())
    }
}

crate::options! {
    /// The options of [`Tensor::conv2d`] and its fellows, with PyTorch's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct ConvOptions {
        /// See [`Conv::stride`]; 1.
        stride: ~into Spatial = 1.into(),
        /// Zeros around the input, or how many of them; none.
        padding: ~into Padding = Padding::Valid,
        /// See [`Conv::dilation`]; 1.
        dilation: ~into Spatial = 1.into(),
        /// See [`Conv::groups`]; 1.
        groups: usize = 1,
    }

    /// The options of [`Tensor::conv_transpose2d`] and its fellows, with PyTorch's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct ConvTransposeOptions {
        /// Stride per spatial dimension; 1.
        stride: ~into Spatial = 1.into(),
        /// What is left out on both sides; 0.
        padding: ~into Spatial = 0.into(),
        /// What is added at the end, below stride or dilation; 0.
        output_padding: ~into Spatial = 0.into(),
        /// Dilation per spatial dimension; 1.
        dilation: ~into Spatial = 1.into(),
        /// See [`Conv::groups`]; 1.
        groups: usize = 1,
    }
}

macro_rules! methods {
    ($($rank:literal, $conv:ident, $transpose:ident, $sizes:literal;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("Cross-correlation of `[n, c, ", $sizes, "]` (or without `n`) with a `weight` `[o, c / groups, k…]` and a `bias`")]
                #[doc = concat!("`[o]`: `torch.nn.functional.", stringify!($conv), "`.\n\n```\n# use flambeau_tensor::{ConvOptions, Tensor};")]
                #[doc = concat!("let (x, weight) = (Tensor::ones([6; 2 + ", $rank, "]).build()?, Tensor::ones([4, 6, 3, 3, 3][..2 + ", $rank, "].to_vec()).build()?);")]
                #[doc = concat!("let y = x.", stringify!($conv), "(&weight, None, ConvOptions::new().stride(2).padding(1))?;\nassert_eq!(y.shape()[1..3], [4, 3]);")]
                #[doc = "# Ok::<(), flambeau_tensor::Error>(())\n```\n\n# Errors"]
                /// Where shapes, channels, groups or dtypes do not go together, or the kernel is larger than the
                /// padded input.
                #[track_caller]
                pub fn $conv(&self, weight: impl AsRef<Tensor>, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
                    self.conv(stringify!($conv), $rank, weight.as_ref(), bias, options)
                }

                #[doc = concat!("Transposed convolution of `[n, c, ", $sizes, "]` (or without `n`) with a `weight` `[c, o / groups, k…]` and a")]
                #[doc = concat!("`bias` `[o]`, the gradient of a convolution with respect to its input: `torch.nn.functional.", stringify!($transpose), "`.\n\n# Errors\n")]
                /// As for the convolution, and where the output padding is not below stride or dilation.
                #[track_caller]
                pub fn $transpose(&self, weight: impl AsRef<Tensor>, bias: Option<&Tensor>, options: ConvTransposeOptions) -> Result<Tensor> {
                    self.conv_transpose(stringify!($transpose), $rank, weight.as_ref(), bias, options)
                }
            )*
        }
    };
}
methods! {
    1, conv1d, conv_transpose1d, "length";
    2, conv2d, conv_transpose2d, "height, width";
    3, conv3d, conv_transpose3d, "depth, height, width";
}

impl Tensor {
    #[track_caller]
    fn conv(
        &self,
        op: &'static str,
        rank: usize,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: ConvOptions,
    ) -> Result<Tensor> {
        check_ranks(op, rank, self, weight)?;
        let (padding, end) = match options.padding {
            Padding::Zeros(p) => (p, p),
            Padding::Valid => (0.into(), 0.into()),
            Padding::Same => same(op, &options, &weight.shape()[2..])?,
        };
        let op = Conv { stride: options.stride, padding, end, dilation: options.dilation, groups: options.groups };
        let batched = self.rank() == rank + 2;
        let x = if batched { self.clone() } else { self.unsqueeze(0)? };
        let out = match bias {
            Some(bias) => dispatch(op, &[&x, weight, bias])?,
            None => dispatch(op, &[&x, weight])?,
        };
        if batched { Ok(out) } else { out.squeeze(0) }
    }

    #[track_caller]
    fn conv_transpose(
        &self,
        op: &'static str,
        rank: usize,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: ConvTransposeOptions,
    ) -> Result<Tensor> {
        check_ranks(op, rank, self, weight)?;
        let ConvTransposeOptions { stride, padding, output_padding, dilation, groups } = options;
        let (s, d) = (stride.at_least(1, op, "stride", rank)?, dilation.at_least(1, op, "dilation", rank)?);
        let (p, extra) =
            (padding.at_least(0, op, "padding", rank)?, output_padding.at_least(0, op, "output_padding", rank)?);
        let (mut size, mut end) = (SmallVec::<[isize; 3]>::new(), SmallVec::<[isize; 3]>::new());
        for i in 0..rank {
            let (input, kernel) = (self.shape()[self.rank() - rank + i], weight.shape()[2 + i]);
            ensure!(
                extra[i] < s[i].max(d[i]),
                Argument,
                op,
                "output padding {output_padding:?} must be below stride {stride:?} or dilation {dilation:?}"
            );
            ensure!(
                input > 0 && kernel > 0,
                Shape,
                op,
                "input {:?} and weight {:?} must have spatial sizes above zero",
                self.shape(),
                weight.shape()
            );
            let whole =
                (input - 1).checked_mul(s[i]).zip((kernel - 1).checked_mul(d[i])).and_then(|(a, b)| a.checked_add(b));
            let left =
                whole.and_then(|w| w.checked_add(extra[i] + 1)).and_then(|w| w.checked_sub(p[i].saturating_mul(2)));
            match left {
                Some(left) if left > 0 && left <= isize::MAX as usize => size.push(left as isize),
                _ => bail!(
                    Shape,
                    op,
                    "input {:?} and weight {:?} with padding {padding:?} leave no output",
                    self.shape(),
                    weight.shape()
                ),
            }
            end.push(p[i] as isize - extra[i] as isize);
        }
        let conv = Conv { stride, padding, end: Spatial::from_slice(&end)?, dilation, groups };
        let transposed = ConvInputGrad { conv, size: Spatial::from_slice(&size)?, transposed: true };
        let batched = self.rank() == rank + 2;
        let x = if batched { self.clone() } else { self.unsqueeze(0)? };
        let out = match bias {
            // Of `bf16` the sum with the bias is rounded, not what it is added to.
            Some(bias) if x.dtype() == DType::BF16 => dispatch(transposed, &[&x, weight, bias])?,
            Some(bias) => {
                let out = dispatch(transposed, &[&x, weight])?;
                let channels = out.shape()[1];
                check_bias(op, bias, channels)?;
                let mut shape = Shape::from_elem(1, rank + 1);
                shape[0] = channels;
                out.add(bias.reshape(shape)?)?
            }
            None => dispatch(transposed, &[&x, weight])?,
        };
        if batched { Ok(out) } else { out.squeeze(0) }
    }
}

#[track_caller]
fn check_bias(op: &'static str, bias: &Tensor, channels: usize) -> Result<()> {
    ensure!(
        *bias.shape() == [channels],
        Shape,
        op,
        "the bias has shape {:?} where [{channels}] is right",
        bias.shape()
    );
    Ok(())
}

#[track_caller]
fn check_ranks(op: &'static str, rank: usize, x: &Tensor, weight: &Tensor) -> Result<()> {
    ensure!(weight.rank() == rank + 2, Shape, op, "the weight {:?} must have {} dimensions", weight.shape(), rank + 2);
    ensure!(
        x.rank() == rank + 1 || x.rank() == rank + 2,
        Shape,
        op,
        "the input {:?} must have {} dimensions, or {} without a batch",
        x.shape(),
        rank + 2,
        rank + 1
    );
    Ok(())
}

/// The zeros before and behind that keep the size; the odd one stands behind.
#[track_caller]
fn same(op: &'static str, options: &ConvOptions, kernel: &[usize]) -> Result<(Spatial, Spatial)> {
    ensure!(
        options.stride.given().iter().all(|s| *s == 1),
        Argument,
        op,
        "padding `same` needs stride 1, not {:?}",
        options.stride
    );
    let dilation = options.dilation.at_least(1, op, "dilation", kernel.len())?;
    let reach = |i: usize| dilation[i].checked_mul(kernel[i].saturating_sub(1)).filter(|n| *n <= isize::MAX as usize);
    ensure!(
        (0..kernel.len()).all(|i| reach(i).is_some()),
        Argument,
        op,
        "a kernel of sizes {kernel:?} with dilation {:?} is too large",
        options.dilation
    );
    let total = |i: usize| reach(i).unwrap_or(0) as isize;
    let before: SmallVec<[isize; 3]> = (0..kernel.len()).map(|i| total(i) / 2).collect();
    let behind: SmallVec<[isize; 3]> = (0..kernel.len()).map(|i| total(i) - total(i) / 2).collect();
    Ok((Spatial::from_slice(&before)?, Spatial::from_slice(&behind)?))
}
