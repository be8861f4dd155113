//! Pooling layers.

use crate::print::{py_bool, py_tuple};
use crate::{Forward, Module, ModuleId, functional};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{AvgPoolOptions, MaxPoolOptions, Result, Tensor, ValuesIndices, builder};

/// Sizes as PyTorch prints them: a number where one was given, else a tuple.
pub(super) fn given(values: Spatial) -> String {
    match values.given() {
        [one] => one.to_string(),
        each => py_tuple(each),
    }
}

/// Stride per spatial dimension: one number for all, or one for each; the window's size where not said.
#[derive(Clone, Copy, Debug)]
pub struct Stride(pub(super) Option<Spatial>);

impl<S: Into<Spatial>> From<S> for Stride {
    fn from(stride: S) -> Self {
        Stride(Some(stride.into()))
    }
}

macro_rules! max_pools {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $with_indices:ident, $rank:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            #[module(skip)]
            options: MaxPoolOptions,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                kernel_size: ~into Spatial,
            }
            options {
                /// Stride per spatial dimension; the window's size unless set.
                stride: ~into Stride = Stride(None),
                /// Empty places around the input, at most half of a window; 0 unless set.
                padding: ~into Spatial = Spatial::from(0),
                /// Dilation per spatial dimension, 1 unless set.
                dilation: ~into Spatial = Spatial::from(1),
                /// Take a last window that reaches beyond the input too.
                ceil_mode: bool = false,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let name = stringify!($Name);
                let (kernel, padding, dilation) = (b.kernel_size, b.padding, b.dilation);
                check(name, $rank, [("kernel_size", Some(kernel), 1), ("stride", b.stride.0, 1), ("padding", Some(padding), 0), ("dilation", Some(dilation), 1)])?;
                Ok($Name { options: MaxPoolOptions { kernel, stride: b.stride.0, padding, dilation, ceil_mode: b.ceil_mode }, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                let o = &self.options;
                let (kernel, stride) = (given(o.kernel), given(o.stride.unwrap_or(o.kernel)));
                let (padding, dilation, ceil_mode) = (given(o.padding), given(o.dilation), py_bool(o.ceil_mode));
                format!("kernel_size={kernel}, stride={stride}, padding={padding}, dilation={dilation}, ceil_mode={ceil_mode}")
            }

            /// The pooled tensor and the place of each element in its plane: PyTorch's `return_indices`.
            ///
            /// # Errors
            /// Where no window fits.
            #[track_caller]
            pub fn forward_with_indices(&self, x: &Tensor) -> Result<ValuesIndices> {
                functional::$with_indices(x, self.options)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.options)
            }
        }
    )*};
}

/// Each value goes with `rank` dimensions and is not below its least.
#[track_caller]
pub(super) fn check<const N: usize>(
    name: &'static str,
    rank: usize,
    values: [(&str, Option<Spatial>, usize); N],
) -> Result<()> {
    for (what, value, least) in values {
        if let Some(value) = value {
            value.at_least(least, name, what, rank)?;
        }
    }
    Ok(())
}

max_pools! {
    /// The largest element of each window of `[N, C, L]`, as `torch.nn.MaxPool1d`.
    MaxPool1d, MaxPool1dBuilder, max_pool1d, max_pool1d_with_indices, 1;
    /// The largest element of each window of `[N, C, H, W]`, as `torch.nn.MaxPool2d`.
    ///
    /// ```
    /// use flambeau_nn::{Call, MaxPool2d};
    /// use flambeau_tensor::Tensor;
    ///
    /// let pool = MaxPool2d::new(3).stride(2).build()?;
    /// assert_eq!(pool.call(&Tensor::randn([20, 16, 50, 32]).build()?)?.shape(), [20, 16, 24, 15]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    MaxPool2d, MaxPool2dBuilder, max_pool2d, max_pool2d_with_indices, 2;
    /// The largest element of each window of `[N, C, D, H, W]`, as `torch.nn.MaxPool3d`.
    MaxPool3d, MaxPool3dBuilder, max_pool3d, max_pool3d_with_indices, 3;
}

