//! Kernels of one's own, events, and what a program may take of a device.

use crate::{gpu, home, numbers};
use flambeau_cuda::{Event, KernelArg, LaunchConfig, Module, Stream, with_stream};
use flambeau_tensor::storage::lock;
use flambeau_tensor::{DType, Device, ErrorKind, Tensor};

/// `out[i] = x[i] * by` for `i < n`.
const SCALE: &str = r"
.version 8.0
.target sm_80
.address_size 64

.visible .entry scale(
    .param .u64 scale_out,
    .param .u64 scale_x,
    .param .f32 scale_by,
    .param .u32 scale_n
)
{
    .reg .pred %p<2>;
    .reg .f32 %f<4>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<8>;

    ld.param.u64 %rd1, [scale_out];
    ld.param.u64 %rd2, [scale_x];
    ld.param.f32 %f1, [scale_by];
    ld.param.u32 %r1, [scale_n];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra $DONE;
    cvta.to.global.u64 %rd3, %rd1;
    cvta.to.global.u64 %rd4, %rd2;
    mul.wide.u32 %rd5, %r5, 4;
    add.s64 %rd6, %rd4, %rd5;
    ld.global.f32 %f2, [%rd6];
    mul.f32 %f3, %f2, %f1;
    add.s64 %rd7, %rd3, %rd5;
    st.global.f32 [%rd7], %f3;
$DONE:
    ret;
}
";

#[test]
fn a_kernel_of_ones_own_runs_on_tensors() {
    let gpu = gpu();
    let scale = Module::load(gpu.device, SCALE.as_bytes()).unwrap().function("scale").unwrap();
    let x = numbers(&[700], DType::F32, 1);
    let there = x.to_device(gpu.device).unwrap();
    // Parts of larger ones: addresses are those of first elements.
    let (part, y) = (there.narrow(0, 100, 600).unwrap(), Tensor::zeros([600]).device(gpu.device).build().unwrap());
    let launch = |out: &Tensor, x: &Tensor| {
        let args = [KernelArg::Write(out), KernelArg::Read(x), KernelArg::F32(3.0), KernelArg::U32(600)];
        let _guard = lock("scale", &[x], &[out]).unwrap();
        // SAFETY: the kernel's parameters; both tensors have 600 elements.
        unsafe { scale.launch(LaunchConfig::new([5, 1, 1], [128, 1, 1]), &args) }
    };
    for seed in 0..4 {
        gpu.sim.set_seed(seed);
        // Its operand comes from another stream, and its result goes to one.
        let stream = Stream::new(gpu.device).unwrap();
        let twice = with_stream(stream, || part.mul(2.0)).unwrap().unwrap();
        launch(&y, &twice).unwrap();
        let sum = with_stream(stream, || y.add(&part)).unwrap().unwrap();
        let want = x.narrow(0, 100, 600).unwrap().mul(7.0).unwrap();
        crate::assert_close("own", &sum, &want, 1e-6);
    }
    // What is written counts as changed.
    let before = (y.storage().version(), part.storage().version());
    launch(&y, &part).unwrap();
    assert_eq!((y.storage().version(), part.storage().version()), (before.0 + 1, before.1));
    assert_eq!(y.storage().writer().unwrap().op, "scale");

    let module = Module::load(gpu.device, SCALE.as_bytes()).unwrap();
    let missing = module.function("scal").unwrap_err();
    assert!(missing.message().contains("\"scal\""), "{}", missing.message());
    assert!(Module::load(gpu.device, b"no kernel").is_err());
    let elsewhere = launch(&y, &x.narrow(0, 0, 600).unwrap()).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::Device);
}

#[test]
fn events_wait_and_take_times() {
    let gpu = gpu();
    let x = numbers(&[64, 64], DType::F32, 1).to_device(gpu.device).unwrap();
    let (start, end) = (Event::new(gpu.device).unwrap(), Event::new(gpu.device).unwrap());
    assert!(start.query().unwrap(), "an event that nobody recorded stands for nothing");
    assert!(start.elapsed_time(&end).is_err());
    start.record().unwrap();
    let y = x.matmul(&x).unwrap();
    end.record().unwrap();
    assert!(!end.query().unwrap() && !Stream::current(gpu.device).unwrap().query().unwrap());
    assert!(start.elapsed_time(&end).is_err(), "it is not over");
    end.synchronize().unwrap();
    assert!(end.query().unwrap());
    let time = start.elapsed_time(&end).unwrap();
    assert!(time > 0.0, "{time} ms");
    assert!(home(&y).numel() == 64 * 64 && Stream::current(gpu.device).unwrap().query().unwrap());

    // A stream that waits for an event comes behind what stood before it, in whatever order streams run.
    let (a, b) = (Stream::new(gpu.device).unwrap(), Stream::new(gpu.device).unwrap());
    for seed in 0..8 {
        gpu.sim.set_seed(seed);
        with_stream(a, || x.matmul(&x).unwrap()).unwrap();
        let behind = a.record_event().unwrap();
        b.wait_event(&behind).unwrap();
        let last = b.record_event().unwrap();
        last.synchronize().unwrap();
        assert!(behind.query().unwrap(), "seed {seed}");
        a.wait_stream(b).unwrap();
        a.synchronize().unwrap();
    }
}

#[test]
fn a_program_takes_no_more_than_its_share() {
    let gpu = gpu();
    let device = Device::cuda(1).unwrap();
    let (free, total) = flambeau_cuda::mem_get_info(device).unwrap();
    assert!(0 < free && free <= total && total == flambeau_cuda::properties(device).unwrap().memory);
    let big = |bytes: usize| Tensor::empty([bytes]).dtype(DType::U8).device(device).build();
    flambeau_cuda::set_per_process_memory_fraction(0.5, device).unwrap();
    let error = big(total / 2 + (4 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    // What is kept for reuse makes room.
    drop(big(total / 4).unwrap());
    drop(big(total / 3).unwrap());
    flambeau_cuda::set_per_process_memory_fraction(1.0, device).unwrap();
    drop(big(total / 2 + (4 << 20)).unwrap());
    flambeau_cuda::empty_cache(device).unwrap();
    assert!(flambeau_cuda::set_per_process_memory_fraction(1.5, device).is_err());
    assert!(flambeau_cuda::can_device_access_peer(gpu.device, device).is_ok());
}
