//! How CUDA runs each op: by a kernel, by its decomposition, or on the host.
//!
//! Every op of the vocabulary has a [`CudaKernel`], or nothing compiles. An op that is new says `on_host!`.

mod activation;
mod by_lane;
mod conv;
mod copies;
mod ctc;
mod elementwise;
mod fft;
mod host;
mod index;
mod matmul;
mod norm;
mod optim;
mod packed;
mod places;
mod pool;
mod random;
mod reduce;
mod scan;
mod softmax;
mod sort;
mod special;

pub(crate) use host::{WITHOUT_KERNEL, times};

use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::{DType, Op, Result};

/// How CUDA runs an op.
pub(crate) trait CudaKernel {
    /// Queues it, or says that there is no kernel for this.
    fn run(&self, work: &Work<'_>) -> Result<Ran>;
}

/// Queues an op.
pub(crate) fn run(work: &Work<'_>) -> Result<Ran> {
    run_kernel(work)
}

macro_rules! run_kernel {
    (kernels { $($k:ident,)* } large { $($l:ident,)* } views { $($v:ident,)* }) => {
        fn run_kernel(work: &Work<'_>) -> Result<Ran> {
            match work.op {
                $(Op::$k(op) => CudaKernel::run(op, work),)*
                $(Op::$l(op) => CudaKernel::run(&**op, work),)*
                _ => Ok(Ran::Lacking),
            }
        }
    };
}
flambeau_tensor::for_each_op!(run_kernel);

/// What kernels compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    F32,
    F64,
    I64,
    Truth,
    /// Pairs of doubles; never that of a dtype by [`of`](Lane::of), for few kernels have it.
    Complex,
}

impl Lane {
    /// That of a dtype; `None` for complex numbers and wide unsigned ones.
    pub fn of(dtype: DType) -> Option<Lane> {
        Some(match dtype {
            DType::Bool => Lane::Truth,
            DType::F16 | DType::BF16 | DType::F32 => Lane::F32,
            DType::F64 => Lane::F64,
            DType::Complex64 | DType::Complex128 | DType::U16 | DType::U32 | DType::U64 => return None,
            _ => Lane::I64,
        })
    }

    /// The dtype that holds it as it is.
    pub fn dtype(self) -> DType {
        match self {
            Lane::F32 => DType::F32,
            Lane::F64 => DType::F64,
            Lane::I64 => DType::I64,
            Lane::Truth => DType::Bool,
            Lane::Complex => DType::Complex128,
        }
    }
}

/// The number by which kernels know a dtype.
pub(crate) fn number(dtype: DType) -> i32 {
    dtype as i32
}
