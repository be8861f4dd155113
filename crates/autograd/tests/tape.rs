//! What stands around a tape: checkpoints, hooks on what is saved, hooks on gradients, anomaly mode, its picture.

mod common;

use common::{close, sample, seeded, values};
use flambeau_autograd::{
    Autograd, BackwardOptions, checkpoint, detect_anomaly, detect_anomaly_with, func, grad_with, graph, no_grad,
    register_any_grad_hook, register_multi_grad_hook, save_on_cpu, saved_tensors_hooks,
};
use flambeau_tensor::random::default_generator;
use flambeau_tensor::{DType, Result, Tensor, autocast, manual_seed, tensor};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Two layers with a dropout between them.
fn layers(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let h = x.matmul(w)?.tanh()?;
    let mask = h.rand_like()?.lt(0.7)?.to_dtype(h.dtype())?;
    h.mul(&mask)?.matmul(w)?.exp()
}

#[test]
fn a_checkpoint_gives_the_same_gradients() -> Result<()> {
    let (x, w) = (sample(&[4, 3], -1.0, 1.0), seeded(3, &[3, 3], -1.0, 1.0));
    let gradients = |kept: bool, create_graph: bool| -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let (x, w) = (x.detach().requires_grad_()?, w.detach().requires_grad_()?);
        manual_seed(7);
        let own = w.clone();
        let y = if kept { layers(&x, &w)? } else { checkpoint(move |x| layers(x, &own), &x)? };
        // Others draw in between.
        let next = Tensor::rand(2).dtype(DType::F64).build()?;
        let y = y.square()?.sum(..)?;
        if create_graph {
            let options = flambeau_autograd::GradOptions { create_graph: true, ..Default::default() };
            let first = grad_with(&[&y], &[&x], options)?.into_iter().flatten().collect::<Vec<_>>();
            first[0].square()?.sum(..)?.backward()?;
        } else {
            y.backward()?;
        }
        Ok((values(&x.grad().unwrap()), values(&w.grad().unwrap()), values(&next)))
    };
    for create_graph in [false, true] {
        let (kept, again) = (gradients(true, create_graph)?, gradients(false, create_graph)?);
        close("x", &again.0, &kept.0, 1e-12);
        close("w", &again.1, &kept.1, 1e-12);
        assert_eq!(again.2, kept.2, "the generator goes on as if nothing had been computed again");
    }
    // Nested, walked twice, and under mixed precision.
    let x = x.requires_grad_()?;
    let nested = |x: &Tensor| checkpoint(|x: &Tensor| x.sin()?.exp(), x)?.cos();
    let y = checkpoint(nested, &x)?.sum(..)?;
    for times in [1.0, 2.0] {
        y.backward_with(BackwardOptions { retain_graph: Some(true), ..Default::default() })?;
        let slope = no_grad(|| x.sin()?.exp()?.sin()?.neg()?.mul(&x.sin()?.exp()?)?.mul(&x.cos()?)?.mul(times))?;
        close("nested", &values(&x.grad().unwrap()), &values(&slope), 1e-12);
    }
    let (half, w) = (Tensor::ones([2, 2]).build()?, Tensor::ones([2, 2]).build()?.requires_grad_()?);
    let own = w.clone();
    let y = autocast::autocast(DType::BF16, || checkpoint(move |x| x.matmul(&own)?.exp(), &half))?;
    y.sum(..)?.backward()?;
    assert_eq!(w.grad().unwrap().dtype(), DType::F32);
    Ok(())
}

