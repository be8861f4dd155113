//! The rules of reductions, running reductions and order: finite differences of first and second order,
//! and PyTorch's conventions at ties and zeros.

mod common;

use common::sample;
use flambeau_autograd::{gradcheck, gradgradcheck};
use flambeau_tensor::{Complex, Result, Tensor};
