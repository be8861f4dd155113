//! What `#[derive(Module)]` makes of all kinds of structs: names, order, lists, generics, skips, enums.

use flambeau_nn::{
    BatchNorm1d, BatchNorm2d, Buffer, Call, Conv2d, Dropout, ExtraState, FnLayer, Forward, Layer, Linear, Mode, Module,
    ModuleId, Parameter, Part, ReLU, Sequential, SyncBatchNorm, Tanh,
};
use flambeau_tensor::{DType, Result, Tensor};
use std::collections::BTreeMap;
use std::marker::PhantomData;

fn parameter(shape: &[usize]) -> Parameter {
    Parameter::new(Tensor::zeros(shape).build().unwrap()).unwrap()
}

fn names(module: &impl Module) -> Vec<String> {
    module.state_dict().names().map(str::to_string).collect()
}

#[derive(Module)]
struct Block {
    conv: Linear,
    scale: Parameter,
    running: Buffer,
    shortcut: Option<Sequential>,
}

fn block(shortcut: bool) -> Result<Block> {
    Ok(Block {
        conv: Linear::new(2, 3).bias(false).build()?,
        scale: parameter(&[3]),
        running: Buffer::new(Tensor::zeros(3).build()?),
        shortcut: shortcut.then(|| Sequential::of((Linear::new(2, 3), Tanh::new()))).transpose()?,
    })
}

#[test]
fn own_tensors_stand_before_those_of_children_as_in_pytorch() {
    assert_eq!(
        names(&block(true).unwrap()),
        ["scale", "running", "conv.weight", "shortcut.0.weight", "shortcut.0.bias"]
    );
    assert_eq!(names(&block(false).unwrap()), ["scale", "running", "conv.weight"]);
}

#[derive(Module)]
struct Everything {
    layers: Vec<Block>,
    pair: [Linear; 2],
    both: (Linear, Sequential),
    mixed: (Parameter, usize, Option<Linear>),
    boxed: Box<Linear>,
    chosen: Vec<Option<Linear>>,
    lists: Vec<Vec<Linear>>,
    tensors: Vec<Parameter>,
    by_name: BTreeMap<String, Linear>,
    layer: Box<dyn Layer>,
    #[module(name = "renamed")]
    called: Linear,
    r#type: Linear,
    sizes: Vec<usize>,
    deep: Vec<Vec<f64>>,
    width: usize,
    eps: f64,
    kernel: (usize, usize),
    dtype: DType,
    title: Option<String>,
    mode: Mode,
    #[module(skip)]
    hook: fn(f64) -> f64,
}

fn everything() -> Result<Everything> {
    let linear = || Linear::new(1, 1).bias(false).build();
    Ok(Everything {
        layers: vec![block(false)?, block(true)?],
        pair: [linear()?, linear()?],
        both: (linear()?, Sequential::of((Tanh::new(), linear()?))?),
        mixed: (parameter(&[2]), 7, Some(linear()?)),
        boxed: Box::new(linear()?),
        chosen: vec![None, Some(linear()?)],
        lists: vec![vec![linear()?], vec![linear()?, linear()?]],
        tensors: vec![parameter(&[1]), parameter(&[2, 4])],
        by_name: BTreeMap::from([("a".to_string(), linear()?), ("b".to_string(), linear()?)]),
        layer: Box::new(linear()?),
        called: linear()?,
        r#type: linear()?,
        sizes: vec![1, 2],
        deep: vec![vec![0.5]],
        width: 3,
        eps: 1e-5,
        kernel: (3, 3),
        dtype: DType::F32,
        title: None,
        mode: Mode::new(),
        hook: f64::abs,
    })
}

