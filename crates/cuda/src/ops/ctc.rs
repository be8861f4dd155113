//! The CTC loss: `kernels/ctc.cu`, a block for each sequence.

use super::packed::Temporary;
use super::{CudaKernel, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{CTC, Kernel};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// Sequences of a launch.
const SEQUENCES: usize = 64;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Params {
    x: u64,
    targets: u64,
    g: u64,
    out: u64,
    forward: u64,
    backward: u64,
    mail: u64,
    frames: i64,
    classes: i64,
    stride: i64,
    targets_stride: i64,
    labels: i64,
    blank: i64,
    first: i64,
    inputs: [i64; SEQUENCES],
    lengths: [i64; SEQUENCES],
    call: u32,
    dtype: i32,
    zero_infinity: i32,
}

static LOSS: Kernel = Kernel::new(&CTC, "ctc_loss");
static BACKWARD: Kernel = Kernel::new(&CTC, "ctc_loss_backward");

/// Queues the loss, or, where there is a gradient `g` of it, that of the log-probabilities `x`.
fn run(op: &CtcLoss, work: &Work<'_>, g: Option<&Tensor>, x: &Tensor, targets: &Tensor) -> Result<Ran> {
    let (out, gpu) = (work.outputs[0], gpu_of(x)?);
    let &[frames, n, classes] = x.shape() else { return Ok(Ran::Lacking) };
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let most = op.target_lengths.iter().max().copied().unwrap_or(0);
    let labels = 2 * most + 1;
    let (mail, call) = gpu.mailbox.of(gpu, work.op.name(), work.at)?;
    let task = Task::of(work);
    let mut temporary = Temporary::default();
    queue(gpu, &task, |queue| {
        let mut params = Params {
            x: temporary.rows(gpu, queue, x)?,
            targets: temporary.rows(gpu, queue, targets)?,
            g: g.map_or(Ok(0), |g| temporary.rows(gpu, queue, g))?,
            out: address_of(out)?,
            forward: 0,
            backward: 0,
            mail,
            frames: frames as i64,
            classes: classes as i64,
            stride: (n * classes) as i64,
            targets_stride: targets.shape()[1] as i64,
            labels: labels as i64,
            blank: op.blank as i64,
            first: 0,
            inputs: [0; SEQUENCES],
            lengths: [0; SEQUENCES],
            call,
            dtype: number(x.dtype()),
            zero_infinity: op.zero_infinity.into(),
        };
        let places = n.min(SEQUENCES).checked_mul(frames).and_then(|places| places.checked_mul(labels));
        let large = || Error::new(ErrorKind::Memory, work.op.name(), format!("{frames} frames of {labels} labels"));
        let bytes = places.and_then(|places| places.checked_mul(8)).ok_or_else(large)?;
        params.forward = temporary.bytes(gpu, bytes)?;
        if g.is_some() {
            params.backward = temporary.bytes(gpu, bytes)?;
        }
        for first in (0..n).step_by(SEQUENCES) {
            let own = first..n.min(first + SEQUENCES);
            let count = own.len() as u32;
            params.first = first as i64;
            for (k, b) in own.enumerate() {
                params.inputs[k] = op.input_lengths[b] as i64;
                params.lengths[k] = op.target_lengths[b] as i64;
            }
            let kernel = if g.is_some() { &BACKWARD } else { &LOSS };
            // SAFETY: `Params` is the kernels' parameter; operands are as large as their shapes say, lengths no larger (the
            // contract of `Backend::run`), and there is memory for the frames and labels of as many sequences.
            unsafe { kernel.launch(gpu, queue, [count, 1, 1], 256, &params)? };
        }
        Ok(())
    })?;
    Ok(Ran::Queued)
}

impl CudaKernel for CtcLoss {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [x, targets] = work.inputs else { return Ok(Ran::Lacking) };
        run(self, work, None, x, targets)
    }
}

impl CudaKernel for CtcLossBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [g, x, targets] = work.inputs else { return Ok(Ran::Lacking) };
        run(&self.of, work, Some(g), x, targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = CTC.text().unwrap();
        [&LOSS, &BACKWARD].iter().for_each(|k| assert!(text.contains(&format!(".entry {}(", k.name)), "{}", k.name));
    }

    #[test]
    fn parameters_fit_a_launch() {
        assert!(size_of::<Params>() <= 4096, "{} bytes", size_of::<Params>());
    }
}
