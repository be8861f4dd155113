//! Datasets that are read from front to back.

use crate::numbers;
use flambeau_data::*;
use flambeau_tensor::{Error, Generator, Result, Tensor, random::with_generator};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Count(i64);

impl IterableDataset for Count {
    type Item = i64;
    fn iter(&self) -> Result<Stream<i64>> {
        Ok(Box::new((0..self.0).map(Ok)))
    }
    fn len(&self) -> Option<usize> {
        Some(self.0 as usize)
    }
}

#[test]
fn each_item_once_for_any_workers_and_processes() -> Result<()> {
    for workers in [0, 1, 3] {
        for world in [1, 2, 3, 7] {
            let mut all = Vec::new();
            for rank in 0..world {
                let loader = DataLoader::stream(Count(23)).batch_size(4).shard(rank, world).workers(workers).build()?;
                let batches = numbers(loader.iter())?;
                assert_eq!(loader.len(), Some(batches.len()));
                let own: Vec<i64> = batches.concat();
                assert!(own.iter().copied().eq((rank as i64..23).step_by(world)), "{own:?}");
                all.extend(own);
            }
            all.sort();
            assert!(all.into_iter().eq(0..23));
        }
    }
    Ok(())
}

#[test]
fn the_last_batch_and_none() -> Result<()> {
    for workers in [0, 2] {
        let sizes = |n, drop_last| -> Result<Vec<usize>> {
            let loader = DataLoader::stream(Count(n)).batch_size(4).drop_last(drop_last).workers(workers).build()?;
            let sizes: Vec<usize> = loader.iter().map(|b| Ok(b?.numel())).collect::<Result<_>>()?;
            assert_eq!(loader.len(), Some(sizes.len()));
            Ok(sizes)
        };
        assert_eq!(sizes(9, false)?, [4, 4, 1]);
        assert_eq!(sizes(9, true)?, [4, 4]);
        assert_eq!(sizes(8, false)?, [4, 4]);
        assert_eq!(sizes(0, false)?, [0; 0]);
        let items = DataLoader::stream(Count(3)).batch_size(None).workers(workers).build()?;
        assert_eq!(items.iter().collect::<Result<Vec<_>>>()?, [0, 1, 2]);
    }
    assert!(DataLoader::stream(Count(1)).shard(1, 1).build().is_err());
    assert!(DataLoader::stream(Count(1)).batch_size(0).build().is_err());
    Ok(())
}

/// Draws both in the stream and in what is shared.
struct Drawing;

impl IterableDataset for Drawing {
    type Item = f32;
    fn iter(&self) -> Result<Stream<f32>> {
        Ok(Box::new((0..20).map(|_| Tensor::rand(1).build()?.item::<f32>())))
    }
}

#[test]
fn the_same_batches_at_any_number_of_workers_and_from_the_middle_on() -> Result<()> {
    let loader = |workers, g: &Generator| {
        let noisy = |x: f32| Tensor::rand(1).build()?.add(f64::from(x) * 10.0)?.to_vec::<f32>();
        DataLoader::stream(Drawing).batch_size(3).workers(workers).generator(g).transform(noisy).build()
    };
    let values = |batches: &mut dyn Iterator<Item = Result<Vec<Tensor>>>| -> Result<Vec<Vec<f32>>> {
        batches.map(|b| b?[0].to_vec::<f32>()).collect()
    };
    let whole = values(&mut loader(0, &Generator::with_seed(1))?.iter())?;
    assert_eq!(whole.len(), 7);
    for workers in [0, 1, 4] {
        let g = Generator::with_seed(1);
        let loader_1 = loader(workers, &g)?;
        let mut epoch = loader_1.iter();
        let first = values(&mut epoch.by_ref().take(2))?;
        let state = LoaderState::from_state_dict(&epoch.state().unwrap().state_dict()?)?;
        let rest = values(&mut loader(4 - workers, &Generator::with_seed(9))?.iter_from(state))?;
        assert_eq!([first, rest].concat(), whole);
    }
    Ok(())
}

#[test]
fn after_one_another() -> Result<()> {
    let parts: Vec<Box<dyn IterableDataset<Item = i64>>> =
        vec![Box::new(Count(2)), Box::new(Count(0)), Box::new(Count(2).map(|i| Ok(i + 10)))];
    let chain = ChainDataset::new(parts);
    assert_eq!(IterableDataset::len(&chain), Some(4));
    let loader = DataLoader::stream(chain).batch_size(3).workers(2).build()?;
    assert_eq!(numbers(loader.iter())?, [vec![0, 1, 10], vec![11]]);
    Ok(())
}

struct Faulty(Arc<AtomicBool>);

impl IterableDataset for Faulty {
    type Item = i64;
    fn iter(&self) -> Result<Stream<i64>> {
        if self.0.load(Ordering::SeqCst) {
            return Err(Error::other("closed"));
        }
        Ok(Box::new((0..6).map(|i| match i {
            2 => Err(Error::other("torn")),
            5 => panic!("oh"),
            _ => Ok(i),
        })))
    }
}

#[test]
fn faults_of_a_stream() -> Result<()> {
    let closed = Arc::new(AtomicBool::new(false));
    for workers in [0, 2] {
        let loader = DataLoader::stream(Faulty(closed.clone())).workers(workers).build()?;
        let all: Vec<Result<Tensor>> = loader.iter().collect();
        assert_eq!(all.len(), 6);
        let fault = all[2].as_ref().unwrap_err();
        assert!(fault.message().starts_with("item 2: error: torn"), "{fault}");
        let fault = all[5].as_ref().unwrap_err();
        assert!(fault.message().contains("item 5") && fault.message().contains("panicked: oh"), "{fault}");
        closed.store(true, Ordering::SeqCst);
        let mut batches = loader.iter();
        assert!(batches.state().is_none());
        assert!(batches.next().unwrap().unwrap_err().message().contains("closed"));
        assert!(batches.next().is_none());
        closed.store(false, Ordering::SeqCst);
    }
    with_generator(&Generator::with_seed(0), || ());
    Ok(())
}
