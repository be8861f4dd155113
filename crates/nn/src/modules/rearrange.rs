//! Layers that put elements in other places: pixels and channels, and windows as columns.

use super::pool::given;
use crate::{Forward, Module, ModuleId, functional};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{ColumnOptions, Result, Tensor, builder, ensure};

macro_rules! shuffles {
    ($($(#[$doc:meta])* $Name:ident, $factor:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            $factor: usize,
            id: ModuleId,
        }

        impl $Name {
            #[doc = concat!("By `", stringify!($factor), "`.")]
            pub fn new($factor: usize) -> Self {
                $Name { $factor, id: ModuleId::new() }
            }

            fn describe(&self) -> String {
                format!("{}={}", stringify!($factor), self.$factor)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.$factor)
            }
        }
    )*};
}

shuffles! {
    /// The channels of `[…, C · r², H, W]` as pixels, `[…, C, H · r, W · r]`, as `torch.nn.PixelShuffle` (Shi et al.
    /// 2016).
    ///
    /// ```
    /// use flambeau_nn::{Call, PixelShuffle};
    /// use flambeau_tensor::Tensor;
    ///
    /// let larger = PixelShuffle::new(3);
    /// assert_eq!(larger.call(&Tensor::randn([1, 9, 4, 4]).build()?)?.shape(), [1, 1, 12, 12]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    PixelShuffle, upscale_factor, pixel_shuffle;
    /// The pixels of `[…, C, H · r, W · r]` as channels, `[…, C · r², H, W]`, as `torch.nn.PixelUnshuffle`.
    PixelUnshuffle, downscale_factor, pixel_unshuffle;
    /// The channels of `[N, C, …]` dealt out over groups, as `torch.nn.ChannelShuffle`.
    ChannelShuffle, groups, channel_shuffle;
}

/// The windows of `[N, C, H, W]` (or without `N`) as columns, `[N, C · kernel, windows]`, as `torch.nn.Unfold`.
///
/// ```
/// use flambeau_nn::{Call, Unfold};
/// use flambeau_tensor::Tensor;
///
/// let unfold = Unfold::new((2, 3)).build()?;
/// assert_eq!(unfold.call(&Tensor::randn([2, 5, 3, 4]).build()?)?.shape(), [2, 30, 4]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Unfold::describe")]
pub struct Unfold {
    #[module(skip)]
    options: ColumnOptions,
    id: ModuleId,
}

builder! {
    /// Options of [`Unfold`].
    pub struct UnfoldBuilder => Unfold;
    new {
        kernel_size: ~into Spatial,
    }
    options {
        /// Dilation per spatial dimension, 1 unless set.
        dilation: ~into Spatial = Spatial::from(1),
        /// Zeros around the image, 0 unless set.
        padding: ~into Spatial = Spatial::from(0),
        /// Stride per spatial dimension, 1 unless set.
        stride: ~into Spatial = Spatial::from(1),
    }
}

/// The options of both, checked.
#[track_caller]
fn columns(
    name: &'static str,
    kernel: Spatial,
    dilation: Spatial,
    padding: Spatial,
    stride: Spatial,
) -> Result<ColumnOptions> {
    for (what, value, least) in
        [("kernel_size", kernel, 1), ("dilation", dilation, 1), ("padding", padding, 0), ("stride", stride, 1)]
    {
        value.at_least(least, name, what, 2)?;
    }
    Ok(ColumnOptions { kernel, dilation, padding, stride })
}

fn describe(o: &ColumnOptions) -> String {
    let (kernel, dilation, padding, stride) = (given(o.kernel), given(o.dilation), given(o.padding), given(o.stride));
    format!("kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}")
}

impl Unfold {
    #[track_caller]
    fn from_builder(b: UnfoldBuilder) -> Result<Self> {
        let options = columns("Unfold", b.kernel_size, b.dilation, b.padding, b.stride)?;
        Ok(Unfold { options, id: ModuleId::new() })
    }

    fn describe(&self) -> String {
        describe(&self.options)
    }
}

impl Forward<&Tensor> for Unfold {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::unfold(x, self.options)
    }
}

/// The sum of windows, given as columns `[N, C · kernel, windows]` (or without `N`), where they overlap in an image
/// `[N, C, H, W]`, as `torch.nn.Fold`.
#[derive(Module)]
#[module(extra_repr = "Fold::describe")]
pub struct Fold {
    #[module(skip)]
    output_size: Spatial,
    #[module(skip)]
    options: ColumnOptions,
    id: ModuleId,
}

builder! {
    /// Options of [`Fold`].
    pub struct FoldBuilder => Fold;
    new {
        output_size: ~into Spatial,
        kernel_size: ~into Spatial,
    }
    options {
        /// Dilation per spatial dimension, 1 unless set.
        dilation: ~into Spatial = Spatial::from(1),
        /// Zeros around the image, 0 unless set.
        padding: ~into Spatial = Spatial::from(0),
        /// Stride per spatial dimension, 1 unless set.
        stride: ~into Spatial = Spatial::from(1),
    }
}

impl Fold {
    #[track_caller]
    fn from_builder(b: FoldBuilder) -> Result<Self> {
        let options = columns("Fold", b.kernel_size, b.dilation, b.padding, b.stride)?;
        let size = b.output_size.at_least(1, "Fold", "output_size", 2)?;
        ensure!(size.len() == 2, Argument, "Fold", "output_size {:?} is not one of an image", b.output_size);
        Ok(Fold { output_size: b.output_size, options, id: ModuleId::new() })
    }

    fn describe(&self) -> String {
        format!("output_size={}, {}", given(self.output_size), describe(&self.options))
    }
}

impl Forward<&Tensor> for Fold {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::fold(x, self.output_size, self.options)
    }
}
