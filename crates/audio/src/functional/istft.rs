//! The inverse of the short-time Fourier transform.

use flambeau_tensor::{AsStridedBackward, DType, Device, Layout, Result, Tensor, bail, dispatch, ensure, fft, options};

options! {
    /// Options of [`istft`]; PyTorch's names and defaults.
    #[derive(Clone, Debug)]
    pub(crate) struct IstftOptions {
        /// Samples from one frame to the next; a quarter of `n_fft` unless set.
        hop_length: ~into Option<usize> = None,
        /// Samples of a window that is centred in the frame; `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// The window that [`Tensor::stft`] was given, of `win_length` real values; ones unless set.
        window: ~into Option<Tensor> = None,
        /// Was the signal padded by half a frame on either side? Yes.
        center: bool = true,
        /// Was the transform scaled by 1 / √n_fft? No.
        normalized: bool = false,
        /// Are the coefficients `n_fft / 2 + 1`, or all `n_fft`? One-sided.
        onesided: bool = true,
        /// Samples of the signal, cut or filled with zeros at its end; what the frames give unless set.
        length: ~into Option<usize> = None,
    }
}

/// The window of a short-time transform, with zeros around it where it is shorter than the frame.
#[track_caller]
fn frame_window(op: &'static str, window: Option<&Tensor>, win: usize, n_fft: usize, like: &Tensor) -> Result<Tensor> {
    let window = match window {
        Some(w) => {
            ensure!(*w.shape() == [win], Shape, op, "the window has shape {:?}, win_length is {win}", w.shape());
            w.clone()
        }
        None => Tensor::ones([win]).dtype(like.dtype().to_real().to_float()).device(like.device()).build()?,
    };
    let left = (n_fft - win) / 2;
    window.pad(&[left as isize, (n_fft - win - left) as isize], 0.0)
}

/// Frames `[batch, windows, n_fft]` laid `hop` samples apart and added up: `[batch, samples]`.
#[track_caller]
fn overlap_add(frames: &Tensor, hop: usize) -> Result<Tensor> {
    let (batch, windows, n_fft) = (frames.shape()[0], frames.shape()[1], frames.shape()[2]);
    let samples = n_fft + hop * (windows - 1);
    let mut view = Layout::contiguous(&[batch, windows, n_fft][..]);
    view.strides = [samples, hop, 1].into_iter().collect();
    dispatch(AsStridedBackward { base: Layout::contiguous(&[batch, samples][..]), view }, &[frames])
}

/// The signals `[frames]` or `[batch, frames]` that short-time coefficients are nearest to, as `torch.istft`.
///
/// # Errors
/// Where the coefficients are not complex or not as many as `n_fft` says, window, hop and frame do not go together,
/// or there are samples of the signal that no window reaches.
#[track_caller]
pub(crate) fn istft(x: &Tensor, n_fft: usize, options: &IstftOptions) -> Result<Tensor> {
    let op = "istft";
    let one = x.rank() == 2;
    ensure!(
        one || x.rank() == 3,
        Shape,
        op,
        "the coefficients must be [frequencies, windows] or [batch, frequencies, windows], they are {:?}",
        x.shape()
    );
    ensure!(x.dtype().is_complex(), DType, op, "the coefficients must be complex, they are {}", x.dtype());
    let (hop, win) = (options.hop_length.unwrap_or(n_fft / 4), options.win_length.unwrap_or(n_fft));
    ensure!(
        (1..=n_fft).contains(&win) && (1..=win).contains(&hop),
        Argument,
        op,
        "win_length {win} must be in 1..={n_fft}, n_fft, and hop_length {hop} in 1..={win}, win_length"
    );
    let (half, windows) = (n_fft / 2 + 1, x.size(-1)?);
    let frequencies = if options.onesided { half } else { n_fft };
    ensure!(
        x.size(-2)? == frequencies && windows > 0,
        Shape,
        op,
        "a frame of {n_fft} has {frequencies} coefficients here, and there must be a window; the shape is {:?}",
        x.shape()
    );
    let window = frame_window(op, options.window.as_ref(), win, n_fft, x)?;
    ensure!(!window.dtype().is_complex(), DType, op, "the window must be real, it is {}", window.dtype());
    // From and to which sample of what the frames cover; there may be fewer than asked for.
    let covered = n_fft + hop * (windows - 1);
    let start = if options.center { n_fft / 2 } else { 0 };
    let end = match options.length {
        Some(length) => start.saturating_add(length),
        None => covered.saturating_sub(start),
    };
    let reached = end.min(covered);
    ensure!(
        reached > start,
        Argument,
        op,
        "{windows} frames of {n_fft} leave no samples: raise length or give more frames"
    );
    let coefficients = if one { x.unsqueeze(0)? } else { x.clone() };
    let coefficients = coefficients.narrow(1, 0, half)?.transpose(1, 2)?;
    let norm = if options.normalized { fft::Norm::Ortho } else { fft::Norm::Backward };
    let frames = fft::irfft(&coefficients, Some(n_fft), -1, norm)?.mul(&window)?;
    let part = |sum: Tensor| sum.narrow(1, start as isize, reached - start);
    let sum = part(overlap_add(&frames, hop)?)?;
    let squares = window.square()?.expand([1, windows, n_fft])?;
    let envelope = part(overlap_add(&squares, hop)?)?;
    // A tensor without values has nothing to look at.
    if envelope.device() != Device::Meta {
        let least = envelope.detach().amin(..)?.to_dtype(DType::F64)?.item::<f64>()?;
        ensure!(
            least > 1e-11,
            Argument,
            op,
            "samples lie where the windows are zero (their squares add up to {least:e}): set center or another window"
        );
    }
    let signal = sum.div(&envelope)?;
    let Ok(missing) = isize::try_from(end - reached) else {
        bail!(Memory, op, "{end} samples are more than can be counted")
    };
    let signal = if missing > 0 { signal.pad(&[0, missing], 0.0)? } else { signal };
    if one { signal.squeeze(0) } else { Ok(signal) }
}
