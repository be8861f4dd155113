//! Threads: who does what when, how they begin, end and get stuck.

use crate::{Numbered, numbers};
use flambeau_data::*;
use flambeau_tensor::{Error, ErrorKind, Generator, Result, Tensor};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{ThreadId, current, sleep};
use std::time::{Duration, Instant};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Every other item takes its time: until another slow one is under way, too. Workers bound to items would have all of
/// them with one worker, one after another.
#[test]
fn slow_items_hold_up_nobody_else() -> Result<()> {
    let two = Barrier::new(2);
    let slow = Numbered(20).map(move |i| {
        if i % 2 == 0 {
            two.wait();
        }
        Ok(i)
    });
    let loader = DataLoader::new(slow).workers(2).timeout(Duration::from_secs(20)).build()?;
    assert!(numbers(loader.iter())?.concat().into_iter().eq(0..20));
    Ok(())
}

#[test]
fn the_end_of_a_loop_waits_for_the_item_in_hand_alone() -> Result<()> {
    let slow = Numbered(1000).map(|i| {
        if i > 0 {
            sleep(ms(400));
        }
        Ok(i)
    });
    let loader = DataLoader::new(slow).batch_size(1).workers(4).build()?;
    let mut batches = loader.iter();
    batches.next().unwrap()?;
    let left = Instant::now();
    drop(batches);
    assert!(left.elapsed() < ms(780), "{:?}", left.elapsed());
    Ok(())
}

#[test]
fn a_stuck_item_is_told_of_and_left_behind() -> Result<()> {
    let stuck = Numbered(8).map(|i| {
        if i == 2 {
            sleep(Duration::from_secs(3));
        }
        Ok(i)
    });
    let loader = DataLoader::new(stuck).workers(2).timeout(ms(60)).build()?;
    let begun = Instant::now();
    let mut batches = loader.iter();
    assert!(batches.next().unwrap().is_ok() && batches.next().unwrap().is_ok());
    for _ in 0..2 {
        let fault = batches.next().unwrap().unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Worker);
        assert!(fault.message().contains("batch 2 did not come within 60ms; in work: item 2"), "{fault}");
    }
    drop(batches);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    Ok(())
}

/// The loop waits for an item, and the item for a slice that the loop holds: not for ever.
#[test]
fn a_slice_held_over_a_loop_whose_items_write_the_tensor() -> Result<()> {
    let count = Tensor::zeros([1]).build()?;
    let own = count.clone();
    let counting = Numbered(4).map(move |i| own.add_(1).map(|_| i));
    let loader = DataLoader::new(counting).workers(1).build()?;
    let slice = count.data::<f32>()?;
    let fault = loader.iter().next().unwrap().unwrap_err().to_string();
    assert!(fault.contains("that another thread holds (`data` at ") && fault.contains("workers.rs"), "{fault}");
    assert_eq!(slice[..], [0.0]);
    drop(slice);
    assert_eq!(numbers(loader.iter())?.concat(), [0, 1, 2, 3]);
    Ok(())
}

#[test]
fn workers_know_themselves() -> Result<()> {
    let g = Generator::with_seed(4);
    let seen = Numbered(64).map(|_| {
        sleep(ms(1));
        let info = worker_info().ok_or_else(|| Error::other("no worker"))?;
        assert_eq!(info.workers, 3);
        Ok((info.id as i64, info.seed as i64))
    });
    let loader = DataLoader::new(seen).workers(3).generator(&g).build()?;
    let mut epoch = loader.iter();
    let seed = epoch.state().unwrap().base_seed as i64;
    let mut ids = HashSet::new();
    for batch in &mut epoch {
        let (id, own) = batch?;
        assert_eq!(own.item::<i64>()?, seed.wrapping_add(id.item::<i64>()?));
        ids.insert(id.item::<i64>()?);
    }
    assert_eq!(ids, HashSet::from([0, 1, 2]));
    assert!(worker_info().is_none());
    Ok(())
}

