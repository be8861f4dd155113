//! `cargo xtask check`: everything that must hold before a commit, in one command.
//!
//! All steps run even if one fails, so that one run tells all there is to mend; the summary at the
//! end has a line for each. The CI runs this same list.

use std::time::{Duration, Instant};

use crate::{Result, cargo, includes, layers, names, run as run_command, show, workspace_root};

/// One thing to check.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
    /// Whether `--fast` leaves it out.
    slow: bool,
}

/// Cheap steps first: who has forgotten to format should not wait for the tests to hear it.
const STEPS: &[Step] = &[
    Step { name: "format", run: format, slow: false },
    Step { name: "layers", run: hold_layers, slow: false },
    Step { name: "clippy", run: clippy, slow: false },
    Step { name: "arm", run: arm, slow: false },
    Step { name: "package", run: package, slow: false },
    Step { name: "apart", run: apart, slow: false },
    Step { name: "tests", run: tests, slow: true },
    Step { name: "publish", run: publish, slow: true },
    Step { name: "docs", run: docs, slow: false },
    // From what the step before wrote.
    Step { name: "names", run: names::check, slow: false },
];

/// How a step ended.
struct Report {
    name: &'static str,
    took: Duration,
    fault: Option<String>,
}

/// Runs the steps and prints the summary.
///
/// # Errors
/// If a step failed; the message counts them.
pub fn run(fast: bool) -> Result<()> {
    let mut reports = Vec::new();
    for step in STEPS.iter().filter(|step| !(fast && step.slow)) {
        println!("\n== {}", step.name);
        let start = Instant::now();
        let fault = (step.run)().err().map(|error| error.to_string());
        if let Some(fault) = &fault {
            eprintln!("{fault}");
        }
        reports.push(Report { name: step.name, took: start.elapsed(), fault });
    }
    println!("\n{}", summary(&reports));
    let failed = reports.iter().filter(|report| report.fault.is_some()).count();
    if failed > 0 {
        return Err(format!("{failed} of {} steps failed", reports.len()).into());
    }
    Ok(())
}

/// One line a step: how it ended, its name, the seconds it took.
fn summary(reports: &[Report]) -> String {
    let line = |report: &Report| {
        let outcome = if report.fault.is_some() { "FAILED" } else { "ok" };
        format!("{outcome:<7} {:<8} {:>7.1} s", report.name, report.took.as_secs_f64())
    };
    reports.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn cargo_step(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = cargo();
    command.args(arguments).envs(environment.iter().copied());
    println!("{}", show(&command));
    run_command(&mut command)
}

fn format() -> Result<()> {
    cargo_step(&["fmt", "--all", "--check"], &[])
}

fn hold_layers() -> Result<()> {
    layers::check(&workspace_root().join("Cargo.toml"))
}

fn clippy() -> Result<()> {
    cargo_step(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])
}

/// The kernels for NEON compile, where Rust has what is needed for that.
fn arm() -> Result<()> {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = std::process::Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let folder = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if !asked.status.success() || !std::path::Path::new(&folder).is_dir() {
        println!("SKIPPED: Rust's target {TARGET} is not installed (rustup target add {TARGET})");
        return Ok(());
    }
    cargo_step(&["check", "--package=flambeau-tensor", "--target", TARGET], &[])
}

/// The facade without its default features. That single crates serve without it, the packages in `tests` try.
fn apart() -> Result<()> {
    cargo_step(&["check", "--package=flambeau", "--all-targets", "--no-default-features"], &[])
}

/// The README's test command.
fn tests() -> Result<()> {
    cargo_step(&["test", "--workspace"], &[])
}

/// What would be published, of which nothing may be missing or reach out of its crate.
const PACKAGE: &[&str] = &[
    "package",
    "--workspace",
    "--exclude=flambeau-bench",
    "--exclude=flambeau-bench-worker",
    "--exclude=flambeau-examples",
    "--exclude=flambeau-mirror",
    "--exclude=flambeau-parity",
    "--exclude=flambeau-test-tensor",
    "--exclude=flambeau-test-training",
    "--exclude=flambeau-test-vision",
    "--exclude=xtask",
    "--allow-dirty",
];

/// The packages are put together, and no file in one includes one outside of it, except for the tests of the book.
fn package() -> Result<()> {
    cargo_step(&[PACKAGE, &["--no-verify"]].concat(), &[])?;
    includes::check(&workspace_root().join("crates"))
}

/// The packages are compiled from what is in them alone.
fn publish() -> Result<()> {
    cargo_step(PACKAGE, &[])
}

fn docs() -> Result<()> {
    cargo_step(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_a_line_a_step_and_tells_failure_from_success() {
        let report = |name, fault: Option<&str>| Report {
            name,
            took: Duration::from_millis(1250),
            fault: fault.map(str::to_owned),
        };
        let text = summary(&[report("format", None), report("clippy", Some("a warning"))]);
        assert_eq!(text, "ok      format       1.2 s\nFAILED  clippy       1.2 s");
    }

    #[test]
    fn fast_leaves_out_the_tests_alone() {
        let kept: Vec<_> = STEPS.iter().filter(|step| !step.slow).map(|step| step.name).collect();
        assert_eq!(kept, ["format", "layers", "clippy", "arm", "package", "apart", "docs", "names"]);
    }
}
