//! How a tensor prints: as PyTorch prints it, to the character.
//!
//! The numbers of one tensor share a format (integral, fixed or scientific) and a width; lines break
//! at the line width; above the threshold only the edges of each dimension show. The formats are
//! found first, over what will show ([`Style`]), then the brackets are written around them.

use crate::{DType, Device, Result, Scalar, Tensor, no_grad};
use num_complex::Complex;
use std::fmt::{self, Write};
use std::sync::{OnceLock, RwLock};

/// How tensors print: `torch.set_printoptions`.
#[derive(Clone, Debug, PartialEq)]
pub struct PrintOptions {
    /// Digits after the point; beyond 1074, as many as an `f64` can have, none are printed.
    pub precision: usize,
    /// The most elements that print in full; above it only the edges do.
    pub threshold: usize,
    /// Elements at each edge of a dimension in a summary.
    pub edgeitems: usize,
    /// Characters in a line.
    pub linewidth: usize,
    /// Scientific notation always, never, or where the values ask for it.
    pub sci_mode: Option<bool>,
}

impl PrintOptions {
    const DEFAULT: PrintOptions =
        PrintOptions { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: None };
}

impl Default for PrintOptions {
    fn default() -> Self {
        PrintOptions::DEFAULT
    }
}

static OPTIONS: RwLock<PrintOptions> = RwLock::new(PrintOptions::DEFAULT);
static GRAD_FN: OnceLock<fn(&Tensor) -> Option<String>> = OnceLock::new();

/// Sets how tensors print from now on, in every thread, as `torch.set_printoptions`.
///
/// ```
/// use flambeau_tensor::{PrintOptions, Tensor, set_print_options};
/// set_print_options(PrintOptions { precision: 2, ..PrintOptions::default() });
/// assert_eq!(Tensor::from_slice(&[1.12345f32], 1)?.to_string(), "tensor([1.12])");
/// set_print_options(PrintOptions::default());
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn set_print_options(options: PrintOptions) {
    *OPTIONS.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = options;
}

/// How tensors print now.
pub fn print_options() -> PrintOptions {
    OPTIONS.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
}

/// For autograd: the function that names the op a tensor came from (`AddBackward0`), `None` for a leaf.
/// The first one set stays; without it every tensor on the tape prints `requires_grad=True`.
pub fn set_grad_fn_name(name: fn(&Tensor) -> Option<String>) {
    let _ = GRAD_FN.set(name);
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self, &print_options()))
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const PREFIX: &str = "tensor(";

fn render(x: &Tensor, options: &PrintOptions) -> String {
    let body = if x.device() == Device::Meta {
        "...".to_string()
    } else if x.numel() == 0 {
        "[]".to_string()
    } else {
        match no_grad(|| Body::new(x, options)) {
            Ok(body) => body.text(),
            Err(e) => format!("<{}>", e.message()),
        }
    };
    with_suffixes(format!("{PREFIX}{body}"), &suffixes(x, options), options)
}

/// What stands behind the numbers, in PyTorch's order.
fn suffixes(x: &Tensor, options: &PrintOptions) -> Vec<String> {
    let mut list = Vec::new();
    let (meta, empty) = (x.device() == Device::Meta, x.numel() == 0);
    if x.device() != Device::Cpu {
        list.push(format!("device='{}'", x.device()));
    }
    if meta || (empty && x.rank() != 1) || (!empty && options.edgeitems == 0) {
        list.push(format!("size={}", size(x.shape())));
    }
    // Numbers show whether they are integers or truth values; where there are none, nothing does.
    let evident = match x.dtype() {
        DType::DEFAULT => true,
        DType::I64 | DType::Bool | DType::Complex64 => !meta && !empty,
        _ => false,
    };
    if !evident {
        list.push(format!("dtype=torch.{}", x.dtype()));
    }
    match GRAD_FN.get().and_then(|name| name(x)) {
        Some(name) => list.push(format!("grad_fn=<{name}>")),
        None if x.requires_grad() => list.push("requires_grad=True".to_string()),
        None => {}
    }
    list
}

