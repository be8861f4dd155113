//! What every module can do: lists of its tensors, state dicts, moving, freezing, modes.

use flambeau_autograd::Autograd;
use flambeau_nn::{
    BatchNorm1d, BatchNorm2d, Buffer, Call, Conv2d, Conv3d, Dropout, Forward, Layer, Linear, Module, ModuleDict,
    ModuleList, Parameter, ParameterDict, Sequential, StateDict, Tanh, functional, init, utils,
};
use flambeau_tensor::{DType, Device, ErrorKind, MemoryFormat, Result, Tensor};

#[derive(Module)]
struct Net {
    body: Sequential,
    fc: Linear,
    mean: Buffer,
    table: Buffer,
}

fn net() -> Result<Net> {
    Ok(Net {
        body: Sequential::of((Linear::new(2, 3), Tanh::new(), Dropout::new(0.5)))?,
        fc: Linear::new(3, 1).build()?,
        mean: Buffer::new(Tensor::zeros(()).dtype(DType::I64).build()?),
        table: Buffer::temporary(Tensor::zeros(4).build()?),
    })
}

impl Forward<&Tensor> for Net {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc.call(&self.body.call(x)?)
    }
}

#[test]
fn lists_of_parts() {
    let net = net().unwrap();
    assert_eq!(net.parameters().len(), 4);
    assert_eq!(net.num_parameters(), 2 * 3 + 3 + 3 + 1);
    assert_eq!(net.buffers().len(), 2);
    assert_eq!(net.named_buffers()[1].0, "table");
    let paths: Vec<String> = net.named_modules().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["", "body", "body.0", "body.1", "body.2", "fc"]);
    assert_eq!(net.children().len(), 2);
    let mut types = Vec::new();
    net.apply(&mut |module| {
        types.push(module.type_name());
        Ok(())
    })
    .unwrap();
    assert_eq!(types, ["Linear", "Tanh", "Dropout", "Sequential", "Linear", "Net"]);
}

#[test]
fn what_is_applied_may_fail() {
    let net = net().unwrap();
    let mut types = Vec::new();
    let failed = net.apply(&mut |module| {
        types.push(module.type_name());
        flambeau_tensor::ensure!(module.type_name() != "Dropout", Argument, "init", "no weight to set");
        Ok(())
    });
    assert_eq!(failed.unwrap_err().message(), "no weight to set");
    assert_eq!(types, ["Linear", "Tanh", "Dropout"]);
}

#[test]
fn the_state_dict_shares_storage_and_has_no_history() {
    let net = net().unwrap();
    let state = net.state_dict();
    let names: Vec<&str> = state.names().collect();
    assert_eq!(names, ["mean", "body.0.weight", "body.0.bias", "fc.weight", "fc.bias"], "`table` is temporary");
    let weight = state.get("fc.weight").unwrap();
    assert!(!weight.requires_grad());
    weight.fill_(7.0).unwrap();
    assert_eq!(net.fc.weight.to_vec::<f32>().unwrap(), [7.0; 3]);
}

#[test]
fn a_state_goes_from_one_model_into_another() {
    let (one, two) = (net().unwrap(), net().unwrap());
    two.load_state_dict(&one.state_dict()).unwrap();
    for ((name, a), (_, b)) in one.named_parameters().into_iter().zip(two.named_parameters()) {
        assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap(), "{name}");
        assert!(!a.storage().is(b.storage()));
        assert!(b.requires_grad() && b.is_leaf());
    }
    // Whatever holds names and tensors will do, and other floating dtypes are converted.
    let entries: Vec<(String, Tensor)> =
        one.state_dict().into_iter().map(|(n, t)| (n, t.to_dtype(DType::F64).unwrap())).collect();
    let fault = two.load_state_dict(&entries).unwrap_err();
    assert!(fault.message().contains("\"mean\" is int64 here and float64 in the checkpoint"), "{fault}");
}

