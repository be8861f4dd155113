//! Beam search over a transducer.

use super::super::emformer::LayerState;
use super::super::rnnt::RNNT;
use flambeau_tensor::{DType, Result, Tensor, builder, cat, ensure, no_grad, stack};
use std::collections::HashMap;
use std::sync::Arc;

/// A beginning of what was said.
#[derive(Clone, Debug)]
pub struct Hypothesis {
    /// Its symbols, of which the first is the blank.
    pub tokens: Vec<i64>,
    /// The logarithm of its probability.
    pub score: f64,
    expected: Tensor,
    state: Vec<LayerState>,
}

/// Finds likely symbols by a transducer, as `torchaudio.models.RNNTBeamSearch`: of each frame all that `beam_width`
/// hypotheses may become. (As there, the blank must be the last symbol.)
pub struct RNNTBeamSearch {
    model: Arc<RNNT>,
    blank: i64,
    temperature: f64,
    step_max_tokens: usize,
    sort_key: fn(&Hypothesis) -> f64,
}

/// The score, divided by the number of symbols.
fn by_length(hypothesis: &Hypothesis) -> f64 {
    hypothesis.score / (hypothesis.tokens.len() + 1) as f64
}

builder! {
    /// Options of [`RNNTBeamSearch`].
    pub struct RNNTBeamSearchBuilder => RNNTBeamSearch;
    new {
        /// The transducer.
        model: ~into Arc<RNNT>,
        /// The number of its blank, the last.
        blank: usize,
    }
    options {
        /// What logits are divided by, 1 unless set.
        temperature: f64 = 1.0,
        /// By what hypotheses are ranked, by the score over the number of symbols unless set.
        hypo_sort_key: fn(&Hypothesis) -> f64 = by_length,
        /// Symbols of one frame, 100 at most unless set.
        step_max_tokens: usize = 100,
    }
}

fn whole(numbers: Vec<i64>, like: &Tensor) -> Result<Tensor> {
    let n = numbers.len();
    Tensor::from_vec(numbers, [n, 1])?.to_device(like.device())
}

impl RNNTBeamSearch {
    #[track_caller]
    fn from_builder(b: RNNTBeamSearchBuilder) -> Result<Self> {
        ensure!(b.temperature > 0.0, Argument, "RNNTBeamSearch", "temperature {} must be above 0", b.temperature);
        let (blank, temperature, step_max_tokens) = (b.blank as i64, b.temperature, b.step_max_tokens);
        Ok(RNNTBeamSearch { model: b.model, blank, temperature, step_max_tokens, sort_key: b.hypo_sort_key })
    }

    /// The transducer.
    pub fn model(&self) -> &RNNT {
        &self.model
    }

    /// The `beam_width` most likely hypotheses, the best first, of features `[frames, input_dim]` (or with a batch of 1
    /// before) of this length, `[1]`.
    ///
    /// # Errors
    /// Where the shapes do not fit or the beam is 0.
    #[track_caller]
    pub fn search(&self, input: &Tensor, length: &Tensor, beam_width: usize) -> Result<Vec<Hypothesis>> {
        no_grad(|| {
            let (heard, _) = self.model.transcribe(&one(input)?, &length.reshape([1])?)?;
            self.beam(&heard, None, beam_width)
        })
    }

    /// The same of one segment of a stream: the transducer's state and the hypotheses of the segments before go in
    /// (`None` at the beginning) and come out.
    ///
    /// # Errors
    /// As [`search`](RNNTBeamSearch::search).
    #[track_caller]
    pub fn infer(
        &self,
        input: &Tensor,
        length: &Tensor,
        beam_width: usize,
        state: Option<&Vec<LayerState>>,
        hypotheses: Option<Vec<Hypothesis>>,
    ) -> Result<(Vec<Hypothesis>, Vec<LayerState>)> {
        no_grad(|| {
            let (heard, _, state) = self.model.transcribe_streaming(&one(input)?, &length.reshape([1])?, state)?;
            Ok((self.beam(&heard, hypotheses, beam_width)?, state))
        })
    }

    #[track_caller]
    fn beam(&self, heard: &Tensor, before: Option<Vec<Hypothesis>>, width: usize) -> Result<Vec<Hypothesis>> {
        ensure!(width > 0, Argument, "RNNTBeamSearch", "beam_width must be 1 at least");
        let mut said = match before {
            Some(before) if !before.is_empty() => before,
            _ => {
                let (expected, state) = self.model.predict(&whole(vec![self.blank], heard)?, None)?;
                vec![Hypothesis { tokens: vec![self.blank], score: 0.0, expected: expected.select(0, 0)?, state }]
            }
        };
        for frame in 0..heard.shape()[1] {
            let here = heard.narrow(1, frame as isize, 1)?;
            // Those that may go on within the frame, and those that are done with it.
            let mut open = std::mem::take(&mut said);
            let mut known = HashMap::new();
            for symbols in 0.. {
                let probabilities = self.probabilities(&here, &open)?;
                close(&mut said, &open, &probabilities, &mut known);
                if symbols == self.step_max_tokens {
                    break;
                }
                open = self.longer(&open, &said, &probabilities, width, heard)?;
                if open.is_empty() {
                    break;
                }
            }
            said.sort_by(|a, b| ((self.sort_key)(b) as f32).total_cmp(&((self.sort_key)(a) as f32)));
            said.truncate(width);
        }
        Ok(said)
    }