#[test]
fn fields_of_every_kind() {
    let all = everything().unwrap();
    assert_eq!(
        names(&all),
        [
            "layers.0.scale",
            "layers.0.running",
            "layers.0.conv.weight",
            "layers.1.scale",
            "layers.1.running",
            "layers.1.conv.weight",
            "layers.1.shortcut.0.weight",
            "layers.1.shortcut.0.bias",
            "pair.0.weight",
            "pair.1.weight",
            "both.0.weight",
            "both.1.1.weight",
            "mixed.0",
            "mixed.2.weight",
            "boxed.weight",
            "chosen.1.weight",
            "lists.0.0.weight",
            "lists.1.0.weight",
            "lists.1.1.weight",
            "tensors.0",
            "tensors.1",
            "by_name.a.weight",
            "by_name.b.weight",
            "layer.weight",
            "renamed.weight",
            "type.weight",
        ]
    );
    assert_eq!((all.hook)(-1.0), 1.0);
    assert_eq!(
        (all.sizes.len(), all.deep[0][0], all.width, all.eps, all.kernel, all.dtype),
        (2, 0.5, 3, 1e-5, (3, 3), DType::F32)
    );
    assert!(all.title.is_none() && all.mode.is_training());
    assert_eq!(all.children().len(), 12, "lists and tuples of plain data are no modules");
}

#[derive(Module)]
struct Residual<M, T>
where
    M: Layer,
{
    inner: M,
    gains: Vec<Option<Parameter>>,
    kind: PhantomData<T>,
}

impl<M: Layer, T: Send + Sync + 'static> Forward<&Tensor> for Residual<M, T> {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.add(&self.inner.call(x)?)
    }
}

#[derive(Module)]
struct Stack<const N: usize, P: Part> {
    parts: [P; N],
}

struct NoModule;

#[test]
fn generics() {
    let inner = Linear::new(2, 2).build().unwrap();
    let residual = Residual::<_, NoModule> { inner, gains: vec![None, Some(parameter(&[1]))], kind: PhantomData };
    assert_eq!(names(&residual), ["inner.weight", "inner.bias", "gains.1"]);
    assert_eq!(residual.call(&Tensor::zeros([1, 2]).build().unwrap()).unwrap().shape(), [1, 2]);
    let model = Sequential::of((residual, ReLU::new())).unwrap();
    assert_eq!(model.named_parameters()[0].0, "0.inner.weight");
    assert_eq!(names(&Stack { parts: [parameter(&[1]), parameter(&[1])] }), ["parts.0", "parts.1"]);
}

#[derive(Module)]
struct Pair(Linear, Parameter);

#[derive(Module)]
struct Nothing;

#[derive(Module)]
enum Head {
    Linear(Linear),
    Deep { hidden: Linear, out: Linear },
    Off,
}

#[test]
fn tuple_structs_unit_structs_and_enums() {
    let linear = || Linear::new(1, 1).bias(false).build().unwrap();
    assert_eq!(names(&Pair(linear(), parameter(&[1]))), ["1", "0.weight"]);
    assert_eq!(format!("{Nothing:?}"), "Nothing()");
    assert_eq!(names(&Head::Linear(linear())), ["0.weight"]);
    assert_eq!(names(&Head::Deep { hidden: linear(), out: linear() }), ["hidden.weight", "out.weight"]);
    assert!(names(&Head::Off).is_empty());
}

#[derive(Module)]
#[module(name = "Attention", extra_repr = "Described::text")]
struct Described {
    heads: usize,
    dropout: Dropout,
}

impl Described {
    fn text(&self) -> String {
        format!("heads={}", self.heads)
    }
}

#[test]
fn a_name_and_text_of_its_own() {
    let described = Described { heads: 8, dropout: Dropout::new(0.1).build().unwrap() };
    assert_eq!(format!("{described:?}"), "Attention(\n  heads=8\n  (dropout): Dropout(p=0.1, inplace=False)\n)");
}

