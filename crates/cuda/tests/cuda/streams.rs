use crate::{gpu, home, numbers};
use flambeau_cuda::{Stream, with_stream};
use flambeau_tensor::{DType, Tensor};

#[test]
fn work_runs_when_somebody_waits() {
    let gpu = gpu();
    let x = numbers(&[100], DType::F32, 1).to_device(gpu.device).unwrap();
    flambeau_cuda::synchronize(gpu.device).unwrap();
    assert_eq!(gpu.sim.queued(), 0);
    let y = x.add(1.0).unwrap();
    assert!(gpu.sim.queued() > 0);
    assert_eq!(home(&y).numel(), 100);
    flambeau_cuda::synchronize(gpu.device).unwrap();
    assert_eq!(gpu.sim.queued(), 0);
}

#[test]
fn streams_wait_for_what_their_operands_need() {
    let gpu = gpu();
    let streams = [Stream::new(gpu.device).unwrap(), Stream::new(gpu.device).unwrap()];
    let start = numbers(&[300], DType::F32, 2);
    let step = |x: &Tensor, y: &Tensor| -> flambeau_tensor::Result<(Tensor, Tensor)> {
        Ok((x.mul(0.5)?.add(y)?, y.mul(0.25)?.sub(x)?))
    };
    let (mut a, mut b) = (start.clone(), start.neg().unwrap());
    for _ in 0..10 {
        (a, b) = step(&a, &b).unwrap();
    }
    for seed in 0..8 {
        gpu.sim.set_seed(seed);
        let (mut x, mut y) =
            (start.to_device(gpu.device).unwrap(), start.neg().unwrap().to_device(gpu.device).unwrap());
        for i in 0..10 {
            // Memory is freed on one stream and used again on the other all the while.
            (x, y) = with_stream(streams[i % 2], || step(&x, &y)).unwrap().unwrap();
            with_stream(streams[(i + 1) % 2], || y.add_(0.0).map(drop)).unwrap().unwrap();
        }
        let (x, y) = (home(&x).to_vec::<f32>().unwrap(), home(&y).to_vec::<f32>().unwrap());
        assert_eq!((x, y), (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap()), "seed {seed}");
    }
    streams[0].synchronize().unwrap();
}

#[test]
fn threads_share_a_device() {
    let gpu = gpu();
    let device = gpu.device;
    let x = numbers(&[64, 64], DType::F32, 3);
    let want = x.matmul(&x).unwrap().sum(..).unwrap().item::<f32>().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let there = x.to_device(device).unwrap();
                for _ in 0..5 {
                    let got = home(&there.matmul(&there).unwrap().sum(..).unwrap()).item::<f32>().unwrap();
                    assert!((got - want).abs() <= 1e-3 * want.abs().max(1.0), "{got} {want}");
                }
            });
        }
    });
}
