//! A published transducer: `torchaudio.pipelines.EMFORMER_RNNT_BASE_LIBRISPEECH` with its features and word pieces.

use super::separation::loaded;
use crate::models::decoder::RNNTBeamSearch;
use crate::models::{RNNT, RNNTBuilder, emformer_rnnt_base};
use crate::transforms::MelSpectrogram;
use flambeau_nn::Call;
use flambeau_tensor::{Error, Result, StateDict, Tensor, bail, ensure};
use std::f64::consts::E;
use std::path::Path;

/// A transducer with what goes before and behind it, as `torchaudio.pipelines.RNNTBundle`: features, beam search and word
/// pieces, of whole recordings and of streams. Weights, the mean and spread of features (JSON) and the word pieces
/// (SentencePiece) come from local files.
#[derive(Clone, Copy, Debug)]
pub struct RNNTBundle(());

/// `torchaudio.pipelines.EMFORMER_RNNT_BASE_LIBRISPEECH`.
pub const EMFORMER_RNNT_BASE_LIBRISPEECH: RNNTBundle = RNNTBundle(());

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $T:ty = $value:expr;)+) => {
        $($(#[$doc])* pub fn $name(&self) -> $T { $value })+
    };
}

impl RNNTBundle {
    numbers! {
        /// torchaudio's name of it.
        name: &'static str = "EMFORMER_RNNT_BASE_LIBRISPEECH";
        /// Of the signals that it hears, in Hertz.
        sample_rate: u32 = 16_000;
        /// Samples of a frame.
        n_fft: usize = 400;
        /// Features of a frame.
        n_mels: usize = 80;
        /// Samples from one frame to the next.
        hop_length: usize = 160;
        /// Frames of a segment.
        segment_length: usize = 16;
        /// Frames behind a segment that it looks at.
        right_context_length: usize = 4;
        /// The number of the blank.
        blank: usize = 4096;
        /// Frames of zeros behind a whole recording.
        right_padding: usize = 4;
    }

    /// The options of its network.
    pub fn options(&self) -> RNNTBuilder {
        emformer_rnnt_base(self.blank() + 1)
    }

    /// The beam search with weights from a local file.
    ///
    /// # Errors
    /// Where the file cannot be read or has other weights.
    #[track_caller]
    pub fn decoder(&self, path: impl AsRef<Path>) -> Result<RNNTBeamSearch> {
        self.decoder_from(&flambeau_serialize::load(path)?)
    }

    /// The same with weights that are in memory.
    ///
    /// # Errors
    /// Where they are other weights.
    #[track_caller]
    pub fn decoder_from(&self, state: &StateDict) -> Result<RNNTBeamSearch> {
        let model: RNNT = loaded(|| self.options().build(), state)?;
        RNNTBeamSearch::new(model, self.blank()).build()
    }

    /// The features of whole recordings, with mean and spread from a local file of JSON, `{"mean": […], "invstddev": […]}`.
    ///
    /// # Errors
    /// Where the file cannot be read or has not so many numbers.
    #[track_caller]
    pub fn feature_extractor(&self, stats: impl AsRef<Path>) -> Result<RNNTFeatures> {
        self.features(&read(stats.as_ref())?, self.right_padding())
    }

    /// The features of segments of a stream.
    ///
    /// # Errors
    /// As [`feature_extractor`](RNNTBundle::feature_extractor).
    #[track_caller]
    pub fn streaming_feature_extractor(&self, stats: impl AsRef<Path>) -> Result<RNNTFeatures> {
        self.features(&read(stats.as_ref())?, 0)
    }

    #[track_caller]
    fn features(&self, stats: &[u8], right_padding: usize) -> Result<RNNTFeatures> {
        let text = String::from_utf8_lossy(stats);
        let bands = self.n_mels();
        let numbers = |name| Tensor::from_vec(numbers_of(&text, name, bands)?, bands);
        let mel =
            MelSpectrogram::new(self.sample_rate()).n_fft(self.n_fft()).n_mels(bands).hop_length(self.hop_length());
        Ok(RNNTFeatures { mel: mel.build()?, mean: numbers("mean")?, invstddev: numbers("invstddev")?, right_padding })
    }

    /// The word pieces, from a local file of SentencePiece.
    ///
    /// # Errors
    /// Where the file cannot be read or is none of SentencePiece.
    #[track_caller]
    pub fn token_processor(&self, path: impl AsRef<Path>) -> Result<SentencePieces> {
        SentencePieces::from_bytes(&read(path.as_ref())?)
    }
}

#[track_caller]
fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// So many numbers called `name` in JSON.
#[track_caller]
fn numbers_of(json: &str, name: &str, wanted: usize) -> Result<Vec<f32>> {
    let op = "feature_extractor";
    let list = json.split_once(&format!("\"{name}\"")).and_then(|(_, rest)| rest.split_once('['));
    let Some((list, _)) = list.and_then(|(_, rest)| rest.split_once(']')) else {
        bail!(Format, op, "there is no list called {name:?}")
    };
    let numbers: std::result::Result<Vec<f32>, _> = list.split(',').map(|number| number.trim().parse()).collect();
    let Ok(numbers) = numbers else { bail!(Format, op, "{name:?} is not of numbers") };
    ensure!(numbers.len() == wanted, Format, op, "{name:?} has {} numbers, not {wanted}", numbers.len());
    Ok(numbers)
}

/// Features of a signal: the logarithm of mel bands, linear below e, brought to a mean of 0 and a spread of 1.
#[derive(Debug)]
pub struct RNNTFeatures {
    mel: MelSpectrogram,
    mean: Tensor,
    invstddev: Tensor,
    right_padding: usize,
}

impl RNNTFeatures {
    /// Features `[frames, n_mels]` of a signal `[samples]`, and how many frames, `[1]`.
    ///
    /// # Errors
    /// Where the signal has another shape, or is shorter than half a frame.
    #[track_caller]
    pub fn call(&self, waveform: &Tensor) -> Result<(Tensor, Tensor)> {
        ensure!(waveform.rank() == 1, Shape, "RNNTFeatures", "the signal is [samples], this is {:?}", waveform.shape());
        // As loud as whole numbers of 16 bits.
        let gain = f64::from(i16::MAX).powi(2);
        let power = self.mel.call(waveform)?.transpose(1, 0)?.mul(gain)?;
        let level = power.log()?.where_cond(&power.gt(E)?, &power.div(E)?)?;
        let features = level.sub(&self.mean)?.mul(&self.invstddev)?;
        let features = features.pad(&[0, 0, 0, self.right_padding as isize], 0.0)?;
        let length = Tensor::from_vec(vec![features.shape()[0] as i64], 1)?;
        Ok((features, length))
    }
}

/// Pieces of words, as a SentencePiece model has them.
#[derive(Clone, Debug)]
pub struct SentencePieces {
    pieces: Vec<String>,
    left_out: Vec<bool>,
}

/// A number of a varying number of bytes of a protocol buffer.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A field of a protocol buffer: its number, and its bytes or its number.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8], u64)> {
    let tag = varint(bytes)?;
    let (length, number) = match tag & 7 {
        0 => (0, varint(bytes)?),
        1 => (8, 0),
        2 => (usize::try_from(varint(bytes)?).ok()?, 0),
        5 => (4, 0),
        _ => return None,
    };
    let part = bytes.get(..length)?;
    *bytes = &bytes[length..];
    Some((tag >> 3, part, number))
}

