//! `cargo xtask bench --against torch,candle,burn`: the same work here and in another framework, measured in turns.
//!
//! Each side is a worker, a process kept alive that is told a case and a time and answers with how long one call took
//! (`bench/worker` says how they are spoken to). Both take turns in short rounds, case by case: what disturbs
//! the machine disturbs both, and the median of the rounds' ratios holds where times alone would not. Several peers come
//! one after the other.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use clap::ValueEnum;
use serde_json::Value;

use super::report::{Measured, Report, Row};
use crate::{Result, cargo, reference, run as run_command, show, target_directory, workspace_root};

/// A framework to compare with.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Peer {
    /// PyTorch, eager.
    Torch,
    /// candle, on the CPU.
    Candle,
    /// burn, on its CPU backend `flex`.
    Burn,
}

/// What time is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum Clock {
    /// The clock on the wall.
    #[default]
    Wall,
    /// The processes' CPU time, which holds beside busy neighbours; with one thread.
    Cpu,
}

impl Clock {
    pub(super) fn name(self) -> &'static str {
        match self {
            Clock::Wall => "wall",
            Clock::Cpu => "cpu",
        }
    }
}

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// With whom.
    pub against: Vec<Peer>,
    /// Only the cases whose `group/name` contains this.
    pub filter: Option<String>,
    /// Threads that one op may use.
    pub threads: usize,
    /// What time is measured by.
    pub clock: Clock,
    /// Rounds of a case.
    pub rounds: usize,
    /// Seconds that a side has in a round.
    pub seconds: f64,
    /// Where the results go as JSON.
    pub json: Option<PathBuf>,
    /// A Python that has PyTorch, instead of the one that `cargo xtask reference` makes.
    pub python: Option<PathBuf>,
}

