//! Interpreters: modes that see every op of their thread and may change it, answer it, or pass it on.
//!
//! A profiler, autocast, a tracer, forward-mode differentiation are each one [`Interpreter`]. They stand on a
//! stack, one stack for each thread; the innermost is asked first and hands a call to the one below by
//! [`Call::run`]. While an interpreter works the stack ends below it, so the ops that it calls itself go to
//! those below, and to nobody twice. With an empty stack an op pays one test of a bit.
//!
//! Whoever calls an op may count on what the op says of its outputs: an answer of another number of tensors, or of other
//! shapes, is an error here.

use super::modes::{self, INTERPRETED};
use super::{Call, Output, execute};
use crate::op::{Metas, Outputs};
use crate::{DType, Device, Error, Result, Tensor, bail, ensure};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;

/// A mode that sees every op of its thread.
pub trait Interpreter {
    /// Does what it does with `call`. What it returns is what the caller gets: the outputs of the op for
    /// [`Output::Fresh`], the view for [`Output::View`], nothing where the op writes into tensors that are there. They
    /// have the shapes that the op gives; their dtypes are the interpreter's choice.
    ///
    /// # Errors
    /// Its own, or what [`Call::run`] returned.
    fn call(&self, call: Call<'_>) -> Result<Outputs>;

    /// The program is about to look at the values of a tensor (`item`, `to_vec`, `data`, …).
    ///
    /// # Errors
    /// To refuse it: what the program does next depends on data.
    fn read(&self, _read: &Read<'_>) -> Result<()> {
        Ok(())
    }
}

/// A look at the values of a tensor from outside of any op: on a device, the moment at which the program waits.
pub struct Read<'a> {
    /// The method: `item`, `to_vec`, `data`.
    pub by: &'static str,
    /// Whose values.
    pub tensor: &'a Tensor,
    /// The user's line.
    pub at: &'static Location<'static>,
}

/// One interpreter and those below it.
struct StackFrame {
    interpreter: Rc<dyn Interpreter>,
    below: Option<Rc<StackFrame>>,
}

/// Interpreters that may be at work inside each other. More is taken for one that calls itself.
const DEEPEST: usize = 100;

thread_local! {
    static TOP: RefCell<Option<Rc<StackFrame>>> = const { RefCell::new(None) };
    static AT_WORK: Cell<usize> = const { Cell::new(0) };
    /// What came of a call that cannot say so (`detach`): the thread's next call does.
    static LATE: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// The stack as it was, put back on drop, also when an interpreter panics.
struct Restore {
    before: Option<Rc<StackFrame>>,
}

impl Restore {
    fn with_top(top: Option<Rc<StackFrame>>) -> Restore {
        let before = TOP.replace(top);
        listen();
        Restore { before }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        drop(TOP.replace(self.before.take()));
        listen();
    }
}

/// Sets the thread's bit where the next call has somebody to ask, or an error to tell.
fn listen() {
    let any = TOP.with_borrow(Option::is_some) || LATE.with_borrow(Option::is_some);
    modes::put(INTERPRETED, if any { INTERPRETED } else { 0 });
}

/// Keeps an error for the thread's next call, whatever that is.
pub(super) fn tell_later(error: Error) {
    LATE.with_borrow_mut(|late| {
        late.get_or_insert(error);
    });
    listen();
}

/// The error of an earlier call that could not say so.
fn late() -> Result<()> {
    let Some(error) = LATE.take() else { return Ok(()) };
    listen();
    Err(error)
}

/// Runs `f` with `interpreter` as the innermost one of this thread.
///
/// ```
/// use flambeau_tensor::dispatch::{Call, Interpreter, interpret};
/// use flambeau_tensor::{Outputs, Result, Tensor};
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// /// Counts ops.
/// #[derive(Default)]
/// struct Counter(Cell<usize>);
///
/// impl Interpreter for Counter {
///     fn call(&self, call: Call<'_>) -> Result<Outputs> {
///         self.0.set(self.0.get() + 1);
///         call.run()
///     }
/// }
///
/// let x = Tensor::ones([3]).build()?;
/// let counter = Rc::new(Counter::default());
/// interpret(counter.clone(), || x.exp()?.add(1.0))?;
/// assert_eq!(counter.0.get(), 2);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn interpret<R>(interpreter: Rc<dyn Interpreter>, f: impl FnOnce() -> R) -> R {
    let below = TOP.with_borrow(Clone::clone);
    let _restore = Restore::with_top(Some(Rc::new(StackFrame { interpreter, below })));
    f()
}

