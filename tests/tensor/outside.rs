//! A device with random numbers of another kind, an op with a kernel for it, and a mode, all from a crate that depends on
//! flambeau-tensor and is not known to it.

use flambeau_tensor::backend::{Backend, DeviceKind, Ran, Work, register_backend};
use flambeau_tensor::custom::CustomOp;
use flambeau_tensor::dispatch::{Call, Interpreter, Output, interpret};
use flambeau_tensor::op::{Attribute, Attributes, Meta, Metas};
use flambeau_tensor::random::{DeviceGenerator, GeneratorState, default_generator_of, with_generator};
use flambeau_tensor::storage::Memory;
use flambeau_tensor::{
    DType, Device, Distribution, Error, ErrorKind, Generator, Op, Outputs, Result, Tensor, attributes, bail,
    manual_seed, tensor,
};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Memory apart: numbers that this backend alone looks into.
type Numbers = Arc<Mutex<Vec<f32>>>;

/// Random numbers that are counted: seed, seed + 1, …
struct Counter {
    seed: AtomicU64,
    next: AtomicU64,
}

impl Counter {
    fn new(seed: u64, next: u64) -> Arc<Counter> {
        Arc::new(Counter { seed: AtomicU64::new(seed), next: AtomicU64::new(next) })
    }
}

impl DeviceGenerator for Counter {
    fn manual_seed(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        self.next.store(seed, Ordering::Relaxed);
    }
    fn initial_seed(&self) -> u64 {
        self.seed.load(Ordering::Relaxed)
    }
    fn state(&self) -> Vec<u8> {
        self.next.load(Ordering::Relaxed).to_le_bytes().to_vec()
    }
    fn set_state(&self, bytes: &[u8]) -> Result<()> {
        let Ok(bytes) = bytes.try_into() else { bail!(Format, "counter", "{} bytes are no state", bytes.len()) };
        self.next.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        Ok(())
    }
    fn fork(&self) -> Arc<dyn DeviceGenerator> {
        Counter::new(self.initial_seed(), self.next.load(Ordering::Relaxed))
    }
}

/// Float tensors in rows, with the few kernels that the tests need.
struct Counting;

fn numbers(t: &Tensor) -> Result<Numbers> {
    match t.storage().memory() {
        Memory::Device(memory) if t.dtype() == DType::F32 && t.is_contiguous() => memory.downcast_ref().cloned(),
        _ => None,
    }
    .ok_or_else(|| Error::new(ErrorKind::Unsupported, "counting", "float tensors in rows only"))
}

impl Backend for Counting {
    fn allocate(&self, _: Device, bytes: usize) -> Result<Memory> {
        Ok(Memory::Device(Box::new(Numbers::new(Mutex::new(vec![f32::NAN; bytes.div_ceil(4)])))))
    }

    unsafe fn run(&self, Work { op, inputs, outputs, .. }: Work<'_>) -> Result<Ran> {
        let target = numbers(outputs[0])?;
        let n = outputs[0].numel();
        let map = |f: &dyn Fn(f32) -> f32| -> Result<Ran> {
            let made: Vec<f32> = numbers(inputs[0])?.lock().unwrap()[..n].iter().map(|x| f(*x)).collect();
            target.lock().unwrap()[..n].copy_from_slice(&made);
            Ok(Ran::Queued)
        };
        match op {
            Op::Full(full) => {
                target.lock().unwrap()[..n].fill(full.value.to_f64() as f32);
                Ok(Ran::Queued)
            }
            Op::Random(random) if matches!(random.distribution, Distribution::Uniform { .. }) => {
                let generator = match &random.generator {
                    Some(generator) => generator.clone(),
                    None => default_generator_of(outputs[0].device())?,
                };
                let counter = generator.engine::<Counter>().expect("the dispatcher checks whose it is");
                let first = counter.next.fetch_add(n as u64, Ordering::Relaxed);
                (0..n).for_each(|i| target.lock().unwrap()[i] = (first + i as u64) as f32);
                Ok(Ran::Queued)
            }
            Op::Cast(_) => map(&|x| x),
            Op::Sigmoid(_) => map(&|x| 1.0 / (1.0 + (-x).exp())),
            Op::Mul(_) if inputs.len() == 2 => {
                let by = numbers(inputs[1])?.lock().unwrap().clone();
                let made: Vec<f32> = numbers(inputs[0])?.lock().unwrap().iter().zip(by).map(|(a, b)| a * b).collect();
                target.lock().unwrap()[..n].copy_from_slice(&made[..n]);
                Ok(Ran::Queued)
            }
            Op::Exp(_) => bail!(Device, "exp", "the device is on fire"),
            _ => Ok(Ran::Lacking),
        }
    }

