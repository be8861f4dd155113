//! The tensor of flambeau: runtime dtype, rank and device, strided views, PyTorch's broadcasting and
//! promotion, the ops, the dispatcher that each of them passes, and two backends, the CPU and `meta`.
//!
//! Autograd is the layer above (`flambeau-autograd`); this crate knows of it only the hook in
//! [`dispatch`](mod@dispatch). `docs/architecture.md` shows the layers and the life of an op.

mod build;
mod cpu;
pub mod dispatch;
pub mod fft;
pub mod linalg;
pub mod masked;
mod memory;
pub mod ops;
pub mod random;
pub mod signal;
pub mod special;
mod tensor;
mod values;

pub use build::Build;
pub use cpu::par::{get_num_threads, set_num_threads};
pub use cpu::resample::ByteRows;
pub use device::Device;
use dispatch::interpreters;
pub use dispatch::interpreters::{autocast, profiler, trace};
pub use dispatch::{
    ModeGuard, dispatch, dispatch_all, dispatch_into, dispatch_update, dispatch_view, enable_grad, grad_enabled,
    inference_mode, inference_mode_enabled, no_grad,
};
pub use dispatch::{backend, custom, op};
pub use display::{PrintOptions, print_options, set_grad_fn_name, set_print_options};
pub use dtype::{Category, DType, Element, Stored};
pub use error::{Error, ErrorKind, Result};
pub use indexing::{Ellipsis, Every, IntoIndex, IntoPick, NewAxis, Pick, Picks, Stepped};
pub use layout::{Layout, MemoryFormat};
pub use literal::{Literal, Nested, Regular, literal_or_panic};
pub use memory::{alloc, storage};
use memory::{lists, waits};
pub use op::{Op, Outputs};
pub use ops::*;
pub use random::{Generator, initial_seed, manual_seed};
pub use scalar::Scalar;
pub use shape::{Dims, IntoShape, Shape, Size};
pub use state_dict::{NamedTensors, StateDict};
pub use tensor::{Data, DataMut, FromScalar, History, Node, Tensor, View, ViewOps};
use tensor::{display, indexing, literal, state_dict, tensors};
pub use tensors::Tensors;
use values::{device, dtype, error, scalar};
pub use values::{layout, shape};

pub use half::{bf16, f16};
pub use num_complex::Complex;
