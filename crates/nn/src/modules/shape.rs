//! Layers that change the shape, or nothing.

use crate::print::py_tuple;
use crate::{Forward, Module};
use flambeau_tensor::shape::IntoShape;
use flambeau_tensor::{Result, Tensor, builder};

/// Gives its input back, as `torch.nn.Identity`.
#[derive(Module, Default, Clone, Copy)]
pub struct Identity;

impl Identity {
    /// One.
    pub fn new() -> Self {
        Identity
    }
}

impl Forward for Identity {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

/// Makes the dimensions from `start_dim` to `end_dim` one, as `torch.nn.Flatten`: all but the first
/// unless set.
#[derive(Module)]
#[module(extra_repr = "Flatten::describe")]
pub struct Flatten {
    start_dim: isize,
    end_dim: isize,
}

builder! {
    /// Options of [`Flatten`].
    pub struct FlattenBuilder => Flatten;
    new {}
    options {
        /// The first dimension, 1 unless set.
        start_dim: isize = 1,
        /// The last dimension, −1 unless set.
        end_dim: isize = -1,
    }
}

impl Flatten {
    fn from_builder(b: FlattenBuilder) -> Result<Self> {
        Ok(Flatten { start_dim: b.start_dim, end_dim: b.end_dim })
    }

    fn describe(&self) -> String {
        format!("start_dim={}, end_dim={}", self.start_dim, self.end_dim)
    }
}

impl Forward for Flatten {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(self.start_dim, self.end_dim)
    }
}

/// Makes one dimension several, as `torch.nn.Unflatten`; one of the sizes may be −1.
#[derive(Module)]
#[module(extra_repr = "Unflatten::describe")]
pub struct Unflatten {
    dim: isize,
    sizes: Vec<isize>,
}

impl Unflatten {
    /// Of dimension `dim`, into `sizes`.
    pub fn new(dim: isize, sizes: impl IntoShape) -> Self {
        Unflatten { dim, sizes: sizes.into_sizes().to_vec() }
    }

    fn describe(&self) -> String {
        format!("dim={}, unflattened_size={}", self.dim, py_tuple(&self.sizes))
    }
}

impl Forward for Unflatten {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.unflatten(self.dim, &self.sizes)
    }
}
