//! In-place ops and views: values, histories, and the errors that keep gradients from getting lost.

use flambeau_autograd::Autograd;
use flambeau_tensor::{Result, Tensor, no_grad};

fn leaf(values: &[f64]) -> Result<Tensor> {
    Tensor::from_slice(values, values.len())?.requires_grad_()
}

fn grad(x: &Tensor) -> Vec<f64> {
    x.grad().unwrap().to_vec().unwrap()
}

#[test]
fn an_in_place_op_is_part_of_the_history() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let y = x.mul(2.0)?;
    y.mul_(&y)?; // (2x)²
    y.add_(1.0)?;
    y.sum(..)?.backward()?;
    assert_eq!(grad(&x), [8.0, 16.0]);
    Ok(())
}

#[test]
fn an_overwritten_value_names_both_ops() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let y = x.mul(2.0)?;
    let z = y.mul(&x)?.sum(..)?;
    y.add_(1.0)?;
    let e = z.backward().unwrap_err().to_string();
    assert!(
        e.contains("a value saved by `mul`")
            && e.contains("overwritten by `add_`")
            && e.contains("version 1, saved at version 0"),
        "{e}"
    );
    assert_eq!(e.matches("in_place.rs").count(), 3, "both ops and the call have a line: {e}");
    Ok(())
}

#[test]
fn a_leaf_is_written_under_no_grad_only() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    assert!(x.add_(1.0).unwrap_err().to_string().contains("leaf"));
    assert!(x.select(0, 0)?.add_(1.0).unwrap_err().to_string().contains("view of a leaf"));
    no_grad(|| x.add_(1.0).map(drop))?;
    assert_eq!(x.to_vec::<f64>()?, [2.0, 3.0]);
    assert!(x.is_leaf() && x.requires_grad());
    Ok(())
}

#[test]
fn writing_a_view_reaches_the_base() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let y = x.mul(1.0)?;
    let view = y.narrow(0, 1, 2)?;
    view.mul_(10.0)?;
    assert_eq!(y.to_vec::<f64>()?, [1.0, 20.0, 30.0]);
    y.square()?.sum(..)?.backward()?;
    assert_eq!(grad(&x), [2.0, 400.0, 600.0]);
    Ok(())
}

#[test]
fn writing_the_base_reaches_its_views() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let y = x.mul(1.0)?;
    let (one, other) = (y.narrow(0, 0, 2)?, y.select(0, 2)?);
    y.mul_(&x)?; // x²
    one.mul_(3.0)?;
    other.sum(..)?.add(one.sum(..)?)?.backward()?;
    assert_eq!(grad(&x), [6.0, 12.0, 6.0]);
    Ok(())
}

#[test]
fn a_base_without_history_takes_one_from_its_view() -> Result<()> {
    let x = leaf(&[2.0])?;
    let base = Tensor::zeros([3]).dtype(flambeau_tensor::DType::F64).build()?;
    base.narrow(0, 1, 1)?.copy_(&x.square()?)?;
    assert!(base.requires_grad());
    base.mul(&base)?.sum(..)?.backward()?; // x⁴
    assert_eq!(grad(&x), [32.0]);
    Ok(())
}

#[test]
fn a_view_made_under_no_grad_refuses_what_its_base_would_miss() -> Result<()> {
    let x = leaf(&[2.0])?;
    let base = Tensor::zeros([3]).dtype(flambeau_tensor::DType::F64).build()?;
    let view = no_grad(|| base.narrow(0, 1, 1))?;
    assert!(view.copy_(&x).unwrap_err().to_string().contains("no_grad"));
    Ok(())
}

#[test]
fn a_fill_cuts_the_history() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let y = x.mul(5.0)?;
    y.select(0, 1)?.zero_()?;
    y.sum(..)?.backward()?;
    assert_eq!(grad(&x), [5.0, 0.0, 5.0]);
    Ok(())
}

#[test]
fn overlapping_reads_and_writes_see_the_old_values() -> Result<()> {
    let x = Tensor::arange(0, 6).build()?;
    x.narrow(0, 1, 5)?.add_(&x.narrow(0, 0, 5)?)?;
    assert_eq!(x.to_vec::<i64>()?, [0, 1, 3, 5, 7, 9]);
    let m = Tensor::arange(0, 9).build()?.reshape([3, 3])?;
    m.add_(&m.t()?)?;
    assert_eq!(m.to_vec::<i64>()?, [0, 4, 8, 4, 8, 12, 8, 12, 16]);
    let e = Tensor::zeros([1]).build()?.expand([4])?;
    assert!(e.add_(1.0).unwrap_err().to_string().contains("expanded"));
    Ok(())
}

#[test]
fn a_held_slice_is_an_error_not_a_deadlock() -> Result<()> {
    let x = Tensor::zeros([4]).build()?;
    let held = x.data::<f32>()?;
    assert!(x.add_(1.0).unwrap_err().to_string().contains("holds a slice"));
    assert_eq!(x.add(1.0)?.to_vec::<f32>()?, [1.0; 4]);
    drop(held);
    x.add_(1.0)?;
    Ok(())
}
