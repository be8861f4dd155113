//! The engine: accumulation, higher orders, freeing, hooks, long chains, threads.

use flambeau_autograd::{Autograd, BackwardOptions, GradOptions, grad, grad_with};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, ValuesIndices, inference_mode, no_grad};

fn leaf(values: &[f64]) -> Result<Tensor> {
    Tensor::from_slice(values, values.len())?.requires_grad_()
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_vec().unwrap()
}

#[test]
fn gradients_accumulate() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    for _ in 0..2 {
        x.mul(&x)?.sum(..)?.backward()?;
    }
    assert_eq!(values(&x.grad().unwrap()), [4.0, 8.0]);
    x.clear_grad();
    assert!(x.grad().is_none());
    Ok(())
}

#[test]
fn a_value_used_twice_gets_both_gradients() -> Result<()> {
    let x = leaf(&[3.0])?;
    let y = x.square()?;
    let z = y.mul(&x)?.add(&y)?.sum(..)?; // x³ + x²
    z.backward()?;
    assert_eq!(values(&x.grad().unwrap()), [27.0 + 6.0]);
    Ok(())
}

#[test]
fn third_derivative() -> Result<()> {
    let x = leaf(&[2.0])?;
    let y = x.square()?.square()?.sum(..)?;
    let again = || GradOptions { create_graph: true, ..GradOptions::default() };
    let d1 = grad_with(&[&y], &[&x], again())?.remove(0).unwrap();
    let d2 = grad_with(&[&d1], &[&x], again())?.remove(0).unwrap();
    let d3 = grad_with(&[&d2], &[&x], again())?.remove(0).unwrap();
    assert_eq!((values(&d1)[0], values(&d2)[0], values(&d3)[0]), (32.0, 48.0, 48.0));
    assert!(x.grad().is_none(), "`grad` leaves `.grad` alone");
    Ok(())
}

/// pytorch#46168: the gradients of both summands are one tensor at first; writing to one leaves the other.
#[test]
fn gradients_share_no_memory() -> Result<()> {
    let (a, b) = (leaf(&[1.0, 2.0])?, leaf(&[3.0, 4.0])?);
    a.add(&b)?.sum(..)?.backward()?;
    no_grad(|| a.grad().unwrap().select(0, 0)?.fill_(9.0).map(drop))?;
    assert_eq!((values(&a.grad().unwrap()), values(&b.grad().unwrap())), (vec![9.0, 1.0], vec![1.0, 1.0]));
    Ok(())
}

/// As in PyTorch, where nothing was saved, nothing was freed.
#[test]
fn a_graph_that_saved_nothing_runs_twice() -> Result<()> {
    let a = leaf(&[1.0, 2.0])?;
    let y = a.sum(..)?;
    y.backward()?;
    y.backward()?;
    assert_eq!(values(&a.grad().unwrap()), [2.0, 2.0]);
    Ok(())
}

#[test]
fn a_tensor_prints_where_it_came_from() -> Result<()> {
    let x = Tensor::from_slice(&[1.0f32, 2.0], 2)?.requires_grad_()?;
    assert_eq!(x.to_string(), "tensor([1., 2.], requires_grad=True)");
    assert_eq!(x.mul(&x)?.to_string(), "tensor([1., 4.], grad_fn=<MulBackward0>)");
    assert_eq!(x.mul(2.0)?.to_string(), "tensor([2., 4.], grad_fn=<MulBackward0>)");
    assert_eq!(x.cumsum(0)?.grad_fn().unwrap(), "CumsumBackward0");
    assert_eq!(x.log_softmax(0)?.grad_fn().unwrap(), "LogSoftmaxBackward0");
    assert_eq!(x.unsqueeze(0)?.matmul(&x)?.detach().to_string(), "tensor([5.])");
    let y = x.mul(1.0)?;
    y.exp_()?;
    assert_eq!(y.grad_fn().unwrap(), "ExpBackward0");
    Ok(())
}

#[test]
fn a_freed_graph_says_so() -> Result<()> {
    let x = leaf(&[1.0])?;
    let y = x.mul(&x)?;
    y.backward_with(BackwardOptions { retain_graph: Some(true), ..Default::default() })?;
    y.backward()?;
    let e = y.backward().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Autograd);
    assert!(e.to_string().contains("`mul`") && e.to_string().contains("freed"), "{e}");
    assert!(e.to_string().contains("engine.rs"), "the caller's line: {e}");
    Ok(())
}