#[test]
fn a_checkpoint_keeps_nothing_and_says_what_changed() -> Result<()> {
    let (x, runs) = (sample(&[3], 0.1, 1.0).requires_grad_()?, Arc::new(AtomicUsize::new(0)));
    let count = runs.clone();
    let f = move |x: &Tensor| {
        let run = count.fetch_add(1, Ordering::Relaxed);
        let y = x.exp()?.sin()?;
        if run % 2 == 1 && x.sum(..)?.item::<f64>()? > 100.0 { y.cos() } else { Ok(y) }
    };
    let y = checkpoint(f, &x)?.sum(..)?;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    y.backward()?;
    assert_eq!(runs.load(Ordering::Relaxed), 2, "once more, for all that was saved");

    let runs = Arc::new(AtomicUsize::new(0));
    let moody = move |x: &Tensor| {
        let y = x.exp()?;
        if runs.fetch_add(1, Ordering::Relaxed) == 0 { y.sin() } else { Ok(y) }
    };
    let e = checkpoint(moody, &x)?.sum(..)?.backward().unwrap_err().to_string();
    assert!(e.contains("saved") && e.contains("the first time"), "{e}");
    // Without recording it is the function.
    assert!(!no_grad(|| checkpoint(|x: &Tensor| x.exp(), &x))?.requires_grad());
    let tuple = (x.clone(), x.detach());
    let (a, b) = checkpoint(|(a, b): &(Tensor, Tensor)| Ok((a.mul(b)?, a.exp()?)), &tuple)?;
    a.add(&b)?.sum(..)?.backward()?;
    Ok(())
}

