//! What is made from nothing has no inputs to differentiate by; an in-place fill cuts the history there.

use super::no_gradient;
use flambeau_tensor::ops::*;

no_gradient!(Full, Arange, Linspace, Random);
