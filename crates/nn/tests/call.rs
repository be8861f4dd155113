//! Calling modules and what hangs on a call: inputs of any kind, hooks, identity, copies, given parameters, sharing.

use flambeau_autograd::Autograd;
use flambeau_nn::*;
use flambeau_tensor::{DType, Error, ErrorKind, Result, Tensor};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Hooks on all modules are the process's, so tests that have them run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape).build().unwrap()
}

fn read(x: &Tensor) -> Vec<f32> {
    x.detach().to_vec().unwrap()
}

/// a·x + b·y
#[derive(Module)]
struct Mix {
    a: Parameter,
    b: Parameter,
}

impl Forward<(&Tensor, &Tensor)> for Mix {
    type Output = (Tensor, Vec<Tensor>);

    fn forward(&self, (x, y): (&Tensor, &Tensor)) -> Result<Self::Output> {
        let (left, right) = (self.a.mul(x)?, self.b.mul(y)?);
        Ok((left.add(&right)?, vec![left, right]))
    }
}

fn mix() -> Result<Mix> {
    let parameter = |value: f64| Parameter::new(Tensor::full(2, value).build()?);
    Ok(Mix { a: parameter(2.0)?, b: parameter(3.0)? })
}

/// What two inputs are in generic code.
fn generic<M>(model: &M, x: &Tensor) -> Result<Tensor>
where
    M: for<'a> Forward<(&'a Tensor, &'a Tensor), Output = (Tensor, Vec<Tensor>)>,
{
    Ok(model.call((x, x))?.0)
}

#[test]
fn hooks_see_and_replace_all_tensors() -> Result<()> {
    let _alone = alone();
    let (mix, other) = (mix()?, mix()?);
    let (x, y) = (ones(&[2]), ones(&[2]));
    assert_eq!(read(&generic(&mix, &x)?), [5.0; 2]);
    let twice = mix.register_forward_pre_hook(|module, inputs| {
        assert_eq!(module.type_name(), "Mix");
        inputs.visit_tensors_mut(&mut |x| *x = x.mul(2.0).unwrap());
        Ok(())
    })?;
    let counted = Arc::new(Mutex::new(Vec::new()));
    let seen = counted.clone();
    let minus = mix.register_forward_hook(move |_, inputs, outputs| {
        seen.lock().unwrap().push((inputs.tensors().len(), outputs.tensors().len()));
        outputs.visit_tensors_mut(&mut |y| *y = y.neg().unwrap());
        Ok(())
    })?;
    let (sum, parts) = mix.call((&x, &y))?;
    assert_eq!((read(&sum), read(&parts[0]), read(&parts[1])), (vec![-10.0; 2], vec![-4.0; 2], vec![-6.0; 2]));
    assert_eq!(read(&other.call((&x, &y))?.0), [5.0; 2], "the other one has no hook");
    twice.remove();
    assert_eq!(read(&mix.call((&x, &y))?.0), [-5.0; 2]);
    minus.remove();
    assert_eq!(read(&mix.call((&x, &y))?.0), [5.0; 2]);
    assert_eq!(*counted.lock().unwrap(), [(2, 3), (2, 3)]);

    let refuses =
        mix.register_forward_hook(|_, _, _| Err(Error::new(ErrorKind::Argument, "hook", "no".to_string())))?;
    assert_eq!(mix.call((&x, &y)).unwrap_err().place(), "hook");
    refuses.remove();
    Ok(())
}

