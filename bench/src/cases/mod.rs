//! The cases by group, named as in the workers of the other frameworks.

mod conv;
mod dispatch;
mod elementwise;
mod indexing;
mod matmul;
mod pool;
mod rows;
mod sequences;
mod sound;
mod steps;
mod transforms;
mod vision;

use flambeau_bench_worker::Groups;

/// All cases, group by group.
pub fn groups() -> Groups<flambeau::Error> {
    vec![
        ("dispatch", dispatch::cases()),
        ("elementwise", elementwise::cases()),
        ("rows", rows::cases()),
        ("indexing", indexing::cases()),
        ("matmul", matmul::cases()),
        ("conv", conv::cases()),
        ("pool_and_norm", pool::cases()),
        ("attention", sequences::attention()),
        ("recurrent", sequences::recurrent()),
        ("transforms", transforms::cases()),
        ("sound", sound::cases()),
        ("vision", vision::cases()),
        ("steps", steps::cases()),
        ("memory", steps::memory()),
    ]
}
