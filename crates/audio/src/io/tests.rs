//! Waveforms out and in again, files built byte by byte, and files that lie.

mod open_sizes;
#[cfg(feature = "opus")]
mod opus;
mod stream;

use super::*;
use flambeau_tensor::{DType, ErrorKind};
use std::path::PathBuf;
use tempfile::TempDir;

/// A RIFF of these chunks, sizes as they are.
fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, bytes) in chunks {
        body.extend(*name);
        body.extend((bytes.len() as u32).to_le_bytes());
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF".as_slice(), &(body.len() as u32).to_le_bytes(), &body].concat()
}

fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut fmt = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    fmt.extend(rate.to_le_bytes());
    fmt.extend((rate * u32::from(block)).to_le_bytes());
    fmt.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    fmt
}

fn le16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

/// A WAV of one chunk `fmt ` and `data`, with these sizes in the headers of RIFF and `data`.
fn with_sizes(fmt: Vec<u8>, data: Vec<u8>, riff_size: u32, data_size: u32) -> Vec<u8> {
    let mut file = riff(&[(b"fmt ", fmt), (b"data", data)]);
    file[4..8].copy_from_slice(&riff_size.to_le_bytes());
    file[40..44].copy_from_slice(&data_size.to_le_bytes());
    file
}

fn written(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("x.wav");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn read(bytes: &[u8]) -> Result<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    load(written(&folder, bytes))?.0.to_vec()
}

fn fault(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = load(written(&folder, bytes)).unwrap_err();
    assert!(error.place().ends_with("x.wav"), "{error}");
    error.message().to_string()
}

#[test]
fn every_encoding_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let values = vec![0.0f32, 0.5, -0.5, -1.0, 0.25, -0.125, 0.75, -0.25];
    let wave = Tensor::from_vec(values.clone(), [2, 4]).unwrap();
    for (encoding, bits) in [(None, 8), (None, 16), (None, 24), (None, 32), (Some(Encoding::PcmF), 32)] {
        save_with(&path, &wave, 11_025).encoding(encoding).bits_per_sample(bits).build().unwrap();
        let (back, rate) = load(&path).unwrap();
        assert_eq!((back.shape(), rate), (&[2, 4][..], 11_025));
        assert_eq!(back.to_vec::<f32>().unwrap(), values, "{bits} bits");
        let meta = info(&path).unwrap();
        assert_eq!((meta.num_frames, meta.num_channels, meta.bits_per_sample), (4, 2, bits));
        let expected = encoding.unwrap_or(if bits == 8 { Encoding::PcmU } else { Encoding::PcmS });
        assert_eq!(meta.encoding, expected);
    }
}

#[test]
fn samples_beyond_full_scale_are_kept_in_range() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    save(&path, &Tensor::from_vec(vec![1.0f32, 3.0, -7.0, f32::NAN], 4).unwrap(), 8000).unwrap();
    let (raw, _) = load_with(&path).normalize(false).build().unwrap();
    assert_eq!((raw.shape(), raw.to_vec::<i16>().unwrap()), (&[1, 4][..], vec![32767, 32767, -32768, 0]));
}

#[test]
fn another_reader_reads_what_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let wave = Tensor::from_vec(vec![1i16, 2, 3, -1, -2, -32768], [2, 3]).unwrap();
    save(&path, &wave, 44_100).unwrap();
    let mut reader = hound::WavReader::open(&path).unwrap();
    let samples: Vec<i16> = reader.samples().map(|s| s.unwrap()).collect();
    assert_eq!((reader.spec().channels, samples), (2, vec![1, -1, 2, -2, 3, -32768]));
}

#[test]
fn a_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, &riff(&[(b"fmt ", fmt(1, 2, 8000, 8)), (b"data", (0..10).collect())]));
    let part = |offset, frames: Option<usize>| {
        let (wave, _) = load_with(&path).frame_offset(offset).num_frames(frames).normalize(false).build()?;
        wave.to_vec::<u8>()
    };
    assert_eq!(part(0, None).unwrap(), [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]);
    assert_eq!(part(1, Some(2)).unwrap(), [2, 4, 3, 5]);
    assert_eq!(part(3, Some(usize::MAX)).unwrap(), [6, 8, 7, 9]);
    assert!(part(5, None).unwrap().is_empty());
    let error = part(6, None).unwrap_err();
    assert_eq!(error.message(), "frame_offset 6 is behind the end: the file has 5 frames");
}