#[test]
fn backward_needs_a_scalar_and_a_history() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let e = x.square()?.backward().unwrap_err().to_string();
    assert!(e.contains("shape [2]"), "{e}");
    let e = no_grad(|| x.sum(..))?.backward().unwrap_err().to_string();
    assert!(e.contains("does not require grad"), "{e}");
    let seed = Tensor::from_vec(vec![1.0, 10.0], 2)?;
    x.square()?.backward_with(BackwardOptions { gradient: Some(seed), ..Default::default() })?;
    assert_eq!(values(&x.grad().unwrap()), [2.0, 40.0]);
    assert!(Tensor::zeros(2).dtype(DType::I64).build()?.requires_grad_().is_err());
    Ok(())
}

#[test]
fn unused_inputs_are_an_error_or_none() -> Result<()> {
    let (x, y) = (leaf(&[1.0])?, leaf(&[1.0])?);
    let z = x.square()?;
    let options = GradOptions { allow_unused: true, retain_graph: Some(true), ..Default::default() };
    let found = grad_with(&[&z], &[&x, &y], options)?;
    assert!(found[0].is_some() && found[1].is_none());
    assert!(grad(&[&z], &[&y]).unwrap_err().to_string().contains("do not depend on input 0"));
    Ok(())
}

#[test]
fn the_gradient_by_an_inner_value() -> Result<()> {
    let x = leaf(&[3.0])?;
    let y = x.square()?;
    let z = y.mul(&y)?.mul(&x)?;
    let found = grad(&[&z], &[&y])?;
    assert_eq!(values(&found[0]), [2.0 * 9.0 * 3.0]);
    Ok(())
}

#[test]
fn hooks_and_retained_gradients() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let y = x.mul(3.0)?;
    y.retain_grad()?;
    let handle = y.register_hook(|g| g.mul(10.0).map(Some))?;
    y.sum(..)?.backward_with(BackwardOptions { retain_graph: Some(true), ..Default::default() })?;
    assert_eq!(values(&x.grad().unwrap()), [30.0, 30.0]);
    assert_eq!(values(&y.grad().unwrap()), [10.0, 10.0]);
    handle.remove();
    x.clear_grad();
    let on_leaf = x.register_hook(|g| g.neg().map(Some))?;
    y.sum(..)?.backward()?;
    assert_eq!(values(&x.grad().unwrap()), [-3.0, -3.0]);
    on_leaf.remove();
    Ok(())
}

#[test]
fn a_million_ops_overflow_no_stack() -> Result<()> {
    // On a thread with little stack, so that any recursion shows.
    let run = || -> Result<f64> {
        let x = leaf(&[0.0])?;
        let mut y = x.clone();
        for _ in 0..1_000_000 {
            y = y.add(1.0)?;
        }
        y.sum(..)?.backward()?;
        // Saved inputs hold nodes, too.
        let mut z = x.clone();
        for _ in 0..200_000 {
            z = z.sin()?;
        }
        drop(z);
        Ok(values(&x.grad().unwrap())[0])
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap()?, 1.0);
    Ok(())
}

#[test]
fn modes() -> Result<()> {
    let x = leaf(&[1.0])?;
    assert!(!no_grad(|| x.square())?.requires_grad());
    assert!(x.detach().is_leaf() && !x.detach().requires_grad());
    let made_inside = inference_mode(|| x.square())?;
    let e = x.mul(&made_inside).unwrap_err().to_string();
    assert!(e.contains("inference_mode"), "{e}");
    Ok(())
}

#[test]
fn graphs_cross_threads() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let parts: Vec<Tensor> =
        (0..4).map(|i| x.mul(i as f64).and_then(|y| y.square()?.sum(..))).collect::<Result<_>>()?;
    std::thread::scope(|s| {
        for p in &parts {
            s.spawn(move || p.backward().unwrap());
        }
    });
    // Σ i²·2x over i = 0..4
    assert_eq!(values(&x.grad().unwrap()), [28.0, 56.0, 84.0]);
    Ok(())
}

#[test]
fn integer_results_are_not_recorded() -> Result<()> {
    let x = leaf(&[1.0, -1.0])?;
    assert!(!x.gt(0.0)?.requires_grad());
    assert_eq!(
        values(&{
            x.mul(x.gt(0.0)?)?.sum(..)?.backward()?;
            x.grad().unwrap()
        }),
        [1.0, 0.0]
    );
    Ok(())
}

