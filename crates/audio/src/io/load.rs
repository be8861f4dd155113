//! Sound files to tensors.

use super::track::Opening;
use super::{AudioMetaData, Format};
use flambeau_tensor::{Build, Result, Tensor};

/// Options of [`load_with`](super::load_with).
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `build()`"]
pub struct LoadBuilder {
    pub(super) opening: Opening,
    pub(super) frame_offset: usize,
    pub(super) num_frames: Option<usize>,
    pub(super) normalize: bool,
    pub(super) channels_first: bool,
}

impl LoadBuilder {
    /// Frames to skip, 0 unless set.
    pub fn frame_offset(mut self, frame_offset: usize) -> Self {
        self.frame_offset = frame_offset;
        self
    }

    /// The most frames to read; all that follow unless set.
    pub fn num_frames(mut self, num_frames: impl Into<Option<usize>>) -> Self {
        self.num_frames = num_frames.into();
        self
    }

    /// `f32` in -1 to 1 (the default), or the integers of the file: `u8` for 8 bits, `i16` for 16, `i32` for
    /// 24 (times 256) and 32, `f64` for floating point of 64. All else is `f32` either way.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// `[channels, frames]` (the default), or `[frames, channels]`.
    pub fn channels_first(mut self, channels_first: bool) -> Self {
        self.channels_first = channels_first;
        self
    }

    /// What the file is; told by how it starts unless set.
    pub fn format(mut self, format: impl Into<Option<Format>>) -> Self {
        self.opening.format = format.into();
        self
    }

    /// False to read what is there of a file that ends before what its header promises, as one whose download
    /// broke off; true unless set: that is an error.
    pub fn strict(mut self, strict: bool) -> Self {
        self.opening.strict = strict;
        self
    }

    /// What the file holds; no sample is read.
    ///
    /// # Errors
    /// As [`info`](super::info).
    #[track_caller]
    pub fn info(&self) -> Result<AudioMetaData> {
        self.opening.told(|| self.opening.open()?.info())
    }

    /// Reads the waveform `[channels, frames]`; gives it and the sample rate.
    ///
    /// # Errors
    /// As [`load`](super::load); also where `frame_offset` is behind the end.
    #[track_caller]
    pub fn build(self) -> Result<(Tensor, u32)> {
        let (waveform, rate) = self.opening.told(|| {
            let mut track = self.opening.open()?;
            track.seek(self.frame_offset)?;
            Ok((track.read(self.num_frames, self.normalize)?, track.sample_rate()))
        })?;
        Ok((if self.channels_first { waveform } else { waveform.transpose(0, 1)? }, rate))
    }
}

impl Build for LoadBuilder {
    type Output = (Tensor, u32);
    #[track_caller]
    fn build(self) -> Result<Self::Output> {
        LoadBuilder::build(self)
    }
}
