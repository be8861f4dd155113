//! Bodies: scopes, declarations, labels, instructions, and calls, which are expanded.

use super::operand::split;
use super::source::{Function, Statement, statements};
use super::{Declared, Names};
use crate::decode;
use crate::program::{Arg, Base, Ins, Kernel, Op, Reg};
use std::collections::HashMap;

/// Calls within calls go no deeper: a function that calls itself is not expanded for ever.
const DEEPEST: usize = 32;

/// What the names between two braces mean.
#[derive(Default)]
struct Scope {
    registers: HashMap<String, Reg>,
    /// `%r<10>`: prefix, first register, count.
    ranges: Vec<(String, Reg, u32)>,
    variables: HashMap<String, Base>,
    labels: HashMap<String, u32>,
    /// Tables of labels.
    tables: HashMap<String, Vec<u32>>,
    /// Names outside of it are not seen: the body of a function.
    body: bool,
}

/// Writes the code of one kernel.
pub(super) struct Writer<'a> {
    names: &'a Names,
    kernel: Kernel,
    scopes: Vec<Scope>,
    /// Where each label is, by its number.
    places: Vec<u32>,
    /// Where a `ret` of each call that is being expanded goes.
    returns: Vec<u32>,
}

impl<'a> Writer<'a> {
    pub fn new(names: &'a Names, kernel: Kernel) -> Writer<'a> {
        let outer = Scope {
            variables: names.variables.iter().map(|(name, i)| (name.clone(), Base::Variable(*i))).collect(),
            ..Scope::default()
        };
        Writer { names, kernel, scopes: vec![outer], places: Vec::new(), returns: Vec::new() }
    }

    pub fn entry(&mut self, entry: &Function, params: &[(String, u64)]) -> Result<(), String> {
        for declared in &self.names.shared {
            self.shared(declared.clone());
        }
        self.scopes.push(Scope { body: true, ..Scope::default() });
        for (name, offset) in params {
            self.declare(name, Base::Param(*offset));
        }
        self.body(&statements(&entry.body))?;
        self.scopes.pop();
        Ok(())
    }

    /// Puts places for labels.
    pub fn finish(mut self) -> Result<Kernel, String> {
        let places = &self.places;
        for ins in &mut self.kernel.code {
            if let Op::BranchTable(table) = &mut ins.op {
                table.iter_mut().for_each(|label| *label = places[*label as usize]);
            }
            for arg in &mut ins.args {
                if let Arg::Label(label) = arg {
                    *label = places[*label as usize];
                    if *label == u32::MAX {
                        return Err(format!("no target for `{}`", ins.text));
                    }
                }
            }
        }
        Ok(self.kernel)
    }

    /// The scopes that are seen, from the innermost.
    fn seen(&self) -> impl Iterator<Item = &Scope> {
        let first = self.scopes.iter().rposition(|s| s.body).unwrap_or(0);
        self.scopes[first..].iter().rev().chain(self.scopes.first().filter(|_| first > 0))
    }

    pub fn register(&self, name: &str) -> Option<Reg> {
        self.seen().find_map(|scope| {
            if let Some(reg) = scope.registers.get(name) {
                return Some(*reg);
            }
            let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let (prefix, number) = name.split_at(digits);
            let number: u32 = number.parse().ok()?;
            let range = scope.ranges.iter().find(|(p, _, count)| p == prefix && number < *count)?;
            Some(range.1 + number)
        })
    }

    pub fn variable(&self, name: &str) -> Option<Base> {
        self.seen().find_map(|scope| scope.variables.get(name)).copied()
    }

    pub fn label(&self, name: &str) -> Option<u32> {
        self.seen().find_map(|scope| scope.labels.get(name)).copied()
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("the outermost scope stays")
    }

    fn declare(&mut self, name: &str, base: Base) {
        self.scope().variables.insert(name.to_string(), base);
    }

    fn new_label(&mut self) -> u32 {
        self.places.push(u32::MAX);
        self.places.len() as u32 - 1
    }

    fn new_registers(&mut self, count: u32) -> Reg {
        let first = self.kernel.registers as Reg;
        self.kernel.registers += count as usize;
        first
    }

    fn shared(&mut self, declared: Declared) {
        if declared.open {
            return self.declare(&declared.name, Base::Dynamic);
        }
        let at = self.kernel.shared.next_multiple_of(declared.align);
        self.kernel.shared = at + declared.bytes;
        self.declare(&declared.name, Base::Shared(at));
    }

    fn local(&mut self, declared: &Declared) {
        let at = self.kernel.local.next_multiple_of(declared.align);
        self.kernel.local = at + declared.bytes;
        self.declare(&declared.name, Base::Local(at));
    }

    /// Gives the labels of the scope that begins at `statements[0]` their numbers.
    fn collect_labels(&mut self, statements: &[Statement]) {
        let mut depth = 0;
        for statement in statements {
            match statement {
                Statement::Open => depth += 1,
                Statement::Close if depth == 0 => return,
                Statement::Close => depth -= 1,
                Statement::Label(name) if depth == 0 => {
                    let label = self.new_label();
                    self.scope().labels.insert(name.clone(), label);
                }
                _ => {}
            }
        }
    }

    fn body(&mut self, statements: &[Statement]) -> Result<(), String> {
        self.collect_labels(statements);
        let mut table = None;
        for (i, statement) in statements.iter().enumerate() {
            match statement {
                Statement::Open => {
                    self.scopes.push(Scope::default());
                    self.collect_labels(&statements[i + 1..]);
                }
                Statement::Close => {
                    self.scopes.pop();
                }
                Statement::Label(name) => {
                    let label = self.label(name).ok_or_else(|| format!("label `{name}`"))?;
                    self.places[label as usize] = self.kernel.code.len() as u32;
                    table = Some(name.clone());
                }
                Statement::Line(line) => self.line(line, table.take()).map_err(|e| format!("{e} in `{line}`"))?,
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str, label: Option<String>) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" | ".loc" | ".pragma" => Ok(()),
            ".reg" => self.registers(rest),
            ".shared" => Declared::parse(rest).map(|d| self.shared(d)),
            ".local" | ".param" => Declared::parse(rest).map(|d| self.local(&d)),
            ".branchtargets" => {
                let labels =
                    split(rest).into_iter().map(|name| self.label(name).ok_or_else(|| format!("label `{name}`")));
                let labels = labels.collect::<Result<_, _>>()?;
                self.scope().tables.insert(label.ok_or("a table without a name")?, labels);
                Ok(())
            }
            _ if word.starts_with('.') => Err(format!("directive `{word}`")),
            _ => self.instruction(line),
        }
    }

    /// `.pred %p<3>` or `.b32 a, b`
    fn registers(&mut self, text: &str) -> Result<(), String> {
        let (_, names) = text.split_once(' ').ok_or("registers")?;
        for name in names.split(',').map(str::trim) {
            match name.split_once('<') {
                Some((prefix, count)) => {
                    let count = count.trim_end_matches('>').parse().map_err(|_| format!("registers `{name}`"))?;
                    let first = self.new_registers(count);
                    self.scope().ranges.push((prefix.to_string(), first, count));
                }
                None => {
                    let reg = self.new_registers(1);
                    self.scope().registers.insert(name.to_string(), reg);
                }
            }
        }
        Ok(())
    }

    fn instruction(&mut self, text: &str) -> Result<(), String> {
        let (mut rest, mut guard) = (text, None);
        if let Some(guarded) = text.strip_prefix('@') {
            let (name, after) = guarded.split_once(' ').ok_or("a guard alone")?;
            let (name, negated) = name.strip_prefix('!').map_or((name, false), |name| (name, true));
            guard = Some((self.register(name).ok_or_else(|| format!("guard `{name}`"))?, negated));
            rest = after;
        }
        let (name, operands) = rest.split_once(' ').unwrap_or((rest, ""));
        if name == "call" || name == "call.uni" {
            if guard.is_some() {
                return Err("a call under a guard".into());
            }
            return self.call(operands);
        }
        if (name == "ret" || name == "ret.uni") && !self.returns.is_empty() {
            let args = self.returns.last().map(|label| vec![Arg::Label(*label)]).unwrap_or_default();
            self.kernel.code.push(Ins { guard, op: Op::Branch, args, text: text.into() });
            return Ok(());
        }
        let mut operands = split(operands);
        if name == "brx.idx" || name == "brx.idx.uni" {
            let table = operands.pop().unwrap_or("");
            let labels = self.seen().find_map(|s| s.tables.get(table)).ok_or_else(|| format!("table `{table}`"))?;
            let op = Op::BranchTable(labels.clone());
            let args = vec![self.operand(operands.first().copied().unwrap_or(""))?];
            self.kernel.code.push(Ins { guard, op, args, text: text.into() });
            return Ok(());
        }
        let args = operands.into_iter().map(|t| self.operand(t)).collect::<Result<Vec<_>, _>>()?;
        let op = decode::decode(name, &args)?;
        self.kernel.code.push(Ins { guard, op, args, text: text.into() });
        Ok(())
    }

    /// `(result), name, (arguments)`: the callee's code, its parameters those of the caller.
    fn call(&mut self, operands: &str) -> Result<(), String> {
        let parts = split(operands);
        let list = |t: &str| -> Option<Vec<String>> {
            let inside = t.strip_prefix('(')?.strip_suffix(')')?;
            Some(split(inside).into_iter().map(String::from).collect())
        };
        let (results, name, arguments) = match parts[..] {
            [a, b, c] => (list(a), b, list(c)),
            [a, b] if a.starts_with('(') => (list(a), b, None),
            [a, b] => (None, a, list(b)),
            [a] => (None, a, None),
            _ => return Err("a call that is not understood".into()),
        };
        let callee = self.names.functions.get(name).ok_or_else(|| format!("call of `{name}`, which is not here"))?;
        if self.returns.len() >= DEEPEST {
            return Err(format!("calls of `{name}` within calls"));
        }
        let declared = callee.results.iter().chain(&callee.params);
        let given: Vec<String> = results.into_iter().chain(arguments).flatten().collect();
        if declared.clone().count() != given.len() {
            return Err(format!("`{name}` takes other arguments"));
        }
        let mut body = Scope { body: true, ..Scope::default() };
        for (declared, given) in declared.zip(&given) {
            let base = self.variable(given).ok_or_else(|| format!("argument `{given}`"))?;
            body.variables.insert(declared.name.clone(), base);
        }
        let end = self.new_label();
        self.returns.push(end);
        self.scopes.push(body);
        self.body(&statements(&callee.body))?;
        self.scopes.pop();
        self.returns.pop();
        self.places[end as usize] = self.kernel.code.len() as u32;
        Ok(())
    }
}