    unsafe fn upload(&self, from: &Tensor, to: &Tensor, _: bool) -> Result<()> {
        let values = from.to_vec::<f32>()?;
        numbers(to)?.lock().unwrap()[..values.len()].copy_from_slice(&values);
        Ok(())
    }

    unsafe fn download(&self, from: &Tensor, to: &Tensor, _: bool) -> Result<()> {
        let Memory::Host(block) = to.storage().memory() else { bail!(Device, "counting", "not in host memory") };
        let (values, n) = (numbers(from)?.lock().unwrap().clone(), from.numel());
        assert!(to.is_contiguous() && 4 * n <= block.size() && values.len() >= n);
        // SAFETY: inside the block, which is aligned for any element; `to` is fresh, so nobody else looks there.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), block.as_ptr().cast::<f32>(), n) };
        Ok(())
    }

    fn generator(&self, _: Device, seed: u64) -> Option<Arc<dyn DeviceGenerator>> {
        Some(Counter::new(seed, seed))
    }
}

fn device() -> Device {
    static KIND: OnceLock<DeviceKind> = OnceLock::new();
    KIND.get_or_init(|| register_backend("counting", Box::new(Counting)).unwrap()).device(0)
}

/// x + step, of somebody's own, with a kernel for that device alone.
#[derive(Debug)]
struct Shift {
    step: f64,
}

impl CustomOp for Shift {
    fn name(&self) -> &'static str {
        "outside::shift"
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::like(inputs[0]).one()
    }
    fn attributes(&self) -> Attributes {
        attributes!(Shift { step } = self)
    }
    unsafe fn device(&self, Work { inputs, outputs, .. }: Work<'_>) -> Result<Ran> {
        let shifted: Vec<f32> = numbers(inputs[0])?.lock().unwrap().iter().map(|x| x + self.step as f32).collect();
        let n = outputs[0].numel();
        numbers(outputs[0])?.lock().unwrap()[..n].copy_from_slice(&shifted[..n]);
        Ok(Ran::Queued)
    }
}

#[test]
fn an_op_runs_there_by_its_kernel_or_by_its_decomposition() -> Result<()> {
    let x = tensor!([1.0, -2.0, 3.0]).to(device())?;
    // There is no kernel for silu: x · sigmoid(x) runs.
    assert!(x.silu()?.to(Device::Cpu)?.allclose(&tensor!([1.0, -2.0, 3.0]).silu()?)?);
    assert_eq!(Shift { step: 0.5 }.call(&[&x])?.to_vec::<f32>()?, [1.5, -1.5, 3.5]);
    let lacking = Shift { step: 0.5 }.call(&[&tensor!([1.0])]).unwrap_err();
    assert!(lacking.to_string().contains("outside::shift") && lacking.to_string().contains("cpu"), "{lacking}");
    let lacking = x.tan().unwrap_err();
    assert!(lacking.to_string().contains("tan") && lacking.to_string().contains("counting:0"), "{lacking}");
    Ok(())
}

#[test]
fn a_device_that_fails_leaves_nothing_half_written_and_nothing_locked() -> Result<()> {
    let x = tensor!([1.0, 2.0]).to(device())?;
    let version = x.storage().version();
    for failed in [x.exp().map(drop), x.exp_().map(drop)] {
        let error = failed.unwrap_err();
        assert!(error.message().contains("on fire") && error.location().is_some(), "{error}");
    }
    assert_eq!((x.to_vec::<f32>()?, x.storage().version()), (vec![1.0, 2.0], version));
    x.sigmoid_()?;
    x.fill_(3.0)?;
    assert_eq!(x.to_vec::<f32>()?, [3.0, 3.0]);
    Ok(())
}

fn drawn(n: usize, generator: Option<&Generator>) -> Result<Vec<f32>> {
    let mut builder = Tensor::rand([n]).device(device());
    if let Some(generator) = generator {
        builder = builder.generator(generator);
    }
    builder.build()?.to_vec::<f32>()
}

