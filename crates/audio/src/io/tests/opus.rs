//! Opus in Ogg, put together here from packets of an encoder: what is left out, made louder, cut and chained.

use crate::io::{Encoding, StreamReader, info, load, load_with};
use flambeau_tensor::{ErrorKind, Tensor, cat};
use rusty_opus::{Application, OpusDecoder, OpusEncoder};

/// Frames of a packet: 20 ms.
const FRAME: usize = 960;

/// Packets of a sum of tones, and all frames that they decode to, the channels of each beside one another.
fn packets(channels: usize, count: usize) -> (Vec<Vec<u8>>, Vec<f32>) {
    let mut encoder = OpusEncoder::new(48_000, channels, Application::Audio).unwrap();
    encoder.bitrate_bps = 64_000;
    let mut decoder = OpusDecoder::new(48_000, channels).unwrap();
    let (mut packets, mut frames) = (Vec::new(), Vec::new());
    for i in 0..count {
        let wave: Vec<f32> = (i * FRAME..(i + 1) * FRAME)
            .flat_map(|t| (0..channels).map(move |c| 0.4 * (t as f32 * (0.03 + 0.02 * c as f32)).sin()))
            .collect();
        let mut packet = vec![0; 1500];
        let size = encoder.encode(&wave, FRAME, &mut packet).unwrap();
        packet.truncate(size);
        let mut decoded = vec![0.0; FRAME * channels];
        assert_eq!(decoder.decode(&packet, FRAME, &mut decoded).unwrap(), FRAME);
        frames.extend(decoded);
        packets.push(packet);
    }
    (packets, frames)
}