/// Runs the cases, prints the table while they run, and leaves a page of bars.
///
/// # Errors
/// If a side does not build or start, nothing matches the filter, or a file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    if options.clock == Clock::Cpu && options.threads != 1 {
        return Err("--clock cpu adds up the time of all threads: it needs --threads 1".into());
    }
    let theirs: Vec<Start> = options.against.iter().map(|peer| peer.start(options)).collect::<Result<_>>()?;
    run_command(cargo().args(["build", "--release", "--package", "flambeau-bench"]))?;
    let program = target_directory()?.join("release").join("flambeau-bench");
    let ours = Start { name: "flambeau", program, arguments: Vec::new() };
    let mut reports = Vec::new();
    for theirs in &theirs {
        let report = compare(options, &ours, theirs)?;
        println!("\n{}", report.summary());
        let page = target_directory()?.join(format!("bench-{}.html", theirs.name));
        std::fs::write(&page, report.page()).map_err(|error| format!("{}: {error}", page.display()))?;
        println!("\n{}", page.display());
        reports.push(report.json());
        if let Some(file) = &options.json {
            let text = serde_json::to_string_pretty(&together(&reports))?;
            std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

/// One report as it is, several as a list.
fn together(reports: &[Value]) -> Value {
    match reports {
        [report] => report.clone(),
        reports => Value::from(reports),
    }
}

impl Peer {
    fn start(self, options: &Options) -> Result<Start> {
        match self {
            Peer::Torch => {
                let made = reference::python()?;
                let python = options.python.clone().unwrap_or_else(|| made.clone());
                if !python.is_file() {
                    let missing = format!("PyTorch is not there: no {}", python.display());
                    return Err(format!("{missing}\n`cargo xtask reference` makes it").into());
                }
                let worker = workspace_root().join("bench/torch/worker.py");
                Ok(Start { name: "torch", program: python, arguments: vec![worker] })
            }
            Peer::Candle => build("candle"),
            Peer::Burn => build("burn"),
        }
    }
}

/// Builds a peer of the workspace `bench/peers`, whose folder tells cargo to compile for this machine.
fn build(name: &'static str) -> Result<Start> {
    let (package, target) = (format!("peer-{name}"), target_directory()?.join("peers"));
    let mut command = cargo();
    command.current_dir(workspace_root().join("bench/peers"));
    command.args(["build", "--release", "--locked", "--package", &package, "--target-dir"]).arg(&target);
    run_command(&mut command)?;
    Ok(Start { name, program: target.join("release").join(package), arguments: Vec::new() })
}

/// How a side's processes are started.
struct Start {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
}

impl Start {
    fn command(&self, options: &Options) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(options.threads.to_string()).arg(options.clock.name());
        // The peers in Rust take their threads from rayon's pool.
        command.env("RAYON_NUM_THREADS", options.threads.to_string());
        command
    }

    /// A process of its own that runs a case `times` times: what it took in nanoseconds, and the most bytes it held.
    fn once(&self, options: &Options, name: &str, times: usize) -> Result<(f64, f64)> {
        let mut command = self.command(options);
        command.args(["once", name, &times.to_string()]);
        let start = Instant::now();
        let output = command.output().map_err(|error| format!("cannot start `{}`: {error}", show(&command)))?;
        let wall = start.elapsed().as_nanos() as f64;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match (output.status.success(), &numbers[..]) {
            (true, [cpu, memory]) => Ok((if options.clock == Clock::Cpu { *cpu } else { wall }, *memory)),
            _ => Err(format!("`{}`: {}", show(&command), String::from_utf8_lossy(&output.stderr).trim()).into()),
        }
    }
}

/// A side's process, kept alive.
struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn new(start: &Start, options: &Options) -> Result<Worker> {
        let mut command = start.command(options);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot start `{}`: {error}", show(command)))?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (to, from) = to.zip(from).ok_or("a worker without pipes")?;
        Ok(Worker { child, to, from: BufReader::new(from) })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(format!("a worker ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim().to_owned())
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        writeln!(self.to, "{question}")?;
        self.to.flush()?;
        self.line()
    }

    /// The lines of an answer that ends with `end`, in words.
    fn table(&mut self, question: &str) -> Result<Vec<Vec<String>>> {
        let mut lines = Vec::new();
        let mut line = self.ask(question)?;
        while line != "end" {
            lines.push(line.split(' ').map(str::to_owned).collect());
            line = self.line()?;
        }
        Ok(lines)
    }

    fn time(&mut self, name: &str, seconds: f64) -> Result<Answer> {
        let answer = self.ask(&format!("{name} {seconds}"))?;
        Ok(match answer.split_once(' ') {
            Some(("ok", time)) => Answer::Value(time.parse()?),
            Some(("error", text)) => Answer::Error(text.to_owned()),
            _ if answer == "missing" => Answer::Missing,
            _ => return Err(format!("a worker answered `{answer}`").into()),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends by itself when its input does; a stuck one is not waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a side says of a case.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Value(f64),
    Missing,
    Error(String),
}

/// A case as our worker lists it.
struct Case {
    group: String,
    name: String,
    kind: String,
    bytes: f64,
    flops: f64,
}

fn compare(options: &Options, ours: &Start, theirs: &Start) -> Result<Report> {
    let (mut we, mut they) = (Worker::new(ours, options)?, Worker::new(theirs, options)?);
    let mut cases = Vec::new();
    for words in we.table("list")? {
        if let [group, name, kind, bytes, flops] = &words[..] {
            let wanted = options.filter.as_ref().is_none_or(|filter| format!("{group}/{name}").contains(filter));
            let (group, name, kind) = (group.clone(), name.clone(), kind.clone());
            cases.extend(wanted.then_some(Case { group, name, kind, bytes: bytes.parse()?, flops: flops.parse()? }));
        }
    }
    if cases.is_empty() {
        return Err(format!("no case matches `{}`", options.filter.as_deref().unwrap_or("")).into());
    }
    let roofs: Vec<(String, f64)> = we
        .table("roofs")?
        .iter()
        .filter_map(|words| Some((words.first()?.clone(), words.get(1)?.parse().ok()?)))
        .collect();
    let mut report = Report {
        peer: format!("{} {}", theirs.name, they.ask("version")?),
        machine: machine(),
        threads: options.threads,
        clock: options.clock.name(),
        roofs,
        rows: Vec::new(),
    };
    println!("{}", report.heading());
    for case in &cases {
        let outcome = match &case.kind[..] {
            "time" => in_turns(
                options.rounds,
                || we.time(&case.name, options.seconds),
                || they.time(&case.name, options.seconds),
            )?,
            kind => {
                let once = |side: &Start| {
                    let once = side.once(options, &case.name, if kind == "memory" { 3 } else { 1 });
                    Ok(once.map_or_else(
                        |error| Answer::Error(error.to_string()),
                        |(time, memory)| Answer::Value(if kind == "memory" { memory } else { time }),
                    ))
                };
                in_turns(options.rounds.min(5), || once(ours), || once(theirs))?
            }
        };
        let roof = |measured: &Measured| report.share(case.bytes, case.flops, measured.ours);
        let (group, name, is_memory) = (case.group.clone(), case.name.clone(), case.kind == "memory");
        let share = outcome.as_ref().ok().and_then(roof);
        let row = Row { group, name, is_memory, outcome, share };
        println!("{row}");
        report.rows.push(row);
    }
    Ok(report)
}

/// Lets both sides take turns, and takes the medians. The inner error says why there are none.
fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> Result<Answer>,
    mut theirs: impl FnMut() -> Result<Answer>,
) -> Result<Result<Measured, String>> {
    let mut pairs = Vec::new();
    for _ in 0..rounds.max(1) {
        match (ours()?, theirs()?) {
            (Answer::Value(a), Answer::Value(b)) => pairs.push((a, b)),
            (Answer::Error(text), _) => return Ok(Err(format!("error here: {text}"))),
            (Answer::Missing, _) => return Ok(Err("missing here".to_owned())),
            (_, Answer::Error(text)) => return Ok(Err(format!("error there: {text}"))),
            (_, Answer::Missing) => return Ok(Err("missing there".to_owned())),
        }
    }
    let median = |f: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(f).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Ok(Ok(Measured { ours: median(|p| p.0), theirs: median(|p| p.1), ratio: median(|p| p.1 / p.0) }))
}

/// The processor's name, where the system says it.
fn machine() -> String {
    let info = std::fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{model}, {cores} cores, {}", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let (mut ours, mut theirs) = ([1.0, 10.0, 2.0].into_iter(), [3.0, 20.0, 8.0].into_iter());
        let next = |side: &mut dyn Iterator<Item = f64>| Ok(Answer::Value(side.next().unwrap()));
        let measured = in_turns(3, || next(&mut ours), || Ok(Answer::Value(theirs.next().unwrap()))).unwrap().unwrap();
        assert_eq!(measured, Measured { ours: 2.0, theirs: 8.0, ratio: 3.0 });
    }

    #[test]
    fn who_has_no_such_case_is_named() {
        let one = || Ok(Answer::Value(1.0));
        assert_eq!(in_turns(3, one, || Ok(Answer::Missing)).unwrap(), Err("missing there".to_owned()));
        let broken = || Ok(Answer::Error("out of paper".to_owned()));
        assert_eq!(in_turns(3, broken, one).unwrap(), Err("error here: out of paper".to_owned()));
    }

    #[test]
    fn several_reports_are_a_list() {
        let (one, two) = (Value::from("torch"), Value::from("burn"));
        assert_eq!(together(std::slice::from_ref(&one)), one);
        assert_eq!(together(&[one.clone(), two.clone()]), Value::from(vec![one, two]));
    }

    #[test]
    fn without_pytorch_the_message_names_the_command() {
        let options = Options {
            against: vec![Peer::Torch],
            filter: None,
            threads: 1,
            clock: Clock::Cpu,
            rounds: 1,
            seconds: 0.0,
            json: None,
            python: Some(PathBuf::from("/nowhere/python")),
        };
        let error = run(&options).unwrap_err().to_string();
        assert!(error.contains("/nowhere/python") && error.contains("cargo xtask reference"), "{error}");
        let error = run(&Options { threads: 2, ..options }).unwrap_err().to_string();
        assert!(error.contains("--threads 1"), "{error}");
    }
}
