//! Looking into a network while it learns: activations and gradients by hooks, groups with options of their own, a
//! frozen and a tied part, a checkpoint that goes on to the bit.

use flambeau::prelude::*;
use flambeau::serialize::torch::{self, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

fn network() -> Result<Sequential> {
    let mut last = Linear::new(8, 8).build()?;
    let first = Linear::new(8, 8).build()?;
    last.weight = first.weight.clone();
    Sequential::of((first, Tanh::new(), Linear::new(8, 8), Tanh::new(), last))
}

/// Matrices learn slowly and decay, biases do not, the middle layer not at all.
fn optimizer(model: &Sequential) -> Result<AdamW> {
    for (name, parameter) in model.named_parameters() {
        if name.starts_with("2.") {
            parameter.set_requires_grad(false)?;
        }
    }
    let trained = model.named_parameters().into_iter().filter(|(_, p)| p.requires_grad());
    let (weights, biases): (Vec<_>, Vec<_>) = trained.partition(|(name, _)| name.ends_with("weight"));
    AdamW::new(weights.into_iter().map(|(_, p)| p))
        .lr(1e-2)
        .weight_decay(0.1)
        .groups([ParamGroup::new(biases.into_iter().map(|(_, p)| p)).set("lr", 3e-2).set("weight_decay", 0.0)])
        .build()
}

fn train(model: &Sequential, optimizer: &mut AdamW, batches: &[Tensor]) -> Result<Vec<f64>> {
    batches
        .iter()
        .map(|x| {
            let loss = mse_loss(model.call(x)?, x.flip(1)?)?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            loss.item()
        })
        .collect()
}

#[test]
fn hooks_groups_and_a_checkpoint() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let batches = (0..20).map(|_| Tensor::randn([16, 8]).build()).collect::<Result<Vec<_>>>()?;
    let model = network()?;
    let mut optimizer = optimizer(&model)?;
    assert_eq!(optimizer.lr(), [1e-2, 3e-2]);

    // Activations of every layer, and the sizes of its gradients.
    let seen: Arc<Mutex<BTreeMap<String, f64>>> = Arc::default();
    let mut hooks = Vec::new();
    for (name, layer) in model.named_children() {
        let seen = seen.clone();
        hooks.push(layer.register_forward_hook(move |_, _, outputs| {
            let mut failed = None;
            outputs.visit_tensors(&mut |y| match y.std(.., 1.0).and_then(|s| s.item()) {
                Ok(std) => drop(seen.lock().unwrap().insert(name.clone(), std)),
                Err(error) => failed = Some(error),
            });
            failed.map_or(Ok(()), Err)
        })?);
    }
    let tied = model.parameters().remove(0);
    let clipped = tied.register_hook(|grad| Ok(Some(grad.clamp(-0.01, 0.01)?)))?;
    let frozen = model.get(2).expect("a layer").state_dict().get("weight").expect("a weight").copy()?;

    train(&model, &mut optimizer, &batches[..5])?;
    assert_eq!(seen.lock().unwrap().keys().collect::<Vec<_>>(), ["0", "1", "2", "3", "4"]);
    assert!(tied.grad().expect("a gradient").abs()?.max_all()?.item::<f64>()? <= 0.01);
    assert!(frozen.equal(model.get(2).expect("a layer").state_dict().get("weight").expect("a weight"))?);
    clipped.remove();
    hooks.into_iter().for_each(|hook| hook.remove());

    // Half-way into a file and on from there: the same losses to the bit.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.pt");
    train(&model, &mut optimizer, &batches[5..10])?;
    torch::save(
        &path,
        &Value::dict([("model", Value::of(&model.state_dict())), ("optimizer", optimizer.state_dict()?)]),
    )?;
    let on = train(&model, &mut optimizer, &batches[10..])?;

    let again = network()?;
    let mut resumed = self::optimizer(&again)?;
    let checkpoint = torch::load(&path)?;
    again.load_state_dict(&checkpoint.get("model").expect("a model").state_dict())?;
    resumed.load_state_dict(checkpoint.get("optimizer").expect("an optimizer"))?;
    assert_eq!(train(&again, &mut resumed, &batches[10..])?, on);
    Ok(())
}