#[test]
fn every_fault_is_told_at_once_and_nothing_changes() {
    let net = net().unwrap();
    let before = net.fc.bias.as_ref().unwrap().to_vec::<f32>().unwrap();
    let mut state: StateDict = net.state_dict().into_iter().map(|(name, t)| (name, t.ones_like().unwrap())).collect();
    state.remove("body.0.bias");
    state.insert("fc.weight", Tensor::zeros([10, 3]).build().unwrap());
    state.insert("head.bias", Tensor::zeros(3).build().unwrap());
    let fault = net.load_state_dict(&state).unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::State);
    assert_eq!(fault.place(), "load_state_dict");
    assert_eq!(
        fault.message(),
        "1 missing key: \"body.0.bias\"; 1 unexpected key: \"head.bias\"; \
         1 size mismatch: \"fc.weight\" is [1, 3] here and [10, 3] in the checkpoint"
    );
    assert!(fault.location().is_some_and(|at| at.file().ends_with("module.rs")), "{fault}");
    assert_eq!(net.fc.bias.as_ref().unwrap().to_vec::<f32>().unwrap(), before);

    state.remove("body.0.weight");
    state.insert("more", Tensor::zeros(3).build().unwrap());
    let fault = net.load_state_dict(&state).unwrap_err();
    assert!(
        fault.message().starts_with(
            "2 missing keys: \"body.0.weight\", \"body.0.bias\"; 2 unexpected keys: \"head.bias\", \"more\";"
        ),
        "{fault}"
    );
}

#[test]
fn a_load_that_is_not_strict_reports() {
    let net = net().unwrap();
    let mut state = StateDict::new();
    state.insert("fc.bias", Tensor::full(1, 5.0).build().unwrap());
    state.insert("extra", Tensor::zeros(1).build().unwrap());
    let report = net.load_state_dict_with(&state, false).unwrap();
    assert_eq!(report.missing, ["mean", "body.0.weight", "body.0.bias", "fc.weight"]);
    assert_eq!(report.unexpected, ["extra"]);
    assert_eq!(net.fc.bias.as_ref().unwrap().to_vec::<f32>().unwrap(), [5.0]);
    // Sizes must fit all the same.
    state.insert("fc.bias", Tensor::zeros(2).build().unwrap());
    assert!(net.load_state_dict_with(&state, false).is_err());
}

#[test]
fn a_scalar_of_an_old_checkpoint_has_one_element() {
    let net = net().unwrap();
    let mut state = net.state_dict();
    state.insert("mean", Tensor::full(1, 3).build().unwrap());
    net.load_state_dict(&state).unwrap();
    assert_eq!(net.mean.item::<i64>().unwrap(), 3);
}

#[test]
fn train_and_eval_reach_every_mode() {
    let net = net().unwrap();
    assert!(net.is_training());
    net.eval();
    assert!(!net.is_training() && !net.body.is_training());
    let x = Tensor::ones([64, 2]).build().unwrap();
    let y = net.call(&x).unwrap().to_vec::<f32>().unwrap();
    assert!(y.iter().all(|v| *v == y[0]), "nothing is dropped in evaluation");
    net.train();
    let y = net.call(&x).unwrap().to_vec::<f32>().unwrap();
    assert!(y.iter().any(|v| *v != y[0]), "something is dropped in training");
}

#[test]
fn moving_makes_new_leaves_of_another_dtype() {
    let net = net().unwrap();
    net.fc.requires_grad_(false).unwrap();
    let net = net.to(DType::F64).unwrap();
    for (name, parameter) in net.named_parameters() {
        assert_eq!(parameter.dtype(), DType::F64, "{name}");
        assert_eq!(parameter.requires_grad(), !name.starts_with("fc"), "{name}");
        assert!(parameter.is_leaf());
    }
    assert_eq!(net.mean.dtype(), DType::I64, "integers keep their dtype");
    assert_eq!(net.table.dtype(), DType::F64);
}

