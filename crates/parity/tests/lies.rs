//! Every op of the tables, forward and back, under an interpreter that lies once: it answers one of the calls with too
//! few tensors or too many, with other shapes, dtypes or devices, refuses it, or leaves a write out. Whatever comes of it
//! comes without a panic. A lie about a count or a shape is an error, after which the operands are as they were.

use std::{
    cell::Cell,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    rc::Rc,
};

use flambeau_autograd::{Autograd, GradOptions, grad_with};
use flambeau_parity::{
    call::{Call, Trouble, revive},
    case::{Arguments, Kind, OpCase, Source},
    ops::{self, Run},
    value::Recorded,
};
use flambeau_tensor::dispatch::{self, Interpreter, Output, interpret, uninterpreted};
use flambeau_tensor::{DType, Device, ErrorKind, Generator, Outputs, Result, Tensor, no_grad, random::with_generator};

/// What is said of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Nothing,
    OneLess,
    OneMore,
    /// Without dimensions.
    Flat,
    /// With a dimension more in front.
    Deeper,
    /// With an element more in each dimension.
    Longer,
    /// Without elements.
    Empty,
    /// As complex numbers.
    Complex,
    /// As truth values.
    Truth,
    /// Without data.
    Meta,
    Refused,
}

const LIES: [Lie; 11] = [
    Lie::Nothing,
    Lie::OneLess,
    Lie::OneMore,
    Lie::Flat,
    Lie::Deeper,
    Lie::Longer,
    Lie::Empty,
    Lie::Complex,
    Lie::Truth,
    Lie::Meta,
    Lie::Refused,
];

/// Answers all calls truly but one.
struct Liar {
    lie: Lie,
    /// How many calls come before that one.
    left: Cell<usize>,
    calls: Cell<usize>,
    /// Was a count or a shape wrong?
    told: Cell<bool>,
}

impl Liar {
    fn new(lie: Lie, left: usize) -> Rc<Liar> {
        Rc::new(Liar { lie, left: Cell::new(left), calls: Cell::new(0), told: Cell::new(false) })
    }

    fn told(&self, of: &Tensor) -> Result<Tensor> {
        let (shape, dtype) = (of.shape().to_vec(), of.dtype());
        let made = |shape: Vec<usize>| Tensor::zeros(shape).dtype(dtype).device(of.device()).build();
        match self.lie {
            Lie::Flat => made(Vec::new()),
            Lie::Deeper => made([&[2], &shape[..]].concat()),
            Lie::Longer => made(shape.iter().map(|size| size + 1).collect()),
            Lie::Empty => made(vec![0; shape.len().max(1)]),
            Lie::Complex => Tensor::zeros(shape).dtype(DType::Complex64).build(),
            Lie::Truth => Tensor::zeros(shape).dtype(DType::Bool).build(),
            Lie::Meta => Tensor::zeros(shape).dtype(dtype).device(Device::Meta).build(),
            _ => Ok(of.clone()),
        }
    }
}

impl Interpreter for Liar {
    fn call(&self, call: dispatch::Call<'_>) -> Result<Outputs> {
        self.calls.set(self.calls.get() + 1);
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        if left != 0 {
            return call.run();
        }
        if self.lie == Lie::Refused {
            return Err(flambeau_tensor::Error::new(ErrorKind::Unsupported, call.op.name(), "refused"));
        }
        if matches!(call.output, Output::Into { .. } | Output::Update { .. }) {
            return Ok(Outputs::new());
        }
        let mut truth = call.run()?;
        let shapes = |outputs: &Outputs| outputs.iter().map(|t| t.shape().to_vec()).collect::<Vec<_>>();
        let right = shapes(&truth);
        match self.lie {
            Lie::Nothing => truth.clear(),
            Lie::OneLess => drop(truth.pop()),
            Lie::OneMore => truth.extend(truth.last().cloned()),
            _ => truth = truth.iter().map(|t| self.told(t)).collect::<Result<Outputs>>()?,
        }
        self.told.set(shapes(&truth) != right);
        Ok(truth)
    }
}

