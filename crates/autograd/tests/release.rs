//! Freeing graphs: long chains through whatever may own a tensor need no stack, and a destructor that panics
//! stops nothing.

use flambeau_autograd::{
    Autograd, BackwardOptions, Context, Function, MultiFunction, checkpoint, register_any_grad_hook,
    register_multi_grad_hook, saved_tensors_hooks,
};
use flambeau_tensor::{DType, Result, Tensor};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LONG: usize = 100_000;

/// On a thread with little stack, so that any recursion shows.
fn on_a_small_stack(f: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    std::thread::Builder::new().stack_size(128 * 1024).spawn(f).unwrap().join().unwrap()
}

fn leaf(value: f64) -> Result<Tensor> {
    Tensor::from_slice(&[value], 1)?.requires_grad_()
}

/// Adds a tensor that it owns.
struct AddOwned(Tensor);

impl Function for AddOwned {
    fn forward(&self, _: &mut Context, x: &Tensor) -> Result<Tensor> {
        x.add(&self.0)
    }
    fn backward(&self, _: &Context, grad: &Tensor) -> Result<Tensor> {
        Ok(grad.clone())
    }
}

#[test]
fn a_chain_through_the_fields_of_custom_functions() -> Result<()> {
    on_a_small_stack(|| {
        let x = leaf(0.0)?;
        let mut y = x.clone();
        for _ in 0..LONG {
            y = AddOwned(y).apply(&x)?;
        }
        Ok(())
    })
}

#[test]
fn a_chain_through_what_hooks_captured() -> Result<()> {
    on_a_small_stack(|| {
        for of_leaves in [false, true] {
            let x = leaf(0.0)?;
            let mut y = x.clone();
            for _ in 0..LONG {
                let next = if of_leaves { leaf(0.0)? } else { x.mul(2.0)? };
                next.register_hook(move |g| g.add(&y).map(Some))?;
                y = next;
            }
        }
        Ok(())
    })
}