#[test]
fn integers_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let raw = |bits, bytes: Vec<u8>| {
        let path = written(&folder, &riff(&[(b"fmt ", fmt(1, 1, 8000, bits)), (b"data", bytes)]));
        load_with(path).normalize(false).build().unwrap().0
    };
    let x = raw(24, vec![1, 0, 0, 0xff, 0xff, 0xff]);
    assert_eq!((x.dtype(), x.to_vec::<i32>().unwrap()), (DType::I32, vec![256, -256]));
    let x = raw(32, vec![1, 0, 0, 0, 0, 0, 0, 0x80]);
    assert_eq!((x.dtype(), x.to_vec::<i32>().unwrap()), (DType::I32, vec![1, i32::MIN]));
}

#[test]
fn double_precision_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let wave = Tensor::from_vec(vec![0.1f64, -0.3, 1e-300, 7.5, f64::MIN_POSITIVE, -1.0], [2, 3]).unwrap();
    save_with(&path, &wave, 48_000).encoding(Encoding::PcmF).bits_per_sample(64).build().unwrap();
    let (back, _) = load_with(&path).normalize(false).build().unwrap();
    assert_eq!((back.dtype(), back.to_vec::<f64>().unwrap()), (DType::F64, wave.to_vec::<f64>().unwrap()));
    let (single, _) = load(&path).unwrap();
    assert_eq!(single.to_vec::<f32>().unwrap()[..2], [0.1, -0.3]);
    let meta = info(&path).unwrap();
    assert_eq!((meta.encoding, meta.bits_per_sample, meta.note), (Encoding::PcmF, 64, None));
}

#[test]
fn other_encodings() {
    // The ends and the middles of the tables of G.711.
    let ulaw = riff(&[(b"fmt ", fmt(7, 1, 8000, 8)), (b"data", vec![0xff, 0x7f, 0x00, 0x80])]);
    assert_eq!(read(&ulaw).unwrap().iter().map(|x| x * 32768.0).collect::<Vec<_>>(), [0.0, 0.0, -32124.0, 32124.0]);
    let alaw = riff(&[(b"fmt ", fmt(6, 1, 8000, 8)), (b"data", vec![0xd5, 0x55, 0x2a, 0xaa])]);
    assert_eq!(read(&alaw).unwrap().iter().map(|x| x * 32768.0).collect::<Vec<_>>(), [8.0, -8.0, -32256.0, 32256.0]);
    let double = riff(&[(b"fmt ", fmt(3, 1, 8000, 64)), (b"data", 0.3f64.to_le_bytes().to_vec())]);
    assert_eq!(read(&double).unwrap(), [0.3]);
    let three = riff(&[(b"fmt ", fmt(1, 1, 8000, 24)), (b"data", vec![0, 0, 0x80, 0xff, 0xff, 0x7f, 0, 0, 0x40])]);
    assert_eq!(read(&three).unwrap(), [-1.0, 8388607.0 / 8388608.0, 0.5]);
}

#[test]
fn the_extensible_form_names_its_samples_by_a_guid() {
    let pcm = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let ambisonic = [0, 0, 0x21, 0x07, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0];
    let file = |tag: u16, bits: u16, tail: [u8; 14], data: Vec<u8>| {
        let [low, high] = tag.to_le_bytes();
        let form = [&fmt(0xfffe, 1, 8000, bits)[..], &[22, 0, 16, 0, 4, 0, 0, 0, low, high], &tail].concat();
        riff(&[(b"fmt ", form), (b"data", data)])
    };
    for tail in [pcm, ambisonic] {
        assert_eq!(read(&file(1, 16, tail, le16(&[0, -32768, 16384]))).unwrap(), [0.0, -1.0, 0.5]);
        assert_eq!(read(&file(3, 32, tail, 0.3f32.to_le_bytes().to_vec())).unwrap(), [0.3]);
    }
    assert!(fault(&file(1, 16, [7; 14], vec![0, 0])).contains("an unknown GUID in the \"fmt \" at byte 12"));
}

