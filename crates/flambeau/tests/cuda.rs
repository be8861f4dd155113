//! Training on the simulated GPU follows the CPU, and nothing of it runs on the host.
#![cfg(target_os = "linux")]

use flambeau::Generator;
use flambeau::func::{Randomness, VmapOptions, vmap_with};
use flambeau::prelude::*;
use flambeau::random::with_generator;
use flambeau::vision::{datasets::Mnist, transforms::ToTensor};
use libloading::Library;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The stand-in for the driver, which lies beside the test, loaded before anybody asks for one.
fn stand_in() -> &'static Library {
    static STAND_IN: std::sync::OnceLock<Library> = std::sync::OnceLock::new();
    STAND_IN.get_or_init(|| {
        let path = std::env::current_exe().unwrap().with_file_name("libflambeau_cuda_sim.so");
        // SAFETY: the stand-in does nothing when it is loaded.
        unsafe { Library::new(&path) }.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    })
}

/// The device, for one test at a time: what runs on the host and how memory is taken are everybody's.
fn device() -> Result<(Device, MutexGuard<'static, ()>)> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    stand_in();
    Ok((Device::cuda(0)?, alone))
}

/// Losses of some steps from the same start.
fn losses<O: Optimizer>(
    device: Device,
    model: impl FnOnce() -> Result<Sequential>,
    optimizer: impl FnOnce(&Sequential) -> Result<O>,
) -> Result<Vec<f32>> {
    flambeau::manual_seed(5);
    let labels = Tensor::from_vec((0..12).map(|i| i % 3).collect::<Vec<i64>>(), 12)?;
    let noise = Tensor::randn([12, 2, 6, 6]).build()?.mul(0.5)?;
    let images = noise.add(&labels.to_dtype(DType::F32)?.reshape([12, 1, 1, 1])?)?;
    let model = model()?.to(device)?;
    let mut optimizer = optimizer(&model)?;
    let (x, y) = (images.to_device(device)?, labels.to_device(device)?);
    let mut losses = Vec::new();
    for _ in 0..5 {
        let loss = cross_entropy(&model.forward(&x)?, &y)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 1.0)?;
        optimizer.step()?;
        losses.push(loss.item::<f32>()?);
    }
    Ok(losses)
}

fn perceptron() -> Result<Sequential> {
    Sequential::of((Flatten::new(), Linear::new(72, 16), Tanh::new(), LayerNorm::new(16), Linear::new(16, 3)))
}

fn convolutional() -> Result<Sequential> {
    Sequential::of((
        Conv2d::new(2, 4, 3).padding(1),
        BatchNorm2d::new(4),
        ReLU::new(),
        MaxPool2d::new(2),
        Conv2d::new(4, 4, 3).padding(1).groups(2),
        GELU::new(),
        AvgPool2d::new(3),
        Flatten::new(),
        Linear::new(4, 3),
    ))
}

#[test]
fn networks_learn_there_what_they_learn_on_the_cpu() -> Result<()> {
    let (device, _alone) = device()?;
    // Counted from here: the tests before this one have taken memory, too.
    let taken = flambeau_cuda::memory_stats(device)?.segments_taken;
    let adam = |model: &Sequential| Adam::new(model.parameters()).lr(0.01).build();
    let sgd = |model: &Sequential| SGD::new(model.parameters()).lr(0.1).momentum(0.9).weight_decay(1e-3).build();
    for (name, right, found) in [
        ("a perceptron", losses(Device::Cpu, perceptron, adam)?, losses(device, perceptron, adam)?),
        ("a convolutional net", losses(Device::Cpu, convolutional, sgd)?, losses(device, convolutional, sgd)?),
    ] {
        assert!(right[4] < right[0], "{name} learns: {right:?}");
        for (step, (a, b)) in right.iter().zip(&found).enumerate() {
            assert!((a - b).abs() <= 1e-4, "{name}, step {step}: {b} where the CPU has {a}");
        }
    }
    assert_eq!(flambeau_cuda::host_ops(), [], "these ran on the host");
    let stats = flambeau_cuda::memory_stats(device)?;
    assert!(stats.allocated_peak > 0 && stats.segments_taken - taken < 10, "{taken} segments before: {stats:?}");
    Ok(())
}

/// The network of the example `digits`, without dropout, whose numbers a device draws itself.
fn digits_net() -> Result<Sequential> {
    let block = |inputs, outputs| {
        let conv = Conv2d::new(inputs, outputs, 3).padding(1).bias(false);
        Sequential::of((conv, BatchNorm2d::new(outputs), ReLU::new()))
    };
    Sequential::of((
        block(1, 32)?,
        block(32, 32)?,
        MaxPool2d::new(2),
        block(32, 64)?,
        block(64, 64)?,
        AdaptiveAvgPool2d::new(2),
        Flatten::new(),
        Linear::new(64 * 4, 10),
    ))
}

