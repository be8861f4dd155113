//! What is done to the parameters of a model beside training: `torch.nn.utils`.

mod clip;
mod fusion;
pub mod parametrizations;
pub mod prune;
pub mod rnn;
mod vector;

pub use crate::init::skip_init;
pub use clip::*;
pub use fusion::*;
pub use parametrizations::old::{remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm};
pub use vector::*;

/// Parameters that are computed from others: `torch.nn.utils.parametrize`.
pub mod parametrize {
    pub use crate::parametrize::{
        Parametrization, ParametrizationList, RebuildParametrization, cached, is_parametrized,
        register_parametrization, remove_parametrizations,
    };
}
