//! Our side of `cargo xtask bench --against`; how it is spoken to says `flambeau-bench-worker`.

mod case;
mod cases;
mod networks;
mod roofs;

use flambeau_bench_worker::Side;

fn side() -> Side<flambeau::Error> {
    Side {
        set_threads: flambeau::set_num_threads,
        seed: || flambeau::manual_seed(0),
        roofs: roofs::measure,
        ..Side::new(env!("CARGO_PKG_VERSION"), cases::groups())
    }
}

fn main() -> std::io::Result<()> {
    side().run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_bench_worker::{Clock, time};

    #[test]
    fn each_case_has_a_name_of_its_own_and_one_that_runs() {
        let side = side();
        let mut names: Vec<&str> = side.groups.iter().flat_map(|(_, cases)| cases).map(|case| case.name).collect();
        let count = names.len();
        assert!(names.iter().all(|name| !name.contains(' ')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let mut work = side.make("tiny_mlp_train").unwrap();
        assert!(time(&mut work, 0.0, Clock::Wall).unwrap() > 0.0);
    }
}
