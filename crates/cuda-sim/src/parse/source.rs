//! The outermost level of a module's text.

use super::Declared;

/// A function or kernel, its body not yet read.
#[derive(Debug)]
pub(crate) struct Function {
    pub name: String,
    pub entry: bool,
    pub params: Vec<Declared>,
    pub results: Vec<Declared>,
    /// Read when somebody asks for the kernel.
    pub body: String,
    pub max_threads: Option<u32>,
}

pub(super) enum Item {
    Variable(String),
    Shared(String),
    Function(Function),
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Open,
    Close,
    Label(String),
    /// An instruction or a directive, without its semicolon.
    Line(String),
}

fn without_comments(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        clean.push_str(&rest[..at]);
        rest = rest[at..].find("*/").map_or("", |end| &rest[at + end + 2..]);
    }
    clean.push_str(rest);
    let lines: Vec<&str> = clean.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    lines.join("\n")
}

/// Splits a module into its items.
pub(super) fn items(text: &str) -> Result<Vec<Item>, String> {
    let text = without_comments(text);
    if !text.trim_start().starts_with(".version") {
        return Err("no PTX: it does not begin with `.version`".into());
    }
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let one_line = [".version", ".target", ".address_size"];
        if one_line.iter().any(|d| rest.starts_with(d)) {
            rest = rest.find('\n').map_or("", |end| rest[end..].trim_start());
            continue;
        }
        let (semicolon, brace) = (rest.find(';'), rest.find('{'));
        let head = &rest[..semicolon.unwrap_or(rest.len()).min(brace.unwrap_or(rest.len()))];
        let is_function = head.contains(".entry") || head.contains(".func");
        match (brace, semicolon) {
            (Some(open), _) if is_function && semicolon.is_none_or(|s| open < s) => {
                let end = closing(rest, open).ok_or_else(|| format!("no end to `{}`", head.trim()))?;
                items.push(Item::Function(function(head, &rest[open + 1..end])?));
                rest = rest[end + 1..].trim_start();
            }
            (_, Some(end)) => {
                let line = rest[..end].trim();
                if !is_function && [".global", ".const"].iter().any(|s| line.contains(s)) {
                    items.push(Item::Variable(line.to_string()));
                } else if !is_function && line.contains(".shared") {
                    items.push(Item::Shared(line.to_string()));
                }
                rest = rest[end + 1..].trim_start();
            }
            _ => return Err(format!("not understood: `{}`", rest.lines().next().unwrap_or(""))),
        }
    }
    Ok(items)
}

fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + i);
        }
    }
    None
}

/// `.visible .entry name(parameters) .maxntid 256, 1, 1` or `.func (results) name(parameters)`
fn function(head: &str, body: &str) -> Result<Function, String> {
    let wrong = || format!("not understood: `{}`", head.trim());
    let entry = head.contains(".entry");
    let mut rest = head.split_once(if entry { ".entry" } else { ".func" }).ok_or_else(wrong)?.1.trim();
    let mut results = Vec::new();
    if let Some(inside) = rest.strip_prefix('(') {
        let (list, after) = inside.split_once(')').ok_or_else(wrong)?;
        results = declarations(list)?;
        rest = after.trim();
    }
    let end = rest.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let (params, attributes) = match rest.trim().strip_prefix('(') {
        Some(inside) => {
            let (list, after) = inside.split_once(')').ok_or_else(wrong)?;
            (declarations(list)?, after)
        }
        None => (Vec::new(), rest),
    };
    let max_threads = attributes.split_once(".maxntid").map(|(_, after)| {
        let list = after.split('.').next().unwrap_or("");
        list.split(',').filter_map(|n| n.trim().parse::<u32>().ok()).product()
    });
    let name = name.to_string();
    Ok(Function { name, entry, params, results, body: body.to_string(), max_threads })
}

fn declarations(list: &str) -> Result<Vec<Declared>, String> {
    list.split(',').map(str::trim).filter(|d| !d.is_empty()).map(Declared::parse).collect()
}

pub(super) fn statements(body: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut line = String::new();
    let mut depth = 0;
    for c in body.chars() {
        match c {
            '{' if line.trim().is_empty() => statements.push(Statement::Open),
            '}' if depth == 0 => statements.push(Statement::Close),
            ';' => {
                statements.push(Statement::Line(line.split_whitespace().collect::<Vec<_>>().join(" ")));
                line.clear();
            }
            ':' if is_label(line.trim()) => {
                statements.push(Statement::Label(line.trim().to_string()));
                line.clear();
            }
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                line.push(c);
            }
        }
    }
    statements
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "$_%".contains(c))
}
