//! Beam search over what a network trained by the CTC loss says, with a lexicon or without, and the greedy way.

use super::language_model::{LanguageModel, SharedModel, ZeroModel};
use flambeau_tensor::{DType, Result, Tensor, builder, ensure};
use std::collections::{BTreeMap, HashMap};

/// The most likely token of each of the frames `[frames, tokens]`, repeated ones once and without the blank.
///
/// # Errors
/// Where the emissions are not `[frames, tokens]`.
#[track_caller]
pub fn ctc_greedy(emissions: &Tensor, blank: usize) -> Result<Vec<usize>> {
    let shape = emissions.shape();
    ensure!(
        shape.len() == 2 && shape[1] > 0,
        Shape,
        "ctc_greedy",
        "emissions are [frames, tokens], these are {shape:?}"
    );
    let best = emissions.detach().argmax(-1)?.to_vec::<i64>()?;
    Ok(spoken(&best.into_iter().map(|token| token as usize).collect::<Vec<_>>(), blank).map(|(_, t)| t).collect())
}

/// Tokens that are not the blank nor the one before again, with their places.
fn spoken(path: &[usize], blank: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    let new = move |&(i, token): &(usize, usize)| token != blank && (i == 0 || path[i - 1] != token);
    path.iter().copied().enumerate().filter(new)
}

/// What may have been said.
#[derive(Clone, Debug, PartialEq)]
pub struct CTCHypothesis {
    /// Its tokens. The search begins and ends in silence, which is the first and may be the last.
    pub tokens: Vec<usize>,
    /// Its words, where there is a lexicon.
    pub words: Vec<String>,
    /// The logarithm of its probability, language model and bonuses included.
    pub score: f64,
    /// The frame of each token, counted from 1 (0 is the silence before).
    pub timesteps: Vec<usize>,
}

/// A node of the lexicon's tree.
#[derive(Clone, Debug, Default)]
struct Node {
    children: BTreeMap<usize, usize>,
    /// Words that end here, with their scores.
    words: Vec<(usize, f64)>,
    /// The best score of a word that goes through here.
    best: f64,
}

/// Words of one spelling that are kept.
const HOMOPHONES: usize = 6;

/// A beginning: where it came from, and what tells it from others.
#[derive(Clone, Copy, Debug)]
struct State {
    score: f64,
    said: usize,
    node: usize,
    token: usize,
    word: Option<usize>,
    after_blank: bool,
    from: usize,
}

/// Finds likely words by beam search, as `torchaudio.models.decoder.ctc_decoder` (which is Flashlight's): with a lexicon
/// only its words, each with its score by a language model, without one any tokens.
///
/// ```
/// use flambeau_audio::models::decoder::CTCDecoder;
/// use flambeau_tensor::tensor;
///
/// let decoder = CTCDecoder::new(["-", "|", "a", "b"]).lexicon([("ab", "a b |"), ("ba", "b a |")]).build()?;
/// let emissions = tensor!([[
///     [-9.0f32, -9.0, -0.1, -2.0], [-0.1, -9.0, -3.0, -3.0], [-9.0, -9.0, -2.0, -0.2], [-9.0, -0.1, -9.0, -9.0]
/// ]]);
/// let best = &decoder.decode(&emissions, None)?[0][0];
/// assert_eq!(best.words, ["ab"]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct CTCDecoder {
    words: Vec<String>,
    tree: Option<Vec<Node>>,
    model: SharedModel,
    blank: usize,
    silence: usize,
    tokens: usize,
    b: Options,
}

#[derive(Clone, Copy)]
struct Options {
    nbest: usize,
    beam_size: usize,
    beam_size_token: usize,
    beam_threshold: f64,
    lm_weight: f64,
    word_score: f64,
    unk_score: f64,
    sil_score: f64,
    log_add: bool,
}

/// A word and its spelling, tokens with spaces between them.
#[derive(Clone, Debug)]
pub struct Spellings(Vec<(String, String)>);

impl<W: Into<String>, S: Into<String>, L: IntoIterator<Item = (W, S)>> From<L> for Spellings {
    fn from(list: L) -> Self {
        Spellings(list.into_iter().map(|(word, spelling)| (word.into(), spelling.into())).collect())
    }
}

/// The names of tokens.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<String>);

