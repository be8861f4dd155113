//! Convolution whose window looks elsewhere at every place.

use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure, options};

options! {
    /// The options of [`deform_conv2d`], with torchvision's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct DeformConvOptions<'a> {
        /// What is added to each output channel; nothing.
        bias: ~into Option<&'a Tensor> = None,
        /// Stride per spatial dimension; 1.
        stride: (usize, usize) = (1, 1),
        /// Zeros around the input; none.
        padding: (usize, usize) = (0, 0),
        /// Dilation per spatial dimension; 1.
        dilation: (usize, usize) = (1, 1),
        /// By how much each element of each window counts, `[B, groups · kh · kw, out h, out w]`; all alike.
        mask: ~into Option<&'a Tensor> = None,
    }
}

/// Convolution of `x` `[B, C, H, W]` with `weight` `[O, C / groups, kh, kw]` in which every element of every window looks
/// `offset` (y, x) away from its place: `[B, 2 · offset groups · kh · kw, out h, out w]`. Follows
/// `torchvision.ops.deform_conv2d` ("Deformable ConvNets v2", X. Zhu et al., 2019).
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn deform_conv2d(x: &Tensor, offset: &Tensor, weight: &Tensor, options: DeformConvOptions<'_>) -> Result<Tensor> {
    let op = "deform_conv2d";
    let DeformConvOptions { bias, stride, padding, dilation, mask } = options;
    let (&[batch, channels, h, w], &[outputs, per_group, kh, kw]) = (x.shape(), weight.shape()) else {
        bail!(Shape, op, "an input of {:?} and a weight of {:?}; both have four dimensions", x.shape(), weight.shape())
    };
    let out = |n: usize, pad: usize, k: usize, dilation: usize, stride: usize| -> Option<usize> {
        let reach = dilation.checked_mul(k.checked_sub(1)?)?.checked_add(1)?;
        Some(n.checked_add(pad.checked_mul(2)?)?.checked_sub(reach)?.checked_div(stride)? + 1)
    };
    let (Some(oh), Some(ow)) =
        (out(h, padding.0, kh, dilation.0, stride.0), out(w, padding.1, kw, dilation.1, stride.1))
    else {
        bail!(Shape, op, "a window of {kh}×{kw} does not fit an input of {h}×{w}, or a stride is 0")
    };
    let groups = if per_group > 0 { channels / per_group } else { 0 };
    ensure!(
        groups > 0 && groups * per_group == channels && outputs.is_multiple_of(groups),
        Shape,
        op,
        "{channels} channels and {outputs} outputs do not fall into groups of {per_group}"
    );
    let (Some(window), Some(area)) = (kh.checked_mul(kw), oh.checked_mul(ow)) else {
        bail!(Memory, op, "windows of {kh}×{kw} at {oh}×{ow} places are more than can be counted")
    };
    let &[ob, oc, ..] = offset.shape() else { bail!(Shape, op, "an offset of shape {:?}", offset.shape()) };
    let shifts = oc / window.saturating_mul(2).max(1);
    let fits = ob == batch && shifts > 0 && oc == shifts * 2 * window && channels.is_multiple_of(shifts);
    ensure!(
        fits && offset.shape()[2..] == [oh, ow],
        Shape,
        op,
        "an offset of shape {:?}; [{batch}, n · {}, {oh}, {ow}] is expected",
        offset.shape(),
        window.saturating_mul(2)
    );
    if let Some(mask) = mask {
        let want = [batch, shifts * window, oh, ow];
        ensure!(*mask.shape() == want, Shape, op, "a mask of shape {:?}; {want:?} is expected", mask.shape());
    }
    // Where the elements of the windows lie without offset: [window, area].
    check_bytes(op, window.saturating_mul(area).saturating_mul(size_of::<f64>()))?;
    let place = |f: &dyn Fn(usize, usize) -> f64| -> Result<Tensor> {
        let all: Vec<f64> =
            (0..window).flat_map(|k| (0..area).map(move |at| (k, at))).map(|(k, at)| f(k, at)).collect();
        Tensor::from_vec(all, [window, area])?.to_dtype(x.dtype())
    };
    let rows = place(&|k, at| ((at / ow * stride.0 + k / kw * dilation.0) as f64) - padding.0 as f64)?;
    let columns = place(&|k, at| ((at % ow * stride.1 + k % kw * dilation.1) as f64) - padding.1 as f64)?;
    let offset = offset.reshape([batch, shifts, window, 2, area])?;
    let (y, x_at) = (offset.select(3, 0)?.add(&rows)?, offset.select(3, 1)?.add(&columns)?);
    let (top, left) = (y.detach().floor()?, x_at.detach().floor()?);
    let (down, right) = (y.sub(&top)?, x_at.sub(&left)?);
    let flat = x.reshape([batch, shifts, channels / shifts, h * w])?;
    let mut sum: Option<Tensor> = None;
    for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (i, j) = (top.add(dy)?, left.add(dx)?);
        let inside = i.ge(0)?.logical_and(&i.lt(h as i64)?)?.logical_and(&j.ge(0)?)?.logical_and(&j.lt(w as i64)?)?;
        let at = i.mul(w as f64)?.add(&j)?.masked_fill(&inside.logical_not()?, 0.0)?.to_dtype(DType::I64)?;
        let share = |toward: &Tensor, far: i32| if far == 1 { Ok(toward.clone()) } else { toward.rsub(1.0) };
        let weight = share(&down, dy)?.mul(&share(&right, dx)?)?.mul(&inside.to_dtype(x.dtype())?)?;
        let at =
            at.reshape([batch, shifts, 1, window * area])?.expand([batch, shifts, channels / shifts, window * area])?;
        let part = flat.gather(-1, &at)?.mul(&weight.reshape([batch, shifts, 1, window * area])?)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.add(&part)?,
        });
    }
    let Some(sum) = sum else { bail!(Shape, op, "there is no window") };
    let sum = match mask {
        Some(mask) => sum.mul(&mask.reshape([batch, shifts, 1, window * area])?)?,
        None => sum,
    };
    let columns = sum.reshape([batch, groups, per_group * window, area])?;
    let weight = weight.reshape([1, groups, outputs / groups, per_group * window])?;
    let y = weight.matmul(&columns)?.reshape([batch, outputs, oh, ow])?;
    match bias {
        Some(bias) => y.add(&bias.reshape([outputs, 1, 1])?),
        None => Ok(y),
    }
}
