//! Once an optimizer has its state, a fused step takes no memory for tensors: not in f32 nor in half precision, not for
//! parameters in another order of dimensions, not for 200 of them. Optimizers that are made of tensor ops need room beside,
//! and take it from what the step before left; kernels that widen halves (all of Muon's products) have memory of their own.

use flambeau_autograd::{Autograd, SparseTensor};
use flambeau_optim::*;
use flambeau_tensor::alloc::empty_cache;
use flambeau_tensor::{DType, Result, Tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Blocks at least as large as a parameter that anybody asked for.
static LARGE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of a parameter: more than the lists of a step over 200 of them.
static LEAST: AtomicUsize = AtomicUsize::new(usize::MAX);
const SIZE: usize = 192;

struct Watched;

impl Watched {
    fn see(size: usize) {
        if size >= LEAST.load(Ordering::Relaxed) {
            LARGE.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Watched::see(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Watched::see(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Watched::see(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, size) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The watch is for the whole process: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Large blocks that `f` asks the system for.
fn blocks(f: impl FnOnce() -> Result<()>) -> Result<usize> {
    let before = LARGE.load(Ordering::Relaxed);
    f()?;
    Ok(LARGE.load(Ordering::Relaxed) - before)
}

type Make = fn(&[Tensor]) -> Result<Box<dyn Optimizer>>;

/// Dtype, whether the columns lie one after another, and how many parameters.
const KINDS: [(DType, bool, usize); 6] = [
    (DType::F32, false, 1),
    (DType::BF16, false, 1),
    (DType::F16, false, 1),
    (DType::F32, true, 1),
    (DType::BF16, true, 1),
    (DType::F32, false, 200),
];

fn matrix(value: f64, dtype: DType, turned: bool) -> Result<Tensor> {
    let rows = Tensor::full([SIZE, SIZE], value).dtype(dtype).build()?;
    if turned { rows.t() } else { Ok(rows) }
}

/// As many matrices, of whose size a block is large from now on.
fn parameters(dtype: DType, turned: bool, count: usize) -> Result<Vec<Tensor>> {
    LEAST.store(SIZE * SIZE * dtype.size(), Ordering::Relaxed);
    (0..count).map(|_| matrix(1.0, dtype, turned)?.detach().requires_grad_()).collect()
}

#[test]
fn fused_steps_take_no_memory() -> Result<()> {
    let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let optimizers: [(&str, Make); 13] = [
        ("SGD", |p| Ok(Box::new(SGD::new(p).lr(0.1).weight_decay(0.1).build()?))),
        ("SGD with momentum", |p| Ok(Box::new(SGD::new(p).lr(0.1).momentum(0.9).nesterov(true).build()?))),
        ("Adam", |p| Ok(Box::new(Adam::new(p).lr(0.1).amsgrad(true).weight_decay(0.1).build()?))),
        ("AdamW", |p| Ok(Box::new(AdamW::new(p).lr(0.1).build()?))),
        ("Adamax", |p| Ok(Box::new(Adamax::new(p).lr(0.1).build()?))),
        ("NAdam", |p| Ok(Box::new(NAdam::new(p).lr(0.1).decoupled_weight_decay(true).weight_decay(0.1).build()?))),
        ("RAdam", |p| Ok(Box::new(RAdam::new(p).lr(0.1).weight_decay(0.1).build()?))),
        ("RMSprop", |p| Ok(Box::new(RMSprop::new(p).lr(0.1).build()?))),
        ("RMSprop with all", |p| Ok(Box::new(RMSprop::new(p).lr(0.1).eps(0.1).momentum(0.9).centered(true).build()?))),
        ("Rprop", |p| Ok(Box::new(Rprop::new(p).lr(0.1).build()?))),
        ("Adagrad", |p| Ok(Box::new(Adagrad::new(p).lr(0.1).build()?))),
        ("Adadelta", |p| Ok(Box::new(Adadelta::new(p).lr(10.0).eps(1e-3).build()?))),
        ("ASGD", |p| Ok(Box::new(ASGD::new(p).lr(0.1).build()?))),
    ];
    for (name, make) in optimizers {
        for (dtype, turned, count) in KINDS {
            let params = parameters(dtype, turned, count)?;
            params.iter().try_for_each(|p| p.set_grad(Some(matrix(0.5, dtype, turned)?)))?;
            let mut optimizer = make(&params)?;
            optimizer.step()?;
            empty_cache();
            let before = params[0].to_dtype(DType::F32)?.select(0, 0)?.select(0, 0)?.item::<f64>()?;
            let taken = blocks(|| optimizer.step())?;
            assert_eq!(taken, 0, "{name}, {count} of {dtype}, turned: {turned}");
            let after = params[0].to_dtype(DType::F32)?.select(0, 0)?.select(0, 0)?.item::<f64>()?;
            assert!(after < before, "{name} does not move {dtype}");
        }
    }
    // The watch sees what a step of other ops takes.
    let p = &parameters(DType::F32, false, 1)?[0];
    p.set_grad(Some(p.detach().copy()?))?;
    let mut optimizer = Adafactor::new([p]).build()?;
    optimizer.step()?;
    empty_cache();
    assert!(blocks(|| optimizer.step())? > 0);
    Ok(())
}

#[test]
fn steps_of_other_ops_use_what_the_last_one_left() -> Result<()> {
    let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let optimizers: [(&str, Make); 2] = [
        ("Adafactor", |p| Ok(Box::new(Adafactor::new(p).weight_decay(0.1).build()?))),
        ("SparseAdam", |p| Ok(Box::new(SparseAdam::new(p).build()?))),
    ];
    for (name, make) in optimizers {
        for (dtype, turned, count) in KINDS.into_iter().filter(|(dtype, ..)| *dtype == DType::F32) {
            let params = parameters(dtype, turned, count)?;
            for p in &params {
                if name == "SparseAdam" {
                    let rows = Tensor::arange(0, SIZE as i64).build()?.unsqueeze(0)?;
                    p.set_sparse_grad(SparseTensor::new(rows, matrix(0.5, dtype, false)?, p.shape())?)?;
                } else {
                    p.set_grad(Some(matrix(0.5, dtype, turned)?))?;
                }
            }
            let mut optimizer = make(&params)?;
            optimizer.step()?;
            optimizer.step()?;
            assert_eq!(blocks(|| optimizer.step())?, 0, "{name}, {count} of {dtype}, turned: {turned}");
        }
    }
    // LBFGS, once its history is full.
    for (dtype, turned, count) in KINDS.into_iter().filter(|(dtype, ..)| *dtype == DType::F32) {
        let params = parameters(dtype, turned, count)?;
        let mut optimizer = LBFGS::new(&params).lr(1e-3).max_iter(2).history_size(2).build()?;
        let mut step = || {
            let closure = &mut || {
                params.iter().for_each(Tensor::clear_grad);
                let mut loss = Tensor::zeros([]).dtype(dtype).build()?;
                for p in &params {
                    loss = loss.add(&p.square()?.mean(..)?)?;
                }
                loss.backward()?;
                Ok(loss)
            };
            optimizer.step_with(closure).map(drop)
        };
        (0..5).try_for_each(|_| step())?;
        assert_eq!(blocks(step)?, 0, "LBFGS, {count} of {dtype}, turned: {turned}");
    }
    Ok(())
}