/// As `module.to(memory_format=torch.channels_last)` of PyTorch 2.15, strides and the refusal of five dimensions.
#[test]
fn moving_into_channels_last_turns_images_kernels() -> Result<()> {
    let channels_last = MemoryFormat::ChannelsLast;
    let net = Sequential::of((Conv2d::new(3, 4, 3), BatchNorm2d::new(4), Linear::new(4, 4)))?;
    let before = net.deepcopy()?;
    let net = net.to((DType::F64, channels_last))?;
    let strides: Vec<Vec<usize>> = net.parameters().iter().map(|p| p.strides().to_vec()).collect();
    assert_eq!(strides, [&[27, 1, 9, 3][..], &[1], &[1], &[1], &[4, 1], &[1]]);
    assert!(net.parameters().iter().all(|p| p.is_leaf() && p.requires_grad() && p.dtype() == DType::F64));
    assert!(net.to(channels_last)?.parameters()[0].is(&net.parameters()[0]), "nothing moves twice");
    assert_eq!(net.deepcopy()?.parameters()[0].strides(), [27, 1, 9, 3]);

    let x = Tensor::rand([2, 3, 5, 6]).dtype(DType::F64).build()?;
    let y = net.call(&x.to(channels_last)?)?;
    let want = before.to(DType::F64)?.call(&x)?;
    assert!(y.allclose(&want)?);
    y.square()?.sum(..)?.backward()?;
    assert!(net.parameters()[0].grad().is_some());
    let deep = Conv3d::new(3, 4, 3).build()?;
    assert!(deep.to(channels_last).unwrap_err().message().contains("rank 5"));
    assert!(deep.to(MemoryFormat::ChannelsLast3d)?.weight.is_contiguous_in(MemoryFormat::ChannelsLast3d));
    Ok(())
}

#[test]
fn a_model_without_memory_gets_some_and_loads() {
    let real = net().unwrap();
    let state = real.state_dict();
    let meta = net().unwrap().to(Device::Meta).unwrap();
    assert_eq!(meta.fc.weight.device(), Device::Meta);
    assert!(meta.load_state_dict(&state).unwrap_err().message().contains("meta device"));
    let meta = meta.to_empty(Device::Cpu).unwrap();
    meta.load_state_dict(&state).unwrap();
    assert_eq!(meta.fc.weight.to_vec::<f32>().unwrap(), real.fc.weight.to_vec::<f32>().unwrap());
    assert!(meta.fc.weight.requires_grad());
}

#[derive(Module)]
struct Tied {
    encoder: Linear,
    decoder: Linear,
}

#[test]
fn a_shared_parameter_is_listed_once_and_stays_shared() {
    let encoder = Linear::new(2, 2).build().unwrap();
    let mut decoder = Linear::new(2, 2).build().unwrap();
    decoder.weight = encoder.weight.clone();
    let tied = Tied { encoder, decoder };
    assert_eq!(tied.parameters().len(), 3);
    assert_eq!(tied.state_dict().len(), 4, "the state dict names it twice, as PyTorch's");
    let tied = tied.to(DType::F64).unwrap();
    assert!(tied.encoder.weight.is(&tied.decoder.weight));
    assert_eq!(tied.parameters().len(), 3);
}

#[test]
fn freezing_and_gradients() {
    let net = net().unwrap();
    net.body.requires_grad_(false).unwrap();
    let x = Tensor::ones([2, 2]).build().unwrap();
    net.call(&x).unwrap().sum(..).unwrap().backward().unwrap();
    assert!(net.fc.weight.grad().is_some());
    assert!(net.body.parameters().iter().all(|p| p.grad().is_none()));
    net.zero_grad();
    assert!(net.fc.weight.grad().is_none());
}

#[test]
fn a_parameter_is_a_leaf_over_the_same_elements() {
    let data = Tensor::zeros(2).build().unwrap();
    let parameter = Parameter::new(data.clone()).unwrap();
    init::ones_(&parameter).unwrap();
    assert_eq!(data.to_vec::<f32>().unwrap(), [1.0; 2]);
    assert!(parameter.requires_grad() && !data.requires_grad());
    assert!(Parameter::new(Tensor::zeros(2).dtype(DType::I64).build().unwrap()).is_err());
}

