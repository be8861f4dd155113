//! Regions of interest: parts of feature maps of any size brought to one size.

use super::regions::{self, Bins, Maps, Take};
use crate::transforms::functional::real::Real;
use flambeau_autograd::{Context, MultiFunction};
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, CustomOp};
use flambeau_tensor::op::{Meta, Metas, Outputs};
use flambeau_tensor::{DType, Device, Result, Tensor, bail, cat, ensure};

/// Regions: boxes `[K, 5]`, each with the number of its image before its corners, or a list with the boxes `[L, 4]` of
/// each image.
#[derive(Clone, Debug)]
pub enum Rois {
    /// each with the number of its image
    Numbered(Tensor),
    /// those of each image
    Lists(Vec<Tensor>),
}

impl From<&Tensor> for Rois {
    fn from(rois: &Tensor) -> Self {
        Rois::Numbered(rois.clone())
    }
}

impl From<&[Tensor]> for Rois {
    fn from(rois: &[Tensor]) -> Self {
        Rois::Lists(rois.to_vec())
    }
}

impl From<&Vec<Tensor>> for Rois {
    fn from(rois: &Vec<Tensor>) -> Self {
        Rois::Lists(rois.clone())
    }
}

impl From<Vec<Tensor>> for Rois {
    fn from(rois: Vec<Tensor>) -> Self {
        Rois::Lists(rois)
    }
}

impl Rois {
    /// As one tensor `[K, 5]`.
    #[track_caller]
    pub(super) fn numbered(&self) -> Result<Tensor> {
        match self {
            Rois::Numbered(rois) => Ok(rois.clone()),
            Rois::Lists(lists) if lists.is_empty() => Tensor::zeros([0, 5]).build(),
            Rois::Lists(lists) => {
                let one = |(i, boxes): (usize, &Tensor)| {
                    let n = boxes.shape().first().copied().unwrap_or(0);
                    cat(&[&Tensor::full([n, 1], i as f64).dtype(boxes.dtype()).build()?, boxes], 1)
                };
                cat(&lists.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?, 0)
            }
        }
    }
}

/// Maps, how their regions are divided, and what is made of the bins. The result is `[K, C, rows, columns]`.
#[derive(Clone, Copy, Debug)]
struct Regions {
    op: &'static str,
    bins: Bins,
    maps: Maps,
}

impl Regions {
    /// For maps `x` `[B, C, H, W]`; with `by_position` each bin has channels of its own.
    #[track_caller]
    fn new(op: &'static str, x: &Tensor, bins: Bins, by_position: bool) -> Result<Regions> {
        let &[batch, channels, height, width] = x.shape() else {
            bail!(Shape, op, "shape {:?} is not that of feature maps, [B, C, H, W]", x.shape())
        };
        ensure!(x.dtype().is_float(), DType, op, "feature maps are floating point, not {}", x.dtype());
        ensure!(bins.scale.is_finite(), Argument, op, "spatial_scale = {}", bins.scale);
        let Some(count) = bins.rows.checked_mul(bins.columns).filter(|n| *n < 1 << 40) else {
            bail!(Argument, op, "{}×{} bins are too many", bins.rows, bins.columns)
        };
        if by_position {
            let fits = count > 0 && channels.is_multiple_of(count);
            ensure!(fits, Shape, op, "{channels} channels are no multiple of {count} bins");
        }
        let (positions, channels) = if by_position { (count, channels / count) } else { (0, channels) };
        Ok(Regions { op, bins, maps: Maps { images: batch, height, width, channels, positions } })
    }

    /// `f` of the maps and of the regions as `[K, 5]` in double precision; the result in the dtype of the maps.
    #[track_caller]
    fn run(self, x: &Tensor, rois: &Rois, f: impl MultiFunction) -> Result<Tensor> {
        let (op, Maps { channels, positions, .. }) = (self.op, self.maps);
        let rois = rois.numbered()?;
        let shape = rois.shape();
        ensure!(
            shape.len() == 2 && shape[1] == 5,
            Shape,
            op,
            "regions of shape {shape:?}; [K, 5] or a list of [L, 4] is expected"
        );
        // Of each number of the result its place, too; the bins are counted without channels as well.
        let sizes = [shape[0].max(1), channels.max(1), self.bins.rows, self.bins.columns, 16];
        check_bytes(op, sizes.iter().fold(1, |n: usize, m| n.saturating_mul(*m)))?;
        let dtype = x.dtype();
        let x = x.to_dtype(if dtype == DType::F64 { DType::F64 } else { DType::F32 })?;
        let x = if positions == 0 { x.permute([0, 2, 3, 1])? } else { x.reshape(self.maps.shape())? };
        only(op, f.apply(&[&x, &rois.detach().to_dtype(DType::F64)?])?)?.to_dtype(dtype)
    }