/// A shape as Python writes a tuple.
fn size(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        all => format!("({})", all.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn with_suffixes(mut text: String, suffixes: &[String], options: &PrintOptions) -> String {
    let mut line = match text.rfind('\n') {
        Some(at) => text.len() - at + 1,
        None => text.len() + 2,
    };
    for suffix in suffixes {
        if line + suffix.len() + 2 > options.linewidth {
            text += ",\n";
            text += &" ".repeat(PREFIX.len());
            line = PREFIX.len() + suffix.len();
        } else {
            text += ", ";
            line += suffix.len() + 2;
        }
        text += suffix;
    }
    text + ")"
}

/// Digits after the point that the smallest `f64` has.
const MOST_DIGITS: usize = 1074;

/// The format that the numbers of one tensor share.
#[derive(Debug, PartialEq)]
struct Style {
    form: Form,
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// as it is: integers and truth values
    Plain,
    /// floating-point numbers that are all integral: `3.`
    Integral,
    /// so many digits after the point
    Fixed(usize),
    /// likewise, with an exponent
    Scientific(usize),
}

impl Style {
    fn plain(values: &[Scalar]) -> Style {
        let mut style = Style { form: Form::Plain, width: 1 };
        style.width = values.iter().map(|v| style.bare(*v).len()).max().unwrap_or(1).max(1);
        style
    }

    fn float(values: &[f64], options: &PrintOptions) -> Style {
        let shown = || values.iter().copied().filter(|v| v.is_finite() && *v != 0.0);
        if shown().next().is_none() {
            return Style { form: Form::Integral, width: 1 };
        }
        let (min, max) = shown().fold((f64::INFINITY, 0.0f64), |(min, max), v| (min.min(v.abs()), max.max(v.abs())));
        let scientific = options.sci_mode.unwrap_or(max / min > 1000.0 || max > 1.0e8 || min < 1.0e-4);
        let precision = options.precision.min(MOST_DIGITS);
        let form = if scientific {
            Form::Scientific(precision)
        } else if shown().all(|v| v == v.ceil()) {
            Form::Integral
        } else {
            Form::Fixed(precision)
        };
        let mut style = Style { form, width: 1 };
        style.width = shown().map(|v| style.bare(Scalar::Float(v)).len()).max().unwrap_or(1);
        style
    }

    /// The number without its padding.
    fn bare(&self, value: Scalar) -> String {
        match value {
            Scalar::Bool(b) => if b { "True" } else { "False" }.to_string(),
            Scalar::Int(i) => i.to_string(),
            Scalar::UInt(i) => i.to_string(),
            Scalar::Complex(z) => z.to_string(),
            Scalar::Float(x) if x.is_nan() => "nan".to_string(),
            Scalar::Float(x) if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.to_string(),
            Scalar::Float(x) => match self.form {
                Form::Plain => x.to_string(),
                Form::Integral => format!("{x:.0}."),
                Form::Fixed(digits) => format!("{x:.digits$}"),
                Form::Scientific(digits) => scientific(x, digits),
            },
        }
    }

    fn padded(&self, value: Scalar) -> String {
        format!("{:>1$}", self.bare(value), self.width)
    }
}

/// With an exponent of a sign and at least two digits, as C writes it.
fn scientific(x: f64, digits: usize) -> String {
    let text = format!("{x:.digits$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
            format!("{mantissa}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// The numbers that show, their formats, and the brackets around them.
struct Body<'a> {
    shape: &'a [usize],
    options: &'a PrintOptions,
    summarize: bool,
    /// What shows, in row-major order.
    values: Vec<Scalar>,
    style: Style,
    /// The imaginary parts' own.
    imaginary: Option<Style>,
}

impl<'a> Body<'a> {
    fn new(x: &'a Tensor, options: &'a PrintOptions) -> Result<Body<'a>> {
        let summarize = x.numel() > options.threshold;
        let mut values = Vec::new();
        collect(x, if summarize { Some(options.edgeitems) } else { None }, &mut values)?;
        let parts = |part: fn(Complex<f64>) -> f64| values.iter().map(|v| part(v.to_c128())).collect::<Vec<_>>();
        let (style, imaginary) = match x.dtype() {
            d if d.is_complex() => {
                (Style::float(&parts(|z| z.re), options), Some(Style::float(&parts(|z| z.im), options)))
            }
            d if d.is_float() => (Style::float(&parts(|z| z.re), options), None),
            _ => (Style::plain(&values), None),
        };
        Ok(Body { shape: x.shape(), options, summarize, values, style, imaginary })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut values = self.values.iter().copied();
        self.write(0, PREFIX.len(), &mut values, &mut out);
        out
    }

    fn element(&self, value: Option<Scalar>) -> String {
        let value = value.unwrap_or(Scalar::Bool(false));
        let Some(imaginary) = &self.imaginary else { return self.style.padded(value) };
        let z = value.to_c128();
        let (re, im) = (self.style.padded(Scalar::Float(z.re)), imaginary.padded(Scalar::Float(z.im)));
        let im = im.trim_start();
        if im.starts_with('-') { format!("{re}{im}j") } else { format!("{re}+{im}j") }
    }

    /// Dimension `d` and those in it.
    fn write(&self, d: usize, indent: usize, values: &mut dyn Iterator<Item = Scalar>, out: &mut String) {
        let rank = self.shape.len();
        if d == rank {
            out.push_str(&self.element(values.next()));
            return;
        }
        let edge = self.options.edgeitems;
        let cut = self.summarize && self.shape[d] > edge.saturating_mul(2);
        let count = if cut { 2 * edge } else { self.shape[d] };
        out.push('[');
        if d + 1 == rank {
            self.write_row(count, cut, indent, values, out);
        } else {
            let between = format!(",{}{}", "\n".repeat(rank - d - 1), " ".repeat(indent + 1));
            for i in 0..count {
                if i > 0 {
                    out.push_str(&between);
                }
                if cut && i == edge {
                    let _ = write!(out, "...{between}");
                }
                self.write(d + 1, indent + 1, values, out);
            }
            if count == 0 {
                out.push_str("...");
            }
        }
        out.push(']');
    }

    /// The last dimension: as many elements in a line as fit.
    fn write_row(
        &self,
        count: usize,
        cut: bool,
        indent: usize,
        values: &mut dyn Iterator<Item = Scalar>,
        out: &mut String,
    ) {
        let edge = self.options.edgeitems;
        let mut items = Vec::with_capacity(count + 1);
        for i in 0..count {
            if cut && i == edge {
                items.push(" ...".to_string());
            }
            items.push(self.element(values.next()));
        }
        if self.summarize && edge == 0 {
            items = vec!["...".to_string()];
        }
        let length = self.style.width + 2 + self.imaginary.as_ref().map_or(0, |i| i.width + 1);
        let in_line = (self.options.linewidth.saturating_sub(indent) / length).max(1);
        let lines: Vec<String> = items.chunks(in_line).map(|line| line.join(", ")).collect();
        out.push_str(&lines.join(&format!(",\n{}", " ".repeat(indent + 1))));
    }
}

/// The elements of `x` in row-major order; with `edge`, only so many at both ends of each dimension.
fn collect(x: &Tensor, edge: Option<usize>, values: &mut Vec<Scalar>) -> Result<()> {
    let long = |d: usize| edge.is_some_and(|e| x.shape()[d] > e.saturating_mul(2));
    let Some(d) = (0..x.rank()).find(|d| long(*d)) else { return read(x, values) };
    let (e, n) = (edge.unwrap_or(0), x.shape()[d]);
    if e == 0 {
        return Ok(());
    }
    // All dimensions before this one show in full: one by one, so that the order stays.
    if d > 0 {
        return (0..x.shape()[0]).try_for_each(|i| collect(&x.select(0, i as isize)?, edge, values));
    }
    if x.rank() == 1 {
        read(&x.narrow(0, 0, e)?, values)?;
        return read(&x.narrow(0, (n - e) as isize, e)?, values);
    }
    (0..e).chain(n - e..n).try_for_each(|i| collect(&x.select(0, i as isize)?, edge, values))
}

fn read(x: &Tensor, values: &mut Vec<Scalar>) -> Result<()> {
    macro_rules! read {
        ($($dtype:ident => $t:ty),*) => {
            match x.dtype() { $(DType::$dtype => values.extend(x.to_vec::<$t>()?.into_iter().map(Scalar::from)),)* }
        };
    }
    read! {
        Bool => bool, U8 => u8, U16 => u16, U32 => u32, U64 => u64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, F16 => half::f16, BF16 => half::bf16, F32 => f32,
        F64 => f64, Complex64 => Complex<f32>, Complex128 => Complex<f64>
    }
    Ok(())
}

#[cfg(test)]
#[path = "display_tests.rs"]
mod tests;