impl SentencePieces {
    /// Of the bytes of a file.
    ///
    /// # Errors
    /// Where they are no SentencePiece model.
    #[track_caller]
    pub fn from_bytes(mut bytes: &[u8]) -> Result<SentencePieces> {
        let length = bytes.len();
        let (mut pieces, mut left_out) = (Vec::new(), Vec::new());
        while !bytes.is_empty() {
            let at = length - bytes.len();
            let Some((number, part, _)) = field(&mut bytes) else {
                bail!(Format, "SentencePieces", "byte {at}: no field of a SentencePiece model")
            };
            if number == 1 {
                let Some((piece, unused)) = piece(part) else {
                    bail!(Format, "SentencePieces", "byte {at}: the piece {} is damaged", pieces.len())
                };
                pieces.push(piece);
                left_out.push(unused);
            }
        }
        ensure!(!pieces.is_empty(), Format, "SentencePieces", "the file has no pieces");
        Ok(SentencePieces { pieces, left_out })
    }

    /// The pieces, by their numbers.
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// The text of a hypothesis, without its first token (the blank), and without what is not known, fills up or ends.
    /// Spaces before it are cut off where `lstrip`.
    ///
    /// # Errors
    /// Where there is no piece of a number.
    #[track_caller]
    pub fn decode(&self, tokens: &[i64], lstrip: bool) -> Result<String> {
        let mut text = String::new();
        for token in tokens.iter().skip(1) {
            let index = usize::try_from(*token).ok().filter(|index| *index < self.pieces.len());
            let Some(index) = index else {
                bail!(Argument, "SentencePieces", "there is no piece {token}, there are {}", self.pieces.len())
            };
            if !self.left_out[index] {
                text.push_str(&self.pieces[index].replace('\u{2581}', " "));
            }
        }
        Ok(if lstrip { text.trim_start().to_owned() } else { text })
    }
}