#[test]
fn a_chain_through_what_other_hooks_captured() -> Result<()> {
    type Register = fn(&Tensor, Tensor) -> Result<()>;
    let ways: [Register; 3] = [
        |x, held| x.register_post_accumulate_grad_hook(move |g| g.add(&held).map(drop)).map(drop),
        |x, held| register_multi_grad_hook(&[x], move |_| held.sum(..).map(drop)).map(std::mem::forget),
        |x, held| register_any_grad_hook(&[x], move |g| g.add(&held).map(drop)).map(std::mem::forget),
    ];
    for way in ways {
        on_a_small_stack(move || {
            let mut y = leaf(0.0)?;
            for _ in 0..LONG {
                let next = leaf(0.0)?;
                way(&next, y)?;
                y = next;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Saves the sum, and keeps what it was called with.
struct SumOf(Vec<Tensor>);

impl MultiFunction for SumOf {
    fn forward(&self, ctx: &mut Context, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        let sum = self.0.iter().try_fold(x[0].copy()?, |sum, held| sum.add(held))?;
        ctx.save(x[0]);
        ctx.save(&sum);
        Ok(vec![sum])
    }
    fn backward(&self, _: &Context, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(grads.to_vec())
    }
}

#[test]
fn a_chain_through_functions_checkpoints_and_packed_values() -> Result<()> {
    type Step = fn(&Tensor, Tensor) -> Result<Tensor>;
    let ways: [Step; 4] = [
        |x, held| Ok(SumOf(vec![held]).apply(&[x])?.remove(0)),
        |x, held| checkpoint(move |x: &Tensor| x.add(&held), x),
        // What a hook packs owns what was saved, and the closure that unpacks owns more.
        |_, held| {
            let own = held.clone();
            saved_tensors_hooks(|x| Ok(x.clone()), move |x: &Tensor| x.add(&own.mul(0)?), || held.sin())
        },
        |x, held| {
            let packed = held.clone();
            saved_tensors_hooks(move |_| Ok(vec![packed.clone()]), |x: &Vec<Tensor>| Ok(x[0].clone()), || x.exp())
        },
    ];
    for way in ways {
        on_a_small_stack(move || {
            let x = leaf(0.0)?;
            let mut y = x.mul(1)?;
            for _ in 0..LONG {
                y = way(&x, y)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_chain_through_retained_gradients() -> Result<()> {
    on_a_small_stack(|| {
        let mut y = leaf(1.0)?.mul(1)?;
        for _ in 0..LONG / 10 {
            // Its own graph each time; the gradient that is kept has a history that leads to what came before.
            let x = leaf(1.0)?;
            let inner = x.exp()?;
            inner.retain_grad()?;
            let held = y.detach().requires_grad_()?;
            held.set_grad(Some(y))?;
            inner.mul(&held)?.backward_with(BackwardOptions::new().create_graph(true).retain_graph(true))?;
            y = inner.grad().expect("retained").mul(0.5)?.add(&inner)?;
            assert!(y.requires_grad());
        }
        Ok(())
    })
}

#[test]
fn a_chain_through_gradients_of_leaves() -> Result<()> {
    on_a_small_stack(|| {
        for with_history in [true, false] {
            let mut y = leaf(0.0)?;
            for _ in 0..LONG {
                let next = leaf(0.0)?;
                next.set_grad(Some(if with_history { y.add(1.0)? } else { y }))?;
                y = next;
            }
        }
        Ok(())
    })
}

#[test]
fn a_chain_through_views_and_bases() -> Result<()> {
    on_a_small_stack(|| {
        let mut y = Tensor::ones([1]).dtype(DType::F64).build()?.requires_grad_()?;
        for _ in 0..LONG {
            y = y.mul(1.0)?.narrow(0, 0, 1)?;
        }
        Ok(())
    })
}

#[test]
fn a_chain_that_a_thread_leaves_behind() -> Result<()> {
    thread_local! {
        static LEFT: RefCell<Option<Tensor>> = const { RefCell::new(None) };
    }
    on_a_small_stack(|| {
        // Registered before anything of flambeau's, so that it is freed last.
        LEFT.set(None);
        let mut y = leaf(0.0)?;
        for _ in 0..LONG {
            y = y.sin()?;
        }
        LEFT.set(Some(y));
        Ok(())
    })
}

/// Chains of all kinds at once, behind a lock, in a list, on a thread that ends by a panic.
#[test]
fn a_chain_that_a_panicking_thread_leaves_behind() {
    thread_local! {
        static LEFT: RefCell<Vec<Arc<std::sync::Mutex<Option<Tensor>>>>> = const { RefCell::new(Vec::new()) };
    }
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(|| {
        LEFT.set(Vec::new());
        let x = leaf(0.0).unwrap();
        let mut y = x.mul(1).unwrap();
        for i in 0..LONG {
            let held = Arc::new(std::sync::Mutex::new(Some(y.clone())));
            y = if i % 2 == 0 { AddOwned(y).apply(&x).unwrap() } else { y.sin().unwrap() };
            y.register_hook(move |g| g.add(held.lock().unwrap().as_ref().unwrap()).map(Some)).unwrap();
        }
        LEFT.with_borrow_mut(|left| left.push(Arc::new(std::sync::Mutex::new(Some(y)))));
        panic!("the thread's own");
    });
    let panic = thread.unwrap().join().unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the thread's own"));
}

/// Counts its drops, and panics in the first.
struct Loud(Arc<AtomicUsize>);

impl Drop for Loud {
    fn drop(&mut self) {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            panic!("a destructor of the user's");
        }
    }
}

#[test]
fn a_destructor_that_panics_stops_nothing() -> Result<()> {
    let drops = Arc::new(AtomicUsize::new(0));
    let chain = |n: usize| -> Result<Tensor> {
        let mut y = leaf(0.0)?;
        for _ in 0..n {
            y = y.sin()?;
            let loud = Loud(drops.clone());
            y.register_hook(move |_| {
                let _held = &loud;
                Ok(None)
            })?;
        }
        Ok(y)
    };
    let y = chain(10)?;
    let panic = catch_unwind(AssertUnwindSafe(|| drop(y))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a destructor of the user's"));
    assert_eq!(drops.load(Ordering::Relaxed), 10, "the others were freed all the same");
    drop(chain(10)?);
    assert_eq!(drops.load(Ordering::Relaxed), 20, "and so is the next graph");
    Ok(())
}
