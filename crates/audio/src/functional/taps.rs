//! Echoes whose distance changes from sample to sample: what phaser and flanger are made of.

use flambeau_autograd::{Context, Function};
use flambeau_tensor::{DType, Result, Stored, Tensor};
use std::ops::{AddAssign, Mul};
use std::sync::Arc;

/// For each sample of each channel, `each` earlier samples and what they weigh.
#[derive(Debug)]
pub(super) struct Taps {
    pub each: usize,
    /// How many samples back, `[channel][sample][each]`, and the weight there; a tap before the start counts nothing.
    pub lags: Vec<Vec<usize>>,
    pub weights: Vec<Vec<f64>>,
}

/// What is made of a signal x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// y[n] = Σ w x[n − lag]
    Forward,
    /// y[n] = x[n] + Σ w y[n − lag], no lag being 0
    Feedback,
}

impl Taps {
    /// Signals `[n, channels, frames]` through the taps of their channels.
    ///
    /// # Errors
    /// Where the signals have another number of channels than there are taps.
    #[track_caller]
    pub fn apply(self: &Arc<Self>, x: &Tensor, way: Way) -> Result<Tensor> {
        Through { taps: Arc::clone(self), way, transposed: false }.apply(x)
    }
}

/// A linear function: its gradient is its transpose, whose gradient is itself again.
struct Through {
    taps: Arc<Taps>,
    way: Way,
    transposed: bool,
}

impl Function for Through {
    fn forward(&self, _: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        match x.dtype() {
            DType::F64 => self.run::<f64>(x, |w| w),
            DType::F32 => self.run::<f32>(x, |w| w as f32),
            other => self.run::<f32>(&x.to_dtype(DType::F32)?, |w| w as f32)?.to_dtype(other),
        }
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        Through { taps: Arc::clone(&self.taps), way: self.way, transposed: !self.transposed }.apply(grad)
    }
}

impl Through {
    fn run<T>(&self, x: &Tensor, number: impl Fn(f64) -> T) -> Result<Tensor>
    where
        T: Stored + Copy + AddAssign + Mul<Output = T>,
    {
        let x = x.contiguous()?;
        let y = if self.way == Way::Feedback { x.copy()? } else { x.zeros_like()? };
        let (channels, frames) = (x.shape()[1], x.shape()[2]);
        if x.numel() == 0 {
            return Ok(y);
        }
        let (xs, mut ys) = (x.data::<T>()?, y.data_mut::<T>()?);
        for (i, (x, y)) in xs.chunks_exact(frames).zip(ys.chunks_exact_mut(frames)).enumerate() {
            let (lags, weights) = (&self.taps.lags[i % channels], &self.taps.weights[i % channels]);
            let tap = |n: usize, t: usize| {
                let at = n * self.taps.each + t;
                n.checked_sub(lags[at]).map(|from| (from, number(weights[at])))
            };
            let step = |y: &mut [T], n: usize| {
                for (from, weight) in (0..self.taps.each).filter_map(|t| tap(n, t)) {
                    match (self.way, self.transposed) {
                        (Way::Forward, false) => y[n] += weight * x[from],
                        (Way::Forward, true) => y[from] += weight * x[n],
                        (Way::Feedback, false) => y[n] += weight * y[from],
                        (Way::Feedback, true) => y[from] += weight * y[n],
                    }
                }
            };
            match self.transposed {
                false => (0..frames).for_each(|n| step(y, n)),
                true => (0..frames).rev().for_each(|n| step(y, n)),
            }
        }
        drop(ys);
        Ok(y)
    }
}