fn threads(persistent: bool, early: bool) -> Result<(usize, usize)> {
    let seen: Arc<Mutex<HashSet<ThreadId>>> = Arc::default();
    let (begun, inner) = (Arc::new(AtomicUsize::new(0)), seen.clone());
    let count = begun.clone();
    let items = Numbered(30).map(move |i| {
        inner.lock().unwrap().insert(current().id());
        sleep(ms(1));
        Ok(i)
    });
    let loader = DataLoader::new(items).workers(2).persistent_workers(persistent).worker_init(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let loader = loader.build()?;
    for _ in 0..3 {
        if early {
            assert_eq!(loader.iter().take(3).count(), 3);
        } else {
            assert!(numbers(loader.iter())?.concat().into_iter().eq(0..30));
        }
    }
    let seen = seen.lock().unwrap().len();
    Ok((seen, begun.load(Ordering::SeqCst)))
}

#[test]
fn workers_stay_between_epochs_if_they_are_to() -> Result<()> {
    for early in [false, true] {
        assert_eq!(threads(true, early)?, (2, 2));
        assert_eq!(threads(false, early)?.1, 6);
    }
    // Two epochs at a time.
    let loader = DataLoader::new(Numbered(9)).workers(2).persistent_workers(true).build()?;
    for (a, b) in loader.iter().zip(loader.iter()) {
        assert!(a?.equal(&b?)?);
    }
    assert_eq!(loader.iter().count(), 9);
    Ok(())
}

#[test]
fn a_worker_that_cannot_begin() -> Result<()> {
    let init = |info: &WorkerInfo| match info.id {
        0 => Ok(()),
        _ => Err(Error::other("no device")),
    };
    let slow = Numbered(1000).map(|i| {
        sleep(ms(2));
        Ok(i)
    });
    let loader = DataLoader::new(slow).workers(2).worker_init(init).build()?;
    let fault = loader.iter().find_map(Result::err).expect("an error");
    assert!(fault.message().contains("worker_init of worker 1: error: no device"), "{fault}");
    let loader = DataLoader::new(Numbered(9)).workers(1).worker_init(|_| panic!("oh")).build()?;
    let mut batches = loader.iter();
    let fault = batches.next().unwrap().unwrap_err();
    assert!(fault.message().contains("worker_init of worker 0") && fault.message().contains("oh"), "{fault}");
    assert!(batches.next().is_none());
    Ok(())
}

fn augmented() -> impl Dataset<Item = Tensor> + 'static {
    Numbered(103).map(|i| {
        // Whoever is faster comes first, unless the loader sees to it.
        sleep(Duration::from_micros((i as u64 * 7919) % 700));
        Tensor::rand(1).build()?.add(i as f64)
    })
}

#[test]
fn the_same_batches_at_any_number_of_workers_and_from_the_middle_on() -> Result<()> {
    let loader = |workers, g: &Generator| {
        DataLoader::new(augmented()).batch_size(10).shuffle(true).workers(workers).generator(g).build()
    };
    let values = |batches: &mut dyn Iterator<Item = Result<Tensor>>| -> Result<Vec<Vec<f32>>> {
        batches.map(|b| b?.to_vec::<f32>()).collect()
    };
    let g = Generator::with_seed(7);
    let alone = loader(0, &g)?;
    let (whole, next) = (values(&mut alone.iter())?, values(&mut alone.iter())?);
    for workers in [0, 1, 3] {
        let g = Generator::with_seed(7);
        let loader_1 = loader(workers, &g)?;
        let mut epoch = loader_1.iter();
        let first = values(&mut epoch.by_ref().take(4))?;
        let saved = epoch.state().unwrap().state_dict()?;
        assert_eq!([first.clone(), values(&mut epoch)?].concat(), whole);
        assert_eq!(values(&mut loader_1.iter())?, next);

        // Another process, with another generator, and other workers.
        let state = LoaderState::from_state_dict(&saved)?;
        assert_eq!((state.batches, state.items), (4, 40));
        let loader_2 = loader(3 - workers, &Generator::with_seed(99))?;
        let mut resumed = loader_2.iter_from(state);
        assert_eq!(resumed.len(), 7);
        assert_eq!([first, values(&mut resumed)?].concat(), whole);
        assert_eq!(values(&mut loader_2.iter())?, next);
    }
    Ok(())
}

#[test]
fn the_state_is_small_and_checked() -> Result<()> {
    let loader = DataLoader::new(Numbered(1 << 20)).shuffle(true).build()?;
    let state = loader.iter().state().unwrap().state_dict()?;
    let bytes: usize = state.iter().map(|(_, t)| t.numel() * t.dtype().size()).sum();
    assert!(bytes < 6000, "{bytes}");
    let mut missing = state.clone();
    missing.remove("items");
    let fault = LoaderState::from_state_dict(&missing).unwrap_err();
    assert!(fault.kind() == ErrorKind::State && fault.message().contains("\"items\""), "{fault}");
    let mut torn = state;
    torn.insert("generator", Tensor::zeros(7).dtype(flambeau_tensor::DType::U8).build()?);
    assert!(LoaderState::from_state_dict(&torn).is_err());
    Ok(())
}

/// In an epoch of its own, a sampler that knows the epoch goes on in it.
#[test]
fn the_state_knows_the_samplers_epoch() -> Result<()> {
    let loader = || {
        let sampler = DistributedSampler::new(20, 2, 1).build()?;
        DataLoader::new(Numbered(20)).sampler(sampler).batch_size(2).workers(2).build()
    };
    let first = loader()?;
    first.set_epoch(3);
    let mut epoch = first.iter();
    epoch.next();
    let state = epoch.state().unwrap();
    assert_eq!(numbers(loader()?.iter_from(state))?, numbers(epoch)?);
    Ok(())
}
