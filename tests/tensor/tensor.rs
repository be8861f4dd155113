//! Tensors without anything above them: what the crate of tensors gives a program that depends on it alone.

use flambeau_tensor::{DType, Result, Tensor, cat, fft, manual_seed, tensor};

#[test]
fn arithmetic_views_and_files_of_bytes() -> Result<()> {
    let a = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    let b = &a * 2.0 + a.t()?;
    assert_eq!(a.matmul(&b)?.to_vec::<f32>()?, [19.0, 31.0, 41.0, 69.0]);
    assert_eq!(cat(&[&a, &b], 0)?.i((1..3, 0))?.to_vec::<f32>()?, [3.0, 3.0]);
    a.i((.., 0))?.mul_(10.0)?;
    assert_eq!(a.to_vec::<f32>()?, [10.0, 2.0, 30.0, 4.0]);
    assert_eq!(a.to_dtype(DType::I64)?.sum(..)?.item::<i64>()?, 46);
    Ok(())
}

#[test]
fn random_numbers_and_transforms() -> Result<()> {
    manual_seed(0);
    let x = Tensor::randn([64]).dtype(DType::F64).build()?;
    let back = fft::irfft(&fft::rfft(&x, None, -1, fft::Norm::Backward)?, Some(64), -1, fft::Norm::Backward)?;
    assert!(back.allclose(&x)?);
    Ok(())
}

#[test]
fn nothing_is_recorded_and_mistakes_name_the_line() -> Result<()> {
    let x = tensor!([1.0, 2.0]);
    assert!(!x.exp()?.requires_grad());
    let wrong = x.matmul(tensor!([1.0, 2.0, 3.0])).unwrap_err();
    assert!(wrong.location().is_some_and(|at| at.file().ends_with("tensor.rs")), "{wrong}");
    Ok(())
}
