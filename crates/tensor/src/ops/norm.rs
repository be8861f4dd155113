//! Normalisation: by layer, by root mean square, by batch, by group and by instance.
//!
//! The forward ops also give the statistics they used, which their backward ops take: one pass for the
//! gradients of input, weight and bias together. A backward op's decomposition computes the statistics
//! anew from x, so that derivatives of higher order see how they depend on it.

use crate::op::{Infer, Meta, Metas, Outputs};
use crate::shape::{DimList, Shape, numel};
use crate::{DType, Result, Tensor, bail, ensure};
use smallvec::SmallVec;

mod methods;

pub use methods::BatchNormOptions;

/// (x − mean) / √(variance + eps) over the last dimensions, then times weight, plus bias. Inputs: x, and
/// of weight and bias those there are, of the shape of those dimensions. Outputs: y, mean, 1 / √(variance + eps).
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// How many of the last dimensions are normalised over.
    pub dims: usize,
    /// Added to the variance.
    pub eps: f64,
    /// There is a weight.
    pub weight: bool,
    /// There is a bias.
    pub bias: bool,
}

/// The gradients through [`LayerNorm`]. Inputs: gradient, x, mean, 1 / √(variance + eps), and the weight
/// if there is one. Outputs: of the gradients of x, weight and bias those asked for.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormBackward {
    /// The op whose gradients they are.
    pub of: LayerNorm,
    /// Which are asked for.
    pub needs: [bool; 3],
}

/// x / √(mean of squares + eps) over the last dimensions, then times weight. Inputs: x, and the weight if
/// there is one. Outputs: y, 1 / √(mean of squares + eps).
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm {
    /// How many of the last dimensions are normalised over.
    pub dims: usize,
    /// Added to the mean of squares.
    pub eps: f64,
    /// There is a weight.
    pub weight: bool,
}

/// The gradients through [`RmsNorm`]. Inputs: gradient, x, 1 / √(mean of squares + eps), and the weight if
/// there is one. Outputs: of the gradients of x and weight those asked for.
#[derive(Clone, Copy, Debug)]
pub struct RmsNormBackward {
    /// The op whose gradients they are.
    pub of: RmsNorm,
    /// Which are asked for.
    pub needs: [bool; 2],
}

/// (x − mean) / √(variance + eps) for each channel (dimension 1), then times weight, plus bias. Inputs: x,
/// mean and variance unless they are the batch's own, and of weight and bias those there are. Outputs: y,
/// and where they are the batch's own mean and (biased) variance.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Mean and variance are those of x.
    pub training: bool,
    /// Added to the variance.
    pub eps: f64,
    /// There is a weight.
    pub weight: bool,
    /// There is a bias.
    pub bias: bool,
}

/// The gradients through [`BatchNorm`]. Inputs: gradient, x, mean, variance, and the weight if there is
/// one. Outputs: of the gradients of x, weight and bias those asked for.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormBackward {
    /// The op whose gradients they are.
    pub of: BatchNorm,
    /// Which are asked for.
    pub needs: [bool; 3],
}

/// (x − mean) / √(variance + eps) for each sample (dimension 0) and group of channels (dimension 1), then
/// times the channel's weight, plus its bias. Inputs: x, and of weight and bias those there are. Outputs: y,
/// mean and (biased) variance, of shape `[samples, groups]`.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm {
    /// Into how many groups the channels are divided.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
    /// There is a weight.
    pub weight: bool,
    /// There is a bias.
    pub bias: bool,
}

/// The gradients through [`GroupNorm`]. Inputs: gradient, x, mean, variance, and the weight if there is
/// one. Outputs: of the gradients of x, weight and bias those asked for.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormBackward {
    /// The op whose gradients they are.
    pub of: GroupNorm,
    /// Which are asked for.
    pub needs: [bool; 3],
}

