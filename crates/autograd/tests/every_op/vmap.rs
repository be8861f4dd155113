//! Every op of the list gives inside of a `vmap` what a loop over the samples gives: whichever of its operands differ
//! between them, forward, in reverse mode from outside and from inside, in forward mode, and in place.

use super::common::{close, direction, inner, values};
use super::{F, real, strided, table};
use flambeau_autograd::func::{self, Randomness, VmapOptions, vmap_with};
use flambeau_autograd::{Autograd, LOOPS, RULES, grad_with};
use flambeau_tensor::dispatch::{Call, Interpreter, interpret, uninterpreted};
use flambeau_tensor::{DType, Outputs, Result, SgdStep, StepScalars, Tensor, dispatch_update, no_grad, stack, tensor};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// How many samples.
const SAMPLES: usize = 3;

/// Counts the ops that pass, by how they print and the sizes of their first operand.
#[derive(Default)]
struct Count(RefCell<BTreeMap<(String, Vec<usize>), usize>>);

impl Interpreter for Count {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let shape = call.inputs.first().map(|x| x.shape().to_vec()).unwrap_or_default();
        *self.0.borrow_mut().entry((format!("{:?}", call.op), shape)).or_default() += 1;
        call.run()
    }
}

/// What a program of tensor ops makes of its inputs.
type Program = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>>;

/// The samples of `x`, all different: along `dim`, the last dimension, so their elements lie apart.
fn samples(x: &Tensor, dim: isize) -> Result<Tensor> {
    let one = |i: usize| match x.dtype() {
        DType::Bool => x.logical_xor(i % 2 == 1),
        dtype if dtype.is_int() => x.flip(if x.rank() > 0 && i % 2 == 1 { vec![0isize] } else { vec![] }),
        _ => x.mul(1.0 - 0.07 * i as f64),
    };
    stack(&(0..SAMPLES).map(one).collect::<Result<Vec<_>>>()?, dim)
}

/// Fixed values like `x`, the same for all samples.
fn towards(seed: u64, x: &Tensor) -> Result<Tensor> {
    uninterpreted(|| direction(seed, x))
}

fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    let x = x.detach();
    Ok(values(&if x.dtype().is_complex() { x.view_as_real()? } else { x }))
}

fn same(name: &str, ours: &[Tensor], theirs: &[Tensor]) -> Result<()> {
    assert_eq!(ours.len(), theirs.len(), "{name}: number of outputs");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}, output {i}");
        close(&format!("{name}, output {i}"), &numbers(a)?, &numbers(b)?, 1e-9);
    }
    Ok(())
}

/// Which inputs differ between the samples: all, then each alone.
fn patterns(op: &str, inputs: usize) -> Vec<Vec<Option<isize>>> {
    // What goes by strides is the same for all samples where these lie one after another.
    let dim = if op.starts_with("AsStrided") || op == "ViewAsComplex" { 0 } else { -1 };
    let all = vec![Some(dim); inputs];
    let alone = (0..inputs).map(|i| (0..inputs).map(|k| (k == i).then_some(dim)).collect());
    if inputs > 1 { [all].into_iter().chain(alone).collect() } else { vec![all] }
}

struct Case<'a> {
    name: String,
    f: &'a dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: Vec<Tensor>,
    dims: Vec<Option<isize>>,
}

