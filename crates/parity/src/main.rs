//! `flambeau-parity DIR`: does flambeau compute what PyTorch computed? And `flambeau-parity pack`,
//! which makes the recordings small enough to be committed.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use flambeau_parity::{call::on_device, derivatives::check_all, pack, run_all};
use flambeau_tensor::Device;

#[derive(Parser)]
#[command(about = "Runs cases recorded from PyTorch and compares results and gradients")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Packs recordings: each folder of DIR (or DIR itself) becomes OUT/NAME.tar.zst
    Pack {
        /// A folder of recordings, or of such folders
        dir: PathBuf,
        /// Where the archives go
        out: PathBuf,
    },
}

#[derive(Args)]
struct Run {
    /// A folder of recordings, a folder of such folders, or a packed archive
    #[arg(required = true)]
    dir: Option<PathBuf>,
    /// Only subjects (or random calls) whose name contains this
    #[arg(long, value_name = "S", default_value = "")]
    only: String,
    /// Write the counts here: {subject: {cases, forward_ok, grad_cases, grad_ok, unsupported, first_failure}}
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run on the mirror device, whose ops run late and in adverse order, instead of on the CPU
    #[arg(long)]
    mirror: bool,
    /// Run on the first CUDA device; under `cargo xtask sim --` that is the simulated GPU
    #[arg(long, conflicts_with = "mirror")]
    cuda: bool,
    /// Check the derivatives of the ops on the recorded inputs instead: gradients and their gradients against differences,
    /// forward against backward, in double precision
    #[arg(long, conflicts_with_all = ["json", "mirror", "cuda"])]
    derivatives: bool,
    /// Say what is wrong or unsupported in every case, not just the first
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flambeau-parity: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was wrong.
fn start(cli: Cli) -> Result<bool, Box<dyn Error>> {
    if let Some(Command::Pack { dir, out }) = cli.command {
        for (file, size) in pack::pack(&dir, &out)? {
            println!("{} {size} bytes", file.display());
        }
        return Ok(true);
    }
    let dir = cli.run.dir.unwrap_or_default();
    if cli.run.derivatives {
        return derivatives(&dir, &cli.run.only);
    }
    let device = match (cli.run.mirror, cli.run.cuda) {
        (true, _) => flambeau_mirror::device(0),
        (_, true) => flambeau_cuda::device(0)?,
        _ => Device::Cpu,
    };
    let report = on_device(device, || run_all(&dir, &cli.run.only)).map_err(|e| format!("{}: {e}", dir.display()))?;
    println!("{}", report.text(cli.run.verbose));
    for (op, times) in if cli.run.cuda { flambeau_cuda::host_ops() } else { Vec::new() } {
        println!("{op} ran on the host {times} times");
    }
    if let Some(file) = cli.run.json {
        let text = serde_json::to_string_pretty(&report.json())?;
        fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(!report.failed())
}

/// Prints what does not hold of the derivatives.
fn derivatives(dir: &Path, only: &str) -> Result<bool, Box<dyn Error>> {
    let found = check_all(dir, only).map_err(|e| format!("{}: {e}", dir.display()))?;
    for (name, faults) in &found.faults {
        faults.iter().for_each(|fault| println!("{name} {fault}"));
    }
    println!("{} cases, {} without finite results", found.cases, found.endless);
    println!("{} ops with faults", found.faults.len());
    Ok(found.faults.is_empty())
}
