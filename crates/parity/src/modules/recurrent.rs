//! Recurrent layers and cells.

use flambeau_nn::{Call as _, GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell, RNNNonlinearity};

use super::{Entry, module};
use crate::call::{Call, KEYWORD, Trouble, ok, unsupported};

/// The options that all layers have, whose places in the constructor are after `first`.
macro_rules! options {
    ($builder:expr, $c:ident, $first:expr) => {
        $builder
            .num_layers($c.size_or(2, "num_layers", 1)?)
            .bias($c.flag($first, "bias", true)?)
            .batch_first($c.flag($first + 1, "batch_first", false)?)
            .dropout($c.float_or($first + 2, "dropout", 0.0)?)
            .bidirectional($c.flag($first + 3, "bidirectional", false)?)
    };
}

fn nonlinearity(c: &Call, position: usize) -> Result<RNNNonlinearity, Trouble> {
    match c.text_or(position, "nonlinearity", "tanh")? {
        "tanh" => Ok(RNNNonlinearity::Tanh),
        "relu" => Ok(RNNNonlinearity::Relu),
        other => unsupported(format!("nonlinearity {other}")),
    }
}

fn sizes(c: &Call) -> Result<(usize, usize), Trouble> {
    Ok((c.size(0, "input_size")?, c.size(1, "hidden_size")?))
}

/// A call with a state h that may be missing.
macro_rules! of_h {
    ($M:ident) => {
        |m: &$M, c| match c.tensor_opt(1, "hx")? {
            Some(h) => ok(m.call((c.x()?, h))?),
            None => ok(m.call(c.x()?)?),
        }
    };
}

/// A call with states h and c that may be missing.
macro_rules! of_h_and_c {
    ($M:ident) => {
        |m: &$M, c| match c.given(1, "hx") {
            Some(_) => match &c.tensors(1, "hx")?[..] {
                [h, cell] => ok(m.call((c.x()?, (h, cell)))?),
                other => unsupported(format!("{} states", other.len())),
            },
            None => ok(m.call(c.x()?)?),
        }
    };
}

pub(super) const TABLE: &[Entry] = &[
    ("RNN", |c| {
        let (input, hidden) = sizes(c)?;
        module(options!(RNN::new(input, hidden).nonlinearity(nonlinearity(c, 3)?), c, 4), of_h!(RNN))
    }),
    ("GRU", |c| {
        let (input, hidden) = sizes(c)?;
        module(options!(GRU::new(input, hidden), c, 3), of_h!(GRU))
    }),
    ("LSTM", |c| {
        let (input, hidden) = sizes(c)?;
        let lstm = LSTM::new(input, hidden).proj_size(c.size_or(KEYWORD, "proj_size", 0)?);
        module(options!(lstm, c, 3), of_h_and_c!(LSTM))
    }),
    ("RNNCell", |c| {
        let (input, hidden) = sizes(c)?;
        let cell = RNNCell::new(input, hidden).bias(c.flag(2, "bias", true)?).nonlinearity(nonlinearity(c, 3)?);
        module(cell, of_h!(RNNCell))
    }),
    ("GRUCell", |c| {
        let (input, hidden) = sizes(c)?;
        module(GRUCell::new(input, hidden).bias(c.flag(2, "bias", true)?), of_h!(GRUCell))
    }),
    ("LSTMCell", |c| {
        let (input, hidden) = sizes(c)?;
        module(LSTMCell::new(input, hidden).bias(c.flag(2, "bias", true)?), of_h_and_c!(LSTMCell))
    }),
];