#[test]
fn saved_tensors_go_where_hooks_put_them() -> Result<()> {
    let (packed, unpacked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (p, u) = (packed.clone(), unpacked.clone());
    let x = sample(&[3], 0.1, 1.0).requires_grad_()?;
    let f = |x: &Tensor| x.exp()?.mul(x)?.sum(..);
    let expected = {
        let y = f(&x)?;
        y.backward()?;
        let found = values(&x.grad().unwrap());
        x.clear_grad();
        found
    };
    let y = saved_tensors_hooks(
        move |x| {
            p.fetch_add(1, Ordering::Relaxed);
            x.to_vec::<f64>()
        },
        move |values| {
            u.fetch_add(1, Ordering::Relaxed);
            Tensor::from_slice(values, values.len())
        },
        || f(&x),
    )?;
    assert_eq!((packed.load(Ordering::Relaxed), unpacked.load(Ordering::Relaxed)), (3, 0));
    y.backward()?;
    assert_eq!(unpacked.load(Ordering::Relaxed), 3);
    close("through hooks", &values(&x.grad().unwrap()), &expected, 1e-12);
    // With their history: the second derivative of x·exp(x).
    let y = save_on_cpu(|| f(&x))?;
    let options = flambeau_autograd::GradOptions { create_graph: true, ..Default::default() };
    let first = grad_with(&[&y], &[&x], options)?.remove(0).unwrap();
    let second = grad_with(&[&first.sum(..)?], &[&x], Default::default())?.remove(0).unwrap();
    close("second", &values(&second), &values(&no_grad(|| x.exp()?.mul(&x.add(2)?))?), 1e-12);
    // What they give back must be what they took.
    let y = saved_tensors_hooks(|_| Ok(()), |()| Tensor::zeros(7).build(), || f(&x))?;
    let e = y.backward().unwrap_err().to_string();
    assert!(e.contains("gave back float32 [7]") && e.contains("tape.rs"), "{e}");
    let e = saved_tensors_hooks(
        |_| -> Result<()> { flambeau_tensor::bail!(Io, "pack", "the disk is full") },
        |()| Tensor::zeros(1).build(),
        || f(&x),
    );
    assert!(e.unwrap_err().to_string().contains("the disk is full"));
    // A checkpoint inside, and tangents.
    let (_, dy) = save_on_cpu(|| func::jvp(|x| func::grad(f, x), &x.detach(), &x.ones_like()?.detach()))?;
    close("forward over reverse", &values(&dy), &values(&second), 1e-12);
    Ok(())
}

#[test]
fn hooks_after_a_gradient_was_added() -> Result<()> {
    let (a, b) = (tensor!([1.0, 2.0]).requires_grad_()?, tensor!([3.0, 4.0]).requires_grad_()?);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut handles = Vec::new();
    for (name, leaf) in [("a", &a), ("b", &b)] {
        let list = order.clone();
        handles.push(leaf.register_post_accumulate_grad_hook(move |leaf| {
            list.lock().unwrap().push((name, leaf.grad().unwrap().to_vec::<f32>()?));
            Ok(())
        })?);
    }
    // `b` is used last, so it is done first; `a` comes twice and is called once, with the sum.
    let h = a.mul(&a)?;
    h.mul(&b)?.sum(..)?.backward()?;
    assert_eq!(*order.lock().unwrap(), [("b", vec![1.0, 4.0]), ("a", vec![6.0, 16.0])]);
    // As soon as it is complete: what comes later in the pass sees it.
    order.lock().unwrap().clear();
    let h = a.mul(2.0)?;
    let (leaf, list) = (b.downgrade(), order.clone());
    h.register_hook(move |_| {
        list.lock().unwrap().push(("h", leaf.upgrade().unwrap().grad().unwrap().to_vec::<f32>()?));
        Ok(None)
    })?;
    b.clear_grad();
    h.exp()?.mul(&b)?.sum(..)?.backward()?;
    let names: Vec<&str> = order.lock().unwrap().iter().map(|seen| seen.0).collect();
    assert_eq!(names, ["b", "h", "a"]);
    // Removed; not called where gradients are returned; not for what is no leaf.
    handles.into_iter().for_each(|handle| handle.remove());
    order.lock().unwrap().clear();
    a.mul(&b)?.sum(..)?.backward()?;
    assert!(order.lock().unwrap().is_empty());
    assert!(h.register_post_accumulate_grad_hook(|_| Ok(())).is_err());
    assert!(tensor!(1.0).register_post_accumulate_grad_hook(|_| Ok(())).is_err());
    let e = a.register_post_accumulate_grad_hook(|_| flambeau_tensor::bail!(Other, "hook", "no more"));
    drop(e?);
    assert!(a.sum(..)?.backward().unwrap_err().to_string().contains("no more"));
    Ok(())
}

#[test]
fn hooks_of_several_gradients() -> Result<()> {
    let (a, b, c) = (tensor!(2.0).requires_grad_()?, tensor!(3.0).requires_grad_()?, tensor!(5.0).requires_grad_()?);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (list, first) = (seen.clone(), Arc::new(AtomicUsize::new(0)));
    let h = a.mul(&b)?;
    let handle = register_multi_grad_hook(&[&a, &h, &c], move |grads| {
        let values = grads.iter().map(|g| g.as_ref().map(|g| g.item::<f32>()).transpose());
        list.lock().unwrap().push(values.collect::<Result<Vec<_>>>()?);
        Ok(())
    })?;
    let count = first.clone();
    let any = register_any_grad_hook(&[&a, &b], move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })?;
    let keep = || BackwardOptions { retain_graph: Some(true), ..Default::default() };
    let y = h.mul(&c)?;
    y.backward_with(keep())?;
    assert_eq!(seen.lock().unwrap().pop(), Some(vec![Some(15.0), Some(5.0), Some(6.0)]));
    assert_eq!(first.load(Ordering::Relaxed), 1);
    // `c` is not in this graph.
    h.square()?.backward_with(keep())?;
    assert_eq!(seen.lock().unwrap().pop(), Some(vec![Some(36.0), Some(12.0), None]));
    assert_eq!(first.load(Ordering::Relaxed), 2);
    handle.remove();
    any.remove();
    y.backward()?;
    assert!(seen.lock().unwrap().is_empty() && first.load(Ordering::Relaxed) == 2);
    assert!(register_multi_grad_hook(&[], |_| Ok(())).is_err());
    assert!(register_multi_grad_hook(&[&tensor!(1.0)], |_| Ok(())).is_err());
    Ok(())
}

