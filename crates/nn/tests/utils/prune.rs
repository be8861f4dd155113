//! Pruning by methods of one's own and by scores: masks and outputs of PyTorch 2.15.

use crate::common::input;
use flambeau_autograd::Autograd;
use flambeau_nn::utils::prune::{self, Method, PruningContainer, PruningMethod, PruningType};
use flambeau_nn::*;
use flambeau_tensor::{Result, Tensor, no_grad, tensor};

/// Prunes what is not above a threshold.
struct Below(f64);

impl PruningMethod for Below {
    fn compute_mask(&self, scores: &Tensor, default_mask: &Tensor) -> Result<Tensor> {
        default_mask.mul(&scores.abs()?.gt(self.0)?.to_dtype(default_mask.dtype())?)
    }
}

/// Prunes the first channel that is left.
struct FirstChannel;

impl PruningMethod for FirstChannel {
    fn pruning_type(&self) -> PruningType {
        PruningType::Structured(0)
    }

    fn compute_mask(&self, _: &Tensor, default_mask: &Tensor) -> Result<Tensor> {
        let mask = default_mask.copy()?;
        mask.select(0, 0)?.zero_()?;
        Ok(mask)
    }
}

/// A mask of another shape than the parameter.
struct Misfit;

impl PruningMethod for Misfit {
    fn compute_mask(&self, _: &Tensor, _: &Tensor) -> Result<Tensor> {
        Ok(tensor!([1.0, 0.0]))
    }
}

fn linear(inputs: usize, outputs: usize) -> Result<Linear> {
    let layer = Linear::new(inputs, outputs).build()?;
    no_grad(|| {
        layer.weight.copy_(&input(&[outputs, inputs]))?;
        layer.bias.as_ref().expect("a bias").copy_(&input(&[outputs])).map(drop)
    })?;
    Ok(layer)
}

#[track_caller]
fn mask_is<M: Module>(module: &M, name: &str, right: &[u8]) {
    let mask = module.state_dict().get(name).expect("a mask").to_vec::<f32>().unwrap();
    assert_eq!(mask.iter().map(|m| *m as u8).collect::<Vec<_>>(), right, "{name}");
}

#[test]
fn methods_of_ones_own_see_what_is_left() -> Result<()> {
    let mut layer = linear(3, 4)?;
    prune::apply(&mut layer, "weight", &Below(0.3), None)?;
    mask_is(&layer, "weight_mask", &[1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1]);
    prune::apply(&mut layer, "weight", &FirstChannel, None)?;
    mask_is(&layer, "weight_mask", &[0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1]);
    let method: Box<dyn PruningMethod> = Box::new(FirstChannel);
    prune::apply(&mut layer, "weight", &*method, None)?;
    mask_is(&layer, "weight_mask", &[0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1]);
    prune::apply(&mut layer, "weight", &Below(0.7), None)?;
    mask_is(&layer, "weight_mask", &[0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1]);
    let y = layer.call(&input(&[2, 3]))?.to_vec::<f32>()?;
    let right = [-1.0, 0.4, -0.88, 1.4, -1.0, 0.4, 0.88, 1.6];
    assert!(y.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?}");

    let fault = prune::apply(&mut layer, "weight", &Misfit, None).unwrap_err();
    assert!(fault.message().contains("a mask [2] for [3]"), "{fault}");
    mask_is(&layer, "weight_mask", &[0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1]);
    let mut layer = linear(3, 4)?;
    assert!(prune::apply(&mut layer, "weight", &Misfit, None).is_err());
    assert!(!prune::is_pruned(&layer));
    Ok(())
}

#[test]
fn scores_stand_for_values() -> Result<()> {
    let scores = input(&[3, 4]).t()?;
    let mut layer = linear(3, 4)?;
    prune::apply(&mut layer, "weight", &Method::L1Unstructured(5.into()), Some(&scores))?;
    mask_is(&layer, "weight_mask", &[1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]);
    prune::apply(&mut layer, "weight", &Method::LnStructured(1.into(), 2.0, 0), Some(&scores))?;
    mask_is(&layer, "weight_mask", &[1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1]);
    let others = scores.mul(-2)?.add(1)?;
    prune::apply(&mut layer, "weight", &Method::L1Unstructured(0.5.into()), Some(&others))?;
    mask_is(&layer, "weight_mask", &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let fault = prune::apply(&mut layer, "weight", &Below(0.1), Some(&scores.t()?)).unwrap_err();
    assert!(fault.message().contains("the importance scores are [3, 4], the parameter [4, 3]"), "{fault}");

    let (x, seen) = (input(&[2, 3]).requires_grad_()?, input(&[3, 2]).t()?);
    let y = Below(0.5).prune(&x, None, Some(&seen))?;
    let values = y.detach().to_vec::<f32>()?;
    assert!(values.iter().zip(GIVEN).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
    y.sum(..)?.backward()?;
    assert_eq!(x.grad().expect("a gradient").to_vec::<f32>()?, GIVEN.map(|v| (v != 0.0) as u8 as f32));

    let mut container = PruningContainer::new();
    assert!(container.compute_mask(&x, &x).is_err());
    container.add_pruning_method(FirstChannel).add_pruning_method(Below(0.5));
    let types: Vec<PruningType> = container.iter().map(|m| m.pruning_type()).collect();
    assert_eq!(types, [PruningType::Structured(0), PruningType::Unstructured]);
    let mask = container.compute_mask(&x, &tensor!([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]))?;
    assert_eq!(mask.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    Ok(())
}

const GIVEN: [f32; 6] = [-1.0, 0.0, 0.0, 0.0, 0.2, -0.6];

#[test]
fn several_parameters_by_a_method_of_ones_own_and_scores() -> Result<()> {
    let (first, second) = ("0.weight", "1.weight");
    let mut model = Sequential::of((linear(3, 4)?, linear(4, 2)?))?;
    let scores = input(&[4, 2]).t()?.mul(0.5)?;
    prune::global_unstructured(&mut model, &[first, second], &Below(0.35), &[(second, &scores)])?;
    mask_is(&model, "0.weight_mask", &[1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1]);
    mask_is(&model, "1.weight_mask", &[1, 0, 0, 1, 0, 1, 0, 0]);
    let (method, scores) = (Method::L1Unstructured(4.into()), input(&[3, 4]).t()?);
    prune::global_unstructured(&mut model, &[first, second], &method, &[(first, &scores)])?;
    mask_is(&model, "0.weight_mask", &[1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1]);
    mask_is(&model, "1.weight_mask", &[1, 0, 0, 1, 0, 1, 0, 0]);
    assert!(prune::global_unstructured(&mut model, &[first, second], &FirstChannel, &[]).is_err());
    let fault = prune::global_unstructured(&mut model, &[second], &method, &[(first, &scores)]).unwrap_err();
    assert!(fault.message().contains("\"0.weight\", which is not pruned"), "{fault}");
    Ok(())
}
