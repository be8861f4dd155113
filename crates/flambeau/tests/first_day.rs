//! What a program's first day should not stumble over: literals, shapes, operands and options as one would write
//! them coming from PyTorch.

use flambeau::prelude::*;
use flambeau::{
    Approximate, BatchNormOptions, CloseOptions, ConvOptions, Ellipsis, MaxPoolOptions, MinMax, NewAxis, PadMode,
    Reduce, StdAndMean, StftOptions, TopkOptions, ValuesIndices, VarAndMean,
};

#[test]
fn numbers_on_the_left_need_no_type() -> Result<()> {
    let x = tensor!([0.0, 2.0]);
    assert_eq!((0.5 * &x).exp()?.to_vec::<f32>()?, [1.0, 1f32.exp()]);
    assert_eq!((1 - x.clone()).neg()?.to_vec::<f32>()?, [-1.0, 1.0]);
    assert_eq!((2.0 / (1.0 + x)).to_vec::<f32>()?, [2.0, 2.0 / 3.0]);
    Ok(())
}

#[test]
fn shapes_mix_integers() -> Result<()> {
    let x = Tensor::zeros([2, 3, 4]).build()?;
    let [b, t, c] = x.dims()?;
    let heads: i64 = 2;
    assert_eq!(x.view((-1, c))?.shape(), [6, 4]);
    assert_eq!(x.reshape((b, t, heads, -1))?.shape(), [2, 3, 2, 2]);
    assert_eq!(x.sum(..)?.reshape([])?.rank(), 0);
    assert_eq!(Tensor::ones([]).build()?.item::<f32>()?, 1.0);
    let error = x.dims::<2>().unwrap_err().to_string();
    assert!(error.starts_with("dims: shape [2, 3, 4] has 3 dimensions, not 2") && error.contains("first_day.rs"));
    assert!(x.view((usize::MAX, c)).is_err(), "not taken for -1");
    Ok(())
}

#[test]
fn what_takes_a_tensor_takes_a_parameter_an_owned_and_a_borrowed_one() -> Result<()> {
    let w = Parameter::new(tensor!([[1.0, 2.0], [3.0, 4.0]]))?;
    let x = tensor!([[1.0, 0.0], [0.0, 1.0]]);
    for y in [x.matmul(&w)?, x.matmul(w.detach())?, x.matmul(w.tensor())?, x.add(&w)?.sub(&x)?] {
        assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
    }
    assert_eq!((&w * &x + 0.5 * &w - &w / 2.0).to_vec::<f32>()?, [1.0, 0.0, 0.0, 4.0]);
    assert_eq!((&x * &w).to_vec::<f32>()?, [1.0, 0.0, 0.0, 4.0]);
    assert_eq!(x.masked_fill(x.gt(0.5)?, 7)?.to_vec::<f32>()?, [7.0, 0.0, 0.0, 7.0]);
    assert_eq!(x.where_cond(x.gt(0.5)?, &w)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 1.0]);
    assert_eq!(x.clamp(&w, ..)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
    (&w * &x).sum(..)?.backward()?;
    assert_eq!(w.grad().expect("of a parameter").to_vec::<f32>()?, x.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn defaults_and_options() -> Result<()> {
    let x = tensor!([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]]);
    let ValuesIndices { values, indices } = x.topk(2)?;
    assert_eq!((values.to_vec::<f32>()?, indices.to_vec::<i64>()?), (vec![3.0, 2.0, 6.0, 5.0], vec![0, 2, 1, 2]));
    let least = x.topk_with(1, TopkOptions::new().dim(0).largest(false))?;
    assert_eq!(least.values.to_vec::<f32>()?, [3.0, 1.0, 2.0]);
    assert_eq!(x.max_dim(1)?.indices.to_vec::<i64>()?, [0, 1]);
    let MinMax { min, max } = x.aminmax(..)?;
    assert_eq!((min.item::<f32>()?, max.item::<f32>()?), (1.0, 6.0));
    let (VarAndMean { var, mean }, StdAndMean { std, .. }) = (x.var_mean(1, 1.0)?, x.std_mean(1, 1.0)?);
    assert_eq!((var.to_vec::<f32>()?, mean.to_vec::<f32>()?), (vec![1.0, 1.0], vec![2.0, 5.0]));
    assert_eq!(std.to_vec::<f32>()?, [1.0, 1.0]);

    let one = tensor!([1.0]);
    assert!((one.gelu()?.item::<f64>()? - 0.841_344_75).abs() < 1e-6);
    assert!((one.gelu_with(Approximate::Tanh)?.item::<f64>()? - 0.841_191_99).abs() < 1e-6);
    assert!(one.allclose(&tensor!([1.000001]))? && !one.allclose(&tensor!([1.001]))?);
    assert!(one.allclose_with(tensor!([1.001]), CloseOptions::new().rtol(1e-2))?);

    let image = Tensor::ones([1, 2, 4, 4]).build()?;
    let kernel = Tensor::ones([2, 1, 3, 3]).build()?;
    let y = image.conv2d(&kernel, None, ConvOptions::new().groups(2).padding(1).stride((1, 2)))?;
    assert_eq!(y.shape(), [1, 2, 4, 2]);
    assert_eq!(image.max_pool2d(MaxPoolOptions::new(3).stride(1))?.shape(), [1, 2, 2, 2]);
    let normed = image.batch_norm(BatchNormOptions::new().training(true).weight(&tensor!([1.0, 2.0])))?;
    assert_eq!(normed.sum(..)?.item::<f32>()?, 0.0);
    assert_eq!(image.i((Ellipsis, 0, NewAxis))?.shape(), [1, 2, 4, 1]);
    assert_eq!(image.pad_with(&[1, 1], PadMode::Reflect)?.shape(), [1, 2, 4, 6]);
    let index = tensor!([0_i64, 0]);
    assert_eq!(x.index_reduce(0, &index, &x, Reduce::Amax, true)?.to_vec::<f32>()?, [4.0, 6.0, 5.0, 4.0, 6.0, 5.0]);
    let sound = Tensor::ones([16]).build()?;
    assert_eq!(sound.stft(8, &StftOptions::new().hop_length(4).center(false))?.shape(), [5, 3]);
    Ok(())
}

#[test]
fn errors_name_the_op_that_was_called() -> Result<()> {
    let x = Tensor::zeros([2, 3]).build()?;
    for (op, error) in [
        ("masked_fill", x.masked_fill(tensor!([true, false]), 1).unwrap_err()),
        ("masked_fill", x.masked_fill(&x, 1).unwrap_err()),
        ("masked_fill_", x.masked_fill_(tensor!([true, false]), 1).unwrap_err()),
        ("where", x.where_cond(&x, 1).unwrap_err()),
        ("zeros", Tensor::zeros([-1]).build().unwrap_err()),
        ("full", Build::build(Tensor::full([2, -1], 0)).unwrap_err()),
    ] {
        assert_eq!(error.place(), op);
        assert!(error.location().is_some_and(|at| at.file().ends_with("first_day.rs")), "{error}");
    }
    Ok(())
}
