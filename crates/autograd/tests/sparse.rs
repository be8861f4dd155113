//! Sparse gradients: what embeddings of leaves leave, how they add up, and who sees them how. Values by PyTorch 2.15.

use flambeau_autograd::{
    Autograd, BackwardOptions, SparseTensor, checkpoint, detect_anomaly, grad, no_grad, sparse_gradients,
};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn table() -> Result<Tensor> {
    Tensor::zeros([4, 3]).build()?.requires_grad_()
}

fn look_up(w: &Tensor, rows: &[i64], padding: Option<isize>) -> Result<Tensor> {
    sparse_gradients(|| w.embedding(Tensor::from_slice(rows, rows.len())?, padding))
}

fn rows(w: &Tensor) -> Result<Vec<i64>> {
    w.sparse_grad().expect("a sparse gradient").indices().to_vec()
}

#[test]
fn rows_are_listed_as_often_as_they_were_looked_up() -> Result<()> {
    let w = table()?;
    look_up(&w, &[1, 2, 1, 0], Some(2))?.sum(..)?.backward()?;
    assert_eq!(rows(&w)?, [1, 1, 0]);
    look_up(&w, &[3], Some(2))?.sum(..)?.backward()?;
    assert_eq!(rows(&w)?, [1, 1, 0, 3]);
    let sparse = w.sparse_grad().expect("sparse");
    assert_eq!((sparse.is_coalesced(), sparse.nnz(), sparse.shape()), (false, 4, [4, 3].as_slice()));
    let once = sparse.coalesce()?;
    assert_eq!((once.is_coalesced(), once.indices().to_vec::<i64>()?), (true, vec![0, 1, 3]));
    assert_eq!(once.values().to_vec::<f32>()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]);
    // A dense gradient makes it dense, whichever comes first.
    let dense = [2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
    w.sum(..)?.backward()?;
    assert!(w.sparse_grad().is_none());
    assert_eq!(w.grad().expect("dense").to_vec::<f32>()?, dense);
    look_up(&w, &[3], None)?.sum(..)?.backward()?;
    assert_eq!(w.grad().expect("dense").to_vec::<f32>()?[9..], [3.0; 3]);
    // All in one pass.
    let w = table()?;
    let both = look_up(&w, &[1], None)?.sum(..)?.add(&look_up(&w, &[2], None)?.sum(..)?)?;
    both.backward()?;
    assert_eq!(w.sparse_grad().expect("sparse").coalesce()?.indices().to_vec::<i64>()?, [1, 2]);
    let w = table()?;
    look_up(&w, &[1], None)?.sum(..)?.add(&w.sum(..)?)?.backward()?;
    assert_eq!(w.grad().expect("dense").to_vec::<f32>()?[..6], [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    Ok(())
}

/// The dense form and the sparse one are one gradient.
#[test]
fn what_is_written_into_either_form_stays() -> Result<()> {
    let w = table()?;
    look_up(&w, &[1, 1], None)?.sum(..)?.backward()?;
    assert_eq!(w.grad().expect("a gradient").to_vec::<f32>()?[3..6], [2.0; 3]);
    assert!(w.sparse_grad().is_some(), "looking makes it no other");
    no_grad(|| w.sparse_grad().expect("sparse").values().mul_(2.0).map(drop))?;
    assert_eq!(w.grad().expect("a gradient").to_vec::<f32>()?[3..6], [4.0; 3]);
    no_grad(|| w.grad().expect("a gradient").mul_(2.0).map(drop))?;
    assert!(w.sparse_grad().is_none());
    assert_eq!(w.grad().expect("a gradient").to_vec::<f32>()?[3..6], [8.0; 3]);
    Ok(())
}

#[test]
fn hooks_and_grad_see_the_dense_form() -> Result<()> {
    let w = table()?;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let hook = w.register_hook(move |g| {
        assert_eq!(g.shape(), [4, 3]);
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    })?;
    let loss = look_up(&w, &[1, 2], None)?.sum(..)?.add(&look_up(&w, &[3], None)?.sum(..)?)?;
    loss.backward_with(BackwardOptions::new().retain_graph(true))?;
    assert_eq!((calls.load(Ordering::Relaxed), rows(&w)?.len()), (1, 3));
    assert_eq!(grad(&[&loss], &[&w])?[0].to_vec::<f32>()?[..6], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    hook.remove();
    // A hook that replaces it gives a dense one.
    let w = table()?;
    w.register_hook(|g| g.mul(3.0).map(Some))?;
    look_up(&w, &[1], None)?.sum(..)?.backward()?;
    assert!(w.sparse_grad().is_none());
    assert_eq!(w.grad().expect("a gradient").to_vec::<f32>()?[3..6], [3.0; 3]);
    // One for when all is there sees it as it is.
    let w = table()?;
    w.register_post_accumulate_grad_hook(|w| {
        assert_eq!(w.sparse_grad().expect("sparse").nnz(), 2);
        w.clear_grad();
        Ok(())
    })?;
    look_up(&w, &[1, 2], None)?.sum(..)?.backward()?;
    assert!(w.grad().is_none());
    Ok(())
}

#[test]
fn a_derivative_of_it_is_an_error_that_says_so() -> Result<()> {
    let w = table()?;
    let loss = look_up(&w, &[1], None)?.square()?.sum(..)?;
    let fault = loss.backward_with(BackwardOptions::new().create_graph(true)).unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::NotDifferentiable);
    assert!(fault.message().contains("sparse gradient") && fault.message().contains("`embedding`"), "{fault}");
    Ok(())
}

/// A table that an op made has a dense gradient, and so has one that no one asked to be sparse.
#[test]
fn only_leaves_have_one() -> Result<()> {
    let w = table()?;
    look_up(&w.mul(2.0)?, &[1], None)?.sum(..)?.backward()?;
    assert!(w.sparse_grad().is_none());
    assert_eq!(w.grad().expect("dense").to_vec::<f32>()?[3..6], [2.0; 3]);
    let w = table()?;
    w.embedding(tensor!([1]), None)?.sum(..)?.backward()?;
    assert!(w.sparse_grad().is_none() && w.grad().is_some());
    Ok(())
}

#[test]
fn in_halves_under_checkpoint_and_anomaly_mode() -> Result<()> {
    let w = Tensor::ones([4, 3]).dtype(DType::BF16).build()?.requires_grad_()?;
    let values = w.clone();
    checkpoint(move |_: &Tensor| look_up(&values, &[2, 2], None)?.sum(..), &tensor!([1.0f32]).requires_grad_()?)?
        .backward()?;
    assert_eq!(w.sparse_grad().expect("sparse").coalesce()?.values().to_dtype(DType::F32)?.to_vec::<f32>()?, [2.0; 3]);
    let w = table()?;
    let fault = detect_anomaly(|| look_up(&w, &[1], None)?.mul(f32::NAN)?.sum(..)?.backward()).unwrap_err();
    assert!(fault.message().contains("NaN"), "{fault}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let values = tensor!([[1.0f32, 2.0]]);
    for (indices, values, shape) in [
        (tensor!([[4i64]]), values.clone(), [4, 2].as_slice()),
        (tensor!([[-1i64]]), values.clone(), &[4, 2]),
        (tensor!([[0i64, 1]]), values.clone(), &[4, 2]),
        (tensor!([[0i64]]), values.clone(), &[4, 3]),
        (tensor!([0i64]), values.clone(), &[4, 2]),
        (tensor!([[0.0f32]]), values.clone(), &[4, 2]),
        (tensor!([[0i64]]), values.clone(), &[]),
        (tensor!([[0i64]]), values.clone(), &[usize::MAX, 2]),
    ] {
        assert!(SparseTensor::new(indices, values, shape).is_err(), "{shape:?}");
    }
    let w = table()?;
    let sparse = SparseTensor::new(tensor!([[0i64]]), values, &[4, 2])?;
    assert!(w.set_sparse_grad(sparse.clone()).is_err() && sparse.add_to(&w.detach(), 1.0).is_err());
    // Two sparse dimensions.
    let sparse = SparseTensor::new(tensor!([[1i64, 0, 1], [2, 1, 2]]), tensor!([1.0f32, 2.0, 3.0]), &[2, 3])?;
    let once = sparse.coalesce()?;
    assert_eq!(once.indices().to_vec::<i64>()?, [0, 1, 1, 2]);
    assert_eq!((once.values().to_vec::<f32>()?, once.nnz()), (vec![2.0, 4.0], 2));
    assert_eq!(sparse.to_dense()?.to_vec::<f32>()?, [0.0, 2.0, 0.0, 0.0, 0.0, 4.0]);
    Ok(())
}