macro_rules! avg_pools {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $rank:literal, |$value:ident| $print:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            #[module(skip)]
            options: AvgPoolOptions,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                kernel_size: ~into Spatial,
            }
            options {
                /// Stride per spatial dimension; the window's size unless set.
                stride: ~into Stride = Stride(None),
                /// Zeros around the input, at most half of a window; 0 unless set.
                padding: ~into Spatial = Spatial::from(0),
                /// Take a last window that reaches beyond the input too.
                ceil_mode: bool = false,
                /// Zeros of the padding count as elements (the default).
                count_include_pad: bool = true,
                /// What sums are divided by, instead of the number of elements.
                divisor_override: ~into Option<isize> = None,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (kernel, padding) = (b.kernel_size, b.padding);
                check(stringify!($Name), $rank, [("kernel_size", Some(kernel), 1), ("stride", b.stride.0, 1), ("padding", Some(padding), 0)])?;
                let $Builder { stride: Stride(stride), ceil_mode, count_include_pad, divisor_override, .. } = b;
                Ok($Name { options: AvgPoolOptions { kernel, stride, padding, ceil_mode, count_include_pad, divisor_override }, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                let print = |$value: Spatial| $print;
                let o = &self.options;
                let (kernel, stride) = (print(o.kernel), print(o.stride.unwrap_or(o.kernel)));
                format!("kernel_size={kernel}, stride={stride}, padding={}", print(o.padding))
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.options)
            }
        }
    )*};
}

avg_pools! {
    /// The mean of each window of `[N, C, L]`, as `torch.nn.AvgPool1d`.
    AvgPool1d, AvgPool1dBuilder, avg_pool1d, 1, |value| py_tuple(value.given());
    /// The mean of each window of `[N, C, H, W]`, as `torch.nn.AvgPool2d`.
    AvgPool2d, AvgPool2dBuilder, avg_pool2d, 2, |value| given(value);
    /// The mean of each window of `[N, C, D, H, W]`, as `torch.nn.AvgPool3d`.
    AvgPool3d, AvgPool3dBuilder, avg_pool3d, 3, |value| given(value);
}

macro_rules! adaptive_pools {
    ($($(#[$doc:meta])* $Name:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            #[module(skip)]
            output_size: Spatial,
            id: ModuleId,
        }

        impl $Name {
            /// To `output_size`; −1 keeps a size.
            pub fn new(output_size: impl Into<Spatial>) -> Self {
                $Name { output_size: output_size.into(), id: ModuleId::new() }
            }

            fn describe(&self) -> String {
                format!("output_size={}", given(self.output_size).replace("-1", "None"))
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.output_size)
            }
        }
    )*};
}

adaptive_pools! {
    /// The means of as many windows as outputs are wanted, over `[N, C, L]`, as `torch.nn.AdaptiveAvgPool1d`.
    AdaptiveAvgPool1d, adaptive_avg_pool1d;
    /// The means of as many windows as outputs are wanted, over `[N, C, H, W]`, as
    /// `torch.nn.AdaptiveAvgPool2d`.
    AdaptiveAvgPool2d, adaptive_avg_pool2d;
    /// The means of as many windows as outputs are wanted, over `[N, C, D, H, W]`, as
    /// `torch.nn.AdaptiveAvgPool3d`.
    AdaptiveAvgPool3d, adaptive_avg_pool3d;
    /// The largest elements of as many windows as outputs are wanted, over `[N, C, L]`, as
    /// `torch.nn.AdaptiveMaxPool1d`.
    AdaptiveMaxPool1d, adaptive_max_pool1d;
    /// The largest elements of as many windows as outputs are wanted, over `[N, C, H, W]`, as
    /// `torch.nn.AdaptiveMaxPool2d`.
    AdaptiveMaxPool2d, adaptive_max_pool2d;
    /// The largest elements of as many windows as outputs are wanted, over `[N, C, D, H, W]`, as
    /// `torch.nn.AdaptiveMaxPool3d`.
    AdaptiveMaxPool3d, adaptive_max_pool3d;
}

macro_rules! adaptive_indices {
    ($($Name:ident, $with_indices:ident;)*) => {$(
        impl $Name {
            /// The pooled tensor and the place of each element in its plane: PyTorch's `return_indices`.
            ///
            /// # Errors
            /// Where the input has no such dimensions.
            #[track_caller]
            pub fn forward_with_indices(&self, x: &Tensor) -> Result<ValuesIndices> {
                functional::$with_indices(x, self.output_size)
            }
        }
    )*};
}

adaptive_indices! {
    AdaptiveMaxPool1d, adaptive_max_pool1d_with_indices;
    AdaptiveMaxPool2d, adaptive_max_pool2d_with_indices;
    AdaptiveMaxPool3d, adaptive_max_pool3d_with_indices;
}
