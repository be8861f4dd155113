//! What a comparison found: a table for the terminal, a page of bars, and JSON.

use std::fmt;
use std::fmt::Write;

use serde_json::{Value, json};

use super::time;

/// One case's medians: nanoseconds of a call, or bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Of this workspace.
    pub ours: f64,
    /// Of the other framework.
    pub theirs: f64,
    /// Of the rounds' ratios, theirs by ours: above 1 where ours is better.
    pub ratio: f64,
}

/// A case and what came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The group it belongs to.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Bytes instead of nanoseconds?
    pub is_memory: bool,
    /// The medians, or why there are none.
    pub outcome: std::result::Result<Measured, String>,
    /// The share of a roof that it reaches, and the roof's name.
    pub share: Option<(f64, &'static str)>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(Measured { ours, theirs, ratio }) => {
                let value = if self.is_memory { memory } else { time };
                write!(f, "{:<27} {:>10} {:>10} {ratio:>7.2}", self.name, value(*ours), value(*theirs))?;
                match self.share {
                    Some((share, roof)) => write!(f, "  {:>3.0} % of {roof}", 100.0 * share),
                    None => Ok(()),
                }
            }
            Err(why) => write!(f, "{:<27} {why}", self.name),
        }
    }
}

/// Bytes in mebibytes.
fn memory(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / (1 << 20) as f64)
}

/// A whole comparison.
#[derive(Clone, Debug)]
pub struct Report {
    /// The other framework and its version.
    pub peer: String,
    /// Processor and system.
    pub machine: String,
    /// Threads of one op.
    pub threads: usize,
    /// What time was measured by.
    pub clock: &'static str,
    /// What the machine can do at most: operations and bytes a second, by name.
    pub roofs: Vec<(String, f64)>,
    /// The cases.
    pub rows: Vec<Row>,
}

impl Report {
    /// The lines before the table.
    pub fn heading(&self) -> String {
        let mut text = format!("flambeau and {}, {} threads, {} time\n", self.peer, self.threads, self.clock);
        let _ = writeln!(text, "{}", self.machine);
        for (name, value) in &self.roofs {
            let unit = if name == "copy" { "GB/s" } else { "GFLOP/s" };
            let _ = writeln!(text, "{name}: {:.1} {unit}", value / 1e9);
        }
        let _ = write!(text, "\n{:<27} {:>10} {:>10} {:>7}  roof", "case", "ours", "theirs", "ratio");
        text
    }

    fn roof(&self, name: &str) -> Option<f64> {
        self.roofs.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The share of the roof that a case reaches which must move `bytes` or compute `flops`, 0 where that says nothing.
    pub fn share(&self, bytes: f64, flops: f64, nanoseconds: f64) -> Option<(f64, &'static str)> {
        let of = |name: &'static str, work: f64| {
            (work > 0.0).then(|| Some((work / nanoseconds * 1e9 / self.roof(name)?, name))).flatten()
        };
        of("fma", flops).or_else(|| of("copy", bytes))
    }

    /// The groups in the order of the cases, each with the ratios of its cases.
    fn groups(&self) -> Vec<(&str, Vec<f64>)> {
        let mut groups: Vec<(&str, Vec<f64>)> = Vec::new();
        for row in &self.rows {
            if groups.last().is_none_or(|(name, _)| *name != row.group) {
                groups.push((&row.group, Vec::new()));
            }
            if let (Ok(measured), Some((_, ratios))) = (&row.outcome, groups.last_mut()) {
                ratios.push(measured.ratio);
            }
        }
        groups
    }

    /// Geometric mean, cases and cases below 1, by group and of all.
    pub fn summary(&self) -> String {
        let groups = self.groups();
        let all = groups.iter().flat_map(|(_, ratios)| ratios.iter().copied()).collect();
        let mut text = format!("{:<16} {:>6} {:>8} {:>8}", "group", "cases", "geomean", "below 1");
        for (name, ratios) in groups.iter().chain([&("all", all)]) {
            let below = ratios.iter().filter(|ratio| **ratio < 1.0).count();
            let _ = write!(text, "\n{name:<16} {:>6} {:>8.2} {below:>8}", ratios.len(), mean(ratios));
        }
        text
    }

