//! What holds without a driver: nothing panics, errors say what was looked for, the documentation lists what is pending.

use flambeau_cuda::{device, device_count, is_available, memory_stats, ops_without_kernel, synchronize};
use flambeau_tensor::{Device, ErrorKind, Tensor};

#[test]
fn a_machine_without_a_driver_is_told_so() {
    if is_available() {
        // Then there is nothing to be told.
        assert!(device(0).is_ok());
        return;
    }
    assert_eq!(device_count(), 0);
    let tensor = Tensor::zeros(3).build().unwrap();
    let messages = [
        device(0).map(drop),
        synchronize(Device::Cuda(0)),
        memory_stats(Device::Cuda(0)).map(drop),
        tensor.to_device(Device::Cuda(0)).map(drop),
        Tensor::zeros(3).device(Device::Cuda(0)).build().map(drop),
        tensor.pin_memory(Device::Cuda(0)).map(drop),
    ];
    for message in messages {
        let error = message.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device, "{error}");
        assert!(error.message().contains("NVIDIA driver"), "{error}");
    }
    assert!(Device::cuda(0).unwrap_err().message().contains("0 CUDA devices"));
}

#[test]
fn the_documentation_lists_the_ops_that_have_no_kernel_yet() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cuda.md");
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("Pending: ")).expect("a line that lists them");
    let listed: Vec<&str> = line.trim_end_matches('.').split(", ").filter(|op| *op != "none").collect();
    let pending = ops_without_kernel().iter().filter(|(_, reason)| *reason == "pending").map(|(op, _)| *op);
    let pending: Vec<&str> = pending.collect();
    println!("pending: {pending:?}");
    assert_eq!(listed, pending);
}
