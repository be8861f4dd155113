//! The op table: how flambeau spells each recorded call. One line an op, in the file of its family.
//! An entry named `softmax` also serves `softmax.with_dtype` and every other variant of it that
//! has no entry of its own.
//!
//! An entry is one call of flambeau with its arguments put in their places. A function that
//! flambeau lacks is not put together here from others: it is unsupported.

mod activation;
mod attention;
mod compare;
pub(crate) mod conv;
mod counting;
mod create;
mod distance;
mod fft;
pub(crate) mod image;
mod index;
mod join;
mod linalg;
pub(crate) mod loss;
mod masked;
mod matmul;
mod norm;
mod pointwise;
pub(crate) mod pool;
mod reduce;
mod signal;
mod softmax;
mod special;
mod view;

use crate::call::{Call, Outcome};

/// How a call is made.
pub type Run = fn(&Call) -> Outcome;

/// One line of a table: the name in PyTorch's op database, and the call.
pub type Entry = (&'static str, Run);

const TABLES: &[&[Entry]] = &[
    compare::TABLE,
    counting::TABLE,
    distance::TABLE,
    image::TABLE,
    image::SPLITS,
    softmax::TABLE,
    conv::TABLE,
    join::TABLE,
    loss::TABLE,
    index::TABLE,
    activation::TABLE,
    attention::TABLE,
    create::TABLE,
    fft::TABLE,
    fft::INVERSE,
    fft::TRANSFORMS,
    linalg::UNARY,
    linalg::PRODUCTS,
    linalg::SYSTEMS,
    linalg::FACTORS,
    linalg::NORMS,
    signal::PLAIN,
    signal::OTHERS,
    special::UNARY,
    special::PAIRS,
    special::ORDERS,
    masked::TABLE,
    matmul::PRODUCTS,
    matmul::ADDED,
    matmul::OTHERS,
    pointwise::UNARY,
    pointwise::BINARY,
    pointwise::OTHERS,
    norm::TABLE,
    pool::FRACTIONAL,
    pool::ADAPTIVE_MAX,
    pool::AVERAGE,
    pool::MAX,
    reduce::TABLE,
    view::TABLE,
    view::COPIES,
];

/// Cases of ops in the table that cannot be expressed: subject, how many of the packed cases, why.
pub const INEXPRESSIBLE: &[(&str, usize, &str)] = &[
    ("as_strided.partial_views", 3, "the storage that the input is a part of was not recorded"),
    ("as_strided_scatter", 6, view::WRONG_SCATTER),
    ("linalg.pinv.hermitian", 6, NOT_HERMITIAN),
];

const NOT_HERMITIAN: &str = "the recorded matrices are not Hermitian, of which only one triangle is read; PyTorch's gradient is that of the whole";

/// The name without its variant.
pub fn base(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(base, _)| base)
}

/// The entry for a recorded name.
pub fn find(name: &str) -> Option<Run> {
    let entry = |name: &str| TABLES.iter().copied().flatten().find(|e| e.0 == name).map(|e| e.1);
    entry(name).or_else(|| base(name).and_then(entry))
}

/// All names in the tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().copied().flatten().map(|e| e.0)
}
