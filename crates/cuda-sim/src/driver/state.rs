//! Devices, streams, events, modules, and what is queued.

use crate::counts::Counts;
use crate::execute::{self, LIMIT, Launch};
use crate::fault::{Fault, FaultKind};
use crate::memory::Memory;
use crate::program::Module;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The driver's error codes.
pub(super) mod code {
    pub const SUCCESS: u32 = 0;
    pub const INVALID_VALUE: u32 = 1;
    pub const OUT_OF_MEMORY: u32 = 2;
    pub const NOT_INITIALIZED: u32 = 3;
    pub const INVALID_DEVICE: u32 = 101;
    pub const INVALID_IMAGE: u32 = 200;
    pub const INVALID_CONTEXT: u32 = 201;
    pub const NO_BINARY_FOR_GPU: u32 = 209;
    pub const PEER_ACCESS_ALREADY_ENABLED: u32 = 704;
    pub const INVALID_HANDLE: u32 = 400;
    pub const NOT_FOUND: u32 = 500;
    pub const NOT_READY: u32 = 600;
    pub const ILLEGAL_ADDRESS: u32 = 700;
    pub const MISALIGNED_ADDRESS: u32 = 716;
    pub const ILLEGAL_INSTRUCTION: u32 = 715;
    pub const ASSERT: u32 = 710;
    pub const LAUNCH_TIMEOUT: u32 = 702;
    pub const LAUNCH_FAILED: u32 = 719;
}

/// A module as it is loaded: its text read, its variables in a device's memory.
pub(super) struct Loaded {
    pub module: Module,
    pub variables: Vec<u64>,
    pub device: u32,
}

/// A kernel that somebody asked for by name.
pub(super) struct Function {
    pub module: Arc<Loaded>,
    pub kernel: String,
    /// Bytes of shared memory that a launch may add beyond what every kernel may have.
    pub dynamic: u32,
}

/// A piece of queued work.
pub(super) enum Task {
    Launch {
        module: Arc<Loaded>,
        kernel: String,
        params: Vec<u8>,
        grid: [u32; 3],
        block: [u32; 3],
        shared: u32,
    },
    /// Bytes that were taken when the copy was ordered.
    Write {
        to: u64,
        from: Vec<u8>,
    },
    /// Device memory, or page-locked memory of the host.
    Copy {
        to: u64,
        from: u64,
        len: usize,
    },
    Fill {
        to: u64,
        pattern: Vec<u8>,
        count: usize,
    },
    Record {
        event: u64,
        number: u64,
    },
    Wait {
        event: u64,
        number: u64,
    },
}

pub(super) struct Stream {
    pub device: u32,
    pub queue: VecDeque<Task>,
}

#[derive(Default)]
pub(super) struct Event {
    /// How often it was recorded, and how many of these have come.
    pub recorded: u64,
    pub over: u64,
    /// The simulated time then.
    pub time: u64,
    pub device: u32,
}

