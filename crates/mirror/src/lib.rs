//! A second real backend, for tests: the devices `mirror:0` and `mirror:1`.
//!
//! It does what an accelerator does, without one. Its memory is apart: a buffer that only its own thread looks into.
//! Every op is queued and runs late, on a thread of its own, by the CPU's kernels, when somebody waits or the queues
//! are long. Between streams the order is adverse: drawn from a seed, held back only by the waits that were asked for.
//! So a wait that the dispatcher or the backend forgot shows as a wrong number here, and not one day on a GPU.
//!
//! It is written against what `flambeau-tensor` gives to everybody, and so shows that a backend can be.

mod host;
mod queue;

use flambeau_tensor::backend::{Backend, DeviceKind, Ran, Work, backend_of, register_backend};
use flambeau_tensor::random::default_generator;
use flambeau_tensor::storage::{Memory, Storage, Use};
use flambeau_tensor::{
    DType, Device, Dropout, Error, ErrorKind, Generator, Layout, Multinomial, Op, Result, Tensor, no_grad,
};
use parking_lot::Mutex;
use queue::{Job, Queues};
use std::cell::Cell;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

/// How many devices there are.
const DEVICES: u32 = 2;

/// Device memory: bytes that jobs alone look into.
type Bytes = Arc<Mutex<Vec<u8>>>;

struct Mirror;

static KIND: OnceLock<DeviceKind> = OnceLock::new();
static QUEUES: OnceLock<Queues> = OnceLock::new();

fn queues() -> &'static Queues {
    QUEUES.get_or_init(Queues::start)
}

/// The device `mirror:index`, of which there are two. The first call registers the backend.
///
/// # Panics
/// Where another crate has taken the name.
pub fn device(index: u32) -> Device {
    assert!(index < DEVICES, "there are {DEVICES} mirror devices");
    let kind = KIND.get_or_init(|| register_backend("mirror", Box::new(Mirror)).unwrap_or_else(|e| panic!("{e}")));
    kind.device(index)
}

/// Draws the order between streams anew, from `seed`.
pub fn set_seed(seed: u64) {
    queues().set_seed(seed);
}

/// How many jobs wait to run.
pub fn queued() -> usize {
    queues().len()
}

thread_local! {
    static STREAM: Cell<u64> = const { Cell::new(0) };
}

/// Runs `f` with its ops on the stream `number` of whatever mirror device they are for.
pub fn with_stream<R>(number: u32, f: impl FnOnce() -> R) -> R {
    struct Back(u64);
    impl Drop for Back {
        fn drop(&mut self) {
            STREAM.set(self.0);
        }
    }
    let _back = Back(STREAM.replace(u64::from(number)));
    f()
}

/// The thread's stream on `device`.
fn stream_of(device: Device) -> u64 {
    let index = match device {
        Device::Other(_, index) => u64::from(index),
        _ => 0,
    };
    index << 32 | STREAM.get()
}

fn memory(storage: &Storage) -> Result<Bytes> {
    match storage.memory() {
        Memory::Device(bytes) => bytes.downcast_ref::<Bytes>().cloned(),
        _ => None,
    }
    .ok_or_else(|| Error::new(ErrorKind::Device, "mirror", "a tensor of another backend reached this one"))
}

/// An operand as a job needs it.
struct Operand {
    bytes: Bytes,
    layout: Layout,
    dtype: DType,
}

impl Operand {
    fn of(t: &Tensor) -> Result<Operand> {
        Ok(Operand { bytes: memory(t.storage())?, layout: t.layout().clone(), dtype: t.dtype() })
    }

    /// Where its elements lie, in bytes.
    fn places(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let size = self.dtype.size();
        (0..self.layout.numel()).map(move |i| {
            let at = self.layout.place(i) * size;
            at..at + size
        })
    }

    /// Its elements as a tensor of the host.
    fn load(&self) -> Result<Tensor> {
        let bytes = self.bytes.lock();
        let rows: Vec<u8> = self.places().flat_map(|place| bytes[place].iter().copied()).collect();
        Tensor::from_bytes(self.dtype, &self.layout.shape, &rows)
    }

