//! Feature maps of several scales: the pyramid that makes them, and regions taken from the right one.

use super::layers::{Activation, Conv2dNormActivation, Norm};
use super::roi::{Rois, ps_roi_align, ps_roi_pool, roi_align, roi_pool};
use super::{DeformConvOptions, box_area, deform_conv2d};
use flambeau_nn::{Call, Conv2d, Forward, Module, Parameter, init, plain_parts};
use flambeau_tensor::{DType, MaxPoolOptions, Result, Tensor, bail, builder, cat, ensure};

/// Feature maps with their names, from the finest to the coarsest.
pub type FeatureMaps = Vec<(String, Tensor)>;

/// What a pyramid adds at its top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtraBlocks {
    /// nothing
    #[default]
    None,
    /// the last map with every second pixel, called `pool`: `LastLevelMaxPool`
    MaxPool,
    /// two convolutions of stride 2, called `p6` and `p7`, of what came in last: `LastLevelP6P7`
    P6P7 {
        /// channels of the last map that comes in
        in_channels: usize,
    },
}
plain_parts!(ExtraBlocks);

#[derive(Module)]
struct LastLevelP6P7 {
    p6: Conv2d,
    p7: Conv2d,
    #[module(skip)]
    use_p5: bool,
}

/// A feature pyramid network, as `torchvision.ops.FeaturePyramidNetwork` (T.-Y. Lin et al., 2017): every map is a sum of
/// its own and of the coarser ones.
#[derive(Module)]
pub struct FeaturePyramidNetwork {
    inner_blocks: Vec<Conv2dNormActivation>,
    layer_blocks: Vec<Conv2dNormActivation>,
    extra_blocks: Option<LastLevelP6P7>,
    #[module(skip)]
    max_pool: bool,
}

builder! {
    /// Options of [`FeaturePyramidNetwork`].
    pub struct FeaturePyramidNetworkBuilder => FeaturePyramidNetwork;
    new {
        /// Channels of each map that comes in.
        in_channels_list: ~into Vec<usize>,
        /// Channels of each map that goes out.
        out_channels: usize,
    }
    options {
        /// What is added at the top. Nothing unless set.
        extra_blocks: ExtraBlocks = ExtraBlocks::None,
        /// What follows the convolutions. Nothing unless set.
        norm_layer: Norm = Norm::None,
    }
}

impl FeaturePyramidNetwork {
    #[track_caller]
    fn from_builder(b: FeaturePyramidNetworkBuilder) -> Result<Self> {
        // torchvision makes the extra blocks first.
        let conv = |from: usize| Conv2d::new(from, b.out_channels, 3).stride(2).padding(1).build();
        let extra_blocks = match b.extra_blocks {
            ExtraBlocks::P6P7 { in_channels } => {
                let use_p5 = in_channels == b.out_channels;
                let extra = LastLevelP6P7 { p6: conv(in_channels)?, p7: conv(b.out_channels)?, use_p5 };
                kaiming(&extra)?;
                Some(extra)
            }
            _ => None,
        };
        let (mut inner_blocks, mut layer_blocks) = (Vec::new(), Vec::new());
        for channels in &b.in_channels_list {
            ensure!(*channels > 0, Argument, "FeaturePyramidNetwork", "a map without channels");
            let block = |from: usize, size: usize| {
                let block = Conv2dNormActivation::new(from, b.out_channels).kernel_size(size).padding(size / 2);
                block.norm_layer(b.norm_layer).activation_layer(Activation::None).build()
            };
            inner_blocks.push(block(*channels, 1)?);
            layer_blocks.push(block(b.out_channels, 3)?);
        }
        ensure!(!inner_blocks.is_empty(), Argument, "FeaturePyramidNetwork", "there are no maps");
        kaiming(&inner_blocks)?;
        kaiming(&layer_blocks)?;
        let max_pool = b.extra_blocks == ExtraBlocks::MaxPool;
        Ok(FeaturePyramidNetwork { inner_blocks, layer_blocks, extra_blocks, max_pool })
    }
}