#[test]
fn a_generator_is_of_its_devices_kind() -> Result<()> {
    let generator = Generator::on(device(), 7)?;
    assert!(generator.device() == device() && !generator.draws_on_host() && generator.initial_seed() == 7);
    assert_eq!(drawn(3, Some(&generator))?, [7.0, 8.0, 9.0]);
    let (state, fork) = (generator.get_state(), generator.fork());
    assert_eq!(drawn(1, Some(&generator))?, [10.0]);
    assert_eq!(drawn(1, Some(&fork))?, [10.0]);
    generator.set_state(&state)?;
    assert_eq!(drawn(1, Some(&generator))?, [10.0]);
    generator.manual_seed(2);
    assert_eq!(drawn(2, Some(&generator))?, [2.0, 3.0]);
    assert!(generator.same_as(&generator.clone()) && !generator.same_as(&fork));

    // Without one: the device's default, which `manual_seed` seeds as the host's.
    manual_seed(5);
    assert_eq!(drawn(2, None)?, [5.0, 6.0]);
    manual_seed(50);
    assert_eq!((drawn(1, None)?, default_generator_of(device())?.initial_seed()), (vec![50.0], 50));
    assert_eq!(with_generator(&generator, || drawn(1, None))?, [4.0]);
    assert_eq!(drawn(1, None)?, [51.0]);
    let host = Tensor::rand([2]).build()?.to_vec::<f32>()?;
    manual_seed(50);
    assert_eq!(with_generator(&generator, || Tensor::rand([2]).build())?.to_vec::<f32>()?, host, "the host's goes on");
    Ok(())
}

#[test]
fn generators_and_states_of_another_kind_are_errors() -> Result<()> {
    let (host, counted) = (Generator::with_seed(1), Generator::on(device(), 1)?);
    let refused = |result: Result<Tensor>| {
        let error = result.unwrap_err();
        assert!(error.kind() == ErrorKind::Device && error.message().contains("counting:0"), "{error}");
        assert!(error.message().contains("cpu") || error.message().contains("on the host"), "{error}");
    };
    refused(Tensor::rand([2]).device(device()).generator(&host).build());
    refused(Tensor::rand([2]).generator(&counted).build());
    refused(tensor!([1.0]).native_dropout(0.5, Some(&counted)).map(|(y, _)| y));
    refused(tensor!([1.0]).poisson(Some(&counted)));
    refused(tensor!([1.0]).draw_("uniform_", Distribution::Uniform { from: 0.0, to: 1.0 }, Some(&counted)).cloned());
    assert!(host.set_state(&counted.get_state()).is_err() && counted.set_state(&host.get_state()).is_err());
    assert!(counted.set_state(&GeneratorState::of_device(vec![1])).is_err());
    assert!(counted.random_u32().is_err() && counted.uniform(&mut [0.0f32], 0.0, 1.0).is_err());
    // Where there is no data there is nothing to be drawn.
    assert!(Tensor::rand([2]).device(Device::Meta).generator(&host).build().is_ok());
    // Nobody drew: both stand where they stood.
    assert_eq!((drawn(1, Some(&counted))?, host.random_u32()?), (vec![1.0], Generator::with_seed(1).random_u32()?));
    Ok(())
}

/// Writes down each op with its numbers and answers products by sums.
#[derive(Default)]
struct Log(std::cell::RefCell<Vec<String>>);

impl Interpreter for Log {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let numbers = call.op.attributes().into_iter().filter(|(_, x)| matches!(x, Attribute::Number(_)));
        let numbers: Vec<String> = numbers.map(|(name, x)| format!(" {name} {x}")).collect();
        self.0.borrow_mut().push(format!("{}{}", call.op.name(), numbers.concat()));
        match (&call.op, call.output) {
            (Op::Mul(_), Output::Fresh) => Ok(Outputs::from_iter([call.inputs[0].add(call.inputs[1])?])),
            _ => call.run(),
        }
    }
}

#[test]
fn a_mode_sees_changes_and_answers_what_is_called_inside_of_it() -> Result<()> {
    let (x, log) = (tensor!([2.0, 5.0]), Rc::new(Log::default()));
    let y = interpret(log.clone(), || x.mul(&x)?.cumsum(0))?;
    assert_eq!(y.to_vec::<f32>()?, [4.0, 14.0]);
    assert_eq!(*log.0.borrow(), ["mul", "cumsum dim 0 reverse false"]);
    assert_eq!(x.mul(&x)?.to_vec::<f32>()?, [4.0, 25.0]);
    Ok(())
}
