//! Our side of `cargo xtask bench --against`: a process that is told a case and a time and answers with how long one
//! call of it took.
//!
//! It is started with a number of threads and a clock (`wall` or `cpu`) and reads lines:
//!
//! - `list`: answers a line a case, `group name kind bytes flops`, and then `end`;
//! - `roofs`: answers a line a roof, `name value`, and then `end`;
//! - `NAME SECONDS`: times the case for so long and answers `ok NANOSECONDS` (the median), or `error TEXT`.
//!
//! Started with `once NAME TIMES` behind threads and clock it runs the case so many times and answers `NANOSECONDS
//! BYTES`: CPU time since the process began, and the most memory it held. The workers of other frameworks (`torch/`)
//! answer the last two of these, and `missing` where they have no such case.

mod case;
mod cases;
mod clock;
mod networks;
mod roofs;

use case::{Case, Work};
use clock::Clock;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || io::Error::other("usage: flambeau-bench THREADS wall|cpu [once NAME TIMES]");
    let (threads, clock) = match &arguments[..] {
        [threads, clock, ..] => (threads.parse().map_err(|_| usage())?, Clock::named(clock).ok_or_else(usage)?),
        _ => return Err(usage()),
    };
    flambeau::set_num_threads(threads);
    let groups = cases::groups();
    match &arguments[2..] {
        [] => serve(&groups, threads, clock),
        [once, name, times] if once == "once" => {
            let case = find(&groups, name).ok_or_else(|| io::Error::other(format!("there is no case `{name}`")))?;
            let times = times.parse().map_err(|_| usage())?;
            let mut work = case.make().map_err(io::Error::other)?;
            for _ in 0..times {
                work().map_err(io::Error::other)?;
            }
            println!("{} {}", Clock::Cpu.now(), clock::peak_memory());
            Ok(())
        }
        _ => Err(usage()),
    }
}

fn find<'a>(groups: &'a [(&'static str, Vec<Case>)], name: &str) -> Option<&'a Case> {
    groups.iter().flat_map(|(_, cases)| cases).find(|case| case.name == name)
}

/// Answers lines until there are no more.
fn serve(groups: &[(&'static str, Vec<Case>)], threads: usize, clock: Clock) -> io::Result<()> {
    let mut out = io::stdout();
    // The case asked for last, with what it works on.
    let mut ready: Option<(String, Work)> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["list"] => {
                for (group, cases) in groups {
                    for Case { name, kind, bytes, flops, .. } in cases {
                        writeln!(out, "{group} {name} {} {bytes} {flops}", kind.name())?;
                    }
                }
                writeln!(out, "end")?;
            }
            ["roofs"] => {
                for (name, value) in roofs::measure(threads, clock) {
                    writeln!(out, "{name} {value}")?;
                }
                writeln!(out, "end")?;
            }
            [name, seconds] => match answer(groups, &mut ready, name, seconds, clock) {
                Ok(nanoseconds) => writeln!(out, "ok {nanoseconds}")?,
                Err(error) => writeln!(out, "error {}", error.to_string().replace('\n', " "))?,
            },
            _ => writeln!(out, "error cannot read `{line}`")?,
        }
        out.flush()?;
    }
    Ok(())
}

type Fault = Box<dyn std::error::Error>;

fn answer(
    groups: &[(&'static str, Vec<Case>)],
    ready: &mut Option<(String, Work)>,
    name: &str,
    seconds: &str,
    clock: Clock,
) -> Result<f64, Fault> {
    if ready.as_ref().is_none_or(|(known, _)| known != name) {
        // What the last one worked on goes first.
        *ready = None;
        let case = find(groups, name).ok_or_else(|| format!("there is no case `{name}`"))?;
        *ready = Some((name.to_owned(), case.make()?));
    }
    let (_, work) = ready.as_mut().ok_or("nothing to do")?;
    Ok(time(work, seconds.parse()?, clock)?)
}

/// Calls that are timed together take this long at least, so that the clock does not count.
const LEAST: f64 = 50_000.0;

/// The median time of a call in nanoseconds, of calls for `seconds`, three at least.
fn time(work: &mut Work, seconds: f64, clock: Clock) -> flambeau::Result<f64> {
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

    #[test]
    fn each_case_has_a_name_of_its_own_and_one_that_runs() {
        let groups = cases::groups();
        let mut names: Vec<&str> = groups.iter().flat_map(|(_, cases)| cases).map(|case| case.name).collect();
        let count = names.len();
        assert!(names.iter().all(|name| !name.contains(' ')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let mut work = find(&groups, "tiny_mlp_train").unwrap().make().unwrap();
        assert!(time(&mut work, 0.0, Clock::Wall).unwrap() > 0.0);
    }
}