/// One page of an Ogg.
fn page(kind: u8, granule: u64, serial: u32, number: u32, packets: &[&[u8]]) -> Vec<u8> {
    let lacing: Vec<u8> =
        packets.iter().flat_map(|p| std::iter::repeat_n(255, p.len() / 255).chain([(p.len() % 255) as u8])).collect();
    let mut page = [b"OggS\0".as_slice(), &[kind], &granule.to_le_bytes(), &serial.to_le_bytes()].concat();
    page.extend([number.to_le_bytes(), [0; 4]].concat());
    page.push(lacing.len() as u8);
    page.extend(lacing);
    page.extend(packets.concat());
    let step = |crc: u32, _| crc << 1 ^ if crc >> 31 == 0 { 0 } else { 0x04c1_1db7 };
    let crc = page.iter().fold(0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte) << 24, step));
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// A stream of ten packets a page, of which `skip` frames are left out at the start and all behind `frames`.
fn ogg(packets: &[Vec<u8>], channels: u8, serial: u32, skip: u16, frames: usize, gain: i16) -> Vec<u8> {
    let mut head = [b"OpusHead\x01".as_slice(), &[channels], &skip.to_le_bytes()].concat();
    head.extend(48_000u32.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(0);
    let tags = b"OpusTags\0\0\0\0\0\0\0\0".as_slice();
    let mut file = [page(2, 0, serial, 0, &[&head]), page(0, 0, serial, 1, &[tags])].concat();
    let pages = packets.len().div_ceil(10);
    for (i, some) in packets.chunks(10).enumerate() {
        let last = i + 1 == pages;
        let end = if last { usize::from(skip) + frames } else { (i + 1) * 10 * FRAME };
        let some: Vec<&[u8]> = some.iter().map(Vec::as_slice).collect();
        file.extend(page(if last { 4 } else { 0 }, end as u64, serial, i as u32 + 2, &some));
    }
    file
}

/// Frames as `[channels, frames]`, some of them.
fn expected(all: &[f32], channels: usize, skip: usize, frames: usize, gain: f32) -> Tensor {
    let heard: Vec<f32> = all[skip * channels..(skip + frames) * channels].iter().map(|x| x * gain).collect();
    Tensor::from_vec(heard, [frames, channels]).unwrap().transpose(0, 1).unwrap()
}

fn same(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.shape() == theirs.shape() && ours.equal(theirs).unwrap()
}

#[test]
fn what_is_left_out_and_made_louder() {
    for (channels, count) in [(1, 25), (2, 25), (1, 7)] {
        let (packets, all) = packets(channels, count);
        let frames = count * FRAME - 312 - 500;
        // 6 dB are 1536 of 256ths.
        for (gain, factor) in [(0, 1.0), (1536, 10f64.powf(0.3) as f32)] {
            let file = ogg(&packets, channels as u8, 5, 312, frames, gain);
            let meta = info(&file).unwrap();
            let told = (meta.encoding, meta.num_channels, meta.num_frames, meta.sample_rate);
            assert_eq!(told, (Encoding::Opus, channels, frames, 48_000));
            let (wave, rate) = load(&file).unwrap();
            assert_eq!(rate, 48_000);
            let expected = expected(&all, channels, 312, frames, factor);
            assert!(same(&wave, &expected), "{channels} channels, gain {gain}");
            let part = load_with(&file).frame_offset(3000).num_frames(1000).build().unwrap().0;
            assert!(same(&part, &expected.narrow(1, 3000, 1000).unwrap()));
            let chunks: Vec<Tensor> = StreamReader::new(&file, 777).build().unwrap().map(Result::unwrap).collect();
            assert!(same(&cat(&chunks, 1).unwrap(), &expected));
        }
    }
}

#[test]
fn streams_one_behind_the_other() {
    let ((one, first), (other, second)) = (packets(1, 22), packets(1, 15));
    let (n, m) = (22 * FRAME - 312 - 100, 15 * FRAME - 1000);
    let file = [ogg(&one, 1, 7, 312, n, 0), ogg(&other, 1, 8, 1000, m, 0)].concat();
    let whole = cat(&[&expected(&first, 1, 312, n, 1.0), &expected(&second, 1, 1000, m, 1.0)], 1).unwrap();
    assert!(same(&load(&file).unwrap().0, &whole));
    assert_eq!(info(&file).unwrap().num_frames, n + m);
    let mut reader = StreamReader::new(&file, 3000).build().unwrap();
    for frame in [n + 10, n - 10, 0, n + m - 5] {
        reader.seek(frame).unwrap();
        let expected = whole.narrow(1, frame as isize, 3000.min(n + m - frame)).unwrap();
        assert!(same(&reader.next().unwrap().unwrap(), &expected), "frame {frame}");
    }
    assert!(reader.seek(n + m + 1).unwrap_err().message().contains(&format!("the file has {} frames", n + m)));
    // Of other channels it is another sound.
    let other = ogg(&packets(2, 3).0, 2, 9, 312, 1000, 0);
    let error = load([ogg(&one, 1, 7, 312, n, 0), other].concat()).unwrap_err();
    assert!(error.message().contains("another rate, channels or coding"), "{error}");
}

#[test]
fn broken_streams_of_opus() {
    let (packets, _) = packets(2, 12);
    let file = ogg(&packets, 2, 1, 312, 10_000, 0);
    let with = |at: usize, bytes: &[u8]| {
        let mut head = [b"OpusHead\x01".as_slice(), &[2, 56, 1], &48_000u32.to_le_bytes(), &[0, 0, 0]].concat();
        head[at..at + bytes.len()].copy_from_slice(bytes);
        let (page, rest) = (page(2, 0, 1, 0, &[&head]), &file[28 + 19..]);
        load([&page[..], rest].concat())
    };
    assert!(with(0, b"Opus").is_ok());
    for (at, bytes) in [(9, [0].as_slice()), (9, &[3]), (18, &[1]), (18, &[255]), (8, &[0xf0])] {
        let error = with(at, bytes).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::Unsupported), "{at}: {error}");
    }
    let samples = load(&file).unwrap().0.numel();
    for i in 0..200 {
        let mut file = file.clone();
        let at = i * file.len() / 200;
        file[at] ^= 1 << (i % 8);
        if let Ok((wave, _)) = load_with(file).strict(false).build() {
            assert!(wave.numel() <= samples + 4 * 5760, "byte {at}");
        }
    }
    for mut packet in packets {
        packet[1] = 0xff;
        load_with(ogg(&[packet], 2, 1, 0, FRAME, 0)).build().ok();
    }
}
