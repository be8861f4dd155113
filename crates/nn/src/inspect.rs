//! Looking at a model: its layers with what they give, hold and cost, the norms of its gradients, and its tree as a graph.

use crate::forward::Calls;
use crate::{
    Boxed, DynModule, Forward, Item, Module, RemovableHandle, identity, register_module_forward_hook,
    register_module_forward_pre_hook,
};
use flambeau_autograd::Autograd;
use flambeau_tensor::dispatch::{Call, Interpreter, interpret};
use flambeau_tensor::{Device, Op, Outputs, Result, Tensor, Tensors, no_grad, stack};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::thread;

/// One module of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// Its name in the model; empty for the model itself.
    pub name: String,
    /// What it is: `Conv2d`.
    pub kind: String,
    /// How deep in the model it stands; the model itself is at 0.
    pub depth: usize,
    /// The shapes of what it gave when it was last called; none where it was not.
    pub outputs: Vec<Vec<usize>>,
    /// The elements of its own parameters, without those of modules inside.
    pub parameters: usize,
    /// The products that are summed in matrix products and convolutions while it is called, those of modules inside too.
    pub macs: u64,
}

/// A model's modules, as [`summary`] finds them. It prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The model and all modules inside, in order.
    pub layers: Vec<LayerSummary>,
    /// The elements of all parameters.
    pub parameters: usize,
    /// Those that are trained.
    pub trainable: usize,
    /// The elements of all buffers.
    pub buffers: usize,
    /// Bytes of parameters and buffers.
    pub bytes: usize,
    /// The products that are summed in one call.
    pub macs: u64,
}

/// What is known while the model is called.
#[derive(Default)]
struct Watch {
    /// The numbers of modules, by identity.
    numbers: HashMap<identity::Key, usize>,
    /// Which modules are being called, the innermost last.
    called: Vec<Option<usize>>,
    outputs: HashMap<usize, Vec<Vec<usize>>>,
    macs: HashMap<usize, u64>,
}

thread_local! {
    /// The model that this thread watches.
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Does `f` with this thread's watch, if there is one.
fn watching(f: impl FnOnce(&mut Watch)) {
    WATCH.with(|watch| watch.borrow_mut().as_mut().map(f));
}

/// Counts products.
struct Count;

impl Interpreter for Count {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let shapes: Vec<&[usize]> = call.inputs.iter().map(|input| input.shape()).collect();
        let Some(macs) = macs(&call.op, &shapes) else { return call.run() };
        let outputs = call.run()?;
        let macs = match macs {
            Macs::All(all) => all,
            Macs::EachOutput(each) => outputs.first().map_or(0, Tensor::numel) as u64 * each,
        };
        watching(|watch| {
            let mut counted = Vec::new();
            for number in watch.called.iter().flatten() {
                if !counted.contains(number) {
                    counted.push(*number);
                    *watch.macs.entry(*number).or_default() += macs;
                }
            }
        });
        Ok(outputs)
    }
}

/// How many products an op sums.
enum Macs {
    All(u64),
    /// For each element of its output.
    EachOutput(u64),
}

/// What `op` with inputs of these shapes sums; of an op without products `None`.
fn macs(op: &Op, inputs: &[&[usize]]) -> Option<Macs> {
    let product = |shape: &[usize]| shape.iter().map(|&size| size as u64).product::<u64>();
    let last = |shape: &[usize], i: usize| shape.iter().nth_back(i).map_or(1, |&size| size as u64);
    Some(match (op, inputs) {
        (Op::Matmul(_) | Op::Linear(_), [a, ..]) => Macs::EachOutput(last(a, 0)),
        (Op::Conv(_), [_, weight, ..]) => Macs::EachOutput(weight.iter().skip(1).map(|&size| size as u64).product()),
        (Op::ConvInputGrad(_), [x, weight, ..]) => {
            Macs::All(product(x) * weight.iter().skip(1).map(|&size| size as u64).product::<u64>())
        }
        // What is made of the input is a product of its own, outside the op.
        (Op::RnnLayer(layer), [gates, _, weight, ..]) => {
            let projection = inputs.last().filter(|_| layer.projection);
            let each = product(weight) + projection.map_or(0, |shape| product(shape));
            Macs::All(last(gates, 1) * each)
        }
        (Op::ScaledDotProductAttention(_), [query, keys, values, ..]) => {
            Macs::All(product(query) / last(query, 0).max(1) * last(keys, 1) * (last(query, 0) + last(values, 0)))
        }
        _ => return None,
    })
}

fn shapes(tensors: &dyn Tensors) -> Vec<Vec<usize>> {
    tensors.tensors().iter().map(|t| t.shape().to_vec()).collect()
}