#[test]
fn an_input_asked_for_twice_is_answered_twice() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let y = x.square()?;
    let z = y.mul(&x)?.sum(..)?; // x³
    let found = grad(&[&z], &[&x, &y, &x, &y])?;
    let found: Vec<_> = found.iter().map(values).collect();
    assert_eq!(found, [[3.0, 12.0], [1.0, 2.0], [3.0, 12.0], [1.0, 2.0]]);
    Ok(())
}

/// As `torch.autograd`: the hook of a leaf runs for `grad`, too, once for all paths to the leaf.
#[test]
fn a_hook_of_a_leaf_sees_the_whole_gradient_once() -> Result<()> {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (x, other) = (leaf(&[1.0, 2.0])?, leaf(&[5.0, 6.0])?);
    for t in [&x, &other] {
        let seen = seen.clone();
        t.register_hook(move |g| {
            seen.lock().unwrap().push(values(g));
            g.mul(10.0).map(Some)
        })?;
    }
    let y = x.mul(3.0)?.add(x.mul(4.0)?)?.mul(&other)?.sum(..)?;
    let keep = || GradOptions { retain_graph: Some(true), ..Default::default() };
    let found = grad_with(&[&y], &[&x], keep())?.remove(0).unwrap();
    assert_eq!(values(&found), [350.0, 420.0]);
    assert_eq!(*seen.lock().unwrap(), [[35.0, 42.0]], "only the asked-for leaf's hook runs");
    y.backward()?;
    assert_eq!((values(&x.grad().unwrap()), values(&other.grad().unwrap())), (vec![350.0, 420.0], vec![70.0, 140.0]));
    assert_eq!(seen.lock().unwrap().len(), 3, "one call a leaf");
    // A leaf that is its own output.
    let root = leaf(&[2.0])?;
    root.register_hook(|g| g.add(1.0).map(Some))?;
    root.register_hook(|g| g.mul(5.0).map(Some))?;
    assert_eq!(values(&grad(&[&root], &[&root])?[0]), [10.0]);
    Ok(())
}

#[test]
fn gradients_of_several_threads_add_up() -> Result<()> {
    const THREADS: usize = 4;
    const TIMES: usize = 200;
    let x = Tensor::zeros(4096).dtype(DType::F64).build()?.requires_grad_()?;
    let start = std::sync::Barrier::new(THREADS);
    std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| {
                start.wait();
                for _ in 0..TIMES {
                    x.mul(1.0).and_then(|y| y.sum(..)).and_then(|y| y.backward()).unwrap();
                }
            });
        }
    });
    let (sum, expected) = (values(&x.grad().unwrap()), (THREADS * TIMES) as f64);
    assert!(sum.iter().all(|g| *g == expected), "{} instead of {expected}", sum[0]);
    Ok(())
}

#[test]
fn integers_have_no_history() {
    let x = Tensor::from_slice(&[1.5f32, 2.5], [2]).unwrap().requires_grad_().unwrap();
    let whole = x.mul(3.0).unwrap().to_dtype(DType::I64).unwrap();
    assert!(!whole.requires_grad() && whole.grad_fn().is_none());
    let ValuesIndices { values, indices: places } = x.sort(0, true).unwrap();
    assert!(values.requires_grad() && !places.requires_grad());
}

/// An op has as many inputs as it likes.
#[test]
fn forty_index_tensors() -> Result<()> {
    const MANY: usize = 40;
    let mut shape = vec![1; MANY];
    shape[MANY - 1] = 3;
    let x = Tensor::from_slice(&[1.0, 2.0, 3.0], shape)?.requires_grad_()?;
    let (zero, last) = (Tensor::from_slice(&[0i64, 0], 2)?, Tensor::from_slice(&[2i64, 0], 2)?);
    let list: Vec<Option<&Tensor>> = (1..MANY).map(|_| Some(&zero)).chain([Some(&last)]).collect();
    let y = x.index(&list)?;
    assert_eq!(values(&y.detach()), [3.0, 1.0]);
    y.mul(&y)?.sum(..)?.backward()?;
    assert_eq!(values(&x.grad().unwrap()), [2.0, 0.0, 6.0]);
    let (z, v) = (x.mul(1.0)?, leaf(&[5.0, 7.0])?);
    z.index_put_(&list, &v, false)?;
    x.clear_grad();
    z.mul(&z)?.sum(..)?.backward()?;
    assert_eq!((values(&x.grad().unwrap()), values(&v.grad().unwrap())), (vec![0.0, 4.0, 0.0], vec![10.0, 14.0]));
    Ok(())
}
