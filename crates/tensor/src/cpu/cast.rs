//! The kernel of casts and copies: the iterator converts.

use super::iter::convert;
use super::{CpuKernel, Dst, Src};
use crate::Result;
use crate::ops::Cast;

impl CpuKernel for Cast {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        convert(&inputs[0], &mut outputs[0]);
        Ok(())
    }
}
