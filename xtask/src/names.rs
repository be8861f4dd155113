//! `cargo xtask docs`: the page of PyTorch's names, of each of which it says what it is here, or why it is not there.
//!
//! PyTorch's names stand in `xtask/pytorch/names.txt`, as its modules list them. What flambeau has is read from the pages
//! that rustdoc writes of the facade, so that functions which macros make are seen, too. A name that both have needs no more; any other
//! has its line in `xtask/pytorch/elsewhere.txt`:
//!
//! ```text
//! absolute = abs                     another name; the form with an underscore, in place, goes along
//! torch.cov_copy = Tensor::cov       only this one of several names that end alike
//! ! Sparse tensors are not part of flambeau: to_sparse*, hspmm
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{Result, cargo, run as run_command, target_directory, workspace_root};

/// The crate whose documentation counts: the facade, whose paths are what a program writes.
const CRATE: &str = "flambeau";

const PAGE: &str = "docs/pytorch-names.md";

/// The page that lists what there is.
const REFERENCE: &str = "docs/reference.md";

/// The modules whose functions, and whose types that a program makes, the page of what there is lists, each one.
const LISTED: [&str; 27] = [
    "",
    "audio::datasets",
    "audio::functional",
    "audio::models",
    "audio::transforms",
    "data",
    "distributions",
    "fft",
    "linalg",
    "masked",
    "nn",
    "nn::functional",
    "nn::init",
    "nn::utils",
    "nn::utils::parametrize",
    "nn::utils::prune",
    "nn::utils::rnn",
    "optim",
    "random",
    "signal::windows",
    "special",
    "vision::datasets",
    "vision::io",
    "vision::models",
    "vision::ops",
    "vision::transforms",
    "vision::utils",
];

/// Writes the page.
///
/// # Errors
/// Where the documentation does not build, or a name has neither a counterpart nor a reason.
pub fn write() -> Result<()> {
    let mut command = cargo();
    command.args(["doc", "--no-deps", "--package", CRATE]);
    run_command(&mut command)?;
    let page = page()?;
    fs::write(workspace_root().join(PAGE), page)?;
    println!("{PAGE} is written");
    Ok(())
}

/// Is the page as it would be written from the documentation that was built last?
///
/// # Errors
/// Where it is not, or as for [`write()`].
pub fn check() -> Result<()> {
    let (stands, right) = (fs::read_to_string(workspace_root().join(PAGE))?, page()?);
    if stands != right {
        return Err(format!("{PAGE} is stale: `cargo xtask docs` writes it again").into());
    }
    let unlisted = unlisted(&fs::read_to_string(workspace_root().join(REFERENCE))?, &all_items()?);
    if !unlisted.is_empty() {
        return Err(format!("{REFERENCE} leaves out {}", unlisted.join(", ")).into());
    }
    Ok(())
}

/// The functions and types of the modules [`LISTED`] that a page does not name: of the types those that have a
/// builder. What ends in `_with` stands beside the function without.
fn unlisted(page: &str, all: &str) -> Vec<String> {
    let words: BTreeSet<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let paths: BTreeSet<(&str, bool)> = items(all)
        .map(|(target, path)| (path, target.rsplit('/').next().unwrap_or_default().starts_with("fn.")))
        .collect();
    let built: BTreeSet<&str> = paths.iter().filter_map(|(path, _)| path.strip_suffix("Builder")).collect();
    let names = paths.iter().filter(|(path, function)| {
        let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
        let counts = if *function { !name.ends_with("_with") } else { built.contains(path) };
        counts && LISTED.contains(&module) && !words.contains(name)
    });
    names.map(|(path, _)| (*path).to_owned()).collect()
}

/// Rustdoc's list of all items.
fn all_items() -> Result<String> {
    let all = target_directory()?.join("doc").join(CRATE).join("all.html");
    fs::read_to_string(&all).map_err(|e| format!("{}: {e}; `cargo xtask docs` makes it", all.display()).into())
}

fn page() -> Result<String> {
    let from = workspace_root().join("xtask/pytorch");
    let names = fs::read_to_string(from.join("names.txt"))?;
    let rules = Rules::read(&fs::read_to_string(from.join("elsewhere.txt"))?)?;
    let ours = documented(&target_directory()?.join("doc"))?;
    rules.check(&ours)?;
    Ok(Table::of(&names, &rules, &ours)?.text())
}