/// The call's result, and its gradient by what may have one.
fn forward_and_back(run: Run, arguments: &Arguments, liar: &Rc<Liar>) -> Result<(), String> {
    let mut inputs = Vec::new();
    let tracked = |recorded: &Recorded| -> Result<Tensor, Trouble> {
        let x = revive(recorded)?;
        let x = if recorded.requires_grad { x.requires_grad_()? } else { x };
        inputs.push(x.clone());
        Ok(x)
    };
    let call = Call::new(arguments, &mut { tracked }).map_err(|e| format!("{e:?}"))?;
    let bytes = || inputs.iter().map(|x| uninterpreted(|| x.detach().to_bytes()).unwrap()).collect::<Vec<_>>();
    let (before, ran) = (bytes(), Cell::new(false));
    let made = interpret(liar.clone(), || -> Result<(), Trouble> {
        let outputs = with_generator(&Generator::with_seed(1), || run(&call))?;
        // From here on what the call writes is written.
        ran.set(true);
        let outputs: Vec<&Tensor> = outputs.tensors().into_iter().filter(|t| t.requires_grad()).collect();
        if outputs.is_empty() {
            return Ok(());
        }
        let seeds = outputs.iter().map(|t| t.ones_like().map(Some)).collect::<Result<Vec<_>>>()?;
        let by: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
        let options = GradOptions { grad_outputs: seeds, allow_unused: true, ..Default::default() };
        grad_with(&outputs, &by, options)?;
        Ok(())
    });
    // What a `detach` was refused is told now.
    let late = no_grad(|| Tensor::zeros([1]).build());
    if liar.told.get() && made.is_ok() && late.is_ok() {
        return Err("a wrong count or shape is believed".into());
    }
    if made.is_err() && !ran.get() && bytes() != before {
        return Err("an operand is half written".into());
    }
    Ok(())
}

fn rounds() -> usize {
    std::env::var("LIES").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

#[test]
fn an_interpreter_that_lies_is_an_error() -> Result<(), Box<dyn Error>> {
    let source = Source::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packed/ops.tar.zst"))?;
    let only = std::env::var("LIES_ONLY").unwrap_or_default();
    std::panic::set_hook(Box::new(|_| ()));
    let (mut faults, mut told, mut all, mut draw) = (Vec::new(), 0, 0, 1u64);
    for file in source.names() {
        let subject = source.subject(&file)?;
        let Some(run) = ops::find(&subject.name).filter(|_| matches!(subject.kind, Kind::Op)) else { continue };
        if subject.cases.is_empty() || !subject.name.contains(&only) {
            continue;
        }
        let data = subject.tensors()?;
        for round in 0..rounds() {
            let Ok(case) = OpCase::parse(&subject.cases[round % subject.cases.len()], &data) else { continue };
            let truly = Liar::new(Lie::Nothing, usize::MAX);
            if catch_unwind(AssertUnwindSafe(|| forward_and_back(run, &case.arguments, &truly))).is_err() {
                continue; // What has no such call is counted elsewhere.
            }
            let calls = truly.calls.get().max(1);
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (lie, at) = (LIES[(draw >> 33) as usize % LIES.len()], (draw >> 40) as usize % calls);
            let liar = Liar::new(lie, at);
            let came = catch_unwind(AssertUnwindSafe(|| forward_and_back(run, &case.arguments, &liar)));
            all += 1;
            told += usize::from(liar.told.get());
            let what = format!("{} case {round}: {lie:?} to call {at} of {calls}", subject.name);
            match came {
                Ok(Ok(())) => {}
                Ok(Err(why)) => faults.push(format!("{what}: {why}")),
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                    faults.push(format!("{what}: a panic: {}", text.unwrap_or_default()));
                }
            }
            // Nothing stays for the next one.
            let _ = Tensor::zeros([1]).build();
        }
    }
    let _ = std::panic::take_hook();
    println!("{all} calls, {told} of them with a wrong count or shape");
    let many = faults.len();
    faults.truncate(60);
    assert!(faults.is_empty(), "{many} faults:\n{}", faults.join("\n"));
    assert!(!only.is_empty() || told * 3 > all, "only {told} of {all} were lied to");
    Ok(())
}
