//! Sequences held against each other: when each token of a text was said, and how far two sequences are apart.

use flambeau_tensor::{DType, Result, Tensor, ensure};

/// The most likely path of a text through the probabilities of connectionist temporal classification: for each frame
/// the token it stands for, and its log-probability. `log_probs` is `[1, frames, classes]`, `targets` `[1, tokens]`
/// without `blank`; the result is two of `[1, frames]`. Follows `torchaudio.functional.forced_align`; the scores have
/// a gradient.
///
/// # Errors
/// Where the batch is not of one, a token is no class or the blank, or there are fewer frames than tokens and the
/// blanks between equal ones.
#[track_caller]
pub fn forced_align(log_probs: &Tensor, targets: &Tensor, blank: usize) -> Result<(Tensor, Tensor)> {
    let name = "forced_align";
    let &[1, frames, classes] = log_probs.shape() else {
        flambeau_tensor::bail!(Shape, name, "log_probs must be [1, frames, classes], it is {:?}", log_probs.shape())
    };
    ensure!(
        matches!(targets.shape(), &[1, _]) && matches!(targets.dtype(), DType::I32 | DType::I64),
        Shape,
        name,
        "targets must be whole numbers [1, tokens], they are {} of {:?}",
        targets.dtype(),
        targets.shape()
    );
    ensure!(frames > 0 && blank < classes, Argument, name, "blank {blank} of {classes} classes in {frames} frames");
    let tokens: Vec<usize> = {
        let found = targets.to_dtype(DType::I64)?.to_vec::<i64>()?;
        let class = |t: &i64| usize::try_from(*t).ok().filter(|t| *t < classes && *t != blank);
        match found.iter().map(class).collect() {
            Some(tokens) => tokens,
            None => flambeau_tensor::bail!(
                Argument,
                name,
                "targets must be from 0 to {} and not the blank, {blank}; they are {found:?}",
                classes - 1
            ),
        }
    };
    let repeats = tokens.windows(2).filter(|w| w[0] == w[1]).count();
    ensure!(
        frames >= tokens.len() + repeats,
        Argument,
        name,
        "{} tokens, {repeats} of them as the one before, need {} frames at least, there are {frames}",
        tokens.len(),
        tokens.len() + repeats
    );
    let scores = log_probs.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
    let path = best_path(&scores, classes, &tokens, blank);
    let path = Tensor::from_vec(path.iter().map(|&t| t as i64).collect::<Vec<_>>(), [1, frames])?;
    let found = log_probs.gather(-1, &path.unsqueeze(-1)?.to_device(log_probs.device())?)?.squeeze(-1)?;
    Ok((path.to_dtype(targets.dtype())?.to_device(targets.device())?, found))
}

/// Viterbi over the text with a blank before, between and behind its tokens.
fn best_path(scores: &[f64], classes: usize, tokens: &[usize], blank: usize) -> Vec<usize> {
    let (frames, states) = (scores.len() / classes, 2 * tokens.len() + 1);
    let label = |s: usize| if s.is_multiple_of(2) { blank } else { tokens[s / 2] };
    let may_skip = |s: usize| !s.is_multiple_of(2) && s > 1 && tokens[s / 2] != tokens[s / 2 - 1];
    let mut best = vec![f64::NEG_INFINITY; states];
    let mut back = vec![0u8; frames * states];
    for s in 0..states.min(2) {
        best[s] = scores[label(s)];
    }
    for t in 1..frames {
        let before = best.clone();
        for s in 0..states {
            let from = |steps: usize| if steps <= s { before[s - steps] } else { f64::NEG_INFINITY };
            let (stay, step, skip) = (from(0), from(1), if may_skip(s) { from(2) } else { f64::NEG_INFINITY });
            let (score, steps) = match () {
                () if skip > step && skip > stay => (skip, 2),
                () if step > stay && step > skip => (step, 1),
                () => (stay, 0),
            };
            best[s] = score + scores[t * classes + label(s)];
            back[t * states + s] = steps;
        }
    }
    let mut s = if states > 1 && best[states - 1] <= best[states - 2] { states - 2 } else { states - 1 };
    let mut path = vec![blank; frames];
    for t in (0..frames).rev() {
        path[t] = label(s);
        s -= usize::from(back[t * states + s]);
    }
    path
}

/// A token and the frames that it was said in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenSpan {
    /// The token.
    pub token: i64,
    /// Its first frame.
    pub start: usize,
    /// The frame after its last.
    pub end: usize,
    /// The mean of its frames' scores.
    pub score: f64,
}

impl TokenSpan {
    /// How many frames it takes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it takes none.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

/// The path of [`forced_align`], `tokens` `[frames]` with their `scores`, as spans of equal tokens without the blanks.
/// Follows `torchaudio.functional.merge_tokens`.
///
/// # Errors
/// Where the two are not of one length.
#[track_caller]
pub fn merge_tokens(tokens: &Tensor, scores: &Tensor, blank: i64) -> Result<Vec<TokenSpan>> {
    ensure!(
        tokens.rank() == 1 && tokens.shape() == scores.shape(),
        Shape,
        "merge_tokens",
        "tokens and scores are [frames], both alike; they are {:?} and {:?}",
        tokens.shape(),
        scores.shape()
    );
    let tokens = tokens.to_dtype(DType::I64)?.to_vec::<i64>()?;
    let scores = scores.to_dtype(DType::F64)?.to_vec::<f64>()?;
    let mut spans = Vec::new();
    let mut start = 0;
    for run in tokens.chunk_by(|a, b| a == b) {
        let end = start + run.len();
        if run[0] != blank {
            let score = scores[start..end].iter().sum::<f64>() / run.len() as f64;
            spans.push(TokenSpan { token: run[0], start, end, score });
        }
        start = end;
    }
    Ok(spans)
}

/// How many insertions, deletions and substitutions make `b` of `a` at least: Levenshtein's distance. Follows
/// `torchaudio.functional.edit_distance`.
///
/// ```
/// assert_eq!(flambeau_audio::functional::edit_distance(b"kitten", b"sitting"), 3);
/// ```
pub fn edit_distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut before: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut now = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            now.push(if x == y { before[j] } else { 1 + before[j].min(before[j + 1]).min(now[j]) });
        }
        before = now;
    }
    before[b.len()]
}