/// The dtype of statistics: what the kernels compute in.
fn statistics(x: &Tensor) -> DType {
    if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Weights, biases and running statistics must have `shape` and go with the dtype of `x`.
fn check_parameters(op: &'static str, x: &Tensor, shape: &[usize], parameters: &[&Tensor]) -> Result<()> {
    ensure!(x.dtype().is_float(), DType, op, "not defined for {}, only for floating point", x.dtype());
    for p in parameters {
        ensure!(
            p.dtype().is_float() && statistics(p) == statistics(x),
            DType,
            op,
            "a parameter is {}, the input {}",
            p.dtype(),
            x.dtype()
        );
        ensure!(
            *p.shape() == *shape,
            Shape,
            op,
            "a parameter has shape {:?}, the input {:?} needs {shape:?}",
            p.shape(),
            x.shape()
        );
    }
    Ok(())
}

/// Of `inputs`, the first `fixed` are always there, the others where `given` says so.
fn check_count(op: &'static str, inputs: &[&Tensor], fixed: usize, given: &[bool]) -> Result<()> {
    let count = fixed + given.iter().filter(|given| **given).count();
    ensure!(inputs.len() == count, Argument, op, "{} inputs where {count} are right", inputs.len());
    Ok(())
}

/// The shape of `x` before its last `dims` dimensions, and that of those.
fn split<'a>(op: &'static str, x: &'a Tensor, dims: usize) -> Result<(&'a [usize], &'a [usize])> {
    match x.rank().checked_sub(dims) {
        Some(lead) => Ok(x.shape().split_at(lead)),
        None => bail!(Shape, op, "a tensor of shape {:?} has no {dims} last dimensions", x.shape()),
    }
}

/// The size of dimension 1.
fn channels<'a>(op: &'static str, x: &'a Tensor) -> Result<&'a [usize]> {
    ensure!(x.rank() >= 2, Shape, op, "shape {:?} has no channels; [samples, channels, …] is expected", x.shape());
    Ok(&x.shape()[1..2])
}

/// What a backward op takes must be as the forward op gave it: a gradient like x, statistics of shape `lead`.
fn check_saved(op: &'static str, g: &Tensor, x: &Tensor, lead: &[usize], saved: &[&Tensor]) -> Result<()> {
    ensure!(
        g.shape() == x.shape() && g.dtype() == x.dtype(),
        Shape,
        op,
        "the gradient is {} {:?}, the input {} {:?}",
        g.dtype(),
        g.shape(),
        x.dtype(),
        x.shape()
    );
    check_parameters(op, x, lead, saved)
}

/// The gradients asked for: like x, and like a parameter of shape `shape`.
fn gradient_metas(needs: &[bool], x: &Tensor, shape: &[usize], weight: Option<&&Tensor>) -> Metas {
    let dtype = weight.map_or(x.dtype(), |w| w.dtype());
    let metas =
        std::iter::once(Meta::like(x)).chain((1..needs.len()).map(|_| Meta::new(Shape::from_slice(shape), dtype)));
    metas.zip(needs).filter(|m| *m.1).map(|m| m.0).collect()
}

/// Of `all`, those asked for.
fn asked(needs: &[bool], all: &[&dyn Fn() -> Result<Tensor>]) -> Result<Outputs> {
    all.iter().zip(needs).filter(|a| *a.1).map(|a| a.0()).collect()
}

/// The mean over `dims`, which stay with size 1.
fn mean(x: &Tensor, dims: &DimList) -> Result<Tensor> {
    let n: usize = dims.iter().map(|d| x.shape()[*d]).product();
    x.sum_keepdim(dims.clone())?.div(n as f64)
}

/// x less its mean, the mean, and the variance.
fn moments(x: &Tensor, dims: &DimList) -> Result<(Tensor, Tensor, Tensor)> {
    let mu = mean(x, dims)?;
    let centred = x.sub(&mu)?;
    let variance = mean(&centred.square()?, dims)?;
    Ok((centred, mu, variance))
}

/// x · weight + bias, of those there are.
fn affine(x: Tensor, weight: Option<Tensor>, bias: Option<Tensor>) -> Result<Tensor> {
    let scaled = match weight {
        Some(w) => x.mul(&w)?,
        None => x,
    };
    match bias {
        Some(b) => scaled.add(&b),
        None => Ok(scaled),
    }
}

