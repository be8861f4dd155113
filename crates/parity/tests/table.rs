//! Every op of the tables with arguments that PyTorch's tests do not have: recorded calls whose shapes, dtypes, numbers
//! and options are replaced by drawn ones, many of them wrong or extreme. Whatever comes of it, it comes without a panic
//! and in little memory, and it is the same for a strided input as for a contiguous one, and for two threads as for one.

// One allocator for both attacks.
#[path = "../../tensor/tests/attack/memory.rs"]
mod memory;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use flambeau_parity::{
    call::{Call, Trouble, dtype, revive},
    case::{Arguments, Kind, OpCase, Source},
    ops::{self, Run},
    value::{Recorded, Value},
};
use flambeau_tensor::{Complex, DType, Generator, Tensor, random::with_generator, set_num_threads, shape, stack};

/// Ops that see how a tensor lies in memory.
const LAYOUT: &[&str] = &["as_strided", "as_strided_copy", "view_as_complex"];

/// A source of arguments: the same ones for the same seed (Steele, Lea and Flood 2014).
struct Gen(u64);

impl Gen {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next() % n == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

/// What is done to a recorded call: how often something of it is replaced, and the dtype of all its tensors.
struct Plan {
    draw: Gen,
    dtype: Option<DType>,
    wild: u64,
}

impl Plan {
    fn new(seed: u64) -> Self {
        use DType::*;
        let mut draw = Gen(seed);
        let all = [F32, F64, F16, BF16, I64, I32, I16, I8, U8, Bool, Complex64, Complex128];
        let dtype = if draw.one_in(2) { Some(draw.pick(&all)) } else { None };
        let wild = draw.pick(&[3, 6, 12, 40]);
        Self { draw, dtype, wild }
    }

    fn shape(&mut self, recorded: &[usize]) -> Vec<usize> {
        let mut shape = recorded.to_vec();
        if self.draw.one_in(self.wild) && !shape.is_empty() {
            let at = self.draw.next() as usize % shape.len();
            match self.draw.next() % 4 {
                0 => {
                    shape.remove(at);
                }
                1 => shape.insert(at, self.draw.pick(&[1, 2, 3])),
                2 => shape[at] = self.draw.pick(&[0, 1, 2, 5]),
                // Enough for two threads.
                _ => shape[at] = 3000,
            }
        }
        shape
    }

    fn tensor(&mut self, recorded: &Recorded) -> Result<Tensor, Trouble> {
        let mut to = dtype(recorded.element)?;
        if let Some(other) = self.dtype.filter(|_| to.is_differentiable() || self.draw.one_in(self.wild)) {
            to = other;
        }
        let shape = self.shape(&recorded.shape);
        let many = shape::checked_numel(&shape).filter(|n| *n < 1 << 15);
        let same = shape == recorded.shape && !self.draw.one_in(self.wild);
        match many {
            _ if same => Ok(revive(recorded)?.contiguous()?.to_dtype(to)?),
            None => Ok(Tensor::zeros([0, 3]).dtype(to).build()?),
            Some(n) => {
                // Small whole numbers, which any order of sums adds without loss.
                let numbers: Vec<i64> = (0..n).map(|_| self.draw.next() as i64 % 3).collect();
                Ok(Tensor::from_slice(&numbers, shape)?.to_dtype(to)?)
            }
        }
    }

    fn int(&mut self, recorded: i64) -> i64 {
        const EXTREME: [i64; 8] = [1 << 20, -(1 << 20), 1 << 31, 1 << 40, -(1 << 40), 1 << 62, i64::MAX, i64::MIN];
        match self.draw.next() % self.wild {
            0 => self.draw.pick(&EXTREME),
            1 => self.draw.next() as i64 % 4,
            _ => recorded,
        }
    }

