//! The CPU backend: one kernel for each op of the vocabulary.
//!
//! A kernel sees its inputs as [`Src`] and its outputs as [`Dst`], made by [`CpuBackend::run`] while
//! dispatch holds the locks. Elementwise kernels are closures given to [`iter`]; the others read
//! slices. `unsafe` stays in `view`, `iter` and `lanes`.

pub(crate) mod activation;
pub(crate) mod as_strided;
pub(crate) mod attention;
pub(crate) mod binary;
pub(crate) mod blocked;
pub(crate) mod cast;
pub(crate) mod clamp;
pub(crate) mod conv;
pub(crate) mod ctc;
pub(crate) mod factory;
pub(crate) mod fft;
pub(crate) mod grid;
pub(crate) mod implicit;
pub(crate) mod index;
pub(crate) mod introsort;
pub(crate) mod join;
pub(crate) mod linalg;
mod loops;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod optim;
pub(crate) mod pad;
pub(crate) mod pool;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod resample;
pub(crate) mod rnn;
pub(crate) mod sampling;
mod scan;
pub(crate) mod scatter;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod special;
pub(crate) mod ternary;
pub(crate) mod unary;

use crate::backend::{Backend, Ran, Work};
use crate::custom::Custom;
pub(crate) use crate::lists::{self, check_bytes, lengthen, list, reserve};
use crate::op::{Infer, Op};
use crate::ops::Transfer;
use crate::storage::Memory;
use crate::{Device, Error, ErrorKind, Result, Tensor, bail};
pub(crate) use loops::view::{Dst, Src};
pub(crate) use loops::{convert, floats, halves, iter, lanes, micro, packed, par, planes, scratch, view, words};
use smallvec::SmallVec;

/// How the CPU runs an op.
pub(crate) trait CpuKernel {
    /// True where inputs are read where they lie; else one that does not lie in rows may be copied.
    const IN_PLACE: bool = false;

    /// How many matrices of double precision it keeps for one of an operand.
    const MATRICES: usize = 0;

    /// Reads `inputs`, fills `outputs`; shapes and dtypes are as `infer` said.
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()>;
}

/// There must be memory for copies of inputs in rows: that of an expanded one is larger by far than what it is made
/// of.
pub(crate) fn check_room(op: &'static str, inputs: &[Src<'_>]) -> Result<()> {
    for x in inputs.iter().filter(|x| !x.is_contiguous()) {
        // As wide as it may be computed.
        let bytes = x.numel().saturating_mul(x.dtype().size().max(4));
        if bytes > lists::CHECKED && Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
            bail!(Memory, op, "the system has no {bytes} bytes for a copy in rows of an input of shape {:?}", x.shape())
        }
    }
    Ok(())
}

pub(crate) struct CpuBackend;

macro_rules! run_kernel {
    (kernels { $($k:ident,)* } large { $($l:ident,)* } views { $($v:ident,)* }) => {
        fn run_kernel(op: &Op, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            match op {
                $(Op::$k(op) => run(op, inputs, outputs),)*
                $(Op::$l(op) => run(&**op, inputs, outputs),)*
                view => Err(Error::new(ErrorKind::Unsupported, view.name(), "a view op has no kernel")),
            }
        }
    };
}
crate::for_each_op!(run_kernel);

#[inline(always)]
fn run<K: CpuKernel + Infer>(kernel: &K, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
    if !K::IN_PLACE && !K::ELEMENTWISE {
        check_room(K::NAME, inputs)?;
    }
    if K::MATRICES > 0 {
        let all = inputs.iter().map(|x| (x.shape(), x.dtype())).chain(outputs.iter().map(|x| (x.shape(), x.dtype())));
        for (shape, dtype) in all.filter(|(shape, _)| !shape.contains(&0)) {
            let one = shape.iter().rev().take(2).product::<usize>();
            let number = if dtype.is_complex() { 16 } else { 8 };
            check_bytes(K::NAME, one.saturating_mul(number * K::MATRICES))?;
        }
    }
    kernel
        .run(inputs, outputs)
        .map_err(|e| if e.place() == lists::PLACE { Error::new(e.kind(), K::NAME, e.message()) } else { e })
}

impl CpuKernel for Transfer {
    fn run(&self, _: &[Src<'_>], _: &mut [Dst<'_>]) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "to", "the dispatcher moves tensors between devices, no kernel does"))
    }
}

impl CpuKernel for Custom {
    fn run(&self, _: &[Src<'_>], _: &mut [Dst<'_>]) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, self.op().name(), "the backend asks an op of one's own itself"))
    }
}

impl Backend for CpuBackend {
    fn allocate(&self, _: Device, bytes: usize) -> Result<Memory> {
        match crate::alloc::Block::new(bytes) {
            Some(block) => Ok(Memory::Host(block)),
            None => Err(Error::new(ErrorKind::Memory, "allocate", format!("the system has no {bytes} bytes"))),
        }
    }

    unsafe fn run(&self, Work { op, inputs, outputs, .. }: Work<'_>) -> Result<Ran> {
        if let Op::Custom(op) = op {
            // SAFETY: as below.
            let (inputs, outputs) = unsafe {
                (inputs.iter().map(|t| Src::new(t)).collect::<Vec<_>>(), outputs.iter().map(|t| Dst::new(t)))
            };
            return op.run_on_cpu(&inputs, outputs);
        }
        // SAFETY: the contract of `Backend::run`: inputs are locked to read, outputs fresh or locked to
        // write, for the length of this call.
        unsafe {
            match (inputs, outputs) {
                // Most ops: no lists to be made.
                ([a], [out]) => run_kernel(op, &[Src::new(a)], &mut [Dst::new(out)]),
                ([a, b], [out]) => run_kernel(op, &[Src::new(a), Src::new(b)], &mut [Dst::new(out)]),
                _ => {
                    let inputs: SmallVec<[Src<'_>; 4]> = inputs.iter().map(|t| Src::new(t)).collect();
                    let mut outputs: SmallVec<[Dst<'_>; 2]> = outputs.iter().map(|t| Dst::new(t)).collect();
                    run_kernel(op, &inputs, &mut outputs)
                }
            }?;
        }
        Ok(Ran::Queued)
    }

    unsafe fn upload(&self, from: &Tensor, to: &Tensor, _: bool) -> Result<()> {
        // SAFETY: `from` is locked to read, `to` fresh or locked to write.
        let (from, mut to) = unsafe { (Src::new(from), Dst::new(to)) };
        to.bytes_mut().copy_from_slice(from.bytes());
        Ok(())
    }

    unsafe fn download(&self, from: &Tensor, to: &Tensor, _: bool) -> Result<()> {
        // SAFETY: the same contract the other way round.
        unsafe { self.upload(from, to, false) }
    }
}