/// Calls `model` with `input` on the meta device, which computes shapes and takes no memory, and says what each module
/// gives, holds and costs. The model itself, its buffers and its mode stay as they are.
///
/// ```
/// use flambeau_nn::{Conv2d, Flatten, Linear, ReLU, Sequential, summary};
/// use flambeau_tensor::Tensor;
///
/// let model = Sequential::of((Conv2d::new(1, 8, 3), ReLU::new(), Flatten::new(), Linear::new(8 * 26 * 26, 10)))?;
/// let summary = summary(&model, &Tensor::zeros([1, 1, 28, 28]).build()?)?;
/// assert_eq!(summary.layers[1].outputs, [[1, 8, 26, 26]]);
/// assert_eq!((summary.parameters, summary.macs), (54_170, 48_672 + 54_080));
/// println!("{summary}");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the model cannot be called with that input, or looks at values, of which there are none.
#[track_caller]
pub fn summary<I, M>(model: &M, input: I) -> Result<Summary>
where
    I: Calls<M>,
    M: Boxed + Forward<I>,
{
    let meta = no_grad(|| model.to(Device::Meta))?;
    let modules = named_modules(meta.as_module());
    let mut watch = Watch::default();
    for (number, (_, module)) in modules.iter().enumerate() {
        if let Some((key, _)) = identity::key(*module) {
            watch.numbers.entry(key).or_insert(number);
        }
    }
    let number =
        |watch: &Watch, module: &DynModule| identity::key(module).and_then(|(key, _)| watch.numbers.get(&key).copied());
    struct Watching;
    impl Drop for Watching {
        fn drop(&mut self) {
            let watch = WATCH.with(|watch| watch.borrow_mut().take());
            drop(watch);
        }
    }
    struct Removed(Option<RemovableHandle>);
    impl Drop for Removed {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                handle.remove();
            }
        }
    }
    WATCH.with(|own| own.borrow_mut().replace(watch));
    let watched = Watching;
    // Another thread may watch a model of its own, and its hooks see the modules of this one, too.
    let own = thread::current().id();
    let _before = Removed(Some(register_module_forward_pre_hook(move |module, _| {
        if thread::current().id() == own {
            watching(|watch| {
                let number = number(watch, module);
                watch.called.push(number);
            });
        }
        Ok(())
    })?));
    let _after = Removed(Some(register_module_forward_hook(move |_, _, outputs| {
        if thread::current().id() == own {
            watching(|watch| {
                if let Some(Some(number)) = watch.called.pop() {
                    watch.outputs.insert(number, shapes(outputs));
                }
            });
        }
        Ok(())
    })?));
    let mut fault = None;
    let mut to_meta = |tensor: &mut Tensor| match tensor.to_device(Device::Meta) {
        Ok(moved) => *tensor = moved,
        Err(e) => fault = Some(e),
    };
    let called = no_grad(|| interpret(Rc::new(Count), || input.call_changed(&meta, &mut to_meta)));
    if let Some(fault) = fault {
        return Err(fault);
    }
    called.map(drop)?;
    let mut watch = WATCH.with(|own| own.borrow_mut().take()).unwrap_or_default();
    drop(watched);

    let layers = modules.iter().enumerate().map(|(number, (name, module))| LayerSummary {
        name: name.clone(),
        kind: module.type_name().to_string(),
        depth: if name.is_empty() { 0 } else { 1 + name.matches('.').count() },
        outputs: watch.outputs.remove(&number).unwrap_or_default(),
        parameters: own_parameters(*module),
        macs: watch.macs.get(&number).copied().unwrap_or(0),
    });
    let layers: Vec<LayerSummary> = layers.collect();
    let (parameters, buffers) = (model.parameters(), model.buffers());
    let count = |tensors: &[Tensor]| tensors.iter().map(Tensor::numel).sum::<usize>();
    let trained = parameters.iter().filter(|p| p.requires_grad());
    Ok(Summary {
        macs: layers.first().map_or(0, |model| model.macs),
        layers,
        parameters: count(&parameters),
        trainable: trained.map(Tensor::numel).sum(),
        buffers: count(&buffers),
        bytes: parameters.iter().chain(&buffers).map(|t| t.numel() * t.dtype().size()).sum(),
    })
}

/// The modules of a model, without what parameters are computed by.
fn named_modules(model: &DynModule) -> Vec<(String, &DynModule)> {
    let mut modules = model.named_modules();
    modules.retain(|(name, _)| !name.contains("parametrizations."));
    modules
}

/// The elements of a module's parameters, those that they are computed from among them.
fn own_parameters(module: &DynModule) -> usize {
    let mut sum = 0;
    module.visit(&mut |name, item| match item {
        Item::Parameter(parameter) => sum += parameter.numel(),
        Item::Module(list) if name.starts_with("parametrizations.") => sum += list.num_parameters(),
        _ => {}
    });
    sum
}

