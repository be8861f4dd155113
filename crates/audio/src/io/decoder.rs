//! The decoder of a stream of packets: symphonia's, or Opus's.

use super::Encoding;
use super::fault::Fault;
#[cfg(not(feature = "opus"))]
use super::fault::fault;
#[cfg(feature = "opus")]
use super::opus::Opus;
use symphonia::core::audio::conv::ConvertibleSample;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Result;
use symphonia::core::packet::Packet;

pub(super) enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    #[cfg(feature = "opus")]
    Opus(Box<Opus>),
}

impl Decoder {
    pub fn new(parameters: &AudioCodecParameters, encoding: Encoding) -> std::result::Result<Self, Fault> {
        if encoding == Encoding::Opus {
            #[cfg(feature = "opus")]
            return Opus::new(parameters).map(|opus| Decoder::Opus(Box::new(opus)));
            #[cfg(not(feature = "opus"))]
            fault!(
                Unsupported,
                "samples of {encoding} are decoded with the feature `opus` of this crate only, which is off; its length, \
                 rate and channels can be asked for"
            );
        }
        let options = AudioDecoderOptions::default();
        Ok(Decoder::Symphonia(symphonia::default::get_codecs().make_audio_decoder(parameters, &options)?))
    }

    /// The frames of a packet to `planes`, one a channel; how many they are.
    pub fn decode<S: ConvertibleSample>(&mut self, packet: &Packet, planes: &mut Vec<Vec<S>>) -> Result<usize> {
        match self {
            Decoder::Symphonia(decoder) => {
                let buffer = decoder.decode(packet)?;
                buffer.copy_to_vecs_planar(planes);
                Ok(buffer.frames())
            }
            #[cfg(feature = "opus")]
            Decoder::Opus(opus) => opus.decode(packet, planes),
        }
    }
}
