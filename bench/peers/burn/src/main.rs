//! burn's side of `cargo xtask bench --against burn`: cases of `bench/src/cases`, by the same names, on its CPU backend
//! `flex`.
//!
//! What burn has in one op or layer is that, what it lacks is written in its other ops, and what has no sensible form in
//! these is left out. Threads are those of rayon, whose number the environment says.

mod case;
mod cases;
mod networks;

use flambeau_bench_worker::Side;

/// That of the manifest.
const VERSION: &str = "0.22.1 (flex)";

fn side() -> Side<case::Fault> {
    Side { seed: || case::device().seed(0), ..Side::new(VERSION, cases::groups()) }
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
        let (version, _) = VERSION.split_once(' ').unwrap();
        assert!(include_str!("../Cargo.toml").contains(&format!("burn = {{ version = \"={version}\"")));
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