#[test]
fn sequential_grows_and_refuses_bad_names() {
    let mut model = Sequential::new().add(Linear::new(1, 2)).unwrap().named("act", Tanh::new()).unwrap();
    model.push(Sequential::of((Linear::new(2, 1),)).unwrap()).unwrap();
    assert_eq!(model.len(), 3);
    assert_eq!(model.get(1).unwrap().type_name(), "Tanh");
    let names: Vec<String> = model.state_dict().names().map(str::to_string).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]);
    for name in ["act", "a.b", ""] {
        assert!(model.push_named(name, Tanh::new()).is_err(), "{name:?}");
    }
    let list = Sequential::of(vec![Linear::new(1, 1), Linear::new(1, 1)]).unwrap();
    assert_eq!(list.iter().count(), 2);
    assert!(Sequential::of((Dropout::new(1.5),)).unwrap_err().message().contains("not a probability"));
}

#[test]
fn parameters_and_buffers_in_arithmetic() -> Result<()> {
    let scale = Parameter::new(Tensor::full(2, 3.0).build()?)?;
    let shift = Buffer::new(Tensor::full(2, 1.0).build()?);
    let x = Tensor::full(2, 2.0).build()?;
    let is = |t: &Tensor, value: f32| assert_eq!(t.detach().to_vec::<f32>().unwrap(), [value; 2]);
    is(&(&scale * &x + shift.clone()), 7.0);
    is(&(&scale / 2.0), 1.5);
    is(&-&scale, -3.0);
    is(&(&shift - scale.clone()), -2.0);
    is(&x.mul(scale.clone())?, 6.0);
    // What takes a tensor takes it owned, by reference, and as a parameter.
    is(&functional::relu(&scale)?, 3.0);
    is(&functional::relu(x.neg()?)?, 0.0);
    is(&functional::l1_loss_with(&scale, shift.clone(), functional::Reduction::None)?, 2.0);
    (&scale * &x).sum(..)?.backward()?;
    is(&scale.grad().unwrap(), 2.0);
    Ok(())
}

#[test]
fn dicts_keep_their_order_and_their_names() -> Result<()> {
    #[derive(Module)]
    struct Net {
        heads: ModuleDict<Linear>,
        scales: ParameterDict,
        layers: ModuleList,
    }
    let scale = || Parameter::new(Tensor::ones(2).build()?);
    let mut heads = ModuleDict::of([("z", Linear::new(1, 2)), ("a", Linear::new(1, 3).bias(false))])?;
    assert!(heads.insert("m", Linear::new(1, 4).build()?)?.is_none());
    let old = heads.insert("z", Linear::new(1, 5).build()?)?.expect("the one that was there");
    assert_eq!(old.weight.shape(), [2, 1]);
    let mut scales = ParameterDict::new();
    scales.insert("g", scale()?)?;
    let net = Net { heads, scales, layers: vec![Box::new(Linear::new(2, 2).build()?), Box::new(Tanh::new())] };

    let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
    let heads = ["heads.z.weight", "heads.z.bias", "heads.a.weight", "heads.m.weight", "heads.m.bias"];
    assert_eq!(names, [&heads[..], &["scales.g", "layers.0.weight", "layers.0.bias"]].concat());
    assert_eq!(
        format!("{net:?}"),
        "Net(
  (heads): ModuleDict(
    (z): Linear(in_features=1, out_features=5, bias=True)
    (a): Linear(in_features=1, out_features=3, bias=False)
    (m): Linear(in_features=1, out_features=4, bias=True)
  )
  (scales): ParameterDict(  (g): Parameter containing: [torch.FloatTensor of size 2])
  (layers): ModuleList(
    (0): Linear(in_features=2, out_features=2, bias=True)
    (1): Tanh()
  )
)"
    );
    let copy = net.deepcopy()?;
    assert_eq!(copy.heads.keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    assert!(!copy.heads.get("a").unwrap().weight.is(&net.heads.get("a").unwrap().weight));

    let mut heads = copy.heads;
    assert!(heads.remove("a").is_some() && heads.remove("a").is_none() && heads.len() == 2);
    for name in ["", "a.b"] {
        assert!(heads.insert(name, Linear::new(1, 1).build()?).is_err());
    }
    let fault = ModuleDict::of([("a", Tanh::new()), ("a", Tanh::new())]).unwrap_err();
    assert!(fault.message().contains("another part is called \"a\""), "{fault}");
    Ok(())
}