/// What rustdoc's pages list: functions, types and macros by their paths, methods as `Tensor::abs`.
fn documented(pages: &Path) -> Result<BTreeSet<String>> {
    let pages = pages.join(CRATE);
    let all = all_items()?;
    let mut found = BTreeSet::new();
    for (target, path) in items(&all) {
        // The prelude says again what has its place elsewhere.
        if path.starts_with("prelude::") {
            continue;
        }
        if !target.contains("fn.") {
            let (page, of) = (fs::read_to_string(pages.join(target))?, path.rsplit("::").next().unwrap_or_default());
            found.extend(methods(&page).map(|method| format!("{of}::{method}")));
        }
        found.insert(path.to_owned());
    }
    Ok(found)
}

/// The pages and the paths of what a crate's list of all items names.
fn items(page: &str) -> impl Iterator<Item = (&str, &str)> {
    const KINDS: [&str; 6] = ["fn.", "struct.", "enum.", "trait.", "type.", "macro."];
    page.split("<a href=\"").skip(1).filter_map(|rest| {
        let (target, rest) = rest.split_once('"')?;
        let file = target.rsplit('/').next()?;
        KINDS.iter().any(|kind| file.starts_with(kind)).then_some(())?;
        let (text, _) = rest.split_once('>')?.1.split_once('<')?;
        Some((target, text))
    })
}

/// The methods of a type's or trait's page.
fn methods(page: &str) -> impl Iterator<Item = &str> {
    let after = |mark: &'static str| page.split(mark).skip(1).filter_map(|rest| rest.split_once('"'));
    after("id=\"method.").chain(after("id=\"tymethod.")).map(|(name, _)| name)
}

/// What `elsewhere.txt` says.
#[derive(Debug, Default)]
struct Rules {
    /// PyTorch's name, and what it is here.
    other: BTreeMap<String, String>,
    /// Patterns of names that are not there, and why, in the order of the file.
    missing: Vec<(Vec<String>, String)>,
}

impl Rules {
    fn read(text: &str) -> Result<Self> {
        let mut rules = Self::default();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let fault = || format!("elsewhere.txt: `{line}` is neither `name = ours` nor `! reason: names`");
            if let Some(reason) = line.strip_prefix("! ") {
                let (reason, names) = reason.rsplit_once(": ").ok_or_else(fault)?;
                let names = names.split(',').map(|n| n.trim().to_owned()).collect();
                rules.missing.push((names, reason.to_owned()));
            } else {
                let (name, ours) = line.split_once(" = ").ok_or_else(fault)?;
                if rules.other.insert(name.trim().to_owned(), ours.trim().to_owned()).is_some() {
                    return Err(format!("elsewhere.txt: `{name}` stands there twice").into());
                }
            }
        }
        Ok(rules)
    }

    /// What the right sides name is there: each word before a parenthesis or an exclamation mark, or a path that stands
    /// alone.
    fn check(&self, ours: &BTreeSet<String>) -> Result<()> {
        let known: BTreeSet<&str> = ours.iter().filter_map(|o| o.rsplit("::").next()).collect();
        for (name, text) in &self.other {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let called = text.match_indices(['(', '!']).filter_map(|(at, _)| text[..at].rsplit(|c| !is_word(c)).next());
            let alone = text.chars().all(|c| is_word(c) || c == ':').then(|| text.rsplit(':').next()).flatten();
            // Words of Rust's own begin with a capital letter where they are called: `Some(…)`.
            let called = called.filter(|word| word.starts_with(char::is_lowercase));
            for word in called.chain(alone) {
                if !known.contains(word) {
                    return Err(format!("elsewhere.txt: `{name}` is said to be `{text}`, there is no `{word}`").into());
                }
            }
        }
        Ok(())
    }

    /// A line about a name that PyTorch does not have is a slip of the pen.
    fn all_serve(&self, names: &str) -> Result<()> {
        let names: Vec<(&str, &str)> = names.lines().filter_map(|l| Some((l, l.rsplit_once('.')?.1))).collect();
        let patterns = self.missing.iter().flat_map(|(patterns, _)| patterns).chain(self.other.keys());
        for pattern in patterns {
            let in_place = format!("{pattern}_");
            if !names.iter().any(|(full, base)| fits(pattern, full, base) || *base == in_place) {
                return Err(format!("elsewhere.txt: PyTorch has no `{pattern}`").into());
            }
        }
        Ok(())
    }

    /// What a name is here, if it is another one; in place, where that is there, too.
    fn other(&self, full: &str, base: &str, ours: &BTreeSet<String>) -> Option<String> {
        let found = |name: &str| self.other.get(name).cloned();
        found(full).or_else(|| found(base)).or_else(|| {
            let in_place = found(base.strip_suffix('_')?)? + "_";
            ours.contains(&format!("Tensor::{in_place}")).then_some(in_place)
        })
    }

    /// Why a name is not there: the number of the reason.
    fn missing(&self, full: &str, base: &str) -> Option<usize> {
        self.missing.iter().position(|(patterns, _)| patterns.iter().any(|pattern| fits(pattern, full, base)))
    }
}

