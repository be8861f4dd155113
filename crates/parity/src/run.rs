//! Runs subjects and judges them: inputs rebuilt, forward, gradients, comparison. A panic in a
//! case is that case's failure and no more.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use flambeau_tensor::Tensor;
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    audio,
    call::{Call, Trouble, plain, revive},
    case::{Arguments, Expected, Gradients, Kind, OpCase, Subject},
    compare::{Plain, What, same, same_tensor, tolerance},
    gauge, images, modules, ops, optims, random, schedulers, tape,
    value::{Recorded, Value},
    vision,
};

/// What became of one part (forward or gradients) of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As PyTorch has it.
    Right,
    /// Not as PyTorch has it, or an error, or a panic: what happened.
    Wrong(String),
    /// It could not be expressed: why.
    Unsupported(String),
}

impl Verdict {
    /// Whether this is `Right`.
    pub fn is_right(&self) -> bool {
        *self == Self::Right
    }
}

/// What became of one case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// For `random`: which call or module. Else the subject's name.
    pub about: String,
    /// The call's results.
    pub forward: Verdict,
    /// The gradients, where the case recorded them.
    pub gradients: Option<Verdict>,
}

/// Runs all cases of a subject.
pub fn run(subject: &Subject) -> Vec<CaseReport> {
    let name = subject.name.as_str();
    let data = match subject.tensors() {
        Ok(data) => data,
        Err(error) => return all(subject, &Verdict::Wrong(error.to_string())),
    };
    let unknown = |what: &str| all(subject, &Verdict::Unsupported(format!("the {what} is not in the runner's table")));
    let cases = subject.cases.iter();
    match &subject.kind {
        Kind::Op => match ops::find(name) {
            None => unknown("op"),
            Some(run) => cases.map(|c| differentiated(name, c, || op(name, run, c, &data))).collect(),
        },
        Kind::Module => match modules::find(name) {
            None => unknown("module"),
            Some(make) => cases.map(|c| differentiated(name, c, || modules::run(name, make, c, &data))).collect(),
        },
        Kind::Optim => match optims::find(name) {
            None => unknown("optimizer"),
            Some(make) => cases.map(|c| plain_case(name, || optims::run(name, make, c, &data))).collect(),
        },
        Kind::Scheduler => match schedulers::find(name) {
            None => unknown("scheduler"),
            Some(make) => cases.map(|c| plain_case(name, || schedulers::run(name, make, c, &data))).collect(),
        },
        Kind::Random => cases.map(|c| plain_case(random::about(c), || random::run(c, &data))).collect(),
        Kind::AudioFunctional => {
            cases.map(|c| differentiated(name, c, || audio::functional::run(name, c, &data))).collect()
        }
        Kind::AudioKaldi => cases.map(|c| differentiated(name, c, || audio::kaldi::run(name, c, &data))).collect(),
        Kind::AudioTransform => cases
            .map(|c| differentiated(name, audio::transform::last(c), || audio::transform::run(name, c, &data)))
            .collect(),
        Kind::AudioModel => cases
            .map(|c| differentiated(name, audio::transform::last(c), || audio::model::run(name, c, &data)))
            .collect(),
        Kind::AudioDataset => cases.map(|c| plain_case(name, || audio::dataset::run(c, &data))).collect(),
        Kind::AudioDecoder => cases.map(|c| plain_case(name, || audio::decoder::run(name, c, &data))).collect(),
        Kind::AudioPipeline => cases.map(|c| plain_case(name, || audio::pipeline::run(c, &data))).collect(),
        Kind::AudioIo => cases.map(|c| plain_case(name, || audio::io::run(c, &data))).collect(),
        Kind::VisionTransform => {
            cases.map(|c| differentiated(name, c, || vision::transform::run(name, c, &data))).collect()
        }
        Kind::VisionOp => cases.map(|c| differentiated(name, c, || vision::op::run(name, c, &data))).collect(),
        Kind::VisionModel => cases.map(|c| plain_case(name, || vision::model::run(name, c, &data))).collect(),
        Kind::VisionRandom => cases.map(|c| plain_case(name, || vision::random::run(c, &data))).collect(),
        Kind::VisionIo => cases.map(|c| plain_case(name, || vision::io::run(c, &data))).collect(),
        Kind::Image => cases.map(|c| plain_case(name, || images::run(c, &data))).collect(),
        Kind::Other(kind) => {
            all(subject, &Verdict::Unsupported(format!("cases of kind `{kind}` are unknown to the runner")))
        }
    }
}

/// The same about every case.
fn all(subject: &Subject, verdict: &Verdict) -> Vec<CaseReport> {
    let report = |json: &Json| CaseReport {
        about: subject.name.clone(),
        forward: verdict.clone(),
        gradients: json.get("grads").filter(|_| subject.kind.has_gradients()).map(|_| verdict.clone()),
    };
    subject.cases.iter().map(report).collect()
}

