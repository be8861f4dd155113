//! Orders, PyTorch's where it has them: recorded from PyTorch 2.15.

use flambeau_data::*;
use flambeau_tensor::{ErrorKind, Generator, Result, manual_seed, random::with_generator};

fn order(sampler: &impl Sampler, generator: Option<&Generator>) -> Result<Vec<usize>> {
    sampler.iter(generator)?.collect()
}

/// `f` with a default generator of this test's own.
fn seeded<T>(seed: u64, f: impl FnOnce() -> T) -> T {
    with_generator(&Generator::with_seed(0), || {
        manual_seed(seed);
        f()
    })
}

#[test]
fn random() -> Result<()> {
    let ten = RandomSampler::new(10).build()?;
    let both = seeded(3, || -> Result<_> { Ok((order(&ten, None)?, order(&ten, None)?)) })?;
    assert_eq!(both, (vec![7, 0, 9, 1, 6, 4, 5, 3, 2, 8], vec![6, 2, 0, 1, 8, 3, 5, 4, 7, 9]));
    assert_eq!(order(&ten, Some(&Generator::with_seed(5)))?, [1, 4, 9, 6, 3, 5, 0, 2, 8, 7]);

    // More samples than items, and what is drawn at the end.
    let g = Generator::with_seed(5);
    let many = RandomSampler::new(7).num_samples(17).build()?;
    assert_eq!(order(&many, Some(&g))?, [1, 0, 4, 2, 6, 5, 3, 1, 6, 5, 3, 2, 4, 0, 4, 3, 5]);
    assert_eq!(order(&many, Some(&g))?, [6, 2, 0, 1, 4, 3, 5, 1, 2, 3, 4, 6, 5, 0, 3, 0, 2]);

    let g = Generator::with_seed(5);
    let many = RandomSampler::new(7).replacement(true).num_samples(40).build()?;
    let right = [
        1, 5, 2, 3, 6, 1, 1, 3, 5, 4, 0, 6, 4, 2, 3, 2, 4, 5, 6, 5, 3, 1, 0, 4, 1, 0, 1, 3, 6, 5, 3, 5, 5, 3, 2, 5, 5,
        5, 4, 0,
    ];
    assert_eq!(order(&many, Some(&g))?, right);
    assert_eq!(order(&many, Some(&g))?[..8], [2, 1, 2, 6, 2, 4, 6, 5]);

    assert!(RandomSampler::new(0).num_samples(1).build().is_err());
    assert_eq!(order(&RandomSampler::new(0).build()?, None)?, [0; 0]);
    assert_eq!(order(&RandomSampler::new(5).num_samples(0).build()?, None)?, [0; 0]);
    Ok(())
}

