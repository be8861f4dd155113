#![doc = include_str!("../../../README.md")]

pub use flambeau_tensor::{
    Build, Complex, DType, Device, Dims, Element, Error, ErrorKind, Generator, Layout, Op, Operand, Result, Scalar,
    Shape, StateDict, Tensor, bf16, enable_grad, f16, get_num_threads, grad_enabled, inference_mode, initial_seed,
    manual_seed, no_grad, set_num_threads, tensor,
};

/// The tape: `backward`, `grad`, hooks, custom functions, gradcheck.
pub mod autograd {
    pub use flambeau_autograd::*;
}

/// Modules, functional forms, losses, initialisation.
pub mod nn {
    pub use flambeau_nn::*;
    pub use flambeau_nn_derive::ModuleViaFacade as Module;
}

/// Optimizers and learning-rate schedules.
pub mod optim {
    pub use flambeau_optim::*;
}

/// Datasets, samplers, the loader.
pub mod data {
    pub use flambeau_data::*;
}

/// Files of tensors: safetensors, PyTorch's, NumPy's.
pub mod serialize {
    pub use flambeau_serialize::*;
}

#[cfg(feature = "audio")]
/// Sound: files, datasets, transforms.
pub mod audio {
    pub use flambeau_audio::*;
}

#[cfg(feature = "vision")]
/// Images: files, datasets, transforms, utilities.
pub mod vision {
    pub use flambeau_vision::*;
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
    pub use flambeau_nn_derive::ModuleViaFacade as Module;
    pub use flambeau_optim::*;
    pub use flambeau_tensor::{
        Build, DType, Device, Error, ErrorKind, Result, Scalar, StateDict, Tensor, cat, enable_grad, inference_mode,
        no_grad, stack, tensor,
    };
    #[cfg(feature = "progress")]
    pub use indicatif::ProgressIterator;
    pub use std::f64::consts::PI;
}
