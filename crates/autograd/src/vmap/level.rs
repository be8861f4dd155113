//! One `vmap` that is on: which tensors are handles in it, and what becomes of a call.

use super::{Randomness, rules};
use crate::meta::{GradMeta, set_edge};
use crate::node::{Node, Slot};
use crate::record::Recorder;
use crate::transforms::{self, Kinds};
use flambeau_tensor::dispatch::{
    AutogradHook, Call, Interpreter, Output, Read, interpret, is_interpreted, uninterpreted,
};
use flambeau_tensor::ops::Random;
use flambeau_tensor::{
    Cast, Distribution, Op, Outputs, Result, Tensor, bail, dispatch_view, ensure, grad_enabled, no_grad, stack,
};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// One `vmap` at work.
pub(crate) struct Level {
    id: u64,
    /// How many samples there are.
    pub size: usize,
    randomness: Randomness,
    me: Weak<Level>,
}

thread_local! {
    /// The levels of this thread, the innermost last.
    static LEVELS: RefCell<Vec<Rc<Level>>> = const { RefCell::new(Vec::new()) };
}

/// Is this thread inside of a `vmap`?
pub(super) fn is_on() -> bool {
    is_interpreted() && is_inside()
}

/// Is it, though what runs may be an op as it is seen from outside of it?
pub(super) fn is_inside() -> bool {
    LEVELS.with_borrow(|levels| !levels.is_empty())
}

/// The innermost level in which one of `tensors` is a handle.
pub(super) fn innermost(tensors: &[Tensor]) -> Option<Rc<Level>> {
    let levels: Vec<Rc<Level>> = LEVELS.with_borrow(Clone::clone);
    levels.into_iter().rev().find(|level| tensors.iter().any(|t| level.is_batched(t)))
}

/// Runs `f` on `size` samples at once.
pub(crate) fn run<R>(size: usize, randomness: Randomness, f: impl FnOnce(&Level) -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let level = LEVELS.with_borrow_mut(Vec::pop);
            drop(level);
        }
    }
    let id = transforms::next_id();
    let level = Rc::new_cyclic(|me| Level { id, size, randomness, me: me.clone() });
    LEVELS.with_borrow_mut(|levels| levels.push(level.clone()));
    let _leave = Leave;
    let _entered = transforms::enter(id, Kinds::Vmap, level.clone());
    interpret(level.clone(), || f(&level))
}

/// An operand of a batched op.
pub(super) struct Operand {
    /// For all samples, which dimension 0 counts, where `batched`; else the tensor itself, which all share.
    pub value: Tensor,
    pub batched: bool,
}

impl Operand {
    /// The rank for one sample.
    pub fn rank(&self) -> usize {
        self.value.rank() - usize::from(self.batched)
    }

    /// The shape for one sample.
    pub fn shape(&self) -> &[usize] {
        &self.value.shape()[usize::from(self.batched)..]
    }
}

impl Level {
    /// What `handle` stands for: the values for all samples. `None` for a tensor that all samples share.
    pub fn samples(&self, handle: &Tensor) -> Option<Tensor> {
        let samples = GradMeta::get(handle)?.samples.lock();
        samples.iter().find(|(level, _)| *level == self.id).map(|(_, value)| value.clone())
    }

    fn set(&self, handle: &Tensor, value: Tensor) {
        let mut samples = GradMeta::of(handle).samples.lock();
        let old = match samples.iter_mut().find(|(level, _)| *level == self.id) {
            Some((_, there)) => Some(std::mem::replace(there, value)),
            None => {
                samples.push((self.id, value));
                None
            }
        };
        // After the lock: it may be the last handle on a graph.
        drop(samples);
        drop(old);
    }

    /// A handle that stands for `value`, whose dimension 0 counts the samples.
    pub fn handle(&self, value: Tensor) -> Result<Tensor> {
        let (shape, dtype, device) = (&value.shape()[1..], value.dtype(), value.device());
        let first = || match self.size {
            // No sample has elements that the handle could lie over.
            0 => Tensor::zeros(shape).dtype(dtype).device(device).build(),
            _ => no_grad(|| value.select(0, 0)),
        };
        let handle = uninterpreted(|| first().map(|first| first.detach()))?;
        self.set(&handle, value);
        Ok(handle)
    }

    /// The values for all samples, dimension 0 counting them: those of a handle, or what all share, expanded.
    pub fn spread(&self, x: &Tensor) -> Result<Tensor> {
        match self.samples(x) {
            Some(value) => Ok(value),
            None => spread(x, self.size),
        }
    }

