//! Reading and writing by index, order, and random numbers.

use crate::case::{Case, Work, call, derive, ids, leaf, randn};
use flambeau::prelude::*;

const ROWS: [usize; 2] = [4096, 1024];
const MILLION: usize = 1_000_000;

/// A million normally distributed numbers.
fn million(name: &'static str, f: impl Fn(&Tensor) -> Result<Tensor> + Copy + 'static) -> Case {
    Case::new(name, move || {
        let a = randn(&[MILLION])?;
        call(move || f(&a))
    })
}

fn embedding_train() -> Result<Work> {
    let (weight, rows) = (leaf(&[50_000, 256])?, ids(50_000, &[8192])?);
    derive(vec![weight.clone()], move || weight.embedding(&rows, None))
}

fn scatter_add() -> Result<Work> {
    let (a, index, source) = (randn(&ROWS)?, ids(1024, &[4096, 256])?, randn(&[4096, 256])?);
    call(move || a.scatter_add(1, &index, &source))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("embedding", || {
            let (weight, rows) = (randn(&[50_000, 256])?, ids(50_000, &[8192])?);
            call(move || weight.embedding(&rows, None))
        })
        .bytes(8 * 8192 * 256),
        Case::new("embedding_train", embedding_train),
        Case::new("gather", || {
            let (a, index) = (randn(&ROWS)?, ids(1024, &[4096, 256])?);
            call(move || a.gather(1, &index))
        }),
        Case::new("scatter_add", scatter_add),
        Case::new("index_select", || {
            let (a, rows) = (randn(&ROWS)?, ids(4096, &[2048])?);
            call(move || a.index_select(0, &rows))
        })
        .bytes(8 * 2048 * 1024),
        million("sort_1m", |a| Ok(a.sort(0, false)?.values)),
        million("topk_1m_100", |a| Ok(a.topk(100)?.values)),
        Case::new("unique_1m", || {
            let a = ids(10_000, &[MILLION])?;
            call(move || Ok(a.unique(None)?.values))
        }),
        Case::new("randn_1m", || call(|| randn(&[MILLION]))),
    ]
}
