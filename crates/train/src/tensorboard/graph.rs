//! A program as a graph of TensorBoard's (tensorflow's `graph.proto`, `node_def.proto`, `attr_value.proto`).

use super::event::Message;
use flambeau_tensor::trace::{Program, Target, Value};
use flambeau_tensor::{Device, Tensor};
use std::collections::{HashMap, HashSet};

/// What PyTorch's writer names as the version of its graphs.
const PRODUCER: u64 = 22;

/// The nodes so far.
#[derive(Default)]
struct Graph {
    message: Message,
    taken: HashSet<String>,
    /// The node that a value comes from at this point, and which of its outputs it is.
    from: HashMap<Value, (String, usize)>,
    /// The module whose parameter a constant is.
    modules: HashMap<Value, String>,
    /// Tensors without elements, for shapes. None where a shape is not known.
    shapes: HashMap<Value, Option<Tensor>>,
}

/// The graph of `program`; constants that are in `names` have their names, `layer.weight` as `layer/weight`, and the
/// ops that read them stand beside them.
pub(super) fn of<N: AsRef<str>, T: AsRef<Tensor>>(program: &Program, names: &[(N, T)]) -> Message {
    let mut graph = Graph::default();
    let empty = |shape: &[usize], like| Tensor::zeros(shape).dtype(like).device(Device::Meta).build().ok();
    for (i, (meta, _)) in program.inputs().iter().enumerate() {
        let name = graph.node(&format!("input/x{i}"), "Input", &[], "", Some(&meta.shape));
        graph.set(Value::Input(i), name, 0, empty(&meta.shape, meta.dtype));
    }
    for (i, constant) in program.constants().iter().enumerate() {
        let known = names.iter().find(|(_, t)| same(t.as_ref(), constant)).map(|(name, _)| clean(name.as_ref()));
        let value = Value::Constant(i);
        if let Some(module) = known.as_ref().and_then(|name| name.rsplit_once('/')) {
            graph.modules.insert(value, module.0.to_string());
        }
        let kind = if known.is_some() { "Parameter" } else { "Constant" };
        let name = known.unwrap_or_else(|| format!("constant/c{i}"));
        let name = graph.node(&name, kind, &[], "", Some(constant.shape()));
        graph.set(value, name, 0, empty(constant.shape(), constant.dtype()));
    }
    let mut result = 0;
    for step in program.steps() {
        let (into, fresh): (&[Value], usize) = match &step.target {
            Target::Fresh(n) => (&[], *n),
            Target::View => (&[], 1),
            Target::Into(_, value) => (std::slice::from_ref(value), 0),
            Target::Update(_, values) => (values, 0),
        };
        let op = match &step.target {
            Target::Into(name, _) | Target::Update(name, _) => name,
            Target::Fresh(_) | Target::View => step.op.name(),
        };
        let shapes: Option<Vec<Tensor>> = step.inputs.iter().map(|v| graph.shapes.get(v).cloned().flatten()).collect();
        let metas =
            shapes.and_then(|shapes| step.op.infer(&shapes.iter().collect::<Vec<_>>()).ok()).unwrap_or_default();
        let attributes: Vec<String> = step.op.attributes().iter().map(|(name, x)| format!("{name}: {x}")).collect();
        // Beside the parameter that it reads, where it reads one.
        let module = step.inputs.iter().find_map(|v| graph.modules.get(v));
        let name = match module {
            Some(module) => format!("{module}/{}", clean(op)),
            None => clean(op),
        };
        let inputs: Vec<Value> =
            step.inputs.iter().chain(into.iter().filter(|v| !step.inputs.contains(v))).copied().collect();
        let shape = metas.first().map(|meta| &meta.shape[..]);
        let name = graph.node(&name, op, &inputs, &attributes.join(", "), shape);
        for nr in 0..fresh {
            let shape = metas.get(nr).and_then(|meta| empty(&meta.shape, meta.dtype));
            graph.set(Value::Result(result + nr), name.clone(), nr, shape);
        }
        for value in into {
            graph.from.insert(*value, (name.clone(), 0));
        }
        result += fresh;
    }
    for (i, value) in program.outputs().iter().enumerate() {
        let shape = graph.shapes.get(value).cloned().flatten();
        graph.node(&format!("output/{i}"), "Output", &[*value], "", shape.as_ref().map(Tensor::shape));
    }
    graph.message.message(4, &Message::default().int(1, PRODUCER))
}

/// Are they handles on the same elements? A parameter is traced by its own handle or by that of autograd.
fn same(a: &Tensor, b: &Tensor) -> bool {
    a.is(b) || a.storage().id() == b.storage().id() && a.layout() == b.layout() && a.dtype() == b.dtype()
}

/// As TensorBoard takes a name: parts divided by slashes.
fn clean(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let parts: Vec<String> =
        name.replace("::", ".").split('.').map(|part| part.chars().map(allowed).collect()).collect();
    parts.join("/")
}

impl Graph {
    fn set(&mut self, value: Value, node: String, output: usize, shape: Option<Tensor>) {
        self.from.insert(value, (node, output));
        self.shapes.insert(value, shape);
    }

    /// Adds a node called `name`, or that with a number behind it, and says how it is called.
    fn node(&mut self, name: &str, op: &str, inputs: &[Value], attributes: &str, shape: Option<&[usize]>) -> String {
        let mut unique = name.to_string();
        let mut number = 1;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        let mut node = Message::default().text(1, &unique).text(2, op);
        for value in inputs {
            if let Some((from, output)) = self.from.get(value) {
                node = node.text(3, &if *output == 0 { from.clone() } else { format!("{from}:{output}") });
            }
        }
        let entry = |key: &str, value: &Message| Message::default().text(1, key).message(2, value);
        if !attributes.is_empty() {
            node = node.message(5, &entry("attr", &Message::default().text(2, attributes)));
        }
        if let Some(shape) = shape {
            let dim = |shape: Message, size: &usize| shape.message(2, &Message::default().int(1, *size as u64));
            let shape = shape.iter().fold(Message::default(), dim);
            let list = Message::default().message(1, &Message::default().message(7, &shape));
            node = node.message(5, &entry("_output_shapes", &list));
        }
        self.message = std::mem::take(&mut self.message).message(1, &node);
        unique
    }
}