/// The gradient of x by that of the normalised x̂ (`g`): 1/σ (g − mean(g) − x̂ mean(g x̂)), the means over `dims`.
fn through_norm(g: &Tensor, hat: &Tensor, rstd: &Tensor, dims: &DimList) -> Result<Tensor> {
    let along = hat.mul(&mean(&g.mul(hat)?, dims)?)?;
    g.sub(&mean(g, dims)?)?.sub(&along)?.mul(rstd)
}

/// The sum over `dims`, which go away.
fn summed(x: Tensor, dims: &[usize]) -> Result<Tensor> {
    if dims.is_empty() { Ok(x) } else { x.sum(dims) }
}

/// The last `n` of `rank` dimensions.
fn last(n: usize, rank: usize) -> DimList {
    (rank - n..rank).collect()
}

impl LayerNorm {
    fn gradients(self, needs: [bool; 3], inputs: &[&Tensor]) -> Result<Outputs> {
        let (g, x, weight) = (inputs[0], inputs[1], inputs.get(4));
        let (dims, lead) = (last(self.dims, x.rank()), last(x.rank() - self.dims, x.rank() - self.dims));
        let (centred, _, variance) = moments(x, &dims)?;
        let rstd = variance.add(self.eps)?.rsqrt()?;
        let hat = centred.mul(&rstd)?;
        let scaled = weight.map_or(Ok(g.clone()), |w| g.mul(*w))?;
        asked(
            &needs,
            &[&|| through_norm(&scaled, &hat, &rstd, &dims), &|| summed(g.mul(&hat)?, &lead), &|| {
                summed(g.clone(), &lead)
            }],
        )
    }
}

impl Infer for LayerNorm {
    const NAME: &'static str = "layer_norm";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (lead, over) = split(Self::NAME, x, self.dims)?;
        check_count(Self::NAME, inputs, 1, &[self.weight, self.bias])?;
        check_parameters(Self::NAME, x, over, &inputs[1..])?;
        let stats = Meta::new(Shape::from_slice(lead), statistics(x));
        Ok(Metas::from_iter([Meta::like(x), stats.clone(), stats]))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let x = inputs[0];
            let (dims, lead) = (last(self.dims, x.rank()), &x.shape()[..x.rank() - self.dims]);
            let (centred, mu, variance) = moments(x, &dims)?;
            let rstd = variance.add(self.eps)?.rsqrt()?;
            let mut parameters = inputs[1..].iter().map(|t| (*t).clone());
            let (weight, bias) = (parameters.by_ref().take(self.weight as usize).next(), parameters.next());
            let y = affine(centred.mul(&rstd)?, weight, bias)?;
            Ok(Outputs::from_iter([y, mu.reshape(lead)?, rstd.reshape(lead)?]))
        };
        Some(run())
    }
}

impl Infer for LayerNormBackward {
    const NAME: &'static str = "layer_norm_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_count(Self::NAME, inputs, 4, &[self.of.weight])?;
        let (x, weight) = (inputs[1], &inputs[4..]);
        let (lead, over) = split(Self::NAME, x, self.of.dims)?;
        check_saved(Self::NAME, inputs[0], x, lead, &inputs[2..4])?;
        check_parameters(Self::NAME, x, over, weight)?;
        Ok(gradient_metas(&self.needs, x, over, weight.first()))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.of.gradients(self.needs, inputs))
    }
}

impl Infer for RmsNorm {
    const NAME: &'static str = "rms_norm";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (lead, over) = split(Self::NAME, x, self.dims)?;
        check_count(Self::NAME, inputs, 1, &[self.weight])?;
        check_parameters(Self::NAME, x, over, &inputs[1..])?;
        Ok(Metas::from_iter([Meta::like(x), Meta::new(Shape::from_slice(lead), statistics(x))]))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let x = inputs[0];
            let rstd = mean(&x.square()?, &last(self.dims, x.rank()))?.add(self.eps)?.rsqrt()?;
            let y = affine(x.mul(&rstd)?, inputs.get(1).map(|w| (*w).clone()), None)?;
            Ok(Outputs::from_iter([y, rstd.reshape(&x.shape()[..x.rank() - self.dims])?]))
        };
        Some(run())
    }
}

