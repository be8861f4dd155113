//! Published networks that speak: text to symbols, symbols to a spectrogram, a spectrogram to a signal.

use super::separation::loaded;
use crate::functional::{MelNorm, MelScaleKind, mu_law_decoding};
use crate::models::{Tacotron2, Tacotron2Builder, WaveRNN, WaveRNNBuilder};
use crate::transforms::{GriffinLim, InverseMelScale};
use flambeau_nn::Call;
use flambeau_tensor::{DType, Result, StateDict, Tensor, bail, ensure, no_grad};
use std::collections::HashMap;
use std::path::Path;

const CHARACTERS: &str = "_-!'(),.:;? abcdefghijklmnopqrstuvwxyz";

/// The sounds of the CMU dictionary, vowels with their stresses, behind the twelve signs.
const SOUNDS: &str = "AA AA0 AA1 AA2 AE AE0 AE1 AE2 AH AH0 AH1 AH2 AO AO0 AO1 AO2 AW AW0 AW1 AW2 AY AY0 AY1 AY2 B CH D DH \
EH EH0 EH1 EH2 ER ER0 ER1 ER2 EY EY0 EY1 EY2 F G HH IH IH0 IH1 IH2 IY IY0 IY1 IY2 JH K L M N NG OW OW0 OW1 OW2 OY OY0 OY1 OY2 \
P R S SH T TH UH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH";

/// A network that speaks with what turns its spectrograms into signals, as `torchaudio.pipelines.Tacotron2TTSBundle`.
///
/// ```
/// use flambeau_audio::pipelines::TACOTRON2_GRIFFINLIM_CHAR_LJSPEECH;
///
/// let bundle = TACOTRON2_GRIFFINLIM_CHAR_LJSPEECH;
/// let (tokens, lengths) = bundle.text_processor().encode(&["Hello, world!", "Hi."])?;
/// assert_eq!((tokens.shape(), lengths.to_vec::<i32>()?), (&[2, 13][..], vec![13, 3]));
/// // let (spectrogram, lengths, _) = bundle.tacotron2("tacotron2.pth")?.infer(&tokens, Some(&lengths))?;
/// // let (waveforms, lengths) = bundle.griffin_lim()?.call(&spectrogram, Some(&lengths))?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tacotron2TTSBundle {
    name: &'static str,
    sounds: bool,
    wavernn: bool,
}

macro_rules! bundles {
    ($($NAME:ident: $sounds:literal, $wavernn:literal;)+) => {
        $(
            #[doc = concat!("`torchaudio.pipelines.", stringify!($NAME), "`.")]
            pub const $NAME: Tacotron2TTSBundle =
                Tacotron2TTSBundle { name: stringify!($NAME), sounds: $sounds, wavernn: $wavernn };
        )+

        /// All that speak.
        pub const SPEAKING: &[Tacotron2TTSBundle] = &[$($NAME),+];
    };
}

bundles! {
    TACOTRON2_GRIFFINLIM_CHAR_LJSPEECH: false, false;
    TACOTRON2_GRIFFINLIM_PHONE_LJSPEECH: true, false;
    TACOTRON2_WAVERNN_CHAR_LJSPEECH: false, true;
    TACOTRON2_WAVERNN_PHONE_LJSPEECH: true, true;
}

impl Tacotron2TTSBundle {
    /// torchaudio's name of it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Of the signals, in Hertz.
    pub fn sample_rate(&self) -> u32 {
        22_050
    }

    /// What makes symbols of a text.
    pub fn text_processor(&self) -> TextProcessor {
        let signs = CHARACTERS.chars().map(String::from);
        let tokens: Vec<String> = match self.sounds {
            true => signs.take(12).chain(SOUNDS.split_whitespace().map(str::to_owned)).collect(),
            false => signs.collect(),
        };
        let numbers = tokens.iter().cloned().zip(0..).collect();
        TextProcessor { tokens, numbers, sounds: self.sounds }
    }

    /// The options of the network from symbols to spectrograms.
    pub fn tacotron2_options(&self) -> Tacotron2Builder {
        Tacotron2::new().n_symbol(if self.sounds { 96 } else { 38 })
    }

