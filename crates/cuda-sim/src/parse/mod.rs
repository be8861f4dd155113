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

/// What all functions of a module see.
#[derive(Default)]
struct Names {
    variables: HashMap<String, usize>,
    /// Alignment, size and name; without a size it is what a launch adds.
    shared: Vec<Declared>,
    functions: BTreeMap<String, Function>,
}

/// `.align 8 .b8 name[16]`
#[derive(Clone, Debug)]
struct Declared {
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

/// Reads a module. What one kernel holds that is not understood is that kernel's error.
///
/// # Errors
/// Where the text is no PTX module.
pub fn parse(text: &str) -> Result<Module, String> {
    let mut names = Names::default();
    let mut module = Module::default();
    let mut entries = Vec::new();
    for item in source::items(text)? {
        match item {
            Item::Variable(text) => {
                let (declaration, values) = text.split_once('=').unwrap_or((&text, ""));
                let declared = Declared::parse(declaration)?;
                let bytes = initial(&declared, values)?;
                names.variables.insert(declared.name.clone(), module.variables.len());
                module.variables.push(Variable { name: declared.name, align: declared.align, bytes });
            }
            Item::Shared(text) => names.shared.push(Declared::parse(&text)?),
            Item::Function(function) if function.entry => entries.push(function),
            Item::Function(function) => {
                names.functions.insert(function.name.clone(), function);
            }
        }
    }
    for entry in entries {
        let kernel = kernel(&entry, &names);
        module.kernels.insert(entry.name, kernel);
    }
    Ok(module)
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
