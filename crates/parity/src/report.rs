//! What a run says: one row a subject, a summary by tier, and the same as JSON.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value as Json, json};

use crate::{
    case::Kind,
    run::{CaseReport, Verdict},
};

/// How much a subject weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Names without a prefix, and `nn.functional`.
    Core,
    /// `linalg`, `fft`, `special`, `signal`, `masked`.
    Second,
    /// Names another thing's inside, or has no fixed answer.
    NotCounted,
}

impl Tier {
    /// The tier of an op's name.
    pub fn of(name: &str) -> Self {
        const EXACT: [&str; 4] = ["randn_like", "rand_like", "new_empty", "chalf"];
        const DRAWN: [&str; 8] =
            ["cauchy", "exponential", "geometric", "log_normal", "normal", "uniform", "bernoulli", "multinomial"];
        const BEGIN: [&str; 11] = [
            "empty",
            "new_empty",
            "resize_",
            "randint",
            "_",
            "native_",
            "torch.ops.",
            "jiterator",
            "normal.",
            "normal_",
            "nn.functional.linear_cross_entropy",
        ];
        const BEYOND_CORE: [&str; 5] = ["linalg.", "fft.", "special.", "signal.", "masked."];
        // `__add__` and its like are operators, not insides.
        let operator = name.starts_with("__");
        if EXACT.contains(&name)
            || DRAWN.contains(&name)
            || (!operator && BEGIN.iter().any(|b| name.starts_with(b)))
            || name.ends_with("_lowrank")
            || name.ends_with("_copy")
            || name.contains("triton")
        {
            Self::NotCounted
        } else if BEYOND_CORE.iter().any(|b| name.starts_with(b)) {
            Self::Second
        } else {
            Self::Core
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "core",
            Self::Second => "second",
            Self::NotCounted => "not counted",
        })
    }
}

/// One subject's row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Cases recorded.
    pub cases: usize,
    /// Cases whose results are PyTorch's.
    pub forward_ok: usize,
    /// Cases with recorded gradients.
    pub grad_cases: usize,
    /// Of those, the ones whose gradients are PyTorch's.
    pub grad_ok: usize,
    /// Cases that could not be expressed.
    pub unsupported: usize,
    /// The first thing that went wrong.
    pub first_failure: Option<String>,
    /// Every wrong or unsupported part of a case, in words.
    pub notes: Vec<String>,
}

impl Row {
    /// Counts up the cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = (usize, &'a CaseReport)>) -> Self {
        let mut row = Self::default();
        for (i, case) in cases {
            row.cases += 1;
            row.forward_ok += usize::from(case.forward.is_right());
            row.grad_cases += usize::from(case.gradients.is_some());
            row.grad_ok += usize::from(case.gradients.as_ref().is_some_and(Verdict::is_right));
            let parts = [("forward", Some(&case.forward)), ("gradients", case.gradients.as_ref())];
            let mut unsupported = false;
            for (part, verdict) in parts {
                let place = format!("{} case {i} {part}", case.about);
                match verdict {
                    Some(Verdict::Wrong(why)) => {
                        let note = format!("{place} wrong: {why}");
                        row.first_failure.get_or_insert_with(|| note.clone());
                        row.notes.push(note);
                    }
                    Some(Verdict::Unsupported(why)) if !unsupported => {
                        unsupported = true;
                        row.notes.push(format!("{place} unsupported: {why}"));
                    }
                    _ => {}
                }
            }
            row.unsupported += usize::from(unsupported);
        }
        row
    }

    /// Every case right, gradients included.
    pub fn all_right(&self) -> bool {
        self.forward_ok == self.cases && self.grad_ok == self.grad_cases
    }

    /// Nothing of it could be expressed.
    pub fn all_unsupported(&self) -> bool {
        self.unsupported == self.cases
    }

    fn json(&self) -> Json {
        json!({
            "cases": self.cases,
            "forward_ok": self.forward_ok,
            "grad_cases": self.grad_cases,
            "grad_ok": self.grad_ok,
            "unsupported": self.unsupported,
            "first_failure": self.first_failure,
        })
    }
}

/// What became of one subject.
struct Entry {
    name: String,
    kind: Kind,
    row: Row,
    /// For `random`: its calls and modules.
    parts: BTreeMap<String, Row>,
}

/// A whole run.
#[derive(Default)]
pub struct Report {
    entries: Vec<Entry>,
    /// Subjects that could not be read: name and what is wrong.
    pub unreadable: Vec<(String, String)>,
}

impl Report {
    /// Adds a subject that was run.
    pub fn add(&mut self, subject: &str, kind: &Kind, cases: &[CaseReport]) {
        let mut parts: BTreeMap<String, Vec<(usize, &CaseReport)>> = BTreeMap::new();
        for (i, case) in cases.iter().enumerate().filter(|(_, c)| c.about != subject) {
            parts.entry(case.about.clone()).or_default().push((i, case));
        }
        let parts = parts.into_iter().map(|(about, cases)| (about, Row::of(cases))).collect();
        let row = Row::of(cases.iter().enumerate());
        self.entries.push(Entry { name: subject.to_owned(), kind: kind.clone(), row, parts });
    }