pub(super) struct State {
    pub ready: bool,
    pub null: bool,
    pub devices: u32,
    /// Bytes each device has, and those in use.
    pub size: usize,
    pub used: Vec<usize>,
    pub memory: Memory,
    pub streams: BTreeMap<u64, Stream>,
    pub events: BTreeMap<u64, Event>,
    pub modules: BTreeMap<u64, Arc<Loaded>>,
    /// By their handles, from 1 on; none where the module is gone.
    pub functions: Vec<Option<Function>>,
    pub pinned: BTreeMap<u64, std::alloc::Layout>,
    pub peers: Vec<(u32, u32)>,
    pub next: u64,
    pub seed: u64,
    pub counts: Counts,
    /// So many more allocations succeed.
    pub allocations_left: Option<u64>,
    /// So many more launches and copies succeed.
    pub work_left: Option<u64>,
    pub fault: Option<(u32, Fault)>,
    /// The last text for an error.
    pub text: Option<(u32, String)>,
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The one state there is.
pub(super) fn state() -> MutexGuard<'static, State> {
    static STATE: OnceLock<Mutex<State>> = OnceLock::new();
    let new = || {
        let devices = setting("FLAMBEAU_SIM_DEVICES").unwrap_or(2) as u32;
        Mutex::new(State {
            ready: false,
            null: setting("FLAMBEAU_SIM_NULL").is_some_and(|n| n > 0),
            devices,
            size: setting("FLAMBEAU_SIM_MEMORY").unwrap_or(1 << 30) as usize,
            used: vec![0; devices as usize],
            memory: Memory::default(),
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            modules: BTreeMap::new(),
            functions: Vec::new(),
            pinned: BTreeMap::new(),
            peers: Vec::new(),
            next: 1,
            seed: setting("FLAMBEAU_SIM_SEED").unwrap_or(1),
            counts: Counts::default(),
            allocations_left: None,
            work_left: None,
            fault: None,
            text: None,
        })
    };
    // What panicked under the lock was reported as an error; the state is whole.
    STATE.get_or_init(new).lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub fn handle(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    /// A stream by its handle; 0 is the default one of a device.
    pub fn stream(&mut self, handle: u64, device: u32) -> Option<&mut Stream> {
        if handle == 0 {
            let default = u64::MAX - u64::from(device);
            return Some(self.streams.entry(default).or_insert(Stream { device, queue: VecDeque::new() }));
        }
        self.streams.get_mut(&handle)
    }

    pub fn function(&mut self, handle: usize) -> Option<&mut Function> {
        self.functions.get_mut(handle.checked_sub(1)?)?.as_mut()
    }

    pub fn is_over(&self, event: u64, number: u64) -> bool {
        self.events.get(&event).is_none_or(|e| e.over >= number)
    }

    /// Runs queued work, in an adverse order, until `done`.
    pub fn run_until(&mut self, done: impl Fn(&State) -> bool) -> u32 {
        while self.fault.is_none() && !done(self) {
            let ready: Vec<u64> = self
                .streams
                .iter()
                .filter(|(_, stream)| match stream.queue.front() {
                    None => false,
                    Some(Task::Wait { event, number }) => self.is_over(*event, *number),
                    Some(_) => true,
                })
                .map(|(handle, _)| *handle)
                .collect();
            if ready.is_empty() {
                // Waits in a circle: nothing can come any more.
                self.fault =
                    Some((code::LAUNCH_TIMEOUT, Fault::new(FaultKind::Endless, "streams wait for each other")));
                break;
            }
            let chosen = ready[self.draw() as usize % ready.len()];
            let Some(stream) = self.streams.get_mut(&chosen) else { break };
            let (device, task) = (stream.device, stream.queue.pop_front());
            if let Some(Err((code, fault))) = task.map(|task| self.run(task, device)) {
                eprintln!("simulated GPU: {fault}");
                self.fault = Some((code, fault));
            }
        }
        self.fault.as_ref().map_or(code::SUCCESS, |(code, _)| *code)
    }

    pub fn run_stream(&mut self, handle: u64) -> u32 {
        self.run_until(|s| s.streams.get(&handle).is_none_or(|stream| stream.queue.is_empty()))
    }

    pub fn run_device(&mut self, device: u32) -> u32 {
        self.run_until(|s| s.streams.values().all(|stream| stream.device != device || stream.queue.is_empty()))
    }

    fn run(&mut self, task: Task, device: u32) -> Result<(), (u32, Fault)> {
        let outside = |fault: Fault| (code::ILLEGAL_ADDRESS, fault);
        if let (Some(left), false) = (&mut self.work_left, matches!(task, Task::Record { .. } | Task::Wait { .. })) {
            let Some(rest) = left.checked_sub(1) else {
                self.work_left = None;
                let kind = FaultKind::OutOfBounds;
                return Err((code::ILLEGAL_ADDRESS, Fault::new(kind, "an injected fault")));
            };
            *left = rest;
        }
        match task {
            Task::Launch { module, kernel, params, grid, block, shared } => {
                let Some(Ok(kernel)) = module.module.kernel(&kernel) else { return Ok(()) };
                let (seed, variables) = (self.draw(), &module.variables[..]);
                let launch =
                    Launch { kernel, variables, params: &params, grid, block, shared, device, seed, limit: LIMIT };
                execute::run(&launch, &mut self.memory, &mut self.counts).map_err(|fault| (code_of(fault.kind), fault))
            }
            Task::Write { to, from } => self.memory.write(to, &from).map_err(outside),
            Task::Copy { to, from, len } => self.memory.copy(to, from, len).map_err(outside),
            Task::Fill { to, pattern, count } => self.memory.write(to, &pattern.repeat(count)).map_err(outside),
            Task::Record { event, number } => {
                let time = self.counts.warp_instructions;
                if let Some(event) = self.events.get_mut(&event) {
                    (event.over, event.time) = (event.over.max(number), time);
                }
                Ok(())
            }
            Task::Wait { .. } => Ok(()),
        }
    }
}

fn code_of(kind: FaultKind) -> u32 {
    match kind {
        FaultKind::OutOfBounds | FaultKind::Unwritten => code::ILLEGAL_ADDRESS,
        FaultKind::Misaligned => code::MISALIGNED_ADDRESS,
        FaultKind::Unknown => code::ILLEGAL_INSTRUCTION,
        FaultKind::Trap => code::ASSERT,
        FaultKind::Endless => code::LAUNCH_TIMEOUT,
        FaultKind::Launch => code::INVALID_VALUE,
        FaultKind::Race | FaultKind::MissingLanes | FaultKind::Barrier => code::LAUNCH_FAILED,
    }
}
