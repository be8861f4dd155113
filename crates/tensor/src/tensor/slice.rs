//! A tensor's elements as a slice: guards that keep writers, or everybody else, out while it lives.

use crate::dtype::Stored;
use crate::storage::{Guard, lock};
use crate::{DType, Device, Result, Tensor, dispatch, ensure};
use std::ops::{Deref, DerefMut};
use std::panic::Location;

impl Tensor {
    /// The elements of a contiguous CPU tensor in place, locked against writers while the guard lives.
    /// `T` is the stored form: `u8` for `bool`.
    ///
    /// Drop it before this thread waits for another one that may write to the tensor (a loader's worker, a join).
    ///
    /// # Errors
    /// Where `T` is not the tensor's dtype, or it is not contiguous, or not on the CPU. Where another thread writes
    /// and waits for what this one holds, or does not give the tensor back within ten seconds: then the message
    /// names where it is held.
    #[track_caller]
    pub fn data<T: Stored>(&self) -> Result<Data<'_, T>> {
        dispatch::reading("data", self)?;
        self.locked("data")
    }

    #[track_caller]
    pub(super) fn locked<T: Stored>(&self, by: &'static str) -> Result<Data<'_, T>> {
        self.expect_slice::<T>(by)?;
        let guard = lock(by, &[self], &[])?;
        Ok(Data { tensor: self, _guard: guard, stored: std::marker::PhantomData })
    }

    /// The elements of a contiguous CPU tensor in place, to write, locked against everybody else while
    /// the guard lives: drop it before this thread waits for another one that may want the tensor. Counts as an in-place op: a backward that needs the old values will say so.
    ///
    /// # Errors
    /// As for [`data`](Tensor::data); and where the tensor's history is recorded, for autograd cannot
    /// see what is written here (`detach()` it first, or use `no_grad`).
    #[track_caller]
    pub fn data_mut<T: Stored>(&self) -> Result<DataMut<'_, T>> {
        self.expect_slice::<T>("data_mut")?;
        dispatch::reading("data_mut", self)?;
        ensure!(
            !(self.requires_grad() && dispatch::grad_enabled()),
            Autograd,
            "data_mut",
            "autograd cannot see what is written into a tensor that requires grad; use `no_grad` or `detach`"
        );
        ensure!(
            !dispatch::is_unseen_by_its_base(self),
            Autograd,
            "data_mut",
            "the tensor is a view made under `no_grad`: autograd cannot see what is written to its base; use `no_grad` or `detach`"
        );
        let guard = lock("data_mut", &[], &[self])?;
        self.storage().bump("data_mut", Location::caller());
        Ok(DataMut { tensor: self, _guard: guard, stored: std::marker::PhantomData })
    }

    #[track_caller]
    fn expect_slice<T: Stored>(&self, op: &'static str) -> Result<()> {
        ensure!(
            stored_as::<T>(self.dtype()),
            DType,
            op,
            "the tensor is {}, not {}",
            self.dtype(),
            std::any::type_name::<T>()
        );
        ensure!(self.device() == Device::Cpu, Device, op, "a tensor on {} has no slice in this process", self.device());
        ensure!(
            self.is_contiguous(),
            Argument,
            op,
            "strides {:?} of shape {:?} are not contiguous",
            self.strides(),
            self.shape()
        );
        Ok(())
    }
}

/// True where elements of `dtype` are stored as `T`.
pub(crate) fn stored_as<T: Stored>(dtype: DType) -> bool {
    use std::any::TypeId;
    macro_rules! id {
        ($($d:ident => $t:ty),*) => { match dtype { $(DType::$d => TypeId::of::<$t>(),)* } };
    }
    TypeId::of::<T>()
        == id! {
            Bool => u8, U8 => u8, U16 => u16, U32 => u32, U64 => u64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, F16 => half::f16, BF16 => half::bf16,
            F32 => f32, F64 => f64, Complex64 => num_complex::Complex<f32>, Complex128 => num_complex::Complex<f64>
        }
}

/// A tensor's elements, locked to read. See [`Tensor::data`].
pub struct Data<'a, T> {
    tensor: &'a Tensor,
    _guard: Guard<'a>,
    stored: std::marker::PhantomData<*const T>,
}

impl<T: Stored> Deref for Data<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        let (at, n) = (self.tensor.storage_offset(), self.tensor.numel());
        if n == 0 {
            return &[];
        }
        // SAFETY: `data` checked dtype, device and contiguity; the layout lies inside the storage; the
        // guard keeps writers out as long as the slice can live.
        unsafe { std::slice::from_raw_parts(self.tensor.storage().host_ptr().cast::<T>().add(at), n) }
    }
}

/// A tensor's elements, locked to write. See [`Tensor::data_mut`].
pub struct DataMut<'a, T> {
    tensor: &'a Tensor,
    _guard: Guard<'a>,
    stored: std::marker::PhantomData<*mut T>,
}

impl<T: Stored> Deref for DataMut<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        let (at, n) = (self.tensor.storage_offset(), self.tensor.numel());
        if n == 0 {
            return &[];
        }
        // SAFETY: as for `Data`; the guard keeps everybody else out.
        unsafe { std::slice::from_raw_parts(self.tensor.storage().host_ptr().cast::<T>().add(at), n) }
    }
}

impl<T: Stored> DerefMut for DataMut<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let (at, n) = (self.tensor.storage_offset(), self.tensor.numel());
        if n == 0 {
            return &mut [];
        }
        // SAFETY: as for `Data`; the guard is exclusive and borrowed mutably, and a contiguous layout
        // has no two indices on one element.
        unsafe { std::slice::from_raw_parts_mut(self.tensor.storage().host_ptr().cast::<T>().add(at), n) }
    }
}
