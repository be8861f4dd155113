//! The cases by group.

mod layers;
mod ops;
mod steps;

use flambeau_bench_worker::Groups;

/// All cases, group by group.
pub fn groups() -> Groups<candle_core::Error> {
    vec![
        ("dispatch", ops::dispatch()),
        ("elementwise", ops::elementwise()),
        ("rows", ops::rows()),
        ("indexing", ops::indexing()),
        ("matmul", ops::matmul()),
        ("conv", layers::conv()),
        ("pool_and_norm", layers::pool()),
        ("attention", layers::attention()),
        ("recurrent", layers::recurrent()),
        ("steps", steps::cases()),
    ]
}