fn judge(trouble: Trouble) -> Verdict {
    match trouble {
        Trouble::Unsupported(why) => Verdict::Unsupported(why),
        Trouble::Failed(why) => Verdict::Wrong(why),
    }
}

fn judged(run: impl FnOnce() -> Result<(), Trouble>) -> Verdict {
    guarded(run).map_or_else(judge, |()| Verdict::Right)
}

/// A case without gradients.
fn plain_case(about: &str, run: impl FnOnce() -> Result<(), Trouble>) -> CaseReport {
    CaseReport { about: about.to_owned(), forward: judged(run), gradients: None }
}

/// A call that was made.
pub(crate) struct Made {
    /// What it gave.
    pub output: Value<Tensor>,
    /// What is differentiated: the inputs, and the parameters of a module.
    pub leaves: Vec<Tensor>,
    /// What PyTorch gave.
    pub expected: Expected,
    /// Whether both are the same, and if not, why.
    pub same: Result<(), String>,
}

/// A case whose gradients are compared where its results are right: differentiating a wrong result
/// would only repeat the failure.
fn differentiated(name: &str, json: &Json, make: impl FnOnce() -> Result<Made, Trouble>) -> CaseReport {
    let report = |forward, gradients| CaseReport { about: name.to_owned(), forward, gradients };
    let made = match guarded(make) {
        Ok(made) => made,
        Err(trouble) => {
            let verdict = judge(trouble);
            return report(verdict.clone(), json.get("grads").map(|_| verdict));
        }
    };
    let right = made.same.is_ok();
    let gradients = made.expected.gradients.as_ref().map(|expected| match right {
        true => judged(|| gradients(name, &made, expected)),
        false => Verdict::Wrong("the forward result is wrong".into()),
    });
    report(made.same.map_or_else(Verdict::Wrong, |()| Verdict::Right), gradients)
}

/// The recorded arguments as live ones; those that require grad are put among the leaves as well.
pub(crate) fn live(arguments: &Arguments, leaves: &mut Vec<Tensor>) -> Result<Call, Trouble> {
    Call::new(arguments, &mut |recorded: &Recorded| {
        let tensor = revive(recorded)?;
        if recorded.requires_grad {
            tape::require_grad(&tensor)?;
            leaves.push(tensor.clone());
        }
        Ok(tensor)
    })
}

/// Compares tensors one by one; `noun` is what one of them is.
pub(crate) fn same_tensors(
    name: &str,
    what: What,
    noun: &str,
    ours: &[Tensor],
    theirs: &[Recorded],
) -> Result<(), Trouble> {
    if ours.len() != theirs.len() {
        return Err(Trouble::Failed(format!("{noun}: there are {}, PyTorch has {}", ours.len(), theirs.len())));
    }
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        same_tensor(&plain(ours)?, &theirs.into(), tolerance(name, what, theirs.element))
            .map_err(|e| Trouble::Failed(format!("{noun} {i}: {e}")))?;
    }
    Ok(())
}

/// Whether the results are PyTorch's.
pub(crate) fn same_output(
    name: &str,
    output: &Value<Tensor>,
    expected: &Expected,
) -> Result<Result<(), String>, Trouble> {
    let mut ours = output.map(&mut plain)?;
    gauge::align(name, &mut ours, &expected.output);
    Ok(same(&ours, &expected.output, &|element| tolerance(name, What::Forward, element).times(expected.slack[0])))
}

fn op(name: &str, run: ops::Run, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    let OpCase { arguments, expected } = OpCase::parse(json, data)?;
    let mut leaves = Vec::new();
    let call = live(&arguments, &mut leaves)?;
    let output = run(&call)?;
    call.all_read()?;
    let same = same_output(name, &output, &expected)?;
    Ok(Made { output, leaves, expected, same })
}

fn gradients(name: &str, made: &Made, expected: &Gradients) -> Result<(), Trouble> {
    let failed = |message: String| Err(Trouble::Failed(message));
    let Made { output, leaves, .. } = made;
    let (ours, theirs) = (output.tensors(), made.expected.output.tensors());
    let outputs: Vec<Tensor> =
        ours.iter().zip(&theirs).filter(|(_, theirs)| theirs.requires_grad).map(|(ours, _)| (*ours).clone()).collect();
    if outputs.len() != expected.cotangents.len() || leaves.len() != expected.expected.len() {
        return failed("damaged recording: cotangents or gradients do not match the tensors".into());
    }
    if let Some(i) = outputs.iter().position(|o| !o.requires_grad()) {
        return failed(format!("differentiable output {i} does not require grad"));
    }
    let cotangents = expected.cotangents.iter().map(revive).collect::<Result<Vec<_>, _>>()?;
    let found = tape::grad(&outputs, leaves, cotangents)?;
    let slack = made.expected.slack[1];
    let none_recorded = expected.expected.iter().all(Option::is_none);
    for (i, (ours, theirs)) in found.iter().zip(&expected.expected).enumerate() {
        let ours = ours.as_ref().map(plain).transpose()?;
        if none_recorded && ours.as_ref().is_some_and(|g| !g.numbers.all_zero()) {
            // The result requires grad, so some input has one: the recording lost it (it does so
            // for inputs that are views of other tensors).
            return Err(Trouble::Unsupported("no gradient was recorded for any input".into()));
        }
        if let Err(why) = one_gradient(name, slack, ours.as_ref(), theirs.as_ref()) {
            match theirs {
                Some(theirs) if were_one(name, i, leaves, &found, &expected.expected, theirs)? => {}
                _ => return failed(format!("gradient {i}: {why}")),
            }
        }
    }
    Ok(())
}

