//! One recorded call with live tensors, and how the op table reads its arguments.
//!
//! An argument is asked for by its position (0 is `input`) and its keyword, because PyTorch takes
//! most arguments either way. Every argument that was given must be read: one that the table
//! ignores makes the case unsupported, so that a call which drops an option cannot pass.

use std::cell::{Cell, RefCell};

use flambeau_tensor::{
    DType, Device, Error, MemoryFormat, MinMax, Operand, Scalar, StdAndMean, Tensor, ValuesIndices, VarAndMean,
};
use num_complex::Complex;

use crate::{
    case::Arguments,
    compare::{Numbers, Plain},
    value::{Element, Malformed, Recorded, Value},
};

/// Why a case gave no result.
#[derive(Debug)]
pub enum Trouble {
    /// The case cannot be expressed with flambeau, or the runner does not know how.
    Unsupported(String),
    /// It can, and it failed.
    Failed(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Malformed> for Trouble {
    fn from(error: Malformed) -> Self {
        Self::Failed(format!("damaged recording: {error}"))
    }
}

/// What an entry of the op table gives.
pub type Outcome = Result<Value<Tensor>, Trouble>;

/// An entry's result from whatever the method returned: a tensor, a vector or tuple of them, a
/// number.
pub fn ok(output: impl Into<Value<Tensor>>) -> Outcome {
    Ok(output.into())
}

/// The position of an argument that is given by keyword only.
pub const KEYWORD: usize = usize::MAX;

/// "This cannot be expressed", with the reason.
pub fn unsupported<T>(reason: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Unsupported(reason.into()))
}

macro_rules! value_from {
    ($($from:ty: $name:ident => $value:expr;)*) => {$(
        impl From<$from> for Value<Tensor> {
            fn from($name: $from) -> Self {
                $value
            }
        }
    )*};
}

value_from! {
    Tensor: x => Value::Tensor(x);
    bool: x => Value::Bool(x);
    i64: x => Value::Int(x);
    f64: x => Value::Float(x);
    Scalar: x => match x {
        Scalar::Bool(v) => Value::Bool(v),
        Scalar::Int(v) => Value::Int(v),
        Scalar::UInt(v) => Value::Float(v as f64),
        Scalar::Float(v) => Value::Float(v),
        Scalar::Complex(v) => Value::Complex(v.re, v.im),
    };
    Vec<Tensor>: x => Value::Seq(x.into_iter().map(Value::Tensor).collect());
    (Tensor, Tensor): x => Value::Seq(vec![x.0.into(), x.1.into()]);
    ValuesIndices: x => (x.values, x.indices).into();
    MinMax: x => (x.min, x.max).into();
    VarAndMean: x => (x.var, x.mean).into();
    StdAndMean: x => (x.std, x.mean).into();
    (Tensor, (Tensor, Tensor)): x => Value::Seq(vec![x.0.into(), x.1.into()]);
    (Tensor, Tensor, Tensor, Tensor): x => Value::Seq(vec![x.0.into(), x.1.into(), x.2.into(), x.3.into()]);
    (Tensor, Tensor, Tensor): x => Value::Seq(vec![x.0.into(), x.1.into(), x.2.into()]);
}

/// flambeau's dtype for a recorded element type.
pub fn dtype(element: Element) -> Result<DType, Trouble> {
    match DType::from_name(element.name()) {
        Some(dtype) => Ok(dtype),
        None => unsupported(format!("dtype {}", element.name())),
    }
}

/// A live tensor with the recorded numbers and strides. It requires no grad yet.
pub fn revive(recorded: &Recorded) -> Result<Tensor, Trouble> {
    let (dtype, size) = (dtype(recorded.element)?, recorded.element.size());
    let there = DEVICE.get();
    match (recorded.strided_buffer(), &recorded.stride) {
        (Some(buffer), Some(stride)) => {
            let flat = Tensor::from_bytes(dtype, [buffer.len() / size], &buffer)?.to_device(there)?;
            Ok(flat.as_strided(recorded.shape.clone(), stride.clone(), 0)?.detach())
        }
        _ => Ok(Tensor::from_bytes(dtype, recorded.shape.clone(), &recorded.bytes)?.to_device(there)?),
    }
}

thread_local! {
    /// Where recorded tensors are brought to life.
    static DEVICE: Cell<Device> = const { Cell::new(Device::Cpu) };
}

/// Where recorded tensors are brought to life.
pub fn device() -> Device {
    DEVICE.get()
}

/// Runs `f` with all recorded tensors on `device`.
pub fn on_device<R>(device: Device, f: impl FnOnce() -> R) -> R {
    struct Back(Device);
    impl Drop for Back {
        fn drop(&mut self) {
            DEVICE.set(self.0);
        }
    }
    let _back = Back(DEVICE.replace(device));
    f()
}

/// A live tensor's numbers.
pub fn plain(tensor: &Tensor) -> Result<Plain, Trouble> {
    let Some(element) = Element::from_name(tensor.dtype().name()) else {
        return Err(Trouble::Failed(format!("an unknown dtype {}", tensor.dtype())));
    };
    let numbers = Numbers::from_bytes(element, &tensor.detach().to_bytes()?);
    Ok(Plain { element, shape: tensor.shape().to_vec(), numbers })
}

/// The arguments of one call.
pub struct Call {
    args: Vec<Value<Tensor>>,
    kwargs: Vec<(String, Value<Tensor>)>,
    unread: RefCell<Vec<String>>,
}

impl Call {
    /// Makes the recorded arguments live, each tensor by `make`, in PyTorch's order: arguments,
    /// keyword arguments.
    pub fn new(
        recorded: &Arguments,
        make: &mut impl FnMut(&Recorded) -> Result<Tensor, Trouble>,
    ) -> Result<Self, Trouble> {
        let args = recorded.args.iter().map(|arg| arg.map(make)).collect::<Result<Vec<_>, _>>()?;
        let mut kwargs = Vec::new();
        for (name, value) in &recorded.kwargs {
            kwargs.push((name.clone(), value.map(make)?));
        }
        Ok(Self::with(args, kwargs))
    }