/// 24 bits as the upper ones of 32, of which the header names but the 24.
#[test]
fn three_bytes_in_four() {
    let mut four = fmt(1, 1, 8000, 24);
    four[8..14].copy_from_slice(&[0x00, 0x7d, 0, 0, 4, 0]);
    let data = [1i32 << 30, -1 << 30, 1 << 8].map(i32::to_le_bytes).concat();
    let file = riff(&[(b"fmt ", four), (b"data", data)]);
    assert_eq!(read(&file).unwrap(), [0.5, -0.5, 2f32.powi(-23)]);
    assert_eq!(info(file).unwrap().bits_per_sample, 32);
}

#[test]
fn chunks_of_no_concern_are_passed_over() {
    // An odd chunk is followed by a byte that belongs to none.
    let file = riff(&[
        (b"LIST", vec![1, 2, 3]),
        (b"fmt ", fmt(1, 1, 8000, 16)),
        (b"fact", vec![9; 6]),
        (b"data", vec![0, 0x40]),
        (b"id3 ", vec![5; 5]),
    ]);
    assert_eq!(read(&file).unwrap(), [0.5]);
    // What follows the RIFF is none of its concern.
    assert_eq!(read(&[file, vec![7; 100]].concat()).unwrap(), [0.5]);
}

fn note(bytes: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    info(written(&folder, bytes)).unwrap().note
}

#[test]
fn sizes_that_a_pipe_leaves_open() {
    let data = || le16(&[16384, -16384, 8192]);
    // ffmpeg and most services; Python's wave; sox; GStreamer; with the header's size added or taken away.
    let open = [u32::MAX, 0x7fff_ffff, 0x7fff_f000, 0, 0xffff_ffff - 36, 0x7fff_ffff + 36];
    for size in open {
        for (riff_size, data_size) in [(size, size), (size, 6), (42, size), (35, size), (36, size)] {
            let file = with_sizes(fmt(1, 1, 8000, 16), data(), riff_size, data_size);
            assert_eq!(read(&file).unwrap(), [0.5, -0.5, 0.25], "{riff_size:#x}, {data_size:#x}");
            assert!(note(&file).is_some_and(|n| n.contains("open")), "{riff_size:#x}, {data_size:#x}");
        }
    }
    let file = with_sizes(fmt(1, 2, 8000, 16), data(), u32::MAX, u32::MAX);
    assert_eq!(read(&file).unwrap(), [0.5, -0.5], "whole frames");
    assert_eq!(
        note(&file).unwrap(),
        "the header at byte 4 leaves the size of the file open; \
         the chunk \"data\" at byte 36 leaves its size open: it is read to the end of the file; \
         the last 2 bytes up to byte 50 are no whole frame of 4 and left out"
    );
    assert_eq!(note(&with_sizes(fmt(1, 1, 8000, 16), data(), 42, 6)), None);
}

#[test]
fn a_size_that_was_never_set_right() {
    let stale = with_sizes(fmt(1, 1, 8000, 16), le16(&[16384, -16384]), 36, 4);
    assert_eq!(read(&stale).unwrap(), [0.5, -0.5]);
    assert_eq!(note(&stale).unwrap(), "the header at byte 4 promises a file of 44 bytes only");
    // No samples, and a chunk behind them: 0 means none.
    let none = riff(&[(b"fmt ", fmt(1, 1, 8000, 16)), (b"data", vec![]), (b"LIST", vec![1, 2, 3])]);
    assert!(read(&none).unwrap().is_empty());
    assert_eq!(note(&none), None);
}

#[test]
fn half_a_frame_at_the_end_is_left_out() {
    let file = riff(&[(b"fmt ", fmt(1, 2, 8000, 16)), (b"data", le16(&[16384, -16384, 8192]))]);
    assert_eq!(read(&file).unwrap(), [0.5, -0.5]);
    assert_eq!(note(&file).unwrap(), "the last 2 bytes up to byte 50 are no whole frame of 4 and left out");
}

