//! Attention and recurrent layers.

use crate::case::{Case, Work, derive, infer, leaf, randn};
use flambeau::nn::functional::{Attention, scaled_dot_product_attention};
use flambeau::prelude::*;

fn attend(name: &'static str, shape: [usize; 4], causal: bool, train: bool) -> Case {
    Case::new(name, move || {
        let make = || if train { leaf(&shape) } else { randn(&shape) };
        let (q, k, v) = (make()?, make()?, make()?);
        let leaves = vec![q.clone(), k.clone(), v.clone()];
        let f = move || scaled_dot_product_attention(&q, &k, &v, Attention::new().is_causal(causal));
        if train { derive(leaves, f) } else { infer(f) }
    })
}

pub(super) fn attention() -> Vec<Case> {
    const SMALL: [usize; 4] = [4, 8, 256, 64];
    vec![
        attend("attention", SMALL, false, false),
        attend("attention_causal", SMALL, true, false),
        attend("attention_train", SMALL, false, true),
        attend("attention_causal_2048", [1, 8, 2048, 64], true, false),
    ]
}

/// 32 sequences of 64 steps.
const STEPS: [usize; 3] = [64, 32, 128];

fn lstm_train() -> Result<Work> {
    let (x, lstm) = (leaf(&STEPS)?, LSTM::new(128, 256).build()?);
    let mut leaves = lstm.parameters();
    leaves.push(x.clone());
    derive(leaves, move || Ok(lstm.call(&x)?.0))
}

fn gru_train() -> Result<Work> {
    let (x, gru) = (leaf(&STEPS)?, GRU::new(128, 256).build()?);
    let mut leaves = gru.parameters();
    leaves.push(x.clone());
    derive(leaves, move || Ok(gru.call(&x)?.0))
}

pub(super) fn recurrent() -> Vec<Case> {
    vec![
        Case::new("lstm", || {
            let (x, lstm) = (randn(&STEPS)?, LSTM::new(128, 256).build()?);
            infer(move || Ok(lstm.call(&x)?.0))
        }),
        Case::new("lstm_train", lstm_train),
        Case::new("gru_train", gru_train),
    ]
}
