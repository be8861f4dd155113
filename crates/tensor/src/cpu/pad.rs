//! The kernel of constant padding: the value everywhere, then the box that is kept.

use super::words::{copy_box, for_word, out, span};
use super::{CpuKernel, Dst, Src};
use crate::layout::contiguous_strides;
use crate::ops::{Full, Pad};
use crate::shape::Shape;
use crate::{Device, Result};

impl CpuKernel for Pad {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        let shape = Shape::from_slice(outputs[0].shape());
        let grows = self.pads.iter().any(|(before, behind)| *before > 0 || *behind > 0);
        if grows {
            Full { value: self.value, shape: shape.clone(), dtype: x.dtype(), device: Device::Cpu }
                .run(&[], outputs)?;
        }
        // The box common to both: where it starts in each, and its sizes.
        let (strides, mut start, mut from, mut sizes) = (contiguous_strides(&shape), 0, 0, Shape::new());
        for (d, &(before, behind)) in self.pads.iter().enumerate() {
            start += before.max(0) as usize * strides[d];
            from += before.min(0).unsigned_abs() * x.layout().strides[d];
            let crop = before.min(0).unsigned_abs() + behind.min(0).unsigned_abs();
            sizes.push(x.shape()[d] - crop);
        }
        if sizes.contains(&0) {
            return Ok(());
        }
        for_word!(x.dtype(), T => {
            copy_box::<T>(&sizes, &span(x)[from..], &x.layout().strides, &mut out(&mut outputs[0])[start..], &strides);
        });
        Ok(())
    }
}
