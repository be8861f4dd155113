//! Dropout of strided tensors: PyTorch draws in the order of the input's memory, for whole channels in that of the
//! channels. And the other function that draws: `gumbel_softmax`.

use flambeau_autograd::Autograd;
use flambeau_nn::functional::{alpha_dropout, dropout, dropout_, dropout2d, gumbel_softmax};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Generator, Result, Tensor, tensor};

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
