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
    call::{Call, Outcome, Trouble, plain, revive},
    case::{Gradients, Kind, OpCase, Subject},
    compare::{Plain, What, same, same_tensor, tolerance},
    ops, random, tape,
    value::{Recorded, Value},
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
    let all = |verdict: Verdict| {
        let report = |json: &Json| CaseReport {
            about: subject.name.clone(),
            forward: verdict.clone(),
            gradients: json.get("grads").map(|_| verdict.clone()),
        };
        subject.cases.iter().map(report).collect()
    };
    let data = match subject.tensors() {
        Ok(data) => data,
        Err(error) => return all(Verdict::Wrong(error.to_string())),
    };
    match &subject.kind {
        Kind::Other(kind) => all(Verdict::Unsupported(format!("cases of kind `{kind}` are not yet supported"))),
        Kind::Random => subject.cases.iter().map(|c| random_case(c, &data)).collect(),
        Kind::Op => match ops::find(&subject.name) {
            None => all(Verdict::Unsupported("the op is not in the runner's table".into())),
            Some(run) => subject.cases.iter().map(|c| op_case(&subject.name, run, c, &data)).collect(),
        },
    }
}

fn judge(trouble: Trouble) -> Verdict {
    match trouble {
        Trouble::Unsupported(why) => Verdict::Unsupported(why),
        Trouble::Failed(why) => Verdict::Wrong(why),
    }
}

fn random_case(json: &Json, data: &SafeTensors<'_>) -> CaseReport {
    let forward = guarded(|| random::run(json, data)).map_or_else(judge, |()| Verdict::Right);
    CaseReport { about: random::about(json).to_owned(), forward, gradients: None }
}

fn op_case(name: &str, run: ops::Run, json: &Json, data: &SafeTensors<'_>) -> CaseReport {
    let report = |forward, gradients| CaseReport { about: name.to_owned(), forward, gradients };
    let recorded = json.get("grads").is_some();
    let nothing = |verdict: Verdict| report(verdict.clone(), recorded.then_some(verdict));
    let case = match OpCase::parse(json, data) {
        Ok(case) => case,
        Err(error) => return nothing(Verdict::Wrong(format!("damaged recording: {error}"))),
    };
    let mut leaves = Vec::new();
    let (output, forward) = match guarded(|| forward(name, run, &case, &mut leaves)) {
        Ok(done) => done,
        Err(trouble) => return nothing(judge(trouble)),
    };
    let gradients = case.gradients.as_ref().map(|expected| {
        // Differentiating a wrong result would only repeat the failure.
        match &forward {
            Verdict::Right => {
                guarded(|| gradients(name, &case, &output, &leaves, expected)).map_or_else(judge, |()| Verdict::Right)
            }
            _ => Verdict::Wrong("the forward result is wrong".into()),
        }
    });
    report(forward, gradients)
}

fn forward(
    name: &str,
    run: ops::Run,
    case: &OpCase,
    leaves: &mut Vec<Tensor>,
) -> Result<(Value<Tensor>, Verdict), Trouble> {
    let call = Call::new(case, &mut |recorded: &Recorded| {
        let tensor = revive(recorded)?;
        if recorded.requires_grad {
            tape::require_grad(&tensor)?;
            leaves.push(tensor.clone());
        }
        Ok(tensor)
    })?;
    let output: Value<Tensor> = (run(&call) as Outcome)?;
    let unread = call.unread();
    if !unread.is_empty() {
        let list = unread.join(", ");
        return Err(Trouble::Unsupported(format!("the table's entry does not read: {list}")));
    }
    let ours = output.map(&mut plain)?;
    let allowed = |element| tolerance(name, What::Forward, element);
    let verdict = same(&ours, &case.output, &allowed).map_or_else(Verdict::Wrong, |()| Verdict::Right);
    Ok((output, verdict))
}

fn gradients(
    name: &str,
    case: &OpCase,
    output: &Value<Tensor>,
    leaves: &[Tensor],
    expected: &Gradients,
) -> Result<(), Trouble> {
    let failed = |message: String| Err(Trouble::Failed(message));
    let (ours, theirs) = (output.tensors(), case.output.tensors());
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
    let none_recorded = expected.expected.iter().all(Option::is_none);
    for (i, (ours, theirs)) in found.iter().zip(&expected.expected).enumerate() {
        let ours = ours.as_ref().map(plain).transpose()?;
        if none_recorded && ours.as_ref().is_some_and(|g| !g.numbers.all_zero()) {
            // The result requires grad, so some input has one: the recording lost it (it does so
            // for inputs that are views of other tensors).
            return Err(Trouble::Unsupported("no gradient was recorded for any input".into()));
        }
        one_gradient(name, ours.as_ref(), theirs.as_ref())
            .or_else(|message| failed(format!("gradient {i}: {message}")))?;
    }
    Ok(())
}

/// None and zero both say that the input does not matter to the output, whichever side says it.
fn one_gradient(name: &str, ours: Option<&Plain>, theirs: Option<&Recorded>) -> Result<(), String> {
    match (ours, theirs) {
        (None, None) => Ok(()),
        (Some(ours), None) if ours.numbers.all_zero() => Ok(()),
        (Some(_), None) => Err("ours is not zero, PyTorch has none".into()),
        (None, Some(theirs)) if Plain::from(theirs).numbers.all_zero() => Ok(()),
        (None, Some(_)) => Err("we have none".into()),
        (Some(ours), Some(theirs)) => {
            same_tensor(ours, &theirs.into(), tolerance(name, What::Gradient, theirs.element))
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
