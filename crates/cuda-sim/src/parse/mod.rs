//! Reads the text of a PTX module: variables, functions, kernels.
//!
//! Calls are expanded where they stand, so that a kernel is one piece of code: a callee's parameters are the caller's.

mod body;
mod operand;
mod source;

use crate::program::{Kernel, Module, Variable};
use crate::types::Ty;
use body::Writer;
use source::{Function, Item};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// What all functions of a module see.
#[derive(Debug, Default)]
pub(crate) struct Names {
    variables: HashMap<String, usize>,
    /// Alignment, size and name; without a size it is what a launch adds.
    shared: Vec<Declared>,
    functions: BTreeMap<String, Function>,
}

/// `.align 8 .b8 name[16]`
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    align: u64,
    bytes: u64,
    ty: Ty,
    name: String,
    /// `name[]`
    open: bool,
}

impl Declared {
    fn parse(text: &str) -> Result<Declared, String> {
        let (mut align, mut ty, mut name, mut words) = (1, Ty::B8, "", text.split_whitespace());
        while let Some(word) = words.next() {
            if word == ".align" {
                let number = words.next().ok_or_else(|| format!("no alignment in `{text}`"))?;
                align = number.parse().map_err(|_| format!("alignment `{number}`"))?;
            } else if let Some(word) = word.strip_prefix('.') {
                ty = Ty::named(word).unwrap_or(ty);
            } else {
                name = word;
            }
        }
        let (name, count, open) = match name.split_once('[') {
            Some((name, "]")) => (name, 0, true),
            Some((name, rest)) => {
                let count = rest.trim_end_matches(']').parse().map_err(|_| format!("size of `{text}`"))?;
                (name, count, false)
            }
            None => (name, 1, false),
        };
        let size = ty.size() as u64;
        Ok(Declared { align: size.max(align), bytes: size * count, ty, name: name.to_string(), open })
    }
}

/// A kernel that is read when it is first asked for: a module may hold hundreds.
#[derive(Debug)]
pub(crate) struct Entry {
    function: Function,
    kernel: OnceLock<Result<Kernel, String>>,
}

impl Module {
    /// The kernel of this name, if there is one; an `Err` says what in it is not understood.
    pub fn kernel(&self, name: &str) -> Option<Result<&Kernel, String>> {
        let entry = self.entries.get(name)?;
        let kernel = entry.kernel.get_or_init(|| kernel(&entry.function, &self.names));
        Some(kernel.as_ref().map_err(String::clone))
    }

    /// The names of its kernels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

/// Reads a module.
///
/// # Errors
/// Where the text is no PTX module.
pub fn parse(text: &str) -> Result<Module, String> {
    let (mut names, mut variables, mut entries) = (Names::default(), Vec::new(), BTreeMap::new());
    for item in source::items(text)? {
        match item {
            Item::Variable(text) => {
                let (declaration, values) = text.split_once('=').unwrap_or((&text, ""));
                let declared = Declared::parse(declaration)?;
                let bytes = initial(&declared, values)?;
                names.variables.insert(declared.name.clone(), variables.len());
                variables.push(Variable { name: declared.name, align: declared.align, bytes });
            }
            Item::Shared(text) => names.shared.push(Declared::parse(&text)?),
            Item::Function(function) if function.entry => {
                let name = function.name.clone();
                entries.insert(name, Entry { function, kernel: OnceLock::new() });
            }
            Item::Function(function) => {
                names.functions.insert(function.name.clone(), function);
            }
        }
    }
    Ok(Module { entries, names, variables })
}

/// The bytes of a variable whose values are `{1, 2, 3}`, or a single one.
fn initial(declared: &Declared, values: &str) -> Result<Vec<u8>, String> {
    let size = declared.ty.size();
    let mut bytes = vec![0; declared.bytes as usize];
    let values = values.trim().trim_matches(['{', '}']);
    for (i, value) in values.split(',').map(str::trim).filter(|v| !v.is_empty()).enumerate() {
        let number = operand::number(value).ok_or_else(|| format!("value `{value}` of `{}`", declared.name))?;
        let place = bytes.get_mut(i * size..(i + 1) * size).ok_or_else(|| format!("values of `{}`", declared.name))?;
        place.copy_from_slice(&number.to_le_bytes()[..size]);
    }
    Ok(bytes)
}

fn kernel(entry: &Function, names: &Names) -> Result<Kernel, String> {
    let mut kernel = Kernel { name: entry.name.clone(), max_threads: entry.max_threads, ..Kernel::default() };
    let mut params = Vec::new();
    for declared in &entry.params {
        kernel.param_bytes = kernel.param_bytes.next_multiple_of(declared.align);
        kernel.params.push((kernel.param_bytes, declared.bytes as usize));
        params.push((declared.name.clone(), kernel.param_bytes));
        kernel.param_bytes += declared.bytes;
    }
    let mut writer = Writer::new(names, kernel);
    writer.entry(entry, &params)?;
    writer.finish()
}