    /// A call of what is live already.
    pub fn with(args: Vec<Value<Tensor>>, kwargs: Vec<(String, Value<Tensor>)>) -> Self {
        let mut unread: Vec<String> = (0..args.len()).map(|i| i.to_string()).collect();
        unread.extend(kwargs.iter().map(|(name, _)| name.clone()));
        Self { args, kwargs, unread: RefCell::new(unread) }
    }

    /// One more argument without a name.
    pub fn push(&mut self, value: Value<Tensor>) {
        self.unread.get_mut().push(self.args.len().to_string());
        self.args.push(value);
    }

    /// The arguments made live, none of them requiring grad.
    pub fn of(recorded: &Arguments) -> Result<Self, Trouble> {
        Self::new(recorded, &mut revive)
    }

    /// Refuses a call some of whose arguments nobody asked for.
    pub fn all_read(&self) -> Result<(), Trouble> {
        match self.unread().as_slice() {
            [] => Ok(()),
            unread => unsupported(format!("the table's entry does not read: {}", unread.join(", "))),
        }
    }

    /// What nobody asked for, by position or name. `device` does not count where it
    /// is the CPU, nor does a `requires_grad` that is off, nor what stands at PyTorch's default
    /// `None`.
    fn unread(&self) -> Vec<String> {
        let matters = |name: &&String| match self.peek(name) {
            Some(Value::None) => false,
            Some(Value::Str(s) | Value::Device(s)) if *name == "device" => s != "cpu",
            Some(Value::Bool(on)) if *name == "requires_grad" => *on,
            _ => true,
        };
        self.unread.borrow().iter().filter(matters).cloned().collect()
    }

