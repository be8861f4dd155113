//! Kernels of the CTC loss: the recursions over the frames, in logarithms and in `f64`, a sequence after another.

use super::{CpuKernel, Dst, Src, list};
use crate::dtype::Stored;
use crate::ops::{CtcLoss, CtcLossBackward};
use crate::{DType, Result, bail};

const ZERO: f64 = f64::NEG_INFINITY;

fn add(a: f64, b: f64) -> f64 {
    let most = a.max(b);
    if most == ZERO { ZERO } else { most + ((a - most).exp() + (b - most).exp()).ln() }
}

/// One sequence: its frames and its target with a blank between and around the classes.
struct Sequence<'a, T> {
    x: &'a [T],
    labels: Vec<usize>,
    frames: usize,
    /// Numbers from a frame to the next, and from the start to this sequence's.
    stride: usize,
    start: usize,
}

trait LossNumber: Stored {
    fn wide(self) -> f64;
    fn narrow(x: f64) -> Self;
}
impl LossNumber for f32 {
    fn wide(self) -> f64 {
        self.into()
    }
    fn narrow(x: f64) -> f32 {
        x as f32
    }
}
impl LossNumber for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn narrow(x: f64) -> f64 {
        x
    }
}

impl<T: LossNumber> Sequence<'_, T> {
    fn new<'a>(op: &CtcLoss, x: &'a [T], (n, c): (usize, usize), targets: &[i64], b: usize) -> Result<Sequence<'a, T>> {
        let s = targets.len() / n;
        let mut labels = vec![op.blank];
        for &label in &targets[b * s..b * s + op.target_lengths[b]] {
            match usize::try_from(label) {
                Ok(label) if label < c => labels.extend([label, op.blank]),
                _ => bail!(Index, "ctc_loss", "a target is class {label}, there are {c} classes"),
            }
        }
        Ok(Sequence { x, labels, frames: op.input_lengths[b], stride: n * c, start: b * c })
    }

    fn at(&self, t: usize, class: usize) -> f64 {
        self.x[t * self.stride + self.start + class].wide()
    }

    /// May the step to label s come from the one two before?
    fn skips(&self, s: usize, blank: usize) -> bool {
        s >= 2 && self.labels[s] != blank && self.labels[s] != self.labels[s - 2]
    }

    /// For each frame and label the logarithm of the probability of all ways there.
    fn forward(&self, blank: usize) -> Result<Vec<f64>> {
        let n = self.labels.len();
        let mut alpha = list(self.frames.saturating_mul(n), ZERO)?;
        for t in 0..self.frames {
            let (before, now) = alpha.split_at_mut(t * n);
            let before = &before[before.len() - if t > 0 { n } else { 0 }..];
            for s in 0..n {
                let ways = match t {
                    0 => {
                        if s < 2 {
                            0.0
                        } else {
                            ZERO
                        }
                    }
                    _ => {
                        let near = if s > 0 { add(before[s], before[s - 1]) } else { before[s] };
                        if self.skips(s, blank) { add(near, before[s - 2]) } else { near }
                    }
                };
                now[s] = ways + self.at(t, self.labels[s]);
            }
        }
        Ok(alpha)
    }

    /// For each frame and label that of all ways from there to the end.
    fn backward(&self, blank: usize) -> Result<Vec<f64>> {
        let n = self.labels.len();
        let mut beta = list(self.frames.saturating_mul(n), ZERO)?;
        for t in (0..self.frames).rev() {
            let (now, after) = beta.split_at_mut((t + 1) * n);
            let now = &mut now[t * n..];
            for s in 0..n {
                let ways = if t + 1 == self.frames {
                    if s + 2 >= n { 0.0 } else { ZERO }
                } else {
                    let near = if s + 1 < n { add(after[s], after[s + 1]) } else { after[s] };
                    if s + 2 < n && self.skips(s + 2, blank) { add(near, after[s + 2]) } else { near }
                };
                now[s] = ways + self.at(t, self.labels[s]);
            }
        }
        Ok(beta)
    }

    fn loss(&self, alpha: &[f64]) -> f64 {
        let n = self.labels.len();
        match self.frames {
            0 => {
                if n == 1 {
                    0.0
                } else {
                    f64::INFINITY
                }
            }
            frames => {
                let last = &alpha[(frames - 1) * n..];
                -(if n > 1 { add(last[n - 1], last[n - 2]) } else { last[0] })
            }
        }
    }
}

fn sizes(x: &Src<'_>) -> (usize, usize) {
    match x.shape() {
        [_, n, c] => (*n, *c),
        _ => (0, 0),
    }
}

fn forward<T: LossNumber>(op: &CtcLoss, x: &Src<'_>, targets: &Src<'_>, out: &mut Dst<'_>) -> Result<()> {
    let (size, x, targets) = (sizes(x), x.contiguous::<T>(), targets.contiguous::<i64>());
    for (b, out) in out.slice::<T>().iter_mut().enumerate() {
        let sequence = Sequence::new(op, &x, size, &targets, b)?;
        let loss = sequence.loss(&sequence.forward(op.blank)?);
        *out = T::narrow(if op.zero_infinity && loss == f64::INFINITY { 0.0 } else { loss });
    }
    Ok(())
}

fn backward<T: LossNumber>(op: &CtcLossBackward, inputs: &[Src<'_>], out: &mut Dst<'_>) -> Result<()> {
    let (n, c) = sizes(&inputs[1]);
    let (g, x, targets) = (inputs[0].contiguous::<T>(), inputs[1].contiguous::<T>(), inputs[2].contiguous::<i64>());
    let out = out.slice::<T>();
    out.fill(T::default());
    for b in 0..n {
        let sequence = Sequence::new(&op.of, &x, (n, c), &targets, b)?;
        let (alpha, beta) = (sequence.forward(op.of.blank)?, sequence.backward(op.of.blank)?);
        let loss = sequence.loss(&alpha);
        if loss == f64::INFINITY && op.of.zero_infinity {
            continue;
        }
        let labels = sequence.labels.len();
        let mut ways = list(c, ZERO)?;
        for t in 0..sequence.frames {
            ways.fill(ZERO);
            for (s, label) in sequence.labels.iter().enumerate() {
                ways[*label] = add(ways[*label], alpha[t * labels + s] + beta[t * labels + s]);
            }
            let to = &mut out[t * sequence.stride + sequence.start..][..c];
            for (class, to) in to.iter_mut().enumerate() {
                let log = sequence.at(t, class);
                *to = T::narrow((log.exp() - (ways[class] + loss - log).exp()) * g[b].wide());
            }
        }
    }
    Ok(())
}

impl CpuKernel for CtcLoss {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        match inputs[0].dtype() {
            DType::F32 => forward::<f32>(self, &inputs[0], &inputs[1], &mut outputs[0]),
            _ => forward::<f64>(self, &inputs[0], &inputs[1], &mut outputs[0]),
        }
    }
}

impl CpuKernel for CtcLossBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        match inputs[1].dtype() {
            DType::F32 => backward::<f32>(self, inputs, &mut outputs[0]),
            _ => backward::<f64>(self, inputs, &mut outputs[0]),
        }
    }
}
