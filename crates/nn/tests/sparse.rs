//! Modules with sparse gradients, with PyTorch 2.15's values.

use flambeau_autograd::Autograd;
use flambeau_nn::utils::{clip_grad_norm_, clip_grad_value_};
use flambeau_nn::{Call, Embedding, EmbeddingBag, gradient_norms};
use flambeau_tensor::{BagMode, Result, Tensor, no_grad, tensor};

fn numbers(bag: &EmbeddingBag) -> Result<()> {
    no_grad(|| bag.weight.copy_(Tensor::arange(0.0, 12.0).build()?.reshape([6, 2])?.div(4.0)?.sub(1.0)?).map(drop))
}

#[test]
fn bags_of_sums_and_means_have_sparse_gradients() -> Result<()> {
    let (list, offsets) = (tensor!([1i64, 3, 1, 0, 5]), tensor!([0i64, 2]));
    for (mode, right) in [
        (BagMode::Sum, [0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0]),
        (BagMode::Mean, [0.0, 0.25, 0.0, 0.25, 0.5, 0.75, 0.5, 0.75]),
    ] {
        let bag = EmbeddingBag::new(6, 2).mode(mode).padding_idx(0).sparse(true).build()?;
        numbers(&bag)?;
        bag.call((&list, &offsets))?.square()?.sum(..)?.backward()?;
        let sparse = bag.weight.sparse_grad().expect("sparse");
        assert_eq!(sparse.indices().to_vec::<i64>()?, [1, 3, 1, 5]);
        assert_eq!(sparse.values().to_vec::<f32>()?, right);
    }
    let bag = EmbeddingBag::new(6, 2).mode(BagMode::Sum).sparse(true).build()?;
    numbers(&bag)?;
    let weights = tensor!([1.0, 2.0, 3.0, 4.0, 5.0]);
    bag.call((&list, Some(&offsets), Some(&weights)))?.square()?.sum(..)?.backward()?;
    let sparse = bag.weight.sparse_grad().expect("sparse");
    assert_eq!(sparse.indices().to_vec::<i64>()?, [1, 3, 1, 0, 5]);
    assert_eq!(sparse.values().to_vec::<f32>()?, [1.0, 2.5, 2.0, 5.0, 12.0, 30.0, 16.0, 40.0, 20.0, 50.0]);
    let bag = EmbeddingBag::new(6, 2).mode(BagMode::Max).sparse(true).build()?;
    assert!(bag.call((&list, &offsets)).unwrap_err().message().contains("maximum"));
    Ok(())
}

#[test]
fn clipping_and_norms_go_by_the_sums() -> Result<()> {
    let table = Embedding::new(4, 3).sparse(true).build()?;
    assert_eq!(format!("{table:?}"), "Embedding(4, 3, sparse=True)");
    // Row 1 twice: [1, 2, 3] and [7, 8, 9]; row 3: [4, 5, 6].
    let factors = tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]);
    table.call(&tensor!([1i64, 3, 1]))?.mul(&factors)?.sum(..)?.backward()?;
    let norm = 385f32.sqrt();
    assert!((gradient_norms(&table)?[0].1.expect("a gradient") as f32 - norm).abs() < 1e-4);
    assert!((clip_grad_norm_([&table.weight], 1.0)?.item::<f32>()? - norm).abs() < 1e-4);
    let sparse = table.weight.sparse_grad().expect("still sparse").coalesce()?;
    for (x, right) in sparse.values().to_vec::<f32>()?.iter().zip([8.0, 10.0, 12.0, 4.0, 5.0, 6.0]) {
        assert!((x - right / norm).abs() < 1e-5);
    }
    clip_grad_value_([&table.weight], 0.25)?;
    assert_eq!(table.weight.grad().expect("a gradient").max_all()?.item::<f32>()?, 0.25);
    Ok(())
}
