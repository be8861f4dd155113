//! The options of parameter groups, by PyTorch's names, and the groups that an optimizer shares with schedules.

use super::coefficient::Coefficient;
use flambeau_autograd::no_grad;
use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Result, Tensor, bail};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

type Name = Cow<'static, str>;

/// What an option is as a value of PyTorch's.
pub trait OptionValue {
    /// The value that a state dict holds.
    fn to_value(&self) -> Value;
}

macro_rules! option_values {
    ($($t:ty),*) => {$(
        impl OptionValue for $t {
            fn to_value(&self) -> Value {
                self.clone().into()
            }
        }
    )*};
}
option_values!(
    bool,
    i64,
    usize,
    f64,
    &str,
    String,
    Tensor,
    Coefficient,
    Value,
    Option<bool>,
    Option<f64>,
    Option<usize>
);

impl OptionValue for &Tensor {
    fn to_value(&self) -> Value {
        (*self).clone().into()
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),*);)*) => {$(
        impl<$($t: OptionValue),*> OptionValue for ($($t,)*) {
            fn to_value(&self) -> Value {
                Value::Tuple(vec![$(self.$i.to_value()),*])
            }
        }
    )*};
}
tuples! { (A 0, B 1); (A 0, B 1, C 2); }

/// The options of one parameter group, by PyTorch's names.
#[derive(Clone, Default)]
pub struct GroupOptions(Vec<(Name, Value)>);

