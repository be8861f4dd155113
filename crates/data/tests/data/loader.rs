//! The loader: PyTorch's order and random numbers, batches made by anybody, errors that name the item and the
//! user's line, and arguments of any size.

use crate::Numbered;
use flambeau_data::*;
use flambeau_tensor::{Error, ErrorKind, Generator, Result, Tensor, ensure, manual_seed, stack};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Drawn(usize);

impl Dataset for Drawn {
    type Item = Tensor;
    fn len(&self) -> usize {
        self.0
    }
    fn get(&self, _: usize) -> Result<Tensor> {
        Tensor::rand([1]).build()
    }
}

#[test]
fn each_item_has_random_numbers_of_its_own() -> Result<()> {
    let run = |workers| -> Result<Vec<f32>> {
        manual_seed(3);
        let loader = DataLoader::new(Drawn(12)).batch_size(3).workers(workers).build()?;
        let mut all = Vec::new();
        for batch in loader.iter().chain(loader.iter()) {
            all.extend(batch?.to_vec::<f32>()?);
        }
        Ok(all)
    };
    let (one, four) = (run(0)?, run(4)?);
    assert_eq!(one, four);
    let mut unique = one;
    unique.sort_by(f32::total_cmp);
    unique.dedup();
    assert_eq!(unique.len(), 24);
    Ok(())
}

/// Recorded from PyTorch 2.15: an epoch that comes to its end draws one permutation more from the generator.
#[test]
fn epochs_of_a_generator() -> Result<()> {
    for workers in [0, 2] {
        let g = Generator::with_seed(5);
        let loader = DataLoader::new(Numbered(10)).batch_size(4).shuffle(true).drop_last(true).workers(workers);
        let loader = loader.generator(&g).build()?;
        let mut epochs: Vec<Vec<i64>> = Vec::new();
        for _ in 0..2 {
            let mut epoch = Vec::new();
            for batch in &loader {
                epoch.extend(batch?.to_vec::<i64>()?);
            }
            epochs.push(epoch);
        }
        assert_eq!(epochs, [[7, 4, 8, 1, 2, 3, 6, 5], [2, 1, 6, 3, 5, 9, 4, 7]]);
    }
    Ok(())
}

/// Recorded from PyTorch 2.15: the first epoch is left after one batch, and draws nothing at an end it has not come to.
#[test]
fn an_epoch_that_is_left_early_draws_no_more() -> Result<()> {
    let g = Generator::with_seed(5);
    let loader = DataLoader::new(Numbered(10)).batch_size(4).shuffle(true).generator(&g).build()?;
    assert_eq!(loader.iter().next().unwrap()?.to_vec::<i64>()?, [7, 4, 8, 1]);
    assert_eq!(loader.iter().next().unwrap()?.to_vec::<i64>()?, [2, 1, 0, 7]);
    Ok(())
}

#[test]
fn batches_made_by_a_closure() -> Result<()> {
    let texts = vec!["ab".to_string(), "c".into(), "def".into()];
    let lengths = |items: Vec<String>| -> Result<(Vec<usize>, String)> {
        Ok((items.iter().map(String::len).collect(), items.concat()))
    };
    for workers in [0, 2] {
        let loader =
            DataLoader::new(ListDataset(texts.clone())).batch_size(2).workers(workers).collate_with(lengths).build()?;
        assert_eq!(loader.len(), 2);
        let batches: Vec<_> = loader.iter().collect::<Result<_>>()?;
        assert_eq!(batches, [(vec![2, 1], "abc".to_string()), (vec![3], "def".to_string())]);
    }
    Ok(())
}

