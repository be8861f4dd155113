//! Layers that change the shape, or nothing.

use crate::print::py_tuple;
use crate::{Forward, Module, ModuleId};
use flambeau_tensor::shape::IntoShape;
use flambeau_tensor::{Result, Tensor};

/// Gives its input back, as `torch.nn.Identity`.
#[derive(Module, Default, Clone)]
pub struct Identity {
    id: ModuleId,
}

impl Identity {
    /// One.
    pub fn new() -> Self {
        Identity::default()
    }
}

impl Forward<&Tensor> for Identity {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

/// Makes the dimensions from `start_dim` to `end_dim` one, as `torch.nn.Flatten`: all but the first
/// unless set.
#[derive(Module, Clone)]
#[module(extra_repr = "Flatten::describe")]
pub struct Flatten {
    start_dim: isize,
    end_dim: isize,
    id: ModuleId,
}

impl Flatten {
    /// One that keeps the first dimension alone.
    pub fn new() -> Self {
        Flatten { start_dim: 1, end_dim: -1, id: ModuleId::new() }
    }

    /// The first dimension, 1 unless set.
    #[must_use]
    pub fn start_dim(mut self, start_dim: isize) -> Self {
        self.start_dim = start_dim;
        self
    }

    /// The last dimension, −1 unless set.
    #[must_use]
    pub fn end_dim(mut self, end_dim: isize) -> Self {
        self.end_dim = end_dim;
        self
    }

    fn describe(&self) -> String {
        format!("start_dim={}, end_dim={}", self.start_dim, self.end_dim)
    }
}

impl Default for Flatten {
    fn default() -> Self {
        Self::new()
    }
}

impl Forward<&Tensor> for Flatten {
    type Output = Tensor;
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
    id: ModuleId,
}

impl Unflatten {
    /// Of dimension `dim`, into `sizes`.
    pub fn new(dim: isize, sizes: impl IntoShape) -> Self {
        Unflatten { dim, sizes: sizes.into_sizes().to_vec(), id: ModuleId::new() }
    }

    fn describe(&self) -> String {
        format!("dim={}, unflattened_size={}", self.dim, py_tuple(&self.sizes))
    }
}

impl Forward<&Tensor> for Unflatten {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.unflatten(self.dim, &self.sizes)
    }
}
