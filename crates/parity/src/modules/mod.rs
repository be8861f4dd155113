//! The module table: how flambeau makes each recorded module from its constructor's arguments, and
//! how it is called. One line a module, in the file of its family. The state is loaded, training or
//! evaluation set and the gradients taken here, for all alike.

mod activation;
mod attention;
mod conv;
mod distance;
mod dropout;
mod lazy;
mod linear;
mod loss;
mod norm;
mod pad;
mod pool;
mod rearrange;
mod recurrent;
mod transformer;

use flambeau_nn::{Call as _, DynModule, Layer, Module, To};
use flambeau_tensor::{Build, StateDict, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Call, Outcome, Trouble, device, dtype, ok, plain, revive},
    case::ModuleCase,
    compare::{What, same_tensor, tolerance},
    run::{Made, live, same_output},
    value::Recorded,
};

/// A module that was made, and how it is called.
pub trait Subject {
    /// The module.
    fn module(&self) -> &DynModule;

    /// Calls it.
    fn call(&self, c: &Call) -> Outcome;

    /// The same with its tensors on another device, in another dtype.
    fn to(self: Box<Self>, to: To) -> flambeau_tensor::Result<Box<dyn Subject>>;
}

struct Live<M> {
    module: M,
    forward: fn(&M, &Call) -> Outcome,
}

impl<M: Module> Subject for Live<M> {
    fn module(&self) -> &DynModule {
        self.module.as_module()
    }

    fn call(&self, c: &Call) -> Outcome {
        (self.forward)(&self.module, c)
    }

    fn to(self: Box<Self>, to: To) -> flambeau_tensor::Result<Box<dyn Subject>> {
        Ok(Box::new(Self { module: self.module.to(to)?, ..*self }))
    }
}

/// What an entry of the table gives.
pub(crate) type Built = Result<Box<dyn Subject>, Trouble>;

/// How a module is made from its constructor's arguments.
pub type Make = fn(&Call) -> Built;

/// One line of a table: PyTorch's name, and how the module is made.
type Entry = (&'static str, Make);

const TABLES: &[&[Entry]] = &[
    activation::TABLE,
    attention::TABLE,
    conv::TABLE,
    distance::TABLE,
    dropout::TABLE,
    lazy::TABLE,
    linear::TABLE,
    loss::TABLE,
    norm::TABLE,
    pad::TABLE,
    pool::TABLE,
    rearrange::TABLE,
    recurrent::TABLE,
    transformer::TABLE,
];

/// Cases of modules in the table that cannot be expressed: subject, how many of the packed cases,
/// why.
pub const INEXPRESSIBLE: &[(&str, usize, &str)] = &[];

/// The entry for a recorded name.
pub fn find(name: &str) -> Option<Make> {
    TABLES.iter().copied().flatten().find(|e| e.0 == name).map(|e| e.1)
}

/// All names in the tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().copied().flatten().map(|e| e.0)
}

/// A module with a call of its own.
pub(crate) fn module<M: Module>(builder: impl Build<Output = M>, forward: fn(&M, &Call) -> Outcome) -> Built {
    Ok(Box::new(Live { module: builder.build()?, forward }))
}

/// A module of one tensor.
pub(crate) fn layer<M: Layer>(builder: impl Build<Output = M>) -> Built {
    module(builder, |m, c| ok(m.call(c.x()?)?))
}

/// Runs one case.
///
/// # Errors
///
/// The module cannot be expressed, or making it, loading its state or calling it failed.
pub(crate) fn run(name: &str, make: Make, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    let case = ModuleCase::parse(json, data)?;
    let subject = match made(make, &case)? {
        Ok(subject) => subject,
        Err(why) => return failed(why),
    };
    let mut leaves = Vec::new();
    let call = live(&case.arguments, &mut leaves)?;
    if let Some(seed) = case.seed {
        flambeau_tensor::manual_seed(seed);
    }
    let output = subject.call(&call)?;
    call.all_read()?;
    if let Some(names) = &case.grad_params {
        leaves.extend(parameters(subject.module(), names)?);
    }
    let same = same_output(name, &output, &case.expected)?;
    let buffers = same_buffers(name, subject.module(), &case.buffers_after)?;
    Ok(Made { output, leaves, expected: case.expected, same: same.and(buffers) })
}

/// The module with the recorded state, in training or evaluation; or what it prints or starts with that is not PyTorch's.
fn made(make: Make, case: &ModuleCase) -> Result<Result<Box<dyn Subject>, String>, Trouble> {
    let constructor = Call::of(&case.constructor)?;
    if let Some(seed) = case.made_from {
        flambeau_tensor::manual_seed(seed);
    }
    let mut subject = make(&constructor)?;
    constructor.all_read()?;
    if let Some(repr) = &case.repr {
        let ours = format!("{:?}", subject.module());
        if !prints_alike(&ours, repr) {
            return Ok(Err(format!("it prints {ours:?}, PyTorch {repr:?}")));
        }
    }
    subject = match case.state.iter().find(|(_, t)| t.element.is_float()) {
        Some((_, float)) => subject.to((device(), dtype(float.element)?).into())?,
        None => subject.to(device().into())?,
    };
    subject.module().train_mode(case.training);
    if let Some(lazy) = &case.lazy {
        subject.call(&Call::of(&case.arguments)?)?;
        let ours = format!("{:?}", subject.module());
        if !prints_alike(&ours, lazy) {
            return Ok(Err(format!("after a call it prints {ours:?}, PyTorch {lazy:?}")));
        }
    }
    if case.made_from.is_some()
        && let Err(why) = same_first_values(subject.module(), &case.state)?
    {
        return Ok(Err(why));
    }
    let mut state = StateDict::new();
    for (name, recorded) in &case.state {
        state.insert(name.clone(), revive(recorded)?);
    }
    subject.module().load_state_dict(&state)?;
    Ok(Ok(subject))
}

