//! `cargo xtask bench`: runs the criterion benches of every crate and gathers what they measured
//! into one table, which criterion itself prints only bench by bench. [`against`] measures the same
//! work here and in another framework.

pub mod against;
pub mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cargo_metadata::MetadataCommand;
use serde_json::Value;

use crate::{Result, cargo, run as run_command, workspace_root};

/// What one benchmark measured, in nanoseconds an iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The benchmark's full name, group first.
    pub name: String,
    /// The median of the samples.
    pub median: f64,
    /// The lower end of the median's confidence interval.
    pub low: f64,
    /// The upper end of the median's confidence interval.
    pub high: f64,
}

/// Runs the benches whose name matches `filter` (all without one) and prints the table.
///
/// # Errors
/// If the workspace cannot be read, a bench does not build or run, or nothing matched. What was
/// measured before is printed all the same.
pub fn run(filter: Option<&str>) -> Result<()> {
    let (benches, results) = find()?;
    if benches.is_empty() {
        return Err("no crate of the workspace has a criterion bench".into());
    }
    let start = SystemTime::now();
    let mut faults = Vec::new();
    for (package, bench) in &benches {
        let mut command = cargo();
        command.args(["bench", "--package", package, "--bench", bench]);
        command.args(filter.iter().flat_map(|filter| ["--", filter]));
        command.env("CRITERION_HOME", &results);
        if let Err(error) = run_command(&mut command) {
            eprintln!("{error}");
            faults.push(format!("{package}/{bench}"));
        }
    }
    let measured = collect(&results, start)?;
    println!("\n{}", table(&measured));
    if !faults.is_empty() {
        return Err(format!("these benches failed: {}", faults.join(", ")).into());
    }
    match filter {
        Some(filter) if measured.is_empty() => Err(format!("no benchmark matches `{filter}`").into()),
        _ => Ok(()),
    }
}

/// The criterion benches of the workspace, as (package, bench), and criterion's results folder.
fn find() -> Result<(Vec<(String, String)>, PathBuf)> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace_root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()?;
    let mut benches = Vec::new();
    for package in &metadata.packages {
        if !package.dependencies.iter().any(|used| used.name == "criterion") {
            continue;
        }
        for target in package.targets.iter().filter(|target| target.is_bench()) {
            benches.push((package.name.to_string(), target.name.clone()));
        }
    }
    benches.sort();
    Ok((benches, metadata.target_directory.into_std_path_buf().join("criterion")))
}

/// Reads every `new/estimates.json` under `folder` that was written at or after `since`, sorted by
/// name. Older ones belong to earlier runs and are left out.
///
/// # Errors
/// If a folder or file cannot be read, or a file is not what criterion writes; the message names it.
pub fn collect(folder: &Path, since: SystemTime) -> Result<Vec<Measured>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        let estimates = folder.join("estimates.json");
        let is_new = folder.file_name().is_some_and(|name| name == "new");
        if is_new && estimates.is_file() && fs::metadata(&estimates)?.modified()? >= since {
            found.push(read(&folder).map_err(|error| format!("{}: {error}", folder.display()))?);
        }
    }
    found.sort_by(|a: &Measured, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Reads the two files that criterion leaves of one benchmark.
fn read(folder: &Path) -> Result<Measured> {
    let parse = |file: &str| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(folder.join(file))?)?) };
    let estimates = parse("estimates.json")?;
    let benchmark = parse("benchmark.json")?;
    let number = |pointer: &str| {
        let missing = || format!("estimates.json has no number at {pointer}");
        estimates.pointer(pointer).and_then(Value::as_f64).ok_or_else(missing)
    };
    let name = benchmark.get("full_id").and_then(Value::as_str);
    Ok(Measured {
        name: name.ok_or("benchmark.json has no full_id")?.to_owned(),
        median: number("/median/point_estimate")?,
        low: number("/median/confidence_interval/lower_bound")?,
        high: number("/median/confidence_interval/upper_bound")?,
    })
}

/// The table: name, median, and the interval low..high.
pub fn table(measured: &[Measured]) -> String {
    let width = measured.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(9);
    let mut lines = vec![format!("{:<width$}  {:>10}  low..high", "benchmark", "median")];
    for row in measured {
        let (median, low, high) = (time(row.median), time(row.low), time(row.high));
        lines.push(format!("{:<width$}  {median:>10}  {low}..{high}", row.name));
    }
    lines.join("\n")
}

/// Nanoseconds in the unit that keeps one to three digits before the point.
fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn leave(folder: &Path, median: f64) {
        fs::create_dir_all(folder).unwrap();
        let estimates = format!(
            r#"{{"mean": {{"point_estimate": 1.0}}, "median": {{"point_estimate": {median},
                "confidence_interval": {{"lower_bound": 90.0, "upper_bound": 1500.0}}}}}}"#
        );
        fs::write(folder.join("estimates.json"), estimates).unwrap();
        let name = r#"{"full_id": "dispatch/add", "title": "dispatch/add"}"#;
        fs::write(folder.join("benchmark.json"), name).unwrap();
    }

    #[test]
    fn reads_what_this_run_left_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        leave(&home.path().join("dispatch/add/new"), 100.5);
        leave(&home.path().join("dispatch/add/base"), 7.0);
        fs::create_dir_all(home.path().join("dispatch/report")).unwrap();
        let rows = collect(home.path(), SystemTime::UNIX_EPOCH).unwrap();
        let expected = Measured { name: "dispatch/add".to_owned(), median: 100.5, low: 90.0, high: 1500.0 };
        assert_eq!(rows, [expected]);
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(collect(home.path(), later).unwrap(), []);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let home = tempfile::tempdir().unwrap();
        leave(&home.path().join("sum/new"), 1.0);
        fs::write(home.path().join("sum/new/estimates.json"), "{}").unwrap();
        let error = collect(home.path(), SystemTime::UNIX_EPOCH).unwrap_err().to_string();
        assert!(error.contains("sum") && error.contains("/median/point_estimate"), "{error}");
    }

    #[test]
    fn the_table_lines_up_and_chooses_units() {
        let row = |name: &str, scale: f64| Measured {
            name: name.to_owned(),
            median: 2.0 * scale,
            low: scale,
            high: 3.5 * scale,
        };
        assert_eq!(
            table(&[row("add", 10.0), row("matmul/1024", 1e6)]),
            "benchmark        median  low..high\n\
             add            20.00 ns  10.00 ns..35.00 ns\n\
             matmul/1024     2.00 ms  1.00 ms..3.50 ms"
        );
    }
}
