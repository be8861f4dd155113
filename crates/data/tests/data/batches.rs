//! Items to batches, and where batches lie.

use flambeau_data::*;
use flambeau_mirror::device;
use flambeau_tensor::{DType, Device, Result, Tensor};
use std::collections::HashMap;

#[derive(Clone, Collate)]
struct Sample {
    image: Tensor,
    boxes: Vec<f32>,
    label: Option<i64>,
    name: String,
    place: (u8, [f64; 2]),
}

fn samples() -> Result<Vec<Sample>> {
    let make = |i: i64| {
        let (image, x) = (Tensor::full([2, 2], i as f64).build()?, i as f64);
        Ok(Sample { image, boxes: vec![x as f32; 3], label: Some(i), name: "n".into(), place: (i as u8, [x, -x]) })
    };
    (0..5).map(make).collect()
}

fn check(batches: Vec<SampleBatch>, device: Device) -> Result<()> {
    assert_eq!(batches.len(), 3);
    let second = &batches[1];
    assert_eq!((second.image.shape(), second.image.device()), (&[2, 2, 2][..], device));
    assert_eq!(second.image.to_vec::<f32>()?, [2., 2., 2., 2., 3., 3., 3., 3.]);
    assert_eq!((second.boxes.len(), second.boxes[0].to_vec::<f32>()?), (3, vec![2.0, 3.0]));
    let label = second.label.as_ref().unwrap();
    assert_eq!((label.to_vec::<i64>()?, label.device()), (vec![2, 3], device));
    assert_eq!(second.name, ["n", "n"]);
    assert_eq!(second.place.0.dtype(), DType::I64);
    assert_eq!(second.place.1[1].to_vec::<f64>()?, [-2.0, -3.0]);
    Ok(())
}

#[test]
fn structs() -> Result<()> {
    for workers in [0, 2] {
        let loader = DataLoader::new(ListDataset(samples()?)).batch_size(2).workers(workers).build()?;
        check(loader.iter().collect::<Result<_>>()?, Device::Cpu)?;
    }
    Ok(())
}

/// The mirror device queues its copies and runs them late and in adverse order.
#[test]
fn batches_on_a_device_whose_copies_are_in_flight() -> Result<()> {
    for seed in 0..10 {
        flambeau_mirror::set_seed(seed);
        for workers in [0, 3] {
            let loader =
                DataLoader::new(ListDataset(samples()?)).batch_size(2).workers(workers).device(device(1)).build()?;
            check(loader.iter().collect::<Result<_>>()?, device(1))?;
        }
    }
    let loader = DataLoader::new(TensorDataset::of(Tensor::arange(0, 6).build()?)?);
    let batches: Vec<Tensor> = loader.batch_size(4).pin_memory(device(0)).build()?.iter().collect::<Result<_>>()?;
    assert!(batches.iter().all(|b| b.is_pinned() && b.device() == Device::Cpu));
    assert_eq!(batches[1].to_vec::<i64>()?, [4, 5]);
    // Already there: rows of a tensor of the device.
    let there = Tensor::arange(0, 6).build()?.to_device(device(0))?;
    let loader = DataLoader::new(TensorDataset::of(there)?).batch_size(4).device(device(0)).build()?;
    assert_eq!(loader.iter().nth(1).unwrap()?.to_vec::<i64>()?, [4, 5]);
    Ok(())
}

#[test]
fn options_and_texts() -> Result<()> {
    let batch = Collate::collate(vec![Some(1i64), Some(2)])?.expect("a batch");
    assert_eq!(batch.to_vec::<i64>()?, [1, 2]);
    assert!(Collate::collate(vec![None::<i64>, None])?.is_none());
    let fault = Collate::collate(vec![Some(1i64), None]).unwrap_err();
    assert!(fault.message().contains("item 1 has no value, the first one has one"), "{fault}");
    assert_eq!(Collate::collate(vec!["a", "b"])?, ["a", "b"]);
    let item = |i| (i, HashMap::from([("k", i as f32)]), [true, i > 1], "x".to_string(), i as u8, ());
    let batch = Collate::collate(vec![item(1i64), item(2)])?;
    assert_eq!(
        (batch.0.dtype(), batch.1["k"].dtype(), batch.2[1].to_vec::<bool>()?),
        (DType::I64, DType::F32, vec![false, true])
    );
    let halves = Collate::collate(vec![flambeau_tensor::bf16::from_f32(1.5)])?;
    assert_eq!(halves.dtype(), DType::BF16);
    Ok(())
}

#[test]
fn items_without_a_batch() -> Result<()> {
    for workers in [0, 2] {
        let loader = DataLoader::new(ListDataset(vec!["a", "b", "c"])).batch_size(None).workers(workers).build()?;
        assert_eq!(loader.len(), 3);
        assert_eq!(loader.iter().collect::<Result<Vec<_>>>()?, ["a", "b", "c"]);
    }
    Ok(())
}

#[test]
fn filled_up() -> Result<()> {
    let row = |n: usize| Tensor::arange(0, 2 * n as i64).build()?.reshape([n, 2]);
    let batches = BucketBatchSampler::new(vec![1usize, 3, 2], 2usize).shuffle(false).build()?;
    let loader =
        DataLoader::new(ListDataset(vec![row(1)?, row(3)?, row(2)?])).batch_sampler(batches).collate(pad_collate(-1));
    let all: Vec<(Tensor, Tensor)> = loader.workers(2).build()?.iter().collect::<Result<_>>()?;
    assert_eq!(all[0].0.to_vec::<i64>()?, [0, 1, -1, -1, 0, 1, 2, 3]);
    assert_eq!((all[0].0.shape(), all[0].1.to_vec::<i64>()?), (&[2, 2, 2][..], vec![1, 2]));
    assert_eq!(all[1].0.shape(), [1, 3, 2]);
    // Strided, and with a target.
    let turned = row(3)?.t()?;
    let (batch, lengths, targets) =
        pad_collate(0).collate(vec![(turned.clone(), 5i64), (turned.narrow(0, 0, 1)?, 6)])?;
    assert_eq!(batch.to_vec::<i64>()?, [0, 2, 4, 1, 3, 5, 0, 2, 4, 0, 0, 0]);
    assert_eq!((lengths.to_vec::<i64>()?, targets.to_vec::<i64>()?), (vec![2, 1], vec![5, 6]));
    let fault = pad_collate(0).collate(vec![row(1)?, Tensor::zeros([1, 3]).build()?]).unwrap_err();
    assert!(fault.message().contains("item 1 is float32 [1, 3]") || fault.message().contains("item 1 is"), "{fault}");
    assert!(pad_collate(0).collate(vec![Tensor::zeros([]).build()?]).is_err());
    Ok(())
}

#[test]
fn a_batch_sampler_decides_alone() -> Result<()> {
    let batches = || BatchSampler::new(SequentialSampler(3), 2, false);
    let some = || DataLoader::new(ListDataset(vec![1i64, 2, 3]));
    assert!(some().batch_sampler(batches()?).batch_size(2).build().is_err());
    assert!(some().batch_sampler(batches()?).shuffle(true).build().is_err());
    assert!(some().batch_sampler(batches()?).drop_last(true).build().is_err());
    assert!(some().batch_sampler(batches()?).sampler(SequentialSampler(3)).build().is_err());
    assert_eq!(crate::numbers(some().batch_sampler(batches()?).build()?.iter())?, [vec![1, 2], vec![3]]);
    Ok(())
}
