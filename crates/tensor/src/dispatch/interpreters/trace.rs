//! Programs: the ops of a function written down as a flat list, which can be printed, compared, and run again with
//! other inputs.
//!
//! ```
//! use flambeau_tensor::{Tensor, trace::trace};
//!
//! let (x, w) = (Tensor::ones([2, 3]).build()?, Tensor::ones([3, 3]).build()?);
//! let program = trace(&[&x], |x| Ok(vec![x[0].matmul(&w)?.relu()?]))?;
//! assert_eq!(program.steps().len(), 2);
//! println!("{program}");
//! let y = program.run(&[&x.neg()?])?;
//! assert_eq!(y[0].sum(..)?.item::<f32>()?, 0.0);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::dispatch::{Call, Interpreter, Output, Read, interpret};
use crate::op::{Meta, Op, Outputs};
use crate::{Detach, Device, Error, ErrorKind, Result, Tensor, bail, ensure};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// A tensor of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// The input of this number.
    Input(usize),
    /// A tensor that was there before, by its number in [`Program::constants`].
    Constant(usize),
    /// What a step returned; counted through all steps.
    Result(usize),
}

/// `x0`, `c0`, `%0`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Input(i) => write!(f, "x{i}"),
            Value::Constant(i) => write!(f, "c{i}"),
            Value::Result(i) => write!(f, "%{i}"),
        }
    }
}

/// What becomes of a step's result. See [`Output`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// So many new tensors.
    Fresh(usize),
    /// A view of the only input.
    View,
    /// Written into a tensor by the in-place op of this name.
    Into(&'static str, Value),
    /// Written into several tensors by the update of this name.
    Update(&'static str, Vec<Value>),
}

/// One op of a [`Program`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The op with its attributes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<Value>,
    /// What becomes of its result.
    pub target: Target,
    /// The user's line.
    pub at: &'static Location<'static>,
}

impl Step {
    fn results(&self) -> usize {
        match self.target {
            Target::Fresh(n) => n,
            Target::View => 1,
            Target::Into(..) | Target::Update(..) => 0,
        }
    }
}

/// Steps are equal where op, attributes and operands are, whatever their lines.
impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        self.inputs == other.inputs && self.target == other.target && self.op == other.op
    }
}

/// The ops of a function, one after another. See [`trace`].
///
/// Two programs are equal where their steps, inputs and results are, and their constants are the same tensors.
#[derive(Clone)]
pub struct Program {
    inputs: Vec<(Meta, Device)>,
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    outputs: Vec<Value>,
}

impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        let same = |(a, b): (&Tensor, &Tensor)| a.is(b);
        self.inputs == other.inputs
            && self.outputs == other.outputs
            && self.steps == other.steps
            && self.constants.len() == other.constants.len()
            && self.constants.iter().zip(&other.constants).all(same)
    }
}

#[derive(Default)]
struct Tracer {
    /// What a tensor is called, by its id.
    values: RefCell<HashMap<usize, Value>>,
    /// Every tensor that was seen, by its storage: while it lives no other takes its id.
    seen: RefCell<HashMap<usize, Vec<Tensor>>>,
    constants: RefCell<Vec<Tensor>>,
    steps: RefCell<Vec<Step>>,
    results: Cell<usize>,
}

/// Runs `f` on `inputs` and writes down the ops that it calls on this thread. Tensors that come neither from the
/// inputs nor from an op in `f` (weights, literals) are the program's constants. Random numbers are drawn anew
/// whenever the program runs.
///
/// # Errors
/// What `f` returns; where one tensor is given as two inputs; and where `f` looks at the values of a traced tensor
/// (`item`, `to_vec`, a branch on a value), for the program would be right for these values alone. The error names
/// that line.
#[track_caller]
pub fn trace(inputs: &[&Tensor], f: impl FnOnce(&[&Tensor]) -> Result<Vec<Tensor>>) -> Result<Program> {
    let (tracer, at) = (Rc::new(Tracer::default()), Location::caller());
    for (i, x) in inputs.iter().enumerate() {
        let known = tracer.values.borrow().contains_key(&x.id());
        ensure!(!known, Argument, "trace", "input {i} is the same tensor as another; give a copy of it");
        tracer.name(x, Value::Input(i));
    }
    let outputs = interpret(tracer.clone(), || f(inputs))?;
    let outputs = outputs.iter().map(|t| tracer.value(t, at)).collect();
    Ok(Program {
        inputs: inputs.iter().map(|t| (Meta::like(t), t.device())).collect(),
        constants: tracer.constants.take(),
        steps: tracer.steps.take(),
        outputs,
    })
}

impl Tracer {
    fn name(&self, t: &Tensor, value: Value) {
        self.values.borrow_mut().insert(t.id(), value);
        self.seen.borrow_mut().entry(t.storage().id()).or_default().push(t.clone());
    }

    /// Notes a step; its results are called `Result(n)` from the number returned on.
    fn step(&self, step: Step) -> usize {
        let first = self.results.get();
        self.results.set(first + step.results());
        self.steps.borrow_mut().push(step);
        first
    }

