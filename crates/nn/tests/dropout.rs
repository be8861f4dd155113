//! Dropout of strided tensors: PyTorch draws in the order of the input's memory, for whole channels in that of the
//! channels. And the other functions that draw: `gumbel_softmax`, `rrelu`.

use flambeau_autograd::Autograd;
use flambeau_nn::functional::{alpha_dropout, dropout, dropout_, dropout2d, gumbel_softmax, rrelu};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor, tensor};

/// `torch.manual_seed(42); F.dropout(torch.ones(6, 4).t(), 0.5)`.
const TRANSPOSED: [f32; 24] = [
    2.0, 0.0, 2.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0, 0.0, 2.0,
    2.0,
];

fn ones() -> Result<Tensor> {
    Tensor::ones([6, 4]).build()?.t()
}

fn seeded(draw: impl FnOnce() -> Result<Tensor>) -> Vec<f32> {
    with_generator(&Generator::with_seed(42), draw).unwrap().to_vec().unwrap()
}

#[test]
fn elements_fall_out_in_the_order_of_memory() {
    assert_eq!(seeded(|| dropout(&ones()?, 0.5, true)), TRANSPOSED);
    assert_eq!(seeded(|| dropout_(&ones()?, 0.5, true).cloned()), TRANSPOSED);
    // A copy in rows is another memory: the same numbers fall on other elements.
    let rows = seeded(|| dropout(&ones()?.contiguous()?, 0.5, true));
    assert_ne!(rows, TRANSPOSED);
    assert_eq!(seeded(|| dropout(&Tensor::ones([6, 4]).build()?, 0.5, true).and_then(|y| y.reshape([24]))), rows);
}

#[test]
fn alpha_dropout_keeps_what_dropout_keeps() {
    let kept: Vec<bool> = seeded(|| alpha_dropout(&ones()?, 0.5, true)).iter().map(|y| *y > 0.0).collect();
    assert_eq!(kept, TRANSPOSED.map(|y| y > 0.0));
}

#[test]
fn channels_fall_out_in_their_own_order() {
    let channels = |x: &Tensor| dropout2d(x, 0.5, true)?.amax([2, 3]);
    let rows = Tensor::ones([2, 3, 2, 2]).build().unwrap();
    let last = Tensor::ones([2, 2, 2, 3]).build().unwrap().permute([0, 3, 1, 2]).unwrap();
    assert_eq!(seeded(|| channels(&last)), seeded(|| channels(&rows)));
}

/// `torch.manual_seed(3); F.dropout(torch.ones(3, 4).t().relu(), 0.5)`.
#[test]
fn what_was_made_of_a_transposed_tensor_lies_and_falls_out_as_it_does() -> Result<()> {
    let x = Tensor::ones([3, 4]).build()?.t()?;
    for made in
        [x.relu()?, x.mul(1.0)?, x.add(Tensor::zeros([4, 1]).build()?)?, x.maximum(Tensor::zeros([4, 3]).build()?)?]
    {
        assert_eq!(made.strides(), [1, 4]);
        let dropped = with_generator(&Generator::with_seed(3), || dropout(&made, 0.5, true))?;
        assert_eq!(dropped.to_vec::<f32>()?, [2.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 0.0]);
        assert_eq!(dropped.strides(), [1, 4]);
    }
    Ok(())
}

/// With `torch.manual_seed(3)`: `rrelu` of -3 between 0.1 and 0.5, to the bit.
#[test]
fn rrelu_draws_pytorchs_slopes() -> Result<()> {
    let drawn = |dtype| {
        with_generator(&Generator::with_seed(3), || rrelu(Tensor::full(5, -3.0).dtype(dtype).build()?, 0.1, 0.5, true))
    };
    let bits = [
        0x3fd5_d1cb_5ea7_4307,
        0x3fe4_9c5f_0208_47d1,
        0x3ff3_a3d4_df6f_a244,
        0x3fe0_5133_e217_aa1a,
        0x3ff3_4d98_0fee_c658,
    ];
    assert_eq!(drawn(DType::F64)?.neg()?.to_vec::<f64>()?, bits.map(f64::from_bits));
    let bits = [0x3eae_8e5b, 0x3f24_e2f8, 0x3f9d_1ea7, 0x3f02_899f, 0x3f9a_6cc0];
    assert_eq!(drawn(DType::F32)?.neg()?.to_vec::<f32>()?, bits.map(f32::from_bits));
    Ok(())
}

/// The noise is drawn in rows, however the logits lie: with `torch.manual_seed(3)`,
/// `F.gumbel_softmax(torch.zeros(3, 2).double().t())`.
#[test]
fn gumbel_noise_does_not_depend_on_the_strides() -> Result<()> {
    let right = [0.888_012_520_029_8, 0.091_199_254_471_7, 0.020_788_225_498_5, 0.745_297_073_335, 0.101_780_885_985_1];
    let x = Tensor::zeros([3, 2]).dtype(DType::F64).build()?.t()?;
    let drawn = with_generator(&Generator::with_seed(3), || gumbel_softmax(&x, 1.0, false, -1))?.to_vec::<f64>()?;
    assert!(drawn.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-12), "{drawn:?}");
    Ok(())
}

/// With `torch.manual_seed(3)`.
#[test]
fn gumbel_softmax_draws_pytorchs_samples() -> Result<()> {
    let x = tensor!([[0.1, 2.0, -1.0, 0.3], [1.0, 0.0, 0.5, -0.2]]);
    x.requires_grad_()?;
    let draw = |hard: bool, dim: isize| with_generator(&Generator::with_seed(3), || gumbel_softmax(&x, 0.7, hard, dim));
    let near = |ours: Vec<f32>, right: [f32; 8]| {
        assert!(ours.iter().zip(right).all(|(a, b)| (a - b).abs() < 2e-6), "{ours:?} is not {right:?}");
    };
    let soft = [
        0.587_978_3,
        0.343_653_56,
        0.000_572_094_3,
        0.067_795_94,
        0.111_610_85,
        0.047_847_874,
        0.767_041_7,
        0.073_499_516,
    ];
    near(draw(false, -1)?.to_vec()?, soft);
    let hard = draw(true, -1)?;
    near(hard.to_vec()?, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    near(draw(true, 0)?.to_vec()?, [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    hard.mul(tensor!([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 1.0, 2.0]]))?.sum(..)?.backward()?;
    let grad = [
        -0.460_458_8,
        0.221_810_97,
        0.001_186_535_5,
        0.237_461_55,
        0.397_967_96,
        0.102_255_844,
        -0.552_300_4,
        0.052_076_746,
    ];
    near(x.grad().unwrap().to_vec()?, grad);
    assert!(gumbel_softmax(&x, 0.0, false, -1).is_err());
    Ok(())
}