impl Case<'_> {
    fn vmap(&self, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        let options = VmapOptions::new().in_dims(self.dims.clone()).randomness(Randomness::Same);
        vmap_with(|x: &Vec<Tensor>| f(x), &self.inputs, &options)
    }

    fn looped(&self, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        let sample = |i: usize| {
            let inputs = self.inputs.iter().zip(&self.dims);
            let part = |x: &Tensor, dim: isize| {
                let part = x.select(dim, i as isize)?;
                if dim == 0 { part.copy() } else { Ok(part) }
            };
            let inputs = inputs.map(|(x, dim)| dim.map_or(Ok(x.clone()), |dim| part(x, dim)));
            f(&inputs.collect::<Result<Vec<_>>>()?)
        };
        let all = (0..SAMPLES).map(sample).collect::<Result<Vec<_>>>()?;
        (0..all[0].len()).map(|o| stack(&all.iter().map(|s| s[o].clone()).collect::<Vec<_>>(), 0)).collect()
    }

    fn forward(&self) -> Result<()> {
        same(&self.name, &self.vmap(self.f)?, &self.looped(self.f)?)
    }

    /// Gradients by the inputs for all samples, from outside.
    fn gradients_outside(&self) -> Result<()> {
        let by = |batched: bool| -> Result<Vec<Tensor>> {
            let leaf =
                |x: &Tensor| if x.dtype().is_differentiable() { x.detach().requires_grad_() } else { Ok(x.clone()) };
            let inputs = self.inputs.iter().map(leaf).collect::<Result<Vec<_>>>()?;
            let case = Case { name: String::new(), f: self.f, inputs: inputs.clone(), dims: self.dims.clone() };
            let outputs = if batched { case.vmap(self.f)? } else { case.looped(self.f)? };
            let outputs: Vec<Tensor> = outputs.into_iter().filter(|y| y.requires_grad()).collect();
            if outputs.is_empty() {
                return Ok(Vec::new());
            }
            let v = outputs.iter().map(|y| towards(59, y)).collect::<Result<Vec<_>>>()?;
            let inputs: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
            let options = flambeau_autograd::GradOptions { allow_unused: true, ..Default::default() };
            Ok(grad_with(&[&inner(&v, &outputs)?], &inputs, options)?.into_iter().flatten().collect())
        };
        same(&format!("{}, gradient from outside", self.name), &by(true)?, &by(false)?)
    }

    /// Each sample's own gradient; and its derivative from outside.
    fn gradients_inside(&self) -> Result<()> {
        let gradient = |x: &[Tensor]| -> Result<Vec<Tensor>> {
            let moving: Vec<Tensor> = x.iter().filter(|x| x.dtype().is_differentiable()).cloned().collect();
            let scalar = |moved: &Vec<Tensor>| {
                let mut moved = moved.iter().cloned();
                let next = |x: &Tensor| if x.dtype().is_differentiable() { moved.next().unwrap() } else { x.clone() };
                let outputs = (self.f)(&x.iter().map(next).collect::<Vec<_>>())?;
                let outputs: Vec<Tensor> = outputs.into_iter().filter(|y| y.dtype().is_differentiable()).collect();
                let v = outputs.iter().map(|y| towards(61, y)).collect::<Result<Vec<_>>>()?;
                inner(&v, &outputs)
            };
            func::grad(scalar, &moving)
        };
        let name = format!("{}, gradient from inside", self.name);
        same(&name, &self.vmap(gradient)?, &self.looped(gradient)?)?;
        let of_gradient = Case { name, f: &gradient, inputs: self.inputs.clone(), dims: self.dims.clone() };
        of_gradient.gradients_outside()
    }

    /// Tangents inside, and tangents of the whole.
    fn tangents(&self) -> Result<()> {
        let along = |x: &[Tensor]| -> Result<Vec<Tensor>> {
            let moving: Vec<&Tensor> = x.iter().filter(|x| x.dtype().is_differentiable()).collect();
            let t = moving.iter().map(|x| towards(67, x)).collect::<Result<Vec<_>>>()?;
            let f = |moved: &[Tensor]| {
                let mut moved = moved.iter().cloned();
                let next = |x: &Tensor| if x.dtype().is_differentiable() { moved.next().unwrap() } else { x.clone() };
                (self.f)(&x.iter().map(next).collect::<Vec<_>>())
            };
            Ok(func::jvp_all(f, &moving, &t.iter().collect::<Vec<_>>())?.1)
        };
        same(&format!("{}, tangent from inside", self.name), &self.vmap(along)?, &self.looped(along)?)?;
        let whole = |batched: bool| {
            let moving: Vec<&Tensor> = self.inputs.iter().filter(|x| x.dtype().is_differentiable()).collect();
            let t = moving.iter().map(|x| towards(71, x)).collect::<Result<Vec<_>>>()?;
            let f = |moved: &[Tensor]| {
                let mut moved = moved.iter().cloned();
                let next = |x: &Tensor| if x.dtype().is_differentiable() { moved.next().unwrap() } else { x.clone() };
                let inputs = self.inputs.iter().map(next).collect();
                let case = Case { name: String::new(), f: self.f, inputs, dims: self.dims.clone() };
                if batched { case.vmap(self.f) } else { case.looped(self.f) }
            };
            func::jvp_all(f, &moving, &t.iter().collect::<Vec<_>>()).map(|found| found.1)
        };
        same(&format!("{}, tangent from outside", self.name), &whole(true)?, &whole(false)?)
    }

    /// The result written into a view, and the base used.
    fn in_place(&self) -> Result<()> {
        let written = |x: &[Tensor]| -> Result<Vec<Tensor>> {
            let outputs = (self.f)(x)?;
            let into = |y: &Tensor| {
                let base = y.unsqueeze(-1)?.expand([y.shape(), &[3]].concat())?.contiguous()?;
                let base = if base.dtype() == DType::Bool { base } else { base.mul(2)? };
                base.select(-1, 1)?.copy_(y)?;
                if base.dtype() == DType::Bool { Ok(base) } else { base.mul(&base) }
            };
            outputs.iter().map(into).collect()
        };
        let name = format!("{}, written", self.name);
        let case = Case { name, f: &written, inputs: self.inputs.clone(), dims: self.dims.clone() };
        case.forward()?;
        case.gradients_outside()?;
        case.gradients_inside()
    }
}