/// Whether two texts of a module are the same, but for numbers that Python prints as they were written: `1` or `1.0`.
fn prints_alike(ours: &str, theirs: &str) -> bool {
    let plain = |text: &str| text.replace(".0,", ",").replace(".0)", ")");
    plain(ours) == plain(theirs)
}

/// Whether the module just made has the values that PyTorch's has.
fn same_first_values(module: &DynModule, recorded: &[(String, Recorded)]) -> Result<Result<(), String>, Trouble> {
    let ours = module.state_dict();
    if !ours.names().eq(recorded.iter().map(|(name, _)| name.as_str())) {
        let (ours, theirs) = (ours.names().collect::<Vec<_>>(), recorded.iter().map(|(n, _)| n).collect::<Vec<_>>());
        return Ok(Err(format!("our state has {ours:?}, PyTorch's {theirs:?}")));
    }
    for ((name, ours), (_, theirs)) in ours.iter().zip(recorded) {
        let allowed = tolerance("random", What::Random, theirs.element);
        if let Err(why) = same_tensor(&plain(ours)?, &theirs.into(), allowed) {
            return Ok(Err(format!("{name} starts with other values: {why}")));
        }
    }
    Ok(Ok(()))
}

/// The module's parameters, which have to be those that PyTorch lists.
pub(crate) fn parameters(module: &DynModule, names: &[String]) -> Result<Vec<Tensor>, Trouble> {
    let (ours, tensors): (Vec<String>, Vec<Tensor>) = module.named_parameters().into_iter().unzip();
    if ours == names { Ok(tensors) } else { failed(format!("our parameters are {ours:?}, PyTorch's {names:?}")) }
}

/// Whether the call left the buffers as PyTorch's left them.
fn same_buffers(name: &str, module: &DynModule, after: &[(String, Recorded)]) -> Result<Result<(), String>, Trouble> {
    let ours = module.named_buffers();
    if !ours.iter().map(|b| &b.0).eq(after.iter().map(|b| &b.0)) {
        let names = |list: Vec<&String>| format!("{list:?}");
        let (ours, theirs) = (ours.iter().map(|b| &b.0).collect(), after.iter().map(|b| &b.0).collect());
        return Ok(Err(format!("our buffers are {}, PyTorch's {}", names(ours), names(theirs))));
    }
    for ((buffer, ours), (_, theirs)) in ours.iter().zip(after) {
        let allowed = tolerance(name, What::Forward, theirs.element);
        if let Err(why) = same_tensor(&plain(ours)?, &theirs.into(), allowed) {
            return Ok(Err(format!("{buffer} after the call: {why}")));
        }
    }
    Ok(Ok(()))
}

fn failed<T>(message: String) -> Result<T, Trouble> {
    Err(Trouble::Failed(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Arguments;
    use crate::value::Value;
    use flambeau_tensor::DType;

    fn linear(args: Vec<Value<Recorded>>) -> Built {
        let c = Call::of(&Arguments { args, kwargs: Vec::new() })?;
        find("Linear").map_or_else(|| failed("no entry".into()), |make| make(&c))
    }

    #[test]
    fn a_module_goes_to_the_dtype_of_its_recording() -> Result<(), Trouble> {
        let linear = linear(vec![Value::Int(2), Value::Int(3)])?.to(DType::F64.into())?;
        assert!(linear.module().parameters().iter().all(|p| p.dtype() == DType::F64));
        Ok(())
    }

    #[test]
    fn parameters_are_pytorchs_in_number_and_order() -> Result<(), Trouble> {
        let linear = linear(vec![Value::Int(2), Value::Int(3)])?;
        let named = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(parameters(linear.module(), &named(&["weight", "bias"]))?.len(), 2);
        assert!(parameters(linear.module(), &named(&["bias", "weight"])).is_err());
        assert!(parameters(linear.module(), &named(&["weight"])).is_err());
        Ok(())
    }

    #[test]
    fn buffers_are_compared_by_name_and_number() -> Result<(), Trouble> {
        let c = Call::of(&Arguments { args: vec![Value::Int(1)], kwargs: Vec::new() })?;
        let norm = find("BatchNorm1d").map_or_else(|| failed("no entry".into()), |make| make(&c))?;
        let buffer = |name: &str, value: f32| {
            let (element, shape) = (crate::value::Element::F32, vec![1]);
            let bytes = value.to_le_bytes().as_slice().into();
            (name.to_owned(), Recorded { element, shape, stride: None, requires_grad: false, bytes, tv: None })
        };
        let count = Recorded {
            element: crate::value::Element::I64,
            shape: Vec::new(),
            stride: None,
            requires_grad: false,
            bytes: [0; 8].as_slice().into(),
            tv: None,
        };
        let count = ("num_batches_tracked".to_owned(), count);
        let compared = |mean: f32| {
            let after = [buffer("running_mean", mean), buffer("running_var", 1.0), count.clone()];
            same_buffers("BatchNorm1d", norm.module(), &after)
        };
        assert_eq!(compared(0.0)?, Ok(()));
        assert!(compared(0.5)?.is_err());
        assert!(same_buffers("BatchNorm1d", norm.module(), &[count.clone()])?.is_err());
        Ok(())
    }
}