#[test]
fn a_download_that_broke_off_is_read_only_if_asked() {
    let whole = riff(&[(b"fmt ", fmt(1, 1, 8000, 16)), (b"data", le16(&[16384, -16384, 8192]))]);
    let cut = &whole[..47];
    assert!(fault(cut).contains("promises a file of 50 bytes, it ends at byte 47"));
    let mut lying = cut.to_vec();
    lying[4..8].copy_from_slice(&39u32.to_le_bytes());
    assert_eq!(fault(&lying), "the chunk \"data\" at byte 36 promises 6 bytes, the file ends at byte 47");
    let folder = tempfile::tempdir().unwrap();
    let lenient = load_with(written(&folder, cut)).strict(false);
    assert_eq!(lenient.info().unwrap().num_frames, 1);
    assert!(lenient.info().unwrap().note.unwrap().contains("promises 6 bytes, the file ends at byte 47"));
    assert_eq!(lenient.build().unwrap().0.to_vec::<f32>().unwrap(), [0.5]);
}

#[test]
fn the_long_form() {
    let file = |riff_size: u64, data_size: u64, data: &[u8]| {
        let sizes = [riff_size, data_size, 3].map(u64::to_le_bytes).concat();
        let ds64 = [&sizes[..], &[0; 4]].concat();
        let mut file = riff(&[(b"ds64", ds64), (b"fmt ", fmt(1, 1, 8000, 16)), (b"data", data.to_vec())]);
        file[..8].copy_from_slice(b"RF64\xff\xff\xff\xff");
        file[76..80].copy_from_slice(&[0xff; 4]);
        file
    };
    let data = le16(&[16384, -16384, 8192]);
    assert_eq!(read(&file(78, 6, &data)).unwrap(), [0.5, -0.5, 0.25]);
    assert_eq!(note(&file(78, 6, &data)), None);
    assert_eq!(read(&file(78, 4, &data)).unwrap(), [0.5, -0.5]);
    for open in [0, u64::MAX] {
        assert_eq!(read(&file(open, open, &data)).unwrap(), [0.5, -0.5, 0.25]);
    }
    assert!(fault(&file(78, 1 << 40, &data)).contains("promises 1099511627776 bytes, the file ends at byte 86"));
    assert!(fault(&file(1 << 40, 6, &data)).contains("promises a file of 1099511627784 bytes"));
    let mut without = file(78, 6, &data);
    without[12..16].copy_from_slice(b"junk");
    assert!(fault(&without).contains("in a chunk \"ds64\" at byte 12, here is \"junk\" of 28 bytes"));
    assert!(fault(&file(78, 6, &data)[..30]).contains("the file ends at byte 30"));
}

fn small() -> Vec<u8> {
    riff(&[(b"fmt ", fmt(1, 2, 8000, 16)), (b"LIST", vec![1, 2, 3]), (b"data", (0..12).collect())])
}

#[test]
fn a_file_cut_at_any_byte_is_an_error_that_names_the_byte() {
    let whole = small();
    assert_eq!(read(&whole).unwrap().len(), 6);
    for length in 0..whole.len() {
        let fault = fault(&whole[..length]);
        let told = if length == 0 { "the file is empty".into() } else { format!("ends at byte {length}") };
        assert!(fault.contains(&told), "cut at {length}: {fault}");
    }
}

#[test]
fn flipped_bits_do_no_harm() {
    let whole = small();
    let data = whole.len() - 12;
    for bit in 0..data * 8 {
        let mut file = whole.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        match read(&file) {
            Ok(samples) => assert!(samples.len() <= 12, "bit {bit}: {} samples of 12 bytes", samples.len()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::Unsupported), "bit {bit}: {error}")
            }
        }
    }
}