    /// The rows, in the order the subjects were run.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.entries.iter().map(|e| (e.name.as_str(), &e.row))
    }

    /// Whether anything was wrong or could not be read.
    pub fn failed(&self) -> bool {
        !self.unreadable.is_empty() || self.rows().any(|(_, row)| row.first_failure.is_some())
    }

    /// `{subject: {cases, forward_ok, grad_cases, grad_ok, unsupported, first_failure}}`; a subject
    /// of several calls (`random`) has them under `parts` besides.
    pub fn json(&self) -> Json {
        let mut subjects = Map::new();
        for Entry { name, row, parts, .. } in &self.entries {
            let mut row = row.json();
            if !parts.is_empty() {
                row["parts"] = parts.iter().map(|(k, v)| (k.clone(), v.json())).collect();
            }
            subjects.insert(name.clone(), row);
        }
        for (name, why) in &self.unreadable {
            let row = Row { first_failure: Some(why.clone()), ..Row::default() };
            subjects.insert(name.clone(), row.json());
        }
        Json::Object(subjects)
    }

    /// The table and the summary; with `verbose` every wrong or unsupported case as well.
    pub fn text(&self, verbose: bool) -> String {
        let mut lines = vec![line("subject", "cases", "forward", "gradients", "unsupported")];
        for Entry { name, row, parts, .. } in &self.entries {
            lines.push(row_line(name, row));
            for (about, part) in parts {
                lines.push(row_line(&format!("  {about}"), part));
            }
            match &row.first_failure {
                _ if verbose => lines.extend(row.notes.iter().map(|n| format!("    {n}"))),
                Some(why) => lines.push(format!("    {why}")),
                None => {}
            }
        }
        for (name, why) in &self.unreadable {
            lines.push(format!("{name}: cannot be read: {why}"));
        }
        lines.push(String::new());
        lines.push(summary_head());
        for tier in [Tier::Core, Tier::Second, Tier::NotCounted] {
            lines.push(self.summary(&tier.to_string(), |e| e.kind == Kind::Op && Tier::of(&e.name) == tier));
        }
        let mut kinds: Vec<&Kind> = self.entries.iter().map(|e| &e.kind).filter(|k| **k != Kind::Op).collect();
        kinds.dedup();
        lines.extend(kinds.into_iter().map(|kind| self.summary(kind.name(), |e| e.kind == *kind)));
        lines.push(self.summary("all", |_| true));
        lines.join("\n")
    }

    fn summary(&self, title: &str, belongs: impl Fn(&Entry) -> bool) -> String {
        let rows: Vec<&Row> = self.entries.iter().filter(|e| belongs(e)).map(|e| &e.row).collect();
        let count = |test: &dyn Fn(&Row) -> bool| rows.iter().filter(|r| test(r)).count();
        let sum = |field: &dyn Fn(&Row) -> usize| rows.iter().map(|r| field(r)).sum::<usize>();
        format!(
            "{title:<12} {:>8} {:>10} {:>7} {:>13} {:>13} {:>13} {:>13}",
            rows.len(),
            count(&|r| r.all_right()),
            count(&|r| r.first_failure.is_some()),
            count(&|r| r.all_unsupported()),
            format!("{}/{}", sum(&|r| r.forward_ok), sum(&|r| r.cases)),
            format!("{}/{}", sum(&|r| r.grad_ok), sum(&|r| r.grad_cases)),
            sum(&|r| r.unsupported),
        )
    }
}

fn summary_head() -> String {
    format!(
        "{:<12} {:>8} {:>10} {:>7} {:>13} {:>13} {:>13} {:>13}",
        "tier", "subjects", "all right", "wrong", "unsupported", "forward", "gradients", "cases unsup."
    )
}

fn row_line(name: &str, row: &Row) -> String {
    let gradients = match row.grad_cases {
        0 => "-".to_owned(),
        n => format!("{}/{n}", row.grad_ok),
    };
    let forward = format!("{}/{}", row.forward_ok, row.cases);
    line(name, &row.cases.to_string(), &forward, &gradients, &row.unsupported.to_string())
}

fn line(name: &str, cases: &str, forward: &str, gradients: &str, unsupported: &str) -> String {
    format!("{name:<52} {cases:>5} {forward:>9} {gradients:>9} {unsupported:>11}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(forward: Verdict, gradients: Option<Verdict>) -> CaseReport {
        CaseReport { about: "op".into(), forward, gradients }
    }

    #[test]
    fn cases_are_counted() {
        let wrong = || Verdict::Wrong("no".into());
        let unsupported = || Verdict::Unsupported("cannot".into());
        let cases = [
            case(Verdict::Right, Some(Verdict::Right)),
            case(Verdict::Right, Some(wrong())),
            case(unsupported(), Some(unsupported())),
            case(wrong(), None),
        ];
        let mut report = Report::default();
        report.add("op", &Kind::Op, &cases);
        let (_, row) = report.rows().next().expect("one subject");
        assert_eq!((row.cases, row.forward_ok, row.unsupported), (4, 2, 1));
        assert_eq!((row.grad_cases, row.grad_ok), (3, 1));
        assert_eq!(row.first_failure.as_deref(), Some("op case 1 gradients wrong: no"));
        assert_eq!(row.notes.len(), 3);
        assert!(report.failed() && !row.all_right() && !row.all_unsupported());
        assert_eq!(report.json()["op"]["grad_ok"], 1);
    }

    #[test]
    fn tiers() {
        for name in ["add", "__radd__", "nn.functional.relu", "normalize", "zero_", "norm"] {
            assert_eq!(Tier::of(name), Tier::Core, "{name}");
        }
        for name in ["linalg.inv", "fft.rfft", "masked.sum", "special.zeta"] {
            assert_eq!(Tier::of(name), Tier::Second, "{name}");
        }
        for name in ["empty_like", "normal.in_place", "_chunk_cat", "bmm.triton_optimized", "view_copy", "chalf"] {
            assert_eq!(Tier::of(name), Tier::NotCounted, "{name}");
        }
    }
}