/// Fills all convolutions in `module` as torchvision does.
#[track_caller]
fn kaiming(module: &dyn Module) -> Result<()> {
    for (_, module) in module.named_modules() {
        let Some(conv) = module.downcast_ref::<Conv2d>() else { continue };
        init::kaiming_uniform_(&conv.weight, init::Fan::In, init::Nonlinearity::LeakyRelu(1.0))?;
        if let Some(bias) = &conv.bias {
            init::zeros_(bias)?;
        }
    }
    Ok(())
}

/// The map as large as another one, pixels repeated: `interpolate(mode="nearest")`.
#[track_caller]
fn enlarged(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let &[.., h, w] = x.shape() else { bail!(Shape, "FeaturePyramidNetwork", "shape {:?}", x.shape()) };
    let picked = |dim: isize, from: usize, to: usize| {
        let scale = from as f32 / to as f32;
        let at: Vec<i64> = (0..to).map(|i| ((i as f32 * scale).floor() as i64).min(from as i64 - 1)).collect();
        Tensor::from_vec(at, [to]).map(|at| (dim, at))
    };
    let ((rows, row_at), (columns, column_at)) = (picked(-2, h, height)?, picked(-1, w, width)?);
    x.index_select(rows, &row_at)?.index_select(columns, &column_at)
}

impl Forward<&[(String, Tensor)]> for FeaturePyramidNetwork {
    type Output = Vec<Tensor>;
    #[track_caller]
    fn forward(&self, maps: &[(String, Tensor)]) -> Result<Vec<Tensor>> {
        Ok(self.pyramid(maps)?.into_iter().map(|(_, map)| map).collect())
    }
}

impl FeaturePyramidNetwork {
    /// The maps of the pyramid with their names, from the finest to the coarsest.
    ///
    /// # Errors
    /// Where the maps are not those that it was made for.
    #[track_caller]
    pub fn pyramid(&self, maps: &[(String, Tensor)]) -> Result<FeatureMaps> {
        let n = self.inner_blocks.len();
        ensure!(maps.len() == n, Argument, "FeaturePyramidNetwork", "{} maps, it was made for {n}", maps.len());
        let mut last = self.inner_blocks[n - 1].call(&maps[n - 1].1)?;
        let mut results = vec![self.layer_blocks[n - 1].call(&last)?];
        for i in (0..n - 1).rev() {
            let inner = self.inner_blocks[i].call(&maps[i].1)?;
            let &[.., h, w] = inner.shape() else { bail!(Shape, "FeaturePyramidNetwork", "shape {:?}", inner.shape()) };
            last = inner.add(&enlarged(&last, h, w)?)?;
            results.push(self.layer_blocks[i].call(&last)?);
        }
        results.reverse();
        let mut named: FeatureMaps = maps.iter().map(|(name, _)| name.clone()).zip(results).collect();
        if self.max_pool {
            let top = named[n - 1].1.max_pool2d(MaxPoolOptions::new(1).stride(2))?;
            named.push(("pool".into(), top));
        }
        if let Some(extra) = &self.extra_blocks {
            let from = if extra.use_p5 { &named[n - 1].1 } else { &maps[n - 1].1 };
            let p6 = extra.p6.call(from)?;
            let p7 = extra.p7.call(&p6.relu()?)?;
            named.extend([("p6".into(), p6), ("p7".into(), p7)]);
        }
        Ok(named)
    }
}

/// Regions of one size, each taken from the map whose scale suits it, as `torchvision.ops.MultiScaleRoIAlign`.
#[derive(Module)]
pub struct MultiScaleRoIAlign {
    #[module(skip)]
    featmap_names: Vec<String>,
    output_size: (usize, usize),
    sampling_ratio: Option<usize>,
    canonical_scale: usize,
    canonical_level: usize,
}