/// Ops without a derivative, which the other table lacks.
fn without_derivatives() -> Vec<(&'static str, Vec<Tensor>, Program)> {
    let mut list: Vec<(&'static str, Vec<Tensor>, Program)> = Vec::new();
    let mut add = |op, inputs: &[Tensor], f: fn(&[Tensor]) -> Result<Tensor>| {
        list.push((op, inputs.to_vec(), Box::new(move |x: &[Tensor]| Ok(vec![f(x)?]))));
    };
    let (x, y) = (real(&[2, 3]), strided(real).slice(1, 0, 1, 1).unwrap().t().unwrap());
    let whole = tensor!([[1, 0, 3], [2, 5, 4]]);
    let truth = tensor!([[true, false, true], [false, false, true]]);
    for x in [x.clone(), x.t().unwrap(), real(&[])] {
        add("IsNan", &[x.clone()], |x| x[0].isnan());
        add("IsInf", &[x.clone()], |x| x[0].isinf());
        add("IsFinite", &[x.clone()], |x| x[0].isfinite());
        add("LogicalNot", &[x.clone()], |x| x[0].logical_not());
        add("Any", &[x.clone()], |x| x[0].gt(0)?.any(..));
        add("All", &[x.clone()], |x| x[0].all(..));
        add("CountNonzero", &[x.clone()], |x| x[0].gt(0)?.count_nonzero(..));
        add("Argmax", &[x.clone()], |x| x[0].argmax(-1));
        add("Argmin", &[x.clone()], |x| x[0].argmin(0));
    }
    type Compare = (&'static str, fn(&[Tensor]) -> Result<Tensor>);
    let compare: [Compare; 9] = [
        ("Eq", |x| x[0].eq(&x[1])),
        ("Ne", |x| x[0].ne(&x[1])),
        ("Lt", |x| x[0].lt(&x[1])),
        ("Le", |x| x[0].le(&x[1])),
        ("Gt", |x| x[0].gt(&x[1])),
        ("Ge", |x| x[0].ge(&x[1])),
        ("LogicalAnd", |x| x[0].logical_and(&x[1])),
        ("LogicalOr", |x| x[0].logical_or(&x[1])),
        ("LogicalXor", |x| x[0].logical_xor(&x[1])),
    ];
    for (op, f) in compare {
        add(op, &[x.clone(), real(&[3])], f);
        add(op, &[y.clone(), x.clone()], f);
    }
    add("BitwiseAnd", &[whole.clone(), whole.t().unwrap().i((0, ..)).unwrap().sum(..).unwrap()], |x| {
        x[0].bitwise_and(&x[1])
    });
    add("BitwiseOr", &[whole.clone(), tensor!([1, 2, 4])], |x| x[0].bitwise_or(&x[1]));
    add("BitwiseXor", &[truth.clone(), tensor!([true, true, false])], |x| x[0].bitwise_xor(&x[1]));
    // Like what differs between the samples, and so written into.
    add("Full", &[x.clone()], |x| {
        let zeros = x[0].zeros_like()?;
        zeros.add_(&x[0])?;
        Ok(zeros)
    });
    // Out of nothing.
    add("Arange", &[real(&[3])], |x| x[0].add(&Tensor::arange(0, 3).build()?));
    add("Linspace", &[real(&[3])], |x| x[0].mul(&Tensor::linspace(0, 1, 3).build()?));
    add("Detach", &[x.clone()], |x| x[0].detach().mul(&x[0]));
    // In place, by numbers and by what all share.
    add("Mul", &[x.clone(), real(&[3])], |x| {
        let y = x[0].copy()?;
        y.mul_(2.0)?.i(0)?.add_(&x[1].detach())?;
        y.i((.., 1))?.fill_(0.5)?;
        Ok(y)
    });
    list
}

fn cases() -> Vec<(&'static str, Vec<Tensor>, Program)> {
    let differentiable = table().0.into_iter().map(|(op, inputs, f): (&'static str, Vec<Tensor>, F)| {
        let f: Program = Box::new(move |x: &[Tensor]| Ok(vec![f(x)?]));
        (op, inputs, f)
    });
    differentiable.chain(without_derivatives()).collect()
}

#[test]
fn every_op_is_batched() {
    let (mut seen, mut looped, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (i, (op, inputs, f)) in cases().iter().enumerate() {
        // `Cat` of two handles on one input and so on: what is there twice stays one.
        for dims in patterns(op, inputs.len()) {
            let shapes: Vec<String> = inputs.iter().map(|x| format!("{:?} {}", x.shape(), x.dtype())).collect();
            let name = format!("{op} of {} over {dims:?} (case {i})", shapes.join(", "));
            let mapped = |(x, dim): (&Tensor, &Option<isize>)| dim.map_or(Ok(x.clone()), |dim| samples(x, dim));
            let inputs = inputs.iter().zip(&dims).map(mapped).collect::<Result<Vec<_>>>().expect("samples");
            let (inside, outside) = (Rc::new(Count::default()), Rc::new(Count::default()));
            let counted = |x: &[Tensor]| interpret(inside.clone(), || f(x));
            let case = Case { name: name.clone(), f: &counted, inputs, dims };
            let run = || -> Result<()> {
                interpret(outside.clone(), || case.vmap(&counted))?;
                let case = Case { name: name.clone(), f: &**f, inputs: case.inputs.clone(), dims: case.dims.clone() };
                case.forward()?;
                case.gradients_outside()?;
                case.gradients_inside()?;
                case.tangents()?;
                case.in_place()
            };
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => {}
                // What all share takes nothing that differs between the samples.
                Ok(Err(e))
                    if case.dims[0].is_none() && e.to_string().contains("cannot be written into one that all") => {}
                Ok(Err(e)) => faults.push(format!("{name}: {e}")),
                Err(panic) => faults.push(panic.downcast_ref::<String>().cloned().unwrap_or(name)),
            }
            for (call, count) in inside.0.borrow().iter() {
                let op = call.0.split(['(', ' ', '{']).next().unwrap_or_default().to_string();
                // The same op on as many operands of one sample's size.
                if outside.0.borrow().get(call).is_some_and(|times| *times >= SAMPLES * count) {
                    looped.insert(op.clone());
                }
                seen.insert(op);
            }
        }
    }
    println!("ops that run one sample at a time: {looped:?}");
    // Tried in the test below, or without a derivative of the second order.
    let apart = [
        "Random",
        "Nonzero",
        "SgdStep",
        "AdamStep",
        "PointwiseStep",
        "Custom",
        "Multinomial",
        "CtcLoss",
        "CtcLossBackward",
    ];
    let small = ["Gcd", "NextAfter", "Geqrf", "LdlFactor", "LdlSolve"];
    for (op, _) in RULES.iter().filter(|(op, _)| !seen.contains(*op) && !apart.contains(op) && !small.contains(op)) {
        faults.push(format!("{op} has no case"));
    }
    let known: BTreeSet<String> = LOOPS.iter().map(|(op, _)| op.to_string()).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(looped.is_subset(&known), "these run one sample at a time, and nobody says why: {looped:?}");
    assert!(known.len() <= 15, "{known:?}");
}

/// Those that the tables leave out: random numbers, what depends on data, updates.
#[test]
fn the_others_are_batched_too() -> Result<()> {
    let x = real(&[3, 4]);
    let options = VmapOptions::new().randomness(Randomness::Different);
    let noise = vmap_with(|x| x.add(&Tensor::randn(4).dtype(DType::F64).build()?), &x, &options)?;
    assert_ne!(
        values(&noise.select(0, 0)?.sub(&x.select(0, 0)?)?),
        values(&noise.select(0, 1)?.sub(&x.select(0, 1)?)?)
    );
    let e = func::vmap(|x: &Tensor| x.gt(0)?.nonzero(), &x).unwrap_err();
    assert!(e.to_string().contains("looks at the values"), "{e}");

    let (parameters, grads) = (real(&[3, 4]), real(&[3, 4]).mul(0.5)?);
    let expected = parameters.sub(&grads.mul(0.1)?)?;
    let step = |(p, g): &(Tensor, Tensor)| {
        let op = SgdStep {
            lr: 0.1,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            maximize: false,
            first: false,
            scalars: StepScalars::default(),
        };
        no_grad(|| dispatch_update("sgd_", op, &[g], &[p]))?;
        Ok(p.clone())
    };
    let stepped = func::vmap(step, &(parameters.clone(), grads))?;
    close("sgd", &values(&stepped), &values(&expected), 1e-12);
    close("sgd in place", &values(&parameters), &values(&expected), 1e-12);
    Ok(())
}