    fn peek(&self, name: &str) -> Option<&Value<Tensor>> {
        match name.parse::<usize>() {
            Ok(position) => self.args.get(position),
            Err(_) => self.kwargs.iter().find(|(n, _)| n == name).map(|(_, v)| v),
        }
    }

    /// The argument at this position or with this name.
    pub fn get(&self, position: usize, name: &str) -> Option<&Value<Tensor>> {
        let at = position.to_string();
        let (key, value) = match self.args.get(position) {
            Some(value) => (at.as_str(), value),
            None => (name, self.peek(name)?),
        };
        self.unread.borrow_mut().retain(|k| k != key);
        Some(value)
    }

    /// The argument with this name, where PyTorch takes it by keyword only.
    pub fn keyword(&self, name: &str) -> Option<&Value<Tensor>> {
        self.get(KEYWORD, name)
    }

    /// How many positional arguments there are, `input` counted.
    pub fn count(&self) -> usize {
        self.args.len()
    }

    /// The argument, if it is given and is not `None`.
    pub fn given(&self, position: usize, name: &str) -> Option<&Value<Tensor>> {
        self.get(position, name).filter(|v| !matches!(v, Value::None))
    }

    fn read<'a, T>(
        &'a self,
        position: usize,
        name: &str,
        what: &str,
        as_type: impl Fn(&'a Value<Tensor>) -> Option<T>,
    ) -> Result<Option<T>, Trouble> {
        let Some(value) = self.given(position, name) else {
            return Ok(None);
        };
        match as_type(value) {
            Some(value) => Ok(Some(value)),
            None => unsupported(format!("argument {position} `{name}` is {}, not {what}", value.kind())),
        }
    }

    fn require<T>(position: usize, name: &str, found: Option<T>) -> Result<T, Trouble> {
        match found {
            Some(value) => Ok(value),
            None => unsupported(format!("argument {position} `{name}` is not given")),
        }
    }

    /// The first argument, a tensor.
    pub fn x(&self) -> Result<&Tensor, Trouble> {
        self.tensor(0, "input")
    }

    /// A tensor argument.
    pub fn tensor(&self, position: usize, name: &str) -> Result<&Tensor, Trouble> {
        Self::require(position, name, self.tensor_opt(position, name)?)
    }

    /// A tensor argument that may be missing or `None`.
    pub fn tensor_opt(&self, position: usize, name: &str) -> Result<Option<&Tensor>, Trouble> {
        self.read(position, name, "a tensor", |v| match v {
            Value::Tensor(t) => Some(t),
            _ => None,
        })
    }