builder! {
    /// Options of [`MultiScaleRoIAlign`].
    pub struct MultiScaleRoIAlignBuilder => MultiScaleRoIAlign;
    new {
        /// The maps that are used.
        featmap_names: ~into Vec<String>,
        /// Height and width of what becomes of a region.
        output_size: (usize, usize),
        /// Points in a bin, as for [`roi_align`].
        sampling_ratio: ~into Option<usize>,
    }
    options {
        /// The side of a box that belongs to the map `canonical_level`; 224 unless set.
        canonical_scale: usize = 224,
        /// The map for such a box; 4 unless set.
        canonical_level: usize = 4,
    }
}

impl MultiScaleRoIAlign {
    fn from_builder(b: MultiScaleRoIAlignBuilder) -> Result<Self> {
        Ok(MultiScaleRoIAlign {
            featmap_names: b.featmap_names,
            output_size: b.output_size,
            sampling_ratio: b.sampling_ratio,
            canonical_scale: b.canonical_scale,
            canonical_level: b.canonical_level,
        })
    }

    /// The regions of `boxes` (one tensor `[L, 4]` an image) of images of these sizes: `[K, C, height, width]`.
    ///
    /// # Errors
    /// Where there are no maps or images, or a box is in no image.
    #[track_caller]
    pub fn regions(&self, maps: &[(String, Tensor)], boxes: &[Tensor], sizes: &[(usize, usize)]) -> Result<Tensor> {
        let op = "MultiScaleRoIAlign";
        let maps: Vec<&Tensor> =
            maps.iter().filter(|(name, _)| self.featmap_names.contains(name)).map(|(_, map)| map).collect();
        let Some(tallest) = sizes.iter().map(|(h, _)| *h).max() else { bail!(Argument, op, "there are no images") };
        let scale = |map: &Tensor| -> f64 {
            let h = map.shape().iter().rev().nth(1).copied().unwrap_or(1);
            2f64.powf(f64::from((h as f32 / tallest as f32).log2().round_ties_even()))
        };
        let scales: Vec<f64> = maps.iter().map(|map| scale(map)).collect();
        let (Some(first), Some(last)) = (scales.first(), scales.last()) else {
            bail!(Argument, op, "there are no maps")
        };
        let rois = Rois::from(boxes).numbered()?;
        if let [map] = maps[..] {
            return roi_align(map, &rois, self.output_size, *first, self.sampling_ratio, false);
        }
        let (least, most) = (-first.log2(), -last.log2());
        let sides = box_area(&rois.narrow(1, 1, 4)?)?.sqrt()?.div(self.canonical_scale as f64)?;
        let levels =
            sides.log2()?.add(self.canonical_level as f64)?.add(1e-6)?.floor()?.clamp(least.trunc(), most.trunc())?;
        let levels = levels.sub(least.trunc())?.to_dtype(DType::I64)?.to_vec::<i64>()?;
        // Level by level, then in the order of the boxes again.
        let (mut parts, mut order) = (Vec::new(), Vec::new());
        for (level, (map, scale)) in maps.iter().zip(&scales).enumerate() {
            let here: Vec<i64> =
                levels.iter().enumerate().filter(|(_, of)| **of == level as i64).map(|(i, _)| i as i64).collect();
            let n = here.len();
            let rois = rois.index_select(0, &Tensor::from_slice(&here, [n])?)?;
            parts.push(roi_align(map, &rois, self.output_size, *scale, self.sampling_ratio, false)?);
            order.extend(here);
        }
        let n = order.len();
        let mut back = vec![0i64; n];
        order.iter().enumerate().for_each(|(at, i)| back[*i as usize] = at as i64);
        cat(&parts, 0)?.index_select(0, &Tensor::from_vec(back, [n])?)
    }
}