    fn is_batched(&self, x: &Tensor) -> bool {
        GradMeta::get(x).is_some_and(|meta| meta.samples.lock().iter().any(|(level, _)| *level == self.id))
    }

    pub(super) fn operand(&self, x: &Tensor) -> Operand {
        match self.samples(x) {
            Some(value) => Operand { value, batched: true },
            None => Operand { value: x.clone(), batched: false },
        }
    }

    /// Runs `f` with this level on the stack again, for what works on handles.
    pub(super) fn again<R>(&self, f: impl FnOnce() -> R) -> R {
        match self.me.upgrade() {
            Some(me) => interpret(me, f),
            None => f(),
        }
    }

    /// An op whose outputs are new.
    fn fresh(&self, call: Call<'_>) -> Result<Outputs> {
        let Call { op, inputs, at, .. } = call;
        let metas = op.infer(inputs)?;
        let values = rules::outputs(self, &op, inputs, &metas, at)?;
        let outputs =
            values.into_iter().map(|value| self.handle(samples_outermost(value)?)).collect::<Result<Outputs>>()?;
        if is_recorded(inputs) && outputs.iter().any(|out| out.dtype().is_differentiable()) {
            if let Some(node) = self.again(|| Recorder.record(op, inputs, &outputs, at))? {
                let node: Arc<Node> = node.downcast().unwrap_or_else(|_| unreachable!("autograd alone makes nodes"));
                for (nr, out) in (0..).zip(&outputs) {
                    // What the rule kept has lost its history on this tape, not on those further out.
                    if let (Some(kept), Some(value)) = (node.kept_value(Slot::Output(nr)), self.samples(out)) {
                        self.set(&kept, value);
                    }
                    if out.dtype().is_differentiable() {
                        set_edge(out, node.clone(), nr);
                    }
                }
            }
        }
        Ok(outputs)
    }

    /// A view of a handle: of the handle itself, recorded where it is tracked, and of its value.
    fn view(&self, call: Call<'_>) -> Result<Outputs> {
        let Call { op, inputs, output, at } = call;
        let [x] = inputs else { bail!(Argument, op.name(), "a view has one input, not {}", inputs.len()) };
        let handle = uninterpreted(|| dispatch_view(op.clone(), x))?;
        let value = self.spread(x)?;
        let op = rules::view(self, op, x, &handle)?;
        let value = match (self.size, &op) {
            (0, Op::AsStrided(op)) => {
                Tensor::zeros(&op.layout.shape[..]).dtype(x.dtype()).device(x.device()).build()?
            }
            // Dimensions in front of those of a sample: behind the one that counts the samples.
            (_, Op::Expand(expand)) if expand.shape.len() > value.rank() => {
                let mut shape = value.layout().shape.clone();
                (value.rank()..expand.shape.len()).for_each(|_| shape.insert(1, 1));
                let value = dispatch_view(flambeau_tensor::ops::Reshape { shape }, &value)?;
                dispatch_view(op, &value)?
            }
            _ => {
                let made = Call { op, inputs: &[&value], output, at }.run()?;
                made.into_iter().next().unwrap_or(value)
            }
        };
        self.set(&handle, value);
        Ok(Outputs::from_iter([handle]))
    }

