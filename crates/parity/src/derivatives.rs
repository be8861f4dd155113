//! Derivatives of recorded calls, in double precision on PyTorch's own inputs: the gradient against differences, the
//! gradient of the gradient against differences, and the derivative forward against the gradient. Each is taken along one
//! drawn direction of all inputs together, as PyTorch's `gradcheck(fast_mode=True)` does, so that every case costs a few
//! calls, however large it is.

use std::{collections::BTreeMap, io, path::Path};

use flambeau_autograd::{Autograd, GradOptions, enable_grad, func::jvp_all, grad_with, no_grad};
use flambeau_tensor::{Complex, DType, Error, ErrorKind, Generator, Result, Tensor, random::with_generator};

use crate::{
    call::{Call, Trouble, revive},
    case::{Arguments, Kind, OpCase, Source, Subject},
    ops::{self, Run},
    run::guarded,
    value::{Element, Recorded, Value},
};

/// What was found on a folder or archive.
#[derive(Debug, Default)]
pub struct Derivatives {
    /// Cases whose three checks were made, and held where there are no faults.
    pub cases: usize,
    /// Cases whose results are not all finite, of which there are no differences.
    pub endless: usize,
    /// By subject: each case that failed, which check, and how.
    pub faults: BTreeMap<String, Vec<String>>,
}

/// Checks every case that PyTorch differentiated of every op whose name contains `only`.
///
/// # Errors
///
/// The folder or archive cannot be read.
pub fn check_all(path: &Path, only: &str) -> io::Result<Derivatives> {
    let source = Source::open(path)?;
    let mut found = Derivatives::default();
    for file in source.names() {
        let subject = source.subject(&file).map_err(io::Error::other)?;
        if matches!(subject.kind, Kind::Op) && subject.name.contains(only) {
            check(&subject, &mut found);
        }
    }
    Ok(found)
}

/// Checks the cases of one subject.
pub fn check(subject: &Subject, found: &mut Derivatives) {
    let Some(run) = ops::find(&subject.name) else { return };
    let data = match subject.tensors() {
        Ok(data) => data,
        Err(error) => return found.faults.entry(subject.name.clone()).or_default().push(error.to_string()),
    };
    for (i, json) in subject.cases.iter().enumerate() {
        let Ok(case) = OpCase::parse(json, &data) else { continue };
        // What cannot be expressed, or is not right, is counted where results are compared.
        let runs = || Call::of(&case.arguments).and_then(|call| run(&call));
        if case.expected.gradients.is_none() || guarded(runs).is_err() {
            continue;
        }
        let probe = Probe::new(&subject.name, run, &case);
        if !guarded(|| Ok(probe.is_finite()?)).unwrap_or(true) {
            found.endless += 1;
            continue;
        }
        found.cases += 1;
        let checks: [(&str, fn(&Probe) -> Result<()>); 3] =
            [("gradient", Probe::first), ("second", Probe::second), ("forward", Probe::forward)];
        for (what, check) in checks {
            if let Err(trouble) = guarded(|| Ok(check(&probe)?)) {
                let why = match trouble {
                    Trouble::Failed(why) | Trouble::Unsupported(why) => why,
                };
                found.faults.entry(subject.name.clone()).or_default().push(format!("case {i} {what}: {why}"));
            }
        }
    }
}

/// What is done to the first input on the way to the op, as in PyTorch's own checks: some ops take matrices that a step
/// in a direction of all elements leaves.
const PREPARED: &[(&str, Prepare)] = &[
    ("linalg.cholesky", symmetric),
    ("linalg.cholesky_ex", symmetric),
    ("linalg.eigh", symmetric),
    ("linalg.eigvalsh", symmetric),
    ("linalg.matrix_sqrth", symmetric),
    // Its gradient is that of what comes before the logarithm of the softmax.
    ("nn.functional.ctc_loss", |x| x.log_softmax(-1)),
];

type Prepare = fn(&Tensor) -> Result<Tensor>;

fn symmetric(x: &Tensor) -> Result<Tensor> {
    x.add(&x.transpose(-2, -1)?.conj()?)?.mul(0.5)
}

/// A call whose inputs can be moved.
struct Probe {
    run: Run,
    prepare: Option<Prepare>,
    arguments: Arguments,
    /// Of the results, those that PyTorch differentiated.
    outputs: Vec<bool>,
}

/// A function of tensors.
type Function<'a> = &'a dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>;

/// The step of the differences.
const STEP: f64 = 1e-6;

