//! Reductions, scans, and functions of rows: 4096 rows of 1024.

use crate::case::{Case, Work, call, derive, ids, infer, leaf, randn};
use flambeau::prelude::*;

const ROWS: [usize; 2] = [4096, 1024];
const N: usize = ROWS[0] * ROWS[1];

/// An op that reads all once and writes `written` numbers.
fn of_rows(name: &'static str, written: usize, f: impl Fn(&Tensor) -> Result<Tensor> + Copy + 'static) -> Case {
    Case::new(name, move || {
        let a = randn(&ROWS)?;
        call(move || f(&a))
    })
    .bytes(4 * (N + written))
}

fn softmax_train() -> Result<Work> {
    let (a, weight) = (leaf(&ROWS)?, randn(&ROWS)?);
    derive(vec![a.clone()], move || a.softmax(1)?.mul(&weight))
}

fn layer_norm_train() -> Result<Work> {
    let (a, weight, norm) = (leaf(&ROWS)?, randn(&ROWS)?, LayerNorm::new(ROWS[1]).build()?);
    let mut leaves = norm.parameters();
    leaves.push(a.clone());
    derive(leaves, move || norm.call(&a)?.mul(&weight))
}

fn cross_entropy_train() -> Result<Work> {
    let (a, classes) = (leaf(&ROWS)?, ids(ROWS[1] as i64, &[ROWS[0]])?);
    derive(vec![a.clone()], move || cross_entropy(&a, &classes))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        of_rows("sum_all", 1, |a| a.sum(..)),
        of_rows("sum_dim0", ROWS[1], |a| a.sum(0)),
        of_rows("sum_dim1", ROWS[0], |a| a.sum(1)),
        of_rows("max_all", 1, |a| a.max_all()),
        of_rows("argmax_dim1", 2 * ROWS[0], |a| a.argmax(1)),
        of_rows("var_dim1", ROWS[0], |a| a.var(1, 1.0)),
        of_rows("cumsum", N, |a| a.cumsum(1)),
        of_rows("softmax", N, |a| a.softmax(1)),
        Case::new("softmax_train", softmax_train),
        Case::new("layer_norm", || {
            let (a, norm) = (randn(&ROWS)?, LayerNorm::new(ROWS[1]).build()?);
            infer(move || norm.call(&a))
        })
        .bytes(8 * N),
        Case::new("layer_norm_train", layer_norm_train),
        Case::new("rms_norm", || {
            let (a, norm) = (randn(&ROWS)?, RMSNorm::new(ROWS[1]).build()?);
            infer(move || norm.call(&a))
        })
        .bytes(8 * N),
        Case::new("cross_entropy_train", cross_entropy_train),
    ]
}
