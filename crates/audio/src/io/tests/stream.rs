//! Streams against what is loaded as a whole.

use super::signal;
use crate::functional::{ResampleOptions, resample};
use crate::io::{Encoding, Format, Source, StreamReader, StreamReaderBuilder, load, save_with};
use flambeau_tensor::{ErrorKind, Result, Tensor, cat};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn file(format: Format, channels: usize, frames: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let saved = save_with(&mut file, signal(channels, frames, 3), 8000).format(format);
    saved.bits_per_sample(16).build().unwrap();
    file
}

fn chunks(reader: &mut StreamReader) -> Vec<Tensor> {
    reader.collect::<Result<_>>().unwrap()
}

fn same(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.shape() == theirs.shape() && ours.equal(theirs).unwrap()
}

fn slice(all: &Tensor, from: usize, most: usize) -> Tensor {
    all.narrow(1, from as isize, most.min(all.shape()[1] - from)).unwrap()
}

const FORMATS: [Format; 4] = [Format::Wav, Format::Aiff, Format::Au, Format::Flac];

#[test]
fn chunks_are_the_file() {
    for format in FORMATS {
        let file = file(format, 2, 10_000);
        let all = load(&file).unwrap().0;
        for (size, count) in [(7, 1429), (4096, 3), (10_000, 1), (usize::MAX, 1)] {
            let mut reader = StreamReader::new(&file, size).build().unwrap();
            assert_eq!((reader.sample_rate(), reader.num_channels(), reader.position()), (8000, 2, 0));
            let chunks = chunks(&mut reader);
            assert_eq!(chunks.len(), count, "{format:?} in chunks of {size}");
            assert!(chunks[..count - 1].iter().all(|chunk| chunk.shape() == [2, size]));
            assert!(same(&cat(&chunks, 1).unwrap(), &all), "{format:?} in chunks of {size}");
            assert_eq!(reader.position(), 10_000);
            assert!(reader.next().is_none());
        }
    }
}

#[test]
fn chunks_that_overlap() {
    let file = file(Format::Flac, 1, 1000);
    let all = load(&file).unwrap().0;
    // The last chunk is the first that comes to the end.
    for (size, overlap, count) in [(300, 100, 5), (300, 299, 701), (250, 0, 4), (2000, 10, 1), (600, 200, 2)] {
        let mut reader = StreamReader::new(&file, size).overlap(overlap).build().unwrap();
        for i in 0..count {
            let from = i * (size - overlap);
            assert_eq!(reader.position(), from);
            assert!(same(&reader.next().unwrap().unwrap(), &slice(&all, from, size)), "chunk {i} of {size}, {overlap}");
        }
        assert!(reader.next().is_none(), "chunks of {size}, {overlap}");
    }
    // A chunk is its owner's: what is done to it does not reach the next.
    let mut reader = StreamReader::new(&file, 300).overlap(100).build().unwrap();
    reader.next().unwrap().unwrap().zero_().unwrap();
    assert!(same(&reader.next().unwrap().unwrap(), &slice(&all, 200, 300)));
}

#[test]
fn chunks_at_another_rate_are_the_resampled_file_to_the_bits() {
    let file = file(Format::Wav, 2, 20_000);
    let (all, _) = load(&file).unwrap();
    for rate in [16_000, 4000, 11_025, 7999, 8000] {
        let all = resample(&all, 8000, rate, &ResampleOptions::default()).unwrap();
        for size in [97, 6000, 100_000] {
            let mut reader = StreamReader::new(&file, size).sample_rate(rate).build().unwrap();
            assert_eq!(reader.sample_rate(), rate);
            assert!(same(&cat(&chunks(&mut reader), 1).unwrap(), &all), "to {rate} Hz in chunks of {size}");
            let frames = all.shape()[1];
            for frame in [frames / 2, 1, frames - 1, frames, 0] {
                reader.seek(frame).unwrap();
                assert_eq!(reader.position(), frame);
                let there =
                    reader.next().map_or(frame == frames, |chunk| same(&chunk.unwrap(), &slice(&all, frame, size)));
                assert!(there, "frame {frame} at {rate} Hz in chunks of {size}");
            }
            let error = reader.seek(frames + 1).unwrap_err();
            assert!(error.message().contains("behind the end"), "{error}");
        }
    }
}

#[test]
fn a_stream_goes_to_any_frame() {
    for format in FORMATS {
        let file = file(format, 1, 20_000);
        let all = load(&file).unwrap().0;
        let mut reader = StreamReader::new(&file, 100).overlap(10).build().unwrap();
        for frame in [5, 4095, 4096, 12_345, 12_346, 300, 19_999, 0, 20_000, 7] {
            reader.seek(frame).unwrap();
            assert_eq!(reader.position(), frame);
            let there = reader.next().map_or(frame == 20_000, |chunk| same(&chunk.unwrap(), &slice(&all, frame, 100)));
            assert!(there, "{format:?}, frame {frame}");
        }
        let error = reader.seek(20_001).unwrap_err();
        assert_eq!(error.message(), "frame_offset 20001 is behind the end: the file has 20000 frames");
        assert!(reader.next().is_none());
        reader.seek(19_950).unwrap();
        assert!(same(&reader.next().unwrap().unwrap(), &slice(&all, 19_950, 100)));
    }
}

