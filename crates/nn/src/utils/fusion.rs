//! Batch norm that is done made part of the layer before it: `torch.nn.utils.fusion`.

use crate::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
    Linear, Module, Parameter,
};
use flambeau_tensor::{Result, Tensor, bail, ensure, no_grad};

/// What evaluation multiplies by and adds, for each channel.
struct Affine {
    factor: Tensor,
    shift: Tensor,
}

/// A batch norm that a layer before it can take in.
pub trait FusableNorm: Module {
    #[doc(hidden)]
    fn affine(&self) -> Result<(Tensor, Tensor)>;
}

macro_rules! norms {
    ($($Norm:ident),*) => {$(
        impl FusableNorm for $Norm {
            fn affine(&self) -> Result<(Tensor, Tensor)> {
                const NAME: &str = "fuse";
                ensure!(!self.is_training(), State, NAME, "the norm is in training: only what evaluation does can be fused");
                let (Some(mean), Some(var)) = (&self.running_mean, &self.running_var) else {
                    bail!(State, NAME, "the norm has no running statistics")
                };
                no_grad(|| {
                    let unit = var.detach().add(self.eps())?.rsqrt()?;
                    let factor = match &self.weight {
                        Some(weight) => unit.mul(&weight.detach())?,
                        None => unit,
                    };
                    let moved = mean.detach().mul(&factor)?.neg()?;
                    let shift = match &self.bias {
                        Some(bias) => moved.add(&bias.detach())?,
                        None => moved,
                    };
                    Ok((factor, shift))
                })
            }
        }
    )*};
}

norms!(BatchNorm1d, BatchNorm2d, BatchNorm3d);

/// A layer that can take in the batch norm behind it.
pub trait FusableLayer: Module + Sized {
    #[doc(hidden)]
    fn parts(&mut self) -> (&mut Parameter, &mut Option<Parameter>);

    /// The dimension of the weight that counts outputs.
    #[doc(hidden)]
    const OUTPUTS: usize;
}

macro_rules! layers {
    ($($Layer:ident $outputs:literal),*) => {$(
        impl FusableLayer for $Layer {
            const OUTPUTS: usize = $outputs;

            fn parts(&mut self) -> (&mut Parameter, &mut Option<Parameter>) {
                (&mut self.weight, &mut self.bias)
            }
        }
    )*};
}

layers!(Conv1d 0, Conv2d 0, Conv3d 0, ConvTranspose1d 1, ConvTranspose2d 1, ConvTranspose3d 1, Linear 0);

/// A copy of `layer` that does what `layer` and `norm` in evaluation do, one after the other.
#[track_caller]
fn fused<L: FusableLayer>(layer: &L, norm: &impl FusableNorm) -> Result<L> {
    let affine = norm.affine()?;
    let Affine { factor, shift } = Affine { factor: affine.0, shift: affine.1 };
    let mut fused = layer.deepcopy()?;
    let (weight, bias) = fused.parts();
    let (shape, trained) = (weight.shape().to_vec(), weight.requires_grad());
    ensure!(
        shape.len() > L::OUTPUTS && shape[L::OUTPUTS] == factor.numel(),
        Shape,
        "fuse",
        "the norm has {} channels, the layer's weight is {shape:?}",
        factor.numel()
    );
    let parameter = |t: Tensor| if trained { Parameter::new(t) } else { Ok(Parameter::frozen(&t)) };
    no_grad(|| -> Result<()> {
        let along: Vec<usize> = (0..shape.len()).map(|d| if d == L::OUTPUTS { factor.numel() } else { 1 }).collect();
        let fresh = weight.detach().mul(&factor.reshape(along)?)?;
        let moved = match &bias {
            Some(bias) => bias.detach().mul(&factor)?.add(&shift)?,
            None => shift,
        };
        *weight = parameter(fresh.to_dtype(weight.dtype())?)?;
        *bias = Some(parameter(moved.to_dtype(weight.dtype())?)?);
        Ok(())
    })?;
    Ok(fused)
}

/// The convolution `conv` and the batch norm `norm` in evaluation as one convolution:
/// `torch.nn.utils.fusion.fuse_conv_bn_eval`.
///
/// ```
/// use flambeau_nn::{BatchNorm2d, Call, Conv2d, Module, utils::fuse_conv_bn_eval};
/// use flambeau_tensor::Tensor;
///
/// let (conv, norm) = (Conv2d::new(3, 4, 3).bias(false).build()?, BatchNorm2d::new(4).build()?);
/// norm.call(&Tensor::randn([2, 4, 5, 5]).build()?)?;
/// norm.eval();
/// let x = Tensor::randn([1, 3, 6, 6]).build()?;
/// let (apart, one) = (norm.call(&conv.call(&x)?)?, fuse_conv_bn_eval(&conv, &norm)?.call(&x)?);
/// assert!(apart.sub(&one)?.abs()?.max_all()?.item::<f64>()? < 1e-5);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the norm is in training, has no running statistics, or has another number of channels.
#[track_caller]
pub fn fuse_conv_bn_eval<L: FusableLayer>(conv: &L, norm: &impl FusableNorm) -> Result<L> {
    fused(conv, norm)
}

/// The linear layer and the batch norm in evaluation as one linear layer:
/// `torch.nn.utils.fusion.fuse_linear_bn_eval`.
///
/// # Errors
/// Where the norm is in training, has no running statistics, or has another number of features.
#[track_caller]
pub fn fuse_linear_bn_eval(linear: &Linear, norm: &impl FusableNorm) -> Result<Linear> {
    fused(linear, norm)
}
