//! Training on a device whose work is in flight: batches of a loader with workers go there by copies that do not
//! block, and in the end every weight and every buffer has the CPU's bits.

use flambeau::prelude::*;
use flambeau_mirror::{device, set_seed};

/// Images of noise, brighter on the left or on the right.
fn images() -> Result<Vec<(Tensor, i64)>> {
    flambeau::manual_seed(1);
    let labels: Vec<i64> = (0..40).map(|i| i * i % 3 % 2).collect();
    let side =
        |label: &i64| if *label == 0 { [1.0f32, 1.0, 0.0, 0.0, 0.0, 0.0] } else { [0.0, 0.0, 0.0, 0.0, 1.0, 1.0] };
    let sides = Tensor::from_vec(labels.iter().flat_map(side).collect(), [40, 1, 1, 6])?;
    let noise = Tensor::randn([40, 2, 6, 6]).build()?.mul(0.5)?;
    noise.add(&sides)?.unbind(0)?.into_iter().zip(labels).map(Ok).collect()
}

/// The losses of three epochs from the same start, and the state in the end.
fn trained<O: Optimizer>(
    device: Device,
    optimizer: impl FnOnce(&Sequential) -> Result<O>,
) -> Result<(Vec<f32>, Vec<(String, Vec<f32>)>)> {
    let images = images()?;
    flambeau::manual_seed(2);
    let model = Sequential::of((
        Conv2d::new(2, 4, 3).padding(1),
        BatchNorm2d::new(4),
        ReLU::new(),
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(36, 8),
        LayerNorm::new(8),
        GELU::new(),
        Linear::new(8, 2),
    ))?
    .to(device)?;
    let mut optimizer = optimizer(&model)?;
    let loader = DataLoader::new(ListDataset(images)).batch_size(8).shuffle(true).workers(2).build()?;
    let mut losses = Vec::new();
    for _ in 0..3 {
        for batch in &loader {
            let (x, y) = batch?;
            let there = |t: &Tensor| -> Result<Tensor> {
                if device == Device::Cpu { Ok(t.clone()) } else { t.pin_memory(device)?.to_device_non_blocking(device) }
            };
            let (x, y) = (there(&x)?, there(&y)?);
            let loss = cross_entropy(&model.forward(&x)?, &y)?;
            optimizer.zero_grad();
            loss.backward()?;
            clip_grad_norm_(model.parameters(), 0.5)?;
            optimizer.step()?;
            losses.push(loss.detach());
        }
    }
    let losses = losses.iter().map(|loss| loss.item::<f32>()).collect::<Result<_>>()?;
    let state = model.state_dict();
    let values = |(name, t): (&str, &Tensor)| Ok((name.to_string(), t.to_dtype(DType::F32)?.to_vec::<f32>()?));
    Ok((losses, state.iter().map(values).collect::<Result<_>>()?))
}

#[test]
fn a_model_learns_there_what_it_learns_on_the_cpu() -> Result<()> {
    let sgd = |model: &Sequential| SGD::new(model.parameters()).lr(0.1).momentum(0.9).weight_decay(1e-3).build();
    let adam = |model: &Sequential| Adam::new(model.parameters()).lr(0.01).build();
    let (right_sgd, right_adam) = (trained(Device::Cpu, sgd)?, trained(Device::Cpu, adam)?);
    assert!(right_sgd.0[right_sgd.0.len() - 1] < right_sgd.0[0], "it learns: {:?}", right_sgd.0);
    for seed in 0..3 {
        set_seed(seed);
        assert_eq!(trained(device(0), sgd)?, right_sgd, "SGD, order {seed}");
        assert_eq!(trained(device(1), adam)?, right_adam, "Adam, order {seed}");
    }
    Ok(())
}
