//! The contract of a backend, on one whose work is in flight: what is queued, who waits for whom, how faults show.

use flambeau_mirror::{device, queued, set_seed, with_stream};
use flambeau_tensor::alloc::Block;
use flambeau_tensor::backend::{Backend, Ran, Work, register_backend, synchronize};
use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, CustomOp};
use flambeau_tensor::op::{Meta, Metas, Outputs};
use flambeau_tensor::storage::Memory;
use flambeau_tensor::{DType, Device, ErrorKind, Op, Result, Tensor};

fn numbers(shape: &[usize], seed: usize) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| ((i * 7 + seed * 13 + 1) as f32 * 0.37).sin()).collect(), shape).unwrap()
}

fn values(t: &Tensor) -> Vec<f32> {
    t.to_vec::<f32>().unwrap()
}

/// Ops of many kinds, views and in-place ops among them.
fn program(x: &Tensor) -> Result<Tensor> {
    let y = x.matmul(&x.t()?)?.softmax(-1)?.add(x.sum([0, 1])?)?;
    y.select(0, 1)?.mul_(3.0)?;
    y.t()?.copy_(&y.exp()?)?;
    let z = y.slice(0, 0, 3, 2)?.clamp(-1.0, 2.0)?.unsqueeze(0)?.conv1d(
        &x.slice(1, 0, 2, 1)?.reshape([1, 2, 4])?,
        None,
        flambeau_tensor::ConvOptions::new().padding(1),
    )?;
    z.fill_(0.5)?;
    y.cumsum(-1)?.add(z.sum([0, 1, 2])?)?.sub(1.5)?.layer_norm([4], None, None, 1e-5)
}

#[test]
fn every_op_gives_the_bits_of_the_cpu() {
    let x = numbers(&[4, 4], 0);
    let right = values(&program(&x).unwrap());
    let there = program(&x.to_device(device(0)).unwrap()).unwrap();
    assert_eq!(there.device().to_string(), "mirror:0");
    assert_eq!(values(&there), right);
    assert!(there.data::<f32>().is_err(), "its memory is no slice of this process");
}

#[test]
fn ops_are_queued_and_run_when_somebody_looks() {
    with_stream(30, || {
        let x = numbers(&[4], 1).to_device(device(0)).unwrap();
        // Other tests wait, and what this one has queued may run then, too: not every time.
        let mut y = x.clone();
        let waits = |y: &mut Tensor| {
            *y = x.exp().unwrap().sin().unwrap();
            queued() >= 2
        };
        assert!((0..1000).any(|_| waits(&mut y)), "nothing is ever queued");
        assert_eq!(values(&y), values(&numbers(&[4], 1).exp().unwrap().sin().unwrap()));
    });
}

#[test]
fn streams_wait_for_what_they_need_of_each_other() {
    for seed in 0..40 {
        set_seed(seed);
        let (x, y) = (numbers(&[3, 3], 2), numbers(&[3, 3], 3));
        let (a, b) = (x.to_device(device(0)).unwrap(), with_stream(1, || y.to_device(device(0))).unwrap());
        // One writes what the other reads, then the other way round, and back.
        let sum = with_stream(1, || a.add(&b)).unwrap();
        with_stream(2, || a.mul_(2.0).map(drop)).unwrap();
        with_stream(1, || b.add_(&a).map(drop)).unwrap();
        with_stream(3, || sum.mul_(&b).map(drop)).unwrap();
        a.fill_(-1.0).unwrap();
        let right_b = y.add(&x.mul(2.0).unwrap()).unwrap();
        assert_eq!(values(&b), values(&right_b), "seed {seed}");
        assert_eq!(values(&sum), values(&x.add(&y).unwrap().mul(&right_b).unwrap()), "seed {seed}");
        assert_eq!(values(&a), [-1.0; 9], "seed {seed}");
    }
}

#[test]
fn memory_that_another_stream_still_uses_is_not_overwritten_by_its_next_owner() {
    for seed in 0..40 {
        set_seed(seed);
        let x = numbers(&[5, 7], 4);
        let there = x.to_device(device(1)).unwrap();
        // Read on one stream, dropped, and its memory taken over on another.
        let kept = with_stream(1, || there.mul(2.0)).unwrap();
        drop(there);
        let others: Vec<Tensor> = (2..6)
            .map(|s| with_stream(s, || Tensor::full([5, 7], s as f32).device(device(1)).build()).unwrap())
            .collect();
        assert_eq!(values(&kept), values(&x.mul(2.0).unwrap()), "seed {seed}");
        for (s, other) in (2..6).zip(&others) {
            assert_eq!(values(other), [s as f32; 35], "seed {seed}");
        }
    }
}

