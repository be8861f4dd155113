//! What is computed from spectrograms and waveforms along time: deltas, normalisation, pitch.

use flambeau_tensor::{ConvOptions, DType, PadMode, Result, Tensor, cat, ensure, options};

/// The slopes of features `[..., frames]` over windows of `win_length` frames (5 is usual), what is beyond the ends
/// being the edge (`Some(PadMode::Replicate)`, as is usual), or zeros (`None`). Follows
/// `torchaudio.functional.compute_deltas`.
///
/// # Errors
/// Where the window is shorter than 3 frames, or reflects more than there is.
#[track_caller]
pub fn compute_deltas(specgram: &Tensor, win_length: usize, mode: Option<PadMode>) -> Result<Tensor> {
    ensure!(win_length >= 3, Argument, "compute_deltas", "win_length {win_length} must be 3 at least");
    ensure!(specgram.rank() > 0, Shape, "compute_deltas", "features are [..., frames], this is a number");
    let (n, frames) = ((win_length - 1) / 2, specgram.size(-1)?);
    let rows = specgram.numel().checked_div(frames).unwrap_or(0);
    if rows == 0 {
        return Ok(specgram.clone());
    }
    let (half, ends) = (n as f64, [n as isize; 2]);
    let x = specgram.reshape([rows, 1, frames])?;
    let x = match mode {
        Some(mode) => x.pad_with(&ends, mode)?,
        None => x.pad(&ends, 0.0)?,
    };
    let slope = Tensor::arange(-half, half + 1.0).dtype(x.dtype()).device(x.device()).build()?;
    let sums = x.conv1d(&slope.reshape([1, 1, 2 * n + 1])?, None, ConvOptions::new())?;
    sums.div(half * (half + 1.0) * (2.0 * half + 1.0) / 3.0)?.reshape(specgram.shape())
}

options! {
    /// Options of [`sliding_window_cmn`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct SlidingWindowCmnOptions {
        /// Frames of a window, 600.
        cmn_window: usize = 600,
        /// The fewest frames at the start where windows lie before a frame, 100.
        min_cmn_window: usize = 100,
        /// Do windows lie around a frame (or before it)? No.
        center: bool = false,
        /// Scale to a variance of 1, too? No.
        norm_vars: bool = false,
    }
}

/// Features `[..., frames, features]` less their mean over a window that slides along. Follows
/// `torchaudio.functional.sliding_window_cmn`; sums are taken in `f64`. As there, a single frame of two dimensions comes
/// out with one.
///
/// # Errors
/// Where there are fewer than two dimensions, or they are not floating point.
#[track_caller]
pub fn sliding_window_cmn(specgram: &Tensor, options: SlidingWindowCmnOptions) -> Result<Tensor> {
    let name = "sliding_window_cmn";
    ensure!(specgram.rank() >= 2, Shape, name, "features are [..., frames, features], they are {:?}", specgram.shape());
    ensure!(specgram.dtype().is_float(), DType, name, "features are floating point here, not {}", specgram.dtype());
    let frames = specgram.size(-2)?;
    // The first and the last frame of each window; one of twice the frames has them all.
    let whole = |n: usize| n.min(frames.saturating_mul(2)) as i64;
    let (window, least) = (whole(options.cmn_window), whole(options.min_cmn_window));
    let at = Tensor::arange(0, frames as i64).device(specgram.device()).build()?;
    let (starts, ends) = if options.center {
        let starts = at.sub(window / 2)?.clamp(0, ..)?;
        (starts.clone(), starts.add(window)?)
    } else {
        let ends = at.add(1)?;
        (at.sub(window)?.clamp(0, ..)?, ends.clamp(least, ..)?.where_cond(&at.lt(window)?, &ends)?)
    };
    let over = ends.sub(frames as i64)?.clamp(0, ..)?;
    let (from, to) = (starts.sub(&over)?.clamp(0, ..)?, ends.clamp(.., frames as i64)?);
    let x = specgram.to_dtype(DType::F64)?;
    let count = to.sub(&from)?.to_dtype(DType::F64)?.unsqueeze(-1)?;
    let mean = |x: &Tensor| {
        let up_to = x.cumsum(-2)?.movedim(-2, 0)?;
        let up_to = cat(&[&up_to.narrow(0, 0, 1.min(frames))?.zeros_like()?, &up_to], 0)?;
        up_to.index_select(0, &to)?.sub(&up_to.index_select(0, &from)?)?.movedim(0, -2)?.div(&count)
    };
    let middle = mean(&x)?;
    let mut normal = x.sub(&middle)?;
    if options.norm_vars {
        let variance = mean(&x.square()?)?.sub(&middle.square()?)?;
        let alone = count.eq(1.0)?;
        let scale = variance.masked_fill(&alone, 1.0)?.rsqrt()?;
        normal = normal.mul(&scale)?.masked_fill(&alone, 0.0)?;
    }
    let normal = normal.to_dtype(specgram.dtype())?;
    if specgram.rank() == 2 && frames == 1 { normal.squeeze(0) } else { Ok(normal) }
}

