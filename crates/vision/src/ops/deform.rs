//! Convolution whose window looks elsewhere at every place: what the windows see is gathered into columns, the channels of
//! a pixel side by side, and multiplied by the weight.

use crate::simd::simd;
use crate::transforms::functional::real::Real;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, CustomOp};
use flambeau_tensor::op::{Meta, Metas, Outputs};
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
    let (Some(window), Some(_)) = (kh.checked_mul(kw), oh.checked_mul(ow)) else {
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
    let columns =
        Columns { op, size: (h, w), window: (kh, kw), out: (oh, ow), stride, padding, dilation, shifts, groups };
    let dtype = x.dtype();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let pixels = x.permute([0, 2, 3, 1])?.to_dtype(wide)?.contiguous()?;
    let (offset, mask) = (offset.to_dtype(wide)?, mask.map(|mask| mask.to_dtype(wide)).transpose()?);
    let inputs: Vec<&Tensor> = [&pixels, &offset].into_iter().chain(&mask).collect();
    let columns = columns.call(&inputs)?.to_dtype(dtype)?;
    let weight = weight.reshape([groups, outputs / groups, per_group, window])?.transpose(2, 3)?;
    let weight = weight.reshape([1, groups, outputs / groups, window * per_group])?;
    let y = weight.matmul(&columns.transpose(-1, -2)?)?.reshape([batch, outputs, oh, ow])?;
    match bias {
        Some(bias) => y.add(&bias.reshape([outputs, 1, 1])?),
        None => Ok(y),
    }
}

/// What the windows see of pixels `[B, H, W, C]`, given offsets and perhaps a mask: `[B, groups, out h · out w, kh · kw · C
/// / groups]`.
#[derive(Clone, Copy, Debug)]
struct Columns {
    op: &'static str,
    size: (usize, usize),
    window: (usize, usize),
    out: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
    dilation: (usize, usize),
    /// Parts of the channels that have offsets of their own, and those that have weights of their own.
    shifts: usize,
    groups: usize,
}

impl CustomOp for Columns {
    fn name(&self) -> &'static str {
        self.op
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (batch, per_group) = (inputs[0].shape()[0], inputs[0].shape()[3] / self.groups);
        let shape = [batch, self.groups, self.out.0 * self.out.1, self.window.0 * self.window.1 * per_group];
        Meta::new(&shape[..], inputs[0].dtype()).one()
    }

    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }

    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.by_ops(inputs).map(|y| Outputs::from_iter([y])))
    }
}

impl CpuKernel for Columns {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        match inputs[0].dtype() {
            DType::F64 => self.compute::<f64>(inputs, outputs),
            _ => self.compute::<f32>(inputs, outputs),
        }
    }
}

/// Four pixels of an image, by the number of the first of their channels, and what each counts.
struct Place<R> {
    at: [Option<usize>; 4],
    share: [R; 4],
}

impl Columns {
    /// Where, along y and x, the element `k` of the window at `place` lies without offset.
    fn origin(&self, place: usize, k: usize) -> [f64; 2] {
        let (row, column) = (place / self.out.1, place % self.out.1);
        let (i, j) = (k / self.window.1, k % self.window.1);
        let along = |at: usize, stride: usize, k: usize, dilation: usize, padding: usize| {
            (at * stride + k * dilation) as f64 - padding as f64
        };
        [
            along(row, self.stride.0, i, self.dilation.0, self.padding.0),
            along(column, self.stride.1, j, self.dilation.1, self.padding.1),
        ]
    }

    /// The pixels around a point of an image.
    #[inline(always)]
    fn around<R: Real>(&self, y: R, x: R, channels: usize) -> Place<R> {
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = (y - top, x - left);
        let (up, back) = (R::of(1.0) - down, R::of(1.0) - right);
        let (h, w) = self.size;
        let pixel = |y: R, x: R| {
            let (y, x) = (y.wide(), x.wide());
            let inside = y >= 0.0 && x >= 0.0 && y < h as f64 && x < w as f64;
            inside.then(|| (y as usize * w + x as usize) * channels)
        };
        let (low, high) = (top + R::of(1.0), left + R::of(1.0));
        Place {
            at: [pixel(top, left), pixel(top, high), pixel(low, left), pixel(low, high)],
            share: [up * back, up * right, down * back, down * right],
        }
    }

