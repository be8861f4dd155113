//! Datasets of tensors and of other datasets.

use crate::{Numbered, numbers};
use flambeau_data::*;
use flambeau_tensor::{Error, ErrorKind, Generator, Result, Tensor};
use std::sync::atomic::{AtomicUsize, Ordering};

fn table() -> Result<(Tensor, Tensor)> {
    let xs = Tensor::arange(0, 24).build()?.reshape([3, 8])?.t()?;
    Ok((xs, Tensor::arange(100, 108).build()?))
}

#[test]
fn rows_of_tensors_make_the_batches_that_items_make() -> Result<()> {
    let (xs, ys) = table()?;
    let whole = TensorDataset::of((xs.clone(), ys.clone(), xs.clone()))?;
    let subset = || Subset::new(TensorDataset::new(xs.clone(), ys.clone())?, vec![7, 0, 3, 3, 1]);
    let together = DataLoader::new(subset()?).batch_size(2).workers(2).build()?;
    let one_by_one = DataLoader::new(subset()?.map(Ok)).batch_size(2).build()?;
    for (a, b) in together.iter().zip(one_by_one.iter()) {
        let (a, b) = (a?, b?);
        assert!(a.0.equal(&b.0)? && a.1.equal(&b.1)?);
    }
    let items = whole.get_many(&[5, 2]).unwrap()?;
    let alone = whole.get(2)?;
    assert!(items[1].0.equal(&alone.0)? && items[1].1.equal(&alone.1)? && items[1].2.equal(&alone.2)?);
    // A batch is a copy: what is done to it leaves the dataset alone.
    let batch = whole.get_batch(&[0, 1]).unwrap()?;
    batch.0.fill_(-1)?;
    assert_eq!(xs.select(0, 0)?.to_vec::<i64>()?, [0, 8, 16]);
    let list = TensorDataset::of(vec![xs.clone(), ys.clone()])?;
    assert_eq!(list.get_batch(&[1]).unwrap()?[1].to_vec::<i64>()?, [101]);

    assert_eq!(whole.get_batch(&[8]).unwrap().map(drop).unwrap_err().kind(), ErrorKind::Index);
    assert_eq!(whole.get(8).map(drop).unwrap_err().kind(), ErrorKind::Index);
    assert!(TensorDataset::new(xs.clone(), Tensor::zeros(7).build()?).is_err());
    assert!(TensorDataset::of(Tensor::zeros([]).build()?).is_err());
    assert!(TensorDataset::of(Vec::new()).is_err());
    Ok(())
}

#[test]
fn a_batch_of_a_tensor_that_requires_grad_has_no_history() -> Result<()> {
    let xs = Tensor::ones([3, 2]).build()?;
    xs.set_tracks(true);
    let loader = DataLoader::new(TensorDataset::of(xs)?).batch_size(2).build()?;
    assert!(!loader.iter().next().unwrap()?.requires_grad());
    Ok(())
}

#[test]
fn after_one_another_and_side_by_side() -> Result<()> {
    let parts = || vec![Numbered(2), Numbered(0), Numbered(3)];
    let all = ConcatDataset::new(parts());
    assert_eq!((0..all.len()).map(|i| all.get(i)).collect::<Result<Vec<_>>>()?, [0, 1, 0, 1, 2]);
    assert_eq!(all.get(5).unwrap_err().kind(), ErrorKind::Index);
    assert_eq!(ConcatDataset::<Numbered>::new(vec![]).get(0).unwrap_err().kind(), ErrorKind::Index);
    let of_two_types: Vec<Box<dyn Dataset<Item = i64>>> =
        vec![Box::new(Numbered(1)), Box::new(ListDataset(vec![9i64]))];
    let loader = DataLoader::new(ConcatDataset::new(of_two_types)).batch_size(2).build()?;
    assert_eq!(numbers(loader.iter())?, [[0, 9]]);
    let (xs, ys) = table()?;
    let tensors = ConcatDataset::new(vec![TensorDataset::new(xs.clone(), ys.clone())?, TensorDataset::new(xs, ys)?]);
    assert!(tensors.get_batch(&[1, 9]).is_none());
    assert_eq!(tensors.get_batch(&[9, 15]).unwrap()?.1.to_vec::<i64>()?, [101, 107]);
    let ys: Vec<Vec<i64>> =
        DataLoader::new(tensors).batch_size(5).build()?.iter().map(|b| b?.1.to_vec::<i64>()).collect::<Result<_>>()?;
    assert_eq!(ys[1], [105, 106, 107, 100, 101]);

    let pairs = StackDataset::new((Numbered(2), ListDataset(vec!["a", "b"])))?;
    assert_eq!(pairs.get(1)?, (1, "b"));
    assert_eq!(StackDataset::new(vec![Numbered(2), Numbered(2)])?.get(1)?, [1, 1]);
    let fault = StackDataset::new((Numbered(2), Numbered(3))).map(drop).unwrap_err();
    assert!(fault.message().contains("[2, 3]"), "{fault}");
    Ok(())
}

