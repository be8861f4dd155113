//! PyTorch's eager framework, written in Rust: tensors, define-by-run autograd, modules, optimizers, data loading,
//! vision and audio. Names, defaults, parameter names and random numbers are PyTorch's; errors are `Result`s that
//! name the op, the operands and your line.
//!
//! ```
//! use flambeau::prelude::*;
//!
//! # fn main() -> Result<()> {
//! flambeau::manual_seed(0);
//! let x = Tensor::linspace(-PI, PI, 200).build()?.unsqueeze(-1)?;
//! let y = x.sin()?;
//!
//! let model = Sequential::of((Linear::new(1, 16), Tanh::new(), Linear::new(16, 1)))?;
//! let mut optimizer = Adam::new(model.parameters()).lr(1e-2).build()?;
//!
//! for _ in 0..20 {
//!     let loss = mse_loss(&model.call(&x)?, &y)?;
//!     optimizer.zero_grad();
//!     loss.backward()?;
//!     optimizer.step()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`prelude`] is what most programs need. [`Tensor`] lists its methods, [`nn`] the modules and losses, [`optim`]
//! the optimizers and schedules, [`data`] the loader, [`train`] what stands around the loop, `vision` and `audio` (features, on by default) datasets and
//! transforms. The book in the repository's `docs/` begins with a quick start and a table for those who come from
//! PyTorch.

// What has a name in a signature can be named.
pub use flambeau_tensor::{
    Approximate, AvgPoolOptions, BatchNormOptions, Bound, CloseOptions, ConvOptions, ConvTransposeOptions,
    Distribution, Ellipsis, Indexing, IstftOptions, MantissaExponent, MaxPoolOptions, MinMax, NewAxis, PadMode,
    Padding, Reduce, StdAndMean, StftOptions, TopkOptions, ValuesIndices, VarAndMean, shape::Spatial,
};
pub use flambeau_tensor::{
    BagMode, Bins, ColumnOptions, EmbeddingBagOptions, GridMode, GridPadding, Histogram, InterpolateMode,
    InterpolateOptions, Interpolation, Spacing, Unique, UnpoolOptions, block_diag, broadcast_tensors, cartesian_prod,
    column_stack, dstack, einsum, hstack, meshgrid, vstack,
};
pub use flambeau_tensor::{
    Build, Complex, DType, Device, Dims, Element, Error, ErrorKind, Generator, IntoIndex, IntoShape, Layout,
    MemoryFormat, Op, Operand, PrintOptions, Result, Scalar, Shape, Size, StateDict, Tensor, To, bail, bf16, cat,
    enable_grad, ensure, f16, get_num_threads, grad_enabled, inference_mode, initial_seed, manual_seed, no_grad,
    print_options, result_type, set_num_threads, set_print_options, stack, tensor,
};

/// The tape: `backward`, `grad`, hooks, custom functions, gradcheck.
pub mod autograd {
    pub use flambeau_autograd::*;
}

/// Generators and the default one's state.
pub mod random {
    pub use flambeau_tensor::random::*;
}

/// Transforms of functions: derivatives, and many samples at once, as `torch.func`.
pub mod func {
    pub use flambeau_autograd::func::*;
    pub use flambeau_nn::{functional_call, stack_module_state};
}

// Families of functions, as `torch.fft`, `torch.linalg`, `torch.masked`, `torch.signal` and `torch.special`.
pub use flambeau_tensor::{fft, linalg, masked, signal, special};

// Modes of a thread: mixed precision, where the time goes, a function's ops as a program.
pub use flambeau_tensor::{autocast, profiler, trace};

/// For whoever adds a device or a mode: backends, storages, calls and interpreters.
pub mod extend {
    pub use flambeau_tensor::alloc::Block;
    pub use flambeau_tensor::backend::{Backend, DeviceKind, Ran, Work, register_backend, synchronize};
    pub use flambeau_tensor::dispatch::{Call, Interpreter, Output, Read, interpret};
    pub use flambeau_tensor::storage::{Memory, Storage, Use};
}

/// Modules, functional forms, losses, initialisation.
pub mod nn {
    pub use flambeau_nn::*;
    pub use flambeau_nn_derive::{ModuleViaFacade as Module, TensorsViaFacade as Tensors};
}

/// Optimizers and learning-rate schedules.
pub mod optim {
    pub use flambeau_optim::*;
}

/// Datasets, samplers, the loader.
pub mod data {
    pub use flambeau_data::*;
    pub use flambeau_nn_derive::CollateViaFacade as Collate;
}

/// Files of tensors: safetensors, PyTorch's, NumPy's.
pub mod serialize {
    pub use flambeau_serialize::*;
}

/// Around the training loop: metrics, TensorBoard, progress, early stopping, run folders.
pub mod train {
    pub use flambeau_train::*;
}

#[cfg(feature = "distributions")]
/// Probability distributions, as `torch.distributions`.
pub mod distributions {
    pub use flambeau_distributions::*;
}

#[cfg(feature = "audio")]
/// Sound: files, datasets, transforms.
pub mod audio {
    pub use flambeau_audio::*;
}

/// NVIDIA GPUs: what there is, memory, streams, as `torch.cuda`. Feature `cuda`.
#[cfg(feature = "cuda")]
pub mod cuda {
    pub use flambeau_cuda::*;
}

#[cfg(feature = "vision")]
/// Images: files, datasets, transforms, utilities.
pub mod vision {
    pub use flambeau_vision::*;

    /// Tensors that say what they are, and samples made of them.
    pub mod tv_tensors {
        pub use flambeau_nn_derive::SampleViaFacade as Sample;
        pub use flambeau_vision::tv_tensors::*;
    }
}

/// What a program needs most, in one `use`.
pub mod prelude {
    #[cfg(feature = "audio")]
    pub use crate::audio;
    #[cfg(feature = "vision")]
    pub use crate::vision;
    pub use crate::{nn, optim, serialize};
    pub use flambeau_autograd::{Autograd, Context, Function, MultiFunction, grad};
    pub use flambeau_data::*;
    pub use flambeau_nn::functional::*;
    pub use flambeau_nn::utils::*;
    pub use flambeau_nn::*;
    pub use flambeau_nn_derive::{CollateViaFacade as Collate, ModuleViaFacade as Module, TensorsViaFacade as Tensors};
    pub use flambeau_optim::*;
    pub use flambeau_tensor::{
        Build, DType, Device, Error, ErrorKind, Result, Scalar, StateDict, Tensor, cat, enable_grad, inference_mode,
        manual_seed, no_grad, stack, tensor,
    };
    pub use flambeau_train::{
        Accuracy, Auc, ConfusionMatrix, EarlyStopping, Mean, Progress, ProgressIterator, RunFolder, SummaryWriter,
    };
    pub use std::f64::consts::PI;
}

/// The README: every Rust block in it is compiled and run by `cargo test`.
#[cfg(doctest)]
mod book {
    macro_rules! pages {
        ($($page:ident: $file:literal;)*) => { $(#[doc = include_str!($file)] mod $page {})* };
    }
    pages! {
        readme: "../../../README.md";
        introduction: "../../../docs/introduction.md";
        quick_start: "../../../docs/quick-start.md";
        modules: "../../../docs/modules.md";
        function_transforms: "../../../docs/function-transforms.md";
        data_and_training: "../../../docs/data-and-training.md";
        distributions: "../../../docs/distributions.md";
        cuda: "../../../docs/cuda.md";
        reference: "../../../docs/reference.md";
        contributing: "../../../docs/contributing.md";
        coming_from_pytorch: "../../../docs/coming-from-pytorch.md";
    }
}
