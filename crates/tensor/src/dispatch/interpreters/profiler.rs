//! Where the time goes: every op of a piece of code with its time, bytes, shapes and line, as `torch.profiler`.
//!
//! ```
//! use flambeau_tensor::{Tensor, profiler::profile};
//!
//! let x = Tensor::ones([64, 64]).build()?;
//! let (y, profile) = profile(|| x.matmul(&x)?.exp()?.sum(..));
//! assert_eq!(y?.item::<f32>()?, 64.0 * 64.0 * 64f32.exp());
//! assert_eq!(profile.count("matmul"), 1);
//! println!("{profile}"); // a table, the most expensive op first
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::dispatch::{Call, Interpreter, Output, Read, in_backward, interpret};
use crate::op::Outputs;
use crate::shape::Shape;
use crate::{Error, Result, Tensor};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::panic::Location;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// One op that ran, or one look at a tensor's values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// PyTorch's name of the op; of an in-place op with its underscore; of a read the method (`item`).
    pub name: &'static str,
    /// When it began, counted from the beginning of the profile.
    pub start: Duration,
    /// How long it took on this thread: checks, memory, kernel, and the record for autograd. Zero for a read.
    pub time: Duration,
    /// Bytes of the tensors it made; zero for views and in-place ops.
    pub bytes: usize,
    /// The shapes of its inputs.
    pub shapes: Vec<Shape>,
    /// The user's line. In a backward pass, the line that the derivative rule stands on.
    pub at: &'static Location<'static>,
    /// Part of a backward pass.
    pub backward: bool,
    /// The values of a tensor were read, which on a device means to wait.
    pub read: bool,
}

/// What one op cost in all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// PyTorch's name of the op.
    pub name: &'static str,
    /// How often it ran.
    pub count: usize,
    /// Its time in all.
    pub time: Duration,
    /// Bytes of the tensors it made, in all.
    pub bytes: usize,
}

/// What ran in [`profile`]. Printed, it is a table of ops, the most expensive first.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    events: Vec<Event>,
    wall: Duration,
}

struct Profiler {
    events: RefCell<Vec<Event>>,
    begin: Instant,
}

/// Runs `f` and returns what it returned beside the profile of its ops on this thread.
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Profile) {
    let profiler = Rc::new(Profiler { events: RefCell::default(), begin: Instant::now() });
    let result = interpret(profiler.clone(), f);
    (result, Profile { events: profiler.events.take(), wall: profiler.begin.elapsed() })
}

fn bytes_of(tensors: &[Tensor]) -> usize {
    tensors.iter().map(|t| t.numel() * t.dtype().size()).sum()
}

impl Interpreter for Profiler {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let (fresh, at) = (matches!(call.output, Output::Fresh), call.at);
        let name = match call.output {
            Output::Into { name, .. } | Output::Update { name, .. } => name,
            Output::Fresh | Output::View => call.op.name(),
        };
        let shapes = call.inputs.iter().map(|t| Shape::from_slice(t.shape())).collect();
        let start = self.begin.elapsed();
        let outputs = call.run()?;
        let time = self.begin.elapsed() - start;
        let bytes = if fresh { bytes_of(&outputs) } else { 0 };
        let backward = in_backward();
        self.events.borrow_mut().push(Event { name, start, time, bytes, shapes, at, backward, read: false });
        Ok(outputs)
    }

    fn read(&self, read: &Read<'_>) -> Result<()> {
        self.events.borrow_mut().push(Event {
            name: read.by,
            start: self.begin.elapsed(),
            time: Duration::ZERO,
            bytes: 0,
            shapes: vec![Shape::from_slice(read.tensor.shape())],
            at: read.at,
            backward: in_backward(),
            read: true,
        });
        Ok(())
    }
}