    fn compute<R: Real>(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let (x, offset) = (inputs[0].rows::<R>()?, inputs[1].rows::<R>()?);
        let mask = inputs.get(2).map(|mask| mask.rows::<R>()).transpose()?;
        let columns = outputs[0].rows::<R>()?;
        let (channels, area, window) = (inputs[0].shape()[3], self.out.0 * self.out.1, self.window.0 * self.window.1);
        let (image, per_group) = (self.size.0 * self.size.1 * channels, channels / self.groups);
        let (nothing, shifted) = (vec![R::default(); channels], channels / self.shifts);
        let images = x.chunks_exact(image.max(1)).zip(offset.chunks_exact(self.shifts * window * 2 * area));
        for (b, ((x, offset), columns)) in
            images.zip(columns.chunks_exact_mut((channels * window * area).max(1))).enumerate()
        {
            simd(
                #[inline(always)]
                || {
                    for place in 0..area {
                        for k in 0..window {
                            let [row, column] = self.origin(place, k);
                            for shift in 0..self.shifts {
                                let by = (shift * window + k) * 2 * area + place;
                                let (y, x_at) = (offset[by] + R::of(row), offset[by + area] + R::of(column));
                                let found = self.around(y, x_at, channels);
                                let counts =
                                    mask.as_ref().map(|m| m[((b * self.shifts + shift) * window + k) * area + place]);
                                // Channels of one shift and one group lie side by side.
                                let (mut from, end) = (shift * shifted, (shift + 1) * shifted);
                                while from < end {
                                    let group = from / per_group;
                                    let to = end.min((group + 1) * per_group);
                                    let pixel = |at: Option<usize>| match at {
                                        Some(at) => &x[at + from..at + to],
                                        None => &nothing[from..to],
                                    };
                                    let start = ((group * area + place) * window + k) * per_group + from % per_group;
                                    let pixels = [
                                        pixel(found.at[0]),
                                        pixel(found.at[1]),
                                        pixel(found.at[2]),
                                        pixel(found.at[3]),
                                    ];
                                    mix(pixels, found.share, counts, &mut columns[start..start + to - from]);
                                    from = to;
                                }
                            }
                        }
                    }
                },
            );
        }
        Ok(())
    }

    /// The same in ops that have derivatives.
    fn by_ops(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let &[batch, h, w, channels] = inputs[0].shape() else { bail!(Shape, self.op, "{:?}", inputs[0].shape()) };
        let (window, area, shifts) = (self.window.0 * self.window.1, self.out.0 * self.out.1, self.shifts);
        let (dtype, device) = (inputs[0].dtype(), inputs[0].device());
        // Where the elements of the windows lie without offset: [window, area].
        check_bytes(self.op, window.saturating_mul(area).saturating_mul(size_of::<f64>()))?;
        let origin = |along: usize| -> Result<Tensor> {
            let all = (0..window).flat_map(|k| (0..area).map(move |place| self.origin(place, k)[along])).collect();
            Tensor::from_vec(all, [window, area])?.to_dtype(dtype)?.to_device(device)
        };
        let offset = inputs[1].reshape([batch, shifts, window, 2, area])?;
        let (y, x) = (offset.select(3, 0)?.add(&origin(0)?)?, offset.select(3, 1)?.add(&origin(1)?)?);
        let (top, left) = (y.detach().floor()?, x.detach().floor()?);
        let (down, right) = (y.sub(&top)?, x.sub(&left)?);
        let flat = inputs[0].reshape([batch, h * w, shifts, channels / shifts])?.permute([0, 2, 3, 1])?;
        let mut sum: Option<Tensor> = None;
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (i, j) = (top.add(dy)?, left.add(dx)?);
            let inside =
                i.ge(0)?.logical_and(&i.lt(h as i64)?)?.logical_and(&j.ge(0)?)?.logical_and(&j.lt(w as i64)?)?;
            let at = i.mul(w as f64)?.add(&j)?.masked_fill(&inside.logical_not()?, 0.0)?.to_dtype(DType::I64)?;
            let share = |toward: &Tensor, far: i32| if far == 1 { Ok(toward.clone()) } else { toward.rsub(1.0) };
            let weight = share(&down, dy)?.mul(&share(&right, dx)?)?.mul(&inside.to_dtype(dtype)?)?;
            let all = [batch, shifts, channels / shifts, window * area];
            let at = at.reshape([batch, shifts, 1, window * area])?.expand(all)?;
            let part = flat.gather(-1, &at)?.mul(&weight.reshape([batch, shifts, 1, window * area])?)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum.add(&part)?,
            });
        }
        let Some(sum) = sum else { bail!(Shape, self.op, "there is no window") };
        let sum = match inputs.get(2) {
            Some(mask) => sum.mul(&mask.reshape([batch, shifts, 1, window * area])?)?,
            None => sum,
        };
        let per_group = channels / self.groups;
        let columns = sum.reshape([batch, self.groups, per_group, window, area])?.permute([0, 1, 4, 3, 2])?;
        columns.reshape([batch, self.groups, area, window * per_group])
    }
}

