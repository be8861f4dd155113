//! The command line of `cargo xtask`: parses the verb and hands over to its module.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::data::Part;

/// The chores of the flambeau workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check everything that must hold before a commit.
    ///
    /// Runs every step even if an earlier one failed: formatting, the floors of the workspace,
    /// clippy with warnings denied, the tests, and the documentation with warnings denied. Prints
    /// one line a step at the end; the exit status is 0 only if all of them passed.
    Check {
        /// Leave the tests out.
        #[arg(long)]
        fast: bool,
    },
    /// Run the criterion benches of all crates and print one table at the end.
    ///
    /// The table gives, for each benchmark that ran, the median time of one iteration and the
    /// 95 % confidence interval of that median.
    Bench {
        /// Run only the benchmarks whose name contains this (a regular expression).
        filter: Option<String>,
    },
    /// Make the shipped data again from its sources.
    ///
    /// The digits come out of a scikit-learn wheel, which pip fetches from the Python package
    /// index (needs `python3 -m pip`). The spoken digits are made by `espeak-ng` (on Debian: `apt
    /// install espeak-ng`). The same sources give the same bytes; data/README.md says which
    /// versions made what is in the repository.
    Data {
        /// Make only this part.
        #[arg(long, value_enum)]
        only: Option<Part>,
        /// Write to this folder instead of the repository's data/.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Read the digits from this scikit-learn wheel instead of fetching one.
        #[arg(long, value_name = "FILE")]
        wheel: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Check { fast } => xtask::check::run(fast),
        Verb::Bench { filter } => xtask::bench::run(filter.as_deref()),
        Verb::Data { only, out, wheel } => xtask::data::run(only, out, wheel.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