    /// An op written into a handle's value.
    fn in_place(&self, call: Call<'_>, (name, target): (&'static str, &Tensor)) -> Result<()> {
        let Call { op, inputs, at, .. } = call;
        let Some(value) = self.samples(target) else {
            bail!(
                Argument,
                name,
                "inside of `vmap` a tensor that differs between the samples cannot be written into one that all of \
                 them share; use the form that is not in place, or make the target of something that is mapped over"
            )
        };
        let metas = op.infer(inputs)?;
        let (shape, wanted) = (metas.first().map(|meta| &meta.shape[..]), target.shape());
        ensure!(
            shape == Some(wanted),
            Shape,
            name,
            "the result has shape {:?}, the tensor that is to take it {wanted:?}",
            shape.unwrap_or_default()
        );
        if let Some(meta) = metas.first() {
            let (from, to) = (meta.dtype, target.dtype());
            ensure!(from.can_cast(to), DType, name, "a {from} result does not go into a {to} tensor");
        }
        let tracking = is_recorded(inputs) || is_recorded(&[target]);
        if tracking || is_unseen_by_its_base(target) {
            Recorder.check_in_place(name, target)?;
        }
        let old = if tracking { Some(self.again(|| Recorder.before_in_place(&op, inputs, target))?) } else { None };
        if let Some(old) = old.as_ref().filter(|old| self.is_batched(old)) {
            // With its history on the tapes further out.
            self.set(old, value.copy()?);
        }
        self.write(name, &op, inputs, target, &value, at)?;
        if let Some(old) = old {
            let inputs: SmallVec<[&Tensor; 4]> = inputs.iter().map(|t| if t.is(target) { &old } else { *t }).collect();
            self.again(|| Recorder.record_in_place(op, &inputs, target, at))?;
        }
        Ok(())
    }

    /// The values' part of [`in_place`](Level::in_place).
    fn write(
        &self,
        name: &'static str,
        op: &Op,
        inputs: &[&Tensor],
        target: &Tensor,
        value: &Tensor,
        at: &'static std::panic::Location<'static>,
    ) -> Result<()> {
        let output = Output::Into { name, target: value };
        if op.is_elementwise() {
            let aligned = |t: &&Tensor| match t.is(target) {
                true => Ok(value.clone()),
                false => rules::aligned(&self.operand(t), target.rank(), self.size),
            };
            let operands = inputs.iter().map(aligned).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
            // As large as the target, also where no operand is.
            if operands.iter().any(|t| t.shape() == value.shape()) {
                let operands: SmallVec<[&Tensor; 4]> = operands.iter().collect();
                return Call { op: op.clone(), inputs: &operands, output, at }.run().map(drop);
            }
        }
        let made = match inputs.iter().any(|t| self.is_batched(t)) {
            true => rules::outputs(self, op, inputs, &op.infer(inputs)?, at)?,
            false => Call { op: op.clone(), inputs, output: Output::Fresh, at }
                .run()?
                .iter()
                .map(|made| spread(made, self.size))
                .collect::<Result<Outputs>>()?,
        };
        let [made] = &made[..] else { bail!(Unsupported, name, "an in-place op of {} outputs", made.len()) };
        let cast = Cast { dtype: target.dtype(), rows: false }.into();
        Call { op: cast, inputs: &[made], output, at }.run().map(drop)
    }

    /// A fused update: of all samples' targets at once, element by element.
    fn update(&self, call: Call<'_>, (name, targets): (&'static str, &[&Tensor])) -> Result<Outputs> {
        let Call { op, inputs, at, .. } = call;
        let scalars = inputs.iter().any(|t| t.rank() == 0 && self.is_batched(t));
        let shared = targets.iter().any(|t| !self.is_batched(t));
        ensure!(
            !scalars && !shared,
            Unsupported,
            name,
            "inside of `vmap` an update is of targets that all differ between the samples, by numbers that do not"
        );
        let values = |list: &[&Tensor]| -> Result<Vec<Tensor>> {
            list.iter()
                .map(|t| if t.rank() == 0 && !self.is_batched(t) { Ok((*t).clone()) } else { self.spread(t) })
                .collect()
        };
        let (inputs, targets) = (values(inputs)?, values(targets)?);
        let (inputs, targets): (Vec<&Tensor>, Vec<&Tensor>) = (inputs.iter().collect(), targets.iter().collect());
        Call { op, inputs: &inputs, output: Output::Update { name, targets: &targets }, at }.run()
    }

    /// New random numbers.
    fn random(&self, random: &Random, call: Call<'_>) -> Result<Outputs> {
        match (self.randomness, random.distribution) {
            (Randomness::Error, _) => bail!(Argument, "vmap", "{RANDOM}"),
            (Randomness::Same, _) => call.run(),
            (Randomness::Different, Distribution::Permutation) => {
                let Call { inputs, at, .. } = call;
                let draw = |_| Call { op: random.clone().into(), inputs, output: Output::Fresh, at }.run();
                let drawn = (0..self.size).map(draw).collect::<Result<Vec<_>>>()?;
                let all = match drawn.is_empty() {
                    true => Tensor::zeros([0, random.shape[0]]).dtype(random.dtype).device(random.device).build()?,
                    false => stack(&drawn.iter().flatten().collect::<Vec<_>>(), 0)?,
                };
                Ok(Outputs::from_iter([self.handle(all)?]))
            }
            (Randomness::Different, _) => {
                let mut random = random.clone();
                random.shape.insert(0, self.size);
                let made = Call { op: random.into(), ..call }.run()?;
                made.into_iter().map(|value| self.handle(value)).collect()
            }
        }
    }

    /// An op that draws random numbers for its operands.
    fn drawn(&self, call: Call<'_>, batched: bool) -> Result<Outputs> {
        match self.randomness {
            Randomness::Error => bail!(Argument, "vmap", "{RANDOM}"),
            Randomness::Different => self.fresh(call),
            Randomness::Same if !batched => call.run(),
            Randomness::Same => {
                let Call { op, inputs, output, at } = call;
                let ([x], Op::Dropout(_)) = (inputs, &op) else {
                    bail!(
                        Unsupported,
                        op.name(),
                        "inside of `vmap` numbers drawn by what differs between samples are not the same for all"
                    )
                };
                // What is left out of ones is left out of all samples.
                let ones = uninterpreted(|| no_grad(|| x.ones_like()))?;
                let mut outputs = Call { op, inputs: &[&ones], output, at }.run()?;
                if let Some(factors) = outputs.first_mut() {
                    *factors = self.again(|| x.mul(&*factors))?;
                }
                Ok(outputs)
            }
        }
    }

    /// Random numbers written into `target`.
    fn random_into(&self, random: &Random, call: Call<'_>, (name, target): (&'static str, &Tensor)) -> Result<Outputs> {
        let value = self.samples(target);
        match (self.randomness, value) {
            (Randomness::Error, _) => bail!(Argument, "vmap", "{RANDOM}"),
            (Randomness::Same, None) => call.run(),
            (Randomness::Different, None) => bail!(
                Argument,
                name,
                "inside of `vmap` a tensor that all samples share cannot take different random numbers of each"
            ),
            (Randomness::Same, Some(_)) => self.in_place(call, (name, target)).map(|()| Outputs::new()),
            (Randomness::Different, Some(value)) => {
                let mut random = random.clone();
                random.shape.insert(0, self.size);
                random.strided = !value.is_contiguous();
                let output = Output::Into { name, target: &value };
                Call { op: random.into(), inputs: call.inputs, output, at: call.at }.run()
            }
        }
    }
}