#[test]
fn the_tree_prints_as_pytorch_prints_it() {
    let mut all = everything().unwrap();
    all.lists.clear();
    all.pair = [Linear::new(1, 2).build().unwrap(), Linear::new(1, 2).build().unwrap()];
    let expected = "\
Everything(
  (layers): ModuleList(
    (0): Block(
      (conv): Linear(in_features=2, out_features=3, bias=False)
    )
    (1): Block(
      (conv): Linear(in_features=2, out_features=3, bias=False)
      (shortcut): Sequential(
        (0): Linear(in_features=2, out_features=3, bias=True)
        (1): Tanh()
      )
    )
  )
  (pair): ModuleList(
    (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)
  )
  (both): ModuleList(
    (0): Linear(in_features=1, out_features=1, bias=False)
    (1): Sequential(
      (0): Tanh()
      (1): Linear(in_features=1, out_features=1, bias=False)
    )
  )
  (mixed): ModuleList(
    (2): Linear(in_features=1, out_features=1, bias=False)
  )
  (boxed): Linear(in_features=1, out_features=1, bias=False)
  (chosen): ModuleList(
    (1): Linear(in_features=1, out_features=1, bias=False)
  )
  (lists): ModuleList()
  (tensors): ParameterList(
      (0): Parameter containing: [torch.float32 of size 1]
      (1): Parameter containing: [torch.float32 of size 2x4]
  )
  (by_name): ModuleDict(
    (a): Linear(in_features=1, out_features=1, bias=False)
    (b): Linear(in_features=1, out_features=1, bias=False)
  )
  (layer): Linear(in_features=1, out_features=1, bias=False)
  (renamed): Linear(in_features=1, out_features=1, bias=False)
  (type): Linear(in_features=1, out_features=1, bias=False)
)";
    assert_eq!(format!("{all:?}"), expected);
}

#[derive(Module)]
struct Gates {
    weight_ih: Parameter,
    weight_hh: Parameter,
}

/// Its layers' parameters have the names that PyTorch's recurrent layers give them.
#[derive(Module)]
struct Recurrent {
    #[module(flatten = "{name}_l{index}")]
    layers: Vec<Gates>,
    #[module(flatten)]
    head: Linear,
    id: ModuleId,
}

#[test]
fn flattened_parts_stand_among_those_of_their_module() -> Result<()> {
    let gates = |n: usize| Gates { weight_ih: parameter(&[4, n]), weight_hh: parameter(&[4, 4]) };
    let net = Recurrent { layers: vec![gates(3), gates(4)], head: Linear::new(4, 2).build()?, id: ModuleId::new() };
    let expected = ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1", "weight", "bias"];
    assert_eq!(names(&net), expected);
    assert_eq!(net.named_modules().len(), 1, "what is flattened is no module of its own");

    let state = net.deepcopy()?.to(DType::F64)?.state_dict();
    assert_eq!(state.get("weight_ih_l1").unwrap().dtype(), DType::F64);
    flambeau_nn::init::ones_(&net.layers[1].weight_ih)?;
    net.load_state_dict(&state)?;
    assert_eq!(net.layers[1].weight_ih.sum(..)?.item::<f32>()?, 0.0);
    // Parametrizations find them by these names.
    let mut net = net;
    flambeau_nn::init::ones_(&net.layers[0].weight_hh)?;
    flambeau_nn::utils::parametrizations::weight_norm(&mut net, "weight_hh_l0", 0)?;
    assert!(net.layers[0].weight_hh.parametrizations().is_some());
    Ok(())
}

#[derive(Module)]
#[module(extra_state)]
struct Counter {
    scale: Parameter,
    inner: Linear,
    seen: Mode,
}

impl ExtraState for Counter {
    fn get_extra_state(&self) -> Tensor {
        Tensor::from_vec(vec![i64::from(self.seen.is_training())], ()).expect("one number")
    }

    fn set_extra_state(&self, state: &Tensor) -> Result<()> {
        self.seen.set(state.item::<i64>()? == 1);
        Ok(())
    }
}

