//! Optimizer steps are not differentiated.

use super::not_differentiable;
use flambeau_tensor::ops::*;

not_differentiable!(SgdStep, AdamStep, PointwiseStep);
