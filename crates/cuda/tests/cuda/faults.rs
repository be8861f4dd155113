use crate::{gpu, home, numbers};
use flambeau_tensor::{DType, Device, ErrorKind};

#[test]
fn a_fault_names_what_was_queued_last_and_where() {
    let gpu = gpu();
    let x = numbers(&[100], DType::F32, 1).to_device(gpu.device).unwrap();
    flambeau_cuda::synchronize(gpu.device).unwrap();
    gpu.sim.fail_work(1);
    let y = x.exp().unwrap();
    let line = line!() + 1;
    let z = y.sin().unwrap();
    let error = z.to_device(Device::Cpu).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    for part in [
        "injected",
        "queued last on cuda:0",
        "sin at",
        &format!("faults.rs:{line}"),
        "exp at",
        "FLAMBEAU_CUDA_BLOCKING=1",
    ] {
        assert!(error.message().contains(part), "{part}: {}", error.message());
    }
    assert!(x.add(1.0).is_err() || home_fails(&x), "a fault stays, as on a chip");
    gpu.sim.clear_fault();
    assert_eq!(home(&x.add(1.0).unwrap()).numel(), 100);
}

fn home_fails(x: &flambeau_tensor::Tensor) -> bool {
    x.to_device(Device::Cpu).is_err()
}