    /// The options of the network from spectrograms to signals, where the bundle has one.
    pub fn wavernn_options(&self) -> Option<WaveRNNBuilder> {
        self.wavernn.then(|| WaveRNN::new([5, 5, 11], 256, 275).n_freq(80))
    }

    /// The network from symbols to spectrograms with weights from a local file, for evaluation.
    ///
    /// # Errors
    /// Where the file cannot be read or has other weights.
    #[track_caller]
    pub fn tacotron2(&self, path: impl AsRef<Path>) -> Result<Tacotron2> {
        self.tacotron2_from(&flambeau_serialize::load(path)?)
    }

    /// The same with weights that are in memory.
    ///
    /// # Errors
    /// Where they are other weights.
    #[track_caller]
    pub fn tacotron2_from(&self, state: &StateDict) -> Result<Tacotron2> {
        loaded(|| self.tacotron2_options().build(), state)
    }

    /// What makes signals of spectrograms, with weights from a local file, for the bundles that have a WaveRNN.
    ///
    /// # Errors
    /// Where the bundle has none, the file cannot be read or has other weights.
    #[track_caller]
    pub fn wavernn(&self, path: impl AsRef<Path>) -> Result<Vocoder> {
        self.wavernn_from(&flambeau_serialize::load(path)?)
    }

    /// The same with weights that are in memory.
    ///
    /// # Errors
    /// Where the bundle has none or they are other weights.
    #[track_caller]
    pub fn wavernn_from(&self, state: &StateDict) -> Result<Vocoder> {
        match self.wavernn_options() {
            Some(options) => Ok(Vocoder(Kind::WaveRNN(Box::new(loaded(|| options.build(), state)?)))),
            None => bail!(Argument, self.name, "its spectrograms become signals by griffin_lim()"),
        }
    }

    /// What makes signals of spectrograms without weights, for the bundles that have no WaveRNN.
    ///
    /// # Errors
    /// Where the bundle has one.
    #[track_caller]
    pub fn griffin_lim(&self) -> Result<Vocoder> {
        ensure!(!self.wavernn, Argument, self.name, "its spectrograms become signals by wavernn(path)");
        let scale = InverseMelScale::new(22_050, 513).n_mels(80).f_max(8000.0);
        let scale = scale.mel_scale(MelScaleKind::Slaney).norm(MelNorm::Slaney).build()?;
        let phases = GriffinLim::new().n_fft(1024).power(1.0).hop_length(256).win_length(1024).build()?;
        Ok(Vocoder(Kind::GriffinLim(Box::new((scale, phases)))))
    }
}

/// Symbols of texts, as `torchaudio.pipelines.Tacotron2TTSBundle.TextProcessor`.
#[derive(Clone, Debug)]
pub struct TextProcessor {
    tokens: Vec<String>,
    numbers: HashMap<String, i64>,
    sounds: bool,
}

impl TextProcessor {
    /// The symbols, by their numbers.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Numbers of symbols `[texts, symbols]` in i64, 0 behind the shorter, and how many each has, `[texts]` in i32.
    ///
    /// Of the bundles of characters a text is any; what is no symbol is left out. Of the bundles of sounds it is written in
    /// them, as `"[F][UW][B][AA][R]!"`: torchaudio leaves that to the package DeepPhonemizer, and the CMU dictionary
    /// ([`CmuDict`](crate::datasets::CmuDict)) tells the sounds of words, too.
    ///
    /// # Errors
    /// Where there is no text, or a sound is not known.
    #[track_caller]
    pub fn encode(&self, texts: &[impl AsRef<str>]) -> Result<(Tensor, Tensor)> {
        ensure!(!texts.is_empty(), Argument, "TextProcessor", "there is no text");
        let rows = texts.iter().map(|text| self.numbers_of(text.as_ref())).collect::<Result<Vec<_>>>()?;
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let lengths: Vec<i32> = rows.iter().map(|row| row.len() as i32).collect();
        let padded: Vec<i64> =
            rows.iter().flat_map(|row| row.iter().copied().chain(vec![0; longest - row.len()])).collect();
        Ok((Tensor::from_vec(padded, [rows.len(), longest])?, Tensor::from_vec(lengths, [rows.len()])?))
    }