#[test]
fn lies_are_told_by_their_byte() {
    let with = |at: usize, bytes: &[u8]| {
        let mut file = small();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        fault(&file)
    };
    // The header of "data" is at byte 48: RIFF 12, "fmt " 24, "LIST" 12.
    assert_eq!(with(52, &[16, 0]), "the chunk \"data\" at byte 48 promises 16 bytes, the file ends at byte 68");
    assert_eq!(with(4, &[61, 0]), "the header at byte 4 promises a file of 69 bytes, it ends at byte 68");
    assert_eq!(with(40, &[99, 0]), "the chunk \"LIST\" at byte 36 promises 99 bytes, the file ends at byte 68");
    assert_eq!(with(22, &[0, 0]), "the chunk \"fmt \" at byte 12 tells of 0 channels at 8000 Hz");
    assert_eq!(with(34, &[0, 0]), "samples of 0 bits by the \"fmt \" at byte 12");
    assert_eq!(with(32, &[3, 0]), "frames of 3 bytes, but 2 channels of 16 bits, by the \"fmt \" at byte 12");
    assert_eq!(with(48, b"junk"), "there is no chunk \"data\" up to the end at byte 68");
    assert_eq!(
        with(20, &[5, 0]),
        "samples of form 0x0005 by the \"fmt \" at byte 12; read are PCM, float, A-law, µ-law, ADPCM by Microsoft and IMA"
    );
    assert!(with(0, b"RIFX").contains("RIFF and RF64 are read"));
    assert!(with(8, b"AVI ").contains("not a WAV file"));
    assert!(fault(b"\x89PNG\r\n\x1a\n").contains("not a WAV file: it starts with \".PNG....\""));
}

#[test]
fn what_cannot_be_written() {
    let path = std::env::temp_dir().join("flambeau-never-written.wav");
    let wave = Tensor::zeros([1, 4]).build().unwrap();
    let message = |r: Result<()>| r.unwrap_err().message().to_string();
    assert!(message(save(&path, &Tensor::zeros([1, 2, 3]).build().unwrap(), 8000)).contains("[1, 2, 3]"));
    assert!(message(save(&path, &wave, 0)).contains("must not be zero"));
    assert!(message(save(&path, &wave.to_dtype(DType::I64).unwrap(), 8000)).contains("int64"));
    assert!(message(save_with(&path, &wave, 8000).bits_per_sample(12).build()).contains("no WAV of 12 bits"));
    assert!(
        message(save_with(&path, &wave, 8000).encoding(Encoding::PcmF).bits_per_sample(16).build()).contains("PCM_F")
    );
    let wide = Tensor::zeros([9000, 1]).build().unwrap();
    let error = save_with(&path, &wide, 8000).encoding(Encoding::PcmF).bits_per_sample(64).build();
    assert!(message(error).contains("9000 channels of 64 bits"));
    assert!(!path.exists());
    assert_eq!(load(&path).unwrap_err().kind(), ErrorKind::Io);
}

/// A signal of so many channels and frames with tones, noise, silence and full scale in it.
fn signal(channels: usize, frames: usize, seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    let sample = |channel: usize, frame: usize, noise: f64| match frame * 8 / frames.max(1) {
        0 => 0.0,
        1 => 0.5,
        2 => noise,
        3 => noise.signum() * 0.999_999,
        4 if frame % 97 == 0 => -1.0,
        4 => 0.0,
        _ => 0.4 * (frame as f64 * (0.02 + 0.013 * channel as f64)).sin() + 0.01 * noise,
    };
    let all = (0..channels).flat_map(|c| (0..frames).map(move |f| (c, f)));
    let values: Vec<f64> = all.map(|(c, f)| sample(c, f, noise())).collect();
    Tensor::from_vec(values, [channels, frames]).unwrap()
}

/// The sample as an integer of so many bits, as it is written.
fn whole(x: &Tensor, bits: u32) -> Vec<f64> {
    let full = 2f64.powi(bits as i32 - 1);
    x.to_vec::<f64>().unwrap().iter().map(|x| (x * full).round_ties_even().clamp(-full, full - 1.0)).collect()
}

