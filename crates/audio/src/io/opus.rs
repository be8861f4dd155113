//! Opus (RFC 6716) as an Ogg has it (RFC 7845): always at 48 kHz, one or two channels, or up to eight as several streams of
//! one or two in every packet.

use super::fault::{Fault, fault};
use rusty_opus::multistream::{ChannelLayout, OpusMSDecoder};
use rusty_opus::{Error, OpusDecoder};
use symphonia::core::audio::conv::ConvertibleSample;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::{Error as Symphonia, Result};
use symphonia::core::packet::Packet;

const RATE: i32 = 48_000;
/// The most frames of a packet: 120 ms.
const MOST: usize = 5760;

pub(super) struct Opus {
    streams: Streams,
    channels: usize,
    gain: f32,
    /// The frames of a packet, the channels of each beside one another.
    frames: Vec<f32>,
}

enum Streams {
    One(Box<OpusDecoder>),
    Several(OpusMSDecoder),
}

impl Opus {
    /// As the head of the stream says.
    pub fn new(parameters: &AudioCodecParameters) -> std::result::Result<Self, Fault> {
        let head = parameters.extra_data.as_deref().unwrap_or_default();
        let (Some(&channels), Some(gain), Some(&family)) = (head.get(9), head.get(16..18), head.get(18)) else {
            fault!(Format, "the head of a stream of Opus has 19 bytes, here are {}", head.len());
        };
        let told = |e: Error| Fault::Format(format!("the head of a stream of Opus tells of {channels} channels: {e}"));
        let streams = match (family, channels) {
            (0, 1 | 2) => Streams::One(Box::new(OpusDecoder::new(RATE, channels.into()).map_err(told)?)),
            (1, 1..=8) => {
                let usual = ChannelLayout::surround(channels.into(), 1).map_err(told)?;
                let mapping = [&[usual.nb_streams as u8, usual.nb_coupled_streams as u8], &usual.mapping[..]].concat();
                if head.get(19..19 + mapping.len()) != Some(&mapping[..]) {
                    fault!(Unsupported, "Opus of {channels} channels that are put together in an unusual way");
                }
                Streams::Several(OpusMSDecoder::new(RATE, channels.into(), 1).map_err(told)?)
            }
            _ => fault!(Unsupported, "Opus of {channels} channels in the mapping family {family}; read are 0 and 1"),
        };
        // In 256ths of a decibel.
        let gain = 10f64.powf(f64::from(i16::from_le_bytes([gain[0], gain[1]])) / (20.0 * 256.0)) as f32;
        let channels = usize::from(channels);
        Ok(Opus { streams, channels, gain, frames: vec![0.0; MOST * channels] })
    }

    /// The frames of a packet to `planes`, one a channel; how many they are.
    pub fn decode<S: ConvertibleSample>(&mut self, packet: &Packet, planes: &mut Vec<Vec<S>>) -> Result<usize> {
        let broken = |_| Symphonia::DecodeError("a packet of Opus is broken");
        if packet.data.is_empty() {
            return Err(Symphonia::DecodeError("a packet of Opus is empty"));
        }
        let count = match &mut self.streams {
            Streams::One(decoder) => decoder.decode(&packet.data, MOST, &mut self.frames),
            Streams::Several(decoder) => decoder.decode(&packet.data, MOST, &mut self.frames),
        };
        let count = count.map_err(broken)?.min(MOST);
        let whole = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(count);
        let end = count - whole(packet.trim_end.get());
        let start = whole(packet.trim_start.get()).min(end);
        let heard = &self.frames[start * self.channels..end * self.channels];
        planes.resize_with(self.channels, Vec::new);
        for (channel, plane) in planes.iter_mut().enumerate() {
            plane.clear();
            let samples = heard.iter().skip(channel).step_by(self.channels);
            plane.extend(samples.map(|s| S::from_sample(s * self.gain)));
        }
        Ok(end - start)
    }
}