    /// Everything as JSON: times in nanoseconds, memory in bytes.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut value = json!({ "group": row.group, "name": row.name });
            match &row.outcome {
                Ok(m) => {
                    let unit = if row.is_memory { "bytes" } else { "ns" };
                    value["unit"] = json!(unit);
                    value["ours"] = json!(m.ours);
                    value["theirs"] = json!(m.theirs);
                    value["ratio"] = json!(m.ratio);
                }
                Err(why) => value["missing"] = json!(why),
            }
            if let Some((share, roof)) = row.share {
                value["roof"] = json!({ "name": roof, "share": share });
            }
            value
        };
        let groups = self.groups().into_iter().map(|(name, ratios)| (name.to_owned(), json!(mean(&ratios))));
        json!({
            "peer": self.peer,
            "machine": self.machine,
            "threads": self.threads,
            "clock": self.clock,
            "roofs": self.roofs.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
            "geometric_means": groups.collect::<serde_json::Map<_, _>>(),
            "cases": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    /// A page with a bar for each case, to the right of the middle where ours is better.
    pub fn page(&self) -> String {
        let mut rows = String::new();
        let mut group = "";
        for row in &self.rows {
            if row.group != group {
                group = &row.group;
                let ratios = self.groups().into_iter().find(|(name, _)| *name == group).map_or(Vec::new(), |g| g.1);
                let mean = if ratios.is_empty() { String::new() } else { format!("{:.2}", mean(&ratios)) };
                let _ = writeln!(rows, "<tr class=group><td colspan=3>{group}<td>{mean}<td><td></tr>");
            }
            let _ = match &row.outcome {
                Ok(m) => {
                    let value = if row.is_memory { memory } else { time };
                    // A factor of ten is the whole half.
                    let length = (m.ratio.log10() * 50.0).clamp(-50.0, 50.0);
                    let (left, class) = if length < 0.0 { (50.0 + length, "worse") } else { (50.0, "better") };
                    let share = row.share.map_or(String::new(), |(s, roof)| format!("{:.0} % of {roof}", 100.0 * s));
                    writeln!(
                        rows,
                        "<tr><td>{}<td>{}<td>{}<td>{:.2}<td class=bar><i class={class} style=\"left:{left:.1}%;width:{:.1}%\"></i><td>{share}</tr>",
                        row.name,
                        value(m.ours),
                        value(m.theirs),
                        m.ratio,
                        length.abs().max(0.3),
                    )
                }
                Err(why) => writeln!(rows, "<tr><td>{}<td colspan=5>{}</tr>", row.name, escape(why)),
            };
        }
        PAGE.replace("{heading}", &escape(&self.heading())).replace("{rows}", &rows)
    }
}

const PAGE: &str = "<!doctype html>
<meta charset=utf-8>
<title>flambeau side by side</title>
<style>
body { font: 14px system-ui, sans-serif; margin: 2em; }
table { border-collapse: collapse; }
td, th { padding: 1px 10px; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
.group td { font-weight: bold; padding-top: 12px; border-bottom: 1px solid #999; }
.bar { position: relative; width: 400px; background: linear-gradient(#888, #888) center / 1px 100% no-repeat; }
.bar i { position: absolute; top: 3px; bottom: 3px; }
.better { background: #3a8f5c; }
.worse { background: #c2513f; }
</style>
<pre>{heading}</pre>
<table>
<tr><th>case<th>ours<th>theirs<th>ratio<th>0.1 … 10<th>roof</tr>
{rows}</table>
";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn mean(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len().max(1) as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let row = |group: &str, name: &str, outcome| Row {
            group: group.to_owned(),
            name: name.to_owned(),
            is_memory: false,
            outcome,
            share: None,
        };
        let ok = |ratio: f64| Ok(Measured { ours: 1000.0, theirs: 1000.0 * ratio, ratio });
        Report {
            peer: "torch 2".to_owned(),
            machine: "a <machine>".to_owned(),
            threads: 1,
            clock: "cpu",
            roofs: vec![("fma".to_owned(), 100e9), ("copy".to_owned(), 20e9)],
            rows: vec![row("a", "x", ok(4.0)), row("a", "y", ok(0.25)), row("b", "z", Err("missing there".to_owned()))],
        }
    }

    #[test]
    fn means_are_geometric_and_what_is_missing_does_not_count() {
        let text = report().summary();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_eq!(line("a ").split_whitespace().collect::<Vec<_>>(), ["a", "2", "1.00", "1"]);
        assert_eq!(line("b ").split_whitespace().collect::<Vec<_>>(), ["b", "0", "1.00", "0"]);
        assert_eq!(line("all").split_whitespace().collect::<Vec<_>>(), ["all", "2", "1.00", "1"]);
    }

    #[test]
    fn the_roof_is_that_of_what_the_case_does() {
        // 50 operations a nanosecond, 10 bytes a nanosecond.
        assert_eq!(report().share(0.0, 50_000.0, 1000.0), Some((0.5, "fma")));
        assert_eq!(report().share(10_000.0, 0.0, 1000.0), Some((0.5, "copy")));
        assert_eq!(report().share(0.0, 0.0, 1000.0), None);
    }

    #[test]
    fn page_and_json_have_every_case() {
        let (page, json) = (report().page(), report().json());
        for name in ["x", "y", "z"] {
            assert!(page.contains(&format!("<td>{name}<td")), "{page}");
            assert!(json["cases"].as_array().unwrap().iter().any(|case| case["name"] == *name));
        }
        assert!(page.contains("a &lt;machine&gt;") && page.contains("missing there"));
        assert_eq!(json["cases"][1]["ratio"], 0.25);
        assert_eq!(json["geometric_means"]["a"], 1.0);
    }
}
