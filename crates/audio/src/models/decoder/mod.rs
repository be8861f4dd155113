//! From what a network says of each frame to words.

mod ctc;
mod language_model;
mod rnnt;
#[cfg(test)]
mod tests;

pub use ctc::{CTCDecoder, CTCDecoderBuilder, CTCHypothesis, Spellings, Tokens, ctc_greedy};
pub use language_model::{ArpaModel, LanguageModel, SharedModel, ZeroModel};
pub use rnnt::{Hypothesis, RNNTBeamSearch, RNNTBeamSearchBuilder};
