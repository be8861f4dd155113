use crate::{assert_close, gpu, numbers, on_device, tolerance};
use flambeau_tensor::*;

/// Runs three steps on the CPU and on the device over more tensors than a launch takes.
fn check(what: &str, dtype: DType, slots: usize, step: impl Fn(u64, &[&Tensor], &[&Tensor]) -> Result<()>) {
    let gpu = gpu();
    let shapes: Vec<Vec<usize>> = (0..70).map(|i| if i == 3 { vec![5000] } else { vec![1 + i % 7, 3] }).collect();
    let on = |device: Device| -> Vec<Tensor> {
        let grads = |k: usize| -> Vec<Tensor> {
            let one =
                |(i, s): (usize, &Vec<usize>)| numbers(s, dtype, (k * 1000 + i) as u64).to_device(device).unwrap();
            shapes.iter().enumerate().map(one).collect()
        };
        let mut targets = grads(9);
        for _ in 1..slots {
            targets.extend(shapes.iter().map(|s| Tensor::zeros(&s[..]).dtype(dtype).device(device).build().unwrap()));
        }
        let run = || {
            for k in 0..3 {
                let grads = grads(k);
                step(k as u64, &grads.iter().collect::<Vec<_>>(), &targets.iter().collect::<Vec<_>>())
                    .unwrap_or_else(|e| panic!("{what}: {}", e.message()));
            }
        };
        if device == Device::Cpu {
            run()
        } else {
            on_device(what, run)
        }
        targets
    };
    let (here, there) = (on(Device::Cpu), on(gpu.device));
    for (i, (here, there)) in here.iter().zip(&there).enumerate() {
        assert_close(&format!("{what} {dtype}, target {i}"), there, here, 20.0 * tolerance(dtype));
    }
}

#[test]
fn sgd_steps_over_lists() {
    let plain = SgdStep {
        lr: 0.1,
        momentum: 0.0,
        dampening: 0.0,
        weight_decay: 0.01,
        nesterov: false,
        maximize: false,
        first: false,
        scalars: StepScalars::default(),
    };
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        check("plain", dtype, 1, |_, g, t| dispatch_update("sgd", plain, g, t));
        let momentum = SgdStep { momentum: 0.9, dampening: 0.2, maximize: true, ..plain };
        check("momentum", dtype, 2, |k, g, t| dispatch_update("sgd", SgdStep { first: k == 0, ..momentum }, g, t));
        let nesterov = SgdStep { momentum: 0.9, nesterov: true, ..plain };
        check("nesterov", dtype, 2, |k, g, t| dispatch_update("sgd", SgdStep { first: k == 0, ..nesterov }, g, t));
    }
}

#[test]
fn adam_steps_over_lists() {
    let plain = AdamStep {
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-6,
        weight_decay: 0.1,
        decoupled: false,
        amsgrad: false,
        maximize: false,
        step: Some(1),
        scalars: StepScalars::default(),
    };
    for dtype in [DType::F32, DType::F64, DType::F16] {
        check("adam", dtype, 3, |k, g, t| dispatch_update("adam", AdamStep { step: Some(k + 1), ..plain }, g, t));
        let decoupled = AdamStep { decoupled: true, amsgrad: true, ..plain };
        check("adamw", dtype, 4, |k, g, t| dispatch_update("adam", AdamStep { step: Some(k + 1), ..decoupled }, g, t));
    }
}

/// Adam without its options, which counts its steps on the device.
fn adam(lr: f64, scalars: StepScalars) -> AdamStep {
    AdamStep {
        lr,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-6,
        weight_decay: 0.0,
        decoupled: false,
        amsgrad: false,
        maximize: false,
        step: None,
        scalars,
    }
}

#[test]
fn numbers_of_a_step_may_lie_on_the_device() {
    let gpu = gpu();
    let scalars = StepScalars { lr: true, grad_scale: true, found_inf: true };
    let op = adam(0.0, scalars);
    let run = |device: Device| -> Result<Vec<Tensor>> {
        let one = |x: f32| Tensor::full((), x).device(device).build();
        let (p, m, v, steps) = (
            numbers(&[9], DType::F32, 1).to_device(device)?,
            Tensor::zeros([9]).device(device).build()?,
            Tensor::zeros([9]).device(device).build()?,
            one(0.0)?,
        );
        for (i, found) in [0.0, 1.0, 0.0].into_iter().enumerate() {
            let g = numbers(&[9], DType::F32, 10 + i as u64).to_device(device)?;
            let inputs = [&g, &one(0.05)?, &one(4.0)?, &one(found)?];
            dispatch_update("adam", op, &inputs, &[&p, &m, &v, &steps])?;
        }
        Ok(vec![p, m, v, steps])
    };
    let here = run(Device::Cpu).unwrap();
    let there = on_device("a step", || run(gpu.device)).unwrap();
    there.iter().zip(&here).for_each(|(there, here)| assert_close("a step", there, here, 1e-5));
    assert_eq!(here[3].item::<f32>().unwrap(), 2.0, "the step in between was left out");
}

/// A step over 200 tensors is eight launches at most, and takes no memory.
#[test]
fn a_step_of_many_tensors_is_a_few_launches() {
    let gpu = gpu();
    let op = adam(0.01, StepScalars::default());
    let zeros = |count: usize, size: usize| -> Vec<Tensor> {
        (0..count).map(|_| Tensor::zeros([size]).device(gpu.device).build().unwrap()).collect()
    };
    let (grads, mut targets) = (zeros(200, 5), zeros(600, 5));
    targets.extend((0..200).map(|_| Tensor::zeros(()).device(gpu.device).build().unwrap()));
    let (grads, targets): (Vec<&Tensor>, Vec<&Tensor>) = (grads.iter().collect(), targets.iter().collect());
    dispatch_update("adam", op, &grads, &targets).unwrap();
    flambeau_cuda::synchronize(gpu.device).unwrap();
    let before = flambeau_cuda::memory_stats(gpu.device).unwrap();
    dispatch_update("adam", op, &grads, &targets).unwrap();
    let (queued, after) = (gpu.sim.queued(), flambeau_cuda::memory_stats(gpu.device).unwrap());
    assert!((1..=8).contains(&queued), "{queued} launches");
    assert_eq!((after.allocated, after.segments_taken), (before.allocated, before.segments_taken));
    flambeau_cuda::synchronize(gpu.device).unwrap();
}
