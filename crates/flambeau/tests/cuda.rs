//! Training on the simulated GPU follows the CPU, and nothing of it runs on the host.
#![cfg(target_os = "linux")]

use flambeau::prelude::*;
use libloading::Library;

/// The stand-in for the driver, which lies beside the test, loaded before anybody asks for one.
fn stand_in() -> &'static Library {
    static STAND_IN: std::sync::OnceLock<Library> = std::sync::OnceLock::new();
    STAND_IN.get_or_init(|| {
        let path = std::env::current_exe().unwrap().with_file_name("libflambeau_cuda_sim.so");
        // SAFETY: the stand-in does nothing when it is loaded.
        unsafe { Library::new(&path) }.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    })
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
    stand_in();
    let device = Device::cuda(0)?;
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
    assert!(stats.allocated_peak > 0 && stats.segments_taken < 10, "{stats:?}");
    Ok(())
}
