//! Pruning, fusion, vectors of parameters and sparse first values, with PyTorch's results.

use crate::common::{input, mark, near};
use crate::parametrize::{linear, run, seeded};
use flambeau_nn::utils::{
    fuse_conv_bn_eval, fuse_linear_bn_eval, parameters_to_vector, prune, skip_init, vector_to_parameters,
};
use flambeau_nn::*;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor};

fn mask(layer: &Linear) -> Vec<u8> {
    let mask = layer.state_dict().get("weight_mask").expect("a mask").to_vec::<f32>().unwrap();
    mask.into_iter().map(|m| m as u8).collect()
}

#[test]
fn the_least_elements_and_channels_are_pruned() -> Result<()> {
    let mut layer = linear(3, 4)?;
    let trained = layer.weight.tensor().clone();
    prune::l1_unstructured(&mut layer, "weight", 0.4)?;
    assert_eq!(mask(&layer), [0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1]);
    let names: Vec<String> = layer.state_dict().names().map(str::to_string).collect();
    assert_eq!(names, ["bias", "weight_orig", "weight_mask"]);
    assert_eq!(format!("{layer:?}"), "Linear(in_features=3, out_features=4, bias=True)");
    assert!(prune::is_pruned(&layer));
    near("pruned", &run(&layer, &input(&[2, 3]))?, &[1.190106, 1.531805, 1.393762]);

    prune::l1_unstructured(&mut layer, "weight", 2)?;
    assert_eq!(mask(&layer), [0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0]);
    prune::ln_structured(&mut layer, "weight", 1, 2.0, 0)?;
    assert_eq!(mask(&layer), [0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0]);
    prune::remove(&mut layer, "weight")?;
    assert!(layer.weight.is(&trained) && !prune::is_pruned(&layer));
    assert_eq!(layer.weight.eq(0.0)?.nonzero()?.shape(), [8, 2]);
    Ok(())
}

#[test]
fn random_ones_are_pytorchs() -> Result<()> {
    let generator = Generator::with_seed(5);
    let mut layer = with_generator(&generator, || linear(3, 4))?;
    with_generator(&generator, || prune::random_unstructured(&mut layer, "weight", 0.5))?;
    assert_eq!(mask(&layer), [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0]);
    with_generator(&generator, || prune::random_unstructured(&mut layer, "weight", 3))?;
    assert_eq!(mask(&layer), [0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]);
    let generator = Generator::with_seed(6);
    let mut layer = with_generator(&generator, || linear(3, 4))?;
    with_generator(&generator, || prune::random_structured(&mut layer, "weight", 2, 1))?;
    assert_eq!(mask(&layer), [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
    with_generator(&generator, || prune::random_structured(&mut layer, "weight", 1, 0))?;
    assert_eq!(mask(&layer), [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]);

    let sparse = Tensor::zeros([5, 4]).build()?;
    seeded(8, || init::sparse_(&sparse, 0.3, 0.01).map(drop))?;
    near("sparse_", &[mark(&sparse)], &[-0.020236]);
    let zeros = sparse.eq(0.0)?.to_dtype(DType::U8)?.to_vec::<u8>()?;
    assert_eq!(zeros, [1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]);
    Ok(())
}

#[test]
fn several_parameters_are_pruned_as_one() -> Result<()> {
    let mut model = Sequential::of((linear(3, 4)?, linear(4, 2)?))?;
    prune::global_unstructured(&mut model, &["0.weight", "1.weight"], &prune::Method::L1Unstructured(0.3.into()), &[])?;
    let state = model.state_dict();
    let mask = |name: &str| state.get(name).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(mask("0.weight_mask"), [0., 1., 0., 1., 1., 1., 1., 0., 1., 0., 1., 1.]);
    assert_eq!(mask("1.weight_mask"), [1., 1., 0., 1., 1., 1., 1., 0.]);
    let fault = prune::l1_unstructured(&mut model, "0.weight", 9).unwrap_err();
    assert!(fault.message().contains("9 are to be pruned of 8"), "{fault}");
    assert!(prune::l1_unstructured(&mut model, "0.weight", 1.5).is_err());
    assert!(prune::ln_structured(&mut model, "0.weight", 1, 1.0, 5).is_err());
    assert!(prune::remove(&mut model, "0.bias").is_err());
    Ok(())
}

#[test]
fn a_norm_becomes_part_of_the_layer_before_it() -> Result<()> {
    fn alike(two: &Tensor, one: &Tensor) -> Result<()> {
        assert!(two.sub(one)?.abs()?.max_all()?.item::<f64>()? < 1e-5);
        Ok(())
    }
    let norm = BatchNorm1d::new(4).build()?;
    norm.call(&Tensor::randn([8, 4]).build()?.mul(3.0)?.add(1.0)?)?;
    let fault = fuse_linear_bn_eval(&linear(3, 4)?, &norm).unwrap_err();
    assert!(fault.message().contains("the norm is in training"), "{fault}");
    norm.eval();
    let layer = linear(3, 4)?;
    alike(&norm.call(&layer.call(&input(&[2, 3]))?)?, &fuse_linear_bn_eval(&layer, &norm)?.call(&input(&[2, 3]))?)?;
    assert!(fuse_linear_bn_eval(&linear(3, 5)?, &norm).unwrap_err().message().contains("the norm has 4 channels"));

    let transposed = ConvTranspose1d::new(2, 4, 3).bias(false).build()?;
    let x = input(&[1, 2, 5]);
    let fused = fuse_conv_bn_eval(&transposed, &norm)?;
    assert!(fused.bias.is_some());
    alike(&norm.call(&transposed.call(&x)?)?, &fused.call(&x)?)
}

#[test]
fn parameters_as_a_vector() -> Result<()> {
    let (layer, other) = (linear(2, 3)?, Linear::new(2, 3).build()?);
    let vector = parameters_to_vector(layer.parameters())?;
    assert!(vector.requires_grad());
    vector_to_parameters(&vector, other.parameters())?;
    assert!(other.weight.equal(&layer.weight)? && other.parameters()[1].equal(&layer.parameters()[1])?);
    let fault = vector_to_parameters(&vector.narrow(0, 0, 8)?, other.parameters()).unwrap_err();
    assert!(fault.message().contains("the parameters have 9 elements"), "{fault}");
    assert!(parameters_to_vector(Vec::<Tensor>::new()).is_err());
    Ok(())
}

#[test]
fn first_values_can_be_left_out() -> Result<()> {
    let drawn = || Tensor::rand(1).build()?.item::<f32>();
    let before = seeded(1, drawn)?;
    let (layer, after) = seeded(1, || -> Result<_> { Ok((skip_init(|| Conv2d::new(3, 4, 3).build())?, drawn()?)) })?;
    assert!(layer.weight.eq(0.0)?.all(..)?.item::<bool>()?);
    assert_eq!(after, before, "nothing was drawn");
    assert!(!Conv2d::new(3, 4, 3).build()?.weight.eq(0.0)?.all(..)?.item::<bool>()?);
    Ok(())
}
