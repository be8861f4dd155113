//! Arguments that nobody means, drawn at random (always the same ones) and thrown at functions under guard: a panic,
//! a call that takes long, and memory beyond all measure are faults.

#[path = "memory.rs"]
mod memory;

use flambeau_tensor::{DType, Result, Tensor};
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A tensor that is told of by dtype and shape.
#[derive(Clone)]
pub struct Given(Tensor);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.0.dtype(), self.0.shape())
    }
}

impl Deref for Given {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.0
    }
}

/// Draws arguments (SplitMix64; Steele, Lea and Flood 2014), and keeps what went wrong.
#[derive(Default)]
pub struct Thrown {
    state: u64,
    calls: usize,
    refused: usize,
    faults: Vec<String>,
}

#[allow(dead_code)] // No test draws every kind.
impl Thrown {
    fn next(&mut self) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.next() % n == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.next() % from.len()].clone()
    }

    /// A count or a size.
    pub fn size(&mut self) -> usize {
        self.pick(&[0, 1, 2, 3, 7, 64, 1 << 31, 1 << 40, usize::MAX])
    }

    /// A sample rate.
    pub fn rate(&mut self) -> u32 {
        self.pick(&[0, 1, 7, 8000, 16_000, 44_100, u32::MAX])
    }

    pub fn number(&mut self) -> f64 {
        self.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e300, 1e-300, 0.5, 1.0, 3.0, 440.0, -1e9])
    }

    pub fn switch(&mut self) -> bool {
        self.one_in(2)
    }

    /// Mostly of the shape `right` and of `f32`.
    pub fn tensor(&mut self, right: &[usize]) -> Given {
        self.tensor_of(right, DType::F32)
    }

    /// Mostly of the shape `right` and of `dtype`.
    pub fn tensor_of(&mut self, right: &[usize], dtype: DType) -> Given {
        use DType::*;
        let mut shape = right.to_vec();
        let place = if shape.is_empty() { 0 } else { self.next() % shape.len() };
        match self.next() % 12 {
            0 => shape = Vec::new(),
            1 => shape.insert(place, 1),
            2 if !shape.is_empty() => drop(shape.remove(place)),
            3 if !shape.is_empty() => shape[place] = 0,
            4 if shape.len() > 1 => {
                // Without elements a size costs nothing.
                shape[place] = 0;
                shape[(place + 1) % right.len()] = self.pick(&[1 << 31, 1 << 40, (1 << 50) + 7]);
            }
            5 if !shape.is_empty() => shape[place] = self.pick(&[1, 2, 3]),
            _ => {}
        }
        let dtype = if self.one_in(6) { self.pick(&[F64, F16, I64, U8, Bool, Complex64]) } else { dtype };
        let n: usize = if shape.contains(&0) { 0 } else { shape.iter().product() };
        let special = self.pick(&[f64::NAN, f64::INFINITY, 0.0, 1e30]);
        let alike = self.one_in(6);
        let values: Vec<f64> =
            (0..n).map(|i| if alike { special } else { ((i * 37 % 101) as f64 - 50.0) / 50.0 }).collect();
        let made = match n {
            0 => Tensor::zeros(&shape[..]).dtype(dtype).build(),
            _ => Tensor::from_vec(values, &shape[..]).and_then(|x| x.to_dtype(dtype)),
        };
        Given(made.unwrap_or_else(|e| panic!("{shape:?}: {e}")))
    }

    /// Numbers to index with, mostly below `below`.
    pub fn indices(&mut self, right: &[usize], below: i64) -> Given {
        let x = self.tensor_of(right, DType::F32);
        let far = if self.one_in(4) { self.pick(&[-1, below, i64::MAX, i64::MIN]) } else { 0 };
        let whole =
            x.to_dtype(DType::F32).and_then(|x| x.nan_to_num(None, None, None)?.abs()?.mul(50.0)?.to_dtype(DType::I64));
        let whole = whole.and_then(|x| x.remainder(below.max(1))?.add(far));
        let dtype = if self.one_in(4) { DType::I32 } else { DType::I64 };
        Given(whole.and_then(|x| x.to_dtype(dtype)).unwrap())
    }

    /// Calls `f` under guard.
    pub fn call(&mut self, what: &str, f: impl FnOnce() -> Result<()>) {
        memory::watch(what);
        if std::env::var_os("HOSTILE_TRACE").is_some() {
            eprintln!("{what}");
        }
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(f));
        self.calls += 1;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.refused += 1,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
                self.faults.push(format!("{what}: panic, {text}"));
            }
        }
        // A neighbour on the machine may hold a call up; a loop over 2³¹ takes longer.
        if start.elapsed() > Duration::from_secs(limit()) {
            self.faults.push(format!("{what}: took {:?}", start.elapsed()));
        }
    }

    /// # Panics
    /// Where anything went wrong, or too few calls went through for that to say much.
    pub fn report(mut self) {
        let all = self.faults.len();
        self.faults.truncate(100);
        assert!(all == 0, "{all} faults:\n{}", self.faults.join("\n"));
        assert!(self.refused * 20 < self.calls * 19, "{} of {} calls are refused", self.refused, self.calls);
    }
}

fn limit() -> u64 {
    std::env::var("HOSTILE_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

/// How often each function is called.
pub fn rounds() -> usize {
    std::env::var("HOSTILE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

/// Calls each function with arguments drawn anew, `rounds()` times.
#[macro_export]
macro_rules! throw {
    ($t:ident; $($name:ident($($arg:ident = $from:expr),*) => $call:expr;)*) => {
        $(
            for _ in 0..thrown::rounds() {
                $(let $arg = $from;)*
                let what = format!(concat!(stringify!($name) $(, " ", stringify!($arg), "={:?}")*) $(, $arg)*);
                $t.call(&what, || $call.map(drop));
            }
        )*
    };
}