/// A number with commas.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |n: u64| if n == 0 { "-".to_string() } else { grouped(n) };
        let mut rows = vec![["Layer", "Output", "Parameters", "MACs"].map(str::to_string)];
        for layer in &self.layers {
            let own = layer.name.rsplit('.').next().unwrap_or_default();
            let label = if own.is_empty() { layer.kind.clone() } else { format!("{own}: {}", layer.kind) };
            let outputs: Vec<String> = layer.outputs.iter().map(|shape| format!("{shape:?}")).collect();
            rows.push([
                format!("{}{label}", "  ".repeat(layer.depth)),
                if outputs.is_empty() { "-".to_string() } else { outputs.join(" ") },
                some(layer.parameters as u64),
                some(layer.macs),
            ]);
        }
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2), width(3)];
        let line = "-".repeat(widths.iter().sum::<usize>() + 6);
        for (i, [layer, output, parameters, macs]) in rows.iter().enumerate() {
            let [a, b, c, d] = widths;
            writeln!(f, "{}", format!("{layer:<a$}  {output:<b$}  {parameters:>c$}  {macs:>d$}").trim_end())?;
            if i == 0 {
                writeln!(f, "{line}")?;
            }
        }
        writeln!(f, "{line}")?;
        writeln!(f, "Parameters: {} ({} trained)", grouped(self.parameters as u64), grouped(self.trainable as u64))?;
        writeln!(f, "Buffers: {}", grouped(self.buffers as u64))?;
        writeln!(f, "Memory of both: {:.2} MiB", self.bytes as f64 / f64::from(1 << 20))?;
        write!(f, "MACs: {}", grouped(self.macs))
    }
}

/// The 2-norm of each parameter's gradient, by name; none where it has no gradient. All are read from the device at once.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_nn::{Call, Linear, Sequential, Tanh, gradient_norms};
/// use flambeau_tensor::Tensor;
///
/// let model = Sequential::of((Linear::new(2, 3), Tanh::new(), Linear::new(3, 1)))?;
/// model.call(&Tensor::ones([4, 2]).build()?)?.sum(..)?.backward()?;
/// let norms = gradient_norms(&model)?;
/// assert_eq!(norms[3], ("2.bias".to_string(), Some(4.0)));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where a norm cannot be computed.
#[track_caller]
pub fn gradient_norms<M: Module + ?Sized>(model: &M) -> Result<Vec<(String, Option<f64>)>> {
    no_grad(|| {
        let (mut names, mut norms) = (Vec::new(), Vec::new());
        for (name, parameter) in model.named_parameters() {
            let grad = parameter.grad();
            names.push((name, grad.is_some()));
            if let Some(grad) = grad {
                norms.push(grad.to_dtype(flambeau_tensor::DType::F64)?.norm(2.0, ..)?.to_device(Device::Cpu)?);
            }
        }
        let mut values = if norms.is_empty() { Vec::new() } else { stack(&norms, 0)?.to_vec::<f64>()? }.into_iter();
        Ok(names.into_iter().map(|(name, has)| (name, if has { values.next() } else { None })).collect())
    })
}

/// The tree of a model's modules as a graph in the language of Graphviz: `dot -Tsvg`. Each module has a box with its name,
/// what it is, and how many elements its own parameters have; a module that stands at several places has one box.
///
/// ```
/// use flambeau_nn::{Linear, Sequential, Tanh, module_graph};
///
/// let model = Sequential::of((Linear::new(2, 3), Tanh::new()))?;
/// let dot = module_graph(&model);
/// assert!(dot.contains("label=\"0\\nLinear\\n9 parameters\""), "{dot}");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn module_graph<M: Module + ?Sized>(model: &M) -> String {
    let mut graph = Graph { text: String::new(), nodes: HashMap::new() };
    graph.node("", model.as_module());
    format!("digraph model {{\n  node [shape=box, fontname=\"sans-serif\"];\n{}}}\n", graph.text)
}

struct Graph {
    text: String,
    /// The numbers of the boxes of modules that have a size, by address.
    nodes: HashMap<(usize, std::any::TypeId), usize>,
}

impl Graph {
    fn node(&mut self, name: &str, module: &DynModule) -> usize {
        let address = std::ptr::from_ref(module).cast::<()>() as usize;
        let key = (address, (module as &dyn std::any::Any).type_id());
        if let Some(number) = self.nodes.get(&key) {
            return *number;
        }
        let number = self.nodes.len();
        self.nodes.insert(key, number);
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut label = Vec::new();
        if !name.is_empty() {
            label.push(quoted(name));
        }
        label.push(quoted(module.type_name()));
        let parameters = own_parameters(module);
        if parameters > 0 {
            label.push(format!("{} parameters", grouped(parameters as u64)));
        }
        self.text += &format!("  m{number} [label=\"{}\"];\n", label.join("\\n"));
        for (name, child) in module.named_children() {
            if !name.starts_with("parametrizations.") {
                let child = self.node(&name, child);
                self.text += &format!("  m{number} -> m{child};\n");
            }
        }
        number
    }
}
