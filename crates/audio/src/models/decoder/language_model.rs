//! How likely words follow each other.

use flambeau_tensor::{Result, bail};
use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How likely words (or tokens, in a search without lexicon) follow each other, as `torchaudio.models.decoder.CTCDecoderLM`.
/// What was said so far is a state, a number of the model's own; two beginnings of one state are one to a search, which
/// goes on with the better.
pub trait LanguageModel: Send {
    /// The state before the first word.
    fn start(&mut self) -> usize;

    /// The state behind one more word, and the logarithm of how likely it was.
    fn score(&mut self, state: usize, word: usize) -> (usize, f64);

    /// The state behind the last word, and the logarithm of how likely it was the last.
    fn finish(&mut self, state: usize) -> (usize, f64);
}

/// A language model that builders hold.
#[derive(Clone)]
pub struct SharedModel(Arc<Mutex<dyn LanguageModel>>);

impl<M: LanguageModel + 'static> From<M> for SharedModel {
    fn from(model: M) -> Self {
        SharedModel(Arc::new(Mutex::new(model)))
    }
}

impl fmt::Debug for SharedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedModel")
    }
}

impl SharedModel {
    pub(super) fn lock(&self) -> MutexGuard<'_, dyn LanguageModel + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model that finds all words alike.
#[derive(Clone, Debug, Default)]
pub struct ZeroModel {
    states: HashMap<(usize, usize), usize>,
}

impl LanguageModel for ZeroModel {
    fn start(&mut self) -> usize {
        self.states.clear();
        0
    }

    fn score(&mut self, state: usize, word: usize) -> (usize, f64) {
        let next = self.states.len() + 1;
        (*self.states.entry((state, word)).or_insert(next), 0.0)
    }

    fn finish(&mut self, state: usize) -> (usize, f64) {
        (state, 0.0)
    }
}

/// How likely a word is behind others, and what a longer beginning costs that is not there; both as log10.
#[derive(Clone, Copy, Debug)]
struct Entry {
    probability: f64,
    backoff: f64,
}

/// An n-gram model of an ARPA file; its scores are logarithms to the base 10, as KenLM's.
#[derive(Clone, Debug)]
pub struct ArpaModel {
    grams: HashMap<Vec<u32>, Entry>,
    order: usize,
    /// The model's number of each of the search's words.
    words: Vec<u32>,
    states: Vec<Vec<u32>>,
    numbers: HashMap<Vec<u32>, usize>,
}

const UNKNOWN: u32 = 0;
const BEGIN: u32 = 1;
const END: u32 = 2;

impl ArpaModel {
    /// Reads an ARPA file; `words` are those that the search knows, in its order
    /// ([`CTCDecoder::words`](super::CTCDecoder::words), or the tokens without a lexicon). One that is not in the file is
    /// scored as `<unk>`.
    ///
    /// # Errors
    /// Where it cannot be read or is damaged: the error names the line.
    pub fn read<S: AsRef<str>>(reader: impl BufRead, words: impl IntoIterator<Item = S>) -> Result<ArpaModel> {
        let op = "ArpaModel";
        let mut vocabulary: HashMap<String, u32> =
            [("<unk>", UNKNOWN), ("<s>", BEGIN), ("</s>", END)].map(|(word, n)| (word.into(), n)).into();
        let (mut grams, mut order, mut here, mut ended) = (HashMap::new(), 0usize, 0usize, false);
        for (number, line) in reader.lines().enumerate() {
            let number = number + 1;
            let line = match line {
                Ok(line) => line,
                Err(why) => bail!(Io, op, "line {number} cannot be read: {why}"),
            };
            let line = line.trim();
            if line.is_empty() || line == "\\data\\" || line.starts_with("ngram ") {
                continue;
            }
            if line == "\\end\\" {
                ended = true;
                break;
            }
            if let Some(heading) = line.strip_prefix('\\').and_then(|l| l.strip_suffix("-grams:")) {
                match heading.parse::<usize>() {
                    Ok(n) if n == order + 1 => (here, order) = (n, n),
                    _ => bail!(Format, op, "line {number}: the part {line:?} does not follow {order}-grams"),
                }
                continue;
            }
            let fields: Vec<&str> = line.split_whitespace().collect();
            let probability = fields.first().and_then(|f| f.parse::<f64>().ok()).filter(|p| !p.is_nan());
            let backoff = match fields.len() {
                n if here > 0 && n == here + 1 => Some(0.0),
                n if here > 0 && n == here + 2 => fields[here + 1].parse::<f64>().ok().filter(|p| !p.is_nan()),
                _ => None,
            };
            let (Some(probability), Some(backoff)) = (probability, backoff) else {
                bail!(
                    Format,
                    op,
                    "line {number}: a {here}-gram is a number, {here} words and perhaps a number, not {line:?}"
                )
            };
            let gram = fields[1..=here].iter().map(|word| {
                let next = vocabulary.len() as u32;
                *vocabulary.entry((*word).to_owned()).or_insert(next)
            });
            grams.insert(gram.collect::<Vec<u32>>(), Entry { probability, backoff });
        }
        if !ended || order == 0 {
            bail!(Format, op, "the file has no {} line", if order == 0 { "\\1-grams:" } else { "\\end\\" });
        }
        let words = words.into_iter().map(|word| vocabulary.get(word.as_ref()).copied().unwrap_or(UNKNOWN)).collect();
        Ok(ArpaModel { grams, order, words, states: Vec::new(), numbers: HashMap::new() })
    }

    /// log10 of how likely `word` is behind `context`.
    fn likelihood(&self, context: &[u32], word: u32) -> f64 {
        let mut cost = 0.0;
        for from in 0..=context.len() {
            let gram: Vec<u32> = context[from..].iter().copied().chain([word]).collect();
            if let Some(entry) = self.grams.get(&gram) {
                return cost + entry.probability;
            }
            cost += self.grams.get(&context[from..]).map_or(0.0, |entry| entry.backoff);
        }
        // A model without <unk>, as KenLM scores it.
        cost - 100.0
    }

    /// The number of the state behind these words: as many of the last as the model knows together.
    fn state(&mut self, said: &[u32]) -> usize {
        let from = said.len().saturating_sub(self.order - 1);
        let known = (from..said.len()).find(|i| self.grams.contains_key(&said[*i..])).unwrap_or(said.len());
        let context = said[known..].to_vec();
        let next = self.states.len();
        let number = *self.numbers.entry(context.clone()).or_insert(next);
        if number == next {
            self.states.push(context);
        }
        number
    }

    fn behind(&mut self, state: usize, word: u32) -> (usize, f64) {
        let mut said = self.states.get(state).cloned().unwrap_or_default();
        let score = self.likelihood(&said, word);
        said.push(word);
        (self.state(&said), score)
    }
}

impl LanguageModel for ArpaModel {
    fn start(&mut self) -> usize {
        self.state(&[BEGIN])
    }

    fn score(&mut self, state: usize, word: usize) -> (usize, f64) {
        let word = self.words.get(word).copied().unwrap_or(UNKNOWN);
        self.behind(state, word)
    }

    fn finish(&mut self, state: usize) -> (usize, f64) {
        self.behind(state, END)
    }
}
