//! [`Src`] and [`Dst`]: a kernel's inputs and outputs, as slices; images in channels-last order as matrices.

use crate::dtype::Stored;
use crate::layout::{Layout, MemoryFormat};
use crate::tensor::stored_as;
use crate::{DType, Tensor};
use std::borrow::Cow;

/// An input whose storage is locked to read.
#[derive(Clone, Copy)]
pub(crate) struct Src<'a>(&'a Tensor);

/// An output whose storage nobody else touches (though it may be an input's too, in an elementwise op).
pub(crate) struct Dst<'a>(&'a Tensor);

impl<'a> Src<'a> {
    /// # Safety
    /// The storage is on the CPU and locked to read as long as `'a`, or nobody else can reach it.
    #[inline]
    pub(crate) unsafe fn new(tensor: &'a Tensor) -> Self {
        Src(tensor)
    }

    #[inline]
    pub(crate) fn shape(&self) -> &'a [usize] {
        self.0.shape()
    }

    #[inline]
    pub(crate) fn layout(&self) -> &'a Layout {
        self.0.layout()
    }

    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.0.is_contiguous()
    }

    /// Images in channels-last order that are not in rows as well.
    pub(crate) fn is_channels_last(&self) -> bool {
        self.0.layout().is_channels_last()
    }

    #[inline]
    pub(crate) fn dtype(&self) -> DType {
        self.0.dtype()
    }

    #[inline]
    pub(crate) fn numel(&self) -> usize {
        self.0.numel()
    }

    /// True where `out` is a tensor over the same memory.
    #[inline]
    pub(crate) fn shares_storage(&self, out: &Dst<'_>) -> bool {
        self.0.storage().is(out.0.storage())
    }

    /// The first element.
    #[inline]
    pub(crate) fn ptr(&self) -> *const u8 {
        // `wrapping`: a tensor without elements may have an offset at the end.
        self.0.storage().host_ptr().wrapping_add(self.0.storage_offset() * self.dtype().size())
    }

    /// All elements that the layout spans, from its first on: index it with the strides. Not for
    /// elementwise kernels, whose output may be the same memory.
    ///
    /// # Panics
    /// Where `T` does not store the dtype: a kernel matches on the dtype first.
    #[inline]
    pub(crate) fn span<T: Stored>(&self) -> &'a [T] {
        assert!(stored_as::<T>(self.dtype()), "{} read as {}", self.dtype(), std::any::type_name::<T>());
        let layout = self.layout();
        let n = layout.end().map_or(0, |end| end.saturating_sub(layout.offset));
        if n == 0 {
            return &[];
        }
        // SAFETY: a tensor's layout lies inside its storage; storage is initialised and aligned to 64;
        // `T` stores the dtype; the lock that `new` asks for keeps writers out.
        unsafe { std::slice::from_raw_parts(self.ptr().cast::<T>(), n) }
    }

    /// The elements in row-major order: borrowed where they lie so, else copied.
    #[inline]
    pub(crate) fn contiguous<T: Stored>(&self) -> Cow<'a, [T]> {
        let span = self.span::<T>();
        if self.is_contiguous() {
            return Cow::Borrowed(&span[..self.numel()]);
        }
        let mut rows = vec![T::default(); self.numel()];
        super::iter::gather(self, &mut rows);
        Cow::Owned(rows)
    }

    /// The bytes of a contiguous input.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        assert!(self.is_contiguous());
        if self.numel() == 0 {
            return &[];
        }
        // SAFETY: as for `span`; bytes have no alignment and no invalid values.
        unsafe { std::slice::from_raw_parts(self.ptr(), self.numel() * self.dtype().size()) }
    }
}

impl<'a> Dst<'a> {
    /// # Safety
    /// The storage is on the CPU and fresh or locked to write as long as `'a`, and made into one `Dst`
    /// only. While a slice of it lives, no slice of an input of the same storage may.
    #[inline]
    pub(crate) unsafe fn new(tensor: &'a Tensor) -> Self {
        Dst(tensor)
    }

    #[inline]
    pub(crate) fn shape(&self) -> &'a [usize] {
        self.0.shape()
    }

    #[inline]
    pub(crate) fn layout(&self) -> &'a Layout {
        self.0.layout()
    }

    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.0.is_contiguous()
    }

    #[inline]
    pub(crate) fn dtype(&self) -> DType {
        self.0.dtype()
    }

    #[inline]
    pub(crate) fn numel(&self) -> usize {
        self.0.numel()
    }

    #[inline]
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.0.storage().host_ptr().wrapping_add(self.0.storage_offset() * self.dtype().size())
    }

    /// The elements of a contiguous output, of any content so far. Not for elementwise kernels, whose
    /// inputs may be the same memory.
    ///
    /// # Panics
    /// Where `T` does not store the dtype.
    #[inline]
    pub(crate) fn slice<T: Stored>(&mut self) -> &mut [T] {
        assert!(stored_as::<T>(self.dtype()), "{} written as {}", self.dtype(), std::any::type_name::<T>());
        assert!(self.is_contiguous());
        if self.numel() == 0 {
            return &mut [];
        }
        // SAFETY: as for `Src::span`; `new` promises that nobody else reads or writes it.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().cast::<T>(), self.numel()) }
    }

    /// The bytes of a contiguous output.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        assert!(self.is_contiguous());
        if self.numel() == 0 {
            return &mut [];
        }
        // SAFETY: as for `slice`.
        unsafe { std::slice::from_raw_parts_mut(self.ptr(), self.numel() * self.dtype().size()) }
    }
}

/// Images that lie in channels-last order as the matrix `[pixels, channels]`, which lies in rows.
fn matrix_of(images: &Tensor) -> Option<Tensor> {
    let (layout, rank) = (images.layout(), images.rank());
    let order = MemoryFormat::channels_last(rank)?.order(rank)?;
    let turned = layout.permute(&order);
    let channels = layout.shape[1];
    let matrix = turned.is_contiguous().then(|| turned.reshape(&[layout.numel() / channels.max(1), channels]))??;
    Some(Tensor::over(images.storage().clone(), matrix, images.dtype(), None))
}

/// Where the first `images` inputs and all outputs of their rank lie in channels-last order, calls `f` with matrices
/// `[pixels, channels]` in their place and true; else with the operands as they are and false.
pub(crate) fn by_pixels<R>(
    images: usize,
    inputs: &[Src<'_>],
    outputs: &mut [Dst<'_>],
    f: impl FnOnce(&[Src<'_>], &mut [Dst<'_>], bool) -> R,
) -> R {
    let Some(first) = inputs[..images].first().filter(|x| x.is_channels_last()) else {
        return f(inputs, outputs, false);
    };
    let rank = first.layout().rank();
    let read = inputs[..images].iter().map(|x| matrix_of(x.0)).collect::<Option<Vec<_>>>();
    let written = outputs.iter().map(|y| if y.0.rank() == rank { matrix_of(y.0) } else { Some(y.0.clone()) });
    let (Some(read), Some(written)) = (read, written.collect::<Option<Vec<_>>>()) else {
        return f(inputs, outputs, false);
    };
    // SAFETY: over the storages of `inputs` and `outputs`, whose locks outlast this call; the outputs that were given
    // are not touched meanwhile.
    let (inputs, mut outputs): (Vec<_>, Vec<_>) = unsafe {
        let rest = inputs[images..].iter().copied();
        (read.iter().map(|x| Src::new(x)).chain(rest).collect(), written.iter().map(|y| Dst::new(y)).collect())
    };
    f(&inputs, &mut outputs, true)
}