/// Whether a name, with its module or without, is of a pattern, in which one asterisk stands for anything.
fn fits(pattern: &str, full: &str, base: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == full || pattern == base,
        Some((start, end)) => [full, base]
            .iter()
            .any(|name| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)),
    }
}

/// Where a name of PyTorch's is looked for, by its module.
fn places(module: &str, base: &str) -> Vec<String> {
    let (method, tape) = (format!("Tensor::{base}"), format!("Autograd::{base}"));
    let path = |module: &str| format!("{module}::{base}");
    match module {
        "torch" => vec![method, base.to_owned(), path("nn::functional"), path("linalg"), path("random"), path("func")],
        "torch.Tensor" => vec![method, tape, base.to_owned(), path("nn::functional"), path("linalg"), path("special")],
        "torch.nn.functional" => vec![path("nn::functional"), method],
        "torch.linalg" => vec![path("linalg"), method],
        "torch.special" => vec![path("special"), method],
        "torch.optim.lr_scheduler" => vec![path("optim"), path("optim::lr_scheduler")],
        "torch.utils.data" => vec![path("data")],
        "torch.utils.checkpoint" | "torch.autograd.graph" => vec![path("autograd")],
        "torch.autograd.profiler" => vec![path("profiler")],
        _ => vec![path(&module.trim_start_matches("torch.").replace('.', "::"))],
    }
}

/// What became of PyTorch's names.
#[derive(Debug, Default)]
struct Table {
    /// By module: those that have the same name here.
    same: BTreeMap<String, Vec<String>>,
    /// Those that have another: what it is, and all the names.
    other: BTreeMap<String, Vec<String>>,
    /// Why, and the names that are not there.
    missing: Vec<(String, Vec<String>)>,
    count: usize,
}

impl Table {
    fn of(names: &str, rules: &Rules, ours: &BTreeSet<String>) -> Result<Self> {
        let reasons = rules.missing.iter().map(|(_, why)| (why.clone(), Vec::new())).collect();
        let mut table = Self { missing: reasons, ..Self::default() };
        let mut unknown = Vec::new();
        rules.all_serve(names)?;
        for full in names.lines().filter(|l| !l.is_empty()) {
            let (module, base) = full.rsplit_once('.').ok_or_else(|| format!("names.txt: `{full}` has no module"))?;
            table.count += 1;
            if let Some(ours) = rules.other(full, base, ours) {
                table.other.entry(ours).or_default().push(full.to_owned());
            } else if places(module, base).iter().any(|place| ours.contains(place)) {
                table.same.entry(module.to_owned()).or_default().push(base.to_owned());
            } else if let Some(why) = rules.missing(full, base) {
                table.missing[why].1.push(full.to_owned());
            } else {
                unknown.push(full);
            }
        }
        if !unknown.is_empty() {
            let (count, list) = (unknown.len(), unknown.join(" "));
            return Err(
                format!("{count} names have neither a counterpart nor a reason in elsewhere.txt: {list}").into()
            );
        }
        Ok(table)
    }

