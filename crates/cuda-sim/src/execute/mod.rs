//! Runs a launch: block after block, the warps of a block in turns, the lanes of a warp by where they are.
//!
//! Each lane has a program counter of its own. Those furthest behind go first, so that lanes that parted meet again
//! where their ways join. Lanes that come to an instruction of the warp wait there for the others that it names.

mod access;
mod groups;
mod lanes;
mod mma;

use crate::counts::Counts;
use crate::fault::{Fault, FaultKind};
use crate::memory::{Bytes, Memory, View};
use crate::program::{Arg, Base, Ins, Kernel, Op, Special};
use crate::shared::Shared;
use crate::types::{Lanes, WARP, each};
use std::collections::VecDeque;

/// Generic addresses of the windows lie here, by their top byte.
pub(crate) const SHARED_WINDOW: u64 = 0x7f << 56;
pub(crate) const LOCAL_WINDOW: u64 = 0x7e << 56;
pub(crate) const PARAM_WINDOW: u64 = 0x7d << 56;

/// A warp runs so many instructions before another one has its turn.
const TURN: u32 = 4096;

/// A kernel with all it needs.
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Where the module's variables are.
    pub variables: &'a [u64],
    /// The parameters, as the kernel lays them out.
    pub params: &'a [u8],
    /// Blocks in each direction.
    pub grid: [u32; 3],
    /// Threads of a block in each direction.
    pub block: [u32; 3],
    /// Bytes of shared memory beside the kernel's own.
    pub shared: u32,
    /// The device it runs on.
    pub device: u32,
    /// Draws which warp begins.
    pub seed: u64,
    /// A kernel that runs more instructions of a warp than this does not end.
    pub limit: u64,
}

/// The launch's most instructions, where nobody says otherwise.
pub const LIMIT: u64 = 4_000_000_000;

/// A copy to shared memory that a lane has ordered: where to, and what.
type Coming = (u64, Vec<u8>);

struct Warp {
    id: usize,
    registers: Vec<Lanes>,
    counters: [u32; WARP],
    /// Lanes that have not left.
    live: u32,
    /// Lanes that wait at a barrier of the block, and which one.
    at_barrier: u32,
    barrier: u64,
    /// Lanes that wait for others of the warp.
    waiting: u32,
    carries: u32,
    local: Bytes,
    /// For each lane: groups of copies on their way, the last one still open.
    copies: Vec<VecDeque<Vec<Coming>>>,
}

/// What the threads of a block share.
struct Block<'a> {
    launch: &'a Launch<'a>,
    index: [u32; 3],
    memory: View<'a>,
    shared: Shared,
    counts: &'a mut Counts,
    clock: u64,
}

/// Runs a launch to its end, or to the first fault.
///
/// # Errors
/// What a check found.
pub fn run(launch: &Launch<'_>, memory: &mut Memory, counts: &mut Counts) -> Result<(), Fault> {
    let threads = launch.block.iter().try_fold(1u32, |n, d| n.checked_mul(*d)).unwrap_or(0);
    let wrong = |what: String| Err(Fault::new(FaultKind::Launch, format!("{}: {what}", launch.kernel.name)));
    if threads == 0 || threads > 1024 || launch.grid.contains(&0) {
        return wrong(format!("blocks of {:?} threads in a grid of {:?}", launch.block, launch.grid));
    }
    if launch.kernel.max_threads.is_some_and(|most| threads > most) {
        return wrong(format!("blocks of {threads} threads, more than it was compiled for"));
    }
    if launch.params.len() as u64 != launch.kernel.param_bytes {
        return wrong(format!("{} bytes of parameters for {}", launch.params.len(), launch.kernel.param_bytes));
    }
    counts.launches += 1;
    let count = threads.div_ceil(WARP as u32) as usize;
    let mut warps: Vec<Warp> = (0..count).map(|id| Warp::new(id, launch.kernel)).collect();
    let view = View::new(memory, launch.device);
    let mut block = Block { launch, index: [0; 3], memory: view, shared: Shared::default(), counts, clock: 0 };
    for z in 0..launch.grid[2] {
        for y in 0..launch.grid[1] {
            for x in 0..launch.grid[0] {
                block.index = [x, y, z];
                block.run(&mut warps, threads)?;
            }
        }
    }
    Ok(())
}

