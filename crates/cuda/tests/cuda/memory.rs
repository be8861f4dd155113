use crate::{gpu, home, numbers};
use flambeau_tensor::{DType, Device, ErrorKind, Tensor};

#[test]
fn a_device_says_what_it_is() {
    let gpu = gpu();
    assert!(flambeau_cuda::is_available());
    assert_eq!(flambeau_cuda::device_count(), 2);
    let properties = flambeau_cuda::properties(gpu.device).unwrap();
    assert_eq!((properties.name.as_str(), properties.capability), ("Simulated GPU", (8, 0)));
    let error = flambeau_cuda::device(7).unwrap_err();
    assert!(error.message().contains("2 CUDA devices"), "{}", error.message());
    assert!(Device::cuda(7).is_err());
}

#[test]
fn tensors_move_up_down_and_across() {
    let gpu = gpu();
    for dtype in DType::ALL {
        let x = numbers(&[3, 50], DType::F32, 1).to_dtype(dtype).unwrap();
        let there = x.to_device(gpu.device).unwrap();
        assert_eq!(there.device(), gpu.device);
        assert_eq!(home(&there).to_bytes().unwrap(), x.to_bytes().unwrap(), "{dtype}");
        let turned = there.transpose(0, 1).unwrap();
        assert_eq!(home(&turned).to_bytes().unwrap(), x.transpose(0, 1).unwrap().to_bytes().unwrap(), "{dtype}");
        let other = there.to_device(Device::cuda(1).unwrap()).unwrap();
        assert_eq!(home(&other).to_bytes().unwrap(), x.to_bytes().unwrap(), "{dtype}");
    }
    let error =
        Tensor::zeros(3).device(gpu.device).build().unwrap().add(&Tensor::zeros(3).build().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
}

#[test]
fn memory_is_kept_and_given_back() {
    let gpu = gpu();
    let make = |n: usize| Tensor::zeros([n]).device(gpu.device).build();
    drop(make(1000).unwrap());
    let before = flambeau_cuda::memory_stats(gpu.device).unwrap();
    for _ in 0..20 {
        drop(make(1000).unwrap());
    }
    let after = flambeau_cuda::memory_stats(gpu.device).unwrap();
    assert_eq!(before.segments_taken, after.segments_taken, "what is kept is used again");
    let large = make(30 << 20).unwrap();
    let held = flambeau_cuda::memory_stats(gpu.device).unwrap();
    assert!(held.allocated >= 120 << 20 && held.reserved >= held.allocated && held.allocated_peak >= held.allocated);
    drop(large);
}

#[test]
fn out_of_memory_is_an_error_and_the_next_step_works() {
    let gpu = gpu();
    let x = numbers(&[1000], DType::F32, 2).to_device(gpu.device).unwrap();
    let error = Tensor::zeros([1usize << 33]).device(gpu.device).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    for part in ["no room", "free", "allocated", "reserved"] {
        assert!(error.message().contains(part), "{}", error.message());
    }
    // Whichever allocation fails, it is an error and no more.
    for successes in 0..3 {
        gpu.sim.set_null(true);
        gpu.sim.fail_allocations(successes);
        let big = || Tensor::zeros([6_000_000 + 100_000 * successes as usize]).device(gpu.device).build()?.add(1.0);
        let result = (0..8).map(|_| big()).collect::<Result<Vec<_>, _>>();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Memory);
        gpu.sim.fail_allocations(-1);
        gpu.sim.set_null(false);
        assert_eq!(home(&x.add(1.0).unwrap()).numel(), 1000);
    }
}

#[test]
fn page_locked_memory_copies_behind_the_programs_back() {
    let gpu = gpu();
    let x = numbers(&[5000], DType::F32, 3);
    let pinned = x.pin_memory(gpu.device).unwrap();
    assert!(pinned.is_pinned());
    let there = pinned.to_device_non_blocking(gpu.device).unwrap();
    assert!(gpu.sim.queued() > 0, "the copy has not run yet");
    assert_eq!(home(&there).to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
    let back = there.mul(2.0).unwrap().to_device_non_blocking(Device::Cpu).unwrap();
    assert_eq!(back.to_vec::<f32>().unwrap(), x.mul(2.0).unwrap().to_vec::<f32>().unwrap());
}
