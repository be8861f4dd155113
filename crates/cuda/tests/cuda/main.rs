//! The backend on the simulated GPU: every kernel against the CPU's, with every access checked.
#![allow(missing_docs)]

mod complex;
mod elementwise;
mod faults;
mod indexing;
mod joining;
mod memory;
mod networks;
mod optimizers;
mod order;
mod own;
mod products;
mod random;
mod reductions;
mod scans;
mod signals;
mod streams;

use flambeau_cuda_sim::Counts;
use flambeau_tensor::{DType, Device, Generator, Result, Tensor, cat};
use libloading::Library;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The stand-in for the driver, loaded before anybody asks for one; it lies beside the test.
struct Sim(Library);

fn sim() -> &'static Sim {
    static SIM: OnceLock<Sim> = OnceLock::new();
    SIM.get_or_init(|| {
        let own = std::env::current_exe().expect("the test's own path");
        let path = own.with_file_name("libflambeau_cuda_sim.so");
        // SAFETY: the stand-in does nothing when it is loaded.
        Sim(unsafe { Library::new(&path) }.unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    })
}

impl Sim {
    fn call<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the types that are asked for below are those of `flambeau_cuda_sim::driver`.
        unsafe { *self.0.get::<F>(name).unwrap_or_else(|e| panic!("{name}: {e}")) }
    }

    /// What all launches since the last call did.
    fn counts(&self) -> Counts {
        self.call::<extern "C" fn() -> Counts>("flambeau_sim_counts")()
    }

    fn set_seed(&self, seed: u64) {
        self.call::<extern "C" fn(u64)>("flambeau_sim_set_seed")(seed);
    }

    fn fail_allocations(&self, successes: i64) {
        self.call::<extern "C" fn(i64)>("flambeau_sim_fail_allocations")(successes);
    }

    fn set_null(&self, null: bool) {
        self.call::<extern "C" fn(bool)>("flambeau_sim_set_null")(null);
    }

    fn fail_work(&self, successes: i64) {
        self.call::<extern "C" fn(i64)>("flambeau_sim_fail_work")(successes);
    }

    fn clear_fault(&self) {
        self.call::<extern "C" fn()>("flambeau_sim_clear_fault")();
    }

    fn queued(&self) -> u64 {
        self.call::<extern "C" fn() -> u64>("flambeau_sim_queued")()
    }
}

/// The device, for one test at a time: faults and counts are everybody's.
struct Gpu {
    sim: &'static Sim,
    device: Device,
    _alone: MutexGuard<'static, ()>,
}

fn gpu() -> Gpu {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sim = sim();
    Gpu { sim, device: Device::cuda(0).expect("the simulated device"), _alone: alone }
}

/// Numbers of a dtype, some of them alike, and none beyond what eight bits hold.
fn numbers(shape: &[usize], dtype: DType, seed: u64) -> Tensor {
    let generator = Generator::with_seed(seed);
    let x = Tensor::randn(shape).generator(&generator).build().unwrap();
    let x = if dtype.is_float() { x } else { x.mul(20.0).unwrap().abs().unwrap().minimum(100.0).unwrap() };
    let x = if dtype == DType::Bool { x.gt(10.0).unwrap() } else { x };
    x.to_dtype(dtype).unwrap()
}

/// Ways in which the elements of a tensor may lie.
const LAYOUTS: [&str; 4] = ["in rows", "turned round", "part of a larger one", "every second"];

/// The same tensor with its elements in other places.
fn laid(x: &Tensor, layout: usize) -> Result<Tensor> {
    let (rank, last) = (x.rank(), x.shape().last().copied().unwrap_or(1));
    match layout {
        1 if rank >= 2 => {
            let order: Vec<i64> = (0..rank as i64).rev().collect();
            x.permute(&order[..])?.contiguous()?.permute(&order[..])
        }
        2 if rank >= 1 => cat(&[x, x], -1)?.narrow(-1, last as isize, last),
        3 if rank >= 1 => {
            let pairs = x.unsqueeze(-1)?;
            cat(&[&pairs, &pairs], -1)?.select(-1, 1)
        }
        _ => Ok(x.clone()),
    }
}

fn home(x: &Tensor) -> Tensor {
    x.to_device(Device::Cpu).unwrap_or_else(|e| panic!("{}", e.message()))
}

/// Elements as doubles.
fn doubles(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap()
}

/// How far a result of a dtype may be off, beside numbers of about 1.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 2e-3,
        DType::BF16 => 1.6e-2,
        DType::F32 => 2e-6,
        DType::F64 => 1e-14,
        _ => 0.0,
    }
}

fn assert_close(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    let got = home(got);
    assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()), "{what}");
    for (i, (g, w)) in doubles(&got).into_iter().zip(doubles(want)).enumerate() {
        let close = g == w || (g - w).abs() <= tolerance * w.abs().max(1.0) || g.is_nan() && w.is_nan();
        assert!(close, "{what}, element {i}: {g} where {w} is right");
    }
}

/// Runs `f` and fails if it had the host compute anything.
fn on_device<R>(what: &str, f: impl FnOnce() -> R) -> R {
    let before = flambeau_cuda::host_ops();
    let result = f();
    assert_eq!(flambeau_cuda::host_ops(), before, "{what} ran on the host");
    result
}

/// Runs `f` on the CPU and on the device, on these inputs in every layout.
fn compare(gpu: &Gpu, what: &str, inputs: &[Tensor], factor: f64, f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let want = f(inputs).unwrap_or_else(|e| panic!("{what}: {}", e.message()));
    for (k, layout) in LAYOUTS.iter().enumerate() {
        let there = |x: &Tensor| laid(&x.to_device(gpu.device).unwrap(), k).unwrap();
        let moved: Vec<Tensor> = inputs.iter().map(there).collect();
        let got = f(&moved).unwrap_or_else(|e| panic!("{what}, {layout}: {}", e.message()));
        assert_close(&format!("{what}, {layout}"), &got, &want, factor * tolerance(want.dtype()));
    }
}