/// Four pixels by their shares, all times `counts`.
#[inline(always)]
fn mix<R: Real>([a, b, c, d]: [&[R]; 4], [p, q, r, s]: [R; 4], counts: Option<R>, to: &mut [R]) {
    let n = to.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    let counts = counts.unwrap_or(R::of(1.0));
    for i in 0..n {
        to[i] = (a[i] * p + b[i] * q + c[i] * r + d[i] * s) * counts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_autograd::{Autograd, gradcheck};
    use flambeau_tensor::{Device, Generator};

    fn drawn(shape: &[usize], seed: u64) -> Tensor {
        let x = Tensor::rand(shape).generator(&Generator::with_seed(seed)).dtype(DType::F64).build().unwrap();
        x.mul(4.0).unwrap().sub(2.0).unwrap()
    }

    /// Input, offset, weight and mask: parts of channels with offsets of their own, some places off the image.
    fn operands(shifts: usize, groups: usize) -> [Tensor; 4] {
        let (window, out) = (6, [4, 3]);
        [
            drawn(&[2, 12, 7, 5], 1),
            drawn(&[2, shifts * 2 * window, out[0], out[1]], 2),
            drawn(&[6, 12 / groups, 2, 3], 3),
            drawn(&[2, shifts * window, out[0], out[1]], 4),
        ]
    }

    fn options(mask: &Tensor) -> DeformConvOptions<'_> {
        DeformConvOptions::new().stride((2, 2)).padding((1, 2)).dilation((1, 2)).mask(mask)
    }

    #[test]
    fn the_kernel_gathers_what_the_decomposition_does() {
        for (shifts, groups) in [(1, 1), (2, 1), (1, 2), (2, 3), (3, 2), (12, 6)] {
            for dtype in [DType::F64, DType::F32] {
                let [x, offset, _, mask] = operands(shifts, groups).map(|x| x.to_dtype(dtype).unwrap());
                let columns = Columns {
                    op: "columns",
                    size: (7, 5),
                    window: (2, 3),
                    out: (4, 3),
                    stride: (2, 2),
                    padding: (1, 2),
                    dilation: (1, 2),
                    shifts,
                    groups,
                };
                let pixels = x.permute([0, 2, 3, 1]).unwrap().contiguous().unwrap();
                for inputs in [vec![&pixels, &offset, &mask], vec![&pixels, &offset]] {
                    let (a, b) = (columns.call(&inputs).unwrap(), columns.by_ops(&inputs).unwrap());
                    assert_eq!(a.shape(), b.shape());
                    let numbers = |x: &Tensor| x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
                    let most = if dtype == DType::F64 { 1e-14 } else { 1e-5 };
                    for (a, b) in numbers(&a).into_iter().zip(numbers(&b)) {
                        assert!((a - b).abs() < most, "{shifts} {groups} {dtype}: {a} for {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_are_right_and_shapes_known_without_data() {
        let [x, offset, weight, mask] = operands(2, 2).map(|x| x.requires_grad_().unwrap());
        let f = |x: &[Tensor]| Ok(vec![deform_conv2d(&x[0], &x[1], &x[2], options(&x[3]))?]);
        gradcheck(f, &[x.clone(), offset.clone(), weight.clone(), mask.clone()]).unwrap();
        let [x, offset, weight, mask] = [x, offset, weight, mask].map(|x| x.detach().to_device(Device::Meta).unwrap());
        assert_eq!(deform_conv2d(&x, &offset, &weight, options(&mask)).unwrap().shape(), [2, 6, 4, 3]);
    }
}