impl<T: Into<String>, L: IntoIterator<Item = T>> From<L> for Tokens {
    fn from(list: L) -> Self {
        Tokens(list.into_iter().map(Into::into).collect())
    }
}

builder! {
    /// Options of [`CTCDecoder`].
    pub struct CTCDecoderBuilder => CTCDecoder;
    new {
        /// What the network can say.
        tokens: ~into Tokens,
    }
    options {
        /// Words and their spellings (`("ab", "a b |")`), of which a word may have several; any tokens unless set.
        lexicon: ~into Spellings = Spellings(Vec::new()),
        /// How likely words follow each other; all alike unless set.
        lm: ~into SharedModel = ZeroModel::default().into(),
        /// Hypotheses that come out, 1 unless set.
        nbest: usize = 1,
        /// Hypotheses that are kept, 50 unless set.
        beam_size: usize = 50,
        /// Tokens that each may go on with, all unless set.
        beam_size_token: ~into Option<usize> = None,
        /// How far behind the best a hypothesis may be, 50 unless set.
        beam_threshold: f64 = 50.0,
        /// The factor of the language model's scores, 2 unless set.
        lm_weight: f64 = 2.0,
        /// Added for each word, 0 unless set.
        word_score: f64 = 0.0,
        /// Added for each unknown word; there are none unless set.
        unk_score: f64 = f64::NEG_INFINITY,
        /// Added for each silence, 0 unless set.
        sil_score: f64 = 0.0,
        /// Add up the probabilities of what is the same, instead of taking the greatest? Not unless set.
        log_add: bool = false,
        /// The blank, `-` unless set.
        blank_token: ~into String = "-".into(),
        /// Silence, `|` unless set.
        sil_token: ~into String = "|".into(),
        /// The unknown word, `<unk>` unless set.
        unk_word: ~into String = "<unk>".into(),
    }
}

/// Candidates of a frame, as far as they may be kept.
struct Candidates {
    all: Vec<State>,
    best: f64,
    threshold: f64,
}

impl Candidates {
    fn add(&mut self, state: State) {
        self.best = self.best.max(state.score);
        if state.score >= self.best - self.threshold {
            self.all.push(state);
        }
    }

    /// What is the same as one, the best first, as many as are kept.
    fn kept(mut self, size: usize, log_add: bool) -> Vec<State> {
        let least = self.best - self.threshold;
        self.all.retain(|state| state.score >= least);
        self.all.sort_by(|a, b| b.score.total_cmp(&a.score));
        let (mut places, mut merged) = (HashMap::new(), Vec::<State>::new());
        for state in self.all {
            let place = *places.entry((state.said, state.node, state.token, state.after_blank)).or_insert(merged.len());
            match merged.get_mut(place) {
                None => merged.push(state),
                Some(first) if log_add => first.score += (state.score - first.score).exp().ln_1p(),
                Some(_) => {}
            }
        }
        merged.sort_by(|a, b| b.score.total_cmp(&a.score));
        merged.truncate(size);
        merged
    }
}

impl CTCDecoder {
    #[track_caller]
    fn from_builder(b: CTCDecoderBuilder) -> Result<Self> {
        let op = "CTCDecoder";
        let tokens = &b.tokens.0;
        let number = |token: &str| tokens.iter().position(|t| t == token);
        let (blank, silence) = (number(&b.blank_token), number(&b.sil_token));
        let (Some(blank), Some(silence)) = (blank, silence) else {
            flambeau_tensor::bail!(
                Argument,
                op,
                "{:?} (blank) and {:?} (silence) must be among the tokens",
                b.blank_token,
                b.sil_token
            )
        };
        ensure!(b.nbest > 0 && b.beam_size > 0, Argument, op, "nbest and beam_size must be 1 at least");
        let mut model = b.lm.lock();
        let mut words: Vec<String> = Vec::new();
        let mut tree = None;
        if !b.lexicon.0.is_empty() {
            let mut nodes = vec![Node::default()];
            let start = model.start();
            let mut numbers: HashMap<&str, usize> = HashMap::new();
            for (word, spelling) in &b.lexicon.0 {
                let next = words.len();
                let of = *numbers.entry(word).or_insert(next);
                if of == next {
                    words.push(word.clone());
                }
                let score = model.score(start, of).1;
                let mut at = 0;
                for token in spelling.split_whitespace() {
                    let Some(token) = number(token) else {
                        flambeau_tensor::bail!(Argument, op, "{token:?} in the spelling of {word:?} is not a token")
                    };
                    let next = nodes.len();
                    let child = *nodes[at].children.entry(token).or_insert(next);
                    if child == next {
                        nodes.push(Node::default());
                    }
                    at = child;
                }
                ensure!(at != 0, Argument, op, "the word {word:?} has an empty spelling");
                if nodes[at].words.len() < HOMOPHONES {
                    nodes[at].words.push((of, score));
                }
            }
            // Children come behind their parents.
            for i in (0..nodes.len()).rev() {
                let own = nodes[i].words.iter().map(|word| word.1);
                let below = nodes[i].children.values().map(|child| nodes[*child].best);
                nodes[i].best = own.chain(below).fold(f64::NEG_INFINITY, f64::max);
            }
            words.push(b.unk_word);
            tree = Some(nodes);
        }
        let options = Options {
            nbest: b.nbest,
            beam_size: b.beam_size,
            beam_size_token: b.beam_size_token.unwrap_or(tokens.len()).min(tokens.len()),
            beam_threshold: b.beam_threshold,
            lm_weight: b.lm_weight,
            word_score: b.word_score,
            unk_score: b.unk_score,
            sil_score: b.sil_score,
            log_add: b.log_add,
        };
        drop(model);
        Ok(CTCDecoder { words, tree, model: b.lm, blank, silence, tokens: tokens.len(), b: options })
    }