#[test]
fn copies_that_do_not_block_are_waited_for_by_whoever_looks() {
    for seed in 0..20 {
        set_seed(seed);
        let host = numbers(&[6], 5).pin_memory(device(0)).unwrap();
        let right = values(&host);
        let there = host.to_device_non_blocking(device(0)).unwrap();
        // The host writes again into what the device still reads: the write waits.
        host.fill_(7.0).unwrap();
        assert_eq!(values(&there), right, "seed {seed}");

        let doubled = with_stream(1, || there.mul(2.0)).unwrap();
        let back = with_stream(2, || doubled.to_device_non_blocking(Device::Cpu)).unwrap();
        assert!(back.is_pinned() && back.device() == Device::Cpu);
        // Looked at by an op, by a slice, and as bytes.
        let right: Vec<f32> = right.iter().map(|x| x * 2.0).collect();
        match seed % 3 {
            0 => assert_eq!(values(&back.add(0.0).unwrap()), right),
            1 => assert_eq!(back.data::<f32>().unwrap()[..], right[..]),
            _ => assert_eq!(values(&back), right),
        }
        // Dropped before it ran: the copy keeps the memory.
        drop(doubled.to_device_non_blocking(Device::Cpu).unwrap());
    }
    let pageable = numbers(&[6], 6);
    let there = pageable.to_device_non_blocking(device(0)).unwrap();
    pageable.fill_(0.0).unwrap();
    assert_eq!(values(&there), values(&numbers(&[6], 6)));
}

