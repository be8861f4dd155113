//! Named tensors in order: what a module's or an optimizer's `state_dict()` gives and a checkpoint holds.
//!
//! The type stands in the lowest layer, for the file formats (layer 2) read and write what modules
//! (layer 3) and optimizers (layer 4) give and take.

use crate::Tensor;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Named tensors in the order they were put in, each name once.
///
/// ```
/// use flambeau_tensor::{StateDict, Tensor};
///
/// let mut state = StateDict::new();
/// state.insert("fc.weight", Tensor::from_vec(vec![1.0f32, 2.0], [1, 2])?);
/// state.insert("fc.bias", Tensor::from_vec(vec![0.5f32], 1)?);
/// assert_eq!(state.keys().collect::<Vec<_>>(), ["fc.weight", "fc.bias"]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct StateDict {
    entries: Vec<(String, Tensor)>,
    places: HashMap<String, usize>,
}

impl StateDict {
    /// Without entries.
    pub fn new() -> StateDict {
        StateDict::default()
    }

    /// Puts `tensor` under `name`: at the end, or in the place of the one that had the name, which it
    /// returns.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Option<Tensor> {
        let name = name.into();
        if let Some(&place) = self.places.get(&name) {
            return Some(std::mem::replace(&mut self.entries[place].1, tensor));
        }
        self.places.insert(name.clone(), self.entries.len());
        self.entries.push((name, tensor));
        None
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.places.get(name).map(|place| &self.entries[*place].1)
    }

    /// Takes the tensor called `name` out; the order of the others stays.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        let place = self.places.remove(name)?;
        let (_, tensor) = self.entries.remove(place);
        self.places.values_mut().filter(|p| **p > place).for_each(|p| *p -= 1);
        Some(tensor)
    }

    /// True where there is a tensor called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensors in order, to put others in their places.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Tensor> {
        self.entries.iter_mut().map(|(_, tensor)| tensor)
    }

    /// The names in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// The names in order: [`keys`](StateDict::keys).
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys()
    }

    /// Names and tensors in order, as one slice.
    pub fn as_slice(&self) -> &[(String, Tensor)] {
        &self.entries
    }

    /// Keeps the entries that `keep` says yes to, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Tensor) -> bool) {
        *self = std::mem::take(self).into_iter().filter(|(name, tensor)| keep(name, tensor)).collect();
    }

    /// The entries below `prefix`, without it: `sub("optimizer.")` of what
    /// [`extend_under`](StateDict::extend_under) put in.
    pub fn sub(&self, prefix: &str) -> StateDict {
        self.iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone())))
            .collect()
    }

    /// Puts the entries of `other` in, each name with `prefix` before it: several state dicts in one file.
    pub fn extend_under(&mut self, prefix: &str, other: &dyn NamedTensors) {
        other.each_named(&mut |name, tensor| drop(self.insert(format!("{prefix}{name}"), tensor.clone())));
    }
}

impl<S: Into<String>> FromIterator<(S, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (S, Tensor)>>(entries: I) -> StateDict {
        let mut state = StateDict::new();
        state.extend(entries);
        state
    }
}

impl<S: Into<String>> Extend<(S, Tensor)> for StateDict {
    fn extend<I: IntoIterator<Item = (S, Tensor)>>(&mut self, entries: I) {
        for (name, tensor) in entries {
            self.insert(name, tensor);
        }
    }
}

impl IntoIterator for StateDict {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<(String, Tensor)>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a StateDict {
    type Item = (&'a String, &'a Tensor);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (String, Tensor)>, fn(&'a (String, Tensor)) -> Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|(name, tensor)| (name, tensor))
    }
}

impl AsRef<[(String, Tensor)]> for StateDict {
    fn as_ref(&self) -> &[(String, Tensor)] {
        &self.entries
    }
}

/// Names, dtypes and shapes, one a line.
impl fmt::Debug for StateDict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, tensor)) in self.iter().enumerate() {
            let line = if i == 0 { "" } else { "\n" };
            write!(f, "{line}{name}: {} {:?}", tensor.dtype(), tensor.shape())?;
        }
        Ok(())
    }
}

/// Tensors by name, whatever holds them: what `load_state_dict` and `serialize::save` take.
pub trait NamedTensors {
    /// Calls `f` with every name and tensor.
    fn each_named(&self, f: &mut dyn FnMut(&str, &Tensor));
}

impl NamedTensors for StateDict {
    fn each_named(&self, f: &mut dyn FnMut(&str, &Tensor)) {
        self.iter().for_each(|(name, tensor)| f(name, tensor));
    }
}

macro_rules! named_tensors {
    ($([$($generics:tt)*] $t:ty;)*) => {$(
        impl<$($generics)*> NamedTensors for $t {
            fn each_named(&self, f: &mut dyn FnMut(&str, &Tensor)) {
                self.iter().for_each(|(name, tensor)| f(name.as_ref(), tensor));
            }
        }
    )*};
}
named_tensors! {
    [S: AsRef<str>] Vec<(S, Tensor)>;
    [S: AsRef<str>] [(S, Tensor)];
    [S: AsRef<str>, const N: usize] [(S, Tensor); N];
    [S: AsRef<str>] BTreeMap<S, Tensor>;
    [S: AsRef<str>, H] HashMap<S, Tensor, H>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(x: f32) -> Tensor {
        Tensor::from_slice(&[x], 1).expect("one element")
    }

    #[test]
    fn order_is_that_of_insertion() {
        let mut state: StateDict = [("b", one(1.0)), ("a", one(2.0)), ("c", one(3.0))].into_iter().collect();
        assert!(state.insert("a", one(4.0)).is_some());
        assert_eq!(state.keys().collect::<Vec<_>>(), ["b", "a", "c"]);
        assert_eq!(state.get("a").and_then(|t| t.item::<f32>().ok()), Some(4.0));
        assert!(state.remove("b").is_some());
        assert!(state.remove("b").is_none());
        assert_eq!(state.get("c").and_then(|t| t.item::<f32>().ok()), Some(3.0), "places move up");
        assert_eq!(format!("{state:?}"), "a: float32 [1]\nc: float32 [1]");
    }

    #[test]
    fn one_goes_under_a_prefix_and_comes_back() {
        let inner: StateDict = [("x", one(1.0)), ("y", one(2.0))].into_iter().collect();
        let mut state = StateDict::new();
        state.insert("x", one(0.0));
        state.extend_under("model.", &inner);
        assert_eq!(state.names().collect::<Vec<_>>(), ["x", "model.x", "model.y"]);
        assert_eq!(state.sub("model.").keys().collect::<Vec<_>>(), ["x", "y"]);
    }
}
