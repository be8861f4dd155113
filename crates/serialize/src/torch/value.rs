//! What a PyTorch file holds: nested Python values.

use super::Sparse;
use flambeau_tensor::{Complex, DType, NamedTensors, StateDict, Tensor};

/// A Python value as PyTorch's checkpoints hold them.
///
/// ```
/// use flambeau_serialize::torch::Value;
///
/// let value = Value::dict([("epoch", Value::from(3)), ("betas", Value::Tuple(vec![0.9.into(), 0.999.into()]))]);
/// assert_eq!(value.get("epoch").and_then(Value::as_i64), Some(3));
/// assert_eq!(value.get("betas").and_then(|b| b.at(1)).and_then(Value::as_f64), Some(0.999));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// `None`
    None,
    /// `bool`
    Bool(bool),
    /// `int`; what does not fit 128 bits is refused by the reader.
    Int(i128),
    /// `float`
    Float(f64),
    /// `complex`
    Complex(Complex<f64>),
    /// `str`; a `torch.device`, too.
    Str(String),
    /// `bytes`, `bytearray`
    Bytes(Vec<u8>),
    /// `list`
    List(Vec<Value>),
    /// `tuple`, `torch.Size`
    Tuple(Vec<Value>),
    /// `set`
    Set(Vec<Value>),
    /// `dict`, `OrderedDict`, `Counter`: keys and values in order. The attributes of a TorchScript module, too.
    Dict(Vec<(Value, Value)>),
    /// `torch.dtype`
    DType(DType),
    /// A tensor, parameter or storage. Tensors that shared a storage share memory.
    Tensor(Tensor),
    /// A sparse tensor in coordinates, as its parts.
    Sparse(Sparse),
}

impl Value {
    /// A dict of these names and values.
    pub fn dict<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Dict(entries.into_iter().map(|(k, v)| (Value::Str(k.into()), v)).collect())
    }

    /// A dict's value under the text `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self else { return None };
        entries.iter().find(|(k, _)| matches!(k, Value::Str(k) if k == key)).map(|(_, value)| value)
    }

    /// A list's or tuple's value at `index`, or a dict's under the number `index` (the parameters in an
    /// optimizer's state are numbered).
    pub fn at(&self, index: usize) -> Option<&Value> {
        match self {
            Value::List(items) | Value::Tuple(items) => items.get(index),
            Value::Dict(entries) => {
                entries.iter().find(|(k, _)| matches!(k, Value::Int(k) if *k == index as i128)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The items of a list, tuple or set; none of anything else.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => items,
            _ => &[],
        }
    }

    /// The entries of a dict; none of anything else.
    pub fn entries(&self) -> &[(Value, Value)] {
        match self {
            Value::Dict(entries) => entries,
            _ => &[],
        }
    }

    /// True for `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    /// The whole number, where it fits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Int(n) = self { i64::try_from(*n).ok() } else { None }
    }

    /// The number, whole ones converted.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// The tensor.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        if let Value::Tensor(t) = self { Some(t) } else { None }
    }

    /// All tensors by the path that leads to them, its steps joined by dots: keys of dicts, positions in lists
    /// and tuples. A state dict gives just its names; in `{"model": …, "optimizer": …}` they begin with
    /// `model.` and `optimizer.` ([`StateDict::sub`] takes one apart). What is no tensor is left out, and so
    /// are sparse ones ([`sparse`](Value::sparse) finds them).
    pub fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        self.collect("", &mut state);
        state
    }

    /// The first sparse tensor and the path that leads to it, joined as in [`state_dict`](Value::state_dict).
    pub fn sparse(&self) -> Option<(String, &Sparse)> {
        let below = |step: &dyn std::fmt::Display, value| {
            let (path, sparse) = Value::sparse(value)?;
            Some((if path.is_empty() { step.to_string() } else { format!("{step}.{path}") }, sparse))
        };
        match self {
            Value::Sparse(sparse) => Some((String::new(), sparse)),
            Value::Dict(entries) => entries.iter().find_map(|(key, value)| match key {
                Value::Str(key) => below(key, value),
                Value::Int(key) => below(key, value),
                _ => below(&"?", value),
            }),
            _ => self.items().iter().enumerate().find_map(|(i, item)| below(&i, item)),
        }
    }

    fn collect(&self, path: &str, state: &mut StateDict) {
        let below = |step: &str| if path.is_empty() { step.to_string() } else { format!("{path}.{step}") };
        match self {
            Value::Tensor(tensor) => drop(state.insert(path, tensor.clone())),
            Value::Dict(entries) => {
                for (key, value) in entries {
                    match key {
                        Value::Str(key) => value.collect(&below(key), state),
                        Value::Int(key) => value.collect(&below(&key.to_string()), state),
                        _ => {}
                    }
                }
            }
            _ => self.items().iter().enumerate().for_each(|(i, item)| item.collect(&below(&i.to_string()), state)),
        }
    }
}

macro_rules! from {
    ($($t:ty => $variant:ident),* $(,)?) => {$(
        impl From<$t> for Value {
            fn from(value: $t) -> Value {
                Value::$variant(value.into())
            }
        }
    )*};
}
from! {
    bool => Bool, i32 => Int, i64 => Int, u32 => Int, u64 => Int, i128 => Int, f32 => Float, f64 => Float,
    Complex<f64> => Complex, &str => Str, String => Str, Vec<Value> => List, DType => DType, Tensor => Tensor,
    Sparse => Sparse,
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Int(value as i128)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::None, Into::into)
    }
}

impl From<&StateDict> for Value {
    fn from(state: &StateDict) -> Value {
        Value::of(state)
    }
}

impl Value {
    /// A dict of named tensors.
    pub fn of(named: &(impl NamedTensors + ?Sized)) -> Value {
        let mut entries = Vec::new();
        named.each_named(&mut |name, tensor| entries.push((Value::from(name), Value::Tensor(tensor.detach()))));
        Value::Dict(entries)
    }
}