    fn text(&self) -> String {
        let same: usize = self.same.values().map(Vec::len).sum();
        let other: usize = self.other.values().map(Vec::len).sum();
        let missing: usize = self.missing.iter().map(|m| m.1.len()).sum();
        let mut page = format!(
            "# PyTorch's names\n\nThe documented functions and classes of PyTorch 2.15, {} names: {same} have the same \
             name here, {other} another one,\n{missing} are not there. This page is written by `cargo xtask docs` from \
             what the crate's documentation lists. How calls\nare written stands in [Coming from \
             PyTorch](coming-from-pytorch.md).\n",
            self.count
        );
        let list = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        page += "\n## Under the same name\n\nA method of `Tensor`, or a function or type of the module that is called alike: `torch.nn` is `nn`, `torch.utils.data` is\n`data`, schedules stand in `optim`.\n";
        for (module, names) in &self.same {
            let _ = writeln!(page, "\n**`{module}`** ({}): {}", names.len(), list(names));
        }
        page += "\n## Under another name\n\n| PyTorch | flambeau |\n| --- | --- |\n";
        for (ours, names) in &self.other {
            let _ = writeln!(page, "| {} | `{ours}` |", list(names));
        }
        page += "\n## Not there\n\n| PyTorch | why |\n| --- | --- |\n";
        for (why, names) in self.missing.iter().filter(|m| !m.1.is_empty()) {
            let _ = writeln!(page, "| {} | {why} |", list(names));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "# a comment\nabsolute = abs\n! Sparse tensors are not part: to_sparse*, torch.hspmm\n";

    fn ours() -> BTreeSet<String> {
        let page = r#"<section id="method.abs"></section><section id="tymethod.abs_"></section>"#;
        let all = r#"<li><a href="linalg/fn.svd.html">linalg::svd</a></li><li><a href="a/index.html">a</a></li>"#;
        methods(page).map(|m| format!("Tensor::{m}")).chain(items(all).map(|(_, path)| path.to_owned())).collect()
    }

    #[test]
    fn every_name_finds_its_place() -> Result<()> {
        let names = "torch.abs\ntorch.Tensor.absolute\ntorch.Tensor.absolute_\ntorch.linalg.svd\ntorch.Tensor.to_sparse_csr\ntorch.hspmm\n";
        let table = Table::of(names, &Rules::read(RULES)?, &ours())?;
        assert_eq!(table.same["torch"], ["abs"]);
        assert_eq!(table.same["torch.linalg"], ["svd"]);
        assert_eq!(table.other["abs"], ["torch.Tensor.absolute"]);
        assert_eq!(table.other["abs_"], ["torch.Tensor.absolute_"]);
        assert_eq!(table.missing[0].1, ["torch.Tensor.to_sparse_csr", "torch.hspmm"]);
        assert!(table.text().contains("6 names: 2 have the same name here, 2 another one,\n2 are not"));
        Ok(())
    }

    #[test]
    fn a_name_without_a_counterpart_or_a_reason_is_an_error() -> Result<()> {
        let fault = Table::of("torch.fft.fft\n", &Rules::default(), &ours()).expect_err("there is none");
        assert!(fault.to_string().contains("torch.fft.fft"), "{fault}");
        Ok(())
    }

    #[test]
    fn what_the_page_leaves_out_is_told() {
        let all = [
            "nn/struct.Linear.html\">nn::Linear",
            "nn/struct.LinearBuilder.html\">nn::LinearBuilder",
            "nn/struct.Gates.html\">nn::Gates",
            "nn/functional/fn.fold.html\">nn::functional::fold",
            "nn/functional/fn.fold_with.html\">nn::functional::fold_with",
            "extend/fn.interpret.html\">extend::interpret",
        ];
        let all: String = all.iter().map(|item| format!("<li><a href=\"{item}</a></li>")).collect();
        assert_eq!(unlisted("`use nn::{Linear}`, unfold", &all), ["nn::functional::fold"]);
        assert_eq!(unlisted("fold", &all), ["nn::Linear"]);
    }

    #[test]
    fn what_a_rule_names_must_be_there() -> Result<()> {
        let fault = Table::of("torch.abs\n", &Rules::read("arccos = abs")?, &ours()).expect_err("of nothing");
        assert!(fault.to_string().contains("no `arccos`"), "{fault}");
        let fault = Rules::read("absolute = magnitude")?.check(&ours()).expect_err("there is none");
        assert!(fault.to_string().contains("no `magnitude`"), "{fault}");
        assert!(Rules::read("absolute = x.abs()")?.check(&ours()).is_ok());
        Ok(())
    }
}