    fn value(&mut self, value: &Value<Recorded>) -> Result<Value<Tensor>, Trouble> {
        let wild = self.wild;
        Ok(match value {
            Value::Tensor(t) => Value::Tensor(self.tensor(t)?),
            Value::Int(i) => Value::Int(self.int(*i)),
            Value::Float(_) if self.draw.one_in(wild) => {
                Value::Float(self.draw.pick(&[0.0, -1.0, 1e30, -1e30, f64::NAN, f64::INFINITY, 1e-30, 0.5]))
            }
            Value::Bool(b) if self.draw.one_in(wild) => Value::Bool(!b),
            Value::Seq(items) => Value::Seq(self.items(items)?),
            Value::List(items) => Value::List(self.items(items)?),
            other => other.map(&mut |t| self.tensor(t))?,
        })
    }

    fn items(&mut self, items: &[Value<Recorded>]) -> Result<Vec<Value<Tensor>>, Trouble> {
        let mut all = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
        match self.draw.next() % (4 * self.wild) {
            0 => drop(all.pop()),
            1 => all.extend(all.last().cloned()),
            _ => {}
        }
        Ok(all)
    }

    fn call(&mut self, arguments: &Arguments) -> Result<Made, Trouble> {
        let args = self.items(&arguments.args)?;
        let kwargs = arguments.kwargs.iter().map(|(name, value)| Ok((name.clone(), self.value(value)?)));
        Ok(Made { args, kwargs: kwargs.collect::<Result<_, Trouble>>()? })
    }
}

/// The arguments of a call.
struct Made {
    args: Vec<Value<Tensor>>,
    kwargs: Vec<(String, Value<Tensor>)>,
}

impl Made {
    /// With every tensor made anew.
    fn call(&self, make: &mut impl FnMut(&Tensor) -> Result<Tensor, Trouble>) -> Result<Call, Trouble> {
        let args = self.args.iter().map(|value| value.map(make)).collect::<Result<_, Trouble>>()?;
        let kwargs = self.kwargs.iter().map(|(name, value)| Ok((name.clone(), value.map(make)?)));
        Ok(Call::with(args, kwargs.collect::<Result<_, Trouble>>()?))
    }

    fn text(&self) -> String {
        let one = |value: &Value<Tensor>| {
            let shown = value.map(&mut |t: &Tensor| Ok::<_, Trouble>(format!("{} {:?}", t.dtype(), t.shape())));
            format!("{:?}", shown.expect("text"))
        };
        let named = self.kwargs.iter().map(|(name, value)| format!("{name}={}", one(value)));
        self.args.iter().map(one).chain(named).collect::<Vec<_>>().join(", ")
    }
}

/// The elements of `x` at every other place of memory.
fn strided(x: &Tensor) -> Tensor {
    stack(&[x, x], -1).and_then(|both| both.select(-1, 0)).unwrap_or_else(|_| x.clone())
}

/// What came of a call.
enum Outcome {
    Gave(Vec<Tensor>),
    Refused(String),
    Panicked(String),
}

fn outcome(run: Run, call: Result<Call, Trouble>) -> Outcome {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let call = call?;
        with_generator(&Generator::with_seed(1), || run(&call))
    }));
    match made {
        Ok(Ok(value)) => Outcome::Gave(value.tensors().into_iter().cloned().collect()),
        Ok(Err(Trouble::Failed(why) | Trouble::Unsupported(why))) => Outcome::Refused(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Outcome::Panicked(text.unwrap_or("without words").to_owned())
        }
    }
}

