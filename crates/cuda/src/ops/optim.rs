//! Optimizer steps of lists of tensors: `kernels/optim.cu`.

use super::host::on_host;
use super::packed::Temporary;
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, OPTIM};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// Tensors of a launch.
const TENSORS: usize = 64;
/// Elements of a block.
const PIECE: usize = 4096;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Tensors {
    at: [[u64; TENSORS]; 5],
    steps: [u64; TENSORS],
    n: [i64; TENSORS],
    first: [u32; TENSORS + 1],
    count: i32,
    dtype: i32,
}

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Step {
    list: Tensors,
    lr: f64,
    momentum: f64,
    keep: f64,
    weight_decay: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    scalars: [u64; 3],
    scalar_dtype: [i32; 3],
    step: f64,
    nesterov: i32,
    maximize: i32,
    first: i32,
    decoupled: i32,
    amsgrad: i32,
}

macro_rules! kernels {
    ($($NAME:ident $name:literal)*) => {
        $(static $NAME: Kernel = Kernel::new(&OPTIM, $name);)*
        #[cfg(test)]
        static ALL: &[&Kernel] = &[$(&$NAME),*];
    };
}

kernels! { SGD_F32 "sgd_f32" SGD_F64 "sgd_f64" ADAM_F32 "adam_f32" ADAM_F64 "adam_f64" COUNT "count_steps" }

const NONE: Step = Step {
    list: Tensors {
        at: [[0; TENSORS]; 5],
        steps: [0; TENSORS],
        n: [0; TENSORS],
        first: [0; TENSORS + 1],
        count: 0,
        dtype: 0,
    },
    lr: 0.0,
    momentum: 0.0,
    keep: 0.0,
    weight_decay: 0.0,
    beta1: 0.0,
    beta2: 0.0,
    eps: 0.0,
    scalars: [0; 3],
    scalar_dtype: [0; 3],
    step: 0.0,
    nesterov: 0,
    maximize: 0,
    first: 0,
    decoupled: 0,
    amsgrad: 0,
};

/// Queues a step: `slots` tensors of each parameter are updated, and where `counts`, one more that counts steps.
fn run(
    work: &Work<'_>,
    kernels: [&'static Kernel; 2],
    scalars: StepScalars,
    slots: usize,
    counts: bool,
    mut step: Step,
) -> Result<Ran> {
    let Some(first) = work.outputs.first() else { return Ok(Ran::Queued) };
    let count = work.outputs.len() / (slots + usize::from(counts));
    let kernel = match Lane::of(first.dtype()) {
        Some(Lane::F32) => kernels[0],
        Some(Lane::F64) => kernels[1],
        _ => return on_host(work),
    };
    let (grads, numbers) = work.inputs.split_at(count);
    let mut numbers = numbers.iter();
    for (i, there) in [scalars.lr, scalars.grad_scale, scalars.found_inf].into_iter().enumerate() {
        if let Some(t) = if there { numbers.next() } else { None } {
            (step.scalars[i], step.scalar_dtype[i]) = (address_of(t)?, number(t.dtype()));
        }
    }
    let task = Task::of(work);
    let (gpu, mut temporary) = (gpu_of(first)?, Temporary::default());
    queue(gpu, &task, |queue| {
        for start in (0..count).step_by(TENSORS) {
            let own = start..count.min(start + TENSORS);
            let list = &mut step.list;
            (list.count, list.dtype) = (own.len() as i32, number(first.dtype()));
            let mut blocks = 0u64;
            for (k, i) in own.enumerate() {
                list.at[0][k] = temporary.rows(gpu, queue, grads[i])?;
                for slot in 0..slots {
                    list.at[slot + 1][k] = address_of(work.outputs[slot * count + i])?;
                }
                if counts {
                    list.steps[k] = address_of(work.outputs[slots * count + i])?;
                }
                list.n[k] = grads[i].numel() as i64;
                list.first[k] = blocks as u32;
                blocks += grads[i].numel().div_ceil(PIECE) as u64;
            }
            let large = || Error::new(ErrorKind::Unsupported, work.op.name(), format!("{blocks} blocks of elements"));
            let blocks = u32::try_from(blocks).ok().filter(|b| *b <= i32::MAX as u32).ok_or_else(large)?;
            // SAFETY: `Step` is the kernels' parameter; targets are in rows, and all are as large as their shapes say (the
            // contract of `Backend::run`).
            unsafe {
                if counts {
                    COUNT.launch(gpu, queue, [1; 3], 256, &step)?;
                }
                if blocks > 0 {
                    kernel.launch(gpu, queue, [blocks, 1, 1], 256, &step)?;
                }
            }
        }
        Ok(())
    })?;
    Ok(Ran::Queued)
}

impl CudaKernel for SgdStep {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let step = Step {
            lr: self.lr,
            momentum: self.momentum,
            keep: 1.0 - self.dampening,
            weight_decay: self.weight_decay,
            nesterov: self.nesterov.into(),
            maximize: self.maximize.into(),
            first: self.first.into(),
            ..NONE
        };
        run(work, [&SGD_F32, &SGD_F64], self.scalars, if self.momentum == 0.0 { 1 } else { 2 }, false, step)
    }
}

impl CudaKernel for AdamStep {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let step = Step {
            lr: self.lr,
            weight_decay: self.weight_decay,
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            step: self.step.unwrap_or(0) as f64,
            maximize: self.maximize.into(),
            decoupled: self.decoupled.into(),
            amsgrad: self.amsgrad.into(),
            ..NONE
        };
        let slots = if self.amsgrad { 4 } else { 3 };
        run(work, [&ADAM_F32, &ADAM_F64], self.scalars, slots, self.step.is_none(), step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = OPTIM.text().unwrap();
        ALL.iter().for_each(|k| assert!(text.contains(&format!(".entry {}(", k.name)), "{}", k.name));
    }

    #[test]
    fn a_step_fits_into_the_parameters_of_a_launch() {
        assert!(size_of::<Step>() <= 4096, "{} bytes", size_of::<Step>());
    }
}