    /// Logarithms of the probabilities of each symbol behind each hypothesis.
    #[track_caller]
    fn probabilities(&self, here: &Tensor, open: &[Hypothesis]) -> Result<Vec<Vec<f32>>> {
        let expected: Vec<&Tensor> = open.iter().map(|h| &h.expected).collect();
        let joined = self.model.join(here, &stack(&expected, 0)?)?;
        let all = joined.div(self.temperature)?.log_softmax(-1)?.to_dtype(DType::F32)?;
        let symbols = all.size(-1)?;
        Ok(all.to_vec::<f32>()?.chunks(symbols).map(<[f32]>::to_vec).collect())
    }

    /// The best that the open hypotheses become by one symbol more, where it is better than what is done.
    #[track_caller]
    fn longer(
        &self,
        open: &[Hypothesis],
        done: &[Hypothesis],
        probabilities: &[Vec<f32>],
        width: usize,
        like: &Tensor,
    ) -> Result<Vec<Hypothesis>> {
        let mut all: Vec<(f32, usize, usize)> = Vec::new();
        for (i, (hypothesis, next)) in open.iter().zip(probabilities).enumerate() {
            let symbols = next.len().saturating_sub(1);
            all.extend(next[..symbols].iter().enumerate().map(|(j, p)| (hypothesis.score as f32 + p, i, j)));
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = if done.len() < width { f64::NEG_INFINITY } else { done[done.len() - width].score };
        let best: Vec<_> = all.into_iter().take(width).filter(|(score, ..)| f64::from(*score) > least).collect();
        if best.is_empty() {
            return Ok(Vec::new());
        }
        let layers = open[0].state.len();
        let part = |layer: usize, i: usize| {
            let parts: Vec<&Tensor> = best.iter().map(|(_, from, _)| &open[*from].state[layer][i]).collect();
            cat(&parts, 0)
        };
        let state = (0..layers).map(|layer| Ok(vec![part(layer, 0)?, part(layer, 1)?])).collect::<Result<Vec<_>>>()?;
        let symbols = best.iter().map(|(.., symbol)| *symbol as i64).collect();
        let (expected, state) = self.model.predict(&whole(symbols, like)?, Some(&state))?;
        let longer = |(i, (score, from, symbol)): (usize, &(f32, usize, usize))| {
            let tokens = open[*from].tokens.iter().copied().chain([*symbol as i64]).collect();
            let own = |t: &Tensor| t.narrow(0, i as isize, 1);
            let state = state.iter().map(|layer| layer.iter().map(own).collect()).collect::<Result<_>>()?;
            Ok(Hypothesis { tokens, score: f64::from(*score), expected: expected.select(0, i as isize)?, state })
        };
        best.iter().enumerate().map(longer).collect()
    }
}

/// Adds the open hypotheses, closed by a blank, to those that are done, which stay in ascending order.
fn close(
    done: &mut Vec<Hypothesis>,
    open: &[Hypothesis],
    probabilities: &[Vec<f32>],
    known: &mut HashMap<Vec<i64>, f64>,
) {
    for (hypothesis, next) in open.iter().zip(probabilities) {
        let blank = hypothesis.score as f32 + next.last().copied().unwrap_or(f32::NEG_INFINITY);
        let score = match known.get(&hypothesis.tokens) {
            Some(before) => {
                done.retain(|h| h.tokens != hypothesis.tokens);
                let (most, least) = ((*before as f32).max(blank), (*before as f32).min(blank));
                most + (least - most).exp().ln_1p()
            }
            None => blank,
        };
        let score = f64::from(score);
        known.insert(hypothesis.tokens.clone(), score);
        done.push(Hypothesis { score, ..hypothesis.clone() });
    }
    done.sort_by(|a, b| a.score.total_cmp(&b.score));
}

/// With a batch of one.
#[track_caller]
fn one(input: &Tensor) -> Result<Tensor> {
    match input.shape() {
        [_, _] => input.unsqueeze(0),
        [1, _, _] => Ok(input.clone()),
        shape => flambeau_tensor::bail!(
            Shape,
            "RNNTBeamSearch",
            "the input is [frames, features] or [1, frames, features], this is {shape:?}"
        ),
    }
}