#[test]
fn every_form_comes_back() {
    use Encoding::{Alaw, PcmF, PcmS, PcmU, Ulaw};
    let x = signal(3, 1000, 1);
    for format in [Format::Wav, Format::Aiff, Format::Au] {
        for (encoding, bits) in [(PcmS, 16), (PcmS, 24), (PcmS, 32), (PcmF, 32), (PcmF, 64), (Ulaw, 8), (Alaw, 8)] {
            let mut file = Vec::new();
            save_with(&mut file, &x, 11_025).format(format).encoding(encoding).bits_per_sample(bits).build().unwrap();
            let meta = info(&file).unwrap();
            let told = (meta.encoding, meta.bits_per_sample, meta.num_channels, meta.num_frames, meta.sample_rate);
            assert_eq!(told, (encoding, bits, 3, 1000, 11_025), "{format:?}");
            assert_eq!(meta.note, None, "{format:?} {encoding}");
            let (back, _) = load(&file).unwrap();
            let off = back.to_dtype(DType::F64).unwrap().sub(&x).unwrap().abs().unwrap();
            let off = off.amax(..).unwrap().item::<f64>().unwrap();
            let most = match (encoding, bits) {
                (Ulaw | Alaw, _) => 0.02,
                (PcmS, bits) => 1.01 * 0.5f64.powi(bits as i32 - 1) + 6e-8,
                _ => 6e-8,
            };
            assert!(off <= most, "{format:?} of {bits} bits and {encoding}: {off} off");
            let part = load_with(&file).frame_offset(990).num_frames(50).channels_first(false).build().unwrap().0;
            assert_eq!(part.shape(), [10, 3]);
            assert!(part.transpose(0, 1).unwrap().equal(&back.narrow(1, 990, 10).unwrap()).unwrap());
        }
    }
    // Eight bits are without a sign in a WAV, and with one in the others.
    for (format, encoding) in [(Format::Wav, PcmU), (Format::Aiff, PcmS), (Format::Au, PcmS)] {
        let mut file = Vec::new();
        save_with(&mut file, &x, 8000).format(format).bits_per_sample(8).build().unwrap();
        assert_eq!(info(&file).unwrap().encoding, encoding);
        let back = load_with(file).normalize(false).build().unwrap().0;
        let expected: Vec<u8> = whole(&x, 8).iter().map(|s| (s + 128.0) as u8).collect();
        assert_eq!(back.to_vec::<u8>().unwrap(), expected, "{format:?}");
    }
}

#[test]
fn flac_is_lossless() {
    for (bits, channels) in [(8, 1), (16, 1), (16, 2), (24, 2), (24, 5)] {
        for frames in [1, 3, 5, 17, 4095, 4096, 4097, 9000] {
            let x = signal(channels, frames, u64::from(bits) + frames as u64);
            let mut file = Vec::new();
            save_with(&mut file, &x, 44_100).format(Format::Flac).bits_per_sample(bits).build().unwrap();
            let (back, rate) = load_with(&file).normalize(false).build().unwrap();
            assert_eq!((back.shape(), rate), (&[channels, frames][..], 44_100), "{bits} bits");
            let scale = if bits == 24 { 256.0 } else { 1.0 };
            let zero = if bits == 8 { 128.0 } else { 0.0 };
            let back: Vec<f64> = back.to_dtype(DType::F64).unwrap().to_vec().unwrap();
            let back: Vec<f64> = back.iter().map(|s| (s - zero) / scale).collect();
            assert_eq!(back, whole(&x, bits), "{bits} bits, {channels} channels, {frames} frames");
        }
    }
    let none = save_with(&mut Vec::new(), &signal(1, 0, 1), 8000).format(Format::Flac).build();
    assert!(none.unwrap_err().message().contains("no frames"));
    // Two channels that are alike, and samples whose lowest bits are zero, take little room.
    let one = signal(1, 20_000, 9);
    let both = flambeau_tensor::cat(&[&one, &one], 0).unwrap();
    let size = |x: &Tensor, bits: u32| {
        let mut file = Vec::new();
        save_with(&mut file, x, 8000).format(Format::Flac).bits_per_sample(bits).build().unwrap();
        file.len()
    };
    assert!(size(&both, 16) < size(&one, 16) + 600);
    let coarse = one.mul(16384.0).unwrap().round().unwrap().div(32768.0).unwrap();
    assert!(size(&coarse, 24) < size(&coarse, 16) + 600);
}

