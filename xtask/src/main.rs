//! The command line of `cargo xtask`: parses the verb and hands over to its module.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::bench::against::{Clock, Options, Peer};
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
    /// Runs every step even if an earlier one failed: formatting, the layers of the workspace,
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
    ///
    /// With --against the same work runs here and in another framework instead, in turns: case by
    /// case both sides are timed in short rounds, and the ratio is the median of the rounds' ratios,
    /// above 1 where flambeau is faster.
    Bench {
        /// Run only the benchmarks whose name contains this (a regular expression; plain text in
        /// `group/case` with --against).
        filter: Option<String>,
        /// Compare with these frameworks, one after the other. `cargo xtask reference` installs PyTorch; the others are
        /// built from the workspace `bench/peers`.
        #[arg(long, value_enum, value_delimiter = ',', value_name = "PEER,…")]
        against: Vec<Peer>,
        /// Threads that an op uses on both sides.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..), requires = "against")]
        threads: u16,
        /// Measure by the wall's clock, or by the processes' CPU time (with one thread).
        #[arg(long, value_enum, default_value_t, requires = "against")]
        clock: Clock,
        /// Rounds of each case.
        #[arg(long, default_value_t = 5, requires = "against")]
        rounds: usize,
        /// Seconds that each side has in a round.
        #[arg(long, default_value_t = 0.2, requires = "against")]
        seconds: f64,
        /// Write the results to this file, too: an object, of several peers a list.
        #[arg(long, value_name = "FILE", requires = "against")]
        json: Option<PathBuf>,
        /// The Python that has PyTorch, instead of the one that `cargo xtask reference` makes.
        #[arg(long, value_name = "FILE", requires = "against")]
        python: Option<PathBuf>,
    },
    /// Make a Python environment with PyTorch under target/, for `bench --against torch`.
    Reference {
        /// This version of PyTorch instead of 2.11.0.
        #[arg(long, value_name = "VERSION")]
        torch: Option<String>,
        /// Where pip looks for packages.
        #[arg(long, value_name = "URL")]
        index: Option<String>,
    },
    /// Make the shipped data again from its sources.
    ///
    /// The digits come out of a scikit-learn wheel, which pip fetches from the Python package
    /// index (needs `python3 -m pip`), the play out of the source release of Brotli, the photographs out of a scikit-image
    /// wheel, Fashion-MNIST out of a Debian package (needs `apt-get` and `dpkg-deb`). The spoken digits are made by `espeak-ng` (on Debian: `apt install espeak-ng`). The same sources give the same bytes; data/README.md says which
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
    /// Compile the CUDA kernels again: crates/cuda/kernels/*.cu into the archives that flambeau-cuda carries.
    ///
    /// Needs NVRTC 12.8 and the headers of its toolkit, as the Python wheels nvidia-cuda-nvrtc-cu12 and
    /// nvidia-cuda-runtime-cu12 have them; no GPU, no nvcc, no C++ compiler.
    Kernels {
        /// The folder `nvidia` of the wheels, or a toolkit's (else FLAMBEAU_CUDA_TOOLKIT, or /usr/local/cuda).
        #[arg(long, value_name = "DIR")]
        toolkit: Option<PathBuf>,
        /// Compile only this family.
        #[arg(long, value_name = "FAMILY")]
        only: Option<String>,
        /// Compute capabilities to make machine code for, too, as 80,90; other devices take the PTX.
        #[arg(long, value_delimiter = ',')]
        capabilities: Vec<u32>,
    },
    /// Write docs/pytorch-names.md again: PyTorch's names, and what each is here.
    ///
    /// Builds the documentation of the crates, which tells what there is; a name that has no counterpart needs a reason in
    /// xtask/pytorch/elsewhere.txt.
    Docs,
    /// Run a program on the simulated GPU: cargo xtask sim -- COMMAND.
    Sim {
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Check { fast } => xtask::check::run(fast),
        Verb::Bench { filter, against, .. } if against.is_empty() => xtask::bench::run(filter.as_deref()),
        Verb::Bench { filter, against, threads, clock, rounds, seconds, json, python } => {
            let threads = usize::from(threads);
            xtask::bench::against::run(&Options { against, filter, threads, clock, rounds, seconds, json, python })
        }
        Verb::Reference { torch, index } => xtask::reference::run(torch.as_deref(), index.as_deref()),
        Verb::Data { only, out, wheel } => xtask::data::run(only, out, wheel.as_deref()),
        Verb::Kernels { toolkit, only, capabilities } => {
            xtask::kernels::run(toolkit.as_deref(), only.as_deref(), &capabilities)
        }
        Verb::Docs => xtask::names::write(),
        Verb::Sim { command } => xtask::sim::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