/// What a piece is, and whether it is left out of texts.
fn piece(mut bytes: &[u8]) -> Option<(String, bool)> {
    let (mut text, mut kind) = (String::new(), 1);
    while !bytes.is_empty() {
        match field(&mut bytes)? {
            (1, part, _) => text = String::from_utf8(part.to_vec()).ok()?,
            (3, _, number) => kind = number,
            _ => {}
        }
    }
    // 2 is what is not known, 3 controls.
    let unused = kind == 2 || (kind == 3 && matches!(text.as_str(), "</s>" | "<pad>"));
    Some((text, unused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_a_text() -> Result<()> {
        let mut file = Vec::new();
        for (text, kind) in [("<unk>", 2u8), ("<s>", 3), ("</s>", 3), ("\u{2581}the", 1), ("re", 1)] {
            let mut piece = vec![0x0a, text.len() as u8];
            piece.extend(text.bytes());
            piece.extend([0x15, 0, 0, 128, 191, 0x18, kind]);
            file.extend([0x0a, piece.len() as u8]);
            file.extend(piece);
        }
        file.extend([0x12, 2, 8, 1]);
        let pieces = SentencePieces::from_bytes(&file)?;
        assert_eq!(pieces.decode(&[9, 3, 4, 0, 2, 3], true)?, "there the");
        assert_eq!(pieces.decode(&[9, 3], false)?, " the");
        assert!(pieces.decode(&[9, 5], true).is_err());
        assert!(
            SentencePieces::from_bytes(&file[..file.len() - 1]).is_err() && SentencePieces::from_bytes(&[]).is_err()
        );
        Ok(())
    }

    #[test]
    fn features_are_normalised_logarithms() -> Result<()> {
        let stats = format!("{{\"mean\": [{}1], \"invstddev\": [{}0.5]}}", "1, ".repeat(79), "0.5, ".repeat(79));
        let whole = EMFORMER_RNNT_BASE_LIBRISPEECH.features(stats.as_bytes(), 4)?;
        let (features, length) = whole.call(&Tensor::zeros([1600]).build()?)?;
        assert_eq!((features.shape(), length.to_vec::<i64>()?), (&[15, 80][..], vec![15]));
        // Silence is 0 on the linear part; what is padded is 0.
        let found = features.to_vec::<f32>()?;
        assert!(found[..11 * 80].iter().all(|x| *x == -0.5) && found[11 * 80..].iter().all(|x| *x == 0.0));
        assert!(EMFORMER_RNNT_BASE_LIBRISPEECH.features(b"{\"mean\": [1]}", 0).is_err());
        Ok(())
    }
}
