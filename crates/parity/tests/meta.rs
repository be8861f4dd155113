//! On `Device::Meta` every op of the tables gives what it gives on the CPU, but for the numbers: shapes, dtypes and
//! strides, on every packed case.

use std::{collections::BTreeMap, error::Error, path::Path};

use flambeau_parity::{
    call::{Call, Trouble, on_device},
    case::{Kind, OpCase, Source, Subject},
    ops,
    value::Value,
};
use flambeau_tensor::{Device, Tensor};

/// Ops some of whose cases look at numbers, which a meta tensor has none of: for the shape of the result, for one of
/// their arguments that is a tensor here, or to give a number out.
const NEED_NUMBERS: &[&str] = &[
    "allclose",
    "argwhere",
    "bincount",
    "equal",
    "histc",
    "histogram",
    "histogramdd",
    "index_put",
    "item",
    "linalg.pinv",
    "linspace.tensor_overload",
    "logspace.tensor_overload",
    "masked_scatter",
    "masked_select",
    "narrow",
    "nn.functional.ctc_loss",
    "nn.functional.embedding_bag",
    "nn.functional.one_hot",
    "nonzero",
    "nonzero_static",
    "repeat_interleave",
    "tensor_split",
    "unique",
    "unique_consecutive",
];

/// What a tensor is but for its numbers. Strides of dimensions that have no second element say nothing.
fn form(tensor: &Tensor) -> String {
    let strides: Vec<String> = tensor
        .shape()
        .iter()
        .zip(tensor.strides())
        .map(|(&size, stride)| if size > 1 && tensor.numel() > 0 { stride.to_string() } else { "-".into() })
        .collect();
    format!("{} {:?} [{}]", tensor.dtype(), tensor.shape(), strides.join(", "))
}

fn forms(output: &Value<Tensor>) -> Vec<String> {
    output.tensors().into_iter().map(form).collect()
}

/// The forms of a case's results, or why there are none.
fn run(name: &str, case: &OpCase, device: Device) -> Result<Vec<String>, Trouble> {
    on_device(device, || {
        let call = Call::of(&case.arguments)?;
        let Some(entry) = ops::find(name) else { return Err(Trouble::Unsupported("not in the table".into())) };
        entry(&call).map(|output| forms(&output))
    })
}

fn check(subject: &Subject, faults: &mut BTreeMap<String, Vec<String>>) -> Result<usize, Box<dyn Error>> {
    let (data, name) = (subject.tensors()?, subject.name.as_str());
    let mut compared = 0;
    for json in &subject.cases {
        let case = OpCase::parse(json, &data).map_err(|e| format!("{name}: {e:?}"))?;
        let Ok(here) = run(name, &case, Device::Cpu) else { continue };
        compared += 1;
        match run(name, &case, Device::Meta) {
            Ok(there) if there == here => {}
            Ok(there) => faults.entry(name.into()).or_default().push(format!("{there:?}, on the CPU {here:?}")),
            Err(Trouble::Failed(why)) if NEED_NUMBERS.contains(&name) && why.contains("data") => {}
            Err(trouble) => faults.entry(name.into()).or_default().push(format!("{trouble:?}")),
        }
    }
    Ok(compared)
}

#[test]
fn forms_are_those_on_the_cpu() -> Result<(), Box<dyn Error>> {
    let source = Source::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packed/ops.tar.zst"))?;
    let (mut compared, mut faults) = (0, BTreeMap::new());
    for file in source.names() {
        let subject = source.subject(&file)?;
        if matches!(subject.kind, Kind::Op) {
            compared += check(&subject, &mut faults)?;
        }
    }
    println!("{compared} cases have the same forms");
    let text: Vec<String> =
        faults.iter().map(|(name, all)| format!("{name}: {} cases, first {}", all.len(), all[0])).collect();
    assert!(faults.is_empty(), "{} ops:\n{}", faults.len(), text.join("\n"));
    assert!(compared > 2500, "only {compared} cases were compared");
    Ok(())
}