    fn store(&self, rows: &[u8]) {
        let mut bytes = self.bytes.lock();
        for (place, from) in self.places().zip(rows.chunks_exact(self.dtype.size())) {
            bytes[place].copy_from_slice(from);
        }
    }
}

/// Runs `op` by the CPU's kernel.
fn run_on_host(op: &Op, inputs: &[Tensor], outputs: &[Tensor], at: &'static Location<'static>) -> Result<()> {
    let cpu = backend_of(Device::Cpu).ok_or_else(|| Error::new(ErrorKind::Device, "mirror", "no CPU"))?;
    let (inputs, outputs): (Vec<&Tensor>, Vec<&Tensor>) = (inputs.iter().collect(), outputs.iter().collect());
    // SAFETY: shapes and dtypes are those of the operands that the dispatcher checked; all tensors are contiguous copies
    // that nobody else knows, and no output is an input.
    unsafe { cpu.run(Work { op, inputs: &inputs, outputs: &outputs, at }) }.map(drop)
}

/// Queues `work` behind what stands in the way of these reads and writes, and writes the uses down.
fn queue(
    name: &'static str,
    at: &'static Location<'static>,
    device: Device,
    reads: &[&Storage],
    writes: &[&Storage],
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<Use> {
    let (stream, mut after) = (stream_of(device), Vec::new());
    for (all, writes) in [(reads, false), (writes, true)] {
        for storage in all {
            storage.each_use_before(stream, writes, |before| {
                after.push(before);
                Ok(())
            })?;
        }
    }
    let ticket = queues().push(Job { name, at, stream, after, work: Box::new(work) });
    let pending = |writes| Use { device, stream, ticket, writes };
    reads.iter().for_each(|s| s.add_use(pending(false)));
    writes.iter().for_each(|s| s.add_use(pending(true)));
    Ok(pending(true))
}

/// A copy of the generator as it stands, for work that is queued, while the program's moves on by what the op draws.
fn draw_ahead(
    generator: &Option<Generator>,
    inputs: &[&Tensor],
    outputs: &[&Tensor],
    at: &'static Location<'static>,
    op: impl FnOnce(Option<Generator>) -> Op,
) -> Result<Generator> {
    let generator = generator.clone().unwrap_or_else(default_generator);
    let own = generator.fork();
    let alike = |all: &[&Tensor]| {
        let one = |t: &&Tensor| no_grad(|| Tensor::ones(t.shape()).dtype(t.dtype()).build());
        all.iter().map(one).collect::<Result<Vec<_>>>()
    };
    run_on_host(&op(Some(generator)), &alike(inputs)?, &alike(outputs)?, at)?;
    Ok(own)
}

impl Backend for Mirror {
    fn device_count(&self) -> u32 {
        DEVICES
    }

    fn allocate(&self, _: Device, bytes: usize) -> Result<Memory> {
        let mut memory = Vec::new();
        memory
            .try_reserve_exact(bytes)
            .map_err(|_| Error::new(ErrorKind::Memory, "mirror", format!("no room for {bytes} bytes")))?;
        // What was never written is no number.
        memory.resize(bytes, 0xff);
        Ok(Memory::Device(Box::new(Bytes::new(Mutex::new(memory)))))
    }

    unsafe fn run(&self, Work { op, inputs, outputs, at }: Work<'_>) -> Result<Ran> {
        if matches!(op, Op::Custom(own) if own.op().cpu().is_none()) {
            return Ok(Ran::Lacking);
        }
        let operands = |all: &[&Tensor]| all.iter().map(|t| Operand::of(t)).collect::<Result<Vec<_>>>();
        let (sources, targets) = (operands(inputs)?, operands(outputs)?);
        let Some(device) = outputs.first().map(|t| t.device()) else { return Ok(Ran::Queued) };
        fn storages<'a>(all: &[&'a Tensor]) -> Vec<&'a Storage> {
            all.iter().map(|t| t.storage()).collect()
        }
        // Random numbers are drawn in the program's order, not in that of the queues: what is drawn by an input's
        // values takes a copy of the generator along, and the program's moves on by as much.
        let drawn = if let Op::Random(_) = op {
            let outputs = outputs
                .iter()
                .map(|t| no_grad(|| Tensor::zeros(t.shape()).dtype(t.dtype()).build()))
                .collect::<Result<Vec<_>>>()?;
            run_on_host(op, &[], &outputs, at)?;
            Some(outputs)
        } else {
            None
        };
        let owned = match op {
            Op::Dropout(it) => {
                let own = draw_ahead(&it.generator, inputs, outputs, at, |generator| {
                    Dropout { generator, ..it.clone() }.into()
                })?;
                Dropout { generator: Some(own), ..it.clone() }.into()
            }
            Op::Multinomial(it) => {
                let own = draw_ahead(&it.generator, inputs, outputs, at, |generator| {
                    Multinomial { generator, ..it.clone() }.into()
                })?;
                Multinomial { generator: Some(own), ..it.clone() }.into()
            }
            _ => op.clone(),
        };
        let work = move || {
            let inputs = sources.iter().map(Operand::load).collect::<Result<Vec<_>>>()?;
            let outputs = match drawn {
                Some(drawn) => drawn,
                None => {
                    let outputs = targets.iter().map(Operand::load).collect::<Result<Vec<_>>>()?;
                    run_on_host(&owned, &inputs, &outputs, at)?;
                    outputs
                }
            };
            for (target, out) in targets.iter().zip(&outputs) {
                target.store(&out.to_bytes()?);
            }
            Ok(())
        };
        queue(op.name(), at, device, &storages(inputs), &storages(outputs), work)?;
        Ok(Ran::Queued)
    }

    unsafe fn upload(&self, from: &Tensor, to: &Tensor, non_blocking: bool) -> Result<()> {
        let target = Operand::of(to)?;
        let at = Location::caller();
        if let Some(source) = host::Pinned::of(from).filter(|_| non_blocking) {
            let work = move || {
                target.store(source.bytes());
                Ok(())
            };
            queue("to", at, to.device(), &[from.storage()], &[to.storage()], work)?;
            return Ok(());
        }
        let rows = from.to_bytes()?;
        let work = move || {
            target.store(&rows);
            Ok(())
        };
        queue("to", at, to.device(), &[], &[to.storage()], work)?;
        Ok(())
    }

    unsafe fn download(&self, from: &Tensor, to: &Tensor, non_blocking: bool) -> Result<()> {
        let (source, at) = (Operand::of(from)?, Location::caller());
        if let Some(target) = host::Pinned::of(to).filter(|_| non_blocking) {
            let work = move || {
                target.fill(&source.load()?.to_bytes()?);
                Ok(())
            };
            queue("to", at, from.device(), &[from.storage()], &[to.storage()], work)?;
            return Ok(());
        }
        let (send, receive) = std::sync::mpsc::channel();
        let work = move || {
            let _ = send.send(source.load()?.to_bytes()?);
            Ok(())
        };
        let pending = queue("to", at, from.device(), &[from.storage()], &[], work)?;
        self.wait(&pending)?;
        let rows = receive.recv().map_err(|_| Error::new(ErrorKind::Device, "to", "the copy did not run"))?;
        host::write(to, &rows)
    }

    unsafe fn copy(&self, from: &Tensor, to: &Tensor) -> Result<Ran> {
        let (source, target) = (Operand::of(from)?, Operand::of(to)?);
        let work = move || {
            target.store(&source.load()?.to_bytes()?);
            Ok(())
        };
        queue("to", Location::caller(), to.device(), &[from.storage()], &[to.storage()], work)?;
        Ok(Ran::Queued)
    }

    fn allocate_pinned(&self, bytes: usize) -> Result<Memory> {
        host::Pinned::allocate(bytes)
    }

    fn wait(&self, pending: &Use) -> Result<()> {
        queues().wait(&[(pending.stream, pending.ticket)])
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        let Device::Other(_, index) = device else { return Ok(()) };
        queues().wait(&queues().last_of(|stream| stream >> 32 == u64::from(index)))
    }
}