    #[track_caller]
    fn numbers_of(&self, text: &str) -> Result<Vec<i64>> {
        if !self.sounds {
            let lower = text.to_lowercase();
            return Ok(lower
                .chars()
                .filter_map(|c| self.numbers.get(c.encode_utf8(&mut [0; 4]) as &str))
                .copied()
                .collect());
        }
        let (mut numbers, mut rest) = (Vec::new(), text);
        while let Some(c) = rest.chars().next() {
            let name = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
                Some((sound, _)) => sound,
                None => &rest[..c.len_utf8()],
            };
            match self.numbers.get(name) {
                Some(number) => numbers.push(*number),
                None if rest.starts_with('[') => bail!(Argument, "TextProcessor", "there is no sound [{name}]"),
                None => {}
            }
            rest =
                &rest[if rest.starts_with('[') && rest.len() > name.len() + 1 { name.len() + 2 } else { name.len() }..];
        }
        Ok(numbers)
    }
}

enum Kind {
    GriffinLim(Box<(InverseMelScale, GriffinLim)>),
    WaveRNN(Box<WaveRNN>),
}

/// Signals of spectrograms, as `torchaudio.pipelines.Tacotron2TTSBundle.Vocoder`.
pub struct Vocoder(Kind);

impl Vocoder {
    /// Of the signals, in Hertz.
    pub fn sample_rate(&self) -> u32 {
        22_050
    }

    /// Signals `[batch, samples]` of the logarithms of mel spectrograms `[batch, n_mels, frames]`, and the lengths: of a
    /// WaveRNN in samples, else as they were given (in frames), as torchaudio does.
    ///
    /// # Errors
    /// Where the spectrograms have another shape.
    #[track_caller]
    pub fn call(&self, mel: &Tensor, lengths: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        no_grad(|| match &self.0 {
            Kind::GriffinLim(parts) => {
                let (scale, phases) = &**parts;
                Ok((phases.call(&scale.call(&mel.exp()?)?)?, lengths.cloned()))
            }
            Kind::WaveRNN(model) => {
                // From logarithms to decibels, and these from -100..0 to 0..1.
                let decibel = mel.exp()?.clamp_min(1e-5)?.log10()?.mul(20.0)?;
                let level = decibel.neg()?.sub(100.0)?.div(-100.0)?.clamp(0.0, 1.0)?;
                let (waveform, lengths) = model.infer(&level, lengths)?;
                let most = 2f64.powi(model.n_bits() as i32) - 1.0;
                let levels = waveform.clamp(-1.0, 1.0)?.add(1.0)?.mul(most)?.div(2.0)?.clamp(0.0, most)?;
                Ok((mu_law_decoding(&levels.to_dtype(DType::I32)?, model.n_classes())?.squeeze(1)?, lengths))
            }
        })
    }
}

impl std::fmt::Debug for Vocoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Kind::GriffinLim(_) => "Vocoder(GriffinLim)",
            Kind::WaveRNN(_) => "Vocoder(WaveRNN)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_become_their_numbers() -> Result<()> {
        let processor = TACOTRON2_WAVERNN_PHONE_LJSPEECH.text_processor();
        assert_eq!((processor.tokens().len(), processor.tokens()[95].as_str()), (96, "ZH"));
        let (tokens, lengths) = processor.encode(&["[F][UW]!", "[HH] _"])?;
        let of = |name: &str| processor.tokens().iter().position(|t| t == name).unwrap() as i64;
        assert_eq!(tokens.to_vec::<i64>()?, [of("F"), of("UW"), 2, of("HH"), 11, 0]);
        assert_eq!(lengths.to_vec::<i32>()?, [3, 3]);
        assert!(processor.encode(&["[XX]"]).is_err() && processor.encode(&[""; 0]).is_err());
        assert!(TACOTRON2_WAVERNN_PHONE_LJSPEECH.griffin_lim().is_err());
        Ok(())
    }

    #[test]
    fn spectrograms_become_signals() -> Result<()> {
        let vocoder = TACOTRON2_GRIFFINLIM_CHAR_LJSPEECH.griffin_lim()?;
        let (waveform, lengths) = vocoder.call(&Tensor::randn([1, 80, 6]).build()?, None)?;
        assert_eq!((waveform.shape(), lengths.is_none()), (&[1, 5 * 256][..], true));
        Ok(())
    }
}
