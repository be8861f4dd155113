//! Pooling.

use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{AvgPoolOptions, MaxPoolOptions, Result, Tensor, UnpoolOptions, ValuesIndices};

macro_rules! max_pools {
    ($($name:ident, $with_indices:ident, $at:ident;)*) => {$(
        #[doc = concat!("The largest element of each window: `torch.nn.functional.", stringify!($name), "`.\n\n# Errors\nWhere no window fits.")]
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, options: impl Into<MaxPoolOptions>) -> Result<Tensor> {
            let x = x.as_ref();
            x.$name(options)
        }

        #[doc = concat!("[`", stringify!($name), "`] and the place of each element in its plane: `return_indices=True`.\n\n# Errors\nWhere no window fits.")]
        #[track_caller]
        pub fn $with_indices(x: impl AsRef<Tensor>, options: impl Into<MaxPoolOptions>) -> Result<ValuesIndices> {
            let x = x.as_ref();
            x.$at(options)
        }
    )*};
}

max_pools! {
    max_pool1d, max_pool1d_with_indices, max_pool1d_with_indices;
    max_pool2d, max_pool2d_with_indices, max_pool2d_with_indices;
    max_pool3d, max_pool3d_with_indices, max_pool3d_with_indices;
}

macro_rules! avg_pools {
    ($($name:ident),*) => {$(
        #[doc = concat!("The mean of each window: `torch.nn.functional.", stringify!($name), "`.\n\n# Errors\nWhere no window fits.")]
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, options: impl Into<AvgPoolOptions>) -> Result<Tensor> {
            let x = x.as_ref();
            x.$name(options)
        }
    )*};
}

avg_pools!(avg_pool1d, avg_pool2d, avg_pool3d);

macro_rules! adaptive_pools {
    ($($name:ident),*) => {$(
        #[doc = concat!("`torch.nn.functional.", stringify!($name), "`: `output` windows that cover the input.\n\n# Errors\nWhere the input has no such dimensions.")]
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, output: impl Into<Spatial>) -> Result<Tensor> {
            let x = x.as_ref();
            x.$name(output)
        }
    )*};
}

adaptive_pools!(
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d
);

macro_rules! adaptive_indices {
    ($($name:ident, $pool:ident;)*) => {$(
        #[doc = concat!("[`", stringify!($pool), "`] and the place of each element in its plane: `return_indices=True`.\n\n# Errors\nAs for [`", stringify!($pool), "`].")]
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, output: impl Into<Spatial>) -> Result<ValuesIndices> {
            let x = x.as_ref();
            x.$name(output)
        }
    )*};
}

adaptive_indices! {
    adaptive_max_pool1d_with_indices, adaptive_max_pool1d;
    adaptive_max_pool2d_with_indices, adaptive_max_pool2d;
    adaptive_max_pool3d_with_indices, adaptive_max_pool3d;
}

macro_rules! unpools {
    ($($name:ident),*) => {$(
        #[doc = concat!("The largest elements of windows back at their places `indices`, zeros elsewhere: `torch.nn.functional.", stringify!($name), "`.\n\n# Errors\nWhere the places have another shape, or one is outside.")]
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, indices: impl AsRef<Tensor>, options: impl Into<UnpoolOptions>) -> Result<Tensor> {
            let (x, indices) = (x.as_ref(), indices.as_ref());
            x.$name(indices, options)
        }
    )*};
}

unpools!(max_unpool1d, max_unpool2d, max_unpool3d);

macro_rules! lp_pools {
    ($($name:ident),*) => {$(
        #[doc = concat!("The `norm_type`-norm of each window: `torch.nn.functional.", stringify!($name), "`.\n\n# Errors\nWhere no window fits, or there is no such norm.")]
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, norm_type: f64, options: impl Into<AvgPoolOptions>) -> Result<Tensor> {
            let x = x.as_ref();
            x.$name(norm_type, options)
        }
    )*};
}

lp_pools!(lp_pool1d, lp_pool2d, lp_pool3d);
