//! Items to batches: `torch.utils.data.default_collate`.

use flambeau_tensor::{Element, Result, Tensor, ensure, no_grad};

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
