//! Items to batches: `torch.utils.data.default_collate`.

mod pad;
mod place;
mod with;

pub use pad::{IntoSequence, PadCollate, pad_collate};
pub use place::Placed;
pub use with::{CollateWith, DefaultCollate, Transformed, Unbatched};

use flambeau_tensor::{Element, Result, Tensor, bail, bf16, ensure, f16, no_grad};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// What items become together: tensors are stacked, numbers become a tensor, texts a list; tuples, arrays, lists,
/// maps and options are taken apart, and structs of such by `#[derive(Collate)]`.
///
/// ```
/// use flambeau_data::{Collate, DataLoader, ListDataset};
/// use flambeau_tensor::Tensor;
///
/// #[derive(Clone, Collate)]
/// struct Sample {
///     image: Tensor,
///     label: i64,
/// }
///
/// let sample = |label| Ok::<_, flambeau_tensor::Error>(Sample { image: Tensor::zeros([1, 2]).build()?, label });
/// let loader = DataLoader::new(ListDataset(vec![sample(3)?, sample(4)?])).batch_size(2).build()?;
/// // The derive makes the batch's struct, with the same fields.
/// let batch: SampleBatch = loader.iter().next().expect("a batch")?;
/// assert_eq!(batch.image.shape(), [2, 1, 2]);
/// assert_eq!(batch.label.to_vec::<i64>()?, [3, 4]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
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
// PyTorch makes 64 bits of Python's numbers; what has a dtype of its own here keeps it.
numbers! {
    i64 => i64, i32 => i64, i16 => i64, i8 => i64, u32 => i64, u16 => i64, u8 => i64, bool => bool,
    f32 => f32, f64 => f64, f16 => f16, bf16 => bf16
}

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

macro_rules! listed {
    ($($t:ty),*) => {$(
        impl Collate for $t {
            type Batch = Vec<$t>;
            fn collate(items: Vec<Self>) -> Result<Vec<$t>> {
                Ok(items)
            }
        }
    )*};
}
listed!(String, &'static str, std::path::PathBuf, ());

/// A batch where all items have a value, `None` where none has.
impl<T: Collate> Collate for Option<T> {
    type Batch = Option<T::Batch>;
    fn collate(items: Vec<Self>) -> Result<Self::Batch> {
        let some = items[0].is_some();
        if let Some(i) = items.iter().position(|item| item.is_some() != some) {
            let (this, first) = if some { ("no value", "one") } else { ("a value", "none") };
            bail!(Shape, "collate", "item {i} has {this}, the first one has {first}")
        }
        let values: Vec<T> = items.into_iter().flatten().collect();
        if some { T::collate(values).map(Some) } else { Ok(None) }
    }
}

/// A batch for each place.
impl<T: Collate, const N: usize> Collate for [T; N] {
    type Batch = [T::Batch; N];
    fn collate(items: Vec<Self>) -> Result<Self::Batch> {
        let mut columns: [Vec<T>; N] = std::array::from_fn(|_| Vec::with_capacity(items.len()));
        for item in items {
            columns.iter_mut().zip(item).for_each(|(column, x)| column.push(x));
        }
        let batches = columns.into_iter().map(T::collate).collect::<Result<Vec<_>>>()?;
        batches.try_into().map_err(|_| flambeau_tensor::Error::other("as many batches as places"))
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
tuples! { A a; A a, B b; A a, B b, C c; A a, B b, C c, D d; A a, B b, C c, D d, E e;
A a, B b, C c, D d, E e, G g; }
