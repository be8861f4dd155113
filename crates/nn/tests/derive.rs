//! What `#[derive(Module)]` makes of all kinds of structs: names, order, lists, generics, skips, enums.

use flambeau_nn::{
    Buffer, Call, Dropout, Forward, Layer, Linear, Mode, Module, Parameter, Part, ReLU, Sequential, Tanh,
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
    assert_eq!(all.children().len(), 10, "lists of plain data are no modules");
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