    /// A sequence of tensors.
    pub fn tensors(&self, position: usize, name: &str) -> Result<Vec<Tensor>, Trouble> {
        let found = self.read(position, name, "a sequence of tensors", |v| match v {
            Value::Seq(items) | Value::List(items) => items
                .iter()
                .map(|i| match i {
                    Value::Tensor(t) => Some(t.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })?;
        Self::require(position, name, found)
    }

    /// All positional arguments from `from` on, each a tensor.
    pub fn tensors_from(&self, from: usize) -> Result<Vec<Tensor>, Trouble> {
        (from..self.count()).map(|i| self.tensor(i, "").cloned()).collect()
    }

    /// A tensor or a Python number.
    pub fn operand(&self, position: usize, name: &str) -> Result<Operand<'_>, Trouble> {
        let found = self.read(position, name, "a tensor or a number", |v| match v {
            Value::Tensor(t) => Some(Operand::from(t)),
            other => as_scalar(other).map(Operand::from),
        })?;
        Self::require(position, name, found)
    }

    /// The `memory_format` that is asked for; none where the operand's is kept.
    pub fn memory_format(&self) -> Result<Option<MemoryFormat>, Trouble> {
        match self.keyword("memory_format") {
            None | Some(Value::None) => Ok(None),
            Some(Value::MemoryFormat(f)) => match f.as_str() {
                "preserve_format" => Ok(None),
                "contiguous_format" => Ok(Some(MemoryFormat::Contiguous)),
                "channels_last" => Ok(Some(MemoryFormat::ChannelsLast)),
                "channels_last_3d" => Ok(Some(MemoryFormat::ChannelsLast3d)),
                other => unsupported(format!("memory format {other}")),
            },
            Some(other) => unsupported(format!("`memory_format` is {}", other.kind())),
        }
    }

    /// Whether the argument is one integer.
    pub fn is_int(&self, position: usize, name: &str) -> bool {
        matches!(self.args.get(position).or(self.peek(name)), Some(Value::Int(_)))
    }

    /// A sequence of integers or sequences of integers.
    pub fn lists(&self, position: usize, name: &str) -> Result<Vec<Vec<isize>>, Trouble> {
        let found = self.read(position, name, "a sequence of sequences", |v| match v {
            Value::Seq(items) | Value::List(items) => items.iter().map(as_ints).collect(),
            _ => None,
        })?;
        Self::require(position, name, found)
    }

    /// An integer argument.
    pub fn int(&self, position: usize, name: &str) -> Result<i64, Trouble> {
        Self::require(position, name, self.int_opt(position, name)?)
    }

    /// An integer argument that may be missing or `None`.
    pub fn int_opt(&self, position: usize, name: &str) -> Result<Option<i64>, Trouble> {
        self.read(position, name, "an int", |v| match v {
            Value::Int(i) => Some(*i),
            _ => None,
        })
    }

    /// An integer argument with its default.
    pub fn int_or(&self, position: usize, name: &str, default: i64) -> Result<i64, Trouble> {
        Ok(self.int_opt(position, name)?.unwrap_or(default))
    }

    /// A dimension.
    pub fn dim(&self, position: usize, name: &str) -> Result<isize, Trouble> {
        Ok(self.int(position, name)? as isize)
    }

    /// A dimension with its default.
    pub fn dim_or(&self, position: usize, name: &str, default: isize) -> Result<isize, Trouble> {
        Ok(self.int_or(position, name, default as i64)? as isize)
    }

    /// A size or count.
    pub fn size(&self, position: usize, name: &str) -> Result<usize, Trouble> {
        let size = self.int(position, name)?;
        size.try_into().or_else(|_| unsupported(format!("`{name}` is {size}")))
    }

    /// A size or count with its default.
    pub fn size_or(&self, position: usize, name: &str, default: usize) -> Result<usize, Trouble> {
        Ok(if self.given(position, name).is_some() { self.size(position, name)? } else { default })
    }

    /// A bool with its default.
    pub fn flag(&self, position: usize, name: &str, default: bool) -> Result<bool, Trouble> {
        let found = self.read(position, name, "a bool", |v| match v {
            Value::Bool(b) => Some(*b),
            Value::Int(i) => Some(*i != 0),
            _ => None,
        })?;
        Ok(found.unwrap_or(default))
    }

    /// A real number that may be missing or `None`.
    pub fn float_opt(&self, position: usize, name: &str) -> Result<Option<f64>, Trouble> {
        self.read(position, name, "a real number", |v| match v {
            Value::Float(f) => Some(*f),
            Value::Int(i) => Some(*i as f64),
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            _ => None,
        })
    }

    /// A real number.
    pub fn float(&self, position: usize, name: &str) -> Result<f64, Trouble> {
        Self::require(position, name, self.float_opt(position, name)?)
    }

    /// A real number with its default.
    pub fn float_or(&self, position: usize, name: &str, default: f64) -> Result<f64, Trouble> {
        Ok(self.float_opt(position, name)?.unwrap_or(default))
    }

    /// Real numbers; `None` where they are missing or `None`.
    pub fn floats_opt(&self, position: usize, name: &str) -> Result<Option<Vec<f64>>, Trouble> {
        self.read(position, name, "real numbers", |v| {
            let number = |v: &Value<Tensor>| match v {
                Value::Float(f) => Some(*f),
                Value::Int(i) => Some(*i as f64),
                _ => None,
            };
            v.items()?.iter().map(number).collect()
        })
    }

    /// Two real numbers, with their defaults.
    pub fn pair_or(&self, position: usize, name: &str, default: (f64, f64)) -> Result<(f64, f64), Trouble> {
        let number = |v: &Value<Tensor>| match v {
            Value::Float(f) => Some(*f),
            Value::Int(i) => Some(*i as f64),
            _ => None,
        };
        let found = self.read(position, name, "two real numbers", |v| match v.items()? {
            [a, b] => Some((number(a)?, number(b)?)),
            _ => None,
        })?;
        Ok(found.unwrap_or(default))
    }

    /// A Python number that may be missing or `None`.
    pub fn scalar_opt(&self, position: usize, name: &str) -> Result<Option<Scalar>, Trouble> {
        self.read(position, name, "a number", as_scalar)
    }

    /// A Python number.
    pub fn scalar(&self, position: usize, name: &str) -> Result<Scalar, Trouble> {
        Self::require(position, name, self.scalar_opt(position, name)?)
    }

    /// A string that may be missing or `None`.
    pub fn text_opt(&self, position: usize, name: &str) -> Result<Option<&str>, Trouble> {
        self.read(position, name, "a str", |v| match v {
            Value::Str(s) => Some(s.as_str()),
            _ => None,
        })
    }

    /// A string with its default.
    pub fn text_or<'a>(&'a self, position: usize, name: &str, default: &'a str) -> Result<&'a str, Trouble> {
        Ok(self.text_opt(position, name)?.unwrap_or(default))
    }

    /// A dtype that may be missing or `None`.
    pub fn dtype_opt(&self, position: usize, name: &str) -> Result<Option<DType>, Trouble> {
        let named = self.read(position, name, "a dtype", |v| match v {
            Value::Dtype(d) => Some(d),
            _ => None,
        })?;
        match named {
            None => Ok(None),
            Some(name) => match DType::from_name(name) {
                Some(dtype) => Ok(Some(dtype)),
                None => unsupported(format!("dtype {name}")),
            },
        }
    }

    /// One integer or a sequence of them; `None` where it is missing or `None`.
    pub fn ints_opt(&self, position: usize, name: &str) -> Result<Option<Vec<isize>>, Trouble> {
        self.read(position, name, "integers", as_ints)
    }

    /// One integer or a sequence of them.
    pub fn ints(&self, position: usize, name: &str) -> Result<Vec<isize>, Trouble> {
        Self::require(position, name, self.ints_opt(position, name)?)
    }

    /// Sizes, given as one sequence or as all the positional arguments from `position` on.
    pub fn sizes(&self, position: usize, name: &str) -> Result<Vec<isize>, Trouble> {
        match self.get(position, name) {
            Some(Value::Int(_)) => {
                let each = (position..self.count()).map(|i| Ok(self.int(i, "")? as isize));
                each.collect()
            }
            _ => self.ints(position, name),
        }
    }
}

/// A Python number as a scalar.
pub fn as_scalar(value: &Value<Tensor>) -> Option<Scalar> {
    match value {
        Value::Bool(v) => Some(Scalar::from(*v)),
        Value::Int(v) => Some(Scalar::from(*v)),
        Value::Float(v) => Some(Scalar::from(*v)),
        Value::Complex(re, im) => Some(Scalar::from(Complex::new(*re, *im))),
        _ => None,
    }
}

/// One integer or a sequence of them.
pub fn as_ints(value: &Value<Tensor>) -> Option<Vec<isize>> {
    match value {
        Value::Int(v) => Some(vec![*v as isize]),
        Value::Seq(items) | Value::List(items) => items
            .iter()
            .map(|i| match i {
                Value::Int(v) => Some(*v as isize),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}