/// Losses of ten steps of `digits`, with its optimizer and rates, four images at a time.
fn digits_losses(device: Device) -> Result<Vec<f32>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits");
    let digits = Mnist::new(folder).train(true).transform(ToTensor::new()).build()?;
    let model = with_generator(&Generator::with_seed(0), digits_net)?.to(device)?;
    let mut optimizer = Adam::new(model.parameters()).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, 4e-3, 360).build()?;
    let mut losses = Vec::new();
    for step in 0..10 {
        let batch = (4 * step..4 * step + 4).map(|i| digits.get(i)).collect::<Result<Vec<_>>>()?;
        let (images, labels): (Vec<Tensor>, Vec<i64>) = batch.into_iter().unzip();
        let images = stack(&images, 0)?.sub(0.3)?.div(0.38)?.to_device(device)?;
        let loss = cross_entropy(&model.call(&images)?, &Tensor::new(labels)?.to_device(device)?)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 5.0)?;
        optimizer.step()?;
        scheduler.step()?;
        losses.push(loss.item::<f32>()?);
    }
    Ok(losses)
}

#[test]
fn digits_are_learned_there_as_on_the_cpu() -> Result<()> {
    let (device, _alone) = device()?;
    let (right, found) = (digits_losses(Device::Cpu)?, digits_losses(device)?);
    for (step, (a, b)) in right.iter().zip(&found).enumerate() {
        assert!((a - b).abs() <= 1e-4, "step {step}: {b} where the CPU has {a}; all {found:?}, {right:?}");
    }
    assert_eq!(flambeau_cuda::host_ops(), [], "these ran on the host");
    Ok(())
}

#[test]
fn no_room_at_any_allocation_of_a_step_is_an_error_and_a_smaller_step_works() -> Result<()> {
    let (device, _alone) = device()?;
    // SAFETY: the type of the function of that name.
    let fail = unsafe { stand_in().get::<extern "C" fn(i64)>("flambeau_sim_fail_allocations") }.unwrap();
    // Each tensor has memory from the driver, so that each can be refused.
    flambeau_tensor::alloc::set_cache_limit(0);
    flambeau_cuda::empty_cache(device)?;
    flambeau_cuda::caching_allocator_enable(device, false)?;
    let taken = || flambeau_cuda::memory_stats(device).map(|stats| stats.segments_taken);
    let net =
        || Sequential::of((Linear::new(6, 4), Tanh::new(), LayerNorm::new(4), Dropout::new(0.1), Linear::new(4, 3)));
    let x = Tensor::randn([8, 6]).build()?.to_device(device)?;
    let y = Tensor::from_vec((0..8).map(|i| i % 3).collect::<Vec<i64>>(), 8)?.to_device(device)?;
    let (mut refused, mut successes) = (0, 0);
    loop {
        // Its moments are not there yet.
        let model = net()?.to(device)?;
        let mut optimizer = Adam::new(model.parameters()).lr(0.01).build()?;
        let mut step = |n: usize| -> Result<f32> {
            optimizer.zero_grad();
            let loss = cross_entropy(&model.call(&x.narrow(0, 0, n)?)?, &y.narrow(0, 0, n)?)?;
            loss.backward()?;
            clip_grad_norm_(model.parameters(), 1.0)?;
            let value = loss.item::<f32>()?;
            optimizer.step()?;
            Ok(value)
        };
        let values = || model.parameters().iter().map(|p| p.detach().to_vec::<f32>()).collect::<Result<Vec<_>>>();
        let (before, already) = (values()?, taken()?);
        fail(successes);
        let result = step(8);
        fail(-1);
        match result {
            Ok(_) => {
                assert_eq!(taken()? - already, successes as usize, "every allocation of the step was refused once");
                break;
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Memory, "allocation {successes}: {}", error.message());
                assert_eq!(values()?, before, "allocation {successes}: the parameters are as they were");
                assert!(step(4)?.is_finite(), "allocation {successes}: a smaller step works");
                assert_ne!(values()?, before, "allocation {successes}: and learns");
            }
        }
        successes += 1;
    }
    flambeau_cuda::caching_allocator_enable(device, true)?;
    flambeau_tensor::alloc::set_cache_limit(2 << 30);
    assert!(refused > 20, "{refused} allocations");
    Ok(())
}

#[test]
fn all_chunks_of_a_vmap_see_one_and_the_same_noise() -> Result<()> {
    let (device, _alone) = device()?;
    let x = Tensor::zeros([4, 3]).device(device).build()?;
    let noisy = |x: &Tensor| x.add(&Tensor::rand(3).device(x.device()).build()?);
    for chunk in [None, Some(2)] {
        let options = VmapOptions::new().chunk_size(chunk).randomness(Randomness::Same);
        let rows = vmap_with(noisy, &x, &options)?.to_vec::<f32>()?;
        assert!(rows.chunks(3).all(|row| row == &rows[..3]), "{chunk:?}: {rows:?}");
    }
    Ok(())
}
