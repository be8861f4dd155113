//! Extreme shapes, dimensions and attributes thrown at every method and at every op made by hand, also on tensors
//! without elements. Whatever comes of it, it comes soon, without a panic, in little memory, and the same for a
//! strided input as for a contiguous one and for two threads as for one.

mod memory;
mod methods;
mod operands;
mod ops;

use flambeau_tensor::shape::Spatial;
use flambeau_tensor::*;
use std::cell::Cell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A source of arguments: the same ones for the same seed (Steele, Lea and Flood 2014).
#[derive(Clone)]
pub(crate) struct Gen(u64);

impl Gen {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next() % n == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize].clone()
    }

    /// A count or size.
    pub(crate) fn u(&mut self) -> usize {
        let extreme =
            [1 << 20, 1 << 31, 1 << 32, 1 << 40, (1 << 40) + 1, 1 << 62, isize::MAX as usize, 1 << 63, usize::MAX];
        if self.one_in(3) { self.pick(&extreme) } else { self.next() as usize % 6 }
    }

    /// A dimension, an index, an offset.
    pub(crate) fn i(&mut self) -> isize {
        let extreme = [1 << 20, -(1 << 20), 1 << 40, -(1 << 40), 1 << 62, isize::MAX, isize::MIN, isize::MIN + 1];
        if self.one_in(4) { self.pick(&extreme) } else { self.next() as isize % 5 }
    }

    /// A dimension that is mostly there.
    pub(crate) fn d(&mut self) -> isize {
        if self.one_in(8) { self.i() } else { self.next() as isize % 3 }
    }

    pub(crate) fn list<T>(&mut self, most: u64, mut one: impl FnMut(&mut Gen) -> T) -> Vec<T> {
        let n = self.next() % (most + 1);
        (0..n).map(|_| one(self)).collect()
    }

    pub(crate) fn dims(&mut self) -> Vec<isize> {
        self.list(4, Gen::d)
    }

    pub(crate) fn sizes(&mut self) -> Vec<isize> {
        self.list(4, |g| if g.one_in(4) { g.i() } else { g.next() as isize % 6 - 1 })
    }

    pub(crate) fn spatial(&mut self) -> Spatial {
        let values: Vec<isize> = (0..1 + self.next() % 3)
            .map(|_| if self.one_in(3) { self.i() } else { 1 + self.next() as isize % 3 })
            .collect();
        if self.one_in(2) { (values[0]).into() } else { Spatial::from_slice(&values).unwrap() }
    }

    pub(crate) fn dtype(&mut self) -> DType {
        use DType::*;
        self.pick(&[F32, F32, F32, F32, F64, I64, I64, Bool, U8, F16, BF16, Complex64, Complex128])
    }

    pub(crate) fn shape(&mut self) -> Vec<usize> {
        let mut shape: Vec<usize> = self.list(4, |g| g.next() as usize % 5);
        if shape.contains(&0) && self.one_in(2) {
            // Without elements, sizes cost nothing.
            let huge = self.pick(&[1 << 20, 1 << 31, 1 << 40, 1 << 61]);
            if let Some(size) = shape.iter_mut().find(|s| **s != 0) {
                *size = huge;
            }
        }
        shape
    }

    /// A tensor of small whole numbers, which any order of sums adds without loss.
    pub(crate) fn tensor_of(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        // Without elements, or with some thousands.
        let n = shape::checked_numel(shape).filter(|n| *n < 1 << 12);
        let Some(n) = n else { return Tensor::zeros([0, 3]).dtype(dtype).build().unwrap() };
        if n == 0 {
            return Tensor::zeros(shape).dtype(dtype).build().unwrap();
        }
        let values: Vec<i64> = (0..n).map(|_| self.next() as i64 % 3).collect();
        Tensor::from_slice(&values, shape).unwrap().to_dtype(dtype).unwrap()
    }

    pub(crate) fn tensor(&mut self) -> Tensor {
        let (shape, dtype) = (self.shape(), self.dtype());
        let x = self.tensor_of(&shape, dtype);
        let turned = self.one_in(4) && x.rank() > 1;
        if turned { x.transpose(0, -1).unwrap() } else { x }
    }

    /// Of the same dtype as `x`, often of the same shape.
    pub(crate) fn other(&mut self, x: &Tensor) -> Tensor {
        let shape = if self.one_in(2) { x.shape().to_vec() } else { self.shape() };
        self.tensor_of(&shape, x.dtype())
    }

    /// Numbers to index with, few of them out of range.
    pub(crate) fn index(&mut self, shape: &[usize]) -> Tensor {
        let x = self.tensor_of(shape, DType::I64);
        match self.next() % 8 {
            0 => x.add(self.i() as i64).unwrap(),
            1 => x,
            _ => x.abs().unwrap(),
        }
    }
}