impl Warp {
    fn new(id: usize, kernel: &Kernel) -> Warp {
        Warp {
            id,
            registers: vec![[0; WARP]; kernel.registers],
            counters: [0; WARP],
            live: 0,
            at_barrier: 0,
            barrier: 0,
            waiting: 0,
            carries: 0,
            local: Bytes::new(kernel.local as usize * WARP),
            copies: vec![VecDeque::new(); WARP],
        }
    }

    fn begin(&mut self, threads: u32) {
        let own = threads - self.id as u32 * WARP as u32;
        self.live = if own >= 32 { !0 } else { (1 << own) - 1 };
        (self.counters, self.at_barrier, self.waiting, self.carries) = ([0; WARP], 0, 0, 0);
        self.local.forget();
        self.copies.iter_mut().for_each(VecDeque::clear);
    }

    /// The lanes that may run and are furthest behind, where they are, and where the next ones are.
    fn group(&self) -> Option<(u32, u32, u32)> {
        let (mut mask, mut at, mut next) = (0u32, u32::MAX, u32::MAX);
        let runs = self.live & !self.at_barrier & !self.waiting;
        for (l, counter) in self.counters.iter().enumerate().filter(|(l, _)| runs >> l & 1 == 1) {
            if *counter < at {
                (next, at, mask) = (at, *counter, 1 << l);
            } else if *counter == at {
                mask |= 1 << l;
            } else {
                next = next.min(*counter);
            }
        }
        (mask != 0).then_some((mask, at, next))
    }

    fn set_counters(&mut self, mask: u32, to: u32) {
        for (l, counter) in self.counters.iter_mut().enumerate() {
            if mask >> l & 1 == 1 {
                *counter = to;
            }
        }
    }

    /// Which lanes of `active` an instruction is for.
    fn guarded(&self, ins: &Ins, active: u32) -> u32 {
        let Some((reg, negated)) = ins.guard else { return active };
        let values = &self.registers[reg as usize];
        let on = (0..WARP).fold(0, |on, l| on | (((values[l] & 1) as u32) ^ u32::from(negated)) << l);
        active & on
    }

    fn put(&mut self, to: &Arg, values: &Lanes, mask: u32) {
        let Arg::Reg(reg) = to else { return };
        let register = &mut self.registers[*reg as usize];
        if mask == !0 {
            *register = *values;
            return;
        }
        for l in 0..WARP {
            if mask >> l & 1 == 1 {
                register[l] = values[l];
            }
        }
    }
}