const RANDOM: &str = "a random op was called, and `randomness` says nothing of it: let it be `Randomness::Different` (each \
                      sample draws its own numbers) or `Randomness::Same`, or draw outside of `vmap`";

/// `x` for each of `size` samples, without a copy.
pub(super) fn spread(x: &Tensor, size: usize) -> Result<Tensor> {
    let mut shape = x.layout().shape.clone();
    shape.insert(0, size);
    x.expand(shape)
}

fn is_recorded(inputs: &[&Tensor]) -> bool {
    grad_enabled() && inputs.iter().any(|t| t.requires_grad())
}

/// `value` with its samples after one another, as views of one of them suppose. An elementwise op keeps the order of its
/// operands, of which the samples may be an inner dimension where they were one of what `vmap` was given.
fn samples_outermost(value: Tensor) -> Result<Tensor> {
    let (shape, strides) = (value.shape(), value.strides());
    let inner =
        shape[0] > 1 && strides.iter().zip(shape).skip(1).any(|(stride, size)| *size > 1 && *stride > strides[0]);
    if inner { value.contiguous() } else { Ok(value) }
}

/// As for any in-place op: a view made under `no_grad` of a tensor with a history.
fn is_unseen_by_its_base(x: &Tensor) -> bool {
    grad_enabled() && x.as_view().is_some_and(|v| v.no_grad && v.base.requires_grad() && v.base.history().is_some())
}

impl Interpreter for Level {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let batched = call.inputs.iter().any(|t| self.is_batched(t));
        match call.output {
            Output::Fresh => match &call.op {
                Op::Random(random) => self.random(&random.clone(), call),
                op if rules::draws(op) => self.drawn(call, batched),
                _ if batched => self.fresh(call),
                _ => call.run(),
            },
            Output::View if batched => self.view(call),
            Output::View => call.run(),
            Output::Into { name, target } => match &call.op {
                Op::Random(random) => self.random_into(&random.clone(), call, (name, target)),
                _ if batched || self.is_batched(target) => self.in_place(call, (name, target)).map(|()| Outputs::new()),
                _ => call.run(),
            },
            Output::Update { name, targets } => match batched || targets.iter().any(|t| self.is_batched(t)) {
                true => self.update(call, (name, targets)),
                false => call.run(),
            },
        }
    }

    fn read(&self, read: &Read<'_>) -> Result<()> {
        ensure!(
            !self.is_batched(read.tensor),
            Unsupported,
            "vmap",
            "`{}` looks at the values of a tensor that differs between the samples: what depends on data, as a shape or \
             a branch, is not to be had for all of them at once; use tensor ops (`where_cond`, masks), or a loop",
            read.by
        );
        Ok(())
    }
}
