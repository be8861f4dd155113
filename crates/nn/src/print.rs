//! How modules print: PyTorch's tree, to the letter, so that a model can be held beside its original.

use crate::part::Item;
use crate::{DynModule, Module};
use flambeau_tensor::DType;
use std::fmt::{self, Write};

/// Writes `module` as PyTorch's `repr` does; the derive's `Debug`.
///
/// # Errors
/// Where the formatter fails.
pub fn print_module(module: &dyn Module, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = String::new();
    write_module(module, 0, &mut text)?;
    f.write_str(&text)
}

/// Writes the tree of `module`, the lines after the first indented by `indent`.
fn write_module(module: &dyn Module, indent: usize, out: &mut String) -> fmt::Result {
    let extra = module.extra_repr();
    let mut lines: Vec<String> =
        if extra.is_empty() { Vec::new() } else { extra.lines().map(str::to_string).collect() };
    let listed = matches!(module.type_name(), "ParameterList" | "ParameterDict");
    let mut children: Vec<(String, &DynModule)> = Vec::new();
    let mut computed: Vec<(String, &DynModule)> = Vec::new();
    module.visit(&mut |name, item| match item {
        Item::Module(child) => match name.strip_prefix("parametrizations.") {
            Some(name) => computed.push((name.to_string(), child)),
            None => children.push((name.to_string(), child)),
        },
        // PyTorch names the type in a dict, the dtype in a list.
        Item::Parameter(parameter) if module.type_name() == "ParameterDict" => {
            let text = format!("{parameter:?}");
            let dtype = format!("torch.{}", parameter.dtype());
            lines.push(format!("  ({name}): {}", text.replacen(&dtype, py_type(parameter.dtype()), 1)));
        }
        Item::Parameter(parameter) if listed => lines.push(format!("  ({name}): {parameter:?}")),
        Item::Buffer(buffer) if listed => lines.push(format!("  ({name}): {buffer:?}")),
        _ => {}
    });
    let kind = if computed.is_empty() { "" } else { "Parametrized" };
    write!(out, "{kind}{}(", module.type_name())?;
    match (&lines[..], children.is_empty() && computed.is_empty()) {
        ([], true) => {}
        ([line], true) => out.push_str(line),
        _ => {
            let pad = " ".repeat(indent + 2);
            for line in &lines {
                write!(out, "\n{pad}{line}")?;
            }
            write_children(module.type_name() == "ModuleList", &children, indent + 2, out)?;
            if !computed.is_empty() {
                write!(out, "\n{pad}(parametrizations): ModuleDict(")?;
                write_children(false, &computed, indent + 4, out)?;
                write!(out, "\n{pad})")?;
            }
            write!(out, "\n{}", " ".repeat(indent))?;
        }
    }
    out.push(')');
    Ok(())
}

/// The children one a line; in a `ModuleList` those that print alike on one line with their count.
fn write_children(list: bool, children: &[(String, &DynModule)], indent: usize, out: &mut String) -> fmt::Result {
    let mut texts = Vec::with_capacity(children.len());
    for (_, child) in children {
        let mut text = String::new();
        write_module(*child, indent, &mut text)?;
        texts.push(text);
    }
    let pad = " ".repeat(indent);
    let mut first = 0;
    while first < children.len() {
        let last =
            if list { first + texts[first..].iter().take_while(|t| **t == texts[first]).count() - 1 } else { first };
        if last > first {
            let count = last - first + 1;
            write!(out, "\n{pad}({}-{}): {count} x {}", children[first].0, children[last].0, texts[first])?;
        } else {
            write!(out, "\n{pad}({}): {}", children[first].0, texts[first])?;
        }
        first = last + 1;
    }
    Ok(())
}

/// PyTorch's name for a tensor of a dtype.
fn py_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "torch.FloatTensor",
        DType::F64 => "torch.DoubleTensor",
        DType::F16 => "torch.HalfTensor",
        DType::BF16 => "torch.BFloat16Tensor",
        DType::I64 => "torch.LongTensor",
        DType::I32 => "torch.IntTensor",
        DType::Bool => "torch.BoolTensor",
        _ => "torch.Tensor",
    }
}

/// A bool as Python prints it.
pub(crate) fn py_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A float as Python prints it: `0.1`, `1e-05`, `1.0`, `inf`.
pub(crate) fn py_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// A number as Python prints what people write as an integer where it is one: `2`, `1.5`.
pub(crate) fn py_number(value: f64) -> String {
    let text = py_float(value);
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// A float or `None` as Python prints it.
pub(crate) fn py_option(value: Option<f64>) -> String {
    value.map_or_else(|| "None".to_string(), py_float)
}

/// A tuple as Python prints it: `(3, 3)`, `(3,)`.
pub(crate) fn py_tuple<T: ToString>(values: &[T]) -> String {
    match values {
        [one] => format!("({},)", one.to_string()),
        _ => format!("({})", values.iter().map(T::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// For a struct around one module, which it is under a name of its own: `struct Block(Sequential)`. It has the inner
/// module's parts, names and state, prints under its own name with what the closure says of the inner one, and is built
/// as it stands.
#[doc(hidden)]
#[macro_export]
macro_rules! named_module {
    ($Name:ident, |$inner:ident| $describe:expr) => {
        $crate::named_module!($Name as stringify!($Name), |$inner| $describe);
    };
    ($Name:ident as $text:expr, |$inner:ident| $describe:expr) => {
        impl $crate::Module for $Name {
            fn type_name(&self) -> &'static str {
                $text
            }
            fn extra_repr(&self) -> String {
                let $inner = &self.0;
                $describe
            }
            fn visit<'a>(&'a self, visitor: &mut $crate::Visitor<'_, 'a>) {
                self.0.visit(visitor);
            }
            fn visit_mut(&mut self, visitor: &mut $crate::VisitorMut<'_>) {
                self.0.visit_mut(visitor);
            }
            fn rebuild(&self, with: &mut $crate::Rebuild<'_>) -> $crate::Result<Self> {
                Ok($Name(self.0.rebuild(with)?))
            }
            fn as_module(&self) -> &$crate::DynModule {
                self
            }
            fn as_module_mut(&mut self) -> &mut $crate::DynModule {
                self
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::print_module(self, f)
            }
        }

        impl $crate::Build for $Name {
            type Output = Self;
            fn build(self) -> $crate::Result<Self> {
                Ok(self)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (value, text) in [
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (1e-4, "0.0001"),
            (1.5e-12, "1.5e-12"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(py_float(value), text);
        }
    }

    #[test]
    fn tuples_print_as_in_python() {
        assert_eq!(py_tuple(&[3]), "(3,)");
        assert_eq!(py_tuple(&[3, 4]), "(3, 4)");
    }
}
