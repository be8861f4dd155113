//! Lazy layers before and after their first call: states, moves, copies, faults. Their values are recorded in parity.

use flambeau_nn::*;
use flambeau_tensor::{DType, Device, Result, Tensor};

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape).build().unwrap()
}

#[test]
fn a_state_gives_a_lazy_layer_its_elements() -> Result<()> {
    let model = || Sequential::of((LazyLinear::new(4), LazyBatchNorm1d::new()));
    let (first, second) = (model()?, model()?);
    assert_eq!(first.state_dict().get("0.weight").unwrap().shape(), [0]);
    let names: Vec<String> = first.state_dict().names().map(str::to_string).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    // A state without elements loads, and gives none.
    second.load_state_dict(&first.state_dict())?;
    first.call(&ones(&[2, 3]))?;
    second.load_state_dict(&first.state_dict())?;
    first.eval();
    second.eval();
    assert!(first.call(&ones(&[2, 3]))?.equal(&second.call(&ones(&[2, 3]))?)?);
    // One that has elements takes none without.
    assert!(first.load_state_dict(&model()?.state_dict()).unwrap_err().message().contains("size mismatch"));
    assert!(second.call(&ones(&[2, 5])).is_err(), "it is for three features");
    Ok(())
}

#[test]
fn moves_and_copies_are_as_lazy() -> Result<()> {
    let layer = LazyConv2d::new(4, 3).padding(1).build()?;
    let double = layer.to(DType::F64)?;
    let copy = layer.deepcopy()?;
    assert!(double.weight.is_uninitialized() && double.weight.dtype() == DType::F64);
    let x = ones(&[1, 2, 5, 5]);
    assert_eq!(double.call(&x.to_dtype(DType::F64)?)?.dtype(), DType::F64);
    assert_eq!(double.weight.shape(), [4, 2, 3, 3]);
    layer.call(&x)?;
    assert!(copy.weight.is_uninitialized(), "a copy has elements of its own");
    assert!(!layer.deepcopy()?.weight.is_uninitialized());
    let meta = LazyLinear::new(3).device(Device::Meta).build()?;
    assert_eq!(meta.call(&ones(&[1, 2]).to_device(Device::Meta)?)?.shape(), [1, 3]);
    assert_eq!(meta.num_parameters(), 9);
    Ok(())
}

#[test]
fn a_first_call_of_the_wrong_shape_changes_nothing() -> Result<()> {
    let conv = LazyConv2d::new(4, 3).build()?;
    assert!(conv.call(&ones(&[3, 3])).unwrap_err().message().contains("neither 4 dimensions nor 3 without a batch"));
    assert!(conv.weight.is_uninitialized());
    assert!(LazyLinear::new(2).build()?.call(&ones(&[])).unwrap_err().message().contains("a scalar has no features"));
    assert!(LazyConv1d::new(5, 3).groups(2).build().is_err());
    assert!(LazyBatchNorm2d::new().build()?.call(&ones(&[2])).is_err());
    let weight = Parameter::uninitialized(DType::F32, Device::Cpu)?;
    weight.materialize([2, 3])?;
    assert!(weight.requires_grad() && weight.materialize([2, 3]).is_err());
    let mut layer = LazyLinear::new(2).build()?;
    let fault = utils::parametrizations::weight_norm(&mut layer, "weight", 0).unwrap_err();
    assert!(fault.message().contains("has no elements yet") || fault.message().contains("no dimension"), "{fault}");
    Ok(())
}