    /// What comes of `rois`.
    fn result(&self, x: &Tensor, rois: &Tensor) -> Meta {
        let shape = [rois.shape()[0], self.maps.channels, self.bins.rows, self.bins.columns];
        Meta::new(&shape[..], x.dtype())
    }
}

fn only(op: &'static str, made: impl IntoIterator<Item = Tensor>) -> Result<Tensor> {
    match made.into_iter().next() {
        Some(y) => Ok(y),
        None => bail!(Argument, op, "there is no result"),
    }
}

/// `op` on the host, for devices that have no kernel for it.
pub(super) fn on_host(op: impl CustomOp, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
    let device = inputs[0].device();
    if matches!(device, Device::Cpu | Device::Meta) {
        return None;
    }
    let there = |inputs: &[&Tensor]| -> Result<Outputs> {
        let host = inputs.iter().map(|x| x.to_device(Device::Cpu)).collect::<Result<Vec<_>>>()?;
        op.call_all(&host.iter().collect::<Vec<_>>())?.iter().map(|y| y.to_device(device)).collect()
    };
    Some(there(inputs))
}

/// The means of bins: a linear map. Transposed it leads from bins to maps; each is the other's gradient.
#[derive(Clone, Copy, Debug)]
struct Means {
    regions: Regions,
    transposed: bool,
}

impl CustomOp for Means {
    fn name(&self) -> &'static str {
        self.regions.op
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        match self.transposed {
            true => Meta::new(&self.regions.maps.shape()[..], inputs[0].dtype()).one(),
            false => self.regions.result(inputs[0], inputs[1]).one(),
        }
    }

    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }

    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        on_host(*self, inputs)
    }
}

impl Means {
    fn compute<R: Real>(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let Regions { op, bins, maps } = &self.regions;
        let (x, rois, y) = (inputs[0].rows::<R>()?, inputs[1].rows::<f64>()?, outputs[0].rows::<R>()?);
        match self.transposed {
            true => regions::spread(op, bins, *maps, &x, &rois, y),
            false => regions::means(op, bins, *maps, &x, &rois, y),
        }
    }
}

impl CpuKernel for Means {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        match inputs[0].dtype() {
            DType::F64 => self.compute::<f64>(inputs, outputs),
            _ => self.compute::<f32>(inputs, outputs),
        }
    }
}

impl MultiFunction for Means {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        ctx.save(inputs[1]);
        // Once, by blocks, instead of element by element in the kernel.
        Ok(vec![self.call(&[&inputs[0].contiguous()?, inputs[1]])?])
    }

    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(grad) = &grads[0] else { return Ok(vec![None, None]) };
        let back = Means { regions: self.regions, transposed: !self.transposed };
        Ok(vec![Some(only(self.regions.op, back.apply(&[grad, &ctx.saved(0)?])?)?), None])
    }
}

/// The greatest pixels of bins, and their places in the maps if they are asked for.
#[derive(Clone, Copy, Debug)]
struct Greatest {
    regions: Regions,
    places: bool,
}

impl CustomOp for Greatest {
    fn name(&self) -> &'static str {
        self.regions.op
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let result = self.regions.result(inputs[0], inputs[1]);
        let places = self.places.then(|| result.clone().with_dtype(DType::I64));
        Ok(std::iter::once(result).chain(places).collect())
    }

    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }

    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        on_host(*self, inputs)
    }
}

impl Greatest {
    fn compute<R: Real>(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let Regions { op, bins, maps } = &self.regions;
        let (x, rois) = (inputs[0].rows::<R>()?, inputs[1].rows::<f64>()?);
        let Some((y, places)) = outputs.split_first_mut() else { return Ok(()) };
        let places = places.first_mut().map(|places| places.rows::<i64>()).transpose()?;
        regions::greatest(op, bins, *maps, (&x, &rois), y.rows::<R>()?, places)
    }
}

impl CpuKernel for Greatest {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        match inputs[0].dtype() {
            DType::F64 => self.compute::<f64>(inputs, outputs),
            _ => self.compute::<f32>(inputs, outputs),
        }
    }
}

