//! What tests of layers against PyTorch's recorded marks share.

use flambeau_tensor::{DType, Tensor};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers between −1 and 1.
pub fn input(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| ((i * 7) % 11) as f32 / 5.0 - 1.0).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// Σ xᵢ cos i.
pub fn mark(t: &Tensor) -> f64 {
    let values = t.detach().contiguous().unwrap().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    values.iter().enumerate().map(|(i, v)| v * (i as f64).cos()).sum()
}

/// Marks are PyTorch's.
#[track_caller]
pub fn near(name: &str, found: &[f64], right: &[f64]) {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 2e-5 * b.abs().max(1.0);
    assert!(found.len() == right.len() && found.iter().zip(right).all(near), "{name}: {found:?} for {right:?}");
}

/// Tests that draw from the default generator, which is the process's, run one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
