//! candle's side of `cargo xtask bench --against candle`: cases of `bench/src/cases`, by the same names.
//!
//! What candle has in one op for the CPU is that op, what it lacks is written in its other ops, and what has no sensible
//! form in these is left out. Numbers of rows are `u32`, as candle's own code has them. Threads are those of rayon,
//! whose number the environment says.

mod case;
mod cases;
mod networks;

use flambeau_bench_worker::Side;

/// That of the manifest.
const VERSION: &str = "0.11.1";

fn side() -> Side<candle_core::Error> {
    Side::new(VERSION, cases::groups())
}

fn main() -> std::io::Result<()> {
    side().run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_bench_worker::{Clock, time};

    #[test]
    fn the_version_is_the_one_that_is_built() {
        assert!(include_str!("../Cargo.toml").contains(&format!("candle-core = \"={VERSION}\"")));
    }

    /// Shapes and gradients are looked at where a case is made.
    #[test]
    fn each_case_runs() {
        let side = side();
        for case in side.groups.iter().flat_map(|(_, cases)| cases) {
            let mut work = side.make(case.name).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            time(&mut work, 0.0, Clock::Wall).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
    }
}