impl Probe {
    fn new(name: &str, run: Run, case: &OpCase) -> Self {
        let prepare = PREPARED.iter().find(|prepared| prepared.0 == name).map(|prepared| prepared.1);
        let wide = |value: &Value<Recorded>| widened(value);
        let arguments = Arguments {
            args: case.arguments.args.iter().map(wide).collect(),
            kwargs: case.arguments.kwargs.iter().map(|(name, value)| (name.clone(), wide(value))).collect(),
        };
        let outputs = case.expected.output.tensors().into_iter().map(|t| t.requires_grad).collect();
        Self { run, prepare, arguments, outputs }
    }

    /// The tensors that were differentiated.
    fn inputs(&self) -> Result<Vec<Tensor>> {
        let values = self.arguments.args.iter().chain(self.arguments.kwargs.iter().map(|(_, value)| value));
        let tensors = values.flat_map(Value::tensors).filter(|t| t.requires_grad);
        tensors.map(|t| revive(t).map_err(error)).collect()
    }

    /// The call with `inputs` in the places of what was differentiated. Whatever it draws it draws again the next time.
    fn call(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let first = match (self.prepare, inputs.first()) {
            (Some(prepare), Some(x)) => Some(prepare(x)?),
            _ => None,
        };
        let mut next = first.iter().chain(&inputs[usize::from(first.is_some())..]);
        let call = Call::new(&self.arguments, &mut |recorded: &Recorded| {
            let given = if recorded.requires_grad { next.next() } else { None };
            given.map_or_else(|| revive(recorded), |t| Ok(t.clone()))
        });
        let call = call.map_err(error)?;
        let output = with_generator(&Generator::with_seed(11), || (self.run)(&call)).map_err(error)?;
        let differentiated = output.tensors().into_iter().zip(&self.outputs).filter(|(_, counts)| **counts);
        Ok(differentiated.map(|(t, _)| t.clone()).collect())
    }

    fn is_finite(&self) -> Result<bool> {
        let results = no_grad(|| self.call(&self.inputs()?))?;
        Ok(inner(&results, &results)?.0.is_finite())
    }

    /// The gradient is what differences say.
    fn first(&self) -> Result<()> {
        compare(&|x: &[Tensor]| self.call(x), &self.inputs()?)
    }

    /// The gradient's own gradient is what differences say, by the inputs and by the cotangents.
    fn second(&self) -> Result<()> {
        let inputs = self.inputs()?;
        let cotangents = like(&no_grad(|| self.call(&inputs))?, 5)?;
        let many = inputs.len();
        let gradient = |all: &[Tensor]| {
            enable_grad(|| {
                let leaf = |t: &Tensor| if t.requires_grad() { Ok(t.clone()) } else { t.detach().requires_grad_() };
                let leaves = all[..many].iter().map(leaf).collect::<Result<Vec<_>>>()?;
                let outputs = self.call(&leaves)?;
                gradients(&outputs, &leaves, &all[many..], true)?
                    .into_iter()
                    .zip(&leaves)
                    .map(|(g, x)| g.map_or_else(|| Tensor::zeros(x.shape()).dtype(x.dtype()).build(), Ok))
                    .collect()
            })
        };
        compare(&gradient, &[inputs, cotangents].concat())
    }

    /// The derivative forward and the gradient are one matrix, seen from both sides.
    fn forward(&self) -> Result<()> {
        let inputs = self.inputs()?;
        let direction = like(&inputs, 7)?;
        let (x, along): (Vec<&Tensor>, Vec<&Tensor>) = (inputs.iter().collect(), direction.iter().collect());
        let (_, tangents) = no_grad(|| jvp_all(|x: &[Tensor]| self.call(x), &x, &along))?;
        let (value, size, weights) = derivative(&|x: &[Tensor]| self.call(x), &inputs, &direction)?;
        let forward = inner(&weights, &tangents)?.0;
        near(forward, value, 1e-8 * size + 1e-9, "forward", "backward")
    }
}

/// Σ ⟨direction, gradient⟩ of the weighted results, the sum of its magnitudes, and the weights.
fn derivative(f: Function<'_>, inputs: &[Tensor], direction: &[Tensor]) -> Result<(f64, f64, Vec<Tensor>)> {
    let leaves = inputs.iter().map(|t| t.detach().requires_grad_()).collect::<Result<Vec<_>>>()?;
    let outputs = enable_grad(|| f(&leaves))?;
    let weights = like(&outputs, 3)?;
    let found = gradients(&outputs, &leaves, &weights, false)?;
    let (mut value, mut size) = (0.0, 0.0);
    for (gradient, along) in found.iter().zip(direction) {
        if let Some(gradient) = gradient {
            let (part, most) = inner(std::slice::from_ref(gradient), std::slice::from_ref(along))?;
            (value, size) = (value + part, size + most);
        }
    }
    Ok((value, size, weights))
}