/// Against PyTorch: the gradients that a full backward hook sees, and those that it returns.
#[test]
fn a_full_backward_hook_sees_and_changes_gradients() -> Result<()> {
    let _alone = alone();
    let mix = mix()?;
    let x = ones(&[2]).requires_grad_()?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let handle = mix.register_full_backward_hook(move |inputs, outputs| {
        let list = |grads: &[Option<Tensor>]| grads.iter().map(|g| g.as_ref().map(read)).collect::<Vec<_>>();
        kept.lock().unwrap().push((list(inputs), list(outputs)));
        inputs[0] = inputs[0].as_ref().map(|grad| grad.mul(10.0)).transpose()?;
        Ok(())
    })?;
    // x is used twice; the hook sees only what goes through the module.
    let (sum, parts) = mix.call((&x, &ones(&[2])))?;
    sum.mul(7.0)?.add(&parts[0])?.add(&x)?.sum(..)?.backward()?;
    let (inputs, outputs) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(inputs, [Some(vec![16.0; 2]), None]);
    assert_eq!(outputs, [Some(vec![7.0; 2]), Some(vec![1.0; 2]), None]);
    assert_eq!(read(&x.grad().unwrap()), [161.0; 2]);
    assert_eq!(read(&mix.a.grad().unwrap()), [8.0; 2], "parameters keep their gradients");
    handle.remove();

    // No input requires grad: the hook is called at the outputs.
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let handle = mix.register_full_backward_hook(move |inputs, _| {
        *count.lock().unwrap() += 1;
        assert!(inputs.is_empty());
        Ok(())
    })?;
    mix.call((&ones(&[2]), &ones(&[2])))?.0.sum(..)?.backward()?;
    assert_eq!(*calls.lock().unwrap(), 1);
    handle.remove();
    Ok(())
}

/// Against PyTorch: what a hook before the backward makes of the outputs' gradients goes through the module, and is what
/// hooks after it see.
#[test]
fn a_full_backward_pre_hook_changes_the_gradients_of_outputs() -> Result<()> {
    let _alone = alone();
    let mix = mix()?;
    let x = ones(&[2]).requires_grad_()?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let before = mix.register_full_backward_pre_hook(|outputs| {
        assert!(outputs[2].is_none(), "nothing came to the last output");
        outputs[0] = outputs[0].as_ref().map(|grad| grad.mul(3.0)).transpose()?;
        Ok(())
    })?;
    let after = mix.register_full_backward_hook(move |_, outputs| {
        kept.lock().unwrap().push(outputs[0].as_ref().map(read));
        Ok(())
    })?;
    let (sum, parts) = mix.call((&x, &ones(&[2])))?;
    sum.mul(7.0)?.add(&parts[0])?.sum(..)?.backward()?;
    assert_eq!(seen.lock().unwrap().pop(), Some(Some(vec![21.0; 2])));
    assert_eq!(read(&x.grad().unwrap()), [44.0; 2], "2 · 21 of the sum, 2 of the part");
    after.remove();

    // Alone, and one on all modules before it.
    x.clear_grad();
    let of_all = register_module_full_backward_pre_hook(|outputs| {
        outputs[0] = outputs[0].as_ref().map(|grad| grad.add(1.0)).transpose()?;
        Ok(())
    })?;
    mix.call((&x, &ones(&[2])))?.0.sum(..)?.backward()?;
    assert_eq!(read(&x.grad().unwrap()), [12.0; 2], "2 · 3 · (1 + 1)");
    (of_all.remove(), before.remove());

    let wrong = mix.register_full_backward_pre_hook(|outputs| {
        outputs[0] = Some(ones(&[3]));
        Ok(())
    })?;
    let fault = mix.call((&x, &ones(&[2])))?.0.sum(..)?.backward().unwrap_err();
    assert!(fault.message().contains("[3]") && fault.message().contains("[2]"), "{fault}");
    wrong.remove();
    Ok(())
}

#[derive(Module)]
struct Plain;

