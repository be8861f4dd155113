//! Freeing graphs: long chains through whatever may own a tensor need no stack, and a destructor that panics
//! stops nothing.

use flambeau_autograd::{Autograd, Context, Function};
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