/// Recorded from PyTorch 2.15.
#[test]
fn random_parts() -> Result<()> {
    let g = || Generator::with_seed(42);
    let parts = random_split(Numbered(10), &[3usize, 7], Some(&g()))?;
    assert_eq!(parts[0].indices(), [2, 6, 1]);
    assert_eq!(parts[1].indices(), [8, 4, 5, 0, 9, 3, 7]);
    let parts = random_split(Numbered(11), &[0.3, 0.3, 0.4], Some(&g()))?;
    let indices: Vec<&[usize]> = parts.iter().map(Subset::indices).collect();
    assert_eq!(indices, [&[6, 8, 9, 2][..], &[1, 10, 0], &[7, 3, 5, 4]]);
    assert_eq!(parts[0].get(3)?, 2);
    for wrong in [vec![0.5, 0.6], vec![0.5], vec![1.5, -0.5], vec![f64::NAN], vec![]] {
        assert!(random_split(Numbered(11), &wrong, None).is_err());
    }
    assert!(random_split(Numbered(11), &[5usize], None).is_err());
    assert!(Subset::new(Numbered(2), vec![2]).is_err());
    Ok(())
}

/// Gives several items at once.
struct AtOnce(AtomicUsize);

impl Dataset for AtOnce {
    type Item = i64;
    fn len(&self) -> usize {
        10
    }
    fn get(&self, _: usize) -> Result<i64> {
        Err(Error::other("one by one"))
    }
    fn get_many(&self, indices: &[usize]) -> Option<Result<Vec<i64>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if indices.contains(&9) {
            return Some(Err(Error::other("no ninth")));
        }
        Some(Ok(indices.iter().map(|i| *i as i64).collect()))
    }
}

#[test]
fn several_items_at_once() -> Result<()> {
    let loader = DataLoader::new(AtOnce(AtomicUsize::new(0)).map(|i| Ok(-i))).batch_size(4).workers(2).build()?;
    let mut batches = loader.iter();
    assert_eq!(batches.next().unwrap()?.to_vec::<i64>()?, [0, -1, -2, -3]);
    assert_eq!(batches.next().unwrap()?.to_vec::<i64>()?, [-4, -5, -6, -7]);
    let fault = batches.next().unwrap().unwrap_err();
    assert!(fault.message().starts_with("items [8, 9]: "), "{fault}");
    assert_eq!(fault.location().unwrap().file(), file!());
    Ok(())
}

#[test]
fn errors_have_the_item_and_the_part_it_came_from() -> Result<()> {
    let picky = |n: i64| if n == 1 { Err(Error::other("a bad item")) } else { Ok(n) };
    let parts = vec![Numbered(2).map(picky), Numbered(2).map(picky)];
    let loader = DataLoader::new(Subset::new(ConcatDataset::new(parts), vec![0, 3])?).batch_size(2).build()?;
    let fault = loader.iter().next().unwrap().unwrap_err();
    let right = "item 1: Subset: item 3 of the whole: ConcatDataset: item 1 of part 1: error: a bad item";
    assert_eq!(fault.message(), right);
    Ok(())
}
