//! Kernels of reductions.

use super::lanes::LaneKind;
use super::{CpuKernel, Dst, Src};
use crate::ops::Sum;
use crate::{Result, bail};
impl CpuKernel for Sum {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out) = (&inputs[0], &mut outputs[0]);
        if LaneKind::of(x.dtype()) != LaneKind::F32 { bail!(DType, "sum", "wait") }
        let xs = x.contiguous::<f32>();
        let shape = x.shape();
        let kept: crate::shape::Shape = (0..shape.len()).map(|d| if self.dims.contains(&d) { 1 } else { shape[d] }).collect();
        let l = crate::layout::Layout::contiguous(kept).expand(&shape.iter().copied().collect::<crate::shape::Shape>());
        let l2 = { let mut l2 = l.clone(); for d in &self.dims { l2.strides[*d] = 0; } l2 };
        let o = out.slice::<f32>();
        o.fill(0.0);
        for (i, v) in xs.iter().enumerate() { o[l2.place(i)] += v; }
        Ok(())
    }
}
