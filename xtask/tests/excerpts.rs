//! Holds the walk-through of the book to the sources: code that cannot be compiled where it stands, since it is part of a
//! crate, is an excerpt of the file that its first line names.

use std::fs;

/// The fenced blocks whose first line is a path of this workspace, `(path, lines)`, without their indentation.
fn excerpts(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut block: Option<Vec<String>> = None;
    for line in page.lines().map(str::trim) {
        match (&mut block, line) {
            (None, "```rust,ignore") => block = Some(Vec::new()),
            (Some(lines), "```") => {
                let path = lines.first().and_then(|l| l.strip_prefix("// ")).unwrap_or_default().to_owned();
                found.push((path, lines.drain(..).skip(1).filter(|l| !l.is_empty()).collect()));
                block = None;
            }
            (Some(lines), line) => lines.push(line.to_owned()),
            _ => {}
        }
    }
    found
}

/// The first line that does not stand in `source` where the ones before it lead.
fn missing<'a>(lines: &'a [String], source: &str) -> Option<&'a str> {
    let source: Vec<&str> = source.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let mut place = 0;
    for line in lines {
        match source[place..].iter().position(|l| l == line) {
            Some(i) => place += i + 1,
            None => return Some(line),
        }
    }
    None
}

#[test]
fn the_walk_through_shows_code_of_the_workspace() {
    let root = xtask::workspace_root();
    let page = fs::read_to_string(root.join("docs/contributing.md")).expect("the page");
    let all = excerpts(&page);
    assert!(all.len() >= 4, "the walk-through has its blocks");
    for (path, lines) in all {
        assert!(lines.len() > 2, "an excerpt of {path:?}");
        let source = fs::read_to_string(root.join(&path)).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert_eq!(missing(&lines, &source), None, "{path} has other code than docs/contributing.md");
    }
}

#[test]
fn a_line_that_is_not_there_is_seen() {
    let page = "```rust,ignore\n// a.rs\nfn f() {\n    1\n}\n```\n";
    let [(path, lines)] = &excerpts(page)[..] else { panic!("one block") };
    assert_eq!(path, "a.rs");
    assert_eq!(missing(lines, "fn e() {}\n\nfn f() {\n        1\n}\n"), None);
    assert_eq!(missing(lines, "fn f() {\n    2\n}\n"), Some("1"));
}