impl MultiFunction for Greatest {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let op = Greatest { places: ctx.needs_input_grad(0), ..*self };
        let mut made = op.call_all(&[&inputs[0].contiguous()?, inputs[1]])?.into_iter();
        let y = only(self.regions.op, &mut made)?;
        made.for_each(|places| ctx.save(&places));
        Ok(vec![y])
    }

    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(grad) = &grads[0] else { return Ok(vec![None, None]) };
        // One element more takes what belongs to bins without pixels.
        let (shape, places) = (self.regions.maps.shape(), ctx.saved(0)?.flatten(0, -1)?);
        let numel = shape.iter().product::<usize>();
        let all = Tensor::zeros([numel + 1]).dtype(grad.dtype()).device(grad.device()).build()?;
        let all = all.scatter_add(0, &places, &grad.flatten(0, -1)?)?;
        Ok(vec![Some(all.narrow(0, 0, numel)?.reshape(shape)?), None])
    }
}

/// Each region averaged over `output_size` bins of points between pixels, `sampling_ratio` × `sampling_ratio` of them in
/// a bin (as many as the bin has pixels where it is `None` or 0): `[K, C, height, width]`. `spatial_scale` leads from the
/// boxes' pixels to the map's; with `aligned` the middle of a pixel is at a half. Follows `torchvision.ops.roi_align`
/// ("Mask R-CNN", K. He et al., 2017).
///
/// # Errors
/// Where these are no floating-point feature maps `[B, C, H, W]`, or a region is in no image.
#[track_caller]
pub fn roi_align(
    x: &Tensor,
    rois: impl Into<Rois>,
    output_size: (usize, usize),
    spatial_scale: f64,
    sampling_ratio: Option<usize>,
    aligned: bool,
) -> Result<Tensor> {
    let ratio = sampling_ratio.filter(|n| *n > 0);
    let take = Take::Points { ratio, aligned, bare: false };
    let bins = Bins { rows: output_size.0, columns: output_size.1, scale: spatial_scale, take };
    let regions = Regions::new("roi_align", x, bins, false)?;
    regions.run(x, &rois.into(), Means { regions, transposed: false })
}

/// [`roi_align`] in which each bin has channels of its own: `[K, C / (height · width), height, width]`; without a
/// sampling ratio NaN where a region has no width or height. Follows
/// `torchvision.ops.ps_roi_align` ("Light-Head R-CNN", Z. Li et al., 2017).
///
/// # Errors
/// As [`roi_align`]; and where the channels are no multiple of the bins.
#[track_caller]
pub fn ps_roi_align(
    x: &Tensor,
    rois: impl Into<Rois>,
    output_size: (usize, usize),
    spatial_scale: f64,
    sampling_ratio: Option<usize>,
) -> Result<Tensor> {
    let take = Take::Points { ratio: sampling_ratio.filter(|n| *n > 0), aligned: true, bare: true };
    let bins = Bins { rows: output_size.0, columns: output_size.1, scale: spatial_scale, take };
    let regions = Regions::new("ps_roi_align", x, bins, true)?;
    regions.run(x, &rois.into(), Means { regions, transposed: false })
}

/// Each region averaged over bins of whole pixels, each bin with channels of its own: `[K, C / (height · width), height,
/// width]`. Follows `torchvision.ops.ps_roi_pool` ("R-FCN", J. Dai et al., 2016).
///
/// # Errors
/// As [`ps_roi_align`].
#[track_caller]
pub fn ps_roi_pool(
    x: &Tensor,
    rois: impl Into<Rois>,
    output_size: (usize, usize),
    spatial_scale: f64,
) -> Result<Tensor> {
    let bins = Bins { rows: output_size.0, columns: output_size.1, scale: spatial_scale, take: Take::Mean };
    let regions = Regions::new("ps_roi_pool", x, bins, true)?;
    regions.run(x, &rois.into(), Means { regions, transposed: false })
}

/// The greatest pixel of each bin of each region: `[K, C, height, width]`; 0 where a bin is empty. NaN is greater than
/// nothing. Follows `torchvision.ops.roi_pool` ("Fast R-CNN", R. Girshick, 2015).
///
/// # Errors
/// As [`roi_align`].
#[track_caller]
pub fn roi_pool(x: &Tensor, rois: impl Into<Rois>, output_size: (usize, usize), spatial_scale: f64) -> Result<Tensor> {
    let bins = Bins { rows: output_size.0, columns: output_size.1, scale: spatial_scale, take: Take::Greatest };
    let regions = Regions::new("roi_pool", x, bins, false)?;
    regions.run(x, &rois.into(), Greatest { regions, places: false })
}

#[cfg(test)]
#[path = "roi_tests.rs"]
mod tests;