/// Whether two results are the same, but for what the order of sums changes.
fn differ(a: &Outcome, b: &Outcome) -> Option<String> {
    let (a, b) = match (a, b) {
        (Outcome::Gave(a), Outcome::Gave(b)) => (a, b),
        (Outcome::Refused(_), Outcome::Refused(_)) => return None,
        (Outcome::Refused(why), _) | (_, Outcome::Refused(why)) => return Some(format!("only one is refused: {why}")),
        _ => return None,
    };
    if a.len() != b.len() {
        return Some(format!("{} and {} results", a.len(), b.len()));
    }
    a.iter().zip(b).enumerate().find_map(|(i, (a, b))| {
        if a.dtype() != b.dtype() || a.shape() != b.shape() {
            return Some(format!("result {i}: {} {:?} and {} {:?}", a.dtype(), a.shape(), b.dtype(), b.shape()));
        }
        if a.numel() > 1 << 16 {
            return None;
        }
        let near = match a.dtype() {
            DType::F16 | DType::BF16 => 0.1,
            DType::F32 | DType::Complex64 => 1e-3,
            dtype if dtype.is_differentiable() => 1e-8,
            _ => 0.0,
        };
        let numbers = |t: &Tensor| t.to_dtype(DType::Complex128).and_then(|t| t.to_vec::<Complex<f64>>());
        let (Ok(x), Ok(y)) = (numbers(a), numbers(b)) else { return Some("without numbers".into()) };
        let apart = x.iter().zip(&y).find(|(x, y)| {
            let same = |x: f64, y: f64| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= near * (1.0 + x.abs());
            !(same(x.re, y.re) && same(x.im, y.im))
        });
        apart.map(|(x, y)| format!("result {i}: {x} and {y}"))
    })
}

fn rounds() -> u64 {
    std::env::var("TABLE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// One call, on one thread and two, contiguous and strided.
fn attack(name: &str, run: Run, made: &Made, faults: &mut Vec<String>) -> bool {
    let what = format!("{name}({})", made.text());
    memory::watch(&what);
    let start = Instant::now();
    set_num_threads(1);
    let rows = outcome(run, made.call(&mut |t| Ok(t.contiguous()?.copy()?)));
    let apart = outcome(run, made.call(&mut |t| Ok(strided(t))));
    set_num_threads(2);
    let two = outcome(run, made.call(&mut |t| Ok(t.contiguous()?.copy()?)));
    if start.elapsed() > Duration::from_secs(60) {
        faults.push(format!("{what}: took {:?}", start.elapsed()));
    }
    for (how, other) in [("contiguous", &rows), ("strided", &apart), ("on two threads", &two)] {
        if let Outcome::Panicked(why) = other {
            faults.push(format!("{what}: {how} a panic: {why}"));
        } else if let Some(why) = differ(&rows, other).filter(|_| !LAYOUT.contains(&name)) {
            faults.push(format!("{what}: {how} it differs: {why}"));
        }
    }
    matches!(rows, Outcome::Gave(_))
}

#[test]
fn every_op_of_the_table_takes_any_argument() -> Result<(), Box<dyn Error>> {
    let source = Source::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packed/ops.tar.zst"))?;
    let only = std::env::var("TABLE_ONLY").unwrap_or_default();
    std::panic::set_hook(Box::new(|_| ()));
    let (mut faults, mut all, mut gave) = (Vec::new(), 0u64, 0u64);
    for (nr, file) in source.names().into_iter().enumerate() {
        let subject = source.subject(&file)?;
        let Some(run) = ops::find(&subject.name).filter(|_| matches!(subject.kind, Kind::Op)) else { continue };
        if subject.cases.is_empty() || !subject.name.contains(&only) {
            continue;
        }
        let data = subject.tensors()?;
        for round in 0..rounds() {
            let case = &subject.cases[round as usize % subject.cases.len()];
            let Ok(case) = OpCase::parse(case, &data) else { continue };
            let mut plan = Plan::new(nr as u64 * 1_000_003 + round);
            let Ok(made) = plan.call(&case.arguments) else { continue };
            all += 1;
            gave += u64::from(attack(&subject.name, run, &made, &mut faults));
        }
    }
    let _ = std::panic::take_hook();
    println!("{gave} of {all} calls give a result");
    let many = faults.len();
    faults.truncate(60);
    assert!(faults.is_empty(), "{many} faults:\n{}", faults.join("\n"));
    assert!(!only.is_empty() || gave * 4 > all, "only {gave} of {all} calls give a result");
    Ok(())
}