/// Runs `f` with no interpreter at all, as if outside of all of them: for what must not be seen.
pub fn uninterpreted<R>(f: impl FnOnce() -> R) -> R {
    if !is_interpreted() {
        return f();
    }
    let _restore = Restore::with_top(None);
    f()
}

/// Does an interpreter stand on this thread's stack (or has one refused a `detach`, which the next call is to tell)?
#[inline]
pub fn is_interpreted() -> bool {
    modes::are(INTERPRETED, INTERPRETED)
}

/// Has the innermost interpreter answer, with the stack cut below it.
fn with_innermost<R>(f: impl FnOnce(Option<&dyn Interpreter>) -> Result<R>) -> Result<R> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            AT_WORK.set(AT_WORK.get() - 1);
        }
    }
    let Some(top) = TOP.with_borrow(Clone::clone) else { return f(None) };
    AT_WORK.set(AT_WORK.get() + 1);
    let _leave = Leave;
    if AT_WORK.get() > DEEPEST {
        bail!(Argument, "interpret", "{DEEPEST} interpreters are at work inside each other: does one call itself?")
    }
    let _restore = Restore::with_top(top.below.clone());
    f(Some(&*top.interpreter))
}

impl Call<'_> {
    /// The outputs, as the next interpreter has them, or the backend.
    ///
    /// # Errors
    /// What is wrong with the call, or what an interpreter refuses.
    pub fn run(self) -> Result<Outputs> {
        if is_interpreted() { self.interpreted() } else { execute::run(self) }
    }

    #[cold]
    pub(super) fn interpreted(self) -> Result<Outputs> {
        late()?;
        let (name, at) = (self.op.name(), self.at);
        with_innermost(|by| match by {
            Some(by) => {
                let promised = self.promised();
                let outputs = by.call(self)?;
                check(name, promised.as_ref(), &outputs)?;
                Ok(outputs)
            }
            None => execute::run(self),
        })
        .map_err(|e| e.located(at))
    }

    /// What the op says of its outputs. `None` where it says that the inputs are not for it: an interpreter that does
    /// something with them nevertheless knows what.
    fn promised(&self) -> Option<Metas> {
        match self.output {
            Output::Fresh | Output::View => {}
            Output::Into { .. } | Output::Update { .. } => return Some(Metas::new()),
        }
        uninterpreted(|| {
            self.op.infer(self.inputs).ok().or_else(|| {
                // Of several dtypes of floating point, which autocast brings to one.
                let alike = |t: &&Tensor| match t.dtype().is_float() {
                    true => Tensor::uninit(self.op.name(), t.shape(), DType::F32, Device::Meta),
                    false => Ok((*t).clone()),
                };
                let inputs = self.inputs.iter().map(alike).collect::<Result<SmallVec<[Tensor; 4]>>>().ok()?;
                self.op.infer(&inputs.iter().collect::<SmallVec<[&Tensor; 4]>>()).ok()
            })
        })
    }
}

/// An interpreter's answer is as the op says.
fn check(op: &'static str, promised: Option<&Metas>, outputs: &Outputs) -> Result<()> {
    let Some(promised) = promised else { return Ok(()) };
    let (given, right) = (outputs.len(), promised.len());
    ensure!(given == right, Argument, op, "an interpreter answered with {given} tensors instead of {right}");
    for (out, meta) in outputs.iter().zip(promised) {
        let (given, right) = (out.shape(), &meta.shape[..]);
        ensure!(given == right, Shape, op, "an interpreter answered with shape {given:?} instead of {right:?}");
    }
    Ok(())
}

/// Tells the interpreters, from the innermost outward, that values of `tensor` are about to be read.
#[inline]
#[track_caller]
pub(crate) fn reading(by: &'static str, tensor: &Tensor) -> Result<()> {
    let at = Location::caller();
    if is_interpreted() { late().and_then(|()| announce(&Read { by, tensor, at })) } else { Ok(()) }
}

#[cold]
fn announce(read: &Read<'_>) -> Result<()> {
    with_innermost(|by| match by {
        Some(by) => by.read(read).and_then(|()| announce(read)),
        None => Ok(()),
    })
    .map_err(|e| e.located(read.at))
}
