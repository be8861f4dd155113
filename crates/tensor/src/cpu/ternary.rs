//! The kernel of `where`: elements are moved as bits, whatever they mean.

use super::convert::{Convert, storer};
use super::iter::{Input, map3};
use super::lanes::{Bits, Lane, LaneKind, Truth};
use super::{CpuKernel, Dst, Src};
use crate::dtype::Stored;
use crate::ops::Where;
use crate::{DType, Error, ErrorKind, Result, Scalar};
use num_complex::Complex;

/// The number as an element of `dtype` is stored.
fn element(value: Scalar, dtype: DType) -> [u64; 2] {
    fn store<T: Lane>(value: Scalar, dtype: DType) -> [u64; 2] {
        let (lane, mut bytes) = (T::from_scalar(value), [0u64; 2]);
        let convert: Convert = storer(T::KIND, dtype);
        // SAFETY: one lane, and room for any element; both are aligned.
        unsafe { convert.run((&raw const lane).cast(), 1, bytes.as_mut_ptr().cast(), 1, 1) };
        bytes
    }
    match LaneKind::of(dtype) {
        LaneKind::Truth => store::<Truth>(value, dtype),
        LaneKind::F32 => store::<f32>(value, dtype),
        LaneKind::F64 => store::<f64>(value, dtype),
        LaneKind::U64 => store::<u64>(value, dtype),
        LaneKind::C128 => store::<Complex<f64>>(value, dtype),
        _ => store::<i64>(value, dtype),
    }
}

impl CpuKernel for Where {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Stored>(operands: [Input<'_>; 3], out: &mut Dst<'_>)
        where
            Bits<T>: Lane,
        {
            map3::<Truth, Bits<T>, Bits<T>, Bits<T>>(operands, out, |c, a, b| if c.get() { a } else { b });
        }
        let (dtype, out) = (inputs[1].dtype(), &mut outputs[0]);
        let mut tensors = inputs.iter().map(Input::from);
        let mut next = |number: Option<Scalar>| match number {
            Some(value) => Ok(Input::Element(element(value, dtype))),
            None => tensors.next().ok_or_else(|| Error::new(ErrorKind::Argument, "where", "an operand is missing")),
        };
        let operands = [next(None)?, next(self.input)?, next(self.other)?];
        if out.dtype() != dtype {
            return Err(Error::new(
                ErrorKind::DType,
                "where",
                format!("a {dtype} result does not go into {}", out.dtype()),
            ));
        }
        match dtype.size() {
            1 => go::<u8>(operands, out),
            2 => go::<u16>(operands, out),
            4 => go::<u32>(operands, out),
            8 => go::<u64>(operands, out),
            _ => go::<Complex<f64>>(operands, out),
        }
        Ok(())
    }
}
