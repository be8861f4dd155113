//! Elements in other places, and images in other sizes.

use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{ColumnOptions, InterpolateOptions, Result, Tensor};

/// The windows of `[N, C, H, W]` (or without `N`) as columns, `[N, C · kernel, windows]`:
/// `torch.nn.functional.unfold`.
///
/// # Errors
/// Where no window fits.
#[track_caller]
pub fn unfold(x: impl AsRef<Tensor>, options: impl Into<ColumnOptions>) -> Result<Tensor> {
    let x = x.as_ref();
    x.im2col(options)
}

/// The sum of windows, given as columns, where they overlap in an image of `output` height and width:
/// `torch.nn.functional.fold`.
///
/// # Errors
/// Where the columns are not as many as the image has windows.
#[track_caller]
pub fn fold(
    columns: impl AsRef<Tensor>,
    output: impl Into<Spatial>,
    options: impl Into<ColumnOptions>,
) -> Result<Tensor> {
    let columns = columns.as_ref();
    columns.col2im(output, options)
}

/// `[N, C, …]` with one to three dimensions behind in another size: `torch.nn.functional.interpolate`.
///
/// # Errors
/// Where the input has another rank or dtype, or the options do not go together.
#[track_caller]
pub fn interpolate(x: impl AsRef<Tensor>, options: InterpolateOptions) -> Result<Tensor> {
    let x = x.as_ref();
    x.interpolate(options)
}

macro_rules! shuffles {
    ($($(#[$doc:meta])* $name:ident($factor:ident);)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Where the sizes are no multiple of it.
        #[track_caller]
        pub fn $name(x: impl AsRef<Tensor>, $factor: usize) -> Result<Tensor> {
            let x = x.as_ref();
            x.$name($factor)
        }
    )*};
}

shuffles! {
    /// The channels of `[…, C · r², H, W]` as pixels, `[…, C, H · r, W · r]`.
    pixel_shuffle(factor);
    /// The pixels of `[…, C, H · r, W · r]` as channels, `[…, C · r², H, W]`.
    pixel_unshuffle(factor);
    /// The channels of `[N, C, …]` dealt out over `groups`.
    channel_shuffle(groups);
}