#[test]
fn lists_and_maps_of_items() -> Result<()> {
    let lists = vec![vec![1i64, 2], vec![3, 4], vec![5, 6]];
    let batch = Collate::collate(lists)?;
    assert_eq!(batch.iter().map(Tensor::to_vec::<i64>).collect::<Result<Vec<_>>>()?, [[1, 3, 5], [2, 4, 6]]);
    let item = |x: f32| BTreeMap::from([("x", x), ("y", -x)]);
    let batch = Collate::collate(vec![item(1.0), item(2.0)])?;
    assert_eq!((batch["x"].to_vec::<f32>()?, batch["y"].to_vec::<f32>()?), (vec![1.0, 2.0], vec![-1.0, -2.0]));
    let fault = Collate::collate(vec![vec![1i64], vec![]]).unwrap_err();
    assert!(fault.message().contains("item 1 has 0 elements, the first one 1"), "{fault}");
    let named = |names: &[&'static str]| names.iter().map(|n| (*n, 1i64)).collect::<HashMap<_, _>>();
    let fault = Collate::collate(vec![named(&["a", "b"]), named(&["a"])]).unwrap_err();
    assert!(fault.message().contains("item 1 has no \"b\""), "{fault}");
    let fault = Collate::collate(vec![named(&["a"]), named(&["a"]), named(&["a", "b"])]).unwrap_err();
    assert!(fault.message().contains("item 2 has \"b\""), "{fault}");
    Ok(())
}

/// Fails in each way that a dataset can, by the number of the item.
struct Faulty;

const LINE_OF_INDEX: u32 = line!() + 9;

impl Dataset for Faulty {
    type Item = i64;
    fn len(&self) -> usize {
        4
    }
    fn get(&self, index: usize) -> Result<i64> {
        match index {
            0 => ensure!(false, Index, "Faulty", "no item {index}"),
            1 => drop(std::fs::read("/no/such/file")?),
            2 => return Err(Error::other("a word of one's own")),
            _ => panic!("oh"),
        }
        Ok(0)
    }
}

#[test]
fn errors_name_the_item_and_the_users_line() -> Result<()> {
    for workers in [0, 3] {
        let loader = DataLoader::new(Faulty).workers(workers).build()?;
        let begun = line!() + 1;
        let faults: Vec<Error> = loader.iter().map(|batch| batch.unwrap_err()).collect();
        let kinds = [ErrorKind::Index, ErrorKind::Io, ErrorKind::Other, ErrorKind::Worker];
        for (i, (fault, kind)) in faults.iter().zip(kinds).enumerate() {
            assert_eq!((fault.kind(), fault.place()), (kind, "DataLoader"));
            assert!(fault.message().contains(&format!("item {i}")), "{fault}");
            let line = if i < 3 { LINE_OF_INDEX + i as u32 } else { begun };
            let at = fault.location().unwrap();
            assert_eq!((at.file(), at.line()), (file!(), line), "{fault}");
        }
        assert!(std::error::Error::source(&faults[1]).is_some());
    }
    // A dataset and a collate of ours: the line of the loop.
    let loader = DataLoader::new(ListDataset(vec![Tensor::zeros(1).build()?, Tensor::zeros(2).build()?]))
        .batch_size(2)
        .build()?;
    let begun = line!() + 1;
    for batch in &loader {
        let fault = batch.unwrap_err();
        assert!(fault.message().starts_with("batch 0: collate: item 1 is"), "{fault}");
        assert_eq!((fault.location().unwrap().file(), fault.location().unwrap().line()), (file!(), begun));
    }
    Ok(())
}

#[test]
fn errors_of_making_a_loader_have_the_users_line() {
    let fault = DataLoader::new(ListDataset(vec![1i64])).batch_size(0).build().map(drop).unwrap_err();
    assert_eq!((fault.location().unwrap().file(), fault.location().unwrap().line()), (file!(), line!() - 1));
}

#[test]
fn arguments_of_any_size() -> Result<()> {
    let some = || DataLoader::new(ListDataset(vec![1i64, 2, 3]));
    for loader in [
        some().prefetch(1 << 40).workers(1).build()?,
        some().prefetch(usize::MAX).workers(MOST).build()?,
        some().batch_size(usize::MAX).workers(2).build()?,
    ] {
        let items = loader.iter().map(|b| b.map(|b| b.numel())).collect::<Result<Vec<_>>>()?;
        assert_eq!(items.iter().sum::<usize>(), 3);
    }
    for many in [MOST + 1, usize::MAX] {
        let fault = some().workers(many).build().map(drop).unwrap_err();
        assert!(fault.message().contains("1024 is the most"), "{fault}");
    }
    for workers in [0, 2] {
        let loader = DataLoader::new(Numbered(usize::MAX)).batch_size(2).workers(workers).prefetch(1 << 40).build()?;
        assert_eq!(loader.len(), usize::MAX / 2 + 1);
        let mut batches = loader.iter();
        assert_eq!(batches.next().unwrap()?.to_vec::<i64>()?, [0, 1]);
        let state = batches.state().unwrap();
        drop(batches);
        assert_eq!(loader.iter_from(state.clone()).next().unwrap()?.to_vec::<i64>()?, [2, 3]);
        // The last batch there is, and beyond it.
        let at = |batches, items| LoaderState { batches, items, ..state.clone() };
        let rest: Vec<_> = loader.iter_from(at(usize::MAX / 2, u64::MAX - 1)).collect::<Result<_>>()?;
        assert_eq!(rest.iter().map(Tensor::numel).collect::<Vec<_>>(), [1]);
        assert_eq!(loader.iter_from(at(usize::MAX, u64::MAX)).count(), 0);
    }
    Ok(())
}
const MOST: usize = 1024;

#[test]
fn orders_too_long_for_memory_are_errors() -> Result<()> {
    for n in [1 << 48, usize::MAX] {
        assert_eq!(RandomSampler::new(n).build()?.iter(None).map(drop).unwrap_err().kind(), ErrorKind::Memory);
        assert!(WeightedRandomSampler::new(vec![1.0], n, true)?.iter(None).is_err());
        assert!(DistributedSampler::new(n, 2, 1).build()?.iter(None).is_err());
        let loader = DataLoader::new(Numbered(n)).shuffle(true).workers(2).build()?;
        let mut batches = loader.iter();
        assert!(batches.state().is_none());
        assert!(batches.next().unwrap().is_err());
        assert!(batches.next().is_none());
    }
    let both = ConcatDataset::new(vec![Numbered(usize::MAX), Numbered(usize::MAX)]);
    assert_eq!(both.len(), usize::MAX);
    assert!(random_split(Numbered(1), &[usize::MAX, 2], None).is_err());
    Ok(())
}

/// Counts the items that are read.
struct Counted(Arc<AtomicUsize>);

impl Dataset for Counted {
    type Item = i64;
    fn len(&self) -> usize {
        1 << 20
    }
    fn get(&self, i: usize) -> Result<i64> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(i as i64)
    }
}

