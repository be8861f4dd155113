//! Convolutions and padding.

use flambeau_tensor::{ConvOptions, ConvTransposeOptions, PadMode, Result, Scalar, Tensor};

macro_rules! convolutions {
    ($($conv:ident, $transpose:ident, $shape:literal;)*) => {$(
        #[doc = concat!("Cross-correlation of `", $shape, "` (or without `N`) with `weight` `[O, C / groups, k…]`, plus `bias` `[O]`;")]
        #[doc = concat!("`ConvOptions::new().stride(2).padding(1)` sets what PyTorch's `", stringify!($conv), "` has arguments for.")]
        ///
        /// # Errors
        /// Where shapes, groups or dtypes do not go together, or the kernel is larger than the padded input.
        #[track_caller]
        pub fn $conv(x: impl AsRef<Tensor>, weight: impl AsRef<Tensor>, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
            let (x, weight) = (x.as_ref(), weight.as_ref());
            x.$conv(weight, bias, options)
        }

        #[doc = concat!("Transposed convolution of `", $shape, "` (or without `N`) with `weight` `[C, O / groups, k…]`, plus `bias` `[O]`.")]
        ///
        /// # Errors
        /// Where shapes, groups or dtypes do not go together.
        #[track_caller]
        pub fn $transpose(x: impl AsRef<Tensor>, weight: impl AsRef<Tensor>, bias: Option<&Tensor>, options: ConvTransposeOptions) -> Result<Tensor> {
            let (x, weight) = (x.as_ref(), weight.as_ref());
            x.$transpose(weight, bias, options)
        }
    )*};
}

convolutions! {
    conv1d, conv_transpose1d, "[N, C, L]";
    conv2d, conv_transpose2d, "[N, C, H, W]";
    conv3d, conv_transpose3d, "[N, C, D, H, W]";
}

/// `value` around: `pads` counts elements before and behind the last dimension, then the one before it.
///
/// # Errors
/// Where the counts are not pairs, are for too many dimensions, or crop too much.
#[track_caller]
pub fn pad(x: impl AsRef<Tensor>, pads: &[isize], value: impl Into<Scalar>) -> Result<Tensor> {
    let x = x.as_ref();
    x.pad(pads, value)
}

/// [`pad`] with elements of `x`.
///
/// # Errors
/// As [`pad`], and where there are fewer elements than the mode needs.
#[track_caller]
pub fn pad_with(x: impl AsRef<Tensor>, pads: &[isize], mode: PadMode) -> Result<Tensor> {
    let x = x.as_ref();
    x.pad_with(pads, mode)
}
