//! Transforms of functions over modules: the gradients of each sample by `functional_call`, ensembles by
//! `stack_module_state`, against loops.

use flambeau_autograd::Autograd;
use flambeau_autograd::func::{Randomness, VmapOptions, grad, grad_and_value, hessian, vmap, vmap_with};
use flambeau_nn::*;
use flambeau_tensor::{Generator, Result, StateDict, Tensor, stack};

fn close(name: &str, ours: &Tensor, theirs: &Tensor, tolerance: f32) -> Result<()> {
    assert_eq!((ours.shape(), ours.dtype()), (theirs.shape(), theirs.dtype()), "{name}");
    let values = |x: &Tensor| x.detach().to_dtype(flambeau_tensor::DType::F32)?.to_vec::<f32>();
    for (i, (a, b)) in values(ours)?.iter().zip(&values(theirs)?).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{name}, element {i}: {a} instead of {b}");
    }
    Ok(())
}

fn noise(seed: u64, shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(shape).generator(&Generator::with_seed(seed)).build()
}

/// Convolution, batch norm, a pool, a layer norm, attention's products: what networks are made of.
fn network() -> Result<Sequential> {
    Sequential::of((
        Conv2d::new(1, 4, 3),
        BatchNorm2d::new(4),
        ReLU::new(),
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(16, 6),
        LayerNorm::new(6),
        GELU::new(),
        Linear::new(6, 3),
    ))
}

/// The state of the `i`-th model.
fn part(state: &StateDict, i: usize) -> Result<StateDict> {
    state.iter().map(|(name, all)| Ok((name, all.select(0, i as isize)?.copy()?))).collect()
}

fn joined(parameters: &StateDict, buffers: &StateDict) -> StateDict {
    parameters.iter().chain(buffers.iter()).map(|(name, tensor)| (name, tensor.clone())).collect()
}

#[test]
fn an_ensemble_of_eight() -> Result<()> {
    let models = (0..8).map(|_| network()).collect::<Result<Vec<_>>>()?;
    let (parameters, buffers) = stack_module_state(&models.iter().collect::<Vec<_>>())?;
    let (x, each) = (noise(1, &[5, 1, 6, 6])?, noise(2, &[8, 5, 1, 6, 6])?);
    let model = &models[0];
    for training in [true, false] {
        if training {
            model.train()
        } else {
            model.eval()
        }
        // The same input for all, and one for each.
        for own in [false, true] {
            let (ours, theirs) =
                (buffers.clone().map_tensors(Tensor::copy)?, buffers.clone().map_tensors(Tensor::copy)?);
            let y = match own {
                false => vmap(|(p, b)| functional_call(model, &joined(p, b), &x), &(parameters.clone(), ours.clone()))?,
                true => vmap(
                    |(p, b, x)| functional_call(model, &joined(p, b), x),
                    &(parameters.clone(), ours.clone(), each.clone()),
                )?,
            };
            assert_eq!(y.shape(), [8, 5, 3]);
            y.square()?.mean(..)?.backward()?;
            let gradients = parameters.clone().map_tensors(|p| Ok(p.grad().expect("a gradient")))?;
            parameters.iter().for_each(|(_, p)| p.clear_grad());

            let mut all = Vec::new();
            for i in 0..8 {
                let (p, b) = (part(&parameters, i)?, part(&theirs, i)?);
                let p = p.map_tensors(|t| t.detach().requires_grad_())?;
                let input = if own { each.select(0, i as isize)? } else { x.clone() };
                let y = functional_call(model, &joined(&p, &b), &input)?;
                y.square()?.mean(..)?.div(8.0)?.backward()?;
                all.push(y);
                for (name, tensor) in p.iter() {
                    let ours = gradients.get(name).expect("its gradient").select(0, i as isize)?;
                    close(&format!("the gradient of {name} in model {i}"), &ours, &tensor.grad().expect("one"), 2e-4)?;
                }
                for (name, tensor) in b.iter() {
                    let ours = ours.get(name).expect("the buffer").select(0, i as isize)?;
                    close(&format!("{name} of model {i}, training: {training}"), &ours, tensor, 1e-5)?;
                }
            }
            close("outputs", &y, &stack(&all, 0)?, 1e-4)?;
            let counted = ours.get("1.num_batches_tracked").expect("it").to_vec::<i64>()?;
            assert_eq!(counted, [i64::from(training); 8]);
        }
    }
    Ok(())
}

#[test]
fn gradients_of_each_sample() -> Result<()> {
    let model = Sequential::of((
        Conv2d::new(1, 4, 3).padding(1),
        GroupNorm::new(2, 4),
        ReLU::new(),
        Flatten::new(),
        Linear::new(64, 3),
    ))?;
    let (images, labels) = (noise(3, &[6, 1, 4, 4])?, flambeau_tensor::tensor!([0, 2, 1, 1, 0, 2]));
    let parameters: StateDict = model.named_parameters().into_iter().map(|(name, p)| (name, p.detach())).collect();
    let loss = |p: &StateDict, x: &Tensor, label: &Tensor| {
        let scores = functional_call(&model, p, &x.unsqueeze(0)?)?;
        functional::cross_entropy(&scores, &label.unsqueeze(0)?)
    };
    let options = VmapOptions::new().in_dims([None, Some(0), Some(0)]);
    let inputs = (parameters.clone(), images.clone(), labels.clone());
    let (each, losses) = vmap_with(|(p, x, label)| grad_and_value(|p| loss(p, x, label), p), &inputs, &options)?;
    assert_eq!(losses.shape(), [6]);
    for i in 0..6 {
        let (x, label) = (images.select(0, i)?, labels.select(0, i)?);
        let own = grad(|p| loss(p, &x, &label), &parameters)?;
        for (name, theirs) in own.iter() {
            let ours = each.get(name).expect("the gradient").select(0, i)?;
            close(&format!("{name} of sample {i}"), &ours, theirs, 1e-4)?;
        }
    }
    // Their mean is the gradient of the mean.
    let whole = grad(|p| functional::cross_entropy(&functional_call(&model, p, &images)?, &labels), &parameters)?;
    for (name, theirs) in whole.iter() {
        close(name, &each.get(name).expect("the gradient").mean(0)?, theirs, 1e-4)?;
    }
    Ok(())
}

#[test]
fn curvature_and_chance() -> Result<()> {
    let layer = Linear::new(3, 1).build()?;
    let x = noise(4, &[7, 3])?;
    let weight = layer.weight.detach();
    let loss = |w: &Tensor| functional_call(&layer, &[("weight", w.clone())], &x)?.square()?.sum(..);
    let found = hessian(loss, &weight)?;
    assert_eq!(found.shape(), [1, 3, 1, 3]);
    close("2 xᵀx", &found.reshape([3, 3])?, &x.t()?.matmul(&x)?.mul(2.0)?, 1e-4)?;

    let dropout = Dropout::new(0.5).build()?;
    let ones = Tensor::ones([4, 200]).build()?;
    assert!(vmap(|x| dropout.call(x), &ones).is_err());
    let drop = |randomness| {
        let y = vmap_with(|x| dropout.call(x), &ones, &VmapOptions::new().randomness(randomness))?;
        Ok::<_, flambeau_tensor::Error>((y.select(0, 0)?.to_vec::<f32>()?, y.select(0, 1)?.to_vec::<f32>()?))
    };
    let (a, b) = drop(Randomness::Same)?;
    assert_eq!(a, b);
    let (a, b) = drop(Randomness::Different)?;
    assert_ne!(a, b);
    Ok(())
}