    /// The words, by the numbers that a language model is given; the last is the unknown one. Empty without a lexicon,
    /// where it is given tokens.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The likely hypotheses, the best first, of each of the emissions `[batch, frames, tokens]` (logarithms of
    /// probabilities), of which the first `lengths` `[batch]` frames count, all unless given.
    ///
    /// # Errors
    /// Where the shapes do not go together, an emission is not a number, or a length is beyond the frames.
    #[track_caller]
    pub fn decode(&self, emissions: &Tensor, lengths: Option<&Tensor>) -> Result<Vec<Vec<CTCHypothesis>>> {
        let op = "CTCDecoder";
        let shape = emissions.shape();
        ensure!(
            shape.len() == 3 && shape[2] == self.tokens,
            Shape,
            op,
            "emissions are [batch, frames, {}], these are {shape:?}",
            self.tokens
        );
        let (batch, frames) = (shape[0], shape[1]);
        let lengths = match lengths {
            None => vec![frames as i64; batch],
            Some(lengths) => lengths.to_dtype(DType::I64)?.to_vec::<i64>()?,
        };
        let fits = lengths.len() == batch && lengths.iter().all(|n| (0..=frames as i64).contains(n));
        ensure!(fits, Argument, op, "lengths {lengths:?} of {batch} emissions of {frames} frames");
        let values = emissions.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
        ensure!(values.iter().all(|v| !v.is_nan()), Argument, op, "an emission is not a number");
        let one = |(i, n): (usize, &i64)| {
            let start = i * frames * self.tokens;
            self.search(&values[start..start + *n as usize * self.tokens])
        };
        Ok(lengths.iter().enumerate().map(one).collect())
    }

    fn search(&self, emissions: &[f32]) -> Vec<CTCHypothesis> {
        let mut model = self.model.lock();
        let said = model.start();
        let (token, word, after_blank) = (self.silence, None, false);
        let mut steps = vec![vec![State { score: 0.0, said, node: 0, token, word, after_blank, from: 0 }]];
        for frame in emissions.chunks(self.tokens.max(1)) {
            let mut order: Vec<usize> = (0..frame.len()).collect();
            if self.b.beam_size_token < frame.len() {
                order.sort_by(|a, b| frame[*b].total_cmp(&frame[*a]));
                order.truncate(self.b.beam_size_token);
            }
            let mut candidates = self.candidates();
            for (from, state) in steps[steps.len() - 1].iter().enumerate() {
                let model = &mut *model;
                match &self.tree {
                    Some(tree) => self.within(tree, model, (*state, from), frame, &order, &mut candidates),
                    None => self.freely(model, (*state, from), frame, &order, &mut candidates),
                }
            }
            steps.push(candidates.kept(self.b.beam_size, self.b.log_add));
        }
        let last = &steps[steps.len() - 1];
        // Where some have finished their words, the others are dropped.
        let whole = last.iter().any(|state| state.node == 0);
        let mut candidates = self.candidates();
        for (from, state) in last.iter().enumerate().filter(|(_, state)| !whole || state.node == 0) {
            let (said, score) = model.finish(state.said);
            let score = state.score + self.b.lm_weight * score;
            let (token, word, after_blank) = (self.silence, None, false);
            candidates.add(State { score, said, node: state.node, token, word, after_blank, from });
        }
        steps.push(candidates.kept(self.b.beam_size, self.b.log_add));
        let best = steps[steps.len() - 1].iter().take(self.b.nbest);
        best.map(|state| self.hypothesis(&steps, *state)).collect()
    }