options! {
    /// Options of [`detect_pitch_frequency`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct PitchOptions {
        /// Seconds of a frame, 0.01.
        frame_time: f64 = 0.01,
        /// Frames that the median is taken over, 30.
        win_length: usize = 30,
        /// The lowest pitch in Hertz, 85.
        freq_low: u32 = 85,
        /// The highest pitch in Hertz, 3400.
        freq_high: u32 = 3400,
    }
}

/// The pitch in Hertz of signals `[..., frames]` over time, `[..., windows]` in `f32`: the lag at which a frame is most
/// like what follows, smoothed by a median. Follows `torchaudio.functional.detect_pitch_frequency`; it has no gradient.
///
/// # Errors
/// Where an option is zero, the frequencies leave no lag to choose from, or the signal has too few frames for the median.
#[track_caller]
pub fn detect_pitch_frequency(waveform: &Tensor, sample_rate: u32, options: PitchOptions) -> Result<Tensor> {
    const EPSILON: f64 = 1e-9;
    let name = "detect_pitch_frequency";
    let PitchOptions { frame_time, win_length, freq_low, freq_high } = options;
    ensure!(
        waveform.rank() > 0 && waveform.numel() > 0,
        Shape,
        name,
        "a waveform is [..., frames], this is {:?}",
        waveform.shape()
    );
    ensure!(
        sample_rate > 0 && freq_low > 0 && freq_high > 0 && win_length > 0 && frame_time > 0.0,
        Argument,
        name,
        "rate {sample_rate}, freq_low {freq_low}, freq_high {freq_high}, win_length {win_length} and frame_time {frame_time} must be above 0"
    );
    let x = waveform.detach().reshape([waveform.numel() / waveform.size(-1)?, waveform.size(-1)?])?;
    let (signals, length) = (x.shape()[0], x.shape()[1]);
    let lags = sample_rate.div_ceil(freq_low) as usize;
    let lag_min = sample_rate.div_ceil(freq_high) as usize;
    let size = (f64::from(sample_rate) * frame_time).ceil();
    ensure!(
        lag_min < lags / 2 && size < 1e9,
        Argument,
        name,
        "from {freq_low} to {freq_high} Hz at {sample_rate} Hz there are lags {lag_min} to {lags}: lower freq_low or raise freq_high"
    );
    // Behind the signal there are zeros, which need no room in the only frame.
    let size = (size as usize).min(length);
    let frames = length.div_ceil(size);
    // Lags that lead behind the signal's end are all alike: the first of them stands for the others.
    let told_apart = lags.min(length);
    let median = (win_length - 1) / 2;
    ensure!(
        frames + median >= win_length,
        Shape,
        name,
        "{length} samples are {frames} frames, too few for a median of {win_length}: lower win_length"
    );
    let padded = x.pad(&[0, (told_apart + frames * size - length) as isize], 0.0)?;
    let frame = |at: usize| padded.narrow(-1, at as isize, frames * size)?.reshape([signals, frames, size]);
    let norm = |s: &Tensor| s.square()?.sum(-1)?.sqrt()?.add(EPSILON)?.square();
    let (here, mut likeness) = (frame(0)?, Vec::with_capacity(told_apart));
    let energy = norm(&here)?;
    for lag in 1..=told_apart {
        let there = frame(lag)?;
        likeness.push(here.mul(&there)?.sum(-1)?.div(&energy)?.div(&norm(&there)?)?);
    }
    let likeness = flambeau_tensor::stack(&likeness, -1)?;
    let from = lag_min.min(told_apart - 1);
    let best = |to: usize| likeness.narrow(-1, from, to.clamp(from + 1, told_apart) - from)?.max_dim(-1);
    let (half, all) = (best(lags / 2)?, best(lags)?);
    // Twice the period is nearly as good as the period.
    let first = half.values.gt(&all.values.mul(0.99)?)?;
    let lag = half.indices.where_cond(&first, &all.indices)?.add(lag_min as i64 + 1)?;
    let before = lag.narrow(-1, 0, 1)?.expand([signals, median])?;
    let smooth = cat(&[&before, &lag], -1)?.unfold(-1, win_length, 1)?.median(-1)?.values;
    let pitch = smooth.to_dtype(DType::F32)?.add(EPSILON)?.rdiv(f64::from(sample_rate))?;
    let shape: Vec<usize> = waveform.shape()[..waveform.rank() - 1].iter().copied().chain([pitch.size(-1)?]).collect();
    pitch.reshape(shape)
}
