//! The kernel of constant padding: the value everywhere, then the box that is kept.

use super::words::{copy_box, for_word, out, span};
use super::{CpuKernel, Dst, Src};
use crate::layout::contiguous_strides;
use crate::ops::{Full, Pad};
use crate::shape::Shape;
use crate::{Device, Result};

impl CpuKernel for Pad {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        let shape = Shape::from_slice(outputs[0].shape());
        let grows = self.pads.iter().any(|(before, behind)| *before > 0 || *behind > 0);
        if grows {
            Full { value: self.value, shape: shape.clone(), dtype: x.dtype(), device: Device::Cpu }
                .run(&[], outputs)?;
        }
        // The box common to both: its sizes, and where it starts in each.
        let crop = |pair: &(isize, isize)| pair.0.min(0).unsigned_abs() + pair.1.min(0).unsigned_abs();
        let sizes: Shape = self.pads.iter().zip(x.shape()).map(|(pair, size)| size - crop(pair)).collect();
        if sizes.contains(&0) {
            return Ok(());
        }
        let (strides, mut start, mut from) = (contiguous_strides(&shape), 0, 0);
        for (d, (before, _)) in self.pads.iter().enumerate() {
            start += before.max(&0).unsigned_abs() * strides[d];
            from += before.min(&0).unsigned_abs() * x.layout().strides[d];
        }
        for_word!(x.dtype(), T => {
            copy_box::<T>(&sizes, &span(x)[from..], &x.layout().strides, &mut out(&mut outputs[0])[start..], &strides);
        });
        Ok(())
    }
}