/// Whether input `i` was one tensor with another input when it was recorded, and ours is the gradient of that: both hold
/// the same numbers, not whole ones only, PyTorch has the same gradient for both, and that is the sum of ours.
fn were_one(
    name: &str,
    i: usize,
    leaves: &[Tensor],
    found: &[Option<Tensor>],
    expected: &[Option<Recorded>],
    theirs: &Recorded,
) -> Result<bool, Trouble> {
    let bytes = |t: &Tensor| t.detach().to_bytes();
    for j in (0..leaves.len()).filter(|j| *j != i) {
        let (Some(a), Some(b), Some(other)) = (&found[i], &found[j], &expected[j]) else { continue };
        let same_gradient = other.bytes == theirs.bytes && other.shape == theirs.shape;
        if same_gradient && bytes(&leaves[i])? == bytes(&leaves[j])? && drawn(&leaves[i])? {
            return Ok(one_gradient(name, 1.0, Some(&plain(&a.add(b)?)?), Some(theirs)).is_ok());
        }
    }
    Ok(false)
}

/// Whether the numbers were drawn: two tensors have the same ones only where they are one.
fn drawn(t: &Tensor) -> Result<bool, Trouble> {
    let numbers = t.detach().to_dtype(flambeau_tensor::DType::F64)?.to_vec::<f64>()?;
    Ok(numbers.iter().any(|x| x.fract() != 0.0))
}

/// None and zero both say that the input does not matter to the output, whichever side says it.
fn one_gradient(name: &str, slack: f64, ours: Option<&Plain>, theirs: Option<&Recorded>) -> Result<(), String> {
    match (ours, theirs) {
        (None, None) => Ok(()),
        (Some(ours), None) if ours.numbers.all_zero() => Ok(()),
        (Some(_), None) => Err("ours is not zero, PyTorch has none".into()),
        (None, Some(theirs)) if Plain::from(theirs).numbers.all_zero() => Ok(()),
        (None, Some(_)) => Err("we have none".into()),
        (Some(ours), Some(theirs)) => {
            same_tensor(ours, &theirs.into(), tolerance(name, What::Gradient, theirs.element).times(slack))
        }
    }
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f`; a panic becomes a failure with the panic's own text and place.
pub fn guarded<T>(f: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    static HOOK: Once = Once::new();
    thread_local! { static INSIDE: RefCell<bool> = const { RefCell::new(false) }; }
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.with_borrow(|inside| *inside) {
                PANIC.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    INSIDE.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    INSIDE.set(false);
    result.unwrap_or_else(|payload| {
        // A panic that came over from a worker thread never passed this thread's hook.
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
        let text = PANIC.take().or(words.map(|w| format!("panicked: {w}")));
        Err(Trouble::Failed(text.unwrap_or_else(|| "panicked".into()).replace('\n', " ")))
    })
}

#[cfg(test)]
mod tests {
    use flambeau_autograd::Autograd;

    use super::*;
    use crate::value::Element;

    fn numbers(values: [f32; 2]) -> Recorded {
        let bytes = values.map(f32::to_le_bytes).concat().as_slice().into();
        Recorded { element: Element::F32, shape: vec![2], stride: None, requires_grad: true, bytes, tv: None }
    }

    /// `x * y` where both are `[2.5, 3]`, and the recorded gradient of both is `gradient`.
    fn product(gradient: [f32; 2]) -> Result<(), Trouble> {
        let input = numbers([2.5, 3.0]);
        let leaves = [revive(&input)?.requires_grad_()?, revive(&input)?.requires_grad_()?];
        let expected = Gradients { cotangents: vec![numbers([1.0; 2])], expected: vec![Some(numbers(gradient)); 2] };
        let made = Made {
            output: Value::Tensor(leaves[0].mul(&leaves[1])?),
            leaves: leaves.to_vec(),
            expected: Expected { output: Value::Tensor(numbers([6.25, 9.0])), gradients: None, slack: [1.0; 2] },
            same: Ok(()),
        };
        gradients("mul", &made, &expected)
    }

    #[test]
    fn inputs_that_were_one_tensor_are_told_from_wrong_gradients() {
        assert!(product([2.5, 3.0]).is_ok());
        assert!(product([5.0, 6.0]).is_ok(), "both were one tensor");
        assert!(matches!(product([5.0, 5.0]), Err(Trouble::Failed(_))));
    }
}