/// The elements of `x` at every other place of memory.
fn strided(x: &Tensor) -> Tensor {
    match stack(&[x, x], -1) {
        Ok(both) => both.select(-1, 0).unwrap(),
        Err(_) => x.clone(),
    }
}

/// What came of a call, in words that can be compared; `None` where it is not worth it.
pub(crate) type Outcome = Result<Vec<Tensor>>;

fn describe(outcome: &std::thread::Result<Outcome>) -> String {
    let mut text = String::new();
    match outcome {
        Ok(Ok(outputs)) => {
            for out in outputs {
                // Of both zeros one: which of them a sum of products gives depends on the order.
                let numbers = || match out.dtype().is_differentiable() {
                    true => out.add(0.0).and_then(|x| x.to_bytes()).unwrap(),
                    false => out.to_bytes().unwrap(),
                };
                let shown = out.device() == Device::Cpu && out.numel() < 1 << 16;
                let numbers = if shown { numbers() } else { Vec::new() };
                write!(text, "{} {:?} {numbers:?}; ", out.dtype(), out.shape()).unwrap();
            }
        }
        Ok(Err(e)) => write!(text, "error {:?}", e.kind()).unwrap(),
        Err(panic) => {
            let message =
                panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string()));
            write!(text, "PANIC {message:?}").unwrap();
        }
    }
    text
}

thread_local! {
    /// How many tensors the last call made, where it makes a list of them.
    pub(crate) static PIECES: Cell<usize> = const { Cell::new(0) };
}

/// Processor time of this thread, where the system tells it; nothing elsewhere.
#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

/// Processor time of this thread, where the system tells it.
#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to `time` alone.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs `call` under guard; `what` is for the report.
fn guarded(what: &str, faults: &mut Vec<String>, call: impl FnOnce() -> Outcome) -> String {
    memory::watch(what);
    let start = Instant::now();
    let busy = cpu_time();
    let outcome = catch_unwind(AssertUnwindSafe(call));
    // Of the thread's own time, so that neighbours do not count; what waits for ever does not either.
    let took = (cpu_time() - busy).max(start.elapsed() / 20);
    let found = describe(&outcome);
    // Some thousands of tensors are made in the time that one may take.
    let pieces = PIECES.take();
    if took > Duration::from_secs(10) + pieces as u32 * Duration::from_micros(50) {
        faults.push(format!("{what}: took {took:?}"));
    }
    if found.starts_with("PANIC") {
        faults.push(format!("{what}: {found}"));
    }
    found
}