impl Forward<&Tensor> for Plain {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

#[test]
fn boxed_modules_without_tensors_are_told_apart_and_hooks_follow_a_module() -> Result<()> {
    let _alone = alone();
    let model = Sequential::of((Tanh::new(), Tanh::new(), Sequential::of((Tanh::new(),))?))?;
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let handle = model.get(1).unwrap().register_forward_hook(move |_, _, _| {
        *count.lock().unwrap() += 1;
        Ok(())
    })?;
    model.call(&ones(&[1]))?;
    assert_eq!(*calls.lock().unwrap(), 1);
    let moved = Box::new(model).to(DType::F64)?;
    moved.call(&ones(&[1]))?;
    assert_eq!(*calls.lock().unwrap(), 2, "the hook goes along");
    moved.deepcopy()?.call(&ones(&[1]))?;
    assert_eq!(*calls.lock().unwrap(), 2, "a copy is another module");
    handle.remove();

    let outer = Sequential::of((Linear::new(1, 1),))?;
    let names = Arc::new(Mutex::new(Vec::new()));
    let list = names.clone();
    let of_all = register_module_forward_hook(move |module, _, _| {
        list.lock().unwrap().push(module.type_name());
        Ok(())
    })?;
    outer.call(&ones(&[1, 1]))?;
    of_all.remove();
    outer.call(&ones(&[1, 1]))?;
    assert_eq!(*names.lock().unwrap(), ["Linear", "Sequential"]);
    let fault = Plain.register_forward_pre_hook(|_, _| Ok(())).unwrap_err();
    assert!(fault.message().contains("ModuleId") && fault.location().unwrap().file() == file!(), "{fault}");
    Ok(())
}

/// What a hook captured is freed with its module, not when the next hook is registered.
#[test]
fn hooks_go_with_their_module() -> Result<()> {
    let _alone = alone();
    let captured = Arc::new(());
    let hooked = || -> Result<Linear> {
        let (model, own) = (Linear::new(1, 1).build()?, captured.clone());
        model.register_forward_hook(move |_, _, _| {
            let _own = &own;
            Ok(())
        })?;
        Ok(model)
    };
    // What a hook captured may be a module with hooks.
    let (inner, outer) = (hooked()?, hooked()?);
    outer.register_forward_hook(move |_, _, _| {
        let _inner = &inner;
        Ok(())
    })?;
    outer.call(&ones(&[1, 1]))?;
    assert_eq!(Arc::strong_count(&captured), 3);
    let moved = outer.to(DType::F64)?;
    drop(outer);
    assert_eq!(Arc::strong_count(&captured), 3, "a module that moves keeps them");
    drop(moved);
    assert_eq!(Arc::strong_count(&captured), 1);
    Ok(())
}

#[test]
fn hooks_of_the_state() -> Result<()> {
    let _alone = alone();
    let model = Sequential::of((Linear::new(1, 1), Linear::new(1, 1)))?;
    let second = model.get(1).unwrap();
    let out = second.register_state_dict_post_hook(|_, state, prefix| {
        let bias = state.remove(&format!("{prefix}bias")).unwrap();
        state.insert(format!("{prefix}beta"), bias);
    })?;
    let back = second.register_load_state_dict_pre_hook(|_, state, prefix| {
        let bias = state.remove(&format!("{prefix}beta")).unwrap();
        state.insert(format!("{prefix}bias"), bias);
        Ok(())
    })?;
    let state = model.state_dict();
    assert_eq!(state.names().collect::<Vec<_>>(), ["0.weight", "0.bias", "1.weight", "1.beta"]);
    model.load_state_dict(&state)?;
    out.remove();
    back.remove();
    assert!(model.load_state_dict(&state).is_err());
    Ok(())
}

#[test]
fn hooks_before_a_state_dict_and_after_a_load() -> Result<()> {
    let _alone = alone();
    let model = Sequential::of((Linear::new(1, 1), Linear::new(1, 1)))?;
    let told = Arc::new(Mutex::new(Vec::new()));
    let (one, two) = (told.clone(), told.clone());
    let second = model.get(1).unwrap();
    let before = second.register_state_dict_pre_hook(move |_, prefix| one.lock().unwrap().push(prefix.to_string()))?;
    let after = model.register_load_state_dict_post_hook(move |model, report| {
        let weight = read(&model.get_parameter("0.weight")?);
        two.lock().unwrap().push(format!("{} {weight:?} {:?}", model.type_name(), report.missing));
        Ok(())
    })?;
    let mut state = model.state_dict();
    assert_eq!(*told.lock().unwrap(), ["1."]);
    state.insert("0.weight", Tensor::full([1, 1], 5.0).build()?);
    state.remove("1.bias");
    assert!(model.load_state_dict(&state).is_err());
    assert_eq!(told.lock().unwrap().len(), 1, "a load that fails changes nothing");
    model.load_state_dict_with(&state, false)?;
    assert_eq!(told.lock().unwrap()[1], r#"Sequential [5.0] ["1.bias"]"#);
    (before.remove(), after.remove());
    Ok(())
}

#[derive(Module)]
struct Everything {
    layers: Vec<Box<dyn Layer>>,
    pair: [Linear; 2],
    by_name: BTreeMap<String, Option<Linear>>,
    norm: BatchNorm1d,
    choice: Choice,
    lstm: LSTM,
    act: FnLayer,
    size: (usize, f64),
    #[module(skip)]
    note: Arc<Mutex<String>>,
}

#[derive(Module)]
enum Choice {
    #[allow(dead_code)]
    None,
    One(Linear),
    Named {
        weight: Parameter,
        kinds: Vec<usize>,
    },
}

#[test]
fn a_deep_copy_of_everything() -> Result<()> {
    let linear = || Linear::new(2, 2).build();
    let all = |choice| -> Result<Everything> {
        Ok(Everything {
            layers: vec![Box::new(linear()?), Box::new(Sequential::of((linear()?, ReLU::new()))?)],
            pair: [linear()?, linear()?],
            by_name: BTreeMap::from([("a".to_string(), Some(linear()?)), ("b".to_string(), None)]),
            norm: BatchNorm1d::new(2).build()?,
            choice,
            lstm: LSTM::new(2, 2).num_layers(2).build()?,
            act: FnLayer::new(|x| x.sin()),
            size: (2, 0.5),
            note: Arc::default(),
        })
    };
    for choice in [Choice::One(linear()?), Choice::Named { weight: Parameter::frozen(&ones(&[2])), kinds: vec![1] }] {
        let model = all(choice)?;
        model.eval();
        let copy = model.deepcopy()?;
        assert!(!copy.is_training() && copy.size == (2, 0.5) && Arc::ptr_eq(&copy.note, &model.note));
        assert_eq!(format!("{copy:?}"), format!("{model:?}"));
        let (old, new) = (model.named_parameters(), copy.named_parameters());
        assert_eq!(old.len(), new.len());
        for ((name, old), (also, new)) in old.iter().zip(&new) {
            assert_eq!(name, also);
            assert!(old.equal(new)? && !old.storage().is(new.storage()), "{name}");
            assert_eq!((old.requires_grad(), new.is_leaf()), (new.requires_grad(), true), "{name}");
        }
        for (old, new) in model.buffers().iter().zip(&copy.buffers()) {
            assert!(old.equal(new)? && !old.storage().is(new.storage()));
        }
        let x = ones(&[1, 2]);
        assert_eq!(read(&copy.layers[1].call(&x)?), read(&model.layers[1].call(&x)?));
    }
    Ok(())
}

#[derive(Module)]
struct Twice {
    first: Arc<dyn Layer>,
    second: Arc<dyn Layer>,
    norm: Arc<BatchNorm1d>,
    same_norm: Arc<BatchNorm1d>,
}

#[test]
fn one_module_at_several_places() -> Result<()> {
    let _alone = alone();
    let shared: Arc<dyn Layer> = Arc::new(Linear::new(2, 2).build()?);
    let norm = Arc::new(BatchNorm1d::new(2).build()?);
    let model = Twice { first: shared.clone(), second: shared, norm: norm.clone(), same_norm: norm };
    assert_eq!((model.parameters().len(), model.buffers().len(), model.num_parameters()), (4, 3, 10));
    assert_eq!(model.modules().len(), 3, "each is listed once");
    assert_eq!(model.state_dict().len(), 14, "under each name");
    let count = Arc::new(Mutex::new(0));
    let calls = count.clone();
    let handle = model.first.register_forward_hook(move |_, _, _| {
        *calls.lock().unwrap() += 1;
        Ok(())
    })?;
    for model in [model.to(DType::F64)?, model.deepcopy()?] {
        assert!(Arc::ptr_eq(&model.first, &model.second) && Arc::ptr_eq(&model.norm, &model.same_norm));
        assert_eq!((model.parameters().len(), model.buffers().len()), (4, 3));
    }
    model.first.call(&ones(&[1, 2]))?;
    model.second.call(&ones(&[1, 2]))?;
    assert_eq!(*count.lock().unwrap(), 2);
    handle.remove();
    Ok(())
}

#[test]
fn parameters_that_are_given() -> Result<()> {
    let model = Sequential::of((Linear::new(2, 2).bias(false), BatchNorm1d::new(2)))?;
    let scale = Tensor::full((), 3.0).build()?.requires_grad_()?;
    let weight = scale.mul(&ones(&[2, 2]))?;
    let mean = ones(&[2]);
    model.eval();
    let y = functional_call(&model, &[("0.weight", weight), ("1.running_mean", mean)], &ones(&[1, 2]))?;
    assert!(read(&y).iter().all(|y| (y - 5.0).abs() < 1e-4), "{y:?}");
    y.sum(..)?.backward()?;
    assert!((scale.grad().unwrap().item::<f32>()? - 4.0).abs() < 1e-4);
    assert!(model.parameters()[0].grad().is_none(), "the module's own has no part in it");
    let layer: &dyn Layer = &model;
    functional_call(layer, &StateDict::new(), &ones(&[1, 2]))?;
    // What a module writes goes into the buffers it is given.
    let given: StateDict = model.named_buffers().into_iter().map(|(name, b)| (name, b.copy().unwrap())).collect();
    model.train();
    functional_call(&model, &given, &ones(&[3, 2]))?;
    assert_eq!(given.get("1.num_batches_tracked").unwrap().item::<i64>()?, 1);
    assert_eq!(model.state_dict().get("1.num_batches_tracked").unwrap().item::<i64>()?, 0);
    let fault =
        functional_call(&model, &[("0.bias", ones(&[2])), ("0.weight", ones(&[2]))], &ones(&[1, 2])).unwrap_err();
    assert_eq!(
        fault.message(),
        "there is no parameter or buffer \"0.bias\"; \"0.weight\" is [2, 2] in the module and [2] here"
    );
    assert_eq!(fault.location().unwrap().file(), file!());
    Ok(())
}

#[test]
fn an_ensemble_is_stacked() -> Result<()> {
    let models: Vec<_> =
        (0..3).map(|_| Sequential::of((Linear::new(2, 1), BatchNorm1d::new(1)))).collect::<Result<_>>()?;
    let (parameters, buffers) = stack_module_state(&models.iter().collect::<Vec<_>>())?;
    assert_eq!(parameters.names().collect::<Vec<_>>(), ["0.weight", "0.bias", "1.weight", "1.bias"]);
    assert_eq!(parameters.get("0.weight").unwrap().shape(), [3, 1, 2]);
    assert!(parameters.get("0.weight").unwrap().requires_grad() && parameters.get("0.weight").unwrap().is_leaf());
    assert_eq!(buffers.get("1.num_batches_tracked").unwrap().shape(), [3]);
    let x = ones(&[4, 2]);
    for (i, model) in models.iter().enumerate() {
        let own: Vec<(&str, Tensor)> =
            parameters.iter().chain(buffers.iter()).map(|(name, t)| (name, t.select(0, i as isize).unwrap())).collect();
        assert_eq!(read(&functional_call(&models[0], &own, &x)?), read(&model.call(&x)?));
    }
    assert!(stack_module_state::<Sequential>(&[]).is_err());
    let other = Sequential::of((Linear::new(3, 1), BatchNorm1d::new(1)))?;
    let fault = stack_module_state(&[&models[0], &other]).unwrap_err();
    assert!(fault.message().contains("model 1 has no \"0.weight\" of shape [1, 2]"), "{fault}");
    Ok(())
}

#[derive(Module)]
struct Tied {
    encoder: Linear,
    decoder: Linear,
    table: Buffer,
    again: Buffer,
}

#[test]
fn tied_tensors_load_from_any_alias_and_must_agree() -> Result<()> {
    let encoder = Linear::new(2, 2).bias(false).build()?;
    let mut decoder = Linear::new(2, 2).bias(false).build()?;
    decoder.weight = encoder.weight.clone();
    let table = Buffer::new(ones(&[2]));
    let tied = Tied { encoder, decoder, again: table.clone(), table };
    let full = tied.state_dict();
    assert_eq!(full.names().collect::<Vec<_>>(), ["table", "again", "encoder.weight", "decoder.weight"]);
    tied.load_state_dict(&full)?;
    tied.load_state_dict(&[("again", Tensor::full(2, 4.0).build()?), ("decoder.weight", ones(&[2, 2]))])?;
    assert_eq!((read(&tied.table), read(&tied.encoder.weight)), (vec![4.0; 2], vec![1.0; 4]));
    let both = [("encoder.weight", ones(&[2, 2]).mul(f64::NAN)?), ("decoder.weight", ones(&[2, 2]).mul(f64::NAN)?)];
    tied.load_state_dict_with(&both, false)?;
    let differ =
        [("table", ones(&[2])), ("encoder.weight", ones(&[2, 2])), ("decoder.weight", ones(&[2, 2]).mul(2.0)?)];
    let fault = tied.load_state_dict(&differ).unwrap_err();
    assert!(
        fault.message().contains("\"encoder.weight\" and \"decoder.weight\" are one tensor here and differ"),
        "{fault}"
    );
    assert_eq!(read(&tied.table), [4.0; 2], "nothing is changed");
    let fault = tied.load_state_dict(&[("table", ones(&[2]))]).unwrap_err();
    assert_eq!(fault.message(), "2 missing keys: \"encoder.weight\", \"decoder.weight\"");
    for tied in [tied.to(DType::F64)?, tied.deepcopy()?] {
        assert!(tied.encoder.weight.is(&tied.decoder.weight) && tied.table.is(&tied.again));
    }
    Ok(())
}

#[derive(Tensors, Clone)]
struct Batch {
    x: Tensor,
    more: Vec<Tensor>,
    name: String,
}

#[derive(Module)]
struct OnBatch {
    fc: Linear,
}

impl Forward<&Batch> for OnBatch {
    type Output = Tensor;
    fn forward(&self, batch: &Batch) -> Result<Tensor> {
        self.fc.call(&batch.x.add(&batch.more[0])?)
    }
}

#[test]
fn a_batch_of_ones_own() -> Result<()> {
    let _alone = alone();
    let batch = Batch { x: ones(&[1, 2]), more: vec![ones(&[1, 2])], name: "b".to_string() };
    let batch = batch.map_tensors(|x| x.mul(2.0))?;
    assert_eq!((batch.tensors().len(), read(&batch.more[0]), &batch.name[..]), (2, vec![2.0; 2], "b"));
    let net = OnBatch { fc: Linear::new(2, 1).build()? };
    let handle = net.register_forward_pre_hook(|_, inputs| {
        inputs.visit_tensors_mut(&mut |x| *x = x.zeros_like().unwrap());
        Ok(())
    })?;
    assert_eq!(read(&net.call(&batch)?), read(net.fc.bias.as_ref().unwrap()));
    handle.remove();
    Ok(())
}

/// Inputs of every built-in kind go through hooks unchanged.
#[test]
fn hooks_around_states_masks_and_packed_sequences() -> Result<()> {
    use flambeau_nn::utils::rnn::pack_sequence;
    let _alone = alone();
    let lstm = LSTM::new(2, 3).build()?;
    let attention = MultiheadAttention::new(4, 2).build()?;
    let (x, h) = (ones(&[5, 1, 2]), ones(&[1, 1, 3]));
    let packed = pack_sequence(&[ones(&[3, 2]), ones(&[2, 2])], true)?;
    let (q, mask) = (ones(&[2, 1, 4]), Tensor::zeros([2, 2]).build()?);
    let masks = AttentionMasks::new().attn_mask(&mask).need_weights(false);
    let all = || -> Result<Vec<Tensor>> {
        Ok((lstm.call((&x, (&h, &h)))?, (lstm.call(&packed)?, attention.call((&q, &q, &q, masks))?)).tensors())
    };
    let before = all()?;
    let count = Arc::new(Mutex::new(Vec::new()));
    let seen = count.clone();
    let handle = register_module_forward_pre_hook(move |module, inputs| {
        seen.lock().unwrap().push((module.type_name(), inputs.tensors().len()));
        Ok(())
    })?;
    let after = all()?;
    handle.remove();
    assert!(before.iter().zip(&after).all(|(a, b)| a.equal(b).unwrap()));
    let seen = count.lock().unwrap();
    assert_eq!(seen[..3], [("LSTM", 3), ("LSTM", 1), ("MultiheadAttention", 4)]);
    assert_eq!(seen[3].0, "NonDynamicallyQuantizableLinear");
    Ok(())
}

/// A gradient or an output of another shape is an error that names both and whose hook it was, on one module or on all,
/// in whichever place of the outputs; one that keeps the shape passes, of another dtype too.
#[test]
fn a_hook_that_gives_another_shape_is_told() -> Result<()> {
    let _alone = alone();
    let model = Sequential::of((Linear::new(2, 3), Linear::new(3, 1)))?;
    let x = ones(&[4, 2]).requires_grad_()?;
    let handle = model.get(1).unwrap().register_full_backward_hook(|inputs, _| {
        inputs[0] = Some(ones(&[4, 2]));
        Ok(())
    })?;
    let fault = model.call(&x)?.sum(..)?.backward().unwrap_err();
    assert!(fault.message().contains("[4, 2]") && fault.message().contains("[4, 3]"), "{fault}");
    handle.remove();

    // The next layer would take this one.
    let handle = model.get(0).unwrap().register_forward_hook(|_, _, outputs| {
        outputs.visit_tensors_mut(&mut |y| *y = ones(&[1, 3]));
        Ok(())
    })?;
    let fault = model.call(&x).unwrap_err();
    let says = |fault: &Error, words: &[&str]| words.iter().all(|word| fault.message().contains(word));
    assert_eq!(fault.place(), "register_forward_hook");
    assert!(says(&fault, &["Linear", "[1, 3]", "[4, 3]"]), "{fault}");
    handle.remove();

    let lstm = LSTM::new(2, 3).build()?;
    let handle = register_module_forward_hook(|_, _, outputs| {
        let mut i = 0;
        outputs.visit_tensors_mut(&mut |y| {
            if i == 2 {
                *y = y.squeeze(0).unwrap();
            }
            i += 1;
        });
        Ok(())
    })?;
    let fault = lstm.call(&ones(&[5, 1, 2])).unwrap_err();
    assert!(says(&fault, &["LSTM", "output 2", "[1, 3]", "[1, 1, 3]"]), "{fault}");
    handle.remove();

    let handle = model.register_forward_hook(|_, _, outputs| {
        outputs.visit_tensors_mut(&mut |y| *y = y.to_dtype(DType::F64).unwrap());
        Ok(())
    })?;
    assert_eq!((model.call(&x)?.dtype(), lstm.call(&ones(&[5, 1, 2])).is_ok()), (DType::F64, true));
    handle.remove();
    Ok(())
}

#[test]
fn a_summary_with_several_inputs() -> Result<()> {
    let _alone = alone();
    let (x, h) = (ones(&[5, 2, 8]), ones(&[1, 2, 4]));
    // Both modules have several forms of input.
    let attention = MultiheadAttention::new(8, 2).build()?;
    assert_eq!(summary(&attention, (&x, &x, &x))?.macs, 10 * 8 * 24 + 20 * 5 * 8 + 10 * 8 * 8);
    let lstm = LSTM::new(8, 4).build()?;
    assert_eq!(summary(&lstm, (&x, (&h, &h)))?.macs, 10 * (8 + 4) * 16);
    Ok(())
}