#[test]
fn workers_of_a_loop_that_is_left_read_no_more() -> Result<()> {
    let read = Arc::new(AtomicUsize::new(0));
    let loader = DataLoader::new(Counted(read.clone())).workers(2).prefetch(3).build()?;
    let mut batches = loader.iter();
    batches.next().unwrap()?;
    drop(batches);
    let after = read.load(Ordering::SeqCst);
    // Three batches for each worker beyond the one handed out.
    assert!(after <= 1 + 2 * 3, "{after}");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(read.load(Ordering::SeqCst), after);
    Ok(())
}

/// A batch that does not fit is an error of that batch alone.
#[test]
fn a_collate_that_fails_or_panics() -> Result<()> {
    let make = |items: Vec<i64>| -> Result<Tensor> {
        assert!(items[0] != 2, "two");
        let rows: Vec<Tensor> = items.iter().map(|i| Tensor::zeros(*i as usize).build()).collect::<Result<_>>()?;
        stack(&rows, 0)
    };
    for workers in [0, 2] {
        let loader = DataLoader::new(ListDataset(vec![0i64, 0, 2, 3, 0, 1]))
            .batch_size(2)
            .workers(workers)
            .collate_with(make)
            .build()?;
        let found: Vec<Result<Tensor>> = loader.iter().collect();
        assert!(found[0].is_ok());
        let fault = found[1].as_ref().unwrap_err();
        assert!(
            fault.kind() == ErrorKind::Worker && fault.message().contains("making batch 1 panicked: two"),
            "{fault}"
        );
        let fault = found[2].as_ref().unwrap_err();
        assert!(fault.message().starts_with("batch 2: stack"), "{fault}");
    }
    Ok(())
}