    fn candidates(&self) -> Candidates {
        Candidates { all: Vec::new(), best: f64::NEG_INFINITY, threshold: self.b.beam_threshold }
    }

    /// What a beginning becomes by a frame, without a lexicon.
    fn freely(
        &self,
        model: &mut dyn LanguageModel,
        (state, from): (State, usize),
        frame: &[f32],
        order: &[usize],
        to: &mut Candidates,
    ) {
        for &token in order {
            let mut score = state.score + f64::from(frame[token]);
            if token == self.silence {
                score += self.b.sil_score;
            }
            let same = State { score, token, word: None, after_blank: false, from, ..state };
            if token == self.blank {
                to.add(State { after_blank: true, ..same });
            } else if token != state.token || state.after_blank {
                let (said, likely) = model.score(state.said, token);
                to.add(State { score: score + self.b.lm_weight * likely, said, ..same });
            } else {
                to.add(same);
            }
        }
    }

    /// What a beginning becomes by a frame within the lexicon's tree.
    fn within(
        &self,
        tree: &[Node],
        model: &mut dyn LanguageModel,
        (state, from): (State, usize),
        frame: &[f32],
        order: &[usize],
        to: &mut Candidates,
    ) {
        let (node, at_root) = (&tree[state.node], state.node == 0);
        let known = if at_root { 0.0 } else { node.best };
        let heard = |token: usize| {
            let silence = if token == self.silence { self.b.sil_score } else { 0.0 };
            state.score + f64::from(frame[token]) + silence
        };
        let b = self.b;
        // A further token of a word.
        for &token in order {
            let Some(&child) = node.children.get(&token) else { continue };
            let (score, next) = (heard(token), &tree[child]);
            let moved = State { score, node: child, token, word: None, after_blank: false, from, ..state };
            if (state.after_blank || token != state.token) && !next.children.is_empty() {
                to.add(State { score: score + b.lm_weight * (next.best - known), ..moved });
            }
            for &(word, _) in &next.words {
                // A word of one token that goes on sounding is not said again.
                if at_root && state.token == token {
                    continue;
                }
                let (said, likely) = model.score(state.said, word);
                let score = score + b.lm_weight * (likely - known) + b.word_score;
                to.add(State { score, said, node: 0, word: Some(word), ..moved });
            }
            if next.words.is_empty() && b.unk_score > f64::NEG_INFINITY {
                let unknown = self.words.len() - 1;
                let (said, likely) = model.score(state.said, unknown);
                let score = score + b.lm_weight * (likely - known) + b.unk_score;
                to.add(State { score, said, node: 0, word: Some(unknown), ..moved });
            }
        }
        // The same token again, or silence between words.
        let stays = State { word: None, after_blank: false, from, ..state };
        if !state.after_blank || at_root {
            let token = if at_root { self.silence } else { state.token };
            let silence = if token == self.silence { b.sil_score } else { 0.0 };
            to.add(State { score: state.score + f64::from(frame[token]) + silence, token, ..stays });
        }
        let score = state.score + f64::from(frame[self.blank]);
        to.add(State { score, token: self.blank, after_blank: true, ..stays });
    }

    fn hypothesis(&self, steps: &[Vec<State>], last: State) -> CTCHypothesis {
        let (mut path, mut words, mut state) = (Vec::with_capacity(steps.len()), Vec::new(), last);
        for step in (0..steps.len()).rev() {
            path.push(state.token);
            words.extend(state.word.map(|word| self.words[word].clone()));
            if step > 0 {
                state = steps[step - 1][state.from];
            }
        }
        path.reverse();
        words.reverse();
        let (timesteps, tokens) = spoken(&path, self.blank).unzip();
        CTCHypothesis { tokens, words, score: last.score, timesteps }
    }
}
