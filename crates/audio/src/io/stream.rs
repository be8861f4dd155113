//! Sound in chunks of so many frames, in memory that does not grow with the file.

use super::Format;
use super::fault::{Fault, fault};
use super::source::Source;
use super::track::{Opening, Track};
use crate::functional::{Polyphase, ResampleOptions, Sinc};
use flambeau_tensor::{DType, Result, Tensor, builder, cat, ensure};
use std::sync::Arc;

/// A file's sound as chunks `[channels, frames_per_chunk]` of `f32` in -1 to 1, the last of them shorter where no more
/// is left; put together they are what [`load`](super::load) gives, and with a `sample_rate` what
/// [`resample`](crate::functional::resample) makes of that. No more of the file is in memory than a chunk and what
/// decoding and resampling it take. Does what `torchaudio.io.StreamReader` did for sound.
///
/// ```
/// use flambeau_audio::io::{StreamReader, save};
/// use flambeau_tensor::Tensor;
///
/// let mut file = Vec::new();
/// save(&mut file, &Tensor::zeros([2, 40_000]).build()?, 16_000)?;
/// let mut reader = StreamReader::new(file, 4000).overlap(1000).sample_rate(8000).build()?;
/// let chunks: Vec<Tensor> = reader.by_ref().collect::<Result<_, _>>()?;
/// let frames: Vec<usize> = chunks.iter().map(|chunk| chunk.shape()[1]).collect();
/// assert_eq!(frames, [4000, 4000, 4000, 4000, 4000, 4000, 2000]);
/// reader.seek(19_000)?;
/// assert_eq!(reader.next().unwrap()?.shape(), [2, 1000]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// A chunk that cannot be read is an error, after which there are none, until a `seek`.
pub struct StreamReader {
    opening: Opening,
    track: Track,
    resampler: Option<Resampler>,
    frames_per_chunk: usize,
    overlap: usize,
    sample_rate: u32,
    /// The end of the last chunk, which the next begins with.
    kept: Option<Tensor>,
    /// The first frame behind the last chunk.
    next: usize,
    failed: bool,
}

builder! {
    /// Options of [`StreamReader`].
    pub struct StreamReaderBuilder => StreamReader;
    new {
        /// A path, bytes in memory, or a [`Source::reader`].
        source: ~into Source,
        /// Frames of a chunk.
        frames_per_chunk: usize,
    }
    options {
        /// Frames that a chunk has in common with the one before, 0 unless set.
        overlap: usize = 0,
        /// The rate that chunks are resampled to; the file's unless set.
        sample_rate: ~into Option<u32> = None,
        /// What the file is; told by how it starts unless set.
        format: ~into Option<Format> = None,
        /// False to read what is there of a file that ends before what its header promises; true unless set: that is an
        /// error, when it is come to.
        strict: bool = true,
    }
}

impl StreamReader {
    #[track_caller]
    fn from_builder(b: StreamReaderBuilder) -> Result<Self> {
        let StreamReaderBuilder { source, frames_per_chunk, overlap, sample_rate, format, strict } = b;
        ensure!(frames_per_chunk > 0, Argument, "StreamReader", "frames_per_chunk must not be zero");
        ensure!(
            overlap < frames_per_chunk,
            Argument,
            "StreamReader",
            "an overlap of {overlap} frames must be below the {frames_per_chunk} of a chunk"
        );
        let opening = Opening { source, format, strict };
        let track = opening.told(|| opening.open())?;
        let rate = track.sample_rate();
        let sample_rate = sample_rate.unwrap_or(rate);
        let sinc = Sinc::new(rate, sample_rate, &ResampleOptions::default(), Some(DType::F32))?;
        let resampler = sinc.map(|sinc| sinc.taps()).transpose()?.map(Resampler::new);
        let (kept, next, failed) = (None, 0, false);
        Ok(StreamReader { opening, track, resampler, frames_per_chunk, overlap, sample_rate, kept, next, failed })
    }

    /// Frames a second of the chunks.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Channels of the chunks.
    pub fn num_channels(&self) -> usize {
        self.track.num_channels()
    }

    /// The frame that the next chunk begins with, counted at the rate of the chunks.
    pub fn position(&self) -> usize {
        self.next - self.kept.as_ref().map_or(0, |kept| kept.shape()[1])
    }

    /// Lets the next chunk begin with `frame`, counted at the rate of the chunks. FLAC and what is not coded is gone to at
    /// once; other files are decoded up to there, those behind it from the start.
    ///
    /// # Errors
    /// Where `frame` is behind the end, or the file cannot be read up to there.
    #[track_caller]
    pub fn seek(&mut self, frame: usize) -> Result<()> {
        let StreamReader { opening, track, resampler, .. } = self;
        self.failed = true;
        opening.told(|| match resampler {
            None => track.seek(frame),
            Some(resampler) => resampler.seek(track, frame),
        })?;
        (self.kept, self.next, self.failed) = (None, frame, false);
        Ok(())
    }

