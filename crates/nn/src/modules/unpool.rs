//! Layers that undo pooling, and pools of norms.

use super::pool::{Stride, check, given};
use crate::print::{py_bool, py_number, py_tuple};
use crate::{Forward, Module, ModuleId, functional};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{AvgPoolOptions, Result, Tensor, UnpoolOptions, builder, ensure};

/// The values of all dimensions as PyTorch prints them.
fn tuple(values: Spatial, rank: usize) -> String {
    match values.given() {
        [one] => py_tuple(&vec![*one; rank]),
        each => py_tuple(each),
    }
}

macro_rules! unpools {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $rank:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            #[module(skip)]
            options: UnpoolOptions,
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
                /// What was around the pool's input; 0 unless set.
                padding: ~into Spatial = Spatial::from(0),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (kernel, stride, padding) = (b.kernel_size, b.stride.0, b.padding);
                check(stringify!($Name), $rank, [("kernel_size", Some(kernel), 1), ("stride", stride, 1), ("padding", Some(padding), 0)])?;
                Ok($Name { options: UnpoolOptions { kernel, stride, padding, output_size: None }, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                let o = &self.options;
                let print = |values: Spatial| tuple(values, $rank);
                let stride = print(o.stride.unwrap_or(o.kernel));
                format!("kernel_size={}, stride={stride}, padding={}", print(o.kernel), print(o.padding))
            }

            /// With the size of a plane of the output, where several were pooled to the input's: `output_size`.
            ///
            /// # Errors
            /// Where the places do not fit the input or the size.
            #[track_caller]
            pub fn forward_to_size(&self, x: &Tensor, indices: &Tensor, output_size: impl Into<Spatial>) -> Result<Tensor> {
                functional::$function(x, indices, self.options.output_size(output_size))
            }
        }

        impl Forward<(&Tensor, &Tensor)> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, (x, indices): (&Tensor, &Tensor)) -> Result<Tensor> {
                functional::$function(x, indices, self.options)
            }
        }
    )*};
}

unpools! {
    /// What [`MaxPool1d`](crate::MaxPool1d) pooled back at its places, zeros elsewhere, as `torch.nn.MaxUnpool1d`. It is
    /// called with the values and the places.
    MaxUnpool1d, MaxUnpool1dBuilder, max_unpool1d, 1;
    /// What [`MaxPool2d`](crate::MaxPool2d) pooled back at its places, zeros elsewhere, as `torch.nn.MaxUnpool2d`. It is
    /// called with the values and the places.
    ///
    /// ```
    /// use flambeau_nn::{Call, MaxPool2d, MaxUnpool2d};
    /// use flambeau_tensor::Tensor;
    ///
    /// let (pool, unpool) = (MaxPool2d::new(2).build()?, MaxUnpool2d::new(2).build()?);
    /// let pooled = pool.forward_with_indices(&Tensor::randn([1, 1, 4, 4]).build()?)?;
    /// assert_eq!(unpool.call((&pooled.values, &pooled.indices))?.shape(), [1, 1, 4, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    MaxUnpool2d, MaxUnpool2dBuilder, max_unpool2d, 2;
    /// What [`MaxPool3d`](crate::MaxPool3d) pooled back at its places, zeros elsewhere, as `torch.nn.MaxUnpool3d`. It is
    /// called with the values and the places.
    MaxUnpool3d, MaxUnpool3dBuilder, max_unpool3d, 3;
}

macro_rules! lp_pools {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $rank:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            norm_type: f64,
            #[module(skip)]
            options: AvgPoolOptions,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                norm_type: f64,
                kernel_size: ~into Spatial,
            }
            options {
                /// Stride per spatial dimension; the window's size unless set.
                stride: ~into Stride = Stride(None),
                /// Take a last window that reaches beyond the input too.
                ceil_mode: bool = false,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let name = stringify!($Name);
                ensure!(b.norm_type != 0.0 && !b.norm_type.is_nan(), Argument, name, "norm_type = {} is no norm's", b.norm_type);
                check(name, $rank, [("kernel_size", Some(b.kernel_size), 1), ("stride", b.stride.0, 1)])?;
                let options = AvgPoolOptions { stride: b.stride.0, ..AvgPoolOptions::new(b.kernel_size) };
                Ok($Name { norm_type: b.norm_type, options: options.ceil_mode(b.ceil_mode), id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                let o = &self.options;
                let stride = o.stride.map_or("None".to_string(), given);
                format!(
                    "norm_type={}, kernel_size={}, stride={stride}, ceil_mode={}",
                    py_number(self.norm_type), given(o.kernel), py_bool(o.ceil_mode)
                )
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.norm_type, self.options)
            }
        }
    )*};
}

lp_pools! {
    /// The p-norm of each window of `[N, C, L]`, as `torch.nn.LPPool1d`.
    LPPool1d, LPPool1dBuilder, lp_pool1d, 1;
    /// The p-norm of each window of `[N, C, H, W]`, as `torch.nn.LPPool2d`.
    LPPool2d, LPPool2dBuilder, lp_pool2d, 2;
    /// The p-norm of each window of `[N, C, D, H, W]`, as `torch.nn.LPPool3d`.
    LPPool3d, LPPool3dBuilder, lp_pool3d, 3;
}