/// Neither a handle nor a weak tensor keeps a tensor with its hooks.
#[test]
fn hooks_do_not_keep_their_tensor() -> Result<()> {
    let there = Arc::new(());
    for is_leaf in [true, false] {
        let leaf = tensor!([1.0, 2.0]).requires_grad_()?;
        let x = if is_leaf { leaf.clone() } else { leaf.mul(1.0)? };
        let (weak, token) = (x.downgrade(), there.clone());
        let own = weak.clone();
        let handle = x.register_hook(move |grad| {
            let _ = &token;
            grad.mul(own.upgrade().expect("it is there").detach()).map(Some)
        })?;
        x.mul(3.0)?.sum(..)?.backward()?;
        assert_eq!(leaf.grad().unwrap().to_vec::<f32>()?, [3.0, 6.0]);
        assert!(weak.upgrade().unwrap().requires_grad());
        drop((x, leaf));
        assert!(weak.upgrade().is_none());
        assert_eq!(Arc::strong_count(&there), 1, "the hook is freed, leaf: {is_leaf}");
        handle.remove();
    }
    Ok(())
}

#[test]
fn anomalies_name_the_op_and_its_line() -> Result<()> {
    let x = tensor!([0.0, 4.0]).requires_grad_()?;
    let y = x.mul(0.0)?.sqrt()?.sum(..)?;
    let line = line!() - 1;
    let backward = || y.backward_with(BackwardOptions { retain_graph: Some(true), ..Default::default() });
    backward()?;
    detect_anomaly_with(false, backward)?;
    let e = detect_anomaly(backward).unwrap_err().to_string();
    assert!(e.contains("MulBackward0") && e.contains("NaN") && e.contains(&format!("tape.rs:{line}")), "{e}");
    // A derivative that fails.
    let z = x.exp()?;
    let square = z.square()?.sum(..)?;
    z.zero_()?;
    let e = detect_anomaly(|| square.backward()).unwrap_err().to_string();
    assert!(e.contains("SquareBackward0") && e.contains("overwritten"), "{e}");
    // Of any sample inside of a `vmap`.
    let rows = tensor!([[1.0], [0.0]]);
    let slope = |x: &Tensor| func::grad(|x| x.mul(0.0)?.add(x.detach())?.sqrt()?.sum(..), x);
    assert!(detect_anomaly(|| func::vmap(slope, &rows)).is_err());
    Ok(())
}

#[test]
fn a_picture_of_the_tape() -> Result<()> {
    let (w, b) = (Tensor::ones([2, 3]).build()?.requires_grad_()?, Tensor::ones(2).build()?.requires_grad_()?);
    let x = Tensor::ones([4, 3]).build()?;
    let y = x.matmul(&w.t()?)?.add(&b)?.relu()?;
    let picture = graph(&[&y.sum(..)?, &y], &[("layer.weight", w), ("a \"b\"", b)]);
    for part in
        ["output 0\\n[] float32", "output 1\\n[4, 2] float32", "layer.weight\\n[2, 3] float32", "a \\\"b\\\"\\n[2]"]
    {
        assert!(picture.contains(part), "{part} in {picture}");
    }
    for op in ["SumBackward0", "ReluBackward0", "AddBackward0", "MatmulBackward0", "PermuteBackward0"] {
        assert_eq!(picture.matches(op).count(), 1, "{op} in {picture}");
    }
    assert!(picture.contains("tape.rs:") && picture.starts_with("digraph {") && picture.trim_end().ends_with('}'));
    // Deep ones, too.
    let mut deep = tensor!(1.0).requires_grad_()?;
    for _ in 0..20_000 {
        deep = deep.add(1.0)?;
    }
    assert_eq!(graph(&[&deep], &flambeau_tensor::StateDict::new()).matches("AddBackward0").count(), 20_000);
    let _ = default_generator();
    Ok(())
}
