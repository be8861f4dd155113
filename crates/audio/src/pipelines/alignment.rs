//! A published network that tells when each letter was said: `torchaudio.pipelines.MMS_FA` with its tokenizer and aligner.

use super::{BundleModel, Wav2Vec2Bundle};
use crate::functional::{TokenSpan, forced_align, merge_tokens};
use crate::models::Wav2Vec2ModelBuilder;
use flambeau_tensor::{Result, StateDict, Tensor, bail, ensure};
use std::collections::HashMap;
use std::path::Path;

/// A network for forced alignment, as `torchaudio.pipelines.Wav2Vec2FABundle`. What it gives are logarithms of probabilities,
/// and, unless that is turned off, behind them a star that matches anything.
///
/// ```
/// use flambeau_audio::pipelines::MMS_FA;
/// use flambeau_tensor::Tensor;
///
/// let tokens = MMS_FA.tokenizer().tokenize(&["two", "words"])?;
/// assert_eq!(tokens[0], [7, 19, 5]);
/// // let (emission, _) = MMS_FA.model("model.pt")?.call((&waveform, None))?;
/// let emission = Tensor::randn([1, 40, 29]).build()?.log_softmax(-1)?;
/// let spans = MMS_FA.aligner().align(&emission.select(0, 0)?, &tokens)?;
/// assert_eq!((spans.len(), spans[1].len()), (2, 5));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Wav2Vec2FABundle {
    pub(super) inner: Wav2Vec2Bundle,
}

impl Wav2Vec2FABundle {
    /// torchaudio's name of it.
    pub fn name(&self) -> &'static str {
        self.inner.name()
    }

    /// Of the signals that it hears, in Hertz.
    pub fn sample_rate(&self) -> u32 {
        self.inner.sample_rate()
    }

    /// Are signals brought to a mean of 0 and a variance of 1 first?
    pub fn normalizes_waveform(&self) -> bool {
        self.inner.normalizes_waveform()
    }

    /// The options of its network.
    pub fn options(&self) -> Wav2Vec2ModelBuilder {
        self.inner.options()
    }

    /// What its last layer tells apart, the blank `-` first, and the star `*` last where `star`.
    pub fn labels(&self, star: bool) -> Vec<char> {
        let mut labels = self.inner.labels();
        labels.extend(star.then_some('*'));
        labels
    }

    /// The number of each label.
    pub fn dict(&self, star: bool) -> HashMap<char, i64> {
        self.labels(star).into_iter().zip(0..).collect()
    }

    /// From words to numbers of letters.
    pub fn tokenizer(&self) -> Tokenizer {
        Tokenizer { dictionary: self.dict(true) }
    }

    /// From what the network gives and numbers of letters to times.
    pub fn aligner(&self) -> Aligner {
        Aligner { blank: 0 }
    }

    /// The network with weights from a local file, for evaluation, with the star.
    ///
    /// # Errors
    /// As [`Wav2Vec2Bundle::model`].
    #[track_caller]
    pub fn model(&self, path: impl AsRef<Path>) -> Result<BundleModel> {
        self.model_from(&flambeau_serialize::load(path)?, true)
    }

    /// The same with weights that are in memory, with the star or without.
    ///
    /// # Errors
    /// Where they are other weights.
    #[track_caller]
    pub fn model_from(&self, state: &StateDict, with_star: bool) -> Result<BundleModel> {
        let model = self.inner.model_from(state)?;
        Ok(BundleModel { log_softmax: true, append_star: with_star, ..model })
    }
}

/// Numbers of letters, as `torchaudio.pipelines.Wav2Vec2FABundle.Tokenizer`.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    dictionary: HashMap<char, i64>,
}

impl Tokenizer {
    /// One with numbers of one's own.
    pub fn new(dictionary: HashMap<char, i64>) -> Tokenizer {
        Tokenizer { dictionary }
    }

    /// The numbers of each word's letters; the words are normalised already.
    ///
    /// # Errors
    /// Where there is no number of a letter.
    #[track_caller]
    pub fn tokenize(&self, transcript: &[impl AsRef<str>]) -> Result<Vec<Vec<i64>>> {
        let letter = |word: &str, c: char| match self.dictionary.get(&c) {
            Some(number) => Ok(*number),
            None => bail!(Argument, "Tokenizer", "there is no number of {c:?} in {word:?}"),
        };
        let word = |word: &str| word.chars().map(|c| letter(word, c)).collect();
        transcript.iter().map(|one| word(one.as_ref())).collect()
    }
}

/// When each token was said, as `torchaudio.pipelines.Wav2Vec2FABundle.Aligner`.
#[derive(Clone, Copy, Debug)]
pub struct Aligner {
    blank: usize,
}

impl Aligner {
    /// One for a blank of this number.
    pub fn new(blank: usize) -> Aligner {
        Aligner { blank }
    }

    /// The frames of each token of each word, with probabilities, of logarithms of probabilities `[frames, labels]`.
    ///
    /// # Errors
    /// As [`forced_align`]; where there are no tokens, or one is the blank.
    #[track_caller]
    pub fn align(&self, emission: &Tensor, tokens: &[Vec<i64>]) -> Result<Vec<Vec<TokenSpan>>> {
        ensure!(
            emission.rank() == 2,
            Shape,
            "Aligner",
            "the emission is [frames, labels], this is {:?}",
            emission.shape()
        );
        let flat: Vec<i64> = tokens.iter().flatten().copied().collect();
        let count = flat.len();
        let targets = Tensor::from_vec(flat, [1, count])?.to_device(emission.device())?;
        let (path, scores) = forced_align(&emission.unsqueeze(0)?, &targets, self.blank)?;
        let spans = merge_tokens(&path.select(0, 0)?, &scores.select(0, 0)?.exp()?, self.blank as i64)?;
        ensure!(spans.len() == count, Argument, "Aligner", "{count} tokens gave {} spans", spans.len());
        let mut spans = spans.into_iter();
        Ok(tokens.iter().map(|word| spans.by_ref().take(word.len()).collect()).collect())
    }
}