impl Block<'_> {
    fn run(&mut self, warps: &mut [Warp], threads: u32) -> Result<(), Fault> {
        let bytes = self.dynamic_shared() + u64::from(self.launch.shared);
        self.shared.begin(bytes as usize, warps.len());
        warps.iter_mut().for_each(|w| w.begin(threads));
        let count = warps.len();
        let mut turn = (self.launch.seed % count as u64) as usize;
        loop {
            let mut moved = false;
            for _ in 0..count {
                turn = (turn + 1) % count;
                moved |= self.turn(&mut warps[turn])? > 0;
            }
            if self.clock > self.launch.limit {
                return Err(self.fault(FaultKind::Endless, "it does not end", turn, None));
            }
            if warps.iter().all(|w| w.live == 0) {
                return Ok(());
            }
            moved |= self.open_barriers(warps, threads)?;
            if !moved {
                return Err(self.stuck(warps));
            }
        }
    }

    /// Where the shared memory begins that the launch adds.
    fn dynamic_shared(&self) -> u64 {
        self.launch.kernel.shared.next_multiple_of(16)
    }

    /// Lets those go on whose barrier all have met.
    fn open_barriers(&mut self, warps: &mut [Warp], threads: u32) -> Result<bool, Fault> {
        let mut open = false;
        for i in 0..warps.len() {
            if warps[i].at_barrier == 0 {
                continue;
            }
            let (id, needed) = (warps[i].barrier >> 32, warps[i].barrier as u32);
            let there: Vec<usize> =
                (0..warps.len()).filter(|w| warps[*w].at_barrier != 0 && warps[*w].barrier >> 32 == id).collect();
            let have: u32 = there.iter().map(|w| warps[*w].at_barrier.count_ones()).sum();
            let needed = if needed == 0 { threads } else { needed };
            if have > needed {
                let message = format!("{have} threads at barrier {id}, which is for {needed}");
                return Err(self.fault(FaultKind::Barrier, &message, i, None));
            }
            if have == needed {
                self.shared.met(&there);
                there.iter().for_each(|w| warps[*w].at_barrier = 0);
                open = true;
            }
        }
        Ok(open)
    }

    fn stuck(&self, warps: &[Warp]) -> Fault {
        if let Some(warp) = warps.iter().find(|w| w.waiting != 0) {
            return self.missing(warp);
        }
        let waiting: Vec<String> = warps
            .iter()
            .filter(|w| w.at_barrier != 0)
            .map(|w| format!("warp {} with lanes {:#x} at barrier {}", w.id, w.at_barrier, w.barrier >> 32))
            .collect();
        let left = warps.iter().map(|w| (self.threads_of(w) & !w.live).count_ones()).sum::<u32>();
        let message = format!("a barrier is not met by all: {}; {left} threads have left", waiting.join(", "));
        self.fault(FaultKind::Barrier, &message, 0, None)
    }

    fn threads_of(&self, warp: &Warp) -> u32 {
        let own = self.launch.block.iter().product::<u32>() - (warp.id * WARP) as u32;
        if own >= 32 { !0 } else { (1 << own) - 1 }
    }

    fn fault(&self, kind: FaultKind, message: &str, warp: usize, ins: Option<(&Ins, usize)>) -> Fault {
        Fault::new(kind, message).at(self.place(warp, ins))
    }

    fn place(&self, warp: usize, ins: Option<(&Ins, usize)>) -> String {
        let code = ins.map_or(String::new(), |(ins, at)| format!(", instruction {at} `{}`", ins.text));
        format!("kernel {}, block {:?}, warp {warp}{code}", self.launch.kernel.name, self.index)
    }

    /// Runs a warp until it leaves, waits at a barrier, or has had its turn; says how many instructions that were.
    fn turn(&mut self, warp: &mut Warp) -> Result<u32, Fault> {
        let mut ran = 0;
        while ran < TURN {
            let Some((active, at, next)) = warp.group() else {
                // Those at a barrier come back when it opens; if there are none, lanes are missing.
                if warp.waiting != 0 && warp.at_barrier == 0 {
                    return Err(self.missing(warp));
                }
                break;
            };
            ran += self.straight(warp, active, at, next, TURN - ran)?;
        }
        Ok(ran)
    }

    fn missing(&self, warp: &Warp) -> Fault {
        let lane = warp.waiting.trailing_zeros() as usize;
        let at = warp.counters[lane] as usize;
        let message = format!("lanes {:#x} wait for others of their warp, which do not come", warp.waiting);
        self.fault(FaultKind::MissingLanes, &message, warp.id, Some((&self.launch.kernel.code[at], at)))
    }

    /// Runs the lanes `active` from `at` until they part, wait, or come to where others are; says how many
    /// instructions that were.
    fn straight(&mut self, warp: &mut Warp, active: u32, at: u32, next: u32, most: u32) -> Result<u32, Fault> {
        let code = &self.launch.kernel.code[..];
        let (mut at, mut ran) = (at, 0);
        loop {
            let Some(ins) = code.get(at as usize) else {
                warp.live &= !active;
                return Ok(ran);
            };
            ran += 1;
            let mask = warp.guarded(ins, active);
            self.counts.warp_instructions += 1;
            self.counts.lane_instructions += u64::from(active.count_ones());
            self.clock += 1;
            match &ins.op {
                Op::Branch => {
                    let target = match ins.args.first() {
                        Some(Arg::Label(target)) => *target,
                        _ => at + 1,
                    };
                    if mask != active && mask != 0 {
                        warp.set_counters(mask, target);
                        warp.set_counters(active & !mask, at + 1);
                        return Ok(ran);
                    }
                    at = if mask == 0 { at + 1 } else { target };
                }
                Op::BranchTable(table) => {
                    let index = self.value(warp, &ins.args[0]);
                    for l in (0..WARP).filter(|l| active >> l & 1 == 1) {
                        let taken = mask >> l & 1 == 1;
                        let target = if taken { table.get(index[l] as usize) } else { Some(&(at + 1)) };
                        let beyond = || {
                            self.fault(
                                FaultKind::Unknown,
                                "a branch beyond its table",
                                warp.id,
                                Some((ins, at as usize)),
                            )
                        };
                        let target = *target.ok_or_else(beyond)?;
                        warp.counters[l] = target;
                    }
                    return Ok(ran);
                }
                Op::Exit => {
                    warp.live &= !mask;
                    warp.set_counters(active, at + 1);
                    return Ok(ran);
                }
                Op::Barrier { waits } if mask != 0 => {
                    self.arrive(warp, ins, at, mask, *waits)?;
                    warp.set_counters(active, at + 1);
                    return Ok(ran);
                }
                op if mask != 0 && groups::is_of_warp(op) => {
                    warp.set_counters(active, at + 1);
                    warp.set_counters(mask, at);
                    self.meet(warp, ins, mask, at).map_err(|e| e.at(self.place(warp.id, Some((ins, at as usize)))))?;
                    return Ok(ran);
                }
                _ => {
                    if mask != 0 {
                        self.execute(warp, ins, mask)
                            .map_err(|e| e.at(self.place(warp.id, Some((ins, at as usize)))))?;
                    }
                    at += 1;
                }
            }
            // Others are there or were passed: who is furthest behind now?
            if at >= next || ran >= most {
                warp.set_counters(active, at);
                return Ok(ran);
            }
        }
    }

    /// `bar.sync` and `bar.arrive`, by whole warps.
    fn arrive(&mut self, warp: &mut Warp, ins: &Ins, at: u32, mask: u32, waits: bool) -> Result<(), Fault> {
        let value = |i: usize, block: &Block<'_>| {
            ins.args.get(i).map_or(0, |arg| block.value(warp, arg)[mask.trailing_zeros() as usize])
        };
        let (id, count) = (value(0, self), value(1, self));
        if !waits {
            return Err(self.fault(FaultKind::Unknown, "bar.arrive", warp.id, Some((ins, at as usize))));
        }
        let barrier = id << 32 | count;
        if warp.at_barrier != 0 && warp.barrier != barrier {
            let message = "lanes of one warp are at different barriers";
            return Err(self.fault(FaultKind::Barrier, message, warp.id, Some((ins, at as usize))));
        }
        warp.at_barrier |= mask;
        warp.barrier = barrier;
        Ok(())
    }

    fn value(&self, warp: &Warp, arg: &Arg) -> Lanes {
        match arg {
            Arg::Reg(reg) => warp.registers[*reg as usize],
            Arg::Not(reg) => warp.registers[*reg as usize].map(|x| x ^ 1),
            Arg::Imm(value) => [*value; WARP],
            Arg::Special(special) => self.special(warp, *special),
            Arg::Address(base, offset) => self.address(warp, *base, *offset),
            _ => [0; WARP],
        }
    }

    /// Addresses, each in its own space.
    fn address(&self, warp: &Warp, base: Base, offset: i64) -> Lanes {
        let from = |base: u64| [base.wrapping_add(offset as u64); WARP];
        match base {
            Base::Reg(reg) => warp.registers[reg as usize].map(|x| x.wrapping_add(offset as u64)),
            Base::Shared(at) | Base::Local(at) | Base::Param(at) => from(at),
            Base::Dynamic => from(self.dynamic_shared()),
            Base::Variable(i) => from(self.launch.variables.get(i).copied().unwrap_or(0)),
            Base::Zero => from(0),
        }
    }

    fn special(&self, warp: &Warp, special: Special) -> Lanes {
        let ([x, y, _], [bx, by, bz], [gx, gy, gz]) = (self.launch.block, self.index, self.launch.grid);
        let first = (warp.id * WARP) as u32;
        let all = |value: u32| [u64::from(value); WARP];
        match special {
            Special::TidX => each(|l| u64::from((first + l as u32) % x)),
            Special::TidY => each(|l| u64::from((first + l as u32) / x % y)),
            Special::TidZ => each(|l| u64::from((first + l as u32) / x / y)),
            Special::NtidX => all(x),
            Special::NtidY => all(y),
            Special::NtidZ => all(self.launch.block[2]),
            Special::CtaidX => all(bx),
            Special::CtaidY => all(by),
            Special::CtaidZ => all(bz),
            Special::NctaidX => all(gx),
            Special::NctaidY => all(gy),
            Special::NctaidZ => all(gz),
            Special::LaneId => each(|l| l as u64),
            Special::WarpId => all(warp.id as u32),
            Special::Nwarpid => all(32),
            Special::Smid => all(0),
            Special::Nsmid => all(1),
            Special::MaskEq => each(|l| 1 << l),
            Special::MaskLt => each(|l| (1 << l) - 1),
            Special::MaskLe => each(|l| (2 << l) - 1),
            Special::MaskGt => each(|l| u64::from(!0u32) & !((2 << l) - 1)),
            Special::MaskGe => each(|l| u64::from(!0u32) & !((1 << l) - 1)),
            Special::Clock => all(self.clock as u32),
            Special::Clock64 | Special::GlobalTimer => [self.clock; WARP],
            Special::DynamicShared => all(self.launch.shared),
        }
    }
}