fn rounds() -> u64 {
    std::env::var("ATTACK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

fn report(mut faults: Vec<String>) {
    let all = faults.len();
    faults.truncate(40);
    assert!(faults.is_empty(), "{all} faults:\n{}", faults.join("\n"));
}

/// All calls of every method, once on each number of threads.
fn attack_methods(threads: usize, faults: &mut Vec<String>) -> Vec<String> {
    set_num_threads(threads);
    let mut all = Vec::new();
    for (nr, (name, method)) in methods::METHODS.iter().enumerate() {
        for round in 0..rounds() {
            let mut arguments = Gen(nr as u64 * 1_000_003 + round);
            let x = arguments.tensor();
            let what = format!("{name} of {} {:?} (round {round})", x.dtype(), x.shape());
            let call = |x: &Tensor| method(&mut arguments.clone(), &x);
            // In place ops write to their input: each call has one of its own.
            let rows = guarded(&what, faults, || call(&x.contiguous()?.copy()?));
            let apart = guarded(&what, faults, || call(&strided(&x)));
            if rows != apart && !methods::LAYOUT.contains(name) {
                faults.push(format!("{what}: contiguous {rows}, strided {apart}"));
            }
            all.push(rows);
        }
    }
    all
}

#[test]
fn every_method_takes_any_argument() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut faults = Vec::new();
    let one = attack_methods(1, &mut faults);
    let two = attack_methods(2, &mut faults);
    let _ = std::panic::take_hook();
    report(faults);
    assert!(one == two, "the number of threads makes a difference");
    let failed = one.iter().filter(|outcome| outcome.starts_with("error")).count();
    assert!(failed * 10 < one.len() * 9, "{failed} of {} calls fail: too few go through", one.len());
}

#[test]
fn every_op_by_hand_checks_what_its_kernel_needs() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut faults = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..400 * rounds() {
        let mut g = Gen(round);
        let (op, mut inputs) = ops::op(&mut g, round as usize);
        if g.one_in(16) {
            inputs.pop();
        }
        seen.insert(match &op {
            // One struct for many functions.
            Op::Special(_) => <Special as op::Infer>::NAME,
            Op::SpecialPair(_) => <SpecialPair as op::Infer>::NAME,
            op => op.name(),
        });
        let refs: Vec<&Tensor> = inputs.iter().collect();
        let shapes: Vec<String> = refs.iter().map(|t| format!("{} {:?}", t.dtype(), t.shape())).collect();
        let what = format!("{op:?} of {} (round {round})", shapes.join(", "));
        let target = if g.one_in(2) { inputs.first().cloned() } else { None };
        let target = target.filter(|_| g.one_in(4)).unwrap_or_else(|| g.tensor());
        guarded(&format!("{what} into {} {:?}", target.dtype(), target.shape()), &mut faults, || {
            let to = strided(&target);
            dispatch_into("into", op.clone(), &refs, &to).or_else(|_| {
                no_grad(|| dispatch_update("update", op.clone(), &refs[refs.len().min(1)..], &[&target.copy()?]))
            })?;
            Ok(vec![to])
        });
        guarded(&what, &mut faults, || {
            if refs.first().is_some_and(|x| op.view_layout(x).is_some()) {
                Ok(vec![dispatch_view(op.clone(), refs[0])?.copy()?])
            } else {
                Ok(dispatch_all(op.clone(), &refs)?.to_vec())
            }
        });
    }
    let _ = std::panic::take_hook();
    report(faults);
    let missing: Vec<_> = Op::NAMES.iter().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "ops without a case: {missing:?}");
}

/// An expanded tensor of more elements than there is memory for, which takes none itself, given to every method: what
/// would copy it is an error.
#[test]
fn every_method_takes_an_input_beyond_memory() -> Result<()> {
    std::panic::set_hook(Box::new(|_| ()));
    let mut faults = Vec::new();
    let dtypes = [DType::F32, DType::F16, DType::I64, DType::Bool, DType::Complex64, DType::F64, DType::U8];
    let shapes: [&[usize]; 5] =
        [&[1 << 13, 1 << 12], &[2, 1 << 24], &[1 << 24, 2], &[1, 2, 1 << 12, 1 << 12], &[1 << 25]];
    for (nr, (name, method)) in methods::METHODS.iter().enumerate() {
        for round in 0..giant_rounds() {
            let (dtype, shape) = (dtypes[(nr + round) % 7], shapes[(nr / 7 + round) % 5]);
            let x = Tensor::ones([1]).dtype(dtype).build()?.expand(shape)?;
            let what = format!("{name} of {dtype} {shape:?} (giant {round})");
            let mut arguments = Gen(nr as u64 * 1_000_003 + round as u64);
            guarded(&what, &mut faults, || method(&mut arguments, &x));
        }
    }
    let _ = std::panic::take_hook();
    report(faults);
    Ok(())
}

fn giant_rounds() -> usize {
    std::env::var("GIANT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2)
}

/// A norm without elements has statistics, and takes no more than they do.
#[test]
fn norms_of_nothing_have_no_tables() -> Result<()> {
    let x = Tensor::zeros([0, 1 << 20, 3, 4]).build()?;
    assert_eq!(x.batch_norm(BatchNormOptions::new().training(true))?.shape(), x.shape());
    let known = Tensor::ones([1 << 20]).build()?;
    let by_known = BatchNormOptions::new().running_mean(&known).running_var(&known);
    assert_eq!(x.batch_norm(by_known)?.shape(), x.shape());
    let outputs = dispatch_all(BatchNorm { training: true, eps: 1e-5, weight: false, bias: false }.into(), &[&x])?;
    assert!(outputs[1].isnan()?.all(..)?.item::<bool>()? && outputs[2].shape() == [1 << 20]);
    Ok(())
}