#[test]
fn by_weight_and_of_a_list() -> Result<()> {
    let subset = SubsetRandomSampler(vec![10, 20, 30, 40, 50, 60]);
    assert_eq!(seeded(3, || order(&subset, None))?, [50, 10, 40, 30, 20, 60]);
    let weighted = WeightedRandomSampler::new(vec![0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 12, true)?;
    assert_eq!(seeded(3, || order(&weighted, None))?, [1, 3, 4, 1, 4, 4, 2, 4, 4, 4, 2, 4]);
    let weighted = WeightedRandomSampler::new(vec![0.9, 0.4, 0.05, 0.2, 0.3, 0.1], 5, false)?;
    assert_eq!(seeded(3, || order(&weighted, None))?, [0, 1, 3, 4, 5]);

    let some = WeightedRandomSampler::new(vec![0.0, 1.0, 0.0, 2.0, 0.0], 20_000, true)?;
    let drawn = seeded(0, || order(&some, None))?;
    assert_eq!(drawn.len(), 20_000);
    assert!(drawn.iter().all(|i| *i == 1 || *i == 3));
    assert!(WeightedRandomSampler::new(vec![1.0, -1.0], 1, true).is_err());
    assert!(WeightedRandomSampler::new(vec![1.0, 0.0], 2, false).is_err());
    Ok(())
}

#[test]
fn distributed() -> Result<()> {
    let shares = |n, replicas, drop_last, epoch| -> Result<Vec<Vec<usize>>> {
        let share = |rank| {
            let sampler = DistributedSampler::new(n, replicas, rank).seed(4).drop_last(drop_last).build()?;
            sampler.set_epoch(epoch);
            let all = order(&sampler, None)?;
            assert_eq!(all.len(), sampler.len());
            for skip in 0..=all.len() {
                assert_eq!(sampler.iter_from(None, skip)?.collect::<Result<Vec<_>>>()?, all[skip..]);
            }
            Ok(all)
        };
        (0..replicas).map(share).collect()
    };
    assert_eq!(shares(10, 3, false, 0)?, [[0, 6, 2, 5], [4, 7, 8, 0], [9, 3, 1, 4]]);
    assert_eq!(shares(10, 3, false, 2)?, [[0, 1, 9, 6], [7, 8, 2, 0], [5, 3, 4, 7]]);
    assert_eq!(shares(10, 3, true, 0)?, [[0, 6, 2], [4, 7, 8], [9, 3, 1]]);
    assert_eq!(shares(10, 3, true, 2)?, [[0, 1, 9], [7, 8, 2], [5, 3, 4]]);
    assert_eq!(shares(2, 5, false, 2)?, [[0], [1], [0], [1], [0]]);
    let plain = |rank| order(&DistributedSampler::new(10, 3, rank).shuffle(false).build()?, None);
    assert_eq!([plain(0)?, plain(1)?, plain(2)?], [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]);
    assert_eq!(DistributedSampler::new(10, 3, 3).build().unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(order(&DistributedSampler::new(0, 3, 1).build()?, None)?, [0; 0]);
    Ok(())
}

#[test]
fn without_end() -> Result<()> {
    let endless = InfiniteSampler::new(RandomSampler::new(4).build()?);
    let drawn: Vec<usize> = endless.iter(Some(&Generator::with_seed(1)))?.take(400).collect::<Result<_>>()?;
    for epoch in drawn.chunks(4) {
        let mut sorted = epoch.to_vec();
        sorted.sort();
        assert_eq!(sorted, [0, 1, 2, 3]);
    }
    assert!(drawn.chunks(4).any(|epoch| epoch != &drawn[..4]));
    assert_eq!(order(&InfiniteSampler::new(SequentialSampler(0)), None)?, [0; 0]);
    let loader = DataLoader::new(ListDataset(vec![0i64, 1, 2])).sampler(InfiniteSampler::new(SequentialSampler(3)));
    let loader = loader.batch_size(2).workers(2).build()?;
    let first = crate::numbers(loader.iter().take(4))?;
    assert_eq!(first, [[0, 1], [2, 0], [1, 2], [0, 1]]);
    Ok(())
}

#[test]
fn batches() -> Result<()> {
    let five = |size, drop_last| -> Result<Vec<Vec<usize>>> {
        let batches = BatchSampler::new(SequentialSampler(5), size, drop_last)?;
        let all: Vec<Vec<usize>> = batches.iter(None)?.collect::<Result<_>>()?;
        assert_eq!(all.len(), batches.len());
        for skip in 0..=all.len() {
            assert_eq!(batches.iter_from(None, skip)?.collect::<Result<Vec<_>>>()?, all[skip..]);
        }
        Ok(all)
    };
    assert_eq!(five(2, false)?, [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(five(2, true)?, [[0, 1], [2, 3]]);
    assert_eq!(five(5, true)?, [[0, 1, 2, 3, 4]]);
    assert_eq!(five(usize::MAX, false)?, [[0, 1, 2, 3, 4]]);
    assert!(BatchSampler::new(SequentialSampler(5), 0, false).is_err());
    Ok(())
}

#[test]
fn batches_of_like_length() -> Result<()> {
    let lengths: Vec<usize> = (0..1003).map(|i| (i * 37) % 101).collect();
    let batches = BucketBatchSampler::new(lengths.clone(), 8usize).build()?;
    let g = Generator::with_seed(2);
    let all: Vec<Vec<usize>> = batches.iter(Some(&g))?.collect::<Result<_>>()?;
    assert_eq!((all.len(), batches.len()), (126, 126));
    let mut items: Vec<usize> = all.concat();
    items.sort();
    assert!(items.into_iter().eq(0..1003));
    let filled = |all: &[Vec<usize>]| -> usize {
        all.iter().map(|b| b.len() * b.iter().map(|i| lengths[*i]).max().unwrap_or(0)).sum()
    };
    let plain: Vec<Vec<usize>> = (0..1003).collect::<Vec<_>>().chunks(8).map(<[_]>::to_vec).collect();
    assert!(filled(&all) * 10 < filled(&plain) * 7, "{} {}", filled(&all), filled(&plain));
    assert_ne!(all, batches.iter(Some(&g))?.collect::<Result<Vec<_>>>()?);
    let sorted = BucketBatchSampler::new(vec![3usize, 1, 2], 2usize).shuffle(false).drop_last(true).build()?;
    assert_eq!(sorted.iter(None)?.collect::<Result<Vec<_>>>()?, [[1, 2]]);
    assert!(BucketBatchSampler::new(vec![1usize], 0usize).build().is_err());
    Ok(())
}