impl Infer for RmsNormBackward {
    const NAME: &'static str = "rms_norm_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_count(Self::NAME, inputs, 3, &[self.of.weight])?;
        let (x, weight) = (inputs[1], &inputs[3..]);
        let (lead, over) = split(Self::NAME, x, self.of.dims)?;
        check_saved(Self::NAME, inputs[0], x, lead, &inputs[2..3])?;
        check_parameters(Self::NAME, x, over, weight)?;
        Ok(gradient_metas(&self.needs, x, over, weight.first()))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (g, x, weight) = (inputs[0], inputs[1], inputs.get(3));
            let (n, rank) = (self.of.dims, x.rank());
            let (dims, lead) = (last(n, rank), last(rank - n, rank - n));
            let rstd = mean(&x.square()?, &dims)?.add(self.of.eps)?.rsqrt()?;
            let hat = x.mul(&rstd)?;
            let scaled = weight.map_or(Ok(g.clone()), |w| g.mul(*w))?;
            let through = || scaled.sub(&hat.mul(&mean(&scaled.mul(&hat)?, &dims)?)?)?.mul(&rstd);
            asked(&self.needs, &[&through, &|| summed(g.mul(&hat)?, &lead)])
        };
        Some(run())
    }
}

/// All dimensions but that of the channels.
fn not_channels(rank: usize) -> DimList {
    (0..rank).filter(|d| *d != 1).collect()
}

/// One number for each channel, as a tensor that broadcasts over `[samples, channels, …]` of `rank` dimensions.
fn by_channel(p: &Tensor, rank: usize) -> Result<Tensor> {
    let shape: Shape = (0..rank).map(|d| if d == 1 { p.numel() } else { 1 }).collect();
    p.reshape(shape)
}

impl Infer for BatchNorm {
    const NAME: &'static str = "batch_norm";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let channels = channels(Self::NAME, x)?;
        check_count(Self::NAME, inputs, if self.training { 1 } else { 3 }, &[self.weight, self.bias])?;
        check_parameters(Self::NAME, x, channels, &inputs[1..])?;
        let stats = Meta::new(Shape::from_slice(channels), statistics(x));
        let mut metas = Metas::from_iter([Meta::like(x)]);
        if self.training {
            metas.extend([stats.clone(), stats]);
        }
        Ok(metas)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (x, rank) = (inputs[0], inputs[0].rank());
            let mut rest = inputs[1..].iter().map(|t| by_channel(t, rank));
            let (centred, mu, variance) = if self.training {
                moments(x, &not_channels(rank))?
            } else {
                let (Some(mu), Some(variance)) = (rest.next().transpose()?, rest.next().transpose()?) else {
                    bail!(Argument, Self::NAME, "without training, mean and variance must be given")
                };
                (x.sub(&mu)?, mu, variance)
            };
            let hat = centred.mul(&variance.add(self.eps)?.rsqrt()?)?;
            let weight = rest.by_ref().take(self.weight as usize).next().transpose()?;
            let y = affine(hat, weight, rest.next().transpose()?)?;
            let mut outputs = Outputs::from_iter([y]);
            if self.training {
                outputs.extend([mu.flatten(0, -1)?, variance.flatten(0, -1)?]);
            }
            Ok(outputs)
        };
        Some(run())
    }
}

impl Infer for BatchNormBackward {
    const NAME: &'static str = "batch_norm_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_count(Self::NAME, inputs, 4, &[self.of.weight])?;
        let (x, weight) = (inputs[1], &inputs[4..]);
        let channels = channels(Self::NAME, x)?;
        check_saved(Self::NAME, inputs[0], x, channels, &inputs[2..4])?;
        check_parameters(Self::NAME, x, channels, weight)?;
        Ok(gradient_metas(&self.needs, x, channels, weight.first()))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (g, x, rank) = (inputs[0], inputs[1], inputs[1].rank());
            let dims = not_channels(rank);
            let (centred, variance) = if self.of.training {
                let (centred, _, variance) = moments(x, &dims)?;
                (centred, variance)
            } else {
                (x.sub(&by_channel(inputs[2], rank)?)?, by_channel(inputs[3], rank)?)
            };
            let rstd = variance.add(self.of.eps)?.rsqrt()?;
            let hat = centred.mul(&rstd)?;
            let scaled = inputs.get(4).map_or(Ok(g.clone()), |w| g.mul(&by_channel(w, rank)?))?;
            let through =
                || if self.of.training { through_norm(&scaled, &hat, &rstd, &dims) } else { scaled.mul(&rstd) };
            asked(&self.needs, &[&through, &|| summed(g.mul(&hat)?, &dims), &|| summed(g.clone(), &dims)])
        };
        Some(run())
    }
}