#[test]
fn tensors_pass_between_devices_and_threads() {
    let x = numbers(&[8], 7);
    let right = values(&x.exp().unwrap());
    let there = with_stream(1, || x.to_device(device(0))?.exp()).unwrap();
    let other = with_stream(2, || there.to_device(device(1))).unwrap();
    let threads: Vec<_> = (0..4u32)
        .map(|s| {
            let other = other.clone();
            std::thread::spawn(move || {
                with_stream(s, || {
                    for _ in 0..20 {
                        other.add_(1.0).unwrap();
                    }
                })
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    let moved: Vec<f32> = right.iter().map(|x| (0..80).fold(*x, |x, _| x + 1.0)).collect();
    assert_eq!(values(&other), moved);
    assert_eq!(values(&there), right);
    assert!(there.add(&other).is_err(), "two devices");
}

#[test]
fn a_fault_shows_at_the_next_wait_and_names_op_and_line() {
    with_stream(40, || {
        let x = numbers(&[3], 8).to_device(device(1)).unwrap();
        let wrong = Tensor::from_slice(&[0i64, 99], 2).unwrap().to_device(device(1)).unwrap();
        let bad = x.gather(0, &wrong).unwrap(); // the line of the fault
        let line = line!() - 1;
        let error = bad.to_vec::<f32>().unwrap_err();
        assert!(error.to_string().contains("99") && error.message().contains("queued earlier"), "{error}");
        assert_eq!(error.location().map(|l| (l.file(), l.line())), Some((file!(), line)), "{error}");
        // It is told once, and the device goes on.
        assert_eq!(values(&x.add(1.0).unwrap()), values(&numbers(&[3], 8).add(1.0).unwrap()));
        synchronize(device(1)).unwrap();
    });
}

/// Knows nothing but convolution's absence: everything is lacking.
struct Bare;

impl Backend for Bare {
    fn allocate(&self, _: Device, bytes: usize) -> Result<Memory> {
        if bytes > 1 << 20 {
            flambeau_tensor::bail!(Memory, "bare", "full")
        }
        Ok(Memory::Device(Box::new(())))
    }
    unsafe fn run(&self, work: Work<'_>) -> Result<Ran> {
        // It has the primitives of a softmax, not softmax itself.
        let lacks = matches!(work.op, Op::Softmax(_) | Op::Conv(_));
        Ok(if lacks { Ran::Lacking } else { Ran::Queued })
    }
    unsafe fn upload(&self, _: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        Ok(())
    }
    unsafe fn download(&self, _: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_backend_lacks_runs_by_its_decomposition_or_is_an_error_that_names_both() {
    let bare = register_backend("bare", Box::new(Bare)).unwrap().device(0);
    assert!(register_backend("bare", Box::new(Bare)).is_err(), "registered twice");
    for taken in ["cpu", "meta", ""] {
        assert!(register_backend(taken, Box::new(Bare)).is_err());
    }
    let x = Tensor::zeros([2, 3]).device(bare).build().unwrap();
    assert_eq!(x.softmax(-1).unwrap().shape(), [2, 3]);
    let image = Tensor::zeros([1, 1, 4]).device(bare).build().unwrap();
    let error = image.conv1d(&image, None, flambeau_tensor::ConvOptions::new()).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("bare:0"), "{error}");
    assert!(error.to_string().contains("conv"), "{error}");
    // Memory runs out: an error that says of what.
    let error = Tensor::zeros([1 << 22]).device(bare).build().unwrap_err();
    assert!(error.kind() == ErrorKind::Memory && error.to_string().contains("bare:0"), "{error}");
    assert!(x.pin_memory(Device::Cpu).is_err() && numbers(&[2], 0).pin_memory(bare).is_err());
}

/// Gives what it should not: memory of the host.
struct Misled;

impl Backend for Misled {
    fn allocate(&self, _: Device, bytes: usize) -> Result<Memory> {
        Ok(Memory::Host(Block::new(bytes).unwrap()))
    }
    unsafe fn run(&self, _: Work<'_>) -> Result<Ran> {
        Ok(Ran::Queued)
    }
    unsafe fn upload(&self, _: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        Ok(())
    }
    unsafe fn download(&self, _: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        Ok(())
    }
}

/// It would come back from the cache as a tensor of the CPU on that device.
#[test]
fn a_device_has_no_memory_of_the_host() {
    let misled = register_backend("misled", Box::new(Misled)).unwrap().device(0);
    for _ in 0..2 {
        let error = Tensor::zeros([64]).device(misled).build().unwrap_err();
        assert!(error.message().contains("the backend of misled:0 gave host memory"), "{error}");
        let fresh = Tensor::zeros([64]).build().unwrap();
        assert!(fresh.device() == Device::Cpu && values(&fresh) == [0.0; 64]);
    }
    assert!(numbers(&[64], 1).to_device(misled).is_err());
}

/// x³ + 1: with a kernel for the CPU, or without any.
#[derive(Debug)]
struct Cubic {
    kernel: bool,
}

impl CustomOp for Cubic {
    fn name(&self) -> &'static str {
        "test::cubic"
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::like(inputs[0]).one()
    }
    fn cpu(&self) -> Option<&dyn CpuKernel> {
        self.kernel.then_some(self)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let x = inputs[0];
        let y = x.mul(x).and_then(|y| y.mul(x)?.add(1.0));
        (!self.kernel).then(|| y.map(|y| Outputs::from_iter([y])))
    }
}

impl CpuKernel for Cubic {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let x = inputs[0].rows::<f32>()?;
        outputs[0].rows::<f32>()?.iter_mut().zip(&x[..]).for_each(|(y, x)| *y = x * x * x + 1.0);
        Ok(())
    }
}

#[test]
fn an_op_of_somebodys_own_runs_there_by_its_kernel_or_its_decomposition() {
    let x = numbers(&[3, 4], 11);
    let right = values(&x.mul(&x).unwrap().mul(&x).unwrap().add(1.0).unwrap());
    let there = x.to_device(device(0)).unwrap();
    for kernel in [true, false] {
        let y = Cubic { kernel }.call(&[&there]).unwrap();
        assert!(y.device() == device(0) && values(&y) == right, "kernel: {kernel}");
    }
}

#[test]
fn an_op_takes_the_memory_of_a_tensor_that_nobody_holds() {
    let before = numbers(&[1 << 12], 9).to_device(device(1)).unwrap();
    let id = before.exp().unwrap().storage().id();
    // Dropped at once: the next op of that size has the same storage.
    let again = (0..8).any(|_| before.sin().unwrap().storage().id() == id);
    assert!(again);
}

#[test]
fn dtypes_and_shapes_without_elements_pass_through() {
    for dtype in [DType::Bool, DType::U8, DType::I64, DType::F16, DType::BF16, DType::F64, DType::Complex64] {
        let x = numbers(&[2, 3], 1).to_dtype(dtype).unwrap();
        let there = x.to_device(device(0)).unwrap();
        assert_eq!(there.to_bytes().unwrap(), x.to_bytes().unwrap());
        assert_eq!(there.t().unwrap().to_bytes().unwrap(), x.t().unwrap().to_bytes().unwrap());
    }
    let empty = Tensor::zeros([0, 3]).build().unwrap().to_device(device(0)).unwrap();
    assert_eq!(empty.sum(0).unwrap().to_vec::<f32>().unwrap(), [0.0; 3]);
}