impl Profile {
    /// Everything that ran, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How often the op of this name ran.
    pub fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|e| e.name == name).count()
    }

    /// How often the program looked at a tensor's values. On a device each of them waits for all that is queued.
    pub fn reads(&self) -> usize {
        self.events.iter().filter(|e| e.read).count()
    }

    /// The ops, each summed up, the most expensive first.
    pub fn by_op(&self) -> Vec<Summary> {
        let mut all: BTreeMap<&'static str, Summary> = BTreeMap::new();
        for e in self.events.iter().filter(|e| !e.read) {
            let empty = Summary { name: e.name, count: 0, time: Duration::ZERO, bytes: 0 };
            let sum = all.entry(e.name).or_insert(empty);
            (sum.count, sum.time, sum.bytes) = (sum.count + 1, sum.time + e.time, sum.bytes + e.bytes);
        }
        let mut all: Vec<Summary> = all.into_values().collect();
        all.sort_by_key(|s| std::cmp::Reverse(s.time));
        all
    }

    /// The events in the Trace Event Format, which `chrome://tracing` and Perfetto show.
    pub fn chrome_trace(&self) -> String {
        let mut out = String::from("{\"traceEvents\":[");
        for (i, e) in self.events.iter().enumerate() {
            let us = |d: Duration| d.as_secs_f64() * 1e6;
            let shapes: Vec<String> = e.shapes.iter().map(|s| format!("{:?}", &s[..])).collect();
            let kind = if e.read {
                "read"
            } else if e.backward {
                "backward"
            } else {
                "op"
            };
            let file = e.at.file().replace('\\', "/").replace('"', "'");
            // Writing to a string does not fail.
            let _ = write!(
                out,
                "{}\n{{\"name\":\"{}\",\"cat\":\"{kind}\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":{:.3},\"dur\":{:.3},\
                 \"args\":{{\"shapes\":\"{}\",\"bytes\":{},\"line\":\"{file}:{}\"}}}}",
                if i == 0 { "" } else { "," },
                e.name,
                us(e.start),
                us(e.time),
                shapes.join(", "),
                e.bytes,
                e.at.line()
            );
        }
        out.push_str("\n]}\n");
        out
    }

    /// Writes [`chrome_trace`](Profile::chrome_trace) to a file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save_chrome_trace(&self, path: impl AsRef<Path>) -> Result<()> {
        std::fs::write(&path, self.chrome_trace()).map_err(|e| Error::io("write", &path, e))
    }
}

/// `1.234 ms`
fn time(d: Duration) -> String {
    match d.as_secs_f64() {
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// `1.2 MiB`
fn size(bytes: usize) -> String {
    match bytes as f64 {
        b if b < 1024.0 => format!("{b} B"),
        b if b < 1024.0 * 1024.0 => format!("{:.1} KiB", b / 1024.0),
        b if b < 1024.0 * 1024.0 * 1024.0 => format!("{:.1} MiB", b / (1024.0 * 1024.0)),
        b => format!("{:.1} GiB", b / (1024.0 * 1024.0 * 1024.0)),
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.by_op();
        let all: Duration = rows.iter().map(|r| r.time).sum();
        let share = |t: Duration| if all.is_zero() { 0.0 } else { 100.0 * t.as_secs_f64() / all.as_secs_f64() };
        let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0).max(4);
        writeln!(f, "{:width$}  {:>6}  {:>10}  {:>6}  {:>10}  {:>10}", "op", "calls", "time", "share", "mean", "made")?;
        for r in &rows {
            let mean = r.time / u32::try_from(r.count).unwrap_or(u32::MAX).max(1);
            writeln!(
                f,
                "{:width$}  {:>6}  {:>10}  {:>5.1}%  {:>10}  {:>10}",
                r.name,
                r.count,
                time(r.time),
                share(r.time),
                time(mean),
                size(r.bytes)
            )?;
        }
        let calls: usize = rows.iter().map(|r| r.count).sum();
        write!(f, "{calls} ops took {} of {}; values were read {} times", time(all), time(self.wall), self.reads())
    }
}