#[test]
fn parts_by_their_path() -> Result<()> {
    let mut model = Sequential::of((Linear::new(2, 3), Sequential::of((BatchNorm1d::new(3), Linear::new(3, 1)))?))?;
    assert_eq!(model.get_submodule("1.0")?.type_name(), "BatchNorm1d");
    assert_eq!(model.get_submodule("")?.type_name(), "Sequential");
    assert_eq!(model.get_parameter("1.1.weight")?.shape(), [1, 3]);
    assert_eq!(model.get_buffer("1.0.running_mean")?.shape(), [3]);
    let fault = model.get_submodule("1.2").unwrap_err();
    assert_eq!(fault.message(), r#""1.2": Sequential has no module "2" among ["0", "1"]"#);
    let fault = model.get_parameter("1.0.running_mean").unwrap_err();
    assert_eq!(fault.message(), r#"there is no "1.0.running_mean" among ["1.0.weight", "1.0.bias"]"#);
    assert!(model.get_buffer("").is_err() && model.get_submodule("1.").is_err() && model.get_submodule("10").is_err());
    flambeau_nn::utils::parametrizations::weight_norm(&mut model, "0.weight", 0)?;
    assert_eq!(model.get_parameter("0.parametrizations.weight.original0")?.shape(), [3, 1]);
    assert_eq!(model.get_submodule("0.parametrizations.weight")?.type_name(), "ParametrizationList");
    Ok(())
}

/// A layer of one's own, whose error is at its own line.
#[derive(Module)]
struct Five;

const OWN_LINE: u32 = line!() + 5;

impl Forward<&Tensor> for Five {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.reshape([5])
    }
}

#[test]
fn errors_within_a_chain_name_the_line_that_called_it() -> Result<()> {
    let x = Tensor::zeros([3, 4]).build()?;
    let chain = || Sequential::of((Linear::new(4, 2), Linear::new(3, 2)));
    let boxed: Box<dyn Layer> = Box::new(chain()?);
    let shared: std::sync::Arc<dyn Layer> = std::sync::Arc::new(chain()?);
    let before = line!();
    let errors =
        [chain()?.call(&x), Sequential::of((chain()?, Tanh::new()))?.call(&x), boxed.call(&x), shared.call(&x)];
    let lines = before..line!();
    for error in errors {
        let error = error.expect_err("two features for three");
        assert!(error.location().is_some_and(|at| at.file() == file!() && lines.contains(&at.line())), "{error}");
    }
    let error = Sequential::of((Linear::new(4, 2), Five))?.call(&x).expect_err("six elements for five");
    assert!(error.location().is_some_and(|at| at.file() == file!() && at.line() == OWN_LINE), "{error}");
    let mut layer = Linear::new(2, 2).build()?;
    let error = utils::prune::l1_unstructured(&mut layer, "weight", 5_usize).expect_err("more than there are");
    assert!(error.location().is_some_and(|at| at.file() == file!()), "{error}");
    Ok(())
}

#[test]
fn a_move_that_fails_names_the_line_that_asked_for_it() -> Result<()> {
    let layer = Linear::new(2, 2).build()?;
    let error = layer.to(DType::I64).expect_err("integers have no gradients");
    assert!(error.location().is_some_and(|at| at.file() == file!()), "{error}");
    assert_eq!(layer.weight.dtype(), DType::F32);
    Ok(())
}