impl GroupOptions {
    pub(crate) fn new(entries: impl IntoIterator<Item = (&'static str, Value)>) -> GroupOptions {
        GroupOptions(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The option called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Sets the option called `name`.
    pub fn set(&mut self, name: impl Into<Name>, value: impl OptionValue) {
        let (name, value) = (name.into(), value.to_value());
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, there)) => *there = value,
            None => self.0.push((name, value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// An option that is a number; of a pair (`betas`) the first.
    ///
    /// # Errors
    /// Where there is no such number.
    pub fn number(&self, name: &str) -> Result<f64> {
        let value = match self.get(name) {
            Some(Value::Tuple(items) | Value::List(items)) => items.first(),
            other => other,
        };
        match value {
            Some(Value::Tensor(t)) => t.item(),
            other => match other.and_then(Value::as_f64) {
                Some(x) => Ok(x),
                None => bail!(Argument, "optimizer", "there is no number \"{name}\" among the options"),
            },
        }
    }

    /// Sets an option that is a number; of a pair the first, of a tensor its element.
    ///
    /// # Errors
    /// Where the tensor cannot be written.
    pub fn set_number(&mut self, name: &str, x: f64) -> Result<()> {
        match self.0.iter_mut().find(|(n, _)| n == name).map(|(_, value)| value) {
            Some(Value::Tuple(items) | Value::List(items)) if !items.is_empty() => items[0] = x.into(),
            Some(Value::Tensor(t)) => drop(no_grad(|| t.fill_(x))?),
            Some(value) => *value = x.into(),
            None => self.0.push((name.to_string().into(), x.into())),
        }
        Ok(())
    }

    /// An option that is a number, where it is: on the host or on a device.
    ///
    /// # Errors
    /// Where there is no such number.
    pub fn coefficient(&self, name: &str) -> Result<Coefficient> {
        match self.get(name) {
            Some(Value::Tensor(t)) => Ok(t.detach().into()),
            _ => self.number(name).map(Coefficient::Host),
        }
    }

    /// An option that is true or false; false where it is missing or none.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// An option of `N` numbers.
    ///
    /// # Errors
    /// Where it is none.
    pub fn numbers<const N: usize>(&self, name: &str) -> Result<[f64; N]> {
        let items = self.get(name).map(Value::items).unwrap_or_default();
        let mut numbers = [0.0; N];
        for (to, item) in numbers.iter_mut().zip(items) {
            *to = match item {
                Value::Tensor(t) => t.item()?,
                other => other.as_f64().unwrap_or(f64::NAN),
            };
        }
        if items.len() != N || numbers.iter().any(|x| x.is_nan()) {
            bail!(Argument, "optimizer", "the option \"{name}\" is not {N} numbers")
        }
        Ok(numbers)
    }

    /// An option that is a whole number; none where it is None.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.get(name).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok())
    }
}

/// Names and values, one a line.
impl fmt::Debug for GroupOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options: Vec<_> = self.iter().collect();
        options.sort_by_key(|(name, _)| *name);
        options.iter().try_for_each(|(name, value)| writeln!(f, "    {name}: {}", Shown(value)))
    }
}

/// A value as Python prints it.
pub(crate) struct Shown<'a>(pub &'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[Value]| {
            items.iter().enumerate().try_for_each(|(i, x)| write!(f, "{}{}", if i > 0 { ", " } else { "" }, Shown(x)))
        };
        match self.0 {
            Value::None => write!(f, "None"),
            Value::Bool(true) => write!(f, "True"),
            Value::Bool(false) => write!(f, "False"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{x:?}"),
            Value::Str(s) => write!(f, "{s}"),
            Value::Tuple(items) => {
                write!(f, "(")?;
                list(f, items)?;
                write!(f, ")")
            }
            Value::List(items) => {
                write!(f, "[")?;
                list(f, items)?;
                write!(f, "]")
            }
            Value::Tensor(t) => write!(f, "{} tensor {:?}", t.dtype(), t.shape()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// The parameters an optimizer is for: anything that gives tensors or parameters, owned or borrowed.
#[derive(Clone, Debug, Default)]
pub struct Params(pub(crate) Vec<Tensor>);

impl<T: AsRef<Tensor>, I: IntoIterator<Item = T>> From<I> for Params {
    fn from(tensors: I) -> Params {
        Params(tensors.into_iter().map(|t| t.as_ref().clone()).collect())
    }
}

/// Parameters with options of their own; what a group does not set is as the optimizer was made.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_optim::{AdamW, Optimizer, ParamGroup};
/// use flambeau_tensor::Tensor;
///
/// let (w, b) = (Tensor::ones([2, 2]).build()?.requires_grad_()?, Tensor::ones(2).build()?.requires_grad_()?);
/// let optimizer = AdamW::new([&w]).lr(1e-3).groups([ParamGroup::new([&b]).set("weight_decay", 0.0)]).build()?;
/// assert_eq!(optimizer.groups().number(1, "weight_decay")?, 0.0);
/// assert_eq!(optimizer.lr(), [1e-3, 1e-3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParamGroup {
    pub(crate) params: Vec<Tensor>,
    pub(crate) options: Vec<(Name, Value)>,
}

impl ParamGroup {
    /// A group of `params`, without options of its own.
    pub fn new(params: impl Into<Params>) -> ParamGroup {
        ParamGroup { params: params.into().0, options: Vec::new() }
    }

    /// Sets an option by PyTorch's name: `"lr"`, `"betas"`.
    #[must_use]
    pub fn set(mut self, name: impl Into<Name>, value: impl OptionValue) -> ParamGroup {
        self.options.push((name.into(), value.to_value()));
        self
    }
}

/// The options of an optimizer's groups, which schedules share.
#[derive(Clone, Debug, Default)]
pub struct Groups(Arc<Mutex<Vec<Arc<GroupOptions>>>>);

impl Groups {
    /// The number of groups.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// True without groups.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The options of group `i`, as they are; none where there are fewer groups.
    pub fn get(&self, i: usize) -> Option<Arc<GroupOptions>> {
        self.0.lock().get(i).cloned()
    }

    /// A number among the options of group `i`: `"lr"`; of a pair (`"betas"`) the first.
    ///
    /// # Errors
    /// Where there is no such group, or no such number.
    pub fn number(&self, i: usize, name: &str) -> Result<f64> {
        match self.get(i) {
            Some(options) => options.number(name),
            None => bail!(Argument, "optimizer", "there is no group {i}, there are {}", self.len()),
        }
    }

    /// A number of every group.
    ///
    /// # Errors
    /// Where there is no such number.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        self.all().iter().map(|options| options.number(name)).collect()
    }

    /// Changes the options of each group; `f` gets the group's number.
    ///
    /// # Errors
    /// That of `f`; groups before it are changed.
    pub fn update(&self, mut f: impl FnMut(usize, &mut GroupOptions) -> Result<()>) -> Result<()> {
        // Not under the lock, for `f` may look here, too.
        let mut all = self.all();
        let changed = all.iter_mut().enumerate().try_for_each(|(i, options)| f(i, Arc::make_mut(options)));
        *self.0.lock() = all;
        changed
    }

    pub(crate) fn all(&self) -> Vec<Arc<GroupOptions>> {
        self.0.lock().clone()
    }

    pub(crate) fn replace(&self, all: Vec<GroupOptions>) {
        *self.0.lock() = all.into_iter().map(Arc::new).collect();
    }

    pub(crate) fn push(&self, options: GroupOptions) {
        self.0.lock().push(Arc::new(options));
    }

    /// True where both are the groups of one optimizer.
    pub(crate) fn is(&self, other: &Groups) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// True where `found`, from a file, can stand for an option that was `default`.
pub(crate) fn is_of_kind(default: &Value, found: &Value) -> bool {
    use Value::{Bool, Float, Int, List, None, Str, Tensor, Tuple};
    match (default, found) {
        (None, _) | (Bool(_), Bool(_) | None) | (Str(_), Str(_) | None) => true,
        (Int(_) | Float(_), Int(_) | Float(_)) => true,
        (Int(_) | Float(_) | Tensor(_), Tensor(t)) => t.numel() == 1 && t.dtype() != DType::Bool,
        (Tensor(_), Int(_) | Float(_)) => true,
        (Tuple(a) | List(a), Tuple(b) | List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_of_kind(a, b))
        }
        _ => false,
    }
}
