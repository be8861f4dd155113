//! A side of `cargo xtask bench --against`: a process that is told a case and a time and answers with how long one call
//! of it took.
//!
//! It is started with a number of threads and a clock (`wall` or `cpu`) and reads lines:
//!
//! - `version`: answers the framework's version;
//! - `list`: answers a line a case, `group name kind bytes flops`, and then `end`;
//! - `roofs`: answers a line a roof, `name value`, and then `end`;
//! - `NAME SECONDS`: times the case for so long and answers `ok NANOSECONDS` (the median), `missing` where there is no
//!   such case, or `error TEXT`.
//!
//! Started with `once NAME TIMES` behind threads and clock it runs the case so many times and answers `NANOSECONDS
//! BYTES`: CPU time since the process began, and the most memory it held. PyTorch's worker (`bench/torch`) answers the
//! same, but for `list` and `roofs`, which are asked of flambeau alone.
#![allow(missing_docs)]

mod case;
mod clock;

pub use case::{Case, Kind, Work};
pub use clock::Clock;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

/// Cases by group.
pub type Groups<E> = Vec<(&'static str, Vec<Case<E>>)>;

/// A framework with its cases.
pub struct Side<E> {
    pub version: &'static str,
    pub groups: Groups<E>,
    /// Told once, before any case is made.
    pub set_threads: fn(usize),
    /// Before each case is made: the same numbers at each run.
    pub seed: fn(),
    /// What the machine can do at best, by name.
    pub roofs: fn(usize, Clock) -> Vec<(&'static str, f64)>,
}

type Fault = Box<dyn Error + Send + Sync>;

impl<E: Into<Fault>> Side<E> {
    /// One that needs nothing said, and knows no roofs.
    pub fn new(version: &'static str, groups: Groups<E>) -> Side<E> {
        Side { version, groups, set_threads: |_| (), seed: || (), roofs: |_, _| Vec::new() }
    }

    /// Does what the command line says.
    ///
    /// # Errors
    /// If it cannot be read, a case that runs once fails, or a stream is closed.
    pub fn run(&self) -> io::Result<()> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let usage = || io::Error::other("usage: THREADS wall|cpu [once NAME TIMES]");
        let (threads, clock) = match &arguments[..] {
            [threads, clock, ..] => (threads.parse().map_err(|_| usage())?, Clock::named(clock).ok_or_else(usage)?),
            _ => return Err(usage()),
        };
        (self.set_threads)(threads);
        match &arguments[2..] {
            [] => self.serve(threads, clock, &mut io::stdin().lock(), &mut io::stdout()),
            [once, name, times] if once == "once" => {
                let times: usize = times.parse().map_err(|_| usage())?;
                let mut work = self.make(name).map_err(io::Error::other)?;
                for _ in 0..times {
                    work().map_err(io::Error::other)?;
                }
                println!("{} {}", Clock::Cpu.now(), clock::peak_memory());
                Ok(())
            }
            _ => Err(usage()),
        }
    }

    fn find(&self, name: &str) -> Option<&Case<E>> {
        self.groups.iter().flat_map(|(_, cases)| cases).find(|case| case.name == name)
    }

    /// Everything that the case of this name works on, ready to be called.
    ///
    /// # Errors
    /// If there is none, or it cannot be made.
    pub fn make(&self, name: &str) -> Result<Work<E>, Fault> {
        let case = self.find(name).ok_or_else(|| format!("there is no case `{name}`"))?;
        (self.seed)();
        case.make().map_err(Into::into)
    }

    /// Answers lines until there are no more.
    fn serve(&self, threads: usize, clock: Clock, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
        // The case asked for last, with what it works on.
        let mut ready: Option<(String, Work<E>)> = None;
        for line in from.lines() {
            let line = line?;
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["version"] => writeln!(to, "{}", self.version)?,
                ["list"] => {
                    for (group, cases) in &self.groups {
                        for Case { name, kind, bytes, flops, .. } in cases {
                            writeln!(to, "{group} {name} {} {bytes} {flops}", kind.name())?;
                        }
                    }
                    writeln!(to, "end")?;
                }
                ["roofs"] => {
                    for (name, value) in (self.roofs)(threads, clock) {
                        writeln!(to, "{name} {value}")?;
                    }
                    writeln!(to, "end")?;
                }
                [name, _] if self.find(name).is_none() => writeln!(to, "missing")?,
                [name, seconds] => match self.answer(&mut ready, name, seconds, clock) {
                    Ok(nanoseconds) => writeln!(to, "ok {nanoseconds}")?,
                    Err(error) => writeln!(to, "error {}", error.to_string().replace('\n', " "))?,
                },
                _ => writeln!(to, "error cannot read `{line}`")?,
            }
            to.flush()?;
        }
        Ok(())
    }

    fn answer(
        &self,
        ready: &mut Option<(String, Work<E>)>,
        name: &str,
        seconds: &str,
        clock: Clock,
    ) -> Result<f64, Fault> {
        if ready.as_ref().is_none_or(|(known, _)| known != name) {
            // What the last one worked on goes first.
            *ready = None;
            *ready = Some((name.to_owned(), self.make(name)?));
        }
        let (_, work) = ready.as_mut().ok_or("nothing to do")?;
        time(work, seconds.parse()?, clock).map_err(Into::into)
    }
}

/// Calls that are timed together take this long at least, so that the clock does not count.
const LEAST: f64 = 50_000.0;

/// The median time of a call in nanoseconds, of calls for `seconds`, three at least.
///
/// # Errors
/// Those of the call.
pub fn time<E>(work: &mut Work<E>, seconds: f64, clock: Clock) -> Result<f64, E> {
    let start = Instant::now();
    work()?;
    let together = (LEAST / start.elapsed().as_nanos().max(1) as f64).clamp(1.0, 1000.0) as usize;
    let end = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 600.0));
    let mut all = Vec::new();
    while all.len() < 3 || (Instant::now() < end && all.len() < 20_000) {
        let start = clock.now();
        for _ in 0..together {
            work()?;
        }
        all.push((clock.now() - start) / together as f64);
    }
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &str) -> Vec<String> {
        let slow = Case::new("slow", || {
            Ok(Box::new(|| {
                std::thread::sleep(Duration::from_millis(2));
                Ok(())
            }))
        });
        let broken = Case::new("broken", || Err("out of\npaper")).bytes(8).flops(2).kind(Kind::Memory);
        let side: Side<&'static str> = Side::new("1.2", vec![("first", vec![slow]), ("second", vec![broken])]);
        let mut out = Vec::new();
        side.serve(1, Clock::Wall, &mut lines.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_line_is_answered_and_a_broken_case_says_why() {
        let lines = asked("version\nlist\nroofs\nnone 1\nbroken 0\nwhat is this\nbroken 0\n");
        let expected = ["1.2", "first slow time 0 0", "second broken memory 8 2", "end", "end", "missing"];
        assert_eq!(lines[..6], expected);
        assert_eq!(lines[6..], ["error out of paper", "error cannot read `what is this`", "error out of paper"]);
    }

    #[test]
    fn a_case_is_timed_call_by_call() {
        let lines = asked("slow 0.01\nslow 0\n");
        for line in lines {
            let nanoseconds: f64 = line.strip_prefix("ok ").unwrap().parse().unwrap();
            assert!(nanoseconds > 1.9e6, "{nanoseconds}");
        }
    }
}