macro_rules! region_modules {
    ($($(#[$doc:meta])* $Name:ident { $($field:ident: $t:ty),* } |$this:ident, $x:ident, $rois:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            output_size: (usize, usize),
            spatial_scale: f64,
            $($field: $t,)*
        }

        impl $Name {
            /// One; the arguments are those of the function.
            pub fn new(output_size: (usize, usize), spatial_scale: f64, $($field: $t),*) -> Self {
                $Name { output_size, spatial_scale, $($field),* }
            }
        }

        impl Forward<(&Tensor, &Tensor)> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, ($x, $rois): (&Tensor, &Tensor)) -> Result<Tensor> {
                let $this = self;
                $body
            }
        }
    )*};
}
region_modules! {
    /// [`roi_align`] as a module of feature maps and regions `[K, 5]`, as `torchvision.ops.RoIAlign`.
    RoIAlign { sampling_ratio: Option<usize>, aligned: bool }
    |this, x, rois| roi_align(x, rois, this.output_size, this.spatial_scale, this.sampling_ratio, this.aligned);
    /// [`roi_pool`] as a module, as `torchvision.ops.RoIPool`.
    RoIPool {} |this, x, rois| roi_pool(x, rois, this.output_size, this.spatial_scale);
    /// [`ps_roi_align`] as a module, as `torchvision.ops.PSRoIAlign`.
    PSRoIAlign { sampling_ratio: Option<usize> }
    |this, x, rois| ps_roi_align(x, rois, this.output_size, this.spatial_scale, this.sampling_ratio);
    /// [`ps_roi_pool`] as a module, as `torchvision.ops.PSRoIPool`.
    PSRoIPool {} |this, x, rois| ps_roi_pool(x, rois, this.output_size, this.spatial_scale);
}

/// A deformable convolution, as `torchvision.ops.DeformConv2d`; called with the input and the offset, or with the mask as
/// well. See [`deform_conv2d`].
#[derive(Module)]
pub struct DeformConv2d {
    /// `[O, C / groups, kh, kw]`.
    pub weight: Parameter,
    /// `[O]`.
    pub bias: Option<Parameter>,
    stride: (usize, usize),
    padding: (usize, usize),
    dilation: (usize, usize),
}

builder! {
    /// Options of [`DeformConv2d`].
    pub struct DeformConv2dBuilder => DeformConv2d;
    new {
        /// Channels that come in.
        in_channels: usize,
        /// Channels that go out.
        out_channels: usize,
        /// Height and width of the window.
        kernel_size: (usize, usize),
    }
    options {
        /// Stride per spatial dimension, 1 unless set.
        stride: (usize, usize) = (1, 1),
        /// Zeros around the input; none unless set.
        padding: (usize, usize) = (0, 0),
        /// Dilation per spatial dimension, 1 unless set.
        dilation: (usize, usize) = (1, 1),
        /// Parts that the channels fall into; 1 unless set.
        groups: usize = 1,
        /// With a bias. True unless set.
        bias: bool = true,
    }
}

impl DeformConv2d {
    #[track_caller]
    fn from_builder(b: DeformConv2dBuilder) -> Result<Self> {
        let op = "DeformConv2d";
        let fits = b.groups > 0 && b.in_channels.is_multiple_of(b.groups) && b.out_channels.is_multiple_of(b.groups);
        ensure!(
            fits,
            Argument,
            op,
            "{} and {} channels do not fall into {} groups",
            b.in_channels,
            b.out_channels,
            b.groups
        );
        // Weights and biases are drawn as those of any convolution.
        let conv = Conv2d::new(b.in_channels, b.out_channels, [b.kernel_size.0, b.kernel_size.1])
            .groups(b.groups)
            .bias(b.bias);
        let conv = conv.build()?;
        Ok(DeformConv2d {
            weight: conv.weight,
            bias: conv.bias,
            stride: b.stride,
            padding: b.padding,
            dilation: b.dilation,
        })
    }

    #[track_caller]
    fn convolve(&self, x: &Tensor, offset: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let options = DeformConvOptions::new().stride(self.stride).padding(self.padding).dilation(self.dilation);
        let options = options.bias(self.bias.as_deref()).mask(mask);
        deform_conv2d(x, offset, self.weight.tensor(), options)
    }
}

impl Forward<(&Tensor, &Tensor)> for DeformConv2d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x, offset): (&Tensor, &Tensor)) -> Result<Tensor> {
        self.convolve(x, offset, None)
    }
}

impl Forward<(&Tensor, &Tensor, &Tensor)> for DeformConv2d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x, offset, mask): (&Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
        self.convolve(x, offset, Some(mask))
    }
}