    fn chunk(&mut self) -> std::result::Result<Option<Tensor>, Fault> {
        let kept = self.kept.take();
        let wanted = self.frames_per_chunk - kept.as_ref().map_or(0, |kept| kept.shape()[1]);
        let more = match &mut self.resampler {
            None => self.track.read(Some(wanted), true)?,
            Some(resampler) => resampler.read(&mut self.track, wanted)?,
        };
        let count = more.shape()[1];
        if count == 0 {
            return Ok(None);
        }
        self.next += count;
        let chunk = match kept {
            Some(kept) => cat(&[&kept, &more], 1)?,
            None => more,
        };
        let frames = chunk.shape()[1];
        if self.overlap > 0 && frames > self.overlap {
            self.kept = Some(chunk.narrow(1, (frames - self.overlap) as isize, self.overlap)?.copy()?);
        }
        Ok(Some(chunk))
    }
}

impl Iterator for StreamReader {
    type Item = Result<Tensor>;

    #[track_caller]
    fn next(&mut self) -> Option<Result<Tensor>> {
        if self.failed {
            return None;
        }
        let chunk = self.chunk();
        let chunk = self.opening.told(|| chunk);
        self.failed = !matches!(chunk, Ok(Some(_)));
        chunk.transpose()
    }
}

/// Frames that are read at once to be resampled.
const BLOCK: usize = 4096;

/// Sound at another rate, to the bits as if it were resampled as a whole: whole groups of frames, of which each gives as
/// many whole ones of the other rate, with those around them that their kernels reach.
struct Resampler {
    taps: Arc<Polyphase>,
    /// Frames of a group, what they give, and how far on either side the kernels reach.
    orig: usize,
    new: usize,
    width: usize,
    /// Frames that came in and are still needed; the first begins a group.
    held: Option<Tensor>,
    /// Groups of `held` that were given.
    given: usize,
    /// What was made and not yet taken.
    ready: Option<Tensor>,
    /// Frames of `ready` to leave out.
    skip: usize,
    ended: bool,
}

impl Resampler {
    fn new(taps: Polyphase) -> Self {
        let (orig, new, width) = taps.sizes();
        let (taps, held, ready) = (Arc::new(taps), None, None);
        Resampler { taps, orig, new, width, held, given: 0, ready, skip: 0, ended: false }
    }

    /// Makes `frame` of what comes out the next.
    fn seek(&mut self, track: &mut Track, frame: usize) -> std::result::Result<(), Fault> {
        let group = frame / self.new;
        let first = group.saturating_sub(self.width.div_ceil(self.orig));
        track.seek(first.saturating_mul(self.orig))?;
        (self.held, self.given, self.ready, self.ended) = (None, group - first, None, false);
        self.skip = frame % self.new;
        if self.fill(track, 1)? == 0 {
            let there = (track.position() as u128 * self.new as u128).div_ceil(self.orig as u128);
            if frame as u128 > there {
                fault!(Behind, "frame {frame} is behind the end: there are {there} frames at this rate");
            }
        }
        Ok(())
    }

    /// Makes `frames` frames ready, fewer only at the end; how many there are.
    fn fill(&mut self, track: &mut Track, frames: usize) -> std::result::Result<usize, Fault> {
        loop {
            let mut there = self.ready.as_ref().map_or(0, |ready| ready.shape()[1]);
            let out = self.skip.min(there);
            if let Some(ready) = self.ready.as_ref().filter(|_| out > 0) {
                self.ready = Some(ready.narrow(1, out as isize, there - out)?);
                (there, self.skip) = (there - out, self.skip - out);
            }
            if there >= frames || self.ended {
                return Ok(there);
            }
            let wanted = (frames - there) as u128 * self.orig as u128 / self.new as u128;
            let wanted = (wanted.min(1 << 20) as usize).max(BLOCK);
            let x = track.read(Some(wanted), true)?;
            self.ended = x.shape()[1] < wanted;
            self.push(&x)?;
        }
    }

    fn push(&mut self, x: &Tensor) -> std::result::Result<(), Fault> {
        let &mut Resampler { orig, new, width, .. } = self;
        let held = joined(self.held.take(), x)?;
        let frames = held.shape()[1];
        // Of the last groups the kernels reach further than what has come.
        let whole = if self.ended { frames.div_ceil(orig) } else { frames.saturating_sub(width) / orig };
        if whole > self.given {
            let y = self.taps.apply(&held)?;
            let (from, until) = (self.given * new, whole.saturating_mul(new).min(y.shape()[1]));
            self.ready = Some(joined(self.ready.take(), &y.narrow(1, from as isize, until - from)?)?);
            self.given = whole;
        }
        let spent = self.given.saturating_sub(width.div_ceil(orig)).min(frames / orig);
        self.held = Some(held.narrow(1, (spent * orig) as isize, frames - spent * orig)?);
        self.given -= spent;
        Ok(())
    }

    fn read(&mut self, track: &mut Track, frames: usize) -> std::result::Result<Tensor, Fault> {
        let there = self.fill(track, frames)?;
        let count = there.min(frames);
        let Some(ready) = self.ready.take() else { return Ok(Tensor::zeros([track.num_channels(), 0]).build()?) };
        self.ready = Some(ready.narrow(1, count as isize, there - count)?);
        Ok(ready.narrow(1, 0, count)?.copy()?)
    }
}

/// One behind the other.
fn joined(before: Option<Tensor>, x: &Tensor) -> Result<Tensor> {
    match before {
        Some(before) if before.shape()[1] > 0 => cat(&[&before, x], 1),
        _ => Ok(x.clone()),
    }
}