/// The gradients of the outputs that have a history.
fn gradients(
    outputs: &[Tensor],
    leaves: &[Tensor],
    weights: &[Tensor],
    create_graph: bool,
) -> Result<Vec<Option<Tensor>>> {
    let recorded: Vec<usize> = (0..outputs.len()).filter(|i| outputs[*i].requires_grad()).collect();
    if recorded.is_empty() {
        return Ok(vec![None; leaves.len()]);
    }
    let outs: Vec<&Tensor> = recorded.iter().map(|i| &outputs[*i]).collect();
    let grad_outputs = recorded.iter().map(|i| Some(weights[*i].clone())).collect();
    let options = GradOptions { grad_outputs, create_graph, allow_unused: true, ..GradOptions::default() };
    grad_with(&outs, &leaves.iter().collect::<Vec<_>>(), options)
}

/// The gradient of `f` against central differences.
fn compare(f: Function<'_>, inputs: &[Tensor]) -> Result<()> {
    let direction = like(inputs, 7)?;
    let (value, size, weights) = derivative(f, inputs, &direction)?;
    let at = |step: f64| -> Result<(f64, f64)> {
        let moved = inputs.iter().zip(&direction).map(|(x, u)| x.detach().add(&u.mul(step)?));
        let moved = moved.collect::<Result<Vec<_>>>()?;
        inner(&weights, &no_grad(|| f(&moved))?)
    };
    let ((above, most), (below, _)) = (at(STEP)?, at(-STEP)?);
    let differences = (above - below) / (2.0 * STEP);
    // Differences cancel all but the last digits of what they are of.
    near(value, differences, 1e-5 + 1e-4 * size + 1e-9 * most, "the rule", "differences")
}

fn near(ours: f64, theirs: f64, tolerance: f64, us: &str, them: &str) -> Result<()> {
    // NaN is not near: a derivative that is nowhere proves nothing.
    if (ours - theirs).abs() <= tolerance {
        return Ok(());
    }
    Err(error(Trouble::Failed(format!("{us} gives {ours}, {them} {theirs}"))))
}

/// Drawn numbers for each element of each tensor.
fn like(tensors: &[Tensor], seed: u64) -> Result<Vec<Tensor>> {
    let generator = Generator::with_seed(seed);
    let drawn = |shape: &[usize]| Tensor::rand(shape).dtype(DType::F64).generator(&generator).build()?.sub(0.4);
    tensors
        .iter()
        .map(|t| match t.dtype().is_complex() {
            true => drawn(t.shape())?.complex(&drawn(t.shape())?),
            false => drawn(t.shape())?.to_dtype(t.dtype()),
        })
        .collect()
}

/// Σ Re(conj(a)·b), and the sum of the magnitudes.
fn inner(a: &[Tensor], b: &[Tensor]) -> Result<(f64, f64)> {
    let numbers = |t: &Tensor| t.detach().to_dtype(DType::Complex128)?.to_vec::<Complex<f64>>();
    let (mut value, mut size) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        for (a, b) in numbers(a)?.into_iter().zip(numbers(b)?) {
            let part = (a.conj() * b).re;
            (value, size) = (value + part, size + part.abs());
        }
    }
    Ok((value, size))
}

fn error(trouble: Trouble) -> Error {
    match trouble {
        Trouble::Unsupported(why) => Error::new(ErrorKind::Unsupported, "parity", why),
        Trouble::Failed(why) => Error::new(ErrorKind::Argument, "parity", why),
    }
}

/// In double precision: tensors, and dtypes that are asked for.
fn widened(value: &Value<Recorded>) -> Value<Recorded> {
    let all = |items: &[Value<Recorded>]| items.iter().map(widened).collect();
    match value {
        Value::Tensor(t) => Value::Tensor(wide(t)),
        Value::Dtype(name) if name == "float32" => Value::Dtype("float64".into()),
        Value::Dtype(name) if name == "complex64" => Value::Dtype("complex128".into()),
        Value::Seq(items) => Value::Seq(all(items)),
        Value::List(items) => Value::List(all(items)),
        Value::Dict(items) => Value::Dict(items.iter().map(|(name, item)| (name.clone(), widened(item))).collect()),
        other => other.clone(),
    }
}

fn wide(t: &Recorded) -> Recorded {
    let element = match t.element {
        Element::F32 => Element::F64,
        Element::Complex64 => Element::Complex128,
        _ => return t.clone(),
    };
    let numbers = t.bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    Recorded { element, bytes: numbers.flat_map(f64::to_le_bytes).collect(), ..t.clone() }
}