/// `[samples, channels, …]` as `[samples, groups, the rest]`.
fn grouped(x: &Tensor, groups: usize) -> Result<Tensor> {
    let samples = x.shape()[0];
    x.reshape([samples, groups, numel(&x.shape()[1..]) / groups.max(1)])
}

impl GroupNorm {
    #[track_caller]
    fn check_groups(&self, op: &'static str, x: &Tensor, channels: usize) -> Result<()> {
        let groups = self.groups;
        ensure!(
            groups > 0 && channels % groups == 0,
            Argument,
            op,
            "the {channels} channels of shape {:?} do not divide into {groups} groups",
            x.shape()
        );
        Ok(())
    }
}

impl Infer for GroupNorm {
    const NAME: &'static str = "group_norm";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let channels = channels(Self::NAME, x)?;
        self.check_groups(Self::NAME, x, channels[0])?;
        check_count(Self::NAME, inputs, 1, &[self.weight, self.bias])?;
        check_parameters(Self::NAME, x, channels, &inputs[1..])?;
        let stats = Meta::new(Shape::from_slice(&[x.shape()[0], self.groups]), statistics(x));
        Ok(Metas::from_iter([Meta::like(x), stats.clone(), stats]))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (x, rank) = (inputs[0], inputs[0].rank());
            let (centred, mu, variance) = moments(&grouped(x, self.groups)?, &DimList::from_slice(&[2]))?;
            let hat = centred.mul(&variance.add(self.eps)?.rsqrt()?)?.reshape(x.shape())?;
            let mut rest = inputs[1..].iter().map(|t| by_channel(t, rank));
            let weight = rest.by_ref().take(self.weight as usize).next().transpose()?;
            let y = affine(hat, weight, rest.next().transpose()?)?;
            Ok(Outputs::from_iter([y, mu.squeeze(2)?, variance.squeeze(2)?]))
        };
        Some(run())
    }
}

impl Infer for GroupNormBackward {
    const NAME: &'static str = "group_norm_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_count(Self::NAME, inputs, 4, &[self.of.weight])?;
        let (x, weight) = (inputs[1], &inputs[4..]);
        let channels = channels(Self::NAME, x)?;
        self.of.check_groups(Self::NAME, x, channels[0])?;
        check_saved(Self::NAME, inputs[0], x, &[x.shape()[0], self.of.groups], &inputs[2..4])?;
        check_parameters(Self::NAME, x, channels, weight)?;
        Ok(gradient_metas(&self.needs, x, channels, weight.first()))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (g, x, rank, groups) = (inputs[0], inputs[1], inputs[1].rank(), self.of.groups);
            let (dims, within) = (not_channels(rank), DimList::from_slice(&[2]));
            let (centred, _, variance) = moments(&grouped(x, groups)?, &within)?;
            let rstd = variance.add(self.of.eps)?.rsqrt()?;
            let hat = centred.mul(&rstd)?;
            let scaled = inputs.get(4).map_or(Ok(g.clone()), |w| g.mul(&by_channel(w, rank)?))?;
            let through = || through_norm(&grouped(&scaled, groups)?, &hat, &rstd, &within)?.reshape(x.shape());
            asked(
                &self.needs,
                &[&through, &|| summed(g.mul(&hat.reshape(x.shape())?)?, &dims), &|| summed(g.clone(), &dims)],
            )
        };
        Some(run())
    }
}

/// The tensors there are.
fn there<'a>(all: impl IntoIterator<Item = Option<&'a Tensor>>) -> SmallVec<[&'a Tensor; 6]> {
    all.into_iter().flatten().collect()
}

/// The first of an op's outputs.
fn first(outputs: Outputs) -> Result<Tensor> {
    outputs
        .into_iter()
        .next()
        .ok_or_else(|| crate::Error::new(crate::ErrorKind::Unsupported, "norm", "an op without outputs"))
}