#[test]
fn a_part_of_a_flac() {
    let x = signal(2, 30_000, 4);
    let mut file = Vec::new();
    save_with(&mut file, &x, 8000).format(Format::Flac).bits_per_sample(16).build().unwrap();
    let all = load(&file).unwrap().0;
    for (offset, frames) in [(0, 10), (1, 5000), (4095, 2), (12_345, 9000), (29_999, 7), (30_000, 3)] {
        let part = load_with(&file).frame_offset(offset).num_frames(frames).build().unwrap().0;
        let expected = all.narrow(1, offset as isize, frames.min(30_000 - offset)).unwrap();
        assert!(part.shape() == expected.shape() && part.equal(&expected).unwrap(), "{frames} from {offset}");
    }
    let error = load_with(&file).frame_offset(30_001).build().unwrap_err();
    assert_eq!(error.message(), "frame_offset 30001 is behind the end: the file has 30000 frames");
}

#[test]
fn broken_files_of_every_form_do_no_harm() {
    let x = signal(2, 300, 5);
    for format in [Format::Wav, Format::Aiff, Format::Au, Format::Flac] {
        let mut file = Vec::new();
        save_with(&mut file, &x, 8000).format(format).build().unwrap();
        for length in (0..file.len()).step_by(7) {
            let error = load(&file[..length]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Format, "{format:?} cut at {length}: {error}");
            load_with(&file[..length]).strict(false).build().ok();
        }
        for bit in 0..8 * file.len().min(400) {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            if let Ok((wave, _)) = load(&file) {
                assert!(wave.numel() <= 40 * file.len(), "{format:?}, bit {bit}: {:?}", wave.shape());
            }
        }
    }
}

/// A pipe has no length and no way back, and is read all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_by_its_path() {
    use std::os::fd::AsRawFd;
    let x = Tensor::from_vec((0..100_000).map(|i| (i % 200) as f32 / 256.0).collect(), [1, 100_000]).unwrap();
    let mut bytes = Vec::new();
    save(&mut bytes, &x, 8000).unwrap();
    let (pipe, mut into) = std::io::pipe().unwrap();
    // More than a pipe holds: the writer stays until somebody reads.
    assert!(bytes.len() > 1 << 17);
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut into, &sent));
    let (y, rate) = load(format!("/dev/fd/{}", pipe.as_raw_fd())).unwrap();
    writer.join().unwrap().unwrap();
    assert!(y.equal(&load(bytes).unwrap().0).unwrap() && rate == 8000);
}

#[test]
fn readers_and_forms_that_are_told() {
    let x = signal(1, 40, 6);
    let mut file = Vec::new();
    save(&mut file, &x, 8000).unwrap();
    let source = Source::reader(std::io::Cursor::new(file.clone()));
    assert_eq!(info(source.clone()).unwrap().num_frames, 40);
    assert!(load(source).unwrap().0.equal(&load(&file).unwrap().0).unwrap());
    let error = load_with(file).format(Format::Au).build().unwrap_err();
    assert_eq!(error.place(), "read bytes in memory");
    assert!(load_with(vec![1u8; 40]).build().unwrap_err().message().contains("not a sound file: it starts with"));
    let refused = |format| save_with(&mut Vec::new(), &x, 8000).format(format).build().unwrap_err();
    assert!(refused(Format::Mpeg).message().contains("not written"));
    assert!(refused(Format::Caf).message().contains("not written"));
    let folder = tempfile::tempdir().unwrap();
    assert!(save(folder.path().join("x.mp3"), &x, 8000).is_err());
    assert!(save(folder.path().join("x.txt"), &x, 8000).unwrap_err().message().contains("\"txt\""));
    save(folder.path().join("x.flac"), &x, 8000).unwrap();
    assert_eq!(info(folder.path().join("x.flac")).unwrap().bits_per_sample, 24);
    let nine = signal(9, 10, 1);
    assert!(save(folder.path().join("x.flac"), &nine, 8000).unwrap_err().message().contains("1 to 8 channels"));
}
