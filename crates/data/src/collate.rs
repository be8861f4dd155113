//! Items to batches: `torch.utils.data.default_collate`.

use flambeau_tensor::{Element, Result, Tensor, bail, ensure, no_grad};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// This file, as errors that start here name it.
pub(crate) const FILE: &str = file!();

/// A way to make a batch of items: [`DefaultCollate`], or a closure from a `Vec` of items to a `Result`.
pub trait CollateWith<T>: Send + Sync + 'static {
    /// A batch of items.
    type Batch: Send + 'static;

    /// The batch of `items`, of which there is at least one.
    ///
    /// # Errors
    /// Where they do not fit each other.
    fn collate(&self, items: Vec<T>) -> Result<Self::Batch>;
}

/// Items by their own [`Collate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultCollate;

impl<T: Collate<Batch: Send + 'static>> CollateWith<T> for DefaultCollate {
    type Batch = T::Batch;
    fn collate(&self, items: Vec<T>) -> Result<T::Batch> {
        T::collate(items)
    }
}

impl<T, B: Send + 'static, F: Fn(Vec<T>) -> Result<B> + Send + Sync + 'static> CollateWith<T> for F {
    type Batch = B;
    fn collate(&self, items: Vec<T>) -> Result<B> {
        self(items)
    }
}

/// What items become together: tensors are stacked, numbers become a tensor, tuples are taken apart.
pub trait Collate: Sized {
    /// A batch of items.
    type Batch;

    /// The batch of `items`, of which there is at least one.
    ///
    /// # Errors
    /// Where they do not fit each other.
    fn collate(items: Vec<Self>) -> Result<Self::Batch>;
}

impl Collate for Tensor {
    type Batch = Tensor;
    fn collate(items: Vec<Self>) -> Result<Tensor> {
        let first = &items[0];
        for (i, t) in items.iter().enumerate() {
            ensure!(
                t.shape() == first.shape() && t.dtype() == first.dtype(),
                Shape,
                "collate",
                "item {i} is {} {:?}, the first one {} {:?}: they do not stack",
                t.dtype(),
                t.shape(),
                first.dtype(),
                first.shape()
            );
        }
        no_grad(|| flambeau_tensor::stack(&items, 0))
    }
}

macro_rules! numbers {
    ($($t:ty => $to:ty),*) => {$(
        impl Collate for $t {
            type Batch = Tensor;
            fn collate(items: Vec<Self>) -> Result<Tensor> {
                vector(items.into_iter().map(<$to>::from).collect())
            }
        }
    )*};
}
numbers!(i64 => i64, i32 => i64, u8 => i64, bool => bool, f32 => f32, f64 => f64);

impl Collate for usize {
    type Batch = Tensor;
    fn collate(items: Vec<Self>) -> Result<Tensor> {
        vector(items.into_iter().map(|i| i as i64).collect())
    }
}

fn vector<T: Element>(items: Vec<T>) -> Result<Tensor> {
    let n = items.len();
    Tensor::from_vec(items, n)
}

/// As many batches as each item has elements, of which all must have the same number.
impl<T: Collate> Collate for Vec<T> {
    type Batch = Vec<T::Batch>;
    fn collate(items: Vec<Self>) -> Result<Self::Batch> {
        let n = items[0].len();
        let mut columns: Vec<Vec<T>> = (0..n).map(|_| Vec::with_capacity(items.len())).collect();
        for (i, item) in items.into_iter().enumerate() {
            ensure!(item.len() == n, Shape, "collate", "item {i} has {} elements, the first one {n}", item.len());
            columns.iter_mut().zip(item).for_each(|(column, x)| column.push(x));
        }
        columns.into_iter().map(T::collate).collect()
    }
}

macro_rules! maps {
    ($($Map:ident: $($bound:ident)+;)*) => {$(
        /// A batch for each name, which all items must have.
        impl<K: $($bound +)+ std::fmt::Debug, T: Collate> Collate for $Map<K, T> {
            type Batch = $Map<K, T::Batch>;
            fn collate(mut items: Vec<Self>) -> Result<Self::Batch> {
                let first = std::mem::take(&mut items[0]);
                let mut batch = $Map::new();
                for (name, value) in first {
                    let mut column = vec![value];
                    for (i, item) in items[1..].iter_mut().enumerate() {
                        match item.remove(&name) {
                            Some(value) => column.push(value),
                            None => bail!(Shape, "collate", "item {} has no {name:?}, the first one has", i + 1),
                        }
                    }
                    batch.insert(name, T::collate(column)?);
                }
                if let Some((i, name)) = items.iter().enumerate().find_map(|(i, m)| Some((i, m.keys().next()?))) {
                    bail!(Shape, "collate", "item {i} has {name:?}, the first one has not")
                }
                Ok(batch)
            }
        }
    )*};
}
maps! { BTreeMap: Ord; HashMap: Eq Hash; }

impl Collate for String {
    type Batch = Vec<String>;
    fn collate(items: Vec<Self>) -> Result<Vec<String>> {
        Ok(items)
    }
}

macro_rules! tuples {
    ($($($T:ident $x:ident),+;)*) => {$(
        impl<$($T: Collate),+> Collate for ($($T,)+) {
            type Batch = ($($T::Batch,)+);
            fn collate(items: Vec<Self>) -> Result<Self::Batch> {
                $(let mut $x = Vec::with_capacity(items.len());)+
                for item in items {
                    #[allow(non_snake_case)]
                    let ($($T,)+) = item;
                    $($x.push($T);)+
                }
                Ok(($($T::collate($x)?,)+))
            }
        }
    )*};
}
tuples! { A a; A a, B b; A a, B b, C c; A a, B b, C c, D d; A a, B b, C c, D d, E e; }