    /// What `t` is called; a new constant where it comes from outside.
    fn value(&self, t: &Tensor, at: &'static Location<'static>) -> Value {
        if let Some(value) = self.values.borrow().get(&t.id()) {
            return *value;
        }
        // Autograd keeps values for the way back under handles of their own: the same elements in the same place.
        let alike = |seen: &&Tensor| seen.layout() == t.layout() && seen.dtype() == t.dtype();
        let original = self.seen.borrow().get(&t.storage().id()).and_then(|all| all.iter().find(alike).cloned());
        let value = match original.map(|o| (self.values.borrow()[&o.id()], o.requires_grad())) {
            Some((value, true)) if !t.requires_grad() => {
                let step = Step { op: Op::from(Detach), inputs: vec![value], target: Target::View, at };
                Value::Result(self.step(step))
            }
            Some((value, _)) => value,
            None => {
                let mut constants = self.constants.borrow_mut();
                constants.push(t.clone());
                Value::Constant(constants.len() - 1)
            }
        };
        self.name(t, value);
        value
    }
}

impl Interpreter for Tracer {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let (op, at) = (call.op.clone(), call.at);
        let value = |t: &&Tensor| self.value(t, at);
        let inputs = call.inputs.iter().map(value).collect();
        let target = match call.output {
            Output::Fresh => Target::Fresh(0),
            Output::View => Target::View,
            Output::Into { name, target } => Target::Into(name, value(&target)),
            Output::Update { name, targets } => Target::Update(name, targets.iter().map(value).collect()),
        };
        let outputs = call.run()?;
        let target = if target == Target::Fresh(0) { Target::Fresh(outputs.len()) } else { target };
        let first = self.step(Step { op, inputs, target, at });
        outputs.iter().zip(first..).for_each(|(out, nr)| self.name(out, Value::Result(nr)));
        Ok(outputs)
    }

    fn read(&self, read: &Read<'_>) -> Result<()> {
        match self.values.borrow().get(&read.tensor.id()) {
            None | Some(Value::Constant(_)) => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Argument,
                "trace",
                format!(
                    "`{}` looks at the values of a traced tensor of shape {:?}: what follows would depend on them",
                    read.by,
                    read.tensor.shape()
                ),
            )),
        }
    }
}

impl Program {
    /// Shape, dtype and device of each input.
    pub fn inputs(&self) -> &[(Meta, Device)] {
        &self.inputs
    }

    /// The tensors that were there before.
    pub fn constants(&self) -> &[Tensor] {
        &self.constants
    }

    /// The ops, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What it returns.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// Runs the steps on other inputs of the same shapes, dtypes and devices. Recorded where grad mode is on.
    ///
    /// # Errors
    /// Where the inputs are not like those it was traced with, and what its ops return.
    #[track_caller]
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        ensure!(
            inputs.len() == self.inputs.len(),
            Argument,
            "Program::run",
            "the program takes {} inputs, not {}",
            self.inputs.len(),
            inputs.len()
        );
        for (i, (x, (meta, device))) in inputs.iter().zip(&self.inputs).enumerate() {
            let fits = Meta::like(x) == *meta && x.device() == *device;
            let (shape, dtype) = (&meta.shape[..], meta.dtype);
            if !fits {
                bail!(
                    Shape,
                    "Program::run",
                    "input {i} was traced as {dtype} {shape:?} on {device}, and is {} {:?} on {}",
                    x.dtype(),
                    x.shape(),
                    x.device()
                )
            }
        }
        let mut results: Vec<Tensor> = Vec::new();
        for step in &self.steps {
            let get = |value: &Value| self.get(*value, inputs, &results);
            let given: SmallVec<[&Tensor; 4]> = step.inputs.iter().map(get).collect();
            let targets: SmallVec<[&Tensor; 4]> = match &step.target {
                Target::Into(_, value) => SmallVec::from_slice(&[get(value)]),
                Target::Update(_, values) => values.iter().map(get).collect(),
                Target::Fresh(_) | Target::View => SmallVec::new(),
            };
            let output = match step.target {
                Target::Fresh(_) => Output::Fresh,
                Target::View => Output::View,
                Target::Into(name, _) => Output::Into { name, target: targets[0] },
                Target::Update(name, _) => Output::Update { name, targets: &targets },
            };
            let made = Call { op: step.op.clone(), inputs: &given, output, at: step.at }.run()?;
            drop((given, targets));
            results.extend(made);
        }
        Ok(self.outputs.iter().map(|v| self.get(*v, inputs, &results).clone()).collect())
    }

    fn get<'a>(&'a self, value: Value, inputs: &[&'a Tensor], results: &'a [Tensor]) -> &'a Tensor {
        match value {
            Value::Input(i) => inputs[i],
            Value::Constant(i) => &self.constants[i],
            Value::Result(i) => &results[i],
        }
    }
}

fn listed<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|x| x.to_string()).collect::<Vec<_>>().join(", ")
}

/// One line for each step: `%2 = add(%1, c0)`, with the op's attributes in braces.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (meta, device)) in self.inputs.iter().enumerate() {
            writeln!(f, "x{i}: {} {:?} on {device}", meta.dtype, &meta.shape[..])?;
        }
        for (i, c) in self.constants.iter().enumerate() {
            writeln!(f, "c{i}: {} {:?} on {}", c.dtype(), c.shape(), c.device())?;
        }
        let mut next = 0;
        for step in &self.steps {
            let results = listed((next..next + step.results()).map(Value::Result));
            next += step.results();
            let left = match &step.target {
                Target::Fresh(_) | Target::View => results,
                Target::Into(name, value) => format!("{value}.{name}"),
                Target::Update(name, values) => format!("{}.{name}", listed(values)),
            };
            writeln!(f, "{left} = {:?} ({})", step.op, listed(&step.inputs))?;
        }
        write!(f, "return {}", listed(&self.outputs))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
