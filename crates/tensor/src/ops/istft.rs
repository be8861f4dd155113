//! The inverse of the short-time Fourier transform.

use crate::fft::{self, Norm};
use crate::{ColumnOptions, DType, Result, Tensor, ensure};

crate::options! {
    /// Options of [`Tensor::istft`]; PyTorch's names and defaults.
    #[derive(Clone, Debug)]
    pub struct IstftOptions {
        /// Samples from one frame to the next; a quarter of `n_fft` unless set.
        hop_length: ~into Option<usize> = None,
        /// Samples of the window; `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// The window, of `win_length` values; ones unless set.
        window: ~into Option<Tensor> = None,
        /// Were frames centred? Yes.
        center: bool = true,
        /// Were coefficients scaled by 1 / √n_fft? No.
        normalized: bool = false,
        /// Are coefficients one-sided? Unless set, where they are fewer than `n_fft`.
        onesided: ~into Option<bool> = None,
        /// Samples of the signal; all that the frames hold unless set.
        length: ~into Option<usize> = None,
        /// Is the signal complex? No.
        return_complex: bool = false,
    }
}

impl Tensor {
    /// The signal `[…, samples]` of a short-time Fourier transform `[…, coefficients, frames]` (of rank 2 or 3), the
    /// least squares of what overlaps: `torch.istft`.
    ///
    /// # Errors
    /// Where coefficients, frames and window do not go together, or the windows leave out a sample.
    #[track_caller]
    pub fn istft(&self, n_fft: usize, options: &IstftOptions) -> Result<Tensor> {
        let op = "istft";
        ensure!(
            matches!(self.rank(), 2 | 3),
            Shape,
            op,
            "the coefficients must be [frequencies, windows] or [batch, frequencies, windows], they are {:?}",
            self.shape()
        );
        ensure!(self.dtype().is_complex(), DType, op, "the coefficients must be complex, they are {}", self.dtype());
        let spectrum = if self.rank() == 2 { self.unsqueeze(0)? } else { self.clone() };
        let (coefficients, frames) = (spectrum.size(1)?, spectrum.size(2)?);
        ensure!(spectrum.numel() > 0 && n_fft > 0, Shape, op, "no coefficients in shape {:?}", self.shape());
        let (hop, win) = (options.hop_length.unwrap_or(n_fft / 4), options.win_length.unwrap_or(n_fft));
        ensure!(hop > 0 && hop <= win, Argument, op, "hop_length {hop} must be in 1..={win}, win_length");
        ensure!(win > 0 && win <= n_fft, Argument, op, "win_length {win} must be in 1..={n_fft}, n_fft");
        let onesided = options.onesided.unwrap_or(coefficients != n_fft);
        let wanted = if onesided { n_fft / 2 + 1 } else { n_fft };
        ensure!(
            coefficients == wanted,
            Shape,
            op,
            "{n_fft} samples have {wanted} coefficients here, not {coefficients}"
        );
        ensure!(!(options.return_complex && onesided), Argument, op, "a complex signal has no one-sided transform");
        let expected = (frames - 1).checked_mul(hop).and_then(|n| n.checked_add(n_fft));
        let Some(expected) = expected.filter(|n| *n < isize::MAX as usize / 16) else {
            crate::bail!(Memory, op, "{frames} frames are longer than can be counted")
        };
        let real = self.dtype().to_real();
        let window = match &options.window {
            Some(w) => {
                ensure!(*w.shape() == [win], Shape, op, "the window has shape {:?}, win_length is {win}", w.shape());
                w.clone()
            }
            None => Tensor::ones([win]).dtype(real).device(self.device()).build()?,
        };
        let left = (n_fft - win) / 2;
        let window = window.pad(&[left as isize, (n_fft - win - left) as isize], 0.0)?;
        let norm = if options.normalized { Norm::Ortho } else { Norm::Backward };
        let frames_of = spectrum.transpose(1, 2)?;
        let samples = match options.return_complex {
            true => fft::ifft(&frames_of, None, -1, norm)?,
            false => fft::irfft(&frames_of.narrow(-1, 0, n_fft / 2 + 1)?, Some(n_fft), -1, norm)?,
        };
        let overlap = |x: &Tensor| -> Result<Tensor> {
            let columns = ColumnOptions::new(crate::shape::Spatial::from_slice(&[1, n_fft as isize])?);
            let columns = columns.stride(crate::shape::Spatial::from_slice(&[1, hop as isize])?);
            let size = crate::shape::Spatial::from_slice(&[1, expected as isize])?;
            x.transpose(1, 2)?.col2im(size, columns)?.flatten(1, -1)
        };
        let weights = window.square()?.expand([1, frames, n_fft])?;
        let (signal, envelope) = (overlap(&samples.mul(&window)?)?, overlap(&weights)?);
        let start = if options.center { n_fft / 2 } else { 0 };
        let end = match options.length {
            Some(length) => start.saturating_add(length),
            None if options.center => expected - n_fft / 2,
            None => expected,
        };
        let kept = end.min(expected).saturating_sub(start);
        ensure!(
            kept > 0,
            Argument,
            op,
            "{frames} frames of {n_fft} samples leave no samples: raise length or give more frames"
        );
        let part = |x: &Tensor| x.narrow(1, start as isize, kept);
        let (signal, envelope) = (part(&signal)?, part(&envelope)?);
        // A tensor without values has nothing to look at.
        if self.device() != crate::Device::Meta {
            let least = envelope.detach().abs()?.amin(..)?.to_dtype(DType::F64)?.item::<f64>()?;
            ensure!(
                least > 1e-11,
                Argument,
                op,
                "samples lie where the windows are zero (their squares add up to {least:e}): set center or another window"
            );
        }
        let signal = signal.div(&envelope)?;
        let missing = options.length.map_or(0, |length| length.saturating_sub(kept));
        let Some(missing) = isize::try_from(missing).ok().filter(|n| *n < isize::MAX / 16) else {
            crate::bail!(Memory, op, "{missing} more samples than the frames hold are more than can be counted")
        };
        let signal = if missing > 0 { signal.pad(&[0, missing], 0.0)? } else { signal };
        if self.rank() == 2 { signal.squeeze(0) } else { Ok(signal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_leave_nothing_say_what_would_be_right() {
        let frames = Tensor::ones([5, 3]).dtype(DType::Complex64).build().unwrap();
        let says = |o: &IstftOptions, words: &str| {
            let error = frames.istft(8, o).unwrap_err();
            assert!(error.message().contains(words), "{error}");
        };
        let window = Tensor::hann_window(8, true, DType::F32).unwrap();
        says(&IstftOptions::new().length(0usize), "leave no samples");
        says(&IstftOptions::new().window(window).center(false), "windows are zero");
        says(&IstftOptions::new().length(usize::MAX), "can be counted");
        says(&IstftOptions::new().onesided(false), "8 samples have 8 coefficients");
        let real = frames.real().unwrap();
        assert!(real.istft(8, &IstftOptions::new()).unwrap_err().message().contains("must be complex"));
        assert_eq!(frames.istft(8, &IstftOptions::new()).unwrap().shape(), [4]);
    }
}
