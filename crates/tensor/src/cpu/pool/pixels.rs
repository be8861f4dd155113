//! Pooling of images in channels-last order: a window is some rows of channels, which are compared or added element
//! by element, in the order in which the other loops go through a window. So the result is the same to the bit.

use super::{Axes, Mean, Ordered, Window, divisor, par, places, planes};
use crate::cpu::par::Shared;
use crate::dtype::Stored;

/// Images of one size whose channels lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Pixels {
    /// Sizes of a plane.
    size: [usize; 3],
    channels: usize,
}

impl Pixels {
    pub(super) fn new(size: [usize; 3], channels: usize) -> Pixels {
        Pixels { size, channels }
    }

    /// How many one image has.
    fn count(&self) -> usize {
        self.size.iter().product()
    }

    /// The number of a pixel of the plane.
    fn number(&self, z: usize, y: usize, x: usize) -> usize {
        (z * self.size[1] + y) * self.size[2] + x
    }

    /// The elements of pixel `i` of image `image`.
    fn of(&self, image: usize, i: usize) -> std::ops::Range<usize> {
        let start = (image * self.count() + i) * self.channels;
        start..start + self.channels
    }

    /// The largest elements and their places in the plane, a row of windows a task. The plane has less than 2³¹ pixels
    /// (the dispatcher sees to that).
    pub(super) fn max<T: Ordered>(self, axes: &Axes, x: &[T], values: &mut [T], indices: &mut [i64]) {
        let (channels, width, rows) = (self.channels, axes[2].len(), axes[0].len() * axes[1].len());
        let tasks = values.len() / (width * channels);
        let (values, indices) = (Shared::new(values.as_mut_ptr()), Shared::new(indices.as_mut_ptr()));
        planes(tasks, x.len() / tasks + 2 * width * channels, |task| {
            let (image, row) = (task / rows, task % rows);
            let (d, h) = (&axes[0][row / axes[1].len()], &axes[1][row % axes[1].len()]);
            let mut at = vec![0i32; channels];
            for (i, w) in axes[2].iter().enumerate() {
                let out = (task * width + i) * channels;
                // SAFETY: both outputs have `channels` elements for each window, and this task alone has this one.
                let (best, index) = unsafe { (values.part(out..out + channels), indices.part(out..out + channels)) };
                // A window beside the input has no place: −1, which no gradient goes to.
                let beside = d.start >= d.end || h.start >= h.end || w.start >= w.end;
                best.fill(T::LEAST);
                at.fill(if beside { -1 } else { self.number(d.start, h.start, w.start) as i32 });
                par::simd(
                    #[inline(always)]
                    || {
                        for (z, y) in places(d).flat_map(|z| places(h).map(move |y| (z, y))) {
                            for i in places(w).map(|x| self.number(z, y, x)) {
                                larger(&x[self.of(image, i)], i as i32, best, &mut at);
                            }
                        }
                    },
                );
                index.iter_mut().zip(&at).for_each(|(index, at)| *index = i64::from(*at));
            }
        });
    }

    /// Adds each element of `grad` at its place, an image a task.
    pub(super) fn scatter<T: Stored + std::ops::AddAssign>(
        self,
        grad: &[T],
        places: &[i64],
        pooled: usize,
        out: &mut [T],
    ) {
        let (inputs, pooled) = (self.count() * self.channels, pooled * self.channels);
        par::chunks(out, inputs, inputs + pooled, |image, out| {
            out.fill(T::default());
            let of = image * pooled..(image + 1) * pooled;
            for (grad, places) in grad[of.clone()].chunks(self.channels).zip(places[of].chunks(self.channels)) {
                for (channel, (g, place)) in grad.iter().zip(places).enumerate().filter(|(_, (_, place))| **place >= 0)
                {
                    out[*place as usize * self.channels + channel] += *g;
                }
            }
        });
    }

    /// Means, a row of windows a task.
    pub(super) fn mean<T: Mean>(self, axes: &Axes, over: Option<isize>, x: &[T], out: &mut [T]) {
        let (width, rows) = (axes[2].len(), axes[0].len() * axes[1].len());
        let work = x.len() / (out.len() / (width * self.channels)) + width * self.channels;
        par::chunks(out, width * self.channels, work, |task, out| {
            let (image, row) = (task / rows, task % rows);
            let (d, h) = (&axes[0][row / axes[1].len()], &axes[1][row % axes[1].len()]);
            par::simd(
                #[inline(always)]
                || {
                    for (w, out) in axes[2].iter().zip(out.chunks_exact_mut(self.channels)) {
                        out.fill(T::default());
                        self.each([d, h, w], |i| add(out, &x[self.of(image, i)]));
                        let count = divisor::<T>([d, h, w], over);
                        out.iter_mut().for_each(|sum| *sum = *sum / count);
                    }
                },
            );
        });
    }

    /// Each element of `grad` shared out over its window, an image a task.
    pub(super) fn mean_backward<T: Mean>(self, axes: &Axes, over: Option<isize>, grad: &[T], out: &mut [T]) {
        let inputs = self.count() * self.channels;
        let pooled = axes.iter().map(Vec::len).product::<usize>() * self.channels;
        par::chunks(out, inputs, inputs + pooled, |image, out| {
            out.fill(T::default());
            let (mut grad, mut share) =
                (grad[image * pooled..].chunks(self.channels), vec![T::default(); self.channels]);
            super::windows::<T>(axes, over, |_, window, count| {
                let Some(grad) = grad.next() else { return };
                share.iter_mut().zip(grad).for_each(|(share, g)| *share = *g / count);
                self.each(window, |i| add(&mut out[self.of(0, i)], &share));
            });
        });
    }

    /// Calls `f` with the number of each pixel of a window.
    #[inline(always)]
    fn each(&self, [d, h, w]: [&Window; 3], mut f: impl FnMut(usize)) {
        for z in d.start..d.end {
            for y in h.start..h.end {
                (w.start..w.end).for_each(|x| f(self.number(z, y, x)));
            }
        }
    }
}

#[inline(always)]
fn add<T: Mean>(to: &mut [T], from: &[T]) {
    let to = &mut to[..from.len()];
    for i in 0..from.len() {
        to[i] += from[i];
    }
}

/// Takes what is larger than the best so far, or no number.
#[inline(always)]
fn larger<T: Ordered>(x: &[T], place: i32, best: &mut [T], at: &mut [i32]) {
    let n = x.len();
    let (best, at) = (&mut best[..n], &mut at[..n]);
    // Selections, not branches: which is larger cannot be foretold.
    for i in 0..n {
        let takes = (x[i] > best[i]) | x[i].is_nan();
        best[i] = if takes { x[i] } else { best[i] };
        at[i] = if takes { place } else { at[i] };
    }
}