#[test]
fn several_streams_of_one_reader() {
    let file = file(Format::Flac, 1, 9000);
    let all = load(&file).unwrap().0;
    let source = Source::reader(Cursor::new(file));
    let mut one = StreamReader::new(source.clone(), 1000).build().unwrap();
    let mut other = StreamReader::new(source, 1500).build().unwrap();
    for i in 0..6 {
        assert!(same(&one.next().unwrap().unwrap(), &slice(&all, i * 1000, 1000)));
        assert!(same(&other.next().unwrap().unwrap(), &slice(&all, i * 1500, 1500)));
    }
}

/// The head of a WAV and 2 GiB of zeros, and how many bytes were read of it.
struct Huge {
    head: Vec<u8>,
    at: u64,
    read: Arc<AtomicU64>,
}

const HUGE: u64 = 1 << 31;

impl Read for Huge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min((HUGE - self.at) as usize);
        for byte in &mut buffer[..count] {
            *byte = self.head.get(self.at as usize).copied().unwrap_or(0);
            self.at += 1;
        }
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Huge {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
            SeekFrom::End(by) => HUGE.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

#[test]
fn no_more_is_read_than_is_asked_for() {
    let mut head = file(Format::Wav, 1, 0);
    head[4..8].copy_from_slice(&((HUGE - 8) as u32).to_le_bytes());
    head[40..44].copy_from_slice(&((HUGE - 44) as u32).to_le_bytes());
    let read = Arc::new(AtomicU64::new(0));
    let source = Source::reader(Huge { head, at: 0, read: Arc::clone(&read) });
    let mut reader = StreamReader::new(source, 1000).overlap(500).build().unwrap();
    let frames = (HUGE as usize - 44) / 2;
    for frame in [0, frames / 2, frames - 1000] {
        reader.seek(frame).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().shape(), [1, 1000]);
    }
    assert!(read.load(Ordering::Relaxed) < 100_000);
}

#[test]
fn broken_files_end_a_stream_with_an_error() {
    for format in FORMATS {
        let whole = file(format, 2, 20_000);
        // What is not coded is found broken at once, what is when it is come to.
        let read = |reader: StreamReaderBuilder| -> Result<Vec<Tensor>> { reader.build()?.collect() };
        for cut in [50, whole.len() / 2, whole.len() - 1] {
            let error = read(StreamReader::new(&whole[..cut], 1000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Format, "{format:?} cut at {cut}: {error}");
        }
        let part = read(StreamReader::new(&whole[..whole.len() / 2], 1000).strict(false)).unwrap();
        let part = cat(&part, 1).unwrap();
        assert!(part.shape()[1] > 1000, "{format:?}: {:?}", part.shape());
        assert!(same(&part, &slice(&load(&whole).unwrap().0, 0, part.shape()[1])), "{format:?}");
        for bit in (0..8 * whole.len().min(4000)).step_by(47) {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            if let Ok(mut reader) = StreamReader::new(file, 1000).build() {
                reader.by_ref().take(30).find(Result::is_err);
                reader.seek(3000).ok();
            }
        }
    }
    let mut reader = StreamReader::new(&file(Format::Flac, 1, 20_000)[..20_000], 1000).build().unwrap();
    assert!(reader.by_ref().any(|chunk| chunk.is_err()));
    assert!(reader.next().is_none());
}

#[test]
fn options_that_do_not_go_together() {
    let file = file(Format::Wav, 1, 10);
    let message = |builder: StreamReaderBuilder| builder.build().err().unwrap().message().to_string();
    assert_eq!(message(StreamReader::new(&file, 0)), "frames_per_chunk must not be zero");
    assert_eq!(
        message(StreamReader::new(&file, 10).overlap(10)),
        "an overlap of 10 frames must be below the 10 of a chunk"
    );
    assert!(message(StreamReader::new(&file, 10).sample_rate(0)).contains("must not be zero"));
    assert!(StreamReader::new("none.wav", 10).build().err().unwrap().place().contains("none.wav"));
    let mut empty = Vec::new();
    save_with(&mut empty, Tensor::zeros([1, 0]).build().unwrap(), 8000).encoding(Encoding::PcmF).build().unwrap();
    assert!(StreamReader::new(&empty, 10).build().unwrap().next().is_none());
    assert!(StreamReader::new(empty, 10).sample_rate(16_000).build().unwrap().next().is_none());
}
