//! What views show, in memory of its own and in rows: PyTorch's `…_copy`, for those who must not alias; and shapes, dtypes and values
//! taken over from another tensor.

use super::*;
use crate::Scalar;
use crate::shape::{Dims, IntoShape, Size};

macro_rules! copies {
    ($($name:ident($($argument:ident: $t:ty),*) of $view:ident;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("[`", stringify!($view), "`](Tensor::", stringify!($view), ") in memory of its own: `torch.", stringify!($name), "`.")]
                ///
                /// # Errors
                #[doc = concat!("As [`", stringify!($view), "`](Tensor::", stringify!($view), ").")]
                #[track_caller]
                pub fn $name(&self, $($argument: $t),*) -> Result<Tensor> {
                    self.$view($($argument),*)?.rows()
                }
            )*
        }
    };
}

macro_rules! copied_parts {
    ($($name:ident($($argument:ident: $t:ty),*) of $view:ident;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("[`", stringify!($view), "`](Tensor::", stringify!($view), "), each part in memory of its own: `torch.", stringify!($name), "`.")]
                ///
                /// # Errors
                #[doc = concat!("As [`", stringify!($view), "`](Tensor::", stringify!($view), ").")]
                #[track_caller]
                pub fn $name(&self, $($argument: $t),*) -> Result<Vec<Tensor>> {
                    self.$view($($argument),*)?.iter().map(Tensor::rows).collect()
                }
            )*
        }
    };
}

copies! {
    as_strided_copy(shape: impl IntoShape, strides: impl IntoShape, offset: usize) of as_strided;
    diagonal_copy(offset: isize, dim1: isize, dim2: isize) of diagonal;
    expand_copy(shape: impl IntoShape) of expand;
    narrow_copy(dim: isize, start: impl Size, len: usize) of narrow;
    permute_copy(dims: impl Into<Dims>) of permute;
    select_copy(dim: isize, index: isize) of select;
    slice_copy(dim: isize, start: isize, end: isize, step: usize) of slice;
    squeeze_copy(dims: impl Into<Dims>) of squeeze;
    t_copy() of t;
    transpose_copy(dim0: isize, dim1: isize) of transpose;
    unfold_copy(dim: isize, size: usize, step: usize) of unfold;
    unsqueeze_copy(dim: isize) of unsqueeze;
    view_as_complex_copy() of view_as_complex;
    view_as_real_copy() of view_as_real;
    view_copy(shape: impl IntoShape) of view;
}

copied_parts! {
    split_copy(size: usize, dim: isize) of split;
    split_with_sizes_copy(sizes: &[usize], dim: isize) of split_with_sizes;
    unbind_copy(dim: isize) of unbind;
}

impl Tensor {
    /// All elements in one dimension: `torch.ravel`.
    ///
    /// # Errors
    /// Where the system has no memory for a copy.
    #[track_caller]
    pub fn ravel(&self) -> Result<Tensor> {
        self.flatten(0, -1)
    }

    /// Broadcast to the shape of `other`: `Tensor.expand_as`.
    ///
    /// # Errors
    /// As [`expand`](Tensor::expand).
    #[track_caller]
    pub fn expand_as(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        self.expand(other.as_ref().shape())
    }

    /// Under the shape of `other`: `Tensor.reshape_as`.
    ///
    /// # Errors
    /// As [`reshape`](Tensor::reshape).
    #[track_caller]
    pub fn reshape_as(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        self.reshape(other.as_ref().shape())
    }

    /// Under the shape of `other`, never a copy: `Tensor.view_as`.
    ///
    /// # Errors
    /// As [`view`](Tensor::view).
    #[track_caller]
    pub fn view_as(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        self.view(other.as_ref().shape())
    }

    /// In the dtype and on the device of `other`: `Tensor.type_as`.
    ///
    /// # Errors
    /// Where the device has no memory for a copy.
    #[track_caller]
    pub fn type_as(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        self.to_device(other.device())?.to_dtype(other.dtype())
    }

    /// A new tensor of `shape`, every element `value`, with this tensor's dtype and device: `Tensor.new_full`.
    ///
    /// ```
    /// # use flambeau_tensor::{DType, tensor};
    /// let x = tensor!([1, 2, 3]).new_full([2, 2], 7)?;
    /// assert_eq!((x.dtype(), x.to_vec::<i64>()?), (DType::I64, vec![7; 4]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the dtype has no such number, or the system has no memory for the tensor.
    #[track_caller]
    pub fn new_full(&self, shape: impl IntoShape, value: impl Into<Scalar>) -> Result<Tensor> {
        Tensor::full(shape, value).dtype(self.dtype()).device(self.device()).build()
    }

    /// [`new_full`](Tensor::new_full) of zeros: `Tensor.new_zeros`.
    ///
    /// # Errors
    /// Where the system has no memory for the tensor.
    #[track_caller]
    pub fn new_zeros(&self, shape: impl IntoShape) -> Result<Tensor> {
        self.new_full(shape, false)
    }

    /// [`new_full`](Tensor::new_full) of ones: `Tensor.new_ones`.
    ///
    /// # Errors
    /// Where the system has no memory for the tensor.
    #[track_caller]
    pub fn new_ones(&self, shape: impl IntoShape) -> Result<Tensor> {
        self.new_full(shape, true)
    }

    /// Writes `value` to the main diagonal, of a tall matrix with `wrap` again and again, one row left out between:
    /// `Tensor.fill_diagonal_`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::zeros([5, 2]).build()?;
    /// x.fill_diagonal_(1.0, true)?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there are fewer than two dimensions, or more than two of different sizes, or the dtype has no such number.
    #[track_caller]
    pub fn fill_diagonal_(&self, value: impl Into<Scalar>, wrap: bool) -> Result<&Tensor> {
        const NAME: &str = "fill_diagonal_";
        let (rank, shape) = (self.rank(), self.shape());
        ensure!(rank >= 2, Shape, NAME, "a tensor of shape {shape:?} has no diagonal, it needs two dimensions");
        let cube = rank == 2 || shape.iter().all(|&n| n == shape[0]);
        ensure!(cube, Shape, NAME, "of more than two dimensions all must be of one size, these are {shape:?}");
        let value = value.into();
        let (height, width) = (shape[0], shape[1]);
        let offset = self.layout().offset;
        let step: usize = self.strides().iter().sum();
        let length = shape.iter().copied().min().unwrap_or(0);
        self.as_strided([length], [step], offset)?.fill_(value)?;
        if rank == 2 && wrap && height > width + 1 {
            let again = self.numel().div_ceil(width + 1) - length;
            let below = offset + self.strides()[0] * (width + 1);
            self.as_strided([again], [step], below)?.fill_(value)?;
        }
        Ok(self)
    }
}