#[test]
fn extra_state_stands_in_the_state_dict() -> Result<()> {
    let counter = || -> Result<Counter> {
        Ok(Counter { scale: parameter(&[1]), inner: Linear::new(1, 1).build()?, seen: Mode::new() })
    };
    let model = Sequential::new();
    assert!(model.extra_state().is_none());
    #[derive(Module)]
    struct Outer {
        first: Counter,
        boxed: Box<Counter>,
    }
    let model = Outer { first: counter()?, boxed: Box::new(counter()?) };
    let expected = ["first.scale", "first._extra_state", "first.inner.weight", "first.inner.bias"];
    assert_eq!(names(&model)[..4], expected);
    let state = model.state_dict();
    assert_eq!(state.get("boxed._extra_state").unwrap().item::<i64>()?, 1);
    model.eval();
    model.load_state_dict(&state)?;
    assert!(model.first.seen.is_training() && model.boxed.seen.is_training());

    let mut lacks = model.state_dict();
    lacks.remove("boxed._extra_state");
    let fault = model.load_state_dict(&lacks).unwrap_err();
    assert!(fault.message().contains("1 missing key: \"boxed._extra_state\""), "{fault}");
    let report = model.load_state_dict_with(&lacks, false)?;
    assert_eq!((report.missing, report.unexpected), (vec!["boxed._extra_state".to_string()], vec![]));
    // One that is refused leaves the tensors as they were.
    let mut bad = model.state_dict();
    bad.insert("first.scale", Tensor::ones(1).build()?);
    bad.insert("boxed._extra_state", Tensor::zeros(2).build()?);
    assert!(model.load_state_dict(&bad).is_err());
    assert_eq!(model.first.scale.item::<f32>()?, 0.0);
    Ok(())
}

#[derive(Module)]
enum Step<A> {
    Layer(A),
    Named { act: FnLayer, then: Linear },
}

/// Any layer, and closures as layers.
#[derive(Module)]
struct Generic<A: for<'a> Forward<&'a Tensor, Output = Tensor>> {
    steps: Vec<Step<A>>,
    last: FnLayer,
}

impl<A: for<'a> Forward<&'a Tensor, Output = Tensor>> Forward<&Tensor> for Generic<A> {
    type Output = Tensor;

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for step in &self.steps {
            x = match step {
                Step::Layer(layer) => layer.forward(&x)?,
                Step::Named { act, then } => then.call(&act.call(&x)?)?,
            };
        }
        self.last.call(&x)
    }
}

#[test]
fn generic_layers_enums_and_closures() -> Result<()> {
    let shift = 2.0;
    let net = Generic {
        steps: vec![
            Step::Layer(Linear::new(2, 3).build()?),
            Step::Named { act: FnLayer::new(|x| x.abs()), then: Linear::new(3, 1).bias(false).build()? },
        ],
        last: FnLayer::new(move |x| x.add(shift)),
    };
    assert_eq!(names(&net), ["steps.0.0.weight", "steps.0.0.bias", "steps.1.then.weight"]);
    let x = Tensor::ones([4, 2]).build()?;
    assert_eq!(net.call(&x)?.shape(), [4, 1]);
    assert!(net.deepcopy()?.call(&x)?.equal(&net.call(&x)?)?);
    let chain = Sequential::of((net, Tanh::new()))?;
    assert_eq!(chain.call(&x)?.shape(), [4, 1]);
    Ok(())
}

#[test]
fn batch_norms_of_chains_become_synchronized_ones() -> Result<()> {
    let inner = Sequential::of((BatchNorm1d::new(2),))?;
    let mut model = Sequential::of((Conv2d::new(1, 4, 1), BatchNorm2d::new(4), inner))?;
    let weight = model.named_parameters().remove(2).1;
    let plain = Sequential::of((BatchNorm2d::new(4),))?;
    SyncBatchNorm::convert_sync_batchnorm(&mut model);
    assert_eq!(
        format!("{model:?}"),
        "Sequential(
  (0): Conv2d(1, 4, kernel_size=(1, 1), stride=(1, 1))
  (1): SyncBatchNorm(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  (2): Sequential(
    (0): SyncBatchNorm(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  )
)"
    );
    assert!(model.named_parameters()[2].1.is(&weight), "the parameters stay");
    // With one process it is batch norm.
    let x = Tensor::arange(0, 64).build()?.to_dtype(DType::F32)?.reshape([2, 4, 2, 4])?;
    let sync = SyncBatchNorm::new(4).build()?;
    assert!(sync.call(&x)?.equal(&plain.call(&x)?)?);
    assert!(sync.running_var.as_ref().unwrap().equal(&plain.buffers()[1])?);
    assert!(sync.call(&Tensor::ones(4).build()?).is_err());
    Ok(())
}
