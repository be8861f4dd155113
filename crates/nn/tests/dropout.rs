//! Dropout of strided tensors: PyTorch draws in the order of the input's memory, for whole channels in that of the
//! channels.

use flambeau_nn::functional::{alpha_dropout, dropout, dropout_, dropout2d};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Generator, Result, Tensor};

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
