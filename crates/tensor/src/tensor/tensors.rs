//! The tensors in a value of any shape: a batch, the inputs of a module, its outputs.

use crate::{DType, Device, Result, Scalar, StateDict, Tensor};
use std::collections::{BTreeMap, HashMap};

/// A value with tensors in it: a tensor, a tuple, a list or a map of those, or a struct that derives it. What
/// does something to every tensor of a batch or of a module's inputs and outputs goes by this one trait.
///
/// Numbers, strings and truth values have no tensors and may stand beside them.
///
/// ```
/// use flambeau_tensor::{DType, Tensor, Tensors};
///
/// let batch = (Tensor::ones([2, 3]).build()?, vec![Tensor::zeros(2).build()?], "name".to_string());
/// let batch = batch.map_tensors(|x| x.to_dtype(DType::F64))?;
/// assert!(batch.tensors().iter().all(|x| x.dtype() == DType::F64));
/// assert_eq!(batch.2, "name");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made of tensors",
    note = "tensors, tuples, lists, options and maps of tensors are, and a struct that says `#[derive(Tensors)]`"
)]
pub trait Tensors {
    /// Calls `f` with each tensor, in order.
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor));

    /// Calls `f` with each tensor, in the same order, to put another one in its place.
    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor));

    /// All tensors, in order.
    fn tensors(&self) -> Vec<Tensor> {
        let mut list = Vec::new();
        self.visit_tensors(&mut |tensor| list.push(tensor.clone()));
        list
    }

    /// How many tensors each part of a tuple has; a value that is no tuple is one part.
    fn parts(&self) -> Vec<usize> {
        let mut count = 0;
        self.visit_tensors(&mut |_| count += 1);
        vec![count]
    }

    /// The value with `f` of each tensor in its place.
    ///
    /// # Errors
    /// The first one of `f`.
    fn map_tensors(mut self, mut f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Self>
    where
        Self: Sized,
    {
        let mut fault = None;
        self.visit_tensors_mut(&mut |tensor| {
            if fault.is_none() {
                match f(tensor) {
                    Ok(fresh) => *tensor = fresh,
                    Err(e) => fault = Some(e),
                }
            }
        });
        fault.map_or(Ok(self), Err)
    }

    /// The value with all tensors on `device`.
    ///
    /// # Errors
    /// Where the device cannot take them.
    #[track_caller]
    fn tensors_to(self, device: Device) -> Result<Self>
    where
        Self: Sized,
    {
        let at = std::panic::Location::caller();
        self.map_tensors(|tensor| tensor.to_device(device).map_err(|e| e.located(at)))
    }
}

impl Tensors for Tensor {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        f(self);
    }
    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        f(self);
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $t:ty, $values:ident, $values_mut:ident;)*) => {$(
        impl<$($generics)*> Tensors for $t {
            fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
                self.$values().for_each(|value| value.visit_tensors(f));
            }
            fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
                self.$values_mut().for_each(|value| value.visit_tensors_mut(f));
            }
        }
    )*};
}
lists! {
    [T: Tensors] Vec<T>, iter, iter_mut;
    [T: Tensors, const N: usize] [T; N], iter, iter_mut;
    [T: Tensors] Option<T>, iter, iter_mut;
    [K: Ord, T: Tensors] BTreeMap<K, T>, values, values_mut;
}

impl<T: Tensors + ?Sized> Tensors for Box<T> {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        (**self).visit_tensors(f);
    }
    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        (**self).visit_tensors_mut(f);
    }
}

/// In the order of the keys, so that it is the same for equal maps.
impl<K: Ord + std::hash::Hash, T: Tensors, S: std::hash::BuildHasher> Tensors for HashMap<K, T, S> {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        let mut entries: Vec<(&K, &T)> = self.iter().collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries.into_iter().for_each(|(_, value)| value.visit_tensors(f));
    }
    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        let mut entries: Vec<(&K, &mut T)> = self.iter_mut().collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries.into_iter().for_each(|(_, value)| value.visit_tensors_mut(f));
    }
}

impl Tensors for StateDict {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        self.iter().for_each(|(_, tensor)| f(tensor));
    }
    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        self.values_mut().for_each(f);
    }
}

macro_rules! tuples {
    ($(($($T:ident $i:tt),+))*) => {$(
        impl<$($T: Tensors),+> Tensors for ($($T,)+) {
            fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
                $(self.$i.visit_tensors(f);)+
            }
            fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
                $(self.$i.visit_tensors_mut(f);)+
            }
            fn parts(&self) -> Vec<usize> {
                vec![$(self.$i.parts().into_iter().sum()),+]
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

macro_rules! none {
    ($($t:ty),* $(,)?) => {$(
        /// Has no tensors.
        impl Tensors for $t {
            fn visit_tensors(&self, _: &mut dyn FnMut(&Tensor)) {}
            fn visit_tensors_mut(&mut self, _: &mut dyn FnMut(&mut Tensor)) {}
        }
    )*};
}
none!((), bool, char, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, String, DType, Device, Scalar);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_values_in_order() -> Result<()> {
        let one = |value: f64| Tensor::full(1, value).build();
        let map = HashMap::from([("b", one(5.0)?), ("a", one(4.0)?)]);
        let value = ((one(1.0)?, Some(one(2.0)?)), [one(3.0)?], map, 7usize, (Vec::<Tensor>::new(), None::<Tensor>));
        let read = |list: Vec<Tensor>| list.iter().map(Tensor::item::<f64>).collect::<Result<Vec<f64>>>();
        assert_eq!(read(value.tensors())?, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!((value.parts(), value.1.parts()), (vec![2, 1, 2, 0, 0], vec![1]));
        let value = value.map_tensors(|x| x.mul(2.0))?;
        assert_eq!(read(value.tensors())?, [2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!(value.map_tensors(|x| x.reshape([7, 7])).is_err());
        Ok(())
    }
}
